//! What do serial lines and the local networks of the last century carry?
//!
//! PPP (RFC 1661, 1662), Cisco HDLC, Frame Relay (RFC 2427), SLIP, FDDI (RFC 1390), Token Ring (RFC 1042), ARCNET (RFC 1201,
//! RFC 1051), IP over InfiniBand (RFC 4391), Fibre Channel (RFC 4338) and IEEE 1394 (RFC 2734). Compressed headers
//! (RFC 1144) and PPP multilink fragments need state between packets and are not followed.

use super::super::walk::{Span, Walk};
use crate::model::addr::Mac;
use crate::model::weird::WeirdKind;

impl Walk<'_, '_> {
    /// PPP with or without address and control field, with one or two bytes of protocol.
    pub(in crate::decode) fn ppp(&mut self, s: Span) {
        let s = if self.bytes(s).starts_with(&[0xff, 3]) { s.skip(2) } else { s };
        let Some(&[first]) = self.need::<1>(s, WeirdKind::TruncatedLink) else { return };
        // The last byte of a protocol number is odd, all before it are even (RFC 1661 section 2).
        let (protocol, s) = if first & 1 == 1 {
            (u16::from(first), s.skip(1))
        } else {
            let Some(&number) = self.need::<2>(s, WeirdKind::TruncatedLink) else { return };
            (u16::from_be_bytes(number), s.skip(2))
        };
        match protocol {
            0x0021 => self.ip(s, 4),
            0x0057 => self.ip(s, 6),
            0x0281 | 0x0283 => self.mpls(s),
            _ => {} // control protocols, bridging, compression, multilink
        }
    }

    /// A serial line: Cisco's framing or PPP's.
    pub(super) fn ppp_or_chdlc(&mut self, s: Span) {
        match self.bytes(s) {
            [0x0f | 0x8f, 0, ..] => self.chdlc(s),
            _ => self.ppp(s),
        }
    }

    /// Cisco HDLC: address, control, EtherType.
    pub(super) fn chdlc(&mut self, s: Span) {
        let Some(&[_, _, t0, t1]) = self.need::<4>(s, WeirdKind::TruncatedLink) else { return };
        match u16::from_be_bytes([t0, t1]) {
            0x2000 | 0x8035 => {} // CDP and SLARP
            0xfefe => self.nlpid(s.skip(5)),
            kind => self.ether_type(kind, s.skip(4)),
        }
    }

    /// Frame Relay: an address of two to four bytes, then an NLPID or Cisco's EtherType.
    pub(super) fn frame_relay(&mut self, s: Span) {
        let Some(len) = self.bytes(s).iter().take(4).position(|b| b & 1 == 1) else {
            return self.short(WeirdKind::TruncatedLink, 2, s);
        };
        let s = s.skip(len + 1);
        match *self.bytes(s) {
            [3, 0, ..] => self.nlpid(s.skip(2)), // padded to an even offset
            [3, ..] => self.nlpid(s.skip(1)),
            [t0, t1, ..] if t0 >= 6 => self.ether_type(u16::from_be_bytes([t0, t1]), s.skip(2)),
            _ => self.short(WeirdKind::TruncatedLink, 2, s),
        }
    }

    /// BSD's SLIP: direction, compressed header (15 bytes), then the IP packet.
    pub(super) fn slip(&mut self, s: Span) {
        let Some(&[_, kind]) = self.need::<2>(s, WeirdKind::TruncatedLink) else { return };
        if kind < 0x70 {
            self.ip(s.skip(16), 0);
        }
    }

    /// FDDI: frame control, addresses, LLC.
    pub(super) fn fddi(&mut self, s: Span) {
        let Some(h) = self.need::<13>(s, WeirdKind::TruncatedLink) else { return };
        let [control, d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *h;
        self.dst_mac = Mac([d0, d1, d2, d3, d4, d5]);
        self.src_mac = Mac([s0, s1, s2, s3, s4, s5]);
        if control & 0x30 == 0x10 {
            self.llc(s.skip(13));
        }
    }

    /// Token Ring: access and frame control, addresses, perhaps source routing, LLC.
    pub(super) fn token_ring(&mut self, s: Span) {
        let Some(h) = self.need::<14>(s, WeirdKind::TruncatedLink) else { return };
        let [_, control, d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *h;
        self.dst_mac = Mac([d0, d1, d2, d3, d4, d5]);
        self.src_mac = Mac([s0 & 0x7f, s1, s2, s3, s4, s5]);
        let mut s = s.skip(14);
        if s0 & 0x80 != 0 {
            let Some(&[routing]) = self.need::<1>(s, WeirdKind::TruncatedLink) else { return };
            s = s.skip(usize::from(routing & 0x1f).max(2));
        }
        if control & 0xc0 == 0x40 {
            self.llc(s);
        }
    }

    /// ARCNET: addresses, with Linux two bytes of offset, protocol, and a sequence with RFC 1201.
    pub(super) fn arcnet(&mut self, s: Span, linux: bool) {
        let s = s.skip(if linux { 4 } else { 2 });
        let Some(&[protocol]) = self.need::<1>(s, WeirdKind::TruncatedLink) else { return };
        let s = s.skip(1);
        let payload = match protocol {
            240 | 241 => s, // RFC 1051 has no sequence
            _ => {
                let Some(&[split]) = self.need::<1>(s, WeirdKind::TruncatedLink) else { return };
                match split {
                    0 => s.skip(3),
                    0xff => s.skip(7), // an exception packet repeats the header
                    _ => return,       // a part of a packet
                }
            }
        };
        match protocol {
            212 | 240 => self.ip(payload, 4),
            196 => self.ip(payload, 6),
            213 | 241 => self.arp(payload),
            _ => {}
        }
    }

    /// IP over InfiniBand: the global route header, EtherType, two reserved bytes.
    pub(super) fn ip_over_infiniband(&mut self, s: Span) {
        let s = s.skip(40);
        let Some(&[t0, t1, _, _]) = self.need::<4>(s, WeirdKind::TruncatedLink) else { return };
        self.ether_type(u16::from_be_bytes([t0, t1]), s.skip(4));
    }

    /// IP over Fibre Channel: two network addresses of eight bytes, LLC.
    pub(super) fn ip_over_fc(&mut self, s: Span) {
        self.llc(s.skip(16));
    }

    /// IP over IEEE 1394: two EUI-64 addresses, EtherType.
    pub(super) fn ieee1394(&mut self, s: Span) {
        let s = s.skip(16);
        let Some(&kind) = self.need::<2>(s, WeirdKind::TruncatedLink) else { return };
        self.ether_type(u16::from_be_bytes(kind), s.skip(2));
    }
}
