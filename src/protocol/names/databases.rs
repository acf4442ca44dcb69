//! Which database or message broker is it?
//!
//! MySQL, PostgreSQL, TDS (MS-TDS), MongoDB, Redis (RESP), Cassandra, Kafka, MQTT (OASIS 3.1.1 and 5.0), AMQP (0-9-1 and 1.0), STOMP.

use super::reader::{Reader, Told, must, settle};
use super::{TCP, claim, is_text, magic, named, surest};
use crate::model::bytes::{Cursor, be16, be32};
use crate::protocol::{Probe, Protocol, Verdict};

/// MySQL.
pub static MYSQL: Protocol = named(
    "mysql",
    "MySQL and MariaDB; told by the server's greeting: protocol 10 and a version in digits, or an error in its place.",
    TCP,
    &[3306],
    |p| {
        let mut c = Cursor::new(p.resp);
        let Some(header) = c.array::<4>() else {
            return if p.orig.is_empty() { Verdict::NeedMore } else { Verdict::NotMine };
        };
        let [a, b, high, sequence] = header;
        let len = u32::from_le_bytes([a, b, high, 0]);
        if sequence != 0 || !(8..=1024).contains(&len) {
            return Verdict::NotMine;
        }
        match c.u8() {
            Some(10) => {
                let version = c.rest().split(|b| *b == 0).next().unwrap_or(&[]);
                let ends = version.len() < c.remaining();
                let digits = version.first().is_some_and(u8::is_ascii_digit) && is_text(version);
                if digits && !ends && version.len() < 64 {
                    Verdict::NeedMore
                } else {
                    claim(digits && ends, 90)
                }
            }
            // An error instead of a greeting: 1040 too many connections, 1129 and 1130 host not allowed.
            Some(255) => claim(matches!(c.u16_le(), Some(1040 | 1129 | 1130)), 85),
            Some(_) => Verdict::NotMine,
            None => Verdict::NeedMore,
        }
    },
);

/// PostgreSQL.
pub static POSTGRESQL: Protocol = named(
    "postgresql",
    "PostgreSQL; told by the client's start-up, TLS or cancel request with its exact length.",
    TCP,
    &[5432],
    |p| match (be32(p.orig, 0), be32(p.orig, 4)) {
        // TLS, GSSAPI and cancel requests carry a magic number instead of a version.
        (Some(8), Some(80_877_103 | 80_877_104)) | (Some(16), Some(80_877_102)) => Verdict::Mine(95),
        (Some(9..=10_000), Some(0x0003_0000 | 0x0003_0002)) => {
            let name = p.orig.get(8..).unwrap_or(&[]);
            surest(&[magic(name, b"user\0", 90), magic(name, b"database\0", 90)])
        }
        (Some(8..=10_000), None) if p.resp.is_empty() => Verdict::NeedMore,
        (None, None) if p.resp.is_empty() => Verdict::NeedMore,
        _ => Verdict::NotMine,
    },
);

/// TDS.
pub static TDS: Protocol = named(
    "tds",
    "Tabular Data Stream of Microsoft SQL Server and Sybase; told by a packet header that fits its type.",
    TCP,
    &[1433],
    |p| {
        let d = if p.orig.is_empty() { p.resp } else { p.orig };
        let Some((kind, status)) = d.first().zip(d.get(1)) else { return Verdict::NeedMore };
        // Batch, RPC, reply, bulk, login, integrated login, pre-login. Spid and window are 0 from a client.
        let known = matches!(kind, 1 | 3 | 4 | 7 | 14 | 16 | 17 | 18) && matches!(status, 0 | 1 | 4 | 8 | 9);
        let (Some(len), Some(tail)) = (be16(d, 2), d.get(4..8)) else {
            return if known { Verdict::NeedMore } else { Verdict::NotMine };
        };
        let clean =
            matches!(tail, [_, _, _, 0]) && usize::from(len) >= 8 && usize::from(len) <= d.len().max(4096);
        let prelogin = *kind == 18 && tail.starts_with(&[0, 0]) && d.get(8) == Some(&0);
        let sure = if prelogin { 85 } else { 60 };
        claim(known && clean && (prelogin || p.on_port(&[1433])), sure)
    },
);

/// MongoDB.
pub static MONGODB: Protocol = named(
    "mongodb",
    "MongoDB wire protocol; told by a little-endian length that fits and a known operation.",
    TCP,
    &[27017],
    |p| {
        let mut c = Cursor::new(if p.orig.is_empty() { p.resp } else { p.orig });
        let (Some(len), Some(_), Some(reply_to), Some(op)) = (c.u32_le(), c.u32_le(), c.u32_le(), c.u32_le())
        else {
            return Verdict::NeedMore;
        };
        let fits = (21..=48_000_000).contains(&len);
        let op = matches!(op, 1 | 2001 | 2002 | 2004..=2007 | 2010..=2013);
        claim(fits && op && (p.orig.is_empty() || reply_to == 0), 80)
    },
);

/// Redis.
pub static REDIS: Protocol =
    named("redis", "Redis (RESP); told by a request as an array of bulk strings.", TCP, &[6379], |p| {
        let d = p.orig;
        if d.is_empty() && p.resp.is_empty() {
            return Verdict::NeedMore;
        }
        let Some(rest) = d.strip_prefix(b"*") else { return Verdict::NotMine };
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let behind = rest.get(digits..).unwrap_or(&[]);
        if digits > 7 || (digits == 0 && !rest.is_empty()) {
            return Verdict::NotMine;
        }
        magic(behind, b"\r\n$", 90)
    });

/// Cassandra.
pub static CASSANDRA: Protocol = named(
    "cassandra",
    "Cassandra's native protocol; told by a STARTUP frame with its option, or an OPTIONS frame on its port.",
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
        settle(p, told(&mut Reader::new(first)), 90)
    },
);

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

/// MQTT.
pub static MQTT: Protocol = named(
    "mqtt",
    "MQTT; told by the protocol name in the client's CONNECT, or, where the capture missed it, by a publication whose lengths and topic fit.",
    TCP,
    &[1883],
    |p| {
        // Either side may publish, and one may only have said that it is alive.
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
    },
);

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
pub static AMQP: Protocol =
    named("amqp", "AMQP; told by the protocol header that the client sends first.", TCP, &[5672], |p| {
        magic(if p.orig.is_empty() { p.resp } else { p.orig }, b"AMQP", 90)
    });

/// STOMP.
pub static STOMP: Protocol =
    named("stomp", "STOMP; told by the client's CONNECT or STOMP frame.", TCP, &[61613], stomp);

fn stomp(p: &Probe<'_>) -> Verdict {
    let commands = [&b"CONNECT\n"[..], b"STOMP\n", b"CONNECT\r\n", b"STOMP\r\n"];
    surest(&commands.map(|c| magic(p.orig, c, 85)))
}
