//! Set-up of HADR, sections 4.0 and 5.1.1 to 5.1.8 of the procedure: a pair of machines with a database on one of them becomes a pair that
//! replicates. The target is the machine in service; the database of the other one is overwritten.

use journal_schema::{Fact, HadrRole, Tri};

use super::{
    Batch, aix, claim, clocks, fit, idempotent, judge,
    logging::{PILE_UP, log_parameter, parameters, set_back},
    look, read, roles, service_nodes, undo, xcat,
};
use crate::{
    Known,
    by_hand::as_root,
    db2::{
        message::{self, Said, said},
        read::{Config, Instance, alternate_server, config, group, instance, level},
    },
    host,
    model::{Db2, Node, NodeId, Platform},
    notes,
    script::{Action, Output, Script},
    step::{Judgement, Place, Step, Undo, judge_exit_codes, next},
    table::Context,
    vocabulary::{self, Helper, db2, transfer},
};

/// Parameters that are remembered, to be put back.
const REMEMBERED: [&str; 5] = ["LOGRETAIN", "LOGARCHMETH1", "TRACKMOD", "LOGINDEXBUILD", "INDEXREC"];

/// The machine in service.
fn primary(ctx: &Context<'_>) -> NodeId {
    ctx.request.target
}

/// The machine whose database is overwritten.
fn standby(ctx: &Context<'_>) -> NodeId {
    ctx.request.target.other()
}

fn service_of(ctx: &Context<'_>, id: NodeId) -> crate::model::HadrService {
    ctx.pair.db2().hadr.services[usize::from(id == NodeId::B)].clone()
}

/// Both machines: which they are, and what is of DB2 on them.
pub fn observe(ctx: &Context<'_>) -> Vec<Step> {
    fit(vec![
        roles::pinned(ctx, primary(ctx), "observe.target"),
        roles::pinned(ctx, standby(ctx), "observe.other"),
        database(ctx, primary(ctx), "observe.target-database"),
        database(ctx, standby(ctx), "observe.other-database"),
    ])
}

/// Places of the results of [`database`].
struct Seen {
    clock: [usize; 2],
    level: usize,
    instance: usize,
    config: usize,
    services: usize,
    resolves: usize,
}

fn database(ctx: &Context<'_>, id: NodeId, step_id: &str) -> Step {
    let (node, db2_) = (ctx.pair.node(id).clone(), ctx.pair.db2().clone());
    let peer = if id == primary(ctx) { &ctx.pair.service.standby_host_name } else { &ctx.pair.service.host_name };
    let mut batch = Batch::default();
    let first = batch.look(host::clock(&node));
    let seen = Seen {
        level: batch.look(db2::level(&db2_)),
        instance: batch.look(db2::instance_state(&db2_)),
        config: batch.look(db2::clp(&db2_, [db2::may_fail(db2::get_config(&db2_))])),
        services: batch.look(vocabulary::cat("/etc/services")),
        resolves: batch.look(transfer::resolves(peer)),
        clock: [first, batch.look(host::clock(&node))],
    };
    let (own, other, peer) = (service_of(ctx, id), service_of(ctx, id.other()), peer.clone());
    let (pair, title) = (ctx.pair.clone(), format!("DB2 on {}", node.name));
    let judge = judge(move |output: &Output| {
        let name = &node.name;
        let mut facts = Vec::new();
        let fact = |key: &str, value: &str| Fact::Setting { node: name.clone(), name: key.into(), value: value.into() };
        let clock = clocks::offset(output, seen.clock);
        facts.extend(clock.map(|(offset_ms, error_ms)| Fact::ClockOffset { node: name.clone(), offset_ms, error_ms }));
        if let Err((verdict, why)) = clocks::near(&pair, &node, clock) {
            return Judgement { verdict, evidence: facts, why };
        }
        let Some(found) = level(output.at(seen.level)) else {
            let why = format!("the version of DB2 on {name} could not be read: {}", read::said(output.at(seen.level)));
            return Judgement::unknown(why, facts);
        };
        facts.push(fact(notes::VERSION, &found.map(|n| n.to_string()).join(".")));
        match instance(output.at(seen.instance)) {
            Instance::Available => {}
            Instance::Operable => {
                return Judgement::failed(
                    format!("the instance {} on {name} is stopped: db2start", db2_.instance),
                    facts,
                );
            }
            Instance::NotOperable => {
                return Judgement::failed(format!("the instance {} on {name} does not work", db2_.instance), facts);
            }
            Instance::Unknown => {
                return Judgement::unknown(format!("the state of the instance on {name} is not understood"), facts);
            }
        }
        let statement = &group(output.at(seen.config), 1)[0];
        match (config(statement), said(statement)) {
            (Some(found), _) => {
                facts.push(fact(notes::HADR_ROLE, role_word(&found)));
                facts.extend(REMEMBERED.iter().filter_map(|p| found.get(p).map(|v| fact(p, v))));
            }
            (None, Said::Refused(code)) if code.number == 1013 => facts.push(fact(notes::HADR_ROLE, "absent")),
            (None, said) => {
                return Judgement::unknown(format!("the configuration of {} on {name}: {said}", db2_.database), facts);
            }
        }
        let Some(services) = read::complete(output.at(seen.services)) else {
            return Judgement::unknown(format!("/etc/services of {name} could not be read"), facts);
        };
        for service in [&own, &other] {
            if let Some(line) = conflict(services, &service.name, service.port) {
                return Judgement::failed(
                    format!("/etc/services of {name} has {line:?}, wanted is {} {}/tcp", service.name, service.port),
                    facts,
                );
            }
            if [db2_.port, db2_.port + 1].contains(&service.port) {
                let why = format!(
                    "port {} of {} is the server's own ({}) or the one after it",
                    service.port, service.name, db2_.port
                );
                return Judgement::failed(why, facts);
            }
        }
        if read::line(output.at(seen.resolves)) != Some("yes") {
            return Judgement::failed(
                format!("{name} cannot resolve the host name {peer}: put it into /etc/hosts"),
                facts,
            );
        }
        Judgement::succeeded(format!("DB2 on {name} is ready"), facts)
    });
    Step {
        retries: 1,
        traps: &[21, 43, 77, 78],
        section: "4.0",
        ..Step::observe(step_id, title, Place::Node(id), batch.script(), judge)
    }
}

fn role_word(found: &Config) -> &'static str {
    match found.role() {
        HadrRole::Standard => "STANDARD",
        HadrRole::Primary => "PRIMARY",
        HadrRole::Standby => "STANDBY",
        HadrRole::Unknown => "unknown",
    }
}

/// A line of `/etc/services` that has the name with another port, or the port with another name.
pub fn conflict<'a>(services: &'a str, name: &str, port: u16) -> Option<&'a str> {
    let wanted = format!("{port}/tcp");
    services.lines().find(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        match (words.next(), words.next()) {
            (Some(n), Some(p)) => (n == name) != (p == wanted) && p.ends_with("/tcp"),
            _ => false,
        }
    })
}

/// Whether it may be done: the same version on both, a database here that is not another's standby, and there none that is in service.
pub fn weigh(ctx: &Context<'_>) -> Vec<Step> {
    let (here, there) = (ctx.target().name.clone(), ctx.other().name.clone());
    let setting = |node: &str, name| ctx.known.setting(node, name).unwrap_or_default().to_owned();
    let (versions, own_role) =
        ([setting(&here, notes::VERSION), setting(&there, notes::VERSION)], setting(&here, notes::HADR_ROLE));
    let (known, address) = (ctx.known.clone(), ctx.pair.service.address.clone());
    let probe = look(db2::role_is(ctx.pair.db2(), &["STANDARD", "STANDBY", "absent"]));
    let title = format!("the database of {there} may be overwritten with that of {here}");
    let judge = judge(move |output: &Output| {
        if versions[0].is_empty() || versions[0] != versions[1] {
            let why =
                format!("DB2 is {:?} on {here} and {:?} on {there}: they must be the same", versions[0], versions[1]);
            return Judgement::failed(why, Vec::new());
        }
        if let Some(in_service) = not_to_be_overwritten(&known, &here, &there, &address) {
            return in_service;
        }
        if !["STANDARD", "PRIMARY"].contains(&own_role.as_str()) {
            let why = format!(
                "the database on {here} is {own_role:?}: only one that is in service can be given to the other machine"
            );
            return Judgement::failed(why, Vec::new());
        }
        let r = output.at(0);
        match (r.exit, r.stdout.trim()) {
            (Some(0), role) => Judgement::succeeded(format!("{there} has {role}; {here} has {own_role}"), Vec::new()),
            (Some(9), "PRIMARY") => {
                let why = format!(
                    "the database on {there} is a primary: it is never overwritten; save what it has, then STOP HADR there by hand"
                );
                Judgement::failed(why, Vec::new())
            }
            _ => Judgement::unknown(
                format!(
                    "the role of the database on {there} is not known, and so it is not overwritten: {}",
                    read::said(r)
                ),
                Vec::new(),
            ),
        }
    });
    let place = Place::Node(standby(ctx));
    fit(vec![Step { retries: 1, traps: &[11, 24, 45, 78], ..Step::observe("setup.weigh", title, place, probe, judge) }])
}

/// The machine in service is never the one that is overwritten, whichever of them was named as the primary. Its database may well be
/// outside HADR: after a takeover that dissolved the pair it is STANDARD, and the dead one's is still PRIMARY.
fn not_to_be_overwritten(known: &Known, here: &str, there: &str, address: &str) -> Option<Judgement> {
    let turn = format!("{there} is in service, not {here}: hamn run setup --target {there}");
    match (known.epoch(here), known.epoch(there)) {
        (Some(h), Some(t)) if t > h => {
            let why = format!(
                "{there} is at epoch {t} and {here} at {h}: {there} took over from it, and has what came after; {turn}"
            );
            return Some(Judgement::failed(why, Vec::new()));
        }
        (Some(_), Some(_)) => {}
        _ => return Some(Judgement::unknown("the epochs of both are not known".to_owned(), Vec::new())),
    }
    match known.holds(there, address) {
        Tri::No => None,
        Tri::Yes => Some(Judgement::failed(format!("{there} bears the service address {address}; {turn}"), Vec::new())),
        Tri::Unknown => {
            let why = format!("whether {there} bears the service address {address} was not seen");
            Some(Judgement::unknown(why, Vec::new()))
        }
    }
}

fn known_hosts_path(ctx: &Context<'_>) -> String {
    vocabulary::node_file(ctx.pair, "known-hosts")
}

/// 4.0, steps 2 and 4: the primary lets itself into the standby by ssh; xcatd and DHCP do not run there, now and at boot.
pub fn prepare(ctx: &Context<'_>) -> Vec<Step> {
    let (here, there) = (ctx.target(), ctx.other());
    let path = known_hosts_path(ctx);
    let content = transfer::known_hosts(there);
    let script = Script::new().then(Action::WriteFile { path: path.clone(), mode: 0o600, content });
    let title = format!("{} reaches {} by ssh without a question, by its pinned key", here.name, there.name);
    let (from, to, key) = (here.name.clone(), there.name.clone(), here.name.clone());
    let seen = judge(move |output: &Output| match read::line(output.at(0)) {
        Some("yes") => Judgement::succeeded(format!("{from} reaches {to}"), Vec::new()),
        Some("no") => {
            let why = format!(
                "{from} is not let into {to} by ssh: put root's public key of {key} into authorized_keys there"
            );
            Judgement::failed(why, Vec::new())
        }
        _ => Judgement::unknown(format!("whether {from} reaches {to} could not be seen"), Vec::new()),
    });
    let back = undo(Script::new().run(vocabulary::remove(&path)), Script::new(), judge_exit_codes());
    let ssh = Step {
        undo: Some(back),
        traps: &[25, 71],
        section: "4.0 step 2",
        ..idempotent(
            "prepare.ssh",
            title,
            Place::Node(primary(ctx)),
            script,
            look(transfer::reaches(&path, there)),
            seen,
        )
    };
    let mut steps = vec![ssh];
    for (id, word) in [(primary(ctx), "target"), (standby(ctx), "other")] {
        if ctx.pair.node(id).platform == Platform::Aix {
            steps.push(aix::autostart_off(ctx, id, &format!("prepare.autostart-{word}")));
        }
    }
    let dhcp = xcat::stop_helper(ctx, Helper::Dhcp, ctx.known.service(&there.name, Helper::Dhcp.name()).0 == Tri::Yes);
    steps.push(if dhcp.undo.is_some() {
        dhcp
    } else {
        Step { undo: Some(nothing_to_undo("a second DHCP server is not started again")), ..dhcp }
    });
    fit(steps)
}

/// An undoing that leaves things as they are, and says why.
fn nothing_to_undo(why: &'static str) -> Undo {
    undo(Script::new(), look(vocabulary::host_name()), judge(move |_: &Output| Judgement::succeeded(why, Vec::new())))
}

/// 5.1.1: no client is left: xcatd on both machines and on the service nodes.
pub fn disconnect(ctx: &Context<'_>) -> Vec<Step> {
    let runs = |node: &Node| ctx.known.service(&node.name, "xcatd").0 != Tri::No;
    let stop = |id: NodeId, step_id: &str| {
        let step = xcat::stop_xcatd(ctx, id, step_id, runs(ctx.pair.node(id)));
        if step.undo.is_some() {
            step
        } else {
            Step { undo: Some(nothing_to_undo("xcatd did not run before")), ..step }
        }
    };
    let mut steps = vec![stop(primary(ctx), "disconnect.target"), stop(standby(ctx), "disconnect.other")];
    steps.extend(service_nodes::stop(ctx));
    // They are started again at the end: a resume must not stop them once more then.
    fit(steps.into_iter().map(|step| Step { volatile: false, ..step }).collect())
}

/// 5.1.2, on both machines: the procedure's text leaves the second out.
pub fn configure(ctx: &Context<'_>) -> Vec<Step> {
    let on = |id: NodeId, step_id: &str| {
        let (node, db2_) = (ctx.pair.node(id), ctx.pair.db2());
        let wanted = parameters(ctx, node);
        let set = |name: &str, value: &str| db2::set_config(db2_, name, value);
        let former = REMEMBERED.iter().filter(|n| wanted.iter().any(|(w, _)| w == *n));
        let former: Vec<String> =
            former.filter_map(|n| ctx.known.setting(&node.name, n).map(|v| set(n, as_given(v)))).collect();
        let kept = log_parameter(ctx, node).is_some();
        let back = if former.is_empty() {
            nothing_to_undo("what was there before is not known")
        } else if kept && id == primary(ctx) {
            set_back(db2_, node, former)
        } else {
            undo(
                Script::new().look(db2::clp(db2_, former.clone())),
                Script::new(),
                message::all_done(node.name.clone(), former),
            )
        };
        let step = set_parameters(ctx, id, step_id, wanted.iter().map(|(n, v)| set(n, v)).collect(), &wanted);
        let title = step.title.clone() + if kept && id == primary(ctx) { PILE_UP } else { "" };
        Step { undo: Some(back), title, traps: &[43, 46], section: "5.1.2", ..step }
    };
    let mut steps = vec![on(primary(ctx), "configure.target")];
    if ctx.known.setting(&ctx.other().name, notes::HADR_ROLE) != Some("absent") {
        steps.push(on(standby(ctx), "configure.other"));
    }
    fit(steps)
}

/// As a value is given where it was printed otherwise.
fn as_given(printed: &str) -> &str {
    let plain = printed.split(" (").next().unwrap_or(printed);
    match plain {
        "RECOVERY" | "YES" => "ON",
        "NO" => "OFF",
        other => other,
    }
}

/// Statements, then a look whether each parameter has its value.
fn set_parameters(
    ctx: &Context<'_>,
    id: NodeId,
    step_id: &str,
    statements: Vec<String>,
    wanted: &[(&str, &str)],
) -> Step {
    let (node, db2_) = (ctx.pair.node(id), ctx.pair.db2());
    let each = statements.clone();
    let wanted: Vec<(String, String)> = wanted.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let name = node.name.clone();
    let seen = judge(move |output: &Output| match config(&group(output.at(0), 1)[0]) {
        None => Judgement::unknown(
            format!("the configuration on {name} could not be read: {}", read::said(output.at(0))),
            Vec::new(),
        ),
        Some(found) => {
            let wrong = wanted.iter().find(|(n, v)| found.get(n).map(as_given) != Some(as_given(v)));
            match wrong {
                None => {
                    Judgement::succeeded(format!("all {} parameters on {name} are as wanted", wanted.len()), Vec::new())
                }
                Some((n, v)) => {
                    let why = format!("{n} on {name} is {:?}, not {v}", found.get(n).unwrap_or("missing"));
                    Judgement::failed(why, Vec::new())
                }
            }
        }
    });
    let step = idempotent(
        step_id,
        format!("set the parameters of {} on {}", db2_.database, node.name),
        Place::Node(id),
        Script::new().look(db2::clp(db2_, statements)),
        look(db2::clp(db2_, [db2::get_config(db2_)])),
        seen,
    );
    Step { judge_effect: message::all_done(node.name.clone(), each), retries: 1, ..step }
}

/// The addresses by which the two databases know each other: those that swap with the roles, or each machine's own.
fn hadr_host<'a>(ctx: &Context<'a>, id: NodeId) -> &'a str {
    let service = &ctx.pair.service;
    match (&service.standby_address, id == primary(ctx)) {
        (Some(_), true) => &service.address,
        (Some(standby), false) => standby,
        (None, _) => ctx.pair.node(id).addresses.first().map_or("", String::as_str),
    }
}

/// 5.1.5: both ports are in `/etc/services` of both machines.
pub fn ports(ctx: &Context<'_>) -> Vec<Step> {
    fit(vec![ports_on(ctx, primary(ctx), "ports.target"), ports_on(ctx, standby(ctx), "ports.other")])
}

/// The same on one machine.
pub(crate) fn ports_on(ctx: &Context<'_>, id: NodeId, step_id: &str) -> Step {
    let node = ctx.pair.node(id);
    let lines = NodeId::BOTH.map(|n| db2::service_line(&service_of(ctx, n)));
    let script = lines.iter().fold(Script::new(), |script, line| {
        script.then(Action::EnsureLine { path: "/etc/services".into(), line: line.clone() })
    });
    let services = NodeId::BOTH.map(|n| service_of(ctx, n));
    let name = node.name.clone();
    let seen = judge(move |output: &Output| {
        let Some(text) = read::complete(output.at(0)) else {
            return Judgement::unknown(format!("/etc/services of {name} could not be read"), Vec::new());
        };
        let has = |line: &str, s: &crate::model::HadrService| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.first() == Some(&s.name.as_str()) && words.get(1) == Some(&format!("{}/tcp", s.port).as_str())
        };
        match services.iter().find(|s| !text.lines().any(|l| has(l, s))) {
            None => Judgement::succeeded(format!("both ports are known on {name}"), Vec::new()),
            Some(s) => Judgement::failed(format!("{} is not in /etc/services of {name}", s.name), Vec::new()),
        }
    });
    let title = format!("both ports of HADR are in /etc/services of {}", node.name);
    let step = idempotent(step_id, title, Place::Node(id), script, look(vocabulary::cat("/etc/services")), seen);
    Step { retries: 1, traps: &[34], section: "5.1.5", ..step }
}

/// 5.1.6, on both machines. The procedure's QUIESCE and UNQUIESCE only drive clients out, and leave the database quiesced when they are
/// interrupted between (trap 46): the clients are forced off instead.
pub fn tie(ctx: &Context<'_>) -> Vec<Step> {
    let on = |id: NodeId, step_id: &str| {
        let (node, db2_) = (ctx.pair.node(id), ctx.pair.db2());
        let (own, other) = (service_of(ctx, id), service_of(ctx, id.other()));
        let (own_host, other_host) = (hadr_host(ctx, id), hadr_host(ctx, id.other()));
        let wanted = parameters(ctx, node);
        let (timeout, window) = (db2_.hadr.timeout_s.to_string(), db2_.hadr.peer_window_s.to_string());
        let mut all: Vec<(&str, &str)> = wanted.iter().map(|(n, v)| (*n, *v)).collect();
        all.extend([
            ("HADR_LOCAL_HOST", own_host),
            ("HADR_LOCAL_SVC", own.name.as_str()),
            ("HADR_REMOTE_HOST", other_host),
            ("HADR_REMOTE_SVC", other.name.as_str()),
            ("HADR_REMOTE_INST", db2_.instance.as_str()),
            ("HADR_SYNCMODE", db2_.hadr.sync_mode.name()),
            ("HADR_TIMEOUT", timeout.as_str()),
            ("HADR_PEER_WINDOW", window.as_str()),
        ]);
        let mut statements = vec![db2::set_alternate_server(db2_, other_host)];
        statements.extend(wanted.iter().map(|(n, v)| db2::set_config(db2_, n, v)));
        statements.extend(db2::hadr_config(db2_, (own_host, &own.name), (other_host, &other.name)));
        let step = set_parameters(ctx, id, step_id, statements, &all);
        // The alternate server is not in the configuration but in the directory.
        let parameters_hold = step.judge_probe.clone();
        let (host, port, database) = (other_host.to_owned(), db2_.port.to_string(), db2_.database.clone());
        let seen = judge(move |output: &Output| {
            let held = parameters_hold(output);
            if held.verdict != journal_schema::Verdict::Succeeded {
                return held;
            }
            match alternate_server(&group(output.at(1), 1)[0], &database) {
                Some(found) if found == (host.clone(), port.clone()) => held,
                Some((found, _)) => {
                    Judgement::failed(format!("the alternate server is {found:?}, not {host}"), Vec::new())
                }
                None => Judgement::unknown("the directory of databases is not understood", Vec::new()),
            }
        });
        let probe = step.probe.clone().look(db2::clp(db2_, [db2::LIST_DB_DIRECTORY]));
        Step { probe, judge_probe: seen, traps: &[43, 44, 46, 47], section: "5.1.6", ..step }
    };
    fit(vec![on(primary(ctx), "tie.target"), on(standby(ctx), "tie.other")])
}

/// Statements that leave the database inactive: clients are forced off, which returns before they are gone (trap 48).
pub(crate) fn idle(db2_: &Db2) -> Script {
    let wait =
        Action::WaitUntil { command: db2::applications(db2_), expect: "none".into(), every_ms: 500, limit_s: 60 };
    Script::new()
        .look(db2::clp(db2_, [db2::may_fail(db2::FORCE_APPLICATIONS)]))
        .try_(wait)
        .look(db2::clp(db2_, [db2::may_fail(db2::deactivate(db2_))]))
}

/// 5.1.7, on the standby first: its success says that it began.
pub fn start_standby(ctx: &Context<'_>) -> Vec<Step> {
    let step = start(ctx, standby(ctx), "start.standby", HadrRole::Standby, db2::start_as_standby(ctx.pair.db2()));
    fit(vec![Step { section: "5.1.7 on the standby", ..step }])
}

/// 5.1.7, on the primary: it waits for the standby.
pub fn start_primary(ctx: &Context<'_>) -> Vec<Step> {
    let step = start(ctx, primary(ctx), "start.primary", HadrRole::Primary, db2::start_as_primary(ctx.pair.db2()));
    fit(vec![Step { section: "5.1.7 on the primary", ..step }])
}

fn start(ctx: &Context<'_>, id: NodeId, step_id: &str, role: HadrRole, statement: String) -> Step {
    let (node, db2_) = (ctx.pair.node(id), ctx.pair.db2());
    let idle = idle(db2_);
    let at = idle.actions.len();
    let script = idle.look(db2::clp(db2_, [statement]).timeout(db2::waits_for_partner(db2_)));
    let (name, database) = (node.name.clone(), db2_.database.clone());
    let seen = judge(move |output: &Output| {
        let found = crate::db2::read::hadr(output.at(0), &database);
        let facts = vec![roles::fact(&name, &found, None)];
        match found.hadr() {
            Some(hadr) if hadr.role == role => Judgement::succeeded(
                format!("the database on {name} is {}: {:?}", roles::name(role), hadr.state),
                facts,
            ),
            Some(hadr) => Judgement::failed(format!("the database on {name} is {}", roles::name(hadr.role)), facts),
            None => Judgement::failed(format!("HADR does not run on {name}"), facts),
        }
    });
    // 1777: it runs already. Whether in this role is for the look.
    let without_address = without_address(ctx, id);
    let effect = judge(move |output: &Output| match roles::statement(output.at(at)) {
        said if said.refusal() == Some((1768, Some(4))) => {
            Judgement::failed(format!("START HADR: {said}{without_address}"), Vec::new())
        }
        Said::Done(_) => Judgement::succeeded("START HADR: done", Vec::new()),
        Said::Refused(code) if code.number == 1777 => Judgement::succeeded("HADR runs already", Vec::new()),
        Said::Unknown => Judgement::unknown(format!("START HADR: {}", Said::Unknown), Vec::new()),
        said => Judgement::failed(format!("START HADR: {said}"), Vec::new()),
    });
    Step {
        judge_effect: effect,
        volatile: true,
        retries: 2,
        retry_pause_ms: 3_000,
        traps: &[43, 48, 69],
        ..idempotent(
            step_id,
            format!("start HADR on {} as {}", node.name, roles::name(role)),
            Place::Node(id),
            script,
            look(db2::hadr(db2_)),
            seen,
        )
    }
}

/// A machine that was rebooted has lost an address that no boot gives back (trap 5): what to type, where it is the one that HADR listens at.
fn without_address(ctx: &Context<'_>, id: NodeId) -> String {
    let (node, address) = (ctx.pair.node(id), hadr_host(ctx, id));
    let look = if node.platform == Platform::Aix { "ifconfig -a" } else { "ip -br address" };
    let mut text = next(&as_root(node, look), &format!("whether {} has {address}", node.name));
    if node.platform == Platform::Aix && address == ctx.pair.service.address {
        let command = as_root(node, &format!("\"{}\"", aix::address_again(ctx, node)));
        text += &next(&command, "after a reboot: gives it back until the next one, if nobody answers for it");
    }
    text + &next(&format!("hamn resume {}", ctx.run), "starts HADR again, when the address is there")
}

/// 5.1.8, on both.
pub fn verify(ctx: &Context<'_>) -> Vec<Step> {
    roles::both(ctx, primary(ctx), "verify")
}

/// Gives both machines free, and looks once more when that is done: one that was rebooted since the pair was seen is put back then.
pub fn release(ctx: &Context<'_>) -> Vec<Step> {
    let mut steps = claim::release_both(ctx);
    let standby = roles::peer(ctx, standby(ctx), "release.standby", HadrRole::Standby);
    steps.push(Step { stage: 1, ..standby });
    steps.extend(crate::db2::serve::last_look(ctx));
    fit(steps)
}

/// xcatd again, on the primary and the service nodes; the primary's address does not outlive a boot (trap 5).
pub fn serve(ctx: &Context<'_>) -> Vec<Step> {
    let mut steps =
        vec![Step { section: "5.1.9 primary step 1", ..xcat::restart_xcatd(ctx, primary(ctx), "serve.xcatd") }];
    steps.extend(service_nodes::restart(ctx).into_iter().map(|s| Step { stage: 1, ..s }));
    if ctx.target().platform == Platform::Aix && ctx.pair.service.standby_address.is_some() {
        steps.push(Step {
            undo: None,
            ..aix::guard_boot(ctx, primary(ctx), aix::Guarded::InService, "serve.boot-guard")
        });
    }
    fit(steps)
}
