//! How do rows become lines for a program? CSV, JSON and NDJSON.
//!
//! CSV is RFC 4180 with LF, a header, NULL as the empty field. On a terminal even CSV is made printable. JSON
//! objects keep the order of the columns; numbers are written in full (a reader that keeps 53 bits must take large
//! ids as text itself).

use super::{Render, Style, Written};
use crate::model::text::printable;
use crate::report::cell::{Reader, write_json, write_json_string, write_text};
use duckdb::arrow::array::RecordBatch;
use duckdb::arrow::datatypes::Schema;
use std::io::{self, Write};

/// Comma-separated values.
pub(super) struct Csv<W: Write> {
    out: csv::Writer<W>,
    terminal: bool,
    rows: u64,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(out: W, style: Style) -> Self {
        Self { out: csv::Writer::from_writer(out), terminal: style.terminal, rows: 0 }
    }

    fn field(&mut self, text: &str) -> io::Result<()> {
        if self.terminal {
            self.out.write_field(printable(text.as_bytes(), text.len()))
        } else {
            self.out.write_field(text)
        }
        .map_err(io_error)
    }
}

/// The cause of a CSV error: only the writer below can fail here, records are all of one length.
fn io_error(e: csv::Error) -> io::Error {
    match e.into_kind() {
        csv::ErrorKind::Io(e) => e,
        other => io::Error::other(format!("{other:?}")),
    }
}

impl<W: Write> Render for Csv<W> {
    fn begin(&mut self, schema: &Schema) -> io::Result<()> {
        for field in schema.fields() {
            self.field(field.name())?;
        }
        self.out.write_record(None::<&[u8]>).map_err(io_error)
    }

    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let mut cell = String::new();
        for row in 0..batch.num_rows() {
            for column in batch.columns() {
                cell.clear();
                write_text(&mut cell, column, row, Reader::Program);
                self.field(&cell)?;
            }
            self.out.write_record(None::<&[u8]>).map_err(io_error)?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<Written> {
        self.out.flush()?;
        Ok(Written { rows: self.rows, hidden: Vec::new() })
    }
}

/// One array of objects, or one object a line.
pub(super) struct Json<W: Write> {
    out: W,
    array: bool,
    /// `"name":` of each column.
    keys: Vec<String>,
    rows: u64,
}

impl<W: Write> Json<W> {
    pub(super) fn new(out: W, array: bool) -> Self {
        Self { out, array, keys: Vec::new(), rows: 0 }
    }
}

impl<W: Write> Render for Json<W> {
    fn begin(&mut self, schema: &Schema) -> io::Result<()> {
        self.keys = schema
            .fields()
            .iter()
            .map(|f| {
                let mut key = String::new();
                write_json_string(&mut key, f.name());
                key.push(':');
                key
            })
            .collect();
        if self.array { self.out.write_all(b"[") } else { Ok(()) }
    }

    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let mut line = String::new();
        for row in 0..batch.num_rows() {
            line.clear();
            if self.array {
                line.push_str(if self.rows == 0 { "\n" } else { ",\n" });
            }
            for (i, (key, column)) in self.keys.iter().zip(batch.columns()).enumerate() {
                line.push(if i == 0 { '{' } else { ',' });
                line.push_str(key);
                write_json(&mut line, column, row);
            }
            line.push('}');
            if !self.array {
                line.push('\n');
            }
            self.out.write_all(line.as_bytes())?;
            self.rows += 1;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<Written> {
        if self.array {
            self.out.write_all(if self.rows == 0 { b"]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()?;
        Ok(Written { rows: self.rows, hidden: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{sample, written};
    use super::super::{Format, Style};

    #[test]
    fn csv_parses_back_to_what_was_stored() {
        let (text, _) = written(Format::Csv, Style::default(), &sample());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), ["host", "bytes", "up", "ts"]);
        let rows: Vec<Vec<String>> =
            reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(rows[0], ["a,\"b\"", "1", "true", "1970-01-01T00:00:01.500000Z"]);
        assert_eq!(rows[1], ["\u{1b}[31mred|\n", "-22", "false", "1970-01-01T00:00:00Z"]);
        assert_eq!(rows[2], ["", "", "", ""]);
        assert_eq!(rows.len(), 5);
    }

    #[test]
    fn csv_on_a_terminal_is_printable() {
        let style = Style { terminal: true, ..Style::default() };
        let (text, _) = written(Format::Csv, style, &sample());
        assert!(text.contains("\\x1b[31mred|\\x0a,-22,false"), "{text}");
    }

    #[test]
    fn json_is_one_value_and_ndjson_one_a_line() {
        let (text, _) = written(Format::Json, Style::default(), &sample());
        let all: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!((all.len(), &all[0]["host"], &all[0]["up"]), (5, &"a,\"b\"".into(), &true.into()));
        assert_eq!((&all[2]["bytes"], &all[4]["host"]), (&serde_json::Value::Null, &"".into()));

        let (text, _) = written(Format::Ndjson, Style::default(), &sample());
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines, all);

        let empty = [sample()[0].slice(0, 0)];
        assert_eq!(written(Format::Json, Style::default(), &empty).0, "[]\n");
        assert_eq!(written(Format::Ndjson, Style::default(), &empty).0, "");
    }
}
