//! What both copies together know: which records are good, where they are, and how far each run's chain holds.
//!
//! A record is good in whichever copy its digest is right, and belongs to its run if the chain leads to it.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use journal_schema::{Digest, Frame, Header, Record, RunId, RunState, Seq};

use super::{
    StoreError, TakenUp,
    first::{self, First, Image, Listed},
    layout::StateDir,
    mirror::{self, Flaws},
};

/// A good record, found in one or both copies.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) run: RunId,
    pub(super) seq: Seq,
    pub(super) prev: Digest,
    pub(super) digest: Digest,
    /// Offset and length of its frame in the mirror.
    pub(super) in_mirror: Option<(u64, u32)>,
    /// Whether the first copy has it.
    pub(super) in_first: bool,
    /// Its frame, kept only when the mirror does not have it.
    pub(super) loose: Option<Arc<[u8]>>,
}

/// How the first copy was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FirstSeen {
    /// There is none.
    Absent,
    /// Its data file was searched for frames.
    Carved,
    /// Read through sled.
    Read,
    /// sled could not read it; the text says why.
    Broken(String),
}

/// Everything known of both copies.
#[derive(Debug)]
pub(super) struct Ledger {
    records: Records,
    /// What is wrong with the mirror.
    pub(super) flaws: Flaws,
    /// Keys of the first copy whose values are not the frames that belong there.
    pub(super) bad_values: Vec<String>,
    /// How the first copy was looked at.
    pub(super) first: FirstSeen,
}

/// Good records in the order in which they were found, each once.
#[derive(Debug, Default)]
struct Records {
    list: Vec<Known>,
    by_digest: HashMap<Digest, u32, BuildHasherDefault<Beginning>>,
}

/// Digests are spread evenly already: their first bytes do.
#[derive(Debug, Default)]
struct Beginning(u64);

impl Hasher for Beginning {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The run that the journal is opened for: its records and their fold, taken up while the mirror is read.
#[derive(Debug)]
pub(super) struct Wanted {
    run: RunId,
    records: Vec<Record>,
    state: Option<RunState>,
    /// Something is wrong with it: it must be read again when the copies are settled.
    astray: bool,
}

impl Wanted {
    pub(super) fn new(run: RunId) -> Self {
        Self { run, records: Vec::new(), state: None, astray: false }
    }

    fn meet(&mut self, header: &Header, frame: &Frame) {
        if header.run != self.run || self.astray {
            return;
        }
        let taken =
            frame.record().ok().filter(|record| RunState::take_up(&mut self.state, record, frame.digest()).is_ok());
        match taken {
            Some(record) => self.records.push(record),
            None => self.astray = true,
        }
    }

    /// The run, if it is whole and the head of its chain is `head`.
    pub(super) fn finish(self, head: Digest) -> Option<TakenUp> {
        let state = self.state.filter(|state| !self.astray && state.last.1 == head)?;
        Some(TakenUp { records: self.records, state })
    }
}

impl Records {
    /// The record of `digest`, made of the other if it is new.
    fn entry(&mut self, (run, seq, prev): (RunId, Seq, Digest), digest: Digest) -> &mut Known {
        let next = self.list.len() as u32;
        let index = *self.by_digest.entry(digest).or_insert(next);
        if index == next {
            self.list.push(Known { run, seq, prev, digest, in_mirror: None, in_first: false, loose: None });
        }
        &mut self.list[index as usize]
    }

    fn find(&mut self, digest: &Digest) -> Option<&mut Known> {
        self.by_digest.get(digest).map(|i| &mut self.list[*i as usize])
    }
}

/// One run, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// The records from 0 on that the chain holds together, as indices for [`Ledger::get`].
    pub(super) links: Vec<u32>,
    /// Good records that the chain does not reach, because one before them is in neither copy.
    pub(super) stranded: Vec<Seq>,
    /// Sequence numbers below the highest known that are in neither copy.
    pub(super) missing: Vec<Seq>,
    /// Why the chain ends early.
    pub(super) broken: Option<String>,
}

impl Ledger {
    /// Reads the mirror, and searches the first copy's data file without opening it. Writes nothing.
    pub(super) fn examine(dir: &StateDir) -> Result<Self, StoreError> {
        let mut ledger = Self::of_mirror(dir, None)?;
        ledger.carve(dir, &Image::of(&dir.sled())?)?;
        Ok(ledger)
    }

    /// Reads the mirror; a run is taken up on the way.
    pub(super) fn of_mirror(dir: &StateDir, mut wanted: Option<&mut Wanted>) -> Result<Self, StoreError> {
        let mut records = Records::default();
        let flaws = mirror::scan(&dir.mirror(), |at, header, frame| {
            let known = records.entry((header.run, header.seq, header.prev), frame.digest());
            if known.in_mirror.is_none() {
                known.in_mirror = Some((at, frame.len() as u32));
                if let Some(wanted) = &mut wanted {
                    wanted.meet(&header, frame);
                }
            }
        })?;
        Ok(Self { records, flaws, bad_values: Vec::new(), first: FirstSeen::Absent })
    }

    /// Searches the first copy's data file.
    pub(super) fn carve(&mut self, dir: &StateDir, image: &Image) -> Result<(), StoreError> {
        let records = &mut self.records;
        let mut carved: Vec<(Record, Arc<[u8]>)> = Vec::new();
        image
            .carve(
                |digest| records.find(digest).map(|known| known.in_first = true).is_some(),
                |record, frame| carved.push((record, frame.into())),
            )
            .map_err(|e| StoreError::io("read", &dir.sled().join("db"), &e))?;
        for (record, frame) in carved {
            let known = records.entry((record.run, record.seq, record.prev), digest_of(&frame));
            known.in_first = true;
            known.loose.get_or_insert(frame);
        }
        self.first = if matches!(image, Image::Absent) { FirstSeen::Absent } else { FirstSeen::Carved };
        Ok(())
    }

    /// Replaces what the search said of the first copy by what sled says of it. Records that only the search found stay known.
    /// Computes every digest.
    pub(super) fn read_first(&mut self, first: &First) {
        self.forget_first();
        let outcome = first.scan(|key, value| {
            let tail = first::tail(value);
            let proven = value.len() > 32 && Digest::of(&value[..value.len() - 32]) == tail;
            self.meet(key, tail, proven, || Some(value.to_vec()));
        });
        self.first_was(outcome);
    }

    /// [`Ledger::read_first`] from a list: sled's own checksums are trusted where the end of a value is the digest that belongs there.
    pub(super) fn list_first(&mut self, first: &First, listed: Result<Vec<Listed>, String>) {
        self.forget_first();
        let outcome = listed.map(|all| {
            for Listed { key, tail } in all {
                self.meet(&key, tail, true, || first.value(&key));
            }
        });
        self.first_was(outcome);
    }

    fn first_was(&mut self, outcome: Result<(), String>) {
        self.first = match outcome {
            Ok(()) => FirstSeen::Read,
            Err(said) => FirstSeen::Broken(said),
        };
    }

    /// The first copy has a value that ends with `tail` at `key`.
    fn meet(&mut self, key: &[u8], tail: Digest, proven: bool, value: impl FnOnce() -> Option<Vec<u8>>) {
        if let Some(known) = self.records.find(&tail) {
            if first::key(known.run, known.seq) == key && proven {
                known.in_first = true;
                return;
            }
        } else if let Some(value) = value()
            && let Ok(record) = Record::decode(&value)
            && first::key(record.run, record.seq) == key
        {
            let known = self.records.entry((record.run, record.seq, record.prev), tail);
            known.in_first = true;
            known.loose = Some(value.into());
            return;
        }
        self.bad_values.push(format!("{key:02x?}"));
    }

    /// The first copy cannot be opened: nothing of it is known but what the search found.
    pub(super) fn first_is_broken(&mut self, said: String) {
        self.forget_first();
        self.first = FirstSeen::Broken(said);
    }

    fn forget_first(&mut self) {
        self.bad_values.clear();
        self.records.list.iter_mut().for_each(|known| known.in_first = false);
    }

    pub(super) fn get(&self, index: u32) -> &Known {
        &self.records.list[index as usize]
    }

    /// All good records, in the order in which they were found.
    pub(super) fn all(&self) -> &[Known] {
        &self.records.list
    }

    /// All good records, to note where they went.
    pub(super) fn all_mut(&mut self) -> &mut [Known] {
        &mut self.records.list
    }

    /// Follows each run's chain.
    pub(super) fn chains(&self) -> BTreeMap<RunId, Chain> {
        let mut order: Vec<u32> = (0..self.all().len() as u32).collect();
        order.sort_unstable_by_key(|i| (self.get(*i).run, self.get(*i).seq));
        order
            .chunk_by(|a, b| self.get(*a).run == self.get(*b).run)
            .map(|run| (self.get(run[0]).run, self.chain(run)))
            .collect()
    }

    /// `run`: the indices of one run's records in order of sequence; a sequence number may be there more than once.
    fn chain(&self, run: &[u32]) -> Chain {
        let mut chain = Chain::default();
        let mut head = Digest::default();
        for same in run.chunk_by(|a, b| self.get(*a).seq == self.get(*b).seq) {
            let seq = self.get(same[0]).seq;
            let next = chain.links.len() as u64;
            let fits: Vec<u32> = same.iter().copied().filter(|i| self.get(*i).prev == head).collect();
            match fits[..] {
                [one] if seq.0 == next && chain.broken.is_none() => {
                    head = self.get(one).digest;
                    chain.links.push(one);
                    continue;
                }
                _ if chain.broken.is_some() => {}
                [_, _, ..] if seq.0 == next => {
                    chain.broken = Some(format!("record {seq} is there twice, with different contents"));
                }
                _ if seq.0 == next => chain.broken = Some(format!("record {seq} does not follow the one before")),
                _ => chain.broken = Some(format!("record {next} is in neither copy")),
            }
            chain.stranded.push(seq);
        }
        let highest = chain.stranded.last().map_or(0, |s| s.0);
        chain.missing =
            (chain.links.len() as u64..highest).map(Seq).filter(|s| chain.stranded.binary_search(s).is_err()).collect();
        chain
    }
}

/// The digest that ends a whole frame: that of its record.
pub(super) fn digest_of(frame: &[u8]) -> Digest {
    Digest(*frame.last_chunk().expect("a whole frame is longer than its digest"))
}
