//! Time and memory of folding and verifying a run of 100,000 records: `cargo bench -p journal-schema`.
//!
//! The records are written to a file by this process and folded by a second one, so that the peak is that of the fold alone.
#![allow(clippy::print_stdout, reason = "figures are for people")]

use std::{
    env, fs,
    io::{BufWriter, Write},
    process::Command,
    time::Instant,
};

use journal_schema::{
    Attempt, Digest, Direction, Fact, Frames, Kind, Mode, Operator, Payload, PlannedStep, Record, Refs, RunId,
    RunState, TableRow, Token, UnixMillis, Verdict,
};

const RECORDS: u64 = 100_000;
const RUN: RunId = RunId(1);

fn main() {
    // cargo gives `--bench`; the second process is given a file.
    match env::args().nth(1) {
        Some(path) if !path.starts_with("--") => fold(&path),
        _ => measure(),
    }
}

fn measure() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut out = BufWriter::new(file.as_file());
    let mut last: Option<Record> = None;
    let mut bytes = 0;
    for n in 0..RECORDS {
        let record = Record::next(last.as_ref(), RUN, UnixMillis(n), payload(n));
        let frame = record.encode().expect("small");
        bytes += frame.len() as u64;
        out.write_all(&frame).expect("written");
        last = Some(record);
    }
    out.flush().expect("written");
    println!("journal.record.mean {} bytes (aim none: of the records folded)", bytes / RECORDS);
    let this = env::current_exe().expect("own path");
    let status = Command::new(this).arg(file.path()).status().expect("started");
    assert!(status.success());
}

fn fold(path: &str) {
    let began = Instant::now();
    let bytes = fs::read(path).expect("read");
    let state = RunState::fold_frames(&bytes).expect("legal");
    let took = began.elapsed();
    assert_eq!(state.last.0.0, RECORDS - 1);
    println!("journal.fold_verify_100k {:.3} s (aim <= 1)", took.as_secs_f64());
    println!("journal.fold_verify_100k.peak {} MB (aim <= 64)", peak());
    drop(state);
    let records: Result<Vec<_>, _> = Frames::new(&bytes).map(|(_, r)| r).collect();
    let records = records.expect("whole");
    let began = Instant::now();
    RunState::fold(&records).expect("legal");
    println!("journal.fold_verify_100k.from_records {:.3} s (aim <= 1)", began.elapsed().as_secs_f64());
}

/// Largest resident size of this process, MB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// A run that starts, plans one transition of an observation and an effect, and tries both over and over.
fn payload(n: u64) -> Payload {
    let step = |id: &str, mode| PlannedStep {
        id: id.into(),
        title: format!("do {id}"),
        place: "mn2".into(),
        mode,
        stage: 0,
        undo: false,
        volatile: false,
        optional: false,
        script: Digest::default(),
    };
    let attempt = Attempt(n as u32 / 3);
    match n {
        0 => Payload::RunStarted {
            workflow: "failover".into(),
            refs: Refs { hamn_version: "0.1.0".into(), table: Digest::default(), plan: Digest::default() },
            table: vec![TableRow {
                from: "Requested".into(),
                transition: "assess".into(),
                to: "Assessed".into(),
                kind: Kind::Reversible,
            }],
            initial: "Requested".into(),
            goal: "Assessed".into(),
            config: "name = \"practice\"\n".repeat(100),
            request: "{}".into(),
            operator: Operator { name: "erika".into(), host: "adm1".into(), terminal: "-".into() },
        },
        1 => Payload::Planned {
            transition: "assess".into(),
            steps: vec![step("assess.look", Mode::Observe), step("assess.try", Mode::Idempotent)],
            guard: "always".into(),
        },
        2 => outcome("assess.look", Attempt(1), Verdict::Succeeded),
        _ => match n % 3 {
            0 => Payload::Intent {
                step: "assess.try".into(),
                direction: Direction::Forward,
                attempt,
                token: Token::new(RUN, "assess.try", Direction::Forward, attempt),
                at: "mn2".into(),
                script: "'/usr/sbin/ip' '-4' '-o' 'addr' 'show'\n".repeat(5),
            },
            1 => outcome("assess.try", attempt, Verdict::Failed),
            _ => outcome("assess.look", Attempt(attempt.0 + 1), Verdict::Succeeded),
        },
    }
}

fn outcome(step: &str, attempt: Attempt, verdict: Verdict) -> Payload {
    Payload::Outcome {
        step: step.into(),
        direction: Direction::Forward,
        attempt,
        verdict,
        exit: Some(0),
        evidence: vec![Fact::Epoch { node: "mn2".into(), epoch: 7 }],
        why: "all commands exited 0".into(),
        output: Digest::default(),
        tail: "2: eth0    inet 192.0.2.11/24 brd 192.0.2.255 scope global eth0\n".into(),
    }
}
