//! The pair as it is on a good day.

use std::{fmt::Write as _, sync::Arc};

use workflows::model::{self, Fence, NodeId, Pair, Platform};

use super::{
    Tables, World,
    database::{Commit, Database, Role, healthy_conf},
    db2::Db2,
    fence::Device,
    files::Files,
    fixed::Fixed,
    hit::Faults,
    machine::{AtBoot, Machine, Xcatd},
    watch::Watch,
};
use crate::{
    db2,
    xcat::{Row, table},
};

/// System identifier of the pair's data.
const SYSTEM_ID: u64 = 7_411_000_000_000_000_001;
/// Nodes of the cluster.
const NODES: usize = 12;
/// When the world begins: 2026-01-15 12:00 UTC.
const NOON_MS: u64 = 1_768_478_400_000;
/// End of the log when it begins.
const LOG_END: u64 = 0x0500_0148;

impl World {
    /// A is primary and in service, B its streaming standby; the jobs of the published procedure are armed.
    pub fn healthy(pair: &Pair) -> Self {
        Self::begun(pair, db2::Pair::formed)
    }

    /// A is in service; what its DB2 and that of B are, where that is the database, `db2` says.
    pub(super) fn begun(pair: &Pair, db2: impl FnOnce(&db2::Build) -> db2::Pair) -> Self {
        let fixed = Arc::new(Fixed::new(pair, SYSTEM_ID, NODES));
        let tables = Arc::new(tables(pair));
        let mut controller = Files::default();
        for id in NodeId::BOTH {
            if let Fence::Agent { password_file: Some(path), .. } = &pair.node(id).fence {
                controller.set(path, &format!("{}\n", super::fence::SECRET), 0o600);
            }
        }
        let mut world = Self {
            now_ms: NOON_MS,
            machines: NodeId::BOTH.map(|id| machine(pair, &fixed, id, &tables)),
            devices: [Device::default(), Device::default()],
            controller,
            service_nodes: pair.witnesses.iter().map(|w| w.service_node).collect(),
            witnesses: vec![Files::default(); pair.witnesses.len()],
            foreign_arp: None,
            neighbour: Some(NodeId::A),
            commits: vec![Commit { ms: NOON_MS - 250, branch: 0, end: LOG_END, acknowledged: true }],
            versions: Vec::new(),
            next_branch: 1,
            next_write_ms: NOON_MS,
            client_every_ms: 250,
            lag_ms: 0,
            synchronous: false,
            faults: Faults::default(),
            strikes: Vec::new(),
            link_cut: false,
            watch: Watch::default(),
            db2: None,
            fixed,
        };
        if let workflows::model::Database::Db2(_) = &pair.database {
            let own = NodeId::BOTH.map(|id| super::fixed::dotted(world.fixed.address(id)).to_string());
            world.db2 = Some(Box::new(Db2::new(pair, own, &tables, NOON_MS, db2)));
        } else {
            for id in NodeId::BOTH {
                world.start_database(id).expect("the healthy configuration is readable");
            }
        }
        let service = world.fixed.service;
        world.m_mut(NodeId::A).xcatd = Some(Xcatd { host: service, wedged: false });
        world.m_mut(NodeId::A).helpers = [pair.xcat.dns, pair.xcat.dhcp, pair.xcat.conserver];
        world.advance(1_000);
        world.forget();
        world
    }

    /// What happened so far was furnishing.
    pub(super) fn forget(&mut self) {
        self.watch = Watch::default();
    }

    /// As [`World::healthy`], with both servers listening on all addresses and letting the cluster in beforehand, so that nothing of
    /// the database needs an edit in the incident.
    pub fn healthy_prepared(pair: &Pair) -> Self {
        let mut world = Self::healthy(pair);
        let fixed = world.fixed.clone();
        for id in NodeId::BOTH {
            let conf: String = world
                .file(id, &fixed.postgresql_conf)
                .unwrap_or("")
                .lines()
                .map(|l| {
                    if l.starts_with("listen_addresses") {
                        "listen_addresses = '*'\n".to_owned()
                    } else {
                        format!("{l}\n")
                    }
                })
                .collect();
            world.put_file(id, &fixed.postgresql_conf, &conf);
            let client = &pair.postgres().client_network;
            let mut hba = world.file(id, &fixed.pg_hba).unwrap_or("").to_owned();
            if !hba.contains(client.as_str()) {
                let _ = writeln!(hba, "host    all             all             {client}            md5");
            }
            world.put_file(id, &fixed.pg_hba, &hba);
        }
        for id in NodeId::BOTH {
            world.stop_database(id);
            world.start_database(id).expect("the healthy configuration is readable");
        }
        world.advance(1_000);
        world.watch = Watch::default();
        world
    }
}

fn machine(pair: &Pair, fixed: &Fixed, id: NodeId, tables: &Arc<Tables>) -> Machine {
    let primary = id == NodeId::A;
    let service = &pair.service;
    let host_name = if primary { &service.host_name } else { &service.standby_host_name };
    let own = super::fixed::dotted(fixed.address(id)).to_string();
    let peer_name = if primary { &service.standby_host_name } else { &service.host_name };
    let mut files = Files::default();
    let cfgloc_host = if primary { &service.address } else { &own };
    let (cfgloc, dumps) = match &pair.database {
        model::Database::Postgres(pg) => {
            for (path, content) in healthy_conf(pair, fixed, id) {
                if !path.is_empty() && (!content.is_empty() || path.ends_with(".signal")) {
                    files.set(&path, &content, 0o640);
                }
            }
            let cfgloc = format!("Pg:dbname={};host={cfgloc_host}|{}|practice\n", pg.database, pg.user);
            (cfgloc, Some((&pg.os_user, &pg.database)))
        }
        model::Database::Db2(db2) => {
            for (path, content) in super::db2::files(pair, id) {
                files.set(&path, &content, 0o644);
            }
            (format!("DB2:{}|{}|practice\n", db2.database, db2.instance), None)
        }
    };
    files.set(&pair.xcat.cfgloc, &cfgloc, 0o600);
    files.set("/etc/machine-id", &format!("{}\n", pair.node(id).machine_id), 0o444);
    files.set("/etc/hostname", &format!("{host_name}\n"), 0o644);
    let hosts = format!(
        "127.0.0.1 localhost\n{} {}\n{} {}\n",
        service.address,
        service.host_name,
        service.standby_address.clone().unwrap_or_else(|| super::fixed::dotted(fixed.address(NodeId::B)).to_string()),
        service.standby_host_name
    );
    files.set("/etc/hosts", &hosts, 0o644);
    files.set("/etc/crontab", "SHELL=/bin/sh\n17 * * * * root cd / && run-parts --report /etc/cron.hourly\n", 0o644);
    if pair.node(id).platform == Platform::Aix {
        let table = if primary { "xcatd:2:once:/usr/bin/startsrc -s xcatd >/dev/console 2>&1\n" } else { "" };
        files.set("/etc/inittab", &format!("init:2:initdefault:\n{table}"), 0o644);
    }
    if let Some(nim) = &pair.nim {
        let images = format!("{}/installp/ppc/bos", nim.device);
        for file in crate::nim::sample::FILES.iter().copied().chain([images.as_str()]) {
            files.set(file, "# practice\n", 0o644);
        }
        // What a machine gets when it is made NIM's master, or the alternate of one.
        files.set("/tftpboot/README", "boot images of NIM\n", 0o644);
    }
    if primary {
        let mut jobs = format!(
            "0 1 * * * /usr/bin/rsync -az /etc/xcat/ca /etc/xcat/cert {peer_name}:/etc/xcat/\n0 2 * * * /usr/bin/rsync -az /install {peer_name}:/\n"
        );
        if let Some((_, name)) = dumps {
            let _ = writeln!(jobs, "0 4 * * * scp /tmp/{name} {peer_name}:/tmp/{name}");
        }
        files.set("/var/spool/cron/crontabs/root", &jobs, 0o600);
        if pair.xcat.dhcp {
            files.set("/etc/dhcp/dhcpd.conf", "#xCAT generated dhcp configuration\n", 0o644);
        }
    }
    if let Some((owner, name)) = dumps {
        let job = if primary {
            format!("0 3 * * * pg_dump -Fc {name} -f /tmp/{name}\n")
        } else {
            format!("0 5 * * * pg_restore -d {name} -c /tmp/{name}\n")
        };
        files.set(&format!("/var/spool/cron/crontabs/{owner}"), &job, 0o600);
    }
    let standby_address = service.standby_address.as_deref().and_then(super::fixed::ip);
    let role = if primary { Role::Primary } else { Role::Standby };
    Machine {
        power: true,
        up_at_ms: 0,
        half_dead: false,
        boots: 1,
        host_name: host_name.as_str().into(),
        aix: super::aix::Aix::new(pair, fixed, id),
        extra: if primary { vec![fixed.service] } else { standby_address.into_iter().collect() },
        cut_cluster: false,
        cut_admin: false,
        clock_offset_ms: 0,
        files,
        db: Database::new(role, SYSTEM_ID, tables.clone(), LOG_END, NOON_MS),
        xcatd: None,
        xcatd_lingers_ms: 0,
        helpers: [false; 3],
        helper_broken: [false; 3],
        restores: 0,
        at_boot: AtBoot { database: true, xcatd: false, helpers: false, service_address: false },
        probed: false,
        attested: false,
        off_reports: 0,
    }
}

/// The tables of a cluster of twelve nodes.
fn tables(pair: &Pair) -> Tables {
    let mut all = Tables::new();
    let mut put = |name: &str, values: &[(&str, &str)]| {
        let table = table(name).expect("a table of the schema");
        let mut row: Row = table.empty_row("");
        for (column, value) in values {
            (*value).clone_into(&mut row[table.column(column).expect("a column of the schema")]);
        }
        all.entry(table.name).or_default().push(row);
    };
    let service = &pair.service;
    // One name in both tables: where the machines call it differently, xCAT finds the interface by its network (trap 16).
    let [a, b] = [NodeId::A, NodeId::B].map(|id| pair.node(id).interface.as_str());
    let nic = if a == b { a } else { "" };
    for (key, value) in [
        ("master", service.address.as_str()),
        ("nameservers", service.address.as_str()),
        ("domain", "cluster.test"),
        ("dhcpinterfaces", nic),
        ("installdir", "/install"),
        ("xcatdport", "3001"),
    ] {
        put("site", &[("key", key), ("value", value)]);
    }
    let (net, mask) = {
        let address = super::fixed::ip(&service.address).unwrap_or(0);
        let mask = u32::MAX.checked_shl(32 - u32::from(service.prefix)).unwrap_or(0);
        (super::fixed::dotted(address & mask), super::fixed::dotted(mask))
    };
    put(
        "networks",
        &[
            ("netname", "cluster"),
            ("net", &net.to_string()),
            ("mask", &mask.to_string()),
            ("mgtifname", nic),
            ("tftpserver", &service.address),
        ],
    );
    if pair.nim.is_some() {
        for (table, values) in crate::nim::sample::ROWS {
            put(table, values);
        }
    }
    put("policy", &[("priority", "1.2"), ("name", &service.host_name), ("rule", "trusted")]);
    for n in 1..=NODES {
        let name = format!("cn{n:02}");
        put("nodelist", &[("node", &name), ("groups", "compute,all")]);
        let [a, b, c, _] = net.octets();
        put("hosts", &[("node", &name), ("ip", &format!("{a}.{b}.{c}.{}", 100 + n))]);
        put("mac", &[("node", &name), ("mac", &format!("42:00:0a:4d:00:{:02x}", 100 + n))]);
        put("nodehm", &[("node", &name), ("mgt", "ipmi"), ("cons", "ipmi")]);
    }
    all
}
