//! START HADR, STOP HADR, ACTIVATE, DEACTIVATE, and the connections that do the same on their own.

use super::{
    Connect, Message, Out, Role, State,
    config::Parameters,
    database::{Active, Hadr},
    machine::Cx,
    message::Body,
    program::{Flow, Wait, Waiter},
};

impl Cx<'_> {
    /// HADR parameters, or the message of a start that they forbid.
    fn parameters(&mut self) -> Result<Parameters, Out> {
        let config = self.m.config().cloned().unwrap_or_default();
        Parameters::read(&config, self.host).map_err(|reason| self.says("SQL1768N", &[&reason.to_string()]))
    }

    /// Makes the database active, with HADR or without.
    fn activate_with(&mut self, parameters: Option<Parameters>, state: State, explicit: bool) {
        let (now, clock, catchup) = (self.now, self.clock(), self.m.knobs.local_catchup_ms);
        let hadr = parameters.map(|parameters| Hadr {
            parameters,
            state,
            connect: Connect::Disconnected,
            connect_ms: clock,
            link: None,
            asking: None,
            last_recv_ms: now,
            next_beat_ms: now,
            stage_ms: now + catchup,
            confirmed: true,
            partner_end: 0,
            partner_log_ms: 0,
            window_end_ms: 0,
            retry_ms: now,
            start_until_ms: None,
            takeover: None,
            doomed_ms: None,
        });
        let quiesced = self.m.run.active.as_ref().is_some_and(|a| a.quiesced);
        let since_ms = self.m.run.active.as_ref().map_or(clock, |a| a.since_ms);
        self.m.run.active = Some(Active { since_ms, explicit, quiesced, hadr });
    }

    /// START HADR AS STANDBY. It says success before anything is known of the partner.
    pub(super) fn start_standby(&mut self) -> Out {
        let Some(db) = &self.m.database else { return Out::default() };
        let (role, pending, active) = (db.role, db.rollforward_pending, self.m.is_active());
        let k = &self.m.knobs;
        let refusal = match (role, active) {
            (Role::Standby, true) => return self.says("SQL1777N", &[]),
            (Role::Standard, true) => Some(k.rc_standby_on_active),
            (Role::Primary, true) => Some(k.rc_standby_on_primary),
            (Role::Standard, false) if !pending => Some(k.rc_not_pending),
            _ => None,
        };
        if let Some(reason) = refusal {
            return self.says("SQL1767N", &[&reason.to_string()]);
        }
        let parameters = match self.parameters() {
            Ok(p) => p,
            Err(out) => return out,
        };
        let indexes = self.m.config().is_some_and(|c| c.get("LOGINDEXBUILD") == "ON");
        if let Some(db) = self.db() {
            db.role = Role::Standby;
            db.disabled = false;
            db.rollforward_pending = false;
        }
        self.activate_with(Some(parameters), State::LocalCatchup, true);
        if indexes { self.ok("START HADR ON DATABASE") } else { self.says("SQL1766W", &[]) }
    }

    /// START HADR AS PRIMARY.
    pub(super) fn start_primary(&mut self, by_force: bool) -> Flow {
        let Some(db) = &self.m.database else { return Flow::Done(Out::default()) };
        let (role, disabled) = (db.role, db.disabled);
        let hadr_runs = self.m.run.active.as_ref().is_some_and(|a| a.hadr.is_some());
        if role == Role::Standby {
            let reason = self.m.knobs.rc_primary_on_standby.to_string();
            return Flow::Done(self.says("SQL1767N", &[&reason]));
        }
        if disabled && !(by_force && self.m.knobs.force_start_overrides) {
            return Flow::Done(self.says("SQL1776N", &["6"]));
        }
        if role == Role::Primary && hadr_runs {
            return Flow::Done(self.says("SQL1777N", &[]));
        }
        if let Some(out) = self.pending_message() {
            return Flow::Done(out);
        }
        let parameters = match self.parameters() {
            Ok(p) => p,
            Err(out) => return Flow::Done(out),
        };
        self.begin_primary(parameters, by_force);
        if by_force { Flow::Done(self.ok("START HADR ON DATABASE")) } else { Flow::Wait(Wait::StartHadr) }
    }

    /// From here on the database is a primary that runs (`by_force`) or waits for its standby.
    fn begin_primary(&mut self, parameters: Parameters, by_force: bool) {
        let until = self.now + parameters.timeout_s * 1000;
        let fresh = self.m.role() != Some(Role::Primary);
        self.activate_with(Some(parameters), State::Disconnected, true);
        if let Some(db) = self.db() {
            db.role = Role::Primary;
            db.disabled = false;
            db.promoting = fresh && !by_force;
        }
        if !by_force && let Some(hadr) = self.hadr() {
            hadr.start_until_ms = Some(until);
        }
    }

    /// A standby is there: whoever waited for the start goes on.
    pub(super) fn start_succeeded(&mut self) {
        let Some(hadr) = self.hadr().filter(|h| h.start_until_ms.is_some()) else { return };
        hadr.start_until_ms = None;
        if let Some(db) = self.db() {
            db.promoting = false;
        }
        self.end_start(None);
    }

    /// Nobody came in time.
    pub(super) fn start_timed_out(&mut self) {
        let truncates = self.m.knobs.failed_start_truncates;
        self.start_failed(truncates, "SQL1768N", "7");
    }

    /// The partner is primary by a takeover.
    pub(super) fn start_superseded(&mut self) {
        if let Some(db) = self.db() {
            db.disabled = true;
        }
        self.start_failed(false, "SQL1776N", "6");
    }

    fn start_failed(&mut self, truncates: bool, code: &str, reason: &str) {
        let clock = self.clock();
        self.m.unpromote();
        if let Some(db) = self.db().filter(|_| truncates) {
            db.log.truncate(clock);
        }
        let out = self.says(code, &[reason]);
        self.diag("Error", out.text.trim_end());
        self.close_all();
        self.m.run.active = None;
        self.end_start(Some(&out));
    }

    fn end_start(&mut self, failure: Option<&Out>) {
        let waiting = std::mem::take(&mut self.m.run.waiting);
        let (ours, others) = waiting.into_iter().partition::<Vec<_>, _>(|w| match w {
            Waiter::Program(r) => r.wait.is_some_and(|w| w != Wait::Takeover),
            Waiter::Client { .. } => true,
            _ => false,
        });
        self.m.run.waiting = others;
        for waiter in ours {
            match waiter {
                Waiter::Program(mut running) => {
                    let wait = running.wait.take();
                    let out = match (failure, wait) {
                        (Some(out), _) => out.clone(),
                        (None, Some(Wait::Activate)) => self.ok("ACTIVATE DATABASE"),
                        (None, Some(Wait::Connect)) => self.connect_session(running.call.session),
                        (None, _) => self.ok("START HADR ON DATABASE"),
                    };
                    self.resume(running, &out);
                }
                Waiter::Client { id, name } => {
                    if failure.is_none() {
                        self.m.run.clients.insert(name);
                    }
                    self.answer(id, failure.cloned().unwrap_or_default());
                }
                other => self.m.run.waiting.push(other),
            }
        }
    }

    /// STOP HADR.
    pub(super) fn stop_hadr(&mut self) -> Out {
        let (role, active) = (self.m.role(), self.m.is_active());
        let k = &self.m.knobs;
        match (role, active) {
            (Some(Role::Standby), true) => return self.says("SQL1769N", &["2"]),
            (Some(Role::Standard) | None, _) => {
                let reason = k.rc_stop_standard.to_string();
                return self.says("SQL1769N", &[&reason]);
            }
            _ => {}
        }
        let (forks, clock) = (k.stop_hadr_forks, self.clock());
        let stream = if forks { Some(self.m.next_stream()) } else { None };
        self.leave_politely();
        if let Some(active) = &mut self.m.run.active {
            active.hadr = None;
        }
        self.release(None);
        if let Some(db) = self.db() {
            if db.role == Role::Standby {
                db.rollforward_pending = true;
            } else if let Some(stream) = stream {
                db.log.fork(stream, clock);
            }
            db.role = Role::Standard;
            db.disabled = false;
        }
        self.ok("STOP HADR ON DATABASE")
    }

    /// ACTIVATE DATABASE.
    pub(super) fn activate(&mut self) -> Flow {
        if let Some(active) = &self.m.run.active {
            let connected = !self.m.run.clients.is_empty() || self.m.run.sessions.values().any(|c| *c);
            let code = if connected && !active.explicit { "SQL1494W" } else { "SQL1490W" };
            if active.hadr.as_ref().is_some_and(|h| h.start_until_ms.is_some()) {
                return Flow::Wait(Wait::Activate);
            }
            if let Some(active) = &mut self.m.run.active {
                active.explicit = true;
            }
            return Flow::Done(self.says(code, &[]));
        }
        match self.open(true) {
            Ok(true) => Flow::Done(self.ok("ACTIVATE DATABASE")),
            Ok(false) => Flow::Wait(Wait::Activate),
            Err(out) => Flow::Done(out),
        }
    }

    /// Backup or rollforward pending, as a start or connection meets it.
    pub(super) fn pending_message(&mut self) -> Option<Out> {
        let db = self.m.database.as_mut()?;
        if db.needs_backup {
            db.backup_pending = true;
        }
        let (name, backup, rollforward) = (db.name.clone(), db.backup_pending, db.rollforward_pending);
        let new_text = self.m.knobs.backup_pending_new_text;
        if rollforward {
            return Some(self.says("SQL1117N", &[&name]));
        }
        backup.then(|| self.says(if new_text { "SQL1116N-NEW" } else { "SQL1116N" }, &[&name]))
    }

    /// Opens an inactive database: true when it is open, false when a primary waits for its standby.
    fn open(&mut self, explicit: bool) -> Result<bool, Out> {
        if let Some(out) = self.pending_message() {
            return Err(out);
        }
        let (role, disabled) = self.m.database.as_ref().map_or((Role::Standard, false), |d| (d.role, d.disabled));
        if role == Role::Standard {
            self.activate_with(None, State::Disconnected, explicit);
            return Ok(true);
        }
        if disabled {
            return Err(self.says("SQL1776N", &["6"]));
        }
        let parameters = self.parameters()?;
        if role == Role::Standby {
            self.activate_with(Some(parameters), State::LocalCatchup, true);
            return Ok(true);
        }
        self.begin_primary(parameters, false);
        Ok(false)
    }

    /// What stands in the way of a connection, or whether the database is open for it at once.
    fn admit(&mut self) -> Result<bool, Out> {
        let role = self.m.role();
        let Some(active) = &self.m.run.active else {
            if role == Some(Role::Standby) {
                return Err(self.says("SQL1776N", &["1"]));
            }
            return self.open(false);
        };
        if active.hadr.as_ref().is_some_and(|h| h.start_until_ms.is_some()) {
            return Ok(false);
        }
        if role == Some(Role::Standby) {
            return Err(self.says("SQL1776N", &["1"]));
        }
        if self.m.pending().2 {
            return Err(self.says("SQL1776N", &["6"]));
        }
        match self.pending_message() {
            Some(out) => Err(out),
            None => Ok(true),
        }
    }

    /// CONNECT by a session.
    pub(super) fn connect(&mut self, session: u64) -> Flow {
        match self.admit() {
            Ok(true) => Flow::Done(self.connect_session(session)),
            Ok(false) => Flow::Wait(Wait::Connect),
            Err(out) => Flow::Done(out),
        }
    }

    /// A client program connects.
    pub(super) fn client(&mut self, id: u64, name: String) {
        if !self.m.run.up {
            let out = self.says("SQL1032N", &[]);
            return self.answer(id, out);
        }
        let Some(db) = &self.m.database else {
            let out = self.says("SQL1013N", &["?"]);
            return self.answer(id, out);
        };
        if self.m.run.active.as_ref().is_some_and(|a| a.quiesced) {
            let database = db.name.clone();
            let out = self.says("SQL20157N", &[&database]);
            return self.answer(id, out);
        }
        match self.admit() {
            Ok(true) => {
                self.m.run.clients.insert(name);
                self.answer(id, Out::default());
            }
            Ok(false) => self.m.run.waiting.push(Waiter::Client { id, name }),
            Err(out) => self.answer(id, out),
        }
    }

    /// DEACTIVATE DATABASE.
    pub(super) fn deactivate_command(&mut self) -> Out {
        let standby = self.m.role() == Some(Role::Standby);
        if self.m.run.active.is_none() {
            return self.says("SQL1496W", &[]);
        }
        if !standby && (!self.m.run.clients.is_empty() || self.m.run.sessions.values().any(|c| *c)) {
            return self.says("SQL1495W", &[]);
        }
        self.deactivate();
        self.ok("DEACTIVATE DATABASE")
    }

    /// A polite end of the database. A primary without its standby writes a truncation record.
    pub(super) fn deactivate(&mut self) {
        let (clock, truncates) = (self.clock(), self.m.knobs.stop_truncates);
        let alone = self.hadr().is_some_and(|h| h.link.is_none() || h.state == State::DisconnectedPeer);
        self.leave_politely();
        if let Some(db) = self.db()
            && db.role == Role::Primary
            && alone
            && truncates
            && !db.disabled
        {
            db.log.truncate(clock);
        }
        self.m.unpromote();
        self.close_all();
        self.m.run.active = None;
        let waiting = std::mem::take(&mut self.m.run.waiting);
        self.drop_waiters(waiting);
    }

    /// Says good-bye to the partner.
    fn leave_politely(&mut self) {
        if let Some(hadr) = self.hadr()
            && let Some(link) = hadr.link.take()
        {
            self.send(link, Message(Body::Bye));
            self.close(link);
        }
    }

    pub(super) fn close_all(&mut self) {
        for link in std::mem::take(&mut self.m.run.links) {
            self.effects.push(super::Effect::Close { link });
        }
    }

    /// Everybody is off; a database that nobody activated closes.
    pub(super) fn drop_connections(&mut self) {
        self.m.run.clients.clear();
        self.m.run.sessions.values_mut().for_each(|c| *c = false);
        self.maybe_idle();
    }

    /// Closes a database that was opened by a connection and has none any more.
    pub(super) fn maybe_idle(&mut self) {
        let idle = self.m.run.clients.is_empty() && !self.m.run.sessions.values().any(|c| *c);
        if idle && self.m.run.active.as_ref().is_some_and(|a| !a.explicit && a.hadr.is_none()) {
            self.m.run.active = None;
        }
    }
}
