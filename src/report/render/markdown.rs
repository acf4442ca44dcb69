//! How do rows become a table in a report? GitHub's Markdown.
//!
//! Text from the wire must not become markup: whatever Markdown or HTML would act on is escaped. Rows stream; columns
//! are not padded.

use super::{Render, Written};
use crate::model::text::printable;
use crate::report::cell::{Reader, is_number, write_text};
use duckdb::arrow::array::RecordBatch;
use duckdb::arrow::datatypes::Schema;
use std::io::{self, Write};

/// A Markdown table being written.
pub(super) struct Markdown<W: Write> {
    out: W,
    rows: u64,
}

impl<W: Write> Markdown<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, rows: 0 }
    }
}

/// Append `text` so that Markdown shows it as it is.
pub fn escape(out: &mut String, text: &str) {
    for c in printable(text.as_bytes(), text.len()).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '~' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            // Bare links and addresses would become clickable: the chain of `://`, `www.` and `@` is broken.
            ':' => out.push_str("&#58;"),
            '@' => out.push_str("&#64;"),
            c => out.push(c),
        }
    }
}

impl<W: Write> Render for Markdown<W> {
    fn begin(&mut self, schema: &Schema) -> io::Result<()> {
        let mut head = String::from("|");
        let mut rule = String::from("|");
        for field in schema.fields() {
            head.push(' ');
            escape(&mut head, field.name());
            head.push_str(" |");
            rule.push_str(if is_number(field.data_type()) { " ---: |" } else { " --- |" });
        }
        writeln!(self.out, "{head}\n{rule}")
    }

    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let (mut line, mut cell) = (String::new(), String::new());
        for row in 0..batch.num_rows() {
            line.clear();
            line.push('|');
            for column in batch.columns() {
                cell.clear();
                write_text(&mut cell, column, row, Reader::Person);
                line.push(' ');
                // Times and addresses are ours, and read better without entities.
                if crate::report::cell::is_text(column.data_type()) {
                    escape(&mut line, &cell);
                } else {
                    line.push_str(&cell);
                }
                line.push_str(" |");
            }
            line.push('\n');
            self.out.write_all(line.as_bytes())?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<Written> {
        self.out.flush()?;
        Ok(Written { rows: self.rows, hidden: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{sample, written};
    use super::super::{Format, Style};
    use super::escape;

    #[test]
    fn every_row_is_one_line_with_the_same_number_of_cells() {
        let (text, _) = written(Format::Markdown, Style::default(), &sample());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "| host | bytes | up | ts |");
        assert_eq!(lines[1], "| --- | ---: | --- | --- |");
        assert_eq!(lines[3], "| \\\\x1b\\[31mred\\|\\\\x0a | -22 | false | 1970-01-01T00:00:00Z |");
        assert_eq!(lines.len(), 7);
    }

    #[test]
    fn text_cannot_become_markup() {
        let mut out = String::new();
        escape(&mut out, "![x](https://evil.example) <img src=x> **b** me@x");
        for bad in ["![", "x](", "://", "<img", "**", "@"] {
            assert!(!out.contains(bad), "{bad} in {out}");
        }
    }
}
