//! What a place that does not answer says of what an earlier program started there: nothing.

use std::sync::atomic::Ordering;

use hamn::remote::simulated::{Jobs, Mishap};
use journal_schema::{Payload, Record, Token, Verdict};
use workflows::model::NodeId;

use crate::{
    campaign::{Came, carry_through, cases, check, reference},
    stage::{Do, Script, Stage, story},
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
            let stage =
                Stage::new(case.world.clone(), case.pair.clone(), case.workflow.clone(), NodeId::B, script.clone());
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
            check(&case, &reference, &script, &stage, &came).unwrap_or_else(|what| panic!("call {at}: {what}"));
            assert_eq!(came, Came::Done, "{}: call {at}\n{}", case.name, story(&stage.records()));
            silences += 1;
        }
        assert!(unknown > 0, "{}: no step was left unknown", case.name);
        println!("{}: silent behind each of {silences} calls", case.name);
    }
}
