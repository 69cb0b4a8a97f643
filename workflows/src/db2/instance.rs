//! The instance and the parameters of its database around a change of address and name: HADR told where the two machines are, the
//! instance stopped, `db2nodes.cfg` put right, the instance started, the database opened.

use journal_schema::{Fact, HadrRole, OpenItem, Tri};

use super::{
    message,
    read::{self, Instance},
    told::{self, has_role},
};
use crate::{
    model::{AfterTakeover, Db2, Flavour, NodeId, Pair},
    notes,
    script::{Action, Output, Script},
    step::{Judgement, Place, Step},
    steps::{Batch, failback, idempotent, judge, judged, look, read as basic, the_probe_decides},
    table::{Context, Guard},
    vocabulary::{self, db2 as calls},
};

/// HADR is kept, so that the old primary can be taken in again.
pub const KEEP: Guard = Guard { name: "the configuration keeps HADR after a takeover", holds: |ctx| keeps(ctx.pair) };
/// HADR is dissolved, as the procedure has it.
pub const DISSOLVE: Guard =
    Guard { name: "the configuration dissolves HADR after a takeover", holds: |ctx| !keeps(ctx.pair) };

fn keeps(pair: &Pair) -> bool {
    pair.db2().hadr.after_takeover == AfterTakeover::Keep
}

/// Where HADR of a machine listens once it is in service, or standby: the service's and the standby's address where the machines swap
/// them, else its own.
pub fn hadr_host(pair: &Pair, id: NodeId, in_service: bool) -> &str {
    let service = &pair.service;
    match &service.standby_address {
        Some(_) if in_service => &service.address,
        Some(standby) => standby,
        None => &pair.node(id).addresses[0],
    }
}

/// Service of HADR of a machine; it stays with the machine.
pub fn hadr_service(db2: &Db2, id: NodeId) -> &str {
    let [a, b] = &db2.hadr.services;
    match id {
        NodeId::A => &a.name,
        NodeId::B => &b.name,
    }
}

/// The instance runs, so that its database can be asked and told. A database that is not active stays so.
pub fn up(ctx: &Context<'_>, id: NodeId, step_id: &str) -> Step {
    let (db2, name) = (ctx.pair.db2(), ctx.pair.node(id).name.clone());
    Step {
        judge_effect: started(name.clone()),
        volatile: true,
        about: "instance",
        retries: 1,
        traps: &[5, 44],
        ..idempotent(
            step_id,
            format!("the instance {} on {name} runs", db2.instance),
            Place::Node(id),
            Script::new().look(calls::start(db2)),
            look(calls::instance_state(db2)),
            runs(name),
        )
    }
}

/// What db2start refused, with what to do about it: SQL6031N says where to look, and the state of the instance afterwards does not.
fn started(node: String) -> crate::step::Judge {
    judge(move |output: &Output| {
        let said = message::codes(&output.at(0).stdout);
        match said.iter().find(|code| code.kind != 'W' && ![1063, 1026].contains(&code.number)) {
            Some(code) => {
                Judgement::failed(format!("db2start on {node}: {}", message::Said::Refused(code.clone())), Vec::new())
            }
            None => Judgement::succeeded("the look afterwards decides", Vec::new()),
        }
    })
}

fn runs(node: String) -> crate::step::Judge {
    judge(move |output: &Output| {
        let state = read::instance(output.at(0));
        let facts =
            vec![Fact::Setting { node: node.clone(), name: notes::INSTANCE.into(), value: format!("{state:?}") }];
        let answer = match state {
            Instance::Available => Tri::Yes,
            Instance::Operable | Instance::NotOperable => Tri::No,
            Instance::Unknown => Tri::Unknown,
        };
        judged(answer, format!("the instance on {node} is {state:?}: {}", basic::said(output.at(0))), facts)
    })
}

/// Tells the database of a machine where it and its partner are from now on, and clients where to go when it is gone (trap 44).
pub fn addresses(ctx: &Context<'_>, id: NodeId, in_service: bool, step_id: &str) -> Step {
    let (pair, db2) = (ctx.pair, ctx.pair.db2());
    let own = hadr_host(pair, id, in_service).to_owned();
    let partner = hadr_host(pair, id.other(), !in_service).to_owned();
    let statements = [
        calls::set_alternate_server(db2, &partner),
        calls::set_config(db2, "HADR_LOCAL_HOST", &own),
        calls::set_config(db2, "HADR_LOCAL_SVC", hadr_service(db2, id)),
        calls::set_config(db2, "HADR_REMOTE_HOST", &partner),
        calls::set_config(db2, "HADR_REMOTE_SVC", hadr_service(db2, id.other())),
    ];
    let each = statements.clone();
    let wanted: Vec<(&str, String)> = vec![
        (notes::ALTERNATE, partner.clone()),
        ("HADR_LOCAL_HOST", own.clone()),
        ("HADR_LOCAL_SVC", hadr_service(db2, id).to_owned()),
        ("HADR_REMOTE_HOST", partner.clone()),
        ("HADR_REMOTE_SVC", hadr_service(db2, id.other()).to_owned()),
    ];
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, db2);
    let (db2_known, name) = (db2.clone(), pair.node(id).name.clone());
    let title = format!("HADR on {name} listens at {own} and talks to {partner}");
    let seen = judge(move |output: &Output| {
        let told = asked.told(&db2_known, output);
        let facts = told.facts(&name, &db2_known, None);
        let Some(config) = &told.config else {
            return Judgement::unknown(format!("the parameters of {name} could not be read: {}", told.why), facts);
        };
        let value = |key: &str| if key == notes::ALTERNATE { told.alternate.as_deref() } else { config.get(key) };
        match wanted.iter().find(|(key, value_wanted)| value(key) != Some(value_wanted)) {
            None => Judgement::succeeded(format!("HADR on {name} is at {own}, its partner at {partner}"), facts),
            Some((key, value_wanted)) => {
                let why = format!("{key} on {name} is {:?}, not {value_wanted}", value(key).unwrap_or("?"));
                Judgement::failed(why, facts)
            }
        }
    });
    Step {
        judge_effect: all_done(ctx.pair.node(id).name.clone(), each.into()),
        traps: &[44],
        section: "5.1.6",
        ..idempotent(
            step_id,
            title,
            Place::Node(id),
            Script::new().look(calls::clp(db2, statements)),
            batch.script(),
            seen,
        )
    }
}

/// Each statement of the first command is done, by its code.
fn all_done(node: String, each: Vec<String>) -> crate::step::Judge {
    judge(move |output: &Output| {
        for (statement, told) in each.iter().zip(read::group(output.at(0), each.len())) {
            let what = message::said(&told);
            if !what.done() {
                let why = format!("{statement} on {node}: {what}");
                return match what {
                    message::Said::Unknown => Judgement::unknown(why, Vec::new()),
                    _ => Judgement::failed(why, Vec::new()),
                };
            }
        }
        Judgement::succeeded("all statements are done", Vec::new())
    })
}

/// Stops the instance: clients away, all of them; nothing active; then by force what does not go. Harmless to a primary that has taken
/// over, never to be done to one that has lost its place: what it writes to its log at an orderly stop keeps it from being taken in again.
pub fn stop(ctx: &Context<'_>, id: NodeId, step_id: &str) -> Step {
    let (db2, name) = (ctx.pair.db2(), ctx.pair.node(id).name.clone());
    let wait =
        Action::WaitUntil { command: calls::applications(db2), expect: "none".into(), every_ms: 1_000, limit_s: 30 };
    let script = Script::new()
        .look(calls::clp(db2, [calls::may_fail(calls::CONNECT_RESET), calls::may_fail(calls::FORCE_APPLICATIONS)]))
        .try_(wait)
        .look(calls::clp(db2, [calls::may_fail(calls::deactivate(db2))]).timeout(180))
        .look(calls::stop(db2))
        .look(calls::stop_by_force(db2));
    let title = format!("stop the instance on {name}, when no application is left");
    let seen = judge(move |output: &Output| {
        let state = read::instance(output.at(0));
        let facts =
            vec![Fact::Setting { node: name.clone(), name: notes::INSTANCE.into(), value: format!("{state:?}") }];
        let answer = match state {
            Instance::Operable => Tri::Yes,
            Instance::Available => Tri::No,
            Instance::NotOperable | Instance::Unknown => Tri::Unknown,
        };
        judged(answer, format!("the instance on {name} is {state:?}"), facts)
    });
    Step {
        judge_effect: the_probe_decides(),
        volatile: true,
        about: "instance",
        retries: 1,
        traps: &[48],
        section: "8.0 step 3",
        ..idempotent(step_id, title, Place::Node(id), script, look(calls::instance_state(db2)), seen)
    }
}

/// A standby is not active any more. Its role stays, and nothing of it is lost.
pub fn deactivate(ctx: &Context<'_>, id: NodeId, step_id: &str) -> Step {
    let (db2, name) = (ctx.pair.db2(), ctx.pair.node(id).name.clone());
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, db2);
    let db2_known = db2.clone();
    let title = format!("deactivate the standby database on {name}");
    let seen = judge(move |output: &Output| {
        let told = asked.told(&db2_known, output);
        let side = told.side();
        let answer = match side.active {
            Tri::Yes => Tri::No,
            Tri::No => Tri::Yes,
            Tri::Unknown => Tri::Unknown,
        };
        let facts = told.facts(&name, &db2_known, None);
        judged(answer, format!("the database on {name} is {}", told::describe(&side)), facts)
    });
    // On a primary it would write the end of a log that is nobody else's.
    let script = Script::new()
        .run(calls::role_is(db2, &["STANDBY"]))
        .look(calls::clp(db2, [calls::deactivate(db2)]).timeout(180));
    Step {
        judge_effect: the_probe_decides(),
        retries: 1,
        volatile: true,
        about: "database",
        traps: &[42],
        ..idempotent(step_id, title, Place::Node(id), script, batch.script(), seen)
    }
}

/// STOP HADR on the new primary, and on nothing else: on a standby it would leave the database closed (trap 42).
pub fn dissolve(ctx: &Context<'_>) -> Step {
    let (id, db2) = (ctx.request.target, ctx.pair.db2());
    let script = Script::new().run(calls::role_is(db2, &["PRIMARY"])).look(calls::clp(db2, [calls::stop_hadr(db2)]));
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, db2);
    let standard = has_role(ctx, id, HadrRole::Standard, asked);
    let name = &ctx.target().name;
    Step {
        judge_effect: the_probe_decides(),
        opens: Some(OpenItem {
            id: "dissolved".into(),
            text: format!(
                "HADR on {name} is stopped, as the configuration has it: the other database comes back by backup and restore only"
            ),
            command: failback(Flavour::Db2).into(),
        }),
        traps: &[42],
        section: "8.0 step 3",
        ..idempotent(
            "hadr.stop",
            format!("the database on {name} leaves HADR, if it is PRIMARY"),
            Place::Node(id),
            script,
            batch.script(),
            standard,
        )
    }
}

/// `db2nodes.cfg` names the machine as it is called now, and the instance runs: by db2gcf; where that did not write it, by hand (trap 44).
/// `stage` is the first of three.
pub fn renamed(ctx: &Context<'_>, id: NodeId, host_name: &str, prefix: &str, stage: u8) -> Vec<Step> {
    let (db2, name) = (ctx.pair.db2(), ctx.pair.node(id).name.clone());
    let place = Place::Node(id);
    let path = calls::nodes_path(db2);
    let right = {
        let (name, host) = (name.clone(), host_name.to_owned());
        move |r: &crate::ActionResult| match basic::complete(r).map(read::nodes_host) {
            Some(Some(found)) if found == host => {
                let fact = Fact::Setting { node: name.clone(), name: notes::NODES_HOST.into(), value: host.clone() };
                Judgement::succeeded(format!("db2nodes.cfg on {name} names {host}"), vec![fact])
            }
            Some(found) => Judgement::failed(
                format!("db2nodes.cfg on {name} names {}, not {host}", found.unwrap_or("something else")),
                Vec::new(),
            ),
            None => {
                Judgement::unknown(format!("db2nodes.cfg on {name} could not be read: {}", basic::said(r)), Vec::new())
            }
        }
    };
    let both = {
        let (right, running) = (right.clone(), runs(name.clone()));
        judge(move |output: &Output| {
            let file = right(output.at(0));
            if file.verdict != journal_schema::Verdict::Succeeded {
                return file;
            }
            let instance = running(&Output { results: vec![output.at(1).clone()], ..Output::default() });
            Judgement { evidence: file.evidence.into_iter().chain(instance.evidence).collect(), ..instance }
        })
    };
    let by_db2gcf = Step {
        stage,
        judge_effect: the_probe_decides(),
        // What it does not do is done below.
        optional: true,
        volatile: true,
        about: "instance",
        traps: &[44],
        section: "8.0 step 5",
        ..idempotent(
            &format!("{prefix}.db2gcf"),
            format!("db2gcf writes {host_name} into db2nodes.cfg of {name} and starts the instance"),
            place,
            Script::new().look(calls::instance_up(db2)),
            look(vocabulary::cat(&path)).look(calls::instance_state(db2)),
            both,
        )
    };
    let content = format!("{}\n", calls::nodes_line(host_name));
    let script =
        Script::new().then(Action::WriteFile { path: path.clone(), mode: 0o644, content }).run(calls::own(db2, &path));
    let by_hand = Step {
        stage: stage + 1,
        retries: 1,
        traps: &[44],
        section: "8.0 step 5",
        ..idempotent(
            &format!("{prefix}.nodes"),
            format!("db2nodes.cfg on {name} names {host_name}"),
            place,
            script,
            look(vocabulary::cat(&path)),
            judge(move |output: &Output| right(output.at(0))),
        )
    };
    let started = Step { stage: stage + 2, section: "8.0 step 5", ..up(ctx, id, &format!("{prefix}.instance")) };
    vec![by_db2gcf, by_hand, started]
}

/// A roll-forward that is pending is carried out: SQL1117N keeps everybody out until then. What it costs is said.
pub fn rolled_forward(ctx: &Context<'_>, step_id: &str) -> Step {
    let (id, db2, name) = (ctx.request.target, ctx.pair.db2(), ctx.target().name.clone());
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, db2);
    let db2_known = db2.clone();
    let title = format!(
        "no roll-forward is pending on {name}; if one is (SQL1117N) it is completed, after which this copy can be a standby by a new restore only"
    );
    let seen = judge(move |output: &Output| {
        let told = asked.told(&db2_known, output);
        let facts = told.facts(&name, &db2_known, None);
        let pending = told.config.as_ref().and_then(read::Config::rollforward_pending);
        match pending {
            Some(false) => Judgement::succeeded(format!("no roll-forward is pending on {name}"), facts),
            Some(true) => Judgement::failed(format!("a roll-forward is pending on {name}"), facts),
            None => {
                let why = format!("whether a roll-forward is pending on {name} could not be read: {}", told.why);
                Judgement::unknown(why, facts)
            }
        }
    });
    // Never on a standby: it would be none any more.
    let script = Script::new()
        .run(calls::role_is(db2, &["STANDARD"]))
        .look(calls::clp(db2, [calls::rollforward(db2)]).timeout(calls::LONG_S));
    Step {
        judge_effect: the_probe_decides(),
        traps: &[42],
        section: "5.1.10",
        ..idempotent(step_id, title, Place::Node(id), script, batch.script(), seen)
    }
}

/// How a database is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// As the primary, without waiting for a standby: the other machine is off.
    PrimaryAlone,
    /// As the primary whose standby has been started before.
    Primary,
    /// As the standby.
    Standby,
    /// Outside HADR.
    Standard,
}

/// Opens the database of a machine in a role, and sees it active in that role.
pub fn open(ctx: &Context<'_>, id: NodeId, opening: Opening, step_id: &str) -> Step {
    let (db2, name) = (ctx.pair.db2(), &ctx.pair.node(id).name);
    let (statement, role, words) = match opening {
        Opening::PrimaryAlone => (calls::start_as_primary_by_force(db2), HadrRole::Primary, "as the primary, alone"),
        Opening::Primary => (calls::start_as_primary(db2), HadrRole::Primary, "as the primary"),
        Opening::Standby => (calls::start_as_standby(db2), HadrRole::Standby, "as the standby"),
        Opening::Standard => (calls::activate(db2), HadrRole::Standard, "outside HADR"),
    };
    let mut batch = Batch::default();
    let asked = told::ask(&mut batch, db2);
    let judge_effect = opened(format!("{statement} on {name}"));
    let command = calls::clp(db2, [statement]).timeout(calls::waits_for_partner(db2));
    Step {
        judge_effect,
        volatile: true,
        about: "database",
        retries: 1,
        retry_pause_ms: 2_000,
        traps: &[41, 44, 48],
        ..idempotent(
            step_id,
            format!("open the database on {name} {words}"),
            Place::Node(id),
            Script::new().look(command),
            batch.script(),
            has_role(ctx, id, role, asked),
        )
    }
}

/// A refusal is shown with what to do about it; that HADR runs already is for the look afterwards.
fn opened(call: String) -> crate::step::Judge {
    judge(move |output: &Output| {
        let what = message::said(&read::group(output.at(0), 1)[0]);
        match &what {
            message::Said::Done(_) => Judgement::succeeded("DB2 says that it is open", Vec::new()),
            message::Said::Refused(code) if code.number == 1777 => {
                Judgement::succeeded("HADR runs already", Vec::new())
            }
            message::Said::Refused(_) => Judgement::failed(format!("{call}: {what}"), Vec::new()),
            _ => Judgement::unknown(format!("{call}: {what}"), Vec::new()),
        }
    })
}
