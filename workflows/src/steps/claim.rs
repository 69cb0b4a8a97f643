//! The claim on both machines: who else starts a run is told by whom, where and by what run they are taken (trap 9).

use journal_schema::{Channel, DatabaseRole, Fact, OpenItem, Tri};

use super::{address, fit, idempotent, judge, look, other, read, server, target, undo, verify};
use crate::{
    db2,
    model::{Flavour, NodeId},
    notes,
    script::{Action, Output, Script},
    step::{Judge, Judgement, Place, Step, Undo},
    table::Context,
    vocabulary,
};

/// Who takes part: before a failover the other machine may be dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// It may be unreachable, and is fenced afterwards.
    MayBeDead,
    /// It is alive and must be claimed.
    Alive,
}

/// Claims the machines.
pub fn take(ctx: &Context<'_>, who: Other) -> Vec<Step> {
    let mut steps = vec![take_on(ctx, ctx.request.target, "claim.target")];
    let on_other = take_on(ctx, ctx.request.target.other(), "claim.other");
    match who {
        Other::Alive => steps.push(on_other),
        // A machine that was silent a moment ago is not worth the wait; the fence follows. One whose database answers lives.
        Other::MayBeDead if silent(ctx) => {}
        Other::MayBeDead => {
            let undo = on_other.undo.clone().map(|unclaim| match ctx.pair.flavour() {
                Flavour::Postgres => serve_again(ctx, unclaim),
                Flavour::Db2 => db2::serve::serve_again(ctx, unclaim),
            });
            steps.push(Step { optional: true, undo, ..on_other });
        }
    }
    fit(steps)
}

fn silent(ctx: &Context<'_>) -> bool {
    let answers = |channel| ctx.known.answers(&ctx.other().name, channel);
    answers(Channel::Ssh) == Tri::No && answers(Channel::Database) != Tri::Yes
}

fn take_on(ctx: &Context<'_>, id: NodeId, step_id: &str) -> Step {
    let node = ctx.pair.node(id);
    let (path, content) = (vocabulary::claim_path(ctx.pair), ctx.signature());
    let script = Script::new().then(Action::Claim { path: path.clone(), content: content.clone() });
    let back = Script::new().then(Action::Unclaim { path, content: content.clone() });
    let probe = look(vocabulary::cat(&vocabulary::claim_text_path(ctx.pair)));
    Step {
        judge_effect: judge({
            let node = node.name.clone();
            move |output: &Output| claimed(&node, output)
        }),
        undo: Some(undo(back, Script::new(), unclaimed())),
        traps: &[9],
        ..idempotent(
            step_id,
            format!("claim {} for this run", node.name),
            Place::Node(id),
            script,
            probe,
            ours(node.name.clone(), content),
        )
    }
}

fn claimed(node: &str, output: &Output) -> Judgement {
    let r = output.at(0);
    match r.exit {
        Some(0) => Judgement::succeeded("claimed", Vec::new()),
        Some(17) => Judgement::failed(
            format!("{node} is claimed: {}", read::said(r)),
            vec![Fact::Claimed { node: node.into(), claim: r.stdout.trim().into() }],
        ),
        Some(code) => {
            Judgement::failed(format!("the claim could not be made (exit {code}): {}", read::said(r)), Vec::new())
        }
        None => Judgement::unknown("the claim was not tried", Vec::new()),
    }
}

fn ours(node: String, content: String) -> Judge {
    judge(move |output: &Output| {
        let fact = |claim: &str| vec![Fact::Claimed { node: node.clone(), claim: claim.into() }];
        match read::file(output.at(0)) {
            Some(Some(text)) if text == content => {
                Judgement::succeeded(format!("{node} is claimed by this run"), fact(text))
            }
            Some(Some(text)) => Judgement::failed(format!("{node} is claimed: {text}"), fact(text)),
            Some(None) => Judgement::failed(format!("{node} is not claimed"), fact("")),
            None => Judgement::unknown(format!("the claim on {node} could not be read"), Vec::new()),
        }
    })
}

/// A claim that is another's by now is not ours to take away, and its being there is no failure of the undoing.
fn unclaimed() -> Judge {
    judge(|output: &Output| match output.results.last().and_then(|r| r.exit) {
        Some(0) => Judgement::succeeded("the claim is gone", Vec::new()),
        Some(17) => Judgement::succeeded("the claim is another run's by now", Vec::new()),
        Some(code) => Judgement::failed(format!("the claim could not be taken away (exit {code})"), Vec::new()),
        None => Judgement::unknown("the output is cut short", Vec::new()),
    })
}

/// The undoing on a machine that was alive before it was fenced: it has been powered on again by now, and gets back what it had. Its
/// own start-up may have done that already, which is no failure; the service address is not persistent, so that it comes from here.
fn serve_again(ctx: &Context<'_>, unclaim: Undo) -> Undo {
    let node = ctx.other();
    let address = ctx.pair.service.address.as_str();
    let was_primary = ctx.known.database(&node.name).0 == DatabaseRole::Primary;
    let had_address = ctx.known.holds(&node.name, address) == Tri::Yes;
    // What was not seen is taken to have been there, because it is the machine in service; only what was seen is demanded.
    let may_be_primary = matches!(ctx.known.database(&node.name).0, DatabaseRole::Primary | DatabaseRole::Unknown);
    let may_have_address = ctx.known.holds(&node.name, address) != Tri::No;
    let may_have_xcatd = ctx.known.service(&node.name, "xcatd").0 != Tri::No;
    let mut script = if may_have_address { address::back(ctx) } else { Script::new() };
    let host_name = ctx.known.host_name(&node.name).unwrap_or(&ctx.pair.service.host_name);
    script = script.look(vocabulary::set_host_name(host_name));
    if may_be_primary {
        // A server that its own start-up began before the address was there does not listen on it, unless it listens everywhere.
        let listens = ctx.known.note(&node.name, notes::LISTEN).unwrap_or_default();
        let action = if listens == "*" { "start" } else { "restart" };
        script = script.look(vocabulary::control(&ctx.pair.postgres().control, action));
    }
    if may_have_xcatd {
        script = script.look(vocabulary::control(&ctx.pair.xcat.control, "restart"));
    }
    let mut probe = super::Batch::default();
    let addresses = probe.look(vocabulary::addresses());
    let role = probe.look(server::ask_role(ctx.pair.postgres()));
    let effects = script.actions.len();
    let script = script.followed_by(&unclaim.script);
    let (name, address) = (node.name.clone(), address.to_owned());
    let judge = judge(move |output: &Output| {
        let (effect, seen) = output.clone().split(effects + 1);
        let claim = (unclaim.judge)(&effect);
        let holds = read::holds(seen.at(addresses), &address);
        let role = read::role(seen.at(role));
        if had_address && holds != Tri::Yes {
            return Judgement::failed(format!("{name} does not hold {address} again"), Vec::new());
        }
        if was_primary && role.role != DatabaseRole::Primary {
            return Judgement::failed(
                format!("the database on {name} is {:?}, not primary again", role.role),
                Vec::new(),
            );
        }
        Judgement { why: format!("{name} serves as before; {}", claim.why), ..claim }
    });
    undo(script, probe.script(), judge)
}

/// Gives the machines free at the end of the run.
pub fn release(ctx: &Context<'_>, who: Other) -> Vec<Step> {
    let mut steps = match who {
        Other::Alive => release_both(ctx),
        Other::MayBeDead => vec![release_on(ctx, target(ctx), "release.target")],
    };
    steps.extend(match ctx.pair.flavour() {
        Flavour::Postgres if who == Other::Alive => verify::last_look(ctx, verify::Other::SteppedDown),
        Flavour::Postgres => verify::last_look(ctx, verify::Other::Fenced),
        Flavour::Db2 => db2::serve::last_look(ctx),
    });
    fit(steps)
}

/// Gives both machines free, where nothing has to be looked at again.
pub fn release_both(ctx: &Context<'_>) -> Vec<Step> {
    let name = &ctx.other().name;
    let item = OpenItem {
        id: "claim".into(),
        text: format!(
            "{name} was not reached and is still claimed by this run: no other run begins before that is gone"
        ),
        command: format!("rm -r {}   # on {name}", vocabulary::claim_path(ctx.pair)),
    };
    fit(vec![
        release_on(ctx, target(ctx), "release.target"),
        Step { optional: true, opens: Some(item), ..release_on(ctx, other(ctx), "release.other") },
    ])
}

fn release_on(ctx: &Context<'_>, place: Place, step_id: &str) -> Step {
    let node = place.name(ctx.pair);
    let (path, content) = (vocabulary::claim_path(ctx.pair), ctx.signature());
    let step = idempotent(
        step_id,
        format!("take the claim of this run from {node}"),
        place,
        Script::new().then(Action::Unclaim { path, content: content.clone() }),
        look(vocabulary::cat(&vocabulary::claim_text_path(ctx.pair))),
        free(node.to_owned(), content),
    );
    Step { judge_effect: unclaimed(), retries: 2, traps: &[9], ..step }
}

fn free(node: String, content: String) -> Judge {
    judge(move |output: &Output| {
        let fact = |claim: &str| vec![Fact::Claimed { node: node.clone(), claim: claim.into() }];
        match read::file(output.at(0)) {
            Some(Some(text)) if text == content => {
                Judgement::failed(format!("{node} is still claimed by this run"), fact(text))
            }
            Some(Some(text)) if text.starts_with("run ") => {
                Judgement::succeeded(format!("{node} is claimed by another run: {text}"), fact(text))
            }
            Some(Some(text)) => {
                Judgement::unknown(format!("the claim on {node} is not understood: {text}"), fact(text))
            }
            Some(None) => Judgement::succeeded(format!("{node} is free"), fact("")),
            None => Judgement::unknown(format!("the claim on {node} could not be read"), Vec::new()),
        }
    })
}
