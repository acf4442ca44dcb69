//! What has come of one packet, and what does it hold?
//!
//! The pieces of a datagram in order, without overlap, each with the bytes that were captured of it. Complete, it is decoded
//! like any packet; given up, it still becomes a record that counts its fragments.

use super::super::walk::{Decoder, Net, Span, Stamp, Walk, n32};
use super::super::{Decoded, Layers, PayloadAt};
use super::Fragment;
use super::copies::Marks;
use crate::model::time::Timestamp;
use crate::model::weird::{Detail, Weird, WeirdKind};

/// Largest IP payload that fragments can make up, bytes (offset of 13 bits in units of 8, plus a fragment).
const MAX_DATAGRAM: u32 = 65_535;
/// What a waiting packet costs beside its bytes: key, records, places in two maps.
const ENTRY_COST: usize = 768;
/// What a piece costs beside its bytes.
const PIECE_COST: usize = 48;
/// What a fragment costs whose bytes are there already, bytes.
const MARK_COST: usize = 16;

/// A run of bytes of the datagram.
#[derive(Debug)]
struct Piece {
    start: u32,
    /// Bytes on the wire.
    len: u32,
    /// The captured ones, from `start` on.
    bytes: Vec<u8>,
}

impl Piece {
    fn end(&self) -> u32 {
        self.start.saturating_add(self.len)
    }
}

/// A packet that waits for more fragments.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) deadline: Timestamp,
    /// The fragment at offset 0.
    first: Option<Fragment>,
    latest: Fragment,
    /// In order, without overlap.
    pieces: Vec<Piece>,
    /// Bytes that the pieces cover.
    pub(super) covered: u32,
    /// Length of the datagram, once its last fragment is known.
    pub(super) total: Option<u32>,
    packets: u16,
    ip_bytes: u32,
    payload: u32,
    pub(super) cost: usize,
    /// Oddities already told of this packet, so that each is told once.
    told: u8,
    pub(super) marks: Marks,
}

impl Waiting {
    pub(super) fn new(number: u64, timeout: i64, fragment: &Fragment) -> Self {
        Self {
            number,
            deadline: fragment.head.ts.plus(timeout),
            first: None,
            latest: fragment.clone(),
            pieces: Vec::new(),
            covered: 0,
            total: None,
            packets: 0,
            ip_bytes: 0,
            payload: 0,
            cost: ENTRY_COST,
            told: 0,
            marks: Marks::default(),
        }
    }

    pub(super) fn tell(&self, kind: WeirdKind, out: &mut Layers) {
        let head = &self.latest.head;
        let detail = Detail::Number(u64::from(self.latest.id));
        out.weirds.push(Weird { kind, ts: head.ts, packet: head.packet, flow_id: None, detail });
    }

    fn tell_once(&mut self, bit: u8, kind: WeirdKind, out: &mut Layers) {
        if self.told & bit == 0 {
            self.told |= bit;
            self.tell(kind, out);
        }
    }

    pub(super) fn add(&mut self, fragment: &Fragment, packet: &[u8], out: &mut Layers) {
        let head = &fragment.head;
        self.latest = fragment.clone();
        self.packets = self.packets.saturating_add(1);
        self.marks.add(fragment, packet);
        self.cost += MARK_COST;
        self.ip_bytes = self.ip_bytes.saturating_add(head.ip_bytes);
        self.payload = self.payload.saturating_add(head.payload_len);
        // All but the last carry multiples of eight bytes; like Linux, take of others what is one.
        let ragged = fragment.more && !head.payload_len.is_multiple_of(8);
        let len = if ragged { head.payload_len & !7 } else { head.payload_len };
        let end = fragment.offset.saturating_add(len);
        if end > MAX_DATAGRAM {
            return self.tell_once(1, WeirdKind::FragmentTooLarge, out);
        }
        // There is one end, and nothing lies beyond it.
        let beyond = self.total.is_some_and(|total| end > total || (!fragment.more && end != total));
        let before = !fragment.more && self.pieces.last().is_some_and(|p| p.end() > end);
        if ragged || beyond || before {
            self.tell_once(2, WeirdKind::FragmentInconsistent, out);
        }
        if beyond || before {
            return;
        }
        if !fragment.more {
            self.total = Some(end);
        }
        if fragment.offset == 0 && self.first.is_none() {
            self.first = Some(fragment.clone());
        }
        let start = head.payload_start as usize;
        let bytes = packet.get(start..start.saturating_add(head.payload_captured as usize)).unwrap_or(&[]);
        if self.insert(fragment.offset, end, bytes) {
            self.tell_once(4, WeirdKind::FragmentOverlap, out);
        }
    }

    /// Fill the gaps that `start..end` covers with `bytes`; true when bytes already there differ.
    fn insert(&mut self, start: u32, end: u32, bytes: &[u8]) -> bool {
        // The captured bytes of a part of the fragment.
        let part = |from: u32, to: u32| {
            let from = ((from - start) as usize).min(bytes.len());
            let to = ((to - start) as usize).min(bytes.len());
            bytes.get(from..to).unwrap_or(&[])
        };
        let mut differ = false;
        let mut at = start;
        let mut index = self.pieces.partition_point(|p| p.end() <= start);
        while at < end {
            let next = self.pieces.get(index).map_or(end, |p| p.start.clamp(at, end));
            if next > at {
                let piece = Piece { start: at, len: next - at, bytes: part(at, next).to_vec() };
                self.covered += piece.len;
                self.cost += PIECE_COST + piece.bytes.len();
                self.pieces.insert(index, piece);
                index += 1;
                at = next;
                continue;
            }
            let Some(piece) = self.pieces.get(index) else { break };
            let common_end = piece.end().min(end);
            let have = piece.bytes.get((at - piece.start) as usize..).unwrap_or(&[]);
            differ |= have.iter().zip(part(at, common_end)).any(|(a, b)| a != b);
            at = common_end;
            index += 1;
        }
        differ
    }

    /// The datagram up to the first byte that was not captured.
    fn assemble(&self) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(self.covered as usize);
        let mut expected = 0;
        for piece in &self.pieces {
            if piece.start != expected {
                break;
            }
            datagram.extend_from_slice(&piece.bytes);
            if piece.bytes.len() < piece.len as usize {
                break;
            }
            expected = piece.end();
        }
        datagram
    }

    /// Facts of the first fragment, place of the latest one.
    fn head(&self) -> &Fragment {
        self.first.as_ref().unwrap_or(&self.latest)
    }

    fn stamp(&self) -> Stamp {
        let d = &self.latest.head;
        Stamp { ts: d.ts, packet: d.packet, file_offset: d.file_offset, index: d.index, file_no: d.file_no }
    }

    /// All is there: decode what it holds.
    pub(super) fn complete(&self, decoder: &Decoder, out: &mut Layers, datagrams: &mut Vec<Vec<u8>>) {
        let datagram = self.assemble();
        let at = PayloadAt::Reassembled(n32(datagrams.len()));
        let wire = self.total.unwrap_or(0) as usize;
        self.resume(decoder, &datagram, wire, at, out);
        datagrams.push(datagram);
    }

    fn resume(&self, decoder: &Decoder, datagram: &[u8], wire: usize, at: PayloadAt, out: &mut Layers) {
        let first = self.head();
        let d = &first.head;
        let mut walk = Walk::new(decoder, datagram, self.stamp(), at, out);
        (walk.src_mac, walk.dst_mac) = (d.src_mac, d.dst_mac);
        (walk.vlan, walk.inner_vlan) = (d.vlan, d.inner_vlan);
        walk.tunnel.clone_from(&d.tunnel);
        (walk.level, walk.headers) = (d.level, first.headers);
        let net = Net {
            src: d.src,
            dst: d.dst,
            protocol: d.protocol,
            version: d.ip_version,
            ttl: d.ttl,
            ip_bytes: self.ip_bytes,
            fragments: self.packets,
            sums: true,
            final_dst: first.final_dst,
        };
        walk.upper(net, Span { at: 0, end: datagram.len(), wire: wire.max(datagram.len()) });
    }

    /// A record that only counts: ports when the first fragment is there, no payload to look at.
    pub(super) fn counted(&self, decoder: &Decoder) -> Decoded {
        let mut item = self.head().head.clone();
        let stamp = self.stamp();
        if self.first.is_some() {
            // Decoded apart, because what is incomplete must not be taken for a tunnel or a message.
            let mut apart = Layers::default();
            let prefix = self.assemble();
            self.resume(decoder, &prefix, prefix.len() + 1, PayloadAt::Packet, &mut apart);
            if let Some(outermost) = apart.items.into_iter().next() {
                item = outermost;
            }
        }
        let header = if item.has_transport { item.payload_start } else { 0 };
        (item.ts, item.packet, item.file_offset) = (stamp.ts, stamp.packet, stamp.file_offset);
        (item.index, item.file_no) = (stamp.index, stamp.file_no);
        (item.payload_at, item.payload_start, item.payload_captured) = (PayloadAt::Packet, 0, 0);
        item.payload_len = self.payload.saturating_sub(header);
        (item.fragments, item.ip_bytes) = (self.packets, self.ip_bytes);
        item
    }
}
