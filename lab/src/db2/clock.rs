//! Dates as DB2 prints them, without a time zone: a practice cluster lives in UTC.

use super::{Locale, Version};

/// A moment taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u64,
    pub(super) minute: u64,
    pub(super) second: u64,
    pub(super) micro: u64,
    weekday: usize,
}

impl Date {
    /// Of milliseconds since 1970 (days to the calendar as in every textbook: era of 400 years, years that begin in March).
    pub(super) fn of(ms: u64) -> Self {
        let seconds = ms / 1000;
        let days = (seconds / 86_400) as i64;
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march = (5 * day_of_year + 2) / 153;
        let month = if march < 10 { march + 3 } else { march - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as u32,
            day: (day_of_year - (153 * march + 2) / 5 + 1) as u32,
            hour: seconds % 86_400 / 3600,
            minute: seconds % 3600 / 60,
            second: seconds % 60,
            micro: ms % 1000 * 1000,
            weekday: (days + 4).rem_euclid(7) as usize,
        }
    }

    /// `20250830063440`
    pub(super) fn digits(self) -> String {
        let Self { year, month, day, hour, minute, second, .. } = self;
        format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
    }

    /// `2016-03-14-08.58.44.000000`
    pub(super) fn iso(self) -> String {
        let Self { year, month, day, hour, minute, second, micro, .. } = self;
        format!("{year:04}-{month:02}-{day:02}-{hour:02}.{minute:02}.{second:02}.{micro:06}")
    }

    /// `06/08/2011 13:57:23`
    pub(super) fn slashes(self, locale: Locale) -> String {
        let Self { year, month, day, hour, minute, second, .. } = self;
        match locale {
            Locale::C => format!("{month:02}/{day:02}/{year:04} {hour:02}:{minute:02}:{second:02}"),
            Locale::Ru | Locale::De => format!("{day:02}.{month:02}.{year:04} {hour:02}:{minute:02}:{second:02}"),
            Locale::Fr => format!("{day:02}/{month:02}/{year:04} {hour:02}:{minute:02}:{second:02}"),
            Locale::Ja => format!("{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}"),
        }
    }

    /// `06/08/2011 13:57:23.000000`
    pub(super) fn micros(self, locale: Locale) -> String {
        format!("{}.{:06}", self.slashes(locale), self.micro)
    }

    /// `Mon Sep 05 14:05:09 2006`
    fn ctime(self) -> String {
        const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let Self { year, month, day, hour, minute, second, weekday, .. } = self;
        let month = MONTHS[month as usize - 1];
        format!("{} {month} {day:02} {hour:02}:{minute:02}:{second:02} {year}", DAYS[weekday])
    }
}

/// A moment with its seconds since 1970 in parentheses, as db2pd shows it.
pub(super) fn stamp(ms: u64, version: Version, locale: Locale) -> String {
    let date = Date::of(ms);
    let text = if version == Version::V9_7 { date.ctime() } else { date.micros(locale) };
    format!("{text} ({})", ms / 1000)
}

/// A number with decimals.
pub(super) fn decimal(text: &str, locale: Locale) -> String {
    match locale {
        Locale::Ru | Locale::De | Locale::Fr => text.replace('.', ","),
        Locale::C | Locale::Ja => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_out_in_every_form() {
        let ms = 1_330_525_445_123;
        assert_eq!(Date::of(ms).digits(), "20120229142405");
        assert_eq!(Date::of(ms).iso(), "2012-02-29-14.24.05.123000");
        assert_eq!(stamp(ms, Version::V9_7, Locale::C), "Wed Feb 29 14:24:05 2012 (1330525445)");
        assert_eq!(stamp(ms, Version::V10_1, Locale::C), "02/29/2012 14:24:05.123000 (1330525445)");
        assert_eq!(stamp(ms, Version::V11_5, Locale::Ru), "29.02.2012 14:24:05.123000 (1330525445)");
    }
}
