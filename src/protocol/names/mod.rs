//! What is this flow, when its name is all we can tell?
//!
//! Protocols without a parser yet: each has a probe over its first bytes and nothing else. Strict: a wrong name is worse
//! than none, so a probe asks for a signature that chance does not make, or for a weaker one on the usual port. Grouped by who
//! speaks them; a protocol that gets a parser moves to a file of its own.

pub mod chat;
pub mod databases;
pub mod desktops;
pub mod games;
pub mod h323;
pub mod industry;
pub mod infrastructure;
pub mod lines;
pub mod machines;
pub mod media;
pub mod openvpn;
pub mod operators;
pub mod peers;
pub mod programs;
mod reader;
pub mod routing;
pub mod sharing;
pub mod stores;
pub mod sunrpc;
pub mod tunnels;
pub mod windows;
pub mod words;

use super::{Probe, Protocol, Transport, Verdict};
use crate::model::bytes::be16;

const TCP: &[Transport] = &[Transport::Tcp];
const UDP: &[Transport] = &[Transport::Udp];
const BOTH: &[Transport] = &[Transport::Tcp, Transport::Udp];

/// A registry entry without a parser.
const fn named(
    name: &'static str,
    about: &'static str,
    transports: &'static [Transport],
    ports: &'static [u16],
    probe: fn(&Probe<'_>) -> Verdict,
) -> Protocol {
    Protocol { name, about, transports, ports, tables: &[], buffer_cap: 0, probe, parser: None }
}

/// The service of a flow whose IP protocol is neither TCP nor UDP (IANA protocol-numbers); `None` for numbers that nobody uses.
pub(super) fn by_number(ip_protocol: u8) -> Option<&'static str> {
    Some(match ip_protocol {
        1 => "icmp",
        2 => "igmp",
        4 => "ipip",
        8 => "egp",
        33 => "dccp",
        41 => "6in4",
        46 => "rsvp",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmp6",
        88 => "eigrp",
        89 => "ospf",
        94 => "ipip",
        97 => "etherip",
        103 => "pim",
        108 => "ipcomp",
        // CARP shares this number with the protocol that it replaces.
        112 => "vrrp",
        113 => "pgm",
        115 => "l2tp",
        124 => "isis",
        132 => "sctp",
        136 => "udplite",
        137 => "mpls",
        _ => return None,
    })
}

/// Yes with this certainty, or no.
fn claim(yes: bool, sure: u8) -> Verdict {
    if yes { Verdict::Mine(sure) } else { Verdict::NotMine }
}

/// Does one of the sides that spoke look so?
fn any_side(p: &Probe<'_>, looks: impl Fn(&[u8]) -> bool) -> bool {
    (!p.orig.is_empty() && looks(p.orig)) || (!p.resp.is_empty() && looks(p.resp))
}

/// A stream of which `data` is the start must begin with `magic`.
fn magic(data: &[u8], magic: &[u8], sure: u8) -> Verdict {
    if data.starts_with(magic) {
        Verdict::Mine(sure)
    } else if magic.starts_with(data) {
        Verdict::NeedMore
    } else {
        Verdict::NotMine
    }
}

/// The surest of several verdicts; `NeedMore` before `NotMine`.
fn surest(verdicts: &[Verdict]) -> Verdict {
    let mut best = Verdict::NotMine;
    for v in verdicts {
        best = match (best, *v) {
            (Verdict::Mine(a), Verdict::Mine(b)) => Verdict::Mine(a.max(b)),
            (Verdict::Mine(a), _) | (_, Verdict::Mine(a)) => Verdict::Mine(a),
            (Verdict::NeedMore, _) | (_, Verdict::NeedMore) => Verdict::NeedMore,
            _ => Verdict::NotMine,
        };
    }
    best
}

/// Does the text begin with one of these words, whatever their case, with a space or line end behind it?
pub(super) fn begins_with_word(data: &[u8], words: &[&str]) -> bool {
    words.iter().any(|w| {
        data.get(..w.len()).is_some_and(|d| d.eq_ignore_ascii_case(w.as_bytes()))
            && matches!(data.get(w.len()), None | Some(b' ' | b'\r' | b'\n'))
    })
}

/// Is `needle` (upper case) in the data, whatever the data's case?
pub(super) fn contains_word(data: &[u8], needle: &str) -> bool {
    data.windows(needle.len()).any(|w| w.eq_ignore_ascii_case(needle.as_bytes()))
}

/// The first line without its end; all of the data when there is no line end.
pub(super) fn first_line(data: &[u8]) -> &[u8] {
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    data.get(..end).unwrap_or(&[]).trim_ascii_end()
}

/// Does the length at `at`, in network order, and `more` bytes that it leaves out count the whole datagram?
fn counts_all(data: &[u8], at: usize, more: usize) -> bool {
    be16(data, at).is_some_and(|len| usize::from(len) + more == data.len())
}

/// Only visible ASCII and spaces?
pub(super) fn is_text(data: &[u8]) -> bool {
    data.iter().all(|b| matches!(b, b' '..=b'~' | b'\t'))
}

#[cfg(test)]
mod forms;
#[cfg(test)]
pub(super) mod samples;
#[cfg(test)]
mod tests;
