//! How do findings get into their table, and keep what a person said about them?
//!
//! A finding grows: its row is deleted and written again under the same id, with the `status` that a person may have set. Rows go through
//! Arrow and the appender, nested columns included, inside the transaction of the caller. Refuses to judge: what is handed in is written.

use super::arrow::array::{
    ArrayRef, Float64Builder, Int64Array, Int64Builder, ListBuilder, RecordBatch, StringArray, StringBuilder,
    StructBuilder, TimestampNanosecondArray, UInt8Array, UInt16Array, UInt64Array, UInt64Builder,
};
use super::arrow::datatypes::{DataType, Field, Fields, Schema};
use super::connect::{text, write_error};
use super::{StoreError, capture, tables};
use crate::model::anomaly::{Anomaly, DetectorRun};
use crate::model::ids::CaptureId;
use duckdb::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Findings handled at once: their ids stand as a list in a statement, which is read in a millisecond or two at this length.
const AT_ONCE: usize = 2_048;

/// The status of a finding that nobody has looked at, and of one that is meant to be. Both are the program's word; all others are a person's, and stay.
const OPEN: &str = "open";
const EXPECTED: &str = "expected";

/// SQL: did a person say something of it?
const SAID: &str = "status NOT IN ('open', 'expected')";

/// Write findings: new ones open, known ones (by id) replaced with their status kept. Of several with one id the last holds.
pub(super) fn replace(db: &Connection, found: &[Anomaly]) -> Result<(), StoreError> {
    let last: BTreeMap<i64, usize> = found.iter().enumerate().map(|(n, a)| (a.id.0, n)).collect();
    let mut order: Vec<usize> = last.into_values().collect();
    order.sort_unstable();
    let rows: Vec<&Anomaly> = order.into_iter().filter_map(|n| found.get(n)).collect();
    rows.chunks(AT_ONCE).try_for_each(|some| replace_some(db, some))
}

fn replace_some(db: &Connection, rows: &[&Anomaly]) -> Result<(), StoreError> {
    let list = |ids: BTreeSet<i64>| ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    // The captures as well: their rows lie together, so most of the table is not even looked at.
    let these = format!(
        "capture_id IN ({}) AND anomaly_id IN ({})",
        list(rows.iter().map(|a| a.capture.0).collect()),
        list(rows.iter().map(|a| a.id.0).collect()),
    );
    let said = statuses(db, &these).map_err(write_error)?;
    db.execute_batch(&format!("DELETE FROM anomalies WHERE {these}")).map_err(write_error)?;
    let batch = record_batch(rows, &said)?;
    let names: Vec<&str> = tables::ANOMALIES.columns.iter().map(|c| c.name).collect();
    let mut appender = db.appender_with_columns(tables::ANOMALIES.name, &names).map_err(write_error)?;
    appender.append_record_batch(batch).map_err(write_error)?;
    // Explicitly: one that is dropped swallows its errors.
    appender.flush().map_err(write_error)
}

/// What was said about stored findings, where something was.
fn statuses(db: &Connection, these: &str) -> duckdb::Result<BTreeMap<i64, String>> {
    let sql = format!("SELECT anomaly_id, status FROM anomalies WHERE {these} AND {SAID}");
    let mut stmt = db.prepare(&sql)?;
    let rows = stmt.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
    rows.collect()
}

/// What a person said about the findings of a capture that is about to be read anew.
pub(super) fn remember(db: &Connection, capture: CaptureId) -> Result<(), StoreError> {
    let sql = format!(
        "CREATE OR REPLACE TEMP TABLE judged AS
         SELECT anomaly_id, status FROM anomalies WHERE capture_id = {} AND {SAID}",
        capture.0
    );
    db.execute_batch(&sql).map_err(write_error)
}

/// Say it again of those that were found again; may be repeated when more were found.
pub(super) fn recall(db: &Connection) -> Result<(), StoreError> {
    let sql = "UPDATE anomalies SET status = judged.status FROM temp.judged WHERE anomalies.anomaly_id = judged.anomaly_id";
    db.execute_batch(sql).map_err(write_error)
}

/// Findings as Arrow, in the order of the table's columns.
fn record_batch(rows: &[&Anomaly], said: &BTreeMap<i64, String>) -> Result<RecordBatch, StoreError> {
    let texts = |value: &dyn Fn(&Anomaly) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(rows.iter().map(|a| value(a))))
    };
    let numbers = |value: &dyn Fn(&Anomaly) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|a| value(a))))
    };
    let times = |value: &dyn Fn(&Anomaly) -> i64| -> ArrayRef {
        Arc::new(TimestampNanosecondArray::from_iter_values(rows.iter().map(|a| value(a))))
    };
    let reals = |value: &dyn Fn(&Anomaly) -> f64| -> ArrayRef {
        Arc::new(super::arrow::array::Float64Array::from_iter_values(rows.iter().map(|a| value(a))))
    };
    let mut columns: Vec<(&str, ArrayRef)> = Vec::with_capacity(tables::ANOMALIES.columns.len());
    for c in tables::ANOMALIES.columns {
        let array: ArrayRef = match c.name {
            "anomaly_id" => numbers(&|a| a.id.0),
            "capture_id" => numbers(&|a| a.capture.0),
            "first_ts" => times(&|a| a.first_ts.0),
            "last_ts" => times(&|a| a.last_ts.0),
            "detector" => texts(&|a| Some(a.detector.to_string())),
            "kind" => texts(&|a| Some(a.kind.name.to_owned())),
            "title" => texts(&|a| Some(a.title.clone())),
            "severity" => texts(&|a| Some(a.severity.name().to_owned())),
            "severity_rank" => Arc::new(UInt8Array::from_iter_values(rows.iter().map(|a| a.severity.rank()))),
            "confidence" => reals(&|a| a.confidence),
            "score" => reals(&|a| a.score),
            "src_ip" => texts(&|a| a.src.map(|ip| ip.to_string())),
            "dst_ip" => texts(&|a| a.dst.map(|ip| ip.to_string())),
            "dst_port" => Arc::new(UInt16Array::from_iter(rows.iter().map(|a| a.dst_port))),
            "protocol" => texts(&|a| a.protocol_name().map(|p| p.to_string())),
            "direction" => texts(&|a| a.direction.as_ref().map(|d| d.to_string())),
            "technique" => texts(&|a| a.technique.as_ref().map(|t| t.to_string())),
            "count" => Arc::new(UInt64Array::from_iter_values(rows.iter().map(|a| a.count))),
            "reasons" => reasons(rows),
            "flow_ids" => {
                let mut list = ListBuilder::new(Int64Builder::new());
                for a in rows {
                    list.append_value(a.flows.iter().map(|f| Some(f.0)));
                }
                Arc::new(list.finish())
            }
            "packets" => {
                let mut list = ListBuilder::new(UInt64Builder::new());
                for a in rows {
                    list.append_value(a.packets.iter().map(|p| Some(*p)));
                }
                Arc::new(list.finish())
            }
            "details" => texts(&|a| details(&a.details)),
            "status" => texts(&|a| {
                let first = if a.expected { EXPECTED } else { OPEN };
                Some(said.get(&a.id.0).cloned().unwrap_or_else(|| first.to_owned()))
            }),
            _ => return Err(StoreError::Misuse("a column of anomalies that nothing fills")),
        };
        columns.push((c.name, array));
    }
    let fields: Vec<Field> =
        columns.iter().map(|(name, a)| Field::new(*name, a.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, a)| a).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|e| StoreError::Write(format!("findings do not fit their table: {e}")))
}

fn reasons(rows: &[&Anomaly]) -> ArrayRef {
    let fields = Fields::from(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("value", DataType::Float64, true),
        Field::new("threshold", DataType::Float64, true),
        Field::new("weight", DataType::Float64, true),
    ]);
    let mut list = ListBuilder::new(StructBuilder::from_fields(fields, rows.len()));
    for a in rows {
        let items = list.values();
        for r in &a.reasons {
            if let Some(name) = items.field_builder::<StringBuilder>(0) {
                name.append_value(&r.name);
            }
            for (n, value) in [(1, r.value), (2, r.threshold), (3, r.weight)] {
                if let Some(number) = items.field_builder::<Float64Builder>(n) {
                    number.append_value(value);
                }
            }
            items.append(true);
        }
        list.append(true);
    }
    Arc::new(list.finish())
}

/// As JSON text; NULL when there is nothing to tell.
fn details(facts: &serde_json::Map<String, serde_json::Value>) -> Option<String> {
    (!facts.is_empty()).then(|| serde_json::to_string(facts).unwrap_or_default()).filter(|t| !t.is_empty())
}

/// Note what ran over a capture. A run replaces the earlier one of the same detector.
pub(super) fn runs(db: &Connection, capture: CaptureId, runs: &[DetectorRun]) -> Result<(), StoreError> {
    if runs.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = runs.iter().map(|r| text(&r.detector)).collect();
    let rows: Vec<String> = runs
        .iter()
        .map(|r| {
            let took = (r.duration_s.clamp(0.0, 1e9) * 1e9) as i64;
            let started = capture::now().0.saturating_sub(took);
            let parameters = serde_json::to_string(&r.parameters).unwrap_or_else(|_| "{}".to_owned());
            format!(
                "({}, {}, {}, make_timestamp_ns({started}), {:?}::DOUBLE, {}, {})",
                capture.0,
                text(&r.detector),
                text(&parameters),
                r.duration_s,
                r.findings,
                r.evicted
            )
        })
        .collect();
    db.execute_batch(&format!(
        "DELETE FROM detector_runs WHERE capture_id = {id} AND detector IN ({});
         INSERT INTO detector_runs(capture_id, detector, parameters, started_at, duration_s, findings, evicted) VALUES {}",
        names.join(", "),
        rows.join(", "),
        id = capture.0,
    ))
    .map_err(write_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::addr::Ip;
    use crate::model::anomaly::{AnomalyId, LISTED, Reason, Severity, Subject};
    use crate::model::ids::FlowId;
    use crate::model::kind;
    use crate::model::time::Timestamp;

    fn db() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(&super::super::schema::tables_for_tests()).unwrap();
        db
    }

    fn finding(n: u8) -> Anomaly {
        let subject = Subject::by(Ip::v4([10, 0, 0, n]));
        Anomaly {
            id: AnomalyId::new(CaptureId(7), "ports", &kind::PORT_SCAN_VERTICAL, &subject),
            capture: CaptureId(7),
            detector: "ports".into(),
            kind: &kind::PORT_SCAN_VERTICAL,
            title: "it's a \"scan\"".to_owned(),
            severity: Severity::Medium,
            confidence: 0.75,
            score: 55.0,
            src: subject.src,
            dst: None,
            dst_port: Some(443),
            protocol: Some(6),
            direction: Some("outbound".into()),
            technique: None,
            count: u64::from(n),
            first_ts: Timestamp(1_000_000_001),
            last_ts: Timestamp(2_000_000_003),
            reasons: vec![Reason::new("ports", 20.0, 15.0, 0.5), Reason::new("rate_per_s", 2.5, 0.0, 0.5)],
            flows: vec![FlowId(1), FlowId(2)],
            packets: vec![9, u64::MAX],
            details: serde_json::Map::new(),
            expected: false,
        }
    }

    fn one<T: duckdb::types::FromSql>(db: &Connection, sql: &str) -> T {
        db.query_row(sql, [], |r| r.get(0)).unwrap()
    }

    #[test]
    fn every_column_arrives() {
        let db = db();
        let mut a = finding(3);
        a.details.insert("ports".into(), serde_json::json!([1, 2]));
        replace(&db, &[a, finding(4)]).unwrap();
        let row: String = one(
            &db,
            "SELECT concat_ws('|', capture_id, epoch_ns(first_ts), epoch_ns(last_ts), detector, kind, title, severity, severity_rank,
                    confidence, score, src_ip, dst_ip IS NULL, dst_port, protocol, direction, technique IS NULL, count,
                    reasons[1].name, reasons[2].value, reasons[1].threshold, len(reasons), flow_ids, packets, details, status)
             FROM anomalies WHERE src_ip = '10.0.0.3'",
        );
        assert_eq!(
            row,
            "7|1000000001|2000000003|ports|port_scan_vertical|it's a \"scan\"|medium|3|0.75|55.0|10.0.0.3|true|443|tcp|outbound|true|3\
             |ports|2.5|15.0|2|[1, 2]|[9, 18446744073709551615]|{\"ports\":[1,2]}|open"
        );
        assert_eq!(one::<i64>(&db, "SELECT count(*) FROM anomalies WHERE details IS NULL"), 1);
    }

    #[test]
    fn reading_a_capture_anew_keeps_what_was_said() {
        let db = db();
        replace(&db, &[finding(1), finding(2)]).unwrap();
        db.execute_batch("UPDATE anomalies SET status = 'acknowledged' WHERE src_ip = '10.0.0.1'").unwrap();
        remember(&db, CaptureId(7)).unwrap();
        db.execute_batch("DELETE FROM anomalies").unwrap();
        replace(&db, &[finding(1), finding(2)]).unwrap();
        recall(&db).unwrap();
        let said: String = one(&db, "SELECT string_agg(status, ',' ORDER BY src_ip) FROM anomalies");
        assert_eq!(said, "acknowledged,open");
    }

    #[test]
    fn a_finding_grows_and_keeps_what_was_said_about_it() {
        let db = db();
        let mut a = finding(1);
        replace(&db, &[a.clone(), finding(2)]).unwrap();
        db.execute_batch("UPDATE anomalies SET status = 'false_positive' WHERE src_ip = '10.0.0.1'").unwrap();
        a.count = 99;
        db.execute_batch("BEGIN").unwrap();
        replace(&db, &[finding(1), finding(2), a.clone()]).unwrap();
        a.count = 100;
        replace(&db, &[a]).unwrap(); // written and replaced in one transaction
        db.execute_batch("COMMIT").unwrap();
        let rows: String = one(
            &db,
            "SELECT string_agg(concat_ws(' ', src_ip, count, status), ', ' ORDER BY src_ip) FROM anomalies",
        );
        assert_eq!(rows, "10.0.0.1 100 false_positive, 10.0.0.2 2 open");
        replace(&db, &[]).unwrap();
    }

    #[test]
    fn what_is_meant_to_be_is_marked_as_long_as_the_rule_holds() {
        let db = db();
        let meant = |n, expected| Anomaly { expected, ..finding(n) };
        let rows = "SELECT string_agg(concat_ws(' ', src_ip, status), ', ' ORDER BY src_ip) FROM anomalies";
        replace(&db, &[meant(1, true), meant(2, true), meant(3, false)]).unwrap();
        assert_eq!(one::<String>(&db, rows), "10.0.0.1 expected, 10.0.0.2 expected, 10.0.0.3 open");
        db.execute_batch("UPDATE anomalies SET status = 'acknowledged' WHERE src_ip = '10.0.0.2'").unwrap();
        replace(&db, &[meant(1, false), meant(2, false), meant(3, true)]).unwrap();
        assert_eq!(one::<String>(&db, rows), "10.0.0.1 open, 10.0.0.2 acknowledged, 10.0.0.3 expected");
        let listed = format!("SELECT count(*) FROM anomalies WHERE {LISTED}");
        assert_eq!(one::<i64>(&db, &listed), 2);
    }

    #[test]
    fn more_than_fit_at_once_are_all_written() {
        let db = db();
        let many: Vec<Anomaly> = (0..5_000_i64)
            .map(|n| Anomaly {
                id: AnomalyId(n),
                reasons: vec![],
                flows: vec![],
                packets: vec![],
                ..finding(1)
            })
            .collect();
        replace(&db, &many).unwrap();
        replace(&db, &many).unwrap();
        assert_eq!(
            one::<i64>(&db, "SELECT count(*) FROM anomalies WHERE len(reasons) = 0 AND flow_ids = []"),
            5_000
        );
    }

    #[test]
    fn a_run_replaces_the_one_before() {
        let db = db();
        let mut run = DetectorRun {
            detector: "beacon".into(),
            parameters: serde_json::Map::new(),
            duration_s: 0.25,
            findings: 1,
            evicted: 0,
        };
        runs(&db, CaptureId(7), &[run.clone()]).unwrap();
        run.findings = 2;
        run.parameters.insert("a".into(), "it's".into());
        runs(&db, CaptureId(7), &[run.clone()]).unwrap();
        runs(&db, CaptureId(8), &[run]).unwrap();
        let rows: String = one(
            &db,
            "SELECT string_agg(concat_ws(' ', capture_id, detector, parameters, duration_s, findings, evicted), ', ' ORDER BY capture_id)
             FROM detector_runs WHERE started_at IS NOT NULL",
        );
        assert_eq!(rows, "7 beacon {\"a\":\"it's\"} 0.25 2 0, 8 beacon {\"a\":\"it's\"} 0.25 2 0");
    }
}
