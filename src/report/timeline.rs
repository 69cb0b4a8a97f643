//! The story of a run, from its records alone: what was done, when, by whom, on what evidence.

use std::collections::BTreeMap;

use journal_schema::{
    Direction, End, Fact, Kind, Mode, Payload, PlannedStep, Record, RunState, StepStatus, TableRow, UnixMillis, Verdict,
};

use super::{
    facts::fact,
    paint::{BOLD, FAINT, GREEN, RED, YELLOW, paint},
    runs::{next_commands, standing},
    time::{duration, time_of_day, timestamp},
};

/// How the story is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timeline {
    /// With scripts, evidence and output.
    pub full: bool,
    /// In colours.
    pub colour: bool,
    /// A runner is at the run now.
    pub live: bool,
}

/// The whole text. `state` is the fold of `records`.
pub fn timeline(records: &[Record], state: &RunState, how: Timeline) -> String {
    let mut teller = Teller::new(records, how);
    teller.head(state);
    for record in records {
        teller.record(record);
    }
    teller.foot(state);
    teller.text
}

struct Teller {
    how: Timeline,
    text: String,
    steps: BTreeMap<String, PlannedStep>,
    table: Vec<TableRow>,
    sent: BTreeMap<(String, Direction), UnixMillis>,
    day: String,
    places: usize,
    pivot_told: bool,
}

impl Teller {
    fn new(records: &[Record], how: Timeline) -> Self {
        let planned = records.iter().flat_map(|r| match &r.payload {
            Payload::Planned { steps, .. } => steps.as_slice(),
            _ => &[],
        });
        let places = planned.map(|s| s.place.chars().count()).max().unwrap_or(0);
        Self {
            how,
            text: String::new(),
            steps: BTreeMap::new(),
            table: Vec::new(),
            sent: BTreeMap::new(),
            day: String::new(),
            places,
            pivot_told: false,
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        paint(self.how.colour, code, text)
    }

    fn head(&mut self, state: &RunState) {
        let title = format!("{} {}", state.workflow, state.run);
        self.text.push_str(&format!("{}\n", self.paint(BOLD, &title)));
        self.text.push_str(&format!(
            "started {} UTC by {} on {}; hamn {}\n",
            timestamp(state.started),
            state.operator.name,
            state.operator.host,
            state.refs.hamn_version
        ));
        let since = duration(state.last_at.0.saturating_sub(state.started.0));
        let way = match (&state.end, state.pivot_may_have_happened()) {
            (None, true) => "; only forward, the pivot may have been passed",
            (None, false) => "; can still be rolled back",
            _ => "",
        };
        self.text.push_str(&format!(
            "stands: {}{way}; last record {since} after the start\n\n",
            standing(state, self.how.live)
        ));
    }

    /// A line: time, word, place, text. Continuations are indented under the text.
    fn line(&mut self, at: UnixMillis, colour: &str, word: &str, place: &str, text: &str) {
        let day = timestamp(at)[..10].to_owned();
        if self.day != day {
            self.text.push_str(&format!("{}\n", self.paint(FAINT, &format!("{day} (UTC)"))));
            self.day = day;
        }
        let width = self.places;
        let word = format!("{word:<9}");
        let mut lines = text.lines();
        self.text.push_str(
            format!(
                "{}  {} {place:<width$}  {}",
                time_of_day(at),
                self.paint(colour, &word),
                lines.next().unwrap_or("")
            )
            .trim_end(),
        );
        self.text.push('\n');
        for line in lines {
            self.under(line);
        }
    }

    fn under(&mut self, text: &str) {
        let indent = 12 + 2 + 9 + 1 + self.places + 2;
        for line in text.lines() {
            self.text.push_str(format!("{}{line}", " ".repeat(indent)).trim_end());
            self.text.push('\n');
        }
    }

    fn quoted(&mut self, mark: &str, text: &str) {
        for line in text.lines() {
            self.under(&format!("{mark}{line}"));
        }
    }

    fn evidence(&mut self, facts: &[Fact]) {
        if self.how.full {
            for f in facts {
                let line = self.paint(FAINT, &format!("· {}", fact(f)));
                self.under(&line);
            }
        }
    }

    /// Place and title of a step.
    fn step(&self, id: &str) -> (String, String) {
        match self.steps.get(id) {
            Some(step) if self.how.full => (step.place.clone(), format!("{} [{id}]", step.title)),
            Some(step) => (step.place.clone(), step.title.clone()),
            None => (String::new(), id.to_owned()),
        }
    }

    fn row(&self, transition: &str) -> Option<&TableRow> {
        self.table.iter().find(|row| row.transition == transition)
    }

    fn record(&mut self, record: &Record) {
        let at = record.at;
        match &record.payload {
            Payload::RunStarted { table, initial, request, .. } => {
                self.table.clone_from(table);
                self.line(at, BOLD, initial, "", "");
                if self.how.full {
                    self.under(&format!("request {request}"));
                }
            }
            Payload::Decided { question, answer, operator, why, shown, evidence } => {
                let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
                self.line(at, BOLD, "decided", "", &format!("{question}: {} typed {answer:?}{why}", operator.name));
                if self.how.full && !shown.is_empty() {
                    self.quoted("> ", shown);
                }
                self.evidence(evidence);
            }
            Payload::Planned { transition, steps, guard } => {
                self.steps.extend(steps.iter().map(|s| (s.id.clone(), s.clone())));
                let row = self.row(transition).cloned();
                let because = if guard == "always" { String::new() } else { format!(", because: {guard}") };
                let count = match steps.len() {
                    1 => "1 step".into(),
                    n => format!("{n} steps"),
                };
                self.line(at, FAINT, "next", "", &format!("{transition}: {count}{because}"));
                if row.is_some_and(|r| r.kind == Kind::Pivot) && !self.pivot_told {
                    self.pivot_told = true;
                    let pivot = self.paint(YELLOW, "PIVOT: once it has begun the run only goes forward");
                    self.under(&pivot);
                }
            }
            Payload::Intent { step, direction, attempt, token, at: machine, script } => {
                self.sent.insert((step.clone(), *direction), at);
                if self.how.full {
                    let (place, title) = self.step(step);
                    let word = if *direction == Direction::Forward { "sending" } else { "undoing" };
                    self.line(at, FAINT, word, &place, &format!("{title}, try {}, as {token} on {machine}", attempt.0));
                    self.under(script);
                }
            }
            Payload::Outcome { step, direction, attempt, verdict, exit, evidence, why, tail, .. } => {
                let (place, title) = self.step(step);
                let took = self.sent.remove(&(step.clone(), *direction)).map(|sent| at.0.saturating_sub(sent.0));
                let took = took.filter(|ms| *ms >= 1_000 || self.how.full).map(|ms| format!(", {}", duration(ms)));
                let observes = self.steps.get(step).is_some_and(|s| s.mode == Mode::Observe);
                let again = if attempt.0 > 1 {
                    format!(", {} {}", if observes { "look" } else { "try" }, attempt.0)
                } else {
                    String::new()
                };
                let code = if self.how.full { exit.map(|e| format!(", exit {e}")) } else { None };
                let (colour, word) = match (verdict, direction) {
                    (Verdict::Succeeded, Direction::Forward) if observes => (GREEN, "seen"),
                    (Verdict::Succeeded, Direction::Forward) => (GREEN, "done"),
                    (Verdict::Succeeded, Direction::Undo) => (GREEN, "undone"),
                    (Verdict::Failed, Direction::Forward) if observes => (RED, "no"),
                    (Verdict::Failed, Direction::Forward) => (RED, "FAILED"),
                    (Verdict::Failed, Direction::Undo) => (RED, "NOT UNDONE"),
                    (Verdict::Unknown, _) => (YELLOW, "UNKNOWN"),
                };
                let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                let text = format!("{title}{why}{again}{}{}", took.unwrap_or_default(), code.unwrap_or_default());
                self.line(at, colour, word, &place, &text);
                self.evidence(evidence);
                if self.how.full || *verdict != Verdict::Succeeded && !observes {
                    self.quoted("| ", tail);
                }
            }
            Payload::Skipped { step, direction, evidence, why } => {
                self.sent.remove(&(step.clone(), *direction));
                let (place, title) = self.step(step);
                let word = if *direction == Direction::Forward { "was there" } else { "was gone" };
                self.line(at, GREEN, word, &place, &format!("{title}: {why}"));
                self.evidence(evidence);
            }
            Payload::Regressed { step, evidence, why } => {
                let (place, title) = self.step(step);
                self.line(at, YELLOW, "LOST", &place, &format!("{title}: {why}; to be done again"));
                self.evidence(evidence);
            }
            Payload::Entered { state } => self.line(at, BOLD, "=>", "", &paint(self.how.colour, BOLD, state)),
            Payload::Reverted { state } => self.line(at, BOLD, "<=", "", &format!("{state} holds again")),
            Payload::RollbackStarted { reason, operator } => {
                self.line(at, YELLOW, "rollback", "", &format!("asked for by {}: {reason}", operator.name));
            }
            Payload::Stuck { step, why, settle } => {
                let (place, title) = if step.is_empty() { (String::new(), String::new()) } else { self.step(step) };
                let title = if title.is_empty() { title } else { format!("{title}: ") };
                self.line(at, RED, "STUCK", &place, &format!("{title}{why}"));
                self.under(settle);
            }
            Payload::Interrupted { reason } => self.line(at, YELLOW, "stopped", "", reason),
            Payload::Resumed { operator, refs, way } => {
                // From here on the time since an intent says nothing of how long its job took.
                self.sent.clear();
                let way = if *way == Direction::Forward { "forward" } else { "backward" };
                self.line(
                    at,
                    BOLD,
                    "resumed",
                    "",
                    &format!("{way}, by {} on {}, hamn {}", operator.name, operator.host, refs.hamn_version),
                );
            }
            Payload::ItemOpened(item) => {
                self.line(at, YELLOW, "open item", "", &format!("{} [{}]", item.text, item.id));
            }
            Payload::ItemClosed { id, how } => self.line(at, GREEN, "settled", "", &format!("{id}: {how}")),
            Payload::Finished { end, summary } => {
                let (colour, word) = match end {
                    End::Done => (GREEN, "DONE"),
                    End::RolledBack => (GREEN, "BACK"),
                    End::Abandoned => (YELLOW, "GIVEN UP"),
                };
                self.line(at, colour, word, "", summary);
            }
            Payload::Imported { from, operator, .. } => {
                self.line(at, BOLD, "imported", "", &format!("from {from}, by {} on {}", operator.name, operator.host));
            }
        }
    }

    fn foot(&mut self, state: &RunState) {
        let unknown: Vec<String> = state
            .steps
            .values()
            .filter_map(|s| match &s.status {
                StepStatus::Intended { token, at, .. } if state.end.is_none() => Some(format!(
                    "  {}: {} - sent as {token} on {at}, no answer in the journal",
                    s.planned.place, s.planned.title
                )),
                _ => None,
            })
            .collect();
        if !unknown.is_empty() {
            let label = self.paint(YELLOW, "may or may not have happened:");
            self.text.push_str(&format!("\n{label}\n{}\n", unknown.join("\n")));
        }
        if !state.items.is_empty() {
            let label = self.paint(YELLOW, "open:");
            self.text.push_str(&format!("\n{label}\n"));
            for item in super::open_items(state) {
                self.text.push_str(&format!("  {} [{}]\n", item.text, item.id));
                if !item.command.is_empty() {
                    self.text.push_str(&format!("      {}\n", item.command));
                }
            }
        }
        let next = next_commands(state, self.how.live);
        if !next.is_empty() {
            let label = self.paint(BOLD, "next:");
            self.text.push_str(&format!("\n{label}\n"));
            let mut table = super::Table::new(&[]);
            for (command, what) in next {
                table.row([command, format!("# {what}")]);
            }
            self.text.push_str(&table.render(2));
        }
    }
}
