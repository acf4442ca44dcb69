//! What do 802.11 frames carry?
//!
//! Data frames of IEEE 802.11, also QoS, four-address and aggregated ones (A-MSDU), behind the headers that capture
//! programs put in front: radiotap, PPI, Prism, AVS. Management, control and encrypted frames carry nothing readable;
//! fragments of 802.11 are not put together.

use super::super::walk::{Span, Walk};
use crate::model::addr::Mac;
use crate::model::bytes::Cursor;
use crate::model::ids::MAX_LEVELS;
use crate::model::packet::LinkType;
use crate::model::weird::{Detail, WeirdKind};

/// Presence words in a radiotap header: the standard has three, vendors add some.
const MAX_PRESENCE_WORDS: usize = 16;
/// Subframe header of an A-MSDU: receiver, sender, length.
const SUBFRAME_HEADER: usize = 14;

/// What the header in front says about the frame's layout.
#[derive(Clone, Copy, Default)]
struct Radio {
    /// The frame check sequence is part of the captured frame.
    fcs: bool,
    /// The header is padded to four bytes.
    padded: bool,
}

impl Walk<'_, '_> {
    /// Radiotap (www.radiotap.org).
    pub(super) fn radiotap(&mut self, s: Span) {
        let mut c = Cursor::new(self.bytes(s));
        let (Some(0), Some(_), Some(len)) = (c.u8(), c.u8(), c.u16_le()) else {
            return self.short(WeirdKind::TruncatedLink, 8, s);
        };
        let mut radio = Radio::default();
        let mut first = None;
        for _ in 0..MAX_PRESENCE_WORDS {
            let Some(word) = c.u32_le() else { break };
            first = first.or(Some(word));
            if word & (1 << 31) == 0 {
                break;
            }
        }
        // Fields follow in the order of their bits: a time stamp of eight bytes, aligned, then the flags.
        let present = first.unwrap_or(0);
        if present & 2 != 0 {
            let at = if present & 1 != 0 { c.position().next_multiple_of(8) + 8 } else { c.position() };
            let flags = self.bytes(s).get(at).copied().unwrap_or(0);
            radio = Radio { fcs: flags & 0x10 != 0, padded: flags & 0x20 != 0 };
        }
        self.frame(s.skip(usize::from(len)), radio);
    }

    /// Per-packet information: length and link type, little endian.
    pub(super) fn ppi(&mut self, s: Span) {
        let mut c = Cursor::new(self.bytes(s));
        let (Some(_), Some(_), Some(len), Some(link)) = (c.u8(), c.u8(), c.u16_le(), c.u32_le()) else {
            return self.short(WeirdKind::TruncatedLink, 8, s);
        };
        if let Ok(link) = u16::try_from(link) {
            self.link(LinkType(link), s.skip(usize::from(len).max(8)));
        }
    }

    /// Prism: message code and length in the order of the machine that captured; some drivers put AVS here.
    pub(super) fn prism(&mut self, s: Span) {
        let Some(&[c0, c1, c2, _, l0, l1, l2, l3]) = self.need::<8>(s, WeirdKind::TruncatedLink) else {
            return;
        };
        if [c0, c1, c2] == [0x80, 0x21, 0x10] {
            return self.avs(s);
        }
        let little = u32::from_le_bytes([l0, l1, l2, l3]);
        let len = if little > 0xffff { u32::from_be_bytes([l0, l1, l2, l3]) } else { little };
        self.ieee80211(s.skip(len as usize));
    }

    /// AVS: version and length in network order.
    pub(super) fn avs(&mut self, s: Span) {
        let Some(&[_, _, _, _, l0, l1, l2, l3]) = self.need::<8>(s, WeirdKind::TruncatedLink) else { return };
        self.ieee80211(s.skip(u32::from_be_bytes([l0, l1, l2, l3]) as usize));
    }

    /// A bare frame.
    pub(in crate::decode) fn ieee80211(&mut self, s: Span) {
        self.frame(s, Radio::default());
    }

    fn frame(&mut self, mut s: Span, radio: Radio) {
        if !self.deeper() {
            return;
        }
        if radio.fcs {
            s = s.first(s.len().saturating_sub(4));
        }
        let Some(&[fc0, fc1]) = self.need::<2>(s, WeirdKind::TruncatedLink) else { return };
        // Type 2 is data; subtypes with bit 4 have no body; bit 0x40 of the second byte is encryption.
        if fc0 & 0x0c != 0x08 || fc0 & 0x40 != 0 || fc1 & 0x40 != 0 {
            return;
        }
        let Some(h) = self.need::<24>(s, WeirdKind::TruncatedLink) else { return };
        let (_, addresses) = h.split_at(4);
        let (first, rest) = addresses.split_at(6);
        let (second, rest) = rest.split_at(6);
        let (third, sequence) = rest.split_at(6);
        let fragment = sequence.first().is_some_and(|b| b & 0x0f != 0) || fc1 & 0x04 != 0;
        let mut len = 24;
        let (dst, src) = match fc1 & 3 {
            0 => (first, second),
            1 => (third, second),
            2 => (first, third),
            _ => {
                let Some(h) = self.need::<30>(s, WeirdKind::TruncatedLink) else { return };
                len = 30;
                (third, h.split_at(24).1)
            }
        };
        self.dst_mac = dst.try_into().map_or(Mac::NONE, Mac);
        self.src_mac = src.try_into().map_or(Mac::NONE, Mac);
        let mut aggregated = false;
        if fc0 & 0x80 != 0 {
            let Some(&[qos, _]) = self.need::<2>(s.skip(len), WeirdKind::TruncatedLink) else { return };
            aggregated = qos & 0x80 != 0;
            len += if fc1 & 0x80 != 0 { 6 } else { 2 }; // the order bit: high-throughput control follows
        }
        if radio.padded {
            len = len.next_multiple_of(4);
        }
        let body = s.skip(len);
        match (fragment, aggregated) {
            (true, _) => {}
            (false, false) => self.llc(body),
            (false, true) => self.subframes(body),
        }
    }

    /// The MSDUs of an A-MSDU. They count on in levels, so that no packet has two records at one level.
    fn subframes(&mut self, mut s: Span) {
        let base = (self.tunnel.clone(), self.level);
        for n in 0..MAX_LEVELS {
            let Some(h) = self.head::<SUBFRAME_HEADER>(s) else { return };
            let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, l0, l1] = *h;
            let len = usize::from(u16::from_be_bytes([l0, l1]));
            let level = base.1.saturating_add(n);
            if len == 0 || level >= MAX_LEVELS {
                break;
            }
            self.dst_mac = Mac([d0, d1, d2, d3, d4, d5]);
            self.src_mac = Mac([s0, s1, s2, s3, s4, s5]);
            (self.tunnel, self.level) = (base.0.clone(), level);
            self.llc(s.skip(SUBFRAME_HEADER).first(len));
            s = s.skip((SUBFRAME_HEADER + len).next_multiple_of(4));
        }
        if s.len() > SUBFRAME_HEADER {
            self.weird(WeirdKind::TooManyLayers, Detail::Number(u64::from(MAX_LEVELS)));
        }
    }
}
