//! Is it Remote Desktop over UDP?
//!
//! The UDP transport of RDP (MS-RDPEUDP).

use super::{UDP, claim, named};
use crate::model::bytes::{be16, be32};
use crate::protocol::{Protocol, Verdict};

/// RDP over UDP.
pub static RDPEUDP: Protocol = named(
    "rdpeudp",
    "UDP transport of Remote Desktop (MS-RDPEUDP); told by the client's SYN and the server's SYN with ACK.",
    UDP,
    &[3389],
    |p| {
        let syn = |d: &[u8]| be32(d, 0) == Some(u32::MAX) && be16(d, 6).is_some_and(|f| f & 5 == 1);
        let answer = |d: &[u8]| be16(d, 6).is_some_and(|f| f & 5 == 5) && d.len() >= 1132;
        match (syn(p.orig) && p.orig.len() >= 1132, p.resp.is_empty()) {
            (true, true) => Verdict::NeedMore,
            (true, false) => claim(answer(p.resp), 85),
            _ => Verdict::NotMine,
        }
    },
);
