//! Drill: the procedure's test of the synchronisation (5.1.9), on the pair itself. The databases change roles and change back; the service
//! address stays where it is. xcatd is down for its time.

use journal_schema::Kind::{Forward, Pivot, Reversible};

use crate::{
    steps::{claim, drill, schedules},
    table::{Guard, Row, Stake, Workflow, row, states},
};

states! {
    /// States of a drill.
    pub enum Drill {
        Requested: "asked for",
        Observed: "both machines are the pinned ones and replicate in peer state",
        Claimed: "no other run can start",
        Disarmed: "no scheduled job writes to a machine whose database is primary for the time of the drill",
        PrimaryServes: "xcatd of the primary answers",
        NodeAdded: "the test node is in the database",
        PrimaryQuiet: "xcatd of the primary is stopped",
        TakenOver: "the standby's database took over",
        TakeoverProven: "each side says its new role",
        StandbyServes: "xcatd of the standby answers",
        NodeSeen: "the test node was seen there with its attributes",
        NodeDeleted: "it was deleted there",
        StandbyQuiet: "xcatd of the standby is stopped",
        TakenBack: "the primary's database took over again",
        ReturnProven: "each side says its old role",
        ServesAgain: "xcatd of the primary and of the service nodes answers",
        Verified: "the test node is gone from the primary's database",
        Rearmed: "scheduled jobs are as they were",
        Done: "the claims are released; everything was looked at again, and is as before",
    }
}

use Drill as S;

const TABLE: &[Row<Drill>] = &[
    row(S::Requested, "observe", S::Observed, Reversible, Guard::ALWAYS, drill::observe),
    row(S::Observed, "claim", S::Claimed, Reversible, Guard::ALWAYS, |c| claim::take(c, claim::Other::Alive)),
    row(S::Claimed, "disarm scheduled jobs", S::Disarmed, Reversible, Guard::ALWAYS, |c| schedules::disarm(c, true)),
    row(S::Disarmed, "start xcatd on the primary", S::PrimaryServes, Reversible, Guard::ALWAYS, drill::start),
    row(S::PrimaryServes, "add test node", S::NodeAdded, Reversible, Guard::ALWAYS, drill::add),
    row(S::NodeAdded, "stop xcatd on the primary", S::PrimaryQuiet, Reversible, Guard::ALWAYS, drill::stop_primary),
    row(S::PrimaryQuiet, "take over", S::TakenOver, Pivot, Guard::ALWAYS, drill::take_over),
    row(S::TakenOver, "prove takeover", S::TakeoverProven, Forward, Guard::ALWAYS, drill::prove),
    row(
        S::TakeoverProven,
        "start xcatd on the standby",
        S::StandbyServes,
        Forward,
        Guard::ALWAYS,
        drill::start_standby,
    ),
    row(S::StandbyServes, "look for test node", S::NodeSeen, Forward, Guard::ALWAYS, drill::verify),
    row(S::NodeSeen, "delete test node", S::NodeDeleted, Forward, Guard::ALWAYS, drill::delete),
    row(S::NodeDeleted, "stop xcatd on the standby", S::StandbyQuiet, Forward, Guard::ALWAYS, drill::stop_standby),
    row(S::StandbyQuiet, "take back", S::TakenBack, Forward, Guard::ALWAYS, drill::take_back),
    row(S::TakenBack, "prove return", S::ReturnProven, Forward, Guard::ALWAYS, drill::prove_back),
    row(S::ReturnProven, "start xcatd again", S::ServesAgain, Forward, Guard::ALWAYS, drill::start_again),
    row(S::ServesAgain, "verify", S::Verified, Forward, Guard::ALWAYS, drill::verify_gone),
    row(S::Verified, "arm scheduled jobs", S::Rearmed, Forward, Guard::ALWAYS, drill::rearm),
    row(S::Rearmed, "release", S::Done, Forward, Guard::ALWAYS, drill::release),
];

/// The workflow.
pub fn workflow() -> Workflow {
    let about = "both databases change roles and change back, with a test node that must be seen on the other side";
    Workflow::new("drill", about, TABLE, S::Requested, S::Done).stake(Stake::Interrupts)
}
