//! Failover: the machine in service is dead or to be taken for dead; the standby takes its place.

use journal_schema::Kind::{Forward, Pivot, Reversible};

use crate::{
    steps::{
        address,
        assess::{self, Aim},
        claim, epoch, fence,
        postgres::{self, Proof},
        preflight, schedules, verify, xcat,
    },
    table::{Guard, OUT_OF_SERVICE, PLACE, Row, Workflow, row, states},
};

states! {
    /// States of a failover.
    pub enum Failover {
        Requested: "asked for",
        Observed: "both machines, the wire and the fence device were looked at",
        Assessed: "the standby may take over; what is lost at most is known, or its being unknown accepted",
        Claimed: "no other run can start",
        Fenced: "the old primary is off, by its device or by an operator's word",
        Disarmed: "no scheduled job writes to the new primary",
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

use Failover as S;

const TABLE: &[Row<Failover>] = &[
    row(S::Requested, "observe", S::Observed, Reversible, Guard::ALWAYS, |c| {
        [assess::observe(c, Aim::Failover), preflight::failover(c)].concat()
    }),
    row(S::Observed, "assess", S::Assessed, Reversible, Guard::ALWAYS, |c| assess::weigh(c, Aim::Failover)),
    row(S::Assessed, "claim", S::Claimed, Reversible, Guard::ALWAYS, |c| claim::take(c, claim::Other::MayBeDead)),
    row(S::Claimed, "fence by device", S::Fenced, Reversible, fence::BY_DEVICE, fence::power_off),
    row(S::Claimed, "accept attestation", S::Fenced, Reversible, fence::BY_ATTESTATION, fence::attested),
    row(S::Fenced, "disarm scheduled jobs", S::Disarmed, Reversible, Guard::ALWAYS, |c| schedules::disarm(c, false)),
    row(S::Disarmed, "promote database", S::DatabasePromoted, Pivot, Guard::ALWAYS, |c| {
        postgres::promote(c, Proof::Fence)
    }),
    row(S::DatabasePromoted, "raise epoch", S::EpochRaised, Forward, Guard::ALWAYS, |c| epoch::raise(c, false)),
    row(S::EpochRaised, "take address and name", S::AddressTaken, Forward, Guard::ALWAYS, address::take),
    row(S::AddressTaken, "readdress database", S::DatabaseReaddressed, Forward, Guard::ALWAYS, postgres::readdress),
    row(S::DatabaseReaddressed, "start xcatd", S::XcatdProven, Forward, Guard::ALWAYS, xcat::start),
    row(S::XcatdProven, "rebuild network services", S::ServicesRebuilt, Forward, Guard::ALWAYS, xcat::services),
    row(S::ServicesRebuilt, "verify", S::Verified, Forward, Guard::ALWAYS, |c| {
        verify::verify(c, verify::Other::Fenced)
    }),
    row(S::Verified, "release", S::Done, Forward, Guard::ALWAYS, |c| claim::release(c, claim::Other::MayBeDead)),
];

/// The workflow.
pub fn workflow() -> Workflow {
    let about = "the standby takes over from a machine that is dead, or is made so first";
    Workflow::new("failover", about, TABLE, S::Requested, S::Done).settles(PLACE).settles(OUT_OF_SERVICE)
}
