//! Every class of record that may not stand where it stands is refused, and for the right reason.

mod common;

use common::*;
use journal_schema::{
    Attempt, Digest, Direction, End, FoldError, Illegal, Kind, Payload, PlannedStep, Record, RunId, RunState, Seq,
    Token, UnixMillis, Verdict, verify_chain,
};

/// A run whose transition `assess` is open with these steps.
fn assessing(steps: &[PlannedStep]) -> History {
    History::of([planned("assess", steps)])
}

fn undo(step: &str, attempt: u32, verdict: Verdict) -> Payload {
    outcome(step, UNDO, attempt, verdict)
}

#[track_caller]
fn assert_status(illegal: &Illegal, step: &str, is: &str) {
    assert!(matches!(illegal, Illegal::Status { step: s, status, .. } if s == step && *status == is), "{illegal:?}");
}

#[track_caller]
fn assert_not_now(illegal: &Illegal, step: &str) {
    assert!(matches!(illegal, Illegal::NotNow { step: s, .. } if s == step), "{illegal:?}");
}

#[track_caller]
fn assert_wrong(illegal: &Illegal, step: &str) {
    assert!(matches!(illegal, Illegal::WrongStep { step: s, .. } if s == step), "{illegal:?}");
}

fn no_such_step(step: &str) -> Illegal {
    Illegal::NoSuchStep { step: step.into() }
}

fn ending(end: End) -> History {
    let history = verified().with([finished(End::Done)]);
    match end {
        End::Done => history,
        End::RolledBack => History::of([rollback(), finished(end)]),
        End::Abandoned => assessing(&[once("a.x")]).with([intent("a.x", FORWARD, 1), opened("x"), finished(end)]),
    }
}

// The chain.

#[test]
fn a_run_begins_with_its_start() {
    assert_eq!(RunState::fold(&[]).unwrap_err().illegal, Illegal::Empty);
    let first = Record::next(None, RUN, UnixMillis(0), started());
    for wrong in [
        Record::next(None, RUN, UnixMillis(0), interrupted()),
        Record { seq: Seq(1), ..first.clone() },
        Record { prev: Digest::of(b"x"), ..first.clone() },
    ] {
        assert_eq!(RunState::start(&wrong).unwrap_err().illegal, Illegal::Start);
    }
    assert_eq!(History::new().refuses(started()), Illegal::StartedAgain);
}

#[test]
fn a_table_names_each_transition_once() {
    let Payload::RunStarted { workflow, refs, mut table, initial, goal, config, request, operator } = started() else {
        unreachable!()
    };
    table.push(row("Fenced", "assess", "Assessed", Kind::Reversible));
    let payload = Payload::RunStarted { workflow, refs, table, initial, goal, config, request, operator };
    let error = RunState::start(&Record::next(None, RUN, UnixMillis(0), payload)).unwrap_err();
    assert_eq!(error.illegal, Illegal::Table { transition: "assess".into() });
}

#[test]
fn records_are_of_one_run_without_gaps_and_each_bound_to_the_one_before() {
    let history = fenced();
    let next = history.state.next_record(UnixMillis(0), decided("x"));
    let other = RunId(7);
    let cases = [
        (Record { run: other, ..next.clone() }, Illegal::OtherRun { expected: RUN, found: other }),
        (
            Record { seq: Seq(next.seq.0 + 1), ..next.clone() },
            Illegal::Gap { expected: next.seq, found: Seq(next.seq.0 + 1) },
        ),
        (Record { seq: Seq(3), ..next.clone() }, Illegal::Gap { expected: next.seq, found: Seq(3) }),
        (
            Record { prev: Digest::of(b"x"), ..next.clone() },
            Illegal::Chain { expected: next.prev, found: Digest::of(b"x") },
        ),
    ];
    for (record, illegal) in cases {
        let expected = FoldError { run: record.run, seq: record.seq, event: "Decided", illegal };
        assert_eq!(history.state.check(&record).as_ref(), Err(&expected));
        let mut records = history.records.clone();
        records.push(record);
        assert_eq!(RunState::fold(&records).as_ref(), Err(&expected));
        assert_eq!(verify_chain(&records).as_ref(), Err(&expected));
    }
}

#[test]
fn a_record_lost_doubled_changed_or_swapped_is_noticed() {
    let records = verified().records;
    for at in 0..records.len() - 1 {
        let mut lost = records.clone();
        lost.remove(at);
        let mut doubled = records.clone();
        doubled.insert(at, records[at].clone());
        let mut changed = records.clone();
        changed[at].at.0 += 1;
        let mut swapped = records.clone();
        swapped.swap(at, at + 1);
        for (what, records) in [("lost", lost), ("doubled", doubled), ("changed", changed), ("swapped", swapped)] {
            assert!(verify_chain(&records).is_err(), "{what} {at}");
            assert!(RunState::fold(&records).is_err(), "{what} {at}");
        }
    }
}

// After the end.

#[test]
fn after_the_end_only_items_are_closed_and_records_imported() {
    for end in [End::Done, End::RolledBack, End::Abandoned] {
        let history = ending(end);
        for payload in [
            decided("x"),
            planned("assess", &[]),
            intent("a.x", FORWARD, 1),
            good("a.x", 1),
            skipped("a.x", FORWARD),
            regressed("a.x"),
            entered("Assessed"),
            rollback(),
            reverted("Requested"),
            stuck(""),
            interrupted(),
            resumed(FORWARD),
            opened("y"),
            finished(End::Abandoned),
        ] {
            assert_eq!(history.refuses(payload), Illegal::Ended);
        }
        history.permits(imported(RUN));
        match history.state.items.keys().next() {
            Some(id) => history.permits(closed(id)),
            None => assert_eq!(history.refuses(closed("z")), Illegal::NoSuchItem { id: "z".into() }),
        }
    }
}

#[test]
fn a_run_ends_where_its_end_says() {
    let there = |h: &History, end| assert!(matches!(h.refuses(finished(end)), Illegal::NotThere { .. }));
    there(&fenced(), End::Done);
    there(&fenced(), End::RolledBack);
    there(&fenced().with([rollback()]), End::RolledBack);
    there(&assessing(&[]), End::RolledBack);
    there(&verified(), End::RolledBack);
    assert_eq!(fenced().with([rollback()]).refuses(finished(End::Done)), Illegal::RollingBack);
    let open = History::of([planned("assess", &[])]);
    open.permits(finished(End::Abandoned));
    verified().permits(finished(End::Done));
    History::new().permits(finished(End::RolledBack));
}

#[test]
fn a_state_is_entered_again_by_a_cycle_without_having_been_rolled_back() {
    let Payload::RunStarted { workflow, refs, goal, config, request, operator, .. } = started() else { unreachable!() };
    let table =
        vec![row("Requested", "out", "Away", Kind::Reversible), row("Away", "home", "Requested", Kind::Reversible)];
    let initial = String::from("Requested");
    let payload = Payload::RunStarted { workflow, refs, table, initial, goal, config, request, operator };
    let mut records = vec![Record::next(None, RUN, UnixMillis(0), payload)];
    let steps = [planned("out", &[]), entered("Away"), planned("home", &[]), entered("Requested")];
    for payload in steps.into_iter().chain([finished(End::RolledBack)]) {
        records.push(Record::next(records.last(), RUN, UnixMillis(0), payload));
    }
    assert!(RunState::fold(&records[..5]).is_ok());
    assert!(matches!(RunState::fold(&records).unwrap_err().illegal, Illegal::NotThere { .. }));
}

// Stopped runs.

#[test]
fn a_stopped_run_does_nothing_new_before_it_is_resumed() {
    let open = assessing(&[idempotent("a.x"), idempotent("a.y")]).with([intent("a.x", FORWARD, 1)]);
    for (halt, halted) in [(stuck("a.x"), "stuck"), (interrupted(), "interrupted")] {
        let history = open.clone().with([halt]);
        for payload in [
            planned("assess", &[]),
            intent("a.y", FORWARD, 1),
            entered("Assessed"),
            rollback(),
            finished(End::Done),
            finished(End::RolledBack),
        ] {
            assert_eq!(history.refuses(payload), Illegal::Halted { halted });
        }
        for payload in [good("a.x", 1), skipped("a.x", FORWARD), decided("x"), opened("x"), finished(End::Abandoned)] {
            history.permits(payload);
        }
        history.with([resumed(FORWARD)]).permits(intent("a.y", FORWARD, 1));
    }
    let back = open.with([good("a.x", 1), rollback(), stuck("a.x")]);
    assert_eq!(back.refuses(reverted("Requested")), Illegal::Halted { halted: "stuck" });
    assert_eq!(back.refuses(intent("a.x", UNDO, 1)), Illegal::Halted { halted: "stuck" });
    back.with([resumed(UNDO)]).permits(intent("a.x", UNDO, 1));
}

#[test]
fn stopping_twice_and_being_stuck_at_nothing() {
    let history = History::of([interrupted()]);
    assert_eq!(history.refuses(interrupted()), Illegal::InterruptedAgain);
    assert_eq!(history.refuses(stuck("a.x")), no_such_step("a.x"));
}

#[test]
fn resumed_only_with_the_same_table_and_a_way_that_is_open() {
    let mut other = refs();
    other.table = Digest::of(b"other");
    let payload = Payload::Resumed { operator: operator(), refs: other, way: FORWARD };
    let illegal = Illegal::OtherTable { expected: Digest::of(b"table"), found: Digest::of(b"other") };
    assert_eq!(History::new().refuses(payload), illegal);
    let mut newer = refs();
    newer.hamn_version = "9.9.9".into();
    History::new().permits(Payload::Resumed { operator: operator(), refs: newer, way: FORWARD });
    assert_eq!(verified().refuses(resumed(UNDO)), Illegal::PastPivot);
    let back = fenced().with([rollback()]);
    assert_eq!(back.refuses(resumed(FORWARD)), Illegal::RollingBack);
    back.permits(resumed(UNDO));
}

// Planning and entering.

#[test]
fn only_a_transition_that_leaves_the_present_state_is_planned() {
    let illegal = |transition: &str| Illegal::Transition { state: "Requested".into(), transition: transition.into() };
    assert_eq!(History::new().refuses(planned("fence", &[])), illegal("fence"));
    assert_eq!(History::new().refuses(planned("fly", &[])), illegal("fly"));
}

#[test]
fn one_transition_at_a_time() {
    let illegal = Illegal::StillOpen { open: "assess".into() };
    assert_eq!(assessing(&[]).refuses(planned("fence", &[])), illegal);
}

#[test]
fn a_plan_changes_only_while_nothing_was_sent() {
    let steps = [observe("a.look"), idempotent("a.x")];
    let looked = assessing(&steps).with([good("a.look", 1), skipped("a.x", FORWARD)]);
    looked.permits(planned("assess", &[once("a.y")]));
    for history in [
        assessing(&steps).with([intent("a.x", FORWARD, 1)]),
        assessing(&steps).with([intent("a.x", FORWARD, 1), bad("a.x", 1)]),
    ] {
        let illegal = Illegal::Begun { transition: "assess".into(), step: "a.x".into() };
        assert_eq!(history.refuses(planned("assess", &steps)), illegal);
    }
}

#[test]
fn t73_a_step_id_names_one_job_only() {
    for id in ["", "a.X", "a_x", "a/x", "a x", "ä"] {
        assert_eq!(History::new().refuses(planned("assess", &[once(id)])), Illegal::StepId { step: id.into() });
    }
    let twice = planned("assess", &[once("a.x"), observe("a.x")]);
    assert_eq!(History::new().refuses(twice), Illegal::StepId { step: "a.x".into() });
    let of_another = planned("promote", &[once("fence.off")]);
    assert_eq!(fenced().refuses(of_another), Illegal::StepId { step: "fence.off".into() });
}

#[test]
fn a_state_is_entered_when_its_transition_is_complete() {
    assert_eq!(History::new().refuses(entered("Assessed")), Illegal::NothingOpen);
    let illegal = Illegal::State { expected: "Assessed".into(), found: "Fenced".into() };
    assert_eq!(assessing(&[]).refuses(entered("Fenced")), illegal);
    let not_holding = |status| Illegal::NotHolding { step: "a.x".into(), status };
    let open = assessing(&[idempotent("a.x")]);
    assert_eq!(open.refuses(entered("Assessed")), not_holding("planned"));
    let open = open.with([intent("a.x", FORWARD, 1)]);
    assert_eq!(open.refuses(entered("Assessed")), not_holding("intended"));
    assert_eq!(open.clone().with([unknown("a.x", 1)]).refuses(entered("Assessed")), not_holding("unknown"));
    assert_eq!(open.clone().with([bad("a.x", 1)]).refuses(entered("Assessed")), not_holding("failed"));
    open.with([good("a.x", 1)]).permits(entered("Assessed"));
    let look = assessing(&[observe("a.x")]).with([unknown("a.x", 1)]);
    assert_eq!(look.refuses(entered("Assessed")), not_holding("unknown"));
}

#[test]
fn an_optional_step_may_fail_and_may_not_be_forgotten() {
    let open = assessing(&[optional(idempotent("a.x"))]);
    assert!(matches!(open.refuses(entered("Assessed")), Illegal::NotHolding { .. }));
    let open = open.with([intent("a.x", FORWARD, 1)]);
    assert!(matches!(open.refuses(entered("Assessed")), Illegal::NotHolding { .. }));
    let sent = open.clone().with([unknown("a.x", 1)]);
    assert!(matches!(sent.refuses(entered("Assessed")), Illegal::NotHolding { .. }));
    open.with([bad("a.x", 1)]).permits(entered("Assessed"));
}

#[test]
fn nothing_is_entered_or_done_while_an_earlier_effect_is_missing() {
    let gone = fenced().with([planned("promote", &[]), regressed("assess.claim")]);
    let illegal = Illegal::NotHolding { step: "assess.claim".into(), status: "regressed" };
    assert_eq!(gone.refuses(entered("Promoted")), illegal);
    gone.with([skipped("assess.claim", FORWARD)]).permits(entered("Promoted"));
    let gone = verified().with([regressed("assess.claim")]);
    assert_eq!(gone.refuses(finished(End::Done)), illegal);
}

// Steps forward.

#[test]
fn only_planned_steps_of_the_open_transition() {
    for payload in [intent("a.x", FORWARD, 1), good("a.x", 1), skipped("a.x", FORWARD), regressed("a.x"), stuck("a.x")]
    {
        assert_eq!(fenced().refuses(payload), no_such_step("a.x"));
    }
    let failed = History::of([
        planned("assess", &[optional(idempotent("a.x")), observe("a.look")]),
        intent("a.x", FORWARD, 1),
        bad("a.x", 1),
        good("a.look", 1),
        entered("Assessed"),
    ]);
    assert_not_now(&failed.refuses(intent("a.x", FORWARD, 2)), "a.x");
    assert_not_now(&failed.refuses(skipped("a.x", FORWARD)), "a.x");
    assert_not_now(&failed.refuses(good("a.x", 1)), "a.x");
    assert_not_now(&failed.refuses(good("a.look", 2)), "a.look");
}

#[test]
fn an_observation_has_outcomes_and_nothing_else() {
    let open = assessing(&[observe("a.look")]);
    assert_wrong(&open.refuses(intent("a.look", FORWARD, 1)), "a.look");
    assert_wrong(&open.refuses(skipped("a.look", FORWARD)), "a.look");
    assert_wrong(&open.refuses(undo("a.look", 1, Verdict::Succeeded)), "a.look");
    let looked = open.with([good("a.look", 1)]);
    assert_wrong(&looked.refuses(regressed("a.look")), "a.look");
    let illegal = Illegal::Attempt { step: "a.look".into(), expected: Attempt(2), found: Attempt(1) };
    assert_eq!(looked.refuses(good("a.look", 1)), illegal);
    assert!(matches!(looked.refuses(good("a.look", 3)), Illegal::Attempt { .. }));
}

#[test]
fn an_effect_needs_its_intent_first() {
    let open = assessing(&[once("a.x")]);
    assert_status(&open.refuses(good("a.x", 1)), "a.x", "planned");
    let sent = open.with([intent("a.x", FORWARD, 1)]);
    let illegal = Illegal::Attempt { step: "a.x".into(), expected: Attempt(1), found: Attempt(2) };
    assert_eq!(sent.refuses(good("a.x", 2)), illegal);
    for done in [good("a.x", 1), bad("a.x", 1), skipped("a.x", FORWARD)] {
        let done = sent.clone().with([done]);
        for verdict in [Verdict::Succeeded, Verdict::Failed, Verdict::Unknown] {
            let word = done.status("a.x").word();
            assert_status(&done.refuses(outcome("a.x", FORWARD, 1, verdict)), "a.x", word);
        }
    }
}

#[test]
fn a_once_only_step_that_may_have_happened_is_never_sent_again() {
    let sent = assessing(&[once("a.x")]).with([intent("a.x", FORWARD, 1)]);
    assert_status(&sent.refuses(intent("a.x", FORWARD, 2)), "a.x", "intended");
    let not_known = sent.clone().with([unknown("a.x", 1)]);
    assert_status(&not_known.refuses(intent("a.x", FORWARD, 2)), "a.x", "unknown");
    not_known.with([bad("a.x", 1)]).permits(intent("a.x", FORWARD, 2));
    sent.with([bad("a.x", 1)]).permits(intent("a.x", FORWARD, 2));
    let idempotent = assessing(&[idempotent("a.x")]).with([intent("a.x", FORWARD, 1)]);
    idempotent.permits(intent("a.x", FORWARD, 2));
    idempotent.with([unknown("a.x", 1)]).permits(intent("a.x", FORWARD, 2));
}

#[test]
fn what_holds_is_neither_sent_nor_skipped_again() {
    for held in [
        assessing(&[idempotent("a.x")]).with([intent("a.x", FORWARD, 1), good("a.x", 1)]),
        assessing(&[idempotent("a.x")]).with([skipped("a.x", FORWARD)]),
    ] {
        let next = held.state.steps["a.x"].next_attempt(FORWARD).0;
        assert_status(&held.refuses(intent("a.x", FORWARD, next)), "a.x", "holding");
        assert_status(&held.refuses(skipped("a.x", FORWARD)), "a.x", "holding");
    }
}

#[test]
fn tries_count_up_by_one_and_tokens_follow_them() {
    let open = assessing(&[idempotent("a.x")]);
    let attempt =
        |expected, found| Illegal::Attempt { step: "a.x".into(), expected: Attempt(expected), found: Attempt(found) };
    assert_eq!(open.refuses(intent("a.x", FORWARD, 0)), attempt(1, 0));
    assert_eq!(open.refuses(intent("a.x", FORWARD, 2)), attempt(1, 2));
    let sent = open.clone().with([intent("a.x", FORWARD, 1)]);
    assert_eq!(sent.refuses(intent("a.x", FORWARD, 1)), attempt(2, 1));
    let Payload::Intent { step, direction, attempt, at, script, .. } = intent("a.x", FORWARD, 1) else {
        unreachable!()
    };
    let token = Token::new(RUN, "a.x", FORWARD, Attempt(2));
    let wrong = Payload::Intent { step, direction, attempt, token: token.clone(), at, script };
    let expected = Token::new(RUN, "a.x", FORWARD, Attempt(1));
    assert_eq!(open.refuses(wrong), Illegal::Token { expected, found: token });
}

#[test]
fn a_stage_starts_when_the_one_before_has_ended() {
    let open = assessing(&[idempotent("a.x"), stage(1, optional(idempotent("a.y"))), stage(2, idempotent("a.z"))]);
    let waits = |step: &str, waits_for: &str| Illegal::Stage { step: step.into(), waits_for: waits_for.into() };
    assert_eq!(open.refuses(intent("a.y", FORWARD, 1)), waits("a.y", "a.x"));
    let open = open.with([intent("a.x", FORWARD, 1), good("a.x", 1)]);
    assert_eq!(open.refuses(intent("a.z", FORWARD, 1)), waits("a.z", "a.y"));
    open.with([intent("a.y", FORWARD, 1), bad("a.y", 1)]).permits(intent("a.z", FORWARD, 1));
}

#[test]
fn only_a_volatile_effect_that_holds_regresses() {
    let open = assessing(&[volatile(idempotent("a.x")), idempotent("a.y")]).with([skipped("a.y", FORWARD)]);
    assert_wrong(&open.refuses(regressed("a.y")), "a.y");
    assert_status(&open.refuses(regressed("a.x")), "a.x", "planned");
    let sent = open.with([intent("a.x", FORWARD, 1)]);
    assert_status(&sent.refuses(regressed("a.x")), "a.x", "intended");
    let held = sent.with([good("a.x", 1)]);
    held.permits(regressed("a.x"));
    let gone = held.with([regressed("a.x")]);
    assert_status(&gone.refuses(regressed("a.x")), "a.x", "regressed");
    assert_status(&gone.refuses(good("a.x", 1)), "a.x", "regressed");
}

#[test]
fn what_was_reverted_does_not_regress() {
    let steps = [volatile(lasting(idempotent("a.x")))];
    let back = assessing(&steps).with([skipped("a.x", FORWARD), rollback(), reverted("Requested")]);
    assert_not_now(&back.refuses(regressed("a.x")), "a.x");
}

// Back.

#[test]
fn nothing_is_undone_before_the_rollback_and_nothing_done_after() {
    let history = assessing(&[idempotent("a.x"), idempotent("a.y")]).with([
        intent("a.x", FORWARD, 1),
        good("a.x", 1),
        intent("a.y", FORWARD, 1),
        bad("a.y", 1),
    ]);
    assert_eq!(history.refuses(intent("a.x", UNDO, 1)), Illegal::NotRollingBack);
    assert_eq!(history.refuses(skipped("a.x", UNDO)), Illegal::NotRollingBack);
    assert_eq!(history.refuses(undo("a.x", 1, Verdict::Succeeded)), Illegal::NotRollingBack);
    assert_eq!(history.refuses(reverted("Requested")), Illegal::NotRollingBack);
    let back = history.with([rollback()]);
    for payload in [
        planned("assess", &[]),
        intent("a.y", FORWARD, 2),
        skipped("a.y", FORWARD),
        entered("Assessed"),
        rollback(),
        resumed(Direction::Forward),
    ] {
        assert_eq!(back.refuses(payload), Illegal::RollingBack);
    }
}

#[test]
fn undoing_follows_the_same_rules() {
    let back = assessing(&[once("a.x"), lasting(once("a.y")), once("a.z")]).with([
        intent("a.x", FORWARD, 1),
        good("a.x", 1),
        intent("a.y", FORWARD, 1),
        good("a.y", 1),
        rollback(),
    ]);
    assert_wrong(&back.refuses(intent("a.y", UNDO, 1)), "a.y");
    assert_wrong(&back.refuses(skipped("a.y", UNDO)), "a.y");
    assert_status(&back.refuses(intent("a.z", UNDO, 1)), "a.z", "planned");
    assert_status(&back.refuses(skipped("a.z", UNDO)), "a.z", "planned");
    assert_status(&back.refuses(undo("a.x", 1, Verdict::Succeeded)), "a.x", "holding");
    assert!(matches!(back.refuses(intent("a.x", UNDO, 2)), Illegal::Attempt { .. }));
    let sent = back.with([intent("a.x", UNDO, 1)]);
    assert_status(&sent.refuses(good("a.x", 1)), "a.x", "undo intended");
    assert!(matches!(sent.refuses(undo("a.x", 2, Verdict::Failed)), Illegal::Attempt { .. }));
    assert_status(&sent.refuses(intent("a.x", UNDO, 2)), "a.x", "undo intended");
    let not_known = sent.clone().with([undo("a.x", 1, Verdict::Unknown)]);
    assert_status(&not_known.refuses(intent("a.x", UNDO, 2)), "a.x", "undo unknown");
    not_known.permits(undo("a.x", 1, Verdict::Failed));
    let failed = not_known.with([undo("a.x", 1, Verdict::Failed)]);
    assert_status(&failed.refuses(good("a.x", 1)), "a.x", "undo failed");
    failed.permits(intent("a.x", UNDO, 2));
    let undone = sent.with([undo("a.x", 1, Verdict::Succeeded)]);
    assert_status(&undone.refuses(intent("a.x", UNDO, 2)), "a.x", "undone");
    assert_status(&undone.refuses(skipped("a.x", UNDO)), "a.x", "undone");
    assert_status(&undone.refuses(undo("a.x", 1, Verdict::Failed)), "a.x", "undone");
}

#[test]
fn an_idempotent_undoing_may_be_sent_again() {
    let back = assessing(&[idempotent("a.x")]).with([intent("a.x", FORWARD, 1), rollback(), intent("a.x", UNDO, 1)]);
    back.permits(intent("a.x", UNDO, 2));
    back.with([undo("a.x", 1, Verdict::Unknown)]).permits(intent("a.x", UNDO, 2));
}

#[test]
fn transitions_are_reverted_one_by_one_from_the_last() {
    let back = fenced().with([rollback()]);
    assert_not_now(&back.refuses(intent("assess.claim", UNDO, 1)), "assess.claim");
    let illegal = Illegal::State { expected: "Assessed".into(), found: "Requested".into() };
    assert_eq!(back.refuses(reverted("Requested")), illegal);
    let illegal = Illegal::NotUndone { step: "fence.off".into(), status: "holding" };
    assert_eq!(back.refuses(reverted("Assessed")), illegal);
    let back = back.with([intent("fence.off", UNDO, 1), undo("fence.off", 1, Verdict::Failed)]);
    assert!(matches!(back.refuses(reverted("Assessed")), Illegal::NotUndone { .. }));
    let back = back.with([skipped("fence.off", UNDO), reverted("Assessed")]);
    assert_not_now(&back.refuses(intent("fence.off", UNDO, 2)), "fence.off");
    assert_eq!(History::of([rollback()]).refuses(reverted("Requested")), Illegal::NothingToRevert);
}

#[test]
fn whatever_was_sent_must_be_undone() {
    for end in [None, Some(bad("a.x", 1)), Some(unknown("a.x", 1)), Some(good("a.x", 1))] {
        let sent = assessing(&[idempotent("a.x")]).with([intent("a.x", FORWARD, 1)]).with(end).with([rollback()]);
        assert!(matches!(sent.refuses(reverted("Requested")), Illegal::NotUndone { .. }));
        sent.with([intent("a.x", UNDO, 1), undo("a.x", 1, Verdict::Succeeded)]).permits(reverted("Requested"));
    }
    let gone = fenced().with([regressed("assess.claim"), rollback(), skipped("fence.off", UNDO), reverted("Assessed")]);
    assert!(matches!(gone.refuses(reverted("Requested")), Illegal::NotUndone { .. }));
}

#[test]
fn stages_are_undone_in_reverse() {
    let back = assessing(&[idempotent("a.x"), stage(1, idempotent("a.y"))]).with([
        intent("a.x", FORWARD, 1),
        good("a.x", 1),
        intent("a.y", FORWARD, 1),
        rollback(),
    ]);
    let illegal = Illegal::Stage { step: "a.x".into(), waits_for: "a.y".into() };
    assert_eq!(back.refuses(intent("a.x", UNDO, 1)), illegal);
    back.with([skipped("a.y", UNDO)]).permits(intent("a.x", UNDO, 1));
}

// Items and imports.

#[test]
fn items_open_once_and_close_once() {
    let history = History::of([opened("x")]);
    assert_eq!(history.refuses(opened("x")), Illegal::ItemOpen { id: "x".into() });
    let history = history.with([closed("x")]);
    assert_eq!(history.refuses(closed("x")), Illegal::NoSuchItem { id: "x".into() });
    history.permits(opened("x"));
}

#[test]
fn a_run_is_imported_as_itself() {
    assert_eq!(History::new().refuses(imported(RunId(7))), Illegal::OtherRun { expected: RUN, found: RunId(7) });
    History::new().permits(imported(RUN));
}
