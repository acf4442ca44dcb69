//! Which resource of which small device was asked for over CoAP?
//!
//! CoAP (RFC 7252) over UDP. One row is one request with its response, also when that comes separately (section 5.2.2); equal GETs are counted
//! (see [`super::polling`]), everything that changes a resource is a row of its own. Refuses payloads, and CoAP inside DTLS.

use super::polling::{self, Polls, Repeated, Repeats, Waiting, seconds};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::{hex, printable};

/// Bytes of a path or query that are kept.
const MAX_TEXT: usize = 256;

/// Datagrams are not kept; this is what one may hold.
const MAX_MESSAGE: usize = 64 << 10;

/// The usual port, and those that 6LoWPAN can write in four bits (RFC 7252 section 12.8).
const PORTS: &[u16] = &[
    5683, 61616, 61617, 61618, 61619, 61620, 61621, 61622, 61623, 61624, 61625, 61626, 61627, 61628, 61629,
    61630, 61631,
];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "coap",
    about: "CoAP (RFC 7252); told by version, a known code and options that can be walked, on its port.",
    transports: &[Transport::Udp],
    ports: PORTS,
    tables: &[&TABLE],
    buffer_cap: MAX_MESSAGE,
    probe,
    parser: Some(|| Box::<Coap>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let looks = |d: &[u8]| read(d).is_some();
    if p.on_port(PORTS) && (looks(p.orig) || looks(p.resp)) { Verdict::Mine(80) } else { Verdict::NotMine }
}

/// A message whose options could be walked to their end.
struct Message<'a> {
    /// 0 confirmable, 1 not, 2 acknowledgement, 3 reset.
    kind: u8,
    code: u8,
    id: u16,
    token: &'a [u8],
    path: String,
    query: String,
    content_format: Option<u16>,
}

/// The part of a delta or length behind its half byte (section 3.1).
fn extended(c: &mut Cursor<'_>, nibble: u8) -> Option<usize> {
    match nibble {
        13 => Some(usize::from(c.u8()?) + 13),
        14 => Some(usize::from(c.u16()?) + 269),
        15 => None,
        n => Some(usize::from(n)),
    }
}

fn read(d: &[u8]) -> Option<Message<'_>> {
    let mut c = Cursor::new(d);
    let (first, code, id) = (c.u8()?, c.u8()?, c.u16()?);
    // Classes 0 (requests), 2, 4 and 5; an empty message is four bytes alone.
    let known = matches!(code, 0..=7 | 0x40..=0x5f | 0x80..=0x9f | 0xa0..=0xbf);
    if first >> 6 != 1 || first & 0x0f > 8 || !known || (code == 0 && d.len() != 4) {
        return None;
    }
    let token = c.take(usize::from(first & 0x0f))?;
    let kind = first >> 4 & 3;
    let mut m =
        Message { kind, code, id, token, path: String::new(), query: String::new(), content_format: None };
    let mut number = 0_usize;
    while let Some(head) = c.u8() {
        if head == 0xff {
            // The marker announces a payload, and then there is one.
            return (!c.is_empty()).then_some(m);
        }
        number = number.checked_add(extended(&mut c, head >> 4)?)?;
        let len = extended(&mut c, head & 0x0f)?;
        let value = c.take(len)?;
        let add = |text: &mut String, mark: char| {
            if text.len() < MAX_TEXT {
                if mark == '/' || !text.is_empty() {
                    text.push(mark);
                }
                text.push_str(&printable(value, MAX_TEXT));
            }
        };
        match number {
            11 => add(&mut m.path, '/'),
            15 => add(&mut m.query, '&'),
            12 if value.len() <= 2 => {
                m.content_format = Some(value.iter().fold(0, |n, b| n << 8 | u16::from(*b)))
            }
            _ => {}
        }
    }
    Some(m)
}

fn method_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "GET",
        2 => "POST",
        3 => "PUT",
        4 => "DELETE",
        5 => "FETCH",
        6 => "PATCH",
        7 => "iPATCH",
        _ => return None,
    })
}

/// One request with its response.
#[derive(Clone, Debug)]
pub struct CoapRecord {
    /// Did the originator of the flow send the request?
    pub from_orig: bool,
    /// Method code; `None` when only the response was seen.
    pub method: Option<u8>,
    /// Path with its slashes.
    pub path: Option<String>,
    /// Query.
    pub query: Option<String>,
    /// Token, hexadecimal.
    pub token: Option<String>,
    /// Did the request ask for an acknowledgement?
    pub confirmable: bool,
    /// Content format of the response.
    pub content_format: Option<u16>,
    /// Response code.
    pub response: Option<u8>,
    /// Nanoseconds to the response.
    pub rtt: Option<i64>,
    /// How often.
    pub repeats: Repeats,
}

impl CoapRecord {
    /// Does it change the resource?
    pub fn is_write(&self) -> bool {
        matches!(self.method, Some(2..=4 | 6 | 7))
    }
}

impl Repeated for CoapRecord {
    fn repeats(&mut self) -> &mut Repeats {
        &mut self.repeats
    }
}

/// Requests.
pub static TABLE: Table = Table::record(
    "coap",
    "One row is one CoAP request with its response, or many equal readings of one flow.",
    &[
        col("from_orig", T::Bool, "", "Was the request sent by the originator of the flow?"),
        col("method", T::Text, "", "Method; NULL when only the response was seen."),
        polling::IS_WRITE,
        col("path", T::Text, "", "Path of the resource; NULL without."),
        col("query", T::Text, "", "Query; NULL without."),
        col("token", T::Text, "", "Token that the response repeats, hexadecimal; NULL without."),
        col("confirmable", T::Bool, "", "Did the request, or else the response, ask to be acknowledged?"),
        col(
            "content_format",
            T::U16,
            "",
            "Number of the response's content format, such as 50 for JSON; NULL without.",
        ),
        col(
            "response_code",
            T::Text,
            "",
            "Code of the response as class.detail, such as 2.05; NULL when none was seen.",
        ),
        polling::RTT,
        polling::COUNT,
        polling::LAST_TS,
    ],
);

impl Record for CoapRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.bool(self.from_orig)
            .opt_text(self.method.and_then(method_name))
            .bool(self.is_write())
            .opt_text(self.path.as_deref())
            .opt_text(self.query.as_deref())
            .opt_text(self.token.as_deref())
            .bool(self.confirmable)
            .opt_u16(self.content_format)
            .opt_text(self.response.map(|c| format!("{}.{:02}", c >> 5, c & 0x1f)).as_deref())
            .opt_f64(self.rtt.map(seconds))
            .u32(self.repeats.count)
            .time(self.repeats.last);
    }
}

/// What a response repeats: who asked, and the token; without a token its message id.
#[derive(PartialEq)]
struct Key {
    from_orig: bool,
    token: Option<String>,
    id: Option<u16>,
}

impl Key {
    fn new(from_orig: bool, m: &Message<'_>) -> Self {
        let token = (!m.token.is_empty()).then(|| hex(m.token));
        let id = token.is_none().then_some(m.id);
        Self { from_orig, token, id }
    }
}

/// What makes two readings equal.
type Reading = (bool, Option<u8>, Option<String>, Option<String>, Option<u8>);

/// The state of one flow.
#[derive(Default)]
struct Coap {
    waiting: Waiting<Key, CoapRecord>,
    polls: Polls<Reading, CoapRecord>,
}

impl Coap {
    fn write(&mut self, began: At, row: CoapRecord, out: &mut Output<'_>) {
        if row.is_write() {
            out.record(began, row);
            return;
        }
        let key = (row.from_orig, row.method, row.path.clone(), row.query.clone(), row.response);
        self.polls.reading(key, began, row, out);
    }

    fn message(&mut self, side: Side, m: &Message<'_>, out: &mut Output<'_>) {
        let from_orig = side == Side::Orig;
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let mut row = CoapRecord {
            from_orig,
            method: None,
            path: some(&m.path),
            query: some(&m.query),
            token: (!m.token.is_empty()).then(|| hex(m.token)),
            confirmable: m.kind == 0,
            content_format: None,
            response: None,
            rtt: None,
            repeats: Repeats::once(out.at),
        };
        match m.code {
            // Acknowledgements and resets alone.
            0 => {}
            1..=7 => {
                row.method = Some(m.code);
                let key = Key::new(from_orig, m);
                // Sent again, while it waits: the first one counts.
                let again = self
                    .waiting
                    .find(&key)
                    .is_some_and(|(_, r)| r.path == row.path && r.method == row.method);
                if again {
                    return;
                }
                if let Some((began, old)) = self.waiting.put(key, row, out) {
                    self.write(began, old, out);
                }
            }
            code => {
                let mut began = out.at;
                row.from_orig = !from_orig;
                if let Some((at, asked)) = self.waiting.take(&Key::new(!from_orig, m)) {
                    (began, row) = (at, asked);
                    row.rtt = Some(out.at.ts.since(at.ts));
                }
                (row.response, row.content_format) = (Some(code), m.content_format);
                self.write(began, row, out);
            }
        }
    }
}

impl Parser for Coap {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        if let Some(m) = read(data) {
            self.message(side, &m, out);
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        Fed::Took(0) // datagrams have none
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for (began, row) in self.waiting.drain() {
            self.write(began, row, out);
        }
        self.polls.finish(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{Bench, orig, resp};

    /// GET /temp?u=c, confirmable, token 20 (after RFC 7252 figure 16).
    const GET: &[u8] = b"\x41\x01\x7d\x35\x20\xb4temp\x43u=c";
    const SOON: &[u8] = b"\x60\0\x7d\x35";
    const VALUE: &[u8] = b"\x41\x45\xaa\x01\x20\xc1\x32\xff22.3";
    const PUT: &[u8] = b"\x40\x03\0\x09\xb1x\xff1";
    const CHANGED: &[u8] = b"\x60\x44\0\x09";

    #[test]
    fn readings_separate_responses_and_writes() {
        let mut sent = Vec::new();
        for _ in 0..5 {
            sent.extend([orig(GET), resp(SOON), orig(GET), resp(VALUE), orig(PUT), resp(CHANGED)]);
        }
        let run = Bench::udp(5683).run(&sent);
        let rows = run.records::<CoapRecord>();
        let (writes, reads): (Vec<&CoapRecord>, Vec<_>) = rows.into_iter().partition(|r| r.is_write());
        assert_eq!((run.service, run.faults, writes.len()), (Some("coap"), 0, 5));
        assert_eq!(reads.iter().map(|r| r.repeats.count).collect::<Vec<_>>(), [1, 1, 1, 2]);
        let r = reads[0];
        assert_eq!(
            (r.path.as_deref(), r.query.as_deref(), r.token.as_deref()),
            (Some("/temp"), Some("u=c"), Some("20"))
        );
        assert_eq!((r.response, r.content_format, r.rtt), (Some(0x45), Some(50), Some(3_000_000)));
        assert_eq!(
            (writes[0].path.as_deref(), writes[0].response, writes[0].rtt),
            (Some("/x"), Some(0x44), Some(1_000_000))
        );
    }

    #[test]
    fn prefixes_survive_and_other_ports_are_not_taken() {
        for end in 0..GET.len() {
            assert_eq!(Bench::udp(5683).run(&[orig(&GET[..end]), resp(&VALUE[..end.min(12)])]).faults, 0);
        }
        assert_eq!(Bench::udp(4242).run(&[orig(GET)]).service, None);
    }
}
