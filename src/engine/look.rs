//! The look before consent: the observations of a workflow's first transition, without a journal and without an effect.

use std::time::Duration;

use journal_schema::{Mode, RunId, Verdict};
use workflows::{Context, Judgement, Known, Request, Workflow, model::Pair};

use crate::remote::{Failure, Remote};

/// What was seen.
#[derive(Debug, Clone)]
pub struct Look {
    /// Per observation: id, title, place name, judgement.
    pub seen: Vec<(String, String, String, Judgement)>,
    /// All facts.
    pub known: Known,
}

impl Look {
    /// The first observation that forbids to go on.
    pub fn refusal(&self) -> Option<(&str, &str, &str)> {
        let bad = self.seen.iter().find(|(.., j)| j.verdict != Verdict::Succeeded);
        bad.map(|(_, title, place, j)| (title.as_str(), place.as_str(), j.why.as_str()))
    }
}

/// Looks at the pair as the first transition of `workflow` would. Writes nothing anywhere (invariant 12).
pub async fn look(remote: &dyn Remote, pair: &Pair, workflow: &Workflow, request: &Request, run: RunId) -> Look {
    let mut known = Known::default();
    let mut seen = Vec::new();
    let nothing = Known::default();
    let context = Context { pair, known: &nothing, request, run };
    let steps: Vec<_> = workflow
        .leaving(workflow.initial.as_str())
        .filter(|row| (row.guard.holds)(&context))
        .flat_map(|row| (row.steps)(&context))
        .filter(|step| step.mode == Mode::Observe)
        .collect();
    let looks = futures_util::future::join_all(steps.iter().map(|step| async move {
        let limit = Duration::from_secs(step.timeout_s.into());
        let judgement = match remote.observe(step.place, &step.probe, limit).await {
            Ok(output) => (step.judge_probe)(&output),
            Err(Failure::WrongMachine { detail, .. }) => {
                Judgement::failed(format!("wrong machine: {detail}"), Vec::new())
            }
            Err(failure) => step.unreachable.clone().map_or_else(
                || Judgement::failed(failure.to_string(), Vec::new()),
                |j| Judgement { why: format!("{} ({failure})", j.why), ..j },
            ),
        };
        (step, judgement)
    }))
    .await;
    for (step, judgement) in looks {
        judgement.evidence.iter().for_each(|fact| known.learn(fact));
        seen.push((step.id.clone(), step.title.clone(), step.place.name(pair).to_owned(), judgement));
    }
    Look { seen, known }
}
