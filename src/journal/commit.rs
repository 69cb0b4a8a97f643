//! Making records durable: both copies are written, then both are synced, side by side.
//!
//! Written before either is synced, because a file system that keeps a log of its own then makes both durable with one entry of
//! that. A commit ends when every copy has the record. Commits that wait together share a sync. Whoever drops the future of a
//! commit loses the answer, never the record's place in the order.

use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::fs::MetadataExt as _,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
};

use journal_schema::{Record, RunId, Seq};
use tokio::sync::oneshot;

use super::{StoreError, first::First, ledger::digest_of, mirror::Mirror, recover::RunIndex};

/// A copy of the journal that frames are written to.
pub(super) trait Copy: Send + 'static {
    /// Hands the frames to the system, so that a sync of [`Copy::file`] makes them durable.
    fn write(&mut self, jobs: &[Job]) -> Result<(), StoreError>;

    /// The file to sync, and its name.
    fn file(&self) -> Result<(File, PathBuf), StoreError>;
}

impl Copy for Mirror {
    fn write(&mut self, jobs: &[Job]) -> Result<(), StoreError> {
        self.write(jobs.iter().map(|j| &j.frame[..]))
    }

    fn file(&self) -> Result<(File, PathBuf), StoreError> {
        self.handle()
    }
}

impl Copy for Arc<First> {
    fn write(&mut self, jobs: &[Job]) -> Result<(), StoreError> {
        First::write(self, jobs.iter().map(|j| (j.run, j.seq, &j.frame[..])))
    }

    fn file(&self) -> Result<(File, PathBuf), StoreError> {
        self.handle()
    }
}

/// A record on its way into the copies.
pub(super) struct Job {
    run: RunId,
    seq: Seq,
    frame: Vec<u8>,
    place: (u64, u32),
    answer: oneshot::Sender<Result<(), StoreError>>,
}

/// What all threads share.
pub(super) struct Shared {
    pub(super) runs: BTreeMap<RunId, RunIndex>,
    /// Head of each run as of the last record taken in, durable or not.
    taken: BTreeMap<RunId, (Seq, journal_schema::Digest)>,
    mirror_end: u64,
    poison: Option<String>,
}

/// Takes records in, in order, and answers when they are durable.
pub(super) struct Committer {
    shared: Arc<Mutex<Shared>>,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts a thread that writes, and one for the sync of each copy but one. `mirror_end`: where the mirror's next frame goes.
    pub(super) fn new(
        copies: Vec<Box<dyn Copy>>,
        runs: BTreeMap<RunId, RunIndex>,
        mirror_end: u64,
    ) -> Result<Self, StoreError> {
        let shared = Arc::new(Mutex::new(Shared { runs, taken: BTreeMap::new(), mirror_end, poison: None }));
        let files = copies.iter().map(|copy| copy.file()).collect::<Result<Vec<_>, _>>()?;
        let (sender, jobs) = channel();
        let seen = Arc::clone(&shared);
        let thread = spawn(move || write_all(copies, &Sync::new(files), &jobs, &seen));
        Ok(Self { shared, jobs: Some(sender), thread: Some(thread) })
    }

    /// What is durable.
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    /// Makes a record durable in every copy.
    pub(super) async fn commit(&self, record: &Record) -> Result<(), StoreError> {
        let frame = record
            .encode()
            .map_err(|e| StoreError::Damaged { detail: format!("run {}, record {}: {e}", record.run, record.seq) })?;
        let answer = self.take_in(record, frame)?;
        answer.await.unwrap_or_else(|_| Err(self.shared().poisoned("a thread of the journal is gone")))
    }

    fn take_in(
        &self,
        record: &Record,
        frame: Vec<u8>,
    ) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        let mut shared = self.shared();
        if shared.poison.is_some() {
            return Err(shared.poisoned(""));
        }
        shared.must_follow(record)?;
        let len = frame.len() as u32;
        let place = (shared.mirror_end, len);
        shared.mirror_end += u64::from(len);
        shared.taken.insert(record.run, (record.seq, digest_of(&frame)));
        let (answer, receiver) = oneshot::channel();
        let job = Job { run: record.run, seq: record.seq, frame, place, answer };
        // Under the lock, so that the records come in their order.
        if self.jobs.as_ref().is_none_or(|jobs| jobs.send(job).is_err()) {
            return Err(shared.poisoned("a thread of the journal is gone"));
        }
        Ok(receiver)
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// The sticky error; `cause` is the earlier one if none is known yet.
    fn poisoned(&mut self, cause: &str) -> StoreError {
        StoreError::Poisoned { earlier: self.poison.get_or_insert_with(|| cause.to_owned()).clone() }
    }

    fn must_follow(&self, record: &Record) -> Result<(), StoreError> {
        let damaged = |why: &str| StoreError::Damaged {
            detail: format!("record {} of run {} was not accepted: {why}", record.seq, record.run),
        };
        let known = self.runs.get(&record.run);
        if let Some(broken) = known.and_then(|k| k.broken.as_deref()) {
            return Err(damaged(broken));
        }
        let (next, head) = match (self.taken.get(&record.run), known) {
            (Some((seq, digest)), _) => (Seq(seq.0 + 1), *digest),
            (None, Some(index)) => (index.next(), index.head),
            (None, None) => (Seq(0), journal_schema::Digest::default()),
        };
        if record.seq != next {
            return Err(damaged(&format!("the next one is {next}")));
        }
        if record.prev != head {
            return Err(damaged("it does not follow the last one"));
        }
        Ok(())
    }
}

/// The thread that writes.
fn write_all(mut copies: Vec<Box<dyn Copy>>, sync: &Sync, jobs: &Receiver<Job>, shared: &Mutex<Shared>) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter());
        let mut write = || {
            if lock(shared).poison.is_some() {
                return Err(lock(shared).poisoned(""));
            }
            copies.iter_mut().try_for_each(|copy| copy.write(&batch))?;
            sync.all()
        };
        let written = panic::catch_unwind(AssertUnwindSafe(&mut write)).unwrap_or_else(|_| {
            Err(StoreError::Damaged { detail: "panic while writing; the record may be in one copy".to_owned() })
        });
        let mut error = written.err();
        let earlier = error.as_ref().map(|e| lock(shared).poison.get_or_insert_with(|| e.to_string()).clone());
        for job in batch {
            let result = match &earlier {
                None => {
                    let mut shared = lock(shared);
                    let index = shared.runs.entry(job.run).or_default();
                    index.places.push(job.place);
                    index.head = digest_of(&job.frame);
                    Ok(())
                }
                Some(earlier) => Err(error.take().unwrap_or_else(|| StoreError::Poisoned { earlier: earlier.clone() })),
            };
            let _ = job.answer.send(result);
        }
    }
}

/// Syncs all copies: one here, each other in a thread of its own.
struct Sync {
    here: Option<(File, PathBuf)>,
    there: Vec<Beside>,
}

/// A thread that syncs a file when it is asked to.
struct Beside {
    ask: Option<Sender<()>>,
    answers: Receiver<Result<(), StoreError>>,
    thread: Option<JoinHandle<()>>,
}

impl Sync {
    fn new(mut files: Vec<(File, PathBuf)>) -> Self {
        let here = files.pop();
        Self { here, there: files.into_iter().map(Beside::new).collect() }
    }

    /// Ends when every sync has ended, also after an error.
    fn all(&self) -> Result<(), StoreError> {
        let gone = || StoreError::Poisoned { earlier: "a thread of the journal is gone".to_owned() };
        for beside in &self.there {
            beside.ask.as_ref().and_then(|ask| ask.send(()).ok()).ok_or_else(gone)?;
        }
        let here = self.here.iter().try_for_each(sync);
        let there = self.there.iter().map(|beside| beside.answers.recv().unwrap_or_else(|_| Err(gone())));
        there.fold(here, Result::and)
    }
}

impl Beside {
    fn new(file: (File, PathBuf)) -> Self {
        let (ask, asked) = channel();
        let (answer, answers) = channel();
        let thread = spawn(move || asked.iter().for_each(|()| drop(answer.send(sync(&file)))));
        Self { ask: Some(ask), answers, thread: Some(thread) }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn sync((file, path): &(File, PathBuf)) -> Result<(), StoreError> {
    let links =
        file.sync_data().and_then(|()| file.metadata()).map_err(|e| StoreError::io("synced", path, &e))?.nlink();
    if links > 0 {
        return Ok(());
    }
    // The system writes on to a file that has no name any more; nobody would ever read it.
    let detail = "it was deleted or replaced; other machines have copies: hamn journal import".to_owned();
    Err(StoreError::Io { doing: "written", path: path.clone(), detail })
}

fn spawn(work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let thread = thread::Builder::new().name("journal-commit".to_owned());
    thread.spawn(work).expect("the journal needs threads")
}

/// A panic elsewhere does not make what it left unreadable: the poison says whether to go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
