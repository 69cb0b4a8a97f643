//! The runner's own life: lock, socket, engine, end.

use std::sync::Arc;

use async_trait::async_trait;
use journal_schema::Operator;
use thiserror::Error;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use super::{Control, Home, Server};
use crate::engine::Ending;

/// How long the end waits for a client to attach, if none ever did: whoever started the run is about to.
const LINGER: std::time::Duration = std::time::Duration::from_secs(2);

/// Why a runner could not take its run up. Nothing was done.
#[derive(Debug, Error)]
#[error("{doing}: {why}")]
pub struct Failed {
    /// What was being done.
    pub doing: &'static str,
    /// Why not.
    pub why: String,
}

/// What a runner is for: the engine on a run.
#[async_trait]
pub trait Work: Send {
    /// Works until the run ends or [`Control::stop`] asks, and lets go of the journal.
    async fn work(self: Box<Self>, control: Arc<Control>) -> Ending;
}

fn by_signal(control: &Control, signal: &str) -> Operator {
    Operator { name: signal.to_owned(), host: control.operator.host.clone(), terminal: "-".to_owned() }
}

/// Leaves the terminal and its session. A process that leads its group (started by a shell with job control) cannot and need not.
pub fn leave_terminal() {
    let _ = rustix::process::setsid();
}

/// Serves a run until it ends: control socket, signals, engine. SIGTERM and SIGINT stop between two steps; SIGHUP means nothing.
/// The caller holds the journal's lock.
pub async fn serve(home: &Home, control: Arc<Control>, work: Box<dyn Work>) -> Result<Ending, Failed> {
    let failed = |doing| move |error: std::io::Error| Failed { doing, why: error.to_string() };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed("signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed("signals"))?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed("signals"))?;
    let server = Server::bind(home, control.run).map_err(failed("the control socket"))?;
    let (over, is_over) = oneshot::channel();
    let serving = tokio::spawn(server.serve(control.clone(), is_over));
    // In a task of its own: a panic in it is an ending, not the end of everything.
    let mut working = tokio::spawn(work.work(control.clone()));
    let ending = loop {
        tokio::select! {
            ended = &mut working => break ended,
            _ = terminate.recv() => control.stop(&by_signal(&control, "SIGTERM")),
            _ = interrupt.recv() => control.stop(&by_signal(&control, "SIGINT")),
            _ = hang_up.recv() => tracing::info!("SIGHUP: the run goes on"),
        }
    };
    let ending = ending.unwrap_or_else(|error| {
        tracing::error!(%error, "the engine failed");
        Ending::Stuck {
            step: String::new(),
            why: format!("hamn itself failed: {error}"),
            settle: format!("hamn resume {}", control.run),
        }
    });
    control.release_store();
    tracing::info!(?ending, "ended");
    let deadline = tokio::time::Instant::now() + LINGER;
    while !control.hub.ever_attached() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    control.hub.end(ending.clone());
    let _ = over.send(());
    let _ = serving.await;
    Ok(ending)
}
