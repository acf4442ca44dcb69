//! Which of the protocols of a Windows network is it?
//!
//! SMB (MS-SMB, MS-SMB2, behind RFC 1001 framing), DCE/RPC (C706, MS-RPCE), Kerberos (RFC 4120), LDAP (RFC 4511), RDP (MS-RDPBCGR) and its
//! UDP transport (MS-RDPEUDP).

use super::{BOTH, TCP, UDP, any_side, ber, claim, named};
use crate::model::bytes::{be16, be32};
use crate::protocol::{Protocol, Transport, Verdict};

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

/// Kerberos.
pub static KERBEROS: Protocol = named(
    "kerberos",
    "Kerberos version 5 (RFC 4120); told by the application tag of a message, a length that fits and version 5.",
    BOTH,
    &[88],
    |p| {
        if p.transport == Transport::Udp {
            return claim(any_side(p, |d| kerberos(d) == Some(true)), 90);
        }
        let d = if p.orig.is_empty() { p.resp } else { p.orig };
        let Some(len) = be32(d, 0) else {
            return if d.iter().take(2).all(|b| *b == 0) { Verdict::NeedMore } else { Verdict::NotMine };
        };
        if !(16..=1 << 20).contains(&len) {
            return Verdict::NotMine;
        }
        match kerberos(d.get(4..).unwrap_or(&[])) {
            Some(yes) => claim(yes, 90),
            None => Verdict::NeedMore,
        }
    },
);

/// Application tag 10 to 15 or 30, a sequence, then version 5 in field 0 or 1. `None`: too short to tell.
fn kerberos(d: &[u8]) -> Option<bool> {
    let (tag, rest) = d.split_first()?;
    if !matches!(tag, 0x6a..=0x6f | 0x7e) {
        return Some(false);
    }
    let (_, rest) = ber(rest)?;
    let (sequence, rest) = rest.split_first()?;
    let (_, rest) = ber(rest)?;
    let field = rest.first_chunk::<5>()?;
    Some(*sequence == 0x30 && matches!(field, [0xa0 | 0xa1, 3, 2, 1, 5]))
}

/// LDAP.
pub static LDAP: Protocol = named(
    "ldap",
    "LDAP and CLDAP (RFC 4511); told by a message in BER: sequence, message number, then an operation whose length fits inside.",
    BOTH,
    &[389, 3268],
    |p| {
        let d = if p.orig.is_empty() { p.resp } else { p.orig };
        match ldap(d) {
            Some(yes) => claim(yes, 85),
            None if p.transport == Transport::Tcp => Verdict::NeedMore,
            None => Verdict::NotMine,
        }
    },
);

fn ldap(d: &[u8]) -> Option<bool> {
    let (tag, rest) = d.split_first()?;
    if *tag != 0x30 {
        return Some(false);
    }
    let (len, body) = ber(rest)?;
    let (id_tag, rest) = body.split_first()?;
    let (id_len, rest) = rest.split_first()?;
    if *id_tag != 2 || !(1..=4).contains(id_len) {
        return Some(false);
    }
    let rest = rest.get(usize::from(*id_len)..)?;
    let (op, rest) = rest.split_first()?;
    // Unbind, delete and abandon are primitive, everything else is constructed (RFC 4511 section 4.2 on).
    let known =
        matches!(op, 0x60 | 0x61 | 0x63..=0x69 | 0x6b..=0x6f | 0x73 | 0x77..=0x79 | 0x42 | 0x4a | 0x50);
    let (inner, rest) = if known { ber(rest)? } else { return Some(false) };
    // A bind begins with version 2 or 3; results begin with an enumerated code.
    let start = match op {
        0x60 => matches!(rest.first_chunk::<3>()?, [2, 1, 2 | 3]),
        0x61 | 0x65 | 0x67 | 0x69 | 0x6b | 0x6d | 0x6f | 0x78 => rest.first_chunk::<2>()? == &[10, 1],
        _ => true,
    };
    Some(start && inner < len)
}

/// RDP.
pub static RDP: Protocol = named(
    "rdp",
    "Remote Desktop (MS-RDPBCGR); told by an X.224 connection request with a cookie or a negotiation request, or on its port.",
    TCP,
    &[3389],
    |p| {
        let Some([3, 0, high, low, indicator, code, 0, 0]) = p.orig.first_chunk::<8>() else {
            let begins = [3, 0].starts_with(p.orig.get(..2).unwrap_or(p.orig)) && p.orig.len() < 8;
            return if begins && p.resp.is_empty() { Verdict::NeedMore } else { Verdict::NotMine };
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        if *code != 0xe0 || usize::from(*indicator) + 5 != len {
            return Verdict::NotMine;
        }
        let Some(variable) = p.orig.get(11..len) else { return Verdict::NeedMore };
        let cookie = variable.starts_with(b"Cookie: ");
        let negotiation =
            variable.windows(4).any(|w| w == [1, 0, 8, 0] || w == [1, 1, 8, 0] || w == [1, 8, 8, 0]);
        claim(cookie || negotiation || p.on_port(&[3389]), 90)
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
