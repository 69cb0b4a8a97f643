//! The last look: everything again, at once, on the machines themselves.

use journal_schema::{DatabaseRole, Fact, Tri};

use super::{Batch, address, fence, fit, judge, other, read, schedules, server, target, xcat};
use crate::{
    script::Output,
    step::{Judgement, Step},
    table::Context,
    vocabulary::{self, sql},
};

/// What became of the other machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// It was fenced.
    Fenced,
    /// It stepped down and is alive.
    SteppedDown,
}

/// Looks at both.
pub fn verify(ctx: &Context<'_>, who: Other) -> Vec<Step> {
    let mut steps = vec![on_target(ctx)];
    match who {
        // A machine that was powered on again would be a second primary: nothing is quieter and nothing is worse.
        Other::Fenced => steps.extend(fence::still_off(ctx, "verify.fenced")),
        Other::SteppedDown => steps.push(on_other(ctx, "verify.other")),
    }
    fit(steps)
}

fn on_target(ctx: &Context<'_>) -> Step {
    let pg = ctx.pair.postgres();
    let (name, service) = (ctx.target().name.clone(), ctx.pair.service.clone());
    let (fewest, raised) = (xcat::fewest_nodes(ctx), ctx.known.highest_epoch());
    let mut batch = Batch::default();
    let role = batch.look(server::ask_role(pg));
    let addresses = address::list(&mut batch);
    let host = batch.look(vocabulary::host_name());
    let epoch = batch.look(vocabulary::cat(&vocabulary::epoch_path(ctx.pair)));
    let cron = schedules::list(&mut batch);
    let nodes = batch.look(vocabulary::psql(pg, &pg.database, sql::CLUSTER_NODES));
    let answers = batch.look(vocabulary::database_answers(pg, &service.address));
    let site = batch.look(xcat::ask_site(ctx));
    let disarmed = schedules::disarmed(name.clone(), schedules::around(ctx), Vec::new());
    let title = format!("{name} is in service: database, address, name, xcatd, epoch, schedules");
    let seen = judge(move |output: &Output| {
        let found = read::role(output.at(role));
        let holds = read::holds(output.at(addresses), &service.address);
        let mut facts = vec![
            server::role_fact(&name, &found),
            Fact::HoldsAddress { node: name.clone(), address: service.address.clone(), holds },
        ];
        if found.role != DatabaseRole::Primary {
            return verdict(
                found.role == DatabaseRole::Unknown,
                format!("the database on {name} is {:?}", found.role),
                facts,
            );
        }
        if holds != Tri::Yes {
            return verdict(holds == Tri::Unknown, format!("{name} does not show {}", service.address), facts);
        }
        match read::line(output.at(host)) {
            Some(host) if host == service.host_name => {}
            other => return verdict(other.is_none(), format!("{name} is called {}", other.unwrap_or("?")), facts),
        }
        match read::count(output.at(epoch)) {
            Some(found) if found == raised => facts.push(Fact::Epoch { node: name.clone(), epoch: found }),
            found => return verdict(found.is_none(), format!("{name} is at epoch {found:?}, not {raised}"), facts),
        }
        match xcat::enough_nodes(&name, read::count(output.at(nodes)), fewest) {
            Ok(fact) => facts.push(fact),
            Err(judgement) => return judgement,
        }
        match output.at(answers).exit {
            Some(0) => {}
            Some(1 | 2) => {
                return verdict(false, format!("the database does not answer at {}", service.address), facts);
            }
            _ => return verdict(true, "whether the database answers could not be asked".into(), facts),
        }
        if let Err(why) = read::site_table(output.at(site)) {
            return Judgement::failed(why, facts);
        }
        facts.push(Fact::Service {
            node: name.clone(),
            service: "xcatd".into(),
            running: Tri::Yes,
            at_boot: Tri::Unknown,
        });
        let cron = disarmed(&Output { results: vec![output.at(cron).clone()], ..Output::default() });
        facts.extend(cron.evidence);
        match cron.verdict {
            journal_schema::Verdict::Succeeded => {
                Judgement::succeeded(format!("{name} is in service at {}, epoch {raised}", service.address), facts)
            }
            verdict => Judgement { verdict, why: cron.why, evidence: facts },
        }
    });
    Step {
        retries: 2,
        traps: &[13, 22, 52, 55],
        ..Step::observe("verify.target", title, target(ctx), batch.script(), seen)
    }
}

/// Once more when the claims are gone, in one cheap look: a reboot between the verification and the end would leave the cluster without
/// its address, and nobody would look again.
pub fn last_look(ctx: &Context<'_>, who: Other) -> Vec<Step> {
    let mut steps = vec![still_in_service(ctx)];
    if who == Other::SteppedDown {
        steps.push(Step { stage: 1, ..on_other(ctx, "release.last-look-other") });
    }
    steps
}

fn still_in_service(ctx: &Context<'_>) -> Step {
    let (name, service) = (ctx.target().name.clone(), ctx.pair.service.clone());
    let mut batch = Batch::default();
    let role = batch.look(server::ask_role(ctx.pair.postgres()));
    let addresses = address::list(&mut batch);
    let host = batch.look(vocabulary::host_name());
    let xcatd = batch.look(vocabulary::xcatd_processes());
    let title = format!("{name} is still in service");
    let seen = judge(move |output: &Output| {
        let found = read::role(output.at(role));
        let holds = read::holds(output.at(addresses), &service.address);
        let running = read::runs(output.at(xcatd));
        let host = read::line(output.at(host));
        let facts = vec![
            server::role_fact(&name, &found),
            Fact::HoldsAddress { node: name.clone(), address: service.address.clone(), holds },
            Fact::Service { node: name.clone(), service: "xcatd".into(), running, at_boot: Tri::Unknown },
        ];
        let all = [
            (found.role == DatabaseRole::Primary, found.role == DatabaseRole::Unknown, "its database is not primary"),
            (holds == Tri::Yes, holds == Tri::Unknown, "it does not hold the service address"),
            (host == Some(service.host_name.as_str()), host.is_none(), "it does not bear the service's name"),
            (running == Tri::Yes, running == Tri::Unknown, "xcatd does not run"),
        ];
        weighed(&all, &name, "is in service", facts)
    });
    Step {
        stage: 1,
        retries: 1,
        traps: &[55],
        ..Step::observe("release.last-look", title, target(ctx), batch.script(), seen)
    }
}

fn verdict(unclear: bool, why: String, facts: Vec<Fact>) -> Judgement {
    if unclear { Judgement::unknown(why, facts) } else { Judgement::failed(why, facts) }
}

/// The machine that stepped down holds nothing of the service. `id` because it is looked at twice.
fn on_other(ctx: &Context<'_>, id: &str) -> Step {
    let pg = ctx.pair.postgres();
    let (name, service) = (ctx.other().name.clone(), ctx.pair.service.clone());
    let mut batch = Batch::default();
    let role = batch.look(server::ask_role(pg));
    let addresses = address::list(&mut batch);
    let host = batch.look(vocabulary::host_name());
    let xcatd = batch.look(vocabulary::xcatd_processes());
    let signal = batch.look(vocabulary::cat(&vocabulary::standby_signal(pg)));
    let title = format!("{name} has stepped down: no database, no service address or name, no xcatd");
    let seen = judge(move |output: &Output| {
        let found = read::role(output.at(role));
        let holds = read::holds(output.at(addresses), &service.address);
        let running = read::runs(output.at(xcatd));
        let host = read::line(output.at(host));
        let guarded = read::file(output.at(signal));
        let facts = vec![
            server::role_fact(&name, &found),
            Fact::HoldsAddress { node: name.clone(), address: service.address.clone(), holds },
            Fact::Service { node: name.clone(), service: "xcatd".into(), running, at_boot: Tri::Unknown },
        ];
        let all = [
            (found.role == DatabaseRole::Down, found.role == DatabaseRole::Unknown, "its database runs"),
            (holds == Tri::No, holds == Tri::Unknown, "it holds the service address"),
            (host.is_some_and(|h| h != service.host_name), host.is_none(), "it bears the service's name"),
            (running == Tri::No, running == Tri::Unknown, "xcatd runs there"),
            (matches!(guarded, Some(Some(_))), guarded.is_none(), "its database would start writable"),
        ];
        weighed(&all, &name, "has stepped down", facts)
    });
    Step { retries: 2, traps: &[5, 13, 56], ..Step::observe(id, title, other(ctx), batch.script(), seen) }
}

/// The first of `(good, unclear, what is wrong)` that is not good, or success.
pub(crate) fn weighed(all: &[(bool, bool, &str)], name: &str, good: &str, facts: Vec<Fact>) -> Judgement {
    match all.iter().find(|(good, ..)| !good) {
        None => Judgement::succeeded(format!("{name} {good}"), facts),
        Some((_, true, why)) => Judgement::unknown(format!("{name}: whether {why} is not known"), facts),
        Some((_, false, why)) => Judgement::failed(format!("{name}: {why}"), facts),
    }
}
