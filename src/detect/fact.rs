//! What does a detector get to see?
//!
//! A finished flow with all that is known of it, or an application record, small and owned, so that it can travel from the shard of
//! its originator to that of its responder.

use crate::model::addr::{Ip, Mac};
use crate::model::flow::{EndReason, FlowRecord, ServiceSource, SideTotals, Tuple, ip_protocol};
use crate::model::ids::FlowId;
use crate::model::record::Record;
use crate::model::syn::SynShape;
use crate::model::time::Timestamp;
use std::sync::Arc;

/// How an attempt to reach a port went.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// The other end answered: SYN-ACK, INIT-ACK, a datagram, an echo reply.
    Open,
    /// The other end refused: RST, ABORT, ICMP port (or protocol) unreachable.
    Closed,
    /// A firewall or router refused (ICMP prohibited, host or net unreachable), or nobody answered.
    Filtered,
    /// It cannot be told: the capture began in mid-connection, or saw one half.
    Unknown,
}

impl Outcome {
    /// Closed or filtered.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Closed | Self::Filtered)
    }
}

/// Letters of a history that are kept.
const LETTERS: usize = 22;

/// The first letters of Zeek's history, in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Which letters there are: a bit each from `A` on, upper case first. Detectors ask for letters more often than for their order.
    has: u64,
    letters: [u8; LETTERS],
    len: u8,
}

/// The bit of a letter; none for other characters.
fn bit(letter: u8) -> u64 {
    match letter {
        b'A'..=b'z' => 1 << (letter - b'A'),
        _ => 0,
    }
}

impl History {
    /// The first letters of `text`.
    pub fn new(text: &str) -> Self {
        let mut letters = [0; LETTERS];
        let (mut has, len) = (0, text.len().min(LETTERS));
        for (to, from) in letters.iter_mut().zip(text.bytes()) {
            *to = from;
            has |= bit(from);
        }
        Self { has, letters, len: len as u8 }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.letters.get(..self.len.into()).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("")
    }

    /// Did this happen (among the first letters)? Upper case: by the originator, lower case: by the responder.
    pub fn has(&self, letter: char) -> bool {
        self.any(letter.encode_utf8(&mut [0; 4]))
    }

    /// Did any of these happen?
    pub fn any(&self, letters: &str) -> bool {
        self.has & letters.bytes().fold(0, |bits, b| bits | bit(b)) != 0
    }

    /// Did it begin so?
    pub fn begins(&self, letter: char) -> bool {
        self.len > 0 && self.letters.first().is_some_and(|b| char::from(*b) == letter)
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(f)
    }
}

/// What one side of a flow sent, as far as detectors ask.
#[derive(Clone, Copy, Default, Debug)]
pub struct Side {
    /// Packets, every fragment counted.
    pub packets: u64,
    /// Payload bytes.
    pub bytes: u64,
    /// Bytes with IP headers.
    pub ip_bytes: u64,
    /// Union of the TCP flags.
    pub tcp_flags: u8,
    /// TTL or hop limit of the first packet; 0 when nothing was sent.
    pub first_ttl: u8,
}

impl From<SideTotals> for Side {
    fn from(s: SideTotals) -> Self {
        let SideTotals { packets, bytes, ip_bytes, tcp_flags, first_ttl, .. } = s;
        Self { packets, bytes, ip_bytes, tcp_flags, first_ttl }
    }
}

/// A flow that ended.
#[derive(Clone, Debug)]
pub struct FlowFact {
    /// When it became known: the packet time at which the flow ended or its timeout passed. Facts are ordered by it.
    pub known: Timestamp,
    /// Its identity.
    pub id: FlowId,
    /// Who spoke to whom.
    pub tuple: Tuple,
    /// Time of the first packet.
    pub first_ts: Timestamp,
    /// Time of the last packet.
    pub last_ts: Timestamp,
    /// What the originator sent.
    pub orig: Side,
    /// What the responder sent.
    pub resp: Side,
    /// Zeek's connection state.
    pub conn_state: &'static str,
    /// Zeek's history letters, the first ones.
    pub history: History,
    /// The shape of the first SYN.
    pub syn: Option<SynShape>,
    /// From SYN to the end of the handshake, nanoseconds.
    pub rtt: Option<i64>,
    /// Application protocol.
    pub service: Option<&'static str>,
    /// How it was told.
    pub service_source: Option<ServiceSource>,
    /// SNI, Host, or the DNS answer that led here.
    pub hostname: Option<Arc<str>>,
    /// Did a DNS answer lead here (or the client name the server itself)? `content`, `dns` or nothing.
    pub hostname_source: Option<&'static str>,
    /// Is the originator ours?
    pub src_internal: bool,
    /// Is the responder ours?
    pub dst_internal: bool,
    /// As in `flows.direction`.
    pub direction: &'static str,
    /// Link address of the originator.
    pub src_mac: Mac,
    /// Link address it was sent to.
    pub dst_mac: Mac,
    /// The last ICMP error that quoted it: type and code.
    pub icmp_error: Option<(u8, u8)>,
    /// 4 or 6.
    pub ip_version: u8,
    /// Inside a tunnel?
    pub tunnelled: bool,
    /// Why it ended.
    pub end_reason: EndReason,
}

impl FlowFact {
    /// From a finished flow; what the host stage knows of it is filled in by the caller.
    pub fn new(known: Timestamp, f: &FlowRecord) -> Self {
        Self {
            known,
            id: f.id,
            tuple: f.tuple,
            first_ts: f.first_ts,
            last_ts: f.last_ts,
            orig: f.orig.into(),
            resp: f.resp.into(),
            conn_state: f.conn_state,
            history: History::new(&f.history),
            syn: f.syn,
            rtt: f.rtt,
            service: f.service,
            service_source: f.service_source,
            hostname: None,
            hostname_source: None,
            src_internal: false,
            dst_internal: false,
            direction: "",
            src_mac: f.src_mac,
            dst_mac: f.dst_mac,
            icmp_error: f.icmp_error,
            ip_version: f.ip_version,
            tunnelled: f.tunnel.is_some(),
            end_reason: f.end_reason,
        }
    }

    /// The originator.
    pub fn src(&self) -> Ip {
        self.tuple.src
    }

    /// The responder.
    pub fn dst(&self) -> Ip {
        self.tuple.dst
    }

    /// TCP?
    pub fn is_tcp(&self) -> bool {
        self.tuple.protocol == ip_protocol::TCP
    }

    /// UDP?
    pub fn is_udp(&self) -> bool {
        self.tuple.protocol == ip_protocol::UDP
    }

    /// Seconds from the first packet to the last.
    pub fn duration_s(&self) -> f64 {
        self.last_ts.secs_since(self.first_ts)
    }

    /// Service told by its content.
    pub fn spoken(&self) -> Option<&'static str> {
        self.service.filter(|_| self.service_source == Some(ServiceSource::Content))
    }

    /// Did the connection or exchange come about?
    pub fn established(&self) -> bool {
        match self.tuple.protocol {
            ip_protocol::TCP => matches!(self.conn_state, "S1" | "S2" | "S3" | "SF" | "RSTO" | "RSTR"),
            _ => self.resp.packets > 0,
        }
    }

    /// Did the capture miss its beginning, or one of its halves?
    pub fn is_partial(&self) -> bool {
        self.is_tcp() && matches!(self.conn_state, "OTH" | "SHR" | "RSTRH" | "SH" | "RSTOS0")
    }

    /// Did an ICMP error say that port or protocol is closed (RFC 792 3/2, 3/3; RFC 4443 1/4)?
    pub fn icmp_closed(&self) -> bool {
        match self.ip_version {
            6 => self.icmp_error == Some((1, 4)),
            _ => matches!(self.icmp_error, Some((3, 2 | 3))),
        }
    }

    /// How the attempt went.
    pub fn outcome(&self) -> Outcome {
        if self.icmp_closed() {
            return Outcome::Closed;
        }
        match self.tuple.protocol {
            ip_protocol::TCP => match self.conn_state {
                "S1" | "S2" | "S3" | "SF" | "RSTO" | "RSTR" => Outcome::Open,
                "REJ" => Outcome::Closed,
                // The scanner that never answers the SYN-ACK, and one that nobody answers.
                "S0" | "RSTOS0" | "SH" => Outcome::Filtered,
                _ => Outcome::Unknown,
            },
            ip_protocol::SCTP if self.resp.packets > 0 && self.conn_state == "REJ" => Outcome::Closed,
            _ if self.resp.packets > 0 => Outcome::Open,
            _ => Outcome::Filtered,
        }
    }
}

/// An application record.
#[derive(Debug)]
pub struct RecordFact {
    /// When it became known, packet time. Facts are ordered by it.
    pub known: Timestamp,
    /// When it began.
    pub ts: Timestamp,
    /// The packet at which it was known.
    pub packet: u64,
    /// The flow that carried it.
    pub flow_id: FlowId,
    /// Its five-tuple: who spoke first is `src`.
    pub tuple: Tuple,
    /// Is the originator ours?
    pub src_internal: bool,
    /// Is the responder ours?
    pub dst_internal: bool,
    /// The record.
    pub record: Box<dyn Record>,
}

impl RecordFact {
    /// The record as its own type, for who knows it.
    pub fn of<T: Record>(&self) -> Option<&T> {
        self.record.as_type()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_keeps_its_first_letters() {
        let h = History::new("ShADadFf");
        assert_eq!(h.as_str(), "ShADadFf");
        assert!(h.has('h') && !h.has('R') && h.begins('S') && !h.begins('h'));
        assert!(h.any("RAx") && !h.any("Rr") && History::new("^d").any("^") && !History::new("").begins('S'));
        assert_eq!(History::new(&"D".repeat(99)).as_str().len(), LETTERS);
    }

    #[test]
    fn a_fact_is_small() {
        assert!(size_of::<FlowFact>() <= 320, "{}", size_of::<FlowFact>());
    }
}
