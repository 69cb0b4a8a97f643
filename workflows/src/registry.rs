//! The workflows that there are.

use crate::{db2, drill, failover, model::Flavour, setup, switchover, sync, table::Workflow};

/// All of a kind of database, in the order of a help text.
pub fn of(flavour: Flavour) -> Vec<Workflow> {
    match flavour {
        Flavour::Postgres => vec![failover::workflow(), switchover::workflow()],
        Flavour::Db2 => vec![setup::workflow(), db2::failover::workflow(), drill::workflow(), sync::workflow()],
    }
}

/// The one of that name.
pub fn by_name(flavour: Flavour, name: &str) -> Option<Workflow> {
    of(flavour).into_iter().find(|w| w.name == name)
}
