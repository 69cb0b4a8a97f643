//! The stores on disk.

use std::{fs::File, sync::Arc};

use async_trait::async_trait;
use journal_schema::{Digest, Record, RunId, RunState, Seq};

use super::{
    Store, StoreError, TakenUp,
    commit::{Committer, Copy},
    first::First,
    layout::StateDir,
    ledger::{Wanted, digest_of},
    lock::{Holder, Lock},
    mirror,
    recover::{self, Repair},
    verify::{self, Report},
};

/// The journal: sled and mirror, each record durable in both, opened under the lock and repaired between the two.
pub struct GuardedStore(Disk);

/// The mirror alone: the floor of what a commit costs, and what is left when sled cannot be used.
pub struct PlainStore(Disk);

impl GuardedStore {
    /// Takes the lock, opens both copies, and settles what a crash or a bad sector left. [`GuardedStore::repairs`] says what was done.
    /// Blocks, for milliseconds as a rule.
    pub fn open(dir: &StateDir, holder: &Holder) -> Result<Self, StoreError> {
        Disk::open(dir, holder, true, None).map(Self)
    }

    /// [`GuardedStore::open`] to go on with a run, which is taken up in the same pass over the mirror. `None`: there is no such run.
    pub fn open_for(dir: &StateDir, holder: &Holder, run: RunId) -> Result<(Self, Option<TakenUp>), StoreError> {
        let mut wanted = Wanted::new(run);
        let store = Disk::open(dir, holder, true, Some(&mut wanted)).map(Self)?;
        let known = store.0.committer.shared().runs.get(&run).map(|index| (index.head, index.broken.is_some()));
        let taken = match known {
            None => None,
            Some((head, false)) => match wanted.finish(head) {
                Some(taken) => Some(taken),
                None => store.0.take_up(run)?,
            },
            Some((_, true)) => store.0.take_up(run)?,
        };
        Ok((store, taken))
    }

    /// What opening had to settle; show it to the operator.
    pub fn repairs(&self) -> &[Repair] {
        &self.0.repairs
    }

    /// Compares the copies as they are on disk now, sled through sled, and checks every run's chain and contents. Blocks.
    pub fn verify(&self) -> Result<Report, StoreError> {
        let mut report = verify::through(&self.0.dir, self.0.first.as_deref())?;
        for run in &mut report.runs {
            // What cannot be read is reported as damage.
            let digested = self.0.digested(run.run).unwrap_or_default();
            let mut state = None;
            let folded =
                digested.iter().try_for_each(|(record, digest)| RunState::take_up(&mut state, record, *digest));
            run.illegal = folded.err().map(|e| e.to_string());
        }
        Ok(report)
    }

    /// The journal's place.
    pub fn dir(&self) -> &StateDir {
        &self.0.dir
    }
}

impl PlainStore {
    /// As [`GuardedStore::open`], without sled.
    pub fn open(dir: &StateDir, holder: &Holder) -> Result<Self, StoreError> {
        Disk::open(dir, holder, false, None).map(Self)
    }

    /// What opening had to settle; show it to the operator.
    pub fn repairs(&self) -> &[Repair] {
        &self.0.repairs
    }
}

/// What both have in common. The order of the fields is the order of closing: threads, sled, lock.
pub(super) struct Disk {
    committer: Committer,
    reader: Arc<File>,
    first: Option<Arc<First>>,
    repairs: Vec<Repair>,
    dir: StateDir,
    _lock: Lock,
}

impl Disk {
    fn open(
        dir: &StateDir,
        holder: &Holder,
        with_first: bool,
        wanted: Option<&mut Wanted>,
    ) -> Result<Self, StoreError> {
        dir.create()?;
        let lock = Lock::acquire(&dir.lock(), holder)?;
        let opened = recover::open(dir, with_first, wanted)?;
        let first = opened.first.map(Arc::new);
        let reader = opened.mirror.reader()?;
        let end = opened.mirror.len();
        let mut copies: Vec<Box<dyn Copy>> = vec![Box::new(opened.mirror)];
        copies.extend(first.clone().map(|f| Box::new(f) as Box<dyn Copy>));
        let committer = Committer::new(copies, opened.runs, end)?;
        Ok(Self { committer, reader, first, repairs: opened.repairs, dir: dir.clone(), _lock: lock })
    }

    fn runs(&self) -> Vec<RunId> {
        self.committer.shared().runs.keys().copied().collect()
    }

    fn read(&self, run: RunId) -> Result<Vec<Record>, StoreError> {
        Ok(self.digested(run)?.into_iter().map(|(record, _)| record).collect())
    }

    fn take_up(&self, run: RunId) -> Result<Option<TakenUp>, StoreError> {
        let digested = self.digested(run)?;
        let state = super::fold(digested.iter().map(|(record, digest)| (record, *digest)))?;
        Ok(state.map(|state| TakenUp { records: digested.into_iter().map(|(record, _)| record).collect(), state }))
    }

    /// Reads a run from the mirror; a record that has gone bad there since the journal was opened comes from sled.
    fn digested(&self, run: RunId) -> Result<Vec<(Record, Digest)>, StoreError> {
        let places = {
            let shared = self.committer.shared();
            let Some(index) = shared.runs.get(&run) else { return Ok(Vec::new()) };
            if let Some(broken) = &index.broken {
                return Err(StoreError::Damaged { detail: format!("run {run}: {broken}") });
            }
            index.places.clone()
        };
        let mut records = Vec::with_capacity(places.len());
        let mut head = Digest::default();
        for (seq, place) in (0..).map(Seq).zip(places) {
            let (record, digest) = self.read_one(run, seq, place)?;
            if record.prev != head {
                return Err(damaged(run, seq, "it does not follow the one before"));
            }
            head = digest;
            records.push((record, digest));
        }
        Ok(records)
    }

    fn read_one(&self, run: RunId, seq: Seq, (at, len): (u64, u32)) -> Result<(Record, Digest), StoreError> {
        let good = |bytes: Vec<u8>| {
            let record = Record::decode(&bytes).ok().filter(|r| r.run == run && r.seq == seq)?;
            Some((record, digest_of(&bytes)))
        };
        if let Some(found) = mirror::read_at(&self.reader, at, len).ok().and_then(good) {
            return Ok(found);
        }
        let Some(first) = &self.first else { return Err(damaged(run, seq, "no good frame in the mirror")) };
        first.get(run, seq)?.and_then(good).ok_or_else(|| damaged(run, seq, "no good frame in either copy"))
    }
}

fn damaged(run: RunId, seq: Seq, why: &str) -> StoreError {
    StoreError::Damaged { detail: format!("run {run}, record {seq}: {why}") }
}

#[async_trait]
impl Store for GuardedStore {
    async fn commit(&self, record: &Record) -> Result<(), StoreError> {
        self.0.committer.commit(record).await
    }

    async fn runs(&self) -> Result<Vec<RunId>, StoreError> {
        Ok(self.0.runs())
    }

    async fn read(&self, run: RunId) -> Result<Vec<Record>, StoreError> {
        self.0.read(run)
    }

    async fn fold(&self, run: RunId) -> Result<Option<RunState>, StoreError> {
        Ok(self.0.take_up(run)?.map(|taken| taken.state))
    }
}

#[async_trait]
impl Store for PlainStore {
    async fn commit(&self, record: &Record) -> Result<(), StoreError> {
        self.0.committer.commit(record).await
    }

    async fn runs(&self) -> Result<Vec<RunId>, StoreError> {
        Ok(self.0.runs())
    }

    async fn read(&self, run: RunId) -> Result<Vec<Record>, StoreError> {
        self.0.read(run)
    }

    async fn fold(&self, run: RunId) -> Result<Option<RunState>, StoreError> {
        Ok(self.0.take_up(run)?.map(|taken| taken.state))
    }
}
