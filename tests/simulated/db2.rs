//! A pair with DB2 in the simulated world: the ways of a failover.

use std::sync::Arc;

use hamn::{engine::Ending, report::meaning};
use journal_schema::{Payload, Record, RunState};
use lab::sim::{AtBoot, World};
use workflows::{
    example,
    model::{AfterTakeover, Database, Flavour, NodeId, Pair, Platform},
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
    // On Linux the service address is added to the machine's own.
    pair.service.standby_address = None;
    pair.xcat.control = example::practice().xcat.control;
    pair
}

fn stage(world: World, workflow: &str, target: NodeId) -> Stage {
    stage_of(world, &pair(), workflow, target)
}

fn stage_of(world: World, pair: &Pair, workflow: &str, target: NodeId) -> Stage {
    let workflow = registry::by_name(Flavour::Db2, workflow).unwrap();
    Stage::new(world, Arc::new(pair.clone()), Arc::new(workflow), target, Script::default())
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
    let last = story(&records[records.len().saturating_sub(4)..]);
    assert!(matches!(end, Some(Ending::Done)), "{end:?}\n{last}");
    let violations = stage.violations.lock().unwrap();
    assert!(violations.is_empty(), "{violations:?}");
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

/// Somebody switches the old machine on; nothing of the cluster starts there.
fn comes_back(stage: &Stage, id: NodeId) {
    let world = &mut stage.scene.lock().unwrap().world;
    world.boots_with(id, AtBoot { database: false, xcatd: false, helpers: false, service_address: false });
    world.power(id, true);
    world.advance(300_000);
}

/// The next run in the same world.
fn next(stage: &Stage, pair: &Pair, workflow: &str, target: NodeId) -> Stage {
    let next = stage_of(World::healthy(pair), pair, workflow, target);
    std::mem::swap(&mut *next.scene.lock().unwrap(), &mut *stage.scene.lock().unwrap());
    next
}

/// After a role switch the old machine's log matches: it is taken in as it is, and the two change places again.
#[test]
fn t69_a_machine_whose_log_matches_is_taken_in_as_it_is() {
    let over = stage(World::healthy(&pair()), "failover", NodeId::B);
    done(&over);
    let back = next(&over, &pair(), "failback", NodeId::A);
    comes_back(&back, NodeId::A);
    let records = done(&back);
    assert!(states(&records).contains(&"Tried") && !states(&records).contains(&"Restored"), "{:?}", states(&records));
}

/// After a takeover by force the old log may not match; where HADR was dissolved nothing can: a new copy, and what the old one had is kept.
#[test]
fn t67_a_new_copy_where_hadr_was_dissolved() {
    let mut pair = pair();
    if let Database::Db2(db2) = &mut pair.database {
        db2.hadr.after_takeover = AfterTakeover::Stop;
    }
    let mut world = World::healthy(&pair);
    world.power(NodeId::A, false);
    let over = stage_of(world, &pair, "failover", NodeId::B);
    done(&over);
    let back = next(&over, &pair, "failback", NodeId::A);
    comes_back(&back, NodeId::A);
    let records = done(&back);
    let states = states(&records);
    assert!(states.contains(&"Saved") && states.contains(&"Restored"), "{states:?}");
}

/// 5.1.9 whole: both databases change roles and change back, and the test node is gone. The return is a second promotion under the epoch
/// of the first, because a run has one epoch; nothing else may be found.
#[test]
fn t54_a_drill_ends_where_it_began() {
    let stage = stage(World::healthy(&pair()), "drill", NodeId::B);
    let records = done(&stage);
    assert_eq!(stage.scene.lock().unwrap().world.epoch(NodeId::A), 2, "both promotions raised it");
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

/// The procedure's own pair, on AIX: over and back, and the old machine takes no address by itself when it is switched on.
#[test]
fn t5_t68_the_procedure_s_pair_goes_over_and_back() {
    let pair = example::procedure();
    let over = stage_of(World::healthy(&pair), &pair, "failover", NodeId::B);
    done(&over);
    let back = next(&over, &pair, "failback", NodeId::A);
    comes_back(&back, NodeId::A);
    done(&back);
}

/// Deployment is off the critical path, and the state of the run says where the one ends and the other begins.
#[test]
fn management_works_first_deployment_follows_and_status_says_which() {
    let pair = example::procedure();
    let mut world = World::healthy(&pair);
    world.power(NodeId::A, false);
    let records = done(&stage_of(world, &pair, "failover", NodeId::B));
    let entered = |name: &str| {
        let entered = |r: &Record| matches!(&r.payload, Payload::Entered { state } if state == name);
        records.iter().position(entered).expect("a state of the table")
    };
    let deploys = |r: &Record| match &r.payload {
        Payload::Planned { steps, .. } => {
            steps.iter().any(|s| ["deployment.", "nim.", "image.", "boot."].iter().any(|topic| s.id.starts_with(topic)))
        }
        _ => false,
    };
    let managing = entered("Managing");
    assert!(!records[..=managing].iter().any(deploys), "deployment holds management up");
    assert!(records[managing..].iter().any(deploys), "nothing of deployment follows");
    let says = |at: usize| meaning(&RunState::fold(&records[..=at]).unwrap()).unwrap();
    assert!(says(managing).contains("the cluster is managed; deployment of nodes follows"));
    assert!(says(entered("Deployable")).contains("nodes boot as they did before"));
}
