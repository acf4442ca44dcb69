//! Which protocol carries voice, pictures or screens?
//!
//! MGCP (RFC 3435), RTMP, RFB (RFC 6143).

use super::{TCP, UDP, any_side, claim, first_line, magic, named};
use crate::protocol::{Protocol, Verdict};

/// MGCP.
pub static MGCP: Protocol =
    named("mgcp", "MGCP (RFC 3435); told by a command line with its version.", UDP, &[2427, 2727], |p| {
        let verbs = ["EPCF", "CRCX", "MDCX", "DLCX", "RQNT", "NTFY", "AUEP", "AUCX", "RSIP"];
        let command =
            |d: &[u8]| super::begins_with_word(d, &verbs) && super::contains_word(first_line(d), " MGCP ");
        // A reply alone, `200 1234 OK`, is only taken for one on the port.
        let reply = |d: &[u8]| {
            let mut words = first_line(d).split(|b| *b == b' ');
            let mut number = |digits: std::ops::RangeInclusive<usize>| {
                words.next().is_some_and(|w| digits.contains(&w.len()) && w.iter().all(u8::is_ascii_digit))
            };
            number(3..=3) && number(1..=9)
        };
        claim(any_side(p, command) || (p.on_port(&[2427, 2727]) && any_side(p, reply)), 90)
    });

/// RTMP.
pub static RTMP: Protocol = named(
    "rtmp",
    "RTMP; told by version 3 and the zero bytes in both sides' first handshake messages, on its port.",
    TCP,
    &[1935],
    |p| {
        let hello =
            |d: &[u8]| d.is_empty() || (d.first() == Some(&3) && d.get(5..9).is_none_or(|z| z == [0; 4]));
        if !p.on_port(&[1935]) || p.orig.first() != Some(&3) || p.resp.first().is_some_and(|b| *b != 3) {
            return Verdict::NotMine;
        }
        if hello(p.orig) && p.orig.len() >= 9 { Verdict::Mine(75) } else { Verdict::NeedMore }
    },
);

/// RFB.
pub static RFB: Protocol = named(
    "rfb",
    "Remote framebuffer, the protocol of VNC (RFC 6143); told by the server's version message.",
    TCP,
    &[5900, 5901],
    |p| {
        let d = if p.resp.is_empty() { p.orig } else { p.resp };
        magic(d, b"RFB 00", 95)
    },
);
