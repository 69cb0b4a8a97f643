//! The one fold from records to the state of a run. Engine, command line and simulator all build on it.
//!
//! Here: what the state is. `rules`: which record may follow; [`RunState::check`] asks them before a commit, so that no journal is
//! written that cannot be read again. `absorb`: what a record changes.
//!
//! Not guaranteed here: that an outcome is true (evidence is only as good as its probe), that times rise (clocks jump), that
//! the last record is the last that was written (a run cut off between two records is whole; the store's copies tell).

use std::collections::BTreeMap;

use crate::{
    Digest, End, Fact, FrameError, Frames, OpenItem, Operator, Payload, PlannedStep, Record, Refs, RunId, Seq,
    TableRow, UnixMillis,
};

mod absorb;
mod error;
mod rules;
mod step;

pub use error::{FoldError, Illegal, ReadError};
pub use step::{HoldsBy, StepState, StepStatus};

/// A transition that is planned and whose state is not yet entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTransition {
    /// Its row of the table.
    pub row: TableRow,
    /// Name of the guard under which it was taken.
    pub guard: String,
    /// Its steps, in order.
    pub steps: Vec<PlannedStep>,
    /// When it was planned (last, if planned again).
    pub planned: UnixMillis,
    /// Number of facts known at that time: planning it again must use these and no others.
    pub facts: usize,
}

/// A transition whose state was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenTransition {
    /// Its row of the table.
    pub row: TableRow,
    /// Name of the guard under which it was taken.
    pub guard: String,
    /// Its steps, in order.
    pub steps: Vec<PlannedStep>,
    /// When it was planned.
    pub planned: UnixMillis,
    /// When its state was entered.
    pub entered: UnixMillis,
    /// Number of facts known when it was planned.
    pub facts: usize,
    /// Number of facts known when its state was entered.
    pub facts_after: usize,
}

/// A decision of the operator. What was shown is in the record only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its record.
    pub seq: Seq,
    /// When.
    pub at: UnixMillis,
    /// Short name of the question.
    pub question: String,
    /// The answer, as typed.
    pub answer: String,
    /// Who.
    pub operator: Operator,
    /// Why, as typed.
    pub why: String,
}

/// Why a run cannot go on by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Step, or empty.
    pub step: String,
    /// Why.
    pub why: String,
    /// Commands that settle it, one a line.
    pub settle: String,
}

/// State of a run: all that its records say, without scripts and outputs. Only the fold writes the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunState {
    /// The run.
    pub run: RunId,
    /// Its workflow.
    pub workflow: String,
    /// Versions and digests it started with.
    pub refs: Refs,
    /// Its transition table.
    pub table: Vec<TableRow>,
    /// State in which it started.
    pub initial: String,
    /// State in which it is done.
    pub goal: String,
    /// Configuration as TOML, without secrets.
    pub config: String,
    /// The request as JSON.
    pub request: String,
    /// Who started it.
    pub operator: Operator,
    /// When.
    pub started: UnixMillis,
    /// State that holds now.
    pub state: String,
    /// States in the order in which they came to hold, with the time; the initial one first, one that a rollback restored again.
    pub entered: Vec<(String, UnixMillis)>,
    /// Transitions completed and not reverted, in order.
    pub taken: Vec<TakenTransition>,
    /// The transition under way.
    pub open: Option<OpenTransition>,
    /// Every step planned, also of reverted transitions (not those of a plan that was replaced before it began).
    pub steps: BTreeMap<String, StepState>,
    /// Every fact, in order, with its record.
    pub evidence: Vec<(Seq, Fact)>,
    /// Every decision, in order.
    pub decisions: Vec<Decision>,
    /// Items open now.
    pub items: BTreeMap<String, OpenItem>,
    /// Set once a rollback began: why.
    pub rolling_back: Option<String>,
    /// Set while the run cannot go on by itself (cleared by `Resumed`).
    pub stuck: Option<Stuck>,
    /// Set while no runner is at it because it stopped in order: why (cleared by `Resumed`).
    pub interrupted: Option<String>,
    /// How it ended, and the summary.
    pub end: Option<(End, String)>,
    /// Sequence and digest of the last record.
    pub last: (Seq, Digest),
    /// When the last record was made.
    pub last_at: UnixMillis,
    /// How often it was resumed.
    pub resumes: u32,
    pivot: bool,
}

impl RunState {
    /// The state of a run of which only the first record is known.
    pub fn start(first: &Record) -> Result<Self, FoldError> {
        Self::start_digested(first, first.digest())
    }

    /// Whether `record` may follow. Ask before a commit: a record that may not follow must never be on disk.
    pub fn check(&self, record: &Record) -> Result<(), FoldError> {
        self.may_follow(record).map_err(|illegal| FoldError::new(record, illegal))
    }

    /// Takes up the next record. After an error the state is as it was.
    pub fn apply(&mut self, record: &Record) -> Result<(), FoldError> {
        self.apply_digested(record, record.digest())
    }

    /// The state of a whole run, chain verified.
    pub fn fold(records: &[Record]) -> Result<Self, FoldError> {
        let (first, rest) = records.split_first().ok_or_else(FoldError::empty)?;
        let mut state = Self::start(first)?;
        rest.iter().try_for_each(|record| state.apply(record))?;
        Ok(state)
    }

    /// The state of a run from the bytes of its frames, without keeping the records. Every frame must be whole.
    pub fn fold_frames(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut frames = Frames::new(bytes);
        let mut state: Option<Self> = None;
        while let Some((offset, frame)) = frames.next_frame() {
            let digested = frame.and_then(|f| Ok((f.record().map_err(FrameError::Unreadable)?, f.digest())));
            let (record, digest) = digested.map_err(|error| ReadError::Frame { offset, error })?;
            Self::take_up(&mut state, &record, digest)?;
        }
        state.ok_or_else(|| FoldError::empty().into())
    }

    /// The first record starts the state, each further one is applied; for a caller that knows the record's digest.
    pub fn take_up(state: &mut Option<Self>, record: &Record, digest: Digest) -> Result<(), FoldError> {
        match state {
            Some(state) => state.apply_digested(record, digest),
            None => Self::start_digested(record, digest).map(|started| *state = Some(started)),
        }
    }

    /// The record that follows the last one.
    pub fn next(&self, at: UnixMillis, payload: Payload) -> Record {
        Record::after(Some(self.last), self.run, at, payload)
    }

    /// [`RunState::start`] for a caller that knows the record's digest, without computing it again.
    pub fn start_digested(first: &Record, digest: Digest) -> Result<Self, FoldError> {
        rules::may_start(first).map_err(|illegal| FoldError::new(first, illegal))?;
        Ok(Self::begin(first, digest))
    }

    /// [`RunState::apply`] for a caller that knows the record's digest, without computing it again.
    pub fn apply_digested(&mut self, record: &Record, digest: Digest) -> Result<(), FoldError> {
        self.check(record)?;
        self.absorb(record, digest);
        Ok(())
    }

    /// The record that says `payload` and follows in this run. It is legal only if [`RunState::check`] says so.
    pub fn next_record(&self, at: UnixMillis, payload: Payload) -> Record {
        Record::after(Some(self.last), self.run, at, payload)
    }

    /// Whether the effect after which the run only goes forward may have happened: an intent of a step with an effect was
    /// journaled in a pivot transition (or its effect was found to be there), or a state past a pivot was entered. A later proof
    /// that the effect did not happen does not take this back.
    pub fn pivot_may_have_happened(&self) -> bool {
        self.pivot
    }

    /// The facts that were known when the open transition was planned; planning it again must use these and no others. All
    /// facts if no transition is open.
    pub fn evidence_before_plan(&self) -> &[(Seq, Fact)] {
        let known = self.open.as_ref().map_or(self.evidence.len(), |open| open.facts);
        &self.evidence[..known]
    }

    /// Whether a rollback may begin, or is under way: before the pivot and not ended.
    pub fn can_roll_back(&self) -> bool {
        self.end.is_none() && !self.pivot
    }

    /// The transition that a rollback undoes next: the open one, else the last taken.
    pub fn to_revert(&self) -> Option<(&TableRow, &[PlannedStep])> {
        match (&self.open, self.taken.last()) {
            (Some(open), _) => Some((&open.row, &open.steps)),
            (None, Some(taken)) => Some((&taken.row, &taken.steps)),
            (None, None) => None,
        }
    }

    /// Rows of the table that leave the present state.
    pub fn leaving(&self) -> impl Iterator<Item = &TableRow> {
        self.table.iter().filter(|row| row.from == self.state)
    }

    fn row(&self, transition: &str) -> Option<&TableRow> {
        self.table.iter().find(|row| row.transition == transition)
    }
}

/// Checks that records are one run without gaps, each bound to the one before by its hash. [`RunState::fold`] does that too.
pub fn verify_chain(records: &[Record]) -> Result<(), FoldError> {
    let mut last: Option<(RunId, Seq, Digest)> = None;
    for record in records {
        rules::may_link(last, record).map_err(|illegal| FoldError::new(record, illegal))?;
        last = Some((record.run, record.seq, record.digest()));
    }
    Ok(())
}
