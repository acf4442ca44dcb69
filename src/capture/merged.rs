//! How do several files become one capture?
//!
//! Packet by packet in time order; of equal times the file given first comes first, and within a file the order of the file
//! holds even where its times step back. A file is opened only when its first packet is due, so a day of rotated files needs
//! two open ones at a time. Blocks are put together by copying: neighbours come from different files. Each file keeps its
//! own account; damage in one does not stop the others.

use super::error::OpenError;
use super::file::{FileSource, Step};
use super::{Options, Polled, Progress, Source, folder};
use crate::model::ledger::{FileLedger, SourceLedger, Stop};
use crate::model::packet::{Batch, Block, PacketRef, Pool};
use crate::model::time::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Most files of one capture: their number is kept in 16 bits.
const MAX_FILES: usize = 1 << 16;
/// Bytes that the open files of one capture may read ahead together, in case all overlap in time.
const READ_AHEAD: usize = 64 << 20;
/// Smallest block of one file.
const SMALLEST_BLOCK: usize = 64 << 10;
/// Packets of a batch at most; with empty packets a block would never be full.
const BATCH_PACKETS: usize = 1 << 16;
/// Idle buffers kept for the next blocks.
const POOLED_BLOCKS: usize = 6;

/// Several files in time order.
pub(super) struct Merged {
    parts: Vec<Part>,
    /// The next packet of each file that has one: time, then file.
    due: BinaryHeap<Reverse<(Timestamp, u16)>>,
    options: Options,
    progress: Arc<Progress>,
    pool: Arc<Pool>,
    /// Bytes of a block given out.
    block: usize,
    next_number: u64,
}

struct Part {
    path: PathBuf,
    reading: Option<Reading>,
    /// Final when nothing is being read.
    ledger: FileLedger,
}

struct Reading {
    source: FileSource,
    batch: Batch,
    at: usize,
}

impl Merged {
    pub(super) fn open(
        paths: &[PathBuf],
        options: &Options,
        progress: &Arc<Progress>,
    ) -> Result<Self, OpenError> {
        if paths.is_empty() {
            return Err(OpenError::NoFiles);
        }
        if paths.len() > MAX_FILES {
            return Err(OpenError::TooManyFiles(paths.len()));
        }
        let share = (READ_AHEAD / paths.len()).clamp(SMALLEST_BLOCK, READ_AHEAD);
        let mut merged = Self {
            parts: Vec::with_capacity(paths.len()),
            due: BinaryHeap::with_capacity(paths.len()),
            options: Options { block_bytes: share.min(options.block_bytes), ..options.clone() },
            progress: Arc::clone(progress),
            pool: Pool::new(POOLED_BLOCKS),
            block: options.block_bytes,
            next_number: 1,
        };
        for (path, number) in paths.iter().zip(0..=u16::MAX) {
            let probe = folder::probe(path, options)?;
            progress.add_total(std::fs::metadata(path).map_or(0, |m| m.len()));
            let ledger = FileLedger { path: path.clone(), ..FileLedger::default() };
            merged.parts.push(Part { path: path.clone(), reading: None, ledger });
            match probe.first {
                Some(first) => merged.due.push(Reverse((first, number))),
                // No packet: read it now, so that its account is complete.
                None => merged.begin(number),
            }
        }
        Ok(merged)
    }

    /// Open file `number` and fetch its first packets.
    fn begin(&mut self, number: u16) {
        let Some(part) = self.parts.get_mut(usize::from(number)) else { return };
        if self.options.stop.load(Ordering::Relaxed) {
            part.ledger.stop = Stop::Interrupted;
            return;
        }
        match FileSource::open(&part.path, false, &self.options, &self.progress) {
            Ok(mut source) => {
                source.place(number, 1);
                self.fetch(number, source);
            }
            // It was readable a moment ago: gone, or changed under us.
            Err(e) => part.ledger.stop = Stop::Damaged { reason: e.to_string(), offset: 0 },
        }
    }

    /// The next batch of a file, or its final account.
    fn fetch(&mut self, number: u16, mut source: FileSource) {
        let Some(part) = self.parts.get_mut(usize::from(number)) else { return };
        loop {
            match source.step() {
                Step::Packets(batch) => {
                    if let Some(first) = batch.packets.first() {
                        self.due.push(Reverse((first.ts, number)));
                        part.reading = Some(Reading { source, batch, at: 0 });
                        return;
                    }
                }
                Step::Idle => {}
                Step::End => {
                    part.ledger = source.file_ledger().clone();
                    return;
                }
            }
        }
    }

    /// Move packets of file `number` into the block as long as they are the earliest and there is room.
    fn take(&mut self, number: u16, block: &mut Vec<u8>, packets: &mut Vec<PacketRef>) {
        let Some(part) = self.parts.get_mut(usize::from(number)) else { return };
        let Some(reading) = &mut part.reading else { return self.begin(number) };
        let rival = self.due.peek().map(|Reverse(next)| *next);
        while let Some(packet) = reading.batch.get(reading.at) {
            let mine = (packet.meta.ts, number);
            let full = block.len() + packet.data.len() > self.block || packets.len() >= BATCH_PACKETS;
            if rival.is_some_and(|r| r < mine) || (full && !packets.is_empty()) {
                self.due.push(Reverse(mine));
                return;
            }
            packets.push(PacketRef { start: block.len() as u32, ..packet.meta });
            block.extend_from_slice(packet.data);
            reading.at += 1;
        }
        if let Some(Reading { source, .. }) = part.reading.take() {
            self.fetch(number, source);
        }
    }
}

impl Source for Merged {
    fn poll(&mut self) -> Polled {
        let mut block = self.pool.take();
        block.reserve(self.block);
        let mut packets = Vec::new();
        while let Some(Reverse((_, number))) = self.due.pop() {
            let before = packets.len();
            let was_reading = self.parts.get(usize::from(number)).is_some_and(|p| p.reading.is_some());
            self.take(number, &mut block, &mut packets);
            if was_reading && packets.len() == before {
                break;
            }
        }
        if packets.is_empty() {
            return Polled::End;
        }
        let first_number = self.next_number;
        self.next_number = first_number.saturating_add(packets.len() as u64);
        let block = Arc::new(Block::pooled(block, &self.pool));
        Polled::Packets(Batch { first_number, block, packets })
    }

    fn ledger(&self) -> SourceLedger {
        let files = self.parts.iter().map(|part| match &part.reading {
            Some(reading) => reading.source.file_ledger().clone(),
            None => part.ledger.clone(),
        });
        SourceLedger { files: files.collect(), ..SourceLedger::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scratch, drain, pcap, record};
    use super::*;

    fn seconds(packets: &[(PacketRef, Vec<u8>)]) -> Vec<(i64, u16, u8)> {
        packets.iter().map(|(p, d)| (p.ts.0 / 1_000_000_000, p.file_no, d[0])).collect()
    }

    #[test]
    fn packets_come_in_time_order_and_equal_times_in_file_order() {
        let scratch = Scratch::new("merged");
        let a = scratch.write("a", &pcap(&[(1, b"a"), (3, b"b"), (5, b"c"), (5, b"d")]));
        let b = scratch.write("b", &pcap(&[(3, b"e"), (5, b"f"), (4, b"g"), (9, b"h")]));
        let none = scratch.write("none", &pcap(&[]));
        let want = [
            (1, 0, b'a'),
            (3, 0, b'b'),
            (3, 1, b'e'),
            (5, 0, b'c'),
            (5, 0, b'd'),
            (5, 1, b'f'),
            (4, 1, b'g'),
            (9, 1, b'h'),
        ];
        for block_bytes in [1, 3, 64, 1 << 20] {
            let options = Options { block_bytes, ..Options::default() };
            let paths = [a.clone(), b.clone(), none.clone()];
            let (packets, ledger) = drain(&mut Merged::open(&paths, &options, &Progress::new()).unwrap());
            assert_eq!(seconds(&packets), want);
            let counts: Vec<_> = ledger.files.iter().map(|f| (f.packets, f.stop.clone())).collect();
            assert_eq!(counts, [(4, Stop::End), (4, Stop::End), (0, Stop::End)]);
            assert!(ledger.files.iter().all(|f| f.content_hash.is_some()));
        }
    }

    #[test]
    fn damage_in_one_file_does_not_stop_the_others() {
        let scratch = Scratch::new("merged");
        let mut cut = pcap(&[(1, b"a")]);
        cut.extend(&record(2, b"lost")[..18]);
        let cut = scratch.write("cut", &cut);
        let whole = scratch.write("whole", &pcap(&[(0, b"x"), (7, b"y")]));
        let mut source = Merged::open(&[cut, whole], &Options::default(), &Progress::new()).unwrap();
        let (packets, ledger) = drain(&mut source);
        assert_eq!(seconds(&packets), [(0, 1, b'x'), (1, 0, b'a'), (7, 1, b'y')]);
        assert_eq!(ledger.damage().map(|(_, _, offset)| offset), Some(24 + 17));
    }

    #[test]
    fn what_is_no_capture_is_refused_before_anything_is_read() {
        let scratch = Scratch::new("merged");
        let a = scratch.write("a", &pcap(&[(1, b"a")]));
        let text = scratch.write("b", b"some text");
        let open = |paths: &[PathBuf]| Merged::open(paths, &Options::default(), &Progress::new()).err();
        assert!(matches!(open(&[a, text]), Some(OpenError::NotACapture { .. })));
        assert!(matches!(open(&[]), Some(OpenError::NoFiles)));
    }
}
