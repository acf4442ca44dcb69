//! How do rows, facts and bars look on the page?
//!
//! A table has a caption, headings with a scope, the value to sort by on each cell that is a number, and a field to filter when it is long.

use super::{Page, chip, esc};
use crate::report::figures::grouped;
use crate::report::security::model::{Bars, Cell, Column, Facts, Kind, Table};
use crate::report::security::write::plain;
use std::fmt::Write as _;

/// Rows from which on a table gets a field to filter.
const FILTERED: usize = 8;
/// Characters from which on a text gets room.
const LONG: usize = 40;
/// Characters up to which a text stays on one line.
const SHORT: usize = 26;
/// Bytes from which on a text without blanks is broken anywhere.
const HASH: usize = 40;

/// Length of `n` of `most` as percent, visible when it is not 0.
pub(super) fn share(n: u64, most: u64) -> f64 {
    if n == 0 || most == 0 { 0.0 } else { (100.0 * n as f64 / most as f64).max(0.6) }
}

impl Page {
    pub(super) fn facts(&mut self, f: &Facts) {
        self.out.push_str("<dl class=\"facts card block\">");
        for (_, title, cell) in f.pairs.iter().filter(|(_, _, c)| *c != Cell::Nothing) {
            let _ = write!(self.out, "<div><dt>{}</dt><dd>", esc(title));
            self.value(cell);
            self.out.push_str("</dd></div>");
        }
        self.out.push_str("</dl>\n");
    }

    pub(super) fn value(&mut self, cell: &Cell) {
        match cell {
            Cell::Address(ip) => self.address(ip),
            Cell::Severity(s) => self.out.push_str(&chip(*s)),
            _ => self.out.push_str(&esc(&plain(cell))),
        }
    }

    pub(super) fn table(&mut self, t: &Table) {
        if t.rows.is_empty() {
            if !t.empty.is_empty() {
                let _ = writeln!(
                    self.out,
                    "<div class=\"block\"><h3>{}</h3><p class=\"aside\">{}</p></div>",
                    esc(t.title),
                    esc(t.empty)
                );
            }
            return;
        }
        self.out.push_str("<div class=\"block\">");
        self.rows(t, true);
        self.out.push_str("</div>\n");
    }

    /// The table itself, with a heading of its own or a caption.
    pub(super) fn rows(&mut self, t: &Table, heading: bool) {
        self.tables += 1;
        let id = format!("t{}", self.tables);
        // A column without a value in any row says nothing.
        let keep: Vec<(usize, &Column)> = t
            .columns
            .iter()
            .enumerate()
            .filter(|(i, _)| t.rows.iter().any(|r| r.get(*i).is_some_and(|c| *c != Cell::Nothing)))
            .collect();
        if heading {
            let _ = write!(self.out, "<div class=\"tablehead\"><h3 id=\"{id}-h\">{}</h3>", esc(t.title));
            if t.rows.len() >= FILTERED {
                let _ = write!(
                    self.out,
                    "<input type=\"search\" data-for=\"{id}\" placeholder=\"Filter\" aria-label=\"Filter: {}\" hidden>",
                    esc(t.title)
                );
            }
            self.out.push_str("</div>");
        }
        let _ = write!(
            self.out,
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{title}\"><table class=\"data\" id=\"{id}\"><caption{sr}>{title}</caption><thead><tr>",
            title = esc(t.title),
            sr = if heading { " class=\"sr\"" } else { "" }
        );
        for (_, c) in &keep {
            let class = if c.kind.is_number() { "num " } else { "" };
            let sort =
                if matches!(c.kind, Kind::Severity | Kind::Time) { " data-sort=\"number\"" } else { "" };
            let _ = write!(
                self.out,
                "<th scope=\"col\" class=\"{class}c-{}\"{sort}>{}</th>",
                c.key,
                esc(c.title)
            );
        }
        self.out.push_str("</tr></thead><tbody>");
        for row in &t.rows {
            self.out.push_str("<tr>");
            for (column, cell) in keep.iter().filter_map(|(i, c)| Some((c, row.get(*i)?))) {
                self.cell(column.key, cell);
            }
            self.out.push_str("</tr>\n");
        }
        self.out.push_str("</tbody></table></div>");
        if t.rows.len() >= FILTERED && heading {
            let _ = write!(self.out, "<p class=\"note\" id=\"{id}-said\" aria-live=\"polite\"></p>");
        }
        if t.total > t.rows.len() as u64 {
            let _ = write!(
                self.out,
                "<p class=\"note\">{} of {} rows.</p>",
                grouped(t.rows.len() as u64),
                grouped(t.total)
            );
        }
    }

    fn cell(&mut self, key: &str, cell: &Cell) {
        let sort = match cell {
            Cell::Count(n) | Cell::Bytes(n) => Some(n.to_string()),
            Cell::Number(x) | Cell::Percent(x) => Some(x.to_string()),
            Cell::Time(t) => Some(t.to_string()),
            Cell::Id(n) => Some(n.to_string()),
            Cell::Severity(s) => Some(s.rank().to_string()),
            _ => None,
        };
        let class = match cell {
            Cell::Count(_) | Cell::Bytes(_) | Cell::Number(_) | Cell::Percent(_) | Cell::Id(_) => "num",
            Cell::Time(_) | Cell::Severity(_) | Cell::Address(_) => "nowrap",
            Cell::Text(t) if t.len() >= HASH && !t.contains(' ') => {
                if t.contains('/') {
                    "path"
                } else {
                    "hash"
                }
            }
            Cell::Text(t) if t.chars().count() > LONG => "text long",
            Cell::Text(t) if t.chars().count() <= SHORT => "text short",
            Cell::List(_) => "text long",
            _ => "text",
        };
        let sort = sort.map(|v| format!(" data-v=\"{v}\"")).unwrap_or_default();
        let _ = write!(self.out, "<td class=\"{class} c-{key}\"{sort}>");
        self.value(cell);
        self.out.push_str("</td>");
    }

    pub(super) fn bars(&mut self, b: &Bars) {
        if b.bars.is_empty() {
            return;
        }
        let amount = |c: &Cell| match c {
            Cell::Count(n) | Cell::Bytes(n) => *n,
            _ => 0,
        };
        let most = b.bars.iter().map(|x| amount(&x.amount)).max().unwrap_or(0);
        let _ = write!(self.out, "<div class=\"card block\"><h3>{}</h3><ul class=\"bars\">", esc(b.title));
        for bar in &b.bars {
            let class = bar.severity.map_or("fill-bar".to_owned(), |s| format!("fill-{s}"));
            let _ = write!(
                self.out,
                "<li><span class=\"label\">{}</span><svg aria-hidden=\"true\"><rect width=\"100%\" height=\"12\" rx=\"3\" class=\"fill-track\"/>\
                 <rect width=\"{:.2}%\" height=\"12\" rx=\"3\" class=\"{class}\"/></svg><span class=\"amount\">{}</span></li>",
                esc(&bar.label),
                share(amount(&bar.amount), most),
                esc(&plain(&bar.amount))
            );
        }
        self.out.push_str("</ul></div>\n");
    }
}
