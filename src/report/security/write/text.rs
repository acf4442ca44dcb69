//! How does a report read on a terminal or in a mail?
//!
//! Headings, wrapped paragraphs, aligned tables whose widest columns are shortened to fit, bars of blocks. Texts are made printable once more:
//! nothing may act on a terminal. Never wraps a table.

use super::plain;
use crate::model::anomaly::Severity;
use crate::model::text::printable;
use crate::report::figures::{cut, grouped, instant, plural, second, short, size, span};
use crate::report::fold::hang;
use crate::report::render::Style;
use crate::report::security::model::{
    Bars, Block, Cell, Facts, Finding, Group, Host, Kind, Matrix, Prose, Report, Table, Timeline, Tone,
};
use std::fmt::Write as _;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Columns when nothing says how wide the reader's end is.
const WIDTH: usize = 110;
/// Narrowest width that is written for.
const NARROWEST: usize = 50;
/// Width of a bar.
const BAR: usize = 30;
/// Fewest columns to which a cell is shortened.
const LEAST_CELL: usize = 8;
/// Fewest columns to which a path is shortened, from the left: its end says which file it is.
const LEAST_PATH: usize = 24;

struct Text<'a, W: Write> {
    out: &'a mut W,
    width: usize,
    colour: bool,
}

/// Write the report.
pub(super) fn write(report: &Report, out: &mut impl Write, style: Style) -> io::Result<()> {
    let width = style.width.unwrap_or(WIDTH).clamp(NARROWEST, 160);
    let mut t = Text { out, width, colour: style.colour };
    let title = format!("Security report: {}", safe(&report.subject));
    let bold = t.bold(&title);
    writeln!(t.out, "{bold}")?;
    writeln!(t.out, "{}", "=".repeat(title.width().min(t.width)))?;
    for section in &report.sections {
        let heading = t.bold(section.title);
        writeln!(t.out, "\n{heading}\n{}", "-".repeat(section.title.width()))?;
        for block in &section.blocks {
            t.block(block)?;
        }
    }
    t.out.flush()
}

fn safe(text: &str) -> String {
    printable(text.as_bytes(), text.len())
}

impl<W: Write> Text<'_, W> {
    fn bold(&self, text: &str) -> String {
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn severity(&self, s: Severity) -> String {
        let name = s.name().to_uppercase();
        let code = match s {
            Severity::Critical => "1;97;41",
            Severity::High => "1;31",
            Severity::Medium => "33",
            Severity::Low => "36",
            Severity::Info => "2",
        };
        if self.colour { format!("\x1b[{code}m{name}\x1b[0m") } else { name }
    }

    fn block(&mut self, block: &Block) -> io::Result<()> {
        match block {
            Block::Prose(p) => self.prose(p),
            Block::Facts(f) => self.facts(f),
            Block::Table(t) => self.table(t, ""),
            Block::Bars(b) => self.bars(b),
            Block::Timeline(t) => self.timeline(t),
            Block::Matrix(m) => self.matrix(m),
            Block::Group(g) => self.group(g),
            Block::Host(h) => self.host(h),
        }
    }

    fn title(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() { writeln!(self.out) } else { writeln!(self.out, "\n{}", self.bold(text)) }
    }

    /// Words in lines; the first begins with `first`, later ones with as many blanks.
    fn wrap(&mut self, first: &str, text: &str) -> io::Result<()> {
        for line in hang(first, &safe(text), self.width) {
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    fn prose(&mut self, p: &Prose) -> io::Result<()> {
        self.title(p.title)?;
        for (i, line) in p.lines.iter().enumerate() {
            let first = match (p.numbered, p.tone) {
                (true, _) => format!("{}. ", i + 1),
                (false, Tone::Caution) => "! ".to_owned(),
                _ => String::new(),
            };
            self.wrap(&first, line)?;
        }
        Ok(())
    }

    fn facts(&mut self, f: &Facts) -> io::Result<()> {
        writeln!(self.out)?;
        self.pairs(f.pairs.iter().map(|(_, title, cell)| (*title, cell)), "")
    }

    fn pairs<'c>(
        &mut self,
        pairs: impl Iterator<Item = (&'c str, &'c Cell)>,
        indent: &str,
    ) -> io::Result<()> {
        let shown: Vec<(&str, String)> =
            pairs.filter(|(_, c)| **c != Cell::Nothing).map(|(t, c)| (t, safe(&plain(c)))).collect();
        let widest = shown.iter().map(|(t, _)| t.width()).max().unwrap_or(0);
        for (title, value) in shown {
            self.wrap(&format!("{indent}{title}{}  ", " ".repeat(widest - title.width())), &value)?;
        }
        Ok(())
    }

    fn table(&mut self, t: &Table, indent: &str) -> io::Result<()> {
        if t.rows.is_empty() {
            return if t.empty.is_empty() {
                Ok(())
            } else {
                self.title(t.title)?;
                self.wrap(indent, t.empty)
            };
        }
        if indent.is_empty() {
            self.title(t.title)?;
        }
        // A column without a value in any row says nothing.
        let mut keep: Vec<usize> = (0..t.columns.len())
            .filter(|i| t.rows.iter().any(|r| r.get(*i).is_some_and(|c| *c != Cell::Nothing)))
            .collect();
        let shrinks = |i: usize| t.columns.get(i).is_some_and(|c| c.kind == Kind::Text);
        let least = |i: usize| {
            let title = t.columns.get(i).map_or(0, |c| c.title.width());
            let cell = t.rows.iter().filter_map(|r| r.get(i)).map(|c| plain(c).width()).max().unwrap_or(0);
            let shortest =
                if t.columns.get(i).is_some_and(|c| c.key == "path") { LEAST_PATH } else { LEAST_CELL };
            if shrinks(i) { title.max(cell).min(shortest.max(title)) } else { title.max(cell) }
        };
        // What does not fit even when all texts are short is named instead, from the right.
        let mut hidden = Vec::new();
        while keep.len() > 1
            && indent.len() + keep.iter().map(|i| least(*i) + 2).sum::<usize>() > self.width + 2
        {
            let column = keep.pop().and_then(|i| t.columns.get(i));
            hidden.extend(column.map(|c| c.title));
        }
        let cells: Vec<Vec<String>> = t
            .rows
            .iter()
            .map(|r| keep.iter().map(|i| r.get(*i).map_or_else(String::new, |c| safe(&plain(c)))).collect())
            .collect();
        let columns: Vec<_> = keep.iter().filter_map(|i| t.columns.get(*i)).collect();
        let mut widths: Vec<usize> = columns.iter().map(|c| c.title.width()).collect();
        for row in &cells {
            for (w, cell) in widths.iter_mut().zip(row) {
                *w = (*w).max(cell.width());
            }
        }
        let room = self.width.saturating_sub(indent.len() + 2 * columns.len().saturating_sub(1));
        fit(&mut widths, room, |i| {
            keep.get(i).filter(|k| shrinks(**k)).map(|k| {
                if t.columns.get(*k).is_some_and(|c| c.key == "path") { LEAST_PATH } else { LEAST_CELL }
            })
        });
        let line = |cells: &[String]| {
            let mut out = indent.to_owned();
            for ((cell, w), column) in cells.iter().zip(&widths).zip(&columns) {
                let cell = shorten(cell, *w);
                let pad = " ".repeat(w.saturating_sub(cell.width()));
                if column.kind.is_number() {
                    out.push_str(&pad);
                    out.push_str(&cell);
                } else {
                    out.push_str(&cell);
                    out.push_str(&pad);
                }
                out.push_str("  ");
            }
            out.trim_end().to_owned()
        };
        let head: Vec<String> = columns.iter().map(|c| c.title.to_owned()).collect();
        writeln!(self.out, "{}", line(&head))?;
        let rule: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
        writeln!(self.out, "{}", line(&rule))?;
        for row in &cells {
            writeln!(self.out, "{}", line(row))?;
        }
        let mut notes = Vec::new();
        if t.total > t.rows.len() as u64 {
            notes.push(format!("{} of {}", grouped(t.rows.len() as u64), grouped(t.total)));
        }
        if !hidden.is_empty() {
            hidden.reverse();
            notes.push(format!("no room for: {}", hidden.join(", ")));
        }
        if notes.is_empty() { Ok(()) } else { writeln!(self.out, "{indent}({})", notes.join("; ")) }
    }

    fn bars(&mut self, b: &Bars) -> io::Result<()> {
        if b.bars.is_empty() {
            return Ok(());
        }
        self.title(b.title)?;
        let amount = |c: &Cell| match c {
            Cell::Count(n) | Cell::Bytes(n) => *n,
            _ => 0,
        };
        let most = b.bars.iter().map(|x| amount(&x.amount)).max().unwrap_or(0).max(1);
        let labels: Vec<String> = b.bars.iter().map(|x| cut(&safe(&x.label), 40)).collect();
        let widest = labels.iter().map(|l| l.width()).max().unwrap_or(0);
        for (bar, label) in b.bars.iter().zip(&labels) {
            let n = amount(&bar.amount);
            let mut length = (u128::from(n) * BAR as u128 / u128::from(most)) as usize;
            if n > 0 {
                length = length.max(1);
            }
            let pad = " ".repeat(widest - label.width());
            writeln!(
                self.out,
                "{}",
                format!("{label}{pad}  {:BAR$}  {}", "█".repeat(length), plain(&bar.amount)).trim_end()
            )?;
        }
        Ok(())
    }

    fn timeline(&mut self, t: &Timeline) -> io::Result<()> {
        self.title(t.title)?;
        const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let per = t.buckets.len().div_ceil(self.width.max(1)).max(1);
        let most =
            t.buckets.chunks(per).map(|c| c.iter().map(|b| b.bytes).sum::<u64>()).max().unwrap_or(0).max(1);
        let (mut curve, mut marks) = (String::new(), String::new());
        for chunk in t.buckets.chunks(per) {
            let bytes: u64 = chunk.iter().map(|b| b.bytes).sum();
            let flows: u64 = chunk.iter().map(|b| b.flows).sum();
            let level = (u128::from(bytes) * 7 / u128::from(most)) as usize;
            curve.push(if flows == 0 { ' ' } else { BLOCKS.get(level).copied().unwrap_or('█') });
            let worst =
                (0..5).rev().find(|i| chunk.iter().any(|b| b.findings.get(*i).is_some_and(|n| *n > 0)));
            marks.push(worst.map_or(' ', |i| ['i', 'l', 'm', 'H', 'C'].get(i).copied().unwrap_or('?')));
        }
        writeln!(self.out, "{}", curve.trim_end())?;
        if !marks.trim().is_empty() {
            writeln!(self.out, "{}", marks.trim_end())?;
        }
        let last = t.start.saturating_add(t.step.saturating_mul(t.buckets.len() as i64));
        writeln!(
            self.out,
            "{} to {} UTC, {} a column{}",
            instant(t.start, t.step),
            instant(last, t.step),
            span(t.step.saturating_mul(per as i64)),
            if marks.trim().is_empty() {
                ""
            } else {
                "; C critical, H high, m medium, l low, i info findings begin"
            }
        )
    }

    fn matrix(&mut self, m: &Matrix) -> io::Result<()> {
        // A terminal has no room for a square of addresses: its busiest fields as a list.
        self.title(m.title)?;
        let mut cells = m.cells.clone();
        cells.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| (a.0, a.1).cmp(&(b.0, b.1))));
        let name = |list: &[String], i: usize| list.get(i).cloned().unwrap_or_default();
        let widest = m.sources.iter().map(String::len).max().unwrap_or(0);
        let target = m.targets.iter().map(String::len).max().unwrap_or(0);
        for (s, t, bytes, flows) in cells.iter().take(10) {
            writeln!(
                self.out,
                "{:widest$} -> {:target$}  {:>10}  {}",
                safe(&name(&m.sources, *s)),
                safe(&name(&m.targets, *t)),
                size(*bytes),
                plural(*flows, "flow")
            )?;
        }
        Ok(())
    }

    fn group(&mut self, g: &Group) -> io::Result<()> {
        let technique = g.technique.as_deref().map(|t| format!(", ATT&CK {}", safe(t))).unwrap_or_default();
        let head = format!("{} {}: {}", self.severity(g.severity), self.bold(&safe(&g.kind)), counted(g));
        writeln!(self.out, "\n{head}{technique}")?;
        self.wrap("  ", &g.meaning)?;
        for f in &g.shown {
            self.finding(f)?;
        }
        for f in &g.more {
            self.wrap("  - ", &format!("{} {} % {} [{}]", f.severity, percent(f), f.title, f.id))?;
        }
        let told = (g.shown.len() + g.more.len()) as u64;
        if g.total > told {
            let rest = g.total - told;
            self.wrap(
                "  ",
                &format!(
                    "… and {} more of {}; all: secnetmon anomalies --kind {} -n 0",
                    grouped(rest),
                    sides(g),
                    g.kind
                ),
            )?;
        }
        for (title, lines) in [("  What else looks like this:", &g.innocent), ("  What to do next:", &g.next)]
        {
            if !lines.is_empty() {
                writeln!(self.out, "{title}")?;
            }
            for line in lines {
                self.wrap("    - ", line)?;
            }
        }
        Ok(())
    }

    fn finding(&mut self, f: &Finding) -> io::Result<()> {
        writeln!(self.out)?;
        self.wrap("  * ", &f.title)?;
        let acknowledged = if f.status == "acknowledged" { ", acknowledged" } else { "" };
        self.wrap(
            "    ",
            &format!(
                "{}, {} % sure, {} to {} UTC, {}{acknowledged}; id {}; in {}",
                f.severity,
                percent(f),
                second(f.first),
                second(f.last),
                plural(f.count, "event"),
                f.id,
                f.file()
            ),
        )?;
        let why: Vec<String> = f.reasons.iter().map(super::reason).collect();
        if !why.is_empty() {
            self.wrap("    why: ", &why.join("; "))?;
        }
        for (name, value) in &f.details {
            self.wrap(&format!("    {}: ", safe(&name.replace('_', " "))), value)?;
        }
        Ok(())
    }

    fn host(&mut self, h: &Host) -> io::Result<()> {
        let head = format!(
            "{}  risk {}, {}",
            self.bold(&safe(&h.ip)),
            short(h.risk),
            if h.internal { "inside" } else { "outside" }
        );
        writeln!(self.out, "\n{head}")?;
        self.pairs(h.facts.iter().map(|(_, title, cell)| (*title, cell)), "  ")?;
        for (t, title) in [(&h.findings, "  Findings:"), (&h.peers, "  Exchanges most with:")] {
            if !t.rows.is_empty() {
                writeln!(self.out, "{title}")?;
                self.table(t, "    ")?;
            }
        }
        Ok(())
    }
}

fn percent(f: &Finding) -> f64 {
    (f.confidence * 100.0).round()
}

/// `1,003 findings (1 high, 1,002 low)`.
pub(super) fn counted(g: &Group) -> String {
    let parts: Vec<String> = Severity::ALL
        .iter()
        .zip(g.counts)
        .rev()
        .filter(|(_, n)| *n > 0)
        .map(|(s, n)| format!("{} {s}", grouped(n)))
        .collect();
    match parts.len() {
        0 | 1 => plural(g.total, "finding"),
        _ => format!("{} ({})", plural(g.total, "finding"), parts.join(", ")),
    }
}

/// `12 sources and 3 targets`.
pub(super) fn sides(g: &Group) -> String {
    format!("{} and {} in all", plural(g.sources, "source"), plural(g.targets, "target"))
}

/// Shorten the widest columns until all fit, each to its `least` at most; `None`: not at all.
fn fit(widths: &mut [usize], room: usize, least: impl Fn(usize) -> Option<usize>) {
    while widths.iter().sum::<usize>() > room {
        let widest = widths
            .iter()
            .enumerate()
            .filter(|(i, w)| least(*i).is_some_and(|l| **w > l))
            .max_by_key(|(_, w)| **w);
        let Some((i, _)) = widest else { return };
        if let Some(w) = widths.get_mut(i) {
            *w -= 1;
        }
    }
}

/// At most `width` columns, with a mark where something is missing.
fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    if text.starts_with('/') && !text.contains(' ') {
        let mut end = text;
        while end.width() + 1 > width && !end.is_empty() {
            let mut rest = end.chars();
            rest.next();
            end = rest.as_str();
        }
        return format!("…{end}");
    }
    let mut out = String::new();
    for c in text.chars() {
        let mut next = out.clone();
        let _ = write!(next, "{c}");
        if next.width() + 1 > width {
            break;
        }
        out = next;
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_shrink_where_text_is_and_numbers_stay() {
        let mut widths = [40, 10, 30];
        fit(&mut widths, 50, |i| (i != 1).then_some(LEAST_CELL));
        assert_eq!(widths[1], 10);
        assert_eq!(widths.iter().sum::<usize>(), 50);
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("日本語", 4), "日…");
        assert_eq!(shorten("/a/folder/x.pcap", 8), "…/x.pcap");
    }
}
