//! What was asked and answered over HTTP/2 in clear?
//!
//! RFC 9113 with prior knowledge (the client's preface), and after `Upgrade: h2c` where HTTP/1 hands the connection over (RFC 7540
//! section 3.2); header blocks by HPACK (RFC 7541). One row of the table `http` a stream, with version 2, so that analysts have one table
//! for both; gRPC shows in the content types. Bodies are counted and stepped over.
//! Refuses: HTTP/2 inside TLS, and connections joined after their beginning: header blocks refer to those before them.
//! Read `hpack`, then `huffman`.

mod hpack;
mod huffman;

use super::http1::head::Fields;
use super::http1::{HTTP, HttpTransaction, fields};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use hpack::{Decoder, Field};
use std::collections::BTreeMap;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "http2",
    about: "HTTP/2 in clear (RFC 9113); told by the client's preface, or handed over by an upgrade of HTTP/1.",
    transports: &[Transport::Tcp],
    ports: &[],
    tables: &[&HTTP],
    buffer_cap: FRAME_CAP + FRAME_HEADER,
    probe,
    parser: Some(|| Box::<Http2>::default()),
};

/// What a client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Header of a frame, bytes.
const FRAME_HEADER: usize = 9;

/// Longest frame but DATA that is read, bytes; the default limit of peers is 16 KiB.
const FRAME_CAP: usize = 64 << 10;

/// Longest header block over several frames, bytes; servers stop at 8 to 64 KiB.
const BLOCK_CAP: usize = 64 << 10;

/// Streams that are open at once; peers allow 100 to 250.
const STREAMS_CAP: usize = 256;

/// Longest method kept, bytes.
const METHOD_CAP: usize = 32;

mod frame {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const PUSH_PROMISE: u8 = 5;
    pub(super) const GOAWAY: u8 = 7;
    pub(super) const CONTINUATION: u8 = 9;
}

mod flag {
    pub(super) const END_STREAM: u8 = 1;
    pub(super) const END_HEADERS: u8 = 4;
    pub(super) const PADDED: u8 = 8;
    pub(super) const PRIORITY: u8 = 0x20;
}

fn probe(p: &Probe<'_>) -> Verdict {
    let begins = |d: &[u8]| d.starts_with(PREFACE);
    if begins(p.orig) || begins(p.resp) {
        Verdict::Mine(98)
    } else if PREFACE.starts_with(p.orig) {
        Verdict::NeedMore
    } else {
        Verdict::NotMine
    }
}

/// A request and its response in the making.
#[derive(Debug)]
struct Stream {
    began: At,
    request_over: bool,
    response_over: bool,
    /// Is something of either missing?
    cut: bool,
    tx: Box<HttpTransaction>,
}

/// A header block over several frames.
#[derive(Debug)]
struct Block {
    /// The stream that its fields belong to.
    stream: u32,
    promise: bool,
    end_stream: bool,
    bytes: Vec<u8>,
}

/// One direction.
#[derive(Default, Debug)]
struct Half {
    decoder: Decoder,
    block: Option<Block>,
    /// The stream whose body is stepped over.
    skipping: u32,
}

/// The state of one connection.
#[derive(Default)]
pub(in crate::protocol) struct Http2 {
    halves: [Half; 2],
    client: Option<Side>,
    /// By stream number, so that what is left is written in order.
    streams: BTreeMap<u32, Stream>,
    begun: u32,
}

impl Http2 {
    /// Behind an upgrade: the request that asked for it is the first stream's (RFC 7540 section 3.2).
    pub(in crate::protocol) fn upgraded(asked: &HttpTransaction, at: At) -> Self {
        let mut this = Self { client: Some(Side::Orig), ..Self::default() };
        let tx = HttpTransaction {
            trans_depth: 1,
            method: asked.method.clone(),
            host: asked.host.clone(),
            uri: asked.uri.clone(),
            user_agent: asked.user_agent.clone(),
            version: (2, 0),
            request_ts: asked.request_ts,
            ..HttpTransaction::default()
        };
        this.begun = 1;
        let stream =
            Stream { began: at, request_over: true, response_over: false, cut: false, tx: Box::new(tx) };
        this.streams.insert(1, stream);
        this
    }

    fn half(&mut self, side: Side) -> &mut Half {
        let [orig, resp] = &mut self.halves;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    fn is_client(&self, side: Side) -> bool {
        self.client.unwrap_or(Side::Orig) == side
    }

    /// The stream with this number, begun now if it is new.
    fn stream(&mut self, number: u32, out: &mut Output<'_>) -> &mut Stream {
        if !self.streams.contains_key(&number)
            && self.streams.len() >= STREAMS_CAP
            && let Some((_, oldest)) = self.streams.pop_first()
        {
            // One that was reset waited for an answer that need not come.
            if !oldest.cut {
                out.weird(WeirdKind::PendingFull, Detail::Number(STREAMS_CAP as u64));
            }
            write(oldest, out);
        }
        let (begun, at) = (&mut self.begun, out.at);
        self.streams.entry(number).or_insert_with(|| {
            *begun = begun.saturating_add(1);
            let tx = HttpTransaction { trans_depth: *begun, version: (2, 0), ..HttpTransaction::default() };
            Stream { began: at, request_over: false, response_over: false, cut: false, tx: Box::new(tx) }
        })
    }

    /// A frame that is there as a whole. False: the connection cannot be read any further.
    fn frame(
        &mut self,
        side: Side,
        kind: u8,
        flags: u8,
        number: u32,
        payload: &[u8],
        out: &mut Output<'_>,
    ) -> bool {
        // Between the parts of a header block nothing else may come (RFC 9113 section 6.10).
        let open = self.half(side).block.is_some();
        if open != (kind == frame::CONTINUATION) {
            return false;
        }
        match kind {
            frame::HEADERS | frame::PUSH_PROMISE => {
                let Some((stream, bytes)) = fragment(kind, flags, number, payload) else { return false };
                let promise = kind == frame::PUSH_PROMISE;
                let end_stream = !promise && flags & flag::END_STREAM != 0;
                let block = Block { stream, promise, end_stream, bytes: bytes.to_vec() };
                self.half(side).block = Some(block);
            }
            frame::CONTINUATION => {
                let Some(block) = &mut self.half(side).block else { return false };
                if block.bytes.len().saturating_add(payload.len()) > BLOCK_CAP {
                    out.weird(WeirdKind::HttpHeaderTooLarge, Detail::Number(block.bytes.len() as u64));
                    return false;
                }
                block.bytes.extend_from_slice(payload);
            }
            frame::RST_STREAM => {
                let by_client = self.is_client(side);
                if let Some(stream) = self.streams.get_mut(&number) {
                    stream.cut = true;
                    // What the server had sent before it heard of it may still come.
                    if by_client && stream.tx.status_code.is_none() {
                        stream.request_over = true;
                    } else if let Some(stream) = self.streams.remove(&number) {
                        write(stream, out);
                    }
                }
                return true;
            }
            _ => return true,
        }
        if flags & flag::END_HEADERS == 0 {
            return true;
        }
        let half = self.half(side);
        let Some(block) = half.block.take() else { return true };
        let Some(list) = half.decoder.decode(&block.bytes) else { return false };
        self.fields(side, &block, &list, out);
        true
    }

    /// A whole header block.
    fn fields(&mut self, side: Side, block: &Block, list: &[Field], out: &mut Output<'_>) {
        let is_request = self.is_client(side) || block.promise;
        let pseudo = |name: &[u8]| list.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_slice());
        let text = lines(list);
        let at = out.at;
        if !is_request && !self.streams.contains_key(&block.stream) {
            // An answer to a stream that was reset, or that never began.
            return;
        }
        let stream = self.stream(block.stream, out);
        let tx = &mut *stream.tx;
        if is_request {
            // A second block ends the stream: fields behind the body.
            if tx.method.is_none() {
                tx.request_ts = Some(at.ts);
                tx.method = pseudo(b":method").map(|m| printable(m, METHOD_CAP).into());
                tx.uri = pseudo(b":path").and_then(|p| fields::text(p, fields::URI_CAP));
                fields::request(Fields::new(&text), tx);
                let authority = pseudo(b":authority").and_then(|a| fields::text(a, fields::URI_CAP));
                tx.host = authority.or(tx.host.take());
                if tx.uri.is_none() {
                    // CONNECT has no path.
                    tx.uri.clone_from(&tx.host);
                } else if let Some(name) = tx.host.as_deref().and_then(fields::server_name) {
                    out.hostname(&name);
                }
            }
        } else if let Some(status) = pseudo(b":status") {
            let status = std::str::from_utf8(status).ok().and_then(|s| s.parse::<u16>().ok());
            if matches!(status, Some(100..=199)) {
                tx.info_code = status;
                return;
            }
            if tx.status_code.is_none() {
                tx.status_code = status;
                tx.response_ts = Some(at.ts);
                fields::response(Fields::new(&text), tx);
            }
        }
        if block.promise {
            stream.request_over = true;
        }
        if block.end_stream {
            self.ended(side, block.stream, out);
        }
    }

    /// One side has said all on a stream.
    fn ended(&mut self, side: Side, number: u32, out: &mut Output<'_>) {
        let by_client = self.is_client(side);
        let Some(stream) = self.streams.get_mut(&number) else { return };
        if by_client {
            stream.request_over = true;
        } else {
            stream.response_over = true;
        }
        if stream.request_over
            && stream.response_over
            && let Some(stream) = self.streams.remove(&number)
        {
            write(stream, out);
        }
    }

    /// Count bytes of a body, or take back what never came.
    fn count(&mut self, side: Side, number: u32, change: impl FnOnce(u64) -> u64, cut: bool) {
        let by_client = self.is_client(side);
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let content = if by_client { &mut stream.tx.request } else { &mut stream.tx.response };
        content.body_len = change(content.body_len);
        stream.cut |= cut;
    }

    fn broken(&mut self, why: &str, out: &mut Output<'_>) -> Fed {
        out.weird(WeirdKind::Http2Malformed, Detail::Text(why.into()));
        self.finish(out);
        Fed::Done
    }
}

/// The header block in a frame and the stream it is about, without padding and priority.
fn fragment(kind: u8, flags: u8, number: u32, payload: &[u8]) -> Option<(u32, &[u8])> {
    let mut c = Cursor::new(payload);
    let padding = if flags & flag::PADDED != 0 { usize::from(c.u8()?) } else { 0 };
    let mut stream = number;
    if kind == frame::PUSH_PROMISE {
        stream = c.u32()? & 0x7fff_ffff;
    } else if flags & flag::PRIORITY != 0 {
        c.skip(5)?;
    }
    let bytes = c.take(c.remaining().checked_sub(padding)?)?;
    (stream != 0).then_some((stream, bytes))
}

/// Fields as lines of HTTP/1, for the code that reads those. Line ends inside values become blanks.
fn lines(list: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in list.iter().filter(|(name, _)| !name.starts_with(b":")) {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend(value.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }));
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn write(stream: Stream, out: &mut Output<'_>) {
    let Stream { began, request_over, response_over, cut, mut tx } = stream;
    let both = tx.method.is_some() && tx.status_code.is_some();
    tx.complete = both && request_over && response_over && !cut;
    out.record(began, *tx);
}

impl Parser for Http2 {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|r| !r.is_empty()) {
            if rest.starts_with(PREFACE) {
                self.client.get_or_insert(side);
                at += PREFACE.len();
                continue;
            }
            if PREFACE.starts_with(rest) {
                break;
            }
            let mut c = Cursor::new(rest);
            let (Some(length), Some(kind), Some(flags), Some(number)) = (c.u24(), c.u8(), c.u8(), c.u32())
            else {
                break;
            };
            let (length, number) = (length as usize, number & 0x7fff_ffff);
            if kind == frame::DATA {
                let padding = match c.rest().first() {
                    Some(padding) if flags & flag::PADDED != 0 => usize::from(*padding).saturating_add(1),
                    None if flags & flag::PADDED != 0 && length > 0 => break,
                    _ => 0,
                };
                let here = c.remaining().min(length);
                let beyond = length - here;
                self.count(side, number, |n| n.saturating_add(length.saturating_sub(padding) as u64), false);
                if flags & flag::END_STREAM != 0 {
                    self.ended(side, number, out);
                }
                if beyond > 0 {
                    self.half(side).skipping = number;
                    return Fed::Skip(beyond as u64);
                }
                at += FRAME_HEADER + length;
                continue;
            }
            if length > FRAME_CAP {
                return self.broken("a frame larger than any but data", out);
            }
            let Some(payload) = c.take(length) else { break };
            if !self.frame(side, kind, flags, number, payload, out) {
                return self.broken("a header block that cannot be read", out);
            }
            if kind == frame::GOAWAY && self.streams.is_empty() {
                return Fed::Done;
            }
            at += FRAME_HEADER + length;
        }
        Fed::Took(at)
    }

    fn gap(&mut self, _: Side, _: u64, out: &mut Output<'_>) -> Fed {
        self.finish(out);
        Fed::Done
    }

    fn unskipped(&mut self, side: Side, bytes: u64) {
        let number = self.half(side).skipping;
        self.count(side, number, |n| n.saturating_sub(bytes), true);
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for (_, stream) in std::mem::take(&mut self.streams) {
            write(stream, out);
        }
    }
}

#[cfg(test)]
mod tests;
