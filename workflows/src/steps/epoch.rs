//! The epoch: raised at every promotion; nothing of a lower one may write to a node of a higher one (invariant 4).

use journal_schema::{Fact, OpenItem};

use super::{fit, idempotent, judge, look, read};
use crate::{
    model::NodeId,
    script::{Action, Output, Script},
    step::{Judgement, Place, Step},
    table::Context,
    vocabulary,
};

/// The epoch that this run promotes to.
pub fn new(ctx: &Context<'_>) -> u64 {
    ctx.known.highest_epoch() + 1
}

/// How the ids of steps that raise the epoch begin: what such a transition saw is this run's own epoch.
pub const RAISES: &str = "epoch.";

/// Writes the new epoch on the target, and on the other machine where it is alive.
pub fn raise(ctx: &Context<'_>, other_too: bool) -> Vec<Step> {
    let mut steps = raise_as(ctx, RAISES, ctx.request.target);
    steps.truncate(if other_too { 2 } else { 1 });
    steps
}

/// As [`raise`] on both machines, for a run that promotes more than once: `prefix` begins with [`RAISES`]. Nothing goes on before the
/// `promoted` one has the new epoch; where the other is not reached, that is left open.
pub fn raise_as(ctx: &Context<'_>, prefix: &str, promoted: NodeId) -> Vec<Step> {
    let named = |id: NodeId| {
        let word = if id == ctx.request.target { "target" } else { "other" };
        raise_on(ctx, id, &format!("{prefix}{word}"))
    };
    let (epoch, name, path) = (new(ctx), &ctx.pair.node(promoted.other()).name, vocabulary::epoch_path(ctx.pair));
    let item = OpenItem {
        id: "epoch".into(),
        text: format!("{name} was not reached and keeps its old epoch: a job of an older run is not refused there"),
        command: format!("echo {epoch} >{path}   # on {name}"),
    };
    fit(vec![named(promoted), Step { optional: true, opens: Some(item), ..named(promoted.other()) }])
}

/// What those among `steps` that raise the epoch will have been seen to do: a plan of a run that promotes twice goes on from there.
pub fn foresee(ctx: &Context<'_>, steps: &[Step]) -> Vec<Fact> {
    let raised = steps.iter().filter(|s| s.id.starts_with(RAISES)).filter_map(|step| match step.place {
        Place::Node(id) => Some(Fact::Epoch { node: ctx.pair.node(id).name.clone(), epoch: new(ctx) }),
        Place::Controller | Place::Witness(_) => None,
    });
    raised.collect()
}

fn raise_on(ctx: &Context<'_>, id: NodeId, step_id: &str) -> Step {
    let (epoch, name, path) = (new(ctx), ctx.pair.node(id).name.clone(), vocabulary::epoch_path(ctx.pair));
    let script =
        Script::new().then(Action::WriteFile { path: path.clone(), mode: 0o644, content: format!("{epoch}\n") });
    let title = format!("write epoch {epoch} on {name}");
    let seen = judge(move |output: &Output| match read::count(output.at(0)) {
        Some(found) => {
            let facts = vec![Fact::Epoch { node: name.clone(), epoch: found }];
            if found == epoch {
                Judgement::succeeded(format!("{name} is at epoch {epoch}"), facts)
            } else {
                Judgement::failed(format!("{name} is at epoch {found}, not {epoch}"), facts)
            }
        }
        None if read::file(output.at(0)) == Some(None) => {
            Judgement::failed(format!("{name} has no epoch yet"), Vec::new())
        }
        None => Judgement::unknown(format!("the epoch of {name} could not be read"), Vec::new()),
    });
    Step {
        retries: 2,
        traps: &[24],
        ..idempotent(step_id, title, Place::Node(id), script, look(vocabulary::cat(&path)), seen)
    }
}
