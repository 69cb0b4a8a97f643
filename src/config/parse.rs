//! From the text of `hamn.toml` to a [`Config`]: reads the values, then looks at what they say together.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    ops::Range,
    path::PathBuf,
};

use toml::de::DeTable;
use workflows::model::{Fence, Node, Pair, Postgres, Service, Witness, Xcat};

use super::{
    Config, Local,
    problem::Problem,
    reader::{Found, Section, Source},
    redact::names_a_secret,
    rules,
};

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
    let database = database(source, &root.section("database", "database"), network);
    let xcat = xcat(&root.section("xcat", "xcat"));
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
            database,
            xcat,
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

/// Service address and prefix length, when both could be read.
type Network = Option<(Ipv4Addr, u8)>;

fn base(network: (Ipv4Addr, u8)) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(network.0) & rules::mask(network.1))
}

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
    let service = Service {
        host_name: host_name.map(|f| f.value).unwrap_or_default(),
        standby_host_name: standby.map(|f| f.value).unwrap_or_default(),
        address: address.map(|f| f.value.to_string()).unwrap_or_default(),
        prefix: prefix.map_or(0, |f| f.value as u8),
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
    let whose = name.as_ref().map_or_else(|| whose.to_owned(), |n| format!("{} ({whose})", n.value));
    if let Some(name) = &name {
        let hint = "each machine has a name of its own, which never moves to another one";
        pins.names.note(source, &name.value.to_ascii_lowercase(), &name.span, &format!("the name of {whose}"), hint);
    }
    let mut addresses = Vec::new();
    for text in section.texts("addresses").into_iter().flat_map(|f| f.value) {
        if let Some(found) = section.judge("addresses", text, |v| rules::address(v)) {
            let hint = "every machine needs addresses of its own: the service address moves, these never do";
            pins.addresses.note(source, &found.value.to_string(), &found.span, &format!("an address of {whose}"), hint);
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
    let machine_id = section.text("machine_id", rules::machine_id);
    if let Some(id) = &machine_id {
        let hint = "one of the two was cloned or the wrong one was asked; on the clone: rm /etc/machine-id, systemd-machine-id-setup";
        pins.ids.note(source, &id.value, &id.span, &format!("the machine_id of nodes.{letter}"), hint);
    }
    // An address that could not be read was reported; it may be the one.
    let all_read = section.texts_len("addresses") == addresses.len();
    if let Some(network) = network
        && let Some(first) = addresses.first()
    {
        let inside = |ip: &IpAddr| matches!(ip, IpAddr::V4(v4) if u32::from(*v4) & rules::mask(network.1) == u32::from(base(network)));
        if all_read && !addresses.iter().any(|a| inside(&a.value)) {
            let what = format!(
                "no address of nodes.{letter} is in the network of the service address, {}/{}",
                base(network),
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
        machine_id: machine_id.map(|f| f.value).unwrap_or_default(),
        interface,
        fence,
    }
}

fn witness(source: &Source<'_>, section: &Section<'_, '_>, pins: &mut Pins) -> Witness {
    let (machine, _) = machine(source, section, "witnesses", pins);
    Witness {
        name: machine.name,
        addresses: machine.addresses,
        ssh_port: machine.ssh_port,
        ssh_user: machine.ssh_user,
        host_keys: machine.host_keys,
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

fn database(source: &Source<'_>, section: &Section<'_, '_>, network: Network) -> Postgres {
    let layout = section.text_or("layout", rules::words, "debian");
    let version = if section.has("version") { section.number("version", 9, 99).map(|f| f.value) } else { None };
    let cluster = section.text_or("cluster", rules::node_name, "main");
    let mut defaults = Layout::default();
    match layout.as_str() {
        "debian" => match version {
            Some(version) => defaults = Layout::debian(version, &cluster),
            None if section.has("version") => {}
            None => {
                let hint = "write the major version that `pg_lsclusters` shows, for example version = 15";
                source.wrong(&section.span, "`version` is missing in [database]", hint);
            }
        },
        "rhel" => defaults = Layout::rhel(version),
        "custom" => {
            for key in ["data_dir", "config_dir", "bin_dir", "control"].iter().filter(|k| !section.has(k)) {
                source.wrong(
                    &section.key_span("layout"),
                    format!("`{key}` is missing in [database]"),
                    "layout \"custom\" has no defaults for paths and control",
                );
            }
        }
        _ => source.wrong(
            &section.key_span("layout"),
            format!("`layout` is {layout:?}"),
            "write \"debian\", \"rhel\" or \"custom\"",
        ),
    }
    let control = if section.has("control") {
        section.command("control", rules::template).unwrap_or_default()
    } else {
        defaults.control
    };
    let client_network = network.map(|n| format!("{}/{}", base(n), n.1)).unwrap_or_default();
    Postgres {
        database: section.text_or("database", rules::sql_name, "xcatdb"),
        user: section.text_or("user", rules::sql_name, "xcatadm"),
        port: section.number_or("port", 1, 65_535, 5_432) as u16,
        os_user: section.text_or("os_user", rules::user, "postgres"),
        data_dir: section.text_or("data_dir", rules::path, &defaults.data_dir),
        config_dir: section.text_or("config_dir", rules::path, &defaults.config_dir),
        bin_dir: section.text_or("bin_dir", rules::path, &defaults.bin_dir),
        control,
        client_network: section.text_or("client_network", rules::network, &client_network),
    }
}

/// Where a distribution keeps PostgreSQL.
#[derive(Default)]
struct Layout {
    data_dir: String,
    config_dir: String,
    bin_dir: String,
    control: Vec<String>,
}

impl Layout {
    fn debian(version: u64, cluster: &str) -> Self {
        Self {
            data_dir: format!("/var/lib/postgresql/{version}/{cluster}"),
            config_dir: format!("/etc/postgresql/{version}/{cluster}"),
            bin_dir: format!("/usr/lib/postgresql/{version}/bin"),
            control: ["pg_ctlcluster", &version.to_string(), cluster, "{action}"].map(str::to_owned).to_vec(),
        }
    }

    fn rhel(version: Option<u64>) -> Self {
        let (data_dir, bin_dir, unit) = match version {
            Some(v) => (format!("/var/lib/pgsql/{v}/data"), format!("/usr/pgsql-{v}/bin"), format!("postgresql-{v}")),
            None => ("/var/lib/pgsql/data".into(), "/usr/bin".into(), "postgresql".into()),
        };
        let control = ["systemctl", "{action}", &unit].map(str::to_owned).to_vec();
        Self { config_dir: data_dir.clone(), data_dir, bin_dir, control }
    }
}

fn xcat(section: &Section<'_, '_>) -> Xcat {
    let default = || ["service", "xcatd", "{action}"].map(str::to_owned).to_vec();
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
