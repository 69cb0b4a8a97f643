//! A lab that is up: found, entered, removed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::process::Process;

use super::{
    LabError, LabErrorKind, Output, Result,
    machine::Machine,
    name::prefix,
    net::Network,
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

    /// Arguments of a command on a host with the terminal of the caller, who executes them; without a command a shell.
    ///
    /// # Errors
    /// As [`Self::exec`].
    pub fn shell_argv(&self, machine: Machine, command: &[String]) -> Result<Vec<String>> {
        let mut words = self.enter(machine)?;
        let term = std::env::var("TERM").unwrap_or_else(|_| "dumb".into());
        let shell = if self.state.persona.is_aix(machine) { "/usr/bin/ksh" } else { "bash" };
        words.push(format!("TERM={term}"));
        if command.is_empty() {
            words.extend([shell.to_owned(), "-l".to_owned()]);
        } else {
            words.extend(command.iter().cloned());
        }
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
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.tied {
            // There is nobody to tell; what is left is found by the next one.
            let _ = Self::clean(&self.dir);
        }
    }
}
