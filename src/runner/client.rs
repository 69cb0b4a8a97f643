//! A client of a runner.

use std::{io, path::Path, time::Duration};

use journal_schema::{Record, RunId};
use thiserror::Error;
use tokio::{
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use super::{
    Home,
    line::{self, LineReader},
    protocol::{Greeting, PROTOCOL, REPLY_LIMIT, Reply, Request, Status},
};

/// A runner greets at once; one that does not within this is hung.
const GREETING_LIMIT: Duration = Duration::from_secs(5);

/// Why there is no talking to a runner.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No socket, or nobody behind it.
    #[error("no runner is at work")]
    NoRunner,
    /// It speaks another protocol.
    #[error("the runner (process {pid}) is hamn {hamn} and speaks another protocol than this hamn")]
    OtherVersion {
        /// Version of the runner's program.
        hamn: String,
        /// Its process.
        pid: u32,
    },
    /// It did what was not expected.
    #[error("the runner did not answer as it should: {0}")]
    Odd(String),
    /// It refused.
    #[error("{0}")]
    Refused(String),
    /// The connection broke.
    #[error("the connection to the runner broke: {0}")]
    Io(#[from] io::Error),
}

/// A connection to a runner.
#[derive(Debug)]
pub struct Client {
    from: LineReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
    greeting: Greeting,
}

impl Client {
    /// Connects to the runner of a run, or to the one that is at work now.
    pub async fn connect(home: &Home, run: Option<RunId>) -> Result<Self, ClientError> {
        match run {
            Some(run) => Self::connect_path(&home.socket(run)).await,
            None => Self::connect_path(&home.current()).await,
        }
    }

    async fn connect_path(path: &Path) -> Result<Self, ClientError> {
        let (short, _dir) = match Home::short(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ClientError::NoRunner),
            short => short?,
        };
        let stream = match UnixStream::connect(short).await {
            // A socket without a listener is what a killed runner leaves behind; a connection that it had not taken yet when it was
            // killed is reset.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
                ) =>
            {
                return Err(ClientError::NoRunner);
            }
            stream => stream?,
        };
        let (from, to) = stream.into_split();
        let mut from = LineReader::new(from, REPLY_LIMIT);
        let greeting = match timeout(GREETING_LIMIT, from.next::<Reply>()).await {
            Ok(Ok(Some(Reply::Greeting(greeting)))) => greeting,
            // It went away between our connecting and its greeting.
            Ok(Ok(None)) => return Err(ClientError::NoRunner),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => return Err(ClientError::NoRunner),
            Ok(Ok(Some(other))) => return Err(ClientError::Odd(format!("it began with {other:?}"))),
            Ok(Err(error)) => return Err(ClientError::Io(error)),
            Err(_) => return Err(ClientError::Odd(format!("no greeting within {} s", GREETING_LIMIT.as_secs()))),
        };
        if greeting.protocol != PROTOCOL {
            return Err(ClientError::OtherVersion { hamn: greeting.hamn, pid: greeting.pid });
        }
        Ok(Self { from, to, greeting })
    }

    /// Who is at the other end.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Sends a request; answers and events come by [`Client::next`].
    pub async fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        Ok(line::send(&mut self.to, request).await?)
    }

    /// The next line; `None` when the runner hung up. May be cancelled without loss.
    pub async fn next(&mut self) -> Result<Option<Reply>, ClientError> {
        Ok(self.from.next().await?)
    }

    /// Sends a request on a connection that is not attached and waits for its answer.
    pub async fn request(&mut self, request: &Request) -> Result<Reply, ClientError> {
        let answer = match self.send(request).await {
            Ok(()) => self.next().await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(Some(Reply::Refused { why })) => Err(ClientError::Refused(why)),
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(ClientError::NoRunner),
            Err(ClientError::Io(e))
                if matches!(e.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) =>
            {
                Err(ClientError::NoRunner)
            }
            Err(error) => Err(error),
        }
    }

    /// What is going on.
    pub async fn status(&mut self) -> Result<Status, ClientError> {
        match self.request(&Request::Status).await? {
            Reply::Status(status) => Ok(status),
            other => Err(ClientError::Odd(format!("{other:?}"))),
        }
    }

    /// The runs of the journal that the runner holds.
    pub async fn runs(&mut self) -> Result<Vec<RunId>, ClientError> {
        match self.request(&Request::Runs).await? {
            Reply::Runs { runs } => Ok(runs),
            other => Err(ClientError::Odd(format!("{other:?}"))),
        }
    }

    /// The records of a run in the journal that the runner holds.
    pub async fn records(&mut self, run: RunId) -> Result<Vec<Record>, ClientError> {
        match self.request(&Request::Records { run }).await? {
            Reply::Records { records } => Ok(records),
            other => Err(ClientError::Odd(format!("{other:?}"))),
        }
    }
}
