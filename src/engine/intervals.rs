//! When did a live capture lose packets?
//!
//! Devices are counted since they were opened. Now and then, and at the first tick of every minute, the counts are read; what they grew by since the reading before
//! belongs to the minute of that one, so that a row is off by one tick (a second) at most. A clock that is set back gives a minute two rows,
//! which add up. A kill takes the minute that is under way along. Refuses to estimate: what nobody counted is in no row.

use super::tables::CAPTURE_INTERVALS;
use crate::model::ids::CaptureId;
use crate::model::ledger::DeviceLedger;
use crate::model::rows::Rows;
use crate::model::time::{NANOS_PER_SEC, Timestamp};

/// Nanoseconds of an interval.
const MINUTE: i64 = 60 * NANOS_PER_SEC;

/// The minute of a time, since 1970.
pub(super) fn minute(ts: Timestamp) -> i64 {
    ts.0.div_euclid(MINUTE)
}

/// The minute under way.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    /// Which minute it is; none before the first reading.
    minute: Option<i64>,
    /// What was counted when it began.
    before: Vec<DeviceLedger>,
}

impl Intervals {
    /// The counts as they are at `now`. Rows of a minute that is over go to `rows`.
    pub(super) fn read(
        &mut self,
        now: Timestamp,
        devices: &[DeviceLedger],
        capture: CaptureId,
        rows: &mut Rows,
    ) {
        let now = minute(now);
        if *self.minute.get_or_insert(now) != now {
            self.write(devices, capture, rows);
            self.minute = Some(now);
        }
    }

    /// The capture is over: the minute under way, too. `now` is for one that was never read.
    pub(super) fn finish(
        &mut self,
        now: Option<Timestamp>,
        devices: &[DeviceLedger],
        capture: CaptureId,
        rows: &mut Rows,
    ) {
        self.minute = self.minute.or(now.map(minute));
        if self.minute.is_some() {
            self.write(devices, capture, rows);
        }
    }

    fn write(&mut self, devices: &[DeviceLedger], capture: CaptureId, rows: &mut Rows) {
        debug_assert!(std::ptr::eq(rows.table, &CAPTURE_INTERVALS));
        let ts = Timestamp(self.minute.unwrap_or_default().saturating_mul(MINUTE));
        for (n, d) in devices.iter().enumerate() {
            let none = DeviceLedger::default();
            let before = self.before.get(n).unwrap_or(&none);
            rows.row()
                .i64(capture.0)
                .time(ts)
                .text(&d.name)
                .u64(d.packets.saturating_sub(before.packets))
                .u64(d.bytes.saturating_sub(before.bytes))
                .u64(d.dropped_kernel.saturating_sub(before.dropped_kernel))
                .u64(d.dropped_interface.saturating_sub(before.dropped_interface))
                .u64(d.dropped_here.saturating_sub(before.dropped_here));
        }
        self.before = devices.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, packets: u64, dropped_kernel: u64) -> DeviceLedger {
        DeviceLedger {
            name: name.to_owned(),
            packets,
            bytes: packets * 60,
            dropped_kernel,
            ..DeviceLedger::default()
        }
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp(secs * NANOS_PER_SEC)
    }

    #[test]
    fn what_grew_belongs_to_the_minute_and_nothing_is_lost_or_counted_twice() {
        let (mut intervals, mut rows) = (Intervals::default(), Rows::new(&CAPTURE_INTERVALS));
        let mut read = |secs, a, lost, b| {
            intervals.read(at(secs), &[device("a", a, lost), device("b", b, 0)], CaptureId(7), &mut rows);
        };
        read(3_601, 5, 0, 0);
        read(3_659, 90, 2, 1);
        // The first reading after the minute closes it, two of silence follow; then the clock is set back.
        read(3_660, 100, 3, 1);
        read(3_720, 100, 3, 1);
        read(3_780, 100, 3, 1);
        read(3_599, 101, 3, 1);
        intervals.finish(None, &[device("a", 110, 9), device("b", 1, 0)], CaptureId(7), &mut rows);
        assert_eq!(rows.faults(), 0);
        let column =
            |c: usize| -> Vec<String> { (0..rows.len()).step_by(2).filter_map(|r| rows.get(r, c)).collect() };
        assert_eq!(column(3), ["100", "0", "0", "1", "9"]);
        assert_eq!(column(5), ["3", "0", "0", "0", "6"]);
        assert_eq!(rows.get(1, 2).as_deref(), Some("b"));
        let minutes: Vec<String> = (0..rows.len()).step_by(2).filter_map(|r| rows.get(r, 1)).collect();
        assert_eq!(minutes.first().map(|t| t.contains("01:00:00")), Some(true), "{minutes:?}");
        assert_eq!(minutes.last().map(|t| t.contains("00:59:00")), Some(true), "{minutes:?}");
    }

    #[test]
    fn files_have_no_minutes() {
        let (mut intervals, mut rows) = (Intervals::default(), Rows::new(&CAPTURE_INTERVALS));
        intervals.read(at(0), &[], CaptureId(7), &mut rows);
        intervals.read(at(90), &[], CaptureId(7), &mut rows);
        intervals.finish(Some(at(91)), &[], CaptureId(7), &mut rows);
        assert!(rows.is_empty());
        Intervals::default().finish(Some(at(91)), &[device("a", 3, 0)], CaptureId(7), &mut rows);
        assert_eq!((rows.len(), rows.get(0, 3).as_deref()), (1, Some("3")));
    }
}
