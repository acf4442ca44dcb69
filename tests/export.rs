//! Do exports hold every row, and do they join?

use crate::golden::blessing;
use crate::support::packets::{Pcap, pcap};
use crate::support::rows::difference;
use crate::support::talk::{der, in_order, mail, udp};
use crate::support::{Lab, root};
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

/// What a person or another tool gets of a sample, byte by byte; `BLESS=1` writes it anew.
#[test]
fn analyze_hosts_and_exports_are_golden() {
    let mut problems = Vec::new();
    for (name, capture, host) in [
        ("web", "web/web.pcap", "10.20.0.10"),
        ("mining_stratum", "mining_stratum/mining_stratum.pcap", "203.0.113.60"),
        ("lateral_smb", "lateral_smb/lateral_smb.pcap", "10.20.0.20"),
    ] {
        let lab = Lab::new();
        lab.ingest(&[capture]).expect_code(0);
        let mut found = BTreeMap::new();
        for (file, args) in [
            ("analyze.txt", &["analyze"][..]),
            ("analyze.csv", &["analyze", "talkers", "--format", "csv"]),
            ("host.txt", &["hosts", host]),
            ("host.json", &["hosts", host, "--format", "json"]),
        ] {
            found.insert(file.to_owned(), lab.run(args).expect_code(0).stdout);
        }
        for dialect in ["zeek", "zeek-json", "eve", "csv"] {
            let to = lab.path(dialect);
            lab.run(&["export", "--format", dialect, "-o", to.to_str().unwrap()]).expect_code(0);
            for file in std::fs::read_dir(&to).unwrap().map(|e| e.unwrap().path()) {
                let log = file.file_name().unwrap().to_string_lossy().into_owned();
                // Tables of ours are in the other golden answers; one shows that the form is kept.
                if dialect != "csv" || log == "flows.csv" {
                    let text = std::fs::read_to_string(&file).unwrap();
                    let kept: Vec<&str> = text
                        .lines()
                        .filter(|l| !l.starts_with("#open") && !l.starts_with("#close"))
                        .collect();
                    found.insert(format!("{dialect}-{log}"), kept.join("\n") + "\n");
                }
            }
        }
        let folder = root().join("tests/data/outputs").join(name);
        if blessing() {
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            for (file, text) in &found {
                std::fs::write(folder.join(file), text).unwrap();
            }
        }
        let mut names: BTreeSet<String> = found.keys().cloned().collect();
        names.extend(
            std::fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .map(|e| e.unwrap().file_name().into_string().unwrap()),
        );
        for file in names {
            let expected = std::fs::read_to_string(folder.join(&file)).unwrap_or_default();
            let now = found.get(&file).cloned().unwrap_or_default();
            if expected != now {
                problems.push(format!("{name}/{file}: - expected, + found\n{}", difference(&expected, &now)));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn mail_tickets_and_shares_are_exported_with_their_values() {
    let mail = mail(
        &["bob@example.org"],
        "From: Alice <alice@example.net>\r\nTo: bob@example.org\r\nSubject: Figures\r\nMessage-ID: <1@example.net>\r\n\r\nHello.\r\n",
    );
    // RFC 4120, section 5.4.1 (AS-REQ) and 5.9.1 (KRB-ERROR).
    let int = |n: u8| der(0x02, &[&[n]]);
    let text = |s: &str| der(0x1b, &[s.as_bytes()]);
    let time = || der(0x18, &[b"20300101000000Z"]);
    let name = |kind: u8, words: &[&str]| {
        let words: Vec<Vec<u8>> = words.iter().map(|w| text(w)).collect();
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        der(0x30, &[&der(0xa0, &[&int(kind)]), &der(0xa1, &[&der(0x30, &words)])])
    };
    let body = der(
        0x30,
        &[
            &der(0xa0, &[&der(0x03, &[&[0, 0x40, 0, 0, 0]])]),
            &der(0xa1, &[&name(1, &["alice"])]),
            &der(0xa2, &[&text("EXAMPLE.ORG")]),
            &der(0xa3, &[&name(2, &["krbtgt", "EXAMPLE.ORG"])]),
            &der(0xa5, &[&time()]),
            &der(0xa7, &[&int(7)]),
            &der(0xa8, &[&der(0x30, &[&int(18), &int(23)])]),
        ],
    );
    let request =
        der(0x6a, &[&der(0x30, &[&der(0xa1, &[&int(5)]), &der(0xa2, &[&int(10)]), &der(0xa4, &[&body])])]);
    let error = der(
        0x7e,
        &[&der(
            0x30,
            &[
                &der(0xa0, &[&int(5)]),
                &der(0xa1, &[&int(30)]),
                &der(0xa4, &[&time()]),
                &der(0xa5, &[&int(0)]),
                &der(0xa6, &[&int(6)]),
                &der(0xa9, &[&text("EXAMPLE.ORG")]),
                &der(0xaa, &[&name(2, &["krbtgt", "EXAMPLE.ORG"])]),
            ],
        )],
    );
    let mut packets = mail;
    packets.extend([udp(true, 88, &request), udp(false, 88, &error)]);
    let packets = in_order(packets);
    let lab = Lab::new();
    let capture = lab.write("made.pcap", &pcap(&packets, Pcap::Micro, false));
    lab.ingest(&[capture.as_path(), std::path::Path::new("lateral_smb/lateral_smb.pcap")]).expect_code(0);
    let to = lab.path("zeek");
    lab.run(&["export", "--format", "zeek", "-o", to.to_str().unwrap()]).expect_code(0);
    let mails = zeek(&to.join("smtp.log"));
    assert_eq!(mails.len(), 1);
    for (field, value) in [
        ("id.resp_p", "25"),
        ("helo", "client.example.net"),
        ("mailfrom", "alice@example.net"),
        ("rcptto", "bob@example.org"),
        ("subject", "Figures"),
    ] {
        assert_eq!(mails[0][field], value, "{field}: {:?}", mails[0]);
    }
    let tickets = zeek(&to.join("kerberos.log"));
    assert_eq!(tickets.len(), 1);
    for (field, value) in [
        ("request_type", "AS"),
        ("client", "alice/EXAMPLE.ORG"),
        ("service", "krbtgt/EXAMPLE.ORG"),
        ("success", "F"),
        ("error_msg", "KDC_ERR_C_PRINCIPAL_UNKNOWN"),
    ] {
        assert_eq!(tickets[0][field], value, "{field}: {:?}", tickets[0]);
    }
    let shares: BTreeSet<String> =
        zeek(&to.join("smb_mapping.log")).iter().map(|r| r["path"].clone()).collect();
    let stored =
        lab.csv("SELECT DISTINCT share FROM smb WHERE command = 'tree_connect' AND share IS NOT NULL");
    for share in stored.lines().skip(1) {
        // Zeek writes a backslash as two.
        let share = share.replace('\\', "\\\\");
        assert!(shares.contains(&share), "{share}: {shares:?}");
    }
    let eve = lab.path("eve");
    lab.run(&["export", "--format", "eve", "-o", eve.to_str().unwrap()]).expect_code(0);
    let events: Vec<serde_json::Value> = std::fs::read_to_string(eve.join("eve.json"))
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let of = |kind: &str| events.iter().filter(|e| e["event_type"] == kind).collect::<Vec<_>>();
    let (smtp, krb5) = (of("smtp")[0], of("krb5")[0]);
    assert_eq!(smtp["smtp"]["mail_from"], "<alice@example.net>", "{smtp}");
    assert_eq!(smtp["smtp"]["rcpt_to"][0], "<bob@example.org>", "{smtp}");
    assert_eq!(smtp["email"]["subject"], "Figures");
    assert_eq!(krb5["krb5"]["msg_type"], "KRB_ERROR", "{krb5}");
    assert_eq!(krb5["krb5"]["failed_request"], "KRB_AS_REQ");
    assert_eq!(krb5["krb5"]["error_code"], "KDC_ERR_C_PRINCIPAL_UNKNOWN");
    assert!(of("smb").iter().any(|e| e["smb"]["command"] == "SMB2_COMMAND_TREE_CONNECT"), "{:?}", of("smb"));
}
