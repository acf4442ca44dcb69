//! How do packets become rows?
//!
//! The only floor that knows all pure floors: batches, shards, rayon fan-out, back-pressure, statistics. What
//! comes out goes to a [`sink::Sink`]: DuckDB is one, a vector is the other, so that tests need no database.
//! Read `pipeline` first; `shard` is what happens per address pair, `host` what happens per client.

mod clock;
mod front;
mod host;
pub mod memory;
mod names;
pub mod pipeline;
mod shard;
pub mod sink;
mod stats;
pub mod tables;
mod weirds;

pub use pipeline::{EngineError, run};
pub use stats::Stats;

use serde::Deserialize;

/// Every threshold of the pure floors, by floor.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Headers, tunnels, fragments.
    pub decode: crate::decode::Config,
    /// Timeouts and caps of flows.
    pub flow: crate::flow::Config,
    /// Probing and parsing.
    pub protocol: crate::protocol::Config,
    /// Which addresses are ours.
    pub topology: crate::topology::Config,
}

/// Shards of flows and of hosts. Fixed, so that results do not depend on the machine; 16 keep 8 cores busy.
pub(crate) const SHARDS: usize = 16;

/// The shard of a well-mixed hash.
pub(crate) fn shard_of(hash: u64) -> usize {
    (hash >> 60) as usize % SHARDS
}

#[cfg(test)]
mod tests;
