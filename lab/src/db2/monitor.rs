//! db2pd: the layouts of 9.7 (columns) and of 10.1 and later (`KEY = VALUE`).

use super::{
    Call, Connect, Locale, Log, Out, Role, State, Version,
    clock::{Date, decimal, stamp},
    database::{Active, Database, Hadr},
    listing::positions,
    machine::Cx,
};

impl Cx<'_> {
    /// `db2pd -d X -hadr`.
    pub(super) fn db2pd(&mut self, call: &Call) -> Out {
        let (name, hadr) = read(&call.argv[1..]);
        let k = &mut self.m.knobs;
        let exit = k.exit_pd_inactive;
        if k.pd_race > 0 {
            k.pd_race -= 1;
            return Out::new("Changing data structure forced command termination.\n", 0);
        }
        let word = if k.version == Version::V9_7 { "partition" } else { "member" };
        if !self.m.run.up {
            return Out::new(unattached(word), exit);
        }
        let Some((db, active)) = self
            .m
            .database
            .as_ref()
            .filter(|d| name.as_deref().is_none_or(|n| d.name.eq_ignore_ascii_case(n)))
            .zip(self.m.run.active.as_ref())
        else {
            let name = name.unwrap_or_default().to_uppercase();
            let text = format!(
                "\nDatabase {name} not activated on database {word} 0 or this database name cannot be found in the local database directory.\n\nOption -hadr requires -db <database> or -alldbs option and active database.\n"
            );
            return Out::new(text, exit);
        };
        let mut text = self.header(db, active);
        match &active.hadr {
            _ if !hadr => {}
            None => text += "\nHADR is not active.\n",
            Some(h) if self.m.knobs.version == Version::V9_7 => text += &self.columns(db, h),
            Some(h) => text += &self.pairs(db, h),
        }
        Out::new(text, 0)
    }

    fn header(&self, db: &Database, active: &Active) -> String {
        let (version, clock) = (self.m.knobs.version, self.clock());
        let seconds = clock.saturating_sub(active.since_ms) / 1000;
        let up = format!(
            "Up {} days {:02}:{:02}:{:02}",
            seconds / 86_400,
            seconds % 86_400 / 3600,
            seconds % 3600 / 60,
            seconds % 60
        );
        let standby = db.role == Role::Standby && version > Version::V9_7;
        let word = if standby { "Standby" } else { "Active" };
        let kind = if version == Version::V9_7 { "Partition" } else { "Member" };
        let date = match version {
            Version::V9_7 => String::new(),
            Version::V10_1 => format!(" -- Date {}", Date::of(clock).slashes(self.m.knobs.locale)),
            _ => format!(" -- Date {}", Date::of(clock).iso()),
        };
        format!("\nDatabase {kind} 0 -- Database {} -- {word} -- {up}{date}\n", db.name)
    }

    /// 9.7: lines of headings, lines of values.
    fn columns(&self, db: &Database, h: &Hadr) -> String {
        let (locale, p) = (self.m.knobs.locale, &h.parameters);
        let title = |w: &str| w[..1].to_owned() + &w[1..].to_lowercase();
        let (primary, standby) = positions(db.role, db.log.end(), h.partner_end);
        let (primary_file, primary_page) = Log::place(primary);
        let (standby_file, standby_page) = Log::place(standby);
        let time = stamp(h.connect_ms, Version::V9_7, locale);
        let mut out = format!(
            "\nHADR Information:\nRole    State                SyncMode HeartBeatsMissed   LogGapRunAvg (bytes)\n{:<7} {:<20} {:<8} {:<18} {}\n",
            title(db.role.word()),
            h.state.camel(),
            title(p.sync.name()),
            self.missed(h),
            self.m.knobs.log_gap
        );
        out += &format!(
            "\nConnectStatus ConnectTime                           Timeout\n{:<13} {time:<37} {}\n",
            title(h.connect.word()),
            p.timeout_s
        );
        if p.has_window() {
            let end = if h.window_end_ms == 0 {
                "Null (0)".to_owned()
            } else {
                stamp(h.window_end_ms, Version::V9_7, locale)
            };
            out += &format!("\nPeerWindowEnd                         PeerWindow\n{end:<37} {}\n", p.window_s);
        }
        out += &format!(
            "\nLocalHost                                LocalService\n{:<40} {}\n\nRemoteHost                               RemoteService      RemoteInstance\n{:<40} {:<18} {}\n",
            p.local_host, p.local_svc, p.remote_host, p.remote_svc, p.remote_inst
        );
        out += &format!(
            "\nPrimaryFile  PrimaryPg  PrimaryLSN\n{primary_file:<12} {primary_page:<10} 0x{primary:016X}\n\nStandByFile  StandByPg  StandByLSN"
        );
        let buffer = db.role == Role::Standby;
        out += if buffer { "         StandByRcvBufUsed\n" } else { "\n" };
        out += &format!("{standby_file:<12} {standby_page:<10} 0x{standby:016X}");
        out + if buffer { " 0%\n" } else { "\n" }
    }

    fn missed(&self, h: &Hadr) -> u64 {
        if h.connect == Connect::Disconnected {
            return 0;
        }
        self.now.saturating_sub(h.last_recv_ms) / h.parameters.interval_ms().max(1)
    }

    /// 10.1 and later.
    fn pairs(&self, db: &Database, h: &Hadr) -> String {
        let (version, locale, p) = (self.m.knobs.version, self.m.knobs.locale, &h.parameters);
        let is_primary = db.role == Role::Primary;
        let date = |ms: u64| stamp(ms, version, locale);
        let (primary, standby) = positions(db.role, db.log.end(), h.partner_end);
        let place = |at: u64| {
            let (file, page) = Log::place(at);
            format!("{file}, {page}, {at}")
        };
        let (own, partner) = ((&p.local_host, &self.m.instance), (&p.remote_host, &p.remote_inst));
        let ((p_host, p_inst), (s_host, s_inst)) = if is_primary { (own, partner) } else { (partner, own) };
        // A primary without its standby knows nothing of it.
        let alone = is_primary && h.connect == Connect::Disconnected && h.state == State::Disconnected;
        let unknown = |text: String| if alone { String::new() } else { text };
        let position = |at: u64| if alone { "S0000000.LOG, 0, 0".to_owned() } else { place(at) };
        let log_time = date(db.log.last_ms / 1000 * 1000);
        let other_time = if h.partner_log_ms == 0 { log_time.clone() } else { date(h.partner_log_ms / 1000 * 1000) };
        let (p_time, s_time) = if is_primary { (&log_time, &other_time) } else { (&other_time, &log_time) };
        let s_time = if alone { "NULL" } else { s_time };
        let gap = if self.m.knobs.log_gap > 0 { self.m.knobs.log_gap } else { primary.saturating_sub(standby) };
        let lost = h.connect == Connect::Disconnected && self.m.knobs.received_zero_when_lost;
        let since = if lost { 0 } else { self.now.saturating_sub(h.last_recv_ms) / 1000 };
        let interval = h.parameters.interval_ms() / 1000;
        let flags = if db.config.get("HADR_REPLAY_DELAY") == "0" { "" } else { "STANDBY_RECV_BLOCKED" };
        let new = version >= Version::V10_5;
        let newer = version >= Version::V11_1;
        let mut rows: Vec<(&str, String)> = vec![
            ("HADR_ROLE", db.role.word().to_owned()),
            ("REPLAY_TYPE", "PHYSICAL".to_owned()),
            ("HADR_SYNCMODE", p.sync.name().to_owned()),
            ("STANDBY_ID", u8::from(is_primary).to_string()),
            ("LOG_STREAM_ID", "0".to_owned()),
            ("HADR_STATE", h.state.word().to_owned()),
        ];
        if new {
            rows.push(("HADR_FLAGS", flags.to_owned()));
        }
        rows.extend([
            ("PRIMARY_MEMBER_HOST", p_host.clone()),
            ("PRIMARY_INSTANCE", p_inst.clone()),
            ("PRIMARY_MEMBER", "0".to_owned()),
            ("STANDBY_MEMBER_HOST", unknown(s_host.clone())),
            ("STANDBY_INSTANCE", unknown(s_inst.clone())),
            ("STANDBY_MEMBER", "0".to_owned()),
            ("HADR_CONNECT_STATUS", h.connect.word().to_owned()),
            ("HADR_CONNECT_STATUS_TIME", date(h.connect_ms)),
            ("HEARTBEAT_INTERVAL(seconds)", interval.to_string()),
        ]);
        if newer {
            let expected = self.clock().saturating_sub(h.connect_ms) / h.parameters.interval_ms().max(1);
            rows.push(("HEARTBEAT_MISSED", self.missed(h).to_string()));
            rows.push(("HEARTBEAT_EXPECTED", expected.to_string()));
        }
        rows.extend([
            ("HADR_TIMEOUT(seconds)", p.timeout_s.to_string()),
            ("TIME_SINCE_LAST_RECV(seconds)", since.to_string()),
            ("PEER_WAIT_LIMIT(seconds)", "0".to_owned()),
            ("LOG_HADR_WAIT_CUR(seconds)", number("0.000", locale)),
            ("LOG_HADR_WAIT_RECENT_AVG(seconds)", number("0.000000", locale)),
            ("LOG_HADR_WAIT_ACCUMULATED(seconds)", number("0.000", locale)),
            ("LOG_HADR_WAIT_COUNT", "0".to_owned()),
            ("SOCK_SEND_BUF_REQUESTED,ACTUAL(bytes)", "0, 46080".to_owned()),
            ("SOCK_RECV_BUF_REQUESTED,ACTUAL(bytes)", "0, 369280".to_owned()),
            ("PRIMARY_LOG_FILE,PAGE,POS", place(primary)),
            ("STANDBY_LOG_FILE,PAGE,POS", position(standby)),
            ("HADR_LOG_GAP(bytes)", gap.to_string()),
            ("STANDBY_REPLAY_LOG_FILE,PAGE,POS", position(standby)),
            ("STANDBY_RECV_REPLAY_GAP(bytes)", "0".to_owned()),
            ("PRIMARY_LOG_TIME", p_time.clone()),
            ("STANDBY_LOG_TIME", s_time.to_owned()),
            ("STANDBY_REPLAY_LOG_TIME", s_time.to_owned()),
            ("STANDBY_RECV_BUF_SIZE(pages)", if new { "2048" } else { "16" }.to_owned()),
            ("STANDBY_RECV_BUF_PERCENT", "0".to_owned()),
            ("STANDBY_SPOOL_LIMIT(pages)", if new { "52000" } else { "0" }.to_owned()),
        ]);
        if new {
            rows.push(("STANDBY_SPOOL_PERCENT", if alone { "NULL" } else { "0" }.to_owned()));
        }
        if newer {
            rows.push(("STANDBY_ERROR_TIME", "NULL".to_owned()));
        }
        rows.push(("PEER_WINDOW(seconds)", p.window_s.to_string()));
        if p.has_window() && h.window_end_ms > 0 {
            rows.push(("PEER_WINDOW_END", date(h.window_end_ms / 1000 * 1000)));
        }
        rows.push(("READS_ON_STANDBY_ENABLED", "N".to_owned()));
        let width = if version == Version::V10_1 { 39 } else { 37 };
        rows.into_iter().fold("\n".to_owned(), |all, (key, value)| all + &format!("{key:>width$} = {value}\n"))
    }
}

fn number(text: &str, locale: Locale) -> String {
    decimal(text, locale)
}

fn unattached(word: &str) -> String {
    format!(
        "Unable to attach to database manager on {word} 0.\nPlease ensure the following are true:\n   - db2start has been run for the {word}.\n   - db2pd is being run on the same physical machine as the {word}.\n   - DB2NODE environment variable setting is correct for the {word}\n     or db2pd -mem setting is correct for the {word}.\nAnother possibility of this failure is the Virtual Address Space Randomization is currently enabled on this system.\n"
    )
}

/// Database (`None`: all) and whether HADR is asked for.
fn read(arguments: &[String]) -> (Option<String>, bool) {
    let (mut name, mut hadr) = (None, false);
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-d" | "-db" | "-database" => name = rest.next().cloned(),
            "-hadr" => hadr = true,
            _ => {}
        }
    }
    (name, hadr)
}
