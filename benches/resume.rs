//! How long a resumed runner needs from opening its journal of 10,000 records to its first remote command. The journal is on the real
//! disk under the temporary directory, and in its files' cache: its machine has just written it.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/simulated/stage.rs"]
mod stage;

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use hamn::{
    engine::{Ending, Engine, Patience, Plans, Stop, SystemClock},
    journal::{GuardedStore, Holder, StateDir, transfer},
    remote::{Answer, Failure, Job, Remote},
    runner::Hub,
};
use journal_schema::{Attempt, Payload, Record, RunState, Token, UnixMillis, Verdict};
use lab::sim::World;
use tokio::sync::Notify;
use workflows::{
    Output, Place, Script, Workflow,
    model::{NodeId, Pair},
};

/// Records of the journal.
const RECORDS: usize = 10_000;
/// Runs measured.
const ROUNDS: usize = 21;
/// The look that was tried over and over before hamn died: the last before the pivot that waits for the world.
const LOOK: &str = "promote.address-free";

fn main() {
    let pair = Arc::new(lab::sample::pair());
    let workflow =
        Arc::new(workflows::registry::by_name(workflows::model::Flavour::Postgres, "failover").expect("the workflow"));
    let records = unfinished(&pair, &workflow);
    let temp = tempfile::tempdir().expect("a directory");
    let dir = StateDir::new(temp.path().join("hamn"));
    write(&dir, &records);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let times: Vec<Took> = (0..ROUNDS).map(|_| runtime.block_on(resume(&dir, &pair, &workflow))).collect();
    let millis = |part: fn(&Took) -> Duration| {
        let mut all: Vec<Duration> = times.iter().map(part).collect();
        all.sort_unstable();
        all[all.len() / 2].as_secs_f64() * 1e3
    };
    println!("resume_to_first_command_ms {:.1} ms (aim <= 50)", millis(|t| t.total));
    println!(
        "resume_open_ms {:.1} ms (aim none: of it, opening the journal and comparing its copies)",
        millis(|t| t.open)
    );
    println!("resume_journal_bytes {} bytes (aim none: what is read)", size(dir.root()));
}

/// The records of a failover that was cut off before its pivot, after one look had been tried until there were enough of them.
fn unfinished(pair: &Arc<Pair>, workflow: &Arc<Workflow>) -> Vec<Record> {
    let mut world = World::healthy(pair);
    world.advance(60_000);
    world.half_dead(NodeId::A);
    let stage = stage::Stage::new(world, pair.clone(), workflow.clone(), NodeId::B, stage::Script::default());
    assert_eq!(stage.program(stage::Do::Start), Some(Ending::Done), "the run from which the records are");
    let whole = stage.records();
    let is_look = |r: &Record| matches!(&r.payload, Payload::Outcome { step, .. } if step == LOOK);
    let at = whole.iter().position(is_look).expect("a failover looks whether the address is free");
    let look = &whole[at].payload;
    let mut records = whole[..at].to_vec();
    let mut folded = RunState::fold(&records).expect("legal");
    for attempt in 1.. {
        if records.len() == RECORDS {
            break;
        }
        let last = records.last().expect("not empty");
        let record = Record::next(Some(last), last.run, UnixMillis(last.at.0 + 1), failed(look, Attempt(attempt)));
        folded.apply(&record).expect("legal");
        records.push(record);
    }
    records
}

/// The same look, without success.
fn failed(look: &Payload, number: Attempt) -> Payload {
    let mut payload = look.clone();
    if let Payload::Outcome { attempt, verdict, why, .. } = &mut payload {
        *attempt = number;
        *verdict = Verdict::Failed;
        "somebody answers for the service address".clone_into(why);
    }
    payload
}

/// Writes the journal: the mirror, from which the other copy is made when it is opened.
fn write(dir: &StateDir, records: &[Record]) {
    drop(GuardedStore::open(dir, &holder()).expect("opens"));
    fs::write(dir.mirror(), transfer::to_frames(records).expect("encodes")).expect("written");
    drop(GuardedStore::open(dir, &holder()).expect("is mended"));
    assert_eq!(GuardedStore::open(dir, &holder()).expect("opens").repairs(), [], "both copies are whole");
}

fn holder() -> Holder {
    Holder { operator: stage::operator(), purpose: "a bench".to_owned(), since: UnixMillis(0) }
}

/// How long it took.
struct Took {
    /// Until the journal was open.
    open: Duration,
    /// Until the first remote call.
    total: Duration,
}

/// What `hamn runner` does for `hamn resume`, to its first remote call.
async fn resume(dir: &StateDir, pair: &Arc<Pair>, workflow: &Arc<Workflow>) -> Took {
    let began = Instant::now();
    let (store, taken) = GuardedStore::open_for(dir, &holder(), stage::RUN).expect("opens");
    let open = began.elapsed();
    let taken = taken.expect("the run is there");
    let (store, hub) = (Arc::new(store), Hub::new(taken.records));
    let remote = Arc::new(FirstCall::default());
    let engine = Engine {
        store,
        remote: remote.clone(),
        clock: Arc::new(SystemClock),
        observer: hub,
        asker: Arc::new(stage::Careful::default()),
        pair: pair.clone(),
        workflow: workflow.clone(),
        patience: Patience::default(),
        stop: Stop::default(),
        plans: Plans::default(),
    };
    // The engine is dropped at its first call, as if killed: the next round finds the same run, one record longer.
    tokio::select! {
        ending = engine.resume_from(taken.state, stage::operator()) => panic!("it ended without a remote call: {ending:?}"),
        () = remote.called.notified() => {}
    }
    let first = remote.first.lock().expect("no panic holds this lock").expect("noted before it is told");
    Took { open, total: first - began }
}

/// Notes when it is called first; never answers.
#[derive(Default)]
struct FirstCall {
    first: Mutex<Option<Instant>>,
    called: Notify,
}

impl FirstCall {
    async fn call<T>(&self) -> T {
        self.first.lock().expect("no panic holds this lock").get_or_insert_with(Instant::now);
        self.called.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Remote for FirstCall {
    async fn observe(&self, _: Place, _: &Script, _: Duration) -> Result<Output, Failure> {
        self.call().await
    }

    async fn run(&self, _: Place, _: Job<'_>, _: Duration) -> Result<Answer, Failure> {
        self.call().await
    }

    async fn ask(&self, _: Place, _: &Token, _: Duration) -> Result<Answer, Failure> {
        self.call().await
    }

    async fn revoke(&self, _: Place, _: &Token) -> Result<Answer, Failure> {
        self.call().await
    }

    async fn peek(&self, _: Place, _: &Token) -> Result<String, Failure> {
        self.call().await
    }

    fn at(&self, _: Place) -> String {
        "admin".to_owned()
    }
}

/// Bytes below a folder.
fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).expect("readable").map(|e| e.expect("readable"));
    entries
        .map(|e| {
            let meta = e.metadata().expect("readable");
            if meta.is_dir() { size(&e.path()) } else { meta.len() }
        })
        .sum()
}
