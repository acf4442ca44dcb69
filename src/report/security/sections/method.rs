//! How was this report made, and what would another one of the same rows need?
//!
//! Version, limits, what ran over what, thresholds that were not the default, detectors that did not run.

use super::super::Context;
use super::super::ask::col;
use super::super::model::{Block, Cell, Facts, Kind, Table, Tone};
use super::{or_say, prose, text};
use crate::detect;
use crate::report::detection::Detection;
use crate::store::StoreError;
use serde_json::Value;
use std::collections::BTreeSet;

pub(crate) fn method(cx: &Context<'_>) -> Result<Vec<Block>, StoreError> {
    let o = cx.overview;
    let runs = cx.ask.table(
        "detectors",
        "Detectors that ran",
        &[
            col("detector", "Detector", Kind::Text),
            col("question", "Question", Kind::Text),
            col("captures", "Captures", Kind::Count),
            col("findings", "Findings made", Kind::Count),
            col("left_out", "Given up at limits", Kind::Count),
        ],
        "SELECT detector, count(DISTINCT capture_id) AS captures, sum(findings) AS findings, sum(evicted) AS left_out
         FROM {detector_runs} GROUP BY detector ORDER BY detector",
    )?;
    let ran: BTreeSet<String> = runs.rows.iter().filter_map(|r| first_text(r)).collect();
    let runs = Table {
        rows: runs
            .rows
            .into_iter()
            .map(|mut row| {
                let question = first_text(&row).and_then(|d| question(&d, cx.detections));
                if let Some(cell) = row.get_mut(1) {
                    *cell = text(question);
                }
                row
            })
            .collect(),
        ..runs
    };
    let mut all: Vec<&str> = detect::ALL.iter().map(|m| m.id).collect();
    all.extend(cx.detections.iter().map(|d| d.header.name.as_str()));
    all.sort_unstable();
    let silent: Vec<&str> = all.into_iter().filter(|d| !ran.contains(*d)).collect();
    let mut notes = vec![
        "Everything here was read from packets. Times are UTC and come from the capture; sizes are as seen on the wire. Findings come from fixed rules with \
         the thresholds that `secnetmon detectors NAME` explains; no threshold was learned, and nothing was looked up on a network."
            .to_owned(),
        "A finding of anomaly_id N is explained in full by `secnetmon anomalies show N`; `secnetmon extract --anomaly N` gives the packets behind it."
            .to_owned(),
    ];
    if o.captures > 0 && !silent.is_empty() {
        notes.push(format!(
            "These did not run, because they are switched off or had nothing to look at: {}.",
            silent.join(", ")
        ));
    }
    if o.period {
        notes.push(
            "The period takes flows and findings that overlap it whole, other records by their begin; hosts and captures that overlap it are listed with \
             all they did."
                .to_owned(),
        );
    }
    let facts = Facts {
        name: "made",
        pairs: vec![
            ("program", "Program", Cell::Text(format!("secnetmon {}", env!("CARGO_PKG_VERSION")))),
            (
                "limits",
                "Limited to",
                Cell::Text(o.limits.clone().unwrap_or_else(|| "the whole database".to_owned())),
            ),
            ("least_severity", "Least severity", cx.ask.scope.least().map_or(Cell::Nothing, Cell::Severity)),
            ("dismissed", "Findings marked false positive, left out", Cell::Count(o.dismissed)),
            (
                "expected",
                "Findings that are meant to be (detect.expected), left out",
                Cell::Count(o.expected),
            ),
            ("below", "Findings below the least severity, left out", Cell::Count(o.below)),
        ],
    };
    Ok(vec![
        Block::Facts(facts),
        prose("notes", Tone::Plain, notes),
        or_say(runs, "No detector has run."),
        or_say(changed(cx)?, "All thresholds were the default ones."),
    ])
}

fn first_text(row: &[Cell]) -> Option<String> {
    match row.first() {
        Some(Cell::Text(t)) => Some(t.clone()),
        _ => None,
    }
}

fn question(detector: &str, detections: &[Detection]) -> Option<String> {
    let streaming = detect::ALL.iter().find(|m| m.id == detector).map(|m| m.question.to_owned());
    streaming
        .or_else(|| detections.iter().find(|d| d.header.name == detector).map(|d| d.header.question.clone()))
}

/// The default of a threshold as text; `None` when this program does not know it.
fn default(detector: &str, name: &str, detections: &[Detection]) -> Option<f64> {
    if let Some(m) = detect::ALL.iter().find(|m| m.id == detector) {
        return m.thresholds.iter().find(|t| t.name == name).map(|t| t.default);
    }
    let d = detections.iter().find(|d| d.header.name == detector)?;
    d.header.params.iter().find(|p| p.name == name)?.default.as_ref()?.parse().ok()
}

/// Thresholds that were not the default.
fn changed(cx: &Context<'_>) -> Result<Table, StoreError> {
    let rows = cx.ask.rows(
        "SELECT detector, parameters, count(DISTINCT capture_id) AS captures FROM {detector_runs}
         WHERE parameters IS NOT NULL GROUP BY detector, parameters ORDER BY detector, parameters",
    )?;
    let mut out = Vec::new();
    for row in &rows {
        let detector = row.text("detector");
        let Ok(Value::Object(set)) = serde_json::from_str(&row.text("parameters")) else { continue };
        for (name, value) in &set {
            let value = value.as_f64().or_else(|| value.as_str().and_then(|s| s.parse().ok()));
            let (Some(value), Some(usual)) = (value, default(&detector, name, cx.detections)) else {
                continue;
            };
            if (value - usual).abs() > f64::EPSILON {
                out.push(vec![
                    Cell::Text(detector.clone()),
                    Cell::Text(name.clone()),
                    Cell::Number(value),
                    Cell::Number(usual),
                    Cell::Count(row.count("captures")),
                ]);
            }
        }
    }
    Ok(Table {
        name: "thresholds",
        title: "Thresholds that were not the default",
        columns: vec![
            col("detector", "Detector", Kind::Text),
            col("threshold", "Threshold", Kind::Text),
            col("value", "Value", Kind::Number),
            col("default", "Default", Kind::Number),
            col("captures", "Captures", Kind::Count),
        ],
        total: out.len() as u64,
        rows: out,
        empty: "",
    })
}
