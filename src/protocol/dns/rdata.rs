//! What does a resource record say?
//!
//! The data of the common types, typed where others compute with it and in the presentation format of their RFC
//! otherwise. Unknown types and types cut short print as length and first bytes (RFC 3597 section 5).

use super::codes::{rtype, type_name};
use super::name;
use crate::model::addr::Ip;
use crate::model::bytes::Cursor;
use crate::model::text::{hex, printable};
use std::fmt::{self, Write};

/// Bytes of text and unknown data that are shown; the length is kept in full.
const MAX_SHOWN: usize = 512;

/// Bytes of keys, signatures and unknown data that are shown.
const MAX_HEX: usize = 32;

/// Parameters of a service binding that are shown. Sixteen are twice what is registered.
const MAX_PARAMS: usize = 16;

/// The data of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rdata {
    /// A, AAAA, and the address of a NetBIOS name.
    Address(Ip),
    /// NS, CNAME, PTR, DNAME.
    Name(String),
    /// MX.
    Mx {
        /// Lower is preferred.
        preference: u16,
        /// The mail server.
        exchange: String,
    },
    /// SRV.
    Srv {
        /// Lower is preferred.
        priority: u16,
        /// Share among equals.
        weight: u16,
        /// Port of the service.
        port: u16,
        /// Host of the service.
        target: String,
    },
    /// SOA.
    Soa {
        /// Primary server.
        primary: String,
        /// Mailbox of who is responsible.
        mailbox: String,
        /// Version of the zone.
        serial: u32,
        /// Seconds that a negative answer may be kept (RFC 2308).
        minimum: u32,
    },
    /// Anything else, printable and bounded.
    Text(String),
}

impl fmt::Display for Rdata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => ip.fmt(f),
            Self::Name(n) | Self::Text(n) => f.write_str(n),
            Self::Mx { preference, exchange } => write!(f, "{preference} {exchange}"),
            Self::Srv { priority, weight, port, target } => {
                write!(f, "{priority} {weight} {port} {target}")
            }
            Self::Soa { primary, mailbox, serial, minimum } => {
                write!(f, "{primary} {mailbox} {serial} {minimum}")
            }
        }
    }
}

/// Where the data of a record lies.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    /// The whole message, for compressed names.
    pub(super) message: &'a [u8],
    /// First byte of the data.
    pub(super) at: usize,
    /// Its length.
    pub(super) len: usize,
}

impl<'a> Span<'a> {
    fn bytes(&self) -> &'a [u8] {
        self.message.get(self.at..self.at.saturating_add(self.len)).unwrap_or(&[])
    }

    /// The name `skip` bytes into the data, and what follows it within the data.
    fn name(&self, skip: usize) -> Option<(String, usize)> {
        let mut out = String::new();
        let end = name::read(self.message, self.at.checked_add(skip)?, &mut out).ok()?;
        (end <= self.at.checked_add(self.len)?).then_some((out, end - self.at))
    }
}

/// The data of a record of type `kind`.
pub(super) fn parse(kind: u16, netbios: bool, span: Span<'_>) -> Rdata {
    let typed = if netbios { parse_netbios(kind, span) } else { parse_dns(kind, span) };
    typed.unwrap_or_else(|| Rdata::Text(unknown(span.bytes())))
}

fn parse_dns(kind: u16, span: Span<'_>) -> Option<Rdata> {
    let data = span.bytes();
    let mut c = Cursor::new(data);
    let rdata = match kind {
        rtype::A => Rdata::Address(Ip::v4(data.try_into().ok()?)),
        rtype::AAAA => Rdata::Address(Ip::v6(data.try_into().ok()?)),
        rtype::NS | rtype::CNAME | rtype::PTR | rtype::DNAME => Rdata::Name(span.name(0)?.0),
        rtype::MX => Rdata::Mx { preference: c.u16()?, exchange: span.name(2)?.0 },
        rtype::SRV => {
            let (priority, weight, port) = (c.u16()?, c.u16()?, c.u16()?);
            Rdata::Srv { priority, weight, port, target: span.name(6)?.0 }
        }
        rtype::SOA => {
            let (primary, skip) = span.name(0)?;
            let (mailbox, skip) = span.name(skip)?;
            c.skip(skip)?;
            let serial = c.u32()?;
            c.skip(12)?;
            Rdata::Soa { primary, mailbox, serial, minimum: c.u32()? }
        }
        rtype::TXT | rtype::SPF | rtype::HINFO => Rdata::Text(strings(&mut c)?),
        rtype::NAPTR => Rdata::Text(naptr(&mut c, span)?),
        rtype::CAA => Rdata::Text(caa(&mut c)?),
        rtype::DS => {
            let (tag, algorithm, digest) = (c.u16()?, c.u8()?, c.u8()?);
            Rdata::Text(format!("{tag} {algorithm} {digest} {}", shortened(c.rest())))
        }
        rtype::DNSKEY => {
            let (flags, protocol, algorithm) = (c.u16()?, c.u8()?, c.u8()?);
            Rdata::Text(format!("{flags} {protocol} {algorithm} {}", shortened(c.rest())))
        }
        rtype::RRSIG => {
            let (covered, algorithm, labels, ttl) = (c.u16()?, c.u8()?, c.u8()?, c.u32()?);
            let (expires, begins, tag) = (c.u32()?, c.u32()?, c.u16()?);
            let covered = type_name(covered, false);
            let signer = span.name(18)?.0;
            Rdata::Text(format!("{covered} {algorithm} {labels} {ttl} {expires} {begins} {tag} {signer}"))
        }
        rtype::SVCB | rtype::HTTPS => Rdata::Text(service_binding(&mut c, span)?),
        _ => return None,
    };
    Some(rdata)
}

/// NB holds flags and an address, possibly several times; NBSTAT a list of names (RFC 1002 section 4.2.18).
fn parse_netbios(kind: u16, span: Span<'_>) -> Option<Rdata> {
    let mut c = Cursor::new(span.bytes());
    match kind {
        rtype::NB => {
            c.skip(2)?;
            Some(Rdata::Address(Ip::v4(c.array()?)))
        }
        rtype::NBSTAT => {
            let mut out = String::new();
            for _ in 0..c.u8()? {
                let raw: [u8; 16] = c.array()?;
                c.skip(2)?;
                push_separated(&mut out, &name::netbios_text(&raw));
            }
            Some(Rdata::Text(out))
        }
        _ => None,
    }
}

fn push_separated(out: &mut String, item: &str) {
    if !out.is_empty() {
        out.push(' ');
    }
    out.push_str(item);
}

fn shortened(data: &[u8]) -> String {
    let mut out = hex(data.get(..MAX_HEX).unwrap_or(data));
    if data.len() > MAX_HEX {
        out.push('…');
    }
    out
}

fn unknown(data: &[u8]) -> String {
    format!("\\# {} {}", data.len(), shortened(data))
}

/// One or more length-prefixed strings, joined: how TXT carries long texts.
fn strings(c: &mut Cursor<'_>) -> Option<String> {
    let mut all = Vec::new();
    while !c.is_empty() {
        let len = c.u8()?;
        all.extend_from_slice(c.take(usize::from(len))?);
    }
    Some(printable(&all, MAX_SHOWN))
}

fn naptr(c: &mut Cursor<'_>, span: Span<'_>) -> Option<String> {
    let (order, preference) = (c.u16()?, c.u16()?);
    let mut out = format!("{order} {preference}");
    for _ in 0..3 {
        let len = c.u8()?;
        let _ = write!(out, " \"{}\"", printable(c.take(usize::from(len))?, MAX_SHOWN));
    }
    push_separated(&mut out, &span.name(c.position())?.0);
    Some(out)
}

fn caa(c: &mut Cursor<'_>) -> Option<String> {
    let (flags, len) = (c.u8()?, c.u8()?);
    let tag = printable(c.take(usize::from(len))?, MAX_SHOWN);
    Some(format!("{flags} {tag} \"{}\"", printable(c.rest(), MAX_SHOWN)))
}

/// RFC 9460 section 2: priority, target, then parameters as key, length, value.
fn service_binding(c: &mut Cursor<'_>, span: Span<'_>) -> Option<String> {
    let priority = c.u16()?;
    let (target, skip) = span.name(2)?;
    let mut out = format!("{priority} {target}");
    c.skip(skip.checked_sub(2)?)?;
    for _ in 0..MAX_PARAMS {
        let (Some(key), Some(len)) = (c.u16(), c.u16()) else { break };
        let mut value = Cursor::new(c.take(usize::from(len))?);
        out.push(' ');
        match key {
            1 => {
                out.push_str("alpn=");
                let mut first = true;
                while let Some(id) = value.u8().and_then(|n| value.take(usize::from(n))) {
                    if !std::mem::take(&mut first) {
                        out.push(',');
                    }
                    out.push_str(&printable(id, MAX_SHOWN));
                }
            }
            2 => out.push_str("no-default-alpn"),
            3 => {
                let _ = write!(out, "port={}", value.u16()?);
            }
            4 | 6 => {
                out.push_str(if key == 4 { "ipv4hint=" } else { "ipv6hint=" });
                let mut first = true;
                while let Some(ip) =
                    if key == 4 { value.array().map(Ip::v4) } else { value.array().map(Ip::v6) }
                {
                    let comma = if std::mem::take(&mut first) { "" } else { "," };
                    let _ = write!(out, "{comma}{ip}");
                }
            }
            5 => {
                let _ = write!(out, "ech={} bytes", value.remaining());
            }
            _ => {
                let _ = write!(out, "key{key}={}", shortened(value.rest()));
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: u16, data: &[u8]) -> String {
        parse(kind, false, Span { message: data, at: 0, len: data.len() }).to_string()
    }

    #[test]
    fn presentation_formats() {
        assert_eq!(text(rtype::A, &[192, 0, 2, 1]), "192.0.2.1");
        assert_eq!(text(rtype::A, &[192, 0, 2]), "\\# 3 c00002", "a cut address is no address");
        assert_eq!(text(rtype::MX, b"\0\x0a\x04mail\0"), "10 mail");
        assert_eq!(text(rtype::TXT, b"\x02ab\x01c"), "abc");
        assert_eq!(text(rtype::CAA, b"\0\x05issueca.example"), "0 issue \"ca.example\"");
        assert_eq!(text(rtype::SRV, b"\0\x01\0\x02\x01\xbb\x01h\0"), "1 2 443 h");
        assert_eq!(text(rtype::NAPTR, b"\0\x01\0\x02\x01u\x03E2U\x02!!\0"), "1 2 \"u\" \"E2U\" \"!!\" .");
        // RFC 9460 appendix D.2, the port example and an alpn of two.
        assert_eq!(text(rtype::HTTPS, b"\0\x10\x03foo\0\0\x03\0\x02\0\x35"), "16 foo port=53");
        assert_eq!(text(rtype::HTTPS, b"\0\x01\0\0\x01\0\x06\x02h2\x02h3"), "1 . alpn=h2,h3");
        assert_eq!(
            text(rtype::HTTPS, b"\0\x01\0\0\x04\0\x08\x01\x02\x03\x04\x05\x06\x07\x08"),
            "1 . ipv4hint=1.2.3.4,5.6.7.8"
        );
        assert_eq!(text(731, b"\xab\xcd"), "\\# 2 abcd");
    }

    #[test]
    fn a_name_may_not_leave_its_record() {
        let message = b"\x01a\x01b\0";
        assert_eq!(parse(rtype::NS, false, Span { message, at: 0, len: 2 }).to_string(), "\\# 2 0161");
    }

    #[test]
    fn every_prefix_survives() {
        let soa = b"\x01a\0\x01b\0\0\0\0\x07\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04";
        assert_eq!(text(rtype::SOA, soa), "a b 7 4");
        for kind in 0..300 {
            for end in 0..soa.len() {
                text(kind, &soa[..end]);
                parse(kind, true, Span { message: soa, at: end, len: usize::MAX });
            }
        }
    }
}
