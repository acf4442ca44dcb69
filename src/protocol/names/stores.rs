//! Which store, queue or cluster is asked?
//!
//! memcached, Elasticsearch between nodes, NATS, ZooKeeper, Oracle's TNS, DRDA (DB2), ClickHouse, Bolt (Neo4j), Firebird, OpenWire
//! (ActiveMQ), NSQ, Gearman, Ceph, Hadoop's RPC, HBase. What they speak over HTTP is named http.

use super::reader::{Reader, Told, datagram, must, opener, settle};
use super::{BOTH, TCP, contains_word, first_line, is_text, named};
use crate::protocol::{Probe, Protocol, Transport, Verdict};

/// memcached.
pub static MEMCACHED: Protocol = named(
    "memcached",
    "memcached; told by a command of its text protocol in full form, or by a binary header whose lengths fit; over UDP behind its frame header.",
    BOTH,
    &[11211],
    memcached,
);

fn memcached(p: &Probe<'_>) -> Verdict {
    if p.transport == Transport::Udp {
        // Request number, sequence number, count of datagrams, reserved.
        return datagram(
            p,
            |r| {
                r.skip(2)?;
                let (number, count) = (r.u16()?, r.u16_in(1..=u16::MAX)?);
                must(number < count)?;
                r.eq(&[0, 0])?;
                if number > 0 {
                    Err(Verdict::NotMine)
                } else {
                    memcached_text(r.rest()).or(memcached_answer(r.rest()))
                }
            },
            90,
        );
    }
    if matches!(p.orig.first(), Some(0x80)) {
        return opener(p, memcached_binary, 85);
    }
    if p.orig.is_empty() {
        return settle(
            p,
            if p.resp.is_empty() { Err(Verdict::NeedMore) } else { memcached_answer(p.resp) },
            80,
        );
    }
    let asked = memcached_text(p.orig);
    // Words such as `get x` are anybody's; the answer decides.
    let sure = if p.on_port(&[11211]) { 90 } else { 85 };
    match (&asked, p.resp) {
        (Ok(()), []) if !p.on_port(&[11211]) => Verdict::NeedMore,
        (Ok(()), [_, ..]) => settle(p, memcached_answer(p.resp), sure),
        _ => settle(p, asked, sure),
    }
}

/// A command line: known word, known number of arguments, numbers where numbers belong.
fn memcached_text(d: &[u8]) -> Told {
    let words: &[&[u8]] = &[
        b"get ",
        b"gets ",
        b"set ",
        b"add ",
        b"replace ",
        b"append ",
        b"prepend ",
        b"cas ",
        b"delete ",
        b"incr ",
        b"decr ",
        b"touch ",
        b"stats",
        b"version",
        b"flush_all",
        b"mg ",
        b"ms ",
        b"mn\r\n",
    ];
    Reader::new(d).any(words)?;
    let line = first_line(d);
    must(is_text(line) && line.len() <= 2048)?;
    if !d.contains(&b'\n') {
        return Err(Verdict::NeedMore);
    }
    let parts: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let number = |at: usize| parts.get(at).is_some_and(|w| !w.is_empty() && w.iter().all(u8::is_ascii_digit));
    must(match (parts.first().copied().unwrap_or(&[]), parts.len()) {
        (b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas", 5..=7) => number(2) && number(4),
        (b"get" | b"gets" | b"mg", 2..=200) => true,
        (b"ms", 3..) => number(2),
        (b"delete" | b"incr" | b"decr" | b"touch", 2..=4) => true,
        (b"stats" | b"flush_all", 1..=3) | (b"version" | b"mn", 1) => true,
        _ => false,
    })
}

fn memcached_answer(d: &[u8]) -> Told {
    Reader::new(d).any(&[
        b"VALUE ",
        b"END\r\n",
        b"STORED\r\n",
        b"NOT_STORED\r\n",
        b"EXISTS\r\n",
        b"NOT_FOUND\r\n",
        b"DELETED\r\n",
        b"TOUCHED\r\n",
        b"STAT ",
        b"VERSION ",
        b"ERROR\r\n",
        b"CLIENT_ERROR ",
        b"SERVER_ERROR ",
        b"RESET\r\n",
        b"HD\r\n",
        b"EN\r\n",
        b"MN\r\n",
        b"VA ",
    ])
}

fn memcached_binary(r: &mut Reader<'_>) -> Told {
    r.eq(&[0x80])?;
    r.u8_in(0..=0x56)?;
    let key = u32::from(r.u16_in(0..=250)?);
    let extras = u32::from(r.u8_in(0..=32)?);
    r.eq(&[0])?;
    r.skip(2)?;
    let body = r.u32_in(0..=0x200_0000)?;
    must(body >= key + extras && (key > 0 || body == 0 || body == extras))?;
    // Opaque, then a compare-and-swap number, which is 0 in a first request.
    r.skip(4)?;
    r.eq(&[0; 8])
}

/// Elasticsearch.
pub static ELASTICSEARCH: Protocol = named(
    "elasticsearch",
    "Elasticsearch and OpenSearch between nodes; told by the marker ES with a length, a small request number, a status and a version that fit.",
    TCP,
    &[9300],
    |p| {
        opener(
            p,
            |r| {
                r.eq(b"ES")?;
                r.u32_in(13..=0x0fff_ffff)?;
                r.eq(&[0; 4])?;
                r.skip(4)?;
                r.u8_in(0..=0x1f)?;
                // The version as a decimal number, 2.0.0 is 2000099; OpenSearch flips a high bit.
                let version = r.u32()? & 0x07ff_ffff;
                must((100_000..=99_999_999).contains(&version))
            },
            95,
        )
    },
);

/// NATS.
pub static NATS: Protocol = named(
    "nats",
    "NATS; told by the server's INFO with its identity, or the client's CONNECT in JSON.",
    TCP,
    &[4222],
    |p| {
        let d = if p.resp.is_empty() { p.orig } else { p.resp };
        if d.starts_with(b"INFO {") {
            let named = contains_word(d.get(..256.min(d.len())).unwrap_or(&[]), "\"SERVER_ID\"");
            return match (named, d.contains(&b'\n')) {
                (true, _) => Verdict::Mine(95),
                (false, true) => Verdict::NotMine,
                (false, false) => Verdict::NeedMore,
            };
        }
        opener(p, |r| r.any(&[b"INFO {\"", b"CONNECT {\""]), 85)
    },
);

/// ZooKeeper.
pub static ZOOKEEPER: Protocol = named(
    "zookeeper",
    "Apache ZooKeeper; told by a client's connect request with its exact length, or a four-letter word on its port.",
    TCP,
    &[2181],
    |p| {
        let word = [&b"ruok"[..], b"srvr", b"stat", b"mntr", b"conf", b"envi", b"isro", b"cons"];
        let said = p.orig.trim_ascii_end();
        if p.on_port(&[2181])
            && p.orig.len() <= 6
            && word.iter().any(|w| w.starts_with(said))
            && !said.is_empty()
        {
            return if said.len() == 4 { Verdict::Mine(80) } else { Verdict::NeedMore };
        }
        opener(
            p,
            |r| {
                let len = r.u32_in(44..=45)?;
                r.eq(&[0; 4])?;
                r.skip(8)?;
                r.u32_in(1_000..=3_600_000)?;
                r.skip(8)?;
                r.u32_in(16..=16)?;
                r.skip(len as usize - 28)
            },
            95,
        )
    },
);

/// Oracle.
pub static ORACLE: Protocol = named(
    "oracle",
    "Oracle's TNS; told by a CONNECT packet with versions and a length that fit, or a redirect or refusal of the server.",
    TCP,
    &[1521, 1526],
    |p| {
        opener(
            p,
            |r| {
                let whole = usize::from(r.u16_in(8..=8192)?);
                // Two checksums that nobody computes; connect, accept, refuse, redirect, resend.
                r.eq(&[0, 0])?;
                let kind = r.of(&[1, 4, 5, 11])?;
                r.skip(1)?;
                r.eq(&[0, 0])?;
                if kind != 1 {
                    return must(
                        (kind == 11 && whole == 8)
                            || (kind != 11 && r.rest().get(2..).is_some_and(|d| d.contains(&b'('))),
                    );
                }
                let (version, compatible) = (r.u16_in(290..=400)?, r.u16_in(200..=400)?);
                must(compatible <= version)?;
                r.skip(12)?;
                let (data, at) = (r.u16()?, r.u16_in(26..=128)?);
                must(data == 0 || usize::from(at) + usize::from(data) >= whole.min(58))
            },
            90,
        )
    },
);

/// DRDA.
pub static DRDA: Protocol = named(
    "drda",
    "DRDA of IBM Db2, Derby and Informix; told by an EXCSAT command whose two lengths agree.",
    TCP,
    &[50000, 446, 1527],
    |p| {
        opener(
            p,
            |r| {
                let outer = r.u16_in(10..=32_767)?;
                r.eq(&[0xd0])?;
                r.of(&[0x01, 0x41, 0x51])?;
                r.skip(2)?;
                let inner = r.u16()?;
                must(inner == outer - 6)?;
                r.of(&[0x10, 0x14]).and_then(|_| r.of(&[0x41, 0x43, 0x6d])).map(|_| ())
            },
            95,
        )
    },
);

/// ClickHouse.
pub static CLICKHOUSE: Protocol = named(
    "clickhouse",
    "ClickHouse's native protocol; told by the name in the client's hello.",
    TCP,
    &[9000],
    |p| {
        opener(
            p,
            |r| {
                r.eq(&[0])?;
                r.u8_in(10..=64)?;
                r.eq(b"ClickHouse")
            },
            95,
        )
    },
);

/// Bolt.
pub static BOLT: Protocol =
    named("bolt", "Bolt of Neo4j and Memgraph; told by the client's magic number.", TCP, &[7687], |p| {
        opener(p, |r| r.eq(&[0x60, 0x60, 0xb0, 0x17]), 90)
    });

/// Firebird.
pub static FIREBIRD: Protocol = named(
    "firebird",
    "Firebird and InterBase; told by a connect operation with its version and a known architecture.",
    TCP,
    &[3050],
    |p| {
        opener(
            p,
            |r| {
                r.eq(&[0, 0, 0, 1, 0, 0, 0, 19])?;
                r.u32_in(2..=3)?;
                r.u32_in(1..=36)?;
                r.u32_in(1..=1024).map(|_| ())
            },
            90,
        )
    },
);

/// OpenWire.
pub static OPENWIRE: Protocol = named(
    "openwire",
    "OpenWire of Apache ActiveMQ; told by the magic in its first command.",
    TCP,
    &[61616],
    |p| {
        opener(
            p,
            |r| {
                r.u32_in(10..=0x1_0000)?;
                r.eq(b"\x01ActiveMQ")
            },
            95,
        )
    },
);

/// NSQ.
pub static NSQ: Protocol =
    named("nsq", "NSQ; told by the client's version and its first command.", TCP, &[4150], |p| {
        opener(
            p,
            |r| {
                r.eq(b"  V2")?;
                r.any(&[b"IDENTIFY\n", b"SUB ", b"PUB ", b"AUTH\n", b"NOP\n"])
            },
            95,
        )
    });

/// Gearman.
pub static GEARMAN: Protocol = named(
    "gearman",
    "Gearman; told by the magic of a binary request or answer with a known type.",
    TCP,
    &[4730],
    |p| {
        opener(
            p,
            |r| {
                r.any(&[b"\0REQ", b"\0RES"])?;
                r.u32_in(1..=42)?;
                r.u32_in(0..=0x0fff_ffff).map(|_| ())
            },
            95,
        )
    },
);

/// Ceph.
pub static CEPH: Protocol =
    named("ceph", "Ceph's messenger, versions 1 and 2; told by its banner.", TCP, &[6789, 3300, 6800], |p| {
        opener(p, |r| r.any(&[b"ceph v0", b"ceph v2\n"]), 95)
    });

/// Hadoop.
pub static HADOOP: Protocol = named(
    "hadoop",
    "RPC of Hadoop; told by the magic of a connection with a known version.",
    TCP,
    &[8020, 9000],
    |p| {
        opener(
            p,
            |r| {
                r.eq(b"hrpc")?;
                r.u8_in(4..=10).map(|_| ())
            },
            90,
        )
    },
);

/// HBase.
pub static HBASE: Protocol = named(
    "hbase",
    "RPC of HBase; told by the magic of a connection with version 0 and a known way to log in.",
    TCP,
    &[16020, 16000],
    |p| {
        opener(
            p,
            |r| {
                r.eq(b"HBas\0")?;
                r.of(&[0x50, 0x51, 0x52]).map(|_| ())
            },
            95,
        )
    },
);
