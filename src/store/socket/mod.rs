//! How does one process ask a database that another is writing?
//!
//! DuckDB lets one process write or many read, never both. So whoever has the store open for writing serves a Unix socket beside the
//! file ([`server`]), and readers use it when the file is locked ([`client`]). Mode 0600, and both ends check who the other is. One
//! connection asks one thing. Refuses to go over a network.

pub(super) mod client;
pub(super) mod server;
pub(super) mod wire;

use super::StoreError;
use super::files::beside;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Longest path of a Unix socket, bytes (sun_path without its zero).
const MAX_PATH: usize = 107;

/// The socket of a database: beside it, whatever name leads there.
fn socket_of(db: &Path) -> PathBuf {
    beside(&db.canonicalize().unwrap_or_else(|_| db.to_owned()), ".sock")
}

fn failed(path: &Path, reason: impl ToString) -> StoreError {
    StoreError::Socket { path: path.to_owned(), reason: reason.to_string() }
}

/// A name for the socket that is short enough, with the folder that must stay open while it is used. Linux names an open
/// folder below /proc.
fn short(path: &Path) -> Result<(PathBuf, Option<File>), StoreError> {
    if path.as_os_str().len() <= MAX_PATH {
        return Ok((path.to_owned(), None));
    }
    let too_long = || {
        failed(path, format!("its path is longer than {MAX_PATH} bytes; use a shorter one with --db PATH"))
    };
    let (folder, name) = (path.parent().ok_or_else(too_long)?, path.file_name().ok_or_else(too_long)?);
    let folder = File::open(folder).map_err(|e| failed(path, e))?;
    let below = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
    let short = below.join(name);
    if !below.is_dir() || short.as_os_str().len() > MAX_PATH {
        return Err(too_long());
    }
    Ok((short, Some(folder)))
}

fn bind(path: &Path) -> Result<UnixListener, StoreError> {
    let (name, _folder) = short(path)?;
    // Only the holder of the lock comes here: what lies there was left by a dead one.
    super::files::remove(path)?;
    let listener = UnixListener::bind(name).map_err(|e| failed(path, e))?;
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, private).map_err(|e| failed(path, e))?;
    Ok(listener)
}

fn connect(path: &Path) -> Result<UnixStream, StoreError> {
    let (name, _folder) = short(path)?;
    UnixStream::connect(name).map_err(|e| failed(path, e))
}

/// Is the other end this user, root, or `also`? Where the system does not tell, the mode of the socket has decided.
fn trusted(stream: &UnixStream, also: Option<u32>) -> bool {
    #[cfg(target_os = "linux")]
    {
        let me = rustix::process::geteuid().as_raw();
        rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| {
            let uid = peer.uid.as_raw();
            uid == me || uid == 0 || Some(uid) == also
        })
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (stream, also);
        true
    }
}
