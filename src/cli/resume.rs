//! `hamn resume`.

use clap::Args;

use super::{Globals, Outcome, Trouble};

/// Options of `hamn resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {}

pub(super) fn call(_globals: &Globals, _args: &ResumeArgs) -> Outcome {
    Err(Trouble::failure("hamn resume is not built yet"))
}
