//! Which building controller is asked for which property, and who says that it is one?
//!
//! BACnet/IP (ASHRAE 135: annex J for BVLC, clause 6 for the network layer, clauses 15, 16 and 20 for services and their encoding). One row is
//! one service with its answer; equal readings and announcements are counted (see [`super::polling`]), commands never. Refuses values, and
//! segmented messages behind their first part.

use super::clues::{Clue, HOST_CLUES};
use super::polling::{self, Polls, Repeated, Repeats, Waiting, address, seconds};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::{Cursor, be16};
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::weird::{Detail, WeirdKind};

/// Largest datagram, bytes: 1,476 of APDU and the headers. Datagrams are not kept.
const MAX_MESSAGE: usize = 1_600;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "bacnet",
    about: "BACnet/IP (ASHRAE 135); told by its type, function, a length that fits, and the version of the network layer behind it.",
    transports: &[Transport::Udp],
    ports: &[47808],
    tables: &[&TABLE, &HOST_CLUES],
    buffer_cap: MAX_MESSAGE,
    probe,
    parser: Some(|| Box::<Bacnet>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let sure = if p.on_port(&[47808]) { 90 } else { 60 };
    let looks = |d: &[u8]| bvlc(d).is_some_and(|n| n.first().is_none_or(|v| *v == 1));
    let any = (!p.orig.is_empty() && looks(p.orig)) || (!p.resp.is_empty() && looks(p.resp));
    if any { Verdict::Mine(sure) } else { Verdict::NotMine }
}

/// The network layer's message in a datagram, empty when the function carries none.
fn bvlc(d: &[u8]) -> Option<&[u8]> {
    let mut c = Cursor::new(d);
    let (0x81, function, len) = (c.u8()?, c.u8()?, c.u16()?) else { return None };
    if usize::from(len) != d.len() || function > 0x0c {
        return None;
    }
    match function {
        // A forwarded message begins with the address of who sent it.
        4 => c.skip(6).map(|()| c.rest()),
        9..=11 => Some(c.rest()),
        // Results, and the upkeep of the broadcast tables.
        _ => Some(&[]),
    }
}

/// The application's message behind the addresses of the network layer; `None` for messages of the network layer itself.
fn npdu(d: &[u8]) -> Option<Option<&[u8]>> {
    let mut c = Cursor::new(d);
    let (version, control) = (c.u8()?, c.u8()?);
    if version != 1 {
        return None;
    }
    if control & 0x20 != 0 {
        c.skip(2)?;
        let n = c.u8()?;
        c.skip(usize::from(n))?;
    }
    if control & 0x08 != 0 {
        c.skip(2)?;
        let n = c.u8()?;
        c.skip(usize::from(n))?;
    }
    if control & 0x20 != 0 {
        c.skip(1)?;
    }
    Some((control & 0x80 == 0).then(|| c.rest()))
}

/// Confirmed services (clause 21, BACnetConfirmedServiceChoice).
fn confirmed_name(service: u8) -> Option<&'static str> {
    Some(match service {
        0 => "acknowledge_alarm",
        1 => "confirmed_cov_notification",
        2 => "confirmed_event_notification",
        3 => "get_alarm_summary",
        4 => "get_enrollment_summary",
        5 => "subscribe_cov",
        6 => "atomic_read_file",
        7 => "atomic_write_file",
        8 => "add_list_element",
        9 => "remove_list_element",
        10 => "create_object",
        11 => "delete_object",
        12 => "read_property",
        13 => "read_property_conditional",
        14 => "read_property_multiple",
        15 => "write_property",
        16 => "write_property_multiple",
        17 => "device_communication_control",
        18 => "confirmed_private_transfer",
        19 => "confirmed_text_message",
        20 => "reinitialize_device",
        21 => "vt_open",
        22 => "vt_close",
        23 => "vt_data",
        24 => "authenticate",
        25 => "request_key",
        26 => "read_range",
        27 => "life_safety_operation",
        28 => "subscribe_cov_property",
        29 => "get_event_information",
        30 => "subscribe_cov_property_multiple",
        31 => "confirmed_cov_notification_multiple",
        _ => return None,
    })
}

/// Unconfirmed services.
fn unconfirmed_name(service: u8) -> Option<&'static str> {
    Some(match service {
        0 => "i_am",
        1 => "i_have",
        2 => "unconfirmed_cov_notification",
        3 => "unconfirmed_event_notification",
        4 => "unconfirmed_private_transfer",
        5 => "unconfirmed_text_message",
        6 => "time_synchronization",
        7 => "who_has",
        8 => "who_is",
        9 => "utc_time_synchronization",
        10 => "write_group",
        11 => "unconfirmed_cov_notification_multiple",
        _ => return None,
    })
}

/// The object types of the first edition and those met most since.
fn object_name(kind: u16) -> Option<&'static str> {
    Some(match kind {
        0 => "analog_input",
        1 => "analog_output",
        2 => "analog_value",
        3 => "binary_input",
        4 => "binary_output",
        5 => "binary_value",
        6 => "calendar",
        7 => "command",
        8 => "device",
        9 => "event_enrollment",
        10 => "file",
        11 => "group",
        12 => "loop",
        13 => "multi_state_input",
        14 => "multi_state_output",
        15 => "notification_class",
        16 => "program",
        17 => "schedule",
        18 => "averaging",
        19 => "multi_state_value",
        20 => "trend_log",
        _ => return None,
    })
}

/// How an answer ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Ending {
    /// Done, with or without data.
    Ack,
    /// An error.
    Error,
    /// The request could not be understood.
    Reject,
    /// The transaction was broken off.
    Abort,
}

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Error => "error",
            Self::Reject => "reject",
            Self::Abort => "abort",
        }
    }
}

/// One service with its answer.
#[derive(Clone, Debug)]
pub struct BacnetRecord {
    /// Is it of the confirmed kind?
    pub confirmed: bool,
    /// Service choice; `None` for a reject or abort whose request was not seen.
    pub service: Option<u8>,
    /// Invoke id of a confirmed service.
    pub invoke_id: Option<u8>,
    /// First object that it names: type and instance.
    pub object: Option<(u16, u32)>,
    /// First property that it names.
    pub property: Option<u32>,
    /// How it ended.
    pub ending: Option<Ending>,
    /// Error code (class and code), or reason of a reject or abort.
    pub error: Option<String>,
    /// Nanoseconds to the answer.
    pub rtt: Option<i64>,
    /// How often.
    pub repeats: Repeats,
}

impl BacnetRecord {
    /// Does it change a device?
    pub fn is_write(&self) -> bool {
        match (self.confirmed, self.service) {
            (true, Some(s)) => matches!(s, 7..=11 | 15..=17 | 20 | 27),
            (false, Some(s)) => matches!(s, 6 | 9 | 10),
            _ => false,
        }
    }

    /// Name of the function.
    pub fn function(&self) -> Option<&'static str> {
        let service = self.service?;
        if self.confirmed { confirmed_name(service) } else { unconfirmed_name(service) }
    }
}

impl Repeated for BacnetRecord {
    fn repeats(&mut self) -> &mut Repeats {
        &mut self.repeats
    }
}

/// Services.
pub static TABLE: Table = Table::record(
    "bacnet",
    "One row is one BACnet service with its answer, or many equal readings or announcements of one flow.",
    &[
        col("confirmed", T::Bool, "", "Is it a confirmed service, which is answered?"),
        col("service", T::U8, "", "Service choice; NULL for a reject or abort whose request was not seen."),
        col("function", T::Text, "", "Name of the service; NULL for an unknown one."),
        polling::IS_WRITE,
        col("invoke_id", T::U8, "", "Invoke id; NULL for an unconfirmed service."),
        col("object_type", T::U16, "", "Type of the first object named; NULL when none is."),
        col("object", T::Text, "", "Name of that type; NULL when none is named, and for an unknown one."),
        col("instance", T::U32, "", "Instance of the object; NULL when none is named."),
        col(
            "property",
            T::U32,
            "",
            "Number of the first property named, such as 85, the present value; NULL when none is.",
        ),
        col(
            "result",
            T::Text,
            "",
            "ack, error, reject or abort; NULL when no answer was seen or none is due.",
        ),
        col(
            "error",
            T::Text,
            "",
            "Class and code of the error, or number of the reason; NULL unless it failed.",
        ),
        polling::RTT,
        polling::COUNT,
        polling::LAST_TS,
    ],
);

impl Record for BacnetRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.bool(self.confirmed)
            .opt_u8(self.service)
            .opt_text(self.function())
            .bool(self.is_write())
            .opt_u8(self.invoke_id)
            .opt_u16(self.object.map(|(kind, _)| kind))
            .opt_text(self.object.and_then(|(kind, _)| object_name(kind)))
            .opt_u32(self.object.map(|(_, instance)| instance))
            .opt_u32(self.property)
            .opt_text(self.ending.map(Ending::name))
            .opt_text(self.error.as_deref())
            .opt_f64(self.rtt.map(seconds))
            .u32(self.repeats.count)
            .time(self.repeats.last);
    }
}

/// A tag (clause 20.2.1): its number, whether it is one of a context, and its content.
struct Tag<'a> {
    number: u8,
    context: bool,
    content: &'a [u8],
}

fn tag<'a>(c: &mut Cursor<'a>) -> Option<Tag<'a>> {
    let first = c.u8()?;
    let number = if first >> 4 == 15 { c.u8()? } else { first >> 4 };
    let context = first & 8 != 0;
    let len = match first & 7 {
        // Opening and closing tags hold nothing of their own.
        6 | 7 if context => 0,
        5 => match c.u8()? {
            254 => usize::from(c.u16()?),
            255 => usize::try_from(c.u32()?).ok()?,
            n => usize::from(n),
        },
        // A boolean of the application keeps its value here.
        _ if !context && number == 1 => 0,
        n => usize::from(n),
    };
    Some(Tag { number, context, content: c.take(len)? })
}

/// Tags that are looked at for an object and a property: they stand at the front.
const MAX_TAGS: usize = 8;

fn unsigned(content: &[u8]) -> Option<u32> {
    if content.len() > 4 {
        return None;
    }
    Some(content.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)))
}

/// An object identifier: 10 bits of type, 22 of instance.
fn identifier(content: &[u8]) -> Option<(u16, u32)> {
    let n = u32::from_be_bytes(content.try_into().ok()?);
    Some(((n >> 22) as u16, n & 0x3f_ffff))
}

/// The first object and the first property of a service's parameters.
fn subject(row: &mut BacnetRecord, body: &[u8]) {
    let mut c = Cursor::new(body);
    for _ in 0..MAX_TAGS {
        let Some(t) = tag(&mut c) else { break };
        let is_object = t.content.len() == 4 && (t.context && t.number <= 2 || !t.context && t.number == 12);
        if row.object.is_none() && is_object {
            row.object = identifier(t.content);
        } else if row.object.is_some() && row.property.is_none() && t.context && !t.content.is_empty() {
            // The property follows the object: context tag 1, or 0 inside a list of them.
            row.property = unsigned(t.content).filter(|_| t.number <= 1);
        }
    }
}

/// What makes two readings equal.
type Key = (bool, Option<u8>, Option<(u16, u32)>, Option<u32>, Option<Ending>);

/// The state of one flow.
#[derive(Default)]
struct Bacnet {
    /// By whether the originator asked, and the invoke id: both ends may ask.
    waiting: Waiting<(bool, u8), BacnetRecord>,
    polls: Polls<Key, BacnetRecord>,
    told_role: bool,
}

impl Bacnet {
    fn write(&mut self, began: At, row: BacnetRecord, out: &mut Output<'_>) {
        if row.is_write() {
            out.record(began, row);
            return;
        }
        let key = (row.confirmed, row.service, row.object, row.property, row.ending);
        self.polls.reading(key, began, row, out);
    }

    fn apdu(&mut self, side: Side, apdu: &[u8], out: &mut Output<'_>) -> Option<()> {
        let mut c = Cursor::new(apdu);
        let first = c.u8()?;
        let mut row = BacnetRecord {
            confirmed: true,
            service: None,
            invoke_id: None,
            object: None,
            property: None,
            ending: None,
            error: None,
            rtt: None,
            repeats: Repeats::once(out.at),
        };
        let segmented = first & 8 != 0;
        match first >> 4 {
            0 => {
                c.skip(1)?;
                let id = c.u8()?;
                if segmented && c.u16()? >> 8 != 0 {
                    return Some(()); // not the first part
                }
                (row.invoke_id, row.service) = (Some(id), Some(c.u8()?));
                subject(&mut row, c.rest());
                if let Some((began, old)) = self.waiting.put((side == Side::Orig, id), row, out) {
                    self.write(began, old, out);
                }
            }
            1 => {
                row.confirmed = false;
                let service = c.u8()?;
                row.service = Some(service);
                subject(&mut row, c.rest());
                if service == 0
                    && let Some((8, instance)) = row.object
                {
                    let host = address(&out.flow.tuple, side);
                    out.clue(host, Clue::Name, &format!("bacnet-device-{instance}"), "bacnet.i_am");
                    self.role(side, out);
                }
                self.write(out.at, row, out);
            }
            kind @ (2 | 3 | 5 | 6 | 7) => {
                let id = c.u8()?;
                if kind == 3 && segmented && c.u16()? >> 8 != 0 {
                    return Some(());
                }
                let detail = c.u8()?;
                row.invoke_id = Some(id);
                row.service = (kind <= 5).then_some(detail);
                let mut began = out.at;
                if let Some((at, asked)) = self.waiting.take(&(side == Side::Resp, id)) {
                    (began, row) = (at, asked);
                    row.rtt = Some(out.at.ts.since(at.ts));
                } else if kind == 3 {
                    subject(&mut row, c.rest());
                }
                row.ending = Some(match kind {
                    2 | 3 => Ending::Ack,
                    5 => Ending::Error,
                    6 => Ending::Reject,
                    _ => Ending::Abort,
                });
                row.error = match kind {
                    5 => {
                        let class = tag(&mut c).and_then(|t| unsigned(t.content));
                        let code = tag(&mut c).and_then(|t| unsigned(t.content));
                        class.zip(code).map(|(class, code)| format!("{class}:{code}"))
                    }
                    6 | 7 => Some(detail.to_string()),
                    _ => None,
                };
                self.role(side, out);
                self.write(began, row, out);
            }
            // Segment acknowledgements.
            _ => {}
        }
        Some(())
    }

    fn role(&mut self, device: Side, out: &mut Output<'_>) {
        if !self.told_role {
            self.told_role = true;
            out.clue(address(&out.flow.tuple, device), Clue::Role, "plc", "bacnet");
        }
    }
}

impl Parser for Bacnet {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let Some(network) = bvlc(data) else {
            out.weird(WeirdKind::BacnetMalformed, Detail::Number(u64::from(be16(data, 2).unwrap_or(0))));
            return Fed::Took(data.len());
        };
        if network.is_empty() {
            return Fed::Took(data.len());
        }
        let read = match npdu(network) {
            Some(Some(apdu)) => self.apdu(side, apdu, out),
            Some(None) => Some(()),
            None => None,
        };
        if read.is_none() {
            out.weird(WeirdKind::BacnetMalformed, Detail::Number(data.len() as u64));
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
mod tests;
