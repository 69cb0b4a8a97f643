//! Set-up: the database of the machine in service is given to the other one, and the two are tied together by HADR. Sections 4.0 and 5.1.1
//! to 5.1.8 of the procedure.

use journal_schema::Kind::{Forward, Pivot, Reversible};

use crate::{
    steps::{claim, seed, setup},
    table::{Guard, PAIR, Row, Stake, Workflow, row, states},
    vocabulary,
};

states! {
    /// States of a set-up.
    pub enum Setup {
        Requested: "asked for",
        Observed: "both machines and their DB2 were looked at",
        Assessed: "the other machine's database may be overwritten",
        Claimed: "no other run can start",
        Prepared: "the machines reach each other, nothing starts by itself on them",
        Disconnected: "no client of the database is left",
        Configured: "the log is kept on both",
        BackedUp: "an image of the database is there",
        Copied: "it is the same on the other machine",
        Restored: "the other machine has it and waits for the log",
        PortsKnown: "both ports are known on both",
        Tied: "each knows the other",
        StandbyStarted: "the standby listens",
        PrimaryStarted: "the primary sends",
        Paired: "both are in peer state, connected",
        Served: "xcatd answers again",
        Done: "the claims are released; what is open is listed",
    }
}

use Setup as S;

const TABLE: &[Row<Setup>] = &[
    row(S::Requested, "observe", S::Observed, Reversible, Guard::ALWAYS, setup::observe),
    row(S::Observed, "assess", S::Assessed, Reversible, Guard::ALWAYS, setup::weigh),
    row(S::Assessed, "claim", S::Claimed, Reversible, Guard::ALWAYS, |c| claim::take(c, claim::Other::Alive)),
    row(S::Claimed, "prepare", S::Prepared, Reversible, Guard::ALWAYS, setup::prepare),
    row(S::Prepared, "disconnect clients", S::Disconnected, Reversible, Guard::ALWAYS, setup::disconnect),
    row(S::Disconnected, "configure logging", S::Configured, Reversible, Guard::ALWAYS, setup::configure),
    row(S::Configured, "back up", S::BackedUp, Reversible, Guard::ALWAYS, |c| {
        seed::backup(c, c.request.target, "seed.backup")
    }),
    row(S::BackedUp, "copy image", S::Copied, Reversible, Guard::ALWAYS, |c| {
        seed::copy(c, c.request.target, "seed.copy", &vocabulary::node_file(c.pair, "known-hosts"))
    }),
    row(S::Copied, "restore", S::Restored, Pivot, Guard::ALWAYS, |c| {
        seed::restore(c, c.request.target.other(), "seed.restore")
    }),
    row(S::Restored, "make ports known", S::PortsKnown, Forward, Guard::ALWAYS, setup::ports),
    row(S::PortsKnown, "tie", S::Tied, Forward, Guard::ALWAYS, setup::tie),
    row(S::Tied, "start standby", S::StandbyStarted, Forward, Guard::ALWAYS, setup::start_standby),
    row(S::StandbyStarted, "start primary", S::PrimaryStarted, Forward, Guard::ALWAYS, setup::start_primary),
    row(S::PrimaryStarted, "verify", S::Paired, Forward, Guard::ALWAYS, setup::verify),
    row(S::Paired, "start xcatd", S::Served, Forward, Guard::ALWAYS, setup::serve),
    row(S::Served, "release", S::Done, Forward, Guard::ALWAYS, setup::release),
];

/// The workflow.
pub fn workflow() -> Workflow {
    let about = "the database of the machine in service is given to the other one, and the two replicate from then on";
    Workflow::new("setup", about, TABLE, S::Requested, S::Done).stake(Stake::OverwritesOther).at_primary().settles(PAIR)
}
