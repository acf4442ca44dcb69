//! How does a spreadsheet read a report?
//!
//! Tables only, in full: one main table a section (`findings.csv`), further ones beside it (`traffic_services.csv`). Numbers are whole, times
//! ISO 8601, NULL is empty (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe in front: it came off the wire.

use crate::model::time::Timestamp;
use crate::report::security::model::{Block, Cell, Report, Section, Table};
use std::io::{self, Write};

/// The tables of a report as files: name without folder, and what is in it.
pub fn csv_files(report: &Report) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut out = Vec::new();
    for section in &report.sections {
        for (i, table) in tables(section).enumerate() {
            let name = if i == 0 {
                format!("{}.csv", section.name)
            } else {
                format!("{}_{}.csv", section.name, table.name)
            };
            let mut bytes = Vec::new();
            write_table(table, &mut bytes)?;
            out.push((name, bytes));
        }
        if tables(section).next().is_none() {
            let mut bytes = Vec::new();
            write_lines(section, &mut bytes)?;
            out.push((format!("{}.csv", section.name), bytes));
        }
    }
    Ok(out)
}

/// The main table of the first section.
pub fn main_csv(report: &Report, out: &mut impl Write) -> io::Result<()> {
    if let Some(section) = report.sections.first() {
        match tables(section).next() {
            Some(table) => write_table(table, out)?,
            None => write_lines(section, out)?,
        }
    }
    out.flush()
}

fn tables(section: &Section) -> impl Iterator<Item = &Table> {
    section.blocks.iter().filter_map(|b| match b {
        Block::Table(t) => Some(t),
        _ => None,
    })
}

fn write_table(table: &Table, out: &mut impl Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(table.columns.iter().map(|c| c.key))?;
    for row in &table.rows {
        csv.write_record(row.iter().map(cell))?;
    }
    csv.flush()
}

/// A section without a table: its facts, bars and sentences, `name,value`.
fn write_lines(section: &Section, out: &mut impl Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["name", "value"])?;
    for block in &section.blocks {
        match block {
            Block::Facts(f) => {
                for (key, _, value) in &f.pairs {
                    csv.write_record([(*key).to_owned(), cell(value)])?;
                }
            }
            Block::Bars(b) => {
                for bar in &b.bars {
                    csv.write_record([format!("{} {}", b.name, guarded(&bar.label)), cell(&bar.amount)])?;
                }
            }
            Block::Prose(p) => {
                for line in &p.lines {
                    csv.write_record([p.name.to_owned(), guarded(line)])?;
                }
            }
            _ => {}
        }
    }
    csv.flush()
}

fn cell(c: &Cell) -> String {
    match c {
        Cell::Nothing => String::new(),
        Cell::Text(t) | Cell::Address(t) => guarded(t),
        Cell::List(l) => guarded(&l.join(", ")),
        Cell::Count(n) | Cell::Bytes(n) => n.to_string(),
        Cell::Number(x) | Cell::Percent(x) => x.to_string(),
        Cell::Time(t) => Timestamp(*t).to_string(),
        Cell::Severity(s) => s.name().to_owned(),
        Cell::Flag(yes) => yes.to_string(),
        Cell::Id(n) => n.to_string(),
    }
}

/// A text that no spreadsheet runs.
fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}
