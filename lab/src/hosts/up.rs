//! From nothing to a pair that replicates.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
    thread,
    time::Duration,
};

use crate::process::Process;

use super::{
    Lab, LabError, LabErrorKind, Options, Result, aix, bmc,
    database::Server,
    db2, furnish,
    keys::Keys,
    machine::Machine,
    name::prefix,
    net::Network,
    persona::STANDIN,
    power::{PowerAction, listens_on},
    remains::{LOCK, remains},
    rootfs::Upper,
    shell::preflight,
    state::{self, Lock, State},
};

/// Longest wait for any one thing; a loaded machine is slow.
const LIMIT: Duration = Duration::from_secs(300);

fn up(options: &Options) -> Result<Lab> {
    preflight()?;
    options.persona.check()?;
    let dir = prepare(&options.dir)?;
    let _lock = Lock::take(&dir, "lab")?;
    if let Some(former) = State::read(&dir) {
        let owned = former.owner.is_none_or(Process::is_alive);
        if former.ready && former.boot_id == state::boot_id() && owned {
            return Err(LabError::new(
                LabErrorKind::AlreadyUp,
                "A practice cluster is up already.",
                format!("in {}", dir.display()),
                "Use it (hamn lab status), or remove it: hamn lab down",
            ));
        }
    }
    remains(&dir)?;
    let mut lab = Lab {
        network: Network::new(&prefix(&dir)),
        state: State {
            prefix: prefix(&dir),
            ready: false,
            owner: options.tied.then(Process::current).flatten(),
            boot_id: state::boot_id(),
            postgres: String::new(),
            db2: options.db2.as_ref().map(|d| (d.timeout_s, d.window_s)),
            host_keys: BTreeMap::new(),
            machine_ids: BTreeMap::new(),
            guids: BTreeMap::new(),
            persona: options.persona,
        },
        tied: false,
        dir,
    };
    lab.state.write(&lab.dir)?;
    match build(&mut lab, options) {
        Ok(()) => {
            lab.tied = options.tied;
            Ok(lab)
        }
        Err(e) => {
            // The failure is the news; what cannot be removed now is removed by the next call.
            let _ = remains(&lab.dir);
            Err(e)
        }
    }
}

/// The lab's folder by its true name.
fn prepare(dir: &Path) -> Result<std::path::PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| LabError::file("make", dir, &e))?;
    let dir = fs::canonicalize(dir).map_err(|e| LabError::file("find", dir, &e))?;
    let foreign = fs::read_dir(&dir).into_iter().flatten().flatten().next().is_some();
    if foreign && State::read(&dir).is_none() && !dir.join(LOCK).exists() {
        return Err(LabError::new(
            LabErrorKind::Usage,
            "This folder holds something else than a practice cluster.",
            dir.display().to_string(),
            "Name an empty folder, or one that does not exist.",
        ));
    }
    Ok(dir)
}

fn build(lab: &mut Lab, options: &Options) -> Result<()> {
    let server = Server::find()?;
    lab.state.postgres.clone_from(&server.version);
    let program = lab.dir.join("program");
    let failed = |e: std::io::Error| LabError::file("copy", &options.program, &e);
    fs::copy(&options.program, &program).map_err(failed)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    fs::write(lab.dir.join("boot.sh"), include_str!("boot.sh")).map_err(failed)?;

    let (network, dir) = (&lab.network, &lab.dir);
    let (template, net, keys) = thread::scope(|scope| {
        let template = scope.spawn(|| match &options.db2 {
            None => server.template(&options.cache).map(Some),
            Some(_) => Ok(None),
        });
        let net = scope.spawn(|| network.build());
        let keys = Keys::generate(dir);
        (join(template), join(net), keys)
    });
    let (template, keys) = (template?, keys?);
    net?;

    for machine in Machine::ALL {
        lab.state.machine_ids.insert(machine, random_id()?);
        lab.state.host_keys.insert(machine, keys.host[&machine].public.clone());
    }
    for machine in Machine::PAIR {
        lab.state.guids.insert(machine, bmc::guid(&lab.state.prefix, machine));
    }
    lab.state.write(&lab.dir)?;
    let states = options.db2.as_ref().map(|d| d.states(options.persona)).transpose()?.unwrap_or_default();
    for machine in Machine::ALL {
        let here = lab.host(machine);
        let upper = Upper::create(&here, &[&lab.dir, &options.cache])?;
        let (id, persona) = (&lab.state.machine_ids[&machine], options.persona);
        furnish::any(&upper, machine, id, &keys, persona)?;
        // Where hamn may run; an AIX node gets nothing installed.
        if (machine.is_mn() && !persona.is_aix(machine)) || machine == Machine::Admin {
            furnish::operator(&upper, &program)?;
        }
        if machine == Machine::Sn1 && options.db2.is_some() {
            furnish::service_node(&upper, &program)?;
        }
        if machine.is_mn() {
            furnish::management_node(&upper, machine, &server, options.db2.is_some(), persona)?;
            let program = if persona.is_aix(machine) { STANDIN } else { furnish::PROGRAM };
            match &template {
                Some(template) => server.install(&upper, machine, template, options)?,
                None => db2::install(&upper, machine, &states[usize::from(machine == Machine::Mn2)], program)?,
            }
        }
        if let Some(shell) = persona.shell(machine) {
            aix::furnish(&upper, machine, shell, id, &program, options.db2.is_none().then_some(&server))?;
        }
    }

    let lab_now: &Lab = lab;
    thread::scope(|scope| {
        let mut tasks = Vec::new();
        for machine in Machine::ALL {
            tasks.push(scope.spawn(move || lab_now.power(machine, PowerAction::On).map(drop)));
        }
        for machine in Machine::PAIR {
            let (program, guid) = (&program, &lab_now.state.guids[&machine]);
            tasks.push(scope.spawn(move || bmc::start(&lab_now.dir, program, &lab_now.network, machine, guid)));
        }
        tasks.into_iter().map(join).collect::<Result<Vec<()>>>()
    })?;
    for machine in Machine::ALL {
        lab.wait_ssh(machine, LIMIT)?;
    }
    match &options.db2 {
        None => wait_database(lab)?,
        Some(db2) => wait_db2(lab, db2.formed)?,
    }
    let listens = || {
        lab.init(Machine::Mn1).is_some_and(|init| {
            fs::read_to_string(format!("/proc/{}/net/tcp", init.pid)).is_ok_and(|t| listens_on(&t, 3001))
        })
    };
    lab.wait(Machine::Mn1, "xcatd", LIMIT, listens)?;
    lab.wait_booted(Machine::Mn2, LIMIT)?;
    lab.state.ready = true;
    lab.state.write(&lab.dir)
}

fn join<T>(task: thread::ScopedJoinHandle<'_, T>) -> T {
    task.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Until the standby streams.
fn wait_database(lab: &Lab) -> Result<()> {
    let (machine, socket) = (Machine::Mn1, "/run/postgresql/.s.PGSQL.5432");
    lab.wait(machine, "PostgreSQL", LIMIT, || lab.seen(machine, socket))?;
    lab.wait(machine, "the standby to stream", LIMIT, || lab.standbys() > 0)
}

/// Until both instances run; a formed pair, until it is in peer.
fn wait_db2(lab: &Lab, formed: bool) -> Result<()> {
    for machine in [Machine::Mn2, Machine::Mn1] {
        let runs = || lab.db2(machine, "db2gcf -s").is_ok_and(|(exit, _)| exit == Some(0));
        lab.wait(machine, "DB2", LIMIT, runs)?;
        if formed {
            // On the primary xcatd does the same: a connection to it waits for the standby.
            lab.db2(machine, &format!("db2 activate db {}", db2::DB2_DATABASE))?;
        }
    }
    if formed { lab.wait(Machine::Mn1, "the pair to be in peer", LIMIT, || lab.db2_in_peer()) } else { Ok(()) }
}

impl Lab {
    /// Makes a lab and waits until it replicates and answers. A killed or crashed one in the same folder is removed first.
    ///
    /// # Errors
    /// [`LabErrorKind::AlreadyUp`] when a whole one lives there.
    pub fn up(options: &Options) -> Result<Self> {
        up(options)
    }

    /// One SQL text as PostgreSQL's owner on a machine: the answer, columns separated by `|`.
    ///
    /// # Errors
    /// The machine is off, or psql failed.
    pub fn sql(&self, machine: Machine, database: &str, text: &str) -> Result<String> {
        let (runuser, env) = (self.tool(machine, "runuser"), self.tool(machine, "env"));
        let argv = [
            runuser.as_str(),
            "-u",
            "postgres",
            "--",
            env.as_str(),
            "-C",
            "/",
            "psql",
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            database,
            "-c",
            text,
        ];
        let out = self.exec_within(machine, Duration::from_secs(20), &argv)?;
        if out.ok() {
            return Ok(out.stdout.trim().to_owned());
        }
        Err(LabError::failed(format!("psql failed on {machine}."), out.stderr.trim().to_owned()))
    }

    /// Number of standbys that stream from `mn1`.
    fn standbys(&self) -> u32 {
        self.sql(Machine::Mn1, "postgres", "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")
            .ok()
            .and_then(|t| t.parse().ok())
            .unwrap_or(0)
    }
}

/// 32 hexadecimal digits, as in `/etc/machine-id`.
fn random_id() -> Result<String> {
    let path = Path::new("/proc/sys/kernel/random/uuid");
    let text = fs::read_to_string(path).map_err(|e| LabError::file("read", path, &e))?;
    Ok(text.trim().replace('-', ""))
}
