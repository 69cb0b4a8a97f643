//! What a runner is started with, and the engine on it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use journal_schema::{Digest, Operator, Payload, RunId, RunState, UnixMillis};
use serde::{Deserialize, Serialize};
use workflows::{
    Place, Request, Workflow,
    model::{Flavour, NodeId, Pair},
};

use super::{Control, Failed, Home, Hub, Rehearsal, Work, serve};
use crate::{
    engine::{Clock, Ending, Engine, Patience, Plans, Start, SystemClock},
    journal::{CopySink, GuardedStore, Holder, Replicated, StateDir, Store, TakenUp},
    remote::{Copies, Fleet, Here, Remote},
};

/// How long the end of a run waits for copies that are reached.
const CATCH_UP: Duration = Duration::from_secs(2);

/// How long the jobs of a run that has ended are kept on the machines, milliseconds: 30 days.
const KEPT_MS: u64 = 30 * 24 * 3600 * 1000;

/// Everything a runner needs to know. Travels in a file of its owner only; has no secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Parameters {
    /// The run.
    pub run: RunId,
    /// Name of its workflow.
    pub workflow: String,
    /// What to do with it.
    pub action: Action,
    /// The pair, as it was shown.
    pub pair: Pair,
    /// Who.
    pub operator: Operator,
    /// How the machines are reached.
    pub world: World,
    /// Seconds for which a node that is not reached is tried again.
    pub patience_s: u32,
}

/// What to do with a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Begin it.
    Start {
        /// What was asked for.
        request: Request,
        /// Configuration as TOML, without secrets.
        config: String,
        /// What was consented to.
        plan: Digest,
        /// Consent and attestations.
        decisions: Vec<Payload>,
    },
    /// Go on.
    Resume,
    /// Undo it.
    Rollback {
        /// Why.
        reason: String,
    },
}

/// How machines are reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum World {
    /// By ssh.
    Real {
        /// Private key; `None`: those of the user.
        identity_file: Option<PathBuf>,
        /// Seconds for one try to connect to one address.
        connect_timeout_s: u32,
    },
    /// A [`Rehearsal`].
    Simulated {
        /// File of the simulated pair.
        scene: PathBuf,
        /// Real milliseconds that a call takes.
        pace_ms: u64,
        /// A job whose token contains this takes effect, and its answer never comes.
        hold: Option<String>,
    },
}

/// The means to reach machines, and the clock that goes with them.
pub struct Means {
    /// Machines.
    pub remote: Arc<dyn Remote>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where records are copied to.
    pub copies: Vec<Arc<dyn CopySink>>,
}

impl World {
    /// Gets ready to reach the machines of a pair. `home`: for the jobs of the machine that runs hamn.
    pub fn means(&self, pair: &Pair, home: &Home) -> Result<Means, Failed> {
        match self {
            Self::Real { identity_file, connect_timeout_s } => {
                let here = Here {
                    node: here(pair),
                    state_dir: home.state().to_owned(),
                    identity_file: identity_file.clone(),
                    connect_timeout_s: *connect_timeout_s,
                };
                let fleet = Fleet::new(pair, &here)
                    .map_err(|e| Failed { doing: "getting ready to reach the machines", why: e.to_string() })?;
                let copies = fleet.copies().into_iter().map(|c| Arc::new(Sink(c)) as Arc<dyn CopySink>).collect();
                Ok(Means { remote: Arc::new(fleet), clock: Arc::new(SystemClock), copies })
            }
            Self::Simulated { scene, pace_ms, hold } => {
                let pair = Rehearsal::open(scene, Duration::from_millis(*pace_ms), hold.clone())
                    .map_err(|e| Failed { doing: "opening the simulated pair", why: e.to_string() })?;
                Ok(Means { remote: pair.clone(), clock: pair, copies: Vec::new() })
            }
        }
    }
}

/// The machine of the pair that this program runs on, by its machine-id; `None`: neither.
pub fn here(pair: &Pair) -> Option<NodeId> {
    let id = std::fs::read_to_string("/etc/machine-id").ok()?;
    NodeId::BOTH.into_iter().find(|node| pair.node(*node).machine_id == id.trim())
}

/// The copies of the remote room, as the journal's room wants them: neither knows the other.
struct Sink(Copies);

#[async_trait]
impl CopySink for Sink {
    async fn append(&self, run: RunId, frames: &[u8]) -> Result<(), String> {
        self.0.append(run, frames).await.map_err(|e| e.to_string())
    }

    fn name(&self) -> &str {
        self.0.name()
    }
}

struct Drive {
    engine: Engine,
    parameters: Parameters,
    store: Arc<Replicated<GuardedStore>>,
    /// What the run's records come to; `None`: it has none.
    state: Option<RunState>,
}

#[async_trait]
impl Work for Drive {
    async fn work(self: Box<Self>, _: Arc<Control>) -> Ending {
        let Self { engine, parameters, store, state } = *self;
        let Parameters { run, operator, action, pair, .. } = parameters;
        let (remote, clock) = (engine.remote.clone(), engine.clock.clone());
        let ending = match (action, state) {
            (Action::Start { request, config, plan, decisions }, _) => {
                engine.start(Start { run, operator, request, config, plan, decisions }).await
            }
            (Action::Resume, Some(state)) => engine.resume_from(state, operator).await,
            (Action::Rollback { reason }, Some(state)) => engine.rollback_from(state, operator, &reason).await,
            (Action::Resume | Action::Rollback { .. }, None) => {
                Ending::Refused { why: format!("run {run} has no records in the journal") }
            }
        };
        catch_up(&store, run).await;
        tidy(&*store, &*remote, &places(&pair), clock.now()).await;
        ending
    }
}

/// Gives the copies that are reached the time for the last records; nobody waits for a machine that is off.
async fn catch_up(store: &Replicated<GuardedStore>, run: RunId) {
    let deadline = tokio::time::Instant::now() + CATCH_UP;
    while store.lags(run).iter().any(|lag| lag.records > 0 && lag.error.is_none())
        && tokio::time::Instant::now() < deadline
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// All places where jobs are run.
fn places(pair: &Pair) -> Vec<Place> {
    let witnesses = (0..pair.witnesses.len()).filter_map(|index| u8::try_from(index).ok()).map(Place::Witness);
    NodeId::BOTH.into_iter().map(Place::Node).chain([Place::Controller]).chain(witnesses).collect()
}

/// Takes away what the jobs of runs that are long over left behind. Only of runs that have ended by this journal: one that has not may
/// be resumed, and asks for its jobs then. What is not reached is left for the end of another run.
async fn tidy(store: &dyn Store, remote: &dyn Remote, places: &[Place], now: UnixMillis) {
    let one = |place: Place| async move {
        let Ok(left) = remote.left(place).await else { return };
        let mut over = Vec::new();
        for run in left.into_iter().filter(|run| run.began().0.saturating_add(KEPT_MS) < now.0) {
            if matches!(store.fold(run).await, Ok(Some(state)) if state.end.is_some()) {
                over.push(run);
            }
        }
        if !over.is_empty()
            && let Err(why) = remote.tidy(place, &over).await
        {
            tracing::warn!("what the jobs of {} old runs left was not removed: {why}", over.len());
        }
    };
    futures_util::future::join_all(places.iter().map(|place| one(*place))).await;
}

/// The life of the process `hamn runner`: reads its parameters, takes the journal's lock, serves the run until it ends.
/// `find`: the workflow of a name. `now`: wall clock.
pub async fn live(
    home: &Home,
    run: RunId,
    find: impl Fn(Flavour, &str) -> Option<Workflow>,
    now: UnixMillis,
) -> Result<Ending, Failed> {
    let failed = |doing: &'static str| move |why: String| Failed { doing, why };
    let text =
        std::fs::read(home.parameters(run)).map_err(|e| e.to_string()).map_err(failed("reading its parameters"))?;
    let parameters: Parameters =
        serde_json::from_slice(&text).map_err(|e| e.to_string()).map_err(failed("reading its parameters"))?;
    let workflow = find(parameters.pair.flavour(), &parameters.workflow)
        .ok_or_else(|| format!("no workflow {}", parameters.workflow))
        .map_err(failed("finding its workflow"))?;
    let purpose = format!("run {run} ({})", parameters.workflow);
    let holder = Holder { operator: parameters.operator.clone(), purpose, since: now };
    let (store, taken) = open_store(home, &holder, run).await?;
    let (history, state) = taken.map(|t| (t.records, t.state)).unzip();
    let history = history.unwrap_or_default();
    if matches!(parameters.action, Action::Start { .. }) != history.is_empty() {
        let why = format!("run {run} has {} records in the journal", history.len());
        return Err(Failed { doing: "beginning", why });
    }
    let means = parameters.world.means(&parameters.pair, home)?;
    let store = Arc::new(Replicated::new(store, means.copies));
    let hub = Hub::new(history);
    let mut control =
        Control::new(run, &parameters.workflow, parameters.operator.clone(), now, hub.clone(), store.clone());
    let copied = Arc::downgrade(&store);
    control.lag = Box::new(move || {
        let lags = copied.upgrade().map(|store| store.lags(run)).unwrap_or_default();
        lags.into_iter().map(|lag| (lag.name, lag.error.is_none().then_some(lag.records))).collect()
    });
    let control = Arc::new(control);
    let engine = Engine {
        store: store.clone(),
        remote: means.remote,
        clock: means.clock,
        observer: hub.clone(),
        asker: hub,
        pair: Arc::new(parameters.pair.clone()),
        workflow: Arc::new(workflow),
        patience: Patience { unreachable: Duration::from_secs(parameters.patience_s.into()), ..Patience::default() },
        stop: control.stop.clone(),
        plans: Plans::default(),
    };
    serve(home, control, Box::new(Drive { engine, parameters, store, state })).await
}

/// Opens the journal. Somebody who only looks at it holds it for milliseconds; a runner holds it for long and is named.
async fn open_store(home: &Home, holder: &Holder, run: RunId) -> Result<(GuardedStore, Option<TakenUp>), Failed> {
    let dir = StateDir::new(home.state());
    let failed = |why: String| Failed { doing: "opening the journal", why };
    let opened = super::patiently(|| GuardedStore::open_for(&dir, holder, run)).await;
    let (store, taken) = opened.map_err(|e| failed(e.to_string()))?;
    for repair in store.repairs() {
        tracing::warn!("journal: {repair}");
    }
    Ok((store, taken))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use journal_schema::{End, Kind, Record, Refs, TableRow, Token};
    use workflows::{Output, Script};

    use super::*;
    use crate::{
        journal::MemoryStore,
        remote::{Answer, Failure, Job},
    };

    /// A place with left-overs.
    struct Shelf(Vec<RunId>, Mutex<Vec<RunId>>);

    #[async_trait]
    impl Remote for Shelf {
        async fn observe(&self, _: Place, _: &Script, _: Duration) -> Result<Output, Failure> {
            unreachable!("nothing is looked at")
        }
        async fn run(&self, _: Place, _: Job<'_>, _: Duration) -> Result<Answer, Failure> {
            unreachable!("nothing is run")
        }
        async fn ask(&self, _: Place, _: &Token, _: Duration) -> Result<Answer, Failure> {
            unreachable!("nothing is asked")
        }
        async fn revoke(&self, _: Place, _: &Token) -> Result<Answer, Failure> {
            unreachable!("nothing is revoked")
        }
        async fn peek(&self, _: Place, _: &Token) -> Result<String, Failure> {
            unreachable!("nothing runs")
        }
        async fn left(&self, _: Place) -> Result<Vec<RunId>, Failure> {
            Ok(self.0.clone())
        }
        async fn tidy(&self, _: Place, runs: &[RunId]) -> Result<(), Failure> {
            self.1.lock().unwrap().extend(runs);
            Ok(())
        }
        fn at(&self, _: Place) -> String {
            String::new()
        }
    }

    /// A job without its folder counts as never started: a run that may be resumed would do it again (trap 73).
    #[tokio::test]
    async fn t73_the_jobs_of_a_run_that_may_go_on_are_never_removed() {
        let now = UnixMillis(1_800_000_000_000);
        let ago = |ms: u64, random| RunId::new(UnixMillis(now.0 - ms), random);
        let (ended, unfinished, young) = (ago(2 * KEPT_MS, 1), ago(2 * KEPT_MS, 2), ago(KEPT_MS / 2, 3));
        let (strange, store) = (ago(3 * KEPT_MS, 4), MemoryStore::new());
        for run in [ended, unfinished, young] {
            let operator = Operator { name: "olga".into(), host: "admin".into(), terminal: "-".into() };
            let (from, to) = ("A".to_owned(), "B".to_owned());
            let table =
                vec![TableRow { from: from.clone(), transition: "t".into(), to: to.clone(), kind: Kind::Reversible }];
            let started = Payload::RunStarted {
                workflow: "failover".into(),
                refs: Refs { hamn_version: "1".into(), table: Digest::default(), plan: Digest::default() },
                table,
                initial: from,
                goal: to,
                config: String::new(),
                request: "{}".into(),
                operator: operator.clone(),
            };
            let rollback = Payload::RollbackStarted { reason: "a test".into(), operator };
            let finished = Payload::Finished { end: End::RolledBack, summary: "nothing was done".into() };
            store.commit(&Record::next(None, run, now, started)).await.unwrap();
            for payload in [rollback, finished] {
                if run != unfinished {
                    let state = store.fold(run).await.unwrap().unwrap();
                    store.commit(&state.next(now, payload)).await.unwrap();
                }
            }
        }
        let shelf = Shelf(vec![ended, unfinished, young, strange], Mutex::default());
        tidy(&store, &shelf, &[Place::Controller], now).await;
        assert_eq!(*shelf.1.lock().unwrap(), [ended], "not {unfinished}, {young}, nor one of another journal");
    }
}
