//! How does one file or stream become batches?
//!
//! Blocks come from a pool and go to the decoder as they were read: only a record that straddles two blocks has its beginning copied
//! to the start of the next. Damage ends the file, keeps all before it and is written to the ledger with its
//! place; a finite file is then still read to its end, so that the content hash is the whole content's.

use super::compressed::Compression;
use super::error::{OpenError, looks_like};
use super::input::{Filled, Input};
use super::pcap::{Pcap, is_pcap};
use super::pcapng::{Pcapng, is_pcapng};
use super::snoop::{Snoop, is_snoop};
use super::split::{BadHeader, Next, Splitter, Window};
use super::{Options, Polled, Progress, Source};
use crate::model::ledger::{FileLedger, SourceLedger, Stop};
use crate::model::packet::{Batch, Block, PacketRef, Pool};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Idle buffers kept for the next blocks: what the stages of the engine hold at once.
const POOLED_BLOCKS: usize = 6;
/// Packet references reserved for a block at first; later as many as the block before had.
const FIRST_PACKETS: usize = 4_096;
/// Bytes of a file kept to recognise it again (see `follow`).
pub(super) const HEAD: usize = 4_096;

/// What a step brought.
pub(super) enum Step {
    Packets(Batch),
    /// Nothing for now (pipes, growing files).
    Idle,
    End,
}

/// One file or stream.
pub(super) struct FileSource {
    input: Input,
    splitter: Box<dyn Splitter>,
    pool: Arc<Pool>,
    /// Bytes read and not given out yet; starts at a record.
    buffer: Vec<u8>,
    /// Where `buffer` starts in the file, after decompression.
    offset: u64,
    /// Bytes to fill up to before splitting again.
    block: usize,
    target: usize,
    /// Bytes to drop before the next record.
    skip: u64,
    /// Packets of the batch before.
    usual: usize,
    file_no: u16,
    next_number: u64,
    ledger: FileLedger,
    ended: bool,
    /// The first bytes.
    head: Vec<u8>,
    /// Packets before this offset are left out.
    from: u64,
    /// Not all bytes were read: there is no content hash.
    partial: bool,
}

/// A parser and the length of the file header it consumed, or why the header will not do.
type Recognised = Result<(usize, Box<dyn Splitter>), BadHeader>;

/// The parser that fits the first bytes.
fn recognise(data: &[u8], path: &Path, ledger: &mut FileLedger) -> Result<Recognised, OpenError> {
    fn boxed<S: Splitter + 'static>((length, splitter): (usize, S)) -> (usize, Box<dyn Splitter>) {
        (length, Box::new(splitter))
    }
    let path = path.to_path_buf();
    if is_pcap(data) {
        Ok(Pcap::open(data, ledger).map(boxed))
    } else if is_pcapng(data) {
        Ok(Pcapng::open(data, ledger).map(|s| boxed((0, s))))
    } else if is_snoop(data) {
        Ok(Snoop::open(data, ledger).map(boxed))
    } else if data.is_empty() {
        Err(OpenError::Empty(path))
    } else {
        Err(OpenError::NotACapture { path, looks_like: looks_like(data) })
    }
}

impl FileSource {
    /// Open a file by its content. `growing`: its end is not the end until [`Self::stop_growing`].
    pub(super) fn open(
        path: &Path,
        growing: bool,
        options: &Options,
        progress: &Arc<Progress>,
    ) -> Result<Self, OpenError> {
        let mut buffer = Vec::new();
        let input = Input::open(path, growing, options, progress, &mut buffer)?;
        Self::begin(input, buffer, path, growing, options)
    }

    /// The same for a descriptor.
    pub(super) fn from_descriptor(
        file: File,
        path: &Path,
        options: &Options,
        progress: &Arc<Progress>,
    ) -> Result<Self, OpenError> {
        let mut buffer = Vec::new();
        let input = Input::of(file, path, false, options, progress, &mut buffer)?;
        Self::begin(input, buffer, path, false, options)
    }

    /// The same for bytes in memory.
    pub(super) fn from_bytes(content: Vec<u8>, options: &Options) -> Result<Self, OpenError> {
        let path = Path::new("memory");
        let input = Input::of_bytes(content, options).map_err(|e| OpenError::io(path, e))?;
        Self::begin(input, Vec::new(), path, false, options)
    }

    fn begin(
        mut input: Input,
        mut buffer: Vec<u8>,
        path: &Path,
        growing: bool,
        options: &Options,
    ) -> Result<Self, OpenError> {
        let block = options.block_bytes.max(1);
        let mut ledger = FileLedger {
            path: path.to_path_buf(),
            compression: input.compression.map(Compression::name),
            ..FileLedger::default()
        };
        // The first block: the header, and records that tell the layout.
        let (length, splitter) = loop {
            let filled = input.fill(&mut buffer, block.max(HEAD));
            if filled == Filled::Stopped {
                return Err(OpenError::Interrupted(path.to_path_buf()));
            }
            let waiting = filled == Filled::Idle && !growing;
            if waiting && buffer.len() < 12 {
                continue;
            }
            if let (Filled::Failed(reason), true) = (&filled, buffer.is_empty()) {
                return Err(OpenError::Damaged { path: path.to_path_buf(), reason: reason.clone() });
            }
            match recognise(&buffer, path, &mut ledger)? {
                Ok(found) => break found,
                Err(BadHeader::Cut(_)) if waiting => {}
                Err(BadHeader::Cut(needed)) => {
                    let reason = format!("its header needs {needed} bytes and {} are there", buffer.len());
                    return Err(OpenError::Damaged { path: path.to_path_buf(), reason });
                }
                Err(BadHeader::Unsupported(what)) => {
                    return Err(OpenError::Unsupported { path: path.to_path_buf(), what });
                }
            }
        };
        let head = buffer.get(..HEAD).unwrap_or(&buffer).to_vec();
        Ok(Self {
            input,
            splitter,
            pool: Pool::new(POOLED_BLOCKS),
            buffer,
            offset: 0,
            block,
            target: block,
            skip: length as u64,
            usual: FIRST_PACKETS.min(block / 64),
            file_no: 0,
            next_number: 1,
            ledger,
            ended: false,
            head,
            from: 0,
            partial: false,
        })
    }

    /// Make it file `file_no` of a capture whose next packet has `number`.
    pub(super) fn place(&mut self, file_no: u16, number: u64) {
        self.file_no = file_no;
        self.next_number = number;
    }

    /// Leave out every packet before the record at `offset`, without reading them where that is possible.
    pub(super) fn start_at(&mut self, offset: u64) -> Result<(), OpenError> {
        self.from = offset;
        let here = self.offset.saturating_add(self.buffer.len() as u64);
        if offset <= here || !self.splitter.stands_alone() {
            return Ok(());
        }
        if self.input.seek(offset).map_err(|e| OpenError::io(&self.ledger.path, e))? {
            self.buffer.clear();
            (self.offset, self.skip, self.partial) = (offset, 0, true);
        }
        Ok(())
    }

    /// Number of the packet that comes next.
    pub(super) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Its account so far.
    pub(super) fn file_ledger(&self) -> &FileLedger {
        &self.ledger
    }

    /// From now on the end of the file is the end.
    pub(super) fn stop_growing(&self) {
        self.input.stop_growing();
    }

    /// The first bytes, at most [`HEAD`].
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Read and split once.
    pub(super) fn step(&mut self) -> Step {
        while !self.ended {
            let before = self.buffer.len();
            let filled = self.input.fill(&mut self.buffer, self.target.max(before));
            let room = HEAD.saturating_sub(self.head.len());
            self.head.extend(self.buffer.iter().skip(before).take(room));
            let mut packets = Vec::with_capacity(self.usual);
            let (used, damage) = self.split(&mut packets);
            if self.from > 0 {
                packets.retain(|p| p.file_offset >= self.from);
            }
            let stop = match (damage, filled) {
                (Some(reason), _) => {
                    Some(Stop::Damaged { reason, offset: self.offset.saturating_add(used as u64) })
                }
                (None, Filled::Full) => None,
                (None, Filled::Idle) if packets.is_empty() => {
                    self.consume(used, packets);
                    return Step::Idle;
                }
                (None, Filled::Idle) => None,
                (None, Filled::Stopped) => Some(Stop::Interrupted),
                (None, Filled::Failed(reason)) => {
                    Some(Stop::Damaged { reason, offset: self.offset.saturating_add(used as u64) })
                }
                (None, Filled::End) => Some(self.at_end(used)),
            };
            let batch = self.consume(used, packets);
            if let Some(stop) = stop {
                self.end(stop);
            }
            if let Some(batch) = batch {
                return Step::Packets(batch);
            }
        }
        Step::End
    }

    /// Split what is in the buffer; returns the bytes that are done with, and the damage if there is some.
    fn split(&mut self, packets: &mut Vec<PacketRef>) -> (usize, Option<String>) {
        let mut at = 0;
        loop {
            let left = self.buffer.len() - at;
            let skipped = self.skip.min(left as u64);
            at += skipped as usize;
            self.skip -= skipped;
            if self.skip > 0 {
                self.target = self.block;
                return (at, None);
            }
            let window = Window {
                data: self.buffer.get(at..).unwrap_or(&[]),
                start: at,
                offset: self.offset.saturating_add(at as u64),
                file_no: self.file_no,
            };
            let (used, next) = self.splitter.split(window, packets, &mut self.ledger);
            at = at.saturating_add(used).min(self.buffer.len());
            match next {
                Next::More(needed) => {
                    self.target = self.block.max(needed);
                    return (at, None);
                }
                Next::Skip(bytes) => self.skip = bytes,
                Next::Damaged(reason) => return (at, Some(reason)),
            }
        }
    }

    /// No more bytes will come: is anything incomplete?
    fn at_end(&self, used: usize) -> Stop {
        let left = self.buffer.len() - used;
        let offset = self.offset.saturating_add(used as u64);
        if self.skip > 0 {
            Stop::Damaged {
                reason: format!("the file ends {} bytes before its last block does", self.skip),
                offset,
            }
        } else if left > 0 {
            Stop::Damaged {
                reason: format!("the file ends inside its last record, {left} bytes after its start"),
                offset,
            }
        } else {
            Stop::End
        }
    }

    /// Give out what was split and keep the rest at the start of a fresh buffer.
    fn consume(&mut self, used: usize, packets: Vec<PacketRef>) -> Option<Batch> {
        self.offset = self.offset.saturating_add(used as u64);
        if packets.is_empty() {
            self.buffer.drain(..used);
            return None;
        }
        let mut next = self.pool.take();
        next.reserve_exact(self.target);
        next.extend_from_slice(self.buffer.get(used..).unwrap_or(&[]));
        let block = std::mem::replace(&mut self.buffer, next);
        // A block that one huge record made grow is not kept for reuse.
        let block = if block.capacity() > 2 * self.block.max(HEAD) {
            Block::from(block)
        } else {
            Block::pooled(block, &self.pool)
        };
        let first_number = self.next_number;
        self.next_number = first_number.saturating_add(packets.len() as u64);
        self.ledger.packets = self.ledger.packets.saturating_add(packets.len() as u64);
        self.usual = packets.len() + packets.len() / 8 + 16;
        Some(Batch { first_number, block: Arc::new(block), packets })
    }

    /// Close the account.
    fn end(&mut self, stop: Stop) {
        let mut bytes = self.offset.saturating_add(self.buffer.len() as u64);
        let mut complete = stop == Stop::End;
        if matches!(stop, Stop::Damaged { .. }) && self.input.finite {
            complete = loop {
                self.buffer.clear();
                let filled = self.input.fill(&mut self.buffer, self.block);
                bytes = bytes.saturating_add(self.buffer.len() as u64);
                match filled {
                    Filled::Full => {}
                    // What a broken compressed stream or disk still gave is the content.
                    Filled::End | Filled::Failed(_) => break true,
                    Filled::Idle | Filled::Stopped => break false,
                }
            };
        }
        self.splitter.finish(&mut self.ledger);
        self.ledger.bytes = bytes;
        self.ledger.content_hash = (complete && !self.partial).then(|| self.input.content_hash());
        self.ledger.stop = stop;
        self.buffer = Vec::new();
        self.ended = true;
    }
}

impl Source for FileSource {
    fn poll(&mut self) -> Polled {
        loop {
            match self.step() {
                Step::Packets(batch) => return Polled::Packets(batch),
                Step::Idle => {}
                Step::End => return Polled::End,
            }
        }
    }

    fn ledger(&self) -> SourceLedger {
        SourceLedger { files: vec![self.ledger.clone()], ..SourceLedger::default() }
    }
}
