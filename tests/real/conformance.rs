//! What the simulator shows in milliseconds is what happens on a host: the engine takes the same transitions of the same tables
//! through both, and each step must come to the same verdict on the same evidence. What differs from machine to machine (identities,
//! positions, times, hardware addresses) is left out; that it was seen is not.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use journal_schema::{Fact, Mode, Payload, Verdict};
use lab::{
    hosts::{Machine, config},
    sim::World,
};
use workflows::model::{NodeId, Pair};

use crate::{
    simulated::{Do, Script, Stage as Simulation},
    stage::{Stage, say},
};

/// A step as it went: where, how, and what was seen.
#[derive(Debug, PartialEq, Eq)]
struct Went {
    place: String,
    mode: Mode,
    holds: bool,
    evidence: BTreeSet<String>,
}

/// By transition and step, in the order of planning.
type Story = Vec<(String, String, Went)>;

/// How a run went, by its records.
fn story(payloads: impl IntoIterator<Item = Payload>, controller: &str) -> Story {
    let mut story = Story::new();
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    for payload in payloads {
        match payload {
            Payload::Planned { transition, steps, .. } => {
                for step in steps {
                    at.insert(step.id.clone(), story.len());
                    let place = if step.place == controller { "controller".to_owned() } else { step.place };
                    let went = Went { place, mode: step.mode, holds: false, evidence: BTreeSet::new() };
                    story.push((transition.clone(), step.id, went));
                }
            }
            Payload::Outcome { step, verdict, evidence, .. } => {
                let went = &mut story[at[&step]].2;
                went.holds = verdict == Verdict::Succeeded;
                went.evidence = evidence.iter().map(plain).collect();
            }
            Payload::Skipped { step, evidence, .. } => {
                let went = &mut story[at[&step]].2;
                went.holds = true;
                went.evidence = evidence.iter().map(plain).collect();
            }
            _ => {}
        }
    }
    story
}

/// A fact without what differs from machine to machine.
fn plain(fact: &Fact) -> String {
    let seen = |known: bool| if known { "known" } else { "unknown" };
    match fact {
        Fact::Identity { node, host_name, .. } => format!("Identity {node} {host_name}"),
        Fact::ClockOffset { node, .. } => format!("ClockOffset {node}"),
        Fact::FenceIdentity { node, .. } => format!("FenceIdentity {node}"),
        Fact::Database { node, role, system_id, timeline } => {
            format!("Database {node} {role:?} system {} timeline {timeline}", seen(!system_id.is_empty()))
        }
        Fact::LogPosition { node, written, received, replayed, .. } => format!(
            "LogPosition {node} written {} received {} replayed {}",
            seen(written.is_some()),
            seen(received.is_some()),
            seen(replayed.is_some())
        ),
        Fact::AddressProbe { node, address, answered_by } => {
            format!("AddressProbe {node} {address} answered: {}", answered_by.is_some())
        }
        // What a boot starts, and which lines a crontab has, is how the machine was installed.
        // The practice hosts have no programs of these two; the simulated ones do.
        Fact::Service { node, service, .. } if ["named", "conserver"].contains(&service.as_str()) => {
            format!("Service {node} {service}")
        }
        Fact::Service { node, service, running, .. } => format!("Service {node} {service} {running:?}"),
        Fact::ScheduledJob { node, armed, .. } => format!("ScheduledJob {node} {armed:?}"),
        Fact::ClusterNodes { node, .. } => format!("ClusterNodes {node}"),
        Fact::LossBound { bytes, millis } => {
            format!("LossBound bytes {} time {}", seen(bytes.is_some()), seen(millis.is_some()))
        }
        Fact::Claimed { node, claim } => format!("Claimed {node} {}", claim.split(' ').next().unwrap_or_default()),
        Fact::Note { node, key, .. } => format!("Note {node} {key}"),
        other => format!("{other:?}"),
    }
}

/// The same workflow in the simulator, to its end.
fn in_the_simulator(pair: &Pair, workflow: &str, prepare: impl Fn(&mut World)) -> Story {
    let mut world = World::healthy_prepared(pair);
    world.advance(60_000);
    prepare(&mut world);
    let workflow = workflows::registry::by_name(pair.flavour(), workflow).expect("a workflow of that name");
    let simulation = Simulation::new(world, Arc::new(pair.clone()), Arc::new(workflow), NodeId::B, Script::default());
    let ending = simulation.program(Do::Start);
    assert_eq!(ending, Some(hamn::engine::Ending::Done));
    story(simulation.records().into_iter().map(|r| r.payload), "controller")
}

impl Stage {
    /// The last run on the admin host went as it goes in the simulator.
    pub(crate) fn assert_as_simulated(&self, workflow: &str, prepare: impl Fn(&mut World)) {
        let records = self.journal(Machine::Admin);
        let payloads = records
            .iter()
            .map(|r| serde_json::from_value::<Payload>(r["payload"].clone()).unwrap_or_else(|e| panic!("{e}: {r}")));
        let real = story(payloads, "controller");
        let simulated = in_the_simulator(&config(&self.lab), workflow, prepare);
        let names = |s: &Story| s.iter().map(|(t, id, _)| format!("{t}: {id}")).collect::<Vec<_>>();
        assert_eq!(names(&real), names(&simulated), "the same transitions with the same steps");
        let mut different = Vec::new();
        let mut facts = 0;
        for ((_, id, real), (_, _, simulated)) in real.iter().zip(&simulated) {
            facts += real.evidence.len();
            if (&real.place, real.mode, real.holds) != (&simulated.place, simulated.mode, simulated.holds) {
                different.push(format!("{id}: real {real:?}, simulated {simulated:?}"));
            }
            different.extend(real.evidence.difference(&simulated.evidence).map(|f| format!("{id}: only real: {f}")));
            different
                .extend(simulated.evidence.difference(&real.evidence).map(|f| format!("{id}: only simulated: {f}")));
        }
        assert!(different.is_empty(), "{workflow}:\n{}", different.join("\n"));
        say(&format!("{workflow}: {} steps with {facts} facts went as they go in the simulator", real.len()));
    }
}
