//! How does a section get its rows?
//!
//! One question of SQL over the rows in [`Scope`], answered as rows of plain values by column name. Values travel as JSON so that lists and
//! structures need no code of their own; few rows ever come: questions aggregate. Times are asked for as `epoch_ns(…)`.

use super::model::{Cell, Column, Kind, Table};
use super::scope::Scope;
use crate::model::anomaly::Severity;
use crate::report::cell::write_json;
use crate::store::{Limits, Reader, StoreError};
use serde_json::{Map, Value};

/// Where answers come from.
pub(super) struct Ask<'a> {
    /// The database.
    pub(super) reader: &'a Reader,
    /// Longest wait for an answer.
    pub(super) limits: Limits,
    /// What is looked at.
    pub(super) scope: &'a Scope,
}

/// One row by column name.
#[derive(Debug, Default)]
pub(super) struct Row(Map<String, Value>);

impl Row {
    pub(super) fn value(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    /// A text; empty for NULL.
    pub(super) fn text(&self, name: &str) -> String {
        self.maybe(name).unwrap_or_default()
    }

    /// A text unless NULL.
    pub(super) fn maybe(&self, name: &str) -> Option<String> {
        match self.value(name) {
            Value::Null => None,
            Value::String(s) => Some(s.clone()),
            v => Some(v.to_string()),
        }
    }

    /// A count; 0 for NULL.
    pub(super) fn count(&self, name: &str) -> u64 {
        count(self.value(name))
    }

    /// A whole number; 0 for NULL.
    pub(super) fn whole(&self, name: &str) -> i64 {
        self.value(name).as_i64().unwrap_or(0)
    }

    /// A number; 0 for NULL.
    pub(super) fn number(&self, name: &str) -> f64 {
        self.value(name).as_f64().unwrap_or(0.0)
    }

    /// Yes or no; no for NULL.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.value(name).as_bool().unwrap_or(false)
    }

    /// The texts of a list.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let items = self.value(name).as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    }

    /// A severity; info when it is none.
    pub(super) fn severity(&self, name: &str) -> Severity {
        Severity::of(&self.text(name)).unwrap_or(Severity::Info)
    }

    /// As the cell of a column.
    pub(super) fn cell(&self, column: Column) -> Cell {
        let v = self.value(column.key);
        if v.is_null() {
            return Cell::Nothing;
        }
        match column.kind {
            Kind::Text if v.is_array() => Cell::List(self.list(column.key)),
            Kind::Text => Cell::Text(self.text(column.key)),
            Kind::Address => Cell::Address(self.text(column.key)),
            Kind::Count => Cell::Count(self.count(column.key)),
            Kind::Bytes => Cell::Bytes(self.count(column.key)),
            Kind::Number => Cell::Number(self.number(column.key)),
            Kind::Percent => Cell::Percent(self.number(column.key)),
            Kind::Time => Cell::Time(self.whole(column.key)),
            Kind::Severity => Cell::Severity(self.severity(column.key)),
            Kind::Flag => Cell::Flag(self.flag(column.key)),
            Kind::Id => Cell::Id(self.whole(column.key)),
        }
    }
}

fn count(v: &Value) -> u64 {
    // Sums come as 128 bits; beyond 64 JSON has them as a float.
    v.as_u64().unwrap_or_else(|| v.as_f64().unwrap_or(0.0).max(0.0) as u64)
}

impl Ask<'_> {
    /// All rows of an answer.
    pub(super) fn rows(&self, sql: &str) -> Result<Vec<Row>, StoreError> {
        let (sql, bound) = self.scope.apply(sql);
        let mut out = Vec::new();
        let mut text = String::new();
        let mut results = self.reader.query(&sql, &bound, &self.limits)?;
        for batch in results.by_ref() {
            let batch = batch?;
            let schema = batch.schema();
            for i in 0..batch.num_rows() {
                let mut row = Map::new();
                for (field, column) in schema.fields().iter().zip(batch.columns()) {
                    text.clear();
                    write_json(&mut text, column, i);
                    row.insert(field.name().clone(), serde_json::from_str(&text).unwrap_or(Value::Null));
                }
                out.push(Row(row));
            }
        }
        Ok(out)
    }

    /// The one row of an answer.
    pub(super) fn row(&self, sql: &str) -> Result<Row, StoreError> {
        Ok(self.rows(sql)?.into_iter().next().unwrap_or_default())
    }

    /// A table of an answer. A column `total` says how many rows there are in all.
    pub(super) fn table(
        &self,
        name: &'static str,
        title: &'static str,
        columns: &[Column],
        sql: &str,
    ) -> Result<Table, StoreError> {
        let rows = self.rows(sql)?;
        let total = rows.first().map_or(0, |r| r.count("total")).max(rows.len() as u64);
        let rows = rows.iter().map(|r| columns.iter().map(|c| r.cell(*c)).collect()).collect();
        Ok(Table { name, title, columns: columns.to_vec(), rows, total, empty: "" })
    }
}

/// Shorthand for a column.
pub(super) const fn col(key: &'static str, title: &'static str, kind: Kind) -> Column {
    Column { key, title, kind }
}
