//! A set-up of the procedure's pair, whole: from a database in service on one machine to two that replicate.

use std::sync::Arc;

use hamn::{engine::Ending, remote::simulated::Mishap};
use lab::{
    db2::{Call, Side, Version},
    sim::{EndState, Old, World},
};
use workflows::{
    example,
    model::{Database, Db2, Flavour, NodeId, Pair},
};

use crate::{
    campaign::Case,
    hadr::after,
    named::call_of,
    stage::{Do, Script, Stage, story},
};

/// A set-up of a pair that is not formed, after a minute of peace and what `prepare` does.
pub(crate) fn case_of(name: &'static str, pair: Pair, version: Version, old: Old, prepare: fn(&mut World)) -> Case {
    let mut world = World::unformed(&pair, version, old);
    world.advance(60_000);
    prepare(&mut world);
    let workflow = workflows::registry::by_name(Flavour::Db2, "setup").expect("a workflow of that name");
    Case {
        name,
        workflow: Arc::new(workflow),
        pair: Arc::new(pair),
        world,
        decisions: Vec::new(),
        target: NodeId::A,
        holds: |w| w.served() && w.streaming(),
        rebooted,
    }
}

/// Name server and consoles are not started at boot, and are no part of a set-up.
fn rebooted(end: &mut EndState) {
    for node in &mut end.nodes {
        node.helpers.clear();
    }
}

/// The set-ups of the campaign.
pub(crate) fn cases() -> Vec<Case> {
    let procedure = example::procedure;
    vec![
        case_of("DB2 set-up, nothing there", procedure(), Version::V9_7, Old::Nothing, |_| {}),
        case_of("DB2 set-up, DB2 11.5 and a database there", procedure(), Version::V11_5, Old::Standard, |_| {}),
        case_of("DB2 set-up, what is left of a pair", procedure(), Version::V10_5, Old::Standby, |_| {}),
    ]
}

/// A pair whose DB2 is configured otherwise.
fn configured(change: fn(&mut Db2)) -> Pair {
    let mut pair = example::procedure();
    let Database::Db2(db2) = &mut pair.database else { unreachable!("the procedure's pair has DB2") };
    change(db2);
    pair
}

fn backup_directory(pair: &Pair) -> String {
    pair.db2().backup_dir.clone()
}

/// Commands that DB2 of a machine has obeyed and that contain a text.
fn obeyed(world: &World, side: Side, text: &str) -> usize {
    let machine = world.db2().expect("a pair with DB2").machine(side);
    machine.history().iter().filter(|command| command.contains(text)).count()
}

/// A set-up of a pair whose other machine has a database stops with that, has restored nothing, and can be taken back.
#[track_caller]
fn stops(pair: Pair, prepare: fn(&mut World), says: &[&str]) {
    let mut case = case_of("trouble", example::procedure(), Version::V9_7, Old::Standard, prepare);
    case.pair = Arc::new(pair);
    let stage = Stage::of(&case, Script::default());
    let end = stage.program(Do::Start);
    let told = format!("{end:?}\n{}", story(&stage.records()));
    let Some(Ending::Failed { why, .. } | Ending::Stuck { why, .. }) = end else { panic!("{told}") };
    for text in says {
        assert!(why.contains(text), "it does not say {text:?}: {why}\n{told}");
    }
    assert_eq!(obeyed(&stage.scene.lock().unwrap().world, Side::B, "RESTORE"), 0, "{told}");
    assert_eq!(stage.program(Do::Rollback), Some(Ending::RolledBack));
    let world = &mut stage.scene.lock().unwrap().world;
    assert!(world.served() && world.xcatd_works(NodeId::A), "{told}");
    assert_eq!(*stage.violations.lock().unwrap(), Vec::<String>::new());
}

const STALE: &str = "20100805161232";

/// An image that somebody left there, or that an earlier set-up made, on both machines.
fn stale(world: &mut World) {
    let directory = backup_directory(world.pair());
    for id in NodeId::BOTH {
        let path = format!("{directory}/XCATDB.0.xcatdb.NODE0000.CATN0000.{STALE}.001");
        world.put_file(id, &path, "the cluster of another day");
    }
}

#[test]
fn t28_an_image_of_another_day_is_never_restored() {
    let lies = |w: &mut World| {
        stale(w);
        w.db2_mut().expect("a pair").knobs(Side::A).names_image = Some(STALE.to_owned());
    };
    stops(example::procedure(), lies, &[STALE, "it is another one", "mn-a", "ls -l /var/lib/db2/backup"]);
    // That it lies there does not matter.
    let case = case_of("stale", example::procedure(), Version::V9_7, Old::Standard, stale);
    let world = after(&case.world, &case.pair, "setup", NodeId::A);
    assert!((case.holds)(&world));
    assert_eq!(obeyed(&world, Side::B, STALE), 0);
}

/// The image is stamped in the time zone in which the server was started; hamn's machine and root's sessions may have another one.
#[test]
fn t28_a_server_in_another_time_zone() {
    for zone_min in [-720, -60, 60, 345, 840] {
        let mut case = case_of("zone", example::procedure(), Version::V10_5, Old::Nothing, stale);
        case.world.db2_mut().expect("a pair").knobs(Side::A).zone_min = zone_min;
        let world = after(&case.world, &case.pair, "setup", NodeId::A);
        assert!((case.holds)(&world), "{zone_min}");
        assert_eq!(obeyed(&world, Side::B, "RESTORE"), 1, "{zone_min}");
    }
}

#[test]
fn t43_parameters_that_differ_after_the_set_up_are_told_and_another_set_up_cures_them() {
    let case = case_of("differ", example::procedure(), Version::V9_7, Old::Nothing, |_| {});
    let mut world = after(&case.world, &case.pair, "setup", NodeId::A);
    let differ = Call::new(&["db2", "UPDATE DB CFG FOR XCATDB USING HADR_PEER_WINDOW 300"]);
    assert!(world.db2_mut().expect("a pair").call(Side::B, &differ).exit < 4);
    world.advance(1_000);
    let drill = workflows::registry::by_name(Flavour::Db2, "failover").expect("a workflow of that name");
    let stage = Stage::new(world.clone(), case.pair.clone(), Arc::new(drill), NodeId::B, Script::default());
    let end = stage.program(Do::Start);
    let told = format!("{end:?}\n{}", story(&stage.records()));
    assert!(matches!(end, Some(Ending::Failed { .. } | Ending::Stuck { .. })), "{told}");
    assert!(told.contains("HADR_PEER_WINDOW is 300 on mn-b and 120 on mn-a"), "{told}");
    let cured = after(&world, &case.pair, "setup", NodeId::A);
    assert!((case.holds)(&cured));
    for id in NodeId::BOTH {
        assert_eq!(cured.db2_config(id).map(|c| c.get("HADR_PEER_WINDOW").to_owned()).as_deref(), Some("120"));
    }
}

/// The primary reboots when its boot has been guarded: the address that HADR listens at is gone, nothing but a person may give it back, and
/// who does what he is told gets out.
#[test]
fn t5_a_primary_that_loses_its_address_in_the_set_up_is_told_how_to_get_it_back() {
    let case = case_of("reboots", example::procedure(), Version::V9_7, Old::Nothing, |_| {});
    let guard = call_of(&case, "serve.boot-guard");
    let stage = Stage::of(&case, Script { calls: vec![(guard, Mishap::RebootAfter(1))], ..Script::default() });
    let end = stage.program(Do::Start);
    let told = format!("{end:?}\n{}", story(&stage.records()));
    let Some(Ending::Failed { step, why, .. }) = end else { panic!("{told}") };
    assert_eq!(step, "start.primary", "{told}");
    let (says, commands) = workflows::step::told(&why);
    assert!(says.contains("SQL1768N reason code 4"), "{told}");
    let named = |part: &str| commands.iter().any(|(command, _)| command.contains(part));
    assert!(named("ssh root@10.1.47.103 \"ping -c 2 -w 2 9.114.47.103 || { /usr/sbin/mktcpip"), "{commands:#?}");
    assert!(named(&format!("hamn resume {}", crate::stage::RUN)), "{commands:#?}");
    stage.scene.lock().unwrap().world.heal(NodeId::A);
    assert_eq!(stage.program(Do::Resume), Some(Ending::Done), "{}", story(&stage.records()));
    assert!((case.holds)(&stage.scene.lock().unwrap().world));
    assert_eq!(*stage.violations.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn t43_a_port_of_hadr_that_is_the_servers_own() {
    stops(configured(|db2| db2.port = 55_001), |_| {}, &["port 55001 of DB2_HADR_1 is the server's own"]);
    stops(configured(|db2| db2.port = 55_001 - 1), |_| {}, &["or the one after it"]);
}

#[test]
fn t43_a_port_of_hadr_that_is_another_services() {
    let taken = |w: &mut World| w.put_file(NodeId::B, "/etc/services", "ssh 22/tcp\nbackupd 55002/tcp\n");
    stops(
        example::procedure(),
        taken,
        &["/etc/services of mn-b", "backupd 55002/tcp", "wanted is DB2_HADR_2 55002/tcp"],
    );
}

#[test]
fn an_instance_that_is_not_there_is_told() {
    let gone = |w: &mut World| w.remove_file(NodeId::B, "/var/lib/db2/sqllib/db2profile");
    stops(example::procedure(), gone, &["DB2 on mn-b", "no instance in /var/lib/db2"]);
}

#[test]
fn an_instance_that_is_stopped_is_told_with_what_to_type() {
    let stopped = |w: &mut World| {
        assert_eq!(w.db2_mut().expect("a pair").call(Side::B, &Call::new(&["db2stop", "force"])).exit, 0);
    };
    stops(example::procedure(), stopped, &["on mn-b is stopped: db2start"]);
}

#[test]
fn a_database_that_is_not_there_is_not_given_away() {
    stops(configured(|db2| db2.database = "OTHERDB".into()), |_| {}, &["the database on mn-a is \"absent\""]);
}

/// The other machine's is in service for somebody: a primary is never overwritten, whoever asks.
#[test]
fn t11_t45_a_primary_on_the_other_machine() {
    let primary = |w: &mut World| {
        let pair = w.db2_mut().expect("a pair");
        for statement in [
            "UPDATE DB CFG FOR XCATDB USING LOGRETAIN ON HADR_LOCAL_HOST 9.114.47.104 HADR_LOCAL_SVC DB2_HADR_2 HADR_REMOTE_HOST \
             9.114.47.103 HADR_REMOTE_SVC DB2_HADR_1 HADR_REMOTE_INST xcatdb",
            "BACKUP DB XCATDB TO /var/lib/db2/backup",
            "START HADR ON DB XCATDB AS PRIMARY BY FORCE",
            "DEACTIVATE DATABASE XCATDB",
        ] {
            let reply = pair.call(Side::B, &Call::new(&["db2", statement]));
            assert!(reply.exit < 4, "{statement}: {reply:?}");
        }
    };
    stops(example::procedure(), primary, &["the database on mn-b is a primary: it is never overwritten"]);
}
