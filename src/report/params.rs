//! What may a person hand to a saved question?
//!
//! Parameters of three types, checked before the database sees them, so that the message names the parameter and
//! not a cast: `number`, `text` and `time`. All of them travel as text; the SQL casts (`$n::BIGINT`, `$since::TIMESTAMP_NS`). Refuses
//! times relative to now: a capture has its own time.

use crate::model::time::{NANOS_PER_SEC, Timestamp};
use std::fmt;

/// The type of a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Digits with an optional sign and fraction.
    Number,
    /// Anything.
    Text,
    /// ISO 8601 date or time; UTC unless an offset is given.
    Time,
}

impl Kind {
    /// From the word in a header.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "number" => Some(Self::Number),
            "text" => Some(Self::Text),
            "time" => Some(Self::Time),
            _ => None,
        }
    }
}

/// A value does not fit its parameter.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{value:?} is not a {kind}")]
pub struct BadValue {
    value: String,
    kind: Kind,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "number",
            Self::Text => "text",
            Self::Time => "time; write it like 2024-01-31 or 2024-01-31T13:45:00Z",
        })
    }
}

/// The value as the database takes it. Times become `YYYY-MM-DD HH:MM:SS[.f]` in UTC.
pub fn check(kind: Kind, value: &str) -> Result<String, BadValue> {
    let bad = || BadValue { value: value.to_owned(), kind };
    match kind {
        Kind::Text => Ok(value.to_owned()),
        Kind::Number => {
            let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
            let ok = |s: &str| !s.is_empty() && s.len() <= 38 && s.bytes().all(|b| b.is_ascii_digit());
            if ok(whole) && ok(fraction) { Ok(value.to_owned()) } else { Err(bad()) }
        }
        Kind::Time => parse_time(value).map(sql_time).ok_or_else(bad),
    }
}

/// A time as DuckDB's casts read it: UTC, no zone.
pub fn sql_time(t: Timestamp) -> String {
    t.to_string().replace('T', " ").replace('Z', "")
}

/// `YYYY-MM-DD[(T| )HH:MM[:SS[.fraction]][Z|±HH:MM]]`; what is left out is zero, and UTC. Fractions beyond
/// nanoseconds are refused, and so are leap seconds and years outside 1678..=2261.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (date, rest) = match text.get(10..) {
        None | Some("") => (text, None),
        Some(rest) => (text.get(..10)?, Some(rest.strip_prefix(['T', 't', ' '])?)),
    };
    let mut parts = date.split('-');
    let (year, month, day) =
        (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if parts.next().is_some() || !(1678..=2261).contains(&year) {
        return None;
    }
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let mut secs = days_since_1970(year, month, day) * 86_400;
    let mut nanos = 0;
    if let Some(rest) = rest {
        let (clock, offset_secs) = split_offset(rest)?;
        let mut parts = clock.split(':');
        let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
        let mut second = 0;
        if let Some(s) = parts.next() {
            let (whole, fraction) = s.split_once('.').map_or((s, None), |(w, f)| (w, Some(f)));
            second = digits(whole, 2)?;
            if let Some(f) = fraction {
                if f.len() > 9 {
                    return None;
                }
                nanos = digits(f, f.len())? * 10_i64.pow(9 - f.len() as u32);
            }
        }
        if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        secs += hour * 3_600 + minute * 60 + second - offset_secs;
    }
    secs.checked_mul(NANOS_PER_SEC)?.checked_add(nanos).map(Timestamp)
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (count > 0 && text.len() == count && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// The clock and its offset from UTC in seconds.
fn split_offset(rest: &str) -> Option<(&str, i64)> {
    if let Some(clock) = rest.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = rest.rfind(['+', '-']) else { return Some((rest, 0)) };
    let (clock, offset) = (rest.get(..at)?, rest.get(at..)?);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 23 && minutes <= 59).then_some((clock, sign * (hours * 3_600 + minutes * 60)))
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; the reverse of how `Timestamp` prints.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years counted from March, so that the leap day is the last of its year.
    let y = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_timestamps_print() {
        for ns in [
            0,
            1,
            951_782_400_000_001_000,
            4_102_444_799_999_999_999,
            -86_400_000_000_000,
            1_700_000_000_500_000_000,
        ] {
            let t = Timestamp(ns);
            assert_eq!(parse_time(&t.to_string()), Some(t), "{t}");
            assert_eq!(parse_time(&sql_time(t)), Some(t), "{t}");
        }
        for day in -100_000_i64..80_000 {
            let t = Timestamp(day * 86_400 * NANOS_PER_SEC);
            assert_eq!(parse_time(&t.to_string()), Some(t), "{t}");
        }
    }

    #[test]
    fn what_is_left_out_is_zero_and_offsets_count() {
        let at = |s| parse_time(s).map(|t| t.to_string());
        assert_eq!(at("2024-02-29").as_deref(), Some("2024-02-29T00:00:00Z"));
        assert_eq!(at("2024-02-29 01:02").as_deref(), Some("2024-02-29T01:02:00Z"));
        assert_eq!(at("2024-02-29T01:02:03.5+02:00").as_deref(), Some("2024-02-28T23:02:03.500000Z"));
        assert_eq!(at("2024-02-28T23:30:00-01:00").as_deref(), Some("2024-02-29T00:30:00Z"));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for bad in [
            "",
            "today",
            "1h",
            "2024",
            "2024-2-1",
            "2023-02-29",
            "2024-13-01",
            "2024-01-01T",
            "2024-01-01T24:00",
            "2024-01-01T10",
            "2024-01-01T10:00:61",
            "2024-01-01T10:00:00.",
            "2024-01-01T10:00:00.0000000001",
            "2024-01-01T10:00+2",
            "2024-01-01x10:00",
            "9999-01-01",
            "2024-01-01T10:00:00ZZ",
            "2024-01-0é",
        ] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_are_digits() {
        for good in ["0", "-5", "+7", "3.25"] {
            assert_eq!(check(Kind::Number, good).as_deref(), Ok(good));
        }
        for bad in ["", "-", "1e3", "ten", "1.", ".5", "1;2"] {
            assert!(check(Kind::Number, bad).is_err(), "{bad}");
        }
        assert_eq!(check(Kind::Number, "ten").unwrap_err().to_string(), "\"ten\" is not a number");
        assert_eq!(check(Kind::Time, "2024-01-31").as_deref(), Ok("2024-01-31 00:00:00"));
    }
}
