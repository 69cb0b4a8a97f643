//! The way back: from every point before the pivot, and with something happening to it.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use hamn::{engine::Ending, remote::simulated::Mishap};
use journal_schema::{Payload, Record};
use lab::sim::{EndState, Strike, World};
use workflows::{model::NodeId, step::told};

use crate::{
    campaign::{Case, cases, run},
    judge::{difference, matters, reference},
    random::MISHAPS,
    stage::{Do, Ink, RUN, Script, Stage, story},
};

/// Before the pivot: from each point back, and the world is as it was.
#[test]
fn rollback_from_every_point_before_the_pivot() {
    for case in cases() {
        rollbacks(&case, 1);
    }
}

/// What is compared after a rollback, when somebody has made the primary whole: rolling back a fence powers it on again.
fn healed(world: &mut World) -> EndState {
    world.heal(NodeId::A);
    world.advance(600_000);
    let mut end = world.end_state();
    for node in &mut end.nodes {
        // An image of the database harms nothing, and stays.
        node.files.retain(|path, _| !path.contains("/XCATDB.0."));
    }
    for hosts in end.nodes.iter_mut().filter_map(|n| n.files.get_mut("/etc/hosts 644")) {
        // mktcpip writes its line anew, with a tab.
        *hosts = hosts.replace('\t', " ").into();
    }
    end
}

/// As [`rollback_from_every_point_before_the_pivot`]; of the points every `nth`.
pub(crate) fn rollbacks(case: &Case, nth: usize) {
    let reference = reference(case);
    let before = healed(&mut case.world.clone());
    let (mut back, mut refused, mut waited) = (0, 0, 0);
    for at in (1..reference.commits).step_by(nth) {
        for ink in [Ink::DieBefore, Ink::DieAfter] {
            let script = Script { commits: vec![(at, ink)], ..Script::default() };
            let stage = Stage::of(case, script.clone());
            assert_eq!(stage.program(Do::Start), None);
            let mut end = stage.program(Do::Rollback);
            if case.world.link_is_cut() && matches!(end, Some(Ending::Stuck { .. })) {
                // A primary does not open without its standby. Once the two reach each other, the rollback goes on.
                stage.scene.lock().unwrap().world.strike_in(0, Strike::Link { cut: false });
                end = stage.program(Do::Rollback);
                waited += 1;
            }
            match end {
                Some(Ending::RolledBack) => {
                    let after = healed(&mut stage.scene.lock().unwrap().world);
                    let violations = stage.violations.lock().unwrap();
                    assert_eq!(*violations, Vec::<String>::new(), "{}: {script:?}", case.name);
                    assert!(
                        after == before,
                        "{}: {script:?}: {}\n{}",
                        case.name,
                        difference(&before, &after),
                        story(&stage.records())
                    );
                    back += 1;
                }
                Some(Ending::Refused { why }) => {
                    assert!(why.contains("pivot") || why.contains("has ended"), "{why}");
                    refused += 1;
                }
                other => panic!("{}: {script:?}: {other:?}\n{}", case.name, story(&stage.records())),
            }
        }
    }
    assert!(back > 0 && refused > 0);
    println!(
        "{} (workflow {}): rolled back from {back} points, {waited} of them once the link was whole; refused after the pivot at {refused}",
        case.name, case.workflow.name
    );
}

/// Before the pivot, something happens to the way back itself: every mishap at every call of it, of these every `nth`. When what happened is
/// over, `hamn rollback` again comes to the end; and what it says until then names that command. A machine that was rebooted when it had
/// got something back that no boot restores (the service address) must be made whole by somebody first.
pub(crate) fn rollbacks_interrupted(case: &Case, nth: usize) {
    let reference = reference(case);
    // The last record at which the way back is open.
    let turned = |script: Script| {
        let stage = Stage::of(case, script);
        assert_eq!(stage.program(Do::Start), None);
        stage
    };
    let open = |at: u64| {
        let stage = turned(Script { commits: vec![(at, Ink::DieBefore)], ..Script::default() });
        stage.state().is_some_and(|s| s.can_roll_back())
    };
    let Some(last) = (1..reference.commits).rev().find(|at| open(*at)) else { panic!("{}: no way back", case.name) };
    let commits = vec![(last, Ink::DieBefore)];
    let begin = turned(Script { commits: commits.clone(), ..Script::default() }).calls.load(Ordering::Relaxed);
    let whole = turned(Script { commits: commits.clone(), ..Script::default() });
    if case.world.link_is_cut() {
        whole.scene.lock().unwrap().world.strike_in(0, Strike::Link { cut: false });
    }
    assert_eq!(whole.program(Do::Rollback), Some(Ending::RolledBack), "{}", case.name);
    let whole_again = |world: &mut World| {
        world.heal(NodeId::B);
        matters(healed(world))
    };
    let expected = whole_again(&mut whole.scene.lock().unwrap().world);
    let calls = whole.calls.load(Ordering::Relaxed);
    let (mut histories, mut stuck, mut rebooted) = (0, 0, 0);
    for at in (begin..calls).step_by(nth) {
        for mishap in MISHAPS {
            let stage = turned(Script { commits: commits.clone(), calls: vec![(at, mishap)], ..Script::default() });
            if case.world.link_is_cut() {
                stage.scene.lock().unwrap().world.strike_in(0, Strike::Link { cut: false });
            }
            let mut end = stage.program(Do::Rollback);
            for again in 0..4 {
                if let Some(Ending::Stuck { settle, .. }) = &end {
                    assert!(settle.starts_with(&format!("hamn rollback {RUN}")), "{settle}");
                    stuck += 1;
                }
                if matches!(end, Some(Ending::RolledBack)) {
                    break;
                }
                if matches!((&end, mishap), (Some(Ending::Stuck { .. }), Mishap::RebootAfter(_))) {
                    // What was given back to a machine before it was rebooted, its boot took away again: somebody makes it whole.
                    rebooted += 1;
                    whole_again(&mut stage.scene.lock().unwrap().world);
                }
                // Both commands go on with a way back.
                end = stage.program(if again % 2 == 0 { Do::Rollback } else { Do::Resume });
            }
            let story = story(&stage.records());
            assert_eq!(end, Some(Ending::RolledBack), "{}: call {at}: {mishap:?}\n{story}", case.name);
            assert_eq!(stage.items(), BTreeSet::new(), "{}: call {at}: {mishap:?}\n{story}", case.name);
            let found = whole_again(&mut stage.scene.lock().unwrap().world);
            let differs = difference(&expected, &found);
            assert!(expected == found, "{}: call {at}: {mishap:?}: {differs}\n{story}", case.name);
            let violations = stage.violations.lock().unwrap();
            assert!(violations.is_empty(), "{}: call {at}: {mishap:?}: {violations:?}\n{story}", case.name);
            histories += 1;
        }
    }
    println!(
        "{} (workflow {}): {histories} rollbacks interrupted, {stuck} times stuck, {rebooted} until a machine was whole again; all end",
        case.name, case.workflow.name
    );
}

#[test]
fn an_interrupted_rollback_ends() {
    for case in cases() {
        rollbacks_interrupted(&case, 1);
    }
}

/// A reboot in the midst of the way back of a drill takes what its test node is deleted by. Both commands for that are named, the way back is
/// not tied to what was heard then, and ends as soon as they were typed.
#[test]
fn t54_what_a_reboot_took_from_a_drill_is_named_and_its_rollback_ends() {
    let case = crate::hadr::case_of("DB2 drill", "drill", workflows::example::procedure(), |_| {});
    let (whole, _) = run(&case, Script::default());
    let added = |r: &Record| matches!(&r.payload, Payload::Outcome { step, .. } if step == "drill.add");
    let at = whole.records().iter().position(added).expect("a drill adds a test node") as u64;
    let commits = vec![(at, Ink::DieAfter)];
    let turned = |calls: Vec<(u64, Mishap)>| {
        let stage = Stage::of(&case, Script { commits: commits.clone(), calls, ..Script::default() });
        assert_eq!(stage.program(Do::Start), None);
        stage
    };
    let begin = turned(Vec::new()).calls.load(Ordering::Relaxed);
    let mut found = 0;
    for call in begin..begin + 4 {
        let stage = turned(vec![(call, Mishap::RebootAfter(0))]);
        let Some(Ending::Stuck { step, why, settle }) = stage.program(Do::Rollback) else { continue };
        assert_eq!(step, "drill.add", "{why}");
        let typed: Vec<&str> = told(&why).1.into_iter().map(|(command, _)| command).collect();
        assert!(typed.len() == 2 && typed[0].contains("db2start") && typed[1].ends_with("startsrc -s xcatd"), "{why}");
        assert!(settle.starts_with(&format!("hamn rollback {RUN}")), "{settle}");
        stage.scene.lock().unwrap().world.heal(NodeId::A);
        assert_eq!(stage.program(Do::Rollback), Some(Ending::RolledBack), "{}", story(&stage.records()));
        assert_eq!(stage.items(), BTreeSet::new());
        found += 1;
    }
    assert!(found > 0, "no reboot met the undoing");
}
