//! Judgements of effects on captured outputs: fence, schedules, database, address, xCAT, the end.

mod common;

use common::{
    Desk, Machine, NO_FILE, PUSH_LINE, RESTORE_LINE, SITE, done, in_service, is, learned, looked, ok, output, ran,
    standby, step,
};
use journal_schema::{Channel, DatabaseRole, Fact, Power, Tri, Verdict};
use workflows::{
    Action, ActionResult,
    model::{Fence, Flavour, NodeId},
    registry,
    steps::schedules::{self, Surroundings},
};

// ---- fencing

fn bmc() -> Machine {
    Machine::default().says("fence_ipmilan", ran(2, "Status: OFF\n", "")).says(
        "mc guid",
        ok("System GUID  : 31303043-534d-2500-90d8-7a0000000011\nTimestamp    : 03/17/1996 08:47:15\n"),
    )
}

#[test]
fn t02_only_twice_off_is_off() {
    let off = step("failover", &Desk::informed(), "fence.off");
    let (on_, off_) = (ok("Status: ON\n"), ran(2, "Status: OFF\n", ""));
    let pulled = ran(1, "", "Connection timed out\n");
    let unplugged = ran(1, "Failed: Unable to obtain correct plug status or plug is not available\n", "");
    let see = |a: &ActionResult, b: &ActionResult| (off.judge_probe)(&output([a.clone(), b.clone()]));
    is(&see(&off_, &off_), Verdict::Succeeded, "seen 2 times");
    is(&see(&off_, &on_), Verdict::Failed, "is on");
    is(&see(&on_, &on_), Verdict::Failed, "is on");
    for bad in [
        &pulled,
        &unplugged,
        &ok("Status: OFFLINE\n"),
        &ran(0, "Success: Powered OFF\n", ""),
        &ok("off\n"),
        &ran(1, "Status: OFF\n", ""),
    ] {
        is(&see(&off_, bad), Verdict::Unknown, "not known");
        is(&see(bad, bad), Verdict::Unknown, "not known");
        assert_eq!(learned(&see(bad, bad)).power("mn-a"), Power::Unknown);
    }
    is(&(off.judge_probe)(&output([off_])), Verdict::Unknown, "not known");
    is(&done(&off, &bmc()), Verdict::Succeeded, "off");
    // The device that answered *off* once and is silent now proves nothing.
    is(
        &looked(&step("failover", &Desk::informed(), "promote.fenced"), &bmc().says("fence_ipmilan", pulled)),
        Verdict::Unknown,
        "not known",
    );
    is(
        &looked(&step("failover", &Desk::informed(), "promote.fenced"), &bmc().says("fence_ipmilan", on_)),
        Verdict::Failed,
        "is on",
    );
}

#[test]
fn t06_the_wrong_device_is_never_switched() {
    let desk = Desk::informed();
    let context = desk.context();
    let fence = registry::by_name(Flavour::Postgres, "failover").unwrap();
    let steps = (fence.row("fence by device").unwrap().steps)(&context);
    let identity = steps.iter().find(|s| s.id == "fence.identity").unwrap();
    let off = steps.iter().find(|s| s.id == "fence.off").unwrap();
    assert!(identity.stage < off.stage, "asked before anything is switched");
    let says = |text: &str| looked(identity, &bmc().says("mc guid", ok(text)));
    is(&looked(identity, &bmc()), Verdict::Succeeded, "the pinned one");
    is(&says("System GUID  : 31303043-534D-2500-90D8-7A0000000011\n"), Verdict::Succeeded, "");
    is(&says("System GUID  : 31303043-534d-2500-90d8-7a0000000099\n"), Verdict::Failed, "pinned is");
    is(&says("System GUID  : 31303043-534d-2500-90d8-7a0000000012\n"), Verdict::Failed, "that of mn-b itself");
    is(&says("Get GUID command failed\n"), Verdict::Unknown, "does not say who it is");
    // And it is refused before anything is changed at all.
    let look = step("failover", &desk, "observe.device");
    is(&looked(&look, &bmc().says("mc guid", ok("System GUID  : 1\n"))), Verdict::Failed, "pinned is");
    let silent = bmc().says("fence_ipmilan", ran(1, "", "timeout\n")).says("mc guid", ran(1, "", "timeout\n"));
    is(&looked(&look, &silent), Verdict::Succeeded, "does not say who it is");
    let silent = looked(&step("failover", &desk, "observe.fence"), &silent);
    is(&silent, Verdict::Succeeded, "Unknown");
    assert_eq!(learned(&silent).power("mn-a"), Power::Unknown);
}

/// A device that does not answer holds a look up for ten seconds, one that is known to be slow for as long as it was given.
#[test]
fn a_silent_device_is_not_waited_for_long() {
    let mut desk = Desk::informed();
    let waits = |desk: &Desk| {
        ["observe.fence", "observe.device"].map(|id| {
            let step = step("failover", desk, id);
            assert_eq!(step.stage, 0, "side by side");
            match &step.probe.actions[..] {
                [(Action::Run(command), _)] => command.timeout_s,
                other => panic!("one question: {other:?}"),
            }
        })
    };
    assert_eq!(waits(&desk), [10, 10]);
    // And no longer when it is to be fenced by it: once, where it was silent at the look.
    let identity = step("failover", &desk, "fence.identity");
    assert_eq!((identity.retries, identity.timeout_s), (0, 25));
    desk.learn(&[Fact::Answers { node: "mn-a".into(), channel: Channel::Bmc, answer: Tri::Yes }]);
    assert_eq!(step("failover", &desk, "fence.identity").retries, 1);
    if let Fence::Agent { options, .. } = &mut desk.pair.nodes[0].fence {
        options.push(("login_timeout".into(), "5".into()));
        options.push(("power_timeout".into(), "20".into()));
    }
    assert_eq!(waits(&desk), [25, 25]);
}

#[test]
fn two_machines_on_one_device_are_refused() {
    let mut desk = Desk::informed();
    desk.pair.nodes[1].fence = desk.pair.nodes[0].fence.clone();
    is(&looked(&step("failover", &desk, "fence.identity"), &bmc()), Verdict::Failed, "that of mn-b itself");
}

#[test]
fn a_fence_command_is_read_to_the_letter() {
    let mut desk = Desk::informed();
    desk.pair.nodes[0].fence = Fence::Command { argv: vec!["pdu".into(), "7".into()], identity: Some("pdu-7".into()) };
    let off = step("failover", &desk, "fence.off");
    let see = |text: &str| (off.judge_probe)(&output([ok(text), ok(text)]));
    is(&see("off\n"), Verdict::Succeeded, "");
    is(&see("on\n"), Verdict::Failed, "");
    for text in ["of\n", "off", "OFF\n", "offline\n", "off\non\n"] {
        is(&see(text), Verdict::Unknown, "not known");
    }
}

#[test]
fn t02_a_word_counts_only_when_nothing_contradicts() {
    let mut desk = Desk::informed();
    desk.pair.nodes[0].fence = Fence::Attestation;
    is(&looked(&step("failover", &desk, "fence.silent"), &standby()), Verdict::Failed, "nobody attested");
    desk.learn(&[Fact::Attested { node: "mn-a".into(), by: "olga".into(), text: "both cords pulled".into() }]);
    let silent = step("failover", &desk, "fence.silent");
    is(&looked(&silent, &standby()), Verdict::Succeeded, "answers nowhere");
    let mac = "ARPING 10.77.0.11 from 10.77.0.12 ens3\nUnicast reply from 10.77.0.11 [02:00:0A:4D:00:0A]  0.614ms\nSent 1 probes (1 broadcast(s))\nReceived 1 response(s)\n";
    is(&looked(&silent, &standby().says("arping -f", ok(mac))), Verdict::Failed, "02:00:0A:4D:00:0A answers ARP");
    is(&looked(&silent, &standby().says("pg_isready", ok(""))), Verdict::Failed, "its database answers");
    is(&looked(&silent, &standby().says("pg_isready", ran(1, "", ""))), Verdict::Failed, "its database answers");
    is(
        &looked(&silent, &standby().says("arping -f", ran(2, "", "arping: socket: Operation not permitted\n"))),
        Verdict::Unknown,
        "could not be asked",
    );
    is(&looked(&silent, &standby().says("LOWER_UP", ran(1, "", ""))), Verdict::Failed, "no carrier");
    // With a device all the same, the device is asked.
    desk.pair.nodes[0].fence = common::pair().nodes[0].fence.clone();
    is(
        &looked(&step("failover", &desk, "fence.status"), &bmc().says("fence_ipmilan", ok("Status: ON\n"))),
        Verdict::Failed,
        "says on",
    );
}

// ---- schedules

#[test]
fn t22_an_armed_job_stops_the_promotion() {
    let ready = step("failover", &Desk::informed(), "promote.ready");
    is(&looked(&ready, &standby()), Verdict::Failed, "can still fire");
    let quiet = standby().says("crontabs", ok("/etc/crontab:SHELL=/bin/sh\n:end\n"));
    is(&looked(&ready, &quiet), Verdict::Succeeded, "");
    is(&looked(&ready, &quiet.clone().says("pg_restore|restorexCATdb", ok("1\n"))), Verdict::Failed, "1 restores run");
    is(&looked(&ready, &quiet.says("crontabs", ok("/etc/crontab:SHELL=/bin/sh\n"))), Verdict::Unknown, "whole");
}

#[test]
fn t22_disarmed_is_what_the_listing_shows() {
    let disarm = step("failover", &Desk::informed(), "disarm.target");
    assert!(disarm.script.listing().contains(RESTORE_LINE));
    let judgement = done(&disarm, &standby());
    is(&judgement, Verdict::Failed, "can still fire");
    let judgement = done(&disarm, &in_service());
    is(&judgement, Verdict::Succeeded, "no crontab, script or timer");
    assert_eq!(learned(&judgement).jobs().map(|j| j.3).collect::<Vec<_>>(), [Tri::No]);
    let other = step("switchover", &Desk::informed(), "disarm.other");
    assert!(other.script.listing().contains(PUSH_LINE));
}

// ---- the database

#[test]
fn t40_promoted_is_primary_on_a_later_timeline() {
    let promote = step("failover", &Desk::informed(), "promote.database");
    let end = |answer: ActionResult, role: &str| {
        done(&promote, &in_service().says("pg_promote", answer).says("pg_is_in_recovery", ok(role)))
    };
    let (new, old, still) =
        ("primary|7411000000000000001|2\n", "primary|7411000000000000001|1\n", "standby|7411000000000000001|1\n");
    is(&end(ok("t\n"), new), Verdict::Succeeded, "timeline 2");
    is(&end(ok("t\n"), old), Verdict::Unknown, "nobody promoted it");
    is(&end(ok("t\n"), still), Verdict::Failed, "still a standby");
    is(
        &end(ran(0, "f\n", "WARNING:  server did not promote within 60 seconds\n"), still),
        Verdict::Unknown,
        "still a standby",
    );
    is(&end(ran(ActionResult::TIMED_OUT, "", ""), still), Verdict::Unknown, "");
    is(&end(ran(ActionResult::TIMED_OUT, "", ""), new), Verdict::Succeeded, "");
    is(&end(ran(1, "", "ERROR:  recovery is not in progress\n"), new), Verdict::Succeeded, "");
    let nobody = "psql: error: connection to server on socket \"/var/run/postgresql/.s.PGSQL.5432\" failed: No such file or directory\n";
    is(&end(ran(2, "", nobody), still), Verdict::Failed, "no server was reached");
    is(&end(ran(2, "", "server closed the connection unexpectedly\n"), still), Verdict::Unknown, "");
}

const SHUT_DOWN: &str = "pg_control version number:            1300\nDatabase system identifier:           7411000000000000001\nDatabase cluster state:               shut down\nLatest checkpoint location:           0/3000028\nLatest checkpoint's REDO location:    0/3000028\nLatest checkpoint's TimeLineID:       1\n";

#[test]
fn a_database_is_stood_down_when_it_was_shut_down_in_order() {
    let stop = step("switchover", &Desk::informed(), "stand-down.database");
    let nobody = ran(2, "", "psql: error: connection to server on socket failed: No such file or directory\n");
    let down = Machine::default().says("pg_controldata", ok(SHUT_DOWN)).says("pg_is_in_recovery", nobody.clone());
    let judgement = looked(&stop, &down);
    is(&judgement, Verdict::Succeeded, "in order");
    assert_eq!(learned(&judgement).database("mn-a").0, DatabaseRole::Down);
    assert!(matches!(learned(&judgement).log("mn-a"), Some(Fact::LogPosition { written: Some(50_331_688), .. })));
    let crashed = SHUT_DOWN.replace("shut down", "in production");
    is(&looked(&stop, &down.clone().says("pg_controldata", ok(&crashed))), Verdict::Failed, "in production");
    is(
        &looked(&stop, &down.clone().says("pg_is_in_recovery", ok("primary|7411000000000000001|1\n"))),
        Verdict::Failed,
        "still runs",
    );
    is(&looked(&stop, &down.says("pg_controldata", ok(&SHUT_DOWN[..120]))), Verdict::Unknown, "nothing of use");
}

#[test]
fn a_switch_waits_until_the_standby_has_everything() {
    let mut desk = Desk::informed();
    desk.learn(&[
        Fact::Database { node: "mn-a".into(), role: DatabaseRole::Down, system_id: common::SYSTEM.into(), timeline: 1 },
        Fact::LogPosition {
            node: "mn-a".into(),
            written: Some(50_331_688),
            received: None,
            replayed: None,
            last_commit_ms: None,
            last_message_ms: None,
        },
    ]);
    let compare = step("switchover", &desk, "compare.positions");
    let at = |n: u64| {
        looked(
            &compare,
            &standby().says("pg_last_wal_receive_lsn", ok(&format!("{n}|{n}|1768478460000|||1768478461000|\n"))),
        )
    };
    let judgement = at(50_331_808);
    is(&judgement, Verdict::Succeeded, "ended at 50331688");
    assert_eq!(learned(&judgement).loss(), (Some(0), Some(0)));
    is(&at(50_331_688), Verdict::Succeeded, "");
    is(&at(50_331_687), Verdict::Failed, "1 bytes are missing");
    // A primary that is not known to be down has no end.
    is(&looked(&step("switchover", &Desk::informed(), "compare.positions"), &standby()), Verdict::Unknown, "not known");
}

#[test]
fn t49_clients_are_let_in() {
    let readdress = step("failover", &Desk::informed(), "readdress.database");
    is(&looked(&readdress, &in_service()), Verdict::Succeeded, "answers at 10.77.0.10");
    is(
        &looked(&readdress, &in_service().says("cat /etc/postgresql/15/main/pg_hba.conf", ok("local all all peer\n"))),
        Verdict::Failed,
        "lacks",
    );
    is(&looked(&readdress, &in_service().says("pg_hba_file_rules", ok("2\n"))), Verdict::Failed, "cannot read 2 lines");
    is(&looked(&readdress, &in_service().says("pg_isready", ran(2, "", ""))), Verdict::Failed, "does not answer");
    is(&looked(&readdress, &in_service().says("pg_isready", ran(1, "", ""))), Verdict::Failed, "does not answer");
}

#[test]
fn t35_cfgloc_names_the_service_address() {
    let cfgloc = step("failover", &Desk::informed(), "readdress.cfgloc");
    is(&looked(&cfgloc, &in_service()), Verdict::Succeeded, "10.77.0.10");
    is(&looked(&cfgloc, &standby()), Verdict::Failed, "10.77.0.12, not 10.77.0.10");
    is(
        &looked(&cfgloc, &standby().says("s/|.*//p", ok("Pg:dbname=xcatdb;host=10.77.0.10;port=5432\n"))),
        Verdict::Succeeded,
        "",
    );
    is(
        &looked(&cfgloc, &standby().says("s/|.*//p", ok("mysql:dbname=xcatdb;host=10.77.0.10\n"))),
        Verdict::Failed,
        "no PostgreSQL",
    );
    let until = |dsn: &str| {
        let mut desk = Desk::informed();
        desk.learn(&[Fact::Note { node: "mn-b".into(), key: "cfgloc".into(), value: dsn.into() }]);
        step("failover", &desk, "readdress.cfgloc").script.listing()
    };
    assert!(until("Pg:dbname=xcatdb;host=10.77.0.12").contains("and \"|\""));
    assert!(until("Pg:dbname=xcatdb;host=10.77.0.12;port=5433").contains("and \";\""), "the port stays");
}

// ---- address, xcatd, services

#[test]
fn t13_a_foreign_address_is_named() {
    let desk = Desk::informed();
    let mac = ran(
        1,
        "ARPING 10.77.0.10 from 0.0.0.0 ens3\nUnicast reply from 10.77.0.10 [52:54:00:12:34:56]  0.614ms\nSent 1 probes (1 broadcast(s))\nReceived 1 response(s)\n",
        "",
    );
    let foreign = standby().says("arping -D", mac);
    for judgement in [
        looked(&step("failover", &desk, "promote.address-free"), &foreign),
        done(&step("failover", &desk, "address.take"), &foreign),
    ] {
        is(&judgement, Verdict::Failed, "52:54:00:12:34:56 answers ARP for 10.77.0.10");
    }
    // Exit 1 without a reply is a bad option, not silence; nor is success without a count.
    is(
        &looked(
            &step("failover", &desk, "promote.address-free"),
            &standby().says("arping -D", ran(1, "", "arping: invalid argument: '0.3'\n")),
        ),
        Verdict::Failed,
        "could not be asked",
    );
    is(
        &looked(&step("failover", &desk, "promote.address-free"), &standby().says("arping -D", ok(""))),
        Verdict::Failed,
        "could not be asked",
    );
    is(&done(&step("failover", &desk, "address.take"), &in_service()), Verdict::Succeeded, "holds 10.77.0.10");
    is(&done(&step("failover", &desk, "address.take"), &standby()), Verdict::Failed, "does not hold");
}

#[test]
fn an_address_is_read_whole() {
    use workflows::steps::read::holds;
    let lines = "1: lo    inet 127.0.0.1/8 scope host lo\n2: ens3    inet 10.77.0.100/24 scope global ens3\n";
    assert_eq!(holds(&ok(lines), "10.77.0.10"), Tri::No);
    assert_eq!(holds(&ok(lines), "10.77.0.100"), Tri::Yes);
    assert_eq!(holds(&ok(""), "10.77.0.10"), Tri::Unknown);
    assert_eq!(holds(&ran(1, lines, ""), "10.77.0.100"), Tri::Unknown);
    assert_eq!(holds(&ok(lines.trim_end()), "10.77.0.10"), Tri::Unknown);
}

#[test]
fn t52_xcatd_is_proven_by_what_it_shows() {
    let xcatd = step("failover", &Desk::informed(), "xcatd.restart");
    let shows = |answer: ActionResult| {
        done(&xcatd, &in_service().says("tabdump site", answer).says("xcatd-ready", ok("ready\n")))
    };
    is(&shows(ok(SITE)), Verdict::Succeeded, "site table");
    is(&shows(ok("#key,value,comments,disable\n")), Verdict::Failed, "no master");
    is(&shows(ok("")), Verdict::Failed, "no table");
    is(&shows(ran(1, "", "Error: Permission denied for request\n")), Verdict::Failed, "Permission denied");
    is(
        &shows(ran(
            111,
            "Unable to open socket connection to xcatd daemon on localhost:3001.\n",
            "Connection failure\n",
        )),
        Verdict::Failed,
        "exited 111",
    );
    is(&shows(ran(ActionResult::TIMED_OUT, "", "")), Verdict::Failed, "in time");
    // The restart that never returns is no failure by itself: the table decides.
    let hung = in_service().says("service xcatd restart", ran(ActionResult::TIMED_OUT, "Starting xcatd ", ""));
    is(&done(&xcatd, &hung), Verdict::Succeeded, "site table");
}

#[test]
fn t58_services_are_judged_by_content() {
    let desk = Desk::informed();
    let service = |id: &str, call: &str, answer: ActionResult| {
        let step = step("failover", &desk, id);
        let machine = in_service()
            .says("makedns", ok("DNS setup is completed\n"))
            .says("make", ok(""))
            .says("makedns", ok("Updating zones.\nDNS setup is completed\n"));
        done(&step, &machine.says(call, answer))
    };
    let dns = |answer| service("services.dns", "makedns -n", answer);
    is(&dns(ok("Handling mn1 in /etc/hosts.\nUpdating zones.\nDNS setup is completed\n")), Verdict::Succeeded, "");
    is(&dns(ok("Handling mn1 in /etc/hosts.\nUpdating zones.\n")), Verdict::Failed, "did not say");
    is(
        &dns(ran(0, "DNS setup is completed\n", "Error: [mn1]: failed to start named.\n")),
        Verdict::Failed,
        "failed to start named",
    );
    is(&dns(ran(1, "", "Error: [mn1]: domain not defined in site table\n")), Verdict::Failed, "domain not defined");
    let one = "Error: [mn1]: Unable to find an IP for cn07 in hosts table or via system lookup (i.e. /etc/hosts)\n";
    is(&dns(ran(1, "Updating zones.\nDNS setup is completed\n", one)), Verdict::Succeeded, "not for every node: Error");
    is(&dns(ran(1, "Updating zones.\n", one)), Verdict::Failed, "exited 1: Error: [mn1]: Unable to find");
    is(&dns(ran(ActionResult::TIMED_OUT, "DNS setup is completed\n", "")), Verdict::Failed, "in time");
    let dhcp = |call: &str, answer| service("services.dhcp", call, answer);
    let warning = "Warning: [mn1]: No dynamic range specified for 10.77.0.0. If hardware discovery is being used, a dynamic range is required.\n";
    is(
        &dhcp(
            "makedhcp -n",
            ran(0, "Renamed existing dhcp configuration file to  /etc/dhcp/dhcpd.conf.xcatbak\n\n", warning),
        ),
        Verdict::Succeeded,
        "",
    );
    is(&dhcp("makedhcp -n", ran(0, "Usage: makedhcp -n\n       makedhcp -a\n", "")), Verdict::Failed, "Usage");
    let no_syslog = "Error: Unable to log to syslog: no connection to syslog available\n";
    is(&dhcp("makedhcp -n", ran(0, no_syslog, "")), Verdict::Succeeded, "");
    is(&service("services.conserver", "consoles", ok("")), Verdict::Succeeded, "");
    is(&service("services.conserver", "consoles", ran(1, "", "Error: x\n")), Verdict::Failed, "exited 1");
    let old = "Warning: [mn1]: makeconservercf is deprecrated as well as conserver, go to makegocons\n";
    is(&service("services.conserver", "consoles", ran(0, "", old)), Verdict::Succeeded, "");
    let leases = |answer| service("services.leases", "makedhcp -a", answer);
    is(&leases(ok("")), Verdict::Succeeded, "");
    for (answer, why) in [
        (ran(1, "", "Error: [mn1]: dhcp server is not running.  please start the dhcp server.\n"), "not running"),
        (ran(1, "", "Warning: [mn1]: x\nError: [mn1]: Invalid mac address zz for bad2\n"), "Invalid mac address"),
        (ran(ActionResult::TIMED_OUT, "", ""), "in time"),
    ] {
        is(&leases(answer), Verdict::Failed, why);
    }
    // One node among a thousand leaves no run unfinished; it is listed in the end.
    let step = step("failover", &Desk::informed(), "services.leases");
    assert!(step.optional && step.opens.is_some_and(|item| item.command == "makedhcp -a"));
}

#[test]
fn t56_a_service_is_stopped_when_no_process_is_left() {
    let stop = step("switchover", &Desk::informed(), "stop.xcatd");
    assert!(stop.script.listing().contains("# until it prints \"0\""));
    let left = |n: &str| {
        done(
            &stop,
            &Machine::default().says("service xcatd stop", ok("Stopping xcatd  failed!\n")).says("xcatd: ", ok(n)),
        )
    };
    is(&left("0\n"), Verdict::Succeeded, "no process");
    is(&left("1\n"), Verdict::Failed, "still runs");
    is(&left("\n"), Verdict::Unknown, "");
    let stopped = Machine::default().says("dhcpd", ok("")).says("processes dhcpd", ok("0\n"));
    is(&done(&step("switchover", &Desk::informed(), "stop.dhcpd"), &stopped), Verdict::Succeeded, "");
}

// ---- the end

#[test]
fn the_end_is_verified_on_the_machine() {
    let mut desk = Desk::informed();
    desk.learn(&[Fact::Epoch { node: "mn-b".into(), epoch: 4 }]);
    let verify = step("failover", &desk, "verify.target");
    is(&looked(&verify, &in_service()), Verdict::Succeeded, "in service at 10.77.0.10, epoch 4");
    for (call, answer, why) in [
        ("pg_is_in_recovery", ok("standby|7411000000000000001|1\n"), "Standby"),
        ("ip -o -4", ok("1: lo    inet 127.0.0.1/8 scope host lo\n"), "does not show"),
        ("hostname", ok("mn2\n"), "is called mn2"),
        ("epoch", ok("3\n"), "not 4"),
        ("FROM nodelist", ok("3\n"), "wrong one"),
        ("pg_isready", ran(2, "", ""), "does not answer"),
        ("tabdump site", ran(1, "", "Error: Permission denied for request\n"), "Permission denied"),
        ("crontabs", ok(&format!("/etc/crontab:{RESTORE_LINE}\n:end\n")), "can still fire"),
    ] {
        is(&looked(&verify, &in_service().says(call, answer)), Verdict::Failed, why);
    }
    let stepped = Machine::default()
        .says("pg_is_in_recovery", ran(2, "", "psql: error: No such file or directory\n"))
        .says("ip -o -4", ok("1: lo    inet 127.0.0.1/8 scope host lo\n"))
        .says("xcatd: ", ok("0\n"))
        .says("hostname", ok("mn2\n"))
        .says("standby.signal", ok("written by hamn\n"));
    let other = step("switchover", &desk, "verify.other");
    is(&looked(&other, &stepped), Verdict::Succeeded, "stepped down");
    is(
        &looked(&other, &stepped.clone().says("standby.signal", ran(1, "", NO_FILE))),
        Verdict::Failed,
        "would start writable",
    );
    is(&looked(&other, &stepped.clone().says("xcatd: ", ok("2\n"))), Verdict::Failed, "xcatd runs");
    is(
        &looked(&other, &stepped.clone().says("pg_is_in_recovery", ok("primary|7411000000000000001|1\n"))),
        Verdict::Failed,
        "its database runs",
    );
}

/// Before the fence the machine served; when it was powered on again by a rollback it gets back what it had.
#[test]
fn a_rolled_back_primary_serves_again() {
    let claim = step("failover", &Desk::informed(), "claim.other");
    let undo = claim.undo.expect("it can be undone");
    let text = undo.script.listing();
    for part in [
        "arping -D",
        "ip addr add 10.77.0.10/24 dev eth0",
        "hostname mn1",
        "pg_ctlcluster 15 main start",
        "service xcatd restart",
        "release /var/lib/hamn/claim",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let script = undo.script.clone().followed_by(&undo.probe);
    let back = in_service().says("pg_is_in_recovery", ok("primary|7411000000000000001|1\n"));
    is(&(undo.judge)(&back.answer(&script)), Verdict::Succeeded, "serves as before");
    is(&(undo.judge)(&standby().answer(&script)), Verdict::Failed, "does not hold");
    let mut dead = Desk::informed();
    dead.learn(&[Fact::Answers { node: "mn-a".into(), channel: Channel::Ssh, answer: Tri::No }]);
    let context = dead.context();
    let workflow = registry::by_name(Flavour::Postgres, "failover").unwrap();
    let steps = (workflow.row("claim").unwrap().steps)(&context);
    assert_eq!(steps.len(), 1, "a silent machine is not waited for");
    assert_eq!(dead.request.target, NodeId::B);
}

/// Not only crontabs hold jobs, and what a job does mostly stands in a script.
#[test]
fn t22_wrappers_scripts_and_timers_are_jobs_too() {
    let listing = format!(
        "/etc/crontab:17 * * * * root cd / && run-parts --report /etc/cron.hourly\n\
         /var/spool/cron/tabs/root:0 5 * * * /root/bin/nightly\n:runs   pg_restore -d xcatdb -c /tmp/xcatdb\n:runs rsync -a $A $B\n\
         /var/spool/cron/tabs/root:0 6 * * * /root/bin/harmless\n:runs rsync -a /home/ backup.example.org:/srv/home/\n\
         /var/spool/cron/tabs/root:{RESTORE_LINE}\n\
         /etc/cron.daily/copies:    scp /tmp/xcatdb mn2:/tmp/\n/etc/cron.daily/harmless:echo rsync is not run on mn2\n\
         sync.service:ExecStart=-/usr/bin/rsync -a /install/ mn2:/install\n\
         trim.service:ExecStart=/usr/sbin/fstrim --listed-in /etc/fstab\nheld.service:#hamn:run-1: held\n:end\n"
    );
    let desk = Desk::informed();
    let around = Surroundings::of(&desk.pair, []);
    let found = schedules::facts("mn-b", &ok(&listing), &around).expect("a whole listing");
    let holders: Vec<&str> = found
        .iter()
        .map(|f| match f {
            Fact::ScheduledJob { holder, armed: Tri::Yes, .. } => holder.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    let root = "/var/spool/cron/tabs/root";
    assert_eq!(holders, [root, root, "/etc/cron.daily/copies", "sync.service"]);

    let mut desk = Desk::new();
    desk.learn(&found);
    let disarm = step("failover", &desk, "disarm.target");
    let (does, undoes) = (disarm.script.listing(), disarm.undo.as_ref().unwrap().script.listing());
    for part in [
        "edit /var/spool/cron/tabs/root: comment out lines with \"0 5 * * * /root/bin/nightly\"",
        "chmod a-x /etc/cron.daily/copies",
        "write /etc/systemd/system/sync.service.d/hamn.conf (mode 644)",
        "ConditionPathExists=!/",
        "systemctl daemon-reload\nsystemctl stop sync.service",
    ] {
        assert!(does.contains(part), "{part}: {does}");
    }
    for part in [
        "uncomment",
        "chmod a+x /etc/cron.daily/copies",
        "rm -f -- /etc/systemd/system/sync.service.d/hamn.conf\nsystemctl daemon-reload",
    ] {
        assert!(undoes.contains(part), "{part}: {undoes}");
    }
    let item = disarm.opens.clone().expect("an open item");
    assert!(item.command.contains("daemon-reload") && item.command.contains("grep -n"), "{}", item.command);
    // By listing, whatever the commands said: systemd's stop fails for a unit that does not run.
    is(&done(&disarm, &standby().says("schedules", ok(&listing))), Verdict::Failed, "4 jobs can still fire");
    let none = standby()
        .says("schedules", ok("sync.service:#hamn:run-1: held\n:end\n"))
        .says("systemctl stop", ran(5, "", "not loaded\n"));
    is(&done(&disarm, &none), Verdict::Succeeded, "no crontab, script or timer");
}

/// A machine that stepped down and is rebooted must not start a second xcatd.
#[test]
fn t56_xcatd_does_not_start_with_the_machine_that_stepped_down() {
    let stops = |at_boot: Tri| {
        let mut desk = Desk::informed();
        let (node, service) = ("mn-a".into(), "xcatd".into());
        desk.learn(&[Fact::Service { node, service, running: Tri::Yes, at_boot }]);
        let context = desk.context();
        let workflow = registry::by_name(Flavour::Postgres, "switchover").unwrap();
        (workflow.row("stop xcatd").unwrap().steps)(&context).into_iter().find(|s| s.id == "stop.boot")
    };
    assert!(stops(Tri::No).is_none() && stops(Tri::Unknown).is_none());
    let step = stops(Tri::Yes).expect("a step");
    assert!(step.undo.is_some() && step.opens.is_some());
    is(&done(&step, &standby().says("at-boot", ok("no\n"))), Verdict::Succeeded, "starts with mn-a: No");
    is(&done(&step, &standby().says("at-boot", ok("yes\n"))), Verdict::Failed, "starts with mn-a: Yes");
    is(&done(&step, &standby().says("at-boot", ok("unknown\n"))), Verdict::Unknown, "starts with mn-a: Unknown");
}
