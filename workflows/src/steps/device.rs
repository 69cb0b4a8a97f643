//! The fence device, looked at: whether it answers, and whether it is the pinned one (trap 6).

use journal_schema::{Channel, Fact, Power, Tri, Verdict};

use super::{judge, look, read};
use crate::{
    model::Fence,
    script::Output,
    step::{Judge, Judgement, Place, Step},
    table::Context,
    vocabulary,
};

/// Status and identity of the fence device, each asked once. Only a wrong identity forbids to go on; silence is known to be possible,
/// and must not hold a failover up: nobody waits longer for it than [`patience_s`].
pub(crate) fn observe(ctx: &Context<'_>) -> Vec<Step> {
    let node = ctx.other();
    let patience = patience_s(&node.fence);
    let Some(status) = vocabulary::fence(&node.fence, "status") else { return Vec::new() };
    let (name, device) = (node.name.clone(), node.fence.clone());
    let seen = judge(move |output: &Output| {
        let power = read::power(&device, output.at(0));
        let answer = if power == Power::Unknown { Tri::Unknown } else { Tri::Yes };
        let facts = vec![
            Fact::PowerState { node: name.clone(), power },
            Fact::Answers { node: name.clone(), channel: Channel::Bmc, answer },
        ];
        Judgement::succeeded(format!("the power controller of {name} says {power:?}"), facts)
    });
    let title = format!("ask the fence device of {}", node.name);
    let status = look(status.timeout(patience));
    let mut steps =
        vec![Step { traps: &[2, 6, 7], ..Step::observe("observe.fence", title, Place::Controller, status, seen) }];
    if let (Some(ask), Some(pinned)) = (vocabulary::fence_identity(&node.fence), read::pinned(&node.fence)) {
        let same = same_device(node.name.clone(), node.fence.clone(), pinned.to_owned(), ctx.target());
        let seen = judge(move |output: &Output| match same(output) {
            // Silence is for the fencing itself to judge, which needs the answer.
            unclear if unclear.verdict == Verdict::Unknown => Judgement { verdict: Verdict::Succeeded, ..unclear },
            clear => clear,
        });
        let title = format!("which machine the fence device of {} belongs to", node.name);
        steps.push(Step {
            // One's own command may stand for a device that lets one in at a time.
            stage: u8::from(matches!(node.fence, Fence::Command { .. })),
            traps: &[6],
            ..Step::observe("observe.device", title, Place::Controller, look(ask.timeout(patience)), seen)
        });
    }
    steps
}

/// Longest wait for a fence device that is only looked at, seconds: ten, unless its own options grant it more.
pub(crate) fn patience_s(fence: &Fence) -> u32 {
    let granted = match fence {
        Fence::Agent { options, .. } => {
            let patient =
                options.iter().filter(|(key, _)| key.ends_with("_timeout") || key == "power_wait" || key == "delay");
            patient.filter_map(|(_, value)| value.parse::<u32>().ok()).fold(0_u32, u32::saturating_add)
        }
        Fence::Command { .. } | Fence::Attestation => 0,
    };
    granted.clamp(10, 60)
}

/// Judges what the device said of itself: it is the pinned one, and not that of the machine that is to be in service.
pub(crate) fn same_device(name: String, fence: Fence, pinned: String, target: &crate::model::Node) -> Judge {
    let (own, own_name) = (read::pinned(&target.fence).map(str::to_owned), target.name.clone());
    judge(move |output: &Output| {
        let Some(found) = read::fence_identity(&fence, output.at(0)) else {
            let why = format!(
                "the fence device of {name} does not say who it is: {}; repair the way to it and resume, or make sure on the spot \
                 that {name} is off, roll back, and run failover with --attest-off WORDS",
                read::said(output.at(0))
            );
            return Judgement::unknown(why, Vec::new());
        };
        let facts = vec![Fact::FenceIdentity { node: name.clone(), identity: found.clone() }];
        if own.as_deref().is_some_and(|own| read::same_identity(own, &found)) {
            return Judgement::failed(
                format!("the fence device configured for {name} is that of {own_name} itself"),
                facts,
            );
        }
        if !read::same_identity(&pinned, &found) {
            return Judgement::failed(format!("the fence device of {name} is {found}, pinned is {pinned}"), facts);
        }
        Judgement::succeeded(format!("the fence device of {name} is the pinned one"), facts)
    })
}
