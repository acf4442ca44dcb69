//! What was read, what was found, what was lost?
//!
//! The account at the end of `ingest`: per capture a few lines, then totals, the top services and oddities, and what to
//! ask next. Everything that was lost has a line; nothing lost, no line.

use super::anomalies;
use super::output::{self, grouped, plural, size};
use super::progress::per_second;
use super::{Context, Exit};
use crate::detect::Expected;
use crate::engine::sink::CaptureSummary;
use crate::model::anomaly::{LISTED, Severity};
use crate::model::ids::CaptureId;
use crate::model::ledger::Stop;
use crate::model::text::printable;
use crate::store::Reader;
use crate::store::arrow::array::AsArray;
use crate::store::arrow::datatypes::Int64Type;
use anyhow::Result;
use std::fmt::Write as _;
use std::time::Duration;

/// Services and oddities shown.
const TOP: usize = 8;
/// Findings shown.
const FINDINGS_SHOWN: usize = 10;
/// Local networks named before the rest is counted.
const NETS_SHOWN: usize = 4;

/// Totals over all captures of one command.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) known: u64,
    no_captures: u64,
    pub(super) failed: u64,
    stored: Vec<CaptureId>,
    packets: u64,
    bytes: u64,
    flows: u64,
    weirds: u64,
}

impl Account {
    /// Begin with what the plan already left out: files in folders that are no captures, paths that cannot be read.
    pub(super) fn new(no_captures: u64, failed: u64) -> Self {
        Self { no_captures, failed, ..Self::default() }
    }

    /// A capture was stored.
    pub(super) fn count(&mut self, id: CaptureId, s: &CaptureSummary) {
        self.stored.push(id);
        self.packets += s.ledger.packets();
        self.bytes += s.wire_bytes;
        self.flows += s.flows;
        self.weirds += s.weird_count;
    }

    /// The end of the account. The database must be closed for writing.
    ///
    /// With `fail_on` the exit tells whether something at or above it was found.
    pub(super) fn finish(&self, cx: &Context, took: Duration, fail_on: Option<Severity>) -> Result<Exit> {
        let mut out = String::new();
        let mut exit = Exit::Done;
        let mut first = None;
        if !self.stored.is_empty() {
            // Opened anew: the answers come from what is on the disk.
            let reader = Reader::open(&cx.database(), &cx.settings.store.reading(), &[])?;
            self.top(&reader, cx, &mut out, "services", "coalesce(service, 'unknown')", "flows")?;
            self.top(&reader, cx, &mut out, "weirds", "kind", "weirds")?;
            first = self.findings(&reader, cx, &mut out)?;
            if let Some(least) = fail_on {
                exit = anomalies::found(&reader, cx, &self.ours(), &Vec::new(), least)?;
            }
            let secs = took.as_secs_f64();
            let _ = writeln!(
                out,
                "read {}: {}, {} on the wire, {} in {secs:.1} s ({})",
                plural(self.stored.len() as u64, "capture"),
                plural(self.packets, "packet"),
                size(self.bytes),
                plural(self.flows, "flow"),
                per_second(self.packets as f64 / secs.max(0.001)),
            );
        }
        output::tell(&out, &cx.env)?;
        let mut left = Vec::new();
        for (n, what) in [
            (self.known, "already in the database"),
            (self.no_captures, "in folders are no captures"),
            (self.failed, "could not be read"),
        ] {
            if n > 0 {
                left.push(format!("{} {what}", plural(n, "file")));
            }
        }
        if !left.is_empty()
            && (self.no_captures > 0 || self.known + self.failed > 1 || !self.stored.is_empty())
        {
            output::say(&left.join(", "));
        }
        if !self.stored.is_empty() {
            let weird = if self.weirds > 0 { ", secnetmon query weirds" } else { "" };
            let first = first.map(|id| format!("secnetmon anomalies show {id}, ")).unwrap_or_default();
            output::say(&format!(
                "next: {first}secnetmon report, secnetmon hosts, secnetmon flows, secnetmon query top_talkers{weird} (query --list shows all)"
            ));
        }
        Ok(exit)
    }

    /// The captures of this command, as a condition.
    fn ours(&self) -> String {
        let ids: Vec<String> = self.stored.iter().map(|id| id.0.to_string()).collect();
        format!("capture_id IN ({})", ids.join(", "))
    }

    /// How many findings of each severity, and the most urgent ones. The number of the very first.
    fn findings(&self, reader: &Reader, cx: &Context, out: &mut String) -> Result<Option<String>> {
        let limits = cx.settings.query.limits();
        let sql = format!(
            "SELECT severity, title, anomaly_id::VARCHAR AS id, round(confidence, 2)::VARCHAR AS sure, count(*) OVER (PARTITION BY severity) AS n
             FROM anomalies WHERE {} AND {LISTED}
             ORDER BY severity_rank DESC, score DESC, first_ts, anomaly_id",
            self.ours()
        );
        let mut counts: Vec<(String, i64)> = Vec::new();
        let mut lines = Vec::new();
        let mut first = None;
        for batch in reader.query(&sql, &[], &limits)? {
            let batch = batch?;
            let text = |name: &str| batch.column_by_name(name).and_then(|c| c.as_string_opt::<i32>());
            let n = batch.column_by_name("n").and_then(|c| c.as_primitive_opt::<Int64Type>());
            let (Some(severity), Some(title), Some(id), Some(sure), Some(n)) =
                (text("severity"), text("title"), text("id"), text("sure"), n)
            else {
                continue;
            };
            for i in 0..batch.num_rows() {
                let word = severity.value(i);
                first.get_or_insert_with(|| id.value(i).to_owned());
                if counts.last().is_none_or(|(last, _)| last != word) {
                    counts.push((word.to_owned(), n.value(i)));
                }
                if lines.len() < FINDINGS_SHOWN {
                    let title = printable(title.value(i).as_bytes(), 160);
                    lines.push(format!(
                        "  {word:<9}{title} (confidence {}, ID {})",
                        sure.value(i),
                        id.value(i)
                    ));
                }
            }
        }
        let meant = self.meant(reader, cx)?;
        if counts.is_empty() {
            let _ = writeln!(out, "{:<10}none{meant}", "findings");
            return Ok(None);
        }
        let told: Vec<String> =
            counts.iter().map(|(s, n)| format!("{} {s}", grouped(n.unsigned_abs()))).collect();
        let _ = writeln!(out, "{:<10}{}{meant}", "findings", told.join(", "));
        for line in &lines {
            let _ = writeln!(out, "{line}");
        }
        let all: i64 = counts.iter().map(|(_, n)| n).sum();
        if all.unsigned_abs() as usize > lines.len() {
            let _ =
                writeln!(out, "  {} more: secnetmon anomalies", all.unsigned_abs() as usize - lines.len());
        }
        Ok(first)
    }

    /// How many findings are meant to be, where there are rules for that, in words.
    fn meant(&self, reader: &Reader, cx: &Context) -> Result<String> {
        if cx.settings.engine.detect.expected == Expected::default() {
            return Ok(String::new());
        }
        let sql = format!(
            "SELECT count(*)::VARCHAR AS n FROM anomalies WHERE {} AND status = 'expected'",
            self.ours()
        );
        let n = output::texts(&mut reader.query(&sql, &Vec::new(), &cx.settings.query.limits())?)?;
        Ok(match n.first().map(String::as_str) {
            None | Some("0") => String::new(),
            Some(n) => format!(" ({n} more as expected: secnetmon anomalies --all)"),
        })
    }

    /// One line of counts, most first.
    fn top(
        &self,
        reader: &Reader,
        cx: &Context,
        out: &mut String,
        title: &str,
        value: &str,
        table: &str,
    ) -> Result<()> {
        let sql = format!(
            "SELECT {value} AS name, count(*)::BIGINT AS n FROM {table} WHERE {} GROUP BY name ORDER BY n DESC, name",
            self.ours()
        );
        let mut all: Vec<(String, i64)> = Vec::new();
        for batch in reader.query(&sql, &[], &cx.settings.query.limits())? {
            let batch = batch?;
            let names = batch.column_by_name("name").and_then(|c| c.as_string_opt::<i32>());
            let counts = batch.column_by_name("n").and_then(|c| c.as_primitive_opt::<Int64Type>());
            if let (Some(names), Some(counts)) = (names, counts) {
                all.extend(names.iter().zip(counts).filter_map(|(k, n)| Some((k?.to_owned(), n?))));
            }
        }
        if all.is_empty() {
            return Ok(());
        }
        let mut shown: Vec<String> = all
            .iter()
            .take(TOP)
            .map(|(name, n)| format!("{} {}", printable(name.as_bytes(), 64), grouped(n.unsigned_abs())))
            .collect();
        if all.len() > TOP {
            shown.push(format!("{} more", all.len() - TOP));
        }
        let _ = writeln!(out, "{title:<10}{}", shown.join(", "));
        Ok(())
    }
}

/// What a person must know at once: damage, and what the capture itself lost.
pub(super) fn warnings(s: &CaptureSummary) -> Vec<String> {
    let mut out = Vec::new();
    for file in &s.ledger.files {
        if let Stop::NotKept { reason } = &file.stop {
            out.push(format!("{}: {reason}; all of it is in the database", file.path.display()));
        }
        if let Stop::Damaged { reason, offset } = &file.stop {
            out.push(format!(
                "{}: damaged at byte {}: {}; the {} before it are stored",
                file.path.display(),
                grouped(*offset),
                reason.trim_end_matches('.'),
                plural(file.packets, "packet"),
            ));
        }
    }
    out
}

/// The lines about one capture.
pub(super) fn capture(label: &str, s: &CaptureSummary) -> String {
    let mut out = String::new();
    let ledger = &s.ledger;
    let mut head = Vec::new();
    if let Some(file) = ledger.files.first() {
        let format = match file.compression {
            Some(c) => format!("{}, {c}", file.format),
            None => file.format.to_owned(),
        };
        head.push(format);
    }
    if ledger.files.len() > 1 {
        head.push(plural(ledger.files.len() as u64, "file"));
    }
    head.push(plural(ledger.packets(), "packet"));
    head.push(format!("{} on the wire", size(s.wire_bytes)));
    head.push(plural(s.flows, "flow"));
    let _ = writeln!(out, "{}: {}", printable(label.as_bytes(), label.len()), head.join(", "));
    if let (Some(first), Some(last)) = (s.first_ts, s.last_ts) {
        let _ = writeln!(out, "  time     {first} to {last} ({})", span(last.since(first)));
    }
    // Private ranges are what everybody takes for granted; all else is worth a line.
    if s.local_nets_source != "private" && !s.local_nets.is_empty() {
        let mut nets: Vec<String> = s.local_nets.iter().take(NETS_SHOWN).map(ToString::to_string).collect();
        if s.local_nets.len() > NETS_SHOWN {
            nets.push(format!("{} more", s.local_nets.len() - NETS_SHOWN));
        }
        let _ = writeln!(out, "  ours     {} ({})", nets.join(", "), s.local_nets_source);
    }
    let lost = lost(s);
    if !lost.is_empty() {
        let _ = writeln!(out, "  lost     {}", lost.join("; "));
    }
    let mut noted = Vec::new();
    if s.weird_count > 0 {
        noted.push(plural(s.weird_count, "weird"));
    }
    if s.out_of_order_packets > 0 {
        noted.push(format!("{} out of order", plural(s.out_of_order_packets, "packet")));
    }
    if ledger.filtered > 0 {
        noted.push(format!("{} left out by the filter", plural(ledger.filtered, "packet")));
    }
    if !noted.is_empty() {
        let _ = writeln!(out, "  noted    {}", noted.join("; "));
    }
    out
}

/// Everything that is not in the tables although it was on the wire.
fn lost(s: &CaptureSummary) -> Vec<String> {
    let mut out = Vec::new();
    for file in &s.ledger.files {
        match &file.stop {
            Stop::Damaged { offset, .. } => out.push(format!("all after byte {}", grouped(*offset))),
            Stop::Interrupted => out.push("all after it was stopped".to_owned()),
            Stop::Reading | Stop::End | Stop::NotKept { .. } => {}
        }
    }
    if s.truncated_packets > 0 {
        out.push(format!("{} cut by the snaplen", plural(s.truncated_packets, "packet")));
    }
    if s.unknown_link_packets > 0 {
        out.push(format!("{} of a link type without a decoder", plural(s.unknown_link_packets, "packet")));
    }
    let dropped: u64 = s.ledger.files.iter().flat_map(|f| &f.interfaces).filter_map(|i| i.dropped).sum();
    if dropped > 0 {
        out.push(format!("{} dropped while capturing", plural(dropped, "packet")));
    }
    for (name, n) in &s.caps_hit {
        out.push(format!("{} {}", grouped(*n), name.replace('_', " ")));
    }
    out
}

/// A length of time in its two largest units.
fn span(nanos: i64) -> String {
    let secs = nanos.unsigned_abs() / 1_000_000_000;
    let part = |n: u64, unit: &str| format!("{n} {unit}");
    match secs {
        0..60 => format!("{:.3} s", nanos.unsigned_abs() as f64 / 1e9),
        60..3_600 => format!("{} {}", part(secs / 60, "min"), part(secs % 60, "s")),
        3_600..86_400 => format!("{} {}", part(secs / 3_600, "h"), part(secs / 60 % 60, "min")),
        _ => format!("{} {}", part(secs / 86_400, "d"), part(secs / 3_600 % 24, "h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ledger::{FileLedger, Interface, SourceLedger};
    use crate::model::time::Timestamp;

    fn damaged() -> CaptureSummary {
        let file = FileLedger {
            path: "a.pcap".into(),
            format: "pcap",
            compression: Some("gzip"),
            interfaces: vec![Interface { dropped: Some(3), ..Interface::default() }],
            packets: 1_234,
            stop: Stop::Damaged { reason: "a record ends early.".into(), offset: 98_765 },
            ..FileLedger::default()
        };
        CaptureSummary {
            ledger: SourceLedger { files: vec![file], filtered: 5, ..SourceLedger::default() },
            first_ts: Some(Timestamp(0)),
            last_ts: Some(Timestamp(3_723_000_000_000)),
            wire_bytes: 1 << 20,
            truncated_packets: 1,
            unknown_link_packets: 2,
            weird_count: 7,
            flows: 1,
            local_nets: vec!["10.0.0.0/8".parse().unwrap()],
            local_nets_source: "inferred",
            caps_hit: vec![("weirds_not_stored", 9)],
            ..CaptureSummary::default()
        }
    }

    #[test]
    fn everything_lost_has_its_place() {
        let s = damaged();
        assert_eq!(
            warnings(&s),
            ["a.pcap: damaged at byte 98,765: a record ends early; the 1,234 packets before it are stored"]
        );
        assert_eq!(
            capture("a.pcap", &s),
            "a.pcap: pcap, gzip, 1,234 packets, 1.0 MiB on the wire, 1 flow\n\
             \x20 time     1970-01-01T00:00:00Z to 1970-01-01T01:02:03Z (1 h 2 min)\n\
             \x20 ours     10.0.0.0/8 (inferred)\n\
             \x20 lost     all after byte 98,765; 1 packet cut by the snaplen; 2 packets of a link type without a \
             decoder; 3 packets dropped while capturing; 9 weirds not stored\n\
             \x20 noted    7 weirds; 5 packets left out by the filter\n"
        );
    }

    #[test]
    fn nothing_lost_no_line() {
        let file = FileLedger { format: "pcapng", packets: 1, stop: Stop::End, ..FileLedger::default() };
        let s = CaptureSummary {
            ledger: SourceLedger { files: vec![file], ..SourceLedger::default() },
            ..CaptureSummary::default()
        };
        assert_eq!(capture("x\u{1b}", &s), "x\\x1b: pcapng, 1 packet, 0 B on the wire, 0 flows\n");
        assert!(warnings(&s).is_empty());
    }

    #[test]
    fn spans_for_eyes() {
        assert_eq!(span(1_500_000_000), "1.500 s");
        assert_eq!(span(61_000_000_000), "1 min 1 s");
        assert_eq!(span(90_000 * 1_000_000_000), "1 d 1 h");
    }
}
