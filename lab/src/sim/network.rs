//! The network: who holds which address, who reaches whom, ARP.

use std::fmt::Write as _;

use workflows::{Place, model::NodeId};

use super::{
    Ran, World,
    fixed::{Fixed, dotted, ip},
};

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The cluster-facing one: service address, ARP, replication.
    Cluster,
    /// The one that further own addresses are on; there is none when all own addresses are cluster-facing.
    Admin,
    /// Both.
    Both,
}

impl World {
    /// Whether the machine that runs hamn can open a connection to a place.
    pub fn reachable(&self, to: Place) -> bool {
        let Place::Node(id) = to else { return true };
        let m = self.m(id);
        self.alive(id) && (!m.cut_cluster || (self.fixed.admin_network && !m.cut_admin))
    }

    /// Whether a machine's kernel is on the cluster-facing network: it may be half dead.
    pub(super) fn on_cluster(&self, id: NodeId) -> bool {
        let m = self.m(id);
        m.power && !m.cut_cluster && self.now_ms >= m.up_at_ms
    }

    /// Whether a machine has an address configured.
    pub(super) fn holds(&self, id: NodeId, address: u32) -> bool {
        let m = self.m(id);
        m.power && (m.extra.contains(&address) || self.fixed.own[super::index(id)].contains(&address))
    }

    /// Whether a machine has the service address configured.
    pub fn holds_service(&self, id: NodeId) -> bool {
        self.holds(id, self.fixed.service)
    }

    /// Whose interface the neighbours' ARP entries for the service address lead to.
    pub fn neighbour(&self) -> Option<NodeId> {
        self.neighbour
    }

    /// The machine that a connection from `from` (`None`: a client in the cluster) to an address ends at.
    pub(super) fn route(&self, from: Option<NodeId>, address: u32) -> Option<NodeId> {
        if let Some(id) = from.filter(|id| self.holds(*id, address)) {
            return Some(id);
        }
        let cut = |id: NodeId| {
            let m = self.m(id);
            if self.fixed.cluster_facing(address) { m.cut_cluster } else { m.cut_admin }
        };
        if from.is_some_and(cut) {
            return None;
        }
        NodeId::BOTH
            .into_iter()
            .find(|id| Some(*id) != from && self.alive(*id) && self.holds(*id, address) && !cut(*id))
    }

    /// `ip -o -4 addr show`.
    pub(super) fn ip_show(&self, id: NodeId) -> Ran {
        let (pair, m) = (&self.fixed.pair, self.m(id));
        let mut out =
            "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n".to_owned();
        let interface = &pair.node(id).interface;
        let prefix = pair.service.prefix;
        for address in self.fixed.own[super::index(id)].iter().chain(&m.extra) {
            let (number, name) =
                if self.fixed.cluster_facing(*address) { (2, interface.as_str()) } else { (3, "adm0") };
            let secondary = if m.extra.contains(address) { " secondary" } else { "" };
            let _ = writeln!(
                out,
                "{number}: {name}    inet {}/{prefix} brd {} scope global{secondary} {name}\\       valid_lft forever preferred_lft forever",
                dotted(*address),
                dotted(*address | !self.fixed.mask),
            );
        }
        Ran::ok(out, 5)
    }

    /// `ip addr add|del ADDRESS/PREFIX dev INTERFACE`.
    pub(super) fn ip_change(&mut self, id: NodeId, add: bool, what: &str, interface: &str) -> Ran {
        let Some(address) = what.split('/').next().and_then(ip) else {
            return Ran::failed(1, format!("Error: any valid prefix is expected rather than \"{what}\".\n"), 5);
        };
        if *interface != *self.fixed.pair.node(id).interface {
            return Ran::failed(1, format!("Cannot find device \"{interface}\"\n"), 5);
        }
        let held = self.holds(id, address);
        if add && held {
            return Ran::failed(2, "RTNETLINK answers: File exists\n", 5);
        }
        if !add && !held {
            return Ran::failed(2, "RTNETLINK answers: Cannot assign requested address\n", 5);
        }
        if add {
            self.take_address(id, address, false);
        } else {
            self.drop_address(id, address);
        }
        Ran::ok("", 5)
    }

    /// A machine takes an address on its cluster-facing interface, as its first one or behind the others.
    pub(super) fn take_address(&mut self, id: NodeId, address: u32, first: bool) {
        self.check_address(id, address);
        self.wrote(Place::Node(id), "address-add", "");
        let service = address == self.fixed.service;
        let m = self.m_mut(id);
        m.extra.insert(if first { 0 } else { m.extra.len() }, address);
        m.probed &= !service;
        self.pump();
    }

    /// A machine lets an address go that was configured by hand.
    pub(super) fn drop_address(&mut self, id: NodeId, address: u32) {
        self.wrote(Place::Node(id), "address-del", "");
        let service = address == self.fixed.service;
        let m = self.m_mut(id);
        m.extra.retain(|a| *a != address);
        if let Some(daemon) = m.xcatd.as_mut().filter(|d| d.host == address) {
            daemon.wedged = true;
        }
        m.probed &= !service;
        self.pump();
    }

    /// A machine told its neighbours of an address that it holds.
    pub(super) fn announced(&mut self, id: NodeId, address: u32) {
        if address == self.fixed.service {
            self.effect("announce", id, "");
            if self.on_cluster(id) {
                self.neighbour = Some(id);
            }
        }
    }

    /// Who else than `id` answers ARP for an address: the MAC.
    pub(super) fn answers_arp(&self, id: Option<NodeId>, address: u32) -> Option<String> {
        if id.is_some_and(|id| !self.on_cluster(id)) {
            return None;
        }
        if address == self.fixed.service
            && let Some(mac) = &self.foreign_arp
        {
            return Some(mac.clone());
        }
        let other = NodeId::BOTH
            .into_iter()
            .find(|other| Some(*other) != id && self.on_cluster(*other) && self.holds(*other, address));
        other.map(|other| Fixed::mac(other).to_owned())
    }

    /// `arping`: conflict probe (`-D`), question (`-f`), announcement (`-U`, `-A`).
    pub(super) fn arping(&mut self, place: Place, arguments: &[String]) -> Ran {
        let (mut mode, mut count, mut limit_s, mut interface, mut target) = ('q', 1_u64, u64::MAX, "", "");
        let number = |word: Option<&str>| word.and_then(|n| n.parse().ok());
        let mut rest = arguments.iter().map(String::as_str);
        while let Some(word) = rest.next() {
            match word {
                "-D" => mode = 'D',
                "-U" | "-A" => mode = 'U',
                "-f" | "-q" | "-b" => {}
                "-c" => count = number(rest.next()).unwrap_or(1),
                "-w" => limit_s = number(rest.next()).unwrap_or(1),
                "-I" => interface = rest.next().unwrap_or(""),
                other => target = other,
            }
        }
        let id = if let Place::Node(id) = place { Some(id) } else { None };
        if id.is_some_and(|id| *interface != *self.fixed.pair.node(id).interface) {
            return Ran::failed(2, format!("arping: Device {interface} not available.\n"), 5);
        }
        let Some(address) = ip(target) else {
            return Ran::failed(2, format!("arping: {target}: Name or service not known\n"), 5);
        };
        if mode == 'U' {
            return self.announce(id, address, interface, count);
        }
        let answer = self.answers_arp(id, address);
        if mode == 'D'
            && address == self.fixed.service
            && let Some(id) = id
        {
            self.m_mut(id).probed = answer.is_none();
        }
        let source = if mode == 'D' { "0.0.0.0".to_owned() } else { dotted(self.fixed.client()).to_string() };
        let head = format!("ARPING {target} from {source} {interface}\n");
        match answer {
            Some(mac) => Ran::ok(
                format!(
                    "{head}Unicast reply from {target} [{mac}]  0.614ms\nSent 1 probes (1 broadcast(s))\nReceived 1 response(s)\n"
                ),
                5,
            )
            .exit(i32::from(mode == 'D')),
            None => Ran::ok(
                format!("{head}Sent {count} probes ({count} broadcast(s))\nReceived 0 response(s)\n"),
                count.min(limit_s) * 1_000,
            )
            .exit(i32::from(mode != 'D')),
        }
    }

    fn announce(&mut self, id: Option<NodeId>, address: u32, interface: &str, count: u64) -> Ran {
        let Some(id) = id.filter(|id| self.holds(*id, address)) else {
            return Ran::failed(2, "arping: bind: Cannot assign requested address\n", 5);
        };
        self.announced(id, address);
        let target = dotted(address);
        Ran::ok(
            format!(
                "ARPING {target} from {target} {interface}\nSent {count} probes ({count} broadcast(s))\nReceived 0 response(s)\n"
            ),
            count.saturating_sub(1) * 1_000 + 5,
        )
    }

    /// Pulls (or plugs) the cable of a machine on a network.
    pub fn cut(&mut self, id: NodeId, network: Network, cut: bool) {
        let m = self.m_mut(id);
        match network {
            Network::Cluster => m.cut_cluster = cut,
            Network::Admin => m.cut_admin = cut,
            Network::Both => (m.cut_cluster, m.cut_admin) = (cut, cut),
        }
        self.pump();
    }

    /// A machine that is neither of the pair answers ARP for the service address (`None`: no longer).
    pub fn foreign_arp(&mut self, mac: Option<&str>) {
        self.foreign_arp = mac.map(str::to_owned);
    }
}
