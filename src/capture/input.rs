//! How do bytes get from a file, a pipe or a compressed stream into a block?
//!
//! One descriptor, read straight into the spare room of a pooled buffer, hashed as it passes. A mapped file would be a
//! little faster and dies with SIGBUS when it is truncated under us, so nothing is mapped. Blocks are filled to their
//! target whatever sizes the reads return; only a pipe that is silent for [`LINGER`], or the end of a file that may still
//! grow, hands out less. Knows nothing of packets.

use super::compressed::Compression;
use super::error::OpenError;
use super::{Options, Progress};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A pipe that is silent for so long gives what came so far.
const LINGER: Duration = Duration::from_millis(200);
/// Bytes read before it is decided what a file is.
const FIRST_READ: usize = 64 << 10;
/// Bytes that tell every format and compression.
const TELLING: usize = 12;

/// Why a fill ended.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Filled {
    /// The target is reached.
    Full,
    /// Nothing more for now.
    Idle,
    /// No more bytes will come.
    End,
    /// The stop flag is set.
    Stopped,
    /// Reading or decompressing failed; why.
    Failed(String),
}

/// A descriptor with its manner of waiting.
#[derive(Debug)]
pub(super) struct Raw {
    file: File,
    /// A pipe, socket or terminal: reading may block.
    waits: bool,
    /// The file may still grow: its end is not the end.
    growing: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    progress: Arc<Progress>,
}

enum Got {
    Bytes(usize),
    End,
    Idle,
    Stopped,
}

impl Raw {
    /// One read into `buffer`, when there is something to read.
    fn read_into<B>(&self, buffer: B) -> io::Result<Got>
    where
        B: rustix::buffer::Buffer<u8, Output = usize>,
    {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(Got::Stopped);
        }
        if self.waits && !self.ready()? {
            return Ok(Got::Idle);
        }
        match rustix::io::read(&self.file, buffer) {
            Ok(0) if self.growing.load(Ordering::Relaxed) => Ok(Got::Idle),
            Ok(0) => Ok(Got::End),
            Ok(n) => {
                self.progress.add_read(n as u64);
                Ok(Got::Bytes(n))
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(Got::Bytes(0)),
            Err(e) => Err(e.into()),
        }
    }

    /// Wait for bytes (or the end) at most [`LINGER`].
    fn ready(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        let time = Timespec { tv_sec: 0, tv_nsec: i64::from(LINGER.subsec_nanos()) };
        match poll(&mut fds, Some(&time)) {
            Ok(n) => Ok(n > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}

/// For decompressors, which cannot be told "later": blocks until bytes, the end or the stop flag.
impl Read for Raw {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.read_into(&mut *output)? {
                Got::Bytes(0) | Got::Idle => {}
                Got::Bytes(n) => return Ok(n),
                Got::End => return Ok(0),
                Got::Stopped => return Err(io::Error::other("interrupted")),
            }
        }
    }
}

enum Bytes {
    Raw(Raw),
    Decoded(Box<dyn Read + Send>),
}

/// The bytes of one file, decompressed and hashed.
pub(super) struct Input {
    bytes: Bytes,
    hasher: blake3::Hasher,
    stop: Arc<AtomicBool>,
    growing: Arc<AtomicBool>,
    /// What the file is compressed with.
    pub(super) compression: Option<Compression>,
    /// Can it be read to its end without waiting for anybody?
    pub(super) finite: bool,
}

impl Input {
    /// Open `path` and read its first bytes, decompressed, into `buffer`.
    pub(super) fn open(
        path: &Path,
        growing: bool,
        options: &Options,
        progress: &Arc<Progress>,
        buffer: &mut Vec<u8>,
    ) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(|e| OpenError::io(path, e))?;
        Self::of(file, path, growing, options, progress, buffer)
    }

    /// The same for a descriptor that is open; `path` is for messages.
    pub(super) fn of(
        file: File,
        path: &Path,
        growing: bool,
        options: &Options,
        progress: &Arc<Progress>,
        buffer: &mut Vec<u8>,
    ) -> Result<Self, OpenError> {
        let meta = file.metadata().map_err(|e| OpenError::io(path, e))?;
        if meta.is_dir() {
            return Err(OpenError::IsFolder(path.to_path_buf()));
        }
        let growing = Arc::new(AtomicBool::new(growing));
        let raw = Raw {
            file,
            waits: !meta.is_file(),
            growing: Arc::clone(&growing),
            stop: Arc::clone(&options.stop),
            progress: Arc::clone(progress),
        };
        buffer.reserve(options.block_bytes.clamp(TELLING, FIRST_READ));
        while buffer.len() < TELLING {
            match raw.read_into(spare_capacity(buffer)).map_err(|e| OpenError::io(path, e))? {
                Got::Bytes(_) => {}
                Got::End => break,
                Got::Idle if growing.load(Ordering::Relaxed) => break,
                Got::Idle => {}
                Got::Stopped => return Err(OpenError::Interrupted(path.to_path_buf())),
            }
        }
        let compression = Compression::of(buffer);
        let mut hasher = blake3::Hasher::new();
        let bytes = match compression {
            Some(kind) => {
                let head = Cursor::new(std::mem::take(buffer));
                Bytes::Decoded(kind.reader(head.chain(raw)).map_err(|e| OpenError::io(path, e))?)
            }
            None => {
                hasher.update(buffer);
                Bytes::Raw(raw)
            }
        };
        let stop = Arc::clone(&options.stop);
        Ok(Self { bytes, hasher, stop, growing, compression, finite: meta.is_file() })
    }

    /// Bytes that are in memory already.
    pub(super) fn of_bytes(content: Vec<u8>, options: &Options) -> io::Result<Self> {
        let compression = Compression::of(&content);
        let reader: Box<dyn Read + Send> = match compression {
            Some(kind) => kind.reader(Cursor::new(content))?,
            None => Box::new(Cursor::new(content)),
        };
        let stop = Arc::clone(&options.stop);
        let hasher = blake3::Hasher::new();
        Ok(Self {
            bytes: Bytes::Decoded(reader),
            hasher,
            stop,
            growing: Arc::default(),
            compression,
            finite: true,
        })
    }

    /// Read until `buffer` holds `target` bytes.
    pub(super) fn fill(&mut self, buffer: &mut Vec<u8>, target: usize) -> Filled {
        let old = buffer.len();
        buffer.reserve_exact(target.saturating_sub(old));
        let filled = match &mut self.bytes {
            Bytes::Raw(raw) => loop {
                if buffer.len() >= target {
                    break Filled::Full;
                }
                match raw.read_into(spare_capacity(buffer)) {
                    Ok(Got::Bytes(_)) => {}
                    Ok(Got::End) => break Filled::End,
                    Ok(Got::Idle) => break Filled::Idle,
                    Ok(Got::Stopped) => break Filled::Stopped,
                    Err(e) => break Filled::Failed(format!("the file cannot be read any further: {e}")),
                }
            },
            Bytes::Decoded(reader) => {
                let mut at = old;
                buffer.resize(target.max(old), 0);
                let filled = loop {
                    if self.stop.load(Ordering::Relaxed) {
                        break Filled::Stopped;
                    }
                    match buffer.get_mut(at..) {
                        None | Some([]) => break Filled::Full,
                        Some(room) => match reader.read(room) {
                            Ok(0) => break Filled::End,
                            Ok(n) => at += n,
                            Err(e) => break Filled::Failed(e.to_string()),
                        },
                    }
                };
                buffer.truncate(at);
                // An interrupted decompressor reports an error of its own.
                if self.stop.load(Ordering::Relaxed) { Filled::Stopped } else { filled }
            }
        };
        self.hasher.update(buffer.get(old..).unwrap_or(&[]));
        filled
    }

    /// From now on the end of the file is the end.
    pub(super) fn stop_growing(&self) {
        self.growing.store(false, Ordering::Relaxed);
    }

    /// Go on at this byte, if it can be gone to: a regular file without compression. What comes has no content hash any more.
    pub(super) fn seek(&mut self, offset: u64) -> io::Result<bool> {
        match &mut self.bytes {
            Bytes::Raw(raw) if !raw.waits => raw.file.seek(SeekFrom::Start(offset)).map(|_| true),
            _ => Ok(false),
        }
    }

    /// blake3 over all bytes given out.
    pub(super) fn content_hash(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }
}
