//! What was odd about the bytes?
//!
//! A closed list of named oddities (Zeek's word is *weird*), each with a sentence. They are data: countable,
//! joinable, stable names. A weird never judges; detectors may.

use super::ids::FlowId;
use super::time::Timestamp;

/// The layer at which an oddity was met.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Layer {
    /// The capture file or device.
    Capture,
    /// Link headers and tunnels.
    Link,
    /// IP and what belongs to it.
    Network,
    /// TCP, UDP, SCTP, ICMP.
    Transport,
    /// An application protocol.
    Application,
}

impl Layer {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Link => "link",
            Self::Network => "network",
            Self::Transport => "transport",
            Self::Application => "application",
        }
    }
}

macro_rules! weirds {
    ($($variant:ident $name:literal $layer:ident $sentence:literal;)*) => {
        /// The kinds of oddities. Names are stable; new ones are added, old ones never renamed.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum WeirdKind { $(#[doc = $sentence] $variant,)* }

        impl WeirdKind {
            /// Every kind, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stored name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }

            /// Where it is met.
            pub fn layer(self) -> Layer {
                match self { $(Self::$variant => Layer::$layer,)* }
            }
        }
    };
}

weirds! {
    ClockStep "clock_step" Capture "Packet time moved back or leapt ahead for so many packets that the clock of the capture followed.";
    TimeClamped "time_clamped" Capture "A packet's time does not fit into the range of the store and was clamped.";
    UnknownLinkType "unknown_link_type" Link "No decoder for the packet's link type; it is counted but not looked into.";
    TruncatedLink "truncated_link" Link "The packet ends inside its link header.";
    UnknownEtherType "unknown_ether_type" Link "The link header announces a network protocol that is not decoded.";
    TooManyLayers "too_many_layers" Link "More nested headers than the decoder follows; what lies deeper is not looked into.";
    TruncatedTunnel "truncated_tunnel" Link "The packet ends inside the header of a tunnel.";
    TunnelMismatch "tunnel_mismatch" Link "A tunnel header does not fit what it carries.";
    BadIpVersion "bad_ip_version" Network "The IP version is neither 4 nor 6, or does not fit the link header.";
    BadIpHeaderLength "bad_ip_header_length" Network "The IP header claims a length below its minimum or beyond the packet.";
    BadIpTotalLength "bad_ip_total_length" Network "The IP total length is smaller than its header or larger than the frame.";
    TruncatedIp "truncated_ip" Network "The packet ends inside its IP header.";
    BadIpChecksum "bad_ip_checksum" Network "The IPv4 header checksum is wrong.";
    BadExtensionHeader "bad_extension_header" Network "An IPv6 extension header is cut or lies about its length.";
    FragmentOverlap "fragment_overlap" Network "Fragments of one packet overlap with different bytes.";
    FragmentTiny "fragment_tiny" Network "A first fragment is too small for the transport header.";
    FragmentTooLarge "fragment_too_large" Network "Fragments add up to more than an IP packet can hold.";
    FragmentTimeout "fragment_timeout" Network "A fragmented packet was never completed.";
    FragmentEvicted "fragment_evicted" Network "A fragmented packet was given up because too many were open at once.";
    FragmentInconsistent "fragment_inconsistent" Network "Fragments of one packet disagree about its length.";
    SameAddresses "same_addresses" Network "Source and destination address are equal (a land attack, or a loopback).";
    TruncatedTransport "truncated_transport" Transport "The packet ends inside its transport header.";
    BadTcpHeaderLength "bad_tcp_header_length" Transport "The TCP data offset is below its minimum or beyond the packet.";
    BadTcpChecksum "bad_tcp_checksum" Transport "The TCP checksum is wrong; often checksum offload at the capturing machine.";
    BadUdpChecksum "bad_udp_checksum" Transport "The UDP checksum is wrong; often checksum offload at the capturing machine.";
    BadUdpLength "bad_udp_length" Transport "The UDP length does not fit the packet.";
    BadIcmpChecksum "bad_icmp_checksum" Transport "The ICMP checksum is wrong.";
    TcpSynWithData "tcp_syn_with_data" Transport "A SYN carries data (TCP Fast Open, or an odd stack).";
    TcpBadFlags "tcp_bad_flags" Transport "Flags that no stack sends together, such as SYN with FIN or none at all.";
    TcpOverlap "tcp_overlap" Transport "A retransmission carries other bytes than the first transmission.";
    TcpGap "tcp_gap" Transport "Bytes of a stream were acknowledged but never seen.";
    TcpBufferFull "tcp_buffer_full" Transport "Out-of-order data exceeded its cap; the gap before it was given up.";
    StreamMemoryFull "stream_memory_full" Transport "The memory for out-of-order data of all flows was used up; a gap was given up.";
    FlowTableFull "flow_table_full" Transport "More flows than the table holds; the longest idle one was given up.";
    DnsMalformed "dns_malformed" Application "A DNS message ends early or contradicts itself.";
    DnsPointerLoop "dns_pointer_loop" Application "A compressed DNS name points forward, to itself, or too deep.";
    DnsUnmatchedAnswer "dns_unmatched_answer" Application "A DNS answer without its question.";
    HttpMalformed "http_malformed" Application "An HTTP message does not follow its grammar.";
    HttpHeaderTooLarge "http_header_too_large" Application "An HTTP header exceeded its cap and was not parsed.";
    HttpConflictingLength "http_conflicting_length" Application "Content-Length is given twice with different values, or beside chunked coding (request smuggling, or a broken peer).";
    Http2Malformed "http_frame_malformed" Application "A frame or header block of HTTP/2 contradicts itself.";
    WebSocketMalformed "websocket_malformed" Application "A frame of WebSocket contradicts itself.";
    TlsMalformed "tls_malformed" Application "A TLS record or handshake message contradicts itself.";
    TlsHandshakeTooLarge "tls_handshake_too_large" Application "A TLS handshake message exceeded its cap and was not parsed.";
    CertificateMalformed "certificate_malformed" Application "A certificate could not be parsed.";
    QuicMalformed "quic_malformed" Application "A packet of QUIC that could be read holds what it must not.";
    SshMalformed "ssh_malformed" Application "An SSH banner or key exchange contradicts itself.";
    SmbMalformed "smb_malformed" Application "An SMB message ends early or contradicts itself.";
    DcerpcMalformed "dcerpc_malformed" Application "A DCE/RPC packet contradicts itself, or does not follow the one before.";
    NtlmMalformed "ntlm_malformed" Application "An NTLM message points outside of itself, or is of no known type.";
    StateFull "state_full" Application "More things open in one flow (files, shares, sessions, contexts) than are remembered; the oldest was forgotten.";
    DhcpMalformed "dhcp_malformed" Application "A DHCP message ends early or contradicts itself.";
    KerberosMalformed "kerberos_malformed" Application "A Kerberos message does not follow its ASN.1.";
    LdapMalformed "ldap_malformed" Application "An LDAP message does not follow its ASN.1.";
    RdpMalformed "rdp_malformed" Application "A packet of an RDP connection's beginning contradicts itself.";
    SnmpMalformed "snmp_malformed" Application "An SNMP message does not follow its ASN.1.";
    RadiusMalformed "radius_malformed" Application "A RADIUS message ends early or contradicts itself.";
    TftpMalformed "tftp_malformed" Application "A TFTP packet of an unknown kind or an impossible length.";
    LineTooLong "line_too_long" Application "A line of a text protocol exceeded its cap; it was read up to there and the rest was skipped.";
    TooManyCommands "too_many_commands" Application "A session had more commands than are recorded; later ones were followed but not kept.";
    ModbusMalformed "modbus_malformed" Application "A Modbus message does not follow its format.";
    Dnp3BadCrc "dnp3_bad_crc" Application "A checksum inside a DNP3 frame is wrong.";
    Dnp3Malformed "dnp3_malformed" Application "A DNP3 frame or fragment contradicts itself.";
    S7Malformed "s7_malformed" Application "An S7 message, or the TPKT around it, contradicts itself.";
    EnipMalformed "enip_malformed" Application "An EtherNet/IP message does not follow its format.";
    BacnetMalformed "bacnet_malformed" Application "A BACnet message does not follow its format.";
    Iec104Malformed "iec104_malformed" Application "An IEC 60870-5-104 frame does not follow its format.";
    StratumMalformed "stratum_malformed" Application "A line between miner and pool is no JSON, or too long.";
    SipMalformed "sip_malformed" Application "A SIP message does not follow its grammar.";
    RtspMalformed "rtsp_malformed" Application "An RTSP message does not follow its grammar.";
    ParserBufferFull "parser_buffer_full" Application "A message exceeded the cap of its parser, which gave up the flow.";
    DatabaseMalformed "database_malformed" Application "A message of a database or message broker contradicts itself.";
    RecordsFull "records_full" Application "More commands in one flow than are recorded; the later ones are only counted by the flow.";
    PendingFull "pending_full" Application "More unanswered requests in one flow than are remembered; the oldest was written without its answer.";
}

/// What is worth keeping beside the name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Detail {
    /// The name says it all.
    #[default]
    None,
    /// A length that did not fit: how many bytes were needed, how many were there, and at which byte of the
    /// packet the thing starts.
    Length {
        /// Bytes needed.
        needed: u32,
        /// Bytes present.
        present: u32,
        /// Offset in the packet.
        at: u32,
    },
    /// A number, such as an unknown type.
    Number(u64),
    /// A short printable text.
    Text(Box<str>),
}

impl std::fmt::Display for Detail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Length { needed, present, at } => {
                write!(f, "needed {needed} bytes, present {present}, at byte {at}")
            }
            Self::Number(n) => write!(f, "{n}"),
            Self::Text(t) => f.write_str(t),
        }
    }
}

/// One oddity, met at one packet.
#[derive(Clone, Debug)]
pub struct Weird {
    /// What it was.
    pub kind: WeirdKind,
    /// When.
    pub ts: Timestamp,
    /// At which packet of the capture, from 1; 0 when it belongs to none.
    pub packet: u64,
    /// In which flow, where one is known.
    pub flow_id: Option<FlowId>,
    /// What is worth keeping.
    pub detail: Detail,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_explained() {
        let mut names: Vec<_> = WeirdKind::ALL.iter().map(|k| k.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), WeirdKind::ALL.len());
        for k in WeirdKind::ALL {
            assert!(
                k.sentence().ends_with('.')
                    && k.name().chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_')),
                "{k:?}"
            );
        }
    }
}
