//! What a PostgreSQL server says of itself: its role, its position.

use journal_schema::Fact;

use super::read;
use crate::{
    model::Postgres,
    notes::CHECKPOINT,
    script::Command,
    vocabulary::{self, sql},
};

/// Asks a server for its role.
pub(crate) fn ask_role(pg: &Postgres) -> Command {
    vocabulary::psql(pg, "postgres", sql::ROLE)
}

/// The fact of a role.
pub(crate) fn role_fact(node: &str, role: &read::Role) -> Fact {
    Fact::Database {
        node: node.to_owned(),
        role: role.role,
        system_id: role.system_id.clone(),
        timeline: role.timeline,
    }
}

/// The facts of a standby's position.
pub(crate) fn position_facts(node: &str, position: &read::StandbyPosition) -> Vec<Fact> {
    let checkpoint = position.last_checkpoint_ms.map(|ms| Fact::Note {
        node: node.to_owned(),
        key: CHECKPOINT.into(),
        value: ms.to_string(),
    });
    let log = Fact::LogPosition {
        node: node.to_owned(),
        written: None,
        received: position.received,
        replayed: position.replayed,
        last_commit_ms: position.last_commit_ms,
        last_message_ms: position.last_message_ms,
    };
    std::iter::once(log).chain(checkpoint).collect()
}
