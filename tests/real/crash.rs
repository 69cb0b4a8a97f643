//! The primary dies, and the standby takes over.

use lab::hosts::Machine;

use crate::stage::Stage;

#[test]
fn a_primary_without_power_is_followed_by_the_standby() {
    let Some(stage) = Stage::up("crash") else { return };
    stage.define(Machine::Mn1, "cn77");
    stage.client();
    stage.power_off(Machine::Mn1);
    let rows = stage.stop_client();
    let (shown, mut run) = stage.begin(Machine::Admin, "failover");
    run.assert_done();
    stage.assert_in_service("cn77");
    stage.assert_loss_is_bounded(Machine::Mn2, &shown, &rows);
    assert_eq!(stage.timeline(Machine::Mn2), 2, "one promotion");
    assert_eq!(stage.calls(Machine::Mn2, "makedhcp -n"), 1);
}
