//! Shows a run as it happens: live on a terminal, plain lines elsewhere, events for programs.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use journal_schema::{Payload, Record, UnixMillis};

use super::{
    Trouble,
    out::{self, BOLD, YELLOW, paint},
    view::Story,
};
use crate::engine::{Event, Question};

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Lines, and below them what is going on at the moment.
    Live,
    /// Lines.
    Plain,
    /// One JSON object a line.
    Json,
}

impl Look {
    /// What fits standard output.
    pub(super) fn fitting(json: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|t| t == "dumb");
        match (json, io::stdout().is_terminal() && !dumb) {
            (true, _) => Self::Json,
            (false, true) => Self::Live,
            (false, false) => Self::Plain,
        }
    }
}

/// The display.
pub(super) struct Progress {
    look: Look,
    story: Story,
    live: Option<Live>,
}

/// The moving part below the lines.
struct Live {
    screen: MultiProgress,
    foot: ProgressBar,
    steps: BTreeMap<String, (ProgressBar, String)>,
    held: bool,
}

impl Progress {
    /// Shows a run. `hint`: what stands in the last line of a live display.
    pub(super) fn new(look: Look, hint: &str) -> Self {
        let story = Story::new(look != Look::Json && out::colour());
        let live = (look == Look::Live).then(|| Live::new(hint));
        Self { look, story, live }
    }

    /// Learns what these records say, without showing them.
    pub(super) fn knows(&mut self, records: &[Record]) {
        for record in records {
            let _ = self.story.tell(record);
        }
    }

    /// Shows an event.
    pub(super) fn event(&mut self, event: &Event) -> Result<(), Trouble> {
        if self.look == Look::Json {
            // The end is told by whoever follows, together with the exit code.
            return out::json(&as_json(event));
        }
        match event {
            Event::Committed { record } => {
                for line in self.story.tell(record) {
                    self.line(&line)?;
                }
                if let (Some(live), Payload::Planned { transition, .. }) = (&self.live, &record.payload) {
                    live.foot.set_prefix(transition.clone());
                }
            }
            Event::StepStarted { step, title, place, k, n, left, at, .. } => {
                if let Some(live) = &mut self.live {
                    live.started(step, title, place, (*k, *n, *left), *at);
                }
            }
            Event::Waiting { step, place, why, since } => {
                if let Some(live) = &mut self.live {
                    live.say(step, &format!("waiting: {why}"));
                } else {
                    let line = self.story.line(*since, "waiting", YELLOW, &format!("{step} on {place}: {why}"));
                    self.line(&line)?;
                }
            }
            Event::LastLine { step, line } => {
                if let Some(live) = &mut self.live {
                    live.say(step, line);
                }
            }
            Event::StepEnded { step, .. } => {
                if let Some(live) = &mut self.live {
                    live.ended(step);
                }
            }
            Event::Question(question) => {
                self.hold();
                self.line(&render_question(question, out::colour()))?;
            }
            Event::Answered { question, answer } => {
                self.line(&format!("{question} was answered: {answer}"))?;
                self.go_on();
            }
            Event::Ended(_) => self.clear(),
        }
        Ok(())
    }

    /// A line above the moving part.
    pub(super) fn line(&self, text: &str) -> Result<(), Trouble> {
        match &self.live {
            Some(live) => live.screen.suspend(|| out::line(text)),
            None => out::line(text),
        }
    }

    /// Keeps the moving part away, because somebody types.
    pub(super) fn hold(&mut self) {
        if let Some(live) = &mut self.live {
            live.held = true;
            live.screen.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    fn go_on(&mut self) {
        if let Some(live) = &mut self.live
            && std::mem::take(&mut live.held)
        {
            live.screen.set_draw_target(ProgressDrawTarget::stdout());
        }
    }

    /// Takes the moving part away.
    pub(super) fn clear(&mut self) {
        if let Some(live) = self.live.take() {
            for (bar, _) in live.steps.values() {
                bar.finish_and_clear();
            }
            live.foot.finish_and_clear();
            let _ = live.screen.clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Live {
    fn new(hint: &str) -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let foot = screen.add(ProgressBar::new_spinner());
        foot.set_style(style("{prefix:.bold} {elapsed} · {wide_msg:.dim}"));
        foot.set_message(hint.to_owned());
        foot.enable_steady_tick(Duration::from_millis(200));
        Self { screen, foot, steps: BTreeMap::new(), held: false }
    }

    fn started(&mut self, step: &str, title: &str, place: &str, (k, n, left): (u32, u32, u32), at: UnixMillis) {
        if self.steps.contains_key(step) {
            return;
        }
        let bar = self.screen.insert_before(&self.foot, ProgressBar::new_spinner());
        bar.set_style(style("{spinner} {prefix} {wide_msg} {elapsed:>6}"));
        bar.set_prefix(format!("{k}/{n} {place}:"));
        bar.set_message(title.to_owned());
        // A step that began before we attached shows its whole time; a clock of another world shows none.
        let since = super::who::now().0.saturating_sub(at.0);
        if since < 86_400_000 {
            bar.set_elapsed(Duration::from_millis(since));
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        self.steps.insert(step.to_owned(), (bar, title.to_owned()));
        let left = if left == 0 { "last transition".to_owned() } else { format!("{left} more after this") };
        self.foot.set_prefix(format!("{} ({left})", self.foot.prefix().split(" (").next().unwrap_or_default()));
    }

    fn say(&mut self, step: &str, text: &str) {
        if let Some((bar, title)) = self.steps.get(step) {
            bar.set_message(format!("{title} — {}", printable(text)));
        }
    }

    fn ended(&mut self, step: &str) {
        if let Some((bar, _)) = self.steps.remove(step) {
            bar.finish_and_clear();
            self.screen.remove(&bar);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a constant template")
}

/// Without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// An event for programs: the record in its JSON form, times as they are.
fn as_json(event: &Event) -> serde_json::Value {
    serde_json::to_value(event).expect("events are plain data")
}

/// A question with what is known and the words that may be typed.
pub(super) fn render_question(question: &Question, colour: bool) -> String {
    let mut text = format!("\n{}\n", paint(colour, BOLD, &question.text));
    for line in question.shown.lines() {
        text.push_str(&format!("  {}\n", printable(line)));
    }
    for (word, meaning) in &question.options {
        text.push_str(&format!("  {:12} {meaning}\n", paint(colour, BOLD, word)));
    }
    text
}
