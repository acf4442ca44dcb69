//! Who was let into the network, at which device, and what did they use?
//!
//! RADIUS: authentication (RFC 2865), accounting (RFC 2866) and changes on the way (RFC 5176). A request waits for the answer with its
//! identifier; one that is sent again is the same. Attributes are those that an analyst joins on: user, device, hardware address,
//! address given, counters.
//!
//! Refuses passwords, keys and vendor attributes; EAP is named and not read.

use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential, Secret};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::addr::{Ip, Mac};
use crate::model::bytes::{be16, be32};
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::{hex, printable};
use crate::model::weird::{Detail, WeirdKind};
use std::collections::VecDeque;

/// Bytes of code, identifier, length and authenticator.
const HEADER: usize = 20;

/// Longest attribute in bytes (RFC 2865 section 5).
const MAX_VALUE: usize = 253;

/// Requests that wait for their answer: a device may have 256 under way.
const MAX_PENDING: usize = 256;

/// Authentication, accounting, their old numbers, and changes on the way.
const PORTS: &[u16] = &[1812, 1813, 1645, 1646, 3799];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "radius",
    about: "RADIUS (RFC 2865, RFC 2866, RFC 5176); told by a length that fits and attributes that fill it.",
    transports: &[Transport::Udp],
    ports: PORTS,
    tables: &[&TABLE, &CREDENTIALS, &HOST_CLUES],
    buffer_cap: 1,
    probe,
    parser: Some(|| Box::<Radius>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let known = |code: u8| request_name(code).is_some() || answer_name(code).is_some();
    let looks = |d: &[u8]| Message::read(d).is_some_and(|m| known(m.code));
    // A damaged attribute leaves the header as it was.
    let header = |d: &[u8]| {
        d.first().is_some_and(|code| known(*code))
            && d.len() >= HEADER
            && be16(d, 2).is_some_and(|len| usize::from(len) == d.len())
    };
    let d = if p.orig.is_empty() { p.resp } else { p.orig };
    // Without an attribute only a port tells it from chance.
    let has_attributes = be16(d, 2).is_some_and(|len| usize::from(len) > HEADER);
    match p.on_port(PORTS) {
        _ if looks(d) && has_attributes => Verdict::Mine(80),
        true if looks(d) => Verdict::Mine(80),
        true if header(d) => Verdict::Mine(60),
        _ => Verdict::NotMine,
    }
}

/// Name of a request.
fn request_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "access",
        4 => "accounting",
        12 => "status",
        40 => "disconnect",
        43 => "coa",
        _ => return None,
    })
}

/// Name of an answer.
fn answer_name(code: u8) -> Option<&'static str> {
    Some(match code {
        2 => "accept",
        3 => "reject",
        5 => "accounted",
        11 => "challenge",
        41 | 44 => "ack",
        42 | 45 => "nak",
        _ => return None,
    })
}

/// Does this answer belong to that request?
fn fits(request: u8, answer: u8) -> bool {
    matches!((request, answer), (1, 2 | 3 | 11) | (4, 5) | (12, 2 | 5) | (40, 41 | 42) | (43, 44 | 45))
}

/// Numbers of the attributes that are read.
mod attribute {
    pub(super) const USER: u8 = 1;
    pub(super) const PASSWORD: u8 = 2;
    pub(super) const CHAP: u8 = 3;
    pub(super) const NAS_IP: u8 = 4;
    pub(super) const NAS_PORT: u8 = 5;
    pub(super) const SERVICE: u8 = 6;
    pub(super) const FRAMED_IP: u8 = 8;
    pub(super) const REPLY: u8 = 18;
    pub(super) const CALLED: u8 = 30;
    pub(super) const CALLING: u8 = 31;
    pub(super) const NAS_ID: u8 = 32;
    pub(super) const STATUS: u8 = 40;
    pub(super) const IN_OCTETS: u8 = 42;
    pub(super) const OUT_OCTETS: u8 = 43;
    pub(super) const SESSION: u8 = 44;
    pub(super) const SESSION_TIME: u8 = 46;
    pub(super) const CAUSE: u8 = 49;
    pub(super) const IN_GIGAWORDS: u8 = 52;
    pub(super) const OUT_GIGAWORDS: u8 = 53;
    pub(super) const PORT_TYPE: u8 = 61;
    pub(super) const TUNNEL_CLIENT: u8 = 66;
    pub(super) const EAP: u8 = 79;
    pub(super) const TUNNEL_GROUP: u8 = 81;
    pub(super) const NAS_IPV6: u8 = 95;
    pub(super) const FRAMED_IPV6: u8 = 168;
}

/// A message: code, identifier, attributes.
#[derive(Clone, Copy)]
struct Message<'a> {
    code: u8,
    id: u8,
    authenticator: &'a [u8],
    attributes: &'a [u8],
}

impl<'a> Message<'a> {
    /// `None` when the length does not fit or the attributes do not fill it.
    fn read(d: &'a [u8]) -> Option<Self> {
        let len = usize::from(be16(d, 2)?);
        let attributes = d.get(HEADER..len)?;
        let message =
            Self { code: *d.first()?, id: *d.get(1)?, authenticator: d.get(4..HEADER)?, attributes };
        let filled: usize = message.each().map(|(_, v)| v.len() + 2).sum();
        (filled == attributes.len()).then_some(message)
    }

    fn each(self) -> impl Iterator<Item = (u8, &'a [u8])> {
        let mut rest = self.attributes;
        std::iter::from_fn(move || {
            let [kind, len, ..] = *rest else { return None };
            let value = rest.get(2..usize::from(len))?;
            rest = rest.get(usize::from(len)..)?;
            (kind > 0).then_some((kind, value))
        })
    }
}

/// A request with its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RadiusRecord {
    /// Code of the request; `None` when only the answer was seen.
    pub request: Option<u8>,
    /// Identifier.
    pub id: u8,
    /// Code of the answer.
    pub answer: Option<u8>,
    /// User.
    pub user: Option<String>,
    /// Address of the device that asks.
    pub nas_ip: Option<Ip>,
    /// Name of the device.
    pub nas_id: Option<String>,
    /// Port of the device.
    pub nas_port: Option<u32>,
    /// Kind of port (RFC 2865 section 5.41).
    pub nas_port_type: Option<u32>,
    /// Who calls: mostly a hardware address.
    pub calling: Option<String>,
    /// Who is called: an access point and its network, or a number.
    pub called: Option<String>,
    /// Service wanted (RFC 2865 section 5.6).
    pub service: Option<u32>,
    /// Address given.
    pub framed_ip: Option<Ip>,
    /// Client's end of a tunnel.
    pub tunnel_client: Option<String>,
    /// Group of the tunnel, such as a VLAN.
    pub tunnel_group: Option<String>,
    /// Accounting: start 1, stop 2, interim 3 …
    pub status: Option<u32>,
    /// Session.
    pub session: Option<String>,
    /// Its age, seconds.
    pub session_time: Option<u32>,
    /// Bytes from the user: low and high word.
    pub input: (Option<u32>, u32),
    /// Bytes to the user: low and high word.
    pub output: (Option<u32>, u32),
    /// Why it ended (RFC 2866 section 5.10).
    pub cause: Option<u32>,
    /// What the server says.
    pub reply: Option<String>,
    /// How the user proves who they are.
    pub mechanism: Option<&'static str>,
    /// Nanoseconds to the answer.
    pub rtt: Option<i64>,
}

/// Requests.
pub static TABLE: Table = Table::record(
    "radius",
    "One row is one RADIUS request with its answer.",
    &[
        col(
            "request",
            T::Text,
            "",
            "access, accounting, status, disconnect or coa; NULL when only the answer was seen.",
        ),
        col("identifier", T::U8, "", "Number that joins question and answer."),
        col(
            "result",
            T::Text,
            "",
            "accept, reject, challenge, accounted, ack or nak; NULL without an answer.",
        ),
        col("user", T::Text, "", "User; NULL when not named."),
        col("mechanism", T::Text, "", "pap, chap or eap; NULL when the request proves nothing."),
        col("nas_ip", T::Text, "", "Address of the device at which the user is; NULL when it does not say."),
        col("nas_identifier", T::Text, "", "Name of that device; NULL when it does not say."),
        col("nas_port", T::U32, "", "Port of that device; NULL when it does not say."),
        col(
            "nas_port_type",
            T::U32,
            "",
            "Kind of port: 15 Ethernet, 19 wireless, 5 virtual …; NULL when it does not say.",
        ),
        col("calling_station", T::Text, "", "Who calls, mostly a hardware address; NULL when not named."),
        col(
            "called_station",
            T::Text,
            "",
            "Who is called: an access point and its network, or a number; NULL when not named.",
        ),
        col(
            "service_type",
            T::U32,
            "",
            "Service wanted or granted (RFC 2865 section 5.6); NULL when not said.",
        ),
        col("framed_ip", T::Text, "", "Address of the user; NULL when not said."),
        col("tunnel_client", T::Text, "", "Client's end of a tunnel; NULL without one."),
        col("tunnel_group", T::Text, "", "Group of a tunnel, for switches the VLAN; NULL without one."),
        col(
            "accounting_status",
            T::U32,
            "",
            "1 start, 2 stop, 3 interim, 7 device on, 8 device off; NULL outside of accounting.",
        ),
        col("session_id", T::Text, "", "Session; NULL when not said."),
        col("session_s", T::U32, "seconds", "Age of the session; NULL when not said."),
        col("input_bytes", T::U64, "bytes", "Bytes from the user in this session; NULL when not said."),
        col("output_bytes", T::U64, "bytes", "Bytes to the user in this session; NULL when not said."),
        col(
            "terminate_cause",
            T::U32,
            "",
            "Why the session ended (RFC 2866 section 5.10); NULL when it did not.",
        ),
        col("reply_message", T::Text, "", "What the server says to the user; NULL without words."),
        col("rtt_s", T::F64, "seconds", "From the request to its answer; NULL unless both were seen."),
    ],
);

impl Record for RadiusRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        let bytes = |(low, high): (Option<u32>, u32)| low.map(|l| u64::from(high) << 32 | u64::from(l));
        let ip = |row: &mut Row<'_>, ip: Option<Ip>| {
            match ip {
                Some(ip) => row.ip(ip),
                None => row.null(),
            };
        };
        row.opt_text(self.request.and_then(request_name))
            .u8(self.id)
            .opt_text(self.answer.and_then(answer_name))
            .opt_text(self.user.as_deref())
            .opt_text(self.mechanism);
        ip(row, self.nas_ip);
        row.opt_text(self.nas_id.as_deref())
            .opt_u32(self.nas_port)
            .opt_u32(self.nas_port_type)
            .opt_text(self.calling.as_deref())
            .opt_text(self.called.as_deref())
            .opt_u32(self.service);
        ip(row, self.framed_ip);
        row.opt_text(self.tunnel_client.as_deref())
            .opt_text(self.tunnel_group.as_deref())
            .opt_u32(self.status)
            .opt_text(self.session.as_deref())
            .opt_u32(self.session_time)
            .opt_u64(bytes(self.input))
            .opt_u64(bytes(self.output))
            .opt_u32(self.cause)
            .opt_text(self.reply.as_deref())
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}

impl RadiusRecord {
    /// Add what the attributes of a message say; what the request said stays, except words.
    fn add(&mut self, message: Message<'_>) {
        for (kind, value) in message.each() {
            let text = || Some(printable(value, MAX_VALUE)).filter(|t| !t.is_empty());
            let number = || be32(value, 0).filter(|_| value.len() == 4);
            let v4 = || value.first_chunk::<4>().filter(|_| value.len() == 4).map(|a| Ip::v4(*a));
            let v6 = || value.first_chunk::<16>().filter(|_| value.len() == 16).map(|a| Ip::v6(*a));
            // A tunnel's text has a tag of one byte before it, below 32 (RFC 2868 section 3.3).
            let tagged = || match value {
                [0..=0x1f, rest @ ..] => Some(printable(rest, MAX_VALUE)).filter(|t| !t.is_empty()),
                _ => text(),
            };
            match kind {
                attribute::USER => self.user = self.user.take().or_else(text),
                attribute::PASSWORD => self.mechanism = Some("pap"),
                attribute::CHAP => self.mechanism = Some("chap"),
                attribute::EAP if message.code == 1 => self.mechanism = Some("eap"),
                attribute::NAS_IP => self.nas_ip = v4().or(self.nas_ip),
                attribute::NAS_IPV6 => self.nas_ip = self.nas_ip.or_else(v6),
                attribute::NAS_ID => self.nas_id = self.nas_id.take().or_else(text),
                attribute::NAS_PORT => self.nas_port = self.nas_port.or_else(number),
                attribute::PORT_TYPE => self.nas_port_type = self.nas_port_type.or_else(number),
                attribute::CALLING => self.calling = self.calling.take().or_else(text),
                attribute::CALLED => self.called = self.called.take().or_else(text),
                attribute::SERVICE => self.service = number().or(self.service),
                // 255.255.255.254 and .255 leave the choice to the device or the user (RFC 2865 section 5.8).
                attribute::FRAMED_IP if !matches!(value, [255, 255, 255, 254 | 255]) => {
                    self.framed_ip = v4().or(self.framed_ip);
                }
                attribute::FRAMED_IPV6 => self.framed_ip = self.framed_ip.or_else(v6),
                attribute::TUNNEL_CLIENT => self.tunnel_client = tagged().or(self.tunnel_client.take()),
                attribute::TUNNEL_GROUP => self.tunnel_group = tagged().or(self.tunnel_group.take()),
                attribute::STATUS => self.status = number(),
                attribute::SESSION => self.session = self.session.take().or_else(text),
                attribute::SESSION_TIME => self.session_time = number(),
                attribute::IN_OCTETS => self.input.0 = number(),
                attribute::OUT_OCTETS => self.output.0 = number(),
                attribute::IN_GIGAWORDS => self.input.1 = number().unwrap_or(0),
                attribute::OUT_GIGAWORDS => self.output.1 = number().unwrap_or(0),
                attribute::CAUSE => self.cause = number(),
                attribute::REPLY => self.reply = text().or(self.reply.take()),
                _ => {}
            }
        }
    }
}

/// A request without its answer.
struct Pending {
    at: At,
    authenticator: [u8; 16],
    record: RadiusRecord,
}

/// The state of one flow.
#[derive(Default)]
struct Radius {
    pending: VecDeque<Pending>,
}

impl Radius {
    fn request(&mut self, message: Message<'_>, out: &mut Output<'_>) {
        let Some(authenticator) = message.authenticator.first_chunk::<16>().copied() else { return };
        let again = |p: &Pending| p.record.id == message.id && p.authenticator == authenticator;
        if self.pending.iter().any(again) {
            return;
        }
        // The same identifier with another authenticator: the device gave the older request up.
        let given_up = self.pending.iter().position(|p| p.record.id == message.id);
        if let Some(old) = given_up.and_then(|i| self.pending.remove(i)) {
            write(old.at, old.record, out);
        }
        if self.pending.len() >= MAX_PENDING {
            out.weird(WeirdKind::PendingFull, Detail::Number(MAX_PENDING as u64));
            self.unanswered(out);
        }
        let mut record =
            RadiusRecord { request: Some(message.code), id: message.id, ..RadiusRecord::default() };
        record.add(message);
        self.pending.push_back(Pending { at: out.at, authenticator, record });
    }

    fn answer(&mut self, side: Side, message: Message<'_>, out: &mut Output<'_>) {
        let mine = |p: &Pending| {
            p.record.id == message.id && p.record.request.is_some_and(|r| fits(r, message.code))
        };
        let pending = self.pending.iter().position(mine).and_then(|i| self.pending.remove(i));
        let (at, mut record) = match pending {
            Some(p) => (p.at, RadiusRecord { rtt: Some(out.at.ts.since(p.at.ts)), ..p.record }),
            None => (out.at, RadiusRecord { id: message.id, ..RadiusRecord::default() }),
        };
        record.answer = Some(message.code);
        record.add(message);
        if matches!(message.code, 2 | 3 | 5 | 11) {
            out.clue(out.host(side), Clue::Role, "radius_server", "radius");
        }
        write(at, record, out);
    }

    fn unanswered(&mut self, out: &mut Output<'_>) {
        if let Some(Pending { at, record, .. }) = self.pending.pop_front() {
            write(at, record, out);
        }
    }
}

/// Twelve hexadecimal digits, whatever stands between them.
fn hardware_address(text: &str) -> Option<Mac> {
    let digits = || text.chars().filter(|c| !matches!(c, '-' | ':' | '.'));
    if text.len() > 17 || digits().count() != 12 {
        return None;
    }
    let mut nibbles = digits().map(|c| c.to_digit(16));
    let mut mac = [0; 6];
    for byte in &mut mac {
        *byte = (nibbles.next()?? << 4 | nibbles.next()??) as u8;
    }
    Some(Mac(mac))
}

/// Hand on the record, with the attempt to log in that it is and what it says about hosts.
fn write(at: At, record: RadiusRecord, out: &mut Output<'_>) {
    // The user is known at the address that was given, once the session is accepted or accounted.
    let settled = matches!(record.answer, Some(2 | 5)) || record.request == Some(4);
    if let Some(ip) = record.framed_ip.filter(|_| settled) {
        if let Some(user) = &record.user {
            out.clue(ip, Clue::User, user, "radius.user_name");
        }
        if let Some(mac) = record.calling.as_deref().and_then(hardware_address) {
            out.clue(ip, Clue::Mac, &mac.to_string(), "radius.calling_station");
        }
    }
    if let (Some(ip), Some(name)) = (record.nas_ip, &record.nas_id) {
        out.clue(ip, Clue::Name, name, "radius.nas_identifier");
    }
    // A challenge is a step, not an attempt; the attempt ends with accept or reject.
    if let Some(mechanism) =
        record.mechanism.filter(|_| record.request == Some(1) && record.answer != Some(11))
    {
        let login = Credential {
            service: PROTOCOL.name,
            account: record.user.clone(),
            mechanism,
            secret: Secret::Hashed,
            success: record.answer.map(|a| a == 2),
            detail: record.reply.clone(),
        };
        out.record(at, login);
    }
    out.record(at, record);
}

impl Parser for Radius {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        match Message::read(data) {
            Some(message) if request_name(message.code).is_some() => self.request(message, out),
            Some(message) if answer_name(message.code).is_some() => self.answer(side, message, out),
            _ => {
                let head = hex(data.get(..4).unwrap_or(data));
                out.weird(WeirdKind::RadiusMalformed, Detail::Text(head.into()));
            }
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        while !self.pending.is_empty() {
            self.unanswered(out);
        }
    }
}

#[cfg(test)]
mod tests;
