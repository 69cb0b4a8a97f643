//! A store that fails where a test wants it to.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use journal_schema::{Record, RunId, RunState};

use super::{Store, StoreError};

/// How a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was written.
    Before,
    /// The record is durable, and the answer says that it is not: the worst case of an error while syncing.
    After,
    /// The disk is full; nothing was written.
    Full,
}

/// Wraps a store: one commit fails, and every later one is refused as after a real failure.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    commits: u64,
    fault: Option<(u64, Fault)>,
    poison: Option<String>,
}

impl<S> FaultyStore<S> {
    /// Never fails until [`FaultyStore::fail_at`].
    pub fn new(inner: S) -> Self {
        Self { inner, state: Mutex::new(State { commits: 0, fault: None, poison: None }) }
    }

    /// The commit of that number, counted from 0 over all runs, fails.
    #[must_use]
    pub fn fail_at(self, commit: u64, fault: Fault) -> Self {
        self.state().fault = Some((commit, fault));
        self
    }

    /// Refuses every commit from now on, as after an earlier failure.
    pub fn poison(&self, earlier: &str) {
        self.state().poison = Some(earlier.to_owned());
    }

    /// Commits asked for so far, failed ones included.
    pub fn commits(&self) -> u64 {
        self.state().commits
    }

    /// The wrapped store.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The wrapped store, as the next process finds it.
    pub fn into_inner(self) -> S {
        self.inner
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault of this commit, if it has one.
    fn count(&self) -> Result<Option<Fault>, StoreError> {
        let mut state = self.state();
        let number = state.commits;
        state.commits += 1;
        if let Some(earlier) = &state.poison {
            return Err(StoreError::Poisoned { earlier: earlier.clone() });
        }
        Ok(state.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault))
    }

    fn failed(&self, error: StoreError) -> StoreError {
        self.state().poison = Some(error.to_string());
        error
    }
}

#[async_trait]
impl<S: Store> Store for FaultyStore<S> {
    async fn commit(&self, record: &Record) -> Result<(), StoreError> {
        let broken = || StoreError::Io {
            doing: "synced",
            path: PathBuf::from("journal/mirror"),
            detail: "Input/output error (os error 5)".to_owned(),
        };
        match self.count()? {
            None => self.inner.commit(record).await.map_err(|e| self.failed(e)),
            Some(Fault::Before) => Err(self.failed(broken())),
            Some(Fault::Full) => Err(self.failed(StoreError::Full { path: PathBuf::from("journal/mirror") })),
            Some(Fault::After) => {
                self.inner.commit(record).await.map_err(|e| self.failed(e))?;
                Err(self.failed(broken()))
            }
        }
    }

    async fn runs(&self) -> Result<Vec<RunId>, StoreError> {
        self.inner.runs().await
    }

    async fn read(&self, run: RunId) -> Result<Vec<Record>, StoreError> {
        self.inner.read(run).await
    }

    async fn fold(&self, run: RunId) -> Result<Option<RunState>, StoreError> {
        self.inner.fold(run).await
    }
}
