//! How are a few rows read as text?
//!
//! Every column is asked for as text, so that a reader behind a socket and one with the file open give the same. For small answers
//! only: all rows are held.

use super::EvidenceError;
use crate::store::arrow::array::{Array, AsArray, StringArray};
use crate::store::{Limits, Reader};
use std::str::FromStr;

/// A row of texts; NULL is empty.
pub(super) struct Row(Vec<String>);

impl Row {
    /// Column `i`.
    pub(super) fn text(&self, i: usize) -> &str {
        self.0.get(i).map_or("", String::as_str)
    }

    /// Column `i` as a number.
    pub(super) fn number<T: FromStr>(&self, i: usize) -> Option<T> {
        self.text(i).parse().ok()
    }
}

/// All rows, and whether the limit cut them.
pub(super) fn ask(
    reader: &Reader,
    limits: &Limits,
    sql: &str,
    params: &[(String, Option<String>)],
) -> Result<(Vec<Row>, bool), EvidenceError> {
    let sql = format!("SELECT COLUMNS(*)::VARCHAR FROM ({sql})");
    let mut results = reader.query(&sql, params, limits)?;
    let mut rows = Vec::new();
    for batch in results.by_ref() {
        let batch = batch?;
        let columns: Vec<_> = batch.columns().iter().map(|c| c.as_string_opt::<i32>()).collect();
        for i in 0..batch.num_rows() {
            let cell = |c: &Option<&StringArray>| {
                c.filter(|c| !c.is_null(i)).map(|c| c.value(i).to_owned()).unwrap_or_default()
            };
            rows.push(Row(columns.iter().map(cell).collect()));
        }
    }
    Ok((rows, results.truncated()))
}

/// The first row.
pub(super) fn one(
    reader: &Reader,
    limits: &Limits,
    sql: &str,
    params: &[(String, Option<String>)],
) -> Result<Option<Row>, EvidenceError> {
    Ok(ask(reader, limits, sql, params)?.0.into_iter().next())
}
