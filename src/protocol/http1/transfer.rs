//! How long is a body, what is it, and where do its bytes go?
//!
//! RFC 9112 sections 6 and 7: a length, chunks, or the end of the connection. Bytes are counted, the first ones tell the type, and
//! all go to `body` until nobody is curious any more. Refuses: fields behind the last chunk, and extensions of chunks.

use super::head::{self, Body};
use super::{Http1, State, Step, body, said};
use crate::model::flow::Side;
use crate::protocol::sniff::{SNIFF_LEN, sniff};
use crate::protocol::{Fed, Output};

/// Longest first line of a chunk with its extensions, bytes; real ones have below 20.
const CHUNK_LINE_CAP: usize = 4096;

impl Http1 {
    pub(super) fn begin_body(&mut self, side: Side, body: Body, out: &mut Output<'_>) {
        let half = self.half(side);
        half.sniffed = false;
        half.sniff.clear();
        half.declared = if let Body::Length(n) = body { Some(n) } else { None };
        half.state = match body {
            Body::None => return self.end_message(side, out),
            Body::Length(n) => State::Body(n),
            Body::Chunked => State::ChunkLine,
            Body::UntilClose => State::UntilClose,
        };
    }

    /// Bytes of a body, or of one chunk of it.
    pub(super) fn body(&mut self, side: Side, rest: &[u8], left: u64, out: &mut Output<'_>) -> Step {
        let chunked = matches!(self.half(side).state, State::Chunk(_));
        let here = left.min(rest.len() as u64);
        self.content(side, rest.get(..here as usize).unwrap_or(rest), here, out);
        let left = left - here;
        if left == 0 {
            if chunked {
                self.half(side).state = State::ChunkEnd;
            } else {
                self.end_message(side, out);
            }
            return Step::Took(here as usize);
        }
        // Past what is hashed, nothing in it is of interest; `unskipped` corrects the count if it does not come.
        let half = self.half(side);
        let curious = !half.sniffed || half.file.as_ref().is_none_or(|f| f.is_curious());
        let skip = if curious { 0 } else { left };
        if let Some(file) = &mut half.file {
            file.skipped(skip);
        }
        self.content(side, &[], skip, out);
        self.half(side).state = if chunked { State::Chunk(left - skip) } else { State::Body(left - skip) };
        if skip > 0 { Step::Return(Fed::Skip(skip)) } else { Step::All }
    }

    pub(super) fn chunk_line(&mut self, side: Side, rest: &[u8], out: &mut Output<'_>) -> Step {
        let Some(line) = head::first_line(rest.get(..CHUNK_LINE_CAP).unwrap_or(rest)) else {
            let long = rest.len() >= CHUNK_LINE_CAP;
            return if long { self.broken(side, "a chunk without a size", out) } else { Step::Wait };
        };
        let Some(size) = head::chunk_size(line.trim_ascii()) else {
            return self.broken(side, "a chunk without a size", out);
        };
        self.half(side).state = if size == 0 { State::Trailer } else { State::Chunk(size) };
        Step::Took(memchr::memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1))
    }

    /// Fields behind the last chunk, up to an empty line. None of them is kept.
    pub(super) fn trailer(&mut self, side: Side, rest: &[u8], out: &mut Output<'_>) -> Step {
        let taken = match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => match memchr::memchr(b'\n', rest) {
                Some(lf) => return Step::Took(lf + 1),
                None if rest.len() >= CHUNK_LINE_CAP => return self.broken(side, "an endless trailer", out),
                None => return Step::Wait,
            },
        };
        self.end_message(side, out);
        Step::Took(taken)
    }

    /// The body at hand, whose first byte may be this one.
    pub(super) fn file(&mut self, side: Side, out: &mut Output<'_>) -> &mut body::Body {
        let is_client = self.is_client(side);
        let [orig, resp] = &mut self.halves;
        let half = match side {
            Side::Orig => orig,
            Side::Resp => resp,
        };
        let declared = half.declared;
        let exchanges = &self.exchanges;
        half.file.get_or_insert_with(|| body::Body::new(side, exchanges.announced(is_client), declared, out))
    }

    pub(super) fn end_file(&mut self, side: Side, whole: bool, out: &mut Output<'_>) {
        if let Some(file) = self.half(side).file.take() {
            file.finish(whole, out);
        }
    }

    /// Count body bytes; the first ones tell its type.
    pub(super) fn content(&mut self, side: Side, bytes: &[u8], len: u64, out: &mut Output<'_>) {
        let is_client = self.is_client(side);
        if !bytes.is_empty() {
            self.file(side, out).data(bytes, out);
        }
        let room = said::KEEP.saturating_sub(self.half(side).kept.len());
        if room > 0 && !bytes.is_empty() && self.exchanges.keeps(is_client) {
            self.half(side).kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        let half = self.half(side);
        if !half.sniffed {
            let room = SNIFF_LEN.saturating_sub(half.sniff.len());
            half.sniff.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        let full = half.sniff.len() >= SNIFF_LEN;
        if let Some(content) = self.exchanges.content(is_client) {
            content.body_len = content.body_len.saturating_add(len);
            if is_client {
                content.keep_head(bytes);
            }
        }
        if full {
            self.name_type(side);
        }
    }

    pub(super) fn name_type(&mut self, side: Side) {
        let is_client = self.is_client(side);
        let half = self.half(side);
        let kind = if half.sniffed { None } else { sniff(&half.sniff) };
        half.sniffed = true;
        half.sniff = Vec::new();
        if let (Some(kind), Some(content)) = (kind, self.exchanges.content(is_client)) {
            content.mime = Some(kind);
        }
    }
}
