//! Is this STUN?
//!
//! By the magic cookie since RFC 5389; without it (RFC 3489) by what is around it: the port, attributes of that time, an answer with the
//! number of its request. Over TCP also behind a length (RFC 4571).

use super::{COOKIE, PORTS, is_message, message_len, method_class};
use crate::model::bytes::{be16, be32};
use crate::protocol::{Probe, Transport, Verdict};

/// Do the attributes fill the message?
fn attributes_fit(mut d: &[u8]) -> bool {
    while let Some(len) = be16(d, 2).map(usize::from) {
        match d.get(4 + len.next_multiple_of(4)..) {
            Some(rest) => d = rest,
            // Old clients leave the padding of the last one away.
            None => return 4 + len == d.len(),
        }
    }
    d.is_empty()
}

/// Are all attributes among those of RFC 3489, and their successors that old clients took over?
fn attributes_known(mut d: &[u8]) -> bool {
    while let Some((kind, len)) = be16(d, 0).zip(be16(d, 2)) {
        if !matches!(kind, 1..=0x0b | 0x20 | 0x8020 | 0x8022) {
            return false;
        }
        d = d.get(4 + usize::from(len).next_multiple_of(4)..).unwrap_or(&[]);
    }
    true
}

pub(super) fn probe(p: &Probe<'_>) -> Verdict {
    let looks = |d: &[u8]| {
        let Some(len) = message_len(d) else { return false };
        let Some(body) = d.get(20..len) else { return false };
        let whole = p.transport == Transport::Tcp || len == d.len();
        let cookie = be32(d, 4) == Some(COOKIE) && len % 4 == 0;
        let (method, _) = method_class(be16(d, 0).unwrap_or(0));
        let classic = method == 1 && whole && p.transport == Transport::Udp && attributes_fit(body);
        // Longer datagrams carry padding or more behind the message; the cookie makes up for it.
        cookie || (classic && (p.on_port(PORTS) || (!body.is_empty() && attributes_known(body))))
    };
    let framed = |d: &[u8]| {
        p.transport == Transport::Tcp
            && be16(d, 0).is_some_and(|len| message_len(d.get(2..).unwrap_or(&[])) == Some(usize::from(len)))
            && is_message(d.get(2..).unwrap_or(&[]))
    };
    let mine = |d: &[u8]| !d.is_empty() && (looks(d) || framed(d));
    if mine(p.orig) || mine(p.resp) {
        return Verdict::Mine(90);
    }
    // A bare request without the cookie, elsewhere: the answer repeats its number.
    if let ([0, 1, 0, 0, id @ ..], Transport::Udp) = (p.orig, p.transport)
        && id.len() == 16
    {
        return match p.resp {
            [] => Verdict::NeedMore,
            [1, 1 | 0x11, ..] if p.resp.get(4..20) == Some(id) => Verdict::Mine(85),
            _ => Verdict::NotMine,
        };
    }
    // The cookie as far as it is there; a whole message was looked at above.
    let begins = |d: &[u8]| {
        let cookie_at = |at: usize| {
            let cookie = d.get(at..d.len().min(at + 4)).unwrap_or(&[]);
            COOKIE.to_be_bytes().starts_with(cookie)
        };
        d.first().is_none_or(|b| *b < 0x40) && (cookie_at(4) || cookie_at(6))
    };
    let open = p.transport == Transport::Tcp && begins(p.orig) && begins(p.resp);
    if open { Verdict::NeedMore } else { Verdict::NotMine }
}
