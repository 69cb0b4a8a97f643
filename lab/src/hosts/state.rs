//! What is known of a lab between two calls: `lab.json` in its folder.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::process::Process;

use super::{LabError, LabErrorKind, Result, machine::Machine, persona::Persona};

/// The file.
const NAME: &str = "lab.json";

/// Its content.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// First part of the names of the namespaces.
    pub(crate) prefix: String,
    /// Whether it came up entirely.
    pub(crate) ready: bool,
    /// The process whose end is its end.
    pub(crate) owner: Option<Process>,
    /// `boot_id` of the machine: numbers of processes mean nothing after another boot.
    pub(crate) boot_id: String,
    /// Major version of PostgreSQL.
    pub(crate) postgres: String,
    /// DB2 instead of it: HADR_TIMEOUT and HADR_PEER_WINDOW, seconds.
    #[serde(default)]
    pub(crate) db2: Option<(u64, u64)>,
    /// Public host keys.
    pub(crate) host_keys: BTreeMap<Machine, String>,
    /// `/etc/machine-id`.
    pub(crate) machine_ids: BTreeMap<Machine, String>,
    /// What the two management nodes play.
    #[serde(default)]
    pub(crate) persona: Persona,
    /// GUIDs of the BMCs.
    pub(crate) guids: BTreeMap<Machine, String>,
}

impl State {
    /// Reads it; `None` when there is none or it was never written to its end.
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(dir.join(NAME)).ok()?).ok()
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("plain data");
        write_private(&dir.join(NAME), &text)
    }
}

/// Writes a file that only root reads, by another name and rename.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let new: PathBuf = path.with_extension("new");
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut f| f.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&new, path))
        .map_err(|e| LabError::file("write", path, &e))
}

/// `boot_id` of the machine.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|t| t.trim().to_owned()).unwrap_or_default()
}

/// The lock of a lab's folder or of one of its machines, held until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: fs::File,
}

impl Lock {
    /// Waits for it.
    pub(crate) fn take(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(format!("{name}.lock"));
        let attempt = || -> io::Result<Option<fs::File>> {
            let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
            // The former holder may have removed the lab, and with it the file that we waited for.
            let same = fs::metadata(&path).is_ok_and(|now| file.metadata().is_ok_and(|ours| ours.ino() == now.ino()));
            Ok(same.then_some(file))
        };
        loop {
            if let Some(file) = attempt().map_err(|e| LabError::file("lock", &path, &e))? {
                return Ok(Self { _file: file });
            }
        }
    }
}

/// The error of every call on a folder without a lab.
pub(crate) fn not_up(dir: &Path) -> LabError {
    LabError::new(
        LabErrorKind::NotUp,
        "There is no practice cluster here.",
        format!("no {NAME} in {}", dir.display()),
        "Make one with: hamn lab up",
    )
}
