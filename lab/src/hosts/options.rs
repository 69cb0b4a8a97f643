//! How a lab is made, and where it lives.

use std::path::{Path, PathBuf};

use super::{Db2, Persona};

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

/// How a lab is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its folder; made if absent, removed by [`super::Lab::down`].
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
    /// Whether the lab ends with this process: removed when the [`super::Lab`] is dropped, or by [`super::Lab::sweep`] if the process was killed.
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
