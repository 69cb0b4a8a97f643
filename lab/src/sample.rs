//! A pair for tests and for the demonstration: names, addresses and paths as on a Debian machine.

use workflows::model::{Fence, Node, Pair, Postgres, Service, Witness, Xcat};

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn node(letter: char, number: u8, interface: &str) -> Node {
    let option = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    Node {
        name: format!("mn-{letter}"),
        addresses: vec![format!("10.77.0.{number}"), format!("10.78.0.{number}")],
        ssh_port: 22,
        ssh_user: "root".to_owned(),
        host_keys: vec![format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHBpbm5lZGhvc3RrZXlvZnRoZW1hY2hpbmU{letter}")],
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

/// Two machines with an own address on the cluster's network and one on a network for administration, both fenced through their BMCs.
pub fn pair() -> Pair {
    Pair {
        name: "practice".to_owned(),
        service: Service {
            host_name: "mn1".to_owned(),
            standby_host_name: "mn2".to_owned(),
            address: "10.77.0.10".to_owned(),
            prefix: 24,
        },
        nodes: [node('a', 11, "eth0"), node('b', 12, "ens3")],
        witnesses: vec![Witness {
            name: "sn1".to_owned(),
            addresses: vec!["10.77.0.20".to_owned()],
            ssh_port: 22,
            ssh_user: "root".to_owned(),
            host_keys: vec!["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHBpbm5lZGhvc3RrZXlvZnRoZXdpdG5lc3Mx".to_owned()],
        }],
        database: Postgres {
            database: "xcatdb".to_owned(),
            user: "xcatadm".to_owned(),
            port: 5432,
            os_user: "postgres".to_owned(),
            data_dir: "/var/lib/postgresql/15/main".to_owned(),
            config_dir: "/etc/postgresql/15/main".to_owned(),
            bin_dir: "/usr/lib/postgresql/15/bin".to_owned(),
            control: words("pg_ctlcluster 15 main {action}"),
            client_network: "10.77.0.0/24".to_owned(),
        },
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
        node_dir: "/var/lib/hamn".to_owned(),
        max_clock_offset_ms: 5_000,
    }
}
