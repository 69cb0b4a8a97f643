//! Legal runs, and the state that they fold to.

mod common;

use common::*;
use journal_schema::{
    Attempt, Direction, End, HoldsBy, Illegal, OpenItem, ReadError, Record, RunState, Seq, StepStatus, Token,
    UnixMillis, verify_chain,
};

#[test]
fn a_run_that_is_done() {
    let history = verified().with([finished(End::Done)]);
    let state = &history.state;
    assert_eq!(state.end, Some((End::Done, "over".into())));
    assert_eq!(state.state, "Verified");
    let states: Vec<_> = state.entered.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, ["Requested", "Assessed", "Fenced", "Promoted", "Verified"]);
    let taken: Vec<_> = state.taken.iter().map(|t| (t.row.transition.as_str(), t.steps.len())).collect();
    assert_eq!(taken, [("assess", 2), ("fence", 1), ("promote", 2), ("verify", 1)]);
    assert_eq!(state.open, None);
    assert_eq!(state.items.keys().collect::<Vec<_>>(), ["dns"]);
    assert_eq!(
        state.items["dns"],
        OpenItem { id: "dns".into(), text: "left to do".into(), command: "hamn sync".into() }
    );
    assert_eq!(state.evidence.len(), 6, "a fact of each outcome");
    assert_eq!(state.started, UnixMillis(1_700_000_000_000));
    assert_eq!(state.last, (Seq(history.records.len() as u64 - 1), history.records.last().unwrap().digest()));
}

#[test]
fn folding_is_applying_one_by_one() {
    let history = verified().with([finished(End::Done), closed("dns"), imported(RUN)]);
    assert_eq!(RunState::fold(&history.records).as_ref(), Ok(&history.state));
    assert_eq!(RunState::fold_frames(&history.frames()).as_ref(), Ok(&history.state));
    assert_eq!(verify_chain(&history.records), Ok(()));
    let mut prev = None;
    for record in &history.records {
        assert_eq!(&Record::next(prev, RUN, record.at, record.payload.clone()), record);
        prev = Some(record);
    }
}

#[test]
fn every_beginning_of_a_run_folds() {
    let history = verified().with([finished(End::Done)]);
    for n in 1..=history.records.len() {
        let state = RunState::fold(&history.records[..n]).expect("a beginning of a legal run is legal");
        assert_eq!(state.last.0, Seq(n as u64 - 1));
    }
}

#[test]
fn a_step_goes_through_its_life() {
    let mut history = History::of([planned("assess", &[idempotent("a.x")])]);
    assert_eq!(history.status("a.x"), &StepStatus::Planned);
    let token = Token::new(RUN, "a.x", FORWARD, Attempt(1));
    let (direction, attempt, at) = (FORWARD, Attempt(1), String::from("mn2"));
    history.extend([intent("a.x", FORWARD, 1)]);
    let intended = StepStatus::Intended { direction, attempt, token: token.clone(), at: at.clone() };
    assert_eq!(history.status("a.x"), &intended);
    history.extend([unknown("a.x", 1)]);
    let why = String::from("seen");
    let not_known = StepStatus::Unknown { direction, attempt, why: why.clone(), token: Some(token), at };
    assert_eq!(history.status("a.x"), &not_known, "the job can still be asked for");
    history.extend([unknown("a.x", 1)]);
    assert_eq!(history.status("a.x"), &not_known, "asked again, the job is still known");
    history.extend([bad("a.x", 1)]);
    assert_eq!(history.status("a.x"), &StepStatus::Failed { direction, attempt, why });
    assert_eq!(history.state.steps["a.x"].next_attempt(FORWARD), Attempt(2));
    history.extend([intent("a.x", FORWARD, 2), skipped("a.x", FORWARD)]);
    assert_eq!(history.status("a.x"), &StepStatus::Holds { attempt: Attempt(2), by: HoldsBy::Skipped });
    assert_eq!(history.state.steps["a.x"].last_attempt(FORWARD), Attempt(2));
    assert_eq!(history.state.steps["a.x"].last_attempt(UNDO), Attempt(0));
}

#[test]
fn an_observation_may_be_repeated() {
    let history = History::of([planned("assess", &[observe("a.look")]), bad("a.look", 1), unknown("a.look", 2)]);
    let StepStatus::Unknown { token: None, at, .. } = history.status("a.look") else {
        panic!("{:?}", history.status("a.look"));
    };
    assert_eq!(at, "mn2");
    let history = history.with([good("a.look", 3), good("a.look", 4)]);
    assert_eq!(history.status("a.look"), &StepStatus::Holds { attempt: Attempt(4), by: HoldsBy::Succeeded });
}

#[test]
fn an_optional_look_without_an_answer_holds_nobody_up() {
    let history = History::of([planned("assess", &[optional(observe("a.look")), stage(1, idempotent("a.x"))])]);
    let history = history.with([unknown("a.look", 1), skipped("a.x", FORWARD)]);
    history.permits(entered("Assessed"));
}

#[test]
fn planning_again_sees_the_evidence_of_the_first_time() {
    let mut history = fenced();
    let known = history.state.evidence.len();
    assert_eq!(history.state.evidence_before_plan().len(), known);
    history.extend([planned("promote", &[observe("p.a"), once("p.b")]), good("p.a", 1)]);
    assert_eq!(history.state.evidence_before_plan().len(), known);
    assert_eq!(history.state.evidence.len(), known + 1);
    history.extend([planned("promote", &[observe("p.a"), once("p.c")])]);
    assert_eq!(history.state.evidence_before_plan().len(), known + 1, "planned anew, with what is known by then");
    assert!(!history.state.steps.contains_key("p.b"));
    assert_eq!(history.status("p.a"), &StepStatus::Planned);
}

#[test]
fn rolled_back_to_the_beginning() {
    let mut history = fenced();
    history.extend([planned("promote", &[observe("p.a"), once("p.b")]), good("p.a", 1), rollback()]);
    assert_eq!(history.state.rolling_back.as_deref(), Some("asked"));
    history.extend([reverted("Fenced")]);
    assert_eq!((history.state.state.as_str(), &history.state.open), ("Fenced", &None));
    let (row, steps) = history.state.to_revert().expect("two transitions are left");
    assert_eq!((row.transition.as_str(), steps[0].id.as_str()), ("fence", "fence.off"));
    history.extend([
        intent("fence.off", UNDO, 1),
        outcome("fence.off", UNDO, 1, journal_schema::Verdict::Failed),
        intent("fence.off", UNDO, 2),
        outcome("fence.off", UNDO, 2, journal_schema::Verdict::Succeeded),
        reverted("Assessed"),
        skipped("assess.claim", UNDO),
        reverted("Requested"),
    ]);
    assert_eq!(history.status("fence.off"), &StepStatus::Undone);
    assert_eq!(history.state.to_revert(), None);
    history.extend([finished(End::RolledBack)]);
    assert_eq!(history.state.state, history.state.initial);
}

#[test]
fn an_effect_that_was_there_before_the_run_need_not_be_undone() {
    let history = History::of([planned("assess", &[idempotent("a.x")]), skipped("a.x", FORWARD), entered("Assessed")]);
    assert!(!history.state.steps["a.x"].needs_undo());
    let history = history.with([rollback()]);
    history.permits(reverted("Requested"));
    history.permits(intent("a.x", UNDO, 1));
}

#[test]
fn no_return_from_the_moment_the_pivot_may_have_happened() {
    let before = fenced().with([planned("promote", &[observe("p.look"), once("p.db")]), good("p.look", 1)]);
    assert!(!before.state.pivot_may_have_happened());
    before.permits(rollback());
    before.permits(resumed(UNDO));
    let sent = before.clone().with([intent("p.db", FORWARD, 1)]);
    let failed = sent.clone().with([bad("p.db", 1)]);
    let found = before.with([skipped("p.db", FORWARD)]);
    for after in [&sent, &failed, &found, &verified()] {
        assert!(after.state.pivot_may_have_happened());
        assert!(!after.state.can_roll_back());
        assert_eq!(after.refuses(rollback()), Illegal::PastPivot);
        assert_eq!(after.refuses(resumed(UNDO)), Illegal::PastPivot);
    }
}

#[test]
fn a_pivot_without_effects_is_passed_by_entering_its_state() {
    let history = fenced().with([planned("promote", &[observe("p.look")]), good("p.look", 1), entered("Promoted")]);
    assert!(history.state.pivot_may_have_happened());
}

#[test]
fn stopped_and_taken_up_again() {
    let mut history = fenced();
    history.extend([interrupted(), decided("consent"), stuck(""), opened("x")]);
    assert_eq!(history.state.interrupted.as_deref(), Some("asked to stop"));
    assert_eq!(history.state.stuck.as_ref().map(|s| s.settle.as_str()), Some("hamn resume"));
    history.extend([resumed(FORWARD)]);
    assert_eq!((&history.state.interrupted, &history.state.stuck, history.state.resumes), (&None, &None, 1));
    assert_eq!(history.state.decisions[0].question, "consent");
}

#[test]
fn a_regressed_effect_is_done_again_after_its_transition_was_completed() {
    let history = fenced().with([regressed("assess.claim")]);
    assert_eq!(history.status("assess.claim"), &StepStatus::Regressed);
    history.permits(skipped("assess.claim", FORWARD));
    let history = history.with([intent("assess.claim", FORWARD, 2), bad("assess.claim", 2)]);
    let history = history.with([intent("assess.claim", FORWARD, 3), good("assess.claim", 3)]);
    assert!(history.state.steps["assess.claim"].holds());
    history.permits(regressed("assess.claim"));
}

#[test]
fn what_is_unknown_may_be_settled_during_a_rollback() {
    let history = History::of([
        planned("assess", &[once("a.x"), once("a.y")]),
        intent("a.x", FORWARD, 1),
        intent("a.y", FORWARD, 1),
        unknown("a.y", 1),
        rollback(),
    ]);
    history.permits(good("a.x", 1));
    history.permits(skipped("a.y", FORWARD));
    history.permits(intent("a.y", UNDO, 1));
}

#[test]
fn a_damaged_frame_is_named_by_its_offset() {
    let history = fenced();
    let mut bytes = history.frames();
    let second = history.records[0].encode().unwrap().len();
    bytes[second + 20] ^= 1;
    let error = RunState::fold_frames(&bytes).unwrap_err();
    assert!(matches!(error, ReadError::Frame { offset, .. } if offset == second), "{error}");
    assert!(matches!(RunState::fold_frames(b""), Err(ReadError::Fold(e)) if e.illegal == Illegal::Empty));
}

#[test]
fn a_message_names_run_record_and_what_was_expected() {
    let mut history = History::of([planned("assess", &[once("a.x")]), intent("a.x", Direction::Forward, 1)]);
    let error = history.push(intent("a.x", Direction::Forward, 2)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "run 0123456789abcdef, record 3 (Intent): a.x is intended; expected it to be planned, failed or regressed, \
         because it must not happen twice"
    );
}
