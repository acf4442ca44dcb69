//! How do rows get into the file, fast and wholly or not at all?
//!
//! A thread of its own takes them from a bounded queue, as Arrow, into DuckDB's appender. One finite capture is one
//! transaction: a kill at any moment leaves it wholly or not at all. Streams commit as they go under status `live`.
//! Rows wait until a table has many, and go in as one flushed piece: unflushed rows lie outside DuckDB's memory limit, and an appender
//! that is dropped swallows its errors. Refuses to guess after an error: the capture can then only be abandoned.

mod asking;
mod ending;
mod stream;

use super::appending::Appending;
use super::capture_files::Noted;
use super::connect::{Share, write_error};
use super::detections::{Detection, Outcome};
use super::going_on::GoingOn;
use super::queue::{Closing, ENDED, Shared};
use super::retention::{Keeper, Retention};
use super::{StoreConfig, StoreError, anomalies, batch, capture};
use crate::detect;
use crate::engine::sink::{CaptureStart, CaptureSummary, Sink, Stored};
use crate::engine::tables::FLOWS;
use crate::model::anomaly::Anomaly;
use crate::model::ids::CaptureNo;
use crate::model::rows::Rows;
use crate::model::schema::Table;
use crate::model::time::Timestamp;
use duckdb::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

/// Bytes of a capture's rows that wait here, over all tables. Past them the table with most goes to DuckDB, in one piece. Most tables of most
/// captures fit until the commit: DuckDB keeps a buffer of many KB for each column that has one row, and writes those of fifty tables to a
/// temporary file and reads them back when they are beyond its memory limit.
const MAX_HELD_BYTES: usize = 16 << 20;

/// Rows after which a stream commits without waiting.
const STREAM_COMMIT_ROWS: u64 = 16_384;

/// Captures with fewer rows are left to DuckDB's log: a folder of small files need not write the file for each.
const CHECKPOINT_ROWS: u64 = 50_000;

enum Command {
    Begin(CaptureStart, SyncSender<Result<CaptureNo, StoreError>>),
    Rows(Rows, usize),
    Anomalies(Vec<Anomaly>),
    Progress(Box<CaptureSummary>),
    Commit(Box<CaptureSummary>, SyncSender<Result<Stored, StoreError>>),
    Cut(Box<(CaptureSummary, CaptureStart)>, SyncSender<Result<CaptureNo, StoreError>>),
    Abandon(SyncSender<Result<(), StoreError>>),
    Detect(Vec<Detection>),
    Retain(Retention),
    Outcomes(SyncSender<Result<Vec<Outcome>, StoreError>>),
    TellOutcomes(Sender<Outcome>),
}

/// The engine's sink: rows go to DuckDB on a thread of its own. A capture that is neither committed nor abandoned when
/// it is dropped leaves no trace (a stream: stays `live` until the next open).
pub struct Writer {
    commands: Option<Sender<Command>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// Start the thread on a connection of its own.
    pub(super) fn start(db: Connection, config: StoreConfig) -> Result<Self, StoreError> {
        let (commands, received) = channel();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let _closing = Closing(Arc::clone(&theirs));
                run(&db, config, &received, &theirs);
            })
            .map_err(|e| StoreError::Write(format!("no thread to write with: {e}")))?;
        Ok(Self { commands: Some(commands), shared, thread: Some(thread) })
    }

    /// Detections that are asked over every capture once it is committed.
    pub fn detect_with(&mut self, all: Vec<Detection>) -> Result<(), StoreError> {
        self.send(Command::Detect(all))
    }

    /// Delete what is not to be kept: before every capture, and now and then while a stream is written.
    pub fn retain(&mut self, keep: Retention) -> Result<(), StoreError> {
        self.send(Command::Retain(keep))
    }

    /// What they said since this was asked last.
    pub fn outcomes(&mut self) -> Result<Vec<Outcome>, StoreError> {
        self.ask(Command::Outcomes)
    }

    /// From now on what they say goes there as soon as it is known, instead of waiting for [`Self::outcomes`].
    pub fn tell_outcomes(&mut self, to: Sender<Outcome>) -> Result<(), StoreError> {
        self.send(Command::TellOutcomes(to))
    }

    fn send(&self, command: Command) -> Result<(), StoreError> {
        self.commands.as_ref().and_then(|c| c.send(command).ok()).ok_or(ENDED)
    }

    fn ask<T>(
        &self,
        command: impl FnOnce(SyncSender<Result<T, StoreError>>) -> Command,
    ) -> Result<T, StoreError> {
        let (answer, answered) = sync_channel(1);
        self.send(command(answer))?;
        answered.recv().unwrap_or(Err(ENDED))
    }
}

impl Sink for Writer {
    type Error = StoreError;

    fn begin(&mut self, start: &CaptureStart) -> Result<CaptureNo, StoreError> {
        self.ask(|answer| Command::Begin(start.clone(), answer))
    }

    fn rows(&mut self, rows: Rows) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let bytes = rows.bytes();
        self.shared.take(bytes)?;
        self.send(Command::Rows(rows, bytes))
    }

    fn anomalies(&mut self, found: Vec<Anomaly>) -> Result<(), StoreError> {
        // Few and small beside rows: they pass the bound.
        self.send(Command::Anomalies(found))
    }

    fn progress(&mut self, summary: &CaptureSummary) -> Result<Option<detect::Config>, StoreError> {
        self.send(Command::Progress(Box::new(summary.clone())))?;
        Ok(None)
    }

    fn commit(&mut self, summary: &CaptureSummary) -> Result<Stored, StoreError> {
        self.ask(|answer| Command::Commit(Box::new(summary.clone()), answer))
    }

    fn cut(&mut self, summary: &CaptureSummary, next: &CaptureStart) -> Result<CaptureNo, StoreError> {
        self.ask(|answer| Command::Cut(Box::new((summary.clone(), next.clone())), answer))
    }

    fn abandon(&mut self) -> Result<(), StoreError> {
        self.ask(Command::Abandon)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(t) = self.thread.take() {
            let _ = t.join(); // it has told its errors already
        }
    }
}

/// The thread.
fn run(db: &Connection, config: StoreConfig, commands: &Receiver<Command>, shared: &Shared) {
    let mut session = Session::new(db, config);
    loop {
        let next = match session.commit_in() {
            Some(wait) => commands.recv_timeout(wait),
            None => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(Command::Begin(start, answer)) => {
                shared.with(|s| s.error = None);
                let _ = answer.send(session.begin(start));
            }
            Ok(Command::Rows(rows, bytes)) => {
                if let Err(e) = session.rows(rows) {
                    shared.with(|s| s.error = s.error.take().or(Some(e)));
                }
                shared.give(bytes);
            }
            Ok(Command::Anomalies(found)) => {
                if let Err(e) = session.anomalies(&found) {
                    shared.with(|s| s.error = s.error.take().or(Some(e)));
                }
            }
            Ok(Command::Progress(summary)) => {
                if let Err(e) = session.progress(&summary) {
                    shared.with(|s| s.error = s.error.take().or(Some(e)));
                }
            }
            Ok(Command::Commit(summary, answer)) => {
                let told = shared.with(|s| s.error.take());
                let result = match told {
                    Some(e) => Err(e),
                    None => session.commit(&summary),
                };
                let _ = answer.send(result);
            }
            Ok(Command::Cut(both, answer)) => {
                let (summary, next) = *both;
                let told = shared.with(|s| s.error.take());
                let number = told.map_or_else(|| session.next_number(), Err);
                let no = number.as_ref().ok().copied();
                let _ = answer.send(number);
                if let Some(Err(e)) = no.map(|no| session.cut(&summary, next, no)) {
                    shared.with(|s| s.error = s.error.take().or(Some(e)));
                }
            }
            Ok(Command::Abandon(answer)) => {
                shared.with(|s| s.error = None);
                let _ = answer.send(session.abandon());
            }
            Ok(Command::Detect(all)) => session.detections = all,
            Ok(Command::Retain(keep)) => session.keeper = Keeper::new(keep),
            Ok(Command::Outcomes(answer)) => {
                let _ = answer.send(Ok(std::mem::take(&mut session.outcomes)));
            }
            Ok(Command::TellOutcomes(to)) => session.listener = Some(to),
            Err(RecvTimeoutError::Timeout) => {
                if let Err(e) = session.commit_stream() {
                    shared.with(|s| s.error = s.error.take().or(Some(e)));
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                session.leave();
                return;
            }
        }
    }
}

/// A capture being written.
struct Open {
    start: CaptureStart,
    no: CaptureNo,
    began: Timestamp,
    rows: u64,
    /// An error happened: nothing more is written, it can only be abandoned.
    failed: bool,
    /// Streams: rows since the last commit, and when that was.
    uncommitted: u64,
    committed: Instant,
    /// Streams: what the rows of its files say.
    files: Noted,
    /// Streams: flows that were shown and go on.
    going_on: GoingOn,
    /// Streams: up to which packet time the detections in SQL were asked.
    detected: Option<Timestamp>,
}

impl Open {
    fn new(start: CaptureStart, no: CaptureNo, began: Timestamp) -> Self {
        Self {
            start,
            no,
            began,
            rows: 0,
            failed: false,
            uncommitted: 0,
            committed: Instant::now(),
            files: Noted::default(),
            going_on: GoingOn::default(),
            detected: None,
        }
    }
}

struct Session<'db> {
    db: &'db Connection,
    config: StoreConfig,
    open: Option<Open>,
    /// Dropped before the transaction ends in any way: an appender flushes what it holds when it is dropped.
    tables: BTreeMap<&'static str, Appending<'db>>,
    /// Asked over every capture once it is committed, and what they said.
    detections: Vec<Detection>,
    outcomes: Vec<Outcome>,
    /// Who hears of outcomes as they come.
    listener: Option<Sender<Outcome>>,
    /// What an ended process left due was done.
    caught_up: bool,
    keeper: Keeper,
}

impl<'db> Session<'db> {
    fn new(db: &'db Connection, config: StoreConfig) -> Self {
        Self {
            db,
            config,
            open: None,
            tables: BTreeMap::new(),
            detections: Vec::new(),
            outcomes: Vec::new(),
            listener: None,
            caught_up: false,
            keeper: Keeper::default(),
        }
    }

    fn sql(&self, sql: &str) -> Result<(), StoreError> {
        self.db.execute_batch(sql).map_err(write_error)
    }

    fn begin(&mut self, start: CaptureStart) -> Result<CaptureNo, StoreError> {
        if self.open.is_some() {
            return Err(StoreError::Misuse("a capture began before the one before it ended"));
        }
        self.catch_up()?;
        self.keeper.look(self.db)?;
        self.allot(if start.streaming { Share::Stream } else { Share::Least })?;
        self.sql("BEGIN")?;
        let began = capture::now();
        let made = self.prepare(&start, began);
        match made {
            Ok(no) => {
                self.open = Some(Open::new(start, no, began));
                Ok(no)
            }
            Err(e) => {
                let _ = self.sql("ROLLBACK"); // the first error is the one to tell
                Err(e)
            }
        }
    }

    fn prepare(&self, start: &CaptureStart, began: Timestamp) -> Result<CaptureNo, StoreError> {
        // Before the first new row of the same id, or it would be deleted with the old ones.
        if start.replace {
            anomalies::remember(self.db, start.capture_id)?;
            capture::delete(self.db, start.capture_id)?;
        }
        let no = capture::next_number(self.db)?;
        if start.streaming {
            capture::insert_live(self.db, start, no, began)?;
            self.sql("COMMIT; BEGIN")?;
        }
        Ok(no)
    }

    fn rows(&mut self, rows: Rows) -> Result<(), StoreError> {
        let n = rows.len();
        match &self.open {
            None => return Err(StoreError::Misuse("rows came before a capture began")),
            Some(o) if o.failed => return Ok(()), // told already; abandon or commit will come
            Some(_) => {}
        }
        let done = self.append(rows);
        let Some(open) = &mut self.open else { return done };
        open.failed |= done.is_err();
        open.rows += n as u64;
        open.uncommitted += n as u64;
        if done.is_ok() && open.start.streaming && open.uncommitted >= STREAM_COMMIT_ROWS {
            return self.commit_stream();
        }
        done
    }

    fn anomalies(&mut self, found: &[Anomaly]) -> Result<(), StoreError> {
        match &self.open {
            None => return Err(StoreError::Misuse("findings came before a capture began")),
            Some(o) if o.failed => return Ok(()),
            Some(_) => {}
        }
        let done = anomalies::replace(self.db, found);
        if let Some(open) = &mut self.open {
            open.failed |= done.is_err();
            open.uncommitted += found.len() as u64;
        }
        done
    }

    fn append(&mut self, rows: Rows) -> Result<(), StoreError> {
        let table = rows.table;
        if !self.tables.contains_key(table.name) {
            let appending = self.appending(table)?;
            self.tables.insert(table.name, appending);
        }
        let Some(t) = self.tables.get_mut(table.name) else { return Ok(()) };
        let bytes = rows.bytes();
        let mut batch = batch::record_batch(rows, Arc::clone(&t.schema))?;
        if let Some(o) = self.open.as_mut().filter(|o| o.start.streaming && table.name == FLOWS.name) {
            batch = stream::superseding(self.db, o, t, batch)?;
        }
        t.hold(batch, bytes);
        let mut held: usize = self.tables.values().map(Appending::bytes).sum();
        while held > MAX_HELD_BYTES {
            let Some(most) = self.tables.values_mut().max_by_key(|t| t.bytes()) else { break };
            held -= most.bytes();
            most.flush()?;
        }
        Ok(())
    }

    /// An appender for a table. Older databases may have its columns in another order.
    fn appending(&self, table: &'static Table) -> Result<Appending<'db>, StoreError> {
        let names: Vec<&str> = table.all_columns().map(|c| c.name).collect();
        let appender = self.db.appender_with_columns(table.name, &names).map_err(write_error)?;
        Ok(Appending::new(appender, batch::schema_of(table)))
    }

    fn flush_all(&mut self) -> Result<(), StoreError> {
        self.tables.values_mut().try_for_each(Appending::flush)
    }
}
