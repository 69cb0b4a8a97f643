//! Switchover: both machines are well and change places; nothing is lost.
//!
//! The primary's database is stopped while the service address is still there, because a standby may stream through it, and the
//! address is given away only when the standby is known to have everything.

use journal_schema::Kind::{Forward, Pivot, Reversible};

use crate::{
    steps::{
        address,
        assess::{self, Aim},
        claim, epoch,
        postgres::{self, Proof},
        preflight, schedules, verify, xcat,
    },
    table::{Guard, OUT_OF_SERVICE, PLACE, Row, Stake, Workflow, row, states},
};

states! {
    /// States of a switchover.
    pub enum Switchover {
        Requested: "asked for",
        Observed: "both machines were looked at",
        Assessed: "both are alive and replicate",
        Claimed: "no other run can start",
        Disarmed: "no scheduled job writes to the new primary",
        Quiet: "xcatd and the DHCP server of the old primary are stopped",
        StoodDown: "the old primary's database is shut down in order and cannot start writable",
        CaughtUp: "the standby has everything that was written",
        AddressReleased: "the old primary has given the service address and name away",
        DatabasePromoted: "the database is writable",
        EpochRaised: "jobs of the old epoch are refused",
        AddressTaken: "the service address and name are here",
        DatabaseReaddressed: "the database lets clients in there",
        XcatdProven: "xcatd shows the cluster's site table",
        ServicesRebuilt: "DNS, DHCP and consoles are rebuilt, the address announced",
        Verified: "everything was looked at again",
        Done: "the claims are released; what is open is listed",
    }
}

use Switchover as S;

const TABLE: &[Row<Switchover>] = &[
    row(S::Requested, "observe", S::Observed, Reversible, Guard::ALWAYS, |c| {
        [assess::observe(c, Aim::Switchover), preflight::switchover(c)].concat()
    }),
    row(S::Observed, "assess", S::Assessed, Reversible, Guard::ALWAYS, |c| assess::weigh(c, Aim::Switchover)),
    row(S::Assessed, "claim", S::Claimed, Reversible, Guard::ALWAYS, |c| claim::take(c, claim::Other::Alive)),
    row(S::Claimed, "disarm scheduled jobs", S::Disarmed, Reversible, Guard::ALWAYS, |c| schedules::disarm(c, true)),
    row(S::Disarmed, "stop xcatd", S::Quiet, Reversible, Guard::ALWAYS, xcat::stop),
    row(S::Quiet, "stop database", S::StoodDown, Reversible, Guard::ALWAYS, postgres::stand_down),
    row(S::StoodDown, "compare positions", S::CaughtUp, Reversible, Guard::ALWAYS, postgres::compare),
    row(S::CaughtUp, "release address and name", S::AddressReleased, Reversible, Guard::ALWAYS, address::release),
    row(S::AddressReleased, "promote database", S::DatabasePromoted, Pivot, Guard::ALWAYS, |c| {
        postgres::promote(c, Proof::StoodDown)
    }),
    row(S::DatabasePromoted, "raise epoch", S::EpochRaised, Forward, Guard::ALWAYS, |c| epoch::raise(c, true)),
    row(S::EpochRaised, "take address and name", S::AddressTaken, Forward, Guard::ALWAYS, address::take),
    row(S::AddressTaken, "readdress database", S::DatabaseReaddressed, Forward, Guard::ALWAYS, postgres::readdress),
    row(S::DatabaseReaddressed, "start xcatd", S::XcatdProven, Forward, Guard::ALWAYS, xcat::start),
    row(S::XcatdProven, "rebuild network services", S::ServicesRebuilt, Forward, Guard::ALWAYS, xcat::services),
    row(S::ServicesRebuilt, "verify", S::Verified, Forward, Guard::ALWAYS, |c| {
        verify::verify(c, verify::Other::SteppedDown)
    }),
    row(S::Verified, "release", S::Done, Forward, Guard::ALWAYS, |c| claim::release(c, claim::Other::Alive)),
];

/// The workflow.
pub fn workflow() -> Workflow {
    let about = "the two machines change places in order; no acknowledged row is lost";
    Workflow::new("switchover", about, TABLE, S::Requested, S::Done)
        .stake(Stake::StepsDown)
        .settles(PLACE)
        .settles(OUT_OF_SERVICE)
}
