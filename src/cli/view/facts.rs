//! The pair as it was seen, both machines side by side. What was not seen reads `unknown`.

use journal_schema::{Channel, DatabaseRole, Fact, HadrRole, Power, Tri};
use workflows::{
    Known,
    model::{Fence, Flavour, Node, NodeId, Pair},
    table::Stake,
};

use crate::report::{Table, duration};

fn tri(answer: Tri) -> String {
    match answer {
        Tri::Yes => "yes",
        Tri::No => "no",
        Tri::Unknown => "unknown",
    }
    .to_owned()
}

fn power(power: Power) -> &'static str {
    match power {
        Power::On => "on",
        Power::Off => "off",
        Power::Unknown => "unknown",
    }
}

fn role(role: DatabaseRole) -> &'static str {
    match role {
        DatabaseRole::Primary => "primary",
        DatabaseRole::Standby => "standby",
        DatabaseRole::Down => "down",
        DatabaseRole::Unknown => "unknown",
    }
}

/// Position in the log as PostgreSQL writes it.
fn position(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "unknown".to_owned(), |b| format!("{:X}/{:X}", b >> 32, b & 0xffff_ffff))
}

/// Bytes for a person.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

fn label(channel: Channel) -> &'static str {
    match channel {
        Channel::Ssh => "ssh",
        Channel::Arp => "ARP",
        Channel::Database => "database port",
        Channel::Bmc => "power controller",
        Channel::Xcatd => "xcatd port",
    }
}

const CHANNELS: [Channel; 5] = [Channel::Ssh, Channel::Arp, Channel::Database, Channel::Bmc, Channel::Xcatd];

/// Whether the machine shows life on any channel of its own (its power controller says nothing about it; trap 8), and on which.
pub(crate) fn alive(known: &Known, node: &str) -> Option<String> {
    let on: Vec<&str> =
        CHANNELS.into_iter().filter(|c| *c != Channel::Bmc && known.answers(node, *c) == Tri::Yes).map(label).collect();
    (!on.is_empty()).then(|| on.join(", "))
}

/// Both machines side by side. Where the workflow looks at everything, what is not known is a fact too; the others ask for what they
/// need, and the rest is left out.
pub(crate) fn facts(pair: &Pair, known: &Known, stake: Stake) -> String {
    let names = NodeId::BOTH.map(|id| pair.node(id).name.as_str());
    let mut table = Table::new(&["", names[0], names[1]]);
    let whole = matches!(stake, Stake::PowersOff | Stake::StepsDown | Stake::OverwritesTarget);
    let mut row = |label: &str, of: &dyn Fn(&str) -> String| {
        let said = names.map(of);
        if whole || said.iter().any(|text| text != "unknown") {
            table.row([label.to_owned()].into_iter().chain(said));
        }
    };
    row("host name", &|n| known.host_name(n).unwrap_or("unknown").to_owned());
    row("machine-id", &|n| {
        let pinned = pair.by_name(n).map_or("", |id| pair.node(id).machine_id.as_str());
        match known.identity(n) {
            None => "unknown".to_owned(),
            Some((id, _)) if id == pinned => format!("…{} as pinned", id.get(24..).unwrap_or(id)),
            Some((id, _)) => format!("{id}, NOT the pinned one"),
        }
    });
    for channel in CHANNELS {
        if names.iter().any(|n| known.answers(n, channel) != Tri::Unknown) {
            row(&format!("answers on {}", label(channel)), &|n| tri(known.answers(n, channel)));
        }
    }
    row("power", &|n| power(known.power(n)).to_owned());
    row("database", &|n| match known.database(n) {
        // Without a timeline: DB2, whose copies have no number of their own.
        (r, _, 0) => role(r).to_owned(),
        (r, system, timeline) => format!("{}, timeline {timeline}, system {system}", role(r)),
    });
    row("database log", &|n| match known.log(n) {
        Some(Fact::LogPosition { written: Some(written), .. }) => format!("written {}", position(Some(*written))),
        Some(Fact::LogPosition { received, replayed, .. }) => {
            format!("received {}, replayed {}", position(*received), position(*replayed))
        }
        _ => "unknown".to_owned(),
    });
    if pair.flavour() == Flavour::Db2 {
        row("HADR", &|n| hadr(known, n));
        row("peer window", &|n| window(known, n));
    } else {
        row("replicates", &|n| match known.streaming(n) {
            (Tri::Yes, Tri::Yes) => "yes, commits wait for it".to_owned(),
            (Tri::Yes, _) => "yes".to_owned(),
            (up, _) if known.database(n).0 == DatabaseRole::Primary && up == Tri::Unknown => "-".to_owned(),
            (up, _) => tri(up),
        });
    }
    row("service address", &|n| match known.holds(n, &pair.service.address) {
        Tri::Yes => format!("holds {}", pair.service.address),
        other => tri(other),
    });
    row("xcatd", &|n| match known.service(n, "xcatd") {
        (Tri::Yes, _) => "runs".to_owned(),
        (Tri::No, Tri::Yes) => "stopped, STARTS AT BOOT".to_owned(),
        (Tri::No, _) => "stopped".to_owned(),
        (Tri::Unknown, _) => "unknown".to_owned(),
    });
    if names.iter().any(|n| known.cluster_nodes(n).is_some()) {
        row("nodes in the database", &|n| known.cluster_nodes(n).map_or("unknown".into(), |c| c.to_string()));
    }
    row("epoch", &|n| known.epoch(n).map_or("unknown".into(), |e| e.to_string()));
    row("claim", &|n| match known.claim(n) {
        None => "unknown".to_owned(),
        Some("") => "free".to_owned(),
        Some(text) => text.lines().next().unwrap_or_default().to_owned(),
    });
    row("clock", &|n| clock(known, n));
    let mut text = table.render(2);
    for (node, holder, line, armed) in known.jobs() {
        if armed != Tri::No {
            text.push_str(&format!("  scheduled on {node}, writes to the standby: {holder}: {line}\n"));
        }
    }
    text
}

/// What the machine's own database says of its part in the pair.
fn hadr_role(known: &Known, node: &str) -> &'static str {
    match known.hadr(node) {
        Some(Fact::Hadr { role: HadrRole::Primary, .. }) => "primary",
        Some(Fact::Hadr { role: HadrRole::Standby, .. }) => "standby",
        Some(Fact::Hadr { role: HadrRole::Standard, .. }) => "in no pair",
        _ => "of unknown role",
    }
}

/// State and connection of HADR as the machine's own database has them.
fn hadr(known: &Known, node: &str) -> String {
    match known.hadr(node) {
        Some(Fact::Hadr { active: Tri::No, .. }) => "the database is not active".to_owned(),
        Some(Fact::Hadr { role: HadrRole::Standard, .. }) => "not in HADR".to_owned(),
        Some(Fact::Hadr { state, connection, .. }) => format!("{state:?}, {connection:?}"),
        _ => "unknown".to_owned(),
    }
}

/// The peer window by the machine's own clock at the look.
fn window(known: &Known, node: &str) -> String {
    match known.hadr(node) {
        Some(Fact::Hadr { window_end_ms: Some(end), clock_ms: Some(now), .. }) if end > now => {
            format!("open for {} more", duration(end - now))
        }
        Some(Fact::Hadr { window_end_ms: Some(end), clock_ms: Some(now), .. }) => {
            format!("over since {}", duration(now - end))
        }
        Some(Fact::Hadr { .. }) => "none".to_owned(),
        _ => "unknown".to_owned(),
    }
}

fn clock(known: &Known, node: &str) -> String {
    let offset = known.all().find_map(|f| match f {
        Fact::ClockOffset { node: n, offset_ms, error_ms } if n == node => Some((*offset_ms, *error_ms)),
        _ => None,
    });
    offset.map_or("unknown".into(), |(offset, error)| format!("{offset:+} ms (± {error} ms)"))
}

/// The role of each machine's database, and its epoch: a line each.
pub(crate) fn roles(pair: &Pair, known: &Known) -> String {
    let line = |name: &str| {
        let epoch = known.epoch(name).map_or(String::new(), |e| format!(", epoch {e}"));
        let role = known.hadr(name).map_or_else(|| role(known.database(name).0), |_| hadr_role(known, name));
        format!("{name}: database {role}{epoch}")
    };
    pair.nodes.each_ref().map(|node| line(&node.name)).join("\n")
}

/// From where the machine was looked at, and what each look gave.
pub(crate) fn vantage(known: &Known, node: &str) -> String {
    CHANNELS
        .into_iter()
        .map(|c| {
            let says = match known.answers(node, c) {
                Tri::Yes => "answers",
                Tri::No => "silent",
                Tri::Unknown => "not known",
            };
            format!("{} {says}", label(c))
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// Whether the loss bound is known: its time is, whatever is known of its bytes.
pub(crate) fn loss_is_known(known: &Known) -> bool {
    known.loss().1.is_some()
}

/// The loss bound in a sentence (invariant 9).
pub(crate) fn loss(known: &Known) -> String {
    match known.loss() {
        (None, None) => "unknown".to_owned(),
        (Some(0), Some(0)) => "nothing of the database".to_owned(),
        (Some(bytes), None) => format!("unknown in time, at most {} of database log", size(bytes)),
        (None, Some(ms)) => format!("at most the last {} of the database; how many bytes is unknown", duration(ms)),
        (Some(bytes), Some(ms)) => {
            format!("at most {} of database log, the last {} of the database", size(bytes), duration(ms))
        }
    }
}

/// What pins a machine and its fence device.
pub(crate) fn identity(node: &Node, known: &Known) -> String {
    let mut text = format!("machine-id {}", node.machine_id);
    match &node.fence {
        Fence::Agent { agent, options, guid, .. } => {
            let at = options.iter().find(|(k, _)| k == "ip" || k == "ipaddr").map_or("", |(_, v)| v.as_str());
            text.push_str(&format!("\nfence device {agent} {at}, "));
            text.push_str(&guid.as_ref().map_or("NOT pinned".to_owned(), |g| format!("pinned to {g}")));
        }
        Fence::Command { argv, identity } => {
            text.push_str(&format!("\nfence command {}, ", argv.join(" ")));
            text.push_str(&identity.as_ref().map_or("NOT pinned".to_owned(), |i| format!("pinned to {i}")));
        }
        Fence::Attestation => text.push_str("\nno fence device: a person vouches that it is off"),
    }
    let said = known.all().find_map(|f| match f {
        Fact::FenceIdentity { node: n, identity } if *n == node.name => Some(identity.as_str()),
        _ => None,
    });
    if let Some(said) = said {
        text.push_str(&format!("; it says it is {said}"));
    }
    text
}

/// Who is what, before and after.
pub(crate) fn topology(pair: &Pair, known: &Known, target: NodeId, stake: Stake) -> String {
    let mut table = Table::new(&["", "now", "afterwards"]);
    for id in NodeId::BOTH {
        let name = &pair.node(id).name;
        let mut now = match known.database(name).0 {
            // Nothing is at stake and the roles were not asked for.
            DatabaseRole::Unknown if stake == Stake::Nothing => "as it is".to_owned(),
            DatabaseRole::Unknown if known.hadr(name).is_some() => format!("database {}", hadr_role(known, name)),
            DatabaseRole::Unknown
                if known.answers(name, Channel::Ssh) == Tri::Yes || known.identity(name).is_some() =>
            {
                "database not looked at yet".to_owned()
            }
            DatabaseRole::Unknown => "not reached".to_owned(),
            r => format!("database {}", role(r)),
        };
        if known.power(name) == Power::Off {
            now.push_str(", powered off");
        }
        if known.holds(name, &pair.service.address) == Tri::Yes {
            now.push_str(", in service");
        }
        let after = match stake {
            Stake::Nothing => "as before".to_owned(),
            _ if id == target => {
                format!("database primary, in service as {} at {}", pair.service.host_name, pair.service.address)
            }
            Stake::PowersOff => "powered off; stays off until it is taken back".to_owned(),
            Stake::StepsDown => "database stopped, out of service; to be taken back as standby".to_owned(),
            Stake::OverwritesOther | Stake::OverwritesTarget | Stake::Interrupts => "database standby".to_owned(),
        };
        table.row([name.clone(), now, after]);
    }
    table.render(2)
}
