//! The JSON form of a record: one line, for export, import and people with `jq`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{DecodeError, Digest, EncodeError, Payload, Record, RunId, SchemaVersion, Seq, UnixMillis};

/// The line: the record's fields, and its digest so that a line stands for itself as a frame does.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    version: SchemaVersion,
    run: RunId,
    seq: Seq,
    prev: Digest,
    at: UnixMillis,
    payload: Cow<'a, Payload>,
    digest: Digest,
}

/// All that is looked at before the version is known to be readable.
#[derive(Deserialize)]
struct Head {
    version: SchemaVersion,
}

impl Record {
    /// The record as one line of JSON, without the newline. Its `digest` is [`Record::digest`].
    pub fn to_json(&self) -> String {
        let line = Line {
            version: self.version,
            run: self.run,
            seq: self.seq,
            prev: self.prev,
            at: self.at,
            payload: Cow::Borrowed(&self.payload),
            digest: self.digest(),
        };
        serde_json::to_string(&line).expect("records are plain data")
    }

    /// The record of such a line. Its digest must be right.
    pub fn from_json(line: &str) -> Result<Self, DecodeError> {
        let contents = |e: serde_json::Error| DecodeError::Contents { detail: e.to_string() };
        serde_json::from_str::<Head>(line).map_err(contents)?.version.readable()?;
        let line: Line<'_> = serde_json::from_str(line).map_err(contents)?;
        let record = Self {
            version: line.version,
            run: line.run,
            seq: line.seq,
            prev: line.prev,
            at: line.at,
            payload: line.payload.into_owned(),
        };
        match record.encode() {
            Err(EncodeError::TooLarge { bytes }) => Err(DecodeError::Length { found: bytes as usize }),
            Ok(_) if record.digest() != line.digest => Err(DecodeError::Digest),
            Ok(_) => Ok(record),
        }
    }
}
