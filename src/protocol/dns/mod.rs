//! Which names were asked for, and what were the answers?
//!
//! DNS (RFC 1035, RFC 7766 over TCP, RFC 6891), and what shares its format: mDNS (RFC 6762), LLMNR (RFC 4795) and NetBIOS
//! name service (RFC 1002). Questions and answers are paired by identifier, name and type. A parser of our own, because
//! crates insist on whole and correct messages, and the odd ones are those an analyst needs.
//!
//! The question for the certificate of a DNSCrypt resolver, asked on the port where it speaks that protocol, is the beginning of DNSCrypt: the
//! flow is named so.
//!
//! Refuses: dynamic updates and zone transfers record by record (one row a message, with counts), DNSSEC
//! validation, and DNS inside TLS or HTTPS.

mod clues;
pub mod codes;
pub mod message;
pub mod name;
mod pairs;
pub mod rdata;
pub mod record;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use self::message::{HEADER_LEN, Header, Message, Problem, Want};
use self::pairs::Pairs;
use self::record::Kind;
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::model::bytes::be16;
use crate::model::flow::{Side, Tuple, ip_protocol};
use crate::model::weird::{Detail, WeirdKind};

/// Port of DNS.
const DNS: u16 = 53;
/// Port of NetBIOS name service.
const NBNS: u16 = 137;
/// Port of multicast DNS.
const MDNS: u16 = 5353;
/// Port of link-local multicast name resolution.
const LLMNR: u16 = 5355;

/// Begin of the name under which a DNSCrypt resolver publishes its certificates, version 2 of the protocol's certificates.
const DNSCRYPT_CERTIFICATE: &str = "2.dnscrypt-cert.";

/// The ports of the family.
const PORTS: &[u16] = &[DNS, MDNS, LLMNR, NBNS];

/// Largest message that is taken for DNS on a port that is not its own, bytes. Real questions are far below.
const MAX_STRAY_QUERY: usize = 512;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "dns",
    about: "Name service (RFC 1035) and its relatives mDNS, LLMNR and NetBIOS names; told by a header whose counts fit and names that can be read.",
    transports: &[Transport::Udp, Transport::Tcp],
    ports: PORTS,
    tables: &[&record::TABLE],
    buffer_cap: 2 + u16::MAX as usize,
    probe,
    parser: Some(|| Box::<DnsParser>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let data = if p.orig.is_empty() { p.resp } else { p.orig };
    let own_port = p.on_port(PORTS);
    if p.transport == Transport::Udp {
        return judge(data, own_port, p.on_port(&[NBNS]));
    }
    let Some(len) = be16(data, 0).map(usize::from) else { return Verdict::NeedMore };
    let message = data.get(2..).unwrap_or(&[]);
    let stray = !own_port && len > MAX_STRAY_QUERY;
    if len < HEADER_LEN || stray || Header::read(message).is_some_and(|h| !plausible(&h, len, false)) {
        return Verdict::NotMine;
    }
    match message.get(..len) {
        Some(whole) => judge(whole, own_port, false),
        None if own_port && message.len() >= HEADER_LEN => match Header::read(message) {
            Some(h) if begins_well(&h) => Verdict::Mine(80),
            _ => Verdict::NotMine,
        },
        None => Verdict::NeedMore,
    }
}

/// Does a message of which only the start is here count what messages have? One question at most (RFC 9619), no answers in what asks,
/// and something at all.
fn begins_well(h: &Header) -> bool {
    let [questions, answers, ..] = h.counts;
    let asks = h.opcode() == 0 && !h.is_response();
    h.counts != [0; 4] && questions <= 1 && (answers == 0 || !asks)
}

/// Could this header stand at the start of `len` bytes?
fn plausible(h: &Header, len: usize, netbios: bool) -> bool {
    let reserved = h.flags & 0x0040 != 0;
    codes::is_known_opcode(h.opcode(), netbios) && (!reserved || netbios) && h.fits(len)
}

/// Is this the name of a DNSCrypt resolver's certificates?
fn is_certificate(name: &str) -> bool {
    name.get(..DNSCRYPT_CERTIFICATE.len()).is_some_and(|n| n.eq_ignore_ascii_case(DNSCRYPT_CERTIFICATE))
}

/// Is there a question behind a header that contradicts itself? Broken senders and damaged packets are still DNS, on its port.
fn asks_legibly(message: &[u8], netbios: bool) -> bool {
    let mut text = String::new();
    let Ok(end) = name::read(message, HEADER_LEN, &mut text) else { return false };
    let (kind, class) = (be16(message, end), be16(message, end + 2));
    // With mDNS the highest bit of the class asks for a unicast answer.
    let class = class.is_some_and(|c| matches!(c & 0x7fff, 1 | 3 | 255));
    let kind = kind.is_some_and(|k| codes::is_known_type(k) || (netbios && matches!(k, 0x20 | 0x21)));
    text.len() > 1 && (class || kind)
}

/// Is this message DNS? On a port of the family a header that makes sense is enough, elsewhere everything must.
fn judge(message: &[u8], own_port: bool, netbios: bool) -> Verdict {
    let Some(header) = Header::read(message) else { return Verdict::NotMine };
    let fits = plausible(&header, message.len(), netbios);
    if !fits && !own_port {
        return Verdict::NotMine;
    }
    if !fits {
        return if asks_legibly(message, netbios) { Verdict::Mine(60) } else { Verdict::NotMine };
    }
    let Some(m) = message::read(message, Want { netbios, all_sections: false }) else {
        return Verdict::NotMine;
    };
    if own_port {
        return Verdict::Mine(if m.problem.is_none() { 90 } else { 60 });
    }
    let asks_one = m.questions.len() == 1 && header.counts.first() == Some(&1);
    let sane = m
        .questions
        .iter()
        .all(|q| matches!(q.qclass, 1 | 3 | 255) && codes::is_known_type(q.qtype) && !q.name.contains('\\'));
    let [_, answers, authority, _] = header.counts;
    let direction = header.is_response() || (answers == 0 && authority == 0 && header.rcode() == 0);
    // Pings of DNSCrypt resolvers are padded behind the message.
    let filled = m.end == message.len() || m.questions.first().is_some_and(|q| is_certificate(&q.name));
    let whole = m.problem.is_none() && filled && header.opcode() == 0;
    if asks_one && sane && direction && whole { Verdict::Mine(70) } else { Verdict::NotMine }
}

/// Reads the messages of one flow.
#[derive(Default)]
struct DnsParser {
    kind: Option<Kind>,
    /// Was the first thing asked for the certificate of a DNSCrypt resolver, on the port where it speaks that?
    dnscrypt: bool,
    pairs: Pairs,
}

/// Which of the family speaks on these ports? A resolver on port 5353 that is asked to recurse is no mDNS.
fn kind_of(tuple: &Tuple, first: Option<Header>) -> Kind {
    let on = |port| tuple.src_port == port || tuple.dst_port == port;
    let recursive = first.is_some_and(|h| h.rd() && !h.is_response()) && !tuple.dst.is_multicast();
    if on(MDNS) && !recursive {
        Kind::Mdns
    } else if on(LLMNR) {
        Kind::Llmnr
    } else if on(NBNS) {
        Kind::Nbns
    } else {
        Kind::Dns
    }
}

impl DnsParser {
    fn message(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) {
        let first = self.kind.is_none();
        let kind = *self.kind.get_or_insert_with(|| kind_of(&out.flow.tuple, Header::read(data)));
        let want = Want { netbios: kind == Kind::Nbns, all_sections: kind != Kind::Dns };
        let Some(m) = message::read(data, want) else {
            let present = data.len() as u32;
            out.weird(WeirdKind::DnsMalformed, Detail::Length { needed: HEADER_LEN as u32, present, at: 0 });
            return;
        };
        if first && out.flow.tuple.dst_port != DNS && out.flow.tuple.src_port != DNS {
            self.dnscrypt = m.questions.first().is_some_and(|q| is_certificate(&q.name));
        }
        report(&m, data.len(), out);
        clues::tell(kind, side, &m, out);
        self.pairs.take(kind, side, m, data, out);
    }

    /// Messages over TCP have their length before them (RFC 1035 section 4.2.2).
    fn stream(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut rest = data;
        while let Some((length, behind)) = rest.split_first_chunk::<2>() {
            let len = usize::from(u16::from_be_bytes(*length));
            if len < HEADER_LEN {
                let detail = Detail::Length { needed: HEADER_LEN as u32, present: len as u32, at: 0 };
                out.weird(WeirdKind::DnsMalformed, detail);
                self.finish(out);
                return Fed::Done;
            }
            let Some((message, after)) = behind.split_at_checked(len) else { break };
            self.message(side, message, out);
            rest = after;
        }
        Fed::Took(data.len() - rest.len())
    }
}

fn report(m: &Message, len: usize, out: &mut Output<'_>) {
    let detail = |text: &str| Detail::Text(text.into());
    match m.problem {
        None if m.end < len => {
            // Signed NetBIOS datagrams do not exist, and TSIG is a record: nothing may follow the last one.
            out.weird(WeirdKind::DnsMalformed, detail("bytes after the last record"));
        }
        None => {}
        Some(Problem::Cut) => out.weird(WeirdKind::DnsMalformed, detail("ends before its last record")),
        Some(Problem::Label) => {
            out.weird(WeirdKind::DnsMalformed, detail("name too long, or reserved label"))
        }
        Some(Problem::Questions) => out.weird(WeirdKind::DnsMalformed, detail("too many questions")),
        Some(Problem::Pointer) => out.weird(WeirdKind::DnsPointerLoop, Detail::None),
    }
}

impl Parser for DnsParser {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        if out.flow.tuple.protocol == ip_protocol::TCP {
            return self.stream(side, data, out);
        }
        self.message(side, data, out);
        Fed::Took(data.len())
    }

    fn gap(&mut self, _: Side, _: u64, out: &mut Output<'_>) -> Fed {
        // Without the length prefixes there is no way back to the start of a message.
        self.finish(out);
        Fed::Done
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.pairs.finish(out);
    }

    fn service(&self) -> Option<&'static str> {
        if self.dnscrypt { Some("dnscrypt") } else { self.kind.map(Kind::name) }
    }
}
