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
        // All but the last carry multiples of eight bytes; like Linux, take of others what is one.
        let ragged = fragment.more && head.payload_len % 8 != 0;
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

#[cfg(test)]
mod tests {
    use super::super::samples::{decode, ether, inner, ip4, ip6, udp};
    use super::*;

    /// The fragments of an IPv4 packet, `size` bytes of payload each.
    fn split(packet: &[u8], size: usize, id: u16) -> Vec<Vec<u8>> {
        let (header, payload) = packet.split_at(20);
        let count = payload.len().div_ceil(size);
        let pieces = payload.chunks(size).enumerate();
        pieces
            .map(|(i, piece)| {
                let mut f = ip4(header[9], piece);
                let more = u16::from(i + 1 < count) << 13;
                f[4..6].copy_from_slice(&id.to_be_bytes());
                f[6..8].copy_from_slice(&(more | (i * size / 8) as u16).to_be_bytes());
                f[12..20].copy_from_slice(&header[12..20]);
                f
            })
            .collect()
    }

    struct Rig {
        decoder: Decoder,
        defrag: Defragmenter,
        out: Layers,
        datagrams: Vec<Vec<u8>>,
    }

    impl Rig {
        fn new(config: &Config) -> Self {
            Self {
                decoder: Decoder::new(config),
                defrag: Defragmenter::new(config),
                out: Layers::default(),
                datagrams: Vec::new(),
            }
        }

        fn feed(&mut self, frame: &[u8], ts: i64) {
            for mut f in decode(frame).fragments {
                f.head.ts = Timestamp(ts);
                self.defrag.push(&self.decoder, &f, frame, &mut self.out, &mut self.datagrams);
            }
        }

        fn kinds(&self) -> Vec<WeirdKind> {
            let known = |k: &WeirdKind| !matches!(k, WeirdKind::BadIpChecksum | WeirdKind::BadUdpChecksum);
            self.out.weirds.iter().map(|w| w.kind).filter(known).collect()
        }
    }

    fn big() -> Vec<u8> {
        ip4(17, &udp(7, 9, &(0..=255).collect::<Vec<u8>>()))
    }

    #[test]
    fn any_order_gives_the_same_datagram() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let mut rig = Rig::new(&Config::default());
            let parts = split(&big(), 104, 5);
            for i in order {
                rig.feed(&ether(0x0800, &parts[i]), 0);
            }
            let [d] = &rig.out.items[..] else { panic!("{order:?}: {:?}", rig.out) };
            assert_eq!((d.src_port, d.dst_port, d.payload_len, d.fragments), (7, 9, 256, 3));
            assert_eq!((d.ip_bytes, d.payload_at, d.payload_start), (264 + 60, PayloadAt::Reassembled(0), 8));
            assert_eq!(rig.datagrams[0], big()[20..]);
            assert_eq!((rig.defrag.load(), rig.kinds()), ((0, 0), vec![]));
        }
    }

    #[test]
    fn a_timeout_counts_what_came() {
        let mut rig = Rig::new(&Config::default());
        let parts = split(&big(), 104, 5);
        rig.feed(&ether(0x0800, &parts[0]), 0);
        rig.feed(&ether(0x0800, &parts[2]), 1);
        rig.defrag.advance(Timestamp(secs(30) - 1), &mut rig.out);
        assert!(rig.out.items.is_empty());
        rig.defrag.advance(Timestamp(secs(30)), &mut rig.out);
        let [d] = &rig.out.items[..] else { panic!("{:?}", rig.out) };
        assert_eq!((d.src_port, d.dst_port, d.fragments, d.payload_captured), (7, 9, 2, 0));
        assert_eq!((d.payload_len, d.ip_bytes), (104 + 56 - 8, 104 + 56 + 40));
        assert_eq!((rig.kinds(), rig.defrag.load()), (vec![WeirdKind::FragmentTimeout], (0, 0)));
    }

    #[test]
    fn without_the_first_fragment_there_are_no_ports() {
        let mut rig = Rig::new(&Config::default());
        rig.feed(&ether(0x0800, &split(&big(), 104, 5)[1]), 0);
        rig.defrag.finish(&mut rig.out);
        let d = &rig.out.items[0];
        assert_eq!((d.has_transport, d.src_port, d.protocol, d.payload_len), (false, 0, 17, 104));
    }

    #[test]
    fn first_bytes_stay_and_others_are_weird() {
        let mut rig = Rig::new(&Config::default());
        let parts = split(&big(), 104, 5);
        let mut other = parts[0].clone();
        other[60] ^= 0xff;
        for part in [&parts[0], &parts[0], &other, &parts[1], &parts[2]] {
            rig.feed(&ether(0x0800, part), 0);
        }
        assert_eq!(rig.kinds(), [WeirdKind::FragmentOverlap]);
        assert_eq!(rig.datagrams[0], big()[20..]);
        assert_eq!(rig.out.items[0].fragments, 5);
    }

    #[test]
    fn fragments_that_contradict_each_other_are_weird() {
        let mut rig = Rig::new(&Config::default());
        let parts = split(&big(), 104, 5);
        let shorter = split(&ip4(17, &big()[20..200]), 104, 5).remove(1);
        let mut far = parts[1].clone();
        far[6..8].copy_from_slice(&0x1fff_u16.to_be_bytes());
        for part in [&parts[2], &shorter, &far] {
            rig.feed(&ether(0x0800, part), 0);
        }
        assert_eq!(rig.kinds(), [WeirdKind::FragmentInconsistent, WeirdKind::FragmentTooLarge]);
        rig.defrag.finish(&mut rig.out);
        assert_eq!(rig.out.items[0].fragments, 3);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let mut rig = Rig::new(&Config { fragment_memory_mib: 1, ..Config::default() });
        for id in 0..3_000 {
            rig.feed(&ether(0x0800, &split(&big(), 104, id)[0]), i64::from(id));
        }
        assert!(rig.defrag.load().1 <= 1 << 20);
        assert!(rig.kinds().iter().all(|k| *k == WeirdKind::FragmentEvicted));
        assert_eq!(rig.out.items[0].ts, Timestamp(0));
        rig.defrag.finish(&mut rig.out);
        assert_eq!(rig.out.items.len(), 3_000, "none is lost");
    }

    #[test]
    fn tunnels_inside_are_followed_and_put_together_again() {
        // Inner fragments in GRE, whose packets are fragmented, too.
        let mut rig = Rig::new(&Config::default());
        let mut id = 100;
        for part in split(&big(), 104, 5) {
            let outer = ip4(47, &[&[0, 0, 8, 0], &part[..]].concat());
            id += 1;
            for piece in split(&outer, 64, id) {
                rig.feed(&ether(0x0800, &piece), 0);
            }
        }
        let last = rig.out.items.last().unwrap();
        assert_eq!((last.src_port, last.level, last.fragments, last.payload_len), (7, 1, 3, 256));
        let PayloadAt::Reassembled(index) = last.payload_at else { panic!("{last:?}") };
        assert_eq!(rig.datagrams[index as usize], big()[20..]);
        let outer: Vec<_> = rig.out.items.iter().filter(|d| d.level == 0).map(|d| d.fragments).collect();
        assert_eq!(outer, [3 - 1, 3 - 1, 2]);
    }

    #[test]
    fn ipv6_fragments_and_atomic_ones() {
        let fragment = |offset: u16, more: u16, body: &[u8]| {
            let field = (offset | more).to_be_bytes();
            let header = [17, 0, field[0], field[1], 0, 0, 0, 9];
            ether(0x86dd, &ip6(44, &[&header, body].concat()))
        };
        let datagram = udp(7, 9, &[b'x'; 24]);
        let mut rig = Rig::new(&Config::default());
        rig.feed(&fragment(16, 0, &datagram[16..]), 0);
        rig.feed(&fragment(0, 1, &datagram[..16]), 0);
        assert_eq!((rig.out.items[0].src_port, rig.out.items[0].fragments, rig.kinds()), (7, 2, vec![]));
        let atomic = decode(&fragment(0, 0, &datagram));
        assert_eq!((atomic.items[0].src_port, atomic.fragments.len()), (7, 0));
    }

    #[test]
    fn a_snaplen_cuts_the_datagram_where_the_bytes_end() {
        let mut rig = Rig::new(&Config::default());
        let parts = split(&big(), 104, 5);
        let frame = ether(0x0800, &parts[1]);
        rig.feed(&ether(0x0800, &parts[0]), 0);
        let mut p = super::super::samples::raw(&frame[..60], 1);
        p.meta.original = frame.len() as u32;
        let mut out = Layers::default();
        rig.decoder.decode(&p, 0, &mut out);
        rig.defrag.push(&rig.decoder, &out.fragments[0], &frame[..60], &mut rig.out, &mut rig.datagrams);
        rig.feed(&ether(0x0800, &parts[2]), 0);
        let d = &rig.out.items[0];
        assert_eq!(
            (d.payload_len, d.payload_captured, rig.datagrams[0].len()),
            (256, 104 - 8 + 26, 104 + 26)
        );
    }

    #[test]
    fn a_tiny_first_fragment_is_weird() {
        let tiny = split(&ip4(6, &[0; 40]), 8, 1);
        assert_eq!(decode(&ether(0x0800, &tiny[0])).weirds.last().unwrap().kind, WeirdKind::FragmentTiny);
        assert!(decode(&ether(0x0800, &inner())).fragments.is_empty());
    }
}
