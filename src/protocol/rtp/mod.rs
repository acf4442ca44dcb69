//! Which streams of voice and pictures were sent, and how well did they arrive?
//!
//! RTP and RTCP (RFC 3550; payload types of RFC 3551; over TCP framed by RFC 4571), with or without signalling. One row is one stream: one SSRC of one
//! side. A single datagram says too little: without an announcement (SIP) a flow is only named when several datagrams of one stream follow each
//! other in sequence. Refuses payloads; encrypted ones (SRTP) look the same here, as their headers stay readable.

use super::clues::{Clue, HOST_CLUES};
use super::polling::{address, seconds};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::{Cursor, be16, be32};
use crate::model::flow::{Side, ip_protocol};
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;

/// Datagrams in sequence after which a flow is believed to be RTP: chance makes one in 10^11 of random ones.
const ENOUGH: u8 = 3;

/// Datagrams that fit nothing before the flow is given up.
const MAX_MISSES: u8 = 2;

/// Streams of one side that are counted: a conference sends audio, video in several sizes, and repairs.
const MAX_STREAMS: usize = 8;

/// Steps in the sequence that are taken for loss, not for another stream (RFC 3550 appendix A.1, MAX_DROPOUT).
const MAX_DROPOUT: u16 = 3_000;

/// Bytes of a canonical name that are kept; its length is one byte.
const MAX_CNAME: usize = 255;

/// Largest frame over TCP, bytes: what its length can say.
const MAX_FRAME: usize = (64 << 10) + 2;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "rtp",
    about: "RTP (RFC 3550); told by several packets of one source whose sequence numbers follow each other, or announced by SIP.",
    transports: &[Transport::Udp, Transport::Tcp],
    ports: &[],
    tables: &[&TABLE, &HOST_CLUES],
    buffer_cap: MAX_FRAME,
    probe,
    parser: Some(|| Box::<Rtp>::default()),
};

/// RTCP on a flow of its own.
pub static RTCP: Protocol = Protocol {
    name: "rtcp",
    about: "RTCP (RFC 3550); told by packets of known types whose lengths fill the datagram.",
    transports: &[Transport::Udp],
    ports: &[],
    tables: &[&HOST_CLUES],
    buffer_cap: MAX_FRAME,
    probe: probe_control,
    parser: Some(|| Box::<Rtcp>::default()),
};

/// A parser for a flow that was announced as media.
pub fn announced() -> Box<dyn Parser> {
    Box::new(Rtp { hits: ENOUGH, ..Rtp::default() })
}

/// A parser for a flow that was announced as its control.
pub fn announced_control() -> Box<dyn Parser> {
    Box::<Rtcp>::default()
}

/// What the first bytes of a packet say.
#[derive(Clone, Copy)]
struct Header {
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    /// Bytes of payload, padding included.
    payload: usize,
}

/// Read a header, and check that what it announces fits (RFC 3550 section 5.1).
fn header(d: &[u8]) -> Option<Header> {
    let mut c = Cursor::new(d);
    let (first, second) = (c.u8()?, c.u8()?);
    if first >> 6 != 2 {
        return None;
    }
    let payload_type = second & 0x7f;
    // 64 to 95 would be RTCP's types (RFC 5761 section 4); the rest is what RFC 3551 assigns.
    if !matches!(payload_type, 0 | 3..=18 | 25 | 26 | 28 | 31..=34 | 96..=127) {
        return None;
    }
    let (sequence, timestamp, ssrc) = (c.u16()?, c.u32()?, c.u32()?);
    c.skip(usize::from(first & 0x0f) * 4)?;
    if first & 0x10 != 0 {
        c.skip(2)?;
        let words = c.u16()?;
        c.skip(usize::from(words) * 4)?;
    }
    let payload = c.remaining();
    if first & 0x20 != 0 && d.last().is_none_or(|n| *n == 0 || usize::from(*n) > payload) {
        return None;
    }
    Some(Header { payload_type, sequence, timestamp, ssrc, payload })
}

/// A datagram of RTCP: reports first, and lengths that fill it (RFC 3550 section 6.1, appendix A.2).
fn is_control(d: &[u8]) -> bool {
    let mut rest = d;
    let mut first = true;
    while let [head, kind, ..] = rest {
        let Some(words) = be16(rest, 2) else { return false };
        let fits = match kind {
            200 => words >= 6,
            201 => words >= 1,
            // Feedback and the like may come alone (RFC 5506).
            202..=207 => !first || words >= 2,
            _ => false,
        };
        let Some(next) = rest.get((usize::from(words) + 1) * 4..) else { return false };
        if head >> 6 != 2 || !fits {
            return false;
        }
        first = false;
        rest = next;
    }
    !first && rest.is_empty()
}

fn probe(p: &Probe<'_>) -> Verdict {
    if p.ports.0 < 1_024 || p.ports.1 < 1_024 {
        return Verdict::NotMine;
    }
    if p.transport == Transport::Tcp {
        let d = if p.orig.is_empty() { p.resp } else { p.orig };
        return framed(d);
    }
    let looks = |d: &[u8]| header(d).is_some_and(|h| h.payload > 0 && h.ssrc != 0);
    // Weak on purpose: whoever has a signature of his own goes first, and the parser refutes by what follows.
    if looks(p.orig) || looks(p.resp) { Verdict::Mine(25) } else { Verdict::NotMine }
}

/// Two frames of one source that follow each other (RFC 4571).
fn framed(d: &[u8]) -> Verdict {
    let Some(len) = be16(d, 0).map(usize::from) else {
        return if d.len() < 2 { Verdict::NeedMore } else { Verdict::NotMine };
    };
    let begins = d.get(2).is_none_or(|b| b >> 6 == 2) && (13..=1_500).contains(&len);
    if !begins {
        return Verdict::NotMine;
    }
    let Some(h) = d.get(2..2 + len) else { return Verdict::NeedMore };
    let Some(one) = header(h) else { return Verdict::NotMine };
    let Some(two) = d.get(2 + len + 2..).filter(|r| r.len() >= 12) else { return Verdict::NeedMore };
    let follows = be16(two, 2) == Some(one.sequence.wrapping_add(1)) && be32(two, 8) == Some(one.ssrc);
    if follows && two.first().is_some_and(|b| b >> 6 == 2) { Verdict::Mine(80) } else { Verdict::NotMine }
}

fn probe_control(p: &Probe<'_>) -> Verdict {
    if p.ports.0 < 1_024 || p.ports.1 < 1_024 {
        return Verdict::NotMine;
    }
    let looks = |d: &[u8]| !d.is_empty() && is_control(d);
    if looks(p.orig) || looks(p.resp) { Verdict::Mine(80) } else { Verdict::NotMine }
}

/// Name and clock rate of a static payload type (RFC 3551 tables 4 and 5).
fn encoding(payload_type: u8) -> Option<(&'static str, u32)> {
    Some(match payload_type {
        0 => ("PCMU", 8_000),
        3 => ("GSM", 8_000),
        4 => ("G723", 8_000),
        5 => ("DVI4", 8_000),
        6 => ("DVI4", 16_000),
        7 => ("LPC", 8_000),
        8 => ("PCMA", 8_000),
        // The clock of G722 is 8,000 by an old mistake that the RFC keeps.
        9 => ("G722", 8_000),
        10 | 11 => ("L16", 44_100),
        12 => ("QCELP", 8_000),
        13 => ("CN", 8_000),
        14 => ("MPA", 90_000),
        15 => ("G728", 8_000),
        16 => ("DVI4", 11_025),
        17 => ("DVI4", 22_050),
        18 => ("G729", 8_000),
        25 => ("CelB", 90_000),
        26 => ("JPEG", 90_000),
        28 => ("nv", 90_000),
        31 => ("H261", 90_000),
        32 => ("MPV", 90_000),
        33 => ("MP2T", 90_000),
        34 => ("H263", 90_000),
        _ => return None,
    })
}

/// One stream.
#[derive(Clone, Debug)]
pub struct RtpRecord {
    /// Did the originator of the flow send it?
    pub from_orig: bool,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Payload type of its first packet.
    pub payload_type: u8,
    /// Packets seen.
    pub packets: u64,
    /// Packets missing in the sequence.
    pub lost: u64,
    /// Packets that came behind a later one, or twice.
    pub reordered: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// Interarrival jitter in units of the clock, times 16 (RFC 3550 appendix A.8), where the clock is known.
    jitter: Option<f64>,
    /// Nanoseconds from first to last packet.
    pub duration: i64,
    /// Canonical name that RTCP on the same flow gave.
    pub cname: Option<String>,
}

/// Streams.
pub static TABLE: Table = Table::record(
    "rtp",
    "One row is one RTP stream: one source (SSRC) of one side of a flow.",
    &[
        col("from_orig", T::Bool, "", "Was it sent by the originator of the flow?"),
        col("ssrc", T::U32, "", "Synchronisation source."),
        col("payload_type", T::U8, "", "Payload type of its first packet."),
        col(
            "encoding",
            T::Text,
            "",
            "Encoding of that type by RFC 3551; NULL for the types that signalling assigns (96 and above).",
        ),
        col("packets", T::U64, "packets", "Packets seen."),
        col("lost", T::U64, "packets", "Packets missing in the sequence, up to the last one seen."),
        col("reordered", T::U64, "packets", "Packets that came behind a later one, or twice."),
        col("bytes", T::U64, "bytes", "Payload, with padding and without headers."),
        col(
            "jitter_s",
            T::F64,
            "seconds",
            "Interarrival jitter by RFC 3550 at the end of the stream; NULL when the clock of the encoding is not known.",
        ),
        col("duration_s", T::F64, "seconds", "From its first to its last packet."),
        col(
            "cname",
            T::Text,
            "",
            "Canonical name of the source, where RTCP on the same flow says it; NULL otherwise.",
        ),
    ],
);

impl Record for RtpRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.bool(self.from_orig)
            .u32(self.ssrc)
            .u8(self.payload_type)
            .opt_text(encoding(self.payload_type).map(|(name, _)| name))
            .u64(self.packets)
            .u64(self.lost)
            .u64(self.reordered)
            .u64(self.bytes)
            .opt_f64(self.jitter)
            .f64(seconds(self.duration))
            .opt_text(self.cname.as_deref());
    }
}

/// A stream that is being counted.
struct Stream {
    began: At,
    row: RtpRecord,
    highest: u16,
    last: At,
    timestamp: u32,
    clock: Option<u32>,
}

impl Stream {
    fn new(side: Side, at: At, h: &Header) -> Self {
        let clock = encoding(h.payload_type).map(|(_, clock)| clock);
        let row = RtpRecord {
            from_orig: side == Side::Orig,
            ssrc: h.ssrc,
            payload_type: h.payload_type,
            packets: 1,
            lost: 0,
            reordered: 0,
            bytes: h.payload as u64,
            jitter: clock.map(|_| 0.0),
            duration: 0,
            cname: None,
        };
        Self { began: at, row, highest: h.sequence, last: at, timestamp: h.timestamp, clock }
    }

    /// Count a packet. False when its number does not belong to this stream.
    fn packet(&mut self, at: At, h: &Header) -> bool {
        let step = h.sequence.wrapping_sub(self.highest);
        let back = self.highest.wrapping_sub(h.sequence);
        if step == 0 || back < 100 {
            self.row.reordered = self.row.reordered.saturating_add(1);
            // It was counted as lost when the one behind it came.
            self.row.lost = self.row.lost.saturating_sub(u64::from(step != 0));
        } else if step <= MAX_DROPOUT {
            self.row.lost = self.row.lost.saturating_add(u64::from(step - 1));
            self.highest = h.sequence;
        } else {
            return false;
        }
        self.row.packets = self.row.packets.saturating_add(1);
        self.row.bytes = self.row.bytes.saturating_add(h.payload as u64);
        if let (Some(jitter), Some(clock)) = (&mut self.row.jitter, self.clock) {
            let media = f64::from(h.timestamp.wrapping_sub(self.timestamp).cast_signed()) / f64::from(clock);
            let late = at.ts.secs_since(self.last.ts) - media;
            *jitter += (late.abs() - *jitter) / 16.0;
        }
        (self.last, self.timestamp) = (at, h.timestamp);
        self.row.duration = at.ts.since(self.began.ts);
        true
    }
}

/// The state of one flow.
#[derive(Default)]
struct Rtp {
    streams: Vec<Stream>,
    hits: u8,
    misses: u8,
}

impl Rtp {
    /// Take a packet. False when it refutes that this is RTP.
    fn packet(&mut self, side: Side, d: &[u8], out: &mut Output<'_>) -> bool {
        if is_control(d) {
            let named = control(side, d, out);
            if let Some((ssrc, name)) = named
                && let Some(s) = self.streams.iter_mut().find(|s| s.row.ssrc == ssrc)
            {
                s.row.cname = Some(name);
            }
            return true;
        }
        // Media shares its port with STUN and DTLS (RFC 7983).
        if matches!(d.first(), Some(0..=3 | 20..=63)) && self.hits >= ENOUGH {
            return true;
        }
        let from_orig = side == Side::Orig;
        let Some(h) = header(d) else { return self.miss() };
        let room = self.streams.len() < MAX_STREAMS * 2;
        let known = self.streams.iter_mut().find(|s| s.row.ssrc == h.ssrc && s.row.from_orig == from_orig);
        match known {
            Some(stream) => {
                let before = stream.highest;
                if !stream.packet(out.at, &h) {
                    return self.miss();
                }
                // Only the next ones, not repeats, speak for it.
                if (1..=8).contains(&h.sequence.wrapping_sub(before)) {
                    self.hits = self.hits.saturating_add(1);
                }
            }
            None if room => self.streams.push(Stream::new(side, out.at, &h)),
            None => return self.miss(),
        }
        self.hits >= ENOUGH || self.streams.len() <= MAX_STREAMS / 2
    }

    fn miss(&mut self) -> bool {
        self.misses = self.misses.saturating_add(1);
        self.hits >= ENOUGH || self.misses < MAX_MISSES
    }
}

impl Parser for Rtp {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        if out.flow.tuple.protocol == ip_protocol::UDP {
            return if self.packet(side, data, out) { Fed::Took(data.len()) } else { Fed::NotMine };
        }
        let mut rest = data;
        while let Some(len) = be16(rest, 0).map(usize::from) {
            let Some(frame) = rest.get(2..2 + len) else { break };
            if !self.packet(side, frame, out) {
                return Fed::NotMine;
            }
            rest = rest.get(2 + len..).unwrap_or(&[]);
        }
        Fed::Took(data.len() - rest.len())
    }

    fn gap(&mut self, _: Side, _: u64, out: &mut Output<'_>) -> Fed {
        // Nothing marks the start of a frame in a stream.
        self.finish(out);
        Fed::Done
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for stream in std::mem::take(&mut self.streams) {
            // Sources of a single packet are chance, unless the flow was announced or has streams.
            if self.hits >= ENOUGH {
                out.record(stream.began, stream.row);
            }
        }
    }

    fn sure(&self) -> bool {
        self.hits >= ENOUGH
    }
}

/// The first source description in a datagram of RTCP: its source and canonical name, which is also a clue.
fn control(side: Side, d: &[u8], out: &mut Output<'_>) -> Option<(u32, String)> {
    let mut rest = d;
    while let Some(words) = be16(rest, 2) {
        let packet = rest.get(..(usize::from(words) + 1) * 4)?;
        if packet.get(1) == Some(&202) {
            let mut c = Cursor::new(packet.get(4..)?);
            let ssrc = c.u32()?;
            // Items until the null one; the canonical name has type 1 and comes first in practice.
            loop {
                let (kind, len) = (c.u8()?, c.u8()?);
                let value = c.take(usize::from(len))?;
                match kind {
                    0 => return None,
                    1 => {
                        let name = printable(value, MAX_CNAME);
                        out.clue(address(&out.flow.tuple, side), Clue::User, &name, "rtcp.cname");
                        return Some((ssrc, name));
                    }
                    _ => {}
                }
            }
        }
        rest = rest.get(packet.len()..)?;
    }
    None
}

/// A flow of RTCP alone: the canonical name of each side, then nothing more is wanted.
#[derive(Default)]
struct Rtcp {
    told: [bool; 2],
}

impl Parser for Rtcp {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let [orig, resp] = &mut self.told;
        let told = match side {
            Side::Orig => orig,
            Side::Resp => resp,
        };
        if !*told && is_control(data) {
            *told = control(side, data, out).is_some();
        }
        if self.told == [true; 2] { Fed::Done } else { Fed::Took(data.len()) }
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        Fed::Took(0) // datagrams have none
    }

    fn finish(&mut self, _: &mut Output<'_>) {}
}

#[cfg(test)]
mod tests;
