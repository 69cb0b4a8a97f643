//! The table "command and state": what each answers, and what it does to role and activity.

use super::{Build, Call, Pair, Role, Side, db2, formed, ok};
use crate::db2::{Knobs, Version};

/// A pair whose B, or whose A, is in the state that a row is about.
fn prepared(state: &str) -> (Pair, Side) {
    let mut pair = if state.starts_with("standard") { Pair::new(&Build::default()) } else { formed() };
    let (mut side, words) = (Side::A, |p: &mut Pair, s, w: &[&str]| p.call(s, &Call::new(w)));
    if state.starts_with("standard") {
        let now = pair.now_ms();
        pair.machine_mut(Side::A).create_database("XCATDB", now, super::Content::new());
        words(&mut pair, Side::A, &["db2start"]);
    }
    match state {
        "primary" | "standard" => {}
        "down" => {
            words(&mut pair, side, &["db2stop", "force"]);
        }
        "standard active" => {
            ok(&mut pair, side, "ACTIVATE DB XCATDB");
        }
        "standard connected" => {
            ok(&mut pair, side, "CONNECT TO XCATDB");
        }
        "standard backup pending" => {
            ok(&mut pair, side, "UPDATE DB CFG FOR XCATDB USING LOGRETAIN ON");
        }
        "primary inactive" => {
            ok(&mut pair, side, "DEACTIVATE DB XCATDB");
        }
        "primary disabled" => {
            ok(&mut pair, Side::B, "TAKEOVER HADR ON DB XCATDB BY FORCE");
        }
        "standby" => side = Side::B,
        "standby inactive" => {
            side = Side::B;
            ok(&mut pair, side, "DEACTIVATE DB XCATDB");
        }
        "standby pending" => {
            side = Side::B;
            words(&mut pair, Side::A, &["db2_kill"]);
            pair.advance(130_000);
        }
        "standby rejoining" => {
            side = Side::B;
            ok(&mut pair, side, "DEACTIVATE DB XCATDB");
            pair.advance(10);
            ok(&mut pair, side, "ACTIVATE DB XCATDB");
        }
        "rollforward pending" => {
            side = Side::B;
            ok(&mut pair, side, "DEACTIVATE DB XCATDB");
            ok(&mut pair, side, "STOP HADR ON DB XCATDB");
        }
        other => panic!("no such state: {other}"),
    }
    if state == "standby rejoining" {
        // Its command took long enough to come to peer again; once more, and only a moment.
        words(&mut pair, Side::B, &["db2_kill"]);
        pair.knobs(Side::B).latency = false;
        words(&mut pair, Side::B, &["db2start"]);
        ok(&mut pair, Side::B, "ACTIVATE DB XCATDB");
    }
    (pair, side)
}

#[test]
fn every_row() {
    const STANDARD: Option<Role> = Some(Role::Standard);
    const PRIMARY: Option<Role> = Some(Role::Primary);
    const STANDBY: Option<Role> = Some(Role::Standby);
    // State, statement, exit code, beginning of what it says, role and activity afterwards.
    let rows = [
        ("down", "ACTIVATE DB XCATDB", 4, "SQL1032N", PRIMARY, false),
        ("down", "GET DB CFG FOR XCATDB", 4, "SQL1032N", PRIMARY, false),
        ("standard", "ACTIVATE DB NONE", 4, "SQL1013N", STANDARD, false),
        ("standard", "UPDATE DB CFG FOR XCATDB USING HADR_TIMEOUT 60", 0, "DB20000I", STANDARD, false),
        ("standard active", "UPDATE DB CFG FOR XCATDB USING HADR_TIMEOUT 60", 2, "DB20000I", STANDARD, true),
        ("standard", "UPDATE DB CFG FOR XCATDB USING HADR_SYNCMODE SOMETIMES", 4, "SQL5099N", STANDARD, false),
        ("standard", "CONNECT TO XCATDB", 0, "\n   Database Connection", STANDARD, true),
        ("standard backup pending", "CONNECT TO XCATDB", 4, "SQL1116N", STANDARD, false),
        ("rollforward pending", "CONNECT TO XCATDB", 4, "SQL1117N", STANDARD, false),
        ("rollforward pending", "ACTIVATE DB XCATDB", 4, "SQL1117N", STANDARD, false),
        ("standby", "CONNECT TO XCATDB", 4, "SQL1776N", STANDBY, true),
        ("standard", "QUIESCE DATABASE IMMEDIATE FORCE CONNECTIONS", 4, "SQL1024N", STANDARD, false),
        ("standard connected", "QUIESCE DATABASE IMMEDIATE FORCE CONNECTIONS", 0, "DB20000I", STANDARD, true),
        ("standard", "CONNECT RESET", 4, "SQL1024N", STANDARD, false),
        ("standard connected", "CONNECT RESET", 0, "DB20000I  The SQL command", STANDARD, false),
        ("standard connected", "TERMINATE", 0, "DB20000I", STANDARD, false),
        ("standard", "LIST APPLICATIONS", 2, "SQL1611W", STANDARD, false),
        ("standard", "ACTIVATE DB XCATDB", 0, "DB20000I", STANDARD, true),
        ("standard active", "ACTIVATE DB XCATDB", 2, "SQL1490W", STANDARD, true),
        ("standard connected", "ACTIVATE DB XCATDB", 2, "SQL1494W", STANDARD, true),
        ("standby inactive", "ACTIVATE DB XCATDB", 0, "DB20000I", STANDBY, true),
        ("primary inactive", "ACTIVATE DB XCATDB", 0, "DB20000I", PRIMARY, true),
        ("primary disabled", "ACTIVATE DB XCATDB", 4, "SQL1776N", PRIMARY, false),
        ("standard active", "DEACTIVATE DB XCATDB", 0, "DB20000I", STANDARD, false),
        ("standard connected", "DEACTIVATE DB XCATDB", 2, "SQL1495W", STANDARD, true),
        ("standard", "DEACTIVATE DB XCATDB", 2, "SQL1496W", STANDARD, false),
        ("standard", "BACKUP DB XCATDB TO /var/lib/db2/backup", 0, "\nBackup successful.", STANDARD, false),
        ("standard active", "BACKUP DB XCATDB TO /var/lib/db2/backup", 4, "SQL1035N", STANDARD, true),
        ("standby inactive", "BACKUP DB XCATDB TO /var/lib/db2/backup", 4, "SQL1776N", STANDBY, false),
        ("standard", "BACKUP DB XCATDB TO /nowhere", 4, "SQL2036N", STANDARD, false),
        ("standard active", "RESTORE DB XCATDB FROM /var/lib/db2/backup TAKEN AT 1", 4, "SQL1035N", STANDARD, true),
        ("primary inactive", "RESTORE DB XCATDB FROM /var/lib/db2/backup TAKEN AT 1", 4, "SQL1776N", PRIMARY, false),
        ("standard", "RESTORE DB XCATDB FROM /nowhere TAKEN AT 1", 4, "SQL2036N", STANDARD, false),
        ("rollforward pending", "START HADR ON DB XCATDB AS STANDBY", 0, "DB20000I", STANDBY, true),
        ("standard", "START HADR ON DB XCATDB AS STANDBY", 4, "SQL1767N", STANDARD, false),
        ("standard active", "START HADR ON DB XCATDB AS STANDBY", 4, "SQL1767N", STANDARD, true),
        ("primary", "START HADR ON DB XCATDB AS STANDBY", 4, "SQL1767N", PRIMARY, true),
        ("primary inactive", "START HADR ON DB XCATDB AS STANDBY", 0, "DB20000I", STANDBY, true),
        ("standby", "START HADR ON DB XCATDB AS STANDBY", 4, "SQL1777N", STANDBY, true),
        ("standby inactive", "START HADR ON DB XCATDB AS STANDBY", 0, "DB20000I", STANDBY, true),
        ("standard", "START HADR ON DB XCATDB AS PRIMARY", 4, "SQL1768N", STANDARD, false),
        ("primary inactive", "START HADR ON DB XCATDB AS PRIMARY", 0, "DB20000I", PRIMARY, true),
        ("primary inactive", "START HADR ON DB XCATDB AS PRIMARY BY FORCE", 0, "DB20000I", PRIMARY, true),
        ("primary", "START HADR ON DB XCATDB AS PRIMARY", 4, "SQL1777N", PRIMARY, true),
        ("primary disabled", "START HADR ON DB XCATDB AS PRIMARY", 4, "SQL1776N", PRIMARY, false),
        ("standby", "START HADR ON DB XCATDB AS PRIMARY", 4, "SQL1767N", STANDBY, true),
        ("standby inactive", "START HADR ON DB XCATDB AS PRIMARY BY FORCE", 4, "SQL1767N", STANDBY, false),
        ("standard", "STOP HADR ON DB XCATDB", 4, "SQL1769N", STANDARD, false),
        ("primary", "STOP HADR ON DB XCATDB", 0, "DB20000I", STANDARD, true),
        ("primary inactive", "STOP HADR ON DB XCATDB", 0, "DB20000I", STANDARD, false),
        ("standby", "STOP HADR ON DB XCATDB", 4, "SQL1769N", STANDBY, true),
        ("standby inactive", "STOP HADR ON DB XCATDB", 0, "DB20000I", STANDARD, false),
        ("standby", "TAKEOVER HADR ON DB XCATDB", 0, "DB20000I", PRIMARY, true),
        ("standby", "TAKEOVER HADR ON DB XCATDB BY FORCE", 0, "DB20000I", PRIMARY, true),
        ("standby", "TAKEOVER HADR ON DB XCATDB BY FORCE PEER WINDOW ONLY", 0, "DB20000I", PRIMARY, true),
        ("standby pending", "TAKEOVER HADR ON DB XCATDB", 4, "SQL1770N", STANDBY, true),
        ("standby pending", "TAKEOVER HADR ON DB XCATDB BY FORCE PEER WINDOW ONLY", 4, "SQL1770N", STANDBY, true),
        ("standby pending", "TAKEOVER HADR ON DB XCATDB BY FORCE", 0, "DB20000I", PRIMARY, true),
        ("standby rejoining", "TAKEOVER HADR ON DB XCATDB BY FORCE", 4, "SQL1770N", STANDBY, true),
        ("standby rejoining", "TAKEOVER HADR ON DB XCATDB", 4, "SQL1770N", STANDBY, true),
        ("standby inactive", "TAKEOVER HADR ON DB XCATDB BY FORCE", 4, "SQL1770N", STANDBY, false),
        ("primary", "TAKEOVER HADR ON DB XCATDB BY FORCE", 4, "SQL1770N", PRIMARY, true),
        ("standard", "TAKEOVER HADR ON DB XCATDB", 4, "SQL1770N", STANDARD, false),
        ("standard", "ROLLFORWARD DB XCATDB TO END OF LOGS AND COMPLETE", 4, "SQL1260N", STANDARD, false),
        ("rollforward pending", "ROLLFORWARD DB XCATDB COMPLETE", 0, "\n      ", STANDARD, false),
        ("standard", "GET DB CFG", 4, "SQL1024N", STANDARD, false),
        ("standard", "GET SNAPSHOT FOR DB ON XCATDB", 2, "SQL1611W", STANDARD, false),
    ];
    for (state, statement, exit, said, role, active) in rows {
        let (mut pair, side) = prepared(state);
        let reply = db2(&mut pair, side, statement);
        let machine = pair.machine(side);
        let got = (reply.exit, reply.stdout.starts_with(said), machine.role(), machine.is_active());
        assert_eq!(got, (exit, true, role, active), "{state}: {statement}: {reply:?}");
    }
}

#[test]
fn hadr_parameters_are_checked_before_a_start() {
    for (parameter, value, reason) in [
        ("LOGRETAIN", "OFF", "1"),
        ("HADR_LOCAL_HOST", "10.77.0.99", "4"),
        ("HADR_LOCAL_SVC", "NOSUCH", "5"),
        ("HADR_REMOTE_SVC", "NOSUCH", "6"),
        ("HADR_REMOTE_INST", "NULL", "8"),
    ] {
        let (mut pair, side) = prepared("standby inactive");
        ok(&mut pair, side, &format!("UPDATE DB CFG FOR XCATDB USING {parameter} {value}"));
        let reply = db2(&mut pair, side, "START HADR ON DB XCATDB AS STANDBY");
        assert!(reply.exit == 4 && reply.stdout.contains(&format!("\"{reason}\"")), "{parameter}: {reply:?}");
    }
}

#[test]
fn knobs_change_what_is_not_known() {
    let knobs =
        Knobs { exit_pd_inactive: 255, rc_takeover_state: 3, password: Some("right".into()), ..Knobs::default() };
    let mut pair = Pair::formed(&Build { knobs, ..Build::default() });
    assert!(db2(&mut pair, Side::A, "TAKEOVER HADR ON DB XCATDB").stdout.contains("\"3\""));
    let wrong = db2(&mut pair, Side::B, "TAKEOVER HADR ON DB XCATDB USER xcatdb USING wrong");
    assert!(wrong.exit == 4 && wrong.stdout.starts_with("SQL30082N"), "{wrong:?}");
    pair.knobs(Side::B).cluster_manager = true;
    assert!(db2(&mut pair, Side::B, "TAKEOVER HADR ON DB XCATDB BY FORCE").stdout.contains("\"10\""));
    pair.knobs(Side::A).pd_race = 1;
    let pd = Call::new(&["db2pd", "-d", "xcatdb", "-hadr"]);
    assert_eq!(pair.call(Side::A, &pd).stdout, "Changing data structure forced command termination.\n");
    ok(&mut pair, Side::A, "DEACTIVATE DB XCATDB");
    assert_eq!(pair.call(Side::A, &pd).exit, 255);
    // LOGRETAIN went with 10.5.
    pair.knobs(Side::A).version = Version::V10_5;
    assert_eq!(db2(&mut pair, Side::A, "UPDATE DB CFG FOR XCATDB USING LOGRETAIN ON").exit, 4);
}

#[test]
fn faults_hit_the_command_that_they_name_and_go() {
    use crate::db2::Trouble;
    let mut pair = formed();
    let takeover = Call::new(&["db2", "takeover hadr on db xcatdb"]).within(60_000);
    pair.knobs(Side::B).next("TAKEOVER HADR", Trouble::HangBefore);
    let hung = pair.call(Side::B, &takeover);
    assert_eq!((hung.exit, hung.hangs, hung.takes_ms), (124, true, 60_000));
    assert_eq!(pair.machine(Side::B).role(), Some(Role::Standby), "without effect");
    pair.knobs(Side::B).next("TAKEOVER HADR", Trouble::HangAfter);
    assert_eq!(pair.call(Side::B, &takeover).exit, 124);
    assert_eq!(pair.machine(Side::B).role(), Some(Role::Primary), "with effect");
    pair.knobs(Side::A).next("TAKEOVER HADR", Trouble::KilledAfter);
    assert_eq!(pair.call(Side::A, &takeover).exit, 137);
    assert_eq!(pair.machine(Side::A).role(), Some(Role::Primary));
    pair.knobs(Side::A).fail_next("GET DB CFG", "SQL1042N", 0);
    assert_eq!(db2(&mut pair, Side::A, "GET DB CFG FOR XCATDB").exit, 4);
    pair.knobs(Side::A).next("get db cfg", Trouble::Partial(100));
    assert_eq!(ok(&mut pair, Side::A, "GET DB CFG FOR XCATDB").len(), 100);
    pair.knobs(Side::A).next("GET DB CFG", Trouble::Slow(9_000));
    assert!(db2(&mut pair, Side::A, "GET DB CFG FOR XCATDB").takes_ms >= 9_000);
    assert!(ok(&mut pair, Side::A, "GET DB CFG FOR XCATDB").len() > 1_000);
}

#[test]
fn async_and_superasync_have_no_window() {
    for (sync, state) in [("ASYNC", "PEER"), ("SUPERASYNC", "REMOTE_CATCHUP")] {
        let knobs = Knobs { version: Version::V10_5, ..Knobs::default() };
        let mut pair = Pair::formed(&Build { sync: sync.into(), knobs, ..Build::default() });
        assert_eq!(pair.hadr(Side::B).unwrap().1.word(), state);
        let only = db2(&mut pair, Side::B, "TAKEOVER HADR ON DB XCATDB BY FORCE PEER WINDOW ONLY");
        assert_eq!(only.exit, 4, "{only:?}");
        ok(&mut pair, Side::B, "TAKEOVER HADR ON DB XCATDB");
        pair.kill_instance(Side::A);
        pair.advance(10);
        assert_eq!(pair.commit(Side::B, super::put("x"), 100), crate::db2::Commit::Done, "nothing blocks");
    }
}
