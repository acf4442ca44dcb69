//! When does a ring that could not be written go on?
//!
//! After [`PATIENCE`] of packet time, and when the disk has room for a whole file again: else a disk that is nearly full would be filled with beginnings.
//! Asks the system once per [`PATIENCE`] (statvfs(3)), writes nothing and waits for nothing. Refuses to make room itself: what lies beside the ring is not ours.

use crate::model::time::{NANOS_PER_SEC, Timestamp};
use std::io;
use std::path::Path;

/// Between two looks at the disk, nanoseconds of packet time (10 s): who frees a disk does not do it in less, and a look costs a system call.
const PATIENCE: i64 = 10 * NANOS_PER_SEC;

/// Packets that are not kept, until the ring is written again.
#[derive(Debug)]
pub(super) struct Gap {
    /// What the system said.
    reason: String,
    /// When it was last looked at.
    looked: Timestamp,
    /// Packets that passed.
    packets: u64,
}

impl Gap {
    /// It begins at `now`, because of `e`.
    pub(super) fn new(e: &io::Error, now: Timestamp) -> Self {
        Self { reason: e.to_string(), looked: now, packets: 0 }
    }

    /// So many packets passed.
    pub(super) fn pass(&mut self, packets: u64) {
        self.packets = self.packets.saturating_add(packets);
    }

    /// Is it time to try again, with room for `bytes` in `folder`?
    pub(super) fn is_over(&mut self, now: Timestamp, folder: &Path, bytes: u64) -> bool {
        // A clock that was set back asks at once.
        if (0..PATIENCE).contains(&now.since(self.looked)) {
            return false;
        }
        self.looked = now;
        room(folder).is_ok_and(|room| room >= bytes)
    }

    /// In words, while it lasts.
    pub(super) fn so_far(&self) -> String {
        format!("the packets from here on could not be kept: {}", self.reason)
    }

    /// In words, when it ended at `now`.
    pub(super) fn ended(&self, now: Timestamp) -> String {
        format!("{} packets after it could not be kept, until {now}: {}", self.packets, self.reason)
    }
}

/// Bytes that we may still write there.
fn room(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_after_a_while_and_where_there_is_room() {
        let at = |s: i64| Timestamp(s * NANOS_PER_SEC);
        let here = std::env::temp_dir();
        let mut gap = Gap::new(&io::Error::other("full"), at(100));
        assert!(!gap.is_over(at(109), &here, 1) && !gap.is_over(at(110), &here, u64::MAX));
        assert!(!gap.is_over(at(119), &here, 1), "asked a moment ago");
        assert!(gap.is_over(at(120), &here, 1) && gap.is_over(at(5), &here, 1));
        assert!(!gap.is_over(at(200), Path::new("/nonexistent"), 0));
        gap.pass(7);
        assert_eq!(
            gap.ended(at(0)),
            "7 packets after it could not be kept, until 1970-01-01T00:00:00Z: full"
        );
    }
}
