//! Every journal boundary, and every mishap at every remote call.

use hamn::remote::simulated::Mishap;
use journal_schema::Payload;

use crate::{
    campaign::{Came, Case, cases, run},
    judge::{Reference, check, reference},
    random::MISHAPS,
    stage::{Ink, Script, Stage, story},
    tally::{Tally, Wrong},
};

#[test]
fn every_journal_boundary() {
    for case in cases() {
        journal_boundaries(&case, 1);
    }
}

/// hamn dies before and after every commit, or finds its disk full; of the commits every `nth`. All of these histories reach the end.
pub(crate) fn journal_boundaries(case: &Case, nth: usize) {
    let reference = reference(case);
    let mut histories = 0;
    for at in (0..reference.commits).step_by(nth) {
        for ink in [Ink::DieBefore, Ink::DieAfter, Ink::Full] {
            let script = Script { commits: vec![(at, ink)], ..Script::default() };
            let (stage, came) = run(case, script.clone());
            check(case, &reference, &script, &stage, &came).unwrap_or_else(|what| panic!("{what}"));
            let records = stage.records();
            assert_eq!(came, Came::Done, "{}: {script:?}\n{}", case.name, story(&records));
            // No machine rebooted: what the run itself took away, a resume must not take for lost and put back.
            let gone = records.iter().any(|r| matches!(r.payload, Payload::Regressed { .. }));
            assert!(!gone, "{}: {script:?}\n{}", case.name, story(&records));
            histories += 1;
        }
    }
    let every = if nth == 1 { "each".into() } else { format!("every {nth}th") };
    println!(
        "{} (workflow {}): hamn dies before and after {every} of {} records, or its disk is full: {histories} histories, all done",
        case.name, case.workflow.name, reference.commits
    );
}

#[test]
fn every_remote_call() {
    let mut wrong = Wrong::default();
    for case in cases() {
        remote_calls(&case, 1, &mut wrong);
    }
    wrong.assert_none();
}

/// As [`check`]; and where `must` is set the history must reach the end.
fn judged(case: &Case, reference: &Reference, script: &Script, must: bool) -> (Came, Result<(), String>, Stage) {
    let (stage, came) = run(case, script.clone());
    let mut result = check(case, reference, script, &stage, &came);
    let shown = std::env::var_os("HAMN_STOPPED").is_some() && matches!(came, Came::Stopped(_));
    if result.is_ok() && (must && came != Came::Done || shown) {
        result = Err(format!("{}: {script:?}\n{came:?}\n\n{}", case.name, story(&stage.records())));
    }
    (came, result, stage)
}

/// Every mishap at every remote call; of the calls every `nth`.
pub(crate) fn remote_calls(case: &Case, nth: usize, wrong: &mut Wrong) {
    let reference = reference(case);
    let mut tally = Tally::default();
    for at in (0..reference.calls).step_by(nth) {
        for mishap in MISHAPS {
            let script = Script { calls: vec![(at, mishap)], ..Script::default() };
            let reboot = matches!(mishap, Mishap::RebootAfter(_));
            let (came, result, stage) = judged(case, &reference, &script, !reboot);
            wrong.note(case, result);
            tally.count(&came, &stage);
        }
    }
    let every = if nth == 1 { "each".into() } else { format!("every {nth}th") };
    tally.print(case, &format!("{} mishaps at {every} of {} remote calls", MISHAPS.len(), reference.calls));
}
