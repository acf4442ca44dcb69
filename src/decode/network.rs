//! What do the IP headers say?
//!
//! IPv4 (RFC 791) with options and segmentation offload (total length 0), IPv6 (RFC 8200) with its chain of extension
//! headers, jumbograms (RFC 2675) and BIG TCP. Fragments go to the defragmenter. The fixed headers are read here,
//! because they are most of the work; extension headers, rarer and easier to get wrong, are sliced by etherparse.

use super::checksum;
use super::defrag::Fragment;
use super::walk::{Net, Span, Walk, n32};
use crate::model::addr::Ip;
use crate::model::bytes::{be16, be32};
use crate::model::flow::ip_protocol;
use crate::model::weird::{Detail, WeirdKind};
use etherparse::{IpAuthHeaderSlice, Ipv6FragmentHeaderSlice, Ipv6RawExtHeaderSlice};

/// Extension headers followed in one packet. Each takes at least 8 bytes, so a packet could hold thousands; the
/// longest chain in our captures, made to be long, has a hundred.
const MAX_EXTENSIONS: usize = 128;

/// IPv6 next header numbers (IANA ipv6-parameters).
mod next {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const NONE: u8 = 59;
    pub(super) const DESTINATION: u8 = 60;
    pub(super) const MOBILITY: u8 = 135;
    pub(super) const HIP: u8 = 139;
    pub(super) const SHIM6: u8 = 140;
}

/// Destination option that names the sender's home address (RFC 6275 section 6.3).
const OPTION_HOME_ADDRESS: u8 = 0xc9;
/// Hop-by-hop option that holds a length beyond 65,535 (RFC 2675).
const OPTION_JUMBO: u8 = 0xc2;

impl Walk<'_, '_> {
    /// An IP packet of the version in its first four bits. `expected` is what the layer below announced (0 = nothing).
    pub(super) fn ip(&mut self, s: Span, expected: u8) {
        let Some(&[first]) = self.need::<1>(s, WeirdKind::TruncatedIp) else { return };
        let version = first >> 4;
        if expected != 0 && version != expected {
            self.weird(WeirdKind::BadIpVersion, Detail::Number(u64::from(version)));
        }
        match version {
            4 => self.ipv4(s),
            6 => self.ipv6(s),
            _ if expected == 0 => {
                self.weird(WeirdKind::BadIpVersion, Detail::Number(u64::from(version)));
            }
            _ => {}
        }
    }

    #[inline]
    fn ipv4(&mut self, s: Span) {
        if !self.deeper() {
            return;
        }
        let Some(h) = self.need::<20>(s, WeirdKind::TruncatedIp) else { return };
        let header_len = usize::from(h[0] & 15) * 4;
        let total = usize::from(u16::from_be_bytes([h[2], h[3]]));
        if header_len < 20 || header_len > s.len() {
            self.weird(
                WeirdKind::BadIpHeaderLength,
                Detail::Length {
                    needed: n32(header_len.max(20)),
                    present: n32(header_len.min(s.len())),
                    at: n32(s.at),
                },
            );
            return;
        }
        let claimed = if total == 0 {
            // Segmentation offload: the card would have filled it in (Linux leaves 0 above 65,535 bytes).
            s
        } else if total < header_len {
            self.weird(
                WeirdKind::BadIpTotalLength,
                Detail::Length { needed: n32(header_len), present: n32(total), at: n32(s.at) },
            );
            s
        } else {
            if total > s.len() {
                self.weird(
                    WeirdKind::BadIpTotalLength,
                    Detail::Length { needed: n32(total), present: n32(s.len()), at: n32(s.at) },
                );
            }
            s.first(total)
        };
        if self.decoder.config.verify_checksums
            && let Some(header) = self.bytes(s).get(..header_len)
            && !checksum::holds(header)
        {
            self.weird(
                WeirdKind::BadIpChecksum,
                Detail::Number(u64::from(u16::from_be_bytes([h[10], h[11]]))),
            );
        }
        let dst = Ip::v4([h[16], h[17], h[18], h[19]]);
        let net = Net {
            src: Ip::v4([h[12], h[13], h[14], h[15]]),
            dst,
            protocol: h[9],
            version: 4,
            ttl: h[8],
            ip_bytes: n32(claimed.len()),
            fragments: 1,
            sums: (header_len..=s.len()).contains(&total),
            final_dst: dst,
        };
        self.check_addresses(&net, h[12] == 127);
        let payload = claimed.skip(header_len);
        let flags_offset = u16::from_be_bytes([h[6], h[7]]);
        if flags_offset & 0x3fff == 0 {
            self.upper(net, payload);
        } else {
            let id = u32::from(u16::from_be_bytes([h[4], h[5]]));
            let offset = u32::from(flags_offset & 0x1fff) * 8;
            self.fragment(&net, payload, id, offset, flags_offset & 0x2000 != 0);
        }
    }

    fn ipv6(&mut self, s: Span) {
        if !self.deeper() {
            return;
        }
        let Some(h) = self.need::<40>(s, WeirdKind::TruncatedIp) else { return };
        let [_, _, _, _, p0, p1, next, hops, rest @ ..] = h;
        let (Some(src), Some(dst)) = (rest.first_chunk::<16>(), rest.last_chunk::<16>()) else { return };
        let payload_len = usize::from(u16::from_be_bytes([*p0, *p1]));
        let claimed = if payload_len > 0 {
            if payload_len.saturating_add(40) > s.len() {
                self.weird(
                    WeirdKind::BadIpTotalLength,
                    Detail::Length { needed: n32(payload_len + 40), present: n32(s.len()), at: n32(s.at) },
                );
            }
            s.first(payload_len + 40)
        } else if *next == next::HOP_BY_HOP
            && let Some(jumbo) = self.jumbo_length(s.skip(40))
        {
            s.first(jumbo.saturating_add(40))
        } else if *next == next::NONE {
            s.first(40)
        } else {
            s
        };
        let (src, dst) = (Ip::v6(*src), Ip::v6(*dst));
        let net = Net {
            src,
            dst,
            protocol: *next,
            version: 6,
            ttl: *hops,
            ip_bytes: n32(claimed.len()),
            fragments: 1,
            sums: (1..=s.len().saturating_sub(40)).contains(&payload_len),
            final_dst: dst,
        };
        self.check_addresses(&net, src.0.starts_with(&[0; 15]));
        self.upper(net, claimed.skip(40));
    }

    /// Equal addresses are odd, except on the loopback interface.
    #[inline]
    fn check_addresses(&mut self, net: &Net, loopback: bool) {
        if net.src == net.dst && !loopback {
            self.weird(WeirdKind::SameAddresses, Detail::None);
        }
    }

    /// What follows the IP header, or what fragments were put together to: extension headers, then the transport.
    #[inline]
    pub(super) fn upper(&mut self, net: Net, s: Span) {
        match net.protocol {
            ip_protocol::TCP | ip_protocol::UDP => self.transport(&net, s),
            ip_protocol::AH => self.extensions(net, s),
            _ if net.version == 6 => self.extensions(net, s),
            _ => self.transport(&net, s),
        }
    }

    fn extensions(&mut self, mut net: Net, mut s: Span) {
        for _ in 0..MAX_EXTENSIONS {
            let bytes = self.bytes(s);
            let header_len = match net.protocol {
                next::MOBILITY | next::HIP | next::SHIM6 if bytes.first() == Some(&next::NONE) => break,
                next::HOP_BY_HOP
                | next::ROUTING
                | next::DESTINATION
                | next::MOBILITY
                | next::HIP
                | next::SHIM6
                    if net.version == 6 =>
                {
                    let Ok(header) = Ipv6RawExtHeaderSlice::from_slice(bytes) else {
                        return self.cut_extension(&net, s, bytes.get(1).map(|n| (usize::from(*n) + 1) * 8));
                    };
                    look_into(&mut net, header.slice());
                    net.protocol = header.next_header().0;
                    header.slice().len()
                }
                next::FRAGMENT if net.version == 6 => {
                    let Ok(header) = Ipv6FragmentHeaderSlice::from_slice(bytes) else {
                        return self.cut_extension(&net, s, Some(8));
                    };
                    net.protocol = header.next_header().0;
                    if header.is_fragmenting_payload() {
                        let offset = u32::from(header.fragment_offset().value()) * 8;
                        let (id, more) = (header.identification(), header.more_fragments());
                        return self.fragment(&net, s.skip(8), id, offset, more);
                    }
                    8 // RFC 6946: an atomic fragment is a whole packet.
                }
                ip_protocol::AH => {
                    let Ok(header) = IpAuthHeaderSlice::from_slice(bytes) else {
                        return self.cut_extension(&net, s, bytes.get(1).map(|n| (usize::from(*n) + 2) * 4));
                    };
                    net.protocol = header.next_header().0;
                    header.slice().len()
                }
                _ => return self.transport(&net, s),
            };
            s = s.skip(header_len);
        }
        if matches!(net.protocol, next::MOBILITY | next::HIP | next::SHIM6) {
            return self.transport(&net, s);
        }
        self.weird(WeirdKind::TooManyLayers, Detail::Number(MAX_EXTENSIONS as u64));
        let item = self.item(&net, s);
        self.out.items.push(item);
    }

    /// The chain breaks off: count the packet with what is known.
    fn cut_extension(&mut self, net: &Net, s: Span, needed: Option<usize>) {
        // A header that says it is long enough and is still refused lies about its length.
        let needed = needed.unwrap_or(8).max(8);
        if s.captured() >= needed {
            let (needed, present) = (n32(needed), n32(s.len()));
            self.weird(WeirdKind::BadExtensionHeader, Detail::Length { needed, present, at: n32(s.at) });
        } else {
            self.short(WeirdKind::BadExtensionHeader, needed, s);
        }
        let item = self.item(net, s);
        self.out.items.push(item);
    }

    /// The payload length that a hop-by-hop header at `s` holds for a jumbogram.
    fn jumbo_length(&self, s: Span) -> Option<usize> {
        let header = Ipv6RawExtHeaderSlice::from_slice(self.bytes(s)).ok()?;
        let at = option(header.slice(), OPTION_JUMBO)?;
        be32(header.slice(), at).map(|n| n as usize)
    }

    /// Hand a fragment on.
    #[cold]
    fn fragment(&mut self, net: &Net, s: Span, id: u32, offset: u32, more: bool) {
        // RFC 1858: the first fragment must hold the transport header, the second must not begin inside it.
        let (needed, present) = match (net.protocol, offset) {
            (ip_protocol::TCP, 0) => (20, n32(s.len())),
            (ip_protocol::TCP, _) => (20, offset),
            (_, 0) => (8, n32(s.len())),
            _ => (0, 0),
        };
        if present < needed {
            self.weird(WeirdKind::FragmentTiny, Detail::Length { needed, present, at: n32(s.at) });
        }
        let head = self.item(net, s);
        self.out.fragments.push(Fragment {
            head,
            final_dst: net.final_dst,
            id,
            offset,
            more,
            headers: self.headers,
        });
    }
}

/// Where the data of the first option of type `wanted` begins in an options header.
fn option(header: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 2;
    while let Some(&kind) = header.get(at) {
        if kind == wanted {
            return Some(at + 2);
        }
        at += match kind {
            0 => 1,
            _ => usize::from(*header.get(at + 1)?) + 2,
        };
    }
    None
}

/// What an extension header says about the addresses under the checksum.
fn look_into(net: &mut Net, header: &[u8]) {
    match net.protocol {
        next::ROUTING => {
            let (Some(&kind), Some(&left)) = (header.get(2), header.get(3)) else { return };
            if left == 0 {
                return;
            }
            // The last address of types 0 and 2, the first of segment routing (RFC 8754), is the final receiver.
            let address = match kind {
                0 | 2 => header.get(8..).and_then(|a| a.last_chunk::<16>()),
                4 => header.get(8..).and_then(|a| a.first_chunk::<16>()),
                _ => None,
            };
            match address {
                Some(address) => net.final_dst = Ip::v6(*address),
                None => net.sums = false,
            }
        }
        next::DESTINATION if option(header, OPTION_HOME_ADDRESS).is_some() => net.sums = false,
        _ => {}
    }
}

/// Could an IP packet of `version` fill these bytes? For tunnels that are told by content: version, header length
/// and a total length that fits into `room` bytes.
pub(super) fn plausible_ip(bytes: &[u8], room: usize) -> Option<u8> {
    let first = *bytes.first()?;
    match first >> 4 {
        4 => {
            let total = usize::from(be16(bytes, 2)?);
            let header = usize::from(first & 15) * 4;
            (header >= 20 && total >= header && total <= room).then_some(4)
        }
        6 => {
            let len = usize::from(be16(bytes, 4)?);
            (room >= 40 && len <= room - 40).then_some(6)
        }
        _ => None,
    }
}
