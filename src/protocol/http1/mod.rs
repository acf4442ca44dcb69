//! What was asked and answered over HTTP/1?
//!
//! RFC 9110 and RFC 9112. Requests and responses are paired in order, also pipelined, several to a flow; bodies are
//! counted and go to `files` as they pass. Either side may be missing, and a flow may begin in the middle. Told by the first line
//! of a message, on any port and from either end; a lone `GET /` without a version is HTTP/0.9 and has a body for its answer.
//! An upgrade to WebSocket or HTTP/2 is handed to their parsers.
//! Refuses: HTTP/2 (its preface is not taken), decoding of bodies, and guessing where the next message
//! begins after loss: it waits for a segment that starts with one.
//! Read `head` (grammar), then `exchange` (pairing), then `fields` and `record` (what is kept), then `transfer` and `body` (files).

mod body;
mod exchange;
pub(in crate::protocol) mod fields;
pub(in crate::protocol) mod head;
mod record;
mod said;
mod transfer;

pub use record::{Content, HTTP, HttpTransaction};

use super::clues::HOST_CLUES;
use super::credentials::CREDENTIALS;
use super::files::FILES;
use super::ntlm::NTLM;
use super::stratum;
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict, http2, websocket};
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::weird::{Detail, WeirdKind};
use exchange::Exchanges;
use head::{Body, Look, StartLine};

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "http",
    about: "HTTP/1 (RFC 9110, RFC 9112) and HTTP/0.9, by the first line of a request or a response.",
    transports: &[Transport::Tcp],
    ports: &[80, 8080, 8000, 8008, 8888, 3128],
    tables: &[&HTTP, &FILES, &CREDENTIALS, &NTLM, &HOST_CLUES, &stratum::TABLE],
    buffer_cap: HEAD_CAP,
    probe,
    parser: Some(|| Box::new(Http1::default())),
};

/// Longest head of a message that is parsed, bytes. Servers stop at 8 to 64 KiB; a longer one is stepped over and told as a
/// weird.
const HEAD_CAP: usize = 64 * 1024;

/// Bytes of an unfinished head that are kept for when its rest is lost (a snaplen of 96 to 400 bytes is common): enough
/// for the first line and the fields that name the host.
const RESCUE_CAP: usize = 2048;

fn probe(probe: &Probe<'_>) -> Verdict {
    let (orig, resp) = (head::look(probe.orig), head::look(probe.resp));
    match (orig, resp) {
        (Look::Request, _) | (_, Look::Request) => Verdict::Mine(95),
        (Look::Response, _) | (_, Look::Response) => Verdict::Mine(90),
        _ if head::simple_request(probe.orig).is_some() => Verdict::Mine(70),
        (Look::Unclear, _) | (_, Look::Unclear) => Verdict::NeedMore,
        (Look::Other, Look::Other) => Verdict::NotMine,
    }
}

/// What the next bytes of a side are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    /// A message begins, or the rest of its head comes; no end of it before this byte.
    #[default]
    Head,
    /// So many bytes of a body with a known length.
    Body(u64),
    /// The first line of a chunk.
    ChunkLine,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// Fields behind the last chunk.
    Trailer,
    /// A body that ends with the connection.
    UntilClose,
    /// A client that asked for another protocol: what it says next depends on the answer.
    Hold,
    /// Where we are is unknown.
    Lost,
}

/// One direction.
#[derive(Default, Debug)]
struct Half {
    state: State,
    /// Bytes of the head at hand that are known to hold no end.
    scanned: usize,
    /// The beginning of an unfinished head.
    rescue: Vec<u8>,
    /// When the first byte of the message at hand came.
    began: Option<At>,
    /// First bytes of the body at hand.
    sniff: Vec<u8>,
    /// Has its type been told?
    sniffed: bool,
    /// Are bytes of the message at hand missing?
    missing: bool,
    /// Bytes that the body at hand is said to have.
    declared: Option<u64>,
    /// The body at hand, from its first byte on.
    file: Option<Box<body::Body>>,
    /// The same bytes, of a body that is small and may say more.
    kept: Vec<u8>,
}

/// The parser of one flow.
#[derive(Default)]
struct Http1 {
    halves: [Half; 2],
    /// The client spoke HTTP/0.9: its answer is a body without a head.
    simple: bool,
    exchanges: Exchanges,
    /// What the connection became.
    became: Option<&'static str>,
}

/// What one step did.
enum Step {
    /// Took so many bytes; go on.
    Took(usize),
    /// Needs more than there is.
    Wait,
    /// Took all that was given, whatever it is.
    All,
    /// Done for this call.
    Return(Fed),
}

impl Parser for Http1 {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
            match self.step(side, rest, out) {
                Step::Took(n) => at += n.min(rest.len()),
                Step::Wait => break,
                Step::All => return Fed::Took(data.len()),
                Step::Return(Fed::Switch(n)) => return Fed::Switch(at + n),
                Step::Return(fed) => return fed,
            }
        }
        Fed::Took(at)
    }

    fn gap(&mut self, side: Side, missing: u64, out: &mut Output<'_>) -> Fed {
        let half = self.half(side);
        match half.state {
            State::Body(left) if missing <= left => half.state = State::Body(left - missing),
            State::Chunk(left) if missing <= left => half.state = State::Chunk(left - missing),
            State::UntilClose => {}
            State::Hold | State::Lost => return Fed::Took(0),
            _ => {
                self.lose(side, out);
                return Fed::Took(0);
            }
        }
        half.missing = true;
        // A type told from the middle of a body would be a guess.
        half.sniffed |= half.sniff.is_empty();
        let over = half.state == State::Body(0);
        self.file(side, out).gap(missing);
        if over {
            self.end_message(side, out);
        }
        Fed::Took(0)
    }

    fn unskipped(&mut self, side: Side, bytes: u64) {
        let is_client = self.is_client(side);
        self.half(side).missing = true;
        if let Some(file) = &mut self.half(side).file {
            file.unskipped(bytes);
        }
        if let Some(content) = self.exchanges.content(is_client) {
            content.body_len = content.body_len.saturating_sub(bytes);
        }
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for side in [Side::Orig, Side::Resp] {
            self.rescue(side, out);
            match self.half(side).state {
                // A skipped body ends here, a body without a length with its connection.
                State::UntilClose | State::Body(0) => self.end_message(side, out),
                _ => {
                    self.name_type(side);
                    self.end_file(side, false, out);
                }
            }
        }
        self.exchanges.finish(out);
    }

    fn service(&self) -> Option<&'static str> {
        self.became
    }
}

impl Http1 {
    fn half(&mut self, side: Side) -> &mut Half {
        let [orig, resp] = &mut self.halves;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    fn is_client(&self, side: Side) -> bool {
        self.exchanges.client.unwrap_or(Side::Orig) == side
    }

    /// One step over bytes that are there; `rest` is not empty.
    fn step(&mut self, side: Side, rest: &[u8], out: &mut Output<'_>) -> Step {
        match self.half(side).state {
            State::Head => self.message(side, rest, out),
            State::Body(left) => self.body(side, rest, left, out),
            State::Chunk(left) => self.body(side, rest, left, out),
            State::UntilClose => {
                self.content(side, rest, rest.len() as u64, out);
                Step::Took(rest.len())
            }
            State::ChunkLine => self.chunk_line(side, rest, out),
            State::ChunkEnd => {
                let taken = match rest {
                    [b'\r', b'\n', ..] => 2,
                    [b'\n', ..] => 1,
                    [b'\r'] => return Step::Wait,
                    _ => return self.broken(side, "no line end behind a chunk", out),
                };
                self.half(side).state = State::ChunkLine;
                Step::Took(taken)
            }
            State::Trailer => self.trailer(side, rest, out),
            State::Hold => Step::Wait,
            State::Lost => {
                // Only the start of a segment can be the start of a message.
                let seen = head::look(rest);
                let ours = match self.exchanges.client {
                    Some(client) => seen == if client == side { Look::Request } else { Look::Response },
                    None => matches!(seen, Look::Request | Look::Response),
                };
                if ours {
                    *self.half(side) = Half::default();
                    Step::Took(0)
                } else {
                    Step::All
                }
            }
        }
    }

    /// The head of a message.
    fn message(&mut self, side: Side, rest: &[u8], out: &mut Output<'_>) -> Step {
        let half = self.half(side);
        if half.scanned == 0 {
            let blank = head::blank_lines(rest);
            if blank > 0 {
                return Step::Took(blank);
            }
            if head::look(rest) == Look::Other {
                if let Some((method, target)) =
                    head::simple_request(rest).filter(|_| self.exchanges.is_untouched())
                {
                    self.exchanges.client = Some(side);
                    self.simple = true;
                    self.exchanges.request(out.at, method, target, (0, 9), head::Fields::new(b""), out);
                    self.begin_body(side, Body::None, out);
                    return Step::All;
                }
                if self.simple && !self.is_client(side) {
                    self.half(side).state = State::UntilClose;
                    return Step::Took(0);
                }
                return self.not_a_message(side, out);
            }
        }
        let half = self.half(side);
        half.began.get_or_insert(out.at);
        let Some(end) = head::end(rest, half.scanned) else {
            // The last three bytes may be the beginning of the end.
            half.scanned = rest.len().saturating_sub(3).max(1);
            if rest.len() < HEAD_CAP {
                if half.rescue.len() < RESCUE_CAP {
                    half.rescue.clear();
                    half.rescue.extend_from_slice(rest.get(..RESCUE_CAP).unwrap_or(rest));
                }
                return Step::Wait;
            }
            out.weird(WeirdKind::HttpHeaderTooLarge, Detail::Number(rest.len() as u64));
            self.lose(side, out);
            return Step::All;
        };
        half.scanned = 0;
        half.rescue = Vec::new();
        let head = rest.get(..end).unwrap_or(rest);
        let Some(line) = head::first_line(head).and_then(head::start_line) else {
            return self.not_a_message(side, out);
        };
        let fields = head.iter().position(|b| *b == b'\n').and_then(|lf| head.get(lf + 1..)).unwrap_or(&[]);
        let fields = head::Fields::new(fields);
        let sender = match line {
            StartLine::Request { .. } => side,
            StartLine::Response { .. } => side.other(),
        };
        if *self.exchanges.client.get_or_insert(sender) != sender {
            return self.broken(side, "a message of the other side's kind", out);
        }
        let began = self.half(side).began.take().unwrap_or(out.at);
        match line {
            StartLine::Request { method, target, version } => {
                let opened = self.exchanges.request(began, method, target, version, fields, out);
                self.begin_body(side, opened.body, out);
                if opened.may_switch && self.half(side).state == State::Head {
                    self.half(side).state = State::Hold;
                }
            }
            StartLine::Response { version, status, reason } => {
                let answered = self.exchanges.response(began, version, status, reason, fields, out);
                if answered.switched {
                    if status == 101 {
                        self.upgraded(fields, out);
                    }
                    self.exchanges.finish(out);
                    return Step::Return(Fed::Switch(end));
                }
                if answered.interim {
                    return Step::Took(end);
                }
                // The client was refused: it goes on in HTTP.
                let client = self.half(side.other());
                if client.state == State::Hold {
                    client.state = State::Head;
                }
                self.begin_body(side, answered.body, out);
            }
        }
        Step::Took(end)
    }

    /// Both sides agreed on another protocol (RFC 9110 section 7.8); those that are known get their parser.
    fn upgraded(&mut self, answer: head::Fields<'_>, out: &mut Output<'_>) {
        let Some(asked) = self.exchanges.switched() else { return };
        let named = answer.into_iter().find(|f| f.name.eq_ignore_ascii_case(b"upgrade"));
        let named = named.map(|f| f.value).or(asked.upgrade.as_deref().map(str::as_bytes)).unwrap_or(&[]);
        if named.eq_ignore_ascii_case(b"websocket") {
            let parser = websocket::WebSocket::agreed(asked, answer);
            out.next(&websocket::PROTOCOL, Box::new(parser));
            self.became = Some(websocket::PROTOCOL.name);
        } else if named.eq_ignore_ascii_case(b"h2c") {
            let parser = http2::Http2::upgraded(asked, out.at);
            out.next(&http2::PROTOCOL, Box::new(parser));
            self.became = Some(http2::PROTOCOL.name);
        }
    }

    /// The rest of a head is lost: keep what its complete lines say. False when there are none.
    fn rescue(&mut self, side: Side, out: &mut Output<'_>) -> bool {
        let half = self.half(side);
        let kept = std::mem::take(&mut half.rescue);
        let began = half.began.unwrap_or(out.at);
        let Some(line_end) = memchr::memchr(b'\n', &kept) else {
            return self.rescue_target(side, began, &kept, out);
        };
        let Some(line) = head::first_line(&kept).and_then(head::start_line) else { return false };
        // The last line may be cut inside a value.
        let end = memchr::memrchr(b'\n', &kept).unwrap_or(line_end);
        let fields = head::Fields::new(kept.get(line_end + 1..=end).unwrap_or(&[]));
        let sender = match line {
            StartLine::Request { .. } => side,
            StartLine::Response { .. } => side.other(),
        };
        if *self.exchanges.client.get_or_insert(sender) != sender {
            return false;
        }
        *self.half(side) = Half { state: State::Lost, ..Half::default() };
        match line {
            StartLine::Request { method, target, version } => {
                self.exchanges.request(began, method, target, version, fields, out);
            }
            StartLine::Response { version, status, reason } => {
                let answered = self.exchanges.response(began, version, status, reason, fields, out);
                if answered.interim || answered.switched {
                    return true;
                }
            }
        }
        self.exchanges.end(self.is_client(side), false, out);
        true
    }

    /// Not even the first line came whole: what was asked for, as far as it was seen.
    fn rescue_target(&mut self, side: Side, began: At, kept: &[u8], out: &mut Output<'_>) -> bool {
        let Some((method, target)) = head::cut_request(kept) else { return false };
        if *self.exchanges.client.get_or_insert(side) != side {
            return false;
        }
        *self.half(side) = Half { state: State::Lost, ..Half::default() };
        self.exchanges.request(began, method, target, (1, 1), head::Fields::new(b""), out);
        self.exchanges.end(true, false, out);
        true
    }

    /// The message at hand is over.
    fn end_message(&mut self, side: Side, out: &mut Output<'_>) {
        self.name_type(side);
        self.end_file(side, true, out);
        let half = std::mem::take(self.half(side));
        if !half.kept.is_empty() {
            let is_client = self.is_client(side);
            self.exchanges.said(is_client, &half.kept, out);
        }
        self.exchanges.end(self.is_client(side), !half.missing, out);
    }

    /// No message where one should begin.
    fn not_a_message(&mut self, side: Side, out: &mut Output<'_>) -> Step {
        if self.exchanges.is_untouched() {
            // The other side may be what the probe went by.
            let half = self.half(side);
            half.state = State::Lost;
            let both = self.halves.iter().all(|h| h.state == State::Lost);
            return if both { Step::Return(Fed::NotMine) } else { Step::All };
        }
        self.broken(side, "no message where one should begin", out)
    }

    fn broken(&mut self, side: Side, why: &'static str, out: &mut Output<'_>) -> Step {
        out.weird(WeirdKind::HttpMalformed, Detail::Text(why.into()));
        self.lose(side, out);
        Step::All
    }

    /// Where this side is, is unknown: end what was at hand and wait for the start of a message.
    fn lose(&mut self, side: Side, out: &mut Output<'_>) {
        if self.rescue(side, out) {
            return;
        }
        let is_client = self.is_client(side);
        let was_head = self.half(side).state == State::Head;
        self.name_type(side);
        self.end_file(side, false, out);
        *self.half(side) = Half { state: State::Lost, ..Half::default() };
        if !was_head {
            self.exchanges.end(is_client, false, out);
        } else if !is_client {
            // The answer to the oldest request is what was most likely lost; pairing the next answer with it would
            // shift all that follow.
            self.exchanges.answer_lost(out);
        }
    }
}

#[cfg(test)]
mod tests;
