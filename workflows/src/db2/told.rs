//! What one database is asked, what it said, and what that amounts to.

use journal_schema::{DatabaseRole, Fact, HadrConnection, HadrRole, HadrState, Tri};

use super::{
    message,
    read::{self, Config, Seen},
    takeover::Side,
};
use crate::{
    model::{Db2, NodeId},
    notes::{ALTERNATE, BACKUP, HADR_ROLE, ROLLFORWARD},
    script::{ActionResult, Output},
    step::{Judge, Judgement},
    steps::{Batch, judge},
    table::Context,
    vocabulary::db2 as calls,
};

/// Parameters of the database that are kept as evidence.
const KEPT: [&str; 14] = [
    HADR_ROLE,
    "HADR_LOCAL_HOST",
    "HADR_LOCAL_SVC",
    "HADR_REMOTE_HOST",
    "HADR_REMOTE_SVC",
    "HADR_REMOTE_INST",
    "HADR_SYNCMODE",
    "HADR_TIMEOUT",
    "HADR_PEER_WINDOW",
    "LOGRETAIN",
    "LOGARCHMETH1",
    "LOGINDEXBUILD",
    ROLLFORWARD,
    BACKUP,
];

/// What is asked of one database: two commands.
pub struct Asked {
    hadr: usize,
    config: usize,
}

/// Adds the questions to a batch.
pub fn ask(batch: &mut Batch, db2: &Db2) -> Asked {
    Asked {
        hadr: batch.look(calls::hadr(db2)),
        config: batch.look(calls::clp(
            db2,
            [calls::may_fail(calls::get_config(db2)), calls::may_fail(calls::LIST_DB_DIRECTORY)],
        )),
    }
}

/// What a database said.
pub struct Told {
    /// HADR.
    pub seen: Seen,
    /// Its parameters.
    pub config: Option<Config>,
    /// Alternate server: host.
    pub alternate: Option<String>,
    /// Why its configuration is not known.
    pub why: String,
    /// The instance says that it has no database of that name (SQL1013N).
    pub absent: bool,
    /// The call that did not answer within its limit.
    pub hangs: Option<String>,
}

impl Asked {
    /// The answers.
    pub fn told(&self, db2: &Db2, output: &Output) -> Told {
        let statements = read::group(output.at(self.config), 2);
        let late = |place: usize| output.at(place).exit == Some(ActionResult::TIMED_OUT);
        let call = if late(self.hadr) {
            Some(format!("db2pd -d {} -hadr", db2.database))
        } else if late(self.config) {
            // What came after the one that hangs was not run either.
            let asked = [calls::get_config(db2), calls::LIST_DB_DIRECTORY.to_owned()];
            asked.iter().zip(&statements).find(|(_, s)| s.exit.is_none()).map(|(call, _)| format!("db2 {call}"))
        } else {
            None
        };
        let said = message::said(&statements[0]);
        Told {
            hangs: call,
            seen: read::hadr(output.at(self.hadr), &db2.database),
            config: read::config(&statements[0]),
            alternate: read::alternate_server(&statements[1], &db2.database).map(|(host, _)| host),
            why: said.to_string(),
            absent: said.refusal().is_some_and(|(number, _)| number == 1013),
        }
    }
}

impl Told {
    /// The side as a takeover looks at it. The role is kept on disk: it is known also of a database that is not active.
    pub fn side(&self) -> Side {
        let kept = self.config.as_ref().map_or(HadrRole::Unknown, Config::role);
        match &self.seen {
            // A role that memory and disk disagree on is no role.
            Seen::Hadr(h) if kept != HadrRole::Unknown && kept != h.role => Side { active: Tri::Yes, ..Side::UNKNOWN },
            Seen::Hadr(h) => Side { role: h.role, active: Tri::Yes, state: h.state, connection: h.connection },
            Seen::Standard => Side { role: HadrRole::Standard, active: Tri::Yes, ..Side::UNKNOWN },
            Seen::Inactive | Seen::InstanceDown => Side { role: kept, active: Tri::No, ..Side::UNKNOWN },
            Seen::Unknown => Side { role: kept, ..Side::UNKNOWN },
        }
    }

    /// In the words that every kind of database has.
    pub fn role(&self) -> DatabaseRole {
        plain_role(&self.side())
    }

    /// As evidence. `clock_ms`: the machine's own clock.
    pub fn facts(&self, node: &str, db2: &Db2, clock_ms: Option<u64>) -> Vec<Fact> {
        let Side { role, active, state, connection } = self.side();
        let hadr = self.seen.hadr();
        let ms = |seconds: Option<u64>| seconds.map(|s| s.saturating_mul(1_000));
        let mut facts = vec![
            Fact::Hadr {
                node: node.to_owned(),
                role,
                active,
                state,
                connection,
                since_ms: ms(hadr.and_then(|h| h.connected_since)),
                window_end_ms: ms(hadr.and_then(|h| h.peer_window_end)),
                clock_ms,
            },
            Fact::Database {
                node: node.to_owned(),
                role: self.role(),
                system_id: self.config.as_ref().map(|_| db2.database.clone()).unwrap_or_default(),
                timeline: 0,
            },
        ];
        if let Some(h) = hadr {
            let primary = h.role == HadrRole::Primary;
            facts.push(Fact::LogPosition {
                node: node.to_owned(),
                written: h.primary.as_ref().filter(|_| primary).map(|p| p.byte),
                received: h.standby.as_ref().filter(|_| !primary).map(|p| p.byte),
                replayed: h.replayed.as_ref().filter(|_| !primary).map(|p| p.byte),
                last_commit_ms: ms(h.standby_time.filter(|_| !primary)),
                last_message_ms: None,
            });
        }
        let setting = |name: &str, value: &str| Fact::Setting {
            node: node.to_owned(),
            name: name.to_owned(),
            value: value.to_owned(),
        };
        if self.absent {
            facts.push(setting(HADR_ROLE, "absent"));
        }
        if let Some(config) = &self.config {
            facts.extend(KEPT.iter().filter_map(|name| Some(setting(name, config.get(name)?))));
        }
        facts.extend(self.alternate.as_ref().map(|host| setting(ALTERNATE, host)));
        facts
    }
}

/// What a side is in the words that every kind of database has: writable or not.
pub fn plain_role(side: &Side) -> DatabaseRole {
    match (side.active, side.role) {
        (Tri::Yes, HadrRole::Primary | HadrRole::Standard) => DatabaseRole::Primary,
        (Tri::Yes, HadrRole::Standby) => DatabaseRole::Standby,
        (Tri::No, _) => DatabaseRole::Down,
        _ => DatabaseRole::Unknown,
    }
}

/// A side in words: `STANDBY, peer, connected`.
pub fn describe(side: &Side) -> String {
    let role = match side.role {
        HadrRole::Standard => "not in HADR",
        HadrRole::Primary => "PRIMARY",
        HadrRole::Standby => "STANDBY",
        HadrRole::Unknown => "of unknown role",
    };
    let state = match side.state {
        HadrState::Disconnected => ", disconnected",
        HadrState::LocalCatchup => ", in local catchup",
        HadrState::RemoteCatchupPending => ", in remote catchup pending",
        HadrState::RemoteCatchup => ", in remote catchup",
        HadrState::Peer => ", in peer state",
        HadrState::DisconnectedPeer => ", in disconnected peer state",
        HadrState::Unknown => "",
    };
    let connection = match side.connection {
        HadrConnection::Connected => ", connected",
        HadrConnection::Congested => ", congested",
        HadrConnection::Disconnected => ", not connected",
        HadrConnection::Unknown => "",
    };
    let active = match side.active {
        Tri::Yes => "",
        Tri::No => ", not active",
        Tri::Unknown => ", perhaps not active",
    };
    format!("{role}{active}{state}{connection}")
}

/// The database has that role and is active, by `db2pd` and by its configuration: no message proves it.
pub fn has_role(ctx: &Context<'_>, id: NodeId, wanted: HadrRole, asked: Asked) -> Judge {
    let (pair, name) = (ctx.pair.clone(), ctx.pair.node(id).name.clone());
    judge(move |output: &Output| {
        let told = asked.told(pair.db2(), output);
        let (side, facts) = (told.side(), told.facts(&name, pair.db2(), None));
        let why = format!("the database on {name} is {}", describe(&side));
        match (side.role, side.active) {
            (HadrRole::Unknown, _) | (_, Tri::Unknown) => Judgement::unknown(format!("{why} ({})", told.why), facts),
            (role, Tri::Yes) if role == wanted => Judgement::succeeded(why, facts),
            _ => Judgement::failed(why, facts),
        }
    })
}
