//! A practice cluster with a configured pair, a client that writes rows to it all the time, and hamn on its hosts.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command as Program, Stdio},
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};

use hamn::config::{Config, DEFAULT_STATE_DIR, Local};
use lab::hosts::{
    DATABASE, DATABASE_PASSWORD, Lab, LabError, LabErrorKind, Machine, Nic, Options, Output, PowerAction, ROLE,
    SERVICE_ADDRESS, config, preflight, scratch,
};
use serde_json::Value;

/// One cluster at a time: each is five machines.
pub(crate) static TURN: Mutex<()> = Mutex::new(());
/// Longest wait for anything that must happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(240);
/// What the client is acknowledged goes here, on cn01.
const ACKNOWLEDGED: &str = "/root/acknowledged";
/// A row is named by the microsecond in which it was sent; the line that proves its acknowledgement adds the microsecond of that.
/// A connection that says nothing for two seconds is given up for a new one.
const CLIENT: &str = r#"
export PGPASSWORD=$1 PGCONNECT_TIMEOUT=2
for ((;;)); do
    while sleep 0.02; do echo "INSERT INTO client_rows VALUES (${EPOCHREALTIME/./}) RETURNING sent;"; done |
        psql -XAtq -v ON_ERROR_STOP=1 "host=$2 user=$3 dbname=$4 tcp_user_timeout=2000" 2>>/root/client.err |
        while read -r sent; do echo "$sent ${EPOCHREALTIME/./}"; done >>/root/acknowledged
    sleep 0.1
done
"#;

/// Text for whoever reads the tests' output.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Polls to a deadline.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < end, "waited for {what} in vain");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A cluster that is up, and the turn to have one. Dropped, also by a panic, it is removed.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    name: &'static str,
    began: Instant,
    _one_at_a_time: MutexGuard<'static, ()>,
}

/// What `hamn run … --dry-run --json` showed.
pub(crate) struct Shown {
    /// Id of the plan, whole.
    pub(crate) plan: String,
    /// Reason of a refusal.
    pub(crate) refusal: Option<String>,
    /// Most that is lost, milliseconds; `None`: not known.
    pub(crate) loss_ms: Option<u64>,
    /// What a person reads.
    pub(crate) text: String,
}

/// One acknowledged row, times of cn01's clock, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
}

impl Stage {
    /// `None`, and why on standard error, where there can be no cluster.
    pub(crate) fn up(name: &'static str) -> Option<Self> {
        Self::up_with(name, |_| {})
    }

    /// As [`Self::up`], with another configuration than the one that fits everything.
    pub(crate) fn up_with(name: &'static str, edit: impl Fn(&mut Config)) -> Option<Self> {
        Self::up_as(name, |options| options, edit)
    }

    /// As [`Self::up_with`], with another cluster than the usual one.
    pub(crate) fn up_as(
        name: &'static str,
        other: impl Fn(Options) -> Options,
        edit: impl Fn(&mut Config),
    ) -> Option<Self> {
        let skipped = |e: LabError| say(&format!("SKIPPED: {}", e.to_string().replace('\n', " ")));
        if let Err(e) = preflight() {
            skipped(e);
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let base = scratch().join("real");
        Lab::sweep(&base).unwrap_or_else(|e| panic!("{e}"));
        let began = Instant::now();
        let options = other(Options { dir: base.join(name), tied: true, ..Options::new(program()) });
        let lab = match Lab::up(&options) {
            Err(e) if e.kind == LabErrorKind::MissingProgram => {
                skipped(e);
                return None;
            }
            lab => lab.unwrap_or_else(|e| panic!("{e}")),
        };
        say(&format!("{name}: up after {} ms", began.elapsed().as_millis()));
        let stage = Self { lab, name, began, _one_at_a_time: turn };
        stage.configure(edit);
        Some(stage)
    }

    fn configure(&self, edit: impl Fn(&mut Config)) {
        let mut whole = Config {
            pair: config(&self.lab),
            local: Local {
                state_dir: DEFAULT_STATE_DIR.into(),
                identity_file: None,
                connect_timeout_s: 2,
                patience_s: 120,
            },
        };
        edit(&mut whole);
        for machine in self.lab.operators() {
            self.lab
                .put(machine, "/etc/hamn/hamn.toml", 0o600, &whole.to_toml())
                .unwrap_or_else(|e| panic!("{machine}: {e}"));
        }
    }

    /// Runs a command on a host; fails the test if the host is off.
    pub(crate) fn run(&self, machine: Machine, argv: &[&str]) -> Output {
        self.lab.exec_within(machine, LIMIT, argv).unwrap_or_else(|e| panic!("{machine}: {argv:?}: {e}"))
    }

    /// A shell line that must succeed; its standard output.
    pub(crate) fn sh(&self, machine: Machine, line: &str) -> String {
        let out = self.run(machine, &["sh", "-c", line]);
        assert!(out.ok(), "{machine}: {line}: {out:?}");
        out.stdout.trim().to_owned()
    }

    /// An xCAT command on a host, by its name.
    pub(crate) fn xcat(&self, machine: Machine, line: &str) -> Output {
        let line = format!("PATH=/opt/xcat/bin:/opt/xcat/sbin:$PATH; {line}");
        let limit = Duration::from_secs(60);
        self.lab.exec_within(machine, limit, &["sh", "-c", &line]).unwrap_or_else(|e| panic!("{machine}: {line}: {e}"))
    }

    /// Defines a compute node in the xCAT database of a machine in service.
    pub(crate) fn define(&self, machine: Machine, node: &str) {
        let made = self.xcat(machine, &format!("mkdef -t node -o {node} groups=compute,all ip=10.77.0.177"));
        assert!(made.ok(), "{made:?}");
        until("the defined node on the standby", || {
            let sql = format!("SELECT count(*) FROM nodelist WHERE node = '{node}'");
            self.lab.sql(Machine::Mn2, DATABASE, &sql).is_ok_and(|n| n == "1")
        });
    }

    /// Runs hamn on a host and waits for its end; there is no terminal.
    pub(crate) fn hamn(&self, machine: Machine, arguments: &[&str]) -> Output {
        let argv: Vec<&str> = ["hamn"].iter().chain(arguments).copied().collect();
        self.run(machine, &argv)
    }

    /// Starts a shell line on a host, to follow what it says.
    pub(crate) fn start(&self, machine: Machine, line: &str) -> Follower {
        let mut argv = self.lab.shell_argv(machine, &[]).unwrap_or_else(|e| panic!("{machine}: {e}"));
        argv.extend(["-c".to_owned(), line.to_owned()]);
        let mut child = Program::new(&argv[0])
            .args(&argv[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|e| panic!("{argv:?}: {e}"));
        let stdout = child.stdout.take().expect("it is piped");
        let (to, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if to.send(line).is_err() {
                    return;
                }
            }
        });
        Follower { child, lines, seen: Vec::new() }
    }

    /// What a workflow would do now, seen from a host.
    pub(crate) fn look(&self, machine: Machine, workflow: &str, more: &[&str]) -> Shown {
        let arguments: Vec<&str> = ["run", workflow, "--dry-run", "--json"].iter().chain(more).copied().collect();
        let out = self.hamn(machine, &arguments);
        let all = events(&out.stdout)
            .into_iter()
            .find(|e| e["event"] == "facts")
            .unwrap_or_else(|| panic!("{machine} shows no facts: {out:?}"));
        let loss = all["facts"].as_array().into_iter().flatten().find_map(|f| f.get("LossBound"));
        Shown {
            plan: text(&all["plan"]),
            refusal: all["refusal"].as_str().map(str::to_owned),
            loss_ms: loss.and_then(|l| l["millis"].as_u64()),
            text: text(&all["shown"]),
        }
    }

    /// Arguments that start what was shown.
    pub(crate) fn consent(shown: &Shown, workflow: &str) -> String {
        assert_eq!(shown.refusal, None, "{}", shown.text);
        let blind = if shown.loss_ms.is_none() && workflow == "failover" { " --accept-unknown-loss" } else { "" };
        format!("hamn run {workflow} --json --yes --plan {}{blind}", shown.plan)
    }

    /// Looks, consents and starts a workflow on a host.
    pub(crate) fn begin(&self, machine: Machine, workflow: &str) -> (Shown, Follower) {
        let shown = self.look(machine, workflow, &[]);
        let follower = self.start(machine, &Self::consent(&shown, workflow));
        (shown, follower)
    }

    /// The primary is dead, a client was writing; cn77 was defined before. What is shown, what was acknowledged.
    pub(crate) fn after_the_crash(&self) -> (Shown, Vec<Row>) {
        self.define(Machine::Mn1, "cn77");
        self.client();
        self.power_off(Machine::Mn1);
        let rows = self.stop_client();
        (self.look(Machine::Admin, "failover", &[]), rows)
    }

    /// The run is done, mn2 is in service as it should be, nothing happened twice, and no more is lost than was shown.
    pub(crate) fn assert_taken_over(&self, shown: &Shown, rows: &[Row]) {
        self.assert_in_service("cn77");
        self.assert_loss_is_bounded(Machine::Mn2, shown, rows);
        assert_eq!(self.timeline(Machine::Mn2), 2, "one promotion");
        let promoted = "cat /var/log/postgresql/*.log | grep -c 'received promote request'";
        assert_eq!(self.sh(Machine::Mn2, promoted), "1", "promotions in the database's own log");
    }

    /// What `hamn status --json` says on a host: its lines.
    pub(crate) fn status(&self, machine: Machine) -> Vec<Value> {
        events(&self.hamn(machine, &["status", "--json"]).stdout)
    }

    /// Process of the runner on a host, if one is at work.
    pub(crate) fn runner(&self, machine: Machine) -> Option<u64> {
        self.status(machine).iter().find_map(|v| v["runner"]["pid"].as_u64())
    }

    /// Records of the last run, as JSON.
    pub(crate) fn journal(&self, machine: Machine) -> Vec<Value> {
        let out = self.hamn(machine, &["journal", "show", "--json"]);
        assert!(out.ok(), "{out:?}");
        events(&out.stdout)
    }

    /// Timeline of a database that is primary: how often it was promoted, plus one.
    pub(crate) fn timeline(&self, machine: Machine) -> u64 {
        let hex = self
            .lab
            .sql(machine, "postgres", "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")
            .unwrap_or_else(|e| panic!("{e}"));
        u64::from_str_radix(&hex, 16).expect("a timeline")
    }

    /// How often an xCAT command was called on a host, by its whole line.
    pub(crate) fn calls(&self, machine: Machine, line: &str) -> usize {
        let all = self.sh(machine, &format!("cat {} 2>/dev/null || :", lab::standin::CALLS));
        all.lines().filter(|l| l.ends_with(&format!(" {line}"))).count()
    }

    /// What cn01 believes to be the hardware address of the service address.
    pub(crate) fn neighbour(&self) -> String {
        let line = format!("ip -o neigh show {SERVICE_ADDRESS} | sed -n 's/.*lladdr \\([^ ]*\\).*/\\1/p'");
        self.sh(Machine::Cn01, &line)
    }

    /// cn01 has talked to the machine in service, so that it has something to unlearn.
    pub(crate) fn acquaint(&self) {
        self.sh(Machine::Cn01, &format!("ssh-keyscan -T 5 -t ed25519 {SERVICE_ADDRESS} 2>/dev/null"));
    }

    /// Starts the client on cn01; it writes through the service address and comes back when its connection is lost.
    pub(crate) fn client(&self) {
        let table = "CREATE TABLE client_rows (sent bigint PRIMARY KEY)";
        let argv = ["psql", "-XAtq", "-h", SERVICE_ADDRESS, "-U", ROLE, "-d", DATABASE, "-c", table];
        let with = format!("PGPASSWORD={DATABASE_PASSWORD}");
        let argv: Vec<&str> = ["env", &with].into_iter().chain(argv).collect();
        let made = self.run(Machine::Cn01, &argv);
        assert!(made.ok(), "{made:?}");
        self.start_client(CLIENT, &[DATABASE_PASSWORD, SERVICE_ADDRESS, ROLE, DATABASE]);
        until("the client's first rows", || self.acknowledged().len() > 20);
    }

    /// Starts a bash script on cn01 that goes on until [`Self::stop_client`].
    pub(crate) fn start_client(&self, script: &str, arguments: &[&str]) {
        self.lab.put(Machine::Cn01, "/root/client.sh", 0o700, script).unwrap_or_else(|e| panic!("{e}"));
        let line = format!(
            "setsid bash /root/client.sh {} </dev/null >/dev/null 2>&1 & echo $! >/root/client.pid",
            arguments.join(" ")
        );
        self.sh(Machine::Cn01, &line);
    }

    /// Ends the client; what it was acknowledged in all.
    pub(crate) fn stop_client(&self) -> Vec<Row> {
        self.sh(Machine::Cn01, "bash -c 'kill -KILL -- -$(cat /root/client.pid)'");
        self.acknowledged()
    }

    /// What the client was acknowledged so far.
    pub(crate) fn acknowledged(&self) -> Vec<Row> {
        let all = self.sh(Machine::Cn01, &format!("cat {ACKNOWLEDGED} 2>/dev/null || :"));
        let row = |line: &str| {
            let (sent, acknowledged) = line.split_once(' ')?;
            Some(Row { sent: sent.parse().ok()?, acknowledged: acknowledged.parse().ok()? })
        };
        all.lines().filter_map(row).collect()
    }

    /// Those of the acknowledged rows that the database on a machine does not have.
    pub(crate) fn lost(&self, machine: Machine, rows: &[Row]) -> Vec<Row> {
        let has = self.lab.sql(machine, DATABASE, "SELECT sent FROM client_rows").unwrap_or_else(|e| panic!("{e}"));
        let has: BTreeSet<u64> = has.lines().filter_map(|l| l.parse().ok()).collect();
        assert!(!has.is_empty(), "{machine} has none of the client's rows");
        rows.iter().copied().filter(|r| !has.contains(&r.sent)).collect()
    }

    /// The loss is not above the bound that was shown: rows are lost of no longer time than that.
    pub(crate) fn assert_loss_is_bounded(&self, machine: Machine, shown: &Shown, rows: &[Row]) {
        let lost = self.lost(machine, rows);
        let span = lost.first().zip(rows.last()).map_or(0, |(first, last)| last.acknowledged - first.acknowledged);
        say(&format!(
            "{}: {} rows acknowledged, {} lost, of {} ms; shown: at most {:?} ms",
            self.name,
            rows.len(),
            lost.len(),
            span / 1000,
            shown.loss_ms
        ));
        if let Some(bound) = shown.loss_ms {
            assert!(span <= bound * 1000, "{span} us are lost, shown was {bound} ms: {lost:?}");
        }
    }

    /// mn2 is in service, for itself and for others: address, ARP, ssh, database, xCAT, and `node` is defined.
    pub(crate) fn assert_in_service(&self, node: &str) {
        assert_eq!(self.neighbour(), Machine::Mn2.mac(Nic::Eth0), "cn01's neighbour entry");
        let id = self.sh(Machine::Mn2, "cat /etc/machine-id");
        let key = self.sh(Machine::Mn2, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub");
        let scan = format!("ssh-keyscan -T 5 -t ed25519 {SERVICE_ADDRESS} 2>/dev/null | cut -d' ' -f2,3");
        assert_eq!(self.sh(Machine::Cn01, &scan), key, "who answers ssh there (machine {id})");
        let sql = "SELECT current_setting('cluster_name') || pg_is_in_recovery()";
        let ask = format!(
            "PGPASSWORD={DATABASE_PASSWORD} PGCONNECT_TIMEOUT=5 psql -XAtq -h {SERVICE_ADDRESS} -U {ROLE} -d {DATABASE} -c \"{sql}\""
        );
        assert_eq!(self.sh(Machine::Cn01, &ask), "mn2false", "whose database answers there");
        let site = self.xcat(Machine::Mn2, "tabdump site");
        assert!(site.ok() && site.stdout.contains("\"master\""), "{site:?}");
        let found = self.xcat(Machine::Mn2, &format!("lsdef {node}"));
        assert!(found.ok() && found.stdout.contains("ip=10.77.0.177"), "{found:?}");
    }

    /// The files of a host with their sizes and times, except what the system itself writes all the time.
    pub(crate) fn files(&self, machine: Machine) -> String {
        let kept = "/etc /opt /root /srv /usr/local /var";
        self.sh(
            machine,
            &format!(
                "find {kept} -xdev \\( -path /var/lib/postgresql -o -path /var/log \\) -prune -o -printf '%p %s %T@\\n' | sort"
            ),
        )
    }

    /// The standby's receiver gives a silent primary up, after seconds instead of a minute.
    pub(crate) fn standby_notices(&self) {
        let ask = |sql| self.lab.sql(Machine::Mn2, "postgres", sql).unwrap_or_else(|e| panic!("{e}"));
        ask("ALTER SYSTEM SET wal_receiver_timeout = '1s'");
        ask("SELECT pg_reload_conf()");
        until("the end of the standby's receiver", || ask("SELECT count(*) FROM pg_stat_wal_receiver") == "0");
    }

    /// Switches a machine off as if its power had failed.
    pub(crate) fn power_off(&self, machine: Machine) {
        self.lab.power(machine, PowerAction::Off).unwrap_or_else(|e| panic!("{e}"));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        say(&format!("{}: over after {} ms", self.name, self.began.elapsed().as_millis()));
        if std::thread::panicking() {
            for machine in self.lab.operators() {
                if let Ok(out) =
                    self.lab.exec(machine, &["sh", "-c", "hamn status; hamn attach </dev/null | tail -n 30"])
                {
                    say(&format!("--- {machine}\n{}{}", out.stdout, out.stderr));
                }
            }
        }
    }
}

/// A command on a host, and what it says.
pub(crate) struct Follower {
    child: Child,
    lines: mpsc::Receiver<String>,
    /// Lines so far.
    pub(crate) seen: Vec<String>,
}

impl Follower {
    /// The next line; `None` when it has closed its output.
    pub(crate) fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("nothing more is said after: {:?}", self.tail()),
        }
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = events(&self.line()?).pop() {
                return Some(event);
            }
        }
    }

    /// Reads until an event is as wished; `None` when the output ended before.
    pub(crate) fn wait_for(&mut self, mut wished: impl FnMut(&Value) -> bool) -> Option<Value> {
        while let Some(event) = self.event() {
            if wished(&event) {
                return Some(event);
            }
        }
        None
    }

    /// Waits for a record of a kind (`Intent`, `Outcome`, `Entered`, …) about a step, transition or state.
    pub(crate) fn wait_for_record(&mut self, kind: &str, about: &str) -> Value {
        self.wait_for(|e| is(e, kind, about))
            .unwrap_or_else(|| panic!("it ended without {kind} of {about}: {:#?}", self.tail()))
    }

    /// Reads to the end; exit code, and the last words' class if it spoke them.
    pub(crate) fn end(&mut self) -> Option<i32> {
        while self.line().is_some() {}
        self.child.wait().expect("it can be waited for").code()
    }

    /// Reads to the end, which must be a run done.
    pub(crate) fn assert_done(&mut self) {
        let code = self.end();
        assert_eq!(code, Some(0), "{:#?}", self.tail());
    }

    /// Kills the command itself, the client and not the runner.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> &[String] {
        &self.seen[self.seen.len().saturating_sub(6)..]
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether an event is the record of a kind about a step, transition or state.
pub(crate) fn is(event: &Value, kind: &str, about: &str) -> bool {
    let body = &event["record"]["payload"][kind];
    ["step", "transition", "state"].iter().any(|key| body[key] == about)
}

/// JSON lines of a text; other lines are left out.
pub(crate) fn events(text: &str) -> Vec<Value> {
    text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_hamn").into()
}
