//! Is a monitor running, and how is it doing?
//!
//! A running monitor holds a lock on a file with its process number and writes a small JSON beside it every few seconds, both named by its database
//! and in the state folder. A lock goes with its process, so a killed one is never taken for a running one. Refuses to signal a process that does not hold the lock.

use super::{Context, paths};
use anyhow::{Context as _, Result, anyhow};
use rustix::fs::{FlockOperation, flock};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How a monitor is doing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Report {
    /// Its process.
    pub(super) pid: u32,
    /// Its devices.
    pub(super) interfaces: Vec<String>,
    /// Its database.
    pub(super) database: String,
    /// Its log, when it has one.
    pub(super) log: Option<String>,
    /// When it began and when this was written, UTC.
    pub(super) since: String,
    pub(super) at: String,
    /// Packets that went through the engine, a second and in all.
    pub(super) packets_per_s: f64,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// Dropped by the kernel, by devices, left behind by ourselves.
    pub(super) dropped_kernel: u64,
    pub(super) dropped_interface: u64,
    pub(super) dropped_ours: u64,
    /// Flows written, and findings told.
    pub(super) flows: u64,
    pub(super) findings: u64,
}

/// The files of one monitor.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) folder: PathBuf,
    stem: String,
}

impl Files {
    /// Of the monitor that writes `database`, in `folder`.
    pub(super) fn of(folder: &Path, database: &Path, is_default: bool) -> Self {
        let stem = if is_default {
            "monitor".to_owned()
        } else {
            let whole = std::path::absolute(database).unwrap_or_else(|_| database.to_owned());
            let hash = blake3::hash(whole.as_os_str().as_encoded_bytes()).to_hex();
            format!("monitor-{}", hash.get(..12).unwrap_or_default())
        };
        Self { folder: folder.to_owned(), stem }
    }

    /// Of the monitor that a command is about.
    pub(super) fn of_context(cx: &Context) -> Self {
        let database = cx.database();
        Self::of(&paths::state(&cx.env), &database, database == paths::usual_database(&cx.env))
    }

    fn with(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", self.stem))
    }

    pub(super) fn pid(&self) -> PathBuf {
        self.with("pid")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.with("log")
    }

    fn report(&self) -> PathBuf {
        self.with("json")
    }

    /// Make the folder, for its owner alone.
    pub(super) fn make_folder(&self) -> Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .with_context(|| format!("cannot create the folder {}", self.folder.display()))
    }

    /// Be the running one, as long as what comes back lives.
    pub(super) fn claim(&self) -> Result<Claim> {
        let path = self.pid();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let pid = self.owner().map_or_else(String::new, |p| format!(" (process {})", p.as_raw_nonzero()));
            return Err(anyhow!(
                "a monitor is running already{pid}; stop it with secnetmon stop, or give another database with --db"
            ));
        }
        let pid = rustix::process::getpid().as_raw_nonzero();
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{pid}"))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Claim { files: self.clone(), _lock: file })
    }

    /// The process that holds the lock, if one does.
    pub(super) fn owner(&self) -> Option<Pid> {
        let mut file = File::open(self.pid()).ok()?;
        if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
            return None; // nobody holds it
        }
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    /// What it last said.
    pub(super) fn last_report(&self) -> Option<Report> {
        serde_json::from_slice(&std::fs::read(self.report()).ok()?).ok()
    }
}

/// The running one.
#[derive(Debug)]
pub(super) struct Claim {
    files: Files,
    _lock: File,
}

impl Claim {
    /// Say how it goes. Nobody reads half a report: it is put in place whole. One that cannot be written is no reason to stop.
    pub(super) fn say(&self, report: &Report) {
        let new = self.files.with("json.new");
        let written = serde_json::to_vec(report).map_err(std::io::Error::other).and_then(|bytes| {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(&bytes)
        });
        if written.is_ok() {
            let _ = std::fs::rename(&new, self.files.report());
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Before the lock goes: whoever comes next makes them anew.
        let _ = std::fs::remove_file(self.files.report());
        let _ = std::fs::remove_file(self.files.pid());
    }
}

/// The monitor that a command is about: the user's own, else the system's service.
pub(super) fn find(cx: &Context) -> Option<(Files, Pid)> {
    let own = Files::of_context(cx);
    if let Some(pid) = own.owner() {
        return Some((own, pid));
    }
    let named = cx.global.db.is_some() || cx.env.path("SECNETMON_DB").is_some();
    let system = Files::of(paths::system_state(), &cx.database(), true);
    (!named).then(|| system.owner()).flatten().map(|pid| (system, pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_runs_at_a_time_and_a_dead_one_does_not_count() {
        let folder = std::env::temp_dir().join(format!("secnetmon-running-{}", std::process::id()));
        let files = Files::of(&folder, Path::new("/x/y.duckdb"), false);
        assert!(files.pid().to_string_lossy().contains("/monitor-"));
        files.make_folder().unwrap();
        assert!(files.owner().is_none());
        let claim = files.claim().unwrap();
        assert_eq!(files.owner(), Some(rustix::process::getpid()));
        assert!(files.claim().unwrap_err().to_string().contains("running already"));
        claim.say(&Report { packets: 7, ..Report::default() });
        assert_eq!(files.last_report().map(|r| r.packets), Some(7));
        drop(claim);
        assert!(files.owner().is_none() && files.last_report().is_none());
        // Left behind by a kill: the number is there, the lock is not.
        std::fs::write(files.pid(), "1\n").unwrap();
        assert!(files.owner().is_none());
        drop(files.claim().unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
