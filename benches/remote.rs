//! What a look and a job cost through the real remote over ssh on loopback, beside the floor: a plain `ssh HOST true` over a
//! connection that is open. `cargo bench --bench remote`. Needs root and sshd.
#![allow(clippy::print_stdout, reason = "figures are for people")]

#[path = "../tests/sshd/mod.rs"]
mod sshd;

use std::{
    path::PathBuf,
    process::{Command as Process, Stdio},
    time::{Duration, Instant},
};

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

    let plain = Plain::open(&place);
    let (mut floor, mut looks, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
    // In turns: what else the machine does weighs on all three alike.
    for n in 0..ROUNDS {
        let began = Instant::now();
        plain.call();
        floor.push(began.elapsed());
        let began = Instant::now();
        fleet.observe(NODE, &script, LIMIT).await.expect("an answer");
        looks.push(began.elapsed());
        let token = Token::new(RunId(1), "bench", Direction::Forward, Attempt(n));
        let began = Instant::now();
        let answer = fleet.run(NODE, Job { token: &token, script: &script, epoch: 1 }, LIMIT).await;
        jobs.push(began.elapsed());
        assert!(matches!(answer, Ok(Answer::Finished(_))), "{answer:?}");
    }
    let (floor, look, job) = (median(floor), median(looks), median(jobs));
    println!("remote.connect {:.1} ms (aim <= 1000, first look included)", connect.as_secs_f64() * 1e3);
    println!("remote.plain_ssh_latency_ms {floor:.1} ms (aim none: the floor, median of {ROUNDS})");
    println!("job_latency_ms.observe {look:.1} ms (aim <= 1.5 times the floor)");
    println!("job_latency_ms.job {job:.1} ms (aim <= 2 times the floor, three syncs to disk included)");
    println!("remote.observe_to_plain_ssh {:.2} ratio (aim <= 1.5)", look / floor);
    println!("remote.job_to_plain_ssh {:.2} ratio (aim <= 2)", job / floor);
}

/// A connection as a person would open one, for comparison.
struct Plain {
    port: u16,
    identity: PathBuf,
    socket: PathBuf,
}

impl Plain {
    fn open(place: &sshd::Place) -> Self {
        let plain = Self { port: place.port, identity: place.identity.clone(), socket: place.dir.path().join("plain") };
        assert!(plain.ssh(&["-M", "-f", "-N", "-o", "ControlPersist=yes"], &[]), "connected");
        plain
    }

    fn call(&self) {
        assert!(self.ssh(&[], &["true"]), "an answer");
    }

    fn ssh(&self, options: &[&str], command: &[&str]) -> bool {
        let mut ssh = Process::new("ssh");
        ssh.args(["-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        ssh.args(["-o", "LogLevel=ERROR", "-p", &self.port.to_string(), "-i"]).arg(&self.identity);
        ssh.arg("-S").arg(&self.socket).args(options).arg("root@127.0.0.1").args(command);
        ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        ssh.status().expect("ssh").success()
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.ssh(&["-O", "exit"], &[]);
    }
}

/// Milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}
