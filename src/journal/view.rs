//! Looking at a journal without changing it: for `list`, `show`, `verify`, `export`, and for dry runs.

use std::fs::File;

use journal_schema::{Digest, FoldError, Record, RunId, RunState};

use super::{
    StoreError,
    layout::StateDir,
    ledger::{Chain, Known, Ledger},
    lock::Lock,
    mirror,
    verify::{self, Report},
};

/// Both copies, read and compared without writing a byte. sled is not opened, since its opening writes: its file is searched
/// for records instead.
///
/// The lock is held from [`ReadOnly::open`] until this is dropped, together with other readers: a writer waits for it, so keep
/// it for moments.
#[derive(Debug)]
pub struct ReadOnly {
    ledger: Ledger,
    chains: std::collections::BTreeMap<RunId, Chain>,
    mirror: Option<File>,
    dir: StateDir,
    _lock: Option<Lock>,
}

impl ReadOnly {
    /// Reads the journal, or says who holds it ([`StoreError::Locked`]). A place where nobody ever wrote is an empty journal.
    pub fn open(dir: &StateDir) -> Result<Self, StoreError> {
        let lock = Lock::shared(&dir.lock())?;
        let ledger = Ledger::examine(dir)?;
        let chains = ledger.chains();
        Ok(Self { chains, ledger, mirror: File::open(dir.mirror()).ok(), dir: dir.clone(), _lock: lock })
    }

    /// The runs, oldest first.
    pub fn runs(&self) -> Vec<RunId> {
        self.chains.keys().copied().collect()
    }

    /// The records of a run in order, one at a time, as far as its chain holds; then the error that says why it ends, if it is broken.
    pub fn records(&self, run: RunId) -> impl Iterator<Item = Result<Record, StoreError>> + '_ {
        self.digested(run).map(|found| found.map(|(record, _)| record))
    }

    /// With their digests. Opening followed the chain and found the digests right; nobody writes while the lock is held.
    fn digested(&self, run: RunId) -> impl Iterator<Item = Result<(Record, Digest), StoreError>> + '_ {
        let chain = self.chains.get(&run);
        let links = chain.map(|c| &c.links[..]).unwrap_or_default();
        let good = links.iter().map(|link| self.fetch(self.ledger.get(*link)));
        good.chain(chain.and_then(|c| c.broken.as_deref()).map(|why| Err(damaged(run, why))))
    }

    /// All records of a run; an error if any is missing.
    pub fn read(&self, run: RunId) -> Result<Vec<Record>, StoreError> {
        self.records(run).collect()
    }

    /// Folds a run, one record at a time. `Ok(Err(_))`: its records are sound and say something that cannot be.
    pub fn fold(&self, run: RunId) -> Result<Result<Option<RunState>, FoldError>, StoreError> {
        let mut state: Option<RunState> = None;
        for found in self.digested(run) {
            let (record, digest) = found?;
            if let Err(e) = RunState::take_up(&mut state, &record, digest) {
                return Ok(Err(e));
            }
        }
        Ok(Ok(state))
    }

    /// Compares the copies, record by record, and checks every run's chain and contents.
    pub fn verify(&self) -> Report {
        let mut report = verify::report(&self.dir, &self.ledger);
        for run in &mut report.runs {
            run.illegal = match self.fold(run.run) {
                Ok(Err(e)) => Some(e.to_string()),
                // What cannot be read is reported as damage.
                Ok(Ok(_)) | Err(_) => None,
            };
        }
        report
    }

    fn fetch(&self, known: &Known) -> Result<(Record, Digest), StoreError> {
        let from_mirror =
            known.in_mirror.zip(self.mirror.as_ref()).and_then(|((at, len), file)| mirror::read_at(file, at, len).ok());
        let bytes = from_mirror.or_else(|| known.loose.as_deref().map(<[u8]>::to_vec)).unwrap_or_default();
        let found = Record::decode_proven(&bytes).ok().filter(|(_, digest)| *digest == known.digest);
        found.ok_or_else(|| damaged(known.run, &format!("record {} changed while it was read", known.seq)))
    }
}

fn damaged(run: RunId, why: &str) -> StoreError {
    StoreError::Damaged { detail: format!("run {run}: {why}") }
}
