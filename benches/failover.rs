//! A whole failover of the real pair, beside the same commands in a hand-written script: `by-hand.sh`, over one multiplexed ssh
//! connection. In turns, each on a fresh practice cluster whose primary has just lost its power, each begun on the admin host, while
//! a client on a compute node writes through the service address. Needs root and what `hamn lab` needs.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use hamn::config::{self, Config, Local};
use lab::hosts::{
    DATABASE, DATABASE_PASSWORD, Lab, Machine, Options, Output, PowerAction, ROLE, SERVICE_ADDRESS, preflight, scratch,
};
use serde_json::Value;

/// Failovers of each kind.
const ROUNDS: usize = 3;
/// Longest wait for a failover, and for the client.
const LIMIT: Duration = Duration::from_secs(300);
/// The same by hand.
const BY_HAND: &str = include_str!("by-hand.sh");
/// On the client: a line a write that was acknowledged, with its time in nanoseconds. A try that hangs is given up, so that the gap
/// is not longer than the outage by the patience of a library.
const CLIENT: &str = r#"
export PGPASSWORD="$1" PGCONNECT_TIMEOUT=2
rm -f /tmp/bench.written
cd /tmp
(
    trap '' HUP
    while :; do
        timeout 1 psql -XAtq -h "$2" -U "$3" -d "$4" -c "INSERT INTO site (key, value) VALUES ('bench.$(date +%s%N)', 'x')" &&
            date +%s%N >>/tmp/bench.written
        sleep 0.02
    done
) </dev/null >/dev/null 2>&1 &
"#;

fn main() {
    if let Err(e) = preflight() {
        println!("SKIPPED: {}", e.to_string().replace('\n', " "));
        return;
    }
    Lab::sweep(&base()).expect("what killed benches left behind is removed");
    let (mut hamn, mut hand) = (Vec::new(), Vec::new());
    // In turns: what else the machine does weighs on both alike.
    for _ in 0..ROUNDS {
        hamn.push(round(by_hamn));
        hand.push(round(by_hand));
    }
    let seconds = |all: &[Took], part: fn(&Took) -> Duration| {
        let mut all: Vec<f64> = all.iter().map(|t| part(t).as_secs_f64()).collect();
        all.sort_unstable_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let (run, script) = (seconds(&hamn, |t| t.run), seconds(&hand, |t| t.run));
    println!("failover_seconds {run:.2} s (aim none: from the run's first record to its last, median of {ROUNDS})");
    println!("failover_by_hand_seconds {script:.2} s (aim none: the floor, median of {ROUNDS})");
    println!("failover_ratio {:.2} x (aim <= 1.0)", run / script);
    println!(
        "failover_command_seconds {:.2} s (aim none: the command, the look before consent included)",
        seconds(&hamn, |t| t.command)
    );
    println!(
        "service_gap_seconds {:.2} s (aim none: from the last write before the power cut to the first after it)",
        seconds(&hamn, |t| t.gap)
    );
    println!("service_gap_by_hand_seconds {:.2} s (aim none: the same)", seconds(&hand, |t| t.gap));
}

/// What a failover took.
struct Took {
    /// The failover.
    run: Duration,
    /// The command that did it, from its start to its end.
    command: Duration,
    /// How long the client could not write.
    gap: Duration,
}

fn base() -> PathBuf {
    scratch().join("bench-failover")
}

/// A cluster, its primary's power cut, a failover; what `failover` returns is how long it took by its own account.
fn round(failover: fn(&Lab) -> (Option<Duration>, Duration)) -> Took {
    let options = Options { dir: base().join("pair"), tied: true, ..Options::new(env!("CARGO_BIN_EXE_hamn")) };
    let lab = Lab::up(&options).unwrap_or_else(|e| panic!("{e}"));
    configure(&lab);
    // As the lab's hosts know each other; the first connection is not the one that is measured.
    ok(&lab, Machine::Admin, &["ssh", "-o", "BatchMode=yes", Machine::Mn2.name(), "true"]);
    ok(&lab, Machine::Cn01, &["sh", "-c", CLIENT, "client", DATABASE_PASSWORD, SERVICE_ADDRESS, ROLE, DATABASE]);
    until("the client's writes", || writes(&lab).len() > 5);
    lab.power(Machine::Mn1, PowerAction::Off).unwrap_or_else(|e| panic!("{e}"));
    let cut = nanos(&ok(&lab, Machine::Cn01, &["date", "+%s%N"]));
    let (run, command) = failover(&lab);
    until("a write after the failover", || writes(&lab).iter().any(|at| *at > cut));
    let written = writes(&lab);
    let before = written.iter().filter(|at| **at <= cut).max().expect("the client wrote before");
    let after = written.iter().filter(|at| **at > cut).min().expect("the client writes again");
    assert!(ok(&lab, Machine::Mn2, &["ip", "-o", "-4", "addr", "show"]).contains(SERVICE_ADDRESS), "mn2 is in service");
    let gap = Duration::from_nanos(after - before);
    lab.down().unwrap_or_else(|e| panic!("{e}"));
    Took { run: run.unwrap_or(command), command, gap }
}

/// `hamn run failover`; its own account is the time between the first and the last record of its journal.
fn by_hamn(lab: &Lab) -> (Option<Duration>, Duration) {
    let run = ["hamn", "run", "failover", "--target", Machine::Mn2.name()];
    let shown = ok(lab, Machine::Admin, &[&run[..], &["--dry-run"]].concat());
    let plan = shown.lines().find_map(|l| l.strip_prefix("Plan ")).expect("a plan's id").trim().to_owned();
    let began = Instant::now();
    let consent = ["--yes", "--accept-unknown-loss", "--plan", &plan];
    ok(lab, Machine::Admin, &[&run[..], &consent].concat());
    let command = began.elapsed();
    let journal = ok(lab, Machine::Admin, &["hamn", "journal", "export"]);
    let records: Vec<Value> = journal.lines().map(|l| serde_json::from_str(l).expect("a record")).collect();
    let (first, last) = (records.first().expect("records"), records.last().expect("records"));
    assert!(last["payload"]["Finished"].is_object(), "the last record is another: {last}");
    let at = |record: &Value| record["at"].as_u64().expect("a time");
    (Some(Duration::from_millis(at(last) - at(first))), command)
}

fn by_hand(lab: &Lab) -> (Option<Duration>, Duration) {
    lab.put(Machine::Admin, "/root/by-hand.sh", 0o700, BY_HAND).unwrap_or_else(|e| panic!("{e}"));
    let pair = lab::hosts::config(lab);
    let version = pair.postgres().control.get(1).expect("pg_ctlcluster VERSION main ACTION");
    let began = Instant::now();
    ok(lab, Machine::Admin, &["/root/by-hand.sh", version]);
    (None, began.elapsed())
}

/// Writes the configuration that an operator would have written.
fn configure(lab: &Lab) {
    let local = Local {
        state_dir: config::DEFAULT_STATE_DIR.into(),
        identity_file: None,
        connect_timeout_s: 3,
        patience_s: 900,
    };
    let text = Config { pair: lab::hosts::config(lab), local }.to_toml();
    lab.put(Machine::Admin, "/etc/hamn/hamn.toml", 0o600, &text).unwrap_or_else(|e| panic!("{e}"));
}

/// Times of the client's acknowledged writes, nanoseconds.
fn writes(lab: &Lab) -> Vec<u64> {
    let text = ok(lab, Machine::Cn01, &["sh", "-c", "cat /tmp/bench.written 2>/dev/null || :"]);
    text.lines().map(nanos).collect()
}

fn nanos(text: &str) -> u64 {
    text.trim().parse().expect("nanoseconds")
}

/// Standard output of a command that must succeed.
fn ok(lab: &Lab, machine: Machine, argv: &[&str]) -> String {
    let output: Output = lab.exec_within(machine, LIMIT, argv).unwrap_or_else(|e| panic!("{e}"));
    assert!(output.ok(), "{machine}: {argv:?}: {:?}\n{}\n{}", output.exit, output.stdout, output.stderr);
    output.stdout
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < end, "waited for {what} in vain");
        thread::sleep(Duration::from_millis(50));
    }
}
