//! AIX' commands as a pure core: name and arguments in; texts, exit code out. What a machine keeps over a boot is [`Odm`]; what
//! runs is behind [`Kernel`], so that the simulated pair and the practice hosts answer alike.
//!
//! There is no AIX here. Each text carries its grade where it is made: *documented* (IBM's public manuals), *captured* (seen in public
//! logs), *memory* (as people remember it; the shape may differ in blanks), *inference*. What is uncertain and matters is a knob of [`Knobs`].

mod devices;
mod mktcpip;
mod network;
mod schedule;
mod show;
mod src;
#[cfg(test)]
mod tests;
mod volume;

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::xcat::Reply;

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of its network's prefix.
    pub prefix: u8,
}

impl Address {
    /// The mask.
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from(bits(self.prefix))
    }

    /// The network.
    pub fn network(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) & bits(self.prefix))
    }

    /// The broadcast address.
    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) | !bits(self.prefix))
    }
}

fn bits(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

/// Length of the prefix of a mask, dotted or as `0x…`; `None` for one with holes.
fn prefix_of(mask: &str) -> Option<u8> {
    let bits = match mask.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => u32::from(mask.parse::<Ipv4Addr>().ok()?),
    };
    (bits.leading_ones() == bits.count_ones()).then(|| bits.leading_ones() as u8)
}

/// A network interface as the object data manager has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// `en0`, `en1`.
    pub name: String,
    /// Address at boot.
    pub address: Option<Address>,
    /// Further addresses at boot (`alias4`).
    pub aliases: Vec<Address>,
    /// `state`: `up`, `down` or `detach`.
    pub state: String,
}

/// A subsystem of the system resource controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subsystem {
    /// Name.
    pub name: String,
    /// Group; may be empty.
    pub group: String,
}

/// A volume group that is imported.
#[allow(clippy::struct_excessive_bools, reason = "independent switches")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeGroup {
    /// Name.
    pub name: String,
    /// Whether it is varied on.
    pub active: bool,
    /// Whether it is varied on at boot.
    pub at_boot: bool,
    /// A file system of it is mounted: it cannot be varied off.
    pub busy: bool,
    /// Another machine holds the reservation of its disks (trap 53).
    pub reserved: bool,
}

/// What nobody could verify, and what goes wrong on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Knobs {
    /// `mktcpip` sets the host name and then fails at the interface: exit 1, the machine is half renamed. *inference*: it is a script of
    /// several commands, and any of them may fail.
    pub mktcpip_half: bool,
    /// `mktcpip` keeps the former default route beside the new one. *memory*: `inet0` holds several routes; the published procedure
    /// sets the gateway that is there already.
    pub mktcpip_keeps_routes: bool,
    /// `startsrc` says that it started a subsystem that ends at once. *documented*: SRC reports the fork, not the daemon's fate.
    pub start_dies: Vec<String>,
    /// `stopsrc` without `-f` is accepted and the subsystem never ends. *documented*: a normal stop waits for the subsystem.
    pub stop_hangs: Vec<String>,
}

/// What a machine keeps over a boot: the object data manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Odm {
    /// `inet0`, attribute `hostname`.
    pub host_name: String,
    /// `inet0`, attribute `route`: default gateways, the first one in use.
    pub gateways: Vec<Ipv4Addr>,
    /// Network interfaces, in order.
    pub interfaces: Vec<Interface>,
    /// What `uname -m` prints, twelve hexadecimal digits. Several partitions of one machine share it.
    pub machine: String,
    /// What `uname -f` prints, 32 hexadecimal digits, unique to the partition.
    pub partition: String,
    /// `systemid` of `sys0`: `IBM,0210ABCDE`.
    pub system: String,
    /// Model: `IBM,8203-E4A`.
    pub model: String,
    /// What `oslevel -s` prints: `6100-05-01-1016`.
    pub level: String,
    /// Subsystems, in the order of `lssrc -a`.
    pub subsystems: Vec<Subsystem>,
    /// Volume groups.
    pub volume_groups: Vec<VolumeGroup>,
    /// Knobs.
    pub knobs: Knobs,
}

impl Odm {
    /// A management node: `en1` faces the cluster, as in the published procedure.
    pub fn new(host_name: &str, interfaces: Vec<Interface>, gateway: Option<Ipv4Addr>, partition: &str) -> Self {
        const SUBSYSTEMS: &[(&str, &str)] = &[
            ("syslogd", "ras"),
            ("inetd", "tcpip"),
            ("sshd", "ssh"),
            ("named", "tcpip"),
            ("dhcpsd", "tcpip"),
            ("xntpd", "tcpip"),
            ("nfsd", "nfs"),
            ("nimesis", "nim"),
            ("nimsh", "nimclient"),
            ("conserver", ""),
            ("xcatd", "xcat"),
        ];
        let subsystem = |(name, group): &(&str, &str)| Subsystem { name: (*name).into(), group: (*group).into() };
        let group = |name: &str| VolumeGroup {
            name: name.into(),
            active: true,
            at_boot: true,
            busy: name == "rootvg",
            reserved: false,
        };
        let digits = |range: std::ops::Range<usize>| partition.get(range).unwrap_or("0").to_uppercase();
        Self {
            host_name: host_name.into(),
            gateways: gateway.into_iter().collect(),
            interfaces,
            machine: format!("00{}4C00", digits(0..6)),
            partition: partition.into(),
            system: format!("IBM,0210{}", digits(0..5)),
            model: "IBM,8203-E4A".into(),
            level: "6100-05-01-1016".into(),
            subsystems: SUBSYSTEMS.iter().map(subsystem).collect(),
            volume_groups: ["rootvg", "xcatvg"].map(group).to_vec(),
            knobs: Knobs::default(),
        }
    }

    fn interface(&mut self, name: &str) -> Option<&mut Interface> {
        self.interfaces.iter_mut().find(|i| i.name == name)
    }
}

/// State of a subsystem's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// There is none.
    Inoperative,
    /// It runs under that number.
    Active(u32),
    /// It was asked to stop and still runs.
    Stopping(u32),
}

/// An interface's link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Hardware address, `02:00:0a:4d:00:0c`.
    pub mac: String,
    /// Whether the interface is up.
    pub up: bool,
    /// Whether there is a carrier.
    pub carrier: bool,
}

/// A neighbour that the kernel knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Address.
    pub address: Ipv4Addr,
    /// Hardware address; `None`: it does not answer.
    pub mac: Option<String>,
}

/// The running machine.
pub trait Kernel {
    /// What it keeps over a boot.
    fn odm(&self) -> &Odm;

    /// As [`Self::odm`], to change.
    fn odm_mut(&mut self) -> &mut Odm;

    /// Host name now.
    fn host_name(&self) -> String;

    /// Sets it until the next boot.
    fn set_host_name(&mut self, name: &str);

    /// Addresses that an interface has now, the primary one first.
    fn addresses(&self, interface: &str) -> Vec<Address>;

    /// Gives an interface an address, as its primary one or as an alias, and announces it; whether that could be done.
    fn add_address(&mut self, interface: &str, address: Address, primary: bool) -> bool;

    /// Takes an address away; whether it was there. Others of its network stay.
    fn remove_address(&mut self, interface: &str, address: Ipv4Addr) -> bool;

    /// An alias becomes the primary address.
    fn make_primary(&mut self, interface: &str, address: Address) {
        self.remove_address(interface, address.address);
        self.set_link(interface, true);
        self.add_address(interface, address, true);
    }

    /// Switches an interface on or off.
    fn set_link(&mut self, interface: &str, up: bool);

    /// Link of an interface; `None`: there is no such interface.
    fn link(&self, interface: &str) -> Option<Link>;

    /// The default route in use.
    fn gateway(&self) -> Option<Ipv4Addr>;

    /// Sets it, or takes it away; whether that could be done.
    fn set_gateway(&mut self, gateway: Option<Ipv4Addr>) -> bool;

    /// The ARP table.
    fn neighbours(&self) -> Vec<Neighbour>;

    /// Takes a neighbour out of the ARP table; whether it was there.
    fn forget_neighbour(&mut self, address: Ipv4Addr) -> bool;

    /// Asks a machine for an echo; whether it came. Fills the ARP table.
    fn echo(&mut self, address: Ipv4Addr) -> bool;

    /// Content of a file.
    fn read_file(&self, path: &str) -> Option<String>;

    /// Writes a file.
    fn write_file(&mut self, path: &str, content: &str);

    /// Takes a file away.
    fn remove_file(&mut self, path: &str);

    /// State of a subsystem.
    fn process(&self, subsystem: &str) -> Process;

    /// Starts a subsystem; the number of its process. `None`: there is no program.
    fn start(&mut self, subsystem: &str) -> Option<u32>;

    /// Asks a subsystem to stop and does not wait (trap 48).
    fn stop(&mut self, subsystem: &str, force: bool);

    /// Time passes in the command, milliseconds.
    fn elapse(&mut self, ms: u64);
}

/// The names, with the paths that they have on AIX.
pub const PROGRAMS: &[(&str, &str)] = &[
    ("arp", "/usr/sbin/arp"),
    ("chdev", "/usr/sbin/chdev"),
    ("chitab", "/usr/sbin/chitab"),
    ("crontab", "/usr/bin/crontab"),
    ("entstat", "/usr/bin/entstat"),
    ("host", "/usr/bin/host"),
    ("hostname", "/usr/bin/hostname"),
    ("ifconfig", "/usr/sbin/ifconfig"),
    ("lsattr", "/usr/sbin/lsattr"),
    ("lsitab", "/usr/sbin/lsitab"),
    ("lssrc", "/usr/bin/lssrc"),
    ("lsvg", "/usr/sbin/lsvg"),
    ("mkitab", "/usr/sbin/mkitab"),
    ("mktcpip", "/usr/sbin/mktcpip"),
    ("netstat", "/usr/bin/netstat"),
    ("oslevel", "/usr/bin/oslevel"),
    ("ping", "/usr/sbin/ping"),
    ("refresh", "/usr/bin/refresh"),
    ("rmitab", "/usr/sbin/rmitab"),
    ("startsrc", "/usr/bin/startsrc"),
    ("stopsrc", "/usr/bin/stopsrc"),
    ("uname", "/usr/bin/uname"),
    ("varyoffvg", "/usr/sbin/varyoffvg"),
    ("varyonvg", "/usr/sbin/varyonvg"),
];

/// Whether there is such a command. `program` is a name or the path that it has.
pub fn is_known(program: &str) -> bool {
    name_of(program).is_some()
}

fn name_of(program: &str) -> Option<&'static str> {
    PROGRAMS
        .iter()
        .find(|(name, path)| program == *name || program == *path || alias(path).is_some_and(|p| p == program))
        .map(|(name, _)| *name)
}

/// `/bin` and `/sbin` lead to `/usr/bin` and `/usr/sbin`, at least for these.
fn alias(path: &str) -> Option<&str> {
    path.strip_prefix("/usr")
}

/// Does what the command does, as root; `stdin` matters to `crontab` only. Unknown names exit 127.
pub fn call(program: &str, args: &[&str], stdin: &str, kernel: &mut dyn Kernel) -> Reply {
    let Some(name) = name_of(program) else {
        return Reply::failed(127, "", format!("ksh: {program}:  not found.\n"));
    };
    match name {
        "arp" => network::arp(args, kernel),
        "chdev" => devices::chdev(args, kernel),
        "chitab" => schedule::chitab(args, kernel),
        "crontab" => schedule::crontab(args, stdin, kernel),
        "entstat" => show::entstat(args, kernel),
        "host" => network::host(args, kernel),
        "hostname" => network::hostname(args, kernel),
        "ifconfig" => network::ifconfig(args, kernel),
        "lsattr" => devices::lsattr(args, kernel),
        "lsitab" => schedule::lsitab(args, kernel),
        "lssrc" => src::lssrc(args, kernel),
        "lsvg" => volume::lsvg(args, kernel),
        "mkitab" => schedule::mkitab(args, kernel),
        "mktcpip" => mktcpip::mktcpip(args, kernel),
        "netstat" => show::netstat(args, kernel),
        "oslevel" => oslevel(args, kernel),
        "ping" => network::ping(args, kernel),
        "refresh" => src::refresh(args, kernel),
        "rmitab" => schedule::rmitab(args, kernel),
        "startsrc" => src::startsrc(args, kernel),
        "stopsrc" => src::stopsrc(args, kernel),
        "uname" => uname(args, kernel),
        "varyoffvg" => volume::varyoffvg(args, kernel),
        _ => volume::varyonvg(args, kernel),
    }
}

/// Options with their values, and the other words.
type Parsed<'a> = (Vec<(char, &'a str)>, Vec<&'a str>);

/// Letters of options, and the words that are none. `with` names the letters that take a value; they may be glued together (`-hmn1`).
/// `Err`: an option that is neither in `with` nor in `alone`, or one without its value.
fn options<'a>(args: &[&'a str], with: &str, alone: &str) -> Result<Parsed<'a>, char> {
    let (mut found, mut words) = (Vec::new(), Vec::new());
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        let Some(mut letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            words.push(arg);
            continue;
        };
        while let Some(letter) = letters.chars().next() {
            letters = &letters[letter.len_utf8()..];
            if with.contains(letter) {
                let value = if letters.is_empty() { args.next().ok_or(letter)? } else { letters };
                found.push((letter, value));
                break;
            }
            if !alone.contains(letter) {
                return Err(letter);
            }
            found.push((letter, ""));
        }
    }
    Ok((found, words))
}

fn value<'a>(found: &[(char, &'a str)], letter: char) -> Option<&'a str> {
    found.iter().rev().find(|(l, _)| *l == letter).map(|(_, v)| *v)
}

fn has(found: &[(char, &str)], letter: char) -> bool {
    value(found, letter).is_some()
}

/// `uname`. *documented*: `-f` is unique to the partition, `-F` to the machine, `-m` begins and ends with `00`.
fn uname(args: &[&str], kernel: &dyn Kernel) -> Reply {
    const ORDER: &str = "snrvm";
    let odm = kernel.odm();
    let (version, release) = odm.level.split_at_checked(1).map_or(("6", "1"), |(v, rest)| (v, &rest[..1]));
    let Ok((found, _)) = options(args, "", "amnprsvlLMuxTfFS") else {
        return Reply::failed(2, "", "Usage: uname [-aAfFlLmMnprsTuvx] [-S Name] [-T Name]\n");
    };
    let one = |letter: char| match letter {
        'n' => kernel.host_name(),
        'r' => release.into(),
        'v' => version.into(),
        'm' => odm.machine.clone(),
        'M' => odm.model.clone(),
        'u' => odm.system.replacen("0210", "03", 1),
        'p' => "powerpc".into(),
        'f' => odm.partition.clone(),
        'F' => odm.partition.chars().rev().collect(),
        'l' => "2685079552".into(),
        'L' => "1 NULL".into(),
        _ => "AIX".into(),
    };
    let words: Vec<String> = match found.as_slice() {
        [] => vec![one('s')],
        _ if has(&found, 'a') => ORDER.chars().map(one).collect(),
        // Several options come out in an order of their own.
        _ => {
            let mut letters: Vec<char> = found.iter().map(|(l, _)| *l).collect();
            letters.sort_by_key(|l| ORDER.find(*l).unwrap_or(ORDER.len()));
            letters.dedup();
            letters.into_iter().map(one).collect()
        }
    };
    Reply::ok(words.join(" ") + "\n")
}

/// `oslevel`, `oslevel -r`, `oslevel -s`: `6.1.0.0`, `6100-05`, `6100-05-01-1016`. *documented*.
fn oslevel(args: &[&str], kernel: &dyn Kernel) -> Reply {
    let level = &kernel.odm().level;
    let Ok((found, _)) = options(args, "", "rs") else {
        return Reply::failed(1, "", "Usage: oslevel [-l level] [-g|-q] [-r] [-s] [-f]\n");
    };
    let text = if has(&found, 's') {
        level.clone()
    } else if has(&found, 'r') {
        level.splitn(3, '-').take(2).collect::<Vec<_>>().join("-")
    } else {
        let mut digits = level.chars();
        let mut digit = || digits.next().unwrap_or('0');
        format!("{}.{}.0.0", digit(), digit())
    };
    Reply::ok(text + "\n")
}
