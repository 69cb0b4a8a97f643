//! Golden texts, exit codes and lies.

use std::collections::BTreeMap;

use super::*;

/// A management node in memory.
struct Memory {
    daemon: Daemon,
    database: Result<(), DbError>,
    tables: BTreeMap<&'static str, Vec<Row>>,
    files: BTreeMap<String, String>,
    helpers: Vec<Helper>,
    broken: Option<Helper>,
}

impl Default for Memory {
    fn default() -> Self {
        let mut memory = Self {
            daemon: Daemon::Running,
            database: Ok(()),
            tables: BTreeMap::new(),
            files: BTreeMap::new(),
            helpers: Vec::new(),
            broken: None,
        };
        for (key, value) in [("master", "10.77.0.1"), ("domain", "cluster.test")] {
            memory.insert("site", &[key, value]);
        }
        memory.insert("networks", &["cluster", "10.77.0.0", "255.255.255.0", "eth0"]);
        memory.files.insert("/etc/hosts".into(), "127.0.0.1 localhost\n10.77.0.1 mn1\n".into());
        memory.files.insert("/etc/xcat/cfgloc".into(), "Pg:dbname=xcatdb;host=10.77.0.1|xcatadm|secret\n".into());
        memory
    }
}

impl Memory {
    fn insert(&mut self, name: &str, values: &[&str]) {
        let table = table(name).unwrap();
        let mut row = table.empty_row("");
        for (at, value) in values.iter().enumerate() {
            (*value).clone_into(&mut row[at]);
        }
        self.tables.entry(table.name).or_default().push(row);
    }

    fn with_node() -> Self {
        let mut memory = Self::default();
        memory.insert("nodelist", &["cn01", "compute,all"]);
        memory.insert("hosts", &["cn01", "10.77.0.101"]);
        memory.insert("mac", &["cn01", "", "42:00:0a:4d:00:65"]);
        memory
    }

    fn call(&mut self, line: &str) -> Reply {
        self.call_env(line, &[])
    }

    fn call_env(&mut self, line: &str, env: &[(&str, &str)]) -> Reply {
        let words: Vec<&str> = line.split(' ').collect();
        let env: Vec<_> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        call(words[0], &words[1..], &env, self)
    }
}

impl Backend for Memory {
    fn host_name(&self) -> String {
        "mn1".into()
    }

    fn daemon(&self) -> Daemon {
        self.daemon
    }

    fn start_daemon(&mut self) -> Result<(), DbError> {
        self.database.inspect(|()| self.daemon = Daemon::Running)
    }

    fn stop_daemon(&mut self) {
        self.daemon = Daemon::Stopped;
    }

    fn rows(&mut self, _: Via, table: &'static Table) -> Result<Vec<Row>, DbError> {
        match self.database {
            Err(DbError::Down) => Err(DbError::Down),
            _ => Ok(self.tables.get(table.name).cloned().unwrap_or_default()),
        }
    }

    fn put(&mut self, _: Via, table: &'static Table, row: Row) -> Result<(), DbError> {
        self.database?;
        let rows = self.tables.entry(table.name).or_default();
        rows.retain(|r| r[0] != row[0]);
        rows.push(row);
        rows.sort();
        Ok(())
    }

    fn delete(&mut self, _: Via, table: &'static Table, key: &str) -> Result<usize, DbError> {
        self.database?;
        let rows = self.tables.entry(table.name).or_default();
        let before = rows.len();
        rows.retain(|r| r[0] != key);
        Ok(before - rows.len())
    }

    fn read_file(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }

    fn write_file(&mut self, path: &str, content: &str) {
        self.files.insert(path.into(), content.into());
    }

    fn has_interface(&self, name: &str) -> bool {
        name == "eth0"
    }

    fn helper(&mut self, helper: Helper, start: bool) -> bool {
        if start && self.broken != Some(helper) {
            self.helpers.push(helper);
        }
        self.helpers.contains(&helper)
    }
}

fn said(reply: &Reply) -> (i32, &str, &str) {
    assert!(!reply.hangs, "{reply:?}");
    (reply.exit, &reply.stdout, &reply.stderr)
}

const CREATED: &str = "1 object definitions have been created or modified.\n";

#[test]
fn without_a_daemon_the_explanation_is_on_standard_output() {
    let mut mn = Memory { daemon: Daemon::Stopped, ..Memory::default() };
    for command in ["tabdump site", "nodels", "lsdef cn01", "makedns -n", "lsxcatd -a"] {
        assert_eq!(
            said(&mn.call(command)),
            (
                111,
                "Unable to open socket connection to xcatd daemon on localhost:3001.\nVerify that the xcatd daemon is running and that your SSL setup is correct.\n",
                "Connection failure: IO::Socket::INET: connect: Connection refused at /opt/xcat/lib/perl/xCAT/Client.pm line 248.\n"
            ),
            "{command}"
        );
    }
}

#[test]
fn a_dead_database_under_a_running_daemon_reads_as_a_refusal_and_status_knows_nothing_of_it() {
    let mut mn = Memory { database: Err(DbError::Down), ..Memory::default() };
    for command in ["tabdump site", "nodels", "tabdump", "lsdef -t osimage", "makedhcp -a", "lsxcatd -d"] {
        assert_eq!(said(&mn.call(command)), (1, "", "Error: Permission denied for request\n"), "{command}");
    }
    assert_eq!(said(&mn.call("xcatd status")), (0, "xcatd service is running\n", ""));
    mn.database = Ok(());
    assert_eq!(mn.call("tabdump site").exit, 0, "it recovers by itself");
}

#[test]
fn a_start_without_its_database_never_returns() {
    let mut mn = Memory { daemon: Daemon::Stopped, database: Err(DbError::Down), ..Memory::default() };
    let reply = mn.call("xcatd start");
    assert!(reply.hangs);
    assert_eq!(reply.stdout, "Starting xcatd ");
    let reply = mn.call("xcatd restart");
    assert!(reply.hangs);
    assert_eq!(mn.daemon, Daemon::Stopped);
}

#[test]
fn a_wedged_daemon_hangs_its_clients_and_only_a_restart_heals_it() {
    let mut mn = Memory { daemon: Daemon::Wedged, ..Memory::default() };
    assert!(mn.call("tabdump site").hangs);
    assert_eq!(said(&mn.call("xcatd start")), (0, "xcatd already running  (warning).\n", ""));
    assert!(mn.call("tabdump site").hangs);
    assert_eq!(said(&mn.call("xcatd status")), (0, "xcatd service is running\n", ""));
    assert_eq!(mn.call("xcatd restart").exit, 0);
    assert_eq!(mn.call("tabdump site").exit, 0);
}

#[test]
fn stop_exits_0_always() {
    let mut mn = Memory::default();
    assert_eq!(mn.call("xcatd stop").exit, 0);
    assert_eq!(said(&mn.call("xcatd stop")), (0, "xcatd not running, not stopping  (warning).\n", ""));
    assert_eq!(said(&mn.call("xcatd status")), (3, "xcatd service is not running\n", ""));
}

#[test]
fn bypass_loops_without_a_database_and_chats_before_its_first_line() {
    let mut mn = Memory { daemon: Daemon::Stopped, ..Memory::default() };
    let reply = mn.call_env("tabdump site", &[("XCATBYPASS", "1")]);
    let mut lines = reply.stdout.lines();
    assert_eq!(lines.next(), Some("Error loading module /opt/xcat/lib/perl/xCAT_plugin/kvm.pm  ...skipping"));
    assert_eq!(lines.next(), Some("#key,value,comments,disable"));
    mn.database = Err(DbError::Down);
    assert!(mn.call_env("lsxcatd -a", &[("XCATBYPASS", "1")]).hangs);
}

#[test]
fn tabdump_quotes_what_is_set_and_doubles_quotes() {
    let mut mn = Memory::default();
    mn.insert("site", &["note", "a \"b\", c"]);
    assert_eq!(
        said(&mn.call("tabdump site")),
        (
            0,
            "#key,value,comments,disable\n\"master\",\"10.77.0.1\",,\n\"domain\",\"cluster.test\",,\n\"note\",\"a \"\"b\"\", c\",,\n",
            ""
        )
    );
    assert_eq!(said(&mn.call("tabdump nosuchtable")), (1, "", "Error: [mn1]: No such table: nosuchtable\n"));
    assert_eq!(
        said(&mn.call("tabdump policy")).1,
        "#priority,name,host,commands,noderange,parameters,time,rule,comments,disable\n"
    );
    assert!(mn.call("tabdump").stdout.contains("nodelist\n"));
    assert_eq!(said(&mn.call("tabdump -f /tmp/site site")), (0, "", ""));
    assert!(mn.files["/tmp/site"].starts_with("#key,value,comments,disable\n"));
}

#[test]
fn gettab_and_chtab() {
    let mut mn = Memory::default();
    assert_eq!(said(&mn.call("gettab key=master site.value")), (0, "10.77.0.1\n", ""));
    assert_eq!(said(&mn.call("gettab key=nothing site.value")), (0, "", ""));
    mn.daemon = Daemon::Stopped;
    assert_eq!(said(&mn.call("chtab key=master site.value=10.77.0.2")), (0, "", ""), "works without a daemon");
    assert_eq!(said(&mn.call("chtab -d key=absent site")), (0, "", ""));
    assert_eq!(said(&mn.call("chtab key=x nosuchtable.y=z")), (1, "Table nosuchtable does not exist.\n", ""));
    mn.database = Err(DbError::Down);
    let reply = mn.call("chtab key=master site.value=10.77.0.3");
    assert_eq!((reply.exit, reply.stderr.as_str()), (1, ""));
    assert!(!reply.stdout.is_empty());
    mn.database = Ok(());
    mn.daemon = Daemon::Running;
    assert_eq!(said(&mn.call("gettab key=master site.value")), (0, "10.77.0.2\n", ""));
}

#[test]
fn nodels_names_what_it_does_not_know() {
    let mut mn = Memory::default();
    assert_eq!(said(&mn.call("nodels")), (0, "", ""));
    assert_eq!(
        said(&mn.call("nodels nosuchgroup")),
        (1, "", "Error: Invalid nodes and/or groups in noderange: nosuchgroup\n")
    );
    let mut mn = Memory::with_node();
    assert_eq!(said(&mn.call("nodels compute")), (0, "cn01\n", ""));
    assert_eq!(said(&mn.call("nodels cn01 nodelist.groups")), (0, "cn01: compute,all\n", ""));
}

#[test]
fn lsdef() {
    let mut mn = Memory::default();
    let nothing = "Could not find any object definitions to display.\n";
    assert_eq!(said(&mn.call("lsdef")), (0, nothing, ""));
    assert_eq!(said(&mn.call("lsdef -t osimage")), (0, nothing, ""));
    assert_eq!(
        said(&mn.call("lsdef nosuch")),
        (
            1,
            "No object definitions have been found\n",
            "Error: [mn1]: Could not find an object named 'nosuch' of type 'node'.\n"
        )
    );
    let mut mn = Memory::with_node();
    mn.tables.remove("mac");
    assert_eq!(
        said(&mn.call("lsdef cn01")),
        (0, "Object name: cn01\n    groups=compute,all\n    ip=10.77.0.101\n", "")
    );
    assert_eq!(said(&mn.call("lsdef cn01 -i ip,mgt")), (0, "Object name: cn01\n    ip=10.77.0.101\n    mgt=\n", ""));
    assert_eq!(
        said(&mn.call("lsdef cn01 -z")),
        (
            0,
            "# <xCAT data object stanza file>\n\ncn01:\n    objtype=node\n    groups=compute,all\n    ip=10.77.0.101\n",
            ""
        )
    );
    assert!(mn.call("lsdef -t site").stdout.starts_with("Object name: clustersite\n    domain=cluster.test\n"));
    mn.insert("nimimage", &["610SNimage", "standalone", "610SNimage_lpp_source", "610SNimage"]);
    assert_eq!(said(&mn.call("lsdef -t osimage")), (0, "610SNimage  (osimage)\n", ""));
    assert_eq!(
        said(&mn.call("lsdef -t osimage -l")),
        (
            0,
            "Object name: 610SNimage\n    lpp_source=610SNimage_lpp_source\n    nimtype=standalone\n    spot=610SNimage\n",
            ""
        )
    );
}

#[test]
fn mkdef_refuses_and_replaces() {
    let mut mn = Memory::default();
    assert_eq!(said(&mn.call("mkdef -t node -o cn01 groups=compute,all ip=10.77.0.101")), (0, CREATED, ""));
    assert_eq!(
        said(&mn.call("mkdef -t node -o cn01 groups=all")),
        (
            1,
            "",
            "Warning: [mn1]: A definition for 'cn01' already exists. No changes will be made.  Run again with '-f' option to force replace.\nError: [mn1]: 0 object definitions have been created or modified.\n"
        )
    );
    assert_eq!(said(&mn.call("mkdef -f -t node -o cn01 groups=all")), (0, CREATED, ""));
    assert_eq!(said(&mn.call("lsdef cn01")), (0, "Object name: cn01\n    groups=all\n", ""), "the address is lost");
}

#[test]
fn chdef_of_an_unknown_node_fails_and_leaves_a_row_behind() {
    let mut mn = Memory::default();
    assert_eq!(
        said(&mn.call("chdef nosuch ip=1.2.3.4")),
        (
            1,
            "",
            "Error: [mn1]: Attribute 'groups' is not specified for node 'nosuch', skipping to the next node.\nError: [mn1]: One or more errors occured when attempting to create or modify xCAT object definitions.\n"
        )
    );
    assert!(mn.call("tabdump hosts").stdout.contains("\"nosuch\",\"1.2.3.4\""));
    assert_eq!(mn.call("nodels").stdout, "");
    assert_eq!(said(&mn.call("chdef -t site master=10.77.0.9")), (0, CREATED, ""));
    assert_eq!(mn.call("gettab key=master site.value").stdout, "10.77.0.9\n");
}

#[test]
fn rmdef() {
    let mut mn = Memory::with_node();
    assert_eq!(said(&mn.call("rmdef cn01")), (0, "1 object definitions have been removed.\n", ""));
    assert_eq!(
        said(&mn.call("rmdef cn01")),
        (
            1,
            "No objects have been removed from the xCAT database.\n",
            "Error: [mn1]: Could not find an object named 'cn01' of type 'node'.\n"
        )
    );
}

#[test]
fn lsxcatd_hides_the_password_and_calls_any_node_a_management_node() {
    let mut mn = Memory::default();
    assert_eq!(
        said(&mn.call("lsxcatd -d")),
        (
            0,
            "cfgloc=Pg:dbname=xcatdb;host=10.77.0.1|xcatadm\ndbengine=Pg\ndbname=xcatdb\ndbhost=10.77.0.1\ndbadmin=xcatadm\n",
            ""
        )
    );
    let all = mn.call("lsxcatd -a").stdout;
    assert!(all.starts_with("Version 2.19.0 (git commit ") && all.contains("\nThis is a Management Node\n"));
    assert!(!all.contains("secret"));
    assert_eq!(mn.call("lsxcatd").exit, 1);
    assert_eq!(mn.call("lsxcatd -h").exit, 0);
    mn.files.remove("/etc/xcat/cfgloc");
    assert_eq!(mn.call("lsxcatd -d").stdout, "dbengine=SQLite\n");
}

#[test]
fn makedns() {
    let mut mn = Memory::default();
    assert_eq!(
        said(&mn.call("makedns -n")),
        (
            0,
            "Handling mn1.cluster.test in /etc/hosts.\n\
             Getting reverse zones, this may take several minutes for a large cluster.\n\
             Completed getting reverse zones.\n\
             Updating zones.\n\
             Completed updating zones.\n\
             Restarting named | bind9\n\
             Restarting named complete\n\
             Updating DNS records, this may take several minutes for a large cluster.\n\
             Completed updating DNS records.\n\
             DNS setup is completed\n",
            ""
        )
    );
    mn.broken = Some(Helper::Dns);
    mn.helpers.clear();
    let reply = mn.call("makedns -n");
    assert_eq!((reply.exit, reply.stderr.as_str()), (1, "Error: [mn1]: failed to start named.\n"));
    mn.files.insert("/etc/hosts".into(), "127.0.0.1 localhost\n".into());
    assert_eq!(
        mn.call("makedns -n").stderr,
        "Error: [mn1]: Unable to find an IP for mn1 in hosts table or via system lookup (i.e. /etc/hosts\n"
    );
    mn.call("chtab -d key=domain site");
    assert_eq!(said(&mn.call("makedns -n")), (1, "", "Error: [mn1]: domain not defined in site table\n"));
}

#[test]
fn t58_makedhcp_without_options_prints_its_usage_and_writes_nothing() {
    let mut mn = Memory::with_node();
    let reply = mn.call("makedhcp");
    assert!(reply.exit == 1 && reply.stdout.starts_with("Usage: makedhcp -n"));
    assert!(mn.helpers.is_empty() && !mn.files.contains_key("/etc/dhcp/dhcpd.conf"));
}

#[test]
fn t16_makedhcp_does_not_mind_an_interface_that_is_not_there() {
    let mut mn = Memory::with_node();
    let warning = "Warning: [mn1]: No dynamic range specified for 10.77.0.0. If hardware discovery is being used, a dynamic range is required.\n";
    assert_eq!(said(&mn.call("makedhcp -n")), (0, "", warning));
    assert_eq!(
        said(&mn.call("makedhcp -n")),
        (0, "Renamed existing dhcp configuration file to  /etc/dhcp/dhcpd.conf.xcatbak\n\n", warning)
    );
    assert_eq!(said(&mn.call("makedhcp -a")), (0, "", ""));
    assert_eq!(
        said(&mn.call("makedhcp -q cn01")),
        (0, "cn01: ip-address = 10.77.0.101, hardware-address = 42:00:0a:4d:00:65\n", "")
    );
    mn.helpers.clear();
    mn.call("chtab netname=cluster networks.mgtifname=ens9");
    assert_eq!(mn.call("makedhcp -n").exit, 0);
    let down = (1, "", "Error: [mn1]: dhcp server is not running.  please start the dhcp server.\n");
    assert_eq!(said(&mn.call("makedhcp -a")), down);
    assert_eq!(said(&mn.call("makedhcp -a -d")), down);
}

#[test]
fn t58_one_bad_address_fails_makedhcp_and_the_other_nodes_are_entered() {
    let mut mn = Memory::with_node();
    mn.insert("nodelist", &["cn02", "compute,all"]);
    mn.insert("mac", &["cn02", "", "zz"]);
    mn.call("makedhcp -n");
    assert_eq!(said(&mn.call("makedhcp -a")), (1, "", "Error: [mn1]: Invalid mac address zz for cn02\n"));
    assert!(mn.files["/var/lib/dhcp/dhcpd.leases"].contains("cn01"));
}

#[test]
fn each_console_server_has_its_own_command() {
    let mut mn = Memory::with_node();
    assert_eq!(said(&mn.call("makegocons")), (1, "", "Error: [mn1]: goconserver is not installed.\n"));
    mn.files.insert("/usr/bin/goconserver".into(), String::new());
    assert_eq!(said(&mn.call("makegocons")), (0, "Starting goconserver service ...\n", ""));
    assert_eq!(
        said(&mn.call("makeconservercf")),
        (1, "", "Error: [mn1]: conserver is not supported or not installed.\n")
    );
}

#[test]
fn makeconservercf_is_silent_and_writes_the_consoles() {
    let mut mn = Memory::with_node();
    mn.insert("nodehm", &["cn01", "ipmi", "ipmi", "ipmi"]);
    assert_eq!(said(&mn.call("makeconservercf")), (0, "", ""));
    let conf = &mn.files["/etc/conserver.cf"];
    assert!(conf.contains("trusted 10.77.0.1;") && conf.contains("#xCAT BEGIN cn01 CONS"));
}

#[test]
fn nodeset_boots_and_installs_nothing() {
    let mut mn = Memory::with_node();
    assert_eq!(said(&mn.call("nodeset cn01 stat")), (0, "cn01: boot\n", ""));
    assert_eq!(said(&mn.call("nodeset cn01 boot")), (0, "cn01: boot\n", ""));
    assert_eq!(
        said(&mn.call("nodeset cn01 osimage=nosuch")),
        (1, "", "Error: [mn1]: Cannot find the OS image nosuch in the osimage table.\n")
    );
}

#[test]
fn cfgloc_is_taken_apart() {
    let line = "Pg:dbname=xcatdb;host=10.77.0.1|xcatadm|se|cret\n";
    let cfgloc = Cfgloc::parse(line).unwrap();
    assert_eq!((cfgloc.host.as_str(), cfgloc.user.as_str()), ("10.77.0.1", "xcatadm"));
    assert_eq!(Cfgloc::host_of(line), Some("10.77.0.1"));
    assert_eq!(Cfgloc::parse("DB2:xcatdb|xcatdb|secret"), None);
    assert_eq!(Cfgloc::parse(""), None);
}

#[test]
fn unknown_names_exit_127() {
    assert_eq!(Memory::default().call("rpower all off").exit, 127);
}
