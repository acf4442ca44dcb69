//! Which flows are meant: of which captures, of which period?
//!
//! A person names captures by id, number or path, and periods by times; what comes out is a condition of numbers alone, so
//! that no text of a person or of a file becomes SQL. Refuses a word that means no capture, and says which there are.

use crate::model::time::Timestamp;
use crate::report::params::parse_time;
use crate::report::suggest::hint;
use crate::store::arrow::array::AsArray;
use crate::store::arrow::datatypes::{Int64Type, UInt32Type};
use crate::store::{Limits, Reader, StoreError};
use std::fmt::Write as _;

/// What a person asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Asked {
    /// Captures by id, number or path (its end is enough); none: all.
    pub captures: Vec<String>,
    /// Flows that began at or after this.
    pub since: Option<Timestamp>,
    /// Flows that began before this.
    pub until: Option<Timestamp>,
    /// Captures of this sensor.
    pub sensor: Option<String>,
}

/// The words cannot be understood, or the database cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    /// No capture is called so.
    #[error(
        "no capture {word:?}.{hint} `secnetmon query -e 'SELECT capture_no, path FROM captures'` lists them"
    )]
    Capture {
        /// What was asked for.
        word: String,
        /// A near one, or nothing.
        hint: String,
    },
    /// A sensor without captures.
    #[error("no capture of a sensor {word:?}.{hint}")]
    Sensor {
        /// What was asked for.
        word: String,
        /// A near one, or nothing.
        hint: String,
    },
    /// Not a period.
    #[error("{0:?} is not a period; write it like 2024-01-31..2024-02-01T12:00, either end may be left out")]
    Period(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A checked choice of flows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scope {
    /// Captures by id; `None`: all.
    captures: Option<Vec<i64>>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// How to call it in a heading.
    name: String,
}

struct Known {
    id: i64,
    number: u32,
    path: String,
    sensor: String,
}

fn known(reader: &Reader) -> Result<Vec<Known>, ScopeError> {
    const SQL: &str = "SELECT capture_id, capture_no, path, sensor FROM captures ORDER BY capture_no";
    let mut all = Vec::new();
    for batch in reader.query(SQL, &[], &Limits::default())? {
        let batch = batch?;
        let [id, number, path, sensor] = batch.columns() else { continue };
        let (id, number) = (id.as_primitive_opt::<Int64Type>(), number.as_primitive_opt::<UInt32Type>());
        let (path, sensor) = (path.as_string_opt::<i32>(), sensor.as_string_opt::<i32>());
        let (Some(id), Some(number), Some(path), Some(sensor)) = (id, number, path, sensor) else { continue };
        for row in 0..batch.num_rows() {
            all.push(Known {
                id: id.value(row),
                number: number.value(row),
                path: path.value(row).to_owned(),
                sensor: sensor.value(row).to_owned(),
            });
        }
    }
    Ok(all)
}

/// Is `word` the whole path, or its end from a `/` on?
fn is_path(path: &str, word: &str) -> bool {
    path == word || path.strip_suffix(word).is_some_and(|head| head.ends_with('/'))
}

/// The last part of a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl Scope {
    /// Check what a person asked for.
    pub fn resolve(asked: &Asked, reader: &Reader) -> Result<Self, ScopeError> {
        let mut scope = Self { since: asked.since, until: asked.until, ..Self::default() };
        let mut names = Vec::new();
        if !asked.captures.is_empty() || asked.sensor.is_some() {
            let known = known(reader)?;
            let mut chosen: Vec<&Known> =
                if asked.captures.is_empty() { known.iter().collect() } else { Vec::new() };
            for word in &asked.captures {
                let mut found: Vec<&Known> = known
                    .iter()
                    .filter(|k| {
                        is_path(&k.path, word) || k.number.to_string() == *word || k.id.to_string() == *word
                    })
                    .collect();
                if found.is_empty() {
                    let hint = hint(file_name(word), known.iter().map(|k| file_name(&k.path)));
                    return Err(ScopeError::Capture { word: word.clone(), hint });
                }
                names.push(file_name(word).to_owned());
                chosen.append(&mut found);
            }
            if let Some(sensor) = &asked.sensor {
                chosen.retain(|k| k.sensor == *sensor);
                if chosen.is_empty() {
                    let hint = hint(sensor, known.iter().map(|k| k.sensor.as_str()));
                    return Err(ScopeError::Sensor { word: sensor.clone(), hint });
                }
                names.push(format!("sensor {sensor}"));
            }
            let mut ids: Vec<i64> = chosen.iter().map(|k| k.id).collect();
            ids.sort_unstable();
            ids.dedup();
            scope.captures = Some(ids);
        }
        if asked.since.is_some() || asked.until.is_some() {
            let end = |t: Option<Timestamp>| t.map(|t| t.to_string()).unwrap_or_default();
            names.push(format!("{}..{}", end(asked.since), end(asked.until)));
        }
        scope.name = if names.is_empty() { "everything".to_owned() } else { names.join(", ") };
        Ok(scope)
    }

    /// The other side of a comparison: a period (`FROM..UNTIL`, of the captures of `base`), or a capture.
    pub fn other(word: &str, base: &Asked, reader: &Reader) -> Result<Self, ScopeError> {
        let Some((from, until)) = word.split_once("..").filter(|_| !word.contains('/')) else {
            return Self::resolve(&Asked { captures: vec![word.to_owned()], ..Asked::default() }, reader);
        };
        let time = |text: &str| match text {
            "" => Ok(None),
            text => parse_time(text).map(Some).ok_or_else(|| ScopeError::Period(word.to_owned())),
        };
        let (since, until) = (time(from)?, time(until)?);
        if since.is_none() && until.is_none() {
            return Err(ScopeError::Period(word.to_owned()));
        }
        Self::resolve(&Asked { since, until, ..base.clone() }, reader)
    }

    /// How to call it in a heading.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `t`, not later than the period's end.
    pub(super) fn within(&self, t: Timestamp) -> Timestamp {
        self.until.map_or(t, |until| t.min(until))
    }

    /// Is it limited in time?
    pub fn has_period(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }

    /// The condition over a table called `table` with the time column `ts`.
    pub fn condition(&self, table: &str, ts: &str) -> String {
        self.sql(&format!("{table}.{ts}")).replace("capture_id", &format!("{table}.capture_id"))
    }

    /// The condition on `capture_id` alone, for tables without our times.
    pub(in crate::report) fn captures_sql(&self) -> String {
        match self.captures.as_deref() {
            None => "true".to_owned(),
            Some([]) => "false".to_owned(),
            Some([first, rest @ ..]) => {
                let mut sql = format!("capture_id IN ({first}");
                for id in rest {
                    let _ = write!(sql, ", {id}");
                }
                sql + ")"
            }
        }
    }

    /// The condition over a table with `capture_id` and the time column `ts`.
    pub(super) fn sql(&self, ts: &str) -> String {
        let mut sql = self.captures_sql();
        if let Some(t) = self.since {
            let _ = write!(sql, " AND {ts} >= make_timestamp_ns({})", t.0);
        }
        if let Some(t) = self.until {
            let _ = write!(sql, " AND {ts} < make_timestamp_ns({})", t.0);
        }
        sql
    }
}
