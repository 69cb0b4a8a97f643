//! Records on their way out of a journal and into another: JSON lines, or the frames themselves.

use std::collections::BTreeMap;

use journal_schema::{Digest, EncodeError, FrameError, Frames, MAGIC, Record, RunId, Seq};
use serde::Serialize;
use thiserror::Error;

use super::{Store, StoreError};

/// A run's records as JSON, one a line.
pub fn to_jsonl(records: &[Record]) -> String {
    records.iter().map(|r| r.to_json() + "\n").collect()
}

/// A run's records as frames: what a copy on a peer holds.
pub fn to_frames(records: &[Record]) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    for record in records {
        bytes.extend(record.encode()?);
    }
    Ok(bytes)
}

/// What an import did with one run. The caller appends the record that says who imported it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// The run.
    pub run: RunId,
    /// Records that are new here.
    pub added: u64,
    /// Records that were here.
    pub already: u64,
    /// What was wrong with the bytes, though every record was found: torn or damaged frames between good ones.
    pub flaws: Vec<String>,
}

/// Why nothing was imported. `Display` is the one-line "what failed"; [`ImportError::hint`] says what to do next.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Not one record.
    #[error("{from} contains no records: {detail}")]
    Nothing {
        /// Where the bytes came from.
        from: String,
        /// What was found instead.
        detail: String,
    },
    /// A record cannot be read.
    #[error("{from}, {place}: {detail}")]
    Unreadable {
        /// Where the bytes came from.
        from: String,
        /// Line or offset.
        place: String,
        /// Why.
        detail: String,
    },
    /// A record is missing between others.
    #[error("run {run} is not whole in {from}: record {seq} is missing{flaws}")]
    Gap {
        /// The run.
        run: RunId,
        /// The first missing record.
        seq: Seq,
        /// Where the bytes came from.
        from: String,
        /// What is wrong with the bytes, if anything.
        flaws: String,
    },
    /// A record does not follow the one before it.
    #[error("record {seq} of run {run} in {from} does not follow the one before: the chain is broken")]
    Chain {
        /// The run.
        run: RunId,
        /// The record.
        seq: Seq,
        /// Where the bytes came from.
        from: String,
    },
    /// Two histories of one run.
    #[error("run {run} went on differently here and in {from}: record {seq} is {ours} here and {theirs} there")]
    Fork {
        /// The run.
        run: RunId,
        /// The first record that differs.
        seq: Seq,
        /// Where the bytes came from.
        from: String,
        /// Digest of the record here (or of the other one in the bytes), shortened.
        ours: String,
        /// Digest of the record there, shortened.
        theirs: String,
    },
    /// The store failed. What was added before stays; the import can be repeated.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ImportError {
    /// What to do next, with the command to type.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Nothing { .. } => "give a file that hamn journal export wrote, or a peer's copies/NODE/RUN.frames",
            Self::Unreadable { .. } | Self::Gap { .. } | Self::Chain { .. } => {
                "take another copy of the run: hamn journal export on a machine that has it, or another peer's copies/"
            }
            Self::Fork { .. } => {
                "it was continued in two places; nothing was changed. Compare both: hamn journal show, then hamn abandon --reason in one"
            }
            Self::Store(e) => e.hint(),
        }
    }
}

/// Whether [`import`] could read `bytes`, before a store is opened for them.
///
/// # Errors
///
/// Those of [`import`], but for what depends on the store.
pub fn readable(bytes: &[u8], from: &str) -> Result<(), ImportError> {
    parse(bytes, from).map(drop)
}

/// Takes records over into `store`: frames or JSON lines, in any order, with duplicates, of one or several runs.
/// Everything is checked before the first record is written; a run that exists here is extended if what is here is its beginning.
pub async fn import(store: &dyn Store, bytes: &[u8], from: &str) -> Result<Vec<Imported>, ImportError> {
    let Parsed { runs, flaws } = parse(bytes, from)?;
    let mut accepted = Vec::new();
    for (run, theirs) in runs {
        let ours = store.read(run).await?;
        let new = extension(run, &ours, theirs, from, &flaws)?;
        accepted.push((run, ours.len() as u64, new));
    }
    let mut done = Vec::new();
    for (run, already, new) in accepted {
        for record in &new {
            store.commit(record).await?;
        }
        done.push(Imported { run, added: new.len() as u64, already, flaws: flaws.clone() });
    }
    Ok(done)
}

/// Records by run and sequence, each once.
struct Parsed {
    runs: BTreeMap<RunId, BTreeMap<Seq, (Record, Digest)>>,
    flaws: Vec<String>,
}

impl Parsed {
    fn add(&mut self, record: Record, from: &str) -> Result<(), ImportError> {
        let digest = record.digest();
        let run = self.runs.entry(record.run).or_default();
        match run.get(&record.seq) {
            Some((_, earlier)) if *earlier != digest => Err(ImportError::Fork {
                run: record.run,
                seq: record.seq,
                from: from.to_owned(),
                ours: earlier.short(),
                theirs: digest.short(),
            }),
            Some(_) => Ok(()),
            None => {
                run.insert(record.seq, (record, digest));
                Ok(())
            }
        }
    }
}

fn parse(bytes: &[u8], from: &str) -> Result<Parsed, ImportError> {
    let mut parsed = Parsed { runs: BTreeMap::new(), flaws: Vec::new() };
    let unreadable = |place: String, detail: String| ImportError::Unreadable { from: from.to_owned(), place, detail };
    let is_json = bytes.trim_ascii_start().first() == Some(&b'{');
    if is_json {
        let text = str::from_utf8(bytes).map_err(|e| unreadable("text".to_owned(), e.to_string()))?;
        for (number, line) in (1..).zip(text.lines()).filter(|(_, l)| !l.trim().is_empty()) {
            let record = Record::from_json(line).map_err(|e| unreadable(format!("line {number}"), e.to_string()))?;
            parsed.add(record, from)?;
        }
    } else {
        for (at, result) in Frames::new(bytes) {
            match result {
                Ok(record) => parsed.add(record, from)?,
                Err(FrameError::Unreadable(e)) => return Err(unreadable(format!("offset {at}"), e.to_string())),
                Err(flaw) => parsed.flaws.push(format!("offset {at}: {flaw}")),
            }
        }
    }
    if parsed.runs.is_empty() {
        let detail = match bytes {
            [] => "it is empty".to_owned(),
            _ if bytes.starts_with(&MAGIC) => parsed.flaws.join("; "),
            _ => "neither JSON lines nor frames".to_owned(),
        };
        return Err(ImportError::Nothing { from: from.to_owned(), detail });
    }
    Ok(parsed)
}

/// The records of `theirs` that follow `ours`.
fn extension(
    run: RunId,
    ours: &[Record],
    theirs: BTreeMap<Seq, (Record, Digest)>,
    from: &str,
    flaws: &[String],
) -> Result<Vec<Record>, ImportError> {
    let from = || from.to_owned();
    for record in ours {
        let digest = record.digest();
        if let Some((_, other)) = theirs.get(&record.seq).filter(|(_, other)| *other != digest) {
            let (ours, theirs) = (digest.short(), other.short());
            return Err(ImportError::Fork { run, seq: record.seq, from: from(), ours, theirs });
        }
    }
    let mut next = Seq(ours.len() as u64);
    let mut head = ours.last().map(Record::digest).unwrap_or_default();
    let mut new = Vec::new();
    for (seq, (record, digest)) in theirs.into_iter().filter(|(seq, _)| seq.0 >= ours.len() as u64) {
        if seq != next {
            let flaws = if flaws.is_empty() { String::new() } else { format!(" ({})", flaws.join("; ")) };
            return Err(ImportError::Gap { run, seq: next, from: from(), flaws });
        }
        if record.prev != head {
            return Err(ImportError::Chain { run, seq, from: from() });
        }
        next = Seq(seq.0 + 1);
        head = digest;
        new.push(record);
    }
    Ok(new)
}
