//! Bad input and faults of the procedure's pair: each run stops before anything is changed for good, and says why.

use std::sync::Arc;

use hamn::engine::Ending;
use lab::{
    db2::{Call, Half, Locale, Side, Trouble},
    sim::{Strike, World},
};
use workflows::{
    example,
    model::{Database, NodeId, Pair},
};

use crate::{
    hadr::case_of,
    stage::{Do, Script, Stage, story},
};

fn db2(world: &mut World, side: Side, words: &str) {
    let pair = world.db2_mut().expect("a pair with DB2");
    let reply = pair.call(side, &Call::new(&["db2", words]));
    assert!(reply.exit < 4, "{reply:?}");
}

/// A failover stops with that, has promoted nothing and can be taken back.
#[track_caller]
fn stops(pair: Pair, prepare: fn(&mut World), says: &str) {
    let mut case = case_of("trouble", "failover", example::procedure(), prepare);
    case.pair = Arc::new(pair);
    case.world.advance(1_000);
    let promoted = case.world.effect_count("promote b");
    let stage = Stage::of(&case, Script::default());
    let end = stage.program(Do::Start);
    let told = format!("{end:?}\n{}", story(&stage.records()));
    assert!(matches!(end, Some(Ending::Failed { .. } | Ending::Stuck { .. })), "{told}");
    assert!(told.contains(says), "it does not say {says:?}: {told}");
    assert_eq!(stage.scene.lock().unwrap().world.effect_count("promote b"), promoted, "{told}");
    assert_eq!(stage.program(Do::Rollback), Some(Ending::RolledBack));
}

#[test]
fn both_databases_primary_and_hamn_does_not_choose() {
    let both = |w: &mut World| {
        w.strike_in(0, Strike::Link { cut: true });
        w.advance(200_000);
        db2(w, Side::B, "TAKEOVER HADR ON DB XCATDB BY FORCE");
    };
    stops(example::procedure(), both, "both databases are PRIMARY");
}

#[test]
fn a_db2_that_hangs_is_not_known() {
    let hangs = |w: &mut World| {
        w.db2_mut().expect("a pair").knobs(Side::B).always("", Trouble::HangBefore);
    };
    stops(example::procedure(), hangs, "role");
}

#[test]
fn t21_clocks_apart() {
    stops(example::procedure(), |w| w.clock_offset(NodeId::B, 60_000), "the clock of mn-b is");
}

#[test]
fn t43_hadr_parameters_that_differ() {
    let differ = |w: &mut World| db2(w, Side::B, "UPDATE DB CFG FOR XCATDB USING HADR_PEER_WINDOW 300");
    stops(example::procedure(), differ, "HADR_PEER_WINDOW is 300 on mn-b and 120 on mn-a");
}

#[test]
fn an_instance_that_is_not_there() {
    let gone = |w: &mut World| w.remove_file(NodeId::B, "/var/lib/db2/sqllib/db2profile");
    stops(example::procedure(), gone, "no instance in /var/lib/db2");
}

#[test]
fn a_database_of_another_name() {
    let mut pair = example::procedure();
    if let Database::Db2(db2) = &mut pair.database {
        db2.database = "OTHERDB".into();
    }
    stops(pair, |_| {}, "SQL1013N");
}

#[test]
fn t74_another_locale_changes_nothing() {
    let case = case_of("locale", "failover", example::procedure(), |w| {
        for side in Side::BOTH {
            w.db2_mut().expect("a pair").knobs(side).locale = Locale::Ru;
        }
    });
    let stage = Stage::of(&case, Script::default());
    assert_eq!(stage.program(Do::Start), Some(Ending::Done), "{}", story(&stage.records()));
    assert!(stage.violations.lock().unwrap().is_empty());
}

/// The role switch ends half-way: two standbys, and nothing stronger is tried by itself.
#[test]
fn two_standbys_after_half_a_takeover() {
    let case = case_of("half", "failover", example::procedure(), |w| {
        w.db2_mut().expect("a pair").knobs(Side::A).half_takeover = Some(Half::ConnectionLost);
    });
    let stage = Stage::of(&case, Script::default());
    let end = stage.program(Do::Start);
    assert!(matches!(end, Some(Ending::Failed { .. } | Ending::Stuck { .. })), "{end:?}");
    let scene = stage.scene.lock().unwrap();
    assert_eq!(scene.world.effect_count("promote b"), 0);
    assert!(stage.violations.lock().unwrap().is_empty());
}
