//! What the two copies of the journal hold, and whether they hold the same.

use std::{collections::BTreeMap, ops::Range};

use journal_schema::{Digest, RunId, Seq};
use serde::Serialize;

use super::{
    StoreError,
    first::First,
    layout::StateDir,
    ledger::{Chain, FirstSeen, Ledger},
};

/// The state of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The mirror file.
    pub mirror: MirrorReport,
    /// sled.
    pub first: FirstReport,
    /// Every run, oldest first.
    pub runs: Vec<RunReport>,
}

/// The state of the mirror file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MirrorReport {
    /// Where it is.
    pub path: std::path::PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Good records in it.
    pub records: u64,
    /// Offsets of bytes that belong to no good record.
    pub damaged: Vec<Range<u64>>,
    /// Where an unfinished last record begins: cut off by a crash, and never acknowledged.
    pub torn: Option<u64>,
}

/// The state of the first copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstReport {
    /// Where it is.
    pub path: std::path::PathBuf,
    /// How it was looked at: `absent`, `searched` (its file, without sled), `read` (through sled), `broken`.
    pub seen: &'static str,
    /// Why it is broken.
    pub why: Option<String>,
    /// Good records in it.
    pub records: u64,
    /// Keys whose values are not the records that belong there.
    pub bad_values: Vec<String>,
}

/// The state of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// Which.
    pub run: RunId,
    /// Records that its chain holds together, from the first.
    pub records: u64,
    /// Digest of the last of them.
    pub head: Digest,
    /// Records that only the mirror has.
    pub only_in_mirror: Vec<Seq>,
    /// Records that only the first copy has.
    pub only_in_first: Vec<Seq>,
    /// Records that neither copy has, though it has later ones.
    pub missing: Vec<Seq>,
    /// Good records that the chain does not reach.
    pub stranded: Vec<Seq>,
    /// Why the chain ends early.
    pub broken: Option<String>,
    /// Why its records, sound as they are, say something that cannot be.
    pub illegal: Option<String>,
}

impl Report {
    /// Whether both copies hold the same, whole and legal records. A torn tail of the mirror is a crash, not damage.
    pub fn is_sound(&self) -> bool {
        self.mirror.damaged.is_empty()
            && self.first.bad_values.is_empty()
            && self.first.seen != "broken"
            && self.runs.iter().all(RunReport::is_sound)
    }

    /// Whether every record is in at least one copy, so that opening the journal for writing repairs the other.
    pub fn is_recoverable(&self) -> bool {
        self.runs.iter().all(|r| r.broken.is_none())
    }
}

impl RunReport {
    /// Whether both copies hold all of it, and it is legal.
    pub fn is_sound(&self) -> bool {
        self.only_in_mirror.is_empty()
            && self.only_in_first.is_empty()
            && self.broken.is_none()
            && self.illegal.is_none()
    }
}

/// Reads both copies, sled through sled.
pub(super) fn through(dir: &StateDir, first: Option<&First>) -> Result<Report, StoreError> {
    let mut ledger = Ledger::examine(dir)?;
    if let Some(first) = first {
        ledger.read_first(first);
    }
    Ok(report(dir, &ledger))
}

/// What a ledger says.
pub(super) fn report(dir: &StateDir, ledger: &Ledger) -> Report {
    let count = |has: fn(&super::ledger::Known) -> bool| ledger.all().iter().filter(|k| has(k)).count() as u64;
    let mut one_sided = one_sided(ledger);
    let (seen, why) = match &ledger.first {
        FirstSeen::Absent => ("absent", None),
        FirstSeen::Carved => ("searched", None),
        FirstSeen::Read => ("read", None),
        FirstSeen::Broken(why) => ("broken", Some(why.clone())),
    };
    Report {
        mirror: MirrorReport {
            path: dir.mirror(),
            bytes: ledger.flaws.len,
            records: count(|k| k.in_mirror.is_some()),
            damaged: ledger.flaws.damaged.clone(),
            torn: ledger.flaws.torn,
        },
        first: FirstReport {
            path: dir.sled(),
            seen,
            why,
            records: count(|k| k.in_first),
            bad_values: ledger.bad_values.clone(),
        },
        runs: (ledger.chains().into_iter())
            .map(|(run, chain)| run_report(ledger, run, chain, one_sided.remove(&run).unwrap_or_default()))
            .collect(),
    }
}

/// Which records of a run only the mirror has, and which only the first copy.
type OneSided = (Vec<Seq>, Vec<Seq>);

fn one_sided(ledger: &Ledger) -> BTreeMap<RunId, OneSided> {
    let mut runs: BTreeMap<RunId, OneSided> = BTreeMap::new();
    for known in ledger.all() {
        if !known.in_first {
            runs.entry(known.run).or_default().0.push(known.seq);
        }
        if known.in_mirror.is_none() {
            runs.entry(known.run).or_default().1.push(known.seq);
        }
    }
    runs
}

fn run_report(ledger: &Ledger, run: RunId, chain: Chain, (mut mirror, mut first): OneSided) -> RunReport {
    mirror.sort_unstable();
    first.sort_unstable();
    RunReport {
        run,
        records: chain.links.len() as u64,
        head: chain.links.last().map(|l| ledger.get(*l).digest).unwrap_or_default(),
        only_in_mirror: mirror,
        only_in_first: first,
        missing: chain.missing,
        stranded: chain.stranded,
        broken: chain.broken,
        illegal: None,
    }
}
