//! What hamn says about a configuration: every class of error as golden text, the canonical form, no secret in any message.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use hamn::config::{self, Config, ConfigError};
use proptest::prelude::*;
use workflows::model::Fence;

const SAMPLE: &str = include_str!("../docs/hamn.toml");

fn read(text: &str) -> Result<Config, ConfigError> {
    config::parse(text, Path::new("hamn.toml"))
}

const DB2: &str = include_str!("../docs/hamn-db2.toml");

fn edited(from: &str, to: &str) -> String {
    assert!(SAMPLE.contains(from), "the sample has no {from:?}");
    SAMPLE.replacen(from, to, 1)
}

#[test]
fn the_sample_is_valid_and_without_warnings() {
    let config = read(SAMPLE).unwrap();
    assert_eq!(config.warnings(), [""; 0]);
    assert_eq!(config.pair.postgres().data_dir, "/var/lib/postgresql/15/main");
    assert_eq!(config.pair.postgres().control, ["pg_ctlcluster", "15", "main", "{action}"]);
    assert_eq!(config.pair.postgres().client_network, "10.77.0.0/24");
    let Fence::Agent { options, .. } = &config.pair.nodes[0].fence else { panic!("the sample has an agent") };
    let keys: Vec<&str> = options.iter().map(|(k, _)| k.as_str()).collect();
    assert_eq!(keys, ["ip", "username", "lanplus", "cipher"], "options stay in the order of the file");
}

#[test]
fn layouts_of_the_distributions_have_their_defaults() {
    let of =
        |database: &str| read(&edited("layout = \"debian\"\nversion = 15", database)).unwrap().pair.postgres().clone();
    let own = of("layout = \"rhel\"");
    assert_eq!((own.data_dir.as_str(), own.bin_dir.as_str()), ("/var/lib/pgsql/data", "/usr/bin"));
    assert_eq!(own.control, ["systemctl", "{action}", "postgresql"]);
    let project = of("layout = \"rhel\"\nversion = 16\nport = 5433");
    assert_eq!(
        (project.config_dir.as_str(), project.bin_dir.as_str()),
        ("/var/lib/pgsql/16/data", "/usr/pgsql-16/bin")
    );
    assert_eq!((project.control[2].as_str(), project.port), ("postgresql-16", 5433));
    let moved = of("version = 15\ndata_dir = \"/data/pg\"");
    assert_eq!((moved.data_dir.as_str(), moved.config_dir.as_str()), ("/data/pg", "/etc/postgresql/15/main"));
}

#[test]
fn the_sample_for_db2_is_valid_and_without_warnings() {
    let config = read(DB2).unwrap();
    assert_eq!(config.warnings(), [""; 0]);
    let db2 = config.pair.db2();
    assert_eq!((db2.database.as_str(), db2.backup_dir.as_str()), ("XCATDB", "/var/lib/db2/backup"));
    assert_eq!(config.pair.service.standby_address.as_deref(), Some("9.114.47.104"));
    assert!(config.pair.witnesses[0].service_node);
    let back = read(&config.to_toml()).unwrap();
    assert_eq!(back, config);
    let routed = DB2.replace("\"9.114.47.126\"", "\"9.114.47.105\"");
    assert!(read(&routed).is_ok(), "a witness may be the router");
}

/// As [`CLASSES`], in the sample for DB2.
const DB2_CLASSES: &[(&str, &str, &str)] = &[
    ("unknown database", "kind = \"db2\"", "kind = \"oracle\""),
    ("key of another database", "kind = \"db2\"", "kind = \"db2\"\nlayout = \"debian\""),
    ("database on another platform", "kind = \"db2\"", "kind = \"postgresql\"\nversion = 15"),
    ("no address of the standby", "standby_address = \"9.114.47.104\"\n", ""),
    ("address of the standby in another network", "\"9.114.47.104\"", "\"9.114.48.104\""),
    ("gateway that is a node", "\"9.114.47.126\"", "\"9.114.47.104\""),
    ("gateway in another network", "\"9.114.47.126\"", "\"9.114.48.126\""),
    ("no identity of a partition", "machine_id = \"00f6f5d54c004c67\"", "machine_id = \"aixmn1\""),
    ("name of a database too long", "database = \"XCATDB\"", "database = \"XCATDATABASE\""),
    ("t43 HADR port of the server", "port_a = 55001", "port_a = 60000"),
    ("t43 HADR port after the server's", "port_a = 55001", "port_a = 60001"),
    ("one HADR service for both", "port_a = 55001", "port_a = 55002"),
    ("unknown mode", "sync_mode = \"nearsync\"", "sync_mode = \"near\""),
    ("unknown choice after the takeover", "after_takeover = \"keep\"", "after_takeover = \"both\""),
    ("NIM without images", "device = \"/install/images/aix61\"\n", ""),
];

#[test]
fn t43_weak_values_of_hadr_are_warned_of() {
    let warnings = |from: &str, to: &str| {
        assert!(DB2.contains(from), "the sample has no {from:?}");
        read(&DB2.replacen(from, to, 1)).unwrap().warnings().join("\n")
    };
    let procedure = warnings("timeout_s = 60", "timeout_s = 3");
    assert!(procedure.contains("HADR_TIMEOUT is 3 s"), "{procedure}");
    let window = warnings("peer_window_s = 120", "peer_window_s = 100");
    assert!(window.contains("120 or more is advised"), "{window}");
    let mode = warnings("sync_mode = \"nearsync\"", "sync_mode = \"async\"");
    assert!(mode.contains("ASYNC knows no peer window"), "{mode}");
}

/// Every class: a name, what is edited in the sample, and what it becomes.
const CLASSES: &[(&str, &str, &str)] = &[
    ("syntax: a quote is missing", "interface = \"eth0\"", "interface = \"eth0"),
    ("fence device without an address", "ip = \"10.79.0.11\"", "ip = \"\""),
    ("fence device that is no address", "ip = \"10.79.0.11\"", "ip = \"10.79.0.11;id\""),
    ("syntax: a key twice", "prefix = 24", "prefix = 24\nprefix = 25"),
    ("unknown key, near", "address = \"10.77.0.10\"", "adress = \"10.77.0.10\""),
    ("unknown key of another section", "interface = \"eth0\"", "interface = \"eth0\"\nlanplus = \"1\"\nport = 5432"),
    ("unknown section", "[hamn]", "[nodes.c]\nname = \"x\"\n\n[hamm]"),
    ("wrong type: number for text", "name = \"mn-a\"", "name = 1"),
    ("wrong type: text for number", "prefix = 24", "prefix = \"24\""),
    ("wrong type: text for list", "addresses = [\"10.77.0.20\"]", "addresses = \"10.77.0.20\""),
    ("wrong type: text for flag", "dns = true", "dns = \"true\""),
    ("wrong type: list for section", "[xcat]\n", "[x]\n[[xcat]]\n"),
    ("wrong type in a list", "\"10.78.0.11\"]", "1078]"),
    ("missing key", "machine_id = \"4c1d9a60b8f24f0e9b0f6ad0c3a7e511\"\n", ""),
    ("missing section", "[service]", "[nodes]"),
    ("missing version", "version = 15\n", ""),
    ("empty list", "[\"10.77.0.11\", \"10.78.0.11\"]", "[]"),
    ("out of range", "prefix = 24", "prefix = 33"),
    ("negative number", "prefix = 24", "prefix = -1"),
    ("no address", "\"10.77.0.12\"", "\"mn-b.cluster\""),
    ("address with prefix", "address = \"10.77.0.10\"", "address = \"10.77.0.10/24\""),
    ("address of no machine", "address = \"10.77.0.10\"", "address = \"0.0.0.0\""),
    ("network address", "address = \"10.77.0.10\"", "address = \"10.77.0.0\""),
    ("broadcast address", "address = \"10.77.0.10\"", "address = \"10.77.0.255\""),
    ("service address of IPv6", "address = \"10.77.0.10\"", "address = \"fd00::1\""),
    ("two nodes with one address", "\"10.77.0.12\"", "\"10.77.0.11\""),
    ("node with the service address", "\"10.77.0.12\"", "\"10.77.0.10\""),
    ("witness with a node's address", "\"10.77.0.20\"", "\"10.78.0.12\""),
    ("fence device at a node's address", "ip = \"10.79.0.12\"", "ip = \"10.77.0.12\""),
    ("node outside the service network", "[\"10.77.0.12\", \"10.78.0.12\"]", "[\"10.76.0.12\", \"10.78.0.12\"]"),
    ("shell character in a host name", "host_name = \"aixmn1\"", "host_name = \"aixmn1;reboot\""),
    ("shell character in a path", "/etc/hamn/bmc-a.password", "/etc/hamn/$(id).password"),
    ("space in an interface", "interface = \"eth0\"", "interface = \"eth 0\""),
    ("option in place of a name", "name = \"mn-a\"", "name = \"-oProxyCommand\""),
    ("name of hamn's own", "name = \"mn-a\"", "name = \"controller\""),
    ("two machines of one name", "name = \"mn-b\"", "name = \"MN-A\""),
    ("host names equal", "standby_host_name = \"aixmn2\"", "standby_host_name = \"aixmn1\""),
    ("host name is a number", "host_name = \"aixmn1\"", "host_name = \"10.77.0.10\""),
    ("one machine-id twice", "b7e0c2d45f6a4c3d8e1f0a9b8c7d6e52", "4c1d9a60b8f24f0e9b0f6ad0c3a7e511"),
    ("no machine-id", "b7e0c2d45f6a4c3d8e1f0a9b8c7d6e52", "B7E0"),
    ("placeholder machine-id", "b7e0c2d45f6a4c3d8e1f0a9b8c7d6e52", "00000000000000000000000000000000"),
    (
        "one host key twice",
        "IBVRG7vYtq386D2QCZ2z5+l3EWbuqXIUwU3d/tgtK3oQ",
        "IN8bB7Yr/07lktEurB5i7xbDh/c1JMwdzSZgbRgy0B77",
    ),
    ("damaged host key", "IBVRG7vYtq386D2QCZ2z5+l3EWbuqXIUwU3d/tgtK3oQ", "IBVRG7vYtq386D2QCZ2z5"),
    ("host key of another type", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBV", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIBV"),
    ("one GUID twice", "0a6f3e12-5b7c-4d11-9e2a-3c4d5e6f7a02", "0A6F3E12-5B7C-4D11-9E2A-3C4D5E6F7A01"),
    ("one GUID twice, without hyphens", "0a6f3e12-5b7c-4d11-9e2a-3c4d5e6f7a02", "0a6f3e125b7c4d119e2a3c4d5e6f7a01"),
    ("no GUID", "0a6f3e12-5b7c-4d11-9e2a-3c4d5e6f7a02", "0a6f3e12"),
    ("GUID that was never set", "0a6f3e12-5b7c-4d11-9e2a-3c4d5e6f7a02", "00000000-0000-0000-0000-000000000000"),
    ("one device for both", "ip = \"10.79.0.12\"", "ip = \"10.79.0.11\""),
    ("password in the file", "cipher = \"3\"\n\n[nodes.b]", "cipher = \"3\"\npassword = \"hunter2\"\n\n[nodes.b]"),
    ("password beside the fence", "password_file = \"/etc/hamn/bmc-a.password\"", "password = \"hunter2\""),
    ("action as an option", "lanplus = \"1\"", "action = \"off\""),
    ("relative path", "/etc/hamn/bmc-a.password", "bmc-a.password"),
    ("path that climbs", "\"/var/lib/hamn\"", "\"/var/lib/../hamn\""),
    ("path with an empty part", "\"/var/lib/hamn\"", "\"/var//lib/hamn/\""),
    ("root as folder", "\"/var/lib/hamn\"", "\"/\""),
    ("unknown kind of fence", "kind = \"agent\"", "kind = \"ipmi\""),
    ("key of another kind of fence", "kind = \"agent\"", "kind = \"attestation\""),
    (
        "agent without options",
        "[nodes.b.fence.options]\nip = \"10.79.0.12\"\nusername = \"hamn\"\nlanplus = \"1\"\ncipher = \"3\"\n",
        "",
    ),
    ("unknown layout", "layout = \"debian\"", "layout = \"suse\""),
    ("custom layout without paths", "layout = \"debian\"", "layout = \"custom\""),
    (
        "command without {action}",
        "version = 15",
        "version = 15\ncontrol = [\"systemctl\", \"restart\", \"postgresql\"]",
    ),
    ("password in a command", "dns = true", "control = [\"x\", \"{action}\", \"--password=hunter2\"]"),
    ("network with host bits", "version = 15", "version = 15\nclient_network = \"10.77.0.1/24\""),
    ("network of the whole world", "version = 15", "version = 15\nclient_network = \"0.0.0.0/0\""),
    ("newline in an option", "username = \"hamn\"", "username = \"hamn\\naction=on\""),
];

#[test]
fn every_class_of_error_names_place_reason_and_remedy() {
    let mut text = String::new();
    let db2 = DB2_CLASSES.iter().map(|class| (DB2, class));
    for (sample, (class, from, to)) in CLASSES.iter().map(|class| (SAMPLE, class)).chain(db2) {
        assert!(sample.contains(from), "{class}: the sample has no {from:?}");
        let error = read(&sample.replacen(from, to, 1)).err().unwrap_or_else(|| panic!("{class}: was accepted"));
        let ConfigError::Invalid { problems, .. } = &error else { panic!("{class}: {error}") };
        for p in problems {
            assert!(!p.what.is_empty() && !p.hint.is_empty(), "{class}: {p:?}");
            assert!(p.line >= 1 && p.column >= 1, "{class}: {p:?}");
        }
        assert!(!error.to_string().contains("hunter2"), "{class}: shows a password");
        text.push_str(&format!("===== {class}\n{}\n\n", error.details()));
    }
    insta::assert_snapshot!("every_class_of_error", text);
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_file() {
    let text = "nam = \"x\"\n[service]\nhost_name = 7\nprefix = 99\n[nodes.a]\nname = \"a b\"\n";
    let Err(ConfigError::Invalid { problems, .. }) = read(text) else { panic!("was accepted") };
    let lines: Vec<usize> = problems.iter().map(|p| p.line).collect();
    assert!(lines.is_sorted(), "{lines:?}");
    for line in [1, 2, 3, 4, 5, 6] {
        assert!(lines.contains(&line), "nothing said about line {line}: {lines:?}");
    }
}

#[test]
fn weak_but_usable_configurations_are_warned_of() {
    let text = edited("guid = \"0a6f3e12-5b7c-4d11-9e2a-3c4d5e6f7a01\"\n", "").replace(", \"10.78.0.12\"", "");
    let warnings = read(&text).unwrap().warnings().join("\n");
    assert!(warnings.contains("fence device of mn-a is not pinned"), "{warnings}");
    assert!(warnings.contains("mn-b has one address"), "{warnings}");
}

#[test]
fn t47_password_files_that_others_can_read_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|n| dir.path().join(n));
    let text = SAMPLE
        .replace("/etc/hamn/bmc-a.password", a.to_str().unwrap())
        .replace("/etc/hamn/bmc-b.password", b.to_str().unwrap());
    let config = read(&text).unwrap();
    let check = || config::check_files(&config, Path::new("hamn.toml")).map_err(|e| e.details());
    let missing = check().unwrap_err();
    assert_eq!(missing.lines().count(), 2, "{missing}");

    fs::write(&a, "hunter2\n").unwrap();
    fs::write(&b, "\n").unwrap();
    for (file, mode) in [(&a, 0o640), (&b, 0o600)] {
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }
    let open = check().unwrap_err();
    assert!(open.contains("mode 0640") && open.contains("chmod 0600"), "{open}");
    assert!(open.contains("its first line is empty"), "{open}");
    assert!(!open.contains("hunter2"));

    fs::set_permissions(&a, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&b, "x\n").unwrap();
    check().unwrap();
}

#[test]
fn docs_list_every_key() {
    let head = "# Keys of hamn.toml\n\nMade from the program: `hamn config show --explain`. A commented sample: [hamn.toml](hamn.toml).\n\n";
    let want = format!("{head}{}", config::explain());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, &want).unwrap();
    }
    let have = fs::read_to_string(path).unwrap_or_default();
    assert!(have == want, "docs/config.md is out of date; make it anew: UPDATE_DOCS=1 cargo test --test config docs");
}

prop_compose! {
    /// Options of a fence agent: names as agents have them, values with everything that TOML must quote.
    fn options()(names in proptest::collection::btree_set("[a-z][a-z0-9_]{0,8}", 1..6), values in proptest::collection::vec("[ -~é\"'\\\\#=]{0,11}[!-~]", 6)) -> Vec<(String, String)> {
        names.into_iter().filter(|n| n != "action" && n != "ip" && n != "ipaddr").zip(values).collect()
    }
}

proptest! {
    #[test]
    fn the_canonical_form_reads_back_to_the_same(
        name in "[^\\p{C}\\s]{1,20}",
        options in options(),
        third in 1_u8..250,
        port in 1_u16..,
        identity in proptest::option::of("/[a-z]{1,8}/[a-z.]{3,8}[a-z]"),
        attest: bool,
    ) {
        let mut config = read(SAMPLE).unwrap();
        config.pair.name.clone_from(&name);
        config.pair.nodes[0].addresses[1] = format!("10.80.{third}.1");
        config.pair.nodes[1].ssh_port = port;
        config.local.identity_file = identity.map(Into::into);
        if let Fence::Agent { options: have, .. } = &mut config.pair.nodes[0].fence {
            have.extend(options.into_iter().filter(|(k, _)| !["username", "lanplus", "cipher"].contains(&k.as_str())));
        }
        if attest {
            config.pair.nodes[1].fence = Fence::Command { argv: vec!["/sbin/fence".into(), name], identity: None };
        }
        let text = config.to_toml();
        let back = read(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(&back, &config);
        prop_assert_eq!(back.to_toml(), text);
    }

    #[test]
    fn no_damage_to_the_file_makes_the_reader_panic_or_point_outside(at in 0..SAMPLE.len(), len in 0_usize..40, new in "[\\PC\n\"\\[\\]=]{0,6}") {
        let boundary = |mut i: usize| { i = i.min(SAMPLE.len()); while !SAMPLE.is_char_boundary(i) { i -= 1 } i };
        let text = format!("{}{new}{}", &SAMPLE[..boundary(at)], &SAMPLE[boundary(at + len)..]);
        match read(&text) {
            Ok(config) => prop_assert_eq!(read(&config.to_toml()).unwrap(), config),
            Err(ConfigError::Invalid { problems, .. }) => {
                prop_assert!(!problems.is_empty());
                for p in problems {
                    let line = text.split('\n').nth(p.line - 1).unwrap_or_else(|| panic!("no line {}", p.line));
                    prop_assert!(p.column <= line.chars().count() + 1, "column {} of {:?}", p.column, line);
                }
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn a_password_is_shown_nowhere(line in 0..SAMPLE.lines().count(), key in "(password|passwd|bmc_passwd|snmp_secret|PASSWORD)", space in " {0,2}") {
        let mut lines: Vec<String> = SAMPLE.lines().map(str::to_owned).collect();
        lines.insert(line, format!("{key}{space}={space}\"hunter2\""));
        let said = match read(&lines.join("\n")) {
            Ok(config) => config.to_toml(),
            Err(error) => error.to_string(),
        };
        prop_assert!(!said.contains("hunter2"), "{}", said);
    }
}
