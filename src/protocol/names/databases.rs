//! Which database or message broker is it?
//!
//! Cassandra, Kafka, AMQP (0-9-1 and 1.0), STOMP.

use super::{TCP, claim, is_text, magic, named, surest};
use crate::model::bytes::{Cursor, be32};
use crate::protocol::{Probe, Protocol, Verdict};

/// Cassandra.
pub static CASSANDRA: Protocol = named(
    "cassandra",
    "Cassandra's native protocol; told by a STARTUP or OPTIONS frame with its exact length, on its port.",
    TCP,
    &[9042],
    |p| {
        let (Some(len), [3..=5, _, _, _, op, ..]) = (be32(p.orig, 5), p.orig) else {
            return if p.orig.len() < 9 && p.on_port(&[9042]) { Verdict::NeedMore } else { Verdict::NotMine };
        };
        let fits = matches!((op, len), (1, 2..=4096) | (5, 0));
        claim(fits && p.on_port(&[9042]), 85)
    },
);

/// Kafka.
pub static KAFKA: Protocol = named(
    "kafka",
    "Apache Kafka; told by a request with a known key, version and a readable client name, on its port.",
    TCP,
    &[9092],
    |p| {
        let mut c = Cursor::new(p.orig);
        if !p.on_port(&[9092]) || (p.orig.is_empty() && p.resp.is_empty()) {
            return Verdict::NotMine;
        }
        let (Some(len), Some(key), Some(version), Some(_), Some(name)) =
            (c.u32(), c.u16(), c.u16(), c.u32(), c.u16())
        else {
            return Verdict::NeedMore;
        };
        let header = (10..100_000_000).contains(&len) && key <= 92 && version <= 20;
        let shown = c.rest().get(..usize::from(name).min(c.remaining())).unwrap_or(&[]);
        claim(header && (name == u16::MAX || (name <= 255 && is_text(shown))), 80)
    },
);

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
