//! The tables that the stand-ins know, with xCAT's columns and their order; the first column is the key.

/// A table.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Name.
    pub name: &'static str,
    /// Columns in xCAT's order; the first one is the key.
    pub columns: &'static [&'static str],
}

impl Table {
    /// Index of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| *c == name)
    }

    /// A row with nothing but its key.
    pub fn empty_row(&self, key: &str) -> super::Row {
        let mut row = vec![String::new(); self.columns.len()];
        key.clone_into(&mut row[0]);
        row
    }
}

/// All of them, by name.
pub const TABLES: &[Table] = &[
    Table { name: "chain", columns: &["node", "currstate", "currchain", "chain", "ondiscover", "comments", "disable"] },
    Table { name: "hosts", columns: &["node", "ip", "hostnames", "otherinterfaces", "comments", "disable"] },
    Table { name: "mac", columns: &["node", "interface", "mac", "comments", "disable"] },
    Table {
        name: "networks",
        columns: &[
            "netname",
            "net",
            "mask",
            "mgtifname",
            "gateway",
            "dhcpserver",
            "tftpserver",
            "nameservers",
            "dynamicrange",
            "domain",
            "comments",
            "disable",
        ],
    },
    Table {
        name: "nimimage",
        columns: &[
            "imagename",
            "nimtype",
            "lpp_source",
            "spot",
            "root",
            "dump",
            "paging",
            "resolv_conf",
            "tmp",
            "home",
            "shared_home",
            "res_group",
            "nimmethod",
            "script",
            "bosinst_data",
            "installp_bundle",
            "mksysb",
            "fb_script",
            "shared_root",
            "otherpkgs",
            "image_data",
            "configdump",
            "comments",
            "disable",
        ],
    },
    Table { name: "nodehm", columns: &["node", "power", "mgt", "cons", "conserver", "comments", "disable"] },
    Table { name: "nodelist", columns: &["node", "groups", "status", "statustime", "comments", "disable"] },
    Table {
        name: "noderes",
        columns: &["node", "servicenode", "netboot", "tftpserver", "nfsserver", "xcatmaster", "comments", "disable"],
    },
    Table {
        name: "nodetype",
        columns: &["node", "os", "arch", "profile", "provmethod", "supportedarchs", "nodetype", "comments", "disable"],
    },
    Table {
        name: "osimage",
        columns: &[
            "imagename",
            "imagetype",
            "osname",
            "osvers",
            "osarch",
            "profile",
            "provmethod",
            "rootimgdir",
            "comments",
            "disable",
        ],
    },
    Table { name: "passwd", columns: &["key", "username", "password", "comments", "disable"] },
    Table {
        name: "policy",
        columns: &[
            "priority",
            "name",
            "host",
            "commands",
            "noderange",
            "parameters",
            "time",
            "rule",
            "comments",
            "disable",
        ],
    },
    Table { name: "site", columns: &["key", "value", "comments", "disable"] },
];

/// A table by its name.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|t| t.name == name)
}

/// Where an attribute of a node object is kept: table, column.
pub(super) const NODE_ATTRIBUTES: &[(&str, &str, &str)] = &[
    ("chain", "chain", "chain"),
    ("cons", "nodehm", "cons"),
    ("conserver", "nodehm", "conserver"),
    ("currstate", "chain", "currstate"),
    ("groups", "nodelist", "groups"),
    ("ip", "hosts", "ip"),
    ("hostnames", "hosts", "hostnames"),
    ("mac", "mac", "mac"),
    ("mgt", "nodehm", "mgt"),
    ("netboot", "noderes", "netboot"),
    ("nfsserver", "noderes", "nfsserver"),
    ("power", "nodehm", "power"),
    ("servicenode", "noderes", "servicenode"),
    ("status", "nodelist", "status"),
    ("usercomment", "nodelist", "comments"),
    ("tftpserver", "noderes", "tftpserver"),
    ("usercomment", "nodelist", "comments"),
    ("xcatmaster", "noderes", "xcatmaster"),
];
