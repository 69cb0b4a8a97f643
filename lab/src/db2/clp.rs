//! The command line processor: options, batches, back ends, and which statement does what.

use std::collections::VecDeque;

use super::{
    Call, Config, Effect, Out, Reply, Role, Stdin, Trouble, Version,
    clock::Date,
    machine::Cx,
    parse::{Statement, parse, split},
    program::{Flow, Options, Running, Waiter},
};

/// Capitals and single blanks.
pub(super) fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase()
}

impl Cx<'_> {
    /// A program is called.
    pub(super) fn call(&mut self, id: u64, call: Call) {
        let environment = call.user.is_empty()
            || call.user == self.m.instance
            || call.env.iter().any(|(k, v)| k == "DB2INSTANCE" && *v == self.m.instance);
        let program = call.program().to_owned();
        if !environment || !self.m.installed || !super::PROGRAMS.contains(&program.as_str()) {
            let stderr = format!("sh: {program}: command not found\n");
            return self.done(id, Reply { stderr, exit: 127, ..Reply::default() });
        }
        let mut running = Running {
            id,
            options: Options::default(),
            statements: VecDeque::new(),
            input: VecDeque::new(),
            statement: String::new(),
            out: Out::default(),
            cost_ms: 0,
            after: None,
            wait: None,
            call,
        };
        if let [_, word] = running.call.argv.as_slice()
            && matches!(word.as_str(), "--help" | "--version")
        {
            return self.answer(id, Out::new(super::tools::WHAT, 0));
        }
        if program == "db2" {
            if let Err(out) = self.read_options(&mut running) {
                return self.answer(id, out);
            }
        } else {
            running.statements.push_back(running.call.argv[1..].join(" "));
        }
        self.run(Box::new(running));
    }

    /// Options and statements of `db2`.
    fn read_options(&mut self, running: &mut Running) -> Result<(), Out> {
        let mut o = Options::default();
        let (mut terminated, mut file) = (false, None);
        let mut rest = running.call.argv[1..].iter().peekable();
        while let Some(word) = rest.next_if(|w| w.len() > 1 && matches!(w.as_bytes()[0], b'-' | b'+')) {
            let on = word.starts_with('-');
            let mut letters = word[1..].chars();
            while let Some(letter) = letters.next() {
                match letter {
                    't' => terminated = on,
                    'v' => o.echo = on,
                    's' => o.stop = on,
                    'w' => o.no_warnings = !on,
                    'o' => o.silent = !on,
                    'f' | 'z' | 'r' | 'l' if on => {
                        let attached: String = letters.by_ref().collect();
                        let name =
                            if attached.is_empty() { rest.next().cloned().unwrap_or_default() } else { attached };
                        if letter == 'f' {
                            file = Some(name);
                        }
                    }
                    'a' | 'c' | 'd' | 'e' | 'i' | 'm' | 'n' | 'p' | 'q' | 'x' | 'f' | 'z' | 'r' | 'l' => {}
                    other => {
                        let text = format!("DB21002E  The command line processor option \"{other}\" is not valid.\n");
                        return Err(Out::new(text, 8));
                    }
                }
            }
        }
        let words: Vec<&str> = rest.map(String::as_str).collect();
        let input = match &running.call.stdin {
            Stdin::Text(text) => text.clone(),
            Stdin::Closed | Stdin::Silent => String::new(),
        };
        let statement = words.join(" ");
        if statement.trim().is_empty() {
            o.batch = true;
            let text = match file.as_deref() {
                None | Some("-" | "/dev/stdin") => input,
                Some(path) => self.host.read(path).ok_or_else(|| {
                    Out::new(format!("DB21007E  End of file reached while reading the command from \"{path}\".\n"), 8)
                })?,
            };
            running.statements = split(&text, terminated).into();
        } else {
            running.input = input.lines().map(str::to_owned).collect();
            running.statements.push_back(statement);
        }
        running.options = o;
        Ok(())
    }

    /// Runs statements until one waits or none is left.
    pub(super) fn run(&mut self, mut running: Box<Running>) {
        while let Some(statement) = running.statements.pop_front() {
            let program = running.call.program();
            let command = if program == "db2" { normal(&statement) } else { normal(&format!("{program} {statement}")) };
            self.m.history.push(command.clone());
            running.cost_ms += self.m.knobs.cost(&command);
            running.statement = statement;
            running.after = None;
            let flow = match self.m.knobs.take(&command) {
                Some(Trouble::HangBefore) => return self.finish(&running, true),
                Some(Trouble::KilledBefore) => return self.killed(&running),
                Some(Trouble::Fail { code, reason, exit }) => Flow::Done(Out { exit, ..self.says(&code, &[&reason]) }),
                Some(Trouble::Slow(ms)) => {
                    running.cost_ms += ms;
                    self.execute(&mut running)
                }
                after => {
                    running.after = after;
                    self.execute(&mut running)
                }
            };
            match flow {
                Flow::Done(out) => running.take(&out),
                Flow::Wait(wait) => {
                    running.wait = Some(wait);
                    self.m.run.waiting.push(Waiter::Program(running));
                    return;
                }
            }
            if self.trouble_after(&mut running) {
                return;
            }
        }
        self.finish(&running, false);
    }

    /// What a fault does when the statement has had its effect; whether that was the program's end.
    fn trouble_after(&mut self, running: &mut Running) -> bool {
        match running.after.take() {
            Some(Trouble::HangAfter) => self.finish(running, true),
            Some(Trouble::KilledAfter) => self.killed(running),
            Some(Trouble::Partial(bytes)) => {
                let cut = running.out.text.floor_char_boundary_at(bytes);
                running.out.text.truncate(cut);
                return false;
            }
            _ => return false,
        }
        true
    }

    /// Goes on with a program whose statement waited and is done.
    pub(super) fn resume(&mut self, mut running: Box<Running>, out: &Out) {
        running.take(out);
        if !self.trouble_after(&mut running) {
            self.run(running);
        }
    }

    fn finish(&mut self, running: &Running, hangs: bool) {
        let reply = Reply {
            stdout: running.out.text.clone(),
            stderr: String::new(),
            exit: running.out.exit,
            takes_ms: running.cost_ms,
            hangs,
        };
        self.effects.push(Effect::Done { id: running.id, reply });
    }

    fn killed(&mut self, running: &Running) {
        self.done(running.id, Reply { exit: 137, takes_ms: running.cost_ms, ..Reply::default() });
    }

    /// db2nodes.cfg names another host: the message.
    pub(super) fn wrong_nodes_cfg(&self) -> Option<Out> {
        let text = self.host.read(&self.m.nodes_cfg())?;
        let name = text.lines().next()?.split_whitespace().nth(1)?.to_owned();
        let own = self.host.host_name();
        let short = |n: &str| n.split('.').next().unwrap_or("").to_owned();
        let local = name == own
            || short(&name) == short(&own)
            || super::outside::resolve(&name, self.host).is_some_and(|a| self.host.has_address(&a));
        (!local).then(|| self.says("SQL6031N", &[]))
    }

    fn execute(&mut self, running: &mut Running) -> Flow {
        if running.call.program() != "db2" {
            return Flow::Done(self.tool(&running.call.clone()));
        }
        let parsed = parse(&running.statement);
        let statement = parsed.statement;
        let session = running.call.session;
        match &statement {
            Statement::Terminate => {
                self.m.run.sessions.remove(&session);
                self.maybe_idle();
                return Flow::Done(self.ok("TERMINATE"));
            }
            Statement::Quit => {
                running.statements.clear();
                return Flow::Done(Out::default());
            }
            Statement::Unknown(token) => return Flow::Done(self.says("SQL0104N", &[token])),
            Statement::Start => return Flow::Done(self.db2start()),
            Statement::Stop(force) => return Flow::Done(self.db2stop(*force)),
            _ => {}
        }
        if let Some(out) = self.wrong_nodes_cfg() {
            return Flow::Done(out);
        }
        if let Statement::GetInstance = statement {
            let text = format!("\n The current database manager instance is:  {}\n\n", self.m.instance);
            return Flow::Done(Out::new(text, 0));
        }
        if matches!(statement, Statement::ListDirectory) {
            return Flow::Done(self.list_directory());
        }
        if !self.m.run.up {
            return Flow::Done(self.says("SQL1032N", &[]));
        }
        if let Some(wanted) = &self.m.knobs.password
            && parsed.password.is_some_and(|p| p != *wanted)
        {
            return Flow::Done(self.says("SQL30082N", &[]));
        }
        self.m.run.sessions.entry(session).or_insert(false);
        self.instance_statement(running, statement)
    }

    /// Statements that need the instance.
    fn instance_statement(&mut self, running: &mut Running, statement: Statement) -> Flow {
        let session = running.call.session;
        let connected = self.m.run.sessions.get(&session) == Some(&true);
        let name = match &statement {
            Statement::Connect(db)
            | Statement::Activate(db)
            | Statement::Deactivate(db)
            | Statement::StopHadr(db)
            | Statement::Snapshot(db)
            | Statement::DropDatabase(db)
            | Statement::StartHadr { db, .. }
            | Statement::Takeover { db, .. }
            | Statement::Backup { db, .. }
            | Statement::Rollforward { db, .. }
            | Statement::UpdateAlternate { db, .. } => Some(db),
            Statement::UpdateConfig { db, .. } | Statement::GetConfig(db) => db.as_ref(),
            _ => None,
        };
        if let Some(name) = name
            && self.m.database.as_ref().is_none_or(|d| !d.name.eq_ignore_ascii_case(name))
        {
            let name = name.to_uppercase();
            return Flow::Done(self.says("SQL1013N", &[&name]));
        }
        let needs_connection = match &statement {
            Statement::UpdateConfig { db, .. } | Statement::GetConfig(db) => db.is_none(),
            Statement::Quiesce(_) | Statement::ConnectReset | Statement::Count(_) | Statement::Timestamp => true,
            _ => false,
        };
        if needs_connection && !connected {
            return Flow::Done(self.says("SQL1024N", &[]));
        }
        match statement {
            Statement::Connect(_) => self.connect(session),
            Statement::Activate(_) => self.activate(),
            Statement::StartHadr { standby: false, by_force, .. } => self.start_primary(by_force),
            Statement::Takeover { form, .. } => self.takeover(form),
            other => self.plain_statement(running, other),
        }
    }

    /// Statements that never wait.
    fn plain_statement(&mut self, running: &mut Running, statement: Statement) -> Flow {
        let session = running.call.session;
        Flow::Done(match statement {
            Statement::ConnectReset => {
                self.m.run.sessions.insert(session, false);
                self.maybe_idle();
                self.ok("SQL")
            }
            Statement::Deactivate(_) => self.deactivate_command(),
            Statement::StartHadr { .. } => self.start_standby(),
            Statement::StopHadr(_) => self.stop_hadr(),
            Statement::UpdateConfig { pairs, .. } => self.update_config(&pairs),
            Statement::GetConfig(_) => self.get_config(),
            Statement::UpdateManager => self.ok("UPDATE DATABASE MANAGER CONFIGURATION"),
            Statement::GetManager => self.get_manager(),
            Statement::Backup { to, .. } => self.backup(&to),
            Statement::Restore { db, from, taken_at, prompting } => {
                if let Some(out) = self.restore(running, &db, &from, taken_at.as_deref(), prompting) {
                    out
                } else {
                    // Asked, and nobody types.
                    running.after = Some(Trouble::HangAfter);
                    Out::new(self.restore_question(), 0)
                }
            }
            Statement::Rollforward { complete, .. } => self.rollforward(complete),
            Statement::Quiesce(on) => {
                if on {
                    self.m.run.clients.clear();
                    self.m.run.sessions.iter_mut().for_each(|(s, c)| *c = *c && *s == session);
                }
                if let Some(active) = &mut self.m.run.active {
                    active.quiesced = on;
                }
                self.ok(if on { "QUIESCE DATABASE" } else { "UNQUIESCE DATABASE" })
            }
            Statement::ForceAll => {
                self.m.run.forced_ms = Some(self.now + self.m.knobs.force_delay_ms);
                let mut out = self.ok("FORCE APPLICATION");
                out.text += &self.says("DB21024I", &[]).text;
                out.text.push('\n');
                out
            }
            Statement::ListApplications => self.list_applications(),
            Statement::UpdateAlternate { host, port, .. } => {
                if let Some(db) = self.db() {
                    db.alternate = (host, port);
                }
                self.ok("UPDATE ALTERNATE SERVER FOR DATABASE")
            }
            Statement::Snapshot(_) => self.snapshot(),
            Statement::CreateDatabase(name) if self.m.database.is_some() => {
                self.says("SQL1005N", &[&name.to_uppercase()])
            }
            Statement::CreateDatabase(name) => {
                let clock = self.clock();
                self.m.create_database(&name, clock, super::Content::new());
                self.ok("CREATE DATABASE")
            }
            Statement::DropDatabase(_) if self.m.is_active() => self.says("SQL1035N", &[]),
            Statement::DropDatabase(_) => {
                self.m.database = None;
                self.ok("DROP DATABASE")
            }
            Statement::Count(table) => self.count(&table),
            Statement::Timestamp => {
                let text = format!(
                    "\n1                         \n--------------------------\n{}\n\n  1 record(s) selected.\n\n",
                    Date::of(self.clock()).iso()
                );
                Out::new(text, 0)
            }
            _ => Out::default(),
        })
    }

    /// A session is connected.
    pub(super) fn connect_session(&mut self, session: u64) -> Out {
        self.m.run.sessions.insert(session, true);
        let product = self.m.knobs.version.token().trim_start_matches('v').rsplit_once('.').map_or("", |v| v.0);
        let (user, name) = (self.m.instance.to_uppercase(), self.m.database.as_ref().map_or("", |d| d.name.as_str()));
        let text = format!(
            "\n   Database Connection Information\n\n Database server        = DB2/LINUXX8664 {product}\n SQL authorization ID   = {user}\n Local database alias   = {name}\n\n"
        );
        Out::new(text, 0)
    }

    /// UPDATE DB CFG.
    fn update_config(&mut self, pairs: &[(String, String)]) -> Out {
        let (version, gone) = (self.m.knobs.version, self.m.knobs.logretain_gone);
        for (name, value) in pairs {
            let old = matches!(name.as_str(), "LOGRETAIN" | "USEREXIT") && version >= Version::V10_5 && gone;
            if old || !Config::is_known(name, version) {
                return self.says("SQL0104N", &[name]);
            }
            if !Config::takes(name, &value.to_uppercase()) {
                return self.says("SQL5099N", &[value, name]);
            }
        }
        let active = self.m.is_active();
        if let Some(db) = self.db() {
            let before = db.config.recoverable();
            for (name, value) in pairs {
                let keep = name.starts_with("HADR_") && name != "HADR_SYNCMODE" || name == "LOGARCHMETH1";
                db.config.set(name, &if keep { value.clone() } else { value.to_uppercase() });
            }
            if !before && db.config.recoverable() {
                db.needs_backup = true;
            }
        }
        let mut out = self.ok("UPDATE DATABASE CONFIGURATION");
        if active {
            let warning = self.says("SQL1363W", &[]);
            out.text += &warning.text;
            out.exit = 2;
        }
        out
    }

    /// `SELECT COUNT(*)` of a table.
    fn count(&mut self, table: &str) -> Out {
        let rows = self.m.log().and_then(|l| l.content().get(table)).map(Vec::len);
        match rows {
            Some(rows) => Out::new(format!("\n1          \n-----------\n{rows:>11}\n\n  1 record(s) selected.\n\n"), 0),
            None => self.says("SQL0204N", &[table]),
        }
    }

    /// Whether an inactive database is wanted and it is not.
    pub(super) fn in_use(&self) -> bool {
        self.m.is_active() || !self.m.run.clients.is_empty()
    }

    /// Whether the database is a standby.
    pub(super) fn is_standby(&self) -> bool {
        self.m.role() == Some(Role::Standby)
    }
}

/// Strings cut at a byte without breaking a character.
trait Cut {
    fn floor_char_boundary_at(&self, at: usize) -> usize;
}

impl Cut for String {
    fn floor_char_boundary_at(&self, at: usize) -> usize {
        (0..=at.min(self.len())).rev().find(|n| self.is_char_boundary(*n)).unwrap_or(0)
    }
}
