//! The workflows that there are.

use crate::{drill, failover, model::Flavour, switchover, sync, table::Workflow};

/// All of a kind of database, in the order of a help text.
pub fn of(flavour: Flavour) -> Vec<Workflow> {
    match flavour {
        Flavour::Postgres => vec![failover::workflow(), switchover::workflow()],
        Flavour::Db2 => vec![drill::workflow(), sync::workflow()],
    }
}

/// The one of that name.
pub fn by_name(flavour: Flavour, name: &str) -> Option<Workflow> {
    of(flavour).into_iter().find(|w| w.name == name)
}
