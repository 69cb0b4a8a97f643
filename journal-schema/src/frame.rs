//! The frame that a record is stored in, and reading many of them from bytes that may be damaged.
//!
//! Layout, the same for every schema version: magic (4 bytes), length of the body (`u32`, little endian), body, SHA-256 of
//! all of that. The body begins with the schema version, so that a reader knows whether it can go on.

use thiserror::Error;

use crate::{DecodeError, Digest, Header, Record};

/// First bytes of a frame. The first of them occurs in no UTF-8 text, so no text inside a record looks like a frame.
pub const MAGIC: [u8; 4] = [0xF5, b'h', b'm', b'n'];

/// Largest body, bytes. Larger values would leave sled's log for files that it never syncs.
pub const MAX_BODY: usize = 64 * 1024;

/// Magic and length.
pub(crate) const HEADER: usize = 8;

/// Bytes of a frame that are not its body.
pub const OVERHEAD: usize = HEADER + 32;

/// One frame whose digest is right. What its body says is not looked at until it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    body: &'a [u8],
    digest: Digest,
    len: usize,
}

impl<'a> Frame<'a> {
    /// The frame at the beginning of `bytes`; more may follow it.
    pub fn first_of(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        split(bytes)
    }

    /// [`Record::digest`] of its record.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Bytes of the whole frame.
    #[allow(clippy::len_without_is_empty, reason = "no frame is empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Which record it is, without decoding what the record says.
    pub fn header(&self) -> Result<Header, DecodeError> {
        Header::of_body(self.body)
    }

    /// Its record.
    pub fn record(&self) -> Result<Record, DecodeError> {
        Record::decode_body(self.body)
    }
}

/// Length of the frame that seems to begin here, by what it says itself: nothing is proven.
pub fn claimed_len(bytes: &[u8]) -> Option<usize> {
    let length = bytes.strip_prefix(&MAGIC)?.first_chunk()?;
    let len = usize::try_from(u32::from_le_bytes(*length)).ok()?.checked_add(OVERHEAD)?;
    (len <= MAX_BODY + OVERHEAD && len <= bytes.len()).then_some(len)
}

/// Room for a usual record's frame.
const USUAL: usize = 1024;

/// Magic, length and the body that `write` appends: a frame without its digest. The caller checks the body's length.
pub(crate) fn covered(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut covered = Vec::with_capacity(USUAL);
    covered.extend_from_slice(&MAGIC);
    covered.extend_from_slice(&[0; 4]);
    write(&mut covered);
    let length = (covered.len() - HEADER) as u32;
    covered[MAGIC.len()..HEADER].copy_from_slice(&length.to_le_bytes());
    covered
}

/// The frame at the beginning of `bytes`.
pub(crate) fn split(bytes: &[u8]) -> Result<Frame<'_>, DecodeError> {
    let have = bytes.len();
    if !bytes.starts_with(&MAGIC[..have.min(4)]) {
        return Err(DecodeError::NoMagic);
    }
    let Some(length) = bytes.get(4..HEADER) else {
        return Err(DecodeError::Short { have });
    };
    let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
    if length > MAX_BODY {
        return Err(DecodeError::Length { found: length });
    }
    let len = length + OVERHEAD;
    let Some(frame) = bytes.get(..len) else {
        return Err(DecodeError::Short { have });
    };
    let (covered, digest) = frame.split_at(HEADER + length);
    let found = Digest::of(covered);
    if found.0 != digest {
        return Err(DecodeError::Digest);
    }
    Ok(Frame { body: &covered[HEADER..], digest: found, len })
}

/// What is wrong at an offset of a file of frames.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The bytes end within a frame whose beginning is whole: an append that was cut off. Nothing follows.
    #[error("the last frame is cut off after {have} bytes")]
    Torn {
        /// Bytes of it that are there.
        have: usize,
    },
    /// Bytes that are no frame, up to the next frame or to the end.
    #[error("{} damaged bytes: {why}", until - from)]
    Damaged {
        /// First of them.
        from: usize,
        /// First byte after them: the next frame, or the end.
        until: usize,
        /// What is wrong with the first of them.
        why: DecodeError,
    },
    /// A whole frame that this program cannot read: another schema version.
    #[error(transparent)]
    Unreadable(DecodeError),
}

/// Iterator over the frames in `bytes`: `(offset, record or what is wrong there)`. After damage it goes on at the next frame.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    /// Reads from the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Offset of the first byte not yet read: where the next frame would begin.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next frame, or what is wrong there, with its offset; nothing of its record is decoded.
    pub fn next_frame(&mut self) -> Option<(usize, Result<Frame<'a>, FrameError>)> {
        let start = self.at;
        let rest = &self.bytes[start..];
        if rest.is_empty() {
            return None;
        }
        let result = match split(rest) {
            Ok(frame) => {
                self.at += frame.len;
                Ok(frame)
            }
            Err(DecodeError::Short { have }) if self.is_torn(start) => {
                self.at = self.bytes.len();
                Err(FrameError::Torn { have })
            }
            Err(why) => {
                let until = self.find_frame(start + 1, |f| matches!(f, Ok(_) | Err(DecodeError::Short { .. })));
                self.at = until;
                Err(FrameError::Damaged { from: start, until, why })
            }
        };
        Some((start, result))
    }

    /// Offset, from `from` on, of the next place that `accept` takes for a frame; the end if there is none.
    fn find_frame(&self, from: usize, accept: impl Fn(Result<Frame<'_>, DecodeError>) -> bool) -> usize {
        let mut at = from;
        while let Some(skip) = self.bytes[at..].windows(MAGIC.len()).position(|w| w == MAGIC) {
            at += skip;
            if accept(split(&self.bytes[at..])) {
                return at;
            }
            at += 1;
        }
        self.bytes.len()
    }

    /// Tells an append that was cut off from a frame whose length is damaged: behind the latter there are whole frames, or it is
    /// whole itself once the length is taken from where the bytes end.
    fn is_torn(&self, start: usize) -> bool {
        let rest = &self.bytes[start..];
        if self.find_frame(start + 1, |f| f.is_ok()) < self.bytes.len() {
            return false;
        }
        let Some(body) = rest.len().checked_sub(OVERHEAD) else {
            return true;
        };
        let covered = covered(|frame| frame.extend_from_slice(&rest[HEADER..HEADER + body]));
        Digest::of(&covered).0 != rest[HEADER + body..]
    }
}

impl Iterator for Frames<'_> {
    type Item = (usize, Result<Record, FrameError>);

    fn next(&mut self) -> Option<Self::Item> {
        let (at, frame) = self.next_frame()?;
        Some((at, frame.and_then(|frame| frame.record().map_err(FrameError::Unreadable))))
    }
}
