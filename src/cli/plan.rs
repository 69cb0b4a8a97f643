//! `hamn plan`: what a workflow would do, from configuration and table alone.

use clap::Args;
use journal_schema::RunId;
use workflows::{Context, Known, Request, plan::Plan};

use super::{Exit, Globals, Outcome, out, target, who};
use crate::report::{self, Commands};

/// Options of `hamn plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Workflow; `hamn workflow list` names those of the pair
    pub workflow: String,
    /// Fixed name of the machine that is to be in service [default: the one that this runs on]
    #[arg(long, value_name = "NODE")]
    pub target: Option<String>,
    /// Titles of the steps without their commands
    #[arg(long, conflicts_with = "scripts")]
    pub brief: bool,
    /// The exact shell text of every step (--verbose: every word of every command, shell helpers in place)
    #[arg(long)]
    pub scripts: bool,
}

pub(super) fn call(globals: &Globals, args: &PlanArgs) -> Outcome {
    let config = globals.load()?;
    let workflow = target::workflow(config.pair.flavour(), &args.workflow)?;
    let operator = who::operator();
    let request = Request {
        target: target::target(&config, args.target.as_deref())?,
        accept_unknown_loss: false,
        accept_loss: None,
        operator: operator.name,
        host: operator.host,
    };
    // Run 0, so that two plans of the same facts have the same id.
    let context = Context { pair: &config.pair, known: &Known::default(), request: &request, run: RunId(0) };
    let plan = Plan::new(&workflow, &context);
    if globals.json {
        let mut value = serde_json::to_value(&plan).expect("plans are plain data");
        value["id"] = plan.id().to_string().into();
        out::json(&value)?;
        return Ok(Exit::Done);
    }
    let commands = match (args.brief, args.scripts, globals.verbose > 0) {
        (true, ..) => Commands::None,
        (_, true, _) => Commands::Rendered,
        (.., true) => Commands::Listing,
        _ => Commands::Short,
    };
    out::print(&report::plan(&plan, commands, false, out::colour()))?;
    out::note(&format!(
        "This is a plan: nothing was changed and nobody was contacted. On the facts of the moment: hamn run {} --target {} --dry-run",
        plan.workflow, plan.target
    ));
    Ok(Exit::Done)
}
