//! `hamn config check|show`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Exit, Globals, Outcome, out};
use crate::config;

/// Options of `hamn config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Reads the configuration and the files that it names; says everything that is wrong, with line, column and hint
    Check,
    /// Prints the effective configuration as TOML, every value spelled out, without secrets
    Show {
        /// Explain every key instead
        #[arg(long)]
        explain: bool,
    },
}

pub(super) fn call(globals: &Globals, args: &ConfigArgs) -> Outcome {
    match args.command {
        ConfigCommand::Check => check(globals),
        ConfigCommand::Show { explain: true } => {
            out::print(&config::explain())?;
            Ok(Exit::Done)
        }
        ConfigCommand::Show { explain: false } => {
            let config = globals.load()?;
            if globals.json {
                out::json(&json!({"pair": config.pair, "state_dir": config.local.state_dir,
                    "identity_file": config.local.identity_file, "connect_timeout_s": config.local.connect_timeout_s,
                    "patience_s": config.local.patience_s}))?;
            } else {
                out::print(&config.to_toml())?;
            }
            Ok(Exit::Done)
        }
    }
}

fn check(globals: &Globals) -> Outcome {
    let path = globals.config_path();
    let config = globals.load()?;
    config::check_files(&config, &path)?;
    let warnings = config.warnings();
    if globals.json {
        out::json(&json!({"ok": true, "config": path, "warnings": warnings}))?;
        return Ok(Exit::Done);
    }
    for warning in &warnings {
        out::line(&format!("{} {warning}", out::paint(out::colour(), out::YELLOW, "warning:")))?;
    }
    let [a, b] = &config.pair.nodes;
    out::line(&format!(
        "{}: pair {} and {}, service address {}/{} ({}); {}",
        path.display(),
        a.name,
        b.name,
        config.pair.service.address,
        config.pair.service.prefix,
        config.pair.service.host_name,
        if warnings.is_empty() { "no problem found" } else { "usable" },
    ))?;
    Ok(Exit::Done)
}
