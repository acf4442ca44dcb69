//! Which machine is controlled?
//!
//! OPC UA.

use super::{TCP, claim, named};
use crate::protocol::{Protocol, Verdict};

/// OPC UA.
pub static OPCUA: Protocol =
    named("opcua", "OPC UA over TCP; told by the client's HELLO with its exact length.", TCP, &[4840], |p| {
        match p.orig {
            [b'H', b'E', b'L', b'F', a, b, c, d, ..] => {
                claim((32..=4096 + 32).contains(&u32::from_le_bytes([*a, *b, *c, *d])), 90)
            }
            d if d.len() < 8 && (d.starts_with(b"HELF") || b"HELF".starts_with(d)) => Verdict::NeedMore,
            _ => Verdict::NotMine,
        }
    });
