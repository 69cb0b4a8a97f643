//! The detached process that owns a run, its control socket, and the clients that attach to it.
//!
//! `hamn run …` writes the parameters of a run to a file, starts its own executable again without a terminal, waits until the
//! control socket answers and attaches to it like any other client. From then on the run belongs to the runner: a closed
//! terminal ends a client and nothing else (trap 12). The runner holds the journal's lock, so everybody else reads through it.
//!
//! ```text
//! hamn run ──spawn──▶ hamn runner ── engine ── journal, remote
//!    │                    │ Hub (Observer, Asker)
//!    └──attach──────────▶ socket ◀──attach── any number of clients
//! ```

use std::time::{Duration, Instant};

use crate::journal::StoreError;

mod client;
mod home;
mod hub;
mod line;
mod process;
mod protocol;
mod rehearsal;
mod server;
mod spawn;
mod work;

pub use client::{Client, ClientError};
pub use home::Home;
pub use hub::{Attached, Hub, Refusal};
pub use process::{Failed, Work, leave_terminal, serve};
pub use protocol::{Greeting, PROTOCOL, Reply, Request, Running, Status};
pub use rehearsal::Rehearsal;
pub use server::{Control, Server};
pub use spawn::{SpawnError, Spawned, spawn};
pub use work::{Action, Means, Parameters, World, here, live};

/// Opens the journal in spite of those who hold it only for a moment, to read it. A holder that stays is the answer.
pub async fn patiently<T>(open: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        match open() {
            Err(StoreError::Locked { .. }) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            opened => return opened,
        }
    }
}

#[cfg(test)]
mod tests;
