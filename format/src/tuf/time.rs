//! Moments as TUF writes them: `2026-11-20T18:00:00Z`, UTC, whole seconds.

use std::fmt;
use std::str::FromStr;

/// Seconds since 1970. Written as `YYYY-MM-DDTHH:MM:SSZ`; the year has four digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// The last moment with a year of four digits.
const LAST: u64 = 253_402_300_799;
const DAY: u64 = 86_400;

impl Time {
    /// The moment `seconds` after 1970 began; one past the year 9999 becomes its end.
    #[must_use]
    pub fn new(seconds: u64) -> Self {
        Self(seconds.min(LAST))
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// This moment, that many days later.
    #[must_use]
    pub fn plus_days(self, days: u32) -> Self {
        Self::new(self.0 + u64::from(days) * DAY)
    }
}

/// Year, month and day of a day counted from 1970-01-01.
/// The algorithm is Howard Hinnant's `civil_from_days`, for days that are not negative.
fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The reverse of [`civil`], for years from 1970.
fn day(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / DAY);
        let (hour, minute, second) = (self.0 / 3600 % 24, self.0 / 60 % 60, self.0 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Not a moment in that form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time as 2026-11-20T18:00:00Z, from 1970 on: {0:?}")]
pub struct BadTime(String);

impl FromStr for Time {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        let number = |range: std::ops::Range<usize>| -> u64 {
            text.get(range).and_then(|digits| digits.parse().ok()).unwrap_or(0)
        };
        let days = match number(0..4) {
            0..1970 => 0,
            year => day(year, number(5..7).clamp(1, 12), number(8..10).clamp(1, 31)),
        };
        let seconds = number(11..13) * 3600 + number(14..16) * 60 + number(17..19);
        let time = Self::new(days * DAY + seconds);
        // One moment, one text: whatever was misread above does not come back as it stood.
        if time.to_string() == text { Ok(time) } else { Err(BadTime(text.chars().take(40).collect())) }
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_its_text() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_197_600, "2026-11-20T18:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Time::new(seconds).to_string(), text);
            assert_eq!(text.parse(), Ok(Time::new(seconds)), "{text}");
        }
        assert_eq!(Time::new(u64::MAX), Time::new(LAST));
    }

    #[test]
    fn other_forms_and_days_that_do_not_exist_are_refused() {
        for text in [
            "",
            "2026-11-20",
            "2026-11-20 18:00:00Z",
            "2026-11-20T18:00:00",
            "2026-11-20T18:00:00+00:00",
            "2026-11-20T18:00:00.0Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T18:60:00Z",
            "1969-12-31T23:59:59Z",
            "+026-11-20T18:00:00Z",
            "2026-11-2\u{e9}T18:00:0Z",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn days_are_added() {
        let time: Time = "2027-12-31T12:00:00Z".parse().unwrap();
        assert_eq!(time.plus_days(60).to_string(), "2028-02-29T12:00:00Z");
    }
}
