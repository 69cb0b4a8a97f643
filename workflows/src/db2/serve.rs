//! A machine in service, proven: the right database, xcatd, the last looks; and what a rollback gives back.

use journal_schema::{DatabaseRole, Fact, HadrRole, Tri, Verdict};

use super::{message::Said, promote::counting, read, told};
use crate::{
    host,
    model::Platform,
    script::{Output, Script},
    step::{Judgement, Step, Undo},
    steps::{Batch, address, aix, fence, fit, judge, read as basic, running, schedules, target, undo, xcat},
    table::Context,
    vocabulary::{self, db2 as calls},
};

/// xcatd on the target and the service nodes: the right database first, which is also the proof that it lets clients in (SQL1117N and the
/// like show here), then restart, then proof by content.
pub fn start(ctx: &Context<'_>) -> Vec<Step> {
    let (db2, name) = (ctx.pair.db2(), ctx.target().name.clone());
    let fewest = xcat::fewest_nodes(ctx);
    let title = format!("the database on {name} lets clients in and holds at least {fewest} nodes");
    let seen = judge(move |output: &Output| {
        let statements = read::group(output.at(0), 3);
        let connected = super::message::said(&statements[0]);
        if !connected.done() {
            return Judgement::failed(format!("the database on {name} lets nobody in: {connected}"), Vec::new());
        }
        let counted = super::message::said(&statements[1]);
        if let Said::Refused(_) = counted {
            return Judgement::failed(format!("the database on {name} does not show its nodes: {counted}"), Vec::new());
        }
        match xcat::enough_nodes(&name, read::counted(&statements[1]), fewest) {
            Ok(fact) => Judgement::succeeded(format!("the database on {name} is the cluster's"), vec![fact]),
            Err(judgement) => judgement,
        }
    });
    let probe = Script::new().look(calls::clp(db2, counting(db2)));
    let right =
        Step { retries: 2, traps: &[42, 52], ..Step::observe("xcatd.database", title, target(ctx), probe, seen) };
    let restart = xcat::restart_all(ctx).into_iter().map(|step| Step { stage: step.stage + 1, ..step });
    fit(std::iter::once(right).chain(restart).collect())
}

/// Looks at everything once more, on the target and at the fence.
pub fn verify(ctx: &Context<'_>) -> Vec<Step> {
    let mut steps = vec![on_target(ctx)];
    steps.extend(fence::still_off(ctx, "verify.fenced"));
    if ctx.target().platform == Platform::Aix {
        steps.extend(aix::seen_from_elsewhere(ctx, "verify.", true));
    }
    fit(steps)
}

/// The target is in service: database, address, name, `db2nodes.cfg`, epoch, schedules, number of nodes, xcatd.
pub fn on_target(ctx: &Context<'_>) -> Step {
    let (pair, node) = (ctx.pair.clone(), ctx.target().clone());
    let (fewest, raised) = (xcat::fewest_nodes(ctx), ctx.known.highest_epoch());
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, pair.db2());
    let addresses = batch.look(host::addresses(&node));
    let name = batch.look(vocabulary::host_name());
    let nodes_cfg = batch.look(vocabulary::cat(&calls::nodes_path(pair.db2())));
    let epoch = batch.look(vocabulary::cat(&vocabulary::epoch_path(&pair)));
    let cron = schedules::list(&mut batch);
    let nodes = batch.look(calls::clp(pair.db2(), counting(pair.db2())));
    let site = batch.look(xcat::ask_site(ctx));
    let disarmed = schedules::disarmed(node.name.clone(), schedules::around(ctx), Vec::new());
    let title = format!("{} is in service: database, address, name, xcatd, epoch, schedules", node.name);
    let seen = judge(move |output: &Output| {
        let service = &pair.service;
        let told = asked.told(pair.db2(), output);
        let holds = basic::holds(output.at(addresses), &service.address);
        let host_name = basic::line(output.at(name));
        let named = basic::complete(output.at(nodes_cfg)).map(read::nodes_host);
        let found_epoch = basic::count(output.at(epoch));
        let mut facts = told.facts(&node.name, pair.db2(), None);
        facts.push(Fact::HoldsAddress { node: node.name.clone(), address: service.address.clone(), holds });
        facts.extend(found_epoch.map(|epoch| Fact::Epoch { node: node.name.clone(), epoch }));
        let role = told.role();
        let all = [
            (role == DatabaseRole::Primary, role == DatabaseRole::Unknown, "its database is not writable"),
            (holds == Tri::Yes, holds == Tri::Unknown, "it does not hold the service address"),
            (host_name == Some(&*service.host_name), host_name.is_none(), "it does not bear the service's name"),
            (named == Some(Some(&*service.host_name)), named.is_none(), "db2nodes.cfg names another machine"),
            (found_epoch == Some(raised), found_epoch.is_none(), "it is not at the epoch of this run"),
        ];
        let weighed = crate::steps::verify::weighed(&all, &node.name, "is in service", Vec::new());
        if weighed.verdict != Verdict::Succeeded {
            return Judgement { evidence: facts, ..weighed };
        }
        let count = read::counted(&read::group(output.at(nodes), 3)[1]);
        match xcat::enough_nodes(&node.name, count, fewest) {
            Ok(fact) => facts.push(fact),
            Err(judgement) => return judgement,
        }
        if let Err(why) = basic::site_table(output.at(site)) {
            return Judgement::failed(why, facts);
        }
        facts.push(running::service_fact(&node.name, "xcatd", Tri::Yes));
        let cron = disarmed(&Output { results: vec![output.at(cron).clone()], ..Output::default() });
        facts.extend(cron.evidence);
        let why = format!("{} is in service at {}, epoch {raised}; {}", node.name, service.address, cron.why);
        Judgement { verdict: cron.verdict, why, evidence: facts }
    });
    let probe = batch.script();
    Step { retries: 2, traps: &[13, 22, 44, 52, 55], ..Step::observe("verify.target", title, target(ctx), probe, seen) }
}

/// Once more when the claims are gone: a reboot in between would leave the cluster without its address, and nobody would look again.
pub fn last_look(ctx: &Context<'_>) -> Vec<Step> {
    let (pair, node) = (ctx.pair.clone(), ctx.target().clone());
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, pair.db2());
    let addresses = batch.look(host::addresses(&node));
    let xcatd = batch.look(vocabulary::xcatd_processes());
    let title = format!("{} is still in service", node.name);
    let seen = judge(move |output: &Output| {
        let told = asked.told(pair.db2(), output);
        let holds = basic::holds(output.at(addresses), &pair.service.address);
        let running = basic::runs(output.at(xcatd));
        let mut facts = told.facts(&node.name, pair.db2(), None);
        facts.push(Fact::HoldsAddress { node: node.name.clone(), address: pair.service.address.clone(), holds });
        facts.push(running::service_fact(&node.name, "xcatd", running));
        let role = told.role();
        let all = [
            (role == DatabaseRole::Primary, role == DatabaseRole::Unknown, "its database is not writable"),
            (holds == Tri::Yes, holds == Tri::Unknown, "it does not hold the service address"),
            (running == Tri::Yes, running == Tri::Unknown, "xcatd does not run"),
        ];
        crate::steps::verify::weighed(&all, &node.name, "is in service", facts)
    });
    let probe = batch.script();
    vec![Step {
        stage: 1,
        retries: 1,
        traps: &[55],
        ..Step::observe("release.last-look", title, target(ctx), probe, seen)
    }]
}

/// The undoing of the claim on a machine that was alive before it was fenced: powered on again by now, it gets back what it had. Its
/// cluster-facing interface came up without an address, so that the address comes from here; its database is opened with its standby,
/// which is there, so that nothing needs force.
pub fn serve_again(ctx: &Context<'_>, unclaim: Undo) -> Undo {
    let (pair, node) = (ctx.pair, ctx.other());
    let db2 = pair.db2();
    let had_address = ctx.known.holds(&node.name, &pair.service.address) == Tri::Yes;
    let was_primary = ctx.known.database(&node.name).0 == DatabaseRole::Primary;
    let mut script = Script::new();
    if ctx.known.holds(&node.name, &pair.service.address) != Tri::No {
        script = script.followed_by(&address::back(ctx));
    }
    if matches!(ctx.known.database(&node.name).0, DatabaseRole::Primary | DatabaseRole::Unknown) {
        let activate = calls::clp(db2, [calls::may_fail(calls::activate(db2))]).timeout(calls::waits_for_partner(db2));
        script = script.look(calls::start(db2)).look(activate);
    }
    if ctx.known.service(&node.name, "xcatd").0 != Tri::No {
        script = script.followed_by(&xcat::restart_script(ctx, node));
    }
    let mut batch = Batch::default();
    let addresses = batch.look(host::addresses(node));
    let asked = told::ask(&mut batch, db2);
    let effects = script.actions.len();
    let script = script.followed_by(&unclaim.script);
    let (pair, name) = (pair.clone(), node.name.clone());
    let judge = judge(move |output: &Output| {
        let (effect, seen) = output.clone().split(effects + 1);
        let claim = (unclaim.judge)(&effect);
        if had_address && basic::holds(seen.at(addresses), &pair.service.address) != Tri::Yes {
            return Judgement::failed(format!("{name} does not hold {} again", pair.service.address), Vec::new());
        }
        let side = asked.told(pair.db2(), &seen).side();
        if was_primary && !(side.active == Tri::Yes && side.role == HadrRole::Primary) {
            let why = format!("the database on {name} is {}, not an active PRIMARY again", told::describe(&side));
            return Judgement::failed(why, Vec::new());
        }
        Judgement { why: format!("{name} serves as before; {}", claim.why), ..claim }
    });
    undo(script, batch.script(), judge)
}
