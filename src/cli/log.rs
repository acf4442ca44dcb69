//! Where does a daemon say what it has to say?
//!
//! A file of lines, each with its time (UTC). When it has grown to its size it is renamed and a new one begun; [`KEPT`] old ones stay. A log that
//! cannot be written must not end a capture: what cannot be written is lost. Refuses levels: only what a person should know is said.

use crate::model::time::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Old logs kept.
const KEPT: u32 = 5;

/// A log that is being written.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    most_bytes: u64,
    open: Mutex<Option<(File, u64)>>,
}

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "a log says when something was said")]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// To the second, as lines for people begin.
pub(super) fn to_the_second(ts: Timestamp) -> String {
    Timestamp(ts.0.div_euclid(1_000_000_000).saturating_mul(1_000_000_000)).to_string()
}

fn open(path: &Path) -> std::io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

impl Log {
    /// Append to `path`; at `most_bytes` a new file is begun.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(path: &Path, most_bytes: u64) -> std::io::Result<Self> {
        let file = open(path)?;
        Ok(Self { path: path.to_owned(), most_bytes, open: Mutex::new(Some(file)) })
    }

    /// Write a line.
    pub(super) fn write(&self, line: &str) {
        let mut state = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let line = format!("{} {line}\n", to_the_second(now()));
        if state.as_ref().is_some_and(|(_, bytes)| bytes + line.len() as u64 > self.most_bytes) {
            *state = None;
            self.rotate();
        }
        if state.is_none() {
            *state = open(&self.path).ok();
        }
        if let Some((file, bytes)) = state.as_mut() {
            *bytes += line.len() as u64;
            // A full disk is told by the store.
            let _ = file.write_all(line.as_bytes());
        }
    }

    /// Open the file anew: somebody else has renamed it.
    pub(super) fn reopen(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = open(&self.path).ok();
    }

    fn rotate(&self) {
        let old = |n: u32| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".{n}"));
            PathBuf::from(name)
        };
        for n in (1..KEPT).rev() {
            let _ = std::fs::rename(old(n), old(n + 1));
        }
        let _ = std::fs::rename(&self.path, old(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_makes_room_for_a_new_one_and_old_ones_go() {
        let folder = std::env::temp_dir().join(format!("secnetmon-log-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("x.log");
        let log = Log::open(&path, 100).unwrap();
        for n in 0..20 {
            log.write(&format!("line {n:02} of some length, so that two fit"));
        }
        let names: Vec<String> = {
            let mut all: Vec<_> = std::fs::read_dir(&folder)
                .unwrap()
                .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            all.sort();
            all
        };
        assert_eq!(names, ["x.log", "x.log.1", "x.log.2", "x.log.3", "x.log.4", "x.log.5"]);
        let last = std::fs::read_to_string(&path).unwrap();
        assert!(last.ends_with("line 19 of some length, so that two fit\n"), "{last}");
        assert_eq!(last.split('T').next().map(str::len), Some("2026-01-01".len()));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
