//! Does the whole floor keep its promises? Files through `open`: containers, compressions, damage, hostile bytes, interruption.

use super::testing::{Scratch, drain, pcap, record};
use super::*;
use crate::model::ledger::{FileLedger, Stop};
use crate::model::packet::{LinkType, PacketRef};
use std::io::Write;
use std::process::{Command, Stdio};

type Read = (Vec<(PacketRef, Vec<u8>)>, FileLedger);

fn read_with(path: &Path, options: &Options) -> Result<Read, OpenError> {
    let mut source = open(path, options, &Progress::new())?;
    let (packets, mut ledger) = drain(source.as_mut());
    Ok((packets, ledger.files.remove(0)))
}

fn read(bytes: &[u8]) -> Result<Read, OpenError> {
    let options = Options { block_bytes: 8 << 10, ..Options::default() };
    let mut source = open_bytes(bytes.to_vec(), &options)?;
    let (packets, mut ledger) = drain(source.as_mut());
    Ok((packets, ledger.files.remove(0)))
}

fn sample() -> Vec<u8> {
    let bodies: Vec<Vec<u8>> =
        (0..200u32).map(|i| (0..i * 7 % 300).map(|b| (b * i) as u8).collect()).collect();
    pcap(&bodies.iter().zip(1u32..).map(|(b, s)| (s, &b[..])).collect::<Vec<_>>())
}

fn essence(read: &Read) -> Vec<(i64, u64, u32, u32, Vec<u8>)> {
    read.0.iter().map(|(p, d)| (p.ts.0, p.file_offset, p.captured, p.original, d.clone())).collect()
}

#[test]
fn block_size_changes_nothing() {
    let scratch = Scratch::new("capture");
    let path = scratch.write("a", &sample());
    let want = read_with(&path, &Options::default()).unwrap();
    assert_eq!((want.0.len(), want.1.stop.clone(), want.1.bytes), (200, Stop::End, sample().len() as u64));
    assert_eq!(want.1.content_hash, Some(*blake3::hash(&sample()).as_bytes()));
    for block_bytes in [1, 24, 100, 4_096, 5_000] {
        let got = read_with(&path, &Options { block_bytes, ..Options::default() }).unwrap();
        assert_eq!(essence(&got), essence(&want));
        assert_eq!(got.1.content_hash, want.1.content_hash);
    }
}

#[test]
fn every_prefix_keeps_its_whole_packets_and_says_where_it_is_cut() {
    let bytes = pcap(&[(1, b"abc"), (2, b""), (3, b"defgh")]);
    for n in 0..bytes.len() {
        match read(&bytes[..n]) {
            Err(e) => assert!(n < 24, "{n}: {e}"),
            Ok((packets, ledger)) => {
                let ends = [24, 24 + 19, 24 + 19 + 16];
                let whole = ends.iter().rposition(|e| *e <= n).unwrap();
                assert_eq!(packets.len(), whole, "{n}");
                match ledger.stop {
                    Stop::End => assert_eq!(n, ends[whole]),
                    Stop::Damaged { offset, reason } => {
                        assert_eq!(offset, ends[whole] as u64);
                        assert!(reason.contains("ends inside its last record"), "{reason}");
                    }
                    other => panic!("{other:?}"),
                }
                assert_eq!(ledger.content_hash, Some(*blake3::hash(&bytes[..n]).as_bytes()));
            }
        }
    }
}

#[test]
fn absurd_lengths_are_damage_and_odd_ones_are_not() {
    let mut bytes = pcap(&[(1, b"abc")]);
    // Original length below the captured one: Wireshark reads it, so do we.
    let mut odd = record(2, b"xyz");
    odd[12..16].copy_from_slice(&1u32.to_le_bytes());
    bytes.extend(&odd);
    let at = bytes.len() as u64;
    let mut absurd = record(3, b"xyz");
    absurd[8..12].copy_from_slice(&262_145u32.to_le_bytes());
    bytes.extend(&absurd);
    bytes.extend(record(4, b"never seen"));
    let (packets, ledger) = read(&bytes).unwrap();
    assert_eq!((packets.len(), packets[1].0.captured, packets[1].0.original), (2, 3, 1));
    let Stop::Damaged { reason, offset } = ledger.stop else { panic!() };
    assert!(offset == at && reason.contains("262145"), "{offset} {reason}");
    assert_eq!(ledger.bytes, bytes.len() as u64, "what follows the damage is hashed, too");
    assert_eq!(ledger.content_hash, Some(*blake3::hash(&bytes).as_bytes()));
}

/// A pcap header with any magic, version and link type, and one record of `extra` more header bytes.
fn header(
    magic: u32,
    version: (u16, u16),
    network: u32,
    extra: &[u8],
    lengths: (u32, u32),
    body: &[u8],
) -> [Vec<u8>; 2] {
    let mut both = [Vec::new(), Vec::new()];
    for (out, big) in both.iter_mut().zip([false, true]) {
        let word = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let half = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        out.extend(word(magic));
        out.extend(half(version.0));
        out.extend(half(version.1));
        [0, 0, 65_535, network].iter().for_each(|n| out.extend(word(*n)));
        if magic & 0xffff_0000 == 0x1c00_0000 {
            out.extend(word(99));
        }
        for _ in 0..3 {
            [1_700_000_000, 123_456, lengths.0, lengths.1].iter().for_each(|n| out.extend(word(*n)));
            out.extend(extra);
            out.extend(body);
        }
    }
    both
}

/// Magic, version, link type field, more header bytes, the two lengths as stored; then format, time and link type as read.
type Variant = (u32, (u16, u16), u32, &'static [u8], (u32, u32), &'static str, i64, u16);

#[test]
fn every_variant_of_pcap_is_known() {
    let modified: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0];
    let long: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5];
    let us = 1_700_000_000_123_456_000;
    let ns = 1_700_000_000_000_123_456;
    let cases: [Variant; 11] = [
        (0xa1b2_c3d4, (2, 4), 1, &[], (4, 9), "pcap", us, 1),
        (0xa1b2_c3d4, (2, 2), 1, &[], (9, 4), "pcap", us, 1),
        (0xa1b2_c3d4, (2, 3), 1, &[], (9, 4), "pcap", us, 1),
        (0xa1b2_c3d4, (543, 0), 1, &[], (9, 4), "pcap", us, 1),
        (0xa1b2_c3d4, (2, 4), 0x0030_0071, &[], (4, 9), "pcap", us, 113),
        (0xa1b2_3c4d, (2, 4), 101, &[], (4, 9), "pcap-ns", ns, 101),
        (0xa1b2_cd34, (2, 4), 1, modified, (4, 9), "pcap-modified", us, 1),
        (0xa1b2_c3d4, (2, 4), 1, modified, (4, 9), "pcap-modified", us, 1),
        (0xa1b2_cd34, (2, 4), 1, long, (4, 9), "pcap-modified", us, 1),
        (0x1c00_01ac, (2, 4), 1, &[], (4, 9), "pcap-ns", ns, 1),
        (0xa1b2_c3d4, (2, 2), 6, &[], (9, 4), "pcap-aix", ns, 1),
    ];
    for (magic, version, network, extra, lengths, format, time, link) in cases {
        for bytes in header(magic, version, network, extra, lengths, b"body") {
            let (packets, ledger) = read(&bytes).unwrap();
            assert_eq!(
                (ledger.format, packets.len(), ledger.stop),
                (format, 3, Stop::End),
                "{magic:x} {version:?}"
            );
            for (p, data) in &packets {
                assert_eq!((p.ts.0, p.captured, p.original, p.link), (time, 4, 9, LinkType(link)));
                assert_eq!(data, b"body");
            }
        }
    }
    let fcs = header(0xa1b2_c3d4, (2, 4), 0x2400_0001, &[], (4, 4), b"body");
    assert!(read(&fcs[0]).unwrap().1.comments[0].contains("4 bytes"));
    let old = header(0xa1b2_c3d4, (1, 4), 1, &[], (4, 4), b"body");
    assert!(matches!(read(&old[1]), Err(OpenError::Unsupported { .. })));
}

#[test]
fn snoop_is_read_with_its_padding_and_drops() {
    let mut bytes = b"snoop\0\0\0\0\0\0\x02\0\0\0\x04".to_vec();
    for i in 0..3u32 {
        [60u32, 5, 32, i, 1_000_000_000 + i, 7].iter().for_each(|n| bytes.extend(n.to_be_bytes()));
        bytes.extend(b"hello\0\0\0");
    }
    let (packets, ledger) = read(&bytes).unwrap();
    assert_eq!((packets.len(), &packets[2].1[..]), (3, &b"hello"[..]));
    assert_eq!((packets[2].0.ts.0, packets[2].0.original), (1_000_000_002_000_007_000, 60));
    assert_eq!((ledger.format, ledger.interfaces[0].dropped), ("snoop", Some(2)));
    for n in 0..bytes.len() {
        if let Ok((packets, _)) = read(&bytes[..n]) {
            assert_eq!(packets.len(), n.saturating_sub(16) / 32);
        }
    }
}

fn tool(name: &str, args: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut child =
        Command::new(name).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut pipe = child.stdin.take()?;
    let input = input.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().ok()?;
    writer.join().ok()?.ok()?;
    Some(output.stdout)
}

/// One stream of each compression, made by the libraries that we read with.
fn compressions(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut gzip = flate2::GzBuilder::new()
        .filename("name")
        .comment("comment")
        .extra(vec![1, 2, 3])
        .write(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(bytes).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(bytes).unwrap();
    let small = lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max64KB);
    let mut lz4 = lz4_flex::frame::FrameEncoder::with_frame_info(small, Vec::new());
    lz4.write_all(bytes).unwrap();
    vec![
        ("gzip", gzip.finish().unwrap()),
        ("bzip2", bzip2.finish().unwrap()),
        ("xz", xz.finish().unwrap()),
        ("lz4", lz4.finish().unwrap()),
        ("zstd", zstd::encode_all(bytes, 1).unwrap()),
    ]
}

#[test]
fn every_compression_gives_the_same_capture() {
    let want = read(&sample()).unwrap();
    let whole = sample();
    let (first, second) = whole.split_at(5_000);
    let halves = compressions(first).into_iter().zip(compressions(second));
    let members = halves.map(|((name, mut a), (_, b))| {
        a.extend(b);
        (name, a)
    });
    for (name, bytes) in compressions(&sample()).into_iter().chain(members) {
        let got = read(&bytes).unwrap();
        assert_eq!((got.1.compression, &got.1.stop), (Some(name), &Stop::End));
        assert_eq!(essence(&got), essence(&want), "{name}");
        assert_eq!(got.1.content_hash, want.1.content_hash);
    }
    // What follows the stream: zeros are padding, anything else is said.
    let (_, gzip) = compressions(&sample()).swap_remove(0);
    assert_eq!(read(&[&gzip[..], &[0; 600]].concat()).unwrap().1.stop, Stop::End);
    let (packets, ledger) = read(&[&gzip[..], b"garbage"].concat()).unwrap();
    assert!(packets.len() == 200 && matches!(ledger.stop, Stop::Damaged { .. }));
    if let Some(legacy) = tool("lz4", &["-l", "-c"], &sample()).filter(|b| !b.is_empty()) {
        assert_eq!(essence(&read(&legacy).unwrap()), essence(&want));
    }
}

#[test]
fn a_cut_or_damaged_stream_gives_everything_before_the_damage() {
    // Incompressible bodies, so that bytes of the stream and of the content correspond.
    let mut state = 1u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let bodies: Vec<Vec<u8>> = (0..2_000).map(|_| (0..1_000).map(|_| noise()).collect()).collect();
    let whole = pcap(&bodies.iter().map(|b| (1, &b[..])).collect::<Vec<_>>());
    for (name, bytes) in compressions(&whole) {
        let cut = &bytes[..bytes.len() / 2];
        let (packets, ledger) = read(cut).unwrap();
        let Stop::Damaged { reason, offset } = ledger.stop else { panic!("{name}: {:?}", ledger.stop) };
        assert!(reason.contains("ends early"), "{name}: {reason}");
        // The largest unit that decompresses only as a whole: 128 KiB of zstd.
        assert!((1_000 - 140..1_001).contains(&packets.len()), "{name}: {} packets", packets.len());
        assert!(offset <= ledger.bytes, "{name}");
        let mut broken = bytes.clone();
        let middle = broken.len() / 2;
        broken[middle..middle + 40].fill(0xff);
        let (packets, ledger) = read(&broken).unwrap();
        for ((_, got), want) in packets.iter().take(800).zip(&bodies) {
            assert_eq!(got, want, "{name}");
        }
        assert!(matches!(ledger.stop, Stop::Damaged { .. }), "{name}: {:?}", ledger.stop);
    }
}

#[test]
fn hostile_bytes_neither_panic_nor_hang() {
    let plain = pcap(&[(1, b"some bytes"), (2, b"and more of them")]);
    let samples = compressions(&plain).into_iter().map(|(_, b)| b).chain([plain.clone()]);
    for sample in samples {
        for n in 0..sample.len() {
            let _ = read(&sample[..n]);
        }
        for bit in 0..sample.len() * 8 {
            let mut flipped = sample.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = read(&flipped);
        }
    }
}

#[test]
fn what_is_no_capture_is_said_in_a_sentence() {
    let scratch = Scratch::new("capture");
    assert!(matches!(read(b""), Err(OpenError::Empty(_))));
    let text = read(b"hello, world").unwrap_err();
    assert!(matches!(&text, OpenError::NotACapture { looks_like: "text", .. }), "{text}");
    let inside = compressions(b"just some text, nothing else").swap_remove(0).1;
    assert!(matches!(read(&inside), Err(OpenError::NotACapture { looks_like: "text", .. })));
    assert!(matches!(read(&compressions(b"").swap_remove(0).1), Err(OpenError::Empty(_))));
    let folder = open(scratch.path(), &Options::default(), &Progress::new()).err().unwrap();
    assert!(matches!(folder, OpenError::IsFolder(_)), "{folder}");
    let options = Options { filter: Some("host host host".into()), ..Options::default() };
    let path = scratch.write("a", &sample());
    assert!(matches!(
        read_with(&path, &options),
        Err(OpenError::Filter { .. } | OpenError::FilterUnavailable)
    ));
}

#[cfg(feature = "live")]
#[test]
fn a_filter_counts_what_it_leaves_out() {
    let scratch = Scratch::new("capture");
    let path = scratch.write("a", &sample());
    let options = Options { filter: Some("greater 100".into()), ..Options::default() };
    let mut source = open(&path, &options, &Progress::new()).unwrap();
    let (packets, ledger) = drain(source.as_mut());
    assert!(packets.iter().all(|(p, _)| p.original >= 100));
    assert_eq!((packets.len() as u64 + ledger.filtered, ledger.filtered > 0), (200, true));
}

#[test]
fn the_stop_flag_ends_a_source_between_blocks() {
    let scratch = Scratch::new("capture");
    let path = scratch.write("a", &sample());
    let options = Options { block_bytes: 4_096, ..Options::default() };
    let mut source = open(&path, &options, &Progress::new()).unwrap();
    assert!(matches!(source.poll(), Polled::Packets(_)));
    options.stop.store(true, Ordering::Relaxed);
    while !matches!(source.poll(), Polled::End) {}
    let ledger = source.ledger().files.remove(0);
    assert!(ledger.packets < 200 && ledger.content_hash.is_none());
    assert_eq!(ledger.stop, Stop::Interrupted);
}

#[test]
fn a_silent_pipe_gives_what_came_and_a_busy_one_fills_blocks() {
    let scratch = Scratch::new("capture");
    let path = scratch.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let writer = {
        let path = path.clone();
        std::thread::spawn(move || {
            let mut pipe = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            pipe.write_all(&pcap(&[(1, b"a"), (2, b"b")])).unwrap();
            std::thread::sleep(std::time::Duration::from_secs(1));
            // Many small writes.
            for byte in [record(3, b"c"), record(4, b"d")].concat() {
                pipe.write_all(&[byte]).unwrap();
            }
        })
    };
    let mut source = open(&path, &Options::default(), &Progress::new()).unwrap();
    let Polled::Packets(first) = source.poll() else { panic!() };
    assert_eq!(first.packets.len(), 2, "given out while the pipe is silent");
    let Polled::Packets(second) = source.poll() else { panic!() };
    assert_eq!((second.packets.len(), second.first_number), (2, 3));
    assert!(matches!(source.poll(), Polled::End));
    assert_eq!(source.ledger().files[0].stop, Stop::End);
    writer.join().unwrap();
}

#[test]
fn progress_counts_bytes_on_disk() {
    let scratch = Scratch::new("capture");
    let gzip = compressions(&sample()).swap_remove(0).1;
    let path = scratch.write("a", &gzip);
    let progress = Progress::new();
    drain(open(&path, &Options::default(), &progress).unwrap().as_mut());
    assert_eq!(progress.get(), (gzip.len() as u64, gzip.len() as u64));
}
