//! What time is it where the devices are?
//!
//! The only clock of this floor besides that of followed folders: ticks, and how far a silent device has been read. Packets
//! bring their own time from the kernel.

use crate::model::time::{NANOS_PER_SEC, Timestamp};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A step of the wall clock from here on is told, nanoseconds: what keeps clocks right moves them by less, and slowly.
const NOTABLE: i64 = 5 * NANOS_PER_SEC;

/// The time by the wall clock, which is the kernel's for packets, too.
#[expect(clippy::disallowed_methods, reason = "a device is live: ticks need the wall clock")]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Compares the wall clock with one that nobody sets.
#[derive(Debug)]
pub(super) struct Steps {
    wall: Timestamp,
    at: Instant,
}

impl Steps {
    pub(super) fn new() -> Self {
        Self { wall: now(), at: Instant::now() }
    }

    /// By how many nanoseconds the wall clock was set since this was asked last; back is negative.
    pub(super) fn look(&mut self) -> Option<i64> {
        let (wall, at) = (now(), Instant::now());
        let step = step(self.wall, wall, at.duration_since(self.at));
        *self = Self { wall, at };
        step
    }
}

fn step(before: Timestamp, now: Timestamp, passed: Duration) -> Option<i64> {
    let passed = i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX);
    let step = now.since(before).saturating_sub(passed);
    (step.saturating_abs() >= NOTABLE).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_told_from_one_that_is_kept_right() {
        let at = |secs: i64| Timestamp(secs * NANOS_PER_SEC);
        let second = Duration::from_secs(1);
        assert_eq!(step(at(100), at(101), second), None);
        assert_eq!(step(at(100), at(103), second), None, "slewed, or a thread that had to wait");
        assert_eq!(step(at(4_000), at(401), second), Some(-3_600 * NANOS_PER_SEC));
        assert_eq!(step(at(100), at(3_701), second), Some(3_600 * NANOS_PER_SEC));
        assert!(step(Timestamp(i64::MAX), Timestamp(i64::MIN), second).is_some_and(|s| s < 0));
        assert_eq!(Steps::new().look(), None);
    }
}
