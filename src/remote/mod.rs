//! Reaching a place: the machine itself or ssh. The exactly-once job protocol.
//!
//! Every error is classified: *never started* (safe to send again) or *unknown* (ask for the token).

use std::time::Duration;

use async_trait::async_trait;
use journal_schema::{RunId, Token};
use thiserror::Error;
use workflows::{Output, Place, Script};

mod copy;
mod exchange;
mod fleet;
mod job;
mod local;
mod master;
pub mod simulated;
mod site;
mod ssh;

pub use copy::Copies;
pub use fleet::{Fleet, FleetError, Here};

/// A job: a script under a token that was journaled before.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// Its name; any number of launches under one token have one effect.
    pub token: &'a Token,
    /// What to run.
    pub script: &'a Script,
    /// The run's epoch: the job refuses to run on a node of a higher one (invariant 4).
    pub epoch: u64,
}

/// What a place says of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Never claimed there.
    Absent,
    /// Claimed and its process is alive.
    Running,
    /// Ended, with what it gave.
    Finished(Output),
    /// Claimed, no process, no exit code: killed, or the machine rebooted. The probe decides.
    Lost {
        /// Why it counts as lost: `killed` or `rebooted`.
        why: String,
    },
    /// Claimed by [`Remote::revoke`]: it never ran and never will.
    Revoked,
    /// Refused by the node before anything ran: the node is at a higher epoch.
    StaleEpoch {
        /// The node's epoch.
        node_epoch: u64,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// Nothing reached the place: no connection, refused, wrong host key. Safe to send again.
    #[error("{place}: not reached: {detail}")]
    NeverStarted {
        /// Node name or `controller`.
        place: String,
        /// What was tried and what it said, every address.
        detail: String,
    },
    /// It may have run.
    #[error("{place}: outcome unknown: {detail}")]
    Unknown {
        /// Node name or `controller`.
        place: String,
        /// What was seen.
        detail: String,
    },
    /// The machine at that address is another one: its pinned identity differs (traps 6, 11, 25). Never retried.
    #[error("{place}: wrong machine: {detail}")]
    WrongMachine {
        /// Node name.
        place: String,
        /// Expected and found.
        detail: String,
    },
}

/// Reaches places. Implementations: [local and ssh](self), simulated.
#[async_trait]
pub trait Remote: Send + Sync {
    /// Runs a read-only script and waits. Leaves nothing behind; may be repeated freely.
    async fn observe(&self, place: Place, script: &Script, limit: Duration) -> Result<Output, Failure>;

    /// Launches a job (or finds it launched) and waits until it ended or `limit` passed. One connection on the fast path.
    /// When `limit` passes first the answer is [`Answer::Running`].
    async fn run(&self, place: Place, job: Job<'_>, limit: Duration) -> Result<Answer, Failure>;

    /// Asks for a token; waits up to `limit` for a running job to end (zero: does not wait).
    async fn ask(&self, place: Place, token: &Token, limit: Duration) -> Result<Answer, Failure>;

    /// Claims the token so that a launch still under way can never start it; answers as [`Remote::ask`] if it was claimed before.
    async fn revoke(&self, place: Place, token: &Token) -> Result<Answer, Failure>;

    /// Last line of output of a running job, for the progress display.
    async fn peek(&self, place: Place, token: &Token) -> Result<String, Failure>;

    /// The runs whose jobs have left something at a place. Of a place that is not connected nothing is told: nobody waits for this.
    async fn left(&self, _place: Place) -> Result<Vec<RunId>, Failure> {
        Ok(Vec::new())
    }

    /// Takes away what the jobs of these runs left. They must have ended for good: a job without its folder counts as never started.
    async fn tidy(&self, _place: Place, _runs: &[RunId]) -> Result<(), Failure> {
        Ok(())
    }

    /// Where jobs of this place are: the node's name, or the host name of the controller. Journaled in the intent, because a
    /// token of another machine's controller cannot be asked for here.
    fn at(&self, place: Place) -> String;
}
