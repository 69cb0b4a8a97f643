//! `hamn demo`.

use clap::Args;

use super::{Globals, Outcome, Trouble};

/// Options of `hamn demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {}

pub(super) fn call(_globals: &Globals, _args: &DemoArgs) -> Outcome {
    Err(Trouble::failure("hamn demo is not built yet"))
}
