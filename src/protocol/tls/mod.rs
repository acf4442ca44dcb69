//! Who speaks TLS with whom, and what can be seen of it before it goes dark?
//!
//! RFC 8446 (1.3), RFC 5246 (1.2) and its forerunners down to SSL 2. Hellos may be spread over many records and segments.
//! Either side may be missing. Once both sides sent encrypted data, the row is written and the flow is left alone, so
//! that bulk data costs nothing. Told by a record header with a hello inside, on any port.
//! Refuses: decryption. A flow that is joined after its hellos is named by its records and has no row.
//! DTLS (`super::dtls`) and QUIC (`super::quic`) bring their handshakes here in records of their own.
//! Read `hello` (what is offered), then `handshake` (what the parser knows), then `ja`, `record` and `x509`.

pub(in crate::protocol) mod assembly;
pub(in crate::protocol) mod handshake;
pub(in crate::protocol) mod hello;
pub(in crate::protocol) mod ja;
pub(in crate::protocol) mod names;
mod record;
mod x509;

pub use record::{TLS, TlsHandshake};
pub use x509::{Certificate, X509};

use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::weird::{Detail, WeirdKind};
use handshake::Handshake;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "tls",
    about: "TLS and SSL (RFC 8446, RFC 5246), by a record header with a ClientHello or ServerHello inside.",
    transports: &[Transport::Tcp],
    ports: &[443, 465, 636, 853, 989, 990, 992, 993, 994, 995, 5061, 8443],
    tables: &[&TLS, &X509],
    buffer_cap: RECORD_CAP + HEADER,
    probe,
    parser: Some(|| Box::new(Tls::default())),
};

/// Bytes before the payload of a record.
const HEADER: usize = 5;

/// Longest payload of a record, bytes (RFC 5246 section 6.2.3: 2^14 + 2048).
const RECORD_CAP: usize = (1 << 14) + 2048;

/// Bytes of a heartbeat that are read: its type and the length it claims (RFC 6520 section 4).
const HEARTBEAT: usize = 3;

/// How sure a single record of a flow that is joined late makes, on a port of TLS and elsewhere: there the dispatcher waits for more, and
/// takes it when nothing else comes.
const LATE_AT_HOME: u8 = 70;
const LATE: u8 = 45;

/// Records of encrypted data that one side may send while the other has not gone on to encrypted data: the other side
/// is not in the capture.
const ONE_SIDED_CAP: u32 = 32;

mod content {
    pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(super) const ALERT: u8 = 21;
    pub(super) const HANDSHAKE: u8 = 22;
    pub(super) const APPLICATION_DATA: u8 = 23;
    pub(super) const HEARTBEAT: u8 = 24;
}

/// What the first bytes of one side look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Look {
    Hello,
    Unclear,
    Other,
}

/// A record header and the first bytes of a hello.
fn look(data: &[u8]) -> Look {
    if let Some(high @ 0x80..) = data.first() {
        return look_ssl2(data, *high);
    }
    let fits = |at: usize, test: fn(u8) -> bool| data.get(at).is_none_or(|b| test(*b));
    let header = fits(0, |b| b == content::HANDSHAKE) && fits(1, |b| b == 3) && fits(2, |b| b <= 4);
    let Some((length, kind)) = crate::model::bytes::be16(data, 3).zip(data.get(5)) else {
        return if header { Look::Unclear } else { Look::Other };
    };
    // The message's length has three bytes, and no hello needs the first of them. A record may end before all of
    // them; its successor's header follows then.
    let size = length < 4 || fits(6, |b| b == 0);
    let version = length < 5 || (fits(9, |b| b == 3 || b == 0x7f) && fits(10, |b| b <= 0x1c || b == 0x7f));
    let hello = matches!(kind, 1 | 2) && (1..=RECORD_CAP).contains(&usize::from(length));
    if header && hello && size && version { Look::Hello } else { Look::Other }
}

/// The hello of SSL 2: a length with its top bit set, type 1, a version, and lengths that add up.
fn look_ssl2(data: &[u8], high: u8) -> Look {
    let mut c = Cursor::new(data);
    let length = usize::from(c.u16().unwrap_or_default() & 0x7fff);
    let (Some(kind), Some(version)) = (c.u8(), c.u16()) else {
        // One or two bytes with the top bit set are too many things to wait for all of them.
        return if data.len() < 5 && high == 0x80 { Look::Unclear } else { Look::Other };
    };
    if kind != 1 || !(version == 2 || (0x0300..=0x0303).contains(&version)) {
        return Look::Other;
    }
    let (Some(ciphers), Some(session), Some(challenge)) = (c.u16(), c.u16(), c.u16()) else {
        return Look::Unclear;
    };
    let sum = 9 + usize::from(ciphers) + usize::from(session) + usize::from(challenge);
    let fits = ciphers > 0
        && ciphers.is_multiple_of(3)
        && matches!(session, 0 | 16)
        && (16..=32).contains(&challenge)
        && sum == length;
    if fits { Look::Hello } else { Look::Other }
}

/// What records that are joined late look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Dark {
    /// Headers that stand where the record before them ends. A first record counts when its end is there too.
    count: usize,
    /// Does the last record end where the bytes end?
    filled: bool,
}

/// Records of encrypted data behind each other, from the first byte on. `None`: something else is there.
fn dark_records(data: &[u8]) -> Option<Dark> {
    let first = data.get(..3);
    let (mut c, mut dark) = (Cursor::new(data), Dark::default());
    while !c.is_empty() {
        dark.filled = false;
        let head = c.rest();
        let fits = |at: usize, test: fn(u8) -> bool| head.get(at).is_none_or(|b| test(*b));
        // A capture may begin between the hellos and the data; who says goodbye sends an alert.
        let kind = fits(0, |b| (content::CHANGE_CIPHER_SPEC..=content::APPLICATION_DATA).contains(&b));
        if !kind || !fits(1, |b| b == 3) || !fits(2, |b| (1..=3).contains(&b)) {
            return None;
        }
        let (Some(_), Some(version), Some(length)) = (c.u8(), c.u16(), c.u16()) else { return Some(dark) };
        let same = first.is_some_and(|f| f.get(2).copied() == Some(version.to_be_bytes()[1]));
        let clear = match (head.first().copied(), length, head.get(HEADER).copied()) {
            (Some(content::CHANGE_CIPHER_SPEC), 1, value) => value.is_none_or(|v| v == 1),
            (Some(content::ALERT), 2, level) => level.is_none_or(|l| matches!(l, 1 | 2)),
            // Certificates, keys, tickets and the like, each with a length whose first byte no message needs.
            (Some(content::HANDSHAKE), 4.., kind) => {
                kind.is_none_or(|k| matches!(k, 4 | 11..=16 | 22)) && head.get(6).is_none_or(|b| *b == 0)
            }
            _ => false,
        };
        // The shortest encrypted one has a tag of 16 bytes or a block with a digest.
        let sealed = (16..=RECORD_CAP).contains(&usize::from(length))
            && head.first() != Some(&content::CHANGE_CIPHER_SPEC);
        if !same || !(clear || sealed) {
            return None;
        }
        let whole = c.skip(usize::from(length)).is_some();
        dark.count += usize::from(whole || dark.count > 0);
        dark.filled = whole && c.is_empty();
        if !whole {
            break;
        }
    }
    Some(dark)
}

/// A flow that is joined behind its hellos: at least two records that follow each other or answer each other. One record alone is
/// taken when it ends where the segment ends, or has begun on a port of TLS, and nobody else claims it.
fn joined_late(probe: &Probe<'_>) -> Verdict {
    let (Some(a), Some(b)) = (dark_records(probe.orig), dark_records(probe.resp)) else {
        return Verdict::NotMine;
    };
    if a.count + b.count >= 2 {
        return Verdict::Mine(80);
    }
    let begun = |d: &[u8]| d.len() > HEADER && probe.on_port(PROTOCOL.ports);
    let alone = a.filled || b.filled || begun(probe.orig) || begun(probe.resp);
    match (alone, probe.on_port(PROTOCOL.ports)) {
        (true, true) => Verdict::Mine(LATE_AT_HOME),
        (true, false) => Verdict::Mine(LATE),
        _ if probe.orig.is_empty() && probe.resp.is_empty() => Verdict::NotMine,
        _ => Verdict::NeedMore,
    }
}

fn probe(probe: &Probe<'_>) -> Verdict {
    match (look(probe.orig), look(probe.resp)) {
        (Look::Hello, _) | (_, Look::Hello) => Verdict::Mine(95),
        (Look::Unclear, _)
            if probe.orig.is_empty() && dark_records(probe.resp).is_some_and(|d| d.count >= 1) =>
        {
            joined_late(probe)
        }
        (Look::Unclear, _) => Verdict::NeedMore,
        (Look::Other, Look::Unclear) if !probe.resp.is_empty() => Verdict::NeedMore,
        (Look::Other, _) => joined_late(probe),
    }
}

/// One direction of the record layer.
#[derive(Default, Debug)]
struct Lane {
    /// Where records begin is unknown.
    lost: bool,
    /// Records of encrypted data so far.
    encrypted: u32,
}

/// The parser of one flow.
#[derive(Default)]
struct Tls {
    lanes: [Lane; 2],
    handshake: Handshake,
    records: u32,
    written: bool,
}

/// What one record led to.
enum Step {
    Took(usize),
    /// Its end is not there yet, and is needed.
    Wait,
    /// All that was given, and so many bytes more.
    Skip(u64),
    /// All that was given, whatever it is.
    All,
    Done,
    NotMine,
}

impl Parser for Tls {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
            match self.record(side, rest, out) {
                Step::Took(n) => at += n,
                Step::Wait => break,
                Step::Skip(n) => return Fed::Skip(n),
                Step::All => return Fed::Took(data.len()),
                Step::Done => {
                    self.write(out);
                    return Fed::Done;
                }
                Step::NotMine => return Fed::NotMine,
            }
        }
        Fed::Took(at)
    }

    fn gap(&mut self, side: Side, _missing: u64, _out: &mut Output<'_>) -> Fed {
        self.lane(side).lost = true;
        self.handshake.lose(side);
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.write(out);
    }
}

impl Tls {
    fn lane(&mut self, side: Side) -> &mut Lane {
        let [orig, resp] = &mut self.lanes;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    fn write(&mut self, out: &mut Output<'_>) {
        if !self.written {
            self.written = true;
            self.handshake.write(out);
        }
    }

    /// One record at the start of `rest`, which is not empty.
    fn record(&mut self, side: Side, rest: &[u8], out: &mut Output<'_>) -> Step {
        if self.handshake.expects_ssl2(side) && rest.first().is_some_and(|b| *b >= 0x80) {
            return self.ssl2(side, rest, out);
        }
        let mut c = Cursor::new(rest);
        let (Some(kind), Some(version), Some(length)) = (c.u8(), c.u16(), c.u16()) else {
            return if self.lane(side).lost { Step::All } else { Step::Wait };
        };
        let length = usize::from(length);
        let valid = (content::CHANGE_CIPHER_SPEC..=content::HEARTBEAT).contains(&kind)
            && version >> 8 == 3
            && length <= RECORD_CAP;
        if !valid {
            return self.not_a_record(side, out);
        }
        // After loss, the start of a segment that looks like a record is taken for one.
        self.lane(side).lost = false;
        self.records = self.records.saturating_add(1);
        let end = HEADER + length;
        if kind == content::HEARTBEAT && !self.handshake.is_encrypted(side) {
            let Some(head) = rest.get(HEADER..HEADER + length.min(HEARTBEAT)) else {
                self.records = self.records.saturating_sub(1);
                return Step::Wait;
            };
            self.handshake.heartbeat(head, length);
            return match end.saturating_sub(rest.len()) {
                0 => Step::Took(end),
                n => Step::Skip(n as u64),
            };
        }
        let clear = match kind {
            content::HANDSHAKE | content::ALERT => !self.handshake.is_encrypted(side),
            content::CHANGE_CIPHER_SPEC => true,
            _ => false,
        };
        if !clear {
            return self.encrypted(side, kind, length, end.saturating_sub(rest.len()), end, out);
        }
        let Some(payload) = rest.get(HEADER..end) else {
            self.records = self.records.saturating_sub(1);
            return Step::Wait;
        };
        match kind {
            content::HANDSHAKE => self.handshake.bytes(side, payload, out),
            content::ALERT => {
                if self.handshake.alert(side, payload, out) {
                    return Step::Done;
                }
            }
            _ => self.handshake.change_cipher_spec(side),
        }
        Step::Took(end)
    }

    /// A record whose payload says nothing; it is not even looked at.
    fn encrypted(
        &mut self,
        side: Side,
        kind: u8,
        length: usize,
        beyond: usize,
        end: usize,
        out: &mut Output<'_>,
    ) -> Step {
        let lane = self.lane(side);
        lane.encrypted = lane.encrypted.saturating_add(1);
        let alone = lane.encrypted >= ONE_SIDED_CAP;
        if kind != content::ALERT {
            self.handshake.encrypted(side, kind == content::APPLICATION_DATA, length, out.at);
        }
        match beyond {
            _ if alone || self.handshake.is_established() => Step::Done,
            0 => Step::Took(end),
            n => Step::Skip(n as u64),
        }
    }

    fn not_a_record(&mut self, side: Side, out: &mut Output<'_>) -> Step {
        if self.lane(side).lost {
            return Step::All;
        }
        self.lane(side).lost = true;
        self.handshake.lose(side);
        if self.handshake.is_untouched() {
            // The other side may be what the probe went by.
            let all_lost = self.lanes.iter().all(|lane| lane.lost);
            return if all_lost { Step::NotMine } else { Step::All };
        }
        out.weird(WeirdKind::TlsMalformed, Detail::Text("no record where one should begin".into()));
        Step::All
    }

    /// A record of SSL 2: two bytes of length, a type and a hello.
    fn ssl2(&mut self, side: Side, rest: &[u8], out: &mut Output<'_>) -> Step {
        let mut c = Cursor::new(rest);
        let Some(length) = c.u16() else { return Step::Wait };
        let length = usize::from(length & 0x7fff);
        let Some(payload) = c.take(length) else {
            return if length <= RECORD_CAP { Step::Wait } else { self.not_a_record(side, out) };
        };
        self.records = self.records.saturating_add(1);
        if self.handshake.ssl2(side, payload, out) {
            Step::Took(length + 2)
        } else {
            // All that follows is encrypted in a way of its own.
            Step::Done
        }
    }
}

#[cfg(test)]
mod tests;
