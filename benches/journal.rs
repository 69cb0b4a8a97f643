//! Figures of the journal, on a real disk under the temporary directory. One line each: `name value unit (aim …)`.
//!
//! Costs of durability are given as ratios to a plain append with fdatasync, measured in turn with it on the same disk, so
//! that they can be compared between machines.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../tests/journal_common/mod.rs"]
mod journal_common;

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use hamn::journal::{MemoryStore, PlainStore, ReadOnly, StateDir, Store, transfer};
use journal_common::{RUN, holder, open, record_after, records, wait};
use journal_schema::Record;

/// Set for the process whose memory is measured.
const MEASURED: &str = "HAMN_BENCH_JOURNAL_VERIFY";

/// Records of the ratios.
const COMMITS: usize = 600;

fn main() {
    if let Some(dir) = std::env::var_os(MEASURED) {
        return verify_and_fold(PathBuf::from(dir));
    }
    ratios();
    memory_store();
    large_journal();
}

fn figure(name: &str, value: f64, unit: &str, aim: &str) {
    let digits = if value < 10.0 { 2 } else { 0 };
    println!("{name} {value:.digits$} {unit} (aim {aim})");
}

/// What a commit costs, as a multiple of appending the same bytes to a plain file and syncing it.
fn ratios() {
    let temp = tempfile::tempdir().expect("a directory");
    let guarded = open(&StateDir::new(temp.path().join("guarded")));
    let plain = PlainStore::open(&StateDir::new(temp.path().join("plain")), &holder()).expect("opens");
    let mut file = File::options().append(true).create(true).open(temp.path().join("floor")).expect("a file");
    let mut floor = |record: &Record| {
        file.write_all(&record.encode().expect("encodes")).expect("written");
        file.sync_data().expect("synced");
    };
    let all = records(RUN, COMMITS);
    let mut times: [Vec<Duration>; 3] = Default::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    // In turn, record by record, so that the load of the machine meets all three alike.
    for record in &all {
        times[0].push(timed(|| floor(record)));
        times[1].push(timed(|| runtime.block_on(plain.commit(record)).expect("a commit")));
        times[2].push(timed(|| runtime.block_on(guarded.commit(record)).expect("a commit")));
    }
    let [floor, plain, guarded] = times.map(median);
    figure("journal_fdatasync_floor", floor * 1e6, "us", "none: append and fdatasync of a plain file");
    figure("journal_plain_ratio", plain / floor, "x", "none: the mirror alone");
    figure("journal_commit_ratio", guarded / floor, "x", "<= 2.0, at most 3");
    figure("journal_commit_median", guarded * 1e6, "us", "none: both copies");
}

/// The store of the simulation: a hundred thousand histories of some hundred records a minute are wanted.
fn memory_store() {
    let all = records(RUN, 100);
    let rounds = 200;
    let took = timed(|| {
        for _ in 0..rounds {
            let store = MemoryStore::new();
            wait(async {
                for record in &all {
                    store.commit(record).await.expect("a commit");
                }
            });
        }
    });
    figure("journal_memory_commit", took.as_secs_f64() * 1e9 / f64::from(rounds * 100), "ns", "<= 2000");
}

/// Opening, verifying and folding journals of 10,000 and 100,000 records.
fn large_journal() {
    let temp = tempfile::tempdir().expect("a directory");
    for count in [10_000, 100_000] {
        let dir = StateDir::new(temp.path().join(count.to_string()));
        drop(open(&dir));
        write_mirror(&dir, count);
        // Makes sled from the mirror.
        drop(open(&dir));
        let took = (0..5).map(|_| timed(|| drop(open(&dir)))).collect();
        figure(&format!("journal_open_{count}"), median(took) * 1e3, "ms", "none: both copies read and compared");
    }
    let dir = temp.path().join("100000");
    let output =
        Command::new(std::env::current_exe().expect("this program")).env(MEASURED, &dir).output().expect("ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

/// Writes a run of `count` records where the mirror is, without a sync each.
fn write_mirror(dir: &StateDir, count: usize) {
    let mut file = std::io::BufWriter::new(File::create(dir.mirror()).expect("a file"));
    let mut last: Option<Record> = None;
    for _ in 0..count {
        let record = record_after(last.as_ref(), RUN);
        file.write_all(&transfer::to_frames(std::slice::from_ref(&record)).expect("encodes")).expect("written");
        last = Some(record);
    }
    file.flush().expect("written");
}

/// In a process of its own, for its memory: reads both copies, compares them, checks the chain and folds the run.
fn verify_and_fold(dir: PathBuf) {
    let mut records = 0;
    let took = timed(|| {
        let report = ReadOnly::open(&StateDir::new(dir)).expect("readable").verify();
        assert!(report.is_sound(), "{:?}", report.runs.first().and_then(|r| r.illegal.clone()));
        records = report.runs.iter().map(|r| r.records).sum();
    });
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("a peak");
    let kib: f64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    figure(&format!("journal_verify_fold_{records}"), took.as_secs_f64(), "s", "<= 1");
    figure(&format!("journal_verify_fold_{records}_peak"), kib / 1024.0, "MB", "<= 64");
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Seconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}
