//! Every key of `hamn.toml`: one table from which unknown keys are told, help is printed and `docs/config.md` is made.

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// An array of strings.
    Texts,
    /// A table.
    Section,
    /// An array of tables.
    Sections,
}

impl Kind {
    /// As in a sentence: "must be …".
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "a string in quotes",
            Self::Number => "a whole number",
            Self::Flag => "true or false",
            Self::Texts => "a list of strings",
            Self::Section => "a table",
            Self::Sections => "a list of tables",
        }
    }
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// Without it: this value, as TOML or in words.
    Default(&'static str),
    /// Without it: nothing of the kind.
    Optional,
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Section that it is in; `X` stands for `a` and `b`. Empty: top level.
    pub section: &'static str,
    /// Name.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Whether it must be there.
    pub need: Need,
    /// What it means, with the unit.
    pub about: &'static str,
}

/// Sections in the order in which they are explained, with what they are.
pub const SECTIONS: &[(&str, &str)] = &[
    ("", "Top level"),
    ("service", "The address and the name that the cluster knows the management node by"),
    ("nodes", "The two machines. Their letters and names are fixed; roles move"),
    ("nodes.X", "One machine of the pair; X is a or b"),
    ("nodes.X.fence", "How that machine is powered off and its power state read"),
    (
        "nodes.X.fence.options",
        "Options of the fence agent as its manual names them, without action and passwords. A look before consent waits ten seconds \
         for the device, or as long as power_wait, delay and the options that end in _timeout make together",
    ),
    ("witnesses", "Further machines: vantage points, and holders of a copy of the journal (any number of them)"),
    ("database", "The xCAT database: PostgreSQL with streaming replication, or DB2 with HADR"),
    ("database.hadr", "Replication of DB2"),
    ("xcat", "xCAT itself"),
    ("nim", "Deployment of AIX nodes; without it nothing of NIM is touched"),
    ("hamn", "hamn's own settings"),
];

use Kind::{Flag, Number, Section, Sections, Text, Texts};
use Need::{Default, Optional, Required};

const fn key(section: &'static str, name: &'static str, kind: Kind, need: Need, about: &'static str) -> Key {
    Key { section, name, kind, need, about }
}

/// All keys.
pub const KEYS: &[Key] = &[
    key("", "name", Text, Required, "Name of the cluster, for people; shown in every question"),
    key("", "service", Section, Required, "See [service]"),
    key("", "nodes", Section, Required, "See [nodes.X]"),
    key("", "witnesses", Sections, Optional, "See [[witnesses]]"),
    key("", "database", Section, Default("see [database]"), "See [database]"),
    key("", "xcat", Section, Default("see [xcat]"), "See [xcat]"),
    key("", "nim", Section, Optional, "See [nim]"),
    key("", "hamn", Section, Default("see [hamn]"), "See [hamn]"),
    key(
        "service",
        "host_name",
        Text,
        Required,
        "Host name of the machine in service: what site.master resolves to and what xCAT's certificates carry",
    ),
    key("service", "standby_host_name", Text, Required, "Host name of the machine that is standby"),
    key("service", "address", Text, Required, "IPv4 address, without prefix length"),
    key("service", "prefix", Number, Required, "Prefix length of the cluster-facing network, 1 to 32"),
    key(
        "service",
        "standby_address",
        Text,
        Optional,
        "platform aix, required: address that the standby bears on its cluster-facing interface; the machines swap the two",
    ),
    key(
        "service",
        "gateway",
        Text,
        Optional,
        "platform aix: default route of the machine in service, set with its address",
    ),
    key("nodes", "a", Section, Required, "See [nodes.X]"),
    key("nodes", "b", Section, Required, "See [nodes.X]"),
    key("nodes.X", "name", Text, Required, "Fixed name in every question, record and report; need not be a host name"),
    key(
        "nodes.X",
        "addresses",
        Texts,
        Required,
        "Own IP addresses at which sshd answers, in order of preference; never the service address. Two, so that the move of an address is survived",
    ),
    key("nodes.X", "ssh_port", Number, Default("22"), "Port of sshd"),
    key("nodes.X", "ssh_user", Text, Default("\"root\""), "User to log in as, with the rights of root"),
    key(
        "nodes.X",
        "host_keys",
        Texts,
        Required,
        "Pinned host keys, at least one, as in /etc/ssh/ssh_host_*_key.pub: \"ssh-ed25519 AAAA…\"",
    ),
    key("nodes.X", "platform", Text, Default("\"linux\""), "Operating system: \"linux\" or \"aix\""),
    key(
        "nodes.X",
        "machine_id",
        Text,
        Required,
        "Pinned identity: content of /etc/machine-id (32 hexadecimal digits); on AIX what `uname -f` prints",
    ),
    key("nodes.X", "interface", Text, Required, "Cluster-facing network interface; may differ between the two"),
    key("nodes.X", "fence", Section, Required, "See [nodes.X.fence]"),
    key(
        "nodes.X.fence",
        "kind",
        Text,
        Required,
        "\"agent\" (a program of the fence-agents), \"command\" (your own), or \"attestation\" (a person vouches that the machine is off)",
    ),
    key(
        "nodes.X.fence",
        "agent",
        Text,
        Optional,
        "kind agent, required: program, for example \"fence_ipmilan\", or an absolute path",
    ),
    key("nodes.X.fence", "options", Section, Optional, "kind agent, required: see [nodes.X.fence.options]"),
    key(
        "nodes.X.fence",
        "password_file",
        Text,
        Optional,
        "kind agent: file on the machine that runs hamn whose first line is the password; owner root, mode 0600",
    ),
    key(
        "nodes.X.fence",
        "guid",
        Text,
        Optional,
        "kind agent: pinned identity of the device: what `ipmitool mc guid` prints",
    ),
    key(
        "nodes.X.fence",
        "argv",
        Texts,
        Optional,
        "kind command, required: program and first arguments; it is given off, on, status or identity as its last argument. status prints on or off",
    ),
    key(
        "nodes.X.fence",
        "identity",
        Text,
        Optional,
        "kind command: pinned answer to identity: machine-id or serial of what it would switch",
    ),
    key("witnesses", "name", Text, Required, "Name"),
    key("witnesses", "addresses", Texts, Required, "IP addresses at which sshd answers"),
    key("witnesses", "ssh_port", Number, Default("22"), "Port of sshd"),
    key("witnesses", "ssh_user", Text, Default("\"root\""), "User to log in as"),
    key("witnesses", "host_keys", Texts, Required, "Pinned host keys, at least one"),
    key(
        "witnesses",
        "service_node",
        Flag,
        Default("false"),
        "Whether it is a service node of xCAT: its xcatd is a client of the database",
    ),
    key("database", "kind", Text, Default("\"postgresql\""), "\"postgresql\" or \"db2\""),
    key(
        "database",
        "layout",
        Text,
        Default("\"debian\""),
        "Where the distribution keeps PostgreSQL: \"debian\", \"rhel\" (its own packages, or with version those of the PostgreSQL project), or \"custom\" (all paths given here)",
    ),
    key("database", "version", Number, Optional, "Major version of PostgreSQL; required by layout debian"),
    key("database", "cluster", Text, Default("\"main\""), "Name of the PostgreSQL cluster (layout debian)"),
    key("database", "database", Text, Default("by kind"), "Name of the database: \"xcatdb\", with DB2 \"XCATDB\""),
    key("database", "user", Text, Default("\"xcatadm\""), "Role that xcatd logs in with"),
    key("database", "port", Number, Default("by kind"), "Port of the server: 5432, with DB2 60000"),
    key("database", "os_user", Text, Default("\"postgres\""), "Operating-system user that owns the server"),
    key("database", "data_dir", Text, Default("by layout"), "Data directory, the same on both machines"),
    key("database", "config_dir", Text, Default("by layout"), "Directory of postgresql.conf and pg_hba.conf"),
    key(
        "database",
        "bin_dir",
        Text,
        Default("by layout"),
        "Directory of the server's programs: pg_ctl, postgres, psql",
    ),
    key(
        "database",
        "control",
        Texts,
        Default("by layout"),
        "Command that starts, stops, restarts the server; {action} is replaced",
    ),
    key(
        "database",
        "client_network",
        Text,
        Default("the network of [service]"),
        "Network whose clients may log in, for pg_hba.conf, in CIDR form",
    ),
    key(
        "database",
        "instance",
        Text,
        Default("\"xcatdb\""),
        "kind db2: name of the instance and of the user that owns it",
    ),
    key(
        "database",
        "home",
        Text,
        Default("\"/var/lib/db2\""),
        "kind db2: home directory of that user; sqllib is in it",
    ),
    key(
        "database",
        "backup_dir",
        Text,
        Default("by home"),
        "kind db2: directory of backup images, the same on both machines: backup in the home directory",
    ),
    key("database", "hadr", Section, Optional, "See [database.hadr]"),
    key("database.hadr", "service_a", Text, Default("\"DB2_HADR_1\""), "Service of machine a in /etc/services"),
    key(
        "database.hadr",
        "port_a",
        Number,
        Default("55001"),
        "Its TCP port: neither that of the server nor the one after it",
    ),
    key("database.hadr", "service_b", Text, Default("\"DB2_HADR_2\""), "Service of machine b in /etc/services"),
    key("database.hadr", "port_b", Number, Default("55002"), "Its TCP port"),
    key(
        "database.hadr",
        "sync_mode",
        Text,
        Default("\"nearsync\""),
        "HADR_SYNCMODE: \"sync\", \"nearsync\", \"async\" or \"superasync\"; the last two know no peer window",
    ),
    key(
        "database.hadr",
        "timeout_s",
        Number,
        Default("60"),
        "HADR_TIMEOUT, seconds; below 60 a hiccup of the network blocks commits for as long as the peer window",
    ),
    key(
        "database.hadr",
        "peer_window_s",
        Number,
        Default("120"),
        "HADR_PEER_WINDOW, seconds; at least timeout_s + 60, or no takeover after a silent death can be proven to lose nothing",
    ),
    key(
        "database.hadr",
        "after_takeover",
        Text,
        Default("\"keep\""),
        "\"keep\": the new primary stays an HADR primary, and the old one may be taken in again without a restore; \"stop\": STOP HADR, as the published procedure has it: the pair is dissolved and the old machine comes back by backup and restore only",
    ),
    key("xcat", "root", Text, Default("\"/opt/xcat\""), "Where xCAT is installed"),
    key("xcat", "cfgloc", Text, Default("\"/etc/xcat/cfgloc\""), "File that tells xcatd where its database is"),
    key(
        "xcat",
        "control",
        Texts,
        Default("by platform"),
        "Command that controls the daemon; {action} is replaced: [\"service\", \"xcatd\", \"{action}\"]; on AIX startsrc and stopsrc",
    ),
    key("xcat", "dns", Flag, Default("true"), "Whether makedns is run after a promotion"),
    key("xcat", "dhcp", Flag, Default("true"), "Whether makedhcp is run after a promotion"),
    key(
        "xcat",
        "conserver",
        Flag,
        Default("true"),
        "Whether makeconservercf, or makegocons where there is only goconserver, is run after a promotion",
    ),
    key(
        "xcat",
        "call_timeout_s",
        Number,
        Default("60"),
        "Seconds after which a call of an xCAT command counts as hung, 1 to 3600; makedns, makedhcp and makeconservercf have fifteen times that",
    ),
    key(
        "xcat",
        "min_nodes_percent",
        Number,
        Default("90"),
        "Least share of the last known number of nodes that the database must hold before xcatd is started, percent; 0 for a cluster that has no nodes yet",
    ),
    key(
        "nim",
        "resources",
        Text,
        Default("\"define\""),
        "How the new machine in service gets its NIM resources: \"define\" (anew, from what the last sync saved) or \"hanim\" (NIM's own takeover)",
    ),
    key("nim", "device", Text, Required, "Directory of the AIX installation images, for nim_master_setup"),
    key("nim", "file_system", Text, Default("\"/install/nim\""), "Directory of NIM's own"),
    key("nim", "spot_timeout_s", Number, Default("3600"), "Seconds that making one SPOT may take, 60 to 86400"),
    key("hamn", "state_dir", Text, Default("\"/var/lib/hamn\""), "Folder of the journal on the machine that runs hamn"),
    key(
        "hamn",
        "node_dir",
        Text,
        Default("\"/var/lib/hamn\""),
        "Folder of hamn on managed nodes: jobs, epoch, claim, copies of the journal",
    ),
    key(
        "hamn",
        "identity_file",
        Text,
        Optional,
        "Private ssh key to log in with; without it: the keys of the user that runs hamn",
    ),
    key("hamn", "connect_timeout_s", Number, Default("5"), "Seconds for one try to connect to one address, 1 to 120"),
    key(
        "hamn",
        "patience_s",
        Number,
        Default("900"),
        "Seconds for which an unreachable node is tried again in a run before the run stops and waits for `hamn resume`, 10 to 86400",
    ),
    key(
        "hamn",
        "max_clock_offset_ms",
        Number,
        Default("5000"),
        "Largest clock difference between the machines with which anything is started, milliseconds; added to what may be lost at most \
         where only times of a dead machine's clock are left",
    ),
];

/// Keys of a section.
pub fn keys_of(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |k| k.section == section)
}

/// How a section's header is written.
pub fn header(section: &str) -> String {
    match section {
        "" => "the top level".into(),
        "witnesses" => "[[witnesses]]".into(),
        other => format!("[{other}]"),
    }
}

/// All keys with what they mean, as Markdown that also reads well on a terminal.
pub fn explain() -> String {
    let mut text = String::new();
    for (section, about) in SECTIONS {
        if keys_of(section).next().is_none() && *section != "nodes.X.fence.options" {
            continue;
        }
        let title = if section.is_empty() { "Top level".into() } else { format!("`{}`", header(section)) };
        text.push_str(&format!("## {title}\n\n"));
        if !section.is_empty() {
            text.push_str(&format!("{about}.\n\n"));
        }
        for k in keys_of(section).filter(|k| !matches!(k.kind, Section | Sections)) {
            let need = match k.need {
                Required => "required".into(),
                Default(value) if value.starts_with("by ") || value.starts_with("the ") => format!("default: {value}"),
                Default(value) => format!("default `{value}`"),
                Optional => "optional".to_owned(),
            };
            text.push_str(&format!("- `{}`: {}; {need}.\n  {}.\n", k.name, k.kind.word(), k.about));
        }
        for k in keys_of(section).filter(|k| matches!(k.kind, Section | Sections)) {
            let path = if section.is_empty() { k.name.to_owned() } else { format!("{section}.{}", k.name) };
            let shown = if k.kind == Sections { format!("[[{path}]]") } else { format!("[{path}]") };
            text.push_str(&format!("- `{shown}`: {}.\n", if k.need == Required { "required" } else { "optional" }));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_a_listed_section_and_no_key_is_listed_twice() {
        for (i, k) in KEYS.iter().enumerate() {
            assert!(SECTIONS.iter().any(|(s, _)| *s == k.section), "{k:?}");
            assert!(!k.about.ends_with('.'), "{k:?}");
            assert!(!KEYS[..i].iter().any(|o| o.section == k.section && o.name == k.name), "{k:?}");
        }
    }
}
