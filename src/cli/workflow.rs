//! `hamn workflow list|show`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use workflows::{diagram, model::Flavour, registry};

use super::{Exit, Globals, Outcome, out, target};
use crate::report::Table;

/// Options of `hamn workflow`.
#[derive(Debug, Args)]
pub struct WorkflowArgs {
    #[command(subcommand)]
    command: WorkflowCommand,
}

#[derive(Debug, Subcommand)]
enum WorkflowCommand {
    /// Lists the workflows
    List {
        /// Those of a pair with this database
        #[arg(long, value_enum, default_value_t)]
        database: Database,
    },
    /// Shows the states and transitions of one: the very table that is run
    Show {
        /// Its name
        workflow: String,
        /// That of a pair with this database
        #[arg(long, value_enum, default_value_t)]
        database: Database,
        /// As what
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Database {
    /// PostgreSQL with streaming replication
    #[default]
    Postgresql,
    /// DB2 with HADR
    Db2,
}

impl Database {
    fn flavour(self) -> Flavour {
        match self {
            Self::Postgresql => Flavour::Postgres,
            Self::Db2 => Flavour::Db2,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Table for a terminal
    Text,
    /// State diagram for Mermaid
    Mermaid,
    /// Graph for Graphviz
    Dot,
}

pub(super) fn call(globals: &Globals, args: &WorkflowArgs) -> Outcome {
    match &args.command {
        WorkflowCommand::List { database } if globals.json => {
            for w in registry::of(database.flavour()) {
                let digest = w.digest().to_string();
                out::json(
                    &json!({"name": w.name, "about": w.about, "states": w.states.len(), "transitions": w.rows.len(), "table": digest}),
                )?;
            }
        }
        WorkflowCommand::List { database } => {
            let mut table = Table::default();
            for w in registry::of(database.flavour()) {
                table.row([w.name, w.about]);
            }
            out::print(&table.render(0))?;
        }
        WorkflowCommand::Show { workflow, database, format } => {
            let w = target::workflow(database.flavour(), workflow)?;
            if globals.json {
                let states: Vec<_> =
                    w.states.iter().map(|(name, about)| json!({"name": name, "about": about})).collect();
                out::json(
                    &json!({"name": w.name, "about": w.about, "initial": w.initial.as_str(), "goal": w.goal.as_str(),
                    "states": states, "transitions": w.table(), "table": w.digest().to_string()}),
                )?;
                return Ok(Exit::Done);
            }
            out::print(&match format {
                Format::Text => diagram::text(&w),
                Format::Mermaid => diagram::mermaid(&w),
                Format::Dot => diagram::dot(&w),
            })?;
        }
    }
    Ok(Exit::Done)
}
