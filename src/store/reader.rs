//! How is SQL answered without a chance to change anything?

use super::arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use super::{StoreConfig, StoreError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a query may use.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Longest run; `None`: no limit.
    pub time: Option<Duration>,
    /// Most rows handed out; `None`: all. [`ResultSet::truncated`] says whether more were there.
    pub rows: Option<u64>,
}

/// A database open for reading. Many processes may read while nobody writes.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
}

impl Reader {
    /// Open read-only. SQL may read files only below `allowed` folders (usually none).
    pub fn open(path: &Path, config: &StoreConfig, allowed: &[PathBuf]) -> Result<Self, StoreError> {
        let _ = (path, config, allowed);
        Err(StoreError::NotBuilt)
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Run one reading statement. `params` are values of `$name` parameters (names without `$`); they are bound as
    /// text, which DuckDB converts where it is compared; `None` is NULL. Values for names that the SQL does not use
    /// are an error, as is a name without a value.
    pub fn query(
        &self,
        sql: &str,
        params: &[(String, Option<String>)],
        limits: &Limits,
    ) -> Result<ResultSet, StoreError> {
        let _ = (sql, params, limits);
        Err(StoreError::NotBuilt)
    }

    /// Names of the `$name` parameters of a statement, in order of first use; checks it as `query` does.
    pub fn parameters(&self, sql: &str) -> Result<Vec<String>, StoreError> {
        let _ = sql;
        Err(StoreError::NotBuilt)
    }
}

/// Rows of a query, batch by batch: an iterator of `Result<RecordBatch, StoreError>`. Owned; dropping it stops the
/// query.
#[derive(Debug)]
pub struct ResultSet {
    schema: SchemaRef,
    truncated: bool,
}

impl ResultSet {
    /// Column names and types; known before the first row.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Did [`Limits::rows`] cut it? Known at the end.
    pub fn truncated(&self) -> bool {
        self.truncated
    }
}

impl Iterator for ResultSet {
    type Item = Result<RecordBatch, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
