//! A workflow's table as text, Mermaid and DOT. Generated from the table, so that no drawing can differ from what is run.

use journal_schema::Kind;

use crate::table::{Guard, Row, StateName, Workflow, kind};

fn condition(row: &Row<StateName>) -> Option<&'static str> {
    (row.guard.name != Guard::ALWAYS.name).then_some(row.guard.name)
}

/// A table for a terminal.
pub fn text(workflow: &Workflow) -> String {
    let head = ["State", "transition", "to", "kind"].map(str::to_owned);
    let rows = workflow.rows.iter().map(|r| [r.from.as_str(), r.name, r.to.as_str(), kind(r.kind)].map(str::to_owned));
    let all: Vec<[String; 4]> = std::iter::once(head).chain(rows).collect();
    let width: Vec<usize> = (0..4).map(|i| all.iter().map(|r| r[i].len()).max().unwrap_or(0)).collect();
    let conditions = std::iter::once(None).chain(workflow.rows.iter().map(condition));
    let mut lines = vec![format!("{}: {}", workflow.name, workflow.about), String::new()];
    for ([from, name, to, kind], condition) in all.iter().zip(conditions) {
        let [a, b, c, d] = width[..] else { unreachable!("four columns") };
        let condition = condition.map_or_else(String::new, |c| format!("if {c}"));
        let line = format!("{from:a$}  {name:b$}  {to:c$}  {kind:d$}  {condition}");
        lines.push(line.trim_end().to_owned());
    }
    lines.push(String::new());
    let width = workflow.states.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    lines.extend(workflow.states.iter().map(|(name, about)| format!("{name:width$}  {about}")));
    whole(&lines)
}

fn whole(lines: &[String]) -> String {
    lines.join("\n") + "\n"
}

/// A state diagram for Mermaid.
pub fn mermaid(workflow: &Workflow) -> String {
    let mut lines = vec!["stateDiagram-v2".to_owned(), format!("    [*] --> {}", workflow.initial.as_str())];
    lines.extend(workflow.rows.iter().map(|row| {
        let pivot = if row.kind == Kind::Pivot { " (pivot)" } else { "" };
        let condition = condition(row).map_or_else(String::new, |c| format!(" [{c}]"));
        format!("    {} --> {}: {}{pivot}{condition}", row.from.as_str(), row.to.as_str(), row.name)
    }));
    lines.push(format!("    {} --> [*]", workflow.goal.as_str()));
    whole(&lines)
}

/// A graph for Graphviz: the pivot bold, what can be undone dashed.
pub fn dot(workflow: &Workflow) -> String {
    let mut lines = vec![
        format!("digraph {} {{", workflow.name),
        "    rankdir=TB;".into(),
        "    node [shape=box, style=rounded];".into(),
        format!("    {} [style=\"rounded,bold\"];", workflow.goal.as_str()),
    ];
    lines.extend(workflow.rows.iter().map(|row| {
        let style = match row.kind {
            Kind::Reversible => "dashed",
            Kind::Pivot => "bold",
            Kind::Forward => "solid",
        };
        let condition = condition(row).map_or_else(String::new, |c| format!("\\n[{c}]"));
        let (from, to) = (row.from.as_str(), row.to.as_str());
        format!("    {from} -> {to} [label=\"{}{condition}\", style={style}];", row.name)
    }));
    lines.push("}".into());
    whole(&lines)
}
