//! The primary dies, and the standby takes over.

use lab::hosts::{Machine, Nic, Plug};
use workflows::model::NodeId;

use crate::stage::{Stage, until};

#[test]
fn a_primary_without_power_is_followed_by_the_standby() {
    let Some(stage) = Stage::up("crash") else { return };
    stage.define(Machine::Mn1, "cn77");
    stage.client();
    // The standby is cut off a little earlier, so that something is lost indeed.
    let cables = Nic::BOTH.map(|nic| Plug::Host(Machine::Mn2, nic));
    for cable in cables {
        stage.lab.cable(cable, false).unwrap_or_else(|e| panic!("{e}"));
    }
    let before = stage.acknowledged().len();
    until("more rows", || stage.acknowledged().len() > before + 20);
    stage.power_off(Machine::Mn1);
    for cable in cables {
        stage.lab.cable(cable, true).unwrap_or_else(|e| panic!("{e}"));
    }
    let rows = stage.stop_client();
    let before = [Machine::Admin, Machine::Mn2].map(|m| stage.files(m));
    let shown = stage.look(Machine::Admin, "failover", &[]);
    assert_eq!([Machine::Admin, Machine::Mn2].map(|m| stage.files(m)), before, "a dry run writes nothing anywhere");
    assert!(shown.loss_ms.is_some(), "the bound is known: {}", shown.text);
    // Consent is to facts. That the standby's receiver gives the dead primary up in the meantime changes none.
    stage.standby_notices();
    let mut run = stage.start(Machine::Admin, &Stage::consent(&shown, "failover"));
    run.assert_done();
    stage.assert_taken_over(&shown, &rows);
    assert_ne!(stage.lost(Machine::Mn2, &rows), [], "what the standby never got");
    stage.assert_as_simulated("failover", |world| {
        world.power(NodeId::A, false);
        world.advance(120_000);
    });
    for call in ["makedhcp -n", "makedhcp -a", "makedns -n"] {
        assert_eq!(stage.calls(Machine::Mn2, call), 1, "{call}");
    }
}
