//! How does the ledger of a capture's files follow what happens to them?
//!
//! Files that were read are noted when the capture ends. Those of a stream are noted while it is written, so that the packets behind a flow are found at once: only
//! rows that changed are written again, for a ring may have thousands of files. A file that the limits of a ring deleted keeps its row and is called
//! `removed`, also where it belonged to an earlier capture: its packets were read, and counted. Runs inside the transaction of the caller. Refuses to look
//! at the files themselves.

use super::StoreError;
use super::capture::{Row, insert, list, opt, opt_text, status};
use super::connect::{text, write_error};
use crate::model::ids::CaptureId;
use crate::model::ledger::{FileLedger, SourceLedger, Stop};
use duckdb::Connection;

/// What the rows of a stream's files say: enough to see which changed.
#[derive(Debug, Default)]
pub(super) struct Noted {
    files: Vec<Mark>,
    /// How many files of earlier captures are marked as removed.
    removed: usize,
}

#[derive(PartialEq, Eq, Debug)]
struct Mark {
    /// Of a ring that has no file yet, the source's own stand here first.
    path: std::path::PathBuf,
    packets: u64,
    bytes: u64,
    comments: usize,
    secrets: u64,
    stop: Stop,
    removed: bool,
}

impl Mark {
    fn of(f: &FileLedger) -> Self {
        Self {
            path: f.path.clone(),
            packets: f.packets,
            bytes: f.bytes,
            comments: f.comments.len(),
            secrets: f.secrets_bytes,
            stop: f.stop.clone(),
            removed: f.removed,
        }
    }
}

/// Write all rows of a finished capture, in place of those of a stream.
pub(super) fn finished(db: &Connection, id: CaptureId, ledger: &SourceLedger) -> Result<(), StoreError> {
    let mut sql = format!("DELETE FROM capture_files WHERE capture_id = {};\n", id.0);
    for (file_no, f) in ledger.files.iter().enumerate() {
        sql.push_str(&insert("capture_files", &row(id, file_no, f, false)));
    }
    sql.push_str(&removed(&ledger.removed));
    db.execute_batch(&sql).map_err(write_error)
}

/// Bring the rows of a stream up to date.
pub(super) fn update(
    db: &Connection,
    id: CaptureId,
    ledger: &SourceLedger,
    noted: &mut Noted,
) -> Result<(), StoreError> {
    let files = &ledger.files;
    let is_new = |n: usize, f: &FileLedger| noted.files.get(n) != Some(&Mark::of(f));
    let changed: Vec<usize> =
        files.iter().enumerate().filter(|(n, f)| is_new(*n, f)).map(|(n, _)| n).collect();
    let mut sql = String::new();
    let stale: Vec<String> =
        changed.iter().copied().chain(files.len()..noted.files.len()).map(|n| n.to_string()).collect();
    if !stale.is_empty() {
        let stale = stale.join(", ");
        sql = format!("DELETE FROM capture_files WHERE capture_id = {} AND file_no IN ({stale});\n", id.0);
    }
    for &n in &changed {
        if let Some(f) = files.get(n) {
            sql.push_str(&insert("capture_files", &row(id, n, f, true)));
        }
    }
    sql.push_str(&removed(ledger.removed.get(noted.removed..).unwrap_or_default()));
    if !sql.is_empty() {
        db.execute_batch(&sql).map_err(write_error)?;
    }
    noted.files.truncate(files.len());
    for n in changed {
        let Some(mark) = files.get(n).map(Mark::of) else { continue };
        match noted.files.get_mut(n) {
            Some(place) => *place = mark,
            None => noted.files.push(mark),
        }
    }
    noted.removed = ledger.removed.len();
    Ok(())
}

/// SQL that marks files of any capture as removed.
fn removed(paths: &[std::path::PathBuf]) -> String {
    if paths.is_empty() {
        return String::new();
    }
    let paths: Vec<String> = paths.iter().map(|p| text(&p.to_string_lossy())).collect();
    format!("UPDATE capture_files SET status = 'removed' WHERE path IN ({});\n", paths.join(", "))
}

fn row(id: CaptureId, file_no: usize, f: &FileLedger, live: bool) -> Row {
    let (reason, offset) = match &f.stop {
        Stop::Damaged { reason, offset } => (Some(reason.as_str()), Some(*offset)),
        Stop::NotKept { reason } => (Some(reason.as_str()), None),
        _ => (None, None),
    };
    let state = match f.stop {
        _ if f.removed => "removed",
        Stop::Reading if live => "live",
        Stop::NotKept { .. } => "full",
        _ => status(std::iter::once(&f.stop)),
    };
    let hash = f.content_hash.map(|h| blake3::Hash::from_bytes(h).to_hex().to_string());
    vec![
        ("capture_id", id.0.to_string()),
        ("file_no", file_no.to_string()),
        ("path", text(&f.path.to_string_lossy())),
        ("content_hash", opt_text(hash.as_deref())),
        ("format", opt_text(Some(f.format).filter(|v| !v.is_empty()))),
        ("compression", opt_text(f.compression)),
        ("packets", f.packets.to_string()),
        ("bytes", f.bytes.to_string()),
        ("status", text(state)),
        ("stop_reason", opt_text(reason)),
        ("stop_offset", opt(offset)),
        ("secrets_bytes", f.secrets_bytes.to_string()),
        ("comments", list(&f.comments)),
    ]
}
