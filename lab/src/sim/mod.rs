//! The pair as a world simulated in the process.
