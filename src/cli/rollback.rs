//! `hamn rollback`: undoes an interrupted run, as long as the pivot is not passed.

use clap::Args;

use super::{
    Globals, Outcome, Trouble, block_on,
    consent::{self, Consent},
    follow::launch,
    out::{self, BOLD, paint},
    resume::{Taken, differs, parameters, take_up},
    view::{prospect, retreat, returns},
};
use crate::runner::{Action, Home};

/// Options of `hamn rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The run: its id, or the beginning or end of it [default: the only unfinished one]
    run: Option<String>,
    /// Why; goes into the journal
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Do not follow the run
    #[arg(long)]
    detach: bool,
}

pub(super) fn call(globals: &Globals, args: &RollbackArgs) -> Outcome {
    let home = Home::new(globals.state_dir());
    block_on(async {
        let Taken { state, records, run } = take_up(globals, args.run.as_deref(), "hamn rollback").await?;
        if state.pivot_may_have_happened() {
            return Err(Trouble::refused(format!("run {run} is past its pivot: it can only go forward"))
                .detail(
                    "the new primary may have taken writes that the old one does not have; undoing would lose them or split the pair",
                )
                .next(format!("finish it: hamn resume {run}\nreturn later: {}", returns(&state))));
        }
        if !globals.json {
            let head = paint(out::colour(), BOLD, "What rollback will do");
            let first = prospect(&state).lines().next().unwrap_or_default().to_owned();
            out::print(&format!("{head}\n{first}\n{}\n", retreat(&state)))?;
            if let Some(other) = differs(globals, &home, &state) {
                out::line(&other)?;
            }
        }
        if !args.yes {
            match consent::ask("yes", "To undo it")? {
                Consent::Given(_) => {}
                Consent::NoTerminal => {
                    return Err(consent::no_terminal(&format!("hamn rollback {run} --reason WHY --yes")));
                }
                Consent::Refused(typed) => return Err(consent::refused(&typed)),
            }
        }
        let parameters = parameters(globals, &home, &state, Action::Rollback { reason: args.reason.clone() })?;
        launch(&home, &parameters, records, globals.json, args.detach).await
    })
}
