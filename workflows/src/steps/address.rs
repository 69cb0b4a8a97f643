//! The service address and the host name. Both last until the next boot only, on purpose: a machine that comes back must not take
//! them by itself (trap 5).

use journal_schema::{Fact, OpenItem, Tri};

use super::{
    Batch, aix, fit, held, idempotent, judge, look, nothing_to_see, other, prints, read, read::Arp, target,
    the_probe_decides, undo,
};
use crate::{
    model::{Node, Platform},
    script::{Action, Output, Script},
    step::{Judge, Judgement, Place, Step, judge_exit_codes},
    table::Context,
    vocabulary,
};

/// The target takes the address, then the name. The conflict probe is part of the taking, so that nothing lies between the two.
pub fn take(ctx: &Context<'_>) -> Vec<Step> {
    if ctx.target().platform == Platform::Aix {
        return aix::take(ctx);
    }
    let (node, service) = (ctx.target(), &ctx.pair.service);
    let (address, prefix, interface) = vocabulary::service_on(ctx.pair, node);
    let script = conflict_probe(address, interface).look(vocabulary::address_add(address, prefix, interface));
    let name = node.name.clone();
    let answered = answered(name.clone(), address.to_owned());
    let take = Step {
        judge_effect: judge(move |output: &Output| match answered(output) {
            // Whether the address could be added is for the look afterwards: it may have been there already.
            Judgement { verdict: journal_schema::Verdict::Succeeded, evidence, .. } => {
                Judgement::succeeded("nobody answered for the address", evidence)
            }
            conflict => conflict,
        }),
        volatile: true,
        about: "address",
        opens: Some(OpenItem {
            id: "address".into(),
            text: format!(
                "{name} bears {address} and the name {} until its next boot only; after a reboot they are given back by hand or by a \
                 new run",
                service.host_name
            ),
            command: format!("ip addr add {address}/{prefix} dev {interface} && hostname {}", service.host_name),
        }),
        traps: &[12, 13, 14],
        section: "8.0 step 4",
        ..idempotent(
            "address.take",
            format!("{name} takes {address} on {interface}, if nobody answers for it"),
            target(ctx),
            script,
            look(vocabulary::addresses()),
            held(name.clone(), address.to_owned(), Tri::Yes),
        )
    };
    let rename = Step { stage: 1, ..rename(target(ctx), node, "address.name", &service.host_name) };
    fit(vec![take, rename])
}

/// Nobody answers for the service address, seen from the target: found before the point of no return, a conflict costs nothing.
pub fn free(ctx: &Context<'_>, id: &str) -> Step {
    if ctx.target().platform == Platform::Aix {
        return aix::free(ctx, id);
    }
    let (address, _, interface) = vocabulary::service_on(ctx.pair, ctx.target());
    let probe = look(vocabulary::carrier(interface)).look(vocabulary::arp_probe(address, interface));
    let seen = answered(ctx.target().name.clone(), address.to_owned());
    let title = format!("nobody answers for {address}");
    Step { retries: 3, retry_pause_ms: 1_000, traps: &[13], ..Step::observe(id, title, target(ctx), probe, seen) }
}

/// Waits for a carrier, because silence on a dead line proves nothing, then probes; whatever follows runs only after silence.
pub(crate) fn conflict_probe(address: &str, interface: &str) -> Script {
    let command = vocabulary::carrier(interface);
    Script::new()
        .then(Action::WaitUntil { command, expect: "up".into(), every_ms: 200, limit_s: 5 })
        .run(vocabulary::arp_probe(address, interface))
}

/// Judges a look at the carrier and a conflict probe.
pub(crate) fn answered(node: String, address: String) -> Judge {
    judge(move |output: &Output| {
        let fact = |by| vec![Fact::AddressProbe { node: node.clone(), address: address.clone(), answered_by: by }];
        if read::line(output.at(0)) != Some("up") {
            let why = format!("{node} has no carrier on the cluster's network: silence would prove nothing");
            return Judgement::failed(why, Vec::new());
        }
        match read::arp(output.at(1), 0) {
            Arp::Silence => Judgement::succeeded(format!("nobody answers for {address}"), fact(None)),
            Arp::Answered(mac) => Judgement::failed(
                format!(
                    "{mac} answers ARP for {address}: it is in use; find that machine (arping -f {address}) and take it off the network"
                ),
                fact(Some(mac)),
            ),
            Arp::Unknown => {
                let why = format!("whether {address} is free could not be asked: {}", read::said(output.at(1)));
                Judgement::failed(why, Vec::new())
            }
        }
    })
}

fn rename(place: Place, node: &Node, id: &str, name: &str) -> Step {
    Step {
        volatile: true,
        traps: &[11],
        section: "8.0 step 4",
        ..idempotent(
            id,
            format!("{} gets the host name {name}", node.name),
            place,
            Script::new().run(vocabulary::set_host_name(name)),
            look(vocabulary::host_name()),
            prints(name.to_owned(), "the host name", Vec::new()),
        )
    }
}

/// The first announcement, side by side with the database's work: neighbours learn the new place at once (trap 14).
pub fn announce_once(ctx: &Context<'_>) -> Step {
    if ctx.target().platform == Platform::Aix {
        return aix::announce(ctx, "address.announce", 1);
    }
    announcement(ctx, "address.announce", false, 1)
}

/// Several announcements in both forms, for neighbours that missed the first or heed one form only (trap 14).
pub fn announce(ctx: &Context<'_>) -> Vec<Step> {
    if ctx.target().platform == Platform::Aix {
        return vec![aix::announce(ctx, "announce.request", 5)];
    }
    vec![announcement(ctx, "announce.request", false, 5), announcement(ctx, "announce.reply", true, 5)]
}

fn announcement(ctx: &Context<'_>, id: &str, reply: bool, count: u8) -> Step {
    let (address, _, interface) = vocabulary::service_on(ctx.pair, ctx.target());
    let script = Script::new().run(vocabulary::arp_announce(address, interface, reply, count));
    let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
    let form = if reply { "as ARP replies" } else { "as ARP requests" };
    let title = format!("{} announces {address} {times}, {form}", ctx.target().name);
    Step {
        look_first: false,
        // With the address that a reboot took, and that is taken again, it is made again.
        volatile: true,
        optional: true,
        opens: Some(OpenItem {
            id: id.into(),
            text: format!(
                "{address} could not be announced: neighbours may send to the old machine until their caches expire"
            ),
            command: format!("arping -U -c 5 -I {interface} {address}"),
        }),
        traps: &[14],
        ..idempotent(id, title, target(ctx), script, Script::new(), nothing_to_see())
    }
}

/// The machine that steps down gives the address and the name away.
pub fn release(ctx: &Context<'_>) -> Vec<Step> {
    if ctx.other().platform == Platform::Aix {
        return aix::release(ctx);
    }
    let (node, service) = (ctx.other(), &ctx.pair.service);
    let (address, prefix, interface) = vocabulary::service_on(ctx.pair, node);
    let script = Script::new()
        .look(vocabulary::keep_secondaries(interface))
        .look(vocabulary::address_del(address, prefix, interface));
    // One's own address does not answer the probe; anybody else must not have taken it in between.
    let again = conflict_probe(address, interface)
        .look(vocabulary::address_add(address, prefix, interface))
        .look(vocabulary::arp_announce(address, interface, false, 1));
    let listing = again.actions.len();
    let (name, wanted) = (node.name.clone(), address.to_owned());
    let back = undo(
        again,
        look(vocabulary::addresses()),
        judge(move |output: &Output| {
            let (effect, seen) = output.clone().split(listing);
            let (free, there) = (answered(name.clone(), wanted.clone()), held(name.clone(), wanted.clone(), Tri::Yes));
            let probe = free(&effect);
            // When somebody answered, the rest was not run.
            if probe.verdict == journal_schema::Verdict::Succeeded { there(&seen) } else { probe }
        }),
    );
    let title = format!("{} gives {address} away", node.name);
    let judge_probe = held(node.name.clone(), address.to_owned(), Tri::No);
    let give = Step {
        judge_effect: the_probe_decides(),
        undo: Some(back),
        volatile: true,
        about: "address",
        traps: &[5, 12, 13],
        section: "8.0 step 4",
        ..idempotent("release.address", title, other(ctx), script, look(vocabulary::addresses()), judge_probe)
    };
    let before = ctx.known.host_name(&node.name).unwrap_or(&service.host_name).to_owned();
    let undo_name = undo(Script::new().run(vocabulary::set_host_name(&before)), Script::new(), judge_exit_codes());
    let rename = rename(other(ctx), node, "release.name", &service.standby_host_name);
    fit(vec![give, Step { undo: Some(undo_name), ..rename }])
}

/// Gives the service address back to the machine that was fenced, when it is powered on again: it came up without.
pub(crate) fn back(ctx: &Context<'_>) -> Script {
    let node = ctx.other();
    let (address, prefix, interface) = vocabulary::service_on(ctx.pair, node);
    match node.platform {
        Platform::Aix => aix::back(ctx),
        // Silence first; one's own address does not answer.
        Platform::Linux => conflict_probe(address, interface)
            .look(vocabulary::address_add(address, prefix, interface))
            .look(vocabulary::arp_announce(address, interface, false, 1)),
    }
}

/// Adds a listing of addresses to a batch.
pub(crate) fn list(batch: &mut Batch) -> usize {
    batch.look(vocabulary::addresses())
}
