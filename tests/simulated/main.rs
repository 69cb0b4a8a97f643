//! The simulated ring: whole runs in one process, in virtual time, with hamn dying and answers getting lost at every point.
//!
//! A history is reproduced by its seed: `HAMN_SEED=n cargo test --test simulated one_seed -- --nocapture`.
#![allow(clippy::print_stdout, reason = "a campaign says what it covered")]
#![allow(clippy::similar_names, reason = "a case and what came of it")]
#![allow(clippy::format_collect, reason = "texts for the eye, built once")]

mod bound;
mod campaign;
mod db2;
mod forming;
mod hadr;
mod named;
mod promises;
mod silence;
mod stage;
mod tripped;
mod trouble;
mod typed;
mod word;
