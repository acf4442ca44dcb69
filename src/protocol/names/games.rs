//! Which game is played, or looked for?
//!
//! Steam's discovery and connection manager, Valve's server queries, Quake III and its children, Minecraft (Java and, over RakNet, Bedrock).

use super::reader::{datagram, must, opener};
use super::{BOTH, TCP, UDP, named};
use crate::protocol::{Protocol, Transport, Verdict};

/// Datagrams outside a connection begin with this, in Valve's engine and in Quake's.
const OUT_OF_BAND: &[u8] = &[0xff; 4];

/// Steam.
pub static STEAM: Protocol = named(
    "steam",
    "Steam: discovery in the local network, and its connection managers; told by their magics.",
    BOTH,
    &[27036, 27017],
    |p| match p.transport {
        Transport::Udp => datagram(p, |r| r.any(&[b"\xff\xff\xff\xff\x21\x4c\x5f\xa0", b"VS01"]), 95),
        Transport::Tcp => opener(
            p,
            |r| {
                // A length in little endian comes first.
                let len = r.le32()?;
                must((8..=0x1_0000).contains(&len))?;
                r.eq(b"VT01")
            },
            95,
        ),
    },
);

/// Valve's server queries.
pub static SOURCE_ENGINE: Protocol = named(
    "source_engine",
    "Queries of game servers in Valve's format; told by the request for information in full, or by another with its exact length.",
    UDP,
    &[27015],
    |p| {
        datagram(
            p,
            |r| {
                r.eq(OUT_OF_BAND)?;
                match r.of(b"TUVAIDEm")? {
                    b'T' => r.eq(b"Source Engine Query\0"),
                    // Players, rules: a challenge. The challenge itself.
                    b'U' | b'V' | b'A' => must(r.left() == 4),
                    // Answers: a protocol and a name; numbers of players or rules and text.
                    b'I' | b'm' => {
                        r.skip(1)?;
                        let name = r.rest().iter().take_while(|b| **b != 0).count();
                        must(name > 0 && name < r.left())
                    }
                    _ => must(r.left() > 8),
                }
            },
            85,
        )
    },
);

/// Quake III.
pub static QUAKE: Protocol = named(
    "quake",
    "Quake III and the games built on it; told by a word that its servers know.",
    UDP,
    &[27960, 27950],
    |p| {
        datagram(
            p,
            |r| {
                r.eq(OUT_OF_BAND)?;
                r.any(&[
                    b"getinfo",
                    b"getstatus",
                    b"getservers",
                    b"infoResponse",
                    b"statusResponse",
                    b"getchallenge",
                    b"challengeResponse",
                    b"connect",
                    b"heartbeat ",
                    b"rcon ",
                    b"print\n",
                    b"getKeyAuthorize",
                ])
            },
            90,
        )
    },
);

/// Minecraft.
pub static MINECRAFT: Protocol = named(
    "minecraft",
    "Minecraft's Java edition; told by the client's handshake whose lengths fit, with the server's name and the wish for status or login.",
    TCP,
    &[25565],
    |p| {
        opener(
            p,
            |r| {
                let len = usize::from(r.u8_in(6..=0x7f)?);
                let left = r.left();
                r.eq(&[0])?;
                // The version of the protocol as a number of variable length; development versions have five bytes.
                for at in 0..5 {
                    let more = r.u8()? & 0x80 != 0;
                    must(!more || at < 4)?;
                    if !more {
                        break;
                    }
                }
                let name = usize::from(r.u8_in(1..=0x7f)?);
                must(super::is_text(r.rest().get(..name.min(r.left())).unwrap_or(&[])))?;
                r.skip(name)?;
                r.skip(2)?;
                r.u8_in(1..=3)?;
                must(left - r.left() == len)
            },
            90,
        )
    },
);

/// RakNet.
pub static RAKNET: Protocol = named(
    "raknet",
    "RakNet, below Minecraft's Bedrock edition and other games; told by the sixteen bytes in its offline messages.",
    UDP,
    &[19132],
    |p| {
        datagram(
            p,
            |r| {
                const MAGIC: &[u8] = b"\0\xff\xff\0\xfe\xfe\xfe\xfe\xfd\xfd\xfd\xfd\x12\x34\x56\x78";
                match r.u8()? {
                    1 | 2 => r.skip(8)?,
                    0x1c => r.skip(16)?,
                    5..=8 | 0x19 => {}
                    _ => return Err(Verdict::NotMine),
                }
                r.eq(MAGIC)
            },
            95,
        )
    },
);
