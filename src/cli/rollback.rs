//! `hamn rollback`.

use clap::Args;

use super::{Globals, Outcome, Trouble};

/// Options of `hamn rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {}

pub(super) fn call(_globals: &Globals, _args: &RollbackArgs) -> Outcome {
    Err(Trouble::failure("hamn rollback is not built yet"))
}
