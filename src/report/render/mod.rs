//! In which form do rows leave?
//!
//! Five forms behind one trait, fed batch by batch, so that a result of any size streams: `table` for eyes, `csv`,
//! `json`, `ndjson` for programs, `markdown` for reports. Text from the wire becomes printable wherever a person may
//! meet it. Refuses to choose: the form, the width and the colours come from outside.

mod columns;
mod lines;
mod markdown;
mod table;

pub use markdown::escape as markdown_escape;

use duckdb::arrow::array::RecordBatch;
use duckdb::arrow::datatypes::Schema;
use std::io::{self, Write};

/// The forms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Aligned columns, as wide as the terminal.
    Table,
    /// RFC 4180; NULL is empty.
    Csv,
    /// One array of objects.
    Json,
    /// One object a line.
    Ndjson,
    /// A table of GitHub's Markdown.
    Markdown,
}

/// What the reader's end can show.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Style {
    /// Columns of the terminal; `None`: as wide as needed.
    pub width: Option<usize>,
    /// May escape sequences be written?
    pub colour: bool,
    /// Is it a terminal, on which even CSV must not act?
    pub terminal: bool,
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Columns that did not fit on the terminal, by name.
    pub hidden: Vec<String>,
}

/// One form being written.
pub trait Render {
    /// The columns; comes once, before all rows.
    fn begin(&mut self, schema: &Schema) -> io::Result<()>;

    /// The next rows.
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()>;

    /// No more rows.
    fn finish(&mut self) -> io::Result<Written>;
}

/// A writer of the form `format` to `out`.
pub fn renderer<'a>(format: Format, out: impl Write + 'a, style: Style) -> Box<dyn Render + 'a> {
    match format {
        Format::Table => Box::new(table::Table::new(out, style)),
        Format::Csv => Box::new(lines::Csv::new(out, style)),
        Format::Json => Box::new(lines::Json::new(out, true)),
        Format::Ndjson => Box::new(lines::Json::new(out, false)),
        Format::Markdown => Box::new(markdown::Markdown::new(out)),
    }
}

/// Write whole batches at once.
pub fn render_all<'a>(
    format: Format,
    out: impl Write + 'a,
    style: Style,
    schema: &Schema,
    batches: &[RecordBatch],
) -> io::Result<Written> {
    let mut r = renderer(format, out, style);
    r.begin(schema)?;
    for batch in batches {
        r.batch(batch)?;
    }
    r.finish()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use duckdb::arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray, TimestampNanosecondArray};
    use std::sync::Arc;

    /// Two batches with every trap: NULL, the empty text, quotes, bars, escapes, wide letters.
    pub(crate) fn sample() -> Vec<RecordBatch> {
        let batch =
            |host: Vec<Option<&str>>, n: Vec<Option<i64>>, up: Vec<Option<bool>>, ts: Vec<Option<i64>>| {
                RecordBatch::try_from_iter_with_nullable([
                    ("host", Arc::new(StringArray::from(host)) as ArrayRef, true),
                    ("bytes", Arc::new(Int64Array::from(n)), true),
                    ("up", Arc::new(BooleanArray::from(up)), true),
                    ("ts", Arc::new(TimestampNanosecondArray::from(ts)), true),
                ])
                .unwrap()
            };
        vec![
            batch(
                vec![Some("a,\"b\""), Some("\u{1b}[31mred|\n"), None],
                vec![Some(1), Some(-22), None],
                vec![Some(true), Some(false), None],
                vec![Some(1_500_000_000), Some(0), None],
            ),
            batch(vec![Some("日本"), Some("")], vec![Some(333), Some(4)], vec![None; 2], vec![None; 2]),
        ]
    }

    pub(crate) fn written(format: Format, style: Style, batches: &[RecordBatch]) -> (String, Written) {
        let mut out = Vec::new();
        let w = render_all(format, &mut out, style, &batches[0].schema(), batches).unwrap();
        (String::from_utf8(out).unwrap(), w)
    }

    #[test]
    fn every_form_writes_every_row_and_no_escape_reaches_a_terminal() {
        let style = Style { width: Some(60), colour: false, terminal: true };
        for format in [Format::Table, Format::Csv, Format::Json, Format::Ndjson, Format::Markdown] {
            let (text, w) = written(format, style, &sample());
            assert_eq!(w.rows, 5, "{format:?}");
            assert!(!text.contains('\u{1b}'), "{format:?}: {text}");
        }
    }

    #[test]
    fn a_closed_pipe_is_an_error_for_the_caller_to_judge() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        for format in [Format::Table, Format::Csv, Format::Json, Format::Ndjson, Format::Markdown] {
            let b = sample();
            let e = render_all(format, Closed, Style::default(), &b[0].schema(), &b).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::BrokenPipe, "{format:?}");
        }
    }
}
