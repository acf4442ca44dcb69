//! How far is it? Counters for a progress line, readable from any thread while the engine runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one run; they only grow.
#[derive(Debug, Default)]
pub struct Stats {
    packets: AtomicU64,
    bytes: AtomicU64,
    flows: AtomicU64,
    rows: AtomicU64,
}

impl Stats {
    /// All zero.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// So many packets are in; `bytes` on the wire.
    pub(crate) fn set_packets(&self, packets: u64, bytes: u64) {
        self.packets.store(packets, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Rows went to the sink, `flows` of them flows.
    pub(crate) fn add_rows(&self, rows: u64, flows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.flows.fetch_add(flows, Ordering::Relaxed);
    }

    /// Packets so far.
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// Bytes on the wire so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Flows handed to the sink so far.
    pub fn flows(&self) -> u64 {
        self.flows.load(Ordering::Relaxed)
    }

    /// Rows of any table handed to the sink so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}
