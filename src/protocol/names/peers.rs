//! Which file-sharing peers are it?
//!
//! BitTorrent (BEP 3, BEP 5, BEP 14, BEP 15, BEP 29).

use super::sharing::{distributed_table, utp, utp_midway};
use super::{any_side, claim, magic, named};
use crate::protocol::{Protocol, Verdict};

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
        if any_side(p, |d| distributed_table(d) || tracker(d) || search(d) || utp(d)) {
            return Verdict::Mine(90);
        }
        // A connection that the capture joined late.
        match p.resp {
            [] if matches!(p.orig, [0x01 | 0x11 | 0x21 | 0x31, 0..=3, ..]) => Verdict::NeedMore,
            resp => claim(!p.orig.is_empty() && utp_midway(p.orig, resp), 75),
        }
    },
);
