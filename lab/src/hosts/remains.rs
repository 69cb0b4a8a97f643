//! What a lab leaves on this machine, and how that is removed: nothing else is ever touched.

use std::{fs, path::Path};

use crate::process::{PATIENCE, poll};

use super::{LabError, Result, name::prefix, net::Network, state::Lock};

/// The lock in a lab's folder.
pub(super) const LOCK: &str = "lab.lock";

/// Removes what is left of the lab in `dir` but its lock, which the caller holds.
pub(super) fn remains(dir: &Path) -> Result<()> {
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
    if poll(PATIENCE, || clear().map_err(|e| last = Some(e)).is_ok()) {
        return Ok(());
    }
    Err(LabError::file("remove", dir, &last.unwrap_or_else(|| std::io::Error::other("still there"))))
}

/// [`remains`], then the folder.
pub(super) fn remove(dir: &Path) -> Result<()> {
    let _lock = Lock::take(dir, "lab")?;
    remains(dir)?;
    let _ = fs::remove_file(dir.join(LOCK));
    // It may be a mount point, or somebody waits for the lock.
    let _ = fs::remove_dir(dir);
    Ok(())
}
