//! What a run is going to do, and the id by which somebody consents to exactly that.

use journal_schema::{DatabaseRole, Digest, Fact, Kind, RunId};
use workflows::{Context, Known, Request, Step, Workflow, model::Pair, steps::epoch, table::StateName};

use crate::report::Table;

type Row = workflows::Row<StateName>;

/// One stretch of the way: the transition, or those among which the evidence still has to choose.
#[derive(Debug)]
struct Stretch<'a> {
    rows: Vec<&'a Row>,
    steps: Vec<Step>,
}

/// The way from the first state to the goal, as far as the evidence tells now.
#[derive(Debug)]
pub(crate) struct Intention<'a> {
    pair: &'a Pair,
    way: Vec<Stretch<'a>>,
    /// Digest over the table, the configuration, the planned scripts and the facts that matter.
    pub(crate) id: Digest,
}

impl<'a> Intention<'a> {
    /// Plans the whole way on what is known now.
    pub(crate) fn new(pair: &'a Pair, workflow: &'a Workflow, request: &Request, known: &Known, config: &str) -> Self {
        // The id must not depend on who asks, from where, and on the number of the run: a plan made in the evening is
        // consented to by somebody else at night.
        let nobody = Request { operator: String::new(), host: String::new(), ..request.clone() };
        let mut foreseen = known.clone();
        let mut way = Vec::new();
        let mut state = workflow.initial.as_str();
        while state != workflow.goal.as_str() && way.len() <= workflow.rows.len() {
            let context = Context { pair, known: &foreseen, request: &nobody, run: RunId(0) };
            let leaving: Vec<&Row> = workflow.leaving(state).collect();
            let holding: Vec<&Row> = leaving.iter().copied().filter(|r| (r.guard.holds)(&context)).collect();
            let rows = if holding.len() == 1 { holding } else { leaving };
            let Some(first) = rows.first() else { break };
            state = first.to.as_str();
            let steps = (first.steps)(&context);
            for fact in epoch::foresee(&context, &steps) {
                foreseen.learn(&fact);
            }
            way.push(Stretch { rows, steps });
        }
        let mut text = format!(
            "hamn plan 1\n{}\n{}\n{config}\n{:?}\n{}\n",
            workflow.name,
            workflow.digest(),
            request.target,
            request.accept_unknown_loss
        );
        for stretch in &way {
            for row in &stretch.rows {
                text.push_str(&format!("{}\n", row.name));
            }
            for step in &stretch.steps {
                text.push_str(&format!("{} {}\n", step.id, step.planned(pair).script));
            }
        }
        for line in matters(known) {
            text.push_str(&line);
            text.push('\n');
        }
        Self { pair, way, id: Digest::of(text.as_bytes()) }
    }

    /// States, transitions, pivot; the effects one by one.
    pub(crate) fn render(&self) -> String {
        let mut table = Table::new(&[]);
        for (n, stretch) in self.way.iter().enumerate() {
            let first = stretch.rows[0];
            let names = stretch.rows.iter().map(|r| r.name).collect::<Vec<_>>().join(" or ");
            let kind = match first.kind {
                Kind::Reversible => "can be undone",
                Kind::Pivot => "PIVOT: from here on only forward",
                Kind::Forward => "only forward",
            };
            let ends = format!("{} → {}", first.from.as_str(), first.to.as_str());
            table.row([format!("{}.", n + 1), names, ends, kind.to_owned()]);
            for step in stretch.steps.iter().filter(|s| s.mode != journal_schema::Mode::Observe) {
                table.row([String::new(), format!("  {}", step.place.name(self.pair)), step.title.clone()]);
            }
        }
        table.render(2)
    }
}

fn is_primary(fact: &Fact) -> bool {
    matches!(fact, Fact::Database { role: DatabaseRole::Primary, .. })
}

/// The facts that decide what is right to do, one line each in a fixed order. Positions, clocks and times move all the time
/// without changing what is right, and are left out; of the loss bound it matters whether it is known.
fn matters(known: &Known) -> Vec<String> {
    let mut lines: Vec<String> = known
        .all()
        .filter_map(|fact| match fact {
            Fact::Identity { node, machine_id, host_name, .. } => {
                Some(format!("identity {node} {machine_id} {host_name}"))
            }
            Fact::LossBound { bytes, millis } => Some(format!("loss known {} {}", bytes.is_some(), millis.is_some())),
            // A standby shows the stream of a dead primary until its receiver gives up: that changes nothing.
            Fact::Streaming { .. } if !known.all().any(is_primary) => None,
            Fact::ClockOffset { .. }
            | Fact::LogPosition { .. }
            | Fact::Note { .. }
            | Fact::BackupImage { .. }
            | Fact::Deployment { .. } => None,
            Fact::Hadr { node, role, active, state, connection, .. } => {
                Some(format!("hadr {node} {role:?} {active:?} {state:?} {connection:?}"))
            }
            Fact::Answers { .. }
            | Fact::PowerState { .. }
            | Fact::FenceIdentity { .. }
            | Fact::Database { .. }
            | Fact::Streaming { .. }
            | Fact::HoldsAddress { .. }
            | Fact::AddressProbe { .. }
            | Fact::Service { .. }
            | Fact::ScheduledJob { .. }
            | Fact::Epoch { .. }
            | Fact::ClusterNodes { .. }
            | Fact::Attested { .. }
            | Fact::Claimed { .. }
            | Fact::Setting { .. }
            | Fact::Permitted { .. } => Some(format!("{fact:?}")),
        })
        .collect();
    lines.extend(known.jobs().map(|(node, holder, line, armed)| format!("job {node} {holder} {line} {armed:?}")));
    lines.sort();
    lines
}
