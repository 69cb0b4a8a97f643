//! Golden plans: what would be run, where, in which order, how it is undone. A reviewer reads behaviour here.

mod common;

use std::fmt::Write as _;

use common::{Desk, plan_text};
use workflows::{Plan, diagram, model::Flavour, registry};

/// Every transition of every workflow is in a golden plan, with what it does on full evidence.
#[test]
#[allow(clippy::print_stdout, reason = "the list of covered transitions is an output of the test run")]
fn plans() {
    for workflow in registry::of(Flavour::Postgres) {
        let desk = Desk::informed();
        let plan = Plan::new(&workflow, &desk.context());
        let covered: Vec<&str> = plan.transitions.iter().filter(|t| !t.steps.is_empty()).map(|t| &*t.name).collect();
        let all: Vec<&str> = workflow.rows.iter().map(|r| r.name).collect();
        assert_eq!(covered, all, "every transition has steps");
        println!("{}: {} transitions covered: {}", workflow.name, all.len(), all.join(", "));
        insta::assert_snapshot!(format!("plan_{}", workflow.name), plan_text(&plan));
    }
}

/// Before anything was looked at, the plan is dry and complete all the same.
#[test]
fn a_dry_plan() {
    for workflow in registry::of(Flavour::Postgres) {
        let plan = Plan::new(&workflow, &Desk::new().context());
        insta::assert_snapshot!(
            format!("dry_{}", workflow.name),
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
    for workflow in registry::of(Flavour::Postgres) {
        let all = [diagram::text(&workflow), diagram::mermaid(&workflow), diagram::dot(&workflow)];
        insta::assert_snapshot!(format!("diagrams_{}", workflow.name), all.join("\n"));
    }
}
