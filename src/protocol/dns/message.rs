//! What does one DNS message say?
//!
//! Header, questions, records and EDNS of RFC 1035, RFC 6891 and RFC 1002. What can be read before the first
//! contradiction is kept; the contradiction is reported beside it.

use super::codes::rtype;
use super::name::{self, NameError};
use super::rdata::{self, Rdata, Span};
use crate::model::addr::Ip;
use crate::model::bytes::Cursor;

/// Bytes of the header.
pub const HEADER_LEN: usize = 12;

/// Questions read of one message. mDNS asks for some dozens at once; more is not a question.
const MAX_QUESTIONS: u16 = 64;

/// Records kept of one message. A reply over UDP holds fewer; of a zone transfer the first ones are kept, the header's
/// count tells the rest.
const MAX_RECORDS: usize = 128;

/// The fixed part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Pairs question and answer.
    pub id: u16,
    /// The sixteen flag bits as sent.
    pub flags: u16,
    /// Questions, answers, authority records, additional records.
    pub counts: [u16; 4],
}

impl Header {
    /// Read it.
    pub fn read(message: &[u8]) -> Option<Self> {
        let mut c = Cursor::new(message);
        Some(Self { id: c.u16()?, flags: c.u16()?, counts: [c.u16()?, c.u16()?, c.u16()?, c.u16()?] })
    }

    /// An answer, not a question?
    pub fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// Kind of operation.
    pub fn opcode(&self) -> u8 {
        (self.flags >> 11 & 0xf) as u8
    }

    /// Response code without the bits of EDNS.
    pub fn rcode(&self) -> u16 {
        self.flags & 0xf
    }

    /// Authoritative answer.
    pub fn aa(&self) -> bool {
        self.flags & 0x0400 != 0
    }

    /// Truncated.
    pub fn tc(&self) -> bool {
        self.flags & 0x0200 != 0
    }

    /// Recursion desired.
    pub fn rd(&self) -> bool {
        self.flags & 0x0100 != 0
    }

    /// Recursion available.
    pub fn ra(&self) -> bool {
        self.flags & 0x0080 != 0
    }

    /// Can the counts fit into a message of `len` bytes? A question takes 5 bytes or more, a record 11.
    pub fn fits(&self, len: usize) -> bool {
        let [questions, records @ ..] = self.counts;
        let records: usize = records.iter().map(|n| usize::from(*n)).sum();
        usize::from(questions) * 5 + records * 11 + HEADER_LEN <= len
    }
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// The name, as text.
    pub name: String,
    /// Record type.
    pub qtype: u16,
    /// Class; with mDNS its highest bit asks for a unicast answer.
    pub qclass: u16,
}

/// The part of a message that a record stood in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Section {
    /// Answers the question.
    Answer,
    /// Names who is responsible.
    Authority,
    /// May save another question.
    Additional,
}

/// A resource record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Where it stood.
    pub section: Section,
    /// Its owner.
    pub name: String,
    /// Type.
    pub rtype: u16,
    /// Seconds that it may be kept.
    pub ttl: u32,
    /// Length of its data in bytes.
    pub len: u16,
    /// Its data.
    pub data: Rdata,
}

/// Extension mechanisms (RFC 6891).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Edns {
    /// Bytes of UDP payload that the sender takes.
    pub udp_size: u16,
    /// Upper eight bits of the response code.
    pub rcode_high: u8,
    /// Version; 0.
    pub version: u8,
    /// Does the sender want DNSSEC records?
    pub dnssec_ok: bool,
    /// Client subnet (RFC 7871) as address/length.
    pub client_subnet: Option<String>,
    /// Codes of the options, in order, capped.
    pub options: Vec<u16>,
}

/// Options read of one OPT record; more than are in use.
const MAX_OPTIONS: usize = 16;

impl Edns {
    fn read(class: u16, ttl: u32, data: &[u8]) -> Self {
        let [rcode_high, version, flags, _] = ttl.to_be_bytes();
        let mut edns =
            Self { udp_size: class, rcode_high, version, dnssec_ok: flags & 0x80 != 0, ..Self::default() };
        let mut c = Cursor::new(data);
        while edns.options.len() < MAX_OPTIONS
            && let (Some(code), Some(len)) = (c.u16(), c.u16())
            && let Some(value) = c.take(usize::from(len))
        {
            edns.options.push(code);
            if code == 8 {
                edns.client_subnet = client_subnet(value);
            }
        }
        edns
    }
}

/// RFC 7871 section 6: family, prefix length, scope, as many address bytes as the prefix needs.
fn client_subnet(value: &[u8]) -> Option<String> {
    let mut c = Cursor::new(value);
    let (family, prefix, _scope) = (c.u16()?, c.u8()?, c.u8()?);
    let mut wire = [0; 16];
    wire.get_mut(..c.remaining())?.copy_from_slice(c.rest());
    let ip = match family {
        1 => Ip::v4(*wire.first_chunk()?),
        2 => Ip::v6(wire),
        _ => return None,
    };
    Some(format!("{ip}/{prefix}"))
}

/// The first thing that was wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    /// The message ends before what its header announces.
    Cut,
    /// A pointer in a name leads nowhere good.
    Pointer,
    /// A name breaks the rules.
    Label,
    /// More questions than anybody asks.
    Questions,
}

impl From<NameError> for Problem {
    fn from(e: NameError) -> Self {
        match e {
            NameError::Cut => Self::Cut,
            NameError::Pointer => Self::Pointer,
            NameError::Label => Self::Label,
        }
    }
}

/// A message, or as much of it as could be read.
#[derive(Clone, Debug)]
pub struct Message {
    /// The fixed part.
    pub header: Header,
    /// Questions, in order.
    pub questions: Vec<Question>,
    /// Records of the wanted sections, in order, capped.
    pub records: Vec<Answer>,
    /// The OPT record.
    pub edns: Option<Edns>,
    /// What was wrong, if anything.
    pub problem: Option<Problem>,
    /// Where reading ended.
    pub end: usize,
}

impl Message {
    /// Response code with the bits of EDNS.
    pub fn rcode(&self) -> u16 {
        self.header.rcode() | self.edns.as_ref().map_or(0, |e| u16::from(e.rcode_high) << 4)
    }
}

/// What to keep of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Want {
    /// Names and types are those of NetBIOS.
    pub netbios: bool,
    /// Keep authority and additional records too, not only answers.
    pub all_sections: bool,
}

/// Read a message. `None`: not even the header is there.
pub fn read(bytes: &[u8], want: Want) -> Option<Message> {
    let header = Header::read(bytes)?;
    let mut message = Message {
        header,
        questions: Vec::new(),
        records: Vec::new(),
        edns: None,
        problem: None,
        end: HEADER_LEN,
    };
    message.problem = read_body(bytes, want, &mut message).err();
    Some(message)
}

fn read_name(bytes: &[u8], at: usize, netbios: bool) -> Result<(String, usize), NameError> {
    let mut out = String::with_capacity(32);
    let end =
        if netbios { name::read_netbios(bytes, at, &mut out)? } else { name::read(bytes, at, &mut out)? };
    Ok((out, end))
}

fn read_body(bytes: &[u8], want: Want, m: &mut Message) -> Result<(), Problem> {
    let [questions, answers, authority, additional] = m.header.counts;
    if questions > MAX_QUESTIONS {
        return Err(Problem::Questions);
    }
    for _ in 0..questions {
        let (name, end) = read_name(bytes, m.end, want.netbios)?;
        let mut c = Cursor::new(bytes.get(end..).unwrap_or(&[]));
        let (Some(qtype), Some(qclass)) = (c.u16(), c.u16()) else { return Err(Problem::Cut) };
        m.end = end + c.position();
        m.questions.push(Question { name, qtype, qclass });
    }
    let sections =
        [(Section::Answer, answers), (Section::Authority, authority), (Section::Additional, additional)];
    for (section, count) in sections {
        for _ in 0..count {
            read_record(bytes, section, want, m)?;
        }
    }
    Ok(())
}

fn read_record(bytes: &[u8], section: Section, want: Want, m: &mut Message) -> Result<(), Problem> {
    let keep = (want.all_sections || section == Section::Answer) && m.records.len() < MAX_RECORDS;
    let (name, end) = if keep {
        read_name(bytes, m.end, want.netbios)?
    } else {
        (String::new(), skip_name(bytes, m.end).ok_or(Problem::Cut)?)
    };
    let mut c = Cursor::new(bytes.get(end..).unwrap_or(&[]));
    let (Some(rtype), Some(class), Some(ttl), Some(len)) = (c.u16(), c.u16(), c.u32(), c.u16()) else {
        return Err(Problem::Cut);
    };
    let at = end + c.position();
    let Some(data) = c.take(usize::from(len)) else { return Err(Problem::Cut) };
    m.end = at + data.len();
    if rtype == rtype::OPT && section == Section::Additional {
        m.edns.get_or_insert_with(|| Edns::read(class, ttl, data));
    } else if keep {
        let data = rdata::parse(rtype, want.netbios, Span { message: bytes, at, len: data.len() });
        m.records.push(Answer { section, name, rtype, ttl, len, data });
    }
    Ok(())
}

/// Step over a name without following it.
fn skip_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            len @ 1..=63 => at += 1 + usize::from(len),
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::dns::samples;

    const PLAIN: Want = Want { netbios: false, all_sections: true };

    #[test]
    fn a_reply_with_compression_and_edns() {
        let m = read(samples::REPLY, PLAIN).unwrap();
        assert_eq!(m.problem, None);
        assert_eq!((m.header.id, m.header.is_response(), m.end), (0x1234, true, samples::REPLY.len()));
        assert_eq!(m.questions, [Question { name: "www.example.com".into(), qtype: 1, qclass: 1 }]);
        let shown: Vec<_> = m.records.iter().map(|r| format!("{} {} {}", r.name, r.ttl, r.data)).collect();
        assert_eq!(shown, ["www.example.com 300 web.example.com", "web.example.com 60 192.0.2.7"]);
        let edns = m.edns.unwrap();
        assert_eq!((edns.udp_size, edns.dnssec_ok, edns.options), (1232, true, vec![8]));
        assert_eq!(edns.client_subnet.as_deref(), Some("198.51.100.0/24"));
    }

    #[test]
    fn every_prefix_and_every_flipped_bit_survives() {
        for end in 0..samples::REPLY.len() {
            let m = read(&samples::REPLY[..end], PLAIN);
            assert_eq!(m.is_some(), end >= HEADER_LEN);
            if let Some(m) = m {
                assert_eq!(m.problem, Some(Problem::Cut), "cut at {end}");
                assert!(m.end <= end);
            }
        }
        let mut flipped = samples::REPLY.to_vec();
        for bit in 0..flipped.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            for netbios in [false, true] {
                read(&flipped, Want { netbios, all_sections: false });
            }
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_count_that_lies_is_seen_before_reading() {
        let mut m = samples::QUERY.to_vec();
        m[7] = 200;
        assert!(!Header::read(&m).unwrap().fits(m.len()));
        assert_eq!(read(&m, PLAIN).unwrap().problem, Some(Problem::Cut));
    }
}
