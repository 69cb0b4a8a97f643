//! The stories that a program which drives DB2 must survive. Each is a documented trap.

use super::{Build, Call, Pair, Role, Side, State, db2, fails, formed, has, ok, put, state};
use crate::db2::{Commit, Connect, Half, Locale, Stdin};

const PEER_WINDOW: &str = "TAKEOVER HADR ON DB XCATDB BY FORCE PEER WINDOW ONLY";
const FORCE: &str = "TAKEOVER HADR ON DB XCATDB BY FORCE";
const STANDBY: &str = "START HADR ON DB XCATDB AS STANDBY";
const PRIMARY: &str = "START HADR ON DB XCATDB AS PRIMARY";

#[test]
fn a_formed_pair_is_in_peer_and_a_commit_is_on_both() {
    let mut pair = formed();
    assert!(pair.in_peer(), "{:?} {:?}", pair.hadr(Side::A), pair.hadr(Side::B));
    assert_eq!(pair.commit(Side::A, put("cn42"), 1_000), Commit::Done);
    assert!(has(&pair, Side::B, "cn42") && has(&pair, Side::B, "cn01"));
    assert!(ok(&mut pair, Side::B, "TAKEOVER HADR ON DB XCATDB").starts_with("DB20000I  The TAKEOVER HADR"));
    assert_eq!(state(&pair, Side::B), Some((Role::Primary, State::Peer)));
    assert_eq!(state(&pair, Side::A), Some((Role::Standby, State::Peer)));
    assert_eq!(pair.commit(Side::B, put("cn43"), 1_000), Commit::Done);
    assert!(has(&pair, Side::A, "cn43"));
}

#[test]
fn a_congested_connection_says_so_and_brings_nothing() {
    let mut pair = formed();
    pair.congest(true);
    assert_eq!(pair.hadr(Side::A), Some((Role::Primary, State::Peer, Connect::Congested)));
    let commit = pair.begin(Side::A, put("cn42"));
    pair.advance(1_000);
    assert_eq!((pair.committed(commit), has(&pair, Side::B, "cn42")), (Commit::Waits, false));
    pair.congest(false);
    pair.advance(10);
    assert_eq!((pair.committed(commit), has(&pair, Side::B, "cn42")), (Commit::Done, true));
}

#[test]
fn story_01_silent_death_is_noticed_after_the_window_if_the_timeout_is_as_long() {
    let mut pair = Pair::formed(&Build { timeout_s: 120, window_s: 120, ..Build::default() });
    pair.power(Side::A, false);
    pair.advance(60_000);
    assert_eq!(pair.hadr(Side::B), Some((Role::Standby, State::Peer, Connect::Connected)), "nobody noticed yet");
    pair.advance(65_000);
    assert_eq!(pair.hadr(Side::B), Some((Role::Standby, State::RemoteCatchupPending, Connect::Disconnected)));
    fails(&mut pair, Side::B, PEER_WINDOW, "SQL1770N");
    fails(&mut pair, Side::B, "TAKEOVER HADR ON DB XCATDB", "SQL1770N");
    ok(&mut pair, Side::B, FORCE);
}

#[test]
fn story_02_four_seconds_before_its_end_the_window_is_closed() {
    let mut pair = formed();
    pair.kill_instance(Side::A);
    pair.advance(10);
    assert_eq!(state(&pair, Side::B), Some((Role::Standby, State::DisconnectedPeer)));
    let end = pair.machine(Side::B).peer_window_end_ms().unwrap();
    let mut early = pair.clone();
    pair.advance_to(end - 4_000);
    assert!(fails(&mut pair, Side::B, PEER_WINDOW, "SQL1770N").contains("\"9\""));
    early.advance_to(end - 7_000);
    ok(&mut early, Side::B, PEER_WINDOW);
    assert_eq!(early.machine(Side::B).role(), Some(Role::Primary));
}

#[test]
fn story_03_clocks_ten_seconds_apart_open_a_window_that_is_closed() {
    let mut pair = formed();
    pair.knobs(Side::B).skew_ms = -10_000;
    pair.advance(20_000);
    pair.kill_instance(Side::A);
    let end = pair.machine(Side::B).peer_window_end_ms().unwrap();
    pair.advance_to(end + 2_000);
    // By the primary's clock the promise is over: it would write alone by now. The standby does not know.
    ok(&mut pair, Side::B, PEER_WINDOW);
}

#[test]
fn story_04_reintegration_of_other_logs_says_success_and_vanishes() {
    let mut pair = formed();
    pair.cut(true);
    pair.advance(190_000);
    assert_eq!(pair.commit(Side::A, put("lost"), 1_000), Commit::Done, "the window is over: it writes alone");
    ok(&mut pair, Side::B, FORCE);
    pair.kill_instance(Side::A);
    pair.cut(false);
    assert!(!has(&pair, Side::B, "lost"));
    pair.call(Side::A, &Call::new(&["db2start"]));
    ok(&mut pair, Side::A, STANDBY);
    assert_eq!(state(&pair, Side::A), Some((Role::Standby, State::RemoteCatchupPending)));
    pair.advance(5_000);
    assert_eq!((pair.hadr(Side::A), pair.machine(Side::A).role()), (None, Some(Role::Standby)));
    let pd = pair.call(Side::A, &Call::new(&["db2pd", "-d", "XCATDB", "-hadr"]));
    assert!(pd.stdout.contains("not activated on database partition 0"), "{pd:?}");
    assert!(pair.machine(Side::A).diag().iter().any(|l| l.contains("ADM12500E")));
}

#[test]
fn story_05_a_polite_stop_of_the_isolated_primary_spoils_its_logs_and_a_kill_does_not() {
    for polite in [true, false] {
        let mut pair = formed();
        pair.cut(true);
        pair.advance(61_000);
        assert_eq!(state(&pair, Side::A), Some((Role::Primary, State::DisconnectedPeer)));
        ok(&mut pair, Side::B, PEER_WINDOW);
        let words: &[&str] = if polite { &["db2stop", "force"] } else { &["db2_kill"] };
        assert_eq!(pair.call(Side::A, &Call::new(words)).exit, 0);
        pair.cut(false);
        pair.call(Side::A, &Call::new(&["db2start"]));
        ok(&mut pair, Side::A, STANDBY);
        pair.advance(10_000);
        assert_eq!(pair.in_peer(), !polite, "{:?}", pair.hadr(Side::A));
    }
}

#[test]
fn story_06_stop_hadr_on_an_active_standby_wants_deactivate_first() {
    let mut pair = formed();
    assert!(fails(&mut pair, Side::B, "STOP HADR ON DATABASE XCATDB", "SQL1769N").contains("\"2\""));
    ok(&mut pair, Side::B, "DEACTIVATE DATABASE XCATDB");
    pair.advance(10);
    assert_eq!(state(&pair, Side::A), Some((Role::Primary, State::Disconnected)), "no window after a polite end");
    assert_eq!(pair.commit(Side::A, put("cn7"), 1_000), Commit::Done);
    ok(&mut pair, Side::B, "STOP HADR ON DATABASE XCATDB");
    assert_eq!(pair.machine(Side::B).role(), Some(Role::Standard));
    fails(&mut pair, Side::B, "CONNECT TO XCATDB", "SQL1117N");
    let said = ok(&mut pair, Side::B, "ROLLFORWARD DB XCATDB TO END OF LOGS AND COMPLETE");
    assert!(said.contains(" Rollforward status                     = not pending\n"));
    ok(&mut pair, Side::B, "CONNECT TO XCATDB");
}

#[test]
fn story_07_a_connection_is_known_to_one_shell_only() {
    let mut pair = formed();
    ok(&mut pair, Side::A, "CONNECT TO XCATDB");
    let quiesce = Call::new(&["db2", "QUIESCE DATABASE IMMEDIATE FORCE CONNECTIONS"]);
    let other = pair.call(Side::A, &quiesce.clone().session(77));
    assert_eq!((other.exit, &other.stdout[..8]), (4, "SQL1024N"));
    let same = pair.call(Side::A, &quiesce);
    assert_eq!(same.stdout, "DB20000I  The QUIESCE DATABASE command completed successfully.\n");
    let batch = "connect to xcatdb;\nunquiesce database;\nconnect reset;\nterminate;\n";
    let one = pair.call(Side::A, &Call::new(&["db2", "-tvsf", "-"]).session(78).stdin(Stdin::Text(batch.into())));
    assert!(one.exit == 0 && one.stdout.contains("unquiesce database\nDB20000I  The UNQUIESCE"), "{one:?}");
}

#[test]
fn story_08_a_restore_that_asks_ends_at_the_end_of_its_input() {
    let mut pair = formed();
    ok(&mut pair, Side::A, "DEACTIVATE DB XCATDB");
    let said = ok(&mut pair, Side::A, "BACKUP DB XCATDB TO /var/lib/db2/backup");
    let stamp = said.split_whitespace().last().unwrap().to_owned();
    ok(&mut pair, Side::A, "STOP HADR ON DB XCATDB");
    let restore = format!("RESTORE DATABASE XCATDB FROM \"/var/lib/db2/backup\" TAKEN AT {stamp} REPLACE HISTORY FILE");
    let closed = db2(&mut pair, Side::A, &restore);
    assert!(closed.exit == 4 && closed.stdout.contains("(y/n)") && closed.stdout.contains("SQL2001N"), "{closed:?}");
    let silent = pair.call(Side::A, &Call::new(&["db2", &restore]).stdin(Stdin::Silent).within(30_000));
    assert_eq!((silent.exit, silent.hangs, silent.takes_ms), (124, true, 30_000));
    let yes = pair.call(Side::A, &Call::new(&["db2", &restore]).stdin(Stdin::Text("y\n".into())));
    assert!(yes.exit == 2 && yes.stdout.ends_with("DB20000I  The RESTORE DATABASE command completed successfully.\n"));
    let without = db2(&mut pair, Side::A, &(restore.clone() + " WITHOUT PROMPTING"));
    assert!(without.exit == 2 && without.stdout.starts_with("SQL2539W") && !without.stdout.contains("(y/n)"));
    fails(&mut pair, Side::A, "RESTORE DB XCATDB FROM /var/lib/db2/backup TAKEN AT 20000101000000", "SQL2542N");
}

#[test]
fn story_09_a_role_switch_that_ends_half_way_leaves_two_standbys() {
    for half in [Half::ConnectionLost, Half::OldPrimaryDies] {
        let mut pair = formed();
        pair.knobs(Side::A).half_takeover = Some(half);
        assert!(fails(&mut pair, Side::B, "TAKEOVER HADR ON DB XCATDB", "SQL1770N").contains("\"7\""));
        let roles = Side::BOTH.map(|s| pair.machine(s).role());
        assert_eq!(roles, [Some(Role::Standby); 2]);
        ok(&mut pair, Side::B, FORCE);
        if half == Half::ConnectionLost {
            pair.advance(20_000);
            assert!(pair.in_peer(), "the other standby follows: {:?}", pair.hadr(Side::A));
        }
    }
    let mut pair = formed();
    pair.knobs(Side::B).half_takeover = Some(Half::NewPrimaryDies);
    assert_eq!(db2(&mut pair, Side::B, "TAKEOVER HADR ON DB XCATDB").exit, 4);
    assert!(!pair.machine(Side::B).is_up());
    assert_eq!(Side::BOTH.map(|s| pair.machine(s).role()), [Some(Role::Standby); 2]);
}

#[test]
fn story_10_the_old_primary_boots_and_never_serves() {
    for reachable in [false, true] {
        let mut pair = formed();
        pair.power(Side::A, false);
        pair.advance(62_000);
        ok(&mut pair, Side::B, PEER_WINDOW);
        pair.power(Side::A, true);
        pair.cut(!reachable);
        pair.call(Side::A, &Call::new(&["db2start"]));
        let refused = pair.connect(Side::A, "xcatd");
        let wanted = if reachable { "SQL1776N" } else { "SQL1768N" };
        assert!(refused.exit == 4 && refused.stdout.starts_with(wanted), "{refused:?}");
        assert!(!pair.machine(Side::A).writable());
        let again = pair.connect(Side::A, "xcatd");
        assert!(again.exit == 4 && !pair.machine(Side::A).writable(), "{again:?}");
    }
}

#[test]
fn story_11_the_gap_is_an_average_and_says_nothing_of_the_positions() {
    let build = Build {
        knobs: crate::db2::Knobs { version: crate::db2::Version::V11_5, log_gap: 132_242_668, ..Default::default() },
        ..Build::default()
    };
    let mut pair = Pair::formed(&build);
    let pd = pair.call(Side::A, &Call::new(&["db2pd", "-db", "xcatdb", "-hadr"])).stdout;
    let value =
        |key: &str| pd.lines().find_map(|l| l.trim_start().strip_prefix(key)?.strip_prefix(" = ")).unwrap().to_owned();
    assert_eq!(value("HADR_LOG_GAP(bytes)"), "132242668");
    assert_eq!(value("PRIMARY_LOG_FILE,PAGE,POS"), value("STANDBY_REPLAY_LOG_FILE,PAGE,POS"));
}

#[test]
fn story_12_another_language_changes_dates_decimals_and_sentences_but_no_codes() {
    let knobs = crate::db2::Knobs { version: crate::db2::Version::V10_5, ..Default::default() };
    let mut pair = Pair::formed(&Build { knobs, now_ms: 1_539_354_000_000, ..Build::default() });
    pair.knobs(Side::A).locale = Locale::Ru;
    let pd = pair.call(Side::A, &Call::new(&["db2pd", "-db", "xcatdb", "-hadr"])).stdout;
    assert!(pd.contains("LOG_HADR_WAIT_CUR(seconds) = 0,000\n"), "{pd}");
    let time = pd.lines().find(|l| l.contains("HADR_CONNECT_STATUS_TIME")).unwrap();
    assert!(time.contains("= 12.10.2018 ") && time.contains("(15393"), "{time}");
    let said = ok(&mut pair, Side::A, "TERMINATE");
    assert!(said.starts_with("DB20000I  ") && !said.contains("completed"), "{said}");
    assert!(fails(&mut pair, Side::A, "TAKEOVER HADR ON DB XCATDB", "SQL1770N").contains("= \"1\""));
}

#[test]
fn story_13_a_host_with_another_name_needs_another_db2nodes_cfg() {
    let mut pair = formed();
    pair.call(Side::A, &Call::new(&["db2stop", "force"]));
    pair.host_mut(Side::A).name = "mn".into();
    pair.host_mut(Side::A).addresses[1] = "10.77.0.10".into();
    fails(&mut pair, Side::A, "GET DB CFG FOR XCATDB", "SQL6031N");
    assert_ne!(pair.call(Side::A, &Call::new(&["db2start"])).exit, 0);
    let up = pair.call(Side::A, &Call::new(&["/var/lib/db2/sqllib/bin/db2gcf", "-u", "-p", "0", "-i", "xcatdb"]));
    assert_eq!(up.stdout, "\nInstance  : xcatdb\nDB2 Start : Success\nPartition 0 : Success\n");
    assert_eq!(pair.host(Side::A).files["/var/lib/db2/sqllib/db2nodes.cfg"], "0 mn 0\n");
    ok(&mut pair, Side::A, "GET DB CFG FOR XCATDB");
    // And the address in HADR_LOCAL_HOST is not this machine's any more.
    assert!(fails(&mut pair, Side::A, PRIMARY, "SQL1768N").contains("\"4\""));
}

#[test]
fn story_14_warnings_are_successes_but_for_one() {
    let mut pair = formed();
    let active = db2(&mut pair, Side::A, "UPDATE DB CFG FOR XCATDB USING LOGPRIMARY 20");
    assert!(active.exit == 2 && active.stdout.contains("\nSQL1363W"), "{active:?}");
    let again = db2(&mut pair, Side::A, "ACTIVATE DB XCATDB");
    assert!(again.exit == 2 && again.stdout.starts_with("SQL1490W"), "{again:?}");
    assert_eq!(pair.connect(Side::A, "xcatd").exit, 0);
    let busy = db2(&mut pair, Side::A, "DEACTIVATE DB XCATDB");
    assert!(busy.exit == 2 && busy.stdout.starts_with("SQL1495W") && pair.machine(Side::A).is_active(), "{busy:?}");
    let force = ok(&mut pair, Side::A, "FORCE APPLICATIONS ALL");
    assert!(force.contains("\nDB21024I  This command is asynchronous"), "{force}");
    assert_eq!(db2(&mut pair, Side::A, "DEACTIVATE DB XCATDB").exit, 2, "not yet");
    pair.advance(2_000);
    ok(&mut pair, Side::A, "DEACTIVATE DB XCATDB");
    let off = db2(&mut pair, Side::A, "DEACTIVATE DB XCATDB");
    assert!(off.exit == 2 && off.stdout.starts_with("SQL1496W"), "{off:?}");
    let quiet = pair.call(Side::A, &Call::new(&["db2", "+w", "DEACTIVATE", "DB", "XCATDB"]));
    assert_eq!(quiet.exit, 0);
}

#[test]
fn story_15_both_can_be_primary_when_somebody_forces_it() {
    let mut pair = formed();
    pair.cut(true);
    pair.advance(61_000);
    ok(&mut pair, Side::B, PEER_WINDOW);
    pair.cut(false);
    pair.advance(60_000);
    assert_eq!(Side::BOTH.map(|s| pair.machine(s).role()), [Some(Role::Primary); 2]);
    assert!(Side::BOTH.iter().all(|s| pair.machine(*s).writable()));
    assert_eq!(pair.commit(Side::A, put("here"), 200_000), Commit::Done);
    assert_eq!(pair.commit(Side::B, put("there"), 1_000), Commit::Done);
    assert!(!has(&pair, Side::A, "there") && !has(&pair, Side::B, "here"));
}

#[test]
fn a_forced_takeover_over_a_live_connection_disables_the_old_primary() {
    let mut pair = formed();
    assert_eq!(pair.commit(Side::A, put("cn9"), 1_000), Commit::Done);
    ok(&mut pair, Side::B, FORCE);
    assert_eq!((pair.machine(Side::A).role(), pair.machine(Side::A).is_active()), (Some(Role::Primary), false));
    assert!(has(&pair, Side::B, "cn9"));
    assert!(fails(&mut pair, Side::A, PRIMARY, "SQL1776N").contains("\"6\""));
    ok(&mut pair, Side::A, STANDBY);
    pair.advance(10_000);
    assert!(pair.in_peer());
}

#[test]
fn a_commit_waits_for_the_window_and_is_written_after_it() {
    let mut pair = formed();
    pair.kill_instance(Side::B);
    pair.advance(10);
    assert_eq!(state(&pair, Side::A), Some((Role::Primary, State::DisconnectedPeer)));
    let id = pair.begin(Side::A, put("late"));
    pair.advance(60_000);
    assert_eq!(pair.committed(id), Commit::Waits);
    pair.advance(61_000);
    assert_eq!(pair.committed(id), Commit::Done);
    pair.call(Side::B, &Call::new(&["db2start"]));
    ok(&mut pair, Side::B, "ACTIVATE DB XCATDB");
    pair.advance(10_000);
    assert!(pair.in_peer() && has(&pair, Side::B, "late"), "caught up");
}

#[test]
fn a_start_as_primary_waits_and_fails_if_nobody_comes_or_nothing_fits() {
    let mut pair = formed();
    for side in Side::BOTH {
        ok(&mut pair, side, "DEACTIVATE DB XCATDB");
    }
    let killed = pair.call(Side::A, &Call::new(&["db2", PRIMARY]).within(5_000));
    assert_eq!((killed.exit, killed.hangs), (124, true));
    pair.advance(60_000);
    assert!(!pair.machine(Side::A).is_active(), "the server gave up although nobody waited");
    ok(&mut pair, Side::B, "UPDATE DB CFG FOR XCATDB USING HADR_TIMEOUT 61");
    ok(&mut pair, Side::B, STANDBY);
    let alone = db2(&mut pair, Side::A, PRIMARY);
    assert!(alone.exit == 4 && alone.stdout.starts_with("SQL1768N") && alone.takes_ms >= 60_000, "{alone:?}");
}

#[test]
fn the_promise_of_the_window_holds_while_the_connection_comes_back() {
    // The old primary dies at each millisecond around the reconnection.
    for after in 0..60 {
        let mut pair = formed();
        pair.cut(true);
        pair.advance(62_000);
        let id = pair.begin(Side::A, put("cn77"));
        pair.cut(false);
        let retry = pair.machine(Side::B).next_timer_ms().unwrap() - pair.now_ms();
        pair.advance(retry.saturating_sub(2) + after % 10);
        let acknowledged = pair.committed(id) == Commit::Done;
        pair.cut(true);
        pair.advance(after * 40);
        pair.power(Side::A, false);
        if db2(&mut pair, Side::B, PEER_WINDOW).exit == 0 {
            assert!(!acknowledged || has(&pair, Side::B, "cn77"), "{after} ms");
        }
    }
}

#[test]
fn an_address_that_moves_away_takes_its_connection_with_it() {
    let mut pair = formed();
    pair.host_mut(Side::A).addresses.retain(|a| a != "10.77.0.11");
    pair.advance(61_000);
    assert_eq!(state(&pair, Side::B), Some((Role::Standby, State::DisconnectedPeer)));
    pair.host_mut(Side::A).addresses.push("10.77.0.11".into());
    pair.advance(10_000);
    assert!(pair.in_peer());
}
