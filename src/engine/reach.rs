//! A job's answer in spite of lost connections: try again, ask for the token, never send twice what may have run under another.

use std::{sync::atomic::Ordering, time::Duration};

use journal_schema::{Fact, Seq, Token, UnixMillis};
use workflows::{Output, Place, Script, Step, steps::epoch::RAISES};

use crate::remote::{Answer, Failure, Job};

use super::{Drive, Event};

/// What came of it.
#[derive(Debug)]
pub(super) enum Reached {
    /// The place answered.
    Answer(Answer),
    /// Nothing was started, on any try.
    Silent(String),
    /// It may have been started; the place does not answer any more.
    Unknown(String),
    /// Another machine is there.
    Wrong(String),
    /// The job was on a machine that this one cannot ask: the controller of another host.
    Elsewhere(String),
}

impl Reached {
    /// Why there is no answer.
    pub(super) fn why(self) -> String {
        match self {
            Self::Silent(why) | Self::Unknown(why) | Self::Elsewhere(why) => why,
            Self::Wrong(why) => format!("wrong machine: {why}"),
            Self::Answer(_) => String::new(),
        }
    }
}

/// Pauses between tries, until patience ends.
struct Backoff<'d> {
    drive: &'d Drive<'d>,
    /// By the wall clock, for whoever follows.
    since: UnixMillis,
    /// By the steady one, which a step of the wall clock neither shortens nor prolongs.
    began: Duration,
    pause: Duration,
    patience: Duration,
}

impl Backoff<'_> {
    /// Waits; `false` when patience is at its end or a stop was asked for.
    async fn again(&mut self, step: &str, place: Place, why: &str) -> bool {
        let drive = self.drive;
        let clock = drive.ledger.clock();
        let waited = clock.steady().saturating_sub(self.began);
        if waited >= self.patience || drive.engine.stop.asked() {
            return false;
        }
        drive.ledger.tell(|| Event::Waiting {
            step: step.to_owned(),
            place: place.name(&drive.engine.pair).to_owned(),
            why: why.to_owned(),
            since: self.since,
        });
        clock.sleep(self.pause).await;
        self.pause = (self.pause * 2).min(drive.engine.patience.longest_pause);
        true
    }
}

impl Drive<'_> {
    fn backoff(&self, patience: Duration) -> Backoff<'_> {
        let (since, began) = (self.ledger.clock().now(), self.ledger.clock().steady());
        Backoff { drive: self, since, began, pause: self.engine.patience.first_pause, patience }
    }

    /// Runs a read-only script until it was answered. A step that says what *not reached* means is not tried again.
    pub(super) async fn observe(&self, step: &Step, script: &Script) -> Result<Output, Reached> {
        let limit = Duration::from_secs(step.timeout_s.into());
        let patience = if step.unreachable.is_some() { Duration::ZERO } else { self.engine.patience.unreachable };
        let mut backoff = self.backoff(patience);
        loop {
            let why = match self.engine.remote.observe(step.place, script, limit).await {
                Ok(output) => return Ok(output),
                Err(Failure::WrongMachine { detail, .. }) => return Err(Reached::Wrong(detail)),
                Err(Failure::NeverStarted { detail, .. }) => detail,
                Err(Failure::Unknown { detail, .. }) => {
                    self.shaken.store(true, Ordering::Relaxed);
                    detail
                }
            };
            if !backoff.again(&step.id, step.place, &why).await {
                return Err(Reached::Silent(why));
            }
        }
    }

    /// Launches a job, or finds it launched, and waits for its end. Sending the same token again is always safe.
    pub(super) async fn job(&self, step: &Step, token: &Token, script: &Script, limit: Duration) -> Reached {
        let epoch = self.epoch();
        let job = Job { token, script, epoch };
        let patience = if step.unreachable.is_some() { Duration::ZERO } else { self.engine.patience.unreachable };
        let mut backoff = self.backoff(patience);
        let mut may_have_started = false;
        loop {
            let why = match self.with_last_line(step, token, self.engine.remote.run(step.place, job, limit)).await {
                Ok(answer) => return Reached::Answer(answer),
                Err(Failure::WrongMachine { detail, .. }) => return Reached::Wrong(detail),
                Err(Failure::NeverStarted { detail, .. }) => detail,
                Err(Failure::Unknown { detail, .. }) => {
                    may_have_started = true;
                    self.shaken.store(true, Ordering::Relaxed);
                    // The connection went while the job may be running: patience begins now.
                    backoff.patience = self.engine.patience.unreachable;
                    detail
                }
            };
            if !backoff.again(&step.id, step.place, &why).await {
                return if may_have_started { Reached::Unknown(why) } else { Reached::Silent(why) };
            }
        }
    }

    /// Makes sure that a token whose launch may still be under way never starts, or says what became of it.
    pub(super) async fn revoke(&self, step: &Step, token: &Token) -> Reached {
        let limit = Duration::from_secs(step.timeout_s.into());
        let mut backoff = self.backoff(self.engine.patience.unreachable);
        loop {
            let answer = match self.engine.remote.revoke(step.place, token).await {
                Ok(Answer::Running) => self.engine.remote.ask(step.place, token, limit).await,
                other => other,
            };
            let why = match answer {
                Ok(answer) => return Reached::Answer(answer),
                Err(Failure::WrongMachine { detail, .. }) => return Reached::Wrong(detail),
                Err(Failure::NeverStarted { detail, .. } | Failure::Unknown { detail, .. }) => detail,
            };
            if !backoff.again(&step.id, step.place, &why).await {
                return Reached::Unknown(why);
            }
        }
    }

    /// Shows the job's last line every two seconds while it runs.
    async fn with_last_line<T>(&self, step: &Step, token: &Token, work: impl Future<Output = T>) -> T {
        const EVERY: Duration = Duration::from_secs(2);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.ledger.clock().sleep(EVERY) => {}
            }
            tokio::select! {
                biased;
                done = &mut work => return done,
                line = self.engine.remote.peek(step.place, token) => {
                    if let Ok(line) = line && !line.is_empty() {
                        self.ledger.tell(|| Event::LastLine { step: step.id.clone(), line });
                    }
                }
            }
        }
    }

    /// The epoch that this run's jobs carry: one above the highest that it found at its first look, or the highest that it has
    /// raised itself since (a drill promotes twice). A node that another run has raised since refuses them (invariant 4).
    fn epoch(&self) -> u64 {
        self.ledger.read(|view| {
            let highest = |facts: &[(Seq, Fact)]| {
                let epochs = facts.iter().filter_map(|(_, f)| match f {
                    Fact::Epoch { epoch, .. } => Some(*epoch),
                    _ => None,
                });
                epochs.max().unwrap_or(0)
            };
            let (taken, evidence) = (&view.state.taken, &view.state.evidence);
            let first = taken.first().map_or(evidence.len(), |t| t.facts_after);
            let raised = taken.iter().filter(|t| t.steps.iter().any(|s| s.id.starts_with(RAISES)));
            let own = raised.map(|t| highest(&evidence[t.facts..t.facts_after])).max().unwrap_or(0);
            own.max(highest(&evidence[..first]) + 1)
        })
    }
}
