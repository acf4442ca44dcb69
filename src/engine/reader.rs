//! How does the engine hear of packets, and of how far their source is?
//!
//! A thread polls the source and fills the engine's short queue: it blocks while the engine is busy, and that is the back-pressure. With some ticks goes the account so far.
//! Refuses to look at what it hands on.

use super::intervals;
use crate::capture::{Polled, Source};
use crate::model::ledger::SourceLedger;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

/// How often a stream tells the sink how far it is: a kill loses as much of its account, and nobody reads it more often.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// What the reader tells the engine: what the source gave and, with some ticks, its account so far.
pub(super) struct Heard {
    pub(super) polled: Polled,
    pub(super) ledger: Option<SourceLedger>,
}

/// The reader thread: polls until the end, or until nobody listens.
pub(super) fn read(mut source: Box<dyn Source>, to_engine: &SyncSender<Heard>) -> SourceLedger {
    let mut told = Instant::now();
    let mut minute = None;
    loop {
        let polled = source.poll();
        if matches!(polled, Polled::End) {
            break;
        }
        let due = match polled {
            // What is counted by the minute is read when one is over.
            Polled::Tick(now) => {
                minute.replace(intervals::minute(now)) != Some(intervals::minute(now))
                    || told.elapsed() >= PROGRESS_EVERY
            }
            _ => false,
        };
        let ledger = due.then(|| source.ledger());
        if due {
            told = Instant::now();
        }
        if to_engine.send(Heard { polled, ledger }).is_err() {
            break;
        }
    }
    source.ledger()
}
