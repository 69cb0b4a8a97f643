//! A plan as text: every state, transition and step, with the commands, in the order of the story.

use journal_schema::{Kind, Mode};
use workflows::{
    Script,
    plan::{Plan, PlannedTransition, StepPlan},
    render::render,
};

use super::paint::{BOLD, FAINT, GREEN, YELLOW, paint};

/// How much of the steps is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Commands {
    /// Titles only.
    None,
    /// As the published procedure would have it; shell helpers by name, their texts at the end.
    #[default]
    Short,
    /// One line an action, every word of it.
    Listing,
    /// The shell text that is sent.
    Rendered,
}

/// The text. `live`: the evidence is that of a look at the machines, so conditions are known to hold or not.
pub fn plan(plan: &Plan, commands: Commands, live: bool, colour: bool) -> String {
    // A drill ends where it began.
    let aim = if plan.workflow == "drill" {
        format!("{} is tried, {} in service before and after", plan.target, plan.other)
    } else {
        format!("{} in service, {} not", plan.target, plan.other)
    };
    let mut text = format!(
        "{}\n{}.\nplan {}, table {}\n",
        paint(colour, BOLD, &format!("{} of {}: {aim}", plan.workflow, plan.cluster)),
        plan.about,
        plan.id().short(),
        &plan.table[..12]
    );
    for (number, transition) in (1..).zip(&plan.transitions) {
        text.push('\n');
        text.push_str(&head(number, transition, plan, live, colour));
        for (k, step) in (1..).zip(&transition.steps) {
            text.push_str(&one(&format!("{number}.{k}"), step, transition, commands, colour));
        }
        if transition.steps.is_empty() {
            text.push_str("      no steps on what is known; planned when it is taken\n");
        }
    }
    if commands == Commands::Short {
        text.push_str(&helpers(plan, colour));
    }
    if !live {
        text.push_str("\nSteps that depend on what is seen (scheduled jobs, for example) join when their transition is planned.\n");
    }
    let goal = plan.states.iter().find(|s| s.name == plan.goal).map_or("", |s| s.about.as_str());
    text.push_str(&format!("\n{}: {goal}\n", paint(colour, BOLD, &plan.goal)));
    text
}

fn head(number: u32, transition: &PlannedTransition, plan: &Plan, live: bool, colour: bool) -> String {
    let about = plan.states.iter().find(|s| s.name == transition.from).map_or("", |s| s.about.as_str());
    let kind = match transition.kind {
        Kind::Reversible => paint(colour, FAINT, "can be undone"),
        Kind::Pivot => paint(colour, YELLOW, "PIVOT: once it has begun the run only goes forward"),
        Kind::Forward => paint(colour, FAINT, "forward only"),
    };
    let condition = match (transition.guard.as_str(), live, transition.taken) {
        ("always", ..) => String::new(),
        (guard, false, _) => format!("      if: {guard}\n"),
        (guard, true, true) => format!("      because: {guard}\n"),
        (guard, true, false) => format!("      not taken, unless: {guard}\n"),
    };
    format!(
        "{number:>3}  {} -> {}   {}   ({kind})\n      {}\n{condition}",
        paint(colour, BOLD, &transition.from),
        paint(colour, BOLD, &transition.to),
        transition.name,
        paint(colour, FAINT, &format!("{}: {about}", transition.from))
    )
}

fn one(number: &str, step: &StepPlan, transition: &PlannedTransition, commands: Commands, colour: bool) -> String {
    let mut marks = vec![match step.mode {
        Mode::Observe => "look",
        Mode::Idempotent => "may be repeated",
        Mode::OnceOnly => "once only",
    }];
    if transition.steps.iter().filter(|s| s.stage == step.stage).count() > 1 {
        marks.push("beside the others of its stage");
    }
    if step.optional {
        marks.push("not needed to go on");
    }
    if step.volatile {
        marks.push("gone after a reboot");
    }
    let place = paint(colour, GREEN, &step.place);
    let mut text = format!("   {number:>5}  {place}: {}\n", step.title);
    if commands != Commands::None {
        let from = if step.section.is_empty() { String::new() } else { format!("; procedure {}", step.section) };
        let about = format!("{}: {}; at most {} s{from}", step.id, marks.join("; "), step.timeout_s);
        text.push_str(&format!("          {}\n", paint(colour, FAINT, &about)));
    }
    if commands != Commands::None {
        let mut show = |what: &str, script: &Script| text.push_str(&block(what, script, commands, colour));
        show("do", &step.effect);
        show(if step.mode == Mode::Observe { "look" } else { "check" }, &step.probe);
        if let Some(undo) = step.undo.as_ref().filter(|u| !u.effect.is_empty()) {
            show("undo", &undo.effect);
            show("check", &undo.probe);
        }
    }
    if commands != Commands::None
        && step.undo.as_ref().is_none_or(|u| u.effect.is_empty())
        && step.mode != Mode::Observe
        && transition.kind == Kind::Reversible
    {
        text.push_str("          needs no undoing\n");
    }
    if let Some(item) = &step.opens {
        text.push_str(&format!("          {} {}\n", paint(colour, YELLOW, "opens:"), item.text));
    }
    text
}

fn block(what: &str, script: &Script, commands: Commands, colour: bool) -> String {
    if script.is_empty() {
        return String::new();
    }
    let body = match commands {
        // The nonce is another one at each sending.
        Commands::Rendered => render(script, "NONCE"),
        Commands::Listing => script.listing(),
        Commands::Short | Commands::None => script.summary().join("\n"),
    };
    let mut text = String::new();
    for (k, line) in body.lines().enumerate() {
        let label = if k == 0 { what } else { "" };
        text.push_str(format!("          {}  {line}", paint(colour, FAINT, &format!("{label:>5}"))).trim_end());
        text.push('\n');
    }
    text
}

/// The texts of the shell helpers that the lines name.
fn helpers(plan: &Plan, colour: bool) -> String {
    let all = plan.helpers();
    if all.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n{}: run by sh -c, with the arguments that stand in the line; db2 runs in one shell a step, under db2profile, and ends with \
         TERMINATE (every word: hamn plan --verbose; the whole shell text: --scripts)\n",
        paint(colour, BOLD, "Shell helpers")
    );
    for helper in all {
        text.push_str(&format!("  {}: {}\n", paint(colour, GREEN, &helper.name), helper.purpose));
        text.push_str(&format!("      {}\n", paint(colour, FAINT, &helper.text)));
    }
    text
}
