//! Failback of a pair with DB2: the machine that was in service before becomes the standby, catches up, and the two change places.
//!
//! Everything up to its place in the pair can be undone. From then on the run only goes forward, to a pair with a standby at least: if
//! the last part cannot be done, the cluster stays managed where it is, and protected. What was deployed from the other machine meanwhile is
//! deployed from this one again, at the end: it holds nothing up.

use journal_schema::Kind::{Forward, Pivot, Reversible};

use super::{
    failover::forward,
    instance::{self, Opening},
    look, promote, reseed, serve,
};
use crate::{
    model::Platform,
    step::Step,
    steps::{address, aix, claim, epoch, fit, nim, schedules, service_nodes, xcat},
    table::{Context, Guard, PAIR, PLACE, Row, Stake, Workflow, row, states},
};

states! {
    /// States of a failback with DB2.
    pub enum Failback {
        Requested: "asked for",
        Observed: "both machines were looked at",
        Assessed: "one is in service, the other may become its standby",
        Claimed: "no other run can start",
        Disarmed: "no scheduled job writes to either",
        Quiet: "nothing on the returning machine connects to its database",
        Tried: "the returning copy was started as the standby, and was looked at until it followed or vanished",
        Placed: "the returning machine has the standby's place; its copy has no pair to rejoin",
        Saved: "what only the old copy has is kept",
        BackedUp: "there is an image of the database in service",
        Copied: "the image is on the returning machine",
        Restored: "the returning machine has a new copy, started as the standby",
        Protected: "the standby is in peer state and has everything",
        Idle: "xcatd is stopped everywhere",
        RolesSwitched: "both databases have changed roles",
        EpochRaised: "jobs of the old epoch are refused",
        DatabasesStopped: "both databases know their new places and are stopped",
        AddressReleased: "the service address is nobody's",
        AddressTaken: "the service address and name are here",
        Swapped: "the other machine has the standby's address and name",
        DatabasesOpen: "both databases are open, in peer state",
        XcatdProven: "xcatd shows the cluster's site table",
        ServicesRebuilt: "DNS and consoles are rebuilt, the address announced",
        Verified: "everything was looked at again",
        Rearmed: "scheduled jobs that keep the standby's files are armed again: the cluster is managed; deployment of nodes follows",
        Surveyed: "the images of the database were compared with what the last sync saved",
        Provided: "images have their resources and files here, or are listed as open",
        Deployable: "nodes boot as they did before",
        Done: "the claims are released; what is open is listed",
    }
}

use Failback as S;

const TABLE: &[Row<Failback>] = &[
    row(S::Requested, "observe", S::Observed, Reversible, Guard::ALWAYS, |c| {
        [look::observe(c, true), nim::read_saved(c, "observe.saved")].concat()
    }),
    row(S::Observed, "assess", S::Assessed, Reversible, Guard::ALWAYS, reseed::weigh),
    row(S::Assessed, "claim", S::Claimed, Reversible, Guard::ALWAYS, reseed::claim),
    row(S::Claimed, "disarm scheduled jobs", S::Disarmed, Reversible, Guard::ALWAYS, |c| schedules::disarm(c, true)),
    row(S::Disarmed, "quiet the returning machine", S::Quiet, Reversible, Guard::ALWAYS, reseed::quiet),
    row(S::Quiet, "take in as standby", S::Tried, Pivot, reseed::REJOINS, reseed::take_in),
    row(S::Quiet, "give it the standby's place", S::Placed, Pivot, reseed::APART, reseed::placed),
    row(S::Tried, "wait until it has everything", S::Protected, Forward, reseed::JOINED, level),
    row(S::Tried, "save what only it has", S::Saved, Forward, reseed::PARTED, reseed::save),
    row(S::Placed, "save the old copy's log", S::Saved, Forward, Guard::ALWAYS, reseed::save),
    row(S::Saved, "back up", S::BackedUp, Forward, Guard::ALWAYS, reseed::back_up),
    row(S::BackedUp, "copy the image", S::Copied, Forward, Guard::ALWAYS, reseed::copy),
    row(S::Copied, "restore", S::Restored, Forward, Guard::ALWAYS, reseed::restore),
    row(S::Restored, "wait until the new copy has everything", S::Protected, Forward, Guard::ALWAYS, level),
    row(S::Protected, "stop xcatd", S::Idle, Forward, Guard::ALWAYS, stop_xcatd),
    row(S::Idle, "switch roles", S::RolesSwitched, Forward, Guard::ALWAYS, |c| {
        promote::switch_roles(c, "failback.database")
    }),
    row(S::RolesSwitched, "raise epoch", S::EpochRaised, Forward, Guard::ALWAYS, |c| epoch::raise(c, true)),
    row(S::EpochRaised, "stop databases", S::DatabasesStopped, Forward, Guard::ALWAYS, stop),
    row(S::DatabasesStopped, "release address", S::AddressReleased, Forward, Guard::ALWAYS, |c| {
        forward(address::release(c))
    }),
    row(S::AddressReleased, "take address and name", S::AddressTaken, Forward, Guard::ALWAYS, address::take),
    row(S::AddressTaken, "give the other the standby's place", S::Swapped, Forward, Guard::ALWAYS, swap),
    row(S::Swapped, "start databases", S::DatabasesOpen, Forward, Guard::ALWAYS, start),
    row(S::DatabasesOpen, "start xcatd", S::XcatdProven, Forward, Guard::ALWAYS, serve::start),
    row(S::XcatdProven, "rebuild network services", S::ServicesRebuilt, Forward, Guard::ALWAYS, xcat::services),
    row(S::ServicesRebuilt, "verify", S::Verified, Forward, Guard::ALWAYS, verify),
    row(S::Verified, "arm scheduled jobs", S::Rearmed, Forward, Guard::ALWAYS, |c| {
        fit(vec![schedules::rearm_outgoing(c, c.request.target)])
    }),
    row(S::Rearmed, "survey images", S::Surveyed, Forward, Guard::ALWAYS, nim::survey),
    row(S::Surveyed, "provide images", S::Provided, Forward, Guard::ALWAYS, nim::provide),
    row(S::Provided, "restore boot configuration", S::Deployable, Forward, Guard::ALWAYS, nim::restore_boot),
    row(S::Deployable, "release", S::Done, Forward, Guard::ALWAYS, release),
];

/// The workflow.
pub fn workflow() -> Workflow {
    let about = "the machine that was in service before becomes the standby, catches up, and the two change places";
    Workflow::new("failback", about, TABLE, S::Requested, S::Done)
        .stake(Stake::OverwritesTarget)
        .settles(PLACE)
        .settles(PAIR)
}

fn level(ctx: &Context<'_>) -> Vec<Step> {
    fit(vec![reseed::level(ctx, ctx.request.target, false, "standby.level")])
}

fn stop_xcatd(ctx: &Context<'_>) -> Vec<Step> {
    // Nobody writes any more: now the positions are the same, or something is missing.
    let even = Step { stage: 1, ..reseed::level(ctx, ctx.request.target, true, "standby.even") };
    let partner = Step { stage: 1, ..reseed::partner(ctx, "standby.partner") };
    forward(fit(xcat::stop(ctx).into_iter().chain(service_nodes::stop(ctx)).chain([even, partner]).collect()))
}

/// The new primary first, then its standby: in this order DB2 is shut down.
fn stop(ctx: &Context<'_>) -> Vec<Step> {
    let (here, there) = (ctx.request.target, ctx.request.target.other());
    fit(vec![
        instance::addresses(ctx, here, true, "target.addresses"),
        instance::addresses(ctx, there, false, "other.addresses"),
        Step { stage: 1, ..instance::stop(ctx, here, "target.stop") },
        Step { stage: 2, ..instance::stop(ctx, there, "other.stop") },
    ])
}

fn swap(ctx: &Context<'_>) -> Vec<Step> {
    if ctx.other().platform == Platform::Aix { aix::take_standby(ctx) } else { Vec::new() }
}

/// The standby first: a primary waits for it.
fn start(ctx: &Context<'_>) -> Vec<Step> {
    let (here, there) = (ctx.request.target, ctx.request.target.other());
    let service = &ctx.pair.service;
    let mut steps = instance::renamed(ctx, there, &service.standby_host_name, "other", 0);
    steps.extend(instance::renamed(ctx, here, &service.host_name, "target", 0));
    steps.push(Step { stage: 3, section: "5.1.7", ..instance::open(ctx, there, Opening::Standby, "other.open") });
    steps.push(Step { stage: 4, section: "5.1.7", ..instance::open(ctx, here, Opening::Primary, "target.open") });
    steps.push(Step { stage: 5, ..reseed::level(ctx, there, true, "other.level") });
    fit(steps)
}

fn verify(ctx: &Context<'_>) -> Vec<Step> {
    let level = reseed::level(ctx, ctx.request.target.other(), false, "verify.standby");
    fit(vec![serve::on_target(ctx), level])
}

/// Deployment may have taken an hour: that the pair has a standby is seen once more before the run says so.
fn release(ctx: &Context<'_>) -> Vec<Step> {
    let level = reseed::level(ctx, ctx.request.target.other(), false, "release.standby");
    let later = claim::release(ctx, claim::Other::Alive).into_iter().map(|step| Step { stage: step.stage + 1, ..step });
    fit(std::iter::once(level).chain(later).collect())
}
