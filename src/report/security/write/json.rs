//! How does a program read a report? One JSON object.
//!
//! `sections` has a member for each section, that one for each block by its name. Numbers are whole, times ISO 8601, addresses texts; what a
//! person would see as prose is a list of sentences. Names are stable.

use crate::model::anomaly::Severity;
use crate::model::time::Timestamp;
use crate::report::security::model::{
    Block, Cell, Column, Finding, Group, Host, Report, Section, Table, Timeline,
};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// Write the report.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let sections: Map<String, Value> =
        report.sections.iter().map(|s| (s.name.to_owned(), section(s))).collect();
    let all = json!({
        "report": "secnetmon security report",
        "version": report.version,
        "subject": report.subject,
        "findings": severities(&report.counts),
        "sections": sections,
    });
    serde_json::to_writer_pretty(&mut *out, &all)?;
    writeln!(out)?;
    out.flush()
}

fn severities(counts: &[u64; 5]) -> Value {
    Severity::ALL
        .iter()
        .zip(counts)
        .map(|(s, n)| (s.name().to_owned(), Value::from(*n)))
        .collect::<Map<_, _>>()
        .into()
}

fn section(s: &Section) -> Value {
    let mut out = Map::new();
    for block in &s.blocks {
        match block {
            Block::Prose(p) => _ = out.insert(p.name.into(), json!(p.lines)),
            Block::Facts(f) => {
                let facts: Map<String, Value> =
                    f.pairs.iter().map(|(key, _, c)| ((*key).to_owned(), cell(c))).collect();
                out.insert(f.name.into(), facts.into());
            }
            Block::Table(t) => _ = out.insert(t.name.into(), table(t)),
            Block::Bars(b) => {
                let bars: Vec<Value> =
                    b.bars.iter().map(|x| json!({b.of: x.label, b.unit: cell(&x.amount)})).collect();
                out.insert(b.name.into(), bars.into());
            }
            Block::Timeline(t) => _ = out.insert(t.name.into(), timeline(t)),
            Block::Matrix(m) => {
                let cells: Vec<Value> = m
                    .cells
                    .iter()
                    .map(|(s, t, bytes, flows)| {
                        json!({"src_ip": m.sources.get(*s), "dst_ip": m.targets.get(*t), "bytes": bytes, "flows": flows})
                    })
                    .collect();
                out.insert(m.name.into(), cells.into());
            }
            Block::Group(g) => push(&mut out, "groups", group(g)),
            Block::Host(h) => push(&mut out, "profiles", host(h)),
        }
    }
    out.into()
}

fn push(out: &mut Map<String, Value>, name: &str, value: Value) {
    let slot = out.entry(name).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(list) = slot {
        list.push(value);
    }
}

fn time(nanos: i64) -> String {
    Timestamp(nanos).to_string()
}

fn cell(c: &Cell) -> Value {
    match c {
        Cell::Nothing => Value::Null,
        Cell::Text(t) | Cell::Address(t) => json!(t),
        Cell::List(l) => json!(l),
        Cell::Count(n) | Cell::Bytes(n) => json!(n),
        Cell::Number(x) | Cell::Percent(x) => json!(x),
        Cell::Time(t) => json!(time(*t)),
        Cell::Severity(s) => json!(s.name()),
        Cell::Flag(yes) => json!(yes),
        Cell::Id(n) => json!(n),
    }
}

fn row(columns: &[Column], cells: &[Cell]) -> Value {
    columns.iter().zip(cells).map(|(c, v)| (c.key.to_owned(), cell(v))).collect::<Map<_, _>>().into()
}

fn table(t: &Table) -> Value {
    let rows: Vec<Value> = t.rows.iter().map(|r| row(&t.columns, r)).collect();
    json!({"total": t.total, "rows": rows})
}

fn timeline(t: &Timeline) -> Value {
    let buckets: Vec<Value> = t
        .buckets
        .iter()
        .enumerate()
        .filter(|(_, b)| b.flows > 0 || b.findings.iter().any(|n| *n > 0))
        .map(|(i, b)| {
            json!({
                "ts": time(t.start.saturating_add(t.step.saturating_mul(i as i64))),
                "flows": b.flows,
                "bytes": b.bytes,
                "findings": severities(&b.findings),
            })
        })
        .collect();
    json!({"start": time(t.start), "step_s": t.step as f64 / 1e9, "intervals": t.buckets.len(), "filled": buckets})
}

fn group(g: &Group) -> Value {
    json!({
        "kind": g.kind,
        "detector": g.detector,
        "meaning": g.meaning,
        "technique": g.technique,
        "severity": g.severity.name(),
        "counts": severities(&g.counts),
        "total": g.total,
        "sources": g.sources,
        "targets": g.targets,
        "first_ts": time(g.first),
        "last_ts": time(g.last),
        "shown": g.shown.iter().chain(&g.more).map(finding).collect::<Vec<_>>(),
        "innocent_causes": g.innocent,
        "next_steps": g.next,
    })
}

fn finding(f: &Finding) -> Value {
    let reasons: Vec<Value> = f
        .reasons
        .iter()
        .map(|r| json!({"name": r.name, "value": r.value, "threshold": r.threshold, "weight": r.weight}))
        .collect();
    let details: Map<String, Value> = f.details.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
    json!({
        "anomaly_id": f.id,
        "title": f.title,
        "severity": f.severity.name(),
        "confidence": f.confidence,
        "src_ip": f.source,
        "dst_ip": f.target,
        "dst_port": f.port,
        "first_ts": time(f.first),
        "last_ts": time(f.last),
        "count": f.count,
        "capture": f.capture,
        "status": f.status,
        "reasons": reasons,
        "details": details,
    })
}

fn host(h: &Host) -> Value {
    let facts: Map<String, Value> = h.facts.iter().map(|(k, _, c)| ((*k).to_owned(), cell(c))).collect();
    json!({
        "ip": h.ip,
        "sensor": h.sensor,
        "risk": h.risk,
        "severity": h.severity.name(),
        "internal": h.internal,
        "known": facts,
        "findings": table(&h.findings),
        "peers": table(&h.peers),
    })
}
