//! How is the database looked after: counted, copied, emptied, exported?
//!
//! Every function opens the database itself; call none of them while a [`super::Store`] or [`super::Reader`] of the
//! same file lives in this process.

use super::{StoreConfig, StoreError};
use crate::model::time::Timestamp;
use std::path::{Path, PathBuf};

/// What is in the database.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
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
    /// Rows per table.
    pub tables: Vec<(String, u64)>,
}

/// Size, counts, version and time span.
pub fn info(path: &Path, config: &StoreConfig) -> Result<Info, StoreError> {
    let _ = (path, config);
    Err(StoreError::NotBuilt)
}

/// A consistent copy into the new file `to` (0600; appears whole or not at all). Returns its size in bytes.
pub fn backup(path: &Path, to: &Path, config: &StoreConfig) -> Result<u64, StoreError> {
    let _ = (path, to, config);
    Err(StoreError::NotBuilt)
}

/// Put the copy `from` in the place of the database; what was there is replaced only once the copy is complete.
pub fn restore(path: &Path, from: &Path, config: &StoreConfig) -> Result<(), StoreError> {
    let _ = (path, from, config);
    Err(StoreError::NotBuilt)
}

/// Delete everything in it: an empty database takes its place. Ask the user first.
pub fn reset(path: &Path, config: &StoreConfig) -> Result<(), StoreError> {
    let _ = (path, config);
    Err(StoreError::NotBuilt)
}

/// Write every table as Parquet into the new folder `to`, `TABLE/sensor=S/day=YYYY-MM-DD/*.parquet` (small tables one file);
/// complete or not at all.
pub fn export(path: &Path, to: &Path, config: &StoreConfig) -> Result<Exported, StoreError> {
    let _ = (path, to, config);
    Err(StoreError::NotBuilt)
}

/// Give free space back: copy and rename. Returns bytes before and after.
pub fn compact(path: &Path, config: &StoreConfig) -> Result<(u64, u64), StoreError> {
    let _ = (path, config);
    Err(StoreError::NotBuilt)
}
