//! How are packets kept for later?
//!
//! [`writer`] writes pcapng to anything: whoever carves packets out of captures uses it. [`ring`] keeps the packets of a stream in files of
//! limited size and age. Refuses to change a packet: bytes, original length, link type and time stay what they were.

mod gap;
mod name;
pub mod ring;
pub mod writer;

pub use name::parse_name;
pub use ring::{Ring, save};
pub use writer::PcapngWriter;
