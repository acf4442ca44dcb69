//! In which form is a report handed on?
//!
//! One file a form; each escapes for its own syntax in one place and nowhere else. Refuses to ask for anything: what is not in the model is not
//! shown.

mod csv;
mod html;
mod json;
mod markdown;
mod text;

pub use csv::{csv_files, main_csv};

use super::model::{Cell, Reason, Report};
use crate::report::figures::{grouped, second, short, size};
use crate::report::render::Style;
use std::io::{self, Write};

/// The forms of a whole report; CSV has its own ways, [`csv_files`] and [`main_csv`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// For a terminal.
    Text,
    /// GitHub's Markdown.
    Markdown,
    /// One self-contained page.
    Html,
    /// One object.
    Json,
}

/// Write the report.
pub fn write(report: &Report, form: Form, out: &mut impl Write, style: Style) -> io::Result<()> {
    match form {
        Form::Text => text::write(report, out, style),
        Form::Markdown => markdown::write(report, out),
        Form::Html => html::write(report, out),
        Form::Json => json::write(report, out),
    }
}

/// A cell for a person; not escaped.
fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Nothing => String::new(),
        Cell::Text(t) | Cell::Address(t) => t.clone(),
        Cell::List(list) => list.join(", "),
        Cell::Count(n) => grouped(*n),
        Cell::Bytes(n) => size(*n),
        Cell::Number(x) => short(*x),
        Cell::Percent(x) => format!("{} %", short(*x)),
        Cell::Time(t) => second(*t),
        Cell::Severity(s) => s.name().to_owned(),
        Cell::Flag(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Cell::Id(n) => n.to_string(),
    }
}

/// `ports 65 (counts from 15 on)`; not escaped.
fn reason(r: &Reason) -> String {
    let name = r.name.replace('_', " ");
    let against = if r.weight < 0.0 { ", speaks against" } else { "" };
    if r.threshold == 0.0 {
        format!("{name} {}{against}", short(r.value))
    } else {
        format!("{name} {} (threshold {}{against})", short(r.value), short(r.threshold))
    }
}
