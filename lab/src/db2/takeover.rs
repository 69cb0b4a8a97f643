//! TAKEOVER HADR: the role switch, the forced one, and what they do to the other side.

use workflows::model::SyncMode;

use super::{
    Half, Message, Out, Role, State,
    database::Takeover,
    machine::Cx,
    message::Body,
    parse::Form,
    program::{Flow, Wait, Waiter},
};

impl Cx<'_> {
    fn refuse(&mut self, reason: u32) -> Flow {
        Flow::Done(self.says("SQL1770N", &[&reason.to_string()]))
    }

    /// TAKEOVER HADR.
    pub(super) fn takeover(&mut self, form: Form) -> Flow {
        let k = &self.m.knobs;
        let (not_allowed, outside, margin) = (k.rc_takeover_state, k.rc_takeover_window, k.window_margin_ms);
        if k.cluster_manager {
            return self.refuse(10);
        }
        let (clock, role) = (self.clock(), self.m.role());
        let Some(hadr) = self.hadr().filter(|_| role == Some(Role::Standby)) else { return self.refuse(not_allowed) };
        let (state, linked, mode) = (hadr.state, hadr.link.is_some(), hadr.parameters.sync);
        if hadr.takeover.is_some() {
            return self.refuse(not_allowed);
        }
        let in_window = hadr.parameters.has_window() && clock + margin < hadr.window_end_ms;
        match form {
            Form::Plain => {
                let catching = state == State::RemoteCatchup && mode == SyncMode::SuperAsync;
                if linked && (state == State::Peer || catching) {
                    self.ask_to_switch()
                } else {
                    self.refuse(not_allowed)
                }
            }
            Form::PeerWindowOnly => {
                let state_allows = matches!(state, State::Peer | State::DisconnectedPeer);
                if state_allows && in_window { self.force() } else { self.refuse(outside) }
            }
            Form::ByForce => match state {
                State::Peer | State::DisconnectedPeer | State::RemoteCatchupPending => self.force(),
                _ => self.refuse(not_allowed),
            },
        }
    }

    /// The role switch begins; it waits for the old primary, at most until its silence is noticed.
    fn ask_to_switch(&mut self) -> Flow {
        let now = self.now;
        let Some(hadr) = self.hadr() else { return Flow::Done(Out::default()) };
        let until_ms = now + hadr.parameters.timeout_s * 1000;
        hadr.takeover = Some(Takeover { by_force: false, until_ms });
        let link = hadr.link.unwrap_or_default();
        self.send(link, Message(Body::TakeOver));
        Flow::Wait(Wait::Takeover)
    }

    /// The forced takeover begins: the old primary is told to stop if it can be.
    fn force(&mut self) -> Flow {
        let (now, wait) = (self.now, self.m.knobs.force_wait_ms);
        let Some(hadr) = self.hadr() else { return Flow::Done(Out::default()) };
        let Some(link) = hadr.link else {
            self.become_primary();
            return Flow::Done(self.ok("TAKEOVER HADR ON DATABASE"));
        };
        hadr.takeover = Some(Takeover { by_force: true, until_ms: now + wait });
        self.send(link, Message(Body::Stop));
        Flow::Wait(Wait::Takeover)
    }

    /// Ends of waiting that are due.
    pub(super) fn tick_deadlines(&mut self) {
        let now = self.now;
        if self.hadr().is_some_and(|h| h.start_until_ms.is_some_and(|at| now >= at)) {
            self.start_timed_out();
        }
        let due = self.hadr().and_then(|h| h.takeover.take_if(|t| now >= t.until_ms));
        if let Some(takeover) = due {
            if takeover.by_force {
                self.old_primary_silent();
            } else {
                // The answer, should it still come, finds nobody: the old primary may be a standby by now.
                self.lose_link(false);
                self.end_takeover(None);
            }
        }
    }

    /// Connection lost while a takeover waits.
    pub(super) fn takeover_lost(&mut self, takeover: Takeover) {
        if takeover.by_force { self.old_primary_silent() } else { self.end_takeover(None) }
    }

    fn old_primary_silent(&mut self) {
        self.become_primary();
        self.end_takeover(Some(()));
    }

    /// The old primary stopped, as told.
    pub(super) fn old_primary_stopped(&mut self) {
        if self.hadr().is_some_and(|h| h.takeover.take_if(|t| t.by_force).is_some()) {
            self.old_primary_silent();
        }
    }

    /// A forced takeover's end: primary, alone, on a log stream of its own.
    fn become_primary(&mut self) {
        let (clock, stream) = (self.clock(), self.m.next_stream());
        if let Some(link) = self.hadr().and_then(|h| h.link.take()) {
            self.close(link);
        }
        if let Some((link, _)) = self.hadr().and_then(|h| h.asking.take()) {
            self.close(link);
        }
        if let Some(db) = self.db() {
            db.role = Role::Primary;
            db.disabled = false;
            db.log.fork(stream, clock);
        }
        if let Some(hadr) = self.hadr() {
            hadr.state = State::Disconnected;
            hadr.connect = super::Connect::Disconnected;
            hadr.connect_ms = clock;
            hadr.window_end_ms = 0;
        }
    }

    /// Old primary: a role switch is asked for.
    pub(super) fn give_up_role(&mut self, link: u64) {
        let half = self.m.knobs.half_takeover.take_if(|h| *h != Half::NewPrimaryDies);
        self.drop_connections();
        let waiting = std::mem::take(&mut self.m.run.waiting);
        self.drop_waiters(waiting);
        if let Some(db) = self.db() {
            db.role = Role::Standby;
        }
        match half {
            Some(Half::ConnectionLost) => self.lose_link(false),
            Some(_) => self.die(),
            None => {
                let end = self.m.log().map_or(0, super::Log::end);
                self.send(link, Message(Body::Ready { end }));
            }
        }
    }

    /// New primary: the old one is a standby.
    pub(super) fn take_role(&mut self, link: u64, _end: u64) {
        if self.m.knobs.half_takeover.take_if(|h| *h == Half::NewPrimaryDies).is_some() {
            self.die();
            return;
        }
        let clock = self.clock();
        let own = self.m.log().map_or(0, super::Log::end);
        let Some(hadr) = self.hadr().filter(|h| h.takeover.is_some_and(|t| !t.by_force)) else {
            // Nobody waits for it any more: two standbys.
            self.lose_link(false);
            return;
        };
        hadr.takeover = None;
        hadr.partner_end = own;
        hadr.window_end_ms = clock + hadr.parameters.window_s * 1000;
        let window_end_ms = hadr.window_end_ms;
        if let Some(db) = self.db() {
            db.role = Role::Primary;
        }
        self.send(link, Message(Body::Switched { window_end_ms }));
        self.end_takeover(Some(()));
    }

    /// Old primary: it is to stop at once.
    pub(super) fn told_to_stop(&mut self, link: u64) {
        self.send(link, Message(Body::Stopped));
        self.drop_connections();
        if let Some(db) = self.db() {
            db.disabled = true;
        }
        self.diag("Severe", "The standby has taken over by force: this database is no longer a primary that may write");
        if let Some(hadr) = self.hadr() {
            hadr.link = None;
        }
        self.deactivate();
    }

    fn end_takeover(&mut self, done: Option<()>) {
        let waiting = std::mem::take(&mut self.m.run.waiting);
        for waiter in waiting {
            match waiter {
                Waiter::Program(mut running) if running.wait == Some(Wait::Takeover) => {
                    running.wait = None;
                    let out = match done {
                        Some(()) => self.ok("TAKEOVER HADR ON DATABASE"),
                        None => self.says("SQL1770N", &["7"]),
                    };
                    self.resume(running, &out);
                }
                other => self.m.run.waiting.push(other),
            }
        }
    }
}
