//! Which service keeps the network running?
//!
//! NetFlow and IPFIX (RFC 3954, RFC 7011), sFlow, NetBIOS datagrams (RFC 1002), BGP (RFC 4271).

use super::{TCP, UDP, any_side, claim, magic, named};
use crate::model::bytes::{be16, be32};
use crate::protocol::{Protocol, Verdict};

/// NetFlow.
pub static NETFLOW: Protocol = named(
    "netflow",
    "NetFlow versions 1, 5, 7 and 9 (RFC 3954); told by a count of records or by sets that fill the datagram.",
    UDP,
    &[2055, 9995, 9996],
    |p| {
        let looks = |d: &[u8]| match (be16(d, 0), be16(d, 2)) {
            (Some(1), Some(n @ 1..=24)) => usize::from(n) * 52 + 16 == d.len(),
            (Some(5), Some(n @ 1..=30)) => usize::from(n) * 48 + 24 == d.len(),
            (Some(7), Some(n @ 1..=28)) => usize::from(n) * 52 + 24 == d.len(),
            (Some(9), Some(1..)) => sets_fill(d.get(20..).unwrap_or(&[]), 1),
            _ => false,
        };
        // Sets that were cut by the snaplen or padded by nobody's rules: a sane time and a first set, on the port.
        let begins = |d: &[u8]| {
            be16(d, 0) == Some(9)
                && matches!(be16(d, 2), Some(1..=255))
                && be32(d, 8).is_some_and(|t| (946_684_800..=0x7fff_ffff).contains(&t))
                && matches!(be16(d, 20), Some(0 | 1 | 256..))
                && matches!(be16(d, 22), Some(4..=4096))
        };
        claim(any_side(p, looks) || (p.on_port(NETFLOW.ports) && any_side(p, begins)), 80)
    },
);

/// IPFIX.
pub static IPFIX: Protocol = named(
    "ipfix",
    "IPFIX (RFC 7011); told by a length that fits and sets that fill the datagram.",
    UDP,
    &[4739],
    |p| {
        let looks = |d: &[u8]| {
            be16(d, 0) == Some(10)
                && be16(d, 2).is_some_and(|len| usize::from(len) == d.len())
                && sets_fill(d.get(16..).unwrap_or(&[]), 3)
        };
        claim(any_side(p, looks), 85)
    },
);

/// Sets of identifier and length, templates below 256, that end where the datagram ends.
fn sets_fill(mut rest: &[u8], highest_reserved: u16) -> bool {
    let mut sets = 0;
    while let (Some(id), Some(len)) = (be16(rest, 0), be16(rest, 2)) {
        let Some(behind) = rest.get(usize::from(len)..) else { return false };
        if len < 4 || (id > highest_reserved && id < 256) {
            return false;
        }
        rest = behind;
        sets += 1;
    }
    sets > 0 && rest.is_empty()
}

/// sFlow.
pub static SFLOW: Protocol = named(
    "sflow",
    "sFlow versions 2, 4 and 5; told by version, kind of address and a sane number of samples, on its port.",
    UDP,
    &[6343],
    |p| {
        let looks = |d: &[u8]| {
            // Version 5 added the number of the agent's part.
            let samples = match (be32(d, 0), be32(d, 4)) {
                (Some(5), Some(1)) => be32(d, 24),
                (Some(5), Some(2)) => be32(d, 36),
                (Some(2 | 4), Some(1)) => be32(d, 20),
                (Some(2 | 4), Some(2)) => be32(d, 32),
                _ => None,
            };
            matches!(samples, Some(1..=100))
        };
        claim(p.on_port(&[6343]) && any_side(p, looks), 90)
    },
);

/// NetBIOS datagrams.
pub static NBDGM: Protocol = named(
    "nbdgm",
    "NetBIOS datagram service (RFC 1002); told by message type and a length that fits, on its port.",
    UDP,
    &[138],
    |p| {
        // The upper half of the flags is reserved; requests and errors are of one length, or hold one name.
        let looks = |d: &[u8]| match (d.first(), d.get(1)) {
            (_, Some(0x10..)) => false,
            (Some(0x10..=0x12), _) => be16(d, 10).is_some_and(|len| usize::from(len) + 14 <= d.len()),
            (Some(0x13), _) => d.len() == 11,
            (Some(0x14..=0x16), _) => d.len() >= 11,
            _ => false,
        };
        claim(p.on_port(&[138]) && any_side(p, looks), 90)
    },
);

/// BGP.
pub static BGP: Protocol = named(
    "bgp",
    "BGP version 4 (RFC 4271); told by the marker of sixteen ones before an OPEN or another message.",
    TCP,
    &[179],
    |p| {
        let d = if p.orig.is_empty() { p.resp } else { p.orig };
        match magic(d, &[0xff; 16], 90) {
            Verdict::Mine(sure) if d.len() >= 19 => {
                let sane = matches!(be16(d, 16), Some(19..=4096)) && matches!(d.get(18), Some(1..=5));
                claim(sane, sure)
            }
            Verdict::Mine(_) => Verdict::NeedMore,
            other => other,
        }
    },
);
