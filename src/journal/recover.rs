//! Opening both copies, and settling between them what a crash, a bad sector or a flipped bit left.
//!
//! Nothing is taken away before both copies were read: the mirror by its frames, sled's file by searching it for frames
//! (sled itself overwrites what it takes for torn), then sled through sled. What is replaced is moved aside and kept.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use journal_schema::{Digest, RunId, Seq};
use serde::Serialize;

use super::{
    StoreError,
    first::{self, First, Image, Listed},
    layout::{self, StateDir},
    ledger::{FirstSeen, Known, Ledger, Wanted},
    mirror::{self, Mirror},
};

/// Records that may be missing at the end of sled after a crash in mid-commit. More of them, or others, mean damage.
const IN_FLIGHT: usize = 16;

/// Something that was found and settled when the journal was opened. Show it to the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "repair", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Repair {
    /// A snapshot that sled was writing when it was killed is removed; it holds nothing of its own.
    TornSnapshotRemoved {
        /// Its name.
        file: String,
    },
    /// The mirror ended within a frame that was never acknowledged.
    MirrorTailCut {
        /// Bytes cut.
        bytes: u64,
    },
    /// Records that only the first copy had are now in the mirror too.
    MirrorExtended {
        /// How many.
        records: u64,
    },
    /// The mirror is written anew from the good records of both copies.
    MirrorRebuilt {
        /// The old one.
        kept: PathBuf,
        /// Bytes in it that belong to no good frame.
        damaged: u64,
        /// Records that came from the first copy.
        restored: u64,
    },
    /// Records that only the mirror had are now in the first copy too.
    FirstExtended {
        /// How many.
        records: u64,
    },
    /// The first copy is made anew from the good records of both copies.
    FirstRebuilt {
        /// The old one; nothing if there was none.
        kept: Option<PathBuf>,
        /// Why.
        why: String,
        /// Records that it lacked.
        restored: u64,
    },
    /// The first copy cannot be used: records go to the mirror alone.
    WithoutFirst {
        /// Why.
        why: String,
    },
    /// A run has lost records in both copies, or has others than its chain says. It can neither be read nor resumed.
    RunDamaged {
        /// The run.
        run: RunId,
        /// What is missing.
        detail: String,
    },
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornSnapshotRemoved { file } => write!(f, "removed a half-written snapshot ({file})"),
            Self::MirrorTailCut { bytes } => {
                write!(f, "cut an unfinished record ({bytes} bytes) from the mirror's end")
            }
            Self::MirrorExtended { records } => write!(f, "copied {records} record(s) from sled to the mirror"),
            Self::MirrorRebuilt { kept, damaged, restored } => write!(
                f,
                "wrote the mirror anew ({damaged} damaged bytes, {restored} record(s) restored from sled); the old one is kept as {}",
                kept.display()
            ),
            Self::FirstExtended { records } => write!(f, "copied {records} record(s) from the mirror to sled"),
            Self::FirstRebuilt { kept: Some(kept), why, restored } => write!(
                f,
                "made sled anew from the mirror ({why}; {restored} record(s) restored); the old one is kept as {}",
                kept.display()
            ),
            Self::FirstRebuilt { kept: None, restored, .. } => {
                write!(f, "made sled, which was not there, from the mirror ({restored} record(s))")
            }
            Self::WithoutFirst { why } => write!(f, "sled cannot be used ({why}); records go to the mirror alone"),
            Self::RunDamaged { run, detail } => write!(f, "run {run} is damaged in both copies: {detail}"),
        }
    }
}

/// What the store needs to know of a run.
#[derive(Debug, Default)]
pub(super) struct RunIndex {
    /// Digest of the last record.
    pub(super) head: Digest,
    /// Offset and length in the mirror of each record, from 0.
    pub(super) places: Vec<(u64, u32)>,
    /// Why the run cannot be read.
    pub(super) broken: Option<String>,
}

impl RunIndex {
    pub(super) fn next(&self) -> Seq {
        Seq(self.places.len() as u64)
    }
}

/// Both copies, open and agreeing.
pub(super) struct Opened {
    pub(super) first: Option<First>,
    pub(super) mirror: Mirror,
    pub(super) runs: BTreeMap<RunId, RunIndex>,
    pub(super) repairs: Vec<Repair>,
}

/// Opens both copies, or the mirror alone. The lock is held. `wanted` is taken up on the way.
pub(super) fn open(dir: &StateDir, with_first: bool, wanted: Option<&mut Wanted>) -> Result<Opened, StoreError> {
    let mut repairs = Vec::new();
    for file in first::clear_torn_snapshots(&dir.sled())? {
        repairs.push(Repair::TornSnapshotRemoved { file });
    }
    let (ledger, listed) = read_both(dir, with_first, wanted);
    let mut ledger = ledger?;
    let mut first = None;
    match listed {
        None => {}
        Some(Ok((opened, listed))) => {
            if ledger.first != FirstSeen::Absent {
                ledger.list_first(&opened, listed);
            }
            first = Some(opened);
        }
        Some(Err(full @ StoreError::Full { .. })) => return Err(full),
        Some(Err(e)) => ledger.first_is_broken(e.to_string()),
    }
    let mirror = settle_mirror(dir, &mut ledger, &mut repairs)?;
    if with_first {
        first = settle_first(dir, &ledger, first, &mut repairs)?;
    }
    let runs = index(&ledger, &mut repairs);
    Ok(Opened { first, mirror, runs, repairs })
}

/// sled, open, and what it has or said instead.
type Listing = Result<(First, Result<Vec<Listed>, String>), StoreError>;

/// Reads the copies side by side: sled is opened as soon as its data file is in memory, while the mirror is read. `None`: sled
/// was not opened.
fn read_both(
    dir: &StateDir,
    with_first: bool,
    wanted: Option<&mut Wanted>,
) -> (Result<Ledger, StoreError>, Option<Listing>) {
    let list = || {
        let first = First::open(&dir.sled())?;
        let listed = first.list();
        Ok((first, listed))
    };
    let (image, as_it_was) = mpsc::channel();
    thread::scope(|scope| {
        let opening = move || {
            let found = Image::of(&dir.sled());
            let meanwhile = with_first && matches!(found, Ok(Image::Absent | Image::Read(_)));
            // Nobody waits for it any more if the mirror cannot be read.
            let _ = image.send(found);
            meanwhile.then(list)
        };
        let opening = thread::Builder::new().name(first::GUARDED.to_owned()).spawn_scoped(scope, opening);
        let mut ledger = Ledger::of_mirror(dir, wanted);
        if let Ok(read) = &mut ledger
            && let Err(e) =
                as_it_was.recv().expect("the thread sends before it ends").and_then(|image| read.carve(dir, &image))
        {
            ledger = Err(e);
        }
        let listed = opening.expect("the journal needs two threads").join().expect("panics of sled are caught");
        let listed = if ledger.is_ok() && with_first { listed.or_else(|| Some(list())) } else { listed };
        (ledger, listed)
    })
}

/// Gives the mirror every good record, and takes from it what is none.
fn settle_mirror(dir: &StateDir, ledger: &mut Ledger, repairs: &mut Vec<Repair>) -> Result<Mirror, StoreError> {
    if !ledger.flaws.damaged.is_empty() {
        repairs.push(rewrite_mirror(dir, ledger)?);
        return Mirror::open(&dir.mirror());
    }
    let mut mirror = Mirror::open(&dir.mirror())?;
    if let Some(at) = ledger.flaws.torn {
        repairs.push(Repair::MirrorTailCut { bytes: mirror.len() - at });
        mirror.cut(at)?;
    }
    let mut lacking: Vec<&mut Known> = ledger.all_mut().iter_mut().filter(|k| k.in_mirror.is_none()).collect();
    if lacking.is_empty() {
        return Ok(mirror);
    }
    lacking.sort_unstable_by_key(|k| (k.run, k.seq));
    let mut at = mirror.len();
    mirror.append(lacking.iter().filter_map(|k| k.loose.as_deref()))?;
    for known in &mut lacking {
        let len = known.loose.as_deref().map_or(0, <[u8]>::len);
        known.in_mirror = Some((at, len as u32));
        at += len as u64;
    }
    repairs.push(Repair::MirrorExtended { records: lacking.len() as u64 });
    Ok(mirror)
}

/// Writes a new mirror beside the old one, and puts it into its place in one step.
fn rewrite_mirror(dir: &StateDir, ledger: &mut Ledger) -> Result<Repair, StoreError> {
    let path = dir.mirror();
    let new = dir.journal().join("mirror.new");
    let said = |doing| {
        let path = path.clone();
        move |e| StoreError::io(doing, &path, &e)
    };
    let damaged = ledger.flaws.damaged.iter().map(|r| r.end - r.start).sum();
    let old = File::open(&path).map_err(said("read"))?;
    let file = layout::private().write(true).create(true).truncate(true).open(&new).map_err(said("written"))?;
    let mut writer = BufWriter::new(file);
    let (mut at, mut restored) = (0, 0);
    for known in ledger.all_mut() {
        let frame = match (known.in_mirror, &known.loose) {
            (Some((at, len)), _) => mirror::read_at(&old, at, len).map_err(said("read"))?,
            (None, Some(loose)) => {
                restored += 1;
                loose.to_vec()
            }
            (None, None) => continue,
        };
        writer.write_all(&frame).map_err(said("written"))?;
        known.in_mirror = Some((at, frame.len() as u32));
        at += frame.len() as u64;
    }
    writer.flush().and_then(|()| writer.get_ref().sync_all()).map_err(said("synced"))?;
    let kept = aside(&path);
    fs::hard_link(&path, &kept).map_err(said("kept"))?;
    fs::rename(&new, &path).map_err(said("replaced"))?;
    layout::sync_dir(&dir.journal())?;
    Ok(Repair::MirrorRebuilt { kept, damaged, restored })
}

/// Gives the first copy every good record: adds what a crash kept from it, makes a bad one anew.
fn settle_first(
    dir: &StateDir,
    ledger: &Ledger,
    first: Option<First>,
    repairs: &mut Vec<Repair>,
) -> Result<Option<First>, StoreError> {
    let lacking: Vec<&Known> = ledger.all().iter().filter(|k| !k.in_first).collect();
    let why = match &ledger.first {
        FirstSeen::Broken(said) => said.clone(),
        FirstSeen::Absent => "it was not there".to_owned(),
        _ if !ledger.bad_values.is_empty() => format!("{} of its values are no records", ledger.bad_values.len()),
        _ => format!("it lacks {} record(s)", lacking.len()),
    };
    let sound = match ledger.first {
        FirstSeen::Absent => true,
        FirstSeen::Read => ledger.bad_values.is_empty() && in_flight(ledger, &lacking),
        _ => false,
    };
    if let Some(first) = first {
        if sound {
            insert(dir, &first, &lacking)?;
            let restored = lacking.len() as u64;
            match ledger.first {
                _ if restored == 0 => {}
                FirstSeen::Absent => repairs.push(Repair::FirstRebuilt { kept: None, why, restored }),
                _ => repairs.push(Repair::FirstExtended { records: restored }),
            }
            return Ok(Some(first));
        }
        first.close();
    }
    match rebuild_first(dir, ledger) {
        Ok((first, kept)) => {
            repairs.push(Repair::FirstRebuilt { kept, why, restored: lacking.len() as u64 });
            Ok(Some(first))
        }
        Err(full @ StoreError::Full { .. }) => Err(full),
        Err(e) => {
            repairs.push(Repair::WithoutFirst { why: format!("{why}, and it cannot be made anew: {e}") });
            Ok(None)
        }
    }
}

/// Whether what sled lacks are the mirror's last records, few enough to have been in flight.
fn in_flight(ledger: &Ledger, lacking: &[&Known]) -> bool {
    let last_there = ledger.all().iter().filter(|k| k.in_first).filter_map(|k| k.in_mirror).max();
    lacking.len() <= IN_FLIGHT && lacking.iter().all(|k| k.in_mirror > last_there)
}

/// Makes a new first copy beside the old one, moves the old one aside and the new one into its place.
fn rebuild_first(dir: &StateDir, ledger: &Ledger) -> Result<(First, Option<PathBuf>), StoreError> {
    let path = dir.sled();
    let new = dir.journal().join("sled.new");
    let said = |doing| {
        let path = path.clone();
        move |e| StoreError::io(doing, &path, &e)
    };
    if new.exists() {
        fs::remove_dir_all(&new).map_err(said("cleaned"))?;
    }
    let first = First::open(&new)?;
    let all: Vec<&Known> = ledger.all().iter().collect();
    insert(dir, &first, &all)?;
    first.close();
    let mut kept = None;
    if path.exists() {
        let to = aside(&path);
        fs::rename(&path, &to).map_err(said("moved aside"))?;
        kept = Some(to);
    }
    fs::rename(&new, &path).map_err(said("replaced"))?;
    layout::sync_dir(&dir.journal())?;
    Ok((First::open(&path)?, kept))
}

/// Puts records of the mirror into the first copy.
fn insert(dir: &StateDir, first: &First, records: &[&Known]) -> Result<(), StoreError> {
    let path = dir.mirror();
    let said = |e| StoreError::io("read", &path, &e);
    let file = File::open(&path).map_err(said)?;
    for part in records.chunks(1000) {
        let mut frames = Vec::with_capacity(part.len());
        for known in part {
            let (at, len) = known.in_mirror.expect("the mirror was settled before");
            frames.push((known.run, known.seq, mirror::read_at(&file, at, len).map_err(said)?));
        }
        first.insert(frames.iter().map(|(run, seq, bytes)| (*run, *seq, &bytes[..])))?;
    }
    Ok(())
}

/// The index of every run, and what is wrong with it.
fn index(ledger: &Ledger, repairs: &mut Vec<Repair>) -> BTreeMap<RunId, RunIndex> {
    let mut runs = BTreeMap::new();
    for (run, chain) in ledger.chains() {
        let last = chain.links.last().map(|l| ledger.get(*l).digest).unwrap_or_default();
        if let Some(detail) = &chain.broken {
            repairs.push(Repair::RunDamaged { run, detail: detail.clone() });
        }
        let places = chain.links.iter().map(|l| ledger.get(*l).in_mirror.expect("settled before")).collect();
        runs.insert(run, RunIndex { head: last, places, broken: chain.broken });
    }
    runs
}

/// A name beside `path` that is free: `path.bad-20260131T031500Z`.
fn aside(path: &Path) -> PathBuf {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    (0..10_000)
        .map(|n| if n == 0 { String::new() } else { format!("-{n}") })
        .map(|n| path.with_file_name(format!("{name}.bad-{time}{n}")))
        .find(|p| !p.exists())
        .expect("some name is free")
}
