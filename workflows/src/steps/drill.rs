//! The drill: both databases change roles and change back, with a test node that must be seen on the other side. The test node has a name
//! that no other run and no site uses, and stays an open item until it is deleted (trap 54).

use journal_schema::{HadrRole, OpenItem, Tri, Verdict};

use super::{claim, epoch, fit, idempotent, judge, look, read, roles, running, schedules, service_nodes, undo, xcat};
use crate::{
    Request,
    by_hand::as_root,
    db2::{self, advice::activate},
    host,
    model::{Node, NodeId, Platform},
    script::{ActionResult, Output, Script},
    step::{Judge, Judgement, Place, Step, next},
    table::Context,
    vocabulary,
};

/// Group of the test node.
const GROUP: &str = "hamn-drill";
/// What a later step takes away on purpose is not looked for again by a resume: it would be put back in the midst of a takeover.
const PASSES: bool = false;
/// The open item.
const ITEM: &str = "drill.test-node";

/// Name of the test node: nobody else's.
pub fn test_node(ctx: &Context<'_>) -> String {
    format!("hamn-drill-{}", ctx.run)
}

fn remark(ctx: &Context<'_>) -> String {
    format!("test node of hamn run {}", ctx.run)
}

/// The machine in service: the one that the drill starts from and ends at.
fn primary(ctx: &Context<'_>) -> NodeId {
    ctx.request.target.other()
}

/// Which machines they are, and that they replicate.
pub fn observe(ctx: &Context<'_>) -> Vec<Step> {
    let target = ctx.request.target;
    let look_again = |step: Step| Step { retries: 1, ..step };
    fit(vec![
        roles::pinned(ctx, target, "observe.target"),
        roles::pinned(ctx, target.other(), "observe.other"),
        look_again(roles::peer(ctx, target.other(), "observe.primary", HadrRole::Primary)),
        look_again(roles::peer(ctx, target, "observe.standby", HadrRole::Standby)),
        schedules::find(ctx, target, "observe.target-jobs"),
        schedules::find(ctx, target.other(), "observe.other-jobs"),
    ])
}

/// 5.1.9, on the primary, 1: xcatd answers. Where it runs already nothing is done.
pub fn start(ctx: &Context<'_>) -> Vec<Step> {
    let id = primary(ctx);
    let step = xcat::restart_xcatd(ctx, id, "drill.start");
    let was_down = ctx.known.service(&ctx.pair.node(id).name, "xcatd").0 == Tri::No;
    let back = xcat::stop_xcatd(ctx, id, "drill.start.undo", false);
    let gone = back.script.actions.len();
    let judge_gone = running::gone(ctx.pair.node(id).name.clone(), "xcatd");
    let stopped =
        undo(back.script, back.probe, judge(move |output: &Output| judge_gone(&output.clone().split(gone).1)));
    let as_it_was = undo(
        Script::new(),
        look(vocabulary::xcatd_processes()),
        judge(|_| Judgement::succeeded("xcatd ran before the drill", Vec::new())),
    );
    let undo = Some(if was_down { stopped } else { as_it_was });
    fit(vec![Step { look_first: true, undo, volatile: PASSES, section: "5.1.9 primary step 1", ..step }])
}

/// 5.1.9, on the primary, 2: the test node.
pub fn add(ctx: &Context<'_>) -> Vec<Step> {
    let (id, name) = (primary(ctx), test_node(ctx));
    let node = ctx.pair.node(id);
    let (groups, comment) = (format!("groups={GROUP}"), format!("usercomment={}", remark(ctx)));
    let arguments = ["-t", "node", "-o", &name, &groups, &comment];
    let script = Script::new().look(host::xcat(node, &ctx.pair.xcat, "mkdef", &arguments));
    let back = undo(
        delete_script(ctx, node, &name),
        shown(ctx, node, &name),
        needs_xcatd(ctx, node, {
            let name = name.clone();
            judge(move |output: &Output| absent(&name, output.at(1)))
        }),
    );
    let step = idempotent(
        "drill.add",
        format!("add the test node {name} on {}", node.name),
        Place::Node(id),
        script,
        shown(ctx, node, &name),
        present(ctx, &name),
    );
    fit(vec![Step {
        judge_effect: super::the_probe_decides(),
        undo: Some(back),
        opens: Some(OpenItem {
            id: ITEM.into(),
            text: format!("the test node {name} of the drill is in the database"),
            command: format!("rmdef -t node -o {name}   # on the primary, with xcatd up"),
        }),
        traps: &[54],
        section: "5.1.9 primary step 2",
        ..step
    }])
}

/// 5.1.9, on the primary, 3: xcatd is stopped.
pub fn stop_primary(ctx: &Context<'_>) -> Vec<Step> {
    let step = xcat::stop_xcatd(ctx, primary(ctx), "drill.stop-primary", true);
    fit(vec![Step { volatile: PASSES, section: "5.1.9 primary step 3", ..step }])
}

/// 5.1.9, on the standby, 1: it becomes primary.
pub fn take_over(ctx: &Context<'_>) -> Vec<Step> {
    roles::change(ctx, ctx.request.target, "drill.takeover", "5.1.9 standby step 1")
}

/// Each side says so itself; and the epoch rises, as at every promotion.
pub fn prove(ctx: &Context<'_>) -> Vec<Step> {
    let mut steps = roles::both(ctx, ctx.request.target, "drill.taken");
    steps.extend(epoch::raise(ctx, true).into_iter().map(|s| Step { stage: 1, ..s }));
    steps
}

/// 5.1.9, on the standby, 2: xcatd.
pub fn start_standby(ctx: &Context<'_>) -> Vec<Step> {
    let step = xcat::restart_xcatd(ctx, ctx.request.target, "drill.start-standby");
    fit(vec![Step { volatile: PASSES, section: "5.1.9 standby step 2", ..step }])
}

/// 5.1.9, on the standby, 3: the test node is there with its attributes.
pub fn verify(ctx: &Context<'_>) -> Vec<Step> {
    let (node, name) = (ctx.target(), test_node(ctx));
    let title = format!("the test node {name} is in the database on {}, with its attributes", node.name);
    let place = Place::Node(ctx.request.target);
    let step = Step::observe(
        "drill.verify",
        title,
        place,
        shown(ctx, node, &name),
        needs_xcatd(ctx, node, present(ctx, &name)),
    );
    fit(vec![Step { retries: 2, traps: &[54], section: "5.1.9 standby step 3", ..step }])
}

/// 5.1.9, on the standby, 4: it is deleted.
pub fn delete(ctx: &Context<'_>) -> Vec<Step> {
    let (node, name) = (ctx.target(), test_node(ctx));
    let step = idempotent(
        "drill.delete",
        format!("delete the test node {name} on {}", node.name),
        Place::Node(ctx.request.target),
        delete_script(ctx, node, &name),
        shown(ctx, node, &name),
        needs_xcatd(ctx, node, gone(&name)),
    );
    fit(vec![Step {
        judge_effect: super::the_probe_decides(),
        retries: 2,
        closes: vec![ITEM.into()],
        traps: &[54],
        section: "5.1.9 standby step 4",
        ..step
    }])
}

/// 5.1.9, on the standby, 5: xcatd is stopped.
pub fn stop_standby(ctx: &Context<'_>) -> Vec<Step> {
    let step = xcat::stop_xcatd(ctx, ctx.request.target, "drill.stop-standby", false);
    fit(vec![Step { volatile: PASSES, section: "5.1.9 standby step 5", ..step }])
}

/// 5.1.9, on the primary again, 1: it becomes primary.
pub fn take_back(ctx: &Context<'_>) -> Vec<Step> {
    roles::change(ctx, primary(ctx), "drill.take-back", "5.1.9 primary again step 1")
}

/// Each side says so itself; and the epoch rises once more.
pub fn prove_back(ctx: &Context<'_>) -> Vec<Step> {
    let mut steps = roles::both(ctx, primary(ctx), "drill.taken-back");
    steps.extend(epoch::raise_as(ctx, "epoch.back.", primary(ctx)).into_iter().map(|s| Step { stage: 1, ..s }));
    steps
}

/// 5.1.9, on the primary again, 2: xcatd; and on the service nodes, whose connections were cut twice.
pub fn start_again(ctx: &Context<'_>) -> Vec<Step> {
    let step = xcat::restart_xcatd(ctx, primary(ctx), "drill.start-again");
    let nodes = service_nodes::restart(ctx).into_iter().map(|s| Step { stage: 1, ..s });
    fit([Step { section: "5.1.9 primary again step 2", ..step }].into_iter().chain(nodes).collect())
}

/// 5.1.9, on the primary again, 3: the test node is gone; and each machine is what it was.
pub fn verify_gone(ctx: &Context<'_>) -> Vec<Step> {
    let (id, name) = (primary(ctx), test_node(ctx));
    let node = ctx.pair.node(id);
    let title = format!("the test node {name} is not in the database on {}", node.name);
    let step = Step::observe(
        "drill.verify-gone",
        title,
        Place::Node(id),
        shown(ctx, node, &name),
        needs_xcatd(ctx, node, gone(&name)),
    );
    let mut steps = vec![Step { retries: 2, traps: &[54], section: "5.1.9 primary again step 3", ..step }];
    steps.extend(roles::both(ctx, id, "drill.end"));
    fit(steps)
}

/// Scheduled jobs are as they were.
pub fn rearm(ctx: &Context<'_>) -> Vec<Step> {
    fit([ctx.request.target, primary(ctx)].map(|id| schedules::rearm(ctx, id)).into())
}

/// The claims are taken away, and everything is looked at once more: a machine that was rebooted in between does not open its database by
/// itself, and nobody would look again.
pub fn release(ctx: &Context<'_>) -> Vec<Step> {
    let id = primary(ctx);
    let request = Request { target: id, ..ctx.request.clone() };
    let serves = db2::serve::last_look(&Context { request: &request, ..*ctx });
    let pair = roles::both(ctx, id, "release.peer").into_iter().map(|step| Step { stage: 1, ..step });
    fit(claim::release_both(ctx).into_iter().chain(serves).chain(pair).collect())
}

fn shown(ctx: &Context<'_>, node: &Node, name: &str) -> Script {
    look(host::xcat(node, &ctx.pair.xcat, "lsdef", &["-t", "node", "-o", name, "-i", "groups,usercomment"]))
}

fn delete_script(ctx: &Context<'_>, node: &Node, name: &str) -> Script {
    Script::new().look(host::xcat(node, &ctx.pair.xcat, "rmdef", &["-t", "node", "-o", name]))
}

/// The node is there with the attributes that it was given.
fn present(ctx: &Context<'_>, name: &str) -> Judge {
    let (name, wanted) = (name.to_owned(), [format!("groups={GROUP}"), format!("usercomment={}", remark(ctx))]);
    judge(move |output: &Output| {
        let r = output.at(0);
        if is_absent(&name, r) {
            return Judgement::failed(format!("{name} is not in the database"), Vec::new());
        }
        let Some(text) = read::complete(r) else {
            return Judgement::unknown(format!("{name} could not be looked up: {}", read::said(r)), Vec::new());
        };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        if !lines.contains(&format!("Object name: {name}").as_str()) {
            return Judgement::unknown(format!("what lsdef says of {name} is not understood"), Vec::new());
        }
        match wanted.iter().find(|w| !lines.contains(&w.as_str())) {
            None => Judgement::succeeded(format!("{name} is in the database with its attributes"), Vec::new()),
            Some(missing) => Judgement::failed(format!("{name} is in the database without {missing:?}"), Vec::new()),
        }
    })
}

/// What lsdef and rmdef need and a boot does not bring by itself is named where they could not tell: the database, then xcatd.
fn needs_xcatd(ctx: &Context<'_>, node: &Node, seen: Judge) -> Judge {
    let start = match node.platform {
        Platform::Linux => vocabulary::control(&ctx.pair.xcat.control, "start"),
        Platform::Aix => vocabulary::aix::startsrc("xcatd"),
    };
    let database = activate(node, ctx.pair.db2(), false);
    let xcatd =
        next(&as_root(node, &start.argv.join(" ")), "then xcatd, by which the test node is looked up and deleted");
    judge(move |output: &Output| match seen(output) {
        Judgement { verdict: Verdict::Unknown, evidence, why } => {
            Judgement::unknown(format!("{why}{database}{xcatd}"), evidence)
        }
        told => told,
    })
}

fn gone(name: &str) -> Judge {
    let name = name.to_owned();
    judge(move |output: &Output| absent(&name, output.at(0)))
}

fn absent(name: &str, r: &ActionResult) -> Judgement {
    if is_absent(name, r) {
        return Judgement::succeeded(format!("{name} is not in the database"), Vec::new());
    }
    match read::complete(r) {
        Some(text) if text.contains(&format!("Object name: {name}")) => {
            Judgement::failed(format!("{name} is still in the database"), Vec::new())
        }
        _ => Judgement::unknown(format!("{name} could not be looked up: {}", read::said(r)), Vec::new()),
    }
}

/// xCAT says that there is no such node; a daemon that does not answer says nothing.
fn is_absent(name: &str, r: &ActionResult) -> bool {
    r.exit == Some(1) && r.stderr.contains(&format!("Could not find an object named '{name}'"))
}
