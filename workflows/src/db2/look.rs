//! Looking at both machines of a pair with DB2, and the facts that it gives. Reads only, and connects to no database: a connection
//! would activate one that is not active, which an old primary must never be (trap 5).

use journal_schema::{Fact, HadrConnection, Tri};

use super::{
    advice::{self, Answers},
    read::{self, Config},
    takeover::{Side, View},
    told::{self, Asked, Told},
};
use crate::{
    host,
    model::{Node, NodeId, Pair, Platform, SyncMode},
    notes,
    script::{Action, Output, Script},
    step::{Judgement, Place, Step},
    steps::{Batch, aix, clocks, device, fit, hasten, judge, read as basic, running, schedules},
    table::Context,
    vocabulary::{self, Helper, db2 as calls},
};

/// What a decision looks at, from a fresh look at the target and what is known of the other machine.
pub fn view(ctx: &Context<'_>, told: &Told, clock_ms: Option<u64>, fenced: bool) -> View {
    let (target, other) = (&ctx.target().name, &ctx.other().name);
    let db2 = ctx.pair.db2();
    let hadr = told.seen.hadr();
    let mode = hadr.and_then(|h| h.sync_mode).or_else(|| configured_mode(told.config.as_ref()));
    let ms = |seconds: Option<u64>| seconds.map(|s| s.saturating_mul(1_000));
    // Positions that were seen together.
    let lacks = match (ctx.known.log(other), ctx.known.log(target)) {
        (
            Some(Fact::LogPosition { written: Some(written), .. }),
            Some(Fact::LogPosition { received: Some(received), .. }),
        ) => Some(written.saturating_sub(*received)),
        // Two standbys: what the other one received, the target must have.
        (
            Some(Fact::LogPosition { received: Some(there), .. }),
            Some(Fact::LogPosition { received: Some(here), .. }),
        ) => Some(there.saturating_sub(*here)),
        _ => None,
    };
    View {
        target: told.side(),
        other: Side::of(ctx.known.hadr(other)),
        fenced,
        managed: [target, other].iter().any(|n| ctx.known.setting(n, notes::MANAGER).is_some_and(|m| !m.is_empty())),
        sync_mode: mode,
        timeout_ms: ms(hadr.and_then(|h| h.timeout_s)).unwrap_or(u64::from(db2.hadr.timeout_s) * 1000),
        window_ms: ms(hadr.and_then(|h| h.peer_window_s)),
        window_end_ms: ms(hadr.and_then(|h| h.peer_window_end)),
        clock_ms,
        skew_ms: [measured_skew(ctx), hadr.and_then(|h| skew_by_hadr(h, clock_ms))].into_iter().flatten().min(),
        since_ms: ms(hadr.and_then(|h| h.connected_since)),
        received_ms: ms(hadr.and_then(|h| h.standby_time)),
        level: hadr.is_some_and(read::Hadr::equal),
        lacks,
    }
}

fn configured_mode(config: Option<&Config>) -> Option<SyncMode> {
    match config?.get("HADR_SYNCMODE")? {
        "SYNC" => Some(SyncMode::Sync),
        "NEARSYNC" => Some(SyncMode::NearSync),
        "ASYNC" => Some(SyncMode::Async),
        "SUPERASYNC" => Some(SyncMode::SuperAsync),
        _ => None,
    }
}

/// At most so much the two clocks differ, where both were asked.
fn measured_skew(ctx: &Context<'_>) -> Option<u64> {
    let [a, b] = [ctx.target(), ctx.other()].map(|node| ctx.known.clock(&node.name));
    let ((a, a_error), (b, b_error)) = (a?, b?);
    Some(a.abs_diff(b) + a_error + b_error)
}

/// The same from HADR itself, for a primary that is dead by now: its last message said *window's end*, which was its clock plus the
/// window, and the standby knows how long ago that message came (from 10.1 on). Whole seconds, hence two of them for rounding.
///
/// Nothing can have come after the connection was lost. Where the time since the last message says so it is not what it should be (set
/// back to 0 at the loss, say: from memory nobody knows), and with it a clock that is ahead would look right.
pub fn skew_by_hadr(h: &read::Hadr, clock_ms: Option<u64>) -> Option<u64> {
    let sent = h.peer_window_end?.checked_sub(h.peer_window_s.filter(|w| *w > 0)?)?;
    let came = (clock_ms? / 1000).checked_sub(h.since_received_s?)?;
    if h.connection != HadrConnection::Connected && came > h.connected_since?.saturating_add(1) {
        return None;
    }
    Some((sent.abs_diff(came).saturating_add(2)).saturating_mul(1_000))
}

/// What of a look is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Nothing: the machine may be dead, and must not hold the failover up.
    Nothing,
    /// The machine: clock, schedules. Its instance may be stopped.
    Machine,
    /// Its database too: what a run needs behind the pivot must have been answered before it.
    Database,
}

/// One look at each machine, at the wire and at the fence device, side by side. `strict`: the other machine is needed, and in service.
pub fn observe(ctx: &Context<'_>, strict: bool) -> Vec<Step> {
    let (target, other) = (ctx.request.target, ctx.request.target.other());
    let [here, there] = if strict { [Need::Machine, Need::Database] } else { [Need::Database, Need::Nothing] };
    let on_other = look_at(ctx, other, "observe.other", there);
    let on_other = if strict {
        on_other
    } else {
        let why = format!("{} does not answer by ssh, which does not mean that it is off", ctx.other().name);
        let silent = Judgement::succeeded(why, vec![aix::answers(ctx.other(), Tri::No)]);
        Step { unreachable: Some(silent), optional: true, retries: 0, ..on_other }
    };
    let mut steps = vec![look_at(ctx, target, "observe.target", here), on_other];
    if ctx.target().platform == Platform::Aix {
        steps.push(aix::who_answers(ctx, "observe.address"));
        steps.extend(aix::seen_from_elsewhere(ctx, "", false));
    }
    if !strict {
        steps.extend(device::observe(ctx));
        return hasten(fit(steps), HALF_DEAD_S);
    }
    fit(steps)
}

/// Longest look at a machine that may be half dead, seconds. A new shell for each question, and `db2` in it, take their time.
const HALF_DEAD_S: u32 = 60;

struct Places {
    clock: [usize; 2],
    machine: usize,
    boot: usize,
    host: usize,
    addresses: usize,
    network: Option<usize>,
    cron: usize,
    epoch: usize,
    claim: usize,
    xcatd: usize,
    xcatd_boot: usize,
    helpers: [usize; 3],
    database: Asked,
    instance: usize,
    nodes: usize,
    level: usize,
    manager: usize,
}

fn look_at(ctx: &Context<'_>, id: NodeId, step_id: &str, need: Need) -> Step {
    let (pair, node) = (ctx.pair.clone(), ctx.pair.node(id).clone());
    let db2 = pair.db2();
    let mut batch = Batch::default();
    let first = batch.look(host::clock(&node));
    let places = Places {
        machine: batch.look(host::machine_id(&node)),
        boot: batch.look(host::boot_id(&node)),
        host: batch.look(vocabulary::host_name()),
        addresses: batch.look(host::addresses(&node)),
        network: (node.platform == Platform::Aix).then(|| batch.look(vocabulary::aix::network())),
        cron: batch.look(vocabulary::crontabs()),
        epoch: batch.look(vocabulary::cat(&vocabulary::epoch_path(&pair))),
        claim: batch.look(vocabulary::cat(&vocabulary::claim_text_path(&pair))),
        xcatd: batch.look(vocabulary::xcatd_processes()),
        xcatd_boot: batch.look(host::at_boot(&node, "xcatd")),
        helpers: Helper::ALL.map(|h| batch.look(vocabulary::helper_processes(h))),
        instance: batch.look(calls::instance_state(db2)),
        nodes: batch.look(vocabulary::cat(&calls::nodes_path(db2))),
        level: batch.look(calls::level(db2)),
        manager: batch.look(calls::clp(db2, [calls::may_fail(calls::GET_MANAGER)])),
        database: told::ask(&mut batch, db2),
        clock: [first, batch.look(host::clock(&node))],
    };
    let title = format!("look at {}", node.name);
    let script = batch.script();
    let script = if need == Need::Nothing { brief(script) } else { script };
    let judge = judge(move |output: &Output| one(&pair, &node, &places, need, output));
    Step {
        retries: 2,
        traps: &[6, 8, 9, 11, 16, 21, 44, 56, 74],
        ..Step::observe(step_id, title, Place::Node(id), script, judge)
    }
}

/// A machine that is half dead must not hold the failover up, in which the peer window runs out: nobody waits longer for one answer.
const PATIENCE_S: u32 = 10;

fn brief(mut script: Script) -> Script {
    for (action, _) in &mut script.actions {
        if let Action::Run(command) = action {
            command.timeout_s = command.timeout_s.min(PATIENCE_S);
        }
    }
    script
}

/// Middle of a look by the machine's own clock, milliseconds.
pub fn own_clock(output: &Output, at: [usize; 2]) -> Option<u64> {
    let [first, last] = at.map(|i| basic::count(output.at(i)).map(|ns| ns / 1_000_000));
    // The end of the look is the worse moment for a window that closes. A clock that went back meanwhile tells nothing.
    last.filter(|last| first.is_some_and(|first| first <= *last))
}

fn one(pair: &Pair, node: &Node, places: &Places, need: Need, output: &Output) -> Judgement {
    let name = &node.name;
    let at = |place: usize| output.at(place);
    let Some(identity) = aix::identity_fact(node, at(places.machine), at(places.boot), at(places.host)) else {
        return Judgement::unknown(
            format!("{name} did not say which machine it is"),
            vec![aix::answers(node, Tri::Unknown)],
        );
    };
    let mut facts = vec![aix::answers(node, Tri::Yes), identity];
    let machine = host::identity(node, at(places.machine)).unwrap_or_default();
    if !machine.eq_ignore_ascii_case(&node.machine_id) {
        let why = format!("{name} is another machine: it says {machine}, pinned is {}", node.machine_id);
        return Judgement::failed(why, facts);
    }
    let clock = clocks::offset(output, places.clock);
    facts.extend(clock.map(|(offset_ms, error_ms)| Fact::ClockOffset { node: name.clone(), offset_ms, error_ms }));
    let service = &pair.service;
    for address in std::iter::once(&service.address).chain(&service.standby_address) {
        let holds = basic::holds(at(places.addresses), address);
        facts.push(Fact::HoldsAddress { node: name.clone(), address: address.clone(), holds });
    }
    facts.extend(places.network.and_then(|network| aix::network_note(node, at(network))));
    facts.push(Fact::Service {
        node: name.clone(),
        service: "xcatd".into(),
        running: basic::runs(at(places.xcatd)),
        at_boot: host::starts_at_boot(node, at(places.xcatd_boot)),
    });
    facts.extend(
        Helper::ALL
            .into_iter()
            .zip(places.helpers)
            .map(|(h, p)| running::service_fact(name, h.name(), basic::runs(at(p)))),
    );
    let hosts = basic::line(at(places.host));
    let jobs = schedules::facts(name, at(places.cron), &schedules::Surroundings::of(pair, hosts));
    let listed = jobs.is_some();
    facts.extend(jobs.unwrap_or_default());
    facts.extend(small_files(name, at(places.epoch), at(places.claim)));
    let db2 = pair.db2();
    let told = places.database.told(db2, output);
    facts.extend(told.facts(name, db2, own_clock(output, places.clock)));
    let setting = |key: &str, value: String| Fact::Setting { node: name.clone(), name: key.into(), value };
    let host = basic::complete(at(places.nodes)).and_then(read::nodes_host);
    facts.extend(host.map(|host| setting(notes::NODES_HOST, host.to_owned())));
    facts.extend(read::level(at(places.level)).map(|v| setting(notes::VERSION, v.map(|n| n.to_string()).join("."))));
    let state = read::instance(at(places.instance));
    facts.push(setting(notes::INSTANCE, format!("{state:?}")));
    let manager = &read::group(at(places.manager), 1)[0];
    let manager = read::cluster_manager(manager);
    facts.extend(manager.map(|manager| setting(notes::MANAGER, manager.to_owned())));
    let brief = told::describe(&told.side());
    if need == Need::Nothing {
        return Judgement::succeeded(format!("{name} answers; its database: {brief}"), facts);
    }
    if at(places.clock[1]).exit.is_none() || !listed {
        return Judgement::unknown(
            format!("the answer of {name} is cut short, or its crontabs could not be listed"),
            facts,
        );
    }
    if let Err((verdict, why)) = clocks::near(pair, node, clock) {
        return Judgement { verdict, evidence: facts, why };
    }
    let answers = Answers { told: &told, instance: at(places.instance), state, manager };
    if need == Need::Database
        && let Some(why) = advice::unanswered(node, db2, &answers)
    {
        return Judgement::unknown(why, facts);
    }
    Judgement::succeeded(format!("{name} is the pinned machine; its database: {brief}"), facts)
}

/// Epoch and claim.
fn small_files(node: &str, epoch: &crate::ActionResult, claim: &crate::ActionResult) -> Vec<Fact> {
    let epoch = match basic::file(epoch) {
        Some(None) => Some(0),
        Some(Some(text)) => text.parse().ok(),
        None => None,
    };
    let claim = basic::file(claim).map(Option::unwrap_or_default);
    let epoch = epoch.map(|epoch| Fact::Epoch { node: node.to_owned(), epoch });
    let claim = claim.map(|claim| Fact::Claimed { node: node.to_owned(), claim: claim.to_owned() });
    epoch.into_iter().chain(claim).collect()
}
