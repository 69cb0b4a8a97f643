//! Looking at both machines, and weighing what was seen. Reads only.

use journal_schema::{Channel, DatabaseRole, Fact, Tri, Verdict};

use super::{Batch, clocks, device, fit, hasten, judge, loss, read, refusal, schedules, server, target, wire, xcat};
use crate::{
    by_hand::as_root,
    known::Known,
    model::{Node, NodeId, Pair},
    notes,
    script::Output,
    step::{Judgement, Place, Step, next},
    table::{Context, Request},
    vocabulary::{self, Helper, sql},
};

/// Which workflow weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// The machine in service may be dead.
    Failover,
    /// Both are alive and replicate.
    Switchover,
}

/// One look at each machine, at the fence device, and by ARP. All side by side.
pub fn observe(ctx: &Context<'_>, aim: Aim) -> Vec<Step> {
    let (target, other) = (ctx.request.target, ctx.request.target.other());
    let on_other = look_at(ctx, other, "observe.other", aim == Aim::Switchover);
    let on_other = match aim {
        Aim::Switchover => on_other,
        Aim::Failover => {
            let answers = Fact::Answers { node: ctx.other().name.clone(), channel: Channel::Ssh, answer: Tri::No };
            let why = format!("{} does not answer by ssh, which does not mean that it is off", ctx.other().name);
            Step { unreachable: Some(Judgement::succeeded(why, vec![answers])), optional: true, retries: 0, ..on_other }
        }
    };
    let mut steps = vec![look_at(ctx, target, "observe.target", true), on_other];
    steps.extend(wire::look(ctx));
    if aim == Aim::Failover {
        steps.extend(device::observe(ctx));
        return hasten(fit(steps), HALF_DEAD_S);
    }
    fit(steps)
}

/// Longest look at a machine that may be half dead, seconds.
const HALF_DEAD_S: u32 = 30;

/// Places of the results of [`look_at`]'s batch.
struct Seen {
    clock: [usize; 2],
    machine: usize,
    boot: usize,
    host: usize,
    addresses: usize,
    role: usize,
    standby: usize,
    primary: usize,
    nodes: usize,
    listen: usize,
    cron: usize,
    epoch: usize,
    claim: usize,
    xcatd: usize,
    xcatd_boot: usize,
    helpers: [usize; 3],
    cfgloc: usize,
}

fn look_at(ctx: &Context<'_>, id: NodeId, step_id: &str, strict: bool) -> Step {
    let (pair, node) = (ctx.pair.clone(), ctx.pair.node(id).clone());
    let pg = pair.postgres();
    let mut batch = Batch::default();
    // The clock first and last: what lies between needs no guess at how long the looks took there.
    let first = batch.look(vocabulary::clock());
    let seen = Seen {
        machine: batch.look(vocabulary::machine_id()),
        boot: batch.look(vocabulary::boot_id()),
        host: batch.look(vocabulary::host_name()),
        addresses: batch.look(vocabulary::addresses()),
        role: batch.look(server::ask_role(pg)),
        standby: batch.look(vocabulary::psql(pg, "postgres", sql::STANDBY_POSITION)),
        primary: batch.look(vocabulary::psql(pg, "postgres", sql::PRIMARY_POSITION)),
        nodes: batch.look(vocabulary::psql(pg, &pg.database, sql::CLUSTER_NODES)),
        listen: batch.look(vocabulary::psql(pg, "postgres", sql::LISTEN)),
        cron: batch.look(vocabulary::crontabs()),
        epoch: batch.look(vocabulary::cat(&vocabulary::epoch_path(&pair))),
        claim: batch.look(vocabulary::cat(&vocabulary::claim_text_path(&pair))),
        xcatd: batch.look(vocabulary::xcatd_processes()),
        xcatd_boot: batch.look(vocabulary::at_boot("xcatd")),
        helpers: Helper::ALL.map(|h| batch.look(vocabulary::helper_processes(h))),
        cfgloc: batch.look(vocabulary::cfgloc_dsn(&pair.xcat)),
        clock: [first, batch.look(vocabulary::clock())],
    };
    let title = format!("look at {}", node.name);
    let judge = judge(move |output: &Output| weigh_one(&pair, &node, &seen, strict, output));
    Step {
        retries: 1,
        traps: &[6, 8, 9, 11, 16, 21, 52, 56],
        ..Step::observe(step_id, title, Place::Node(id), batch.script(), judge)
    }
}

/// The facts of one machine. `strict`: it is needed, so that its clock and a whole answer count; else only its identity does.
fn weigh_one(pair: &Pair, node: &Node, seen: &Seen, strict: bool, output: &Output) -> Judgement {
    let name = &node.name;
    let mut facts = vec![Fact::Answers { node: name.clone(), channel: Channel::Ssh, answer: Tri::Yes }];
    let Some(machine) = read::id(output.at(seen.machine)) else {
        facts[0] = Fact::Answers { node: name.clone(), channel: Channel::Ssh, answer: Tri::Unknown };
        return Judgement::unknown(format!("{name} did not say which machine it is"), facts);
    };
    facts.push(Fact::Identity {
        node: name.clone(),
        machine_id: machine.to_owned(),
        boot_id: read::id(output.at(seen.boot)).unwrap_or_default().to_owned(),
        host_name: read::line(output.at(seen.host)).unwrap_or_default().to_owned(),
    });
    if machine != node.machine_id {
        let why = format!("{name} is another machine: its machine-id is {machine}, pinned is {}", node.machine_id);
        return Judgement::failed(why, facts);
    }
    let clock = clocks::offset(output, seen.clock);
    if let Some((offset_ms, error_ms)) = clock {
        facts.push(Fact::ClockOffset { node: name.clone(), offset_ms, error_ms });
    }
    let address = &pair.service.address;
    let holds = read::holds(output.at(seen.addresses), address);
    facts.push(Fact::HoldsAddress { node: name.clone(), address: address.clone(), holds });
    facts.extend(database_facts(name, seen, output));
    facts.push(Fact::Service {
        node: name.clone(),
        service: "xcatd".into(),
        running: read::runs(output.at(seen.xcatd)),
        at_boot: read::at_boot(output.at(seen.xcatd_boot)),
    });
    for (helper, at) in Helper::ALL.into_iter().zip(seen.helpers) {
        let running = read::runs(output.at(at));
        facts.push(Fact::Service { node: name.clone(), service: helper.name().into(), running, at_boot: Tri::Unknown });
    }
    let hosts = read::line(output.at(seen.host));
    let jobs = schedules::facts(name, output.at(seen.cron), &schedules::Surroundings::of(pair, hosts));
    let listed = jobs.is_some();
    facts.extend(jobs.unwrap_or_default());
    match read::file(output.at(seen.epoch)) {
        Some(None) => facts.push(Fact::Epoch { node: name.clone(), epoch: 0 }),
        Some(Some(text)) => facts.extend(text.parse().ok().map(|epoch| Fact::Epoch { node: name.clone(), epoch })),
        None => {}
    }
    if let Some(claim) = read::file(output.at(seen.claim)) {
        facts.push(Fact::Claimed { node: name.clone(), claim: claim.unwrap_or_default().to_owned() });
    }
    let mut remark = |key: &str, value: Option<&str>| {
        let value = value.map(|v| Fact::Note { node: name.clone(), key: key.into(), value: v.into() });
        facts.extend(value);
    };
    remark(notes::LISTEN, read::line(output.at(seen.listen)));
    remark(notes::CFGLOC, read::line(output.at(seen.cfgloc)));
    let whole = output.at(seen.clock[1]).exit.is_some();
    if !strict {
        return Judgement::succeeded(
            format!("{name} answers{}", if clock.is_some() { "" } else { ", in part" }),
            facts,
        );
    }
    if !whole {
        return Judgement::unknown(format!("the answer of {name} is cut short"), facts);
    }
    if !listed {
        return Judgement::unknown(format!("the crontabs of {name} could not be listed whole"), facts);
    }
    let limit = pair.max_clock_offset_ms;
    match clocks::near(pair, node, clock) {
        Err((verdict, why)) => Judgement { verdict, evidence: facts, why },
        Ok((offset, error)) if offset.unsigned_abs().saturating_add(error) > limit => {
            let why = format!(
                "the clock of {name} could not be measured well enough: {offset} ms ± {error}, allowed are {limit} ms; its answer took \
                 {}.{} s to come{}",
                output.took_ms / 1000,
                output.took_ms % 1000 / 100,
                next(
                    &as_root(node, "true"),
                    "must come back at once: its login may be slow (start-up files, PAM, name service)"
                )
            );
            Judgement::unknown(why, facts)
        }
        Ok(_) => Judgement::succeeded(format!("{name} answers and is the pinned machine"), facts),
    }
}

fn database_facts(name: &str, seen: &Seen, output: &Output) -> Vec<Fact> {
    let role = read::role(output.at(seen.role));
    let mut facts = vec![server::role_fact(name, &role)];
    match role.role {
        DatabaseRole::Standby => {
            if let Some(position) = read::standby_position(output.at(seen.standby)) {
                facts.extend(server::position_facts(name, &position));
                let up = if position.streaming { Tri::Yes } else { Tri::No };
                facts.push(Fact::Streaming { node: name.to_owned(), up, synchronous: Tri::Unknown });
            }
        }
        DatabaseRole::Primary => {
            if let Some(position) = read::primary_position(output.at(seen.primary)) {
                facts.push(Fact::LogPosition {
                    node: name.to_owned(),
                    written: Some(position.written),
                    received: None,
                    replayed: None,
                    last_commit_ms: None,
                    last_message_ms: None,
                });
                for (key, count) in [(notes::STREAMING, position.streaming), (notes::SYNCHRONOUS, position.synchronous)]
                {
                    facts.push(Fact::Note { node: name.to_owned(), key: key.into(), value: count.to_string() });
                }
            }
        }
        DatabaseRole::Down | DatabaseRole::Unknown => {}
    }
    if let Some(count) = read::count(output.at(seen.nodes)) {
        facts.push(Fact::ClusterNodes { node: name.to_owned(), count });
    }
    facts
}

/// Weighs the whole: may this workflow go on, and what is lost at most. Looks at the target once more for its claim and position.
pub fn weigh(ctx: &Context<'_>, aim: Aim) -> Vec<Step> {
    let pg = ctx.pair.postgres();
    let mut batch = Batch::default();
    let role = batch.look(server::ask_role(pg));
    let position = batch.look(vocabulary::psql(pg, "postgres", sql::STANDBY_POSITION));
    let claim = batch.look(vocabulary::cat(&vocabulary::claim_text_path(ctx.pair)));
    let scales = Scales {
        aim,
        pair: ctx.pair.clone(),
        known: ctx.known.clone(),
        request: ctx.request.clone(),
        own_claim: ctx.signature(),
        fewest: xcat::fewest_nodes(ctx),
    };
    let seen = judge(move |output: &Output| {
        let role = read::role(output.at(role));
        let position = read::standby_position(output.at(position));
        let claim = read::file(output.at(claim)).map(Option::unwrap_or_default);
        scales.weigh(&role, position.as_ref(), claim)
    });
    let title = format!("may {} take over, and what is lost at most", ctx.target().name);
    let step = Step::observe("assess.pair", title, target(ctx), batch.script(), seen);
    fit(vec![Step { retries: 1, traps: &[8, 9, 10, 13, 30, 40, 52], ..step }])
}

/// Everything that the weighing looks at. Pure.
struct Scales {
    aim: Aim,
    pair: Pair,
    known: Known,
    request: Request,
    own_claim: String,
    fewest: u64,
}

impl Scales {
    fn weigh(&self, role: &read::Role, position: Option<&read::StandbyPosition>, claim: Option<&str>) -> Judgement {
        let mut facts = Vec::new();
        match self.decide(role, position, claim, &mut facts) {
            Ok(why) => Judgement::succeeded(why, facts),
            Err((verdict, why)) => Judgement { verdict, evidence: facts, why },
        }
    }

    fn decide(
        &self,
        role: &read::Role,
        position: Option<&read::StandbyPosition>,
        claim: Option<&str>,
        facts: &mut Vec<Fact>,
    ) -> Result<String, (Verdict, String)> {
        let (target, other) =
            (&self.pair.node(self.request.target).name, &self.pair.node(self.request.target.other()).name);
        let refuse = |why: String| Err((Verdict::Failed, why));
        let unclear = |why: String| Err((Verdict::Unknown, why));
        facts.push(server::role_fact(target, role));
        if let Some(position) = position {
            facts.extend(server::position_facts(target, position));
        }
        // The bound is shown also where the answer is no.
        let loss = position.map(|p| self.loss(role, p));
        if let Some(view) = &loss {
            facts.push(loss::fact(view));
            let up = if view.standby.streaming { Tri::Yes } else { Tri::No };
            facts.push(Fact::Streaming { node: target.clone(), up, synchronous: view.synchronous });
        }
        let (here, there) = (self.request.target, self.request.target.other());
        for (id, node, text) in [(here, target, claim), (there, other, self.known.claim(other))] {
            match text {
                Some("") => {}
                Some(text) if text == self.own_claim => {}
                Some(text) => return refuse(refusal::claimed(&self.pair, id, text)),
                None if id == here || self.aim == Aim::Switchover => {
                    return unclear(format!("the claim on {node} could not be read"));
                }
                None => {}
            }
        }
        if let Some((machine, _)) = self.known.identity(other)
            && machine != self.pair.node(self.request.target.other()).machine_id
        {
            return refuse(format!("at the addresses of {other} is another machine: machine-id {machine}"));
        }
        match role.role {
            DatabaseRole::Standby => {}
            DatabaseRole::Primary => {
                let workflow = if self.aim == Aim::Failover { "failover" } else { "switchover" };
                return refuse(refusal::primary_already(&self.pair, &self.known, here, workflow));
            }
            DatabaseRole::Down => return refuse(refusal::down(&self.pair, here)),
            DatabaseRole::Unknown => return unclear(format!("the role of the database on {target} is not known")),
        }
        let Some(position) = position else {
            return unclear(format!("the position of the database on {target} could not be read"));
        };
        if position.end().is_none_or(|end| end == 0) {
            return refuse(format!("the database on {target} never received anything from a primary"));
        }
        let (other_role, other_id, _) = self.known.database(other);
        if !other_id.is_empty() && other_id != role.system_id {
            let why = format!(
                "the databases are not copies of each other: {target} is {}, {other} is {other_id}",
                role.system_id
            );
            return refuse(why);
        }
        match self.known.cluster_nodes(target) {
            Some(count) if count >= self.fewest => {}
            Some(count) => {
                let none =
                    if count == 0 { "; of a cluster without nodes: min_nodes_percent = 0 in [xcat]" } else { "" };
                let fewest = self.fewest;
                return refuse(format!(
                    "the database on {target} holds {count} nodes, at least {fewest} were expected{none}"
                ));
            }
            None => return unclear(format!("the nodes in the database on {target} could not be counted")),
        }
        let address = &self.pair.service.address;
        match self.known.holds(target, address) {
            Tri::No => {}
            Tri::Yes => return refuse(refusal::holds_address(&self.pair, here)),
            Tri::Unknown => return unclear(format!("whether {target} holds {address} could not be seen")),
        }
        match self.aim {
            Aim::Failover => self.failover(loss.as_ref(), other_role, target, other),
            Aim::Switchover => self.switchover(position, other_role, target, other),
        }
    }

    fn failover(
        &self,
        loss: Option<&loss::View>,
        other_role: DatabaseRole,
        target: &str,
        other: &str,
    ) -> Result<String, (Verdict, String)> {
        let (bytes, millis) = loss.map_or((None, None), loss::bound);
        let mut words = loss::in_words(bytes, millis);
        // The bound is of the moment, and a machine that is in service goes on taking writes.
        if other_role == DatabaseRole::Primary
            && loss.is_some_and(|l| l.synchronous != Tri::Yes || !l.standby.streaming)
        {
            words.push_str(&format!(" so far, and what {other} takes until it is off"));
        }
        if millis.is_none() && !self.request.accept_unknown_loss {
            let why = format!("{words}: what is lost is not known, and that was not accepted (--accept-unknown-loss)");
            return Err((Verdict::Failed, why));
        }
        let healthy = other_role == DatabaseRole::Primary && loss.is_some_and(|l| l.standby.streaming);
        let advice = if healthy {
            format!("; {other} is alive and replicates: a switchover would lose nothing")
        } else {
            String::new()
        };
        Ok(format!("{target} can take over; {words}{advice}"))
    }

    fn switchover(
        &self,
        position: &read::StandbyPosition,
        other_role: DatabaseRole,
        target: &str,
        other: &str,
    ) -> Result<String, (Verdict, String)> {
        let address = &self.pair.service.address;
        if other_role != DatabaseRole::Primary {
            return Err((Verdict::Failed, format!("the database on {other} is {other_role:?}, not primary")));
        }
        if !position.streaming {
            let why = format!("{target} does not stream from {other}: a switchover would have to wait for ever");
            return Err((Verdict::Failed, why));
        }
        match self.known.note(other, notes::STREAMING).and_then(|n| n.parse::<u64>().ok()) {
            Some(0) => return Err((Verdict::Failed, format!("{other} has no standby that streams"))),
            Some(_) => {}
            None => return Err((Verdict::Unknown, format!("whether {other} has a standby could not be read"))),
        }
        match self.known.holds(other, address) {
            Tri::Yes => Ok(format!("{target} streams from {other}; nothing is lost by a switchover")),
            Tri::No => Err((Verdict::Failed, format!("{other} does not hold the service address {address}"))),
            Tri::Unknown => Err((Verdict::Unknown, format!("whether {other} holds {address} could not be seen"))),
        }
    }

    /// Positions that were seen together: the primary's is compared with the target's of the same look.
    fn loss(&self, role: &read::Role, fresh: &read::StandbyPosition) -> loss::View {
        let target = &self.pair.node(self.request.target).name;
        let other = &self.pair.node(self.request.target.other()).name;
        let (other_role, _, timeline) = self.known.database(other);
        let written = match self.known.log(other) {
            Some(Fact::LogPosition { written, .. }) => *written,
            _ => None,
        };
        let (written, synchronous) = match other_role {
            DatabaseRole::Primary if timeline == role.timeline => {
                let count = |key| self.known.note(other, key).and_then(|n| n.parse::<u64>().ok());
                // Where there are several, commits may wait for another one.
                let synchronous = match (count(notes::STREAMING), count(notes::SYNCHRONOUS)) {
                    (Some(1), Some(1)) => Tri::Yes,
                    (_, Some(0)) => Tri::No,
                    _ => Tri::Unknown,
                };
                (written, synchronous)
            }
            _ => (None, Tri::Unknown),
        };
        let mut standby = *fresh;
        if written.is_some()
            && let Some(Fact::LogPosition { received, replayed, .. }) = self.known.log(target)
        {
            (standby.received, standby.replayed) = (*received, *replayed);
        }
        loss::View { written, standby, synchronous, clocks_ms: self.pair.max_clock_offset_ms }
    }
}
