//! Do `analyze` and `hosts` say what the tables say?
//!
//! Its numbers are compared with plain SQL over samples, its comparison with what is known of two samples.

use crate::support::Lab;
use crate::support::rows::Csv;

/// One column of the lines of a section.
fn column(csv: &Csv, section: &str, name: &str) -> Vec<String> {
    let at = csv.header.iter().position(|h| h == name).unwrap();
    csv.rows.iter().filter(|r| r[0] == section).map(|r| r[at].clone()).collect()
}

fn sum(values: &[String]) -> u64 {
    values.iter().map(|v| v.parse::<u64>().unwrap()).sum()
}

#[test]
fn numbers_are_those_of_the_tables() {
    let lab = Lab::new();
    lab.ingest(&["lan/lan.pcap", "web/web.pcap", "scan_vertical_syn/scan_vertical_syn.pcap"]).expect_code(0);
    for by in ["bytes", "flows", "packets"] {
        let csv = Csv::parse(
            &lab.run(&["analyze", "--top", "0", "--format", "csv", "--by", by]).expect_code(0).stdout,
        );
        let bytes: u64 =
            lab.value("SELECT sum(src_ip_bytes + dst_ip_bytes)::UBIGINT FROM flows").parse().unwrap();
        let flows: u64 = lab.value("SELECT count(*) FROM flows").parse().unwrap();
        // Each of these splits all flows.
        for section in
            ["overview", "timeline", "directions", "protocols", "services", "pairs", "sizes", "durations"]
        {
            assert_eq!(sum(&column(&csv, section, "bytes")), bytes, "{section} by {by}");
            assert_eq!(sum(&column(&csv, section, "flows")), flows, "{section} by {by}");
        }
        let names = lab.csv("SELECT DISTINCT coalesce(domain, hostname) AS n FROM flows WHERE hostname IS NOT NULL ORDER BY n");
        let mut named = column(&csv, "names", "label");
        named.sort();
        assert_eq!(named, names.lines().skip(1).collect::<Vec<_>>());
        let most = lab.value(&format!(
            "SELECT ip FROM (SELECT src_ip AS ip, src_ip_bytes + dst_ip_bytes AS bytes, src_packets + dst_packets AS packets, 1 AS flows FROM flows
             UNION ALL SELECT dst_ip, src_ip_bytes + dst_ip_bytes, src_packets + dst_packets, 1 FROM flows) GROUP BY ip ORDER BY sum({by}) DESC, ip LIMIT 1"
        ));
        assert_eq!(column(&csv, "talkers", "label").first(), Some(&most), "by {by}");
    }
}

#[test]
fn a_period_and_its_rest_make_the_whole() {
    let lab = Lab::new();
    lab.ingest(&["lan/lan.pcap"]).expect_code(0);
    let middle = lab.value(
        "SELECT make_timestamp_ns((epoch_ns(min(first_ts)) + epoch_ns(max(first_ts))) // 2) FROM flows",
    );
    let flows = |args: &[&str]| {
        let all: Vec<&str> =
            ["analyze", "talkers", "--format", "csv", "--top", "0"].iter().chain(args).copied().collect();
        let csv = Csv::parse(&lab.run(&all).expect_code(0).stdout);
        (sum(&column(&csv, "overview", "flows")), sum(&column(&csv, "talkers", "bytes")))
    };
    let (all, before, after) = (flows(&[]), flows(&["--until", &middle]), flows(&["--since", &middle]));
    assert!(before.0 > 0 && after.0 > 0);
    assert_eq!((before.0 + after.0, before.1 + after.1), all, "the rollup and the flows agree");
}

#[test]
fn what_is_new_against_another_capture() {
    let lab = Lab::new();
    lab.ingest(&["lan/lan.pcap", "scan_vertical_syn/scan_vertical_syn.pcap"]).expect_code(0);
    let args = [
        "analyze",
        "--capture",
        "scan_vertical_syn.pcap",
        "--against",
        "lan.pcap",
        "--top",
        "0",
        "--format",
        "csv",
    ];
    let csv = Csv::parse(&lab.run(&args).expect_code(0).stdout);
    let new: Vec<&str> = csv
        .rows
        .iter()
        .filter(|r| r[0].ends_with("_hosts") && r[1] == "new")
        .map(|r| r[2].as_str())
        .collect();
    let wanted = lab.csv(
        "SELECT DISTINCT f.ip FROM host_facts f JOIN captures c USING (capture_id) WHERE path LIKE '%scan_vertical_syn.pcap'
           AND ip NOT IN (SELECT ip FROM host_facts JOIN captures USING (capture_id) WHERE path LIKE '%lan.pcap') ORDER BY ip",
    );
    let (mut new, wanted): (Vec<&str>, Vec<&str>) = (new, wanted.lines().skip(1).collect());
    new.sort_unstable();
    assert_eq!(new, wanted);
    let text = lab
        .run(&["analyze", "--capture", "scan_vertical_syn.pcap", "--against", "lan.pcap"])
        .expect_code(0)
        .stdout;
    assert!(text.contains("against lan.pcap") && text.contains("+ 198.51.100.66"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours in a pipe");
}

#[test]
fn wrong_words_get_near_ones() {
    let lab = Lab::new();
    lab.ingest(&["scan_vertical_syn/scan_vertical_syn.pcap"]).expect_code(0);
    for (args, said) in [
        (vec!["analyze", "servics"], "Did you mean services?"),
        (vec!["analyze", "--capture", "scan_vertical_sin.pcap"], "Did you mean scan_vertical_syn.pcap?"),
        (vec!["analyze", "--since", "yesterday"], "is not a time"),
        (vec!["analyze", "--against", "1..2"], "is not a period"),
    ] {
        let outcome = lab.run(&args).expect_code(2);
        assert!(outcome.stderr.contains(said), "{args:?}: {}", outcome.stderr);
    }
}

#[test]
fn a_host_on_one_screen() {
    let lab = Lab::new();
    lab.ingest(&["mining_stratum/mining_stratum.pcap", "web/web.pcap"]).expect_code(0);
    let text = lab.run(&["hosts", "10.20.0.10"]).expect_code(0).stdout;
    for part in [
        "Host 10.20.0.10",
        "What is known of it",
        "mines for the pool",
        "Traffic over time",
        "received  ",
        "Services it uses",
        "Whom it exchanges most with",
        "KiB",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&lab.run(&["hosts", "10.20.0.10", "--format", "json"]).expect_code(0).stdout)
            .unwrap();
    let sum = |column: &str| {
        json["traffic"].as_array().unwrap().iter().map(|r| r[column].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(
        Some(sum("bytes_out")),
        json["host"][0]["bytes_out"].as_u64(),
        "the steps are all of its traffic"
    );
    assert_eq!(Some(sum("bytes_in")), json["host"][0]["bytes_in"].as_u64());
    assert_eq!(json["findings"][0]["severity"], "high");
    let by_name = lab.run(&["hosts", "Pool.Example.NET."]).expect_code(0).stdout;
    assert!(by_name.starts_with("Host 203.0.113.60\n"), "{by_name}");
    lab.run(&["hosts", "nobody.example"]).expect_code(1).expect_said("no host is called nobody.example");
}
