//! A pair with DB2 in the simulated world: the ways of a failover.

use std::sync::Arc;

use hamn::engine::Ending;
use journal_schema::{Payload, Record};
use lab::sim::World;
use workflows::{
    example,
    model::{Flavour, NodeId, Pair},
    registry,
};

use crate::stage::{Do, Script, Stage, story};

/// The procedure's own pair.
fn pair() -> Pair {
    example::procedure()
}

fn stage(world: World, workflow: &str, target: NodeId) -> Stage {
    let workflow = registry::by_name(Flavour::Db2, workflow).unwrap();
    Stage::new(world, Arc::new(pair()), Arc::new(workflow), target, Script::default())
}

fn states(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .filter_map(|r| if let Payload::Entered { state } = &r.payload { Some(state.as_str()) } else { None })
        .collect()
}

#[track_caller]
fn done(stage: &Stage) -> Vec<Record> {
    let end = stage.program(Do::Start);
    let records = stage.records();
    assert!(matches!(end, Some(Ending::Done)), "{end:?}\n{}", story(&records));
    let violations = stage.violations.lock().unwrap();
    assert!(violations.is_empty(), "{violations:?}\n{}", story(&records));
    records
}

/// Both alive and in peer state: the databases change roles, then the old machine is powered off.
#[test]
fn a_primary_that_is_alive_hands_over() {
    let records = done(&stage(World::healthy(&pair()), "failover", NodeId::B));
    assert!(states(&records).contains(&"RolesSwitched"));
}

/// The primary is dead, and the peer window over by the time of the decision or not provable: by force, with the loss accepted.
#[test]
fn t40_a_dead_primary_is_fenced_first() {
    let mut world = World::healthy(&pair());
    world.power(NodeId::A, false);
    let stage = stage(world, "failover", NodeId::B);
    let records = done(&stage);
    let states = states(&records);
    let at = |state: &str| states.iter().position(|s| *s == state).unwrap();
    assert!(at("Fenced") < at("Decided") && at("Decided") < at("TakenOver"), "{states:?}");
}
