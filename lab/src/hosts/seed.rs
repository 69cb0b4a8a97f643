//! The small cluster that the xCAT database of a new lab holds.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::xcat::{Row, TABLES, Table, table};

use super::machine::{DOMAIN, Machine, Nic, SERVICE_ADDRESS, SERVICE_NAME, STANDBY_NAME};

/// Nodes of the seed, the service node not counted.
pub const COMPUTE_NODES: u32 = 8;

/// Text in SQL's quotes.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Rows of all tables, by table in order of their making.
type Rows = Vec<(&'static Table, Row)>;

fn insert(rows: &mut Rows, name: &str, values: &[(&str, &str)]) {
    let known = table(name).expect("a table of the schema");
    let mut row = known.empty_row("");
    for (column, value) in values {
        (*value).clone_into(&mut row[known.column(column).expect("a column of the schema")]);
    }
    rows.push((known, row));
}

/// The rows by table.
pub(crate) fn content() -> BTreeMap<String, Vec<Row>> {
    let mut all: BTreeMap<String, Vec<Row>> = TABLES.iter().map(|t| (t.name.to_owned(), Vec::new())).collect();
    for (table, row) in rows() {
        all.entry(table.name.to_owned()).or_default().push(row);
    }
    all
}

/// Statements with an empty line after each, as a single-user server wants them; the tables are that role's.
pub(crate) fn sql(owner: &str) -> String {
    let mut sql = String::new();
    for t in TABLES {
        let columns: Vec<String> = t.columns.iter().map(|c| format!("\"{c}\" text")).collect();
        let _ =
            writeln!(sql, "CREATE TABLE {} ({}, PRIMARY KEY (\"{}\"));\n", t.name, columns.join(", "), t.columns[0]);
        let _ = writeln!(sql, "ALTER TABLE {} OWNER TO {owner};\n", t.name);
    }
    for (table, row) in rows() {
        let set = table.columns.iter().zip(&row).filter(|(_, v)| !v.is_empty());
        let (columns, texts): (Vec<_>, Vec<_>) = set.map(|(c, v)| (format!("\"{c}\""), quote(v))).unzip();
        let _ = writeln!(sql, "INSERT INTO {} ({}) VALUES ({});\n", table.name, columns.join(", "), texts.join(", "));
    }
    sql
}

fn rows() -> Rows {
    let mut rows = Rows::new();
    for (key, value) in [
        ("master", SERVICE_ADDRESS),
        ("nameservers", SERVICE_ADDRESS),
        ("domain", DOMAIN),
        ("dhcpinterfaces", "mn|eth0"),
        ("installdir", "/install"),
        ("tftpdir", "/tftpboot"),
        ("xcatdport", "3001"),
        ("xcatiport", "3002"),
        ("timezone", "Etc/UTC"),
    ] {
        insert(&mut rows, "site", &[("key", key), ("value", value)]);
    }
    insert(
        &mut rows,
        "networks",
        &[
            ("netname", "cluster"),
            ("net", "10.77.0.0"),
            ("mask", "255.255.255.0"),
            ("mgtifname", "eth0"),
            ("tftpserver", SERVICE_ADDRESS),
            ("nameservers", SERVICE_ADDRESS),
            ("domain", DOMAIN),
        ],
    );
    for (priority, name) in [("1", "root"), ("1.2", SERVICE_NAME), ("1.3", STANDBY_NAME)] {
        let rule = if name == "root" { "allow" } else { "trusted" };
        insert(&mut rows, "policy", &[("priority", priority), ("name", name), ("rule", rule)]);
    }
    insert(
        &mut rows,
        "osimage",
        &[
            ("imagename", "debian12-x86_64-netboot-compute"),
            ("imagetype", "linux"),
            ("osname", "Linux"),
            ("osvers", "debian12"),
            ("osarch", "x86_64"),
            ("profile", "compute"),
            ("provmethod", "netboot"),
            ("rootimgdir", "/install/netboot/debian12/x86_64/compute"),
        ],
    );
    for (table, values) in crate::nim::sample::ROWS {
        insert(&mut rows, table, values);
    }
    let sn1 = Machine::Sn1;
    node(&mut rows, sn1.name(), "service,all", &sn1.address(Nic::Eth0), &sn1.mac(Nic::Eth0), "");
    for n in 1..=COMPUTE_NODES {
        let (address, mac) = (format!("10.77.0.{}", 100 + n), format!("02:00:0a:4d:00:{:02x}", 100 + n));
        node(&mut rows, &format!("cn{n:02}"), "compute,all", &address, &mac, sn1.name());
    }
    rows
}

fn node(rows: &mut Rows, name: &str, groups: &str, address: &str, mac: &str, service_node: &str) {
    insert(rows, "nodelist", &[("node", name), ("groups", groups)]);
    insert(rows, "hosts", &[("node", name), ("ip", address)]);
    insert(rows, "mac", &[("node", name), ("interface", "eth0"), ("mac", mac)]);
    insert(rows, "nodehm", &[("node", name), ("power", "ipmi"), ("mgt", "ipmi"), ("cons", "ipmi")]);
    insert(
        rows,
        "noderes",
        &[("node", name), ("netboot", "xnba"), ("xcatmaster", SERVICE_ADDRESS), ("servicenode", service_node)],
    );
    insert(rows, "chain", &[("node", name), ("currstate", "boot")]);
}
