//! A run told in lines: one a thing that happened, made of the journal's records, so that the past and the present read alike.

use std::collections::BTreeMap;

use journal_schema::{Direction, End, Kind, Mode, Payload, PlannedStep, Record, TableRow, UnixMillis, Verdict};

use crate::{
    cli::out::{BOLD, FAINT, GREEN, RED, YELLOW, paint},
    report::{duration, time_of_day},
};

/// Tells records as lines.
#[derive(Debug, Default)]
pub(crate) struct Story {
    colour: bool,
    table: Vec<TableRow>,
    steps: BTreeMap<String, PlannedStep>,
    sent: BTreeMap<String, UnixMillis>,
}

impl Story {
    /// With or without colours.
    pub(crate) fn new(colour: bool) -> Self {
        Self { colour, ..Self::default() }
    }

    /// A step's title, if it was planned.
    pub(crate) fn title(&self, step: &str) -> Option<&str> {
        self.steps.get(step).map(|s| s.title.as_str())
    }

    /// The lines of a record; none for those that only matter to the machine.
    pub(crate) fn tell(&mut self, record: &Record) -> Vec<String> {
        let at = record.at;
        match &record.payload {
            Payload::RunStarted { workflow, table, operator, .. } => {
                self.table.clone_from(table);
                let by = format!("{} on {}", operator.name, operator.host);
                vec![self.head(at, &format!("{workflow} {} started by {by}", record.run))]
            }
            Payload::Decided { question, answer, operator, why, .. } => {
                let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                vec![self.line(at, "decided", BOLD, &format!("{question} = {answer:?}, {}{why}", operator.name))]
            }
            Payload::Planned { transition, steps, guard } => {
                self.steps.extend(steps.iter().map(|s| (s.id.clone(), s.clone())));
                vec![self.transition(at, transition, guard)]
            }
            Payload::Intent { step, .. } => {
                self.sent.insert(step.clone(), at);
                Vec::new()
            }
            Payload::Outcome { step, direction, attempt, verdict, why, .. } => {
                let looks = self.steps.get(step).is_some_and(|s| s.mode == Mode::Observe);
                let (word, code) = match (verdict, direction) {
                    // Mostly it is looked again and holds then; if not, the run says why it stops.
                    (Verdict::Failed, Direction::Forward) if looks => ("not so", YELLOW),
                    (Verdict::Succeeded, Direction::Forward) => ("ok", GREEN),
                    (Verdict::Succeeded, Direction::Undo) => ("undone", GREEN),
                    (Verdict::Failed, _) => ("failed", RED),
                    (Verdict::Unknown, _) => ("unknown", YELLOW),
                };
                let took = self.sent.remove(step).map(|sent| duration(at.0.saturating_sub(sent.0)));
                let again = match (attempt.0, looks) {
                    (0 | 1, _) => String::new(),
                    (n, true) => format!("look {n}: "),
                    (n, false) => format!("try {n}: "),
                };
                vec![self.step(at, word, code, step, took.as_deref(), &format!("{again}{why}"))]
            }
            Payload::Skipped { step, why, .. } => vec![self.step(at, "is so", FAINT, step, None, why)],
            Payload::Regressed { step, why, .. } => vec![self.step(at, "gone", YELLOW, step, None, why)],
            Payload::Entered { state } => vec![self.head(at, state)],
            Payload::RollbackStarted { reason, operator } => {
                vec![self.head(at, &format!("rollback, {}: {reason}", operator.name))]
            }
            Payload::Reverted { state } => vec![self.head(at, &format!("back in {state}"))],
            Payload::Stuck { step, why, settle } => {
                let why = workflows::step::told(why).0;
                let what = if step.is_empty() { why.to_owned() } else { format!("{step}: {why}") };
                let mut lines = vec![self.line(at, "stuck", RED, &what)];
                lines.extend(settle.lines().map(|l| format!("{:22}{l}", "")));
                lines
            }
            Payload::Interrupted { reason } => vec![self.line(at, "stopped", YELLOW, workflows::step::told(reason).0)],
            Payload::Resumed { operator, way, .. } => {
                let way = if *way == Direction::Undo { ", rolling back" } else { "" };
                vec![self.head(at, &format!("taken up again by {} on {}{way}", operator.name, operator.host))]
            }
            Payload::ItemOpened(item) => vec![self.line(at, "open", YELLOW, &item.text)],
            Payload::ItemClosed { id, how } => vec![self.line(at, "settled", GREEN, &format!("{id}: {how}"))],
            Payload::Finished { end, summary } => {
                let (word, code) = match end {
                    End::Done => ("done", GREEN),
                    End::RolledBack => ("undone", GREEN),
                    End::Abandoned => ("given up", YELLOW),
                };
                vec![self.line(at, word, code, summary)]
            }
            Payload::Imported { from, operator, .. } => {
                vec![self.head(at, &format!("records taken over from {from} by {}", operator.name))]
            }
        }
    }

    /// A line of its own.
    pub(crate) fn line(&self, at: UnixMillis, word: &str, code: &str, text: &str) -> String {
        format!("{}  {} {text}", self.faint(&time_of_day(at)), paint(self.colour, code, &format!("{word:8}")))
    }

    fn head(&self, at: UnixMillis, text: &str) -> String {
        format!("{}  {}", self.faint(&time_of_day(at)), paint(self.colour, BOLD, text))
    }

    fn transition(&self, at: UnixMillis, name: &str, guard: &str) -> String {
        let row = self.table.iter().find(|r| r.transition == name);
        let to = row.map_or(String::new(), |r| format!(" → {}", r.to));
        let because = if guard == "always" { String::new() } else { format!(" (because: {guard})") };
        let pivot = match row.map(|r| r.kind) {
            Some(Kind::Pivot) => paint(self.colour, YELLOW, "  PIVOT: from here on only forward"),
            _ => String::new(),
        };
        format!("{}  {name}{to}{because}{pivot}", self.faint(&time_of_day(at)))
    }

    fn step(&self, at: UnixMillis, word: &str, code: &str, id: &str, took: Option<&str>, why: &str) -> String {
        let (title, why) = (self.title(id).unwrap_or(id), workflows::step::told(why).0);
        let mut text = title.to_owned();
        if let Some(took) = took {
            text.push_str(&self.faint(&format!("  {took}")));
        }
        if !why.is_empty() && why != title {
            text.push_str(&self.faint(&format!("  {why}")));
        }
        self.line(at, word, code, &text)
    }

    fn faint(&self, text: &str) -> String {
        paint(self.colour, FAINT, text)
    }
}

#[cfg(test)]
mod tests {
    use journal_schema::{Attempt, Digest, Mode, RunId, SchemaVersion, Seq};

    use super::*;

    /// What a look did not see yet has not failed.
    #[test]
    fn a_look_that_is_repeated_is_no_failure() {
        let planned = |id: &str, mode| PlannedStep {
            id: id.into(),
            title: format!("{id} is so"),
            place: "mn-b".into(),
            mode,
            stage: 0,
            undo: false,
            volatile: false,
            optional: false,
            script: Digest::default(),
        };
        let steps = vec![planned("look", Mode::Observe), planned("do", Mode::Idempotent)];
        let outcome = |step: &str, attempt, verdict, why: &str| Payload::Outcome {
            step: step.into(),
            direction: Direction::Forward,
            attempt: Attempt(attempt),
            verdict,
            exit: None,
            evidence: Vec::new(),
            why: why.into(),
            output: Digest::default(),
            tail: String::new(),
        };
        let mut story = Story::new(false);
        let mut tell = |payload| {
            let record = Record {
                version: SchemaVersion::CURRENT,
                run: RunId(1),
                seq: Seq(0),
                prev: Digest::default(),
                at: UnixMillis(0),
                payload,
            };
            story.tell(&record).concat()
        };
        tell(Payload::Planned { transition: "t".into(), steps, guard: "always".into() });
        let first = tell(outcome("look", 1, Verdict::Failed, "somebody answers"));
        assert!(first.contains("not so") && !first.contains("failed"), "{first}");
        assert!(tell(outcome("look", 2, Verdict::Succeeded, "nobody answers")).ends_with("look 2: nobody answers"));
        assert!(tell(outcome("do", 1, Verdict::Failed, "exit 1")).contains("failed"));
    }
}
