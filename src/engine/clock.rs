//! What time is it in the capture?
//!
//! The clock follows packet time, but one packet with a mad stamp must not expire every flow. A packet more than a
//! minute ahead moves it only when [`AHEAD_RUN`] in a row are, one behind never turns it back unless [`BEHIND_RUN`] in a row are a
//! minute behind. Packets keep their stamps whatever the clock says. Nothing here loops over elapsed time.

use crate::model::time::{NANOS_PER_SEC, Timestamp};

/// A difference up to this is ordinary: disorder, or a quiet network. Nanoseconds.
const NEAR: i64 = 60 * NANOS_PER_SEC;
/// Packets in a row that must be ahead before the clock leaps. More than a burst of damaged records.
const AHEAD_RUN: u32 = 16;
/// Packets in a row that must be behind before the clock turns back: two captures joined end to end, a clock set back.
const BEHIND_RUN: u32 = 1_000;
/// A confirmed leap is odd enough to note from here on. A quiet network leaps by minutes. Nanoseconds.
const NOTABLE: i64 = 3_600 * NANOS_PER_SEC;

/// The clock of one capture.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: Option<Timestamp>,
    ahead: Run,
    behind: Run,
}

/// Packets in a row that agree that the clock is wrong.
#[derive(Debug, Default)]
struct Run {
    length: u32,
    first: Timestamp,
}

impl Run {
    fn extend(&mut self, ts: Timestamp) -> u32 {
        if self.length == 0 {
            self.first = ts;
        }
        self.length += 1;
        self.length
    }
}

impl Clock {
    /// The time; `None` before the first packet.
    pub(super) fn now(&self) -> Option<Timestamp> {
        self.now
    }

    /// A packet with stamp `ts` passed. Returns by how many nanoseconds the clock stepped, when that is worth noting.
    pub(super) fn observe(&mut self, ts: Timestamp) -> Option<i64> {
        let Some(now) = self.now else {
            self.now = Some(ts);
            return None;
        };
        let ahead = ts.since(now);
        if (0..=NEAR).contains(&ahead) {
            self.now = Some(ts);
            (self.ahead.length, self.behind.length) = (0, 0);
            return None;
        }
        if (-NEAR..0).contains(&ahead) {
            (self.ahead.length, self.behind.length) = (0, 0);
            return None;
        }
        let stepped = if ahead > 0 {
            self.behind.length = 0;
            // A run agrees as long as it does not fall back behind its own start.
            if self.ahead.length > 0 && ts.since(self.ahead.first) < -NEAR {
                self.ahead.length = 0;
            }
            self.ahead.extend(ts) >= AHEAD_RUN
        } else {
            self.ahead.length = 0;
            self.behind.extend(ts) >= BEHIND_RUN
        };
        if !stepped {
            return None;
        }
        self.now = Some(ts);
        (self.ahead.length, self.behind.length) = (0, 0);
        (!(0..NOTABLE).contains(&ahead)).then_some(ahead)
    }

    /// A device says what time it is although no packet came. Never turns the clock back.
    pub(super) fn tick(&mut self, wall: Timestamp) {
        if self.now.is_none_or(|now| now < wall) {
            self.now = Some(wall);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: i64 = NANOS_PER_SEC;

    #[test]
    fn one_mad_stamp_moves_nothing() {
        let mut c = Clock::default();
        c.observe(Timestamp(0));
        assert_eq!(c.observe(Timestamp(86_400 * 3_650 * SEC)), None);
        assert_eq!(c.now(), Some(Timestamp(0)));
        c.observe(Timestamp(SEC));
        assert_eq!(c.now(), Some(Timestamp(SEC)));
    }

    #[test]
    fn sixteen_in_a_row_do() {
        let mut c = Clock::default();
        c.observe(Timestamp(0));
        let leap = 86_400 * 3_650 * SEC;
        let steps: Vec<_> = (0..16).filter_map(|i| c.observe(Timestamp(leap + i))).collect();
        assert_eq!((steps.len(), c.now()), (1, Some(Timestamp(leap + 15))));
    }

    #[test]
    fn a_slow_capture_still_moves_on() {
        let mut c = Clock::default();
        for i in 0..40 {
            assert_eq!(c.observe(Timestamp(i * 100 * SEC)), None, "gaps of minutes are not noted");
        }
        assert!(c.now() >= Some(Timestamp(32 * 100 * SEC)));
    }

    #[test]
    fn a_thousand_behind_turn_it_back() {
        let mut c = Clock::default();
        c.observe(Timestamp(1_000_000 * SEC));
        let steps: Vec<_> = (0..1_000).filter_map(|_| c.observe(Timestamp(0))).collect();
        assert_eq!((steps, c.now()), (vec![-1_000_000 * SEC], Some(Timestamp(0))));
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let mut c = Clock::default();
        for ts in [i64::MIN, i64::MAX, 0, i64::MIN, i64::MAX] {
            c.observe(Timestamp(ts));
        }
        c.tick(Timestamp(i64::MAX));
        assert_eq!(c.now(), Some(Timestamp::MAX));
    }
}
