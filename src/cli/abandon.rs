//! `hamn abandon`: gives a run up where it stands.

use clap::Args;
use journal_schema::{End, Payload, RunState};

use super::{
    Exit, Globals, Outcome, Reading, Trouble, block_on,
    consent::{self, Consent},
    out, records, who,
};
use crate::{config, journal::Store};

/// Options of `hamn abandon`.
#[derive(Debug, Args)]
pub struct AbandonArgs {
    /// The run: its id, or the beginning or end of it [default: the only unfinished one]
    run: Option<String>,
    /// Why; goes into the journal
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) fn call(globals: &Globals, args: &AbandonArgs) -> Outcome {
    block_on(async {
        let mut journal = records::open(globals, "hamn abandon").await?;
        let run = records::find(&mut journal, args.run.as_deref()).await?;
        if let Some(runner) = journal.runner().await?
            && runner.run == run
        {
            return Err(Trouble::refused(format!("run {run} is going on (process {})", runner.pid))
                .next(format!("stop it first: hamn stop {run}")));
        }
        let (state, _) = journal.run(run).await?;
        if state.end.is_some() {
            return Err(Trouble::refused(format!("run {run} has ended already"))
                .next(format!("see it: hamn journal show {run}")));
        }
        let Reading::Own(store) = journal else {
            return Err(Trouble::refused("the journal is held by another run").next("see it: hamn status"));
        };
        let rest = left_behind(&state);
        if !args.yes {
            out::print(&format!(
                "Run {run} ({}) is in {}. Giving it up changes nothing on any machine.\n{rest}\n",
                state.workflow, state.state
            ))?;
            match consent::ask("yes", "To give it up")? {
                Consent::Given(_) => {}
                Consent::NoTerminal => return Err(consent::no_terminal("hamn abandon --yes --reason WHY")),
                Consent::Refused(typed) => return Err(consent::refused(&typed)),
            }
        }
        let operator = who::operator();
        let summary = format!("{} on {}: {}", operator.name, operator.host, args.reason);
        let record = state.next_record(who::now(), Payload::Finished { end: End::Abandoned, summary });
        state.check(&record).map_err(|e| Trouble::refused(format!("run {run} cannot be given up: {e}")))?;
        store.commit(&record).await?;
        if globals.json {
            out::json(&serde_json::json!({"run": run.to_string(), "abandoned": true, "left": rest}))?;
        } else {
            out::print(&format!("run {run} is given up; it cannot be resumed\n{rest}"))?;
        }
        Ok(Exit::Done)
    })
}

/// What the run did that still stands, the claims among it, and how to look and settle it by hand.
fn left_behind(state: &RunState) -> String {
    let mut text = String::new();
    let standing: Vec<_> = state.steps.values().filter(|s| s.needs_undo() || s.status.pending().is_some()).collect();
    if standing.is_empty() {
        text.push_str("  nothing that it did still stands, as far as the journal knows\n");
    } else {
        text.push_str("  what it did stays, to be settled by hand:\n");
        for step in standing {
            text.push_str(&format!("  - {}: {} ({})\n", step.planned.place, step.planned.title, step.status.word()));
        }
    }
    for item in state.items.values() {
        text.push_str(&format!("  - open: {}\n", item.text));
        if !item.command.is_empty() {
            text.push_str(&format!("      {}\n", item.command));
        }
    }
    if let Ok(config) = config::parse(&state.config, std::path::Path::new("the journal")) {
        let claim = workflows::vocabulary::claim_path(&config.pair);
        text.push_str("  a claim of this run keeps other runs away from a machine; look, and take it away if it names this run:\n");
        for node in &config.pair.nodes {
            let to = format!("{}@{}", node.ssh_user, node.addresses.first().map_or("", String::as_str));
            text.push_str(&format!(
                "      ssh {to} cat {claim}/text      # names a run; then: ssh {to} rm -r {claim}\n"
            ));
        }
    }
    text
}
