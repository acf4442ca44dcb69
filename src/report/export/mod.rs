//! How does another tool get what is stored, in its own words?
//!
//! Zeek's logs (TSV or JSON), Suricata's EVE, or every table as CSV. A log is a statement whose columns are the fields of that log; rows stream
//! from the database into files of a new folder, which gets its name when it is complete. What the other tool knows and we do not store is
//! left unset, never invented. Fields follow the documentation of Zeek 8 and Suricata 8.

mod eve;
mod write;
mod zeek;

#[cfg(test)]
mod tests;

use super::traffic::Scope;
use crate::report::render::{Format, Style, renderer};
use crate::store::arrow::array::AsArray;
use crate::store::{Limits, Reader, StoreError};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes gathered before a write.
const OUT_BUFFER_BYTES: usize = 256 << 10;

/// The words of another tool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// Zeek's logs, tab-separated with headers.
    Zeek,
    /// Zeek's logs, one JSON object a line.
    ZeekJson,
    /// Suricata's EVE: one JSON object a line, all in one file.
    Eve,
    /// Our tables under our names.
    Csv,
}

/// A file of another tool.
struct Log {
    /// Its name without an ending: Zeek's `#path`, EVE's `event_type`.
    name: &'static str,
    /// Column of the table `r` that a period is about.
    ts: &'static str,
    /// Fields of Zeek as `name:type`, in their order (`zeek::fields`); EVE has its names in the statement.
    fields: &'static str,
    /// One row a line: `capture_id`, `flow_id`, then the fields but for `uid`. `{scope}`: which rows of the table `r`; more braces by `filled` of each dialect.
    sql: &'static str,
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// Files with their rows; files without rows are not made.
    pub files: Vec<(String, u64)>,
}

/// Why nothing could be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It is there.
    #[error("{} exists already; remove it or name another folder", .0.display())]
    Exists(PathBuf),
    /// The disk.
    #[error("cannot write {path}: {1}", path = .0.display())]
    Io(PathBuf, io::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Write everything in `scope` into the new folder `to`. Says to `told` what comes next.
pub fn export(
    reader: &Reader,
    scope: &Scope,
    dialect: Dialect,
    to: &Path,
    told: &mut dyn FnMut(&str),
) -> Result<Written, ExportError> {
    if to.exists() {
        return Err(ExportError::Exists(to.to_owned()));
    }
    let mut name = to.as_os_str().to_owned();
    name.push(format!(".part-{}", std::process::id()));
    let part = PathBuf::from(name);
    let failed = |e: io::Error| ExportError::Io(to.to_owned(), e);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&part).map_err(failed)?;
    let done = fill(reader, scope, dialect, &part, told)
        .and_then(|written| std::fs::rename(&part, to).map(|()| written).map_err(failed));
    if done.is_err() {
        let _ = std::fs::remove_dir_all(&part); // the first error is the one to tell
    }
    done
}

/// A file in the folder that is made.
struct Target {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Target {
    fn create(folder: &Path, name: &str) -> Result<Self, ExportError> {
        let path = folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|e| ExportError::Io(path.clone(), e))?;
        Ok(Self { path, out: BufWriter::with_capacity(OUT_BUFFER_BYTES, file) })
    }

    fn failed(&self, e: io::Error) -> ExportError {
        ExportError::Io(self.path.clone(), e)
    }

    /// All bytes are on the disk.
    fn close(mut self) -> Result<(), ExportError> {
        self.out.flush().and_then(|()| self.out.get_ref().sync_all()).map_err(|e| self.failed(e))
    }
}

fn fill(
    reader: &Reader,
    scope: &Scope,
    dialect: Dialect,
    folder: &Path,
    told: &mut dyn FnMut(&str),
) -> Result<Written, ExportError> {
    match dialect {
        Dialect::Zeek | Dialect::ZeekJson => {
            let mut files = Vec::new();
            for log in zeek::logs() {
                told(log.name);
                let file = format!("{}.log", log.name);
                let rows = zeek_log(reader, scope, log, dialect, folder, &file)?;
                if rows > 0 {
                    files.push((file, rows));
                }
            }
            Ok(Written { files })
        }
        Dialect::Eve => {
            let mut target = Target::create(folder, "eve.json")?;
            let mut files = Vec::new();
            for log in eve::LOGS {
                told(log.name);
                let rows = eve_events(reader, scope, log, &mut target)?;
                if rows > 0 {
                    files.push((format!("eve.json ({})", log.name), rows));
                }
            }
            target.close()?;
            Ok(Written { files })
        }
        Dialect::Csv => tables(reader, scope, folder, told),
    }
}

/// A statement whose dialect has filled it, over the rows in scope.
fn scoped(filled: &str, log: &Log, scope: &Scope) -> String {
    filled.replace("{scope}", &scope.condition("r", log.ts))
}

/// One log of Zeek; its file is made with the first row.
fn zeek_log(
    reader: &Reader,
    scope: &Scope,
    log: &Log,
    dialect: Dialect,
    folder: &Path,
    file: &str,
) -> Result<u64, ExportError> {
    let mut rows = 0;
    let mut target: Option<Target> = None;
    let mut line = String::new();
    let fields = zeek::fields(log);
    for batch in reader.query(&scoped(&zeek::filled(log.sql), log, scope), &[], &Limits::default())? {
        let batch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        if target.is_none() {
            let mut new = Target::create(folder, file)?;
            if dialect == Dialect::Zeek {
                let header = write::zeek_header(log.name, &fields);
                new.out.write_all(header.as_bytes()).map_err(|e| new.failed(e))?;
            }
            target = Some(new);
        }
        let Some(target) = &mut target else { continue };
        for row in 0..batch.num_rows() {
            line.clear();
            match dialect {
                Dialect::Zeek => write::zeek_line(&mut line, &fields, &batch, row),
                _ => write::zeek_json(&mut line, &fields, &batch, row),
            }
            line.push('\n');
            target.out.write_all(line.as_bytes()).map_err(|e| target.failed(e))?;
            rows += 1;
        }
    }
    if let Some(target) = target {
        target.close()?;
    }
    Ok(rows)
}

fn eve_events(reader: &Reader, scope: &Scope, log: &Log, target: &mut Target) -> Result<u64, ExportError> {
    let mut rows = 0;
    let mut line = String::new();
    for batch in reader.query(&scoped(&eve::filled(log.sql), log, scope), &[], &Limits::default())? {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            line.clear();
            write::eve_line(&mut line, log.name, &batch, row);
            line.push('\n');
            target.out.write_all(line.as_bytes()).map_err(|e| target.failed(e))?;
            rows += 1;
        }
    }
    Ok(rows)
}

/// Tables with rows, and the column that a period is about.
const TABLES: &str = "
SELECT t.table_name, coalesce(max(c.column_name) FILTER (c.column_name IN ('ts', 'first_ts', 'hour')), '') AS ts,
       bool_or(c.column_name = 'capture_id') AS of_captures
FROM duckdb_tables() t JOIN duckdb_columns() c USING (table_oid)
WHERE NOT t.internal AND t.schema_name = 'main' GROUP BY t.table_name ORDER BY t.table_name";

/// Every table that has rows, as CSV.
fn tables(
    reader: &Reader,
    scope: &Scope,
    folder: &Path,
    told: &mut dyn FnMut(&str),
) -> Result<Written, ExportError> {
    let mut all = Vec::new();
    for batch in reader.query(TABLES, &[], &Limits::default())? {
        let batch = batch?;
        let [name, ts, of_captures] = batch.columns() else { continue };
        let (Some(name), Some(ts), Some(of)) =
            (name.as_string_opt::<i32>(), ts.as_string_opt::<i32>(), of_captures.as_boolean_opt())
        else {
            continue;
        };
        for row in 0..batch.num_rows() {
            all.push((name.value(row).to_owned(), ts.value(row).to_owned(), of.value(row)));
        }
    }
    let mut files = Vec::new();
    for (name, ts, of_captures) in all {
        told(&name);
        let condition = match (of_captures, ts.as_str()) {
            (true, "") => scope.captures_sql().replace("capture_id", "r.capture_id"),
            (true, ts) => scope.condition("r", ts),
            (false, _) => "true".to_owned(),
        };
        let quoted = name.replace('"', "\"\"");
        let sql = format!("SELECT r.* FROM \"{quoted}\" r WHERE {condition}");
        let mut target: Option<Target> = None;
        let mut results = reader.query(&sql, &[], &Limits::default())?;
        let schema = results.schema().clone();
        let Some(first) = results.next().transpose()?.filter(|b| b.num_rows() > 0) else { continue };
        let file = format!("{name}.csv");
        let target = target.insert(Target::create(folder, &file)?);
        let io = |e: io::Error| ExportError::Io(folder.join(&file), e);
        let mut out = renderer(Format::Csv, &mut target.out, Style::default());
        out.begin(&schema).map_err(io)?;
        out.batch(&first).map_err(io)?;
        for batch in results {
            out.batch(&batch?).map_err(io)?;
        }
        let rows = out.finish().map_err(io)?.rows;
        drop(out);
        files.push((file, rows));
    }
    Ok(Written { files })
}
