//! Do the decoder's answers hold for packets built by hand, cut anywhere and flipped anywhere?
//!
//! Builders of packets for the tests of this floor, the comparison with etherparse, and the tests that no bytes can
//! break: every prefix and every flipped bit of every sample, under every link type.

use super::walk::Decoder;
use super::{Config, Decoded, Defragmenter, Layers, PayloadAt, Role};
use crate::model::addr::Ip;
use crate::model::packet::{LinkType, PacketRef, RawPacket};
use crate::model::time::Timestamp;
use crate::model::weird::WeirdKind;
use etherparse::{LaxSlicedPacket, PacketBuilder, TransportSlice};

/// Sender and receiver of the samples.
pub(super) const A: [u8; 4] = [10, 0, 0, 1];
pub(super) const B: [u8; 4] = [10, 0, 0, 2];

pub(super) fn raw(data: &[u8], link: u16) -> RawPacket<'_> {
    let n = data.len() as u32;
    let meta = PacketRef { captured: n, original: n, link: LinkType(link), ..PacketRef::default() };
    RawPacket { number: 1, meta, data }
}

pub(super) fn decode_as(data: &[u8], link: u16) -> Layers {
    let mut out = Layers::default();
    Decoder::new(&Config::default()).decode(&raw(data, link), 0, &mut out);
    out
}

pub(super) fn decode(data: &[u8]) -> Layers {
    decode_as(data, 1)
}

/// An IPv4 packet with a right header checksum.
pub(super) fn ip4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let header = etherparse::Ipv4Header::new(payload.len() as u16, 64, protocol.into(), A, B).unwrap();
    let mut out = Vec::new();
    header.write(&mut out).unwrap();
    out.extend_from_slice(payload);
    out
}

/// An IPv6 packet between fe80::1 and fe80::2.
pub(super) fn ip6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    out.extend_from_slice(&[next, 64]);
    for last in [1, 2] {
        out.extend_from_slice(&[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    out.extend_from_slice(payload);
    out
}

/// An Ethernet frame.
pub(super) fn ether(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    out.extend_from_slice(&ether_type.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// A UDP datagram without checksum.
pub(super) fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in [src, dst, payload.len() as u16 + 8, 0] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    out.extend_from_slice(payload);
    out
}

/// An IPv4 UDP packet from port 5353 to 53 with three bytes: what tunnels carry here.
pub(super) fn inner() -> Vec<u8> {
    ip4(17, &udp(5353, 53, b"abc"))
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The same with a chosen sequence of optional GRE words.
fn gre(flags: u16, protocol: u16, words: &[u8], payload: &[u8]) -> Vec<u8> {
    ip4(47, &join(&[&flags.to_be_bytes(), &protocol.to_be_bytes(), words, payload]))
}

/// Frames that end in [`inner`], with the tunnel path that must be found.
fn tunnels() -> Vec<(&'static str, Vec<u8>)> {
    let frame = ether(0x0800, &inner());
    let over_udp =
        |port, header: &[u8], payload: &[u8]| ip4(17, &udp(40_000, port, &join(&[header, payload])));
    let len = inner().len() as u16;
    let teredo = ip6(17, &udp(5353, 53, b"abc"));
    let ipv4 = vec![
        ("ipip", ip4(4, &inner())),
        ("gre", gre(0, 0x0800, &[], &inner())),
        ("gre", gre(0xb000, 0x0800, &[0; 12], &inner())),
        (
            "gre",
            gre(
                0x3081,
                0x880b,
                &[0, 9, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2],
                &join(&[&[0xff, 3, 0, 0x21], &inner()]),
            ),
        ),
        ("nvgre:66051", gre(0x2000, 0x6558, &[1, 2, 3, 9], &frame)),
        ("erspan:0", gre(0, 0x88be, &[], &frame)),
        ("erspan:5", gre(0x1000, 0x88be, &[0, 0, 0, 1, 0x10, 0, 0, 5, 0, 0, 0, 0], &frame)),
        ("erspan:7", gre(0x1000, 0x22eb, &[0, 0, 0, 1, 0x20, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0], &frame)),
        ("etherip", ip4(97, &join(&[&[0x30, 0], &frame]))),
        ("mpls", ip4(137, &join(&[&[0, 1, 1, 64], &inner()]))),
        ("l2tp", ip4(115, &join(&[&[0, 0, 0, 9, 1, 2, 3, 4], &frame]))),
        ("vxlan:42", over_udp(4789, &[8, 0, 0, 0, 0, 0, 42, 0], &frame)),
        ("vxlan:42", over_udp(4790, &[0x0c, 0, 0, 1, 0, 0, 42, 0], &inner())),
        ("geneve:42", over_udp(6081, &[1, 0, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 3, 4], &frame)),
        ("gtpu", over_udp(2152, &[0x30, 255, 0, len as u8, 0, 0, 0, 1], &inner())),
        (
            "gtpu",
            over_udp(33_333, &[0x34, 255, 0, len as u8 + 8, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 0, 0], &inner()),
        ),
        ("l2tp", over_udp(1701, &[0, 2, 0, 1, 0, 2], &join(&[&[0xff, 3, 0, 0x21], &inner()]))),
        ("ayiya", over_udp(5072, &join(&[&[0x41, 0x52, 1, 4, 0, 0, 0, 0], &[0; 36]]), &inner())),
        ("capwap", over_udp(5247, &[0, 0x10, 2, 0, 0, 0, 0, 0], &frame)),
        ("gre-udp", over_udp(4754, &[0, 0, 8, 0], &inner())),
        ("mpls-udp", over_udp(6635, &[0, 1, 1, 64], &inner())),
        ("ipip/gre", ip4(4, &gre(0, 0x0800, &[], &inner()))),
    ];
    let mut all: Vec<_> = ipv4.into_iter().map(|(path, packet)| (path, ether(0x0800, &packet))).collect();
    all.push(("4in6", ether(0x86dd, &ip6(4, &inner()))));
    all.push(("6in4", ether(0x0800, &ip4(41, &teredo))));
    all.push(("teredo", ether(0x0800, &over_udp(3544, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &teredo))));
    all
}

/// Link types with a packet of each.
fn links() -> Vec<(u16, Vec<u8>)> {
    let ip = inner();
    let snap = join(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &ip]);
    let wifi = |fc: [u8; 2], more: &[u8], body: &[u8]| {
        join(&[
            &fc,
            &[0, 0],
            &[2, 0, 0, 0, 0, 2],
            &[2, 0, 0, 0, 0, 1],
            &[2, 0, 0, 0, 0, 3],
            &[0, 0],
            more,
            body,
        ])
    };
    let subframe = join(&[&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0, snap.len() as u8], &snap]);
    let pppoe = join(&[&[0x11, 0, 0, 9, 0, ip.len() as u8 + 2, 0, 0x21], &ip]);
    vec![
        (0, join(&[&[2, 0, 0, 0], &ip])),
        (0, join(&[&[0, 0, 0, 2], &ip])),
        (1, ether(0x0800, &ip)),
        (1, ether(snap.len() as u16, &snap)),
        (1, ether(0x8100, &join(&[&[0, 5, 8, 0], &ip]))),
        (1, ether(0x88a8, &join(&[&[0, 5, 0x81, 0, 0, 6, 0x81, 0, 0, 7, 8, 0], &ip]))),
        (1, ether(0x8847, &join(&[&[0, 1, 0, 64, 0, 1, 1, 64], &ip]))),
        (1, ether(0x8847, &join(&[&[0, 1, 1, 64, 0, 0, 0, 0], &ether(0x0800, &ip)]))),
        (1, ether(0x8847, &join(&[&[0, 1, 1, 64], &ether(0x0800, &ip)]))),
        (1, ether(0x8864, &pppoe)),
        (1, ether(0x88e7, &join(&[&[0, 0, 0, 1], &ether(0x0800, &ip)]))),
        (1, ether(0x8903, &join(&[&[0, 0], &ether(0x0800, &ip)]))),
        (1, ether(0x8926, &join(&[&[0, 0, 0, 0, 8, 0], &ip]))),
        (1, ether(0x88e5, &join(&[&[0, 0, 0, 0, 0, 1, 8, 0], &ip]))),
        (6, join(&[&[0x10, 0x40, 2, 0, 0, 0, 0, 2, 0x82, 0, 0, 0, 0, 1, 2, 0], &snap])),
        (8, join(&[&[0; 16], &ip])),
        (9, join(&[&[0xff, 3, 0, 0x21], &ip])),
        (9, join(&[&[0x21], &ip])),
        (50, join(&[&[0x0f, 0, 8, 0], &ip])),
        (10, join(&[&[0x50, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], &snap])),
        (51, pppoe),
        (101, ip.clone()),
        (105, wifi([0x08, 1], &[], &snap)),
        (105, wifi([0x88, 1], &[0, 0], &snap)),
        (105, wifi([0x08, 3], &[2, 0, 0, 0, 0, 4], &snap)),
        (105, wifi([0x88, 1], &[0x80, 0], &subframe)),
        (107, join(&[&[0x18, 0x61, 3, 0xcc], &ip])),
        (108, join(&[&[0, 0, 0, 2], &ip])),
        (113, join(&[&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0], &ip])),
        (119, join(&[&[0x44, 0, 0, 0, 8, 0, 0, 0], &wifi([0x08, 1], &[], &snap)])),
        (127, join(&[&[0, 0, 9, 0, 2, 0, 0, 0, 0x10], &wifi([0x08, 1], &[], &snap), &[0; 4]])),
        (129, join(&[&[1, 2, 0, 0, 212, 0, 0, 1], &ip])),
        (192, join(&[&[0, 0, 8, 0, 105, 0, 0, 0], &wifi([0x08, 1], &[], &snap)])),
        (219, join(&[&[0, 1, 1, 64], &ip])),
        (226, join(&[&[1, 2], &[0; 22], &ip])),
        (228, ip.clone()),
        (239, join(&[&[2, 0, 0, 0, 5, 0, 10, 0, 0, 0, 0, 0, ip.len() as u8 + 4, 0, 9, 0], &ip])),
        (242, join(&[&[0; 40], &[8, 0, 0, 0], &ip])),
        (258, join(&[&[12, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0], &ether(0x0800, &ip)])),
        (276, join(&[&[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], &ip])),
        (284, join(&[&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0xe0, 0, 0, 5, 8, 0], &ip])),
        (285, join(&[&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0xda, 0xda, 0, 0, 0xc0, 0, 0, 5, 8, 0], &ip])),
    ]
}

fn is_inner(d: &Decoded) -> bool {
    (d.src_port, d.dst_port, d.payload_len, d.payload_captured) == (5353, 53, 3, 3)
}

#[test]
fn every_link_type_leads_to_ip() {
    for (link, packet) in links() {
        let out = decode_as(&packet, link);
        let [d] = &out.items[..] else { panic!("link type {link}: {out:?}") };
        assert!(is_inner(d) && d.level == 0 && d.tunnel.is_none(), "link type {link}: {d:?}");
        assert!(out.weirds.is_empty() && out.not_ip == 0, "link type {link}: {:?}", out.weirds);
        let start = d.payload_start as usize;
        assert_eq!(packet.get(start..start + 3), Some(&b"abc"[..]), "link type {link}");
    }
}

#[test]
fn every_tunnel_is_followed_and_named() {
    for (path, packet) in tunnels() {
        let out = decode(&packet);
        let (Some(first), Some(last)) = (out.items.first(), out.items.last()) else {
            panic!("{path}: {out:?}")
        };
        assert!(is_inner(last), "{path}: {out:?}");
        assert_eq!(last.tunnel.as_deref(), Some(path));
        assert_eq!((first.level, first.tunnel.is_none(), first.vlan), (0, true, super::NO_VLAN), "{path}");
        assert_eq!(usize::from(last.level), path.split('/').count(), "{path}");
        // A UDP packet of IPv6 without checksum is the only oddity among them.
        assert!(out.weirds.iter().all(|w| w.kind == WeirdKind::BadUdpChecksum), "{path}: {:?}", out.weirds);
    }
}

#[test]
fn a_tunnel_port_alone_makes_no_tunnel() {
    for port in [1701, 2152, 3544, 4754, 4789, 4790, 5072, 5247, 6081, 6635, 8472] {
        for payload in [&b"GET / HTTP/1.1"[..], &[0; 64], &[0xff; 64], &[], &[8], &[0x45; 40], &[0x60; 60]] {
            let out = decode(&ether(0x0800, &ip4(17, &udp(4000, port, payload))));
            assert_eq!((out.items.len(), out.weirds.len()), (1, 0), "{port} {payload:?}: {out:?}");
            assert_eq!(out.items[0].payload_len as usize, payload.len());
        }
    }
}

#[test]
fn no_prefix_and_no_flipped_bit_breaks_it() {
    let decoder = Decoder::new(&Config::default());
    let mut fragments = Defragmenter::new(&Config::default());
    let mut out = Layers::default();
    let mut datagrams = Vec::new();
    let mut all = links();
    all.extend(tunnels().into_iter().map(|(_, packet)| (1, packet)));
    for (link, packet) in all {
        let mut feed = |data: &[u8], original: u32| {
            let mut p = raw(data, link);
            p.meta.original = original;
            decoder.decode(&p, 0, &mut out);
            for f in std::mem::take(&mut out.fragments) {
                fragments.push(&decoder, &f, data, &mut out, &mut datagrams);
            }
            for d in &out.items {
                let len = match d.payload_at {
                    PayloadAt::Packet => data.len(),
                    PayloadAt::Reassembled(i) => datagrams[i as usize].len(),
                };
                let end = d.payload_start as usize + d.payload_captured as usize;
                assert!(d.payload_captured == 0 || end <= len, "{d:?}");
                assert!(d.payload_captured <= d.payload_len && d.level < 4, "{d:?}");
            }
            out.clear();
            datagrams.clear();
        };
        for n in 0..packet.len() {
            feed(&packet[..n], n as u32);
            feed(&packet[..n], packet.len() as u32);
        }
        let mut flipped = packet.clone();
        for i in 0..packet.len() * 8 {
            flipped[i / 8] ^= 1 << (i % 8);
            feed(&flipped, packet.len() as u32);
            flipped[i / 8] ^= 1 << (i % 8);
        }
    }
    fragments.finish(&mut out);
    assert_eq!(fragments.load(), (0, 0));
}

#[test]
fn a_packet_cut_by_the_snaplen_is_not_odd() {
    for (_, packet) in tunnels() {
        for n in 0..packet.len() {
            let mut p = raw(&packet[..n], 1);
            p.meta.original = packet.len() as u32;
            let mut out = Layers::default();
            Decoder::new(&Config::default()).decode(&p, 0, &mut out);
            assert!(out.weirds.iter().all(|w| w.kind == WeirdKind::BadUdpChecksum), "{n}: {:?}", out.weirds);
        }
    }
}

/// What etherparse's lax slicing says of a frame, for the comparison.
fn theirs(frame: &[u8]) -> Option<(Ip, Ip, u16, u16, usize)> {
    let sliced = LaxSlicedPacket::from_ethernet(frame).ok()?;
    let (src, dst) = match sliced.net? {
        etherparse::LaxNetSlice::Ipv4(ip) => {
            (Ip::v4(ip.header().source()), Ip::v4(ip.header().destination()))
        }
        etherparse::LaxNetSlice::Ipv6(ip) => {
            (Ip::v6(ip.header().source()), Ip::v6(ip.header().destination()))
        }
        etherparse::LaxNetSlice::Arp(_) => return None,
    };
    match sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            Some((src, dst, tcp.source_port(), tcp.destination_port(), tcp.payload().len()))
        }
        Some(TransportSlice::Udp(udp)) => {
            Some((src, dst, udp.source_port(), udp.destination_port(), udp.payload().len()))
        }
        _ => Some((src, dst, 0, 0, usize::MAX)),
    }
}

#[test]
fn agrees_with_etherparse_on_every_prefix() {
    let data: Vec<u8> = (0..=255).collect();
    let link = || PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let v6 = ([0xfd; 16], [0xfc; 16]);
    let options =
        [etherparse::TcpOptionElement::MaximumSegmentSize(1460), etherparse::TcpOptionElement::Noop];
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for n in [0, 1, 17, 256] {
        let payload = &data[..n];
        let mut add = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut frame = Vec::new();
            write(&mut frame);
            frames.push(frame);
        };
        add(&|f| link().ipv4(A, B, 9).tcp(80, 4000, 7, 1024).syn().ack(5).write(f, payload).unwrap());
        add(&|f| {
            let tcp = link().ipv4(A, B, 9).tcp(80, 4000, 7, 1024).options(&options).unwrap();
            tcp.write(f, payload).unwrap();
        });
        add(&|f| link().ipv6(v6.0, v6.1, 9).tcp(80, 4000, 7, 1024).fin().write(f, payload).unwrap());
        add(&|f| link().ipv4(A, B, 9).udp(53, 4001).write(f, payload).unwrap());
        add(&|f| {
            let vlan = link().single_vlan(7.try_into().unwrap());
            vlan.ipv6(v6.0, v6.1, 9).udp(53, 4001).write(f, payload).unwrap();
        });
        add(&|f| {
            let vlans = link().double_vlan(7.try_into().unwrap(), 8.try_into().unwrap());
            vlans.ipv4(A, B, 9).udp(53, 4001).write(f, payload).unwrap();
        });
    }
    for frame in frames {
        let whole = decode(&frame);
        assert!(whole.weirds.is_empty() && whole.items.len() == 1, "their checksums hold here: {whole:?}");
        for n in 0..=frame.len() {
            let mut p = raw(&frame[..n], 1);
            p.meta.original = frame.len() as u32;
            let mut out = Layers::default();
            Decoder::new(&Config::default()).decode(&p, 0, &mut out);
            let Some(want) = theirs(&frame[..n]) else {
                assert!(out.items.is_empty(), "{n} of {frame:?}");
                continue;
            };
            let d = &out.items[0];
            assert_eq!((d.src, d.dst), (want.0, want.1));
            // They stop where a header with its options is cut; the fixed part is enough for us.
            if want.4 != usize::MAX {
                assert_eq!(
                    (d.src_port, d.dst_port, d.payload_captured as usize),
                    (want.2, want.3, want.4),
                    "{n}"
                );
                assert!(d.has_transport);
            }
        }
    }
}

#[test]
fn an_icmp_error_names_the_flow_it_is_about() {
    let quoted = &ip4(6, &[0x1f, 0x90, 0, 80, 0, 0, 0, 7])[..28];
    let mut message = join(&[&[3, 1, 0, 0, 0, 0, 0, 0], quoted]);
    let sum = etherparse::checksum::Sum16BitWords::new().add_slice(&message).ones_complement().to_ne_bytes();
    message[2..4].copy_from_slice(&sum);
    let out = decode(&ether(0x0800, &ip4(1, &message)));
    let [error, about] = &out.items[..] else { panic!("{out:?}") };
    assert_eq!((error.role, error.icmp, error.src_port, error.dst_port), (Role::Packet, (3, 1), 3, 1));
    assert_eq!((about.role, about.icmp, about.protocol), (Role::Quoted, (3, 1), 6));
    assert_eq!((about.src_port, about.dst_port, about.tcp.seq, about.ip_bytes), (8080, 80, 7, 0));
    assert!(out.weirds.is_empty(), "{:?}", out.weirds);
}

#[test]
fn arp_and_neighbour_messages_become_records() {
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1];
    arp.extend_from_slice(&[0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    let out = decode(&ether(0x0806, &arp));
    assert_eq!(
        (out.arps[0].operation, out.arps[0].sender_ip, out.arps[0].target_ip),
        (1, Ip::v4(A), Ip::v4(B))
    );
    let mut advertisement = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
    advertisement.extend_from_slice(&[0xfd; 16]);
    advertisement.extend_from_slice(&[2, 1, 2, 0, 0, 0, 0, 9]);
    let out = decode(&ether(0x86dd, &ip6(58, &advertisement)));
    assert_eq!((out.arps[0].operation, out.arps[0].sender_ip), (2, Ip::v6([0xfd; 16])));
    assert_eq!(out.arps[0].sender_mac.0, [2, 0, 0, 0, 0, 9]);
}

#[test]
fn lengths_that_lie_are_told_apart() {
    let kinds = |frame: &[u8]| decode(frame).weirds.iter().map(|w| w.kind).collect::<Vec<_>>();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = inner();
        change(&mut packet);
        packet[10..12].copy_from_slice(&[0, 0]);
        let sum = etherparse::checksum::Sum16BitWords::new().add_slice(&packet[..20]).ones_complement();
        packet[10..12].copy_from_slice(&sum.to_ne_bytes());
        ether(0x0800, &packet)
    };
    let offloaded = with(&|p| p[2..4].copy_from_slice(&[0, 0]));
    assert!(kinds(&offloaded).is_empty() && is_inner(&decode(&offloaded).items[0]));
    let padded = join(&[&with(&|_| ()), &[0; 18]]);
    assert!(kinds(&padded).is_empty() && is_inner(&decode(&padded).items[0]));
    assert_eq!(kinds(&with(&|p| p[3] = 19)), [WeirdKind::BadIpTotalLength]);
    assert_eq!(kinds(&with(&|p| p[3] = 200)), [WeirdKind::BadIpTotalLength]);
    assert_eq!(kinds(&with(&|p| p[0] = 0x44)), [WeirdKind::BadIpHeaderLength]);
    assert_eq!(kinds(&with(&|p| p[25] = 200)), [WeirdKind::BadUdpLength]);
    assert_eq!(kinds(&with(&|p| p[0] = 0x75)), [WeirdKind::BadIpVersion]);
}

#[test]
fn nesting_ends() {
    let mut packet = inner();
    for _ in 0..4 {
        packet = ip4(4, &packet);
    }
    let out = decode(&ether(0x0800, &packet));
    assert_eq!(out.items.len(), 4);
    assert_eq!(out.weirds.last().map(|w| w.kind), Some(WeirdKind::TooManyLayers));
    let tags: Vec<u8> = [0, 1, 0x81, 0].repeat(40);
    assert_eq!(decode(&ether(0x8100, &tags)).weirds[0].kind, WeirdKind::TooManyLayers);
    let extensions = [[60, 0, 1, 4, 0, 0, 0, 0]; 200].concat();
    let out = decode(&ether(0x86dd, &ip6(60, &extensions)));
    assert_eq!((out.items.len(), out.weirds[0].kind), (1, WeirdKind::TooManyLayers));
}

#[test]
fn wrong_checksums_are_weird_and_nothing_else() {
    let mut frame = Vec::new();
    let tcp = PacketBuilder::ethernet2([0; 6], [1; 6]).ipv4(A, B, 9).tcp(80, 4000, 7, 1024);
    tcp.write(&mut frame, b"payload").unwrap();
    assert!(decode(&frame).weirds.is_empty());
    *frame.last_mut().unwrap() ^= 1;
    let out = decode(&frame);
    assert_eq!((out.items.len(), out.weirds[0].kind), (1, WeirdKind::BadTcpChecksum));
    let mut quiet = Layers::default();
    let config = Config { verify_checksums: false, ..Config::default() };
    Decoder::new(&config).decode(&raw(&frame, 1), 0, &mut quiet);
    assert!(quiet.weirds.is_empty());
}

#[test]
fn packets_without_ip_are_counted_once() {
    let unknown = decode_as(&[1, 2, 3], 147);
    assert_eq!((unknown.unknown_link, unknown.not_ip, unknown.weirds.len()), (1, 0, 1));
    let lldp = decode(&ether(0x88cc, &[0; 40]));
    assert_eq!((lldp.unknown_link, lldp.not_ip, lldp.weirds.len()), (0, 1, 0));
    assert_eq!(decode(&ether(0x0bad, &[0; 40])).weirds[0].kind, WeirdKind::UnknownEtherType);
}

#[test]
fn records_carry_the_facts_of_their_packet() {
    let frame = ether(0x8100, &join(&[&[0x20, 5, 8, 0], &inner()]));
    let mut p = raw(&frame, 1);
    (p.number, p.meta.ts, p.meta.file_offset, p.meta.file_no) = (9, Timestamp(5), 77, 3);
    let mut out = Layers::default();
    Decoder::new(&Config::default()).decode(&p, 4, &mut out);
    let d = &out.items[0];
    assert_eq!((d.packet, d.ts, d.file_offset, d.file_no, d.index), (9, Timestamp(5), 77, 3, 4));
    assert_eq!((d.src_mac.0, d.dst_mac.0), ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]));
    assert_eq!((d.vlan, d.inner_vlan, d.ttl, d.ip_bytes), (5, super::NO_VLAN, 64, 31));
}
