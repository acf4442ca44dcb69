//! How is one value of a result written as text?
//!
//! Arrow cell in, text out: integers and decimals in full, times as ISO 8601 UTC with the fraction they have, booleans
//! as `true` and `false`, lists and structs as JSON. NULL writes nothing and says so. Refuses to make text safe: that
//! depends on where it goes, see `render`.

use crate::model::text::hex;
use crate::model::time::Timestamp;
use duckdb::arrow::array::{Array, ArrayRef, AsArray};
use duckdb::arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use duckdb::arrow::util::display::{ArrayFormatter, FormatOptions};
use std::fmt::Write;

/// Nested values deeper than this are written as `…`: the depth of a type comes from the query, and writing recurses.
const MAX_DEPTH: usize = 16;

/// Who will read the text?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reader {
    /// A program: full precision, nested values as JSON.
    Program,
    /// A person: at most six decimals, lists joined with commas.
    Person,
}

/// Is the column one of numbers, to be aligned right?
pub fn is_number(kind: &DataType) -> bool {
    kind.is_numeric()
}

/// May a cell of this type be shortened without telling a wrong value?
pub fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
        || is_nested(kind)
        || is_bytes(kind)
}

fn is_nested(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::Struct(_)
            | DataType::Map(..)
    )
}

fn is_bytes(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
    )
}

/// Append the cell at `row` to `out`. False: it is NULL and nothing was written.
pub fn write_text(out: &mut String, array: &dyn Array, row: usize, reader: Reader) -> bool {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return false;
    }
    match array.data_type() {
        DataType::Float32 | DataType::Float64 if reader == Reader::Person => {
            short_float(out, float(array, row));
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)
            if reader == Reader::Person =>
        {
            let items = list_items(array, row);
            for i in 0..items.as_ref().map_or(0, |items| items.len()) {
                if i > 0 {
                    out.push_str(", ");
                }
                if let Some(items) = &items {
                    write_text(out, items, i, reader);
                }
            }
        }
        kind if is_nested(kind) => write_json_at(out, array, row, 0),
        _ => write_scalar(out, array, row),
    }
    true
}

/// Append the cell at `row` as a JSON value. Numbers stay numbers in full; NULL, NaN and infinities are `null`.
pub fn write_json(out: &mut String, array: &dyn Array, row: usize) {
    write_json_at(out, array, row, 0);
}

/// Append `text` as a JSON string.
pub fn write_json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Escaped beyond what JSON asks for: JSON may be shown on a terminal, and the value stays the same.
            c if crate::model::text::is_unsafe(c) => {
                let mut units = [0_u16; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn write_json_at(out: &mut String, array: &dyn Array, row: usize, depth: usize) {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        out.push_str("null");
        return;
    }
    if depth > MAX_DEPTH {
        out.push_str("\"…\"");
        return;
    }
    match array.data_type() {
        DataType::Boolean => write_scalar(out, array, row),
        DataType::Float32 | DataType::Float64 => {
            let value = float(array, row);
            if value.is_finite() {
                write_scalar(out, array, row);
            } else {
                out.push_str("null");
            }
        }
        kind if kind.is_numeric() => write_scalar(out, array, row),
        DataType::Struct(fields) => {
            let columns = array.as_struct();
            out.push('{');
            for (i, (field, column)) in fields.iter().zip(columns.columns()).enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_json_string(out, field.name());
                out.push(':');
                write_json_at(out, column, row, depth + 1);
            }
            out.push('}');
        }
        DataType::Map(..) => {
            // Keys of any type: an array of pairs keeps them, and keeps doubles apart.
            let entries = array.as_map().value(row);
            out.push('[');
            for i in 0..entries.len() {
                if i > 0 {
                    out.push(',');
                }
                out.push('[');
                for (k, column) in entries.columns().iter().enumerate() {
                    if k > 0 {
                        out.push(',');
                    }
                    write_json_at(out, column, i, depth + 1);
                }
                out.push(']');
            }
            out.push(']');
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            out.push('[');
            if let Some(items) = list_items(array, row) {
                for i in 0..items.len() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_json_at(out, &items, i, depth + 1);
                }
            }
            out.push(']');
        }
        _ => {
            let mut text = String::new();
            write_scalar(&mut text, array, row);
            write_json_string(out, &text);
        }
    }
}

fn list_items(array: &dyn Array, row: usize) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(row)),
        _ => None,
    }
}

fn float(array: &dyn Array, row: usize) -> f64 {
    match array.data_type() {
        DataType::Float32 => f64::from(array.as_primitive::<Float32Type>().value(row)),
        _ => array.as_primitive_opt::<Float64Type>().map_or(f64::NAN, |a| a.value(row)),
    }
}

/// At most six decimals, none that say nothing.
fn short_float(out: &mut String, value: f64) {
    if value != 0.0 && value.is_finite() && (value.abs() < 1e-6 || value.abs() >= 1e15) {
        let _ = write!(out, "{value:e}");
        return;
    }
    let start = out.len();
    let _ = write!(out, "{value:.6}");
    if out.get(start..).is_some_and(|s| s.contains('.')) {
        let kept = out.trim_end_matches('0').trim_end_matches('.').len();
        out.truncate(kept.max(start));
    }
}

fn write_time(out: &mut String, value: i64, nanos_per_unit: i64) -> bool {
    // DuckDB's infinities are the ends of the range of microseconds.
    let word = match value {
        i64::MAX => "infinity",
        v if v <= -i64::MAX => "-infinity",
        v => match v.checked_mul(nanos_per_unit) {
            Some(nanos) => {
                let _ = write!(out, "{}", Timestamp(nanos));
                return true;
            }
            None => return false,
        },
    };
    out.push_str(word);
    true
}

fn write_scalar(out: &mut String, array: &dyn Array, row: usize) {
    macro_rules! number {
        ($kind:ty) => {{
            let _ = write!(out, "{}", array.as_primitive::<$kind>().value(row));
        }};
    }
    match array.data_type() {
        DataType::Utf8 => out.push_str(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => out.push_str(array.as_string::<i64>().value(row)),
        DataType::Utf8View => out.push_str(array.as_string_view().value(row)),
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => number!(Float32Type),
        DataType::Float64 => number!(Float64Type),
        DataType::Decimal128(_, 0) => number!(Decimal128Type),
        DataType::Timestamp(unit, _) => {
            let (value, nanos) = match unit {
                TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(row), 1_000_000_000),
                TimeUnit::Millisecond => {
                    (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000_000)
                }
                TimeUnit::Microsecond => (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000),
                TimeUnit::Nanosecond => (array.as_primitive::<TimestampNanosecondType>().value(row), 1),
            };
            if !write_time(out, value, nanos) {
                write_other(out, array, row);
            }
        }
        DataType::Binary => out.push_str(&hex(array.as_binary::<i32>().value(row))),
        DataType::LargeBinary => out.push_str(&hex(array.as_binary::<i64>().value(row))),
        DataType::BinaryView => out.push_str(&hex(array.as_binary_view().value(row))),
        DataType::FixedSizeBinary(_) => out.push_str(&hex(array.as_fixed_size_binary().value(row))),
        DataType::Dictionary(..) => {
            if let Some((values, key)) =
                array.as_any_dictionary_opt().and_then(|d| Some((d.values(), *d.normalized_keys().get(row)?)))
            {
                write_scalar(out, values, key);
            }
        }
        _ => write_other(out, array, row),
    }
}

/// Dates, times of day, intervals, decimals with a fraction: Arrow's own words.
fn write_other(out: &mut String, array: &dyn Array, row: usize) {
    let options = FormatOptions::default();
    if let Ok(formatter) = ArrayFormatter::try_new(array, &options) {
        // A value that cannot be written (a date beyond all calendars) says so in its place.
        if formatter.value(row).write(out).is_err() {
            out.push_str("(out of range)");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duckdb::arrow::array::{
        BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray,
        TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
    };
    use duckdb::arrow::datatypes::Int32Type as I32;

    fn text(array: &dyn Array, reader: Reader) -> Vec<Option<String>> {
        (0..array.len())
            .map(|row| {
                let mut out = String::new();
                write_text(&mut out, array, row, reader).then_some(out)
            })
            .collect()
    }

    fn some(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|v| Some((*v).to_owned())).collect()
    }

    #[test]
    fn times_keep_the_fraction_they_have() {
        let nanos = TimestampNanosecondArray::from(vec![0, 1_000, 1_700_000_000_123_456_789]);
        assert_eq!(
            text(&nanos, Reader::Program),
            some(&["1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000001Z", "2023-11-14T22:13:20.123456789Z"])
        );
        let micros = TimestampMicrosecondArray::from(vec![1, i64::MAX, -i64::MAX, i64::MAX - 1]);
        let got = text(&micros, Reader::Program);
        assert_eq!(got[..3], some(&["1970-01-01T00:00:00.000001Z", "infinity", "-infinity"]));
        assert!(got[3].as_deref().is_some_and(|t| !t.is_empty()), "beyond nanoseconds: {got:?}");
    }

    #[test]
    fn numbers_are_whole_for_programs_and_short_for_people() {
        let floats = Float64Array::from(vec![0.1, 2.0, 1e-9, 1.0 / 3.0, 0.0, 1e20, f64::NAN]);
        assert_eq!(
            text(&floats, Reader::Person),
            some(&["0.1", "2", "1e-9", "0.333333", "0", "1e20", "NaN"])
        );
        assert_eq!(text(&floats, Reader::Program)[3], Some("0.3333333333333333".into()));
        assert_eq!(text(&UInt64Array::from(vec![u64::MAX]), Reader::Person), some(&["18446744073709551615"]));
        let sum = Decimal128Array::from(vec![10_i128.pow(30)]).with_precision_and_scale(38, 0).unwrap();
        assert_eq!(text(&sum, Reader::Program), some(&["1000000000000000000000000000000"]));
        let money = Decimal128Array::from(vec![-1234]).with_precision_and_scale(10, 2).unwrap();
        assert_eq!(text(&money, Reader::Program), some(&["-12.34"]));
    }

    #[test]
    fn null_is_not_the_empty_text() {
        let words = StringArray::from(vec![Some(""), None]);
        assert_eq!(text(&words, Reader::Program), vec![Some(String::new()), None]);
        let bits = BooleanArray::from(vec![Some(true), None]);
        assert_eq!(text(&bits, Reader::Program), vec![Some("true".into()), None]);
    }

    #[test]
    fn lists_are_json_for_programs_and_words_for_people() {
        let list =
            ListArray::from_iter_primitive::<I32, _, _>(vec![Some(vec![Some(1), None, Some(3)]), None]);
        assert_eq!(text(&list, Reader::Program), vec![Some("[1,null,3]".into()), None]);
        assert_eq!(text(&list, Reader::Person), vec![Some("1, , 3".into()), None]);
    }

    #[test]
    fn json_escapes_what_a_terminal_would_act_on() {
        let mut out = String::new();
        write_json(&mut out, &StringArray::from(vec!["a\"\\\u{1b}[0m\n\u{202e}é"]), 0);
        assert_eq!(out, r#""a\"\\\u001b[0m\n\u202eé""#);
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), "a\"\\\u{1b}[0m\n\u{202e}é");
        let mut out = String::new();
        write_json(&mut out, &Float64Array::from(vec![f64::INFINITY]), 0);
        write_json(&mut out, &Int64Array::from(vec![i64::MIN]), 0);
        write_json(&mut out, &BinaryArray::from(vec![&[0xde, 0xad][..]]), 0);
        assert_eq!(out, "null-9223372036854775808\"dead\"");
    }
}
