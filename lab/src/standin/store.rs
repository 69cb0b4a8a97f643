//! State of a stand-in between two calls: a file, changed by one call at a time.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

/// Divisor of the time that long work takes; absent: [`PACE`].
const PACE_FILE: &str = "/etc/hamn-lab/pace";
/// Work of ten minutes takes six seconds on a practice host.
const PACE: u64 = 100;

/// A value and its file. Others wait while it is held.
#[derive(Debug)]
pub(super) struct Store<T> {
    path: PathBuf,
    value: T,
    dirty: bool,
    lock: Option<fs::File>,
}

impl<T: Serialize + DeserializeOwned + Default> Store<T> {
    /// Opens it; a file that cannot be read counts as empty.
    pub(super) fn open(path: &str) -> Self {
        let mut store = Self { path: path.into(), value: T::default(), dirty: false, lock: None };
        store.take();
        store
    }

    fn take(&mut self) {
        if let Some(parent) = self.path.parent() {
            let _ = fs::create_dir_all(parent);
        }
        let lock = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path.with_extension("lock"))
            .ok();
        if let Some(file) = &lock {
            let _ = rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive);
        }
        self.lock = lock;
        self.value =
            fs::read_to_string(&self.path).ok().and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
    }

    /// Writes what was changed and lets the others in.
    pub(super) fn release(&mut self) {
        if std::mem::take(&mut self.dirty) {
            let _ = write(&self.path, &serde_json::to_string_pretty(&self.value).expect("plain data"));
        }
        self.lock = None;
    }

    /// Time passes; the others may change it meanwhile.
    pub(super) fn elapse(&mut self, ms: u64) {
        self.release();
        let pace = fs::read_to_string(PACE_FILE).ok().and_then(|t| t.trim().parse().ok()).unwrap_or(PACE);
        thread::sleep(Duration::from_millis(ms / u64::max(pace, 1)));
        self.take();
    }

    pub(super) fn get(&self) -> &T {
        &self.value
    }

    pub(super) fn get_mut(&mut self) -> &mut T {
        self.dirty = true;
        &mut self.value
    }
}

impl<T> Drop for Store<T> {
    fn drop(&mut self) {
        debug_assert!(!self.dirty, "released by whoever opened it");
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&new, path)
}
