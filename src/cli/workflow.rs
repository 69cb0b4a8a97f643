//! `hamn workflow`.

use clap::Args;

use super::{Globals, Outcome, Trouble};

/// Options of `hamn workflow`.
#[derive(Debug, Args)]
pub struct WorkflowArgs {}

pub(super) fn call(_globals: &Globals, _args: &WorkflowArgs) -> Outcome {
    Err(Trouble::failure("hamn workflow is not built yet"))
}
