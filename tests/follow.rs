//! Does `flows --follow` say what was said?
//!
//! The bytes of every conversation of some samples are counted against the flow's row; then files that are gone, changed or moved.

use crate::support::rows::Csv;
use crate::support::{Lab, samples};
use std::collections::BTreeMap;

/// Bytes told of each side, gaps and cut bytes included.
fn told(ndjson: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::from([("src".to_owned(), 0), ("dst".to_owned(), 0)]);
    for line in ndjson.lines() {
        let piece: serde_json::Value = serde_json::from_str(line).unwrap();
        let bytes = ["bytes", "cut", "missing"].iter().filter_map(|k| piece[k].as_u64()).sum::<u64>();
        *sums.get_mut(piece["side"].as_str().unwrap()).unwrap() += bytes;
    }
    sums
}

#[test]
fn every_byte_of_every_conversation() {
    let lab = Lab::new();
    // A compressed one, one with loss, one with tunnels, one with fragments and both families.
    let captures = [
        "web/web.pcap",
        "guess_ftp/guess_ftp.pcap.gz",
        "lossy/lossy.pcap",
        "vxlan/vxlan.pcap",
        "lan/lan.pcap",
        "ipv6/ipv6.pcap",
    ];
    lab.ingest(&captures).expect_code(0);
    let flows = Csv::parse(&lab.csv(
        "SELECT flow_id, CASE protocol WHEN 'tcp' THEN src_stream_bytes ELSE src_bytes END AS src,
                CASE protocol WHEN 'tcp' THEN dst_stream_bytes ELSE dst_bytes END AS dst, protocol || ' ' || coalesce(tunnel, '') AS what
         FROM flows WHERE protocol IN ('tcp', 'udp', 'icmp') AND src_bytes + dst_bytes > 0 ORDER BY hash(flow_id) LIMIT 40",
    ));
    assert_eq!(flows.rows.len(), 40);
    for row in &flows.rows {
        let outcome =
            lab.run(&["flows", "--follow", &row[0], "--format", "ndjson", "--bytes", "0"]).expect_code(0);
        let told = told(&outcome.stdout);
        assert_eq!(
            (told["src"].to_string(), told["dst"].to_string()),
            (row[1].clone(), row[2].clone()),
            "{row:?}"
        );
    }
}

#[test]
fn text_hex_and_raw_files() {
    let lab = Lab::new();
    lab.ingest(&["web/web.pcap"]).expect_code(0);
    let id =
        lab.value("SELECT min(flow_id) FROM http WHERE uri = '/files/picture.png' AND status_code = 200");
    let text = lab.run(&["flows", "--follow", &id]).expect_code(0).expect_said("www.example.com").stdout;
    assert!(
        text.contains("> GET /") && text.contains("< HTTP/1.1 200 OK\n") && !text.contains('\u{1b}'),
        "{text}"
    );
    assert!(text.lines().all(|l| l.is_empty() || l.starts_with(['>', '<'])), "{text}");
    let hex = lab.run(&["flows", "--follow", &id, "--hex"]).expect_code(0).stdout;
    assert!(hex.contains("> 00000000  47 45 54 20 "), "{hex}");
    let (src, dst) = (lab.path("src.bin"), lab.path("dst.bin"));
    let args =
        ["flows", "--follow", &id, "--raw-src", src.to_str().unwrap(), "--raw-dst", dst.to_str().unwrap()];
    assert_eq!(lab.run(&args).expect_code(0).stdout, "");
    let raw = std::fs::read(&dst).unwrap();
    assert!(
        raw.starts_with(b"HTTP/1.1 200 OK\r\n") && raw.windows(9).any(|w| w == b"image/png"),
        "bytes as they were"
    );
    let bytes = lab.value(&format!("SELECT dst_stream_bytes FROM flows WHERE flow_id = {id}"));
    assert_eq!(raw.len().to_string(), bytes);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&dst).unwrap().permissions().mode() & 0o777, 0o600);
    lab.run(&args).expect_code(1).expect_said("exists");
    let cut = lab
        .run(&["flows", "--follow", &id, "--bytes", "10"])
        .expect_code(0)
        .expect_said("only the first 10 bytes");
    assert!(cut.stdout.contains("> GET / HTTP\n") || cut.stdout.contains("> GET /file"), "{}", cut.stdout);
}

#[test]
fn a_file_that_moved_changed_or_never_was() {
    let lab = Lab::new();
    let bytes = std::fs::read(samples().join("web/web.pcap")).unwrap();
    let here = lab.write("a/here.pcap", &bytes);
    lab.ingest(&[&here]).expect_code(0);
    let id = lab.value("SELECT max(flow_id) FROM flows WHERE dst_bytes > 0 AND protocol = 'tcp'");
    let there = lab.path("there.pcap");
    std::fs::rename(&here, &there).unwrap();
    lab.run(&["flows", "--follow", &id])
        .expect_code(1)
        .expect_said("not there any more")
        .expect_said("--file");
    let moved = lab.run(&["flows", "--follow", &id, "--file", there.to_str().unwrap()]).expect_code(0);
    assert!(!moved.stdout.is_empty());
    // The same name, another capture.
    lab.write("a/here.pcap", &std::fs::read(samples().join("ssh/ssh.pcap")).unwrap());
    lab.run(&["flows", "--follow", &id]).expect_code(1).expect_said("is not the capture that was ingested");
    // Cut short.
    lab.write("a/here.pcap", &bytes[..40]);
    lab.run(&["flows", "--follow", &id]).expect_code(1).expect_said("is not the capture that was ingested");
    lab.run(&["flows", "--follow", "77"]).expect_code(1).expect_said("no flow 77");
    lab.run(&["flows", "--follow", &id, "--format", "csv"]).expect_code(2).expect_said("ndjson");
}

#[test]
fn a_stream_was_not_kept() {
    let lab = Lab::new();
    lab.run_with_input(&["ingest", "-"], &std::fs::read(samples().join("web/web.pcap")).unwrap())
        .expect_code(0);
    let id = lab.value("SELECT max(flow_id) FROM flows");
    lab.run(&["flows", "--follow", &id]).expect_code(1).expect_said("standard input");
}
