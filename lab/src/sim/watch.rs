//! The watch over the true world: the invariants, the effects that happened, what was not understood.
//!
//! Where each invariant of the design is asserted (*event*: when it happens in the world, asked for by [`World::violations`] after every
//! remote call of a history; *end*: [`World::violations_at_end`]; *campaign*: by the journal of a history, `tests/simulated`):
//!
//! 1. at most one holder — event: [`World::violations`], the true world after every call. That what is not known counts as holding is
//!    judged by pure functions, on captured outputs (`workflows/tests`).
//! 2. proof before promotion — event: `check_promotion`; campaign: the proof is in the run's own journal before the intent (`promises`).
//! 3. the address after silence, announced — event: `check_address`; end: no holder that was not announced.
//! 4. the epoch — event: `charge` (no job of a lower epoch writes), `check_epoch` (raised before the service moves), `check_promotion` (and
//!    before the next promotion); end: the last promotion raised it.
//! 5. nothing over a primary or an unknown role — event: `check_restore`, by the world's truth and by what the same job heard of the role;
//!    campaign: by what was in the journal before the intent.
//! 6. no armed job — event: `check_promotion`; campaign: by the last listing in the journal.
//! 7. xcatd on the right database — event: `check_xcatd`; dhcpd beside another is invariant 1.
//! 8. intent before effect — campaign: every job that ran has its intent; hamn dies before and after every commit and every call, and each
//!    history has the end of the uninterrupted one or says where it stopped.
//! 9. loss before consent — campaign: something was said of the loss before the intent of a promotion that may lose; no history loses more.
//! 10. temporary changes are items — campaign: lines commented out have an item; no history of a run has fewer items than the
//!     uninterrupted one.
//! 11. no compute node is touched — event: `check_boot`, a foreign machine's power (`fence`); a command that could power a node is not in the
//!     vocabulary, exits 127 and is a complaint, which fails a history.
//! 12. a dry run writes nothing — event: `charge` while [`World::dry_run`] is on; campaign: the look of every case.

use std::collections::BTreeMap;

use workflows::{Place, model::NodeId};

use super::{World, database::Role, db2::side};
use crate::{db2::Role as Db2Role, xcat::Helper};

/// Something that must never be, and was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Number of the invariant in the design.
    pub invariant: u8,
    /// What happened, with the machine's letter.
    pub what: String,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    events: Vec<Violation>,
    effects: BTreeMap<String, u32>,
    pub(super) complaints: Vec<String>,
    /// Epochs of the jobs under way at a, b, the controller.
    jobs: BTreeMap<Place, u64>,
    dry: bool,
    /// Epoch that the pair is known to have reached.
    epoch_floor: u64,
    /// A promotion happened on this machine and the epoch was not yet seen above the floor.
    raise_due: Option<NodeId>,
    /// Machines whose service address was configured and not announced since.
    unannounced: [bool; 2],
    /// The role that the job under way on each machine last heard from the machine's own database.
    role_heard: [Option<String>; 2],
}

fn place_letter(place: Place) -> char {
    match place {
        Place::Node(id) => id.letter(),
        Place::Controller => 'c',
        Place::Witness(_) => 'w',
    }
}

impl World {
    /// A job of a run of that epoch begins at a place; what it changes there until [`World::end_job`] is charged to it.
    pub fn begin_job(&mut self, place: Place, epoch: u64) {
        self.watch.jobs.insert(place, epoch);
        if let Place::Node(id) = place {
            // What an earlier job heard is no look of this one.
            self.watch.role_heard[super::index(id)] = None;
        }
    }

    /// The epoch of a place if a job of `epoch` is refused there, because it is higher.
    pub fn refuses_epoch(&self, place: Place, epoch: u64) -> Option<u64> {
        match place {
            Place::Node(id) => Some(self.epoch(id)).filter(|there| *there > epoch),
            Place::Controller | Place::Witness(_) => None,
        }
    }

    /// The job at a place ended.
    pub fn end_job(&mut self, place: Place) {
        self.watch.jobs.remove(&place);
    }

    /// While on, every change is a violation of invariant 12.
    pub fn dry_run(&mut self, on: bool) {
        self.watch.dry = on;
    }

    /// An operator vouches that a machine is off (until it boots).
    pub fn attest(&mut self, id: NodeId) {
        self.m_mut(id).attested = true;
    }

    /// Epoch on a machine's disk; 0 when there is none.
    pub fn epoch(&self, id: NodeId) -> u64 {
        self.m(id).files.get(&self.fixed.epoch).and_then(|t| t.trim().parse().ok()).unwrap_or(0)
    }

    /// Effects that really happened: `VERB LETTER[:DETAIL]` and how often: `promote b`, `power-off a`, `address-add b`,
    /// `db-start b`, `xcatd-start b`, `write b:/etc/xcat/cfgloc`, … Letters: a, b, and c for the controller.
    pub fn effects(&self) -> &BTreeMap<String, u32> {
        &self.watch.effects
    }

    /// How often an effect happened.
    pub fn effect_count(&self, effect: &str) -> u32 {
        self.watch.effects.get(effect).copied().unwrap_or(0)
    }

    pub(super) fn violation(&mut self, invariant: u8, what: &str) {
        self.watch.events.push(Violation { invariant, what: what.to_owned() });
    }

    pub(super) fn complain(&mut self, place: Place, what: &str) {
        self.watch.complaints.push(format!("{}: {what}", place_letter(place)));
    }

    /// Counts an effect.
    pub(super) fn effect(&mut self, verb: &str, id: NodeId, detail: &str) {
        self.count(verb, id.letter(), detail);
        if verb == "announce" {
            self.watch.unannounced[super::index(id)] = false;
        }
    }

    fn count(&mut self, verb: &str, letter: char, detail: &str) {
        let mut key = String::with_capacity(verb.len() + detail.len() + 3);
        key.push_str(verb);
        key.push(' ');
        key.push(letter);
        if !detail.is_empty() {
            key.push(':');
            key.push_str(detail);
        }
        *self.watch.effects.entry(key).or_insert(0) += 1;
    }

    /// Something at a place is about to be changed by an action.
    pub(super) fn wrote(&mut self, place: Place, verb: &str, detail: &str) {
        self.count(verb, place_letter(place), detail);
        self.charge(place, verb);
    }

    /// Charges a change to the job that does it.
    pub(super) fn charge(&mut self, place: Place, verb: &str) {
        if self.watch.dry {
            self.violation(12, &format!("a dry run did: {verb} on {}", place_letter(place)));
        }
        if let (Place::Node(id), Some(epoch)) = (place, self.watch.jobs.get(&place).copied())
            && epoch < self.epoch(id)
        {
            let what = format!("a job of epoch {epoch} changed {} of epoch {}: {verb}", id.letter(), self.epoch(id));
            self.violation(4, &what);
        }
    }

    /// Before a promotion takes effect.
    pub(super) fn check_promotion(&mut self, id: NodeId) {
        let (letter, other) = (id.letter(), id.other());
        let peer = self.m(other);
        let db2 = self.db2_primary(other);
        let primary = db2.unwrap_or(peer.db.role == Role::Primary);
        let graceful = db2.is_none() && !peer.db.running && peer.db.clean;
        if peer.power && primary && !graceful && !peer.attested {
            let what = format!("{letter} was promoted while {} has power and was not stepped down", other.letter());
            self.violation(2, &what);
        } else if !peer.power && primary && !graceful && !peer.attested && peer.off_reports < 2 {
            let what = format!(
                "{letter} was promoted while {} had been reported off {} times, not twice",
                other.letter(),
                peer.off_reports
            );
            self.violation(2, &what);
        }
        let restores = |l: &str| l.contains("pg_restore") || l.contains("restorexCATdb");
        if let Some(line) = self.armed(id, restores) {
            self.violation(6, &format!("{letter} was promoted with a restore armed on it: {line}"));
        }
        if self.m(id).restores > 0 {
            self.violation(6, &format!("{letter} was promoted under a running restore"));
        }
        if self.m(other).power {
            let pushes = |l: &str| l.contains("rsync") || l.contains("scp ");
            if let Some(line) = self.armed(other, pushes) {
                let what = format!("{letter} was promoted while {} is armed to push to it: {line}", other.letter());
                self.violation(6, &what);
            }
        }
        if let Some(before) = self.watch.raise_due
            && self.epoch(before) <= self.watch.epoch_floor
        {
            self.violation(
                4,
                &format!("{letter} was promoted before the promotion of {} raised the epoch", before.letter()),
            );
        }
        self.settle_epoch();
        self.watch.raise_due = Some(id);
    }

    /// The floor follows what the machine of the last promotion has by now.
    fn settle_epoch(&mut self) {
        if let Some(id) = self.watch.raise_due
            && self.epoch(id) > self.watch.epoch_floor
        {
            self.watch.epoch_floor = self.epoch(id);
            self.watch.raise_due = None;
        }
    }

    /// A job of this machine asked its database for its role, as the line before a RESTORE does, and heard this.
    pub(super) fn role_asked(&mut self, id: NodeId, role: &str) {
        self.watch.role_heard[super::index(id)] = Some(role.to_owned());
    }

    /// Before a database of DB2 is overwritten.
    pub(super) fn check_restore(&mut self, id: NodeId) {
        let role = self.db2().and_then(|p| p.machine(side(id)).role());
        let letter = id.letter();
        if role == Some(Db2Role::Primary) {
            self.violation(5, &format!("a primary was overwritten on {letter}"));
        }
        if self.writable(id) && self.holds_service(id) {
            self.violation(5, &format!("the database in service was overwritten on {letter}"));
        }
        match self.watch.role_heard[super::index(id)].take().as_deref() {
            Some("STANDARD" | "STANDBY" | "absent") => {}
            heard => {
                let heard = heard.unwrap_or("not asked for in this job").to_owned();
                self.violation(5, &format!("the database on {letter} was overwritten; its role was {heard}"));
            }
        }
        self.effect("restore", id, "");
    }

    /// Before the next boot of nodes is set on `id`: only as the NIM of the other machine, that of the day before, has it.
    pub(super) fn check_boot(&mut self, id: NodeId, range: &str) {
        for node in range.split(',') {
            let state = self.nim(id.other()).and_then(|nim| nim.object(node)).and_then(|o| o.get("Cstate"));
            if state.is_none_or(|s| s == "ready for a NIM operation") {
                self.violation(11, &format!("the next boot of {node} was set anew on {}", id.letter()));
            }
        }
    }

    /// The first line of a machine's crontabs that can fire and is of that kind.
    fn armed(&self, id: NodeId, kind: impl Fn(&str) -> bool) -> Option<String> {
        let files = &self.m(id).files;
        ["/etc/crontab", "/etc/cron.d/", "/var/spool/cron/"]
            .into_iter()
            .flat_map(|group| files.under(group))
            .flat_map(|(_, content)| content.lines())
            .find(|line| !line.trim_start().starts_with('#') && kind(line))
            .map(str::to_owned)
    }

    /// After a promotion the epoch must be above the floor before anything of the service moves.
    fn check_epoch(&mut self, id: NodeId, what: &str) {
        if self.watch.raise_due != Some(id) {
            return;
        }
        self.settle_epoch();
        if self.watch.raise_due.take().is_some() {
            let epoch = self.epoch(id);
            self.violation(4, &format!("{what} {} before the epoch was raised above {epoch}", id.letter()));
        }
    }

    /// Before an address is configured.
    pub(super) fn check_address(&mut self, id: NodeId, address: u32) {
        let letter = id.letter();
        if let Some(mac) = self.answers_arp(Some(id), address) {
            self.violation(3, &format!("an address was configured on {letter} while {mac} answers for it"));
        }
        if address == self.fixed.service {
            // Whom its own machine answers for it, a probe does not hear.
            if !self.m(id).probed && !self.holds(id, address) {
                self.violation(3, &format!("the service address was configured on {letter} without a silent probe"));
            }
            self.watch.unannounced[super::index(id)] = true;
            self.check_epoch(id, "the service address went to");
        }
    }

    /// Before xcatd of `id` runs on the database of `at`.
    pub(super) fn check_xcatd(&mut self, id: NodeId, at: NodeId) {
        let letter = id.letter();
        let db = &self.m(at).db;
        let nodes = self.cluster_nodes(at);
        let wrong = db.system_id != self.fixed.system_id;
        let few = nodes * 100 < self.fixed.cluster_nodes * usize::from(self.fixed.pair.xcat.min_nodes_percent);
        let standby = !self.writable(at);
        if wrong || few {
            self.violation(7, &format!("xcatd was started on {letter} with the wrong database: {nodes} nodes"));
        } else if standby {
            self.violation(7, &format!("xcatd was started on {letter} with a database that is no primary"));
        }
        self.check_epoch(id, "xcatd was started on");
    }

    /// What was violated since the last call, and what is violated now.
    pub fn violations(&mut self) -> Vec<Violation> {
        let mut all = std::mem::take(&mut self.watch.events);
        let both = |holds: &dyn Fn(NodeId) -> bool| NodeId::BOTH.into_iter().all(holds);
        if both(&|id| self.alive(id) && self.writable(id)) {
            all.push(Violation { invariant: 1, what: "two writable databases".to_owned() });
        }
        if both(&|id| self.on_cluster(id) && self.holds_service(id)) {
            all.push(Violation { invariant: 1, what: "two holders of the service address".to_owned() });
        }
        if both(&|id| self.alive(id) && self.m(id).xcatd.is_some()) {
            all.push(Violation { invariant: 1, what: "two xcatd".to_owned() });
        }
        if both(&|id| self.alive(id) && self.m(id).helpers[Helper::Dhcp.index()]) {
            all.push(Violation { invariant: 1, what: "two dhcpd".to_owned() });
        }
        all
    }

    /// What must also hold when a run says that it is done.
    pub fn violations_at_end(&mut self) -> Vec<Violation> {
        let mut all = self.violations();
        for id in NodeId::BOTH {
            if self.watch.unannounced[super::index(id)] && self.holds_service(id) && self.on_cluster(id) {
                let what = format!("the service address of {} was never announced", id.letter());
                all.push(Violation { invariant: 3, what });
            }
        }
        if let Some(id) = self.watch.raise_due
            && self.epoch(id) <= self.watch.epoch_floor
        {
            let what = format!("the epoch was not raised by the promotion of {}", id.letter());
            all.push(Violation { invariant: 4, what });
        }
        all
    }
}
