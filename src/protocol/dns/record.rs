//! What does a row of `dns` hold?
//!
//! One question with its answer, or one announcement that nobody asked for. The fields are public: detectors
//! count them, and flows are named by the addresses in them.

use super::codes;
use super::message::{Answer, Edns, Section};
use super::rdata::Rdata;
use crate::model::addr::Ip;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use std::fmt::{self, Write};

/// Which of the protocols that share the format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// RFC 1035.
    Dns,
    /// RFC 6762.
    Mdns,
    /// RFC 4795.
    Llmnr,
    /// RFC 1002.
    Nbns,
}

impl Kind {
    /// As in `flows.service`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Mdns => "mdns",
            Self::Llmnr => "llmnr",
            Self::Nbns => "nbns",
        }
    }
}

/// A question and its answer.
#[derive(Clone, Debug)]
pub struct DnsRecord {
    /// Which protocol.
    pub kind: Kind,
    /// Over TCP, not UDP?
    pub tcp: bool,
    /// Who asked, or would have.
    pub client: Ip,
    /// Who was asked; for multicast the group.
    pub server: Ip,
    /// Identifier of the message.
    pub trans_id: u16,
    /// Kind of operation: 0 query, 4 notify, 5 update (or NetBIOS registration) …
    pub opcode: u8,
    /// The name asked for. An answer without a question shows the owner of its first record.
    pub query: Option<String>,
    /// Type asked for.
    pub qtype: Option<u16>,
    /// Class asked for, without mDNS's highest bit.
    pub qclass: Option<u16>,
    /// Recursion desired.
    pub rd: bool,
    /// How often the question was seen; 0 when it never was.
    pub attempts: u16,
    /// The answer, when there was one.
    pub reply: Option<Reply>,
    /// EDNS of the question, or else of the answer.
    pub edns: Option<Edns>,
    /// Bytes of the question's message; `None` when it was not seen.
    pub query_bytes: Option<u32>,
}

/// What the answer said.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Nanoseconds since the question was last sent; `None` when the question was not seen.
    pub rtt: Option<i64>,
    /// Response code with the bits of EDNS.
    pub rcode: u16,
    /// Authoritative.
    pub aa: bool,
    /// Truncated.
    pub tc: bool,
    /// Recursion available.
    pub ra: bool,
    /// Records: those of the answer section; with mDNS and NetBIOS those of all sections. Capped.
    pub answers: Vec<Answer>,
    /// Records that the header announces for answer, authority and additional section.
    pub counts: [u16; 3],
    /// Bytes of the message.
    pub bytes: u32,
}

impl DnsRecord {
    /// Addresses in the answers, with the seconds that they may be kept.
    pub fn addresses(&self) -> impl Iterator<Item = (Ip, u32)> {
        self.answers().filter_map(|a| match a.data {
            Rdata::Address(ip) => Some((ip, a.ttl)),
            _ => None,
        })
    }

    /// Records of the answer section.
    pub fn answers(&self) -> impl Iterator<Item = &Answer> {
        let all = self.reply.as_ref().map_or(&[][..], |r| &r.answers);
        all.iter().filter(|a| a.section == Section::Answer)
    }

    /// Response code, when there was an answer.
    pub fn rcode(&self) -> Option<u16> {
        self.reply.as_ref().map(|r| r.rcode)
    }

    /// Did the server answer with an error and no record at all?
    pub fn rejected(&self) -> bool {
        self.reply.as_ref().is_some_and(|r| r.rcode != 0 && r.counts == [0; 3])
    }

    /// Registered domain of the name: one label more than the public suffix. `None` for addresses, single labels and names
    /// outside the public tree (`.local`).
    pub fn domain(&self) -> Option<&str> {
        registered_domain(self.query.as_deref()?)
    }
}

/// The registered domain of a lower-case name, by the public suffix list.
pub fn registered_domain(name: &str) -> Option<&str> {
    if name.ends_with(".arpa") {
        return None;
    }
    let domain = psl::domain(name.as_bytes())?;
    if !domain.suffix().is_known() {
        return None;
    }
    std::str::from_utf8(domain.as_bytes()).ok()
}

/// TTLs in the order of the answers.
struct Ttls<'a>(&'a DnsRecord);

impl fmt::Display for Ttls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, answer) in self.0.answers().enumerate() {
            if i > 0 {
                f.write_char(',')?;
            }
            answer.ttl.fmt(f)?;
        }
        Ok(())
    }
}

/// Questions and answers.
pub static TABLE: Table = Table::record(
    "dns",
    "One row is one question to a name service with its answer (DNS, mDNS, LLMNR, NetBIOS), or an announcement that nobody asked for.",
    &[
        col("service", T::Text, "", "dns, mdns, llmnr or nbns."),
        col("proto", T::Text, "", "udp or tcp."),
        col("client_ip", T::Text, "", "Address of who asked; for an unasked announcement, of who was told."),
        col(
            "server_ip",
            T::Text,
            "",
            "Address of who was asked; for multicast the group, for an announcement its sender.",
        ),
        col("trans_id", T::U16, "", "Identifier that pairs question and answer."),
        col("opcode", T::U8, "", "Kind of operation: 0 query, 4 notify, 5 update or NetBIOS registration."),
        col(
            "query",
            T::Text,
            "",
            "Name asked for, lower case (NetBIOS: decoded, with the kind of name in angle brackets); for an announcement the owner of its first record.",
        ),
        col(
            "domain",
            T::Text,
            "",
            "Registered domain of query (public suffix list); NULL for addresses and names outside the public tree.",
        ),
        col("qclass", T::U16, "", "Class asked for: 1 is the Internet."),
        col(
            "qtype",
            T::U16,
            "",
            "Record type asked for, as a number; for an announcement that of its first record.",
        ),
        col("qtype_name", T::Text, "", "Record type asked for, by name."),
        col("rcode", T::U16, "", "Response code with the bits of EDNS; NULL when no answer was seen."),
        col(
            "rcode_name",
            T::Text,
            "",
            "Response code by name, such as NOERROR or NXDOMAIN; NULL when no answer was seen.",
        ),
        col("rejected", T::Bool, "", "Did the server answer with an error and no record at all?"),
        col("aa", T::Bool, "", "Authoritative answer; NULL without an answer."),
        col("tc", T::Bool, "", "The answer was truncated; NULL without an answer."),
        col("rd", T::Bool, "", "Recursion was desired."),
        col("ra", T::Bool, "", "Recursion is available; NULL without an answer."),
        col(
            "answers",
            T::TextList,
            "",
            "Data of the records in the answer section, in order, in presentation format; NULL without an answer.",
        ),
        col("answer_ips", T::TextList, "", "Addresses among the answers; NULL without an answer."),
        col(
            "ttls",
            T::Text,
            "seconds",
            "Times that the answers may be kept, in their order, separated by commas; NULL without answers.",
        ),
        col("min_ttl", T::U32, "seconds", "The smallest of them; NULL without answers."),
        col(
            "answer_count",
            T::U16,
            "records",
            "Records in the answer section as the header says; NULL without an answer.",
        ),
        col(
            "authority_count",
            T::U16,
            "records",
            "Records in the authority section as the header says; NULL without an answer.",
        ),
        col(
            "additional_count",
            T::U16,
            "records",
            "Records in the additional section as the header says, EDNS included; NULL without an answer.",
        ),
        col(
            "rtt_s",
            T::F64,
            "seconds",
            "From the question, as last sent, to its answer; NULL unless both were seen.",
        ),
        col(
            "attempts",
            T::U16,
            "packets",
            "How often the question was seen; 0 for an answer without its question.",
        ),
        col("query_bytes", T::U32, "bytes", "Length of the question's message; NULL when it was not seen."),
        col("answer_bytes", T::U32, "bytes", "Length of the answer's message; NULL when it was not seen."),
        col(
            "edns_version",
            T::U8,
            "",
            "EDNS version of the question, or else of the answer; NULL without EDNS.",
        ),
        col("edns_udp_size", T::U16, "bytes", "Payload that the sender takes over UDP; NULL without EDNS."),
        col("edns_do", T::Bool, "", "DNSSEC records wanted; NULL without EDNS."),
        col(
            "edns_client_subnet",
            T::Text,
            "",
            "Network on whose behalf a resolver asks (RFC 7871); NULL when it does not say.",
        ),
    ],
);

impl Record for DnsRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        let reply = self.reply.as_ref();
        let edns = self.edns.as_ref();
        let netbios = self.kind == Kind::Nbns;
        row.text(self.kind.name())
            .text(if self.tcp { "tcp" } else { "udp" })
            .ip(self.client)
            .ip(self.server)
            .u16(self.trans_id)
            .u8(self.opcode)
            .opt_text(self.query.as_deref())
            .opt_text(if netbios { None } else { self.domain() })
            .opt_u16(self.qclass)
            .opt_u16(self.qtype)
            .opt_text(self.qtype.map(|t| codes::type_name(t, netbios)).as_deref())
            .opt_u16(self.rcode())
            .opt_text(self.rcode().map(codes::rcode_name).as_deref())
            .bool(self.rejected())
            .opt_bool(reply.map(|r| r.aa))
            .opt_bool(reply.map(|r| r.tc))
            .bool(self.rd)
            .opt_bool(reply.map(|r| r.ra));
        if reply.is_some() {
            let answers: Vec<_> = self.answers().map(|a| a.data.to_string()).collect();
            let addresses: Vec<_> = self.addresses().map(|(ip, _)| ip.to_string()).collect();
            row.list(&answers).list(&addresses);
        } else {
            row.null().null();
        }
        let min_ttl = self.answers().map(|a| a.ttl).min();
        if min_ttl.is_some() {
            row.display(&Ttls(self))
        } else {
            row.null()
        };
        let [answers, authority, additional] = reply.map_or([None; 3], |r| r.counts.map(Some));
        row.opt_u32(min_ttl)
            .opt_u16(answers)
            .opt_u16(authority)
            .opt_u16(additional)
            .opt_f64(reply.and_then(|r| r.rtt).map(|ns| ns as f64 / 1e9))
            .u16(self.attempts)
            .opt_u32(self.query_bytes)
            .opt_u32(reply.map(|r| r.bytes))
            .opt_u8(edns.map(|e| e.version))
            .opt_u16(edns.map(|e| e.udp_size))
            .opt_bool(edns.map(|e| e.dnssec_ok))
            .opt_text(edns.and_then(|e| e.client_subnet.as_deref()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_domains() {
        assert_eq!(registered_domain("a.b.example.co.uk"), Some("example.co.uk"));
        assert_eq!(registered_domain("_tcp.local"), None);
        assert_eq!(registered_domain("1.2.0.192.in-addr.arpa"), None);
        assert_eq!(registered_domain("com"), None);
        assert_eq!(registered_domain("."), None);
    }
}
