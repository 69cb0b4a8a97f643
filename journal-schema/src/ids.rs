//! Identifiers. All are newtypes: a run is never confused with a sequence number.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Milliseconds since 1970-01-01T00:00:00Z, by the clock of the machine that wrote the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct UnixMillis(pub u64);

/// Position of a record in its run, from 0, without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that is not the identifier it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected {0}")]
pub struct NotAnId(&'static str);

/// SHA-256 of something: a record's bytes, a table, a script, an output. 64 hexadecimal digits in JSON, 32 bytes in a frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_parts([bytes])
    }

    /// Digest of all parts, one behind the other.
    #[cfg(target_arch = "x86_64")]
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        parts.into_iter().for_each(|part| context.update(part));
        Self(context.finish().as_ref().try_into().expect("32 bytes"))
    }

    /// Digest of all parts, one behind the other.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        use sha2::Digest as _;
        let mut context = sha2::Sha256::new();
        parts.into_iter().for_each(|part| context.update(part));
        Self(context.finalize().into())
    }

    /// The first 12 hexadecimal digits: enough for an eye, never for a comparison.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = NotAnId;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let error = NotAnId("64 lower-case hexadecimal digits");
        let digits = s.as_bytes();
        if digits.len() != 64 {
            return Err(error);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex(pair[0]).ok_or(error)? << 4 | hex(pair[1]).ok_or(error)?;
        }
        Ok(Self(bytes))
    }
}

/// Value of one lower-case hexadecimal digit. Upper case is refused so that every identifier has one spelling.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

/// One execution of a workflow. Upper 40 bits: milliseconds / 16 since 1970 (ids sort by start); lower 24 bits: random.
/// Written as 16 hexadecimal digits; the command line also takes a unique prefix or suffix.
/// A string in JSON, a `u64` in a frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

impl RunId {
    /// Makes an id from the start time and 24 random bits.
    pub fn new(now: UnixMillis, random: u32) -> Self {
        Self(((now.0 / 16) << 24) | u64::from(random & 0x00ff_ffff))
    }

    /// When the run began by the clock of the machine that made the id, at most 16 ms early.
    pub fn began(self) -> UnixMillis {
        UnixMillis((self.0 >> 24) * 16)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RunId {
    type Err = std::num::ParseIntError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(s, 16).map(Self)
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return u64::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        match text.parse::<Self>() {
            Ok(run) if run.to_string() == text => Ok(run),
            _ => Err(de::Error::custom(NotAnId("16 lower-case hexadecimal digits"))),
        }
    }
}

/// Name of a remote job, chosen and journaled before the job is launched (trap 73).
/// Made of the run, the step, the direction and the attempt; only `[a-z0-9.-]`, so that it is a safe directory name.
/// Reading one from a journal checks that, because a journal may come from another machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(String);

impl Token {
    /// The token of one attempt. Characters outside `[a-z0-9.-]` of the step's id become `-`.
    pub fn new(run: RunId, step: &str, direction: crate::Direction, attempt: crate::Attempt) -> Self {
        let step: String = step.chars().map(|c| if is_safe(c) { c } else { '-' }).collect();
        let way = match direction {
            crate::Direction::Forward => 'f',
            crate::Direction::Undo => 'u',
        };
        Self(format!("{run}.{step}.{way}{}", attempt.0))
    }

    /// The text, safe as a directory name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a character may stand in a step's id and in a token.
pub(crate) fn is_safe(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-')
}

impl TryFrom<String> for Token {
    type Error = NotAnId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_safe) {
            Ok(Self(text))
        } else {
            Err(NotAnId("a token: only a-z, 0-9, dot and hyphen, beginning with a letter or digit"))
        }
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.0
    }
}
