//! ifconfig, arp, ping, host, hostname: what acts on the running machine only.

use std::net::Ipv4Addr;

use super::{Address, Kernel, Reply, has, options, prefix_of};

/// A hardware address as AIX prints it: no leading zeros, dots in `netstat`, colons in `arp`. *captured*.
pub(super) fn hardware(mac: &str, between: &str) -> String {
    let parts: Vec<&str> = mac.split(':').map(|p| p.strip_prefix('0').filter(|r| !r.is_empty()).unwrap_or(p)).collect();
    parts.join(between)
}

/// `hostname`, `hostname NAME`: until the next boot only.
pub(super) fn hostname(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    match args {
        [] => Reply::ok(kernel.host_name() + "\n"),
        ["-s"] => Reply::ok(kernel.host_name().split('.').next().unwrap_or("").to_owned() + "\n"),
        [name] => {
            kernel.set_host_name(name);
            Reply::ok(format!("{name}\n"))
        }
        _ => Reply::failed(1, "", "Usage: hostname [-s | HostName]\n"),
    }
}

/// The address and the names of a line of `/etc/hosts` that holds a word.
fn resolve(word: &str, kernel: &dyn Kernel) -> Option<(String, Vec<String>)> {
    kernel.read_file("/etc/hosts")?.lines().find_map(|line| {
        let words: Vec<String> = line.split('#').next().unwrap_or("").split_whitespace().map(str::to_owned).collect();
        let (address, names) = words.split_first()?;
        (address == word || names.iter().any(|n| n == word)).then(|| (address.clone(), names.to_vec()))
    })
}

/// `host NAME|ADDRESS`. *captured*: `mn1 is 10.0.0.1,  Aliases:   mn1.cluster`; 0827-801 and exit 1 when there is none.
pub(super) fn host(args: &[&str], kernel: &dyn Kernel) -> Reply {
    let Some(word) = args.iter().copied().find(|a| !a.starts_with('-')) else {
        return Reply::failed(1, "", "Usage: host Name|Address [Server]\n");
    };
    let Some((address, names)) = resolve(word, kernel) else {
        let kind = if word.parse::<Ipv4Addr>().is_ok() { "address" } else { "name" };
        let code = if kind == "address" { "0827-803 Cannot find address" } else { "0827-801 Host name" };
        let end = if kind == "address" { "." } else { " does not exist." };
        return Reply::failed(1, "", format!("host: {code} {word}{end}\n"));
    };
    let (first, aliases) = names.split_first().map_or((word, &[][..]), |(f, rest)| (f.as_str(), rest));
    let tail = if aliases.is_empty() { String::new() } else { format!(",  Aliases:   {}", aliases.join(", ")) };
    Reply::ok(format!("{first} is {address}{tail}\n"))
}

/// `ping [-c COUNT] [-w SECONDS] HOST`. *documented*: exit 0 when there was an answer; the summary line is *captured*.
pub(super) fn ping(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    let Ok((found, words)) = options(args, "cwsiISlLTtfp", "nqrvdR") else {
        return Reply::failed(1, "", "Usage: ping [-dDnqrvRL] [-c count] [-i wait] [-w timeout] host [size] [count]\n");
    };
    let Some(name) = words.first() else {
        return Reply::failed(1, "", "Usage: ping [-dDnqrvRL] [-c count] [-i wait] [-w timeout] host [size] [count]\n");
    };
    let address = name.parse().ok().or_else(|| resolve(name, kernel)?.0.parse::<Ipv4Addr>().ok());
    let Some(address) = address else {
        return Reply::failed(1, "", format!("0821-062 ping: host name {name} NOT FOUND\n"));
    };
    let number = |letter, default| super::value(&found, letter).and_then(|v| v.parse().ok()).unwrap_or(default);
    let (count, wait): (u64, u64) = (number('c', 1), number('w', 10));
    let answered = kernel.echo(address);
    let mut out = format!("PING {name}: ({address}): 56 data bytes\n");
    if answered {
        kernel.elapse(count.saturating_sub(1) * 1_000);
        for n in 0..count {
            out += &format!("64 bytes from {address}: icmp_seq={n} ttl=255 time=0 ms\n");
        }
    } else {
        kernel.elapse((count + wait) * 1_000);
    }
    let (got, loss) = if answered { (count, 0) } else { (0, 100) };
    out += &format!(
        "\n--- {name} ping statistics ---\n{count} packets transmitted, {got} packets received, {loss}% packet loss\n"
    );
    if answered {
        out += "round-trip min/avg/max = 0/0/0 ms\n";
    }
    Reply::failed(i32::from(!answered), out, "")
}

/// `arp -an`, `arp HOST`, `arp -d HOST`. *captured* but for the buckets, which are made up.
pub(super) fn arp(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    let Ok((found, words)) = options(args, "", "and") else {
        return Reply::failed(1, "", "Usage: arp [-n] hostname | arp [-n] -a | arp -d hostname\n");
    };
    let named = words.first().map(|w| (w, w.parse().ok().or_else(|| resolve(w, kernel)?.0.parse::<Ipv4Addr>().ok())));
    let known = kernel.neighbours();
    match named {
        Some((name, None)) => Reply::failed(1, "", format!("0821-062 arp: host name {name} NOT FOUND\n")),
        Some((name, Some(address))) if has(&found, 'd') => {
            if kernel.forget_neighbour(address) {
                Reply::ok(format!("{name} ({address}) deleted\n"))
            } else {
                Reply::failed(1, "", format!("{name} ({address}) -- no entry\n"))
            }
        }
        Some((name, Some(address))) => match known.iter().find(|n| n.address == address) {
            Some(n) => Reply::ok(match &n.mac {
                Some(mac) => format!("{name} ({address}) at {} [ethernet]\n", hardware(mac, ":")),
                None => format!("{name} ({address}) at (incomplete)\n"),
            }),
            None => Reply::failed(1, format!("{name} ({address}) -- no entry\n"), ""),
        },
        None => {
            let mut out = String::new();
            for n in &known {
                let bucket = u32::from(n.address) % 149;
                out += &match &n.mac {
                    Some(mac) => {
                        format!(
                            "  ? ({}) at {} [ethernet] stored in bucket {bucket}\n\n",
                            n.address,
                            hardware(mac, ":")
                        )
                    }
                    None => format!("? ({}) at (incomplete)\n\n", n.address),
                };
            }
            Reply::ok(out + &format!("There are {} entries in the arp table.\n", known.len()))
        }
    }
}

fn describe(interface: &str, kernel: &dyn Kernel) -> Option<String> {
    let link = kernel.link(interface)?;
    let state = if link.up { "UP,BROADCAST,NOTRAILERS,RUNNING" } else { "BROADCAST,NOTRAILERS" };
    let flags = if link.up { "1e080863,480" } else { "1e080822,480" };
    let mut out =
        format!("{interface}: flags={flags}<{state},SIMPLEX,MULTICAST,GROUPRT,64BIT,CHECKSUM_OFFLOAD(ACTIVE),CHAIN>\n");
    for a in kernel.addresses(interface) {
        out += &format!("\tinet {} netmask 0x{:x} broadcast {}\n", a.address, u32::from(a.mask()), a.broadcast());
    }
    Some(out + "\t tcp_sendspace 262144 tcp_recvspace 262144 rfc1323 1\n")
}

/// `ifconfig -a`, `ifconfig en1`, `ifconfig en1 [alias] A [netmask M] [up]`, `ifconfig en1 A delete`, `ifconfig en1 delete [A]`,
/// `ifconfig en1 up|down|detach`: until the next boot only. Shape *captured*.
pub(super) fn ifconfig(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    let Some((interface, rest)) = args.split_first() else {
        return Reply::failed(1, "", "Usage: ifconfig Interface [AddressFamily [Address] [Parameters...]] | -a\n");
    };
    if matches!(*interface, "-a" | "-au") {
        let names: Vec<String> = kernel.odm().interfaces.iter().map(|i| i.name.clone()).collect();
        let all: String = names.iter().filter_map(|n| describe(n, kernel)).collect();
        return Reply::ok(
            all + "lo0: flags=e08084b,1c0<UP,BROADCAST,LOOPBACK,RUNNING,SIMPLEX,MULTICAST,GROUPRT,64BIT,LARGESEND,CHAIN>\n\
                   \tinet 127.0.0.1 netmask 0xff000000 broadcast 127.255.255.255\n",
        );
    }
    let Some(text) = describe(interface, kernel) else {
        return Reply::failed(1, "", format!("0821-209 {interface} is not a valid interface name.\n"));
    };
    if rest.is_empty() {
        return Reply::ok(text);
    }
    let (mut address, mut prefix, mut alias, mut delete, mut link) = (None, None, false, false, None);
    let mut words = rest.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "inet" => {}
            "alias" => alias = true,
            "delete" | "-alias" => delete = true,
            "up" => link = Some(true),
            "down" | "detach" => link = Some(false),
            "netmask" => match words.next().and_then(prefix_of) {
                Some(given) => prefix = Some(given),
                None => return Reply::failed(1, "", "0821-211 ifconfig: bad value for netmask.\n"),
            },
            "broadcast" => drop(words.next()),
            other => match other.parse::<Ipv4Addr>() {
                Ok(given) => address = Some(given),
                Err(_) => return Reply::failed(1, "", format!("0821-062 ifconfig: host name {other} NOT FOUND\n")),
            },
        }
    }
    if let Some(up) = link {
        kernel.set_link(interface, up);
    }
    let present = kernel.addresses(interface);
    match (address, delete) {
        (None, false) => {}
        (given, true) => {
            let Some(gone) = given.or(present.first().map(|a| a.address)) else { return missing() };
            if !kernel.remove_address(interface, gone) {
                return missing();
            }
        }
        (Some(address), false) => {
            let prefix = prefix.or(present.first().map(|a| a.prefix)).unwrap_or(24);
            let new = Address { address, prefix };
            if !present.contains(&new) {
                if !alias && let Some(old) = present.first() {
                    kernel.remove_address(interface, old.address);
                }
                if !kernel.add_address(interface, new, !alias) {
                    return Reply::failed(1, "", "ioctl (SIOCAIFADDR).: The requested address is not valid.\n");
                }
            }
        }
    }
    Reply::ok("")
}

fn missing() -> Reply {
    Reply::failed(1, "", "ioctl (SIOCDIFADDR): Can't assign requested address\n")
}
