//! `hamn resume`: goes on with an interrupted run.

use clap::Args;
use journal_schema::{RunId, RunState};
use workflows::model::Pair;

use super::{
    Globals, Outcome, Trouble, block_on,
    consent::{self, Consent},
    follow::{going_on, launch},
    out::{self, BOLD, paint},
    records,
    view::prospect,
    who,
};
use crate::{
    config,
    runner::{Action, Home, Parameters, World},
};

/// Options of `hamn resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The run: its id, or the beginning or end of it [default: the only unfinished one]
    run: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Do not follow the run
    #[arg(long)]
    detach: bool,
}

pub(super) fn call(globals: &Globals, args: &ResumeArgs) -> Outcome {
    let home = Home::new(globals.state_dir());
    block_on(async {
        let taken = take_up(globals, args.run.as_deref(), "hamn resume").await?;
        let Taken { state, records, run } = taken;
        if !globals.json {
            let head = paint(out::colour(), BOLD, "What resume will do");
            out::print(&format!("{head}\n{}\n", prospect(&state)))?;
            if let Some(other) = differs(globals, &home, &state) {
                out::line(&other)?;
            }
        }
        if !args.yes {
            match consent::ask("yes", "To go on")? {
                Consent::Given(_) => {}
                Consent::NoTerminal => return Err(consent::no_terminal(&format!("hamn resume {run} --yes"))),
                Consent::Refused(typed) => return Err(consent::refused(&typed)),
            }
        }
        let parameters = parameters(globals, &home, &state, Action::Resume)?;
        launch(&home, &parameters, records, globals.json, args.detach).await
    })
}

/// A run that nobody is at and that has not ended.
pub(super) struct Taken {
    /// The run.
    pub(super) run: RunId,
    /// Where it stands.
    pub(super) state: RunState,
    /// Its records.
    pub(super) records: Vec<journal_schema::Record>,
}

/// Finds the run, and refuses what cannot be taken up.
pub(super) async fn take_up(globals: &Globals, word: Option<&str>, purpose: &str) -> Result<Taken, Trouble> {
    let mut journal = records::open(globals, purpose).await?;
    if let Some(status) = journal.runner().await? {
        return Err(going_on(&status));
    }
    let run = records::find(&mut journal, word).await?;
    let (state, records) = journal.run(run).await?;
    if let Some((_, summary)) = &state.end {
        return Err(Trouble::refused(format!("run {run} has ended: {summary}"))
            .next(format!("see it: hamn journal show {run}")));
    }
    Ok(Taken { run, state, records })
}

/// Parameters for a runner that takes a run up: with the configuration that the run began with, because its steps are
/// those that were planned from it.
pub(super) fn parameters(
    globals: &Globals,
    home: &Home,
    state: &RunState,
    action: Action,
) -> Result<Parameters, Trouble> {
    let (pair, world, patience_s) = means(globals, home, state)?;
    let (run, workflow) = (state.run, state.workflow.clone());
    Ok(Parameters { run, workflow, action, pair, operator: who::operator(), world, patience_s })
}

/// What a rehearsal was started with.
fn rehearsed(home: &Home, state: &RunState) -> Option<Parameters> {
    let text = std::fs::read(home.parameters(state.run)).ok()?;
    let before: Parameters = serde_json::from_slice(&text).ok()?;
    (!matches!(before.world, World::Real { .. })).then_some(before)
}

/// Changed lines of the configuration that are named.
const NAMED: usize = 3;

/// Whoever has edited the configuration file since the run began may expect that it counts. It does not: says so.
pub(super) fn differs(globals: &Globals, home: &Home, state: &RunState) -> Option<String> {
    if rehearsed(home, state).is_some() {
        return None;
    }
    let began_with = config::parse(&state.config, &std::path::PathBuf::from("the journal")).ok()?;
    let otherwise = match globals.load() {
        Ok(now) if now.pair == began_with.pair => return None,
        Ok(now) => {
            let path = globals.config_path();
            let path = path.display();
            let (before, now) = (began_with.to_toml(), now.to_toml());
            let before: Vec<&str> = before.lines().collect();
            let new: Vec<&str> = now.lines().filter(|line| !before.contains(line)).take(NAMED + 1).collect();
            let more = if new.len() > NAMED { ", …" } else { "" };
            match new[..new.len().min(NAMED)].join(", ") {
                none if none.is_empty() => format!("{path} says otherwise by now"),
                lines => format!("{path} says otherwise by now ({lines}{more})"),
            }
        }
        Err(error) => error.what,
    };
    Some(format!("  {otherwise}; the run goes on with the configuration that it began with\n"))
}

fn means(globals: &Globals, home: &Home, state: &RunState) -> Result<(Pair, World, u32), Trouble> {
    // A rehearsal goes on in its own world.
    if let Some(before) = rehearsed(home, state) {
        let world = match before.world {
            World::Simulated { scene, pace_ms, .. } => World::Simulated { scene, pace_ms, hold: None },
            World::Real { .. } => before.world,
        };
        return Ok((before.pair, world, before.patience_s));
    }
    let origin = std::path::PathBuf::from(format!("configuration in the journal of run {}", state.run));
    let began_with = config::parse(&state.config, &origin)?;
    // How this machine reaches the others is its own affair: the run may have begun on another machine.
    let local = globals.load().map_or_else(|_| began_with.local.clone(), |c| c.local);
    let world = World::Real { identity_file: local.identity_file.clone(), connect_timeout_s: local.connect_timeout_s };
    Ok((began_with.pair, world, local.patience_s))
}
