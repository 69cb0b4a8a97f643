//! netstat and entstat.

use super::{Address, Kernel, Reply, has, network::hardware, options};

/// `netstat -in`, `netstat -rn`. Shapes *captured*; counters are made up. An interface that is down has a star behind its name.
pub(super) fn netstat(args: &[&str], kernel: &dyn Kernel) -> Reply {
    let Ok((found, _)) = options(args, "If", "inrav") else {
        return Reply::failed(1, "", "usage: netstat [-n] [-i | -r | -I Interface] [-f AddressFamily]\n");
    };
    let names: Vec<String> = kernel.odm().interfaces.iter().map(|i| i.name.clone()).collect();
    let all = super::value(&found, 'f').is_none();
    if has(&found, 'r') { routes(&names, all, kernel) } else { interfaces(&names, kernel) }
}

fn interfaces(names: &[String], kernel: &dyn Kernel) -> Reply {
    let mut out = "Name  Mtu   Network     Address            ZoneID    Ipkts Ierrs    Opkts Oerrs  Coll\n".to_owned();
    let mut row = |name: &str, mtu: u32, network: &str, address: &str| {
        out += &format!(
            "{name:<5} {mtu:<5} {network:<11} {address:<18} {:>6} {:>8} {:>5} {:>8} {:>5} {:>5}\n",
            "", 48_213, 0, 30_411, 0, 0
        );
    };
    for (n, name) in names.iter().enumerate() {
        let Some(link) = kernel.link(name) else { continue };
        let shown = if link.up { name.clone() } else { format!("{name}*") };
        row(&shown, 1500, &format!("link#{}", n + 2), &hardware(&link.mac, "."));
        for a in kernel.addresses(name) {
            row(&shown, 1500, &network(a), &a.address.to_string());
        }
    }
    row("lo0", 16_896, "link#1", "");
    row("lo0", 16_896, "127", "127.0.0.1");
    Reply::ok(out)
}

/// The network without the zeros at its end: `10.77`. *captured*.
fn network(a: Address) -> String {
    let mut text = a.network().to_string();
    while let Some(shorter) = text.strip_suffix(".0") {
        text = shorter.to_owned();
    }
    text
}

fn routes(names: &[String], all: bool, kernel: &dyn Kernel) -> Reply {
    let mut out = "Routing tables\nDestination        Gateway           Flags   Refs     Use  If   Exp  Groups\n\n\
                   Route Tree for Protocol Family 2 (Internet):\n"
        .to_owned();
    let mut row = |to: &str, by: &str, flags: &str, interface: &str, tail: &str| {
        out += &format!("{to:<18} {by:<17} {flags:<9} {:>3} {:>8} {interface:<8} -      -   {tail}\n", 1, 4_711);
    };
    let holders: Vec<(&String, Address)> =
        names.iter().flat_map(|n| kernel.addresses(n).into_iter().map(move |a| (n, a))).collect();
    if let Some(gateway) = kernel.gateway() {
        let by = holders.iter().find(|(_, a)| Address { address: gateway, ..*a }.network() == a.network());
        row("default", &gateway.to_string(), "UG", by.map_or("-", |(n, _)| n), "");
    }
    for (name, a) in &holders {
        let (address, network) = (a.address.to_string(), a.network());
        row(&network.to_string(), &address, "UHSb", name, "=>");
        row(&format!("{}/{}", self::network(*a), a.prefix), &address, "U", name, "");
        row(&address, "127.0.0.1", "UGHS", "lo0", "");
        row(&a.broadcast().to_string(), &address, "UHSb", name, "");
    }
    row("127/8", "127.0.0.1", "U", "lo0", "");
    if all {
        out += "\nRoute Tree for Protocol Family 24 (Internet v6):\n::1%1              ::1%1             UH          1     4711 lo0      -      -   \n";
    }
    Reply::ok(out)
}

/// `entstat [-d] en1`. *captured*; what hamn reads of it is the hardware address and `Link Status : Up|Down`, which only `-d` shows.
pub(super) fn entstat(args: &[&str], kernel: &dyn Kernel) -> Reply {
    let Ok((found, words)) = options(args, "", "drt") else {
        return Reply::failed(1, "", "usage: entstat [-d] [-r] [-t] Device_Name\n");
    };
    let device = words.first().copied().unwrap_or("");
    let interface = device.strip_prefix("ent").map_or_else(|| device.to_owned(), |n| format!("en{n}"));
    let Some(link) = kernel.link(&interface) else {
        return Reply::failed(1, "", format!("entstat: 0909-003 Unable to connect to device {device}, errno = 19\n"));
    };
    let rule = "-------------------------------------------------------------\n";
    let mut out = format!(
        "{rule}ETHERNET STATISTICS ({device}) :\nDevice Type: 2-Port 10/100/1000 Base-TX PCI-X Adapter (14108902)\nHardware Address: {}\nElapsed Time: 0 days 1 hours 17 minutes 11 seconds\n\nGeneral Statistics:\n-------------------\nNo mbuf Errors: 0\nAdapter Reset Count: 0\nAdapter Data Rate: 2000\nDriver Flags: {}Broadcast {}\n\tSimplex 64BitSupport ChecksumOffload \n",
        link.mac,
        if link.up { "Up " } else { "" },
        if link.carrier { "Running" } else { "" },
    );
    if has(&found, 'd') {
        let status = if link.carrier { "Up" } else { "Down" };
        let speed = if link.carrier { "1000 Mbps Full Duplex" } else { "Unknown" };
        out += &format!(
            "\n2-Port 10/100/1000 Base-TX PCI-X Adapter (14108902) Specific Statistics:\n------------------------------------------------------------------------\nLink Status : {status}\nMedia Speed Selected: Auto negotiation\nMedia Speed Running: {speed}\n"
        );
    }
    Reply::ok(out)
}
