//! What was found, how bad is it, why, and what next?
//!
//! Findings of one kind stand together, worst kinds first: the most urgent ones in full with reasons, some more a line each, the rest counted.
//! What else looks like it and what to do comes from the detector itself. Without findings it says what that does not prove.

use super::super::Context;
use super::super::ask::{Row, col};
use super::super::model::{Block, Finding, Group, Kind, Reason, Tone};
use super::prose;
use crate::detect;
use crate::model::anomaly::Severity;
use crate::model::kind::kind;
use crate::model::text::printable;
use crate::report::detection::Detection;
use crate::report::figures::{cut, plural, short};
use crate::store::StoreError;
use serde_json::Value;

/// Findings of a group in full.
const IN_FULL: u64 = 3;
/// Findings of a group a line each.
const LINES: u64 = 7;
/// Facts of a finding.
const DETAILS: usize = 8;
/// Characters of a fact.
const DETAIL_CHARS: usize = 160;

pub(crate) fn findings(cx: &Context<'_>) -> Result<Vec<Block>, StoreError> {
    let o = cx.overview;
    let mut blocks = Vec::new();
    if o.total() == 0 {
        let line = if o.captures == 0 {
            "There is nothing to judge.".to_owned()
        } else if o.detectors == 0 {
            "No detector has run over this; nothing can be said.".to_owned()
        } else {
            let least = cx.ask.scope.least().map_or(String::new(), |s| format!(" of severity {s} or worse"));
            format!(
                "Nothing{least} was found by the {} that ran; that does not prove that nothing happened. The section on method names them.",
                plural(o.detectors, "detector")
            )
        };
        blocks.push(prose("none", Tone::Caution, vec![line]));
    }
    for group in groups(cx, IN_FULL, LINES)? {
        blocks.push(Block::Group(Box::new(group)));
    }
    if o.total() > 0 {
        blocks.push(Block::Table(list(cx)?));
    }
    Ok(blocks)
}

/// All findings, a row each, most urgent first.
fn list(cx: &Context<'_>) -> Result<super::super::model::Table, StoreError> {
    let columns = [
        col("severity", "Severity", Kind::Severity),
        col("confidence", "Sure", Kind::Number),
        col("kind", "Kind", Kind::Text),
        col("title", "Finding", Kind::Text),
        col("src_ip", "From", Kind::Address),
        col("dst_ip", "To", Kind::Address),
        col("dst_port", "Port", Kind::Id),
        col("first_ts", "Began (UTC)", Kind::Time),
        col("last_ts", "Ended (UTC)", Kind::Time),
        col("count", "Events", Kind::Count),
        col("technique", "ATT&CK", Kind::Text),
        col("status", "Status", Kind::Text),
        col("anomaly_id", "Finding id", Kind::Id),
    ];
    let sql = format!(
        "SELECT severity, round(confidence, 2) AS confidence, kind, title, src_ip, dst_ip, dst_port, epoch_ns(first_ts) AS first_ts,
                epoch_ns(last_ts) AS last_ts, count, technique, status, anomaly_id, count(*) OVER () AS total
         FROM {{findings}} AS a ORDER BY severity_rank DESC, score DESC, a.first_ts, anomaly_id LIMIT {}",
        cx.findings
    );
    cx.ask.table("list", "All findings, most urgent first", &columns, &sql)
}

/// Findings by kind, the worst kind first; `full` and then `lines` findings of each.
pub(super) fn groups(cx: &Context<'_>, full: u64, lines: u64) -> Result<Vec<Group>, StoreError> {
    if cx.overview.total() == 0 {
        return Ok(Vec::new());
    }
    let heads = cx.ask.rows(
        "SELECT kind, detector, count(*) AS total, count(DISTINCT src_ip) AS sources, count(DISTINCT dst_ip) AS targets,
                epoch_ns(min(first_ts)) AS first, epoch_ns(max(last_ts)) AS last, max(severity_rank) AS rank, max(score) AS score,
                min(technique) AS technique,
                count(*) FILTER (severity_rank = 1) AS n1, count(*) FILTER (severity_rank = 2) AS n2,
                count(*) FILTER (severity_rank = 3) AS n3, count(*) FILTER (severity_rank = 4) AS n4,
                count(*) FILTER (severity_rank = 5) AS n5
         FROM {findings} GROUP BY kind, detector ORDER BY rank DESC, score DESC, total DESC, kind, detector",
    )?;
    let rows = cx.ask.rows(&format!(
        // Narrow rows are ranked, the wide ones fetched for the few that are shown.
        "WITH first AS (
           SELECT capture_id, anomaly_id, row_number() OVER (PARTITION BY kind, detector
                  ORDER BY severity_rank DESC, score DESC, first_ts, anomaly_id) AS place
           FROM {{findings}} QUALIFY place <= {})
         SELECT a.anomaly_id, a.title, a.kind, a.detector, a.severity, a.confidence, a.src_ip, a.dst_ip, a.dst_port,
                epoch_ns(a.first_ts) AS first, epoch_ns(a.last_ts) AS last, a.count, a.reasons, a.details, a.status, c.path
         FROM first f JOIN anomalies a ON a.anomaly_id = f.anomaly_id AND a.capture_id = f.capture_id
         LEFT JOIN captures c ON c.capture_id = a.capture_id
         ORDER BY a.kind, a.detector, f.place",
        full + lines
    ))?;
    let mut out: Vec<Group> = heads.iter().map(|h| group(h, cx.detections)).collect();
    for row in &rows {
        let (kind, detector) = (row.text("kind"), row.text("detector"));
        let Some(g) = out.iter_mut().find(|g| g.kind == kind && g.detector == detector) else { continue };
        let place = if (g.shown.len() as u64) < full { &mut g.shown } else { &mut g.more };
        place.push(finding(row));
    }
    Ok(out)
}

fn group(head: &Row, detections: &[Detection]) -> Group {
    let (name, detector) = (head.text("kind"), head.text("detector"));
    let (innocent, next) = about(&detector, detections);
    let known = kind(&name);
    let rank = head.count("rank");
    Group {
        meaning: known.map_or_else(String::new, |k| k.meaning.to_owned()),
        technique: head.maybe("technique").or_else(|| known.and_then(|k| k.technique.map(str::to_owned))),
        severity: Severity::ALL.into_iter().find(|s| u64::from(s.rank()) == rank).unwrap_or(Severity::Info),
        counts: ["n1", "n2", "n3", "n4", "n5"].map(|n| head.count(n)),
        total: head.count("total"),
        sources: head.count("sources"),
        targets: head.count("targets"),
        first: head.whole("first"),
        last: head.whole("last"),
        shown: Vec::new(),
        more: Vec::new(),
        kind: name,
        detector,
        innocent,
        next,
    }
}

fn finding(row: &Row) -> Finding {
    let reasons = row.value("reasons").as_array().map(Vec::as_slice).unwrap_or_default();
    let number = |v: &Value, name: &str| v.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    Finding {
        id: row.whole("anomaly_id"),
        title: row.text("title"),
        kind: row.text("kind"),
        severity: row.severity("severity"),
        confidence: row.number("confidence"),
        source: row.maybe("src_ip"),
        target: row.maybe("dst_ip"),
        port: row.value("dst_port").as_u64(),
        first: row.whole("first"),
        last: row.whole("last"),
        count: row.count("count"),
        capture: row.text("path"),
        status: row.text("status"),
        reasons: reasons
            .iter()
            .map(|r| Reason {
                name: r.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
                value: number(r, "value"),
                threshold: number(r, "threshold"),
                weight: number(r, "weight"),
            })
            .collect(),
        details: details(&row.text("details")),
    }
}

/// The first facts of a JSON object, each shortened.
fn details(json: &str) -> Vec<(String, String)> {
    let Ok(Value::Object(facts)) = serde_json::from_str(json) else { return Vec::new() };
    facts
        .iter()
        .take(DETAILS)
        .map(|(name, value)| {
            let text = words(value);
            (name.clone(), cut(&printable(text.as_bytes(), text.len()), DETAIL_CHARS))
        })
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

/// A JSON value as a person says it.
fn words(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(parts) => {
            parts.iter().map(|(name, v)| format!("{name}: {}", words(v))).collect::<Vec<_>>().join(", ")
        }
        Value::Null => String::new(),
        Value::Number(n) if n.is_f64() => short(n.as_f64().unwrap_or(0.0)),
        v => v.to_string(),
    }
}

/// What a detector says about its findings: innocent causes, next steps.
pub(super) fn about(detector: &str, detections: &[Detection]) -> (Vec<String>, Vec<String>) {
    let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    if let Some(m) = detect::ALL.iter().find(|m| m.id == detector) {
        return (owned(m.innocent), owned(m.next));
    }
    detections
        .iter()
        .find(|d| d.header.name == detector)
        .map(|d| (d.innocent.clone(), d.next.clone()))
        .unwrap_or_default()
}
