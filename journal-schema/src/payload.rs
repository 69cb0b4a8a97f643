//! What a record says. Append-only: new variants at the end, no field ever added to or taken from an old one.

use serde::{Deserialize, Serialize};

use crate::{Digest, Fact, RunId, Token};

/// Number of a try of one step in one direction, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attempt(pub u32);

/// Forward, or the undoing of a forward step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// The step's effect.
    Forward,
    /// Its compensation.
    Undo,
}

/// What a transition means for rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Can be undone; before the pivot.
    Reversible,
    /// The point of no return: once its first once-only effect may have happened the run only goes forward.
    Pivot,
    /// After the pivot.
    Forward,
}

/// How often a step's effect may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Reads only: has an outcome without an intent.
    Observe,
    /// May be done again.
    Idempotent,
    /// Must happen at most once; never re-sent when it may have run.
    OnceOnly,
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// The effect holds, shown by evidence.
    Succeeded,
    /// The effect does not hold.
    Failed,
    /// Nobody can tell yet.
    Unknown,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum End {
    /// Reached its final state.
    Done,
    /// Everything undone.
    RolledBack,
    /// Given up by an operator; what is left is in the open items.
    Abandoned,
}

/// Who acts: a person on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Login name (the one before `sudo`, where known).
    pub name: String,
    /// Host name of the machine on which hamn runs.
    pub host: String,
    /// Terminal or `-`.
    pub terminal: String,
}

/// A row of the workflow's transition table, as it was when the run started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRow {
    /// State left.
    pub from: String,
    /// Name of the transition, unique in the table.
    pub transition: String,
    /// State entered.
    pub to: String,
    /// Reversible, pivot or forward.
    pub kind: Kind,
}

/// A step as planned when its transition was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Unique in the run: `transition-topic.step`, for example `promote.database`.
    pub id: String,
    /// One line for a person.
    pub title: String,
    /// Node name, or `controller` for the machine that runs hamn.
    pub place: String,
    /// How often it may happen.
    pub mode: Mode,
    /// Steps of one stage run side by side; a stage starts when the one before has ended.
    pub stage: u8,
    /// Whether it has a compensation.
    pub undo: bool,
    /// Whether its effect dies with a reboot of its place (an address, a running daemon).
    pub volatile: bool,
    /// Whether the run goes on without it, with an open item.
    pub optional: bool,
    /// Digest of its script.
    pub script: Digest,
}

/// Something temporary or left to do (invariant 10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenItem {
    /// Unique in the run.
    pub id: String,
    /// What and why, one line.
    pub text: String,
    /// Command that settles it, if there is one.
    pub command: String,
}

/// What the run stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refs {
    /// Version of hamn that wrote it.
    pub hamn_version: String,
    /// Digest of the transition table.
    pub table: Digest,
    /// Id of the plan that was shown and consented to.
    pub plan: Digest,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// First record of every run, and nowhere else.
    RunStarted {
        /// `failover`, `switchover`, …
        workflow: String,
        /// Versions and digests.
        refs: Refs,
        /// The transition table, so that a reader needs no program of that version.
        table: Vec<TableRow>,
        /// State in which the run starts.
        initial: String,
        /// State in which it is done.
        goal: String,
        /// Configuration as TOML, without secrets.
        config: String,
        /// The request as JSON: who becomes primary, options.
        request: String,
        /// Who.
        operator: Operator,
    },
    /// The operator decided something; what was shown is part of the evidence.
    Decided {
        /// Short name of the question: `consent`, `fence.attest`, `unknown.promote.database`, …
        question: String,
        /// The answer, as typed.
        answer: String,
        /// Who.
        operator: Operator,
        /// Why, as typed; may be empty.
        why: String,
        /// What was shown before the answer.
        shown: String,
        /// Facts that follow from it.
        evidence: Vec<Fact>,
    },
    /// A transition is taken; its steps are planned now and not later.
    Planned {
        /// Name of the transition.
        transition: String,
        /// Steps, in order of stage.
        steps: Vec<PlannedStep>,
        /// Why this transition and no other: the guard's name.
        guard: String,
    },
    /// Durable before anything is sent.
    Intent {
        /// Step.
        step: String,
        /// Which way.
        direction: Direction,
        /// Try.
        attempt: Attempt,
        /// Name of the job.
        token: Token,
        /// Machine that the job is on (node name; for the controller its host name): where to ask for the token.
        at: String,
        /// The exact commands, without secrets.
        script: String,
    },
    /// A try ended.
    Outcome {
        /// Step.
        step: String,
        /// Which way.
        direction: Direction,
        /// Try; for an observation the number of the look.
        attempt: Attempt,
        /// How.
        verdict: Verdict,
        /// Exit code, where a job gave one.
        exit: Option<i32>,
        /// Facts judged on.
        evidence: Vec<Fact>,
        /// One line: why this verdict.
        why: String,
        /// Digest of the whole output.
        output: Digest,
        /// Its last 2,000 bytes, cleaned of control characters.
        tail: String,
    },
    /// The effect was there already.
    Skipped {
        /// Step.
        step: String,
        /// Which way.
        direction: Direction,
        /// Facts judged on.
        evidence: Vec<Fact>,
        /// One line.
        why: String,
    },
    /// A volatile effect that held is gone (reboot): the step is to be done again.
    Regressed {
        /// Step.
        step: String,
        /// Facts judged on.
        evidence: Vec<Fact>,
        /// One line.
        why: String,
    },
    /// All steps of a transition are done.
    Entered {
        /// The state.
        state: String,
    },
    /// From here on, steps are undone in reverse order.
    RollbackStarted {
        /// Why.
        reason: String,
        /// Who asked; the program itself: name `hamn`.
        operator: Operator,
    },
    /// All steps of a transition are undone.
    Reverted {
        /// The state that holds again.
        state: String,
    },
    /// The run cannot go on by itself.
    Stuck {
        /// Step, or empty.
        step: String,
        /// Why.
        why: String,
        /// Commands that settle it, one a line.
        settle: String,
    },
    /// The runner stopped in order, between steps.
    Interrupted {
        /// Why.
        reason: String,
    },
    /// A runner took the run up again.
    Resumed {
        /// Who.
        operator: Operator,
        /// Versions and digests.
        refs: Refs,
        /// Answer that was given with it: `forward` or `rollback`.
        way: Direction,
    },
    /// Something temporary is in place, or something is left to do.
    ItemOpened(OpenItem),
    /// It is no more.
    ItemClosed {
        /// Which.
        id: String,
        /// How.
        how: String,
    },
    /// Last record of a run.
    Finished {
        /// How.
        end: End,
        /// One line.
        summary: String,
    },
    /// The run's records were taken over from another machine's copy.
    Imported {
        /// The run.
        run: RunId,
        /// Where from.
        from: String,
        /// Who.
        operator: Operator,
    },
}

impl Payload {
    /// Name of the variant, as in the JSON form.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunStarted { .. } => "RunStarted",
            Self::Decided { .. } => "Decided",
            Self::Planned { .. } => "Planned",
            Self::Intent { .. } => "Intent",
            Self::Outcome { .. } => "Outcome",
            Self::Skipped { .. } => "Skipped",
            Self::Regressed { .. } => "Regressed",
            Self::Entered { .. } => "Entered",
            Self::RollbackStarted { .. } => "RollbackStarted",
            Self::Reverted { .. } => "Reverted",
            Self::Stuck { .. } => "Stuck",
            Self::Interrupted { .. } => "Interrupted",
            Self::Resumed { .. } => "Resumed",
            Self::ItemOpened(_) => "ItemOpened",
            Self::ItemClosed { .. } => "ItemClosed",
            Self::Finished { .. } => "Finished",
            Self::Imported { .. } => "Imported",
        }
    }
}
