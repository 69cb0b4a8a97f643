//! The plan of a workflow: every transition with the steps that it would have on the evidence at hand, both ways of each fork. Dry:
//! made from a context alone, without looking at anything (invariant 12).

use journal_schema::{Digest, Kind, Mode, OpenItem};
use serde::Serialize;

use crate::{
    script::Script,
    step::Step,
    steps::epoch,
    summary::{Helper, helpers},
    table::{Context, Workflow},
};

/// A whole workflow for a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// `failover`, …
    pub workflow: String,
    /// What it is for.
    pub about: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Fixed name of the machine that is to be in service.
    pub target: String,
    /// Fixed name of the other.
    pub other: String,
    /// Digest of the transition table, hexadecimal.
    pub table: String,
    /// States in the order of the story.
    pub states: Vec<PlannedState>,
    /// Where it starts.
    pub initial: String,
    /// Where it is done.
    pub goal: String,
    /// Transitions in the order of the table.
    pub transitions: Vec<PlannedTransition>,
}

/// A state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedState {
    /// Name.
    pub name: String,
    /// What holds in it.
    pub about: String,
}

/// A transition with its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedTransition {
    /// State left.
    pub from: String,
    /// Name.
    pub name: String,
    /// State entered.
    pub to: String,
    /// Reversible, pivot, forward.
    pub kind: Kind,
    /// Condition under which it is taken.
    pub guard: String,
    /// Whether the condition holds on the evidence at hand.
    pub taken: bool,
    /// Steps, by stage.
    pub steps: Vec<StepPlan>,
}

/// A step with its scripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepPlan {
    /// Id.
    pub id: String,
    /// One line.
    pub title: String,
    /// Node's fixed name or `controller`.
    pub place: String,
    /// Observation, idempotent, once only.
    pub mode: Mode,
    /// Steps of one stage run side by side.
    pub stage: u8,
    /// The effect.
    pub effect: Script,
    /// The look.
    pub probe: Script,
    /// The undoing: effect and look.
    pub undo: Option<UndoPlan>,
    /// Seconds for the whole.
    pub timeout_s: u32,
    /// Further tries.
    pub retries: u8,
    /// Lost with a reboot.
    pub volatile: bool,
    /// Not needed.
    pub optional: bool,
    /// Item that it opens.
    pub opens: Option<OpenItem>,
    /// Traps guarded.
    pub traps: Vec<u8>,
    /// Section of the published procedure.
    pub section: String,
}

/// A compensation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndoPlan {
    /// The effect.
    pub effect: Script,
    /// The look.
    pub probe: Script,
}

impl Plan {
    /// The plan of `workflow` on what `context` knows.
    pub fn new(workflow: &Workflow, context: &Context<'_>) -> Self {
        let mut known = context.known.clone();
        let transitions = workflow.rows.iter().map(|row| {
            let context = &Context { known: &known, ..*context };
            let planned = (row.steps)(context);
            let mut steps: Vec<StepPlan> = planned.iter().map(|step| StepPlan::new(step, context)).collect();
            steps.sort_by_key(|s| s.stage);
            let taken = (row.guard.holds)(context);
            for fact in epoch::foresee(context, &planned) {
                known.learn(&fact);
            }
            PlannedTransition {
                from: row.from.as_str().into(),
                name: row.name.into(),
                to: row.to.as_str().into(),
                kind: row.kind,
                guard: row.guard.name.into(),
                taken,
                steps,
            }
        });
        let transitions = transitions.collect();
        Self {
            workflow: workflow.name.into(),
            about: workflow.about.into(),
            cluster: context.pair.name.clone(),
            target: context.target().name.clone(),
            other: context.other().name.clone(),
            table: workflow.digest().to_string(),
            states: workflow
                .states
                .iter()
                .map(|(name, about)| PlannedState { name: (*name).into(), about: (*about).into() })
                .collect(),
            initial: workflow.initial.as_str().into(),
            goal: workflow.goal.as_str().into(),
            transitions,
        }
    }

    /// Identifies the plan to the byte. The run's id is in the claims and tags of the steps: who wants the ids of two plans to be equal
    /// makes both with the same run, for example 0.
    pub fn id(&self) -> Digest {
        Digest::of(&serde_json::to_vec(self).expect("plans are plain data"))
    }

    /// The shell helpers that its scripts call.
    pub fn helpers(&self) -> Vec<Helper> {
        let undo = |s: &'_ StepPlan| s.undo.as_ref().map(|u| [u.effect.clone(), u.probe.clone()]);
        let scripts: Vec<Script> = self
            .steps()
            .flat_map(|s| [s.effect.clone(), s.probe.clone()].into_iter().chain(undo(s).into_iter().flatten()))
            .collect();
        helpers(&scripts)
    }

    /// All steps, in order.
    pub fn steps(&self) -> impl Iterator<Item = &StepPlan> {
        self.transitions.iter().flat_map(|t| &t.steps)
    }
}

impl StepPlan {
    fn new(step: &Step, context: &Context<'_>) -> Self {
        Self {
            id: step.id.clone(),
            title: step.title.clone(),
            place: step.place.name(context.pair).into(),
            mode: step.mode,
            stage: step.stage,
            effect: step.script.clone(),
            probe: step.probe.clone(),
            undo: step.undo.as_ref().map(|u| UndoPlan { effect: u.script.clone(), probe: u.probe.clone() }),
            timeout_s: step.timeout_s,
            retries: step.retries,
            volatile: step.volatile,
            optional: step.optional,
            opens: step.opens.clone(),
            traps: step.traps.to_vec(),
            section: step.section.into(),
        }
    }
}
