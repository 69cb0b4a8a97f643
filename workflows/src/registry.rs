//! The workflows that there are.

use crate::{failover, switchover, table::Workflow};

/// All, in the order of a help text.
pub fn all() -> Vec<Workflow> {
    vec![failover::workflow(), switchover::workflow()]
}

/// The one of that name.
pub fn by_name(name: &str) -> Option<Workflow> {
    all().into_iter().find(|w| w.name == name)
}
