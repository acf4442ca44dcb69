//! What time is it where the devices are?
//!
//! The only clock of this floor besides that of followed folders: ticks, and how far a silent device has been read. Packets
//! bring their own time from the kernel.

use crate::model::time::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time by the wall clock, which is the kernel's for packets, too.
#[expect(clippy::disallowed_methods, reason = "a device is live: ticks need the wall clock")]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
