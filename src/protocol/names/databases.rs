//! Which database or message broker is it?
//!
//! Cassandra, Kafka, AMQP (0-9-1 and 1.0), STOMP.

use super::reader::{Reader, Told, must, settle};
use super::{TCP, is_text, magic, named, surest};
use crate::protocol::{Probe, Protocol, Verdict};

/// Cassandra.
pub static CASSANDRA: Protocol = named(
    "cassandra",
    "Cassandra's native protocol; told by a STARTUP frame with its option, or on its port by a frame whose fields all fit.",
    TCP,
    &[9042],
    |p| {
        let ours = p.on_port(&[9042]);
        let told = |r: &mut Reader<'_>| {
            let version = r.u8_in(1..=6)?;
            r.u8_in(0..=0x1f)?;
            // Stream numbers have two bytes since version 3.
            r.skip(if version < 3 { 1 } else { 2 })?;
            if r.of(&[1, 5])? == 5 {
                return must(r.u32()? == 0 && ours);
            }
            r.u32_in(20..=4096)?;
            r.u16_in(1..=16)?;
            let named = [
                &b"\0\x0bCQL_VERSION"[..],
                b"\0\x0bCOMPRESSION",
                b"\0\x0bDRIVER_NAME",
                b"\0\x0eDRIVER_VERSION",
            ];
            r.any(&named)
        };
        let first = if p.orig.is_empty() { p.resp } else { p.orig };
        match settle(p, told(&mut Reader::new(first)), 90) {
            Verdict::NotMine if ours => settle(p, cassandra_frame(&mut Reader::new(first)), 80),
            verdict => verdict,
        }
    },
);

/// A frame of a connection that the capture joined late: answers have the high bit of the version.
fn cassandra_frame(r: &mut Reader<'_>) -> Told {
    let version = r.u8()?;
    let answer = version & 0x80 != 0;
    must((1..=6).contains(&(version & 0x7f)))?;
    r.u8_in(0..=0x1f)?;
    r.skip(if version & 0x7f < 3 { 1 } else { 2 })?;
    let operation = r.u8()?;
    must(match operation {
        // Error, ready, authenticate, supported, result, event, challenge, success.
        0 | 2 | 3 | 6 | 8 | 0x0c | 0x0e | 0x10 => answer,
        // Options, query, prepare, execute, register, batch, response.
        5 | 7 | 9 | 0x0a | 0x0b | 0x0d | 0x0f => !answer,
        _ => false,
    })?;
    r.u32_in(0..=0x1000_0000).map(|_| ())
}

/// Kafka.
pub static KAFKA: Protocol = named(
    "kafka",
    "Apache Kafka; told by a request with a known key, version and a readable client name, on its port or with an answer that has its number.",
    TCP,
    &[9092],
    |p| {
        let ask = |r: &mut Reader<'_>| -> Told<u32> {
            let len = r.u32_in(10..=0x0640_0000)?;
            r.u16_in(0..=92)?;
            r.u16_in(0..=20)?;
            let number = r.u32()?;
            let name = r.u16()?;
            must(name == u16::MAX || ((1..=255).contains(&name) && u32::from(name) + 10 <= len))?;
            let name = if name == u16::MAX { 0 } else { usize::from(name) };
            must(is_text(r.rest().get(..name).unwrap_or(r.rest())))?;
            r.skip(name)?;
            Ok(number)
        };
        let asked = ask(&mut Reader::new(p.orig));
        if p.on_port(&[9092]) {
            return settle(p, asked.map(|_| ()), 80);
        }
        let told = asked.and_then(|number| {
            let mut r = Reader::new(p.resp);
            r.u32_in(4..=0x0640_0000)?;
            must(r.u32()? == number)
        });
        settle(p, told, 80)
    },
);

/// MQTT that the capture joined late: pings and acknowledgements, then a publication whose lengths and topic fit, on either side.
pub(in crate::protocol) fn mqtt_midway(p: &Probe<'_>) -> Verdict {
    let mut told = Err(Verdict::NeedMore);
    for side in [p.orig, p.resp].into_iter().filter(|d| !d.is_empty()) {
        match mqtt(&mut Reader::new(side)) {
            Err(Verdict::NeedMore) => {}
            decided => {
                told = decided;
                break;
            }
        }
    }
    settle(p, told, 90)
}

fn mqtt(r: &mut Reader<'_>) -> Told {
    let kind = loop {
        match r.u8()? {
            // A ping, its answer; the four ways to acknowledge.
            0xc0 | 0xd0 => r.eq(&[0])?,
            0x40 | 0x50 | 0x62 | 0x70 => {
                r.eq(&[2])?;
                r.skip(2)?;
            }
            kind => break kind,
        }
    };
    must(kind == 0x10 || (0x30..=0x3d).contains(&kind) && kind & 6 != 6)?;
    // The remaining length takes one to four bytes, all but the last with the high bit set.
    let mut len = 0;
    for shift in [0, 7, 14, 21] {
        let b = usize::from(r.u8()?);
        len |= (b & 0x7f) << shift;
        if b & 0x80 == 0 {
            break;
        }
        must(shift < 21)?;
    }
    if kind == 0x10 {
        return r.any(&[b"\0\x04MQTT", b"\0\x06MQIsdp"]);
    }
    // Topic, a number when it wants to be acknowledged, then what is published: all of it here, and nothing that cannot
    // be the next packet.
    let topic = usize::from(r.u16_in(4..=256)?);
    let shown = r.rest().get(..topic).unwrap_or(r.rest());
    let sober = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'.' | b':' | b'$');
    must(len >= topic + 4 && shown.iter().all(sober))?;
    r.skip(topic)?;
    r.skip(len - topic - 2)?;
    must(r.rest().first().is_none_or(|b| matches!(b >> 4, 3..=14)))
}

/// AMQP.
pub static AMQP: Protocol = named(
    "amqp",
    "AMQP; told by the protocol header that the client sends first, or on its port by a frame of version 0-9-1 with a known class or its end mark.",
    TCP,
    &[5672],
    |p| {
        let first = if p.orig.is_empty() { p.resp } else { p.orig };
        match magic(first, b"AMQP", 90) {
            Verdict::NotMine if p.on_port(&[5672]) => settle(p, amqp_frame(&mut Reader::new(first)), 80),
            verdict => verdict,
        }
    },
);

/// A frame of AMQP 0-9-1: kind, channel, size, payload, 0xce.
fn amqp_frame(r: &mut Reader<'_>) -> Told {
    let kind = r.of(&[1, 2, 3, 8])?;
    r.skip(2)?;
    let size = r.u32_in(0..=0x0020_0000)?;
    let payload = r.rest();
    match kind {
        // A method and a content header begin with their class: connection, channel, exchange, queue, basic, confirm, tx.
        1 => {
            must(matches!(r.u16()?, 10 | 20 | 40 | 50 | 60 | 85 | 90))?;
            return r.u16_in(10..=120).map(|_| ());
        }
        2 => {
            r.u16_in(60..=60)?;
            return r.u16_in(0..=0).map(|_| ());
        }
        3 => {}
        _ => must(size == 0)?,
    }
    // A body, or nothing: the mark behind it, which may come later.
    match payload.get(size as usize) {
        Some(end) => must(*end == 0xce),
        None => Err(Verdict::NeedMore),
    }
}

/// STOMP.
pub static STOMP: Protocol =
    named("stomp", "STOMP; told by the client's CONNECT or STOMP frame.", TCP, &[61613], stomp);

fn stomp(p: &Probe<'_>) -> Verdict {
    let commands = [&b"CONNECT\n"[..], b"STOMP\n", b"CONNECT\r\n", b"STOMP\r\n"];
    surest(&commands.map(|c| magic(p.orig, c, 85)))
}
