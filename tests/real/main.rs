//! The real ring: hamn on a practice cluster of real hosts, with real ssh, PostgreSQL, ARP and BMCs, and with what goes wrong in
//! reality done to it. Needs root and the packages that `lab::hosts::preflight` names.

/// The simulated ring's stage: what happens here is compared with what happens there.
#[path = "../simulated/stage.rs"]
#[allow(dead_code, reason = "made for more than the comparison")]
mod simulated;
mod stage;

mod aix;
mod conformance;
mod crash;
mod db2;
mod interrupted;
mod refusals;
