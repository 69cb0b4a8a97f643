//! lsattr and chdev of `inet0`, the network interfaces and `sys0`. Texts: *memory*, of the shape that the manuals show.

use std::net::Ipv4Addr;

use super::{Address, Kernel, Reply, has, mktcpip::set_primary, options, prefix_of, value};

/// Attribute, value, description.
type Attribute = (&'static str, String, &'static str);

fn attributes(device: &str, kernel: &dyn Kernel) -> Option<Vec<Attribute>> {
    let odm = kernel.odm();
    if device == "inet0" {
        let routes: Vec<String> = odm.gateways.iter().map(|g| format!("net,-hopcount,0,,0,{g}")).collect();
        return Some(vec![
            ("authm", "65536".into(), "Authentication Methods"),
            ("bootup_option", "no".into(), "Use BSD-style Network Configuration"),
            ("gateway", String::new(), "Gateway"),
            ("hostname", odm.host_name.clone(), "Host Name"),
            ("rout6", String::new(), "IPv6 Route"),
            ("route", routes.join(" "), "Route"),
        ]);
    }
    if device == "sys0" {
        return Some(vec![
            ("autorestart", "true".into(), "Automatically REBOOT OS after a crash"),
            ("fwversion", "IBM,EL350_038".into(), "Firmware version and revision levels"),
            ("modelname", odm.model.clone(), "Machine name"),
            ("os_uuid", odm.partition.clone(), "N/A"),
            ("realmem", "8388608".into(), "Amount of usable physical memory in Kbytes"),
            ("systemid", odm.system.clone(), "Hardware system identifier"),
        ]);
    }
    let interface = odm.interfaces.iter().find(|i| i.name == device)?;
    let text = |f: fn(Address) -> Ipv4Addr| interface.address.map_or_else(String::new, |a| f(a).to_string());
    let aliases: Vec<String> = interface.aliases.iter().map(|a| format!("{},{}", a.address, a.mask())).collect();
    Some(vec![
        ("alias4", aliases.join(" "), "IPv4 Alias including Subnet Mask"),
        ("arp", "on".into(), "Address Resolution Protocol (ARP)"),
        ("mtu", "1500".into(), "Maximum IP Packet Size for This Device"),
        ("netaddr", text(|a| a.address), "Internet Address"),
        ("netmask", text(Address::mask), "Subnet Mask"),
        ("security", "none".into(), "Security Level"),
        ("state", interface.state.clone(), "Current Interface Status"),
    ])
}

/// `lsattr -El DEVICE [-a ATTRIBUTE]… [-F value]`. Columns are as wide as their longest entry.
pub(super) fn lsattr(args: &[&str], kernel: &dyn Kernel) -> Reply {
    let Ok((found, _)) = options(args, "laF", "EDHO") else {
        return Reply::failed(2, "", "Usage: lsattr {-D[-O]| -E[-O] | -F Format} -l Name [-a Attribute]...\n");
    };
    let device = value(&found, 'l').unwrap_or("");
    let Some(all) = attributes(device, kernel) else {
        return Reply::failed(
            1,
            "",
            format!(
                "lsattr: 0514-519 The following device was not found in the customized\n\tdevice configuration database:\n\t{device}\n"
            ),
        );
    };
    let wanted: Vec<&str> = found.iter().filter(|(l, _)| *l == 'a').flat_map(|(_, v)| v.split(',')).collect();
    if let Some(unknown) = wanted.iter().find(|w| !all.iter().any(|(name, ..)| name == *w)) {
        return Reply::failed(
            1,
            "",
            format!(
                "lsattr: 0514-528 The \"{unknown}\" attribute does not exist in the predefined\n\tdevice configuration database.\n"
            ),
        );
    }
    let rows: Vec<&Attribute> = all.iter().filter(|(name, ..)| wanted.is_empty() || wanted.contains(name)).collect();
    let width = |f: fn(&Attribute) -> usize| rows.iter().map(|r| f(r)).max().unwrap_or(0);
    let (names, values, texts) = (width(|r| r.0.len()), width(|r| r.1.len()), width(|r| r.2.len()));
    Reply::ok(rows.iter().fold(String::new(), |out, (name, value, text)| {
        out + &if has(&found, 'F') {
            format!("{value}\n")
        } else {
            format!("{name:<names$} {value:<values$} {text:<texts$} True\n")
        }
    }))
}

fn invalid(name: &str) -> Reply {
    Reply::failed(
        1,
        "",
        format!(
            "chdev: 0514-018 The values specified for the following attributes \n                are not valid:\n     {name}\n"
        ),
    )
}

/// `chdev -l DEVICE -a ATTRIBUTE=VALUE… [-P]`: in the database and, without `-P`, in the running machine. Nothing is changed when one of
/// the values is bad.
pub(super) fn chdev(args: &[&str], kernel: &mut dyn Kernel) -> Reply {
    let Ok((found, _)) = options(args, "lap", "PTfhUu") else {
        return Reply::failed(2, "", "Usage: chdev -l Name [-a Attribute=Value]... [-P | -T]\n");
    };
    let device = value(&found, 'l').unwrap_or("");
    let Some(known) = attributes(device, kernel) else {
        return Reply::failed(
            1,
            "",
            format!(
                "chdev: 0514-519 The following device was not found in the customized\n\tdevice configuration database:\n\t{device}\n"
            ),
        );
    };
    let mut changes = Vec::new();
    for (_, text) in found.iter().filter(|(l, _)| *l == 'a') {
        let Some((name, value)) = text.split_once('=') else { return invalid(text) };
        if !known.iter().any(|(n, ..)| *n == name) && !matches!(name, "delalias4" | "delroute") {
            return invalid(name);
        }
        changes.push((name, value));
    }
    let running = !has(&found, 'P');
    kernel.elapse(600);
    let failed = if device == "inet0" {
        inet0(&changes, running, kernel)
    } else if device == "sys0" {
        None
    } else {
        interface(device, &changes, running, kernel)
    };
    match failed {
        Some(name) => invalid(name),
        None => Reply::ok(format!("{device} changed\n")),
    }
}

/// The attribute whose value is bad.
fn inet0<'a>(changes: &[(&'a str, &str)], running: bool, kernel: &mut dyn Kernel) -> Option<&'a str> {
    let gateway = |value: &str| value.rsplit(',').next().and_then(|g| g.parse::<Ipv4Addr>().ok());
    for (name, value) in changes {
        match *name {
            "hostname" if value.is_empty() => return Some(name),
            "route" | "delroute" if gateway(value).is_none() => return Some(name),
            _ => {}
        }
    }
    for (name, value) in changes {
        match (*name, gateway(value)) {
            ("hostname", _) => {
                kernel.odm_mut().host_name = (*value).into();
                if running {
                    kernel.set_host_name(value);
                }
            }
            ("route", Some(gateway)) => {
                let gateways = &mut kernel.odm_mut().gateways;
                if !gateways.contains(&gateway) {
                    gateways.push(gateway);
                }
                if running && kernel.gateway().is_none() {
                    kernel.set_gateway(Some(gateway));
                }
            }
            ("delroute", Some(gateway)) => {
                kernel.odm_mut().gateways.retain(|g| *g != gateway);
                if running && kernel.gateway() == Some(gateway) {
                    let next = kernel.odm().gateways.first().copied();
                    kernel.set_gateway(next);
                }
            }
            _ => {}
        }
    }
    None
}

/// As [`inet0`], of an interface.
fn interface<'a>(device: &str, changes: &[(&'a str, &str)], running: bool, kernel: &mut dyn Kernel) -> Option<&'a str> {
    let address = |value: &str| {
        let (address, mask) = value.split_once(',')?;
        Some(Address { address: address.parse().ok()?, prefix: prefix_of(mask)? })
    };
    for (name, value) in changes {
        let good = match *name {
            "netaddr" => value.is_empty() || value.parse::<Ipv4Addr>().is_ok(),
            "netmask" => value.is_empty() || prefix_of(value).is_some(),
            "alias4" | "delalias4" => address(value).is_some(),
            "state" => matches!(*value, "up" | "down" | "detach"),
            _ => true,
        };
        if !good {
            return Some(name);
        }
    }
    let odm = kernel.odm().interfaces.iter().find(|i| i.name == device)?.clone();
    let given = |wanted: &str| changes.iter().rev().find(|(n, _)| *n == wanted).map(|(_, v)| *v);
    let (netaddr, netmask) = (given("netaddr"), given("netmask"));
    if netaddr.is_some() || netmask.is_some() {
        let ip = netaddr.map_or(odm.address.map(|a| a.address), |t| t.parse().ok());
        let prefix = netmask.and_then(prefix_of).or(odm.address.map(|a| a.prefix)).unwrap_or(24);
        match ip {
            Some(address) if running => set_primary(device, Address { address, prefix }, kernel),
            Some(address) => kernel.odm_mut().interface(device)?.address = Some(Address { address, prefix }),
            None => {
                if let Some(old) = odm.address.filter(|_| running) {
                    kernel.remove_address(device, old.address);
                }
                kernel.odm_mut().interface(device)?.address = None;
            }
        }
    }
    for (name, value) in changes {
        match (*name, address(value)) {
            ("alias4", Some(new)) => {
                kernel.odm_mut().interface(device)?.aliases.push(new);
                if running {
                    kernel.add_address(device, new, false);
                }
            }
            ("delalias4", Some(old)) => {
                kernel.odm_mut().interface(device)?.aliases.retain(|a| a.address != old.address);
                if running {
                    kernel.remove_address(device, old.address);
                }
            }
            ("state", _) => {
                kernel.odm_mut().interface(device)?.state = (*value).into();
                if running {
                    kernel.set_link(device, *value == "up");
                    if *value == "up" && kernel.addresses(device).is_empty() {
                        // What the database has comes back.
                        for (n, address) in odm.address.iter().chain(&odm.aliases).enumerate() {
                            kernel.add_address(device, *address, n == 0);
                        }
                    }
                    if *value == "detach" {
                        for old in kernel.addresses(device) {
                            kernel.remove_address(device, old.address);
                        }
                    }
                }
            }
            _ => {}
        }
    }
    None
}
