//! When did it happen?
//!
//! One type: nanoseconds since 1970-01-01 UTC, as the packets say. Times before 1970 and up to 2262 fit.
//! Refuses to read a clock: the only source of time is the capture.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Nanoseconds in a second.
pub const NANOS_PER_SEC: i64 = 1_000_000_000;

/// A point in packet time: nanoseconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The latest time that fits (April 2262); what lies beyond is clamped to it.
    pub const MAX: Self = Self(i64::MAX);

    /// From whole seconds and a fraction in nanoseconds; clamps what does not fit.
    pub fn from_secs_nanos(secs: i64, nanos: i64) -> Self {
        Self(secs.saturating_mul(NANOS_PER_SEC).saturating_add(nanos))
    }

    /// This time moved by `nanos`, clamped at the ends of the range.
    #[must_use]
    pub fn plus(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds from `earlier` to this time; negative when this one is earlier. Saturates.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Seconds from `earlier` to this time.
    pub fn secs_since(self, earlier: Self) -> f64 {
        self.since(earlier) as f64 / NANOS_PER_SEC as f64
    }
}

/// Whole seconds as nanoseconds; saturates.
pub const fn secs(seconds: u64) -> i64 {
    let s =
        if seconds > (i64::MAX / NANOS_PER_SEC) as u64 { i64::MAX / NANOS_PER_SEC } else { seconds as i64 };
    s * NANOS_PER_SEC
}

/// Year, month and day of a count of days since 1970-01-01 (proleptic Gregorian calendar).
fn civil(days: i64) -> (i64, i64, i64) {
    // Eras of 400 years (146,097 days) counted from 0000-03-01, so that leap days end a year.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

impl fmt::Display for Timestamp {
    /// ISO 8601 in UTC with the fraction that is there: none, micro- or nanoseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.div_euclid(NANOS_PER_SEC);
        let nanos = self.0.rem_euclid(NANOS_PER_SEC);
        let (year, month, day) = civil(secs.div_euclid(86_400));
        let of_day = secs.rem_euclid(86_400);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            of_day / 3_600,
            of_day / 60 % 60,
            of_day % 60
        )?;
        match nanos {
            0 => {}
            n if n % 1_000 == 0 => write!(f, ".{:06}", n / 1_000)?,
            n => write!(f, ".{n:09}")?,
        }
        f.write_str("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_iso_8601() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_secs_nanos(951_782_400, 1_000).to_string(), "2000-02-29T00:00:00.000001Z");
        assert_eq!(
            Timestamp::from_secs_nanos(4_294_967_295, 1).to_string(),
            "2106-02-07T06:28:15.000000001Z"
        );
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn clamps_instead_of_wrapping() {
        assert_eq!(Timestamp::from_secs_nanos(i64::MAX, 5), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.since(Timestamp(-5)), i64::MAX);
    }
}
