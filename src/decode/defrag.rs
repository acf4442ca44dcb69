//! Which fragments make up one packet?
//!
//! IPv4 (RFC 791) and IPv6 (RFC 8200 section 4.5) reassembly, at any tunnel level, one fragment after another in packet
//! order. Bytes that came first stay, as Zeek does it; other bytes for the same place are a weird. What is not complete
//! within the timeout (packet time) is given up but still counted: no packet is lost from the flows. Costs are bounded by the
//! bytes that really arrived, so a fragment with a large offset reserves nothing.

use super::walk::{Decoder, Net, Span, Stamp, Walk, n32};
use super::{Config, Decoded, Layers, PayloadAt, TunnelPath};
use crate::model::addr::Ip;
use crate::model::time::{Timestamp, secs};
use crate::model::weird::{Detail, Weird, WeirdKind};
use std::collections::{BTreeMap, HashMap};

/// Largest IP payload that fragments can make up, bytes (offset of 13 bits in units of 8, plus a fragment).
const MAX_DATAGRAM: u32 = 65_535;
/// What a waiting packet costs beside its bytes: key, records, places in two maps.
const ENTRY_COST: usize = 768;
/// What a piece costs beside its bytes.
const PIECE_COST: usize = 48;
/// Fragments inside reassembled packets are put together in turn; levels end that, this is the second lock.
const MAX_NESTED: usize = 64;

/// A fragment as the decoder found it.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// Addresses, times, link facts; its payload fields say where the fragment's bytes lie. Its protocol is the one
    /// the fragment header announces, which in IPv6 may be another extension header.
    pub head: Decoded,
    /// Receiver for checksums: differs from the header's behind an IPv6 routing header.
    pub(super) final_dst: Ip,
    /// Identification.
    pub id: u32,
    /// Where its bytes belong, in bytes.
    pub offset: u32,
    /// Do more follow?
    pub more: bool,
    /// Nested headers passed on the way.
    pub(super) headers: u8,
}

/// Fragments with equal keys belong together. The VLAN is not part of it, as it is not part of a flow.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    src: Ip,
    dst: Ip,
    id: u32,
    /// IPv4 only; in IPv6 later fragments need not repeat it.
    protocol: u8,
    version: u8,
    tunnel: TunnelPath,
}

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
struct Waiting {
    number: u64,
    deadline: Timestamp,
    /// The fragment at offset 0.
    first: Option<Fragment>,
    latest: Fragment,
    /// In order, without overlap.
    pieces: Vec<Piece>,
    /// Bytes that the pieces cover.
    covered: u32,
    /// Length of the datagram, once its last fragment is known.
    total: Option<u32>,
    packets: u16,
    ip_bytes: u32,
    payload: u32,
    cost: usize,
    /// Oddities already told of this packet, so that each is told once.
    told: u8,
}

/// Puts fragments together. One for a capture; not shared.
#[derive(Debug)]
pub struct Defragmenter {
    /// Decodes first fragments of packets that are given up.
    counting: Decoder,
    timeout: i64,
    cap: usize,
    used: usize,
    next_number: u64,
    waiting: HashMap<Key, Waiting>,
    /// In order of arrival, which is the order of giving up.
    by_age: BTreeMap<u64, Key>,
}

impl Defragmenter {
    /// Nothing waits yet.
    pub fn new(config: &Config) -> Self {
        Self {
            counting: Decoder::new(config),
            timeout: secs(config.fragment_timeout_s),
            cap: (config.fragment_memory_mib as usize).saturating_mul(1 << 20),
            used: 0,
            next_number: 0,
            waiting: HashMap::new(),
            by_age: BTreeMap::new(),
        }
    }

    /// Packets that wait for fragments, and the memory they take in bytes.
    pub fn load(&self) -> (usize, usize) {
        (self.waiting.len(), self.used)
    }

    /// Take the next fragment. `packet` are the captured bytes of its packet. When it completes a datagram, that is
    /// appended to `datagrams` and what it holds to `out`, whose records point to it by its index there.
    pub fn push(
        &mut self,
        decoder: &Decoder,
        fragment: &Fragment,
        packet: &[u8],
        out: &mut Layers,
        datagrams: &mut Vec<Vec<u8>>,
    ) {
        let done = out.fragments.len();
        self.take(decoder, fragment, packet, out, datagrams);
        // Tunnels inside may have been fragmented, too.
        for _ in 0..MAX_NESTED {
            if out.fragments.len() <= done {
                return;
            }
            let inner = out.fragments.remove(done);
            let PayloadAt::Reassembled(index) = inner.head.payload_at else { continue };
            let bytes = datagrams.get_mut(index as usize).map(std::mem::take).unwrap_or_default();
            self.take(decoder, &inner, &bytes, out, datagrams);
            if let Some(place) = datagrams.get_mut(index as usize) {
                *place = bytes;
            }
        }
        out.fragments.truncate(done);
    }

    fn take(
        &mut self,
        decoder: &Decoder,
        fragment: &Fragment,
        packet: &[u8],
        out: &mut Layers,
        datagrams: &mut Vec<Vec<u8>>,
    ) {
        let key = Key {
            src: fragment.head.src,
            dst: fragment.head.dst,
            id: fragment.id,
            protocol: if fragment.head.ip_version == 4 { fragment.head.protocol } else { 0 },
            version: fragment.head.ip_version,
            tunnel: fragment.head.tunnel.clone(),
        };
        if self.waiting.get(&key).is_some_and(|w| w.deadline <= fragment.head.ts) {
            self.give_up(&key, WeirdKind::FragmentTimeout, out);
        }
        let (number, timeout) = (self.next_number, self.timeout);
        let entry =
            self.waiting.entry(key.clone()).or_insert_with(|| Waiting::new(number, timeout, fragment));
        if entry.number == number {
            self.next_number += 1;
            self.by_age.insert(number, key.clone());
            self.used += entry.cost;
        }
        let before = entry.cost;
        entry.add(fragment, packet, out);
        self.used += entry.cost - before;
        if entry.total == Some(entry.covered) {
            self.by_age.remove(&entry.number);
            if let Some(whole) = self.waiting.remove(&key) {
                self.used = self.used.saturating_sub(whole.cost);
                whole.complete(decoder, out, datagrams);
            }
            return;
        }
        while self.used > self.cap {
            let Some((_, oldest)) = self.by_age.first_key_value() else { break };
            let oldest = oldest.clone();
            self.give_up(&oldest, WeirdKind::FragmentEvicted, out);
        }
    }

    /// Packet time is `now`: give up what has waited too long. Its packets become records without payload.
    pub fn advance(&mut self, now: Timestamp, out: &mut Layers) {
        while let Some((_, key)) = self.by_age.first_key_value() {
            if self.waiting.get(key).is_some_and(|w| w.deadline > now) {
                return;
            }
            let key = key.clone();
            self.give_up(&key, WeirdKind::FragmentTimeout, out);
        }
    }

    /// The capture ended: give up all that waits.
    pub fn finish(&mut self, out: &mut Layers) {
        self.advance(Timestamp::MAX, out);
    }

    fn give_up(&mut self, key: &Key, why: WeirdKind, out: &mut Layers) {
        let Some(waiting) = self.waiting.remove(key) else { return };
        self.by_age.remove(&waiting.number);
        self.used = self.used.saturating_sub(waiting.cost);
        waiting.tell(why, out);
        out.items.push(waiting.counted(&self.counting));
    }
}

impl Waiting {
    fn new(number: u64, timeout: i64, fragment: &Fragment) -> Self {
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
        }
    }

    fn tell(&self, kind: WeirdKind, out: &mut Layers) {
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

    fn add(&mut self, fragment: &Fragment, packet: &[u8], out: &mut Layers) {
        let head = &fragment.head;
        self.latest = fragment.clone();
        self.packets = self.packets.saturating_add(1);
        self.ip_bytes = self.ip_bytes.saturating_add(head.ip_bytes);
        self.payload = self.payload.saturating_add(head.payload_len);
        let end = fragment.offset.saturating_add(head.payload_len);
        if end > MAX_DATAGRAM {
            return self.tell_once(1, WeirdKind::FragmentTooLarge, out);
        }
        // All but the last carry multiples of eight bytes; nothing lies beyond the end; there is one end.
        let beyond = self.total.is_some_and(|total| end > total || (!fragment.more && end != total));
        let short_of_known = !fragment.more && self.pieces.last().is_some_and(|p| p.end() > end);
        if beyond || short_of_known || (fragment.more && head.payload_len % 8 != 0) {
            return self.tell_once(2, WeirdKind::FragmentInconsistent, out);
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
    fn complete(&self, decoder: &Decoder, out: &mut Layers, datagrams: &mut Vec<Vec<u8>>) {
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
    fn counted(&self, decoder: &Decoder) -> Decoded {
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
