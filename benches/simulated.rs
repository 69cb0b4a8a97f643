//! How many whole histories of the simulated ring a minute has: the campaign of tests/simulated, its checks included, on all processors.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]
#![allow(clippy::similar_names, reason = "a case and what came of it")]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/simulated/campaign.rs"]
mod campaign;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/simulated/judge.rs"]
mod judge;
#[path = "../tests/simulated/promises.rs"]
mod promises;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/simulated/random.rs"]
mod random;
#[allow(dead_code, unused_imports, reason = "the tests use the rest")]
#[path = "../tests/simulated/silence.rs"]
mod silence;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/simulated/stage.rs"]
mod stage;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/simulated/tally.rs"]
mod tally;

use std::time::{Duration, Instant};

/// The engine makes and drops many small texts; what is measured is the histories, not how well the system does that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Histories run together.
const BATCH: u64 = 2_000;
/// So many are enough, unless `HAMN_HISTORIES` says how many.
const ENOUGH: u64 = 100_000;
/// No batch begins later than this.
const LONGEST: Duration = Duration::from_secs(60);

/// Processor time of this process, milliseconds: user and system, in hundredths of a second.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0
}

fn main() {
    // Other histories than those of the tests, so that a minute spent here finds something, too.
    let mut seed = 1_000_000;
    let began = Instant::now();
    let mut ends = random::Ends::new();
    let first = seed;
    let enough = std::env::var("HAMN_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(ENOUGH);
    while seed < first + enough && began.elapsed() < LONGEST {
        for (case, tally) in random::random(seed, BATCH) {
            ends.entry(case).or_default().add(tally);
        }
        seed += BATCH;
    }
    let took = began.elapsed().as_secs_f64();
    let histories: u64 = ends.values().map(tally::Tally::histories).sum();
    let done: u64 = ends.values().map(|tally| tally.done).sum();
    println!("histories_per_minute {:.0} histories (aim >= 100000)", histories as f64 * 60.0 / took);
    // What others do on the machine changes this figure little.
    println!("history_cpu_ms {:.2} ms (aim none: processor time of one history)", cpu_ms() / histories as f64);
    println!("histories_done {:.1} % (aim >= 90, the others stop and say why)", done as f64 * 100.0 / histories as f64);
}
