//! The database: promotion, readdressing, stepping down.

use journal_schema::{DatabaseRole, Fact, Mode, OpenItem, Tri};

use super::{
    Batch, address, fence, fit, idempotent, judge, judged, look, other, read, schedules, server, target,
    the_probe_decides, undo,
};
use crate::{
    model::{Flavour, Postgres},
    notes,
    script::{Action, Output, Script},
    step::{Judge, Judgement, Step, judge_exit_codes},
    table::{Context, UNPROTECTED},
    vocabulary::{self, sql},
};

/// What proves that nobody else writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The other machine is off, by its device or by an operator's word.
    Fence,
    /// Its database was stopped in order.
    StoodDown,
}

/// The point of no return. Stage 0: the proof still holds, nobody answers for the service address, the server runs. Stage 1: the right
/// database, and nothing that would write to it. Stage 2: the promotion, once.
pub fn promote(ctx: &Context<'_>, proof: Proof) -> Vec<Step> {
    let mut steps: Vec<Step> = match proof {
        Proof::Fence => fence::still_off(ctx, "promote.fenced").into_iter().collect(),
        Proof::StoodDown => vec![stood_down(ctx, "promote.stood-down")],
    };
    steps.extend([address::free(ctx, "promote.address-free"), running(ctx), ready(ctx), once(ctx)]);
    fit(steps)
}

/// A standby that was rebooted under the run has to run before it can be promoted, and after.
fn running(ctx: &Context<'_>) -> Step {
    let pg = ctx.pair.postgres();
    let name = ctx.target().name.clone();
    let seen = judge({
        let name = name.clone();
        move |output: &Output| {
            let role = read::role(output.at(0));
            let answer = match role.role {
                DatabaseRole::Primary | DatabaseRole::Standby => Tri::Yes,
                DatabaseRole::Down => Tri::No,
                DatabaseRole::Unknown => Tri::Unknown,
            };
            judged(answer, format!("the database on {name} is {:?}", role.role), vec![server::role_fact(&name, &role)])
        }
    });
    let script = Script::new().look(vocabulary::control(&pg.control, "start"));
    Step {
        judge_effect: the_probe_decides(),
        // Behind what only looks: one that is found running is an effect of the pivot that cannot be taken back, and whoever is still
        // there at the address is mostly the other machine, whose fence device said otherwise. Nothing is promoted then.
        stage: 1,
        volatile: true,
        retries: 3,
        ..idempotent(
            "promote.running",
            format!("the database on {name} runs"),
            target(ctx),
            script,
            look(server::ask_role(pg)),
            seen,
        )
    }
}

fn ready(ctx: &Context<'_>) -> Step {
    let pg = ctx.pair.postgres();
    let mut batch = Batch::default();
    let machine = batch.look(vocabulary::machine_id());
    let role = batch.look(server::ask_role(pg));
    let restores = batch.look(vocabulary::restore_processes());
    let jobs = schedules::list(&mut batch);
    let name = ctx.target().name.clone();
    let (pinned, expected) = (ctx.target().machine_id.clone(), ctx.known.database(&ctx.target().name).1.to_owned());
    let listing = schedules::disarmed(name.clone(), schedules::around(ctx), Vec::new());
    let title = format!("{name} is the right machine with the right database, and nothing restores into it");
    let seen = judge(move |output: &Output| {
        let found = read::role(output.at(role));
        let mut facts = vec![server::role_fact(&name, &found)];
        match read::id(output.at(machine)) {
            Some(id) if id == pinned => {}
            Some(id) => return Judgement::failed(format!("the machine is {id}, pinned for {name} is {pinned}"), facts),
            None => return Judgement::unknown(format!("{name} did not say which machine it is"), facts),
        }
        match found.role {
            DatabaseRole::Standby => {}
            DatabaseRole::Unknown => {
                return Judgement::unknown(format!("the role of the database on {name} is not known"), facts);
            }
            role => return Judgement::failed(format!("the database on {name} is {role:?}, not a standby"), facts),
        }
        if !expected.is_empty() && found.system_id != expected {
            let why = format!("the database on {name} is {}, assessed was {expected}", found.system_id);
            return Judgement::failed(why, facts);
        }
        match read::count(output.at(restores)) {
            Some(0) => {}
            Some(n) => {
                return Judgement::failed(format!("{n} restores run on {name}: they would drop the database"), facts);
            }
            None => return Judgement::unknown(format!("whether a restore runs on {name} could not be seen"), facts),
        }
        let cron = listing(&Output { results: vec![output.at(jobs).clone()], ..Output::default() });
        facts.extend(cron.evidence);
        Judgement { evidence: facts, why: format!("standby {expected}; {}", cron.why), verdict: cron.verdict }
    });
    Step {
        stage: 2,
        retries: 1,
        traps: &[22, 23, 52],
        ..Step::observe("promote.ready", title, target(ctx), batch.script(), seen)
    }
}

fn once(ctx: &Context<'_>) -> Step {
    let pg = ctx.pair.postgres();
    let name = ctx.target().name.clone();
    let before = ctx.known.database(&ctx.target().name).2;
    Step {
        stage: 3,
        judge_effect: judge(promoted),
        opens: Some(OpenItem {
            id: UNPROTECTED.into(),
            text: format!("UNPROTECTED: the database on {name} has no standby; what is lost with it is lost"),
            command: super::failback(Flavour::Postgres).into(),
        }),
        traps: &[1, 22, 40, 55],
        section: "8.0 step 1",
        ..Step::effect(
            "promote.database",
            format!("promote the database on {name}"),
            target(ctx),
            Mode::OnceOnly,
            Script::new().look(vocabulary::promote(pg)),
            look(server::ask_role(pg)),
            is_primary(name, before),
        )
    }
}

/// Judges `pg_promote`: only its `t` is a success, and only a call that reached no server is a failure.
fn promoted(output: &Output) -> Judgement {
    let r = output.at(0);
    if read::line(r) == Some("t") {
        Judgement::succeeded("promoted", Vec::new())
    } else if read::nothing_listens(r) {
        Judgement::failed(format!("no server was reached: {}", read::said(r)), Vec::new())
    } else {
        Judgement::unknown(format!("the promotion did not say that it ended: {}", read::said(r)), Vec::new())
    }
}

/// Primary, and on a later timeline than the standby was: a promotion has taken place.
pub(crate) fn is_primary(node: String, before: u32) -> Judge {
    judge(move |output: &Output| {
        let found = read::role(output.at(0));
        let facts = vec![server::role_fact(&node, &found)];
        match found.role {
            DatabaseRole::Primary if found.timeline > before => {
                Judgement::succeeded(format!("{node} is primary on timeline {}", found.timeline), facts)
            }
            DatabaseRole::Primary => Judgement::unknown(
                format!(
                    "{node} is primary on timeline {}, the standby was on {before}: nobody promoted it",
                    found.timeline
                ),
                facts,
            ),
            DatabaseRole::Standby => Judgement::failed(format!("{node} is still a standby"), facts),
            DatabaseRole::Down => Judgement::unknown(format!("the database on {node} is down"), facts),
            DatabaseRole::Unknown => Judgement::unknown(
                format!("the role of the database on {node} is not known: {}", read::said(output.at(0))),
                facts,
            ),
        }
    })
}

/// The line for `pg_hba.conf`: clients of the cluster's network with a password. `md5` lets in both kinds of stored password.
pub fn hba_line(pg: &Postgres) -> String {
    format!("host    all    all    {}    md5", pg.client_network)
}

/// Lets clients in at the service address: `pg_hba.conf` and `postgresql.conf` each get what belongs into it (the procedure swaps the
/// two: trap 49), the server reads them in a test first, and xcatd's `cfgloc` names the service address (which the procedure forgets).
pub fn readdress(ctx: &Context<'_>) -> Vec<Step> {
    let steps = [address::announce_once(ctx), database(ctx), cfgloc(ctx)];
    fit(steps.into_iter().chain(wait_for_nobody(ctx)).collect())
}

/// A primary that waits for standbys waits for ever when it has none: every commit would hang, and xcatd with it, while each look at the
/// server says that it is well. `None` where the standby is set to wait for nobody.
fn wait_for_nobody(ctx: &Context<'_>) -> Option<Step> {
    let (pg, name) = (ctx.pair.postgres(), ctx.target().name.clone());
    let names = ctx.known.note(&name, notes::WAITS_FOR)?;
    let script = Script::new()
        .run(vocabulary::psql(pg, "postgres", sql::WAIT_FOR_NOBODY))
        .run(vocabulary::psql(pg, "postgres", sql::RELOAD))
        .then(Action::WaitUntil {
            command: vocabulary::psql(pg, "postgres", sql::WAITS_FOR),
            expect: String::new(),
            every_ms: 100,
            limit_s: 10,
        });
    let seen = judge({
        let name = name.clone();
        move |output: &Output| match read::complete(output.at(0)).map(str::trim) {
            Some("") => Judgement::succeeded(format!("commits on {name} wait for no standby"), Vec::new()),
            Some(names) => Judgement::failed(format!("every commit on {name} waits for {names}"), Vec::new()),
            None => Judgement::unknown(
                format!("for whom commits on {name} wait could not be read: {}", read::said(output.at(0))),
                Vec::new(),
            ),
        }
    });
    let value = names.replace('\'', "''");
    Some(Step {
        // After the server was reloaded or restarted, and before xcatd writes.
        stage: 1,
        retries: 2,
        opens: Some(OpenItem {
            id: "synchronous".into(),
            text: format!(
                "commits on {name} wait for no standby; when it has one again, synchronous_standby_names is to be {names}"
            ),
            command: format!(
                "psql -c \"ALTER SYSTEM SET synchronous_standby_names = '{value}'\" -c 'SELECT pg_reload_conf()'"
            ),
        }),
        traps: &[55],
        ..idempotent(
            "readdress.synchronous",
            format!("commits on {name} wait for no standby, because there is none"),
            target(ctx),
            script,
            look(vocabulary::psql(pg, "postgres", sql::WAITS_FOR)),
            seen,
        )
    })
}

fn database(ctx: &Context<'_>) -> Step {
    let pg = ctx.pair.postgres();
    let (name, service) = (ctx.target().name.clone(), ctx.pair.service.address.clone());
    let listens = ctx.known.note(&name, notes::LISTEN).unwrap_or_default().to_owned();
    let everywhere = listens.split(',').any(|a| ["*", "0.0.0.0"].contains(&a.trim()));
    let named = listens.split(',').any(|a| a.trim() == service);
    let mut script =
        Script::new().then(Action::EnsureLine { path: format!("{}/pg_hba.conf", pg.config_dir), line: hba_line(pg) });
    if !everywhere && !named {
        // On every address, so that no later change of roles needs this edit in an incident; the last setting in the file counts.
        let path = format!("{}/postgresql.conf", pg.config_dir);
        script = script.then(Action::EnsureLine { path, line: "listen_addresses = '*'".into() });
    }
    script = script.run(vocabulary::config_test(pg));
    script = if everywhere {
        // It listens at the new address already. The start is for a server that a reboot left stopped.
        script.look(vocabulary::control(&pg.control, "start")).run(vocabulary::psql(pg, "postgres", sql::RELOAD))
    } else {
        // An address that was not there when the server started is not listened on, whatever it says: only a restart binds it.
        script.run(vocabulary::control(&pg.control, "restart"))
    };
    let mut batch = Batch::default();
    let hba = batch.look(vocabulary::cat(&format!("{}/pg_hba.conf", pg.config_dir)));
    let errors = batch.look(vocabulary::psql(pg, "postgres", sql::HBA_ERRORS));
    let answers = batch.look(vocabulary::database_answers(pg, &service));
    let line = hba_line(pg);
    let title = format!("the database on {name} lets clients in at {service}");
    let seen = judge(move |output: &Output| {
        let words = |l: &str| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let has_line = read::complete(output.at(hba)).map(|text| text.lines().any(|l| words(l) == words(&line)));
        match has_line {
            Some(true) => {}
            Some(false) => return Judgement::failed(format!("pg_hba.conf lacks `{line}`"), Vec::new()),
            None => {
                return Judgement::unknown(
                    format!("pg_hba.conf could not be read: {}", read::said(output.at(hba))),
                    Vec::new(),
                );
            }
        }
        match read::count(output.at(errors)) {
            Some(0) => {}
            Some(n) => {
                return Judgement::failed(format!("the server cannot read {n} lines of pg_hba.conf"), Vec::new());
            }
            None if read::nothing_listens(output.at(errors)) => {
                return Judgement::failed("the database is down", Vec::new());
            }
            None => {
                let why =
                    format!("the server did not say whether it reads pg_hba.conf: {}", read::said(output.at(errors)));
                return Judgement::unknown(why, Vec::new());
            }
        }
        match output.at(answers).exit {
            Some(0) => Judgement::succeeded(format!("the database answers at {service}"), Vec::new()),
            Some(1 | 2) => Judgement::failed(format!("the database does not answer at {service}"), Vec::new()),
            _ => {
                Judgement::unknown(format!("whether the database answers at {service} could not be asked"), Vec::new())
            }
        }
    });
    let start_at =
        script.actions.iter().position(|(a, _)| *a == Action::Run(vocabulary::control(&pg.control, "start")));
    let judge_effect = judge(move |output: &Output| {
        let mut output = output.clone();
        if let Some(start) = start_at.and_then(|at| output.results.get_mut(at)) {
            // A server that runs already answers a start with a failure; whether it runs is for the look afterwards.
            start.exit = start.exit.map(|_| 0);
        }
        judge_exit_codes()(&output)
    });
    Step {
        judge_effect,
        volatile: true,
        retries: 2,
        traps: &[49],
        section: "8.0 step 5",
        ..idempotent("readdress.database", title, target(ctx), script, batch.script(), seen)
    }
}

/// xcatd logs in at the address that `cfgloc` names; without this it hangs for ever at its start. hamn reads and writes only what
/// stands before the user and the password (trap 35).
fn cfgloc(ctx: &Context<'_>) -> Step {
    let xcat = &ctx.pair.xcat;
    let (name, service) = (ctx.target().name.clone(), ctx.pair.service.address.clone());
    let dsn = ctx.known.note(&name, notes::CFGLOC).unwrap_or("Pg:dbname=;host=");
    // `host=` may be followed by further settings or by the user.
    let rest = dsn.split_once("host=").map_or("", |(_, rest)| rest);
    let until = if rest.contains(';') { ";" } else { "|" };
    let script = Script::new().then(Action::ReplaceInLines {
        path: xcat.cfgloc.clone(),
        line_prefix: "Pg:".into(),
        after: "host=".into(),
        until: until.into(),
        value: service.clone(),
    });
    let title = format!("{} on {name} names {service}", xcat.cfgloc);
    let seen = judge(move |output: &Output| match read::line(output.at(0)).map(read::dsn_host) {
        Some(Some(host)) if host == service => Judgement::succeeded(format!("xcatd logs in at {service}"), Vec::new()),
        Some(Some(host)) => Judgement::failed(format!("xcatd logs in at {host}, not {service}"), Vec::new()),
        Some(None) => Judgement::failed("cfgloc names no PostgreSQL host", Vec::new()),
        None => Judgement::unknown(format!("cfgloc could not be read: {}", read::said(output.at(0))), Vec::new()),
    });
    Step {
        traps: &[35],
        section: "8.0 step 5",
        ..idempotent("readdress.cfgloc", title, target(ctx), script, look(vocabulary::cfgloc_dsn(xcat)), seen)
    }
}

/// Beginning of the `standby.signal` that hamn writes; PostgreSQL looks at the file's presence only.
const MARK: &str = "written by hamn";

/// The primary's database stops in order and can start only as a standby from then on (trap 5).
pub fn stand_down(ctx: &Context<'_>) -> Vec<Step> {
    let pg = ctx.pair.postgres();
    let name = ctx.other().name.clone();
    // A machine that was rebooted since has started it by itself, as the standby of nobody: what kept it from being writable is gone by now.
    let start = Script::new().look(vocabulary::control(&pg.control, "restart"));
    let back = undo(start, look(server::ask_role(pg)), {
        let name = name.clone();
        judge(move |output: &Output| {
            let role = read::role(output.at(1));
            let answer = match role.role {
                DatabaseRole::Primary => Tri::Yes,
                DatabaseRole::Unknown => Tri::Unknown,
                _ => Tri::No,
            };
            judged(answer, format!("the database on {name} is {:?}", role.role), vec![server::role_fact(&name, &role)])
        })
    });
    let stop = Step {
        judge_effect: the_probe_decides(),
        undo: Some(back),
        retries: 2,
        volatile: true,
        opens: Some(OpenItem {
            id: "stood-down".into(),
            text: format!(
                "the database on {name} is stopped and replicates nothing; standby.signal keeps it from starting writable, and xcatd \
                 must not be started there"
            ),
            command: super::failback(Flavour::Postgres).into(),
        }),
        traps: &[1, 5],
        section: "8.0 step 2",
        ..idempotent(
            "stand-down.database",
            format!("stop the database on {name} in order"),
            other(ctx),
            Script::new().look(vocabulary::control(&pg.control, "stop")),
            down_probe(pg),
            is_down(name.clone()),
        )
    };
    let path = vocabulary::standby_signal(pg);
    let content = format!("{MARK}, {}\n", ctx.signature());
    let remove = undo(Script::new().run(vocabulary::remove(&path)), Script::new(), judge_exit_codes());
    let seen = judge({
        let name = name.clone();
        move |output: &Output| match read::file(output.at(0)) {
            Some(Some(text)) if text.starts_with(MARK) => {
                Judgement::succeeded(format!("the database on {name} can start as a standby only"), Vec::new())
            }
            // Somebody else's file would do as well, but it is not shown by a listing that may be anything.
            Some(Some(_)) => Judgement::failed("standby.signal is not hamn's", Vec::new()),
            Some(None) => Judgement::failed(format!("the database on {name} would start writable"), Vec::new()),
            None => Judgement::unknown("standby.signal could not be looked for", Vec::new()),
        }
    });
    let guard = Step {
        stage: 1,
        undo: Some(remove),
        traps: &[5, 24],
        ..idempotent(
            "stand-down.guard",
            format!("keep the database on {name} from starting writable"),
            other(ctx),
            Script::new().then(Action::WriteFile { path: path.clone(), mode: 0o644, content }),
            look(vocabulary::cat(&path)),
            seen,
        )
    };
    fit(vec![stop, guard])
}

fn down_probe(pg: &Postgres) -> Script {
    Script::new().look(vocabulary::controldata(pg)).look(server::ask_role(pg))
}

/// The database is down, and was shut down in order. Its latest checkpoint is where its log ends.
pub(crate) fn is_down(node: String) -> Judge {
    judge(move |output: &Output| {
        let role = read::role(output.at(1));
        let Some(control) = read::control(output.at(0)) else {
            let why = format!("pg_controldata on {node} said nothing of use: {}", read::said(output.at(0)));
            return Judgement::unknown(why, Vec::new());
        };
        let facts = vec![
            Fact::Database {
                node: node.clone(),
                role: role.role,
                system_id: control.system_id.clone(),
                timeline: control.timeline,
            },
            Fact::LogPosition {
                node: node.clone(),
                written: Some(control.checkpoint),
                received: None,
                replayed: None,
                last_commit_ms: None,
                last_message_ms: None,
            },
        ];
        match (role.role, control.state.as_str()) {
            // In recovery: a reboot started it again as the standby that its signal file makes it, and it was stopped once more. It wrote
            // nothing in between.
            (DatabaseRole::Down, "shut down" | "shut down in recovery") => {
                Judgement::succeeded(format!("the database on {node} is shut down in order"), facts)
            }
            (DatabaseRole::Down, state) => {
                Judgement::failed(format!("the database on {node} is down, but its state is {state}"), Vec::new())
            }
            (DatabaseRole::Unknown, _) => {
                Judgement::unknown(format!("whether the database on {node} runs could not be seen"), Vec::new())
            }
            (role, _) => Judgement::failed(format!("the database on {node} still runs as {role:?}"), Vec::new()),
        }
    })
}

fn stood_down(ctx: &Context<'_>, id: &str) -> Step {
    let name = ctx.other().name.clone();
    let title = format!("the database on {name} is still shut down");
    Step { traps: &[1], ..Step::observe(id, title, other(ctx), down_probe(ctx.pair.postgres()), is_down(name)) }
}

/// The standby has all that the primary wrote: no acknowledged row can be lost by the switch.
pub fn compare(ctx: &Context<'_>) -> Vec<Step> {
    let (name, from) = (ctx.target().name.clone(), ctx.other().name.clone());
    let end = match ctx.known.log(&from) {
        Some(Fact::LogPosition { written, .. }) if ctx.known.database(&from).0 == DatabaseRole::Down => *written,
        _ => None,
    };
    let title = format!("{name} has all that {from} wrote");
    let seen = judge(move |output: &Output| {
        let Some(position) = read::standby_position(output.at(0)) else {
            let why = format!("the position of {name} could not be read: {}", read::said(output.at(0)));
            return Judgement::unknown(why, Vec::new());
        };
        let facts = server::position_facts(&name, &position);
        match (end, position.end()) {
            (Some(end), Some(have)) if have >= end => Judgement {
                evidence: facts.into_iter().chain([Fact::LossBound { bytes: Some(0), millis: Some(0) }]).collect(),
                ..Judgement::succeeded(format!("{name} has the log to {have}, {from} ended at {end}"), Vec::new())
            },
            (Some(end), Some(have)) => Judgement::failed(
                format!("{name} has the log to {have} only, {from} ended at {end}: {} bytes are missing", end - have),
                facts,
            ),
            _ => Judgement::unknown("one of the positions is not known", facts),
        }
    });
    let probe = look(vocabulary::psql(ctx.pair.postgres(), "postgres", sql::STANDBY_POSITION));
    fit(vec![Step {
        retries: 6,
        retry_pause_ms: 200,
        ..Step::observe("compare.positions", title, target(ctx), probe, seen)
    }])
}
