//! What can go wrong with the store.

use std::path::PathBuf;

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
        /// `read`, `written`, `locked`, `synced`
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
