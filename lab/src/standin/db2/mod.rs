//! The stand-in for DB2 on a practice host: the programs below `~/sqllib`, and the instance's process, which owns the database and keeps
//! the HADR connection. What they do is decided in [`crate::db2`].
//!
//! The instance's process lives from db2start to db2stop. Without it a program works on the stored state itself, which is that of an
//! instance that is down.

mod client;
mod place;
mod server;

use serde::{Deserialize, Serialize};

use crate::db2::{Call, Change, Content, Reply};

pub(super) use client::{Held, change, connect, content};
pub use place::{KNOBS, STATE, home_of};

/// Name of the stand-in for the programs: `db2 HOME PROGRAM ARGUMENTS…`.
pub(super) const PROGRAM: &str = "db2";
/// Name of the stand-in for the instance's process.
pub(super) const SERVER: &str = "db2sysc";

/// What is asked of the instance's process, one line.
#[derive(Debug, Serialize, Deserialize)]
enum Request {
    /// A program.
    Call(Call),
    /// A connection of a client program, as long as this one lasts.
    Client(String),
    /// What is committed, for a client that is connected.
    Content,
    /// A commit.
    Commit(Change),
}

/// Its answer, one line.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    reply: Reply,
    content: Option<Content>,
}

/// A program of DB2.
pub(super) fn program(args: &[String]) -> i32 {
    let [home, words @ ..] = args else { return 2 };
    client::run(home, words)
}

/// The instance's process.
pub(super) fn serve(args: &[String]) -> i32 {
    let [home, ..] = args else { return 2 };
    server::run(home)
}
