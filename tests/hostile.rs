//! What do cut, flipped and lying bytes do to the program?
//!
//! It ends by itself, with 0, 1 or 3, and keeps every packet before the damage. Many variants go through one process each,
//! so that the exhaustive part costs seconds; every prefix of every parser's input is tested beside the parsers.

use crate::support::packets::{Dice, FILE_HEADER, Packet, Pcap, SNAPLEN, pcap, pcapng, read};
use crate::support::rows::Csv;
use crate::support::{Lab, samples, some_samples};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Prefixes tried per sample; together with the samples' number this bounds the time.
const PREFIXES: usize = 24;
/// Variants with flipped bits per sample.
const FLIPPED: u64 = 12;

fn packets_by_path(lab: &Lab) -> BTreeMap<String, u64> {
    let table = Csv::parse(&lab.csv("SELECT path, packets FROM captures"));
    table.rows.into_iter().map(|r| (r[0].clone(), r[1].parse().unwrap())).collect()
}

#[test]
fn every_packet_before_the_cut_is_kept() {
    for sample in some_samples(8).into_iter().filter(|s| s.capture.extension().is_some_and(|e| e == "pcap")) {
        let lab = Lab::new();
        let bytes = sample.bytes();
        let mut dice = Dice::new(bytes.len() as u64);
        let mut expected = BTreeMap::new();
        let mut paths = Vec::new();
        // Longest first: a longer file would replace its own damaged beginning.
        let mut cuts: Vec<usize> =
            (0..PREFIXES).map(|_| FILE_HEADER + 1 + dice.below(bytes.len() - FILE_HEADER - 1)).collect();
        cuts.sort_unstable_by(|a, b| b.cmp(a));
        cuts.dedup();
        for cut in cuts {
            let path = lab.write(&format!("cut-{cut}"), &bytes[..cut]);
            expected.insert(path.display().to_string(), read(&bytes[..cut]).len() as u64);
            paths.push(path);
        }
        lab.ingest(&paths).expect_codes(&[0, 1, 3]);
        let found = packets_by_path(&lab);
        for (path, packets) in expected {
            // A capture without a packet may be kept or refused; one with packets must be there.
            assert_eq!(found.get(&path).copied().unwrap_or(0), packets, "sample {}: {path}", sample.name);
        }
    }
}

#[test]
fn prefixes_of_headers_are_refused_in_one_sentence() {
    let lab = Lab::new();
    let whole = std::fs::read(samples().join("dns/dns.pcap")).unwrap();
    let ng = pcapng(&read(&whole), false);
    for (name, bytes, header) in [("pcap", &whole, FILE_HEADER), ("pcapng", &ng, 28)] {
        for cut in 0..header {
            let path = lab.write(&format!("{name}-{cut}"), &bytes[..cut]);
            lab.ingest(&[path]).expect_codes(&[1, 3]).expect_one_sentence();
        }
    }
}

#[test]
fn flipped_bits_do_not_end_it() {
    for sample in some_samples(8) {
        let lab = Lab::new();
        let bytes = sample.bytes();
        let paths: Vec<PathBuf> = (0..FLIPPED)
            .map(|n| {
                let mut dice = Dice::new(n + 1);
                let mut broken = bytes.clone();
                // From one bit to one in fifty bytes.
                for _ in 0..1 + dice.below(broken.len() / 50) {
                    let at = dice.below(broken.len());
                    broken[at] ^= 1 << dice.below(8);
                }
                lab.write(&format!("flipped-{n}"), &broken)
            })
            .collect();
        lab.ingest(&paths).expect_codes(&[0, 1, 3]);
    }
}

#[test]
fn flipped_bits_inside_packets_lose_no_packet() {
    for sample in some_samples(8).into_iter().filter(|s| s.capture.extension().is_some_and(|e| e == "pcap")) {
        let lab = Lab::new();
        let packets = read(&sample.bytes());
        let mut paths = Vec::new();
        for n in 0..FLIPPED {
            let mut dice = Dice::new(n + 77);
            let mut broken = packets.clone();
            for p in broken.iter_mut().filter(|p| !p.data.is_empty()) {
                for _ in 0..dice.below(4) {
                    let at = dice.below(p.data.len());
                    p.data[at] ^= 1 << dice.below(8);
                }
            }
            paths.push(lab.write(&format!("flipped-{n}"), &pcap(&broken, Pcap::Micro, false)));
        }
        lab.ingest(&paths).expect_codes(&[0]);
        for (path, found) in packets_by_path(&lab) {
            assert_eq!(found, packets.len() as u64, "{path}");
        }
        let sums = lab.csv("SELECT capture_id FROM captures c WHERE weird_count < (SELECT count(*) FROM weirds w WHERE w.capture_id = c.capture_id)");
        assert_eq!(Csv::parse(&sums).rows.len(), 0, "weird_count counts every weird");
    }
}

/// The web sample with other times.
fn with_times(change: impl Fn(usize, &mut Packet)) -> (Lab, u64) {
    let mut packets = read(&std::fs::read(samples().join("web/web.pcap")).unwrap());
    packets.iter_mut().enumerate().for_each(|(n, p)| change(n, p));
    let lab = Lab::new();
    let path = lab.write("times", &pcap(&packets, Pcap::Nano, false));
    lab.ingest(&[path]).expect_code(0);
    assert_eq!(lab.value("SELECT packets FROM captures"), packets.len().to_string());
    (lab, packets.len() as u64)
}

#[test]
fn the_first_and_the_last_second_of_pcap_time() {
    let (lab, _) = with_times(|_, p| p.secs = 0);
    assert!(lab.value("SELECT min(first_ts) FROM flows").starts_with("1970-01-01T00:00:00"));
    let (lab, _) = with_times(|_, p| p.secs = u32::MAX);
    assert!(lab.value("SELECT max(last_ts) FROM flows").starts_with("2106-02-07T06:28:15"));
}

#[test]
fn times_beyond_what_fits_are_clamped_and_said() {
    let packets = read(&std::fs::read(samples().join("dns/dns.pcap")).unwrap());
    let mut ng = pcapng(&packets, false);
    // if_tsresol from nanoseconds to seconds: the same counts are now some thousand million years.
    let resolution = 28 + 16 + 4;
    assert_eq!(ng[resolution], 9);
    ng[resolution] = 0;
    let lab = Lab::new();
    let path = lab.write("far", &ng);
    lab.ingest(&[path]).expect_code(0);
    assert_eq!(
        lab.value("SELECT count(*) FROM weirds WHERE kind = 'time_clamped'"),
        packets.len().to_string()
    );
    assert_eq!(lab.value("SELECT packets FROM captures"), packets.len().to_string());
    lab.run(&["query", "timeline"]).expect_code(0);
    lab.run(&["query", "top_talkers"]).expect_code(0);
}

#[test]
fn gaps_of_ten_years_cost_no_time() {
    const TEN_YEARS: u32 = 315_576_000;
    // Every gap is a jump that one packet alone makes; then a run that the clock of the capture has to follow.
    for period in [7, 40] {
        let (lab, _) = with_times(|n, p| p.secs = 1_000_000_000 + TEN_YEARS * ((n / period) as u32 % 9));
        assert!(lab.value("SELECT count(*) FROM flows").parse::<u64>().unwrap() > 0);
    }
}

#[test]
fn time_that_runs_backwards_is_counted() {
    let (lab, packets) = with_times(|n, p| {
        p.secs = 1_700_000_000 - n as u32;
        p.nanos = 0;
    });
    let late: u64 = lab.value("SELECT out_of_order_packets FROM captures").parse().unwrap();
    assert_eq!(late, packets - 1, "out_of_order_packets");
    assert_eq!(lab.value("SELECT count(*) FROM flows WHERE last_ts < first_ts"), "0");
}

#[test]
fn lying_lengths_cost_neither_memory_nor_time() {
    let lab = Lab::new();
    let packets = read(&std::fs::read(samples().join("dns/dns.pcap")).unwrap());
    let good = pcap(&packets, Pcap::Micro, false);
    let first = FILE_HEADER + 8; // captured length of the first packet
    let mut paths = Vec::new();
    for (name, lie) in [("huge", u32::MAX), ("large", 0x7fff_ffff), ("beyond", SNAPLEN * 8), ("zero", 0)] {
        let mut bytes = good.clone();
        bytes[first..first + 4].copy_from_slice(&lie.to_le_bytes());
        paths.push(lab.write(name, &bytes));
    }
    // A pcapng block that claims four gigabytes, one that claims nothing, and one whose two lengths disagree.
    let ng = pcapng(&packets, false);
    let block = 28 + 32 + 4; // length field of the first packet's block: after section header and interface
    for (name, lie) in [("ng-huge", u32::MAX - 3), ("ng-zero", 0), ("ng-odd", 33), ("ng-longer", 4_000)] {
        let mut bytes = ng.clone();
        bytes[block..block + 4].copy_from_slice(&lie.to_le_bytes());
        paths.push(lab.write(name, &bytes));
    }
    for path in paths {
        let outcome = lab.ingest(&[&path]).expect_codes(&[1, 3]).expect_one_sentence();
        assert!(outcome.elapsed.as_secs() < 20, "{}: {:?}", path.display(), outcome.elapsed);
    }
}

#[test]
fn packets_of_every_length_from_nothing_on() {
    // Each packet of each sample cut by a snaplen of 0 to 99 bytes: decoders see every possible end.
    let lab = Lab::new();
    let all: Vec<Packet> = some_samples(8)
        .into_iter()
        .filter(|s| s.capture.extension().is_some_and(|e| e == "pcap"))
        .flat_map(|s| read(&s.bytes()).into_iter().step_by(5).collect::<Vec<_>>())
        .collect();
    let mut cut = Vec::new();
    for length in 0..100 {
        cut.extend(
            all.iter().map(|p| Packet { data: p.data[..length.min(p.data.len())].to_vec(), ..p.clone() }),
        );
    }
    let path = lab.write("lengths", &pcap(&cut, Pcap::Micro, false));
    lab.ingest(&[path]).expect_code(0);
    assert_eq!(lab.value("SELECT packets FROM captures"), cut.len().to_string());
    let shorter = cut.iter().filter(|p| (p.data.len() as u32) < p.wire).count();
    assert_eq!(lab.value("SELECT truncated_packets FROM captures"), shorter.to_string());
    let wire: u64 = cut.iter().map(|p| u64::from(p.wire)).sum();
    assert_eq!(
        lab.value("SELECT bytes FROM captures"),
        wire.to_string(),
        "bytes on the wire, as the headers say"
    );
}
