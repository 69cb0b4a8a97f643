//! What is found out before anything is changed: machines as strangers have them.

mod common;

use common::{Desk, Machine, is, learned, looked, ok, ran, standby, step};
use journal_schema::{DatabaseRole, Fact, Tri, Verdict};
use workflows::step::told;

const HOST: &str = "uid 0\nlink lo\nlink ens3\nlink ens4\ncarrier ens3\ninet 10.77.0.12/24\nfree 900000 /etc/xcat\nname 10.77.0.10\n:end\n";
const CONTROL: &str = "Database cluster state:               in archive recovery\nDatabase system identifier:           7411000000000000001\nLatest checkpoint location:           0/3000028\n";

/// The standby of a healthy pair.
fn healthy() -> Machine {
    standby()
        .says("preflight", ok(HOST))
        .says("server_version_num", ok("150004\n"))
        .says("config_file')", ok("/etc/postgresql/15/main/postgresql.conf|/etc/postgresql/15/main/pg_hba.conf|\n"))
        .says("pg_controldata -D", ok(CONTROL))
        .says("mgtifname", ok("networks.cluster|ens3\nsite.dhcpinterfaces|mn1|ens3;service|bond0\n"))
}

#[track_caller]
fn refused(machine: &Machine, why: &str) {
    is(&looked(&step("failover", &Desk::new(), "preflight.target"), machine), Verdict::Failed, why);
}

fn host(from: &str, to: &str) -> Machine {
    assert!(HOST.contains(from), "{from}");
    healthy().says("preflight", ok(&HOST.replace(from, to)))
}

#[test]
fn a_healthy_standby_has_what_the_steps_need() {
    let step = step("failover", &Desk::new(), "preflight.target");
    is(&looked(&step, &healthy()), Verdict::Succeeded, "has what the steps need");
    assert!(looked(&step, &healthy()).evidence.is_empty());
    is(&looked(&step, &host(":end\n", "")), Verdict::Unknown, "could not be seen");
    is(&looked(&step, &host(":end\n", ":end")), Verdict::Unknown, "could not be seen");
    // A server that does not run is refused by the assessment, with what to do.
    let down = ran(2, "", "psql: error: connection to server on socket failed: No such file or directory\n");
    is(&looked(&step, &healthy().says("psql -X", down)), Verdict::Succeeded, "");
}

#[test]
fn t78_what_is_missing_is_found_before_the_fence_and_not_behind_it() {
    refused(&host("uid 0", "uid 1000"), "root on mn-b is not root: set ssh_user");
    refused(&host(":end", "missing service\n:end"), "mn-b has no service: install it, or correct the path");
    refused(&host(":end", "foreign arping\n:end"), "not that of iputils");
    refused(&host(":end", "absent /etc/xcat/cfgloc\n:end"), "mn-b has no /etc/xcat/cfgloc");
    refused(&host(":end", "unwritable /etc/xcat/cfgloc\n:end"), "cannot be written");
    refused(&host("free 900000 /etc/xcat", "free 12 /var/lib"), "the disk of /var/lib on mn-b is full (12 KiB left)");
    refused(&host("link ens3\n", ""), "mn-b has no interface ens3, it has ens4");
    refused(&host("carrier ens3\n", ""), "ens3 of mn-b has no carrier");
    refused(&host("inet 10.77.0.12/24", "inet 10.78.0.12/24"), "10.77.0.12 of mn-b is not on ens3");
    // A name that leads elsewhere stops nothing but makedns, and is told.
    let elsewhere =
        looked(&step("failover", &Desk::new(), "preflight.target"), &host("name 10.77.0.10", "name 10.77.0.99"));
    is(&elsewhere, Verdict::Succeeded, "! mn1 is 10.77.0.99 to mn-b, not 10.77.0.10: makedns will fail");
    // All at once: whoever repairs at night wants to know all of it.
    let both =
        looked(&step("failover", &Desk::new(), "preflight.target"), &host(":end", "missing arping\nmissing ip\n:end"));
    assert!(both.why.contains("no arping") && both.why.contains("no ip"), "{}", both.why);
}

/// What a real xCAT does without these is known: commands that refuse, connections that are dropped; all of it behind the pivot.
#[test]
fn t78_what_xcat_configures_and_stands_on_is_there() {
    let without = |what: &str| host(":end", &format!("{what}\n:end"));
    refused(&without("missing named"), "mn-b has no named: install it, or set dns = false in [xcat]");
    refused(&without("missing dhcpd|kea-dhcp4"), "no dhcpd or kea-dhcp4: install it, or set dhcp = false in [xcat]");
    refused(&without("missing conserver|goconserver"), "set conserver = false in [xcat]");
    refused(&without("absent /etc/xcat/cert/server-cred.pem"), "xcatd would answer nobody there; copy /etc/xcat/ca");
    refused(&without("absent /root/.xcat/client-cred.pem"), "xcatd would answer nobody there");
    for (code, text) in [(1, "xcatd: unrecognized service\n"), (4, "Unit xcatd.service could not be found.\n")] {
        refused(&healthy().says("service xcatd status", ran(code, "", text)), "xcatd could not be started on mn-b (");
    }
    // Only what is asked for is wanted, and what stands elsewhere need not be here.
    let looks = |desk: &Desk| step("failover", desk, "preflight.target").probe.listing();
    let all = looks(&Desk::new());
    assert!(all.contains("dhcpd|kea-dhcp4") && all.contains("makeconservercf"), "{all}");
    let mut desk = Desk::new();
    (desk.pair.xcat.dhcp, desk.pair.xcat.conserver) = (false, false);
    assert!(!looks(&desk).contains("dhcpd") && !looks(&desk).contains("conserver"));
    let step = step("failover", &Desk::new(), "preflight.target");
    let fine = |machine: Machine| is(&looked(&step, &machine), Verdict::Succeeded, "has what the steps need");
    fine(without("missing named").says("'externaldns'", ok("master|10.77.0.10\nexternaldns|1\n")));
    fine(without("absent /etc/xcat/cert/server-cred.pem").says("'externaldns'", ok("xcatconfdir|/srv/xcat\n")));
    for (code, text) in [(0, "xcatd service is running\n"), (3, "xcatd service is not running\n")] {
        fine(healthy().says("service xcatd status", ran(code, text, "")));
    }
    // A script of one's own may know no status; what it prints is no ground for a refusal.
    fine(healthy().says("service xcatd status", ran(2, "", "usage: xcatd start|stop|restart\n")));
}

#[test]
fn t35_an_xcatd_on_the_standby_is_told() {
    let step = step("failover", &Desk::new(), "preflight.target");
    is(
        &looked(&step, &healthy().says("xcatd: ", ok("6\n"))),
        Verdict::Succeeded,
        "! xcatd runs on mn-b, whose database",
    );
    is(&looked(&step, &healthy().says("xcatd: ", ok("\n"))), Verdict::Succeeded, "mn-b has what");
}

#[test]
fn t20_a_site_table_that_names_another_master_is_told() {
    let step = step("failover", &Desk::new(), "preflight.target");
    let named = |master: &str| looked(&step, &healthy().says("'externaldns'", ok(&format!("master|{master}\n"))));
    is(&named("10.77.0.99"), Verdict::Succeeded, "! xCAT's site.master is 10.77.0.99, not 10.77.0.10");
    for master in ["10.77.0.10", "mn1", "mn1.cluster.test"] {
        is(&named(master), Verdict::Succeeded, "mn-b has what");
    }
}

#[test]
fn t05_a_server_that_heeds_no_standby_signal_is_refused() {
    for (version, said) in [("90224", "is 9.2:"), ("100023", "is 10.0:"), ("110022", "is 11.0:")] {
        refused(&healthy().says("server_version_num", ok(&format!("{version}\n"))), said);
    }
    let peer = ran(
        2,
        "",
        "psql: error: connection to server on socket failed: FATAL:  Peer authentication failed for user \"postgres\"\n",
    );
    refused(&healthy().says("server_version_num", peer), "Peer authentication failed");
    // standby.signal in a directory that is not the server's guards nothing, on either machine.
    let stale = CONTROL.replace("in archive recovery", "shut down");
    refused(&healthy().says("pg_controldata -D", ok(&stale)), "correct data_dir");
    refused(&healthy().says("pg_controldata -D", ok(&CONTROL.replace("7411", "7412"))), "correct data_dir");
    refused(
        &healthy().says("pg_controldata -D", ran(1, "", "pg_controldata: error: could not open file\n")),
        "no data directory",
    );
    let other = step("switchover", &Desk::new(), "preflight.other");
    let host = ok("uid 0\nlink ens3\nlink eth0\ncarrier ens3\ncarrier eth0\ninet 10.77.0.11/24\n:end\n");
    let primary = healthy().says("preflight", host).says("pg_is_in_recovery", ok("primary|7411000000000000001|1\n"));
    let control = CONTROL.replace("in archive recovery", "in production");
    is(&looked(&other, &primary.clone().says("pg_controldata -D", ok(&control))), Verdict::Succeeded, "");
    is(&looked(&other, &primary.says("pg_controldata -D", ok(&stale))), Verdict::Failed, "correct data_dir");
}

#[test]
fn t05_an_address_that_comes_back_at_boot_is_told() {
    let step = step("failover", &Desk::new(), "preflight.target");
    let seen = looked(&step, &host(":end", "persistent /etc/sysconfig/network-scripts/ifcfg-ens3\n:end"));
    is(
        &seen,
        Verdict::Succeeded,
        "! /etc/sysconfig/network-scripts/ifcfg-ens3 on mn-b gives it 10.77.0.10 at every boot",
    );
    assert!(learned(&seen).note("mn-b", "service address at boot").is_some());
}

#[test]
fn t49_the_server_s_own_files_are_the_ones_that_are_edited() {
    let pgdata = "/var/lib/pgsql/data/postgresql.conf|/var/lib/pgsql/data/pg_hba.conf|\n";
    refused(
        &healthy().says("config_file')", ok(pgdata)),
        "reads /var/lib/pgsql/data/pg_hba.conf, not /etc/postgresql/15/main/pg_hba.conf",
    );
}

#[test]
fn t35_a_cfgloc_that_leads_elsewhere_is_found_early() {
    refused(
        &healthy().says("s/|.*//p", ok("mysql:dbname=xcatdb;host=10.77.0.10\n")),
        "hamn needs Pg:dbname=xcatdb;host=",
    );
    refused(&healthy().says("s/|.*//p", ok("Pg:dbname=xcatdb\n")), "hamn needs Pg:dbname=xcatdb;host=");
    refused(&healthy().says("s/|.*//p", ok("Pg:dbname=other;host=10.77.0.10\n")), "leads to the database other");
    // A port where nobody listens: xcatd would wait there behind the pivot, for hamn writes the host only.
    refused(
        &healthy().says("s/|.*//p", ok("Pg:dbname=xcatdb;host=10.77.0.12;port=5433\n")),
        "leads to port 5433, configured is 5432: write port=5432 there",
    );
    for dsn in ["Pg:host=mn-standby;dbname=xcatdb", "Pg:port=5432;dbname=xcatdb;host=10.77.0.12"] {
        let step = step("failover", &Desk::new(), "preflight.target");
        is(&looked(&step, &healthy().says("s/|.*//p", ok(&format!("{dsn}\n")))), Verdict::Succeeded, "has what");
    }
}

#[test]
fn t16_interfaces_of_the_tables_are_told_before_consent() {
    let step = step("failover", &Desk::new(), "preflight.target");
    let says = |text: &str| looked(&step, &healthy().says("mgtifname", ok(text)));
    let seen = says(
        "networks.cluster|eth1\nnetworks.far|!remote!eth9\nsite.dhcpinterfaces|mn1|eth1,ens4:noboot;service|bond0\n",
    );
    is(&seen, Verdict::Succeeded, "does not have (networks.cluster=eth1, site.dhcpinterfaces=eth1)");
    let mut desk = Desk::informed();
    desk.learn(&seen.evidence);
    let dhcp = common::step("failover", &desk, "services.dhcp");
    let item = dhcp.opens.expect("an open item");
    assert!(item.command.contains("mgtifname=ens3") && item.command.contains("makedhcp -n"), "{}", item.command);
    assert!(common::step("failover", &Desk::informed(), "services.dhcp").opens.is_none());
    is(&says("networks.cluster|ens3\nsite.dhcpinterfaces|ens3,ens4\n"), Verdict::Succeeded, "has what");
    // Without DHCP it does not matter.
    let mut desk = Desk::new();
    desk.pair.xcat.dhcp = false;
    let step = common::step("failover", &desk, "preflight.target");
    is(&looked(&step, &healthy().says("mgtifname", ok("networks.cluster|eth1\n"))), Verdict::Succeeded, "has what");
}

#[test]
fn t10_hamn_is_not_on_the_machine_that_it_powers_off() {
    let step = step("failover", &Desk::new(), "preflight.controller");
    let on = |id: &str| looked(&step, &Machine::default().says("/etc/machine-id", ok(id)));
    is(&on("0000000000000000000000000000a00b\n"), Verdict::Failed, "run it on mn-b or on a third machine");
    is(&on("0000000000000000000000000000a00c\n"), Verdict::Succeeded, "stays on");
    is(&on("5555555555555555555555555555a00c\n"), Verdict::Succeeded, "stays on");
    let none =
        Machine::default().says("/etc/machine-id", ran(1, "", "cat: /etc/machine-id: No such file or directory\n"));
    is(&looked(&step, &none), Verdict::Succeeded, "stays on");
    is(&looked(&step, &Machine::default()), Verdict::Unknown, "could not be seen");
}

/// A standby that is to wait for standbys when it is primary has none then: every commit would hang.
#[test]
fn t55_a_new_primary_waits_for_no_standby() {
    let look = step("failover", &Desk::new(), "preflight.target");
    let names = "/etc/postgresql/15/main/postgresql.conf|/etc/postgresql/15/main/pg_hba.conf|FIRST 1 (mn1, \"m|n\")\n";
    let seen = looked(&look, &healthy().says("config_file')", ok(names)));
    let mut desk = Desk::informed();
    desk.learn(&seen.evidence);
    let step = step("failover", &desk, "readdress.synchronous");
    assert!(step.script.listing().contains("ALTER SYSTEM SET synchronous_standby_names"), "{}", step.script.listing());
    assert!(step.opens.as_ref().is_some_and(|item| item.text.contains("FIRST 1 (mn1, \"m|n\")")));
    let shows = |text: &str| looked(&step, &standby().says("SHOW synchronous", ok(text)));
    is(&shows("\n"), Verdict::Succeeded, "wait for no standby");
    is(&shows("mn1\n"), Verdict::Failed, "waits for mn1");
    is(&looked(&step, &standby()), Verdict::Unknown, "could not be read");
}

/// What stands in a standby's way is told with the command that takes it away.
#[test]
fn t78_a_refusal_names_the_command() {
    let with = |fact: Fact| {
        let mut desk = Desk::informed();
        desk.learn(&[fact]);
        desk
    };
    let role = |role| Fact::Database { node: "mn-a".into(), role, system_id: String::new(), timeline: 1 };
    let primary = || standby().says("pg_is_in_recovery", ok("primary|7411000000000000001|2\n"));
    let down = ran(2, "", "psql: error: connection to server on socket failed: No such file or directory\n");
    let address = Fact::HoldsAddress { node: "mn-b".into(), address: "10.77.0.10".into(), holds: Tri::Yes };
    let claim = ok("run 00000000000000aa by pavel on sn1\n");
    for (desk, machine, command) in [
        (with(address), standby(), "ip addr del 10.77.0.10/24 dev ens3"),
        (with(role(DatabaseRole::Standby)), primary(), "hamn run failover --target mn-a"),
        (with(role(DatabaseRole::Down)), primary(), "hamn plan failover --target mn-b --scripts"),
        (Desk::informed(), standby().says("pg_is_in_recovery", down), "main start"),
        (Desk::informed(), standby().says("claim/text", claim), "rm -r /var/lib/hamn/claim"),
    ] {
        let refused = looked(&step("failover", &desk, "assess.pair"), &machine);
        is(&refused, Verdict::Failed, "");
        assert!(told(&refused.why).1.iter().any(|(c, _)| c.contains(command)), "{:?} lacks {command:?}", refused.why);
    }
    let mut desk = with(role(DatabaseRole::Primary));
    let both = |desk: &Desk| looked(&step("failover", desk, "assess.pair"), &primary());
    let epoch = |node: &str, epoch| Fact::Epoch { node: node.into(), epoch };
    desk.learn(&[epoch("mn-a", 3), epoch("mn-b", 3)]);
    is(&both(&desk), Verdict::Failed, "for a person to say");
    // The old one was switched on again: the epoch tells which.
    desk.learn(&[epoch("mn-b", 4)]);
    is(&both(&desk), Verdict::Failed, "mn-b was promoted last (epoch 4), mn-a is at epoch 3");
    assert!(told(&both(&desk).why).1[0].0.contains("10.77.0.11 poweroff -f"), "{:?}", both(&desk).why);
}

/// The bound is of one moment: a primary that is alive goes on taking commits that do not wait for the standby.
#[test]
fn t30_a_live_primary_loses_more_than_the_moment_shows() {
    let weigh = |desk: &Desk| looked(&step("failover", desk, "assess.pair"), &standby());
    is(&weigh(&Desk::informed()), Verdict::Succeeded, "nothing is lost so far, and what mn-a takes until it is off");
    let mut waits = Desk::informed();
    let note = |key: &str| Fact::Note { node: "mn-a".into(), key: key.into(), value: "1".into() };
    waits.learn(&[note("streaming standbys"), note("synchronous standbys")]);
    assert!(!weigh(&waits).why.contains("so far"), "{:?}", weigh(&waits).why);
}

/// A machine that lets one in and hangs at every command costs half a minute and not the time limits of all commands.
#[test]
fn t08_a_machine_that_hangs_is_not_looked_at_for_minutes() {
    assert!(step("failover", &Desk::new(), "observe.other").timeout_s <= 30);
    assert!(step("failover", &Desk::new(), "observe.target").timeout_s > 30, "that one is needed");
    assert!(step("switchover", &Desk::new(), "observe.other").timeout_s > 30, "and so are both");
}
