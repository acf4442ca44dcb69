//! How does the engine hear of packets, of how far their source is, and of where a stream is cut?
//!
//! A thread polls the source and fills the engine's short queue: it blocks while the engine is busy, and that is the back-pressure. With some ticks goes the account so far.
//! A stream is cut at the first tick at or after a multiple of [`Rotation::every`] since 1970: by then everything earlier was given out, and the
//! counts of the source belong to what ends. Refuses to look at what it hands on.

use super::intervals;
use super::sink::Rotation;
use crate::capture::{Polled, Source, identity};
use crate::model::ids::CaptureId;
use crate::model::ledger::{SourceLedger, Stop};
use crate::model::time::Timestamp;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

/// How often a stream tells the sink how far it is: a kill loses as much of its account, and nobody reads it more often.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// What the reader tells the engine.
pub(super) struct Heard {
    /// What the source gave.
    pub(super) polled: Polled,
    /// With some ticks: the account of the capture so far.
    pub(super) ledger: Option<SourceLedger>,
    /// The capture ends with this tick, and this one begins.
    pub(super) next: Option<CaptureId>,
}

/// The multiples of a time at which a stream is cut.
struct Cuts {
    every: i64,
    /// The multiple under way; none before the first tick.
    at: Option<i64>,
}

impl Cuts {
    fn new(rotation: Option<Rotation>) -> Self {
        Self { every: rotation.map_or(0, |r| r.every), at: None }
    }

    /// Has a multiple begun since the tick before? A clock that is set back only says which one it is.
    fn is_due(&mut self, now: Timestamp) -> bool {
        if self.every <= 0 {
            return false;
        }
        let number = now.0.div_euclid(self.every);
        self.at.replace(number).is_some_and(|before| before < number)
    }
}

/// The reader thread: polls until the end, or until nobody listens. The account of the last capture.
pub(super) fn read(
    mut source: Box<dyn Source>,
    first: CaptureId,
    rotation: Option<Rotation>,
    to_engine: &SyncSender<Heard>,
) -> SourceLedger {
    let mut told = Instant::now();
    let mut minute = None;
    let mut cuts = Cuts::new(rotation);
    let mut capture = first;
    // What was counted when the capture at hand began.
    let mut before = SourceLedger::default();
    loop {
        let polled = source.poll();
        let (mut ledger, mut next) = (None, None);
        match polled {
            Polled::End => break,
            Polled::Tick(now) if cuts.is_due(now) => {
                capture = identity::following(capture);
                next = Some(capture);
                ledger = Some(complete(source.cut(capture).since(&before)));
                before = source.ledger();
                minute = Some(intervals::minute(now));
            }
            // What is counted by the minute is read when one is over.
            Polled::Tick(now)
                if minute.replace(intervals::minute(now)) != Some(intervals::minute(now))
                    || told.elapsed() >= PROGRESS_EVERY =>
            {
                ledger = Some(source.ledger().since(&before));
            }
            _ => {}
        }
        if ledger.is_some() {
            told = Instant::now();
        }
        if to_engine.send(Heard { polled, ledger, next }).is_err() {
            break;
        }
    }
    source.ledger().since(&before)
}

/// The account of a capture that was cut: its files are read as far as they belong to it.
fn complete(mut ledger: SourceLedger) -> SourceLedger {
    for file in ledger.files.iter_mut().filter(|f| f.stop == Stop::Reading) {
        file.stop = Stop::End;
    }
    ledger
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multiple_is_cut_once_and_a_clock_set_back_cuts_nothing() {
        let mut cuts = Cuts::new(Some(Rotation { every: 10 }));
        let due: Vec<i64> = [3, 9, 10, 11, 35, 36, 12, 19, 20, 21]
            .into_iter()
            .filter(|t| cuts.is_due(Timestamp(*t)))
            .collect();
        assert_eq!(due, [10, 35, 20]);
        assert!(!Cuts::new(None).is_due(Timestamp(5)));
    }
}
