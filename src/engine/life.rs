//! The life of a step: look, intent, launch, judge, outcome.

use std::{sync::atomic::Ordering, time::Duration};

use journal_schema::{Attempt, Digest, Direction, Fact, Mode, Operator, Payload, StepStatus, Token, Verdict};
use workflows::{ActionResult, Judgement, Output, Step};

use crate::remote::Answer as JobAnswer;

use super::{Drive, Event, Question, halt::Halt, reach::Reached};

/// How a step went, as far as its transition is concerned.
#[derive(Debug)]
pub(super) enum Went {
    /// The effect holds.
    Holds,
    /// It does not, and the run goes on without it.
    GoesOnWithout,
    /// It does not.
    Failed { step: String, why: String },
}

/// An ended try.
pub(super) struct Tried {
    pub(super) judgement: Judgement,
    /// Trying again is of no use: another machine, another epoch.
    pub(super) hopeless: bool,
    pub(super) output: Option<Output>,
}

impl Tried {
    pub(super) fn judged(judgement: Judgement, output: Output) -> Self {
        Self { judgement, hopeless: false, output: Some(output) }
    }

    fn failed(why: impl Into<String>) -> Self {
        Self { judgement: Judgement::failed(why, Vec::new()), hopeless: false, output: None }
    }

    fn hopeless(why: impl Into<String>) -> Self {
        Self { hopeless: true, ..Self::failed(why) }
    }

    fn unknown(why: impl Into<String>) -> Self {
        Self { judgement: Judgement::unknown(why, Vec::new()), hopeless: false, output: None }
    }
}

/// Longest tail of an output in the journal, bytes.
const TAIL: usize = 2_000;
/// Longest listing of a script in the journal, bytes.
const LISTING: usize = 32 * 1024;

impl Drive<'_> {
    /// Carries a step out, whatever the journal says of it so far.
    pub(super) async fn carry_out(&self, step: &Step, all: &[Step]) -> Result<Went, Halt> {
        if self.holds(step) {
            // The program may have died between the outcome and the item that belongs to it; what another step closed since stays closed.
            let closed = |id: &String| all.iter().any(|other| other.closes.contains(id) && self.holds(other));
            if !step.opens.as_ref().is_some_and(|item| closed(&item.id)) {
                self.settle_items(step).await?;
            }
            return Ok(Went::Holds);
        }
        let (began, steady) = (self.ledger.clock().now(), self.ledger.clock().steady());
        self.ledger.tell(|| {
            let row = self.ledger.read(|v| v.state.open.as_ref().map(|o| (o.row.transition.clone(), o.row.to.clone())));
            let (transition, to) = row.unwrap_or_default();
            Event::StepStarted {
                step: step.id.clone(),
                title: step.title.clone(),
                place: step.place.name(&self.engine.pair).to_owned(),
                transition,
                k: all.iter().position(|s| s.id == step.id).map_or(1, |k| k as u32 + 1),
                n: all.len() as u32,
                left: self.left(&to),
                at: began,
            }
        });
        let tried = self.live(step).await?;
        self.ledger.tell(|| Event::StepEnded {
            step: step.id.clone(),
            verdict: tried.judgement.verdict,
            why: tried.judgement.why.clone(),
            took_ms: self.ledger.clock().steady().saturating_sub(steady).as_millis() as u64,
        });
        let why = tried.judgement.why;
        match tried.judgement.verdict {
            Verdict::Succeeded => {
                self.settle_items(step).await?;
                Ok(Went::Holds)
            }
            Verdict::Failed | Verdict::Unknown if step.optional && step.mode != Mode::OnceOnly => {
                if let Some(item) = &step.opens {
                    self.open_item(item.clone()).await?;
                }
                Ok(Went::GoesOnWithout)
            }
            Verdict::Failed => Ok(Went::Failed { step: step.id.clone(), why }),
            Verdict::Unknown if step.mode == Mode::Observe => Ok(Went::Failed { step: step.id.clone(), why }),
            Verdict::Unknown if self.engine.stop.asked() => Err(Halt::Asked),
            Verdict::Unknown => Err(Halt::Stuck {
                step: step.id.clone(),
                why,
                settle: format!(
                    "hamn journal show {run}   # what is known\nhamn resume {run}   # asks {place} again",
                    run = self.run,
                    place = step.place.name(&self.engine.pair)
                ),
            }),
        }
    }

    pub(super) fn holds(&self, step: &Step) -> bool {
        self.ledger.read(|v| matches!(v.state.steps.get(&step.id).map(|s| &s.status), Some(StepStatus::Holds { .. })))
    }

    /// Tries until it holds, cannot, or nobody can tell.
    async fn live(&self, step: &Step) -> Result<Tried, Halt> {
        let mut tries_left = step.retries;
        let mut pause = Duration::from_millis(step.retry_pause_ms.into());
        loop {
            let earlier = self.unsettled(step, Direction::Forward);
            let of_before = earlier.is_some();
            let tried = if step.mode == Mode::Observe {
                self.look_at(step).await?
            } else if let Some((attempt, token, at)) = earlier {
                self.settle(step, attempt, &token, &at).await?
            } else {
                self.attempt(step).await?
            };
            let again = match tried.judgement.verdict {
                Verdict::Succeeded => false,
                Verdict::Failed => step.mode != Mode::OnceOnly,
                Verdict::Unknown => step.mode == Mode::Observe,
            };
            if !again || tried.hopeless || self.engine.stop.asked() {
                return Ok(tried);
            }
            if of_before {
                // What an earlier program tried does not count: this one has not tried yet.
                continue;
            }
            if tries_left == 0 || !step.optional && self.ground_is_gone(step).await? {
                return Ok(tried);
            }
            tries_left -= 1;
            self.ledger.clock().sleep(pause).await;
            pause *= 2;
        }
    }

    /// An observation step.
    async fn look_at(&self, step: &Step) -> Result<Tried, Halt> {
        let mut tried = match self.observe(step, &step.probe).await {
            Ok(output) => Tried::judged((step.judge_probe)(&output), output),
            Err(Reached::Wrong(why)) => Tried::hopeless(why),
            Err(Reached::Silent(why)) => match &step.unreachable {
                Some(judgement) => {
                    let mut tried = Tried { judgement: judgement.clone(), hopeless: true, output: None };
                    tried.judgement.why = format!("{} ({why})", tried.judgement.why);
                    tried
                }
                None => Tried::failed(format!("not reached: {why}")),
            },
            Err(_) => Tried::unknown("no answer"),
        };
        let attempt = self.next_attempt(step, Direction::Forward);
        self.write_outcome(step, Direction::Forward, attempt, &mut tried).await?;
        Ok(tried)
    }

    /// A new try of an effect.
    async fn attempt(&self, step: &Step) -> Result<Tried, Halt> {
        if step.look_first
            && !step.probe.is_empty()
            && let Ok(output) = self.observe(step, &step.probe).await
        {
            let seen = (step.judge_probe)(&output);
            if seen.verdict == Verdict::Succeeded {
                self.write_skipped(step, Direction::Forward, &seen).await?;
                return Ok(Tried::judged(seen, output));
            }
        }
        let attempt = self.next_attempt(step, Direction::Forward);
        let token = Token::new(self.run, &step.id, Direction::Forward, attempt);
        let script = step.job();
        self.ledger
            .write(Payload::Intent {
                step: step.id.clone(),
                direction: Direction::Forward,
                attempt,
                token: token.clone(),
                at: self.engine.remote.at(step.place),
                script: listing(&script),
            })
            .await?;
        let reached = self.job(step, &token, &script, Duration::from_secs(step.timeout_s.into())).await;
        self.judge(step, attempt, reached).await
    }

    /// What became of a try that nobody knows the end of: first the token, then the probe, then the operator.
    pub(super) async fn settle(&self, step: &Step, attempt: Attempt, token: &Token, at: &str) -> Result<Tried, Halt> {
        let here = self.engine.remote.at(step.place);
        let reached = if here == at {
            // Sent again under the same token: if it was launched before, this only waits for it.
            match self.job(step, token, &step.job(), Duration::from_secs(step.timeout_s.into())).await {
                Reached::Answer(JobAnswer::Finished(_)) if step.volatile && step.probe.is_empty() => {
                    Reached::Elsewhere("it ended, but whether its place has rebooted since cannot be seen".into())
                }
                // Not reached by this program says nothing of what an earlier one started: unknown, never "nothing was started".
                Reached::Silent(why) => Reached::Unknown(why),
                reached => reached,
            }
        } else {
            Reached::Elsewhere(format!("it was started from {at}, hamn now runs on {here}"))
        };
        self.judge(step, attempt, reached).await
    }

    /// From what was reached to a verdict, and the verdict into the journal.
    pub(super) async fn judge(&self, step: &Step, attempt: Attempt, reached: Reached) -> Result<Tried, Halt> {
        let tried = match reached {
            Reached::Answer(JobAnswer::Finished(output)) => {
                let judgement = step.judge_job(&output);
                if judgement.verdict == Verdict::Unknown {
                    self.by_probe(step, attempt, judgement.why, Some(output)).await?
                } else {
                    Tried::judged(judgement, output)
                }
            }
            Reached::Answer(JobAnswer::Lost { why }) => {
                self.shaken.store(true, Ordering::Relaxed);
                self.by_probe(step, attempt, format!("the job was lost ({why})"), None).await?
            }
            Reached::Elsewhere(why) => self.by_probe(step, attempt, why, None).await?,
            Reached::Answer(JobAnswer::Running) => {
                Tried::unknown(format!("still running after {} s; it goes on there", step.timeout_s))
            }
            Reached::Answer(JobAnswer::Absent | JobAnswer::Revoked) => {
                Tried::failed("it was never started, and its token is revoked: it never will be")
            }
            Reached::Answer(JobAnswer::StaleEpoch { node_epoch }) => Tried::hopeless(format!(
                "refused by the node: it is at epoch {node_epoch}, higher than this run's; another promotion has taken place"
            )),
            Reached::Silent(why) => match &step.unreachable {
                Some(judgement) => Tried {
                    judgement: Judgement::failed(format!("{} ({why})", judgement.why), judgement.evidence.clone()),
                    hopeless: true,
                    output: None,
                },
                None => Tried::hopeless(format!("not reached, nothing was started: {why}")),
            },
            Reached::Unknown(why) => {
                Tried::unknown(format!("the connection was lost while it may have been running: {why}"))
            }
            Reached::Wrong(why) => Tried::hopeless(format!("wrong machine: {why}")),
        };
        let mut tried = tried;
        if step.optional && step.mode == Mode::Idempotent && tried.judgement.verdict == Verdict::Unknown {
            // The run goes on without it: its item stays open, and nobody builds on its effect.
            tried.judgement.verdict = Verdict::Failed;
            tried.judgement.why = format!("not known to hold: {}", tried.judgement.why);
        }
        self.write_outcome(step, Direction::Forward, attempt, &mut tried).await?;
        Ok(tried)
    }

    /// The job cannot tell: the probe decides, and where it cannot, the operator.
    async fn by_probe(
        &self,
        step: &Step,
        attempt: Attempt,
        why: String,
        output: Option<Output>,
    ) -> Result<Tried, Halt> {
        let seen = if step.probe.is_empty() {
            Judgement::unknown("there is nothing to look at", Vec::new())
        } else {
            match self.observe(step, &step.probe).await {
                Ok(output) => (step.judge_probe)(&output),
                Err(_) => return Ok(Tried::unknown(format!("{why}; its place does not answer"))),
            }
        };
        let mut judgement = Judgement { why: format!("{why}; {}", seen.why), ..seen };
        if judgement.verdict == Verdict::Unknown && step.mode == Mode::Idempotent {
            // May be done again whatever became of it.
            judgement.verdict = Verdict::Failed;
        }
        if judgement.verdict == Verdict::Unknown {
            judgement = self.ask_operator(step, attempt, judgement).await?;
        }
        Ok(Tried { judgement, hopeless: false, output })
    }

    /// Nobody but a person can tell whether a once-only step took effect.
    async fn ask_operator(&self, step: &Step, attempt: Attempt, so_far: Judgement) -> Result<Judgement, Halt> {
        let place = step.place.name(&self.engine.pair);
        let question = Question {
            id: format!("unknown.{}.{}", step.id, attempt.0),
            text: format!("Did this take effect on {place}: {}?", step.title),
            shown: so_far.why.clone(),
            options: vec![
                ("holds".into(), format!("I looked at {place}: it took effect")),
                ("not-happened".into(), format!("I looked at {place}: it did not, and nothing of it still runs")),
                ("stop".into(), "I cannot tell now: stop the run here".into()),
            ],
        };
        self.ledger.tell(|| Event::Question(question.clone()));
        let answer = self.engine.asker.ask(question.clone()).await;
        self.ledger.tell(|| Event::Answered { question: question.id.clone(), answer: answer.word.clone() });
        let by = answer.operator.name.clone();
        self.decided(&question, &answer.word, answer.operator, &answer.why).await?;
        Ok(match answer.word.as_str() {
            "holds" => Judgement::succeeded(format!("{by} looked: it took effect"), so_far.evidence),
            "not-happened" => Judgement::failed(format!("{by} looked: it did not take effect"), so_far.evidence),
            _ => so_far,
        })
    }

    async fn decided(&self, question: &Question, word: &str, operator: Operator, why: &str) -> Result<(), Halt> {
        let payload = Payload::Decided {
            question: question.id.clone(),
            answer: word.to_owned(),
            operator,
            why: why.to_owned(),
            shown: format!("{}\n{}", question.text, question.shown),
            evidence: Vec::new(),
        };
        self.ledger.write(payload).await?;
        Ok(())
    }

    /// The try whose end is not known, in that direction.
    pub(super) fn unsettled(&self, step: &Step, way: Direction) -> Option<(Attempt, Token, String)> {
        self.ledger.read(|v| match v.state.steps.get(&step.id).map(|s| &s.status) {
            Some(
                StepStatus::Intended { direction, attempt, token, at }
                | StepStatus::Unknown { direction, attempt, token: Some(token), at, .. },
            ) if *direction == way => Some((*attempt, token.clone(), at.clone())),
            _ => None,
        })
    }

    pub(super) fn next_attempt(&self, step: &Step, way: Direction) -> Attempt {
        self.ledger.read(|v| v.state.steps.get(&step.id).map_or(Attempt(1), |s| s.next_attempt(way)))
    }

    /// The evidence goes into the record and is not in `tried` any more.
    pub(super) async fn write_outcome(
        &self,
        step: &Step,
        direction: Direction,
        attempt: Attempt,
        tried: &mut Tried,
    ) -> Result<(), Halt> {
        let (exit, output, tail) = match &tried.output {
            Some(output) => (last_exit(output), digest(output), output.tail(TAIL)),
            None => (None, Digest::default(), String::new()),
        };
        let Judgement { verdict, evidence, why } = &mut tried.judgement;
        let (verdict, evidence, why) = (*verdict, std::mem::take(evidence), why.clone());
        let step = step.id.clone();
        let outcome = Payload::Outcome { step, direction, attempt, verdict, exit, evidence, why, output, tail };
        self.ledger.write(outcome).await?;
        Ok(())
    }

    async fn write_skipped(&self, step: &Step, direction: Direction, seen: &Judgement) -> Result<(), Halt> {
        let (evidence, why): (Vec<Fact>, String) = (seen.evidence.clone(), seen.why.clone());
        self.ledger.write(Payload::Skipped { step: step.id.clone(), direction, evidence, why }).await?;
        Ok(())
    }

    /// Items that a step that holds opens and closes. Looked up in the journal first: a resumed run writes none twice.
    async fn settle_items(&self, step: &Step) -> Result<(), Halt> {
        for id in &step.closes {
            self.close_item(id, &format!("by {}", step.id)).await?;
        }
        // What was there before this run is not this run's temporary change.
        let ours = step.mode == Mode::Observe
            || self
                .ledger
                .read(|v| v.state.steps.get(&step.id).is_some_and(|s| s.last_attempt(Direction::Forward) > Attempt(0)));
        match &step.opens {
            Some(item) if !step.optional && ours => self.open_item(item.clone()).await,
            Some(item) if step.optional => self.close_item(&item.id, &format!("{} holds", step.id)).await,
            _ => Ok(()),
        }
    }

    async fn open_item(&self, item: journal_schema::OpenItem) -> Result<(), Halt> {
        if self.ledger.read(|v| !v.state.items.contains_key(&item.id)) {
            self.ledger.write(Payload::ItemOpened(item)).await?;
        }
        Ok(())
    }

    pub(super) async fn close_item(&self, id: &str, how: &str) -> Result<(), Halt> {
        if self.ledger.read(|v| v.state.items.contains_key(id)) {
            self.ledger.write(Payload::ItemClosed { id: id.to_owned(), how: how.to_owned() }).await?;
        }
        Ok(())
    }
}

/// The script for the journal: one line an action, cut where it would not fit into a record.
pub(super) fn listing(script: &workflows::Script) -> String {
    let mut text = script.listing();
    if text.len() > LISTING {
        let mut end = LISTING;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("\n… cut");
    }
    text
}

/// Exit code of the action that ended the script.
fn last_exit(output: &Output) -> Option<i32> {
    output
        .first_failure()
        .map(|(_, r)| r)
        .or_else(|| output.results.iter().rfind(|r| r.exit.is_some()))
        .and_then(|r: &ActionResult| r.exit)
}

fn digest(output: &Output) -> Digest {
    const END: &[u8] = &[0];
    let exits: Vec<[u8; 4]> = output.results.iter().map(|r| r.exit.unwrap_or(i32::MIN).to_le_bytes()).collect();
    let parts = output.results.iter().zip(&exits);
    Digest::of_parts(parts.flat_map(|(r, exit)| [exit, r.stdout.as_bytes(), END, r.stderr.as_bytes(), END]))
}
