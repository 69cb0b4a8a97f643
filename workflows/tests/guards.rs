//! Guards that stand in what is planned and not in what is judged: their place in the script, their place among the steps, what follows
//! only after them. Each of these tests was seen to fail without its guard.

mod common;

use common::{Desk, Machine, RESTORE_LINE, done, in_service, is, learned, looked, ok, output, ran, standby, step};
use journal_schema::{Channel, DatabaseRole, Fact, Mode, Tri, Verdict};
use workflows::{
    Action, Script, Step,
    model::{Fence, Flavour, NodeId},
    registry,
    script::OnFailure,
    step::Place,
    steps::schedules::{self, Surroundings, threat_of_script},
};

fn row(workflow: &str, desk: &Desk, name: &str) -> Vec<Step> {
    let workflow = registry::by_name(Flavour::Postgres, workflow).unwrap();
    (workflow.row(name).unwrap().steps)(&desk.context())
}

/// Where the first action with that text stands, and whether the script ends with its failure.
#[track_caller]
fn place_of(script: &Script, text: &str) -> (usize, OnFailure) {
    let found = script.actions.iter().position(|(action, _)| match action {
        Action::Run(command) | Action::WaitUntil { command, .. } => command.argv.join(" ").contains(text),
        _ => false,
    });
    let at = found.unwrap_or_else(|| panic!("no {text} in\n{}", script.listing()));
    (at, script.actions[at].1)
}

// ---- fencing

/// The order is off, seen off, and seen off again just before the promotion and at the end: a hand or a restore policy may have powered
/// the machine on in between.
#[test]
fn t3_t4_the_power_is_switched_by_the_device_and_seen_again() {
    let desk = Desk::informed();
    let off = step("failover", &desk, "fence.off");
    let command = |script: &Script| match &script.actions[..] {
        [(Action::Run(command), _)] => command.clone(),
        other => panic!("one call of the device: {other:?}"),
    };
    let order = command(&off.script);
    assert_eq!(order.argv, ["fence_ipmilan"], "never by ssh, which may hang or reboot");
    assert_eq!(off.probe.actions.len(), 2);
    let again = step("failover", &desk, "promote.fenced");
    assert!(again.stage < step("failover", &desk, "promote.database").stage);
    let status = command(&again.probe);
    assert_eq!(step("failover", &desk, "verify.fenced").probe.actions[0].0, Action::Run(status.clone()));
    assert_ne!(order.stdin, status.stdin);
    is(
        &looked(
            &step("failover", &desk, "verify.fenced"),
            &Machine::default().says("fence_ipmilan", ok("Status: ON\n")),
        ),
        Verdict::Failed,
        "is on",
    );
    // A machine that was fenced and comes back is told of for as long as it has not been made a standby.
    assert_eq!(off.opens.map(|item| item.id).as_deref(), Some("fenced"));
}

/// xcatd and its `rpower` are down when they would be needed, and so is the database with the credentials: the device is asked from where
/// hamn runs, with a password that is read there, and is in nothing that is journaled.
#[test]
fn t7_t47_the_device_is_asked_from_where_hamn_runs_with_credentials_of_its_own() {
    let mut desk = Desk::informed();
    if let Fence::Agent { password_file, .. } = &mut desk.pair.nodes[0].fence {
        *password_file = Some("/etc/hamn/bmc-a.password".into());
    }
    for step in row("failover", &desk, "fence by device") {
        assert_eq!(step.place, Place::Controller, "{}", step.id);
        let text = [&step.script, &step.probe].map(Script::listing).concat();
        assert!(!text.contains("rpower") && !text.contains("tabdump"), "{text}");
        let named = text.matches("/etc/hamn/bmc-a.password").count();
        let read =
            text.matches("(first line of /etc/hamn/bmc-a.password)").count() + text.matches("-f /etc/hamn/").count();
        assert_eq!((named > 0, named), (true, read), "by its file alone: {text}");
    }
}

/// `pg_isready` that could not ask is no silence.
#[test]
fn t02_a_database_that_could_not_be_asked_is_not_silent() {
    let mut desk = Desk::informed();
    desk.pair.nodes[0].fence = Fence::Attestation;
    desk.learn(&[Fact::Attested { node: "mn-a".into(), by: "olga".into(), text: "both cords pulled".into() }]);
    let silent = step("failover", &desk, "fence.silent");
    for answer in [ran(3, "", "no attempt\n"), ran(127, "", "not found\n"), ran(124, "", "")] {
        is(&looked(&silent, &standby().says("pg_isready", answer)), Verdict::Unknown, "could not be asked");
    }
}

// ---- weighing

/// The primary's position is compared with what the standby had at that look, not with what it has received since; and a primary of another
/// timeline has no position that could be compared.
#[test]
fn t30_positions_of_one_look_and_one_timeline_are_compared() {
    let mut desk = Desk::informed();
    desk.learn(&[Fact::LogPosition {
        node: "mn-a".into(),
        written: Some(50_332_008),
        received: None,
        replayed: None,
        last_commit_ms: None,
        last_message_ms: None,
    }]);
    let later = standby().says(
        "pg_last_wal_receive_lsn",
        ok("50332008|50332008|1768478460000||streaming|1768478461000|1768478400000\n"),
    );
    let weigh = |desk: &Desk| learned(&looked(&step("failover", desk, "assess.pair"), &later)).loss();
    assert_eq!(weigh(&desk), (Some(200), Some(6_000)), "it has not stood still since");
    let (node, system_id) = ("mn-a".to_owned(), common::SYSTEM.to_owned());
    desk.learn(&[Fact::Database { node, role: DatabaseRole::Primary, system_id, timeline: 2 }]);
    assert_eq!(weigh(&desk).0, None, "another timeline's bytes say nothing");
}

/// What a half-dead primary does not answer is done without; in a switchover it is not.
#[test]
fn t08_only_a_switchover_needs_the_other_machine() {
    let desk = Desk::informed();
    assert!(step("failover", &desk, "observe.other").optional);
    assert!(!step("switchover", &desk, "observe.other").optional);
    assert!(!step("failover", &desk, "observe.target").optional);
}

// ---- the promotion

#[test]
fn t40_t52_nothing_but_the_standby_that_was_assessed_is_promoted() {
    let ready = step("failover", &Desk::informed(), "promote.ready");
    let quiet = standby().says("crontabs", ok("/etc/crontab:SHELL=/bin/sh\n:end\n"));
    is(&looked(&ready, &quiet), Verdict::Succeeded, "");
    let role = |text: &str| looked(&ready, &quiet.clone().says("pg_is_in_recovery", ok(text)));
    is(&role("primary|7411000000000000001|1\n"), Verdict::Failed, "not a standby");
    is(&role("standby|7411000000000000009|1\n"), Verdict::Failed, "assessed was 7411000000000000001");
    is(&role("?\n"), Verdict::Unknown, "not known");
    let restores = ran(127, "", "sh: 1: ps: not found\n");
    is(&looked(&ready, &quiet.says("pg_restore|restorexCATdb", restores)), Verdict::Unknown, "could not be seen");
}

/// Proof, silence and readiness are looked at in stages before the promotion, which happens once.
#[test]
fn t1_t73_the_promotion_comes_once_and_after_its_proofs() {
    for (workflow, proof) in [("failover", "promote.fenced"), ("switchover", "promote.stood-down")] {
        let steps = row(workflow, &Desk::informed(), "promote database");
        let stage = |id: &str| steps.iter().find(|s| s.id == id).unwrap_or_else(|| panic!("{workflow}: no {id}")).stage;
        let promotion = steps.iter().find(|s| s.id == "promote.database").unwrap();
        assert_eq!((promotion.mode, promotion.retries), (Mode::OnceOnly, 0));
        for id in [proof, "promote.address-free", "promote.ready"] {
            assert!(stage(id) < promotion.stage, "{workflow}: {id}");
        }
    }
    // A primary that was started again since is no proof.
    let proof = step("switchover", &Desk::informed(), "promote.stood-down");
    let runs = standby()
        .says("pg_controldata", ok("Database cluster state:               in production\n"))
        .says("pg_is_in_recovery", ok("primary|7411000000000000001|1\n"));
    assert_ne!(looked(&proof, &runs).verdict, Verdict::Succeeded);
}

/// A machine that steps down cannot start writable: the file that makes its server a standby is there before anybody else is promoted.
#[test]
fn t05_a_server_that_stood_down_starts_as_a_standby() {
    let steps = row("switchover", &Desk::informed(), "stop database");
    let guard = steps.iter().find(|s| s.id == "stand-down.guard").expect("a guard");
    assert!(guard.stage > steps.iter().find(|s| s.id == "stand-down.database").unwrap().stage);
    let written = guard.script.listing();
    assert!(written.starts_with("write /var/lib/postgresql/15/main/standby.signal "), "{written}");
}

// ---- after it

#[test]
fn t24_the_epoch_rises_with_the_promotion() {
    let epoch = step("failover", &Desk::informed(), "epoch.target");
    assert!(epoch.script.listing().contains("\"4\\n\""), "one above the highest: {}", epoch.script.listing());
    assert!(!epoch.optional);
    let says = |text: &str| looked(&epoch, &standby().says("/var/lib/hamn/epoch", ok(text)));
    is(&says("4\n"), Verdict::Succeeded, "at epoch 4");
    is(&says("3\n"), Verdict::Failed, "at epoch 3, not 4");
    is(&says("5\n"), Verdict::Failed, "at epoch 5, not 4");
    // Where the other machine is alive, jobs of the old epoch are refused there, too.
    let both = row("switchover", &Desk::informed(), "raise epoch");
    let places: Vec<Place> = both.iter().map(|s| s.place).collect();
    assert_eq!(places, [Place::Node(NodeId::B), Place::Node(NodeId::A)]);
}

/// Silence and the taking are in one job, and nothing is taken behind an answer or a question that was not put.
#[test]
fn t13_nothing_follows_a_probe_that_was_answered() {
    let desk = Desk::informed();
    let undo = |id: &str, workflow: &str| step(workflow, &desk, id).undo.unwrap().script;
    for script in [
        step("failover", &desk, "address.take").script,
        undo("release.address", "switchover"),
        undo("claim.other", "failover"),
    ] {
        let (probe, then) = place_of(&script, "arping -D");
        assert_eq!(then, OnFailure::Stop, "{}", script.listing());
        assert!(probe < place_of(&script, "ip addr add").0, "{}", script.listing());
        let (carrier, then) = place_of(&script, "LOWER_UP");
        assert!(carrier < probe && then == OnFailure::Stop, "{}", script.listing());
    }
    // An address that is there is not *given back* where somebody else answers for it, too.
    let give = step("switchover", &desk, "release.address").undo.unwrap();
    let script = give.script.clone().followed_by(&give.probe);
    let held = in_service();
    is(&(give.judge)(&held.answer(&script)), Verdict::Succeeded, "holds 10.77.0.10");
    let mac = "ARPING 10.77.0.10 from 0.0.0.0 eth0\nUnicast reply from 10.77.0.10 [52:54:00:12:34:56]  0.614ms\nReceived 1 response(s)\n";
    is(&(give.judge)(&held.says("arping -D", ran(1, mac, "")).answer(&script)), Verdict::Failed, "52:54:00:12:34:56");
}

/// Some neighbours heed the one form, some the other.
#[test]
fn t14_the_address_is_announced_in_both_forms_and_more_than_once() {
    let desk = Desk::informed();
    let words = |id: &str| match &step("failover", &desk, id).script.actions[..] {
        [(Action::Run(command), _)] => command.argv.join(" "),
        other => panic!("{other:?}"),
    };
    assert_eq!(words("address.announce"), "arping -U -c 1 -I ens3 10.77.0.10");
    assert_eq!(words("announce.request"), "arping -U -c 5 -I ens3 10.77.0.10");
    assert_eq!(words("announce.reply"), "arping -A -c 5 -I ens3 10.77.0.10");
}

#[test]
fn t35_cfgloc_gets_the_service_address() {
    let cfgloc = step("failover", &Desk::informed(), "readdress.cfgloc").script;
    let [(Action::ReplaceInLines { path, after, value, .. }, _)] = &cfgloc.actions[..] else { panic!("{cfgloc:?}") };
    assert_eq!((path.as_str(), after.as_str(), value.as_str()), ("/etc/xcat/cfgloc", "host=", "10.77.0.10"));
}

/// What runs on the target was started before the address and the database changed; what runs on a service node holds connections to the
/// old database. None of it is taken for done because it runs.
#[test]
fn t48_t62_xcatd_is_restarted_whatever_runs() {
    let mut desk = Desk::informed();
    let ids = |desk: &Desk| row("failover", desk, "start xcatd").into_iter().map(|s| s.id).collect::<Vec<_>>();
    assert_eq!(ids(&desk), ["xcatd.database", "xcatd.restart"]);
    let restart = step("failover", &desk, "xcatd.restart");
    assert!(!restart.look_first);
    assert_eq!(restart.opens.map(|item| item.id).as_deref(), Some("service-nodes"), "not known of any");
    desk.pair.witnesses = workflows::example::procedure().witnesses;
    desk.pair.witnesses[0].service_node = true;
    assert_eq!(ids(&desk), ["xcatd.database", "xcatd.restart", "service-node.restart.0"]);
    let node = step("failover", &desk, "service-node.restart.0");
    assert!(!node.look_first && step("failover", &desk, "xcatd.restart").opens.is_none());
    let (stop, _) = place_of(&node.script, "service-node stop");
    assert!(stop < place_of(&node.script, "service-node start").0, "{}", node.script.listing());
    let runs = |n: &str| done(&node, &standby().says("service-node", ok("")).says("xcatd: ", ok(n)));
    is(&runs("3\n"), Verdict::Succeeded, "runs: Yes");
    is(&runs("0\n"), Verdict::Failed, "runs: No");
}

/// The machine that stepped down and has the address all the same is the worst of two.
#[test]
fn t5_t13_a_machine_that_kept_the_address_has_not_stepped_down() {
    let stepped = Machine::default()
        .says("pg_is_in_recovery", ran(2, "", "psql: error: No such file or directory\n"))
        .says("ip -o -4", ok("2: eth0    inet 10.77.0.10/24 scope global eth0\n"))
        .says("xcatd: ", ok("0\n"))
        .says("hostname", ok("mn2\n"))
        .says("standby.signal", ok("written by hamn\n"));
    let other = step("switchover", &Desk::informed(), "verify.other");
    is(&looked(&other, &stepped), Verdict::Failed, "it holds the service address");
}

/// A file of hamn's is never empty: one that is was cut by a full disk.
#[test]
fn t74_an_empty_file_is_no_answer() {
    use workflows::steps::read::file;
    assert_eq!(file(&ok("")), None);
    assert_eq!(file(&ok("3\n")), Some(Some("3")));
    assert_eq!(file(&ran(1, "", "cat: x: No such file or directory\n")), Some(None));
    assert_eq!(file(&ran(1, "", "cat: x: Permission denied\n")), None);
}

/// What says two things at once, or the right thing with the wrong exit code, is no answer.
#[test]
fn t2_t13_t74_an_answer_that_contradicts_itself_is_none() {
    use workflows::steps::read::{Arp, arp, nothing_listens, power};
    let fence = common::pair().nodes[0].fence.clone();
    let both = ran(2, "Status: OFF\nStatus: ON\n", "");
    assert_eq!(power(&fence, &both), journal_schema::Power::Unknown);
    assert_eq!(arp(&ran(1, "Received 0 response(s)\n", ""), 0), Arp::Unknown);
    assert_eq!(arp(&ok("Received 0 response(s)\n"), 0), Arp::Silence);
    let starts = "psql: error: connection to server at \"::1\" failed: Connection refused\nconnection to server at \"127.0.0.1\" failed: FATAL:  the database system is starting up\n";
    assert!(!nothing_listens(&ran(2, "", starts)), "a server that starts is not down");
}

/// The database that was fenced is not called *in service again* before it is primary.
#[test]
fn a_rolled_back_primary_is_primary_again() {
    let undo = step("failover", &Desk::informed(), "claim.other").undo.unwrap();
    let script = undo.script.clone().followed_by(&undo.probe);
    let standby = in_service().says("pg_is_in_recovery", ok("standby|7411000000000000001|1\n"));
    is(&(undo.judge)(&standby.answer(&script)), Verdict::Failed, "not primary again");
}

/// The database first, then xcatd, then what xcatd writes for DNS, DHCP and consoles, and the announcement of the address it is found at.
#[test]
fn t63_services_start_in_their_order() {
    for workflow in registry::of(Flavour::Postgres) {
        let at = |name: &str| workflow.rows.iter().position(|r| r.name == name).unwrap_or_else(|| panic!("{name}"));
        let order = ["promote database", "take address and name", "readdress database", "start xcatd"];
        let places: Vec<usize> = order.into_iter().chain(["rebuild network services", "verify"]).map(at).collect();
        assert!(places.is_sorted(), "{}: {places:?}", workflow.name);
    }
    let steps = row("failover", &Desk::informed(), "start xcatd");
    let stage = |id: &str| steps.iter().find(|s| s.id == id).unwrap().stage;
    assert!(stage("xcatd.database") < stage("xcatd.restart"), "the right database first (trap 52)");
}

/// Of more than what only writes to elsewhere nothing is armed again by itself.
#[test]
fn t22_a_restore_stays_disarmed() {
    let desk = Desk::informed();
    let context = desk.context();
    let restores = schedules::rearm_outgoing(&context, NodeId::B);
    assert!(restores.script.is_empty(), "{RESTORE_LINE}: {}", restores.script.listing());
    assert!(restores.title.contains("stay disarmed") && restores.closes.is_empty(), "{}", restores.title);
    let pushes = schedules::rearm_outgoing(&context, NodeId::A);
    assert!(!pushes.script.is_empty() && pushes.closes == ["disarm.other.jobs"]);
}

/// Where a script copies to is not always to be seen; the root of a machine holds everything.
#[test]
fn t22_t24_what_may_write_counts_as_writing() {
    let desk = Desk::informed();
    let around = Surroundings::of(&desk.pair, []);
    assert!(threat_of_script("rsync -a /home \"$1\"", &around).is_some());
    assert!(threat_of_script("rsync -a /home backup.example.org:/srv/home", &around).is_none());
    assert!(schedules::threat("0 2 * * * rsync -a /home backup.example.org:/", &around).is_some());
    // Names that were seen on the machines count like those of the configuration.
    let line = "0 2 * * * rsync -a /home aixold:/srv/home";
    assert!(schedules::threat(line, &around).is_none());
    assert!(schedules::threat(line, &Surroundings::of(&desk.pair, ["aixold"])).is_some());
    let by_address = format!("0 2 * * * rsync -a /home {}:/srv/home", desk.pair.nodes[1].addresses[0]);
    assert!(schedules::threat(&by_address, &around).is_some());
    // A script that copies to the other machine does so wherever on it.
    assert!(threat_of_script("scp /home/x mn2:/srv/x", &around).is_some());
    // A command that begins with an assignment is a command.
    assert!(schedules::threat("0 2 * * * A=b rsync -a /install mn2:/install", &around).is_some());
}

// ---- every step

/// A step that failed by its own words is not saved by a look that shows something else's effect; one that nobody can judge is never
/// *failed*, because then it would be tried again.
#[test]
fn t73_t76_effect_and_look_are_judged_together() {
    let step = |effect: fn(&workflows::Output) -> workflows::Judgement| Step {
        judge_effect: std::sync::Arc::new(effect),
        ..Step::effect(
            "x",
            "x",
            Place::Controller,
            Mode::OnceOnly,
            Script::new().look(workflows::Command::new(["do"])),
            Script::new().look(workflows::Command::new(["look"])),
            std::sync::Arc::new(|o| match o.at(0).exit {
                Some(0) => workflows::Judgement::succeeded("seen", Vec::new()),
                _ => workflows::Judgement::failed("not seen", Vec::new()),
            }),
        )
    };
    let failed = step(|_| workflows::Judgement::failed("refused", Vec::new()));
    is(&failed.judge_job(&output([ok(""), ok("")])), Verdict::Failed, "refused");
    let unclear = step(|_| workflows::Judgement::unknown("no answer", Vec::new()));
    is(&unclear.judge_job(&output([ok(""), ok("")])), Verdict::Succeeded, "seen");
    is(&unclear.judge_job(&output([ok(""), ran(1, "", "")])), Verdict::Unknown, "no answer; not seen");
    // By exit codes alone: what was killed by its time limit may go on.
    let by_code = Step { probe: Script::new(), ..failed.clone() };
    let by_code = Step { judge_effect: workflows::step::judge_exit_codes(), ..by_code };
    is(&by_code.judge_job(&output([ran(124, "", "")])), Verdict::Unknown, "in time");
    is(&by_code.judge_job(&output([])), Verdict::Unknown, "cut short");
}

#[test]
fn t2_the_wire_decides_nothing() {
    let desk = Desk::informed();
    for id in ["observe.wire", "observe.address"] {
        assert!(step("failover", &desk, id).optional, "{id}");
    }
    // Nobody answers, and the machine is no more known to be off than before.
    let seen = learned(&looked(&step("failover", &desk, "observe.wire"), &standby()));
    assert_eq!(seen.answers("mn-a", Channel::Arp), Tri::No);
    assert_eq!(seen.power("mn-a"), journal_schema::Power::Unknown);
}
