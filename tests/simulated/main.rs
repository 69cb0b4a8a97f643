//! The simulated ring: whole runs in one process, in virtual time, with hamn dying and answers getting lost at every point.
//!
//! A history is reproduced by its seed: `HAMN_SEED=n cargo test --test simulated one_seed -- --nocapture` (of DB2: `db2_one_seed`).
//! Without optimisation the systematic parts over DB2 take every so many points only; `HAMN_NTH=1` takes all, `HAMN_CASE=TEXT` only the
//! cases whose names contain that.
#![allow(clippy::print_stdout, reason = "a campaign says what it covered")]
#![allow(clippy::similar_names, reason = "a case and what came of it")]
#![allow(clippy::format_collect, reason = "texts for the eye, built once")]

mod back;
mod bound;
mod boundaries;
mod campaign;
mod covered;
mod db2;
mod deployed;
mod forming;
mod hadr;
mod judge;
mod named;
mod promises;
mod random;
mod refused;
mod silence;
mod stage;
mod struck;
mod tally;
mod tripped;
mod trouble;
mod typed;
mod unseen;
mod word;
