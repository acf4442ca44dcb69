//! How do rows become columns for eyes?
//!
//! Aligned by display width (Unicode TR 11), numbers to the right, one line a row, never wrapped. The first rows decide
//! the widths, so that a result of any size streams. On a terminal wide texts are shortened with `…`; numbers, times
//! and addresses never are, because half a number is a wrong number: columns that do not fit are left out from the right
//! and named in [`Written::hidden`].

use super::{Render, Style, Written};
use crate::model::text::{CUT_MARK, printable};
use crate::report::cell::{Reader, is_number, is_text, write_text};
use duckdb::arrow::array::RecordBatch;
use duckdb::arrow::datatypes::Schema;
use std::io::{self, Write};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Rows that are held back to find the widths of the columns.
const SAMPLE_ROWS: usize = 1_000;
/// Bytes of text shown of one cell without a terminal: an endless text must not become an endless line.
const CELL_CAP_BYTES: usize = 4_096;
/// A text column is not made narrower than this, in terminal columns: an IPv4 address stays whole.
const MIN_TEXT_WIDTH: usize = 15;
/// A column of addresses is not made narrower than this: an IPv4 address with its port stays whole.
const MIN_ADDRESS_WIDTH: usize = 21;
/// A column of sentences keeps this share of the terminal, in percent: fifteen letters of a sentence say nothing, so others give way first.
const SENTENCE_SHARE: usize = 45;
/// Blanks from which on a cell is a sentence.
const SENTENCE_BLANKS: usize = 3;
/// Two blanks between columns.
const GAP: usize = 2;
/// How NULL looks.
const NULL_MARK: &str = "-";
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

struct Column {
    name: String,
    right: bool,
    /// Addresses and other short words have no blanks and are compared whole: still text to us. Only text shrinks.
    shrinks: bool,
    /// What most cells are.
    words: Words,
    width: usize,
}

/// What stands in a column of text: how far it may be shortened depends on that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Words {
    Few,
    Address,
    Sentence,
}

impl Words {
    /// What most of the cells are.
    fn of<'a>(cells: impl Iterator<Item = &'a str> + Clone) -> Self {
        let address = |c: &&str| {
            c.contains([':', '.']) && c.bytes().all(|b| b.is_ascii_hexdigit() || b":.[]".contains(&b))
        };
        let most = |n: usize| n * 2 > cells.clone().count();
        if most(cells.clone().filter(|c| c.matches(' ').count() >= SENTENCE_BLANKS).count()) {
            Self::Sentence
        } else if most(cells.clone().filter(address).count()) {
            Self::Address
        } else {
            Self::Few
        }
    }
}

impl Column {
    /// Narrowest width that still says something, of `available`.
    fn floor(&self, available: usize) -> usize {
        let least = match self.words {
            _ if !self.shrinks => self.width,
            Words::Few => MIN_TEXT_WIDTH,
            Words::Address => MIN_ADDRESS_WIDTH,
            Words::Sentence => MIN_TEXT_WIDTH.max(available * SENTENCE_SHARE / 100),
        };
        self.width.min(least)
    }
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
            for (column, cell) in self.columns.iter_mut().zip(row) {
                column.width =
                    column.width.max(cell.as_deref().map_or(NULL_MARK.len(), UnicodeWidthStr::width));
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
        self.line(&names, self.style.colour.then_some(BOLD))?;
        let rule: Vec<String> = self.columns.iter().map(|c| "─".repeat(c.width)).collect();
        let rule = rule.join(&" ".repeat(GAP));
        if self.style.colour {
            writeln!(self.out, "{DIM}{rule}{RESET}")?;
        } else {
            writeln!(self.out, "{rule}")?;
        }
        for row in std::mem::take(&mut self.held) {
            self.line(&row, None)?;
        }
        Ok(())
    }

    fn line(&mut self, cells: &[Option<String>], paint: Option<&str>) -> io::Result<()> {
        let mut line = String::new();
        for (i, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            if i > 0 {
                line.push_str("  ");
            }
            let text = cell.as_deref().unwrap_or(NULL_MARK);
            let (shown, width) = shorten(text, column.width, column.shrinks || paint.is_some());
            let blanks = column.width.saturating_sub(width);
            if column.right {
                line.extend(std::iter::repeat_n(' ', blanks));
            }
            let dim = cell.is_none() && self.style.colour;
            match (paint, dim) {
                (Some(paint), _) => line.extend([paint, &shown, RESET]),
                (None, true) => line.extend([DIM, &shown, RESET]),
                (None, false) => line.push_str(&shown),
            }
            if !column.right && i + 1 < self.columns.len() {
                line.extend(std::iter::repeat_n(' ', blanks));
            }
        }
        line.push('\n');
        self.out.write_all(line.as_bytes())
    }
}

/// `text` in at most `width` columns, with its width. What may not shrink stays whole.
fn shorten(text: &str, width: usize, shrinks: bool) -> (std::borrow::Cow<'_, str>, usize) {
    let full = text.width();
    if full <= width || !shrinks {
        return (text.into(), full);
    }
    let mut used = 0;
    let mut kept = String::new();
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > width {
            break;
        }
        used += w;
        kept.push(c);
    }
    kept.push(CUT_MARK);
    (kept.into(), used + 1)
}

/// Make the columns fit: the widest text gives first; when no text can give more, columns are dropped from the right.
/// Returns how many; at least one stays.
fn fit(columns: &mut [Column], available: usize) -> usize {
    let total = |columns: &[Column]| columns.iter().map(|c| c.width + GAP).sum::<usize>().saturating_sub(GAP);
    let floor = |c: &Column| c.floor(available);
    let mut kept = columns.len();
    while kept > 1 {
        let least: usize =
            columns.iter().take(kept).map(|c| floor(c) + GAP).sum::<usize>().saturating_sub(GAP);
        if least <= available {
            break;
        }
        kept -= 1;
    }
    let hidden = columns.len() - kept;
    let shown = columns.get_mut(..kept).unwrap_or_default();
    let mut excess = total(shown).saturating_sub(available);
    while excess > 0 {
        // The widest column that can still give comes down to the second widest, or as far as needed.
        let mut widths: Vec<usize> = shown.iter().filter(|c| c.width > floor(c)).map(|c| c.width).collect();
        widths.sort_unstable_by(|a, b| b.cmp(a));
        widths.dedup();
        let Some(&widest) = widths.first() else { break };
        let next = widths.get(1).copied().unwrap_or(0);
        let givers = shown.iter().filter(|c| c.width == widest && c.width > floor(c)).count().max(1);
        let step = (widest - next).min(excess.div_ceil(givers)).max(1);
        for c in shown.iter_mut().filter(|c| c.width == widest) {
            let least = floor(c);
            if excess == 0 || c.width <= least {
                continue;
            }
            let give = step.min(c.width - least).min(excess);
            c.width -= give;
            excess -= give;
        }
    }
    hidden
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
                Column { name, right: is_number(kind), shrinks: is_text(kind), words: Words::Few, width }
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
                self.line(&cells, None)?;
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
        assert!(text.contains("10.20.0.10 calls cdn-status.examp"), "{text}");
        assert!(text.contains("192.168.100.164:49209") && w.hidden == ["dst"], "{text}");
        let (text, w) = written(Format::Table, Style { width: Some(84), ..style }, &[batch]);
        assert!(text.contains("192.168.100.255:49210") && w.hidden.is_empty(), "{text}");
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
