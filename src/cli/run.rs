//! `hamn run`.

use clap::Args;

use super::{Globals, Outcome, Trouble};

/// Options of `hamn run`.
#[derive(Debug, Args)]
pub struct RunArgs {}

pub(super) fn call(_globals: &Globals, _args: &RunArgs) -> Outcome {
    Err(Trouble::failure("hamn run is not built yet"))
}
