//! Sync: what a dead primary cannot tell is saved on the other machine while the primary lives. The database part only: images and other
//! files are not copied by it.

use journal_schema::Kind::{Forward, Pivot, Reversible};

use crate::{
    steps::sync,
    table::{Guard, Row, Stake, Workflow, row, states},
};

states! {
    /// States of a sync.
    pub enum Syncing {
        Requested: "asked for",
        Observed: "both machines were asked for their epoch",
        Assessed: "the machine is the primary",
        Collected: "images, locations and boot states were read",
        Saved: "they are on the primary's disk",
        Done: "they are on the other machine and where hamn runs",
    }
}

use Syncing as S;

const TABLE: &[Row<Syncing>] = &[
    row(S::Requested, "observe", S::Observed, Reversible, Guard::ALWAYS, sync::observe),
    row(S::Observed, "assess", S::Assessed, Reversible, Guard::ALWAYS, sync::assess),
    row(S::Assessed, "collect", S::Collected, Reversible, Guard::ALWAYS, sync::collect),
    row(S::Collected, "save", S::Saved, Pivot, Guard::ALWAYS, sync::save),
    row(S::Saved, "copy", S::Done, Forward, Guard::ALWAYS, sync::copy),
];

/// The workflow.
pub fn workflow() -> Workflow {
    let about = "what deployment needs and only the primary can tell is saved on both machines";
    Workflow::new("sync", about, TABLE, S::Requested, S::Done)
        .stake(Stake::Nothing)
        .at_primary()
        .settles(&["save.other", "save.controller"])
}
