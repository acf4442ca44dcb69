//! What does an Ethernet frame carry?
//!
//! Ethernet II and IEEE 802.3 with LLC and SNAP, and the tags between the addresses and IP: VLANs (802.1Q, 802.1ad),
//! provider backbone (802.1ah), VN-Tag, FabricPath, MACsec without encryption (802.1AE, sliced by etherparse), switch tags,
//! MPLS (RFC 3032) with and without a pseudowire (RFC 4448), PPPoE (RFC 2516). The path from Ethernet over VLANs to IP is the
//! hottest of all; it is written out here because etherparse's slicing of a whole packet stops after three tags and at MPLS,
//! and costs as much as all of ours. Frames that carry no IP are nobody's fault and no weird.

use super::super::NO_VLAN;
use super::super::network::plausible_ip;
use super::super::walk::{Span, Walk};
use crate::model::addr::Mac;
use crate::model::bytes::be16;
use crate::model::weird::{Detail, WeirdKind};
use etherparse::{EtherType, LaxMacsecSlice};

/// Up to here the field is a length (IEEE 802.3 section 3.2.6).
const MAX_LENGTH: u16 = 1_500;
/// Labels in an MPLS stack.
const MAX_LABELS: usize = 16;

/// Types that carry no IP and are well known, so that meeting them is nothing odd (IANA ieee-802-numbers):
/// Wake-on-LAN, TRILL, IS-IS, RARP, AppleTalk, IPX, PPPoE discovery, jumbo frames, HomePlug, EAPOL, PROFINET, EtherCAT, ATA,
/// Powerlink, GOOSE and sampled values, LLDP, MRP, PTP, CFM, FCoE, RoCE, loopback, LACP and OAM, flow control, AVTP, LLT, BATMAN, …
const WITHOUT_IP: &[u16] = &[
    0x0842, 0x22ea, 0x22f0, 0x22f3, 0x22f4, 0x6002, 0x6003, 0x6004, 0x6007, 0x8035, 0x809b, 0x80f3, 0x8102,
    0x8137, 0x8138, 0x8204, 0x8808, 0x8809, 0x8819, 0x8863, 0x8874, 0x887b, 0x888e, 0x8892, 0x8899, 0x889a,
    0x88a2, 0x88a4, 0x88ab, 0x88b5, 0x88b6, 0x88b7, 0x88b8, 0x88b9, 0x88ba, 0x88bf, 0x88c7, 0x88ca, 0x88cb,
    0x88cc, 0x88cd, 0x88e1, 0x88e3, 0x88f5, 0x88f6, 0x88f7, 0x88fb, 0x8902, 0x8906, 0x890d, 0x8914, 0x8915,
    0x891d, 0x892f, 0x893a, 0x9000, 0x9003, 0x9998, 0xcafe, 0xfcfc,
];

/// Types that a tunnel may announce, and this decoder follows.
fn is_followed(ether_type: u16) -> bool {
    matches!(
        ether_type,
        0x0800
            | 0x0806
            | 0x86dd
            | 0x8100
            | 0x88a8
            | 0x9100
            | 0x8847
            | 0x8848
            | 0x8864
            | 0x88e7
            | 0x8926
            | 0x88e5
    )
}

/// Could an Ethernet frame fill these bytes? For tunnels told by content: a type that is followed or well known, IP of the
/// right version, or a length that fits.
pub(in crate::decode) fn plausible_ethernet(bytes: &[u8], room: usize) -> bool {
    let Some(ether_type) = be16(bytes, 12) else { return false };
    match ether_type {
        0x0800 | 0x86dd => {
            let version = bytes.get(14).map_or(0, |b| b >> 4);
            version == if ether_type == 0x0800 { 4 } else { 6 }
        }
        0..=MAX_LENGTH => usize::from(ether_type) + 14 <= room && ether_type >= 3,
        _ => is_followed(ether_type) || WITHOUT_IP.contains(&ether_type),
    }
}

impl Walk<'_, '_> {
    /// A frame from its destination address on.
    #[inline]
    pub(in crate::decode) fn ethernet(&mut self, s: Span) {
        if !self.deeper() {
            return;
        }
        let Some(h) = self.need::<14>(s, WeirdKind::TruncatedLink) else { return };
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *h;
        self.dst_mac = Mac([d0, d1, d2, d3, d4, d5]);
        self.src_mac = Mac([s0, s1, s2, s3, s4, s5]);
        self.type_or_length(u16::from_be_bytes([t0, t1]), s.skip(14));
    }

    /// The field after the addresses or a tag, and what it announces.
    #[inline]
    pub(in crate::decode) fn type_or_length(&mut self, field: u16, s: Span) {
        if field > MAX_LENGTH { self.ether_type(field, s) } else { self.llc(s.first(usize::from(field))) }
    }

    /// What an EtherType announces.
    #[inline]
    pub(in crate::decode) fn ether_type(&mut self, ether_type: u16, s: Span) {
        match ether_type {
            0x0800 => self.ip(s, 4),
            0x86dd => self.ip(s, 6),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => self.vlan(s),
            _ => self.other_ether_type(ether_type, s),
        }
    }

    fn vlan(&mut self, s: Span) {
        if !self.deeper() {
            return;
        }
        let Some(&[c0, c1, t0, t1]) = self.need::<4>(s, WeirdKind::TruncatedLink) else { return };
        self.tag(u16::from_be_bytes([c0, c1]) & 0x0fff);
        self.type_or_length(u16::from_be_bytes([t0, t1]), s.skip(4));
    }

    /// Remember a VLAN id; the third and further ones of a stack are not kept.
    fn tag(&mut self, id: u16) {
        if self.vlan == NO_VLAN {
            self.vlan = id;
        } else if self.inner_vlan == NO_VLAN {
            self.inner_vlan = id;
        }
    }

    fn other_ether_type(&mut self, ether_type: u16, s: Span) {
        if !self.deeper() {
            return;
        }
        match ether_type {
            0x0806 => self.arp(s),
            0x8847 | 0x8848 => self.mpls(s),
            0x8864 => self.pppoe(s),
            0x880b => self.ppp(s),
            0x6558 => self.ethernet(s),
            // The I-TAG of 802.1ah: priority, service id, then the customer's frame.
            0x88e7 => self.ethernet(s.skip(4)),
            // FabricPath: forwarding tag, then the customer's frame.
            0x8903 => self.ethernet(s.skip(2)),
            // VN-Tag (802.1Qbh): four bytes of interfaces, then the type.
            0x8926 => {
                if let Some(h) = self.need::<6>(s, WeirdKind::TruncatedLink) {
                    self.type_or_length(u16::from_be_bytes([h[4], h[5]]), s.skip(6));
                }
            }
            0x88e5 => self.macsec(s),
            _ if WITHOUT_IP.contains(&ether_type) => {}
            _ => self.weird(WeirdKind::UnknownEtherType, Detail::Number(u64::from(ether_type))),
        }
    }

    /// MACsec: readable when only integrity is protected.
    fn macsec(&mut self, s: Span) {
        match LaxMacsecSlice::from_slice(self.bytes(s)) {
            Ok(slice) => {
                if let Some(EtherType(inner)) = slice.next_ether_type() {
                    // The header includes the inner type; the integrity check value follows the payload.
                    self.type_or_length(inner, s.skip(slice.header.header_len()));
                }
            }
            Err(_) => self.short(WeirdKind::TruncatedLink, 8, s),
        }
    }

    /// A stack of labels; what follows is told by its first bits (RFC 4928), as the labels do not say it.
    pub(in crate::decode) fn mpls(&mut self, mut s: Span) {
        let mut bottom = false;
        for _ in 0..MAX_LABELS {
            let Some(&[_, _, third, _]) = self.need::<4>(s, WeirdKind::TruncatedLink) else { return };
            s = s.skip(4);
            bottom = third & 1 == 1;
            if bottom {
                break;
            }
        }
        if !bottom {
            return self.weird(WeirdKind::TooManyLayers, Detail::Number(MAX_LABELS as u64));
        }
        let bytes = self.bytes(s);
        let after_word = bytes.get(4..).unwrap_or(&[]);
        match bytes.first().map(|b| b >> 4) {
            Some(version @ (4 | 6))
                if plausible_ip(bytes, s.len()).is_some() || !plausible_ethernet(bytes, s.len()) =>
            {
                self.ip(s, version);
            }
            Some(0) if plausible_ethernet(after_word, s.len().saturating_sub(4)) => self.ethernet(s.skip(4)),
            Some(1) => {} // an associated channel: management of the pseudowire (RFC 5586)
            Some(_) if plausible_ethernet(bytes, s.len()) => self.ethernet(s),
            Some(_) => {}
            None => self.short(WeirdKind::TruncatedLink, 1, s),
        }
    }

    /// PPPoE from its version on; only sessions carry packets.
    pub(in crate::decode) fn pppoe(&mut self, s: Span) {
        let Some(&[version_type, code, _, _, l0, l1]) = self.need::<6>(s, WeirdKind::TruncatedLink) else {
            return;
        };
        if version_type == 0x11 && code == 0 {
            self.ppp(s.skip(6).first(usize::from(u16::from_be_bytes([l0, l1]))));
        }
    }

    /// LLC (IEEE 802.2): SNAP, the IP access point, or OSI's network layer identifiers.
    pub(in crate::decode) fn llc(&mut self, s: Span) {
        let Some(&[dsap, ssap, control]) = self.need::<3>(s, WeirdKind::TruncatedLink) else { return };
        match (dsap & 0xfe, ssap & 0xfe, control) {
            (0xaa, 0xaa, 3) => self.snap(s.skip(3)),
            (0x06, 0x06, 3) => self.ip(s.skip(3), 4),
            (0xfe, 0xfe, 3) => self.nlpid(s.skip(3)),
            _ => {}
        }
    }

    /// Classical IP over ATM: LLC, unless the IP packet stands alone.
    pub(in crate::decode) fn llc_or_ip(&mut self, s: Span) {
        if plausible_ip(self.bytes(s), s.len()).is_some() { self.ip(s, 0) } else { self.llc(s) }
    }

    /// SNAP: an organisation and its type (RFC 1042).
    pub(in crate::decode) fn snap(&mut self, s: Span) {
        let Some(&[o0, o1, o2, t0, t1]) = self.need::<5>(s, WeirdKind::TruncatedLink) else { return };
        let kind = u16::from_be_bytes([t0, t1]);
        match [o0, o1, o2] {
            // 00-00-f8 is the bridge tunnel of 802.1H, which keeps EtherTypes apart from lengths.
            [0, 0, 0] | [0, 0, 0xf8] => self.ether_type(kind, s.skip(5)),
            // A bridged 802.3 frame with or without its checksum (RFC 2427 section 4.2).
            [0, 0x80, 0xc2] if kind == 1 || kind == 7 => self.ethernet(s.skip(5)),
            _ => {}
        }
    }

    /// A network layer protocol identifier (ISO/IEC TR 9577).
    pub(in crate::decode) fn nlpid(&mut self, s: Span) {
        match self.need::<1>(s, WeirdKind::TruncatedLink) {
            Some([0xcc]) => self.ip(s.skip(1), 4),
            Some([0x8e]) => self.ip(s.skip(1), 6),
            Some([0x80]) => self.snap(s.skip(1)),
            _ => {}
        }
    }

    /// A switch's tag of `n` bytes between the addresses and the type.
    pub(in crate::decode) fn switch_tag(&mut self, s: Span, n: usize) {
        self.addresses(s);
        let after = s.skip(12 + n);
        if let Some(&field) = self.need::<2>(after, WeirdKind::TruncatedLink) {
            self.type_or_length(u16::from_be_bytes(field), after.skip(2));
        }
    }

    /// Marvell's distributed switch tag, `lead` bytes after the addresses. A tagged frame keeps its VLAN id in it
    /// (the 802.1Q header was replaced), an untagged one keeps nothing.
    pub(in crate::decode) fn dsa(&mut self, s: Span, lead: usize) {
        if let Some(&[first, _, hi, lo]) = self.need::<4>(s.skip(12 + lead), WeirdKind::TruncatedLink)
            && first & 0x20 != 0
        {
            self.tag(u16::from_be_bytes([hi, lo]) & 0x0fff);
        }
        self.switch_tag(s, lead + 4);
    }

    fn addresses(&mut self, s: Span) {
        if let Some((dst, rest)) = self.bytes(s).split_first_chunk::<6>()
            && let Some(src) = rest.first_chunk::<6>()
        {
            (self.dst_mac, self.src_mac) = (Mac(*dst), Mac(*src));
        }
    }
}
