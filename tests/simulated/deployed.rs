//! Deployment in whole runs: what the machine in service gets so that nodes are deployed from it, by new definitions or by NIM's own takeover
//! (HANIM), and what nodes do at their next boot.

use std::sync::Arc;

use hamn::engine::Ending;
use journal_schema::{Payload, Record};
use lab::{
    nim::{Object, Role},
    sim::World,
};
use workflows::{
    example,
    model::{Flavour, NodeId, Pair},
    registry,
};

use crate::{
    hadr::{after, alternate, failed_over, synced},
    stage::{Do, Script, Stage, story},
};

/// The primary dies after a sync, and what `prepare` does to the world; the failover ends in any case, because deployment holds nothing up.
fn failover(pair: Pair, prepare: impl FnOnce(&mut World)) -> (Stage, Vec<Record>) {
    let mut world = synced(&pair);
    prepare(&mut world);
    world.power(NodeId::A, false);
    let workflow = registry::by_name(Flavour::Db2, "failover").unwrap();
    let stage = Stage::new(world, Arc::new(pair), Arc::new(workflow), NodeId::B, Script::default());
    let end = stage.program(Do::Start);
    let records = stage.records();
    assert_eq!(end, Some(Ending::Done), "{}", story(&records));
    assert!(stage.violations.lock().unwrap().is_empty());
    (stage, records)
}

/// What is open about deployment, by the ids of the items.
fn open(records: &[Record]) -> Vec<&str> {
    let items = records.iter().filter_map(|r| match &r.payload {
        Payload::ItemOpened(item) => Some(item.id.as_str()),
        _ => None,
    });
    items.filter(|id| id.starts_with("nim.")).collect()
}

#[test]
fn the_alternate_master_takes_nim_over_with_its_resources() {
    let (stage, records) = failover(alternate(), |world| {
        assert_eq!(world.nim(NodeId::B).unwrap().role, Role::Alternate { of: "aixmn1".into() });
    });
    let scene = stage.scene.lock().unwrap();
    let nim = scene.world.nim(NodeId::B).unwrap();
    assert_eq!(nim.role, Role::Master, "{}", story(&records));
    for (kind, name, location) in lab::nim::sample::RESOURCES {
        let object = nim.object(name).unwrap_or_else(|| panic!("{name} did not come over"));
        assert_eq!((object.kind.as_str(), object.get("location")), (*kind, Some(*location)));
    }
    assert_eq!(open(&records), Vec::<&str>::new(), "{}", story(&records));
}

/// Without an alternate master, or with one whose copy lacks something, the cluster is managed all the same, and what is missing is named.
#[test]
fn what_the_alternate_master_cannot_give_is_left_open_by_name() {
    let (_, records) = failover(alternate(), |world| *world.nim_mut(NodeId::B).unwrap() = lab::nim::Nim::default());
    assert!(open(&records).contains(&"nim.takeover"), "{}", story(&records));
    let (_, records) = failover(alternate(), |world| {
        world.nim_mut(NodeId::B).unwrap().objects.retain(|o| o.name != "xcataixscript");
    });
    assert_eq!(open(&records), ["nim.script.xcataixscript"]);
}

const ENABLED: &str = "BOS installation has been enabled";

/// What NIM on that machine has the node do at its next boot.
fn next_boot<'a>(world: &'a World, id: NodeId, node: &str) -> Option<&'a str> {
    world.nim(id)?.object(node)?.get("Cstate")
}

/// A node that was being installed when its management node died goes on with it, on the new one and, after the failback, on the old one
/// again, whatever that has in its NIM; a node that was not is left alone (the watch of the world says so).
#[test]
fn t60_a_node_that_was_being_installed_goes_on_over_and_back() {
    let pair = example::procedure();
    let mut world = World::healthy(&pair);
    let attributes = [("Cstate", ENABLED), ("spot", "610image")].map(|(name, value)| (name.into(), value.into()));
    world.nim_mut(NodeId::A).unwrap().objects.push(Object {
        name: "cn01".into(),
        class: "machines".into(),
        kind: "standalone".into(),
        attributes: attributes.into(),
    });
    world.advance(60_000);
    world = after(&world, &pair, "sync", NodeId::A);
    world.power(NodeId::A, false);
    failed_over(&mut world, &pair);
    assert_eq!(next_boot(&world, NodeId::B, "cn01"), Some(ENABLED));
    // The copy of the returning machine is of another day.
    world.nim_mut(NodeId::A).unwrap().objects.retain(|o| o.name != "cn01");
    world = after(&world, &pair, "failback", NodeId::A);
    assert_eq!(next_boot(&world, NodeId::A, "cn01"), Some(ENABLED));
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}
