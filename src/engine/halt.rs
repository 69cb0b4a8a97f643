//! Why the engine stops. Internal; [`Ending`] is what the outside sees.

use crate::journal::StoreError;

use super::Ending;

/// Carried up by `?` from wherever the run cannot go on.
#[derive(Debug)]
pub(super) enum Halt {
    /// The journal takes nothing more: not even the reason can be written.
    Journal(StoreError),
    /// Our own bug, found before anything was written or done.
    Bug(String),
    /// Somebody asked for it.
    Asked,
    /// A step failed.
    Failed {
        /// Step.
        step: String,
        /// Why.
        why: String,
    },
    /// Nobody can tell.
    Stuck {
        /// Step or empty.
        step: String,
        /// Why.
        why: String,
        /// Commands, one a line.
        settle: String,
    },
    /// Refused before anything was done.
    Refused(String),
}

impl Halt {
    /// The ending; `pivot_passed` as the journal has it.
    pub(super) fn ending(self, pivot_passed: bool) -> Ending {
        match self {
            Self::Journal(error) => Ending::JournalFailed { why: format!("{error}; {}", error.hint()) },
            Self::Bug(why) => Ending::Stuck {
                step: String::new(),
                why: format!("hamn found an error of its own: {why}"),
                settle: "hamn journal export RUN   # and report it; nothing was done after the last record".into(),
            },
            Self::Asked => Ending::Interrupted { why: "stop was asked for".into() },
            Self::Failed { step, why } => Ending::Failed { step, why, pivot_passed },
            Self::Stuck { step, why, settle } => Ending::Stuck { step, why, settle },
            Self::Refused(why) => Ending::Refused { why },
        }
    }
}
