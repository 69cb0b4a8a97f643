//! Why records do not fold.

use thiserror::Error;

use crate::{Attempt, Digest, FrameError, Record, RunId, Seq, Token};

/// A record that may not stand where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("run {run}, record {seq} ({event}): {illegal}")]
pub struct FoldError {
    /// The run that the record names.
    pub run: RunId,
    /// The record.
    pub seq: Seq,
    /// Name of its payload.
    pub event: &'static str,
    /// Which rule it breaks, and what was expected.
    pub illegal: Illegal,
}

impl FoldError {
    pub(super) fn new(record: &Record, illegal: Illegal) -> Self {
        Self { run: record.run, seq: record.seq, event: record.payload.name(), illegal }
    }

    pub(super) fn empty() -> Self {
        Self { run: RunId(0), seq: Seq(0), event: "none", illegal: Illegal::Empty }
    }
}

/// Why the bytes of a run do not fold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// A frame is torn, damaged or of another version.
    #[error("at byte {offset}: {error}")]
    Frame {
        /// Where.
        offset: usize,
        /// What.
        error: FrameError,
    },
    /// A record may not stand where it stands.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

/// The rule that a record breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Illegal {
    /// A run has at least one record.
    #[error("expected at least one record")]
    Empty,
    /// How a run begins.
    #[error("expected RunStarted as record 0 with a hash of zeros before it")]
    Start,
    /// The table must name each transition once.
    #[error("expected every transition once in the table, found {transition} twice")]
    Table {
        /// The name.
        transition: String,
    },
    /// Only the first record starts a run.
    #[error("expected no second RunStarted")]
    StartedAgain,
    /// A record of another run.
    #[error("expected run {expected}, found {found}")]
    OtherRun {
        /// This run.
        expected: RunId,
        /// The other.
        found: RunId,
    },
    /// A record is missing, or there twice.
    #[error("expected record {expected}, found {found}")]
    Gap {
        /// The one that follows.
        expected: Seq,
        /// The one that is there.
        found: Seq,
    },
    /// The record before is another than the one that this was written after.
    #[error("expected a record that follows {expected}, found one that follows {found}")]
    Chain {
        /// Digest of the record before.
        expected: Digest,
        /// Digest that the record holds.
        found: Digest,
    },
    /// The run is over.
    #[error("the run has finished; expected only ItemClosed or Imported")]
    Ended,
    /// A runner must take the run up first.
    #[error("the run is {halted}; expected Resumed first")]
    Halted {
        /// `stuck` or `interrupted`.
        halted: &'static str,
    },
    /// It stopped already.
    #[error("the run was interrupted already; expected Resumed first")]
    InterruptedAgain,
    /// Nothing goes forward any more.
    #[error("the run is rolling back; expected only undoing")]
    RollingBack,
    /// Nothing is undone yet.
    #[error("the run is not rolling back; expected RollbackStarted first")]
    NotRollingBack,
    /// There is no way back.
    #[error("the pivot may have happened; expected no rollback")]
    PastPivot,
    /// Another table than the run's.
    #[error("expected the table {expected}, found {found}")]
    OtherTable {
        /// Digest of the run's table.
        expected: Digest,
        /// Digest of the other.
        found: Digest,
    },
    /// The transition does not leave the present state.
    #[error("expected a transition that leaves {state}, found {transition}")]
    Transition {
        /// The present state.
        state: String,
        /// What was named.
        transition: String,
    },
    /// One at a time.
    #[error("expected {open} to be completed first")]
    StillOpen {
        /// The open transition.
        open: String,
    },
    /// Something of the plan was done already.
    #[error("expected no second plan of {transition} after the intent of {step}")]
    Begun {
        /// The open transition.
        transition: String,
        /// The step with an intent.
        step: String,
    },
    /// No transition is open.
    #[error("expected a planned transition")]
    NothingOpen,
    /// Ids of steps name jobs, so they are unique and safe.
    #[error("expected a step id unique in the run and of a-z, 0-9, dot and hyphen only, found {step:?}")]
    StepId {
        /// What was found.
        step: String,
    },
    /// Never planned.
    #[error("expected a planned step, found {step:?}")]
    NoSuchStep {
        /// What was named.
        step: String,
    },
    /// The step's transition is completed or reverted, or not the one to be undone now.
    #[error("expected a step of the transition that is {expected}, found {step} of {transition}")]
    NotNow {
        /// The step.
        step: String,
        /// Its transition.
        transition: String,
        /// `open`, `to be undone next` …
        expected: &'static str,
    },
    /// The step's status does not allow it.
    #[error("{step} is {status}; expected it to be {expected}")]
    Status {
        /// The step.
        step: String,
        /// Its status.
        status: &'static str,
        /// Those that allow it.
        expected: &'static str,
    },
    /// What kind of step it is does not allow it.
    #[error("expected {expected}, found {step}")]
    WrongStep {
        /// The step.
        step: String,
        /// The kind that allows it.
        expected: &'static str,
    },
    /// Tries count up by one.
    #[error("expected attempt {} of {step}, found {}", expected.0, found.0)]
    Attempt {
        /// The step.
        step: String,
        /// The number that follows.
        expected: Attempt,
        /// The number that is there.
        found: Attempt,
    },
    /// A token is made of run, step, direction and attempt, so that no two jobs share one.
    #[error("expected token {expected}, found {found}")]
    Token {
        /// The one of this try.
        expected: Token,
        /// The one that is there.
        found: Token,
    },
    /// Stages follow each other, in reverse when undone.
    #[error("{step} is of a later stage than {waits_for}, which has not ended")]
    Stage {
        /// The step.
        step: String,
        /// The step that must end first.
        waits_for: String,
    },
    /// A transition is complete when its steps are; a run is done when all its effects hold.
    #[error("expected {step} to hold, it is {status}")]
    NotHolding {
        /// The step.
        step: String,
        /// Its status.
        status: &'static str,
    },
    /// A transition is reverted when its steps are.
    #[error("expected {step} to be undone, it is {status}")]
    NotUndone {
        /// The step.
        step: String,
        /// Its status.
        status: &'static str,
    },
    /// Another state than the one that follows.
    #[error("expected state {expected}, found {found}")]
    State {
        /// The state that follows.
        expected: String,
        /// The state that is named.
        found: String,
    },
    /// Nothing was done that could be reverted.
    #[error("expected a transition to revert; none is left")]
    NothingToRevert,
    /// The run has not come to that end.
    #[error("expected {expected}, the run is in state {state}")]
    NotThere {
        /// What the end requires.
        expected: &'static str,
        /// The present state.
        state: String,
    },
    /// Open already.
    #[error("expected an item that is not open, found {id:?}")]
    ItemOpen {
        /// Its id.
        id: String,
    },
    /// Not open.
    #[error("expected an open item, found {id:?}")]
    NoSuchItem {
        /// Its id.
        id: String,
    },
}
