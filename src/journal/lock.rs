//! Who holds the journal.
//!
//! sled's own lock is told apart from other errors by text alone and is not compiled everywhere, so the journal has a
//! lock file of its own: an flock, which dies with its process, and a line of text for whoever is refused. Text of a dead
//! process is no obstacle.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Seek, Write},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use journal_schema::{Operator, UnixMillis};
use rustix::fs::{FlockOperation, flock};

use super::{StoreError, layout};

/// How long a writer waits for readers.
const READERS_LIMIT: Duration = Duration::from_secs(10);

/// Who wants the journal, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub operator: Operator,
    /// What for: `run 018f… (failover)`, `journal verify`.
    pub purpose: String,
    /// Since when.
    pub since: UnixMillis,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = jiff::Timestamp::from_millisecond(self.since.0 as i64).map_or_else(
            |_| format!("{} ms after 1970", self.since.0),
            |t| t.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        );
        write!(
            f,
            "process {} of {} on {} for {}, since {since}",
            std::process::id(),
            self.operator.name,
            self.operator.host,
            self.purpose
        )
    }
}

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// Whether the text in the file is ours to take away.
    signed: bool,
}

impl Lock {
    /// Takes the lock and signs it, or says who holds it.
    pub fn acquire(path: &Path, holder: &Holder) -> Result<Self, StoreError> {
        // Never truncated on open: until the flock is ours, the text is the holder's.
        let file = layout::private()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| StoreError::io("locked", path, &e))?;
        let mut lock = Self::take(file, path)?;
        // The text is a courtesy to the one who is refused: a full disk must not keep anybody from the journal.
        lock.signed = lock
            .file
            .set_len(0)
            .and_then(|()| lock.file.rewind())
            .and_then(|()| lock.file.write_all(format!("{holder}\n").as_bytes()))
            .is_ok();
        Ok(lock)
    }

    /// Takes the lock for reading, together with other readers, and writes nothing. Meant for moments: a writer waits for it.
    /// `None`: there is no lock file, so nobody ever wrote here.
    pub fn shared(path: &Path) -> Result<Option<Self>, StoreError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io("locked", path, &e)),
        };
        if try_flock(&file, path, FlockOperation::NonBlockingLockShared)? {
            Ok(Some(Self { file, signed: false }))
        } else {
            Err(StoreError::Locked { holder: read_holder(&mut file) })
        }
    }

    /// Who holds the lock of `path` right now, if anybody.
    pub fn holder(path: &Path) -> Result<Option<String>, StoreError> {
        match Self::shared(path) {
            Ok(_) => Ok(None),
            Err(StoreError::Locked { holder }) => Ok(Some(holder)),
            Err(e) => Err(e),
        }
    }

    /// Takes the lock for writing. Readers are waited for: they hold it for moments. A writer is not.
    fn take(mut file: File, path: &Path) -> Result<Self, StoreError> {
        let deadline = Instant::now() + READERS_LIMIT;
        loop {
            if try_flock(&file, path, FlockOperation::NonBlockingLockExclusive)? {
                return Ok(Self { file, signed: false });
            }
            if !try_flock(&file, path, FlockOperation::NonBlockingLockShared)? {
                return Err(StoreError::Locked { holder: read_holder(&mut file) });
            }
            flock(&file, FlockOperation::Unlock).map_err(|e| StoreError::io("locked", path, &e.into()))?;
            if Instant::now() > deadline {
                return Err(StoreError::Locked { holder: "a process that reads it (hamn journal …)".to_owned() });
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// `false`: somebody else has it.
fn try_flock(file: &File, path: &Path, how: FlockOperation) -> Result<bool, StoreError> {
    match flock(file, how) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(StoreError::io("locked", path, &e.into())),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.signed {
            let _ = self.file.set_len(0);
        }
        // Closing alone leaves it to a child that was forked a moment ago and has not yet reached its exec.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// The holder signs just after it got the lock: for a moment the file is empty.
fn read_holder(file: &mut File) -> String {
    let mut text = String::new();
    for _ in 0..20 {
        text.clear();
        if file.rewind().and_then(|()| file.read_to_string(&mut text)).is_ok() && text.ends_with('\n') {
            return text.trim_end().to_owned();
        }
        thread::sleep(Duration::from_millis(5));
    }
    "a process that could not sign the lock file".to_owned()
}
