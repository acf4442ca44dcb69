//! How do rows become Arrow without being copied?
//!
//! The vectors of [`Rows`] are moved into Arrow's buffers as they are; only booleans are packed into bits. Text is
//! checked to be UTF-8 once per column. Refuses rows whose offsets do not fit together: a mistake of our code that must
//! not reach the file.

use super::StoreError;
use super::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use super::arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use super::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use crate::model::rows::{Column, Rows, Values};
use crate::model::schema::{ColumnType, Table};
use std::sync::Arc;

/// Arrow's type of a column; DuckDB's appender takes each without a cast.
fn data_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::Bool => DataType::Boolean,
        ColumnType::U8 => DataType::UInt8,
        ColumnType::U16 => DataType::UInt16,
        ColumnType::U32 => DataType::UInt32,
        ColumnType::U64 => DataType::UInt64,
        ColumnType::I64 => DataType::Int64,
        ColumnType::F64 => DataType::Float64,
        ColumnType::Text => DataType::Utf8,
        ColumnType::Time => DataType::Timestamp(TimeUnit::Nanosecond, None),
        ColumnType::TextList => DataType::List(item()),
    }
}

fn item() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Utf8, true))
}

/// Arrow's schema of a table.
pub(super) fn schema_of(table: &Table) -> SchemaRef {
    let fields: Vec<Field> =
        table.all_columns().map(|c| Field::new(c.name, data_type(c.kind), true)).collect();
    Arc::new(Schema::new(fields))
}

/// Rows as a record batch of `schema`, which is that of their table.
pub(super) fn record_batch(rows: Rows, schema: SchemaRef) -> Result<RecordBatch, StoreError> {
    let (n, table) = (rows.len(), rows.table.name);
    let columns: Option<Vec<ArrayRef>> = rows.columns.into_iter().map(|c| array(c, n)).collect();
    columns
        .and_then(|c| RecordBatch::try_new(schema, c).ok())
        .ok_or_else(|| StoreError::Write(format!("rows of {table} do not fit together")))
}

fn array(column: Column, n: usize) -> Option<ArrayRef> {
    let nulls = if column.nulls == 0 {
        None
    } else if column.valid.len() * 8 >= n {
        Some(NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(column.valid), 0, n)))
    } else {
        return None;
    };
    let is_time = column.kind == ColumnType::Time;
    Some(match column.values {
        Values::Bool(v) => Arc::new(BooleanArray::new(BooleanBuffer::from(v), fits(nulls, n)?)),
        Values::U8(v) => Arc::new(UInt8Array::try_new(v.into(), nulls).ok()?),
        Values::U16(v) => Arc::new(UInt16Array::try_new(v.into(), nulls).ok()?),
        Values::U32(v) => Arc::new(UInt32Array::try_new(v.into(), nulls).ok()?),
        Values::U64(v) => Arc::new(UInt64Array::try_new(v.into(), nulls).ok()?),
        Values::I64(v) if is_time => Arc::new(TimestampNanosecondArray::try_new(v.into(), nulls).ok()?),
        Values::I64(v) => Arc::new(Int64Array::try_new(v.into(), nulls).ok()?),
        Values::F64(v) => Arc::new(Float64Array::try_new(v.into(), nulls).ok()?),
        Values::Text { ends, bytes } => Arc::new(text(ends, bytes, nulls)?),
        Values::TextList { list_ends, ends, bytes } => {
            let items = text(ends, bytes, None)?;
            Arc::new(ListArray::try_new(item(), offsets(list_ends)?, Arc::new(items), nulls).ok()?)
        }
    })
}

/// `BooleanArray::new` panics on a length that differs; `None` instead.
#[allow(clippy::option_option)] // outer: does it fit; inner: are there NULLs
fn fits(nulls: Option<NullBuffer>, n: usize) -> Option<Option<NullBuffer>> {
    nulls.as_ref().is_none_or(|b| b.len() == n).then_some(nulls)
}

fn text(ends: Vec<i32>, bytes: Vec<u8>, nulls: Option<NullBuffer>) -> Option<StringArray> {
    StringArray::try_new(offsets(ends)?, Buffer::from_vec(bytes), nulls).ok()
}

/// Offsets that start at 0 or more and never go back: more than 2 GiB of text in one batch would wrap them.
fn offsets(ends: Vec<i32>) -> Option<OffsetBuffer<i32>> {
    let ordered = ends.first().is_some_and(|&e| e >= 0) && ends.is_sorted();
    ordered.then(|| OffsetBuffer::new(ScalarBuffer::from(ends)))
}

#[cfg(test)]
mod tests {
    use super::super::arrow::array::{Array as _, AsArray as _};
    use super::*;
    use crate::model::schema::col;
    use crate::model::time::Timestamp;

    static T: Table = Table::plain(
        "t",
        "A test.",
        &[
            col("b", ColumnType::Bool, "", "A."),
            col("n", ColumnType::U32, "", "A."),
            col("s", ColumnType::Text, "", "A."),
            col("t", ColumnType::Time, "", "A."),
            col("l", ColumnType::TextList, "", "A."),
        ],
    );

    fn some_rows() -> Rows {
        let mut rows = Rows::new(&T);
        rows.row().bool(true).u32(7).text("größe").time(Timestamp(5)).list(&["x", "yz"]);
        rows.row().null().null().null().null().null();
        for _ in 0..20 {
            rows.row().bool(false).u32(1).text("").time(Timestamp(-1)).list::<&str>(&[]);
        }
        rows
    }

    #[test]
    fn values_and_nulls_arrive() {
        let b = record_batch(some_rows(), schema_of(&T)).unwrap();
        assert_eq!(b.num_rows(), 22);
        assert!(b.columns().iter().all(|c| c.null_count() == 1 && c.is_null(1)));
        assert!(b.column(0).as_boolean().value(0));
        assert_eq!(b.column(2).as_string::<i32>().value(0), "größe");
        assert_eq!(b.column(4).as_list::<i32>().value(0).as_string::<i32>().value(1), "yz");
        assert_eq!(b.column(4).as_list::<i32>().value(5).len(), 0);
    }

    #[test]
    fn wrapped_offsets_and_broken_text_are_refused() {
        let mut rows = some_rows();
        if let Values::Text { ends, .. } = &mut rows.columns[2].values {
            ends[3] = -1;
        }
        assert!(record_batch(rows, schema_of(&T)).is_err());
        let mut rows = some_rows();
        if let Values::Text { bytes, .. } = &mut rows.columns[2].values {
            bytes[0] = 0xff;
        }
        assert!(record_batch(rows, schema_of(&T)).is_err());
        let mut rows = some_rows();
        rows.columns[1].values = Values::U32(vec![1]);
        assert!(record_batch(rows, schema_of(&T)).is_err());
    }
}
