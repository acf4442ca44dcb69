//! Which protocol carries voice, pictures or screens?
//!
//! MGCP (RFC 3435), RTMP, RFB (RFC 6143).

use super::reader::{Reader, Told, must, settle};
use super::{TCP, UDP, any_side, claim, first_line, magic, named};
use crate::protocol::{Protocol, Verdict};

/// MGCP.
pub static MGCP: Protocol =
    named("mgcp", "MGCP (RFC 3435); told by a command line with its version.", UDP, &[2427, 2727], |p| {
        let verbs = ["EPCF", "CRCX", "MDCX", "DLCX", "RQNT", "NTFY", "AUEP", "AUCX", "RSIP"];
        if !any_side(p, |d| matches!(d.first(), Some(b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9'))) {
            return Verdict::NotMine;
        }
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
    "RTMP; told by version 3 and a plausible first message of the client, on its port, or with the server's answer behind a whole one.",
    TCP,
    &[1935],
    |p| {
        // Version, time, then zero or the version of the player (9.0.124.2), then filler: 1537 bytes together.
        let told = |d: &[u8]| -> Told {
            let mut r = Reader::new(d);
            r.eq(&[3])?;
            r.skip(4)?;
            match r.rest().first() {
                None => Err(Verdict::NeedMore),
                Some(0) => r.eq(&[0; 4]),
                Some(major) => {
                    must((9..=128).contains(major))?;
                    r.skip(1)?;
                    must(r.u8()? <= 9)?;
                    r.skip(2)
                }
            }
        };
        let answered = || {
            must(p.resp.first().is_none_or(|b| *b == 3))?;
            if p.orig.len() < 1537 || p.resp.is_empty() { Err(Verdict::NeedMore) } else { Ok(()) }
        };
        let ours = p.on_port(&[1935]);
        let answer = if ours { must(p.resp.first().is_none_or(|b| *b == 3)) } else { answered() };
        settle(p, told(p.orig).and(answer), if ours { 75 } else { 60 })
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
