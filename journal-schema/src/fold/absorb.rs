//! What a record changes. Called only with records that the rules allow.

use super::{Decision, HoldsBy, OpenTransition, RunState, StepState, StepStatus, Stuck, TakenTransition};
use crate::{
    Attempt, Digest, Direction, Fact, Kind, Mode, Payload, PlannedStep, Record, Seq, Token, UnixMillis, Verdict,
};

impl RunState {
    pub(super) fn begin(first: &Record, digest: Digest) -> Self {
        let Payload::RunStarted { workflow, refs, table, initial, goal, config, request, operator } = &first.payload
        else {
            unreachable!("the rules let only RunStarted begin a run");
        };
        Self {
            run: first.run,
            workflow: workflow.clone(),
            refs: refs.clone(),
            table: table.clone(),
            initial: initial.clone(),
            goal: goal.clone(),
            config: config.clone(),
            request: request.clone(),
            operator: operator.clone(),
            started: first.at,
            state: initial.clone(),
            entered: vec![(initial.clone(), first.at)],
            taken: Vec::new(),
            open: None,
            steps: std::collections::BTreeMap::new(),
            evidence: Vec::new(),
            decisions: Vec::new(),
            items: std::collections::BTreeMap::new(),
            rolling_back: None,
            stuck: None,
            interrupted: None,
            end: None,
            last: (first.seq, digest),
            last_at: first.at,
            resumes: 0,
            pivot: false,
        }
    }

    pub(super) fn absorb(&mut self, record: &Record, digest: Digest) {
        let (seq, at) = (record.seq, record.at);
        match &record.payload {
            Payload::RunStarted { .. } | Payload::Imported { .. } => {}
            Payload::Decided { question, answer, operator, why, shown: _, evidence } => {
                self.learn(seq, evidence);
                self.decisions.push(Decision {
                    seq,
                    at,
                    question: question.clone(),
                    answer: answer.clone(),
                    operator: operator.clone(),
                    why: why.clone(),
                });
            }
            Payload::Planned { transition, steps, guard } => self.plan(transition, steps, guard, at),
            Payload::Intent { step, direction, attempt, token, at: machine, script: _ } => {
                let (direction, attempt) = (*direction, *attempt);
                self.note_pivot(step, direction);
                let step = self.step_mut(step);
                match direction {
                    Direction::Forward => step.forward = attempt,
                    Direction::Undo => step.undo = attempt,
                }
                step.status = StepStatus::Intended { direction, attempt, token: token.clone(), at: machine.clone() };
            }
            Payload::Outcome { step, direction, attempt, verdict, evidence, why, exit: _, output: _, tail: _ } => {
                self.learn(seq, evidence);
                self.step_mut(step).end(*direction, *attempt, *verdict, why);
            }
            Payload::Skipped { step, direction, evidence, why: _ } => {
                self.learn(seq, evidence);
                self.note_pivot(step, *direction);
                let step = self.step_mut(step);
                step.status = match direction {
                    Direction::Forward => StepStatus::Holds { attempt: step.forward, by: HoldsBy::Skipped },
                    Direction::Undo => StepStatus::Undone,
                };
            }
            Payload::Regressed { step, evidence, why: _ } => {
                self.learn(seq, evidence);
                let step = self.step_mut(step);
                step.status = StepStatus::Regressed;
                step.reopened = true;
            }
            Payload::Entered { state } => self.enter(state, at),
            Payload::RollbackStarted { reason, operator: _ } => self.rolling_back = Some(reason.clone()),
            Payload::Reverted { state } => {
                if self.open.take().is_none() {
                    self.taken.pop();
                    self.state.clone_from(state);
                    self.entered.push((state.clone(), at));
                }
            }
            Payload::Stuck { step, why, settle } => {
                self.stuck = Some(Stuck { step: step.clone(), why: why.clone(), settle: settle.clone() });
            }
            Payload::Interrupted { reason } => self.interrupted = Some(reason.clone()),
            Payload::Resumed { .. } => {
                self.stuck = None;
                self.interrupted = None;
                self.resumes += 1;
            }
            Payload::ItemOpened(item) => {
                self.items.insert(item.id.clone(), item.clone());
            }
            Payload::ItemClosed { id, how: _ } => {
                self.items.remove(id);
            }
            Payload::Finished { end, summary } => self.end = Some((*end, summary.clone())),
        }
        self.last = (seq, digest);
        self.last_at = at;
    }

    fn learn(&mut self, seq: Seq, evidence: &[Fact]) {
        self.evidence.extend(evidence.iter().map(|fact| (seq, fact.clone())));
    }

    fn plan(&mut self, transition: &str, steps: &[PlannedStep], guard: &str, at: UnixMillis) {
        if let Some(replaced) = self.open.take() {
            for step in &replaced.steps {
                self.steps.remove(&step.id);
            }
        }
        for step in steps {
            self.steps.insert(step.id.clone(), StepState::new(step.clone(), transition));
        }
        self.open = Some(OpenTransition {
            row: self.row(transition).expect("the rules looked it up").clone(),
            guard: guard.to_owned(),
            steps: steps.to_vec(),
            planned: at,
            facts: self.evidence.len(),
        });
    }

    fn enter(&mut self, state: &str, at: UnixMillis) {
        let OpenTransition { row, guard, steps, planned, facts } =
            self.open.take().expect("the rules let a state be entered only from an open transition");
        self.pivot |= row.kind != Kind::Reversible;
        let facts_after = self.evidence.len();
        self.taken.push(TakenTransition { row, guard, steps, planned, entered: at, facts, facts_after });
        state.clone_into(&mut self.state);
        self.entered.push((state.to_owned(), at));
    }

    /// A pivot's effect that was about to be sent may have happened; one that was found to be there did.
    fn note_pivot(&mut self, step: &str, direction: Direction) {
        let step = &self.steps[step];
        let effect = direction == Direction::Forward && step.planned.mode != Mode::Observe;
        self.pivot |= effect && self.row(&step.transition).is_some_and(|row| row.kind != Kind::Reversible);
    }

    fn step_mut(&mut self, id: &str) -> &mut StepState {
        self.steps.get_mut(id).expect("the rules looked it up")
    }
}

impl StepState {
    fn end(&mut self, direction: Direction, attempt: Attempt, verdict: Verdict, why: &str) {
        if self.planned.mode == Mode::Observe {
            self.forward = attempt;
        }
        let why = why.to_owned();
        self.status = match (verdict, direction) {
            (Verdict::Succeeded, Direction::Forward) => StepStatus::Holds { attempt, by: HoldsBy::Succeeded },
            (Verdict::Succeeded, Direction::Undo) => StepStatus::Undone,
            (Verdict::Failed, _) => StepStatus::Failed { direction, attempt, why },
            (Verdict::Unknown, _) => {
                let (token, at) = self.job();
                StepStatus::Unknown { direction, attempt, why, token, at }
            }
        };
    }

    /// The job whose outcome is waited for.
    fn job(&self) -> (Option<Token>, String) {
        match &self.status {
            StepStatus::Intended { token, at, .. } => (Some(token.clone()), at.clone()),
            StepStatus::Unknown { token, at, .. } => (token.clone(), at.clone()),
            _ => (None, self.planned.place.clone()),
        }
    }
}
