//! Which questions fill which section?
//!
//! One file a section; what several need is in `overview`. Each gives blocks of the model and nothing else.

mod credentials;
mod dns;
mod files;
mod findings;
mod hosts;
mod method;
mod overview;
mod quality;
mod summary;
mod timeline;
mod tls;
mod traffic;

pub(super) use credentials::credentials;
pub(super) use dns::dns;
pub(super) use files::files;
pub(super) use findings::findings;
pub(super) use hosts::hosts;
pub(super) use method::method;
pub(super) use overview::Overview;
pub(super) use quality::quality;
pub(super) use summary::{capital, summary};
pub(super) use tls::tls;
pub(super) use traffic::traffic;

use super::ask::Row;
use super::model::{Bar, Bars, Block, Cell, Prose, Table, Tone};
use crate::model::anomaly::Severity;

/// Sentences of one tone.
fn prose(name: &'static str, tone: Tone, lines: Vec<String>) -> Block {
    Block::Prose(Prose { name, title: "", tone, numbered: false, lines, about: Vec::new() })
}

/// A table that says something when it has no row.
fn or_say(table: Table, empty: &'static str) -> Block {
    Block::Table(Table { empty, ..table })
}

/// Bars of counts: one a row, with the column `of` as its label and `n` as its amount; `worth` says how a label stands out.
fn counts(
    name: &'static str,
    title: &'static str,
    of: &'static str,
    unit: &'static str,
    rows: &[Row],
    worth: impl Fn(&str) -> Option<Severity>,
) -> Block {
    let bar = |r: &Row| {
        let label = r.text(of);
        Bar { severity: worth(&label), amount: Cell::Count(r.count("n")), label }
    };
    Block::Bars(Bars { name, title, of, unit, bars: rows.iter().map(bar).collect() })
}

/// A text, or nothing.
fn text(value: Option<String>) -> Cell {
    value.filter(|v| !v.is_empty()).map_or(Cell::Nothing, Cell::Text)
}

/// Texts, or nothing.
fn texts(values: Vec<String>) -> Cell {
    if values.is_empty() { Cell::Nothing } else { Cell::List(values) }
}
