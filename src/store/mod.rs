//! Where do rows rest, and how are they asked for?
//!
//! One DuckDB file. [`Store`] owns it for writing (one process at a time) and serves others meanwhile, [`Writer`] is the engine's sink,
//! [`Reader`] answers read-only SQL from the file or from its owner, [`maintenance`] copies, exports and resets. No code of ours opens the
//! database or its log by path while it is open: DuckDB's own lock is a POSIX record lock, which any second
//! descriptor of the process would drop; hence `<db>.lock`. Refuses to know what packets are, and to print.

mod anomalies;
mod appending;
mod batch;
mod capture;
mod capture_files;
mod connect;
mod detections;
mod error;
mod files;
mod functions;
mod going_on;
mod guard;
mod hosts;
mod indicators;
pub mod maintenance;
mod queue;
mod reader;
mod retention;
pub mod risk;
mod schema;
mod socket;
mod tables;
mod writer;

#[cfg(test)]
mod tests;

pub use detections::{Detection, Outcome, Period};
pub use error::StoreError;
pub use indicators::{Indicator, IndicatorKind};
pub use reader::{Limits, Reader, ResultSet};
pub use retention::{Pruned, Retention};
pub use writer::Writer;

/// Arrow as the store speaks it: schema, record batches and arrays of a [`ResultSet`].
pub use duckdb::arrow;

use self::connect::Share;
use crate::model::ids::CaptureId;
use duckdb::{AccessMode, Connection};
use std::path::{Path, PathBuf};

/// How DuckDB is run.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// DuckDB's cache in MiB; while rows of a file arrive a third of it. Writing takes at least 128.
    pub memory_limit_mib: u64,
    /// Threads of DuckDB, at least 1.
    pub threads: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { memory_limit_mib: 192, threads: 2 }
    }
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

/// A database open for writing by this process alone.
#[derive(Debug)]
pub struct Store {
    // First: its queries end before anything else.
    server: Option<socket::server::Server>,
    // Before the lock: fields are dropped in order, and the database must be closed while the lock still holds.
    db: Connection,
    path: PathBuf,
    config: StoreConfig,
    lock: files::Lock,
}

impl Store {
    /// Make folder and database where they are missing, bring an older database up to date; says what it made.
    /// Repeatable.
    pub fn create_if_missing(path: &Path) -> Result<Made, StoreError> {
        let (store, made) = Self::open_noting(path, &StoreConfig::default())?;
        store.close()?;
        Ok(made)
    }

    /// Open for writing; made first when missing. One process at a time: a second one gets
    /// [`StoreError::Locked`]. Removes what an interrupted process left behind.
    pub fn open(path: &Path, config: &StoreConfig) -> Result<Self, StoreError> {
        Self::open_noting(path, config).map(|(store, _)| store)
    }

    fn open_noting(path: &Path, config: &StoreConfig) -> Result<(Self, Made), StoreError> {
        files::private_by_default();
        let mut made = Made::default();
        if let Some(folder) = path.parent() {
            made.folders = files::create_folders(folder)?;
        }
        if path.is_dir() {
            return Err(StoreError::NotADatabase {
                path: path.to_owned(),
                reason: "it is a folder".to_owned(),
            });
        }
        let lock = files::Lock::exclusive(path)?;
        files::purge(path)?;
        // An empty file is what `mktemp` makes; there is nothing in it to lose.
        if files::size(path) == 0 {
            schema::create(path)?;
            made.database = Some(path.to_owned());
        }
        // The writer asks for more threads when it has use for them.
        let db = connect::open(path, &StoreConfig { threads: 1, ..config.clone() }, AccessMode::ReadWrite)?;
        schema::upgrade(&db, path)?;
        functions::register(&db)?;
        capture::mark_interrupted(&db)?;
        Ok((Self { server: None, db, path: path.to_owned(), config: config.clone(), lock }, made))
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Answer reading SQL of other processes until this is closed, on a Unix socket beside the database. An error leaves the store as it was:
    /// others then hear that it is in use.
    pub fn serve(&mut self) -> Result<(), StoreError> {
        let db = self.db.try_clone().map_err(connect::write_error)?;
        self.server = Some(socket::server::Server::start(db, &self.path)?);
        Ok(())
    }

    /// The capture stored under this (quick) id, if any. Compare its `content_hash` with the full hash of the file
    /// before reading a large file again.
    pub fn capture(&self, id: CaptureId) -> Result<Option<StoredCapture>, StoreError> {
        capture::by_id(&self.db, id)
    }

    /// Note what a person thinks of a finding; false when there is none of this id.
    pub fn set_status(&self, anomaly_id: i64, status: &str) -> Result<bool, StoreError> {
        let changed = self
            .db
            .execute(
                "UPDATE anomalies SET status = ? WHERE anomaly_id = ?",
                duckdb::params![status, anomaly_id],
            )
            .map_err(connect::write_error)?;
        Ok(changed > 0)
    }

    /// The engine's sink: a thread that owns a connection of its own. One at a time: a second one's captures fail to
    /// commit.
    pub fn writer(&self) -> Result<Writer, StoreError> {
        Writer::start(self.db.try_clone().map_err(connect::write_error)?, self.config.clone())
    }

    /// Captures whose packets overlap a period, oldest first; without those that are still written.
    pub fn captures_in(&self, period: &Period) -> Result<Vec<StoredCapture>, StoreError> {
        capture::within(&self.db, period.since, period.until)
    }

    /// Ask detections over one stored capture. With `keep`, findings are replaced by id (their status stays), those of the same detection that
    /// no longer hold go, and `detector_runs` is noted; without, nothing is written.
    pub fn detect(
        &self,
        all: &[Detection],
        capture: CaptureId,
        period: &Period,
        keep: bool,
    ) -> Result<Vec<Outcome>, StoreError> {
        let allot = |share| connect::allot(&self.db, &self.config, share);
        allot(Share::Asking)?;
        let two = self.config.threads > 1;
        let done = detections::run_all(&self.db, all, capture, period, keep, two);
        allot(Share::Usual).and(done)
    }

    /// Keep a list of indicators under a name; one of that name is replaced.
    pub fn add_indicators(
        &self,
        name: &str,
        source: &str,
        format: &str,
        entries: &[Indicator],
    ) -> Result<(), StoreError> {
        indicators::add(&self.db, name, source, format, entries)
    }

    /// Do the lists that are kept hold MD5 or SHA-1 of files? Then files are to be hashed by these, too.
    pub fn wants_old_hashes(&self) -> Result<bool, StoreError> {
        indicators::want_old_hashes(&self.db)
    }

    /// Forget a list of indicators; false when there is none of this name.
    pub fn remove_indicators(&self, name: &str) -> Result<bool, StoreError> {
        indicators::remove(&self.db, name)
    }

    /// Write everything to the file and close it. Drop the [`Writer`] first.
    pub fn close(mut self) -> Result<(), StoreError> {
        drop(self.server.take());
        self.db.execute_batch("CHECKPOINT").map_err(connect::write_error)?;
        let closed = schema::close(self.db);
        drop(self.lock);
        closed
    }
}
