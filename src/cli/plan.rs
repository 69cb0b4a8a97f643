//! `hamn plan`.

use clap::Args;

use super::{Globals, Outcome, Trouble};

/// Options of `hamn plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {}

pub(super) fn call(_globals: &Globals, _args: &PlanArgs) -> Outcome {
    Err(Trouble::failure("hamn plan is not built yet"))
}
