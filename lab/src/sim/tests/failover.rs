//! A takeover by hand: in the right order it ends right; each wrong order trips the invariant that forbids it.

use super::*;

fn disarm(w: &mut World, id: NodeId, what: &str, file: &str) {
    let path = format!("/var/spool/cron/crontabs/{file}");
    act(w, id, Action::CommentOut { path, contains: what.into(), tag: "hand".into() });
}

fn fence_twice(w: &mut World) {
    assert!(fence(w, A, "off").ok());
    assert_eq!(fence(w, A, "status").exit, Some(2));
    assert_eq!(fence(w, A, "status").exit, Some(2));
}

fn promote(w: &mut World) {
    let pg = w.pair().postgres().clone();
    assert_eq!(on(w, B, vocabulary::promote(&pg)).text(), Some("t"));
}

fn raise_epoch(w: &mut World, id: NodeId) {
    let path = vocabulary::epoch_path(w.pair());
    assert!(act(w, id, write(&path, "1\n")).ok());
}

fn readdress(w: &mut World) {
    let replace = |path: &str, prefix: &str, after: &str, until: &str, value: &str| Action::ReplaceInLines {
        path: path.into(),
        line_prefix: prefix.into(),
        after: after.into(),
        until: until.into(),
        value: value.into(),
    };
    let dir = "/etc/postgresql/15/main";
    assert!(act(w, B, replace(&format!("{dir}/postgresql.conf"), "listen_addresses", "'", "'", "*")).ok());
    let line = "host    all             all             10.77.0.0/24            md5".to_owned();
    assert!(act(w, B, Action::EnsureLine { path: format!("{dir}/pg_hba.conf"), line }).ok());
    assert!(act(w, B, replace("/etc/xcat/cfgloc", "Pg:", "host=", "|", SERVICE)).ok());
    assert!(database(w, B, "restart").ok());
}

fn services(w: &mut World) {
    assert!(xcatd(w, B, "restart").ok());
    assert!(xcat(w, B, "tabdump site").ok());
    for line in ["makedns -n", "makedhcp -n", "makedhcp -a", "makeconservercf"] {
        assert!(xcat(w, B, line).ok(), "{line}");
    }
}

fn failover(w: &mut World) {
    w.half_dead(A);
    fence_twice(w);
    disarm(w, B, "pg_restore", "postgres");
    promote(w);
    raise_epoch(w, B);
    assert_eq!(take_address(w, B).map(|r| r.exit), [Some(0); 3]);
    on(w, B, vocabulary::set_host_name("mn1"));
    readdress(w);
    services(w);
}

#[test]
fn a_failover_in_the_right_order_ends_right() {
    let mut w = world();
    assert!(xcat(&mut w, A, "mkdef -t node -o before groups=all").ok());
    w.advance(30_000);
    let rows = w.acknowledged_rows();
    failover(&mut w);
    assert_eq!(w.violations_at_end(), []);
    assert_eq!(w.complaints(), [""; 0]);
    assert!(w.served() && w.xcatd_works(B) && w.writable(B) && !w.powered(A));
    assert!(xcat(&mut w, B, "lsdef before").ok(), "what was defined before is found after");
    assert_eq!(w.lost_rows(), 0);
    w.advance(10_000);
    assert!(w.acknowledged_rows() > rows, "the client writes again");
    for effect in ["promote b", "power-off a", "address-add b", "hostname b:mn1"] {
        assert_eq!(w.effect_count(effect), 1, "{effect}: {:?}", w.effects());
    }
    let end = w.end_state();
    assert_eq!(end.nodes[1].timeline, 2);
    assert_eq!(end.neighbour, Some(B));
}

#[test]
fn the_same_failover_twice_ends_the_same_whenever_it_begins() {
    let (mut one, mut two) = (world(), world());
    two.advance(77_777);
    failover(&mut one);
    failover(&mut two);
    assert_eq!(one.end_state(), two.end_state());
}

#[test]
fn a_switchover_in_the_right_order_loses_nothing() {
    let mut w = world();
    w.lag(1_500);
    w.advance(30_000);
    xcatd(&mut w, A, "stop");
    assert!(on(&mut w, A, vocabulary::helper_control(vocabulary::Helper::Dhcp, "stop")).ok());
    disarm(&mut w, B, "pg_restore", "postgres");
    for what in ["rsync", "scp"] {
        disarm(&mut w, A, what, "root");
    }
    assert!(on(&mut w, A, vocabulary::address_del(SERVICE, 24, "eth0")).ok());
    assert!(database(&mut w, A, "stop").ok());
    promote(&mut w);
    raise_epoch(&mut w, B);
    take_address(&mut w, B);
    readdress(&mut w);
    services(&mut w);
    assert_eq!(w.violations_at_end(), []);
    assert!(w.served() && w.powered(A));
    assert_eq!(w.lost_rows(), 0);
}

#[test]
fn t1_promotion_before_the_fence() {
    let mut w = world();
    disarm(&mut w, B, "pg_restore", "postgres");
    for what in ["rsync", "scp"] {
        disarm(&mut w, A, what, "root");
    }
    promote(&mut w);
    assert_eq!(broken(&mut w), [2, 1], "no proof, and two writable databases");
    w.power(A, false);
    assert_eq!(broken(&mut w), [0_u8; 0]);
}

#[test]
fn t2_silence_or_one_report_is_no_proof() {
    for reports in 0..=2 {
        let mut w = world();
        disarm(&mut w, B, "pg_restore", "postgres");
        w.power(A, false);
        for _ in 0..reports {
            fence(&mut w, A, "status");
        }
        promote(&mut w);
        assert_eq!(broken(&mut w), if reports < 2 { vec![2] } else { vec![] }, "{reports}");
    }
    let mut w = world();
    disarm(&mut w, B, "pg_restore", "postgres");
    w.power(A, false);
    w.attest(A);
    promote(&mut w);
    assert_eq!(broken(&mut w), [0_u8; 0], "an operator's word is one");
}

#[test]
fn t13_address_before_or_without_the_probe() {
    let mut w = world();
    assert!(on(&mut w, B, vocabulary::address_add(SERVICE, 24, "ens3")).ok());
    assert_eq!(broken(&mut w), [3, 1], "A answers, nobody asked, and now there are two");
    let mut w = world();
    w.power(A, false);
    on(&mut w, B, vocabulary::address_add(SERVICE, 24, "ens3"));
    assert_eq!(broken(&mut w), [3]);
    let mut w = world();
    w.power(A, false);
    on(&mut w, B, vocabulary::arp_probe(SERVICE, "ens3"));
    w.foreign_arp(Some("52:54:00:12:34:56"));
    on(&mut w, B, vocabulary::address_add(SERVICE, 24, "ens3"));
    assert_eq!(broken(&mut w), [3]);
}

#[test]
fn t14_an_address_that_was_never_announced() {
    let mut w = world();
    w.power(A, false);
    on(&mut w, B, vocabulary::arp_probe(SERVICE, "ens3"));
    on(&mut w, B, vocabulary::address_add(SERVICE, 24, "ens3"));
    assert_eq!(w.violations(), []);
    assert_eq!(w.violations_at_end().len(), 1);
    on(&mut w, B, vocabulary::arp_announce(SERVICE, "ens3", true, 1));
    assert_eq!(w.violations_at_end(), []);
}

#[test]
fn t22_an_armed_restore() {
    let mut w = world();
    fence_twice(&mut w);
    promote(&mut w);
    assert_eq!(broken(&mut w), [6]);
    let mut w = world();
    fence_twice(&mut w);
    disarm(&mut w, B, "pg_restore", "postgres");
    w.restore_running(B, true);
    assert_eq!(on(&mut w, B, vocabulary::restore_processes()).text(), Some("1"));
    promote(&mut w);
    assert_eq!(broken(&mut w), [6]);
}

#[test]
fn t24_the_other_machine_is_armed_to_push() {
    let mut w = world();
    disarm(&mut w, B, "pg_restore", "postgres");
    database(&mut w, A, "stop");
    promote(&mut w);
    assert_eq!(broken(&mut w), [6]);
}

#[test]
fn the_epoch_rises_before_the_service_moves() {
    let mut w = world();
    fence_twice(&mut w);
    disarm(&mut w, B, "pg_restore", "postgres");
    promote(&mut w);
    assert_eq!(w.violations_at_end().len(), 1, "a run may not end so");
    take_address(&mut w, B);
    assert_eq!(broken(&mut w), [4]);
}

#[test]
fn jobs_of_a_lower_epoch_do_not_write() {
    let mut w = world();
    raise_epoch(&mut w, B);
    assert_eq!(w.refuses_epoch(Place::Node(B), 0), Some(1));
    assert_eq!(w.refuses_epoch(Place::Node(B), 1), None);
    w.begin_job(Place::Node(B), 0);
    on(&mut w, B, vocabulary::host_name());
    assert_eq!(broken(&mut w), [0_u8; 0], "looking is free");
    on(&mut w, B, vocabulary::set_host_name("mn1"));
    assert_eq!(broken(&mut w), [4]);
    w.end_job(Place::Node(B));
    on(&mut w, B, vocabulary::set_host_name("mn2"));
    assert_eq!(broken(&mut w), [0_u8; 0]);
}

#[test]
fn t52_xcatd_on_the_wrong_database() {
    let mut w = world();
    xcatd(&mut w, A, "stop");
    assert!(xcatd(&mut w, B, "start").ok(), "it does not mind a standby");
    assert_eq!(broken(&mut w), [7]);
    let mut w = world();
    for n in 1..=3 {
        assert!(xcat(&mut w, A, &format!("rmdef cn{n:02}")).ok());
    }
    xcatd(&mut w, A, "restart");
    assert_eq!(broken(&mut w), [7], "a quarter of the nodes is missing");
}

#[test]
fn two_of_anything() {
    let mut w = world();
    xcatd(&mut w, B, "start");
    assert_eq!(broken(&mut w), [7, 1]);
    let mut w = world();
    on(&mut w, B, vocabulary::helper_control(vocabulary::Helper::Dhcp, "start"));
    assert_eq!(broken(&mut w), [1], "two dhcpd");
    let mut w = world();
    w.power(A, false);
    w.advance(1_000);
    promote(&mut w);
    w.violations();
    w.power(A, true);
    w.advance(60_000);
    assert_eq!(broken(&mut w), [1], "t5: the old primary came back");
}

#[test]
fn a_dry_run_changes_nothing() {
    let mut w = world();
    w.dry_run(true);
    for command in [vocabulary::addresses(), vocabulary::crontabs(), vocabulary::host_name()] {
        on(&mut w, A, command);
    }
    role(&mut w, B);
    fence(&mut w, A, "status");
    assert_eq!(broken(&mut w), [0_u8; 0]);
    act(&mut w, A, write("/tmp/x", "x"));
    assert_eq!(broken(&mut w), [12]);
    fence(&mut w, A, "off");
    assert_eq!(broken(&mut w), [12]);
}

#[test]
fn a_failover_is_cheap() {
    // Not a figure, a guard: a hundred thousand histories must fit into a minute.
    let good = world();
    let mut ends = Vec::new();
    for _ in 0..200 {
        let mut w = good.clone();
        failover(&mut w);
        ends.push(w.end_state());
    }
    assert!(ends.windows(2).all(|w| w[0] == w[1]));
}
