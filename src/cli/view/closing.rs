//! The last words on a run: how it stands, what is open, what to type next.

use journal_schema::{Attempt, Direction, End, Mode, RunState, StepStatus};
use serde::Serialize;
use workflows::{model::Flavour, step::told};

use crate::{
    cli::{
        Exit,
        out::{BOLD, GREEN, RED, YELLOW, paint},
    },
    engine::Ending,
    report::{duration, open_items as open_items_of},
};

/// The last words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Closing {
    /// One line.
    pub(crate) headline: String,
    /// What is not as it should stay: text, command.
    pub(crate) open: Vec<(String, String)>,
    /// Commands to type next, each with what it does.
    pub(crate) next: Vec<(String, String)>,
    /// Exit code.
    #[serde(skip)]
    pub(crate) exit: Exit,
}

impl Closing {
    /// After the runner's last word. `state`: as journaled; `None` if there is not even a first record.
    pub(crate) fn ended(ending: &Ending, state: Option<&RunState>) -> Self {
        let run = state.map_or_else(String::new, |s| s.run.to_string());
        let resume = || (format!("hamn resume {run}"), "goes on from here".to_owned());
        let (headline, exit) = match ending {
            Ending::Done => {
                let took = state.map_or(0, |s| s.last_at.0.saturating_sub(s.started.0));
                let what = state.map_or("the run", |s| s.workflow.as_str());
                (format!("{what} is done, in {}", duration(took)), Exit::Done)
            }
            Ending::RolledBack => ("everything is undone; the pair is as before".to_owned(), Exit::Done),
            Ending::Interrupted { why } => (format!("stopped between two steps: {}", told(why).0), Exit::Unfinished),
            Ending::Failed { step, why, .. } => (format!("stopped: {step} failed: {}", told(why).0), Exit::Unfinished),
            Ending::Stuck { step, why, .. } if step.is_empty() => (format!("stuck: {}", told(why).0), Exit::Unknown),
            Ending::Stuck { step, why, .. } => (format!("stuck at {step}: {}", told(why).0), Exit::Unknown),
            Ending::JournalFailed { why } => {
                (format!("stopped, because the journal could not be written: {why}"), Exit::Unfinished)
            }
            Ending::Refused { why } => (format!("refused, nothing was changed: {why}"), Exit::Refused),
        };
        let mut next: Vec<(String, String)> = Vec::new();
        if let Ending::Interrupted { why } | Ending::Failed { why, .. } | Ending::Stuck { why, .. } = ending {
            next.extend(told(why).1.into_iter().map(|(command, about)| (command.to_owned(), about.to_owned())));
        }
        match ending {
            Ending::Done | Ending::RolledBack | Ending::Refused { .. } => {}
            Ending::Stuck { settle, .. } => {
                next.extend(settle.lines().filter(|l| !l.trim().is_empty()).map(|line| {
                    let (command, about) = line.split_once('#').unwrap_or((line, ""));
                    (command.trim().to_owned(), about.trim().to_owned())
                }));
            }
            Ending::Failed { .. } if state.is_some_and(only_looked) => {
                let workflow = state.map_or("", |s| s.workflow.as_str());
                next.push((format!("hamn rollback {run} --reason WHY"), "ends it: nothing was changed yet".to_owned()));
                next.push((format!("hamn run {workflow}"), "then looks at everything anew".to_owned()));
            }
            Ending::Interrupted { .. } | Ending::Failed { .. } | Ending::JournalFailed { .. } => {
                if !next.iter().any(|(command, _)| *command == resume().0) {
                    next.push(resume());
                }
            }
        }
        let mut closing = Self { headline, open: open_items(state), next, exit };
        if exit == Exit::Unfinished || exit == Exit::Unknown {
            closing.ways_out(state);
        }
        closing
    }

    /// When nobody is at a run that has not ended.
    pub(crate) fn orphaned(state: &RunState, why: &str) -> Self {
        let unknown = state.steps.values().filter(|s| s.status.pending().is_some()).count();
        let headline = match unknown {
            0 => format!("{why}; every step that was sent has its outcome in the journal"),
            1 => format!("{why}; one step was sent, and nobody knows yet whether it took effect"),
            n => format!("{why}; {n} steps were sent, and nobody knows yet whether they took effect"),
        };
        let exit = if unknown == 0 { Exit::Unfinished } else { Exit::Unknown };
        let run = state.run;
        let next = vec![(format!("hamn resume {run}"), "shows what it will do, then goes on from here".to_owned())];
        let mut closing = Self { headline, open: open_items(Some(state)), next, exit };
        closing.ways_out(Some(state));
        closing
    }

    /// What a journal says of a run without a runner.
    pub(crate) fn journaled(state: &RunState) -> Self {
        match &state.end {
            Some((End::Done, _)) => Self::ended(&Ending::Done, Some(state)),
            Some((End::RolledBack, _)) => Self::ended(&Ending::RolledBack, Some(state)),
            Some((End::Abandoned, summary)) => Self {
                headline: format!("the run was given up: {summary}"),
                open: open_items(Some(state)),
                next: Vec::new(),
                exit: Exit::Unfinished,
            },
            None => {
                if let Some(stuck) = &state.stuck {
                    let ending = Ending::Stuck {
                        step: stuck.step.clone(),
                        why: stuck.why.clone(),
                        settle: stuck.settle.clone(),
                    };
                    Self::ended(&ending, Some(state))
                } else if let Some(why) = &state.interrupted {
                    Self::ended(&Ending::Interrupted { why: why.clone() }, Some(state))
                } else {
                    Self::orphaned(state, "the runner is gone without a last word (killed, or the machine went down)")
                }
            }
        }
    }

    /// The other ways on: back, or out.
    fn ways_out(&mut self, state: Option<&RunState>) {
        let Some(state) = state else { return };
        let run = state.run;
        let mut add = |command: String, about: &str| {
            if !self.next.iter().any(|(c, _)| *c == command) {
                self.next.push((command, about.to_owned()));
            }
        };
        add(format!("hamn resume {run}"), "goes on from here");
        if state.rolling_back.is_none() {
            if state.can_roll_back() {
                add(format!("hamn rollback {run} --reason WHY"), "undoes what was done");
            } else {
                add(returns(state).to_owned(), "returns later: past the pivot there is no way back but forward");
            }
        }
        add(format!("hamn journal show {run}"), "shows what is known");
    }

    /// As a person reads it.
    pub(crate) fn render(&self, colour: bool) -> String {
        let code = match self.exit {
            Exit::Done => GREEN,
            Exit::Unfinished | Exit::Refused => YELLOW,
            Exit::Failure | Exit::Usage | Exit::Unknown => RED,
        };
        let mut text = format!("\n{}\n", paint(colour, code, &self.headline));
        if !self.open.is_empty() {
            text.push_str(&format!("\n{}\n", paint(colour, BOLD, "Open:")));
            for (what, command) in &self.open {
                text.push_str(&format!("  - {what}\n"));
                if !command.is_empty() {
                    text.push_str(&format!("    {command}\n"));
                }
            }
        }
        if !self.next.is_empty() {
            text.push_str(&format!("\n{}\n", paint(colour, BOLD, "Next:")));
            let width = self.next.iter().map(|(c, _)| c.chars().count()).max().unwrap_or(0);
            for (command, about) in &self.next {
                text.push_str(format!("  {command:width$}  {about}").trim_end());
                text.push('\n');
            }
        }
        text
    }
}

/// Whether the run has only looked yet: what it saw counts for it from then on, and another run sees what was repaired.
fn only_looked(state: &RunState) -> bool {
    state.end.is_none()
        && state.rolling_back.is_none()
        && state
            .steps
            .values()
            .all(|s| s.planned.mode == Mode::Observe || s.last_attempt(Direction::Forward) == Attempt(0))
}

fn open_items(state: Option<&RunState>) -> Vec<(String, String)> {
    let items = state.into_iter().flat_map(open_items_of);
    items.map(|i| (i.text.clone(), i.command.clone())).collect()
}

/// What `hamn resume` will do, before it does it.
pub(crate) fn prospect(state: &RunState) -> String {
    let mut text = format!("  {} {}: {} holds since record {}\n", state.workflow, state.run, state.state, state.last.0);
    if let Some(reason) = &state.rolling_back {
        text.push_str(&format!("  a rollback is under way ({reason}); it is carried on, not the run\n"));
    }
    for step in state.steps.values() {
        let title = &step.planned.title;
        match &step.status {
            StepStatus::Intended { attempt, token, at, direction } => {
                let what = if *direction == Direction::Undo { "undoing of " } else { "" };
                text.push_str(&format!(
                    "  {what}{title}: was sent to {at} (try {}), no outcome is known\n    first asks {at} for its job {token}: the job is waited for or launched, never run twice;\n    then looks whether the effect holds; then asks you\n",
                    attempt.0
                ));
            }
            StepStatus::Unknown { why, at, .. } => {
                text.push_str(&format!(
                    "  {title}: unknown ({})\n    asks {at} again, looks, then asks you\n",
                    told(why).0
                ));
            }
            StepStatus::Failed { why, direction: Direction::Forward, .. } if !step.settled() => {
                text.push_str(&format!("  {title}: failed ({})\n    tries again\n", told(why).0));
            }
            StepStatus::Failed { why, .. } if !step.settled() => {
                text.push_str(&format!("  undoing of {title}: failed ({})\n    tries again\n", told(why).0));
            }
            _ => {}
        }
    }
    let volatile = state.steps.values().filter(|s| s.planned.volatile && s.holds()).count();
    if volatile > 0 {
        text.push_str(&format!("  looks again at {volatile} effect(s) that a reboot would have taken away\n"));
    }
    match (&state.open, &state.rolling_back) {
        (Some(open), None) => {
            let left = open.steps.iter().filter(|s| state.steps.get(&s.id).is_none_or(|s| !s.settled())).count();
            text.push_str(&format!(
                "  then finishes {}: {left} of {} steps left, to {}\n",
                open.row.transition,
                open.steps.len(),
                open.row.to
            ));
        }
        (None, None) => {
            let ways: Vec<&str> = state.leaving().map(|r| r.transition.as_str()).collect();
            if !ways.is_empty() {
                text.push_str(&format!("  then takes {}, towards {}\n", ways.join(" or "), state.goal));
            }
        }
        (_, Some(_)) => {
            if let Some((row, _)) = state.to_revert() {
                text.push_str(&format!("  then undoes {}, back to {}\n", row.transition, row.from));
            }
        }
    }
    if state.pivot_may_have_happened() {
        text.push_str("  the pivot may have happened: from here the run only goes forward\n");
    }
    text
}

/// What `hamn rollback` will undo, in its order.
pub(crate) fn retreat(state: &RunState) -> String {
    let taken = state.taken.iter().rev().map(|t| &t.steps);
    let open = state.open.as_ref().map(|o| &o.steps);
    let steps: Vec<String> = open
        .into_iter()
        .chain(taken)
        .flat_map(|steps| steps.iter().rev())
        .filter(|s| state.steps.get(&s.id).is_some_and(journal_schema::StepState::needs_undo))
        .map(|s| format!("  undoes on {}: {}\n", s.place, s.title))
        .collect();
    if steps.is_empty() { "  nothing was changed; the run only ends\n".to_owned() } else { steps.concat() }
}

/// How one returns from where a run has brought the cluster. A table that this version does not know is an older version's, which knew
/// PostgreSQL only.
pub(in crate::cli) fn returns(state: &RunState) -> &'static str {
    workflows::steps::failback(workflows::registry::flavour(&state.refs.table).unwrap_or(Flavour::Postgres))
}
