//! The database: what of it is on disk, and what it is while it is active, with its HADR.

use serde::{Deserialize, Serialize};

use super::{Config, Connect, Log, Role, State, Wish, config::Parameters};

/// The database, as it is on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Database {
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) role: Role,
    pub(super) log: Log,
    pub(super) rollforward_pending: bool,
    pub(super) backup_pending: bool,
    /// Circular logging was given up and no backup taken since.
    pub(super) needs_backup: bool,
    /// The standby took over by force and told us so.
    pub(super) disabled: bool,
    /// It was STANDARD and a start as primary waits: a start that fails leaves the role as it was.
    pub(super) promoting: bool,
    pub(super) alternate: (String, String),
}

/// An active database.
#[derive(Debug, Clone)]
pub(super) struct Active {
    pub(super) since_ms: u64,
    /// By ACTIVATE or HADR: it outlives its last connection.
    pub(super) explicit: bool,
    pub(super) quiesced: bool,
    pub(super) hadr: Option<Hadr>,
}

/// HADR while the database is active.
#[derive(Debug, Clone)]
pub(super) struct Hadr {
    pub(super) parameters: Parameters,
    pub(super) state: State,
    pub(super) connect: Connect,
    /// Since when, by our clock.
    pub(super) connect_ms: u64,
    /// The connection that the pair lives on.
    pub(super) link: Option<u64>,
    /// The one on which our question is not answered yet, and since when.
    pub(super) asking: Option<(u64, u64)>,
    pub(super) last_recv_ms: u64,
    pub(super) next_beat_ms: u64,
    /// End of the present catch-up stage.
    pub(super) stage_ms: u64,
    /// The standby has said something on this connection: it knows that it is no longer in the former peer state.
    pub(super) confirmed: bool,
    /// What the partner has of the log, as far as it said.
    pub(super) partner_end: u64,
    pub(super) partner_log_ms: u64,
    /// End of the peer window as known here, by the primary's clock, ms; 0: never in peer.
    pub(super) window_end_ms: u64,
    pub(super) retry_ms: u64,
    /// A start as primary waits for its standby until then.
    pub(super) start_until_ms: Option<u64>,
    /// A takeover waits.
    pub(super) takeover: Option<Takeover>,
    /// When a standby whose logs are of another stream ends itself.
    pub(super) doomed_ms: Option<u64>,
}

/// A takeover under way on a standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Takeover {
    pub(super) by_force: bool,
    pub(super) until_ms: u64,
}

impl Hadr {
    /// When something is due although nothing happens, true time.
    pub(super) fn next_timer(&self, db: &Database, skew_ms: i64) -> u64 {
        let mut next = u64::MAX;
        let mut at = |ms: u64| next = next.min(ms);
        if self.link.is_some() {
            at(self.next_beat_ms);
            at(self.last_recv_ms + self.parameters.timeout_s * 1000);
        }
        match self.state {
            State::DisconnectedPeer => at(self.window_end_ms.saturating_add_signed(-skew_ms)),
            State::LocalCatchup | State::RemoteCatchup => at(self.stage_ms),
            _ => {}
        }
        if self.asks(db) && self.link.is_none() && self.asking.is_none() {
            at(self.retry_ms);
        }
        if let Some((_, since)) = self.asking {
            at(since + self.parameters.timeout_s * 1000);
        }
        self.start_until_ms.into_iter().for_each(&mut at);
        self.takeover.into_iter().for_each(|t| at(t.until_ms));
        self.doomed_ms.into_iter().for_each(&mut at);
        next
    }

    /// Whether it dials: a standby its primary; a primary that starts, to hear whether somebody took over.
    fn asks(&self, db: &Database) -> bool {
        match db.role {
            Role::Standby => self.state != State::LocalCatchup && self.doomed_ms.is_none(),
            _ => self.start_until_ms.is_some(),
        }
    }

    /// What an active database of a pair wants of the network.
    pub(super) fn wish(&self, db: &Database, now: u64) -> Wish {
        let p = &self.parameters;
        let primary = db.role == Role::Primary && !db.disabled;
        let free = self.link.is_none() && self.asking.is_none() && now >= self.retry_ms;
        Wish {
            listen: primary.then(|| (p.local_address.clone(), p.local_port)),
            dial: (self.asks(db) && free).then(|| p.remote_address.clone().map(|a| (a, p.remote_port))).flatten(),
        }
    }
}
