//! Each fault.

use super::{
    super::{AtBoot, Freeze, Lie, Network},
    *,
};
use crate::xcat::Helper;

#[test]
fn power_takes_what_is_volatile_and_the_boot_gives_what_is_configured() {
    let mut w = world();
    w.power(A, false);
    assert!(!w.reachable(Place::Node(A)));
    assert!(w.exec_action(Place::Node(A), &Action::Run(vocabulary::host_name())).is_err());
    w.power(A, true);
    w.advance(60_000);
    assert!(w.reachable(Place::Node(A)) && w.writable(A), "t5: the old primary comes back as one");
    assert!(!w.holds_service(A) && !w.xcatd_works(A));
    w.boots_with(A, AtBoot { database: true, xcatd: true, helpers: true, service_address: true });
    w.reboot(Place::Node(A));
    w.advance(60_000);
    assert!(w.holds_service(A) && w.xcatd_works(A));
}

#[test]
fn cables() {
    let mut w = world();
    w.cut(B, Network::Cluster, true);
    w.advance(1_000);
    assert!(!w.streaming() && w.reachable(Place::Node(B)), "it is reached over its other network");
    assert_eq!(on(&mut w, B, vocabulary::arp_probe(SERVICE, "ens3")).exit, Some(0), "silence proves nothing there");
    w.cut(B, Network::Admin, true);
    assert!(!w.reachable(Place::Node(B)));
    w.cut(B, Network::Both, false);
    w.advance(1_000);
    assert!(w.streaming() && w.reachable(Place::Node(B)));
}

#[test]
fn t2_half_dead_machines_answer_arp_and_nothing_else() {
    let mut w = world();
    w.half_dead(A);
    assert!(!w.reachable(Place::Node(A)) && w.powered(A));
    assert_eq!(on(&mut w, B, vocabulary::arp_probe(SERVICE, "ens3")).exit, Some(1));
    assert_eq!(fence(&mut w, A, "status").stdout, "Status: ON\n");
    ask(&mut w, B, sql::PROMOTE);
    assert!(broken(&mut w).contains(&2), "it has power");
    fence(&mut w, A, "off");
    assert_eq!(on(&mut w, B, vocabulary::arp_probe(SERVICE, "ens3")).exit, Some(0));
}

#[test]
fn t13_somebody_else_answers_for_the_address() {
    let mut w = world();
    w.power(A, false);
    w.foreign_arp(Some("52:54:00:12:34:56"));
    let probe = on(&mut w, B, vocabulary::arp_probe(SERVICE, "ens3"));
    assert_eq!(probe.exit, Some(1));
    assert!(probe.stdout.contains("[52:54:00:12:34:56]"));
    w.foreign_arp(None);
    assert_eq!(on(&mut w, B, vocabulary::arp_probe(SERVICE, "ens3")).exit, Some(0));
}

#[test]
fn devices_out_of_reach_lying_or_another_s() {
    let mut w = world();
    w.bmc_reachable(A, false);
    let status = fence(&mut w, A, "status");
    assert!(!status.ok() && !status.stdout.contains("Status"));
    assert!(!fence(&mut w, A, "off").ok() && w.powered(A));
    w.bmc_reachable(A, true);

    w.bmc_lies(A, Lie::OffDoesNothing);
    assert_eq!(fence(&mut w, A, "off").stdout, "Success: Powered OFF\n");
    assert_eq!(fence(&mut w, A, "status").stdout, "Status: ON\n");
    w.bmc_lies(A, Lie::OffOnce);
    fence(&mut w, A, "off");
    assert_eq!(fence(&mut w, A, "status").stdout, "Status: OFF\n");
    assert_eq!(fence(&mut w, A, "status").stdout, "Status: ON\n", "hence twice");
    w.bmc_lies(A, Lie::None);

    w.wrong_guid(A, true);
    let command = vocabulary::fence_identity(&w.pair().nodes[0].fence).unwrap();
    assert!(at(&mut w, Place::Controller, command).stdout.contains("deadbeef"));
    assert!(broken(&mut w).is_empty());
    fence(&mut w, A, "off");
    assert!(w.powered(A));
    assert_eq!(broken(&mut w), [11], "t6: somebody else's machine went dark");
}

#[test]
fn commands_hang_before_or_after_their_effect() {
    let mut w = world();
    w.power(A, false);
    w.freeze_next("pg_promote", Freeze::Before);
    let before = w.now_ms();
    let pg = w.pair().postgres().clone();
    assert_eq!(on(&mut w, B, vocabulary::promote(&pg)).exit, Some(ActionResult::TIMED_OUT));
    assert_eq!(w.now_ms() - before, 90_000);
    assert!(!w.writable(B));
    w.freeze("pg_promote", Freeze::After);
    assert_eq!(on(&mut w, B, vocabulary::promote(&pg)).exit, Some(ActionResult::TIMED_OUT));
    assert!(w.writable(B));
    w.thaw();
    assert_eq!(on(&mut w, B, vocabulary::promote(&pg)).exit, Some(1), "it is promoted already");
}

#[test]
fn commands_and_edits_fail_once() {
    let mut w = world();
    w.fail_next("addr show", 5);
    assert_eq!(on(&mut w, A, vocabulary::addresses()).exit, Some(5));
    assert!(on(&mut w, A, vocabulary::addresses()).ok());
    w.fail_next("/var/lib/hamn/epoch", 28);
    assert_eq!(act(&mut w, A, write("/var/lib/hamn/epoch", "1\n")).exit, Some(28));
    assert_eq!(w.epoch(A), 0);
    w.fail_always("hostname", 1);
    assert!(!on(&mut w, A, vocabulary::host_name()).ok() && !on(&mut w, A, vocabulary::host_name()).ok());
}

#[test]
fn t48_xcatd_wedges_when_its_database_s_address_goes_and_only_a_restart_heals_it() {
    let mut w = world();
    assert!(on(&mut w, A, vocabulary::address_del(SERVICE, 24, "eth0")).ok());
    assert_eq!(xcat(&mut w, A, "tabdump site").exit, Some(ActionResult::TIMED_OUT));
    take_address(&mut w, A);
    assert!(xcatd(&mut w, A, "start").stdout.contains("already running"));
    assert_eq!(xcat(&mut w, A, "tabdump site").exit, Some(ActionResult::TIMED_OUT), "the address back heals nothing");
    assert!(xcatd(&mut w, A, "restart").ok());
    assert!(xcat(&mut w, A, "tabdump site").ok());
    w.wedge_xcatd(A);
    assert!(!w.xcatd_works(A) && xcatd(&mut w, A, "status").ok());
}

#[test]
fn xcatd_refuses_without_its_database_and_hangs_when_started_without() {
    let mut w = world();
    database(&mut w, A, "stop");
    let refused = xcat(&mut w, A, "tabdump site");
    assert_eq!((refused.exit, refused.stderr.as_str()), (Some(1), "Error: Permission denied for request\n"));
    assert_eq!(xcatd(&mut w, A, "restart").exit, Some(ActionResult::TIMED_OUT));
    database(&mut w, A, "start");
    assert!(xcatd(&mut w, A, "start").ok());
}

#[test]
fn helpers_that_cannot_be_started() {
    let mut w = world();
    w.break_helper(A, Helper::Dns, true);
    let result = xcat(&mut w, A, "makedns -n");
    assert_eq!((result.exit, result.stderr.as_str()), (Some(1), "Error: [mn1]: failed to start named.\n"));
}

#[test]
fn a_healed_machine_is_as_on_the_good_day() {
    let good = world().end_state();
    for harm in [|w: &mut World| w.half_dead(A), |w: &mut World| w.power(A, false), |w: &mut World| w.kill_database(A)]
    {
        let mut w = world();
        harm(&mut w);
        w.advance(5_000);
        assert_ne!(w.end_state(), good);
        w.heal(A);
        w.advance(600_000);
        assert_eq!(w.end_state(), good);
        assert!(w.served() && w.xcatd_works(A));
    }
}

#[test]
fn worlds_of_the_same_story_are_the_same() {
    let story = || {
        let mut w = world();
        w.lag(700);
        w.advance(12_345);
        w.half_dead(A);
        fence(&mut w, A, "off");
        ask(&mut w, B, sql::PROMOTE);
        take_address(&mut w, B);
        w
    };
    assert_eq!(format!("{:?}", story()), format!("{:?}", story()));
    assert_eq!(story().end_state(), story().clone().end_state());
}
