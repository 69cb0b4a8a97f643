//! What must not happen: a promotion beside a living primary, an address beside a stranger's, two runs at once, a way back where
//! there is none. And what must still be possible: to go on from another machine.

use lab::{
    hosts::{Machine, Nic, Output, Plug, PowerAction, SERVICE_ADDRESS},
    sim::AtBoot,
};
use serde_json::Value;
use workflows::model::NodeId;

use crate::stage::{Follower, LIMIT, Stage, say, until};

/// Hardware address of a machine that is none of ours.
const STRANGER: &str = "02:ee:ee:ee:ee:01";
/// Exit codes, part of the interface.
const REFUSED: i32 = 3;
const UNFINISHED: i32 = 4;

fn is_standby(stage: &Stage, machine: Machine) -> bool {
    stage.lab.sql(machine, "postgres", "SELECT pg_is_in_recovery()").is_ok_and(|r| r == "t")
}

fn holds_address(stage: &Stage, machine: Machine) -> bool {
    stage.sh(machine, "ip -o -4 addr show").contains(&format!(" {SERVICE_ADDRESS}/"))
}

fn streams_from_mn1(stage: &Stage) -> bool {
    let sql = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
    is_standby(stage, Machine::Mn2) && stage.lab.sql(Machine::Mn1, "postgres", sql).is_ok_and(|n| n == "1")
}

fn both(out: &Output) -> String {
    format!("{}{}", out.stdout, out.stderr)
}

fn assert_says(out: &Output, exit: i32, parts: &[&str]) {
    let text = both(out);
    assert_eq!(out.exit, Some(exit), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not said:\n{text}");
    }
}

/// Waits until the run entered a state.
fn entered(run: &mut Follower, state: &str) {
    let seen = run.wait_for(|e| e["record"]["payload"]["Entered"]["state"] == state);
    assert!(seen.is_some(), "it ended before {state}: {:#?}", run.tail());
}

/// What the run said, in one text.
fn said(run: &Follower) -> String {
    run.seen.join("\n")
}

/// From here to its removal nothing can put another file in the place of this one.
fn nail(stage: &Stage, machine: Machine, path: &str) {
    stage.sh(machine, &format!("mount --bind {path} {path} && mount -o remount,bind,ro {path}"));
}

fn loosen(stage: &Stage, machine: Machine, path: &str) {
    stage.sh(machine, &format!("umount {path}"));
}

#[test]
fn t2_t7_a_primary_that_is_only_cut_off_is_not_followed_until_its_bmc_says_off() {
    // The device's patience with a line that is dead, seconds: the usual is twenty, and it is asked several times.
    let impatient = |config: &mut hamn::config::Config| {
        for node in &mut config.pair.nodes {
            if let workflows::model::Fence::Agent { options, .. } = &mut node.fence {
                options.push(("power_timeout".into(), "3".into()));
            }
        }
    };
    let Some(stage) = Stage::up_with("cutoff", impatient) else { return };
    let lines = [Plug::Host(Machine::Mn1, Nic::Eth0), Plug::Host(Machine::Mn1, Nic::Eth1), Plug::Bmc(Machine::Mn1)];
    for line in lines {
        stage.lab.cable(line, false).unwrap();
    }
    let (_, mut run) = stage.begin(Machine::Admin, "failover");
    assert_eq!(run.end(), Some(UNFINISHED), "{:#?}", run.tail());
    let text = said(&run);
    assert!(text.contains("the fence device of mn1 does not say who it is"), "{text}");
    for next in ["hamn resume", "hamn rollback", "--attest-off"] {
        assert!(text.contains(next), "{next} is not said: {:#?}", run.tail());
    }
    assert!(is_standby(&stage, Machine::Mn2));
    assert!(!holds_address(&stage, Machine::Mn2));
    // It lives, and does not know.
    assert_eq!(stage.lab.sql(Machine::Mn1, "postgres", "SELECT pg_is_in_recovery()").unwrap(), "f");

    stage.lab.cable(Plug::Bmc(Machine::Mn1), true).unwrap();
    let out = stage.hamn(Machine::Admin, &["resume", "--yes"]);
    assert_says(&out, 0, &["failover is done"]);
    assert!(stage.lab.exec(Machine::Mn1, &["true"]).is_err(), "mn1 is off");
    assert!(!is_standby(&stage, Machine::Mn2));
    assert_eq!(stage.timeline(Machine::Mn2), 2, "one promotion");
}

#[test]
fn t13_a_stranger_at_the_service_address_is_named_and_the_address_left_alone() {
    let Some(stage) = Stage::up("stranger") else { return };
    stage.power_off(Machine::Mn1);
    stage.lab.foreign(STRANGER).unwrap();
    let before = stage.look(Machine::Admin, "failover", &[]);
    assert!(before.text.to_lowercase().contains(STRANGER), "{}", before.text);
    stage.lab.remove_foreign().unwrap();

    // It comes when consent was given already.
    let (_, mut run) = stage.begin(Machine::Admin, "failover");
    entered(&mut run, "Claimed");
    stage.lab.foreign(STRANGER).unwrap();
    assert_eq!(run.end(), Some(UNFINISHED), "{:#?}", run.tail());
    assert!(run.tail().join("\n").to_lowercase().contains(STRANGER), "{:#?}", run.tail());
    assert!(is_standby(&stage, Machine::Mn2) && !holds_address(&stage, Machine::Mn2));
    stage.lab.remove_foreign().unwrap();

    // And once more, behind the promotion.
    let mut run = stage.start(Machine::Admin, "hamn resume --yes --json");
    entered(&mut run, "DatabasePromoted");
    stage.lab.foreign(STRANGER).unwrap();
    assert_eq!(run.end(), Some(UNFINISHED), "{:#?}", run.tail());
    assert!(run.tail().join("\n").to_lowercase().contains(STRANGER), "{:#?}", run.tail());
    assert!(!is_standby(&stage, Machine::Mn2) && !holds_address(&stage, Machine::Mn2));

    stage.lab.remove_foreign().unwrap();
    assert_says(&stage.hamn(Machine::Admin, &["resume", "--yes"]), 0, &["failover is done"]);
    assert!(holds_address(&stage, Machine::Mn2));
}

#[test]
fn a_run_that_fails_before_the_pivot_is_undone_and_one_past_it_only_goes_on() {
    const CRONTAB: &str = "/var/spool/cron/crontabs/postgres";
    let Some(stage) = Stage::up("rollback") else { return };
    let jobs = stage.sh(Machine::Mn2, &format!("cat {CRONTAB}"));
    nail(&stage, Machine::Mn2, CRONTAB);
    let (_, mut run) = stage.begin(Machine::Admin, "failover");
    assert_eq!(run.end(), Some(UNFINISHED), "{:#?}", run.tail());
    assert!(stage.lab.exec(Machine::Mn1, &["true"]).is_err(), "mn1 is fenced already");
    assert!(is_standby(&stage, Machine::Mn2));
    loosen(&stage, Machine::Mn2, CRONTAB);

    let out = stage.hamn(Machine::Admin, &["rollback", "--reason", "the crontab cannot be written", "--yes"]);
    assert_eq!(out.exit, Some(0), "{}", both(&out));
    stage.lab.wait_booted(Machine::Mn1, LIMIT).unwrap();
    until("mn2 streams from mn1 again", || streams_from_mn1(&stage));
    assert!(holds_address(&stage, Machine::Mn1) && !holds_address(&stage, Machine::Mn2));
    until("xcatd on mn1", || stage.xcat(Machine::Mn1, "tabdump site").stdout.contains("xcatdport"));
    assert_eq!(stage.sh(Machine::Mn2, &format!("cat {CRONTAB}")), jobs);
    assert_eq!(stage.hamn(Machine::Admin, &["resume", "--yes"]).exit, Some(REFUSED), "there is nothing unfinished");

    // The next one fails behind the pivot.
    let real = nameless(&stage, Machine::Mn2);
    let (_, mut run) = stage.begin(Machine::Admin, "failover");
    assert_eq!(run.end(), Some(UNFINISHED), "{:#?}", run.tail());
    assert!(!is_standby(&stage, Machine::Mn2));
    let out = stage.hamn(Machine::Admin, &["rollback", "--reason", "as before", "--yes"]);
    assert_says(&out, REFUSED, &["past its pivot", "hamn resume"]);
    assert!(!is_standby(&stage, Machine::Mn2));
    stage.sh(Machine::Mn2, &format!("mv {real}.real {real}"));
    assert_says(&stage.hamn(Machine::Admin, &["resume", "--yes"]), 0, &["failover is done"]);
    assert_eq!(stage.timeline(Machine::Mn2), 2, "one promotion");
}

/// The machine can say its name and not be given another one; the path of the program that does both, which is kept beside it.
fn nameless(stage: &Stage, machine: Machine) -> String {
    let real = stage.sh(machine, "command -v hostname");
    let stub = format!("#!/bin/sh\n[ $# = 0 ] || exit 1\nexec {real}.real\n");
    stage.sh(machine, &format!("mv {real} {real}.real"));
    stage.lab.put(machine, &real, 0o755, &stub).unwrap();
    real
}

#[test]
fn a_switchover_that_fails_before_the_pivot_is_undone() {
    let Some(stage) = Stage::up("stepped-back") else { return };
    stage.define(Machine::Mn1, "cn80");
    stage.acquaint();
    let jobs = Machine::PAIR.map(|m| stage.sh(m, "cat /var/spool/cron/crontabs/*"));
    // The old primary cannot be renamed: by then its database is stopped and its address given away.
    let real = nameless(&stage, Machine::Mn1);
    let (_, mut run) = stage.begin(Machine::Admin, "switchover");
    assert_eq!(run.end(), Some(UNFINISHED), "{:#?}", run.tail());
    assert!(said(&run).contains("CaughtUp"), "{:#?}", run.tail());
    assert!(is_standby(&stage, Machine::Mn2));
    assert!(stage.lab.sql(Machine::Mn1, "postgres", "SELECT 1").is_err(), "the old primary is stopped");
    stage.sh(Machine::Mn1, &format!("mv {real}.real {real}"));

    let out = stage.hamn(Machine::Admin, &["rollback", "--reason", "the name cannot be set", "--yes"]);
    assert_eq!(out.exit, Some(0), "{}", both(&out));
    until("mn2 streams from mn1 again", || streams_from_mn1(&stage));
    assert!(holds_address(&stage, Machine::Mn1) && !holds_address(&stage, Machine::Mn2));
    until("xcatd on mn1", || stage.xcat(Machine::Mn1, "tabdump site").stdout.contains("xcatdport"));
    assert!(stage.xcat(Machine::Mn1, "lsdef cn80").ok());
    assert_eq!(Machine::PAIR.map(|m| stage.sh(m, "cat /var/spool/cron/crontabs/*")), jobs);
    assert_eq!(stage.timeline(Machine::Mn1), 1, "nothing was promoted");
    // And it can be done the next time.
    let (_, mut run) = stage.begin(Machine::Admin, "switchover");
    run.assert_done();
    stage.assert_in_service("cn80");
}

#[test]
fn t9_of_two_runs_at_once_the_second_is_told_who_where_and_since_when() {
    let Some(stage) = Stage::up("two") else { return };
    let (_, mut run) = stage.begin(Machine::Admin, "switchover");
    entered(&mut run, "Claimed");
    // It goes on, and cannot get anywhere.
    let lines = Nic::BOTH.map(|nic| Plug::Host(Machine::Admin, nic));
    for line in lines {
        stage.lab.cable(line, false).unwrap();
    }
    let status = stage.status(Machine::Admin);
    let id = status.iter().find_map(|v| v["runner"]["run"].as_str()).unwrap_or_else(|| panic!("{status:?}")).to_owned();
    let here = stage.hamn(Machine::Admin, &["run", "switchover", "--dry-run"]);
    assert_says(&here, REFUSED, &[&id, "started by root on admin, 20", "UTC", "hamn attach"]);
    let there = stage.hamn(Machine::Mn2, &["run", "switchover", "--target", "mn2", "--dry-run"]);
    assert_says(&there, REFUSED, &[&id, "by root on admin", "it began 20", "UTC"]);
    for line in lines {
        stage.lab.cable(line, true).unwrap();
    }
    run.assert_done();
    for machine in Machine::PAIR {
        let free = stage.run(machine, &["sh", "-c", "! ls -d /var/lib/hamn/claim 2>/dev/null"]);
        assert!(free.ok(), "{machine} is still claimed: {free:?}");
    }
}

#[test]
fn a_switchover_loses_no_acknowledged_row() {
    let Some(stage) = Stage::up("switchover") else { return };
    stage.define(Machine::Mn1, "cn78");
    stage.client();
    let (_, mut run) = stage.begin(Machine::Admin, "switchover");
    run.assert_done();
    let now = stage.acknowledged().len();
    until("the client's rows at the new primary", || stage.acknowledged().len() > now + 20);
    let rows = stage.stop_client();
    let lost = stage.lost(Machine::Mn2, &rows);
    assert!(lost.is_empty(), "{} of {} rows are lost: {lost:?}", lost.len(), rows.len());
    let outage = rows.windows(2).map(|w| w[1].acknowledged.saturating_sub(w[0].acknowledged)).max().unwrap_or(0);
    say(&format!(
        "switchover: {} rows acknowledged, none lost; outage of the database {} ms",
        rows.len(),
        outage / 1000
    ));
    stage.assert_in_service("cn78");
    assert_eq!(stage.timeline(Machine::Mn2), 2, "one promotion");
    assert!(!holds_address(&stage, Machine::Mn1));
    stage.assert_as_simulated("switchover", |world| {
        world.boots_with(NodeId::A, AtBoot { database: true, xcatd: true, helpers: false, service_address: false });
    });
}

/// The machine that ran hamn is gone for good once the run is in `killed_in`; mn2 goes on with what was copied to it.
fn orphan(name: &'static str, killed_in: &str, promoted: bool) {
    let Some(stage) = Stage::up(name) else { return };
    stage.define(Machine::Mn1, "cn79");
    stage.acquaint();
    stage.power_off(Machine::Mn1);
    let (_, mut run) = stage.begin(Machine::Admin, "failover");
    entered(&mut run, killed_in);
    stage.lab.power(Machine::Admin, PowerAction::Off).unwrap();
    assert_eq!(!is_standby(&stage, Machine::Mn2), promoted, "{:#?}", run.tail());

    let taken = stage.hamn(Machine::Mn2, &["journal", "import"]);
    assert_says(&taken, 0, &["hamn resume"]);
    let out = stage.hamn(Machine::Mn2, &["resume", "--yes"]);
    assert_says(&out, 0, &["failover is done"]);
    stage.assert_in_service("cn79");
    assert_eq!(stage.timeline(Machine::Mn2), 2, "one promotion");
    let journal: Vec<Value> = stage.journal(Machine::Mn2);
    let taken_up = journal.iter().filter(|r| r["payload"].get("Resumed").is_some()).count();
    assert_eq!(taken_up, 1, "taken up once");
}

#[test]
fn the_run_of_an_admin_host_that_is_gone_before_the_promotion_is_finished_on_the_standby() {
    orphan("orphan-early", "Claimed", false);
}

#[test]
fn the_run_of_an_admin_host_that_is_gone_after_the_promotion_is_finished_on_the_standby() {
    orphan("orphan-late", "DatabasePromoted", true);
}
