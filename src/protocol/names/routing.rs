//! How do routers and switches find each other, and their way?
//!
//! LDP (RFC 5036), BFD (RFC 5880), HSRP (RFC 2281 and version 2), GLBP, RIP (RFC 2453), RIPng (RFC 2080), Babel (RFC 8966), LISP (RFC 9300,
//! RFC 9301), CAPWAP (RFC 5415). Those with an IP protocol of their own are named by its number.

use super::reader::{Reader, Told, datagram, must, opener};
use super::{BOTH, UDP, named};
use crate::protocol::{Protocol, Transport, Verdict};

/// LDP.
pub static LDP: Protocol = named(
    "ldp",
    "Label distribution of MPLS (RFC 5036); told by version 1, lengths that fit and a known message, hello over UDP.",
    BOTH,
    &[646],
    |p| match p.transport {
        Transport::Udp => datagram(
            p,
            |r| {
                r.eq(&[0, 1])?;
                let len = r.u16_in(14..=1500)?;
                must(usize::from(len) == r.left())?;
                r.skip(6)?;
                // Hello; its length counts what follows it.
                r.eq(&[1, 0])?;
                let inner = r.u16()?;
                must(usize::from(inner) <= r.left())
            },
            90,
        ),
        Transport::Tcp => opener(
            p,
            |r| {
                r.eq(&[0, 1])?;
                let len = r.u16_in(14..=4096)?;
                r.skip(6)?;
                // Initialisation or keep-alive begin a session, or a notification ends it; one that was joined late has addresses and labels.
                let (high, low) = (r.of(&[0, 2, 3, 4])?, r.u8_in(0..=4)?);
                must(low <= 1 || high == 4)?;
                let inner = r.u16_in(4..=4086)?;
                must(inner + 10 <= len)
            },
            85,
        ),
    },
);

/// BFD.
pub static BFD: Protocol = named(
    "bfd",
    "Bidirectional forwarding detection (RFC 5880); told by version 1 and the exact length of a control packet, on its ports.",
    UDP,
    &[3784, 3785, 4784],
    |p| {
        if !p.on_port(&[3784, 4784, 3785]) {
            return Verdict::NotMine;
        }
        datagram(
            p,
            |r| {
                let whole = r.left();
                let first = r.u8_in(0x20..=0x3f)?;
                must(first & 0x1f <= 8)?;
                let flags = r.u8()?;
                r.u8_in(1..=u8::MAX)?;
                let len = usize::from(r.u8()?);
                let bare = flags & 4 == 0;
                must(len == whole && if bare { len == 24 } else { (26..=64).contains(&len) })?;
                r.u32_in(1..=u32::MAX).map(|_| ())
            },
            90,
        )
    },
);

/// HSRP.
pub static HSRP: Protocol = named(
    "hsrp",
    "Cisco's standby routers (RFC 2281 and version 2); told by a known operation and state and the length of its messages, on its ports.",
    UDP,
    &[1985, 2029],
    |p| {
        if !p.on_port(&[1985, 2029]) {
            return Verdict::NotMine;
        }
        let first = |r: &mut Reader<'_>| {
            let whole = r.left();
            r.eq(&[0])?;
            match r.u8_in(0..=3)? {
                // An advertisement says of which interface, and has its length.
                3 => {
                    r.u16_in(1..=1)?;
                    r.u16_in(10..=10)?;
                    must(r.left() >= 10)
                }
                _ => {
                    must(matches!(r.u8()?, 0 | 1 | 2 | 4 | 8 | 16) && whole >= 20)?;
                    // Seconds between hellos and until a router is given up; then priority, group, a reserve.
                    r.u8_in(1..=u8::MAX)?;
                    r.u8_in(1..=u8::MAX)?;
                    r.skip(2)?;
                    r.eq(&[0])
                }
            }
        };
        let second = |r: &mut Reader<'_>| {
            r.eq(&[1, 40, 2])?;
            r.u8_in(0..=2)?;
            r.u8_in(0..=6)?;
            r.of(&[4, 6]).map(|_| ())
        };
        match datagram(p, first, 90) {
            Verdict::NotMine => datagram(p, second, 95),
            mine => mine,
        }
    },
);

/// GLBP.
pub static GLBP: Protocol = named(
    "glbp",
    "Cisco's gateway load balancing; told by version 1 and elements that fill the datagram, on its port.",
    UDP,
    &[3222],
    |p| {
        if !p.on_port(&[3222]) {
            return Verdict::NotMine;
        }
        datagram(
            p,
            |r| {
                r.eq(&[1])?;
                r.skip(11)?;
                loop {
                    r.u8_in(1..=4)?;
                    let len = r.u8_in(2..=u8::MAX)?;
                    r.skip(usize::from(len) - 2)?;
                    if r.left() == 0 {
                        return Ok(());
                    }
                }
            },
            90,
        )
    },
);

/// RIP.
pub static RIP: Protocol = named(
    "rip",
    "RIP versions 1 and 2 (RFC 2453); told by command, version and entries of known families that fill the datagram, on its port.",
    UDP,
    &[520],
    |p| {
        if !p.on_port(&[520]) {
            return Verdict::NotMine;
        }
        datagram(
            p,
            |r| {
                r.u8_in(1..=2)?;
                r.u8_in(1..=2)?;
                r.eq(&[0, 0])?;
                must(r.left() > 0)?;
                while r.left() > 0 {
                    must(matches!(r.u16()?, 0 | 2 | 0xffff))?;
                    r.skip(18)?;
                }
                Ok(())
            },
            90,
        )
    },
);

/// RIPng.
pub static RIPNG: Protocol = named(
    "ripng",
    "RIP for IPv6 (RFC 2080); told by command, version 1 and prefixes with a sane length and metric that fill the datagram, on its port.",
    UDP,
    &[521],
    |p| {
        if !p.on_port(&[521]) {
            return Verdict::NotMine;
        }
        datagram(
            p,
            |r| {
                r.u8_in(1..=2)?;
                r.eq(&[1, 0, 0])?;
                must(r.left() > 0)?;
                while r.left() > 0 {
                    r.skip(18)?;
                    r.u8_in(0..=128)?;
                    must(matches!(r.u8()?, 0..=16 | 0xff))?;
                }
                Ok(())
            },
            90,
        )
    },
);

/// Babel.
pub static BABEL: Protocol = named(
    "babel",
    "Babel routing (RFC 8966); told by its magic, version 2 and a length that fits.",
    UDP,
    &[6696],
    |p| {
        datagram(
            p,
            |r| {
                r.eq(&[42, 2])?;
                let len = usize::from(r.u16_in(2..=1500)?);
                // A trailer may follow the body; the body is type, length, value.
                must(len <= r.left())?;
                r.u8_in(0..=11)?;
                let first = usize::from(r.u8()?);
                must(first + 2 <= len)
            },
            if p.on_port(&[6696]) { 90 } else { 55 },
        )
    },
);

/// LISP.
pub static LISP: Protocol = named(
    "lisp",
    "Locator/ID separation (RFC 9300, RFC 9301); told by a control message or an inner packet whose lengths fit, on its ports.",
    UDP,
    &[4341, 4342],
    |p| {
        if p.on_port(&[4342]) {
            return datagram(p, lisp_control, 90);
        }
        if !p.on_port(&[4341]) {
            return Verdict::NotMine;
        }
        datagram(
            p,
            |r| {
                r.skip(8)?;
                inner_ip(r.rest())
            },
            90,
        )
    },
);

/// Does an IP packet fill these bytes?
fn inner_ip(d: &[u8]) -> Told {
    use crate::model::bytes::be16;
    must(match d {
        [0x45..=0x4f, ..] => be16(d, 2).is_some_and(|len| usize::from(len) == d.len()),
        [0x60..=0x6f, ..] => be16(d, 4).is_some_and(|len| usize::from(len) + 40 == d.len()),
        _ => false,
    })
}

fn lisp_control(r: &mut Reader<'_>) -> Told {
    let first = r.u8()?;
    match first >> 4 {
        // An encapsulated message: the packet inside begins behind three reserved bytes.
        8 => {
            r.skip(3)?;
            inner_ip(r.rest())
        }
        // Request and reply: records, then a nonce.
        kind @ (1 | 2) => {
            r.skip(2)?;
            let records = usize::from(r.u8_in(1..=32)?);
            r.skip(8)?;
            // A record of a request holds at least a prefix, one of a reply also its time to live and locators.
            must(r.left() >= records * if kind == 1 { 8 } else { 12 })
        }
        // Register and notify: records, nonce, kind of key, its digest.
        3..=5 => {
            r.skip(2)?;
            r.u8_in(1..=255)?;
            r.skip(8)?;
            r.skip(1)?;
            r.u8_in(0..=3)?;
            let len = r.u16_in(0..=64)?;
            must(matches!(len, 0 | 16 | 20 | 32) && r.left() > usize::from(len))
        }
        _ => Err(Verdict::NotMine),
    }
}

/// CAPWAP.
pub static CAPWAP: Protocol = named(
    "capwap",
    "Wireless access points and their controller (RFC 5415); told by its header with DTLS, a control message or data behind it, on its ports.",
    UDP,
    &[5246, 5247],
    |p| {
        if !p.on_port(&[5246, 5247]) {
            return Verdict::NotMine;
        }
        if p.on_port(&[5247]) && !matches!(p.orig.first().or(p.resp.first()), Some(1)) {
            return datagram(p, capwap_data, 80);
        }
        datagram(
            p,
            |r| {
                if r.of(&[0, 1])? == 1 {
                    // Behind four bytes, a record of DTLS.
                    r.eq(&[0, 0, 0])?;
                    r.u8_in(20..=23)?;
                    r.of(&[1, 0xfe])?;
                    return r.of(&[0, 0xfd, 0xff]).map(|_| ());
                }
                // Header length in words, then radio and binding.
                let header = usize::from(r.u8()? >> 3) * 4;
                must((8..=32).contains(&header))?;
                r.skip(header - 2)?;
                if r.left() < 8 {
                    return must(r.left() >= 4);
                }
                // Control: a message type of the IETF or an enterprise, sequence, length.
                let kind = r.u32()?;
                r.skip(1)?;
                let len = usize::from(r.u16()?);
                must((kind & 0xff) <= 26 && (len <= r.left() + 3) && len + 8 > r.left())
            },
            85,
        )
    },
);

/// The header of a data packet: length in words, radio and binding, flags of which three are reserved, fragment and its offset; then a frame.
fn capwap_data(r: &mut Reader<'_>) -> Told {
    let whole = r.left();
    r.eq(&[0])?;
    let [lengths, ids, flags] = *r.take(3)? else { return Err(Verdict::NotMine) };
    let header = usize::from(lengths >> 3) * 4;
    // Bindings: none (keep-alive), 802.11, RFID, EPC.
    let binding = ids >> 1 & 0x1f;
    must((8..=32).contains(&header) && whole >= header + 4 && binding <= 3 && flags & 7 == 0)?;
    let offset = r.u32()?;
    // Three reserved bits; an offset only in fragments.
    must(offset & 7 == 0 && (offset >> 3 & 0x1fff == 0 || flags & 0x80 != 0))
}
