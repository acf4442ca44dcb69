//! Which small service asks and answers in text?
//!
//! WHOIS (RFC 3912), Finger (RFC 1288), ident (RFC 1413), LPD (RFC 1179), PJL, Subversion, CVS, Perforce, ManageSieve (RFC 5804), VMware's
//! authentication daemon, character generator (RFC 864), and agents of monitoring: Zabbix, collectd, Munin, Checkmk.

use super::reader::{Reader, Told, datagram, must, opener, settle};
use super::{BOTH, TCP, UDP, any_side, claim, contains_word, first_line, is_text, named};
use crate::protocol::{Probe, Protocol, Transport, Verdict};

/// One line of text with its end, and nothing behind it.
fn one_line(d: &[u8], cap: usize) -> Told {
    let line = first_line(d);
    must(is_text(line) && line.len() <= cap)?;
    if !d.contains(&b'\n') {
        return Err(Verdict::NeedMore);
    }
    must(d.len() <= line.len() + 2)
}

/// A line of the client, then text of the server, on the usual port.
fn asks_a_line(p: &Probe<'_>, ports: &[u16], cap: usize) -> Verdict {
    if !p.on_port(ports) {
        return Verdict::NotMine;
    }
    let answer = first_line(p.resp.get(..256.min(p.resp.len())).unwrap_or(&[]));
    // Old servers answer in Latin-1, new ones in UTF-8; none sends control characters.
    let told = one_line(p.orig, cap).and_then(|()| must(!answer.iter().any(u8::is_ascii_control)));
    let told = if p.resp.is_empty() { told.and(Err(Verdict::NeedMore)) } else { told };
    settle(p, told, 80)
}

/// WHOIS.
pub static WHOIS: Protocol = named(
    "whois",
    "WHOIS (RFC 3912); told by one line of the client and text of the server, on its port.",
    TCP,
    &[43, 4343],
    |p| asks_a_line(p, &[43, 4343], 512),
);

/// Finger.
pub static FINGER: Protocol = named(
    "finger",
    "Finger (RFC 1288); told by one line of the client and text of the server, on its port.",
    TCP,
    &[79],
    |p| asks_a_line(p, &[79], 256),
);

/// ident.
pub static IDENT: Protocol = named(
    "ident",
    "Identification of a connection's user (RFC 1413); told by two port numbers, and the answer's keyword.",
    TCP,
    &[113],
    |p| {
        if p.orig.first().is_some_and(|b| !b.is_ascii_digit()) {
            return Verdict::NotMine;
        }
        let line = first_line(p.orig);
        let numbers = line.iter().all(|b| b.is_ascii_digit() || matches!(b, b',' | b' '));
        let comma = line.iter().filter(|b| **b == b',').count();
        let told = one_line(p.orig, 16).and_then(|()| must(comma == 1)).and_then(|()| match p.resp {
            [] => Err(Verdict::NeedMore),
            resp => {
                let answer = first_line(resp);
                let known = contains_word(answer, "USERID") || contains_word(answer, "ERROR");
                if known { Ok(()) } else { one_line(resp, 512).and(Err(Verdict::NotMine)) }
            }
        });
        if numbers { settle(p, told, 85) } else { Verdict::NotMine }
    },
);

/// LPD.
pub static LPD: Protocol = named(
    "lpd",
    "Line printer daemon (RFC 1179); told by a command with the name of a queue, on its port.",
    TCP,
    &[515],
    |p| {
        if !p.on_port(&[515]) {
            return Verdict::NotMine;
        }
        opener(
            p,
            |r| {
                r.u8_in(1..=5)?;
                must(!r.text_until(b'\n', 256)?.is_empty())
            },
            85,
        )
    },
);

/// PJL.
pub static PJL: Protocol = named(
    "pjl",
    "Printer jobs sent raw; told by the universal exit language at their start.",
    TCP,
    &[9100],
    |p| opener(p, |r| r.eq(b"\x1b%-12345X"), 90),
);

/// Subversion.
pub static SVN: Protocol =
    named("svn", "Subversion's own server; told by the versions in its greeting.", TCP, &[3690], |p| {
        opener(
            p,
            |r| {
                r.eq(b"( success ( ")?;
                r.u8_in(b'1'..=b'9').map(|_| ())
            },
            95,
        )
    });

/// CVS.
pub static CVS: Protocol =
    named("cvs", "CVS with passwords; told by the client's first line.", TCP, &[2401], |p| {
        opener(
            p,
            |r| r.any(&[b"BEGIN AUTH REQUEST\n", b"BEGIN VERIFICATION REQUEST\n", b"BEGIN GSSAPI REQUEST\n"]),
            95,
        )
    });

/// Perforce.
pub static PERFORCE: Protocol = named(
    "perforce",
    "Perforce; told by a header whose checksum is right and the named function of the first message.",
    TCP,
    &[1666],
    |p| {
        opener(
            p,
            |r| {
                let sum = r.u8()?;
                let len = r.take(4)?;
                must(len.iter().fold(0, |x, b| x ^ b) == sum)?;
                must(matches!(len, [_, _, 0 | 1, 0] if len != [0; 4]))?;
                // Variables: name, zero, length, value, zero.
                let name = r.text_until(0, 64)?;
                must(name.iter().all(|b| b.is_ascii_alphanumeric()))?;
                must(r.le32()? <= 0x1_0000)
            },
            85,
        )
    },
);

/// ManageSieve.
pub static MANAGESIEVE: Protocol = named(
    "managesieve",
    "Management of mail filters (RFC 5804); told by the capabilities in the server's greeting.",
    TCP,
    &[4190, 2000],
    |p| {
        let d = if p.resp.is_empty() { p.orig } else { p.resp };
        if d.first().is_some_and(|b| *b != b'"') {
            return Verdict::NotMine;
        }
        let word = first_line(d).get(..17.min(first_line(d).len())).unwrap_or(&[]);
        let want = b"\"IMPLEMENTATION\" ".get(..word.len()).unwrap_or(&[]);
        match (word.eq_ignore_ascii_case(want), word.len()) {
            (true, 17) => Verdict::Mine(95),
            (true, _) if !d.contains(&b'\n') && p.orig.is_empty() => Verdict::NeedMore,
            _ => Verdict::NotMine,
        }
    },
);

/// VMware's authentication daemon.
pub static VMAUTHD: Protocol =
    named("vmauthd", "VMware's authentication daemon; told by its name in the greeting.", TCP, &[902], |p| {
        settle(p, Reader::new(p.resp).eq(b"220 VMware Authentication Daemon"), 95)
    });

/// Character generator.
pub static CHARGEN: Protocol = named(
    "chargen",
    "Character generator (RFC 864), abused to amplify; told by its rotating alphabet, on its port.",
    BOTH,
    &[19],
    |p| {
        if !p.on_port(&[19]) {
            return Verdict::NotMine;
        }
        let line = first_line(if p.resp.is_empty() { p.orig } else { p.resp });
        // After the last of the alphabet comes the first.
        let next = |w: &[u8]| match w {
            [b'~', b] => *b == b' ',
            [b'}', b'!'] => true,
            [a, b] => *b == *a + 1,
            _ => false,
        };
        let told = must(is_text(line) && line.windows(2).filter(|w| !next(w)).count() <= 1);
        settle(p, told.and(if line.len() < 32 { Err(Verdict::NeedMore) } else { Ok(()) }), 90)
    },
);

/// Zabbix.
pub static ZABBIX: Protocol = named(
    "zabbix",
    "Zabbix between agents, proxies and servers; told by the header of its messages, of the asking or the answering side.",
    TCP,
    &[10050, 10051],
    |p| {
        let header = |d: &[u8]| -> Told {
            let mut r = Reader::new(d);
            r.eq(b"ZBXD")?;
            r.u8_in(1..=7).map(|_| ())
        };
        match settle(p, header(p.orig), 95) {
            // Old servers ask an agent with a bare line.
            Verdict::NotMine if p.on_port(&[10050]) => {
                settle(p, one_line(p.orig, 2048).and(header(p.resp)), 95)
            }
            verdict => verdict,
        }
    },
);

/// collectd.
pub static COLLECTD: Protocol = named(
    "collectd",
    "collectd's network protocol; told by parts of known types and lengths that fill the datagram, with a host name among them, or a signature.",
    UDP,
    &[25826],
    |p| {
        datagram(
            p,
            |r| {
                let mut named = false;
                let whole = r.left();
                must(whole > 8)?;
                while r.left() > 0 {
                    let kind = r.u16()?;
                    let part = r.u16_in(4..=1452).and_then(|len| r.take(usize::from(len) - 4))?;
                    match kind {
                        // Host, plugin, type and their instances, a message: text with a zero behind it.
                        0 | 2..=5 | 0x100 => {
                            let text = part.get(..part.len().saturating_sub(1)).unwrap_or(&[]);
                            must(part.last() == Some(&0) && is_text(text))?;
                            named |= kind == 0 && !text.is_empty();
                        }
                        // Times, intervals, a severity.
                        1 | 7..=9 | 0x101 => must(part.len() == 8)?,
                        6 => must(part.len() >= 11)?,
                        // Signed or encrypted: nothing else need be legible.
                        0x200 | 0x210 => return must(part.len() > 32),
                        _ => return Err(Verdict::NotMine),
                    }
                }
                must(named)
            },
            95,
        )
    },
);

/// Munin.
pub static MUNIN: Protocol = named("munin", "Munin's node; told by its greeting.", TCP, &[4949], |p| {
    opener(p, |r| r.eq(b"# munin node at "), 95)
});

/// Checkmk.
pub static CHECKMK: Protocol =
    named("checkmk", "Checkmk's agent; told by the first section of its report.", TCP, &[6556], |p| {
        opener(p, |r| r.any(&[b"<<<check_mk>>>", b"<<<<>>>>\n<<<", b"<<<cmk_"]), 95)
    });

/// TiVo.
pub static TIVO: Protocol = named(
    "tivoconnect",
    "Discovery of TiVo's recorders and their likes; told by its first word.",
    UDP,
    &[2190],
    |p| {
        let looks =
            |d: &[u8]| first_line(d).get(..12).is_some_and(|w| w.eq_ignore_ascii_case(b"TiVoConnect="));
        claim(p.transport == Transport::Udp && any_side(p, looks), 95)
    },
);

/// Datagrams that begin with these bytes have no other reading.
pub static BJNP: Protocol = named(
    "bjnp",
    "Canon's printers and scanners; told by the magic of their messages with a known kind of device.",
    UDP,
    &[8611, 8612, 8613],
    |p| {
        datagram(
            p,
            |r| {
                r.any(&[b"BJNP", b"BJNB", b"MFNP", b"BNJB"])?;
                must(r.u8()? & 0x7f <= 3)?;
                r.skip(9)?;
                let len = r.u16()?;
                must(usize::from(len) == r.left())
            },
            95,
        )
    },
);
