//! How much may wait for the writing thread?
//!
//! What both threads see: the bytes of rows under way, the first error, and whether the writer has ended. Whoever hands over rows waits for room;
//! that is the back-pressure. Refuses to wait for a thread that is gone.

use super::StoreError;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Bytes of rows that may wait for the writer: enough to bridge a slow flush, little beside DuckDB's cache.
const MAX_QUEUED_BYTES: usize = 8 << 20;

/// What both threads see.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    queued_bytes: usize,
    closed: bool,
    /// The first error while writing rows, until it is told.
    pub(super) error: Option<StoreError>,
}

impl Shared {
    /// Look at the state, or change it.
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wait for room, then take it. An error of the writer ends the wait.
    pub(super) fn take(&self, bytes: usize) -> Result<(), StoreError> {
        let mut s = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(e) = s.error.take() {
                return Err(e);
            }
            if s.closed {
                return Err(ENDED);
            }
            // One batch larger than the bound passes alone.
            if s.queued_bytes == 0 || s.queued_bytes + bytes <= MAX_QUEUED_BYTES {
                s.queued_bytes += bytes;
                return Ok(());
            }
            s = self.freed.wait(s).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Room is free again.
    pub(super) fn give(&self, bytes: usize) {
        self.with(|s| s.queued_bytes = s.queued_bytes.saturating_sub(bytes));
        self.freed.notify_one();
    }
}

/// Said to whoever still wants something.
pub(super) const ENDED: StoreError = StoreError::Misuse("the writing thread has ended");

/// Wakes whoever waits for room when the thread ends, however it ends.
pub(super) struct Closing(pub(super) Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.with(|s| s.closed = true);
        self.0.freed.notify_all();
    }
}
