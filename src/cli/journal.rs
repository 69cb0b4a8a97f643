//! `hamn journal`.

use clap::Args;

use super::{Globals, Outcome, Trouble};

/// Options of `hamn journal`.
#[derive(Debug, Args)]
pub struct JournalArgs {}

pub(super) fn call(_globals: &Globals, _args: &JournalArgs) -> Outcome {
    Err(Trouble::failure("hamn journal is not built yet"))
}
