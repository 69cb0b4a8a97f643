//! What a place that does not answer says of what an earlier program started there: nothing. And what is gone of what others stand on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use hamn::{
    engine::Ending,
    remote::simulated::{Jobs, Mishap},
};
use journal_schema::{Payload, Record, Token, Verdict};

use workflows::{Action, Place, model::NodeId, vocabulary};

use crate::{
    campaign::{Came, carry_through, cases},
    judge::{check, reference},
    stage::{Do, Ink, Script, Stage, story},
};

/// Jobs that ended, of which the journal says that nothing was started: its next try would be a second one.
pub(crate) fn untold(records: &[Record], jobs: &Jobs) -> Vec<Token> {
    let denied = |token: &&Token| {
        let tried = records.iter().find_map(|r| match &r.payload {
            Payload::Intent { step, direction, attempt, token: of, .. } if of == *token => {
                Some((step, *direction, *attempt))
            }
            _ => None,
        });
        let last = records.iter().rev().find_map(|r| match &r.payload {
            Payload::Outcome { step, direction, attempt, verdict, why, .. }
                if Some((step, *direction, *attempt)) == tried =>
            {
                Some((*verdict, why))
            }
            _ => None,
        });
        last.is_some_and(|(verdict, why)| {
            verdict == Verdict::Failed && (why.contains("nothing was started") || why.contains("never started"))
        })
    };
    jobs.ended().filter(denied).cloned().collect()
}

/// hamn dies after a call had its effect; the next hamn reaches nothing at all; the one after that does. What the first one
/// started is found by its token, not started again.
#[test]
fn a_silent_place_is_not_taken_for_one_where_nothing_was_started() {
    for case in cases() {
        let reference = reference(&case);
        let (mut silences, mut unknown) = (0, 0);
        for at in 0..reference.calls {
            let script = Script { calls: vec![(at, Mishap::DieAfter)], ..Script::default() };
            let stage = Stage::of(&case, script.clone());
            assert_eq!(stage.program(Do::Start), None, "{}: call {at}", case.name);
            script.silent.store(true, Ordering::Relaxed);
            let ending = stage.program(Do::Resume);
            script.silent.store(false, Ordering::Relaxed);
            let records = stage.records();
            let told = untold(&records, &stage.scene.lock().unwrap().jobs);
            assert!(told.is_empty(), "{}: call {at}: {ending:?}: {told:?}\n{}", case.name, story(&records));
            unknown += records
                .iter()
                .filter(|r| matches!(r.payload, Payload::Outcome { verdict: Verdict::Unknown, .. }))
                .count();
            let came = carry_through(&stage);
            if let Err(what) = check(&case, &reference, &script, &stage, &came) {
                // The machine that steps down need not hear of the new epoch, and the run goes on without DHCP's entries; that they
                // are missing is left open.
                let differs = what.lines().filter(|l| l.starts_with("- ") || l.starts_with("+ "));
                for line in differs {
                    let left = if line.contains("dhcpd.leases") { "leases" } else { "epoch" };
                    assert!(line.contains("dhcpd.leases") || line.contains("/var/lib/hamn/epoch"), "call {at}: {what}");
                    assert!(stage.items().iter().any(|id| id == left), "call {at}: {left} is not left open\n{what}");
                }
            }
            assert_eq!(came, Came::Done, "{}: call {at}\n{}", case.name, story(&stage.records()));
            silences += 1;
        }
        assert!(unknown > 0, "{}: no step was left unknown", case.name);
        println!("{}: silent behind each of {silences} calls", case.name);
    }
}

/// The address goes away in mid-run. What stands on it fails once, not as often as it may be tried; then the address is put back.
#[test]
fn what_others_stand_on_is_put_back_before_the_second_try() {
    let case = cases().into_iter().find(|c| c.name == "failover, primary without power").expect("that case");
    let service = case.pair.service.clone();
    let gone = Arc::new(AtomicBool::new(false));
    let mut stage = Stage::of(&case, Script::default());
    stage.meddle = Arc::new({
        let gone = gone.clone();
        let take = vocabulary::address_del(&service.address, service.prefix, &case.pair.node(NodeId::B).interface);
        move |scene| {
            let begun = scene.jobs.tokens().any(|t| t.to_string().contains("readdress.cfgloc"));
            if begun && !gone.swap(begun, Ordering::Relaxed) {
                scene.world.exec_action(Place::Node(NodeId::B), &Action::Run(take.clone())).expect("it is up");
            }
        }
    });
    let came = carry_through(&stage);
    let records = stage.records();
    assert_eq!(came, Came::Done, "{}", story(&records));
    assert!(gone.load(Ordering::Relaxed) && stage.scene.lock().unwrap().world.served());
    let regressed =
        records.iter().position(|r| matches!(&r.payload, Payload::Regressed { step, .. } if step == "address.take"));
    let before = &records[..regressed.unwrap_or_else(|| panic!("it was missed\n{}", story(&records)))];
    let mut failed = std::collections::BTreeMap::new();
    for record in before {
        if let Payload::Outcome { step, verdict: Verdict::Failed, .. } = &record.payload {
            *failed.entry(step.clone()).or_insert(0) += 1;
        }
    }
    assert!(!failed.is_empty() && failed.values().all(|n| *n == 1), "{failed:?}\n{}", story(before));
}

/// hamn dies when all is done but for saying so, and then the machine in service dies, too. Whoever takes the run up again does not
/// hear that the failover is done.
#[test]
fn a_machine_in_service_that_cannot_be_seen_any_more_is_not_called_done() {
    for case in cases() {
        let reference = reference(&case);
        let script = Script { commits: vec![(reference.commits - 2, Ink::DieAfter)], ..Script::default() };
        let stage = Stage::of(&case, script);
        assert_eq!(stage.program(Do::Start), None, "{}", case.name);
        let target = case.target;
        stage.scene.lock().unwrap().world.power(target, false);
        let ending = stage.program(Do::Resume);
        let Some(Ending::Failed { why, .. }) = &ending else {
            panic!("{}: {ending:?}\n{}", case.name, story(&stage.records()));
        };
        assert!(why.contains("whether it still holds is not known"), "{}: {why}", case.name);
        stage.scene.lock().unwrap().world.power(target, true);
        assert_eq!(carry_through(&stage), Came::Done, "{}: {}", case.name, story(&stage.records()));
    }
}

/// hamn dies when all is done but for saying so, the machine in service reboots, and reboots once more while what that took is put back.
/// What the second reboot takes is put back, too, before the run is called done.
#[test]
fn a_second_reboot_while_the_last_things_are_put_back_is_seen() {
    let mut struck = 0;
    for case in cases() {
        let reference = reference(&case);
        for at in reference.calls..reference.calls + 24 {
            let calls = vec![(at, Mishap::RebootAfter(2))];
            let script = Script { calls, commits: vec![(reference.commits - 2, Ink::DieAfter)], ..Script::default() };
            let stage = Stage::of(&case, script.clone());
            assert_eq!(stage.program(Do::Start), None, "{}", case.name);
            for on in [false, true] {
                stage.scene.lock().unwrap().world.power(case.target, on);
            }
            let came = carry_through(&stage);
            struck += u32::from(stage.calls.load(Ordering::Relaxed) > at);
            check(&case, &reference, &script, &stage, &came).unwrap_or_else(|what| panic!("call {at}: {what}"));
            assert_eq!(came, Came::Done, "{}: call {at}\n{}", case.name, story(&stage.records()));
        }
    }
    assert!(struck > 50, "{struck} histories were struck");
}

/// What came of each try of each step.
fn tries(records: &[Record]) -> Vec<(String, u32, Verdict)> {
    let of = |r: &Record| match &r.payload {
        Payload::Outcome { step, attempt, verdict, .. } => Some((step.clone(), attempt.0, *verdict)),
        _ => None,
    };
    records.iter().filter_map(of).collect()
}

/// Somebody sets the clock of hamn's machine in the middle of a run, an hour ahead at each reading. A place that refuses one connection is
/// waited for as long as ever: patience is time that passes, not what a wall clock shows.
#[test]
fn t21_a_wall_clock_that_leaps_does_not_end_patience() {
    for case in cases().into_iter().take(2) {
        for at in 0..reference(&case).calls {
            let calls = vec![(at, Mishap::Refuse)];
            let [leaps, stays] = [3_600_000, 0].map(|leap_ms| {
                let stage = Stage::of(&case, Script { calls: calls.clone(), leap_ms, ..Script::default() });
                (stage.program(Do::Start), tries(&stage.records()))
            });
            assert_eq!(leaps, stays, "{}: call {at}", case.name);
        }
    }
}
