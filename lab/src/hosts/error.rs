//! What can go wrong with a practice cluster, in the three lines that people read.

use std::{fmt, io, path::Path};

/// Which kind of failure; programs match on this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabErrorKind {
    /// Not root.
    NotRoot,
    /// A program of the distribution is missing.
    MissingProgram,
    /// A lab lives in this folder already.
    AlreadyUp,
    /// No lab lives in this folder.
    NotUp,
    /// The machine is off or dead.
    HostDown,
    /// This kernel cannot do it.
    Unsupported,
    /// Somebody else's wrong input.
    Usage,
    /// Something did not come up in time.
    TooLate,
    /// A command or a system call failed.
    Failed,
}

/// A failure: what failed, the details, what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabError {
    /// Kind.
    pub kind: LabErrorKind,
    /// What failed.
    pub what: String,
    /// Command and what it said, path and reason.
    pub detail: String,
    /// What to do next, with the command to type.
    pub next: String,
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}", self.what, self.detail, self.next)
    }
}

impl std::error::Error for LabError {}

const START_AGAIN: &str = "Remove what is left and start again: hamn lab down, then hamn lab up.";

impl LabError {
    pub(crate) fn new(kind: LabErrorKind, what: impl Into<String>, detail: impl Into<String>, next: &str) -> Self {
        Self { kind, what: what.into(), detail: detail.into(), next: next.to_owned() }
    }

    pub(crate) fn failed(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(LabErrorKind::Failed, what, detail, START_AGAIN)
    }

    pub(crate) fn too_late(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(LabErrorKind::TooLate, what, detail, START_AGAIN)
    }

    pub(crate) fn file(what: &str, path: &Path, e: &io::Error) -> Self {
        Self::failed(format!("The practice cluster could not {what} a file."), format!("{}: {e}", path.display()))
    }
}

/// Result of everything here.
pub type Result<T> = std::result::Result<T, LabError>;
