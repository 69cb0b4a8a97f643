//! Executes, resumes and rolls back a run. The only place that orders journal writes and effects.

mod event;

pub use event::{Answer, Asker, Clock, Ending, Event, Observer, Question};
