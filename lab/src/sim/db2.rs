//! DB2 with HADR in the world: its stand-in has a network and a clock of its own, which follow the world's.

use std::collections::BTreeMap;

use workflows::{
    Place,
    model::{self, NodeId, Pair},
    vocabulary::db2 as db2_vocabulary,
};

use super::{Ran, Tables, World, fixed::dotted, index};
use crate::{
    db2::{self, Build, Call, Change, Commit, Config, Role, Side},
    xcat::{DbError, Row, Table},
};

/// Table of the client's own row, whose value is the number of its last write.
const CLIENT: &str = "hamn_client";
/// Name of xcatd's connection.
const XCATD: &str = "xcatd";
/// Longest wait of xcatd for a commit or a connection, ms.
const PATIENCE_MS: u64 = 300_000;

/// The pair of instances, and the client's account of its writes.
#[derive(Debug, Clone)]
pub(super) struct Db2 {
    pub(super) pair: db2::Pair,
    /// Machines whose instance starts as soon as they run.
    pub(super) booting: [bool; 2],
    roles: [Option<Role>; 2],
    /// The write that is not answered: its number in the pair, its own, when it began.
    pending: Option<(u64, u64, u64)>,
    /// Writes that were acknowledged: when, which.
    acknowledged: Vec<(u64, u64)>,
    written: u64,
    shells: u64,
}

/// The side of a machine.
pub(super) fn side(id: NodeId) -> Side {
    match id {
        NodeId::A => Side::A,
        NodeId::B => Side::B,
    }
}

/// Addresses that the two databases speak from: the two that are swapped, or the machines' own.
fn hadr_addresses(pair: &Pair, own: [String; 2]) -> [String; 2] {
    match &pair.service.standby_address {
        Some(standby) => [pair.service.address.clone(), standby.clone()],
        None => own,
    }
}

/// Files of a machine with DB2 that is not of the database itself.
pub(super) fn files(pair: &Pair, id: NodeId) -> Vec<(String, String)> {
    let db2 = pair.db2();
    let name = if id == NodeId::A { &pair.service.host_name } else { &pair.service.standby_host_name };
    let services = db2.hadr.services.iter().map(|s| format!("{}\t{}/tcp\n", s.name, s.port));
    let home = &db2.home;
    vec![
        ("/etc/services".to_owned(), format!("ssh\t22/tcp\n{}", services.collect::<String>())),
        (format!("{home}/sqllib/db2nodes.cfg"), format!("0 {name} 0\n")),
        (format!("{home}/sqllib/db2profile"), format!("DB2INSTANCE={}\nexport DB2INSTANCE\n", db2.instance)),
    ]
}

impl Db2 {
    /// The pair, at that time, with these tables; put in order by `begin` in the time before.
    pub(super) fn new(
        pair: &Pair,
        own: [String; 2],
        tables: &Tables,
        now_ms: u64,
        begin: impl FnOnce(&Build) -> db2::Pair,
    ) -> Self {
        let db2 = pair.db2();
        let model::Hadr { services, sync_mode, timeout_s, peer_window_s, .. } = &db2.hadr;
        let mut content: db2::Content =
            tables.iter().map(|(name, rows)| ((*name).to_owned(), rows.clone())).collect::<BTreeMap<_, _>>();
        content.insert(CLIENT.to_owned(), vec![vec!["last".to_owned(), "0".to_owned()]]);
        let mut instances = begin(&Build {
            instance: db2.instance.clone(),
            home: db2.home.clone(),
            database: db2.database.clone(),
            hosts: [pair.service.host_name.clone(), pair.service.standby_host_name.clone()],
            addresses: hadr_addresses(pair, own),
            services: [0, 1].map(|n| (services[n].name.clone(), services[n].port)),
            timeout_s: u64::from(*timeout_s),
            window_s: u64::from(*peer_window_s),
            sync: sync_mode.name().to_owned(),
            backup: db2.backup_dir.clone(),
            content,
            now_ms: now_ms - 120_000,
            ..Build::default()
        });
        instances.connect(Side::A, XCATD);
        instances.advance_to(now_ms);
        Self {
            roles: Side::BOTH.map(|s| instances.machine(s).role()),
            pair: instances,
            booting: [false; 2],
            pending: None,
            acknowledged: Vec::new(),
            written: 0,
            shells: 1,
        }
    }

    /// The write that was under way, if it is answered now.
    fn settle(&mut self) {
        let Some((id, number, ms)) = self.pending else { return };
        match self.pair.committed(id) {
            Commit::Waits => {}
            Commit::Done => {
                self.pair.reply(id);
                self.acknowledged.push((ms, number));
                self.pending = None;
            }
            Commit::Failed(_) => {
                self.pair.reply(id);
                self.pending = None;
            }
        }
    }

    fn last_written(&self, id: NodeId) -> u64 {
        let row = self.pair.content(side(id)).and_then(|c| c.get(CLIENT)).and_then(|rows| rows.first());
        row.and_then(|r| r[1].parse().ok()).unwrap_or(0)
    }
}

impl World {
    /// The pair of DB2 instances, if that is the database.
    pub fn db2(&self) -> Option<&db2::Pair> {
        self.db2.as_ref().map(|d| &d.pair)
    }

    /// The same, to turn its knobs and to break it.
    pub fn db2_mut(&mut self) -> Option<&mut db2::Pair> {
        self.db2.as_mut().map(|d| &mut d.pair)
    }

    /// Parameters of a machine's database, if it is DB2 and there is one.
    pub fn db2_config(&self, id: NodeId) -> Option<&Config> {
        self.db2()?.machine(side(id)).config()
    }

    /// Whether a machine's database takes writes.
    pub fn writable(&self, id: NodeId) -> bool {
        match &self.db2 {
            None => self.m(id).db.writable(),
            Some(db2) => self.alive(id) && db2.pair.machine(side(id)).writable(),
        }
    }

    /// Tells the stand-in what became of its hosts and its network.
    pub(super) fn sync_db2(&mut self) {
        // A program of DB2 may have gone on to a time at which something happened.
        let reached = self.db2.as_ref().map_or(0, |d| d.pair.now_ms());
        while let Some((_, strike)) = self.take_strike(reached) {
            self.struck(strike);
        }
        let Some(mut db2) = self.db2.take() else { return };
        let (backup, own) = (format!("{}/", self.fixed.pair.db2().backup_dir), self.fixed.own.clone());
        for id in NodeId::BOTH {
            let m = self.m(id);
            let nodes_cfg = db2.pair.machine(side(id)).nodes_cfg();
            let host = db2.pair.host_mut(side(id));
            if *host.name != *m.host_name {
                host.name = m.host_name.to_string();
            }
            let addresses = own[index(id)].iter().chain(&m.extra).map(|a| dotted(*a).to_string());
            host.addresses = ["127.0.0.1".to_owned()].into_iter().chain(addresses).collect();
            let fixed_paths =
                ["/etc/hosts", "/etc/services", &nodes_cfg].into_iter().filter_map(|p| Some((p, m.files.get(p)?)));
            for (path, content) in fixed_paths.chain(m.files.under(&backup)) {
                if host.files.get(path).is_none_or(|c| **c != **content) {
                    host.files.insert(path.to_owned(), content.to_string());
                }
            }
            host.files.retain(|p, _| m.files.get(p).is_some());
            let offset = m.clock_offset_ms;
            db2.pair.knobs(side(id)).skew_ms = offset;
            let alive = self.alive(id);
            if alive != db2.pair.alive(side(id)) {
                db2.pair.power(side(id), alive);
            }
            if alive && std::mem::take(&mut db2.booting[index(id)]) {
                let started = db2.pair.submit(side(id), Call::new(&["db2start"]));
                db2.pair.reply(started);
            }
        }
        let cut = self.link_cut || NodeId::BOTH.iter().any(|id| self.m(*id).cut_cluster);
        db2.pair.cut(cut);
        self.db2 = Some(db2);
        self.notice_roles();
    }

    /// What the stand-in wrote, and which roles changed.
    fn after_db2(&mut self) {
        for id in NodeId::BOTH {
            let Some(db2) = &mut self.db2 else { return };
            let host = db2.pair.host_mut(side(id));
            let written = std::mem::take(&mut host.written);
            let files: Vec<_> =
                written.into_iter().filter_map(|p| Some((p.clone(), host.files.get(&p)?.clone()))).collect();
            for (path, content) in files {
                self.m_mut(id).files.rewrite(&path, &content);
            }
        }
        self.notice_roles();
    }

    fn notice_roles(&mut self) {
        let Some(db2) = &mut self.db2 else { return };
        let now = Side::BOTH.map(|s| db2.pair.machine(s).role());
        let before = std::mem::replace(&mut db2.roles, now);
        for id in NodeId::BOTH {
            let n = index(id);
            if before[n] == Some(Role::Standby) && now[n] == Some(Role::Primary) {
                self.check_promotion(id);
                self.wrote(Place::Node(id), "promote", "");
            }
        }
    }

    /// Whether the other machine's database is a primary that was not asked to step down.
    pub(super) fn db2_primary(&self, id: NodeId) -> Option<bool> {
        let machine = self.db2()?.machine(side(id));
        Some(machine.role() == Some(Role::Primary) && !machine.pending().2)
    }

    /// One program of DB2 on a machine, from a shell of its own or that one, within milliseconds.
    pub(super) fn db2_program(&mut self, id: NodeId, argv: &[String], shell: Option<u64>, limit_ms: u64) -> Ran {
        self.sync_db2();
        if argv.iter().any(|word| word.trim_start().to_uppercase().starts_with("RESTORE")) {
            self.check_restore(id);
        }
        let Some(db2) = &mut self.db2 else { return Ran::failed(127, "", 2) };
        db2.shells += 1;
        let session = shell.unwrap_or(db2.shells);
        let call = Call::new(argv).session(session).within(limit_ms);
        let reply = db2.pair.call(side(id), &call);
        self.after_db2();
        Ran {
            exit: reply.exit,
            stdout: reply.stdout,
            stderr: reply.stderr,
            cost_ms: reply.takes_ms,
            hangs: reply.hangs,
        }
    }

    /// A command of the vocabulary of DB2.
    pub(super) fn db2_call(&mut self, id: NodeId, call: db2_vocabulary::Call<'_>, limit_ms: u64) -> Ran {
        use db2_vocabulary::Call as Asked;
        let home = &self.fixed.pair.db2().home;
        if self.m(id).files.get(&format!("{home}/sqllib/db2profile")).is_none() {
            return Ran::failed(127, format!("no instance in {home}\n"), 5);
        }
        match call {
            Asked::Group(statements) => self.db2_group(id, statements, limit_ms),
            Asked::Tool(argv) => self.db2_program(id, argv, None, limit_ms),
            Asked::Applications => self.db2_applications(id, limit_ms),
            Asked::RoleIs(database, roles) => self.db2_role_is(id, database, roles, limit_ms),
            Asked::SaveLogs(database, directory) => self.db2_save_logs(id, database, directory, limit_ms),
            Asked::Image(what, path, stamp) => self.db2_image(id, what, path, stamp),
        }
    }

    /// Statements from one shell, then TERMINATE, as the vocabulary's script runs them: a line `:exit N` after each; one that begins
    /// with `-` may fail, after another failure the rest is not run.
    fn db2_group(&mut self, id: NodeId, statements: &[String], limit_ms: u64) -> Ran {
        let shell = self.db2.as_mut().map_or(0, |d| {
            d.shells += 1;
            d.shells
        });
        let mut all = Ran::ok("", 10);
        for statement in statements {
            let (may_fail, text) = statement.strip_prefix('-').map_or((false, statement.as_str()), |s| (true, s));
            let left = limit_ms.saturating_sub(all.cost_ms);
            let ran = self.db2_program(id, &["db2".to_owned(), text.to_owned()], Some(shell), left);
            all.cost_ms += ran.cost_ms;
            all.stdout += &ran.stdout;
            if ran.hangs {
                all.hangs = true;
                return all;
            }
            all.stdout += &format!("\n:exit {}\n", ran.exit);
            if ran.exit >= 4 && !may_fail {
                all.exit = ran.exit;
                break;
            }
        }
        let end = self.db2_program(id, &["db2".to_owned(), "terminate".to_owned()], Some(shell), limit_ms);
        all.cost_ms += end.cost_ms;
        all
    }

    /// `none`, `some` or `unknown` applications, as the vocabulary's script says it.
    fn db2_applications(&mut self, id: NodeId, limit_ms: u64) -> Ran {
        let mut ran = self.db2_group(id, &["-list applications".to_owned()], limit_ms);
        let said = &ran.stdout;
        let word = if said.contains("SQL1611W") || said.contains("SQL1032N") {
            "none\n"
        } else if said.contains("SQL") {
            "unknown\n"
        } else {
            "some\n"
        };
        word.clone_into(&mut ran.stdout);
        ran
    }

    /// Configuration and log files of a database kept in a directory.
    fn db2_save_logs(&mut self, id: NodeId, database: &str, directory: &str, limit_ms: u64) -> Ran {
        let mut ran = self.db2_group(id, &[format!("GET DB CFG FOR {database}")], limit_ms);
        if ran.exit == 0 {
            let config = std::mem::take(&mut ran.stdout);
            for (name, content) in [("db.cfg", config.as_str()), ("logs.tar", "log files"), ("complete", "complete\n")]
            {
                self.put_file(id, &format!("{directory}/{name}"), content);
            }
        }
        ran
    }

    /// What is done with images by shell scripts: copied to the other machine, summed, given away.
    fn db2_image(&mut self, id: NodeId, what: db2_vocabulary::Image, path: &str, stamp: &str) -> Ran {
        let (start, end) = (format!("{path}.0."), format!(".{stamp}.001"));
        let directory = path.rsplit_once('/').map_or("/", |(directory, _)| directory).to_owned() + "/";
        let files = self.m(id).files.under(&directory);
        let mut found = files.filter(|(p, _)| p.starts_with(&start) && p.ends_with(&end));
        let (Some((image, content)), None) = (found.next().map(|(p, c)| (p.to_owned(), c.to_string())), found.next())
        else {
            return Ran::failed(1, "no such image\n", 10);
        };
        drop(found);
        match what {
            db2_vocabulary::Image::Copy if !self.alive(id.other()) => {
                Ran::failed(255, "ssh: connect to host: Connection timed out\n", 3_000)
            }
            db2_vocabulary::Image::Copy => {
                self.put_file(id.other(), &image, &content);
                Ran::ok("", 800)
            }
            db2_vocabulary::Image::Sum => Ran::ok(format!("{} {}\n", sum(&content), content.len()), 20),
            db2_vocabulary::Image::Own => Ran::ok("", 10),
        }
    }

    /// The role in the configuration of a database; exit 0 if it is one of the permitted ones, else 9.
    fn db2_role_is(&mut self, id: NodeId, database: &str, permitted: &[String], limit_ms: u64) -> Ran {
        let mut ran = self.db2_group(id, &[format!("-GET DB CFG FOR {database}")], limit_ms);
        let role = ran.stdout.lines().find_map(|l| l.trim_start().strip_prefix("HADR database role")?.split_once("= "));
        let role = match role {
            Some((_, role)) => role.trim().to_owned(),
            None if ran.stdout.contains("SQL1013N") => "absent".to_owned(),
            None => "unknown".to_owned(),
        };
        self.role_asked(id, &role);
        ran.exit = if permitted.contains(&role) { 0 } else { 9 };
        ran.stdout = role + "\n";
        ran
    }

    /// How far the stand-in's clock is ahead of the world's: something waited in it.
    pub(super) fn db2_ahead_ms(&self) -> u64 {
        self.db2.as_ref().map_or(0, |d| d.pair.now_ms().saturating_sub(self.now_ms))
    }

    /// Lets time pass: the client writes.
    pub(super) fn advance_db2(&mut self, end: u64) {
        self.sync_db2();
        while self.next_write_ms <= end {
            let at = self.next_write_ms;
            let target = self.db2_client_target();
            let Some(db2) = &mut self.db2 else { return };
            db2.pair.advance_to(at);
            db2.settle();
            if let Some(id) = target.filter(|_| db2.pending.is_none()) {
                db2.written += 1;
                let row = vec!["last".to_owned(), db2.written.to_string()];
                let change = Change::Put { table: CLIENT.to_owned(), row };
                let commit = db2.pair.begin(side(id), change);
                db2.pending = Some((commit, db2.written, at));
            }
            self.next_write_ms += self.client_every_ms;
        }
        if let Some(db2) = &mut self.db2 {
            db2.pair.advance_to(end);
            db2.settle();
        }
        self.now_ms = end;
        self.sync_db2();
        self.after_db2();
    }

    fn db2_client_target(&self) -> Option<NodeId> {
        let id = self.neighbour?;
        let reached = self.alive(id) && !self.m(id).cut_cluster && self.holds(id, self.fixed.service);
        (reached && self.writable(id)).then_some(id)
    }

    /// Starts the instance and what its role allows, by nobody's action.
    pub(super) fn heal_db2(&mut self, id: NodeId) {
        self.sync_db2();
        let other_serves = self.writable(id.other());
        let Some(db2) = &mut self.db2 else { return };
        db2.booting[index(id)] = false;
        let name = db2.pair.database().to_owned();
        let mut run = |words: &[&str]| db2.pair.call(side(id), &Call::new(words).within(1_000));
        run(&["db2start"]);
        run(&["db2", &format!("ACTIVATE DB {name}")]);
        let machine = db2.pair.machine(side(id));
        if machine.role() == Some(Role::Primary) && !machine.writable() && !other_serves {
            let force = format!("START HADR ON DB {name} AS PRIMARY BY FORCE");
            for words in [&["db2_kill"][..], &["db2start"], &["db2", &force]] {
                db2.pair.call(side(id), &Call::new(words).within(1_000));
            }
        }
        self.after_db2();
    }

    /// The instance of a machine dies.
    pub(super) fn kill_db2(&mut self, id: NodeId) {
        if let Some(db2) = &mut self.db2 {
            db2.pair.kill_instance(side(id));
        }
    }

    /// Whether xcatd of a machine has its database; with `reconnect` it tries to, as the real one does, which may take long.
    pub(super) fn db2_xcatd(&mut self, id: NodeId, reconnect: bool) -> Result<(), DbError> {
        self.sync_db2();
        let Some(db2) = &mut self.db2 else { return Err(DbError::Down) };
        let connected = db2.pair.machine(side(id)).clients().any(|c| c == XCATD);
        let done = connected || reconnect && db2.pair.connect(side(id), XCATD).exit == 0;
        self.after_db2();
        if done { Ok(()) } else { Err(DbError::Down) }
    }

    /// xcatd lets go of its database.
    pub(super) fn db2_disconnect(&mut self, id: NodeId) {
        if let Some(db2) = &mut self.db2 {
            db2.pair.disconnect(side(id), XCATD);
        }
    }

    /// Rows of a table in a machine's database.
    pub(super) fn db2_rows(&self, id: NodeId, table: &Table) -> Vec<Row> {
        self.db2().and_then(|p| p.content(side(id))).and_then(|c| c.get(table.name)).cloned().unwrap_or_default()
    }

    /// A change of the xCAT tables in a machine's database; it may wait as long as the peer window.
    pub(super) fn db2_change(&mut self, id: NodeId, change: Change) -> Result<(), DbError> {
        let Some(db2) = &mut self.db2 else { return Err(DbError::Down) };
        let done = db2.pair.commit(side(id), change, PATIENCE_MS);
        self.after_db2();
        if done == Commit::Done { Ok(()) } else { Err(DbError::Down) }
    }

    /// The machine whose database counts: it takes writes, and of two that do the one whose log forked last.
    pub(super) fn db2_surviving(&self) -> NodeId {
        let rank = |id: &NodeId| {
            let machine = self.db2().map(|p| p.machine(side(*id)));
            let streams = machine.and_then(db2::Machine::log).map_or(0, db2::Log::streams);
            let primary = machine.and_then(db2::Machine::role) == Some(Role::Primary);
            (self.writable(*id), primary, streams)
        };
        // Of two that are alike, the first: it was primary.
        NodeId::BOTH.into_iter().rev().max_by_key(rank).unwrap_or(NodeId::A)
    }

    /// Writes that were acknowledged, and of these the ones that the surviving side lacks: when.
    pub(super) fn db2_writes(&self) -> Option<(usize, Vec<u64>)> {
        let db2 = self.db2.as_ref()?;
        let last = db2.last_written(self.db2_surviving());
        let behind = db2.acknowledged.iter().filter(|(_, n)| *n > last).map(|(ms, _)| *ms).collect();
        Some((db2.acknowledged.len(), behind))
    }
}

/// A checksum; not cksum's.
fn sum(content: &str) -> u32 {
    content.bytes().fold(0, |sum: u32, byte| sum.rotate_left(5) ^ u32::from(byte))
}
