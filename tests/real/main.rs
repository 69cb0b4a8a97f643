//! The real ring: hamn on a practice cluster of real hosts, with real ssh, PostgreSQL, ARP and BMCs, and with what goes wrong in
//! reality done to it. Needs root and the packages that `lab::hosts::preflight` names.

mod stage;

mod aix;
mod crash;
mod interrupted;
mod refusals;
