//! Times and durations for people.

use jiff::{Timestamp, tz::TimeZone};
use journal_schema::UnixMillis;

fn stamp(at: UnixMillis) -> Timestamp {
    i64::try_from(at.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `2026-01-31 03:12:45` in UTC: the clocks of two nodes and of a laptop meet only there.
pub fn timestamp(at: UnixMillis) -> String {
    stamp(at).to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `03:12:45.123` in UTC.
pub fn time_of_day(at: UnixMillis) -> String {
    stamp(at).to_zoned(TimeZone::UTC).strftime("%H:%M:%S.%3f").to_string()
}

/// A span in two units at most: `850 ms`, `5.9 s`, `2 min 5 s`, `3 h 10 min`, `4 d 2 h`.
pub fn duration(millis: u64) -> String {
    let (s, m, h, d) = (millis / 1000, millis / 60_000, millis / 3_600_000, millis / 86_400_000);
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", s, millis % 1000 / 100),
        60_000..3_600_000 => format!("{m} min {} s", s % 60),
        3_600_000..86_400_000 => format!("{h} h {} min", m % 60),
        _ => format!("{d} d {} h", h % 24),
    }
}

/// How long before `now` something was; a time in the future (clocks differ) says so.
pub fn ago(at: UnixMillis, now: UnixMillis) -> String {
    match now.0.checked_sub(at.0) {
        Some(millis) => format!("{} ago", duration(millis)),
        None => format!("{} in the future", duration(at.0 - now.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_in_at_most_two_units() {
        let spans = [0, 999, 1_000, 5_949, 59_999, 125_000, 11_400_000, 353_000_000];
        assert_eq!(
            spans.map(duration),
            ["0 ms", "999 ms", "1.0 s", "5.9 s", "59.9 s", "2 min 5 s", "3 h 10 min", "4 d 2 h"]
        );
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(timestamp(UnixMillis(1_769_829_165_123)), "2026-01-31 03:12:45");
        assert_eq!(time_of_day(UnixMillis(1_769_829_165_123)), "03:12:45.123");
        assert_eq!(ago(UnixMillis(1_000), UnixMillis(3_500)), "2.5 s ago");
        assert_eq!(ago(UnixMillis(3_500), UnixMillis(1_000)), "2.5 s in the future");
    }
}
