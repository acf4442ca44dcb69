//! How does the decoder move through a packet?
//!
//! A [`Walk`] holds what is known so far of one packet (link addresses, VLANs, tunnels, level) and goes down its headers.
//! A [`Span`] says where the bytes at hand lie, how many were captured and how many were on the wire, so that a short
//! snaplen, padding and lying lengths are kept apart: a header that was on the wire but not captured is no oddity, one
//! that was never there is a weird.

use super::config::Config;
use super::path::{Paths, Step};
use super::tunnel::PortSet;
use super::{Decoded, Layers, NO_VLAN, PayloadAt, Role, TcpHeader, TunnelPath};
use crate::model::addr::{Ip, Mac};
use crate::model::ids::MAX_LEVELS;
use crate::model::packet::RawPacket;
use crate::model::time::Timestamp;
use crate::model::weird::{Detail, Weird, WeirdKind};

/// Nested headers that are followed (VLAN tags, MPLS stacks, tunnels, IP layers; IPv6 extension headers have a cap
/// of their own). Real networks stay below ten; Suricata stops at 16, too.
const MAX_HEADERS: u8 = 16;

/// The decoder: settings and what all workers share. Decoding changes nothing in it, so any number of threads may use it.
#[derive(Debug)]
pub struct Decoder {
    pub(super) config: Config,
    pub(super) ports: PortSet,
    pub(super) paths: Paths,
}

impl Decoder {
    /// A decoder with these settings.
    pub fn new(config: &Config) -> Self {
        Self { config: config.clone(), ports: PortSet::new(config), paths: Paths::default() }
    }

    /// Decode one packet, the `index`-th of its batch, and append what it holds to `out`.
    pub fn decode(&self, packet: &RawPacket<'_>, index: u32, out: &mut Layers) {
        let before = (out.items.len(), out.arps.len(), out.fragments.len(), out.unknown_link);
        let meta = &packet.meta;
        let stamp = Stamp {
            ts: meta.ts,
            packet: packet.number,
            file_offset: meta.file_offset,
            index,
            file_no: meta.file_no,
        };
        // An original length below the captured one is a fault of the writer; the bytes are there.
        let wire = (meta.original as usize).max(packet.data.len());
        let span = Span { at: 0, end: packet.data.len(), wire };
        let mut walk = Walk::new(self, packet.data, stamp, PayloadAt::Packet, out);
        walk.link(meta.link, span);
        if before == (out.items.len(), out.arps.len(), out.fragments.len(), out.unknown_link) {
            out.not_ip += 1;
        }
    }
}

/// Which packet it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) ts: Timestamp,
    pub(super) packet: u64,
    pub(super) file_offset: u64,
    pub(super) index: u32,
    pub(super) file_no: u16,
}

/// A part of a packet: `at..end` was captured, `at..wire` was on the wire; all count from the start of the buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) wire: usize,
}

impl Span {
    /// Bytes on the wire.
    #[inline]
    pub(super) fn len(self) -> usize {
        self.wire.saturating_sub(self.at)
    }

    /// Bytes captured.
    #[inline]
    pub(super) fn captured(self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// Was all of it captured?
    #[inline]
    pub(super) fn is_whole(self) -> bool {
        self.end >= self.wire
    }

    /// Without its first `n` bytes; empty when there are fewer.
    #[inline]
    pub(super) fn skip(self, n: usize) -> Self {
        let at = self.at.saturating_add(n);
        Self { at, end: self.end.max(at), wire: self.wire.max(at) }
    }

    /// Only its first `n` bytes on the wire.
    #[inline]
    pub(super) fn first(self, n: usize) -> Self {
        let wire = self.wire.min(self.at.saturating_add(n));
        Self { at: self.at, end: self.end.min(wire), wire }
    }
}

/// A length as the records keep it.
#[inline]
pub(super) fn n32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// What an IP header (and its extensions) said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Net {
    pub(super) src: Ip,
    pub(super) dst: Ip,
    pub(super) protocol: u8,
    pub(super) version: u8,
    pub(super) ttl: u8,
    /// IP length with headers on the wire, all fragments added.
    pub(super) ip_bytes: u32,
    /// Packets it came in.
    pub(super) fragments: u16,
    /// May the transport checksum be verified? Not when the length field is empty (segmentation offload).
    pub(super) sums: bool,
    /// The receiver for the pseudo header: a routing header hides the real one.
    pub(super) final_dst: Ip,
}

/// One packet being decoded.
pub(super) struct Walk<'a, 'o> {
    pub(super) decoder: &'a Decoder,
    pub(super) data: &'a [u8],
    pub(super) stamp: Stamp,
    pub(super) payload_at: PayloadAt,
    pub(super) out: &'o mut Layers,
    pub(super) src_mac: Mac,
    pub(super) dst_mac: Mac,
    pub(super) vlan: u16,
    pub(super) inner_vlan: u16,
    pub(super) tunnel: TunnelPath,
    pub(super) level: u8,
    pub(super) headers: u8,
}

impl<'a, 'o> Walk<'a, 'o> {
    /// At the first byte of `data`, knowing nothing.
    #[inline]
    pub(super) fn new(
        decoder: &'a Decoder,
        data: &'a [u8],
        stamp: Stamp,
        payload_at: PayloadAt,
        out: &'o mut Layers,
    ) -> Self {
        Self {
            decoder,
            data,
            stamp,
            payload_at,
            out,
            src_mac: Mac::NONE,
            dst_mac: Mac::NONE,
            vlan: NO_VLAN,
            inner_vlan: NO_VLAN,
            tunnel: None,
            level: 0,
            headers: 0,
        }
    }

    /// The captured bytes of a span.
    #[inline]
    pub(super) fn bytes(&self, s: Span) -> &'a [u8] {
        self.data.get(s.at..s.end).unwrap_or(&[])
    }

    /// The first `N` bytes of a span, when they were captured.
    #[inline]
    pub(super) fn head<const N: usize>(&self, s: Span) -> Option<&'a [u8; N]> {
        self.bytes(s).first_chunk::<N>()
    }

    /// Like [`Self::head`]; when the bytes were not even on the wire, that is a weird of `kind`.
    #[inline]
    pub(super) fn need<const N: usize>(&mut self, s: Span, kind: WeirdKind) -> Option<&'a [u8; N]> {
        let head = self.head(s);
        if head.is_none() {
            self.short(kind, N, s);
        }
        head
    }

    /// A header of `needed` bytes does not fit into the span: a weird, unless only the snaplen cut it.
    #[cold]
    pub(super) fn short(&mut self, kind: WeirdKind, needed: usize, s: Span) {
        if s.len() < needed {
            self.weird(kind, Detail::Length { needed: n32(needed), present: n32(s.len()), at: n32(s.at) });
        }
    }

    /// Note an oddity of this packet.
    #[cold]
    pub(super) fn weird(&mut self, kind: WeirdKind, detail: Detail) {
        self.out.weirds.push(Weird {
            kind,
            ts: self.stamp.ts,
            packet: self.stamp.packet,
            flow_id: None,
            detail,
        });
    }

    /// One header deeper; false when that is too deep.
    #[inline]
    pub(super) fn deeper(&mut self) -> bool {
        if self.headers >= MAX_HEADERS {
            self.weird(WeirdKind::TooManyLayers, Detail::Number(u64::from(self.headers)));
            return false;
        }
        self.headers += 1;
        true
    }

    /// Into a tunnel: a new level without link addresses. False when that is one level too many.
    pub(super) fn enter(&mut self, step: Step) -> bool {
        if self.level + 1 >= MAX_LEVELS {
            self.weird(WeirdKind::TooManyLayers, Detail::Number(u64::from(MAX_LEVELS)));
            return false;
        }
        if !self.deeper() {
            return false;
        }
        self.level += 1;
        self.tunnel = Some(self.out.paths.extend(&self.decoder.paths, &self.tunnel, step));
        (self.src_mac, self.dst_mac) = (Mac::NONE, Mac::NONE);
        (self.vlan, self.inner_vlan) = (NO_VLAN, NO_VLAN);
        true
    }

    /// A record of this packet with all of `payload` as its payload and no transport.
    #[inline]
    pub(super) fn item(&self, net: &Net, payload: Span) -> Decoded {
        Decoded {
            ts: self.stamp.ts,
            packet: self.stamp.packet,
            file_offset: self.stamp.file_offset,
            index: self.stamp.index,
            file_no: self.stamp.file_no,
            src: net.src,
            dst: net.dst,
            src_port: 0,
            dst_port: 0,
            protocol: net.protocol,
            ip_version: net.version,
            ttl: net.ttl,
            level: self.level,
            role: Role::Packet,
            has_transport: false,
            tcp: TcpHeader::default(),
            icmp: (0, 0),
            icmp_id: 0,
            payload_at: self.payload_at,
            payload_start: n32(payload.at),
            payload_captured: n32(payload.captured()),
            payload_len: n32(payload.len()),
            ip_bytes: net.ip_bytes,
            fragments: net.fragments,
            src_mac: self.src_mac,
            dst_mac: self.dst_mac,
            vlan: self.vlan,
            inner_vlan: self.inner_vlan,
            tunnel: self.tunnel.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_never_turn_around() {
        let s = Span { at: 4, end: 10, wire: 20 };
        assert_eq!((s.len(), s.captured(), s.is_whole()), (16, 6, false));
        let past = s.skip(100);
        assert_eq!((past.len(), past.captured()), (0, 0));
        let cut = s.first(3);
        assert_eq!((cut.len(), cut.captured(), cut.is_whole()), (3, 3, true));
        let long = s.first(1_000);
        assert_eq!((long.len(), long.captured()), (16, 6));
        assert_eq!(s.skip(usize::MAX).captured(), 0);
    }
}
