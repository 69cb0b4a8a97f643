//! State of one step.

use crate::{Attempt, Direction, Mode, PlannedStep, Token};

/// How it became known that a step's effect holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldsBy {
    /// Its job ended and the evidence shows it; for an observation: it gave its answer.
    Succeeded,
    /// It was there without (further) doing.
    Skipped,
}

/// Where a step stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepStatus {
    /// Nothing was sent.
    Planned,
    /// An intent without an outcome: it may have happened. The token tells, then the probe.
    Intended {
        /// Which way.
        direction: Direction,
        /// Try.
        attempt: Attempt,
        /// Name of the job.
        token: Token,
        /// Machine that the job is on.
        at: String,
    },
    /// The effect holds.
    Holds {
        /// Last forward try; 0: it was there before anything was sent.
        attempt: Attempt,
        /// How that is known.
        by: HoldsBy,
    },
    /// The try did not have its effect: forward, the effect does not hold; undo, it may hold still.
    Failed {
        /// Which way.
        direction: Direction,
        /// Try.
        attempt: Attempt,
        /// One line.
        why: String,
    },
    /// Nobody can tell yet.
    Unknown {
        /// Which way.
        direction: Direction,
        /// Try.
        attempt: Attempt,
        /// One line.
        why: String,
        /// Name of the job; `None` for an observation, which has none.
        token: Option<Token>,
        /// Machine that the job is on; the step's place for an observation.
        at: String,
    },
    /// A volatile effect that held is gone.
    Regressed,
    /// Undone, or found undone.
    Undone,
}

impl StepStatus {
    /// One or two words for a person.
    pub fn word(&self) -> &'static str {
        use Direction::{Forward, Undo};
        match self {
            Self::Planned => "planned",
            Self::Intended { direction: Forward, .. } => "intended",
            Self::Intended { direction: Undo, .. } => "undo intended",
            Self::Holds { .. } => "holding",
            Self::Failed { direction: Forward, .. } => "failed",
            Self::Failed { direction: Undo, .. } => "undo failed",
            Self::Unknown { direction: Forward, .. } => "unknown",
            Self::Unknown { direction: Undo, .. } => "undo unknown",
            Self::Regressed => "regressed",
            Self::Undone => "undone",
        }
    }

    /// The try whose outcome is not known: intended, or judged unknown.
    pub fn pending(&self) -> Option<(Direction, Attempt)> {
        match self {
            Self::Intended { direction, attempt, .. } | Self::Unknown { direction, attempt, .. } => {
                Some((*direction, *attempt))
            }
            _ => None,
        }
    }
}

/// A step of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepState {
    /// As planned.
    pub planned: PlannedStep,
    /// Its transition.
    pub transition: String,
    /// Where it stands.
    pub status: StepStatus,
    /// Last forward try, 0 for none.
    pub(super) forward: Attempt,
    /// Last try of the undoing, 0 for none.
    pub(super) undo: Attempt,
    /// Regressed at least once: may be done again although its transition is completed.
    pub(super) reopened: bool,
}

impl StepState {
    pub(super) fn new(planned: PlannedStep, transition: &str) -> Self {
        Self {
            planned,
            transition: transition.to_owned(),
            status: StepStatus::Planned,
            forward: Attempt(0),
            undo: Attempt(0),
            reopened: false,
        }
    }

    /// Number of the last try in a direction; 0 if there was none. For an observation: of the last look.
    pub fn last_attempt(&self, direction: Direction) -> Attempt {
        match direction {
            Direction::Forward => self.forward,
            Direction::Undo => self.undo,
        }
    }

    /// Number that the next try in a direction must bear.
    pub fn next_attempt(&self, direction: Direction) -> Attempt {
        Attempt(self.last_attempt(direction).0 + 1)
    }

    /// Whether the effect holds.
    pub fn holds(&self) -> bool {
        matches!(self.status, StepStatus::Holds { .. })
    }

    /// Whether the transition can do without anything more of it: it holds, or it is optional and failed, or it is an optional
    /// look without an answer (nothing of it can still be happening).
    pub fn settled(&self) -> bool {
        let over = match self.status {
            StepStatus::Failed { direction, .. } => direction == Direction::Forward,
            StepStatus::Unknown { .. } => self.planned.mode == Mode::Observe,
            _ => false,
        };
        self.holds() || self.planned.optional && over
    }

    /// Whether its transition can be reverted only after its undoing: something was sent, it can be undone and is not.
    pub fn needs_undo(&self) -> bool {
        let sent = self.planned.mode != Mode::Observe && self.forward > Attempt(0);
        sent && self.planned.undo && self.status != StepStatus::Undone
    }
}
