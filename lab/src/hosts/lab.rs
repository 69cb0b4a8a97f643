//! A lab that is up: its hosts are entered, its cables pulled, its machines looked at.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::process::Process;

use super::{
    LabError, LabErrorKind, Output, Power, Result,
    machine::{Machine, Nic, Plug, SERVICE_ADDRESS},
    name::prefix,
    net::{Line, Network},
    persona::{AIX_PATH, TOOLS},
    remains::{LOCK, remove},
    shell,
    state::{self, State},
};

/// A lab that is up.
#[derive(Debug)]
pub struct Lab {
    pub(super) dir: PathBuf,
    pub(super) state: State,
    pub(super) network: Network,
    /// Whether dropping this removes the lab.
    pub(super) tied: bool,
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
    pub(super) fn tool(&self, machine: Machine, name: &str) -> String {
        if !self.state.persona.is_aix(machine) {
            return name.to_owned();
        }
        let dir = if name == "runuser" { "sbin" } else { "bin" };
        format!("{TOOLS}/usr/{dir}/{name}")
    }

    /// Process 1 of a host, if it lives.
    pub(super) fn init(&self, machine: Machine) -> Option<Process> {
        let line = fs::read_to_string(self.host(machine).join("init")).ok()?;
        Process::parse(&line).filter(|p| p.is_alive())
    }

    pub(super) fn host(&self, machine: Machine) -> PathBuf {
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

    pub(super) fn is_in(&self, plug: Plug) -> bool {
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
