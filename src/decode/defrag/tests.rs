//! Are fragments put together in any order, bounded, and never lost?

use super::*;
use crate::decode::samples::{decode, ether, inner, ip4, ip6, raw, udp};

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
fn copies_of_what_is_complete_are_counted_and_begin_nothing() {
    let parts = split(&big(), 104, 5);
    for order in [[0, 0, 1, 1, 2, 2], [0, 1, 2, 0, 1, 2]] {
        let mut rig = Rig::new(&Config::default());
        for (i, part) in order.into_iter().enumerate() {
            rig.feed(&ether(0x0800, &parts[part]), i as i64 * 1_000);
        }
        rig.defrag.finish(&mut rig.out);
        let packets: u16 = rig.out.items.iter().map(|d| d.fragments).sum();
        assert_eq!((packets, rig.datagrams.len(), rig.kinds()), (6, 1, vec![]), "{order:?}");
        assert!(rig.out.items.iter().all(|d| (d.src_port, d.dst_port) == (7, 9)), "{order:?}");
        let bytes: u32 = rig.out.items.iter().map(|d| d.ip_bytes).sum();
        assert_eq!(bytes, 2 * (264 + 60));
        assert!(rig.out.items[1..].iter().all(|d| d.payload_captured == 0));
    }
    // Another datagram with the same number, and the same one much later.
    let mut rig = Rig::new(&Config::default());
    let other = split(&ip4(17, &udp(7, 9, &[9; 256])), 104, 5);
    parts.iter().chain(&other).for_each(|part| rig.feed(&ether(0x0800, part), 0));
    parts.iter().for_each(|part| rig.feed(&ether(0x0800, part), secs(1)));
    assert_eq!((rig.datagrams.len(), rig.kinds()), (3, vec![]));
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
    let mut p = raw(&frame[..60], 1);
    p.meta.original = frame.len() as u32;
    let mut out = Layers::default();
    rig.decoder.decode(&p, 0, &mut out);
    rig.defrag.push(&rig.decoder, &out.fragments[0], &frame[..60], &mut rig.out, &mut rig.datagrams);
    rig.feed(&ether(0x0800, &parts[2]), 0);
    let d = &rig.out.items[0];
    assert_eq!((d.payload_len, d.payload_captured, rig.datagrams[0].len()), (256, 104 - 8 + 26, 104 + 26));
}

#[test]
fn a_tiny_first_fragment_is_weird() {
    let tiny = split(&ip4(6, &[0; 40]), 8, 1);
    assert_eq!(decode(&ether(0x0800, &tiny[0])).weirds.last().unwrap().kind, WeirdKind::FragmentTiny);
    assert!(decode(&ether(0x0800, &inner())).fragments.is_empty());
}
