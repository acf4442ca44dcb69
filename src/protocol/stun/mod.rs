//! Who asked a STUN or TURN server for what, and which address was he seen from?
//!
//! STUN (RFC 8489, and RFC 5389 and RFC 3489 before it), TURN (RFC 8656), ICE's attributes (RFC 8445). One row is one request with its
//! response, or one indication; equal ones, such as the checks that keep a path open, are counted (see [`super::polling`]). What shares the
//! flow (RFC 7983) goes to its own parser: the handshake of WebRTC to `dtls`, media to `rtp`; they name the flow, as the checks
//! before them only look for a way. Refuses what TURN relays.

mod probe;
mod shared;

use super::clues::{Clue, HOST_CLUES};
use super::polling::{self, Polls, Repeated, Repeats, Waiting, address, seconds};
use super::tls::{TLS, X509};
use super::{Fed, Output, Parser, Protocol, Transport, rtp};
use crate::flow::At;
use crate::model::addr::Ip;
use crate::model::bytes::{Cursor, be16, be32};
use crate::model::flow::{Side, ip_protocol};
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;
use probe::probe;
use shared::{MEDIA_BEGINS, Shared};

/// The magic cookie since RFC 5389.
const COOKIE: u32 = 0x2112_a442;

/// Bytes of a text that is kept; the RFC's own limit for software and realm is 763.
const MAX_TEXT: usize = 256;

/// Largest message over TCP, bytes: header and what the length can say.
const MAX_MESSAGE: usize = (64 << 10) + 20;

/// Other messages in a row after which nothing more is expected of the flow: media has taken over.
const MAX_OTHERS: u32 = 1_000;

/// Attributes of one message that are read; real ones have up to 15.
const MAX_ATTRIBUTES: usize = 32;

/// The usual port.
const PORTS: &[u16] = &[3478];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "stun",
    about: "STUN and TURN (RFC 8489, RFC 8656); told by the magic cookie, a known method and attributes that fill the message; without the cookie (RFC 3489) on its port, by attributes of that time, or by an answer with the number of its request.",
    transports: &[Transport::Tcp, Transport::Udp],
    ports: PORTS,
    tables: &[&TABLE, &TLS, &X509, &rtp::TABLE, &HOST_CLUES],
    buffer_cap: MAX_MESSAGE,
    probe,
    parser: Some(|| Box::<Stun>::default()),
};

/// Length of the message at the start of `d`, when it is one; it need not be whole.
fn message_len(d: &[u8]) -> Option<usize> {
    let (kind, len) = (be16(d, 0)?, usize::from(be16(d, 2)?));
    (kind >> 14 == 0).then_some(len + 20)
}

/// The method, and the class: 0 request, 1 indication, 2 success, 3 error (RFC 8489 section 5).
fn method_class(kind: u16) -> (u16, u16) {
    (kind & 0x0f | kind >> 1 & 0x70 | kind >> 2 & 0xf80, kind >> 4 & 1 | kind >> 7 & 2)
}

fn method_name(method: u16) -> Option<&'static str> {
    Some(match method {
        1 => "binding",
        2 => "shared_secret",
        3 => "allocate",
        4 => "refresh",
        6 => "send",
        7 => "data",
        8 => "create_permission",
        9 => "channel_bind",
        10 => "connect",
        11 => "connection_bind",
        12 => "connection_attempt",
        _ => return None,
    })
}

/// One request with its response, or one indication.
#[derive(Clone, Debug)]
pub struct StunRecord {
    /// Did the originator of the flow send it?
    pub from_orig: bool,
    /// Method number.
    pub method: u16,
    /// `request` or `indication`; `response` when the request was not seen.
    pub class: &'static str,
    /// Did it succeed? `None` without a response.
    pub success: Option<bool>,
    /// Error code.
    pub error: Option<u16>,
    /// Software of who asks.
    pub software: Option<String>,
    /// Software of who answers.
    pub server: Option<String>,
    /// Address that the server saw the request from.
    pub mapped: Option<(Ip, u16)>,
    /// Address that TURN relays from.
    pub relayed: Option<(Ip, u16)>,
    /// Peer that TURN talks to.
    pub peer: Option<(Ip, u16)>,
    /// User name.
    pub username: Option<String>,
    /// Realm.
    pub realm: Option<String>,
    /// Nanoseconds to the response.
    pub rtt: Option<i64>,
    /// How often.
    pub repeats: Repeats,
}

impl Repeated for StunRecord {
    fn repeats(&mut self) -> &mut Repeats {
        &mut self.repeats
    }
}

/// Requests and indications.
pub static TABLE: Table = Table::record(
    "stun",
    "One row is one STUN or TURN request with its response, one indication, or many equal ones of one flow.",
    &[
        col("from_orig", T::Bool, "", "Was it sent by the originator of the flow?"),
        col("method_code", T::U16, "", "Method number."),
        col(
            "method",
            T::Text,
            "",
            "Name of the method, such as binding or allocate; NULL for an unknown one.",
        ),
        col("class", T::Text, "", "request, indication, or response when its request was not seen."),
        col(
            "success",
            T::Bool,
            "",
            "Did the request succeed? NULL when no response was seen or none is due.",
        ),
        col("error_code", T::U16, "", "Code of the error, such as 401 or 438; NULL unless it failed."),
        col("software", T::Text, "", "Software of who asks; NULL when it does not say."),
        col("server_software", T::Text, "", "Software of who answers; NULL when it does not say."),
        col(
            "mapped_address",
            T::Text,
            "",
            "Address that the request was seen from, beyond address translation; NULL without a response that says it.",
        ),
        col("mapped_port", T::U16, "", "Port that belongs to it; NULL without."),
        col("relayed_address", T::Text, "", "Address that TURN relays from; NULL unless one was allocated."),
        col("relayed_port", T::U16, "", "Port that belongs to it; NULL without."),
        col("peer_address", T::Text, "", "Peer that TURN shall talk to; NULL when none is named."),
        col("peer_port", T::U16, "", "Port of the peer; NULL when none is named."),
        col(
            "username",
            T::Text,
            "",
            "User name: an account of TURN, or the two ends of an ICE check; NULL without.",
        ),
        col("realm", T::Text, "", "Realm, of the request or the response that asks for it; NULL without."),
        polling::RTT,
        polling::COUNT,
        polling::LAST_TS,
    ],
);

impl Record for StunRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        let ip = |a: Option<(Ip, u16)>| a.map(|(ip, _)| ip.to_string());
        let port = |a: Option<(Ip, u16)>| a.map(|(_, port)| port);
        row.bool(self.from_orig)
            .u16(self.method)
            .opt_text(method_name(self.method))
            .text(self.class)
            .opt_bool(self.success)
            .opt_u16(self.error)
            .opt_text(self.software.as_deref())
            .opt_text(self.server.as_deref())
            .opt_text(ip(self.mapped).as_deref())
            .opt_u16(port(self.mapped))
            .opt_text(ip(self.relayed).as_deref())
            .opt_u16(port(self.relayed))
            .opt_text(ip(self.peer).as_deref())
            .opt_u16(port(self.peer))
            .opt_text(self.username.as_deref())
            .opt_text(self.realm.as_deref())
            .opt_f64(self.rtt.map(seconds))
            .u32(self.repeats.count)
            .time(self.repeats.last);
    }
}

/// An address attribute; `mask` is XORed over it (RFC 8489 section 14.2), zeroes for the plain form.
fn endpoint(value: &[u8], mask: &[u8; 16]) -> Option<(Ip, u16)> {
    let mut c = Cursor::new(value);
    let (family, port) = (c.u16()? & 0xff, c.u16()?);
    let port = port ^ u16::from_be_bytes([mask[0], mask[1]]);
    let ip = match family {
        1 => {
            let mut a = c.array::<4>()?;
            a.iter_mut().zip(mask).for_each(|(b, m)| *b ^= m);
            Ip::v4(a)
        }
        2 => {
            let mut a = c.array::<16>()?;
            a.iter_mut().zip(mask).for_each(|(b, m)| *b ^= m);
            Ip::v6(a)
        }
        _ => return None,
    };
    Some((ip, port))
}

/// What the attributes of one message say.
#[derive(Default)]
struct Attributes {
    software: Option<String>,
    mapped: Option<(Ip, u16)>,
    relayed: Option<(Ip, u16)>,
    peer: Option<(Ip, u16)>,
    username: Option<String>,
    realm: Option<String>,
    error: Option<u16>,
}

fn attributes(message: &[u8]) -> Attributes {
    let mut out = Attributes::default();
    let mut mask = [0; 16];
    if let Some(id) = message.get(4..20) {
        mask.copy_from_slice(id);
    }
    let mut c = Cursor::new(message.get(20..).unwrap_or(&[]));
    for _ in 0..MAX_ATTRIBUTES {
        let (Some(kind), Some(len)) = (c.u16(), c.u16()) else { break };
        let Some(value) = c.take(usize::from(len)) else { break };
        let _ = c.skip(usize::from(len).next_multiple_of(4) - usize::from(len));
        let text = || Some(printable(value, MAX_TEXT)).filter(|t| !t.is_empty());
        match kind {
            0x0001 => out.mapped = out.mapped.or(endpoint(value, &[0; 16])),
            0x0020 | 0x8020 => out.mapped = endpoint(value, &mask),
            0x0016 => out.relayed = endpoint(value, &mask),
            0x0012 => out.peer = endpoint(value, &mask),
            0x0006 => out.username = text(),
            0x0014 => out.realm = text(),
            0x8022 => out.software = text(),
            0x0009 => {
                out.error = match value {
                    [_, _, class, number, ..] => Some(u16::from(class & 7) * 100 + u16::from(*number)),
                    _ => None,
                }
            }
            _ => {}
        }
    }
    out
}

/// What makes two messages equal.
type Key = (
    bool,
    u16,
    &'static str,
    Option<bool>,
    Option<u16>,
    Option<(Ip, u16)>,
    Option<(Ip, u16)>,
    Option<String>,
);

/// The state of one flow.
#[derive(Default)]
struct Stun {
    /// By who asked, and the transaction.
    waiting: Waiting<(bool, [u8; 16]), StunRecord>,
    polls: Polls<Key, StunRecord>,
    messages: u32,
    others: u32,
    told: bool,
    /// Over TCP: do frames hold the messages?
    framed: Option<bool>,
    shared: Shared,
}

impl Stun {
    fn write(&mut self, began: At, row: StunRecord, out: &mut Output<'_>) {
        let key = (
            row.from_orig,
            row.method,
            row.class,
            row.success,
            row.error,
            row.mapped,
            row.peer,
            row.username.clone(),
        );
        self.polls.reading(key, began, row, out);
    }

    fn message(&mut self, side: Side, message: &[u8], out: &mut Output<'_>) {
        let Some(kind) = be16(message, 0) else { return };
        let Some(id) = message.get(4..20).and_then(|i| <[u8; 16]>::try_from(i).ok()) else { return };
        self.messages = self.messages.saturating_add(1);
        self.others = 0;
        let (method, class) = method_class(kind);
        let a = attributes(message);
        let from_orig = side == Side::Orig;
        let mut row = StunRecord {
            from_orig,
            method,
            class: "request",
            success: None,
            error: None,
            software: None,
            server: None,
            mapped: None,
            relayed: None,
            peer: None,
            username: None,
            realm: None,
            rtt: None,
            repeats: Repeats::once(out.at),
        };
        let host = address(&out.flow.tuple, side);
        if class <= 1 {
            if let (false, Some(software)) = (self.told, a.software.as_deref()) {
                self.told = true;
                out.clue(host, Clue::Client, software, "stun.software");
            }
            (row.software, row.peer, row.username, row.realm) = (a.software, a.peer, a.username, a.realm);
            if class == 1 {
                row.class = "indication";
                self.write(out.at, row, out);
            } else if self.waiting.find(&(from_orig, id)).is_some() {
                // Sent again: the first one counts.
            } else if let Some((began, old)) = self.waiting.put((from_orig, id), row, out) {
                self.write(began, old, out);
            }
            return;
        }
        let mut began = out.at;
        match self.waiting.take(&(!from_orig, id)) {
            Some((at, asked)) => {
                (began, row) = (at, asked);
                row.rtt = Some(out.at.ts.since(at.ts));
            }
            // The response to a repeated request, or one whose request was not captured.
            None => (row.class, row.from_orig) = ("response", from_orig),
        }
        if let Some(software) = a.software.as_deref() {
            out.clue(host, Clue::Server, software, "stun.software");
        }
        row.success = Some(class == 2);
        (row.error, row.server, row.mapped, row.relayed) = (a.error, a.software, a.mapped, a.relayed);
        row.realm = row.realm.or(a.realm);
        self.write(began, row, out);
    }
}

impl Stun {
    /// What is no STUN.
    fn other(&mut self, side: Side, data: &[u8], media: &[u8], out: &mut Output<'_>) {
        let before = self.messages.saturating_add(self.others);
        self.others = self.others.saturating_add(1);
        if self.shared.datagram(side, data, media, before, out) {
            self.others = self.others.min(MEDIA_BEGINS);
        }
    }

    /// A stream in which each datagram has its length in front (RFC 4571), as ICE has it over TCP (RFC 6544).
    fn frames(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut rest = data;
        while let Some(len) = be16(rest, 0).map(usize::from) {
            let Some((frame, behind)) = rest.split_at_checked(2 + len) else { break };
            let packet = frame.get(2..).unwrap_or(&[]);
            match message_len(packet) {
                Some(n) if n == len && is_message(packet) => self.message(side, packet, out),
                _ => self.other(side, packet, frame, out),
            }
            rest = behind;
        }
        Fed::Took(data.len() - rest.len())
    }
}

/// Does a message with the cookie begin here?
fn is_message(d: &[u8]) -> bool {
    d.first().is_some_and(|b| *b < 0x40) && be32(d, 4) == Some(COOKIE)
}

impl Parser for Stun {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        if out.flow.tuple.protocol == ip_protocol::UDP {
            match message_len(data).filter(|len| *len <= data.len() && data.first().is_some_and(|b| *b < 20))
            {
                Some(len) => self.message(side, data.get(..len).unwrap_or(data), out),
                None => self.other(side, data, data, out),
            }
            if self.others >= MAX_OTHERS {
                self.finish(out);
                return Fed::Done;
            }
            return Fed::Took(data.len());
        }
        if self.framed.is_none() {
            // The cookie behind a length or without has come after ten bytes.
            let Some(behind) = data.get(2..).filter(|d| d.len() >= 8) else { return Fed::Took(0) };
            self.framed = Some(is_message(behind) && !is_message(data));
        }
        if self.framed == Some(true) {
            return self.frames(side, data, out);
        }
        let mut rest = data;
        loop {
            // Between messages TURN over TCP carries channels: number, length, data padded to 4 (RFC 8656 section 12.5).
            let (len, channel) = match (rest.first(), be16(rest, 2).map(usize::from)) {
                (Some(0x40..=0x7f), Some(len)) => (len.next_multiple_of(4) + 4, true),
                (Some(0..=0x3f), Some(len)) => (len + 20, false),
                (Some(_), Some(_)) if self.messages == 0 => return Fed::NotMine,
                (Some(_), Some(_)) => {
                    // Another protocol shares the stream.
                    self.finish(out);
                    return Fed::Done;
                }
                _ => return Fed::Took(data.len() - rest.len()),
            };
            let Some((message, behind)) = rest.split_at_checked(len) else {
                return Fed::Took(data.len() - rest.len());
            };
            if !channel {
                self.message(side, message, out);
            }
            rest = behind;
        }
    }

    fn gap(&mut self, _: Side, _: u64, out: &mut Output<'_>) -> Fed {
        // Lengths are all that frames a stream.
        self.finish(out);
        Fed::Done
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for (began, row) in self.waiting.drain() {
            self.write(began, row, out);
        }
        self.polls.finish(out);
        if let Some(mut parser) = self.shared.dtls.take() {
            parser.finish(out);
        }
        if let Some(parser) = &mut self.shared.media {
            parser.finish(out);
        }
    }

    fn service(&self) -> Option<&'static str> {
        self.shared.service()
    }
}

#[cfg(test)]
mod tests;
