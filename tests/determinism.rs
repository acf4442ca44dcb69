//! Same packets, same rows: whatever the number of threads, the container and the compression?

use crate::support::packets::{Packet, Pcap, multiply, pcap, pcapng, read};
use crate::support::rows::{Csv, difference, dump};
use crate::support::{Lab, samples, some_samples};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// Columns that tell the container apart: identity by content, and places in the file.
const CONTAINER: &[&str] =
    &["anomaly_id", "capture_id", "content_hash", "first_offset", "last_offset", "path"];

/// Tables about the capture rather than about its packets.
const ABOUT_FILES: &[&str] = &["captures", "capture_files"];

type Tables = BTreeMap<String, Csv>;

fn assert_same(what: &str, expected: &Tables, found: &Tables) {
    assert_eq!(
        expected.keys().collect::<Vec<_>>(),
        found.keys().collect::<Vec<_>>(),
        "{what}: tables with rows"
    );
    for (name, table) in expected {
        let (a, b) = (table.text(), found[name].text());
        assert!(a == b, "{what}: {name} differs\n{}", difference(&a, &b));
    }
}

#[test]
fn one_two_and_eight_threads_give_the_same_rows() {
    // The samples, and a load long enough for several batches.
    let packets: Vec<Packet> = ["web", "dns", "scan"]
        .iter()
        .flat_map(|n| read(&std::fs::read(samples().join(format!("{n}/{n}.pcap"))).unwrap()))
        .collect();
    let long = pcap(&multiply(&packets, 400), Pcap::Micro, false);
    let run = |threads: &str| {
        let lab = Lab::new();
        let mut args = vec!["ingest".to_owned(), "--threads".to_owned(), threads.to_owned()];
        args.extend(some_samples(4).iter().map(|s| s.capture.display().to_string()));
        lab.run(&args).expect_codes(&[0, 3]);
        let path = lab.write("long.pcap", &long);
        lab.run(&["ingest".as_ref(), "--threads".as_ref(), threads.as_ref(), path.as_os_str()])
            .expect_code(0);
        dump(&lab, &["path"])
    };
    let one = run("1");
    assert!(one["flows"].rows.len() > 10_000, "only {} flows", one["flows"].rows.len());
    for threads in ["2", "8"] {
        assert_same(&format!("{threads} threads"), &one, &run(threads));
    }
}

fn encode(bytes: &[u8], how: &str) -> Vec<u8> {
    match how {
        "gzip" => {
            let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            w.write_all(bytes).unwrap();
            w.finish().unwrap()
        }
        // Two members, one after the other, as gzip allows and log rotation makes.
        "gzip of two members" => {
            let (a, b) = bytes.split_at(bytes.len() / 2);
            [encode(a, "gzip"), encode(b, "gzip")].concat()
        }
        "zstd" => zstd::stream::encode_all(bytes, 3).unwrap(),
        "lz4" => {
            let blocks = lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max64KB);
            let mut w = lz4_flex::frame::FrameEncoder::with_frame_info(blocks, Vec::new());
            w.write_all(bytes).unwrap();
            w.finish().unwrap()
        }
        "xz" => {
            let mut w = liblzma::write::XzEncoder::new(Vec::new(), 3);
            w.write_all(bytes).unwrap();
            w.finish().unwrap()
        }
        "bzip2" => {
            let mut w = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(6));
            w.write_all(bytes).unwrap();
            w.finish().unwrap()
        }
        other => panic!("no encoder {other}"),
    }
}

fn tables(lab: &Lab, without: &[&str]) -> Tables {
    let mut tables = dump(lab, without);
    tables.retain(|name, _| !ABOUT_FILES.contains(&name.as_str()));
    tables
}

#[test]
fn every_container_gives_the_same_rows() {
    let packets = read(&std::fs::read(samples().join("web/web.pcap")).unwrap());
    let containers = [
        ("pcap, little endian", pcap(&packets, Pcap::Micro, false)),
        ("pcap, big endian", pcap(&packets, Pcap::Micro, true)),
        ("pcap, nanoseconds", pcap(&packets, Pcap::Nano, false)),
        ("pcap, nanoseconds, big endian", pcap(&packets, Pcap::Nano, true)),
        ("pcap, modified", pcap(&packets, Pcap::Modified, false)),
        ("pcapng, little endian", pcapng(&packets, false)),
        ("pcapng, big endian", pcapng(&packets, true)),
    ];
    let mut first: Option<Tables> = None;
    for (what, bytes) in containers {
        let lab = Lab::new();
        // No extension that would give it away: a capture is known by its content.
        let path = lab.write("capture", &bytes);
        lab.ingest(&[path]).expect_code(0);
        let counts = lab.csv(
            "SELECT packets, bytes, decoded_packets, truncated_packets, weird_count, status FROM captures",
        );
        assert!(counts.contains(&format!("\n{},", packets.len())), "{what}: {counts}");
        let found = tables(&lab, CONTAINER);
        match &first {
            None => first = Some(found),
            Some(expected) => assert_same(what, expected, &found),
        }
    }
}

#[test]
fn every_compression_and_standard_input_give_the_same_rows() {
    let plain = std::fs::read(samples().join("tls/tls.pcap")).unwrap();
    let run = |bytes: &[u8], stdin: bool| {
        let lab = Lab::new();
        if stdin {
            lab.run_with_input(&["ingest", "-"], bytes).expect_code(0);
        } else {
            let path = lab.write("capture", bytes);
            lab.ingest(&[path]).expect_code(0);
        }
        (tables(&lab, &["anomaly_id", "capture_id"]), lab.value("SELECT content_hash FROM captures"))
    };
    let (expected, hash) = run(&plain, false);
    for how in ["gzip", "gzip of two members", "zstd", "lz4", "xz", "bzip2"] {
        let (found, same) = run(&encode(&plain, how), false);
        assert_same(how, &expected, &found);
        assert_eq!(hash, same, "{how}: the content hash is that of the decompressed bytes");
    }
    assert_same("standard input", &expected, &run(&plain, true).0);
    assert_same("standard input, gzip", &expected, &run(&encode(&plain, "gzip"), true).0);
}

#[test]
fn a_compressed_copy_is_the_same_content() {
    let lab = Lab::new();
    lab.ingest(&["tls/tls.pcap"]).expect_code(0);
    let path =
        lab.write("tls.pcap.zst", &encode(&std::fs::read(samples().join("tls/tls.pcap")).unwrap(), "zstd"));
    lab.ingest(&[path]).expect_code(0).expect_said("already");
    assert_eq!(lab.value("SELECT count(*) FROM captures"), "1");
}

#[test]
fn a_compressed_stream_that_breaks_off_is_damaged_and_kept_so_far() {
    // Several blocks of each format: of a block that is not whole, none of them gives anything.
    let packets = read(&std::fs::read(samples().join("ssh/ssh.pcap")).unwrap());
    let plain = pcap(&multiply(&packets, 80), Pcap::Micro, false);
    for how in ["gzip", "zstd", "lz4", "xz", "bzip2"] {
        let lab = Lab::new();
        let bytes = encode(&plain, how);
        let path = lab.write("capture", &bytes[..bytes.len() - 12]);
        lab.ingest(&[path]).expect_code(3);
        assert_eq!(
            lab.csv("SELECT status, packets > 1000 AS some FROM captures"),
            "status,some\ndamaged,true\n",
            "{how}"
        );
    }
}

#[test]
fn pieces_merged_in_time_equal_the_whole() {
    let packets = read(&std::fs::read(samples().join("web/web.pcap")).unwrap());
    let whole = Lab::new();
    let path = whole.write("whole", &pcap(&packets, Pcap::Micro, false));
    whole.run(&["ingest".as_ref(), "--as-one".as_ref(), path.as_os_str()]).expect_code(0);
    // Every third packet in one file, the others in a second, given in the wrong order.
    let (thirds, others): (Vec<_>, Vec<_>) = packets.into_iter().enumerate().partition(|(n, _)| n % 3 == 0);
    let pieces = Lab::new();
    let write = |name: &str, part: Vec<(usize, Packet)>| {
        let part: Vec<Packet> = part.into_iter().map(|(_, p)| p).collect();
        pieces.write(name, &pcap(&part, Pcap::Micro, false))
    };
    let (a, b) = (write("a", thirds), write("b", others));
    pieces.run(&["ingest".as_ref(), "--as-one".as_ref(), b.as_os_str(), a.as_os_str()]).expect_code(0);
    let without = [CONTAINER, &["first_file", "last_file"]].concat();
    assert_same("merged", &tables(&whole, &without), &tables(&pieces, &without));
    assert_eq!(pieces.value("SELECT count(*) FROM captures"), "1");
    assert_eq!(pieces.value("SELECT count(*) FROM capture_files"), "2");
    assert!(Path::new(&a).exists());
}

#[test]
fn findings_are_the_same_when_a_capture_is_cut_into_three_files() {
    let names = ["scan_vertical_syn", "arp_spoof", "mining_stratum", "dns_tunnel_iodine"];
    for name in names {
        let packets = read(&std::fs::read(samples().join(format!("{name}/{name}.pcap"))).unwrap());
        let run = |parts: usize| {
            let lab = Lab::new();
            let mut args = vec!["ingest".to_owned(), "--as-one".to_owned()];
            for (n, part) in packets.chunks(packets.len().div_ceil(parts)).enumerate() {
                let path = lab.write(&format!("part{n}"), &pcap(part, Pcap::Micro, false));
                args.push(path.display().to_string());
            }
            lab.run(&args).expect_code(0);
            tables(&lab, &[CONTAINER, &["first_file", "last_file"]].concat())
        };
        let whole = run(1);
        assert!(whole.contains_key("anomalies"), "{name}: nothing was found");
        assert_same(&format!("{name} in three files"), &whole, &run(3));
    }
}
