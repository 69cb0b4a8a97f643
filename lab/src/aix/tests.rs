//! Golden texts, exit codes, and what the machine is like afterwards.

use std::collections::BTreeMap;

use super::*;

/// A machine in memory.
struct Memory {
    odm: Odm,
    host_name: String,
    addresses: Vec<Address>,
    gateway: Option<Ipv4Addr>,
    up: bool,
    others: Vec<Ipv4Addr>,
    asked: Vec<Ipv4Addr>,
    files: BTreeMap<String, String>,
    running: BTreeMap<String, (u32, bool)>,
    ms: u64,
}

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn at(text: &str) -> Address {
    Address { address: ip(text), prefix: 26 }
}

impl Default for Memory {
    fn default() -> Self {
        let own = at("9.114.47.104");
        let interface = Interface { name: "en1".into(), address: Some(own), aliases: Vec::new(), state: "up".into() };
        let mut odm = Odm::new("aixmn2", vec![interface], Some(ip("9.114.47.65")), "0fe1ce4c2a3b11d4a8f0c0ffee000002");
        odm.volume_groups[1].reserved = true;
        odm.volume_groups[1].active = false;
        Self {
            odm,
            host_name: "aixmn2".into(),
            addresses: vec![own],
            gateway: Some(ip("9.114.47.65")),
            up: true,
            others: vec![ip("9.114.47.126")],
            asked: Vec::new(),
            files: BTreeMap::from([
                ("/etc/hosts".into(), "127.0.0.1 loopback localhost\n9.114.47.103 aixmn1.cluster aixmn1 # mn\n".into()),
                (
                    "/etc/inittab".into(),
                    ": a comment\ninit:2:initdefault:\nxcatd:2:once:startsrc -s xcatd >/dev/console 2>&1\n".into(),
                ),
                ("/var/spool/cron/crontabs/root".into(), "0 2 * * * /usr/bin/rsync -az /install aixmn2:/\n".into()),
            ]),
            running: BTreeMap::new(),
            ms: 0,
        }
    }
}

impl Kernel for Memory {
    fn odm(&self) -> &Odm {
        &self.odm
    }

    fn odm_mut(&mut self) -> &mut Odm {
        &mut self.odm
    }

    fn host_name(&self) -> String {
        self.host_name.clone()
    }

    fn set_host_name(&mut self, name: &str) {
        self.host_name = name.into();
    }

    fn addresses(&self, interface: &str) -> Vec<Address> {
        if interface == "en1" { self.addresses.clone() } else { Vec::new() }
    }

    fn add_address(&mut self, interface: &str, address: Address, primary: bool) -> bool {
        self.addresses.insert(if primary { 0 } else { self.addresses.len() }, address);
        interface == "en1"
    }

    fn remove_address(&mut self, _: &str, address: Ipv4Addr) -> bool {
        let before = self.addresses.len();
        self.addresses.retain(|a| a.address != address);
        self.addresses.len() < before
    }

    fn set_link(&mut self, _: &str, up: bool) {
        self.up = up;
    }

    fn link(&self, interface: &str) -> Option<Link> {
        (interface == "en1").then(|| Link { mac: "02:00:0a:4d:00:0c".into(), up: self.up, carrier: self.up })
    }

    fn gateway(&self) -> Option<Ipv4Addr> {
        self.gateway
    }

    fn set_gateway(&mut self, gateway: Option<Ipv4Addr>) -> bool {
        self.gateway = gateway;
        true
    }

    fn neighbours(&self) -> Vec<Neighbour> {
        let mac = |a: &Ipv4Addr| self.others.contains(a).then(|| "02:00:0a:4d:00:01".to_owned());
        self.asked.iter().map(|a| Neighbour { address: *a, mac: mac(a) }).collect()
    }

    fn forget_neighbour(&mut self, address: Ipv4Addr) -> bool {
        let before = self.asked.len();
        self.asked.retain(|a| *a != address);
        self.asked.len() < before
    }

    fn echo(&mut self, address: Ipv4Addr) -> bool {
        self.asked.push(address);
        self.others.contains(&address)
    }

    fn read_file(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }

    fn write_file(&mut self, path: &str, content: &str) {
        self.files.insert(path.into(), content.into());
    }

    fn remove_file(&mut self, path: &str) {
        self.files.remove(path);
    }

    fn process(&self, subsystem: &str) -> Process {
        match self.running.get(subsystem) {
            None => Process::Inoperative,
            Some((pid, false)) => Process::Active(*pid),
            Some((pid, true)) => Process::Stopping(*pid),
        }
    }

    fn start(&mut self, subsystem: &str) -> Option<u32> {
        let pid = 4_653_102 + self.running.len() as u32;
        self.running.insert(subsystem.into(), (pid, false));
        Some(pid)
    }

    fn stop(&mut self, subsystem: &str, force: bool) {
        if force {
            self.running.remove(subsystem);
        } else if let Some(process) = self.running.get_mut(subsystem) {
            process.1 = true;
        }
    }

    fn elapse(&mut self, ms: u64) {
        self.ms += ms;
    }
}

/// One line a call: the command, then what it gave, framed for golden files.
fn played(memory: &mut Memory, lines: &[&str]) -> String {
    lines.iter().fold(String::new(), |text, line| {
        let words: Vec<&str> = line.split(' ').collect();
        let reply = call(words[0], &words[1..], "", memory);
        text + &format!("$ {line}\n{}{}[{}]\n", reply.stdout, reply.stderr, reply.exit)
    })
}

fn reply(memory: &mut Memory, line: &str) -> Reply {
    let words: Vec<&str> = line.split(' ').collect();
    call(words[0], &words[1..], "", memory)
}

const MKTCPIP: &str = "/usr/sbin/mktcpip -haixmn1 -a9.114.47.103 -m255.255.255.192 -ien1 -g9.114.47.126 -Ano -tN/A";

#[test]
fn golden_texts() {
    let mut memory = Memory::default();
    insta::assert_snapshot!(
        "looking",
        played(
            &mut memory,
            &[
                "uname",
                "uname -s",
                "uname -n",
                "uname -vr",
                "uname -a",
                "uname -M",
                "uname -m",
                "uname -u",
                "uname -f",
                "oslevel",
                "oslevel -r",
                "oslevel -s",
                "hostname",
                "host aixmn1",
                "host 9.114.47.103",
                "host nobody",
                "ifconfig en1",
                "ifconfig en9",
                "netstat -in",
                "netstat -rn",
                "ping -c 1 -w 2 9.114.47.126",
                "ping -c 1 -w 2 9.114.47.103",
                "arp -an",
                "arp -d 9.114.47.103",
                "entstat -d en1",
                "entstat en9",
                "lsattr -El inet0 -a hostname",
                "lsattr -El inet0 -a route -F value",
                "lsattr -El en1",
                "lsattr -El en9",
                "lsattr -El en1 -a nothing",
                "lsattr -El sys0 -a systemid",
                "lsvg",
                "lsvg -o",
                "lsvg xcatvg",
                "lsvg datavg",
                "varyonvg xcatvg",
                "varyoffvg rootvg",
                "lsitab xcatd",
                "lsitab nobody",
                "crontab -l",
                "crontab -l postgres",
                "nonsense",
            ],
        )
    );
    insta::assert_snapshot!(
        "subsystems",
        played(
            &mut memory,
            &[
                "lssrc -s xcatd",
                "lssrc -s nobody",
                "lssrc -g tcpip",
                "startsrc -s xcatd",
                "startsrc -s xcatd",
                "lssrc -s xcatd",
                "refresh -s xcatd",
                "stopsrc -s xcatd",
                "lssrc -s xcatd",
                "stopsrc -f -s xcatd",
                "stopsrc -s xcatd",
                "startsrc",
            ],
        )
    );
    insta::assert_snapshot!(
        "changing",
        played(
            &mut memory,
            &[
                MKTCPIP,
                "mktcpip -h aixmn1",
                "mktcpip -h aixmn1 -a 9.114.47 -i en1",
                "mktcpip -h aixmn1 -a 9.114.47.103 -i en7",
                "mktcpip -h aixmn1 -a 9.114.47.103 -i en1 -m 255.0.255.0",
                "chdev -l inet0 -a hostname=aixmn2",
                "chdev -l en1 -a netaddr=9.114.47.104 -a netmask=255.255.255.192 -a state=up",
                "chdev -l en1 -a netaddr=here",
                "chdev -l en9 -a state=up",
                "ifconfig en1 alias 9.114.47.105 netmask 255.255.255.192",
                "ifconfig en1",
                "ifconfig en1 delete 9.114.47.105",
                "ifconfig en1 delete 9.114.47.105",
                "mkitab hamn:2:once:/bin/true",
                "mkitab hamn:2:once:/bin/true",
                "chitab xcatd:2:off:startsrc -s xcatd",
                "lsitab -a",
                "rmitab hamn",
                "rmitab hamn",
            ],
        )
    );
}

#[test]
fn mktcpip_changes_the_running_machine_and_what_it_keeps() {
    let mut memory = Memory::default();
    assert_eq!(reply(&mut memory, MKTCPIP).exit, 0);
    assert_eq!((memory.host_name.as_str(), memory.odm.host_name.as_str()), ("aixmn1", "aixmn1"));
    assert_eq!(memory.addresses, [at("9.114.47.103")], "the former address is gone");
    assert_eq!(memory.odm.interfaces[0].address, Some(at("9.114.47.103")));
    assert_eq!((memory.gateway, memory.odm.gateways.clone()), (Some(ip("9.114.47.126")), vec![ip("9.114.47.126")]));
    assert!(
        memory.files["/etc/hosts"].contains("9.114.47.103\taixmn1 aixmn1.cluster\n"),
        "{}",
        memory.files["/etc/hosts"]
    );
    // Once more: nothing moves.
    let before = memory.addresses.clone();
    assert_eq!(reply(&mut memory, MKTCPIP).exit, 0);
    assert_eq!(memory.addresses, before);
}

#[test]
fn mktcpip_with_bad_arguments_changes_nothing() {
    for line in [
        "mktcpip",
        "mktcpip -h aixmn1 -i en1",
        "mktcpip -h aixmn1 -a 9.114.47.103 -i en9",
        "mktcpip -h aixmn1 -a 9.114.47.1x -i en1",
        "mktcpip -h aixmn1 -a 9.114.47.103 -i en1 -m 255.255.0.255",
        "mktcpip -h aixmn1 -a 9.114.47.103 -i en1 -g gate",
        "mktcpip -h aixmn1 -a 9.114.47.103 -i en1 -Q",
    ] {
        let (mut memory, fresh) = (Memory::default(), Memory::default());
        assert_eq!(reply(&mut memory, line).exit, 1, "{line}");
        assert_eq!(
            (memory.odm, memory.addresses, memory.host_name),
            (fresh.odm, fresh.addresses, fresh.host_name),
            "{line}"
        );
    }
}

#[test]
fn mktcpip_may_stop_half_way() {
    let mut memory = Memory::default();
    memory.odm.knobs.mktcpip_half = true;
    assert_eq!(reply(&mut memory, MKTCPIP).exit, 1);
    assert_eq!((memory.host_name.as_str(), memory.addresses.as_slice()), ("aixmn1", [at("9.114.47.104")].as_slice()));
}

#[test]
fn t48_a_stop_is_accepted_before_it_happens() {
    let mut memory = Memory::default();
    reply(&mut memory, "startsrc -s xcatd");
    assert_eq!(reply(&mut memory, "stopsrc -s xcatd").exit, 0);
    assert!(matches!(memory.process("xcatd"), Process::Stopping(_)));
    memory.odm.knobs.stop_hangs = vec!["nimesis".into()];
    reply(&mut memory, "startsrc -s nimesis");
    assert_eq!(reply(&mut memory, "stopsrc -s nimesis").exit, 0);
    assert!(matches!(memory.process("nimesis"), Process::Active(_)), "for ever");
    memory.odm.knobs.start_dies = vec!["conserver".into()];
    let started = reply(&mut memory, "startsrc -s conserver");
    assert!(started.exit == 0 && started.stdout.starts_with("0513-059"), "{started:?}");
    assert_eq!(memory.process("conserver"), Process::Inoperative);
}

#[test]
fn t53_force_takes_disks_that_another_machine_holds() {
    let mut memory = Memory::default();
    assert_eq!(reply(&mut memory, "varyonvg xcatvg").exit, 1);
    assert!(!memory.odm.volume_groups[1].active);
    assert_eq!(reply(&mut memory, "varyonvg -f xcatvg").exit, 0);
    assert!(memory.odm.volume_groups[1].active);
}

#[test]
fn only_the_database_is_changed_by_chdev_p() {
    let mut memory = Memory::default();
    assert_eq!(reply(&mut memory, "chdev -l en1 -a netaddr=9.114.47.110 -P").exit, 0);
    assert_eq!(memory.addresses, [at("9.114.47.104")]);
    assert_eq!(memory.odm.interfaces[0].address.map(|a| a.address), Some(ip("9.114.47.110")));
}

#[test]
fn every_program_has_its_path_and_answers_under_it() {
    for (name, path) in PROGRAMS {
        assert!(is_known(name) && is_known(path), "{name}");
        assert!(is_known(path.strip_prefix("/usr").unwrap()), "{path}");
        assert_ne!(call(path, &[], "", &mut Memory::default()).exit, 127, "{name}");
    }
    assert!(!is_known("/usr/local/bin/mktcpip"));
}
