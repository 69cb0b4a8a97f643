//! Golden plans: what would be run, where, in which order, how it is undone. A reviewer reads behaviour here.

mod common;

use std::fmt::Write as _;

use common::{Desk, db2_desk, plan_text};
use workflows::{
    Known, Plan, Workflow, diagram,
    model::{Flavour, NodeId},
    registry,
    table::Aimed,
};

/// The workflows of each kind of database. Those of DB2 are planned for the procedure's own example.
fn all() -> impl Iterator<Item = (Flavour, Workflow)> {
    Flavour::ALL.into_iter().flat_map(|flavour| registry::of(flavour).into_iter().map(move |w| (flavour, w)))
}

/// The target is the machine that the workflow is aimed at when nobody says: mn-a is in service.
fn informed(flavour: Flavour, workflow: &Workflow) -> Desk {
    let mut desk = match flavour {
        Flavour::Postgres => Desk::informed(),
        Flavour::Db2 => db2_desk(),
    };
    if workflow.aimed == Aimed::AtPrimary {
        desk.request.target = NodeId::A;
    }
    desk
}

fn named(what: &str, flavour: Flavour, workflow: &str) -> String {
    match flavour {
        Flavour::Postgres => format!("{what}_{workflow}"),
        Flavour::Db2 => format!("{what}_db2_{workflow}"),
    }
}

/// Every transition of every workflow is in a golden plan, with what it does on full evidence.
#[test]
#[allow(clippy::print_stdout, reason = "the list of covered transitions is an output of the test run")]
fn plans() {
    for (flavour, workflow) in all() {
        let desk = informed(flavour, &workflow);
        let plan = Plan::new(&workflow, &desk.context());
        let covered: Vec<&str> = plan.transitions.iter().filter(|t| !t.steps.is_empty()).map(|t| &*t.name).collect();
        let all: Vec<&str> = workflow.rows.iter().map(|r| r.name).collect();
        assert_eq!(covered, all, "every transition has steps");
        println!("{}: {} transitions covered: {}", workflow.name, all.len(), all.join(", "));
        insta::assert_snapshot!(named("plan", flavour, workflow.name), plan_text(&plan));
    }
}

/// The short form leaves nothing unnamed: every shell text is a helper with a purpose, and what the procedure itself says is in a line of
/// its own.
#[test]
fn every_shell_text_has_a_name_and_a_purpose() {
    for (flavour, workflow) in all() {
        let plan = Plan::new(&workflow, &informed(flavour, &workflow).context());
        for step in plan.steps() {
            let undo = step.undo.iter().flat_map(|u| [&u.effect, &u.probe]);
            for line in [&step.effect, &step.probe].into_iter().chain(undo).flat_map(workflows::Script::summary) {
                assert!(!line.contains("sh -c"), "{}: {line}", step.id);
                assert!(flavour == Flavour::Postgres || line.len() < 260, "{}: {line}", step.id);
            }
        }
        for helper in plan.helpers() {
            assert!(!helper.purpose.is_empty() && !helper.text.is_empty(), "{helper:?}");
        }
    }
}

/// Before anything was looked at, the plan is dry and complete all the same.
#[test]
fn a_dry_plan() {
    for (flavour, workflow) in all() {
        let plan = Plan::new(&workflow, &Desk { known: Known::default(), ..informed(flavour, &workflow) }.context());
        insta::assert_snapshot!(
            named("dry", flavour, workflow.name),
            plan.transitions.iter().fold(String::new(), |mut all, t| {
                let steps: Vec<&str> = t.steps.iter().map(|s| s.id.as_str()).collect();
                let _ = writeln!(all, "{}: {}", t.name, steps.join(" "));
                all
            })
        );
    }
}

#[test]
fn diagrams() {
    for (flavour, workflow) in all() {
        let all = [diagram::text(&workflow), diagram::mermaid(&workflow), diagram::dot(&workflow)];
        insta::assert_snapshot!(named("diagrams", flavour, workflow.name), all.join("\n"));
    }
}

/// What one workflow leaves open and another settles goes by one name (invariant 10).
#[test]
fn what_a_later_run_settles_is_opened_by_some_run() {
    let opened: std::collections::BTreeSet<String> = all()
        .flat_map(|(flavour, workflow)| {
            let desk = informed(flavour, &workflow);
            let plan = Plan::new(&workflow, &desk.context());
            plan.steps().filter_map(|s| s.opens.as_ref()).map(|i| i.id.clone()).collect::<Vec<_>>()
        })
        .collect();
    let mut settled = 0;
    for (_, workflow) in all() {
        for item in &workflow.settles {
            assert!(
                opened.contains(*item),
                "{} settles {item}, which nobody opens; opened are {opened:#?}",
                workflow.name
            );
            settled += 1;
        }
    }
    assert!(settled > 20, "{settled}");
    assert!(registry::settles("failback", "unprotected") && registry::settles("failback", "fenced"));
    // Over and back: of the machine that is in service again, nobody says that it is off or that its database is stopped.
    for workflow in ["failover", "switchover"] {
        assert!(registry::settles(workflow, "fenced") && registry::settles(workflow, "stood-down"), "{workflow}");
    }
    assert!(!registry::settles("drill", "unprotected") && !registry::settles("failback", "divergence"));
}
