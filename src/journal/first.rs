//! The first copy: sled, opened only here.
//!
//! What sled 0.34.7 does not do by itself, measured by cutting the power:
//! - `flush()` leaves the data in the page cache's journal: its file needs an fdatasync of our own after each flush;
//! - `conf` and the directories are never synced;
//! - a `snap.*.generating` left by a crash makes every later open fail;
//! - a flipped bit can make open panic, or forget records without a word, and recovery overwrites what it takes for torn.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{Once, mpsc},
    thread,
    time::{Duration, Instant},
};

use journal_schema::{Digest, MAGIC, Record, RunId, Seq, claimed_len};

use super::{StoreError, layout, mirror::MAX_FRAME};

/// Name of the threads in which sled may panic without a word on the terminal.
pub(super) const GUARDED: &str = "journal-sled";

/// An open that takes longer than this counts as failed: the mirror has everything.
const OPEN_LIMIT: Duration = Duration::from_secs(60);

/// Our own lock is held, so whoever still holds sled's is a closed handle of this process whose threads have not ended.
const LINGER_LIMIT: Duration = Duration::from_secs(5);

/// Bytes looked at together by `carve`: several of the largest frames.
const WINDOW: usize = 1 << 20;

/// Largest data file that is kept in memory while sled is opened, bytes.
const KEPT: u64 = 32 << 20;

/// sled's page cache, bytes. A journal is read once, in order.
const CACHE: u64 = 8 << 20;

/// The open database.
pub(super) struct First {
    db: sled::Db,
    /// A handle of our own on sled's data file, for the fdatasync that sled leaves out.
    data: File,
    dir: PathBuf,
}

impl First {
    /// Opens or makes the database at `dir`. Survives a panic and a hang; the text says what happened.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        layout::create_dir_durable(dir)?;
        let db = open_patiently(dir)?;
        let said = |doing| move |e| StoreError::io(doing, dir, &e);
        let data = File::options().read(true).write(true).open(dir.join("db")).map_err(said("opened"))?;
        for file in ["conf", "db"] {
            let file = dir.join(file);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).map_err(said("closed to others"))?;
            File::open(file).and_then(|f| f.sync_all()).map_err(said("synced"))?;
        }
        layout::sync_dir(&dir.join("blobs"))?;
        layout::sync_dir(dir)?;
        layout::sync_dir(dir.parent().unwrap_or(Path::new(".")))?;
        Ok(Self { db, data, dir: dir.to_owned() })
    }

    /// Closes it; a panic of sled on the way out is of no interest.
    pub(super) fn close(self) {
        let _ = guarded(move || drop(self));
    }

    /// Writes frames durably.
    pub(super) fn insert<'a>(
        &self,
        frames: impl IntoIterator<Item = (RunId, Seq, &'a [u8])>,
    ) -> Result<(), StoreError> {
        self.write(frames)?;
        self.data.sync_data().map_err(|e| StoreError::io("synced", &self.dir, &e))
    }

    /// Writes frames that are durable with the next sync of [`First::handle`].
    pub(super) fn write<'a>(&self, frames: impl IntoIterator<Item = (RunId, Seq, &'a [u8])>) -> Result<(), StoreError> {
        for (run, seq, bytes) in frames {
            self.db.insert(key(run, seq), bytes).map_err(|e| StoreError::sled("written", &self.dir, &e))?;
        }
        self.db.flush().map_err(|e| StoreError::sled("written", &self.dir, &e))?;
        Ok(())
    }

    /// A handle of its own to sync the data file by, and the name to call it.
    pub(super) fn handle(&self) -> Result<(File, PathBuf), StoreError> {
        let data = self.data.try_clone().map_err(|e| StoreError::io("opened", &self.dir, &e))?;
        Ok((data, self.dir.clone()))
    }

    /// One frame.
    pub(super) fn get(&self, run: RunId, seq: Seq) -> Result<Option<Vec<u8>>, StoreError> {
        let value = panic::catch_unwind(AssertUnwindSafe(|| self.db.get(key(run, seq))))
            .map_err(|_| StoreError::Damaged { detail: format!("{}: panic while reading", self.dir.display()) })?;
        Ok(value.map_err(|e| StoreError::sled("read", &self.dir, &e))?.map(|v| v.to_vec()))
    }

    /// Every key, in order, with the end of its value.
    pub(super) fn list(&self) -> Result<Vec<Listed>, String> {
        let mut all = Vec::new();
        self.scan(|key, value| all.push(Listed { key: key.clone(), tail: tail(value) }))?;
        Ok(all)
    }

    /// The value of a key; `None` if there is none, or it cannot be read.
    pub(super) fn value(&self, key: &[u8]) -> Option<Vec<u8>> {
        panic::catch_unwind(AssertUnwindSafe(|| self.db.get(key))).ok()?.ok()?.map(|v| v.to_vec())
    }

    /// Shows `each` every key and value, in order. `Err`: what sled said, or that it panicked.
    pub(super) fn scan(&self, mut each: impl FnMut(&sled::IVec, &[u8])) -> Result<(), String> {
        panic::catch_unwind(AssertUnwindSafe(|| {
            self.db.iter().try_for_each(|entry| {
                let (key, value) = entry.map_err(|e| e.to_string())?;
                each(&key, &value);
                Ok(())
            })
        }))
        .unwrap_or_else(|_| Err("panic while reading".to_owned()))
    }
}

/// What [`First::list`] says of a value.
pub(super) struct Listed {
    /// Its key.
    pub(super) key: sled::IVec,
    /// Its last bytes: the digest, if it is a frame.
    pub(super) tail: Digest,
}

/// The digest that ends a frame; zeros for what is too short to be one.
pub(super) fn tail(value: &[u8]) -> Digest {
    value.last_chunk().map(|d| Digest(*d)).unwrap_or_default()
}

fn open_patiently(dir: &Path) -> Result<sled::Db, StoreError> {
    let damaged = |detail: String| StoreError::Damaged { detail: format!("{}: {detail}", dir.display()) };
    let deadline = Instant::now() + LINGER_LIMIT;
    loop {
        let config = sled::Config::new().path(dir).flush_every_ms(None).cache_capacity(CACHE);
        match guarded(move || config.open()).map_err(damaged)? {
            Ok(db) => return Ok(db),
            Err(e) if e.to_string().contains("could not acquire lock") && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(2));
            }
            Err(e) => {
                return Err(match StoreError::sled("opened", dir, &e) {
                    full @ StoreError::Full { .. } => full,
                    _ => damaged(e.to_string()),
                });
            }
        }
    }
}

/// `run` and `seq`, big endian, so that sled's order is the order of the journal.
pub(super) fn key(run: RunId, seq: Seq) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&run.0.to_be_bytes());
    key[8..].copy_from_slice(&seq.0.to_be_bytes());
    key
}

/// Removes what a crash left of a snapshot being written, and says what it was.
pub(super) fn clear_torn_snapshots(dir: &Path) -> Result<Vec<String>, StoreError> {
    let mut cleared = Vec::new();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(cleared),
        Err(e) => return Err(StoreError::io("read", dir, &e)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| StoreError::io("read", dir, &e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path()).map_err(|e| StoreError::io("cleaned", &entry.path(), &e))?;
            cleared.push(name);
        }
    }
    if !cleared.is_empty() {
        layout::sync_dir(dir)?;
    }
    Ok(cleared)
}

/// sled's data file as it was before sled was let at it.
pub(super) enum Image {
    /// There is none.
    Absent,
    /// Its bytes: sled may be opened meanwhile.
    Read(Vec<u8>),
    /// Too large to be kept: it must be searched before sled is opened.
    Large(File),
}

impl Image {
    /// Of the database at `dir`.
    pub(super) fn of(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("db");
        let said = |e| StoreError::io("read", &path, &e);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::Absent),
            Err(e) => return Err(said(e)),
        };
        let len = file.metadata().map_err(said)?.len();
        if len > KEPT {
            return Ok(Self::Large(file));
        }
        let mut bytes = Vec::with_capacity(len as usize + 1);
        file.read_to_end(&mut bytes).map_err(said)?;
        Ok(Self::Read(bytes))
    }

    /// Looks for good frames without sled, which would overwrite what it takes for torn.
    /// sled keeps our values whole and uncompressed, and a frame proves itself by its digest.
    /// Frames that are `known` by their digest are passed over unread; a frame may be shown several times.
    pub(super) fn carve(
        &self,
        mut known: impl FnMut(&Digest) -> bool,
        mut each: impl FnMut(Record, &[u8]),
    ) -> io::Result<()> {
        let file = match self {
            Self::Absent => return Ok(()),
            Self::Read(bytes) => {
                search(bytes, true, &mut known, &mut each);
                return Ok(());
            }
            Self::Large(file) => file,
        };
        let mut window: Vec<u8> = Vec::with_capacity(WINDOW);
        loop {
            let want = WINDOW - window.len();
            let last = file.take(want as u64).read_to_end(&mut window)? < want;
            let keep_from = search(&window, last, &mut known, &mut each);
            if last {
                return Ok(());
            }
            window.drain(..keep_from);
        }
    }
}

/// The part of [`Image::carve`] for bytes at hand; unless they are the `last`, says from where on they must be looked at again.
fn search(
    window: &[u8],
    last: bool,
    known: &mut impl FnMut(&Digest) -> bool,
    each: &mut impl FnMut(Record, &[u8]),
) -> usize {
    let mut at = 0;
    while let Some(skip) = find_magic(&window[at..]) {
        at += skip;
        if window.len() - at < MAX_FRAME && !last {
            return at;
        }
        let Some((frame, digest)) = outline(&window[at..]) else {
            at += 1;
            continue;
        };
        if known(&digest) {
            at += frame.len();
        } else if let Ok(record) = Record::decode(frame) {
            let len = frame.len();
            each(record, frame);
            at += len;
        } else {
            at += 1;
        }
    }
    // The magic may be cut in two.
    at.max(window.len().saturating_sub(MAGIC.len() - 1))
}

fn find_magic(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, &MAGIC)
}

/// The bytes that would be a frame by the length they give, and the digest that would be its own.
fn outline(bytes: &[u8]) -> Option<(&[u8], Digest)> {
    let frame = &bytes[..claimed_len(bytes)?];
    let digest = frame.last_chunk()?;
    Some((frame, Digest(*digest)))
}

/// Runs sled where a panic or a hang of it ends nothing of ours.
fn guarded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    quiet_panics();
    let (answer, result) = mpsc::channel();
    thread::Builder::new()
        .name(GUARDED.to_owned())
        .spawn(move || {
            let outcome = panic::catch_unwind(AssertUnwindSafe(work)).map_err(|cause| panic_text(&*cause));
            let _ = answer.send(outcome);
        })
        .map_err(|e| format!("no thread: {e}"))?;
    result.recv_timeout(OPEN_LIMIT).unwrap_or_else(|_| Err(format!("no answer within {} s", OPEN_LIMIT.as_secs())))
}

fn panic_text(cause: &(dyn std::any::Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    format!("panic: {}", text.unwrap_or("without a text").lines().next().unwrap_or_default())
}

/// A survived panic is reported as a repair; its stack on the terminal would frighten for nothing.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().name() != Some(GUARDED) {
                usual(info);
            }
        }));
    });
}
