//! Which station was polled or commanded over DNP3, and what did it answer?
//!
//! DNP3 (IEEE 1815-2012): link frames with their checksums (clause 9), transport segments (clause 8), application fragments (clause 4).
//! One row is one request with its reply, or an unsolicited report; equal readings are counted (see [`super::polling`]), commands
//! never. Wrong checksums are a weird and their frame is passed over. Refuses values of points, and secure authentication beyond its function names.

mod link;
mod objects;
#[cfg(test)]
mod tests;

use self::link::{Frame, Next, next_frame};
use super::clues::{Clue, HOST_CLUES};
use super::polling::{self, Polls, Repeated, Repeats, Waiting, address, seconds};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::flow::{Side, ip_protocol};
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::weird::{Detail, WeirdKind};

/// Largest frame on the wire in bytes: 10 of header, 250 of data, 2 of checksum for each 16 of them.
const MAX_FRAME: usize = 292;

/// Largest application fragment that is put together, bytes; IEEE 1815 recommends 2,048 and allows more.
const MAX_FRAGMENT: usize = 4_096;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "dnp3",
    about: "DNP3 (IEEE 1815); told by its start bytes and the checksum of the link header.",
    transports: &[Transport::Tcp, Transport::Udp],
    ports: &[20000],
    tables: &[&TABLE, &HOST_CLUES],
    buffer_cap: MAX_FRAME,
    probe,
    parser: Some(|| Box::<Dnp3>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let d = if p.orig.is_empty() { p.resp } else { p.orig };
    if d.len() < 10 {
        let begins = [0x05, 0x64].starts_with(d.get(..2).unwrap_or(d));
        return if begins && p.transport == Transport::Tcp { Verdict::NeedMore } else { Verdict::NotMine };
    }
    if link::header(d).is_some() { Verdict::Mine(95) } else { Verdict::NotMine }
}

/// Names of the functions, as IEEE 1815 table 4-2 has them.
fn function_name(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "confirm",
        1 => "read",
        2 => "write",
        3 => "select",
        4 => "operate",
        5 => "direct_operate",
        6 => "direct_operate_nr",
        7 => "immed_freeze",
        8 => "immed_freeze_nr",
        9 => "freeze_clear",
        10 => "freeze_clear_nr",
        11 => "freeze_at_time",
        12 => "freeze_at_time_nr",
        13 => "cold_restart",
        14 => "warm_restart",
        15 => "initialize_data",
        16 => "initialize_appl",
        17 => "start_appl",
        18 => "stop_appl",
        19 => "save_config",
        20 => "enable_unsolicited",
        21 => "disable_unsolicited",
        22 => "assign_class",
        23 => "delay_measure",
        24 => "record_current_time",
        25 => "open_file",
        26 => "close_file",
        27 => "delete_file",
        28 => "get_file_info",
        29 => "authenticate_file",
        30 => "abort_file",
        31 => "activate_config",
        32 => "authenticate_req",
        33 => "authenticate_req_nr",
        129 => "response",
        130 => "unsolicited_response",
        131 => "authenticate_resp",
        _ => return None,
    })
}

/// Does the function change the outstation: its outputs, counters, files, configuration or run state?
fn is_write(code: u8) -> bool {
    matches!(code, 2..=22 | 24 | 27 | 31)
}

/// Functions that are answered by silence.
fn has_no_reply(code: u8) -> bool {
    matches!(code, 0 | 6 | 8 | 10 | 12 | 33)
}

/// The internal indications of a reply, by their names in clause 4.2.2.7; bit 0 is the first of the first octet.
const INDICATIONS: [&str; 14] = [
    "all_stations",
    "class_1_events",
    "class_2_events",
    "class_3_events",
    "need_time",
    "local_control",
    "device_trouble",
    "device_restart",
    "no_func_code_support",
    "object_unknown",
    "parameter_error",
    "event_buffer_overflow",
    "already_executing",
    "config_corrupt",
];

fn indications(iin: u16) -> String {
    let set = INDICATIONS.iter().enumerate().filter(|(i, _)| iin >> i & 1 == 1).map(|(_, n)| *n);
    set.collect::<Vec<_>>().join(",")
}

/// One request with its reply, or one unsolicited report.
#[derive(Clone, Debug)]
pub struct Dnp3Record {
    /// Link address of who asked; of the outstation for an unsolicited report.
    pub source: u16,
    /// Link address of who was asked.
    pub destination: u16,
    /// Function of the request; `None` for an unsolicited report and a reply without request.
    pub request: Option<u8>,
    /// Function of the reply.
    pub reply: Option<u8>,
    /// Internal indications of the reply.
    pub iin: Option<u16>,
    /// Object headers of the request, or of the report.
    pub objects: Option<String>,
    /// Points that a command names, and what is to happen to them.
    pub command: Option<String>,
    /// Nanoseconds to the reply.
    pub rtt: Option<i64>,
    /// How often.
    pub repeats: Repeats,
}

impl Dnp3Record {
    /// Name of the request's function.
    pub fn function(&self) -> Option<&'static str> {
        self.request.and_then(function_name)
    }

    /// Is it a command?
    pub fn is_write(&self) -> bool {
        self.request.is_some_and(is_write)
    }
}

impl Repeated for Dnp3Record {
    fn repeats(&mut self) -> &mut Repeats {
        &mut self.repeats
    }
}

/// Requests.
pub static TABLE: Table = Table::record(
    "dnp3",
    "One row is one DNP3 request with its reply, one unsolicited report, or many equal readings of one flow.",
    &[
        col(
            "source",
            T::U16,
            "",
            "Link address of the station that sent the request, or the unsolicited report.",
        ),
        col("destination", T::U16, "", "Link address of the station that it went to."),
        col(
            "function_code",
            T::U8,
            "",
            "Function code of the request; NULL for a report or reply without one.",
        ),
        col(
            "function",
            T::Text,
            "",
            "Name of the request's function, or else of the reply's; NULL for an unknown one.",
        ),
        polling::IS_WRITE,
        col(
            "reply_code",
            T::U8,
            "",
            "Function code of the reply (129), or of the unsolicited report (130); NULL when none was seen.",
        ),
        col("reply", T::Text, "", "Name of the reply's function; NULL when none was seen."),
        col(
            "iin",
            T::U16,
            "",
            "Internal indications of the reply, the first octet in the low eight bits; NULL without a reply.",
        ),
        col(
            "indications",
            T::Text,
            "",
            "Names of the indications that are set, with commas; empty when none is; NULL without a reply.",
        ),
        col(
            "objects",
            T::Text,
            "",
            "Object headers as group:variation and range, of the request or else of the report; the first 8; NULL without.",
        ),
        col(
            "command",
            T::Text,
            "",
            "Points that are controlled and what happens to them; the first 8; NULL when nothing is.",
        ),
        polling::RTT,
        polling::COUNT,
        polling::LAST_TS,
    ],
);

impl Record for Dnp3Record {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.u16(self.source)
            .u16(self.destination)
            .opt_u8(self.request)
            .opt_text(self.request.or(self.reply).and_then(function_name))
            .bool(self.is_write())
            .opt_u8(self.reply)
            .opt_text(self.reply.and_then(function_name))
            .opt_u16(self.iin)
            .opt_text(self.iin.map(indications).as_deref())
            .opt_text(self.objects.as_deref())
            .opt_text(self.command.as_deref())
            .opt_f64(self.rtt.map(seconds))
            .u32(self.repeats.count)
            .time(self.repeats.last);
    }
}

/// Segments of one side that are put together.
#[derive(Default)]
struct Fragment {
    data: Vec<u8>,
    began: Option<At>,
    next: u8,
}

/// What makes two readings equal.
type Key = (u16, u16, Option<u8>, Option<u8>, Option<u16>, Option<String>);

/// The state of one flow.
#[derive(Default)]
struct Dnp3 {
    fragments: [Fragment; 2],
    /// By the addresses of the asking and the asked station, and the application's sequence number.
    waiting: Waiting<(u16, u16, u8), Dnp3Record>,
    polls: Polls<Key, Dnp3Record>,
    frames: u32,
    told_role: bool,
}

impl Dnp3 {
    fn write(&mut self, began: At, row: Dnp3Record, out: &mut Output<'_>) {
        if row.is_write() {
            out.record(began, row);
            return;
        }
        let key = (row.source, row.destination, row.request, row.reply, row.iin, row.objects.clone());
        self.polls.reading(key, began, row, out);
    }

    /// Take a frame's data: a transport segment.
    fn segment(&mut self, side: Side, frame: &Frame, out: &mut Output<'_>) {
        let Some((&transport, data)) = frame.data().split_first() else { return };
        let (first, last, sequence) = (transport & 0x40 != 0, transport & 0x80 != 0, transport & 0x3f);
        let [orig, resp] = &mut self.fragments;
        let fragment = match side {
            Side::Orig => orig,
            Side::Resp => resp,
        };
        if first {
            *fragment = Fragment { data: Vec::new(), began: Some(out.at), next: sequence };
        }
        if fragment.began.is_none() || sequence != fragment.next {
            // A segment was lost: what is there of the fragment cannot be read.
            fragment.began = None;
            return;
        }
        fragment.next = (sequence + 1) & 0x3f;
        if fragment.data.len() + data.len() > MAX_FRAGMENT {
            out.weird(WeirdKind::Dnp3Malformed, Detail::Text("a fragment over its cap".into()));
            fragment.began = None;
            return;
        }
        fragment.data.extend_from_slice(data);
        if last {
            let whole = std::mem::take(fragment);
            self.fragment(side, frame, whole.began.unwrap_or(out.at), &whole.data, out);
        }
    }

    /// Take a whole application fragment.
    fn fragment(&mut self, side: Side, frame: &Frame, began: At, data: &[u8], out: &mut Output<'_>) {
        let (Some(&control), Some(&code)) = (data.first(), data.get(1)) else {
            out.weird(WeirdKind::Dnp3Malformed, Detail::Text("an empty fragment".into()));
            return;
        };
        let sequence = control & 0x0f;
        let reply = matches!(code, 129..=131);
        let (source, destination) = (frame.source, frame.destination);
        let body = data.get(if reply { 4 } else { 2 }..).unwrap_or(&[]);
        let iin = data.get(2..4).filter(|_| reply).and_then(|b| b.try_into().ok()).map(u16::from_le_bytes);
        let repeats = Repeats { count: 1, last: began.ts };
        let blank = Dnp3Record {
            source,
            destination,
            request: None,
            reply: None,
            iin: None,
            objects: None,
            command: None,
            rtt: None,
            repeats,
        };
        if !reply {
            // A confirmation belongs to the reply before it and says nothing of its own.
            if code == 0 {
                return;
            }
            let seen = objects::read(body, code);
            let row =
                Dnp3Record { request: Some(code), objects: seen.headers, command: seen.command, ..blank };
            if has_no_reply(code) || destination >= 0xfffd {
                self.write(began, row, out);
            } else if let Some((at, old)) = self.waiting.put((source, destination, sequence), row, out) {
                self.write(at, old, out);
            }
            return;
        }
        self.role(side, out);
        if code == 129
            && let Some((asked, mut row)) = self.waiting.take(&(destination, source, sequence))
        {
            (row.reply, row.iin) = (Some(code), iin);
            row.rtt = Some(began.ts.since(asked.ts));
            self.write(asked, row, out);
            return;
        }
        // Further fragments of one reply have been told with the first one, unless its request was not seen.
        if code == 129 && control & 0x80 == 0 {
            return;
        }
        let seen = objects::read(body, code);
        let row = Dnp3Record { reply: Some(code), iin, objects: seen.headers, ..blank };
        self.write(began, row, out);
    }

    fn role(&mut self, outstation: Side, out: &mut Output<'_>) {
        if !self.told_role {
            self.told_role = true;
            let tuple = out.flow.tuple;
            out.clue(address(&tuple, outstation), Clue::Role, "plc", "dnp3");
            out.clue(address(&tuple, outstation.other()), Clue::Role, "hmi", "dnp3");
        }
    }
}

impl Parser for Dnp3 {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut rest = data;
        loop {
            match next_frame(rest) {
                Next::Frame { frame, len } => {
                    self.frames = self.frames.saturating_add(1);
                    if frame.damaged {
                        out.weird(WeirdKind::Dnp3BadCrc, Detail::Number(u64::from(frame.source)));
                    } else {
                        self.segment(side, &frame, out);
                    }
                    rest = rest.get(len..).unwrap_or(&[]);
                }
                Next::Skip(n) => {
                    if self.frames == 0 {
                        return Fed::NotMine;
                    }
                    rest = rest.get(n.max(1)..).unwrap_or(&[]);
                }
                Next::More => {
                    if out.flow.tuple.protocol == ip_protocol::UDP && !rest.is_empty() {
                        out.weird(
                            WeirdKind::Dnp3Malformed,
                            Detail::Text("a frame longer than its datagram".into()),
                        );
                    }
                    return Fed::Took(data.len() - rest.len());
                }
            }
        }
    }

    fn gap(&mut self, side: Side, _: u64, _: &mut Output<'_>) -> Fed {
        let [orig, resp] = &mut self.fragments;
        *match side {
            Side::Orig => orig,
            Side::Resp => resp,
        } = Fragment::default();
        // The next start bytes with a right checksum begin the next frame.
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for (began, row) in self.waiting.drain() {
            self.write(began, row, out);
        }
        self.polls.finish(out);
    }
}
