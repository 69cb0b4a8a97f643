//! The workflows of a pair with DB2, by their tables and plans: the same demands as on the others, on every evidence that forks them.

use std::collections::{BTreeMap, BTreeSet};

use journal_schema::{Fact, HadrConnection, HadrRole, HadrState, Kind, Mode, TakeoverForm, Tri, Verdict};
use proptest::prelude::*;
use workflows::{
    Action, Script, Workflow,
    model::{AfterTakeover, Database, Fence, Pair},
    registry,
    step::Step,
};

use crate::common::{Desk, Machine, NO_FILE, db2_desk as desk, done, hadr, is, looked, ok, ran};

/// The workflows of this file.
fn own() -> Vec<Workflow> {
    let names = ["failover", "failback"];
    registry::of(workflows::model::Flavour::Db2).into_iter().filter(|w| names.contains(&w.name)).collect()
}

fn with(desk: &Desk, change: impl FnOnce(&mut Desk)) -> Desk {
    let mut desk = desk.clone();
    change(&mut desk);
    desk
}

pub(crate) fn form(form: TakeoverForm) -> Fact {
    Fact::Permitted { node: "mn-b".into(), form }
}

pub(crate) fn dissolving(pair: &mut Pair) {
    if let Database::Db2(db2) = &mut pair.database {
        db2.hadr.after_takeover = AfterTakeover::Stop;
    }
}

/// Every fork: the three forms, by device and by word, HADR kept and dissolved, the returning database in each role.
fn desks() -> Vec<Desk> {
    let base = desk();
    let mut all = vec![
        Desk { known: workflows::Known::default(), ..base.clone() },
        with(&base, |d| dissolving(&mut d.pair)),
        with(&base, |d| d.pair.nodes[0].fence = Fence::Attestation),
    ];
    for permitted in [TakeoverForm::Plain, TakeoverForm::PeerWindowOnly, TakeoverForm::ByForce] {
        all.push(with(&base, |d| {
            d.learn(&[form(permitted)]);
        }));
    }
    for (role, active) in [(HadrRole::Primary, Tri::No), (HadrRole::Standard, Tri::No), (HadrRole::Standby, Tri::Yes)] {
        all.push(with(&base, |d| {
            d.learn(&[
                hadr("mn-a", HadrRole::Primary, Tri::Yes, HadrState::Disconnected, HadrConnection::Disconnected),
                hadr("mn-b", role, active, HadrState::RemoteCatchup, HadrConnection::Connected),
                Fact::BackupImage {
                    node: "mn-a".into(),
                    timestamp: "20100805161232".into(),
                    directory: "/var/lib/db2/backup".into(),
                },
            ]);
        }));
    }
    all.push(base);
    all
}

fn planned(desk: &Desk, workflow: &Workflow) -> Vec<(Kind, &'static str, Step)> {
    let context = desk.context();
    workflow.rows.iter().flat_map(|r| (r.steps)(&context).into_iter().map(move |s| (r.kind, r.name, s))).collect()
}

/// Whether a run can take both transitions, `first` before `second`.
fn one_path(workflow: &Workflow, first: &str, second: &str) -> bool {
    let (first, second) = (workflow.row(first).unwrap(), workflow.row(second).unwrap());
    let (mut seen, mut todo) = (BTreeSet::new(), vec![first.to.as_str()]);
    while let Some(state) = todo.pop() {
        if seen.insert(state) {
            todo.extend(workflow.leaving(state).map(|r| r.to.as_str()));
        }
    }
    seen.contains(second.from.as_str())
}

fn scripts(step: &Step) -> Vec<&Script> {
    let undo = step.undo.iter().flat_map(|u| [&u.script, &u.probe]);
    [&step.script, &step.probe].into_iter().chain(undo).collect()
}

#[test]
fn every_state_is_reached_and_leads_to_the_goal_over_one_pivot() {
    fn walk(workflow: &Workflow, state: &str, pivots: u32, seen: &mut BTreeSet<String>) {
        seen.insert(state.to_owned());
        if state == workflow.goal.as_str() {
            assert_eq!(pivots, 1, "{}: pivots on a path", workflow.name);
            return;
        }
        assert!(workflow.leaving(state).count() > 0, "{}: {state} leads nowhere", workflow.name);
        for row in workflow.leaving(state) {
            match row.kind {
                Kind::Reversible => assert_eq!(pivots, 0, "{}: {} after the pivot", workflow.name, row.name),
                Kind::Forward => assert_eq!(pivots, 1, "{}: {} before the pivot", workflow.name, row.name),
                Kind::Pivot => {}
            }
            walk(workflow, row.to.as_str(), pivots + u32::from(row.kind == Kind::Pivot), seen);
        }
    }
    for workflow in own() {
        let mut seen = BTreeSet::new();
        walk(&workflow, workflow.initial.as_str(), 0, &mut seen);
        let all: BTreeSet<String> = workflow.states.iter().map(|(s, _)| (*s).to_owned()).collect();
        assert_eq!(seen, all, "{}: reachable", workflow.name);
        let rows: BTreeSet<_> = workflow.rows.iter().map(|r| r.name).collect();
        assert_eq!(rows.len(), workflow.rows.len(), "{}: names of transitions", workflow.name);
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "the list of covered transitions is an output of the test run")]
fn every_transition_is_taken_on_some_evidence_and_has_steps() {
    for workflow in own() {
        let mut taken = BTreeSet::new();
        for desk in desks() {
            let context = desk.context();
            for row in &workflow.rows {
                if (row.guard.holds)(&context) {
                    assert!(!(row.steps)(&context).is_empty(), "{}: {} has no steps", workflow.name, row.name);
                    taken.insert(row.name);
                }
            }
        }
        let missing: Vec<&str> = workflow.rows.iter().map(|r| r.name).filter(|n| !taken.contains(n)).collect();
        assert_eq!(missing, Vec::<&str>::new(), "{}", workflow.name);
        println!("{}: {} transitions covered: {taken:?}", workflow.name, taken.len());
    }
}

#[test]
fn steps_are_named_timed_and_undone() {
    for workflow in own() {
        for desk in desks() {
            let mut ids: BTreeMap<String, &str> = BTreeMap::new();
            for (kind, row, step) in planned(&desk, &workflow) {
                if let Some(before) = ids.insert(step.id.clone(), row) {
                    let alone = before != row && !one_path(&workflow, before, row) && !one_path(&workflow, row, before);
                    assert!(alone, "{}: two steps {}", workflow.name, step.id);
                }
                let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
                assert!(step.id.chars().all(fits), "{}", step.id);
                let job = workflows::steps::seconds(&step.script) + workflows::steps::seconds(&step.probe);
                // A machine that may be half dead is not waited for to the end of all commands.
                assert!(step.timeout_s > job || step.optional && step.unreachable.is_some(), "{}", step.id);
                match (kind, step.mode) {
                    (_, Mode::Observe) => assert!(step.script.is_empty() && step.undo.is_none(), "{}", step.id),
                    (Kind::Reversible, _) => {
                        let left_off = step.id == "fence.off";
                        assert!(step.undo.is_some() || left_off, "{}: {} cannot be undone", workflow.name, step.id);
                    }
                    (Kind::Pivot | Kind::Forward, _) => assert!(step.undo.is_none(), "{} is not to be undone", step.id),
                }
                if step.mode == Mode::OnceOnly {
                    assert_eq!(step.retries, 0, "{}", step.id);
                }
            }
        }
    }
}

fn every_line(check: impl Fn(&Workflow, &Step, &str)) {
    for workflow in own() {
        for desk in desks() {
            for (_, _, step) in planned(&desk, &workflow) {
                for script in scripts(&step) {
                    for line in script.listing().lines() {
                        check(&workflow, &step, line);
                    }
                }
            }
        }
    }
}

/// No password on any command line: everything of DB2 runs as the owner of the instance.
#[test]
fn t47_no_password_anywhere() {
    every_line(|_, step, line| {
        assert!(!line.contains(" USING cluster") && !line.contains("USER xcatdb"), "{}: {line}", step.id);
        if line.contains("db2 ") && !line.starts_with("edit") {
            assert!(line.starts_with("[xcatdb] ") || !line.contains(" db2 "), "{}: {line}", step.id);
        }
    });
}

#[test]
fn t60_t61_no_compute_node_is_touched() {
    every_line(|_, step, line| {
        for word in ["nodeset", "rpower", "rnetboot", "rsetboot", "rinstall", "makehosts", "xcatconfig", "reboot"] {
            assert!(!line.contains(word), "{}: {line}", step.id);
        }
    });
}

/// Looks never connect to a database that may not be active, never activate, start or change anything.
#[test]
fn t5_looks_write_nothing() {
    for workflow in own() {
        for desk in desks() {
            for (_, _, step) in planned(&desk, &workflow) {
                for (action, _) in &step.probe.actions {
                    let Action::Run(command) = action else { panic!("{}: {action:?} in a look", step.id) };
                    let line = Script::new().run(command.clone()).listing();
                    for word in [
                        "UPDATE",
                        "START HADR",
                        "STOP HADR",
                        "TAKEOVER",
                        "ACTIVATE",
                        "RESTORE",
                        "BACKUP DB",
                        "FORCE",
                        "db2stop",
                        "db2start",
                        "gcf -u",
                        "gcf -k",
                        "mktcpip",
                        "chdev",
                    ] {
                        assert!(!line.contains(word), "{}: {line}", step.id);
                    }
                    let connects = ["assess.nodes", "xcatd.database", "verify.target"];
                    assert!(
                        !line.contains("CONNECT TO") || connects.contains(&step.id.as_str()),
                        "{}: {line}",
                        step.id
                    );
                }
            }
        }
    }
}

/// STOP HADR, RESTORE and ROLLFORWARD stand behind a look at the role in the same script, on which nothing follows if it is another.
#[test]
fn t42_t45_the_role_is_looked_at_in_the_same_script() {
    let mut guarded = BTreeSet::new();
    for workflow in own() {
        for desk in desks() {
            for (_, _, step) in planned(&desk, &workflow) {
                let lines: Vec<String> = step.script.listing().lines().map(str::to_owned).collect();
                for word in ["STOP HADR", "RESTORE DATABASE", "ROLLFORWARD"] {
                    if let Some(at) = lines.iter().position(|l| l.contains(word)) {
                        let role = |l: &String| l.contains("# only if its role is");
                        assert!(lines[..at].iter().any(role), "{}: {word} without a look", step.id);
                        let stops = step.script.actions[..at].iter().any(|(a, policy)| {
                            let look = Script::new().then(a.clone()).listing();
                            role(&look) && *policy == workflows::script::OnFailure::Stop
                        });
                        assert!(stops, "{}: {word} is run whatever the look said", step.id);
                        // The host keys of a pair may be the same on both: the pinned identity is asked for, too.
                        if word == "RESTORE DATABASE" || step.id == "reseed.leave" {
                            assert!(
                                lines[..at].iter().any(|l| l.contains("is-machine")),
                                "{}: on whatever machine",
                                step.id
                            );
                        }
                        guarded.insert(word);
                    }
                }
            }
        }
    }
    assert!(guarded.contains("STOP HADR"), "{guarded:?}");
}

/// The old primary is never stopped in order while it may still be one, never activated, and by nothing connected to.
#[test]
fn t1_t67_the_old_primary_is_not_stopped_politely() {
    let failover = registry::by_name(workflows::model::Flavour::Db2, "failover").unwrap();
    for desk in desks() {
        for (_, _, step) in planned(&desk, &failover) {
            if step.place == workflows::Place::Node(workflows::model::NodeId::A) {
                let text = step.script.listing();
                assert!(!text.contains("db2stop"), "{}:\n{text}", step.id);
                assert!(
                    !text.contains("DEACTIVATE") || text.contains("only if its role is STANDBY"),
                    "{}:\n{text}",
                    step.id
                );
            }
        }
    }
}

/// Fenced and proven before anything is taken by force; the proof is looked at once more beside the takeover.
#[test]
fn t1_force_stands_behind_the_fence() {
    let failover = registry::by_name(workflows::model::Flavour::Db2, "failover").unwrap();
    let fenced = |state: &str| {
        failover.rows.iter().filter(move |r| r.to.as_str() == state).map(|r| r.from.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(fenced("Decided"), ["Disarmed"]);
    assert_eq!(fenced("Disarmed"), ["Fenced"]);
    assert_eq!(fenced("Fenced"), ["Claimed", "Claimed"]);
    let desk = desk();
    for name in ["take over within the peer window", "take over by force"] {
        let steps = (failover.row(name).unwrap().steps)(&desk.context());
        let stage = |id: &str| steps.iter().find(|s| s.id == id).map(|s| s.stage);
        assert_eq!(
            (stage("promote.fenced"), stage("promote.ready"), stage("promote.database")),
            (Some(0), Some(1), Some(2))
        );
    }
}

/// STOP HADR on the standby, as the procedure's order may have it: recognised, and no advice that would overwrite anything.
#[test]
fn t42_a_standby_whose_hadr_was_stopped_is_told_from_one_that_never_was() {
    let failover = registry::by_name(workflows::model::Flavour::Db2, "failover").unwrap();
    let desk = desk();
    let weigh = (failover.row("assess").unwrap().steps)(&desk.context()).remove(0);
    let judged = |pending: &str| {
        let config =
            format!(" HADR database role    = STANDARD\n Rollforward pending    = {pending}\n\n:exit 0\n\n:exit 0\n");
        let inactive = "\nDatabase XCATDB not activated on database member 0 or this database name cannot be found in the local database directory.\n";
        let machine = Machine::default()
            .says("gettimeofday", ok("1768478461100000000\n"))
            .says("db2pd", ok(inactive))
            .says("GET DB CFG", ok(&config))
            .says("claim/text", ran(1, "", NO_FILE));
        looked(&weigh, &machine)
    };
    let left = judged("DATABASE");
    is(&left, Verdict::Failed, "a roll-forward is pending (SQL1117N)");
    is(&left, Verdict::Failed, "db2 ROLLFORWARD DATABASE XCATDB TO END OF LOGS AND COMPLETE");
    is(&left, Verdict::Failed, "hamn run setup --target mn-a");
    assert!(!judged("NO").why.contains("SQL1117N"));
}

/// db2start says why it does not start; the state of the instance afterwards does not.
#[test]
fn t44_a_stale_host_name_is_named() {
    let desk = desk();
    let up = workflows::db2::instance::up(&desk.context(), workflows::model::NodeId::B, "up");
    let state = |word: &str, exit| ran(exit, &format!("\nInstance  : xcatdb\nDB2 State : {word}\n"), "");
    let judged = |start, state| done(&up, &Machine::default().says("db2start", start).says("db2gcf -s", state));
    let refused = "SQL6031N  Error in the db2nodes.cfg file at line number \"1\".  Reason code \"10\".\n";
    is(
        &judged(ran(255, refused, ""), state("Operable", 1)),
        Verdict::Failed,
        "SQL6031N reason code 10: db2nodes.cfg has another host name",
    );
    let twice = "11/22/2026 19:17:49     0   0   SQL1063N  DB2START processing was successful.\nSQL1063N  DB2START processing was successful.\n";
    is(&judged(ok(twice), state("Available", 0)), Verdict::Succeeded, "");
    is(&judged(ok(twice), state("Operable", 1)), Verdict::Failed, "is Operable");
    let already = "SQL1026N  The database manager is already active.\n";
    is(&judged(ran(1, already, ""), state("Available", 0)), Verdict::Succeeded, "");
    is(&judged(ran(124, "", ""), state("Available", 0)), Verdict::Succeeded, "");
}

/// A primary whose standby is gone opens by force only: who restarts it must know.
#[test]
fn t55_what_is_unprotected_says_how_it_opens() {
    let failover = registry::by_name(workflows::model::Flavour::Db2, "failover").unwrap();
    let text = |desk: &Desk| {
        let steps = (failover.row("take over by force").unwrap().steps)(&desk.context());
        steps.into_iter().find_map(|s| s.opens.filter(|i| i.id == "unprotected")).unwrap().text
    };
    assert!(text(&desk()).contains("START HADR ON DATABASE XCATDB AS PRIMARY BY FORCE"));
    assert!(
        !text(&with(&desk(), |d| dissolving(&mut d.pair))).contains("START HADR"),
        "outside HADR it opens by itself"
    );
}

#[test]
fn t44_every_place_that_names_the_machine_is_put_right() {
    let failover = registry::by_name(workflows::model::Flavour::Db2, "failover").unwrap();
    let text: String = planned(&desk(), &failover).iter().map(|(_, _, s)| s.script.listing()).collect();
    for line in [
        "UPDATE DB CFG FOR XCATDB USING HADR_LOCAL_HOST 9.114.47.103",
        "UPDATE DB CFG FOR XCATDB USING HADR_LOCAL_SVC DB2_HADR_2",
        "UPDATE DB CFG FOR XCATDB USING HADR_REMOTE_HOST 9.114.47.104",
        "UPDATE DB CFG FOR XCATDB USING HADR_REMOTE_SVC DB2_HADR_1",
        "UPDATE ALTERNATE SERVER FOR DATABASE XCATDB USING HOSTNAME 9.114.47.104 PORT 60000",
        "db2gcf -u -p 0 -i xcatdb",
        "write /var/lib/db2/sqllib/db2nodes.cfg (mode 644): \"0 aixmn1 0\\n\"",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

prop_compose! {
    fn evidence()(
        permitted in prop::option::of(prop::sample::select(vec![TakeoverForm::Plain, TakeoverForm::PeerWindowOnly, TakeoverForm::ByForce])),
        role in prop::sample::select(vec![HadrRole::Standard, HadrRole::Primary, HadrRole::Standby, HadrRole::Unknown]),
        other in prop::sample::select(vec![HadrRole::Standard, HadrRole::Primary, HadrRole::Standby, HadrRole::Unknown]),
        active in prop::sample::select(vec![Tri::Yes, Tri::No, Tri::Unknown]),
        state in prop::sample::select(vec![HadrState::Peer, HadrState::RemoteCatchup, HadrState::RemoteCatchupPending, HadrState::LocalCatchup, HadrState::Unknown]),
        connection in prop::sample::select(vec![HadrConnection::Connected, HadrConnection::Disconnected, HadrConnection::Unknown]),
        attested in any::<bool>(), fence in 0..3_u8, stop in any::<bool>(), informed in any::<bool>(),
    ) -> Desk {
        let mut desk = if informed { desk() } else { Desk { known: workflows::Known::default(), ..desk() } };
        desk.learn(&[
            hadr("mn-b", role, active, state, connection),
            hadr("mn-a", other, active, state, connection),
        ]);
        desk.learn(&permitted.map(form).into_iter().collect::<Vec<_>>());
        if attested {
            desk.learn(&[Fact::Attested { node: "mn-a".into(), by: "olga".into(), text: "off".into() }]);
        }
        match fence {
            0 => desk.pair.nodes[0].fence = Fence::Attestation,
            1 => desk.pair.nodes[0].fence = Fence::Command { argv: vec!["pdu".into()], identity: None },
            _ => {}
        }
        if stop {
            dissolving(&mut desk.pair);
        }
        desk
    }
}

proptest! {
    /// Whatever is known: from every state exactly one way leads on, its steps can be planned, and it has some.
    #[test]
    fn guards_are_exhaustive_and_exclusive(desk in evidence()) {
        for workflow in own() {
            for (state, _) in workflow.states.iter().filter(|(s, _)| *s != workflow.goal.as_str()) {
                let context = desk.context();
                let taken: Vec<_> = workflow.leaving(state).filter(|r| (r.guard.holds)(&context)).collect();
                prop_assert_eq!(taken.len(), 1, "{} {}", workflow.name, state);
                prop_assert!(!(taken[0].steps)(&context).is_empty());
            }
        }
    }
}
