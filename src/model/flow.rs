//! What is known of a flow?
//!
//! The originator (Zeek's word) is who spoke first; the responder is the other end. Columns call them `src`
//! and `dst`. `FlowRecord` is the finished row; the hot state of a live flow is in `flow::table`.

use super::addr::{Ip, Mac};
use super::ids::FlowId;
use super::syn::SynShape;
use super::time::Timestamp;
use std::sync::Arc;

/// One of the two ends of a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// Who spoke first.
    Orig,
    /// Who was spoken to.
    Resp,
}

impl Side {
    /// The other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Orig => Self::Resp,
            Self::Resp => Self::Orig,
        }
    }

    /// 0 for the originator, 1 for the responder.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// IP protocol numbers that the code names (IANA protocol-numbers).
pub mod ip_protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// IGMP.
    pub const IGMP: u8 = 2;
    /// IPv4 in IP.
    pub const IPIP: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IP.
    pub const IPV6: u8 = 41;
    /// GRE.
    pub const GRE: u8 = 47;
    /// ESP.
    pub const ESP: u8 = 50;
    /// AH.
    pub const AH: u8 = 51;
    /// ICMP for IPv6.
    pub const ICMP6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// The name that `flows.protocol` shows: a word for the common five, else the number.
pub fn protocol_name(number: u8) -> std::borrow::Cow<'static, str> {
    match number {
        ip_protocol::TCP => "tcp".into(),
        ip_protocol::UDP => "udp".into(),
        ip_protocol::ICMP => "icmp".into(),
        ip_protocol::ICMP6 => "icmp6".into(),
        ip_protocol::SCTP => "sctp".into(),
        n => n.to_string().into(),
    }
}

/// The number that [`protocol_name`] names; `None` for any other text.
pub fn protocol_number(name: &str) -> Option<u8> {
    match name {
        "tcp" => Some(ip_protocol::TCP),
        "udp" => Some(ip_protocol::UDP),
        "icmp" => Some(ip_protocol::ICMP),
        "icmp6" => Some(ip_protocol::ICMP6),
        "sctp" => Some(ip_protocol::SCTP),
        number => number.parse().ok(),
    }
}

/// Who spoke to whom: the five-tuple with a direction. Ports are 0 where the protocol has none. For ICMP they
/// are Zeek's: the originator's port is the type, the responder's the code or the counterpart's type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tuple {
    /// Originator's address.
    pub src: Ip,
    /// Responder's address.
    pub dst: Ip,
    /// Originator's port.
    pub src_port: u16,
    /// Responder's port.
    pub dst_port: u16,
    /// IP protocol number.
    pub protocol: u8,
}

/// How the service of a flow was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceSource {
    /// By what was said.
    Content,
    /// By the port alone: a hint.
    Port,
}

impl ServiceSource {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Port => "port",
        }
    }
}

/// Why a flow row was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// TCP said so (FIN both ways, or RST).
    Closed,
    /// Silent for longer than its timeout.
    Idle,
    /// The table was full and this flow was given up for another.
    Evicted,
    /// The capture ended, or was cut while the flow went on.
    CaptureEnd,
    /// Still going on (live).
    Open,
}

impl EndReason {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Idle => "idle",
            Self::Evicted => "evicted",
            Self::CaptureEnd => "capture_end",
            Self::Open => "open",
        }
    }
}

/// What one end of a flow sent.
#[derive(Clone, Copy, Default, Debug)]
pub struct SideTotals {
    /// Packets, every fragment counted.
    pub packets: u64,
    /// Payload bytes observed, retransmissions included, by the lengths the headers claim.
    pub bytes: u64,
    /// Bytes with IP headers, original lengths.
    pub ip_bytes: u64,
    /// Bytes by TCP sequence space as Zeek counts them; equals `bytes` without TCP.
    pub stream_bytes: u64,
    /// TCP payload bytes that were acknowledged but never seen.
    pub missed_bytes: u64,
    /// TCP segments that repeated bytes already seen.
    pub retransmits: u32,
    /// Union of the TCP flags sent.
    pub tcp_flags: u8,
    /// TTL or hop limit of the first packet; 0 when nothing was sent.
    pub first_ttl: u8,
}

/// Where a packet lies: for carving it back out.
#[derive(Clone, Copy, Default, Debug)]
pub struct Position {
    /// Number in the capture, from 1.
    pub packet: u64,
    /// File number within the capture, from 0.
    pub file_no: u16,
    /// Byte offset of its record in that file, after decompression.
    pub offset: u64,
}

/// A finished flow: what becomes a row of `flows`.
#[derive(Clone, Debug)]
pub struct FlowRecord {
    /// Its identity.
    pub id: FlowId,
    /// Who spoke to whom.
    pub tuple: Tuple,
    /// 4 or 6.
    pub ip_version: u8,
    /// Time of the first packet.
    pub first_ts: Timestamp,
    /// Time of the first packet of the whole conversation; earlier than `first_ts` when it began in a capture before, which was cut.
    pub began: Timestamp,
    /// Time of the last packet.
    pub last_ts: Timestamp,
    /// Link address of the originator's first packet.
    pub src_mac: Mac,
    /// Link address of the responder, as first addressed.
    pub dst_mac: Mac,
    /// Outermost VLAN id of the first packet.
    pub vlan: Option<u16>,
    /// Second VLAN id of the first packet (QinQ).
    pub inner_vlan: Option<u16>,
    /// Path of tunnels around it, outermost first, such as `vxlan:42`; `None` outside tunnels.
    pub tunnel: Option<Arc<str>>,
    /// What the originator sent.
    pub orig: SideTotals,
    /// What the responder sent.
    pub resp: SideTotals,
    /// Zeek's connection state, such as `SF`.
    pub conn_state: &'static str,
    /// Zeek's history letters, such as `ShADadFf`.
    pub history: String,
    /// TCP: the shape of the first SYN, when it was plain and captured whole.
    pub syn: Option<SynShape>,
    /// TCP: from SYN to the first ACK of the handshake, as seen here, in nanoseconds.
    pub rtt: Option<i64>,
    /// Application protocol, lower case.
    pub service: Option<&'static str>,
    /// How the service was told.
    pub service_source: Option<ServiceSource>,
    /// SNI, Host, or the DNS answer that led here.
    pub hostname: Option<Box<str>>,
    /// An ICMP error that quoted this flow: type and code of the last one.
    pub icmp_error: Option<(u8, u8)>,
    /// The first packet.
    pub first: Position,
    /// The last packet.
    pub last: Position,
    /// Why the row was written.
    pub end_reason: EndReason,
}
