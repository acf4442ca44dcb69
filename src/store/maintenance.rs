//! How is the database looked after: counted, copied, emptied, exported?
//!
//! Every function opens the database itself and takes its lock; none works while a [`super::Store`] of the same file
//! lives. New files appear under their name only when they are complete. Refuses to overwrite what it was not asked
//! to replace.

use super::connect::{attach, ident, sentence, text, write_error};
use super::files::{self, Lock, beside};
use super::retention::{self, Pruned, Retention};
use super::socket::client::or_owner;
use super::{StoreConfig, StoreError, capture, connect, reader, schema};
use crate::model::time::Timestamp;
use duckdb::{AccessMode, Connection};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What is in the database.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Info {
    /// Size of the file and its log, bytes.
    pub file_bytes: u64,
    /// Bytes in used blocks: what a compacted file would need, about.
    pub used_bytes: u64,
    /// Schema version.
    pub schema_version: i64,
    /// DuckDB's version, such as `v1.5.5`.
    pub duckdb_version: String,
    /// Captures by status, in order of status.
    pub captures: Vec<(String, u64)>,
    /// Rows per table, in order of the schema.
    pub tables: Vec<(String, u64)>,
    /// Time of the earliest packet.
    pub first_ts: Option<Timestamp>,
    /// Time of the latest packet.
    pub last_ts: Option<Timestamp>,
    /// Caps that were hit, summed over captures: name and count.
    pub caps_hit: Vec<(String, u64)>,
}

/// What an export wrote.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Exported {
    /// The folder.
    pub folder: PathBuf,
    /// Rows per table, in order of the schema.
    pub tables: Vec<(String, u64)>,
}

fn told(e: duckdb::Error) -> StoreError {
    StoreError::Sql(sentence(&e))
}

/// Size, counts, version and time span; from the process that has it open, if there is one.
pub fn info(path: &Path, config: &StoreConfig) -> Result<Info, StoreError> {
    let local = || {
        let (db, _lock) = reader::open_unlocked(path, config)?;
        info_of(&db, path)
    };
    or_owner(path, local, |owner| owner.info())
}

/// The same of an open database.
pub(super) fn info_of(db: &Connection, path: &Path) -> Result<Info, StoreError> {
    let counts = |sql: &str| -> duckdb::Result<Vec<(String, u64)>> {
        let mut stmt = db.prepare(sql)?;
        let rows = stmt.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
        rows.collect()
    };
    let read = || -> duckdb::Result<Info> {
        let (first, last) =
            db.query_row("SELECT epoch_ns(min(first_ts)), epoch_ns(max(last_ts)) FROM captures", [], |r| {
                Ok((r.get::<_, Option<i64>>(0)?, r.get::<_, Option<i64>>(1)?))
            })?;
        Ok(Info {
            file_bytes: files::size(path) + files::size(&beside(path, ".wal")),
            used_bytes: db.query_row(
                "SELECT (block_size * used_blocks)::UBIGINT FROM pragma_database_size() \
                 WHERE database_name = current_database()",
                [],
                |r| r.get(0),
            )?,
            schema_version: db.query_row("SELECT max(version) FROM schema_version", [], |r| r.get(0))?,
            duckdb_version: db.version()?,
            captures: counts(
                "SELECT coalesce(status, ''), count(*)::UBIGINT FROM captures GROUP BY ALL ORDER BY ALL",
            )?,
            tables: schema::definitions()
                .iter()
                .map(|t| Ok((t.name.to_owned(), count(db, t.name)?)))
                .collect::<duckdb::Result<_>>()?,
            first_ts: first.map(Timestamp),
            last_ts: last.map(Timestamp),
            caps_hit: counts(
                "SELECT c.name, sum(c.count)::UBIGINT FROM (SELECT unnest(caps_hit) AS c FROM captures) \
                 GROUP BY ALL ORDER BY ALL",
            )?,
        })
    };
    read().map_err(told)
}

fn count(db: &Connection, table: &str) -> duckdb::Result<u64> {
    // A database of an earlier build may lack a table that was added since.
    let known: bool = db.query_row(
        "SELECT count(*) > 0 FROM duckdb_tables() WHERE database_name = current_database() AND table_name = ?",
        [table],
        |r| r.get(0),
    )?;
    if !known {
        return Ok(0);
    }
    db.query_row(&format!("SELECT count(*)::UBIGINT FROM {}", ident(table)), [], |r| r.get(0))
}

/// A consistent copy into the new file `to` (0600; appears whole or not at all). Returns its size in bytes.
pub fn backup(path: &Path, to: &Path, config: &StoreConfig) -> Result<u64, StoreError> {
    files::private_by_default();
    if to.exists() {
        return Err(StoreError::Exists(to.to_owned()));
    }
    present(path)?;
    let part = part_of(to);
    let local = || {
        let _lock = Lock::shared(path)?;
        copy(path, &part, config)
    };
    let done = or_owner(path, local, |owner| fetch(&owner.backup()?, &part))
        .and_then(|()| files::put_in_place(&part, to));
    if done.is_err() {
        let _ = files::remove(&part); // the first error is the one to tell
    }
    done.map(|()| files::size(to))
}

/// Take over a copy that the owner of the database wrote.
fn fetch(copy: &Path, to: &Path) -> Result<(), StoreError> {
    if std::fs::rename(copy, to).is_ok() {
        return Ok(());
    }
    // Another file system.
    std::fs::copy(copy, to).map_err(files::io("create", to))?;
    files::remove(copy)
}

/// Put the copy `from` in the place of the database; what was there is replaced only once the copy is complete.
pub fn restore(path: &Path, from: &Path, config: &StoreConfig) -> Result<(), StoreError> {
    files::private_by_default();
    present(from)?;
    if let Some(folder) = path.parent() {
        files::create_folders(folder)?;
    }
    let same = from.canonicalize().ok().is_some_and(|f| path.canonicalize().is_ok_and(|p| p == f));
    if same {
        return Err(StoreError::Exists(path.to_owned()));
    }
    let _lock = Lock::exclusive(path)?;
    files::purge(path)?;
    let new = beside(path, ".new");
    copy(from, &new, config)?;
    replace(path, &new)
}

/// Delete everything in it: an empty database takes its place. Ask the user first.
pub fn reset(path: &Path, config: &StoreConfig) -> Result<(), StoreError> {
    files::private_by_default();
    present(path)?;
    let _lock = Lock::exclusive(path)?;
    files::purge(path)?;
    // Only a database of ours may be emptied: a wrong --db must not cost a stranger's file.
    let db = attach(path, config)?;
    schema::version(&db, path)?;
    schema::close(db)?;
    let new = beside(path, ".new");
    schema::make(&new)?;
    replace(path, &new)
}

/// Give free space back: copy and rename. Returns bytes before and after.
pub fn compact(path: &Path, config: &StoreConfig) -> Result<(u64, u64), StoreError> {
    files::private_by_default();
    present(path)?;
    let _lock = Lock::exclusive(path)?;
    files::purge(path)?;
    let before = files::size(path) + files::size(&beside(path, ".wal"));
    // Opening for writing moves the log into the file, so that none is left to be taken for the new file's.
    let db = connect::open(path, config, AccessMode::ReadWrite)?;
    schema::version(&db, path)?;
    db.execute_batch("CHECKPOINT").map_err(write_error)?;
    schema::close(db)?;
    let new = beside(path, ".new");
    copy(path, &new, config)?;
    replace(path, &new)?;
    Ok((before, files::size(path)))
}

/// What [`prune`] deleted, or would delete.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PruneReport {
    /// Captures, oldest reading first. Of a dry run only those that are too old: how much a capture frees is known when it is gone.
    pub captures: Vec<Pruned>,
    /// MiB in used blocks before and after.
    pub used_mib: (u64, u64),
}

/// Delete the captures that are not to be kept; with `dry_run` only say which are too old.
pub fn prune(
    path: &Path,
    keep: &Retention,
    dry_run: bool,
    config: &StoreConfig,
) -> Result<PruneReport, StoreError> {
    files::private_by_default();
    present(path)?;
    let _lock = Lock::exclusive(path)?;
    files::purge(path)?;
    let db = connect::open(path, config, AccessMode::ReadWrite)?;
    schema::version(&db, path)?;
    let before = retention::used_mib(&db)?;
    let now = capture::now();
    let captures =
        if dry_run { retention::expired(&db, keep, now)? } else { retention::apply(&db, keep, now)? };
    let report = PruneReport { captures, used_mib: (before, retention::used_mib(&db)?) };
    schema::close(db)?;
    Ok(report)
}

/// The complete database `new` takes the place of `path`. A log that is still there belongs to the old one and must
/// not be replayed on the new: it goes first. A kill in between leaves the old file as of its last checkpoint.
fn replace(path: &Path, new: &Path) -> Result<(), StoreError> {
    files::remove(&beside(path, ".wal"))?;
    files::put_in_place(new, path)
}

fn present(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Err(StoreError::NotADatabase { path: path.to_owned(), reason: "it is a folder".to_owned() });
    }
    if !path.exists() { Err(StoreError::Missing(path.to_owned())) } else { Ok(()) }
}

/// Where `to` is built: beside it, so that a rename suffices.
fn part_of(to: &Path) -> PathBuf {
    beside(to, &format!(".part-{}", rustix::process::getpid().as_raw_nonzero()))
}

/// Copy a database of ours into a new file.
fn copy(path: &Path, to: &Path, config: &StoreConfig) -> Result<(), StoreError> {
    files::remove(to)?;
    let db = attach(path, config)?;
    schema::version(&db, path)?;
    db.execute_batch(&format!(
        "ATTACH {} AS dst; COPY FROM DATABASE src TO dst; CHECKPOINT dst; DETACH dst",
        text(&to.to_string_lossy())
    ))
    .map_err(write_error)?;
    schema::close(db)
}

/// Write every table as Parquet into the new folder `to`: `TABLE/sensor=S/day=YYYY-MM-DD/*.parquet`, the same names and
/// types, complete or not at all. A row's day is that of its time, UTC; without one, that of its capture. Files
/// have names of their own, so that exports of many machines can be laid together.
pub fn export(path: &Path, to: &Path, config: &StoreConfig) -> Result<Exported, StoreError> {
    files::private_by_default();
    if to.exists() {
        return Err(StoreError::Exists(to.to_owned()));
    }
    present(path)?;
    let _lock = Lock::shared(path)?;
    let part = part_of(to);
    let done = write_parquet(path, &part, config).and_then(|tables| {
        sync_tree(&part)?;
        std::fs::rename(&part, to).map_err(files::io("create", to))?;
        files::sync_folder_of(to)?;
        Ok(Exported { folder: to.to_owned(), tables })
    });
    if done.is_err() {
        let _ = std::fs::remove_dir_all(&part); // the first error is the one to tell
    }
    done
}

/// Name of the partition of rows without sensor or day, as Hive and all who read it know it.
const NO_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

fn write_parquet(path: &Path, part: &Path, config: &StoreConfig) -> Result<Vec<(String, u64)>, StoreError> {
    let db = attach(path, config)?;
    schema::version(&db, path)?;
    files::create_folders(part)?;
    let mut written = Vec::new();
    for t in schema::definitions() {
        let rows = count(&db, t.name).map_err(told)?;
        let folder = part.join(t.name);
        files::create_folders(&folder)?;
        let has = |name: &str| t.columns.iter().any(|(n, _, _)| *n == name);
        let day = ["first_ts", "ts", "hour"].into_iter().find(|c| has(c));
        let day = day.map_or_else(|| "c.first_ts".to_owned(), |c| format!("coalesce(t.{c}, c.first_ts)"));
        // The partition takes the place of a sensor column; an empty one becomes NULL, as folders cannot be nameless.
        let own = if has("sensor") { "t.* EXCLUDE (sensor)" } else { "t.*" };
        let select = if t.of_captures() {
            format!(
                "SELECT {own}, nullif(c.sensor, '') AS sensor, CAST({day} AS DATE) AS day FROM {} t \
             LEFT JOIN captures c ON c.capture_id = t.capture_id",
                ident(t.name)
            )
        } else {
            format!("SELECT t.*, NULL::VARCHAR AS sensor, NULL::DATE AS day FROM {} t", ident(t.name))
        };
        let sql = if rows > 0 {
            format!(
                "COPY ({select}) TO {} (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (sensor, day), \
                 FILENAME_PATTERN '{{uuidv4}}')",
                text(&folder.to_string_lossy())
            )
        } else {
            // A table without rows keeps its columns: whoever reads finds it.
            let folder = folder.join(format!("sensor={NO_PARTITION}")).join(format!("day={NO_PARTITION}"));
            files::create_folders(&folder)?;
            format!(
                "COPY (SELECT * EXCLUDE (sensor, day) FROM ({select})) TO {} (FORMAT parquet, COMPRESSION zstd)",
                text(&folder.join("empty.parquet").to_string_lossy())
            )
        };
        db.execute_batch(&sql).map_err(write_error)?;
        written.push((t.name.to_owned(), rows));
    }
    schema::close(db)?;
    Ok(written)
}

/// Make files and folders below `folder` durable before the name that makes them visible.
fn sync_tree(folder: &Path) -> Result<(), StoreError> {
    for entry in std::fs::read_dir(folder).map_err(files::io("read", folder))? {
        let path = entry.map_err(files::io("read", folder))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            std::fs::File::open(&path).and_then(|f| f.sync_all()).map_err(files::io("write", &path))?;
        }
    }
    std::fs::File::open(folder).and_then(|f| f.sync_all()).map_err(files::io("write", folder))
}
