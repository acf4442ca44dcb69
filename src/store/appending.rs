//! What does a table hold before DuckDB has it?
//!
//! Batches, until they are worth a piece: unflushed rows lie outside DuckDB's memory limit, and an appender that is dropped swallows its errors, so
//! they are counted here, appended and flushed in one step, and the error is heard. Refuses to decide when: that is the writer's.

use super::StoreError;
use super::connect::write_error;
use duckdb::Appender;
use duckdb::arrow::array::RecordBatch;
use duckdb::arrow::datatypes::SchemaRef;

/// An appender, and the batches that wait for it.
pub(super) struct Appending<'db> {
    appender: Appender<'db>,
    pub(super) schema: SchemaRef,
    held: Vec<RecordBatch>,
    bytes: usize,
}

impl<'db> Appending<'db> {
    /// Nothing waits.
    pub(super) fn new(appender: Appender<'db>, schema: SchemaRef) -> Self {
        Self { appender, schema, held: Vec::new(), bytes: 0 }
    }

    /// Keep a batch of `bytes`.
    pub(super) fn hold(&mut self, batch: RecordBatch, bytes: usize) {
        self.held.push(batch);
        self.bytes += bytes;
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Hand what waits to DuckDB, and hear what that says.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        for batch in self.held.drain(..) {
            self.appender.append_record_batch(batch).map_err(write_error)?;
        }
        self.appender.flush().map_err(write_error)
    }
}
