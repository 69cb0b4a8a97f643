//! Failover of a pair with DB2: the machine in service is dead, or is powered off by this run; the standby takes its place.
//!
//! Two ways. Where both databases are alive, in peer state and connected, they change roles by themselves, and the old machine is powered
//! off before its address is taken. Else it is powered off first, hard and proven, because a database that goes on writing, and even one
//! that is stopped in order, cannot be taken in again; then the standby takes over in the form that its state permits.

use journal_schema::{
    Kind::{Forward, Pivot, Reversible},
    TakeoverForm,
};

use super::{
    instance::{self, Opening},
    look, promote, serve,
};
use crate::{
    model::Platform,
    step::Step,
    steps::{address, aix, claim, epoch, fence, fit, nim, schedules, xcat},
    table::{Context, Guard, PLACE, Row, Workflow, row, states},
};

states! {
    /// States of a failover with DB2.
    pub enum Failover {
        Requested: "asked for",
        Observed: "both machines, the wire and the fence device were looked at",
        Assessed: "the standby may take over; what is lost at most is known, or its being unknown accepted",
        Claimed: "no other run can start",
        Quieted: "both are alive; no scheduled job writes to the new primary",
        RolesSwitched: "both databases have changed roles",
        Fenced: "the old primary is off, by its device or by an operator's word",
        Disarmed: "no scheduled job writes to the new primary",
        Decided: "the form of takeover that the state permits is known, and its loss accepted",
        TakenOver: "the database is writable, and the old primary off",
        EpochRaised: "jobs of the old epoch are refused",
        DatabaseStopped: "the database knows its new place and is stopped",
        AddressTaken: "the service address and name are here",
        DatabaseOpen: "the instance knows the machine by its new name, and the database is open",
        XcatdProven: "xcatd shows the cluster's site table",
        ServicesRebuilt: "DNS and consoles are rebuilt, the address announced",
        Managing: "everything was looked at again: the cluster is managed; deployment of nodes follows",
        Surveyed: "the images of the database were compared with what the last sync saved",
        Provided: "images have their resources and files here, or are listed as open",
        Deployable: "nodes boot as they did before",
        Done: "the claims are released; what is open is listed",
    }
}

use Failover as S;

const TABLE: &[Row<Failover>] = &[
    row(S::Requested, "observe", S::Observed, Reversible, Guard::ALWAYS, observe),
    row(S::Observed, "assess", S::Assessed, Reversible, Guard::ALWAYS, promote::weigh),
    row(S::Assessed, "claim", S::Claimed, Reversible, Guard::ALWAYS, |c| claim::take(c, claim::Other::MayBeDead)),
    row(S::Claimed, "disarm both", S::Quieted, Reversible, promote::GRACEFUL, |c| schedules::disarm(c, true)),
    row(S::Claimed, "fence by device", S::Fenced, Reversible, promote::FENCE_BY_DEVICE, fence::power_off),
    row(S::Claimed, "accept attestation", S::Fenced, Reversible, promote::FENCE_BY_WORD, fence::attested),
    row(S::Quieted, "switch roles", S::RolesSwitched, Pivot, Guard::ALWAYS, |c| {
        promote::switch_roles(c, "switch.database")
    }),
    row(S::RolesSwitched, "power the old primary off", S::TakenOver, Forward, Guard::ALWAYS, power_off),
    row(S::Fenced, "disarm scheduled jobs", S::Disarmed, Reversible, Guard::ALWAYS, |c| schedules::disarm(c, false)),
    row(S::Disarmed, "decide", S::Decided, Reversible, Guard::ALWAYS, promote::decide),
    row(S::Decided, "take over within the peer window", S::TakenOver, Pivot, promote::IN_WINDOW, |c| {
        promote::take_over(c, TakeoverForm::PeerWindowOnly)
    }),
    row(S::Decided, "take over by force", S::TakenOver, Pivot, promote::BY_FORCE, |c| {
        promote::take_over(c, TakeoverForm::ByForce)
    }),
    row(S::TakenOver, "raise epoch", S::EpochRaised, Forward, Guard::ALWAYS, |c| epoch::raise(c, false)),
    row(S::EpochRaised, "stop database", S::DatabaseStopped, Forward, instance::KEEP, stop),
    row(S::EpochRaised, "leave HADR and stop database", S::DatabaseStopped, Forward, instance::DISSOLVE, dissolve),
    row(S::DatabaseStopped, "take address and name", S::AddressTaken, Forward, Guard::ALWAYS, address::take),
    row(S::AddressTaken, "start database", S::DatabaseOpen, Forward, Guard::ALWAYS, start),
    row(S::DatabaseOpen, "start xcatd", S::XcatdProven, Forward, Guard::ALWAYS, serve::start),
    row(S::XcatdProven, "rebuild network services", S::ServicesRebuilt, Forward, Guard::ALWAYS, xcat::services),
    row(S::ServicesRebuilt, "verify", S::Managing, Forward, Guard::ALWAYS, serve::verify),
    row(S::Managing, "survey images", S::Surveyed, Forward, Guard::ALWAYS, nim::survey),
    row(S::Surveyed, "provide images", S::Provided, Forward, Guard::ALWAYS, nim::provide),
    row(S::Provided, "restore boot configuration", S::Deployable, Forward, Guard::ALWAYS, nim::restore_boot),
    row(S::Deployable, "release", S::Done, Forward, Guard::ALWAYS, |c| claim::release(c, claim::Other::MayBeDead)),
];

/// The workflow.
pub fn workflow() -> Workflow {
    let about = "the standby takes over from a machine that is dead, or is made so: DB2 HADR, in the form that the state permits";
    Workflow::new("failover", about, TABLE, S::Requested, S::Done).settles(PLACE)
}

/// Both machines, and what the last sync saved for deployment: how old that is, is known before consent.
fn observe(ctx: &Context<'_>) -> Vec<Step> {
    let mut steps = look::observe(ctx, false);
    steps.extend(nim::read_saved(ctx, "observe.saved"));
    steps
}

/// After the pivot nothing is undone.
pub(super) fn forward(steps: Vec<Step>) -> Vec<Step> {
    steps.into_iter().map(|step| Step { undo: None, ..step }).collect()
}

/// The old primary is a standby by now. Deactivated first, because a standby that vanishes makes the new primary hold commits back for
/// the length of the peer window.
fn power_off(ctx: &Context<'_>) -> Vec<Step> {
    let off = fence::power_off(ctx).into_iter().map(|step| Step {
        stage: step.stage + 1,
        id: format!("switch.{}", step.id),
        ..step
    });
    let deactivate = instance::deactivate(ctx, ctx.request.target.other(), "switch.deactivate");
    let mut steps = vec![Step { optional: true, ..deactivate }];
    if ctx.other().platform == Platform::Aix {
        // The ODM would give it the service address again when somebody switches it on.
        let guard = aix::guard_boot(ctx, ctx.request.target.other(), aix::Guarded::Replaced, "switch.guard-boot");
        steps.push(Step { optional: true, ..guard });
    }
    forward(fit(steps.into_iter().chain(off).collect()))
}

fn stop(ctx: &Context<'_>) -> Vec<Step> {
    let target = ctx.request.target;
    let stop = Step { stage: 1, ..instance::stop(ctx, target, "database.stop") };
    fit(vec![instance::addresses(ctx, target, true, "database.addresses"), stop])
}

fn dissolve(ctx: &Context<'_>) -> Vec<Step> {
    let later = stop(ctx).into_iter().map(|step| Step { stage: step.stage + 1, ..step });
    fit(std::iter::once(instance::dissolve(ctx)).chain(later).collect())
}

fn start(ctx: &Context<'_>) -> Vec<Step> {
    let target = ctx.request.target;
    let mut steps = instance::renamed(ctx, target, &ctx.pair.service.host_name, "database", 0);
    let opening = if (instance::KEEP.holds)(ctx) { Opening::PrimaryAlone } else { Opening::Standard };
    if opening == Opening::Standard {
        steps.push(Step { stage: 3, ..instance::rolled_forward(ctx, "database.rollforward") });
    }
    steps.push(Step { stage: 4, ..instance::open(ctx, target, opening, "database.open") });
    fit(steps)
}
