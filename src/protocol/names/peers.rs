//! Which peers or proxies are it?
//!
//! BitTorrent (BEP 3, BEP 5, BEP 15), SOCKS (RFC 1928).

use super::{TCP, any_side, claim, magic, named};
use crate::protocol::{Protocol, Verdict};

/// BitTorrent.
pub static BITTORRENT: Protocol = named(
    "bittorrent",
    "BitTorrent between peers, its distributed table and UDP trackers; told by the handshake, a bencoded query, or the tracker's magic number.",
    super::BOTH,
    &[6881],
    |p| {
        const HANDSHAKE: &[u8] = b"\x13BitTorrent protocol";
        if p.transport == crate::protocol::Transport::Tcp {
            return magic(if p.orig.is_empty() { p.resp } else { p.orig }, HANDSHAKE, 95);
        }
        let table = |d: &[u8]| {
            let open = [&b"d1:ad2:id20:"[..], b"d1:rd2:id20:", b"d2:ip", b"d1:el"];
            d.ends_with(b"e") && open.iter().any(|o| d.starts_with(o)) && super::contains_word(d, "1:Y1:")
        };
        // BEP 15: connection id 0x41727101980, action 0.
        let tracker = |d: &[u8]| d.starts_with(b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0") && d.len() == 16;
        claim(any_side(p, |d| table(d) || tracker(d)), 90)
    },
);

/// SOCKS.
pub static SOCKS: Protocol = named(
    "socks",
    "SOCKS versions 4 and 5 (RFC 1928); told by the client's greeting and the server's matching choice.",
    TCP,
    &[1080],
    |p| match (p.orig, p.resp) {
        ([5, n, methods @ ..], resp) if *n > 0 => {
            let offered = methods.get(..usize::from(*n)).unwrap_or(methods);
            match resp {
                [] | [5] if methods.len() <= usize::from(*n) => Verdict::NeedMore,
                [5, 0xff] => Verdict::Mine(80),
                [5, chosen, ..] => claim(offered.len() == usize::from(*n) && offered.contains(chosen), 85),
                _ => Verdict::NotMine,
            }
        }
        ([4, 1 | 2, rest @ ..], resp) => match resp {
            [] => {
                if rest.len() < 256 {
                    Verdict::NeedMore
                } else {
                    Verdict::NotMine
                }
            }
            [0, 90..=93, ..] => claim(rest.len() >= 7 && rest.ends_with(&[0]), 85),
            _ => Verdict::NotMine,
        },
        ([] | [5], []) => Verdict::NeedMore,
        _ => Verdict::NotMine,
    },
);
