//! What interrupts a run, and what does not: its runner dies, its cable is pulled, its terminal is closed, its machine reboots.

use std::time::Duration;

use lab::hosts::{Machine, Nic, Plug, PowerAction};

use crate::stage::{Follower, Stage, events, is, say, until};

/// Where the runner is killed: before and after every kind of thing that it does. More than ten, because a busy machine may kill
/// late and then passes one.
const DEADLY: [(&str, &str); 14] = [
    ("Outcome", "observe.target"),
    ("Intent", "claim.target"),
    ("Intent", "fence.off"),
    ("Outcome", "fence.off"),
    ("Intent", "disarm.target"),
    ("Planned", "promote database"),
    ("Intent", "promote.database"),
    ("Entered", "DatabasePromoted"),
    ("Intent", "address.take"),
    ("Outcome", "address.take"),
    ("Intent", "readdress.cfgloc"),
    ("Intent", "xcatd.restart"),
    ("Intent", "services.dhcp"),
    ("Entered", "ServicesRebuilt"),
];

#[test]
fn a_runner_killed_ten_times_is_resumed_ten_times_and_promotes_once() {
    let Some(stage) = Stage::up("killed") else { return };
    let (shown, rows) = stage.after_the_crash();
    let mut line = Stage::consent(&shown, "failover");
    let (mut next, mut killed) = (0, 0);
    while killed < 10 {
        let mut run = stage.start(Machine::Admin, &line);
        let mut runner = None;
        until("a runner", || {
            runner = stage.runner(Machine::Admin);
            runner.is_some()
        });
        let reached = |e: &serde_json::Value| (next..DEADLY.len()).find(|i| is(e, DEADLY[*i].0, DEADLY[*i].1));
        let mut at = None;
        let found = run.wait_for(|e| {
            at = reached(e);
            at.is_some()
        });
        assert!(found.is_some(), "it ended after {killed} kills, at {next}: {:#?}", run.tail());
        let at = at.expect("it was found");
        stage.sh(Machine::Admin, &format!("kill -KILL {}", runner.expect("it was waited for")));
        killed += 1;
        let code = run.end();
        say(&format!("killed at {:?}: exit {code:?}", DEADLY[at]));
        assert!(matches!(code, Some(4 | 5)), "{code:?}: {:#?}", run.tail());
        next = at + 1;
        "hamn resume --yes --json".clone_into(&mut line);
    }
    stage.start(Machine::Admin, &line).assert_done();
    stage.assert_taken_over(&shown, &rows);
    // Each intent of a once-only step has a job of its own on the node; this one was there once.
    let jobs = stage.sh(Machine::Mn2, "ls /var/lib/hamn/jobs | grep -c promote.database");
    assert_eq!(jobs, "1", "jobs of the promotion");
}

#[test]
fn a_pulled_cable_and_an_address_that_moves_under_the_connection_stop_nothing() {
    // Cluster network first: the one that the address moves on.
    let Some(stage) = Stage::up("cable") else { return };
    let (shown, rows) = stage.after_the_crash();
    let mut run = stage.start(Machine::Admin, &Stage::consent(&shown, "failover"));
    run.wait_for_record("Intent", "promote.database");
    let cables = Nic::BOTH.map(|nic| Plug::Host(Machine::Mn2, nic));
    for cable in cables {
        stage.lab.cable(cable, false).unwrap_or_else(|e| panic!("{e}"));
    }
    // The length of the outage is the test's input, not something waited for.
    std::thread::sleep(Duration::from_secs(20));
    // The connection comes back on the cluster network, because there is no other yet.
    stage.lab.cable(cables[0], true).unwrap_or_else(|e| panic!("{e}"));
    run.wait_for_record("Outcome", "promote.database");
    stage.lab.cable(cables[1], true).unwrap_or_else(|e| panic!("{e}"));
    run.wait_for_record("Intent", "announce.request");
    // Under the connection its address goes away; the service address stays.
    let own = Machine::Mn2.address(Nic::Eth0);
    stage.sh(
        Machine::Mn2,
        &format!("echo 1 >/proc/sys/net/ipv4/conf/eth0/promote_secondaries && ip address del {own}/24 dev eth0"),
    );
    run.assert_done();
    let waits = events(&run.seen.join("\n")).into_iter().filter(|e| e["event"] == "waiting").count();
    assert!(waits > 0, "the pulled cable was felt");
    stage.sh(Machine::Mn2, &format!("ip address add {own}/24 dev eth0"));
    stage.assert_taken_over(&shown, &rows);
}

#[test]
fn a_closed_terminal_does_not_end_the_run() {
    let Some(stage) = Stage::up("terminal") else { return };
    let (shown, rows) = stage.after_the_crash();
    let run = Stage::consent(&shown, "failover").replace(" --json", "");
    let mut terminal =
        stage.start(Machine::Admin, &format!("echo $$ >/root/terminal; exec script -qfc '{run}' /dev/null"));
    until("something on the terminal", || terminal.line().is_some_and(|l| l.contains("mn2 answers and is")));
    let mut runner = None;
    until("a runner", || {
        runner = stage.runner(Machine::Admin);
        runner.is_some()
    });
    // The terminal's other end goes away, and its session is hung up.
    stage.sh(Machine::Admin, "kill -KILL $(cat /root/terminal)");
    terminal.end();
    until("the end of the client", || stage.status(Machine::Admin).iter().any(|s| s["runner"]["clients"] == 0));
    assert_eq!(stage.runner(Machine::Admin), runner, "the same runner goes on");
    let mut attached = stage.start(Machine::Admin, "hamn attach --json");
    attached.wait_for_record("Entered", "DatabasePromoted");
    attached.assert_done();
    stage.assert_taken_over(&shown, &rows);
}

#[test]
fn a_new_primary_that_reboots_in_mid_run_gets_back_what_the_reboot_took() {
    let Some(stage) = Stage::up("reboot") else { return };
    let (shown, rows) = stage.after_the_crash();
    let mut run = stage.start(Machine::Admin, &Stage::consent(&shown, "failover"));
    // Address and host name are volatile: the reboot takes them away after they were journaled as there.
    run.wait_for_record("Entered", "AddressTaken");
    stage.lab.power(Machine::Mn2, PowerAction::Cycle).unwrap_or_else(|e| panic!("{e}"));
    let mut code = run.end();
    for _ in 0..3 {
        if code == Some(0) {
            break;
        }
        say(&format!("reboot: ended with {code:?}: {:?}", last(&run)));
        run = stage.start(Machine::Admin, "hamn resume --yes --json");
        code = run.end();
    }
    assert_eq!(code, Some(0), "{:#?}", run.tail());
    stage.assert_taken_over(&shown, &rows);
    let records = stage.journal(Machine::Admin);
    let taken = records.iter().filter(|r| r["payload"]["Intent"]["step"] == "address.take").count();
    assert!(taken > 1, "the address was taken again after the reboot");
}

fn last(run: &Follower) -> &str {
    run.tail().last().map_or("", String::as_str)
}
