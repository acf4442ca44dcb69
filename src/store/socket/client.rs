//! How does a reader get its rows from the process that owns the database?
//!
//! One connection a question. What comes back is what [`super::super::Reader`] gives from a file: Arrow batches, the same errors. Refuses to talk to
//! a socket of somebody who is neither this user, root, nor the owner of the database.

use super::super::maintenance::Info;
use super::super::{Limits, StoreError};
use super::wire::{Ask, Deadlined, End, Reply, Request, VERSION, receive, send};
use super::{connect, failed, socket_of, trusted};
use crate::store::arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use arrow_ipc::reader::StreamReader;
use std::io::{BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a reader looks for an owner that is just opening or closing the file.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a client waits for a place.
const BUSY: Duration = Duration::from_secs(2);
/// Between two looks.
const AGAIN: Duration = Duration::from_millis(10);
/// Answers other than rows come within this time; a copy of a large database takes minutes.
const ANSWER: Duration = Duration::from_secs(60);
const COPY: Duration = Duration::from_secs(3_600);
/// Beyond the time limit of a query, for the way.
const GRACE: Duration = Duration::from_secs(10);

/// The owner of a database, at its socket.
#[derive(Clone, Debug)]
pub(in crate::store) struct Client {
    socket: PathBuf,
    /// Who owns the database file.
    owner: Option<u32>,
}

/// Do `local`; while that finds the file locked, look for its owner and do `remote` with it. Without an owner that answers, the
/// error of `local` stands.
pub(in crate::store) fn or_owner<T>(
    db: &Path,
    mut local: impl FnMut() -> Result<T, StoreError>,
    remote: impl FnOnce(Client) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let began = Instant::now();
    loop {
        let locked = match local() {
            Err(e @ StoreError::Locked { .. }) => e,
            other => return other,
        };
        let client = Client { socket: socket_of(db), owner: std::fs::metadata(db).ok().map(|m| m.uid()) };
        match client.connect() {
            Ok(_) => return remote(client),
            Err(_) if began.elapsed() >= PATIENCE => return Err(locked),
            Err(_) => std::thread::sleep(AGAIN),
        }
    }
}

impl Client {
    fn connect(&self) -> Result<std::os::unix::net::UnixStream, StoreError> {
        let stream = connect(&self.socket)?;
        if !trusted(&stream, self.owner) {
            return Err(failed(&self.socket, "it belongs to another user"));
        }
        Ok(stream)
    }

    /// Ask, and wait for the answer; for a moment also until the owner has a place free.
    fn ask(&self, ask: Ask, wait: Option<Duration>) -> Result<(Reply, BufReader<Deadlined>), StoreError> {
        let began = Instant::now();
        let request = Request { version: VERSION, ask };
        loop {
            match self.ask_once(&request, wait) {
                Err(StoreError::Busy(_)) if began.elapsed() < BUSY => std::thread::sleep(AGAIN),
                other => return other,
            }
        }
    }

    fn ask_once(
        &self,
        request: &Request,
        wait: Option<Duration>,
    ) -> Result<(Reply, BufReader<Deadlined>), StoreError> {
        let told = |e: std::io::Error| failed(&self.socket, lost(&e));
        let until = wait.and_then(|w| Instant::now().checked_add(w));
        let mut stream = Deadlined::new(self.connect()?, until);
        // An owner that has too many clients answers before it reads.
        let sent = send(&mut stream, request);
        let mut stream = BufReader::new(stream);
        match (receive(&mut stream), sent) {
            (Ok(Reply::Fault(fault)), _) => Err(fault.into()),
            (Ok(reply), _) => Ok((reply, stream)),
            (Err(_), Err(e)) | (Err(e), _) => Err(told(e)),
        }
    }

    fn unexpected(&self) -> StoreError {
        failed(&self.socket, "its answer is not understood; is the owner another version?")
    }

    pub(in crate::store) fn parameters(&self, sql: &str) -> Result<Vec<String>, StoreError> {
        match self.ask(Ask::Parameters { sql: sql.to_owned() }, Some(ANSWER))?.0 {
            Reply::Parameters(names) => Ok(names),
            _ => Err(self.unexpected()),
        }
    }

    pub(in crate::store) fn info(&self) -> Result<Info, StoreError> {
        match self.ask(Ask::Info, Some(ANSWER))?.0 {
            Reply::Info(info) => Ok(*info),
            _ => Err(self.unexpected()),
        }
    }

    /// Have a copy written; where it lies.
    pub(in crate::store) fn backup(&self) -> Result<PathBuf, StoreError> {
        match self.ask(Ask::Backup, Some(COPY))?.0 {
            Reply::Backup(path) => Ok(PathBuf::from(path)),
            _ => Err(self.unexpected()),
        }
    }

    pub(in crate::store) fn query(
        &self,
        sql: &str,
        params: &[(String, Option<String>)],
        limits: &Limits,
    ) -> Result<Rows, StoreError> {
        let ask = Ask::Query {
            sql: sql.to_owned(),
            params: params.to_vec(),
            time_ms: limits.time.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX)),
            rows: limits.rows,
        };
        let (reply, stream) = self.ask(ask, limits.time.map(|t| t.saturating_add(GRACE)))?;
        if !matches!(reply, Reply::Rows) {
            return Err(self.unexpected());
        }
        let stream = StreamReader::try_new(stream, None).map_err(|e| failed(&self.socket, e))?;
        Ok(Rows { schema: stream.schema(), stream: Some(stream), socket: self.socket.clone() })
    }
}

/// What a broken connection means.
fn lost(e: &std::io::Error) -> String {
    match e.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
            "the process that owns the database has ended; ask again".to_owned()
        }
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "the owner of the database does not answer".to_owned(),
        _ => e.to_string(),
    }
}

/// Rows on their way.
pub(in crate::store) struct Rows {
    pub(in crate::store) schema: SchemaRef,
    stream: Option<StreamReader<BufReader<Deadlined>>>,
    socket: PathBuf,
}

/// What comes next.
pub(in crate::store) enum Next {
    Batch(RecordBatch),
    Failed(StoreError),
    /// All rows came; were more there than the limit?
    End {
        truncated: bool,
    },
}

impl Rows {
    pub(in crate::store) fn next(&mut self) -> Next {
        let Some(stream) = &mut self.stream else { return Next::End { truncated: false } };
        let next = match stream.next() {
            Some(Ok(batch)) => return Next::Batch(batch),
            Some(Err(e)) => match e {
                crate::store::arrow::error::ArrowError::IoError(_, e) => {
                    Next::Failed(failed(&self.socket, lost(&e)))
                }
                e => Next::Failed(failed(&self.socket, e)),
            },
            None => match receive::<End>(stream.get_mut()) {
                Ok(End { fault: Some(fault), .. }) => Next::Failed(fault.into()),
                Ok(End { truncated, .. }) => Next::End { truncated },
                Err(e) => Next::Failed(failed(&self.socket, lost(&e))),
            },
        };
        self.stream = None;
        next
    }
}
