//! Which other forms does each protocol have on the wire? For tests.
//!
//! Beside the first messages of [`super::samples`]: older versions, answers without their question, what a capture shows that joined late.
//! Hand-made after the specifications.

use super::samples::Sample;
use crate::protocol::Transport::{Tcp, Udp};

/// Streams: name, port, first bytes of originator and responder.
const STREAMS: &[(&str, u16, &[u8], &[u8])] = &[
    // AMQP 0-9-1: basic.publish, a content header, a body and a heartbeat; the server's basic.deliver.
    ("amqp", 5672, b"\x01\0\x01\0\0\0\x0a\0\x3c\0\x28\0\0\x01x\0\0\xce", b""),
    ("amqp", 5672, b"\x02\0\x01\0\0\0\x0e\0\x3c\0\0\0\0\0\0\0\0\0\x03\0\0\xce", b""),
    ("amqp", 5672, b"\x03\0\x01\0\0\0\x03abc\xce", b""),
    ("amqp", 5672, b"", b"\x08\0\0\0\0\0\0\xce"),
    // OPC UA: the server's acknowledgement, a chunk of a message of an open channel.
    ("opcua", 4840, b"", b"ACKF\x1c\0\0\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0"),
    ("opcua", 4840, b"MSGC\0\x20\0\0\x07\0\0\0\x01\0\0\0\x34\0\0\0\x02\0\0\0", b""),
    // TACACS+: the fifth message of a session whose beginning is missing.
    ("tacacs", 49, b"\xc0\x01\x05\0\x12\x34\x56\x78\0\0\0\x06\x01\x01\x01\x01\0\0", b""),
    ("tacacs", 49, b"", b"\xc0\x01\x02\0\x12\x34\x56\x78\0\0\0\x06\x01\x01\x01\x01\0\0"),
    // Cassandra: the answer to a query, a query.
    ("cassandra", 9042, b"", b"\x84\0\0\x07\x08\0\0\0\x04\0\0\0\x01"),
    ("cassandra", 9042, b"\x04\0\0\x07\x07\0\0\0\x15\0\0\0\x0eSELECT * FROM t\0\x01\0", b""),
    // SMPP: a message of a session that is open, the answer to a bind.
    ("smpp", 2775, b"\0\0\0\x24\0\0\0\x04\0\0\0\0\0\0\0\x02\0\x01\x011234\0\x01\x015678\0\0", b""),
    ("smpp", 4242, b"", b"\0\0\0\x15\x80\0\0\x09\0\0\0\0\0\0\0\x01SMSC\0"),
    // LDP: labels of a session that is up.
    (
        "ldp",
        646,
        b"\0\x01\0\x1c\x0a\0\0\x01\0\0\x04\0\0\x12\0\0\0\x09\x01\0\0\x08\x02\0\x01\x18\x0a\0\0\0",
        b"",
    ),
    // TLS behind its hellos: an encrypted alert of the server, one whole record, the change of ciphers.
    ("tls", 443, b"", b"\x15\x03\x03\0\x1a\0\0\0\0\0\0\0\x01abcdefghijklmnopqr"),
    ("tls", 443, b"\x17\x03\x03\0\x13abcdefghijklmnopqrs", b""),
    ("tls", 443, b"\x14\x03\x03\0\x01\x01\x16\x03\x03\0\x10abcdefghijklmnop", b""),
    ("tls", 443, b"\x15\x03\x01\0\x02\x02\x28", b""),
];

/// Datagrams.
const DATAGRAMS: &[(&str, u16, &[u8], &[u8])] = &[
    // Gnutella: an acknowledgement and a part of Gnutella 2, gtk-gnutella's reliable form, a bare ping and a query of version 0.4 whose time
    // to live says that answers may be deflated.
    ("gnutella", 4242, b"GND\0\x12\x34\x01\0", b""),
    ("gnutella", 4242, b"GND\x02\x12\x34\x01\x01\x14\x05PI\x10\x03UDP\x0a\0\0\x01\xca\x18", b""),
    ("gnutella", 4242, b"GTA\x02\x12\x34\x01\x02abcdefghijklmnopqrs\x80\x01\0\x04\0\0\0", b""),
    ("gnutella", 4242, b"\x0a\x2b\x3c\x4d\x5e\x6f\x71\x82\xff\x93\xa4\xb5\xc6\xd7\xe8\0\0\x01\0\0\0\0\0", b""),
    (
        "gnutella",
        4242,
        b"\x0a\x2b\x3c\x4d\x5e\x6f\x71\x82\x08\x93\xa4\xb5\xc6\xd7\xe8\x01\x80\x0b\0\x0b\0\0\0\0\0pinkfloyd",
        b"",
    ),
    // uTP that was joined late: data, then the state that confirms it on the other number.
    (
        "bittorrent",
        4242,
        b"\x01\0\x12\x35\0\0\x01\0\0\0\x02\0\0\x10\0\0\0\x20\0\x07data",
        b"\x21\0\x12\x34\0\0\x01\x10\0\0\0\x10\0\x04\0\0\0\x07\0\x20",
    ),
    // sFlow version 4 with one sample; version 2 of an agent with an IPv6 address.
    ("sflow", 6343, b"\0\0\0\x04\0\0\0\x01\x0a\0\0\x01\0\0\0\x07\0\0\x12\x34\0\0\0\x01\0\0\0\x01", b""),
    (
        "sflow",
        6343,
        b"\0\0\0\x02\0\0\0\x02\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x07\0\0\x12\x34\0\0\0\x02\0\0\0\x01",
        b"",
    ),
    // NetFlow version 9 of which the snaplen left the first set.
    ("netflow", 2055, b"\0\x09\0\x02\0\0\x10\0\x5f\0\0\0\0\0\0\x07\0\0\0\0\x01\0\0\x40\x0a\0\0\x01", b""),
    // L2TP data with length and without, PPP with its address and without.
    ("l2tp", 1701, b"\x40\x02\0\x0e\0\x07\0\x09\xff\x03\xc0\x21\x09\x01", b""),
    ("l2tp", 1701, b"\0\x02\0\x07\0\x09\0\x21\x45\0\0\x14", b""),
    ("l2tp", 1701, b"\x0a\x02\0\x07\0\x09\0\x01\0\x02\0\0\xff\x03\0\x57\x60", b""),
    // collectd: the time before the host.
    ("collectd", 25826, b"\0\x08\0\x0c\x12\x34\x56\x78\x12\x34\x56\x78\0\0\0\x09host\0\0\x02\0\x08cpu\0", b""),
    // TFTP between two ports that a request elsewhere opened.
    ("tftp", 4242, b"\0\x03\0\x05abc", b"\0\x04\0\x05"),
    ("tftp", 4242, b"\0\x04\0\0", b"\0\x03\0\x01abc"),
    // CAPWAP: a frame of 802.11 behind the header of a data packet.
    ("capwap", 5247, b"\0\x10\x02\0\0\0\0\0\x88\x01\0\0\x02\0\0\0\0\x01", b""),
    // RTCP feedback alone (RFC 5506): a picture is lost.
    ("rtcp", 4242, b"\x81\xce\0\x02\x12\x34\x56\x78\x9a\xbc\xde\xf0", b""),
    // CoAP on a port that 6LoWPAN can write in four bits.
    ("coap", 61616, b"\x40\x01\0\x01\xb1x", b""),
    // STUN as RFC 3489 had it: a request to change the port, the answer to a bare one.
    ("stun", 4242, b"\0\x01\0\x08abcdefghijklmnop\0\x03\0\x04\0\0\0\x02", b""),
    (
        "stun",
        4242,
        b"\0\x01\0\0abcdefghijklmnop",
        b"\x01\x01\0\x0cabcdefghijklmnop\0\x01\0\x08\0\x01\x12\x34\xc0\0\x02\x01",
    ),
    // DTLS behind its hellos: data of epoch 1, the change of ciphers with what follows.
    ("dtls", 4242, b"\x17\xfe\xfd\0\x01\0\0\0\0\0\x05\0\x18\0\x01\0\0\0\0\0\x05abcdefghijklmnop", b""),
    (
        "dtls",
        4242,
        b"\x14\xfe\xfd\0\0\0\0\0\0\0\x05\0\x01\x01\x16\xfe\xfd\0\x01\0\0\0\0\0\0\0\x10abcdefghijklmnop",
        b"",
    ),
    // RADIUS with a damaged attribute: header and length are what they were.
    ("radius", 1812, b"\x01\x07\0\x1aabcdefghijklmnop\x01\x63user", b""),
    // DNS with a count or an operation that makes no sense, on its port.
    ("dns", 53, b"\x12\x34\x01\0\x01\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01", b""),
    ("dns", 53, b"\x12\x34\x59\x40\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01", b""),
    // The certificate of a DNSCrypt resolver, with padding behind the question.
    (
        "dnscrypt",
        443,
        b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x012\x0ddnscrypt-cert\x07example\x03com\0\0\x10\0\x01\0\0\0\0",
        b"",
    ),
];

/// All of them.
pub(super) fn all() -> impl Iterator<Item = Sample> {
    let of = |transport| {
        move |(name, port, orig, resp): &(&'static str, u16, &[u8], &[u8])| Sample {
            name,
            transport,
            port: *port,
            orig: orig.to_vec(),
            resp: resp.to_vec(),
        }
    };
    // WireGuard whose provider numbers its customers in the reserved bytes.
    let warp = [&[1, 0x5a, 0xa5, 0x3c][..], &[0x5a; 128], &[0; 16]].concat();
    let warp = Sample { name: "wireguard", transport: Udp, port: 2408, orig: warp, resp: Vec::new() };
    STREAMS.iter().map(of(Tcp)).chain(DATAGRAMS.iter().map(of(Udp))).chain([warp])
}
