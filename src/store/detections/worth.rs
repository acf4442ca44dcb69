//! Need a detection be asked over a capture at all?
//!
//! Planning a statement takes longer than running it over a small capture, and folders hold thousands of those. So a detection says what must be there for it
//! to find anything: rows of a table (`from`), and conditions over them (`only`), which follow from its own statement. All of those are asked together, in two
//! statements. What cannot be asked counts as met: the detection itself will say better what is wrong. Refuses conditions of a user's file that do more than read.

use super::values::written;
use super::{Detection, Period, Scope};
use crate::store::connect::{ident, write_error};
use crate::store::{StoreError, guard, schema};
use duckdb::Connection;
use duckdb::types::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The worthy ones, by position.
pub(super) fn asking(
    db: &Connection,
    all: &[Detection],
    scope: &Scope,
    period: &Period,
) -> Result<Vec<bool>, StoreError> {
    let mut worth = Vec::with_capacity(all.len());
    for d in all {
        worth.push(!d.needs_history || joined(db, d, scope)?);
    }
    let rows = rows(db, all, scope)?;
    for (d, worth) in all.iter().zip(&mut worth).filter(|(_, w)| **w) {
        let most = |n: u64| if joined(db, d, scope).unwrap_or(true) { 1 } else { n.max(1) };
        let there = |(table, n): &(String, u64)| rows.get(table.as_str()).is_none_or(|r| *r >= most(*n));
        *worth = d.tables.iter().all(|choice| choice.iter().any(there));
    }
    meet(db, all, scope, period, &mut worth)?;
    Ok(worth)
}

/// Are other captures joined with this one for it?
fn joined(db: &Connection, d: &Detection, scope: &Scope) -> Result<bool, StoreError> {
    if d.horizon == 0 {
        return Ok(false);
    }
    let (since, until) = scope.bounds(d.horizon, &Period::default());
    Ok(scope.joined(db, since, until).map_err(write_error)?.len() > 1)
}

/// How many rows of the capture the tables have that are asked for, up to the number that is asked for. Tables that are none of ours are left out.
fn rows<'d>(
    db: &Connection,
    all: &'d [Detection],
    scope: &Scope,
) -> Result<BTreeMap<&'d str, u64>, StoreError> {
    let mut most: BTreeMap<&str, u64> = BTreeMap::new();
    for (table, n) in all.iter().flat_map(|d| &d.tables).flatten() {
        let most = most.entry(table).or_default();
        *most = (*most).max(*n).max(1);
    }
    let definitions = schema::definitions();
    let known: Vec<(&str, String)> = most
        .into_iter()
        .filter_map(|(table, n)| {
            let d = definitions.iter().find(|d| d.name == table)?;
            // Lists of indicators belong to no capture.
            let which = if d.of_captures() {
                format!(" WHERE capture_id = {}", scope.capture.0)
            } else {
                String::new()
            };
            Some((table, format!("(SELECT count(*) FROM (SELECT 1 FROM {}{which} LIMIT {n}))", ident(table))))
        })
        .collect();
    let (names, asked): (Vec<&str>, Vec<String>) = known.into_iter().unzip();
    let counts = one_row(db, &asked).map_err(write_error)?;
    let count = |v: Value| if let Value::BigInt(n) = v { u64::try_from(n).unwrap_or(0) } else { u64::MAX };
    Ok(names.into_iter().zip(counts.into_iter().map(count)).collect())
}

/// Strike those whose conditions over rows do not hold.
fn meet(
    db: &Connection,
    all: &[Detection],
    scope: &Scope,
    period: &Period,
    worth: &mut [bool],
) -> Result<(), StoreError> {
    let mut asked: Vec<String> = Vec::new();
    let mut whose: Vec<(usize, usize)> = Vec::new();
    let mut met: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (at, d) in all.iter().enumerate().filter(|(at, _)| worth.get(*at) == Some(&true)) {
        let values = super::Given::of(db, d, scope, period).map_err(write_error)?;
        for (n, choice) in d.only.iter().enumerate() {
            for (table, condition) in choice {
                let condition = written(condition, |name| values.get(name).flatten());
                let sql = format!(
                    "(SELECT {condition}\n FROM {} WHERE capture_id IN ({}))",
                    ident(table),
                    values.list()
                );
                // One wrong condition of a user's file must not cost those of the others.
                if d.trusted
                    || guard::check(db, &format!("SELECT {sql}"), false).is_ok()
                        && one_row(db, &[&sql]).is_ok()
                {
                    asked.push(sql);
                    whose.push((at, n));
                } else {
                    met.insert((at, n));
                }
            }
        }
    }
    let Ok(answers) = one_row(db, &asked) else { return Ok(()) };
    let holds = |v: &Value| !matches!(v, Value::Null | Value::Boolean(false));
    met.extend(whose.iter().zip(answers).filter(|(_, v)| holds(v)).map(|(of, _)| *of));
    for (at, n) in whose {
        if !met.contains(&(at, n))
            && let Some(w) = worth.get_mut(at)
        {
            *w = false;
        }
    }
    Ok(())
}

/// The values of scalar expressions.
fn one_row(db: &Connection, asked: &[impl AsRef<str>]) -> duckdb::Result<Vec<Value>> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<&str> = asked.iter().map(AsRef::as_ref).collect();
    db.query_row(&format!("SELECT {}", asked.join(", ")), [], |r| {
        (0..asked.len()).map(|n| r.get(n)).collect()
    })
}
