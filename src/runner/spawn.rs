//! Starts a runner.

use std::{
    io,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use journal_schema::RunId;
use serde::Serialize;
use thiserror::Error;

use super::{Client, ClientError, Home};

/// How long a runner may take until its socket answers: opening a large journal on a slow disk is most of it.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Why there is no runner.
#[derive(Debug, Error)]
pub enum SpawnError {
    /// Its files or its process could not be made.
    #[error("the runner could not be started: {doing}: {source}")]
    NotStarted {
        /// What was being done.
        doing: String,
        /// The operating system's words.
        source: io::Error,
    },
    /// It ended before its socket answered.
    #[error("the runner ended before it took the run up ({status})")]
    Died {
        /// How.
        status: ExitStatus,
        /// End of its log.
        log: String,
    },
    /// It is alive and its socket does not answer.
    #[error("the runner (process {pid}) does not answer after {} s", START_LIMIT.as_secs())]
    Silent {
        /// Its process.
        pid: u32,
        /// End of its log.
        log: String,
    },
}

/// A runner that answers.
#[derive(Debug)]
pub struct Spawned {
    /// Its process; dropping it does not end it.
    pub child: Child,
    /// A connection to it, greeted.
    pub client: Client,
}

/// Starts `hamn runner` for a run, detached, and waits until its control socket answers. `parameters` reach it through a file
/// of its owner only.
pub async fn spawn<P: Serialize>(
    program: PathBuf,
    home: &Home,
    run: RunId,
    parameters: &P,
) -> Result<Spawned, SpawnError> {
    let failed = |doing: &str| {
        let doing = doing.to_owned();
        move |source| SpawnError::NotStarted { doing, source }
    };
    home.prepare(run).map_err(failed("its folder"))?;
    let text = serde_json::to_vec_pretty(parameters).map_err(io::Error::from).map_err(failed("its parameters"))?;
    Home::write_private(&home.parameters(run), &text).map_err(failed("its parameters"))?;
    // Absolute, because the runner works in `/`.
    let state = std::fs::canonicalize(home.state()).map_err(failed("its folder"))?;
    let log = home.open_log(run).map_err(failed("its log"))?;
    let log_start = log.metadata().map_or(0, |m| m.len());
    let log_again = log.try_clone().map_err(failed("its log"))?;
    let mut child = Command::new(program)
        .args(["runner", "-v", "--state-dir"])
        .arg(&state)
        .arg(run.to_string())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(log_again)
        .spawn()
        .map_err(failed("its process"))?;
    let deadline = Instant::now() + START_LIMIT;
    let mut pause = Duration::from_millis(2);
    loop {
        match Client::connect(home, Some(run)).await {
            // The socket may still be that of a runner which ends at this moment.
            Ok(client) if client.greeting().pid == child.id() => return Ok(Spawned { child, client }),
            Ok(_) | Err(ClientError::NoRunner) => {}
            Err(error) => tracing::debug!(%error, "not yet"),
        }
        let new_log = || {
            let skip = home.log_from(run, log_start);
            let lines: Vec<&str> = skip.lines().collect();
            lines[lines.len().saturating_sub(20)..].join("\n")
        };
        if let Some(status) = child.try_wait().map_err(failed("its process"))? {
            return Err(SpawnError::Died { status, log: new_log() });
        }
        if Instant::now() > deadline {
            return Err(SpawnError::Silent { pid: child.id(), log: new_log() });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
