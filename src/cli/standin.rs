//! `hamn standin NAME ARGS…`: the program that the practice hosts have under the names of the xCAT commands.

use std::ffi::OsString;

use clap::Args;

use super::{Outcome, Trouble};

/// Options of `hamn standin`.
#[derive(Debug, Args)]
pub struct StandinArgs {
    /// Name of the program that is played
    pub name: String,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

pub(super) fn call(_args: &StandinArgs) -> Outcome {
    Err(Trouble::failure("hamn standin is not built yet"))
}
