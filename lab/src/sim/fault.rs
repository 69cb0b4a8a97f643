//! What may go wrong, at the test's word. Power, cables and half-dead machines are in their own rooms.

use workflows::model::NodeId;

use super::{
    World,
    fixed::Fixed,
    hit::{Freeze, Hit},
    index,
    machine::AtBoot,
};

/// How a BMC lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lie {
    /// It does not.
    #[default]
    None,
    /// `off` says success and does nothing; `status` tells the truth.
    OffDoesNothing,
    /// `off` says success, the next `status` says off, and later ones the truth: the machine is on.
    OffOnce,
}

impl World {
    /// Every command whose line contains `substring` hangs until its time limit, until [`World::thaw`].
    pub fn freeze(&mut self, substring: &str, when: Freeze) {
        self.faults.add(substring, Hit::Hang(when), None);
    }

    /// The next command whose line contains `substring` hangs until its time limit.
    pub fn freeze_next(&mut self, substring: &str, when: Freeze) {
        self.faults.add(substring, Hit::Hang(when), Some(1));
    }

    /// The next command whose line (or file edit whose path) contains `substring` exits so, without any effect.
    pub fn fail_next(&mut self, substring: &str, exit: i32) {
        self.faults.add(substring, Hit::Fail(exit), Some(1));
    }

    /// As [`World::fail_next`], until [`World::thaw`].
    pub fn fail_always(&mut self, substring: &str, exit: i32) {
        self.faults.add(substring, Hit::Fail(exit), None);
    }

    /// Takes all of these faults back.
    pub fn thaw(&mut self) {
        self.faults.clear();
    }

    /// xcatd of a machine, if it runs, answers nobody any more until it is restarted.
    pub fn wedge_xcatd(&mut self, id: NodeId) {
        if let Some(daemon) = &mut self.m_mut(id).xcatd {
            daemon.wedged = true;
        }
    }

    /// Starts (or ends) a restore into a machine's database (trap 22).
    pub fn restore_running(&mut self, id: NodeId, running: bool) {
        self.m_mut(id).restores = u32::from(running);
    }

    /// A machine's clock against true time, milliseconds (trap 21).
    pub fn clock_offset(&mut self, id: NodeId, ms: i64) {
        self.m_mut(id).clock_offset_ms = ms;
    }

    /// What a machine's boot starts (traps 5, 56). In the healthy world: the database, and nothing else.
    pub fn boots_with(&mut self, id: NodeId, what: AtBoot) {
        self.m_mut(id).at_boot = what;
    }

    /// named, dhcpd or conserver of a machine cannot be started (or can again).
    pub fn break_helper(&mut self, id: NodeId, helper: crate::xcat::Helper, broken: bool) {
        self.m_mut(id).helper_broken[helper.index()] = broken;
    }

    /// The data directory of a machine was not mounted: another, empty database is in its place (trap 52).
    pub fn empty_database(&mut self, id: NodeId) {
        let branch = self.next_branch;
        self.next_branch += 1;
        let db = &mut self.m_mut(id).db;
        db.system_id += 99;
        db.tables = std::sync::Arc::default();
        (db.branch, db.end) = (branch, 0x0150_0000);
        db.history.clear();
        self.pump();
    }

    /// The database of a machine dies as by SIGKILL; the machine lives.
    pub fn kill_database(&mut self, id: NodeId) {
        self.m_mut(id).db.crash();
        self.kill_db2(id);
        self.pump();
    }

    /// The standby receives what is older than this, milliseconds.
    pub fn lag(&mut self, ms: u64) {
        self.lag_ms = ms;
    }

    /// Whether commits wait for the standby.
    pub fn synchronous(&mut self, on: bool) {
        self.synchronous = on;
        self.pump();
    }

    /// Whether commits wait for the standby now.
    pub fn waits(&self) -> bool {
        self.synchronous
    }

    /// Whether the controller reaches a machine's BMC.
    pub fn bmc_reachable(&mut self, id: NodeId, reachable: bool) {
        self.devices[index(id)].reachable = reachable;
    }

    /// How a machine's BMC lies.
    pub fn bmc_lies(&mut self, id: NodeId, lie: Lie) {
        self.devices[index(id)].lie = lie;
    }

    /// The address of a machine's BMC leads to another machine's (trap 6): its GUID is another one, and what is switched off there is
    /// a machine that is not of the pair.
    pub fn wrong_guid(&mut self, id: NodeId, wrong: bool) {
        self.devices[index(id)].foreign = wrong;
    }

    /// MAC of a machine of the pair on the cluster-facing network.
    pub fn mac(id: NodeId) -> &'static str {
        Fixed::mac(id)
    }
}
