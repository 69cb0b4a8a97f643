//! `hamn abandon`.

use clap::Args;

use super::{Globals, Outcome, Trouble};

/// Options of `hamn abandon`.
#[derive(Debug, Args)]
pub struct AbandonArgs {}

pub(super) fn call(_globals: &Globals, _args: &AbandonArgs) -> Outcome {
    Err(Trouble::failure("hamn abandon is not built yet"))
}
