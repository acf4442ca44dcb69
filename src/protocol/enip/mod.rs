//! Who talks to which EtherNet/IP device, and which CIP service is asked of it?
//!
//! EtherNet/IP and CIP (ODVA, The CIP Networks Library volumes 1 and 2): encapsulation, Common Packet Format, identity, message router
//! requests also inside Unconnected Send. One row is one encapsulation command with its answer; equal readings are counted (see [`super::polling`]),
//! commands never. Implicit I/O (port 2222) is named and not recorded: it repeats every few milliseconds. Refuses values.

mod record;

pub use self::record::{EnipRecord, Identity, Path, TABLE};

use super::clues::{Clue, HOST_CLUES};
use super::polling::{Polls, Repeats, Waiting, address, client};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::Cursor;
use crate::model::flow::{Side, ip_protocol};
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};

/// Largest message in bytes that is kept: header and CPF. Explicit messages stay below 600, large forward opens reach 4 KiB.
const MAX_MESSAGE: usize = 8 << 10;

/// Items of one Common Packet Format that are read; there are two, or four with socket addresses.
const MAX_ITEMS: u16 = 8;

/// Bytes of a product name or a symbol that are shown.
const MAX_NAME: usize = 64;

/// Explicit messages.
const PORTS: &[u16] = &[44818];

/// Implicit I/O.
const IO_PORT: u16 = 2222;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "enip",
    about: "EtherNet/IP with CIP (ODVA); told by a known command with a length that fits, no status and no options, or by the items of implicit I/O.",
    transports: &[Transport::Tcp, Transport::Udp],
    ports: &[44818, IO_PORT],
    tables: &[&TABLE, &HOST_CLUES],
    buffer_cap: MAX_MESSAGE,
    probe,
    parser: Some(|| Box::<Enip>::default()),
};

/// The 24 bytes before every message.
struct Header {
    command: u16,
    len: usize,
    session: u32,
    status: u32,
    context: u64,
    options: u32,
}

fn header(d: &[u8]) -> Option<Header> {
    let mut c = Cursor::new(d);
    Some(Header {
        command: c.u16_le()?,
        len: usize::from(c.u16_le()?),
        session: c.u32_le()?,
        status: c.u32_le()?,
        context: c.u64()?,
        options: c.u32_le()?,
    })
}

/// Commands by their names.
fn command_name(command: u16) -> Option<&'static str> {
    Some(match command {
        0x00 => "nop",
        0x04 => "list_services",
        0x63 => "list_identity",
        0x64 => "list_interfaces",
        0x65 => "register_session",
        0x66 => "unregister_session",
        0x6f => "send_rr_data",
        0x70 => "send_unit_data",
        0x72 => "indicate_status",
        0x73 => "cancel",
        _ => return None,
    })
}

/// Implicit I/O: two items, a sequenced address of 8 bytes and connected data.
fn is_io(d: &[u8]) -> bool {
    d.starts_with(&[2, 0, 2, 0x80, 8, 0]) && d.get(14..16) == Some(&[0xb1, 0])
}

fn probe(p: &Probe<'_>) -> Verdict {
    let d = if p.orig.is_empty() { p.resp } else { p.orig };
    if p.transport == Transport::Udp && is_io(d) {
        return Verdict::Mine(80);
    }
    let Some(h) = header(d) else {
        // The command's low byte comes first, and all known ones have no high byte.
        let begins = d.first().is_none_or(|b| *b != 0 && command_name(u16::from(*b)).is_some())
            && d.get(1).is_none_or(|b| *b == 0);
        let open = begins && p.transport == Transport::Tcp;
        return if open { Verdict::NeedMore } else { Verdict::NotMine };
    };
    let known = command_name(h.command).is_some() && h.command != 0;
    // Commands of discovery carry nothing when they ask; a session is registered with four bytes.
    let whole = match h.command {
        0x65 => h.len == 4,
        0x66 => h.len == 0,
        _ => true,
    };
    let fits = h.len.saturating_add(24) <= d.len();
    if known && whole && fits && h.options == 0 && h.status == 0 {
        Verdict::Mine(if p.on_port(PORTS) { 85 } else { 55 })
    } else {
        Verdict::NotMine
    }
}

/// Services of CIP by the names of volume 1 appendix A; those above 0x4a by the object that they are asked of.
fn service_name(service: u8, class: Option<u16>) -> Option<&'static str> {
    Some(match (service, class) {
        (0x01, _) => "get_attributes_all",
        (0x02, _) => "set_attributes_all",
        (0x03, _) => "get_attribute_list",
        (0x04, _) => "set_attribute_list",
        (0x05, _) => "reset",
        (0x06, _) => "start",
        (0x07, _) => "stop",
        (0x08, _) => "create",
        (0x09, _) => "delete",
        (0x0a, _) => "multiple_service_packet",
        (0x0d, _) => "apply_attributes",
        (0x0e, _) => "get_attribute_single",
        (0x10, _) => "set_attribute_single",
        (0x11, _) => "find_next_object_instance",
        (0x15, _) => "restore",
        (0x16, _) => "save",
        (0x17, _) => "nop",
        (0x18, _) => "get_member",
        (0x19, _) => "set_member",
        (0x1a, _) => "insert_member",
        (0x1b, _) => "remove_member",
        (0x4e, Some(6)) => "forward_close",
        (0x52, Some(6)) => "unconnected_send",
        (0x54, Some(6)) => "forward_open",
        (0x5b, Some(6)) => "large_forward_open",
        (0x4b, Some(0x67)) => "execute_pccc",
        // Logix controllers, asked by the name of a tag.
        (0x4c, _) => "read_tag",
        (0x4d, _) => "write_tag",
        (0x4e, _) => "read_modify_write_tag",
        (0x52, _) => "read_tag_fragmented",
        (0x53, _) => "write_tag_fragmented",
        (0x55, _) => "get_instance_attribute_list",
        _ => return None,
    })
}

/// Does the service change the device?
fn is_write(service: u8, class: Option<u16>) -> bool {
    match service {
        0x02 | 0x04..=0x09 | 0x0d | 0x10 | 0x15 | 0x16 | 0x19..=0x1b | 0x4d | 0x53 => true,
        0x4e => class != Some(6),
        _ => false,
    }
}

/// Segments of a path: class, instance, attribute, symbol (volume 1 appendix C). Others end it.
fn path(bytes: &[u8]) -> Path {
    let mut p = Path::default();
    let mut c = Cursor::new(bytes);
    let mut step = || -> Option<()> {
        let segment = c.u8()?;
        let value = match segment & 0xe3 {
            0x20 => u32::from(c.u8()?),
            0x21 => {
                c.skip(1)?;
                u32::from(c.u16_le()?)
            }
            0x22 => {
                c.skip(1)?;
                c.u32_le()?
            }
            _ if segment == 0x91 => {
                let n = usize::from(c.u8()?);
                let name = c.take(n)?;
                let _ = c.skip(n % 2);
                if p.symbol.is_none() {
                    p.symbol = Some(printable(name, MAX_NAME));
                }
                return Some(());
            }
            _ => return None,
        };
        match segment >> 2 & 7 {
            0 => p.class = u16::try_from(value).ok(),
            1 => p.instance = Some(value),
            4 => p.attribute = u16::try_from(value).ok(),
            _ => {}
        }
        Some(())
    };
    while step().is_some() {}
    p
}

/// The identity item of List Identity (volume 2 section 2-4.3).
fn identity(item: &[u8]) -> Option<Identity> {
    let mut c = Cursor::new(item);
    // Version and socket address.
    c.skip(2 + 16)?;
    let (vendor, device_type, product_code) = (c.u16_le()?, c.u16_le()?, c.u16_le()?);
    let revision = (c.u8()?, c.u8()?);
    c.skip(2)?;
    let serial = c.u32_le()?;
    let n = c.u8()?;
    let name = printable(c.take(usize::from(n))?, MAX_NAME);
    Some(Identity { vendor, device_type, product_code, revision, serial, name })
}

/// The item of a kind in a Common Packet Format.
fn item<'a>(cpf: &'a [u8], kinds: &[u16]) -> Option<(u16, &'a [u8])> {
    let mut c = Cursor::new(cpf);
    let count = c.u16_le()?.min(MAX_ITEMS);
    for _ in 0..count {
        let (kind, len) = (c.u16_le()?, c.u16_le()?);
        let data = c.take(usize::from(len))?;
        if kinds.contains(&kind) {
            return Some((kind, data));
        }
    }
    None
}

/// The CIP message in the data of SendRRData or SendUnitData.
fn cip(data: &[u8]) -> Option<&[u8]> {
    // Interface handle and timeout come first.
    let (kind, message) = item(data.get(6..)?, &[0xb1, 0xb2])?;
    // Connected data begins with a sequence number.
    message.get(if kind == 0xb1 { 2 } else { 0 }..)
}

/// Service and path of a request; those inside Unconnected Send.
fn cip_request(message: &[u8]) -> Option<(u8, Path)> {
    let mut c = Cursor::new(message);
    let (service, words) = (c.u8()?, c.u8()?);
    let route = path(c.take(usize::from(words) * 2)?);
    if service == 0x52 && route.class == Some(6) {
        // Priority, timeout, length of the message inside.
        c.skip(2)?;
        let n = c.u16_le()?;
        let mut inner = Cursor::new(c.take(usize::from(n))?);
        let (service, words) = (inner.u8()?, inner.u8()?);
        return Some((service, path(inner.take(usize::from(words) * 2)?)));
    }
    Some((service, route))
}

/// What makes two readings equal.
type Key = (u16, Option<u8>, Path, Option<u32>, Option<u8>, bool);

/// The state of one flow.
#[derive(Default)]
struct Enip {
    waiting: Waiting<(u16, u64), EnipRecord>,
    polls: Polls<Key, EnipRecord>,
    messages: u32,
    lost: bool,
    told_role: bool,
}

impl Enip {
    fn write(&mut self, began: At, row: EnipRecord, out: &mut Output<'_>) {
        if row.is_write() || row.identity.is_some() {
            out.record(began, row);
            return;
        }
        let key = (row.command, row.service, row.path.clone(), row.status, row.cip_status, row.answered);
        self.polls.reading(key, began, row, out);
    }

    /// Answers to connected messages come with the connection's sequence number in the place of the context.
    fn key(h: &Header, data: &[u8]) -> (u16, u64) {
        if h.command != 0x70 {
            return (h.command, h.context);
        }
        let sequence =
            data.get(6..).and_then(|d| item(d, &[0xb1])).and_then(|(_, d)| Cursor::new(d).u16_le());
        (h.command, u64::from(sequence.unwrap_or(0)))
    }

    fn message(&mut self, side: Side, h: &Header, data: &[u8], out: &mut Output<'_>) {
        self.messages = self.messages.saturating_add(1);
        let asks = side == client(&out.flow.tuple, PORTS);
        let message = if matches!(h.command, 0x6f | 0x70) { cip(data) } else { None };
        let mut row = EnipRecord {
            command: h.command,
            session: h.session,
            status: None,
            service: None,
            path: Path::default(),
            cip_status: None,
            identity: None,
            answered: false,
            rtt: None,
            repeats: Repeats::once(out.at),
        };
        // The reply bit tells who answers; discovery by broadcast is answered on a flow of its own.
        let reply = match message.and_then(|m| m.first()) {
            Some(service) => service & 0x80 != 0,
            None if h.command == 0x63 => h.len > 0,
            None => !asks,
        };
        if !reply {
            if let Some(m) = message {
                match cip_request(m) {
                    Some((service, path)) => (row.service, row.path) = (Some(service), path),
                    None => out.weird(WeirdKind::EnipMalformed, Detail::Text("a CIP request".into())),
                }
            }
            // These two have no answer.
            if matches!(h.command, 0 | 0x66) {
                self.write(out.at, row, out);
            } else if let Some((began, old)) = self.waiting.put(Self::key(h, data), row, out) {
                self.write(began, old, out);
            }
            return;
        }
        let mut began = out.at;
        if let Some((at, asked)) = self.waiting.take(&Self::key(h, data)) {
            (began, row) = (at, asked);
            row.rtt = Some(out.at.ts.since(at.ts));
        }
        (row.answered, row.status) = (true, Some(h.status));
        // A session has its handle from the answer on.
        row.session = h.session;
        if let Some(m) = message {
            row.cip_status = m.get(2).copied();
            row.service = row.service.or(m.first().map(|s| s & 0x7f));
        }
        let device = address(&out.flow.tuple, side);
        if h.command == 0x63
            && let Some(who) = item(data, &[0x0c]).and_then(|(_, d)| identity(d))
        {
            let text = format!(
                "{} revision {}.{} vendor {} serial {:08x}",
                who.name, who.revision.0, who.revision.1, who.vendor, who.serial
            );
            out.clue(device, Clue::System, &text, "enip.identity");
            row.identity = Some(who);
        }
        if !self.told_role {
            self.told_role = true;
            out.clue(device, Clue::Role, "plc", "enip");
            if message.is_some() {
                out.clue(address(&out.flow.tuple, side.other()), Clue::Role, "hmi", "enip");
            }
        }
        self.write(began, row, out);
    }
}

impl Parser for Enip {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let datagram = out.flow.tuple.protocol == ip_protocol::UDP;
        if datagram && is_io(data) {
            return Fed::Done;
        }
        let mut rest = data;
        while let Some(h) = header(rest) {
            if command_name(h.command).is_none() || h.options != 0 {
                if self.messages == 0 && !self.lost {
                    return Fed::NotMine;
                }
                if !self.lost {
                    out.weird(WeirdKind::EnipMalformed, Detail::Number(u64::from(h.command)));
                }
                // Messages begin where segments do, nearly always.
                self.lost = true;
                return Fed::Took(data.len());
            }
            let Some(body) = rest.get(24..h.len.saturating_add(24)) else { break };
            self.lost = false;
            self.message(side, &h, body, out);
            rest = rest.get(h.len.saturating_add(24)..).unwrap_or(&[]);
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
}

#[cfg(test)]
mod tests;
