//! `hamn attach`.

use clap::Args;

use super::{Globals, Outcome, Trouble};

/// Options of `hamn attach`.
#[derive(Debug, Args)]
pub struct AttachArgs {}

pub(super) fn call(_globals: &Globals, _args: &AttachArgs) -> Outcome {
    Err(Trouble::failure("hamn attach is not built yet"))
}
