//! The stand-in for DB2 on the management nodes of a lab: account, programs, state before the first boot.

use std::{fs, path::Path};

use workflows::model;

use crate::db2::{Build, Knobs, Machine as Instance, PROGRAMS, Pair, Side};

use super::{
    Lab, LabError, Result,
    machine::{Machine, Nic, SERVICE_ADDRESS, SERVICE_NAME, STANDBY_NAME},
    persona::Persona,
    rootfs::Upper,
    seed,
};

/// The instance, and the account that owns it.
pub const DB2_INSTANCE: &str = "xcatdb";
/// Its home.
pub const DB2_HOME: &str = "/var/lib/db2";
/// The database.
pub const DB2_DATABASE: &str = "XCATDB";
/// Folder of backup images.
pub const DB2_BACKUP: &str = "/var/lib/db2/backup";
/// State of instance and database, below the instance's home: what survives a kill and a power cut.
pub const DB2_STATE: &str = "sqllib/standin/state.json";
/// User and group number of the account.
const OWNER: (u32, u32) = (1970, 1970);
const SERVICES: [(&str, u16); 2] = [("DB2_HADR_1", 55_001), ("DB2_HADR_2", 55_002)];

/// DB2 of a lab, instead of PostgreSQL.
#[derive(Debug, Clone)]
pub struct Db2 {
    /// Knobs of both; commands take no time on hosts unless this says otherwise.
    pub knobs: Knobs,
    /// Whether it comes up as a pair in peer; else `mn1` has a STANDARD database and `mn2` none.
    pub formed: bool,
    /// HADR_TIMEOUT of the formed pair, seconds.
    pub timeout_s: u64,
    /// HADR_PEER_WINDOW of the formed pair, seconds.
    pub window_s: u64,
}

impl Default for Db2 {
    fn default() -> Self {
        Self { knobs: Knobs { latency: false, ..Knobs::default() }, formed: true, timeout_s: 10, window_s: 90 }
    }
}

impl Db2 {
    /// What the two hosts have on disk before their first boot, as JSON.
    pub(super) fn states(&self, persona: Persona) -> Result<[String; 2]> {
        // Two AIX machines have no cluster-facing addresses but the two that they swap.
        let address = |m: Machine| {
            let service = m == Machine::Mn1 && persona.is_aix(m);
            if service { SERVICE_ADDRESS.to_owned() } else { m.address(Nic::Eth0) }
        };
        let mut build = Build {
            instance: DB2_INSTANCE.into(),
            home: DB2_HOME.into(),
            database: DB2_DATABASE.into(),
            hosts: [SERVICE_NAME.into(), STANDBY_NAME.into()],
            addresses: Machine::PAIR.map(address),
            services: SERVICES.map(|(name, port)| (name.to_owned(), port)),
            timeout_s: self.timeout_s,
            window_s: self.window_s,
            backup: DB2_BACKUP.into(),
            knobs: Knobs { faults: Vec::new(), half_takeover: None, ..self.knobs.clone() },
            content: seed::content(),
            ..Build::default()
        };
        // What happened before the lab began lies in the past.
        build.now_ms = 1_700_000_000_000;
        let mut pair = if self.formed { Pair::formed(&build) } else { Pair::new(&build) };
        if !self.formed {
            let now = build.now_ms;
            pair.machine_mut(Side::A).create_database(DB2_DATABASE, now, build.content.clone());
        }
        Side::BOTH
            .map(|side| {
                *pair.knobs(side) = self.knobs.clone();
                let instance: &Instance = pair.machine(side);
                serde_json::to_string(instance)
            })
            .into_iter()
            .collect::<std::result::Result<Vec<_>, _>>()
            .ok()
            .and_then(|all| all.try_into().ok())
            .ok_or_else(|| LabError::failed("The stand-in's state could not be written down.", "serialisation failed"))
    }

    /// As the configuration has it.
    pub(super) fn model(&self) -> model::Database {
        model::Database::Db2(model::Db2 {
            database: DB2_DATABASE.into(),
            instance: DB2_INSTANCE.into(),
            home: DB2_HOME.into(),
            port: 60_000,
            backup_dir: DB2_BACKUP.into(),
            hadr: model::Hadr {
                services: SERVICES.map(|(name, port)| model::HadrService { name: name.into(), port }),
                sync_mode: model::SyncMode::NearSync,
                timeout_s: self.timeout_s as u32,
                peer_window_s: self.window_s as u32,
                after_takeover: model::AfterTakeover::Keep,
            },
        })
    }
}

/// cfgloc of a machine with DB2.
pub(super) fn cfgloc() -> String {
    format!("DB2:{DB2_DATABASE}|{DB2_INSTANCE}|cluster\n")
}

/// A file of the machine with lines behind it.
fn extended(path: &str, lines: &str) -> Result<String> {
    let text = fs::read_to_string(path).map_err(|e| LabError::file("read", Path::new(path), &e))?;
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{text}{end}{lines}"))
}

/// Everything on a management node.
pub(super) fn install(upper: &Upper, machine: Machine, state: &str, standin: &str) -> Result<()> {
    let (uid, gid) = OWNER;
    let passwd = format!("{DB2_INSTANCE}:x:{uid}:{gid}:DB2 stand-in:{DB2_HOME}:/bin/sh\n");
    upper.file("/etc/passwd", 0o644, &extended("/etc/passwd", &passwd)?)?;
    upper.file("/etc/group", 0o644, &extended("/etc/group", &format!("{DB2_INSTANCE}:x:{gid}:\n"))?)?;
    upper.file("/etc/shadow", 0o600, &extended("/etc/shadow", &format!("{DB2_INSTANCE}:*:19000:0:99999:7:::\n"))?)?;
    let services = SERVICES.iter().fold(String::new(), |all, (name, port)| all + &format!("{name}\t{port}/tcp\n"));
    upper.file("/etc/services", 0o644, &extended("/etc/services", &services)?)?;
    for (dir, mode) in [
        ("", 0o755),
        ("/sqllib", 0o755),
        ("/sqllib/bin", 0o755),
        ("/sqllib/adm", 0o755),
        ("/sqllib/db2dump", 0o755),
        ("/sqllib/standin", 0o700),
        ("/backup", 0o755),
    ] {
        upper.folder_of(OWNER, &format!("{DB2_HOME}{dir}"), mode)?;
    }
    // Nothing reads them but whoever saves what only this copy has.
    let logs = format!("{DB2_HOME}/{DB2_INSTANCE}/NODE0000/SQL00001/SQLOGDIR");
    upper.folder_of(OWNER, &logs, 0o755)?;
    upper.file_of(OWNER, &format!("{logs}/S0000000.LOG"), 0o600, "# A log file of a stand-in.\n")?;
    for program in PROGRAMS {
        let dir = if matches!(program, "db2start" | "db2stop" | "db2pd") { "adm" } else { "bin" };
        let text = format!(
            "#!/bin/sh\n# A stand-in for IBM DB2, for practice and tests. It is no DB2.\nexec {standin} standin db2 {DB2_HOME} {program} \"$@\"\n"
        );
        upper.file_of(OWNER, &format!("{DB2_HOME}/sqllib/{dir}/{program}"), 0o755, &text)?;
    }
    let profile = format!(
        "# A stand-in for IBM DB2, for practice and tests. It is no DB2.\nDB2INSTANCE={DB2_INSTANCE}\nINSTHOME={DB2_HOME}\nexport DB2INSTANCE INSTHOME\nPATH=$PATH:$INSTHOME/sqllib/bin:$INSTHOME/sqllib/adm:$INSTHOME/sqllib/misc\nexport PATH\n"
    );
    upper.file_of(OWNER, &format!("{DB2_HOME}/sqllib/db2profile"), 0o755, &profile)?;
    upper.file_of(
        OWNER,
        &format!("{DB2_HOME}/.profile"),
        0o644,
        "[ ! -f ~/sqllib/db2profile ] || . ~/sqllib/db2profile\n",
    )?;
    let nodes = format!("0 {} 0\n", machine.host_name());
    upper.file_of(OWNER, &format!("{DB2_HOME}/sqllib/db2nodes.cfg"), 0o644, &nodes)?;
    upper.file_of(OWNER, &format!("{DB2_HOME}/{DB2_STATE}"), 0o600, state)?;
    upper.file(
        "/etc/init.d/db2",
        0o755,
        &format!(
            "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: db2\n# Default-Start: 2 3 4 5\n# Default-Stop: 0 1 6\n\
             # Short-Description: DB2 (stand-in)\n### END INIT INFO\ncase $1 in start) exec su - {DB2_INSTANCE} -c db2start;; \
             stop) exec su - {DB2_INSTANCE} -c 'db2stop force';; esac\n"
        ),
    )?;
    Ok(())
}

impl Lab {
    /// Runs a line of shell as the owner of the instance on a machine, with the environment of DB2: exit code and standard output.
    ///
    /// # Errors
    /// The machine is off.
    pub fn db2(&self, machine: Machine, line: &str) -> Result<(Option<i32>, String)> {
        let out = self.exec(machine, &["su", "-", DB2_INSTANCE, "-c", line])?;
        Ok((out.exit, out.stdout))
    }

    /// Whether both are in peer and connected, as db2pd says it on both.
    pub fn db2_in_peer(&self) -> bool {
        let line = format!("db2pd -d {DB2_DATABASE} -hadr");
        Machine::PAIR.iter().all(|m| {
            self.db2(*m, &line).is_ok_and(|(_, t)| {
                let words: Vec<&str> = t.split_whitespace().collect();
                ["Peer", "PEER"].iter().any(|w| words.contains(w))
                    && ["Connected", "CONNECTED"].iter().any(|w| words.contains(w))
            })
        })
    }
}
