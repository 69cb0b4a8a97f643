//! The workflows that there are.

use journal_schema::Digest;

use crate::{db2, model::Flavour, postgres, table::Workflow};

/// All of a kind of database, in the order of a help text.
pub fn of(flavour: Flavour) -> Vec<Workflow> {
    match flavour {
        Flavour::Postgres => vec![postgres::failover::workflow(), postgres::switchover::workflow()],
        Flavour::Db2 => vec![
            db2::setup::workflow(),
            db2::failover::workflow(),
            db2::failback::workflow(),
            db2::drill::workflow(),
            db2::sync::workflow(),
        ],
    }
}

/// The one of that name.
pub fn by_name(flavour: Flavour, name: &str) -> Option<Workflow> {
    of(flavour).into_iter().find(|w| w.name == name)
}

/// The kind of database whose workflow has that table; `None`: a table of another version.
pub fn flavour(table: &Digest) -> Option<Flavour> {
    Flavour::ALL.into_iter().find(|flavour| of(*flavour).iter().any(|w| w.digest() == *table))
}

/// Whether a run of that workflow that is done settles that open item of an earlier run: its temporary change was reverted, or another
/// run's has taken its place (invariant 10).
pub fn settles(workflow: &str, item: &str) -> bool {
    Flavour::ALL.into_iter().filter_map(|f| by_name(f, workflow)).any(|w| w.settles.contains(&item))
}
