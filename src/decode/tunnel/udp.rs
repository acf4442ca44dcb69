//! What travels inside UDP?
//!
//! VXLAN (RFC 7348) and its generic extension, GENEVE (RFC 8926), Teredo (RFC 4380), L2TP (RFC 2661, 3931), AYIYA, CAPWAP
//! data (RFC 5415), GRE and MPLS in UDP. Each check asks for version, reserved bits, lengths and a fitting packet
//! inside. Encrypted channels (DTLS in CAPWAP) stay payload.

use super::super::link::plausible_ethernet;
use super::super::network::plausible_ip;
use super::super::path::Step;
use super::super::walk::{Span, Walk};
use super::Hint;
use crate::model::bytes::be16;
use crate::model::weird::WeirdKind;

/// First bytes of every Teredo address (RFC 4380 section 2.6).
const TEREDO_PREFIX: [u8; 4] = [0x20, 0x01, 0, 0];

impl Walk<'_, '_> {
    /// Follow a tunnel inside the datagram `s`, if it is one.
    #[inline]
    pub(in crate::decode) fn udp_tunnel(&mut self, src_port: u16, dst_port: u16, s: Span) {
        let ports = &self.decoder.ports;
        if ports.has(dst_port) || ports.has(src_port) {
            let hint = ports.hint(dst_port).or_else(|| ports.hint(src_port));
            return self.hinted(hint, s);
        }
        // By content, on any port: a G-PDU begins with 0x30..0x37 and 255; Teredo's IPv6 with its version.
        match self.head::<2>(s) {
            Some([0x30..=0x37, 0xff]) => self.gtpu(s),
            Some([0x60..=0x6f, _]) | Some([0, 0 | 1]) => self.teredo(s, false),
            _ => {}
        }
    }

    fn hinted(&mut self, hint: Option<Hint>, s: Span) {
        match hint {
            Some(Hint::Vxlan) => self.vxlan(s),
            Some(Hint::VxlanGpe) => self.vxlan_gpe(s),
            Some(Hint::Geneve) => self.geneve(s),
            Some(Hint::GtpU) => self.gtpu(s),
            Some(Hint::Teredo) => self.teredo(s, true),
            Some(Hint::L2tp) => self.l2tp(s),
            Some(Hint::Ayiya) => self.ayiya(s),
            Some(Hint::Capwap) => self.capwap(s),
            Some(Hint::Gre) if self.head::<4>(s).is_some_and(|h| h[0] & 0x4f == 0 && h[1] == 0) => {
                self.gre(s, Step::GreUdp);
            }
            Some(Hint::Mpls) => {
                let after = s.skip(4);
                let single = self.head::<4>(s).is_some_and(|h| h[2] & 1 == 1);
                if single
                    && plausible_ip(self.bytes(after), after.len()).is_some()
                    && self.enter(Step::MplsUdp)
                {
                    self.mpls(s);
                }
            }
            Some(Hint::Gre) | None => {}
        }
    }

    /// VXLAN: flag I, a network of 24 bits. Group policy uses flag G and two bytes that are else zero.
    fn vxlan(&mut self, s: Span) {
        let Some(&[flags, _, g0, g1, n0, n1, n2, reserved]) = self.head::<8>(s) else { return };
        let inner = s.skip(8);
        if flags & !0x80 != 0x08 || reserved != 0 || (flags & 0x80 == 0 && (g0, g1) != (0, 0)) {
            return;
        }
        if plausible_ethernet(self.bytes(inner), inner.len()) {
            self.inner_ethernet(Step::Vxlan(u32::from_be_bytes([0, n0, n1, n2])), inner);
        }
    }

    /// VXLAN-GPE: flag P and a next protocol.
    fn vxlan_gpe(&mut self, s: Span) {
        let Some(&[flags, 0, 0, next, n0, n1, n2, 0]) = self.head::<8>(s) else { return };
        if flags & 0xf8 != 0x08 {
            return;
        }
        let (inner, step) = (s.skip(8), Step::Vxlan(u32::from_be_bytes([0, n0, n1, n2])));
        let bytes = self.bytes(inner);
        match (flags & 4 != 0, next) {
            (true, 1) if plausible_ip(bytes, inner.len()) == Some(4) => self.inner_ip(step, inner, 4),
            (true, 2) if plausible_ip(bytes, inner.len()) == Some(6) => self.inner_ip(step, inner, 6),
            (true, 3) | (false, 0) if plausible_ethernet(bytes, inner.len()) => {
                self.inner_ethernet(step, inner)
            }
            _ => {}
        }
    }

    /// GENEVE: version 0, options of up to 252 bytes, the type of what follows.
    fn geneve(&mut self, s: Span) {
        let Some(&[first, second, p0, p1, n0, n1, n2, 0]) = self.head::<8>(s) else { return };
        if first >> 6 != 0 || second & 0x3f != 0 {
            return;
        }
        let inner = s.skip(8 + usize::from(first & 0x3f) * 4);
        let step = Step::Geneve(u32::from_be_bytes([0, n0, n1, n2]));
        let bytes = self.bytes(inner);
        match u16::from_be_bytes([p0, p1]) {
            0x6558 if plausible_ethernet(bytes, inner.len()) => self.inner_ethernet(step, inner),
            0x0800 if bytes.first().is_some_and(|b| b >> 4 == 4) => self.inner_ip(step, inner, 4),
            0x86dd if bytes.first().is_some_and(|b| b >> 4 == 6) => self.inner_ip(step, inner, 6),
            0x6558 if inner.captured() < 14 && inner.captured() == inner.len() => {
                self.short(WeirdKind::TruncatedTunnel, 14, inner);
            }
            _ => {}
        }
    }

    /// Teredo: perhaps authentication, perhaps an origin, then an IPv6 packet that fills the datagram.
    fn teredo(&mut self, s: Span, on_port: bool) {
        let mut at = s;
        if let Some(&[0, 1, id_len, auth_len]) = self.head::<4>(at) {
            at = at.skip(4 + usize::from(id_len) + usize::from(auth_len) + 9);
        }
        if self.head::<2>(at) == Some(&[0, 0]) {
            at = at.skip(8);
        }
        let bytes = self.bytes(at);
        let Some(len) = be16(bytes, 4) else { return };
        let (room, len) = (at.len(), usize::from(len) + 40);
        let prefixed = bytes.get(8..12) == Some(&TEREDO_PREFIX) || bytes.get(24..28) == Some(&TEREDO_PREFIX);
        // Trailers (RFC 6081) may follow the packet; on other ports it must fill the datagram.
        let fits = if on_port { len <= room } else { len == room && prefixed };
        if bytes.first().is_some_and(|b| b >> 4 == 6) && fits {
            self.inner_ip(Step::Teredo, at, 6);
        }
    }

    /// L2TP: only data messages carry packets.
    fn l2tp(&mut self, s: Span) {
        let Some(&[f0, f1]) = self.head::<2>(s) else { return };
        let flags = u16::from_be_bytes([f0, f1]);
        let flag = |bit: u16| usize::from(flags & bit != 0);
        match (flags & 0x8000 != 0, flags & 0x000f) {
            (false, 2) if flags & 0x34f0 == 0 => {
                let mut at = s.skip(2);
                if flag(0x4000) == 1 {
                    let length = be16(self.bytes(at), 0).map_or(0, usize::from);
                    if length > s.len() || length < 6 {
                        return;
                    }
                    at = at.skip(2);
                }
                at = at.skip(4 + flag(0x0800) * 4); // tunnel, session; both sequence numbers
                if flag(0x0200) == 1 {
                    let Some(offset) = be16(self.bytes(at), 0) else { return };
                    at = at.skip(2 + usize::from(offset));
                }
                let inner = self.bytes(at);
                if matches!(inner, [0xff, 3, ..] | [0x00 | 0x21 | 0x57 | 0x80 | 0xc0 | 0xc2, ..])
                    && self.enter(Step::L2tp)
                {
                    self.ppp(at);
                }
            }
            (false, 3) if flags & 0x7ff0 == 0 => self.l2tp_session(s.skip(8)),
            _ => {}
        }
    }

    /// AYIYA: lengths of identity and signature in units, the operation "forward", the next header.
    fn ayiya(&mut self, s: Span) {
        let Some(&[identity, signature, operation, next, ..]) = self.head::<8>(s) else { return };
        let inner = s.skip(8 + (1 << (identity >> 4).min(8)) + usize::from(signature >> 4) * 4);
        let version = match (operation & 15, next) {
            (1, 4) => 4,
            (1, 41) => 6,
            _ => return,
        };
        if plausible_ip(self.bytes(inner), inner.len()) == Some(version) {
            self.inner_ip(Step::Ayiya, inner, version);
        }
    }

    /// CAPWAP data: a header of `hlen` words, then an 802.3 or an 802.11 frame. Fragments and keepalives carry nothing whole.
    fn capwap(&mut self, s: Span) {
        let Some(h) = self.head::<4>(s).map(|h| u32::from_be_bytes(*h)) else { return };
        let header_len = (h >> 19 & 0x1f) as usize * 4;
        let (native, fragment, keepalive) = (h & 0x100 != 0, h & 0x80 != 0, h & 0x08 != 0);
        // Preamble 0: version 0 without DTLS. Binding 1: 802.11.
        if h >> 24 != 0 || header_len < 8 || fragment || keepalive || h & 7 != 0 {
            return;
        }
        let inner = s.skip(header_len);
        let bytes = self.bytes(inner);
        if !native {
            if plausible_ethernet(bytes, inner.len()) {
                self.inner_ethernet(Step::Capwap, inner);
            }
            return;
        }
        // Controllers of one vendor swap the two bytes of frame control; LLC after the header tells.
        let is_snap = |len: usize| bytes.get(len..).is_some_and(|b| b.starts_with(&[0xaa, 0xaa, 3]));
        if !is_snap(24) && !is_snap(26) && !is_snap(30) && !is_snap(32) {
            return;
        }
        if bytes.first().is_some_and(|b| b & 0x0f == 0x08) {
            if self.enter(Step::Capwap) {
                self.ieee80211(inner);
            }
        } else if let Some(len) = [24, 26, 30, 32].into_iter().find(|len| is_snap(*len))
            && bytes.get(1).is_some_and(|b| b & 0x0f == 0x08)
            && self.enter(Step::Capwap)
        {
            self.llc(inner.skip(len));
        }
    }
}
