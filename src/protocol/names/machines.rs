//! Which machine, vehicle or thing is spoken to?
//!
//! HART-IP, SOME/IP, RTPS (DDS), DoIP (ISO 13400), KNXnet/IP, synchrophasors (IEEE C37.118), MMS (ISO 9506), Beckhoff ADS, Omron FINS, and things at
//! home: Tuya, TP-Link's plugs, Xiaomi's miIO.

use super::reader::{Reader, Told, datagram, must, opener, settle};
use super::{BOTH, TCP, UDP, any_side, claim, named};
use crate::protocol::{Probe, Protocol, Transport, Verdict};

/// The same layout over both transports.
fn either(p: &Probe<'_>, fits: fn(&mut Reader<'_>) -> Told, sure: u8) -> Verdict {
    match p.transport {
        Transport::Tcp => opener(p, fits, sure),
        Transport::Udp => datagram(p, fits, sure),
    }
}

/// HART-IP.
pub static HART_IP: Protocol = named(
    "hart_ip",
    "HART over IP; told by version 1, known message type and number and a length that is exact, on its port.",
    BOTH,
    &[5094],
    |p| {
        if !p.on_port(&[5094]) {
            return Verdict::NotMine;
        }
        let message = |r: &mut Reader<'_>| -> Told {
            r.u8_in(1..=2)?;
            r.of(&[0, 1, 2, 15])?;
            r.u8_in(0..=5)?;
            r.skip(3)?;
            let len = usize::from(r.u16_in(8..=1024)?);
            r.skip(len - 8)
        };
        match p.transport {
            Transport::Tcp => opener(p, message, 90),
            Transport::Udp => claim(
                any_side(p, |d| {
                    let mut r = Reader::new(d);
                    message(&mut r).and_then(|()| r.end()).is_ok()
                }),
                90,
            ),
        }
    },
);

/// SOME/IP.
pub static SOMEIP: Protocol = named(
    "someip",
    "SOME/IP between control units of a car; told by a length that is exact, version 1, a known kind of message and a return code that fits it.",
    BOTH,
    &[30490, 30491, 30501],
    |p| {
        either(
            p,
            |r| {
                r.skip(4)?;
                let len = r.u32_in(8..=0x1_0000)? as usize;
                r.skip(4)?;
                r.eq(&[1])?;
                r.skip(1)?;
                let kind = r.of(&[0, 1, 2, 0x20, 0x21, 0x22, 0x40, 0x41, 0x42, 0x80, 0x81, 0xa0, 0xa1])?;
                let code = r.u8_in(0..=0x3f)?;
                must(kind & 0x80 != 0 || code == 0)?;
                r.skip(len - 8)
            },
            80,
        )
    },
);

/// RTPS.
pub static RTPS: Protocol = named(
    "rtps",
    "RTPS, the wire protocol of DDS; told by its magic with version 1 or 2.",
    BOTH,
    &[7400, 7401],
    |p| {
        either(
            p,
            |r| {
                r.any(&[b"RTPS", b"RTPX"])?;
                r.u8_in(1..=2)?;
                r.u8_in(0..=9).map(|_| ())
            },
            95,
        )
    },
);

/// DoIP.
pub static DOIP: Protocol = named(
    "doip",
    "Diagnosis of cars over IP (ISO 13400); told by a version and its complement, a known type and a length that fits.",
    BOTH,
    &[13400],
    |p| {
        either(
            p,
            |r| {
                let version = r.of(&[1, 2, 3, 4, 0xff])?;
                r.eq(&[!version])?;
                must(matches!(r.u16()?, 0..=8 | 0x4001..=0x4004 | 0x8001..=0x8003))?;
                let len = r.u32_in(0..=0x1_0000)? as usize;
                r.skip(len)
            },
            90,
        )
    },
);

/// KNX.
pub static KNX: Protocol = named(
    "knxnet_ip",
    "KNXnet/IP, building control; told by its fixed header, a known service and an exact length.",
    BOTH,
    &[3671],
    |p| {
        either(
            p,
            |r| {
                r.eq(&[6, 0x10])?;
                r.u8_in(2..=9)?;
                must(r.u8()? <= 0x5f)?;
                let len = usize::from(r.u16_in(6..=1024)?);
                r.skip(len - 6)
            },
            85,
        )
    },
);

/// Synchrophasors.
pub static C37118: Protocol = named(
    "c37118",
    "Synchrophasors (IEEE C37.118); told by its sync byte, a known frame with version 1 to 3 and the checksum of the whole frame.",
    BOTH,
    &[4712, 4713],
    |p| {
        either(
            p,
            |r| {
                let frame = r.rest();
                r.eq(&[0xaa])?;
                let kind = r.u8_in(0x01..=0x5f)?;
                must(matches!(kind & 0x8f, 1..=3))?;
                let len = usize::from(r.u16_in(16..=1024)?);
                r.skip(len - 6)?;
                let sum = r.u16()?;
                must(crc_ccitt(frame.get(..len - 2).unwrap_or(&[])) == sum)
            },
            95,
        )
    },
);

/// CRC-CCITT: polynomial 0x1021 from 0xffff, not reflected.
fn crc_ccitt(data: &[u8]) -> u16 {
    data.iter().fold(u16::MAX, |crc, b| {
        (0..8).fold(crc ^ u16::from(*b) << 8, |c, _| if c & 0x8000 != 0 { c << 1 ^ 0x1021 } else { c << 1 })
    })
}

/// MMS.
pub static MMS: Protocol = named(
    "mms",
    "MMS (ISO 9506), as IEC 61850 uses it; told by its identifier in the set-up of the session behind an X.224 connection.",
    TCP,
    &[102],
    |p| {
        if !p.on_port(&[102]) {
            return Verdict::NotMine;
        }
        // 1.0.9506.2, and a version or syntax.
        let marker = |d: &[u8]| {
            d.get(..d.len().min(512))
                .is_some_and(|d| d.windows(4).any(|w| matches!(w, [0x28, 0xca, 0x22, 2])))
        };
        if any_side(p, marker) {
            return Verdict::Mine(90);
        }
        let x224 = |d: &[u8], code: u8| -> Told {
            let mut r = Reader::new(d);
            r.eq(&[3, 0])?;
            r.skip(3)?;
            r.eq(&[code])
        };
        let told = x224(p.orig, 0xe0).and_then(|()| must(p.orig.len() < 512)).and(Err(Verdict::NeedMore));
        settle(p, told, 90)
    },
);

/// Beckhoff.
pub static ADS: Protocol = named(
    "beckhoff_ads",
    "Beckhoff's automation protocol; told by an exact length, a known command and lengths that agree, on its port.",
    TCP,
    &[48898],
    |p| {
        if !p.on_port(&[48898]) {
            return Verdict::NotMine;
        }
        opener(
            p,
            |r| {
                r.eq(&[0, 0])?;
                let len = r.le32()?;
                must((32..=0x1_0000).contains(&len))?;
                // Target, source: network of six bytes and port.
                r.skip(16)?;
                must((1..=9).contains(&r.le16()?))?;
                r.skip(2)?;
                must(r.le32()? == len - 32)
            },
            90,
        )
    },
);

/// Omron.
pub static FINS: Protocol = named(
    "omron_fins",
    "Omron's FINS; told by its magic over TCP, and by a clean header on its port over UDP.",
    BOTH,
    &[9600],
    |p| match p.transport {
        Transport::Tcp => opener(
            p,
            |r| {
                r.eq(b"FINS")?;
                r.u32_in(8..=4096)?;
                r.u32_in(0..=6).map(|_| ())
            },
            95,
        ),
        Transport::Udp if p.on_port(&[9600]) => datagram(
            p,
            |r| {
                must(r.u8()? & 0x3e == 0)?;
                r.eq(&[0])?;
                r.u8_in(0..=7)?;
                r.skip(7)?;
                r.u8_in(1..=0x26)?;
                r.u8_in(1..=0x40).map(|_| ())
            },
            85,
        ),
        Transport::Udp => Verdict::NotMine,
    },
);

/// Tuya.
pub static TUYA: Protocol = named(
    "tuya",
    "Things that use Tuya's platform; told by the marks at both ends of a message and a length that is exact.",
    BOTH,
    &[6666, 6667, 6668],
    |p| {
        let looks = |d: &[u8]| -> Told {
            let mut r = Reader::new(d);
            r.eq(&[0, 0, 0x55, 0xaa])?;
            r.skip(4)?;
            r.u32_in(1..=0x40)?;
            let len = r.u32_in(8..=4096)? as usize;
            r.skip(len - 4)?;
            r.eq(&[0, 0, 0xaa, 0x55])
        };
        settle(p, looks(if p.orig.is_empty() { p.resp } else { p.orig }), 95)
    },
);

/// TP-Link.
pub static TPLINK: Protocol = named(
    "tplink_shp",
    "TP-Link's plugs and lamps; told by the first words of their JSON under its fixed scrambling, over TCP behind a length.",
    BOTH,
    &[9999],
    |p| {
        // Each byte is XORed with the one before, from 171 on: this is `{"`, then a letter.
        let looks = |d: &[u8]| -> Told {
            let mut r = Reader::new(d);
            if p.transport == Transport::Tcp {
                r.u32_in(2..=0x4000)?;
            }
            r.eq(&[0xd0, 0xf2])?;
            let shown: Vec<u8> = r
                .rest()
                .iter()
                .take(8)
                .scan(0xf2_u8, |last, b| {
                    let plain = *b ^ *last;
                    *last = *b;
                    Some(plain)
                })
                .collect();
            must(shown.iter().all(|b| matches!(b, b'a'..=b'z' | b'_' | b'.' | b'"' | b':' | b'{' | b' ')))?;
            r.skip(8)
        };
        settle(p, looks(if p.orig.is_empty() { p.resp } else { p.orig }), 90)
    },
);

/// Xiaomi.
pub static MIIO: Protocol = named(
    "miio",
    "Xiaomi's things; told by a magic number and a length that is exact.",
    UDP,
    &[54321],
    |p| {
        let looks = |d: &[u8]| d.starts_with(&[0x21, 0x31]) && d.len() >= 32 && super::counts_all(d, 2, 0);
        claim(any_side(p, looks), 90)
    },
);
