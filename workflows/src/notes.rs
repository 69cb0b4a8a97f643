//! What one step notes for a later one and for a person: names of notes ([`journal_schema::Fact::Note`]) and of settings
//! ([`journal_schema::Fact::Setting`]). They are in journals: a name is never given another meaning.

/// Note: what the server says that it listens on.
pub const LISTEN: &str = "listen_addresses";
/// Note: `cfgloc` before the user and the password.
pub const CFGLOC: &str = "cfgloc";
/// Note of a primary: how many standbys stream from it.
pub const STREAMING: &str = "streaming standbys";
/// Note of a primary: for how many standbys its commits wait.
pub const SYNCHRONOUS: &str = "synchronous standbys";
/// Note of a standby: time of the primary's last checkpoint known there, milliseconds since 1970 by the primary's clock.
pub const CHECKPOINT: &str = "last checkpoint";
/// Note: the standbys that the server would wait for at each commit, were it primary.
pub const WAITS_FOR: &str = "synchronous_standby_names";
/// Note: interfaces that xCAT's tables name and the machine does not have.
pub const FOREIGN_NICS: &str = "interfaces in xCAT's tables";
/// Note: the file that configures the service address for the next boot.
pub const PERSISTENT: &str = "service address at boot";

/// Setting: whether a roll-forward is pending.
pub const ROLLFORWARD: &str = "Rollforward pending";
/// Setting: whether a backup is pending.
pub const BACKUP: &str = "Backup pending";
/// Setting: host name in `db2nodes.cfg`.
pub const NODES_HOST: &str = "db2nodes.cfg";
/// Setting: version of DB2, four numbers with dots.
pub const VERSION: &str = "version";
/// Setting: the instance's state.
pub const INSTANCE: &str = "instance";
/// Setting: who manages HADR; empty: nobody.
pub const MANAGER: &str = "cluster manager";
/// Setting: host of the alternate server.
pub const ALTERNATE: &str = "alternate server";
/// Setting: the role that the database keeps; `absent`: there is no database.
pub const HADR_ROLE: &str = "HADR database role";
