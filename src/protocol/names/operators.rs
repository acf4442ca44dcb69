//! Which protocol of network operators is it?
//!
//! Diameter (RFC 6733), SMPP 3.4, TACACS+ (RFC 8907), PFCP (3GPP TS 29.244), NAT-PMP (RFC 6886), PCP (RFC 6887), SLP (RFC 2608), SAP (RFC 2974),
//! IPMI over RMCP, PTP version 2 (IEEE 1588), Roughtime, wake-on-LAN, WS-Discovery, MEGACO (RFC 3525), DNSCrypt.

use super::reader::{Reader, Told, datagram, must, opener, settle};
use super::{BOTH, TCP, UDP, any_side, claim, contains_word, named};
use crate::protocol::{Protocol, Transport, Verdict};

/// Diameter.
pub static DIAMETER: Protocol = named(
    "diameter",
    "Diameter (RFC 6733); told by version 1, a length that fits, clean flags and a well-formed first attribute.",
    TCP,
    &[3868],
    |p| {
        opener(
            p,
            |r| {
                r.eq(&[1])?;
                let len = r.u24()?;
                must((20..=0x4_0000).contains(&len) && len.is_multiple_of(4))?;
                // Request, proxiable, error, retransmitted; the rest is reserved.
                must(r.u8()? & 0x0f == 0)?;
                must(matches!(r.u24()?, 257..=330 | 8_388_600..=8_388_735))?;
                r.skip(12)?;
                // Session-Id comes first, or Result-Code, Origin-Host and their kin.
                r.u32_in(1..=1_000)?;
                must(r.u8()? & 0x1f == 0)?;
                let attribute = r.u24()?;
                must((8..=len - 20).contains(&attribute))
            },
            90,
        )
    },
);

/// SMPP.
pub static SMPP: Protocol = named(
    "smpp",
    "SMPP 3.3 to 5.0, short messages; told by a known command with status, sequence and length that fit, and what a bind must hold.",
    TCP,
    &[2775],
    |p| {
        let first = if p.orig.is_empty() { p.resp } else { p.orig };
        let mut r = Reader::new(first);
        let command = smpp(&mut r);
        // Elsewhere than on its port a session has to begin: other protocols count and number their messages just so.
        let told = command
            .and_then(|c| must(p.on_port(&[2775]) || matches!(c & 0x7fff_ffff, 1 | 2 | 9 | 0x0b | 0x15)));
        settle(p, told, 85)
    },
);

/// One message; its command.
fn smpp(r: &mut Reader<'_>) -> Told<u32> {
    let len = r.u32_in(16..=0x1_0000)?;
    let command = r.u32()?;
    let request = command & 0x8000_0000 == 0;
    must(matches!(command & 0x7fff_ffff, 0..=9 | 0x0b | 0x15 | 0x21 | 0x102 | 0x103 | 0x111..=0x113))?;
    let status = r.u32()?;
    must(if request { status == 0 } else { status <= 0x0500 })?;
    let sequence = r.u32()?;
    must(sequence <= 0x7fff_ffff && (sequence > 0 || command == 0x8000_0000))?;
    match command {
        1 | 2 | 9 => {
            r.text_until(0, 16)?;
            r.text_until(0, 9)?;
            r.text_until(0, 13)?;
            r.of(&[0, 0x33, 0x34, 0x50])?;
        }
        // The name of who answers.
        0x8000_0001 | 0x8000_0002 | 0x8000_0009 if len > 16 => {
            must(r.text_until(0, 16)?.len() + 17 <= len as usize)?
        }
        0x15 | 0x8000_0015 | 6 | 0x8000_0006 | 0x8000_0001 | 0x8000_0002 | 0x8000_0009 => must(len == 16)?,
        _ => must(len > 16)?,
    }
    Ok(command)
}

/// TACACS+.
pub static TACACS: Protocol = named(
    "tacacs",
    "TACACS+ (RFC 8907); told by version, type, the first sequence number and a length that is exact, on its port or confirmed by the answer.",
    TCP,
    &[49],
    |p| {
        let header = |d: &[u8], sequence: u8| -> Told<u32> {
            let mut r = Reader::new(d);
            r.of(&[0xc0, 0xc1])?;
            r.u8_in(1..=3)?;
            r.eq(&[sequence])?;
            r.of(&[0, 1, 4, 5])?;
            let session = r.u32()?;
            let len = r.u32_in(5..=0x1_0000)?;
            r.skip(len as usize)?;
            Ok(session)
        };
        let asked = header(p.orig, 1);
        if p.on_port(&[49]) {
            // A session that was joined late: any whole message of either side, clients' have odd numbers.
            let number = |d: &[u8]| d.get(2).copied().filter(|n| *n > 0);
            let late = |d: &[u8]| number(d).map_or(Err(Verdict::NeedMore), |n| header(d, n).map(|_| ()));
            return settle(p, if p.orig.is_empty() { late(p.resp) } else { late(p.orig) }, 90);
        }
        let told = asked.and_then(|session| header(p.resp, 2).and_then(|s| must(s == session)));
        settle(p, told, 90)
    },
);

/// PFCP.
pub static PFCP: Protocol = named(
    "pfcp",
    "Control of the user plane in mobile cores (3GPP TS 29.244); told by version 1, a known message and an exact length.",
    UDP,
    &[8805],
    |p| {
        let sure = if p.on_port(&[8805]) { 90 } else { 55 };
        datagram(
            p,
            |r| {
                let flags = r.u8_in(0x20..=0x27)?;
                must(matches!(r.u8()?, 1..=15 | 50..=57))?;
                let len = usize::from(r.u16()?);
                must(len == r.left())?;
                r.skip(if flags & 1 == 1 { 8 } else { 0 })?;
                r.skip(3)?;
                // Elements follow: type below 400, length.
                r.skip(1)?;
                if r.left() == 0 {
                    return Ok(());
                }
                r.u16_in(1..=400)?;
                let element = usize::from(r.u16()?);
                must(element <= r.left())
            },
            sure,
        )
    },
);

/// NAT-PMP.
pub static NAT_PMP: Protocol = named(
    "nat_pmp",
    "Port mapping of NAT gateways (RFC 6886); told by version 0 and the exact length of an operation, on its port.",
    UDP,
    &[5351, 5350],
    |p| {
        if !p.on_port(&[5351, 5350]) {
            return Verdict::NotMine;
        }
        let looks = |d: &[u8]| match d {
            [0, 0] => true,
            [0, 1 | 2, 0, 0, ..] => d.len() == 12,
            [0, 128, 0, 0..=5, ..] => d.len() == 12 || d.len() == 8,
            [0, 129 | 130, 0, 0..=5, ..] => d.len() == 16,
            _ => false,
        };
        claim(any_side(p, looks), 90)
    },
);

/// PCP.
pub static PCP: Protocol = named(
    "pcp",
    "Port control protocol (RFC 6887); told by version 2, a known operation and a length in words, on its port.",
    UDP,
    &[5351, 5350],
    |p| {
        if !p.on_port(&[5351, 5350]) {
            return Verdict::NotMine;
        }
        datagram(
            p,
            |r| {
                let whole = r.left();
                must(whole <= 1100 && whole.is_multiple_of(4))?;
                r.eq(&[2])?;
                // Announce is the bare header; a mapping adds 36 bytes, a mapping for a peer 56.
                must(match r.u8()? & 0x7f {
                    0 => whole >= 24,
                    1 => whole >= 60,
                    2 => whole >= 80,
                    _ => false,
                })?;
                r.eq(&[0])?;
                r.u8_in(0..=13).map(|_| ())
            },
            90,
        )
    },
);

/// SLP.
pub static SLP: Protocol = named(
    "slp",
    "Service location (RFC 2608, and version 1 of RFC 2165); told by version, function, a language tag and a length that is exact.",
    BOTH,
    &[427],
    |p| {
        let whole = if p.orig.is_empty() { p.resp } else { p.orig }.len();
        let fits = |r: &mut Reader<'_>| {
            let version = r.u8_in(1..=2)?;
            r.u8_in(1..=11)?;
            if version == 1 {
                r.u16_in(12..=1500)?;
                r.skip(2)?;
                r.skip(2)?;
                return r.u16_in(0..=3000).map(|_| ());
            }
            let len = r.u24()?;
            must((14..=0x1_0000).contains(&len))?;
            must(r.u8()? & 0x1f == 0)?;
            r.eq(&[0])?;
            r.skip(3)?;
            r.skip(2)?;
            let tag = r.u16_in(1..=16)?;
            must(r.take(usize::from(tag))?.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-'))
        };
        let version1 = matches!(p.orig.first().or(p.resp.first()), Some(1));
        let told = opener(p, fits, 90);
        match told {
            Verdict::Mine(_) if version1 => {
                let d = if p.orig.is_empty() { p.resp } else { p.orig };
                claim(p.on_port(&[427]) && super::counts_all(d, 2, 0), 80)
            }
            Verdict::Mine(_) if p.transport == Transport::Udp => {
                let d = if p.orig.is_empty() { p.resp } else { p.orig };
                let len = Reader::new(d.get(2..).unwrap_or(&[])).u24();
                claim(len.is_ok_and(|n| n as usize == whole), 90)
            }
            other => other,
        }
    },
);

/// SAP.
pub static SAP: Protocol = named(
    "sap",
    "Announcements of sessions (RFC 2974); told by version 1 and a session description behind the header.",
    UDP,
    &[9875],
    |p| {
        datagram(
            p,
            |r| {
                let flags = r.u8_in(0x20..=0x3f)?;
                let auth = usize::from(r.u8()?) * 4;
                r.skip(2)?;
                r.skip(if flags & 0x10 == 0 { 4 } else { 16 } + auth)?;
                r.any(&[b"application/sdp\0v=0", b"v=0\r\n", b"v=0\n"])
            },
            95,
        )
    },
);

/// IPMI.
pub static IPMI: Protocol = named(
    "ipmi",
    "IPMI and ASF over RMCP, control of servers that may be off; told by version 6, a known class and what each of them must begin with.",
    UDP,
    &[623, 664],
    |p| {
        datagram(
            p,
            |r| {
                r.eq(&[6, 0])?;
                r.skip(1)?;
                match r.u8()? & 0x9f {
                    // ASF: the enterprise number of the forum.
                    6 => r.eq(&[0, 0, 0x11, 0xbe]),
                    // IPMI: how it is authenticated; 6 is the format of version 2.
                    7 => must(matches!(r.u8()?, 0..=2 | 4..=6) && r.left() >= 9),
                    0x86 => must(r.left() == 0),
                    _ => Err(Verdict::NotMine),
                }
            },
            if p.on_port(&[623, 664]) { 90 } else { 60 },
        )
    },
);

/// PTP.
pub static PTP: Protocol = named(
    "ptpv2",
    "Precision time protocol, version 2 (IEEE 1588); told by version, message type and a length that fits, on its ports.",
    UDP,
    &[319, 320],
    |p| {
        if !p.on_port(&[319, 320]) {
            return Verdict::NotMine;
        }
        datagram(
            p,
            |r| {
                let whole = r.left();
                must(matches!(r.u8()? & 0x0f, 0..=3 | 8..=13))?;
                must(r.u8()? & 0x0f == 2)?;
                let len = usize::from(r.u16()?);
                must((34..=whole).contains(&len))
            },
            95,
        )
    },
);

/// Roughtime.
pub static ROUGHTIME: Protocol =
    named("roughtime", "Roughtime; told by the magic at the start of its packets.", UDP, &[2002], |p| {
        datagram(p, |r| r.eq(b"ROUGHTIM"), 95)
    });

/// Wake-on-LAN.
pub static WOL: Protocol = named(
    "wol",
    "Wake-on-LAN; told by six bytes of ones and sixteen times the same hardware address.",
    UDP,
    &[9, 7],
    |p| {
        datagram(
            p,
            |r| {
                r.eq(&[0xff; 6])?;
                let address = r.take(6)?;
                for _ in 1..16 {
                    r.eq(address)?;
                }
                Ok(())
            },
            95,
        )
    },
);

/// WS-Discovery.
pub static WSD: Protocol = named(
    "wsd",
    "Discovery of web services; told by a SOAP envelope over UDP that names the discovery schema.",
    UDP,
    &[3702],
    |p| {
        let looks = |d: &[u8]| {
            let d = d.trim_ascii_start();
            d.starts_with(b"<") && contains_word(d, "ENVELOPE") && contains_word(d, "/DISCOVERY")
        };
        claim(any_side(p, looks), 90)
    },
);

/// MEGACO.
pub static MEGACO: Protocol = named(
    "megaco",
    "Gateway control (RFC 3525, H.248) in text; told by its name and version before the sender's address.",
    BOTH,
    &[2944, 2945],
    |p| {
        opener(
            p,
            |r| {
                r.any(&[b"MEGACO/", b"!/"])?;
                r.u8_in(b'1'..=b'3')?;
                r.any(&[b" [", b"[", b"\n[", b" <", b"\r\n["])
            },
            90,
        )
    },
);

/// What resolvers put before an answer.
const DNSCRYPT_ANSWER: &[u8] = b"r6fnvWj8";

/// DNSCrypt.
pub static DNSCRYPT: Protocol = named(
    "dnscrypt",
    "DNSCrypt, versions 1 and 2; told by the magic of an answer that repeats half the nonce of the question. A question alone shows only a magic that its resolver chose.",
    BOTH,
    &[],
    |p| {
        // Over TCP a length of two bytes comes first.
        let stream = p.transport == Transport::Tcp;
        let told = dnscrypt_question(p.orig, stream).and_then(|nonce| {
            let mut r = Reader::new(p.resp);
            if stream {
                r.u16_in(80..=4096)?;
            }
            r.eq(DNSCRYPT_ANSWER)?;
            must(nonce.is_none_or(|asked| r.rest().starts_with(asked)))?;
            // Nonces of both, and the box's authentication.
            r.skip(24 + 16)
        });
        settle(p, told, 95)
    },
);

/// The client's half of the nonce, behind the magic and its key; `None` when the question was looked at before.
fn dnscrypt_question(d: &[u8], stream: bool) -> Told<Option<&[u8]>> {
    let mut r = Reader::new(d);
    if d.is_empty() {
        return Ok(None);
    }
    let len = if stream { usize::from(r.u16_in(68 + 64..=4096)?) } else { d.len() };
    // What is encrypted is padded to a multiple of 64 bytes, behind its authentication.
    must(len.checked_sub(8 + 32 + 12 + 16).is_some_and(|n| n.is_multiple_of(64)))?;
    r.skip(8 + 32)?;
    let nonce = r.take(12)?;
    r.skip(len - 52)?;
    r.end()?;
    Ok(Some(nonce))
}
