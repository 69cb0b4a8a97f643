//! `hamn settle`: a person says that an open item is no longer so.

use clap::Args;
use journal_schema::{OpenItem, Payload, RunId, RunState};

use super::{Exit, Globals, Outcome, Reading, Trouble, block_on, out, records, who};
use crate::{journal::Store, report::open_of_all};

/// Options of `hamn settle`.
#[derive(Debug, Args)]
#[command(after_help = "Example:  hamn settle unprotected --reason 'mn1 streams again, seen in pg_stat_replication'")]
pub struct SettleArgs {
    /// The item, by the word in brackets behind it in `hamn status`
    item: String,
    /// The run that opened it: its id, or the beginning or end of it [default: the only one that has it open]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// What was done about it, or how you know; goes into the journal
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(super) fn call(globals: &Globals, args: &SettleArgs) -> Outcome {
    block_on(async {
        if args.reason.trim().is_empty() {
            return Err(Trouble::new(Exit::Usage, "the reason is empty")
                .next(format!("hamn settle {} --reason 'what was done about it'", args.item)));
        }
        let mut journal = records::open(globals, "hamn settle").await?;
        if let Some(runner) = journal.runner().await? {
            return Err(Trouble::refused(format!("run {} is going on and holds the journal", runner.run))
                .next("when it has ended, type the command again; until then: hamn attach"));
        }
        let wanted = match &args.run {
            Some(word) => Some(journal.select(Some(word)).await?),
            None => None,
        };
        let mut states = Vec::new();
        for run in journal.runs().await? {
            states.push(journal.run(run).await?.0);
        }
        let (run, text) = meant(&states, &args.item, wanted)?;
        let Some(state) = states.iter().find(|s| s.run == run) else { unreachable!("it was found among them") };
        let Reading::Own(store) = journal else {
            return Err(Trouble::refused("the journal is held by another run").next("see it: hamn status"));
        };
        let operator = who::operator();
        let how = format!("{} on {}: {}", operator.name, operator.host, args.reason);
        let record = state.next_record(who::now(), Payload::ItemClosed { id: args.item.clone(), how });
        state.check(&record).map_err(|e| Trouble::refused(format!("{} cannot be settled: {e}", args.item)))?;
        store.commit(&record).await?;
        if globals.json {
            out::json(&serde_json::json!({"run": run.to_string(), "item": args.item, "settled": true}))?;
        } else {
            out::line(&format!("settled, of run {run}: {text}"))?;
        }
        Ok(Exit::Done)
    })
}

/// The run whose open item is meant, and what the item says.
fn meant(states: &[RunState], item: &str, run: Option<RunId>) -> Result<(RunId, String), Trouble> {
    let open: Vec<(RunId, &OpenItem)> = open_of_all(states);
    let found: Vec<&(RunId, &OpenItem)> =
        open.iter().filter(|(of, i)| i.id == item && run.is_none_or(|run| run == *of)).collect();
    let list = |items: &[&(RunId, &OpenItem)]| {
        items.iter().map(|(of, i)| format!("{} (run {of}): {}", i.id, i.text)).collect::<Vec<_>>().join("\n")
    };
    match found[..] {
        [(run, item)] => Ok((*run, item.text.clone())),
        [] => {
            let all = list(&open.iter().collect::<Vec<_>>());
            Err(Trouble::refused(format!("no open item is called {item:?}"))
                .detail(if all.is_empty() { "nothing is open".to_owned() } else { format!("open are:\n{all}") })
                .next("hamn status"))
        }
        _ => Err(Trouble::refused(format!("{} runs have {item:?} open", found.len()))
            .detail(list(&found))
            .next(format!("say which: hamn settle {item} --run {} --reason TEXT", found[0].0))),
    }
}
