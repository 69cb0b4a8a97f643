//! How things look to a person: tables, times, the story of a run. Makes text; prints nothing.

mod facts;
pub mod paint;
mod plan;
mod runs;
mod table;
mod time;
mod timeline;

pub use facts::fact;
pub use plan::{Commands, plan};
pub use runs::{meaning, next_commands, open_items, open_of_all, runs, standing};
pub use table::Table;
pub use time::{ago, duration, time_of_day, timestamp};
pub use timeline::{Timeline, timeline};
