//! How is SQL answered without a chance to change anything?
//!
//! The file is open for reading (or another process owns it, and answers at its socket); then access to other files is switched off and the configuration locked. Each query
//! is one checked statement in a read-only transaction on a connection and a thread of its own; rows come as Arrow
//! batches while the query runs, and dropping them stops it. Refuses writing, several statements, and values
//! spliced into SQL.

use super::arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use super::connect::{sentence, text};
use super::socket::client::{self, Client, or_owner};
use super::{StoreConfig, StoreError, connect, files, functions, guard, schema};
use duckdb::{AccessMode, Connection, InterruptHandle, params_from_iter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Batches (2,048 rows each) that may wait for the one who reads them.
const WAITING_BATCHES: usize = 8;

/// How often a dropped query is told to stop: an interrupt between two steps is lost.
const STOP_AGAIN: Duration = Duration::from_millis(2);

/// What a query may use.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Longest wait for the next rows; `None`: no limit. Counted from the start of the query.
    pub time: Option<Duration>,
    /// Most rows handed out; `None`: all. [`ResultSet::truncated`] says whether more were there.
    pub rows: Option<u64>,
}

/// A database open for reading. Many processes may read while nobody writes.
#[derive(Debug)]
pub struct Reader {
    pub(super) from: From,
    path: PathBuf,
}

/// Where the rows come from.
#[derive(Debug)]
pub(super) enum From {
    File {
        // Before the lock: fields are dropped in order, and the database must be closed while the lock still holds.
        db: Connection,
        /// May SQL read files of the allowed folders?
        files: bool,
        _lock: Option<files::Lock>,
    },
    /// The process that has it open for writing.
    Owner(Client),
}

impl Reader {
    /// Open read-only. SQL may read files only below `allowed` folders (usually none). While another process writes the database, that
    /// process answers, and no file can be read.
    pub fn open(path: &Path, config: &StoreConfig, allowed: &[PathBuf]) -> Result<Self, StoreError> {
        let from = or_owner(path, || Self::open_file(path, config, allowed), |c| Ok(From::Owner(c)))?;
        Ok(Self { from, path: path.to_owned() })
    }

    fn open_file(path: &Path, config: &StoreConfig, allowed: &[PathBuf]) -> Result<From, StoreError> {
        let (db, lock) = open_unlocked(path, config)?;
        functions::register(&db)?;
        let folders: Vec<String> = allowed.iter().map(|p| text(&p.to_string_lossy())).collect();
        let folders = if folders.is_empty() {
            String::new()
        } else {
            format!("SET allowed_directories = [{}];", folders.join(", "))
        };
        db.execute_batch(&format!(
            "{folders} SET enable_external_access = false; SET lock_configuration = true;"
        ))
        .map_err(|e| StoreError::Sql(sentence(&e)))?;
        Ok(From::File { db, files: !allowed.is_empty(), _lock: lock })
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
        match &self.from {
            From::File { db, files, .. } => {
                guard::check(db, sql, *files)?;
                let db = db.try_clone().map_err(|e| StoreError::Sql(sentence(&e)))?;
                ResultSet::start(db, sql.to_owned(), params.to_vec(), limits)
            }
            From::Owner(owner) => Ok(ResultSet::of_owner(owner.query(sql, params, limits)?)),
        }
    }

    /// Names of the `$name` parameters of a statement, in order of first use; checks it as `query` does.
    pub fn parameters(&self, sql: &str) -> Result<Vec<String>, StoreError> {
        match &self.from {
            From::File { db, files, .. } => parameters(db, sql, *files),
            From::Owner(owner) => owner.parameters(sql),
        }
    }
}

/// Names of the parameters of a statement that is checked first.
pub(super) fn parameters(db: &Connection, sql: &str, files: bool) -> Result<Vec<String>, StoreError> {
    guard::check(db, sql, files)?;
    let names = || -> duckdb::Result<Vec<String>> {
        let stmt = db.prepare(sql)?;
        (1..=stmt.parameter_count()).map(|i| stmt.parameter_name(i)).collect()
    };
    names().map_err(|e| StoreError::Sql(sentence(&e)))
}

/// Open read-only with the lock, for us and not for SQL of others.
pub(super) fn open_unlocked(
    path: &Path,
    config: &StoreConfig,
) -> Result<(Connection, Option<files::Lock>), StoreError> {
    files::private_by_default();
    if path.is_dir() {
        return Err(StoreError::NotADatabase { path: path.to_owned(), reason: "it is a folder".to_owned() });
    }
    if !path.exists() || files::size(path) == 0 {
        return Err(StoreError::Missing(path.to_owned()));
    }
    let lock = files::Lock::shared(path)?;
    let db = connect::open(path, config, AccessMode::ReadOnly)?;
    if schema::version(&db, path)? < schema::VERSION {
        return Err(StoreError::Outdated(path.to_owned()));
    }
    Ok((db, lock))
}

enum Message {
    Schema(SchemaRef),
    Rows(RecordBatch),
    Failed(StoreError),
    Done,
}

/// Rows of a query, batch by batch: an iterator of `Result<RecordBatch, StoreError>`. Owned; dropping it stops the
/// query.
pub struct ResultSet {
    schema: SchemaRef,
    truncated: bool,
    rows_left: Option<u64>,
    deadline: Option<(Instant, Duration)>,
    messages: Option<Receiver<Message>>,
    /// Rows of the owner of the database, in place of messages.
    remote: Option<Box<client::Rows>>,
    interrupt: Option<Arc<InterruptHandle>>,
    thread: Option<JoinHandle<Connection>>,
}

impl std::fmt::Debug for ResultSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResultSet").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl ResultSet {
    pub(super) fn start(
        db: Connection,
        sql: String,
        params: Vec<(String, Option<String>)>,
        limits: &Limits,
    ) -> Result<Self, StoreError> {
        let interrupt = db.interrupt_handle();
        let (send, messages) = sync_channel(WAITING_BATCHES);
        let thread = std::thread::Builder::new()
            .name("store-query".to_owned())
            .spawn(move || {
                let last = match run(&db, &sql, params, &send) {
                    Ok(()) => Message::Done,
                    Err(e) => Message::Failed(e),
                };
                let _ = send.send(last); // whoever left does not want to know
                db // outlives the thread: an interrupt may still be on its way, and would meet a closed connection
            })
            .map_err(|e| StoreError::Sql(format!("no thread to run the query on: {e}")))?;
        let mut set = Self {
            schema: Arc::new(super::arrow::datatypes::Schema::empty()),
            truncated: false,
            rows_left: limits.rows,
            deadline: limits.time.and_then(|t| Instant::now().checked_add(t).map(|d| (d, t))),
            messages: Some(messages),
            remote: None,
            interrupt: Some(interrupt),
            thread: Some(thread),
        };
        match set.receive() {
            Message::Schema(schema) => set.schema = schema,
            Message::Failed(e) => return Err(e),
            Message::Rows(_) | Message::Done => return Err(ENDED),
        }
        Ok(set)
    }

    fn of_owner(rows: client::Rows) -> Self {
        Self {
            schema: Arc::clone(&rows.schema),
            truncated: false,
            rows_left: None,
            deadline: None,
            messages: None,
            remote: Some(Box::new(rows)),
            interrupt: None,
            thread: None,
        }
    }

    /// Column names and types; known before the first row.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Did [`Limits::rows`] cut it? Known at the end.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    fn receive(&mut self) -> Message {
        let Some(messages) = &self.messages else { return Message::Done };
        let received = match self.deadline {
            None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some((at, _)) => messages.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match (received, self.deadline) {
            (Ok(m), _) => m,
            (Err(RecvTimeoutError::Timeout), Some((_, limit))) => {
                self.stop();
                Message::Failed(StoreError::Timeout(limit))
            }
            (Err(_), _) => Message::Failed(ENDED),
        }
    }

    /// End the query, wherever it is, and its thread.
    fn stop(&mut self) {
        self.messages = None;
        if let Some(t) = self.thread.take() {
            while !t.is_finished() {
                if let Some(query) = &self.interrupt {
                    query.interrupt();
                }
                std::thread::sleep(STOP_AGAIN);
            }
            drop(t.join()); // closes the connection, now that nobody interrupts it; a panic was told as ENDED
        }
    }
}

const ENDED: StoreError = StoreError::Misuse("the thread of the query has ended");

impl Iterator for ResultSet {
    type Item = Result<RecordBatch, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(rows) = &mut self.remote {
            let item = match rows.next() {
                client::Next::Batch(batch) => return Some(Ok(batch)),
                client::Next::Failed(e) => Some(Err(e)),
                client::Next::End { truncated } => {
                    self.truncated = truncated;
                    None
                }
            };
            self.remote = None;
            return item;
        }
        self.messages.as_ref()?;
        let item = match self.receive() {
            Message::Rows(batch) => {
                let Some(left) = self.rows_left else { return Some(Ok(batch)) };
                let n = batch.num_rows() as u64;
                if n <= left {
                    self.rows_left = Some(left - n);
                    return Some(Ok(batch));
                }
                self.truncated = true;
                (left > 0).then(|| Ok(batch.slice(0, left as usize)))
            }
            Message::Done | Message::Schema(_) => None,
            Message::Failed(e) => Some(Err(e)),
        };
        self.stop();
        item
    }
}

impl Drop for ResultSet {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The thread of one query. An error of sending means that nobody wants the rest.
fn run(
    db: &Connection,
    sql: &str,
    params: Vec<(String, Option<String>)>,
    send: &SyncSender<Message>,
) -> Result<(), StoreError> {
    let told = |e: duckdb::Error| StoreError::Sql(sentence(&e));
    db.execute_batch("BEGIN TRANSACTION READ ONLY").map_err(told)?;
    let mut stmt = db.prepare(sql).map_err(told)?;
    let mut values: Vec<Option<String>> = Vec::new();
    let mut unused: Vec<bool> = vec![true; params.len()];
    for i in 1..=stmt.parameter_count() {
        let name = stmt.parameter_name(i).map_err(told)?;
        let at = params.iter().position(|(n, _)| *n == name).ok_or_else(|| missing(&name))?;
        if let (Some((_, value)), Some(unused)) = (params.get(at), unused.get_mut(at)) {
            values.push(value.clone());
            *unused = false;
        }
    }
    if let Some(((name, _), _)) = params.iter().zip(&unused).find(|(_, unused)| **unused) {
        return Err(StoreError::Parameter(format!("the SQL has no parameter ${name}")));
    }
    let schema = stmt.stream_arrow(params_from_iter(values)).map_err(told)?.get_schema();
    if send.send(Message::Schema(Arc::clone(&schema))).is_err() {
        return Ok(());
    }
    // Not the crate's iterator: it panics where `step` gives an error.
    while let Some(rows) = stmt.step().map_err(told)? {
        let (_, columns, _) = rows.into_parts();
        let n = columns.first().map_or(0, |c| c.len());
        let options = super::arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(n));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)
            .map_err(|e| StoreError::Sql(e.to_string()))?;
        if send.send(Message::Rows(batch)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn missing(name: &str) -> StoreError {
    StoreError::Parameter(if name.chars().all(|c| c.is_ascii_digit()) {
        "the SQL has a parameter without a name (?); write $name instead".to_owned()
    } else {
        format!("the SQL needs a value for ${name}; give it with -p {name}=VALUE")
    })
}
