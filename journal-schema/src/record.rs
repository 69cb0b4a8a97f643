//! A record and its binary form.

use bincode::Options as _;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    Digest, Payload, RunId, Seq, UnixMillis,
    frame::{self, MAX_BODY},
};

/// Version of the layout of records. The present one is [`SchemaVersion::CURRENT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SchemaVersion(pub u16);

impl SchemaVersion {
    /// What this program writes.
    pub const CURRENT: Self = Self(1);

    /// The oldest that this program reads.
    pub const OLDEST: Self = Self(1);

    /// Which hamn reads a version, newest release first named.
    const READERS: &'static [(Self, &'static str)] = &[(Self(1), "0.1")];

    /// The hamn that reads this version; `None`: no release wrote it, or it is newer than this program.
    pub fn reader(self) -> Option<&'static str> {
        Self::READERS.iter().find(|(version, _)| *version == self).map(|(_, hamn)| *hamn)
    }

    /// Whether this program reads it.
    pub(crate) fn readable(self) -> Result<(), DecodeError> {
        if self > Self::CURRENT {
            return Err(DecodeError::TooNew { found: self, current: Self::CURRENT });
        }
        if self < Self::OLDEST {
            let needs_hamn = self.reader().unwrap_or("none: no release wrote this version");
            return Err(DecodeError::TooOld { found: self, needs_hamn });
        }
        Ok(())
    }
}

impl std::fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
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

/// Which record it is: the first fields of a [`Record`], in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Header {
    /// Layout.
    pub version: SchemaVersion,
    /// The run.
    pub run: RunId,
    /// Position in the run.
    pub seq: Seq,
    /// [`Record::digest`] of the record before; zeros for the first.
    pub prev: Digest,
}

impl Header {
    /// Tells the version before anything else is looked at.
    pub(crate) fn of_body(body: &[u8]) -> Result<Self, DecodeError> {
        readable(body)?;
        layout().allow_trailing_bytes().deserialize(body).map_err(contents)
    }
}

/// Why a record has no binary form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// It is larger than a record may be.
    #[error("a record of {bytes} bytes is larger than the {MAX_BODY} allowed")]
    TooLarge {
        /// Size of its body.
        bytes: u64,
    },
}

/// Why bytes, or a line of JSON, are no record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// They end before the frame does.
    #[error("the frame is cut off after {have} bytes")]
    Short {
        /// Bytes that are there.
        have: usize,
    },
    /// They do not begin like a frame.
    #[error("no frame begins here")]
    NoMagic,
    /// The length in the frame is beyond the limit.
    #[error("the frame gives its length as {found}, more than the {MAX_BODY} allowed")]
    Length {
        /// The length in the frame.
        found: usize,
    },
    /// The digest is not that of the bytes.
    #[error("the digest does not match")]
    Digest,
    /// Something follows the frame.
    #[error("{bytes} bytes follow the frame")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// Written by a later program.
    #[error(
        "the record is of schema version {found}; this hamn reads up to {current}: use the hamn that wrote it, or a later one"
    )]
    TooNew {
        /// Its version.
        found: SchemaVersion,
        /// The latest that is read here.
        current: SchemaVersion,
    },
    /// Written by a program whose records are no longer read.
    #[error("the record is of schema version {found}; hamn that reads it: {needs_hamn}")]
    TooOld {
        /// Its version.
        found: SchemaVersion,
        /// Version of hamn that reads it.
        needs_hamn: &'static str,
    },
    /// The digest is right and the contents make no sense: a defect of the program that wrote it.
    #[error("the contents are no record: {detail}")]
    Contents {
        /// What is wrong.
        detail: String,
    },
}

/// The frozen binary layout: fixed-width little-endian integers, nothing left over.
fn layout() -> impl bincode::Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_little_endian().reject_trailing_bytes()
}

impl Record {
    /// The record that follows `prev` in a run; the first of the run if `prev` is `None`.
    pub fn next(prev: Option<&Self>, run: RunId, at: UnixMillis, payload: Payload) -> Self {
        Self::after(prev.map(|p| (p.seq, p.digest())), run, at, payload)
    }

    /// [`Record::next`] for a caller that knows sequence and digest of the record before.
    pub(crate) fn after(last: Option<(Seq, Digest)>, run: RunId, at: UnixMillis, payload: Payload) -> Self {
        let (seq, prev) = last.map_or((Seq(0), Digest::default()), |(seq, digest)| (Seq(seq.0 + 1), digest));
        Self { version: SchemaVersion::CURRENT, run, seq, prev, at, payload }
    }

    /// The record's frame.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut frame = self.covered();
        let body = frame.len() - frame::HEADER;
        if body > MAX_BODY {
            return Err(EncodeError::TooLarge { bytes: body as u64 });
        }
        let digest = Digest::of(&frame);
        frame.extend_from_slice(&digest.0);
        Ok(frame)
    }

    /// The digest that its frame ends with, and that the next record's `prev` holds.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.covered())
    }

    /// The record in exactly one frame.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let frame = frame::split(bytes)?;
        match bytes.len() - frame.len() {
            0 => frame.record(),
            bytes => Err(DecodeError::Trailing { bytes }),
        }
    }

    /// The record in a frame whose digest was found to be right before, and that digest; it is not computed again.
    pub fn decode_proven(frame: &[u8]) -> Result<(Self, Digest), DecodeError> {
        let short = || DecodeError::Short { have: frame.len() };
        let (covered, digest) = frame.split_last_chunk().ok_or_else(short)?;
        let body = covered.get(frame::HEADER..).ok_or_else(short)?;
        Ok((Self::decode_body(body)?, Digest(*digest)))
    }

    /// What its digest covers: its frame without that. Written in one pass, since every commit and every fold needs it.
    fn covered(&self) -> Vec<u8> {
        frame::covered(|body| layout().serialize_into(body, self).expect("records are plain data of known length"))
    }

    /// Tells the version before anything else is looked at.
    pub(crate) fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        readable(body)?;
        layout().with_limit(MAX_BODY as u64).deserialize(body).map_err(contents)
    }
}

/// Whether this program reads bodies of that version.
fn readable(body: &[u8]) -> Result<(), DecodeError> {
    let Some(version) = body.first_chunk() else {
        return Err(DecodeError::Contents { detail: "no schema version".into() });
    };
    SchemaVersion(u16::from_le_bytes(*version)).readable()
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn contents(error: bincode::Error) -> DecodeError {
    DecodeError::Contents { detail: error.to_string() }
}
