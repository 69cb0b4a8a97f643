//! xcatd and the network services. Every call has a time limit, every answer is judged by its content as well as by its exit code: xCAT
//! calls hang for ever on a wrong database address and end with 0 after doing nothing. Nothing here touches a compute node (traps 60
//! and 61) or rebuilds `/etc/hosts`.

use journal_schema::{DatabaseRole, Fact, OpenItem, Tri};

use super::{
    Batch, address, fit, idempotent, judge, judged, look, nothing_to_see, other, read, target, the_probe_decides, undo,
};
use crate::{
    script::{Action, Command, Output, Script},
    step::{Judge, Judgement, Step},
    table::Context,
    vocabulary::{self, Helper, sql},
};

fn wait_until_gone() -> Action {
    Action::WaitUntil { command: vocabulary::xcatd_processes(), expect: "0".into(), every_ms: 200, limit_s: 30 }
}

fn wait_until_ready(ctx: &Context<'_>) -> Action {
    let xcat = &ctx.pair.xcat;
    Action::WaitUntil {
        command: vocabulary::xcatd_ready(xcat),
        expect: "ready".into(),
        every_ms: 200,
        limit_s: xcat.call_timeout_s,
    }
}

fn service_fact(node: &str, service: &str, running: Tri) -> Fact {
    Fact::Service { node: node.to_owned(), service: service.to_owned(), running, at_boot: Tri::Unknown }
}

/// The network services that the configuration has.
fn configured(ctx: &Context<'_>) -> Vec<Helper> {
    let xcat = &ctx.pair.xcat;
    let has = |helper: &Helper| match helper {
        Helper::Dns => xcat.dns,
        Helper::Dhcp => xcat.dhcp,
        Helper::Consoles => xcat.conserver,
    };
    Helper::ALL.into_iter().filter(has).collect()
}

/// Two DHCP servers give an address twice, two console servers fight for the consoles, and a name server left behind goes stale.
fn stop_helper(ctx: &Context<'_>, helper: Helper, was_running: bool) -> Step {
    let name = ctx.other().name.clone();
    let title = format!("stop {} on {name}", helper.name());
    let judge_probe = gone(name.clone(), helper.name());
    let start_again = undo(
        Script::new().look(vocabulary::helper_control(helper, "start")),
        look(vocabulary::helper_processes(helper)),
        judge(move |output: &Output| {
            let running = read::runs(output.at(1));
            let facts = vec![service_fact(&name, helper.name(), running)];
            judged(running, format!("{} on {name} runs: {running:?}", helper.name()), facts)
        }),
    );
    Step {
        judge_effect: the_probe_decides(),
        undo: was_running.then_some(start_again),
        volatile: true,
        retries: 1,
        traps: &[56, 59],
        section: "4.0 step 4",
        ..idempotent(
            &format!("stop.{}", helper.name()),
            title,
            other(ctx),
            Script::new().look(vocabulary::helper_control(helper, "stop")),
            look(vocabulary::helper_processes(helper)),
            judge_probe,
        )
    }
}

/// Stops xcatd and the network services on the machine that steps down. `stop` ends with 0 whatever happens, and processes outlive it.
pub fn stop(ctx: &Context<'_>) -> Vec<Step> {
    let (node, xcat) = (ctx.other().name.clone(), &ctx.pair.xcat);
    let was = |service: &str| ctx.known.service(&node, service).0 != Tri::No;
    let start_again = undo(
        Script::new().look(vocabulary::control(&xcat.control, "restart")).try_(wait_until_ready(ctx)),
        look(tabdump_site(ctx)),
        judge(|output: &Output| match read::site_table(output.at(2)) {
            Ok(()) => Judgement::succeeded("xcatd answers again", Vec::new()),
            Err(why) => Judgement::failed(why, Vec::new()),
        }),
    );
    let mut steps = vec![Step {
        judge_effect: the_probe_decides(),
        undo: was("xcatd").then_some(start_again),
        volatile: true,
        retries: 1,
        traps: &[48, 56],
        section: "5.1.1",
        ..idempotent(
            "stop.xcatd",
            format!("stop xcatd on {node} and wait until its last process is gone"),
            other(ctx),
            Script::new().look(vocabulary::control(&xcat.control, "stop")).try_(wait_until_gone()),
            look(vocabulary::xcatd_processes()),
            gone(node.clone(), "xcatd"),
        )
    }];
    steps.extend(configured(ctx).into_iter().map(|helper| stop_helper(ctx, helper, was(helper.name()))));
    fit(steps)
}

/// No process of the service is left.
pub(crate) fn gone(node: String, service: &'static str) -> Judge {
    judge(move |output: &Output| {
        let running = read::runs(output.at(0));
        let facts = vec![service_fact(&node, service, running)];
        match running {
            Tri::No => Judgement::succeeded(format!("no process of {service} is left on {node}"), facts),
            Tri::Yes => Judgement::failed(format!("{service} still runs on {node}"), facts),
            Tri::Unknown => {
                let why = format!("the processes of {node} could not be listed: {}", read::said(output.at(0)));
                Judgement::unknown(why, facts)
            }
        }
    })
}

fn tabdump_site(ctx: &Context<'_>) -> Command {
    vocabulary::xcat(&ctx.pair.xcat, "tabdump", &["site"])
}

/// The number of nodes that the database must hold at least: the share of the most that was seen, and never none (trap 52).
pub fn fewest_nodes(ctx: &Context<'_>) -> u64 {
    let seen = ctx.pair.nodes.iter().filter_map(|n| ctx.known.cluster_nodes(&n.name)).max().unwrap_or(1);
    (seen * u64::from(ctx.pair.xcat.min_nodes_percent)).div_ceil(100).max(1)
}

/// Judges the number of nodes.
pub(crate) fn enough_nodes(node: &str, found: Option<u64>, fewest: u64) -> Result<Fact, Judgement> {
    match found {
        Some(count) => {
            let fact = Fact::ClusterNodes { node: node.to_owned(), count };
            if count >= fewest {
                return Ok(fact);
            }
            let why = format!(
                "the database on {node} holds {count} nodes, at least {fewest} were expected: it is the wrong one"
            );
            Err(Judgement::failed(why, vec![fact]))
        }
        None => {
            Err(Judgement::unknown(format!("the nodes in the database on {node} could not be counted"), Vec::new()))
        }
    }
}

/// xcatd on the target: the right database first, then *restart* (a start does nothing for one that hangs), then proof by content.
pub fn start(ctx: &Context<'_>) -> Vec<Step> {
    let (pair, name) = (ctx.pair, ctx.target().name.clone());
    let pg = pair.postgres();
    let fewest = fewest_nodes(ctx);
    let mut batch = Batch::default();
    let role = batch.look(super::postgres::ask_role(pg));
    let nodes = batch.look(vocabulary::psql(pg, &pg.database, sql::CLUSTER_NODES));
    let right = judge({
        let name = name.clone();
        move |output: &Output| {
            let found = read::role(output.at(role));
            if found.role != DatabaseRole::Primary {
                let answer = if found.role == DatabaseRole::Unknown { Tri::Unknown } else { Tri::No };
                return judged(answer, format!("the database on {name} is {:?}, not primary", found.role), Vec::new());
            }
            match enough_nodes(&name, read::count(output.at(nodes)), fewest) {
                Ok(fact) => Judgement::succeeded(format!("the database on {name} is the cluster's"), vec![fact]),
                Err(judgement) => judgement,
            }
        }
    });
    let title = format!("the database on {name} holds at least {fewest} nodes");
    let right =
        Step { retries: 2, traps: &[52], ..Step::observe("xcatd.database", title, target(ctx), batch.script(), right) };
    let restart = Step {
        stage: 1,
        judge_effect: the_probe_decides(),
        // Whatever runs there was started before the address and the database changed.
        look_first: false,
        volatile: true,
        retries: 2,
        retry_pause_ms: 1_000,
        opens: Some(OpenItem {
            id: "service-nodes".into(),
            text: "xcatd on the service nodes, where there are any, holds connections to the old database: restart it on each".into(),
            command: "xdsh service 'service xcatd restart'".into(),
        }),
        traps: &[35, 52, 62],
        section: "8.0 step 6",
        ..idempotent(
            "xcatd.restart",
            format!("restart xcatd on {name} and have it show the site table"),
            target(ctx),
            Script::new()
                .look(vocabulary::control(&pair.xcat.control, "restart"))
                .try_(wait_until_ready(ctx)),
            look(tabdump_site(ctx)),
            answers(name.clone()),
        )
    };
    fit(vec![right, restart])
}

fn answers(node: String) -> Judge {
    judge(move |output: &Output| match read::site_table(output.at(0)) {
        Ok(()) => Judgement::succeeded(
            format!("xcatd on {node} shows the site table"),
            vec![service_fact(&node, "xcatd", Tri::Yes)],
        ),
        Err(why) => Judgement::failed(why, Vec::new()),
    })
}

/// DNS, DHCP, consoles and the announcements, side by side.
pub fn services(ctx: &Context<'_>) -> Vec<Step> {
    let (xcat, name) = (&ctx.pair.xcat, &ctx.target().name);
    let service = |id: &str, title: String, script: Script, judge_effect: Judge| Step {
        // A reboot may take what it started; there is nothing to look at, so it goes with the address.
        volatile: true,
        judge_effect,
        look_first: false,
        retries: 1,
        retry_pause_ms: 2_000,
        section: "8.0 step 7",
        ..idempotent(id, title, target(ctx), script, Script::new(), nothing_to_see())
    };
    let mut steps = Vec::new();
    if xcat.dns {
        // Without -n makedns only updates what the old zones have.
        let script = Script::new().run(vocabulary::xcat(xcat, "makedns", &["-n"]));
        let step = service("services.dns", format!("rebuild the name service on {name}"), script, judge(dns));
        steps.push(Step { traps: &[58, 63], ..step });
    }
    if xcat.dhcp {
        // Without an option makedhcp prints its usage and does nothing.
        let script = Script::new().run(vocabulary::xcat(xcat, "makedhcp", &["-n"])).run(vocabulary::xcat(
            xcat,
            "makedhcp",
            &["-a"],
        ));
        let step = service("services.dhcp", format!("rebuild the DHCP service on {name}"), script, judge(dhcp));
        steps.push(Step { traps: &[16, 58, 59, 63], ..step });
    }
    if xcat.conserver {
        // Not optional: a site without consoles, or with another server for them, says so in its configuration. One that has them
        // would find out about a step left out only when a node is in trouble.
        let script = Script::new().run(vocabulary::xcat(xcat, "makeconservercf", &[]));
        let title = format!("rewrite the console server's configuration on {name}");
        let step = service("services.conserver", title, script, judge(silent));
        steps.push(Step { traps: &[63, 65], ..step });
    }
    steps.extend(address::announce(ctx));
    fit(steps)
}

/// What went wrong with a call by its exit code or by an error that it printed all the same.
fn bad_call(what: &str, r: &crate::ActionResult) -> Option<Judgement> {
    let error = r.stderr.lines().chain(r.stdout.lines()).find(|l| l.contains("Error:") || l.starts_with("Usage:"));
    match (r.exit, error) {
        (Some(0), None) => None,
        (Some(0), Some(error)) => Some(Judgement::failed(format!("{what}: {}", error.trim()), Vec::new())),
        (Some(crate::ActionResult::TIMED_OUT), _) => {
            Some(Judgement::failed(format!("{what} did not end in time"), Vec::new()))
        }
        (Some(code), _) => Some(Judgement::failed(format!("{what} exited {code}: {}", read::said(r)), Vec::new())),
        (None, _) => Some(Judgement::unknown(format!("{what} was not run"), Vec::new())),
    }
}

/// `makedns -n` is done when its last line says so.
pub(crate) fn dns(output: &Output) -> Judgement {
    let r = output.at(0);
    if let Some(bad) = bad_call("makedns -n", r) {
        return bad;
    }
    match read::complete(r).and_then(|t| t.lines().rfind(|l| !l.trim().is_empty())) {
        Some(last) if last.trim() == "DNS setup is completed" => {
            Judgement::succeeded("DNS setup is completed", Vec::new())
        }
        _ => Judgement::failed("makedns -n did not say that it is completed", Vec::new()),
    }
}

/// `makedhcp -n`, then `-a`: both end with 0 and complain about nothing. Warnings are not errors.
pub(crate) fn dhcp(output: &Output) -> Judgement {
    let bad = bad_call("makedhcp -n", output.at(0)).or_else(|| bad_call("makedhcp -a", output.at(1)));
    bad.unwrap_or_else(|| Judgement::succeeded("makedhcp -n and -a ended without a complaint", Vec::new()))
}

/// `makeconservercf` says nothing when all is well.
pub(crate) fn silent(output: &Output) -> Judgement {
    let bad = bad_call("makeconservercf", output.at(0));
    bad.unwrap_or_else(|| Judgement::succeeded("makeconservercf ended without a complaint", Vec::new()))
}

/// Judge of `tabdump site` alone, for the last look.
pub(crate) fn ask_site(ctx: &Context<'_>) -> Command {
    tabdump_site(ctx)
}
