//! Where do packets come from?
//!
//! One trait, [`Source`], for files, folders, standard input and (feature `live`) devices. A source is
//! identified by its content, never by its name. It yields batches in capture order and keeps an honest ledger: damage
//! ends a file, never silently. Refuses to look into packets: that is `decode`'s.

use crate::model::ledger::SourceLedger;
use crate::model::packet::Batch;
use crate::model::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a source has for us.
#[derive(Debug)]
pub enum Polled {
    /// The next packets; never empty.
    Packets(Batch),
    /// Nothing came for a while (devices and folders being followed): the time by the wall clock.
    Tick(Timestamp),
    /// No more packets will come; the ledger says why.
    End,
}

/// A stream of packets: one capture.
pub trait Source: Send {
    /// The next packets. Blocks; a device or a followed folder returns a tick now and then.
    fn poll(&mut self) -> Polled;

    /// The account so far; complete after [`Polled::End`].
    fn ledger(&self) -> SourceLedger;
}

/// How far reading has come, for a progress bar. Counts bytes as they lie on disk (compressed ones, too).
#[derive(Debug, Default)]
pub struct Progress {
    read: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// Nothing read yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// `bytes` more were read.
    pub fn add_read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// `bytes` more are to be read.
    pub fn add_total(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes read and bytes in all (0 = not known).
    pub fn get(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
}
