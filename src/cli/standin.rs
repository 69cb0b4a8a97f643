//! `hamn standin NAME ARGS…`: the program that the practice hosts have under the names of the xCAT commands.

use clap::Args;

use super::Outcome;

/// Options of `hamn standin`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct StandinArgs {
    /// Name of the program that is played
    pub name: String,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

pub(super) fn call(args: &StandinArgs) -> Outcome {
    // Its exit codes are those of the program that is played, and have nothing to do with hamn's.
    std::process::exit(lab::standin::main(&args.name, &args.arguments))
}
