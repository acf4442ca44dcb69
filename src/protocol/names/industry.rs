//! Which machine is controlled?
//!
//! OPC UA.

use super::reader::{Reader, must, opener};
use super::{TCP, named};
use crate::protocol::Protocol;

/// OPC UA.
pub static OPCUA: Protocol = named(
    "opcua",
    "OPC UA over TCP (part 6 of its specification); told by the kind of a message, how it ends and a length that such a message has.",
    TCP,
    &[4840],
    |p| {
        opener(
            p,
            |r: &mut Reader<'_>| {
                // Hello, acknowledgement, error and reverse hello are whole; the others may come in chunks: final, to go on, aborted.
                let hello = matches!(r.rest().first(), Some(b'H' | b'A' | b'E' | b'R'));
                r.any(&[b"HEL", b"ACK", b"ERR", b"RHE", b"OPN", b"MSG", b"CLO"])?;
                r.of(if hello { b"F" } else { b"FCA" })?;
                let len = r.le32()?;
                must(if hello { (16..=8_200).contains(&len) } else { (24..=0x0100_0000).contains(&len) })
            },
            90,
        )
    },
);
