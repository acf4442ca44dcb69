//! How do packets become rows?
//!
//! The only floor that knows all pure floors: batches, shards, rayon fan-out, back-pressure, statistics. What
//! comes out goes to a [`Sink`]: DuckDB is one, a vector is the other, so that tests need no database.

pub mod sink;
pub mod tables;
