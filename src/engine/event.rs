//! What the engine says while it works, and what it may ask. Display is elsewhere.

use async_trait::async_trait;
use journal_schema::{Operator, Record, UnixMillis, Verdict};
use serde::{Deserialize, Serialize};

/// Time, as the engine sees it: the machine's, or the simulator's.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Wall clock: for what is written down. It may be set, or jump.
    fn now(&self) -> UnixMillis;
    /// Time that has passed since some fixed moment: for what is waited for, whatever is done to the wall clock.
    fn steady(&self) -> std::time::Duration;
    /// Waits.
    async fn sleep(&self, pause: std::time::Duration);
}

/// Something happened. Sent to every attached client; a line of `--json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A record is durable.
    Committed {
        /// The record.
        record: Box<Record>,
    },
    /// A step begins.
    StepStarted {
        /// Its id.
        step: String,
        /// One line.
        title: String,
        /// Node name or `controller`.
        place: String,
        /// Transition that it belongs to.
        transition: String,
        /// Number of the step in its transition, from 1.
        k: u32,
        /// Steps of the transition.
        n: u32,
        /// Transitions left when this one is done, at least.
        left: u32,
        /// When.
        at: UnixMillis,
    },
    /// Nothing can be done but wait: a node is not reached, a job still runs.
    Waiting {
        /// The step.
        step: String,
        /// Node name or `controller`.
        place: String,
        /// Why.
        why: String,
        /// Since when.
        since: UnixMillis,
    },
    /// A line that the step's job printed last.
    LastLine {
        /// The step.
        step: String,
        /// The line.
        line: String,
    },
    /// A step ended.
    StepEnded {
        /// The step.
        step: String,
        /// How; a skipped step has succeeded.
        verdict: Verdict,
        /// One line.
        why: String,
        /// Milliseconds.
        took_ms: u64,
    },
    /// The run waits for a person.
    Question(Question),
    /// The person answered.
    Answered {
        /// Id of the question.
        question: String,
        /// Word typed.
        answer: String,
    },
    /// The engine stopped; the last event of a runner.
    Ended(Ending),
}

/// Takes events; must not block.
pub trait Observer: Send + Sync {
    /// One event.
    fn event(&self, event: &Event);

    /// Whether anybody is told; events that nobody is told of are not made.
    fn listens(&self) -> bool {
        true
    }
}

/// A question that only a person can answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Short name, for example `unknown.promote.database`.
    pub id: String,
    /// The question.
    pub text: String,
    /// What is known, shown with it and journaled with the answer.
    pub shown: String,
    /// Words that may be typed, each with what it means.
    pub options: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// One of the question's words.
    pub word: String,
    /// Why, as typed; may be empty.
    pub why: String,
    /// Who.
    pub operator: Operator,
}

/// Asks a person and waits as long as it takes.
#[async_trait]
pub trait Asker: Send + Sync {
    /// Asks.
    async fn ask(&self, question: Question) -> Answer;
}

/// How the engine came to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "kebab-case")]
pub enum Ending {
    /// The goal is reached.
    Done,
    /// Everything is undone.
    RolledBack,
    /// Stopped between steps because somebody asked for it.
    Interrupted {
        /// Why.
        why: String,
    },
    /// A step failed; everything before it holds. Resume tries again, rollback undoes it if the pivot is not passed.
    Failed {
        /// Step.
        step: String,
        /// Why.
        why: String,
        /// Whether only forward is left.
        pivot_passed: bool,
    },
    /// Nobody can tell whether a step took effect, or a compensation failed.
    Stuck {
        /// Step; empty when it is the run as a whole.
        step: String,
        /// Why.
        why: String,
        /// Commands that settle it, one a line.
        settle: String,
    },
    /// The journal could not be written: nothing was done after the last committed record.
    JournalFailed {
        /// Why.
        why: String,
    },
    /// Refused before anything was done.
    Refused {
        /// Why.
        why: String,
    },
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        UnixMillis(since.map_or(0, |d| d.as_millis() as u64))
    }

    fn steady(&self) -> std::time::Duration {
        static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        BEGAN.get_or_init(std::time::Instant::now).elapsed()
    }

    async fn sleep(&self, pause: std::time::Duration) {
        tokio::time::sleep(pause).await;
    }
}

#[async_trait]
impl Clock for crate::remote::simulated::SimulatedClock {
    fn now(&self) -> UnixMillis {
        self.wall()
    }

    fn steady(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.wall().0)
    }

    async fn sleep(&self, pause: std::time::Duration) {
        self.pass(pause).await;
    }
}
