//! What holds for every run and every damage. A failing case is printed and kept by proptest.

mod common;

use std::collections::BTreeMap;

use common::*;
use journal_schema::{
    Attempt, Digest, Direction, End, FrameError, Frames, Mode, Payload, PlannedStep, Record, RunState, Verdict,
    verify_chain,
};
use proptest::prelude::*;

const MODES: [Mode; 3] = [Mode::Observe, Mode::Idempotent, Mode::OnceOnly];
const VERDICTS: [Verdict; 3] = [Verdict::Succeeded, Verdict::Failed, Verdict::Unknown];

/// What the dice say next; most of it may not follow and is refused.
fn payload(state: &RunState, [kind, which, how, count]: [u8; 4]) -> Payload {
    let pick = |n: usize, of: u8| usize::from(of) % n;
    let direction = if how & 1 == 0 { FORWARD } else { UNDO };
    // Mostly a step of the transition under way, where something can happen.
    let ids: Vec<&String> = match &state.open {
        Some(open) if count % 8 != 0 => open.steps.iter().map(|s| &s.id).collect(),
        _ => state.steps.keys().collect(),
    };
    let step = if ids.is_empty() { "none".to_owned() } else { ids[pick(ids.len(), which)].clone() };
    let attempt = match state.steps.get(&step) {
        Some(s) if count < 192 => match s.status.pending() {
            Some((_, attempt)) if kind % 24 >= 8 => attempt.0,
            _ => s.next_attempt(direction).0,
        },
        _ => u32::from(count % 4),
    };
    match kind % 24 {
        0 | 1 => {
            let row = state.leaving().next().map_or("none", |row| row.transition.as_str());
            let steps = |n: u8| PlannedStep {
                stage: n / 2,
                volatile: how & 2 != 0,
                optional: how & 4 != 0 && n == 1,
                undo: (how >> 3).wrapping_add(n) % 3 != 0,
                ..step_of(row, n, MODES[pick(3, which.wrapping_add(n))])
            };
            planned(row, &(0..which % 4).map(steps).collect::<Vec<_>>())
        }
        2..=7 => intent(&step, direction, attempt),
        8..=15 => outcome(&step, direction, attempt, VERDICTS[pick(8, count).saturating_sub(5)]),
        16 => skipped(&step, direction),
        17 => regressed(&step),
        18 | 19 => match &state.open {
            Some(open) if state.rolling_back.is_none() => entered(&open.row.to),
            _ => reverted(state.to_revert().map_or("none", |(row, _)| &row.from)),
        },
        20 => match how {
            0..10 => rollback(),
            10..20 => stuck(&step),
            20..30 => interrupted(),
            _ => imported(RUN),
        },
        21 => resumed(direction),
        22 => match how % 3 {
            0 => opened(&format!("item{}", which % 3)),
            1 => closed(&format!("item{}", which % 3)),
            _ => decided("question"),
        },
        _ => finished(match which {
            0..3 => End::Abandoned,
            _ if state.rolling_back.is_some() => End::RolledBack,
            _ => End::Done,
        }),
    }
}

fn step_of(transition: &str, n: u8, mode: Mode) -> PlannedStep {
    step(&format!("{transition}.{n}"), mode)
}

fn history(dice: &[[u8; 4]]) -> History {
    let mut history = History::new();
    for roll in dice {
        let payload = payload(&history.state, *roll);
        let _ = history.push(payload);
    }
    history
}

fn dice() -> impl Strategy<Value = Vec<[u8; 4]>> {
    prop::collection::vec(any::<[u8; 4]>(), 0..400)
}

/// Counts what was sent, without the fold: an intent of a once-only step follows only what shows that the one before had no
/// effect, or that its effect is gone; tries count up.
fn assert_once_only(records: &[Record]) {
    let mut modes: BTreeMap<String, Mode> = BTreeMap::new();
    let mut may_have_happened: BTreeMap<(String, Direction), bool> = BTreeMap::new();
    let mut tries: BTreeMap<(String, Direction), u32> = BTreeMap::new();
    for record in records {
        match &record.payload {
            Payload::Planned { steps, .. } => modes.extend(steps.iter().map(|s| (s.id.clone(), s.mode))),
            Payload::Intent { step, direction, attempt, .. } => {
                let key = (step.clone(), *direction);
                let again = may_have_happened.insert(key.clone(), true).unwrap_or(false);
                assert!(!again || modes[step] == Mode::Idempotent, "{step} may have happened and was sent again");
                let last = tries.insert(key, attempt.0).unwrap_or(0);
                assert_eq!(attempt.0, last + 1, "tries of {step}");
            }
            Payload::Outcome { step, direction, verdict: Verdict::Failed, .. } => {
                may_have_happened.insert((step.clone(), *direction), false);
            }
            Payload::Regressed { step, .. } => {
                may_have_happened.insert((step.clone(), Direction::Forward), false);
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// SHA-256, whoever computes it and in whatever parts it is given.
    #[test]
    fn a_digest_is_that_of_all_parts(bytes in prop::collection::vec(any::<u8>(), 0..3000), cut in any::<prop::sample::Index>()) {
        let (a, b) = bytes.split_at(cut.index(bytes.len() + 1));
        let expected: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(&bytes).into();
        prop_assert_eq!(Digest::of_parts([a, b]).0, expected);
        prop_assert_eq!(Digest::of(&bytes).0, expected);
    }

    #[test]
    fn a_random_legal_run_folds_in_every_way(dice in dice()) {
        let history = history(&dice);
        prop_assert_eq!(RunState::fold(&history.records), Ok(history.state.clone()));
        prop_assert_eq!(RunState::fold_frames(&history.frames()), Ok(history.state.clone()));
        prop_assert_eq!(verify_chain(&history.records), Ok(()));
        let lines: Result<Vec<_>, _> = history.records.iter().map(|r| Record::from_json(&r.to_json())).collect();
        prop_assert_eq!(lines.as_ref(), Ok(&history.records));
        assert_once_only(&history.records);
    }

    #[test]
    fn a_run_never_ends_rolled_back_with_something_left_to_undo(dice in dice()) {
        let state = history(&dice).state;
        if let Some((End::RolledBack, _)) = state.end {
            prop_assert!(!state.steps.values().any(journal_schema::StepState::needs_undo));
            prop_assert!(!state.pivot_may_have_happened());
        }
        if let Some((End::Done, _)) = state.end {
            prop_assert_eq!(&state.state, &state.goal);
            prop_assert!(state.steps.values().all(|s| s.holds() || s.planned.optional));
        }
    }

    #[test]
    fn damage_never_makes_another_record(
        dice in prop::collection::vec(any::<[u8; 4]>(), 0..60),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..6),
    ) {
        let history = history(&dice);
        let mut bytes = history.frames();
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        let written = bytes != history.frames();
        let mut damage = 0;
        for (_, read) in Frames::new(&bytes) {
            match read {
                Ok(record) => prop_assert_eq!(&history.records[record.seq.0 as usize], &record),
                Err(_) => damage += 1,
            }
        }
        prop_assert_eq!(damage > 0, written, "damage is reported, and only damage");
        prop_assert_eq!(RunState::fold_frames(&bytes).is_err(), written);
    }

    #[test]
    fn a_cut_is_told_from_damage(dice in prop::collection::vec(any::<[u8; 4]>(), 0..60), cut in any::<prop::sample::Index>()) {
        let history = history(&dice);
        let bytes = history.frames();
        let cut = cut.index(bytes.len());
        let read: Vec<_> = Frames::new(&bytes[..cut]).map(|(_, r)| r).collect();
        let torn = read.iter().filter(|r| matches!(r, Err(FrameError::Torn { .. }))).count();
        let whole = read.iter().filter(|r| r.is_ok()).count();
        prop_assert_eq!(torn + whole, read.len());
        prop_assert!(torn <= 1);
        prop_assert!(read.iter().flatten().zip(&history.records).all(|(a, b)| a == b));
    }

    #[test]
    fn noise_is_no_record(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        for (offset, read) in Frames::new(&bytes) {
            prop_assert!(offset < bytes.len());
            prop_assert!(read.is_err());
        }
        prop_assert!(Record::decode(&bytes).is_err());
    }

    #[test]
    fn t73_tokens_of_different_tries_differ(
        a in ("[a-z0-9.-]{1,12}", any::<bool>(), 1..200u32),
        b in ("[a-z0-9.-]{1,12}", any::<bool>(), 1..200u32),
    ) {
        let token = |(step, undo, attempt): &(String, bool, u32)| {
            let direction = if *undo { Direction::Undo } else { Direction::Forward };
            journal_schema::Token::new(RUN, step, direction, Attempt(*attempt))
        };
        prop_assert_eq!(token(&a) == token(&b), a == b);
    }
}

#[test]
fn the_dice_reach_every_end() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut seen = [0; 5];
    for _ in 0..600 {
        let state = history(&dice().new_tree(&mut runner).unwrap().current()).state;
        match state.end {
            Some((End::Done, _)) => seen[0] += 1,
            Some((End::RolledBack, _)) => seen[1] += 1,
            Some((End::Abandoned, _)) => seen[2] += 1,
            None => {}
        }
        seen[3] += usize::from(state.pivot_may_have_happened());
        seen[4] += usize::from(
            state.rolling_back.is_some()
                && state.steps.values().any(|s| s.status == journal_schema::StepStatus::Undone),
        );
    }
    assert!(
        seen.iter().all(|n| *n > 0),
        "done, rolled back, abandoned, past the pivot, with something undone: {seen:?}"
    );
}
