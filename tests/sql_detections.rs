//! Do the detections in SQL run over real captures, and does a user's own rule become a detector?
//!
//! What each of them finds and leaves alone is tried beside the store (`src/store/detections/shipped.rs`) with the cases in `tests/detections/`.

use crate::support::{Lab, all_samples, root};
use std::path::PathBuf;

/// A rule as a user would write it.
const OWN: &str = "-- name: my_hosts\n-- question: Which hosts began flows?\n-- why: To see that it works.\n-- kind: new_device\n\
    -- params:\n--   min_flows number 1 Flows, at least; one is enough here.\n\
    SELECT min(first_ts) AS first_ts, max(last_ts) AS last_ts, src_ip, count(*) AS count FROM flows\n\
    WHERE capture_id = $capture::BIGINT GROUP BY src_ip HAVING count(*) >= $min_flows::BIGINT;\n";

fn shipped() -> usize {
    let entries = std::fs::read_dir(root().join("queries/detections")).unwrap();
    entries.filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "sql")).count()
}

#[test]
fn all_run_over_real_captures_and_say_the_same_again() {
    let lab = Lab::new();
    // A few of each kind: all samples are read by other tests, and reading takes longest.
    let wanted = [
        "web",
        "dns",
        "tls",
        "lan",
        "dga",
        "beacon_jitter",
        "dns_tunnel_iodine",
        "cleartext_login",
        "exe_download",
    ];
    let captures: Vec<PathBuf> =
        all_samples().into_iter().filter(|s| wanted.contains(&s.name.as_str())).map(|s| s.capture).collect();
    let read = lab.ingest(&captures).expect_codes(&[0, 3]);
    assert!(!read.stderr.contains("queries/"), "{}", read.stderr);
    let errors = lab.value(
        "SELECT count(*) FROM detector_runs WHERE parameters LIKE '%\"error\"%' OR duration_s IS NULL",
    );
    assert_eq!(errors, "0", "{}", lab.csv("FROM detector_runs WHERE parameters LIKE '%\"error\"%'"));
    let ran =
        lab.value("SELECT count(DISTINCT detector) FROM detector_runs WHERE parameters NOT LIKE '%evicted%'");
    assert!(ran.parse::<usize>().unwrap() >= shipped(), "{ran} ran");

    let all = "SELECT detector, kind, severity, confidence, src_ip, dst_ip, count, title, details FROM anomalies ORDER BY ALL";
    let before = lab.csv(all);
    lab.run(&["detect", "--format", "csv"]).expect_code(0);
    assert_eq!(lab.csv(all), before, "a second run finds the same");
    lab.run(&["detect", "--dry-run", "--format", "csv", "-p", "min_score=0.1", "-p", "min_connections=2"])
        .expect_code(0);
    assert_eq!(lab.csv(all), before, "a rehearsal writes nothing");
}

#[test]
fn a_rule_of_ones_own_is_a_detector() {
    let lab = Lab::new();
    lab.run(&["init"]).expect_code(0);
    let folder = lab.path("rules");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("my_hosts.sql"), OWN).unwrap();
    std::fs::write(
        folder.join("bad.sql"),
        OWN.replace("my_hosts", "bad").replace("new_device", "new_devise"),
    )
    .unwrap();
    std::fs::write(
        folder.join("wrong.sql"),
        OWN.replace("my_hosts", "wrong").replace("FROM flows", "FROM flow"),
    )
    .unwrap();
    let set = format!("detect.folder={}", folder.display());
    let sample = all_samples().into_iter().next().unwrap().capture;
    let read = lab
        .run(&["--set".as_ref(), set.as_ref(), "ingest".as_ref(), sample.as_os_str()])
        .expect_codes(&[0, 3]);
    assert!(read.stderr.contains("bad.sql: line 4 of the header: no kind of finding"), "{}", read.stderr);
    assert!(read.stderr.contains("wrong.sql: line 7"), "{}", read.stderr);
    let found = |sql: &str| lab.value(sql).parse::<u64>().unwrap();
    let mine = found("SELECT count(*) FROM anomalies WHERE detector = 'my_hosts'");
    assert!(mine > 0 && found("SELECT count(*) FROM flows") > 0);

    // Asked again with another number, what no longer holds goes.
    let asked = lab.run(&["--set", &set, "detect", "my_hosts", "-p", "min_flows=100000"]).expect_code(0);
    assert!(asked.stderr.contains("no longer hold"), "{}", asked.stderr);
    assert_eq!(found("SELECT count(*) FROM anomalies WHERE detector = 'my_hosts'"), 0);
    let listed = lab.run(&["--set", &set, "detectors"]).expect_code(0);
    assert!(listed.stdout.contains("my_hosts") && listed.stdout.contains("beacon"), "{}", listed.stdout);
    assert!(
        lab.run(&["--set", &set, "detectors", "my_hosts"]).expect_code(0).stdout.contains("min_flows = 1")
    );
}

#[test]
fn what_cannot_be_meant_is_told() {
    let lab = Lab::new();
    lab.run(&["init"]).expect_code(0);
    let unknown = lab.run(&["detect", "beacn"]).expect_code(1);
    assert!(unknown.stderr.contains("Did you mean beacon?"), "{}", unknown.stderr);
    let param = lab.run(&["detect", "beacon", "-p", "min_scor=1"]).expect_code(2);
    assert!(param.stderr.contains("Did you mean min_score?"), "{}", param.stderr);
    lab.run(&["detect", "beacon", "-p", "min_score=much"]).expect_code(2);
    lab.run(&["detect", "--since", "yesterday"]).expect_code(2);
    lab.run(&["detect", "--threshold", "0"]).expect_code(2);
    lab.run(&["detect", "--capture", "5"]).expect_code(1);
    lab.run(&["--set", "detect.beacon.min_score=0.9", "detect", "beacon"]).expect_code(0);
    lab.run(&["--set", "detect.beacon.min_scor=0.9", "detect", "beacon"]).expect_code(2);
}

#[test]
fn files_are_hashed_by_md5_while_a_list_of_such_is_there() {
    let lab = Lab::new();
    let sample = "lateral_smb/lateral_smb.pcap";
    let hashes = |lab: &Lab| {
        lab.csv("SELECT DISTINCT md5, sha1 FROM files WHERE name = 'PSEXESVC.exe' AND sha256 IS NOT NULL")
    };
    lab.run(&["--set", "protocol.old_hashes=true", "ingest", sample]).expect_code(0);
    let wanted = hashes(&lab);
    let md5 = wanted.lines().nth(1).and_then(|l| l.split(',').next()).unwrap().to_owned();
    assert_eq!(md5.len(), 32, "{wanted}");

    let lab = Lab::new();
    lab.ingest(&[sample]).expect_code(0);
    assert_eq!(hashes(&lab), "md5,sha1\n,\n", "nobody asked");
    let list = lab.write("feed.csv", format!("md5,signature\n{md5},PsExec\n").as_bytes());
    let told = lab.run(&["intel", "add", list.to_str().unwrap()]).expect_code(0);
    assert!(told.stderr.contains("from now on"), "{}", told.stderr);
    let found = "SELECT count(*) FROM anomalies WHERE kind = 'indicator_match'";
    assert_eq!(lab.value(found), "0", "what was read before has no such hash");
    lab.run(&["ingest", "--force", sample]).expect_code(0);
    assert_eq!((hashes(&lab), lab.value(found)), (wanted, "1".to_owned()));
}
