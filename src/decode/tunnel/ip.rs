//! What travels directly inside IP?
//!
//! IP in IP (RFC 2003), IPv6 in IPv4 (RFC 4213), both in IPv6 (RFC 2473), GRE (RFC 2784, 2890) with NVGRE (RFC 7637), PPTP
//! (RFC 2637), ERSPAN (draft-foschiano-erspan) and Aruba's 802.11, EtherIP (RFC 3378), MPLS (RFC 4023), L2TPv3
//! (RFC 3931). What is encrypted (ESP) is not looked into.

use super::super::link::plausible_ethernet;
use super::super::network::plausible_ip;
use super::super::path::Step;
use super::super::walk::{Net, Span, Walk};
use crate::model::flow::ip_protocol;
use crate::model::weird::{Detail, WeirdKind};

/// Protocol numbers of IANA's list that only tunnels use.
const ETHERIP: u8 = 97;
const L2TP_V3: u8 = 115;
const MPLS_IN_IP: u8 = 137;
/// Source routes in a GRE header (RFC 1701); nobody has used them for decades.
const MAX_SOURCE_ROUTES: usize = 16;

impl Walk<'_, '_> {
    /// Follow the tunnels that an IP protocol number announces.
    pub(in crate::decode) fn ip_tunnel(&mut self, net: &Net, s: Span) {
        match (net.protocol, net.version) {
            (ip_protocol::GRE, _) => self.gre(s, Step::Gre),
            (ip_protocol::IPIP, 4) => self.inner_ip(Step::IpIp, s, 4),
            (ip_protocol::IPIP, _) => self.inner_ip(Step::FourInSix, s, 4),
            (ip_protocol::IPV6, 4) => self.inner_ip(Step::SixInFour, s, 6),
            (ip_protocol::IPV6, _) => self.inner_ip(Step::SixInSix, s, 6),
            // Version 3 in four bits, the rest zero.
            (ETHERIP, _) if self.bytes(s).starts_with(&[0x30, 0]) && self.enter(Step::EtherIp) => {
                self.ethernet(s.skip(2));
            }
            (MPLS_IN_IP, _) if self.enter(Step::MplsIp) => self.mpls(s),
            // A session of zero is the control channel.
            (L2TP_V3, _) if self.head::<4>(s).is_some_and(|id| *id != [0; 4]) => self.l2tp_session(s.skip(4)),
            _ => {}
        }
    }

    /// An IP packet of `version` one level deeper.
    pub(super) fn inner_ip(&mut self, step: Step, s: Span, version: u8) {
        if self.enter(step) {
            self.ip(s, version);
        }
    }

    /// An Ethernet frame one level deeper.
    pub(super) fn inner_ethernet(&mut self, step: Step, s: Span) {
        if self.enter(step) {
            self.ethernet(s);
        }
    }

    /// GRE: flags say which optional words follow.
    pub(super) fn gre(&mut self, s: Span, step: Step) {
        let Some(&[f0, f1, p0, p1]) = self.need::<4>(s, WeirdKind::TruncatedTunnel) else { return };
        let (flags, protocol) = (u16::from_be_bytes([f0, f1]), u16::from_be_bytes([p0, p1]));
        let (checksum, routing) = (flags & 0x8000 != 0, flags & 0x4000 != 0);
        let (key, sequence, acknowledged) = (flags & 0x2000 != 0, flags & 0x1000 != 0, flags & 0x0080 != 0);
        let version = flags & 7;
        if version > 1 {
            return self.weird(WeirdKind::TunnelMismatch, Detail::Number(u64::from(version)));
        }
        let mut at = s.skip(if checksum || routing { 8 } else { 4 });
        let network = if key { self.head::<4>(at).map(|k| u32::from_be_bytes(*k) >> 8) } else { None };
        at = at.skip(usize::from(key) * 4);
        at = at.skip(usize::from(sequence) * 4);
        at = at.skip(usize::from(acknowledged && version == 1) * 4);
        if at.at > s.wire {
            return self.short(WeirdKind::TruncatedTunnel, at.at - s.at, s);
        }
        if routing {
            let Some(after) = self.source_routes(at) else { return };
            at = after;
        }
        if at.len() == 0 {
            return; // PPTP acknowledgements carry nothing
        }
        match protocol {
            0x880b => {
                if self.enter(step) {
                    self.ppp(at);
                }
            }
            0x0800 => self.inner_ip(step, at, 4),
            0x86dd => self.inner_ip(step, at, 6),
            0x6558 => match network {
                Some(id) if !checksum && !sequence => self.inner_ethernet(Step::Nvgre(id), at),
                _ => self.inner_ethernet(step, at),
            },
            0x88be | 0x22eb => self.erspan(protocol, sequence, at),
            // WCCP: version 2 puts four bytes of redirection before the packet.
            0x883e => {
                let skip = if self.bytes(at).first().is_some_and(|b| b >> 4 == 4) { 0 } else { 4 };
                self.inner_ip(step, at.skip(skip), 4);
            }
            // Aruba's access points send 802.11 frames.
            0x8200..=0x82ff | 0x9000 => {
                if self.enter(step) {
                    self.ieee80211(at);
                }
            }
            0 => {} // keepalives
            other => {
                if self.enter(step) {
                    self.ether_type(other, at);
                }
            }
        }
    }

    /// Past the source routes of RFC 1701: family, offset, length; a length of zero ends them.
    fn source_routes(&mut self, mut s: Span) -> Option<Span> {
        for _ in 0..MAX_SOURCE_ROUTES {
            let &[_, _, _, len] = self.need::<4>(s, WeirdKind::TruncatedTunnel)?;
            s = s.skip(4 + usize::from(len));
            if len == 0 {
                return Some(s);
            }
        }
        self.weird(WeirdKind::TooManyLayers, Detail::Number(MAX_SOURCE_ROUTES as u64));
        None
    }

    /// ERSPAN: type I has no header of its own, II has eight bytes, III twelve and perhaps eight more.
    fn erspan(&mut self, protocol: u16, sequence: bool, s: Span) {
        if protocol == 0x88be && !sequence {
            return self.inner_ethernet(Step::Erspan(0), s);
        }
        let Some(&[v0, _, i0, i1]) = self.need::<4>(s, WeirdKind::TruncatedTunnel) else { return };
        let session = u16::from_be_bytes([i0, i1]) & 0x03ff;
        match (protocol, v0 >> 4) {
            (0x88be, 1) => self.inner_ethernet(Step::Erspan(session), s.skip(8)),
            (0x22eb, 2) => {
                let Some(h) = self.need::<12>(s, WeirdKind::TruncatedTunnel) else { return };
                let more = usize::from(h[11] & 1) * 8;
                self.inner_ethernet(Step::Erspan(session), s.skip(12 + more));
            }
            (_, version) => self.weird(WeirdKind::TunnelMismatch, Detail::Number(u64::from(version))),
        }
    }

    /// The payload of an L2TPv3 session. Whether a cookie and a sublayer precede it was agreed on the control channel,
    /// which we may not have seen: the first layout that fits is taken.
    pub(super) fn l2tp_session(&mut self, s: Span) {
        for skip in [0, 4, 8, 12] {
            let inner = s.skip(skip);
            let bytes = self.bytes(inner);
            if plausible_ethernet(bytes, inner.len()) {
                return self.inner_ethernet(Step::L2tp, inner);
            }
            if plausible_ip(bytes, inner.len()).is_some() {
                return self.inner_ip(Step::L2tp, inner, 0);
            }
        }
    }
}
