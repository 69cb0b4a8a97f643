//! One host's instance and database: what is on disk, what dies with the processes, and who takes which event.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Config, Connect, Content, Effect, Event, Knobs, Log, Message, Out, Outside, Reply, Role, State, Wish,
    database::{Active, Database, Hadr},
    program::Waiter,
};

/// What dies with the processes.
#[derive(Debug, Clone, Default)]
pub(super) struct Volatile {
    pub(super) up: bool,
    pub(super) active: Option<Active>,
    /// CLP back ends, by session, and whether each is connected.
    pub(super) sessions: BTreeMap<u64, bool>,
    pub(super) clients: BTreeSet<String>,
    /// When connections that were forced off go.
    pub(super) forced_ms: Option<u64>,
    pub(super) waiting: Vec<Waiter>,
    pub(super) links: BTreeSet<u64>,
}

/// One host's instance and database. Serialised it is what is on disk: what dies with the processes is left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    pub(super) instance: String,
    pub(super) home: String,
    /// Knobs.
    pub knobs: Knobs,
    pub(super) installed: bool,
    pub(super) database: Option<Database>,
    /// Number of streams begun here; with the seed it makes their names unique.
    serial: u64,
    seed: u64,
    pub(super) diag: Vec<String>,
    pub(super) history: Vec<String>,
    #[serde(skip)]
    pub(super) run: Volatile,
}

/// A machine, the time, its host; and what comes of an event.
pub(super) struct Cx<'a> {
    pub(super) m: &'a mut Machine,
    /// True time, ms since 1970.
    pub(super) now: u64,
    pub(super) host: &'a mut dyn Outside,
    pub(super) effects: Vec<Effect>,
}

impl Machine {
    /// An installed instance, not started, without a database. `seed` differs between machines.
    pub fn new(instance: &str, home: &str, seed: u64, knobs: Knobs) -> Self {
        Self {
            instance: instance.to_owned(),
            home: home.trim_end_matches('/').to_owned(),
            knobs,
            installed: true,
            database: None,
            serial: 0,
            seed,
            diag: Vec::new(),
            history: Vec::new(),
            run: Volatile::default(),
        }
    }

    /// Takes one event.
    pub fn handle(&mut self, now_ms: u64, host: &mut dyn Outside, event: Event) -> Vec<Effect> {
        let mut cx = Cx { m: self, now: now_ms, host, effects: Vec::new() };
        cx.tick();
        match event {
            Event::Call { id, call } => cx.call(id, call),
            Event::Gone { id } => cx.gone(id),
            Event::Client { id, name } => cx.client(id, name),
            Event::ClientGone { name } => {
                cx.m.run.clients.remove(&name);
                cx.maybe_idle();
            }
            Event::Commit { id, change } => cx.commit(id, change),
            Event::Up { link, dialled } => cx.link_up(link, dialled),
            Event::DialFailed => cx.dial_failed(),
            Event::Down { link } => cx.link_down(link),
            Event::Congested { on } => cx.congested(on),
            Event::Message { link, message } => cx.message(link, message),
            Event::Killed => cx.die(),
            Event::Tick => {}
        }
        cx.effects
    }

    /// The host loses power: nothing is written, nobody is told.
    pub fn power_off(&mut self) {
        self.run = Volatile::default();
        self.unpromote();
    }

    /// A start as primary that did not come to its end leaves the role as it was.
    pub(super) fn unpromote(&mut self) {
        if let Some(db) = self.database.as_mut().filter(|d| d.promoting) {
            (db.promoting, db.role) = (false, Role::Standard);
        }
    }

    /// Makes the database: STANDARD, circular logging, with that content.
    pub fn create_database(&mut self, name: &str, now_ms: u64, content: Content) {
        let stream = self.next_stream();
        self.database = Some(Database {
            name: name.to_uppercase(),
            config: Config::default(),
            role: Role::Standard,
            log: Log::new(stream, now_ms, content),
            rollforward_pending: false,
            backup_pending: false,
            needs_backup: false,
            disabled: false,
            promoting: false,
            alternate: (String::new(), String::new()),
        });
    }

    pub(super) fn next_stream(&mut self) -> u64 {
        self.serial += 1;
        (self.seed << 20) | self.serial
    }

    /// Whether the instance runs.
    pub fn is_up(&self) -> bool {
        self.run.up
    }

    /// Whether the database is active.
    pub fn is_active(&self) -> bool {
        self.run.active.is_some()
    }

    /// Role on disk; `None` without a database.
    pub fn role(&self) -> Option<Role> {
        self.database.as_ref().map(|d| d.role)
    }

    /// HADR state and connection of an active database of a pair.
    pub fn hadr(&self) -> Option<(State, Connect)> {
        self.run.active.as_ref()?.hadr.as_ref().map(|h| (h.state, h.connect))
    }

    /// End of the peer window as known here, by the primary's clock, ms since 1970; `None`: never in peer.
    pub fn peer_window_end_ms(&self) -> Option<u64> {
        Some(self.run.active.as_ref()?.hadr.as_ref()?.window_end_ms).filter(|w| *w > 0)
    }

    /// Whether clients can write: active, STANDARD or PRIMARY, not waiting for its start, not told to stop.
    pub fn writable(&self) -> bool {
        let (Some(db), Some(active)) = (&self.database, &self.run.active) else { return false };
        let starting = active.hadr.as_ref().is_some_and(|h| h.start_until_ms.is_some());
        db.role != Role::Standby && !db.disabled && !starting
    }

    /// The log.
    pub fn log(&self) -> Option<&Log> {
        self.database.as_ref().map(|d| &d.log)
    }

    /// Database configuration.
    pub fn config(&self) -> Option<&Config> {
        self.database.as_ref().map(|d| &d.config)
    }

    /// Connected client programs.
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        self.run.clients.iter().map(String::as_str)
    }

    /// Rollforward pending, backup pending, disabled by a takeover by force.
    pub fn pending(&self) -> (bool, bool, bool) {
        self.database.as_ref().map_or((false, false, false), |d| (d.rollforward_pending, d.backup_pending, d.disabled))
    }

    /// Lines of db2diag.log so far.
    pub fn diag(&self) -> &[String] {
        &self.diag
    }

    /// Commands so far, in capitals with single blanks.
    pub fn history(&self) -> &[String] {
        &self.history
    }

    /// Name of the instance and its home.
    pub fn instance(&self) -> (&str, &str) {
        (&self.instance, &self.home)
    }

    /// Path of db2nodes.cfg.
    pub fn nodes_cfg(&self) -> String {
        format!("{}/sqllib/db2nodes.cfg", self.home)
    }

    /// When the next event is due although nothing happens; `None`: never.
    pub fn next_timer_ms(&self) -> Option<u64> {
        let hadr = self.run.active.as_ref().and_then(|a| a.hadr.as_ref());
        let next = self.database.as_ref().zip(hadr).map(|(db, h)| h.next_timer(db, self.knobs.skew_ms));
        next.into_iter().chain(self.run.forced_ms).min()
    }

    /// What it wants of the network.
    pub fn wish(&self, now_ms: u64) -> Wish {
        let (Some(db), Some(hadr)) = (&self.database, self.run.active.as_ref().and_then(|a| a.hadr.as_ref())) else {
            return Wish::default();
        };
        hadr.wish(db, now_ms)
    }

    /// This machine's clock at a true time.
    pub(super) fn clock(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.knobs.skew_ms)
    }
}

impl Cx<'_> {
    /// This machine's clock.
    pub(super) fn clock(&self) -> u64 {
        self.m.clock(self.now)
    }

    pub(super) fn db(&mut self) -> Option<&mut Database> {
        self.m.database.as_mut()
    }

    pub(super) fn hadr(&mut self) -> Option<&mut Hadr> {
        self.m.run.active.as_mut().and_then(|a| a.hadr.as_mut())
    }

    /// A line for db2diag.log.
    pub(super) fn diag(&mut self, level: &str, text: &str) {
        let date = super::clock::Date::of(self.clock()).iso();
        self.m.diag.push(format!("{date}+000 LEVEL: {level} {text}"));
    }

    pub(super) fn send(&mut self, link: u64, message: Message) {
        self.effects.push(Effect::Send { link, message });
    }

    pub(super) fn close(&mut self, link: u64) {
        if self.m.run.links.remove(&link) {
            self.effects.push(Effect::Close { link });
        }
    }

    pub(super) fn done(&mut self, id: u64, reply: Reply) {
        self.effects.push(Effect::Done { id, reply });
    }

    /// A short answer: exit code and text.
    pub(super) fn answer(&mut self, id: u64, out: Out) {
        self.done(id, Reply { stdout: out.text, exit: out.exit, ..Reply::default() });
    }

    /// The instance's processes die at once; whoever waits is told that the agents are gone.
    pub(super) fn die(&mut self) {
        let links = std::mem::take(&mut self.m.run.links);
        self.effects.extend(links.into_iter().map(|link| Effect::Close { link }));
        let waiting = std::mem::take(&mut self.m.run.waiting);
        self.m.power_off();
        self.drop_waiters(waiting);
    }

    /// Tells those who waited that their agents are gone.
    pub(super) fn drop_waiters(&mut self, waiting: Vec<Waiter>) {
        for waiter in waiting {
            let lost = self.says("SQL1224N", &[]);
            match waiter {
                Waiter::Program(mut running) => {
                    running.wait = None;
                    self.resume(running, &lost);
                }
                Waiter::Client { id, .. } | Waiter::Blocked { id, .. } | Waiter::Written { id, .. } => {
                    self.answer(id, lost);
                }
            }
        }
    }

    /// A program's caller is gone.
    fn gone(&mut self, gone: u64) {
        self.m.run.waiting.retain(|w| match w {
            Waiter::Program(r) => r.id != gone,
            Waiter::Client { id, .. } => *id != gone,
            // The transaction goes on without anybody to hear of it.
            Waiter::Blocked { .. } | Waiter::Written { .. } => true,
        });
    }
}
