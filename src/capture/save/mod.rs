//! How are packets kept for later?
//!
//! [`writer`] writes pcapng to anything. Whoever carves packets out of captures uses it. Refuses to change a packet: bytes,
//! original length, link type and time stay what they were.

pub mod writer;

pub use writer::PcapngWriter;
