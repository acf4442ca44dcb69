//! How do packets become rows?
//!
//! The only floor that knows all pure floors: batches, shards, rayon fan-out, back-pressure, statistics. What
//! comes out goes to a [`sink::Sink`]: DuckDB is one, a vector is the other, so that tests need no database.
//! Read `pipeline` first; `shard` is what happens per address pair, `host` what happens per client.

pub mod carve;
mod clock;
mod ending;
pub mod follow;
mod front;
mod gather;
mod host;
mod intervals;
mod inventory;
mod judge;
mod lanes;
pub mod memory;
mod names;
pub mod pipeline;
mod reader;
mod shard;
pub mod sink;
mod stats;
pub mod tables;
mod weirds;

pub use pipeline::{EngineError, run};
pub use stats::Stats;

use serde::{Deserialize, Serialize};

/// Every threshold of the pure floors, by floor.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Headers, tunnels, fragments.
    pub decode: crate::decode::Config,
    /// Timeouts and caps of flows.
    pub flow: crate::flow::Config,
    /// Probing and parsing.
    pub protocol: crate::protocol::dispatch::Config,
    /// Which addresses are ours.
    pub topology: crate::topology::Config,
    /// Detectors and their thresholds.
    pub detect: crate::detect::Config,
    /// What the whole engine may hold.
    pub limits: Limits,
}

/// Caps of the whole engine. Each is divided evenly over the shards.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Flows tracked at once. A million established ones take some 300 MB, half-open ones a third of that.
    pub max_flows: usize,
    /// MiB of out-of-order stream data of all flows together.
    pub stream_memory_mib: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_flows: 1_000_000, stream_memory_mib: 64 }
    }
}

impl Limits {
    fn per_shard(&self) -> crate::flow::Budget {
        crate::flow::Budget {
            max_flows: (self.max_flows / SHARDS).max(1),
            stream_bytes: self.stream_memory_mib.saturating_mul(1 << 20) / SHARDS,
        }
    }
}

/// Shards of flows and of hosts. Fixed, so that results do not depend on the machine; 16 keep 8 cores busy.
pub(crate) const SHARDS: usize = 16;

/// The shard of a well-mixed hash.
pub(crate) fn shard_of(hash: u64) -> usize {
    (hash >> 60) as usize % SHARDS
}

#[cfg(test)]
mod tests;
