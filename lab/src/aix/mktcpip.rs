//! mktcpip: host name, address of an interface, default route, `/etc/hosts`, all at once and for good.
//!
//! *documented* (IBM, mktcpip command): host name in the configuration database and in the running machine; address in the
//! configuration database; `/etc/hosts`; mask; static route in both. *memory*: the running interface takes the address too, because it is
//! set by `chdev`; aliases stay; wrong arguments print the usage and exit 1, and nothing is changed.

use std::net::Ipv4Addr;

use super::{Address, Kernel, Reply, has, options, prefix_of, value};

const USAGE: &str = "usage: mktcpip -h HostName -a Address -i Interface [-s] [-m SubnetMask] [-r RingSpeed] [-t CableType]\n\
                     \t[-g DefaultGateway] [-n NameServerAddress [-d Domain]] [[-c Subchannel] -D Destination]\n\
                     \tmktcpip -S Interface\n";

pub(super) fn mktcpip(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    let usage = || Reply::failed(1, "", USAGE);
    let Ok((found, words)) = options(args, "hamigAtrndcDSC", "s") else { return usage() };
    let (Some(name), Some(address), Some(interface)) = (value(&found, 'h'), value(&found, 'a'), value(&found, 'i'))
    else {
        return usage();
    };
    if !words.is_empty() || name.is_empty() {
        return usage();
    }
    let bad =
        |what: &str, given: &str| Reply::failed(1, "", format!("mktcpip: 0821-517 {what} {given} is not valid.\n"));
    let Ok(ip) = address.parse::<Ipv4Addr>() else { return bad("Internet address", address) };
    let Some(known) = kernel.odm().interfaces.iter().find(|i| i.name == interface).cloned() else {
        return Reply::failed(1, "", format!("mktcpip: 0821-518 The interface {interface} does not exist.\n"));
    };
    let prefix = match value(&found, 'm') {
        Some(mask) => match prefix_of(mask) {
            Some(prefix) => prefix,
            None => return bad("Subnet mask", mask),
        },
        // Without a mask, that of the interface or of the address's class.
        None => known.address.map_or_else(|| class(ip), |a| a.prefix),
    };
    let gateway = match value(&found, 'g').filter(|g| !g.is_empty()) {
        None => None,
        Some(text) => match text.parse::<Ipv4Addr>() {
            Ok(gateway) => Some(gateway),
            Err(_) => return bad("Default gateway address", text),
        },
    };
    kernel.elapse(1_500);
    kernel.odm_mut().host_name = name.into();
    kernel.set_host_name(name);
    if kernel.odm().knobs.mktcpip_half {
        return Reply::failed(
            1,
            format!("{name}\ninet0 changed\n"),
            format!(
                "Method error (/usr/lib/methods/chgif):\n\t0514-068 Cause not known.\n0821-103 : The command /usr/sbin/chdev -l {interface} failed.\n"
            ),
        );
    }
    let new = Address { address: ip, prefix };
    let hosts = kernel.read_file("/etc/hosts").unwrap_or_default();
    kernel.write_file("/etc/hosts", &host_entry(&hosts, ip, name));
    set_primary(interface, new, kernel);
    if let Some(gateway) = gateway {
        let keep = kernel.odm().knobs.mktcpip_keeps_routes;
        let gateways = &mut kernel.odm_mut().gateways;
        if keep {
            if !gateways.contains(&gateway) {
                gateways.push(gateway);
            }
        } else {
            *gateways = vec![gateway];
            if !kernel.set_gateway(Some(gateway)) {
                return Reply::failed(
                    1,
                    format!("{name}\ninet0 changed\n{interface} changed\n"),
                    format!("0821-279 writing to routing socket: There is no route to {gateway}.\n"),
                );
            }
        }
    }
    if has(&found, 's') {
        kernel.start("inetd");
    }
    Reply::ok(format!("{name}\ninet0 changed\n{interface} changed\ninet0 changed\n"))
}

/// The interface's primary address becomes another one, now and at boot.
pub(super) fn set_primary(interface: &str, new: Address, kernel: &mut dyn Kernel) {
    let former = kernel.addresses(interface);
    // The one that comes is there before the one that goes: the interface is never without.
    let aliases = kernel.odm().interfaces.iter().find(|i| i.name == interface).map(|i| i.aliases.clone());
    if former.first() != Some(&new) {
        if former.contains(&new) {
            kernel.make_primary(interface, new);
        } else {
            kernel.set_link(interface, true);
            kernel.add_address(interface, new, true);
        }
        if let Some(old) = former.first().filter(|old| aliases.is_none_or(|a| !a.contains(old))) {
            kernel.remove_address(interface, old.address);
        }
    }
    if let Some(entry) = kernel.odm_mut().interface(interface) {
        entry.address = Some(new);
        "up".clone_into(&mut entry.state);
    }
}

fn class(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    }
}

/// `/etc/hosts` with that address's line led by that name: the line's other names stay behind it. *memory*.
fn host_entry(hosts: &str, address: Ipv4Addr, name: &str) -> String {
    let address = address.to_string();
    let (mut text, mut found) = (String::new(), false);
    for line in hosts.lines() {
        let mut words = line.split('#').next().unwrap_or("").split_whitespace();
        if !found && words.next() == Some(&address) {
            found = true;
            let others: Vec<&str> = words.filter(|w| *w != name).collect();
            text += &format!("{address}\t{}\n", [&[name], others.as_slice()].concat().join(" "));
        } else {
            text += line;
            text.push('\n');
        }
    }
    if !found {
        text += &format!("{address}\t{name}\n");
    }
    text
}
