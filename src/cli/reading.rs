//! Reading the journal, whoever holds it: directly, or through the runner that is at work.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use journal_schema::{Record, RunId, RunState};

use super::{Globals, Trouble, who};
use crate::{
    journal::{GuardedStore, Holder, Repair, StateDir, Store, StoreError},
    runner::{Client, ClientError, Home, Status},
};

/// How long a journal that is held by somebody who does not answer is tried again.
const PATIENCE: Duration = Duration::from_secs(3);

/// A journal open for reading.
pub enum Reading {
    /// Nobody held it: it is ours until this is dropped.
    Own(Box<GuardedStore>),
    /// A runner holds it and answers.
    Runner(Box<Held>),
    /// There is none yet.
    Nothing,
}

/// A journal that a runner holds.
pub struct Held {
    /// The connection to the runner.
    pub client: Client,
    /// Where the journal is when the runner has ended.
    dir: StateDir,
    purpose: String,
}

impl Reading {
    /// Opens the journal. `purpose` is what the next one is told who wants it meanwhile.
    pub async fn open(globals: &Globals, purpose: &str) -> Result<Self, Trouble> {
        Self::open_at(StateDir::new(globals.state_dir()), purpose).await
    }

    async fn open_at(dir: StateDir, purpose: &str) -> Result<Self, Trouble> {
        // A look must not create anything.
        let there = |path: PathBuf| path.try_exists().map_err(|e| unseen(&path, &e, purpose));
        if !there(dir.mirror())? && !there(dir.sled())? {
            return Ok(Self::Nothing);
        }
        let holder = Holder { operator: who::operator(), purpose: purpose.to_owned(), since: who::now() };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let locked = match GuardedStore::open(&dir, &holder) {
                Ok(store) => return Ok(Self::Own(Box::new(store))),
                Err(locked @ StoreError::Locked { .. }) => locked,
                Err(other) => return Err(other.into()),
            };
            match Client::connect(&Home::new(dir.root()), None).await {
                Ok(client) => return Ok(Self::Runner(Box::new(Held { client, dir, purpose: purpose.to_owned() }))),
                // A runner that begins or ends at this moment, or somebody who only looks.
                Err(ClientError::NoRunner) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(ClientError::NoRunner) => {
                    return Err(Trouble::refused(locked.to_string())
                        .detail("no runner answers in its place")
                        .next("wait until that process ends, then type the command again"));
                }
                Err(other) => {
                    return Err(Trouble::refused(locked.to_string())
                        .detail(other.to_string())
                        .next("follow the run that holds it: hamn attach"));
                }
            }
        }
    }

    /// What opening had to settle.
    pub fn repairs(&self) -> &[Repair] {
        match self {
            Self::Own(store) => store.repairs(),
            _ => &[],
        }
    }

    /// The run that a runner is at now.
    pub fn live(&self) -> Option<RunId> {
        match self {
            Self::Runner(held) => Some(held.client.greeting().run),
            _ => None,
        }
    }

    /// The runs, oldest first.
    pub async fn runs(&mut self) -> Result<Vec<RunId>, Trouble> {
        loop {
            match self {
                Self::Own(store) => return Ok(store.runs().await?),
                Self::Nothing => return Ok(Vec::new()),
                Self::Runner(held) => match held.client.runs().await {
                    Err(ClientError::NoRunner) => self.reopen().await?,
                    runs => return runs.map_err(|e| broke(&e)),
                },
            }
        }
    }

    /// The records of a run.
    pub async fn records(&mut self, run: RunId) -> Result<Vec<Record>, Trouble> {
        loop {
            match self {
                Self::Own(store) => return Ok(store.read(run).await?),
                Self::Nothing => return Ok(Vec::new()),
                Self::Runner(held) => match held.client.records(run).await {
                    Err(ClientError::NoRunner) => self.reopen().await?,
                    records => return records.map_err(|e| broke(&e)),
                },
            }
        }
    }

    /// The state of a run and its records.
    pub async fn run(&mut self, run: RunId) -> Result<(RunState, Vec<Record>), Trouble> {
        let records = self.records(run).await?;
        let state = RunState::fold(&records).map_err(|e| {
            Trouble::failure(format!("run {run} cannot be understood"))
                .detail(e.to_string())
                .next("see what is left in which copy: hamn journal verify")
        })?;
        Ok((state, records))
    }

    /// The runner has ended while we asked it: the journal is free, or another runner's.
    async fn reopen(&mut self) -> Result<(), Trouble> {
        if let Self::Runner(held) = self {
            *self = Box::pin(Self::open_at(held.dir.clone(), &held.purpose.clone())).await?;
        }
        Ok(())
    }

    /// What the runner says of itself; `None` when there is none.
    pub async fn runner(&mut self) -> Result<Option<Status>, Trouble> {
        loop {
            match self {
                Self::Own(_) | Self::Nothing => return Ok(None),
                Self::Runner(held) => match held.client.status().await {
                    Err(ClientError::NoRunner) => self.reopen().await?,
                    status => return status.map(Some).map_err(|e| broke(&e)),
                },
            }
        }
    }

    /// The run that was meant; without a word: the newest.
    pub async fn select(&mut self, word: Option<&str>) -> Result<RunId, Trouble> {
        select(&self.runs().await?, word)
    }
}

/// What cannot be looked at is not known to be empty.
fn unseen(path: &Path, error: &io::Error, purpose: &str) -> Trouble {
    let next = if error.kind() == io::ErrorKind::PermissionDenied {
        format!("it is its owner's alone: sudo {purpose}")
    } else {
        format!("name the folder of the journal: {purpose} --state-dir DIR")
    };
    Trouble::refused(format!("whether there is a journal cannot be seen: {}", path.display()))
        .detail(error.to_string())
        .next(next)
}

fn broke(error: &ClientError) -> Trouble {
    Trouble::failure("the runner that holds the journal did not answer").detail(error.to_string()).next("hamn attach")
}

/// The run that is meant by a whole id, or by a beginning or an end of one that only one run has. Without a word: the newest.
pub fn select(runs: &[RunId], word: Option<&str>) -> Result<RunId, Trouble> {
    let Some(word) = word else {
        return runs.last().copied().ok_or_else(|| {
            Trouble::refused("there is no run in the journal")
                .next("name another journal with --state-dir DIR, or start a run: hamn run WORKFLOW")
        });
    };
    let word = word.to_ascii_lowercase();
    let meant: Vec<RunId> = runs
        .iter()
        .copied()
        .filter(|run| {
            let id = run.to_string();
            !word.is_empty() && (id.starts_with(&word) || id.ends_with(&word))
        })
        .collect();
    match meant.as_slice() {
        [run] => Ok(*run),
        [] => Err(Trouble::refused(format!("there is no run {word:?} in the journal"))
            .next("see which there are: hamn journal list")),
        many => Err(Trouble::refused(format!("{word:?} means {} runs", many.len()))
            .detail(many.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            .next("write more of its id")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_meant_by_either_end_of_its_id() {
        let runs = [RunId(0x0190_aaaa_0000_0001), RunId(0x0190_bbbb_0000_0002)];
        assert_eq!(select(&runs, None).unwrap(), runs[1]);
        assert_eq!(select(&runs, Some("0190aa")).unwrap(), runs[0]);
        assert_eq!(select(&runs, Some("02")).unwrap(), runs[1]);
        assert_eq!(select(&runs, Some("0190BBBB00000002")).unwrap(), runs[1]);
        assert!(select(&runs, Some("0190")).unwrap_err().what.contains("means 2 runs"));
        assert!(select(&runs, Some("")).is_err());
        assert!(select(&runs, Some("ffff")).is_err());
        assert!(select(&[], None).is_err());
    }
}
