//! A set-up of the procedure's pair, whole: from a database in service on one machine to two that replicate.

use std::sync::Arc;

use lab::{
    db2::Version,
    sim::{Old, World},
};
use workflows::{
    example,
    model::{Flavour, NodeId, Pair},
};

use crate::campaign::Case;

/// A set-up of a pair that is not formed, after a minute of peace and what `prepare` does.
pub(crate) fn case_of(name: &'static str, pair: Pair, version: Version, old: Old, prepare: fn(&mut World)) -> Case {
    let mut world = World::unformed(&pair, version, old);
    world.advance(60_000);
    prepare(&mut world);
    let workflow = workflows::registry::by_name(Flavour::Db2, "setup").expect("a workflow of that name");
    Case {
        name,
        workflow: Arc::new(workflow),
        pair: Arc::new(pair),
        world,
        decisions: Vec::new(),
        target: NodeId::A,
        holds: |w| w.served() && w.streaming(),
        rebooted: |_| {},
    }
}

/// The set-ups of the campaign.
pub(crate) fn cases() -> Vec<Case> {
    let procedure = example::procedure;
    vec![
        case_of("DB2 set-up, nothing there", procedure(), Version::V9_7, Old::Nothing, |_| {}),
        case_of("DB2 set-up, DB2 11.5 and a database there", procedure(), Version::V11_5, Old::Standard, |_| {}),
        case_of("DB2 set-up, what is left of a pair", procedure(), Version::V10_5, Old::Standby, |_| {}),
    ]
}
