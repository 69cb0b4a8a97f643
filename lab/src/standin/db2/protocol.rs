//! The two programs by name, and what programs and clients ask of the instance's process.

use serde::{Deserialize, Serialize};

use crate::db2::{Call, Change, Content, Reply};

/// Name of the stand-in for the programs: `db2 HOME PROGRAM ARGUMENTS…`.
pub(in crate::standin) const PROGRAM: &str = "db2";
/// Name of the stand-in for the instance's process.
pub(in crate::standin) const SERVER: &str = "db2sysc";

/// What is asked of the instance's process, one line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
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
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) content: Option<Content>,
}
