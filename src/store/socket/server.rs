//! How does the owner of the database answer others while it writes?
//!
//! One thread accepts, each client has one of its own, [`MAX_CLIENTS`] at most; queries run on connections of their own, in read-only
//! transactions: they see what is committed and nothing half. Time, rows, the request and every wait are bounded, so that a stuck or hostile
//! client costs a thread for a while and nothing else. SQL is checked as everywhere; functions that read files are
//! refused, because here a second descriptor of the database would drop DuckDB's lock. Memory is the instance's: the owner's limit
//! holds for all together.

use super::super::connect::{ident, sentence, text, write_error};
use super::super::{Limits, StoreError, files, guard, maintenance, reader};
use super::wire::{Ask, Deadlined, End, Fault, Reply, Request, VERSION, receive, send};
use super::{bind, failed, socket_of, trusted};
use arrow_ipc::writer::StreamWriter;
use duckdb::{Connection, InterruptHandle};
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Clients served at once: a person with some terminals, a dashboard, a cron job.
pub(in crate::store) const MAX_CLIENTS: usize = 8;
/// A request must be there within this time.
const REQUEST: Duration = Duration::from_secs(5);
/// A query may take so long, whatever it asks for; its transaction keeps old versions of rows in memory.
const MAX_TIME: Duration = Duration::from_secs(300);
/// Rows of one query.
const MAX_ROWS: u64 = 50_000_000;
/// Beyond a query's own time: for the rows under way.
const GRACE: Duration = Duration::from_secs(5);
/// An answer that is no rows must be taken within this time.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two interrupts of what still runs when the owner ends.
const STOP_AGAIN: Duration = Duration::from_millis(2);
/// Copies wait here for the client that asked for them.
pub(in crate::store) const OUT: &str = "out";

/// Serves until it is dropped. Dropping waits for the clients' queries, which are interrupted.
pub(in crate::store) struct Server {
    shared: Arc<Shared>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("socket", &self.shared.socket).finish_non_exhaustive()
    }
}

struct Shared {
    /// Connections of queries are cloned from this one.
    db: Mutex<Connection>,
    path: PathBuf,
    socket: PathBuf,
    stop: AtomicBool,
    clients: Mutex<BTreeMap<u64, Client>>,
    next: AtomicU64,
    /// One copy at a time.
    copying: Mutex<()>,
}

/// What is needed to end a client.
struct Client {
    stream: UnixStream,
    query: Option<Arc<InterruptHandle>>,
}

impl Shared {
    fn clients(&self) -> MutexGuard<'_, BTreeMap<u64, Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for client `id`, which is interrupted when the owner ends.
    fn connection(&self, id: u64) -> Result<Connection, StoreError> {
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner).try_clone();
        let db = db.map_err(|e| StoreError::Sql(sentence(&e)))?;
        if let Some(client) = self.clients().get_mut(&id) {
            client.query = Some(db.interrupt_handle());
        }
        Ok(db)
    }

    fn out(&self) -> PathBuf {
        out_of(&self.path)
    }
}

/// Where copies of a database wait.
fn out_of(db: &Path) -> PathBuf {
    match db.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.join(OUT),
        _ => PathBuf::from(OUT),
    }
}

impl Server {
    /// Begin to serve. The caller holds the lock of the database; `db` is a connection of its own. From now on SQL of this instance
    /// reaches no file but the database and copies of it.
    pub(in crate::store) fn start(db: Connection, path: &Path) -> Result<Self, StoreError> {
        let path = path.canonicalize().map_err(files::io("find", path))?;
        let socket = socket_of(&path);
        db.execute_batch(&format!(
            "SET GLOBAL allowed_directories = [{}]; SET GLOBAL enable_external_access = false",
            text(&out_of(&path).to_string_lossy())
        ))
        .map_err(write_error)?;
        purge(&out_of(&path));
        let listener = bind(&socket)?;
        listener.set_nonblocking(true).map_err(|e| failed(&socket, e))?;
        let (wake, woken) = UnixStream::pair().map_err(|e| failed(&socket, e))?;
        let shared = Arc::new(Shared {
            db: Mutex::new(db),
            path,
            socket: socket.clone(),
            stop: AtomicBool::new(false),
            clients: Mutex::default(),
            next: AtomicU64::new(0),
            copying: Mutex::default(),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store-socket".to_owned())
            .spawn(move || accept(&theirs, &listener, &woken))
            .map_err(|e| failed(&socket, e))?;
        Ok(Self { shared, wake, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = files::remove(&self.shared.socket); // the next owner removes it, too
        let _ = self.wake.write_all(b"x");
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // Nobody comes any more. End those who are here, however long they would like to stay.
        loop {
            let clients = self.shared.clients();
            if clients.is_empty() {
                break;
            }
            for client in clients.values() {
                let _ = client.stream.shutdown(Shutdown::Both);
                if let Some(query) = &client.query {
                    query.interrupt();
                }
            }
            drop(clients);
            std::thread::sleep(STOP_AGAIN);
        }
        purge(&self.shared.out());
    }
}

/// Copies that no client took.
fn purge(out: &Path) {
    for entry in std::fs::read_dir(out).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("backup-") {
            let _ = files::remove(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(out); // stays when something else is in it
}

fn accept(shared: &Arc<Shared>, listener: &UnixListener, woken: &UnixStream) {
    while !shared.stop.load(Ordering::SeqCst) {
        let mut fds = [PollFd::new(listener, PollFlags::IN), PollFd::new(woken, PollFlags::IN)];
        let _ = poll(&mut fds, None); // an interrupted wait only looks again
        let Ok((stream, _)) = listener.accept() else {
            // Out of descriptors: do not spin.
            std::thread::sleep(STOP_AGAIN);
            continue;
        };
        if stream.set_nonblocking(false).is_ok() && trusted(&stream, None) {
            admit(shared, stream);
        }
    }
}

/// Give a client a thread, or tell it that there are too many.
fn admit(shared: &Arc<Shared>, stream: UnixStream) {
    let id = shared.next.fetch_add(1, Ordering::Relaxed);
    let Ok(own) = stream.try_clone() else { return };
    let mut clients = shared.clients();
    let count = clients.len();
    if count < MAX_CLIENTS {
        clients.insert(id, Client { stream: own, query: None });
    }
    drop(clients);
    if count >= MAX_CLIENTS {
        // The answer is small: it fits into an empty socket, so nobody is waited for.
        let mut stream = Deadlined::new(stream, Instant::now().checked_add(STOP_AGAIN));
        let _ = send(&mut stream, &Reply::Fault(Fault::Busy(count)));
        return;
    }
    let theirs = Arc::clone(shared);
    let spawned = std::thread::Builder::new().name("store-client".to_owned()).spawn(move || {
        let leaving = Leaving { shared: &theirs, id };
        let _ = serve(&theirs, id, stream); // a client that went away does not want to know
        drop(leaving);
    });
    if spawned.is_err() {
        shared.clients().remove(&id);
    }
}

/// Takes a client off the list however its thread ends.
struct Leaving<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.shared.clients().remove(&self.id);
    }
}

fn serve(shared: &Shared, id: u64, stream: UnixStream) -> std::io::Result<()> {
    let soon = |time: Duration| Instant::now().checked_add(time);
    let mut stream = Deadlined::new(stream, soon(REQUEST));
    let request: Request = receive(&mut stream)?;
    let reply = if request.version != VERSION {
        let own = env!("CARGO_PKG_VERSION");
        Err(StoreError::Sql(format!(
            "the database is in use by secnetmon {own}, which speaks otherwise; use that version"
        )))
    } else {
        match request.ask {
            Ask::Query { sql, params, time_ms, rows } => {
                let time = time_ms.map_or(MAX_TIME, Duration::from_millis).min(MAX_TIME);
                let limits = Limits { time: Some(time), rows: Some(rows.unwrap_or(MAX_ROWS).min(MAX_ROWS)) };
                stream.until(soon(time + GRACE));
                match query(shared, id, &sql, params, &limits) {
                    Ok(results) => return rows_to(stream, results),
                    Err(e) => Err(e),
                }
            }
            Ask::Parameters { sql } => shared
                .connection(id)
                .and_then(|db| reader::parameters(&db, &sql, false))
                .map(Reply::Parameters),
            Ask::Info => shared
                .connection(id)
                .and_then(|db| maintenance::info_of(&db, &shared.path))
                .map(|info| Reply::Info(Box::new(info))),
            Ask::Backup => backup(shared, id).map(|p| Reply::Backup(p.to_string_lossy().into_owned())),
        }
    };
    stream.until(soon(ANSWER));
    send(&mut stream, &reply.unwrap_or_else(|e| Reply::Fault(e.into())))
}

fn query(
    shared: &Shared,
    id: u64,
    sql: &str,
    params: Vec<(String, Option<String>)>,
    limits: &Limits,
) -> Result<reader::ResultSet, StoreError> {
    let db = shared.connection(id)?;
    guard::check(&db, sql, false)?;
    reader::ResultSet::start(db, sql.to_owned(), params, limits)
}

/// Send the rows as they come.
fn rows_to(mut stream: Deadlined, mut results: reader::ResultSet) -> std::io::Result<()> {
    send(&mut stream, &Reply::Rows)?;
    let other = |e: crate::store::arrow::error::ArrowError| std::io::Error::other(e);
    let mut out = StreamWriter::try_new(BufWriter::new(stream), results.schema()).map_err(other)?;
    let mut fault = None;
    for batch in results.by_ref() {
        match batch {
            Ok(batch) => out.write(&batch).map_err(other)?,
            Err(e) => fault = Some(Fault::from(e)),
        }
        out.flush().map_err(other)?;
    }
    out.finish().map_err(other)?;
    let truncated = results.truncated();
    send(out.get_mut(), &End { truncated, fault })
}

/// Write a consistent copy; where it lies.
fn backup(shared: &Shared, id: u64) -> Result<PathBuf, StoreError> {
    let _one = shared.copying.try_lock().map_err(|_| StoreError::Busy(1))?;
    let out = shared.out();
    files::create_folders(&out)?;
    let path = out.join(format!("backup-{}-{id}.duckdb", rustix::process::getpid().as_raw_nonzero()));
    let db = shared.connection(id)?;
    let name = format!("backup_{id}");
    let source: String = db
        .query_row("SELECT current_database()", [], |r| r.get(0))
        .map_err(|e| StoreError::Sql(sentence(&e)))?;
    let attached = format!("ATTACH {} AS {name}", text(&path.to_string_lossy()));
    let copied = db
        .execute_batch(&attached)
        .and_then(|()| {
            let copied = db.execute_batch(&format!(
                "COPY FROM DATABASE {} TO {name}; CHECKPOINT {name}",
                ident(&source)
            ));
            let detached = db.execute_batch(&format!("DETACH {name}"));
            copied.and(detached)
        })
        .map_err(write_error);
    if copied.is_err() {
        let _ = files::remove(&path); // the first error is the one to tell
    }
    copied.map(|()| path)
}
