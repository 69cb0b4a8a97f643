//! Where everything lives on disk.
//!
//! ```text
//! /var/lib/hamn/            another place by option; 0700, as every directory below
//!   lock                    who holds the journal: flock, and a line of text for the one who is refused
//!   journal/
//!     sled/                 first copy: key = run (8 bytes, big endian) + sequence (8 bytes, big endian), value = frame
//!     mirror                second copy: the same frames, one after the other, in the order of commit
//!     sled.bad-TIME/        a first copy that was replaced by one made of the good records; kept for examination
//!     mirror.bad-TIME       a second copy that was replaced likewise
//!   jobs/                   job directories of the exactly-once protocol, for jobs on this machine
//!   copies/                 NODE/RUN.frames: copies of records that other machines sent here
//!   runs/RUN/               what belongs to a living run
//!     socket                control socket of its runner
//!     log                   what the runner wrote
//! ```
//!
//! Files are 0600. A directory entry is durable only when its directory was synced: [`create_dir_durable`].

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use journal_schema::RunId;

use super::StoreError;

/// The state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// A state directory at `root`. Creates nothing.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The lock file.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Directory of both copies of the journal.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// First copy.
    pub fn sled(&self) -> PathBuf {
        self.journal().join("sled")
    }

    /// Second copy.
    pub fn mirror(&self) -> PathBuf {
        self.journal().join("mirror")
    }

    /// Job directories of this machine.
    pub fn jobs(&self) -> PathBuf {
        self.0.join("jobs")
    }

    /// Copies of records that other machines sent here.
    pub fn copies(&self) -> PathBuf {
        self.0.join("copies")
    }

    /// The copy of a run that `node` sent here.
    pub fn copy(&self, node: &str, run: RunId) -> PathBuf {
        self.copies().join(node).join(format!("{run}.frames"))
    }

    /// What belongs to a living run.
    pub fn run(&self, run: RunId) -> PathBuf {
        self.0.join("runs").join(run.to_string())
    }

    /// Control socket of a run.
    pub fn socket(&self, run: RunId) -> PathBuf {
        self.run(run).join("socket")
    }

    /// Log of a run's runner.
    pub fn log(&self, run: RunId) -> PathBuf {
        self.run(run).join("log")
    }

    /// Makes every directory that is missing, durably.
    pub fn create(&self) -> Result<(), StoreError> {
        for dir in [self.0.clone(), self.journal(), self.jobs(), self.copies(), self.0.join("runs")] {
            create_dir_durable(&dir)?;
        }
        Ok(())
    }
}

/// Makes a directory (mode 0700) and its missing parents so that a power cut cannot take them away:
/// each new directory and the one that names it are synced. Closes an existing one of ours to others.
pub fn create_dir_durable(dir: &Path) -> Result<(), StoreError> {
    let said = |doing| move |e| StoreError::io(doing, dir, &e);
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => {
            if meta.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(said("closed to others"))?;
            }
            return Ok(());
        }
        Ok(_) => return Err(StoreError::io("created", dir, &io::Error::from(io::ErrorKind::NotADirectory))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(StoreError::io("read", dir, &e)),
    }
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.exists() {
        create_dir_durable(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(said("created")(e)),
        _ => {}
    }
    sync_dir(dir)?;
    sync_dir(parent)
}

/// Makes the entries of a directory durable.
pub fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| StoreError::io("synced", dir, &e))
}

/// Options that every file of ours is created with.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}
