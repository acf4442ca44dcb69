//! Who may touch the database, and what did an interrupted process leave behind?
//!
//! Everything about the files around the database: modes (0700, 0600), the lock that holds while it is open, and
//! left-overs. DuckDB's own lock is a POSIX record lock that any second descriptor in the process drops, so
//! `<db>.lock` (flock, bound to its descriptor) decides. Refuses to open the database or its log.

use super::StoreError;
use rustix::fs::{FlockOperation, Mode, flock};
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest owner line read from a lock file, bytes: who is told in one sentence.
const OWNER_LINE: u64 = 256;

/// A writer waits this long for readers to finish.
const READERS_LEAVE: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Nobody but the user reads what this process creates; DuckDB itself creates files with mode 0644. Process-wide.
pub(super) fn private_by_default() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// `<path><suffix>`, beside it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// An error of the operating system about `path`.
pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path, source }
}

/// Create the missing folders of `folder`, 0700; says which, outermost first.
pub(super) fn create_folders(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut missing: Vec<&Path> =
        folder.ancestors().take_while(|a| !a.as_os_str().is_empty() && !a.exists()).collect();
    missing.reverse();
    for f in &missing {
        DirBuilder::new().mode(0o700).create(f).map_err(io("create the folder", f))?;
    }
    Ok(missing.into_iter().map(Path::to_owned).collect())
}

/// A held lock; dropped with its file. The file itself stays: removing it would let two processes hold two locks.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Take the lock for writing, or name who has it. Leaves the process number in the file.
    pub(super) fn exclusive(db: &Path) -> Result<Self, StoreError> {
        let path = beside(db, ".lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io("create", &path))?;
        let began = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) => match holder(&mut file) {
                    // Readers come and go; a writer stays.
                    Holder::Reader if began.elapsed() < READERS_LEAVE => std::thread::sleep(LOOK_AGAIN),
                    holder => {
                        return Err(StoreError::Locked { path: db.to_owned(), owner: holder.to_string() });
                    }
                },
                Err(e) => return Err(io("lock", &path)(e.into())),
            }
        }
        let owner = format!("{}\n", rustix::process::getpid().as_raw_nonzero());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(owner.as_bytes()))
            .map_err(io("write", &path))?;
        Ok(Self { _file: file })
    }

    /// Take the lock for reading beside other readers. `None` where the folder allows no lock file: DuckDB's own
    /// lock still keeps writers out.
    pub(super) fn shared(db: &Path) -> Result<Option<Self>, StoreError> {
        let path = beside(db, ".lock");
        let open = OpenOptions::new().read(true).open(&path).or_else(|_| {
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)
        });
        let Ok(mut file) = open else { return Ok(None) };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(StoreError::Locked { path: db.to_owned(), owner: holder(&mut file).to_string() })
            }
            Err(e) => Err(io("lock", &path)(e.into())),
        }
    }
}

/// Who has a lock that we do not get.
enum Holder {
    /// The process that wrote its number.
    Writer(u32),
    /// That one is dead: then it is a reader, who leaves no number.
    Reader,
    /// The system does not tell.
    Unknown,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Writer(pid) => write!(f, "process {pid}"),
            Self::Reader => f.write_str("another process that is reading it"),
            Self::Unknown => f.write_str("another process"),
        }
    }
}

fn holder(file: &mut File) -> Holder {
    let mut line = String::new();
    let read = file.rewind().and_then(|()| file.take(OWNER_LINE).read_to_string(&mut line));
    match (read, line.trim().parse::<u32>()) {
        (Ok(_), Ok(pid))
            if Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{pid}")).exists() =>
        {
            Holder::Reader
        }
        (Ok(_), Ok(pid)) => Holder::Writer(pid),
        _ => Holder::Unknown,
    }
}

/// Remove what a killed process left: half-made databases and DuckDB's temporary files. Only with the lock held.
pub(super) fn purge(db: &Path) -> Result<(), StoreError> {
    for suffix in [".new", ".new.wal"] {
        remove(&beside(db, suffix))?;
    }
    let temp = beside(db, ".tmp");
    let Ok(entries) = std::fs::read_dir(&temp) else { return Ok(()) };
    for entry in entries.flatten() {
        // Only what DuckDB names so: the folder might hold something of the user's.
        if entry.file_name().to_string_lossy().starts_with("duckdb_temp") {
            remove(&entry.path())?;
        }
    }
    let _ = std::fs::remove_dir(&temp); // stays when something else is in it
    Ok(())
}

/// Remove a file if it is there.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Bytes of a file; 0 when it is not there.
pub(super) fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

/// Put the complete file `new` in the place of `path` for good: data first, then the name.
pub(super) fn put_in_place(new: &Path, path: &Path) -> Result<(), StoreError> {
    File::open(new).and_then(|f| f.sync_all()).map_err(io("write", new))?;
    std::fs::rename(new, path).map_err(io("create", path))?;
    sync_folder_of(path)
}

/// Make renames in the folder of `path` durable.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(f) if !f.as_os_str().is_empty() => f,
        _ => Path::new("."),
    };
    File::open(folder).and_then(|f| f.sync_all()).map_err(io("write the folder", folder))
}
