//! What does a table's appender hold?
//!
//! Rows until they are flushed: unflushed ones lie outside DuckDB's memory limit, and an appender that is dropped swallows its errors, so the
//! writer counts and flushes. Refuses nothing; it is two fields and a count.

use super::StoreError;
use super::connect::write_error;
use duckdb::Appender;
use duckdb::arrow::datatypes::SchemaRef;

/// An appender, and how many rows it holds.
pub(super) struct Appending<'db> {
    pub(super) appender: Appender<'db>,
    pub(super) schema: SchemaRef,
    pub(super) unflushed: usize,
}

impl Appending<'_> {
    /// Hand its rows to DuckDB, and hear what that says.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if self.unflushed > 0 {
            self.appender.flush().map_err(write_error)?;
            self.unflushed = 0;
        }
        Ok(())
    }
}
