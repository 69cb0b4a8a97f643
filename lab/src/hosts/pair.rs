//! The configuration that fits a lab: what an operator would have written for this pair.

use workflows::model::{Database, Fence, Nim, NimResources, Node, Pair, Platform, Postgres, Service, Witness, Xcat};

use super::{
    Lab,
    bmc::{self, password_file},
    database,
    db2::Db2,
    machine::{CLUSTER_NETWORK, Machine, Nic, PREFIX, SERVICE_ADDRESS, SERVICE_NAME, STANDBY_NAME, bmc_address},
    persona::{CLUSTER_INTERFACE, GATEWAY, NIM_DEVICE, Persona},
};

/// The pair of a lab, with everything pinned.
pub fn config(lab: &Lab) -> Pair {
    let server = database::Server { version: lab.state.postgres.clone() };
    let persona = lab.state.persona;
    let aix = persona != Persona::Linux;
    let addresses = |m: Machine| {
        // The other one is not an AIX machine's own: the two swap it.
        if persona.is_aix(m) { vec![m.address(Nic::Eth1)] } else { Nic::BOTH.map(|n| m.address(n)).to_vec() }
    };
    let host_keys = |m: Machine| vec![lab.state.host_keys[&m].clone()];
    let node = |machine: Machine| Node {
        name: machine.name().to_owned(),
        addresses: addresses(machine),
        ssh_port: 22,
        ssh_user: "root".into(),
        host_keys: host_keys(machine),
        platform: if aix { Platform::Aix } else { Platform::Linux },
        machine_id: lab.state.machine_ids[&machine].clone(),
        interface: if aix { CLUSTER_INTERFACE } else { Nic::Eth0.name() }.to_owned(),
        fence: Fence::Agent {
            agent: "fence_ipmilan".into(),
            options: [
                ("ip", bmc_address(machine).as_str()),
                ("username", bmc::USER),
                ("lanplus", "1"),
                ("cipher", "3"),
                ("power_wait", "0"),
            ]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .to_vec(),
            password_file: Some(password_file(machine)),
            guid: Some(lab.state.guids[&machine].clone()),
        },
    };
    let witness = |machine: Machine| Witness {
        name: machine.name().to_owned(),
        addresses: addresses(machine),
        ssh_port: 22,
        ssh_user: "root".into(),
        host_keys: host_keys(machine),
        service_node: aix && machine == Machine::Sn1,
    };
    Pair {
        name: "practice".into(),
        service: Service {
            host_name: SERVICE_NAME.into(),
            standby_host_name: STANDBY_NAME.into(),
            address: SERVICE_ADDRESS.into(),
            prefix: PREFIX,
            standby_address: aix.then(|| Machine::Mn2.address(Nic::Eth0)),
            gateway: aix.then(|| GATEWAY.address(Nic::Eth0)),
        },
        nodes: Machine::PAIR.map(node),
        witnesses: vec![witness(Machine::Sn1), witness(Machine::Admin)],
        database: lab.state.db2.map_or_else(
            || {
                Database::Postgres(Postgres {
                    database: database::DATABASE.into(),
                    user: database::ROLE.into(),
                    port: 5432,
                    os_user: "postgres".into(),
                    data_dir: server.data_dir(),
                    config_dir: server.config_dir(),
                    bin_dir: server.bin_dir(),
                    control: [&lab.tool(Machine::Mn1, "pg_ctlcluster"), &server.version, "main", "{action}"]
                        .map(str::to_owned)
                        .to_vec(),
                    client_network: CLUSTER_NETWORK.into(),
                })
            },
            |(timeout_s, window_s)| Db2 { timeout_s, window_s, ..Db2::default() }.model(),
        ),
        nim: aix.then(|| Nim {
            resources: NimResources::Define,
            device: NIM_DEVICE.into(),
            file_system: "/install/nim".into(),
            spot_timeout_s: 600,
        }),
        xcat: Xcat {
            root: "/opt/xcat".into(),
            cfgloc: "/etc/xcat/cfgloc".into(),
            control: ["service", "xcatd", "{action}"].map(str::to_owned).to_vec(),
            dns: true,
            dhcp: true,
            conserver: true,
            call_timeout_s: 30,
            min_nodes_percent: 90,
        },
        node_dir: "/var/lib/hamn".into(),
        max_clock_offset_ms: 5_000,
    }
}
