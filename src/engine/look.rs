//! The look before consent: what a workflow would look at before its first effect, without a journal.

use std::time::Duration;

use futures_util::future::join_all;
use journal_schema::{Mode, RunId, Verdict};
use workflows::{Context, Judgement, Known, Request, Step, Workflow, model::Pair};

use crate::remote::{Failure, Remote};

/// One observation.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Id of the step.
    pub step: String,
    /// One line.
    pub title: String,
    /// Node name or `controller`.
    pub place: String,
    /// What was judged of it.
    pub judgement: Judgement,
    /// Whether the run would go on without it.
    pub optional: bool,
}

/// What was seen.
#[derive(Debug, Clone)]
pub struct Look {
    /// The observations, in their order.
    pub seen: Vec<Seen>,
    /// All facts.
    pub known: Known,
}

impl Look {
    /// The first observation that forbids to go on.
    pub fn refusal(&self) -> Option<&Seen> {
        self.seen.iter().find(|s| s.judgement.verdict != Verdict::Succeeded && !s.optional)
    }
}

/// Looks at the pair as the first transitions of `workflow` would, up to the first that has an effect, or to the first look that
/// forbids to go on. `known`: what somebody attested. Writes nothing anywhere (invariant 12).
pub async fn look(
    remote: &dyn Remote,
    pair: &Pair,
    workflow: &Workflow,
    request: &Request,
    run: RunId,
    known: Known,
) -> Look {
    let mut look = Look { seen: Vec::new(), known };
    let mut state = workflow.initial.as_str();
    for _ in 0..workflow.rows.len() {
        let before = look.known.clone();
        let context = Context { pair, known: &before, request, run };
        let fitting: Vec<_> = workflow.leaving(state).filter(|row| (row.guard.holds)(&context)).collect();
        let [row] = fitting[..] else { break };
        let steps = (row.steps)(&context);
        if steps.iter().any(|step| step.mode != Mode::Observe) {
            break;
        }
        let mut stages: Vec<u8> = steps.iter().map(|s| s.stage).collect();
        stages.sort_unstable();
        stages.dedup();
        for stage in stages {
            let of_stage = steps.iter().filter(|s| s.stage == stage);
            let judgements = join_all(of_stage.map(|step| async move { (step, look_once(remote, step).await) })).await;
            for (step, judgement) in judgements {
                judgement.evidence.iter().for_each(|fact| look.known.learn(fact));
                look.seen.push(Seen {
                    step: step.id.clone(),
                    title: step.title.clone(),
                    place: step.place.name(pair).to_owned(),
                    judgement,
                    optional: step.optional,
                });
            }
            if look.refusal().is_some() {
                return look;
            }
        }
        state = row.to.as_str();
    }
    look
}

async fn look_once(remote: &dyn Remote, step: &Step) -> Judgement {
    let limit = Duration::from_secs(step.timeout_s.into());
    match remote.observe(step.place, &step.probe, limit).await {
        Ok(output) => (step.judge_probe)(&output),
        Err(Failure::WrongMachine { detail, .. }) => Judgement::failed(format!("wrong machine: {detail}"), Vec::new()),
        Err(failure) => step.unreachable.clone().map_or_else(
            || Judgement::failed(failure.to_string(), Vec::new()),
            |j| Judgement { why: format!("{} ({failure})", j.why), ..j },
        ),
    }
}
