//! What happens to a batch before its packets are told apart by flow?
//!
//! Slices of a batch are decoded in parallel and bucketed by shard. Then, in packet order on one thread: the clock, fragments,
//! counts, and what the first packets show about the network.

use super::clock::Clock;
use super::{SHARDS, shard_of};
use crate::decode::{Arp, Decoded, Decoder, Defragmenter, IcmpMessage, Layers, Role};
use crate::model::packet::Batch;
use crate::model::time::Timestamp;
use crate::model::weird::{Detail, Weird, WeirdKind};
use crate::topology::Inference;
use rayon::prelude::*;

/// Packets decoded by one task: small enough to share a batch out, large enough to forget the cost of sharing.
const SLICE: usize = 1_024;

/// Decoded packets of one slice and where they go.
#[derive(Debug, Default)]
pub(super) struct Slice {
    pub(super) layers: Layers,
    /// Indices into `layers.items`, by shard.
    buckets: Vec<Vec<u32>>,
}

impl Slice {
    fn clear(&mut self) {
        self.layers.clear();
        self.buckets.iter_mut().for_each(Vec::clear);
    }

    fn bucket_items(&mut self) {
        self.buckets.resize_with(SHARDS, Vec::new);
        for (i, item) in self.layers.items.iter().enumerate() {
            if let Some(bucket) = self.buckets.get_mut(shard_of(item.pair_hash())) {
                bucket.push(i as u32);
            }
        }
    }

    fn of_shard(&self, shard: usize) -> impl Iterator<Item = &Decoded> {
        let bucket = self.buckets.get(shard).map_or(&[][..], Vec::as_slice);
        bucket.iter().filter_map(|i| self.layers.items.get(*i as usize))
    }
}

/// A batch whose packets are decoded.
#[derive(Debug)]
pub(super) struct Prepared {
    batch: Batch,
    slices: Vec<Slice>,
    /// What fragments were put together to, in packet order.
    reassembled: Slice,
    datagrams: Vec<Vec<u8>>,
}

impl Prepared {
    /// Decode a batch; `spare` are slices to use again.
    pub(super) fn decode(batch: Batch, decoder: &Decoder, spare: &mut Vec<Slice>) -> Self {
        let count = batch.packets.len().div_ceil(SLICE);
        let mut slices: Vec<Slice> = spare.drain(..spare.len().min(count)).collect();
        slices.resize_with(count, Slice::default);
        slices.par_iter_mut().enumerate().for_each(|(n, slice)| {
            slice.clear();
            let end = batch.packets.len().min((n + 1) * SLICE);
            for index in n * SLICE..end {
                if let Some(packet) = batch.get(index) {
                    decoder.decode(&packet, index as u32, &mut slice.layers);
                }
            }
            slice.bucket_items();
        });
        Self { batch, slices, reassembled: Slice::default(), datagrams: Vec::new() }
    }

    /// What one shard has to do, in packet order: decoded layers with the bytes their payload lies in.
    pub(super) fn of_shard(&self, shard: usize) -> impl Iterator<Item = (&Decoded, &[u8])> {
        let mut whole = self.slices.iter().flat_map(move |s| s.of_shard(shard)).peekable();
        let mut joined = self.reassembled.of_shard(shard).peekable();
        std::iter::from_fn(move || {
            // At the packet that completes a datagram its outer layers come first.
            let item = match (whole.peek(), joined.peek()) {
                (Some(w), Some(j)) if j.packet < w.packet => joined.next(),
                (None, _) => joined.next(),
                _ => whole.next(),
            }?;
            Some((item, self.bytes_of(item)))
        })
    }

    fn bytes_of(&self, item: &Decoded) -> &[u8] {
        match item.payload_at {
            crate::decode::PayloadAt::Packet => self.batch.get(item.index as usize).map_or(&[], |p| p.data),
            crate::decode::PayloadAt::Reassembled(i) => {
                self.datagrams.get(i as usize).map_or(&[], Vec::as_slice)
            }
        }
    }

    /// What the link layer and ICMP said, slice by slice.
    pub(super) fn said(&self) -> impl Iterator<Item = (&[Arp], &[IcmpMessage])> {
        self.slices.iter().chain([&self.reassembled]).map(|s| (&s.layers.arps[..], &s.layers.icmps[..]))
    }

    /// Give the memory back for the next batch.
    pub(super) fn recycle(self, spare: &mut Vec<Slice>) {
        spare.extend(self.slices);
    }
}

/// Counts over all packets of a capture.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) packets: u64,
    pub(super) wire_bytes: u64,
    pub(super) decoded: u64,
    pub(super) truncated: u64,
    pub(super) unknown_link: u64,
    pub(super) out_of_order: u64,
    pub(super) first_ts: Option<Timestamp>,
    pub(super) last_ts: Option<Timestamp>,
}

/// The part of the front that sees packets in order.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) clock: Clock,
    pub(super) totals: Totals,
    pub(super) inference: Inference,
    defragmenter: Defragmenter,
}

impl Front {
    pub(super) fn new(inference: Inference, defragmenter: Defragmenter) -> Self {
        Self { clock: Clock::default(), totals: Totals::default(), inference, defragmenter }
    }

    /// Do what needs packet order. `infer`: does the topology still want packets? Oddities go to `weirds`.
    pub(super) fn in_order(
        &mut self,
        prepared: &mut Prepared,
        decoder: &Decoder,
        infer: bool,
        weirds: &mut Vec<Weird>,
    ) {
        self.count(&prepared.batch, weirds);
        for slice in &mut prepared.slices {
            let layers = &mut slice.layers;
            self.totals.unknown_link += layers.unknown_link;
            let outermost = |d: &&Decoded| d.level == 0 && d.role == Role::Packet;
            let whole = layers.items.iter().filter(outermost).count();
            self.totals.decoded +=
                (whole + layers.fragments.iter().filter(|f| f.head.level == 0).count()) as u64;
            weirds.append(&mut layers.weirds);
            if infer {
                layers.items.iter().filter(|d| d.role == Role::Packet).for_each(|d| self.inference.packet(d));
                layers.arps.iter().for_each(|a| self.inference.arp(a));
            }
            for fragment in layers.fragments.drain(..) {
                if let Some(packet) = prepared.batch.get(fragment.head.index as usize) {
                    let out = &mut prepared.reassembled.layers;
                    self.defragmenter.push(decoder, &fragment, packet.data, out, &mut prepared.datagrams);
                }
            }
        }
        if let Some(now) = self.clock.now() {
            self.defragmenter.advance(now, &mut prepared.reassembled.layers);
        }
        weirds.append(&mut prepared.reassembled.layers.weirds);
        prepared.reassembled.bucket_items();
    }

    /// At the end: fragments that never became whole still count on their flows.
    pub(super) fn leftover(&mut self, weirds: &mut Vec<Weird>) -> Prepared {
        let mut reassembled = Slice::default();
        self.defragmenter.finish(&mut reassembled.layers);
        weirds.append(&mut reassembled.layers.weirds);
        reassembled.bucket_items();
        let block = std::sync::Arc::new(Vec::new().into());
        let batch = Batch { first_number: self.totals.packets, block, packets: Vec::new() };
        Prepared { batch, slices: Vec::new(), reassembled, datagrams: Vec::new() }
    }

    fn count(&mut self, batch: &Batch, weirds: &mut Vec<Weird>) {
        let t = &mut self.totals;
        t.packets += batch.packets.len() as u64;
        for (i, p) in batch.packets.iter().enumerate() {
            t.wire_bytes += u64::from(p.original);
            t.truncated += u64::from(p.captured < p.original);
            match t.last_ts {
                Some(last) if p.ts < last => t.out_of_order += 1,
                _ => t.last_ts = Some(p.ts),
            }
            if t.first_ts.is_none_or(|first| p.ts < first) {
                t.first_ts = Some(p.ts);
            }
            if p.ts == Timestamp::MAX {
                weirds.push(Weird {
                    kind: WeirdKind::TimeClamped,
                    ts: p.ts,
                    packet: batch.first_number + i as u64,
                    flow_id: None,
                    detail: Detail::None,
                });
            }
            if let Some(step) = self.clock.observe(p.ts) {
                weirds.push(Weird {
                    kind: WeirdKind::ClockStep,
                    ts: p.ts,
                    packet: batch.first_number + i as u64,
                    flow_id: None,
                    detail: Detail::Text(format!("{:+.3} s", step as f64 / 1e9).into()),
                });
            }
        }
    }
}
