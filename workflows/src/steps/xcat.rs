//! xcatd and the network services. Every call has a time limit, every answer is judged by its content as well as by its exit code: xCAT
//! calls hang for ever on a wrong database address and end with 0 after doing nothing. Nothing here touches a compute node (traps 60
//! and 61) or rebuilds `/etc/hosts`.

use journal_schema::{DatabaseRole, Fact, OpenItem, Tri};

use super::{
    Batch, address, fit, idempotent, judge, judged, look, nothing_to_see, other, read, running, server, service_nodes,
    target, the_probe_decides, undo,
};
use crate::{
    host,
    model::{Node, NodeId, Platform},
    notes,
    script::{Action, Command, Output, Script},
    step::{Judge, Judgement, Place, Step},
    table::Context,
    vocabulary::{self, Helper, sql},
    vocabulary_aix,
};

fn wait_until_ready(ctx: &Context<'_>, node: &Node) -> Action {
    let xcat = &ctx.pair.xcat;
    Action::WaitUntil {
        command: host::xcatd_ready(node, xcat),
        expect: "ready".into(),
        every_ms: 200,
        limit_s: xcat.call_timeout_s,
    }
}

/// Stops xcatd and waits for its last process: `service xcatd stop` ends with 0 whatever happens, SRC's stop returns before the end.
fn stop_script(ctx: &Context<'_>, node: &Node) -> Script {
    match node.platform {
        Platform::Linux => {
            Script::new().look(vocabulary::control(&ctx.pair.xcat.control, "stop")).try_(running::wait_until_gone())
        }
        Platform::Aix => Script::new()
            .look(vocabulary_aix::stopsrc("xcatd"))
            .try_(running::wait_until_gone())
            .look(vocabulary_aix::cancel_xcatd())
            .try_(running::wait_until_gone()),
    }
}

/// Stops and starts xcatd, and waits for its answer: a mere start does nothing for one that hangs.
pub(crate) fn restart_script(ctx: &Context<'_>, node: &Node) -> Script {
    let script = match node.platform {
        Platform::Linux => Script::new().look(vocabulary::control(&ctx.pair.xcat.control, "restart")),
        Platform::Aix => stop_script(ctx, node).look(vocabulary_aix::startsrc("xcatd")),
    };
    script.try_(wait_until_ready(ctx, node))
}

/// Stops xcatd on a machine; its undoing, if wanted, starts it again.
pub fn stop_xcatd(ctx: &Context<'_>, id: NodeId, step_id: &str, back: bool) -> Step {
    let node = ctx.pair.node(id);
    let name = node.name.clone();
    let again = restart_script(ctx, node);
    let site = again.actions.len();
    let start_again = undo(
        again,
        look(tabdump_site(ctx, node)),
        judge(move |output: &Output| match read::site_table(output.at(site)) {
            Ok(()) => Judgement::succeeded("xcatd answers again", Vec::new()),
            Err(why) => Judgement::failed(why, Vec::new()),
        }),
    );
    Step {
        judge_effect: the_probe_decides(),
        undo: back.then_some(start_again),
        volatile: true,
        about: "xcatd",
        retries: 1,
        traps: &[48, 56],
        section: "5.1.1",
        ..idempotent(
            step_id,
            format!("stop xcatd on {name} and wait until its last process is gone"),
            Place::Node(id),
            stop_script(ctx, node),
            look(vocabulary::xcatd_processes()),
            running::gone(name, "xcatd"),
        )
    }
}

/// Restarts xcatd on a machine and has it show the site table.
pub fn restart_xcatd(ctx: &Context<'_>, id: NodeId, step_id: &str) -> Step {
    let node = ctx.pair.node(id);
    Step {
        judge_effect: the_probe_decides(),
        // Whatever runs there was started before the address and the database changed.
        look_first: false,
        volatile: true,
        about: "xcatd",
        retries: 2,
        retry_pause_ms: 1_000,
        traps: &[35, 52, 62],
        section: "8.0 step 6",
        ..idempotent(
            step_id,
            format!("restart xcatd on {} and have it show the site table", node.name),
            Place::Node(id),
            restart_script(ctx, node),
            look(tabdump_site(ctx, node)),
            answers(node.name.clone()),
        )
    }
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
pub(crate) fn stop_helper(ctx: &Context<'_>, helper: Helper, was_running: bool) -> Step {
    let name = ctx.other().name.clone();
    let title = format!("stop {} on {name}", helper.name());
    let judge_probe = running::gone(name.clone(), helper.name());
    let start_again = undo(
        Script::new().look(host::helper_control(ctx.other(), helper, "start")),
        look(vocabulary::helper_processes(helper)),
        judge(move |output: &Output| {
            let running = read::runs(output.at(1));
            let facts = vec![running::service_fact(&name, helper.name(), running)];
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
            Script::new().look(host::helper_control(ctx.other(), helper, "stop")),
            look(vocabulary::helper_processes(helper)),
            judge_probe,
        )
    }
}

/// Stops xcatd and the network services on the machine that steps down. `stop` ends with 0 whatever happens, and processes outlive it.
pub fn stop(ctx: &Context<'_>) -> Vec<Step> {
    let node = ctx.other().name.clone();
    let was = |service: &str| ctx.known.service(&node, service).0 != Tri::No;
    let mut steps = vec![stop_xcatd(ctx, ctx.request.target.other(), "stop.xcatd", was("xcatd"))];
    steps.extend(configured(ctx).into_iter().map(|helper| stop_helper(ctx, helper, was(helper.name()))));
    steps.extend(not_at_boot(ctx));
    fit(steps)
}

/// xcatd does not start with the machine that stepped down: it would be a second one, on the database of the first (trap 56). `None` where
/// it was not seen to.
fn not_at_boot(ctx: &Context<'_>) -> Option<Step> {
    let node = ctx.other();
    if node.platform != Platform::Linux || ctx.known.service(&node.name, "xcatd").1 != Tri::Yes {
        return None;
    }
    let name = node.name.clone();
    let seen = judge({
        let name = name.clone();
        move |output: &Output| {
            let starts = read::at_boot(output.at(0));
            let answer = match starts {
                Tri::Yes => Tri::No,
                Tri::No => Tri::Yes,
                Tri::Unknown => Tri::Unknown,
            };
            judged(answer, format!("xcatd starts with {name}: {starts:?}"), Vec::new())
        }
    });
    let again = Script::new().run(vocabulary::set_at_boot("xcatd", true));
    Some(Step {
        stage: 1,
        judge_effect: the_probe_decides(),
        undo: Some(undo(again, Script::new(), crate::step::judge_exit_codes())),
        retries: 1,
        opens: Some(OpenItem {
            id: "boot".into(),
            text: format!(
                "xcatd does not start with {name} any more: at boot the service address is not there, and there may be another xcatd"
            ),
            command: "systemctl enable xcatd   # only where hamn is given up".into(),
        }),
        traps: &[5, 56],
        ..idempotent(
            "stop.boot",
            format!("xcatd is not started at boot on {name}"),
            other(ctx),
            Script::new().look(vocabulary::set_at_boot("xcatd", false)),
            look(vocabulary::at_boot("xcatd")),
            seen,
        )
    })
}

fn tabdump_site(ctx: &Context<'_>, node: &Node) -> Command {
    host::xcat(node, &ctx.pair.xcat, "tabdump", &["site"])
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
    let role = batch.look(server::ask_role(pg));
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
    let restart = restart_all(ctx).into_iter().map(|step| Step { stage: step.stage + 1, ..step });
    fit([right].into_iter().chain(restart).collect())
}

/// xcatd on the target, then on the service nodes; where none is configured, that is left open.
pub fn restart_all(ctx: &Context<'_>) -> Vec<Step> {
    let restart = restart_xcatd(ctx, ctx.request.target, "xcatd.restart");
    let nodes = service_nodes::restart(ctx);
    let opens = nodes.is_empty().then(|| OpenItem {
        id: "service-nodes".into(),
        text:
            "xcatd on the service nodes, where there are any, holds connections to the old database: restart it on each"
                .into(),
        command: "xdsh service 'service xcatd restart'".into(),
    });
    let nodes = nodes.into_iter().map(|step| Step { stage: 1, ..step });
    fit([Step { opens, ..restart }].into_iter().chain(nodes).collect())
}

fn answers(node: String) -> Judge {
    judge(move |output: &Output| match read::site_table(output.at(0)) {
        Ok(()) => Judgement::succeeded(
            format!("xcatd on {node} shows the site table"),
            vec![running::service_fact(&node, "xcatd", Tri::Yes)],
        ),
        Err(why) => Judgement::failed(why, Vec::new()),
    })
}

/// DNS, DHCP, consoles and the announcements, side by side.
pub fn services(ctx: &Context<'_>) -> Vec<Step> {
    let (xcat, node) = (&ctx.pair.xcat, ctx.target());
    let name = &node.name;
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
        let script = Script::new().run(host::xcat(node, xcat, "makedns", &["-n"]));
        let step = service("services.dns", format!("rebuild the name service on {name}"), script, judge(dns));
        steps.push(Step { traps: &[58, 63], ..step });
    }
    if xcat.dhcp {
        // Without an option makedhcp prints its usage and does nothing.
        let script = Script::new().run(host::xcat(node, xcat, "makedhcp", &["-n"])).run(host::xcat(
            node,
            xcat,
            "makedhcp",
            &["-a"],
        ));
        let step = service("services.dhcp", format!("rebuild the DHCP service on {name}"), script, judge(dhcp));
        // makedhcp does not mind an interface that is not there (facts: exit 0, no error).
        let opens = ctx.known.note(name, notes::FOREIGN_NICS).map(|nics| OpenItem {
            id: "interfaces".into(),
            text: format!("xCAT's tables name interfaces that {name} does not have ({nics}): no node gets an address from it by DHCP"),
            command: format!(
                "chdef -t network NETWORK mgtifname={0}; chdef -t site dhcpinterfaces={0}; makedhcp -n; makedhcp -a",
                node.interface
            ),
        });
        steps.push(Step { opens, traps: &[16, 58, 59, 63], ..step });
    }
    if xcat.conserver {
        // Not optional: a site without consoles, or with another server for them, says so in its configuration. One that has them
        // would find out about a step left out only when a node is in trouble.
        let script = Script::new().run(host::xcat(node, xcat, "makeconservercf", &[]));
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
    tabdump_site(ctx, ctx.target())
}
