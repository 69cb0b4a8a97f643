//! Which transitions of the tables are taken by whole runs. One that no run takes fails here; the list is printed.

use std::collections::{BTreeMap, BTreeSet};

use journal_schema::Payload;
use lab::sim::{Strike, World};
use workflows::{
    example,
    model::{Fence, Flavour, NodeId, Pair},
    registry,
};

use crate::{
    campaign::{Came, Case, cases, run},
    hadr,
    stage::{Script, story},
    word::{attested, vouch},
};

/// The primary of the procedure's pair is off, has no fence device, and somebody says that it is off.
fn attested_db2() -> Case {
    let mut pair: Pair = example::procedure();
    pair.nodes[0].fence = Fence::Attestation;
    let prepare = |world: &mut World| {
        world.power(NodeId::A, false);
        world.attest(NodeId::A);
    };
    let decisions = vec![vouch(&pair)];
    Case { decisions, ..hadr::case_of("DB2 failover, attested", "failover", pair, prepare) }
}

/// Past the window the primary writes alone behind a cut link, and after the failover the other one does.
fn parted() -> Case {
    hadr::case_of("DB2 failback, both wrote alone", "failback", example::procedure(), |world| {
        world.strike_in(0, Strike::Link { cut: true });
        world.advance(400_000);
        hadr::failed_over(world, &example::procedure());
        world.strike_in(0, Strike::Link { cut: false });
        world.advance(60_000);
    })
}

fn all() -> Vec<Case> {
    let own = [attested("attested, no device", false), attested_db2(), parted()];
    cases().into_iter().chain(hadr::all()).chain(own).collect()
}

#[test]
fn every_transition_of_every_table_is_taken_by_a_whole_run() {
    if std::env::var_os("HAMN_CASE").is_some() {
        return println!("some cases only: nothing can be said of all transitions");
    }
    let mut taken: BTreeMap<(Flavour, &str), BTreeSet<String>> = BTreeMap::new();
    for case in all() {
        let (stage, came) = run(&case, Script::default());
        let records = stage.records();
        assert_eq!(came, Came::Done, "{}\n{}", case.name, story(&records));
        let planned = records.iter().filter_map(|r| match &r.payload {
            Payload::Planned { transition, .. } => Some(transition.clone()),
            _ => None,
        });
        taken.entry((case.pair.flavour(), case.workflow.name)).or_default().extend(planned);
    }
    for flavour in Flavour::ALL {
        for workflow in registry::of(flavour) {
            let of = taken.get(&(flavour, workflow.name)).cloned().unwrap_or_default();
            let missing: Vec<&str> = workflow.rows.iter().map(|r| r.name).filter(|n| !of.contains(*n)).collect();
            assert_eq!(missing, Vec::<&str>::new(), "{flavour:?} {}: no run takes these", workflow.name);
            println!("{flavour:?} {}: all {} transitions are taken by whole runs: {of:?}", workflow.name, of.len());
        }
    }
}
