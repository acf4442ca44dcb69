//! What was looked at, how much of it, and how complete is it?
//!
//! Asked once; the summary, the quality and the method sections tell it. A period counts flows that lasted into it, so packets are theirs then.

use super::super::ask::{Ask, Row};
use crate::report::figures::second;
use crate::store::StoreError;

/// Totals of what is in scope.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    /// Limits in words; `None`: the whole database.
    pub(crate) limits: Option<String>,
    /// Is there a period?
    pub(crate) period: bool,
    /// Captures.
    pub(crate) captures: u64,
    /// Those that were read to a damage: path and why.
    pub(crate) damaged: Vec<(String, String)>,
    /// Those that were stopped, or are still written.
    pub(crate) unfinished: Vec<(String, String)>,
    /// Path of the only capture.
    pub(crate) path: Option<String>,
    /// Packets read; with a period those of the flows.
    pub(crate) packets: u64,
    /// Bytes on the wire; with a period those of the flows.
    pub(crate) bytes: u64,
    /// First packet, nanoseconds since 1970.
    pub(crate) first: Option<i64>,
    /// Last packet.
    pub(crate) last: Option<i64>,
    /// Packets that the capturing system lost.
    pub(crate) dropped: u64,
    /// Captures whose capturing system counted its losses.
    pub(crate) counted_drops: u64,
    /// Packets cut by the snaplen.
    pub(crate) truncated: u64,
    /// Packets of a link type without decoder.
    pub(crate) unknown_link: u64,
    /// Packets that a filter left out.
    pub(crate) filtered: u64,
    /// Oddities.
    pub(crate) weirds: u64,
    /// Limits of the program that were reached.
    pub(crate) caps: u64,
    /// Flows.
    pub(crate) flows: u64,
    /// TCP payload acknowledged and not seen.
    pub(crate) missed: u64,
    /// TCP payload that was sent, by its sequence numbers.
    pub(crate) tcp_bytes: u64,
    /// Hosts inside and outside.
    pub(crate) inside: u64,
    /// Hosts outside.
    pub(crate) outside: u64,
    /// Findings by severity.
    pub(crate) findings: [u64; 5],
    /// Findings marked as false positives.
    pub(crate) dismissed: u64,
    /// Findings that are meant to be (`detect.expected`).
    pub(crate) expected: u64,
    /// Findings below the least severity.
    pub(crate) below: u64,
    /// Detectors that ran over everything in scope.
    pub(crate) detectors: u64,
    /// Captures over which none ran.
    pub(crate) unjudged: u64,
}

impl Overview {
    /// Ask.
    pub(crate) fn ask(ask: &Ask<'_>) -> Result<Self, StoreError> {
        let period = ask.scope.has_period();
        let c = ask.row(
            "SELECT count(*) AS captures, sum(packets) AS packets, sum(bytes) AS bytes, epoch_ns(min(first_ts)) AS first,
                    epoch_ns(max(last_ts)) AS last, sum(dropped_packets) AS dropped, count(dropped_packets) AS counted,
                    sum(truncated_packets) AS truncated, sum(unknown_link_packets) AS unknown_link,
                    sum(filtered_packets) AS filtered, sum(weird_count) AS weirds, any_value(path) AS path,
                    sum(list_sum([x.count for x in caps_hit])) AS caps
             FROM {captures}",
        )?;
        let f = ask.row(
            "SELECT count(*) AS flows, sum(src_packets + dst_packets) AS packets, sum(src_ip_bytes + dst_ip_bytes) AS bytes,
                    sum(missed_bytes) FILTER (protocol = 'tcp') AS missed,
                    sum(src_stream_bytes + dst_stream_bytes) FILTER (protocol = 'tcp') AS tcp_bytes,
                    epoch_ns(min(first_ts)) AS first, epoch_ns(max(last_ts)) AS last
             FROM {flows}",
        )?;
        let h = ask.row(
            "SELECT count(*) FILTER (inside) AS inside, count(*) FILTER (NOT inside) AS outside
             FROM (SELECT bool_or(is_internal) AS inside FROM {host_facts} GROUP BY sensor, ip)",
        )?;
        let stops = ask.rows(
            "SELECT path, status, stop_reason, stop_offset FROM {captures} WHERE status <> 'complete' ORDER BY path, capture_id",
        )?;
        let least = ask.scope.least().map_or(0, |s| s.rank());
        let found = ask.rows(
            "SELECT severity_rank AS rank, count(*) AS n, count(*) FILTER (status = 'false_positive') AS dismissed,
                    count(*) FILTER (status = 'expected') AS expected
             FROM {all_findings} GROUP BY ALL",
        )?;
        let runs = ask.row(
            "SELECT count(DISTINCT detector) AS detectors,
                    (SELECT count(*) FROM {captures} WHERE capture_id NOT IN (SELECT capture_id FROM detector_runs)) AS unjudged
             FROM {detector_runs}",
        )?;
        let mut out = Self {
            limits: ask.scope.words(),
            period,
            captures: c.count("captures"),
            path: (c.count("captures") == 1).then(|| c.text("path")),
            dropped: c.count("dropped"),
            counted_drops: c.count("counted"),
            truncated: c.count("truncated"),
            unknown_link: c.count("unknown_link"),
            filtered: c.count("filtered"),
            weirds: c.count("weirds"),
            caps: c.count("caps"),
            flows: f.count("flows"),
            missed: f.count("missed"),
            tcp_bytes: f.count("tcp_bytes"),
            inside: h.count("inside"),
            outside: h.count("outside"),
            detectors: runs.count("detectors"),
            unjudged: runs.count("unjudged"),
            ..Self::default()
        };
        let from = if period { &f } else { &c };
        out.packets = from.count("packets");
        out.bytes = from.count("bytes");
        out.first = from.value("first").as_i64();
        out.last = from.value("last").as_i64();
        for row in &stops {
            let list = if row.text("status") == "damaged" { &mut out.damaged } else { &mut out.unfinished };
            list.push((row.text("path"), why_stopped(row)));
        }
        for row in &found {
            let rank = row.count("rank");
            let (dismissed, expected) = (row.count("dismissed"), row.count("expected"));
            let left = row.count("n") - dismissed - expected;
            out.dismissed += dismissed;
            out.expected += expected;
            if rank < u64::from(least) {
                out.below += left;
            } else if let Some(slot) =
                usize::try_from(rank).ok().and_then(|r| out.findings.get_mut(r.checked_sub(1)?))
            {
                *slot += left;
            }
        }
        Ok(out)
    }

    /// What the report is about.
    pub(crate) fn subject(&self) -> String {
        match (&self.limits, &self.path) {
            (None, Some(path)) => path.clone(),
            (Some(limits), Some(path)) => format!("{path} ({limits})"),
            (Some(limits), None) => limits.clone(),
            (None, None) if self.captures == 0 => "an empty database".to_owned(),
            (None, None) => format!("{} captures", crate::report::figures::grouped(self.captures)),
        }
    }

    /// Findings of all severities.
    pub(crate) fn total(&self) -> u64 {
        self.findings.iter().sum()
    }

    /// Share of TCP payload that is missing, percent.
    pub(crate) fn missed_percent(&self) -> f64 {
        // Sequence numbers count what is missing, too.
        let all = self.tcp_bytes.max(self.missed);
        if all == 0 { 0.0 } else { 100.0 * self.missed as f64 / all as f64 }
    }

    /// `2024-01-01 00:00:00 to 2024-01-01 01:00:00 UTC`.
    pub(crate) fn when(&self) -> Option<String> {
        Some(format!("{} to {} UTC", second(self.first?), second(self.last?)))
    }
}

fn why_stopped(row: &Row) -> String {
    let status = row.text("status");
    let reason = row.maybe("stop_reason").unwrap_or_else(|| status.clone());
    match row.maybe("stop_offset") {
        Some(offset) => format!("{reason} (at byte {offset})"),
        None => reason,
    }
}
