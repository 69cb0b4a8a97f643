//! Making records durable: one thread for each copy, so that their syncs overlap.
//!
//! A commit ends when every copy has the record. Commits that wait together share a sync. Whoever drops the future of a
//! commit loses the answer, never the record's place in the order.

use std::{
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
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
    /// Makes the frames durable.
    fn write(&mut self, jobs: &[Job]) -> Result<(), StoreError>;
}

impl Copy for Mirror {
    fn write(&mut self, jobs: &[Job]) -> Result<(), StoreError> {
        self.append(jobs.iter().map(|j| &j.frame[..]))
    }
}

impl Copy for Arc<First> {
    fn write(&mut self, jobs: &[Job]) -> Result<(), StoreError> {
        self.insert(jobs.iter().map(|j| (j.run, j.seq, &j.frame[..])))
    }
}

/// A record on its way into one copy.
#[derive(Clone)]
pub(super) struct Job {
    run: RunId,
    seq: Seq,
    frame: Arc<[u8]>,
    place: (u64, u32),
    pending: Arc<Mutex<Pending>>,
}

/// What is still to come of a commit.
struct Pending {
    copies: usize,
    answer: Option<oneshot::Sender<Result<(), StoreError>>>,
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
    lanes: Vec<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Committer {
    /// Starts a thread for each copy. `mirror_end`: where the mirror's next frame goes.
    pub(super) fn new(copies: Vec<Box<dyn Copy>>, runs: BTreeMap<RunId, RunIndex>, mirror_end: u64) -> Self {
        let shared = Arc::new(Mutex::new(Shared { runs, taken: BTreeMap::new(), mirror_end, poison: None }));
        let (lanes, threads) = copies
            .into_iter()
            .map(|copy| {
                let (lane, jobs) = channel();
                let shared = Arc::clone(&shared);
                let thread = thread::Builder::new()
                    .name("journal-commit".to_owned())
                    .spawn(move || write_all(copy, &jobs, &shared))
                    .expect("the journal needs two threads");
                (lane, thread)
            })
            .unzip();
        Self { shared, lanes, threads }
    }

    /// What is durable.
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    /// Makes a record durable in every copy.
    pub(super) async fn commit(&self, record: &Record) -> Result<(), StoreError> {
        let frame: Arc<[u8]> = record
            .encode()
            .map_err(|e| StoreError::Damaged { detail: format!("run {}, record {}: {e}", record.run, record.seq) })?
            .into();
        let answer = self.take_in(record, frame)?;
        answer.await.unwrap_or_else(|_| Err(self.shared().poisoned("a thread of the journal is gone")))
    }

    fn take_in(
        &self,
        record: &Record,
        frame: Arc<[u8]>,
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
        let pending = Arc::new(Mutex::new(Pending { copies: self.lanes.len(), answer: Some(answer) }));
        let job = Job { run: record.run, seq: record.seq, frame, place, pending };
        // Under the lock, so that every copy sees the same order.
        for lane in &self.lanes {
            if lane.send(job.clone()).is_err() {
                return Err(shared.poisoned("a thread of the journal is gone"));
            }
        }
        Ok(receiver)
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.lanes.clear();
        for thread in self.threads.drain(..) {
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

/// One copy's thread.
fn write_all(mut copy: Box<dyn Copy>, jobs: &Receiver<Job>, shared: &Mutex<Shared>) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter());
        if lock(shared).poison.is_some() {
            for job in &batch {
                job.end(shared, Err(lock(shared).poisoned("")));
            }
            continue;
        }
        let written = panic::catch_unwind(AssertUnwindSafe(|| copy.write(&batch))).unwrap_or_else(|_| {
            Err(StoreError::Damaged { detail: "panic while writing; the record may be in one copy".to_owned() })
        });
        match written {
            Ok(()) => batch.iter().for_each(|job| job.end(shared, Ok(()))),
            Err(error) => {
                let earlier = lock(shared).poison.get_or_insert_with(|| error.to_string()).clone();
                let mut error = Some(error);
                for job in &batch {
                    let poisoned = || StoreError::Poisoned { earlier: earlier.clone() };
                    job.end(shared, Err(error.take().unwrap_or_else(poisoned)));
                }
            }
        }
    }
}

impl Job {
    /// One copy is done with this record. The first error is the answer; success needs all copies.
    fn end(&self, shared: &Mutex<Shared>, result: Result<(), StoreError>) {
        let mut pending = lock(&self.pending);
        pending.copies -= 1;
        let answer = match result {
            Ok(()) if pending.copies > 0 => return,
            // A copy failed before: it was answered.
            Ok(()) if pending.answer.is_none() => return,
            Ok(()) => {
                let mut shared = lock(shared);
                let index = shared.runs.entry(self.run).or_default();
                index.places.push(self.place);
                index.head = digest_of(&self.frame);
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Some(sender) = pending.answer.take() {
            let _ = sender.send(answer);
        }
    }
}

/// A panic elsewhere does not make what it left unreadable: the poison says whether to go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
