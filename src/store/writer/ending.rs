//! How does a capture end: kept, given up, or cut while its stream goes on?
//!
//! Kept: everything is flushed, its row written and committed, then the detections in SQL are asked. A duplicate and a failure leave no trace. Where a
//! stream is cut, the new capture has its number at once, so that the engine does not wait while the old one is finished; what goes wrong with that
//! is told with the next rows. Refuses to guess after an error.

use super::{CHECKPOINT_ROWS, ENDED, Open, Session};
use crate::engine::sink::{CaptureStart, CaptureSummary, Stored};
use crate::model::ids::CaptureNo;
use crate::store::connect::{Share, allot};
use crate::store::{StoreError, anomalies, capture, detections};

impl Session<'_> {
    /// The number of the capture that follows the one at hand.
    pub(super) fn next_number(&self) -> Result<CaptureNo, StoreError> {
        if self.open.is_none() {
            return Err(StoreError::Misuse("a cut came before a capture began"));
        }
        capture::next_number(self.db)
    }

    /// The stream is cut: what is there is a whole capture, `next` goes on as `no`. Detections are asked between the two, outside of any transaction.
    pub(super) fn cut(
        &mut self,
        summary: &CaptureSummary,
        next: CaptureStart,
        no: CaptureNo,
    ) -> Result<(), StoreError> {
        match &self.open {
            Some(o) if !o.failed => {}
            // Told already; abandon or commit will come.
            _ => return Ok(()),
        }
        let done = self.cut_here(summary, next, no);
        if let Some(open) = &mut self.open {
            open.failed |= done.is_err();
        }
        done
    }

    fn cut_here(
        &mut self,
        summary: &CaptureSummary,
        next: CaptureStart,
        no: CaptureNo,
    ) -> Result<(), StoreError> {
        self.finish(summary, Share::Usual)?;
        let began = capture::now();
        let Some(ended) = self.open.replace(Open::new(next, no, began)) else { return Err(ENDED) };
        if let Some(o) = &self.open {
            capture::insert_live(self.db, &o.start, no, began)?;
        }
        self.detect(ended.start.capture_id, true);
        if ended.rows >= CHECKPOINT_ROWS {
            self.checkpoint()?;
        }
        // A capture more may be one too many.
        self.keeper.look_now(self.db)?;
        self.allot(Share::Stream)?;
        self.sql("BEGIN")
    }

    pub(super) fn commit(&mut self, summary: &CaptureSummary) -> Result<Stored, StoreError> {
        match &self.open {
            None => return Err(StoreError::Misuse("a commit came before a capture began")),
            Some(o) if o.failed => {
                return Err(StoreError::Write("an earlier error of this capture".to_owned()));
            }
            Some(_) => {}
        }
        let large = self.open.as_ref().is_some_and(|o| o.rows >= CHECKPOINT_ROWS);
        // A second thread does not help with few rows.
        let done = self.finish(summary, if large { Share::Whole } else { Share::Usual });
        if matches!(done, Ok(Stored::Committed))
            && let Some((id, anew)) = self.open.as_ref().map(|o| (o.start.capture_id, o.start.replace))
        {
            if large {
                let _ = self.allot(Share::Asking); // else with what it has
            }
            self.detect(id, false);
            if anew {
                anomalies::recall(self.db)?;
            }
        }
        let checkpointed = match &done {
            Ok(Stored::Committed) if large => self.allot(Share::Whole).and_then(|()| self.checkpoint()),
            _ => Ok(()),
        };
        // After an error this one only follows from it; the first is the one to tell.
        let fewer = self.allot(Share::Usual);
        match &done {
            Ok(Stored::Committed) => {
                self.open = None;
                checkpointed.and(fewer)?;
            }
            Ok(Stored::Duplicate(_)) => {
                self.tables.clear();
                self.open = None;
                self.sql("ROLLBACK")?;
                fewer?;
            }
            Err(_) => {
                if let Some(o) = &mut self.open {
                    o.failed = true;
                }
            }
        }
        done
    }

    fn finish(&mut self, summary: &CaptureSummary, share: Share) -> Result<Stored, StoreError> {
        self.flush_all()?;
        self.tables.clear();
        // Only now: the system has by then what the engine held, which ended a moment ago.
        self.allot(share)?;
        let Some(o) = &self.open else { return Err(ENDED) };
        let hash = capture::content_hash(&summary.ledger);
        if !o.start.streaming
            && let capture::Sameness::Duplicate(path) =
                capture::settle(self.db, &o.start, hash.as_deref(), summary)?
        {
            return Ok(Stored::Duplicate(path));
        }
        capture::insert_finished(self.db, &o.start, o.no, o.began, hash.as_deref(), summary)?;
        anomalies::runs(self.db, o.start.capture_id, &summary.runs)?;
        detections::due(self.db, o.start.capture_id, &self.detections)?;
        if o.start.replace {
            anomalies::recall(self.db)?;
        }
        if matches!(share, Share::Whole) {
            self.allot(Share::Committing)?;
        }
        self.sql("COMMIT")?;
        Ok(Stored::Committed)
    }

    pub(super) fn allot(&self, share: Share) -> Result<(), StoreError> {
        allot(self.db, &self.config, share)
    }

    /// Move the log into the file. Not possible beside another transaction, and not needed: the log is as safe.
    fn checkpoint(&self) -> Result<(), StoreError> {
        match self.sql("CHECKPOINT") {
            Err(StoreError::Write(e)) if e.contains("Cannot CHECKPOINT") => Ok(()),
            other => other,
        }
    }

    pub(super) fn abandon(&mut self) -> Result<(), StoreError> {
        let Some(o) = self.open.take() else { return Ok(()) };
        self.tables.clear();
        self.sql("ROLLBACK")?;
        self.allot(Share::Usual)?;
        if o.start.streaming {
            self.sql("BEGIN")?;
            capture::delete(self.db, o.start.capture_id)?;
            self.sql("COMMIT")?;
        }
        Ok(())
    }

    /// The sink was dropped in the middle of a capture.
    pub(super) fn leave(&mut self) {
        self.tables.clear();
        if self.open.take().is_some() {
            let _ = self.sql("ROLLBACK"); // nobody is left to hear of it; closing rolls back as well
        }
    }
}
