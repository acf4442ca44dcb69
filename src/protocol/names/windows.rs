//! Which of the protocols of a Windows network is it?
//!
//! SMB (MS-SMB, MS-SMB2, behind RFC 1001 framing), DCE/RPC (C706, MS-RPCE), and the UDP transport of RDP (MS-RDPEUDP).

use super::{TCP, UDP, claim, named};
use crate::model::bytes::{be16, be32};
use crate::protocol::{Probe, Protocol, Verdict};

/// SMB.
pub static SMB: Protocol = named(
    "smb",
    "SMB versions 1 to 3; told by its marker behind the NetBIOS length, or the session request before it.",
    TCP,
    &[445, 139],
    |p| {
        let marker = |d: &[u8]| matches!(d, [0, _, _, _, 0xfc..=0xff, b'S', b'M', b'B', ..]);
        let session = |d: &[u8]| d.starts_with(&[0x81, 0, 0, 68]) || d.starts_with(&[0x82, 0, 0, 0]);
        if marker(p.orig) || marker(p.resp) {
            return Verdict::Mine(95);
        }
        // Behind a session request (RFC 1002 section 4.3.2) the first message follows on both sides.
        let behind = p.orig.get(72..).unwrap_or(&[]);
        if session(p.orig) && p.on_port(&[139]) {
            return if marker(behind) { Verdict::Mine(95) } else { Verdict::NeedMore };
        }
        let short = |d: &[u8]| d.is_empty() || (d.len() < 8 && d.starts_with(&[0]));
        if short(p.orig) && short(p.resp) { Verdict::NeedMore } else { Verdict::NotMine }
    },
);

/// DCE/RPC.
pub static DCERPC: Protocol = named(
    "dcerpc",
    "DCE/RPC version 5 over TCP (C706); told by version, packet type, data representation and a length that fits the type.",
    TCP,
    &[135],
    |p| {
        let d = if p.orig.is_empty() { p.resp } else { p.orig };
        let Some([5, minor, kind, _, order, float, 0, 0]) = d.first_chunk::<8>() else {
            let begins = matches!(d, [] | [5] | [5, 0 | 1, ..]) && d.len() < 8;
            return if begins { Verdict::NeedMore } else { Verdict::NotMine };
        };
        let len = d
            .get(8..10)
            .and_then(|b| b.try_into().ok())
            .map(|b: [u8; 2]| if *order & 0x10 != 0 { u16::from_le_bytes(b) } else { u16::from_be_bytes(b) });
        let Some(len) = len else { return Verdict::NeedMore };
        let least = match kind {
            0 | 2 => 24,
            3 => 28,
            11 | 12 | 14 | 15 => 24,
            13 | 16..=19 => 16,
            _ => return Verdict::NotMine,
        };
        claim(*minor <= 1 && matches!(order, 0 | 0x10) && *float <= 3 && len >= least, 85)
    },
);

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

/// Is it TPKT (RFC 1006) with an X.224 connection request or confirmation?
pub(super) fn x224_setup(p: &Probe<'_>) -> bool {
    let setup = |d: &[u8], want: u8| matches!(d, [3, 0, _, _, _, code, ..] if *code == want);
    setup(p.orig, 0xe0) && (p.resp.is_empty() || setup(p.resp, 0xd0))
}
