//! PostgreSQL of the pair. A cluster with the xCAT database is made once and kept as a template; both machines start from a copy of
//! it, the standby with `standby.signal`, so that they have one history.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use super::{
    LabError, Options, Result,
    machine::{CLUSTER_NETWORK, Machine, Nic},
    name::hash,
    rootfs::{Upper, account},
    seed, shell,
};

/// Name of the database.
pub const DATABASE: &str = "xcatdb";
/// Role of xcatd.
pub const ROLE: &str = "xcatadm";
/// Its password. The lab's secrets protect nothing outside its namespaces.
pub const PASSWORD: &str = "cluster";
/// Role of the standby.
const REPLICATOR: &str = "replicator";
/// Its password.
const REPLICATOR_PASSWORD: &str = "stream";
/// Raised when the template's content changes in a way that its seed does not show.
const TEMPLATE_FORM: u32 = 1;

/// What PostgreSQL the machine has.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Major version, such as `15`.
    pub(crate) version: String,
}

impl Server {
    /// The newest one installed.
    pub(crate) fn find() -> Result<Self> {
        let mut versions: Vec<u32> = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten()
            .filter(|e| e.path().join("bin/postgres").exists())
            .filter_map(|e| e.file_name().to_str()?.parse().ok())
            .collect();
        versions.sort_unstable();
        let version = versions
            .last()
            .ok_or_else(|| LabError::failed("PostgreSQL is missing.", "no /usr/lib/postgresql/VERSION/bin/postgres"))?;
        Ok(Self { version: version.to_string() })
    }

    pub(crate) fn bin_dir(&self) -> String {
        format!("/usr/lib/postgresql/{}/bin", self.version)
    }

    pub(crate) fn data_dir(&self) -> String {
        format!("/var/lib/postgresql/{}/main", self.version)
    }

    pub(crate) fn config_dir(&self) -> String {
        format!("/etc/postgresql/{}/main", self.version)
    }

    /// The template, made if the cache does not hold it. A crash leaves a folder of another name, which the next one removes.
    pub(crate) fn template(&self, cache: &Path) -> Result<PathBuf> {
        let sql = seed::sql(ROLE);
        let name = format!("postgresql-{}-{:016x}", self.version, hash(&format!("{TEMPLATE_FORM}\n{sql}")));
        let done = cache.join(&name);
        if done.join("PG_VERSION").exists() {
            return Ok(done);
        }
        let io = |path: &Path, e: &std::io::Error| LabError::file("make", path, e);
        // The server refuses root and so does initdb: its owner must get through.
        fs::DirBuilder::new().recursive(true).mode(0o755).create(cache).map_err(|e| io(cache, &e))?;
        let lock = fs::File::create(cache.join("lock")).map_err(|e| io(cache, &e))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).map_err(|e| io(cache, &e.into()))?;
        if done.join("PG_VERSION").exists() {
            return Ok(done);
        }
        let work = cache.join("making");
        let _ = fs::remove_dir_all(&work);
        fs::create_dir(&work).map_err(|e| io(&work, &e))?;
        let (uid, gid) = account("postgres")?;
        chown(&work, Some(uid), Some(gid)).map_err(|e| io(&work, &e))?;
        let data = work.join("data");
        let (bin, data_text) = (self.bin_dir(), data.display().to_string());
        let as_owner = |argv: &[&str], stdin: &str| {
            let mut words = vec!["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "env", "-C", "/"];
            words.extend_from_slice(argv);
            shell::run_with(&words, stdin)
        };
        as_owner(
            &[
                &format!("{bin}/initdb"),
                "-D",
                &data_text,
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "--data-checksums",
                "--auth-local=peer",
                "--auth-host=scram-sha-256",
                "-U",
                "postgres",
            ],
            "",
        )?;
        // Single user: nothing listens, nothing has to be started or stopped.
        let single = |database: &str, sql: &str| {
            as_owner(&[&format!("{bin}/postgres"), "--single", "-j", "-F", "-D", &data_text, database], sql)
        };
        single(
            "postgres",
            &format!(
                "CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}';\n\n\
                 CREATE ROLE {REPLICATOR} LOGIN REPLICATION PASSWORD '{REPLICATOR_PASSWORD}';\n\n\
                 CREATE DATABASE {DATABASE} OWNER {ROLE};\n\n"
            ),
        )?;
        single(DATABASE, &sql)?;
        for file in ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"] {
            let _ = fs::remove_file(data.join(file));
        }
        fs::rename(&data, &done).map_err(|e| io(&done, &e))?;
        let _ = fs::remove_dir_all(&work);
        Ok(done)
    }

    /// Puts database, configuration and credentials on one machine of the pair that is off.
    pub(crate) fn install(&self, upper: &Upper, machine: Machine, template: &Path, options: &Options) -> Result<()> {
        let (listen, synchronous) = (&options.listen, options.synchronous);
        let owner = account("postgres")?;
        upper.folder_of((0, owner.1), "/var/log/postgresql", 0o1775)?;
        let home = upper.folder_of(owner, &format!("/var/lib/postgresql/{}", self.version), 0o755)?;
        shell::run(&[
            "cp",
            "-a",
            "--reflink=auto",
            &template.display().to_string(),
            &home.join("main").display().to_string(),
        ])?;
        let data = self.data_dir();
        let peer = if machine == Machine::Mn1 { Machine::Mn2 } else { Machine::Mn1 };
        let config = self.config_dir();
        upper.folder_of(owner, &config, 0o755)?;
        let file = |name: &str, text: &str| upper.file_of(owner, &format!("{config}/{name}"), 0o640, text);
        file("start.conf", "auto\n")?;
        file("environment", "")?;
        file("pg_ctl.conf", "pg_ctl_options = ''\n")?;
        file("pg_ident.conf", "")?;
        file("pg_hba.conf", &hba(machine, peer))?;
        let standby_names = if synchronous && machine == Machine::Mn1 { peer.name() } else { "" };
        file(
            "postgresql.conf",
            &format!(
                "data_directory = '{data}'\nhba_file = '{config}/pg_hba.conf'\nident_file = '{config}/pg_ident.conf'\n\
                 external_pid_file = '/var/run/postgresql/{version}-main.pid'\nunix_socket_directories = '/var/run/postgresql'\n\
                 cluster_name = '{machine}'\nlisten_addresses = '{listen}'\nport = 5432\n\
                 shared_buffers = 32MB\nwal_level = replica\nmax_wal_senders = 10\nwal_keep_size = 256MB\nhot_standby = on\n\
                 wal_retrieve_retry_interval = 500ms\nsynchronous_standby_names = '{standby_names}'\njit = off\n\
                 log_line_prefix = '%m [%p] %q%u@%d '\nlog_timezone = 'Etc/UTC'\ntimezone = 'Etc/UTC'\n",
                version = self.version,
            ),
        )?;
        upper.file_of(
            owner,
            "/var/lib/postgresql/.pgpass",
            0o600,
            &format!("*:5432:*:{REPLICATOR}:{REPLICATOR_PASSWORD}\n"),
        )?;
        if machine == Machine::Mn2 {
            // Two AIX machines swap their cluster-facing addresses; that of the primary is no way to it.
            let nic = if options.persona.is_aix(peer) { Nic::Eth1 } else { Nic::Eth0 };
            self.make_standby(upper, owner, &peer.address(nic))?;
        }
        let data = upper.path(&data);
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).map_err(|e| LabError::file("protect", &data, &e))
    }

    fn make_standby(&self, upper: &Upper, owner: (u32, u32), primary: &str) -> Result<()> {
        let data = self.data_dir();
        upper.file_of(owner, &format!("{data}/standby.signal"), 0o600, "")?;
        upper.file_of(
            owner,
            &format!("{data}/postgresql.auto.conf"),
            0o600,
            &format!(
                "primary_conninfo = 'host={primary} port=5432 user={REPLICATOR} passfile=''/var/lib/postgresql/.pgpass'' connect_timeout=2'\n"
            ),
        )
    }
}

/// Own addresses only, as pgsqlsetup writes it: that the clients' lines are wanted after a takeover is for the takeover to do.
fn hba(machine: Machine, peer: Machine) -> String {
    let service = if machine == Machine::Mn1 {
        format!("host all all {CLUSTER_NETWORK} scram-sha-256\n")
    } else {
        format!("host all all {}/32 scram-sha-256\n", machine.address(Nic::Eth0))
    };
    let mut text = format!(
        "local all postgres peer\nlocal all all peer\n# IPv4 local connections:\nhost all all 127.0.0.1/32 scram-sha-256\n{service}\
         local replication all peer\n"
    );
    for nic in Nic::BOTH {
        text += &format!("host replication {REPLICATOR} {}/32 scram-sha-256\n", peer.address(nic));
    }
    text
}
