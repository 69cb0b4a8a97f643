//! Executes, resumes and rolls back a run. The only place that orders journal writes and effects.
//!
//! - `ledger`: the one hand that writes the journal;
//! - `forward`: takes transitions until the goal;
//! - `life`: the life of a step: look, intent, launch, judge, outcome;
//! - `reach`: a job's answer in spite of lost connections;
//! - `settle`: what resume does about steps that nobody knows the end of;
//! - `back`: rollback.

mod back;
mod event;
mod forward;
mod halt;
mod ledger;
mod life;
mod look;
mod plans;
mod reach;
mod settle;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use journal_schema::{Digest, Direction, Operator, Payload, Refs, RunId, RunState};
use workflows::{Request, Workflow, model::Pair};

use crate::{
    journal::{Store, StoreError},
    remote::Remote,
};
pub use event::{Answer, Asker, Clock, Ending, Event, Observer, Question, SystemClock};
use halt::Halt;
use ledger::Ledger;
pub use look::{Look, Seen, look};
use plans::Plan;
pub use plans::Plans;

/// Asks the engine to stop between steps. Cloned freely; there is no way back.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked for.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Patience, in time.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long a node that cannot be reached is tried again before the run stops with the step unknown.
    pub unreachable: Duration,
    /// First pause between tries; doubles up to `longest_pause`.
    pub first_pause: Duration,
    /// Longest pause between tries.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            unreachable: Duration::from_secs(600),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(5),
        }
    }
}

/// What a run is started with.
#[derive(Debug, Clone)]
pub struct Start {
    /// Its id.
    pub run: RunId,
    /// Who.
    pub operator: Operator,
    /// The request.
    pub request: Request,
    /// Configuration without secrets, TOML.
    pub config: String,
    /// Id of the plan that was consented to.
    pub plan: Digest,
    /// Consent and attestations: `Payload::Decided` records that follow the first one.
    pub decisions: Vec<Payload>,
}

/// The engine: everything a run needs of the world.
#[derive(Clone)]
pub struct Engine {
    /// Journal.
    pub store: Arc<dyn Store>,
    /// Machines.
    pub remote: Arc<dyn Remote>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// Who is asked.
    pub asker: Arc<dyn Asker>,
    /// The pair.
    pub pair: Arc<Pair>,
    /// The state machine.
    pub workflow: Arc<Workflow>,
    /// Patience.
    pub patience: Patience,
    /// Stops the run between steps.
    pub stop: Stop,
    /// What was planned before.
    pub plans: Plans,
}

impl Engine {
    /// Starts a run and carries it on until it ends or stops.
    pub async fn start(&self, start: Start) -> Ending {
        let started = Payload::RunStarted {
            workflow: self.workflow.name.to_owned(),
            refs: self.refs(start.plan),
            table: self.workflow.table(),
            initial: self.workflow.initial.as_str().to_owned(),
            goal: self.workflow.goal.as_str().to_owned(),
            config: start.config,
            request: serde_json::to_string(&start.request).expect("a request is plain data"),
            operator: start.operator,
        };
        let begun =
            Ledger::begin(self.store.clone(), self.clock.clone(), self.observer.clone(), start.run, started).await;
        let ledger = match begun {
            Ok(ledger) => ledger,
            Err(halt) => return self.end(halt.ending(false)),
        };
        let drive = Drive {
            engine: self,
            ledger,
            request: start.request,
            run: start.run,
            shaken: AtomicBool::new(false),
            planned: Mutex::default(),
        };
        let result = async {
            for decision in start.decisions {
                drive.ledger.write(decision).await?;
            }
            drive.forward().await
        }
        .await;
        drive.finish(result).await
    }

    /// Takes a run up again: settles what is unknown, looks again at what a reboot takes away, goes on to the goal
    /// (or on with a rollback that had begun).
    pub async fn resume(&self, run: RunId, operator: Operator) -> Ending {
        match self.fold(run).await {
            Ok(state) => self.resume_from(state, operator).await,
            Err(halt) => self.end(halt.ending(false)),
        }
    }

    /// [`Engine::resume`] of the run that the journal was opened for: `state` is what its records come to.
    pub async fn resume_from(&self, state: RunState, operator: Operator) -> Ending {
        let drive = match self.take_up(state) {
            Ok(drive) => drive,
            Err(halt) => return self.end(halt.ending(false)),
        };
        let way = drive.ledger.read(|v| match v.state.rolling_back {
            Some(_) => Direction::Undo,
            None => Direction::Forward,
        });
        let result = async {
            drive.resumed(&operator, way).await?;
            match way {
                Direction::Forward => {
                    drive.settle_all().await?;
                    if drive.at_goal() {
                        // Nobody knows what happened between the last look and this program.
                        drive.shaken.store(true, Ordering::Relaxed);
                    } else {
                        drive.look_again().await?;
                    }
                    drive.forward().await
                }
                Direction::Undo => drive.back().await,
            }
        }
        .await;
        drive.finish(result).await
    }

    /// Undoes a run. Refused after the pivot.
    pub async fn rollback(&self, run: RunId, operator: Operator, reason: &str) -> Ending {
        match self.fold(run).await {
            Ok(state) => self.rollback_from(state, operator, reason).await,
            Err(halt) => self.end(halt.ending(false)),
        }
    }

    /// [`Engine::rollback`] of the run that the journal was opened for: `state` is what its records come to.
    pub async fn rollback_from(&self, state: RunState, operator: Operator, reason: &str) -> Ending {
        let drive = match self.take_up(state) {
            Ok(drive) => drive,
            Err(halt) => return self.end(halt.ending(false)),
        };
        let result = async {
            let (pivot, already) =
                drive.ledger.read(|v| (v.state.pivot_may_have_happened(), v.state.rolling_back.is_some()));
            if pivot {
                return Err(Halt::Refused(format!(
                    "the pivot may have happened: from here a run only goes forward (hamn resume); to return later: {}",
                    workflows::steps::failback(self.pair.flavour())
                )));
            }
            drive.resumed(&operator, Direction::Undo).await?;
            if !already {
                drive.settle_for_rollback().await?;
                let reason = reason.to_owned();
                drive.ledger.write(Payload::RollbackStarted { reason, operator }).await?;
            }
            drive.back().await
        }
        .await;
        drive.finish(result).await
    }

    async fn fold(&self, run: RunId) -> Result<RunState, Halt> {
        let none = || StoreError::Damaged { detail: format!("run {run} has no records") };
        self.store.fold(run).await.and_then(|state| state.ok_or_else(none)).map_err(Halt::Journal)
    }

    fn take_up(&self, state: RunState) -> Result<Drive<'_>, Halt> {
        let run = state.run;
        let ledger = Ledger::open(self.store.clone(), self.clock.clone(), self.observer.clone(), state);
        let (workflow, table, version, request, ended) = ledger.read(|v| {
            let s = &v.state;
            (s.workflow.clone(), s.refs.table, s.refs.hamn_version.clone(), s.request.clone(), s.end.is_some())
        });
        if ended {
            return Err(Halt::Refused(format!("run {run} has ended; see it: hamn journal show {run}")));
        }
        if workflow != self.workflow.name || table != self.workflow.digest() {
            return Err(Halt::Refused(format!(
                "run {run} was made by hamn {version} with another table of {workflow}: resume it with that version"
            )));
        }
        let request = serde_json::from_str(&request)
            .map_err(|e| Halt::Refused(format!("the request of run {run} cannot be read: {e}")))?;
        Ok(Drive { engine: self, ledger, request, run, shaken: AtomicBool::new(false), planned: Mutex::default() })
    }

    fn refs(&self, plan: Digest) -> Refs {
        Refs { hamn_version: env!("CARGO_PKG_VERSION").to_owned(), table: self.workflow.digest(), plan }
    }

    fn end(&self, ending: Ending) -> Ending {
        let event = Event::Ended(ending);
        self.observer.event(&event);
        let Event::Ended(ending) = event else { unreachable!("made above") };
        ending
    }
}

/// One run under way.
struct Drive<'a> {
    engine: &'a Engine,
    ledger: Ledger,
    request: Request,
    run: RunId,
    /// A place stopped answering in the middle of something: it may have rebooted.
    shaken: AtomicBool,
    /// Plans found to be those of the journal.
    planned: Mutex<Planned>,
}

/// By transition and number of facts.
type Planned = BTreeMap<(String, usize), Arc<Plan>>;

impl Drive<'_> {
    async fn resumed(&self, operator: &Operator, way: Direction) -> Result<(), Halt> {
        let plan = self.ledger.read(|v| v.state.refs.plan);
        let refs = self.engine.refs(plan);
        self.ledger.write(Payload::Resumed { operator: operator.clone(), refs, way }).await?;
        Ok(())
    }

    /// Writes why the engine stops, if it can still be written, and tells.
    async fn finish(&self, result: Result<Ending, Halt>) -> Ending {
        let pivot_passed = self.ledger.read(|v| v.state.pivot_may_have_happened());
        let ending = result.unwrap_or_else(|halt| halt.ending(pivot_passed));
        let last_words = match &ending {
            Ending::Interrupted { why } => Some(Payload::Interrupted { reason: why.clone() }),
            Ending::Failed { step, why, .. } => Some(Payload::Interrupted { reason: format!("{step}: {why}") }),
            Ending::Stuck { step, why, settle } => {
                Some(Payload::Stuck { step: step.clone(), why: why.clone(), settle: settle.clone() })
            }
            Ending::Done | Ending::RolledBack | Ending::JournalFailed { .. } | Ending::Refused { .. } => None,
        };
        let ending = match last_words {
            Some(payload) => match self.ledger.write(payload).await {
                Ok(_) => ending,
                Err(halt) => halt.ending(pivot_passed),
            },
            None => ending,
        };
        self.engine.end(ending)
    }
}
