//! The store in memory, for simulation: nothing durable, nothing slow.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use journal_schema::{Record, RunId, RunState};

use super::{Store, StoreError};

/// Records in memory. Clones share them, so that what a stopped engine committed is there for the one that resumes.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<BTreeMap<RunId, Vec<Record>>>>);

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store of its own with the same records: another way that history could go.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.records().clone())))
    }

    /// How many records a run has.
    pub fn len(&self, run: RunId) -> usize {
        self.records().get(&run).map_or(0, Vec::len)
    }

    /// Whether a run has such a record.
    pub fn has(&self, run: RunId, such: impl Fn(&Record) -> bool) -> bool {
        self.records().get(&run).is_some_and(|records| records.iter().any(such))
    }

    /// Whether nothing was ever committed.
    pub fn is_empty(&self) -> bool {
        self.records().is_empty()
    }

    /// Looks at the records of a run; at none if there is no such run.
    pub fn look<T>(&self, run: RunId, look: impl FnOnce(&[Record]) -> T) -> T {
        look(self.records().get(&run).map(Vec::as_slice).unwrap_or_default())
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<RunId, Vec<Record>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    /// Checks the sequence only: the digests of the chain cost more than all the rest of a simulated commit.
    async fn commit(&self, record: &Record) -> Result<(), StoreError> {
        let mut all = self.records();
        let run = all.entry(record.run).or_default();
        if record.seq.0 != run.len() as u64 {
            let detail =
                format!("record {} of run {} was not accepted: the next one is {}", record.seq, record.run, run.len());
            return Err(StoreError::Damaged { detail });
        }
        run.push(record.clone());
        Ok(())
    }

    async fn runs(&self) -> Result<Vec<RunId>, StoreError> {
        Ok(self.records().keys().copied().collect())
    }

    async fn read(&self, run: RunId) -> Result<Vec<Record>, StoreError> {
        Ok(self.records().get(&run).cloned().unwrap_or_default())
    }

    /// A record's digest is what the next one names: who writes them has found that right, and memory does not rot.
    async fn fold(&self, run: RunId) -> Result<Option<RunState>, StoreError> {
        let all = self.records();
        let records = all.get(&run).map(Vec::as_slice).unwrap_or_default();
        let digests = records.iter().skip(1).map(|next| next.prev).chain(records.last().map(Record::digest));
        super::fold(records.iter().zip(digests))
    }
}
