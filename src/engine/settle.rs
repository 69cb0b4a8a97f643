//! What resume does first: steps that nobody knows the end of, and effects that a reboot takes away.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use journal_schema::{Direction, Mode, Payload, StepStatus, Verdict};
use workflows::{Place, Step};

use super::{Drive, halt::Halt, life::Went, plans::Plan};

/// Longest look that is quick, seconds.
const QUICK_S: u32 = 20;

/// What [`Drive::look_again`] found.
#[derive(Default)]
pub(super) struct Looked {
    /// Effects that were gone.
    pub(super) gone: u32,
    /// The first step on the machine to be in service whose effect could not be looked at, and why.
    unseen: Option<(String, String)>,
}

impl Looked {
    /// For a run that has nothing more to do: what is not seen any more does not count as holding. Before the goal the next step meets
    /// the same silence.
    pub(super) fn all_seen(self) -> Result<(), Halt> {
        let Some((step, why)) = self.unseen else { return Ok(()) };
        Err(Halt::Failed { step, why: format!("everything was done, but whether it still holds is not known: {why}") })
    }
}

impl Drive<'_> {
    /// Steps of transitions that were taken already and were being done again when the runner died. Those of the open
    /// transition are settled when their turn comes.
    pub(super) async fn settle_all(&self) -> Result<(), Halt> {
        for step in self.plans_taken()?.iter().flat_map(|plan| plan.steps.iter()) {
            if self.unsettled(step, Direction::Forward).is_some() {
                self.do_again(step).await?;
            }
        }
        Ok(())
    }

    /// Looks again at every volatile effect that holds by the journal: an address, a running daemon, a machine that must stay
    /// off. What is gone is journaled and done again, in the order in which it was done first.
    pub(super) async fn look_again(&self) -> Result<Looked, Halt> {
        let mut looked = Looked::default();
        let mut lost: Vec<(Place, String)> = Vec::new();
        let mut again = Vec::new();
        let plans = self.plans_begun()?;
        for (n, step) in plans.iter().flat_map(|plan| plan.steps.iter()).enumerate() {
            if self.ended(step, plans.iter().flat_map(|plan| plan.steps.iter()).skip(n + 1)) {
                continue;
            }
            if !self.holds(step) {
                if self.to_do_again(step) {
                    // Found gone by an earlier look that was cut off before it came to the others.
                    lost.push((step.place, step.id.clone()));
                    again.push(step);
                }
                continue;
            }
            if !step.volatile {
                continue;
            }
            let (regressed, evidence, why) = if step.probe.is_empty() {
                // What cannot be looked at shares the fate of what can at the same place: the reboot took both.
                let rebooted = lost.iter().find(|(place, _)| *place == step.place);
                let why = rebooted.map_or(String::new(), |(_, other)| format!("with the effect of {other}"));
                (rebooted.is_some(), Vec::new(), why)
            } else {
                let output = match self.observe(step, &step.probe).await {
                    Ok(output) => output,
                    Err(reached) => {
                        if step.place == Place::Node(self.request.target) {
                            looked.unseen.get_or_insert_with(|| (step.id.clone(), reached.why()));
                        }
                        continue;
                    }
                };
                if self.shaken.swap(false, Ordering::Relaxed) {
                    // It may have rebooted under this very look: what was seen before is worth nothing.
                    return Box::pin(self.look_again()).await;
                }
                let seen = (step.judge_probe)(&output);
                let regressed = match seen.verdict {
                    Verdict::Succeeded => false,
                    Verdict::Failed => true,
                    // Doing an idempotent step again settles it; a once-only one stays as journaled until something shows otherwise.
                    Verdict::Unknown => step.mode == Mode::Idempotent,
                };
                (regressed, seen.evidence, seen.why)
            };
            if regressed {
                let why = format!("no longer holds: {why}");
                self.ledger.write(Payload::Regressed { step: step.id.clone(), evidence, why }).await?;
                looked.gone += 1;
                lost.push((step.place, step.id.clone()));
                again.push(step);
            }
        }
        let open = self.ledger.read(|v| {
            v.state.open.as_ref().map(|o| o.steps.iter().map(|s| s.id.clone()).collect::<Vec<_>>()).unwrap_or_default()
        });
        for step in again.into_iter().filter(|s: &&Step| !open.contains(&s.id)) {
            self.do_again(step).await?;
        }
        Ok(looked)
    }

    /// Whether something that the step may stand on is gone at its place: an effect that dies with a reboot and is looked at within
    /// seconds. Then trying again would only cost another time limit; what is gone must be put back first.
    pub(super) async fn ground_is_gone(&self, step: &Step) -> Result<bool, Halt> {
        let plans = self.plans_begun()?;
        for (n, other) in plans.iter().flat_map(|plan| plan.steps.iter()).enumerate() {
            let quick = !other.probe.is_empty() && workflows::steps::seconds(&other.probe) <= QUICK_S;
            if !(quick && other.volatile && other.place == step.place && other.id != step.id && self.holds(other)) {
                continue;
            }
            if self.ended(other, plans.iter().flat_map(|plan| plan.steps.iter()).skip(n + 1)) {
                continue;
            }
            let limit = Duration::from_secs(other.timeout_s.into());
            match self.engine.remote.observe(other.place, &other.probe, limit).await {
                Ok(output) if (other.judge_probe)(&output).verdict == Verdict::Failed => return Ok(true),
                Ok(_) => {}
                // Who does not answer now says nothing; the next try waits for it.
                Err(_) => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Whether a later step that was begun put another state in the place of this one's.
    fn ended<'s>(&self, step: &Step, mut later: impl Iterator<Item = &'s Step>) -> bool {
        !step.about.is_empty()
            && later.any(|other| {
                other.about == step.about
                    && (other.place == step.place || other.mode == Mode::OnceOnly)
                    && self.ledger.read(|v| {
                        v.state.steps.get(&other.id).is_some_and(|s| !matches!(s.status, StepStatus::Planned))
                    })
            })
    }

    async fn do_again(&self, step: &Step) -> Result<(), Halt> {
        match self.carry_out(step, std::slice::from_ref(step)).await? {
            Went::Holds | Went::GoesOnWithout => Ok(()),
            Went::Failed { step, why } => Err(Halt::Failed { step, why }),
        }
    }

    /// Gone, and not back yet: the runner died, or doing it again failed.
    fn to_do_again(&self, step: &Step) -> bool {
        step.mode != Mode::Observe
            && self.ledger.read(|v| {
                let state = v.state.steps.get(&step.id);
                let taken = |t: &str| v.state.taken.iter().any(|other| other.row.transition == t);
                // An optional step that failed was gone on without; one that held is wanted back.
                state.is_some_and(|s| s.status == StepStatus::Regressed || !step.optional && taken(&s.transition))
            })
    }

    /// Before a rollback: what may be under way is revoked or waited for, so that nothing starts behind the rollback's back.
    pub(super) async fn settle_for_rollback(&self) -> Result<(), Halt> {
        for step in self.plans_begun()?.iter().flat_map(|plan| plan.steps.iter()) {
            let Some((attempt, token, at)) = self.unsettled(step, Direction::Forward) else { continue };
            if at == self.engine.remote.at(step.place) {
                let reached = self.revoke(step, &token).await;
                self.judge(step, attempt, reached).await?;
            } else {
                self.settle(step, attempt, &token, &at).await?;
            }
        }
        Ok(())
    }

    /// The steps of each transition taken, as they were planned.
    fn plans_taken(&self) -> Result<Vec<Arc<Plan>>, Halt> {
        let taken: Vec<_> =
            self.ledger.read(|v| v.state.taken.iter().map(|t| (t.row.transition.clone(), t.facts)).collect());
        taken.iter().map(|(transition, facts)| self.plan_as_then(transition, *facts)).collect()
    }

    /// [`Drive::plans_taken`], and the steps of the open transition behind them.
    fn plans_begun(&self) -> Result<Vec<Arc<Plan>>, Halt> {
        let mut plans = self.plans_taken()?;
        let open = self.ledger.read(|v| v.state.open.as_ref().map(|o| (o.row.transition.clone(), o.facts)));
        if let Some((transition, facts)) = open {
            plans.push(self.plan_as_then(&transition, facts)?);
        }
        Ok(plans)
    }
}
