//! Takes transitions until the goal.

use std::sync::{Arc, MutexGuard, atomic::Ordering};

use futures_util::future::join_all;
use journal_schema::{End, Payload, PlannedStep};
use workflows::{
    Context, Known, Step,
    table::{Row, StateName},
};

use super::{Drive, Ending, Planned, halt::Halt, ledger::View, life::Went, plans::Plan};

/// How often a run puts back what a reboot took away before it stops and says so.
const ROUNDS: u32 = 5;

impl Drive<'_> {
    pub(super) fn context<'c>(&'c self, known: &'c Known) -> Context<'c> {
        Context { pair: &self.engine.pair, known, request: &self.request, run: self.run }
    }

    /// From the present state to the goal.
    pub(super) async fn forward(&self) -> Result<Ending, Halt> {
        let goal = self.engine.workflow.goal.as_str();
        let mut rounds = 0;
        loop {
            self.may_go_on()?;
            let (state, open) =
                self.ledger.read(|v| (v.state.state.clone(), v.state.open.as_ref().map(|o| o.row.transition.clone())));
            if self.at_goal() {
                // Nobody looks after this. As often as it takes: each round is another reboot, and a stop is heard before it.
                if self.shaken.swap(false, Ordering::Relaxed) {
                    self.look_again().await?.all_seen()?;
                    continue;
                }
                let summary = format!("{} reached {goal}", self.engine.workflow.name);
                self.ledger.write(Payload::Finished { end: End::Done, summary }).await?;
                return Ok(Ending::Done);
            }
            let plan = match open {
                Some(transition) => self.plan_again(&transition)?,
                None => self.plan(&state).await?,
            };
            match self.carry_out_all(&plan.steps).await {
                // A node may have rebooted under us: if something that a reboot takes away is gone, put it back and try once more.
                Err(Halt::Failed { step, why }) if rounds < ROUNDS && !self.engine.stop.asked() => {
                    rounds += 1;
                    if self.look_again().await?.gone == 0 {
                        return Err(Halt::Failed { step, why });
                    }
                    continue;
                }
                other => other?,
            }
            // A place that stopped answering in the middle of something may have rebooted, also under the last step.
            if self.shaken.swap(false, Ordering::Relaxed) && rounds < ROUNDS {
                rounds += 1;
                if self.look_again().await?.gone > 0 {
                    continue;
                }
            }
            let state = self.ledger.read(|v| v.state.open.as_ref().map(|o| o.row.to.clone()));
            let state = state.ok_or_else(|| Halt::Bug("a transition without being open".into()))?;
            self.ledger.write(Payload::Entered { state }).await?;
        }
    }

    /// Whether nothing is left but to say that the run has ended.
    pub(super) fn at_goal(&self) -> bool {
        self.ledger.read(|v| v.state.open.is_none() && v.state.state == self.engine.workflow.goal.as_str())
    }

    /// Chooses the transition that leaves `state`, plans its steps, journals the plan.
    async fn plan(&self, state: &str) -> Result<Arc<Plan>, Halt> {
        let (row, plan, facts) = self.ledger.read(|v| {
            let context = self.context(&v.known);
            let fits = |row: &&Row<StateName>| (row.guard.holds)(&context);
            let fitting: Vec<_> = self.engine.workflow.leaving(state).filter(fits).collect();
            let [row] = fitting[..] else {
                let fitting = fitting.len();
                return Err(Halt::Bug(format!("{fitting} transitions leave {state} on this evidence, not one")));
            };
            Ok((row, self.plan_on(row, &context), v.state.evidence.len()))
        })?;
        let (transition, guard) = (row.name.to_owned(), row.guard.name.to_owned());
        self.ledger.write(Payload::Planned { transition, steps: plan.planned.clone(), guard }).await?;
        Ok(self.remember(row.name, facts, plan))
    }

    fn plan_on(&self, row: &Row<StateName>, context: &Context<'_>) -> Arc<Plan> {
        self.engine.plans.of(self.engine.workflow.name, row, &self.engine.pair, context)
    }

    /// The steps of the open transition, planned again from what was known then. They must be the journaled ones to the letter:
    /// a script that differs from the one that may have run must not be taken for it.
    fn plan_again(&self, transition: &str) -> Result<Arc<Plan>, Halt> {
        let facts = self.ledger.read(|v| v.state.open.as_ref().map_or(0, |o| o.facts));
        self.plan_as_then(transition, facts)
    }

    /// The steps of any transition that was taken, as they were planned.
    pub(super) fn plan_as_then(&self, transition: &str, facts: usize) -> Result<Arc<Plan>, Halt> {
        let before = self.planned().get(&(transition.to_owned(), facts)).cloned();
        if let Some(plan) = before {
            return Ok(plan);
        }
        let row = self.engine.workflow.row(transition);
        let row = row.ok_or_else(|| Halt::Bug(format!("no transition {transition}")))?;
        let plan = self.ledger.as_then(facts, |known| self.plan_on(row, &self.context(known)));
        let as_then = |v: &View, now: &PlannedStep| v.state.steps.get(&now.id).is_some_and(|s| s.planned == *now);
        if let Some(step) = self.ledger.read(|v| plan.planned.iter().find(|now| !as_then(v, now))) {
            return Err(Halt::Refused(format!(
                "step {} would not be what was planned: the configuration or the program differs from the run's; \
                 give hamn the run's own (hamn journal show {} --full)",
                step.id, self.run
            )));
        }
        Ok(self.remember(transition, facts, plan))
    }

    fn remember(&self, transition: &str, facts: usize, plan: Arc<Plan>) -> Arc<Plan> {
        self.planned().insert((transition.to_owned(), facts), plan.clone());
        plan
    }

    fn planned(&self) -> MutexGuard<'_, Planned> {
        self.planned.lock().expect("no panic holds this lock")
    }

    /// Stage after stage; steps of one stage side by side. All of a stage end before the first failure is carried up.
    async fn carry_out_all(&self, steps: &[Step]) -> Result<(), Halt> {
        let mut stages: Vec<u8> = steps.iter().map(|s| s.stage).collect();
        stages.sort_unstable();
        stages.dedup();
        for stage in stages {
            self.may_go_on()?;
            let of_stage = steps.iter().filter(|s| s.stage == stage);
            let ends = join_all(of_stage.map(|step| self.carry_out(step, steps))).await;
            let mut failed = None;
            for end in ends {
                match end? {
                    Went::Holds | Went::GoesOnWithout => {}
                    Went::Failed { step, why } => failed = failed.or(Some(Halt::Failed { step, why })),
                }
            }
            if let Some(halt) = failed {
                return Err(halt);
            }
        }
        Ok(())
    }

    pub(super) fn may_go_on(&self) -> Result<(), Halt> {
        if self.engine.stop.asked() { Err(Halt::Asked) } else { Ok(()) }
    }

    /// Transitions that are still to come after the open one, at least: the shortest way to the goal.
    pub(super) fn left(&self, to: &str) -> u32 {
        let workflow = &self.engine.workflow;
        let (mut here, mut count): (Vec<&str>, u32) = (vec![to], 0);
        while !here.contains(&workflow.goal.as_str()) && count < 64 {
            here = here.iter().flat_map(|s| workflow.leaving(s).map(|r| StateName::as_str(r.to))).collect();
            count += 1;
        }
        count
    }
}
