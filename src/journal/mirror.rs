//! The second copy: a plain file of frames, appended and fdatasynced.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use journal_schema::{DecodeError, Frame, FrameError, Frames, Header, MAX_BODY, OVERHEAD, claimed_len};

use super::{StoreError, layout};

/// Largest frame, bytes.
pub(super) const MAX_FRAME: usize = MAX_BODY + OVERHEAD;

/// Bytes looked at together by [`scan`]: several of the largest frames.
const WINDOW: usize = 1 << 20;

/// Bytes from which on a second thread is worth its start.
const SHARED: usize = 64 * 1024;

/// The file, open for appending.
#[derive(Debug)]
pub(super) struct Mirror {
    file: File,
    path: PathBuf,
    len: u64,
}

impl Mirror {
    /// Opens the file, or makes it durably. Writes nothing to an existing one.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let new = !path.exists();
        let said = |doing| move |e| StoreError::io(doing, path, &e);
        let file =
            layout::private().read(true).write(true).create(true).truncate(false).open(path).map_err(said("opened"))?;
        if new {
            file.sync_all().map_err(said("synced"))?;
            layout::sync_dir(path.parent().unwrap_or(Path::new(".")))?;
        }
        let len = file.metadata().map_err(said("read"))?.len();
        Ok(Self { file, path: path.to_owned(), len })
    }

    /// Length in bytes: where the next frame goes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// A second handle for reading, which outlives the move of this one into its thread.
    pub(super) fn reader(&self) -> Result<Arc<File>, StoreError> {
        File::open(&self.path).map(Arc::new).map_err(|e| StoreError::io("opened", &self.path, &e))
    }

    /// A handle of its own to sync the file by, and its name.
    pub(super) fn handle(&self) -> Result<(File, PathBuf), StoreError> {
        let file = self.file.try_clone().map_err(|e| StoreError::io("opened", &self.path, &e))?;
        Ok((file, self.path.clone()))
    }

    /// Appends frames durably. After an error nothing is known about the file's end: whoever opens it next looks.
    pub(super) fn append<'a>(&mut self, frames: impl IntoIterator<Item = &'a [u8]>) -> Result<(), StoreError> {
        self.write(frames)?;
        self.file.sync_data().map_err(|e| StoreError::io("synced", &self.path, &e))
    }

    /// Appends frames that are durable with the next sync. Errors as of [`Mirror::append`].
    pub(super) fn write<'a>(&mut self, frames: impl IntoIterator<Item = &'a [u8]>) -> Result<(), StoreError> {
        let said = |e| StoreError::io("written", &self.path, &e);
        let bytes = frames.into_iter().collect::<Vec<_>>().concat();
        self.file.write_all_at(&bytes, self.len).map_err(said)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Cuts the file at `len`: what is behind is a frame whose writing never ended, and it was never acknowledged.
    pub(super) fn cut(&mut self, len: u64) -> Result<(), StoreError> {
        self.file
            .set_len(len)
            .and_then(|()| self.file.sync_all())
            .map_err(|e| StoreError::io("written", &self.path, &e))?;
        self.len = len;
        Ok(())
    }
}

/// What a file of frames contains besides good frames. Offsets are bytes from its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Flaws {
    /// Bytes that belong to no good frame, with good frames behind them or more than one frame's worth of them.
    pub(super) damaged: Vec<Range<u64>>,
    /// Where a last, unfinished frame begins: cut off, or of a length that was written without its bytes.
    pub(super) torn: Option<u64>,
    /// Length of the file.
    pub(super) len: u64,
}

impl Flaws {
    fn damage(&mut self, range: Range<u64>) {
        match self.damaged.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => self.damaged.push(range),
        }
    }
}

/// Shows `each` every good frame of a file with its offset, a window at a time. A missing file is an empty one.
///
/// Frames that follow each other by the lengths they give are proven side by side, on two processors; from the first that is not
/// good on, one after the other, and what is between them is searched.
pub(super) fn scan(path: &Path, mut each: impl FnMut(u64, Header, &Frame)) -> Result<Flaws, StoreError> {
    let said = |e| StoreError::io("read", path, &e);
    let mut flaws = Flaws::default();
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(flaws),
        Err(e) => return Err(said(e)),
    };
    let mut window: Vec<u8> = Vec::with_capacity(WINDOW);
    let mut base = 0_u64;
    loop {
        let want = WINDOW - window.len();
        let last = (&mut file).take(want as u64).read_to_end(&mut window).map_err(said)? < want;
        // What the window's end may have cut in two is looked at again with what follows.
        let mut keep_from = window.len();
        let mut look = |flaws: &mut Flaws, at: u64, frame: &Frame| match frame.header() {
            Ok(header) => {
                each(at, header, frame);
                Ok(())
            }
            Err(DecodeError::Contents { .. }) => {
                flaws.damage(at..at + frame.len() as u64);
                Ok(())
            }
            Err(version) => Err(StoreError::Version { detail: format!("{}, offset {at}: {version}", path.display()) }),
        };
        let mut proven = 0;
        for frame in prove(&window) {
            look(&mut flaws, base + proven as u64, &frame)?;
            proven += frame.len();
        }
        let mut frames = Frames::new(&window[proven..]);
        while let Some((at, result)) = frames.next_frame() {
            let at = proven + at;
            let until_here = |until: usize| base + at as u64..base + until as u64;
            match result {
                Ok(frame) => look(&mut flaws, base + at as u64, &frame)?,
                Err(FrameError::Torn { .. }) if last => flaws.torn = Some(base + at as u64),
                Err(FrameError::Torn { .. }) => keep_from = at,
                // A crash may leave the length of the last writing without its bytes: they read as zeros, and no digest is that.
                Err(FrameError::Damaged { until, .. })
                    if last && proven + until == window.len() && is_hollow(&window[at..]) =>
                {
                    flaws.torn = Some(base + at as u64);
                }
                Err(FrameError::Damaged { until, .. }) if last || proven + until < window.len() => {
                    flaws.damage(until_here(proven + until));
                }
                Err(FrameError::Damaged { .. } | FrameError::Unreadable(_)) => {
                    keep_from = at.max(window.len() - MAX_FRAME);
                    flaws.damage(until_here(keep_from));
                }
            }
        }
        if last {
            flaws.len = base + window.len() as u64;
            return Ok(flaws);
        }
        base += keep_from as u64;
        window.drain(..keep_from);
    }
}

/// Whether the end of the file was never written.
fn is_hollow(tail: &[u8]) -> bool {
    let digest = tail.last_chunk::<32>().map_or(tail, |last| last);
    tail.len() <= MAX_FRAME && digest.iter().all(|byte| *byte == 0)
}

/// The good frames that `bytes` begin with, one behind the other.
fn prove(bytes: &[u8]) -> Vec<Frame<'_>> {
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(len) = claimed_len(&bytes[at..]) {
        starts.push(at);
        at += len;
    }
    let good = |starts: &[usize]| -> Vec<Frame<'_>> {
        starts.iter().map_while(|at| Frame::first_of(&bytes[*at..]).ok()).collect()
    };
    if at < SHARED {
        return good(&starts);
    }
    let (here, there) = starts.split_at(starts.partition_point(|start| *start < at / 2));
    thread::scope(|scope| {
        let other = scope.spawn(|| good(there));
        let mut all = good(here);
        let theirs = other.join().expect("proving does not panic");
        if all.len() == here.len() {
            all.extend(theirs);
        }
        all
    })
}

/// The bytes at `at`.
pub(super) fn read_at(file: &File, at: u64, len: u32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}
