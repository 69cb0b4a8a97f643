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
    pub database: Postgres,
    /// xCAT itself.
    pub xcat: Xcat,
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
    /// Pinned `/etc/machine-id`.
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
    /// Seconds after which a call of an xCAT command counts as hung (facts: they can hang for ever).
    pub call_timeout_s: u32,
    /// Least share of the last known number of nodes that the database must hold, percent (trap 52: 90).
    pub min_nodes_percent: u8,
}
