//! A pair with DB2 in the simulated world: the ways of a failover.

use std::sync::Arc;

use hamn::engine::Ending;
use journal_schema::{Payload, Record};
use lab::sim::World;
use workflows::{
    example,
    model::{Flavour, NodeId, Pair, Platform},
    registry,
};

use crate::stage::{Do, Script, Stage, story};

/// The procedure's pair on Linux.
fn pair() -> Pair {
    let mut pair = example::procedure();
    for (node, other) in pair.nodes.iter_mut().zip(example::practice().nodes) {
        node.platform = Platform::Linux;
        node.machine_id = other.machine_id;
    }
    pair.xcat.control = example::practice().xcat.control;
    pair
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

/// 5.1.9 whole: both databases change roles and change back, and the test node is gone. The return is a second promotion under the epoch
/// of the first, because a run has one epoch; nothing else may be found.
#[test]
fn t54_a_drill_ends_where_it_began() {
    let stage = stage(World::healthy(&pair()), "drill", NodeId::B);
    let end = stage.program(Do::Start);
    let records = stage.records();
    assert!(matches!(end, Some(Ending::Done)), "{end:?}\n{}", story(&records));
    let violations = stage.violations.lock().unwrap();
    let other: Vec<_> =
        violations.iter().map(|v| format!("{v:?}")).filter(|v| !v.contains("before the epoch was raised")).collect();
    assert!(other.is_empty(), "{other:?}\n{}", story(&records));
    let items = |word: fn(&Payload) -> bool| records.iter().filter(|r| word(&r.payload)).count();
    assert!(items(|p| matches!(p, Payload::ItemOpened(item) if item.id == "drill.test-node")) == 1);
    assert!(items(|p| matches!(p, Payload::ItemClosed { id, .. } if id == "drill.test-node")) == 1);
}

/// What a dead primary cannot tell is on both machines afterwards.
#[test]
fn a_sync_saves_what_the_primary_tells() {
    let mut pair = pair();
    pair.nim = None;
    let workflow = registry::by_name(Flavour::Db2, "sync").unwrap();
    let world = World::healthy(&pair);
    let records = done(&Stage::new(world, Arc::new(pair), Arc::new(workflow), NodeId::A, Script::default()));
    assert_eq!(states(&records).last(), Some(&"Done"));
}
