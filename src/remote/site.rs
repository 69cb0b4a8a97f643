//! One place and the way to it: calls of the job protocol, and what became of them.

use std::time::Duration;

use journal_schema::Token;

use super::{
    Answer, Failure,
    exchange::{Broken, Raw, said},
    job::{Desk, Reply, reply},
    local,
    ssh::Ssh,
};

/// Time for a call that waits for nothing, connecting included.
pub(super) const CALL: Duration = Duration::from_secs(20);

/// One place.
#[derive(Debug)]
pub(super) struct Site {
    /// Name in errors.
    pub(super) name: String,
    /// Name in the journal.
    pub(super) at: String,
    pub(super) desk: Desk,
    pub(super) line: Line,
}

/// The way to it.
#[derive(Debug)]
pub(super) enum Line {
    Local,
    Ssh(Box<Ssh>),
}

impl Site {
    /// Runs a text there.
    pub(super) async fn call(&self, text: &str, nonce: &str, limit: Duration) -> Result<Raw, Broken> {
        match &self.line {
            Line::Local => local::call(text, nonce, limit).await,
            Line::Ssh(ssh) => ssh.call(text, nonce, limit).await,
        }
    }

    /// Whether a call would find a connection.
    pub(super) fn connected(&self) -> bool {
        match &self.line {
            Line::Local => true,
            Line::Ssh(ssh) => ssh.connected(),
        }
    }

    /// An error as it is told.
    pub(super) fn failure(&self, broken: Broken, limit: Duration) -> Failure {
        let place = self.name.clone();
        match broken {
            Broken::NeverStarted(detail) => Failure::NeverStarted { place, detail },
            Broken::Unknown(detail) => Failure::Unknown { place, detail },
            Broken::OutOfTime => {
                Failure::Unknown { place, detail: format!("no answer within {} s", limit.as_secs_f32()) }
            }
        }
    }

    /// Sends a call of the job protocol.
    pub(super) async fn ask(
        &self,
        token: Option<&Token>,
        nonce: &str,
        text: &str,
        limit: Duration,
    ) -> Result<Reply, Told> {
        let raw = self.call(text, nonce, limit).await.map_err(|broken| match broken {
            Broken::OutOfTime => Told::OutOfTime,
            other => Told::Failed(self.failure(other, limit)),
        })?;
        match reply(token, nonce, &raw.stdout) {
            Some(Reply::Wrong(found)) => Err(Told::Failed(self.wrong(&found))),
            Some(Reply::Trouble(why)) => {
                let said = said(&raw.stderr);
                let detail = if said.is_empty() { why } else { format!("{why}: {said}") };
                Err(Told::Failed(Failure::NeverStarted { place: self.name.clone(), detail }))
            }
            Some(Reply::Job(Answer::Finished(mut output), true)) => {
                output.sent_ms = raw.sent_ms;
                output.took_ms = raw.took.as_millis() as u64;
                Ok(Reply::Job(Answer::Finished(output), true))
            }
            Some(other) => Ok(other),
            None => Err(Told::Failed(Failure::Unknown {
                place: self.name.clone(),
                detail: format!("the answer makes no sense: {}", said(&raw.stdout)),
            })),
        }
    }

    /// A call about a job.
    pub(super) async fn job(&self, token: &Token, nonce: &str, text: &str, limit: Duration) -> Result<Answer, Told> {
        match self.ask(Some(token), nonce, text, limit).await? {
            Reply::Job(answer, _) => Ok(answer),
            other => unreachable!("a job's call is not answered by {other:?}"),
        }
    }

    /// Adds bytes to a file there, durably.
    pub(super) async fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        let nonce = nonce();
        let text = self
            .desk
            .append(path, bytes, &nonce)
            .map_err(|e| Failure::NeverStarted { place: self.name.clone(), detail: format!("{path:?}: {e}") })?;
        match self.ask(None, &nonce, &text, CALL).await {
            Ok(_) => Ok(()),
            Err(told) => Err(told.failure(self, CALL)),
        }
    }

    /// It is another machine.
    pub(super) fn wrong(&self, found: &str) -> Failure {
        let detail = format!("its machine-id is {found}, pinned is {}", self.desk.pinned());
        Failure::WrongMachine { place: self.name.clone(), detail }
    }
}

/// Why a call of the job protocol has no reply.
pub(super) enum Told {
    Failed(Failure),
    OutOfTime,
}

impl Told {
    pub(super) fn failure(self, site: &Site, limit: Duration) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            Self::OutOfTime => site.failure(Broken::OutOfTime, limit),
        }
    }
}

/// Known to nobody before; a program cannot print it by accident.
pub(super) fn nonce() -> String {
    let bytes = getrandom::u64().expect("the system has random numbers");
    format!("{bytes:016x}")
}
