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
mod filter;
pub mod folder;
mod follow;
pub mod identity;
mod input;
#[cfg(feature = "live")]
pub mod live;
mod merged;
mod pcap;
mod pcapng;
pub mod replay;
pub mod save;
mod snoop;
mod split;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use error::OpenError;

use crate::model::ids::CaptureId;
use crate::model::ledger::SourceLedger;
use crate::model::packet::Batch;
use crate::model::time::Timestamp;
use file::FileSource;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes of a block: some thousand packets, so that splitting a batch over threads pays, and few enough to stay in a
/// core's cache while it is hashed and split.
pub const BLOCK_BYTES: usize = 1 << 20;

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

/// Open one capture file, whatever its container and compression. A pipe with a name is read like standard input.
pub fn open(path: &Path, options: &Options, progress: &Arc<Progress>) -> Result<Box<dyn Source>, OpenError> {
    let source = FileSource::open(path, false, options, progress)?;
    progress.add_total(std::fs::metadata(path).map_or(0, |m| m.len()));
    filtered(Box::new(source), options)
}

/// Open one capture file at a known record: its first packet is the one at byte `offset` (after decompression), numbered `number`.
/// What lies before it is not even read where the container allows that (uncompressed pcap and snoop), else it is split and
/// left out. The ledger then lacks the content hash. `file_no` is the file's place in its capture.
pub fn open_at(
    path: &Path,
    (offset, number): (u64, u64),
    file_no: u16,
    options: &Options,
) -> Result<Box<dyn Source>, OpenError> {
    let mut source = FileSource::open(path, false, options, &Progress::new())?;
    source.place(file_no, number);
    source.start_at(offset)?;
    Ok(Box::new(source))
}

/// Read a capture file that is in memory: for tests and fuzzing, through the same code as files.
pub fn open_bytes(content: Vec<u8>, options: &Options) -> Result<Box<dyn Source>, OpenError> {
    filtered(Box::new(FileSource::from_bytes(content, options)?), options)
}

/// Read standard input. What came is given out when the pipe is silent for a moment, so that a live pipe does not stall.
pub fn open_stdin(options: &Options, progress: &Arc<Progress>) -> Result<Box<dyn Source>, OpenError> {
    let path = Path::new("-");
    let descriptor = std::io::stdin().as_fd().try_clone_to_owned().map_err(|e| OpenError::io(path, e))?;
    let source = FileSource::from_descriptor(File::from(descriptor), path, options, progress)?;
    filtered(Box::new(source), options)
}

/// Several files as one capture, packet by packet in time order (equal times: in the order of the files).
pub fn open_merged(
    paths: &[PathBuf],
    options: &Options,
    progress: &Arc<Progress>,
) -> Result<Box<dyn Source>, OpenError> {
    filtered(Box::new(merged::Merged::open(paths, options, progress)?), options)
}

/// A folder (or one file) that is still being written, as one capture without an end: it is read until
/// [`Options::stop`] is set. Ticks come while nothing else does.
pub fn open_followed(
    folder: &Path,
    options: &Options,
    progress: &Arc<Progress>,
) -> Result<Box<dyn Source>, OpenError> {
    filtered(Box::new(follow::Follow::open(folder, options, progress)?), options)
}

fn filtered(source: Box<dyn Source>, options: &Options) -> Result<Box<dyn Source>, OpenError> {
    match &options.filter {
        Some(expression) => Ok(Box::new(filter::Filtered::new(source, expression)?)),
        None => Ok(source),
    }
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

    /// A stream is cut: what was given out so far is a capture of its own, what follows belongs to `next`. The account so far, from which
    /// whoever keeps packets has closed its files. Counts of other sources go on.
    fn cut(&mut self, _next: CaptureId) -> SourceLedger {
        self.ledger()
    }
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
