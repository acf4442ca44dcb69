//! What does the transport header say?
//!
//! TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792), ICMPv6 (RFC 4443) and the ports of SCTP (RFC 9260). Every other
//! protocol is counted without ports; GRE, IP in IP and their kin are counted, then followed by `tunnel`. TCP and UDP
//! headers are read here and not by etherparse, because a cut header must still give its ports and because this is the
//! hottest code of the decoder: etherparse's lax slicing of a whole packet took about as long as our decoder with checksums. A test
//! in `samples` keeps both in agreement. The packets that ICMP errors quote are sliced by etherparse: they are always cut, and
//! its lax slices are made for that.

use super::checksum;
use super::walk::{Net, Span, Walk, n32};
use super::{Decoded, Role, TcpHeader};
use crate::model::addr::Ip;
use crate::model::bytes::{be16, be32};
use crate::model::flow::ip_protocol;
use crate::model::weird::{Detail, WeirdKind};
use etherparse::LaxIpSlice;

/// Bytes of the common ICMP header; what follows is payload (Zeek counts it so, too).
const ICMP_HEADER: usize = 8;

impl Walk<'_, '_> {
    /// The transport of a whole IP packet.
    #[inline]
    pub(super) fn transport(&mut self, net: &Net, s: Span) {
        match net.protocol {
            ip_protocol::TCP => self.tcp(net, s),
            ip_protocol::UDP => self.udp(net, s),
            ip_protocol::ICMP | ip_protocol::ICMP6 => self.icmp(net, s),
            ip_protocol::SCTP => self.sctp(net, s),
            _ => {
                let item = self.item(net, s);
                self.out.items.push(item);
                self.ip_tunnel(net, s);
            }
        }
    }

    #[inline]
    fn tcp(&mut self, net: &Net, s: Span) {
        let mut d = self.item(net, s);
        let Some(h) = self.need::<20>(s, WeirdKind::TruncatedTransport) else {
            self.cut_ports(&mut d, s);
            self.out.items.push(d);
            return;
        };
        let header_len = usize::from(h[12] >> 4) * 4;
        d.has_transport = true;
        d.src_port = u16::from_be_bytes([h[0], h[1]]);
        d.dst_port = u16::from_be_bytes([h[2], h[3]]);
        let flags = h[13];
        let fits = header_len >= 20 && header_len <= s.len();
        d.tcp = TcpHeader {
            seq: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
            ack: if flags & 16 != 0 { u32::from_be_bytes([h[8], h[9], h[10], h[11]]) } else { 0 },
            flags,
            window: u16::from_be_bytes([h[14], h[15]]),
            options_len: if fits { (header_len - 20) as u8 } else { 0 },
        };
        if !fits {
            let (needed, present) = (n32(header_len.max(20)), n32(header_len.min(s.len())));
            self.weird(WeirdKind::BadTcpHeaderLength, Detail::Length { needed, present, at: n32(s.at) });
        }
        // A header that lies about its length leaves nothing that could be called payload.
        set_payload(&mut d, s.skip(if fits { header_len } else { s.len() }));
        self.verify(net, s, WeirdKind::BadTcpChecksum, u16::from_be_bytes([h[16], h[17]]));
        self.out.items.push(d);
    }

    #[inline]
    fn udp(&mut self, net: &Net, s: Span) {
        let mut d = self.item(net, s);
        let Some(h) = self.need::<8>(s, WeirdKind::TruncatedTransport) else {
            self.cut_ports(&mut d, s);
            self.out.items.push(d);
            return;
        };
        d.has_transport = true;
        d.src_port = u16::from_be_bytes([h[0], h[1]]);
        d.dst_port = u16::from_be_bytes([h[2], h[3]]);
        let len = usize::from(u16::from_be_bytes([h[4], h[5]]));
        let sum = u16::from_be_bytes([h[6], h[7]]);
        // 0 stands for more than 65,535 bytes (RFC 2675), or the card would have filled it in.
        let datagram = if len == 0 && (!net.sums || s.len() > 0xffff) { s } else { s.first(len.max(8)) };
        if datagram.len() != s.len() || (len != 0 && len != s.len()) {
            self.weird(
                WeirdKind::BadUdpLength,
                Detail::Length { needed: n32(len), present: n32(s.len()), at: n32(s.at) },
            );
        }
        let payload = datagram.skip(8);
        set_payload(&mut d, payload);
        if sum != 0 {
            self.verify(net, datagram, WeirdKind::BadUdpChecksum, sum);
        } else if net.version == 6
            && self.decoder.config.verify_checksums
            && !self.decoder.ports.has(d.dst_port)
        {
            // RFC 8200 section 8.1 forbids it; RFC 6935 allows it to tunnels.
            self.weird(WeirdKind::BadUdpChecksum, Detail::Number(0));
        }
        let (src_port, dst_port) = (d.src_port, d.dst_port);
        self.out.items.push(d);
        self.udp_tunnel(src_port, dst_port, payload);
    }

    /// Of a header that is cut, the ports at least: the packet belongs to their flow.
    #[cold]
    fn cut_ports(&self, d: &mut Decoded, s: Span) {
        if let Some(&[s0, s1, d0, d1]) = self.head::<4>(s) {
            (d.src_port, d.dst_port) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
        }
    }

    fn sctp(&mut self, net: &Net, s: Span) {
        let mut d = self.item(net, s);
        if let Some(h) = self.need::<12>(s, WeirdKind::TruncatedTransport) {
            d.has_transport = true;
            d.src_port = u16::from_be_bytes([h[0], h[1]]);
            d.dst_port = u16::from_be_bytes([h[2], h[3]]);
            set_payload(&mut d, s.skip(12));
        } else {
            self.cut_ports(&mut d, s);
        }
        self.out.items.push(d);
    }

    fn icmp(&mut self, net: &Net, s: Span) {
        let mut d = self.item(net, s);
        let Some(&[kind, code, sum_hi, sum_lo]) = self.need::<4>(s, WeirdKind::TruncatedTransport) else {
            self.out.items.push(d);
            return;
        };
        let v6 = net.protocol == ip_protocol::ICMP6;
        d.has_transport = true;
        (d.src_port, d.dst_port, d.icmp) = (u16::from(kind), u16::from(code), (kind, code));
        if has_identifier(v6, kind) {
            d.icmp_id = be16(self.bytes(s), 4).unwrap_or(0);
        }
        set_payload(&mut d, s.skip(ICMP_HEADER.min(s.len())));
        let sum = u16::from_be_bytes([sum_hi, sum_lo]);
        if v6 {
            self.verify(net, s, WeirdKind::BadIcmpChecksum, sum);
        } else if self.decoder.config.verify_checksums && s.is_whole() && !checksum::holds(self.bytes(s)) {
            self.weird(WeirdKind::BadIcmpChecksum, Detail::Number(u64::from(sum)));
        }
        self.message(net, &d, s);
        self.out.items.push(d);
        if is_error(v6, kind) {
            self.quoted(net, (kind, code), s.skip(ICMP_HEADER));
        }
        if v6 && (kind == 135 || kind == 136) {
            self.neighbour(net, kind, s);
        }
    }

    /// The checksum of a segment that was captured whole.
    #[inline]
    fn verify(&mut self, net: &Net, s: Span, kind: WeirdKind, stored: u16) {
        if self.decoder.config.verify_checksums
            && net.sums
            && s.is_whole()
            && !checksum::holds_under(net.src, net.final_dst, net.protocol, self.bytes(s))
        {
            self.weird(kind, Detail::Number(u64::from(stored)));
        }
    }

    /// The packet that an ICMP error quotes, as far as it goes (RFC 792: header and 64 bits; RFC 4884: more).
    fn quoted(&mut self, net: &Net, error: (u8, u8), s: Span) {
        let Ok((ip, _)) = LaxIpSlice::from_slice(self.bytes(s)) else { return };
        let first_fragment = match &ip {
            LaxIpSlice::Ipv4(v4) => v4.header().fragments_offset().value() == 0,
            LaxIpSlice::Ipv6(v6) => !v6.is_payload_fragmented(),
        };
        let quoted = Net {
            src: Ip::from(ip.source_addr()),
            dst: Ip::from(ip.destination_addr()),
            protocol: ip.payload_ip_number().0,
            version: if ip.ipv4().is_some() { 4 } else { 6 },
            ttl: 0,
            ip_bytes: 0,
            fragments: 0,
            ..*net
        };
        let mut d = self.item(&quoted, s.first(0));
        (d.role, d.icmp) = (Role::Quoted, error);
        let payload = if first_fragment { ip.payload().payload } else { &[] };
        match quoted.protocol {
            ip_protocol::TCP | ip_protocol::UDP | ip_protocol::SCTP => {
                if let (Some(src), Some(dst)) = (be16(payload, 0), be16(payload, 2)) {
                    (d.has_transport, d.src_port, d.dst_port) = (true, src, dst);
                }
                if quoted.protocol == ip_protocol::TCP {
                    d.tcp.seq = be32(payload, 4).unwrap_or(0);
                }
            }
            protocol @ (ip_protocol::ICMP | ip_protocol::ICMP6) => {
                if let [kind, code, ..] = payload {
                    (d.has_transport, d.src_port, d.dst_port) = (true, u16::from(*kind), u16::from(*code));
                    if has_identifier(protocol == ip_protocol::ICMP6, *kind) {
                        d.icmp_id = be16(payload, 4).unwrap_or(0);
                    }
                }
            }
            _ => {}
        }
        self.out.items.push(d);
    }
}

/// Let the payload of `d` be `s`.
#[inline]
fn set_payload(d: &mut Decoded, s: Span) {
    d.payload_start = n32(s.at);
    d.payload_captured = n32(s.captured());
    d.payload_len = n32(s.len());
}

/// Errors quote the packet they are about: unreachable, source quench, redirect, time exceeded, parameter problem;
/// ICMPv6: unreachable, too big, time exceeded, parameter problem.
fn is_error(v6: bool, kind: u8) -> bool {
    if v6 { matches!(kind, 1..=4) } else { matches!(kind, 3 | 4 | 5 | 11 | 12) }
}

/// Echo, timestamp, information and address mask messages carry an identifier (IANA icmp-parameters).
fn has_identifier(v6: bool, kind: u8) -> bool {
    if v6 { matches!(kind, 128 | 129) } else { matches!(kind, 0 | 8 | 13..=18) }
}
