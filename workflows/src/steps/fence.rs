//! Fencing: the proof that the machine that was in service is off, before anything is promoted (invariant 2).

use journal_schema::{Channel, Fact, OpenItem, Power, Tri};

use super::{Batch, cluster_addresses, device, fit, idempotent, judge, look, read, read::Arp, read_aix, target, undo};
use crate::{
    model::{Fence, Platform},
    script::{Output, Script},
    step::{Judge, Judgement, Place, Step},
    table::{Context, Guard},
    vocabulary,
};

/// A device is configured and nobody vouched: the device proves it.
pub const BY_DEVICE: Guard = Guard { name: "a fence device is configured and nobody attested", holds: by_device };

/// Everything else: an operator's word is the proof, and is demanded where it is missing.
pub const BY_ATTESTATION: Guard =
    Guard { name: "an operator attested, or there is no fence device", holds: |ctx| !by_device(ctx) };

/// Whether the device is to prove it.
pub fn by_device(ctx: &Context<'_>) -> bool {
    ctx.other().fence != Fence::Attestation && !ctx.known.attested(&ctx.other().name)
}

/// Powers the machine off and proves it: identity of the device first (trap 6), then off, then the status twice.
pub fn power_off(ctx: &Context<'_>) -> Vec<Step> {
    let node = ctx.other();
    let mut steps: Vec<Step> = identity(ctx).into_iter().collect();
    let (Some(off), Some(on), Some(status)) = (
        vocabulary::fence(&node.fence, "off"),
        vocabulary::fence(&node.fence, "on"),
        vocabulary::fence(&node.fence, "status"),
    ) else {
        return steps;
    };
    let name = node.name.clone();
    let back = undo(Script::new().look(on), look(status.clone()), is_on(name.clone(), node.fence.clone()));
    steps.push(Step {
        stage: 1,
        judge_effect: super::the_probe_decides(),
        // A machine that was off before is left off by a rollback.
        undo: (ctx.known.power(&name) != Power::Off).then_some(back),
        retries: 2,
        volatile: true,
        // Powering off what is off is harmless, and the look before it would cost the outage two calls of a slow device.
        look_first: false,
        opens: Some(OpenItem {
            id: "fenced".into(),
            text: format!(
                "{name} is powered off and still has the service's name, address, schedules, epoch and claim on its disk: it must not \
                 boot on this network before it is made a standby"
            ),
            command: super::failback(ctx.pair.flavour()).into(),
        }),
        traps: &[1, 2, 3, 4, 5, 6],
        section: "8.0 step 2",
        ..idempotent(
            "fence.off",
            format!("power {name} off, and see it off twice"),
            Place::Controller,
            Script::new().look(off),
            Script::new().look(status.clone()).look(status),
            is_off(name, node.fence.clone(), 2),
        )
    });
    fit(steps)
}

/// The device is the pinned one, and not the one of the machine that is to be in service. `None` where nothing is pinned.
fn identity(ctx: &Context<'_>) -> Option<Step> {
    let (node, target) = (ctx.other(), ctx.target());
    let ask = vocabulary::fence_identity(&node.fence)?.timeout(device::patience_s(&node.fence));
    let pinned = read::pinned(&node.fence)?.to_owned();
    let seen = device::same_device(node.name.clone(), node.fence.clone(), pinned, target);
    let title = format!("the fence device is the one of {}", node.name);
    // One that was silent a moment ago is asked once more, for no longer than it was looked at: the outage lasts meanwhile.
    let silent = ctx.known.answers(&node.name, Channel::Bmc) != Tri::Yes;
    Some(Step {
        retries: u8::from(!silent),
        traps: &[6],
        ..Step::observe("fence.identity", title, Place::Controller, look(ask), seen)
    })
}

/// Off only if each of `times` answers says so: an unreachable device is not *off* (trap 2).
pub(crate) fn is_off(node: String, fence: Fence, times: usize) -> Judge {
    judge(move |output: &Output| {
        let seen: Vec<Power> = (0..times).map(|i| read::power(&fence, output.at(i))).collect();
        let power = |p| vec![Fact::PowerState { node: node.clone(), power: p }];
        if seen.iter().all(|p| *p == Power::Off) && !seen.is_empty() {
            Judgement::succeeded(
                format!("{node} is off by its power controller, seen {times} times"),
                power(Power::Off),
            )
        } else if seen.contains(&Power::On) {
            Judgement::failed(format!("{node} is on by its power controller"), power(Power::On))
        } else {
            let bad = (0..times).find(|i| seen[*i] == Power::Unknown).unwrap_or(0);
            let why = format!("the power state of {node} is not known: {}", read::said(output.at(bad)));
            Judgement::unknown(why, power(Power::Unknown))
        }
    })
}

/// Judges `on`, then `status`.
fn is_on(node: String, fence: Fence) -> Judge {
    judge(move |output: &Output| {
        let power = read::power(&fence, output.at(1));
        let facts = vec![Fact::PowerState { node: node.clone(), power }];
        match power {
            Power::On => Judgement::succeeded(format!("{node} is powered on"), facts),
            Power::Off => Judgement::failed(format!("{node} is still off"), facts),
            Power::Unknown => Judgement::unknown(format!("the power state of {node} is not known"), facts),
        }
    })
}

/// Takes an operator's word, and looks whether anything contradicts it.
pub fn attested(ctx: &Context<'_>) -> Vec<Step> {
    let node = ctx.other();
    let vouched = ctx.known.attested(&node.name);
    let name = node.name.clone();
    let mut steps = vec![Step { traps: &[2, 8, 13], ..silent(ctx, "fence.silent", vouched) }];
    if let Some(status) = vocabulary::fence(&node.fence, "status") {
        let fence = node.fence.clone();
        let seen = judge(move |output: &Output| {
            let power = read::power(&fence, output.at(0));
            let facts = vec![Fact::PowerState { node: name.clone(), power }];
            if power == Power::On {
                Judgement::failed(format!("{name} was attested to be off, but its power controller says on"), facts)
            } else {
                Judgement::succeeded(format!("the power controller of {name} does not contradict"), facts)
            }
        });
        let title = format!("the power controller of {} does not say on", node.name);
        steps.push(Step { traps: &[2], ..Step::observe("fence.status", title, Place::Controller, look(status), seen) });
    }
    fit(steps)
}

/// The machine answers on no channel that the target can try.
fn silent(ctx: &Context<'_>, id: &str, vouched: bool) -> Step {
    if ctx.target().platform == Platform::Aix {
        return silent_to_aix(ctx, id, vouched);
    }
    let node = ctx.other();
    let mut batch = Batch::default();
    let carrier = batch.look(vocabulary::carrier(&ctx.target().interface));
    let mut arps: Vec<(usize, String)> = Vec::new();
    for address in cluster_addresses(ctx, ctx.request.target.other()).into_iter().chain([&*ctx.pair.service.address]) {
        arps.push((batch.look(vocabulary::arp_ask(address, &ctx.target().interface)), address.to_owned()));
    }
    let ports: Vec<(usize, String)> = node
        .addresses
        .iter()
        .map(|a| (batch.look(vocabulary::database_answers(ctx.pair.postgres(), a)), a.clone()))
        .collect();
    let (name, prober) = (node.name.clone(), ctx.target().name.clone());
    let seen = judge(move |output: &Output| {
        let answer = |channel, answer| Fact::Answers { node: name.clone(), channel, answer };
        if !vouched {
            let why = format!("nobody attested that {name} is off, and there is no fence device to prove it");
            return Judgement::failed(why, Vec::new());
        }
        if read::line(output.at(carrier)) != Some("up") {
            return Judgement::failed(format!("{prober} has no carrier: silence would prove nothing"), Vec::new());
        }
        let mut facts = Vec::new();
        let mut unclear = None;
        for (at, address) in &arps {
            let probe = |by| Fact::AddressProbe { node: prober.clone(), address: address.clone(), answered_by: by };
            match read::arp(output.at(*at), 1) {
                Arp::Silence => facts.push(probe(None)),
                Arp::Answered(mac) => {
                    let why = format!("{name} was attested to be off, but {mac} answers ARP for {address}");
                    return Judgement::failed(why, vec![probe(Some(mac)), answer(Channel::Arp, Tri::Yes)]);
                }
                Arp::Unknown => unclear = Some((*at, address)),
            }
        }
        for (at, address) in &ports {
            match output.at(*at).exit {
                Some(0 | 1) => {
                    let why = format!("{name} was attested to be off, but its database answers at {address}");
                    return Judgement::failed(why, vec![answer(Channel::Database, Tri::Yes)]);
                }
                Some(2) => {}
                _ => unclear = Some((*at, address)),
            }
        }
        if let Some((at, address)) = unclear {
            let why = format!("whether {name} answers at {address} could not be asked: {}", read::said(output.at(at)));
            return Judgement::unknown(why, facts);
        }
        facts.extend([answer(Channel::Arp, Tri::No), answer(Channel::Database, Tri::No)]);
        Judgement::succeeded(format!("{name} was attested to be off, and answers nowhere"), facts)
    });
    let title = format!("{} was attested to be off and is silent", node.name);
    Step::observe(id, title, target(ctx), batch.script(), seen)
}

/// The same where the target has no arping: by its ARP table.
fn silent_to_aix(ctx: &Context<'_>, id: &str, vouched: bool) -> Step {
    let service = &ctx.pair.service;
    let mut batch = Batch::default();
    let own = cluster_addresses(ctx, ctx.request.target.other());
    let arps: Vec<(usize, String)> = own
        .into_iter()
        .chain([&*service.address])
        .map(|address| (batch.look(vocabulary::aix::arp_probe(service, address)), address.to_owned()))
        .collect();
    let (name, prober) = (ctx.other().name.clone(), ctx.target().name.clone());
    let title = format!("{name} was attested to be off and is silent");
    let seen = judge(move |output: &Output| {
        if !vouched {
            let why = format!("nobody attested that {name} is off, and there is no fence device to prove it");
            return Judgement::failed(why, Vec::new());
        }
        let mut facts = Vec::new();
        for (at, address) in &arps {
            let probe = |by| Fact::AddressProbe { node: prober.clone(), address: address.clone(), answered_by: by };
            match read_aix::arp(output.at(*at)) {
                Arp::Silence => facts.push(probe(None)),
                Arp::Answered(mac) => {
                    let why = format!("{name} was attested to be off, but {mac} answers ARP for {address}");
                    return Judgement::failed(why, vec![probe(Some(mac))]);
                }
                Arp::Unknown => {
                    let why = format!("whether {name} answers at {address} could not be asked");
                    return Judgement::unknown(why, facts);
                }
            }
        }
        facts.push(Fact::Answers { node: name.clone(), channel: Channel::Arp, answer: Tri::No });
        Judgement::succeeded(format!("{name} was attested to be off, and answers nowhere"), facts)
    });
    Step::observe(id, title, target(ctx), batch.script(), seen)
}

/// Just before the promotion: the fence still holds (trap 4: a restore policy or a hand may have powered it on again).
pub fn still_off(ctx: &Context<'_>, id: &str) -> Option<Step> {
    let node = ctx.other();
    if !by_device(ctx) {
        return None;
    }
    let status = vocabulary::fence(&node.fence, "status")?;
    let seen = is_off(node.name.clone(), node.fence.clone(), 1);
    let title = format!("{} is still off", node.name);
    Some(Step { retries: 2, traps: &[2, 4], ..Step::observe(id, title, Place::Controller, look(status), seen) })
}
