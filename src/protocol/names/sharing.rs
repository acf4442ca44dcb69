//! Which peers share files, coins or a network?
//!
//! Bitcoin and its descendants, Ethereum (discovery version 4, RLPx), Monero (Levin), Gnutella, eDonkey with Kademlia, Direct Connect and ADC,
//! Syncthing, libp2p, AFP, tinc, Tailscale. Ethereum's discovery version 5 is masked with the receiver's identity: it cannot be told.

use super::reader::{Reader, Told, datagram, must, opener, settle};
use super::{BOTH, TCP, UDP, first_line, named};
use crate::model::bytes::be16;
use crate::protocol::{Protocol, Transport, Verdict};

/// Bitcoin.
pub static BITCOIN: Protocol = named(
    "bitcoin",
    "Bitcoin between nodes, and the coins that took over its messages; told by a known network's magic, a command in letters and a sane length.",
    TCP,
    &[8333, 18333],
    |p| {
        opener(
            p,
            |r| {
                // Bitcoin: main, test 3 and 4, signet, regression. Then Litecoin, Dogecoin, Dash, Bitcoin Cash, Zcash.
                r.any(&[
                    b"\xf9\xbe\xb4\xd9",
                    b"\x0b\x11\x09\x07",
                    b"\x1c\x16\x3f\x28",
                    b"\x0a\x03\xcf\x40",
                    b"\xfa\xbf\xb5\xda",
                    b"\xfb\xc0\xb6\xdb",
                    b"\xfd\xd2\xc8\xf1",
                    b"\xc0\xc0\xc0\xc0",
                    b"\xbf\x0c\x6b\xbd",
                    b"\xe3\xe1\xf3\xe8",
                    b"\x24\xe9\x27\x64",
                ])?;
                let command = r.rest().get(..12).unwrap_or(r.rest());
                let letters =
                    command.iter().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).count();
                must(letters > 0 || command.is_empty())?;
                must(command.get(letters..).unwrap_or(&[]).iter().all(|b| *b == 0))?;
                r.skip(12)?;
                must(r.le32()? <= 0x0200_0000)
            },
            95,
        )
    },
);

/// Ethereum.
pub static ETHEREUM: Protocol = named(
    "ethereum",
    "Ethereum: discovery version 4, told by a packet type whose list fits and fills the datagram; RLPx, told by both sides' handshakes.",
    BOTH,
    &[30303],
    |p| match p.transport {
        Transport::Udp => datagram(p, discovery, 90),
        Transport::Tcp => {
            let told = rlpx(p.orig).and_then(|()| if p.on_port(&[30303]) { Ok(()) } else { rlpx(p.resp) });
            settle(p, told, 85)
        }
    },
);

/// Hash, signature, recovery id, type, then a list of RLP that ends the datagram.
fn discovery(r: &mut Reader<'_>) -> Told {
    r.skip(32 + 64)?;
    r.u8_in(0..=1)?;
    let kind = r.u8_in(1..=6)?;
    let len = match r.u8_in(0xc1..=0xf9)? {
        short @ 0xc1..=0xf7 => usize::from(short - 0xc0),
        0xf8 => usize::from(r.u8()?),
        _ => usize::from(r.u16()?),
    };
    must(len == r.left())?;
    let first = r.u8()?;
    must(match kind {
        // Ping: a version, then an endpoint. Pong: an endpoint. Find: a key of 64 bytes. Neighbours: a list.
        1 => matches!(first, 4 | 5),
        2 => first >= 0xc0,
        3 => first == 0xb8,
        4 => first >= 0xc0,
        // Requests of records carry a time; answers a hash.
        5 => first == 0x84,
        _ => first == 0xa0,
    })
}

/// A size, then a point of the curve in its uncompressed form, as EIP-8 has it; or the fixed size of before.
fn rlpx(d: &[u8]) -> Told {
    match d {
        [4, ..] => must(d.len() == 307 || d.len() == 210),
        [_, _, 4, ..] => {
            must(be16(d, 0).is_some_and(|n| (190..=1200).contains(&n) && usize::from(n) + 2 == d.len()))
        }
        [] | [_] | [_, _] => Err(Verdict::NeedMore),
        _ => Err(Verdict::NotMine),
    }
}

/// Monero.
pub static MONERO: Protocol = named(
    "monero",
    "Monero and other coins built on CryptoNote; told by the signature of Levin with a sane length.",
    TCP,
    &[18080],
    |p| {
        opener(
            p,
            |r| {
                r.eq(&[1, 0x21, 1, 1, 1, 1, 1, 1])?;
                must(r.le32()? <= 0x0600_0000)
            },
            95,
        )
    },
);

/// Gnutella.
pub static GNUTELLA: Protocol = named(
    "gnutella",
    "Gnutella; told by the handshake of a connection, a push, or the magics of its out-of-band messages.",
    BOTH,
    &[6346],
    |p| match p.transport {
        Transport::Tcp => opener(p, |r| r.any(&[b"GNUTELLA CONNECT/", b"GNUTELLA/0.", b"GNUTELLA PUSH"]), 95),
        Transport::Udp => datagram(p, gnutella, 85),
    },
);

/// A part of Gnutella 2 (`GND`) or of gtk-gnutella's reliable form (`GTA`), or one message of version 0.4.
fn gnutella(r: &mut Reader<'_>) -> Told {
    let whole = r.left();
    if matches!(r.rest().get(..3), Some(b"GND" | b"GTA")) {
        // Flags, number of the packet, part, count of parts: an acknowledgement has none.
        r.skip(3)?;
        must(r.u8()? & 0xf0 == 0)?;
        r.skip(2)?;
        let (part, count) = (r.u8_in(1..=u8::MAX)?, r.u8()?);
        return must(if count == 0 { whole <= 16 } else { part <= count && whole > 8 });
    }
    if r.rest().starts_with(b"GNUTELLA") {
        return Ok(());
    }
    // Identifier, kind, time to live (its outer bits say whether the payload is or may be deflated), hops, length that fits.
    let id = r.take(16)?;
    let kind = r.of(&[0, 1, 2, 0x30, 0x31, 0x32, 0x40, 0x41, 0x44, 0x80, 0x81])?;
    must(r.u8()? & 0x77 <= 7)?;
    must(r.u8()? <= 7)?;
    // The upper half of the length holds flags nobody sets in datagrams.
    must(r.le32()? as usize + 23 == whole)?;
    // An identifier is random: a bare header with another one is chance. Modern servents mark theirs.
    let marked = id.get(8) == Some(&0xff) || id.get(15) == Some(&0);
    let distinct = id.iter().enumerate().filter(|(i, b)| !id.iter().take(*i).any(|a| a == *b)).count();
    must(distinct >= 9 && (kind != 0 || whole > 23 || marked))
}

/// eDonkey.
pub static EDONKEY: Protocol = named(
    "edonkey",
    "eDonkey and eMule; told by a login or hello whose length fits over TCP, by a query of fixed length over UDP.",
    BOTH,
    &[4662, 4672],
    |p| match p.transport {
        Transport::Tcp => opener(
            p,
            |r| {
                r.eq(&[0xe3])?;
                let len = r.le32()?;
                must((28..=2048).contains(&len))?;
                r.eq(&[1])?;
                // A hello says that a hash is 16 bytes long, a login has it here; address and port, then few tags.
                if r.rest().first() == Some(&16) {
                    r.skip(1)?;
                }
                r.skip(16 + 6)?;
                must((1..=32).contains(&r.le32()?))
            },
            85,
        ),
        Transport::Udp => datagram(
            p,
            |r| {
                let whole = r.left();
                match r.of(&[0xe3, 0xe4])? {
                    // Status of a server: a challenge that begins so.
                    0xe3 => {
                        r.eq(&[0x96])?;
                        r.skip(2)?;
                        r.eq(&[0xaa, 0x55])?;
                        r.end()
                    }
                    // Kademlia: a search with its width and two identifiers.
                    _ => {
                        must(whole == 35)?;
                        r.of(&[0x20, 0x21])?;
                        r.of(&[2, 4, 11]).map(|_| ())
                    }
                }
            },
            85,
        ),
    },
);

/// Direct Connect.
pub static DIRECT_CONNECT: Protocol = named(
    "direct_connect",
    "Direct Connect and ADC; told by the hub's lock, a peer's name or the features that a side offers first.",
    TCP,
    &[411, 412],
    |p| opener(p, |r| r.any(&[b"$Lock ", b"$MyNick ", b"HSUP AD", b"CSUP AD"]), 90),
);

/// Syncthing.
pub static SYNCTHING: Protocol = named(
    "syncthing",
    "Syncthing looking for its devices in the local network; told by the magics of both versions.",
    UDP,
    &[21027],
    |p| datagram(p, |r| r.any(&[&[0x2e, 0xa7, 0xd9, 0x0b], &[0x7d, 0x79, 0xbc, 0x40]]), 90),
);

/// libp2p.
pub static LIBP2P: Protocol = named(
    "libp2p",
    "libp2p, below IPFS and several chains; told by the negotiation of streams that both sides begin with.",
    TCP,
    &[4001],
    |p| opener(p, |r| r.eq(b"\x13/multistream/1.0.0\n"), 95),
);

/// AFP.
pub static AFP: Protocol = named(
    "afp",
    "Apple's filing protocol over DSI; told by the opening of a session with its option, or another request with exact length on its port.",
    TCP,
    &[548],
    |p| {
        let sure = if p.on_port(&[548]) { 90 } else { 75 };
        match opener(
            p,
            |r| {
                // A request to open, number, offset 0, length, reserve 0; then what the client can take.
                r.eq(&[0, 4])?;
                r.skip(2)?;
                r.eq(&[0; 4])?;
                let len = r.u32_in(6..=64)?;
                r.eq(&[0; 4])?;
                r.of(&[0, 1])?;
                r.eq(&[4])?;
                r.skip(len as usize - 2)
            },
            sure,
        ) {
            Verdict::NotMine if p.on_port(&[548]) => opener(
                p,
                |r| {
                    r.u8_in(0..=1)?;
                    r.of(&[1, 2, 3, 5, 6, 8])?;
                    r.skip(2)?;
                    r.skip(4)?;
                    r.u32_in(0..=0x10_0000)?;
                    r.eq(&[0; 4])
                },
                80,
            ),
            verdict => verdict,
        }
    },
);

/// tinc.
pub static TINC: Protocol = named(
    "tinc",
    "tinc's meta connection; told by the identification line: request 0, a name, protocol version 17.",
    TCP,
    &[655],
    |p| {
        let first = if p.orig.is_empty() { p.resp } else { p.orig };
        settle(p, tinc(first), 85)
    },
);

fn tinc(d: &[u8]) -> Told {
    let mut r = Reader::new(d);
    r.eq(b"0 ")?;
    let name = r.text_until(b' ', 64)?;
    must(
        !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'^' | b'?')),
    )?;
    r.eq(b"17")?;
    must(r.of(b"\n.")? == b'\n' || first_line(r.rest()).iter().all(u8::is_ascii_digit))
}

/// Tailscale.
pub static TAILSCALE: Protocol = named(
    "tailscale",
    "Tailscale looking for a direct way; told by the magic of its discovery messages.",
    UDP,
    &[41641],
    |p| datagram(p, |r| r.eq(b"TS\xf0\x9f\x92\xac"), 95),
);

/// A packet of uTP (BEP 29).
struct Utp {
    kind: u8,
    connection: u16,
    sequence: u16,
    acknowledged: u16,
}

/// Version 1, a known type and extensions that fit; nothing follows but data.
fn utp_packet(d: &[u8]) -> Told<Utp> {
    let mut r = Reader::new(d);
    let kind = r.u8()?;
    must(kind & 0x0f == 1 && kind >> 4 <= 4)?;
    let mut extension = r.u8_in(0..=3)?;
    let connection = r.u16()?;
    // Times of sending and their difference; room in the window, which nobody opens to 16 MiB.
    r.skip(8)?;
    r.u32_in(0..=0x00ff_ffff)?;
    let (sequence, acknowledged) = (r.u16()?, r.u16()?);
    while extension != 0 {
        extension = r.u8_in(0..=3)?;
        let len = r.u8_in(1..=64)?;
        r.skip(usize::from(len))?;
    }
    // All but data end here.
    must(kind >> 4 == 0 || r.left() == 0)?;
    Ok(Utp { kind: kind >> 4, connection, sequence, acknowledged })
}

/// Is the first datagram one that opens a uTP connection? No delay measured yet, sequence number 1.
pub(super) fn utp(d: &[u8]) -> bool {
    const SYN: u8 = 4;
    utp_packet(d).is_ok_and(|p| p.kind == SYN && p.sequence == 1 && p.acknowledged == 0)
        && d.get(8..12) == Some(&[0; 4])
        && d.get(12..16) != Some(&[0; 4])
}

/// Do two datagrams answer each other on one uTP connection? Its two numbers differ by one.
pub(super) fn utp_midway(orig: &[u8], resp: &[u8]) -> bool {
    let (Ok(a), Ok(b)) = (utp_packet(orig), utp_packet(resp)) else { return false };
    let near = |x: u16, y: u16| x.wrapping_sub(y) <= 256 || y.wrapping_sub(x) <= 256;
    let numbers = a.connection.abs_diff(b.connection) <= 1 || (a.connection, b.connection) == (0, u16::MAX);
    numbers && near(b.acknowledged, a.sequence) && (a.acknowledged == 0 || near(a.acknowledged, b.sequence))
}

/// BitTorrent's table of nodes: a bencoded dictionary that is a query, an answer or an error with a transaction.
pub(super) fn distributed_table(d: &[u8]) -> bool {
    let opens = [
        &b"d1:ad2:id20:"[..],
        b"d1:rd2:id20:",
        b"d2:ip",
        b"d1:el",
        b"d1:ad3:",
        b"d1:rd3:",
        b"d1:rd5:",
        b"d1:t",
        b"d1:v4:",
    ];
    d.ends_with(b"e") && opens.iter().any(|o| d.starts_with(o)) && d.windows(4).any(|w| matches!(w, b"1:y1"))
}
