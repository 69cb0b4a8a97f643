//! The practice cluster of real hosts: network namespaces, overlay root file systems, sshd as process 1, a PostgreSQL pair that
//! replicates, BMCs that switch the machines. Prints nothing.
//!
//! A lab lives in one folder and in namespaces whose names begin with a prefix of its own, so that several live side by side.
//! What a killed lab left behind is found by these two and removed; nothing else is ever touched.

mod bmc;
mod database;
mod db2;
mod error;
mod furnish;
mod keys;
mod machine;
mod net;
mod pair;
mod persona;
mod power;
mod process;
mod rootfs;
mod seed;
mod shell;
mod state;
mod up;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

pub use bmc::{PASSWORD as BMC_PASSWORD, USER as BMC_USER};
pub use database::{DATABASE, PASSWORD as DATABASE_PASSWORD, ROLE};
pub use db2::{DB2_BACKUP, DB2_DATABASE, DB2_HOME, DB2_INSTANCE, Db2};
pub use error::{LabError, LabErrorKind, Result};
pub use machine::{
    CLUSTER_NETWORK, DOMAIN, Machine, Nic, PREFIX, Plug, SERVICE_ADDRESS, SERVICE_NAME, STANDBY_NAME, bmc_address,
    bmc_name,
};
pub use net::Line;
pub use pair::{config, password_file};
pub use persona::{CLUSTER_INTERFACE, GATEWAY, Ksh, Persona};
pub use power::{Power, PowerAction};
pub use seed::COMPUTE_NODES;
pub use shell::{Output, preflight};

use net::Network;
use process::Process;
use state::{Lock, State};

pub(crate) use persona::{AIX_PATH, GUARDED, NIM, ODM, TOOLS};
pub(crate) use process::{poll, proc, terminate};
pub(crate) use seed::quote;

/// Where a lab lives if nobody says otherwise.
pub const DEFAULT_DIR: &str = "/var/lib/hamn-lab";
/// Below this, labs of tests live: in memory where there is such a folder, because deleting them from a disk takes longer than all else.
pub fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory } else { Path::new("/var/lib") };
    base.join("hamn-lab-scratch")
}

/// Where the database template is kept.
pub const DEFAULT_CACHE: &str = "/var/cache/hamn-lab";

/// The lock in a lab's folder.
const LOCK: &str = "lab.lock";

/// How a lab is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its folder; made if absent, removed by [`Lab::down`].
    pub dir: PathBuf,
    /// Folder of the database template, shared by all labs.
    pub cache: PathBuf,
    /// The program that plays the stand-ins as `PROGRAM standin NAME ARGS…`; copied to the hosts as `/usr/local/bin/hamn`.
    pub program: PathBuf,
    /// Whether commits on the primary wait for the standby.
    pub synchronous: bool,
    /// `listen_addresses` of both servers.
    pub listen: String,
    /// What the two management nodes play.
    pub persona: Persona,
    /// DB2 (its stand-in) instead of PostgreSQL.
    pub db2: Option<Db2>,
    /// Whether the lab ends with this process: removed when the [`Lab`] is dropped, or by [`Lab::sweep`] if the process was killed.
    pub tied: bool,
}

impl Options {
    /// The usual lab, played by `program`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            dir: DEFAULT_DIR.into(),
            cache: DEFAULT_CACHE.into(),
            program: program.into(),
            synchronous: false,
            listen: "*".into(),
            persona: Persona::default(),
            db2: None,
            tied: false,
        }
    }
}

/// A lab that is up.
#[derive(Debug)]
pub struct Lab {
    dir: PathBuf,
    state: State,
    network: Network,
    /// Whether dropping this removes the lab.
    tied: bool,
}

/// One machine, for [`Lab::status`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineStatus {
    /// Which.
    pub machine: Machine,
    /// Power, as its BMC sees it.
    pub power: Power,
    /// Whether its process 1 lives; a machine that is on and does not live has crashed.
    pub alive: bool,
    /// Host name now; empty if it is off.
    pub host_name: String,
    /// IPv4 addresses on `eth0` and `eth1`; empty if it is off.
    pub addresses: Vec<String>,
    /// Interfaces whose cable is in.
    pub plugged: Vec<Nic>,
}

/// Which way a command goes into a host.
const INSIDE: [&str; 7] = ["-m", "-u", "-i", "-n", "-p", "-r", "-w"];

/// Environment of a command on a host.
const ENVIRONMENT: [&str; 4] =
    ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C", "SHELL=/bin/bash"];

impl Lab {
    /// Makes a lab and waits until it replicates and answers. A killed or crashed one in the same folder is removed first.
    ///
    /// # Errors
    /// [`LabErrorKind::AlreadyUp`] when a whole one lives there.
    pub fn up(options: &Options) -> Result<Self> {
        up::up(options)
    }

    /// The lab in a folder.
    ///
    /// # Errors
    /// [`LabErrorKind::NotUp`] when there is none, or the machine was booted since.
    pub fn open(dir: &Path) -> Result<Self> {
        let dir = fs::canonicalize(dir).map_err(|_| state::not_up(dir))?;
        let state = State::read(&dir).filter(|s| s.boot_id == state::boot_id()).ok_or_else(|| state::not_up(&dir))?;
        Ok(Self { network: Network::new(&state.prefix), dir, state, tied: false })
    }

    /// Removes a lab: its processes, its namespaces, its folder.
    ///
    /// # Errors
    /// A process that does not end, a file that cannot be removed.
    pub fn down(mut self) -> Result<()> {
        self.tied = false;
        remove(&self.dir)
    }

    /// [`Self::down`] for whatever is left in a folder; `Ok` when there is nothing.
    ///
    /// # Errors
    /// As [`Self::down`].
    pub fn clean(dir: &Path) -> Result<()> {
        let Ok(dir) = fs::canonicalize(dir) else { return Ok(()) };
        if State::read(&dir).is_none() && !dir.join(LOCK).exists() {
            return Ok(());
        }
        remove(&dir)
    }

    /// Removes the labs below a folder whose owner died without removing them. For tests: a killed one is cleaned up by the next.
    ///
    /// # Errors
    /// As [`Self::down`].
    pub fn sweep(base: &Path) -> Result<()> {
        for entry in fs::read_dir(base).into_iter().flatten().flatten() {
            let dir = entry.path();
            // One without a state is being made this moment, or died before it had anything but a folder.
            let orphan = State::read(&dir)
                .is_some_and(|s| s.owner.is_some_and(|o| s.boot_id != state::boot_id() || !o.is_alive()));
            if orphan {
                Self::clean(&dir)?;
            }
        }
        Ok(())
    }

    /// Names of the network namespaces that the lab in a folder has, whether it is whole or not.
    pub fn namespaces(dir: &Path) -> Vec<String> {
        // The folder may be gone already; its parent says what its true name was.
        let (parent, name) = (dir.parent().and_then(|p| fs::canonicalize(p).ok()), dir.file_name());
        parent.zip(name).map(|(p, n)| Network::new(&prefix(&p.join(n))).existing()).unwrap_or_default()
    }

    /// Whether it came up entirely.
    pub fn is_ready(&self) -> bool {
        self.state.ready
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where hamn may run: an AIX machine gets nothing installed.
    pub fn operators(&self) -> Vec<Machine> {
        [Machine::Mn1, Machine::Mn2, Machine::Admin].into_iter().filter(|m| !self.state.persona.is_aix(*m)).collect()
    }

    /// Runs a command on a host as root and waits for its end. Bounded by `timeout` on the host: exit 124.
    ///
    /// # Errors
    /// [`LabErrorKind::HostDown`] when it is off or dead.
    pub fn exec<S: AsRef<str>>(&self, machine: Machine, argv: &[S]) -> Result<Output> {
        self.exec_within(machine, Duration::from_secs(120), argv)
    }

    /// [`Self::exec`] with another time limit, whole seconds.
    ///
    /// # Errors
    /// As [`Self::exec`].
    pub fn exec_within<S: AsRef<str>>(&self, machine: Machine, limit: Duration, argv: &[S]) -> Result<Output> {
        self.exec_with(machine, limit, argv, "")
    }

    /// [`Self::exec_within`] with text on standard input.
    ///
    /// # Errors
    /// As [`Self::exec`].
    pub fn exec_with<S: AsRef<str>>(
        &self,
        machine: Machine,
        limit: Duration,
        argv: &[S],
        stdin: &str,
    ) -> Result<Output> {
        let mut words = self.enter(machine)?;
        words.extend([
            self.tool(machine, "timeout"),
            "-k".to_owned(),
            "2".to_owned(),
            limit.as_secs().max(1).to_string(),
        ]);
        words.extend(argv.iter().map(|a| a.as_ref().to_owned()));
        shell::output(&words, stdin)
    }

    /// Writes a file on a host that lives, by another name and rename; parents are made, 0700.
    ///
    /// # Errors
    /// As [`Self::exec`], or the file could not be written.
    pub fn put(&self, machine: Machine, path: &str, mode: u32, content: &str) -> Result<()> {
        const SCRIPT: &str = "umask 077; mkdir -p \"$(dirname \"$1\")\" && cat > \"$1.new\" && chmod \"$2\" \"$1.new\" && mv \"$1.new\" \"$1\"";
        let mode = format!("{mode:o}");
        let out =
            self.exec_with(machine, Duration::from_secs(30), &["sh", "-c", SCRIPT, "put", path, &mode], content)?;
        if out.ok() {
            return Ok(());
        }
        Err(LabError::failed(format!("{path} could not be written on {machine}."), out.stderr.trim().to_owned()))
    }

    /// Arguments of an interactive shell on a host, for the caller to execute.
    ///
    /// # Errors
    /// As [`Self::exec`].
    pub fn shell_argv(&self, machine: Machine) -> Result<Vec<String>> {
        let mut words = self.enter(machine)?;
        let term = std::env::var("TERM").unwrap_or_else(|_| "dumb".into());
        let shell = if self.state.persona.is_aix(machine) { "/usr/bin/ksh" } else { "bash" };
        words.extend([format!("TERM={term}"), shell.into(), "-l".into()]);
        Ok(words)
    }

    fn enter(&self, machine: Machine) -> Result<Vec<String>> {
        let init = self.init(machine).ok_or_else(|| {
            LabError::new(
                LabErrorKind::HostDown,
                format!("{machine} is off or dead."),
                "It has no process 1.",
                &format!("Switch it on with: hamn lab power {machine} cycle"),
            )
        })?;
        let mut words = vec!["nsenter".to_owned(), "-t".to_owned(), init.pid.to_string()];
        words.extend(INSIDE.map(str::to_owned));
        words.extend(["--".to_owned(), self.tool(machine, "env"), "-i".to_owned()]);
        if self.state.persona.is_aix(machine) {
            words.push(format!("PATH={AIX_PATH}"));
            words.extend(["HOME=/", "LC_ALL=C", "SHELL=/usr/bin/ksh"].map(str::to_owned));
        } else {
            words.extend(ENVIRONMENT.map(str::to_owned));
        }
        Ok(words)
    }

    /// A program of this machine's as a host calls it: an AIX host hides those that AIX has not.
    fn tool(&self, machine: Machine, name: &str) -> String {
        if !self.state.persona.is_aix(machine) {
            return name.to_owned();
        }
        let dir = if name == "runuser" { "sbin" } else { "bin" };
        format!("{TOOLS}/usr/{dir}/{name}")
    }

    /// Process 1 of a host, if it lives.
    fn init(&self, machine: Machine) -> Option<Process> {
        let line = fs::read_to_string(self.host(machine).join("init")).ok()?;
        Process::parse(&line).filter(|p| p.is_alive())
    }

    fn host(&self, machine: Machine) -> PathBuf {
        self.dir.join(machine.name())
    }

    /// Puts a cable in, or pulls it.
    ///
    /// # Errors
    /// A failed command.
    pub fn cable(&self, plug: Plug, inside: bool) -> Result<()> {
        let mark = self.dir.join(format!("unplugged-{plug}"));
        if inside {
            let _ = fs::remove_file(&mark);
        } else {
            state::write_private(&mark, "")?;
        }
        // A machine that is off has no light on its line; the cable counts when it is switched on.
        let dark = matches!(plug, Plug::Host(machine, _) if self.power_state(machine) == Power::Off);
        self.network.plug(plug, inside && !dark)
    }

    fn is_in(&self, plug: Plug) -> bool {
        !self.dir.join(format!("unplugged-{plug}")).exists()
    }

    /// Makes a line slow or lossy; `None`: good again.
    ///
    /// # Errors
    /// [`LabErrorKind::Unsupported`] where the kernel cannot do it.
    pub fn netem(&self, plug: Plug, line: Option<Line>) -> Result<()> {
        self.network.line(plug, line)
    }

    /// A machine that is none of ours answers ARP for the service address, with that hardware address (trap 13).
    ///
    /// # Errors
    /// A failed command.
    pub fn foreign(&self, mac: &str) -> Result<()> {
        self.network.add_foreign(SERVICE_ADDRESS, mac)
    }

    /// Takes the foreign machine away.
    ///
    /// # Errors
    /// A failed command.
    pub fn remove_foreign(&self) -> Result<()> {
        self.network.remove_foreign()
    }

    /// What every machine is like now.
    pub fn status(&self) -> Vec<MachineStatus> {
        Machine::ALL.into_iter().map(|m| self.machine_status(m)).collect()
    }

    fn machine_status(&self, machine: Machine) -> MachineStatus {
        let said = |argv: &[&str]| self.exec(machine, argv).map(|o| o.stdout).unwrap_or_default();
        let addresses = said(&[&self.tool(machine, "ip"), "-o", "-4", "addr", "show"])
            .lines()
            .filter_map(|l| {
                let mut words = l.split_whitespace().skip(1);
                let nic = words.next()?;
                let address = words.nth(1)?.split('/').next()?;
                (nic != "lo").then(|| address.to_owned())
            })
            .collect();
        MachineStatus {
            machine,
            power: self.power_state(machine),
            alive: self.init(machine).is_some(),
            host_name: said(&[&self.tool(machine, "hostname")]).trim().to_owned(),
            addresses,
            plugged: Nic::BOTH.into_iter().filter(|n| self.is_in(Plug::Host(machine, *n))).collect(),
        }
    }

    /// Whether light is on a line: the cable is in and the machine is on.
    pub fn has_carrier(&self, plug: Plug) -> bool {
        self.network.plugged(plug)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.tied {
            // There is nobody to tell; what is left is found by the next one.
            let _ = Self::clean(&self.dir);
        }
    }
}

/// Removes what is left of the lab in `dir` but its lock, which the caller holds.
fn remains(dir: &Path) -> Result<()> {
    Network::new(&prefix(dir)).remove()?;
    let clear = || -> std::io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.ends_with(LOCK) {
                continue;
            }
            if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }?;
        }
        Ok(())
    };
    // A host's last mounts go a moment after its last process.
    let mut last = None;
    if process::poll(process::PATIENCE, || clear().map_err(|e| last = Some(e)).is_ok()) {
        return Ok(());
    }
    Err(LabError::file("remove", dir, &last.unwrap_or_else(|| std::io::Error::other("still there"))))
}

/// [`remains`], then the folder.
fn remove(dir: &Path) -> Result<()> {
    let _lock = Lock::take(dir, "lab")?;
    remains(dir)?;
    let _ = fs::remove_file(dir.join(LOCK));
    // It may be a mount point, or somebody waits for the lock.
    let _ = fs::remove_dir(dir);
    Ok(())
}

/// First part of the names of the namespaces of the lab in `dir`: the same folder has always the same.
fn prefix(dir: &Path) -> String {
    format!("hl{:08x}", hash(&dir.display().to_string()) as u32)
}

/// FNV-1a: a short name of a long text, no protection against anybody.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// Starts a program that is to outlive us; it says where its children are.
fn start_detached(program: &str, argv: &[String], log: fs::File) -> Result<()> {
    let failed = |detail: String| LabError::failed(format!("`{program}` could not be started."), detail);
    let other = log.try_clone().map_err(|e| failed(e.to_string()))?;
    let status = Command::new(program)
        .args(argv)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(other))
        .status()
        .map_err(|e| failed(e.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(format!("{} {}: {status}", program, argv.join(" ")))) }
}
