//! Which topics does an MQTT client publish and read, and who is it?
//!
//! MQTT 3.1, 3.1.1 and 5.0 (OASIS): connects with their outcome, publications, subscriptions. Told by the protocol name in the client's
//! CONNECT. Refuses: payloads of publications, of which only the length is kept, and MQTT-SN.

mod record;

pub use record::{MqttMessage, TABLE};

use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::names::databases::mqtt_midway;
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use std::collections::VecDeque;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "mqtt",
    about: "MQTT (OASIS 3.1.1 and 5.0); told by the protocol name in the client's CONNECT.",
    transports: &[Transport::Tcp],
    ports: &[1883],
    tables: &[&TABLE, &CREDENTIALS],
    buffer_cap: KEEP + HEADER,
    probe,
    parser: Some(|| Box::<Mqtt>::default()),
};

/// Longest fixed header, bytes: type and a length of four.
const HEADER: usize = 5;

/// Bytes of a packet that are looked at: the longest topic (64 KiB) would be absurd, subscriptions list some tens.
const KEEP: usize = 8 << 10;

/// Longest topic, client name or reason shown, bytes.
const TEXT_CAP: usize = 512;

/// Topics of one subscription that are recorded.
const TOPICS_CAP: usize = 64;

/// Subscriptions and publications that wait for their acknowledgement.
const PENDING_CAP: usize = 64;

/// Rows that one flow may write: sensors publish for weeks over one connection.
const ROWS_CAP: u32 = 10_000;

mod kind {
    pub(super) const CONNECT: u8 = 1;
    pub(super) const CONNACK: u8 = 2;
    pub(super) const PUBLISH: u8 = 3;
    pub(super) const PUBACK: u8 = 4;
    pub(super) const PUBREC: u8 = 5;
    pub(super) const SUBSCRIBE: u8 = 8;
    pub(super) const SUBACK: u8 = 9;
    pub(super) const UNSUBSCRIBE: u8 = 10;
    pub(super) const UNSUBACK: u8 = 11;
    pub(super) const DISCONNECT: u8 = 14;
}

/// A length in one to four bytes, seven bits each. `None`: not complete, or too long.
fn varint(c: &mut Cursor<'_>) -> Option<usize> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let b = c.u8()?;
        value |= usize::from(b & 0x7f) << shift;
        if b & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn text<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let n = c.u16()?;
    c.take(usize::from(n))
}

fn probe(p: &Probe<'_>) -> Verdict {
    let Some(rest) = p.orig.strip_prefix(&[0x10]) else {
        return if p.orig.is_empty() && p.resp.is_empty() { Verdict::NeedMore } else { mqtt_midway(p) };
    };
    // All bytes of the length but the last have the high bit set.
    let more = rest.iter().take(4).take_while(|b| **b & 0x80 != 0).count();
    if more == 4 {
        return Verdict::NotMine;
    }
    let name = rest.get(more + 1..).unwrap_or(&[]);
    let mut best = Verdict::NotMine;
    for known in [&b"\0\x04MQTT"[..], b"\0\x06MQIsdp"] {
        if name.starts_with(known) {
            return Verdict::Mine(95);
        }
        if known.starts_with(name) {
            best = Verdict::NeedMore;
        }
    }
    best
}

/// Something that waits for its acknowledgement.
struct Pending {
    began: At,
    from: Side,
    /// Its acknowledgement carries this number.
    id: u16,
    /// Which of the topics of one packet; its code is at this place.
    place: usize,
    row: Box<MqttMessage>,
}

/// The state of one connection.
#[derive(Default)]
struct Mqtt {
    client_id: Option<Box<str>>,
    username: Option<Box<str>>,
    version: Option<&'static str>,
    properties: bool,
    connect: Option<(At, Box<MqttMessage>)>,
    /// Was a password sent? `None`: nothing of a login.
    password: Option<bool>,
    pending: VecDeque<Pending>,
    written: u32,
    lost: [bool; 2],
}

impl Mqtt {
    fn lost(&mut self, side: Side) -> &mut bool {
        let [orig, resp] = &mut self.lost;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    fn emit(&mut self, began: At, mut row: MqttMessage, out: &mut Output<'_>) {
        row.client_id.clone_from(&self.client_id);
        row.username.clone_from(&self.username);
        row.version = self.version;
        if self.written == ROWS_CAP {
            out.weird(WeirdKind::RecordsFull, Detail::Number(u64::from(ROWS_CAP)));
        }
        if self.written <= ROWS_CAP {
            self.written += 1;
        }
        if self.written <= ROWS_CAP {
            out.record(began, row);
        }
    }

    /// Wait for an acknowledgement.
    fn wait(&mut self, from: Side, id: u16, place: usize, row: MqttMessage, out: &mut Output<'_>) {
        if self.pending.len() >= PENDING_CAP {
            out.weird(WeirdKind::PendingFull, Detail::Number(PENDING_CAP as u64));
            if let Some(oldest) = self.pending.pop_front() {
                self.emit(oldest.began, *oldest.row, out);
            }
        }
        self.pending.push_back(Pending { began: out.at, from, id, place, row: Box::new(row) });
    }

    /// Step over the properties of version 5.
    fn properties(&self, c: &mut Cursor<'_>) -> Option<()> {
        if self.properties {
            let n = varint(c)?;
            c.skip(n)?;
        }
        Some(())
    }

    /// One packet; `payload` may be its beginning only. `None`: it contradicts itself.
    fn packet(
        &mut self,
        side: Side,
        first: u8,
        len: usize,
        payload: &[u8],
        out: &mut Output<'_>,
    ) -> Option<()> {
        let mut c = Cursor::new(payload);
        let from_client = side == Side::Orig;
        match first >> 4 {
            kind::CONNECT => self.connect(&mut c, out)?,
            kind::CONNACK => {
                c.skip(1)?;
                let code = c.u8()?;
                self.connected(Some(code), out);
            }
            kind::PUBLISH => {
                let topic = text(&mut c)?;
                let qos = first >> 1 & 3;
                let id = if qos > 0 { Some(c.u16()?) } else { None };
                self.properties(&mut c)?;
                let row = MqttMessage {
                    action: "publish",
                    from_client,
                    topic: Some(printable(topic, TEXT_CAP)),
                    qos: Some(qos),
                    retain: Some(first & 1 != 0),
                    payload_len: Some(len.saturating_sub(c.position()) as u64),
                    ..MqttMessage::default()
                };
                // Sent again, because the acknowledgement was late.
                let again = first & 8 != 0 && self.pending.iter().any(|p| p.from == side && Some(p.id) == id);
                match id {
                    _ if again => {}
                    Some(id) => self.wait(side, id, 0, row, out),
                    None => self.emit(out.at, row, out),
                }
            }
            kind::SUBSCRIBE | kind::UNSUBSCRIBE => {
                let subscribe = first >> 4 == kind::SUBSCRIBE;
                let id = c.u16()?;
                self.properties(&mut c)?;
                for place in 0..TOPICS_CAP {
                    if c.is_empty() {
                        break;
                    }
                    let topic = Some(printable(text(&mut c)?, TEXT_CAP));
                    let qos = if subscribe { Some(c.u8()? & 3) } else { None };
                    let action = if subscribe { "subscribe" } else { "unsubscribe" };
                    let row = MqttMessage { action, from_client, topic, qos, ..MqttMessage::default() };
                    self.wait(side, id, place, row, out);
                }
            }
            kind::PUBACK | kind::PUBREC => {
                let id = c.u16()?;
                // Without a code all is well.
                let code = c.u8().unwrap_or(0);
                self.acknowledged(side, id, &[code], out);
            }
            kind::SUBACK => {
                let id = c.u16()?;
                self.properties(&mut c)?;
                self.acknowledged(side, id, c.rest(), out);
            }
            kind::UNSUBACK => {
                let id = c.u16()?;
                self.properties(&mut c)?;
                let codes = if self.properties { c.rest() } else { &[0; TOPICS_CAP] };
                self.acknowledged(side, id, codes, out);
            }
            kind::DISCONNECT => {
                let row =
                    MqttMessage { action: "disconnect", from_client, code: c.u8(), ..MqttMessage::default() };
                self.emit(out.at, row, out);
            }
            _ => {}
        }
        Some(())
    }

    fn connect(&mut self, c: &mut Cursor<'_>, out: &mut Output<'_>) -> Option<()> {
        let name = text(c)?;
        let level = c.u8()?;
        // Bridges set the high bit.
        self.version = match (name, level & 0x7f) {
            (b"MQIsdp", _) => Some("3.1"),
            (_, 4) => Some("3.1.1"),
            (_, 5) => Some("5.0"),
            _ => None,
        };
        self.properties = self.version == Some("5.0");
        let flags = c.u8()?;
        let keep_alive = c.u16()?;
        self.properties(c)?;
        let id = text(c)?;
        self.client_id = (!id.is_empty()).then(|| printable(id, TEXT_CAP).into());
        let mut row = MqttMessage {
            action: "connect",
            from_client: true,
            keep_alive: Some(keep_alive),
            ..MqttMessage::default()
        };
        if flags & 0x04 != 0 {
            self.properties(c)?;
            row.topic = Some(printable(text(c)?, TEXT_CAP));
            text(c)?;
            row.qos = Some(flags >> 3 & 3);
            row.retain = Some(flags & 0x20 != 0);
        }
        if flags & 0x80 != 0 {
            self.username = Some(printable(text(c)?, MAX_ACCOUNT).into());
        }
        if flags & 0xc0 != 0 {
            self.password = Some(flags & 0x40 != 0);
        }
        self.connect = Some((out.at, Box::new(row)));
        Some(())
    }

    /// The server's answer to a connect; without a code it was not seen.
    fn connected(&mut self, code: Option<u8>, out: &mut Output<'_>) {
        let Some((began, mut row)) = self.connect.take() else { return };
        row.code = code;
        row.success = code.map(|c| c == 0);
        row.rtt = code.map(|_| out.at.ts.since(began.ts));
        if let Some(password) = self.password.take() {
            let record = Credential {
                service: "mqtt",
                account: self.username.as_deref().map(Into::into),
                mechanism: "password",
                secret: if password { Secret::Clear } else { Secret::None },
                success: row.success,
                detail: self.client_id.as_deref().map(|id| format!("client {id}")),
            };
            out.record(began, record);
        }
        self.emit(began, *row, out);
    }

    /// Acknowledgements of what the other side sent; one code a topic.
    fn acknowledged(&mut self, side: Side, id: u16, codes: &[u8], out: &mut Output<'_>) {
        let mut waiting = VecDeque::new();
        for mut p in std::mem::take(&mut self.pending) {
            let code = codes.get(p.place).copied().filter(|_| p.from != side && p.id == id);
            let Some(code) = code else {
                waiting.push_back(p);
                continue;
            };
            p.row.code = Some(code);
            p.row.success = Some(code < 0x80);
            p.row.rtt = Some(out.at.ts.since(p.began.ts));
            self.emit(p.began, *p.row, out);
        }
        self.pending = waiting;
    }
}

impl Parser for Mqtt {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|r| !r.is_empty()) {
            let mut c = Cursor::new(rest);
            let Some(first) = c.u8() else { break };
            let Some(len) = varint(&mut c) else {
                if rest.len() < HEADER {
                    break;
                }
                out.weird(WeirdKind::DatabaseMalformed, Detail::Text("no length of MQTT".into()));
                self.finish(out);
                return Fed::Done;
            };
            let header = c.position();
            // The lower four bits are fixed for all but publications.
            let valid = match first >> 4 {
                0 => false,
                kind::PUBLISH => first & 6 != 6,
                6 | kind::SUBSCRIBE | kind::UNSUBSCRIBE => first & 15 == 2,
                _ => first & 15 == 0,
            };
            if *self.lost(side) {
                // Only a packet that fills its segment is believed.
                if at > 0 || !valid || header + len != data.len() {
                    return Fed::Took(data.len());
                }
                *self.lost(side) = false;
            }
            if !valid {
                out.weird(WeirdKind::DatabaseMalformed, Detail::Text("no packet of MQTT".into()));
                self.finish(out);
                return Fed::Done;
            }
            if c.remaining() < len.min(KEEP) {
                break;
            }
            let payload = c.rest().get(..len).unwrap_or(c.rest());
            if self.packet(side, first, len, payload, out).is_none() && payload.len() == len {
                out.weird(
                    WeirdKind::DatabaseMalformed,
                    Detail::Text("a packet of MQTT that ends early".into()),
                );
            }
            if len > c.remaining() {
                return Fed::Skip((len - c.remaining()) as u64);
            }
            at += header + len;
        }
        Fed::Took(at)
    }

    fn gap(&mut self, side: Side, _: u64, _: &mut Output<'_>) -> Fed {
        *self.lost(side) = true;
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.connected(None, out);
        while let Some(p) = self.pending.pop_front() {
            self.emit(p.began, *p.row, out);
        }
    }
}

#[cfg(test)]
mod tests;
