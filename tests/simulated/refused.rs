//! What a program refuses to do with a run that is not its own, or is over, or past its pivot.

use std::sync::{Arc, atomic::Ordering};

use hamn::engine::Ending;
use journal_schema::{Direction, Payload};
use lab::sim::World;
use workflows::model::NodeId;

use crate::{
    campaign::{Came, Case, carry_through, cases},
    stage::{Do, Ink, Script, Stage, story},
};

fn case() -> Case {
    cases().into_iter().find(|c| c.name == "failover, primary without power").expect("that case")
}

/// A run that died just after the intent of that step was on disk.
fn died_behind(case: &Case, step: &str) -> Stage {
    let whole = Stage::of(case, Script::default());
    assert_eq!(whole.program(Do::Start), Some(Ending::Done));
    let intent =
        |p: &Payload| matches!(p, Payload::Intent { step: of, direction: Direction::Forward, .. } if of == step);
    let at = whole.records().iter().position(|r| intent(&r.payload)).expect("it was sent");
    let stage = Stage::of(case, Script { commits: vec![(at as u64, Ink::DieAfter)], ..Script::default() });
    assert_eq!(stage.program(Do::Start), None);
    assert!(intent(&stage.records().last().expect("a record").payload), "{}", story(&stage.records()));
    stage
}

/// Nothing was sent anywhere, and the refusal says that.
#[track_caller]
fn refuses(stage: &Stage, what: Do, words: &str) {
    let (calls, jobs) = (stage.calls.load(Ordering::Relaxed), stage.scene.lock().unwrap().jobs.ended().count());
    match stage.program(what) {
        Some(Ending::Refused { why }) => assert!(why.contains(words), "{why}"),
        other => panic!("{other:?}, not refused: {words}\n{}", story(&stage.records())),
    }
    assert_eq!(stage.calls.load(Ordering::Relaxed), calls, "{words}: a place was called");
    assert_eq!(stage.scene.lock().unwrap().jobs.ended().count(), jobs);
}

/// The machine that stays was upgraded, or has another configuration: what would be done is not what may have been done.
#[test]
fn t77_a_run_goes_on_by_its_own_table_and_its_own_plan_only() {
    let case = case();
    let mut stage = died_behind(&case, "disarm.target");
    let (workflow, pair) = (stage.workflow.clone(), stage.pair.clone());

    let mut other = (*workflow).clone();
    other.rows.last_mut().expect("a row").name = "release at last";
    stage.workflow = Arc::new(other);
    refuses(&stage, Do::Resume, "with another table of failover: resume it with that version");
    refuses(&stage, Do::Rollback, "with another table of failover");
    stage.workflow = workflow;

    let mut other = (*pair).clone();
    other.node_dir.push_str("-of-another");
    stage.pair = Arc::new(other);
    refuses(&stage, Do::Resume, "would not be what was planned");
    stage.pair = pair;

    assert_eq!(carry_through(&stage), Came::Done, "{}", story(&stage.records()));
    refuses(&stage, Do::Resume, "has ended");
    refuses(&stage, Do::Rollback, "has ended");
}

/// The intent of the promotion is on disk: it may have happened, and a way back would make two primaries.
#[test]
fn t1_behind_the_pivot_there_is_no_way_back() {
    let stage = died_behind(&case(), "promote.database");
    refuses(&stage, Do::Rollback, "the pivot may have happened");
    assert_eq!(carry_through(&stage), Came::Done, "{}", story(&stage.records()));
}

/// The fence device said *off* of another outlet: the machine lives, and answers for the service address. What only looks says so before
/// anything is promoted; that the standby's database was found running is no pivot, so the way back is open.
#[test]
fn t6_somebody_at_the_address_before_the_promotion_leaves_the_way_back_open() {
    let mut stage = Stage::of(&case(), Script::default());
    stage.meddle = Arc::new(|scene| {
        if scene.jobs.ended().any(|token| token.to_string().contains("disarm.target")) {
            scene.world.foreign_arp(Some(World::mac(NodeId::A)));
        }
    });
    let ending = stage.program(Do::Start);
    let told = story(&stage.records());
    assert!(matches!(&ending, Some(Ending::Failed { pivot_passed: false, .. })), "{ending:?}\n{told}");
    assert!(stage.state().expect("a run").can_roll_back(), "{told}");
    let undone = stage.program(Do::Rollback);
    assert_eq!(undone, Some(Ending::RolledBack), "{}", story(&stage.records()));
    assert_eq!(stage.scene.lock().unwrap().world.effect_count("promote b"), 0);
    assert!(stage.violations.lock().unwrap().is_empty());
}
