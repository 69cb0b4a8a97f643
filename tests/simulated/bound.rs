//! What may be lost at most: never less than what is lost, and known for as long as the standby is (trap 30).

use std::sync::Arc;

use hamn::{
    engine::{Look, look},
    remote::simulated::{Benign, Jobs, Life, Scene, Simulated},
};
use journal_schema::{DatabaseRole, RunId};
use lab::sim::{Violation, World};
use workflows::{
    Action, Known, Place, Request, Workflow,
    model::{NodeId, Pair},
    vocabulary,
};

use crate::stage::poll_once;

/// One look before consent, which may write nothing anywhere (invariant 12); the world after it.
fn looked(world: &World, pair: &Pair, workflow: &str) -> (Look, World) {
    looked_at(world, pair, workflow, NodeId::B)
}

fn looked_at(world: &World, pair: &Pair, workflow: &str, target: NodeId) -> (Look, World) {
    let workflow = workflows::registry::by_name(pair.flavour(), workflow).expect("a workflow of that name");
    let before = world.end_state();
    let (look, mut world, violations) = look_with(world, pair, &workflow, target);
    assert_eq!(violations, Vec::new());
    assert_eq!(world.end_state(), before, "a look changes nothing");
    world.dry_run(false);
    (look, world)
}

/// What a look by the first rows of that table sees, the world after it, and what it did that it must not.
pub(crate) fn look_with(
    world: &World,
    pair: &Pair,
    workflow: &Workflow,
    target: NodeId,
) -> (Look, World, Vec<Violation>) {
    let mut world = world.clone();
    world.dry_run(true);
    let scene = Arc::new(std::sync::Mutex::new(Scene { world, jobs: Jobs::default() }));
    let life = Life::default();
    let remote = Simulated::new(scene.clone(), life, Arc::new(Benign), Arc::default(), pair, "admin", Box::new(|_| {}));
    let request =
        Request { target, accept_unknown_loss: true, accept_loss: None, operator: "root".into(), host: "admin".into() };
    let look = poll_once(look(&remote, pair, workflow, &request, RunId(1), Known::default())).expect("nobody died");
    let mut scene = scene.lock().unwrap();
    assert!(scene.jobs.ended().next().is_none(), "a look launches no job");
    let violations = scene.world.violations();
    let world = scene.world.clone();
    (look, world, violations)
}

/// Invariant 12, of every workflow in every situation of the campaign.
#[test]
fn a_dry_run_writes_nothing_anywhere() {
    for case in crate::campaign::cases().iter().chain(&crate::hadr::all()) {
        let (_, mut after) = looked_at(&case.world, &case.pair, case.workflow.name, case.target);
        assert!(after.complaints().is_empty(), "{}: {:?}", case.name, after.complaints());
        assert_eq!(after.violations(), Vec::new(), "{}", case.name);
    }
}

fn promote(world: &mut World) {
    let promote = Action::Run(vocabulary::promote(world.pair().postgres()));
    let done = world.exec_action(Place::Node(NodeId::B), &promote).expect("the standby is up");
    assert!(done.ok(), "{done:?}");
}

/// The primary dies; the look is at once, or when the stream is not shown any more.
#[test]
fn t30_the_bound_is_never_too_small_and_outlives_the_receiver() {
    let pair = lab::sample::pair();
    let (mut lossy, mut looks) = (0, 0);
    for (every_ms, lag_ms, restarted) in [
        (250, 0, false),
        (250, 3_000, false),
        (40, 20_000, false),
        (86_400_000, 0, false),
        (86_400_000, 0, true),
        (250, 0, true),
        (7_000, 5_000, true),
    ] {
        let mut world = World::healthy(&pair);
        world.client_every(every_ms);
        world.lag(lag_ms);
        if restarted {
            // It forgets when the last commit was that it replayed.
            world.reboot(Place::Node(NodeId::B));
        }
        world.advance(120_000);
        world.power(NodeId::A, false);
        let mut before: Option<Look> = None;
        for wait_ms in [500, 30_000, 40_000, 3_600_000] {
            world.advance(wait_ms);
            let what = format!("a row each {every_ms} ms, lag {lag_ms} ms, restarted {restarted}, {wait_ms} ms later");
            let (seen, after) = looked(&world, &pair, "failover");
            world = after;
            let (bytes, millis) = seen.known.loss();
            assert_eq!(bytes, None, "{what}: nobody can say what the dead one wrote");
            let bound = millis.unwrap_or_else(|| panic!("{what}: the bound is not known"));
            let lost = {
                let mut promoted = world.clone();
                promote(&mut promoted);
                lossy += u32::from(promoted.lost_rows() > 0);
                promoted.lost_ms()
            };
            assert!(lost <= bound, "{what}: {lost} ms are lost, shown were {bound}");
            if let Some(before) = before {
                assert!(bound >= before.known.loss().1.unwrap_or_default(), "{what}: time takes nothing back");
            }
            before = Some(seen);
            looks += 1;
        }
    }
    assert!(lossy > 4, "there was something to lose");
    println!("{looks} looks, {lossy} with a loss, none above its bound");
}

/// Where commits wait for the standby nothing is lost, and that is what is shown.
#[test]
fn t30_synchronous_commits_are_shown_as_safe_while_the_stream_is_up() {
    let pair = lab::sample::pair();
    let mut world = World::healthy(&pair);
    world.synchronous(true);
    world.advance(10_000);
    let (seen, world) = looked(&world, &pair, "failover");
    assert_eq!(seen.known.loss(), (Some(0), Some(0)));
    assert_eq!(seen.known.database("mn-a").0, DatabaseRole::Primary);
    // Dead, nobody can say that they waited: the time is known, the bytes are not.
    let mut dead = world.clone();
    dead.power(NodeId::A, false);
    dead.advance(1_000);
    let (seen, mut dead) = looked(&dead, &pair, "failover");
    assert_eq!(seen.known.loss().0, None);
    assert!(seen.known.loss().1.is_some());
    promote(&mut dead);
    assert_eq!(dead.lost_rows(), 0);
}
