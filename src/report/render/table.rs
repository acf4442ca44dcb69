//! How do rows become columns for eyes?
//!
//! Aligned by display width (Unicode TR 11), numbers to the right with their points below each other. The first rows decide
//! the widths, so that a result of any size streams. On a terminal one column of sentences goes on below its row, other wide texts
//! are shortened with `…`, addresses in their middle, because most of them begin alike; times lose the fraction of their second. Numbers never
//! give way: half a number is a wrong number. Columns that do not fit are left out from the right and named in [`Written::hidden`].

use super::columns::{Column, GAP, NULL_MARK, Words, fit, fraction, shorten};
use super::{Render, Style, Written};
use crate::model::text::printable;
use crate::report::cell::{Reader, is_number, is_text, write_text};
use crate::report::fold::hang;
use duckdb::arrow::array::RecordBatch;
use duckdb::arrow::datatypes::Schema;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Rows that are held back to find the widths of the columns.
const SAMPLE_ROWS: usize = 1_000;
/// Bytes of text shown of one cell without a terminal: an endless text must not become an endless line.
const CELL_CAP_BYTES: usize = 4_096;
/// Lines that a sentence goes on for; what is longer is cut.
const SENTENCE_LINES: usize = 4;
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// A table being written.
pub(super) struct Table<W: Write> {
    out: W,
    style: Style,
    columns: Vec<Column>,
    /// Rows held back, their cells in order; empty once widths are settled.
    held: Vec<Vec<Option<String>>>,
    settled: bool,
    written: Written,
}

impl<W: Write> Table<W> {
    pub(super) fn new(out: W, style: Style) -> Self {
        Self {
            out,
            style,
            columns: Vec::new(),
            held: Vec::new(),
            settled: false,
            written: Written::default(),
        }
    }

    fn settle(&mut self) -> io::Result<()> {
        self.settled = true;
        for row in &self.held {
            for (column, cell) in self.columns.iter_mut().zip(row).filter(|(c, _)| c.right) {
                column.fraction = column.fraction.max(cell.as_deref().map_or(0, fraction));
            }
        }
        for row in &self.held {
            for (column, cell) in self.columns.iter_mut().zip(row) {
                let text = cell.as_deref().unwrap_or(NULL_MARK);
                column.width = column.width.max(text.width() + column.blanks_behind(text));
            }
        }
        let mut told = false;
        for (i, column) in self.columns.iter_mut().enumerate() {
            column.words = Words::of(self.held.iter().filter_map(|row| row.get(i)?.as_deref()));
            // Two of them would leave no room for the rest.
            if column.words == Words::Sentence {
                column.words = if told { Words::Few } else { Words::Sentence };
                told = true;
            }
        }
        if let Some(available) = self.style.width {
            let hidden = fit(&mut self.columns, available);
            let kept = self.columns.len().saturating_sub(hidden);
            self.written.hidden = self.columns.drain(kept..).map(|c| c.name).collect();
        }
        let names: Vec<Option<String>> = self.columns.iter().map(|c| Some(c.name.clone())).collect();
        self.line(&names, true)?;
        let rule: Vec<String> = self.columns.iter().map(|c| "─".repeat(c.width)).collect();
        let rule = rule.join(&" ".repeat(GAP));
        if self.style.colour {
            writeln!(self.out, "{DIM}{rule}{RESET}")?;
        } else {
            writeln!(self.out, "{rule}")?;
        }
        for row in std::mem::take(&mut self.held) {
            self.row(row)?;
        }
        Ok(())
    }

    /// A row: its line, and on a terminal those on which its sentence goes on.
    fn row(&mut self, mut cells: Vec<Option<String>>) -> io::Result<()> {
        let sentence = self.columns.iter().position(|c| c.words == Words::Sentence);
        let mut rest = Vec::new();
        if let (Some(_), Some(at)) = (self.style.width, sentence)
            && let (Some(Some(cell)), Some(column)) = (cells.get_mut(at), self.columns.get(at))
            && cell.width() > column.width
        {
            let mut lines = hang("", cell, column.width).into_iter();
            let first = lines.next().unwrap_or_default();
            rest = lines.collect();
            // What is too long for its lines stays in the last one, which is cut.
            if let Some(last) = rest.get(SENTENCE_LINES - 2..).filter(|l| l.len() > 1).map(|l| l.join(" ")) {
                rest.truncate(SENTENCE_LINES - 2);
                rest.push(last);
            }
            *cell = first;
        }
        self.line(&cells, false)?;
        for text in rest {
            let before: usize = self.columns.iter().take(sentence.unwrap_or(0)).map(|c| c.width + GAP).sum();
            let width = sentence.and_then(|at| self.columns.get(at)).map_or(0, |c| c.width);
            let (shown, _) = shorten(&text, width, Words::Sentence);
            writeln!(self.out, "{}{shown}", " ".repeat(before))?;
        }
        Ok(())
    }

    fn line(&mut self, cells: &[Option<String>], heading: bool) -> io::Result<()> {
        let paint = (heading && self.style.colour).then_some(BOLD);
        let mut line = String::new();
        for (i, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            if i > 0 {
                line.push_str("  ");
            }
            let text = cell.as_deref().unwrap_or(NULL_MARK);
            let (shown, width) = match heading {
                true => shorten(text, column.width, Words::Few),
                false if column.shrinks || column.words == Words::Time => {
                    shorten(text, column.width, column.words)
                }
                false => (text.into(), text.width()),
            };
            let behind = if heading { 0 } else { column.blanks_behind(text) };
            let blanks = column.width.saturating_sub(width + behind);
            if column.right {
                line.extend(std::iter::repeat_n(' ', blanks));
            }
            let dim = cell.is_none() && self.style.colour;
            match (paint, dim) {
                (Some(paint), _) => line.extend([paint, &shown, RESET]),
                (None, true) => line.extend([DIM, &shown, RESET]),
                (None, false) => line.push_str(&shown),
            }
            if i + 1 < self.columns.len() {
                line.extend(std::iter::repeat_n(' ', if column.right { behind } else { blanks }));
            }
        }
        line.push('\n');
        self.out.write_all(line.as_bytes())
    }
}

impl<W: Write> Render for Table<W> {
    fn begin(&mut self, schema: &Schema) -> io::Result<()> {
        self.columns = schema
            .fields()
            .iter()
            .map(|f| {
                let name = printable(f.name().as_bytes(), CELL_CAP_BYTES);
                let width = name.width();
                let kind = f.data_type();
                Column {
                    name,
                    right: is_number(kind),
                    shrinks: is_text(kind),
                    words: Words::Few,
                    fraction: 0,
                    width,
                }
            })
            .collect();
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        for row in 0..batch.num_rows() {
            let cells = batch
                .columns()
                .iter()
                .map(|column| {
                    let mut cell = String::new();
                    write_text(&mut cell, column, row, Reader::Person)
                        .then(|| printable(cell.as_bytes(), CELL_CAP_BYTES))
                })
                .collect::<Vec<_>>();
            self.written.rows += 1;
            if self.settled {
                self.row(cells)?;
            } else {
                self.held.push(cells);
                if self.held.len() >= SAMPLE_ROWS {
                    self.settle()?;
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<Written> {
        if !self.settled {
            self.settle()?;
        }
        self.out.flush()?;
        Ok(std::mem::take(&mut self.written))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{sample, written};
    use super::super::{Format, Style};
    use super::*;
    use duckdb::arrow::array::{ArrayRef, Int64Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn aligns_by_display_width_and_marks_null() {
        let (text, _) = written(Format::Table, Style::default(), &sample());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "host              bytes  up     ts");
        assert_eq!(lines[2], "a,\"b\"                 1  true   1970-01-01T00:00:01.500000Z");
        assert_eq!(lines[3], "\\x1b[31mred|\\x0a    -22  false  1970-01-01T00:00:00Z");
        assert_eq!(lines[4], "-                     -  -      -");
        assert_eq!(lines[5], "日本                333  -      -", "two wide letters take four columns");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in 20..80 {
            let style = Style { width: Some(width), ..Style::default() };
            let (text, w) = written(Format::Table, style, &sample());
            for line in text.lines() {
                assert!(line.width() <= width, "{width}: {line}");
            }
            if width >= 58 {
                assert_eq!(w.hidden, Vec::<String>::new(), "{width}: {text}");
            }
        }
    }

    #[test]
    fn numbers_are_hidden_rather_than_cut() {
        let batch = RecordBatch::try_from_iter([
            ("name", Arc::new(StringArray::from(vec!["x".repeat(50)])) as ArrayRef),
            ("a", Arc::new(Int64Array::from(vec![1_234_567_890_123]))),
            ("b", Arc::new(Int64Array::from(vec![9_876_543_210_987]))),
        ])
        .unwrap();
        let style = Style { width: Some(32), ..Style::default() };
        let (text, w) = written(Format::Table, style, &[batch]);
        assert_eq!(w.hidden, ["b"]);
        assert!(text.contains("1234567890123") && text.contains("xxxxxxxxx…"), "{text}");
    }

    #[test]
    fn sentences_and_addresses_keep_room_to_be_read() {
        let column = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("title", column("10.20.0.10 calls cdn-status.example.net every 63 s, 48 times in an hour")),
            ("src", column("192.168.100.164:49209")),
            ("dst", column("192.168.100.255:49210")),
        ])
        .unwrap();
        let style = Style { width: Some(80), ..Style::default() };
        let (text, w) = written(Format::Table, style, std::slice::from_ref(&batch));
        let said: Vec<&str> = text.lines().skip(2).map(|l| l.get(..57).unwrap_or(l).trim()).collect();
        assert_eq!(
            said.join(" "),
            "10.20.0.10 calls cdn-status.example.net every 63 s, 48 times in an hour",
            "{text}"
        );
        assert!(text.contains("192.168.100.164:49209") && w.hidden == ["dst"], "{text}");
        let (text, w) = written(Format::Table, Style { width: Some(84), ..style }, &[batch]);
        assert!(text.contains("192.168.100.255:49210") && w.hidden.is_empty(), "{text}");
    }

    #[test]
    fn a_sentence_without_end_is_cut_after_some_lines() {
        let long = Arc::new(StringArray::from(vec!["four words and more ".repeat(40)])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("title", long),
            ("n", Arc::new(Int64Array::from(vec![7])) as ArrayRef),
        ])
        .unwrap();
        let (text, _) = written(Format::Table, Style { width: Some(40), ..Style::default() }, &[batch]);
        assert_eq!(text.lines().count(), 2 + SENTENCE_LINES, "{text}");
        assert!(text.lines().all(|l| l.width() <= 40) && text.trim_end().ends_with('…'), "{text}");
    }

    #[test]
    fn addresses_lose_their_middle_and_points_stand_below_each_other() {
        let ips = Arc::new(StringArray::from(vec![
            "[fe80::3e33:cecd:6625:1]:5353",
            "[fe80::3e33:cecd:6625:2]:5353",
        ])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("src", ips),
            (
                "sure",
                Arc::new(duckdb::arrow::array::Float64Array::from(vec![Some(0.5), Some(0.875)])) as ArrayRef,
            ),
            ("n", Arc::new(duckdb::arrow::array::Float64Array::from(vec![None, Some(1.0)])) as ArrayRef),
        ])
        .unwrap();
        let (text, w) = written(Format::Table, Style { width: Some(34), ..Style::default() }, &[batch]);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            ["[fe80::3e33…6625:1]:5353  0.5    -", "[fe80::3e33…6625:2]:5353  0.875  1"],
            "{text}"
        );
        assert!(w.hidden.is_empty());
    }

    #[test]
    fn times_give_their_fraction_before_a_column_goes() {
        let ts = Arc::new(StringArray::from(vec!["2024-06-04T13:16:44.232817Z"])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("ts", ts),
            ("n", Arc::new(Int64Array::from(vec![1_234_567])) as ArrayRef),
        ])
        .unwrap();
        let at = |width| {
            written(
                Format::Table,
                Style { width: Some(width), ..Style::default() },
                std::slice::from_ref(&batch),
            )
        };
        assert!(at(36).0.contains("2024-06-04T13:16:44.232817Z  1234567"));
        assert!(at(30).0.contains("2024-06-04T13:16:44Z") && at(30).1.hidden.is_empty());
        assert_eq!(at(28).1.hidden, ["n"]);
    }

    #[test]
    fn rows_past_the_sample_keep_the_columns() {
        let short = RecordBatch::try_from_iter([(
            "t",
            Arc::new(StringArray::from(vec!["ab"; SAMPLE_ROWS])) as ArrayRef,
        )])
        .unwrap();
        let long =
            RecordBatch::try_from_iter([("t", Arc::new(StringArray::from(vec!["abcdefgh"])) as ArrayRef)])
                .unwrap();
        let (text, w) = written(Format::Table, Style::default(), &[short, long]);
        assert_eq!((w.rows, text.lines().last()), (SAMPLE_ROWS as u64 + 1, Some("a…")));
    }

    #[test]
    fn colours_only_when_asked() {
        let style = Style { colour: true, ..Style::default() };
        assert!(written(Format::Table, style, &sample()).0.contains("\u{1b}[1mhost\u{1b}[0m"));
    }
}
