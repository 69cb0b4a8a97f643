//! `hamn guide`: how the other machine is made a standby again by hand, in the words of this pair. The text is docs/after-failover.md: who
//! needs it at night has the program, and perhaps not its source.

use clap::Args;
use workflows::{
    model::{Flavour, NodeId, Pair},
    quote::quote,
    table::Request,
    vocabulary,
};

use super::{Exit, Globals, Outcome, Trouble, block_on, out, records, target, view::returns};

/// Words of the text that stand for what is this pair's own are replaced; the rest is for every site.
const TEXT: &str = include_str!("../../docs/after-failover.md");

/// Options of `hamn guide`.
#[derive(Debug, Args)]
pub struct GuideArgs {
    /// The machine in service [default: the one that the newest failover or switchover brought into service]
    machine: Option<String>,
}

pub(super) fn call(globals: &Globals, args: &GuideArgs) -> Outcome {
    let pair = globals.load()?.pair;
    if pair.flavour() == Flavour::Db2 {
        return Err(Trouble::refused("nothing of it is to be done by hand with DB2").next("hamn run failback"));
    }
    let serving = match &args.machine {
        Some(name) => target::named(&pair, name)?,
        None => block_on(in_service(globals))?.ok_or_else(|| {
            let [a, b] = pair.nodes.each_ref().map(|n| n.name.as_str());
            Trouble::refused("no run in the journal tells which machine is in service")
                .next(format!("name it: hamn guide {a}, or: hamn guide {b}"))
        })?,
    };
    let text = filled(TEXT, &pair, serving);
    if globals.json {
        let [new, old] = [serving, serving.other()].map(|id| &pair.node(id).name);
        out::json(&serde_json::json!({"in_service": new, "other": old, "text": text}))?;
    } else {
        out::print(&text)?;
    }
    Ok(Exit::Done)
}

/// The machine that the newest run past its pivot put in service.
async fn in_service(globals: &Globals) -> Result<Option<NodeId>, Trouble> {
    let mut journal = records::open(globals, "hamn guide").await?;
    for run in journal.runs().await?.into_iter().rev() {
        let (state, _) = journal.run(run).await?;
        if state.pivot_may_have_happened() && returns(&state) == workflows::steps::failback(Flavour::Postgres) {
            return Ok(serde_json::from_str::<Request>(&state.request).ok().map(|request| request.target));
        }
    }
    Ok(None)
}

/// The text in the words of this pair. What does not look like a word of the shell is quoted, as everywhere.
fn filled(text: &str, pair: &Pair, serving: NodeId) -> String {
    let (pg, new, old) = (pair.postgres(), pair.node(serving), pair.node(serving.other()));
    let start: Vec<String> = pg.control.iter().map(|word| word.replace("{action}", "start")).map(shell).collect();
    let words = [
        ("**new**", new.name.clone()),
        ("**old**", old.name.clone()),
        ("OLD-MACHINE", old.name.clone()),
        ("SERVICE-ADDRESS", pair.service.address.clone()),
        ("IFACE", old.interface.clone()),
        ("DATA-DIRECTORY", shell(pg.data_dir.clone())),
        ("PROGRAMS", shell(pg.bin_dir.clone())),
        ("OS-USER", shell(pg.os_user.clone())),
        ("START-COMMAND", start.join(" ")),
        ("CLAIM", shell(vocabulary::claim_path(pair))),
    ];
    words.iter().fold(text.to_owned(), |text, (word, own)| text.replace(word, own))
}

fn shell(word: String) -> String {
    quote(&word).unwrap_or(word)
}
