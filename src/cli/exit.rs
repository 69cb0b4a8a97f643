//! Exit codes: part of the interface, never renumbered.

use std::process::ExitCode;

/// How a command ended, for the shell that called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// What was asked for is done.
    Done = 0,
    /// Internal or other failure of hamn itself; says nothing about the nodes. `hamn journal list` tells whether a run is unfinished.
    Failure = 1,
    /// The command line is wrong. Nothing was changed.
    Usage = 2,
    /// Refused: configuration, consent, a lock, a guard. Nothing was changed.
    Refused = 3,
    /// Something was changed and the run is not finished. The command to type next is printed.
    Unfinished = 4,
    /// It cannot be told whether something was changed. The command that tells is printed.
    Unknown = 5,
}

impl Exit {
    /// All, in order of their numbers, for help and manual.
    pub const ALL: [Self; 6] = [Self::Done, Self::Failure, Self::Usage, Self::Refused, Self::Unfinished, Self::Unknown];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Word for programs (`--json`).
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failure => "failure",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Unfinished => "unfinished",
            Self::Unknown => "unknown",
        }
    }

    /// One line for people.
    pub fn about(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failure => "failure of hamn itself; `hamn journal list` tells whether a run is unfinished",
            Self::Usage => "wrong command line; nothing was changed",
            Self::Refused => "refused; nothing was changed",
            Self::Unfinished => "changed but unfinished; the command to type next is printed",
            Self::Unknown => "unknown whether something was changed; the command that tells is printed",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
