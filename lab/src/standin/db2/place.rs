//! Where the stand-in keeps what it knows, and the host that it is on.

use std::{
    fs,
    io::{self, Write},
    net::UdpSocket,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::fs::{FlockOperation, flock};

use crate::{
    db2::{Knobs, Machine, Outside},
    hosts::DB2_STATE,
};

/// Knobs that replace those of the state as soon as a program is called; written by whoever tests.
pub const KNOBS: &str = "sqllib/standin/knobs.json";
const SOCKET: &str = "sqllib/standin/socket";
const PID: &str = "sqllib/standin/pid";
const LOCK: &str = "sqllib/standin/lock";
const DIAG: &str = "sqllib/db2dump/db2diag.log";

/// The instance's home on this host.
#[derive(Debug, Clone)]
pub(super) struct Place(PathBuf);

/// This host.
#[derive(Debug)]
pub(super) struct Here;

impl Outside for Here {
    fn host_name(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn has_address(&self, address: &str) -> bool {
        UdpSocket::bind((address, 0)).is_ok()
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    fn write(&mut self, path: &str, content: &str) -> bool {
        fs::write(path, content).is_ok()
    }

    fn is_dir(&self, path: &str) -> bool {
        Path::new(path).is_dir()
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

/// Home directory of an account, by `/etc/passwd`.
pub fn home_of(user: &str) -> Option<String> {
    let text = fs::read_to_string("/etc/passwd").ok()?;
    let line = text.lines().find(|l| l.split(':').next() == Some(user))?;
    line.split(':').nth(5).map(str::to_owned)
}

/// Name of an account by its number.
pub(super) fn user_of(uid: u32) -> String {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let line = text.lines().find(|l| l.split(':').nth(2) == Some(&number));
    line.and_then(|l| l.split(':').next()).unwrap_or("nobody").to_owned()
}

impl Place {
    pub(super) fn new(home: &str) -> Self {
        Self(home.into())
    }

    pub(super) fn home(&self) -> &Path {
        &self.0
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.0.join(SOCKET)
    }

    /// User and group that own the instance.
    pub(super) fn owner(&self) -> Option<(u32, u32)> {
        fs::metadata(&self.0).ok().map(|m| (m.uid(), m.gid()))
    }

    /// Number of the instance's process, for whoever wants to kill it.
    pub(super) fn write_pid(&self) {
        let _ = fs::write(self.0.join(PID), format!("{}\n", std::process::id()));
    }

    /// One at a time works on the state; until the file is closed.
    pub(super) fn lock(&self) -> io::Result<fs::File> {
        let file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(self.0.join(LOCK))?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    }

    /// The stored state: an instance that is down.
    pub(super) fn load(&self) -> Option<Machine> {
        serde_json::from_str(&fs::read_to_string(self.0.join(DB2_STATE)).ok()?).ok()
    }

    /// Knobs that somebody put there.
    pub(super) fn knobs(&self) -> Option<Knobs> {
        serde_json::from_str(&fs::read_to_string(self.0.join(KNOBS)).ok()?).ok()
    }

    /// Stores the state on disk: whole or not at all.
    pub(super) fn store(&self, text: &str) -> io::Result<()> {
        let (path, new) = (self.0.join(DB2_STATE), self.0.join(format!("{DB2_STATE}.new")));
        let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        fs::rename(new, path)
    }

    /// Lines for db2diag.log.
    pub(super) fn diag(&self, lines: &[String]) {
        let path = self.0.join(DIAG);
        let text: String = lines.iter().flat_map(|l| [l.as_str(), "\n\n"]).collect();
        // The log is for people; without it the work goes on.
        let _ =
            fs::OpenOptions::new().create(true).append(true).open(path).and_then(|mut f| f.write_all(text.as_bytes()));
    }
}
