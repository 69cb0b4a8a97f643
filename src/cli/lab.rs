//! `hamn lab`.

use clap::Args;

use super::{Globals, Outcome, Trouble};

/// Options of `hamn lab`.
#[derive(Debug, Args)]
pub struct LabArgs {}

pub(super) fn call(_globals: &Globals, _args: &LabArgs) -> Outcome {
    Err(Trouble::failure("hamn lab is not built yet"))
}
