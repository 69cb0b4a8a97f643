//! Copies of a run's records on other machines: best effort, in the background, with the lag shown.
//!
//! A commit never waits for a copy. What a copy is worth is said by its lag: the run can be taken up there as of the last
//! record that it acknowledged.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use journal_schema::{Record, RunId, RunState, Seq};
use serde::Serialize;
use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
    time::{self, Instant},
};

use super::{Store, StoreError};

/// Bytes sent in one append, unless a single record is larger.
const BATCH: usize = 256 * 1024;

/// An append that takes longer than this has failed; whether it arrived does not matter, since records may arrive twice.
const APPEND_LIMIT: Duration = Duration::from_secs(30);

/// Pause after the first failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A place that records are copied to.
#[async_trait]
pub trait CopySink: Send + Sync {
    /// Adds whole frames of a run, in order, durably. The same frames may come again after an error: whoever reads the copy
    /// ([`super::import`]) accepts records that are there twice, and a torn frame between good ones.
    async fn append(&self, run: RunId, frames: &[u8]) -> Result<(), String>;

    /// The node's name.
    fn name(&self) -> &str;
}

/// How far a copy is behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// The node's name.
    pub name: String,
    /// The last record that the copy has for certain.
    pub acknowledged: Option<Seq>,
    /// Committed records that it may lack.
    pub records: u64,
    /// For how long the oldest of them has been committed, milliseconds.
    pub millis: u64,
    /// Why the last try failed, while that is so.
    pub error: Option<String>,
}

/// Copies one run's committed records to every sink. Needs a tokio runtime. Dropped, it stops where it is; see [`Replicator::finish`].
#[derive(Debug)]
pub struct Replicator {
    log: Arc<Log>,
    sinks: Vec<(Arc<Mutex<Lane>>, JoinHandle<()>)>,
}

/// The run's records, for every sink. A run has some hundreds of them, of some hundred bytes.
#[derive(Debug)]
struct Log {
    run: RunId,
    frames: Mutex<Vec<Option<Committed>>>,
    /// How many records are there without a gap, and whether there is no time left for pauses.
    state: watch::Sender<(usize, bool)>,
}

/// A frame, and since when it is committed.
type Committed = (Arc<[u8]>, Instant);

/// What is known of one sink.
#[derive(Debug)]
struct Lane {
    name: String,
    acknowledged: usize,
    error: Option<String>,
}

impl Replicator {
    /// Starts a task for each sink.
    pub fn start(run: RunId, sinks: &[Arc<dyn CopySink>]) -> Self {
        let log = Arc::new(Log { run, frames: Mutex::default(), state: watch::Sender::new((0, false)) });
        let sinks = sinks
            .iter()
            .map(|sink| {
                let lane = Arc::new(Mutex::new(Lane { name: sink.name().to_owned(), acknowledged: 0, error: None }));
                let task = tokio::spawn(feed(Arc::clone(sink), Arc::clone(&log), Arc::clone(&lane)));
                (lane, task)
            })
            .collect();
        Self { log, sinks }
    }

    /// Hands over a committed record. Returns at once. Records may come in any order, and again.
    pub fn offer(&self, seq: Seq, frame: Arc<[u8]>) {
        let mut frames = lock(&self.log.frames);
        let at = seq.0 as usize;
        if frames.len() <= at {
            frames.resize(at + 1, None);
        }
        frames[at].get_or_insert((frame, Instant::now()));
        let known = self.log.state.borrow().0;
        let ready = known + frames[known..].iter().take_while(|f| f.is_some()).count();
        drop(frames);
        // Two offers may end in the other order: never backwards.
        self.log.state.send_if_modified(|s| {
            ready > s.0 && {
                s.0 = ready;
                true
            }
        });
    }

    /// How far each copy is behind.
    pub fn lags(&self) -> Vec<Lag> {
        let frames = lock(&self.log.frames);
        let lag = |lane: &Lane| {
            let waiting = frames.get(lane.acknowledged..).unwrap_or_default();
            let oldest = waiting.iter().flatten().map(|(_, at)| *at).min();
            Lag {
                name: lane.name.clone(),
                acknowledged: lane.acknowledged.checked_sub(1).map(|s| Seq(s as u64)),
                records: waiting.iter().flatten().count() as u64,
                millis: oldest.map_or(0, |at| at.elapsed().as_millis() as u64),
                error: lane.error.clone(),
            }
        };
        self.sinks.iter().map(|(lane, _)| lag(&lock(lane))).collect()
    }

    /// Gives the copies `limit` to catch up, trying again at once where there was a pause, and says how far they came.
    pub async fn finish(&self, limit: Duration) -> Vec<Lag> {
        self.log.state.send_modify(|s| s.1 = true);
        let all = lock(&self.log.frames).len();
        let caught_up = || self.sinks.iter().all(|(lane, _)| lock(lane).acknowledged >= all);
        let _ = time::timeout(limit, async {
            while !caught_up() {
                time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        self.lags()
    }
}

impl Drop for Replicator {
    fn drop(&mut self) {
        self.sinks.iter().for_each(|(_, task)| task.abort());
    }
}

/// One sink's task: sends what is there from the last acknowledged record on, for ever.
async fn feed(sink: Arc<dyn CopySink>, log: Arc<Log>, lane: Arc<Mutex<Lane>>) {
    let mut state = log.state.subscribe();
    let mut pause = FIRST_PAUSE;
    loop {
        let from = lock(&lane).acknowledged;
        if state.wait_for(|s| s.0 > from).await.is_err() {
            return;
        }
        let (batch, until) = log.batch(from);
        let sent = match time::timeout(APPEND_LIMIT, sink.append(log.run, &batch)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", APPEND_LIMIT.as_secs())),
        };
        match sent {
            Ok(()) => {
                let mut lane = lock(&lane);
                lane.acknowledged = until;
                lane.error = None;
                pause = FIRST_PAUSE;
            }
            Err(said) => {
                lock(&lane).error = Some(said);
                // Shortly before the end, a pause is as long as the first one.
                let hurry = async {
                    if state.wait_for(|s| s.1).await.is_ok() {
                        time::sleep(FIRST_PAUSE).await;
                    }
                };
                let _ = time::timeout(pause, hurry).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

impl Log {
    /// Frames from `from` on, and the number of the first record not among them.
    fn batch(&self, from: usize) -> (Vec<u8>, usize) {
        let frames = lock(&self.frames);
        let mut batch = Vec::new();
        let mut until = from;
        while let Some(Some((frame, _))) = frames.get(until) {
            if !batch.is_empty() && batch.len() + frame.len() > BATCH {
                break;
            }
            batch.extend_from_slice(frame);
            until += 1;
        }
        (batch, until)
    }
}

/// A store whose records are also copied. Needs a tokio runtime.
pub struct Replicated<S> {
    inner: Arc<S>,
    sinks: Vec<Arc<dyn CopySink>>,
    runs: Mutex<BTreeMap<RunId, Arc<Replicator>>>,
}

impl<S: Store + 'static> Replicated<S> {
    /// Copies every run that something is committed to from now on, from its first record.
    pub fn new(inner: S, sinks: Vec<Arc<dyn CopySink>>) -> Self {
        Self { inner: Arc::new(inner), sinks, runs: Mutex::default() }
    }

    /// The store itself.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// How far each copy of a run is behind.
    pub fn lags(&self, run: RunId) -> Vec<Lag> {
        lock(&self.runs).get(&run).map(|r| r.lags()).unwrap_or_default()
    }

    /// Gives the copies of a run `limit` to catch up, and says how far they came.
    pub async fn finish(&self, run: RunId, limit: Duration) -> Vec<Lag> {
        let replicator = lock(&self.runs).get(&run).cloned();
        match replicator {
            Some(replicator) => replicator.finish(limit).await,
            None => Vec::new(),
        }
    }

    /// The run's replicator, and whether it is new.
    fn replicator(&self, run: RunId) -> (Arc<Replicator>, bool) {
        let mut runs = lock(&self.runs);
        let new = !runs.contains_key(&run);
        let replicator = runs.entry(run).or_insert_with(|| Arc::new(Replicator::start(run, &self.sinks)));
        (Arc::clone(replicator), new)
    }
}

#[async_trait]
impl<S: Store + 'static> Store for Replicated<S> {
    async fn commit(&self, record: &Record) -> Result<(), StoreError> {
        self.inner.commit(record).await?;
        let (replicator, new) = self.replicator(record.run);
        if let Ok(frame) = record.encode() {
            replicator.offer(record.seq, frame.into());
        }
        // A copy may be missing anything of a run that was begun by an earlier process. Nobody waits for that.
        if new && record.seq > Seq(0) && !self.sinks.is_empty() {
            let (inner, run, until) = (Arc::clone(&self.inner), record.run, record.seq);
            let here = Handle::current();
            tokio::task::spawn_blocking(move || {
                let earlier = here.block_on(inner.read(run)).unwrap_or_default();
                for record in earlier.iter().take_while(|record| record.seq < until) {
                    if let Ok(frame) = record.encode() {
                        replicator.offer(record.seq, frame.into());
                    }
                }
            });
        }
        Ok(())
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
