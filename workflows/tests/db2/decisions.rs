//! What is decided on what DB2 says: may it take over, in which form, was it done; may a machine come back. Each of these judgements was
//! seen to fail its test without its guard.

use journal_schema::{
    DatabaseRole, Fact, HadrRole, Mode, TakeoverForm, Tri,
    Verdict::{Failed, Succeeded, Unknown},
};
use workflows::{
    Output,
    db2::{look, promote, takeover::Side, told},
    model::Fence,
    notes,
    script::OnFailure,
    steps::Batch,
    table::AcceptedLoss,
};

use crate::{
    common::{Desk, RESTORE_LINE, RUN, is, learned, looked, ok, output, ran},
    said::{INACTIVE, NOW, config, db2pd, desk, each, machine, returning, row, standby, step},
};

fn with(desk: Desk, facts: &[Fact]) -> Desk {
    let mut desk = desk;
    desk.learn(facts);
    desk
}

fn setting(node: &str, name: &str, value: &str) -> Fact {
    Fact::Setting { node: node.into(), name: name.into(), value: value.into() }
}

fn holds(node: &str, holds: Tri) -> Fact {
    Fact::HoldsAddress { node: node.into(), address: "9.114.47.103".into(), holds }
}

/// The primary died a while ago: nothing of it is known but where its log was.
fn widowed() -> Desk {
    let unknown = Side::UNKNOWN;
    with(desk(), &[crate::common::hadr("mn-a", unknown.role, unknown.active, unknown.state, unknown.connection)])
}

const PENDING: [&str; 3] = ["STANDBY", "REMOTE_CATCHUP_PENDING", "DISCONNECTED"];

fn pending() -> crate::common::Machine {
    machine(PENDING[0], PENDING[1], PENDING[2])
}

// ---- weighing

#[test]
fn t9_t13_t40_t42_t74_what_forbids_a_takeover() {
    let weigh = |desk: &Desk| step("failover", desk, "assess", "assess.pair");
    let seen = looked(&weigh(&desk()), &standby());
    is(&seen, Succeeded, "by a role switch of both databases; nothing is lost");
    assert_eq!(learned(&seen).permitted("mn-b"), Some(TakeoverForm::Plain));
    each(
        &weigh(&desk()),
        [
            (standby().says("claim/text", ok("run 00000000000000aa by pavel on sn1\n")), Failed, "mn-b is claimed"),
            (standby().says("claim/text", ran(1, "", "cat: Permission denied\n")), Unknown, "the claim on mn-b"),
            (standby().says("GET DB CFG", ran(124, "", "")), Unknown, "did not answer in time"),
            (standby().says("GET DB CFG", ok("cut")), Unknown, "are not known"),
            (standby().says("db2pd", ran(124, "", "")), Unknown, "did not answer in time"),
            (machine("PRIMARY", "DISCONNECTED", "DISCONNECTED"), Failed, "both databases are PRIMARY"),
            // Memory and disk of one database disagree on its role: it has none.
            (
                standby().says("GET DB CFG", ok(&config("PRIMARY", "NO", "a", "b"))),
                Failed,
                "role of its database is not known",
            ),
        ],
    );
    for (facts, verdict, why) in [
        (holds("mn-b", Tri::Yes), Failed, "mn-b holds the service address"),
        (holds("mn-b", Tri::Unknown), Unknown, "could not be seen"),
        (setting("mn-a", "HADR_TIMEOUT", "30"), Failed, "HADR_TIMEOUT is 60 on mn-b and 30 on mn-a"),
        (setting("mn-a", notes::MANAGER, "TSA"), Failed, "a cluster manager owns HADR"),
        (Fact::Claimed { node: "mn-a".into(), claim: "run 00000000000000aa by p".into() }, Failed, "mn-a is claimed"),
    ] {
        is(&looked(&weigh(&with(desk(), &[facts])), &standby()), verdict, why);
    }
    // The only primary, and not in service: somebody took over by hand.
    let alone = looked(&weigh(&widowed()), &machine("PRIMARY", "DISCONNECTED", "DISCONNECTED"));
    is(&alone, Failed, "is PRIMARY already, and mn-b does not hold 9.114.47.103");
}

/// A role switch has the old primary powered off afterwards by its device; where there is none, a person's word comes first.
#[test]
fn t1_without_a_device_nothing_changes_roles_before_the_word() {
    let mut desk = desk();
    desk.pair.nodes[0].fence = Fence::Attestation;
    desk.request.accept_unknown_loss = true;
    let seen = looked(&step("failover", &desk, "assess", "assess.pair"), &standby());
    assert_ne!(learned(&seen).permitted("mn-b"), Some(TakeoverForm::Plain), "{}", seen.why);
}

#[test]
fn t30_t40_a_loss_is_shown_and_accepted_or_nothing_is_done() {
    let mut desk = widowed();
    let weigh = |desk: &Desk| looked(&step("failover", desk, "assess", "assess.pair"), &pending());
    let decide = |desk: &Desk| looked(&step("failover", desk, "decide", "decide.takeover"), &pending());
    let ready = |desk: &Desk| looked(&step("failover", desk, "take over by force", "promote.ready"), &pending());
    is(&weigh(&desk), Failed, "that was not accepted");
    is(&decide(&desk), Failed, "that is not what was accepted");
    is(&ready(&desk), Failed, "decided");
    let (_, millis) = learned(&weigh(&desk)).loss();
    assert_eq!(millis, Some(90_100), "since it broke, and what that went unnoticed");
    // Less than what is lost was accepted, then as much.
    desk.request.accept_loss = Some(AcceptedLoss { bytes: None, millis: None });
    is(&decide(&desk), Failed, "that is not what was accepted");
    desk.request.accept_loss = Some(AcceptedLoss { bytes: Some(0), millis });
    for judged in [weigh(&desk), decide(&desk)] {
        is(&judged, Succeeded, "by force");
        assert_eq!(learned(&judged).permitted("mn-b"), Some(TakeoverForm::ByForce));
    }
    is(&ready(&desk), Succeeded, "remote catchup pending");
}

/// What HADR's two clocks may differ, by measuring both, else by what HADR itself says; never nothing.
#[test]
fn t21_the_skew_is_measured_or_unknown() {
    let skew = |desk: &Desk, text: &str, clock| {
        let context = desk.context();
        let mut batch = Batch::default();
        let asked = told::ask(&mut batch, desk.pair.db2());
        let told = asked.told(desk.pair.db2(), &standby().says("db2pd", ok(text)).answer(&batch.script()));
        look::view(&context, &told, clock, true).skew_ms
    };
    let text = db2pd("STANDBY", "PEER", "CONNECTED");
    // Measured: 10 ms apart, each within 10 ms. By HADR: its last message said 1768478401, and came 59 s later.
    assert_eq!(skew(&desk(), &text, Some(NOW)), Some(30));
    let blind = Desk { known: workflows::Known::default(), ..desk() };
    assert_eq!(skew(&blind, &text, Some(NOW)), Some((59 + 2) * 1_000));
    assert_eq!(skew(&blind, &text.replace("PEER_WINDOW_END", "X"), Some(NOW)), None);
    assert_eq!(skew(&blind, &text, None), None);
    // The end of a look is the worse moment for a window that closes.
    let clocks = output([ok("1000000000\n"), ok("3000000000\n")]);
    assert_eq!(look::own_clock(&clocks, [0, 1]), Some(3_000));
}

// ---- looking

#[test]
fn t11_t21_t74_the_look_at_both() {
    let look = |id: &str| step("failover", &desk(), "observe", id);
    each(
        &look("observe.target"),
        [
            (standby(), Succeeded, "the pinned machine; its database: STANDBY, in peer state, connected"),
            (standby().says("uname -f", ok("00F6F5D54C009999\n")), Failed, "is another machine"),
            (standby().says("gettimeofday", ok("1768478471100000000\n")), Failed, "10000 ms off"),
            (standby().says("db2gcf -s", ran(124, "", "")), Unknown, "did not answer in time"),
            (standby().says("schedules", ok("/etc/crontab:#\n")), Unknown, "could not be listed"),
        ],
    );
    // Of a machine that may be dead only its identity is demanded, and nobody waits long for an answer of it.
    is(
        &looked(&look("observe.other"), &standby().says("uname -f", ok("00F6F5D54C009999\n"))),
        Failed,
        "another machine",
    );
    let longest = |id: &str| {
        let limit = |action: &workflows::Action| match action {
            workflows::Action::Run(command) => command.timeout_s,
            _ => 0,
        };
        look(id).probe.actions.iter().map(|(action, _)| limit(action)).max().unwrap()
    };
    assert!(longest("observe.other") <= 10 && longest("observe.target") > 10);
}

/// A database outside HADR takes writes like a primary.
#[test]
fn t11_a_standard_database_is_writable() {
    let side = |role, active| Side { role, active, ..Side::UNKNOWN };
    for (role, active, plain) in [
        (HadrRole::Standard, Tri::Yes, DatabaseRole::Primary),
        (HadrRole::Primary, Tri::Yes, DatabaseRole::Primary),
        (HadrRole::Standby, Tri::Yes, DatabaseRole::Standby),
        (HadrRole::Primary, Tri::No, DatabaseRole::Down),
        (HadrRole::Primary, Tri::Unknown, DatabaseRole::Unknown),
        (HadrRole::Unknown, Tri::Yes, DatabaseRole::Unknown),
    ] {
        assert_eq!(told::plain_role(&side(role, active)), plain, "{role:?} {active:?}");
    }
}

// ---- the takeover

#[test]
fn t11_t22_t40_the_last_look_before_the_takeover() {
    let mut desk = widowed();
    desk.request.accept_unknown_loss = true;
    let force = step("failover", &desk, "take over by force", "promote.ready");
    let window = step("failover", &desk, "take over within the peer window", "promote.ready");
    let broken = || machine("STANDBY", "DISCONNECTED_PEER", "DISCONNECTED");
    let over = db2pd("STANDBY", "DISCONNECTED_PEER", "DISCONNECTED").replace("(1768478521)", "(1768478461)");
    let armed = format!("/var/spool/cron/crontabs/root:{RESTORE_LINE}\n:end\n");
    each(
        &window,
        [
            (broken(), Succeeded, "disconnected peer"),
            (broken().says("db2pd", ok(&over)), Failed, "by force only by now, not by force within the peer window"),
            (broken().says("uname -f", ok("00F6F5D54C009999\n")), Failed, "pinned for mn-b"),
            (broken().says("uname -f", ok("")), Unknown, "did not say which machine"),
            (broken().says("schedules", ok(&armed)), Failed, "can still fire"),
            (broken().says("schedules", ok("/etc/crontab:#\n")), Unknown, "whole"),
            (standby().says("db2pd", ok("cut")), Unknown, "not understood"),
        ],
    );
    // A window that is open after all is no reason to stop.
    each(
        &force,
        [(broken(), Succeeded, ""), (pending(), Succeeded, ""), (machine("PRIMARY", "PEER", "CONNECTED"), Failed, "")],
    );
}

#[test]
fn t4_t13_t73_the_takeover_comes_once_and_after_its_proofs() {
    for (name, ids) in [
        ("take over by force", ["promote.fenced", "promote.address-free", "promote.ready", "promote.database"]),
        (
            "take over within the peer window",
            ["promote.fenced", "promote.address-free", "promote.ready", "promote.database"],
        ),
        ("switch roles", ["switch.ready", "switch.ready", "switch.ready", "switch.database"]),
    ] {
        let steps = row("failover", &desk(), name);
        let find = |id: &str| steps.iter().find(|s| s.id == id).unwrap_or_else(|| panic!("{name}: no {id}"));
        let takeover = find(ids[3]);
        assert_eq!((takeover.mode, takeover.retries), (Mode::OnceOnly, 0), "{name}");
        assert!(ids[..3].iter().all(|id| find(id).stage < takeover.stage), "{name}");
    }
    let end = row("failover", &desk(), "verify");
    assert!(end.iter().any(|s| s.id == "verify.fenced"), "a machine that was switched on again is found at the end");
}

/// A refusal has changed nothing; what is not known may have happened; DB2's own success proves nothing.
#[test]
fn t40_t41_t73_what_became_of_a_takeover() {
    let said = |exit: i32, text: &str| promote::taken(&output([ran(exit, &format!("{text}\n:exit {exit}\n"), "")]));
    is(&said(0, "DB20000I  The TAKEOVER HADR ON DATABASE command completed successfully.\n"), Succeeded, "");
    is(&said(4, "SQL1770N  Takeover HADR cannot complete. Reason code = \"9\".\n"), Failed, "reason code 9");
    is(&said(4, "SQL1224N  The database manager is not able to accept new requests.\n"), Unknown, "SQL1224N");
    for nothing in [ran(124, "", ""), ran(137, "DB20000I  The TAKEO", ""), ran(0, "", "")] {
        is(&promote::taken(&output([nothing])), Unknown, "");
    }
    let role = |machine: crate::common::Machine| {
        let desk = desk();
        let mut batch = Batch::default();
        let asked = told::ask(&mut batch, desk.pair.db2());
        let judge = told::has_role(&desk.context(), workflows::model::NodeId::B, HadrRole::Primary, asked);
        judge(&machine.answer(&batch.script()))
    };
    let primary = || machine("PRIMARY", "DISCONNECTED", "DISCONNECTED");
    is(&role(primary()), Succeeded, "PRIMARY");
    is(&role(standby()), Failed, "STANDBY");
    is(&role(primary().says("db2pd", ok(INACTIVE))), Failed, "not active");
    is(&role(primary().says("db2pd", ok("cut"))), Unknown, "");
    is(&role(primary().says("GET DB CFG", ok("cut")).says("db2pd", ok(INACTIVE))), Unknown, "of unknown role");
}

// ---- around the change of address

#[test]
fn t42_t44_t48_the_instance_around_the_change_of_address() {
    let desk = desk();
    let addresses = step("failover", &desk, "stop database", "database.addresses");
    let right = config("PRIMARY", "NO", "9.114.47.103", "9.114.47.104");
    let told = |text: &str| machine("PRIMARY", "DISCONNECTED", "DISCONNECTED").says("GET DB CFG", ok(text));
    each(
        &addresses,
        [
            (told(&right), Succeeded, "is at 9.114.47.103"),
            (
                told(&right.replace("(HADR_LOCAL_HOST) = 9.114.47.103", "(HADR_LOCAL_HOST) = 9.114.47.104")),
                Failed,
                "HADR_LOCAL_HOST",
            ),
            (told(&right.replace("hostname = 9.114.47.104", "hostname = 9.114.47.103")), Failed, "alternate server"),
            (told("cut"), Unknown, "could not be read"),
        ],
    );
    let nodes = step("failover", &desk, "start database", "database.nodes");
    each(
        &nodes,
        [
            (standby().says("db2nodes.cfg", ok("0 aixmn1 0\n")), Succeeded, ""),
            (standby(), Failed, "names aixmn2, not aixmn1"),
            (standby().says("db2nodes.cfg", ran(1, "", "cat: x\n")), Unknown, ""),
        ],
    );
    let stop = step("failover", &desk, "stop database", "database.stop");
    let text = stop.script.listing();
    let wait = text.find("until it prints \"none\"").expect("applications are waited for");
    assert!(text.find("FORCE APPLICATIONS").unwrap() < wait && wait < text.find("DEACTIVATE").unwrap(), "{text}");
    let state = |exit, word: &str| standby().says("db2gcf -s", ran(exit, &format!("DB2 State : {word}\n"), ""));
    each(
        &stop,
        [(state(1, "Operable"), Succeeded, ""), (state(0, "Available"), Failed, ""), (state(1, "?"), Unknown, "")],
    );
    let open = step("failover", &with_stop(desk.clone()), "start database", "database.rollforward");
    let config = |pending| standby().says("GET DB CFG", ok(&config("STANDARD", pending, "a", "b")));
    each(
        &open,
        [(config("NO"), Succeeded, ""), (config("DATABASE"), Failed, "is pending"), (config("?"), Unknown, "")],
    );
    // A standby that is deactivated: on a primary that would write the end of a log that is nobody else's.
    let idle = step("failover", &desk, "power the old primary off", "switch.deactivate");
    assert_eq!(idle.script.actions[0].1, OnFailure::Stop, "{}", idle.script.listing());
    each(&idle, [(standby().says("db2pd", ok(INACTIVE)), Succeeded, "not active"), (standby(), Failed, "")]);
}

fn with_stop(mut desk: Desk) -> Desk {
    crate::tables::dissolving(&mut desk.pair);
    desk
}

// ---- coming back

/// The machine in service as the one that comes back is weighed against.
fn serving() -> crate::common::Machine {
    machine("PRIMARY", "DISCONNECTED", "DISCONNECTED")
}

#[test]
fn t5_t9_t11_t67_t68_who_may_become_the_standby() {
    let weigh = |desk: &Desk| looked(&step("failback", desk, "assess", "assess.pair"), &serving());
    is(&weigh(&returning()), Succeeded, "may become the standby of mn-b");
    let claimed = |node: &str, claim: &str| Fact::Claimed { node: node.into(), claim: claim.into() };
    let epoch = |node: &str, epoch| Fact::Epoch { node: node.into(), epoch };
    let (active, unknown) = (crate::common::hadr, journal_schema::HadrState::Unknown);
    let both = active("mn-a", HadrRole::Primary, Tri::Yes, unknown, journal_schema::HadrConnection::Disconnected);
    for (facts, verdict, why) in [
        (vec![claimed("mn-b", "run 00000000000000aa by p")], Failed, "mn-b is claimed"),
        (vec![claimed("mn-a", "run 00000000000000aa by p"), epoch("mn-a", 4)], Failed, "mn-a is claimed"),
        (
            vec![claimed("mn-a", "run 00000000000000aa by p"), claimed("mn-b", "run 00000000000000ab")],
            Failed,
            "is claimed",
        ),
        (vec![both], Failed, "both databases are active and writable"),
        (vec![epoch("mn-a", 5)], Failed, "older epoch than the returning machine"),
        (vec![holds("mn-b", Tri::No)], Failed, "does not hold the service address"),
        (vec![holds("mn-a", Tri::Yes)], Failed, "it holds the service address"),
        (vec![holds("mn-a", Tri::Unknown)], Unknown, ""),
    ] {
        is(&weigh(&with(returning(), &facts)), verdict, why);
    }
    // The claim of the run that fenced it is no obstacle, when that run has ended.
    is(&weigh(&with(returning(), &[claimed("mn-a", "run 00000000000000aa by p")])), Succeeded, "");
    let standby = looked(&step("failback", &returning(), "assess", "assess.pair"), &standby());
    is(&standby, Failed, "its database is not writable");
}

#[test]
fn t11_t28_t45_t67_a_new_copy_over_an_old_one() {
    let mut desk = with(returning(), &[setting("mn-b", "image", "4021 88")]);
    desk.learn(&[Fact::BackupImage {
        node: "mn-b".into(),
        timestamp: "20260115120000".into(),
        directory: "/var/lib/db2/backup".into(),
    }]);
    let save = step("failback", &desk, "save what only it has", "save.logs");
    each(
        &save,
        [
            (standby().says("/complete", ok("complete\n")), Succeeded, "is kept in"),
            (standby().says("/complete", ran(1, "", "cat: x: No such file or directory\n")), Failed, "not complete"),
        ],
    );
    let whole = step("failback", &desk, "restore", "reseed.whole");
    each(
        &whole,
        [
            (standby().says("db2-image-sum", ok("4021 88\n")), Succeeded, "is whole"),
            (standby().says("db2-image-sum", ok("4022 88\n")), Failed, "not the one that was made"),
            (standby().says("db2-image-sum", ran(1, "", "")), Failed, "is not on mn-a"),
        ],
    );
    let leave = step("failback", &desk, "restore", "reseed.leave");
    let restore = step("failback", &desk, "restore", "reseed.restore");
    for step in [&leave, &restore] {
        for (action, then) in &step.script.actions[..2] {
            assert_eq!(*then, OnFailure::Stop, "{}: {action:?}", step.id);
        }
    }
    let copy = |role: &str| standby().says("GET DB CFG", ok(&config(role, "NO", "a", "b")));
    each(
        &leave,
        [
            (copy("STANDARD").says("db2pd", ok(INACTIVE)), Succeeded, "not in HADR"),
            (copy("PRIMARY").says("db2pd", ok(INACTIVE)), Failed, "PRIMARY"),
            (copy("STANDBY"), Failed, "STANDBY"),
            (copy("STANDARD").says("db2pd", ok("cut")), Unknown, ""),
        ],
    );
    let marker = |text: &str| standby().says(&format!("hamn-{RUN}.restored"), ok(text));
    each(
        &restore,
        [(marker("20260115120000\n"), Succeeded, ""), (marker("20260114120000\n"), Failed, "has not the copy")],
    );
    let backup = step("failback", &desk, "back up", "reseed.backup");
    let full: Output = output([ok(""), ok(""), ok(""), ran(1, "", "no space\n"), ok(""), ok("")]);
    is(&(backup.judge_effect)(&full), Failed, "nothing can be written");
}

/// A machine whose log does not match says that it started, and vanishes.
#[test]
fn t41_t69_started_is_not_following() {
    let desk = returning();
    let follows = step("failback", &desk, "take in as standby", "join.follows");
    each(
        &follows,
        [
            (standby(), Succeeded, "in peer state"),
            (standby().says("db2pd", ok(INACTIVE)), Succeeded, "its log does not match"),
            (machine("STANDBY", "PEER", "DISCONNECTED"), Unknown, ""),
            (machine("STANDBY", "REMOTE_CATCHUP", "CONNECTED"), Unknown, ""),
            (standby().says("db2pd", ok("cut")), Unknown, ""),
        ],
    );
    let level = step("failback", &desk, "wait until it has everything", "standby.level");
    let behind = db2pd("STANDBY", "PEER", "CONNECTED").replace(
        "STANDBY_LOG_FILE,PAGE,POS = S0000012.LOG, 66, 5000",
        "STANDBY_LOG_FILE,PAGE,POS = S0000012.LOG, 66, 4000",
    );
    each(
        &level,
        [
            (standby(), Succeeded, "has everything"),
            (standby().says("db2pd", ok(&behind)), Unknown, "has not everything"),
            (standby().says("db2pd", ok(INACTIVE)), Failed, "not active"),
            (machine("STANDBY", "PEER", "CONGESTED"), Unknown, ""),
        ],
    );
    // A copy that is in no pair has nothing to rejoin: what only it has is kept first.
    let unknown = (journal_schema::HadrState::Unknown, journal_schema::HadrConnection::Unknown);
    let standard = crate::common::hadr("mn-a", HadrRole::Standard, Tri::No, unknown.0, unknown.1);
    let desk = with(returning(), &[standard]);
    assert!(!(workflows::db2::reseed::REJOINS.holds)(&desk.context()));
    assert!((workflows::db2::reseed::REJOINS.holds)(&returning().context()));
}

// ---- the end

#[test]
fn t22_t24_t42_t44_t52_in_service_is_seen_on_the_machine() {
    let desk = with(desk(), &[Fact::Epoch { node: "mn-b".into(), epoch: 4 }]);
    let nodes = |count: u32| {
        format!("\n:exit 0\n\n1\n-----------\n         {count}\n\n  1 record(s) selected.\n\n:exit 0\n\n:exit 0\n")
    };
    let served = || {
        machine("PRIMARY", "DISCONNECTED", "DISCONNECTED")
            .says("hostname", ok("aixmn1\n"))
            .says("ifconfig -a", ok("en1: flags=1<UP>\n\tinet 9.114.47.103 netmask 0xffffffc0\n"))
            .says("db2nodes.cfg", ok("0 aixmn1 0\n"))
            .says("/epoch", ok("4\n"))
            .says("CONNECT TO", ok(&nodes(12)))
            .says("tabdump", ok(crate::common::SITE))
    };
    let armed = format!("/var/spool/cron/crontabs/root:{RESTORE_LINE}\n:end\n");
    each(
        &step("failover", &desk, "verify", "verify.target"),
        [
            (served(), Succeeded, "in service at 9.114.47.103, epoch 4"),
            (served().says("db2nodes.cfg", ok("0 aixmn2 0\n")), Failed, "db2nodes.cfg names another machine"),
            (served().says("/epoch", ok("3\n")), Failed, "not at the epoch of this run"),
            (served().says("CONNECT TO", ok(&nodes(3))), Failed, "3 nodes"),
            (served().says("tabdump", ok("")), Failed, "no table"),
            (served().says("schedules", ok(&armed)), Failed, "can still fire"),
        ],
    );
    let refused = "SQL1117N  A connection to or activation of database \"XCATDB\" cannot be made because of ROLL-FORWARD PENDING.  SQLSTATE=57019\n\n:exit 4\n";
    let xcatd = step("failover", &desk, "start xcatd", "xcatd.database");
    each(
        &xcatd,
        [
            (served(), Succeeded, "is the cluster's"),
            (served().says("CONNECT TO", ok(&nodes(3))), Failed, "the wrong one"),
            (served().says("CONNECT TO", ran(4, refused, "")), Failed, "lets nobody in: SQL1117N"),
        ],
    );
    // Powered on again by a rollback it serves as before, or that is said.
    let undo = step("failover", &desk, "claim", "claim.other").undo.unwrap();
    let script = undo.script.clone().followed_by(&undo.probe);
    let back = |machine: crate::common::Machine| (undo.judge)(&machine.says("take-back", ok("held\n")).answer(&script));
    is(&back(served()), Succeeded, "serves as before");
    is(&back(served().says("ifconfig -a", ok("\tinet 9.114.47.104 netmask 0xffffffc0\n"))), Failed, "does not hold");
    is(
        &back(standby().says("ifconfig -a", ok("\tinet 9.114.47.103 netmask 0xffffffc0\n"))),
        Failed,
        "not an active PRIMARY again",
    );
}
