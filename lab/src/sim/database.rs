//! The database servers of the pair: lineages of log, streaming, promotion; and the client that writes acknowledged rows.

use std::sync::Arc;

use workflows::{
    Place,
    model::{NodeId, Pair},
};

use super::{
    Tables, World,
    fixed::{Fixed, ip},
    index,
    postgres_conf::{Rule, Settings, admits, conninfo_host, read_hba, read_settings},
};

/// Log bytes of one acknowledged row.
const ROW_BYTES: u64 = 232;
/// Log bytes of a change of the xCAT tables.
const CHANGE_BYTES: u64 = 512;
/// Log bytes of a checkpoint record.
const CHECKPOINT_BYTES: u64 = 120;
/// How long a side that lost its peer without a word still shows the stream.
const STREAM_TIMEOUT_MS: u64 = 60_000;
/// How long after a promotion the control file still says the former timeline.
const CONTROL_LAG_MS: u64 = 300;

/// Role of a server when it last ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Primary,
    Standby,
}

/// A server and its data.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pub(super) running: bool,
    pub(super) role: Role,
    /// Stopped by a shutdown that wrote its checkpoint.
    pub(super) clean: bool,
    pub(super) system_id: u64,
    pub(super) timeline: u32,
    /// Until when the control file says `timeline - 1`.
    control_lags_ms: u64,
    /// Name of the lineage that the end of the log belongs to: a promotion begins a new one.
    pub(super) branch: u32,
    /// Earlier lineages and where each was left.
    pub(super) history: Vec<(u32, u64)>,
    /// End of the log: written (primary) or received and replayed (standby).
    pub(super) end: u64,
    pub(super) checkpoint: u64,
    /// When the latest checkpoint that is here was written: the primary's own one.
    pub(super) checkpoint_ms: u64,
    pub(super) tables: Arc<Tables>,
    /// `listen_addresses` as the running server has it.
    pub(super) listen: Arc<str>,
    listen_all: bool,
    bound: Vec<u32>,
    hba: Arc<[Rule]>,
    upstream: Option<u32>,
    /// A stream is shown: up, or silently lost less than a minute ago.
    pub(super) stream_shown: bool,
    /// `synchronous_standby_names` was emptied.
    pub(super) waits_for_nobody: bool,
    pub(super) last_commit_ms: Option<u64>,
    pub(super) last_message_ms: Option<u64>,
}

/// Something committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) ms: u64,
    pub(super) branch: u32,
    pub(super) end: u64,
    /// A row of the client's, acknowledged to it.
    pub(super) acknowledged: bool,
}

impl Database {
    pub(super) fn new(role: Role, system_id: u64, tables: Arc<Tables>, end: u64, now_ms: u64) -> Self {
        Self {
            running: false,
            role,
            clean: true,
            system_id,
            timeline: 1,
            control_lags_ms: 0,
            branch: 0,
            history: Vec::new(),
            end,
            checkpoint: end - CHECKPOINT_BYTES,
            checkpoint_ms: now_ms,
            tables,
            listen: "localhost".into(),
            listen_all: false,
            bound: Vec::new(),
            hba: Arc::new([]),
            upstream: None,
            stream_shown: false,
            waits_for_nobody: false,
            last_commit_ms: None,
            last_message_ms: None,
        }
    }

    /// The server dies without a word.
    pub(super) fn crash(&mut self) {
        if self.running {
            self.running = false;
            self.clean = false;
            self.stream_shown = false;
        }
    }

    fn write_checkpoint(&mut self, now_ms: u64) {
        (self.checkpoint, self.checkpoint_ms) = (self.end, now_ms);
        self.end += CHECKPOINT_BYTES;
    }

    /// Whether its log holds a position of a lineage.
    pub(super) fn contains(&self, branch: u32, end: u64) -> bool {
        if branch == self.branch {
            return end <= self.end;
        }
        self.history.iter().any(|(b, left)| *b == branch && end <= *left)
    }

    pub(super) fn writable(&self) -> bool {
        self.running && self.role == Role::Primary
    }

    pub(super) fn control_timeline(&self, now_ms: u64) -> u32 {
        if now_ms < self.control_lags_ms { self.timeline - 1 } else { self.timeline }
    }

    fn serves(&self, address: u32, source: u32, database: Option<&str>, user: &str) -> bool {
        self.listens(address) && admits(&self.hba, source, database, user)
    }

    pub(super) fn listens(&self, address: u32) -> bool {
        self.running && (self.listen_all || self.bound.contains(&address))
    }
}

impl World {
    /// Reads the server's configuration as it would at its start: settings, or what it says.
    pub(super) fn settings(&self, id: NodeId) -> Result<Settings, String> {
        let fixed = &self.fixed;
        let mut settings = Settings::default();
        let files = &self.m(id).files;
        let Some(main) = files.get(&fixed.postgresql_conf) else {
            return Err(format!(
                "postgres: could not access the server configuration file \"{}\": No such file or directory\n",
                fixed.postgresql_conf
            ));
        };
        let mut read = |path: &str, text: &str| {
            read_settings(text, &mut settings).map_err(|(line, token)| {
                format!(
                    "LOG:  syntax error in file \"{path}\" line {line}, near token \"{token}\"\nFATAL:  configuration file \"{path}\" contains errors\n"
                )
            })
        };
        read(&fixed.postgresql_conf, main)?;
        if main.lines().any(|l| l.starts_with("include_dir")) {
            let dir = format!("{}/conf.d/", fixed.pair.postgres().config_dir);
            for (path, text) in files.under(&dir).filter(|(p, _)| p.rsplit('.').next() == Some("conf")) {
                read(path, text)?;
            }
        }
        if let Some(auto) = files.get(&fixed.auto_conf) {
            read(&fixed.auto_conf, auto)?;
        }
        Ok(settings)
    }

    /// Starts a server that does not run; what it says when it does not come up.
    pub(super) fn start_database(&mut self, id: NodeId) -> Result<(), String> {
        let settings = self.settings(id)?;
        let files = &self.m(id).files;
        let (rules, errors) = read_hba(files.get(&self.fixed.pg_hba).map_or("", |t| t));
        if errors > 0 || files.get(&self.fixed.pg_hba).is_none() {
            return Err(format!("FATAL:  could not load {}\n", self.fixed.pg_hba));
        }
        let standby = files.get(&self.fixed.standby_signal).is_some();
        let listen = settings.listen.unwrap_or_else(|| "localhost".to_owned());
        let (mut all, mut bound, mut local) = (false, Vec::new(), false);
        for host in listen.split(',').map(str::trim) {
            match host {
                "*" | "0.0.0.0" => all = true,
                "localhost" | "127.0.0.1" => local = true,
                // An address that the machine does not have now is left out with a warning, and stays left out when it comes.
                name => bound.extend(self.resolve(id, name).filter(|a| self.holds(id, *a))),
            }
        }
        if !(all || local || !bound.is_empty() || listen.is_empty()) {
            return Err("FATAL:  could not create any TCP/IP sockets\n".to_owned());
        }
        let (branch, now) = (self.next_branch, self.now_ms);
        let db = &mut self.m_mut(id).db;
        let was_standby = db.role == Role::Standby;
        db.role = if standby { Role::Standby } else { Role::Primary };
        if was_standby && !standby {
            // Started without its signal file it writes on its own, on the same timeline.
            db.history.push((db.branch, db.end));
            db.branch = branch;
        }
        (db.running, db.clean) = (true, false);
        (db.listen, db.listen_all, db.bound) = (listen.into(), all, bound);
        db.hba = rules.into();
        db.upstream = settings.primary_conninfo.as_deref().and_then(conninfo_host);
        (db.stream_shown, db.last_message_ms, db.control_lags_ms) = (false, None, 0);
        if standby {
            db.last_commit_ms = None;
        } else {
            db.write_checkpoint(now);
        }
        if was_standby && !standby {
            self.next_branch += 1;
        }
        self.effect("db-start", id, "");
        self.pump();
        Ok(())
    }

    /// A clean shutdown: the checkpoint is written and, if a standby streams, sent before the end.
    pub(super) fn stop_database(&mut self, id: NodeId) {
        self.pump();
        let linked = self.stream().filter(|(up, _)| *up == id);
        let now = self.now_ms;
        let db = &mut self.m_mut(id).db;
        if db.role == Role::Primary {
            db.write_checkpoint(now);
        }
        (db.running, db.clean, db.stream_shown) = (false, true, false);
        if let Some((up, down)) = linked {
            self.ship(up, down, self.now_ms);
            // It was told: the stream is gone at once.
            self.m_mut(down).db.stream_shown = false;
        }
        self.effect("db-stop", id, "");
        self.pump();
    }

    /// Reads pg_hba.conf again; a broken one is not taken.
    pub(super) fn reload_database(&mut self, id: NodeId) {
        let (rules, errors) = read_hba(self.m(id).files.get(&self.fixed.pg_hba).map_or("", |t| t));
        let upstream = self.settings(id).ok().and_then(|s| s.primary_conninfo.as_deref().and_then(conninfo_host));
        let db = &mut self.m_mut(id).db;
        if errors == 0 {
            db.hba = rules.into();
        }
        if db.role == Role::Standby && upstream.is_some() {
            db.upstream = upstream;
        }
        self.effect("db-reload", id, "");
        self.pump();
    }

    /// Makes a running standby the primary: a new timeline from where it stands.
    pub(super) fn promote_database(&mut self, id: NodeId) {
        self.pump();
        self.check_promotion(id);
        let (branch, now) = (self.next_branch, self.now_ms);
        self.next_branch += 1;
        let db = &mut self.machines[index(id)].db;
        db.history.push((db.branch, db.end));
        db.branch = branch;
        db.timeline += 1;
        db.control_lags_ms = now + CONTROL_LAG_MS;
        db.role = Role::Primary;
        db.write_checkpoint(now);
        db.stream_shown = false;
        self.wrote(Place::Node(id), "promote", "");
        let fixed = self.fixed.clone();
        self.m_mut(id).files.remove(&fixed.standby_signal);
        self.pump();
    }

    fn resolve(&self, id: NodeId, name: &str) -> Option<u32> {
        ip(name).or_else(|| {
            let hosts = self.m(id).files.get("/etc/hosts")?;
            let line = hosts.lines().find(|l| l.split_whitespace().skip(1).any(|n| n == name))?;
            ip(line.split_whitespace().next()?)
        })
    }

    /// The machine whose server lets a login from `from` (`None`: a client of the cluster) at an address in, as xCAT's role.
    pub(super) fn database_at(&self, from: Option<NodeId>, address: u32) -> Option<NodeId> {
        let at = self.route(from, address)?;
        let source = match from {
            None => self.fixed.client(),
            Some(id) if id == at => address,
            Some(id) => self.fixed.address(id),
        };
        if self.db2.is_some() {
            return self.writable(at).then_some(at);
        }
        let pg = self.fixed.pair.postgres();
        self.m(at).db.serves(address, source, Some(&pg.database), &pg.user).then_some(at)
    }

    /// The stream that is up: primary, standby.
    pub(super) fn stream(&self) -> Option<(NodeId, NodeId)> {
        NodeId::BOTH.into_iter().find_map(|down| {
            let standby = &self.m(down).db;
            let upstream = standby.upstream.filter(|_| standby.running && standby.role == Role::Standby)?;
            if !self.alive(down) {
                return None;
            }
            let up = self.route(Some(down), upstream).filter(|up| *up != down)?;
            let primary = &self.m(up).db;
            let source = if self.fixed.cluster_facing(upstream) {
                self.fixed.address(down)
            } else {
                self.fixed.own[index(down)].last().copied().unwrap_or(0)
            };
            let follows = primary.writable()
                && primary.system_id == standby.system_id
                && primary.contains(standby.branch, standby.end)
                && primary.serves(upstream, source, None, "");
            follows.then_some((up, down))
        })
    }

    /// Whether a standby streams from the other machine now.
    pub fn streaming(&self) -> bool {
        self.db2().map_or_else(|| self.stream().is_some(), crate::db2::Pair::in_peer)
    }

    /// Moves to the standby what has had the time to get there.
    pub(super) fn pump(&mut self) {
        if self.db2.is_some() {
            self.sync_db2();
            return;
        }
        let now = self.now_ms;
        if let Some((up, down)) = self.stream() {
            let upto = if self.synchronous { now } else { now.saturating_sub(self.lag_ms) };
            self.ship(up, down, upto);
            self.m_mut(up).db.stream_shown = true;
            let standby = &mut self.m_mut(down).db;
            standby.stream_shown = true;
            standby.last_message_ms = Some(upto);
            return;
        }
        for id in NodeId::BOTH {
            let other = self.m(id.other());
            // A server that ended on a machine that lives says so; a dead machine or a pulled cable says nothing.
            let told =
                other.power && !other.half_dead && !other.db.running && !other.cut_cluster && !self.m(id).cut_cluster;
            let db = &mut self.m_mut(id).db;
            let silent_since = db.last_message_ms.unwrap_or(0);
            if db.stream_shown && (told || db.role == Role::Standby && now > silent_since + STREAM_TIMEOUT_MS) {
                db.stream_shown = false;
            }
        }
        for id in NodeId::BOTH {
            // The sender's side gives up when the receiver's has.
            if self.m(id).db.writable() && !self.m(id.other()).db.stream_shown {
                self.m_mut(id).db.stream_shown = false;
            }
        }
    }

    fn ship(&mut self, up: NodeId, down: NodeId, upto_ms: u64) {
        let primary = &self.m(up).db;
        let (branch, timeline, history, all) = (primary.branch, primary.timeline, primary.history.clone(), primary.end);
        let (checkpoint, checkpoint_ms) = (primary.checkpoint, primary.checkpoint_ms);
        let standby = &self.m(down).db;
        let mut end = all;
        if upto_ms < self.now_ms {
            // Only what was committed by then; everything before the world began was received long ago.
            let mine = |c: &&Commit| c.branch == branch;
            let newest = self.commits.iter().rev().filter(mine).find(|c| c.ms <= upto_ms).map(|c| c.end);
            if self.commits.iter().any(|c| c.branch == branch && c.ms > upto_ms) {
                end = newest.unwrap_or(standby.end);
            }
        }
        let end = if standby.branch == branch { end.max(standby.end) } else { end };
        if standby.branch == branch && standby.end == end {
            return;
        }
        let last = self.commits.iter().rev().find(|c| c.branch == branch && c.end <= end).map(|c| c.ms);
        let tables =
            self.versions.iter().rev().find(|(b, at, _)| *b == branch && *at <= end).map(|(_, _, t)| t.clone());
        let standby = &mut self.m_mut(down).db;
        if standby.branch != branch {
            (standby.branch, standby.timeline, standby.history) = (branch, timeline, history);
        }
        standby.end = end;
        if checkpoint < end {
            standby.checkpoint_ms = checkpoint_ms;
        }
        if last.is_some() {
            standby.last_commit_ms = last;
        }
        if let Some(tables) = tables {
            standby.tables = tables;
        }
    }

    /// A change of the xCAT tables on a primary.
    pub(super) fn change_tables(&mut self, id: NodeId, change: impl FnOnce(&mut Tables)) {
        let ms = self.now_ms;
        let db = &mut self.machines[index(id)].db;
        change(Arc::make_mut(&mut db.tables));
        db.end += CHANGE_BYTES;
        db.last_commit_ms = Some(ms);
        let (branch, end) = (db.branch, db.end);
        self.versions.push((branch, end, db.tables.clone()));
        self.commits.push(Commit { ms, branch, end, acknowledged: false });
        self.pump();
    }

    /// Where the client's next row goes: it writes at the service address, as its ARP entry leads it.
    fn client_target(&self) -> Option<NodeId> {
        let id = self.neighbour?;
        let service = self.fixed.service;
        let reached = self.alive(id) && !self.m(id).cut_cluster && self.holds(id, service);
        let db = &self.m(id).db;
        let pg = self.fixed.pair.postgres();
        let served = reached && db.writable() && db.serves(service, self.fixed.client(), Some(&pg.database), &pg.user);
        (served && (!self.commits_wait(id) || self.stream().is_some_and(|(up, _)| up == id))).then_some(id)
    }

    /// Lets time pass: the client writes, the standby receives.
    pub fn advance(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while let Some((at, strike)) = self.take_strike(end) {
            self.pass(at.max(self.now_ms));
            self.struck(strike);
        }
        self.pass(end);
    }

    fn pass(&mut self, end: u64) {
        if self.db2.is_some() {
            self.advance_db2(end);
            return;
        }
        if self.next_write_ms <= end {
            if let Some(id) = self.client_target() {
                let db = &mut self.machines[index(id)].db;
                while self.next_write_ms <= end {
                    db.end += ROW_BYTES;
                    let commit = Commit { ms: self.next_write_ms, branch: db.branch, end: db.end, acknowledged: true };
                    self.commits.push(commit);
                    db.last_commit_ms = Some(self.next_write_ms);
                    self.next_write_ms += self.client_every_ms;
                }
            } else {
                let steps = (end - self.next_write_ms) / self.client_every_ms + 1;
                self.next_write_ms += steps * self.client_every_ms;
            }
        }
        self.now_ms = end;
        self.pump();
    }

    /// How often the client writes a row, milliseconds.
    pub fn client_every(&mut self, ms: u64) {
        self.client_every_ms = ms.max(1);
        self.next_write_ms = self.now_ms + self.client_every_ms;
    }

    /// The side that counts: the writable database of the latest lineage, else the one promoted last, else the original primary.
    pub fn surviving(&self) -> NodeId {
        if self.db2.is_some() {
            return self.db2_surviving();
        }
        let rank = |id: &NodeId| {
            let db = &self.m(*id).db;
            (db.role == Role::Primary, db.writable(), db.branch)
        };
        NodeId::BOTH.into_iter().max_by_key(rank).expect("there are two")
    }

    /// Number of rows that were acknowledged.
    pub fn acknowledged_rows(&self) -> usize {
        let written = self.db2_writes().map(|w| w.0);
        written.unwrap_or_else(|| self.commits.iter().filter(|c| c.acknowledged).count())
    }

    fn lost(&self) -> impl Iterator<Item = &Commit> {
        let db = &self.m(self.surviving()).db;
        self.commits.iter().filter(|c| c.acknowledged && !db.contains(c.branch, c.end))
    }

    /// Number of acknowledged rows that the surviving side does not have.
    pub fn lost_rows(&self) -> usize {
        self.db2_writes().map_or_else(|| self.lost().count(), |w| w.1.len())
    }

    /// From the last acknowledged row that survived before the first lost one, to the last lost one; 0 when none is lost.
    pub fn lost_ms(&self) -> u64 {
        if let Some((_, lost)) = self.db2_writes() {
            return lost.first().zip(lost.last()).map_or(0, |(first, last)| last - first + self.client_every_ms);
        }
        let (first, last) = (self.lost().next(), self.lost().last());
        let Some((first, last)) = first.zip(last) else { return 0 };
        let db = &self.m(self.surviving()).db;
        let kept = self
            .commits
            .iter()
            .rev()
            .find(|c| c.acknowledged && c.ms < first.ms && db.contains(c.branch, c.end))
            .map_or(first.ms, |c| c.ms);
        last.ms - kept
    }

    /// Log bytes written on a lineage that the surviving side left, behind where it left it; 0 when none.
    pub fn lost_bytes(&self) -> u64 {
        let db = &self.m(self.surviving()).db;
        let left = |branch: u32| db.history.iter().find(|(b, _)| *b == branch).map(|(_, end)| *end);
        self.lost().filter_map(|c| Some(c.end.saturating_sub(left(c.branch)?))).max().unwrap_or(0)
    }

    /// `nodelist` rows in a machine's database.
    pub fn cluster_nodes(&self, id: NodeId) -> usize {
        let nodelist = crate::xcat::table("nodelist").expect("a table of the schema");
        if self.db2.is_some() {
            return self.db2_rows(id, nodelist).len();
        }
        self.m(id).db.tables.get(nodelist.name).map_or(0, Vec::len)
    }
}

/// The configuration files of the healthy pair's servers.
pub(super) fn healthy_conf(pair: &Pair, fixed: &Fixed, id: NodeId) -> [(String, String); 4] {
    let own = super::fixed::dotted(fixed.address(id));
    let (dir, data) = (&pair.postgres().config_dir, &pair.postgres().data_dir);
    let service = &pair.service.address;
    let primary = id == NodeId::A;
    let listen = if primary { format!("localhost,{own},{service}") } else { format!("localhost,{own}") };
    let conf = format!(
        "data_directory = '{data}'\nhba_file = '{dir}/pg_hba.conf'\nlisten_addresses = '{listen}'\t# what IP address(es) to listen on\nport = {}\nmax_connections = 200\nwal_level = replica\nmax_wal_senders = 10\nhot_standby = on\n",
        pair.postgres().port
    );
    let clients = if primary {
        format!("host    all             all             {}            md5\n", pair.postgres().client_network)
    } else {
        format!("host    all             all             {own}/32            md5\n")
    };
    let mut hba = format!(
        "# TYPE  DATABASE        USER            ADDRESS                 METHOD\nlocal   all             {}                                peer\nlocal   all             all                                     peer\n# IPv4 local connections:\nhost    all             all             127.0.0.1/32            scram-sha-256\n{clients}",
        pair.postgres().os_user
    );
    for address in fixed.own.iter().flatten() {
        let line = format!(
            "host    replication     replicator      {}/32            scram-sha-256\n",
            super::fixed::dotted(*address)
        );
        hba.push_str(&line);
    }
    let upstream = super::fixed::dotted(fixed.address(id.other()));
    let auto = format!(
        "# Do not edit this file manually!\n# It will be overwritten by the ALTER SYSTEM command.\nprimary_conninfo = 'host={upstream} port={} user=replicator'\n",
        pair.postgres().port
    );
    let signal = if primary { String::new() } else { fixed.standby_signal.clone() };
    [
        (fixed.postgresql_conf.clone(), conf),
        (fixed.pg_hba.clone(), hba),
        (fixed.auto_conf.clone(), if primary { String::new() } else { auto }),
        (signal, String::new()),
    ]
}
