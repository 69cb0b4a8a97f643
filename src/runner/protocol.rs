//! What clients and runner say to each other: one JSON object a line, both ways.
//!
//! The runner speaks first ([`Reply::Greeting`]). Each request has one answer, except [`Request::Attach`], after which events
//! follow until the run ends or the client goes.

use journal_schema::{Operator, Record, RunId, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::engine::{Event, Question};

/// Number of the protocol; a client of another number is told so by the greeting.
pub const PROTOCOL: u32 = 1;

/// Longest line that the runner takes from a client, bytes.
pub(crate) const REQUEST_LIMIT: usize = 64 * 1024;

/// Longest line that a client takes from a runner, bytes: all records of a long run.
pub(crate) const REPLY_LIMIT: usize = 256 * 1024 * 1024;

/// From a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Send the records from a sequence number on, then what is going on, then events as they happen.
    Attach {
        /// First record wanted; 0 for all.
        from_seq: u64,
    },
    /// Answer an open question.
    Answer {
        /// Its id.
        question: String,
        /// One of its words.
        word: String,
        /// Why, as typed; may be empty.
        why: String,
        /// Who.
        operator: Operator,
    },
    /// Stop between two steps.
    Stop {
        /// Who.
        operator: Operator,
    },
    /// What is going on.
    Status,
    /// The runs of the journal, oldest first.
    Runs,
    /// The records of a run.
    Records {
        /// Which.
        run: RunId,
    },
}

/// From the runner.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// First line of every connection.
    Greeting(Greeting),
    /// Something happened.
    Event {
        /// What.
        #[serde(flatten)]
        event: Event,
    },
    /// Everything before this line was history.
    Live,
    /// The runner no longer sends to this client, because it did not read in time. It may attach again from there.
    Dropped {
        /// First record that it has not been sent.
        next_seq: u64,
    },
    /// Answer to [`Request::Status`].
    Status(Status),
    /// Answer to [`Request::Runs`].
    Runs {
        /// Oldest first.
        runs: Vec<RunId>,
    },
    /// Answer to [`Request::Records`].
    Records {
        /// In order.
        records: Vec<Record>,
    },
    /// Done as asked.
    Accepted,
    /// Not done.
    Refused {
        /// Why.
        why: String,
    },
}

/// Who the runner is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// [`PROTOCOL`] of the runner.
    pub protocol: u32,
    /// Its version.
    pub hamn: String,
    /// The run that it owns.
    pub run: RunId,
    /// Its process.
    pub pid: u32,
}

/// What is going on in a runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The run.
    pub run: RunId,
    /// Its workflow.
    pub workflow: String,
    /// Process of the runner.
    pub pid: u32,
    /// Who started it.
    pub operator: Operator,
    /// Since when.
    pub since: UnixMillis,
    /// Records committed.
    pub records: u64,
    /// Steps under way.
    pub running: Vec<Running>,
    /// Questions that wait for an answer.
    pub questions: Vec<Question>,
    /// Somebody asked it to stop.
    pub stopping: bool,
    /// Attached clients.
    pub clients: u32,
    /// For each other place that records are copied to: name and records not yet there; `None`: not known.
    pub copies: Vec<(String, Option<u64>)>,
}

/// A step under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its id.
    pub step: String,
    /// One line.
    pub title: String,
    /// Node name or `controller`.
    pub place: String,
    /// Since when.
    pub since: UnixMillis,
    /// Why nothing happens at the moment; empty when something does.
    pub waiting: String,
}
