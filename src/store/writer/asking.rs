//! When are detections in SQL asked?
//!
//! Over each capture once it is committed, over those that an ended process left, and over streams now and then. It is in, whatever they say.

use super::Session;
use crate::model::ids::CaptureId;
use crate::store::StoreError;
use crate::store::detections::{self, Outcome, Period};

impl Session<'_> {
    /// Ask the detections over a capture that is committed; `beside`: a stream goes on meanwhile. It is in, whatever they say: an error of theirs is told and stays theirs.
    pub(super) fn detect(&mut self, id: CaptureId, beside: bool) {
        if self.detections.is_empty() {
            return;
        }
        // Beside a stream that goes on, one core is left to it.
        let two = !beside && self.config.threads > 1;
        let outcomes = detections::run_all(self.db, &self.detections, id, &Period::default(), true, two)
            .unwrap_or_else(|e| vec![Outcome::failed(e.to_string())]);
        match &self.listener {
            // Nobody listening any more is no error.
            Some(to) => outcomes.into_iter().for_each(|o| drop(to.send(o))),
            None => self.outcomes.extend(outcomes),
        }
    }

    /// Ask them over captures that an ended process had committed and not asked about yet.
    pub(super) fn catch_up(&mut self) -> Result<(), StoreError> {
        if !std::mem::replace(&mut self.caught_up, true) && !self.detections.is_empty() {
            for id in detections::left_due(self.db)? {
                self.detect(id, false);
            }
        }
        Ok(())
    }
}
