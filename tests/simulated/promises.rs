//! What the journal of a history must show, whatever happened: the invariants that are about what was known and said, not about the world.

use hamn::remote::simulated::Scene;
use journal_schema::{Direction, End, Fact, HadrRole, Payload, Power, Record, Tri, Verdict};
use lab::sim::EndState;
use workflows::Known;

use crate::campaign::Case;

/// Steps after which a database is writable that was not.
const PROMOTES: [&str; 5] =
    ["promote.database", "switch.database", "failback.database", "drill.takeover", "drill.take-back"];

/// Promises that a history broke, with the number of the invariant.
pub(crate) fn broken(case: &Case, records: &[Record], scene: &Scene) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut known = Known::default();
    let mut fenced = false;
    for record in records {
        match &record.payload {
            Payload::Intent { step, direction: Direction::Forward, script, at, .. } => {
                if PROMOTES.contains(&step.as_str()) {
                    promotion(case, step, fenced, &known, &mut wrong);
                }
                if script.contains("RESTORE D") {
                    overwritten(step, at, &known, &mut wrong);
                }
            }
            Payload::Outcome { step, verdict, evidence, .. } => {
                fenced |= *verdict == Verdict::Succeeded && (step == "fence.off" || step == "fence.silent");
                for fact in evidence {
                    known.learn(fact);
                }
            }
            Payload::Decided { evidence, .. }
            | Payload::Skipped { evidence, .. }
            | Payload::Regressed { evidence, .. } => {
                for fact in evidence {
                    known.learn(fact);
                }
            }
            Payload::Finished { end: End::Done, .. } => temporary(case, records, scene, &mut wrong),
            _ => {}
        }
    }
    wrong
}

/// Invariants 2, 6 and 9, by what was in the journal when the promotion was intended.
fn promotion(case: &Case, step: &str, fenced: bool, known: &Known, wrong: &mut Vec<String>) {
    let other = case.pair.node(case.target.other());
    if step == "promote.database" && case.workflow.name == "failover" {
        let off = known.power(&other.name) == Power::Off || known.attested(&other.name);
        if !fenced || !off {
            wrong.push(format!("2: {step} was intended without a fence proof of this run"));
        }
        if !known.all().any(|f| matches!(f, Fact::LossBound { .. })) {
            wrong.push(format!("9: {step} was intended before anything was said of the loss"));
        }
    }
    for (node, holder, line, armed) in known.jobs() {
        let onto = *node == *case.pair.node(case.target).name;
        let restores = line.contains("pg_restore") || line.contains("restorexCATdb");
        if onto && restores && armed != Tri::No {
            wrong.push(format!(
                "6: {step} was intended while {holder} was armed by the last listing ({armed:?}): {line}"
            ));
        }
    }
}

/// Invariant 5: the last that was seen of that machine's database is a role, or that there is none, and not a primary that may be one
/// still. That the job looks once more itself is seen by the watch over the world.
fn overwritten(step: &str, at: &str, known: &Known, wrong: &mut Vec<String>) {
    let by_role = match known.hadr(at) {
        Some(Fact::Hadr { role: HadrRole::Standard | HadrRole::Standby, .. }) => true,
        // An old primary that is back: closed, or it may be one still.
        Some(Fact::Hadr { role: HadrRole::Primary, active, .. }) => *active == Tri::No,
        _ => false,
    };
    let by_word =
        known.setting(at, "HADR database role").is_some_and(|r| ["STANDARD", "STANDBY", "absent"].contains(&r));
    if !by_role && !by_word {
        wrong.push(format!("5: {step} was intended at {at}, and of its database was known: {:?}", known.hadr(at)));
    }
}

/// Invariant 10: a machine that is on has a line commented out only while an item says so.
fn temporary(case: &Case, records: &[Record], scene: &Scene, wrong: &mut Vec<String>) {
    let mut open: Vec<&str> = Vec::new();
    for record in records {
        match &record.payload {
            Payload::ItemOpened(item) => open.push(&item.id),
            Payload::ItemClosed { id, .. } => open.retain(|o| o != id),
            _ => {}
        }
    }
    // What an earlier run left is that run's.
    let (before, end) = (case.world.end_state(), scene.world.end_state());
    for (n, node) in case.pair.nodes.iter().enumerate().filter(|(n, _)| end.nodes[*n].power) {
        let disarmed =
            |end: &EndState| end.nodes[n].files.values().map(|text| text.matches("#hamn:").count()).sum::<usize>();
        if disarmed(&end) > disarmed(&before) && !open.iter().any(|id| id.rsplit('.').next() == Some("jobs")) {
            wrong.push(format!("10: jobs of {} are commented out, and no item says so: {open:?}", node.name));
        }
    }
}
