//! Where do rows rest, and how are they asked for?
//!
//! One DuckDB file. [`Store`] owns it for writing (one process at a time), [`Writer`] is the engine's sink,
//! [`Reader`] answers read-only SQL, [`maintenance`] copies, exports and resets. No code of ours opens the
//! database or its log by path while it is open: DuckDB's own lock is a POSIX record lock, which any second
//! descriptor of the process would drop; hence `<db>.lock`. Refuses to know what packets are, and to print.

mod error;
pub mod maintenance;
mod reader;
mod writer;

pub use error::StoreError;
pub use reader::{Limits, Reader, ResultSet};
pub use writer::Writer;

/// Arrow as the store speaks it: schema, record batches and arrays of a [`ResultSet`].
pub use duckdb::arrow;

use crate::model::ids::CaptureId;
use std::path::{Path, PathBuf};

/// How DuckDB is run.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// DuckDB's cache in MiB.
    pub memory_limit_mib: u64,
    /// Threads of DuckDB, at least 1.
    pub threads: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { memory_limit_mib: 128, threads: 2 }
    }
}

/// A database open for writing by this process alone.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
}

/// What [`Store::create_if_missing`] made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Made {
    /// Folders created, outermost first.
    pub folders: Vec<PathBuf>,
    /// The database, when it was created.
    pub database: Option<PathBuf>,
}

/// A capture that is in the database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredCapture {
    /// Its identity.
    pub capture_id: CaptureId,
    /// Path or device as the user gave it.
    pub path: String,
    /// Hex blake3 over its content; `None` for streams.
    pub content_hash: Option<String>,
    /// `complete`, `damaged`, `live` or `interrupted`.
    pub status: String,
}

impl Store {
    /// Make folder and database where they are missing; says what it made. Repeatable.
    pub fn create_if_missing(path: &Path) -> Result<Made, StoreError> {
        let _ = path;
        Err(StoreError::NotBuilt)
    }

    /// Open for writing; made first when missing. One process at a time: a second one gets
    /// [`StoreError::Locked`]. Removes what an interrupted process left behind.
    pub fn open(path: &Path, config: &StoreConfig) -> Result<Self, StoreError> {
        let _ = (path, config);
        Err(StoreError::NotBuilt)
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The capture stored under this (quick) id, if any. Compare its `content_hash` with the full hash of the file
    /// before reading a large file again.
    pub fn capture(&self, id: CaptureId) -> Result<Option<StoredCapture>, StoreError> {
        let _ = id;
        Err(StoreError::NotBuilt)
    }

    /// The engine's sink: a thread that owns a connection of its own. One at a time.
    pub fn writer(&self) -> Result<Writer, StoreError> {
        Err(StoreError::NotBuilt)
    }

    /// Write everything to the file and close it.
    pub fn close(self) -> Result<(), StoreError> {
        Err(StoreError::NotBuilt)
    }
}
