//! What goes through a WebSocket, and how much?
//!
//! RFC 6455, handed over by HTTP with what both sides agreed on, or told by its frames when the capture begins behind that: one
//! side masks a text frame, the other sends one in clear, and both hold text. Counts messages; the first data of each side is
//! shown to the probes of the other protocols, so that a tunnel has a name.
//! What turns out to be mining is read on by that parser: it is what browsers that mine speak.
//! Refuses: content beyond that, and extensions that change it (permessage-deflate): such data is counted and not looked into.

use super::http1::HttpTransaction;
use super::http1::head::Fields;
use super::stratum;
use super::{ALL, Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "websocket",
    about: "WebSocket (RFC 6455); told by HTTP's upgrade, or by text frames of both sides of which one masks its own.",
    transports: &[Transport::Tcp],
    ports: &[],
    tables: &[&TABLE, &stratum::TABLE],
    buffer_cap: HEADER_MAX + INNER_MAX,
    probe,
    parser: Some(|| Box::new(WebSocket::new(Box::default()))),
};

/// Longest frame header, bytes: two, a length of eight, a mask of four.
const HEADER_MAX: usize = 14;

/// First bytes of each side's data that are shown to the probes of other protocols.
const PEEK: usize = 512;

/// Longest message that is handed to the parser inside, bytes; those of pools stay below 4 KiB.
const INNER_MAX: usize = 8 << 10;

/// Longest header value shown, bytes.
const TEXT_CAP: usize = 256;

/// Longest reason of a close, bytes (RFC 6455 section 5.5: a control frame holds 125).
const CONTROL_CAP: usize = 125;

/// A frame's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Frame {
    fin: bool,
    /// Bits that extensions give a meaning to.
    reserved: u8,
    opcode: u8,
    mask: Option<[u8; 4]>,
    length: u64,
    /// Bytes of the header itself.
    header: usize,
}

mod opcode {
    pub(super) const TEXT: u8 = 1;
    pub(super) const CLOSE: u8 = 8;
    pub(super) const PING: u8 = 9;
    pub(super) const PONG: u8 = 10;
}

/// `None`: not complete. `Some(None)`: no frame of this protocol.
fn frame(data: &[u8]) -> Option<Option<Frame>> {
    let mut c = Cursor::new(data);
    let (first, second) = (c.u8()?, c.u8()?);
    let (opcode, fin) = (first & 15, first & 0x80 != 0);
    let length = match second & 0x7f {
        126 => u64::from(c.u16()?),
        127 => c.u64()?,
        n => u64::from(n),
    };
    let mask = if second & 0x80 != 0 { Some(c.array()?) } else { None };
    let control = opcode >= 8;
    let fits = matches!(opcode, 0..=2 | 8..=10)
        && length < 1 << 62
        && (!control || (fin && length <= CONTROL_CAP as u64));
    Some(fits.then_some(Frame { fin, reserved: first >> 4 & 7, opcode, mask, length, header: c.position() }))
}

/// Take the mask off; it goes on from byte `from` of the payload.
fn unmask(bytes: &[u8], mask: Option<[u8; 4]>, from: u64) -> Vec<u8> {
    let Some(mask) = mask else { return bytes.to_vec() };
    let keys = mask.iter().cycle().skip((from % 4) as usize);
    bytes.iter().zip(keys).map(|(b, key)| b ^ key).collect()
}

/// Is this a whole text frame in one piece, with text in it? Tells whether it is masked.
fn text_frame(data: &[u8]) -> Option<bool> {
    let f = frame(data).flatten()?;
    let payload = data.get(f.header..)?;
    let payload = payload.get(..usize::try_from(f.length).ok()?)?;
    let text = unmask(payload, f.mask, 0);
    let shown =
        std::str::from_utf8(&text).is_ok_and(|t| !t.chars().any(|c| c.is_control() && !c.is_whitespace()));
    (f.fin && f.reserved == 0 && f.opcode == opcode::TEXT && text.len() >= 4 && shown)
        .then_some(f.mask.is_some())
}

fn probe(p: &Probe<'_>) -> Verdict {
    let may = |d: &[u8]| d.first().is_none_or(|b| *b == 0x81);
    if !may(p.orig) || !may(p.resp) || (p.orig.is_empty() && p.resp.is_empty()) {
        return Verdict::NotMine;
    }
    if p.orig.is_empty() || p.resp.is_empty() {
        return Verdict::NeedMore;
    }
    match (text_frame(p.orig), text_frame(p.resp)) {
        (Some(a), Some(b)) if a != b => Verdict::Mine(85),
        _ => Verdict::NotMine,
    }
}

/// What one side sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Messages of data.
    pub messages: u64,
    /// Bytes of their payload.
    pub bytes: u64,
}

/// One connection.
#[derive(Clone, Debug, Default)]
pub struct WebSocketConnection {
    /// Host that the client asked for.
    pub host: Option<Box<str>>,
    /// Target of its request.
    pub uri: Option<Box<str>>,
    /// Protocol inside, as the server chose it.
    pub subprotocol: Option<Box<str>>,
    /// Extensions that the server chose.
    pub extensions: Option<Box<str>>,
    /// Protocol inside, by its first bytes.
    pub inner: Option<&'static str>,
    /// The client's data.
    pub client: Sent,
    /// The server's data.
    pub server: Sent,
    /// Messages of text among them, of both.
    pub text_messages: u64,
    /// Pings and pongs of both.
    pub pings: u64,
    /// Status of the first close.
    pub close_code: Option<u16>,
    /// Its reason.
    pub close_reason: Option<Box<str>>,
    /// Did the client close first?
    pub closed_by_client: Option<bool>,
}

/// Connections.
pub static TABLE: Table = Table::record(
    "websocket",
    "One row is one WebSocket connection. ts is when HTTP ended. Its request is in http under the same flow_id.",
    &[
        col("host", T::Text, "", "Host that the client asked for; NULL when its request was not seen."),
        col("uri", T::Text, "", "Target of its request; NULL when it was not seen."),
        col(
            "subprotocol",
            T::Text,
            "",
            "Protocol inside that the server chose, such as mqtt; NULL without one.",
        ),
        col(
            "extensions",
            T::Text,
            "",
            "Extensions that the server chose, such as permessage-deflate; NULL without any.",
        ),
        col(
            "inner_service",
            T::Text,
            "",
            "Protocol inside by its first bytes, such as ssh or tls; NULL when they show none.",
        ),
        col("client_messages", T::U64, "messages", "Messages of data from the client."),
        col("client_bytes", T::U64, "bytes", "Payload of them, as announced in their frames."),
        col("server_messages", T::U64, "messages", "Messages of data from the server."),
        col("server_bytes", T::U64, "bytes", "Payload of them, as announced in their frames."),
        col(
            "text_messages",
            T::U64,
            "messages",
            "Messages of text among those of both sides; the others are binary.",
        ),
        col("pings", T::U64, "messages", "Pings and pongs of both sides."),
        col("close_code", T::U16, "", "Status of the first close, such as 1000; NULL without one."),
        col("close_reason", T::Text, "", "Reason of the first close; NULL without one."),
        col("closed_by_client", T::Bool, "", "Did the client send the first close? NULL when none was seen."),
    ],
);

impl Record for WebSocketConnection {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.opt_text(self.host.as_deref())
            .opt_text(self.uri.as_deref())
            .opt_text(self.subprotocol.as_deref())
            .opt_text(self.extensions.as_deref())
            .opt_text(self.inner)
            .u64(self.client.messages)
            .u64(self.client.bytes)
            .u64(self.server.messages)
            .u64(self.server.bytes)
            .u64(self.text_messages)
            .u64(self.pings)
            .opt_u16(self.close_code)
            .opt_text(self.close_reason.as_deref())
            .opt_bool(self.closed_by_client);
    }
}

/// The state of one connection.
pub(in crate::protocol) struct WebSocket {
    began: Option<At>,
    /// Who is the client: HTTP's, or who masks.
    client: Option<Side>,
    /// First data of each side.
    peeked: [Vec<u8>; 2],
    /// Is the inner protocol told, or not to be told?
    told: bool,
    /// Who reads what is inside, and what it has left of each side.
    inner: Option<Box<dyn Parser>>,
    unread: [Vec<u8>; 2],
    closed: [bool; 2],
    row: Box<WebSocketConnection>,
}

impl WebSocket {
    fn new(row: Box<WebSocketConnection>) -> Self {
        Self {
            began: None,
            client: None,
            peeked: Default::default(),
            told: false,
            inner: None,
            unread: Default::default(),
            closed: [false; 2],
            row,
        }
    }

    /// Behind an upgrade: what the client asked for, and the fields of the server's answer.
    pub(in crate::protocol) fn agreed(asked: &HttpTransaction, answer: Fields<'_>) -> Self {
        let mut row = Box::new(WebSocketConnection {
            host: asked.host.clone(),
            uri: asked.uri.clone(),
            ..WebSocketConnection::default()
        });
        for field in answer {
            let slot = match field.name {
                n if n.eq_ignore_ascii_case(b"sec-websocket-protocol") => &mut row.subprotocol,
                n if n.eq_ignore_ascii_case(b"sec-websocket-extensions") => &mut row.extensions,
                _ => continue,
            };
            *slot = (!field.value.is_empty()).then(|| printable(field.value, TEXT_CAP).into());
        }
        let mut parser = Self::new(row);
        // Compressed data looks like nothing.
        parser.told = parser.row.extensions.is_some();
        parser
    }

    fn slot<T>(pair: &mut [T; 2], side: Side) -> &mut T {
        let [orig, resp] = pair;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// A frame whose payload, as far as it is wanted, is there. True: both sides have closed.
    fn frame(&mut self, side: Side, f: &Frame, payload: &[u8], out: &mut Output<'_>) -> bool {
        // The client masks all, the server nothing (RFC 6455 section 5.1).
        let client = *self.client.get_or_insert(if f.mask.is_some() { side } else { side.other() });
        let by_client = client == side;
        let row = &mut self.row;
        match f.opcode {
            opcode::CLOSE => {
                if row.closed_by_client.is_none() {
                    row.closed_by_client = Some(by_client);
                    let text = unmask(payload, f.mask, 0);
                    let mut c = Cursor::new(&text);
                    row.close_code = c.u16();
                    row.close_reason = (!c.is_empty()).then(|| printable(c.rest(), CONTROL_CAP).into());
                }
                *Self::slot(&mut self.closed, side) = true;
                return self.closed == [true; 2];
            }
            opcode::PING | opcode::PONG => row.pings = row.pings.saturating_add(1),
            kind => {
                let sent = if by_client { &mut row.client } else { &mut row.server };
                sent.bytes = sent.bytes.saturating_add(f.length);
                // A message may come in several frames; the first names its kind.
                sent.messages = sent.messages.saturating_add(u64::from(kind != 0));
                row.text_messages = row.text_messages.saturating_add(u64::from(kind == opcode::TEXT));
                self.told |= f.reserved != 0;
                if !self.told {
                    let whole = f.length == payload.len() as u64;
                    self.peek(side, &unmask(payload, f.mask, 0), whole, out);
                } else if self.inner.is_some() {
                    self.pass(side, &unmask(payload, f.mask, 0), out);
                }
            }
        }
        false
    }

    /// Hand data to the parser inside.
    fn pass(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) {
        let Some(inner) = &mut self.inner else { return };
        let unread = Self::slot(&mut self.unread, side);
        unread.extend_from_slice(data);
        match inner.feed(side, unread, out) {
            Fed::Took(n) if unread.len() - n.min(unread.len()) <= INNER_MAX => {
                unread.drain(..n.min(unread.len()));
            }
            Fed::Took(_) => unread.clear(),
            _ => self.inner = None,
        }
    }

    /// Does the data look like a protocol of its own?
    fn peek(&mut self, side: Side, data: &[u8], whole: bool, out: &mut Output<'_>) {
        let seen = Self::slot(&mut self.peeked, side);
        let room = PEEK.saturating_sub(seen.len());
        seen.extend_from_slice(data.get(..room).unwrap_or(data));
        let full = seen.len() >= PEEK;
        let whole = whole && data.len() <= room;
        let [a, b] = &self.peeked;
        let (orig, resp) = if self.client == Some(Side::Resp) { (b, a) } else { (a, b) };
        let probe = Probe { orig, resp, transport: Transport::Tcp, ports: (0, 0) };
        let mut waiting = false;
        let mut best = None;
        for protocol in ALL.iter().filter(|p| p.transports.contains(&Transport::Tcp)) {
            match (protocol.probe)(&probe) {
                Verdict::Mine(sure) if best.is_none_or(|(s, _)| sure > s) => {
                    best = Some((sure, protocol.name))
                }
                Verdict::NeedMore => waiting = true,
                _ => {}
            }
        }
        self.row.inner = best.map(|(_, name)| name);
        self.told = best.is_some() || !waiting || full;
        if self.told {
            let [orig, resp] = std::mem::take(&mut self.peeked);
            if self.row.inner == Some(stratum::PROTOCOL.name) {
                self.inner = stratum::PROTOCOL.parser.map(|parser| parser());
                // Half a message would only confuse; the next one is whole.
                if whole {
                    self.pass(Side::Orig, &orig, out);
                    self.pass(Side::Resp, &resp, out);
                }
            }
        }
    }
}

impl Parser for WebSocket {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        self.began.get_or_insert(out.at);
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|r| !r.is_empty()) {
            let f = match frame(rest) {
                Some(Some(f)) => f,
                None => break,
                Some(None) => {
                    out.weird(
                        WeirdKind::WebSocketMalformed,
                        Detail::Text("no frame where one should begin".into()),
                    );
                    self.finish(out);
                    return Fed::Done;
                }
            };
            let behind = rest.get(f.header..).unwrap_or(&[]);
            let want = match f.opcode {
                opcode::CLOSE => CONTROL_CAP,
                _ if self.inner.is_some() => INNER_MAX,
                _ if self.told => 0,
                _ => PEEK,
            };
            let want = usize::try_from(f.length).unwrap_or(usize::MAX).min(want);
            let Some(payload) = behind.get(..want) else { break };
            if self.frame(side, &f, payload, out) {
                self.finish(out);
                return Fed::Done;
            }
            let here = usize::try_from(f.length).unwrap_or(usize::MAX);
            if here > behind.len() {
                return Fed::Skip((here - behind.len()) as u64);
            }
            at += f.header + here;
        }
        Fed::Took(at)
    }

    fn gap(&mut self, _: Side, _: u64, out: &mut Output<'_>) -> Fed {
        // Where the next frame begins is unknown; nothing in it would show it.
        self.finish(out);
        Fed::Done
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        if let Some(mut inner) = self.inner.take() {
            inner.finish(out);
        }
        if let Some(began) = self.began.take() {
            out.record(began, std::mem::take(&mut *self.row));
        }
    }
}

#[cfg(test)]
mod tests;
