//! Reaches the simulated pair. The same protocol as ssh — tokens, claims, lost answers — without a machine, in virtual time,
//! with faults where the test puts them. For `hamn demo` and the simulated ring; says so in everything it shows.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use journal_schema::{Token, UnixMillis};
use lab::sim::{Strike, World};
use workflows::{ActionResult, Output, Place, Script, script::OnFailure};

use super::{Answer, Failure, Job, Remote};

/// What may happen to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// hamn dies before the call.
    DieBefore,
    /// The call has its effect; hamn dies before it hears the answer.
    DieAfter,
    /// The call has its effect; the connection breaks before the answer.
    LoseAnswer,
    /// The connection is refused.
    Refuse,
    /// The call reaches the place twice.
    Twice,
    /// The place loses power after so many actions of the script, and comes back.
    RebootAfter(u8),
}

/// Decides what happens to the calls and commits of one history. Counted from 0 over all that happens.
pub trait Fate: Send + Sync {
    /// Of remote call `n`.
    fn call(&self, n: u64) -> Option<Mishap>;

    /// What strikes the world how many milliseconds after the beginning of remote call `n`.
    fn strikes(&self, n: u64) -> Vec<(u64, Strike)> {
        let _ = n;
        Vec::new()
    }
}

/// Nothing ever goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Benign;

impl Fate for Benign {
    fn call(&self, _: u64) -> Option<Mishap> {
        None
    }
}

/// hamn's own life: once dead, every port of the dead program waits for ever, and the driver drops it.
#[derive(Debug, Clone, Default)]
pub struct Life(Arc<AtomicBool>);

impl Life {
    /// Dies.
    pub fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is over.
    pub fn over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Never returns when it is over.
    pub async fn go_on(&self) {
        if self.over() {
            std::future::pending::<()>().await;
        }
    }

    async fn die<T>(&self) -> T {
        self.end();
        std::future::pending().await
    }
}

/// Jobs as they stand on the simulated machines' disks: they survive hamn and reboots.
#[derive(Debug, Clone, Default)]
pub struct Jobs(BTreeMap<(Place, Token), Standing>);

impl Jobs {
    /// Tokens of all jobs that were launched or revoked.
    pub fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.0.keys().map(|(_, token)| token)
    }

    /// Tokens of the jobs that ran to their end, wherever.
    pub fn ended(&self) -> impl Iterator<Item = &Token> {
        self.0.iter().filter(|(_, standing)| matches!(standing, Standing::Finished(_))).map(|((_, token), _)| token)
    }
}

#[derive(Debug, Clone)]
enum Standing {
    Finished(Output),
    Lost(String),
    Revoked,
}

impl Standing {
    fn answer(&self) -> Answer {
        match self {
            Self::Finished(output) => Answer::Finished(output.clone()),
            Self::Lost(why) => Answer::Lost { why: why.clone() },
            Self::Revoked => Answer::Revoked,
        }
    }
}

/// The simulated world with the jobs in it; shared by the ports of one program after the other.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The machines.
    pub world: World,
    /// Their jobs.
    pub jobs: Jobs,
}

/// [`Remote`] over a [`Scene`].
pub struct Simulated {
    scene: Arc<Mutex<Scene>>,
    life: Life,
    fate: Arc<dyn Fate>,
    calls: Arc<AtomicU64>,
    names: [String; 2],
    witnesses: Vec<String>,
    controller: String,
    /// Called after every event, with the scene: invariants, client load, state file.
    after: Box<dyn Fn(&mut Scene) + Send + Sync>,
}

impl Simulated {
    /// Reaches `scene` as the program with this `life`; `calls` goes on counting over the programs of one history.
    pub fn new(
        scene: Arc<Mutex<Scene>>,
        life: Life,
        fate: Arc<dyn Fate>,
        calls: Arc<AtomicU64>,
        pair: &workflows::model::Pair,
        controller: &str,
        after: Box<dyn Fn(&mut Scene) + Send + Sync>,
    ) -> Self {
        let names = [pair.nodes[0].name.clone(), pair.nodes[1].name.clone()];
        let witnesses = pair.witnesses.iter().map(|w| w.name.clone()).collect();
        Self { scene, life, fate, calls, names, witnesses, controller: controller.to_owned(), after }
    }

    fn scene(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().expect("no panic holds this lock")
    }

    fn name(&self, place: Place) -> String {
        match place {
            Place::Controller => self.controller.clone(),
            Place::Witness(index) => self.witnesses[usize::from(index)].clone(),
            Place::Node(id) => self.names[usize::from(id == workflows::model::NodeId::B)].clone(),
        }
    }

    fn not_reached(&self, place: Place) -> Failure {
        Failure::NeverStarted { place: self.name(place), detail: "simulated: no route to host".into() }
    }

    /// One call: its fate, the reachability of the place, its effect, its answer.
    async fn call<T>(
        &self,
        place: Place,
        mut effect: impl FnMut(&mut Scene, Option<u8>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.life.go_on().await;
        let n = self.calls.fetch_add(1, Ordering::Relaxed);
        let mishap = self.fate.call(n);
        for (ms, strike) in self.fate.strikes(n) {
            self.scene().world.strike_in(ms, strike);
        }
        match mishap {
            Some(Mishap::DieBefore) => return self.life.die().await,
            Some(Mishap::Refuse) => {
                self.scene().world.advance(1_000);
                return Err(self.not_reached(place));
            }
            _ => {}
        }
        let result = {
            let mut scene = self.scene();
            if scene.world.reachable(place) {
                scene.world.advance(20);
                let mut result = match mishap {
                    Some(Mishap::RebootAfter(actions)) => effect(&mut scene, Some(actions)),
                    _ => effect(&mut scene, None),
                };
                if mishap == Some(Mishap::Twice) {
                    result = effect(&mut scene, None);
                }
                if result.is_ok() && !scene.world.reachable(place) {
                    // The effect took the place off the network, or the place died: the answer never comes.
                    result = Err(self.lost(place));
                }
                (self.after)(&mut scene);
                result
            } else {
                scene.world.advance(2_000);
                (self.after)(&mut scene);
                Err(self.not_reached(place))
            }
        };
        match mishap {
            Some(Mishap::RebootAfter(_)) if place == Place::Controller => self.life.die().await,
            Some(Mishap::DieAfter) => self.life.die().await,
            Some(Mishap::LoseAnswer) if result.is_ok() => Err(self.lost(place)),
            _ => result,
        }
    }

    fn lost(&self, place: Place) -> Failure {
        Failure::Unknown { place: self.name(place), detail: "simulated: connection lost".into() }
    }

    /// Runs a script; `None` when the place lost its power on the way.
    fn play(scene: &mut Scene, place: Place, script: &Script, reboot_after: Option<u8>) -> Option<Output> {
        let sent_ms = scene.world.now_ms();
        let mut results = Vec::with_capacity(script.actions.len());
        let mut stopped = false;
        let boot = scene.world.boot_of(place);
        for (k, (action, on_failure)) in script.actions.iter().enumerate() {
            if reboot_after == Some(k as u8) {
                scene.world.reboot(place);
                return None;
            }
            if stopped {
                results.push(ActionResult::default());
                continue;
            }
            let result = scene.world.exec_action(place, action).ok()?;
            if scene.world.boot_of(place) != boot {
                // It died in the middle of it.
                return None;
            }
            stopped = !result.ok() && *on_failure == OnFailure::Stop;
            results.push(result);
        }
        if reboot_after.is_some_and(|k| usize::from(k) >= script.actions.len()) {
            scene.world.reboot(place);
            return None;
        }
        Some(Output { results, sent_ms, took_ms: scene.world.now_ms() - sent_ms })
    }
}

#[async_trait]
impl Remote for Simulated {
    async fn observe(&self, place: Place, script: &Script, _: Duration) -> Result<Output, Failure> {
        self.call(place, |scene, reboot| Self::play(scene, place, script, reboot).ok_or_else(|| self.lost(place))).await
    }

    async fn run(&self, place: Place, job: Job<'_>, _: Duration) -> Result<Answer, Failure> {
        self.call(place, |scene, reboot| {
            let key = (place, job.token.clone());
            if let Some(standing) = scene.jobs.0.get(&key) {
                return Ok(standing.answer());
            }
            if let Place::Node(id) = place {
                let node_epoch = scene.world.epoch(id);
                if node_epoch > job.epoch {
                    return Ok(Answer::StaleEpoch { node_epoch });
                }
            }
            scene.world.begin_job(place, job.epoch);
            let standing = match Self::play(scene, place, job.script, reboot) {
                Some(output) => Standing::Finished(output),
                None => Standing::Lost("rebooted".into()),
            };
            scene.world.end_job(place);
            let answer = match &standing {
                Standing::Lost(_) => Err(self.lost(place)),
                other => Ok(other.answer()),
            };
            scene.jobs.0.insert(key, standing);
            answer
        })
        .await
    }

    async fn ask(&self, place: Place, token: &Token, _: Duration) -> Result<Answer, Failure> {
        self.call(place, |scene, _| {
            Ok(scene.jobs.0.get(&(place, token.clone())).map_or(Answer::Absent, Standing::answer))
        })
        .await
    }

    async fn revoke(&self, place: Place, token: &Token) -> Result<Answer, Failure> {
        self.call(place, |scene, _| {
            Ok(scene.jobs.0.entry((place, token.clone())).or_insert(Standing::Revoked).answer())
        })
        .await
    }

    async fn peek(&self, _: Place, _: &Token) -> Result<String, Failure> {
        self.life.go_on().await;
        Ok(String::new())
    }

    fn at(&self, place: Place) -> String {
        self.name(place)
    }
}

/// The scene's clock.
pub struct SimulatedClock {
    scene: Arc<Mutex<Scene>>,
    life: Life,
}

impl SimulatedClock {
    /// The clock of the program with this `life`.
    pub fn new(scene: Arc<Mutex<Scene>>, life: Life) -> Self {
        Self { scene, life }
    }

    /// Wall clock of the scene.
    pub fn wall(&self) -> UnixMillis {
        UnixMillis(self.scene.lock().expect("no panic holds this lock").world.now_ms())
    }

    /// Lets virtual time pass.
    pub async fn pass(&self, pause: Duration) {
        self.life.go_on().await;
        self.scene.lock().expect("no panic holds this lock").world.advance(pause.as_millis() as u64);
    }
}
