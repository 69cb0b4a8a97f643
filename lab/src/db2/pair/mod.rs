//! The driver for tests: both machines, their hosts and the network between them, in virtual time.

mod build;
mod host;

use std::collections::{BTreeMap, VecDeque};

use super::{Call, Change, Connect, Content, Effect, Event, Knobs, Log, Machine, Message, Outside, Reply, Role, State};

pub use build::Build;
pub use host::Host;

/// One of the two machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Primary of a formed pair.
    A,
    /// Standby of a formed pair.
    B,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        if self == Self::A { Self::B } else { Self::A }
    }

    fn index(self) -> usize {
        usize::from(self == Self::B)
    }
}

#[derive(Debug, Clone)]
struct Node {
    machine: Machine,
    host: Host,
    /// Its kernel runs.
    alive: bool,
}

#[derive(Debug, Clone)]
enum Item {
    Message(Message),
    Closed,
}

/// A TCP connection: who still has its end, and what is under way.
#[derive(Debug, Clone)]
struct Wire {
    open: [bool; 2],
    /// Who listened, and at which address: nothing passes without it.
    at: (Side, String),
    /// When it arrives, where to.
    queue: VecDeque<(u64, Side, Item)>,
}

/// What a driver's owner foresees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// [`Pair::cut`].
    Cut(bool),
    /// [`Pair::power`]. On it comes with [`Pair::power`] only: the owner knows when it has booted.
    Power(Side, bool),
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Commit {
    /// Acknowledged.
    Done,
    /// It waits.
    Waits,
    /// Refused, or its connection was lost: then nobody knows.
    Failed(String),
}

/// Two machines, their hosts, the network between them, the time.
#[derive(Debug, Clone)]
pub struct Pair {
    now: u64,
    nodes: [Node; 2],
    wires: BTreeMap<u64, Wire>,
    replies: BTreeMap<u64, Reply>,
    next: u64,
    cut: bool,
    congested: bool,
    database: String,
    /// What happens when, in order of time.
    plan: VecDeque<(u64, Blow)>,
}

/// Time of a message on the way, ms.
const LATENCY: u64 = 1;
const DAY_MS: u64 = 86_400_000;

impl Pair {
    /// Copies what is below a folder to the other host, as scp does.
    pub fn copy(&mut self, from: Side, dir: &str) {
        let prefix = format!("{}/", dir.trim_end_matches('/'));
        let files: Vec<_> = self
            .host(from)
            .files
            .iter()
            .filter(|(p, _)| p.starts_with(&prefix))
            .map(|(p, c)| (p.clone(), c.clone()))
            .collect();
        self.host_mut(from.other()).files.extend(files);
    }

    /// Virtual time, ms since 1970.
    pub fn now_ms(&self) -> u64 {
        self.now
    }

    /// A machine.
    pub fn machine(&self, side: Side) -> &Machine {
        &self.nodes[side.index()].machine
    }

    /// A machine, to change it behind its back.
    pub fn machine_mut(&mut self, side: Side) -> &mut Machine {
        &mut self.nodes[side.index()].machine
    }

    /// Knobs of a machine.
    pub fn knobs(&mut self, side: Side) -> &mut Knobs {
        &mut self.machine_mut(side).knobs
    }

    /// A host.
    pub fn host(&self, side: Side) -> &Host {
        &self.nodes[side.index()].host
    }

    /// A host, to change it.
    pub fn host_mut(&mut self, side: Side) -> &mut Host {
        &mut self.nodes[side.index()].host
    }

    /// Role, state and connection of a machine whose database is active in a pair.
    pub fn hadr(&self, side: Side) -> Option<(Role, State, Connect)> {
        let machine = self.machine(side);
        let (state, connect) = machine.hadr()?;
        Some((machine.role()?, state, connect))
    }

    /// Whether both are in peer and connected.
    pub fn in_peer(&self) -> bool {
        Side::BOTH.iter().all(|s| self.hadr(*s).is_some_and(|(_, s, c)| (s, c) == (State::Peer, Connect::Connected)))
    }

    /// What is committed on a machine, whatever its role.
    pub fn content(&self, side: Side) -> Option<&Content> {
        self.machine(side).log().map(Log::content)
    }

    /// Name of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Whether a host's kernel runs.
    pub fn alive(&self, side: Side) -> bool {
        self.nodes[side.index()].alive
    }

    /// Switches a host off (everything in it dies silently: the other side notices after HADR_TIMEOUT) or on (the instance is down).
    pub fn power(&mut self, side: Side, on: bool) {
        let node = &mut self.nodes[side.index()];
        if node.alive && !on {
            node.machine.power_off();
            for wire in self.wires.values_mut() {
                wire.open[side.index()] = false;
            }
        }
        node.alive = on;
        self.settle();
    }

    /// The instance's processes die, the host lives: the connection is closed at once.
    pub fn kill_instance(&mut self, side: Side) {
        self.handle(side, Event::Killed);
        self.settle();
    }

    /// Pulls (or plugs) the cable between the two.
    pub fn cut(&mut self, cut: bool) {
        self.cut = cut;
        self.settle();
    }

    /// What happens at which times from now on, in order of time, in place of what was foreseen before.
    pub fn plan(&mut self, plan: Vec<(u64, Blow)>) {
        self.plan = plan.into();
    }

    fn blow(&mut self) {
        while self.plan.front().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, blow)) = self.plan.pop_front() else { break };
            match blow {
                Blow::Cut(cut) => self.cut(cut),
                Blow::Power(_, true) => {}
                Blow::Power(side, false) => self.power(side, false),
            }
        }
    }

    /// The connection is up and takes nothing.
    pub fn congest(&mut self, on: bool) {
        self.congested = on;
        for side in Side::BOTH {
            self.handle(side, Event::Congested { on });
        }
        self.settle();
    }

    /// Puts the clock to that time if it is later.
    pub fn advance_to(&mut self, now_ms: u64) {
        if now_ms > self.now {
            self.advance(now_ms - self.now);
        }
    }

    /// Lets virtual milliseconds pass.
    pub fn advance(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.step(end) {}
    }

    /// To the next moment at which something happens, at most to `end`; false when that is reached.
    fn step(&mut self, end: u64) -> bool {
        let timers = self.nodes.iter().filter(|n| n.alive).filter_map(|n| n.machine.next_timer_ms());
        let arrivals = self.wires.values().filter(|w| self.passes(w)).filter_map(|w| w.queue.front().map(|i| i.0));
        let blows = self.plan.front().map(|(at, _)| *at);
        let next = timers.chain(arrivals).chain(blows).min().unwrap_or(u64::MAX).max(self.now + 1);
        if next > end {
            self.now = end;
            self.blow();
            self.settle();
            return false;
        }
        self.now = next;
        self.blow();
        self.settle();
        self.now < end
    }

    /// Whether the network brings what is under way.
    fn passes(&self, wire: &Wire) -> bool {
        !self.cut && !self.congested && self.host(wire.at.0).has_address(&wire.at.1)
    }

    /// Everything that happens now.
    fn settle(&mut self) {
        for side in Side::BOTH {
            if self.alive(side) {
                self.handle(side, Event::Tick);
            }
        }
        while self.deliver() {}
        for side in Side::BOTH {
            self.dial(side);
        }
        self.wires.retain(|_, w| w.open != [false; 2] || !w.queue.is_empty());
    }

    fn deliver(&mut self) -> bool {
        let now = self.now;
        let is_due = |w: &Wire| w.queue.front().is_some_and(|i| i.0 <= now) && self.passes(w);
        let Some(link) = self.wires.iter().find(|(_, w)| is_due(w)).map(|(link, _)| *link) else { return false };
        let item = self.wires.get_mut(&link).and_then(|w| w.queue.pop_front());
        let Some((_, to, item)) = item else { return false };
        if !self.alive(to) {
            return true;
        }
        let wire = self.wires.get_mut(&link).expect("a wire that was found");
        match item {
            Item::Message(message) if wire.open[to.index()] => self.handle(to, Event::Message { link, message }),
            // Nobody has this end any more: a reset.
            Item::Message(_) => wire.queue.push_back((now + LATENCY, to.other(), Item::Closed)),
            Item::Closed if std::mem::take(&mut wire.open[to.index()]) => self.handle(to, Event::Down { link }),
            Item::Closed => {}
        }
        true
    }

    fn dial(&mut self, side: Side) {
        let Some((address, port)) = self.machine(side).wish(self.now).dial.filter(|_| self.alive(side)) else { return };
        let other = side.other();
        let there = self.host(other).addresses.contains(&address) && !self.host(side).addresses.contains(&address);
        let listens = self.machine(other).wish(self.now).listen.is_some_and(|(at, p)| at == address && p == port);
        let wire = Wire { open: [true; 2], at: (other, address), queue: VecDeque::new() };
        if !(self.alive(other) && self.passes(&wire) && there && listens) {
            self.handle(side, Event::DialFailed);
            return;
        }
        let link = self.next;
        self.next += 1;
        self.wires.insert(link, wire);
        self.handle(other, Event::Up { link, dialled: false });
        self.handle(side, Event::Up { link, dialled: true });
    }

    fn handle(&mut self, side: Side, event: Event) {
        let node = &mut self.nodes[side.index()];
        if !node.alive {
            return;
        }
        let effects = node.machine.handle(self.now, &mut node.host, event);
        for effect in effects {
            match effect {
                Effect::Done { id, reply } => {
                    self.replies.insert(id, reply);
                }
                Effect::Send { link, message } => {
                    if let Some(wire) = self.wires.get_mut(&link) {
                        wire.queue.push_back((self.now + LATENCY, side.other(), Item::Message(message)));
                    }
                }
                Effect::Close { link } => {
                    if let Some(wire) = self.wires.get_mut(&link) {
                        wire.open[side.index()] = false;
                        wire.queue.push_back((self.now + LATENCY, side.other(), Item::Closed));
                    }
                }
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Starts a program without waiting for it; its number for [`Self::reply`].
    pub fn submit(&mut self, side: Side, call: Call) -> u64 {
        let id = self.number();
        if self.alive(side) {
            self.handle(side, Event::Call { id, call });
            self.settle();
        } else {
            let stderr = "the host is down\n".to_owned();
            self.replies.insert(id, Reply { exit: 255, stderr, ..Reply::default() });
        }
        id
    }

    /// The answer to a program, client or commit, once it is there.
    pub fn reply(&mut self, id: u64) -> Option<Reply> {
        self.replies.remove(&id)
    }

    /// Lets time pass until the answer is there, at most `limit_ms`.
    /// No longer than the host of `on` lives.
    fn wait(&mut self, id: u64, limit_ms: u64, on: Side) -> Option<Reply> {
        let end = self.now.saturating_add(limit_ms);
        loop {
            if let Some(reply) = self.reply(id) {
                return Some(reply);
            }
            if !self.alive(on) || !self.step(end) {
                return self.reply(id);
            }
        }
    }

    /// Runs a program to its end or its limit, and lets that much time pass.
    pub fn call(&mut self, side: Side, call: &Call) -> Reply {
        let (start, limit) = (self.now, call.limit_ms.unwrap_or(DAY_MS));
        let id = self.submit(side, call.clone());
        let reply = self.wait(id, limit, side);
        let left = (start + limit).saturating_sub(self.now);
        match reply {
            Some(reply) if !reply.hangs && reply.takes_ms <= left => {
                self.advance(reply.takes_ms);
                Reply { takes_ms: self.now - start, ..reply }
            }
            _ if !self.alive(side) => {
                let takes_ms = self.now - start;
                Reply { exit: 255, stderr: "the host went down\n".to_owned(), takes_ms, ..Reply::default() }
            }
            late => {
                self.handle(side, Event::Gone { id });
                self.advance(left);
                let stdout = late.map(|r| r.stdout).unwrap_or_default();
                Reply { stdout, stderr: String::new(), exit: 124, takes_ms: limit, hangs: true }
            }
        }
    }

    /// A client program connects to the database of that machine; its answer is a [`Self::reply`].
    pub fn client(&mut self, side: Side, name: &str) -> u64 {
        let id = self.number();
        self.handle(side, Event::Client { id, name: name.to_owned() });
        self.settle();
        id
    }

    /// [`Self::client`], waiting for the answer: exit 0, or the message.
    pub fn connect(&mut self, side: Side, name: &str) -> Reply {
        if !self.alive(side) {
            return Reply { exit: 255, ..Reply::default() };
        }
        let id = self.client(side, name);
        self.wait(id, DAY_MS, side).unwrap_or_default()
    }

    /// A client program's connection ends.
    pub fn disconnect(&mut self, side: Side, name: &str) {
        self.handle(side, Event::ClientGone { name: name.to_owned() });
        self.settle();
    }

    /// Begins a commit; [`Self::committed`] says what became of it.
    pub fn begin(&mut self, side: Side, change: Change) -> u64 {
        let id = self.number();
        if self.alive(side) {
            self.handle(side, Event::Commit { id, change });
            self.settle();
        } else {
            self.replies.insert(id, Reply { exit: 255, ..Reply::default() });
        }
        id
    }

    /// What became of a commit by now.
    pub fn committed(&self, id: u64) -> Commit {
        match self.replies.get(&id) {
            None => Commit::Waits,
            Some(reply) if reply.exit == 0 => Commit::Done,
            Some(reply) => Commit::Failed(reply.stdout.clone()),
        }
    }

    /// A commit, waiting for at most `limit_ms`.
    pub fn commit(&mut self, side: Side, change: Change, limit_ms: u64) -> Commit {
        let id = self.begin(side, change);
        let reply = self.wait(id, limit_ms, side);
        if let Some(reply) = reply {
            self.replies.insert(id, reply);
        }
        self.committed(id)
    }
}
