//! A stand-in for IBM DB2 with HADR: faithful, stateful and nasty, so that a program that drives the real one can be tested where
//! DB2 cannot be had. It is no DB2 and contains nothing of it.
//!
//! One pure state machine, [`Machine`], is one host's instance and database. It has no clock and does no I/O: time comes in as a number,
//! the host's files and names through [`Outside`], everything else as an [`Event`]; out come [`Effect`]s. Two of them talk by
//! [`Message`]s over a connection that the driver keeps. Two drivers:
//!
//! - [`Pair`]: both machines in the process, a network that can be cut, virtual time. This is what tests of programs use:
//!
//! ```
//! use lab::db2::{Call, Pair, Side};
//! let mut pair = Pair::formed(&Default::default());            // PEER and CONNECTED; or Pair::new for a bare one
//! let reply = pair.call(Side::A, &Call::new(&["db2", "deactivate", "db", "xcatdb"]));
//! assert_eq!((reply.exit, reply.stdout.as_str()), (0, "DB20000I  The DEACTIVATE DATABASE command completed successfully.\n"));
//! let pd = pair.call(Side::B, &Call::new(&["db2pd", "-d", "xcatdb", "-hadr"]));
//! assert!(pd.stdout.contains("Standby RemoteCatchupPending"));
//! pair.advance(5_000);                                        // virtual milliseconds
//! pair.cut(true);                                             // the cable is out; nobody notices before HADR_TIMEOUT
//! ```
//!
//!   [`Pair::call`] lets virtual time pass for as long as the program takes ([`Reply::takes_ms`]); with [`Call::within`] it is killed at a
//!   limit (exit 124, [`Reply::hangs`]) while the server goes on with what it was told, as in truth. The session of a [`Call`] is the
//!   process number of the shell that runs `db2`: a CONNECT is known to calls of the same session only.
//!   [`Pair::knobs`] turns the knobs of a machine, [`Pair::power`], [`Pair::kill_instance`], [`Pair::cut`] break things,
//!   [`Pair::commit`] writes, [`Pair::content`] reads what is committed.
//! - Real programs on the lab's hosts, with a real TCP connection between them: see `standin`.
//!
//! What is documented, captured or only remembered of the real behaviour: every cell that is not documented or captured is a field of
//! [`Knobs`], with its grade. See `docs/db2-stand-in.md`.

// A state of DB2 and the knobs of it are sets of independent switches.
#![allow(clippy::struct_excessive_bools)]

mod clock;
mod clp;
mod config;
mod database;
mod event;
mod knobs;
mod link;
mod listing;
mod log;
mod machine;
mod message;
mod monitor;
mod outside;
mod pair;
mod parse;
mod program;
mod start;
mod takeover;
#[cfg(test)]
mod tests;
mod text;
mod tools;
mod utility;

use serde::{Deserialize, Serialize};

pub use config::Config;
pub use event::{Effect, Event, Wish};
pub use knobs::{Fault, Half, Knobs, Trouble};
pub use log::{Change, Content, Log};
pub use machine::Machine;
pub use message::Message;
pub use outside::Outside;
pub use pair::{Blow, Build, Commit, Host, Pair, Side};

/// The programs of the stand-in.
pub const PROGRAMS: [&str; 9] =
    ["db2", "db2pd", "db2gcf", "db2start", "db2stop", "db2_kill", "db2level", "db2ilist", "db2flsn"];

/// Release whose texts and layouts are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub enum Version {
    /// 9.7: column tables, LOGRETAIN.
    #[default]
    V9_7,
    /// 10.1: `KEY = VALUE`, target list.
    V10_1,
    /// 10.5: HADR_FLAGS, ISO date in the header.
    V10_5,
    /// 11.1: heartbeat counts.
    V11_1,
    /// 11.5.
    V11_5,
}

impl Version {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::V9_7, Self::V10_1, Self::V10_5, Self::V11_1, Self::V11_5];

    /// The token of `db2level`: `DB2 v9.7.0.3`.
    pub fn token(self) -> &'static str {
        match self {
            Self::V9_7 => "v9.7.0.3",
            Self::V10_1 => "v10.1.0.2",
            Self::V10_5 => "v10.5.0.7",
            Self::V11_1 => "v11.1.4.4",
            Self::V11_5 => "v11.5.8.0",
        }
    }
}

/// Language of messages and form of dates and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub enum Locale {
    /// English.
    #[default]
    C,
    /// Russian: dates `12.10.2018`, decimal comma, Russian sentences behind the same codes.
    Ru,
    /// German: dates `12.10.2018`, decimal comma, our own German sentences.
    De,
    /// French: dates `12/10/2018`, decimal comma, our own French sentences, with guillemets and apostrophes.
    Fr,
    /// Japanese: dates `2018/10/12`, our own Japanese sentences, without blanks.
    Ja,
}

/// HADR database role; survives restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub enum Role {
    /// Not in a pair.
    #[default]
    Standard,
    /// Primary.
    Primary,
    /// Standby.
    Standby,
}

impl Role {
    /// As GET DB CFG and db2pd print it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::Primary => "PRIMARY",
            Self::Standby => "STANDBY",
        }
    }
}

/// HADR state of an active database of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// What a primary says while no standby is connected.
    Disconnected,
    /// A standby reads its own logs.
    LocalCatchup,
    /// A standby waits for its primary.
    RemoteCatchupPending,
    /// Old log is on its way.
    RemoteCatchup,
    /// Together.
    Peer,
    /// The connection is lost and the peer window open: commits wait.
    DisconnectedPeer,
}

impl State {
    /// `REMOTE_CATCHUP_PENDING`, as from 10.1 on.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disconnected => "DISCONNECTED",
            Self::LocalCatchup => "LOCAL_CATCHUP",
            Self::RemoteCatchupPending => "REMOTE_CATCHUP_PENDING",
            Self::RemoteCatchup => "REMOTE_CATCHUP",
            Self::Peer => "PEER",
            Self::DisconnectedPeer => "DISCONNECTED_PEER",
        }
    }

    /// `RemoteCatchupPending`, as db2pd of 9.7 has it.
    pub fn camel(self) -> &'static str {
        match self {
            Self::Disconnected => "Disconnected",
            Self::LocalCatchup => "LocalCatchup",
            Self::RemoteCatchupPending => "RemoteCatchupPending",
            Self::RemoteCatchup => "RemoteCatchup",
            Self::Peer => "Peer",
            Self::DisconnectedPeer => "DisconnectedPeer",
        }
    }
}

/// State of the connection to the partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Connect {
    /// It is up.
    Connected,
    /// It is up and does not take what is sent.
    Congested,
    /// It is down.
    Disconnected,
}

impl Connect {
    /// `CONNECTED`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connected => "CONNECTED",
            Self::Congested => "CONGESTED",
            Self::Disconnected => "DISCONNECTED",
        }
    }
}

/// What stands at a program's standard input.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Stdin {
    /// Nothing: end of file at once.
    #[default]
    Closed,
    /// This text.
    Text(String),
    /// Somebody who never types anything: a prompt hangs.
    Silent,
}

/// A call of one of [`PROGRAMS`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Call {
    /// Program and arguments, as the shell would give them. A directory before the program's name is ignored.
    pub argv: Vec<String>,
    /// Process number of the calling shell: the CLP has one back end for each.
    pub session: u64,
    /// Who calls; empty: the instance owner.
    pub user: String,
    /// Environment. A caller other than the instance owner needs `DB2INSTANCE` (db2profile) or finds no programs.
    pub env: Vec<(String, String)>,
    /// Standard input.
    pub stdin: Stdin,
    /// Milliseconds after which the program is killed; `None`: a day.
    pub limit_ms: Option<u64>,
}

impl Call {
    /// A call by the instance owner from a shell of its own (session 0).
    pub fn new<S: AsRef<str>>(argv: &[S]) -> Self {
        Self { argv: argv.iter().map(|a| a.as_ref().to_owned()).collect(), ..Self::default() }
    }

    /// From that shell.
    #[must_use]
    pub fn session(mut self, session: u64) -> Self {
        self.session = session;
        self
    }

    /// With that on standard input.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// Killed after so many milliseconds.
    #[must_use]
    pub fn within(mut self, limit_ms: u64) -> Self {
        self.limit_ms = Some(limit_ms);
        self
    }

    /// The program's name without its directory.
    pub fn program(&self) -> &str {
        self.argv.first().map_or("", |p| p.rsplit('/').next().unwrap_or(p))
    }
}

/// What a program printed and did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reply {
    /// Standard output.
    pub stdout: String,
    /// Standard error; the CLP says everything on standard output.
    pub stderr: String,
    /// Exit code; 124 if it was killed at its limit.
    pub exit: i32,
    /// How long it took, milliseconds.
    pub takes_ms: u64,
    /// It never ends by itself, or not before its limit.
    pub hangs: bool,
}

/// A command's output while it is put together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Out {
    text: String,
    exit: i32,
}

impl Out {
    fn new(text: impl Into<String>, exit: i32) -> Self {
        Self { text: text.into(), exit }
    }
}
