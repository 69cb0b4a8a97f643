//! The pair with DB2: what xCAT writes is in the log, and the log decides what is there after a takeover.

use workflows::{
    Command,
    model::{Db2, NodeId, Pair},
    vocabulary::db2 as vocabulary,
};

use super::{A, B, on};
use crate::{
    db2::{Role, Side},
    sim::{Network, World},
};

fn pair() -> Pair {
    Pair { database: crate::sample::procedure().database, ..crate::sample::pair() }
}

fn db2(world: &mut World, id: NodeId, statement: &str) -> String {
    let command = Command::new(["/var/lib/db2/sqllib/bin/db2", statement]).user("xcatdb").timeout(200);
    let result = on(world, id, command);
    format!("{} {}", result.exit.unwrap_or(-1), result.stdout)
}

const PEER_WINDOW: &str = "TAKEOVER HADR ON DB XCATDB BY FORCE PEER WINDOW ONLY";

#[test]
fn a_healthy_pair_serves_and_a_node_defined_before_the_crash_is_there_after_the_takeover() {
    for pair in [pair(), crate::sample::procedure()] {
        let mut world = World::healthy(&pair);
        assert!(world.streaming() && world.served() && world.xcatd_works(A));
        assert!(world.writable(A) && !world.writable(B));
        let made = super::xcat(&mut world, A, "mkdef -t node -o cn42 groups=compute,all");
        assert_eq!(made.exit, Some(0), "{made:?}");
        assert_eq!(world.cluster_nodes(B), 13, "replicated by the log");
        world.power(A, false);
        world.advance(62_000);
        assert!(db2(&mut world, B, PEER_WINDOW).starts_with("0 DB20000I"));
        assert_eq!((world.surviving(), world.lost_rows(), world.cluster_nodes(B)), (B, 0, 13));
        assert!(world.acknowledged_rows() > 0 && world.writable(B));
        assert_eq!(world.effect_count("promote b"), 1);
        assert!(world.violations().iter().any(|v| v.invariant == 2), "nobody reported that it is off");
        assert_eq!(world.complaints(), [""; 0]);
    }
}

#[test]
fn what_was_written_after_the_window_is_lost_by_a_forced_takeover() {
    let mut world = World::healthy(&pair());
    world.cut(B, Network::Both, true);
    world.advance(250_000);
    assert!(!world.streaming());
    world.half_dead(A);
    assert!(db2(&mut world, B, PEER_WINDOW).starts_with("4 SQL1770N"));
    assert!(db2(&mut world, B, "TAKEOVER HADR ON DB XCATDB BY FORCE").starts_with("0 "));
    assert!(world.lost_rows() > 0 && world.lost_ms() > 0);
}

#[test]
fn the_old_primary_boots_and_serves_nobody() {
    let mut world = World::healthy(&pair());
    world.power(A, false);
    world.advance(62_000);
    db2(&mut world, B, PEER_WINDOW);
    world.power(A, true);
    world.advance(5_000);
    let stand_in = world.db2().unwrap().machine(Side::A);
    assert_eq!((stand_in.is_up(), stand_in.is_active(), stand_in.role()), (true, false, Some(Role::Primary)));
    let started = super::xcatd(&mut world, A, "start");
    assert_ne!(started.exit, Some(0), "{started:?}");
    assert!(!world.writable(A));
    assert!(db2(&mut world, A, "START HADR ON DB XCATDB AS STANDBY").starts_with("0 "));
    world.advance(20_000);
    assert!(world.streaming());
    assert!(db2(&mut world, A, "TAKEOVER HADR ON DB XCATDB").starts_with("0 "));
    assert!(world.writable(A) && !world.writable(B));
}

#[test]
fn names_addresses_and_files_of_the_machine_are_those_that_db2_sees() {
    let mut world = World::healthy(&pair());
    on(&mut world, B, Command::new(["hostname", "mn1"]));
    // The old name leads to this machine yet: nothing wrong.
    assert!(db2(&mut world, B, "GET DB CFG FOR XCATDB").starts_with("0 "));
    world.put_file(B, "/etc/hosts", "127.0.0.1 localhost\n");
    assert!(db2(&mut world, B, "GET DB CFG FOR XCATDB").starts_with("4 SQL6031N"));
    on(&mut world, B, Command::new(["/var/lib/db2/sqllib/bin/db2gcf", "-u", "-p", "0", "-i", "xcatdb"]));
    assert_eq!(world.file(B, "/var/lib/db2/sqllib/db2nodes.cfg"), Some("0 mn1 0\n"));
    let config = world.pair().db2().clone();
    let group = [vocabulary::connect(&config), vocabulary::may_fail("NONSENSE"), vocabulary::CONNECT_RESET.to_owned()];
    let ran = on(&mut world, A, vocabulary::clp(&config, group));
    assert_eq!(ran.stdout.matches("\n:exit 0\n").count(), 2, "{}", ran.stdout);
    assert!(ran.ok() && ran.stdout.contains("\n:exit 4\n"));
    assert_eq!(on(&mut world, A, vocabulary::role_is(&config, &["STANDBY"])).exit, Some(9));
    let other = Db2 { database: "OTHER".to_owned(), ..config.clone() };
    assert!(on(&mut world, A, vocabulary::role_is(&other, &["absent"])).ok());
    assert_eq!(on(&mut world, A, vocabulary::applications(&config)).stdout, "some\n");
    assert!(on(&mut world, A, vocabulary::hadr(&config)).stdout.contains("Primary Peer"));
    assert_eq!(world.complaints(), [""; 0]);
}

/// Invariant 5: a restore is one over a machine whose role the same job has just heard, and found to be none of a primary's.
#[test]
fn a_restore_without_a_look_at_the_role_is_seen() {
    let restore = |world: &mut World, looks: &[&str], job_between: bool| {
        let config = world.pair().db2().clone();
        for permitted in looks {
            on(world, B, vocabulary::role_is(&config, &[permitted]));
        }
        if job_between {
            world.begin_job(workflows::Place::Node(B), 0);
        }
        db2(world, B, "RESTORE DB XCATDB FROM /nowhere TAKEN AT 20260101000000");
        super::broken(world)
    };
    let world = World::healthy(&pair());
    assert_eq!(restore(&mut world.clone(), &["STANDBY"], false), [0; 0], "the standby's role was heard");
    assert_eq!(restore(&mut world.clone(), &[], false), [5], "nobody asked");
    assert_eq!(restore(&mut world.clone(), &["STANDBY"], true), [5], "another job asked");
    let mut silent = world.clone();
    silent.fail_next("GET DB CFG", 4);
    assert_eq!(restore(&mut silent, &["STANDBY"], false), [5], "unknown is not a role");
}

/// Invariant 4: also where a run goes over and back.
#[test]
fn each_of_two_promotions_raises_the_epoch() {
    let over = |world: &mut World, id: NodeId| {
        assert!(db2(world, id, "TAKEOVER HADR ON DB XCATDB").starts_with("0 "));
        world.advance(20_000);
    };
    let mut world = World::healthy(&pair());
    for id in NodeId::BOTH {
        // What is armed there is another invariant's.
        for path in ["/var/spool/cron/crontabs/root", "/var/spool/cron/crontabs/postgres"] {
            world.remove_file(id, path);
        }
    }
    over(&mut world, B);
    assert_eq!(super::broken(&mut world), [0; 0]);
    let mut hasty = world.clone();
    over(&mut hasty, A);
    assert_eq!(super::broken(&mut hasty), [4], "the first was not followed by a new epoch");
    let path = workflows::vocabulary::epoch_path(world.pair());
    for id in NodeId::BOTH {
        world.put_file(id, &path, "1\n");
    }
    over(&mut world, A);
    assert_eq!(super::broken(&mut world), [0; 0]);
    let late: Vec<u8> = world.violations_at_end().into_iter().map(|v| v.invariant).collect();
    assert_eq!(late, [4], "the second was not");
}

/// Invariant 11: nobody's next boot is set that was not set before.
#[test]
fn t60_a_node_that_was_not_being_installed_is_left_alone() {
    let mut world = World::healthy(&crate::sample::procedure());
    let set = |world: &mut World| {
        on(world, B, Command::new(["/opt/xcat/bin/nimnodeset", "-i", "610image", "cn01"]));
        super::broken(world)
    };
    assert_eq!(set(&mut world), [11]);
    let machine = crate::nim::Object {
        name: "cn01".into(),
        class: "machines".into(),
        kind: "standalone".into(),
        attributes: vec![("Cstate".into(), "BOS installation has been enabled".into())],
    };
    world.nim_mut(A).unwrap().objects.push(machine);
    assert_eq!(set(&mut world), [0; 0]);
}
