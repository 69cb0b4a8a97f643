//! Judgements of looks on captured outputs: what is cut, empty, localised, timed out or plainly wrong is never a success.

mod common;

use common::{Desk, Machine, RESTORE_LINE, done, in_service, is, learned, looked, ok, output, ran, standby, step};
use journal_schema::{Channel, DatabaseRole, Fact, Mode, Power, Tri, Verdict};
use workflows::{ActionResult, Judgement, Output, Script, model::Flavour, registry};

/// Looks whose answer is shown and decides nothing: silence is an answer to them.
const SHOWN_ONLY: [&str; 7] = [
    "observe.other",
    "observe.wire",
    "observe.database",
    "observe.address",
    "observe.fence",
    "observe.device",
    "fence.status",
];

/// Ways in which an output can be no answer.
fn nonsense(script: &Script) -> Vec<(&'static str, Output)> {
    let each = |r: ActionResult| output(script.actions.iter().map(|_| r.clone()));
    vec![
        ("nothing came", output([])),
        ("nothing was run", each(ActionResult::default())),
        ("empty", each(ok(""))),
        ("timed out", each(ran(ActionResult::TIMED_OUT, "", ""))),
        ("killed", each(ran(137, "", ""))),
        ("blanks", each(ok("\n\n"))),
        ("not found", each(ran(127, "", "sh: 1: psql: not found\n"))),
        (
            "localised",
            each(ran(
                2,
                "",
                "psql: Fehler: Verbindung zum Server fehlgeschlagen: Datei oder Verzeichnis nicht gefunden\n",
            )),
        ),
        ("localised, on standard output", each(ok("Запущено\n"))),
        ("a cut line", each(ok("primary|74110000"))),
        ("permission", each(ran(1, "", "cat: x: Permission denied\n"))),
        ("full", each(ran(1, "", "No space left on device\n"))),
    ]
}

#[test]
fn t74_no_answer_is_never_a_success() {
    let mut attested = Desk::informed();
    attested.learn(&[Fact::Attested { node: "mn-a".into(), by: "olga".into(), text: "off".into() }]);
    let mut judged = 0;
    for desk in [Desk::new(), Desk::informed(), attested] {
        let context = desk.context();
        for workflow in registry::of(Flavour::Postgres) {
            for step in workflow.rows.iter().flat_map(|r| (r.steps)(&context)) {
                let strict = step.id == "observe.other" && workflow.name == "switchover";
                if SHOWN_ONLY.contains(&step.id.as_str()) && !strict {
                    continue;
                }
                for (what, bad) in nonsense(&step.probe) {
                    let judgement = (step.judge_probe)(&bad);
                    assert_ne!(judgement.verdict, Verdict::Succeeded, "{} on {what}: {}", step.id, judgement.why);
                    judged += 1;
                }
                if step.mode != Mode::Observe {
                    for (what, bad) in nonsense(&step.job()) {
                        let by_codes = step.probe.is_empty()
                            && ["empty", "blanks", "a cut line", "localised, on standard output"].contains(&what);
                        let judgement = step.judge_job(&bad);
                        assert!(
                            by_codes || judgement.verdict != Verdict::Succeeded,
                            "{} on {what}: {}",
                            step.id,
                            judgement.why
                        );
                        judged += 1;
                    }
                }
            }
        }
    }
    assert!(judged > 500, "{judged}");
}

/// Cutting a good answer anywhere never turns a step into another success than the whole answer's.
#[test]
fn a_cut_answer_is_no_other_answer() {
    let desk = Desk::informed();
    for (id, machine) in [
        ("observe.target", standby()),
        ("assess.pair", standby()),
        ("promote.ready", standby().says("crontabs", ok("/etc/crontab:SHELL=/bin/sh\n:end\n"))),
        ("promote.address-free", standby()),
        ("verify.target", in_service()),
        ("readdress.database", in_service()),
        ("xcatd.restart", in_service()),
    ] {
        let mut desk = desk.clone();
        if id == "verify.target" {
            desk.learn(&[Fact::Epoch { node: "mn-b".into(), epoch: 4 }]);
        }
        let step = step("failover", &desk, id);
        let whole = machine.answer(&step.probe);
        let good = (step.judge_probe)(&whole);
        assert_eq!(good.verdict, Verdict::Succeeded, "{id}: {}", good.why);
        for n in 0..whole.results.len() {
            let mut fewer = whole.clone();
            fewer.results.truncate(n);
            assert_ne!((step.judge_probe)(&fewer).verdict, Verdict::Succeeded, "{id}: {n} results");
            let text = &whole.results[n].stdout;
            // The last line without its end, and half of the text.
            for keep in [text.len().saturating_sub(1), text.len() / 2] {
                let mut cut = whole.clone();
                cut.results[n].stdout.truncate(keep);
                let judgement = (step.judge_probe)(&cut);
                if judgement.verdict == Verdict::Succeeded {
                    let facts: Vec<&Fact> = judgement.evidence.iter().filter(|f| !good.evidence.contains(f)).collect();
                    let learned = facts.iter().all(|f| {
                        let text = format!("{f:?}");
                        text.contains("Unknown") || matches!(f, Fact::Identity { .. }) && text.contains("\"\"")
                    });
                    assert!(learned, "{id}, result {n} cut to {keep}: {facts:?}");
                }
            }
        }
    }
}

// ---- looking

#[test]
fn a_look_at_the_standby() {
    let judgement = looked(&step("failover", &Desk::new(), "observe.target"), &standby());
    is(&judgement, Verdict::Succeeded, "mn-b");
    let known = learned(&judgement);
    assert_eq!(known.database("mn-b"), (DatabaseRole::Standby, common::SYSTEM, 1));
    assert_eq!(known.host_name("mn-b"), Some("mn2"));
    assert_eq!(known.holds("mn-b", "10.77.0.10"), Tri::No);
    assert_eq!(known.service("mn-b", "xcatd"), (Tri::No, Tri::No));
    assert_eq!(known.cluster_nodes("mn-b"), Some(12));
    assert_eq!(known.epoch("mn-b"), Some(3));
    assert_eq!(known.claim("mn-b"), Some(""));
    assert_eq!(known.streaming("mn-b").0, Tri::Yes);
    assert_eq!(known.note("mn-b", "cfgloc"), Some("Pg:dbname=xcatdb;host=10.77.0.12"));
    let jobs: Vec<_> = known.jobs().collect();
    assert_eq!(jobs, [("mn-b", "/var/spool/cron/crontabs/postgres", RESTORE_LINE, Tri::Yes)]);
    let clock = judgement.evidence.iter().find(|f| matches!(f, Fact::ClockOffset { .. }));
    assert_eq!(clock, Some(&Fact::ClockOffset { node: "mn-b".into(), offset_ms: 0, error_ms: 100 }));
}

#[test]
fn t11_another_machine_is_refused() {
    let other = standby().says("/etc/machine-id", ok("0000000000000000000000000000a00b\n"));
    for id in ["observe.target", "promote.ready"] {
        is(&looked(&step("failover", &Desk::informed(), id), &other), Verdict::Failed, "pinned");
    }
}

#[test]
fn t21_clocks_that_are_apart_are_refused() {
    let look = step("failover", &Desk::new(), "observe.target");
    let at = |ms: u64| looked(&look, &standby().says("date", ok(&format!("{ms}000000\n"))));
    is(&at(1_768_478_461_100 + 4_800), Verdict::Succeeded, "");
    is(&at(1_768_478_461_100 + 5_050), Verdict::Unknown, "well enough");
    is(&at(1_768_478_461_100 + 6_000), Verdict::Failed, "6000 ms off");
    is(&at(1_768_478_461_100 - 7_000), Verdict::Failed, "-7000 ms off");
    let mut late = standby().answer(&look.probe);
    late.sent_ms = 0;
    is(&(look.judge_probe)(&late), Verdict::Unknown, "could not be measured");
}

#[test]
fn a_server_is_down_only_when_nothing_listens() {
    let look = step("failover", &Desk::new(), "observe.target");
    let role =
        |answer: ActionResult| learned(&looked(&look, &standby().says("pg_is_in_recovery", answer))).database("mn-b").0;
    let socket = "psql: error: connection to server on socket \"/var/run/postgresql/.s.PGSQL.5432\" failed: No such file or directory\n\tIs the server running locally and accepting connections on that socket?\n";
    assert_eq!(role(ran(2, "", socket)), DatabaseRole::Down);
    for text in [
        "FATAL:  the database system is starting up\n",
        "FATAL:  the database system is shutting down\n",
        "psql: error: timeout expired\n",
        "",
    ] {
        assert_eq!(role(ran(2, "", text)), DatabaseRole::Unknown, "{text}");
    }
    assert_eq!(role(ok("primary|7411000000000000001|\n")), DatabaseRole::Unknown);
    assert_eq!(role(ok("primary|0|1\n")), DatabaseRole::Unknown);
    assert_eq!(role(ran(ActionResult::TIMED_OUT, "primary|7411000000000000001|1\n", "")), DatabaseRole::Unknown);
}

#[test]
fn t02_an_unreached_primary_is_not_called_dead() {
    let look = step("failover", &Desk::new(), "observe.other");
    let judgement = look.unreachable.clone().expect("the primary may be unreachable");
    is(&judgement, Verdict::Succeeded, "does not mean that it is off");
    assert_eq!(learned(&judgement).power("mn-a"), Power::Unknown);
    assert_eq!(learned(&judgement).answers("mn-a", Channel::Ssh), Tri::No);
    assert!(step("switchover", &Desk::new(), "observe.other").unreachable.is_none());
}

/// A primary that is half dead answers in part: the failover goes on, and what it did not say is unknown.
#[test]
fn t08_a_half_dead_primary_does_not_hold_the_failover_up() {
    let stuck = Machine::default()
        .says("/etc/machine-id", ok("0000000000000000000000000000a00b\n"))
        .says("", ran(ActionResult::TIMED_OUT, "", ""))
        .says("/etc/machine-id", ok("0000000000000000000000000000a00b\n"));
    let judgement = looked(&step("failover", &Desk::new(), "observe.other"), &stuck);
    is(&judgement, Verdict::Succeeded, "in part");
    let known = learned(&judgement);
    assert_eq!(known.database("mn-a").0, DatabaseRole::Unknown);
    assert_eq!(known.holds("mn-a", "10.77.0.10"), Tri::Unknown);
    is(&looked(&step("switchover", &Desk::new(), "observe.other"), &stuck), Verdict::Unknown, "could not be listed");
}

#[test]
fn t13_silence_on_a_dead_line_is_no_silence() {
    let dead = standby().says("LOWER_UP", ran(1, "", ""));
    let desk = Desk::informed();
    is(&looked(&step("failover", &desk, "promote.address-free"), &dead), Verdict::Failed, "no carrier");
    is(&done(&step("failover", &desk, "address.take"), &dead), Verdict::Failed, "no carrier");
    let wire = looked(&step("failover", &desk, "observe.wire"), &dead);
    assert_eq!(learned(&wire).answers("mn-a", Channel::Arp), Tri::Unknown);
    assert_eq!(
        learned(&looked(&step("failover", &desk, "observe.wire"), &standby())).answers("mn-a", Channel::Arp),
        Tri::No
    );
}

// ---- weighing

fn weigh(workflow: &str, desk: &Desk, machine: &Machine) -> Judgement {
    looked(&step(workflow, desk, "assess.pair"), machine)
}

#[test]
fn a_healthy_pair_may() {
    let desk = Desk::informed();
    let judgement = weigh("failover", &desk, &standby());
    is(&judgement, Verdict::Succeeded, "a switchover would lose nothing");
    assert_eq!(learned(&judgement).loss(), (Some(0), Some(0)));
    is(&weigh("switchover", &desk, &standby()), Verdict::Succeeded, "streams from mn-a");
}

#[test]
fn t09_another_run_is_told_with_its_own_words() {
    let claimed = standby().says("claim/text", ok("run 00000000000000aa by pavel on sn1\n"));
    is(
        &weigh("failover", &Desk::informed(), &claimed),
        Verdict::Failed,
        "mn-b is claimed: run 00000000000000aa by pavel on sn1",
    );
    let mut desk = Desk::informed();
    desk.learn(&[Fact::Claimed { node: "mn-a".into(), claim: "run 00000000000000aa by pavel on sn1".into() }]);
    is(&weigh("failover", &desk, &standby()), Verdict::Failed, "mn-a is claimed: run");
    let own = standby().says("claim/text", ok(&format!("run {} by olga on admin\n", common::RUN)));
    is(&weigh("failover", &Desk::informed(), &own), Verdict::Succeeded, "");

    let claim = step("failover", &Desk::informed(), "claim.target");
    let taken = output([ran(17, "run 00000000000000aa by pavel on sn1\n", "")]);
    is(&claim.judge_job(&taken), Verdict::Failed, "mn-b is claimed: run 00000000000000aa by pavel on sn1");
    let mine = output([ok(""), ok(&format!("run {} by olga on admin", common::RUN))]);
    is(&claim.judge_job(&mine), Verdict::Succeeded, "by this run");
    // Another's claim is never taken away, and is no failure of ours.
    let undo = claim.undo.unwrap();
    is(&(undo.judge)(&output([ran(17, "", "")])), Verdict::Succeeded, "another run's");
    is(&(undo.judge)(&output([ran(1, "", "")])), Verdict::Failed, "exit 1");
}

#[test]
fn what_forbids_a_takeover() {
    let socket = "psql: error: connection to server on socket failed: No such file or directory\n";
    let role = |text: &str| standby().says("pg_is_in_recovery", ok(text));
    let position = |text: &str| standby().says("pg_last_wal_receive_lsn", ok(text));
    let with = |facts: &[Fact]| {
        let mut desk = Desk::informed();
        desk.learn(facts);
        desk
    };
    let own = |system: &str| Fact::Database {
        node: "mn-a".into(),
        role: DatabaseRole::Primary,
        system_id: system.into(),
        timeline: 1,
    };
    let informed = Desk::informed();
    for (desk, machine, verdict, why) in [
        (&informed, role("primary|7411000000000000001|2\n"), Verdict::Failed, "is primary already"),
        (&informed, standby().says("pg_is_in_recovery", ran(2, "", socket)), Verdict::Failed, "is down"),
        (&informed, role("recovering\n"), Verdict::Unknown, "not known"),
        (&informed, position("||||||\n"), Verdict::Unknown, "could not be read"),
        (&informed, position("|||||1768478461000|\n"), Verdict::Failed, "never received anything"),
        (&informed, position("0|0||||1768478461000|\n"), Verdict::Failed, "never received anything"),
        (&with(&[own("9")]), standby(), Verdict::Failed, "not copies of each other"),
        (
            &with(&[Fact::ClusterNodes { node: "mn-b".into(), count: 10 }]),
            standby(),
            Verdict::Failed,
            "holds 10 nodes, at least 11 were expected",
        ),
        (
            &with(&[Fact::HoldsAddress { node: "mn-b".into(), address: "10.77.0.10".into(), holds: Tri::Yes }]),
            standby(),
            Verdict::Failed,
            "holds the service address",
        ),
        (
            &with(&[Fact::HoldsAddress { node: "mn-b".into(), address: "10.77.0.10".into(), holds: Tri::Unknown }]),
            standby(),
            Verdict::Unknown,
            "could not be seen",
        ),
        (
            &with(&[Fact::Identity {
                node: "mn-a".into(),
                machine_id: "f".repeat(32),
                boot_id: String::new(),
                host_name: "mn1".into(),
            }]),
            standby(),
            Verdict::Failed,
            "another machine",
        ),
        (&informed, standby().says("claim/text", ran(1, "", "cat: Permission denied\n")), Verdict::Unknown, "claim"),
    ] {
        for workflow in ["failover", "switchover"] {
            is(&weigh(workflow, desk, &machine), verdict, why);
        }
    }
}

#[test]
fn t52_an_empty_database_is_the_wrong_one() {
    let mut desk = Desk::new();
    desk.learn(&common::observed().into_iter().filter(|f| !matches!(f, Fact::ClusterNodes { .. })).collect::<Vec<_>>());
    is(&weigh("failover", &desk, &standby()), Verdict::Unknown, "could not be counted");
    desk.learn(&[Fact::ClusterNodes { node: "mn-b".into(), count: 0 }]);
    is(&weigh("failover", &desk, &standby()), Verdict::Failed, "holds 0 nodes");
    let xcatd = step("failover", &Desk::informed(), "xcatd.database");
    is(&looked(&xcatd, &in_service()), Verdict::Succeeded, "");
    is(&looked(&xcatd, &in_service().says("FROM nodelist", ok("10\n"))), Verdict::Failed, "the wrong one");
    is(
        &looked(
            &xcatd,
            &in_service().says("FROM nodelist", ran(1, "", "ERROR:  relation \"nodelist\" does not exist\n")),
        ),
        Verdict::Unknown,
        "counted",
    );
    is(&looked(&xcatd, &standby()), Verdict::Failed, "not primary");
}

/// The primary is dead: nothing is known of it.
fn widowed() -> Desk {
    let mut desk = Desk::new();
    let facts: Vec<Fact> = common::observed().into_iter().filter(|f| !format!("{f:?}").contains("\"mn-a\"")).collect();
    desk.learn(&facts);
    desk
}

#[test]
fn t30_what_may_be_lost_is_known_or_accepted() {
    let dead = |text: &str| standby().says("pg_last_wal_receive_lsn", ok(text));
    let silent = dead("50331808|50331808|1768478448000|||1768478461000|\n");
    let judgement = weigh("failover", &widowed(), &silent);
    is(&judgement, Verdict::Succeeded, "unknown number of bytes of database log and 18.000 s");
    assert_eq!(learned(&judgement).loss(), (None, Some(18_000)));
    let idle = dead("50331808|50331808||||1768478461000|1768478400000\n");
    let judgement = weigh("failover", &widowed(), &idle);
    is(&judgement, Verdict::Succeeded, "66.000 s");
    assert_eq!(learned(&judgement).note("mn-b", "last checkpoint"), Some("1768478400000"));
    let nothing = dead("50331808|50331808||||1768478461000|\n");
    let judgement = weigh("failover", &widowed(), &nothing);
    is(&judgement, Verdict::Failed, "not accepted");
    assert_eq!(learned(&judgement).loss(), (None, None));
    let mut desk = widowed();
    desk.request.accept_unknown_loss = true;
    is(&weigh("failover", &desk, &nothing), Verdict::Succeeded, "can take over");
    is(&weigh("switchover", &desk, &nothing), Verdict::Unknown, "claim");
}

/// Nothing is lost where commits wait for the standby, and it is this one that they wait for.
#[test]
fn t30_synchronous_is_only_who_is_alone() {
    let behind =
        standby().says("pg_last_wal_receive_lsn", ok("50331808|50331808|1768478460000||streaming|1768478461000|\n"));
    for (streaming, synchronous, expected) in
        [("1", "1", (Some(0), Some(0))), ("2", "1", (Some(200), Some(6_000))), ("1", "0", (Some(200), Some(6_000)))]
    {
        let mut desk = Desk::informed();
        let note =
            |key: &str, n: &str| Fact::Note { node: "mn-a".into(), key: format!("{key} standbys"), value: n.into() };
        desk.learn(&[note("streaming", streaming), note("synchronous", synchronous)]);
        desk.learn(&[Fact::LogPosition {
            node: "mn-a".into(),
            written: Some(50_332_008),
            received: None,
            replayed: None,
            last_commit_ms: None,
            last_message_ms: None,
        }]);
        let judgement = weigh("failover", &desk, &behind);
        assert_eq!(learned(&judgement).loss(), expected, "{streaming} stream, {synchronous} are waited for");
    }
}

#[test]
fn a_switchover_needs_two_that_are_well() {
    let with = |facts: &[Fact]| {
        let mut desk = Desk::informed();
        desk.learn(facts);
        desk
    };
    let note = |n: &str| Fact::Note { node: "mn-a".into(), key: "streaming standbys".into(), value: n.into() };
    let role = |role| Fact::Database { node: "mn-a".into(), role, system_id: common::SYSTEM.into(), timeline: 1 };
    let lag = standby().says("pg_last_wal_receive_lsn", ok("50331808|50331808|1768478460000|||1768478461000|\n"));
    for (desk, machine, why) in [
        (Desk::informed(), lag, "does not stream"),
        (with(&[note("0")]), standby(), "no standby"),
        (with(&[role(DatabaseRole::Down)]), standby(), "not primary"),
        (with(&[role(DatabaseRole::Standby)]), standby(), "not primary"),
        (
            with(&[Fact::HoldsAddress { node: "mn-a".into(), address: "10.77.0.10".into(), holds: Tri::No }]),
            standby(),
            "does not hold the service address",
        ),
    ] {
        is(&weigh("switchover", &desk, &machine), Verdict::Failed, why);
    }
}
