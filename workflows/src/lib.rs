//! The state machines of hamn and their steps: what to run, where, how to judge the answer, how to undo it.
//!
//! Pure: no I/O, no clock, no tokio. The engine of the program alone orders journal writes and effects.

pub mod by_hand;
pub mod db2;
pub mod deployment;
pub mod diagram;
pub mod example;
pub mod host;
pub mod known;
mod listing;
pub mod model;
pub mod notes;
pub mod plan;
pub mod postgres;
pub mod quote;
pub mod registry;
pub mod render;
pub mod script;
pub mod step;
pub mod steps;
pub mod summary;
pub mod table;
pub mod vocabulary;

pub use known::Known;
pub use plan::Plan;
pub use script::{Action, ActionResult, Command, Output, Script, Stdin};
pub use step::{Judgement, Observed, Place, Step};
pub use table::{Context, Guard, Request, Row, Workflow};
pub use vocabulary::{aix as vocabulary_aix, nim as vocabulary_nim};
