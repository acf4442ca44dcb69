//! How does one thing fill a screen?
//!
//! A page has several tables under headings: the profile of a host, a finding in full. As text, as Markdown, or as one JSON object
//! with a member a table. Refuses forms that hold one table only.

use super::exit::usage;
use super::output;
use super::{Context, Exit};
use crate::model::text::printable;
use crate::report::fold::hang;
use crate::report::header::Bound;
use crate::report::render::{Format, Render, Style, renderer};
use crate::store::Reader;
use anyhow::Result;
use std::io::{BufWriter, StdoutLock, Write};

/// A part of a page.
pub(super) struct Section {
    /// Member of the JSON object.
    pub(super) name: &'static str,
    /// Heading.
    pub(super) title: &'static str,
    /// What it shows.
    pub(super) sql: &'static str,
}

/// A page being written to stdout.
pub(super) struct Page<'a> {
    out: BufWriter<StdoutLock<'static>>,
    format: Format,
    style: Style,
    subject: &'a str,
    written: usize,
    /// Was the heading of the next section said already?
    opened: bool,
}

/// `text` behind `first`, in lines of at most `width` columns where there is one; later lines begin under the text.
fn wrapped(first: &str, text: &str, width: Option<usize>) -> String {
    let text = printable(text.as_bytes(), text.len());
    match width {
        Some(width) => hang(first, &text, width).join("\n"),
        None => format!("{first}{text}"),
    }
}

impl<'a> Page<'a> {
    /// Begin a page about `subject`.
    pub(super) fn begin(format: Format, style: Style, subject: &'a str) -> Result<Self> {
        if matches!(format, Format::Csv | Format::Ndjson) {
            return Err(usage("this has several tables; use --format table, markdown or json"));
        }
        Ok(Self { out: output::stdout(), format, style, subject, written: 0, opened: false })
    }

    /// On a terminal, begin with a sentence in full: a table would cut it.
    pub(super) fn opening(&mut self, title: &str, sentence: &str) -> Result<bool> {
        if self.format != Format::Table {
            return Ok(false);
        }
        self.heading("", title)?;
        writeln!(self.out, "{}", wrapped("", sentence, self.style.width))?;
        self.opened = true;
        Ok(true)
    }

    /// Write a section; an empty one only in JSON. Returns its rows.
    pub(super) fn section(
        &mut self,
        section: &Section,
        params: &[(String, Option<String>)],
        reader: &Reader,
        cx: &Context,
    ) -> Result<usize> {
        self.rows(section.name, section.title, section.sql, params, reader, cx)
    }

    /// The same for SQL that was put together.
    pub(super) fn rows(
        &mut self,
        name: &'static str,
        title: &str,
        sql: &str,
        params: &[(String, Option<String>)],
        reader: &Reader,
        cx: &Context,
    ) -> Result<usize> {
        let params: Bound = params.iter().filter(|(n, _)| sql.contains(&format!("${n}"))).cloned().collect();
        let mut results = reader.query(sql, &params, &cx.settings.query.limits())?;
        let schema = results.schema().clone();
        let mut batches = Vec::new();
        for batch in results.by_ref() {
            batches.push(batch?);
        }
        let rows: usize = batches.iter().map(|b| b.num_rows()).sum();
        if rows == 0 && (self.format != Format::Json || self.written == 0) {
            return Ok(0);
        }
        self.heading(name, title)?;
        let mut r: Box<dyn Render + '_> = renderer(self.format, &mut self.out, self.style);
        r.begin(&schema)?;
        for batch in &batches {
            r.batch(batch)?;
        }
        let hidden = r.finish()?.hidden;
        drop(r);
        if !hidden.is_empty() {
            let names = format!("{} (--format json has all)", hidden.join(", "));
            writeln!(self.out, "{}", wrapped("not shown: ", &names, self.style.width))?;
        }
        Ok(rows)
    }

    /// Write lines as they are under a heading; for eyes only, the JSON has the rows behind them.
    pub(super) fn lines(&mut self, name: &'static str, title: &str, lines: &[String]) -> Result<()> {
        self.heading(name, title)?;
        if self.format == Format::Markdown {
            writeln!(self.out, "```")?;
        }
        for line in lines {
            writeln!(self.out, "{line}")?;
        }
        if self.format == Format::Markdown {
            writeln!(self.out, "```")?;
        }
        Ok(())
    }

    /// Write a list of sentences.
    pub(super) fn list(&mut self, name: &'static str, title: &'static str, lines: &[String]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.heading(name, title)?;
        if self.format == Format::Json {
            write!(self.out, "{}", serde_json::Value::from(lines.to_vec()))?;
            return Ok(());
        }
        let width = self.style.width.filter(|_| self.format != Format::Markdown);
        for line in lines {
            writeln!(self.out, "{}", wrapped("- ", line, width))?;
        }
        Ok(())
    }

    fn heading(&mut self, name: &str, title: &str) -> Result<()> {
        if std::mem::take(&mut self.opened) {
            return Ok(writeln!(self.out)?);
        }
        let first = self.written == 0;
        self.written += 1;
        match self.format {
            Format::Json => write!(self.out, "{}\"{name}\": ", if first { "{" } else { ", " })?,
            Format::Markdown if first => write!(self.out, "# {}\n\n## {title}\n\n", self.subject)?,
            Format::Markdown => write!(self.out, "\n## {title}\n\n")?,
            _ => {
                let gap = if first { "" } else { "\n" };
                let (bold, plain) = if self.style.colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
                let of = if first { format!(" {}", self.subject) } else { String::new() };
                writeln!(self.out, "{gap}{bold}{title}{of}{plain}")?;
            }
        }
        Ok(())
    }

    /// The page is complete.
    pub(super) fn end(mut self) -> Result<Exit> {
        if self.format == Format::Json && self.written > 0 {
            writeln!(self.out, "}}")?;
        }
        self.out.flush()?;
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn sentences_end_where_the_terminal_does() {
        assert_eq!(wrapped("- ", "one two three", Some(9)), "- one two\n  three");
        assert_eq!(wrapped("- ", "one two three", None), "- one two three");
        assert_eq!(wrapped("", "\u{1b}[2J", Some(9)), "\\x1b[2J");
    }
}
