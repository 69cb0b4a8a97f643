//! What interrupts a run, and what does not.
