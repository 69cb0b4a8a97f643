//! What the journal of a history must show, whatever happened: the invariants that are about what was known and said, not about the world.

use std::collections::BTreeMap;

use hamn::remote::simulated::Scene;
use journal_schema::{
    Attempt, DatabaseRole, Direction, End, Fact, HadrRole, Mode, Payload, Power, Record, Tri, Verdict,
};
use lab::sim::EndState;
use workflows::{Known, model::Node};

use crate::campaign::Case;

/// Steps after which a database is writable that was not.
const PROMOTES: [&str; 5] =
    ["promote.database", "switch.database", "failback.database", "drill.takeover", "drill.take-back"];

/// Promises that a history broke, each with the number of the invariant before it.
pub(crate) fn broken(case: &Case, records: &[Record], scene: &Scene) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut known = Known::default();
    let mut fenced = false;
    let mut tries = Tries::default();
    for record in records {
        match &record.payload {
            Payload::Intent { step, direction: Direction::Forward, script, at, attempt, .. } => {
                let off = fenced && is_off(case.pair.node(case.target.other()), &known);
                if PROMOTES.contains(&step.as_str()) {
                    promotion(case, step, off, &known, &mut wrong);
                }
                if script.contains("BY FORCE") && !script.contains("AS PRIMARY BY FORCE") && !off {
                    wrong.push(format!("2: {step} takes over by force, and no fence proof of this run is there"));
                }
                if script.contains("RESTORE D") {
                    overwritten(step, at, &known, &mut wrong);
                }
                if let Some(place) = SERVICE.iter().find_map(|(of, place)| (of == step).then_some(*place)) {
                    one_holder(case, step, at, place, off, &known, &mut wrong);
                }
                if script.contains(lab::sim::SECRET) {
                    wrong.push(format!("secret: it stands in the journal, in what {step} runs"));
                }
                tries.intended(step, *attempt, &mut wrong);
            }
            Payload::Planned { steps, .. } => {
                tries.once.extend(steps.iter().filter(|s| s.mode == Mode::OnceOnly).map(|s| s.id.clone()));
            }
            Payload::Outcome { step, direction, attempt, verdict, evidence, why, tail, .. } => {
                if why.contains(lab::sim::SECRET) || tail.contains(lab::sim::SECRET) {
                    wrong.push(format!("secret: it stands in the journal, in what {step} said"));
                }
                fenced |= *verdict == Verdict::Succeeded && (step == "fence.off" || step == "fence.silent");
                if *direction == Direction::Forward {
                    tries.ended.insert((step.clone(), *attempt), *verdict);
                }
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

/// What a machine can hold that the other one must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Address,
    Xcatd,
    Dhcpd,
}

/// Steps after which a machine holds something of the service.
const SERVICE: [(&str, Held); 3] =
    [("address.take", Held::Address), ("xcatd.restart", Held::Xcatd), ("services.dhcp", Held::Dhcpd)];

/// Its device or somebody says that it is off.
fn is_off(node: &Node, known: &Known) -> bool {
    known.power(&node.name) == Power::Off || known.attested(&node.name)
}

/// Invariant 1, by what was known: the other machine is off, or was seen not to hold it. Not known counts as holding.
fn one_holder(case: &Case, step: &str, at: &str, held: Held, off: bool, known: &Known, wrong: &mut Vec<String>) {
    let Some(other) = case.pair.nodes.iter().find(|n| n.name != at) else { return };
    let seen = match held {
        Held::Address => known.holds(&other.name, &case.pair.service.address),
        Held::Xcatd => known.service(&other.name, "xcatd").0,
        Held::Dhcpd => known.service(&other.name, "dhcpd").0,
    };
    let off = off || is_off(other, known);
    if !off && seen != Tri::No {
        wrong.push(format!("1: {step} was intended at {at}; whether {} has it was {seen:?}", other.name));
    }
}

/// The tries of steps that may happen once.
#[derive(Default)]
struct Tries {
    once: Vec<String>,
    ended: BTreeMap<(String, Attempt), Verdict>,
}

impl Tries {
    /// Invariant 8: a once-only step is sent again only when the try before it is known to have had no effect.
    fn intended(&self, step: &str, attempt: Attempt, wrong: &mut Vec<String>) {
        if attempt.0 < 2 || !self.once.iter().any(|id| id == step) {
            return;
        }
        let before = self.ended.get(&(step.to_owned(), Attempt(attempt.0 - 1)));
        if before != Some(&Verdict::Failed) {
            wrong.push(format!("8: {step} may happen once, and was sent again when the try before was {before:?}"));
        }
    }
}

/// Invariants 2, 6 and 9, by what was in the journal when the promotion was intended.
fn promotion(case: &Case, step: &str, off: bool, known: &Known, wrong: &mut Vec<String>) {
    let other = case.pair.node(case.target.other());
    if step == "promote.database" && case.workflow.name != "failover" {
        // Not known counts as writable.
        let role = known.database(&other.name).0;
        if role != DatabaseRole::Down {
            wrong.push(format!("1: {step} was intended while the database on {} was {role:?}", other.name));
        }
    }
    if step == "promote.database" && case.workflow.name == "failover" {
        if !off {
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
