//! GET DB CFG, GET SNAPSHOT, LIST DB DIRECTORY, LIST APPLICATIONS.

use std::fmt::Write as _;

use super::{
    Log, Out, Role, State, Version,
    clock::{Date, stamp},
    machine::Cx,
};

/// ` text (KEYWORD) = value`, the equals sign in its column.
fn line(out: &mut String, text: &str, keyword: &str, value: &str) {
    let name = if keyword.is_empty() { String::new() } else { format!("({keyword})") };
    let width = 55 - name.len();
    let _ = writeln!(out, " {text:<width$}{name} = {value}");
}

impl Cx<'_> {
    /// GET DB CFG.
    pub(super) fn get_config(&mut self) -> Out {
        let version = self.m.knobs.version;
        let Some(db) = &self.m.database else { return Out::default() };
        let c = &db.config;
        let mut out = format!("\n       Database Configuration for Database {}\n\n", db.name.to_lowercase());
        let yes = |b: bool| if b { "YES" } else { "NO" };
        let l = &mut out;
        let level = match version {
            Version::V9_7 => "0x0d00",
            Version::V10_1 => "0x0f00",
            Version::V10_5 => "0x1000",
            Version::V11_1 | Version::V11_5 => "0x1400",
        };
        line(l, "Database configuration release level", "", level);
        line(l, "Database release level", "", level);
        l.push('\n');
        for (text, value) in [
            ("Database territory", "US"),
            ("Database code page", "1208"),
            ("Database code set", "UTF-8"),
            ("Database country/region code", "1"),
            ("Database collating sequence", "IDENTITY"),
            ("Database page size", "4096"),
        ] {
            line(l, text, "", value);
        }
        l.push('\n');
        line(l, "Backup pending", "", yes(db.backup_pending));
        l.push('\n');
        line(l, "All committed transactions have been written to disk", "", "YES");
        line(l, "Rollforward pending", "", if db.rollforward_pending { "DATABASE" } else { "NO" });
        line(l, "Restore pending", "", "NO");
        l.push('\n');
        line(l, "Log retain for recovery status", "", if c.recoverable() { "RECOVERY" } else { "NO" });
        line(l, "User exit for logging status", "", "NO");
        l.push('\n');
        line(l, "Size of database shared memory (4KB)", "DATABASE_MEMORY", "AUTOMATIC(40000)");
        line(l, "Log buffer size (4KB)", "LOGBUFSZ", c.get("LOGBUFSZ"));
        line(l, "Max storage for lock list (4KB)", "LOCKLIST", c.get("LOCKLIST"));
        line(l, "Lock timeout (sec)", "LOCKTIMEOUT", c.get("LOCKTIMEOUT"));
        line(l, "Default application heap (4KB)", "APPLHEAPSZ", c.get("APPLHEAPSZ"));
        l.push('\n');
        line(l, "Index re-creation time and redo index build", "INDEXREC", c.get("INDEXREC"));
        line(l, "Track modified pages", "TRACKMOD", if c.get("TRACKMOD") == "ON" { "YES" } else { c.get("TRACKMOD") });
        l.push('\n');
        line(l, "Log file size (4KB)", "LOGFILSIZ", c.get("LOGFILSIZ"));
        line(l, "Number of primary log files", "LOGPRIMARY", c.get("LOGPRIMARY"));
        line(l, "Number of secondary log files", "LOGSECOND", c.get("LOGSECOND"));
        let path = format!("{}/{}/NODE0000/SQL00001/SQLOGDIR/", self.m.home, self.m.instance);
        line(l, "Path to log files", "", &path);
        let first = if c.recoverable() { Log::place(db.log.end()).0 } else { String::new() };
        line(l, "First active log file", "", &first);
        l.push('\n');
        line(l, "HADR database role", "", db.role.word());
        line(l, "HADR local host name", "HADR_LOCAL_HOST", c.get("HADR_LOCAL_HOST"));
        line(l, "HADR local service name", "HADR_LOCAL_SVC", c.get("HADR_LOCAL_SVC"));
        line(l, "HADR remote host name", "HADR_REMOTE_HOST", c.get("HADR_REMOTE_HOST"));
        line(l, "HADR remote service name", "HADR_REMOTE_SVC", c.get("HADR_REMOTE_SVC"));
        line(l, "HADR instance name of remote server", "HADR_REMOTE_INST", c.get("HADR_REMOTE_INST"));
        line(l, "HADR timeout value", "HADR_TIMEOUT", c.get("HADR_TIMEOUT"));
        if version >= Version::V10_1 {
            line(l, "HADR target list", "HADR_TARGET_LIST", c.get("HADR_TARGET_LIST"));
        }
        line(l, "HADR log write synchronization mode", "HADR_SYNCMODE", c.get("HADR_SYNCMODE"));
        if version >= Version::V10_1 {
            let spool = if version >= Version::V10_5 { "AUTOMATIC(52000)" } else { c.get("HADR_SPOOL_LIMIT") };
            line(l, "HADR spool log data limit (4KB)", "HADR_SPOOL_LIMIT", spool);
            line(l, "HADR log replay delay (seconds)", "HADR_REPLAY_DELAY", c.get("HADR_REPLAY_DELAY"));
        }
        line(l, "HADR peer window duration (seconds)", "HADR_PEER_WINDOW", c.get("HADR_PEER_WINDOW"));
        if version >= Version::V11_1 {
            line(l, "HADR SSL certificate label", "HADR_SSL_LABEL", c.get("HADR_SSL_LABEL"));
        }
        if version >= Version::V11_5 {
            line(l, "HADR SSL Hostname Validation", "HADR_SSL_HOST_VAL", "OFF");
        }
        l.push('\n');
        line(l, "First log archive method", "LOGARCHMETH1", c.get("LOGARCHMETH1"));
        line(l, "Second log archive method", "LOGARCHMETH2", c.get("LOGARCHMETH2"));
        if version < Version::V10_5 {
            line(l, "Log retain for recovery enabled", "LOGRETAIN", log_retain(c.get("LOGRETAIN")));
            line(l, "User exit for logging enabled", "USEREXIT", c.get("USEREXIT"));
        }
        line(l, "Log pages during index build", "LOGINDEXBUILD", c.get("LOGINDEXBUILD"));
        line(l, "Automatic reorganization", "AUTO_REORG", c.get("AUTO_REORG"));
        l.push('\n');
        Out::new(out, 0)
    }

    /// GET DBM CFG; only what matters beside HADR.
    pub(super) fn get_manager(&mut self) -> Out {
        let mut out =
            "\n          Database Manager Configuration\n\n     Node type = Enterprise Server Edition with local and remote clients\n\n".to_owned();
        line(&mut out, "TCP/IP Service name", "SVCENAME", &format!("db2c_{}", self.m.instance));
        line(&mut out, "Cluster manager", "CLUSTER_MGR", if self.m.knobs.cluster_manager { "TSA" } else { "" });
        out.push('\n');
        Out::new(out, 0)
    }

    /// LIST DB DIRECTORY.
    pub(super) fn list_directory(&mut self) -> Out {
        let Some(db) = &self.m.database else { return self.says("SQL1057W", &[]) };
        let (name, level) = (&db.name, if self.m.knobs.version == Version::V9_7 { "d.00" } else { "f.00" });
        let mut out =
            "\n System Database Directory\n\n Number of entries in the directory = 1\n\nDatabase 1 entry:\n\n"
                .to_owned();
        for (text, value) in [
            ("Database alias", name.as_str()),
            ("Database name", name),
            ("Local database directory", &self.m.home),
            ("Database release level", level),
            ("Comment", ""),
            ("Directory entry type", "Indirect"),
            ("Catalog database partition number", "0"),
            ("Alternate server hostname", &db.alternate.0),
            ("Alternate server port number", &db.alternate.1),
        ] {
            let _ = writeln!(out, " {text:<36} = {value}");
        }
        out.push('\n');
        Out::new(out, 0)
    }

    /// LIST APPLICATIONS.
    pub(super) fn list_applications(&mut self) -> Out {
        let sessions = self.m.run.sessions.iter().filter(|(_, c)| **c).map(|_| "db2bp".to_owned());
        let all: Vec<String> = self.m.run.clients.iter().cloned().chain(sessions).collect();
        if all.is_empty() {
            return self.says("SQL1611W", &[]);
        }
        let mut out = "\nAuth Id  Application    Appl.      Application Id                                                 DB       # of\n         Name           Handle                                                                    Name    Agents\n-------- -------------- ---------- -------------------------------------------------------------- -------- -----\n".to_owned();
        let database = self.m.database.as_ref().map_or("", |d| d.name.as_str());
        let user = self.m.instance.to_uppercase();
        for (n, name) in all.iter().enumerate() {
            let id = format!("*LOCAL.{}.{}", self.m.instance, 100_000 + n);
            let _ = writeln!(out, "{user:<8} {name:<14} {:<10} {id:<62} {database:<8} 1    ", n + 7);
        }
        out.push('\n');
        Out::new(out, 0)
    }

    /// GET SNAPSHOT FOR DB: its HADR part.
    pub(super) fn snapshot(&mut self) -> Out {
        let locale = self.m.knobs.locale;
        let (Some(db), Some(active)) = (&self.m.database, &self.m.run.active) else {
            return self.says("SQL1611W", &[]);
        };
        let mut out = format!(
            "\n              Database Snapshot\n\nDatabase name                              = {}\nDatabase path                              = {}/{}/NODE0000/SQL00001/\nInput database alias                       = {}\nDatabase status                            = Active\nCatalog database partition number          = 0\n\n",
            db.name, self.m.home, self.m.instance, db.name
        );
        let Some(h) = &active.hadr else { return Out::new(out, 0) };
        let title = |word: &str| word[..1].to_owned() + &word[1..].to_lowercase();
        let state = match h.state {
            State::LocalCatchup => "Local catchup",
            State::RemoteCatchupPending => "Remote catchup pending",
            State::RemoteCatchup => "Remote catchup",
            State::DisconnectedPeer => "Disconnected peer",
            other => other.camel(),
        };
        let p = &h.parameters;
        let (primary, standby) = positions(db.role, db.log.end(), h.partner_end);
        let position = |at: u64| {
            let (file, page) = Log::place(at);
            format!("{file}, {page}, {at:016X}")
        };
        let mut rows = vec![
            ("  Role                   = ", title(db.role.word())),
            ("  State                  = ", state.to_owned()),
            ("  Synchronization mode   = ", title(p.sync.name())),
            (
                "  Connection status      = ",
                format!("{}, {}", title(h.connect.word()), Date::of(h.connect_ms).micros(locale)),
            ),
        ];
        if p.has_window() {
            let end = if h.window_end_ms == 0 {
                "Null (0)".to_owned()
            } else {
                stamp(h.window_end_ms / 1000 * 1000, Version::V10_1, locale)
            };
            rows.push(("  Peer window end        = ", end));
            rows.push(("  Peer window (seconds)  = ", p.window_s.to_string()));
        }
        rows.extend([
            ("  Heartbeats missed      = ", "0".to_owned()),
            ("  Local host             = ", p.local_host.clone()),
            ("  Local service          = ", p.local_svc.clone()),
            ("  Remote host            = ", p.remote_host.clone()),
            ("  Remote service         = ", p.remote_svc.clone()),
            ("  Remote instance        = ", p.remote_inst.clone()),
            ("  timeout(seconds)       = ", p.timeout_s.to_string()),
            ("  Primary log position(file, page, LSN) = ", position(primary)),
            ("  Standby log position(file, page, LSN) = ", position(standby)),
            ("  Log gap running average(bytes) = ", self.m.knobs.log_gap.to_string()),
        ]);
        out += "HADR Status\n";
        for (label, value) in rows {
            out += &format!("{label}{value}\n");
        }
        Out::new(out + "\n", 0)
    }
}

fn log_retain(value: &str) -> &str {
    match value {
        "ON" | "YES" => "RECOVERY",
        other => other,
    }
}

/// Log positions of primary and standby as a side of that role knows them.
pub(super) fn positions(role: Role, own: u64, partner: u64) -> (u64, u64) {
    let partner = if partner == 0 { own } else { partner };
    if role == Role::Primary { (own, partner) } else { (partner.max(own), own) }
}
