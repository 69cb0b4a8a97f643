//! The simulated ring: whole runs in one process, in virtual time, with hamn dying and answers getting lost at every point.
//!
//! A history is reproduced by its seed: `HAMN_SEED=n cargo test --test simulated one_seed -- --nocapture`.

mod campaign;
mod stage;
