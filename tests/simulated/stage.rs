//! One history: a world, a fate, programs that follow each other until the run has ended.

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use hamn::{
    engine::{Answer, Asker, Clock, Ending, Engine, Event, Observer, Patience, Plans, Question, Start, Stop},
    journal::{MemoryStore, Store, StoreError},
    remote::simulated::{Fate, Jobs, Life, Mishap, Scene, Simulated, SimulatedClock},
};
use journal_schema::{Digest, Operator, Payload, Record, RunId, RunState, Token, UnixMillis};
use lab::sim::{Strike, World};
use workflows::{Request, Workflow, model::NodeId, model::Pair};

/// What happens to a commit of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// hamn dies before the record is written.
    DieBefore,
    /// The record is durable, hamn dies before it hears of it.
    DieAfter,
    /// The disk is full.
    Full,
    /// Said to be durable, and written with the next record only: a journal that lies, for the watch to see.
    Late,
}

/// A scripted fate: mishaps by number of call, by number of commit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    pub(crate) calls: Vec<(u64, Mishap)>,
    pub(crate) commits: Vec<(u64, Ink)>,
    /// What strikes the world: so many milliseconds after the beginning of a call.
    pub(crate) strikes: Vec<(u64, u64, Strike)>,
    /// While set, no place is reached.
    pub(crate) silent: Arc<AtomicBool>,
    /// How far the wall clock of hamn's machine leaps ahead each time that it is read, milliseconds.
    pub(crate) leap_ms: u64,
}

impl Script {
    /// A machine is rebooted.
    pub(crate) fn reboots(&self) -> bool {
        self.calls.iter().any(|(_, mishap)| matches!(mishap, Mishap::RebootAfter(_)))
    }

    /// Nothing happens but that calls reach their place twice.
    pub(crate) fn only_repeats(&self) -> bool {
        self.calls.iter().all(|(_, mishap)| *mishap == Mishap::Twice)
            && self.commits.is_empty()
            && self.strikes.is_empty()
    }
}

impl Fate for Script {
    fn call(&self, n: u64) -> Option<Mishap> {
        if self.silent.load(Ordering::Relaxed) {
            return Some(Mishap::Refuse);
        }
        self.calls.iter().find(|(at, _)| *at == n).map(|(_, m)| *m)
    }

    fn strikes(&self, n: u64) -> Vec<(u64, Strike)> {
        self.strikes.iter().filter(|(at, ..)| *at == n).map(|(_, ms, strike)| (*ms, *strike)).collect()
    }
}

/// A wall clock that is set while hamn works.
struct Wound {
    clock: SimulatedClock,
    leap_ms: u64,
    ahead_ms: AtomicU64,
}

#[async_trait]
impl Clock for Wound {
    fn now(&self) -> UnixMillis {
        let ahead = self.ahead_ms.fetch_add(self.leap_ms, Ordering::Relaxed);
        UnixMillis(self.clock.now().0 + ahead)
    }

    fn steady(&self) -> Duration {
        self.clock.steady()
    }

    async fn sleep(&self, pause: Duration) {
        self.clock.sleep(pause).await;
    }
}

struct Paper {
    store: MemoryStore,
    life: Life,
    script: Arc<Script>,
    commits: Arc<AtomicU64>,
    /// What it only says it has written.
    late: Mutex<Vec<Record>>,
}

#[async_trait]
impl Store for Paper {
    async fn commit(&self, record: &Record) -> Result<(), StoreError> {
        self.life.go_on().await;
        let n = self.commits.fetch_add(1, Ordering::Relaxed);
        let ink = self.script.commits.iter().find(|(at, _)| *at == n).map(|(_, i)| *i);
        match ink {
            Some(Ink::DieBefore) => {
                self.life.end();
                self.life.go_on().await;
            }
            Some(Ink::Full) => return Err(StoreError::Full { path: "simulated".into() }),
            Some(Ink::Late) => {
                self.late.lock().unwrap().push(record.clone());
                return Ok(());
            }
            _ => {}
        }
        let late = std::mem::take(&mut *self.late.lock().unwrap());
        for record in &late {
            self.store.commit(record).await?;
        }
        self.store.commit(record).await?;
        if ink == Some(Ink::DieAfter) {
            self.life.end();
            self.life.go_on().await;
        }
        Ok(())
    }

    async fn runs(&self) -> Result<Vec<RunId>, StoreError> {
        self.store.runs().await
    }

    async fn read(&self, run: RunId) -> Result<Vec<Record>, StoreError> {
        self.life.go_on().await;
        self.store.read(run).await
    }

    async fn fold(&self, run: RunId) -> Result<Option<RunState>, StoreError> {
        self.life.go_on().await;
        self.store.fold(run).await
    }
}

struct Deaf;
impl Observer for Deaf {
    fn event(&self, _: &Event) {}

    fn listens(&self) -> bool {
        false
    }
}

/// An operator who never guesses: stops the run, and counts.
#[derive(Default)]
pub(crate) struct Careful(AtomicU64);

impl Careful {
    /// How often it was asked.
    pub(crate) fn asked(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Asker for Careful {
    async fn ask(&self, _: Question) -> Answer {
        self.0.fetch_add(1, Ordering::Relaxed);
        Answer { word: "stop".into(), why: String::new(), operator: operator() }
    }
}

pub(crate) fn operator() -> Operator {
    Operator { name: "root".into(), host: "admin".into(), terminal: "-".into() }
}

pub(crate) const RUN: RunId = RunId(0x0123_4567_89ab_cdef);

/// A scene with everything that outlives a program.
pub(crate) struct Stage {
    pub(crate) scene: Arc<Mutex<Scene>>,
    pub(crate) store: MemoryStore,
    pub(crate) calls: Arc<AtomicU64>,
    pub(crate) commits: Arc<AtomicU64>,
    pub(crate) script: Arc<Script>,
    pub(crate) violations: Arc<Mutex<Vec<String>>>,
    /// Consent and attestation.
    pub(crate) decisions: Vec<Payload>,
    /// Who is asked.
    pub(crate) asker: Arc<dyn Asker>,
    /// Jobs whose intent was found in the journal.
    intended: Arc<Mutex<BTreeSet<Token>>>,
    /// Called after every remote call.
    pub(crate) meddle: Arc<dyn Fn(&mut Scene) + Send + Sync>,
    /// What other programs planned; none: every program plans by itself.
    pub(crate) plans: Option<Plans>,
    /// What the program that comes next is given.
    pub(crate) pair: Arc<Pair>,
    /// See `pair`.
    pub(crate) workflow: Arc<Workflow>,
    target: NodeId,
}

/// What a program is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Do {
    Start,
    Resume,
    Rollback,
}

impl Stage {
    pub(crate) fn new(world: World, pair: Arc<Pair>, workflow: Arc<Workflow>, target: NodeId, script: Script) -> Self {
        Self {
            scene: Arc::new(Mutex::new(Scene { world, jobs: Jobs::default() })),
            store: MemoryStore::default(),
            calls: Arc::default(),
            commits: Arc::default(),
            script: Arc::new(script),
            violations: Arc::default(),
            decisions: Vec::new(),
            asker: Arc::new(Careful::default()),
            intended: Arc::default(),
            meddle: Arc::new(|_| {}),
            plans: None,
            pair,
            workflow,
            target,
        }
    }

    /// A program from its start to its end; `None`: it died.
    pub(crate) fn program(&self, what: Do) -> Option<Ending> {
        let life = Life::default();
        let (violations, meddle, store) = (self.violations.clone(), self.meddle.clone(), self.store.clone());
        let intended = self.intended.clone();
        if what == Do::Start {
            // What ran in this world before is of an earlier run, with a journal of its own.
            intended.lock().unwrap().extend(self.scene.lock().unwrap().jobs.ended().cloned());
        }
        let remote = Simulated::new(
            self.scene.clone(),
            life.clone(),
            self.script.clone(),
            self.calls.clone(),
            &self.pair,
            "admin",
            Box::new(move |scene| {
                meddle(scene);
                // Invariant 8, at the very moment: a later program would write the missing intent under the same token.
                let mut intended = intended.lock().unwrap();
                for token in scene.jobs.ended().filter(|token| !intended.contains(*token)).cloned().collect::<Vec<_>>()
                {
                    let of = |r: &Record| matches!(&r.payload, Payload::Intent { token: of, .. } if *of == token);
                    if !store.has(RUN, of) {
                        violations.lock().unwrap().push(format!("8: {token} ran before its intent was written"));
                    }
                    intended.insert(token);
                }
                let found = scene.world.violations();
                if !found.is_empty() {
                    violations.lock().unwrap().extend(found.iter().map(|v| format!("{}: {}", v.invariant, v.what)));
                }
            }),
        );
        let engine = Engine {
            store: Arc::new(Paper {
                store: self.store.clone(),
                life: life.clone(),
                script: self.script.clone(),
                commits: self.commits.clone(),
                late: Mutex::default(),
            }),
            remote: Arc::new(remote),
            clock: Arc::new(Wound {
                clock: SimulatedClock::new(self.scene.clone(), life),
                leap_ms: self.script.leap_ms,
                ahead_ms: AtomicU64::new(0),
            }),
            observer: Arc::new(Deaf),
            asker: self.asker.clone(),
            pair: self.pair.clone(),
            workflow: self.workflow.clone(),
            patience: Patience::default(),
            stop: Stop::default(),
            plans: self.plans.clone().unwrap_or_default(),
        };
        match what {
            Do::Start => poll_once(engine.start(Start {
                run: RUN,
                operator: operator(),
                request: Request {
                    target: self.target,
                    accept_unknown_loss: true,
                    accept_loss: None,
                    operator: "root".into(),
                    host: "admin".into(),
                },
                config: String::new(),
                plan: Digest::default(),
                decisions: self.decisions.clone(),
            })),
            Do::Resume => poll_once(engine.resume(RUN, operator())),
            Do::Rollback => poll_once(engine.rollback(RUN, operator(), "the test wants it")),
        }
    }

    /// Whether the run has a first record.
    pub(crate) fn begun(&self) -> bool {
        poll_once(self.store.runs()).is_some_and(|r| r.is_ok_and(|runs| !runs.is_empty()))
    }

    /// What the records come to.
    pub(crate) fn state(&self) -> Option<RunState> {
        poll_once(self.store.fold(RUN)).and_then(Result::ok).flatten()
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        poll_once(self.store.read(RUN)).and_then(Result::ok).unwrap_or_default()
    }
}

/// Nothing in the simulated world waits for anything but death, so one poll tells.
pub(crate) fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[allow(dead_code, reason = "for the eye when a history fails")]
pub(crate) fn story(records: &[Record]) -> String {
    records.iter().map(|r| format!("{:>4} {:?} {:?}\n", r.seq.0, r.at.0, r.payload)).collect::<Vec<_>>().concat()
}
