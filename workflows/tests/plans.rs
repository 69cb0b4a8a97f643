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
