//! Which messenger, conference or voice server is it?
//!
//! WhatsApp, Telegram's calls, Discord's voice, Zoom, TeamSpeak, Mumble, IAX2 (RFC 5456), Skinny, OSCAR, YMSG, MSNP; Dropbox and Spotify
//! where they look for each other. None but IAX2 is published: what identifies them was read off their first messages.

use super::reader::{Reader, datagram, must, opener, settle};
use super::{TCP, UDP, any_side, claim, contains_word, named};
use crate::protocol::{Protocol, Verdict};

/// WhatsApp.
pub static WHATSAPP: Protocol = named(
    "whatsapp",
    "WhatsApp's chat; told by its two letters, a version and the length of a first message that begins as one of its encodings does.",
    TCP,
    &[5222],
    |p| {
        opener(
            p,
            |r| {
                // An edge server's routing hint may come first, with its length.
                if r.rest().starts_with(b"E") {
                    r.eq(b"ED\0\x01")?;
                    let hint = r.u24()?;
                    must(hint <= 64)?;
                    r.skip(hint as usize)?;
                }
                r.eq(b"WA")?;
                r.u8_in(1..=6)?;
                r.u8_in(0..=9)?;
                let len = r.u24()?;
                must((16..=4096).contains(&len))?;
                // A list of its own encoding, or a handshake in protocol buffers.
                r.of(&[0xf8, 0x12]).map(|_| ())
            },
            95,
        )
    },
);

/// Telegram.
pub static TELEGRAM: Protocol = named(
    "telegram",
    "Telegram's calls over reflectors; told by the query behind the peer tag: twelve bytes of ones and a known request.",
    UDP,
    &[],
    |p| {
        datagram(
            p,
            |r| {
                must(!r.take(16)?.ends_with(&[0xff; 2]))?;
                r.eq(&[0xff; 12])?;
                // Self-information or ping, as negative numbers; an answer has its type in this place.
                must(matches!(r.le32()?, 0xffff_ffff | 0xffff_fffe | 0xffff_fffd | 0xc015_72c7))
            },
            90,
        )
    },
);

/// Discord.
pub static DISCORD: Protocol = named(
    "discord",
    "Discord's voice; told by a ping of its magic number, or a search for the own address with its fixed length and empty text.",
    UDP,
    &[],
    |p| {
        let ping = |d: &[u8]| d.len() == 8 && d.starts_with(&[0x13, 0x37, 0xca, 0xfe]);
        // Type, length 70, source, 64 bytes of address (none yet), port (none yet).
        let search = |d: &[u8]| {
            d.len() == 74 && d.starts_with(&[0, 1, 0, 70]) && d.get(8..72).is_some_and(|z| z == [0; 64])
        };
        let found = |d: &[u8]| {
            d.len() == 74 && d.starts_with(&[0, 2, 0, 70]) && d.get(24..72).is_some_and(|z| z == [0; 48])
        };
        claim(any_side(p, |d| ping(d) || search(d) || found(d)), 90)
    },
);

/// Zoom.
pub static ZOOM: Protocol = named(
    "zoom",
    "Zoom's media servers; told by a hello and an answer that repeats its sixteen bytes, on their ports.",
    UDP,
    &[8801, 8802, 8803, 8804, 8805, 8806, 8807, 8808, 8809, 8810],
    |p| match (p.orig, p.resp) {
        _ if !(8801..=8810).contains(&p.ports.1) => Verdict::NotMine,
        ([1, 0, _, _, ..], []) if p.orig.len() >= 60 => Verdict::NeedMore,
        ([1, 0, asked @ ..], [2, 0, told @ ..]) => {
            claim(asked.get(1..18).is_some_and(|a| Some(a) == told.get(1..18)), 90)
        }
        _ => Verdict::NotMine,
    },
);

/// TeamSpeak.
pub static TEAMSPEAK: Protocol = named(
    "teamspeak",
    "TeamSpeak 3 and 2; told by the marker of a first packet, or the greeting of the query interface.",
    super::BOTH,
    &[9987, 8767, 10011],
    |p| match p.transport {
        crate::protocol::Transport::Tcp => opener(p, |r| r.eq(b"TS3\n\r"), 95),
        crate::protocol::Transport::Udp => {
            // Version 2: class, type of a login or ping.
            let old = |d: &[u8]| {
                d.len() >= 12 && matches!(d, [0xf4, 0xbe, 1 | 3 | 4, 0, ..]) && d.get(4..8) == Some(&[0; 4])
            };
            claim(any_side(p, |d| d.starts_with(b"TS3INIT1") || old(d)), 95)
        }
    },
);

/// Mumble.
pub static MUMBLE: Protocol = named(
    "mumble",
    "Mumble's server query; told by a ping and an answer that repeats its number with a version before it.",
    UDP,
    &[64738],
    |p| {
        let Some(number) = p.orig.strip_prefix(&[0; 4]).filter(|n| n.len() == 8) else {
            return Verdict::NotMine;
        };
        match p.resp {
            [] => Verdict::NeedMore,
            [0, 1..=9, _, _, rest @ ..] => claim(p.resp.len() == 24 && rest.starts_with(number), 90),
            _ => Verdict::NotMine,
        }
    },
);

/// IAX2.
pub static IAX: Protocol = named(
    "iax",
    "Inter-Asterisk exchange (RFC 5456); told by a full frame that opens a dialogue: sequence numbers 0 and elements that fill the datagram.",
    UDP,
    &[4569],
    |p| {
        let sure = if p.on_port(&[4569]) { 90 } else { 60 };
        datagram(
            p,
            |r| {
                // Call numbers; the first bit says full frame, nobody is answered yet.
                must(r.u16()? > 0x8000)?;
                must(r.u16()? & 0x8000 == 0)?;
                r.skip(4)?;
                r.eq(&[0])?;
                r.u8_in(0..=1)?;
                r.eq(&[6])?;
                let subclass = r.u8_in(1..=40)?;
                // Hello and its kin may be bare; a new call or a registration says something.
                must(r.left() > 0 || matches!(subclass, 2 | 3 | 0x1e))?;
                while r.left() > 0 {
                    r.u8_in(1..=0x40)?;
                    let len = usize::from(r.u8()?);
                    r.skip(len)?;
                }
                Ok(())
            },
            sure,
        )
    },
);

/// Skinny.
pub static SKINNY: Protocol = named(
    "skinny",
    "Cisco's telephones and call manager; told by a length that fits, a known version and a known message, on its port.",
    TCP,
    &[2000],
    |p| {
        if !p.on_port(&[2000]) {
            return Verdict::NotMine;
        }
        opener(
            p,
            |r| {
                let len = r.le32()?;
                must((4..=2048).contains(&len))?;
                must(r.le32()? <= 0x20)?;
                let message = r.le32()?;
                must(matches!(message, 0..=0x4f | 0x81..=0x160))?;
                r.skip(len as usize - 4)
            },
            85,
        )
    },
);

/// OSCAR.
pub static OSCAR: Protocol = named(
    "oscar",
    "OSCAR of AIM and ICQ; told by the first frame of a connection with its version.",
    TCP,
    &[5190],
    |p| {
        opener(
            p,
            |r| {
                r.eq(&[0x2a, 1])?;
                r.skip(2)?;
                r.u16_in(4..=1024)?;
                r.eq(&[0, 0, 0, 1])
            },
            90,
        )
    },
);

/// YMSG.
pub static YMSG: Protocol =
    named("ymsg", "Yahoo's messenger; told by its magic and a known version.", TCP, &[5050], |p| {
        opener(
            p,
            |r| {
                r.eq(b"YMSG")?;
                r.skip(4)?;
                r.u16_in(0..=8192).map(|_| ())
            },
            95,
        )
    });

/// MSNP.
pub static MSNP: Protocol = named(
    "msnp",
    "Microsoft's notification protocol; told by the versions that the client offers.",
    TCP,
    &[1863],
    |p| {
        opener(
            p,
            |r| {
                r.eq(b"VER ")?;
                r.u8_in(b'0'..=b'9')?;
                r.eq(b" MSNP")
            },
            95,
        )
    },
);

/// Dropbox.
pub static DROPBOX: Protocol = named(
    "dropbox",
    "Dropbox looking for computers of the same account; told by the members of its JSON, on its port.",
    UDP,
    &[17500],
    |p| {
        claim(
            p.on_port(&[17500]) && any_side(p, |d| d.starts_with(b"{\"") && contains_word(d, "\"HOST_INT\"")),
            95,
        )
    },
);

/// Spotify.
pub static SPOTIFY: Protocol =
    named("spotify", "Spotify looking for players near by; told by its magic.", UDP, &[57621], |p| {
        settle(p, Reader::new(if p.orig.is_empty() { p.resp } else { p.orig }).eq(b"SpotUdp0"), 95)
    });
