//! A simulated machine that runs AIX: the shared cores of [`crate::aix`] and [`crate::nim`], and the shell lines of the vocabulary.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use workflows::{
    Command, Place,
    model::{NimResources, NodeId, Pair, Platform, Service},
    vocabulary_aix as words, vocabulary_nim as nim_words,
};

use super::{
    Ran, World,
    fixed::{Fixed, dotted, ip},
    index,
};
use crate::{
    aix::{self, Address, Interface, Kernel, Link, Neighbour, Odm, Process},
    nim::{self, Found, Message, Nim},
    xcat::{Helper, Reply},
};

/// What a machine with AIX has beside what every machine has.
#[derive(Debug, Clone)]
pub(super) struct Aix {
    pub(super) odm: Arc<Odm>,
    pub(super) nim: Arc<Nim>,
    /// Subsystems that run and are nothing to the world.
    subsystems: BTreeSet<String>,
    neighbours: Vec<(u32, Option<String>)>,
}

/// The machine's number of every process that is asked for.
const PID: u32 = 4_653_102;

/// NIM of a healthy pair: the primary's is the master, the standby's is nothing or, with HANIM, its alternate.
fn nim_of(service: &Service, resources: NimResources, primary: bool) -> Nim {
    let mut master = Nim::master(&service.host_name);
    for (kind, name, location) in nim::sample::RESOURCES {
        master.add_resource(kind, name, location);
    }
    let alternate = match resources {
        NimResources::Define => Nim::default(),
        NimResources::Hanim => master.with_alternate(&service.host_name, &service.standby_host_name),
    };
    if primary { master } else { alternate }
}

impl Aix {
    /// `None`: the machine runs something else.
    pub(super) fn new(pair: &Pair, fixed: &Fixed, id: NodeId) -> Option<Box<Self>> {
        let (node, service) = (pair.node(id), &pair.service);
        if node.platform != Platform::Aix {
            return None;
        }
        let primary = id == NodeId::A;
        let name = if primary { &service.host_name } else { &service.standby_host_name };
        let bears = if primary { Some(&service.address) } else { service.standby_address.as_ref() };
        let at = |text: &str| text.parse().ok().map(|address| Address { address, prefix: service.prefix });
        let interface = |name: &str, address, state: &str| Interface {
            name: name.into(),
            address,
            aliases: Vec::new(),
            state: state.into(),
        };
        let own = fixed.own[index(id)].first().map(|a| Address { address: dotted(*a), prefix: service.prefix });
        // As `hamn run setup` leaves a pair: the service address does not survive a boot (trap 5).
        let at_boot = if primary { "detach" } else { "up" };
        let interfaces =
            vec![interface("en0", own, "up"), interface(&node.interface, bears.and_then(|a| at(a)), at_boot)];
        let gateway = service.gateway.as_ref().and_then(|g| g.parse().ok());
        let nim = pair.nim.as_ref().map(|settings| nim_of(service, settings.resources, primary)).unwrap_or_default();
        Some(Box::new(Self {
            odm: Arc::new(Odm::new(name, interfaces, gateway, &node.machine_id)),
            nim: Arc::new(nim),
            subsystems: if primary { ["nimesis".to_owned()].into() } else { BTreeSet::new() },
            neighbours: Vec::new(),
        }))
    }

    pub(super) fn lose_volatile(&mut self) {
        self.subsystems.clear();
        self.neighbours.clear();
    }
}

struct Host<'w> {
    world: &'w mut World,
    id: NodeId,
    cost_ms: u64,
}

fn helper(subsystem: &str) -> Option<Helper> {
    match subsystem {
        "named" => Some(Helper::Dns),
        "dhcpsd" => Some(Helper::Dhcp),
        "conserver" => Some(Helper::Consoles),
        _ => None,
    }
}

impl Host<'_> {
    fn own(&self) -> &Aix {
        self.world.m(self.id).aix.as_ref().expect("a machine with AIX")
    }

    fn own_mut(&mut self) -> &mut Aix {
        self.world.m_mut(self.id).aix.as_mut().expect("a machine with AIX")
    }

    fn is_cluster(&self, interface: &str) -> bool {
        *interface == *self.world.fixed.pair.node(self.id).interface
    }
}

impl Kernel for Host<'_> {
    fn odm(&self) -> &Odm {
        &self.own().odm
    }

    fn odm_mut(&mut self) -> &mut Odm {
        Arc::make_mut(&mut self.own_mut().odm)
    }

    fn host_name(&self) -> String {
        self.world.m(self.id).host_name.to_string()
    }

    fn set_host_name(&mut self, name: &str) {
        if *self.world.m(self.id).host_name != *name {
            self.world.wrote(Place::Node(self.id), "hostname", name);
            self.world.m_mut(self.id).host_name = name.into();
        }
    }

    fn addresses(&self, interface: &str) -> Vec<Address> {
        let prefix = self.world.fixed.pair.service.prefix;
        let address = |a: &u32| Address { address: dotted(*a), prefix };
        if self.is_cluster(interface) {
            return self.world.m(self.id).extra.iter().map(address).collect();
        }
        if interface == "en0" { self.world.fixed.own[index(self.id)].iter().map(address).collect() } else { Vec::new() }
    }

    fn add_address(&mut self, interface: &str, address: Address, primary: bool) -> bool {
        if !self.is_cluster(interface) {
            return false;
        }
        let number = u32::from(address.address);
        self.world.take_address(self.id, number, primary);
        // AIX announces an address when it takes it.
        self.world.announced(self.id, number);
        true
    }

    fn remove_address(&mut self, interface: &str, address: Ipv4Addr) -> bool {
        let number = u32::from(address);
        let held = self.is_cluster(interface) && self.world.m(self.id).extra.contains(&number);
        if held {
            self.world.drop_address(self.id, number);
        }
        held
    }

    /// The machine bore it until this very command: its probe could only say "own", and nobody else can have taken it since. Somebody who
    /// answers for it all the same is seen when it is added.
    fn make_primary(&mut self, interface: &str, address: Address) {
        self.remove_address(interface, address.address);
        self.world.m_mut(self.id).probed |= u32::from(address.address) == self.world.fixed.service;
        self.add_address(interface, address, true);
    }

    fn set_link(&mut self, _interface: &str, _up: bool) {}

    fn link(&self, interface: &str) -> Option<Link> {
        let m = self.world.m(self.id);
        let (cut, mac) = match interface {
            "en0" => (m.cut_admin, "02:00:0a:4e:00:01"),
            _ if self.is_cluster(interface) => (m.cut_cluster, Fixed::mac(self.id)),
            _ => return None,
        };
        Some(Link { mac: mac.to_lowercase(), up: true, carrier: !cut })
    }

    fn gateway(&self) -> Option<Ipv4Addr> {
        self.odm().gateways.first().copied()
    }

    fn set_gateway(&mut self, _gateway: Option<Ipv4Addr>) -> bool {
        true
    }

    fn neighbours(&self) -> Vec<Neighbour> {
        let known = self.own().neighbours.iter();
        known.map(|(a, mac)| Neighbour { address: dotted(*a), mac: mac.clone() }).collect()
    }

    fn forget_neighbour(&mut self, address: Ipv4Addr) -> bool {
        let number = u32::from(address);
        let known = &mut self.own_mut().neighbours;
        let before = known.len();
        known.retain(|(a, _)| *a != number);
        known.len() < before
    }

    fn echo(&mut self, address: Ipv4Addr) -> bool {
        let number = u32::from(address);
        if self.world.holds(self.id, number) {
            return true;
        }
        let gateway = self.world.fixed.pair.service.gateway.as_deref().and_then(ip);
        let mac = if gateway == Some(number) && self.world.on_cluster(self.id) {
            Some("02:00:0A:4D:00:01".to_owned())
        } else {
            self.world.answers_arp(Some(self.id), number)
        };
        if number == self.world.fixed.service {
            self.world.m_mut(self.id).probed = mac.is_none();
        }
        self.forget_neighbour(address);
        self.own_mut().neighbours.push((number, mac.clone().map(|m| m.to_lowercase())));
        mac.is_some()
    }

    fn read_file(&self, path: &str) -> Option<String> {
        self.world.m(self.id).files.get(path).map(ToString::to_string)
    }

    fn write_file(&mut self, path: &str, content: &str) {
        self.world.m_mut(self.id).files.rewrite(path, content);
    }

    fn remove_file(&mut self, path: &str) {
        self.world.m_mut(self.id).files.remove(path);
    }

    fn process(&self, subsystem: &str) -> Process {
        let m = self.world.m(self.id);
        let runs = match (subsystem, helper(subsystem)) {
            ("xcatd", _) if m.xcatd.is_none() && self.world.now_ms < m.xcatd_lingers_ms => {
                return Process::Stopping(PID);
            }
            ("xcatd", _) => m.xcatd.is_some(),
            (_, Some(helper)) => m.helpers[helper.index()],
            _ => self.own().subsystems.contains(subsystem),
        };
        if runs { Process::Active(PID) } else { Process::Inoperative }
    }

    fn start(&mut self, subsystem: &str) -> Option<u32> {
        match (subsystem, helper(subsystem)) {
            // Whether it comes up is its own affair.
            ("xcatd", _) => self.cost_ms += self.world.xcat(self.id, "xcatd", &["start"], &[]).cost_ms,
            (_, Some(helper)) => {
                let m = self.world.m_mut(self.id);
                m.helpers[helper.index()] = !m.helper_broken[helper.index()];
            }
            _ => drop(self.own_mut().subsystems.insert(subsystem.to_owned())),
        }
        Some(PID)
    }

    fn stop(&mut self, subsystem: &str, force: bool) {
        match (subsystem, helper(subsystem)) {
            ("xcatd", _) => {
                self.world.xcat(self.id, "xcatd", &["stop"], &[]);
                if force {
                    self.world.m_mut(self.id).xcatd_lingers_ms = 0;
                }
            }
            (_, Some(helper)) => self.world.m_mut(self.id).helpers[helper.index()] = false,
            _ => drop(self.own_mut().subsystems.remove(subsystem)),
        }
    }

    fn elapse(&mut self, ms: u64) {
        self.cost_ms += ms;
    }
}

impl nim::Backend for Host<'_> {
    fn nim(&self) -> &Nim {
        &self.own().nim
    }

    fn nim_mut(&mut self) -> &mut Nim {
        Arc::make_mut(&mut self.own_mut().nim)
    }

    fn host_name(&self) -> String {
        Kernel::host_name(self)
    }

    fn find(&self, path: &str) -> Option<Found> {
        let (files, path) = (&self.world.m(self.id).files, path.trim_end_matches('/'));
        if files.get(path).is_some() {
            return Some(Found::File);
        }
        files.under(&format!("{path}/")).next().map(|_| Found::Directory)
    }

    fn read_file(&self, path: &str) -> Option<String> {
        Kernel::read_file(self, path)
    }

    fn write_file(&mut self, path: &str, content: &str) {
        Kernel::write_file(self, path, content);
    }

    fn remove_file(&mut self, path: &str) {
        Kernel::remove_file(self, path);
    }

    fn nimesis(&self) -> bool {
        self.own().subsystems.contains("nimesis")
    }

    fn set_nimesis(&mut self, run: bool) {
        if run {
            self.own_mut().subsystems.insert("nimesis".to_owned());
        } else {
            self.own_mut().subsystems.remove("nimesis");
        }
    }

    fn xcat(&mut self, name: &str, args: &[&str]) -> Reply {
        let Ran { exit, stdout, stderr, hangs, .. } = self.world.xcat(self.id, name, args, &[]);
        Reply { stdout, stderr, exit, hangs }
    }

    fn tell(&mut self, host: &str, message: &Message) -> Option<i32> {
        let other = self.id.other();
        let there = self.world.alive(other) && self.world.on_cluster(other) && self.world.on_cluster(self.id);
        let named = *self.world.m(other).host_name == *host || self.world.fixed.pair.node(other).name == host;
        (there && named).then(|| nim::receive(message, &mut Host { world: self.world, id: other, cost_ms: 0 }))
    }

    fn elapse(&mut self, ms: u64) {
        self.cost_ms += ms;
    }
}

/// Words of a program call, and what it may cost.
fn plain(reply: Reply, cost_ms: u64) -> Ran {
    let Reply { stdout, stderr, exit, hangs } = reply;
    Ran { exit, stdout, stderr, cost_ms, hangs }
}

impl World {
    /// What a machine's NIM knows, where it runs AIX.
    pub fn nim(&self, id: NodeId) -> Option<&Nim> {
        self.m(id).aix.as_ref().map(|a| &*a.nim)
    }

    /// The same, to furnish and to break it.
    pub fn nim_mut(&mut self, id: NodeId) -> Option<&mut Nim> {
        self.m_mut(id).aix.as_mut().map(|a| Arc::make_mut(&mut a.nim))
    }

    /// What a machine keeps over a boot, where it runs AIX.
    pub fn odm(&self, id: NodeId) -> Option<&Odm> {
        self.m(id).aix.as_ref().map(|a| &*a.odm)
    }

    /// The same, to furnish and to break it.
    pub fn odm_mut(&mut self, id: NodeId) -> Option<&mut Odm> {
        self.m_mut(id).aix.as_mut().map(|a| Arc::make_mut(&mut a.odm))
    }

    /// A line of AIX' commands; `args` are shown apart by blanks.
    pub(super) fn native(&mut self, id: NodeId, line: &[&str]) -> Ran {
        let mut host = Host { world: self, id, cost_ms: 20 };
        let reply = aix::call(line[0], &line[1..], "", &mut host);
        let cost = host.cost_ms;
        if line[0].ends_with("mktcpip") || matches!(line[0], "chdev" | "chitab" | "mkitab") {
            self.wrote(Place::Node(id), line[0].rsplit('/').next().unwrap_or(line[0]), "");
        }
        plain(reply, cost)
    }

    fn managed(&mut self, id: NodeId, line: &[&str]) -> Ran {
        if matches!(line[0].rsplit('/').next(), Some("nimnodeset" | "mkdsklsnode")) {
            self.check_boot(id, line.last().copied().unwrap_or_default());
        }
        let mut host = Host { world: self, id, cost_ms: 20 };
        let reply = nim::call(line[0], &line[1..], &mut host);
        let cost = host.cost_ms;
        plain(reply, cost)
    }

    /// A call on a machine with AIX; `None`: not one of AIX' own.
    pub(super) fn on_aix(&mut self, id: NodeId, command: &Command) -> Option<Ran> {
        self.m(id).aix.as_ref()?;
        let argv: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        if nim::is_known(argv[0]) {
            return Some(self.managed(id, &argv));
        }
        if aix::is_known(argv[0]) {
            return Some(self.native(id, &argv));
        }
        match argv.as_slice() {
            ["who", "-b"] => {
                let n = self.m(id).boots;
                Some(Ran::ok(format!("   .        system boot Aug 05 {:02}:{:02} \n", n / 60 % 24, n % 60), 5))
            }
            ["perl", ..] if command.argv == words::clock().argv => {
                let now = self.now_ms.saturating_add_signed(self.m(id).clock_offset_ms);
                Some(Ran::ok(format!("{now}000000\n"), 10))
            }
            ["sh", "-c", script] => self.aix_line(id, script),
            ["sh", "-c", script, tag, rest @ ..] => self.aix_script(id, script, tag, rest),
            _ => None,
        }
    }

    fn aix_line(&mut self, id: NodeId, script: &str) -> Option<Ran> {
        if *script == words::cancel_xcatd().argv[2] {
            let m = self.m(id);
            if m.xcatd.is_none() && self.now_ms >= m.xcatd_lingers_ms {
                return Some(Ran::ok("", 20));
            }
            return Some(self.native(id, &["stopsrc", "-c", "-s", "xcatd"]));
        }
        // cron reads what the file has; here it never read anything else.
        (*script == words::crontab_again("").argv[2]).then(|| Ran::ok("", 20))
    }

    fn aix_script(&mut self, id: NodeId, script: &str, tag: &str, rest: &[&str]) -> Option<Ran> {
        let service = self.fixed.pair.service.clone();
        let same = |command: &Command| *script == command.argv[2];
        match (tag, rest) {
            ("arp-probe", [address, gateway]) if same(&words::arp_probe(&service, "")) => {
                Some(self.aix_probe(id, address, gateway))
            }
            ("announce", [gateway, count]) if same(&words::announce(&service, 0)) => {
                let count: u64 = count.parse().unwrap_or(1);
                let mut host = Host { world: self, id, cost_ms: 0 };
                let answered = gateway.parse().is_ok_and(|g| host.echo(g));
                if answered {
                    let service = self.fixed.service;
                    if self.holds(id, service) {
                        self.announced(id, service);
                    }
                }
                Some(Ran::ok("", count * 1_000).exit(i32::from(!answered)))
            }
            ("take-back", [known_hosts, _, _, _, address, interface, _, take, ..])
                if same(&words::take_back(&service, "", "", "", "", self.fixed.pair.node(id.other()))) =>
            {
                if ip(address).is_some_and(|a| self.holds(id, a)) {
                    return Some(Ran::ok("held\n", 20));
                }
                let answer = self.asked_elsewhere(id, address, known_hosts);
                if answer.exit != 0 || !answer.stdout.starts_with("silence") {
                    let exit = if answer.exit == 2 { 2 } else { 1 };
                    return Some(answer.exit(exit));
                }
                self.m_mut(id).probed = true;
                let taken = self.native(id, &take.split(' ').collect::<Vec<_>>());
                if taken.exit != 0 {
                    return Some(taken);
                }
                let at_boot = self.native(id, &["chdev", "-l", interface, "-a", "state=detach", "-P"]);
                Some(Ran { cost_ms: answer.cost_ms + taken.cost_ms + at_boot.cost_ms, ..at_boot })
            }
            ("network", []) if same(&words::network()) => Some(self.aix_network(id)),
            ("helper", [action, names @ ..])
                if same(&words::helper_control(workflows::vocabulary::Helper::Dns, "")) =>
            {
                let mut ran = Ran::ok("", 20);
                for name in names {
                    if self.odm(id)?.subsystems.iter().any(|s| s.name == *name) {
                        let program = if *action == "start" { "startsrc" } else { "stopsrc" };
                        let one = self.native(id, &[program, "-s", name]);
                        ran.cost_ms += one.cost_ms;
                        ran.stdout += &one.stdout;
                        ran.stderr += &one.stderr;
                        if *action == "start" {
                            break;
                        }
                    }
                }
                Some(ran)
            }
            ("inittab", [name, action]) if same(&words::inittab_action("", "")) => {
                let listed = self.native(id, &["lsitab", name]);
                if listed.exit != 0 {
                    return Some(Ran::ok("", 20));
                }
                let mut fields: Vec<&str> = listed.stdout.trim_end().split(':').collect();
                *fields.get_mut(2)? = action;
                let line = fields.join(":");
                Some(self.native(id, &["chitab", &line]))
            }
            ("nim-objects", [class]) if same(&nim_words::objects("")) => {
                let listed = self.managed(id, &["lsnim", "-c", class]);
                if listed.exit != 0 {
                    return Some(listed);
                }
                let mut all = Ran::ok("", 20);
                for name in listed.stdout.lines().filter_map(|l| l.split_whitespace().next()) {
                    all.stdout += &self.managed(id, &["lsnim", "-l", name]).stdout;
                }
                all.stdout += ":end\n";
                Some(all)
            }
            ("nim-takeover", []) => {
                let listed = self.managed(id, &["lsnim", "-t", "alternate_master"]);
                match listed.stdout.split_whitespace().next() {
                    Some(master) => Some(self.managed(id, &["nim", "-o", "takeover", master])),
                    None => Some(Ran::failed(1, "no alternate master is defined\n", 20)),
                }
            }
            ("exists", [path]) if same(&nim_words::exists("")) => {
                let host = Host { world: self, id, cost_ms: 0 };
                let there = nim::Backend::find(&host, path).is_some();
                Some(Ran::ok(if there { "there\n" } else { "gone\n" }, 5))
            }
            _ => None,
        }
    }

    fn aix_probe(&mut self, id: NodeId, address: &str, gateway: &str) -> Ran {
        let Some(number) = ip(address) else { return Ran::ok("deaf\n", 5).exit(2) };
        if self.holds(id, number) {
            return Ran::ok("own\n", 20);
        }
        let mut host = Host { world: self, id, cost_ms: 2_000 };
        let hears = gateway.parse().is_ok_and(|g| host.echo(g));
        host.echo(dotted(number));
        let seen = Kernel::neighbours(&host).into_iter().find(|n| n.address == dotted(number)).and_then(|n| n.mac);
        match seen {
            Some(mac) => Ran::ok(format!("answered {mac}\n"), 2_000).exit(1),
            None if hears => Ran::ok("silence\n", 4_000),
            None => {
                // Silence that proves nothing is no probe.
                self.m_mut(id).probed = false;
                Ran::ok("deaf\n", 4_000).exit(2)
            }
        }
    }

    /// The other machine is asked over ssh, by its addresses for administration, who answers for an address.
    fn asked_elsewhere(&mut self, id: NodeId, address: &str, known_hosts: &str) -> Ran {
        let other = id.other();
        let reached = self.alive(other) && !self.m(id).cut_admin && !self.m(other).cut_admin;
        if !reached || self.m(id).files.get(known_hosts).is_none() {
            return Ran::ok("nobody could be asked\n", 10_000).exit(2);
        }
        let gateway = self.fixed.pair.service.gateway.clone().unwrap_or_default();
        self.aix_probe(other, address, &gateway)
    }

    fn aix_network(&mut self, id: NodeId) -> Ran {
        let host = Host { world: self, id, cost_ms: 0 };
        let mut out = String::new();
        for interface in &host.odm().interfaces {
            for a in Kernel::addresses(&host, &interface.name) {
                out += &format!("inet {} {} 0x{:x}\n", interface.name, a.address, u32::from(a.mask()));
            }
        }
        if let Some(gateway) = host.gateway() {
            out += &format!("route default {gateway} {}\n", host.world.fixed.pair.node(id).interface);
        }
        out += &format!("host {}\n", Kernel::host_name(&host));
        Ran::ok(out, 50)
    }

    /// What `/etc/rc.net` does at boot.
    pub(super) fn boot_aix(&mut self, id: NodeId) {
        let Some(odm) = self.odm(id).cloned() else { return };
        let interface = self.fixed.pair.node(id).interface.clone();
        let now = odm.interfaces.iter().find(|i| i.name == interface && i.state != "detach").and_then(|i| i.address);
        let m = self.m_mut(id);
        m.extra = now.map(|a| u32::from(a.address)).into_iter().collect();
        m.host_name = odm.host_name.as_str().into();
        let table = m.files.get("/etc/inittab").map(ToString::to_string).unwrap_or_default();
        let lines = table.lines().filter(|l| l.split(':').nth(2).is_some_and(|a| a != "off"));
        let starts: Vec<String> =
            lines.filter_map(|l| l.split("startsrc -s ").nth(1)?.split(' ').next().map(str::to_owned)).collect();
        for subsystem in starts {
            Host { world: self, id, cost_ms: 0 }.start(&subsystem);
        }
    }
}
