//! `hamn journal list|show|verify|export|import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Exit, Globals, Outcome, Reading, Trouble, block_on, out, who};
use crate::report::{self, Timeline};

/// Options of `hamn journal`.
#[derive(Debug, Args)]
pub struct JournalArgs {
    #[command(subcommand)]
    command: JournalCommand,
}

#[derive(Debug, Subcommand)]
enum JournalCommand {
    /// Lists the runs, oldest first, and where each stands
    List,
    /// Tells what a run did: when, where, by whom, on what evidence
    Show {
        /// Run: its id, or a beginning or an end of it; without: the newest
        run: Option<String>,
        /// With the exact scripts, the evidence and the output
        #[arg(long)]
        full: bool,
    },
    /// Checks every record of both copies: digests, chain, sequence, equality
    Verify,
    /// Writes the records of a run as lines of JSON
    Export {
        /// Run; without: the newest
        run: Option<String>,
        /// File to write; without: standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Takes over the records of a run from a file: an export, or the copy that another machine sent here
    Import {
        /// File; without: the newest copy under STATE_DIR/copies
        file: Option<PathBuf>,
    },
}

pub(super) fn call(globals: &Globals, args: &JournalArgs) -> Outcome {
    match &args.command {
        JournalCommand::List => block_on(list(globals)),
        JournalCommand::Show { run, full } => block_on(show(globals, run.as_deref(), *full)),
        JournalCommand::Verify | JournalCommand::Export { .. } | JournalCommand::Import { .. } => {
            Err(Trouble::failure("not built yet"))
        }
    }
}

/// Tells the person what opening the journal had to settle.
fn tell_repairs(journal: &Reading) {
    for repair in journal.repairs() {
        out::note(&format!("journal: {repair}"));
    }
}

async fn list(globals: &Globals) -> Outcome {
    let mut journal = Reading::open(globals, "journal list").await?;
    tell_repairs(&journal);
    let live = journal.live();
    let mut states = Vec::new();
    for run in journal.runs().await? {
        match journal.run(run).await {
            Ok((state, _)) => states.push(state),
            // One bad run must not hide the others.
            Err(trouble) => out::note(&trouble.to_string()),
        }
    }
    if !globals.json {
        out::print(&report::runs(&states, live, who::now()))?;
        return Ok(Exit::Done);
    }
    for state in &states {
        out::json(&json!({
            "run": state.run, "workflow": state.workflow, "started_ms": state.started, "operator": state.operator,
            "state": state.state, "stands": report::standing(state, live == Some(state.run)), "live": live == Some(state.run),
            "end": state.end.as_ref().map(|(end, _)| end), "open_items": state.items.values().collect::<Vec<_>>(),
        }))?;
    }
    Ok(Exit::Done)
}

async fn show(globals: &Globals, word: Option<&str>, full: bool) -> Outcome {
    let mut journal = Reading::open(globals, "journal show").await?;
    tell_repairs(&journal);
    let run = journal.select(word).await?;
    let live = journal.live() == Some(run);
    if globals.json {
        let records = journal.records(run).await?;
        out::print(&records.iter().map(|r| r.to_json() + "\n").collect::<String>())?;
        return Ok(Exit::Done);
    }
    let (state, records) = journal.run(run).await?;
    out::print(&report::timeline(&records, &state, Timeline { full, colour: out::colour(), live }))?;
    Ok(Exit::Done)
}
