//! Which machine is controlled?
//!
//! Modbus/TCP, DNP3 (IEEE 1815), S7comm, EtherNet/IP, BACnet/IP, IEC 60870-5-104, OPC UA, CoAP (RFC 7252).

use super::{BOTH, TCP, UDP, any_side, claim, named, windows};
use crate::model::bytes::{be16, be32};
use crate::protocol::{Protocol, Verdict};

/// Modbus.
pub static MODBUS: Protocol = named(
    "modbus",
    "Modbus/TCP; told by a header whose length fits, and an answer with the request's number, unit and function.",
    TCP,
    &[502],
    |p| {
        if [p.orig, p.resp].iter().any(|d| !d.is_empty() && modbus(d) == Some(false)) {
            return Verdict::NotMine;
        }
        let (Some(asked), Some(told)) = (p.orig.first_chunk::<8>(), p.resp.first_chunk::<8>()) else {
            return Verdict::NeedMore;
        };
        let ([a, b, _, _, _, _, unit, function], [c, d, _, _, _, _, unit2, function2]) = (asked, told);
        claim((a, b, unit) == (c, d, unit2) && *function == function2 & 0x7f, 85)
    },
);

fn modbus(d: &[u8]) -> Option<bool> {
    let protocol = be16(d, 2)?;
    let len = be16(d, 4)?;
    let function = *d.get(7)?;
    Some(protocol == 0 && (2..=254).contains(&len) && usize::from(len) + 6 <= d.len() && function & 0x7f != 0)
}

/// DNP3.
pub static DNP3: Protocol = named(
    "dnp3",
    "DNP3 (IEEE 1815); told by its start bytes and the checksum of the link header.",
    BOTH,
    &[20000],
    |p| {
        let d = if p.orig.is_empty() { p.resp } else { p.orig };
        let Some((header, crc)) = d.split_first_chunk::<8>() else {
            return if [0x05, 0x64].starts_with(d.get(..2).unwrap_or(d)) {
                Verdict::NeedMore
            } else {
                Verdict::NotMine
            };
        };
        if !header.starts_with(&[0x05, 0x64]) {
            return Verdict::NotMine;
        }
        let Some(crc) = crc.first_chunk::<2>() else { return Verdict::NeedMore };
        claim(dnp3_crc(header) == u16::from_le_bytes(*crc), 95)
    },
);

/// CRC-16/DNP: reflected polynomial 0xa6bc, complemented.
fn dnp3_crc(data: &[u8]) -> u16 {
    let crc = data.iter().fold(0_u16, |crc, b| {
        (0..8).fold(crc ^ u16::from(*b), |c, _| if c & 1 == 1 { c >> 1 ^ 0xa6bc } else { c >> 1 })
    });
    !crc
}

/// S7comm.
pub static S7COMM: Protocol = named(
    "s7comm",
    "Siemens S7; told by its marker in the first data behind an X.224 connection.",
    TCP,
    &[102],
    |p| {
        let marker = |d: &[u8]| {
            d.starts_with(&[3, 0]) && d.windows(8).any(|w| matches!(w, [3, 0, _, _, 2, 0xf0, 0x80, 0x32]))
        };
        let open = |d: &[u8]| d.len() < 8 && [3, 0].starts_with(d.get(..2).unwrap_or(d));
        if any_side(p, marker) {
            Verdict::Mine(90)
        } else if open(p.orig) || (windows::x224_setup(p) && p.on_port(&[102]) && p.orig.len() < 64) {
            Verdict::NeedMore
        } else {
            Verdict::NotMine
        }
    },
);

/// EtherNet/IP.
pub static ENIP: Protocol = named(
    "enip",
    "EtherNet/IP; told by a known command with a length that fits, no status and no options.",
    BOTH,
    &[44818, 2222],
    |p| {
        let d = if p.orig.is_empty() { p.resp } else { p.orig };
        let Some(header) = d.first_chunk::<24>() else {
            let short = p.transport == crate::protocol::Transport::Tcp && p.on_port(&[44818]);
            return if short { Verdict::NeedMore } else { Verdict::NotMine };
        };
        let [a, b, c, e, .., o1, o2, o3, o4] = header;
        let command = u16::from_le_bytes([*a, *b]);
        let known = matches!(command, 4 | 0x63..=0x66 | 0x6f | 0x70);
        let fits = usize::from(u16::from_le_bytes([*c, *e])) + 24 <= d.len();
        claim(
            known && fits && [o1, o2, o3, o4] == [&0; 4] && be32(d, 8) == Some(0),
            if p.on_port(&[44818]) { 85 } else { 55 },
        )
    },
);

/// BACnet.
pub static BACNET: Protocol =
    named("bacnet", "BACnet/IP; told by its type, function and a length that fits.", UDP, &[47808], |p| {
        let looks = |d: &[u8]| {
            matches!(d, [0x81, 0..=0x0c, ..]) && be16(d, 2).is_some_and(|len| usize::from(len) == d.len())
        };
        claim(any_side(p, looks), if p.on_port(&[47808]) { 90 } else { 60 })
    });

/// IEC 60870-5-104.
pub static IEC104: Protocol = named(
    "iec104",
    "Telecontrol by IEC 60870-5-104; told by the start of data transfer or a test frame, or another frame on its port.",
    TCP,
    &[2404],
    |p| {
        let d = if p.orig.is_empty() { p.resp } else { p.orig };
        match d {
            // STARTDT and TESTFR, request and confirmation.
            [0x68, 4, 0x07 | 0x0b | 0x43 | 0x83, 0, 0, 0, ..] => Verdict::Mine(90),
            [0x68, 4..=253, control, ..] if p.on_port(&[2404]) => claim(control & 3 != 3, 70),
            [] | [0x68] | [0x68, 4..=253] => Verdict::NeedMore,
            [0x68, 4, 0x07 | 0x0b | 0x43 | 0x83, ..] if d.len() < 6 => Verdict::NeedMore,
            _ => Verdict::NotMine,
        }
    },
);

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

/// CoAP.
pub static COAP: Protocol = named(
    "coap",
    "CoAP (RFC 7252); told by version, a known code and options that can be walked, on its port.",
    UDP,
    &[5683],
    |p| claim(p.on_port(&[5683]) && any_side(p, coap), 80),
);

fn coap(d: &[u8]) -> bool {
    let [first, code, _, _, rest @ ..] = d else { return false };
    let token = usize::from(first & 0xf);
    let known = matches!(code, 0 | 1..=7 | 0x40..=0x5f | 0x80..=0x9f | 0xa0..=0xbf);
    let (true, Some(mut rest)) = (first >> 6 == 1 && token <= 8 && known, rest.get(token..)) else {
        return false;
    };
    while let Some((head, behind)) = rest.split_first() {
        if *head == 0xff {
            return !behind.is_empty();
        }
        let mut at = 0_usize;
        let mut extended = |nibble: u8| {
            let value = match nibble {
                13 => behind.get(at).map(|b| usize::from(*b) + 13),
                14 => be16(behind, at).map(|n| usize::from(n) + 269),
                15 => None,
                n => Some(usize::from(n)),
            };
            at += match nibble {
                13 => 1,
                14 => 2,
                _ => 0,
            };
            value
        };
        let (Some(_), Some(len)) = (extended(head >> 4), extended(head & 0xf)) else { return false };
        match behind.get(at.saturating_add(len)..) {
            Some(next) => rest = next,
            None => return false,
        }
    }
    true
}

/// For tests: the checksum of a header.
#[cfg(test)]
pub(super) fn checksum(header: &[u8]) -> [u8; 2] {
    dnp3_crc(header).to_le_bytes()
}
