//! Each family of commands.

use workflows::Stdin;

use super::*;

#[test]
fn identity_clock_and_name() {
    let mut w = world();
    let id = on(&mut w, A, vocabulary::machine_id());
    assert_eq!(id.text(), Some(w.pair().nodes[0].machine_id.as_str()));
    let before = on(&mut w, A, vocabulary::boot_id()).stdout;
    assert_eq!(on(&mut w, A, vocabulary::boot_id()).stdout, before);
    w.reboot(Place::Node(A));
    w.advance(60_000);
    assert_ne!(on(&mut w, A, vocabulary::boot_id()).stdout, before);
    assert_eq!(on(&mut w, B, vocabulary::host_name()).text(), Some("mn2"));
    w.clock_offset(B, 7_000);
    let now = w.now_ms();
    let nanoseconds: u64 = on(&mut w, B, vocabulary::clock()).text().unwrap().parse().unwrap();
    assert_eq!(nanoseconds / 1_000_000, now + 7_000);
    let missing = on(&mut w, B, vocabulary::cat("/no/such"));
    assert_eq!((missing.exit, missing.stdout.as_str()), (Some(1), ""));
}

#[test]
fn host_names_last_until_the_next_boot() {
    let mut w = world();
    assert!(on(&mut w, B, vocabulary::set_host_name("mn1")).ok());
    assert_eq!(on(&mut w, B, vocabulary::host_name()).text(), Some("mn1"));
    w.reboot(Place::Node(B));
    w.advance(60_000);
    assert_eq!(on(&mut w, B, vocabulary::host_name()).text(), Some("mn2"));
}

#[test]
fn addresses_are_listed_added_and_taken() {
    let mut w = world();
    let listing = on(&mut w, A, vocabulary::addresses()).stdout;
    assert_eq!(
        listing,
        "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n\
         2: eth0    inet 10.77.0.11/24 brd 10.77.0.255 scope global eth0\\       valid_lft forever preferred_lft forever\n\
         3: adm0    inet 10.78.0.11/24 brd 10.78.0.255 scope global adm0\\       valid_lft forever preferred_lft forever\n\
         2: eth0    inet 10.77.0.10/24 brd 10.77.0.255 scope global secondary eth0\\       valid_lft forever preferred_lft forever\n"
    );
    let again = on(&mut w, A, vocabulary::address_add(SERVICE, 24, "eth0"));
    assert_eq!((again.exit, again.stderr.as_str()), (Some(2), "RTNETLINK answers: File exists\n"));
    assert!(on(&mut w, A, vocabulary::keep_secondaries("eth0")).ok());
    assert!(on(&mut w, A, vocabulary::address_del(SERVICE, 24, "eth0")).ok());
    let again = on(&mut w, A, vocabulary::address_del(SERVICE, 24, "eth0"));
    assert_eq!((again.exit, again.stderr.as_str()), (Some(2), "RTNETLINK answers: Cannot assign requested address\n"));
    assert!(!w.holds_service(A));
    let wrong = on(&mut w, A, vocabulary::address_add(SERVICE, 24, "ens3"));
    assert!(!wrong.ok() && wrong.stderr.contains("ens3"), "t16: interfaces have other names on the other machine");
}

#[test]
fn arping_probes_asks_and_announces() {
    let mut w = world();
    let probe = on(&mut w, B, vocabulary::arp_probe(SERVICE, "ens3"));
    assert_eq!(probe.exit, Some(1));
    assert!(probe.stdout.contains(&format!("Unicast reply from {SERVICE} [{}]", World::mac(A))), "{}", probe.stdout);
    let asked = on(&mut w, B, vocabulary::arp_ask(SERVICE, "ens3"));
    assert_eq!(asked.exit, Some(0));
    let own = on(&mut w, A, vocabulary::arp_probe(SERVICE, "eth0"));
    assert_eq!(own.exit, Some(0), "one's own address does not answer");
    assert!(own.stdout.ends_with("Received 0 response(s)\n"));
    assert_eq!(on(&mut w, B, vocabulary::arp_probe(SERVICE, "eth0")).exit, Some(2), "no such interface");
    assert_eq!(on(&mut w, B, vocabulary::arp_announce(SERVICE, "ens3", false, 1)).exit, Some(2), "not its address");
    w.power(A, false);
    assert_eq!(on(&mut w, B, vocabulary::arp_ask(SERVICE, "ens3")).exit, Some(1));
    assert_eq!(w.neighbour(), Some(A), "the caches are stale");
    take_address(&mut w, B);
    assert_eq!(w.neighbour(), Some(B));
}

#[test]
fn fencing_by_agent() {
    let mut w = world();
    let on_ = fence(&mut w, A, "status");
    assert_eq!((on_.exit, on_.stdout.as_str()), (Some(0), "Status: ON\n"));
    let off = fence(&mut w, A, "off");
    assert_eq!((off.exit, off.stdout.as_str()), (Some(0), "Success: Powered OFF\n"));
    assert!(!w.powered(A) && w.powered(B));
    assert_eq!(fence(&mut w, A, "off").stdout, "Success: Already OFF\n");
    let off = fence(&mut w, A, "status");
    assert_eq!((off.exit, off.stdout.as_str()), (Some(2), "Status: OFF\n"));
    assert_eq!(w.effect_count("power-off a"), 1);
    assert!(fence(&mut w, A, "on").ok());
    assert!(w.powered(A) && !w.reachable(Place::Node(A)), "it boots");
    w.advance(60_000);
    assert!(w.reachable(Place::Node(A)) && !w.holds_service(A), "t5: the address is not of the boot");
}

#[test]
fn the_fence_device_says_who_it_is() {
    let mut w = world();
    let command = vocabulary::fence_identity(&w.pair().nodes[0].fence).unwrap();
    assert_eq!(at(&mut w, Place::Controller, command).stdout, "System GUID  : 00000000-0000-0000-0000-000000000011\n");
}

#[test]
fn a_fence_call_without_its_password_file_goes_nowhere() {
    let mut w = world();
    let mut command = vocabulary::fence(&w.pair().nodes[0].fence, "off").unwrap();
    if let Stdin::Parts(parts) = &mut command.stdin {
        for part in parts {
            if let workflows::script::StdinPart::SecretFile(path) = part {
                "/no/such".clone_into(path);
            }
        }
    }
    assert!(!at(&mut w, Place::Controller, command).ok());
    assert!(w.powered(A));
}

#[test]
fn what_is_started_at_boot_and_what_runs() {
    let mut w = world();
    assert_eq!(on(&mut w, A, vocabulary::at_boot("postgresql")).text(), Some("yes"));
    assert_eq!(on(&mut w, A, vocabulary::at_boot("xcatd")).text(), Some("no"));
    assert_eq!(on(&mut w, A, vocabulary::xcatd_processes()).text(), Some("6"));
    assert_eq!(on(&mut w, B, vocabulary::xcatd_processes()).text(), Some("0"));
    assert_eq!(on(&mut w, A, vocabulary::restore_processes()).text(), Some("0"));
    assert_eq!(on(&mut w, A, vocabulary::helper_processes(vocabulary::Helper::Dhcp)).text(), Some("1"));
    assert!(on(&mut w, A, vocabulary::helper_control(vocabulary::Helper::Dhcp, "stop")).ok());
    assert_eq!(on(&mut w, A, vocabulary::helper_processes(vocabulary::Helper::Dhcp)).text(), Some("0"));
    xcatd(&mut w, A, "stop");
    assert_eq!(on(&mut w, A, vocabulary::xcatd_processes()).text(), Some("1"), "the last process outlives stop");
    w.advance(1_500);
    assert_eq!(on(&mut w, A, vocabulary::xcatd_processes()).text(), Some("0"));
}

#[test]
fn crontabs_are_listed_with_their_paths() {
    let mut w = world();
    let listing = on(&mut w, B, vocabulary::crontabs()).stdout;
    assert!(
        listing.contains("/var/spool/cron/crontabs/postgres:0 5 * * * pg_restore -d xcatdb -c /tmp/xcatdb\n"),
        "{listing}"
    );
    assert!(listing.ends_with("\n:end\n"));
    assert_eq!(listing.matches("pg_restore").count(), 1, "no file is listed twice");
}

#[test]
fn cfgloc_without_its_secret() {
    let mut w = world();
    let config = w.pair().xcat.clone();
    assert_eq!(on(&mut w, A, vocabulary::cfgloc_dsn(&config)).text(), Some("Pg:dbname=xcatdb;host=10.77.0.10"));
    assert_eq!(on(&mut w, A, vocabulary::xcatd_ready(&config)).text(), Some("ready"));
    assert!(!on(&mut w, B, vocabulary::xcatd_ready(&config)).ok());
    assert!(on(&mut w, A, vocabulary::remove(&config.cfgloc)).ok());
    assert!(w.file(A, &config.cfgloc).is_none());
    assert!(on(&mut w, A, vocabulary::remove(&config.cfgloc)).ok());
}

#[test]
fn xcat_commands_go_through_the_core() {
    let mut w = world();
    assert!(xcat(&mut w, A, "tabdump site").stdout.contains("\"master\",\"10.77.0.10\",,\n"));
    assert_eq!(xcat(&mut w, A, "nodels").stdout.lines().count(), 12);
    assert_eq!(xcat(&mut w, B, "nodels").exit, Some(111), "no daemon on the standby");
    assert!(xcat(&mut w, A, "mkdef -t node -o late groups=all").ok());
    assert_eq!(w.cluster_nodes(B), 13, "replicated");
    let dns = xcat(&mut w, A, "makedns -n");
    assert!(dns.ok() && dns.stdout.ends_with("DNS setup is completed\n"));
    assert!(w.complaints().is_empty());
}

#[test]
fn what_is_outside_the_vocabulary_is_found() {
    let mut w = world();
    let result = on(&mut w, A, Command::new(["reboot", "-f"]));
    assert_eq!(result.exit, Some(127));
    assert_eq!(xcat(&mut w, A, "rpower all off").exit, Some(127));
    let sql = ask(&mut w, A, "DROP TABLE nodelist");
    assert!(!sql.ok());
    assert_eq!(w.complaints().len(), 3, "{:?}", w.complaints());
}

#[test]
fn time_passes_by_what_commands_cost() {
    let mut w = world();
    let before = w.now_ms();
    on(&mut w, A, vocabulary::arp_probe(SERVICE, "eth0"));
    assert_eq!(w.now_ms() - before, 2_000);
}

#[test]
fn waiting_ends_with_the_condition_or_with_the_limit() {
    let mut w = world();
    xcatd(&mut w, A, "stop");
    let wait = |expect: &str| Action::WaitUntil {
        command: vocabulary::xcatd_processes(),
        expect: expect.to_owned(),
        every_ms: 200,
        limit_s: 5,
    };
    let before = w.now_ms();
    let gone = act(&mut w, A, wait("0"));
    assert_eq!(gone.text(), Some("0"));
    assert!(w.now_ms() - before < 2_000);
    let before = w.now_ms();
    let never = act(&mut w, A, wait("7"));
    assert_eq!((never.exit, never.stdout.as_str()), (Some(ActionResult::TIMED_OUT), "0\n"));
    assert!((4_500..=5_000).contains(&(w.now_ms() - before)));
}
