//! hamn: sets up, guards, fails over and fails back the pair of management nodes of an xCAT cluster.
//!
//! The house is described in `ARCHITECTURE.md`. Inside this crate `cli` → `runner` → `engine` → {`journal`, `remote`};
//! nothing points back up.

pub mod cli;
pub mod config;
pub mod engine;
pub mod journal;
pub mod remote;
pub mod report;
pub mod runner;
