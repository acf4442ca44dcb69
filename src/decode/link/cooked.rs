//! What do the headers that capture programs make up carry?
//!
//! Loopback (NULL, LOOP), Linux cooked (SLL, SLL2), NFLOG, PKTAP, firewall logs, Solaris IPNET, switch and router
//! vendors' wrappers: none of these was on a wire. Layouts: www.tcpdump.org/linktypes.html. etherparse knows SLL, but only for
//! some hardware types, so all are read here.

use super::super::walk::{Span, Walk};
use crate::model::addr::Mac;
use crate::model::bytes::Cursor;
use crate::model::packet::LinkType;
use crate::model::weird::{Detail, WeirdKind};

/// Attributes looked at in one NFLOG packet; Linux writes about a dozen.
const MAX_ATTRIBUTES: usize = 64;

/// ARPHRD_ numbers of Linux, where they change what the protocol field means.
mod hardware {
    pub(super) const IEEE80211: u16 = 801;
    pub(super) const RADIOTAP: u16 = 803;
    pub(super) const NETLINK: u16 = 824;
}

impl Walk<'_, '_> {
    /// An address family as systems number it: 2 is IPv4 everywhere, IPv6 differs (Linux 10, Windows 23, NetBSD and
    /// OpenBSD 24, Solaris 26, FreeBSD 28, macOS 30). Wireshark also meets EtherTypes here.
    fn family(&mut self, family: u32, s: Span) {
        match family {
            2 => self.ip(s, 4),
            10 | 23 | 24 | 26 | 28 | 30 => self.ip(s, 6),
            0x600..=0xffff => self.ether_type(family as u16, s),
            _ => {}
        }
    }

    /// BSD loopback: the family in the byte order of the machine that captured.
    pub(super) fn null(&mut self, s: Span) {
        let Some(&h) = self.need::<4>(s, WeirdKind::TruncatedLink) else { return };
        // Some tools write serial frames under this link type; no family looks like their first bytes.
        if let [0x0f | 0x8f, 0, ..] | [0xff, 3, ..] = h {
            return self.ppp_or_chdlc(s);
        }
        let little = u32::from_le_bytes(h);
        self.family(if little > 0xffff { u32::from_be_bytes(h) } else { little }, s.skip(4));
    }

    /// OpenBSD loopback: the family in network order.
    pub(super) fn loopback(&mut self, s: Span) {
        self.null(s); // No family has a value that reads as another one in the other order.
    }

    /// OpenBSD's view into IPsec: family, SPI, flags.
    pub(super) fn enc(&mut self, s: Span) {
        let Some(&h) = self.need::<4>(s, WeirdKind::TruncatedLink) else { return };
        let little = u32::from_le_bytes(h);
        self.family(if little > 0xffff { u32::from_be_bytes(h) } else { little }, s.skip(12));
    }

    /// A packet logged by pf: header length, family.
    pub(super) fn pflog(&mut self, s: Span) {
        let Some(&[len, family]) = self.need::<2>(s, WeirdKind::TruncatedLink) else { return };
        self.family(u32::from(family), s.skip(usize::from(len).next_multiple_of(4)));
    }

    /// Linux cooked, version 1.
    pub(super) fn sll(&mut self, s: Span) {
        let Some(h) = self.need::<16>(s, WeirdKind::TruncatedLink) else { return };
        let [_, _, hw0, hw1, _, address_len, a0, a1, a2, a3, a4, a5, _, _, p0, p1] = *h;
        if address_len == 6 {
            self.src_mac = Mac([a0, a1, a2, a3, a4, a5]);
        }
        self.cooked(u16::from_be_bytes([hw0, hw1]), u16::from_be_bytes([p0, p1]), s.skip(16));
    }

    /// Linux cooked, version 2.
    pub(super) fn sll2(&mut self, s: Span) {
        let Some(h) = self.need::<20>(s, WeirdKind::TruncatedLink) else { return };
        let [p0, p1, _, _, _, _, _, _, hw0, hw1, _, address_len, a0, a1, a2, a3, a4, a5, _, _] = *h;
        if address_len == 6 {
            self.src_mac = Mac([a0, a1, a2, a3, a4, a5]);
        }
        self.cooked(u16::from_be_bytes([hw0, hw1]), u16::from_be_bytes([p0, p1]), s.skip(20));
    }

    fn cooked(&mut self, hardware: u16, protocol: u16, s: Span) {
        match (hardware, protocol) {
            (hardware::NETLINK, _) => {}
            (hardware::RADIOTAP, _) => self.radiotap(s),
            (hardware::IEEE80211, _) => self.ieee80211(s),
            (_, 4) => self.llc(s),
            (_, 0x600..) => self.ether_type(protocol, s),
            // Raw IPX, CAN and other things of Linux' own.
            _ => {}
        }
    }

    /// Linux netfilter log: family, then attributes in the byte order of the machine that captured.
    pub(super) fn nflog(&mut self, s: Span) {
        let Some(&[family, ..]) = self.need::<4>(s, WeirdKind::TruncatedLink) else { return };
        let mut at = s.skip(4);
        for _ in 0..MAX_ATTRIBUTES {
            let Some(&[l0, l1, t0, t1]) = self.head::<4>(at) else { return };
            let (mut len, mut kind) = (u16::from_le_bytes([l0, l1]), u16::from_le_bytes([t0, t1]));
            // Attribute types are small: a large one was written in the other order.
            if kind & 0x7fff > 0xff {
                (len, kind) = (u16::from_be_bytes([l0, l1]), u16::from_be_bytes([t0, t1]));
            }
            let len = usize::from(len);
            if len < 4 {
                return self.weird(
                    WeirdKind::TruncatedLink,
                    Detail::Length { needed: 4, present: len as u32, at: at.at as u32 },
                );
            }
            let value = at.skip(4).first(len - 4);
            match kind & 0x7fff {
                8 => {
                    // Hardware address: length, padding, up to eight bytes.
                    if let Some(&[0, 6, _, _, a0, a1, a2, a3, a4, a5]) = self.head::<10>(value) {
                        self.src_mac = Mac([a0, a1, a2, a3, a4, a5]);
                    }
                }
                9 => return self.family(u32::from(family), value),
                _ => {}
            }
            at = at.skip(len.next_multiple_of(4));
        }
    }

    /// Apple's tap: header length, record type, link type, then the packet of that type.
    pub(super) fn pktap(&mut self, s: Span) {
        let mut c = Cursor::new(self.bytes(s));
        let (Some(len), Some(_record), Some(link)) = (c.u32_le(), c.u32_le(), c.u32_le()) else {
            return self.short(WeirdKind::TruncatedLink, 12, s);
        };
        if len >= 12
            && let Ok(link) = u16::try_from(link)
        {
            self.link(LinkType(link), s.skip(len as usize));
        }
    }

    /// Solaris IPNET: version, family, hardware type, length, interfaces, zones.
    pub(super) fn ipnet(&mut self, s: Span) {
        let Some(&[_, family]) = self.need::<2>(s, WeirdKind::TruncatedLink) else { return };
        self.family(u32::from(family), s.skip(24));
    }

    /// Juniper's wrapper: "MGC", flags, and with flag 0x80 extensions and their length.
    pub(super) fn juniper(&mut self, link: u16, s: Span) {
        let Some(&[m0, m1, m2, flags, e0, e1]) = self.need::<6>(s, WeirdKind::TruncatedLink) else { return };
        if [m0, m1, m2] != *b"MGC" {
            return self.weird(WeirdKind::TruncatedLink, Detail::None);
        }
        let extensions = usize::from(u16::from_be_bytes([e0, e1]));
        let inner = if flags & 0x80 != 0 { s.skip(6).skip(extensions) } else { s.skip(4) };
        match link {
            // Flag 2: the link header was taken off; four bytes of family stand in its place.
            _ if flags & 2 != 0 => self.ip(inner.skip(4), 0),
            167 | 178 => self.ethernet(inner),
            179 => self.ppp(inner),
            180 => self.frame_relay(inner),
            _ => self.chdlc(inner),
        }
    }
}
