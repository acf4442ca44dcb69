//! How do rows become columns for eyes?
//!
//! Aligned by display width (Unicode TR 11), numbers to the right with their points below each other. The first rows decide
//! the widths, so that a result of any size streams. On a terminal one column of sentences goes on below its row, other wide texts
//! are shortened with `…`, addresses in their middle, because most of them begin alike; times lose the fraction of their second. Numbers never
//! give way: half a number is a wrong number. Columns that do not fit are left out from the right and named in [`Written::hidden`].

use super::{Render, Style, Written};
use crate::model::text::printable;
use crate::report::cell::{Reader, is_number, is_text, write_text};
use crate::report::fold::{hang, without_end, without_middle};
use duckdb::arrow::array::RecordBatch;
use duckdb::arrow::datatypes::Schema;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Rows that are held back to find the widths of the columns.
const SAMPLE_ROWS: usize = 1_000;
/// Bytes of text shown of one cell without a terminal: an endless text must not become an endless line.
const CELL_CAP_BYTES: usize = 4_096;
/// A text column is not made narrower than this, in terminal columns: an IPv4 address stays whole.
const MIN_TEXT_WIDTH: usize = 15;
/// A column of addresses is not made narrower than this: an IPv4 address with its port stays whole.
const MIN_ADDRESS_WIDTH: usize = 21;
/// A time to the second, with its zone: what is left of one that gives its fraction for another column.
const SECOND_WIDTH: usize = "2024-01-31T12:00:00Z".len();
/// A column of sentences keeps this share of the terminal, in percent: fifteen letters of a sentence say nothing, so others give way first.
const SENTENCE_SHARE: usize = 45;
/// Lines that a sentence goes on for; what is longer is cut.
const SENTENCE_LINES: usize = 4;
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
    /// Digits behind the point, with it, of the number that has most of them; 0 for what is no number.
    fraction: usize,
    width: usize,
}

/// What stands in a column of text: how far it may be shortened depends on that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Words {
    Few,
    Address,
    Sentence,
    Time,
}

/// `2024-01-31T12:00:00`, with what follows, or with a blank in it.
fn is_time(text: &str) -> bool {
    let shape = |(i, b): (usize, u8)| match i {
        4 | 7 => b == b'-',
        10 => b == b'T' || b == b' ',
        13 | 16 => b == b':',
        _ => b.is_ascii_digit(),
    };
    text.len() >= 19 && text.bytes().take(19).enumerate().all(shape)
}

impl Words {
    /// What most of the cells are.
    fn of<'a>(cells: impl Iterator<Item = &'a str> + Clone) -> Self {
        let address = |c: &&str| {
            c.contains([':', '.']) && c.bytes().all(|b| b.is_ascii_hexdigit() || b":.[]".contains(&b))
        };
        let most = |n: usize| n * 2 > cells.clone().count();
        if most(cells.clone().filter(|c| is_time(c)).count()) {
            Self::Time
        } else if most(cells.clone().filter(|c| c.matches(' ').count() >= SENTENCE_BLANKS).count()) {
            Self::Sentence
        } else if most(cells.clone().filter(address).count()) {
            Self::Address
        } else {
            Self::Few
        }
    }
}

impl Column {
    /// Blanks behind a number that has fewer digits behind its point than another.
    fn blanks_behind(&self, text: &str) -> usize {
        match text {
            NULL_MARK => 0,
            number => self.fraction.saturating_sub(fraction(number)),
        }
    }

    /// Narrowest width that still says something, of `available`.
    fn floor(&self, available: usize) -> usize {
        let least = match self.words {
            Words::Time => SECOND_WIDTH,
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

/// Digits of a number behind its point, with the point.
fn fraction(number: &str) -> usize {
    number.split_once('.').map_or(0, |(_, digits)| digits.len() + 1)
}

/// `text` in at most `width` columns, with its width. An address loses its middle, all else its end.
fn shorten(text: &str, width: usize, words: Words) -> (std::borrow::Cow<'_, str>, usize) {
    let full = text.width();
    if full <= width {
        return (text.into(), full);
    }
    if words == Words::Time {
        let whole = text.split('.').next().unwrap_or(text);
        let zone = if text.ends_with('Z') && !whole.ends_with('Z') { "Z" } else { "" };
        return (format!("{whole}{zone}").into(), whole.len() + zone.len());
    }
    let short = if words == Words::Address { without_middle(text, width) } else { without_end(text, width) };
    let width = short.width();
    (short.into(), width)
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
    let natural: Vec<usize> = shown.iter().map(|c| c.width).collect();
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
    // A time that gave something shows whole seconds: it needs no more.
    for (c, natural) in
        shown.iter_mut().zip(natural).filter(|(c, natural)| c.words == Words::Time && c.width < *natural)
    {
        c.width = SECOND_WIDTH.min(natural);
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
