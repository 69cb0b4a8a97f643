//! The tables: what is true of every workflow by its table and the plans of its steps.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::Desk;
use journal_schema::{Fact, Kind, Mode, Power, Tri};
use proptest::prelude::*;
use workflows::{
    Action, Script, Workflow,
    model::{Fence, Flavour},
    plan::Plan,
    registry,
    step::Step,
};

fn scripts(step: &Step) -> Vec<&Script> {
    let undo = step.undo.iter().flat_map(|u| [&u.script, &u.probe]);
    [&step.script, &step.probe].into_iter().chain(undo).collect()
}

/// Every way in which a transition may be planned: dry, informed, other fence devices, other settings.
fn desks() -> Vec<Desk> {
    let informed = Desk::informed();
    let mut attested = informed.clone();
    attested.learn(&[Fact::Attested { node: "mn-a".into(), by: "olga".into(), text: "pulled both cords".into() }]);
    let mut without = informed.clone();
    without.pair.nodes[0].fence = Fence::Attestation;
    let mut command = informed.clone();
    command.pair.nodes[0].fence =
        Fence::Command { argv: vec!["/usr/local/sbin/pdu".into(), "7".into()], identity: Some("pdu-7".into()) };
    let mut bare = informed.clone();
    (bare.pair.xcat.dns, bare.pair.xcat.dhcp, bare.pair.xcat.conserver) = (false, false, false);
    let mut listens = informed.clone();
    listens.learn(&[Fact::Note { node: "mn-b".into(), key: "listen_addresses".into(), value: "localhost".into() }]);
    vec![Desk::new(), informed, attested, without, command, bare, listens]
}

fn planned(desk: &Desk, workflow: &Workflow) -> Vec<(Kind, Step)> {
    let context = desk.context();
    workflow.rows.iter().flat_map(|r| (r.steps)(&context).into_iter().map(move |s| (r.kind, s))).collect()
}

#[test]
fn every_state_is_reached_and_leads_to_the_goal() {
    for workflow in registry::of(Flavour::Postgres) {
        let next: BTreeMap<&str, BTreeSet<&str>> =
            workflow.states.iter().map(|(s, _)| (*s, workflow.leaving(s).map(|r| r.to.as_str()).collect())).collect();
        let from = |start: &'static str| {
            let (mut seen, mut todo) = (BTreeSet::new(), vec![start]);
            while let Some(state) = todo.pop() {
                if seen.insert(state) {
                    todo.extend(next[state].iter().copied());
                }
            }
            seen
        };
        let all: BTreeSet<&str> = workflow.states.iter().map(|(s, _)| *s).collect();
        assert_eq!(from(workflow.initial.as_str()), all, "{}: reachable", workflow.name);
        for (state, _) in &workflow.states {
            assert!(from(state).contains(workflow.goal.as_str()), "{}: {state} leads nowhere", workflow.name);
        }
        assert_eq!(workflow.leaving(workflow.goal.as_str()).count(), 0, "{}: the goal is the end", workflow.name);
    }
}

#[test]
fn names_are_unique() {
    for workflow in registry::of(Flavour::Postgres) {
        let rows: BTreeSet<_> = workflow.rows.iter().map(|r| r.name).collect();
        assert_eq!(rows.len(), workflow.rows.len(), "{}: transitions", workflow.name);
        let states: BTreeSet<_> = workflow.states.iter().map(|(s, _)| s).collect();
        assert_eq!(states.len(), workflow.states.len(), "{}: states", workflow.name);
        for desk in desks() {
            let mut ids = BTreeSet::new();
            for (_, step) in planned(&desk, &workflow) {
                assert!(ids.insert(step.id.clone()), "{}: two steps {}", workflow.name, step.id);
                let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
                assert!(step.id.chars().all(fits), "{}", step.id);
            }
        }
    }
    assert_eq!(registry::by_name(Flavour::Postgres, "failover").map(|w| w.name), Some("failover"));
    assert!(registry::by_name(Flavour::Postgres, "nosuch").is_none());
}

/// Every path: at most one pivot; nothing reversible after it, nothing forward before it.
#[test]
fn one_pivot_on_each_path() {
    fn walk(workflow: &Workflow, state: &str, pivots: u32, paths: &mut u32) {
        if state == workflow.goal.as_str() {
            *paths += 1;
            assert_eq!(pivots, 1, "{}: pivots on a path", workflow.name);
        }
        for row in workflow.leaving(state) {
            match row.kind {
                Kind::Reversible => assert_eq!(pivots, 0, "{}: {} after the pivot", workflow.name, row.name),
                Kind::Forward => assert_eq!(pivots, 1, "{}: {} before the pivot", workflow.name, row.name),
                Kind::Pivot => {}
            }
            walk(workflow, row.to.as_str(), pivots + u32::from(row.kind == Kind::Pivot), paths);
        }
    }
    for workflow in registry::of(Flavour::Postgres) {
        let mut paths = 0;
        walk(&workflow, workflow.initial.as_str(), 0, &mut paths);
        assert!(paths >= 1);
    }
}

/// Before the pivot every effect has its undoing, except that a machine found off is left off.
#[test]
fn everything_before_the_pivot_can_be_undone() {
    for workflow in registry::of(Flavour::Postgres) {
        for desk in desks() {
            for (kind, step) in planned(&desk, &workflow) {
                match (kind, step.mode) {
                    (_, Mode::Observe) => assert!(step.script.is_empty() && step.undo.is_none(), "{}", step.id),
                    (Kind::Reversible, _) => assert!(step.undo.is_some(), "{} cannot be undone", step.id),
                    (Kind::Pivot | Kind::Forward, _) => assert!(step.undo.is_none(), "{} is not to be undone", step.id),
                }
            }
        }
    }
}

#[test]
fn a_machine_that_was_off_is_left_off_by_a_rollback() {
    let mut desk = Desk::informed();
    desk.learn(&[Fact::PowerState { node: "mn-a".into(), power: Power::Off }]);
    let workflow = registry::by_name(Flavour::Postgres, "failover").unwrap();
    let steps = planned(&desk, &workflow);
    assert!(steps.iter().any(|(_, s)| s.id == "fence.off" && s.undo.is_none()));
}

/// The only once-only step is the promotion, and nothing of its transition comes after it.
#[test]
fn t73_one_step_must_not_happen_twice() {
    for workflow in registry::of(Flavour::Postgres) {
        for desk in desks() {
            let context = desk.context();
            let mut promotions = 0;
            for row in &workflow.rows {
                let steps = (row.steps)(&context);
                let last = steps.iter().map(|s| s.stage).max().unwrap_or(0);
                for step in steps.iter().filter(|s| s.mode == Mode::OnceOnly) {
                    assert_eq!((step.id.as_str(), row.kind), ("promote.database", Kind::Pivot));
                    assert_eq!(step.stage, last);
                    assert_eq!(steps.iter().filter(|s| s.stage == last).count(), 1);
                    assert_eq!(step.retries, 0);
                    promotions += 1;
                }
            }
            assert_eq!(promotions, 1, "{}", workflow.name);
        }
    }
}

/// Every command has a time limit, and every step has time for all of its commands.
#[test]
fn nothing_waits_for_ever() {
    for workflow in registry::of(Flavour::Postgres) {
        for desk in desks() {
            for (_, step) in planned(&desk, &workflow) {
                let job = workflows::steps::seconds(&step.script) + workflows::steps::seconds(&step.probe);
                // A machine that may be half dead is not waited for to the end of all commands.
                assert!(step.timeout_s > job || step.optional && step.unreachable.is_some(), "{}", step.id);
                if let Some(undo) = &step.undo {
                    let job = workflows::steps::seconds(&undo.script) + workflows::steps::seconds(&undo.probe);
                    assert!(undo.timeout_s > job, "{}", step.id);
                }
                for script in scripts(&step) {
                    for (action, _) in &script.actions {
                        if let Action::Run(command) | Action::WaitUntil { command, .. } = action {
                            assert!(command.timeout_s > 0 && !command.argv.is_empty(), "{}", step.id);
                        }
                    }
                }
            }
        }
    }
}

/// Looks change nothing: probes consist of program calls, none of which is one that writes.
#[test]
fn looks_write_nothing() {
    let writers = ["start", "stop", "restart", "off", "on", "-n", "-a", "add", "del", "-U", "-A", "rm", "-w"];
    for workflow in registry::of(Flavour::Postgres) {
        for desk in desks() {
            for (_, step) in planned(&desk, &workflow) {
                let undo = step.undo.iter().map(|u| &u.probe);
                for (action, _) in [&step.probe].into_iter().chain(undo).flat_map(|s| &s.actions) {
                    let Action::Run(command) = action else { panic!("{}: {action:?} in a look", step.id) };
                    let program = command.argv[0].rsplit('/').next().unwrap_or_default();
                    let read_only =
                        ["sh", "sed", "ps", "arping", "pg_isready", "psql", "date", "cat", "tabdump", "ipmitool"];
                    if !read_only.contains(&program) {
                        let bad = command.argv.iter().find(|w| writers.contains(&w.as_str()));
                        assert_eq!(bad, None, "{}: {:?}", step.id, command.argv);
                    }
                    let action = |p: &workflows::script::StdinPart| {
                        matches!(p,
                        workflows::script::StdinPart::Text(t) if t.starts_with("action=") && t != "action=status\n")
                    };
                    if let workflows::Stdin::Parts(parts) = &command.stdin {
                        assert!(!parts.iter().any(action), "{}", step.id);
                    }
                    assert!(
                        !command.argv.iter().any(|w| w.contains("pg_promote") || w.contains("pg_reload")),
                        "{}",
                        step.id
                    );
                }
            }
        }
    }
}

/// hamn powers no compute node, sets none to install, and does not rebuild /etc/hosts.
#[test]
fn t60_t61_no_compute_node_is_touched() {
    let forbidden = [
        "nodeset",
        "rpower",
        "rnetboot",
        "rsetboot",
        "rinstall",
        "nimnodeset",
        "mkdsklsnode",
        "makehosts",
        "xcatconfig",
    ];
    for workflow in registry::of(Flavour::Postgres) {
        for desk in desks() {
            for (_, step) in planned(&desk, &workflow) {
                for script in scripts(&step) {
                    let text = script.listing();
                    for word in forbidden {
                        assert!(!text.contains(word), "{} calls {word}:\n{text}", step.id);
                    }
                }
            }
        }
    }
}

/// xcatd is restarted, never started; makedhcp and makedns always have their options.
#[test]
fn t58_the_calls_that_lie_are_called_rightly() {
    for workflow in registry::of(Flavour::Postgres) {
        for desk in desks() {
            for (_, step) in planned(&desk, &workflow) {
                for script in scripts(&step) {
                    for line in script.listing().lines() {
                        assert!(!line.contains("xcatd start"), "{}: {line}", step.id);
                        assert!(!line.ends_with("makedhcp") && !line.ends_with("makedns"), "{}: {line}", step.id);
                    }
                }
            }
        }
    }
}

/// The password in cfgloc is in no script, and no script prints the file.
#[test]
fn t35_the_password_is_never_read() {
    for workflow in registry::of(Flavour::Postgres) {
        for desk in desks() {
            for (_, step) in planned(&desk, &workflow) {
                for script in scripts(&step) {
                    for line in script.listing().lines() {
                        assert!(!line.contains("cat /etc/xcat/cfgloc"), "{}: {line}", step.id);
                    }
                }
            }
        }
    }
}

/// Each file of the database's configuration gets what belongs into it.
#[test]
fn t49_the_two_files_are_not_swapped() {
    let mut edits = BTreeSet::new();
    for workflow in registry::of(Flavour::Postgres) {
        for desk in desks() {
            for (_, step) in planned(&desk, &workflow) {
                for (action, _) in &step.script.actions {
                    if let Action::EnsureLine { path, line } = action {
                        edits.insert((path.clone(), line.clone()));
                        let tested = step.script.listing();
                        assert!(tested.contains("-C listen_addresses"), "the configuration is tested first:\n{tested}");
                    }
                }
            }
        }
    }
    let line = |path: &str, line: &str| (format!("/etc/postgresql/15/main/{path}"), line.to_owned());
    let expected = BTreeSet::from([
        line("pg_hba.conf", "host    all    all    10.77.0.0/24    md5"),
        line("postgresql.conf", "listen_addresses = '*'"),
    ]);
    assert_eq!(edits, expected);
}

/// After a takeover the run says that nothing replicates, and what else it leaves behind.
#[test]
fn t55_t70_what_is_left_open_is_said() {
    for workflow in registry::of(Flavour::Postgres) {
        let steps = planned(&Desk::informed(), &workflow);
        let items: BTreeSet<&str> = steps.iter().filter_map(|(_, s)| s.opens.as_ref()).map(|i| i.id.as_str()).collect();
        let mut wanted = vec!["unprotected", "address", "service-nodes", "disarm.target.jobs", "announce.reply"];
        wanted.extend(if workflow.name == "failover" {
            vec!["fenced"]
        } else {
            vec!["stood-down", "disarm.other.jobs"]
        });
        for item in wanted {
            assert!(items.contains(item), "{}: {item} is not among {items:?}", workflow.name);
        }
        for (_, step) in &steps {
            if let Some(item) = &step.opens {
                assert!(!item.text.contains('\n') && !item.command.is_empty(), "{item:?}");
            }
        }
    }
}

/// A rebooted machine loses its address, its name, its daemons: resume looks again at each of these.
#[test]
fn what_a_reboot_takes_away_is_volatile() {
    for workflow in registry::of(Flavour::Postgres) {
        let volatile: BTreeSet<String> =
            planned(&Desk::informed(), &workflow).into_iter().filter(|(_, s)| s.volatile).map(|(_, s)| s.id).collect();
        for id in [
            "address.take",
            "address.name",
            "promote.running",
            "readdress.database",
            "xcatd.restart",
            "services.leases",
        ] {
            assert!(volatile.contains(id), "{}: {id}", workflow.name);
        }
        let own = if workflow.name == "failover" { "fence.off" } else { "stand-down.database" };
        assert!(volatile.contains(own));
    }
}

/// Traps that the two workflows are there for are named by a step that guards them.
#[test]
fn the_traps_of_a_failover_are_guarded() {
    for (name, traps) in [
        (
            "failover",
            vec![
                1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 21, 22, 23, 24, 25, 27, 30, 35, 40, 49, 52, 55, 56, 58,
                62, 63,
            ],
        ),
        ("switchover", vec![1, 5, 9, 11, 12, 13, 14, 21, 22, 24, 35, 48, 49, 52, 55, 56, 58, 62]),
    ] {
        let workflow = registry::by_name(Flavour::Postgres, name).unwrap();
        let mut guarded = BTreeSet::new();
        for desk in desks() {
            guarded.extend(planned(&desk, &workflow).into_iter().flat_map(|(_, s)| s.traps.to_vec()));
        }
        let missing: Vec<u8> = traps.into_iter().filter(|t| !guarded.contains(t)).collect();
        assert_eq!(missing, Vec::<u8>::new(), "{name}");
    }
}

/// A plan is the same however often it is made, and other evidence gives another one.
#[test]
fn plans_are_a_function_of_the_evidence() {
    for workflow in registry::of(Flavour::Postgres) {
        let id = |desk: &Desk| Plan::new(&workflow, &desk.context()).id();
        let informed = Desk::informed();
        assert_eq!(id(&informed), id(&informed.clone()));
        assert_ne!(id(&informed), id(&Desk::new()), "known jobs are in the plan");
        let plan = Plan::new(&workflow, &informed.context());
        let json = serde_json::to_string(&plan).unwrap();
        assert!(json.contains("promote.database") && json.contains(common::RESTORE_LINE));
        assert!(plan.steps().count() >= 20);
    }
}

fn tri() -> impl Strategy<Value = Tri> {
    prop_oneof![Just(Tri::Yes), Just(Tri::No), Just(Tri::Unknown)]
}

prop_compose! {
    fn evidence()(
        power in prop_oneof![Just(Power::On), Just(Power::Off), Just(Power::Unknown)],
        ssh in tri(),
        attested in any::<bool>(),
        target_attested in any::<bool>(),
        fence in 0..3_u8,
        informed in any::<bool>(),
    ) -> Desk {
        let mut desk = if informed { Desk::informed() } else { Desk::new() };
        let node = || "mn-a".to_owned();
        desk.learn(&[
            Fact::PowerState { node: node(), power },
            Fact::Answers { node: node(), channel: journal_schema::Channel::Ssh, answer: ssh },
        ]);
        if attested {
            desk.learn(&[Fact::Attested { node: node(), by: "olga".into(), text: "off".into() }]);
        }
        if target_attested {
            desk.learn(&[Fact::Attested { node: "mn-b".into(), by: "olga".into(), text: "off".into() }]);
        }
        match fence {
            0 => desk.pair.nodes[0].fence = Fence::Attestation,
            1 => desk.pair.nodes[0].fence = Fence::Command { argv: vec!["pdu".into()], identity: None },
            _ => {}
        }
        desk
    }
}

proptest! {
    /// Whatever is known: from every state exactly one way leads on, its steps can be planned, and it has some.
    #[test]
    fn guards_are_exhaustive_and_exclusive(desk in evidence()) {
        for workflow in registry::of(Flavour::Postgres) {
            for (state, _) in workflow.states.iter().filter(|(s, _)| *s != workflow.goal.as_str()) {
                let context = desk.context();
                let taken: Vec<_> = workflow.leaving(state).filter(|r| (r.guard.holds)(&context)).collect();
                prop_assert_eq!(taken.len(), 1, "{} {}", workflow.name, state);
                prop_assert!(!(taken[0].steps)(&context).is_empty());
            }
        }
    }
}
