//! Evidence: typed facts that an outcome was judged on. Append-only (bincode tells variants by their position).
//!
//! A fact says what was *observed*. What was not observed is [`Tri::Unknown`] or a missing fact, never `No`.

use serde::{Deserialize, Serialize};

/// Three-valued answer. `Unknown` is handled like the worst case by whoever reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tri {
    /// Observed to hold.
    Yes,
    /// Observed not to hold.
    No,
    /// Not observed, or the observation could not be understood.
    Unknown,
}

/// A way over which a node can show life (trap 8: several vantage points).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Channel {
    /// ssh to one of its own addresses.
    Ssh,
    /// ARP or ping at its cluster-facing address, seen from the standby.
    Arp,
    /// Its database's replication or SQL port.
    Database,
    /// Its power controller.
    Bmc,
    /// xcatd's port 3001.
    Xcatd,
}

/// Power state as reported by the fence device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Power {
    /// Reported on.
    On,
    /// Reported off.
    Off,
    /// Device not reached, or an answer that is neither.
    Unknown,
}

/// Role of a database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DatabaseRole {
    /// Writable.
    Primary,
    /// Replicating, read only.
    Standby,
    /// Server is down.
    Down,
    /// Could not be told.
    Unknown,
}

/// Role of a DB2 database in HADR. It is kept on disk: a forced takeover leaves the old primary's as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HadrRole {
    /// Not in HADR.
    Standard,
    /// Primary.
    Primary,
    /// Standby.
    Standby,
    /// Could not be told.
    Unknown,
}

/// State of HADR as one side reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HadrState {
    /// As a primary reports a standby that is not connected.
    Disconnected,
    /// The standby reads its own log files.
    LocalCatchup,
    /// The standby waits for the primary.
    RemoteCatchupPending,
    /// The standby reads the primary's log files.
    RemoteCatchup,
    /// The standby has what the primary writes.
    Peer,
    /// The connection broke in peer state, and the primary still holds commits back.
    DisconnectedPeer,
    /// Could not be told, or HADR does not run.
    Unknown,
}

/// Connection of HADR as one side reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HadrConnection {
    /// Up, as far as this side has noticed.
    Connected,
    /// Up, and nothing gets through.
    Congested,
    /// Down.
    Disconnected,
    /// Could not be told, or HADR does not run.
    Unknown,
}

/// How a standby of DB2 is permitted to take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TakeoverForm {
    /// Both databases change roles.
    Plain,
    /// By force, within the peer window.
    PeerWindowOnly,
    /// By force.
    ByForce,
}

/// One observed fact. `node` is the node's fixed name in the pair's configuration, never a host name that may have moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// Whether a node answers on a channel.
    Answers {
        /// Node asked.
        node: String,
        /// How it was asked.
        channel: Channel,
        /// The answer.
        answer: Tri,
    },
    /// Who a machine is.
    Identity {
        /// Node asked.
        node: String,
        /// `/etc/machine-id` or the serial number (AIX: `uname -m`).
        machine_id: String,
        /// Changes with every boot.
        boot_id: String,
        /// Host name that it bears now.
        host_name: String,
    },
    /// A node's clock against the clock of the machine that runs hamn.
    ClockOffset {
        /// Node asked.
        node: String,
        /// Node's clock minus ours, milliseconds.
        offset_ms: i64,
        /// Uncertainty: half the round trip, milliseconds.
        error_ms: u64,
    },
    /// Power state reported by the fence device.
    PowerState {
        /// Node whose device was asked.
        node: String,
        /// The report.
        power: Power,
    },
    /// Identity of the fence device (BMC GUID, LPAR name), compared with the pinned one (trap 6).
    FenceIdentity {
        /// Node whose device was asked.
        node: String,
        /// What it said.
        identity: String,
    },
    /// Role of the database on a node.
    Database {
        /// Node asked.
        node: String,
        /// Role.
        role: DatabaseRole,
        /// Identity of the replicated data (PostgreSQL system identifier); empty when unknown (trap 52).
        system_id: String,
        /// PostgreSQL timeline, DB2 log chain; 0 when unknown.
        timeline: u32,
    },
    /// Positions in the database log.
    LogPosition {
        /// Node asked.
        node: String,
        /// End of what the node wrote itself (primary).
        written: Option<u64>,
        /// End of what it received (standby).
        received: Option<u64>,
        /// End of what it replayed (standby).
        replayed: Option<u64>,
        /// Time of the last replayed commit.
        last_commit_ms: Option<u64>,
        /// Time of the last message from the primary.
        last_message_ms: Option<u64>,
    },
    /// Whether the standby's stream from the primary is up.
    Streaming {
        /// The standby.
        node: String,
        /// The answer.
        up: Tri,
        /// Whether commits wait for this standby (synchronous).
        synchronous: Tri,
    },
    /// Whether a node has an address configured.
    HoldsAddress {
        /// Node asked.
        node: String,
        /// The address, without prefix length.
        address: String,
        /// The answer.
        holds: Tri,
    },
    /// Answer to an address-conflict probe (RFC 5227; trap 13).
    AddressProbe {
        /// Node that probed.
        node: String,
        /// The address probed.
        address: String,
        /// The MAC that answered; `None`: silence.
        answered_by: Option<String>,
    },
    /// State of a service.
    Service {
        /// Node asked.
        node: String,
        /// Its name: `xcatd`, `dhcpd`, `named`, `conserver`.
        service: String,
        /// Running.
        running: Tri,
        /// Started at boot (trap 56).
        at_boot: Tri,
    },
    /// A scheduled job that writes to the node being promoted (traps 22 and 24).
    ScheduledJob {
        /// Node on which it is scheduled.
        node: String,
        /// File or table that holds it.
        holder: String,
        /// The line as it stands.
        line: String,
        /// Whether it can still fire.
        armed: Tri,
    },
    /// Epoch stored on a node.
    Epoch {
        /// Node asked.
        node: String,
        /// Its epoch.
        epoch: u64,
    },
    /// Number of nodes in the xCAT database (trap 52: an empty database is the wrong one).
    ClusterNodes {
        /// Node asked.
        node: String,
        /// `nodelist` rows.
        count: u64,
    },
    /// The operator vouches for something that cannot be measured (trap 2).
    Attested {
        /// Node spoken of.
        node: String,
        /// Who.
        by: String,
        /// Their words.
        text: String,
    },
    /// What is lost at most if the failover is done now.
    LossBound {
        /// Bytes of database log; `None`: unknown.
        bytes: Option<u64>,
        /// Milliseconds of database time; `None`: unknown.
        millis: Option<u64>,
    },
    /// The node is claimed by a run (trap 9).
    Claimed {
        /// Node asked.
        node: String,
        /// Text of the claim: run, operator, host, since; empty when free.
        claim: String,
    },
    /// Anything that is shown to a person and never decided upon.
    Note {
        /// Node, or empty.
        node: String,
        /// What.
        key: String,
        /// Value, without secrets.
        value: String,
    },
    /// What HADR says on a node.
    Hadr {
        /// Node asked.
        node: String,
        /// Role as the database keeps it.
        role: HadrRole,
        /// Whether the database is active.
        active: Tri,
        /// State.
        state: HadrState,
        /// Connection.
        connection: HadrConnection,
        /// Since when the connection has been so, milliseconds since 1970.
        since_ms: Option<u64>,
        /// End of the peer window by the primary's clock, milliseconds since 1970.
        window_end_ms: Option<u64>,
        /// The node's own clock at the look, milliseconds since 1970.
        clock_ms: Option<u64>,
    },
    /// A setting of the database, or something else that its configuration says.
    Setting {
        /// Node asked.
        node: String,
        /// Its name: `HADR_LOCAL_HOST`, `Rollforward pending`.
        name: String,
        /// Its value as printed; empty: not set.
        value: String,
    },
    /// The form of takeover that the evidence permits.
    Permitted {
        /// The standby.
        node: String,
        /// The form.
        form: TakeoverForm,
    },
    /// An image of the database, by the backup's own message.
    BackupImage {
        /// Node that holds it.
        node: String,
        /// `YYYYMMDDhhmmss`
        timestamp: String,
        /// Directory.
        directory: String,
    },
    /// What deployment needs and only the machine in service can tell, as it was saved.
    Deployment {
        /// Where the text was seen: a node, or `controller`.
        node: String,
        /// When it was taken, by the clock of the machine that told it, milliseconds since 1970.
        taken_ms: u64,
        /// SHA-256 of the text, hexadecimal.
        digest: String,
        /// The text: JSON, then its digest.
        text: String,
    },
}
