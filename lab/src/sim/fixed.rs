//! What of the configuration the simulator needs at every command, computed once and shared by all clones of a world.

use std::net::Ipv4Addr;

use workflows::{
    Command,
    model::{NodeId, Pair},
    vocabulary,
};

use super::index;

/// An IPv4 address as a number.
pub(super) fn ip(text: &str) -> Option<u32> {
    text.parse::<Ipv4Addr>().ok().map(u32::from)
}

/// A number as an IPv4 address.
pub(super) fn dotted(address: u32) -> Ipv4Addr {
    Ipv4Addr::from(address)
}

#[derive(Debug)]
pub(super) struct Fixed {
    pub(super) pair: Pair,
    pub(super) service: u32,
    pub(super) mask: u32,
    /// Own addresses of the two machines; the first one on the cluster-facing network first.
    pub(super) own: [Vec<u32>; 2],
    /// Whether the machines have an address on a network of their own beside the cluster's.
    pub(super) admin_network: bool,
    pub(super) at_boot: String,
    pub(super) set_at_boot: String,
    pub(super) xcatd_processes: String,
    pub(super) restore_processes: String,
    pub(super) crontabs: String,
    pub(super) preflight: String,
    pub(super) helper_processes: String,
    pub(super) helper_control: String,
    pub(super) carrier: String,
    pub(super) xcatd_ready: String,
    pub(super) tabdump: String,
    pub(super) consoles: String,
    pub(super) standby_signal: String,
    pub(super) postgresql_conf: String,
    pub(super) auto_conf: String,
    pub(super) pg_hba: String,
    pub(super) epoch: String,
    /// Identity of the replicated data, and number of cluster nodes, of the healthy world.
    pub(super) system_id: u64,
    pub(super) cluster_nodes: usize,
}

impl Fixed {
    pub(super) fn new(pair: &Pair, system_id: u64, cluster_nodes: usize) -> Self {
        let mask = u32::MAX.checked_shl(32 - u32::from(pair.service.prefix)).unwrap_or(0);
        let service = ip(&pair.service.address).expect("the service address is an IPv4 address");
        let mut admin_network = false;
        let own = [NodeId::A, NodeId::B].map(|id| {
            let mut all: Vec<u32> = pair.node(id).addresses.iter().filter_map(|a| ip(a)).collect();
            all.sort_by_key(|a| (a & mask) != (service & mask));
            admin_network |= all.iter().any(|a| (a & mask) != (service & mask));
            all
        });
        let script = |c: &Command| c.argv[2].clone();
        let (data, config) = match &pair.database {
            workflows::model::Database::Postgres(pg) => (pg.data_dir.as_str(), pg.config_dir.as_str()),
            workflows::model::Database::Db2(_) => ("", ""),
        };
        Self {
            service,
            mask,
            own,
            admin_network,
            at_boot: script(&vocabulary::at_boot("")),
            set_at_boot: script(&vocabulary::set_at_boot("", true)),
            xcatd_processes: script(&vocabulary::xcatd_processes()),
            restore_processes: script(&vocabulary::restore_processes()),
            crontabs: script(&vocabulary::crontabs()),
            preflight: script(&vocabulary::preflight(pair, pair.node(NodeId::A), &[], &[])),
            helper_processes: script(&vocabulary::helper_processes(vocabulary::Helper::Dhcp)),
            carrier: script(&vocabulary::carrier("")),
            helper_control: script(&vocabulary::helper_control(vocabulary::Helper::Dhcp, "")),
            xcatd_ready: script(&vocabulary::xcatd_ready(&pair.xcat)),
            tabdump: format!("{}/sbin/tabdump", pair.xcat.root),
            consoles: script(&vocabulary::consoles(&pair.xcat)),
            standby_signal: format!("{data}/standby.signal"),
            auto_conf: format!("{data}/postgresql.auto.conf"),
            postgresql_conf: format!("{config}/postgresql.conf"),
            pg_hba: format!("{config}/pg_hba.conf"),
            epoch: vocabulary::epoch_path(pair),
            system_id,
            cluster_nodes,
            pair: pair.clone(),
        }
    }

    /// Whether an address is on the cluster-facing network.
    pub(super) fn cluster_facing(&self, address: u32) -> bool {
        address & self.mask == self.service & self.mask
    }

    /// The cluster-facing own address of a machine.
    pub(super) fn address(&self, id: NodeId) -> u32 {
        self.own[index(id)].first().copied().unwrap_or(0)
    }

    /// The MAC of a machine's cluster-facing interface.
    pub(super) fn mac(id: NodeId) -> &'static str {
        match id {
            NodeId::A => "02:00:0A:4D:00:0A",
            NodeId::B => "02:00:0A:4D:00:0B",
        }
    }

    /// A client in the cluster.
    pub(super) fn client(&self) -> u32 {
        (self.service & self.mask) | (0x64 & !self.mask)
    }
}
