//! pcapng files written by pcap-file's writer where it can write them, and by hand where the point is that nobody should.

use crate::capture::testing::drain;
use crate::capture::{OpenError, Options, open_bytes};
use crate::model::ledger::{FileLedger, Stop};
use crate::model::packet::{LinkType, PacketRef};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption as If, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::interface_statistics::{
    InterfaceStatisticsBlock, InterfaceStatisticsOption as Stat,
};
use pcap_file::pcapng::blocks::name_resolution::{Ipv4Record, Ipv6Record, NameResolutionBlock, Record};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::packet::PacketBlock;
use pcap_file::pcapng::blocks::simple_packet::SimplePacketBlock;
use pcap_file::pcapng::blocks::unknown::UnknownBlock;
use pcap_file::{DataLink, Endianness};
use std::time::Duration;

type Read = (Vec<(PacketRef, Vec<u8>)>, FileLedger);

fn read(bytes: &[u8], block_bytes: usize) -> Result<Read, OpenError> {
    let mut source = open_bytes(bytes.to_vec(), &Options { block_bytes, ..Options::default() })?;
    let (packets, mut ledger) = drain(source.as_mut());
    Ok((packets, ledger.files.remove(0)))
}

fn interface(
    link: DataLink,
    resolution: Option<u8>,
    offset: Option<i64>,
) -> InterfaceDescriptionBlock<'static> {
    let mut block = InterfaceDescriptionBlock::new(link, 96);
    block.options.push(If::IfName("eth0".into()));
    block.options.extend(resolution.map(|r| If::IfTsResol(InterfaceTsResolution::from_u8(r).unwrap())));
    block.options.extend(offset.map(If::IfTsOffset));
    block
}

fn enhanced(interface_id: u32, time: Duration, data: &[u8]) -> EnhancedPacketBlock<'_> {
    EnhancedPacketBlock {
        interface_id,
        timestamp: time,
        original_len: 200,
        data: data.into(),
        options: vec![],
    }
}

const TIME: Duration = Duration::new(1_700_000_000, 123_456_789);

/// Two sections with several interfaces and one block of every kind.
fn sample(endianness: Endianness) -> Vec<u8> {
    let mut writer = PcapNgWriter::with_endianness(Vec::new(), endianness).unwrap();
    writer.write_pcapng_block(interface(DataLink::ETHERNET, None, None)).unwrap();
    writer.write_pcapng_block(interface(DataLink::RAW, Some(9), None)).unwrap();
    writer.write_pcapng_block(interface(DataLink::ETHERNET, Some(0x80 | 29), Some(-3_600))).unwrap();
    writer.write_pcapng_block(enhanced(0, TIME, b"micro")).unwrap();
    let mut commented = enhanced(1, TIME, b"nano");
    commented.options.push(EnhancedPacketOption::Common(CommonOption::Comment("a \u{1b}comment".into())));
    commented.options.push(EnhancedPacketOption::DropCount(5));
    writer.write_pcapng_block(commented).unwrap();
    writer.write_pcapng_block(enhanced(2, TIME, b"binary")).unwrap();
    writer.write_pcapng_block(UnknownBlock::new(0x0bad_cafe, 32, &[1; 20])).unwrap();
    writer.write_pcapng_block(SimplePacketBlock { original_len: 4, data: b"simp"[..].into() }).unwrap();
    let old = PacketBlock {
        interface_id: 1,
        drop_count: 7,
        timestamp: TIME,
        original_len: 3,
        data: b"old"[..].into(),
        options: vec![],
    };
    writer.write_pcapng_block(old).unwrap();
    // Secrets: type, length, 8 bytes.
    let secrets: Vec<u8> = [0u32, 8].iter().flat_map(|n| word(*n, endianness)).chain([9; 8]).collect();
    writer.write_pcapng_block(UnknownBlock::new(10, 28, &secrets)).unwrap();
    let names = NameResolutionBlock {
        records: vec![
            Record::Ipv4(Ipv4Record {
                ip_addr: [10, 0, 0, 1].into(),
                names: vec!["one".into(), "uno".into()],
            }),
            Record::Ipv6(Ipv6Record { ip_addr: "::1".parse().unwrap(), names: vec!["six".into()] }),
        ],
        options: vec![],
    };
    writer.write_pcapng_block(names).unwrap();
    let statistics = InterfaceStatisticsBlock {
        interface_id: 0,
        timestamp: TIME,
        options: vec![Stat::IsbIfRecv(100), Stat::IsbIfDrop(3), Stat::IsbOsDrop(4)],
    };
    writer.write_pcapng_block(statistics).unwrap();
    let mut bytes = writer.into_inner();
    // A second section of the other byte order.
    let other = if endianness == Endianness::Big { Endianness::Little } else { Endianness::Big };
    let mut writer = PcapNgWriter::with_endianness(Vec::new(), other).unwrap();
    writer.write_pcapng_block(interface(DataLink::NULL, Some(3), None)).unwrap();
    writer.write_pcapng_block(enhanced(0, TIME, b"second")).unwrap();
    bytes.extend(writer.into_inner());
    bytes
}

fn word(n: u32, endianness: Endianness) -> [u8; 4] {
    if endianness == Endianness::Big { n.to_be_bytes() } else { n.to_le_bytes() }
}

#[test]
fn every_block_in_both_byte_orders() {
    for endianness in [Endianness::Big, Endianness::Little] {
        for block_bytes in [1, 64, 1 << 16] {
            let (packets, ledger) = read(&sample(endianness), block_bytes).unwrap();
            let seen: Vec<_> = packets.iter().map(|(p, d)| (p.ts.0, p.interface, p.link.0, &d[..])).collect();
            let at = 1_700_000_000_000_000_000;
            // 2^-29 s is almost two nanoseconds: the time is rounded down twice, by the writer and by us.
            let third = seen[2].0;
            assert!((0..5).contains(&(at + 123_456_789 - third)), "{third}");
            let want: [(i64, u16, u16, &[u8]); 6] = [
                (at + 123_456_000, 0, 1, b"micro"),
                (at + 123_456_789, 1, 101, b"nano"),
                (third, 2, 1, b"binary"),
                (third, 0, 1, b"simp"),
                (at + 123_456_789, 1, 101, b"old"),
                (at + 123_000_000, 3, 0, b"second"),
            ];
            assert_eq!(seen, want);
            assert_eq!((packets[0].0.original, ledger.format, &ledger.stop), (200, "pcapng", &Stop::End));
            assert_eq!((ledger.secrets_bytes, ledger.names.len()), (8, 3));
            assert_eq!((ledger.names[1].0.to_string(), &ledger.names[1].1[..]), ("10.0.0.1".into(), "uno"));
            let faces: Vec<_> = ledger.interfaces.iter().map(|i| (i.link, i.received, i.dropped)).collect();
            let link = LinkType;
            let want = [
                (link(1), Some(100), Some(7)),
                (link(101), None, Some(12)),
                (link(1), None, None),
                (link(0), None, None),
            ];
            assert_eq!(faces, want);
            assert_eq!(ledger.interfaces[0].name.as_deref(), Some("eth0"));
            assert!(ledger.comments.iter().any(|c| c == "packet 2: a \\x1bcomment"), "{:?}", ledger.comments);
        }
    }
}

#[test]
fn a_prefix_keeps_its_whole_packets_and_flipped_bits_do_no_harm() {
    let bytes = sample(Endianness::Little);
    let ends: Vec<_> = read(&bytes, 1 << 16).unwrap().0;
    for n in 0..bytes.len() {
        let Ok((packets, ledger)) = read(&bytes[..n], 4_096) else { continue };
        let fits = |p: &PacketRef| p.file_offset + 16 + u64::from(p.captured) <= n as u64;
        assert!(packets.len() <= ends.iter().filter(|(p, _)| fits(p)).count());
        assert!(packets.iter().zip(&ends).all(|(a, b)| a.1 == b.1));
        assert!(ledger.stop == Stop::End || matches!(ledger.stop, Stop::Damaged { .. }));
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let _ = read(&flipped, 256);
    }
}

/// A block by hand, little-endian.
fn block(kind: u32, length: Option<u32>, body: &[u8]) -> Vec<u8> {
    let real = body.len() as u32 + 12;
    let length = length.unwrap_or(real);
    let mut out = [kind.to_le_bytes(), length.to_le_bytes()].concat();
    out.extend(body);
    out.extend(length.to_le_bytes());
    out
}

fn section_and_interface() -> Vec<u8> {
    let mut bytes =
        block(0x0a0d_0d0a, None, &[&0x1a2b_3c4du32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
    bytes.extend(block(1, None, &[1, 0, 0, 0, 0, 0, 0, 0]));
    bytes
}

fn packet_body(interface: u32, captured: u32, data: &[u8]) -> Vec<u8> {
    let mut body: Vec<u8> =
        [interface, 0, 7, captured, captured].into_iter().flat_map(u32::to_le_bytes).collect();
    body.extend(data);
    body
}

#[test]
fn what_contradicts_itself_is_damage_at_its_byte() {
    let good = [section_and_interface(), block(6, None, &packet_body(0, 4, b"good"))].concat();
    let mut wrong_trailer = block(6, None, &packet_body(0, 4, b"data"));
    *wrong_trailer.last_mut().unwrap() = 1;
    let option = |code: u16, length: u16| [&code.to_le_bytes()[..], &length.to_le_bytes(), &[0; 4]].concat();
    let with = |options: Vec<u8>| block(6, None, &[packet_body(0, 4, b"data"), options].concat());
    let cases: [(Vec<u8>, &str); 11] = [
        (block(6, None, &packet_body(9, 4, b"data")), "interface 9"),
        (block(6, None, &packet_body(0, 5_000, b"data")), "claims a packet of 5000"),
        (block(6, Some(u32::MAX), &packet_body(0, 4, b"data")), "claims 4294967295"),
        (block(6, Some(16), &packet_body(0, 4, b"data")), "less than the 32"),
        (block(6, None, &packet_body(0, 262_145, &[0; 262_148])), "262145"),
        (block(99, Some(8), b""), "less than the 12"),
        (block(0x0a0d_0d0a, None, &[0; 16]), "byte-order magic"),
        (wrong_trailer, "at its end"),
        (with(option(1, 100)), "more than its block holds"),
        (with(option(2, 3)), "option 2"),
        (block(0x0bad, Some(12), b""), "less than the 16"),
    ];
    for (bad, words) in cases {
        let bytes = [good.clone(), bad, block(6, None, &packet_body(0, 4, b"lost"))].concat();
        for block_bytes in [1, 1 << 16] {
            let (packets, ledger) = read(&bytes, block_bytes).unwrap();
            assert_eq!((packets.len(), &packets[0].1[..]), (1, &b"good"[..]), "{words}");
            let Stop::Damaged { reason, offset } = &ledger.stop else { panic!("{words}: {:?}", ledger.stop) };
            assert!(reason.contains(words), "{reason}");
            assert_eq!(*offset, good.len() as u64, "{words}");
            assert_eq!(ledger.content_hash, Some(*blake3::hash(&bytes).as_bytes()));
        }
    }
}

#[test]
fn large_unwanted_blocks_are_skipped_without_being_held() {
    let body = vec![5; 3 << 20];
    let bytes = [
        section_and_interface(),
        block(0x0bad_beef, None, &body),
        block(6, None, &packet_body(0, 4, b"good")),
    ]
    .concat();
    let (packets, ledger) = read(&bytes, 4_096).unwrap();
    assert_eq!((packets.len(), ledger.stop), (1, Stop::End));
    let cut = &bytes[..bytes.len() / 2];
    assert!(matches!(read(cut, 4_096).unwrap().1.stop, Stop::Damaged { .. }));
}

#[test]
fn times_of_any_resolution_are_exact_and_clamped() {
    use super::Unit;
    assert_eq!((Unit::from_option(6), Unit::from_option(9)), (Unit::Micros, Unit::Nanos));
    assert_eq!(Unit::from_option(0).nanos(5), 5_000_000_000);
    assert_eq!(Unit::from_option(0x80).nanos(5), 5_000_000_000);
    assert_eq!(Unit::from_option(0x81).nanos(5), 2_500_000_000);
    assert_eq!(Unit::from_option(12).nanos(1_999), 1);
    assert_eq!(Unit::from_option(0x80 | 63).nanos(u64::MAX), 1_999_999_999);
    for option in 0..=u8::MAX {
        let nanos = Unit::from_option(option).nanos(u64::MAX);
        assert!(nanos >= 0, "{option}");
        // Never less for a later time.
        assert!(Unit::from_option(option).nanos(u64::MAX / 2) <= nanos);
    }
    assert_eq!(Unit::Micros.nanos(u64::MAX), i64::MAX);
}

#[test]
fn other_versions_are_refused_with_their_number() {
    let mut bytes = section_and_interface();
    bytes[12] = 2;
    let e = read(&bytes, 1 << 16).unwrap_err();
    assert!(matches!(&e, OpenError::Unsupported { what, .. } if what.contains("2.0")), "{e}");
    bytes[12] = 1;
    bytes[14] = 2;
    assert!(read(&bytes, 1 << 16).is_ok(), "1.2 is 1.0");
}
