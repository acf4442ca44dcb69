//! Which nouns does everything else talk about?
//!
//! Floor 0. No I/O, no clock, no threads: plain values with their units. Read `packet`, then `flow`,
//! `record` and `schema`; the rest supports them.

pub mod addr;
pub mod anomaly;
pub mod bytes;
pub mod event;
pub mod flow;
pub mod ids;
pub mod kind;
pub mod ledger;
pub mod packet;
pub mod record;
pub mod rows;
pub mod schema;
pub mod syn;
pub mod text;
pub mod time;
pub mod weird;
