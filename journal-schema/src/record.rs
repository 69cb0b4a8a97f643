//! A record and its frame.

use serde::{Deserialize, Serialize};

use crate::{Digest, Payload, RunId, Seq, UnixMillis};

/// Version of the layout of records. The present one is [`SchemaVersion::CURRENT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SchemaVersion(pub u16);

impl SchemaVersion {
    /// What this program writes.
    pub const CURRENT: Self = Self(1);
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Layout.
    pub version: SchemaVersion,
    /// The run.
    pub run: RunId,
    /// Position in the run.
    pub seq: Seq,
    /// [`Record::digest`] of the record before; zeros for the first.
    pub prev: Digest,
    /// When it was made.
    pub at: UnixMillis,
    /// What it says.
    pub payload: Payload,
}
