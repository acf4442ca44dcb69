//! Who keeps whose time, and is the clock asked for more than the time?
//!
//! NTP version 1 to 4 (RFC 5905) with its control messages (RFC 9327, mode 6) and the private ones of ntpd (mode 7). Clients ask for
//! years, so one row is one flow with counts. The list of recent clients (`monlist`, request codes 20 and 42 of mode 7) answers a small
//! question with a hundred packets, and is told apart.
//!
//! Refuses to compute offsets: that is a clock's business.

use super::clues::{Clue, HOST_CLUES};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::addr::Ip;
use crate::model::bytes::be32;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;

/// Bytes of a message without extensions and authentication.
const MESSAGE: usize = 48;

/// Highest stratum; 16 means not synchronised (RFC 5905 section 7.3).
const MAX_STRATUM: u8 = 16;

/// Request codes of ntpd's mode 7 that list recent clients (`ntp_request.h`: MON_GETLIST and MON_GETLIST_1).
const MONLIST: [u8; 2] = [20, 42];

/// The port, of both sides between servers.
const PORTS: &[u16] = &[123];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "ntp",
    about: "Network time (RFC 5905) and its control messages; told by version, mode and length, on its port.",
    transports: &[Transport::Udp],
    ports: PORTS,
    tables: &[&TABLE, &HOST_CLUES],
    buffer_cap: 1,
    probe,
    parser: Some(|| Box::<Ntp>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let d = if p.orig.is_empty() { p.resp } else { p.orig };
    let Some((first, second)) = d.first().zip(d.get(1)) else { return Verdict::NotMine };
    let looks = (1..=4).contains(&version(*first))
        && match mode(*first) {
            // Extensions and authentication are whole words (RFC 7822).
            1..=5 => d.len() >= MESSAGE && d.len().is_multiple_of(4) && *second <= MAX_STRATUM,
            6 => d.len() >= 12,
            // Implementations have low numbers: none, the old and the new one of ntpd.
            7 => d.len() >= 8 && matches!(d.get(2), Some(0..=3)),
            _ => false,
        };
    if looks && p.on_port(PORTS) { Verdict::Mine(90) } else { Verdict::NotMine }
}

fn version(first: u8) -> u8 {
    first >> 3 & 7
}

fn mode(first: u8) -> u8 {
    first & 7
}

/// Name of a mode.
fn mode_name(mode: u8) -> &'static str {
    match mode {
        1 => "symmetric_active",
        2 => "symmetric_passive",
        3 => "client",
        4 => "server",
        5 => "broadcast",
        6 => "control",
        7 => "private",
        _ => "reserved",
    }
}

/// One flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NtpRecord {
    /// Version of the first message.
    pub version: u8,
    /// Mode of the first message.
    pub mode: u8,
    /// Messages of the side that spoke first, and of the other.
    pub messages: [u32; 2],
    /// Stratum of the server.
    pub stratum: Option<u8>,
    /// Where the server has its time from: a code, an address or a number.
    pub reference: Option<String>,
    /// Is the reference a kiss code: a request to slow down or go away?
    pub kiss: bool,
    /// Operation of the first control message.
    pub control: Option<u8>,
    /// Request code of the first private message.
    pub private: Option<u8>,
    /// Was a list of recent clients asked for or sent?
    pub monlist: bool,
    /// Bytes of the largest message of mode 6 and 7 of each side.
    pub largest: [u32; 2],
    /// Nanoseconds from the first question to the first answer.
    pub rtt: Option<i64>,
}

/// Flows.
pub static TABLE: Table = Table::record(
    "ntp",
    "One row is one flow of NTP between two hosts.",
    &[
        col("version", T::U8, "", "Version of the first message, 1 to 4."),
        col(
            "mode",
            T::Text,
            "",
            "Mode of the first message: client, server, symmetric_active, symmetric_passive, broadcast, control or private.",
        ),
        col("src_messages", T::U32, "messages", "Messages of the side that spoke first."),
        col("dst_messages", T::U32, "messages", "Messages of the other side."),
        col(
            "stratum",
            T::U8,
            "",
            "Steps between the server and a clock: 1 has one, 16 is not synchronised, 0 is a kiss code; NULL when no server spoke.",
        ),
        col(
            "reference",
            T::Text,
            "",
            "Where the server has its time from: the code of a clock such as GPS, an IPv4 address, or a kiss code; NULL when no server spoke.",
        ),
        col("kiss_code", T::Bool, "", "Did the server refuse or slow the client down?"),
        col(
            "control_operation",
            T::U8,
            "",
            "Operation of the first control message (mode 6): 1 status, 2 read variables …; NULL without one.",
        ),
        col(
            "private_request",
            T::U8,
            "",
            "Request code of the first private message (mode 7); NULL without one.",
        ),
        col(
            "monlist",
            T::Bool,
            "",
            "Was the list of recent clients asked for or sent? It is misused to flood others.",
        ),
        col(
            "src_largest_bytes",
            T::U32,
            "bytes",
            "Largest control or private message of the side that spoke first; 0 without one.",
        ),
        col(
            "dst_largest_bytes",
            T::U32,
            "bytes",
            "Largest control or private message of the other side; 0 without one.",
        ),
        col(
            "rtt_s",
            T::F64,
            "seconds",
            "From the first question to the first answer; NULL unless both were seen.",
        ),
    ],
);

impl Record for NtpRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        let ([src, dst], [src_largest, dst_largest]) = (self.messages, self.largest);
        row.u8(self.version)
            .text(mode_name(self.mode))
            .u32(src)
            .u32(dst)
            .opt_u8(self.stratum)
            .opt_text(self.reference.as_deref())
            .bool(self.kiss)
            .opt_u8(self.control)
            .opt_u8(self.private)
            .bool(self.monlist)
            .u32(src_largest)
            .u32(dst_largest)
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}

/// A reference: four letters for a clock or a kiss code, else an address (of IPv6 it is a hash, RFC 5905 section 7.3).
fn reference(stratum: u8, bytes: [u8; 4]) -> Option<String> {
    if bytes == [0; 4] {
        return None;
    }
    let letters = bytes.split(|b| *b == 0).next().unwrap_or(&[]);
    if stratum < 2 && !letters.is_empty() && letters.iter().all(u8::is_ascii_graphic) {
        return Some(printable(letters, 4));
    }
    Some(Ip::v4(bytes).to_string())
}

/// The state of one flow.
#[derive(Default)]
struct Ntp {
    began: Option<At>,
    record: NtpRecord,
}

impl Ntp {
    fn count(counts: &mut [u32; 2], side: Side) -> &mut u32 {
        let [orig, resp] = counts;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// What a server says of itself.
    fn server(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) {
        let (Some(stratum), Some(id)) = (data.get(1).copied(), be32(data, 12)) else { return };
        self.record.kiss |= stratum == 0;
        self.record.stratum = Some(stratum);
        self.record.reference = reference(stratum, id.to_be_bytes());
        if (1..MAX_STRATUM).contains(&stratum) {
            out.clue(out.host(side), Clue::Role, "time_server", "ntp");
        }
    }
}

impl Parser for Ntp {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let Some(&first) = data.first() else { return Fed::Took(0) };
        let (began, record) = (*self.began.get_or_insert(out.at), &mut self.record);
        if record.messages == [0, 0] {
            (record.version, record.mode) = (version(first), mode(first));
        }
        let count = Self::count(&mut record.messages, side);
        *count = count.saturating_add(1);
        if side == Side::Resp && record.rtt.is_none() && record.messages[0] > 0 {
            record.rtt = Some(out.at.ts.since(began.ts));
        }
        match mode(first) {
            2 | 4 | 5 if data.len() >= MESSAGE => self.server(side, data, out),
            kind @ (6 | 7) => {
                let largest = Self::count(&mut record.largest, side);
                *largest = (*largest).max(u32::try_from(data.len()).unwrap_or(u32::MAX));
                if kind == 6 {
                    record.control = record.control.or(data.get(1).map(|b| b & 0x1f));
                } else if let Some(&code) = data.get(3) {
                    record.private.get_or_insert(code);
                    record.monlist |= MONLIST.contains(&code);
                }
            }
            _ => {}
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        if let Some(began) = self.began.take() {
            out.record(began, std::mem::take(&mut self.record));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::clues::HostClue;
    use crate::protocol::testing::{Bench, Run, Sent, orig, resp};

    fn message(first: u8, stratum: u8, reference: &[u8; 4]) -> Vec<u8> {
        let mut d = vec![0; MESSAGE];
        (d[0], d[1]) = (first, stratum);
        d[12..16].copy_from_slice(reference);
        d
    }

    fn run(sent: &[Sent<'_>]) -> Run {
        Bench::udp(123).only(&[&PROTOCOL]).run(sent)
    }

    #[test]
    fn a_client_and_its_server() {
        let (ask, say) = (message(0x23, 0, &[0; 4]), message(0x24, 1, b"GPS\0"));
        let run = run(&[orig(&ask), resp(&say), orig(&ask), resp(&say)]);
        let r = run.records::<NtpRecord>()[0];
        assert_eq!((r.version, mode_name(r.mode), r.messages), (4, "client", [2, 2]));
        assert_eq!((r.stratum, r.reference.as_deref(), r.kiss), (Some(1), Some("GPS"), false));
        assert_eq!((r.rtt, run.faults, run.service), (Some(1_000_000), 0, Some("ntp")));
        let clue = run.records::<HostClue>();
        assert_eq!((clue[0].ip.to_string().as_str(), clue[0].value.as_str()), ("10.0.0.2", "time_server"));
    }

    #[test]
    fn references_of_every_kind() {
        assert_eq!(reference(2, [192, 0, 2, 9]).as_deref(), Some("192.0.2.9"));
        assert_eq!(reference(0, *b"RATE").as_deref(), Some("RATE"));
        assert_eq!((reference(3, [0; 4]), reference(1, [0, 1, 2, 3]).as_deref()), (None, Some("0.1.2.3")));
        let kiss = run(&[orig(&message(0x23, 0, &[0; 4])), resp(&message(0x24, 0, b"RATE"))]);
        assert!(kiss.records::<NtpRecord>()[0].kiss && kiss.records::<HostClue>().is_empty());
    }

    #[test]
    fn lists_of_clients_are_flagged() {
        let list = [&[0x97, 0, 3, 42][..], &[0; 436]].concat();
        let run = run(&[orig(&[0x17, 0, 3, 42, 0, 0, 0, 0]), resp(&list)]);
        let r = run.records::<NtpRecord>()[0];
        assert_eq!((r.monlist, r.private, r.largest), (true, Some(42), [8, 440]));
        let control =
            Bench::udp(123).only(&[&PROTOCOL]).run(&[orig(&[0x16, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])]);
        assert_eq!(control.records::<NtpRecord>()[0].control, Some(2));
    }

    #[test]
    fn every_prefix_survives() {
        let say = message(0x24, 1, b"GPS\0");
        for end in 0..say.len() {
            let (alone, after) = (run(&[orig(&say[..end])]), run(&[orig(&say), resp(&say[..end])]));
            assert_eq!((alone.service, after.faults), (None, 0));
        }
    }
}
