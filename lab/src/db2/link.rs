//! The connection of the pair: pairing check, catch-up, heartbeats, peer window, loss.

use workflows::model::SyncMode;

use super::{
    Change, Connect, Machine, Message, Out, Role, State,
    config::Parameters,
    log::{Record, prefix},
    machine::Cx,
    message::{Body, Hello, Refusal},
    program::Waiter,
};

impl Cx<'_> {
    /// Whatever is due by now.
    pub(super) fn tick(&mut self) {
        if self.m.run.forced_ms.is_some_and(|at| self.now >= at) {
            self.m.run.forced_ms = None;
            self.drop_connections();
        }
        let (now, clock) = (self.now, self.clock());
        let Some(hadr) = self.hadr() else { return };
        let timeout_ms = hadr.parameters.timeout_s * 1000;
        if hadr.doomed_ms.is_some_and(|at| now >= at) {
            self.diag(
                "Severe",
                "ADM12500E  The HADR standby database cannot be made consistent with the primary database. The log stream of the \
                 standby database is incompatible with that of the primary database. To use this database as a standby, it must be \
                 recreated from a backup image or split mirror of the primary database.",
            );
            self.deactivate();
            return;
        }
        if hadr.link.is_some() && now >= hadr.last_recv_ms + timeout_ms {
            self.diag("Warning", "HADR timeout: nothing was received from the partner");
            self.lose_link(false);
        }
        self.tick_state(now, clock);
        self.tick_deadlines();
        let Some(hadr) = self.hadr() else { return };
        if let Some((link, since)) = hadr.asking
            && now >= since + timeout_ms
        {
            hadr.asking = None;
            hadr.retry_ms = now;
            self.close(link);
        }
        self.beat();
    }

    fn tick_state(&mut self, now: u64, clock: u64) {
        let role = self.m.role();
        let Some(hadr) = self.hadr() else { return };
        match hadr.state {
            State::DisconnectedPeer if clock >= hadr.window_end_ms => {
                hadr.state =
                    if role == Some(Role::Primary) { State::Disconnected } else { State::RemoteCatchupPending };
                self.release(None);
            }
            State::LocalCatchup if now >= hadr.stage_ms => {
                hadr.state = State::RemoteCatchupPending;
                hadr.retry_ms = now;
            }
            State::RemoteCatchup if role == Some(Role::Primary) && now >= hadr.stage_ms => self.maybe_peer(),
            _ => {}
        }
    }

    /// Into peer, once the standby has everything.
    fn maybe_peer(&mut self) {
        let (clock, now) = (self.clock(), self.now);
        let end = self.m.log().map_or(0, super::Log::end);
        let Some(hadr) = self.hadr() else { return };
        let Some(link) = hadr.link else { return };
        if hadr.partner_end < end || hadr.parameters.sync == SyncMode::SuperAsync {
            hadr.stage_ms = now + 1_000;
            return;
        }
        hadr.state = State::Peer;
        hadr.window_end_ms = clock + hadr.parameters.window_s * 1000;
        let window_end_ms = hadr.window_end_ms;
        self.send(link, Message(Body::Peer { window_end_ms }));
    }

    /// The stamp that goes with a primary's messages in peer.
    fn stamp(&mut self) -> Option<u64> {
        let (clock, role) = (self.clock(), self.m.role());
        let hadr = self.hadr()?;
        if role != Some(Role::Primary) || hadr.state != State::Peer || !hadr.parameters.has_window() {
            return None;
        }
        hadr.window_end_ms = clock + hadr.parameters.window_s * 1000;
        Some(hadr.window_end_ms)
    }

    fn beat(&mut self) {
        let now = self.now;
        let Some(hadr) = self.hadr() else { return };
        let Some(link) = hadr.link.filter(|_| now >= hadr.next_beat_ms) else { return };
        hadr.next_beat_ms = now + hadr.parameters.interval_ms();
        let window_end_ms = self.stamp();
        let (end, log_ms) = self.m.log().map_or((0, 0), |l| (l.end, l.last_ms));
        self.send(link, Message(Body::Beat { end, log_ms, window_end_ms }));
    }

    pub(super) fn link_up(&mut self, link: u64, dialled: bool) {
        self.m.run.links.insert(link);
        if !dialled {
            return;
        }
        let now = self.now;
        let hello =
            self.m.database.as_ref().zip(self.m.run.active.as_ref().and_then(|a| a.hadr.as_ref())).map(|(db, h)| {
                Hello {
                    role: db.role,
                    database: db.name.clone(),
                    instance: self.m.instance.clone(),
                    version: self.m.knobs.version,
                    parameters: h.parameters.clone(),
                    streams: db.log.streams.clone(),
                    end: db.log.end,
                }
            });
        match (hello, self.hadr()) {
            (Some(hello), Some(hadr)) if hadr.link.is_none() && hadr.asking.is_none() => {
                hadr.asking = Some((link, now));
                self.send(link, Message(Body::Hello(Box::new(hello))));
            }
            _ => self.close(link),
        }
    }

    pub(super) fn dial_failed(&mut self) {
        let (now, retry) = (self.now, self.m.knobs.retry_ms);
        if let Some(hadr) = self.hadr() {
            hadr.retry_ms = now + retry;
        }
    }

    pub(super) fn link_down(&mut self, link: u64) {
        self.m.run.links.remove(&link);
        let (now, retry) = (self.now, self.m.knobs.retry_ms);
        let Some(hadr) = self.hadr() else { return };
        if hadr.asking.is_some_and(|(l, _)| l == link) {
            hadr.asking = None;
            hadr.retry_ms = now + retry;
        }
        if hadr.link == Some(link) {
            self.lose_link(false);
        }
    }

    pub(super) fn congested(&mut self, on: bool) {
        let clock = self.clock();
        if let Some(hadr) = self.hadr()
            && hadr.link.is_some()
        {
            let connect = if on { Connect::Congested } else { Connect::Connected };
            if hadr.connect != connect {
                (hadr.connect, hadr.connect_ms) = (connect, clock);
            }
        }
    }

    /// The pair's connection is gone: closed, broken or silent for too long. `polite`: the other side said so and ended in order.
    pub(super) fn lose_link(&mut self, polite: bool) {
        let (clock, now) = (self.clock(), self.now);
        let role = self.m.role();
        let retry = self.m.knobs.retry_ms;
        let Some(hadr) = self.hadr() else { return };
        let Some(link) = hadr.link.take() else { return };
        let without = if role == Some(Role::Primary) { State::Disconnected } else { State::RemoteCatchupPending };
        let window = hadr.parameters.has_window() && !polite && clock < hadr.window_end_ms;
        // As long as the standby may still count on the former window, the promise holds.
        let was_peer = hadr.state == State::Peer || !hadr.confirmed;
        hadr.state = if was_peer && window { State::DisconnectedPeer } else { without };
        hadr.confirmed = true;
        (hadr.connect, hadr.connect_ms) = (Connect::Disconnected, clock);
        hadr.retry_ms = now + retry;
        let blocked = hadr.state == State::DisconnectedPeer;
        let takeover = hadr.takeover.take();
        self.close(link);
        if !blocked {
            self.release(None);
        }
        if let Some(takeover) = takeover {
            self.takeover_lost(takeover);
        }
    }

    pub(super) fn message(&mut self, link: u64, message: Message) {
        if !self.m.run.links.contains(&link) {
            return;
        }
        let now = self.now;
        if let Body::Hello(hello) = message.0 {
            self.hello(link, &hello);
            return;
        }
        let role = self.m.role();
        let Some(hadr) = self.hadr() else { return };
        if hadr.asking.is_some_and(|(l, _)| l == link) {
            match message.0 {
                Body::Accept { end, log_ms } => self.accepted(link, end, log_ms),
                Body::Refuse(why) => self.refused(link, why),
                _ => {}
            }
            return;
        }
        if hadr.link != Some(link) {
            return;
        }
        hadr.last_recv_ms = now;
        let primary = role == Some(Role::Primary);
        match message.0 {
            Body::Data { streams, records, window_end_ms } if !primary => {
                hadr.window_end_ms = window_end_ms.unwrap_or(hadr.window_end_ms);
                self.receive(link, &streams, records);
            }
            Body::Ack { end } if primary => {
                hadr.partner_end = end;
                hadr.confirmed = true;
                let everything = hadr.state == State::RemoteCatchup;
                self.release(if everything { None } else { Some(end) });
            }
            Body::Beat { end, log_ms, window_end_ms } => {
                hadr.partner_log_ms = log_ms;
                hadr.partner_end = end;
                if !primary {
                    hadr.window_end_ms = window_end_ms.unwrap_or(hadr.window_end_ms);
                }
            }
            Body::Peer { window_end_ms } if !primary => {
                hadr.state = State::Peer;
                hadr.window_end_ms = window_end_ms;
            }
            Body::Bye => self.lose_link(true),
            Body::TakeOver if primary => self.give_up_role(link),
            Body::Ready { end } if !primary => self.take_role(link, end),
            Body::Switched { window_end_ms } if !primary => hadr.window_end_ms = window_end_ms,
            Body::Stop if primary => self.told_to_stop(link),
            Body::Stopped => self.old_primary_stopped(),
            _ => {}
        }
    }

    fn receive(&mut self, link: u64, streams: &[(u64, u64)], records: Vec<Record>) {
        let Some(db) = self.db() else { return };
        db.log.receive(streams, records);
        let (end, log_ms) = (db.log.end, db.log.last_ms);
        if let Some(hadr) = self.hadr() {
            hadr.partner_end = hadr.partner_end.max(end);
            hadr.partner_log_ms = log_ms;
        }
        self.send(link, Message(Body::Ack { end }));
    }

    /// Somebody dialled us and asks.
    fn hello(&mut self, link: u64, hello: &Hello) {
        let refusal = self.judge(hello);
        if let Some(why) = refusal {
            if why == Refusal::Diverged {
                self.diag("Error", "The standby's log stream is not one that this primary's log could continue");
            }
            if why == Refusal::Mismatch {
                self.diag("Error", "HADR configuration of primary and standby do not match");
            }
            self.send(link, Message(Body::Refuse(why)));
            self.close(link);
            return;
        }
        // A standby that dials again has lost the connection that we still believe in.
        self.lose_link(false);
        let (end, log_ms) = self.m.log().map_or((0, 0), |l| (l.end, l.last_ms));
        self.send(link, Message(Body::Accept { end, log_ms }));
        self.connected(link, hello.end);
        if let Some(hadr) = self.hadr() {
            hadr.confirmed = false;
        }
        self.ship(link, hello.end);
        self.start_succeeded();
    }

    fn judge(&self, hello: &Hello) -> Option<Refusal> {
        let Machine { database: Some(db), run, knobs, .. } = &*self.m else { return Some(Refusal::NotPrimary) };
        let Some(hadr) = run.active.as_ref().and_then(|a| a.hadr.as_ref()) else { return Some(Refusal::NotPrimary) };
        if db.role != Role::Primary || db.disabled {
            return Some(Refusal::NotPrimary);
        }
        if hello.role != Role::Standby {
            return Some(if hadr.start_until_ms.is_some() { Refusal::NotPrimary } else { Refusal::Primary });
        }
        let same = hello.database == db.name
            && hello.instance == hadr.parameters.remote_inst
            && hello.parameters.remote_inst == self.m.instance
            && hello.version == knobs.version
            && pairs(&hadr.parameters, &hello.parameters);
        if !same {
            return Some(Refusal::Mismatch);
        }
        let follows = prefix(&hello.streams, hello.end, &db.log.streams, db.log.end);
        (!follows).then_some(Refusal::Diverged)
    }

    /// The pair's connection is there.
    fn connected(&mut self, link: u64, partner_end: u64) {
        let (clock, now) = (self.clock(), self.now);
        let least = self.m.knobs.remote_catchup_ms;
        let Some(hadr) = self.hadr() else { return };
        hadr.link = Some(link);
        hadr.asking = None;
        hadr.state = State::RemoteCatchup;
        (hadr.connect, hadr.connect_ms) = (Connect::Connected, clock);
        hadr.last_recv_ms = now;
        hadr.next_beat_ms = now;
        hadr.stage_ms = now + least;
        hadr.partner_end = partner_end;
    }

    fn accepted(&mut self, link: u64, end: u64, log_ms: u64) {
        self.connected(link, end);
        if let Some(hadr) = self.hadr() {
            hadr.partner_log_ms = log_ms;
            // The primary says when it is peer.
            hadr.stage_ms = u64::MAX;
        }
        let end = self.m.log().map_or(0, super::Log::end);
        self.send(link, Message(Body::Ack { end }));
    }

    fn refused(&mut self, link: u64, why: Refusal) {
        let (now, retry, doom) = (self.now, self.m.knobs.retry_ms, self.m.knobs.divergence_ms);
        self.close(link);
        let role = self.m.role();
        let Some(hadr) = self.hadr() else { return };
        hadr.asking = None;
        hadr.retry_ms = now + retry;
        match why {
            Refusal::Diverged => hadr.doomed_ms = Some(now + doom),
            Refusal::Primary if role == Some(Role::Primary) && hadr.start_until_ms.is_some() => self.start_superseded(),
            Refusal::Mismatch => self.diag("Error", "HADR configuration of primary and standby do not match"),
            Refusal::Primary | Refusal::NotPrimary => {}
        }
    }

    /// Sends the log behind a position.
    fn ship(&mut self, link: u64, from: u64) {
        let window_end_ms = self.stamp();
        let Some(db) = self.db() else { return };
        let data = Body::Data { streams: db.log.streams.clone(), records: db.log.since(from), window_end_ms };
        self.send(link, Message(data));
    }

    pub(super) fn commit(&mut self, id: u64, change: Change) {
        if !self.m.writable() {
            let out = self.says("SQL1224N", &[]);
            self.answer(id, out);
            return;
        }
        if self.hadr().is_some_and(|h| h.state == State::DisconnectedPeer) {
            self.m.run.waiting.push(Waiter::Blocked { id, change });
            return;
        }
        self.write(id, change);
    }

    /// Writes a commit and ships it; the answer waits for the standby in peer.
    fn write(&mut self, id: u64, change: Change) {
        let clock = self.clock();
        let Some(db) = self.db() else { return };
        let before = db.log.end;
        let end = db.log.commit(change, clock);
        let hadr = self.hadr();
        let (link, waits) = hadr.map_or((None, false), |h| {
            let promised = h.state == State::Peer || !h.confirmed;
            (h.link, promised && h.parameters.sync.has_peer_window())
        });
        if let Some(link) = link {
            self.ship(link, before);
        }
        if waits {
            self.m.run.waiting.push(Waiter::Written { id, end });
        } else {
            self.answer(id, Out::default());
        }
    }

    /// Commits that can go on: all of them (`None`), or those that the standby has.
    pub(super) fn release(&mut self, acknowledged: Option<u64>) {
        let waiting = std::mem::take(&mut self.m.run.waiting);
        let mut blocked = Vec::new();
        for waiter in waiting {
            match waiter {
                Waiter::Written { id, end } if acknowledged.is_none_or(|to| end <= to) => {
                    self.answer(id, Out::default());
                }
                Waiter::Blocked { id, change } if acknowledged.is_none() => blocked.push((id, change)),
                other => self.m.run.waiting.push(other),
            }
        }
        for (id, change) in blocked {
            self.commit(id, change);
        }
    }
}

/// Whether two configurations belong together (documented: hosts, services, mode, timeout, window; the latter only without a target list).
fn pairs(primary: &Parameters, standby: &Parameters) -> bool {
    let ways = primary.remote_address.as_ref() == Some(&standby.local_address)
        && standby.remote_address.as_ref() == Some(&primary.local_address)
        && primary.remote_port == standby.local_port
        && standby.remote_port == primary.local_port;
    let listed = primary.target_list && standby.target_list;
    let times = primary.timeout_s == standby.timeout_s && primary.window_s == standby.window_s;
    ways && primary.sync == standby.sync && (times || listed)
}
