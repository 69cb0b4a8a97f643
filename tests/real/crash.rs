//! The primary dies, and the standby takes over.

use lab::hosts::Machine;

use crate::stage::Stage;

#[test]
fn a_primary_without_power_is_followed_by_the_standby() {
    let Some(stage) = Stage::up("crash") else { return };
    let (shown, rows) = stage.after_the_crash();
    let mut run = stage.start(Machine::Admin, &Stage::consent(&shown, "failover"));
    run.assert_done();
    stage.assert_taken_over(&shown, &rows);
    for call in ["makedhcp -n", "makedhcp -a", "makedns -n"] {
        assert_eq!(stage.calls(Machine::Mn2, call), 1, "{call}");
    }
}
