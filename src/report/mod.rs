//! How things look to a person: tables, times, durations. Makes text; prints nothing.

mod table;
mod time;

pub use table::Table;
pub use time::{ago, duration, time_of_day, timestamp};
