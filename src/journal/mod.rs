//! The store of the journal. A commit means on disk.

use async_trait::async_trait;
use journal_schema::{Digest, Record, RunId, RunState};

mod commit;
pub mod copy;
mod disk;
mod error;
mod faulty;
mod first;
pub mod layout;
mod ledger;
mod lock;
mod memory;
mod mirror;
mod recover;
pub mod transfer;
mod verify;
mod view;

pub use copy::{CopySink, Lag, Replicated, Replicator};
pub use disk::{GuardedStore, PlainStore};
pub use error::StoreError;
pub use faulty::{Fault, FaultyStore};
pub use layout::StateDir;
pub use lock::{Holder, Lock};
pub use memory::MemoryStore;
pub use recover::Repair;
pub use transfer::{ImportError, Imported, import, readable};
pub use verify::{FirstReport, MirrorReport, Report, RunReport};
pub use view::ReadOnly;

/// Where records are kept. Implementations: sled with a mirror file, plain file, fault-injecting, memory.
#[async_trait]
pub trait Store: Send + Sync {
    /// Makes a record durable. When this returns `Ok`, a power cut cannot take the record away.
    /// After an error the store is *poisoned*: every later commit fails too, so that no effect can follow an unwritten intent.
    async fn commit(&self, record: &Record) -> Result<(), StoreError>;

    /// The runs in the store, oldest first.
    async fn runs(&self) -> Result<Vec<RunId>, StoreError>;

    /// The records of a run in order of sequence, chain verified.
    async fn read(&self, run: RunId) -> Result<Vec<Record>, StoreError>;

    /// What the records of a run come to, chain verified; `None` if there is no such run. Records that cannot be a run are damage.
    async fn fold(&self, run: RunId) -> Result<Option<RunState>, StoreError> {
        fold(self.read(run).await?.iter().map(|record| (record, record.digest())))
    }
}

/// The state of a run from its records with their digests.
fn fold<'r>(digested: impl IntoIterator<Item = (&'r Record, Digest)>) -> Result<Option<RunState>, StoreError> {
    let mut state = None;
    for (record, digest) in digested {
        RunState::take_up(&mut state, record, digest).map_err(|e| StoreError::Damaged { detail: e.to_string() })?;
    }
    Ok(state)
}

/// A run as it is taken up: read, verified and folded once.
#[derive(Debug, Clone)]
pub struct TakenUp {
    /// Its records, from the first.
    pub records: Vec<Record>,
    /// What they come to.
    pub state: RunState,
}
