//! What a look and a job cost through the real remote over ssh on loopback: `cargo bench --bench remote`. Needs root and sshd.
#![allow(clippy::print_stdout, reason = "figures are for people")]

#[path = "../tests/sshd/mod.rs"]
mod sshd;

use std::time::{Duration, Instant};

use hamn::remote::{Answer, Fleet, Here, Job, Remote};
use journal_schema::{Attempt, Direction, RunId, Token};
use workflows::{Command, Place, Script, model::NodeId};

const ROUNDS: u32 = 40;
const NODE: Place = Place::Node(NodeId::A);
const LIMIT: Duration = Duration::from_secs(30);

fn main() {
    if !sshd::possible() {
        println!("SKIPPED: a real sshd cannot be started here");
        return;
    }
    tokio::runtime::Runtime::new().expect("a runtime").block_on(measure());
}

async fn measure() {
    let place = sshd::Place::new();
    let _listener = place.listen("127.0.0.1", "");
    let here = Here {
        node: None,
        state_dir: place.dir.path().join("state"),
        identity_file: Some(place.identity.clone()),
        connect_timeout_s: 5,
    };
    let fleet = Fleet::new(&place.pair(&["127.0.0.1"]), &here).expect("a fleet");
    let script = Script::new().run(Command::new(["true"]));
    let began = Instant::now();
    fleet.observe(NODE, &script, LIMIT).await.expect("an answer");
    let connect = began.elapsed();

    let mut looks = Vec::new();
    let mut jobs = Vec::new();
    for n in 0..ROUNDS {
        let began = Instant::now();
        fleet.observe(NODE, &script, LIMIT).await.expect("an answer");
        looks.push(began.elapsed());
        let token = Token::new(RunId(1), "bench", Direction::Forward, Attempt(n));
        let began = Instant::now();
        let answer = fleet.run(NODE, Job { token: &token, script: &script, epoch: 1 }, LIMIT).await;
        jobs.push(began.elapsed());
        assert!(matches!(answer, Ok(Answer::Finished(_))), "{answer:?}");
    }
    println!("remote.connect {:.1} ms (aim <= 500, first look included)", connect.as_secs_f64() * 1e3);
    println!("remote.observe_latency_ms {:.1} ms (aim <= 50, median of {ROUNDS})", median(looks));
    println!(
        "remote.job_latency_ms {:.1} ms (aim <= 50, median of {ROUNDS}, three syncs to disk included)",
        median(jobs)
    );
}

/// Milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}
