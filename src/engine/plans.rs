//! Transitions as they are planned. Planning is pure: what was planned once on the same evidence is not planned again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use journal_schema::{PlannedStep, RunId};
use workflows::{Context, Known, Request, Step, model::Pair, table::Row, table::StateName};

/// Plans of one transition that are kept: those that were asked for last.
const KEPT: usize = 8;

/// What was planned before. Clones share it, so that in the simulation, where many programs follow each other in one process, a later
/// one has what an earlier one planned; whoever wants every program to plan by itself gives each its own.
#[derive(Clone, Default)]
pub struct Plans(Arc<Mutex<Kept>>);

/// By workflow and transition; those that were asked for last come first.
type Kept = BTreeMap<(&'static str, &'static str), Vec<Arc<Plan>>>;

/// The steps of a transition, with all that they were made from.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// The steps as the journal has them.
    pub(super) planned: Vec<PlannedStep>,
    pair: Arc<Pair>,
    known: Known,
    request: Request,
    run: RunId,
}

impl Plan {
    fn stands_on(&self, context: &Context<'_>) -> bool {
        std::ptr::eq(&raw const *self.pair, context.pair)
            && self.run == context.run
            && self.request == *context.request
            && self.known == *context.known
    }
}

impl Plans {
    /// The plan of a row of that workflow. `pair` is the one of the context.
    pub(super) fn of(
        &self,
        workflow: &'static str,
        row: &Row<StateName>,
        pair: &Arc<Pair>,
        context: &Context<'_>,
    ) -> Arc<Plan> {
        let mut all = self.0.lock().expect("no panic holds this lock");
        let kept = all.entry((workflow, row.name)).or_default();
        if let Some(at) = kept.iter().position(|plan| plan.stands_on(context)) {
            kept[..=at].rotate_right(1);
            return kept[0].clone();
        }
        let steps = (row.steps)(context);
        let plan = Arc::new(Plan {
            planned: steps.iter().map(|step| step.planned(pair)).collect(),
            steps,
            pair: pair.clone(),
            known: context.known.clone(),
            request: context.request.clone(),
            run: context.run,
        });
        kept.truncate(KEPT - 1);
        kept.insert(0, plan.clone());
        plan
    }
}
