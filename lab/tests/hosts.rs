//! The practice cluster of real hosts. Needs root and the packages that `lab::hosts::preflight` names.

#[path = "aix/mod.rs"]
mod aix;

use std::{
    io::Write,
    path::PathBuf,
    process::{Child, Command as Program, Stdio},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

mod db2;

use lab::hosts::{
    COMPUTE_NODES, DATABASE, Lab, LabErrorKind, Line, Machine, Nic, Options, Plug, Power, PowerAction, SERVICE_ADDRESS,
    config, preflight, scratch,
};
use workflows::{
    Command, Script,
    model::{NodeId, Pair},
    render,
    script::{Action, ActionResult},
    vocabulary,
};

/// One lab at a time: each is five machines.
static TURN: Mutex<()> = Mutex::new(());
/// Longest wait for anything that must happen.
const LIMIT: Duration = Duration::from_secs(180);

/// A lab, and the turn to have one.
struct Turn {
    lab: Lab,
    pair: Pair,
    _one_at_a_time: MutexGuard<'static, ()>,
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Where this file's labs live: a killed run's are found there by the next one.
fn base() -> PathBuf {
    scratch().join("hosts")
}

fn options(name: &str) -> Options {
    Options { dir: base().join(name), tied: true, ..Options::new(env!("CARGO_BIN_EXE_lab-standin")) }
}

/// `None`, and why on standard error, where there can be no lab.
fn turn() -> Option<MutexGuard<'static, ()>> {
    if let Err(e) = preflight() {
        say(&format!("SKIPPED: {}", e.to_string().replace('\n', " ")));
        return None;
    }
    let turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Lab::sweep(&base()).unwrap();
    Some(turn)
}

fn lab(name: &str) -> Option<Turn> {
    lab_of(&options(name), name)
}

fn lab_of(options: &Options, name: &str) -> Option<Turn> {
    let turn = turn()?;
    let start = Instant::now();
    let lab = Lab::up(options).unwrap_or_else(|e| panic!("{e}"));
    say(&format!("{name}: up after {} ms", start.elapsed().as_millis()));
    Some(Turn { pair: config(&lab), lab, _one_at_a_time: turn })
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < end, "waited for {what} in vain");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Turn {
    /// Runs a script on a machine as the engine does: rendered, through `sh`.
    fn script(&self, machine: Machine, script: &Script) -> Vec<ActionResult> {
        let text = render::render(script, "nonce1");
        let out = self.lab.exec_with(machine, LIMIT, &["sh", "-s"], &text).unwrap_or_else(|e| panic!("{e}"));
        render::parse(script, "nonce1", out.stdout.as_bytes(), out.stderr.as_bytes()).results
    }

    /// One command of the vocabulary.
    fn run(&self, machine: Machine, command: Command) -> ActionResult {
        self.script(machine, &Script::new().look(command)).remove(0)
    }

    fn ok(&self, machine: Machine, command: Command) -> String {
        let shown = command.argv.join(" ");
        let result = self.run(machine, command);
        assert!(result.ok(), "{machine}: {shown}: {result:?}");
        result.stdout.trim().to_owned()
    }

    /// A shell line; exit code and standard output.
    fn sh(&self, machine: Machine, line: &str) -> (Option<i32>, String) {
        let out = self.lab.exec(machine, &["sh", "-c", line]).unwrap_or_else(|e| panic!("{e}"));
        (out.exit, out.stdout)
    }

    fn xcat(&self, machine: Machine, name: &str, arguments: &[&str]) -> ActionResult {
        self.run(machine, vocabulary::xcat(&self.pair.xcat, name, arguments).timeout(60))
    }

    /// As [`Self::xcat`], for what must hang: a limit that a busy machine does not reach by chance when it does answer.
    fn hangs(&self, machine: Machine, command: Command) -> bool {
        self.run(machine, command.timeout(10)).exit == Some(ActionResult::TIMED_OUT)
    }

    fn service(&self, machine: Machine, action: &str) -> ActionResult {
        self.run(machine, vocabulary::control(&self.pair.xcat.control, action))
    }

    fn fence(&self, from: Machine, target: NodeId, action: &str) -> ActionResult {
        self.run(from, vocabulary::fence(&self.pair.node(target).fence, action).unwrap())
    }

    /// What `machine` believes to be the hardware address of the service address.
    fn neighbour(&self, machine: Machine) -> String {
        self.sh(machine, &format!("ip -o neigh show {SERVICE_ADDRESS} | sed -n 's/.*lladdr \\([^ ]*\\).*/\\1/p'"))
            .1
            .trim()
            .to_owned()
    }

    fn reaches(&self, from: Machine, address: &str) -> bool {
        self.sh(from, &format!("timeout 5 ssh-keyscan -T 3 -t ed25519 {address} 2>/dev/null | grep -q ssh-ed25519")).0
            == Some(0)
    }

    /// The standby's takeover by hand, without fencing: promotion, address, database configuration, xcatd.
    fn take_over(&self) {
        let (pair, mn2) = (&self.pair, Machine::Mn2);
        assert_eq!(self.ok(mn2, vocabulary::promote(pair.postgres())), "t");
        assert_eq!(self.run(mn2, vocabulary::arp_probe(SERVICE_ADDRESS, "eth0")).exit, Some(0));
        self.ok(mn2, vocabulary::address_add(SERVICE_ADDRESS, pair.service.prefix, "eth0"));
        for reply in [false, true] {
            self.ok(mn2, vocabulary::arp_announce(SERVICE_ADDRESS, "eth0", reply, 2));
        }
        self.ok(mn2, vocabulary::set_host_name(&pair.service.host_name));
    }

    /// cfgloc and pg_hba.conf of the new primary, and xcatd.
    fn readdress(&self) {
        let pair = &self.pair;
        let edits = Script::new()
            .then(Action::EnsureLine {
                path: format!("{}/pg_hba.conf", pair.postgres().config_dir),
                line: format!("host all all {} scram-sha-256", pair.postgres().client_network),
            })
            .then(Action::ReplaceInLines {
                path: pair.xcat.cfgloc.clone(),
                line_prefix: "Pg:".into(),
                after: "host=".into(),
                until: "|".into(),
                value: SERVICE_ADDRESS.into(),
            });
        let results = self.script(Machine::Mn2, &edits);
        assert!(results.iter().all(ActionResult::ok), "{results:?}");
        assert_eq!(
            self.ok(Machine::Mn2, vocabulary::psql(pair.postgres(), "postgres", vocabulary::sql::HBA_ERRORS)),
            "0"
        );
        self.ok(Machine::Mn2, vocabulary::psql(pair.postgres(), "postgres", vocabulary::sql::RELOAD));
    }
}

#[test]
fn pair_boots_replicates_and_leaves_nothing() {
    let before = std::fs::read_to_string("/proc/net/dev").unwrap().lines().count();
    let Some(t) = lab("boots") else { return };
    for status in t.lab.status() {
        assert_eq!((status.power, status.alive), (Power::On, true), "{status:?}");
        assert_eq!(
            status.addresses.contains(&SERVICE_ADDRESS.to_owned()),
            status.machine == Machine::Mn1,
            "{status:?}"
        );
    }
    assert_eq!(std::fs::read_to_string("/proc/net/dev").unwrap().lines().count(), before, "the machine's own network");

    let pg = t.pair.postgres();
    let role = |m| t.ok(m, vocabulary::psql(pg, "postgres", vocabulary::sql::ROLE));
    let (primary, standby) = (role(Machine::Mn1), role(Machine::Mn2));
    assert!(primary.starts_with("primary|") && standby.starts_with("standby|"), "{primary} {standby}");
    assert_eq!(primary.split('|').nth(1), standby.split('|').nth(1), "one history");
    let position = t.ok(Machine::Mn1, vocabulary::psql(pg, "postgres", vocabulary::sql::PRIMARY_POSITION));
    assert_eq!(position.split('|').skip(1).collect::<Vec<_>>(), ["1", "0"]);
    t.lab.sql(Machine::Mn1, DATABASE, "INSERT INTO site (key, value) VALUES ('probe', 'x')").unwrap();
    until("the row on the standby", || {
        t.lab.sql(Machine::Mn2, DATABASE, "SELECT value FROM site WHERE key = 'probe'").unwrap() == "x"
    });
    let position = t.ok(Machine::Mn2, vocabulary::psql(pg, "postgres", vocabulary::sql::STANDBY_POSITION));
    assert_eq!(position.split('|').nth(4), Some("streaming"), "{position}");
    let position: Vec<&str> = position.split('|').collect();
    assert_eq!(position.len(), 7, "{position:?}");
    let [contact, now, checkpoint] = [3, 5, 6].map(|i| position[i].parse::<u64>().unwrap());
    assert!(checkpoint <= contact && contact <= now, "{position:?}");
    let nodes = t.ok(Machine::Mn2, vocabulary::psql(pg, DATABASE, vocabulary::sql::CLUSTER_NODES));
    assert_eq!(nodes, (COMPUTE_NODES + 1).to_string());
    assert_eq!(t.ok(Machine::Mn2, vocabulary::psql(pg, "postgres", vocabulary::sql::LISTEN)), "*");
    assert_eq!(t.ok(Machine::Mn1, vocabulary::config_test(pg)), "*");
    assert!(t.ok(Machine::Mn2, vocabulary::controldata(pg)).contains("in archive recovery"));

    // What else the steps ask of a host.
    for (id, machine) in NodeId::BOTH.into_iter().zip(Machine::PAIR) {
        assert_eq!(t.ok(machine, vocabulary::machine_id()), t.pair.node(id).machine_id);
        assert_eq!(t.ok(machine, vocabulary::at_boot("postgresql")), "yes");
        let at_boot = if id == NodeId::A { "yes" } else { "no" };
        assert_eq!(t.ok(machine, vocabulary::at_boot("xcatd")), at_boot);
        let running = if id == NodeId::A { "1" } else { "0" };
        assert_eq!(t.ok(machine, vocabulary::dhcpd_processes()), running);
        assert_eq!(t.ok(machine, vocabulary::restore_processes()), "0");
        t.ok(machine, vocabulary::clock());
        t.ok(machine, vocabulary::keep_secondaries("eth0"));
        let guid = t.ok(Machine::Admin, vocabulary::fence_identity(&t.pair.node(id).fence).unwrap());
        assert_eq!(
            guid.lines().next().and_then(|l| l.split(':').nth(1)).map(str::trim),
            lab_guid(&t.pair, id),
            "{guid}"
        );
    }
    assert_eq!(t.ok(Machine::Mn1, vocabulary::host_name()), t.pair.service.host_name);
    assert_eq!(t.ok(Machine::Mn2, vocabulary::host_name()), t.pair.service.standby_host_name);
    assert_eq!(t.ok(Machine::Mn2, vocabulary::cfgloc_dsn(&t.pair.xcat)), "Pg:dbname=xcatdb;host=10.77.0.12");
    assert!(t.ok(Machine::Mn1, vocabulary::addresses()).contains("inet 10.77.0.10/24"));
    let jobs = t.ok(Machine::Mn2, vocabulary::crontabs());
    assert!(jobs.contains("/var/spool/cron/crontabs/postgres:0 5 * * *") && jobs.contains("pg_restore"), "{jobs}");
    let ssh = "ssh -o BatchMode=yes mn2 cat /etc/machine-id";
    assert_eq!(t.sh(Machine::Admin, ssh).1.trim(), t.pair.node(NodeId::B).machine_id);

    t.lab.put(Machine::Admin, "/etc/hamn/hamn.toml", 0o600, "name = \"it's\"\n").unwrap();
    assert_eq!(t.sh(Machine::Admin, "cd /etc/hamn; stat -c %a hamn.toml; cat hamn.toml").1, "600\nname = \"it's\"\n");
    let mut shell = t.lab.shell_argv(Machine::Sn1, &[]).unwrap();
    shell.extend(["-c".into(), "hostname; tty || :".into()]);
    let said = Program::new(&shell[0]).args(&shell[1..]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "sn1\nnot a tty\n");

    let dir = t.lab.dir().to_owned();
    assert_eq!(Lab::up(&options("boots")).unwrap_err().kind, LabErrorKind::AlreadyUp);
    t.lab.down().unwrap();
    assert!(!dir.exists());
    // Of this lab only: where each test has a process of its own, another lab may live beside it.
    assert!(Lab::namespaces(&dir).is_empty(), "{:?}", Lab::namespaces(&dir));
}

fn lab_guid(pair: &Pair, id: NodeId) -> Option<&str> {
    match &pair.node(id).fence {
        workflows::model::Fence::Agent { guid, .. } => guid.as_deref(),
        _ => None,
    }
}

#[test]
fn t2_power_off_by_the_bmc_kills_the_machine_and_its_arp_and_boot_brings_back_what_is_configured() {
    let Some(t) = lab("power") else { return };
    let own = Machine::Mn1.address(Nic::Eth0);
    let boot_id = t.ok(Machine::Mn1, vocabulary::boot_id());
    let alive = t.run(Machine::Cn01, vocabulary::arp_ask(SERVICE_ADDRESS, "eth0"));
    assert!(alive.ok() && alive.stdout.to_lowercase().contains(&Machine::Mn1.mac(Nic::Eth0)), "{alive:?}");
    let status = t.fence(Machine::Mn2, NodeId::A, "status");
    assert!(status.ok() && status.stdout.contains("Status: ON"), "{status:?}");
    // An address that only this boot has.
    t.ok(Machine::Mn1, vocabulary::address_add("10.77.0.99", 24, "eth0"));

    let off = t.fence(Machine::Mn2, NodeId::A, "off");
    assert!(off.ok() && off.stdout.contains("Success: Powered OFF"), "{off:?}");
    let status = t.fence(Machine::Admin, NodeId::A, "status");
    assert!(status.exit == Some(2) && status.stdout.contains("Status: OFF"), "{status:?}");
    assert_eq!(t.lab.exec(Machine::Mn1, &["true"]).unwrap_err().kind, LabErrorKind::HostDown);
    for address in [own.as_str(), SERVICE_ADDRESS] {
        assert_eq!(t.run(Machine::Cn01, vocabulary::arp_ask(address, "eth0")).exit, Some(1));
    }
    let again = t.fence(Machine::Mn2, NodeId::A, "off");
    assert!(again.ok() && again.stdout.contains("Success: Already OFF"), "{again:?}");

    let on = t.fence(Machine::Mn2, NodeId::A, "on");
    assert!(on.ok(), "{on:?}");
    t.lab.wait_booted(Machine::Mn1, LIMIT).unwrap();
    assert_ne!(t.ok(Machine::Mn1, vocabulary::boot_id()), boot_id);
    assert_eq!(t.ok(Machine::Mn1, vocabulary::machine_id()), t.pair.node(NodeId::A).machine_id);
    let addresses = t.ok(Machine::Mn1, vocabulary::addresses());
    assert!(addresses.contains(SERVICE_ADDRESS) && !addresses.contains("10.77.0.99"), "{addresses}");
    let role = t.ok(Machine::Mn1, vocabulary::psql(t.pair.postgres(), "postgres", vocabulary::sql::ROLE));
    assert!(role.starts_with("primary|"), "{role}");

    // T7: the way to the BMC is cut; the answer is no answer.
    t.lab.cable(Plug::Bmc(Machine::Mn1), false).unwrap();
    let cut = t.fence(Machine::Mn2, NodeId::A, "status");
    assert!(!cut.ok() && !cut.stdout.contains("Status:"), "{cut:?}");
    t.lab.cable(Plug::Bmc(Machine::Mn1), true).unwrap();
    assert!(t.fence(Machine::Mn2, NodeId::A, "status").ok());
}

#[test]
fn t13_t14_the_service_address_moves_and_a_third_machine_sees_it() {
    let Some(t) = lab("takeover") else { return };
    let node = "mkdef -t node -o cn42 groups=compute,all ip=10.77.0.142";
    let made = t.xcat(Machine::Mn1, "mkdef", &node.split(' ').skip(1).collect::<Vec<_>>());
    assert!(made.stdout.contains("1 object definitions have been created or modified."), "{made:?}");
    assert!(t.reaches(Machine::Cn01, SERVICE_ADDRESS));
    assert_eq!(t.neighbour(Machine::Cn01), Machine::Mn1.mac(Nic::Eth0));

    let taken = t.run(Machine::Mn2, vocabulary::arp_probe(SERVICE_ADDRESS, "eth0"));
    assert!(taken.exit == Some(1) && taken.stdout.contains("Unicast reply from 10.77.0.10"), "{taken:?}");
    assert_eq!(t.run(Machine::Mn2, vocabulary::arp_probe(SERVICE_ADDRESS, "eth9")).exit, Some(2));
    until("the node on the standby", || {
        t.lab.sql(Machine::Mn2, DATABASE, "SELECT count(*) FROM nodelist WHERE node = 'cn42'").unwrap() == "1"
    });
    assert!(t.fence(Machine::Mn2, NodeId::A, "off").ok());
    // As the standby was, no xCAT command could work: there is no daemon.
    let nobody = t.xcat(Machine::Mn2, "lsdef", &["cn42"]);
    assert!(nobody.exit == Some(111) && nobody.stdout.starts_with("Unable to open socket connection"), "{nobody:?}");
    t.take_over();
    assert_eq!(t.neighbour(Machine::Cn01), Machine::Mn2.mac(Nic::Eth0), "gratuitous ARP");
    assert!(t.reaches(Machine::Cn01, SERVICE_ADDRESS));

    // The published procedure forgets cfgloc; if it names a machine that is gone, xcatd is started and never comes back.
    t.sh(Machine::Mn2, "sed -i s/host=10.77.0.12/host=10.77.0.11/ /etc/xcat/cfgloc");
    assert!(t.hangs(Machine::Mn2, vocabulary::control(&t.pair.xcat.control, "start")));
    assert_eq!(t.service(Machine::Mn2, "status").exit, Some(3));
    t.readdress();
    let started = t.service(Machine::Mn2, "restart");
    assert!(started.ok() && started.stdout.contains("Starting xcatd"), "{started:?}");
    let found = t.xcat(Machine::Mn2, "lsdef", &["cn42"]);
    assert!(found.ok() && found.stdout.contains("ip=10.77.0.142"), "{found:?}");
    assert_eq!(t.ok(Machine::Mn2, vocabulary::xcatd_ready(&t.pair.xcat).timeout(60)), "ready");

    let usage = t.xcat(Machine::Mn2, "makedhcp", &[]);
    assert!(usage.exit == Some(1) && usage.stdout.starts_with("Usage"), "{usage:?}");
    for (name, arguments, file) in [
        ("makedns", &["-n"] as &[&str], "/etc/bind/db.cluster"),
        ("makedhcp", &["-n"], "/etc/dhcp/dhcpd.conf"),
        ("makedhcp", &["-a"], "/var/lib/dhcp/dhcpd.leases"),
        ("makeconservercf", &[], "/etc/conserver.cf"),
    ] {
        let done = t.xcat(Machine::Mn2, name, arguments);
        assert!(done.ok(), "{done:?}");
        assert_eq!(t.sh(Machine::Mn2, &format!("test -s {file}")).0, Some(0), "{name} writes {file}");
    }
    assert_eq!(t.ok(Machine::Mn2, vocabulary::dhcpd_processes()), "1");
    t.ok(Machine::Mn2, vocabulary::dhcpd_control("stop"));
    assert_eq!(t.ok(Machine::Mn2, vocabulary::dhcpd_processes()), "0");
    let calls = t.ok(Machine::Mn2, vocabulary::cat(lab::standin::CALLS));
    assert_eq!(calls.lines().filter(|l| l.ends_with(" makedhcp -n")).count(), 1, "{calls}");

    // The address is taken away under the daemon: nothing answers any more, and its return heals nothing.
    t.ok(Machine::Mn2, vocabulary::address_del(SERVICE_ADDRESS, 24, "eth0"));
    assert!(t.hangs(Machine::Mn2, vocabulary::xcat(&t.pair.xcat, "tabdump", &["site"])));
    t.ok(Machine::Mn2, vocabulary::address_add(SERVICE_ADDRESS, 24, "eth0"));
    let lie = t.service(Machine::Mn2, "start");
    assert!(lie.ok() && lie.stdout.contains("already running"), "{lie:?}");
    assert!(t.hangs(Machine::Mn2, vocabulary::xcat(&t.pair.xcat, "tabdump", &["site"])));
    assert!(t.service(Machine::Mn2, "restart").ok());
    assert!(t.xcat(Machine::Mn2, "tabdump", &["site"]).ok());
    // The database goes away under the daemon.
    t.ok(Machine::Mn2, vocabulary::control(&t.pair.postgres().control, "stop"));
    let denied = t.xcat(Machine::Mn2, "tabdump", &["site"]);
    assert!(denied.exit == Some(1) && denied.stderr.contains("Permission denied for request"), "{denied:?}");
    assert!(t.service(Machine::Mn2, "status").ok());
    t.ok(Machine::Mn2, vocabulary::control(&t.pair.postgres().control, "start"));
    assert!(t.xcat(Machine::Mn2, "tabdump", &["site"]).ok());
    // stop and count in one script: DB Access is still there.
    let script = Script::new()
        .look(vocabulary::control(&t.pair.xcat.control, "stop"))
        .look(vocabulary::xcatd_processes())
        .then(Action::WaitUntil {
            command: vocabulary::xcatd_processes(),
            expect: "0".into(),
            every_ms: 100,
            limit_s: 60,
        });
    let results = t.script(Machine::Mn2, &script);
    assert!(results.iter().all(ActionResult::ok), "{results:?}");
    assert_ne!(results[1].stdout.trim(), "0", "something outlives stop");
}

#[test]
fn cables_half_dead_machines_and_strangers() {
    let Some(t) = lab("faults") else { return };
    let (own, other) = (Machine::Mn1.address(Nic::Eth0), Machine::Mn1.address(Nic::Eth1));
    let plug = Plug::Host(Machine::Mn1, Nic::Eth0);
    t.lab.cable(plug, false).unwrap();
    assert!(!t.reaches(Machine::Admin, &own));
    assert!(t.reaches(Machine::Admin, &other));
    // Power does not put a pulled cable in.
    t.lab.power(Machine::Mn1, PowerAction::Cycle).unwrap();
    t.lab.wait_ssh(Machine::Mn1, LIMIT).unwrap();
    assert!(!t.lab.has_carrier(plug));
    t.lab.cable(plug, true).unwrap();
    until("the cable", || t.reaches(Machine::Admin, &own));

    // Traps 2 and 13: dead, and still in everybody's ARP.
    t.lab.half_kill(Machine::Mn1).unwrap();
    assert!(!t.reaches(Machine::Admin, &own));
    assert!(t.run(Machine::Cn01, vocabulary::arp_ask(SERVICE_ADDRESS, "eth0")).ok());
    assert!(t.fence(Machine::Admin, NodeId::A, "status").stdout.contains("Status: ON"));
    assert!(t.fence(Machine::Admin, NodeId::A, "off").ok());
    assert_eq!(t.run(Machine::Cn01, vocabulary::arp_ask(SERVICE_ADDRESS, "eth0")).exit, Some(1));

    t.lab.foreign("02:ee:ee:ee:ee:01").unwrap();
    let taken = t.run(Machine::Mn2, vocabulary::arp_probe(SERVICE_ADDRESS, "eth0"));
    assert!(taken.exit == Some(1) && taken.stdout.contains("[02:EE:EE:EE:EE:01]"), "{taken:?}");
    t.lab.remove_foreign().unwrap();
    assert_eq!(t.run(Machine::Mn2, vocabulary::arp_probe(SERVICE_ADDRESS, "eth0")).exit, Some(0));

    let line = Plug::Host(Machine::Sn1, Nic::Eth0);
    match t.lab.netem(line, Some(Line { loss_percent: 100.0, ..Line::default() })) {
        Ok(()) => {
            assert!(!t.reaches(Machine::Admin, &Machine::Sn1.address(Nic::Eth0)));
            t.lab.netem(line, None).unwrap();
            assert!(t.reaches(Machine::Admin, &Machine::Sn1.address(Nic::Eth0)));
        }
        Err(e) => {
            assert_eq!(e.kind, LabErrorKind::Unsupported);
            say("SKIPPED: a lossy line: this kernel has no sch_netem");
        }
    }
}

/// What the next test kills.
const CHILD: &str = "HAMN_LAB_TEST_CHILD";

#[test]
fn the_lab_of_a_killed_run_is_removed_by_the_next() {
    if std::env::var_os(CHILD).is_some() {
        let lab = Lab::up(&options("killed")).unwrap();
        std::mem::forget(lab);
        loop {
            std::thread::park();
        }
    }
    let Some(_turn) = turn() else { return };
    // Once while it is being made, once when it is whole.
    let dir = base().join("killed");
    for (what, far_enough) in [
        ("a half-made lab", (|dir| !Lab::namespaces(dir).is_empty()) as fn(&std::path::Path) -> bool),
        ("a whole lab", |dir| Lab::open(dir).is_ok_and(|l| l.is_ready())),
    ] {
        let mut child = Killed(
            Program::new(std::env::current_exe().unwrap())
                .args(["--exact", "the_lab_of_a_killed_run_is_removed_by_the_next", "--nocapture"])
                .env(CHILD, "1")
                .stdin(Stdio::null())
                .spawn()
                .unwrap(),
        );
        until(what, || far_enough(&dir));
        child.0.kill().unwrap();
        child.0.wait().unwrap();
        assert_ne!(Lab::namespaces(&dir), Vec::<String>::new(), "{what} outlives its owner");
        Lab::sweep(&base()).unwrap();
        assert_eq!(Lab::namespaces(&dir), Vec::<String>::new(), "{what}");
        assert!(!dir.exists(), "{what}");
    }
    Lab::up(&options("killed")).unwrap().down().unwrap();
}

/// A child that does not outlive a failed test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
