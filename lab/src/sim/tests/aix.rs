//! Machines with AIX: the vocabulary's calls, and what the world is like afterwards.

use workflows::{vocabulary_aix as words, vocabulary_nim as nim};

use super::*;
use crate::sim::Network;

const A: NodeId = NodeId::A;
const B: NodeId = NodeId::B;

fn world() -> World {
    World::healthy(&crate::sample::procedure())
}

fn ok(world: &mut World, id: NodeId, command: Command) -> String {
    let shown = command.argv.join(" ");
    let result = run(world, id, command);
    assert!(result.ok(), "{shown}: {result:?}");
    result.stdout.trim().to_owned()
}

fn run(world: &mut World, id: NodeId, command: Command) -> ActionResult {
    world.exec_action(Place::Node(id), &Action::Run(command)).unwrap()
}

#[test]
fn t13_a_probe_hears_the_other_machine_silence_or_nothing_at_all() {
    let mut w = world();
    let service = w.pair().service.clone();
    let probe = |w: &mut World| run(w, B, words::arp_probe(&service, &service.address));
    let seen = probe(&mut w);
    assert_eq!(seen.exit, Some(1));
    assert!(seen.stdout.starts_with("answered 02:"), "{seen:?}");
    assert_eq!(run(&mut w, A, words::arp_probe(&service, &service.address)).stdout, "own\n");
    w.power(A, false);
    assert_eq!(probe(&mut w).stdout, "silence\n");
    w.cut(B, Network::Cluster, true);
    assert_eq!((probe(&mut w).exit, probe(&mut w).stdout.as_str()), (Some(2), "deaf\n"));
    assert_eq!(w.complaints(), &[] as &[String]);
}

#[test]
fn t5_mktcpip_moves_the_address_and_a_boot_brings_it_back_unless_it_is_transient() {
    let mut w = world();
    let pair = w.pair().clone();
    let service = &pair.service;
    w.power(A, false);
    ok(&mut w, B, words::arp_probe(service, &service.address));
    ok(&mut w, B, words::mktcpip(service, "en1", &service.host_name, &service.address));
    assert!(w.holds_service(B) && w.neighbour() == Some(B));
    let shown = ok(&mut w, B, words::network());
    assert!(shown.contains("inet en1 9.114.47.103 0xffffffc0") && shown.contains("host aixmn1"), "{shown}");
    assert!(!shown.contains("9.114.47.104"), "{shown}");
    assert_eq!(w.violations().len(), 0, "{:?}", w.violations());
    ok(&mut w, B, words::announce(service, 3));
    w.reboot(Place::Node(B));
    w.advance(10_000);
    assert!(w.holds_service(B), "it is in the database of the machine");
    ok(&mut w, B, words::transient("en1"));
    assert!(w.holds_service(B), "for the next boot only");
    assert_eq!(ok(&mut w, B, words::state_at_boot("en1")), "detach");
    let before = ok(&mut w, B, words::boot_id());
    w.reboot(Place::Node(B));
    w.advance(10_000);
    assert!(!w.holds_service(B));
    assert_ne!(ok(&mut w, B, words::boot_id()), before);
    assert_eq!(ok(&mut w, B, words::machine_id()), pair.node(B).machine_id);
    assert!(ok(&mut w, B, words::clock()).len() > 18);
}

#[test]
fn t48_t56_xcatd_stops_later_than_its_stop_and_is_taken_out_of_the_boot() {
    let mut w = world();
    assert!(ok(&mut w, A, words::lssrc("xcatd")).ends_with(" active"));
    ok(&mut w, A, words::stopsrc("xcatd"));
    assert!(ok(&mut w, A, words::lssrc("xcatd")).ends_with(" stopping"));
    ok(&mut w, A, words::cancel_xcatd());
    assert!(ok(&mut w, A, words::lssrc("xcatd")).ends_with(" inoperative"));
    assert_eq!(ok(&mut w, A, words::lsitab("xcatd")).split(':').nth(2), Some("once"));
    ok(&mut w, A, words::inittab_action("xcatd", "off"));
    assert_eq!(ok(&mut w, A, words::lsitab("xcatd")).split(':').nth(2), Some("off"));
    ok(&mut w, B, words::inittab_action("xcatd", "off"));
    for action in ["stop", "start"] {
        ok(&mut w, A, words::helper_control(workflows::vocabulary::Helper::Dns, action));
    }
    assert!(ok(&mut w, A, words::lssrc("named")).ends_with(" active"));
    assert_eq!(w.complaints(), &[] as &[String]);
}

#[test]
fn t66_nim_is_asked_and_defined_through_the_same_core() {
    let mut w = world();
    let settings = w.pair().nim.clone().unwrap();
    for id in [A, B] {
        w.put_file(id, "/install/nim/scripts/s", "x");
        w.put_file(id, &format!("{}/bos", settings.device), "x");
    }
    ok(&mut w, A, nim::define("script", "/install/nim/scripts/s", "s"));
    let all = ok(&mut w, A, nim::objects("resources"));
    assert!(all.contains("   location    = /install/nim/scripts/s\n") && all.ends_with(":end"), "{all}");
    assert_eq!(run(&mut w, B, nim::master()).exit, Some(12));
    ok(&mut w, B, nim::master_setup(&settings));
    ok(&mut w, B, nim::master());
    assert_eq!(run(&mut w, B, nim::object("s")).exit, Some(53));
    assert_eq!(run(&mut w, B, nim::define("script", "/gone", "s")).exit, Some(154));
    assert_eq!(ok(&mut w, B, nim::exists("/install/nim/scripts")), "there");
    assert_eq!(ok(&mut w, B, nim::exists("/gone")), "gone");
    assert_eq!(w.complaints(), &[] as &[String]);
}
