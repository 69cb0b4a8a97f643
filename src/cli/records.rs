//! Reading the journal: through the runner that holds it, or from the disk when nobody does.

use std::time::{Duration, Instant};

use journal_schema::{Record, RunId, RunState};

use super::{Trouble, who};
use crate::{
    journal::{GuardedStore, Holder, StateDir, Store, StoreError},
    runner::{Client, ClientError, Home, Status},
};

/// The journal, open for reading.
pub(super) enum Journal {
    /// A runner holds it.
    Held(Box<Client>),
    /// We hold it, for as long as this lives.
    Ours(GuardedStore),
    /// There is none yet.
    Empty,
}

impl Journal {
    /// Opens it. `purpose` is what somebody reads who wants it meanwhile. Makes nothing where there is no journal (invariant 12).
    pub(super) async fn open(home: &Home, purpose: &str) -> Result<Self, Trouble> {
        let dir = StateDir::new(home.state());
        let deadline = Instant::now() + Duration::from_secs(3);
        loop {
            match Client::connect(home, None).await {
                Ok(client) => return Ok(Self::Held(Box::new(client))),
                Err(ClientError::NoRunner) => {}
                Err(error) => return Err(error.into()),
            }
            if !dir.journal().exists() {
                return Ok(Self::Empty);
            }
            let holder = Holder { operator: who::operator(), purpose: purpose.to_owned(), since: who::now() };
            match GuardedStore::open(&dir, &holder) {
                // A runner that begins or ends at this moment, or somebody who only looks.
                Err(StoreError::Locked { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                opened => {
                    let store = opened?;
                    for repair in store.repairs() {
                        super::out::note(&format!("journal: {repair}"));
                    }
                    return Ok(Self::Ours(store));
                }
            }
        }
    }

    /// What the runner says of itself; `None` when there is none.
    pub(super) async fn runner(&mut self) -> Result<Option<Status>, Trouble> {
        match self {
            Self::Held(client) => Ok(Some(client.status().await?)),
            Self::Ours(_) | Self::Empty => Ok(None),
        }
    }

    /// The runs, oldest first.
    pub(super) async fn runs(&mut self) -> Result<Vec<RunId>, Trouble> {
        match self {
            Self::Held(client) => Ok(client.runs().await?),
            Self::Ours(store) => Ok(store.runs().await?),
            Self::Empty => Ok(Vec::new()),
        }
    }

    /// The records of a run.
    pub(super) async fn records(&mut self, run: RunId) -> Result<Vec<Record>, Trouble> {
        match self {
            Self::Held(client) => Ok(client.records(run).await?),
            Self::Ours(store) => Ok(store.read(run).await?),
            Self::Empty => Ok(Vec::new()),
        }
    }

    /// Where a run stands.
    pub(super) async fn state(&mut self, run: RunId) -> Result<RunState, Trouble> {
        fold(&self.records(run).await?)
    }

    /// The runs that have not ended, oldest first. A run that cannot be read counts as not ended: nobody knows.
    pub(super) async fn unfinished(&mut self) -> Result<Vec<RunState>, Trouble> {
        let mut found = Vec::new();
        for run in self.runs().await? {
            let state = self.state(run).await?;
            if state.end.is_none() {
                found.push(state);
            }
        }
        Ok(found)
    }

    /// The run that somebody means: a whole id, the unique beginning or end of one, or, without a word, the only one that has
    /// not ended.
    pub(super) async fn find(&mut self, word: Option<&str>) -> Result<RunId, Trouble> {
        let list = "see which runs there are: hamn journal list";
        let Some(word) = word else {
            return match &self.unfinished().await?[..] {
                [] => Err(Trouble::refused("no run is unfinished").next(list)),
                [one] => Ok(one.run),
                several => Err(Trouble::refused(format!("{} runs are unfinished; say which", several.len()))
                    .detail(several.iter().map(|s| format!("{} {}", s.run, s.workflow)).collect::<Vec<_>>().join("\n"))
                    .next(list)),
            };
        };
        let word = word.to_ascii_lowercase();
        let runs = self.runs().await?;
        let fits = |run: &&RunId| {
            let id = run.to_string();
            id.starts_with(&word) || id.ends_with(&word)
        };
        match runs.iter().filter(fits).collect::<Vec<_>>()[..] {
            [one] => Ok(*one),
            [] => Err(Trouble::refused(format!("there is no run {word}")).next(list)),
            ref several => Err(Trouble::refused(format!("{word} could be any of {} runs", several.len())).next(list)),
        }
    }
}

/// Where a run stands, from its records.
pub(super) fn fold(records: &[Record]) -> Result<RunState, Trouble> {
    RunState::fold(records).map_err(|error| {
        Trouble::failure("the journal cannot be understood")
            .detail(error.to_string())
            .next("see what is left in which copy: hamn journal verify")
    })
}
