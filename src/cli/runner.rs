//! `hamn runner`: the process behind a run. Not for people.

use std::str::FromStr;

use clap::Args;
use journal_schema::RunId;

use super::{Exit, Globals, Outcome, Trouble, block_on, view::Closing, who};
use crate::runner::{Home, leave_terminal, live};

/// Options of `hamn runner`.
#[derive(Debug, Args)]
pub struct RunnerArgs {
    /// The run, whose parameters are in its folder
    run: String,
}

pub(super) fn call(globals: &Globals, args: &RunnerArgs) -> Outcome {
    leave_terminal();
    let run =
        RunId::from_str(&args.run).map_err(|e| Trouble::new(Exit::Usage, format!("`{}` is no run: {e}", args.run)))?;
    let home = Home::new(globals.state_dir());
    block_on(async {
        let ending = live(&home, run, workflows::registry::by_name, who::now())
            .await
            .map_err(|failed| Trouble::refused(format!("run {run} was not taken up: {failed}")).next("hamn status"))?;
        Ok(Closing::ended(&ending, None).exit)
    })
}
