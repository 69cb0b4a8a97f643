//! What can go wrong with the store.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Why the store refused. `Display` is the one-line "what failed"; [`StoreError::hint`] says what to do next.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process holds the journal.
    #[error("the journal is in use by {holder}")]
    Locked {
        /// Process, operator, host, since when, as in the lock file.
        holder: String,
    },
    /// No space left; nothing was lost, nothing more is written.
    #[error("the disk of the journal is full ({path})")]
    Full {
        /// Where.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("the journal cannot be {doing} at {path}: {detail}")]
    Io {
        /// `read`, `written`, `locked`, `synced`, …
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// The operating system's words.
        detail: String,
    },
    /// Bytes do not match their digest, the chain or the sequence.
    #[error("the journal is damaged: {detail}")]
    Damaged {
        /// What, which run, which record, which copy.
        detail: String,
    },
    /// An earlier commit failed.
    #[error("the journal accepts nothing more since an earlier write failed: {earlier}")]
    Poisoned {
        /// That failure.
        earlier: String,
    },
    /// Written by a version that this program cannot read.
    #[error("the journal is of another version: {detail}")]
    Version {
        /// Which, and which hamn can read it.
        detail: String,
    },
}

impl StoreError {
    /// From the operating system's answer. A full disk is recognised (also over quota).
    pub fn io(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path: path.to_owned() },
            _ => Self::Io { doing, path: path.to_owned(), detail: error.to_string() },
        }
    }

    /// From sled, which passes some errors on as text only.
    pub(super) fn sled(doing: &'static str, path: &Path, error: &sled::Error) -> Self {
        let text = error.to_string();
        match error {
            sled::Error::Io(e) if full_in_words(&text) || e.kind() == io::ErrorKind::StorageFull => {
                Self::Full { path: path.to_owned() }
            }
            sled::Error::Io(e) => Self::io(doing, path, e),
            _ if full_in_words(&text) => Self::Full { path: path.to_owned() },
            _ => Self::Io { doing, path: path.to_owned(), detail: text },
        }
    }

    /// What to do next, with the command to type.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "follow the run that holds it: hamn attach",
            Self::Full { .. } => "free space there, then go on: hamn resume",
            Self::Io { .. } => "check the disk, then: hamn journal verify",
            Self::Damaged { .. } => "see what is left in which copy: hamn journal verify",
            Self::Poisoned { .. } => "solve the earlier failure, then go on: hamn resume",
            Self::Version { .. } => "use the hamn version named above for this run",
        }
    }
}

/// sled re-wraps errors of its background work by their text; the kind is lost on the way.
fn full_in_words(text: &str) -> bool {
    ["StorageFull", "No space left", "os error 28", "QuotaExceeded", "os error 122"].iter().any(|w| text.contains(w))
}
