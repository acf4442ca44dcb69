//! Is this flow an attempt to find out about a port, of which kind, and what did it find?
//!
//! By the first packet and the answer: the scan methods of nmap's manual ("Port Scanning Techniques"), RFC 9293 section 3.10 for what a
//! closed and an open port answer. Refuses flows whose beginning or other half the capture missed, answers (turned flows), groups,
//! and peers of file sharing, whose addresses are stale by nature.

use crate::detect::{FlowFact, Outcome};
use crate::model::addr::Ip;
use crate::model::flow::ip_protocol;

/// How it was tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Technique {
    /// A SYN, and no whole handshake.
    Syn,
    /// A whole handshake.
    Connect,
    /// No flags.
    Null,
    /// FIN alone.
    Fin,
    /// FIN, PSH and URG.
    Xmas,
    /// FIN and ACK.
    Maimon,
    /// SYN and FIN.
    SynFin,
    /// ACK alone; a window scan sends the same.
    Ack,
    /// A datagram.
    Udp,
    /// An SCTP INIT.
    Sctp,
    /// An IP protocol, in place of a port.
    IpProtocol,
}

impl Technique {
    /// All, in order.
    pub(super) const ALL: [Self; 11] = [
        Self::Syn,
        Self::Connect,
        Self::Null,
        Self::Fin,
        Self::Xmas,
        Self::Maimon,
        Self::SynFin,
        Self::Ack,
        Self::Udp,
        Self::Sctp,
        Self::IpProtocol,
    ];

    /// As in `details.technique`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::Connect => "connect",
            Self::Null => "null",
            Self::Fin => "fin",
            Self::Xmas => "xmas",
            Self::Maimon => "maimon",
            Self::SynFin => "syn_fin",
            Self::Ack => "ack",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::IpProtocol => "ip_protocol",
        }
    }

    /// How odd its first packet is: 2 when no stack sends it ever, 1 when hardly one does, else 0.
    pub(super) fn stealth(self) -> usize {
        match self {
            Self::Null | Self::Xmas | Self::SynFin => 2,
            Self::Fin => 1,
            _ => 0,
        }
    }

    /// Does a connection that the capture joined late leave such packets as well?
    pub(super) fn may_be_stray(self) -> bool {
        matches!(self, Self::Maimon | Self::Ack)
    }
}

/// One attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Probe {
    pub(super) technique: Technique,
    pub(super) outcome: Outcome,
    /// It found the port open and hung up, or let go, without a word.
    pub(super) half_open: bool,
    /// The handshake was whole, and then neither side said anything: a connect scan that found a port open, or a check whether a service is up.
    pub(super) mute: bool,
}

impl Probe {
    /// Does it speak for a scan by itself?
    pub(super) fn counts(&self) -> bool {
        self.outcome.is_failure() || self.half_open
    }

    /// Does it speak for a scan of the ports of one host? Checks of services ask a few ports of a host, over and over; nobody asks many and says
    /// nothing to any.
    pub(super) fn counts_at_one_host(&self) -> bool {
        self.counts() || self.mute
    }
}

/// Services of peer networks: their members try addresses that were true last week.
const PEERS: &[&str] = &[
    "bittorrent",
    "utp",
    "gnutella",
    "edonkey",
    "kademlia",
    "skype",
    "ethereum",
    "bitcoin",
    "litecoin",
    "dogecoin",
    "monero",
    "libp2p",
    "stun",
    // What a call between two hosts becomes once its checks have found a way.
    "dtls",
    "rtp",
    "teredo",
    "zerotier",
    "tailscale",
    "wireguard",
];

/// Is it a member of a peer network who speaks?
pub(super) fn is_peer(f: &FlowFact) -> bool {
    f.service.is_some_and(|s| PEERS.contains(&s))
}

/// Ports of traceroute's datagrams: one more for each probe (33434, "+1 each", as its manual says; three per hop, 30 hops, some leave gaps).
const TRACEROUTE: std::ops::Range<u16> = 33_434..33_634;

/// Hops that a datagram of traceroute has left at most when it begins.
const FEW_HOPS: u8 = 30;

/// What the flow tried; `None` when it is no attempt or cannot be told.
pub(super) fn read(f: &FlowFact) -> Option<Probe> {
    let (technique, outcome, half_open) = match f.tuple.protocol {
        ip_protocol::TCP => tcp(f)?,
        ip_protocol::UDP => (Technique::Udp, udp(f)?, false),
        ip_protocol::SCTP => match f.conn_state {
            "OTH" | "RSTRH" => return None,
            _ => (Technique::Sctp, f.outcome(), false),
        },
        ip_protocol::ICMP | ip_protocol::ICMP6 | ip_protocol::IGMP => return None,
        _ if f.dst().is_multicast() => return None,
        _ => (Technique::IpProtocol, f.outcome(), false),
    };
    // What a side says that was not captured is not known.
    let silent = f.orig.bytes == 0 && f.resp.bytes == 0 && f.resp.packets > 0;
    let mute = technique == Technique::Connect && silent;
    Some(Probe { technique, outcome, half_open, mute })
}

/// From here on most systems draw the ports of their clients (Linux; RFC 6056 and the IANA begin at 49152).
const EPHEMERAL: u16 = 32_768;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
const FIN_PSH_URG: u8 = 0x29;

fn tcp(f: &FlowFact) -> Option<(Technique, Outcome, bool)> {
    let (flags, silent) = (f.orig.tcp_flags & 0x3f, f.orig.bytes == 0);
    let history = f.history;
    if history.begins('^') {
        return None;
    }
    if history.begins('S') {
        // With a FIN in the first packet the letter would be `Q`.
        let spoke = history.any("ADF");
        return match f.conn_state {
            _ if f.icmp_closed() => Some((Technique::Syn, Outcome::Closed, false)),
            // One half of the route: nobody acknowledges what was not answered, so there was a SYN-ACK.
            "S0" | "SH" | "RSTOS0" if history.any("AD") => Some((Technique::Connect, Outcome::Open, false)),
            // A tool that takes its SYN back at once, or whose system does, while the answer was not captured.
            "S0" | "RSTOS0" if !spoke => Some((Technique::Syn, Outcome::Filtered, false)),
            "REJ" => Some((Technique::Syn, Outcome::Closed, false)),
            "RSTO" | "S1" | "RSTR" if !spoke => Some((Technique::Syn, Outcome::Open, true)),
            _ if f.established() => Some((Technique::Connect, Outcome::Open, false)),
            _ => None,
        };
    }
    // A first packet that opens nothing: one or two, without payload, and nothing but a RST comes back.
    if f.orig.packets == 0 || f.orig.packets > 3 || !silent || f.resp.bytes > 0 {
        return None;
    }
    let refused = history.has('r');
    let first = history.as_str().chars().find(char::is_ascii_uppercase);
    let technique = match (first, flags) {
        (None, 0) => Technique::Null,
        (Some('F'), FIN) => Technique::Fin,
        (Some('F'), FIN_PSH_URG) => Technique::Xmas,
        (Some('F'), maimon) if maimon == FIN | ACK => Technique::Maimon,
        (Some('A'), ACK) => Technique::Ack,
        (Some('Q' | 'I' | 'S' | 'F'), f) if f & SYN != 0 && f & FIN != 0 && f & RST == 0 => Technique::SynFin,
        _ => return None,
    };
    let answered_otherwise = history.any("hadf");
    if answered_otherwise {
        return (technique == Technique::SynFin).then_some((technique, Outcome::Open, true));
    }
    // One half of a server's traffic: from its port to those that clients draw.
    if technique.may_be_stray() && f.tuple.src_port < f.tuple.dst_port && f.tuple.dst_port >= EPHEMERAL {
        return None;
    }
    let outcome = if refused || f.icmp_closed() { Outcome::Closed } else { Outcome::Filtered };
    Some((technique, outcome, false))
}

/// Datagrams to one port from which on it is a stream without answer (a call's sound, logs, measurements) and no probe: scanners repeat ten times.
const STREAM: u64 = 20;

fn udp(f: &FlowFact) -> Option<Outcome> {
    let dst = f.dst();
    if f.resp.packets == 0 && f.orig.packets > STREAM {
        return None;
    }
    if f.history.begins('^') || dst.is_multicast() || is_broadcast(dst) {
        return None;
    }
    if f.resp.packets > 0 {
        return Some(Outcome::Open);
    }
    if f.icmp_closed() {
        let traced = TRACEROUTE.contains(&f.tuple.dst_port) && f.orig.first_ttl <= FEW_HOPS;
        return (!traced).then_some(Outcome::Closed);
    }
    // Time exceeded on the way: somebody looks for the way, not for the port.
    let expired = matches!((f.ip_version, f.icmp_error), (4, Some((11, _))) | (6, Some((3, _))));
    if expired || TRACEROUTE.contains(&f.tuple.dst_port) && f.orig.first_ttl <= FEW_HOPS {
        return None;
    }
    // A server's answers whose questions were not seen go from one known port to many that clients draw.
    let answers = f.tuple.src_port < 1_024 && f.tuple.dst_port >= 1_024;
    (!answers).then_some(Outcome::Filtered)
}

/// May it be the broadcast address of its network? Networks of other sizes than /24 have others as well, but not in masses.
fn is_broadcast(ip: Ip) -> bool {
    ip.is_v4() && ip.0.last() == Some(&255)
}
