//! Is found what a sample shows, and nothing where nothing is?
//!
//! ORIGIN.md of each sample says it: `| finding | kind from A to B (why) |`, or `none of medium or above` for an innocent twin.

use crate::support::{Lab, Sample, all_samples};

/// What a sample must show.
#[derive(Debug)]
struct Expected {
    kind: String,
    src: Option<String>,
    dst: Option<String>,
}

/// The address behind a word, when one plain address stands there.
fn address(text: &str, word: &str) -> Option<String> {
    let rest = text.split_once(&format!(" {word} "))?.1;
    let first = rest.split([' ', ',']).next()?;
    first.parse::<std::net::IpAddr>().ok().map(|ip| ip.to_string())
}

fn expected(line: &str) -> Option<Expected> {
    let (_, rest) = line.split_once('`')?;
    let (kind, rest) = rest.split_once('`')?;
    let rest = rest.split_once('(').map_or(rest, |(before, _)| before);
    Some(Expected { kind: kind.to_owned(), src: address(rest, "from"), dst: address(rest, "to") })
}

fn check(sample: &Sample, lines: &[String]) -> Vec<String> {
    let lab = Lab::new();
    lab.ingest(&[&sample.capture]).expect_codes(&[0, 3]);
    let found = lab
        .csv("SELECT kind, severity, src_ip, dst_ip, title FROM anomalies ORDER BY severity_rank DESC, kind");
    let mut problems = Vec::new();
    for line in lines {
        let Some(e) = expected(line) else {
            assert!(
                line.starts_with("none"),
                "samples/{}: a finding that nobody can read: {line}",
                sample.name
            );
            let loud = lab.csv("SELECT kind, severity, title FROM anomalies WHERE severity_rank >= 3");
            if loud.lines().count() > 1 {
                problems.push(format!("samples/{}: must stay quiet, but\n{loud}", sample.name));
            }
            continue;
        };
        // Either end may be the one a detector names first where many are on the other side.
        let ends: Vec<String> = [&e.src, &e.dst]
            .into_iter()
            .flatten()
            .map(|a| format!("src_ip = '{a}' OR dst_ip = '{a}'"))
            .collect();
        let ends = if ends.is_empty() { "true".to_owned() } else { ends.join(" OR ") };
        let n = lab.value(&format!("SELECT count(*) FROM anomalies WHERE kind = '{}' AND ({ends})", e.kind));
        if n == "0" {
            problems.push(format!("samples/{}: {} was not found; found was\n{found}", sample.name, e.kind));
        }
        if n.parse::<u32>().unwrap() > 12 {
            problems
                .push(format!("samples/{}: {n} findings of {} should be few that grow", sample.name, e.kind));
        }
    }
    problems
}

#[test]
fn every_sample_finds_what_it_shows_and_no_more() {
    let mut problems = Vec::new();
    let mut checked = 0;
    for sample in all_samples() {
        let lines = sample.facts("finding");
        checked += lines.len();
        problems.extend(check(&sample, &lines));
    }
    assert!(checked > 0, "no sample says what it shows");
    assert!(problems.is_empty(), "{} of {checked} wrong:\n{}", problems.len(), problems.join("\n\n"));
}

#[test]
fn lines_of_origin_md_are_understood() {
    let e = expected("`port_scan_vertical` from 198.51.100.66 to 10.20.0.20 (from 1 to 200)").unwrap();
    assert_eq!(
        (e.kind.as_str(), e.src.as_deref(), e.dst.as_deref()),
        ("port_scan_vertical", Some("198.51.100.66"), Some("10.20.0.20"))
    );
    let e = expected("`host_sweep` from 198.51.100.101-115 to many").unwrap();
    assert_eq!((e.src, e.dst), (None, None));
    assert!(expected("none of medium or above").is_none());
}
