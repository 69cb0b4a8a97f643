//! xcatd on the service nodes: clients of the database, which hold its connections (trap 62). A service node that cannot be reached stops
//! nothing; it is said.

use journal_schema::OpenItem;

use super::{fit, idempotent, judge, look, read, running, the_probe_decides, undo};
use crate::{
    model::Witness,
    script::{Output, Script},
    step::{Judge, Judgement, Place, Step},
    table::Context,
    vocabulary, vocabulary_aix,
};

/// Stops xcatd on every service node; undone by starting it.
pub fn stop(ctx: &Context<'_>) -> Vec<Step> {
    each(ctx, |index, witness| {
        let back = undo(start_script(), look(vocabulary::xcatd_processes()), after_start(witness.name.clone()));
        Step {
            undo: Some(back),
            section: "5.1.1",
            ..idempotent(
                &format!("service-node.stop.{index}"),
                format!("stop xcatd on the service node {}", witness.name),
                Place::Witness(index),
                stop_script(),
                look(vocabulary::xcatd_processes()),
                running::gone(witness.name.clone(), "xcatd"),
            )
        }
    })
}

/// Stops and starts xcatd on every service node, so that it connects to where the database is now.
pub fn restart(ctx: &Context<'_>) -> Vec<Step> {
    each(ctx, |index, witness| Step {
        look_first: false,
        section: "8.0 step 6",
        ..idempotent(
            &format!("service-node.restart.{index}"),
            format!("restart xcatd on the service node {}", witness.name),
            Place::Witness(index),
            stop_script().followed_by(&start_script()),
            look(vocabulary::xcatd_processes()),
            runs(witness.name.clone()),
        )
    })
}

fn each(ctx: &Context<'_>, step: impl Fn(u8, &Witness) -> Step) -> Vec<Step> {
    let nodes = ctx.pair.witnesses.iter().enumerate().filter(|(_, w)| w.service_node);
    let steps = nodes.filter_map(|(index, witness)| {
        let step = step(u8::try_from(index).ok()?, witness);
        Some(Step {
            judge_effect: the_probe_decides(),
            volatile: true,
            about: "xcatd",
            optional: true,
            retries: 1,
            retry_pause_ms: 1_000,
            unreachable: Some(Judgement::failed(format!("{} cannot be reached", witness.name), Vec::new())),
            opens: Some(OpenItem {
                id: step.id.clone(),
                text: format!("not done: {}", step.title),
                command: format!("ssh {} 'service xcatd restart'   # AIX: restartxcatd", witness.name),
            }),
            traps: &[48, 62],
            ..step
        })
    });
    fit(steps.collect())
}

fn stop_script() -> Script {
    Script::new().look(vocabulary_aix::service_node_xcatd("stop")).try_(running::wait_until_gone())
}

fn start_script() -> Script {
    Script::new().look(vocabulary_aix::service_node_xcatd("start"))
}

fn runs(node: String) -> Judge {
    judge(move |output: &Output| judge_running(&node, output.at(0)))
}

fn after_start(node: String) -> Judge {
    judge(move |output: &Output| judge_running(&node, output.at(1)))
}

fn judge_running(node: &str, r: &crate::ActionResult) -> Judgement {
    let running = read::runs(r);
    let facts = vec![running::service_fact(node, "xcatd", running)];
    super::judged(running, format!("xcatd on {node} runs: {running:?}"), facts)
}
