//! Two pairs that need no site: one for practice (tests, demonstration) and the procedure's own example (golden plans, demonstration).

use crate::model::{
    AfterTakeover, Database, Db2, Fence, Hadr, HadrService, Nim, NimResources, Node, Pair, Platform, Postgres, Service,
    SyncMode, Witness, Xcat,
};

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn option(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn linux(letter: char, number: u8, interface: &str) -> Node {
    Node {
        name: format!("mn-{letter}"),
        addresses: vec![format!("10.77.0.{number}"), format!("10.78.0.{number}")],
        ssh_port: 22,
        ssh_user: "root".to_owned(),
        host_keys: vec![format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHBpbm5lZGhvc3RrZXlvZnRoZW1hY2hpbmU{letter}")],
        platform: Platform::Linux,
        machine_id: format!("{:032x}", 0xa000 + u32::from(number)),
        interface: interface.to_owned(),
        fence: Fence::Agent {
            agent: "fence_ipmilan".to_owned(),
            options: vec![
                option("ip", &format!("10.79.0.{number}")),
                option("username", "hamn"),
                option("lanplus", "1"),
                option("cipher", "3"),
            ],
            password_file: Some(format!("/etc/hamn/bmc-{letter}")),
            guid: Some(format!("00000000-0000-0000-0000-0000000000{number}")),
        },
    }
}

fn service_node(address: &str) -> Witness {
    Witness {
        name: "sn1".to_owned(),
        addresses: vec![address.to_owned()],
        ssh_port: 22,
        ssh_user: "root".to_owned(),
        host_keys: vec!["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHBpbm5lZGhvc3RrZXlvZnRoZXdpdG5lc3Mx".to_owned()],
        service_node: true,
    }
}

/// Two Debian machines with PostgreSQL: an own address on the cluster's network and one on a network for administration, both
/// fenced through their BMCs.
pub fn practice() -> Pair {
    Pair {
        name: "practice".to_owned(),
        service: Service {
            host_name: "mn1".to_owned(),
            standby_host_name: "mn2".to_owned(),
            address: "10.77.0.10".to_owned(),
            prefix: 24,
            standby_address: None,
            gateway: None,
        },
        nodes: [linux('a', 11, "eth0"), linux('b', 12, "ens3")],
        witnesses: vec![Witness { service_node: false, ..service_node("10.77.0.20") }],
        database: Database::Postgres(Postgres {
            database: "xcatdb".to_owned(),
            user: "xcatadm".to_owned(),
            port: 5432,
            os_user: "postgres".to_owned(),
            data_dir: "/var/lib/postgresql/15/main".to_owned(),
            config_dir: "/etc/postgresql/15/main".to_owned(),
            bin_dir: "/usr/lib/postgresql/15/bin".to_owned(),
            control: words("pg_ctlcluster 15 main {action}"),
            client_network: "10.77.0.0/24".to_owned(),
        }),
        xcat: Xcat {
            root: "/opt/xcat".to_owned(),
            cfgloc: "/etc/xcat/cfgloc".to_owned(),
            control: words("service xcatd {action}"),
            dns: true,
            dhcp: true,
            conserver: true,
            call_timeout_s: 30,
            min_nodes_percent: 90,
        },
        nim: None,
        node_dir: "/var/lib/hamn".to_owned(),
        max_clock_offset_ms: 5_000,
    }
}

fn aix(letter: char, number: u8) -> Node {
    Node {
        name: format!("mn-{letter}"),
        addresses: vec![format!("10.1.47.{number}"), format!("10.2.47.{number}")],
        platform: Platform::Aix,
        machine_id: format!("{:016x}", 0x00f6_f5d5_4c00_4c00_u64 + u64::from(number)),
        fence: Fence::Agent {
            agent: "fence_lpar".to_owned(),
            options: vec![
                option("ip", "10.1.47.1"),
                option("username", "hscroot"),
                option("managed", "p750"),
                option("plug", &format!("aixmn{}", number - 102)),
            ],
            password_file: Some("/etc/hamn/hmc".to_owned()),
            guid: None,
        },
        ..linux(letter, number, "en1")
    }
}

/// The pair of the published procedure: aixmn1 (9.114.47.103) and aixmn2 (9.114.47.104), AIX 6.1, DB2 9.7 with HADR, NIM. The
/// addresses for administration, the HMC and the service node are made up: the procedure names none.
pub fn procedure() -> Pair {
    Pair {
        name: "procedure".to_owned(),
        service: Service {
            host_name: "aixmn1".to_owned(),
            standby_host_name: "aixmn2".to_owned(),
            address: "9.114.47.103".to_owned(),
            prefix: 26,
            standby_address: Some("9.114.47.104".to_owned()),
            gateway: Some("9.114.47.126".to_owned()),
        },
        nodes: [aix('a', 103), aix('b', 104)],
        witnesses: vec![service_node("9.114.47.105")],
        database: Database::Db2(Db2 {
            database: "XCATDB".to_owned(),
            instance: "xcatdb".to_owned(),
            home: "/var/lib/db2".to_owned(),
            port: 60_000,
            backup_dir: "/var/lib/db2/backup".to_owned(),
            hadr: Hadr {
                services: [
                    HadrService { name: "DB2_HADR_1".to_owned(), port: 55_001 },
                    HadrService { name: "DB2_HADR_2".to_owned(), port: 55_002 },
                ],
                sync_mode: SyncMode::NearSync,
                timeout_s: 60,
                peer_window_s: 120,
                after_takeover: AfterTakeover::Keep,
            },
        }),
        xcat: Xcat { dhcp: false, control: Vec::new(), ..practice().xcat },
        nim: Some(Nim {
            resources: NimResources::Define,
            device: "/install/images/aix61".to_owned(),
            file_system: "/install/nim".to_owned(),
            spot_timeout_s: 3_600,
        }),
        ..practice()
    }
}
