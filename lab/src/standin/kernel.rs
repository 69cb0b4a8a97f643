//! An AIX practice host as AIX' commands see it: its network namespace, its processes, its files.

use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    aix::{Address, Kernel, Link, Neighbour, Odm, Process},
    hosts::{ODM, TOOLS},
    process::{poll, proc, terminate},
};

use super::{daemon, dhcpd, program, store::Store};

/// Numbers of the processes of subsystems, one file each; gone at a boot.
const RUN: &str = "/run/src";
/// How long a subsystem goes on after it was asked to stop.
const LINGER: Duration = Duration::from_millis(600);
/// Name of the stand-in for a subsystem that does nothing.
pub(super) const IDLE: &str = "src-idle";
/// Name of the stand-in that ends a subsystem after a while.
pub(super) const STOP: &str = "src-stop";

/// An [`Odm`] that may be absent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Kept(Odm);

impl Default for Kept {
    fn default() -> Self {
        Self(Odm::new("localhost", Vec::new(), None, "00000000000000000000000000000000"))
    }
}

/// The machine.
#[derive(Debug)]
pub(super) struct Host {
    odm: Store<Kept>,
}

/// A program of this machine's: standard output, if it exited 0.
fn tool(name: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(format!("{TOOLS}/usr/bin/{name}"))
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

fn ip(args: &[&str]) -> Option<String> {
    tool("ip", args)
}

/// What AIX calls `en1` is `eth0` here: the cluster's network; `en0` is `eth1`.
fn device(interface: &str) -> Option<&'static str> {
    match interface {
        "en1" => Some("eth0"),
        "en0" => Some("eth1"),
        _ => None,
    }
}

fn pid_file(subsystem: &str) -> String {
    format!("{RUN}/{subsystem}")
}

fn stopping(subsystem: &str) -> String {
    format!("{RUN}/{subsystem}.stopping")
}

/// The process of a subsystem, whatever it is called.
fn pid_of(subsystem: &str) -> Option<u32> {
    let own = || {
        let pid = fs::read_to_string(pid_file(subsystem)).ok()?.trim().parse::<i32>().ok()?;
        let line = fs::read(proc().join(format!("{pid}/cmdline"))).ok()?;
        line.starts_with(subsystem.as_bytes()).then_some(pid)
    };
    let pid = match subsystem {
        "xcatd" => daemon::running().or_else(own),
        "dhcpsd" => dhcpd::pid(),
        "sshd" => Some(1),
        _ => own(),
    };
    pid.and_then(|p| u32::try_from(p).ok())
}

impl Host {
    pub(super) fn open() -> Self {
        Self { odm: Store::open(ODM) }
    }

    pub(super) fn release(&mut self) {
        self.odm.release();
    }

    /// What `/etc/rc.net` does at boot.
    pub(super) fn configure(&mut self) {
        let odm = self.odm().clone();
        self.set_host_name(&odm.host_name);
        for interface in &odm.interfaces {
            self.set_link(&interface.name, interface.state == "up");
            if interface.state != "detach" {
                for (n, address) in interface.address.iter().chain(&interface.aliases).enumerate() {
                    self.add_address(&interface.name, *address, n == 0);
                }
            }
        }
        if let Some(gateway) = odm.gateways.first() {
            self.set_gateway(Some(*gateway));
        }
    }
}

/// Lives until it is killed.
pub(super) fn idle() -> i32 {
    loop {
        thread::park();
    }
}

/// Ends a subsystem after a while.
pub(super) fn end(args: &[String]) -> i32 {
    let Some(subsystem) = args.first() else { return 2 };
    thread::sleep(LINGER);
    kill(subsystem);
    let _ = fs::remove_file(stopping(subsystem));
    0
}

fn kill(subsystem: &str) {
    match subsystem {
        "xcatd" => daemon::stop(),
        "dhcpsd" => drop(dhcpd::control("stop")),
        _ => {}
    }
    if let Some(pid) = pid_of(subsystem).and_then(|p| i32::try_from(p).ok()).filter(|p| *p > 1) {
        terminate(pid);
        poll(Duration::from_secs(5), || pid_of(subsystem).is_none());
    }
}

impl Kernel for Host {
    fn odm(&self) -> &Odm {
        &self.odm.get().0
    }

    fn odm_mut(&mut self) -> &mut Odm {
        &mut self.odm.get_mut().0
    }

    fn host_name(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn set_host_name(&mut self, name: &str) {
        let _ = tool("hostname", &[name]);
    }

    fn addresses(&self, interface: &str) -> Vec<Address> {
        let Some(device) = device(interface) else { return Vec::new() };
        let shown = ip(&["-o", "-4", "addr", "show", "dev", device]).unwrap_or_default();
        let parse = |line: &str| {
            let (address, prefix) = line.split_whitespace().nth(3)?.split_once('/')?;
            Some(Address { address: address.parse().ok()?, prefix: prefix.parse().ok()? })
        };
        let mut found: Vec<Address> = shown.lines().filter_map(parse).collect();
        // Linux knows an order of age only; which one is the primary one is known here.
        let primary = self.odm().interfaces.iter().find(|i| i.name == interface).and_then(|i| i.address);
        found.sort_by_key(|a| Some(*a) != primary);
        found
    }

    fn add_address(&mut self, interface: &str, address: Address, _primary: bool) -> bool {
        let Some(device) = device(interface) else { return false };
        let text = format!("{}/{}", address.address, address.prefix);
        let done = ip(&["addr", "add", &text, "brd", "+", "dev", device]).is_some();
        // AIX announces an address when it takes it.
        let announced = Command::new(format!("{TOOLS}/usr/bin/arping"))
            .args(["-q", "-U", "-c", "1", "-w", "1", "-I", device, &address.address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        drop(announced);
        done
    }

    fn remove_address(&mut self, interface: &str, address: Ipv4Addr) -> bool {
        let Some(device) = device(interface) else { return false };
        let Some(found) = self.addresses(interface).into_iter().find(|a| a.address == address) else { return false };
        ip(&["addr", "del", &format!("{address}/{}", found.prefix), "dev", device]).is_some()
    }

    fn set_link(&mut self, interface: &str, up: bool) {
        if let Some(device) = device(interface) {
            let _ = ip(&["link", "set", device, if up { "up" } else { "down" }]);
        }
    }

    fn link(&self, interface: &str) -> Option<Link> {
        let shown = ip(&["-o", "link", "show", "dev", device(interface)?])?;
        let flags: Vec<&str> = shown.split(['<', '>']).nth(1)?.split(',').collect();
        let mut words = shown.split_whitespace().skip_while(|w| *w != "link/ether");
        let mac = words.nth(1)?.to_owned();
        Some(Link { mac, up: flags.contains(&"UP"), carrier: flags.contains(&"LOWER_UP") })
    }

    fn gateway(&self) -> Option<Ipv4Addr> {
        let shown = ip(&["-4", "route", "show", "default"])?;
        shown.split_whitespace().skip_while(|w| *w != "via").nth(1)?.parse().ok()
    }

    fn set_gateway(&mut self, gateway: Option<Ipv4Addr>) -> bool {
        match gateway {
            Some(gateway) => ip(&["route", "replace", "default", "via", &gateway.to_string()]).is_some(),
            None => ip(&["route", "del", "default"]).is_some(),
        }
    }

    fn neighbours(&self) -> Vec<Neighbour> {
        let shown = ip(&["-4", "neigh", "show"]).unwrap_or_default();
        let parse = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let mac = words.iter().position(|w| *w == "lladdr").and_then(|n| words.get(n + 1));
            let failed = matches!(words.last(), Some(&"FAILED" | &"INCOMPLETE"));
            let mac = mac.filter(|_| !failed).map(|m| (*m).to_owned());
            Some(Neighbour { address: words.first()?.parse().ok()?, mac })
        };
        shown.lines().filter_map(parse).collect()
    }

    fn forget_neighbour(&mut self, address: Ipv4Addr) -> bool {
        let known = self.neighbours().iter().any(|n| n.address == address);
        for device in ["eth0", "eth1"] {
            let _ = ip(&["neigh", "del", &address.to_string(), "dev", device]);
        }
        known
    }

    /// A machine of this practice cluster that answers ARP answers an echo too: nobody filters here.
    fn echo(&mut self, address: Ipv4Addr) -> bool {
        let own = self.odm().interfaces.iter().any(|i| self.addresses(&i.name).iter().any(|a| a.address == address));
        if own {
            return true;
        }
        let sent = UdpSocket::bind(("0.0.0.0", 0)).and_then(|socket| socket.send_to(&[0], (address, 9)));
        sent.is_ok()
            && poll(Duration::from_millis(1_200), || {
                self.neighbours().iter().any(|n| n.address == address && n.mac.is_some())
            })
    }

    fn read_file(&self, path: &str) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    fn write_file(&mut self, path: &str, content: &str) {
        super::node::write(path, content);
    }

    fn remove_file(&mut self, path: &str) {
        let _ = fs::remove_file(path);
    }

    fn process(&self, subsystem: &str) -> Process {
        match pid_of(subsystem) {
            None => Process::Inoperative,
            Some(pid) if Path::new(&stopping(subsystem)).exists() => Process::Stopping(pid),
            Some(pid) => Process::Active(pid),
        }
    }

    fn start(&mut self, subsystem: &str) -> Option<u32> {
        let _ = fs::create_dir_all(RUN);
        let _ = fs::remove_file(stopping(subsystem));
        let args: &[&str] = match subsystem {
            // Its init script: says nothing until the database answers, and never gives up.
            "xcatd" => &["xcatd", "start"],
            "dhcpsd" => &["dhcpd", "start"],
            _ => &[IDLE],
        };
        let child = program::spawn(subsystem, args, Stdio::null(), Stdio::null()).ok()?;
        let _ = fs::write(pid_file(subsystem), format!("{}\n", child.id()));
        let first = child.id();
        // The number of the daemon itself where it comes up at once.
        poll(Duration::from_millis(700), || pid_of(subsystem).is_some_and(|p| p != first) || args == [IDLE]);
        Some(pid_of(subsystem).unwrap_or(first))
    }

    fn stop(&mut self, subsystem: &str, force: bool) {
        if subsystem == "sshd" {
            return;
        }
        if force {
            kill(subsystem);
            return;
        }
        let _ = fs::write(stopping(subsystem), "");
        let _ = program::spawn("srcmstr: stop", &[STOP, subsystem], Stdio::null(), Stdio::null());
    }

    fn elapse(&mut self, ms: u64) {
        self.odm.elapse(ms);
    }
}
