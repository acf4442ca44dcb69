//! Does a person get from a finding to what to do about it? The commands around findings, by hand as a user would.

use crate::support::Lab;

/// A lab with a scan and a quiet capture in it.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.ingest(&["scan_vertical_syn/scan_vertical_syn.pcap", "twin_retry/twin_retry.pcap"]).expect_code(0);
    lab
}

fn id_of(lab: &Lab, kind: &str) -> String {
    lab.value(&format!("SELECT anomaly_id FROM anomalies WHERE kind = '{kind}'"))
}

#[test]
fn ingest_tells_what_it_found_and_fails_when_asked_to() {
    let scan = "scan_vertical_syn/scan_vertical_syn.pcap";
    let lab = Lab::new();
    let outcome = lab.ingest(&[scan]).expect_code(0);
    assert!(
        outcome.stdout.contains("findings  1 medium") || outcome.stdout.contains("findings  1 high"),
        "{}",
        outcome.stdout
    );
    let lab = Lab::new();
    lab.run(&["ingest", "--fail-on", "medium", scan]).expect_code(4);
    let lab = Lab::new();
    lab.run(&["ingest", "--fail-on", "critical", scan]).expect_code(0);
    lab.run(&["ingest", "--threshold", "0", scan]).expect_code(2);
}

#[test]
fn findings_are_listed_filtered_and_explained() {
    let lab = lab();
    let list = lab.run(&["anomalies", "--format", "csv"]).expect_code(0);
    assert!(list.stdout.starts_with("severity,confidence,kind,title,"), "{}", list.stdout);
    assert!(list.stdout.contains("port_scan_vertical"), "{}", list.stdout);
    let none = lab.run(&["anomalies", "--format", "csv", "--host", "192.0.2.99"]).expect_code(0);
    assert_eq!(none.stdout.lines().count(), 1, "{}", none.stdout);
    lab.run(&["anomalies", "--fail-on", "low"]).expect_code(4);
    let id = id_of(&lab, "port_scan_vertical");
    let page = lab.run(&["anomalies", "show", &id]).expect_code(0).stdout;
    for part in [
        "198.51.100.66",
        "Why",
        "threshold",
        "Flows behind it",
        "What else looks like this",
        "What to do next",
    ] {
        assert!(page.contains(part), "no {part} in\n{page}");
    }
    let json = lab.run(&["anomalies", "show", &id, "--format", "json"]).expect_code(0).stdout;
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}\n{json}"));
    assert!(parsed["reasons"].as_array().is_some_and(|r| !r.is_empty()), "{json}");
    lab.run(&["anomalies", "show", "1"]).expect_code(1).expect_said("no finding 1");
}

#[test]
fn what_a_person_said_stays() {
    let lab = lab();
    let id = id_of(&lab, "port_scan_vertical");
    lab.run(&["anomalies", "set", &id, "false-positive"]).expect_code(0);
    let list = lab.run(&["anomalies", "--format", "csv"]).expect_code(0);
    assert!(!list.stdout.contains(&id), "dismissed, and still listed");
    assert!(lab.run(&["anomalies", "--all", "--format", "csv"]).expect_code(0).stdout.contains(&id));
    lab.run(&["ingest", "--force", "scan_vertical_syn/scan_vertical_syn.pcap"]).expect_code(0);
    assert_eq!(lab.value(&format!("SELECT status FROM anomalies WHERE anomaly_id = {id}")), "false_positive");
    lab.run(&["anomalies", "set", "1", "open"]).expect_code(1).expect_said("no finding 1");
}

#[test]
fn what_is_meant_to_be_is_kept_and_marked() {
    let scan = "scan_vertical_syn/scan_vertical_syn.pcap";
    let lab = Lab::new();
    let rule = "detect.expected=[\"port_scan_* from 198.51.100.0/24\"]";
    let outcome = lab.run(&["--set", rule, "ingest", "--fail-on", "medium", scan]).expect_code(0);
    assert!(outcome.stdout.contains("(1 more as expected"), "{}", outcome.stdout);
    let listed = |more: &[&str]| {
        let args: Vec<&str> = ["anomalies", "--format", "csv"].iter().chain(more).copied().collect();
        lab.run(&args).expect_code(0).stdout.contains("port_scan_vertical")
    };
    assert!(!listed(&[]));
    assert!(listed(&["--all"]));
    let status = "SELECT status FROM anomalies WHERE kind = 'port_scan_vertical'";
    assert_eq!(lab.value(status), "expected");
    let report = lab.run(&["report", "summary"]).expect_code(0).stdout;
    assert!(
        report.split_whitespace().collect::<Vec<_>>().join(" ").contains("(detect.expected): 1 finding"),
        "{report}"
    );
    // Nor is it a notice of Zeek's or an alert of Suricata's.
    let exported = |format: &str, file: &str| {
        let to = lab.path(&format!("{format}-{}", lab.value(status)));
        lab.run(&["export", "--format", format, "-o", to.to_str().unwrap()]).expect_code(0);
        std::fs::read_to_string(to.join(file)).unwrap_or_default().contains("198.51.100.66 tried ")
    };
    assert!(!exported("zeek", "notice.log") && !exported("eve", "eve.json"));
    // Without the rule it is open again, and a person's word is stronger than the rule.
    lab.run(&["ingest", "--force", scan]).expect_code(0);
    assert_eq!(lab.value(status), "open");
    assert!(exported("zeek", "notice.log") && exported("eve", "eve.json"));
    let id = id_of(&lab, "port_scan_vertical");
    lab.run(&["anomalies", "set", &id, "acknowledged"]).expect_code(0);
    lab.run(&["--set", rule, "ingest", "--force", scan]).expect_code(0);
    assert_eq!(lab.value(status), "acknowledged");
    for (wrong, why) in [("*", "covers everything"), ("port_scn_*", "a kind that does not exist")] {
        let rule = format!("detect.expected=[\"{wrong}\"]");
        lab.run(&["--set", &rule, "anomalies"]).expect_code(2).expect_said(why);
    }
}

#[test]
fn detectors_explain_themselves() {
    let lab = Lab::new();
    let list = lab.run(&["detectors"]).expect_code(0).stdout;
    assert!(list.contains("port_scan ") && list.contains("beacon "), "{list}");
    for name in list.lines().filter_map(|l| l.split_whitespace().next()) {
        let page = lab.run(&["detectors", name]).expect_code(0).stdout;
        assert!(page.contains("What else looks like this") && page.contains("References"), "{name}:\n{page}");
    }
    lab.run(&["detectors", "port_scann"]).expect_code(1).expect_said("port_scan");
}
