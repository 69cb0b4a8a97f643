//! From the text of `hamn.toml` to a [`Config`]: reads the values, then looks at what they say together.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    ops::Range,
    path::PathBuf,
};

use toml::de::DeTable;
use workflows::{
    example,
    model::{Database, Fence, Flavour, Nim, NimResources, Node, Pair, Platform, Service, Witness, Xcat},
};

use super::{
    Config, Local, database,
    problem::Problem,
    reader::{Found, Section, Source},
    redact::names_a_secret,
    rules,
};

/// How the gateway is called in messages.
const GATEWAY: &str = "`gateway` of [service]";
/// How witnesses are called in messages.
const WITNESS: &str = "witnesses";

/// Things that may be there only once, each with the sentence that says where it was seen first.
#[derive(Default)]
struct Once {
    seen: BTreeMap<String, String>,
}

impl Once {
    /// Notes a value; reports it when it was there before.
    fn note(&mut self, source: &Source<'_>, value: &str, span: &Range<usize>, whose: &str, hint: &str) {
        if let Some(first) = self.seen.get(value) {
            source.wrong(span, format!("{whose} is the same as {first}"), hint);
        } else {
            self.seen.insert(value.to_owned(), whose.to_owned());
        }
    }
}

/// What must differ between machines.
#[derive(Default)]
struct Pins {
    names: Once,
    addresses: Once,
    keys: Once,
    ids: Once,
    devices: Once,
}

/// Reads the text. Every problem that can be told is told at once; syntax errors come first and alone.
pub(super) fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    let (table, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        let mut problems: Vec<Problem> = syntax
            .iter()
            .map(|e| {
                let span = e.span().unwrap_or(0..0);
                let message = e.message().trim().replace('\n', ", ");
                let hint = if message.contains("duplicate key") {
                    "each key and each section may be there once"
                } else {
                    "the file is TOML: key = \"text\", key = 1, key = [\"a\", \"b\"], [section]"
                };
                Problem::at(text, &span, message, hint)
            })
            .collect();
        problems.sort_by_key(|p| (p.line, p.column));
        problems.dedup();
        return Err(problems);
    }
    let source = Source::new(text);
    let config = read(&source, table.get_ref());
    let problems = source.into_problems();
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// Placeholders stand where a problem was reported; they never leave [`parse`].
fn read(source: &Source<'_>, table: &DeTable<'_>) -> Config {
    let root = Section::root(source, table);
    let mut pins = Pins::default();
    let name = root.text("name", rules::words).map(|f| f.value).unwrap_or_default();
    let (service, network) = service(source, &root.section("service", "service"), &mut pins);
    let nodes = root.section("nodes", "nodes");
    let nodes = ["a", "b"].map(|letter| node(source, &nodes.section(letter, "nodes.X"), letter, network, &mut pins));
    let witnesses =
        root.sections("witnesses", "witnesses").iter().map(|section| witness(source, section, &mut pins)).collect();
    let database = database::read(source, &root.section("database", "database"), network);
    let xcat = xcat(&root.section("xcat", "xcat"), nodes[0].platform);
    let nim_section = root.section("nim", "nim");
    let nim = nim_section.present().then(|| nim(source, &nim_section));
    if let Some(database) = &database {
        fits(source, &root, database, &nodes, &service);
    }
    let hamn = root.section("hamn", "hamn");
    let node_dir = hamn.text_or("node_dir", rules::path, super::DEFAULT_STATE_DIR);
    for (key, dir) in [
        ("node_dir", hamn.optional_text("node_dir", rules::path)),
        ("state_dir", hamn.optional_text("state_dir", rules::path)),
    ] {
        if let Some(dir) = dir.filter(|d| d.value == "/") {
            source.wrong(
                &dir.span,
                format!("`{key}` is the root of the file system"),
                "write a folder of hamn's own, for example \"/var/lib/hamn\"",
            );
        }
    }
    Config {
        pair: Pair {
            name,
            service,
            nodes,
            witnesses,
            database: database.unwrap_or_else(|| example::practice().database),
            xcat,
            nim,
            node_dir,
            max_clock_offset_ms: hamn.number_or("max_clock_offset_ms", 1, 60_000, 5_000),
        },
        local: Local {
            state_dir: PathBuf::from(hamn.text_or("state_dir", rules::path, super::DEFAULT_STATE_DIR)),
            identity_file: hamn.optional_text("identity_file", rules::path).map(|f| PathBuf::from(f.value)),
            connect_timeout_s: hamn.number_or("connect_timeout_s", 1, 120, 5) as u32,
            patience_s: hamn.number_or("patience_s", 10, 86_400, 900) as u32,
        },
    }
}

/// Which databases are known on which platform, and what an AIX pair needs more.
fn fits(source: &Source<'_>, root: &Section<'_, '_>, database: &Database, nodes: &[Node; 2], service: &Service) {
    let flavour = match database {
        Database::Postgres(_) => Flavour::Postgres,
        Database::Db2(_) => Flavour::Db2,
    };
    let platform = match flavour {
        Flavour::Postgres => Platform::Linux,
        Flavour::Db2 => Platform::Aix,
    };
    if nodes.iter().any(|n| n.platform != platform) {
        let (is, wants) = match flavour {
            Flavour::Postgres => (
                "PostgreSQL is known on Linux only",
                "platform = \"linux\" (the default) in [nodes.a] and [nodes.b]; a pair on AIX has DB2",
            ),
            Flavour::Db2 => (
                "DB2 is known on AIX only",
                "platform = \"aix\" in [nodes.a] and [nodes.b]; a pair on Linux has PostgreSQL",
            ),
        };
        source.wrong(
            &root.key_span("database"),
            format!("the platform of a machine does not fit: {is}"),
            format!("write {wants}"),
        );
    }
    if platform == Platform::Aix && service.standby_address.is_none() {
        source.wrong(
            &root.key_span("service"),
            "`standby_address` is missing in [service]",
            "AIX machines swap the addresses of their cluster-facing interfaces; write the one that the standby bears there",
        );
    }
}

fn nim(source: &Source<'_>, section: &Section<'_, '_>) -> Nim {
    let resources = match section.text_or("resources", rules::words, "define").as_str() {
        "define" => NimResources::Define,
        "hanim" => NimResources::Hanim,
        other => {
            let what = format!("`resources` is {other:?}");
            source.wrong(&section.key_span("resources"), what, "write \"define\" or \"hanim\"");
            NimResources::Define
        }
    };
    Nim {
        resources,
        device: section.text("device", rules::path).map(|f| f.value).unwrap_or_default(),
        file_system: section.text_or("file_system", rules::path, "/install/nim"),
        spot_timeout_s: section.number_or("spot_timeout_s", 60, 86_400, 3_600) as u32,
    }
}

/// Service address and prefix length, when both could be read.
type Network = Option<(Ipv4Addr, u8)>;

fn service(source: &Source<'_>, section: &Section<'_, '_>, pins: &mut Pins) -> (Service, Network) {
    let host_name = section.text("host_name", rules::host_name);
    let standby = section.text("standby_host_name", rules::host_name);
    if let (Some(host_name), Some(standby)) = (&host_name, &standby)
        && host_name.value.eq_ignore_ascii_case(&standby.value)
    {
        let hint = "the two machines swap these names at a takeover; write two different ones";
        source.wrong(&standby.span, "`standby_host_name` is the same as `host_name`", hint);
    }
    let address =
        section.text("address", rules::words).and_then(|f| section.judge("address", f, |v| rules::address_v4(v)));
    let prefix = section.number("prefix", 1, 32);
    let network = address.as_ref().zip(prefix.as_ref()).map(|(a, p)| (a.value, p.value as u8));
    if let (Some(address), Some((_, bits @ ..=30))) = (&address, network) {
        let (base, mask) = (u32::from(address.value) & rules::mask(bits), rules::mask(bits));
        let edge =
            [(base, "network"), (base | !mask, "broadcast")].into_iter().find(|(a, _)| *a == u32::from(address.value));
        if let Some((_, kind)) = edge {
            source.wrong(
                &address.span,
                format!("`address` is the {kind} address of its network"),
                format!("write an address of a machine in {}/{bits}", Ipv4Addr::from(base)),
            );
        }
    }
    if let Some(address) = &address {
        pins.addresses.note(source, &address.value.to_string(), &address.span, "the service address", "");
    }
    let other = |key: &str| {
        let found =
            section.optional_text(key, rules::words).and_then(|f| section.judge(key, f, |v| rules::address_v4(v)))?;
        if let Some(network) = network
            && u32::from(found.value) & rules::mask(network.1) != u32::from(rules::base(network))
        {
            let what = format!("`{key}` is not in the network of `address`, {}/{}", rules::base(network), network.1);
            source.wrong(&found.span, what, "write an address of the cluster's network, or check `prefix`");
        }
        Some(found)
    };
    let (standby_address, gateway) = (other("standby_address"), other("gateway"));
    for (whose, found) in [("`standby_address` of [service]", &standby_address), (GATEWAY, &gateway)] {
        if let Some(found) = found {
            let hint = "each has an address of its own; the gateway is the router of the cluster's network";
            pins.addresses.note(source, &found.value.to_string(), &found.span, whose, hint);
        }
    }
    let service = Service {
        host_name: host_name.map(|f| f.value).unwrap_or_default(),
        standby_host_name: standby.map(|f| f.value).unwrap_or_default(),
        address: address.map(|f| f.value.to_string()).unwrap_or_default(),
        prefix: prefix.map_or(0, |f| f.value as u8),
        standby_address: standby_address.map(|f| f.value.to_string()),
        gateway: gateway.map(|f| f.value.to_string()),
    };
    (service, network)
}

/// What nodes and witnesses have in common.
struct Machine {
    name: String,
    addresses: Vec<String>,
    ssh_port: u16,
    ssh_user: String,
    host_keys: Vec<String>,
}

fn machine(
    source: &Source<'_>,
    section: &Section<'_, '_>,
    whose: &str,
    pins: &mut Pins,
) -> (Machine, Vec<Found<IpAddr>>) {
    let name = section.text("name", rules::node_name);
    let is_witness = whose == WITNESS;
    let whose = name.as_ref().map_or_else(|| whose.to_owned(), |n| format!("{} ({whose})", n.value));
    if let Some(name) = &name {
        let hint = "each machine has a name of its own, which never moves to another one";
        pins.names.note(source, &name.value.to_ascii_lowercase(), &name.span, &format!("the name of {whose}"), hint);
    }
    let mut addresses = Vec::new();
    for text in section.texts("addresses").into_iter().flat_map(|f| f.value) {
        if let Some(found) = section.judge("addresses", text, |v| rules::address(v)) {
            let hint = "every machine needs addresses of its own: the service address moves, these never do";
            let (text, whose) = (found.value.to_string(), format!("an address of {whose}"));
            // A witness may well be the router of its network; a management node may not.
            if !(is_witness && pins.addresses.seen.get(&text).is_some_and(|first| first == GATEWAY)) {
                pins.addresses.note(source, &text, &found.span, &whose, hint);
            }
            addresses.push(found);
        }
    }
    let mut host_keys = Vec::new();
    for text in section.texts("host_keys").into_iter().flat_map(|f| f.value) {
        if let Some(found) = section.judge("host_keys", text, |v| rules::host_key(v)) {
            let hint = "a pinned key tells the machines apart; make a new one on one of them: ssh-keygen -A after removing the old";
            pins.keys.note(source, &found.value, &found.span, &format!("a host key of {whose}"), hint);
            host_keys.push(found.value);
        }
    }
    let machine = Machine {
        name: name.map(|f| f.value).unwrap_or_default(),
        addresses: addresses.iter().map(|a| a.value.to_string()).collect(),
        ssh_port: section.number_or("ssh_port", 1, 65_535, 22) as u16,
        ssh_user: section.text_or("ssh_user", rules::user, "root"),
        host_keys,
    };
    (machine, addresses)
}

fn node(source: &Source<'_>, section: &Section<'_, '_>, letter: &str, network: Network, pins: &mut Pins) -> Node {
    let (machine, addresses) = machine(source, section, &format!("nodes.{letter}"), pins);
    let platform = match section.text_or("platform", rules::words, "linux").as_str() {
        "linux" => Platform::Linux,
        "aix" => Platform::Aix,
        other => {
            let what = format!("`platform` is {other:?}");
            source.wrong(&section.key_span("platform"), what, "write \"linux\" or \"aix\"");
            Platform::Linux
        }
    };
    let machine_id = match platform {
        Platform::Linux => section.text("machine_id", rules::machine_id),
        Platform::Aix => section.text("machine_id", rules::partition_id),
    };
    if let Some(id) = &machine_id {
        let hint = "one of the two was cloned or the wrong one was asked; on the clone: rm /etc/machine-id, systemd-machine-id-setup";
        pins.ids.note(source, &id.value, &id.span, &format!("the machine_id of nodes.{letter}"), hint);
    }
    // An address that could not be read was reported; it may be the one.
    let all_read = section.texts_len("addresses") == addresses.len();
    // On AIX the only address in that network is the one that moves.
    if platform == Platform::Linux
        && let Some(network) = network
        && let Some(first) = addresses.first()
    {
        let inside = |ip: &IpAddr| matches!(ip, IpAddr::V4(v4) if u32::from(*v4) & rules::mask(network.1) == u32::from(rules::base(network)));
        if all_read && !addresses.iter().any(|a| inside(&a.value)) {
            let what = format!(
                "no address of nodes.{letter} is in the network of the service address, {}/{}",
                rules::base(network),
                network.1
            );
            source.wrong(&first.span, what, "the service address can move only to a machine that is in its network; check `prefix` and add the machine's address there");
        }
    }
    let interface = section.text("interface", rules::interface).map(|f| f.value).unwrap_or_default();
    let fence = fence(source, &section.section("fence", "nodes.X.fence"), letter, pins);
    Node {
        name: machine.name,
        addresses: machine.addresses,
        ssh_port: machine.ssh_port,
        ssh_user: machine.ssh_user,
        host_keys: machine.host_keys,
        platform,
        machine_id: machine_id.map(|f| f.value).unwrap_or_default(),
        interface,
        fence,
    }
}

fn witness(source: &Source<'_>, section: &Section<'_, '_>, pins: &mut Pins) -> Witness {
    let (machine, _) = machine(source, section, WITNESS, pins);
    Witness {
        name: machine.name,
        addresses: machine.addresses,
        ssh_port: machine.ssh_port,
        ssh_user: machine.ssh_user,
        host_keys: machine.host_keys,
        service_node: section.flag_or("service_node", false),
    }
}

/// Keys that have a meaning with each kind of fence.
const FENCE_KEYS: [(&str, &[&str]); 3] = [
    ("agent", &["kind", "agent", "options", "password_file", "guid"]),
    ("command", &["kind", "argv", "identity"]),
    ("attestation", &["kind"]),
];

fn fence(source: &Source<'_>, section: &Section<'_, '_>, letter: &str, pins: &mut Pins) -> Fence {
    let Some(kind) = section.text("kind", rules::words) else { return Fence::Attestation };
    let Some((_, allowed)) = FENCE_KEYS.iter().find(|(k, _)| *k == kind.value) else {
        source.wrong(
            &kind.span,
            format!("`kind` is {:?}", kind.value),
            "write \"agent\", \"command\" or \"attestation\"",
        );
        return Fence::Attestation;
    };
    for key in FENCE_KEYS.iter().flat_map(|(_, keys)| keys.iter()).filter(|k| section.has(k) && !allowed.contains(k)) {
        let what = format!("`{key}` has no meaning with kind = \"{}\"", kind.value);
        source.wrong(&section.key_span(key), what, format!("keys of this kind: {}", allowed.join(", ")));
    }
    let whose = format!("the fence device of nodes.{letter}");
    match kind.value.as_str() {
        "agent" => agent(source, section, &whose, pins),
        "command" => {
            let argv = section.command("argv", |_| Ok(())).unwrap_or_default();
            let identity = section.optional_text("identity", rules::words);
            if let Some(identity) = &identity {
                let hint = "one device would switch both machines; pin each to its own";
                pins.devices.note(source, &identity.value, &identity.span, &format!("the identity of {whose}"), hint);
            }
            Fence::Command { argv, identity: identity.map(|f| f.value) }
        }
        _ => Fence::Attestation,
    }
}

fn agent(source: &Source<'_>, section: &Section<'_, '_>, whose: &str, pins: &mut Pins) -> Fence {
    let agent = section.text("agent", rules::program).map(|f| f.value).unwrap_or_default();
    let options_section = section.section("options", "nodes.X.fence.options");
    if !options_section.present() && !section.has("options") {
        let hint = "name at least the device: options = { ip = \"10.78.0.11\", username = \"hamn\", lanplus = \"1\" }";
        source.wrong(&section.span, format!("`options` is missing in {}", section.shown), hint);
    }
    let mut options = Vec::new();
    for (key, value) in options_section.entries() {
        if names_a_secret(&key.value) {
            let hint = "write it into a file of its own, mode 0600, and name the file: password_file = \"/etc/hamn/…\"";
            source.wrong(&key.span, "a password does not belong in the configuration", hint);
            continue;
        }
        if key.value == "action" {
            source.wrong(
                &key.span,
                "`action` is not an option here",
                "hamn itself says off, on or status; take the line away",
            );
            continue;
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if key.value.is_empty() || !key.value.chars().all(plain) {
            source.wrong(
                &key.span,
                format!("{:?} is no option of a fence agent", key.value),
                "options are written in small letters, digits and _ as in the agent's manual",
            );
        }
        if value.value.chars().any(char::is_control) {
            source.wrong(
                &value.span,
                format!("`{}` has a control character", key.value),
                "options reach the agent as lines; write it on one line",
            );
        }
        if value.value.trim().is_empty() {
            let hint = "write its value, or take the line away: the agent would find out when the machine must be switched off";
            source.wrong(&value.span, format!("`{}` is empty", key.value), hint);
        } else if key.value == "ip" && rules::address(&value.value).is_err() && rules::host_name(&value.value).is_err()
        {
            let hint = "write the address of the device that switches the machine's power, for example \"10.79.0.11\"";
            source.wrong(&value.span, format!("{:?} is neither an address nor a host name", value.value), hint);
        }
        if matches!(key.value.as_str(), "ip" | "ipaddr")
            && let Ok(ip) = value.value.parse::<IpAddr>()
            && let Some(first) = pins.addresses.seen.get(&ip.to_string())
            // A hypervisor or a power strip may well fence both, and be a witness; a management node may not.
            && !first.contains("witnesses")
        {
            source.wrong(
                &value.span,
                format!("the address of {whose} is the same as {first}"),
                "write the address of the device that switches the machine's power",
            );
        }
        options.push((key.value, value.value));
    }
    if options_section.present() && options.is_empty() {
        source.wrong(
            &options_section.span,
            format!("{} is empty", options_section.shown),
            "name at least the device: ip = \"10.78.0.11\"",
        );
    }
    let same = format!("{agent} {options:?}");
    if !options.is_empty() {
        let hint = "both machines would be switched by the same outlet; write the device (ip, plug, ipport) of each";
        pins.devices.note(source, &same, &options_section.span, whose, hint);
    }
    let guid = section.optional_text("guid", rules::guid);
    if let Some(guid) = &guid {
        let hint = "one device would switch both machines; ask each: ipmitool … mc guid";
        pins.devices.note(
            source,
            &guid.value.replace('-', "").to_ascii_lowercase(),
            &guid.span,
            &format!("the guid of {whose}"),
            hint,
        );
    }
    Fence::Agent {
        agent,
        options,
        password_file: section.optional_text("password_file", rules::path).map(|f| f.value),
        guid: guid.map(|f| f.value.to_ascii_lowercase()),
    }
}

fn xcat(section: &Section<'_, '_>, platform: Platform) -> Xcat {
    let default = || match platform {
        Platform::Linux => ["service", "xcatd", "{action}"].map(str::to_owned).to_vec(),
        // SRC has a program for each action.
        Platform::Aix => Vec::new(),
    };
    let control = if section.has("control") { section.command("control", rules::template) } else { None };
    Xcat {
        root: section.text_or("root", rules::path, "/opt/xcat"),
        cfgloc: section.text_or("cfgloc", rules::path, "/etc/xcat/cfgloc"),
        control: control.unwrap_or_else(default),
        dns: section.flag_or("dns", true),
        dhcp: section.flag_or("dhcp", true),
        conserver: section.flag_or("conserver", true),
        call_timeout_s: section.number_or("call_timeout_s", 1, 3_600, 60) as u32,
        min_nodes_percent: section.number_or("min_nodes_percent", 0, 100, 90) as u8,
    }
}
