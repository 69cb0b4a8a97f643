//! `hamn journal list|show|verify|export|import`.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Exit, Globals, Outcome, Reading, Trouble, block_on, out, who};
use crate::{
    journal::{ReadOnly, Report, StateDir, StoreError},
    report::{self, Table, Timeline},
};

mod import;

pub(super) use import::newest as newest_copy;

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
        JournalCommand::Verify => verify(globals),
        JournalCommand::Export { run, output } => block_on(export(globals, run.as_deref(), output.as_deref())),
        JournalCommand::Import { file } => block_on(import::call(globals, file.as_deref())),
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

/// Looks without changing a byte: what a repair would do is told, not done.
fn verify(globals: &Globals) -> Outcome {
    let dir = StateDir::new(globals.state_dir());
    let report = match ReadOnly::open(&dir) {
        Ok(journal) => journal.verify(),
        Err(locked @ StoreError::Locked { .. }) => {
            return Err(Trouble::from(locked).next("verify when it has ended; follow it until then: hamn attach"));
        }
        Err(other) => return Err(other.into()),
    };
    if globals.json {
        out::json(&json!({"sound": report.is_sound(), "recoverable": report.is_recoverable(), "report": report}))?;
    } else {
        out::print(&told(&report))?;
    }
    if report.is_sound() {
        return Ok(Exit::Done);
    }
    let trouble = Trouble::failure("the journal is damaged");
    Err(if report.is_recoverable() {
        trouble
            .detail("every record is whole in at least one of the two copies; the bad one is kept aside when it is replaced")
            .next("repair it from the other copy: hamn journal list")
    } else {
        trouble
            .detail("records are missing or wrong in both copies; runs marked BROKEN can be neither read nor resumed from here")
            .next("take them from another machine's copies folder: hamn journal import FILE")
    })
}

fn told(report: &Report) -> String {
    let (mirror, first) = (&report.mirror, &report.first);
    let mut copies = Table::new(&["COPY", "RECORDS", "DAMAGED", "WHERE"]);
    let torn = if mirror.torn.is_some() { " (ends in an unfinished record)" } else { "" };
    copies.row([
        "mirror".to_owned(),
        mirror.records.to_string(),
        format!("{}{torn}", mirror.damaged.len()),
        mirror.path.display().to_string(),
    ]);
    let seen = first.why.as_ref().map_or_else(|| first.seen.to_owned(), |why| format!("{}: {why}", first.seen));
    copies.row([
        "sled".to_owned(),
        first.records.to_string(),
        format!("{} ({seen})", first.bad_values.len()),
        first.path.display().to_string(),
    ]);
    let mut runs = Table::new(&["RUN", "RECORDS", "LAST DIGEST", "VERDICT"]);
    for run in &report.runs {
        let mut verdict = Vec::new();
        verdict.extend(run.broken.iter().map(|why| format!("BROKEN: {why}")));
        verdict.extend(run.illegal.iter().map(|why| format!("ILLEGAL: {why}")));
        for (what, list) in [("in the mirror", &run.only_in_mirror), ("in sled", &run.only_in_first)] {
            if let (Some(from), Some(to)) = (list.first(), list.last()) {
                verdict.push(format!("{} record(s) only {what} ({from} to {to})", list.len()));
            }
        }
        let verdict = if verdict.is_empty() { "sound".to_owned() } else { verdict.join("; ") };
        runs.row([run.run.to_string(), run.records.to_string(), run.head.short(), verdict]);
    }
    let runs = if report.runs.is_empty() { "no runs\n".into() } else { runs.render(0) };
    format!("{}\n{runs}", copies.render(0))
}

async fn export(globals: &Globals, word: Option<&str>, output: Option<&Path>) -> Outcome {
    let mut journal = Reading::open(globals, "journal export").await?;
    tell_repairs(&journal);
    let run = journal.select(word).await?;
    let records = journal.records(run).await?;
    let text: String = records.iter().map(|r| r.to_json() + "\n").collect();
    let Some(path) = output else {
        out::print(&text)?;
        return Ok(Exit::Done);
    };
    // What a run did is nobody's business but the owner's; an earlier export is not overwritten.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(|e| Trouble::failure(format!("{} cannot be written", path.display())).detail(e.to_string()))?;
    out::line(&format!(
        "{} records of run {run} in {}; take them over elsewhere: hamn journal import FILE",
        records.len(),
        path.display()
    ))?;
    Ok(Exit::Done)
}
