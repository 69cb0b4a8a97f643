//! The section `[database]`: which database it is, and what follows from that.

use std::net::Ipv4Addr;

use workflows::model::{AfterTakeover, Database, Db2, Flavour, Hadr, HadrService, Postgres, SyncMode};

use super::{
    reader::{Found, Section, Source},
    rules,
};

/// Keys that have a meaning with each kind of database.
const KEYS: [(Flavour, &[&str]); 2] = [
    (
        Flavour::Postgres,
        &[
            "kind",
            "layout",
            "version",
            "cluster",
            "database",
            "user",
            "port",
            "os_user",
            "data_dir",
            "config_dir",
            "bin_dir",
            "control",
            "client_network",
        ],
    ),
    (Flavour::Db2, &["kind", "database", "port", "instance", "home", "backup_dir", "hadr"]),
];

/// Reads the section; `None` when its kind is none. Placeholders stand where another problem was reported.
pub(super) fn read(
    source: &Source<'_>,
    section: &Section<'_, '_>,
    network: Option<(Ipv4Addr, u8)>,
) -> Option<Database> {
    let kind = section.text_or("kind", rules::words, Flavour::Postgres.name());
    let Some((flavour, allowed)) = KEYS.iter().find(|(flavour, _)| flavour.name() == kind) else {
        source.wrong(&section.key_span("kind"), format!("`kind` is {kind:?}"), "write \"postgresql\" or \"db2\"");
        return None;
    };
    for key in KEYS.iter().flat_map(|(_, keys)| keys.iter()).filter(|k| section.has(k) && !allowed.contains(k)) {
        let what = format!("`{key}` has no meaning with kind = \"{kind}\"");
        source.wrong(&section.key_span(key), what, format!("keys of this kind: {}", allowed.join(", ")));
    }
    Some(match flavour {
        Flavour::Postgres => Database::Postgres(postgres(source, section, network)),
        Flavour::Db2 => Database::Db2(db2(source, section)),
    })
}

fn postgres(source: &Source<'_>, section: &Section<'_, '_>, network: Option<(Ipv4Addr, u8)>) -> Postgres {
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
    let client_network = network.map(|n| format!("{}/{}", rules::base(n), n.1)).unwrap_or_default();
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

fn db2(source: &Source<'_>, section: &Section<'_, '_>) -> Db2 {
    let instance = section.text_or("instance", rules::user, "xcatdb");
    let home = section.text_or("home", rules::path, "/var/lib/db2");
    let port = section.number_or("port", 1, 65_534, 60_000) as u16;
    Db2 {
        database: section.text_or("database", rules::db2_name, "XCATDB").to_ascii_uppercase(),
        backup_dir: section.text_or("backup_dir", rules::path, &format!("{home}/backup")),
        hadr: hadr(source, &section.section("hadr", "database.hadr"), port),
        instance,
        home,
        port,
    }
}

fn hadr(source: &Source<'_>, section: &Section<'_, '_>, server: u16) -> Hadr {
    let mut services = ["a", "b"].map(|letter| {
        let first = letter == "a";
        HadrService {
            name: section.text_or(
                &format!("service_{letter}"),
                rules::service_name,
                if first { "DB2_HADR_1" } else { "DB2_HADR_2" },
            ),
            port: section.number_or(&format!("port_{letter}"), 1, 65_535, if first { 55_001 } else { 55_002 }) as u16,
        }
    });
    for (letter, service) in ["a", "b"].iter().zip(&services) {
        // The port after the server's is taken as well: DB2 uses it for interrupts.
        if service.port == server || service.port == server + 1 {
            source.wrong(
                &section.key_span(&format!("port_{letter}")),
                format!("`port_{letter}` is {}, which the server uses ({server} and {})", service.port, server + 1),
                "HADR needs a port of its own, for example 55001",
            );
        }
    }
    if services[0].port == services[1].port || services[0].name == services[1].name {
        source.wrong(
            &section.span,
            "both machines have the same HADR service",
            "each has one of its own: DB2_HADR_1 55001, DB2_HADR_2 55002",
        );
        services[1].port = services[0].port.wrapping_add(1);
    }
    let timeout_s = section.number_or("timeout_s", 1, 4_095, 60) as u32;
    let peer_window_s = section.number_or("peer_window_s", 0, 4_294_967, 120) as u32;
    let sync_mode = choice(
        source,
        section,
        "sync_mode",
        "nearsync",
        &[
            ("sync", SyncMode::Sync),
            ("nearsync", SyncMode::NearSync),
            ("async", SyncMode::Async),
            ("superasync", SyncMode::SuperAsync),
        ],
    );
    let after_takeover = choice(
        source,
        section,
        "after_takeover",
        "keep",
        &[("keep", AfterTakeover::Keep), ("stop", AfterTakeover::Stop)],
    );
    Hadr { services, sync_mode, timeout_s, peer_window_s, after_takeover }
}

/// One of a few words.
fn choice<T: Copy>(
    source: &Source<'_>,
    section: &Section<'_, '_>,
    key: &'static str,
    default: &str,
    words: &[(&str, T)],
) -> T {
    let given = section.optional_text(key, rules::words);
    let word = given.as_ref().map_or(default, |Found { value, .. }| value.as_str());
    if let Some((_, value)) = words.iter().find(|(w, _)| *w == word) {
        return *value;
    }
    let allowed = words.iter().map(|(w, _)| format!("{w:?}")).collect::<Vec<_>>().join(", ");
    source.wrong(&section.key_span(key), format!("`{key}` is {word:?}"), format!("write one of {allowed}"));
    words[0].1
}
