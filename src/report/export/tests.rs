//! Is what is exported what the other tools expect? Cells of every kind, hostile texts, and every statement on an empty database.

use super::*;
use crate::store::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListBuilder, StringArray, StringBuilder,
    TimestampNanosecondArray,
};
use crate::store::arrow::record_batch::RecordBatch;
use crate::store::{Store, StoreConfig};
use std::sync::Arc;

const FIELDS: &[(&str, &str)] = &[
    ("ts", "time"),
    ("uid", "string"),
    ("name", "string"),
    ("wait", "interval"),
    ("ok", "bool"),
    ("list", "vector[string]"),
];

fn row(name: Option<&str>, list: Option<&[&str]>) -> RecordBatch {
    let mut lists = ListBuilder::new(StringBuilder::new());
    match list {
        Some(items) => lists.append_value(items.iter().map(Some)),
        None => lists.append_null(),
    }
    RecordBatch::try_from_iter_with_nullable([
        ("capture_id", Arc::new(Int64Array::from(vec![7])) as ArrayRef, true),
        ("flow_id", Arc::new(Int64Array::from(vec![(3_i64 << 40) | 4])), true),
        ("ts", Arc::new(TimestampNanosecondArray::from(vec![1_500_000_001_123_456_789])), true),
        ("a.name", Arc::new(StringArray::from(vec![name])), true),
        ("a.wait", Arc::new(Float64Array::from(vec![0.25])), true),
        ("a.b.ok", Arc::new(BooleanArray::from(vec![Some(true)])), true),
        ("list", Arc::new(lists.finish()), true),
    ])
    .unwrap()
}

fn tsv(batch: &RecordBatch) -> Vec<String> {
    let mut out = String::new();
    write::zeek_line(&mut out, FIELDS, batch, 0);
    out.split('\t').map(str::to_owned).collect()
}

#[test]
fn zeek_cells() {
    let line = tsv(&row(Some("x"), Some(&["a", "b,c"])));
    let uid = write::uid('C', 7, 4, 0);
    assert_eq!(line, ["1500000001.123456", &uid, "x", "0.250000", "T", "a,b\\x2cc"]);
    assert_eq!(uid.len(), 18, "as long as Zeek's");
    assert_eq!(
        uid,
        write::uid('C', 7, (9 << 40) | 4, 0),
        "the database's number of the capture does not matter"
    );
    assert_ne!(uid, write::uid('C', 8, 4, 0));
    assert_eq!(tsv(&row(None, None))[2..], ["-", "0.250000", "T", "-"]);
    assert_eq!(tsv(&row(Some("-"), Some(&[])))[2..], ["\\x2d", "0.250000", "T", "(empty)"]);
}

#[test]
fn hostile_text_adds_no_field_and_no_line() {
    let evil = "a\tb\nc\u{1b}[2J\\x09\u{202e}\"}";
    let batch = row(Some(evil), Some(&[evil]));
    let line = tsv(&batch);
    assert_eq!(line.len(), FIELDS.len());
    assert_eq!(line[2], "a\\x09b\\x0ac\\x1b[2J\\\\x09\\xe2\\x80\\xae\"}");
    for json in [
        &write::zeek_json as &dyn Fn(&mut String, &[(&'static str, &'static str)], &RecordBatch, usize),
        &|o, _, b, r| write::eve_line(o, "x", b, r),
    ] {
        let mut out = String::new();
        json(&mut out, FIELDS, &batch, 0);
        assert!(!out.contains(['\n', '\u{1b}']), "{out}");
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        let name = if value["a"].is_object() { &value["a"]["name"] } else { &value["name"] };
        assert_eq!(name, evil);
    }
}

#[test]
fn eve_objects_are_nested_and_closed() {
    let mut out = String::new();
    write::eve_line(&mut out, "x", &row(None, Some(&["p"])), 0);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["a"], serde_json::json!({"wait": 0.25, "b": {"ok": true}}));
    assert_eq!(value["list"], serde_json::json!(["p"]));
    assert!(value.get("capture_id").is_none());
}

#[test]
fn every_statement_fits_its_fields_on_an_empty_database() {
    let folder = std::env::temp_dir().join(format!("secnetmon-export-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let path = folder.join("x.duckdb");
    Store::create_if_missing(&path).unwrap();
    let reader = Reader::open(&path, &StoreConfig::default(), &[]).unwrap();
    for scope in [Scope::default(), Scope::other("2024-01-01..", &Default::default(), &reader).unwrap()] {
        for log in zeek::logs() {
            let fields = zeek::fields(log);
            let results = reader.query(&scoped(&zeek::filled(log.sql), log, &scope), &[], &Limits::default());
            let columns = results.unwrap_or_else(|e| panic!("{}: {e}", log.name)).schema().fields().len();
            let made = fields.iter().filter(|(n, _)| matches!(*n, "uid" | "uids")).count();
            assert_eq!(columns, 2 + fields.len() - made, "{}", log.name);
        }
        for log in eve::LOGS {
            let results = reader.query(&scoped(&eve::filled(log.sql), log, &scope), &[], &Limits::default());
            let schema = results.unwrap_or_else(|e| panic!("{}: {e}", log.name)).schema().clone();
            // Objects that were closed must not be opened again: that would be a key twice.
            let mut seen: Vec<&str> = Vec::new();
            for f in schema.fields() {
                let object = f.name().split('.').next().unwrap();
                if seen.last() != Some(&object) {
                    assert!(!seen.contains(&object), "{}: {object} in two places", log.name);
                    seen.push(object);
                }
            }
        }
    }
    let to = folder.join("out");
    for dialect in [Dialect::Zeek, Dialect::ZeekJson, Dialect::Csv] {
        let written = export(&reader, &Scope::default(), dialect, &to, &mut |_| ()).unwrap();
        assert!(written.files.iter().all(|(name, rows)| *rows > 0 && !name.contains("flows")), "{written:?}");
        assert!(matches!(
            export(&reader, &Scope::default(), dialect, &to, &mut |_| ()),
            Err(ExportError::Exists(_))
        ));
        std::fs::remove_dir_all(&to).unwrap();
    }
    drop(reader);
    std::fs::remove_dir_all(&folder).unwrap();
}
