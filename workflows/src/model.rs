//! The pair as the configuration describes it. Plain data; `src/config` reads and validates `hamn.toml` into it.

use serde::{Deserialize, Serialize};

/// Which of the two machines. Fixed; roles move, this never does (trap 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeId {
    /// `nodes.a`
    A,
    /// `nodes.b`
    B,
}

impl NodeId {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// `a` or `b`.
    pub fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
        }
    }
}

/// The pair and its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Name of the cluster, for people.
    pub name: String,
    /// Service address and host name.
    pub service: Service,
    /// The two machines: `[a, b]`.
    pub nodes: [Node; 2],
    /// Further machines that records are copied to and that serve as vantage points (service nodes, admin hosts).
    pub witnesses: Vec<Witness>,
    /// The xCAT database.
    pub database: Database,
    /// xCAT itself.
    pub xcat: Xcat,
    /// Deployment of AIX nodes; `None`: there is no NIM.
    pub nim: Option<Nim>,
    /// Folder of hamn on managed nodes: jobs, epoch, claim, copies (default `/var/lib/hamn`).
    pub node_dir: String,
    /// Largest clock difference with which anything is started, milliseconds (trap 21: 5,000).
    pub max_clock_offset_ms: u64,
}

impl Pair {
    /// The machine `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[match id {
            NodeId::A => 0,
            NodeId::B => 1,
        }]
    }

    /// Which database it is: what chooses the set of workflows.
    pub fn flavour(&self) -> Flavour {
        match self.database {
            Database::Postgres(_) => Flavour::Postgres,
            Database::Db2(_) => Flavour::Db2,
        }
    }

    /// Its PostgreSQL.
    ///
    /// # Panics
    /// When it has another database. The steps that ask are in workflows of [`Flavour::Postgres`] only.
    pub fn postgres(&self) -> &Postgres {
        match &self.database {
            Database::Postgres(postgres) => postgres,
            Database::Db2(_) => panic!("a step for PostgreSQL in a pair with DB2"),
        }
    }

    /// Its DB2.
    ///
    /// # Panics
    /// When it has another database. The steps that ask are in workflows of [`Flavour::Db2`] only.
    pub fn db2(&self) -> &Db2 {
        match &self.database {
            Database::Db2(db2) => db2,
            Database::Postgres(_) => panic!("a step for DB2 in a pair with PostgreSQL"),
        }
    }

    /// The machine of that fixed name.
    pub fn by_name(&self, name: &str) -> Option<NodeId> {
        NodeId::BOTH.into_iter().find(|id| self.node(*id).name == name)
    }
}

/// The address and the name that the cluster knows the MN by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Host name of the machine in service (what `site.master` resolves to, what xCAT's certificates and tables carry).
    pub host_name: String,
    /// Host name of the machine that is standby.
    pub standby_host_name: String,
    /// IPv4 address, without prefix length.
    pub address: String,
    /// Prefix length of the cluster-facing network, 1 to 32.
    pub prefix: u8,
    /// Address that the standby bears on its cluster-facing interface, where the two machines swap addresses as they swap names
    /// (AIX: `mktcpip` replaces the address of an interface). `None`: the service address is added to the machine's own.
    pub standby_address: Option<String>,
    /// Default route of the machine in service, which `mktcpip` sets anew (trap 17).
    pub gateway: Option<String>,
}

/// Operating system of a machine of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// With iproute2, iputils' arping, cron.
    #[default]
    Linux,
    /// With SRC, ODM, ksh; no setsid, flock, timeout, mktemp, stat.
    Aix,
}

/// Kind of the xCAT database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// PostgreSQL with streaming replication.
    Postgres,
    /// DB2 with HADR.
    Db2,
}

impl Flavour {
    /// All.
    pub const ALL: [Self; 2] = [Self::Postgres, Self::Db2];

    /// As it is written in the configuration and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::Db2 => "db2",
        }
    }
}

/// The xCAT database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Database {
    /// PostgreSQL with streaming replication.
    Postgres(Postgres),
    /// DB2 with HADR.
    Db2(Db2),
}

/// One machine of the pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Fixed name in every question, record and report; need not be a host name.
    pub name: String,
    /// Own addresses at which sshd answers, in order of preference; never the service address.
    pub addresses: Vec<String>,
    /// ssh port (22).
    pub ssh_port: u16,
    /// ssh user, with the rights of root.
    pub ssh_user: String,
    /// Pinned host keys, `ssh-ed25519 AAAA…`, at least one.
    pub host_keys: Vec<String>,
    /// Operating system.
    pub platform: Platform,
    /// Pinned identity: `/etc/machine-id` on Linux, what `uname -f` prints on AIX (unique to a partition).
    pub machine_id: String,
    /// Cluster-facing network interface (trap 16: may differ between the two).
    pub interface: String,
    /// How it is fenced.
    pub fence: Fence,
}

/// A machine that is neither of the pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// Name.
    pub name: String,
    /// Addresses at which sshd answers.
    pub addresses: Vec<String>,
    /// ssh port (22).
    pub ssh_port: u16,
    /// ssh user.
    pub ssh_user: String,
    /// Pinned host keys.
    pub host_keys: Vec<String>,
    /// Whether it is a service node of xCAT: a client of the database, whose xcatd is stopped before it and started after it (trap 62).
    pub service_node: bool,
}

/// How a machine is powered off and its power state read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Fence {
    /// An agent of the `fence-agents` interface: options as `key=value` lines on its standard input.
    Agent {
        /// Program: `fence_ipmilan`, or an absolute path.
        agent: String,
        /// Options except `action` and passwords, in the order of the file.
        options: Vec<(String, String)>,
        /// File on the machine that runs hamn whose first line is the password (0600, root); sent as `password=`.
        password_file: Option<String>,
        /// Pinned identity of the device: the BMC's GUID as `ipmitool mc guid` prints it. `None`: not pinned.
        guid: Option<String>,
    },
    /// A command that is given `off`, `on`, `status` or `identity` as its last argument. `status` prints `on` or `off`;
    /// `identity` prints the machine-id or serial of what it would switch.
    Command {
        /// Program and first arguments.
        argv: Vec<String>,
        /// Pinned answer to `identity`.
        identity: Option<String>,
    },
    /// There is no device: an operator attests that the machine is off.
    Attestation,
}

/// PostgreSQL with streaming replication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postgres {
    /// Name of the database (`xcatdb`).
    pub database: String,
    /// Role that xcatd logs in with (`xcatadm`).
    pub user: String,
    /// Port (5432).
    pub port: u16,
    /// Operating-system user that owns the server (`postgres`).
    pub os_user: String,
    /// Data directory, the same on both machines.
    pub data_dir: String,
    /// Directory of `postgresql.conf` and `pg_hba.conf`.
    pub config_dir: String,
    /// Directory of the server's programs: `pg_ctl`, `postgres`.
    pub bin_dir: String,
    /// Command that starts, stops, restarts the server; `{action}` is replaced. For example
    /// `["pg_ctlcluster", "15", "main", "{action}"]` or `["systemctl", "{action}", "postgresql"]`.
    pub control: Vec<String>,
    /// Network whose clients may log in, for `pg_hba.conf`, in CIDR form.
    pub client_network: String,
}

/// DB2 with HADR. Names and defaults are those of xCAT's own set-up of DB2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Db2 {
    /// Name of the database (`XCATDB`).
    pub database: String,
    /// Name of the instance, which is also the user that owns it (`xcatdb`). Everything runs as this user, so that no password is needed (trap 47).
    pub instance: String,
    /// Home directory of the instance's owner (`/var/lib/db2`): `sqllib` is in it.
    pub home: String,
    /// Port at which the server answers its clients (`SVCENAME`; 60000): what the alternate server is told.
    pub port: u16,
    /// Directory of backup images, the same on both machines (`/var/lib/db2/backup`).
    pub backup_dir: String,
    /// Replication.
    pub hadr: Hadr,
}

/// HADR: how the two databases are tied together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hadr {
    /// Services of `/etc/services`, one a machine (`[a, b]`); they stay with the machine: `DB2_HADR_1` 55001, `DB2_HADR_2` 55002.
    pub services: [HadrService; 2],
    /// `HADR_SYNCMODE`
    pub sync_mode: SyncMode,
    /// `HADR_TIMEOUT`, seconds (trap 43).
    pub timeout_s: u32,
    /// `HADR_PEER_WINDOW`, seconds.
    pub peer_window_s: u32,
    /// What becomes of the tie after a takeover.
    pub after_takeover: AfterTakeover,
}

/// A line of `/etc/services`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HadrService {
    /// Name.
    pub name: String,
    /// TCP port: neither that of the server nor the one after it.
    pub port: u16,
}

/// `HADR_SYNCMODE`: what a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncMode {
    /// Both disks.
    Sync,
    /// The primary's disk and the standby's memory.
    NearSync,
    /// The primary's disk and its network buffer. Knows no peer window.
    Async,
    /// The primary's disk. Knows no peer window and no peer state.
    SuperAsync,
}

impl SyncMode {
    /// As DB2 takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sync => "SYNC",
            Self::NearSync => "NEARSYNC",
            Self::Async => "ASYNC",
            Self::SuperAsync => "SUPERASYNC",
        }
    }

    /// Whether a takeover within the peer window can be proven to lose nothing.
    pub fn has_peer_window(self) -> bool {
        matches!(self, Self::Sync | Self::NearSync)
    }
}

/// What becomes of HADR after a takeover: the procedure's STOP HADR dissolves the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterTakeover {
    /// The new primary stays an HADR primary, so that the old one can be taken in again if the logs allow.
    Keep,
    /// STOP HADR, as the procedure has it: the old machine comes back by backup and restore only.
    Stop,
}

/// NIM: deployment of AIX nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nim {
    /// How the new machine in service gets its NIM resources.
    pub resources: NimResources,
    /// Directory of the AIX installation images, for `nim_master_setup -a device=`.
    pub device: String,
    /// Directory of NIM's own (`/install/nim`).
    pub file_system: String,
    /// Seconds that making one SPOT may take (SPOTs take many minutes).
    pub spot_timeout_s: u32,
}

/// See [`Nim::resources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NimResources {
    /// Defined anew from what the last `hamn run sync` saved.
    Define,
    /// NIM's own high availability: `nim -o takeover`.
    Hanim,
}

/// xCAT on the machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Xcat {
    /// `/opt/xcat`
    pub root: String,
    /// `/etc/xcat/cfgloc`
    pub cfgloc: String,
    /// Command that controls the daemon; `{action}` is replaced: `["service", "xcatd", "{action}"]`.
    pub control: Vec<String>,
    /// Whether makedns, makedhcp, makeconservercf are run.
    pub dns: bool,
    /// See `dns`.
    pub dhcp: bool,
    /// See `dns`.
    pub conserver: bool,
    /// Seconds after which a call of an xCAT command counts as hung (facts: they can hang for ever); fifteen times that for makedns,
    /// makedhcp and makeconservercf, which write something for every node.
    pub call_timeout_s: u32,
    /// Least share of the last known number of nodes that the database must hold, percent (trap 52: 90).
    pub min_nodes_percent: u8,
}
