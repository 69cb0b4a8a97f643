//! A simulated machine as the xCAT core sees it.

use workflows::{Place, model::NodeId};

use super::{Ran, World, fixed::ip, machine::Xcatd};
use crate::db2::Change;
use crate::xcat::{self, Backend, Cfgloc, Daemon, DbError, Helper, Row, Table, Via};

struct Host<'w> {
    world: &'w mut World,
    id: NodeId,
}

impl Host<'_> {
    fn cfgloc_host(&self) -> Option<u32> {
        let path = &self.world.fixed.pair.xcat.cfgloc;
        self.world.m(self.id).files.get(path).and_then(|t| Cfgloc::host_of(t)).and_then(ip)
    }

    /// The machine whose database this connection ends at.
    fn database(&mut self, via: Via) -> Result<NodeId, DbError> {
        if self.world.db2().is_some() {
            // It is an instance of this machine. The daemon connects again by itself when it lost its connection.
            self.world.db2_xcatd(self.id, true)?;
            return Ok(self.id);
        }
        let host = match via {
            Via::Daemon => self.world.m(self.id).xcatd.map(|d| d.host),
            Via::Cfgloc => self.cfgloc_host(),
        };
        let host = host.ok_or(DbError::Down)?;
        self.world.database_at(Some(self.id), host).ok_or(DbError::Down)
    }

    fn writable(&mut self, via: Via) -> Result<NodeId, DbError> {
        let at = self.database(via)?;
        if self.world.writable(at) { Ok(at) } else { Err(DbError::ReadOnly) }
    }
}

impl Backend for Host<'_> {
    fn host_name(&self) -> String {
        self.world.m(self.id).host_name.as_ref().to_owned()
    }

    fn daemon(&self) -> Daemon {
        self.world.m(self.id).daemon()
    }

    fn start_daemon(&mut self) -> Result<(), DbError> {
        let (host, at) = if self.world.db2().is_some() {
            self.world.db2_xcatd(self.id, true)?;
            (self.world.fixed.address(self.id), self.id)
        } else {
            let host = self.cfgloc_host().ok_or(DbError::Down)?;
            (host, self.world.database_at(Some(self.id), host).ok_or(DbError::Down)?)
        };
        self.world.check_xcatd(self.id, at);
        self.world.wrote(Place::Node(self.id), "xcatd-start", "");
        self.world.m_mut(self.id).xcatd = Some(Xcatd { host, wedged: false });
        Ok(())
    }

    fn stop_daemon(&mut self) {
        let now = self.world.now_ms;
        if self.world.m_mut(self.id).xcatd.take().is_some() {
            self.world.wrote(Place::Node(self.id), "xcatd-stop", "");
            self.world.m_mut(self.id).xcatd_lingers_ms = now + 1_300;
            self.world.db2_disconnect(self.id);
        }
    }

    fn rows(&mut self, via: Via, table: &'static Table) -> Result<Vec<Row>, DbError> {
        let at = self.database(via)?;
        if self.world.db2().is_some() {
            return Ok(self.world.db2_rows(at, table));
        }
        let tables = &self.world.m(at).db.tables;
        if tables.is_empty() {
            // An empty data directory has no role and no tables to log in for.
            return Err(DbError::Down);
        }
        Ok(tables.get(table.name).cloned().unwrap_or_default())
    }

    fn put(&mut self, via: Via, table: &'static Table, row: Row) -> Result<(), DbError> {
        let at = self.writable(via)?;
        self.world.wrote(Place::Node(self.id), "table", table.name);
        if self.world.db2().is_some() {
            return self.world.db2_change(at, Change::Put { table: table.name.to_owned(), row });
        }
        self.world.change_tables(at, |tables| {
            let rows = tables.entry(table.name).or_default();
            match rows.iter_mut().find(|r| r[0] == row[0]) {
                Some(old) => *old = row,
                None => rows.push(row),
            }
        });
        Ok(())
    }

    fn delete(&mut self, via: Via, table: &'static Table, key: &str) -> Result<usize, DbError> {
        let at = self.writable(via)?;
        let mut gone = 0;
        self.world.wrote(Place::Node(self.id), "table", table.name);
        if self.world.db2().is_some() {
            gone = self.world.db2_rows(at, table).iter().filter(|r| r[0] == key).count();
            self.world.db2_change(at, Change::Delete { table: table.name.to_owned(), key: key.to_owned() })?;
            return Ok(gone);
        }
        self.world.change_tables(at, |tables| {
            if let Some(rows) = tables.get_mut(table.name) {
                let before = rows.len();
                rows.retain(|r| r[0] != key);
                gone = before - rows.len();
            }
        });
        Ok(gone)
    }

    fn read_file(&self, path: &str) -> Option<String> {
        let path = if path == "/etc/xcat/cfgloc" { &self.world.fixed.pair.xcat.cfgloc } else { path };
        self.world.m(self.id).files.get(path).map(|c| c.as_ref().to_owned())
    }

    fn write_file(&mut self, path: &str, content: &str) {
        self.world.m_mut(self.id).files.rewrite(path, content);
    }

    fn has_interface(&self, name: &str) -> bool {
        name == self.world.fixed.pair.node(self.id).interface
    }

    fn helper(&mut self, helper: Helper, start: bool) -> bool {
        let m = self.world.m_mut(self.id);
        let at = helper.index();
        if start {
            m.helpers[at] = !m.helper_broken[at];
        }
        m.helpers[at]
    }
}

/// What a command costs in virtual milliseconds.
fn cost(name: &str, action: &str) -> u64 {
    match (name, action) {
        ("xcatd", "start") => 2_000,
        ("xcatd", "stop") => 500,
        ("makedns", _) | ("xcatd", "restart") => 3_000,
        ("xcatd", _) => 30,
        ("makedhcp", _) => 1_000,
        ("makeconservercf", _) => 700,
        _ => 250,
    }
}

impl World {
    /// An xCAT command on a machine, by the shared core.
    pub(super) fn xcat(&mut self, id: NodeId, name: &str, args: &[&str], env: &[(String, String)]) -> Ran {
        let makes = name.starts_with("make");
        let reply = xcat::call(name, args, env, &mut Host { world: self, id });
        if makes && reply.exit == 0 && !reply.hangs {
            self.wrote(Place::Node(id), name, args.first().unwrap_or(&""));
        }
        let xcat::Reply { stdout, stderr, exit, hangs } = reply;
        let cost_ms = cost(name, args.first().unwrap_or(&"")).max(self.db2_ahead_ms());
        Ran { exit, stdout, stderr, cost_ms, hangs }
    }
}
