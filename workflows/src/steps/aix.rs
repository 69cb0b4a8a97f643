//! What is done otherwise on AIX. The two machines swap their cluster-facing addresses and their names, both by `mktcpip`; sshd answers
//! on addresses for administration that never move, so that the session survives (trap 12).
//!
//! `mktcpip` writes to the ODM. A machine that lost its place while it was off would take the address again when it boots (trap 5), so
//! that the interface of the machine in service is made to come up without an address at its next boot.

use journal_schema::{Channel, Fact, OpenItem, Tri, Verdict};

use super::{
    failback, fit, held, idempotent, judge, judged, look, nothing_to_see, other, read, read::Arp, read_aix, target,
    the_probe_decides, undo,
};
use crate::{
    host,
    model::{Node, NodeId},
    script::{Action, Output, Script},
    step::{Judgement, Place, Step, judge_exit_codes},
    table::Context,
    vocabulary, vocabulary_aix as aix,
};

/// Note: addresses, routes and name of a machine before anything was moved.
pub const NETWORK: &str = "network";

/// What a machine bears on its cluster-facing interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bears {
    /// The service address and its name; until the next boot.
    Service,
    /// The standby's address and name; for good.
    Standby,
}

/// Address and name; `None`: the standby has no address of its own.
fn identity<'a>(ctx: &Context<'a>, bears: Bears) -> Option<(&'a str, &'a str)> {
    let service = &ctx.pair.service;
    match bears {
        Bears::Service => Some((&service.address, &service.host_name)),
        Bears::Standby => Some((service.standby_address.as_deref()?, &service.standby_host_name)),
    }
}

/// The target takes the service address and name. The conflict probe is part of it, so that nothing lies between the two.
pub fn take(ctx: &Context<'_>) -> Vec<Step> {
    let node = ctx.target();
    let Some((address, name)) = identity(ctx, Bears::Service) else { return Vec::new() };
    let script = Script::new()
        .run(aix::arp_probe(&ctx.pair.service, address))
        .look(aix::mktcpip(&ctx.pair.service, &node.interface, name, address))
        .look(aix::transient(&node.interface));
    let answered = answered(node.name.clone(), address.to_owned());
    let step = Step {
        judge_effect: judge(move |output: &Output| match answered(output) {
            // Whether it bears the address by now is for the look afterwards.
            free if free.verdict == Verdict::Succeeded => free,
            conflict => Judgement { verdict: Verdict::Failed, ..conflict },
        }),
        opens: Some(OpenItem {
            id: "address".into(),
            text: format!(
                "{} bears {address} and the name {name} until its next boot only; then {} comes up without an address, until a run or \
                 the command gives it one",
                node.name, node.interface
            ),
            command: up_again(ctx, node),
        }),
        traps: &[5, 11, 12, 13, 14, 17],
        ..bearing(ctx, ctx.request.target, Bears::Service, "address.take", script)
    };
    fit(vec![step, network_after(ctx)])
}

/// The machine that gave the service address away takes the standby's address and name. Whether that is free is asked by the target,
/// because a machine whose interface is detached hears nothing.
pub fn take_standby(ctx: &Context<'_>) -> Vec<Step> {
    let node = ctx.other();
    let Some((address, name)) = identity(ctx, Bears::Standby) else { return Vec::new() };
    let probe = Step { stage: 0, ..free_for(ctx, "standby-address.free", address) };
    let script = Script::new().look(aix::mktcpip(&ctx.pair.service, &node.interface, name, address));
    let take = Step {
        stage: 1,
        judge_effect: the_probe_decides(),
        traps: &[11, 12, 13, 68],
        ..bearing(ctx, ctx.request.target.other(), Bears::Standby, "standby-address.take", script)
    };
    fit(vec![probe, take])
}

/// The step with the look at what the machine bears, at once and after its next boot.
fn bearing(ctx: &Context<'_>, id: NodeId, bears: Bears, step_id: &str, script: Script) -> Step {
    let node = ctx.pair.node(id);
    let (address, wanted) = identity(ctx, bears).unwrap_or_default();
    let probe =
        Script::new().look(aix::addresses()).look(vocabulary::host_name()).look(aix::state_at_boot(&node.interface));
    let there = held(node.name.clone(), address.to_owned(), Tri::Yes);
    let (name, interface, wanted_name) = (node.name.clone(), node.interface.clone(), wanted.to_owned());
    let seen = judge(move |output: &Output| {
        let holds = there(output);
        if holds.verdict != Verdict::Succeeded {
            return holds;
        }
        let facts = holds.evidence;
        match read::line(output.at(1)) {
            Some(found) if found == wanted_name => {}
            Some(found) => return Judgement::failed(format!("{name} is called {found}, not {wanted_name}"), facts),
            None => return Judgement::unknown(format!("the host name of {name} could not be read"), facts),
        }
        let at_boot = if bears == Bears::Service { "detach" } else { "up" };
        match read::line(output.at(2)) {
            Some(state) if state == at_boot => {
                Judgement::succeeded(format!("{}, named {wanted_name}", holds.why), facts)
            }
            Some(state) => {
                Judgement::failed(format!("{interface} of {name} is {state:?} at boot, not {at_boot:?}"), facts)
            }
            None => {
                Judgement::unknown(format!("the ODM of {name} could not be read: {}", read::said(output.at(2))), facts)
            }
        }
    });
    let title = match bears {
        Bears::Service => {
            format!("{} takes {address} and the name {wanted}, if nobody answers for the address", node.name)
        }
        Bears::Standby => format!("{} takes {address} and the name {wanted}", node.name),
    };
    Step {
        volatile: true,
        about: "address",
        retries: 1,
        section: "8.0 step 4",
        ..idempotent(step_id, title, Place::Node(id), script, probe, seen)
    }
}

/// The machine that steps down gives the service address away: its cluster-facing interface bears none any more. It keeps its name
/// until it takes the standby's.
pub fn release(ctx: &Context<'_>) -> Vec<Step> {
    let (node, address) = (ctx.other(), ctx.pair.service.address.as_str());
    let again = back(ctx);
    let effects = again.actions.len();
    let there = held(node.name.clone(), address.to_owned(), Tri::Yes);
    let back =
        undo(again, look(aix::addresses()), judge(move |output: &Output| there(&output.clone().split(effects).1)));
    let step = Step {
        judge_effect: the_probe_decides(),
        undo: Some(back),
        volatile: true,
        about: "address",
        traps: &[5, 12, 13],
        section: "8.0 step 4",
        ..idempotent(
            "release.address",
            format!("{} gives {address} away: {} is detached", node.name, node.interface),
            other(ctx),
            Script::new().look(aix::interface_state(&node.interface, "detach")),
            look(aix::addresses()),
            held(node.name.clone(), address.to_owned(), Tri::No),
        )
    };
    fit(vec![step])
}

/// Gives the service address back to the machine that gave it away or was fenced: its interface bears none, so that the target is asked
/// whether anybody answers for the address, in the same job.
pub(crate) fn back(ctx: &Context<'_>) -> Script {
    let (service, node, asked) = (&ctx.pair.service, ctx.other(), ctx.target());
    let path = vocabulary::node_file(ctx.pair, "known-hosts.back");
    let keys = Action::WriteFile { path: path.clone(), mode: 0o600, content: vocabulary::transfer::known_hosts(asked) };
    let again = aix::take_back(service, &node.interface, &service.host_name, &service.address, &path, asked);
    Script::new().try_(keys).look(again).look(vocabulary::remove(&path))
}

/// Nobody answers for the service address, seen from the target: found before the point of no return, a conflict costs nothing.
pub fn free(ctx: &Context<'_>, id: &str) -> Step {
    free_for(ctx, id, &ctx.pair.service.address)
}

fn free_for(ctx: &Context<'_>, id: &str, address: &str) -> Step {
    let probe = look(aix::arp_probe(&ctx.pair.service, address));
    let seen = answered(ctx.target().name.clone(), address.to_owned());
    let title = format!("nobody answers for {address}");
    Step { retries: 3, retry_pause_ms: 1_000, traps: &[13], ..Step::observe(id, title, target(ctx), probe, seen) }
}

/// Judges a conflict probe.
fn answered(node: String, address: String) -> crate::step::Judge {
    judge(move |output: &Output| {
        let fact = |by| vec![Fact::AddressProbe { node: node.clone(), address: address.clone(), answered_by: by }];
        match read_aix::arp(output.at(0)) {
            Arp::Silence => Judgement::succeeded(format!("nobody else answers for {address}"), fact(None)),
            Arp::Answered(mac) => {
                let why = format!(
                    "{mac} answers ARP for {address}: it is in use; find that machine and take it off the network"
                );
                Judgement::failed(why, fact(Some(mac)))
            }
            Arp::Unknown if output.at(0).stdout.trim() == "deaf" => {
                let why = format!("the gateway does not answer {node}: silence for {address} would prove nothing");
                Judgement::failed(why, Vec::new())
            }
            Arp::Unknown => {
                let why = format!("whether {address} is free could not be asked: {}", read::said(output.at(0)));
                Judgement::unknown(why, Vec::new())
            }
        }
    })
}

/// Who answers for the service address, seen from the target. Decides nothing (trap 2).
pub fn who_answers(ctx: &Context<'_>, id: &str) -> Step {
    let address = ctx.pair.service.address.clone();
    let node = ctx.target().name.clone();
    let probe = look(aix::arp_probe(&ctx.pair.service, &address));
    let seen = judge(move |output: &Output| vantage(&node, &address, output.at(0)));
    Step {
        optional: true,
        traps: &[2, 8, 13],
        ..Step::observe(id, "who answers for the service address", target(ctx), probe, seen)
    }
}

fn vantage(node: &str, address: &str, r: &crate::ActionResult) -> Judgement {
    let fact = |by| vec![Fact::AddressProbe { node: node.to_owned(), address: address.to_owned(), answered_by: by }];
    match read_aix::arp(r) {
        Arp::Silence => Judgement::succeeded(format!("{node} hears nobody for {address}"), fact(None)),
        Arp::Answered(mac) => Judgement::succeeded(format!("{node} hears {mac} for {address}"), fact(Some(mac))),
        Arp::Unknown => Judgement::unknown(format!("{node} cannot ask who answers for {address}"), Vec::new()),
    }
}

/// The service address seen from elsewhere: each further machine that is on the network and can ask. Who cannot says so. `taken`: somebody
/// must answer, if only after a while; else the answer is taken as it is.
pub fn seen_from_elsewhere(ctx: &Context<'_>, prefix: &str, taken: bool) -> Vec<Step> {
    let address = &ctx.pair.service.address;
    let steps = ctx.pair.witnesses.iter().enumerate().filter_map(|(index, witness)| {
        let place = Place::Witness(u8::try_from(index).ok()?);
        let (name, address) = (witness.name.clone(), address.clone());
        let title = format!("does {name} see {address}");
        let id = format!("{prefix}elsewhere.{index}");
        let item = OpenItem {
            id: id.clone(),
            text: format!("{name} was not seen to hear {address}: it may still send to the old machine"),
            command: format!(
                "arping -c 2 -w 2 {address}   # on {name}; then, on {}: the announcement again",
                ctx.target().name
            ),
        };
        let probe = look(aix::arp_probe_elsewhere(&address));
        let seen = judge(move |output: &Output| match vantage(&name, &address, output.at(0)) {
            silence if taken && read_aix::arp(output.at(0)) == Arp::Silence => {
                Judgement { verdict: Verdict::Failed, ..silence }
            }
            judgement => judgement,
        });
        let unreachable = Judgement::unknown(format!("{} cannot be reached", witness.name), Vec::new());
        Some(Step {
            optional: true,
            retries: if taken { 2 } else { 0 },
            retry_pause_ms: 1_000,
            unreachable: Some(unreachable),
            opens: taken.then_some(item),
            traps: &[13, 14],
            ..Step::observe(&id, title, place, probe, seen)
        })
    });
    fit(steps.collect())
}

/// The announcement: `mktcpip` made the first one.
pub fn announce(ctx: &Context<'_>, id: &str, count: u8) -> Step {
    let (service, node) = (&ctx.pair.service, ctx.target());
    let command = aix::announce(service, count);
    let text = format!(
        "{} could not be announced: neighbours may send to the old machine until their caches expire",
        service.address
    );
    Step {
        look_first: false,
        optional: true,
        opens: Some(OpenItem { id: id.into(), text, command: listing(&command) }),
        traps: &[14],
        ..idempotent(
            id,
            format!("{} announces {} {count} times", node.name, service.address),
            target(ctx),
            Script::new().run(command),
            Script::new(),
            nothing_to_see(),
        )
    }
}

fn listing(command: &crate::Command) -> String {
    Script::new().run(command.clone()).listing().trim_end().to_owned()
}

/// What the network of a machine looked like, for [`NETWORK`].
pub fn network_note(node: &Node, r: &crate::ActionResult) -> Option<Fact> {
    let value = read::complete(r)?.trim().to_owned();
    (!value.is_empty()).then(|| Fact::Note { node: node.name.clone(), key: NETWORK.into(), value })
}

/// After the move: nothing but the cluster-facing interface is changed (trap 17: mktcpip sets the default route of the whole machine).
fn network_after(ctx: &Context<'_>) -> Step {
    let node = ctx.target().clone();
    let before = ctx.known.note(&node.name, NETWORK).map(str::to_owned);
    let title = format!("the other interfaces and routes of {} are as before", node.name);
    let seen = judge(move |output: &Output| {
        let (Some(before), Some(after)) = (&before, read::complete(output.at(0))) else {
            return Judgement::unknown(
                format!("the network of {} before or after was not seen", node.name),
                Vec::new(),
            );
        };
        let changes = read_aix::network_changes(before, after, &node.interface);
        if changes.is_empty() {
            return Judgement::succeeded("nothing else changed", Vec::new());
        }
        let key = "network changes".into();
        let said = Fact::Note { node: node.name.clone(), key, value: changes.join("; ") };
        Judgement::failed(
            format!("{} changed beside {}: {}", node.name, node.interface, changes.join("; ")),
            vec![said],
        )
    });
    Step {
        stage: 1,
        optional: true,
        traps: &[17],
        ..Step::observe("address.network", title, target(ctx), look(aix::network()), seen)
    }
}

/// A machine does not start xcatd by itself when it boots (trap 56): its line of `/etc/inittab` is off.
pub fn autostart_off(ctx: &Context<'_>, id: NodeId, step_id: &str) -> Step {
    let node = ctx.pair.node(id).clone();
    let back = undo(Script::new().run(aix::inittab_action("xcatd", "once")), Script::new(), judge_exit_codes());
    Step {
        undo: Some(back),
        traps: &[5, 56],
        section: "4.0 step 4",
        ..idempotent(
            step_id,
            format!("{} does not start xcatd by itself at boot", node.name),
            Place::Node(id),
            Script::new().run(aix::inittab_action("xcatd", "off")),
            look(aix::lsitab("xcatd")),
            judge(move |output: &Output| {
                let at_boot = host::starts_at_boot(&node, output.at(0));
                let facts = vec![Fact::Service {
                    node: node.name.clone(),
                    service: "xcatd".into(),
                    running: Tri::Unknown,
                    at_boot,
                }];
                let off = match at_boot {
                    Tri::Yes => Tri::No,
                    Tri::No => Tri::Yes,
                    Tri::Unknown => Tri::Unknown,
                };
                judged(off, format!("xcatd of {} starts at boot: {at_boot:?}", node.name), facts)
            }),
        )
    }
}

/// How a machine that is in service still gets its address again after a boot: not where somebody answers for it, and not for good.
fn up_again(ctx: &Context<'_>, node: &Node) -> String {
    format!("{}   # on {}, while it is the one in service", address_again(ctx, node), node.name)
}

/// The same as a command only: the service address until the next boot, if nobody answers for it.
pub fn address_again(ctx: &Context<'_>, node: &Node) -> String {
    let service = &ctx.pair.service;
    let again = listing(&aix::mktcpip(service, &node.interface, &service.host_name, &service.address));
    let for_now = listing(&aix::transient(&node.interface));
    format!("ping -c 2 -w 2 {} || {{ {again} && {for_now}; }}", service.address)
}

/// What becomes of a machine whose interface was guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarded {
    /// It is in service.
    InService,
    /// It has lost its place: it must never bear the service address again by somebody's hand.
    Replaced,
}

/// The interface of the machine in service comes up without an address at its next boot (trap 5).
pub fn guard_boot(ctx: &Context<'_>, id: NodeId, guarded: Guarded, step_id: &str) -> Step {
    let node = ctx.pair.node(id);
    let interface = &node.interface;
    let command = match guarded {
        Guarded::InService => up_again(ctx, node),
        // Its ODM still has the service address: to bring it up would put that on the wire twice.
        Guarded::Replaced => failback(ctx.pair.flavour()).to_owned(),
    };
    let back = undo(
        Script::new().run(crate::Command::new(["chdev", "-l", interface, "-a", "state=up", "-P"])),
        Script::new(),
        judge_exit_codes(),
    );
    let text = format!(
        "{interface} of {} comes up without an address at its next boot, so that it takes no address that is another's by then",
        node.name
    );
    let title = format!("{interface} of {} comes up without an address at its next boot", node.name);
    Step {
        undo: Some(back),
        opens: Some(OpenItem { id: step_id.into(), text, command }),
        traps: &[5, 68],
        ..idempotent(
            step_id,
            title,
            Place::Node(id),
            Script::new().run(aix::transient(interface)),
            look(aix::state_at_boot(interface)),
            super::prints("detach".into(), "the interface's state at boot", Vec::new()),
        )
    }
}

/// Facts of an identity that both platforms give: `None` when the machine did not say who it is.
pub fn identity_fact(
    node: &Node,
    machine: &crate::ActionResult,
    boot: &crate::ActionResult,
    name: &crate::ActionResult,
) -> Option<Fact> {
    Some(Fact::Identity {
        node: node.name.clone(),
        machine_id: host::identity(node, machine)?.to_owned(),
        boot_id: host::boot(node, boot).unwrap_or_default(),
        host_name: read::line(name).unwrap_or_default().to_owned(),
    })
}

/// That a node answered by ssh.
pub fn answers(node: &Node, answer: Tri) -> Fact {
    Fact::Answers { node: node.name.clone(), channel: Channel::Ssh, answer }
}
