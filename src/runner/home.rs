//! Where the runner keeps its files below the state folder.
//!
//! ```text
//! STATE/runs/               0700
//!   current.sock            link to the control socket of the run that has a runner
//!   RUN/                    0700
//!     socket          0600, while the runner lives
//!     parameters.json       0600, what the runner was started with; no secrets
//!     log                   0600, what the runner and its children wrote
//! ```

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use journal_schema::RunId;

/// The state folder, seen by the runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    state: PathBuf,
}

impl Home {
    /// The state folder as given (`/var/lib/hamn`).
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self { state: state.into() }
    }

    /// The state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Folder of all runs.
    pub fn runs(&self) -> PathBuf {
        self.state.join("runs")
    }

    /// Folder of one run.
    pub fn run(&self, run: RunId) -> PathBuf {
        self.runs().join(run.to_string())
    }

    /// Control socket of a run.
    pub fn socket(&self, run: RunId) -> PathBuf {
        self.run(run).join("socket")
    }

    /// Link to the socket of the run that has a runner.
    pub fn current(&self) -> PathBuf {
        self.runs().join("current.sock")
    }

    /// What the runner was started with.
    pub fn parameters(&self, run: RunId) -> PathBuf {
        self.run(run).join("parameters.json")
    }

    /// What the runner and its children wrote.
    pub fn log(&self, run: RunId) -> PathBuf {
        self.run(run).join("log")
    }

    /// Makes the folder of a run. Folders that are there already are narrowed to their owner.
    pub fn prepare(&self, run: RunId) -> io::Result<()> {
        for dir in [self.state.clone(), self.runs(), self.run(run)] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
            if dir != self.state && fs::metadata(&dir)?.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
            }
        }
        Ok(())
    }

    /// Writes a file of a run for its owner only, by a temporary name and a rename.
    pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
        use io::Write as _;
        // Two commands may do this at once.
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&temporary);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(temporary, path)
    }

    /// Opens the log of a run for appending.
    pub fn open_log(&self, run: RunId) -> io::Result<fs::File> {
        fs::OpenOptions::new().append(true).create(true).mode(0o600).open(self.log(run))
    }

    /// What was written to a run's log from a byte on, at most the last 16 KiB of it.
    pub fn log_from(&self, run: RunId, start: u64) -> String {
        let text = fs::read(self.log(run)).unwrap_or_default();
        let start = usize::try_from(start).unwrap_or(usize::MAX).max(text.len().saturating_sub(16_384));
        String::from_utf8_lossy(text.get(start..).unwrap_or_default()).into_owned()
    }

    /// A path for `bind` and `connect`, which take no more than 107 bytes on Linux: a longer one is named through the
    /// descriptor of its folder, which must be kept open while the path is used.
    pub(crate) fn short(path: &Path) -> io::Result<(PathBuf, Option<fs::File>)> {
        if path.as_os_str().len() < 100 {
            return Ok((path.to_owned(), None));
        }
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let dir = fs::File::open(dir)?;
        let fd = std::os::fd::AsRawFd::as_raw_fd(&dir);
        Ok((Path::new("/proc/self/fd").join(fd.to_string()).join(name), Some(dir)))
    }
}
