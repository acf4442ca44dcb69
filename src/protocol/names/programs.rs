//! Which programs call each other?
//!
//! Java RMI, the Java debugger, AJP, FastCGI, Thrift, Erlang's port mapper, distcc, DICOM, HL7, FIX, iperf3, OpenFlow.

use super::reader::{Reader, Told, must, opener, settle};
use super::{TCP, named};
use crate::protocol::{Protocol, Verdict};

/// Java RMI.
pub static RMI: Protocol = named(
    "rmi",
    "Java RMI; told by the header of its transport with a version and a kind of stream.",
    TCP,
    &[1099],
    |p| {
        opener(
            p,
            |r| {
                r.eq(b"JRMI\0")?;
                r.of(&[1, 2])?;
                r.u8_in(0x4b..=0x4d).map(|_| ())
            },
            95,
        )
    },
);

/// The Java debugger.
pub static JDWP: Protocol =
    named("jdwp", "Java's debugger; told by the handshake of either side.", TCP, &[5005, 8000], |p| {
        opener(p, |r| r.eq(b"JDWP-Handshake"), 95)
    });

/// AJP.
pub static AJP: Protocol = named(
    "ajp",
    "AJP 1.3 between web server and servlet container; told by the magic number, a known message and a length that fits.",
    TCP,
    &[8009],
    |p| {
        opener(
            p,
            |r| match r.u8_in(0x12..=0x41)? {
                0x12 => {
                    r.eq(&[0x34])?;
                    let len = r.u16_in(1..=8192)?;
                    match r.of(&[2, 7, 8, 10])? {
                        // A forwarded request: method, then the protocol as a text with its length.
                        2 => {
                            r.u8_in(1..=28)?;
                            r.u16_in(8..=8)?;
                            r.eq(b"HTTP/")
                        }
                        _ => must(len <= 2),
                    }
                }
                0x41 => {
                    r.eq(b"B")?;
                    r.u16_in(1..=8192)?;
                    r.of(&[3, 4, 5, 6, 9]).map(|_| ())
                }
                _ => Err(Verdict::NotMine),
            },
            90,
        )
    },
);

/// FastCGI.
pub static FASTCGI: Protocol = named(
    "fastcgi",
    "FastCGI; told by a record that begins a request, with its fixed length, a known role and empty reserve.",
    TCP,
    &[9000],
    |p| {
        opener(
            p,
            |r| {
                r.eq(&[1, 1])?;
                r.skip(2)?;
                r.eq(&[0, 8, 0, 0])?;
                r.u16_in(1..=3)?;
                r.u8_in(0..=1)?;
                r.eq(&[0; 5])
            },
            90,
        )
    },
);

/// Thrift.
pub static THRIFT: Protocol = named(
    "thrift",
    "Apache Thrift's strict binary protocol, framed or not; told by version, message type and the name of the method.",
    TCP,
    &[9090],
    |p| {
        opener(
            p,
            |r| {
                if matches!(r.rest().first(), Some(0)) {
                    r.u32_in(12..=0x0fff_ffff)?;
                }
                r.eq(&[0x80, 1, 0])?;
                r.u8_in(1..=4)?;
                let name = r.u32_in(1..=128)?;
                let name = r.take(name as usize)?;
                must(name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':')))
            },
            90,
        )
    },
);

/// Erlang's port mapper.
pub static EPMD: Protocol = named(
    "epmd",
    "Erlang's port mapper daemon; told by a request with its exact length, on its port.",
    TCP,
    &[4369],
    |p| {
        if !p.on_port(&[4369]) {
            return Verdict::NotMine;
        }
        opener(
            p,
            |r| {
                let len = r.u16_in(1..=512)?;
                let kind = r.of(b"nzxkds")?;
                must(len == 1 || matches!(kind, b'z' | b'x' | b's'))?;
                r.skip(usize::from(len) - 1)?;
                r.end()
            },
            85,
        )
    },
);

/// distcc.
pub static DISTCC: Protocol =
    named("distcc", "Distributed compilation; told by the tokens of a request.", TCP, &[3632], |p| {
        opener(
            p,
            |r| {
                r.eq(b"DIST0000000")?;
                r.u8_in(b'1'..=b'3')?;
                r.eq(b"ARGC")
            },
            95,
        )
    });

/// DICOM.
pub static DICOM: Protocol = named(
    "dicom",
    "DICOM, medical images; told by an association request with version 1 and two application titles in text.",
    TCP,
    &[104, 11112],
    |p| {
        opener(
            p,
            |r| {
                r.eq(&[1, 0])?;
                r.u32_in(68..=0x10_0000)?;
                r.eq(&[0, 1, 0, 0])?;
                must(super::is_text(r.take(32)?))?;
                r.eq(&[0; 32])
            },
            95,
        )
    },
);

/// HL7.
pub static HL7: Protocol = named(
    "hl7",
    "HL7 version 2 in MLLP, hospital messages; told by the start block and the message header's delimiters.",
    TCP,
    &[2575],
    |p| {
        opener(
            p,
            |r| {
                r.eq(b"\x0b")?;
                r.any(&[b"MSH|^~\\&", b"MSH|^~\\|", b"FHS|^~\\&", b"BHS|^~\\&"])
            },
            95,
        )
    },
);

/// FIX.
pub static FIX: Protocol = named(
    "fix",
    "FIX, orders of securities; told by the version field and the length field at the start of a message.",
    TCP,
    &[],
    |p| {
        opener(
            p,
            |r| {
                r.any(&[b"8=FIX.4.", b"8=FIX.5.", b"8=FIXT.1."])?;
                r.text_until(1, 8)?;
                r.eq(b"9=")
            },
            95,
        )
    },
);

/// iperf3.
pub static IPERF3: Protocol = named(
    "iperf3",
    "iperf3; told by the client's cookie: 36 characters of one alphabet and a zero byte, answered by a known state.",
    TCP,
    &[5201],
    |p| {
        let cookie = |r: &mut Reader<'_>| -> Told {
            let shown = r.rest().get(..36).unwrap_or(r.rest());
            must(shown.iter().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')))?;
            r.skip(36)?;
            r.eq(&[0])
        };
        opener(p, cookie, if p.on_port(&[5201]) { 90 } else { 70 })
    },
);

/// OpenFlow.
pub static OPENFLOW: Protocol = named(
    "openflow",
    "OpenFlow; told by a HELLO of both sides with known versions and lengths that fit.",
    TCP,
    &[6653, 6633],
    |p| {
        let hello = |d: &[u8]| -> Told {
            let mut r = Reader::new(d);
            let version = r.u8_in(1..=6)?;
            r.eq(&[0])?;
            // Elements came with version 1.3, which has number 4: before, a hello is bare.
            let len = r.u16_in(if version < 4 { 8..=8 } else { 8..=64 })?;
            r.skip(usize::from(len) - 4)
        };
        settle(p, hello(p.orig).and(hello(p.resp)), if p.on_port(&[6653, 6633]) { 90 } else { 60 })
    },
);
