//! How does a row become a line of Zeek's TSV, Zeek's JSON, or Suricata's EVE?
//!
//! Zeek's ASCII writer: tabs between fields, `-` unset, `(empty)` for empty sets, `\xNN` for what would break a line. UIDs are made of the
//! capture's identity and the flow's place in it, so that the same packets get the same UIDs on every machine. Text from the wire is
//! escaped for each form; it cannot add fields or lines.

use crate::model::text::is_unsafe;
use crate::model::time::Timestamp;
use crate::report::cell::{Reader, write_json, write_json_string, write_text};
use crate::store::arrow::array::{Array, ArrayRef, AsArray};
use crate::store::arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampNanosecondType};
use crate::store::arrow::record_batch::RecordBatch;
use std::fmt::Write;

type Fields = [(&'static str, &'static str)];

/// Columns before the fields: `capture_id` and `flow_id`.
const KEYS: usize = 2;
const UNSET: &str = "-";
const EMPTY: &str = "(empty)";
/// Letters of a UID behind its first: 96 bits, as Zeek's.
const UID_LETTERS: usize = 17;
const NANOS: i64 = 1_000_000_000;

/// Zeek's header lines. The times of opening and closing are not known here and left out, as Zeek allows.
pub(super) fn zeek_header(path: &str, fields: &Fields) -> String {
    let mut out = format!(
        "#separator \\x09\n#set_separator\t,\n#empty_field\t{EMPTY}\n#unset_field\t{UNSET}\n#path\t{path}\n#fields"
    );
    for (name, _) in fields {
        let _ = write!(out, "\t{name}");
    }
    out.push_str("\n#types");
    for (_, kind) in fields {
        let _ = write!(out, "\t{kind}");
    }
    out.push('\n');
    out
}

/// A flow's UID, or a file's (`F`).
pub(super) fn uid(prefix: char, capture_id: i64, flow_id: i64, more: i64) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut hasher = blake3::Hasher::new();
    hasher.update(&capture_id.to_le_bytes());
    // Without the capture's number, which is another in every database.
    hasher.update(&(flow_id & ((1 << 40) - 1)).to_le_bytes());
    hasher.update(&more.to_le_bytes());
    let mut number = hasher.finalize().as_bytes().first_chunk::<16>().map_or(0, |b| u128::from_le_bytes(*b));
    let mut out = String::from(prefix);
    for _ in 0..UID_LETTERS {
        let letter = LETTERS.get((number % 62) as usize).copied().unwrap_or(b'0');
        out.push(char::from(letter));
        number /= 62;
    }
    out
}

fn signed(column: &ArrayRef, row: usize) -> Option<i64> {
    let column = column.as_primitive_opt::<Int64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

/// The UIDs of a row: of its flow, or of each of a list of flows.
fn uids(batch: &RecordBatch, row: usize) -> Vec<String> {
    let (Some(capture), Some(flows)) = (batch.columns().first(), batch.columns().get(1)) else {
        return Vec::new();
    };
    let Some(capture) = signed(capture, row) else { return Vec::new() };
    if let Some(list) = flows.as_list_opt::<i32>() {
        let items = list.is_valid(row).then(|| list.value(row));
        let ids = items.iter().flat_map(|a| (0..a.len()).filter_map(|i| signed(a, i))).collect::<Vec<_>>();
        return ids.into_iter().map(|flow| uid('C', capture, flow, 0)).collect();
    }
    signed(flows, row).map(|flow| uid('C', capture, flow, 0)).into_iter().collect()
}

/// The value of a field: where it comes from.
enum Value<'a> {
    Texts(Vec<String>, bool),
    Cell(&'a ArrayRef),
}

/// The fields of a row with their values. `uid`, `uids` and `fuid` are made, the others are the columns in their order.
fn values<'a>(fields: &Fields, batch: &'a RecordBatch, row: usize) -> Vec<Value<'a>> {
    let mut columns = batch.columns().iter().skip(KEYS);
    fields
        .iter()
        .map(|(name, _)| match *name {
            "uid" => Value::Texts(uids(batch, row), false),
            "uids" => Value::Texts(uids(batch, row), true),
            // The column holds what tells the files of a flow apart.
            "fuid" => {
                let key = columns.next().and_then(|c| signed(c, row));
                let ids = batch.columns().first().zip(batch.columns().get(1));
                let ids = ids.and_then(|(c, f)| Some((signed(c, row)?, signed(f, row)?)));
                let made = key.zip(ids).map(|(key, (capture, flow))| uid('F', capture, flow, key));
                Value::Texts(made.into_iter().collect(), false)
            }
            _ => columns.next().map_or_else(|| Value::Texts(Vec::new(), false), Value::Cell),
        })
        .collect()
}

/// Text in Zeek's ASCII form: what would end a field, a line or an element is written as `\xNN`.
fn zeek_text(out: &mut String, text: &str, in_set: bool) {
    if matches!(text, UNSET | EMPTY) || text.is_empty() {
        // A text that looks like a mark must not be taken for one.
        match text.chars().next() {
            Some(c) => {
                let _ = write!(out, "\\x{:02x}{}", c as u32, text.get(1..).unwrap_or_default());
            }
            None => out.push_str(EMPTY),
        }
        return;
    }
    for c in text.chars() {
        if c == '\\' {
            out.push_str("\\\\");
        } else if is_unsafe(c) || in_set && c == ',' {
            let mut bytes = [0; 4];
            for b in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(out, "\\x{b:02x}");
            }
        } else {
            out.push(c);
        }
    }
}

/// Seconds since 1970 with six decimals, as Zeek writes times.
fn seconds(out: &mut String, nanos: i64) {
    let (secs, rest) = (nanos.div_euclid(NANOS), nanos.rem_euclid(NANOS) / 1_000);
    let _ = write!(out, "{secs}.{rest:06}");
}

/// One cell of a plain type. False: unset.
fn zeek_scalar(out: &mut String, kind: &str, array: &dyn Array, row: usize, in_set: bool) -> bool {
    if array.is_null(row) {
        return false;
    }
    match array.data_type() {
        DataType::Timestamp(..) => {
            let Some(times) = array.as_primitive_opt::<TimestampNanosecondType>() else { return false };
            seconds(out, times.value(row));
        }
        DataType::Boolean => out.push(if array.as_boolean().value(row) { 'T' } else { 'F' }),
        DataType::Float64 if kind.contains("interval") || kind == "double" => {
            let _ = write!(out, "{:.6}", array.as_primitive::<Float64Type>().value(row));
        }
        _ => {
            let mut text = String::new();
            if !write_text(&mut text, array, row, Reader::Program) {
                return false;
            }
            zeek_text(out, &text, in_set);
        }
    }
    true
}

/// A row of Zeek's TSV, without its end.
pub(super) fn zeek_line(out: &mut String, fields: &Fields, batch: &RecordBatch, row: usize) {
    for (i, ((_, kind), value)) in fields.iter().zip(values(fields, batch, row)).enumerate() {
        if i > 0 {
            out.push('\t');
        }
        let before = out.len();
        match value {
            Value::Texts(texts, _) => out.push_str(&texts.join(",")),
            Value::Cell(cell) => {
                if let Some(list) = cell.as_list_opt::<i32>() {
                    if list.is_valid(row) {
                        let items = list.value(row);
                        for n in 0..items.len() {
                            if n > 0 {
                                out.push(',');
                            }
                            if !zeek_scalar(out, kind, &items, n, true) {
                                out.push_str(UNSET);
                            }
                        }
                        if items.is_empty() {
                            out.push_str(EMPTY);
                        }
                    }
                } else {
                    zeek_scalar(out, kind, cell, row, false);
                }
            }
        }
        if out.len() == before {
            out.push_str(UNSET);
        }
    }
}

/// A cell as Zeek's JSON: times and intervals are numbers of seconds.
fn zeek_value(out: &mut String, kind: &str, array: &dyn Array, row: usize) {
    match array.data_type() {
        DataType::Timestamp(..) => {
            zeek_scalar(out, kind, array, row, false);
        }
        DataType::Float64 if kind.contains("interval") => {
            zeek_scalar(out, kind, array, row, false);
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            out.push('[');
            for n in 0..items.len() {
                if n > 0 {
                    out.push(',');
                }
                zeek_value(out, kind, &items, n);
            }
            out.push(']');
        }
        _ => write_json(out, array, row),
    }
}

/// A row of Zeek's JSON: unset fields are left out.
pub(super) fn zeek_json(out: &mut String, fields: &Fields, batch: &RecordBatch, row: usize) {
    out.push('{');
    let mut first = true;
    for ((name, kind), value) in fields.iter().zip(values(fields, batch, row)) {
        let set = match &value {
            Value::Texts(texts, _) => !texts.is_empty(),
            Value::Cell(cell) => !cell.is_null(row),
        };
        if !set {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        write_json_string(out, name);
        out.push(':');
        match value {
            Value::Texts(texts, true) => {
                let _ = write!(out, "{}", serde_json::Value::from(texts));
            }
            Value::Texts(texts, false) => write_json_string(out, &texts.concat()),
            Value::Cell(cell) => zeek_value(out, kind, cell, row),
        }
    }
    out.push('}');
}

/// A time as Suricata writes it.
fn eve_time(nanos: i64) -> String {
    let text = Timestamp(nanos.div_euclid(1_000) * 1_000).to_string();
    let (whole, fraction) =
        text.trim_end_matches('Z').split_once('.').map_or((text.trim_end_matches('Z'), ""), |(w, f)| (w, f));
    format!("{whole}.{fraction:0<6}+0000")
}

/// An event of EVE. Columns are called by their paths (`http.hostname`); those of one object stand together.
pub(super) fn eve_line(out: &mut String, event: &str, batch: &RecordBatch, row: usize) {
    let schema = batch.schema();
    let mut open: Vec<&str> = Vec::new();
    let mut first = vec![true];
    out.push('{');
    for (i, (field, column)) in schema.fields().iter().zip(batch.columns()).enumerate() {
        if column.is_null(row) || i == 0 {
            continue;
        }
        let path: Vec<&str> = field.name().split('.').collect();
        let Some((name, objects)) = path.split_last() else { continue };
        let common = open.iter().zip(objects).take_while(|(a, b)| a == b).count();
        while open.len() > common {
            open.pop();
            first.pop();
            out.push('}');
        }
        let comma = |out: &mut String, first: &mut Vec<bool>| {
            if let Some(is_first) = first.last_mut()
                && !std::mem::take(is_first)
            {
                out.push(',');
            }
        };
        for object in objects.iter().skip(common) {
            comma(out, &mut first);
            write_json_string(out, object);
            out.push_str(":{");
            open.push(object);
            first.push(true);
        }
        comma(out, &mut first);
        write_json_string(out, name);
        out.push(':');
        match column.as_primitive_opt::<TimestampNanosecondType>() {
            Some(times) => write_json_string(out, &eve_time(times.value(row))),
            None => write_json(out, column, row),
        }
        if *name == "timestamp" {
            let _ = write!(out, ",\"event_type\":\"{event}\"");
        }
    }
    for _ in open {
        out.push('}');
    }
    out.push('}');
}
