//! The one integration binary: the real program on real captures. One, because linking DuckDB takes long.
//!
//! `architecture` floors, headers and lists; `golden` samples in, tables out; `queries` every saved report;
//! `detections` what each sample must and must not find; `sql_detections` in SQL and a user's own;
//! `cli` bad input and exit codes; `determinism` threads and containers; `hostile` cut, flipped and lying bytes;
//! `extract` the packets behind a finding; `findings` from a finding to what to do; `faults` kill -9, full disk, read-only folder; `owner` a database that is being written; `corpus` packet counts against capinfos.
//! A test that needs a tool or a privilege that is missing says so on stderr and returns.
#![cfg(feature = "store")]
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test may fail, and speaks on stderr"
)]

mod support;

mod architecture;
mod cli;
mod corpus;
mod detections;
mod determinism;
mod extract;
mod faults;
mod findings;
mod golden;
mod hostile;
mod owner;
mod queries;
mod sql_detections;
