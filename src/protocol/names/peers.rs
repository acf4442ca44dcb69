//! Which peers, proxies or encrypted transports are it?
//!
//! BitTorrent (BEP 3, BEP 5, BEP 14, BEP 15, BEP 29), QUIC (RFC 9000, RFC 9369), DTLS (RFC 9147).

use super::sharing::{distributed_table, utp};
use super::{UDP, any_side, claim, magic, named};
use crate::model::bytes::{be16, be32};
use crate::protocol::Protocol;

/// BitTorrent.
pub static BITTORRENT: Protocol = named(
    "bittorrent",
    "BitTorrent between peers, its distributed table and UDP trackers; told by the handshake, a bencoded query, the tracker's magic number, a search, or the opening of a uTP connection.",
    super::BOTH,
    &[6881],
    |p| {
        const HANDSHAKE: &[u8] = b"\x13BitTorrent protocol";
        if p.transport == crate::protocol::Transport::Tcp {
            return magic(if p.orig.is_empty() { p.resp } else { p.orig }, HANDSHAKE, 95);
        }
        // BEP 15: connection id 0x41727101980, action 0.
        let tracker = |d: &[u8]| d.starts_with(b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0") && d.len() == 16;
        // BEP 14: in the local network.
        let search = |d: &[u8]| d.starts_with(b"BT-SEARCH * HTTP/1.1");
        claim(any_side(p, |d| distributed_table(d) || tracker(d) || search(d) || utp(d)), 90)
    },
);

/// QUIC.
pub static QUIC: Protocol = named(
    "quic",
    "QUIC (RFC 9000, RFC 9369) and the versions before it; told by a long header with a known version and connection ids that fit.",
    UDP,
    &[443],
    |p| claim(any_side(p, quic), 90),
);

fn quic(d: &[u8]) -> bool {
    let Some(first) = d.first() else { return false };
    let Some(version) = be32(d, 1) else { return false };
    if first & 0x80 == 0 {
        // Google's QUIC before version 44: flags with an 8-byte connection id, then the version as text.
        let text = |at: usize| matches!(d.get(at..at + 4), Some([b'Q', b'0', b'0'..=b'9', b'0'..=b'9']));
        return first & 0x09 == 0x09 && text(9);
    }
    let known = matches!(version, 1 | 0x6b33_43cf | 0xff00_0001..=0xff00_0022)
        || (version & 0x0f0f_0f0f == 0x0a0a_0a0a && d.len() >= 1200);
    let google = matches!(version.to_be_bytes(), [b'Q' | b'T', b'0', b'0'..=b'9', b'0'..=b'9']);
    if google {
        return first & 0x40 != 0;
    }
    let dcid = d.get(5).map(|n| usize::from(*n));
    let scid = dcid.and_then(|n| d.get(6 + n)).map(|n| usize::from(*n));
    known && first & 0x40 != 0 && dcid.is_some_and(|n| n <= 20) && scid.is_some_and(|n| n <= 20)
}

/// DTLS.
pub static DTLS: Protocol = named(
    "dtls",
    "DTLS (RFC 6347, RFC 9147); told by a record header of epoch 0 with a known type, version and a length that fits.",
    UDP,
    &[4433, 853],
    |p| claim(any_side(p, dtls), 90),
);

fn dtls(d: &[u8]) -> bool {
    let version = matches!(d, [20..=23, 0xfe, 0xfd | 0xff, ..] | [22, 1, 0, ..]);
    let fits = be16(d, 11).is_some_and(|len| len > 0 && usize::from(len) + 13 <= d.len());
    // Anything but a handshake or an alert is encrypted, and then it is not the start.
    let kind = matches!(d.first(), Some(22)) && matches!(d.get(13), Some(1..=4 | 11..=16 | 20));
    version && fits && be16(d, 3) == Some(0) && (kind || matches!(d.first(), Some(21)))
}
