//! Rollback: compensations in reverse order, journaled the same way.

use std::time::Duration;

use journal_schema::{Attempt, Direction, End, Payload, StepStatus, Token, Verdict};
use workflows::{Judgement, Step, step::Undo};

use crate::remote::Answer as JobAnswer;

use super::{
    Drive, Ending,
    halt::Halt,
    life::{Tried, listing},
    reach::Reached,
};

/// Tries of one compensation before the run is stuck. Compensations are idempotent by construction.
const TRIES: u32 = 3;

impl Drive<'_> {
    /// From wherever the run is back to its initial state.
    pub(super) async fn back(&self) -> Result<Ending, Halt> {
        loop {
            self.may_go_on()?;
            let here = self.ledger.read(|v| {
                let open = v.state.open.as_ref().map(|o| (o.row.clone(), o.facts));
                open.or_else(|| v.state.taken.last().map(|t| (t.row.clone(), t.facts)))
            });
            let Some((row, facts)) = here else {
                let summary = format!("{} rolled back", self.engine.workflow.name);
                self.ledger.write(Payload::Finished { end: End::RolledBack, summary }).await?;
                return Ok(Ending::RolledBack);
            };
            let plan = self.plan_as_then(&row.transition, facts)?;
            let mut steps: Vec<&Step> = plan.steps.iter().collect();
            steps.sort_by_key(|s| std::cmp::Reverse(s.stage));
            for step in steps {
                self.may_go_on()?;
                self.undo(step).await?;
            }
            self.ledger.write(Payload::Reverted { state: row.from }).await?;
        }
    }

    /// Undoes one step, if this run may have done it.
    async fn undo(&self, step: &Step) -> Result<(), Halt> {
        let (ours, undone) = self.ledger.read(|v| {
            let state = v.state.steps.get(&step.id);
            let ours = state.is_some_and(|s| s.last_attempt(Direction::Forward) > Attempt(0));
            (ours, state.is_some_and(|s| matches!(s.status, StepStatus::Undone)))
        });
        let Some(undo) = step.undo.as_ref().filter(|_| ours && !undone) else {
            // Nothing of it is left: it was so before, or did not happen, or the program died when it had been undone.
            return match &step.opens {
                Some(item) => self.close_item(&item.id, "the run is undone").await,
                None => Ok(()),
            };
        };
        let mut tried = None;
        for _ in 0..TRIES {
            let now = match self.unsettled(step, Direction::Undo) {
                Some((attempt, token, at)) if at == self.engine.remote.at(step.place) => {
                    self.undo_once(step, undo, attempt, &token).await?
                }
                _ => {
                    let attempt = self.next_attempt(step, Direction::Undo);
                    let token = Token::new(self.run, &step.id, Direction::Undo, attempt);
                    let intent = Payload::Intent {
                        step: step.id.clone(),
                        direction: Direction::Undo,
                        attempt,
                        token: token.clone(),
                        at: self.engine.remote.at(step.place),
                        script: listing(&undo.script),
                    };
                    self.ledger.write(intent).await?;
                    self.undo_once(step, undo, attempt, &token).await?
                }
            };
            let done = now.judgement.verdict == Verdict::Succeeded;
            let hopeless = now.hopeless;
            tried = Some(now);
            if done || hopeless || self.engine.stop.asked() {
                break;
            }
            self.ledger.clock().sleep(Duration::from_millis(step.retry_pause_ms.into())).await;
        }
        let place = step.place.name(&self.engine.pair);
        let again = format!("hamn rollback {}", self.run);
        match tried {
            Some(Tried { judgement: Judgement { verdict: Verdict::Succeeded, .. }, .. }) => {
                if let Some(item) = &step.opens {
                    self.close_item(&item.id, "undone").await?;
                }
                Ok(())
            }
            _ if self.engine.stop.asked() => Err(Halt::Asked),
            tried => {
                // Nothing to be done by hand where only an answer is missing.
                let silent = tried.as_ref().is_none_or(|t| t.output.is_none());
                let settle = if silent {
                    // A machine that has died for good must not keep anybody from the next run.
                    format!(
                        "{again}   # goes on undoing from here, as soon as {place} answers again\n\
                         hamn abandon {} --reason '{place} does not answer'   # or, where it will not: gives the run up, and tells what it \
                         leaves, the claims among it, and how to take that away",
                        self.run
                    )
                } else {
                    format!(
                        "{again}   # goes on undoing from here, when that is settled\nor by hand, on {place}:\n{}",
                        listing(&undo.script)
                    )
                };
                let why = tried.map_or_else(String::new, |t| t.judgement.why);
                let why = format!("undoing \"{}\" failed: {why}", step.title);
                Err(Halt::Stuck { step: step.id.clone(), why, settle })
            }
        }
    }

    async fn undo_once(&self, step: &Step, undo: &Undo, attempt: Attempt, token: &Token) -> Result<Tried, Halt> {
        let script = undo.script.clone().followed_by(&undo.probe);
        let limit = Duration::from_secs(undo.timeout_s.into());
        let unknown =
            |why: String| Tried { judgement: Judgement::unknown(why, Vec::new()), hopeless: false, output: None };
        let mut tried = match self.job(step, token, &script, limit).await {
            Reached::Answer(JobAnswer::Finished(output)) => {
                let mut tried = Tried::judged((undo.judge)(&output), output);
                // It has ended, and this token answers the same for ever: what could not be told is told by another try.
                if tried.judgement.verdict == Verdict::Unknown {
                    tried.judgement.verdict = Verdict::Failed;
                }
                tried
            }
            // It died with its place. A compensation may be done any number of times, and this token never answers otherwise.
            Reached::Answer(JobAnswer::Lost { why }) => Tried {
                judgement: Judgement::failed(format!("the job was lost ({why})"), Vec::new()),
                hopeless: false,
                output: None,
            },
            Reached::Answer(other) => unknown(format!("the job's answer was {other:?}")),
            Reached::Silent(why) | Reached::Wrong(why) => {
                Tried { judgement: Judgement::failed(why, Vec::new()), hopeless: true, output: None }
            }
            Reached::Unknown(why) | Reached::Elsewhere(why) => unknown(why),
        };
        self.write_outcome(step, Direction::Undo, attempt, &mut tried).await?;
        Ok(tried)
    }
}
