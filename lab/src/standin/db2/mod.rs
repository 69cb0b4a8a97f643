//! The stand-in for DB2 on a practice host: the programs below `~/sqllib`, and the instance's process, which owns the database and keeps
//! the HADR connection. What they do is decided in [`crate::db2`].
//!
//! The instance's process lives from db2start to db2stop. Without it a program works on the stored state itself, which is that of an
//! instance that is down.

mod client;
mod place;
mod protocol;
mod server;

pub(super) use client::{Held, change, connect, content};
pub use place::{KNOBS, home_of};
pub(super) use protocol::{PROGRAM, SERVER};

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
