//! The pair as a world simulated in the process: two machines, their network, BMCs, databases and xCAT, under virtual time.
//!
//! Deterministic, without I/O and cheap: a history costs microseconds a command. It interprets the typed actions of
//! `workflows::script` and exactly the commands of `workflows::vocabulary`; whatever else a step runs exits 127 and is kept in
//! [`World::complaints`]. What is true in the world and what a command says of it are two things on purpose: exit codes lie here as they do there.

// The state of a machine is a set of independent switches; an enum for each pair of them would only hide that.
#![allow(clippy::struct_excessive_bools)]

mod aix;
mod commands;
mod database;
mod db2;
mod end;
mod fault;
mod fence;
mod files;
mod fixed;
mod forming;
mod healthy;
mod hit;
mod machine;
mod network;
mod postgres;
mod postgres_conf;
mod strike;
mod transfer;
mod watch;
mod witness;
mod xcat_host;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use thiserror::Error;
use workflows::{
    Action, ActionResult, Command, Place,
    model::{NodeId, Pair},
};

pub use end::{Db2End, EndState, NodeEnd};
pub use fault::Lie;
pub use fence::SECRET;
pub use forming::Old;
pub use hit::Freeze;
pub use machine::AtBoot;
pub use network::Network;
pub use strike::Strike;
pub use watch::Violation;

use database::Commit;
use fence::Device;
use files::Files;
use fixed::Fixed;
use hit::{Faults, Hit};
use machine::Machine;
use watch::Watch;

/// The machine has no power, or its kernel runs nothing any more: nothing of the action happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the machine is down")]
pub struct Down {
    /// Which.
    pub place: Place,
}

/// Version `n` of the xCAT tables, as a position of the log has them.
type Tables = BTreeMap<&'static str, Vec<crate::xcat::Row>>;

/// The simulated pair.
#[derive(Debug, Clone)]
pub struct World {
    fixed: Arc<Fixed>,
    now_ms: u64,
    machines: [Machine; 2],
    devices: [Device; 2],
    controller: Files,
    witnesses: Vec<Files>,
    /// Whether xcatd runs on each of these.
    service_nodes: Vec<bool>,
    /// MAC of a third machine that answers ARP for the service address.
    foreign_arp: Option<String>,
    /// Whose MAC the neighbours have for the service address.
    neighbour: Option<NodeId>,
    /// Everything committed anywhere, in order of time.
    commits: Vec<Commit>,
    /// Versions of the tables written since the world began: lineage, end of log, content.
    versions: Vec<(u32, u64, Arc<Tables>)>,
    next_branch: u32,
    next_write_ms: u64,
    client_every_ms: u64,
    lag_ms: u64,
    synchronous: bool,
    faults: Faults,
    /// What happens when, in order of time.
    strikes: Vec<(u64, Strike)>,
    /// The connection of the two DB2 databases is cut.
    link_cut: bool,
    watch: Watch,
    /// The pair of DB2 instances, where that is the database; then the machines' servers are not used.
    db2: Option<Box<db2::Db2>>,
}

/// What a simulated program did: result, cost in virtual time.
struct Ran {
    exit: i32,
    stdout: String,
    stderr: String,
    cost_ms: u64,
    hangs: bool,
}

impl Ran {
    fn ok(stdout: impl Into<String>, cost_ms: u64) -> Self {
        Self { exit: 0, stdout: stdout.into(), stderr: String::new(), cost_ms, hangs: false }
    }

    fn failed(exit: i32, stderr: impl Into<String>, cost_ms: u64) -> Self {
        Self { exit, stdout: String::new(), stderr: stderr.into(), cost_ms, hangs: false }
    }

    fn exit(mut self, exit: i32) -> Self {
        self.exit = exit;
        self
    }
}

fn index(id: NodeId) -> usize {
    match id {
        NodeId::A => 0,
        NodeId::B => 1,
    }
}

impl World {
    /// The configuration.
    pub fn pair(&self) -> &Pair {
        &self.fixed.pair
    }

    /// Virtual time, milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    fn m(&self, id: NodeId) -> &Machine {
        &self.machines[index(id)]
    }

    fn m_mut(&mut self, id: NodeId) -> &mut Machine {
        &mut self.machines[index(id)]
    }

    /// Runs one action at a place and lets virtual time pass. Whether the place can be reached is [`World::reachable`]'s business.
    ///
    /// # Errors
    /// [`Down`] when the machine runs nothing.
    pub fn exec_action(&mut self, place: Place, action: &Action) -> Result<ActionResult, Down> {
        if let Place::Node(id) = place
            && !self.alive(id)
        {
            return Err(Down { place });
        }
        Ok(match action {
            Action::Run(command) => self.run(place, command),
            Action::WaitUntil { command, expect, every_ms, limit_s } => {
                self.wait_until(place, command, expect, u64::from(*every_ms), u64::from(*limit_s) * 1000)
            }
            edit => self.edit(place, edit),
        })
    }

    /// A program call within its time limit.
    fn run(&mut self, place: Place, command: &Command) -> ActionResult {
        self.run_within(place, command, u64::MAX)
    }

    /// As [`Self::run`], within a further limit.
    fn run_within(&mut self, place: Place, command: &Command, limit_ms: u64) -> ActionResult {
        let limit_ms = limit_ms.min(u64::from(command.timeout_s) * 1000);
        let ran = match self.faults.take(|| command.argv.join(" ")) {
            None => self.call(place, command),
            Some(Hit::Fail(exit)) => Ran::failed(exit, "simulated failure\n", 5),
            Some(Hit::Hang(Freeze::Before)) => Ran { hangs: true, ..Ran::ok("", 0) },
            Some(Hit::Hang(Freeze::After)) => Ran { hangs: true, stdout: String::new(), ..self.call(place, command) },
        };
        if ran.hangs || ran.cost_ms > limit_ms {
            self.advance(limit_ms);
            return ActionResult { exit: Some(ActionResult::TIMED_OUT), stdout: ran.stdout, stderr: ran.stderr };
        }
        self.advance(ran.cost_ms);
        ActionResult { exit: Some(ran.exit), stdout: ran.stdout, stderr: ran.stderr }
    }

    fn wait_until(
        &mut self,
        place: Place,
        command: &Command,
        expect: &str,
        every_ms: u64,
        limit_ms: u64,
    ) -> ActionResult {
        let end = self.now_ms + limit_ms;
        loop {
            let mut last = self.run_within(place, command, limit_ms);
            if self.boot_of(place).is_none() {
                return last;
            }
            if last.exit == Some(0) && last.stdout.trim() == expect {
                return last;
            }
            if self.now_ms + every_ms.max(1) > end {
                last.exit = Some(ActionResult::TIMED_OUT);
                return last;
            }
            self.advance(every_ms.max(1));
        }
    }

    /// Commands outside the vocabulary, in order; each exited 127.
    pub fn complaints(&self) -> &[String] {
        &self.watch.complaints
    }
}
