//! Do exports hold every row, and do they join?

use crate::support::Lab;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;

/// The rows of a Zeek log, by field.
fn zeek(path: &std::path::Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let head = |name: &str| -> Vec<&str> {
        text.lines().find_map(|l| l.strip_prefix(name)).unwrap().split('\t').skip(1).collect()
    };
    let (fields, types) = (head("#fields"), head("#types"));
    assert_eq!(fields.len(), types.len());
    text.lines()
        .filter(|l| !l.starts_with('#'))
        .map(|l| {
            let cells: Vec<&str> = l.split('\t').collect();
            assert_eq!(cells.len(), fields.len(), "{l}");
            fields.iter().map(|f| (*f).to_owned()).zip(cells.iter().map(|c| (*c).to_owned())).collect()
        })
        .collect()
}

#[test]
fn zeek_logs_hold_every_row_and_join_by_uid() {
    let lab = Lab::new();
    lab.ingest(&[
        "web/web.pcap",
        "tls/tls.pcap",
        "ssh/ssh.pcap",
        "lan/lan.pcap",
        "lateral_smb/lateral_smb.pcap",
    ])
    .expect_codes(&[0]);
    let to = lab.path("logs");
    lab.run(&["export", "--format", "zeek", "-o", to.to_str().unwrap()]).expect_code(0);
    let uids: BTreeSet<String> = zeek(&to.join("conn.log")).iter().map(|r| r["uid"].clone()).collect();
    assert_eq!(uids.len().to_string(), lab.value("SELECT count(*) FROM flows"));
    for (log, table) in [("dns", "dns"), ("http", "http"), ("ssl", "tls"), ("files", "files"), ("ssh", "ssh")]
    {
        let rows = zeek(&to.join(format!("{log}.log")));
        assert_eq!(rows.len().to_string(), lab.value(&format!("SELECT count(*) FROM {table}")), "{log}");
        assert!(rows.iter().all(|r| uids.contains(&r["uid"])), "{log}: every row has its connection");
    }
    assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::metadata(to.join("conn.log")).unwrap().permissions().mode() & 0o777, 0o600);
    lab.run(&["export", "--format", "zeek", "-o", to.to_str().unwrap()])
        .expect_code(1)
        .expect_said("exists already");

    let json = lab.path("json");
    lab.run(&["export", "--format", "zeek-json", "-o", json.to_str().unwrap()]).expect_code(0);
    for line in std::fs::read_to_string(json.join("conn.log")).unwrap().lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            row["ts"].is_f64() && uids.contains(row["uid"].as_str().unwrap()) && row["id.orig_p"].is_u64(),
            "{row}"
        );
    }
}

#[test]
fn the_same_capture_has_the_same_uids_in_every_database() {
    let uids = |before: &[&str]| {
        let lab = Lab::new();
        let all: Vec<&str> = before.iter().copied().chain(["web/web.pcap"]).collect();
        lab.ingest(&all).expect_code(0);
        let to = lab.path("logs");
        lab.run(&["export", "--format", "zeek", "--capture", "web.pcap", "-o", to.to_str().unwrap()])
            .expect_code(0);
        std::fs::read_to_string(to.join("conn.log")).unwrap()
    };
    assert_eq!(uids(&[]), uids(&["ssh/ssh.pcap", "dns/dns.pcap"]));
}

#[test]
fn eve_holds_every_event_and_csv_every_table() {
    let lab = Lab::new();
    lab.ingest(&["web/web.pcap", "mining_stratum/mining_stratum.pcap"]).expect_code(0);
    let to = lab.path("eve");
    lab.run(&["export", "--format", "eve", "-o", to.to_str().unwrap()]).expect_code(0);
    let mut counts = BTreeMap::<String, u64>::new();
    for line in std::fs::read_to_string(to.join("eve.json")).unwrap().lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["timestamp"].as_str().unwrap().ends_with("+0000"), "{event}");
        *counts.entry(event["event_type"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    for (event, table) in
        [("flow", "flows"), ("http", "http"), ("dns", "dns"), ("fileinfo", "files"), ("alert", "anomalies")]
    {
        assert_eq!(counts[event].to_string(), lab.value(&format!("SELECT count(*) FROM {table}")), "{event}");
    }
    let to = lab.path("csv");
    lab.run(&["export", "--format", "csv", "-o", to.to_str().unwrap()]).expect_code(0);
    assert_eq!(std::fs::read_to_string(to.join("flows.csv")).unwrap(), lab.csv("FROM flows"));
    let lake = lab.path("lake");
    lab.run(&["export", "--format", "parquet", "-o", lake.to_str().unwrap()]).expect_code(0);
    assert!(lake.join("flows").is_dir());
}
