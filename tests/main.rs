//! The one integration binary: the real program on real captures. One, because linking DuckDB takes long.
//!
//! `architecture` floors, headers and lists; `golden` samples in, tables out; `queries` every saved report;
//! `detections` what each sample must and must not find; `sql_detections` in SQL and a user's own;
//! `cli` bad input and exit codes; `determinism` threads and containers; `hostile` cut, flipped and lying bytes;
//! `analyze` statistics against plain SQL; `follow` what was said; `export` for other tools; `interop` names and types as these expect them; `report` what is handed on;
//! `findings` from a finding to what to do; `faults` kill -9, full disk, read-only folder; `corpus` packet counts against capinfos.
//! `live` devices in network namespaces, `live_long` captures that are cut, and drops.
//! `docs` every command that the documents show; `extract` the packets behind a finding; `owner` a database that is being written.
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

mod analyze;
mod architecture;
mod cli;
mod corpus;
mod detections;
mod determinism;
mod docs;
mod export;
mod extract;
mod faults;
mod findings;
mod follow;
mod golden;
mod hostile;
mod interop;
mod interop_eve;
mod live;
mod live_long;
mod owner;
mod queries;
mod report;
mod sql_detections;
