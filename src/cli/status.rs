//! `hamn status`: runs, runner, copies, open items.

use std::path::PathBuf;

use clap::Args;
use journal_schema::{End, Fact, RunId, RunState};

use super::{
    Exit, Globals, Outcome, block_on,
    journal::newest_copy,
    out::{self, BOLD, paint},
    records,
    view::Closing,
    who,
};
use crate::{
    report::{Table, ago, meaning, open_of_all, timestamp},
    runner::Status,
};

/// Options of `hamn status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// All runs, not only the last ten
    #[arg(long)]
    all: bool,
}

pub(super) fn call(globals: &Globals, args: &StatusArgs) -> Outcome {
    block_on(async {
        let mut journal = records::open(globals, "hamn status").await?;
        let runner = journal.runner().await?;
        let runs = journal.runs().await?;
        let skipped = if args.all { 0 } else { runs.len().saturating_sub(10) };
        // All are read: what an old run left open is open still.
        let mut states = Vec::new();
        for run in &runs {
            states.push(journal.run(*run).await?.0);
        }
        if globals.json {
            return json(runner.as_ref(), &states, skipped);
        }
        out::print(&render(runner.as_ref(), &states, skipped))?;
        if let Some(copy) = stranger(newest_copy(globals), &runs) {
            out::print(&copy)?;
        }
        Ok(exit(runner.as_ref(), &states))
    })
}

/// A run of another machine, whose journal sent its records here: where that machine is gone, the run goes on here.
fn stranger(copy: Option<PathBuf>, own: &[RunId]) -> Option<String> {
    let copy = copy?;
    let run: RunId = copy.file_stem()?.to_str()?.parse().ok().filter(|run| !own.contains(run))?;
    let host = copy.parent()?.file_name()?.to_string_lossy().into_owned();
    Some(format!(
        "\nThe journal of {host} sent a copy of its run {run} here. If {host} is gone for good:\n  hamn journal import {}\n",
        copy.display()
    ))
}

/// Whether something is left to do is an answer that a script may want without reading.
fn exit(runner: Option<&Status>, states: &[RunState]) -> Exit {
    let unfinished = runner.is_some() || states.iter().any(|s| s.end.is_none());
    if unfinished { Exit::Unfinished } else { Exit::Done }
}

fn word(state: &RunState, runner: Option<&Status>) -> &'static str {
    match &state.end {
        Some((End::Done, _)) => "done",
        Some((End::RolledBack, _)) => "rolled back",
        Some((End::Abandoned, _)) => "given up",
        None if runner.is_some_and(|r| r.run == state.run) => "going on",
        None if state.stuck.is_some() => "STUCK",
        None => "INTERRUPTED",
    }
}

/// The state that a run is in, and what holds in it.
fn stands(state: &RunState) -> Option<(&str, &'static str)> {
    meaning(state).map(|about| (state.state.as_str(), about))
}

/// The highest epoch that the journal has seen on each node.
fn epochs(states: &[RunState]) -> Vec<(String, u64)> {
    let mut found: Vec<(String, u64)> = Vec::new();
    for (_, fact) in states.iter().flat_map(|s| &s.evidence) {
        if let Fact::Epoch { node, epoch } = fact {
            match found.iter_mut().find(|(n, _)| n == node) {
                Some((_, last)) => *last = (*last).max(*epoch),
                None => found.push((node.clone(), *epoch)),
            }
        }
    }
    found
}

fn json(runner: Option<&Status>, states: &[RunState], skipped: usize) -> Outcome {
    let open = open_of_all(states);
    // The last ones, and each that is unfinished or has left something open.
    let shown = |at: usize, s: &RunState| at >= skipped || s.end.is_none() || open.iter().any(|(run, _)| *run == s.run);
    let runs: Vec<_> = states
        .iter()
        .enumerate()
        .filter_map(|(at, s)| shown(at, s).then_some(s))
        .map(|s| {
            let items: Vec<_> = open.iter().filter(|(run, _)| *run == s.run).map(|(_, item)| item).collect();
            serde_json::json!({
                "run": s.run.to_string(), "workflow": s.workflow, "state": s.state, "about": meaning(s), "how": word(s, runner),
                "started": s.started.0, "last": s.last_at.0, "records": s.last.0.0 + 1, "operator": s.operator,
                "open": items,
            })
        })
        .collect();
    out::json(&serde_json::json!({"runner": runner, "runs": runs, "epochs": epochs(states)}))?;
    Ok(exit(runner, states))
}

fn render(runner: Option<&Status>, states: &[RunState], skipped: usize) -> String {
    let now = who::now();
    let colour = out::colour();
    let bold = |text: &str| paint(colour, BOLD, text);
    let mut text = String::new();
    match runner {
        None => text.push_str("No run is going on.\n"),
        Some(r) => {
            text.push_str(&format!(
                "{} {} (process {}), started by {} on {}, {}\n",
                bold(&r.workflow),
                r.run,
                r.pid,
                r.operator.name,
                r.operator.host,
                ago(r.since, now)
            ));
            if let Some((state, about)) = states.iter().find(|s| s.run == r.run).and_then(stands) {
                text.push_str(&format!("  {state}: {about}\n"));
            }
            for step in &r.running {
                let waits =
                    if step.waiting.is_empty() { String::new() } else { format!(" — waiting: {}", step.waiting) };
                text.push_str(&format!("  {}: {}, begun {}{waits}\n", step.place, step.title, ago(step.since, now)));
            }
            for question in &r.questions {
                text.push_str(&format!("  waits for an answer: {} (hamn attach)\n", question.text));
            }
            if r.stopping {
                text.push_str("  stops as soon as these steps have ended\n");
            }
            for (place, lag) in &r.copies {
                let lag = match lag {
                    None => "not reached".to_owned(),
                    Some(0) => "has all records".to_owned(),
                    Some(n) => format!("{n} record(s) behind"),
                };
                text.push_str(&format!("  copy on {place}: {lag}\n"));
            }
        }
    }
    if !states.is_empty() {
        let mut table = Table::new(&["run", "workflow", "state", "how", "started (UTC)", "by"]);
        for s in &states[skipped..] {
            table.row([
                s.run.to_string(),
                s.workflow.clone(),
                s.state.clone(),
                word(s, runner).to_owned(),
                timestamp(s.started),
                s.operator.name.clone(),
            ]);
        }
        text.push_str(&format!("\n{}\n{}", bold("Runs"), table.render(2)));
        if skipped > 0 {
            text.push_str(&format!("  and {skipped} earlier: hamn status --all\n"));
        }
        let left = states.iter().filter(|s| s.end.is_none() && runner.is_none_or(|r| r.run != s.run));
        for (state, about) in left.filter_map(stands) {
            text.push_str(&format!("  {state}: {about}\n"));
        }
    }
    let open = open_of_all(states);
    if !open.is_empty() {
        text.push_str(&format!("\n{}\n", bold("Open")));
        for (run, item) in open {
            text.push_str(&format!("  - {} [{}] (run {run})\n", item.text, item.id));
            for line in item.command.lines() {
                text.push_str(&format!("    {line}\n"));
            }
        }
        text.push_str("  what is no longer so: hamn settle WORD-IN-BRACKETS --reason TEXT\n");
    }
    let epochs = epochs(states);
    if !epochs.is_empty() {
        let list: Vec<String> = epochs.iter().map(|(node, epoch)| format!("{node} {epoch}")).collect();
        text.push_str(&format!("\n{}  {} (as journaled)\n", bold("Epoch"), list.join(", ")));
    }
    if runner.is_none()
        && let Some(state) = states.iter().rev().find(|s| s.end.is_none())
    {
        text.push_str(&Closing::journaled(state).render(colour));
    }
    text
}
