//! Whole runs of pairs that are configured otherwise than the procedure's, and of pairs in which DB2 says what nobody here has seen. Each
//! reaches its end, or stops with what to do, nothing lost and nothing done twice.

use std::sync::Arc;

use hamn::engine::Ending;
use journal_schema::{Fact, Payload, TakeoverForm};
use lab::{
    db2::{Locale, Side, Trouble, Version},
    sim::{AtBoot, World},
};
use workflows::{
    example,
    model::{AfterTakeover, Database, Db2, NodeId, Pair},
};

use crate::{
    back::rollbacks,
    boundaries::{journal_boundaries, remote_calls},
    campaign::Case,
    hadr::{after, case_of, synced},
    stage::{Do, Script, Stage, story},
    tally::Wrong,
    trouble::{Stopped, at_boot, decided, failover, knobs, promotions},
    typed::{db2, types},
};

/// The procedure's pair with another DB2.
fn pair_with(change: impl Fn(&mut Db2)) -> Pair {
    let mut pair = example::procedure();
    let Database::Db2(db2) = &mut pair.database else { unreachable!("the procedure's pair has DB2") };
    change(db2);
    pair
}

/// One more service node.
fn two_service_nodes(mut pair: Pair) -> Pair {
    let mut second = pair.witnesses[0].clone();
    second.name = "sn2".into();
    second.addresses = vec!["9.114.47.106".into()];
    pair.witnesses.push(second);
    pair
}

/// Names and ports that are not the procedure's.
fn renamed(db2: &mut Db2) {
    db2.database = "CLUSTER".into();
    db2.instance = "db2inst1".into();
    db2.home = "/home/db2inst1".into();
    db2.backup_dir = "/backup/db2".into();
    db2.port = 50_000;
    db2.hadr.services[0].name = "hadr_a".into();
    db2.hadr.services[0].port = 51_012;
    db2.hadr.services[1].name = "hadr_b".into();
    db2.hadr.services[1].port = 51_013;
}

/// A machine that somebody switches on; nothing of the cluster starts there.
fn comes_back(world: &mut World, id: NodeId) {
    world.boots_with(id, AtBoot { database: false, xcatd: false, helpers: false, service_address: false });
    world.power(id, true);
    world.advance(300_000);
}

/// Runs, and reaches its end without a violation.
#[track_caller]
fn done(case: &Case) -> Stage {
    let stage = Stage::of(case, Script::default());
    let end = stage.program(Do::Start);
    let records = stage.records();
    assert_eq!(end, Some(Ending::Done), "{}: {}", case.name, story(&records[records.len().saturating_sub(4)..]));
    let violations = stage.violations.lock().unwrap().clone();
    assert!(violations.is_empty(), "{}: {violations:?}", case.name);
    stage
}

fn world_of(stage: &Stage) -> World {
    stage.scene.lock().unwrap().world.clone()
}

/// The workflow in that world.
fn then(case: &Case, world: World, workflow: &str, target: NodeId) -> Case {
    let other = case_of("then", workflow, (*case.pair).clone(), |_| {});
    Case { name: case.name, world, target, ..other }
}

/// Over and back, with the primary alive and dead: releases, languages, names, windows and what is done with HADR afterwards, each value
/// with several of the others.
#[test]
fn whole_runs_of_other_pairs() {
    let keep = |db2: &mut Db2| db2.hadr.after_takeover = AfterTakeover::Keep;
    let stop = |db2: &mut Db2| db2.hadr.after_takeover = AfterTakeover::Stop;
    let all: [(&'static str, Version, Locale, Pair); 8] = [
        ("9.7, de, HADR stopped", Version::V9_7, Locale::De, pair_with(stop)),
        ("10.1, ja, two service nodes", Version::V10_1, Locale::Ja, two_service_nodes(pair_with(keep))),
        ("10.5, other names, HADR stopped", Version::V10_5, Locale::C, pair_with(|d| (renamed(d), stop(d)).1)),
        ("11.1, fr, no peer window", Version::V11_1, Locale::Fr, pair_with(|d| d.hadr.peer_window_s = 0)),
        ("11.5, ja, other names, two service nodes", Version::V11_5, Locale::Ja, two_service_nodes(pair_with(renamed))),
        (
            "9.7, other names, no peer window, HADR stopped",
            Version::V9_7,
            Locale::Ru,
            pair_with(|d| {
                renamed(d);
                stop(d);
                d.hadr.peer_window_s = 0;
            }),
        ),
        ("9.7, the procedure's timeout", Version::V9_7, Locale::C, pair_with(|d| d.hadr.timeout_s = 3)),
        (
            "11.5, de, a long window, HADR stopped",
            Version::V11_5,
            Locale::De,
            pair_with(|d| {
                stop(d);
                (d.hadr.timeout_s, d.hadr.peer_window_s) = (30, 600);
            }),
        ),
    ];
    for (name, version, locale, pair) in all {
        for dead in [false, true] {
            let mut case = case_of(name, "failover", pair.clone(), |_| {});
            for side in Side::BOTH {
                let knobs = knobs(&mut case.world, side);
                (knobs.version, knobs.locale) = (version, locale);
            }
            case.world.advance(5_000);
            if !dead {
                let drilled = world_of(&done(&then(&case, case.world.clone(), "drill", NodeId::B)));
                assert!(drilled.served() && drilled.writable(NodeId::A) && drilled.streaming(), "{name}");
            }
            if dead {
                case.world.power(NodeId::A, false);
            }
            let over = done(&case);
            let mut world = world_of(&over);
            assert!(world.served() && world.writable(NodeId::B) && !world.writable(NodeId::A), "{name} {dead}");
            assert_eq!((promotions(&world), world.lost_rows()), (1, 0), "{name} {dead}");
            comes_back(&mut world, NodeId::A);
            let back = done(&then(&case, world, "failback", NodeId::A));
            let world = world_of(&back);
            assert!(world.served() && world.writable(NodeId::A) && world.streaming(), "{name} {dead}");
            assert_eq!(world.lost_rows(), 0, "{name} {dead}");
        }
    }
}

/// The instance of the primary is gone and its machine is up: it is powered off all the same, the window proves that nothing is lost.
#[test]
fn the_primary_s_database_crashes_and_its_machine_lives() {
    for version in [Version::V9_7, Version::V11_5] {
        let mut case = case_of("crashed", "failover", example::procedure(), |_| {});
        for side in Side::BOTH {
            knobs(&mut case.world, side).version = version;
        }
        case.world.advance(2_000);
        case.world.kill_database(NodeId::A);
        case.world.advance(5_000);
        let stage = done(&case);
        assert_eq!(decided(&stage), [TakeoverForm::PeerWindowOnly], "{version:?}");
        let world = world_of(&stage);
        assert!(!world.powered(NodeId::A) && world.served());
        assert_eq!((promotions(&world), world.lost_rows()), (1, 0));
        // Past the window: by force.
        let mut later = case.clone();
        later.world.advance(600_000);
        assert_eq!(decided(&done(&later)), [TakeoverForm::ByForce], "{version:?}");
    }
}

/// A primary that was ahead by half a minute, and a standby that shows no seconds since the last message once the connection is lost: by
/// both together the window would look open for half a minute after its end.
#[test]
fn t21_what_the_standby_shows_after_a_loss_is_not_trusted_with_the_window() {
    for (zero, skew_ms) in [(true, 30_000), (true, 60_000), (true, 90_000), (false, 30_000)] {
        for dead_s in [70, 90, 110, 118, 125, 140, 150] {
            let mut case = case_of("ahead", "failover", example::procedure(), |_| {});
            for side in Side::BOTH {
                let knobs = knobs(&mut case.world, side);
                (knobs.version, knobs.received_zero_when_lost) = (Version::V11_5, zero);
            }
            case.world.clock_offset(NodeId::A, skew_ms);
            case.world.advance(60_000);
            case.world.power(NodeId::A, false);
            case.world.advance(dead_s * 1_000);
            let stage = done(&case);
            let form = decided(&stage);
            let in_window = form == [TakeoverForm::PeerWindowOnly];
            assert!(!in_window || dead_s < 115, "{skew_ms} ms ahead, dead for {dead_s} s: {form:?}");
            assert_eq!(world_of(&stage).lost_rows(), 0);
        }
    }
}

/// What TAKEOVER may answer: whatever it is, nothing is promoted by it, nothing stronger is tried, the operator sees the code, and who asks
/// once more when the reason has passed gets to the end, with one promotion.
#[test]
fn a_takeover_that_is_refused_in_any_way() {
    let codes = [
        ("SQL1770N", 1, 4),
        ("SQL1770N", 7, 4),
        ("SQL1770N", 9, 4),
        ("SQL1770N", 10, 4),
        ("SQL1770N", 99, 4),
        ("SQL1776N", 1, 4),
        ("SQL1776N", 6, 4),
        ("SQL1777N", 0, 4),
        ("SQL1768N", 7, 4),
        ("SQL1769N", 2, 4),
        ("SQL1035N", 0, 4),
        ("SQL1117N", 0, 4),
        ("SQL1116N", 0, 4),
        ("SQL1013N", 0, 4),
        ("SQL1024N", 0, 4),
        ("SQL1032N", 0, 4),
        ("SQL6031N", 10, 4),
        ("SQL30082N", 24, 4),
        ("SQL1224N", 0, 4),
        ("SQL5123N", 0, 4),
        ("SQL9999C", 3, 8),
        ("SQL9998W", 0, 2),
        ("SQL1495W", 0, 2),
    ];
    for dead in [false, true] {
        for (code, reason, exit) in codes {
            let stopped = failover(|w| {
                if dead {
                    w.power(NodeId::A, false);
                    w.advance(600_000);
                }
                let fail = Trouble::Fail { code: code.into(), reason: reason.to_string(), exit };
                knobs(w, Side::B).next("TAKEOVER HADR", fail);
            });
            let told = format!("{code} {reason}, dead {dead}: {}", stopped.says);
            assert!(stopped.says.contains(code.trim_end_matches(['N', 'W', 'C'])), "{told}");
            assert_eq!(promotions(&stopped.world()), 0, "{told}");
            let history: Vec<String> = stopped.world().db2().expect("a pair").machine(Side::B).history().to_vec();
            assert_eq!(history.iter().filter(|c| c.starts_with("TAKEOVER")).count(), 1, "{told}");
            for command in &stopped.commands {
                types(&mut stopped.world(), command);
            }
            stopped.resumed(|_| {});
            assert_eq!(promotions(&stopped.world()), 1, "{told}");
        }
    }
}

/// Behind the pivot the licence is over, the instance does not start, a table space is not there: it stops there with the code and what to
/// do, and goes on when that is done.
#[test]
fn what_fails_behind_the_pivot_is_named_and_gone_on_with() {
    for (call, code, exit, words) in [
        ("DB2START", "SQL8000N", 4, "db2licm"),
        ("DB2START", "SQL6031N", 4, "db2nodes.cfg"),
        ("DB2START", "SQL1220N", 4, "memory"),
        ("START HADR", "SQL1768N", 4, "SQL1768N"),
        ("START HADR", "SQL8008N", 4, "db2licm"),
        ("CONNECT TO", "SQL8000N", 4, "db2licm"),
        ("CONNECT TO", "SQL1117N", 4, "roll-forward"),
        ("SELECT COUNT", "SQL0290N", 4, "LIST TABLESPACES"),
        ("SELECT COUNT", "SQL0964C", 4, "the log is full"),
        ("UPDATE DB CFG", "SQL5123N", 4, "SQL5123N"),
        ("UPDATE ALTERNATE SERVER", "SQL1032N", 4, "db2start"),
    ] {
        // db2gcf, which comes before db2start, does nothing either.
        let spoil = |w: &mut World| {
            w.power(NodeId::A, false);
            w.advance(600_000);
            let fail = |exit| Trouble::Fail { code: code.into(), reason: "0".into(), exit };
            knobs(w, Side::B).always(call, fail(exit));
            if call == "DB2START" {
                knobs(w, Side::B).always("DB2GCF -U", fail(1));
            }
        };
        let stopped = failover(spoil);
        let told = format!("{call} {code}: {}", stopped.says);
        assert!(stopped.says.contains(words) && stopped.says.contains("mn-b"), "{told}");
        assert_eq!(promotions(&stopped.world()), 1, "{told}");
        for command in &stopped.commands {
            types(&mut stopped.world(), command);
        }
        assert!(matches!(stopped.stage.program(Do::Rollback), Some(Ending::Refused { .. })), "{told}");
        stopped.resumed(|w| knobs(w, Side::B).faults.clear());
        assert_eq!(promotions(&stopped.world()), 1, "{told}");
    }
}

/// HADR was dissolved by the failover; the old primary is back.
fn returning(prepare: impl Fn(&mut World)) -> Case {
    let pair = pair_with(|d| d.hadr.after_takeover = AfterTakeover::Stop);
    let over = case_of("dissolved", "failover", pair.clone(), |w| w.power(NodeId::A, false));
    let mut world = after(&over.world, &pair, "failover", NodeId::B);
    comes_back(&mut world, NodeId::A);
    prepare(&mut world);
    world.advance(1_000);
    then(&over, world, "failback", NodeId::A)
}

/// The disk is full for the image, or unreadable; the copy has the log of another cluster: it stops with the code, serves where it
/// served, and goes on when there is room.
#[test]
fn a_backup_that_fails_is_named_and_gone_on_with() {
    for (side, call, code, words) in [
        (Side::B, "BACKUP", "SQL2419N", "no room"),
        (Side::B, "BACKUP", "SQL2059W", "SQL2059"),
        (Side::B, "BACKUP", "SQL2036N", "SQL2036N"),
        (Side::A, "RESTORE", "SQL2542N", "SQL2542N"),
        (Side::A, "RESTORE", "SQL0968C", "no room"),
        (Side::A, "RESTORE", "SQL2530N", "SQL2530N"),
    ] {
        let exit = if code.ends_with('W') { 2 } else { 4 };
        let fail = Trouble::Fail { code: code.into(), reason: "0".into(), exit };
        let stopped = Stopped::of(returning(|w| knobs(w, side).always(call, fail.clone())), |_| {});
        let told = format!("{call} {code}: {}", stopped.says);
        assert!(stopped.says.contains(words), "{told}");
        let world = stopped.world();
        assert!(world.writable(NodeId::B) && !world.writable(NodeId::A), "{told}");
        for command in &stopped.commands {
            types(&mut stopped.world(), command);
        }
        stopped.resumed(|w| knobs(w, side).faults.clear());
        assert!(stopped.world().streaming() && stopped.world().writable(NodeId::A), "{told}");
    }
}

/// The old primary comes back with a new disk: the instance is there, made anew, and nothing else is. It gets a copy; no old one is looked for.
fn new_disk(w: &mut World) {
    db2(w, Side::A, &["db2start"]);
    let dropped = db2(w, Side::A, &["db2", "DROP DATABASE XCATDB"]);
    assert_eq!(dropped.exit, 0, "{dropped:?}");
    w.put_file(NodeId::A, "/etc/services", "ssh\t22/tcp\n");
}

#[test]
fn t67_a_returning_machine_with_a_new_disk() {
    for after_takeover in [AfterTakeover::Keep, AfterTakeover::Stop] {
        for version in [Version::V9_7, Version::V11_5] {
            let pair = pair_with(|d| d.hadr.after_takeover = after_takeover);
            let mut over = case_of("new disk", "failover", pair.clone(), |_| {});
            for side in Side::BOTH {
                knobs(&mut over.world, side).version = version;
            }
            over.world.advance(1_000);
            over.world.power(NodeId::A, false);
            let mut world = world_of(&done(&over));
            comes_back(&mut world, NodeId::A);
            new_disk(&mut world);
            let stage = done(&then(&over, world, "failback", NodeId::A));
            let world = world_of(&stage);
            assert!(world.served() && world.writable(NodeId::A) && world.streaming(), "{after_takeover:?} {version:?}");
            assert_eq!(world.lost_rows(), 0);
        }
    }
}

fn failback_onto_a_new_disk() -> Case {
    let pair = example::procedure();
    let over = case_of("new disk", "failover", pair.clone(), |w| w.power(NodeId::A, false));
    let mut world = after(&over.world, &pair, "failover", NodeId::B);
    comes_back(&mut world, NodeId::A);
    new_disk(&mut world);
    Case { name: "DB2 failback onto a new disk", ..then(&over, world, "failback", NodeId::A) }
}

fn another_pair() -> Case {
    let pair = two_service_nodes(pair_with(renamed));
    let mut case = case_of("DB2 failover of another pair", "failover", pair, |w| w.power(NodeId::A, false));
    for side in Side::BOTH {
        let knobs = knobs(&mut case.world, side);
        (knobs.version, knobs.locale) = (Version::V11_5, Locale::De);
    }
    case.world.advance(1_000);
    case
}

/// hamn killed at records and calls of these runs, the way back from each point before their pivots.
#[test]
fn other_pairs_are_resumed_and_rolled_back() {
    let mut wrong = Wrong::default();
    for (case, nth) in [(failback_onto_a_new_disk(), 19), (another_pair(), 17)] {
        journal_boundaries(&case, nth);
        remote_calls(&case, nth + 6, &mut wrong);
        rollbacks(&case, nth);
    }
    wrong.assert_none();
}

/// Both wrote alone behind a partition: the copy that comes back has what nobody else has. That is kept before it is overwritten.
#[test]
fn t67_logs_that_diverged_are_kept_and_replaced() {
    let pair = example::procedure();
    let mut case = case_of("diverged", "failover", pair, |_| {});
    case.world.strike_in(0, lab::sim::Strike::Link { cut: true });
    // Past the window the primary writes alone.
    case.world.advance(400_000);
    let over = done(&case);
    let mut world = world_of(&over);
    // What was shown before is no less than what is lost: the primary was written to until it was off.
    let shown = over.records().into_iter().flat_map(|r| match r.payload {
        Payload::Outcome { evidence, .. } => evidence,
        _ => Vec::new(),
    });
    let bounds: Vec<_> = shown
        .filter_map(|f| match f {
            Fact::LossBound { bytes, millis } => Some((bytes, millis)),
            _ => None,
        })
        .collect();
    assert!(!bounds.is_empty());
    for (bytes, millis) in bounds {
        assert!(bytes.is_none() && millis.is_none_or(|ms| ms >= 220_000), "{bytes:?} {millis:?}");
    }
    world.strike_in(0, lab::sim::Strike::Link { cut: false });
    comes_back(&mut world, NodeId::A);
    at_boot(&mut world, "detach");
    let back = done(&then(&case, world, "failback", NodeId::A));
    let told = story(&back.records());
    assert!(told.contains("Saved") && told.contains("Restored"), "{told}");
    let state = back.state().expect("a run");
    assert!(state.items.contains_key("divergence"), "what it alone had is kept: {:?}", state.items);
    let world = world_of(&back);
    assert!(world.served() && world.writable(NodeId::A) && world.streaming());
}

/// A set-up and a sync of pairs with other names: nothing of the procedure's own names is left in what is sent.
#[test]
fn no_name_of_the_procedure_is_left_in_another_pair() {
    let pair = pair_with(renamed);
    let world = synced(&pair);
    for workflow in ["setup", "failover", "failback", "drill", "sync"] {
        let case = Case { world: world.clone(), ..case_of("names", workflow, pair.clone(), |_| {}) };
        let stage = Stage::of(&case, Script::default());
        stage.program(Do::Start);
        let told = story(&stage.records()).to_lowercase();
        for name in ["xcatdb", "/var/lib/db2", "port 60000", "db2_hadr_"] {
            assert!(!told.contains(name), "{workflow}: {name}");
        }
    }
    let _: Arc<Pair> = Arc::new(pair);
}
