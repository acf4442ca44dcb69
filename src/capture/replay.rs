//! How are sources and everything above them tested without files?
//!
//! Packets from memory, in the order they were given, batched as asked. Tests and generators use it; nothing else does.

use super::{Polled, Source};
use crate::model::ledger::{FileLedger, SourceLedger, Stop};
use crate::model::packet::{Batch, LinkType, PacketRef};
use crate::model::time::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;

/// A source of packets that lie in memory.
#[derive(Debug)]
pub struct Replay {
    items: VecDeque<Item>,
    /// Packets in a batch at most.
    batch: usize,
    next_number: u64,
    ledger: FileLedger,
}

#[derive(Debug)]
enum Item {
    Packet(PacketRef, Vec<u8>),
    Tick(Timestamp),
}

impl Replay {
    /// An empty source that gives at most `batch` packets at once (at least 1).
    pub fn new(batch: usize) -> Self {
        let ledger = FileLedger { path: "replay".into(), format: "replay", ..FileLedger::default() };
        Self { items: VecDeque::new(), batch: batch.max(1), next_number: 1, ledger }
    }

    /// Add a packet that was captured whole.
    #[must_use]
    pub fn packet(self, ts: Timestamp, link: LinkType, bytes: &[u8]) -> Self {
        self.cut_packet(ts, link, bytes, bytes.len() as u32)
    }

    /// Add a packet that had `original` bytes on the wire.
    #[must_use]
    pub fn cut_packet(mut self, ts: Timestamp, link: LinkType, bytes: &[u8], original: u32) -> Self {
        let captured = bytes.len() as u32;
        let meta = PacketRef {
            ts,
            captured,
            original,
            link,
            file_offset: self.ledger.bytes,
            ..PacketRef::default()
        };
        self.ledger.bytes += u64::from(captured);
        self.items.push_back(Item::Packet(meta, bytes.to_vec()));
        self
    }

    /// Add a tick of the wall clock.
    #[must_use]
    pub fn tick(mut self, now: Timestamp) -> Self {
        self.items.push_back(Item::Tick(now));
        self
    }
}

impl Source for Replay {
    fn poll(&mut self) -> Polled {
        let mut block = Vec::new();
        let mut packets = Vec::new();
        while packets.len() < self.batch {
            match self.items.pop_front() {
                Some(Item::Packet(meta, bytes)) => {
                    packets.push(PacketRef { start: block.len() as u32, ..meta });
                    block.extend(bytes);
                }
                Some(Item::Tick(now)) if packets.is_empty() => return Polled::Tick(now),
                Some(tick) => {
                    self.items.push_front(tick);
                    break;
                }
                None => break,
            }
        }
        if packets.is_empty() {
            self.ledger.stop = Stop::End;
            return Polled::End;
        }
        let first_number = self.next_number;
        self.next_number += packets.len() as u64;
        self.ledger.packets += packets.len() as u64;
        Polled::Packets(Batch { first_number, block: Arc::new(block.into()), packets })
    }

    fn ledger(&self) -> SourceLedger {
        SourceLedger { files: vec![self.ledger.clone()], ..SourceLedger::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_batches_ticks_and_the_end() {
        let link = LinkType::ETHERNET;
        let mut source = Replay::new(2)
            .packet(Timestamp(1), link, b"abc")
            .packet(Timestamp(2), link, b"d")
            .cut_packet(Timestamp(3), link, b"ef", 99)
            .tick(Timestamp(9));
        let Polled::Packets(first) = source.poll() else { panic!() };
        assert_eq!((first.packets.len(), first.get(1).unwrap().data), (2, &b"d"[..]));
        let Polled::Packets(second) = source.poll() else { panic!() };
        let packet = second.get(0).unwrap();
        assert_eq!((packet.number, packet.data, packet.meta.original), (3, &b"ef"[..], 99));
        assert!(matches!(source.poll(), Polled::Tick(Timestamp(9))));
        assert!(matches!(source.poll(), Polled::End));
        assert_eq!((source.ledger().packets(), source.ledger().files[0].stop.clone()), (3, Stop::End));
    }
}
