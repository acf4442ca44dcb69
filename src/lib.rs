//! secnetmon: from packets to flows, records and explained findings, in a DuckDB file.
//!
//! The floors, lowest first. Imports go up this list only; `tests/architecture.rs` enforces it.
//! Start reading at `model`, then `engine`, which shows how the floors meet.

pub mod model; // 0  nouns: time, addresses, packets, flows, records, tables. No I/O, no clock

pub mod capture; // 1  packet sources: files, folders, standard input
pub mod decode; // 1  bytes -> link, tunnels, network, transport; defragmentation
pub mod topology; // 1  which addresses are ours

pub mod flow; // 2  keys, TCP state and history, ordered streams, table, expiry, Community ID

pub mod protocol; // 3  one application protocol a file: probe, parse, record, table

pub mod detect; // 4  one detector a file: facts in, findings out

pub mod engine; // 5  the pipeline: batches, shards, fan-out, back-pressure, statistics

#[cfg(feature = "store")]
pub mod store; // 6  DuckDB: schema, migrations, writer, reader, SQL functions

#[cfg(feature = "store")]
pub mod report; // 7  saved SQL, rendering

#[cfg(feature = "store")]
pub mod cli; // 8  one command a file; the only floor that prints
