//! A simulated pair that outlives the programs that work on it.
//!
//! Its file is the list of everything that ever happened to the pair, one JSON object a line: calls, time, power. Each is
//! written before it happens; the world is deterministic, so whoever opens the file and lets it all happen again has the same
//! world before him. That is how a runner can be killed in the middle and its machines do not notice. For `hamn demo` and for
//! tests of the whole program; nothing here is ever used on real machines.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::FutureExt;
use journal_schema::{Token, UnixMillis};
use lab::{
    db2::Version,
    sim::{Old, World},
};
use serde::{Deserialize, Serialize};
use workflows::{
    Output, Place, Script,
    model::{NodeId, Pair},
};

use crate::{
    engine::Clock,
    remote::{
        Answer, Failure, Job, Remote,
        simulated::{Benign, Jobs, Life, Scene, Simulated, SimulatedClock},
    },
};

/// Virtual milliseconds before anything is done with a new pair, so that its replication has a past.
const PAST_MS: u64 = 60_000;

/// Something that happens to the pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
enum Happening {
    Power { node: NodeId, on: bool },
    Pass { ms: u64 },
    Observe { place: Place, script: Script },
    Run { place: Place, token: Token, script: Script, epoch: u64 },
    Ask { place: Place, token: Token },
    Revoke { place: Place, token: Token },
}

/// What came of it.
enum Came {
    Nothing,
    Output(Result<Output, Failure>),
    Answer(Result<Answer, Failure>),
}

/// The simulated pair, [`Remote`] and [`Clock`] at once.
pub struct Rehearsal {
    inner: Mutex<Inner>,
    names: Simulated,
    pace: Duration,
    /// A job whose token contains this takes effect, and its answer never comes.
    hold: Option<String>,
}

struct Inner {
    scene: Arc<Mutex<Scene>>,
    remote: Simulated,
    clock: SimulatedClock,
    file: fs::File,
    path: PathBuf,
}

impl Rehearsal {
    /// A healthy pair, `client_every_ms` virtual milliseconds between two commits of its client.
    pub fn create(path: &Path, pair: &Pair, client_every_ms: u64) -> io::Result<()> {
        Self::write(path, &(pair, client_every_ms, true))
    }

    /// A pair with DB2 9.7 before its set-up: a database on the first machine only, and no HADR.
    pub fn create_unformed(path: &Path, pair: &Pair, client_every_ms: u64) -> io::Result<()> {
        Self::write(path, &(pair, client_every_ms, false))
    }

    fn write(path: &Path, first: &(&Pair, u64, bool)) -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
        serde_json::to_writer(&mut file, first).map_err(io::Error::from)?;
        file.write_all(b"\n")
    }

    /// The pair as everything that happened left it. `pace`: real time that a call takes.
    pub fn open(path: &Path, pace: Duration, hold: Option<String>) -> io::Result<Arc<Self>> {
        let bad = |e: serde_json::Error| io::Error::new(io::ErrorKind::InvalidData, e);
        let text = fs::read_to_string(path)?;
        // A line cut short is one that was being written when its program was killed: it did not happen.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut lines = text[..whole].lines();
        let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)?;
        let (pair, client_every_ms, formed): (Pair, u64, bool) = serde_json::from_str(first).map_err(bad)?;
        let mut world =
            if formed { World::healthy(&pair) } else { World::unformed(&pair, Version::V9_7, Old::Nothing) };
        world.client_every(client_every_ms);
        world.advance(PAST_MS);
        let scene = Arc::new(Mutex::new(Scene { world, jobs: Jobs::default() }));
        let life = Life::default();
        let remote = || {
            let calls = Arc::new(AtomicU64::new(0));
            Simulated::new(scene.clone(), life.clone(), Arc::new(Benign), calls, &pair, "controller", Box::new(|_| {}))
        };
        let inner = Inner {
            remote: remote(),
            clock: SimulatedClock::new(scene.clone(), life.clone()),
            scene: scene.clone(),
            file: fs::OpenOptions::new().append(true).open(path)?,
            path: path.to_owned(),
        };
        inner.file.set_len(whole as u64)?;
        for line in lines {
            inner.let_happen(&serde_json::from_str(line).map_err(bad)?);
        }
        Ok(Arc::new(Self { names: remote(), inner: Mutex::new(inner), pace, hold }))
    }

    /// Looks at the world.
    pub fn world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let inner = self.lock();
        let mut scene = inner.scene.lock().unwrap_or_else(PoisonError::into_inner);
        look(&mut scene.world)
    }

    /// Switches a machine.
    pub fn power(&self, node: NodeId, on: bool) -> io::Result<()> {
        self.lock().happens(&Happening::Power { node, on }).map(|_| ())
    }

    /// Lets virtual time pass.
    pub fn pass(&self, ms: u64) -> io::Result<()> {
        self.lock().happens(&Happening::Pass { ms }).map(|_| ())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, happening: Happening) -> Came {
        tokio::time::sleep(self.pace).await;
        let came = self.lock().happens(&happening);
        // Without its file the pair would forget what happened.
        came.expect("the file of the rehearsal can be written")
    }

    async fn answer(&self, happening: Happening) -> Result<Answer, Failure> {
        match self.call(happening).await {
            Came::Answer(answer) => answer,
            Came::Nothing | Came::Output(_) => unreachable!("asked for an answer"),
        }
    }
}

impl Inner {
    fn happens(&mut self, happening: &Happening) -> io::Result<Came> {
        let mut line = serde_json::to_vec(happening).map_err(io::Error::from)?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", self.path.display())))?;
        Ok(self.let_happen(happening))
    }

    fn let_happen(&self, happening: &Happening) -> Came {
        const NOW: &str = "nothing in the simulated world waits";
        let limit = Duration::ZERO;
        match happening {
            Happening::Power { node, on } => {
                self.scene.lock().unwrap_or_else(PoisonError::into_inner).world.power(*node, *on);
                Came::Nothing
            }
            Happening::Pass { ms } => {
                self.clock.sleep(Duration::from_millis(*ms)).now_or_never().expect(NOW);
                Came::Nothing
            }
            Happening::Observe { place: at, script } => {
                Came::Output(self.remote.observe(*at, script, limit).now_or_never().expect(NOW))
            }
            Happening::Run { place: at, token, script, epoch } => {
                let job = Job { token, script, epoch: *epoch };
                Came::Answer(self.remote.run(*at, job, limit).now_or_never().expect(NOW))
            }
            Happening::Ask { place: at, token } => {
                Came::Answer(self.remote.ask(*at, token, limit).now_or_never().expect(NOW))
            }
            Happening::Revoke { place: at, token } => {
                Came::Answer(self.remote.revoke(*at, token).now_or_never().expect(NOW))
            }
        }
    }
}

#[async_trait]
impl Remote for Rehearsal {
    async fn observe(&self, place: Place, script: &Script, _: Duration) -> Result<Output, Failure> {
        match self.call(Happening::Observe { place, script: script.clone() }).await {
            Came::Output(output) => output,
            Came::Nothing | Came::Answer(_) => unreachable!("asked for an output"),
        }
    }

    async fn run(&self, place: Place, job: Job<'_>, _: Duration) -> Result<Answer, Failure> {
        let (token, script) = (job.token.clone(), job.script.clone());
        let held = self.hold.as_ref().is_some_and(|hold| token.as_str().contains(hold.as_str()));
        let answer = self.answer(Happening::Run { place, token, script, epoch: job.epoch }).await;
        if held {
            std::future::pending::<()>().await;
        }
        answer
    }

    async fn ask(&self, place: Place, token: &Token, _: Duration) -> Result<Answer, Failure> {
        self.answer(Happening::Ask { place, token: token.clone() }).await
    }

    async fn revoke(&self, place: Place, token: &Token) -> Result<Answer, Failure> {
        self.answer(Happening::Revoke { place, token: token.clone() }).await
    }

    async fn peek(&self, _: Place, _: &Token) -> Result<String, Failure> {
        Ok(String::new())
    }

    fn at(&self, place: Place) -> String {
        self.names.at(place)
    }
}

#[async_trait]
impl Clock for Rehearsal {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.world(|w| w.now_ms()))
    }

    fn steady(&self) -> Duration {
        Duration::from_millis(self.now().0)
    }

    async fn sleep(&self, pause: Duration) {
        self.call(Happening::Pass { ms: pause.as_millis() as u64 }).await;
    }
}
