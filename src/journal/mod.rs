//! The store of the journal. A commit means on disk.

use async_trait::async_trait;
use journal_schema::{Record, RunId};

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
pub use transfer::{ImportError, Imported, import};
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
}
