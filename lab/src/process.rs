//! Processes by identity, not by number: a number is used again, a number with its start time is not.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// Longest wait for what takes no time on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Where procfs is: an AIX host shows none at its usual place.
pub(crate) fn proc() -> &'static Path {
    static PLACE: OnceLock<&Path> = OnceLock::new();
    PLACE.get_or_init(|| {
        let usual = Path::new("/proc");
        if usual.join("self/stat").exists() { usual } else { Path::new("/usr/lib/hamn-lab/proc") }
    })
}

/// A process that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Clock ticks since the machine's boot.
    pub(crate) start: u64,
}

impl Process {
    /// This program.
    pub(crate) fn current() -> Option<Self> {
        Self::of(i32::try_from(std::process::id()).ok()?)
    }

    /// The process that has the number now; a zombie counts as none.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(proc().join(format!("{pid}/stat"))).ok()?)
    }

    /// Reads a line of `/proc/PID/stat`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let pid = line.split(' ').next()?.parse().ok()?;
        // The name is in parentheses and may contain anything.
        let mut rest = line.get(line.rfind(')')? + 2..)?.split(' ');
        let state = rest.next()?;
        let start = rest.nth(18)?.trim().parse().ok()?;
        (!matches!(state, "Z" | "X")).then_some(Self { pid, start })
    }

    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// SIGKILL, if it is still the same one.
    pub(crate) fn kill(self) {
        self.signal(Signal::KILL);
    }

    /// A signal, if it is still the same one. The descriptor is taken first and the identity looked at after, so a number that
    /// is used again in between is never hit.
    pub(crate) fn signal(self, signal: Signal) {
        if let Some(fd) = Pid::from_raw(self.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            && self.is_alive()
        {
            // It may have ended on its own.
            let _ = pidfd_send_signal(fd, signal);
        }
    }
}

/// SIGTERM to the process that has the number now.
pub(crate) fn terminate(pid: i32) {
    if let Some(process) = Process::of(pid) {
        process.signal(Signal::TERM);
    }
}

/// Processes in a network namespace.
pub(crate) fn in_namespace(namespace: &Path) -> Vec<Process> {
    let Ok(wanted) = fs::metadata(namespace).map(|m| (m.dev(), m.ino())) else { return Vec::new() };
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    all.flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|m| (m.dev(), m.ino()) == wanted))
        .filter_map(Process::of)
        .collect()
}

/// Kills everything in a network namespace; whether nothing is left.
pub(crate) fn clear_namespace(namespace: &Path, limit: Duration) -> bool {
    poll(limit, || {
        let found = in_namespace(namespace);
        for process in &found {
            process.kill();
        }
        found.is_empty()
    })
}

/// Looks again and again until `done`, at most `limit`.
pub(crate) fn poll(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if done() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name_contains() {
        let line = "4711 (a) Z (b 1) S 1 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3";
        assert_eq!(Process::parse(line), Some(Process { pid: 4711, start: 98765 }));
        assert_eq!(Process::parse(&line.replace(") S ", ") Z ")), None);
    }

    #[test]
    fn another_process_of_the_same_number_is_left_alone() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let seen = Process::of(child.id() as i32).unwrap();
        Process { start: seen.start + 1, ..seen }.kill();
        assert!(seen.is_alive());
        seen.kill();
        child.wait().unwrap();
        assert!(!seen.is_alive());
    }
}
