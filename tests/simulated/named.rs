//! Histories of the procedure's pair that people ask about by name: each on its own, with what must be true counted.

use std::sync::{Arc, Mutex, atomic::Ordering};

use hamn::{engine::Ending, remote::simulated::Mishap};
use journal_schema::{Payload, TakeoverForm};
use lab::{
    db2::{Role, Side, Version},
    sim::{AtBoot, World},
};
use workflows::{
    example,
    model::{NodeId, Pair},
};

use crate::{
    campaign::{Came, Case, carry_through},
    hadr::{after, case_of},
    stage::{Do, Script, Stage, story},
    trouble::{at_boot, decided},
};

/// How often a program or statement was given to the standby's DB2.
fn given(world: &World, start: &str) -> usize {
    let history = world.db2().expect("a pair").machine(Side::B).history();
    history.iter().filter(|c| c.starts_with(start)).count()
}

/// Number of the remote call that sends that step for the first time.
pub(crate) fn call_of(case: &Case, step: &str) -> u64 {
    let mut stage = Stage::of(case, Script::default());
    let (calls, found) = (stage.calls.clone(), Arc::new(Mutex::new(None)));
    let seen = found.clone();
    let step_name = step.to_owned();
    stage.meddle = Arc::new(move |scene| {
        if scene.jobs.tokens().any(|t| t.to_string().contains(&step_name)) {
            seen.lock().unwrap().get_or_insert(calls.load(Ordering::Relaxed) - 1);
        }
    });
    assert_eq!(stage.program(Do::Start), Some(Ending::Done), "{}", story(&stage.records()));
    let found = *found.lock().unwrap();
    found.unwrap_or_else(|| panic!("{step} is never sent"))
}

/// hamn is killed while that step runs there, and taken up again.
#[track_caller]
fn killed_during(case: &Case, step: &str) -> World {
    let script = Script { calls: vec![(call_of(case, step), Mishap::DieAfter)], ..Script::default() };
    let stage = Stage::of(case, script);
    assert_eq!(stage.program(Do::Start), None, "{step}: it died");
    let last = stage.records().pop().map(|r| r.payload);
    assert!(
        matches!(&last, Some(Payload::Intent { step: s, .. }) if s == step),
        "{step}: the intent is the last record: {last:?}"
    );
    assert_eq!(carry_through(&stage), Came::Done, "{step}: {}", story(&stage.records()));
    let sent = stage.scene.lock().unwrap().jobs.tokens().filter(|t| t.to_string().contains(step)).count();
    assert_eq!(sent, 1, "{step}: under one token");
    assert!(stage.violations.lock().unwrap().is_empty());
    let world = stage.scene.lock().unwrap().world.clone();
    assert!((case.holds)(&world), "{step}");
    world
}

fn dead(w: &mut World) {
    w.power(NodeId::A, false);
}

#[test]
fn hamn_killed_between_takeover_and_its_answer() {
    for (case, step) in [
        (case_of("killed", "failover", example::procedure(), dead), "promote.database"),
        (case_of("killed", "failover", example::procedure(), |_| {}), "switch.database"),
    ] {
        let world = killed_during(&case, step);
        assert_eq!((given(&world, "TAKEOVER"), world.effect_count("promote b")), (1, 1), "{step}");
    }
}

#[test]
fn hamn_killed_during_db2gcf() {
    let world = killed_during(&case_of("killed", "failover", example::procedure(), dead), "database.db2gcf");
    assert_eq!(given(&world, "DB2GCF -U"), 1);
    assert_eq!(world.file(NodeId::B, "/var/lib/db2/sqllib/db2nodes.cfg"), Some("0 aixmn1 0\n"));
}

#[test]
fn hamn_killed_during_m_mkspot() {
    let case = case_of("killed", "failover", example::procedure(), dead);
    let world = killed_during(&case, "nim.spot.610image");
    let nim = |w: &World| w.nim(NodeId::B).cloned();
    let whole = after(&case.world, &case.pair, "failover", NodeId::B);
    assert_eq!(nim(&world), nim(&whole), "the SPOT is there once, ready, as without the mishap");
}

/// DB2 that tells how old its last message is: the standby proves by its own clock that the window is open.
fn of_11_5(pair: Pair, later_ms: u64) -> Case {
    let mut case = case_of("sudden death", "failover", pair, |_| {});
    for side in Side::BOTH {
        case.world.db2_mut().expect("a pair").knobs(side).version = Version::V11_5;
    }
    case.world.advance(30_000);
    case.world.power(NodeId::A, false);
    case.world.advance(later_ms);
    case
}

#[test]
fn t40_primary_powered_off_inside_the_peer_window() {
    let case = of_11_5(example::procedure(), 2_000);
    let stage = Stage::of(&case, Script::default());
    assert_eq!(stage.program(Do::Start), Some(Ending::Done), "{}", story(&stage.records()));
    assert_eq!(decided(&stage).last(), Some(&TakeoverForm::PeerWindowOnly), "{}", story(&stage.records()));
    let world = &stage.scene.lock().unwrap().world;
    assert_eq!(
        (given(world, "TAKEOVER"), given(world, "TAKEOVER HADR ON DATABASE XCATDB BY FORCE PEER WINDOW ONLY")),
        (1, 1)
    );
    assert_eq!((world.effect_count("promote b"), world.lost_rows()), (1, 0), "nothing acknowledged is lost");
}

#[test]
fn t40_primary_powered_off_after_the_peer_window() {
    let case = of_11_5(example::procedure(), 400_000);
    let stage = Stage::of(&case, Script::default());
    assert_eq!(stage.program(Do::Start), Some(Ending::Done), "{}", story(&stage.records()));
    assert_eq!(decided(&stage).last(), Some(&TakeoverForm::ByForce));
    let world = &stage.scene.lock().unwrap().world;
    assert_eq!((given(world, "TAKEOVER"), given(world, "TAKEOVER HADR ON DATABASE XCATDB BY FORCE PEER")), (1, 0));
    assert_eq!(world.effect_count("promote b"), 1);
}

/// 9.7 does not tell how old the last message of a dead primary is: how far its clock was off stays unknown, and no window is believed in.
#[test]
fn t21_on_9_7_a_dead_primary_leaves_no_window() {
    let mut case = case_of("sudden death", "failover", example::procedure(), |_| {});
    for side in Side::BOTH {
        case.world.db2_mut().expect("a pair").knobs(side).version = Version::V9_7;
    }
    case.world.advance(30_000);
    case.world.power(NodeId::A, false);
    case.world.advance(2_000);
    let stage = Stage::of(&case, Script::default());
    assert_eq!(stage.program(Do::Start), Some(Ending::Done), "{}", story(&stage.records()));
    assert_eq!(decided(&stage).last(), Some(&TakeoverForm::ByForce));
}

/// Somebody switches the old primary on, and everything of it starts at boot: instance, database as HADR primary, xcatd, its address. With
/// what hamn left on it, it serves nobody; without (it died before hamn reached it), failback refuses until it lets go.
#[test]
fn t5_the_old_primary_comes_back_with_everything_it_had() {
    let pair = example::procedure();
    // Alive when it was fenced: hamn was there before.
    let case = case_of("returns", "failover", pair.clone(), |_| {});
    let mut world = after(&case.world, &pair, "failover", NodeId::B);
    world.boots_with(NodeId::A, AtBoot { database: true, xcatd: true, helpers: true, service_address: true });
    world.power(NodeId::A, true);
    world.advance(300_000);
    assert!(!world.writable(NodeId::A), "a standby by the role switch stays one");
    assert!(world.served() && world.writable(NodeId::B));
    let end = world.end_state();
    assert!(!end.nodes[0].service_address, "its interface comes up without an address");
    // Dead when it was found: it has its old role, address and schedules.
    let case = case_of("returns", "failover", pair.clone(), |w| {
        at_boot(w, "up");
        dead(w);
    });
    let mut world = after(&case.world, &pair, "failover", NodeId::B);
    world.boots_with(NodeId::A, AtBoot { database: true, xcatd: true, helpers: true, service_address: true });
    world.power(NodeId::A, true);
    world.advance(300_000);
    let old = world.db2_end(NodeId::A).expect("DB2");
    assert_eq!(old.role, Some(Role::Primary), "a takeover by force leaves it its role");
    assert!(!world.writable(NodeId::A), "it waits for its standby and serves nobody");
    let case = Case { world, ..case_of("returns", "failback", pair, |_| {}) };
    let stage = Stage::of(&case, Script::default());
    let end = stage.program(Do::Start);
    assert!(matches!(&end, Some(Ending::Failed { pivot_passed: false, .. })), "{end:?}");
    assert_eq!(stage.program(Do::Rollback), Some(Ending::RolledBack));
}
