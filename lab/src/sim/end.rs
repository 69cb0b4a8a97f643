//! The world in the form in which two histories are compared: no times, no counters.

use std::{collections::BTreeMap, sync::Arc};

use workflows::model::NodeId;

use super::{World, database::Role, db2::side};
use crate::{
    aix::Odm,
    db2::{Config, Connect, Role as Db2Role, State},
    nim::Nim,
    xcat::{Daemon, Helper},
};

/// The state that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndState {
    /// `[a, b]`
    pub nodes: [NodeEnd; 2],
    /// Where the neighbours' ARP entries for the service address lead.
    pub neighbour: Option<NodeId>,
    /// Whether xcatd runs on each of the further machines.
    pub service_nodes: Vec<bool>,
    /// A standby streams.
    pub streaming: bool,
    /// A client of the cluster can write at the service address.
    pub served: bool,
}

/// One machine of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEnd {
    /// It has power.
    pub power: bool,
    /// Host name of the running kernel; empty without power.
    pub host_name: String,
    /// It has the service address.
    pub service_address: bool,
    /// The server runs.
    pub database_running: bool,
    /// The data is a primary's (as opposed to a standby's): what it would start as when it is stopped.
    pub database_primary: bool,
    /// Timeline of the data.
    pub timeline: u32,
    /// System identifier of the data.
    pub system_id: u64,
    /// Rows of `nodelist`.
    pub cluster_nodes: usize,
    /// What the running server listens on; empty when it does not run.
    pub listen: String,
    /// xcatd: not running, running, wedged.
    pub xcatd: &'static str,
    /// Which of dns, dhcp, consoles run.
    pub helpers: String,
    /// DB2, where that is the database.
    pub db2: Option<Db2End>,
    /// What AIX keeps over a boot, where the machine runs it.
    pub odm: Option<Odm>,
    /// What NIM knows, where there is one.
    pub nim: Option<Nim>,
    /// All files except copies that edits keep, by path.
    pub files: BTreeMap<String, Arc<str>>,
}

/// DB2 on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Db2End {
    /// The instance runs.
    pub instance: bool,
    /// The database is active.
    pub active: bool,
    /// Role that the database keeps.
    pub role: Option<Db2Role>,
    /// State and connection, while it is active in a pair.
    pub hadr: Option<(State, Connect)>,
    /// Rollforward pending, backup pending, disabled by a takeover by force.
    pub pending: (bool, bool, bool),
    /// Streams that the log consists of: one more with each takeover by force.
    pub streams: usize,
    /// Parameters.
    pub config: Option<Config>,
}

impl World {
    /// DB2 on a machine, where that is the database.
    pub fn db2_end(&self, id: NodeId) -> Option<Db2End> {
        let machine = self.db2()?.machine(side(id));
        Some(Db2End {
            instance: machine.is_up(),
            active: machine.is_active(),
            role: machine.role(),
            hadr: machine.hadr(),
            pending: machine.pending(),
            streams: machine.log().map_or(0, crate::db2::Log::streams),
            config: machine.config().cloned(),
        })
    }

    /// The state to compare.
    pub fn end_state(&self) -> EndState {
        EndState {
            nodes: NodeId::BOTH.map(|id| {
                let m = self.m(id);
                NodeEnd {
                    power: m.power,
                    host_name: if m.power { m.host_name.to_string() } else { String::new() },
                    service_address: self.holds_service(id),
                    database_running: m.db.running,
                    database_primary: m.db.role == Role::Primary
                        && (m.db.running || m.files.get(&self.fixed.standby_signal).is_none()),
                    timeline: m.db.timeline,
                    system_id: m.db.system_id,
                    cluster_nodes: self.cluster_nodes(id),
                    listen: if m.db.running { m.db.listen.to_string() } else { String::new() },
                    xcatd: match m.daemon() {
                        Daemon::Stopped => "stopped",
                        Daemon::Running => "running",
                        Daemon::Wedged => "wedged",
                    },
                    helpers: [(Helper::Dns, "dns"), (Helper::Dhcp, "dhcp"), (Helper::Consoles, "consoles")]
                        .into_iter()
                        .filter(|(h, _)| m.helpers[h.index()])
                        .map(|(_, name)| name)
                        .collect::<Vec<_>>()
                        .join(" "),
                    db2: self.db2_end(id),
                    odm: self.odm(id).cloned(),
                    nim: self.nim(id).cloned(),
                    files: m
                        .files
                        .iter()
                        .filter(|(path, _)| !path.ends_with(".hamn-before") && !path.ends_with(".xcatbak"))
                        // Whether a machine could be claimed before it was fenced is chance.
                        .filter(|(path, _)| m.power || !path.ends_with("/claim/text"))
                        .map(|(path, file)| (format!("{path} {:o}", file.mode), file.content.clone()))
                        .collect(),
                }
            }),
            neighbour: self.neighbour,
            service_nodes: self.service_nodes.clone(),
            streaming: self.streaming(),
            served: self.served(),
        }
    }

    /// Whether xcatd answers on a machine.
    pub fn xcatd_works(&self, id: NodeId) -> bool {
        let m = self.m(id);
        self.alive(id) && m.xcatd.is_some_and(|d| !d.wedged && self.database_at(Some(id), d.host).is_some())
    }

    /// Whether a client of the cluster can write at the service address.
    pub fn served(&self) -> bool {
        self.neighbour.is_some_and(|id| self.database_at(None, self.fixed.service) == Some(id) && self.writable(id))
    }
}
