//! A shell on another machine. One connection is kept and used for everything; a dead one is replaced, the next address first.
//!
//! The script goes in on standard input of a plain `sh -s`, after the session was opened. So whatever fails before that has started
//! nothing, and whatever fails after it is unknown, never failed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use openssh::Stdio;
use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore},
    time,
};

use super::{
    exchange::{Broken, Raw, exchange, said},
    job::find,
    master::{Den, Master, Target},
};

/// Sessions at once over one connection. sshd refuses the eleventh (MaxSessions 10), and those of calls whose time was over count
/// until their remote shells end.
const AT_ONCE: usize = 6;

/// What an address is given before the next is tried beside it.
const HEAD_START: Duration = Duration::from_millis(500);

/// What a login may take once sshd has answered. It asks a name service for us (`UseDNS`, PAM), and that one may just have died with
/// the management node: five seconds a try, two tries, two servers.
const LOGIN: Duration = Duration::from_secs(30);

/// Seconds between two signs of life, and how many may be missing: a silent peer is given up after six.
const ALIVE: (u32, u32) = (2, 3);
/// The same for a machine whose logins take longer than that.
const ALIVE_SLOW: (u32, u32) = (5, 5);

/// Longest wait for a session over a connection that is open: behind a pulled cable nothing says no.
const OPEN_LIMIT: Duration = Duration::from_secs(9);

/// A machine behind ssh.
#[derive(Debug)]
pub(super) struct Ssh {
    den: Arc<Den>,
    target: Target,
    line: Mutex<Line>,
    /// Held by whoever connects.
    connecting: AsyncMutex<()>,
    room: Semaphore,
}

#[derive(Debug, Default)]
struct Line {
    master: Option<Arc<Master>>,
    /// Address to try first.
    next: usize,
    /// When the last try to connect failed, and why.
    failed: Option<(Instant, String)>,
}

impl Ssh {
    pub(super) fn new(den: Arc<Den>, target: Target) -> Self {
        Self { den, target, line: Mutex::default(), connecting: AsyncMutex::default(), room: Semaphore::new(AT_ONCE) }
    }

    /// Whether there is a connection, as far as is known.
    pub(super) fn connected(&self) -> bool {
        self.line().master.is_some()
    }

    /// Runs `text` in a shell there. Everything within `limit`.
    pub(super) async fn call(&self, text: &str, nonce: &str, limit: Duration) -> Result<Raw, Broken> {
        let until = Instant::now() + limit;
        let room = time::timeout(limit, self.room.acquire()).await;
        let Ok(Ok(_room)) = room else { return Err(Broken::NeverStarted("too many calls at once".into())) };
        let (master, kept) = self.master(until).await?;
        match self.over(&master, text, nonce, until).await {
            // The kept connection was dead; nothing was sent over it.
            Err(Broken::NeverStarted(_)) if kept => {
                let (master, _) = self.master(until).await?;
                self.over(&master, text, nonce, until).await
            }
            other => other,
        }
    }

    /// The kept connection, or a new one. The flag says which.
    async fn master(&self, until: Instant) -> Result<(Arc<Master>, bool), Broken> {
        let left = || until.saturating_duration_since(Instant::now());
        let asked = Instant::now();
        // Whoever comes while somebody connects waits here and finds the connection, or that there is none: a dead machine is waited
        // for once, and not by the copies of the journal and then by the look at it.
        let Ok(_connecting) = time::timeout(left(), self.connecting.lock()).await else {
            return Err(Broken::NeverStarted("no connection within the time limit".into()));
        };
        let first = match &*self.line() {
            Line { master: Some(master), .. } => return Ok((Arc::clone(master), true)),
            Line { failed: Some((at, why)), .. } if *at > asked => return Err(Broken::NeverStarted(why.clone())),
            Line { next, .. } => *next,
        };
        match self.race(first, left()).await {
            Ok((address, master)) => {
                let master = Arc::new(master);
                *self.line() = Line { master: Some(Arc::clone(&master)), next: address, failed: None };
                Ok((master, false))
            }
            Err(why) => {
                // Who has no more time says nothing of the machine.
                if !left().is_zero() {
                    self.line().failed = Some((Instant::now(), why.clone()));
                }
                Err(Broken::NeverStarted(why))
            }
        }
    }

    /// One address. Where sshd answers and only the login does not end, once more with more patience: ssh takes a login that is as long
    /// as a silence of a peer for one.
    async fn connect(&self, address: usize, limit: Duration) -> Result<Master, String> {
        let began = Instant::now();
        match Master::connect(&self.den, &self.target, address, limit, ALIVE).await {
            Err(why) if is_slow(&why) => {
                let left = limit.saturating_sub(began.elapsed());
                let patient = Master::connect(&self.den, &self.target, address, left, ALIVE_SLOW).await;
                patient.map_err(|why| {
                    format!("sshd answers, but lets nobody in: {why} (it hangs, or asks a name service that is gone: UseDNS no)")
                })
            }
            other => other,
        }
    }

    /// The addresses side by side, each with a head start over the next; the first that lets us in is taken. A dead machine then costs
    /// the time of one address and not of all of them, and the host key is pinned for each.
    async fn race(&self, first: usize, limit: Duration) -> Result<(usize, Master), String> {
        let count = self.target.addresses.len();
        let limit = limit.min(Duration::from_secs(self.target.connect_timeout_s.max(1).into()) + LOGIN);
        let connect = |n: usize| async move {
            let address = (first + n) % count;
            (n, address, self.connect(address, limit).await)
        };
        let (mut running, mut begun, mut tried) = (FuturesUnordered::new(), 0, BTreeMap::new());
        loop {
            if begun < count {
                running.push(connect(begun));
                begun += 1;
            }
            let ended = tokio::select! {
                biased;
                Some(ended) = running.next() => ended,
                () = time::sleep(HEAD_START), if begun < count => continue,
                else => break,
            };
            match ended {
                (_, address, Ok(master)) => return Ok((address, master)),
                (n, address, Err(why)) => {
                    let at = format!("{} port {}: ", self.target.addresses[address], self.target.port);
                    // ssh says the same once more.
                    let why = why.strip_prefix(&format!("ssh: connect to host {at}")).unwrap_or(&why);
                    tried.insert(n, format!("{at}{why}"));
                }
            }
        }
        let tried = tried.into_values().collect::<Vec<_>>().join("; ");
        Err(if tried.is_empty() { "no address is configured".into() } else { tried })
    }

    /// Forgets a connection that failed; the next one begins with the next address.
    fn forget(&self, dead: &Arc<Master>) {
        let mut line = self.line();
        if line.master.as_ref().is_some_and(|m| Arc::ptr_eq(m, dead)) {
            line.master = None;
            line.next = (dead.address + 1) % self.target.addresses.len().max(1);
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn over(&self, master: &Arc<Master>, text: &str, nonce: &str, until: Instant) -> Result<Raw, Broken> {
        let left = until.saturating_duration_since(Instant::now());
        let mut command = master.session().command("/bin/sh");
        command.arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match time::timeout(left.min(OPEN_LIMIT), command.spawn()).await {
            Ok(Ok(child)) => child,
            // The script was not sent: nothing can have run, whatever the error is.
            Ok(Err(e)) => {
                self.forget(master);
                return Err(Broken::NeverStarted(chain(&e)));
            }
            Err(_) => {
                self.forget(master);
                return Err(Broken::NeverStarted("the connection does not answer".into()));
            }
        };
        let streams = (child.stdin().take(), child.stdout().take(), child.stderr().take());
        let (Some(stdin), Some(stdout), Some(stderr)) = streams else { unreachable!("all three are piped") };
        let left = until.saturating_duration_since(Instant::now());
        match time::timeout(left, exchange(stdin, stdout, stderr, text, nonce)).await {
            Ok(Ok(raw)) if raw.complete => Ok(raw),
            Ok(Ok(raw)) => {
                self.forget(master);
                let status = time::timeout(Duration::from_secs(1), child.wait()).await;
                let (how, code) = match status {
                    Ok(Ok(status)) => (status.to_string(), status.code()),
                    Ok(Err(e)) => (chain(&e), None),
                    Err(_) => ("no exit status".to_owned(), None),
                };
                Err(Broken::Unknown(broke_off(&how, code, &raw)))
            }
            Ok(Err(e)) => {
                self.forget(master);
                Err(Broken::Unknown(format!("the answer cannot be read: {e}")))
            }
            Err(_) => {
                // Its shell may wait for its job for long and counts against MaxSessions: a new connection counts from none.
                self.forget(master);
                Err(Broken::OutOfTime)
            }
        }
    }
}

/// What is known of an answer that has no end. A shell that ended by itself before the first word of what it was sent was mostly ended by
/// its own start-up files.
fn broke_off(how: &str, code: Option<i32>, raw: &Raw) -> String {
    let said = said(&raw.stderr);
    let colon = if said.is_empty() { "" } else { ": " };
    let by_itself = code.is_some_and(|code| code != SSH_FAILED) && find(&raw.stdout, b"@@hamn ").is_none();
    let hint = if by_itself {
        "; nothing of what was sent to it was seen to run: is there an `exit` or `exec` in the start-up files of the login shell there?"
    } else {
        ""
    };
    format!("the answer broke off: {how}{colon}{said}{hint}")
}

/// Exit code of ssh for its own troubles.
const SSH_FAILED: i32 = 255;

/// Whether ssh had come further than to sshd's first words when it lost its patience.
fn is_slow(why: &str) -> bool {
    why.starts_with("Connection to ") && why.contains(" timed out") && !why.contains("banner")
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(stdout: &str, stderr: &str) -> Raw {
        let (stdout, stderr) = (stdout.into(), stderr.into());
        Raw { stdout, stderr, complete: false, sent_ms: 0, took: Duration::ZERO }
    }

    #[test]
    fn a_login_shell_that_ends_itself_is_told_from_a_lost_connection() {
        let ended = broke_off("exit status: 0", Some(0), &raw("Welcome\n", ""));
        assert!(ended.contains("start-up files"), "{ended}");
        for (code, stdout) in [(Some(255), ""), (None, ""), (Some(0), "@@hamn 1 begin 0\n")] {
            let broken = broke_off("it ended", code, &raw(stdout, "Connection reset by peer\n"));
            assert_eq!(broken, "the answer broke off: it ended: Connection reset by peer", "{code:?} {stdout}");
        }
    }
}
