//! What the two machines of a pair say to each other.

use serde::{Deserialize, Serialize};

use super::{Role, Version, config::Parameters, log::Record};

/// Between the two machines of a pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message(pub(super) Body);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Body {
    /// The dialler's question.
    Hello(Box<Hello>),
    /// The primary takes the standby.
    Accept { end: u64, log_ms: u64 },
    /// It does not.
    Refuse(Refusal),
    /// Log, and how far it is ours; with the peer window's end if we are in peer.
    Data { streams: Vec<(u64, u64)>, records: Vec<Record>, window_end_ms: Option<u64> },
    /// The standby has the log to there.
    Ack { end: u64 },
    /// Heartbeat.
    Beat { end: u64, log_ms: u64, window_end_ms: Option<u64> },
    /// From now on in peer.
    Peer { window_end_ms: u64 },
    /// A polite end of the database at the other side.
    Bye,
    /// Role switch, please.
    TakeOver,
    /// The old primary is a standby now, its log ends there.
    Ready { end: u64 },
    /// The new primary is one.
    Switched { window_end_ms: u64 },
    /// Forced takeover: stop writing.
    Stop,
    /// It stopped.
    Stopped,
}

/// Who dials.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) role: Role,
    pub(super) database: String,
    pub(super) instance: String,
    pub(super) version: Version,
    pub(super) parameters: Parameters,
    pub(super) streams: Vec<(u64, u64)>,
    pub(super) end: u64,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Refusal {
    /// We are primary, by a takeover.
    Primary,
    /// Configurations do not match.
    Mismatch,
    /// The standby's log is of another stream.
    Diverged,
    /// Not a primary that could take anybody.
    NotPrimary,
}
