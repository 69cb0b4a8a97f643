//! The programs of PostgreSQL: psql, pg_controldata, postgres -C, pg_isready, and the control command.

use std::fmt::Write as _;

use workflows::{Command, Place, model::NodeId, vocabulary::sql};

use super::{Ran, World, database::Role, fixed::ip};

/// A log position as PostgreSQL writes it.
fn lsn(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF)
}

fn optional(value: Option<u64>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

impl World {
    /// One SQL text through psql.
    pub(super) fn psql(&mut self, id: NodeId, command: &Command) -> Ran {
        let given = |flag: &str| {
            command.argv.iter().position(|a| a == flag).and_then(|i| command.argv.get(i + 1)).map_or("", String::as_str)
        };
        let (text, database) = (given("-c"), given("-d"));
        let pg = self.fixed.pair.postgres();
        let db = &self.m(id).db;
        if !db.running || given("-p") != pg.port.to_string() {
            return Ran::failed(
                2,
                format!(
                    "psql: error: connection to server on socket \"/var/run/postgresql/.s.PGSQL.{}\" failed: No such file or directory\n\tIs the server running locally and accepting connections on that socket?\n",
                    given("-p")
                ),
                10,
            );
        }
        if command.user.as_deref() != Some(pg.os_user.as_str()) {
            return Ran::failed(
                2,
                "psql: error: connection to server on socket failed: FATAL:  Peer authentication failed\n",
                10,
            );
        }
        if database != "postgres" && database != pg.database {
            return Ran::failed(
                2,
                format!("psql: error: connection to server failed: FATAL:  database \"{database}\" does not exist\n"),
                10,
            );
        }
        let standby = db.role == Role::Standby;
        let clock = self.now_ms.saturating_add_signed(self.m(id).clock_offset_ms);
        match text {
            sql::ROLE => Ran::ok(
                format!("{}|{}|{}\n", if standby { "standby" } else { "primary" }, db.system_id, db.timeline),
                20,
            ),
            sql::STANDBY_POSITION => {
                let shown = standby && db.stream_shown;
                let (received, replayed) = if standby { (Some(db.end), Some(db.end)) } else { (None, None) };
                let commit = db.last_commit_ms.filter(|_| standby);
                let message =
                    db.last_message_ms.filter(|_| shown).map(|m| m.saturating_add_signed(self.m(id).clock_offset_ms));
                let checkpoint = db.checkpoint_ms / 1_000 * 1_000;
                Ran::ok(
                    format!(
                        "{}|{}|{}|{}|{}|{clock}|{checkpoint}\n",
                        optional(received),
                        optional(replayed),
                        optional(commit),
                        optional(message),
                        if shown { "streaming" } else { "" },
                    ),
                    20,
                )
            }
            sql::PRIMARY_POSITION if standby => Ran::failed(
                1,
                "ERROR:  recovery is in progress\nHINT:  WAL control functions cannot be executed during recovery.\n",
                20,
            ),
            sql::PRIMARY_POSITION => {
                let count = u8::from(db.stream_shown);
                let sync = if self.commits_wait(id) { count } else { 0 };
                Ran::ok(format!("{}|{count}|{sync}\n", db.end), 20)
            }
            sql::PROMOTE if !standby => Ran::failed(
                1,
                "ERROR:  recovery is not in progress\nHINT:  Recovery control functions can only be executed during recovery.\n",
                20,
            ),
            sql::PROMOTE => {
                self.promote_database(id);
                Ran::ok("t\n", 200)
            }
            sql::CLUSTER_NODES if database != pg.database || !db.tables.contains_key("nodelist") => Ran::failed(
                1,
                "ERROR:  relation \"nodelist\" does not exist\nLINE 1: SELECT count(*) FROM nodelist\n                             ^\n",
                20,
            ),
            sql::CLUSTER_NODES => Ran::ok(format!("{}\n", self.cluster_nodes(id)), 20),
            sql::HBA_ERRORS => {
                let text = self.m(id).files.get(&self.fixed.pg_hba).map_or("", |t| t);
                Ran::ok(format!("{}\n", super::postgres_conf::read_hba(text).1), 20)
            }
            sql::VERSION => Ran::ok("150004\n", 20),
            sql::SETTINGS => {
                let names = if self.commits_wait(id) { "*" } else { "" };
                Ran::ok(format!("{}|{}|{names}\n", self.fixed.postgresql_conf, self.fixed.pg_hba), 20)
            }
            sql::WAITS_FOR => Ran::ok(if self.commits_wait(id) { "*\n" } else { "\n" }, 20),
            sql::WAIT_FOR_NOBODY => {
                self.wrote(Place::Node(id), "alter-system", "synchronous_standby_names");
                self.m_mut(id).db.waits_for_nobody = true;
                Ran::ok("", 20)
            }
            sql::NICS => Ran::ok(self.named_nics(id), 20),
            sql::SITE => Ran::ok(self.site(id), 20),
            sql::LISTEN => Ran::ok(format!("{}\n", db.listen), 20),
            sql::RELOAD => {
                self.reload_database(id);
                Ran::ok("t\n", 20)
            }
            other => {
                let text = format!("psql -c {other}");
                self.complain(Place::Node(id), &text);
                Ran::failed(1, "ERROR:  not in the vocabulary\n", 20)
            }
        }
    }

    /// Whether commits of this server wait for a standby, there being one or not.
    pub(super) fn commits_wait(&self, id: NodeId) -> bool {
        self.synchronous && !self.m(id).db.waits_for_nobody
    }

    /// Rows of xCAT's tables that name interfaces.
    fn named_nics(&self, id: NodeId) -> String {
        let tables = &self.m(id).db.tables;
        let rows = |table: &str| tables.get(table).into_iter().flatten();
        let networks = rows("networks").map(|r| format!("networks.{}|{}", r[0], r[3]));
        let site = rows("site").filter(|r| r[0] == "dhcpinterfaces").map(|r| format!("site.dhcpinterfaces|{}", r[1]));
        networks.chain(site).filter(|row| !row.ends_with('|')).fold(String::new(), |all, row| all + &row + "\n")
    }

    fn site(&self, id: NodeId) -> String {
        let rows = self.m(id).db.tables.get("site").into_iter().flatten();
        let wanted = rows.filter(|r| ["master", "externaldns", "xcatconfdir"].contains(&r[0].as_str()));
        wanted.filter(|r| !r[1].is_empty()).fold(String::new(), |all, r| format!("{all}{}|{}\n", r[0], r[1]))
    }

    /// `pg_controldata`: works on a stopped server too.
    pub(super) fn controldata(&self, id: NodeId) -> Ran {
        let db = &self.m(id).db;
        let state = match (db.running, db.role, db.clean) {
            (true, Role::Primary, _) | (false, Role::Primary, false) => "in production",
            (true, Role::Standby, _) | (false, Role::Standby, false) => "in archive recovery",
            (false, Role::Primary, true) => "shut down",
            (false, Role::Standby, true) => "shut down in recovery",
        };
        let timeline = db.control_timeline(self.now_ms);
        let mut out = String::with_capacity(700);
        for (key, value) in [
            ("pg_control version number:", "1300".to_owned()),
            ("Catalog version number:", "202209061".to_owned()),
            ("Database system identifier:", db.system_id.to_string()),
            ("Database cluster state:", state.to_owned()),
            ("Latest checkpoint location:", lsn(db.checkpoint)),
            ("Latest checkpoint's REDO location:", lsn(db.checkpoint)),
            ("Latest checkpoint's TimeLineID:", timeline.to_string()),
            ("Latest checkpoint's PrevTimeLineID:", timeline.to_string()),
        ] {
            let _ = writeln!(out, "{key:<38}{value}");
        }
        Ran::ok(out, 15)
    }

    /// `postgres -C listen_addresses`: reads postgresql.conf, not pg_hba.conf.
    pub(super) fn config_test(&self, id: NodeId) -> Ran {
        match self.settings(id) {
            Ok(settings) => Ran::ok(format!("{}\n", settings.listen.as_deref().unwrap_or("localhost")), 30),
            Err(said) => Ran::failed(1, said, 30),
        }
    }

    /// `pg_isready -h ADDRESS -p PORT`.
    pub(super) fn is_ready(&self, place: Place, arguments: &[String]) -> Ran {
        let given = |flag: &str| {
            arguments.iter().position(|a| a == flag).and_then(|i| arguments.get(i + 1)).map_or("", String::as_str)
        };
        let from = if let Place::Node(id) = place { Some(id) } else { None };
        let port = given("-p") == self.fixed.pair.postgres().port.to_string();
        let Some(address) = ip(given("-h")).filter(|_| port) else { return Ran::ok("", 15).exit(2) };
        match self.route(from, address) {
            Some(at) if self.m(at).db.listens(address) => Ran::ok("", 15),
            Some(_) => Ran::ok("", 15).exit(2),
            None => Ran::ok("", 2_000).exit(2),
        }
    }

    /// The control command of the server: start, stop, restart, reload, status.
    pub(super) fn control_database(&mut self, id: NodeId, action: &str) -> Ran {
        let program = self.fixed.pair.postgres().control.first().map_or("", String::as_str).to_owned();
        let debian = program == "pg_ctlcluster";
        let running = self.m(id).db.running;
        // The wrapper unit of Debian says yes whatever its clusters do.
        let blind = program == "systemctl"
            && self.fixed.pair.postgres().control.iter().any(|w| w == "postgresql" || w == "postgresql.service");
        let refuse = |text: &str| if debian { Ran::failed(2, text, 60) } else { Ran::ok("", 60) };
        match action {
            "start" if running => refuse("Cluster is already running.\n"),
            "stop" if !running => refuse("Cluster is not running.\n"),
            "reload" if !running => Ran::failed(if debian { 2 } else { 1 }, "Cluster is not running.\n", 60),
            "reload" => {
                self.reload_database(id);
                Ran::ok("", 60)
            }
            "status" => match (running, debian) {
                (true, true) => Ran::ok("pg_ctl: server is running (PID: 4711)\n", 30),
                (true, false) => Ran::ok("", 30),
                (false, _) => Ran { stdout: "pg_ctl: no server running\n".to_owned(), ..Ran::failed(3, "", 30) },
            },
            "start" | "stop" | "restart" => {
                self.wrote(Place::Node(id), "db-control", action);
                if running {
                    self.stop_database(id);
                }
                if action == "stop" {
                    return Ran::ok("", 500);
                }
                match self.start_database(id) {
                    Ok(()) => Ran::ok("", 1_500),
                    Err(_) if blind => Ran::ok("", 1_500),
                    Err(said) => Ran::failed(
                        1,
                        format!(
                            "Error: pg_ctl exited with status 1:\npg_ctl: could not start server\nExamine the log output.\n{said}"
                        ),
                        1_500,
                    ),
                }
            }
            other => Ran::failed(1, format!("Error: unknown action '{other}'\n"), 10),
        }
    }
}
