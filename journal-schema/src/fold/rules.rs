//! Which record may follow. Reads the state, never changes it.

use std::collections::BTreeSet;

use super::{Illegal, RunState, StepState, StepStatus};
use crate::{Attempt, Digest, Direction, End, Mode, Payload, PlannedStep, Record, RunId, Seq, Token, ids::is_safe};

type Rule = Result<(), Illegal>;

/// Sequence and hash chain.
pub(super) fn may_link(last: Option<(RunId, Seq, Digest)>, record: &Record) -> Rule {
    let Some((run, seq, digest)) = last else {
        return require(record.seq == Seq(0) && record.prev == Digest::default(), || Illegal::Start);
    };
    require(record.run == run, || Illegal::OtherRun { expected: run, found: record.run })?;
    let expected = Seq(seq.0 + 1);
    require(record.seq == expected, || Illegal::Gap { expected, found: record.seq })?;
    require(record.prev == digest, || Illegal::Chain { expected: digest, found: record.prev })
}

/// The first record.
pub(super) fn may_start(first: &Record) -> Rule {
    may_link(None, first)?;
    let Payload::RunStarted { table, .. } = &first.payload else {
        return Err(Illegal::Start);
    };
    let mut names = BTreeSet::new();
    match table.iter().find(|row| !names.insert(&row.transition)) {
        Some(row) => Err(Illegal::Table { transition: row.transition.clone() }),
        None => Ok(()),
    }
}

impl RunState {
    /// Any record but the first.
    pub(super) fn may_follow(&self, record: &Record) -> Rule {
        may_link(Some((self.run, self.last.0, self.last.1)), record)?;
        if self.end.is_some() && !matches!(record.payload, Payload::ItemClosed { .. } | Payload::Imported { .. }) {
            return Err(Illegal::Ended);
        }
        match &record.payload {
            Payload::RunStarted { .. } => Err(Illegal::StartedAgain),
            Payload::Decided { .. } => Ok(()),
            Payload::Planned { transition, steps, .. } => self.may_plan(transition, steps),
            Payload::Intent { step, direction, attempt, token, .. } => {
                self.may_intend(step, *direction, *attempt, token)
            }
            Payload::Outcome { step, direction, attempt, .. } => self.may_end(step, *direction, *attempt),
            Payload::Skipped { step, direction, .. } => self.may_skip(step, *direction),
            Payload::Regressed { step, .. } => self.may_regress(step),
            Payload::Entered { state } => self.may_enter(state),
            Payload::RollbackStarted { .. } => {
                self.moving()?;
                self.forward_only()?;
                require(self.can_roll_back(), || Illegal::PastPivot)
            }
            Payload::Reverted { state } => self.may_revert(state),
            Payload::Stuck { step, .. } => {
                if step.is_empty() {
                    Ok(())
                } else {
                    self.step(step).map(|_| ())
                }
            }
            Payload::Interrupted { .. } => require(self.interrupted.is_none(), || Illegal::InterruptedAgain),
            Payload::Resumed { refs, way, .. } => {
                require(refs.table == self.refs.table, || Illegal::OtherTable {
                    expected: self.refs.table,
                    found: refs.table,
                })?;
                match way {
                    Direction::Forward => self.forward_only(),
                    Direction::Undo => require(self.can_roll_back(), || Illegal::PastPivot),
                }
            }
            Payload::ItemOpened(item) => {
                require(!self.items.contains_key(&item.id), || Illegal::ItemOpen { id: item.id.clone() })
            }
            Payload::ItemClosed { id, .. } => {
                require(self.items.contains_key(id), || Illegal::NoSuchItem { id: id.clone() })
            }
            Payload::Finished { end, .. } => self.may_finish(*end),
            Payload::Imported { run, .. } => {
                require(*run == self.run, || Illegal::OtherRun { expected: self.run, found: *run })
            }
        }
    }

    fn may_plan(&self, transition: &str, steps: &[PlannedStep]) -> Rule {
        self.moving()?;
        self.forward_only()?;
        if let Some(open) = &self.open {
            require(open.row.transition == transition, || Illegal::StillOpen { open: open.row.transition.clone() })?;
            // The plan may change only while nothing of it can have happened.
            let sent = open.steps.iter().find(|s| s.mode != Mode::Observe && self.steps[&s.id].forward > Attempt(0));
            if let Some(step) = sent {
                return Err(Illegal::Begun { transition: transition.to_owned(), step: step.id.clone() });
            }
        }
        if self.row(transition).is_none_or(|row| row.from != self.state) {
            return Err(Illegal::Transition { state: self.state.clone(), transition: transition.to_owned() });
        }
        // A token names a step by these characters only: others would let two steps share a job (trap 73).
        let mut ids = BTreeSet::new();
        for PlannedStep { id, .. } in steps {
            let taken = self.steps.get(id).is_some_and(|other| other.transition != transition);
            let safe = !id.is_empty() && id.chars().all(is_safe);
            require(safe && !taken && ids.insert(id), || Illegal::StepId { step: id.clone() })?;
        }
        Ok(())
    }

    fn may_intend(&self, id: &str, direction: Direction, attempt: Attempt, token: &Token) -> Rule {
        self.moving()?;
        let step = self.effect(id)?;
        match direction {
            Direction::Forward => {
                self.forward_only()?;
                self.actionable(step)?;
                may_send(step)?;
                self.earlier_stages_ended(step)?;
            }
            Direction::Undo => {
                self.undoable(step)?;
                may_send_undo(step)?;
                self.later_stages_undone(step)?;
            }
        }
        counts(step, step.next_attempt(direction), attempt)?;
        let expected = Token::new(self.run, id, direction, attempt);
        require(*token == expected, || Illegal::Token { expected: expected.clone(), found: token.clone() })
    }

    fn may_end(&self, id: &str, direction: Direction, attempt: Attempt) -> Rule {
        let step = self.step(id)?;
        if step.planned.mode == Mode::Observe {
            require(direction == Direction::Forward, || wrong(step, "a step with an effect to undo"))?;
            self.of_open(step)?;
            return counts(step, step.next_attempt(direction), attempt);
        }
        let expected = match direction {
            Direction::Forward => {
                self.actionable(step)?;
                "intended or unknown"
            }
            Direction::Undo => {
                self.undoable(step)?;
                "undo intended or undo unknown"
            }
        };
        match step.status.pending() {
            Some((way, pending)) if way == direction => counts(step, pending, attempt),
            _ => Err(status(step, expected)),
        }
    }

    fn may_skip(&self, id: &str, direction: Direction) -> Rule {
        use StepStatus::{Failed, Intended, Planned, Regressed, Unknown};
        let step = self.effect(id)?;
        match direction {
            Direction::Forward => {
                self.actionable(step)?;
                match step.status {
                    Intended { direction: Direction::Forward, .. } | Unknown { direction: Direction::Forward, .. } => {
                        Ok(())
                    }
                    // A rollback settles what is unknown and begins nothing.
                    Planned | Failed { direction: Direction::Forward, .. } | Regressed => self.forward_only(),
                    _ => Err(status(step, "planned, intended, unknown, failed or regressed")),
                }
            }
            Direction::Undo => {
                self.undoable(step)?;
                match step.status {
                    StepStatus::Planned | StepStatus::Undone => Err(status(step, "begun and not undone")),
                    _ => Ok(()),
                }
            }
        }
    }

    fn may_regress(&self, id: &str) -> Rule {
        let step = self.effect(id)?;
        require(step.planned.volatile, || wrong(step, "a step whose effect a reboot can end"))?;
        require(self.is_open(step) || self.is_taken(step), || not_now(step, "open or completed"))?;
        require(step.holds(), || status(step, "holding"))
    }

    fn may_enter(&self, state: &str) -> Rule {
        self.moving()?;
        self.forward_only()?;
        let open = self.open.as_ref().ok_or(Illegal::NothingOpen)?;
        require(open.row.to == state, || Illegal::State { expected: open.row.to.clone(), found: state.to_owned() })?;
        self.all_hold()
    }

    fn may_revert(&self, state: &str) -> Rule {
        self.moving()?;
        require(self.rolling_back.is_some(), || Illegal::NotRollingBack)?;
        let (row, steps) = self.to_revert().ok_or(Illegal::NothingToRevert)?;
        require(row.from == state, || Illegal::State { expected: row.from.clone(), found: state.to_owned() })?;
        match steps.iter().map(|s| &self.steps[&s.id]).find(|s| s.needs_undo()) {
            Some(step) => Err(Illegal::NotUndone { step: step.planned.id.clone(), status: step.status.word() }),
            None => Ok(()),
        }
    }

    fn may_finish(&self, end: End) -> Rule {
        let there = |holds, expected| require(holds, || Illegal::NotThere { expected, state: self.state.clone() });
        match end {
            End::Abandoned => Ok(()),
            End::Done => {
                self.moving()?;
                self.forward_only()?;
                there(self.state == self.goal && self.open.is_none(), "the goal, and nothing open")?;
                self.all_hold()
            }
            End::RolledBack => {
                self.moving()?;
                let back = self.state == self.initial && self.open.is_none() && self.taken.is_empty();
                there(back, "the initial state, and nothing left to revert")
            }
        }
    }

    /// Neither stuck nor interrupted. A run that is may still learn (outcomes, decisions, items), but it does nothing new.
    fn moving(&self) -> Rule {
        let halted = match (&self.stuck, &self.interrupted) {
            (_, Some(_)) => "interrupted",
            (Some(_), None) => "stuck",
            (None, None) => return Ok(()),
        };
        Err(Illegal::Halted { halted })
    }

    fn forward_only(&self) -> Rule {
        require(self.rolling_back.is_none(), || Illegal::RollingBack)
    }

    /// Every step of the open transition has ended well enough, and no effect of an earlier one is missing.
    fn all_hold(&self) -> Rule {
        let open = self.open.iter().flat_map(|open| &open.steps).map(|s| &self.steps[&s.id]);
        let again = |s: &&StepState| s.reopened && !s.planned.optional && self.is_taken(s);
        match open.chain(self.steps.values().filter(again)).find(|s| !s.settled()) {
            Some(step) => Err(Illegal::NotHolding { step: step.planned.id.clone(), status: step.status.word() }),
            None => Ok(()),
        }
    }

    fn step(&self, id: &str) -> Result<&StepState, Illegal> {
        self.steps.get(id).ok_or_else(|| Illegal::NoSuchStep { step: id.to_owned() })
    }

    /// A step that does something.
    fn effect(&self, id: &str) -> Result<&StepState, Illegal> {
        let step = self.step(id)?;
        require(step.planned.mode != Mode::Observe, || wrong(step, "a step with an effect"))?;
        Ok(step)
    }

    fn is_open(&self, step: &StepState) -> bool {
        self.open.as_ref().is_some_and(|open| open.row.transition == step.transition)
    }

    fn is_taken(&self, step: &StepState) -> bool {
        self.taken.iter().any(|taken| taken.row.transition == step.transition)
    }

    fn of_open(&self, step: &StepState) -> Rule {
        require(self.is_open(step), || not_now(step, "open"))
    }

    /// Part of the open transition, or of a completed one and regressed since.
    fn actionable(&self, step: &StepState) -> Rule {
        let again = step.reopened && self.is_taken(step);
        require(again || self.is_open(step), || not_now(step, "open, or regressed since it was completed"))
    }

    /// Part of the transition that the rollback is at, and with an undoing.
    fn undoable(&self, step: &StepState) -> Rule {
        require(self.rolling_back.is_some(), || Illegal::NotRollingBack)?;
        let next = self.to_revert().is_some_and(|(row, _)| row.transition == step.transition);
        require(next, || not_now(step, "to be undone next"))?;
        require(step.planned.undo, || wrong(step, "a step that can be undone"))
    }

    fn earlier_stages_ended(&self, step: &StepState) -> Rule {
        if !self.is_open(step) {
            return Ok(());
        }
        self.none_before(step, |other| other.planned.stage < step.planned.stage && !other.settled())
    }

    fn later_stages_undone(&self, step: &StepState) -> Rule {
        self.none_before(step, |other| other.planned.stage > step.planned.stage && other.needs_undo())
    }

    fn none_before(&self, step: &StepState, unfinished: impl Fn(&StepState) -> bool) -> Rule {
        let all = self.open.iter().map(|o| (&o.row, &o.steps)).chain(self.taken.iter().map(|t| (&t.row, &t.steps)));
        let siblings = all.filter(|(row, _)| row.transition == step.transition).flat_map(|(_, steps)| steps);
        match siblings.map(|s| &self.steps[&s.id]).find(|other| unfinished(other)) {
            Some(other) => Err(Illegal::Stage { step: step.planned.id.clone(), waits_for: other.planned.id.clone() }),
            None => Ok(()),
        }
    }
}

/// Whether the effect may be sent (again). What may have happened is repeated only where repeating is harmless.
fn may_send(step: &StepState) -> Rule {
    use StepStatus::{Failed, Intended, Planned, Regressed, Unknown};
    match step.status {
        Planned | Regressed | Failed { direction: Direction::Forward, .. } => Ok(()),
        Intended { direction: Direction::Forward, .. } | Unknown { direction: Direction::Forward, .. } => {
            require(step.planned.mode == Mode::Idempotent, || {
                status(step, "planned, failed or regressed, because it must not happen twice")
            })
        }
        _ => Err(status(step, "planned, intended, unknown, failed or regressed")),
    }
}

/// Whether its undoing may be sent (again).
fn may_send_undo(step: &StepState) -> Rule {
    use StepStatus::{Intended, Planned, Undone, Unknown};
    match step.status {
        Planned | Undone => Err(status(step, "begun and not undone")),
        Intended { direction: Direction::Undo, .. } | Unknown { direction: Direction::Undo, .. } => {
            require(step.planned.mode == Mode::Idempotent, || {
                status(step, "holding, or its undoing failed, because that must not happen twice")
            })
        }
        _ => Ok(()),
    }
}

fn counts(step: &StepState, expected: Attempt, found: Attempt) -> Rule {
    require(expected == found, || Illegal::Attempt { step: step.planned.id.clone(), expected, found })
}

fn status(step: &StepState, expected: &'static str) -> Illegal {
    Illegal::Status { step: step.planned.id.clone(), status: step.status.word(), expected }
}

fn wrong(step: &StepState, expected: &'static str) -> Illegal {
    Illegal::WrongStep { step: step.planned.id.clone(), expected }
}

fn not_now(step: &StepState, expected: &'static str) -> Illegal {
    Illegal::NotNow { step: step.planned.id.clone(), transition: step.transition.clone(), expected }
}

fn require(holds: bool, otherwise: impl FnOnce() -> Illegal) -> Rule {
    if holds { Ok(()) } else { Err(otherwise()) }
}
