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
