//! Points in time: milliseconds since 1970 in UTC, written as RFC 3339.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A wall-clock instant with millisecond resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an RFC 3339 time")]
pub struct TimestampError(String);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The day in UTC, as in `2026-01-31`.
    pub fn day(self) -> String {
        let (year, month, day) = date(self.0.div_euclid(DAY_MS));
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// When the next day begins in UTC.
    pub const fn next_day(self) -> Self {
        Self((self.0.div_euclid(DAY_MS) + 1) * DAY_MS)
    }
}

const DAY_MS: i64 = 86_400_000;
/// Days from 0000-03-01 to 1970-01-01: a year that begins in March has its leap day at the end.
const DAYS_TO_1970: i64 = 719_468;
/// Days in 400 years, after which the calendar repeats itself.
const ERA_DAYS: i64 = 146_097;

/// The form every table and line of ours has, and nothing else: `2026-01-31T14:23:01.123Z`. It is read for every row,
/// so it does not go through the general reader.
fn read_plain(text: &[u8]) -> Option<i64> {
    let text: &[u8; 24] = text.try_into().ok()?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if marks.iter().any(|(at, mark)| text[*at] != *mark) {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        text[from..to]
            .iter()
            .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second, milli) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let from_march = (month + 9) % 12;
    let march_year = if month < 3 { year - 1 } else { year };
    let (era, of_era) = (march_year.div_euclid(400), march_year.rem_euclid(400));
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let days = era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - DAYS_TO_1970;
    let millis = days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + milli;
    // A day its month does not have comes out as another date.
    (day > 0 && date(days) == (year, month, day)).then_some(millis)
}

/// Year, month and day of a day since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let (era, of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month < 3);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

/// The plain form, for years it has room for.
fn write_plain(millis: i64) -> Option<[u8; 24]> {
    let (days, within) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS));
    let (year, month, day) = date(days);
    if !(0..=9999).contains(&year) {
        return None;
    }
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |from: usize, to: usize, mut value: i64| {
        for at in (from..to).rev() {
            // A digit, and so within a byte.
            text[at] = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    put(0, 4, year);
    put(5, 7, month);
    put(8, 10, day);
    put(11, 13, within / 3_600_000);
    put(14, 16, within / 60_000 % 60);
    put(17, 19, within / 1000 % 60);
    put(20, 23, within % 1000);
    Some(text)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(plain) = write_plain(self.0)
            && let Ok(text) = std::str::from_utf8(&plain)
        {
            return f.write_str(text);
        }
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(given: &str) -> Result<Self, TimestampError> {
        if let Some(millis) = read_plain(given.as_bytes()) {
            return Ok(Self(millis));
        }
        let parsed: jiff::Timestamp =
            given.parse().map_err(|_| TimestampError(given.chars().take(80).collect()))?;
        Ok(Self(parsed.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_rfc_3339() {
        let at = Timestamp::from_millis(1_769_869_381_123);
        assert_eq!(at.to_string(), "2026-01-31T14:23:01.123Z");
        assert_eq!("2026-01-31T14:23:01.123Z".parse(), Ok(at));
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert_eq!((at.day().as_str(), at.next_day().day().as_str()), ("2026-01-31", "2026-02-01"));
    }

    /// What the general reader and writer make of it.
    fn general(millis: i64) -> String {
        format!("{:.3}", jiff::Timestamp::from_millisecond(millis).unwrap())
    }

    #[test]
    fn the_short_way_agrees_with_the_long_one_on_every_day() {
        // Every day from 1600 to 2400, and some of every month from the year 0 to 9999.
        for days in (-135_140..157_054).chain((-719_528..2_932_896).step_by(23)) {
            let millis = days * DAY_MS + (days.rem_euclid(DAY_MS / 7)) * 7;
            let text = general(millis);
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
            assert_eq!(read_plain(text.as_bytes()), Some(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_left_to_the_general_reader() {
        for text in [
            "2026-02-29T00:00:00.000Z",
            "2026-04-31T00:00:00.000Z",
            "2026-00-10T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-01-00T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-01-01T00:60:00.000Z",
            "2026-01-01T00:00:00.0000",
            "2026-01-01 00:00:00.000Z",
            "+026-01-01T00:00:00.000Z",
            "2026-01-01T00:00:00Z",
        ] {
            assert_eq!(read_plain(text.as_bytes()), None, "{text}");
        }
        assert_eq!("2026-01-31T15:23:01.5+01:00".parse(), Ok(Timestamp::from_millis(1_769_869_381_500)));
        assert_eq!("2016-12-31T23:59:60.000Z".parse::<Timestamp>().ok().map(Timestamp::as_millis), {
            jiff::Timestamp::from_str("2016-12-31T23:59:60.000Z").ok().map(|at| at.as_millisecond())
        });
        let far = Timestamp::from_millis(-70_000_000_000_000);
        assert_eq!(far.to_string(), general(far.as_millis()));
    }
}
