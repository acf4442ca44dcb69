//! Which protocol shows or drives another machine's screen?
//!
//! X11 (X.org's protocol, appendix B), XDMCP, SPICE, Citrix ICA, TeamViewer, Radmin, rlogin (RFC 1282), rsh, Android's debug bridge,
//! Synergy and Barrier. AnyDesk, Chrome's remote desktop and others are TLS and are named so.

use super::reader::{Reader, Told, datagram, must, opener, settle};
use super::{BOTH, TCP, UDP, claim, named};
use crate::protocol::{Protocol, Transport, Verdict};

/// X11.
pub static X11: Protocol = named(
    "x11",
    "X11; told by a client's connection set-up: byte order, version 11 and the lengths of an authorisation that fits.",
    TCP,
    &[6000, 6001, 6002, 6010],
    |p| {
        opener(
            p,
            |r| {
                let little = r.of(b"lB")? == b'l';
                r.skip(1)?;
                let mut number = || if little { r.le16() } else { r.u16() };
                must(number()? == 11)?;
                must(number()? == 0)?;
                let (name, data) = (number()?, number()?);
                must(matches!((name, data), (0, 0) | (9..=32, 8..=512)))?;
                r.skip(2)?;
                must(super::is_text(r.take(usize::from(name))?))
            },
            90,
        )
    },
);

/// XDMCP.
pub static XDMCP: Protocol = named(
    "xdmcp",
    "X display manager control; told by version 1, a known operation and the exact length of the datagram.",
    UDP,
    &[177],
    |p| {
        let sure = if p.on_port(&[177]) { 90 } else { 60 };
        datagram(
            p,
            |r| {
                r.eq(&[0, 1])?;
                r.u16_in(1..=14)?;
                let len = r.u16_in(1..=1500)?;
                must(r.left() == usize::from(len))
            },
            sure,
        )
    },
);

/// SPICE.
pub static SPICE: Protocol = named(
    "spice",
    "SPICE; told by the magic of its link message with version 1 or 2.",
    TCP,
    &[5930, 5900],
    |p| {
        opener(
            p,
            |r| {
                r.eq(b"REDQ")?;
                must(matches!(r.le32()?, 1 | 2))
            },
            95,
        )
    },
);

/// Citrix.
pub static ICA: Protocol = named(
    "ica",
    "Citrix ICA and its gateway protocol CGP; told by the server's greeting or the client's.",
    TCP,
    &[1494, 2598],
    |p| opener(p, |r| r.any(&[b"\x7f\x7fICA\0", b"\x1aCGP/01"]), 95),
);

/// TeamViewer.
pub static TEAMVIEWER: Protocol = named(
    "teamviewer",
    "TeamViewer; told by the magic number of its commands and a length that fits.",
    BOTH,
    &[5938],
    |p| match p.transport {
        Transport::Tcp => opener(p, teamviewer, 90),
        Transport::Udp => {
            // A header of eleven bytes, then the command of old; the length counts what follows its own header of five.
            let looks = |d: &[u8]| {
                d.get(11..13) == Some(&[0x17, 0x24])
                    && d.get(14..16).is_some_and(
                        |n| matches!(n, [a, b] if usize::from(u16::from_le_bytes([*a, *b])) + 16 == d.len()),
                    )
            };
            claim(super::any_side(p, looks), 90)
        }
    },
);

/// Two generations: magic, command, length; or magic, command, length of four bytes, number and more.
fn teamviewer(r: &mut Reader<'_>) -> Told {
    let magic = r.of(&[0x17, 0x11])?;
    if magic == 0x17 {
        r.eq(&[0x24])?;
        let command = r.u8_in(1..=0x7f)?;
        let len = usize::from(r.le16()?);
        // The first commands ask or tell who is there: they are short, and alone in their segment or followed by another.
        must(matches!(command, 0x0a | 0x10 | 0x1a | 0x28 | 0x3c | 0x6f) && (4..=4096).contains(&len))?;
        r.skip(len)?;
        return if r.left() == 0 { Ok(()) } else { r.eq(&[0x17, 0x24]) };
    }
    r.eq(&[0x30])?;
    r.u8_in(1..=0x7f)?;
    r.eq(&[0])?;
    must((1..=0x10_0000).contains(&r.le32()?))?;
    r.skip(4)?;
    r.eq(&[0])
}

/// Radmin.
pub static RADMIN: Protocol = named(
    "radmin",
    "Radmin 2 and 3; told by the client's fixed greeting and the server's.",
    TCP,
    &[4899],
    |p| {
        let asked = Reader::new(p.orig).eq(b"\x01\0\0\0\x01\0\0\0\x08\x08");
        let told = Reader::new(p.resp).eq(b"\x01\0\0\0\x25\0\0");
        settle(p, asked.and(told), 90)
    },
);

/// rlogin.
pub static RLOGIN: Protocol = named(
    "rlogin",
    "rlogin (RFC 1282); told by two user names and a terminal with its speed between zero bytes.",
    TCP,
    &[513],
    |p| {
        opener(
            p,
            |r| {
                r.eq(&[0])?;
                r.text_until(0, 32)?;
                must(!r.text_until(0, 32)?.is_empty())?;
                let terminal = r.text_until(0, 64)?;
                let speed = terminal.iter().rposition(|b| *b == b'/').and_then(|at| terminal.get(at + 1..));
                must(speed.is_some_and(|s| !s.is_empty() && s.iter().all(u8::is_ascii_digit)))
            },
            85,
        )
    },
);

/// rsh.
pub static RSH: Protocol = named(
    "rsh",
    "Remote shell; told by a port for errors, two user names and a command between zero bytes, on its port.",
    TCP,
    &[514],
    |p| {
        if !p.on_port(&[514]) {
            return Verdict::NotMine;
        }
        opener(
            p,
            |r| {
                let port = r.text_until(0, 5)?;
                must(port.iter().all(u8::is_ascii_digit))?;
                must(!r.text_until(0, 32)?.is_empty())?;
                must(!r.text_until(0, 32)?.is_empty())?;
                must(!r.text_until(0, 1024)?.is_empty())
            },
            85,
        )
    },
);

/// Android's debug bridge.
pub static ADB: Protocol =
    named("adb", "Android's debug bridge; told by a command and its complement.", TCP, &[5555], |p| {
        opener(
            p,
            |r| {
                let command = r.rest();
                r.any(&[b"CNXN", b"AUTH", b"STLS", b"OPEN"])?;
                r.skip(16)?;
                let complement = r.take(4)?;
                must(command.iter().zip(complement).all(|(a, b)| *a == !*b))
            },
            95,
        )
    });

/// Synergy.
pub static SYNERGY: Protocol = named(
    "synergy",
    "Synergy, Barrier and their kin, one keyboard for several screens; told by the server's greeting.",
    TCP,
    &[24800],
    |p| {
        opener(
            p,
            |r| {
                r.eq(&[0, 0, 0, 11])?;
                r.any(&[b"Synergy\0", b"Barrier\0"])
            },
            95,
        )
    },
);
