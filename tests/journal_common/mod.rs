//! What the tests of the journal share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use hamn::journal::{GuardedStore, Holder, Repair, StateDir, Store, StoreError};
use journal_schema::{
    Attempt, Digest, Direction, Fact, Kind, Mode, Operator, Payload, PlannedStep, Record, Refs, RunId, Seq, TableRow,
    Token, Tri, UnixMillis, Verdict,
};

/// The run of most tests.
pub const RUN: RunId = RunId(0x0198_5c2e_aa00_0001);

/// Set for a copy of the test program that only writes.
const WRITER: &str = "HAMN_TEST_JOURNAL_WRITER";

/// Who the tests are.
pub fn holder() -> Holder {
    Holder { operator: operator(), purpose: "a test".to_owned(), since: UnixMillis(1_769_830_500_000) }
}

pub fn operator() -> Operator {
    Operator { name: "tester".to_owned(), host: "bench".to_owned(), terminal: "-".to_owned() }
}

/// The payload of record `seq`: a legal run of attempts of one step, of the size that records have.
pub fn payload(run: RunId, seq: Seq) -> Payload {
    let step = "promote.database".to_owned();
    let direction = Direction::Forward;
    let attempt = Attempt((seq.0 / 2) as u32);
    match seq.0 {
        0 => Payload::RunStarted {
            workflow: "failover".to_owned(),
            refs: Refs { hamn_version: "0.1.0".to_owned(), table: Digest::of(b"table"), plan: Digest::of(b"plan") },
            table: vec![TableRow {
                from: "Disarmed".to_owned(),
                transition: "promote".to_owned(),
                to: "DatabasePromoted".to_owned(),
                kind: Kind::Reversible,
            }],
            initial: "Disarmed".to_owned(),
            goal: "DatabasePromoted".to_owned(),
            config: "[nodes.a]\nname = \"aixmn1\"\n".to_owned(),
            request: "{}".to_owned(),
            operator: operator(),
        },
        1 => Payload::Planned {
            transition: "promote".to_owned(),
            steps: vec![PlannedStep {
                id: step,
                title: "Promote the database".to_owned(),
                place: "aixmn2".to_owned(),
                mode: Mode::Idempotent,
                stage: 0,
                undo: true,
                volatile: false,
                optional: false,
                script: Digest::of(b"script"),
            }],
            guard: "primary is fenced".to_owned(),
        },
        even if even.is_multiple_of(2) => Payload::Intent {
            token: Token::new(run, &step, direction, attempt),
            script: format!("set -eu\nsu - postgres -c 'pg_ctl promote -D /var/lib/pgsql/data -w -t 60' # {even}\n"),
            step,
            direction,
            attempt,
            at: "aixmn2".to_owned(),
        },
        odd => Payload::Outcome {
            step,
            direction,
            attempt,
            verdict: Verdict::Failed,
            exit: Some(1),
            evidence: vec![Fact::Service {
                node: "aixmn2".to_owned(),
                service: "postgresql".to_owned(),
                running: Tri::Yes,
                at_boot: Tri::Unknown,
            }],
            why: "the server did not promote in time".to_owned(),
            output: Digest::of(&odd.to_le_bytes()),
            tail: "waiting for server to promote.... stopped waiting\n".to_owned(),
        },
    }
}

/// The record after `prev`.
pub fn record_after(prev: Option<&Record>, run: RunId) -> Record {
    let seq = Seq(prev.map_or(0, |p| p.seq.0 + 1));
    Record::next(prev, run, UnixMillis(1_769_830_500_000 + seq.0), payload(run, seq))
}

/// A chain of `n` records.
pub fn records(run: RunId, n: usize) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::with_capacity(n);
    for _ in 0..n {
        let next = record_after(all.last(), run);
        all.push(next);
    }
    all
}

/// Runs a future on a runtime of its own.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

pub fn open(dir: &StateDir) -> GuardedStore {
    GuardedStore::open(dir, &holder()).expect("the journal opens")
}

pub fn commit_all(store: &dyn Store, records: &[Record]) {
    wait(async {
        for record in records {
            store.commit(record).await.expect("a commit");
        }
    });
}

pub fn read(store: &dyn Store, run: RunId) -> Result<Vec<Record>, StoreError> {
    wait(store.read(run))
}

/// A fresh journal with `n` records of [`RUN`], closed again.
pub fn journal_of(n: usize) -> (tempfile::TempDir, StateDir, Vec<Record>) {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = StateDir::new(temp.path().join("hamn"));
    let records = records(RUN, n);
    commit_all(&open(&dir), &records);
    (temp, dir, records)
}

/// Opens, and takes for granted that every record is there and the copies agree afterwards.
pub fn reopen_whole(dir: &StateDir, records: &[Record]) -> Vec<Repair> {
    let store = open(dir);
    assert_eq!(read(&store, RUN).expect("readable"), records, "repairs: {:?}", store.repairs());
    let repairs = store.repairs().to_vec();
    drop(store);
    assert_eq!(open(dir).repairs(), [], "a repaired journal needs no repair");
    repairs
}

/// The same journal somewhere else, to be damaged there.
pub fn copy_of(dir: &StateDir) -> (tempfile::TempDir, StateDir) {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("a directory");
        for entry in fs::read_dir(from).expect("readable") {
            let entry = entry.expect("readable");
            let to = to.join(entry.file_name());
            if entry.file_type().expect("a type").is_dir() {
                copy(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).expect("copied");
            }
        }
    }
    let temp = tempfile::tempdir().expect("a directory");
    let to = temp.path().join("hamn");
    copy(dir.root(), &to);
    (temp, StateDir::new(to))
}

/// Every file under a directory with its contents.
pub fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            all.extend(contents(&path));
            all.push((path, Vec::new()));
        } else {
            let bytes = fs::read(&path).expect("readable");
            all.push((path, bytes));
        }
    }
    all.sort();
    all
}

/// Offsets at which `needle` is in a file.
pub fn find_all(path: &Path, needle: &[u8]) -> Vec<u64> {
    let bytes = fs::read(path).expect("readable");
    bytes.windows(needle.len()).enumerate().filter(|(_, w)| *w == needle).map(|(at, _)| at as u64).collect()
}

/// Damages one record in the mirror, or wherever sled keeps it.
pub fn damage(file: &Path, record: &Record) {
    let frame = record.encode().expect("encodes");
    let own = find_all(file, &frame);
    assert!(!own.is_empty(), "record {} is in {}", record.seq, file.display());
    for at in own {
        flip(file, at + frame.len() as u64 / 2, 3);
    }
}

/// Flips a bit of a file.
pub fn flip(path: &Path, at: u64, bit: u8) {
    let file = File::options().read(true).write(true).open(path).expect("the file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte there");
    file.write_all_at(&[byte[0] ^ (1 << bit)], at).expect("written");
}

/// A process that commits records of [`RUN`] until it is killed, and says after each commit which one.
pub struct Writer {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Writer {
    /// Starts this test program again as a writer; `test` is the name of the test that calls [`be_writer`].
    pub fn start(test: &str, dir: &StateDir) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(WRITER, dir.root())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a writer");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, lines }
    }

    /// Waits for the next acknowledged record; `None` when the writer has ended.
    pub fn next(&mut self) -> Option<Seq> {
        self.lines.by_ref().find_map(|line| {
            // The test harness writes onto the same line.
            let line = line.ok()?;
            line.rsplit_once("acknowledged ").and_then(|(_, seq)| seq.parse().ok()).map(Seq)
        })
    }

    /// SIGKILL; returns the last record that was acknowledged before or while it died.
    pub fn kill(mut self, last: Option<Seq>) -> Option<Seq> {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited for");
        let mut last = last;
        while let Some(seq) = self.next() {
            last = Some(seq);
        }
        last
    }
}

/// In a writer process: never returns. Else: does nothing.
pub fn be_writer() {
    let Some(dir) = std::env::var_os(WRITER) else { return };
    let store = open(&StateDir::new(PathBuf::from(dir)));
    let mut last = read(&store, RUN).expect("readable").pop();
    let mut out = std::io::stdout();
    loop {
        let record = record_after(last.as_ref(), RUN);
        if let Err(e) = wait(store.commit(&record)) {
            let _ = writeln!(out, "failed: {e}");
            std::process::exit(1);
        }
        if writeln!(out, "acknowledged {}", record.seq).and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
        last = Some(record);
    }
}
