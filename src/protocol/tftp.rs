//! Which files were fetched or left without a password?
//!
//! TFTP (RFC 1350) with its options (RFC 2347, RFC 2348, RFC 2349, RFC 7440). The server answers from a port of its own, so a transfer is two
//! flows: the request announces the other one, and both share what is known. The row is written where the transfer ends; a request
//! that nobody answers writes it itself. Content goes by [`FileWatch`].
//!
//! Refuses to undo netascii: such a file is hashed as it crossed the wire.

use super::files::{FILES, FileWatch, MAX_NAME};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::be16;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of a full block unless another size is agreed (RFC 1350 section 5).
const BLOCK: usize = 512;

/// Longest error text in bytes that is kept.
const MAX_TEXT: usize = 255;

/// Options of one request that are looked at; five are defined.
const MAX_OPTIONS: usize = 16;

/// The port of requests.
const PORTS: &[u16] = &[69];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "tftp",
    about: "TFTP (RFC 1350); told by a request with a file name and a transfer mode, or a block with its acknowledgement.",
    transports: &[Transport::Udp],
    ports: PORTS,
    tables: &[&TABLE, &FILES],
    buffer_cap: 1,
    probe,
    parser: Some(|| Box::<Requests>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    if Request::read(p.orig).is_some() {
        return Verdict::Mine(90);
    }
    // A transfer whose request went over another flow that was not captured: a block and the acknowledgement of its number.
    let block = |d: &[u8]| matches!(d, [0, 3, _, _, ..]) && d.len() <= 4 + BLOCK;
    let confirms = |data: &[u8], ack: &[u8]| {
        block(data) && matches!(ack, [0, 4, _, _]) && data.get(2..4) == ack.get(2..4)
    };
    match (p.orig, p.resp) {
        (d, []) if block(d) && d.len() > 4 || matches!(d, [0, 4, 0, 0 | 1]) => Verdict::NeedMore,
        (a, b) if confirms(a, b) || confirms(b, a) => Verdict::Mine(75),
        ([0, 4, 0, 0], b) if block(b) && b.get(2..4) == Some(&[0, 1]) => Verdict::Mine(75),
        _ => Verdict::NotMine,
    }
}

/// Kinds of packet (RFC 1350 section 5, RFC 2347).
mod op {
    pub(super) const READ: u16 = 1;
    pub(super) const WRITE: u16 = 2;
    pub(super) const DATA: u16 = 3;
    pub(super) const ACK: u16 = 4;
    pub(super) const ERROR: u16 = 5;
    pub(super) const OPTIONS: u16 = 6;
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    write: bool,
    name: String,
    mode: &'static str,
    size: Option<u64>,
}

/// Texts that end with a zero each.
fn texts(d: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = d.iter().rposition(|b| *b == 0).and_then(|end| d.get(..end)).unwrap_or(&[]);
    whole.split(|b| *b == 0)
}

/// The number of an option.
fn option(d: &[u8], name: &str) -> Option<u64> {
    let mut parts = texts(d).take(MAX_OPTIONS * 2);
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        if key.eq_ignore_ascii_case(name.as_bytes()) {
            return std::str::from_utf8(value).ok()?.parse().ok();
        }
    }
    None
}

impl Request {
    /// Kind, name, mode, options.
    fn read(d: &[u8]) -> Option<Self> {
        let kind = be16(d, 0).filter(|k| matches!(*k, op::READ | op::WRITE))?;
        let body = d.get(2..)?;
        let mut parts = texts(body);
        let (name, mode) = (parts.next()?, parts.next()?);
        let known = ["netascii", "octet", "mail"];
        let mode = known.into_iter().find(|m| mode.eq_ignore_ascii_case(m.as_bytes()))?;
        let text = !name.is_empty() && name.iter().all(|b| !b.is_ascii_control());
        let behind = body.get(name.len() + mode.len() + 2..).unwrap_or(&[]);
        text.then(|| Self {
            write: kind == op::WRITE,
            name: printable(name, MAX_NAME),
            mode,
            // A reader asks with 0 (RFC 2349 section 3).
            size: option(behind, "tsize").filter(|n| *n > 0 || kind == op::WRITE),
        })
    }
}

/// A request and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TftpRecord {
    /// Was the file written to the server?
    pub write: bool,
    /// File.
    pub name: String,
    /// Mode.
    pub mode: &'static str,
    /// Did anybody answer?
    pub answered: bool,
    /// Did the last block come?
    pub complete: bool,
    /// Bytes of content seen.
    pub seen_bytes: u64,
    /// Size that was announced, bytes.
    pub declared_bytes: Option<u64>,
    /// Bytes of a full block.
    pub block_bytes: Option<u32>,
    /// Error that ended it.
    pub error_code: Option<u16>,
    /// Its words.
    pub error: Option<String>,
}

/// Requests.
pub static TABLE: Table = Table::record(
    "tftp",
    "One row is one TFTP request and how it ended. It belongs to the flow of the transfer, or to that of the request when no transfer came.",
    &[
        col("operation", T::Text, "", "read (the client fetches) or write (it leaves a file)."),
        col("file", T::Text, "", "Name of the file."),
        col("mode", T::Text, "", "octet (bytes), netascii (text) or mail."),
        col("answered", T::Bool, "", "Did the server answer?"),
        col("complete", T::Bool, "", "Did the last block come?"),
        col("seen_bytes", T::U64, "bytes", "Content that was seen."),
        col("declared_bytes", T::U64, "bytes", "Size that was announced (tsize); NULL when it was not."),
        col("block_bytes", T::U32, "bytes", "Size of a full block; NULL when nobody answered."),
        col(
            "error_code",
            T::U16,
            "",
            "Error: 1 not found, 2 access violation, 3 disk full …; NULL without one.",
        ),
        col("error", T::Text, "", "Words of the error; NULL without one."),
    ],
);

impl Record for TftpRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(if self.write { "write" } else { "read" })
            .text(&self.name)
            .text(self.mode)
            .bool(self.answered)
            .bool(self.complete)
            .u64(self.seen_bytes)
            .opt_u64(self.declared_bytes)
            .opt_u32(self.block_bytes)
            .opt_u16(self.error_code)
            .opt_text(self.error.as_deref());
    }
}

/// One transfer, whichever flow it runs over.
struct Transfer {
    began: At,
    request: Request,
    /// Has a flow of its own begun? The flow of the request looks at it when it ends.
    elsewhere: Arc<AtomicBool>,
    answered: bool,
    /// Who sends the file.
    sender: Side,
    block: usize,
    declared: Option<u64>,
    /// Number of the next block.
    next: u16,
    file: Option<FileWatch>,
    seen: u64,
    complete: bool,
    error: Option<(u16, String)>,
    written: bool,
}

impl Transfer {
    /// `client`: the side of the client on the flow that the transfer runs over.
    fn new(began: At, request: Request, elsewhere: Arc<AtomicBool>, client: Side) -> Self {
        let sender = if request.write { client } else { client.other() };
        Self {
            began,
            declared: request.size,
            request,
            elsewhere,
            answered: false,
            sender,
            block: BLOCK,
            next: 1,
            file: None,
            seen: 0,
            complete: false,
            error: None,
            written: false,
        }
    }

    fn packet(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) {
        let Some(kind) = be16(data, 0) else { return };
        let body = data.get(2..).unwrap_or(&[]);
        match kind {
            op::DATA if side == self.sender => self.data(body, out),
            op::ACK | op::DATA => {}
            op::ERROR => {
                let words = body.get(2..).unwrap_or(&[]);
                let end = words.iter().position(|b| *b == 0).unwrap_or(words.len());
                let words = printable(words.get(..end).unwrap_or(words), MAX_TEXT);
                self.error = be16(body, 0).map(|code| (code, words));
            }
            op::OPTIONS => {
                // RFC 2348 allows 8 to 65,464 bytes.
                if let Some(size) = option(body, "blksize").filter(|n| (8..=65_464).contains(n)) {
                    self.block = size as usize;
                }
                self.declared = option(body, "tsize").or(self.declared);
            }
            _ => {
                out.weird(WeirdKind::TftpMalformed, Detail::Number(kind.into()));
                return;
            }
        }
        self.answered = true;
    }

    /// A block: its number and up to `block` bytes. Numbers begin at 1 and wrap around.
    fn data(&mut self, body: &[u8], out: &mut Output<'_>) {
        let (Some(number), Some(content)) = (be16(body, 0), body.get(2..)) else { return };
        let ahead = number.wrapping_sub(self.next);
        // A block that was sent again, or that comes late; half of the numbers lie behind.
        if ahead >= 0x8000 || self.complete {
            return;
        }
        let name = Some(self.request.name.clone());
        let (sender, declared) = (self.sender, self.declared);
        let file = self
            .file
            .get_or_insert_with(|| FileWatch::new(PROTOCOL.name, sender, out, name).declared(None, declared));
        if ahead > 0 {
            file.gap(u64::from(ahead).saturating_mul(self.block as u64));
        }
        file.data(out.at, content);
        self.seen = self.seen.saturating_add(content.len() as u64);
        self.next = number.wrapping_add(1);
        self.complete = content.len() < self.block;
    }

    /// Is nothing more to come?
    fn over(&self) -> bool {
        self.complete || self.error.is_some()
    }

    /// Write the row, once, and the file.
    fn finish(&mut self, out: &mut Output<'_>) {
        if std::mem::replace(&mut self.written, true) {
            return;
        }
        if let Some(file) = self.file.take() {
            file.finish(self.complete, out);
        }
        let (error_code, error) = self.error.take().unzip();
        let record = TftpRecord {
            write: self.request.write,
            name: self.request.name.clone(),
            mode: self.request.mode,
            answered: self.answered,
            complete: self.complete,
            seen_bytes: self.seen,
            declared_bytes: self.declared,
            block_bytes: self.answered.then_some(self.block as u32),
            error_code,
            error,
        };
        out.record(self.began, record);
    }
}

/// The flow of the requests, to the server's known port. Some servers answer from that port too.
#[derive(Default)]
struct Requests {
    current: Option<Transfer>,
}

impl Requests {
    /// The transfer is over here, unless it runs over its own flow.
    fn close(&mut self, out: &mut Output<'_>) {
        if let Some(mut transfer) = self.current.take().filter(|t| !t.elsewhere.load(Ordering::Relaxed)) {
            transfer.finish(out);
        }
    }
}

impl Parser for Requests {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        if let Some(request) = Request::read(data).filter(|_| side == Side::Orig) {
            let again = self.current.as_ref().is_some_and(|t| t.request == request && t.seen == 0);
            if !again {
                self.close(out);
                let transfer = Transfer::new(out.at, request, Arc::default(), Side::Orig);
                self.current = Some(transfer);
            }
            if let Some(t) =
                self.current.as_ref().filter(|t| !t.answered && !t.elsewhere.load(Ordering::Relaxed))
            {
                // From the server's new port to the client's: there the client is the responder.
                let other = Transfer::new(t.began, t.request.clone(), Arc::clone(&t.elsewhere), Side::Resp);
                let tuple = out.flow.tuple;
                out.expect_with(tuple.src, tuple.src_port, &PROTOCOL, Box::new(Data(other)));
            }
        } else if let Some(transfer) = &mut self.current {
            transfer.packet(side, data, out);
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

/// The flow of one transfer.
struct Data(Transfer);

impl Parser for Data {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        self.0.elsewhere.store(true, Ordering::Relaxed);
        self.0.packet(side, data, out);
        if self.0.over() {
            self.0.finish(out);
            return Fed::Done;
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.0.finish(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Application, FlowView, Interest};
    use crate::model::addr::Ip;
    use crate::model::event::Body;
    use crate::model::flow::{Tuple, ip_protocol};
    use crate::model::ids::FlowId;
    use crate::model::time::Timestamp;
    use crate::protocol::dispatch::{Config, Dispatcher};
    use crate::protocol::files::FileRecord;
    use crate::protocol::testing::{Bench, Run, Sent, orig, resp};

    fn run(sent: &[Sent<'_>]) -> Run {
        Bench::udp(69).only(&[&PROTOCOL]).run(sent)
    }

    fn block(number: u16, content: &[u8]) -> Vec<u8> {
        [&[0, 3][..], &number.to_be_bytes(), content].concat()
    }

    const ASK: &[u8] = b"\0\x01boot.cfg\0octet\0tsize\x000\0blksize\x008\0";

    #[test]
    fn a_file_in_blocks_is_hashed() {
        let agreed = b"\0\x06tsize\x0010\0blksize\x008\0";
        let (one, two) = (block(1, b"abcdefgh"), block(2, b"ij"));
        let run = run(&[orig(ASK), resp(agreed), orig(b"\0\x04\0\0"), resp(&one), resp(&one), resp(&two)]);
        let r = run.records::<TftpRecord>()[0];
        assert_eq!((r.name.as_str(), r.mode, r.write, r.complete), ("boot.cfg", "octet", false, true));
        assert_eq!((r.seen_bytes, r.declared_bytes, r.block_bytes), (10, Some(10), Some(8)));
        let f = run.records::<FileRecord>()[0];
        assert_eq!((f.name.as_deref(), f.sender, f.sha256.is_some()), (Some("boot.cfg"), Side::Resp, true));
        assert_eq!((run.service, run.faults), (Some("tftp"), 0));
    }

    #[test]
    fn a_lost_block_and_an_error_are_told() {
        let (one, three) = (block(1, &[b'x'; 512]), block(3, b"end"));
        let write = b"\0\x02up.bin\0OCTET\0";
        let played = run(&[orig(write), resp(b"\0\x04\0\0"), orig(&one), orig(&three)]);
        let f = played.records::<FileRecord>()[0];
        assert_eq!((f.missing_bytes, f.sha256, f.sender), (512, None, Side::Orig));
        assert!(played.records::<TftpRecord>()[0].write);
        let no = run(&[orig(ASK), resp(b"\0\x05\0\x01File not found\0")]);
        let r = no.records::<TftpRecord>()[0];
        assert_eq!((r.error_code, r.error.as_deref(), r.answered), (Some(1), Some("File not found"), true));
    }

    #[test]
    fn requests_that_nobody_answers_are_rows() {
        let other = b"\0\x01other\0octet\0";
        let run = run(&[orig(ASK), orig(ASK), orig(other)]);
        let rows: Vec<_> =
            run.records::<TftpRecord>().iter().map(|r| (r.name.as_str(), r.answered)).collect();
        assert_eq!(rows, [("boot.cfg", false), ("other", false)]);
    }

    #[test]
    fn a_transfer_over_its_own_flow_writes_the_row_there() {
        let ends = |id, src, src_port, dst, dst_port| {
            let protocol = ip_protocol::UDP;
            let tuple = Tuple {
                src: Ip::v4([10, 0, 0, src]),
                dst: Ip::v4([10, 0, 0, dst]),
                src_port,
                dst_port,
                protocol,
            };
            FlowView { id: FlowId(id), tuple, first_ts: Timestamp(0), saw_start: false }
        };
        let at = |packet| At { ts: Timestamp(packet as i64 * 1_000), packet };
        let mut d = Dispatcher::with_protocols(&Config::default(), &[&PROTOCOL]);
        let (asked, transfer) = (ends(4, 1, 2_000, 2, 69), ends(8, 2, 5_000, 1, 2_000));
        let mut request = d.open(&asked).unwrap();
        d.data(&asked, &mut request, Side::Orig, at(1), ASK, ASK.len() as u32);
        let mut state = d.open(&transfer).unwrap();
        let content = block(1, b"short");
        let interest = d.data(&transfer, &mut state, Side::Orig, at(2), &content, content.len() as u32);
        assert_eq!(interest, Interest::Done);
        assert_eq!(d.end(&transfer, Some(state), at(2)).service, Some("tftp"));
        d.end(&asked, Some(request), at(3));
        let mut events = Vec::new();
        d.take_events(&mut events);
        let rows: Vec<_> = events
            .iter()
            .filter_map(|e| match &e.body {
                Body::Record { flow_id, record, .. } => {
                    Some((*flow_id, record.as_type::<TftpRecord>()?, e.ts))
                }
                _ => None,
            })
            .collect();
        assert_eq!(rows.len(), 1, "the flow of the request has nothing to add");
        let (flow, row, began) = rows[0];
        assert_eq!((flow, row.seen_bytes, row.complete, began), (transfer.id, 5, true, at(1).ts));
    }

    #[test]
    fn every_prefix_survives() {
        for end in 0..ASK.len() {
            let run = run(&[orig(&ASK[..end]), resp(&block(1, b"x")[..end.min(5)])]);
            assert_eq!(run.faults, 0);
        }
        assert_eq!(run(&[orig(b"\0\x01a\x01b\0octet\0")]).service, None);
        assert_eq!(run(&[orig(b"\0\x01a\0binary\0")]).service, None);
    }
}
