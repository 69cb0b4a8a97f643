//! The world behind xCAT's commands on a practice host.

use std::{fs, path::Path};

use crate::xcat::{Backend, Daemon, DbError, Helper, Row, Table, Via};

use super::{
    daemon,
    database::{self, Rows, Way},
    dhcpd,
};

/// The line that says where the database is.
pub(super) const CFGLOC: &str = "/etc/xcat/cfgloc";
/// A file of this folder breaks the service of its name: `named`, `dhcpd`, `conserver`.
const BROKEN: &str = "/etc/hamn-lab/broken";
/// Services that were started have a file here; gone at a boot.
const RUNNING: &str = "/run/xcat-helpers";

/// One management node, as one caller sees it.
#[derive(Debug)]
pub(super) struct Node {
    daemon: Daemon,
    /// What cfgloc said when the daemon was started.
    daemon_cfgloc: Option<Way>,
    /// The tables as read last, and by which way; a write makes them stale.
    rows: Option<(Via, Rows)>,
}

impl Node {
    fn new(daemon: Daemon, daemon_cfgloc: Option<Way>) -> Self {
        Self { daemon, daemon_cfgloc, rows: None }
    }

    /// A command that found nobody on port 3001, or does not need anybody there.
    pub(super) fn client() -> Self {
        Self::new(Daemon::Stopped, None)
    }

    /// The init script.
    pub(super) fn service() -> Self {
        // Which of the two living states it is, it does not know; it treats them alike.
        Self::new(if daemon::running().is_some() { Daemon::Running } else { Daemon::Stopped }, None)
    }

    /// The daemon itself.
    pub(super) fn inside(cfgloc: Way) -> Self {
        Self::new(Daemon::Running, Some(cfgloc))
    }

    fn cfgloc(&self, via: Via) -> Result<Way, DbError> {
        match via {
            Via::Daemon => self.daemon_cfgloc.clone(),
            Via::Cfgloc => read_cfgloc(),
        }
        .ok_or(DbError::Down)
    }
}

/// cfgloc as it is now.
pub(super) fn read_cfgloc() -> Option<Way> {
    Way::parse(&fs::read_to_string(CFGLOC).ok()?)
}

fn service_name(helper: Helper) -> &'static str {
    match helper {
        Helper::Dns => "named",
        Helper::Dhcp => "dhcpd",
        Helper::Consoles => "conserver",
    }
}

/// Writes a file and makes its folder. The real programs say nothing either when they cannot.
pub(super) fn write(path: &str, content: &str) {
    if let Some(parent) = Path::new(path).parent() {
        let _ = fs::create_dir_all(parent);
    }
    let _ = fs::write(path, content);
}

/// What named would serve, from /etc/hosts.
fn zone() -> String {
    let mut text = String::from("$TTL 86400\n");
    for line in fs::read_to_string("/etc/hosts").unwrap_or_default().lines() {
        let mut words = line.split_whitespace();
        if let (Some(address), Some(name)) = (words.next(), words.next())
            && name != "localhost"
        {
            text += &format!("{name} IN A {address}\n");
        }
    }
    text
}

impl Backend for Node {
    fn host_name(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn daemon(&self) -> Daemon {
        self.daemon
    }

    fn start_daemon(&mut self) -> Result<(), DbError> {
        daemon::start()?;
        self.daemon = Daemon::Running;
        Ok(())
    }

    fn stop_daemon(&mut self) {
        daemon::stop();
        self.daemon = Daemon::Stopped;
    }

    fn rows(&mut self, via: Via, table: &'static Table) -> Result<Vec<Row>, DbError> {
        if self.rows.as_ref().is_none_or(|(of, _)| *of != via) {
            self.rows = Some((via, database::all(&self.cfgloc(via)?)?));
        }
        Ok(self.rows.as_ref().and_then(|(_, rows)| rows.get(table.name)).cloned().unwrap_or_default())
    }

    fn put(&mut self, via: Via, table: &'static Table, row: Row) -> Result<(), DbError> {
        self.rows = None;
        database::put(&self.cfgloc(via)?, table, &row)
    }

    fn delete(&mut self, via: Via, table: &'static Table, key: &str) -> Result<usize, DbError> {
        self.rows = None;
        database::delete(&self.cfgloc(via)?, table, key)
    }

    fn read_file(&self, path: &str) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    fn write_file(&mut self, path: &str, content: &str) {
        write(path, content);
    }

    fn has_interface(&self, name: &str) -> bool {
        Path::new("/sys/class/net").join(name).exists()
    }

    fn helper(&mut self, helper: Helper, start: bool) -> bool {
        let name = service_name(helper);
        let mark = format!("{RUNNING}/{name}");
        if helper == Helper::Dhcp && !start {
            return dhcpd::is_running();
        }
        if start {
            if Path::new(&format!("{BROKEN}/{name}")).exists() {
                let _ = fs::remove_file(&mark);
                return false;
            }
            match helper {
                Helper::Dns => self.write_file("/etc/bind/db.cluster", &zone()),
                Helper::Dhcp => return dhcpd::control("restart") == 0,
                Helper::Consoles => {}
            }
            self.write_file(&mark, "");
        }
        Path::new(&mark).exists()
    }
}
