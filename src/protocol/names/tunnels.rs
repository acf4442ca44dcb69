//! Which tunnel is the outer flow?
//!
//! VXLAN (RFC 7348), GENEVE (RFC 8926), GTP (3GPP TS 29.281, 29.274), Teredo (RFC 4380), L2TP (RFC 2661), WireGuard, IKE (RFC 7296),
//! PPTP (RFC 2637). What they carry is decoded elsewhere.

use super::{TCP, UDP, any_side, claim, named};
use crate::model::bytes::{be16, be32};
use crate::protocol::{Protocol, Verdict};

/// VXLAN.
pub static VXLAN: Protocol = named(
    "vxlan",
    "VXLAN tunnel (RFC 7348); told by its fixed header with an Ethernet frame behind it.",
    UDP,
    &[4789, 8472],
    |p| {
        let looks = |d: &[u8]| {
            let header =
                matches!(d, [flags, 0, 0, 0, _, _, _, 0, ..] if flags & 0xf7 == 0 && *flags & 8 != 0);
            header && ethernet(d.get(8..).unwrap_or(&[]))
        };
        claim(any_side(p, looks), if p.on_port(&[4789, 8472]) { 90 } else { 60 })
    },
);

/// GENEVE.
pub static GENEVE: Protocol = named(
    "geneve",
    "GENEVE tunnel (RFC 8926); told by version, reserved bits and the protocol that it announces, on its port.",
    UDP,
    &[6081],
    |p| {
        let looks = |d: &[u8]| {
            matches!(d, [first, flags, 0x65, 0x58, _, _, _, 0, ..] | [first, flags, 0x08, 0x00, _, _, _, 0, ..]
                | [first, flags, 0x86, 0xdd, _, _, _, 0, ..] if first >> 6 == 0 && flags & 0x3f == 0)
        };
        claim(p.on_port(&[6081]) && any_side(p, looks), 90)
    },
);

/// GTP.
pub static GTP: Protocol = named(
    "gtp",
    "GTP versions 1 and 2, user and control plane of mobile networks, and GTP' (3GPP TS 29.281, 29.060, 29.274, 32.295); told by version, message type and a length that fits, on its ports.",
    UDP,
    &[2152, 2123, 3386],
    |p| {
        let looks = |d: &[u8]| {
            let (Some([flags, kind]), Some(len)) = (d.first_chunk::<2>(), be16(d, 2).map(usize::from)) else {
                return false;
            };
            match flags >> 5 {
                // Version 1: protocol type and no reserved bit; the length leaves out the first eight bytes.
                1 if flags & 0x18 == 0x10 => {
                    matches!(kind, 1..=7 | 16..=70 | 96..=105 | 112..=121 | 128 | 240 | 241 | 254 | 255)
                        && len + 8 == d.len()
                }
                // Version 2 leaves out four; a second message may ride behind.
                2 if flags & 0x07 == 0 => {
                    let least = if flags & 8 == 0 { 4 } else { 8 };
                    *kind > 0
                        && len >= least
                        && (len + 4 == d.len() || (flags & 0x10 != 0 && len + 4 < d.len()))
                }
                // GTP' has its own kind of header, with ones for reserve: of six bytes, or of twenty before version 2.
                0..=2 if p.on_port(&[3386]) && flags & 0x1e == 0x0e => {
                    matches!(kind, 1..=7 | 240 | 241) && (len + 6 == d.len() || len + 20 == d.len())
                }
                _ => false,
            }
        };
        claim(p.on_port(&[2152, 2123, 3386]) && any_side(p, looks), 90)
    },
);

/// Teredo.
pub static TEREDO: Protocol = named(
    "teredo",
    "Teredo, IPv6 over UDP (RFC 4380); told by an IPv6 header that fills the datagram, with a Teredo address or on its port.",
    UDP,
    &[3544],
    |p| {
        let looks = |d: &[u8]| {
            let d = teredo_packet(d);
            let fits = matches!(d, [0x60..=0x6f, ..])
                && be16(d, 4).is_some_and(|len| usize::from(len) + 40 == d.len());
            let teredo = |at| be32(d, at) == Some(0x2001_0000);
            fits && (teredo(8) || teredo(24) || p.on_port(&[3544]))
        };
        claim(any_side(p, looks), 80)
    },
);

/// The IPv6 packet behind the optional indications of RFC 4380 section 5.1.1.
fn teredo_packet(d: &[u8]) -> &[u8] {
    let mut rest = d;
    if let [0, 1, id, auth, ..] = rest {
        rest = rest.get(13 + usize::from(*id) + usize::from(*auth)..).unwrap_or(&[]);
    }
    if let [0, 0, ..] = rest {
        rest = rest.get(8..).unwrap_or(&[]);
    }
    rest
}

/// L2TP version 2.
pub static L2TP: Protocol = named(
    "l2tp",
    "L2TP version 2 over UDP (RFC 2661); told by its flags and a length that fits, or by PPP behind the header of data, on its port.",
    UDP,
    &[1701],
    |p| {
        let control = |d: &[u8]| {
            matches!(d, [flags, 2, ..] if flags & 0xfc == 0xc8)
                && be16(d, 2).is_some_and(|len| usize::from(len) == d.len())
        };
        // Data of a session that the capture joined late: no reserved bit, a tunnel, then PPP with or without its address.
        let data = |d: &[u8]| {
            let [flags, version, rest @ ..] = d else { return false };
            if flags & 0xb4 != 0 || *version != 2 {
                return false;
            }
            let (has_length, sequenced, offset) = (flags & 0x40 != 0, flags & 8 != 0, flags & 2 != 0);
            let ids = if has_length { rest.get(2..).unwrap_or(&[]) } else { rest };
            let behind = ids.get(if sequenced { 8 } else { 4 }..).unwrap_or(&[]);
            let behind = match be16(behind, 0).filter(|_| offset) {
                Some(n) => behind.get(2 + usize::from(n)..).unwrap_or(&[]),
                None => behind,
            };
            let fits = !has_length || be16(d, 2).is_some_and(|len| usize::from(len) == d.len());
            fits && be16(ids, 0).is_some_and(|t| t != 0)
                && matches!(
                    behind,
                    [0xff, 3, ..]
                        | [0, 0x21 | 0x57 | 0xfd, ..]
                        | [0x21 | 0x57, ..]
                        | [0x80 | 0xc0 | 0xc2, _, ..]
                )
        };
        claim(p.on_port(&[1701]) && any_side(p, |d| control(d) || data(d)), 90)
    },
);

/// WireGuard.
pub static WIREGUARD: Protocol = named(
    "wireguard",
    "WireGuard; told by the exact lengths of its handshake messages and their zero bytes, or data in whole blocks with a small counter.",
    UDP,
    &[51820],
    |p| {
        // Some providers number their customers in the three zeros; then the second code at the end, which is empty without a cookie, tells.
        let handshake = |d: &[u8], kind: u8| {
            let random = |d: &[u8]| !d.windows(4).any(|w| w == [0; 4]);
            let numbered = || d.ends_with(&[0; 16]) && d.get(4..d.len() - 16).is_some_and(random);
            d.first() == Some(&kind) && (d.get(1..4) == Some(&[0; 3]) || numbered())
        };
        let initiation = |d: &[u8]| d.len() == 148 && handshake(d, 1);
        let response = |d: &[u8]| d.len() == 92 && handshake(d, 2);
        // Data of a session whose start was not captured: receiver, a counter that is not astronomic, whole blocks.
        let data = |d: &[u8]| {
            d.starts_with(&[4, 0, 0, 0])
                && d.get(12..16) == Some(&[0; 4])
                && d.len() >= 32
                && d.len().is_multiple_of(16)
        };
        claim(any_side(p, |d| initiation(d) || response(d) || data(d)), 80)
    },
);

/// IKE.
pub static IKE: Protocol = named(
    "ike",
    "Key exchange of IPsec (RFC 2408, RFC 7296); told by version, exchange type and a length that fits, on its ports.",
    UDP,
    &[500, 4500],
    |p| {
        let looks = |d: &[u8]| {
            // Behind the marker of RFC 3948 on port 4500.
            let d = d.strip_prefix(&[0, 0, 0, 0]).unwrap_or(d);
            matches!(d.get(17), Some(0x10 | 0x20))
                && matches!(d.get(18), Some(1..=6 | 32..=37 | 43))
                && be32(d, 24).is_some_and(|len| len as usize == d.len())
        };
        claim(p.on_port(&[500, 4500]) && any_side(p, looks), 90)
    },
);

/// ESP in UDP.
pub static ESP_IN_UDP: Protocol = named(
    "esp",
    "ESP of IPsec in UDP (RFC 3948); told by an index that is not reserved and a small sequence number, on its port.",
    UDP,
    &[4500],
    |p| {
        let looks = |d: &[u8]| {
            d.len() >= 32
                && be32(d, 0).is_some_and(|spi| spi > 255)
                && matches!(d.get(4), Some(0))
                && be32(d, 4).is_some_and(|n| n > 0)
        };
        claim(p.on_port(&[4500]) && any_side(p, looks), 60)
    },
);

/// PPTP.
pub static PPTP: Protocol =
    named("pptp", "Control connection of PPTP (RFC 2637); told by its magic cookie.", TCP, &[1723], |p| {
        let d = if p.orig.is_empty() { p.resp } else { p.orig };
        match be32(d, 4) {
            None => Verdict::NeedMore,
            Some(cookie) => claim(cookie == 0x1a2b_3c4d && be16(d, 2) == Some(1), 95),
        }
    });

/// Does an Ethernet frame begin here? Its type must be one that tunnels carry.
fn ethernet(d: &[u8]) -> bool {
    matches!(be16(d, 12), Some(0x0800 | 0x86dd | 0x0806 | 0x8100 | 0x88a8 | 0x88cc | 0x8847)) || d.len() < 14
}
