//! Which header does the packet begin with?
//!
//! From the link type of the interface (LINKTYPE_ values, www.tcpdump.org/linktypes.html) to IP. One file for each
//! family of links. Types without a decoder are counted and named in a weird, never guessed at.

mod cooked;
mod ethernet;
mod serial;
mod wireless;

pub(super) use ethernet::plausible_ethernet;

use super::walk::{Span, Walk};
use crate::model::packet::LinkType;
use crate::model::weird::{Detail, WeirdKind};

impl Walk<'_, '_> {
    /// Decode a packet of link type `link`.
    #[inline]
    pub(super) fn link(&mut self, link: LinkType, s: Span) {
        match link {
            LinkType::ETHERNET => self.ethernet(s),
            other => self.other_link(other, s),
        }
    }

    fn other_link(&mut self, link: LinkType, s: Span) {
        if !self.deeper() {
            return;
        }
        match link.0 {
            0 => self.null(s),
            6 => self.token_ring(s),
            7 => self.arcnet(s, false),
            8 | 13 => self.slip(s),
            9 | 50 => self.ppp_or_chdlc(s),
            10 => self.fddi(s),
            // 11 and 19, 12 and 14 are what old writers stored instead of 100, 106 and 101.
            11 | 100 => self.llc(s),
            19 | 106 => self.llc_or_ip(s),
            12 | 14 | 101 => self.ip(s, 0),
            51 => self.pppoe(s),
            104 => self.chdlc(s),
            105 => self.ieee80211(s),
            107 => self.frame_relay(s),
            108 => self.loopback(s),
            109 => self.enc(s),
            113 => self.sll(s),
            117 => self.pflog(s),
            119 => self.prism(s),
            122 => self.ip_over_fc(s),
            127 => self.radiotap(s),
            129 => self.arcnet(s, true),
            138 => self.ieee1394(s),
            163 => self.avs(s),
            166 | 204 => self.ppp(s.skip(1)),
            167 | 178..=181 => self.juniper(link.0, s),
            192 => self.ppi(s),
            205 => self.chdlc(s.skip(1)),
            206 => self.frame_relay(s.skip(1)),
            219 => self.mpls(s),
            226 => self.ipnet(s),
            228 => self.ip(s, 4),
            229 => self.ip(s, 6),
            239 => self.nflog(s),
            240 => self.ethernet(s.skip(4)),
            242 => self.ip_over_infiniband(s),
            258 => self.pktap(s),
            274 => self.ethernet(s.skip(8)),
            276 => self.sll2(s),
            281 => self.switch_tag(s, 4),
            282 => self.ethernet(s.skip(4)),
            284 => self.dsa(s, 0),
            285 => self.dsa(s, 4),
            _ => {
                self.out.unknown_link += 1;
                self.weird(WeirdKind::UnknownLinkType, Detail::Number(u64::from(link.0)));
            }
        }
    }
}
