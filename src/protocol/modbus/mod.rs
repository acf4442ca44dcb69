//! Which registers of which unit are read or written, and what did the device say?
//!
//! Modbus/TCP: the header and the functions of the Modbus Application Protocol Specification V1.1b3 and the Messaging on TCP/IP
//! Implementation Guide V1.0b; function 90 (UMAS, Schneider Electric) by its published function codes. One row is one request with
//! its answer; equal readings are counted (see [`super::polling`]), writes never. Refuses to interpret values: what a register means only
//! its owner knows.

mod record;

pub use self::record::{ModbusRecord, TABLE};

use super::clues::{Clue, HOST_CLUES};
use super::polling::{self, Polls, Repeats, Waiting, address, client};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::{Cursor, be16};
use crate::model::flow::Side;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use std::fmt::Write;

/// Largest message with its header, bytes: 6 of header and 254 that the length counts.
const MAX_MESSAGE: usize = 260;

/// Values of one message that are kept; a message holds up to 125 registers or 2,000 coils.
const MAX_VALUES: usize = 32;

/// Bytes of one object of a device identification that are shown.
const MAX_OBJECT: usize = 64;

/// The usual port.
const PORTS: &[u16] = &[502];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "modbus",
    about: "Modbus/TCP; told by a header whose length fits, and an answer with the request's number, unit and function; on its port also by one message that fits its function.",
    transports: &[Transport::Tcp],
    ports: PORTS,
    tables: &[&TABLE, &HOST_CLUES],
    buffer_cap: MAX_MESSAGE,
    probe,
    parser: Some(|| Box::<Modbus>::default()),
};

/// Functions that requests may have, by their names in the specification.
fn function_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "read_coils",
        2 => "read_discrete_inputs",
        3 => "read_holding_registers",
        4 => "read_input_registers",
        5 => "write_single_coil",
        6 => "write_single_register",
        7 => "read_exception_status",
        8 => "diagnostics",
        11 => "get_comm_event_counter",
        12 => "get_comm_event_log",
        15 => "write_multiple_coils",
        16 => "write_multiple_registers",
        17 => "report_server_id",
        20 => "read_file_record",
        21 => "write_file_record",
        22 => "mask_write_register",
        23 => "read_write_multiple_registers",
        24 => "read_fifo_queue",
        43 => "encapsulated_interface_transport",
        90 => "umas",
        _ => return None,
    })
}

fn exception_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "illegal_function",
        2 => "illegal_data_address",
        3 => "illegal_data_value",
        4 => "server_device_failure",
        5 => "acknowledge",
        6 => "server_device_busy",
        7 => "negative_acknowledge",
        8 => "memory_parity_error",
        10 => "gateway_path_unavailable",
        11 => "gateway_target_failed_to_respond",
        _ => return None,
    })
}

/// Does the function change something? For UMAS its own function code decides: writes, downloads, start and stop.
fn is_write(function: u8, sub: Option<u16>) -> bool {
    match function {
        5 | 6 | 15 | 16 | 21 | 22 | 23 => true,
        90 => matches!(sub, Some(0x21 | 0x23 | 0x25 | 0x33..=0x35 | 0x40 | 0x41)),
        _ => false,
    }
}

/// Is there a whole header, and does it fit? `None` while it is too short.
fn header(d: &[u8]) -> Option<bool> {
    let protocol = be16(d, 2)?;
    let len = be16(d, 4)?;
    let function = *d.get(7)?;
    Some(protocol == 0 && (2..=254).contains(&len) && !matches!(function & 0x7f, 0 | 0x70..))
}

/// Does a request of a known function have the length that its fields say?
fn whole_request(d: &[u8]) -> bool {
    let Some(len) = be16(d, 4).map(usize::from) else { return false };
    let Some(function) = d.get(7) else { return false };
    let counted = |at: usize| d.get(at).is_some_and(|n| len == at + 1 - 6 + usize::from(*n));
    match function {
        1 | 2 => len == 6 && be16(d, 10).is_some_and(|n| (1..=2_000).contains(&n)),
        3 | 4 => len == 6 && be16(d, 10).is_some_and(|n| (1..=125).contains(&n)),
        5 => len == 6 && matches!(be16(d, 10), Some(0 | 0xff00)),
        6 => len == 6,
        7 | 11 | 12 | 17 => len == 2,
        15 | 16 => counted(12),
        22 => len == 8,
        23 => counted(16),
        43 => len == 5 && matches!(d.get(8), Some(14)),
        _ => false,
    }
}

/// Does an answer of a reading function have the length that its count says, or is it an exception?
fn whole_answer(d: &[u8]) -> bool {
    let Some(len) = be16(d, 4).map(usize::from) else { return false };
    match (d.get(7), d.get(8)) {
        (Some(1..=4), Some(n)) => len == usize::from(*n) + 3,
        (Some(0x81..=0x98), Some(code)) => len == 3 && exception_name(*code).is_some(),
        _ => false,
    }
}

fn probe(p: &Probe<'_>) -> Verdict {
    if [p.orig, p.resp].iter().any(|d| !d.is_empty() && header(d) == Some(false)) {
        return Verdict::NotMine;
    }
    let (ask, tell) = polling::asked_and_told(p, PORTS);
    if p.on_port(PORTS) && (whole_request(ask) || whole_answer(tell)) {
        return Verdict::Mine(80);
    }
    let (Some(asked), Some(told)) = (ask.first_chunk::<8>(), tell.first_chunk::<8>()) else {
        return Verdict::NeedMore;
    };
    let ([a, b, _, _, _, _, unit, function], [c, d, _, _, _, _, unit2, function2]) = (asked, told);
    if (a, b, unit) == (c, d, unit2) && *function == function2 & 0x7f {
        Verdict::Mine(85)
    } else {
        Verdict::NotMine
    }
}

/// Registers as numbers, the first [`MAX_VALUES`].
fn registers(data: &[u8]) -> Option<String> {
    let words = data.chunks_exact(2).filter_map(|w| be16(w, 0));
    joined(words, data.len() / 2)
}

/// Coils as bits, lowest first, the first [`MAX_VALUES`] of `quantity`.
fn coils(data: &[u8], quantity: u16) -> Option<String> {
    let total = usize::from(quantity).min(data.len().saturating_mul(8));
    let bits = data.iter().flat_map(|b| (0..8).map(move |i| u16::from(b >> i & 1))).take(total);
    joined(bits, total)
}

fn joined(values: impl Iterator<Item = u16>, total: usize) -> Option<String> {
    let mut text = String::new();
    for (i, v) in values.take(MAX_VALUES).enumerate() {
        let _ = write!(text, "{}{v}", if i > 0 { "," } else { "" });
    }
    if total > MAX_VALUES {
        text.push_str(",…");
    }
    (!text.is_empty()).then_some(text)
}

/// What a request says behind its function code. Fields that are not there stay `None`.
fn request(row: &mut ModbusRecord, body: &[u8]) -> Option<()> {
    let mut c = Cursor::new(body);
    match row.function_code {
        1..=4 => {
            row.address = Some(c.u16()?);
            row.quantity = Some(c.u16()?);
        }
        5 => {
            row.address = Some(c.u16()?);
            row.quantity = Some(1);
            row.values = Some(if c.u16()? == 0 { "0" } else { "1" }.into());
        }
        6 => {
            row.address = Some(c.u16()?);
            row.quantity = Some(1);
            row.values = registers(c.take(2)?);
        }
        8 => {
            row.subfunction = Some(c.u16()?);
            row.values = registers(c.rest());
        }
        code @ (15 | 16) => {
            let (at, quantity) = (c.u16()?, c.u16()?);
            (row.address, row.quantity) = (Some(at), Some(quantity));
            let n = c.u8()?;
            let data = c.take(usize::from(n))?;
            row.values = if code == 15 { coils(data, quantity) } else { registers(data) };
        }
        22 => {
            row.address = Some(c.u16()?);
            row.quantity = Some(1);
            // The masks: AND, then OR.
            row.values = registers(c.take(4)?);
        }
        23 => {
            c.skip(4)?;
            row.address = Some(c.u16()?);
            row.quantity = Some(c.u16()?);
            let n = c.u8()?;
            row.values = registers(c.take(usize::from(n))?);
        }
        24 => row.address = Some(c.u16()?),
        43 => row.subfunction = Some(u16::from(c.u8()?)),
        // UMAS: a session byte, then its own function code.
        90 => {
            c.skip(1)?;
            row.subfunction = Some(u16::from(c.u8()?));
        }
        _ => {}
    }
    Some(())
}

/// What the answer adds: values that were read.
fn answer(row: &mut ModbusRecord, body: &[u8]) -> Option<()> {
    let mut c = Cursor::new(body);
    if matches!(row.function_code, 1..=4) {
        let n = c.u8()?;
        let data = c.take(usize::from(n))?;
        row.values = match row.function_code {
            1 | 2 => coils(data, row.quantity.unwrap_or(u16::MAX)),
            _ => registers(data),
        };
    }
    Some(())
}

/// Vendor, product and revision of a device identification (function 43, MEI type 14).
fn identification(body: &[u8]) -> Option<String> {
    let mut c = Cursor::new(body);
    let [14, _, _, _, _, objects] = c.array::<6>()? else { return None };
    let mut text = String::new();
    for _ in 0..objects {
        let (Some(_), Some(len)) = (c.u8(), c.u8()) else { break };
        let Some(value) = c.take(usize::from(len)) else { break };
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&printable(value, MAX_OBJECT));
    }
    (!text.is_empty()).then_some(text)
}

/// What makes two readings equal: unit, function, address, quantity, and how they ended.
type Key = (u8, u8, Option<u16>, Option<u16>, Option<u16>, Option<u8>, bool);

/// The state of one connection.
#[derive(Default)]
struct Modbus {
    waiting: Waiting<(u16, u8, u8), ModbusRecord>,
    polls: Polls<Key, ModbusRecord>,
    /// Messages that fit so far: what breaks off later is a weird, not another protocol.
    messages: u32,
    /// A gap was met: what does not look like a header is passed over.
    lost: bool,
    /// Was a gap met ever? Requests may be in it.
    gapped: bool,
    told_role: bool,
}

impl Modbus {
    fn write(&mut self, began: At, row: ModbusRecord, out: &mut Output<'_>) {
        if row.is_write() {
            out.record(began, row);
            return;
        }
        let key = (
            row.unit,
            row.function_code,
            row.subfunction,
            row.address,
            row.quantity,
            row.exception,
            row.answered,
        );
        self.polls.reading(key, began, row, out);
    }

    /// Take a message. False when it answers nothing although every request was seen: then this is not Modbus.
    fn message(&mut self, side: Side, message: &[u8], out: &mut Output<'_>) -> bool {
        let (Some(id), Some(&unit), Some(&code)) = (be16(message, 0), message.get(6), message.get(7)) else {
            return true;
        };
        let body = message.get(8..).unwrap_or(&[]);
        self.messages = self.messages.saturating_add(1);
        if side == client(&out.flow.tuple, PORTS) {
            let mut row = ModbusRecord {
                transaction_id: id,
                unit,
                function_code: code & 0x7f,
                subfunction: None,
                address: None,
                quantity: None,
                values: None,
                exception: None,
                answered: false,
                rtt: None,
                repeats: Repeats::once(out.at),
            };
            if code & 0x80 != 0 || request(&mut row, body).is_none() {
                out.weird(WeirdKind::ModbusMalformed, Detail::Number(u64::from(code)));
            }
            if let Some((began, old)) = self.waiting.put((id, unit, code & 0x7f), row, out) {
                self.write(began, old, out);
            }
            return true;
        }
        let Some((began, mut row)) = self.waiting.take(&(id, unit, code & 0x7f)) else {
            // Where the request was not captured, an answer alone does not say what was asked.
            return self.told_role || self.gapped || !out.flow.saw_start;
        };
        (row.answered, row.rtt) = (true, Some(out.at.ts.since(began.ts)));
        if code & 0x80 != 0 {
            row.exception = body.first().copied();
        } else if answer(&mut row, body).is_none() {
            out.weird(WeirdKind::ModbusMalformed, Detail::Number(u64::from(code)));
        }
        let device = address(&out.flow.tuple, side);
        if !self.told_role {
            self.told_role = true;
            out.clue(device, Clue::Role, "plc", "modbus");
            out.clue(address(&out.flow.tuple, side.other()), Clue::Role, "hmi", "modbus");
        }
        if code == 43
            && let Some(text) = identification(body)
        {
            out.clue(device, Clue::System, &text, "modbus.device_identification");
        }
        self.write(began, row, out);
        true
    }
}

impl Parser for Modbus {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut rest = data;
        while let Some(fits) = header(rest) {
            if !fits {
                if self.messages == 0 && !self.lost {
                    return Fed::NotMine;
                }
                if !self.lost {
                    out.weird(WeirdKind::ModbusMalformed, Detail::Text("no header where one must be".into()));
                }
                // Messages begin where segments do, nearly always: the next piece is tried again.
                self.lost = true;
                return Fed::Took(data.len());
            }
            let len = usize::from(be16(rest, 4).unwrap_or(0)).saturating_add(6);
            let Some((message, behind)) = rest.split_at_checked(len) else { break };
            self.lost = false;
            if !self.message(side, message, out) {
                return Fed::NotMine;
            }
            rest = behind;
        }
        Fed::Took(data.len() - rest.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        (self.lost, self.gapped) = (true, true);
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for (began, row) in self.waiting.drain() {
            self.write(began, row, out);
        }
        self.polls.finish(out);
    }
}

#[cfg(test)]
mod tests;
