//! DB2 (its stand-in) on hosts that play AIX, hamn on the Linux machine beside them: the published procedure as it is lived.

use std::collections::BTreeSet;

use lab::{
    db2::{Fault, Half, Knobs, Trouble, Version},
    hosts::{
        DB2_HOME, DB2_INSTANCE, DB2_STATE, Db2, Ksh, Machine, Nic, Options, Persona, Plug, SERVICE_ADDRESS,
        SERVICE_NAME,
    },
    standin::db2::KNOBS,
};
use serde_json::Value;

use crate::stage::{Follower, Row, Shown, Stage, events, is, say, until};

/// Defines nodes through the service address, one after the other, named by the microsecond in which each was sent. The line that proves an
/// acknowledgement adds the microsecond of that.
const CLIENT: &str = r#"
one() {
    exec 3<>/dev/tcp/$1/3001
    echo '{"name":"mkdef","args":["-t","node","-o","'$2'","groups=rows"],"env":[]}' >&3
    cat <&3
}
export -f one
for ((;;)); do
    sent=${EPOCHREALTIME/./}
    timeout 10 bash -c 'one "$@"' one $1 r$sent 2>/dev/null | grep -q '1 object definitions' &&
        echo "$sent ${EPOCHREALTIME/./}" >>/root/acknowledged
    sleep 0.05
done
"#;
/// HADR_TIMEOUT, seconds.
const TIMEOUT_S: u64 = 5;
/// A peer window that is open as long as a test lasts.
const LONG_S: u64 = 900;

fn knobs() -> Knobs {
    Knobs { version: Version::V11_5, latency: false, ..Knobs::default() }
}

/// The pair as AIX machines with DB2.
fn up(name: &'static str, formed: bool, window_s: u64) -> Option<Stage> {
    let db2 = Db2 { knobs: knobs(), formed, timeout_s: TIMEOUT_S, window_s };
    let persona = Persona::Aix([Ksh::Ksh93, Ksh::Mksh]);
    Stage::up_as(name, |usual| Options { persona, db2: Some(db2.clone()), ..usual }, |_| {})
}

fn nodes(stage: &Stage, machine: Machine) -> BTreeSet<String> {
    let listed = stage.xcat(machine, "nodels");
    assert!(listed.ok(), "{machine}: {listed:?}");
    listed.stdout.lines().map(|l| l.trim().to_owned()).collect()
}

/// Defines a node on a machine in service and waits for xCAT's word.
fn define(stage: &Stage, machine: Machine, node: &str) {
    let made = stage.xcat(machine, &format!("mkdef -t node -o {node} groups=compute,all ip=10.77.0.177"));
    assert!(made.ok(), "{made:?}");
}

/// What the instance's owner sees; a machine that is being worked on may need a moment.
fn hadr(stage: &Stage, machine: Machine) -> String {
    stage.lab.db2(machine, "db2pd -d XCATDB -hadr").unwrap_or_else(|e| panic!("{machine}: {e}")).1
}

/// Knobs of the stand-in from its next command on.
fn turn(stage: &Stage, machine: Machine, wanted: &Knobs) {
    let json = serde_json::to_string(wanted).expect("plain data");
    let path = format!("{DB2_HOME}/{KNOBS}");
    stage.lab.put(machine, &path, 0o644, &json).unwrap_or_else(|e| panic!("{e}"));
    // The next command takes them; later ones shall find what it leaves.
    stage.lab.db2(machine, "db2level").unwrap_or_else(|e| panic!("{e}"));
    stage.sh(machine, &format!("rm {path}"));
}

/// Commands that the stand-in has obeyed and that contain a text.
fn obeyed(stage: &Stage, machine: Machine, text: &str) -> Vec<String> {
    let kept: Value =
        serde_json::from_str(&stage.sh(machine, &format!("cat {DB2_HOME}/{DB2_STATE}"))).expect("the stand-in's state");
    let all = kept["history"].as_array().cloned().unwrap_or_default();
    all.iter().filter_map(Value::as_str).filter(|c| c.contains(text)).map(str::to_owned).collect()
}

fn cable(stage: &Stage, machine: Machine, inside: bool) {
    stage.lab.cable(Plug::Host(machine, Nic::Eth0), inside).unwrap_or_else(|e| panic!("{e}"));
}

/// Starts the client and waits for its first rows.
fn client(stage: &Stage) {
    stage.start_client(CLIENT, &[SERVICE_ADDRESS]);
    until("the client's first rows", || stage.acknowledged().len() > 5);
}

/// Those of the acknowledged rows that are not in the database of a machine.
fn lost(stage: &Stage, machine: Machine, rows: &[Row]) -> Vec<Row> {
    let has = nodes(stage, machine);
    rows.iter().copied().filter(|r| !has.contains(&format!("r{}", r.sent))).collect()
}

/// Looks at a workflow and runs it to its end, all consents given.
fn perform(stage: &Stage, workflow: &str, target: Machine) -> (Shown, Vec<String>) {
    let shown = stage.look(Machine::Admin, workflow, &["--target", target.name()]);
    let mut run = consented(stage, &shown, workflow, target);
    run.assert_done();
    (shown, run.seen.clone())
}

/// Starts what was shown, all consents given.
fn consented(stage: &Stage, shown: &Shown, workflow: &str, target: Machine) -> Follower {
    let mut line = Stage::consent(shown, workflow) + " --target " + target.name();
    if shown.loss_ms.is_some_and(|ms| ms > 0) {
        line += " --accept-loss";
    }
    stage.start(Machine::Admin, &line)
}

/// Whether a run took a transition.
fn took(seen: &[String], transition: &str) -> bool {
    events(&seen.join("\n")).iter().any(|e| is(e, "Planned", transition))
}

/// The machine is in service, for itself and for others: the address leads to it, its xcatd shows the site table and the nodes, its
/// instance knows it by the name that it has now, HADR is where it is to be.
fn assert_in_service(stage: &Stage, machine: Machine, epoch: u64, defined: &[&str]) {
    let key = stage.sh(machine, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub");
    let scan = format!("ssh-keyscan -T 5 -t ed25519 {SERVICE_ADDRESS} 2>/dev/null | cut -d' ' -f2,3");
    assert_eq!(stage.sh(Machine::Cn01, &scan), key, "who answers ssh at the service address");
    let site = stage.xcat(machine, "tabdump site");
    assert!(site.ok() && site.stdout.contains("\"master\""), "{site:?}");
    let has = nodes(stage, machine);
    for node in defined {
        assert!(has.contains(*node), "{node} is not defined on {machine}: {has:?}");
    }
    assert_eq!(stage.sh(machine, "cat /var/lib/hamn/epoch"), epoch.to_string(), "epoch");
    assert_eq!(stage.sh(machine, "hostname"), SERVICE_NAME);
    let nodes_cfg = stage.sh(machine, &format!("cat {DB2_HOME}/sqllib/db2nodes.cfg"));
    assert_eq!(nodes_cfg.split_whitespace().nth(1), Some(SERVICE_NAME), "{nodes_cfg}");
    let config = stage.lab.db2(machine, "db2 get db cfg for xcatdb").unwrap_or_else(|e| panic!("{e}")).1;
    let value = |key: &str| {
        let line = config.lines().find(|l| l.contains(&format!("({key})"))).unwrap_or_default();
        line.rsplit('=').next().unwrap_or_default().trim().to_owned()
    };
    assert_eq!(value("HADR_LOCAL_HOST"), SERVICE_ADDRESS, "{config}");
    assert_eq!(value("HADR_REMOTE_HOST"), Machine::Mn2.address(Nic::Eth0), "{config}");
    assert!(hadr(stage, machine).contains("PRIMARY"), "{}", hadr(stage, machine));
}

/// A machine that is not in service serves nobody: xCAT's commands get no answer from it. Its database may be tried by what a boot starts,
/// and does not open.
fn assert_serves_not(stage: &Stage, machine: Machine) {
    let line =
        "PATH=/opt/xcat/bin:/opt/xcat/sbin:$PATH; tabdump site & p=$!; (sleep 3; kill $p) >/dev/null 2>&1 & wait $p";
    let site = stage.run(machine, &["sh", "-c", line]);
    assert!(!site.stdout.contains("\"master\""), "{machine} serves: {site:?}");
    until("a database that is not open", || !hadr(stage, machine).contains("HADR_ROLE = PRIMARY"));
}

#[test]
fn the_whole_procedure_on_aix_from_set_up_to_failback() {
    let Some(stage) = up("procedure", false, LONG_S) else { return };
    for (workflow, target) in [("setup", Machine::Mn1), ("sync", Machine::Mn1), ("drill", Machine::Mn2)] {
        perform(&stage, workflow, target);
        assert!(stage.lab.db2_in_peer(), "after {workflow}: {}", hadr(&stage, Machine::Mn2));
    }
    assert_in_service(&stage, Machine::Mn1, 2, &["cn01"]);
    define(&stage, Machine::Mn1, "cn77");
    client(&stage);
    stage.power_off(Machine::Mn1);
    let rows = stage.stop_client();
    until("the end of the connection, as the standby sees it", || {
        hadr(&stage, Machine::Mn2).contains("DISCONNECTED_PEER")
    });
    let (shown, seen) = perform(&stage, "failover", Machine::Mn2);
    assert_eq!(shown.loss_ms, Some(0), "inside the peer window nothing is lost: {}", shown.text);
    assert!(took(&seen, "take over within the peer window"), "{seen:#?}");
    let forced = obeyed(&stage, Machine::Mn2, "TAKEOVER");
    assert!(forced.last().is_some_and(|c| c.contains("BY FORCE PEER WINDOW ONLY")), "{forced:?}");
    assert_eq!(lost(&stage, Machine::Mn2, &rows), [], "of {} rows", rows.len());
    assert_in_service(&stage, Machine::Mn2, 3, &["cn77"]);
    say(&format!("procedure: {} rows acknowledged until the power failed, none lost", rows.len()));

    stage.lab.power(Machine::Mn1, lab::hosts::PowerAction::On).unwrap_or_else(|e| panic!("{e}"));
    let ready = || stage.lab.db2(Machine::Mn1, "db2gcf -s").is_ok_and(|(exit, _)| exit.is_some());
    until("the old machine", ready);
    assert_serves_not(&stage, Machine::Mn1);
    assert_in_service(&stage, Machine::Mn2, 3, &["cn77"]);
    define(&stage, Machine::Mn2, "cn78");
    perform(&stage, "failback", Machine::Mn1);
    assert_in_service(&stage, Machine::Mn1, 4, &["cn77", "cn78"]);
    assert_eq!(lost(&stage, Machine::Mn1, &rows), [], "after the failback");
    assert!(stage.lab.db2_in_peer(), "{}", hadr(&stage, Machine::Mn2));
    assert_serves_not(&stage, Machine::Mn2);
}

#[test]
fn t40_past_the_peer_window_only_with_the_loss_accepted_and_both_primaries_are_never_chosen_between() {
    let Some(stage) = up("past-the-window", true, 10) else { return };
    define(&stage, Machine::Mn1, "cn77");
    client(&stage);
    // Alone for longer than the window: commits are acknowledged again, and the standby lacks them.
    cable(&stage, Machine::Mn1, false);
    let rows = stage.stop_client();
    until("a commit after the window", || {
        let line = format!("mkdef -t node -o late{} groups=compute,all", std::process::id());
        stage.lab.exec(Machine::Mn1, &["sh", "-c", &format!("PATH=/opt/xcat/bin:$PATH; {line}")]).is_ok_and(|o| o.ok())
    });
    let late = format!("late{}", std::process::id());
    let acknowledged = std::time::Instant::now();
    stage.power_off(Machine::Mn1);
    let mut shown = None;
    until("a bound that is known", || {
        let look = stage.look(Machine::Admin, "failover", &["--target", "mn2"]);
        let known = look.refusal.is_none() && look.loss_ms.is_some();
        shown = Some(look);
        known
    });
    let shown = shown.expect("it was waited for");
    let bound = shown.loss_ms.unwrap_or_default();
    assert!(u128::from(bound) >= acknowledged.elapsed().as_millis() / 2 && bound > 0, "{}", shown.text);
    let mut refused = stage.start(Machine::Admin, &(Stage::consent(&shown, "failover") + " --target mn2"));
    assert_eq!(refused.end(), Some(3), "{:#?}", refused.tail());
    assert_eq!(obeyed(&stage, Machine::Mn2, "TAKEOVER").len(), 0, "nothing was done without acceptance");
    let mut run = consented(&stage, &shown, "failover", Machine::Mn2);
    run.assert_done();
    let seen = run.seen.clone();
    assert!(took(&seen, "take over by force"), "{seen:#?}");
    assert_eq!(lost(&stage, Machine::Mn2, &rows), [], "what was acknowledged before the cable was pulled");
    assert!(!nodes(&stage, Machine::Mn2).contains(&late), "what was acknowledged past the window is what is lost");
    assert_in_service(&stage, Machine::Mn2, 1, &["cn77"]);

    // The old primary comes back off the cluster's network, and somebody makes it the primary by force.
    stage.lab.power(Machine::Mn1, lab::hosts::PowerAction::On).unwrap_or_else(|e| panic!("{e}"));
    until("the old machine's instance", || {
        stage.lab.db2(Machine::Mn1, "db2gcf -s").is_ok_and(|(exit, _)| exit == Some(0))
    });
    assert_serves_not(&stage, Machine::Mn1);
    let force = "db2 start hadr on db xcatdb as primary by force";
    until("a second primary", || {
        stage.lab.db2(Machine::Mn1, force).is_ok() && hadr(&stage, Machine::Mn1).contains("HADR_ROLE = PRIMARY")
    });
    for (workflow, target) in [("failover", "mn2"), ("failback", "mn1")] {
        let shown = stage.look(Machine::Admin, workflow, &["--target", target]);
        let why = shown.refusal.unwrap_or_else(|| panic!("{workflow} to {target} chooses: {}", shown.text));
        say(&format!("both primaries, {workflow} to {target}: {why}"));
    }
    assert_eq!(obeyed(&stage, Machine::Mn1, "TAKEOVER").len(), 0);
    // A person decides: mn1 is to come back as the standby, whatever only it has.
    // Its xcatd, which came up with the machine, is left to hamn.
    let settle = format!("startsrc -s xcatd; su - {DB2_INSTANCE} -c 'db2stop force'; chdev -l en1 -a state=detach");
    stage.sh(Machine::Mn1, &settle);
    cable(&stage, Machine::Mn1, true);
    let (_, seen) = perform(&stage, "failback", Machine::Mn1);
    assert!(took(&seen, "restore"), "its log had gone its own way: {seen:#?}");
    assert_in_service(&stage, Machine::Mn1, 2, &["cn77"]);
    assert!(!nodes(&stage, Machine::Mn1).contains(&late), "the history of mn2 counts");
    assert!(stage.lab.db2_in_peer(), "{}", hadr(&stage, Machine::Mn2));
}

/// Where the runner is killed. More than ten, because a busy machine may kill late and then passes one.
const DEADLY: [(&str, &str); 12] = [
    ("Intent", "claim.target"),
    ("Intent", "fence.off"),
    ("Entered", "Decided"),
    ("Intent", "promote.database"),
    ("Entered", "TakenOver"),
    ("Intent", "epoch.target"),
    ("Intent", "address.take"),
    ("Intent", "database.db2gcf"),
    ("Intent", "database.open"),
    ("Intent", "xcatd.restart"),
    ("Entered", "Managing"),
    ("Intent", "nim.spot.610image"),
];

#[test]
fn t40_t44_a_runner_killed_ten_times_takes_over_once() {
    let Some(stage) = up("killed-db2", true, LONG_S) else { return };
    perform(&stage, "sync", Machine::Mn1);
    define(&stage, Machine::Mn1, "cn77");
    // Between these two and their answers there is time to die.
    let slow = |command: &str| Fault { command: command.into(), trouble: Trouble::Slow(3_000), left: Some(1) };
    let faults = vec![slow("TAKEOVER HADR"), slow("DB2GCF -U")];
    turn(&stage, Machine::Mn2, &Knobs { faults, ..knobs() });
    stage.power_off(Machine::Mn1);
    until("the end of the connection, as the standby sees it", || {
        hadr(&stage, Machine::Mn2).contains("DISCONNECTED_PEER")
    });
    let shown = stage.look(Machine::Admin, "failover", &["--target", "mn2"]);
    let mut run = consented(&stage, &shown, "failover", Machine::Mn2);
    let (mut next, mut killed) = (0, 0);
    loop {
        let mut runner = None;
        let mut at = None;
        let found = run.wait_for(|e| {
            at = (next..DEADLY.len()).find(|i| is(e, DEADLY[*i].0, DEADLY[*i].1));
            at.is_some()
        });
        let Some(at) = at.filter(|_| found.is_some()) else { break };
        until("a runner", || {
            runner = stage.runner(Machine::Admin);
            runner.is_some()
        });
        stage.sh(Machine::Admin, &format!("kill -KILL {}", runner.expect("it was waited for")));
        killed += 1;
        let code = run.end();
        say(&format!("killed at {:?}: exit {code:?}", DEADLY[at]));
        next = at + 1;
        run = stage.start(Machine::Admin, "hamn resume --yes --json");
    }
    run.assert_done();
    assert!(killed >= 10, "killed {killed} times only");
    assert_in_service(&stage, Machine::Mn2, 1, &["cn77"]);
    let once = |text: &str| {
        assert_eq!(obeyed(&stage, Machine::Mn2, text).len(), 1, "{:?}", obeyed(&stage, Machine::Mn2, text));
    };
    once("TAKEOVER HADR");
    for call in ["m_mkspot", "mktcpip"] {
        let all = stage.sh(Machine::Mn2, &format!("grep -c ' {call} ' {}", lab::standin::CALLS));
        say(&format!("{call}: {all} calls"));
        assert_eq!(all, "1", "{call}");
    }
}

#[test]
fn t41_two_standbys_after_half_a_takeover_are_cured() {
    let Some(stage) = up("two-standbys", true, LONG_S) else { return };
    define(&stage, Machine::Mn1, "cn77");
    turn(&stage, Machine::Mn1, &Knobs { half_takeover: Some(Half::ConnectionLost), ..knobs() });
    stage.lab.db2(Machine::Mn2, "db2 takeover hadr on db xcatdb").unwrap_or_else(|e| panic!("{e}"));
    until("two standbys", || Machine::PAIR.iter().all(|m| hadr(&stage, *m).contains("HADR_ROLE = STANDBY")));
    perform(&stage, "failover", Machine::Mn2);
    assert_in_service(&stage, Machine::Mn2, 1, &["cn77"]);
}
