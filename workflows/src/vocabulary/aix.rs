//! Program calls on AIX: no procfs, no `date +%N`, no arping, no systemd, root's home is `/`. Texts are those of AIX 6.1 and 7.1. No
//! AIX machine was at hand: what is not from IBM's documentation or from xCAT's own use of the command says *from memory*.

use crate::{
    model::{Node, Pair, Service, Xcat},
    script::Command,
    vocabulary::{self, Helper},
};

/// Identity of the partition, unique to it: hexadecimal digits on one line (documented).
pub fn machine_id() -> Command {
    Command::new(["uname", "-f"])
}

/// When the machine was booted, from utmp: `   .        system boot Aug 05 20:33 `. It survives changes of the clock. Its resolution is a
/// minute, and a partition needs longer than that for its firmware alone; only a clock set back between two boots could hide one.
pub fn boot_id() -> Command {
    Command::new(["who", "-b"])
}

/// Clock: nanoseconds since 1970, of microseconds. perl is there because xCAT is written in it.
pub fn clock() -> Command {
    const PROGRAM: &str = "my ($s, $u) = gettimeofday(); printf(\"%d%06d000\\n\", $s, $u);";
    Command::new(["perl", "-MTime::HiRes=gettimeofday", "-e", PROGRAM])
}

/// IPv4 addresses: a line `en1: flags=…` an interface, below it lines `\tinet 9.114.47.103 netmask 0xffffffc0 broadcast 9.114.47.127`.
pub fn addresses() -> Command {
    Command::new(["ifconfig", "-a"])
}

/// Network mask of a prefix length, in dots.
pub fn netmask(prefix: u8) -> String {
    let bits = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    std::net::Ipv4Addr::from(bits).to_string()
}

/// Gives an interface an address and the machine a host name and a default route, in place of the former ones, at once and in the ODM
/// (it survives a boot: see [`transient`]). Cuts every connection through that interface. Can be repeated.
pub fn mktcpip(service: &Service, interface: &str, host_name: &str, address: &str) -> Command {
    let mask = netmask(service.prefix);
    let mut argv: Vec<&str> = vec!["/usr/sbin/mktcpip", "-h", host_name, "-a", address, "-m", &mask, "-i", interface];
    if let Some(gateway) = &service.gateway {
        argv.extend(["-g", gateway]);
    }
    argv.extend(["-A", "no", "-t", "N/A"]);
    Command::new(argv).timeout(120)
}

/// State of an interface from now on and in the ODM: `up`, or `detach`: it bears no address and answers nobody.
pub fn interface_state(interface: &str, state: &str) -> Command {
    Command::new(["chdev", "-l", interface, "-a", &format!("state={state}")]).timeout(60)
}

/// At the next boot the interface comes up without an address; now nothing changes (`-P`: ODM only). mktcpip writes the address to the
/// ODM, so that a machine that lost its place would take it again when it boots (trap 5).
pub fn transient(interface: &str) -> Command {
    Command::new(["chdev", "-l", interface, "-a", "state=detach", "-P"])
}

/// As [`mktcpip`] and [`transient`], and nothing at all where the machine bears the address: one that never lost its place must not lose
/// its connections, nor what its ODM says of the next boot.
pub fn take_back(service: &Service, interface: &str, host_name: &str, address: &str) -> Command {
    const SCRIPT: &str = "if ifconfig -a | awk -v a=\"$1\" '$1 == \"inet\" && $2 == a { f = 1 } END { exit !f }'; then echo held; exit 0; fi; \
         i=$2; shift 2; \"$@\" && chdev -l \"$i\" -a state=detach -P";
    let again = mktcpip(service, interface, host_name, address);
    let words = ["sh", "-c", SCRIPT, "take-back", address, interface].map(str::to_owned);
    Command::new(words.into_iter().chain(again.argv)).timeout(again.timeout_s)
}

/// What the ODM says of the state of an interface at the next boot: `up`, `down`, `detach`.
pub fn state_at_boot(interface: &str) -> Command {
    Command::new(["lsattr", "-E", "-l", interface, "-a", "state", "-F", "value"])
}

/// Who answers for an address of the cluster's network, seen from this machine: `own` or `silence` (exit 0), `answered MAC` (exit 1), or
/// `deaf` (exit 2) when the gateway does not answer ARP either, so that silence would prove nothing (trap 13). A host that drops pings
/// answers ARP all the same.
///
/// AIX has no arping: the entry is taken out of the ARP table, a ping has it asked for anew, and the table is read
/// (`? (9.114.47.103) at 0:11:25:a5:1b:c2 [ethernet] stored in bucket 16`).
pub fn arp_probe(service: &Service, address: &str) -> Command {
    const SCRIPT: &str = "mac() { [ -n \"$1\" ] && arp -an | awk -v a=\"($1)\" '$2 == a && $4 ~ /:/ { print $4; exit }'; }; \
         if ifconfig -a | awk -v a=\"$1\" '$1 == \"inet\" && $2 == a { f = 1 } END { exit !f }'; then echo own; exit 0; fi; \
         for h in $2 \"$1\"; do arp -d \"$h\" >/dev/null 2>&1; ping -c 2 -w 2 \"$h\" >/dev/null 2>&1; done; \
         m=$(mac \"$1\"); if [ -n \"$m\" ]; then echo \"answered $m\"; exit 1; fi; \
         if [ -n \"$(mac \"$2\")\" ]; then echo silence; else echo deaf; exit 2; fi";
    Command::new(["sh", "-c", SCRIPT, "arp-probe", address, service.gateway.as_deref().unwrap_or_default()])
}

/// The same from a Linux machine elsewhere, by arping on the interface that leads there; `deaf` where that machine is not on the network
/// or has no arping.
pub fn arp_probe_elsewhere(address: &str) -> Command {
    const SCRIPT: &str = "r=$(ip -o route get \"$1\" 2>/dev/null) && command -v arping >/dev/null || { echo deaf; exit 2; }; \
         case $r in *' via '*) echo deaf; exit 2;; *' dev '*) ;; *) echo deaf; exit 2;; esac; \
         i=${r#* dev }; i=${i%% *}; [ \"$i\" != lo ] || { echo own; exit 0; }; \
         o=$(arping -f -c 2 -w 2 -I \"$i\" \"$1\" 2>/dev/null); m=${o#*reply from}; \
         if [ \"$m\" != \"$o\" ]; then m=${m#*\\[}; echo \"answered ${m%%]*}\"; exit 1; fi; \
         case $o in *'Received 0 response'*) echo silence;; *) echo deaf; exit 2;; esac";
    Command::new(["sh", "-c", SCRIPT, "arp-probe-elsewhere", address])
}

/// Announces this machine's address: each neighbour updates its entry for the asker when it sees an ARP question, so that the gateway is
/// asked for anew `count` times, one a second (trap 14). Exit 1 when the gateway does not answer. mktcpip itself announces once.
pub fn announce(service: &Service, count: u8) -> Command {
    const SCRIPT: &str = "i=0; while [ $i -lt \"$2\" ]; do i=$((i + 1)); arp -d \"$1\" >/dev/null 2>&1; \
         ping -c 1 -w 1 \"$1\" >/dev/null 2>&1; [ $i -ge \"$2\" ] || sleep 1; done; \
         arp -an | awk -v a=\"($1)\" '$2 == a && $4 ~ /:/ { f = 1 } END { exit !f }'";
    let gateway = service.gateway.as_deref().unwrap_or_default();
    Command::new(["sh", "-c", SCRIPT, "announce", gateway, &count.to_string()]).timeout(3 * u32::from(count) + 10)
}

/// Addresses, routes and name in short, for a comparison (trap 17): lines `inet en1 9.114.47.104 0xffffffc0`,
/// `route default 9.114.47.126 en1`, `host aixmn2`.
pub fn network() -> Command {
    const SCRIPT: &str = "ifconfig -a | awk '/^[a-z]+[0-9]+:/ { i = $1; sub(/:.*/, \"\", i) } $1 == \"inet\" { print \"inet\", i, $2, $4 }'; \
         netstat -rn -f inet | awk '$2 ~ /^[0-9.]+$/ { print \"route\", $1, $2, $6 }'; echo \"host $(hostname)\"";
    Command::new(["sh", "-c", SCRIPT, "network"])
}

/// State of a subsystem: a heading, then ` xcatd   group  3211402  active` or ` xcatd     inoperative`. Exit 1 and
/// `0513-085 The xcatd Subsystem is not on file.` when SRC does not know it.
pub fn lssrc(subsystem: &str) -> Command {
    Command::new(["lssrc", "-s", subsystem])
}

/// `0513-059 The xcatd Subsystem has been started. Subsystem PID is 3211402.`; exit 1 and 0513-029 when it runs already.
pub fn startsrc(subsystem: &str) -> Command {
    Command::new(["startsrc", "-s", subsystem]).timeout(60)
}

/// `0513-044 The xcatd Subsystem was requested to stop.`: it returns before the stop (trap 48); exit 1 and 0513-004 when it does not run.
pub fn stopsrc(subsystem: &str) -> Command {
    Command::new(["stopsrc", "-s", subsystem]).timeout(60)
}

/// Where xcatd outlived its time: the stop that does not ask (`-c`). Exit 0 also when nothing is left.
pub fn cancel_xcatd() -> Command {
    Command::new(["sh", "-c", "lssrc -s xcatd | grep inoperative >/dev/null && exit 0; stopsrc -c -s xcatd"])
        .timeout(60)
}

/// `start` or `stop` of a network service by SRC, under whatever name it has there; exit 0 when there is none.
pub fn helper_control(helper: Helper, action: &str) -> Command {
    const SCRIPT: &str = "a=$1; shift; for s in \"$@\"; do lssrc -s \"$s\" >/dev/null 2>&1 || continue; \
         case $a in start) startsrc -s \"$s\"; break;; *) stopsrc -s \"$s\";; esac; done; :";
    let subsystems: &[&str] = match helper {
        Helper::Dns => &["named"],
        Helper::Dhcp => &["dhcpsd"],
        Helper::Consoles => &["conserver", "goconserver"],
    };
    Command::new(["sh", "-c", SCRIPT, "helper", action].into_iter().chain(subsystems.iter().copied())).timeout(60)
}

/// The line of `/etc/inittab` that starts a program at boot: `xcatd:2:once:/usr/bin/startsrc -s xcatd`; exit 1: there is none.
pub fn lsitab(name: &str) -> Command {
    Command::new(["lsitab", name])
}

/// Sets the action of a line of `/etc/inittab`: `off`, or `once`. Exit 0 also when there is no such line.
pub fn inittab_action(name: &str, action: &str) -> Command {
    const SCRIPT: &str = "l=$(lsitab \"$1\") || exit 0; \
         chitab \"$(printf '%s\\n' \"$l\" | awk -F: -v a=\"$2\" 'BEGIN { OFS = \":\" } { $3 = a; print }')\"";
    Command::new(["sh", "-c", SCRIPT, "inittab", name, action])
}

/// cron reads a crontab when it is handed in, not when its file changes: hands in what the file has.
pub fn crontab_again(user: &str) -> Command {
    Command::new(["sh", "-c", "l=$(crontab -l) && printf '%s\\n' \"$l\" | crontab"]).user(user)
}

/// An xCAT command: root's home, where xCAT has its client's certificates, is `/`.
pub fn xcat(xcat: &Xcat, name: &str, arguments: &[&str]) -> Command {
    at_home(vocabulary::xcat(xcat, name, arguments))
}

/// [`vocabulary::xcatd_ready`]
pub fn xcatd_ready(xcat: &Xcat) -> Command {
    at_home(vocabulary::xcatd_ready(xcat))
}

fn at_home(mut command: Command) -> Command {
    for (key, value) in &mut command.env {
        if key == "HOME" {
            "/".clone_into(value);
        }
    }
    command
}

/// `start` or `stop` of xcatd on a service node, whatever system it has. SRC's stop returns before the end.
pub fn service_node_xcatd(action: &str) -> Command {
    const SCRIPT: &str = "if command -v startsrc >/dev/null 2>&1; then case $1 in \
         start) startsrc -s xcatd || lssrc -s xcatd | grep -q ' active';; *) stopsrc -s xcatd; :;; esac; else service xcatd \"$1\"; fi";
    Command::new(["sh", "-c", SCRIPT, "service-node", action]).timeout(120)
}

/// The service address, the name that goes with it, the interface that bears it.
pub fn in_service<'a>(pair: &'a Pair, node: &'a Node) -> (&'a str, &'a str, &'a str) {
    (&pair.service.address, &pair.service.host_name, &node.interface)
}
