//! The pair of tests and of the demonstration.

pub use workflows::example::{practice as pair, procedure};
