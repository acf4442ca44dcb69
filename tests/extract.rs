//! Are the packets behind a flow or finding the right ones, wherever the captures lie by now?
//!
//! Counts are compared with tshark's for the same conversation, and with what a second ingest of the result says.

use crate::support::packets::{Pcap, pcap, pcapng, read};
use crate::support::rows::Csv;
use crate::support::{Lab, samples, tool};
use std::path::Path;
use std::process::Command;

/// Conversations of a database without what names and places them.
fn conversations(lab: &Lab) -> Vec<Vec<String>> {
    let sql = "SELECT first_ts, last_ts, protocol, src_ip, src_port, dst_ip, dst_port, tunnel, src_packets, dst_packets, \
               src_bytes, dst_bytes, conn_state, service FROM flows ORDER BY ALL";
    Csv::parse(&lab.csv(sql)).rows
}

fn tshark(file: &Path, filter: &str) -> usize {
    let out = Command::new("tshark").args(["-n", "-r"]).arg(file).args(["-Y", filter]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).lines().count()
}

#[test]
fn every_flow_of_a_capture_comes_back_as_it_was() {
    for sample in [
        "web/web.pcap",
        "twin_ping_big/twin_ping_big.pcap.gz",
        "vxlan/vxlan.pcap",
        "icmp/icmp.pcap",
        "vlan/vlan.pcap",
    ] {
        let (lab, again) = (Lab::new(), Lab::new());
        lab.ingest(&[sample]).expect_code(0);
        let out = lab.path("out.pcapng");
        lab.run(&["extract", "--where", "true", "-o", out.to_str().unwrap()]).expect_code(0);
        again.ingest(&[&out]).expect_code(0);
        assert_eq!(conversations(&lab), conversations(&again), "{sample}");
    }
}

#[test]
fn one_flow_has_the_packets_that_tshark_counts() {
    if !tool("tshark") {
        return;
    }
    let lab = Lab::new();
    lab.ingest(&["web/web.pcap"]).expect_code(0);
    let row = lab
        .csv("SELECT flow_id, src_ip, src_port, dst_ip, dst_port FROM flows WHERE protocol = 'tcp' LIMIT 3");
    for row in Csv::parse(&row).rows {
        let [id, src, src_port, dst, dst_port] = &row[..] else { panic!("{row:?}") };
        let out = lab.path(&format!("{id}.pcapng"));
        lab.run(&["extract", "--flow", id, "-o", out.to_str().unwrap()]).expect_code(0);
        let filter = format!(
            "ip.addr == {src} and ip.addr == {dst} and tcp.port == {src_port} and tcp.port == {dst_port}"
        );
        let there = tshark(&samples().join("web/web.pcap"), &filter);
        assert!(there > 0, "{filter}");
        assert_eq!(tshark(&out, &filter), there, "{filter}");
        assert_eq!(tshark(&out, &format!("frame.comment contains \"flow {id}\"")), there, "each is named");
        assert_eq!(tshark(&out, "frame"), there, "and nothing else is there");
    }
}

#[test]
fn a_finding_names_itself_in_its_packets() {
    let lab = Lab::new();
    lab.ingest(&["arp_spoof/arp_spoof.pcap", "scan_vertical_syn/scan_vertical_syn.pcap"]).expect_code(0);
    for kind in ["arp_spoof", "port_scan"] {
        let id = lab.value(&format!("SELECT anomaly_id FROM anomalies WHERE kind LIKE '%{kind}%' LIMIT 1"));
        let out = lab.path(&format!("{kind}.pcapng"));
        let outcome = lab.run(&["extract", "--anomaly", &id, "-o", out.to_str().unwrap()]).expect_code(0);
        if kind == "arp_spoof" {
            outcome.expect_said("names no flows");
        }
        let bytes = std::fs::read(&out).unwrap();
        let word = format!("anomaly {id}");
        assert!(bytes.windows(word.len()).any(|w| w == word.as_bytes()), "{kind}: the comment is missing");
        let again = Lab::new();
        again.ingest(&[&out]).expect_code(0);
        assert_ne!(again.value("SELECT packets FROM captures"), "0");
    }
}

#[test]
fn containers_compressions_and_merges_give_the_same_packets() {
    let bytes = std::fs::read(samples().join("web/web.pcap")).unwrap();
    let packets = read(&bytes);
    let (even, odd): (Vec<_>, Vec<_>) = packets.iter().cloned().enumerate().partition(|(i, _)| i % 2 == 0);
    let half = |all: Vec<(usize, _)>| all.into_iter().map(|(_, p)| p).collect::<Vec<_>>();
    let mut results = Vec::new();
    for form in ["plain", "pcapng", "gzip", "merged"] {
        let lab = Lab::new();
        match form {
            "plain" => lab.ingest(&[lab.write("a.pcap", &pcap(&packets, Pcap::Nano, true))]),
            "pcapng" => lab.ingest(&[lab.write("a.pcapng", &pcapng(&packets, true))]),
            "gzip" => {
                use std::io::Write;
                let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gz.write_all(&pcap(&packets, Pcap::Nano, false)).unwrap();
                lab.ingest(&[lab.write("a.gz", &gz.finish().unwrap())])
            }
            _ => {
                let a = lab.write("a.pcap", &pcap(&half(even.clone()), Pcap::Nano, false));
                let b = lab.write("b.pcap", &pcap(&half(odd.clone()), Pcap::Nano, false));
                lab.run(&["ingest".as_ref(), "--as-one".as_ref(), a.as_os_str(), b.as_os_str()])
            }
        }
        .expect_code(0);
        let out = lab.path("out.pcapng");
        lab.run(&["extract", "--where", "service = 'http'", "-o", out.to_str().unwrap()]).expect_code(0);
        let again = Lab::new();
        again.ingest(&[&out]).expect_code(0);
        results.push((form, conversations(&again)));
    }
    assert!(!results[0].1.is_empty());
    for (form, rows) in &results {
        assert_eq!(rows, &results[0].1, "{form}");
    }
}

#[test]
fn a_file_that_moved_is_found_and_another_one_is_refused() {
    let lab = Lab::new();
    let bytes = std::fs::read(samples().join("web/web.pcap")).unwrap();
    let old = lab.write("old/web.pcap", &bytes);
    lab.ingest(&[&old]).expect_code(0);
    let out = lab.path("out.pcapng").display().to_string();
    let extract = |more: &[&str]| {
        let args = ["extract", "--where", "true", "-o", &out, "--force"];
        lab.run(&args.iter().chain(more).copied().collect::<Vec<_>>())
    };
    let new = lab.path("new");
    std::fs::rename(lab.path("old"), &new).unwrap();
    extract(&[]).expect_code(1).expect_one_sentence().expect_said("not there any more");
    let moved = format!("{}={}", lab.path("old").display(), new.display());
    extract(&["--path", &moved]).expect_code(0);
    extract(&["--file", new.to_str().unwrap()]).expect_code(0);
    extract(&["--file", new.join("web.pcap").to_str().unwrap()]).expect_code(0);
    // The same packets in another container are not the file that was read.
    let other = lab.write("other.pcapng", &pcapng(&read(&bytes), false));
    extract(&["--file", other.to_str().unwrap()]).expect_code(1).expect_said("content differs");
    // A file that was compressed since is.
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &bytes).unwrap();
    let gz = lab.write("web.pcap.gz", &gz.finish().unwrap());
    extract(&["--file", gz.to_str().unwrap()]).expect_code(0);
}

#[test]
fn nothing_is_overwritten_unasked() {
    let lab = Lab::new();
    let capture = lab.write("web.pcap", &std::fs::read(samples().join("web/web.pcap")).unwrap());
    lab.ingest(&[&capture]).expect_code(0);
    let there = lab.write("there.pcapng", b"mine");
    let there = there.to_str().unwrap();
    lab.run(&["extract", "--where", "true", "-o", there]).expect_code(1).expect_said("--force");
    assert_eq!(std::fs::read(there).unwrap(), b"mine");
    lab.run(&["extract", "--where", "true", "-o", there, "--force"]).expect_code(0);
    let input = capture.to_str().unwrap();
    lab.run(&["extract", "--where", "true", "-o", input, "--force"])
        .expect_code(2)
        .expect_said("one of the captures");
    lab.run(&["extract", "-o", there]).expect_code(2);
    lab.run(&["extract", "--flow", "1", "-o", "x.pcapng"]).expect_code(1).expect_said("no flow 1");
    lab.run(&["extract", "--where", "false", "-o", "x.pcapng"]).expect_code(1).expect_said("no flow matches");
    lab.run(&["extract", "--where", "1; DROP TABLE flows", "-o", "x.pcapng"]).expect_code(1);
}

#[test]
fn a_stream_keeps_its_packets_in_a_ring() {
    let lab = Lab::new();
    let capture = std::fs::read(samples().join("web/web.pcap")).unwrap();
    let ring = lab.path("ring");
    let at = ring.to_str().unwrap();
    lab.run_with_input(&["ingest", "--save-pcap", at, "-"], &capture).expect_code(0);
    let out = lab.path("out.pcapng");
    lab.run(&["extract", "--where", "true", "-o", out.to_str().unwrap()]).expect_code(0);
    // The ring, what was taken out of it, and the capture itself say the same.
    let (direct, of_ring, again) = (Lab::new(), Lab::new(), Lab::new());
    direct.ingest(&["web/web.pcap"]).expect_code(0);
    of_ring.run(&["ingest", "-r", "--as-one", at]).expect_code(0);
    again.ingest(&[&out]).expect_code(0);
    assert_eq!(conversations(&lab), conversations(&direct));
    assert_eq!(conversations(&of_ring), conversations(&direct));
    assert_eq!(conversations(&again), conversations(&direct));
    let hashes = "SELECT f.content_hash FROM capture_files f JOIN captures USING (capture_id)";
    assert_eq!(lab.value(hashes), of_ring.value(hashes), "the ledger has the hash of what was kept");
    for entry in std::fs::read_dir(&ring).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    lab.run(&["extract", "--where", "true", "-o", out.to_str().unwrap(), "--force"])
        .expect_code(1)
        .expect_said("not there any more");
    lab.run(&["ingest", "--save-pcap", at, "web/web.pcap"]).expect_code(2).expect_said("streams");
}
