//! The error that a person reads: what failed, the detail, what to do next.

use std::fmt;

use serde_json::json;

use super::{Exit, out};
use crate::{config::ConfigError, journal::StoreError};

/// Three lines and an exit code. Every subcommand fails with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What failed, one line.
    pub what: String,
    /// Node, command, what it said. May have several lines; may be empty.
    pub detail: String,
    /// What to do next, with the command to type. May be empty.
    pub next: String,
    /// Exit code of the program.
    pub exit: Exit,
}

impl Trouble {
    /// With this exit code.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { what: what.into(), detail: String::new(), next: String::new(), exit }
    }

    /// Refused, nothing was changed.
    pub fn refused(what: impl Into<String>) -> Self {
        Self::new(Exit::Refused, what)
    }

    /// Failure of the program itself.
    pub fn failure(what: impl Into<String>) -> Self {
        Self::new(Exit::Failure, what)
    }

    /// With the detail.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// With what to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// As a program reads it: one object on one line.
    pub fn to_json(&self) -> serde_json::Value {
        json!({"error": {
            "what": self.what, "detail": self.detail, "next": self.next,
            "exit": self.exit.code(), "class": self.exit.word(),
        }})
    }

    /// As a person reads it.
    pub fn render(&self, colour: bool) -> String {
        let mut text = format!("{} {}\n", out::paint(colour, out::RED, "error:"), self.what);
        for (label, body) in [("detail:", &self.detail), ("next:  ", &self.next)] {
            let mut lines = body.lines();
            let Some(first) = lines.next() else { continue };
            text.push_str(&format!("{} {first}\n", out::paint(colour, out::BOLD, label)));
            for line in lines {
                text.push_str(format!("        {line}").trim_end());
                text.push('\n');
            }
        }
        text
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Trouble {}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        // A journal that cannot be read or is held by somebody refuses the command; nothing has been sent anywhere. A write that
        // failed comes in the middle of a run: its effects stand.
        let exit = match &error {
            StoreError::Locked { .. } | StoreError::Version { .. } => Exit::Refused,
            StoreError::Full { .. } | StoreError::Poisoned { .. } => Exit::Unfinished,
            StoreError::Io { .. } | StoreError::Damaged { .. } => Exit::Failure,
        };
        Self::new(exit, error.to_string()).next(error.hint())
    }
}

impl From<ConfigError> for Trouble {
    fn from(error: ConfigError) -> Self {
        Self::refused(error.summary()).detail(error.details()).next(error.hint())
    }
}
