//! Which tunnel is the outer flow?
//!
//! VXLAN (RFC 7348), GENEVE (RFC 8926), GTP-U (3GPP TS 29.281), Teredo (RFC 4380), L2TP (RFC 2661), WireGuard, OpenVPN, IKE (RFC 7296),
//! PPTP (RFC 2637). What they carry is decoded elsewhere.

use super::{BOTH, TCP, UDP, any_side, claim, named};
use crate::model::bytes::{be16, be32};
use crate::protocol::{Probe, Protocol, Transport, Verdict};

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

/// GTP-U.
pub static GTPV1: Protocol = named(
    "gtpv1",
    "GTP version 1, user and control plane (3GPP TS 29.281, 29.060); told by version, message type and a length that fits.",
    UDP,
    &[2152, 2123],
    |p| {
        let looks = |d: &[u8]| {
            let kind = matches!(d, [flags, 1..=3 | 16..=31 | 254 | 255, ..] if flags & 0xf8 == 0x30);
            kind && be16(d, 2).is_some_and(|len| usize::from(len) + 8 == d.len())
        };
        claim(p.on_port(&[2152, 2123]) && any_side(p, looks), 90)
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
    "L2TP version 2 over UDP (RFC 2661); told by its flags and a length that fits, on its port.",
    UDP,
    &[1701],
    |p| {
        let control = |d: &[u8]| {
            matches!(d, [flags, 2, ..] if flags & 0xfc == 0xc8)
                && be16(d, 2).is_some_and(|len| usize::from(len) == d.len())
        };
        claim(p.on_port(&[1701]) && any_side(p, control), 90)
    },
);

/// WireGuard.
pub static WIREGUARD: Protocol = named(
    "wireguard",
    "WireGuard; told by the exact lengths of its handshake messages and their zero bytes.",
    UDP,
    &[51820],
    |p| {
        let initiation = |d: &[u8]| d.len() == 148 && d.starts_with(&[1, 0, 0, 0]);
        let response = |d: &[u8]| d.len() == 92 && d.starts_with(&[2, 0, 0, 0]);
        claim(any_side(p, |d| initiation(d) || response(d)), 80)
    },
);

/// OpenVPN.
pub static OPENVPN: Protocol = named(
    "openvpn",
    "OpenVPN; told by a client's hard reset and a server's that repeats the client's session.",
    BOTH,
    &[1194],
    openvpn,
);

fn openvpn(p: &Probe<'_>) -> Verdict {
    // Over TCP a length of two bytes comes first.
    let skip = if p.transport == Transport::Tcp { 2 } else { 0 };
    let [orig, resp] = [p.orig, p.resp].map(|d| d.get(skip..).unwrap_or(&[]));
    let reset = |d: &[u8], opcodes: &[u8]| d.first().is_none_or(|b| opcodes.contains(b));
    let fits = skip == 0 || be16(p.orig, 0).is_none_or(|len| (14..=200).contains(&len));
    // P_CONTROL_HARD_RESET_CLIENT_V2 (7) or _V3 (10); the server's is 8. The low bits are the key id, 0 at first.
    if !fits || !reset(orig, &[0x38, 0x50]) || !reset(resp, &[0x40]) || (p.orig.is_empty() && skip == 0) {
        return Verdict::NotMine;
    }
    let Some(session) = orig.get(1..9) else { return Verdict::NeedMore };
    if resp.len() < 9 {
        return Verdict::NeedMore;
    }
    claim(resp.windows(8).skip(9).any(|w| w == session), 90)
}

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
