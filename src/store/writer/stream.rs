//! What is different where a capture has no end that anybody knows?
//!
//! Rows are committed as they come, so that they can be asked for and a kill takes little along; the row in the ledger follows; detections in SQL are asked
//! on their own rhythm; rows of flows that go on replace each other. Refuses captures that are files.

use super::{Appending, Open, Session};
use crate::engine::sink::CaptureSummary;
use crate::store::arrow::array::RecordBatch;
use crate::store::connect::Share;
use crate::store::{StoreError, capture, going_on};
use duckdb::Connection;
use std::time::{Duration, Instant};

/// A stream's rows are visible at most this much later.
const STREAM_COMMIT: Duration = Duration::from_secs(1);

/// A stream's detections in SQL are asked after so much packet time, nanoseconds, and at its end. They look at the whole stream each time.
const DETECT_EVERY: i64 = 3_600_000_000_000;

impl Session<'_> {
    /// A stream tells how far it is: its row in the ledger follows, and the detections in SQL are asked on their own rhythm.
    pub(super) fn progress(&mut self, summary: &CaptureSummary) -> Result<(), StoreError> {
        let Some(o) = self.open.as_mut().filter(|o| o.start.streaming && !o.failed) else { return Ok(()) };
        let id = o.start.capture_id;
        let done = capture::update_live(self.db, &o.start, o.no, o.began, summary, &mut o.files);
        o.failed |= done.is_err();
        done?;
        o.uncommitted += 1;
        let (Some(first), Some(last)) = (summary.first_ts, summary.last_ts) else { return Ok(()) };
        if last.since(*o.detected.get_or_insert(first)) < DETECT_EVERY {
            return Ok(());
        }
        o.detected = Some(last);
        // They are asked outside of any transaction: an error of theirs must not cost rows.
        let done = self.flush_all().and_then(|()| self.sql("COMMIT"));
        if done.is_ok() {
            let _ = self.allot(Share::Usual); // else with what it has
            self.detect(id, true);
            let _ = self.allot(Share::Stream);
        }
        let done = done.and_then(|()| self.sql("BEGIN"));
        if let Some(o) = &mut self.open {
            o.failed |= done.is_err();
            o.uncommitted = 0;
            o.committed = Instant::now();
        }
        done
    }

    /// How long a stream may wait until its rows are committed; `None`: nothing waits.
    pub(super) fn commit_in(&self) -> Option<Duration> {
        let o = self.open.as_ref()?;
        (o.start.streaming && o.uncommitted > 0 && !o.failed)
            .then(|| STREAM_COMMIT.saturating_sub(o.committed.elapsed()))
    }

    pub(super) fn commit_stream(&mut self) -> Result<(), StoreError> {
        let done = self
            .flush_all()
            .and_then(|()| self.sql("COMMIT"))
            .and_then(|()| self.keeper.look(self.db))
            .and_then(|()| self.sql("BEGIN"));
        if let Some(o) = &mut self.open {
            o.failed |= done.is_err();
            o.uncommitted = 0;
            o.committed = Instant::now();
        }
        done
    }
}

/// Rows of flows, after those that they replace were deleted.
pub(super) fn superseding(
    db: &Connection,
    open: &mut Open,
    flows: &mut Appending<'_>,
    batch: RecordBatch,
) -> Result<RecordBatch, StoreError> {
    let (fresh, stale) = open.going_on.supersede(batch)?;
    if !stale.is_empty() {
        // What is to be replaced may still be on its way.
        flows.flush()?;
        going_on::delete(db, open.start.capture_id, &stale)?;
    }
    Ok(fresh)
}
