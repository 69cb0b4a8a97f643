//! The campaign over the workflows of the procedure's own pair: DB2 with HADR, AIX, NIM.

use std::sync::Arc;

use hamn::{engine::Ending, remote::simulated::Mishap};
use lab::sim::{AtBoot, EndState, Strike, World};
use workflows::{
    example,
    model::{AfterTakeover, Flavour, NimResources, NodeId, Pair},
};

use crate::{
    back::{rollbacks, rollbacks_interrupted},
    boundaries::{journal_boundaries, remote_calls},
    campaign::Case,
    forming,
    judge::Reference,
    random::{self, Seed, random_of, random_script},
    stage::{Do, Script, Stage, story},
    struck::struck_at_any_tick,
    tally::Wrong,
};

/// A case of the procedure's pair, after a minute of peace and what `prepare` does.
pub(crate) fn case_of(name: &'static str, workflow: &str, pair: Pair, prepare: fn(&mut World)) -> Case {
    let mut world = synced(&pair);
    prepare(&mut world);
    let workflow = workflows::registry::by_name(Flavour::Db2, workflow).expect("a workflow of that name");
    let target = if workflow.aimed == workflows::table::Aimed::AtPrimary || workflow.name == "failback" {
        NodeId::A
    } else {
        NodeId::B
    };
    Case {
        name,
        workflow: Arc::new(workflow),
        pair: Arc::new(pair),
        world,
        decisions: Vec::new(),
        target,
        holds: World::served,
        rebooted: |_| {},
    }
}

/// The world after a run in it.
pub(crate) fn after(world: &World, pair: &Pair, workflow: &str, target: NodeId) -> World {
    let workflow = workflows::registry::by_name(Flavour::Db2, workflow).expect("a workflow of that name");
    let stage = Stage::new(world.clone(), Arc::new(pair.clone()), Arc::new(workflow), target, Script::default());
    let end = stage.program(Do::Start);
    assert_eq!(end, Some(Ending::Done), "{}", story(&stage.records()));
    stage.scene.lock().unwrap().world.clone()
}

/// A healthy pair of which was saved what a dead primary cannot tell.
pub(crate) fn synced(pair: &Pair) -> World {
    let mut world = World::healthy(pair);
    world.advance(60_000);
    after(&world, pair, "sync", NodeId::A)
}

/// The old primary is back after a failover; nothing of the cluster started there.
pub(crate) fn failed_over(w: &mut World, pair: &Pair) {
    *w = after(w, pair, "failover", NodeId::B);
    w.boots_with(NodeId::A, AtBoot { database: false, xcatd: false, helpers: false, service_address: false });
    w.power(NodeId::A, true);
    w.advance(300_000);
}

fn dissolving() -> Pair {
    let mut pair = example::procedure();
    if let workflows::model::Database::Db2(db2) = &mut pair.database {
        db2.hadr.after_takeover = AfterTakeover::Stop;
    }
    pair
}

/// The procedure's pair with HANIM: NIM's own takeover instead of new definitions.
pub(crate) fn alternate() -> Pair {
    let mut pair = example::procedure();
    pair.nim.as_mut().expect("the procedure's pair has NIM").resources = NimResources::Hanim;
    pair
}

fn failovers() -> Vec<Case> {
    let procedure = example::procedure;
    vec![
        case_of("DB2 failover, both alive", "failover", procedure(), |_| {}),
        case_of("DB2 failover, the link just cut", "failover", procedure(), |w| {
            w.strike_in(0, Strike::Link { cut: true });
            w.advance(70_000);
        }),
        case_of("DB2 failover, primary without power", "failover", procedure(), |w| w.power(NodeId::A, false)),
        case_of("DB2 failover, primary half dead, past the window", "failover", procedure(), |w| {
            w.half_dead(NodeId::A);
            w.advance(600_000);
        }),
        case_of("DB2 failover, HADR dissolved", "failover", dissolving(), |w| w.power(NodeId::A, false)),
        case_of("DB2 failover, NIM's alternate master", "failover", alternate(), |w| w.power(NodeId::A, false)),
    ]
}

/// A sync has nothing to do with what runs.
fn only_files(end: &mut EndState) {
    (end.served, end.streaming) = (false, false);
    for node in &mut end.nodes {
        node.helpers.clear();
        if let Some(db2) = &mut node.db2 {
            (db2.active, db2.hadr) = (false, None);
        }
        node.xcatd = "";
        node.service_address = false;
        node.host_name.clear();
    }
}

fn others() -> Vec<Case> {
    vec![
        case_of("DB2 drill", "drill", example::procedure(), |_| {}),
        case_of("DB2 failback, the log matches", "failback", example::procedure(), |w| {
            failed_over(w, &example::procedure());
        }),
        case_of("DB2 failback, a new copy", "failback", dissolving(), |w| {
            w.power(NodeId::A, false);
            failed_over(w, &dissolving());
        }),
        Case { holds: |_| true, rebooted: only_files, ..case_of("DB2 sync", "sync", example::procedure(), |_| {}) },
    ]
}

/// The cases of the campaign; with `HAMN_CASE` those whose names contain that.
pub(crate) fn all() -> Vec<Case> {
    let wanted = std::env::var("HAMN_CASE").unwrap_or_default();
    let all = failovers().into_iter().chain(others()).chain(forming::cases());
    all.filter(|case| case.name.contains(&wanted)).collect()
}

/// Whole in a release build, of which every so many without optimisation; `HAMN_NTH` says otherwise.
fn every(nth: usize) -> usize {
    let asked = std::env::var("HAMN_NTH").ok().and_then(|n| n.parse().ok());
    asked.unwrap_or(if cfg!(debug_assertions) { nth } else { 1 })
}

#[test]
fn db2_every_journal_boundary() {
    for case in all() {
        journal_boundaries(&case, every(17));
    }
}

#[test]
fn db2_every_remote_call() {
    let mut wrong = Wrong::default();
    for case in all() {
        remote_calls(&case, every(23), &mut wrong);
    }
    wrong.assert_none();
}

#[test]
fn db2_rollback_from_every_point_before_the_pivot() {
    for case in all() {
        rollbacks(&case, every(13));
    }
}

#[test]
fn db2_an_interrupted_rollback_ends() {
    for case in all() {
        rollbacks_interrupted(&case, every(7));
    }
}

const CUT: Strike = Strike::Link { cut: true };
const HEALED: Strike = Strike::Link { cut: false };
const A_DIES: Strike = Strike::Power { id: NodeId::A, on: false };
const B_DIES: Strike = Strike::Power { id: NodeId::B, on: false };
const B_BOOTS: Strike = Strike::Power { id: NodeId::B, on: true };

/// The link cut for ever, for a moment, for longer than the peer window; a machine killed for good; the one that takes over killed, and
/// back. That the old primary comes back by itself is another matter: it must be told from a machine that is off.
const BLOWS: [&[(u64, Strike)]; 6] = [
    &[(0, CUT)],
    &[(0, CUT), (3_000, HEALED)],
    &[(0, CUT), (300_000, HEALED)],
    &[(0, A_DIES)],
    &[(0, B_DIES)],
    &[(0, B_DIES), (20_000, B_BOOTS)],
];

#[test]
fn db2_struck_at_any_tick() {
    let mut wrong = Wrong::default();
    for case in all() {
        struck_at_any_tick(&case, &BLOWS, every(37), &mut wrong);
    }
    wrong.assert_none();
}

/// Mishaps, and strikes among them.
fn script(seed: u64, reference: &Reference) -> Script {
    let mut script = random_script(seed, reference);
    let mut seed = Seed(!seed);
    for _ in 0..seed.below(3) {
        let at = seed.below(reference.calls);
        let ms = seed.below(5_000);
        let blow = BLOWS[seed.below(BLOWS.len() as u64) as usize];
        script.strikes.extend(blow.iter().map(|(later, strike)| (at, ms + later, *strike)));
        // A machine that is killed is not brought back by a mishap.
        if blow.iter().any(|(_, s)| matches!(s, Strike::Power { .. })) {
            script.calls.retain(|(_, m)| !matches!(m, Mishap::RebootAfter(_)));
        }
    }
    script
}

#[test]
fn db2_random_histories() {
    let usual = if cfg!(debug_assertions) { 150 } else { 10_000 };
    let (first, count) = random::asked_for(usual);
    let cases = all();
    let ends = random_of(&cases, first, count, script);
    random::print(&cases, &ends, first, count, "db2_one_seed");
    assert!(ends.values().any(|tally| tally.done > 0));
}

/// Shows one of [`db2_random_histories`]: `HAMN_SEED=n`.
#[test]
fn db2_one_seed() {
    random::show_one(&all(), script);
}
