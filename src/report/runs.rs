//! Runs: a table of them, where one stands, which command comes next.

use journal_schema::{End, OpenItem, RunId, RunState, UnixMillis};
use workflows::registry;

use super::{
    Table,
    time::{ago, timestamp},
};

/// Where a run stands, a few words. `live`: a runner is at it now.
pub fn standing(state: &RunState, live: bool) -> String {
    match &state.end {
        Some((End::Done, _)) => "done".into(),
        Some((End::RolledBack, _)) => "rolled back".into(),
        Some((End::Abandoned, _)) => format!("abandoned in {}", state.state),
        None if live => format!("running, {}", state.state),
        None if state.stuck.is_some() => format!("STUCK in {}", state.state),
        None if state.interrupted.is_some() => format!("stopped in {}", state.state),
        None => format!("UNFINISHED in {}", state.state),
    }
}

/// A table of runs, oldest first, and a line on what is unfinished.
pub fn runs(states: &[RunState], live: Option<journal_schema::RunId>, now: UnixMillis) -> String {
    if states.is_empty() {
        return "no runs yet\n".into();
    }
    let mut table = Table::new(&["RUN", "WORKFLOW", "STARTED (UTC)", "BY", "STANDS", "OPEN ITEMS"]);
    for state in states {
        table.row([
            state.run.to_string(),
            state.workflow.clone(),
            format!("{} ({})", timestamp(state.started), ago(state.started, now)),
            format!("{} on {}", state.operator.name, state.operator.host),
            standing(state, live == Some(state.run)),
            match state.items.len() {
                0 => "-".into(),
                n => n.to_string(),
            },
        ]);
    }
    table.render(0)
}

/// Open items of a run in the order in which a person should read them: being unprotected comes first.
pub fn open_items(state: &RunState) -> Vec<&OpenItem> {
    let mut items: Vec<_> = state.items.values().collect();
    items.sort_by_key(|item| item.id != workflows::table::UNPROTECTED);
    items
}

/// What is open of all runs (oldest first): what a later run has settled is left out.
pub fn open_of_all(states: &[RunState]) -> Vec<(RunId, &OpenItem)> {
    let settled = |later: &[RunState], item: &OpenItem| {
        later.iter().any(|s| matches!(s.end, Some((End::Done, _))) && registry::settles(&s.workflow, &item.id))
    };
    states
        .iter()
        .enumerate()
        .flat_map(|(at, s)| open_items(s).into_iter().map(move |item| (at, s.run, item)))
        .filter(|(at, _, item)| !settled(&states[at + 1..], item))
        .map(|(_, run, item)| (run, item))
        .collect()
}

/// Commands that go on with a run, each with what it does; the first is the one that is meant.
pub fn next_commands(state: &RunState, live: bool) -> Vec<(String, &'static str)> {
    let run = state.run;
    if state.end.is_some() {
        return Vec::new();
    }
    if live {
        return vec![("hamn attach".into(), "follow the run")];
    }
    let mut commands = Vec::new();
    if let Some(stuck) = &state.stuck {
        commands.extend(
            stuck
                .settle
                .lines()
                .filter(|l| !l.trim().is_empty())
                .map(|l| (l.to_owned(), "settle what is stuck, by hand")),
        );
    }
    commands.push((format!("hamn resume {run}"), "show what comes next, then go on"));
    if state.can_roll_back() {
        commands.push((format!("hamn rollback {run}"), "or undo what was done"));
    }
    commands
}
