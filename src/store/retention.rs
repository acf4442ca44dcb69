//! Which captures have to go, and is their space free then?
//!
//! Whole captures, oldest reading first: by age since they were read, and until the used blocks are within a limit. A capture that is being written never
//! goes. DELETE and CHECKPOINT free blocks for what comes next but do not shrink the file; that is `compact`. Age is counted from when a capture was read
//! and not from its packets, or a case of last year would be gone as soon as it is read. Refuses to guess: where a reader keeps
//! the freed blocks in use, it stops and goes on the next time.

use super::connect::write_error;
use super::{StoreError, capture};
use crate::model::ids::CaptureId;
use crate::model::time::Timestamp;
use duckdb::Connection;
use std::time::{Duration, Instant};

/// Between two looks at what has to go: deleting frees a capture at a time, and a stream writes some MiB meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retention {
    /// Days since a capture was read; 0 = for ever.
    pub days: u64,
    /// MiB of used blocks; 0 = no limit.
    pub max_mib: u64,
}

impl Retention {
    /// Is everything kept?
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

/// Applies the rules now and then.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    keep: Retention,
    looked: Option<Instant>,
}

impl Keeper {
    pub(super) fn new(keep: Retention) -> Self {
        Self { keep, looked: None }
    }

    /// Delete what has to go, whenever the last look was. Only between transactions.
    pub(super) fn look_now(&mut self, db: &Connection) -> Result<(), StoreError> {
        self.looked = None;
        self.look(db)
    }

    /// Delete what has to go, not more often than needed. Only between transactions.
    pub(super) fn look(&mut self, db: &Connection) -> Result<(), StoreError> {
        if self.keep.is_off() || self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        apply(db, &self.keep, capture::now()).map(drop)
    }
}

/// A capture that went, or would.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pruned {
    /// Its identity.
    pub capture_id: CaptureId,
    /// As the user called it.
    pub path: String,
    /// When it was read, as text.
    pub read_at: String,
    /// Packets it had.
    pub packets: u64,
}

const NANOS_PER_DAY: i64 = 86_400 * crate::model::time::NANOS_PER_SEC;

/// Captures by age, oldest reading first; without those being written.
fn oldest(db: &Connection, before: Option<Timestamp>) -> Result<Vec<Pruned>, StoreError> {
    let before = before.map_or(String::new(), |t| {
        format!("AND coalesce(finished_at, started_at) < make_timestamp_ns({})", t.0)
    });
    let sql = format!(
        "SELECT capture_id, coalesce(path, ''), coalesce(finished_at, started_at)::VARCHAR, coalesce(packets, 0)::UBIGINT \
         FROM captures WHERE status <> 'live' {before} ORDER BY coalesce(finished_at, started_at), capture_no"
    );
    let all = || -> duckdb::Result<Vec<Pruned>> {
        let mut stmt = db.prepare(&sql)?;
        let rows = stmt.query_map([], |r| {
            Ok(Pruned {
                capture_id: CaptureId(r.get(0)?),
                path: r.get(1)?,
                read_at: r.get::<_, Option<String>>(2)?.unwrap_or_default(),
                packets: r.get(3)?,
            })
        })?;
        rows.collect()
    };
    all().map_err(write_error)
}

/// Captures that are too old at `now`.
pub(super) fn expired(db: &Connection, keep: &Retention, now: Timestamp) -> Result<Vec<Pruned>, StoreError> {
    if keep.days == 0 {
        return Ok(Vec::new());
    }
    let days = i64::try_from(keep.days).unwrap_or(i64::MAX);
    oldest(db, Some(now.plus(-days.saturating_mul(NANOS_PER_DAY))))
}

/// MiB in used blocks.
pub(super) fn used_mib(db: &Connection) -> Result<u64, StoreError> {
    db.query_row(
        "SELECT (block_size * used_blocks // 1048576)::UBIGINT FROM pragma_database_size() \
         WHERE database_name = current_database()",
        [],
        |r| r.get(0),
    )
    .map_err(write_error)
}

/// Delete what is not to be kept; oldest first. Called between transactions.
pub(super) fn apply(db: &Connection, keep: &Retention, now: Timestamp) -> Result<Vec<Pruned>, StoreError> {
    let mut gone = Vec::new();
    for old in expired(db, keep, now)? {
        delete(db, old.capture_id)?;
        gone.push(old);
    }
    let mut freed = gone.is_empty() || free(db)?;
    while keep.max_mib > 0 && freed && used_mib(db)? > keep.max_mib {
        let Some(old) = oldest(db, None)?.into_iter().next() else { break };
        delete(db, old.capture_id)?;
        gone.push(old);
        freed = free(db)?;
    }
    Ok(gone)
}

fn delete(db: &Connection, id: CaptureId) -> Result<(), StoreError> {
    db.execute_batch("BEGIN").map_err(write_error)?;
    let done = capture::delete(db, id).and_then(|()| db.execute_batch("COMMIT").map_err(write_error));
    if done.is_err() {
        let _ = db.execute_batch("ROLLBACK"); // the first error is the one to tell
    }
    done
}

/// Give the blocks of deleted rows free; false while a reader still needs them.
fn free(db: &Connection) -> Result<bool, StoreError> {
    match db.execute_batch("CHECKPOINT").map_err(write_error) {
        Ok(()) => Ok(true),
        Err(StoreError::Write(e)) if e.contains("Cannot CHECKPOINT") => Ok(false),
        Err(e) => Err(e),
    }
}
