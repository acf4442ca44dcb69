//! What is read from, written to, or done to a Siemens controller?
//!
//! S7 communication inside TPKT (RFC 1006) and COTP (ISO 8073). Siemens publishes no specification: codes are those that Wireshark's and
//! Snap7's documentation agree on. One row is one job or user-data request with its answer; equal readings are counted (see
//! [`super::polling`]), commands never. The newer S7CommPlus is told by its marker and only named, `s7comm_plus`. Refuses values, and blocks
//! that are transferred.

use super::clues::{Clue, HOST_CLUES};
use super::polling::{self, Polls, Repeated, Repeats, Waiting, address, seconds};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::{Cursor, be16};
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use std::fmt::Write;

/// Largest TPKT in bytes that is believed; PDUs are agreed at 240 to 960 bytes.
const MAX_TPKT: usize = 8 << 10;

/// Items of one read or write that are shown; a PDU holds up to 20.
const MAX_ITEMS: u8 = 8;

/// Bytes of a name that is shown.
const MAX_NAME: usize = 64;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "s7comm",
    about: "Siemens S7; told by its marker in the first data behind an X.224 connection.",
    transports: &[Transport::Tcp],
    ports: &[102],
    tables: &[&TABLE, &HOST_CLUES],
    buffer_cap: MAX_TPKT,
    probe,
    parser: Some(|| Box::<S7>::default()),
};

/// Does a TPKT with COTP data and the marker of S7 or S7CommPlus begin here?
fn is_s7(d: &[u8]) -> bool {
    match d {
        [3, 0, _, _, 2, 0xf0, _, 0x32, rosctr, ..] => matches!(rosctr, 1..=3 | 7),
        [3, 0, _, _, 2, 0xf0, _, 0x72, version, ..] => matches!(version, 1..=3 | 0xfe),
        _ => false,
    }
}

/// Do both sides begin with an X.224 connection, as far as they have spoken?
fn connecting(p: &Probe<'_>) -> bool {
    let setup = |d: &[u8], want: u8| matches!(d, [3, 0, _, _, _, code, ..] if *code == want);
    setup(p.orig, 0xe0) && (p.resp.is_empty() || setup(p.resp, 0xd0))
}

fn probe(p: &Probe<'_>) -> Verdict {
    // The connection's own packet comes first, unless the capture begins later.
    let data = |d: &[u8]| match d {
        [3, 0, a, b, _, 0xe0 | 0xd0, ..] => {
            d.get(usize::from(u16::from_be_bytes([*a, *b]))..).is_some_and(is_s7)
        }
        _ => is_s7(d),
    };
    let open = |d: &[u8]| d.len() < 7 && [3, 0].starts_with(d.get(..2).unwrap_or(d));
    if data(p.orig) || data(p.resp) {
        Verdict::Mine(90)
    } else if open(p.orig) && open(p.resp) || connecting(p) && p.on_port(&[102]) && p.orig.len() < 64 {
        Verdict::NeedMore
    } else {
        Verdict::NotMine
    }
}

/// Functions of jobs.
fn function_name(code: u8) -> Option<&'static str> {
    Some(match code {
        0x00 => "cpu_services",
        0x04 => "read_var",
        0x05 => "write_var",
        0x1a => "request_download",
        0x1b => "download_block",
        0x1c => "download_ended",
        0x1d => "start_upload",
        0x1e => "upload",
        0x1f => "end_upload",
        0x28 => "plc_control",
        0x29 => "plc_stop",
        0xf0 => "setup_communication",
        _ => return None,
    })
}

/// Functions of user data, by group and sub-function.
fn userdata_name(group: u8, sub: u8) -> Option<&'static str> {
    Some(match (group, sub) {
        (1, _) => "programmer_command",
        (2, 1 | 4) => "cyclic_subscribe",
        (2, 4..) => "cyclic_unsubscribe",
        (2, _) => "cyclic_data",
        (3, 1) => "list_blocks",
        (3, 2) => "list_blocks_of_type",
        (3, 3) => "get_block_info",
        (4, 1) => "read_szl",
        (4, 2) => "message_service",
        (4, _) => "cpu_function",
        (5, 1) => "plc_password",
        (6, _) => "block_send_receive",
        (7, 1 | 3) => "read_clock",
        (7, 2 | 4) => "set_clock",
        (0x0f, _) => "nc_programming",
        _ => return None,
    })
}

fn area_name(code: u8) -> &'static str {
    match code {
        0x03 => "sysinfo",
        0x05 => "sysflags",
        0x06 => "analog_in",
        0x07 => "analog_out",
        0x1c => "counter",
        0x1d => "timer",
        0x80 => "peripheral",
        0x81 => "input",
        0x82 => "output",
        0x83 => "flag",
        0x84 => "db",
        0x85 => "instance_db",
        0x86 => "local",
        _ => "area",
    }
}

/// Does the request change the controller?
fn is_write(row: &S7Record) -> bool {
    match row.rosctr {
        1 => matches!(row.code, Some(0x05 | 0x1a..=0x1c | 0x28 | 0x29)),
        7 => matches!((row.group, row.code), (Some(7), Some(2 | 4)) | (Some(1), Some(_))),
        _ => false,
    }
}

/// One request with its answer.
#[derive(Clone, Debug)]
pub struct S7Record {
    /// 1 job, 2 ack, 3 ack-data, 7 user data: of the request, or of an answer alone.
    pub rosctr: u8,
    /// PDU reference.
    pub reference: u16,
    /// Function of a job, sub-function of user data.
    pub code: Option<u8>,
    /// Function group of user data.
    pub group: Option<u8>,
    /// What is read or written, which block, which service.
    pub object: Option<String>,
    /// Identifier of the system status list that is read.
    pub szl_id: Option<u16>,
    /// Error class and code of the answer; for user data its error code.
    pub error: Option<u16>,
    /// Was there an answer?
    pub answered: bool,
    /// Nanoseconds to it.
    pub rtt: Option<i64>,
    /// How often.
    pub repeats: Repeats,
}

impl S7Record {
    /// Does it change the controller?
    pub fn is_write(&self) -> bool {
        is_write(self)
    }

    /// Name of the function.
    pub fn function(&self) -> Option<&'static str> {
        match self.group {
            Some(group) => userdata_name(group, self.code.unwrap_or(0)),
            None => self.code.and_then(function_name),
        }
    }
}

impl Repeated for S7Record {
    fn repeats(&mut self) -> &mut Repeats {
        &mut self.repeats
    }
}

/// Requests.
pub static TABLE: Table = Table::record(
    "s7comm",
    "One row is one S7 request with its answer, or many equal readings of one flow.",
    &[
        col(
            "rosctr",
            T::U8,
            "",
            "Kind of message: 1 job, 7 user data; 2 or 3 for an answer whose request was not seen.",
        ),
        col("pdu_reference", T::U16, "", "Reference that answers repeat."),
        col(
            "function_code",
            T::U8,
            "",
            "Function of a job, or sub-function of user data; NULL when the message has none.",
        ),
        col("function_group", T::U8, "", "Function group of user data; NULL for jobs."),
        col("function", T::Text, "", "Name of the function; NULL for an unknown one."),
        polling::IS_WRITE,
        col(
            "object",
            T::Text,
            "",
            "Variables as area and address, the first 8; or the block, or the service of the controller; NULL without.",
        ),
        col("szl_id", T::U16, "", "System status list that is read; NULL for other functions."),
        col(
            "error",
            T::U16,
            "",
            "Error class and code of the answer, 0 = none; NULL when no answer was seen.",
        ),
        col("answered", T::Bool, "", "Was an answer seen?"),
        polling::RTT,
        polling::COUNT,
        polling::LAST_TS,
    ],
);

impl Record for S7Record {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.u8(self.rosctr)
            .u16(self.reference)
            .opt_u8(self.code)
            .opt_u8(self.group)
            .opt_text(self.function())
            .bool(self.is_write())
            .opt_text(self.object.as_deref())
            .opt_u16(self.szl_id)
            .opt_u16(self.error)
            .bool(self.answered)
            .opt_f64(self.rtt.map(seconds))
            .u32(self.repeats.count)
            .time(self.repeats.last);
    }
}

/// The items of a read or write: `db1.dbx10.0 x4`, with bit addresses.
fn items(c: &mut Cursor<'_>) -> Option<String> {
    let count = c.u8()?;
    let mut text = String::new();
    for i in 0..count {
        if i >= MAX_ITEMS {
            text.push_str(",…");
            break;
        }
        let (Some(0x12), Some(len)) = (c.u8(), c.u8()) else { break };
        let Some(spec) = c.take(usize::from(len)) else { break };
        let comma = if text.is_empty() { "" } else { "," };
        // Syntax 0x10 is the S7ANY pointer; others address by symbol or checksum.
        if let [0x10, _, n1, n2, d1, d2, area, a1, a2, a3] = spec {
            let n = u16::from_be_bytes([*n1, *n2]);
            let at = u32::from_be_bytes([0, *a1, *a2, *a3]);
            let db = u16::from_be_bytes([*d1, *d2]);
            let number = if matches!(area, 0x84 | 0x85) { db.to_string() } else { String::new() };
            let _ = write!(text, "{comma}{}{number} {}.{} x{n}", area_name(*area), at >> 3, at & 7);
        } else {
            let _ = write!(text, "{comma}syntax {:#04x}", spec.first().copied().unwrap_or(0));
        }
    }
    (!text.is_empty()).then_some(text)
}

/// Text with its length in one byte before it, `skip` bytes further on.
fn name(c: &mut Cursor<'_>, skip: usize) -> Option<String> {
    c.skip(skip)?;
    let n = c.u8()?;
    c.take(usize::from(n)).map(|t| printable(t, MAX_NAME))
}

/// What a job's parameters say.
fn job(row: &mut S7Record, parameters: &[u8]) -> Option<()> {
    let mut c = Cursor::new(parameters);
    let code = c.u8()?;
    row.code = Some(code);
    row.object = match code {
        0x04 | 0x05 => items(&mut c),
        // Status, two bytes unknown, an identifier: then the file name `_0A00001P`.
        0x1a..=0x1d => name(&mut c, 7),
        0x29 => name(&mut c, 5),
        // A parameter block lies before the service's name: P_PROGRAM starts the controller, _INSE and _DELE act on blocks.
        0x28 => {
            c.skip(7)?;
            let n = c.u16()?;
            c.skip(usize::from(n))?;
            name(&mut c, 0)
        }
        _ => None,
    };
    Some(())
}

/// Group, sub-function and, in answers, the error of user data.
fn userdata(parameters: &[u8]) -> Option<(bool, u8, u8, Option<u16>)> {
    let mut c = Cursor::new(parameters);
    let [0, 1, 0x12, _, method, kind, sub, _] = c.array::<8>()? else { return None };
    // Type in the high half: 4 request, 8 response, 0 pushed.
    let error = if method == 0x12 { be16(c.rest(), 2) } else { None };
    Some((kind >> 4 == 4, kind & 0x0f, sub, error))
}

/// The order number and names in an answer to reading status list 0x0011 or 0x001c.
fn module(szl: u16, data: &[u8]) -> Option<String> {
    let mut c = Cursor::new(data);
    let (len, count) = (c.u16()?, c.u16()?);
    let mut text = String::new();
    for _ in 0..count.min(16) {
        let Some(element) = c.take(usize::from(len)) else { break };
        let (Some(index), Some(value)) = (be16(element, 0), element.get(2..)) else { break };
        let value = match (szl & 0xff, index) {
            // Module identification: the order number, as 6ES7 315-2EH14-0AB0.
            (0x11, 1) => value.get(..20)?,
            // Component identification: the controller's name, the module's name, the module's type.
            (0x1c, 1 | 2 | 7) => value,
            _ => continue,
        };
        let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
        let value = value.get(..end)?.trim_ascii();
        if !value.is_empty() {
            let _ = write!(text, "{}{}", if text.is_empty() { "" } else { " " }, printable(value, MAX_NAME));
        }
    }
    (!text.is_empty()).then_some(text)
}

/// What makes two readings equal.
type Key = (u8, Option<u8>, Option<u8>, Option<String>, Option<u16>, Option<u16>, bool);

/// The state of one connection.
#[derive(Default)]
struct S7 {
    waiting: Waiting<u16, S7Record>,
    polls: Polls<Key, S7Record>,
    /// TPKTs that fit.
    messages: u32,
    lost: bool,
    told_role: bool,
    /// The marker of S7CommPlus was seen.
    plus: bool,
}

impl S7 {
    fn write(&mut self, began: At, row: S7Record, out: &mut Output<'_>) {
        if row.is_write() {
            out.record(began, row);
            return;
        }
        let key = (row.rosctr, row.code, row.group, row.object.clone(), row.szl_id, row.error, row.answered);
        self.polls.reading(key, began, row, out);
    }

    /// Take a message that begins with the marker, and say when it does not follow the format.
    fn marked(&mut self, side: Side, message: &[u8], out: &mut Output<'_>) {
        if self.message(side, message, out).is_none() {
            out.weird(WeirdKind::S7Malformed, Detail::Number(message.len() as u64));
        }
    }

    /// Read it.
    fn message(&mut self, side: Side, message: &[u8], out: &mut Output<'_>) -> Option<()> {
        let mut c = Cursor::new(message);
        let [_, rosctr, _, _] = c.array::<4>()?;
        let (reference, parameter_len, data_len) = (c.u16()?, c.u16()?, c.u16()?);
        let error = if matches!(rosctr, 2 | 3) { Some(c.u16()?) } else { None };
        let parameters = c.take(usize::from(parameter_len))?;
        let data = c.take(usize::from(data_len).min(c.remaining()))?;
        let mut row = S7Record {
            rosctr,
            reference,
            code: None,
            group: None,
            object: None,
            szl_id: None,
            error,
            answered: false,
            rtt: None,
            repeats: Repeats::once(out.at),
        };
        let request = match rosctr {
            1 => {
                job(&mut row, parameters)?;
                true
            }
            7 => {
                let (request, group, sub, error) = userdata(parameters)?;
                (row.group, row.code, row.error) = (Some(group), Some(sub), error);
                if (group, sub) == (4, 1) {
                    row.szl_id = be16(data, 4);
                }
                request
            }
            _ => {
                row.code = parameters.first().copied();
                false
            }
        };
        if request {
            if let Some((began, old)) = self.waiting.put(reference, row, out) {
                self.write(began, old, out);
            }
            return Some(());
        }
        let controller = address(&out.flow.tuple, side);
        if !self.told_role {
            self.told_role = true;
            out.clue(controller, Clue::Role, "plc", "s7comm");
            out.clue(address(&out.flow.tuple, side.other()), Clue::Role, "hmi", "s7comm");
        }
        if let Some(szl) = row.szl_id
            && let Some(text) = data.get(8..).and_then(|d| module(szl, d))
        {
            out.clue(controller, Clue::System, &text, "s7comm.szl");
        }
        let mut began = out.at;
        if let Some((at, asked)) = self.waiting.take(&reference) {
            row = S7Record { error: row.error, rtt: Some(out.at.ts.since(at.ts)), ..asked };
            began = at;
        }
        row.answered = true;
        self.write(began, row, out);
        Some(())
    }
}

impl Parser for S7 {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut rest = data;
        while let Some(head) = rest.first_chunk::<4>() {
            let [version, reserved, high, low] = *head;
            let len = usize::from(u16::from_be_bytes([high, low]));
            if (version, reserved) != (3, 0) || !(7..=MAX_TPKT).contains(&len) {
                if self.messages == 0 && !self.lost {
                    return Fed::NotMine;
                }
                if !self.lost {
                    out.weird(WeirdKind::S7Malformed, Detail::Text("no TPKT where one must be".into()));
                }
                // Messages begin where segments do, nearly always.
                self.lost = true;
                return Fed::Took(data.len());
            }
            let Some((tpkt, behind)) = rest.split_at_checked(len) else { break };
            self.messages = self.messages.saturating_add(1);
            self.lost = false;
            rest = behind;
            // Packets that open and close the connection hold no data.
            let Some([2, 0xf0, _, message @ ..]) = tpkt.get(4..) else { continue };
            match message.first() {
                // An empty segment acknowledges.
                None => {}
                Some(0x32) => self.marked(side, message, out),
                Some(0x72) => {
                    self.plus = true;
                    let tuple = out.flow.tuple;
                    out.clue(tuple.dst, Clue::Role, "plc", "s7comm_plus");
                    return Fed::Done;
                }
                Some(_) if self.messages <= 3 => return Fed::NotMine,
                Some(_) => {}
            }
        }
        Fed::Took(data.len() - rest.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        self.lost = true;
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for (began, row) in self.waiting.drain() {
            self.write(began, row, out);
        }
        self.polls.finish(out);
    }

    fn service(&self) -> Option<&'static str> {
        self.plus.then_some("s7comm_plus")
    }
}

#[cfg(test)]
mod tests;
