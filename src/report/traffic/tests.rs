//! Do the statistics add up? Flows with known numbers in, the same numbers out, in every form and at every width.

use super::*;
use crate::store::{Reader, Store, StoreConfig};
use std::path::PathBuf;
use unicode_width::UnicodeWidthStr;

/// An empty database that goes with the test.
struct Lab(PathBuf);

impl Lab {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("secnetmon-traffic-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Store::create_if_missing(&folder.join("x.duckdb")).unwrap();
        Self(folder)
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.0.join("x.duckdb"), &StoreConfig::default(), &[]).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn statistics() -> Statistics {
    let volume = |n: u64| Volume { flows: n, packets: 10 * n, sent: 100 * n, received: 300 * n };
    let row = |label: &str, n| Row {
        label: label.into(),
        note: "a note of some length, for the end".into(),
        volume: volume(n),
    };
    let ranking = |name, measure| Ranking {
        name,
        title: "Some heading",
        measure,
        rows: vec![
            row("tls", 7_000_000),
            row("a-very-long-name-that-someone-chose.example.org", 12),
            row("日本語日本語日本語日本語日本語", 1),
        ],
        more: 3,
    };
    let step = |i: i64| Interval { begin: Timestamp(i * 60_000_000_000), volume: volume(i as u64 % 7) };
    Statistics {
        overview: Overview {
            first: Some(Timestamp(0)),
            last: Some(Timestamp(7_200_000_000_000)),
            volume: volume(7_000_013),
            captures: 2,
            hosts: 9,
            internal_hosts: 4,
            unseen_packets: 77,
        },
        timeline: (0..30).map(step).collect(),
        interval_s: 60,
        hours: Some([volume(1); 24]),
        rankings: vec![
            ranking("talkers", Measure::Bytes),
            ranking("states", Measure::Flows),
            ranking("sizes", Measure::Packets),
        ],
    }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in 48..160 {
        let text = statistics_text(
            &statistics(),
            "everything",
            Look { width, colour: false, measure: Measure::Bytes },
        );
        for line in text.lines() {
            assert!(line.width() <= width, "{width}: {line:?} has {}", line.width());
            assert_eq!(line.trim_end(), line, "{width}");
        }
        assert!(text.contains("tls") && text.contains('█'), "{width}: {text}");
    }
}

#[test]
fn every_form_holds_every_line() {
    let s = statistics();
    let csv = s.csv();
    assert_eq!(csv.lines().count(), 1 + 1 + 30 + 24 + 9, "{csv}");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let sum: u64 = reader
        .records()
        .map(|r| r.unwrap())
        .filter(|r| &r[0] == "timeline")
        .map(|r| r[5].parse::<u64>().unwrap())
        .sum();
    assert_eq!(sum, s.timeline.iter().map(|i| i.volume.bytes()).sum::<u64>());
    assert_eq!(s.ndjson().lines().count(), csv.lines().count() - 1);
    let json = s.json();
    assert_eq!(json["talkers"]["rows"][1]["volume"]["bytes"], 4_800);
    assert_eq!(json["hours"].as_array().map(Vec::len), Some(24));
    let markdown = s.markdown("a|b");
    assert!(markdown.starts_with("# a\\|b\n") && markdown.contains("| tls |"), "{markdown}");
}

#[test]
fn nothing_is_no_trouble() {
    let lab = Lab::new("empty");
    let reader = lab.reader();
    let scope = Scope::resolve(&Asked::default(), &reader).unwrap();
    let s = ask(&reader, &scope, &[], Measure::Bytes, 10, 60).unwrap();
    assert_eq!(
        (s.overview.volume, s.timeline.len(), s.rankings.iter().map(|r| r.rows.len()).sum::<usize>()),
        (Volume::default(), 0, 0)
    );
    let look = Look { width: 80, colour: false, measure: Measure::Bytes };
    assert_eq!(statistics_text(&s, scope.name(), look), "everything: no flows\n");
    let period = Scope::other("2024-01-01..", &Asked::default(), &reader).unwrap();
    let c = compare(&reader, &scope, &period, 5).unwrap();
    assert!(c.kinds.iter().all(|k| k.new.is_empty() && k.gone.is_empty() && k.changed.is_empty()));
    assert!(changes_text(&c, look).contains("against 2024-01-01T00:00:00Z..: no flows"));
}

#[test]
fn words_that_mean_nothing_are_said() {
    let lab = Lab::new("words");
    let reader = lab.reader();
    let error = |word: &str| Scope::other(word, &Asked::default(), &reader).unwrap_err().to_string();
    assert!(error("x.pcap").contains("no capture \"x.pcap\""));
    assert!(error("..").contains("is not a period"));
    assert!(error("today..tomorrow").contains("is not a period"));
    let sensor = Asked { sensor: Some("x' OR true --".into()), ..Asked::default() };
    assert!(Scope::resolve(&sensor, &reader).unwrap_err().to_string().contains("no capture of a sensor"));
}

#[test]
fn every_measure_and_section_is_asked() {
    let lab = Lab::new("sections");
    let reader = lab.reader();
    for measure in [Measure::Bytes, Measure::Packets, Measure::Flows] {
        for section in SECTIONS {
            for asked in [Asked::default(), Asked { since: Some(Timestamp(5)), ..Asked::default() }] {
                let scope = Scope::resolve(&asked, &reader).unwrap();
                let s = ask(&reader, &scope, &[section.name.to_owned()], measure, 3, 60).unwrap();
                let ranked = !matches!(section.name, "timeline" | "hours");
                assert_eq!(s.rankings.len(), usize::from(ranked), "{}", section.name);
            }
        }
    }
}
