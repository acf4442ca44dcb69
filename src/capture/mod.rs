//! Where do packets come from?
//!
//! One trait, [`Source`], for files, folders, standard input and (feature `live`) devices. A source is
//! identified by its content, never by its name. It yields batches in capture order and keeps an honest ledger: damage
//! ends a file, never silently. Refuses to look into packets: that is `decode`'s.

#[cfg(test)]
mod against_tshark;
mod compressed;
pub mod error;
mod file;
mod input;
mod pcap;
mod pcapng;
mod snoop;
mod split;

pub use error::OpenError;

use crate::model::ledger::SourceLedger;
use crate::model::packet::Batch;
use crate::model::time::Timestamp;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes of a block: some thousand packets, so that splitting a batch over threads pays, and few enough to stay in a
/// core's cache while it is hashed and split.
pub const BLOCK_BYTES: usize = 2 << 20;

/// How sources read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Set it from anywhere to stop reading: the source ends as [`crate::model::ledger::Stop::Interrupted`].
    pub stop: Arc<AtomicBool>,
    /// A filter expression of libpcap (feature `live`); what does not match is counted and left out.
    pub filter: Option<String>,
    /// Bytes of a block; [`BLOCK_BYTES`] but in tests.
    pub block_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { stop: Arc::default(), filter: None, block_bytes: BLOCK_BYTES }
    }
}

/// Open one capture file, whatever its container and compression.
pub fn open(path: &Path, options: &Options, progress: &Arc<Progress>) -> Result<Box<dyn Source>, OpenError> {
    Ok(Box::new(file::FileSource::open(path, false, options, progress)?))
}

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
