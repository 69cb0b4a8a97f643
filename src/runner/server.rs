//! The control socket.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use journal_schema::{Operator, RunId, UnixMillis};
use serde::Serialize;
use tokio::{
    io::AsyncWriteExt,
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    sync::{oneshot, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    Home, Hub,
    hub::Attached,
    line::{self, LineReader},
    protocol::{Greeting, PROTOCOL, REQUEST_LIMIT, Reply, Request, Status},
};
use crate::{
    engine::{Answer, Event, Stop},
    journal::Store,
};

/// A client that takes no bytes for that long is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// What requests act on.
pub struct Control {
    /// Events and questions.
    pub hub: Arc<Hub>,
    /// Stops between two steps.
    pub stop: Stop,
    /// The journal, until the run is over.
    store: Mutex<Option<Arc<dyn Store>>>,
    /// The run.
    pub run: RunId,
    /// Its workflow.
    pub workflow: String,
    /// Who started this runner.
    pub operator: Operator,
    /// When this runner started.
    pub since: UnixMillis,
    /// Set when the runner goes: connections that wait for nothing end.
    over: watch::Sender<bool>,
    /// How far each copy of the journal is behind.
    pub lag: Box<dyn Fn() -> Vec<(String, Option<u64>)> + Send + Sync>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("run", &self.run).finish_non_exhaustive()
    }
}

impl Control {
    /// For a run.
    pub fn new(
        run: RunId,
        workflow: &str,
        operator: Operator,
        since: UnixMillis,
        hub: Arc<Hub>,
        store: Arc<dyn Store>,
    ) -> Self {
        Self {
            hub,
            stop: Stop::default(),
            store: Mutex::new(Some(store)),
            run,
            workflow: workflow.to_owned(),
            operator,
            since,
            over: watch::Sender::new(false),
            lag: Box::new(Vec::new),
        }
    }

    /// Lets go of the journal: what is asked of it from now on is refused, and its lock is free as soon as the engine is done.
    pub fn release_store(&self) {
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn store(&self) -> Option<Arc<dyn Store>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the engine to stop between two steps.
    pub fn stop(&self, operator: &Operator) {
        tracing::info!(by = %operator.name, terminal = %operator.terminal, "asked to stop between steps");
        self.stop.ask();
        self.hub.stop(operator);
    }

    fn status(&self) -> Status {
        Status {
            run: self.run,
            workflow: self.workflow.clone(),
            pid: std::process::id(),
            operator: self.operator.clone(),
            since: self.since,
            records: self.hub.records(),
            running: self.hub.running(),
            questions: self.hub.questions(),
            stopping: self.stop.asked(),
            clients: self.hub.clients(),
            copies: (self.lag)(),
        }
    }

    /// `None`: hang up, because whoever asks finds the answer elsewhere now.
    async fn answer(&self, request: Request) -> Option<Reply> {
        Some(match request {
            Request::Answer { question, word, why, operator } => {
                match self.hub.answer(&question, Answer { word, why, operator }) {
                    Ok(()) => Reply::Accepted,
                    Err(refusal) => Reply::Refused { why: refusal.to_string() },
                }
            }
            Request::Stop { operator } => {
                self.stop(&operator);
                Reply::Accepted
            }
            Request::Status => Reply::Status(self.status()),
            Request::Runs | Request::Records { .. } => {
                // The run is over: the journal is free for everybody.
                let store = self.store()?;
                let reply = match request {
                    Request::Records { run } => store.read(run).await.map(|records| Reply::Records { records }),
                    _ => store.runs().await.map(|runs| Reply::Runs { runs }),
                };
                reply.unwrap_or_else(|error| Reply::Refused { why: error.to_string() })
            }
            // Handled by the connection, which knows where to send the events.
            Request::Attach { .. } => Reply::Refused { why: "already attached".to_owned() },
        })
    }
}

/// The bound control socket. Its files go when it is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    current: PathBuf,
    target: PathBuf,
    /// Keeps the short name of the folder valid while it is bound.
    _dir: Option<fs::File>,
}

impl Server {
    /// Binds the socket of a run and makes it the current one. Only for whoever holds the journal's lock: sockets that
    /// another runner left behind are replaced.
    pub fn bind(home: &Home, run: RunId) -> io::Result<Self> {
        home.prepare(run)?;
        let path = home.socket(run);
        remove_if_there(&path)?;
        let (short, dir) = Home::short(&path)?;
        let listener = UnixListener::bind(short)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let current = home.current();
        let target = PathBuf::from(run.to_string()).join("socket");
        let temporary = home.run(run).join("current.new");
        remove_if_there(&temporary)?;
        std::os::unix::fs::symlink(&target, &temporary)?;
        fs::rename(&temporary, &current)?;
        Ok(Self { listener, path, current, target, _dir: dir })
    }

    /// Serves clients until `over` fires, then until each of them has had what was left for it (at most some seconds).
    pub async fn serve(self, control: Arc<Control>, mut over: oneshot::Receiver<()>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, control.clone()));
                    }
                    // Out of descriptors, mostly. The run goes on; clients may try again.
                    Err(error) => {
                        tracing::warn!(%error, "a client could not be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                _ = &mut over => break,
            }
        }
        // New clients find no runner; those who are there get the rest.
        drop(self);
        control.over.send_replace(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(Duration::from_secs(3), drained).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if fs::read_link(&self.current).is_ok_and(|target| target == self.target) {
            let _ = fs::remove_file(&self.current);
        }
        let _ = fs::remove_file(&self.path);
    }
}

fn remove_if_there(path: &std::path::Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// [`Reply::Event`] without a copy of the event.
#[derive(Serialize)]
struct EventLine<'a> {
    reply: &'static str,
    #[serde(flatten)]
    event: &'a Event,
}

async fn write<T: Serialize>(to: &mut OwnedWriteHalf, value: &T) -> io::Result<()> {
    timeout(WRITE_LIMIT, line::send(to, value)).await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
}

async fn connection(stream: UnixStream, control: Arc<Control>) {
    if let Err(error) = converse(stream, &control).await {
        tracing::debug!(%error, "a client went");
    }
}

async fn converse(stream: UnixStream, control: &Control) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut from = LineReader::new(from, REQUEST_LIMIT);
    write(
        &mut to,
        &Reply::Greeting(Greeting {
            protocol: PROTOCOL,
            hamn: env!("CARGO_PKG_VERSION").to_owned(),
            run: control.run,
            pid: std::process::id(),
        }),
    )
    .await?;
    let mut over = control.over.subscribe();
    if *over.borrow() {
        return Ok(());
    }
    let mut attached: Option<Attached> = None;
    let mut next_seq = 0;
    loop {
        let idle = attached.is_none();
        let live = async {
            match attached.as_mut() {
                Some(attached) => attached.live.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            request = from.next::<Request>() => match request {
                Ok(None) => return Ok(()),
                Ok(Some(Request::Attach { from_seq })) if idle => {
                    let mut new = control.hub.attach(from_seq);
                    next_seq = from_seq;
                    for event in std::mem::take(&mut new.past) {
                        write_event(&mut to, &event, &mut next_seq).await?;
                    }
                    write(&mut to, &Reply::Live).await?;
                    attached = Some(new);
                }
                Ok(Some(request)) => match control.answer(request).await {
                    Some(reply) => write(&mut to, &reply).await?,
                    None => return to.shutdown().await,
                },
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    write(&mut to, &Reply::Refused { why: format!("not understood: {error}") }).await?;
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
            event = live => {
                let Some(event) = event else {
                    if attached.as_ref().is_some_and(Attached::was_dropped) {
                        write(&mut to, &Reply::Dropped { next_seq }).await?;
                    }
                    return to.shutdown().await;
                };
                write_event(&mut to, &event, &mut next_seq).await?;
            }
            _ = over.changed(), if idle => return to.shutdown().await,
        }
    }
}

async fn write_event(to: &mut OwnedWriteHalf, event: &Event, next_seq: &mut u64) -> io::Result<()> {
    if let Event::Committed { record } = event {
        *next_seq = record.seq.0 + 1;
    }
    write(to, &EventLine { reply: "event", event }).await
}
