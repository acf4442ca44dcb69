//! Which service keeps the network running?
//!
//! NTP (RFC 5905), DHCP (RFC 2131, RFC 8415), SNMP (RFC 3416), syslog (RFC 5424, RFC 3164), RADIUS (RFC 2865),
//! TFTP (RFC 1350), NetFlow and IPFIX (RFC 3954, RFC 7011), sFlow, NetBIOS datagrams (RFC 1002), BGP (RFC 4271).

use super::{TCP, UDP, any_side, ber, claim, first_line, is_text, magic, named};
use crate::model::bytes::{Cursor, be16, be32};
use crate::protocol::{Protocol, Verdict};

/// NTP.
pub static NTP: Protocol = named(
    "ntp",
    "Network time (RFC 5905) and its control messages; told by version, mode and length, on its port.",
    UDP,
    &[123],
    |p| {
        let looks = |d: &[u8]| {
            let Some((first, stratum)) = d.first().zip(d.get(1)) else { return false };
            let (version, mode) = (first >> 3 & 7, first & 7);
            (1..=4).contains(&version)
                && match mode {
                    1..=5 => d.len() >= 48 && d.len().is_multiple_of(4) && *stratum <= 16,
                    6 => d.len() >= 12,
                    7 => d.len() >= 8,
                    _ => false,
                }
        };
        claim(p.on_port(&[123]) && any_side(p, looks), 90)
    },
);

/// DHCP.
pub static DHCP: Protocol = named(
    "dhcp",
    "DHCP for IPv4 (RFC 2131); told by the magic cookie behind the BOOTP header.",
    UDP,
    &[67, 68],
    |p| {
        let looks = |d: &[u8]| matches!(d, [1 | 2, _, 0..=16, ..]) && be32(d, 236) == Some(0x6382_5363);
        claim(any_side(p, looks), 95)
    },
);

/// DHCPv6.
pub static DHCPV6: Protocol = named(
    "dhcpv6",
    "DHCP for IPv6 (RFC 8415); told by a message type and options that fill the datagram, on its ports.",
    UDP,
    &[546, 547],
    |p| {
        let looks = |d: &[u8]| {
            let header = match d.first() {
                Some(1..=11) => 4,
                Some(12 | 13) => 34,
                _ => return false,
            };
            let mut c = Cursor::new(d);
            if c.skip(header).is_none() {
                return false;
            }
            while !c.is_empty() {
                let option = c.u16().and_then(|_| c.u16()).and_then(|len| c.skip(usize::from(len)));
                if option.is_none() {
                    return false;
                }
            }
            true
        };
        claim(p.on_port(&[546, 547]) && any_side(p, looks), 90)
    },
);

/// SNMP.
pub static SNMP: Protocol = named(
    "snmp",
    "SNMP, versions 1 to 3 (RFC 3416); told by a BER sequence that fills the datagram and begins with the version.",
    UDP,
    &[161, 162],
    |p| {
        let looks = |d: &[u8]| {
            let Some((0x30, rest)) = d.split_first().map(|(t, r)| (*t, r)) else { return false };
            let Some((len, body)) = ber(rest) else { return false };
            len == body.len() && matches!(body, [0x02, 0x01, 0 | 1, 0x04, ..] | [0x02, 0x01, 3, 0x30, ..])
        };
        claim(any_side(p, looks), 90)
    },
);

/// Syslog.
pub static SYSLOG: Protocol = named(
    "syslog",
    "Syslog over UDP (RFC 5424, RFC 3164); told by the priority in angle brackets with text behind it.",
    UDP,
    &[514],
    |p| {
        let looks = |d: &[u8]| {
            let Some(rest) = d.strip_prefix(b"<") else { return false };
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let number = rest.get(..digits).and_then(|n| std::str::from_utf8(n).ok()?.parse::<u16>().ok());
            let Some(behind) = rest.get(digits..).and_then(|r| r.strip_prefix(b">")) else { return false };
            let dated =
                matches!(behind, [b'1', b' ', ..] | [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z', b' ', ..]);
            number.is_some_and(|n| n <= 191)
                && (dated || p.on_port(&[514]))
                && is_text(first_line(behind).get(..16.min(first_line(behind).len())).unwrap_or(&[]))
        };
        claim(any_side(p, looks), 80)
    },
);

/// RADIUS.
pub static RADIUS: Protocol = named(
    "radius",
    "RADIUS (RFC 2865, RFC 2866, RFC 5176); told by a length that fits and attributes that fill it.",
    UDP,
    &[1812, 1813, 1645, 1646, 3799],
    |p| {
        let looks = |d: &[u8]| {
            let code = matches!(d.first(), Some(1..=5 | 11..=13 | 40..=45));
            let Some(len) = be16(d, 2).map(usize::from).filter(|l| code && *l >= 20) else { return false };
            let Some(mut attributes) = d.get(20..len) else { return false };
            while let [kind, n, ..] = attributes {
                match attributes.get(usize::from(*n)..) {
                    Some(rest) if *n >= 2 && *kind > 0 => attributes = rest,
                    _ => return false,
                }
            }
            attributes.is_empty() && (len > 20 || p.on_port(&[1812, 1813, 1645, 1646, 3799]))
        };
        claim(any_side(p, looks), 80)
    },
);

/// TFTP.
pub static TFTP: Protocol = named(
    "tftp",
    "TFTP (RFC 1350); told by a request with a file name and a transfer mode.",
    UDP,
    &[69],
    |p| {
        let looks = |d: &[u8]| {
            let Some(rest) = d.strip_prefix(&[0, 1]).or_else(|| d.strip_prefix(&[0, 2])) else {
                return false;
            };
            let mut parts = rest.split(|b| *b == 0);
            let name = parts.next().unwrap_or(&[]);
            let mode = parts.next().unwrap_or(&[]);
            let known = [&b"netascii"[..], b"octet", b"mail"];
            !name.is_empty() && is_text(name) && known.iter().any(|m| mode.eq_ignore_ascii_case(m))
        };
        claim(any_side(p, looks), 90)
    },
);

/// NetFlow.
pub static NETFLOW: Protocol = named(
    "netflow",
    "NetFlow versions 5 and 9 (RFC 3954); told by a count of records or by sets that fill the datagram.",
    UDP,
    &[2055, 9995, 9996],
    |p| {
        let looks = |d: &[u8]| match (be16(d, 0), be16(d, 2)) {
            (Some(5), Some(n @ 1..=30)) => usize::from(n) * 48 + 24 == d.len(),
            (Some(9), Some(1..)) => sets_fill(d.get(20..).unwrap_or(&[]), 1),
            _ => false,
        };
        claim(any_side(p, looks), 80)
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
    "sFlow version 5; told by version, kind of address and a sane number of samples, on its port.",
    UDP,
    &[6343],
    |p| {
        let looks = |d: &[u8]| {
            let samples = match (be32(d, 0), be32(d, 4)) {
                (Some(5), Some(1)) => be32(d, 24),
                (Some(5), Some(2)) => be32(d, 36),
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
        let looks = |d: &[u8]| match d.first() {
            Some(0x10..=0x12) => be16(d, 10).is_some_and(|len| usize::from(len) + 14 <= d.len()),
            Some(0x13..=0x16) => d.len() >= 11,
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
