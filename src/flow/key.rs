//! Which flow does a packet belong to?
//!
//! Two types for two questions. [`FlowKey`] is order-free: both directions of a conversation give the same one, and it
//! decides which flow a packet belongs to. [`Tuple`] is directed: who spoke to whom. ICMP is paired as Zeek does it:
//! a request and its reply share a flow (the originator's port is its type, the responder's the counterpart's type), and
//! anything else runs one way (type and code). The echo identifier is not part of the key, as in Zeek.

use crate::decode::{Decoded, TunnelPath};
use crate::model::addr::Ip;
use crate::model::flow::{Side, Tuple, ip_protocol};
use std::hash::{BuildHasher, Hasher};

/// The ICMP type that answers (or asks for) this one: RFC 792, 950, 1256.
fn counterpart_v4(icmp_type: u16) -> Option<u16> {
    Some(match icmp_type {
        0 => 8,   // echo reply, echo
        8 => 0,   //
        9 => 10,  // router advertisement, solicitation
        10 => 9,  //
        13 => 14, // timestamp, reply
        14 => 13, //
        15 => 16, // information request, reply
        16 => 15, //
        17 => 18, // address mask request, reply
        18 => 17, //
        _ => return None,
    })
}

/// The same for ICMPv6: RFC 4443, 4861, 2710, 4620, 6275.
fn counterpart_v6(icmp_type: u16) -> Option<u16> {
    Some(match icmp_type {
        128 => 129, // echo, reply
        129 => 128, //
        130 => 131, // multicast listener query, report
        131 => 130, //
        133 => 134, // router solicitation, advertisement
        134 => 133, //
        135 => 136, // neighbour solicitation, advertisement
        136 => 135, //
        139 => 140, // node information query, response
        140 => 139, //
        144 => 145, // home agent address discovery request, reply
        145 => 144, //
        _ => return None,
    })
}

/// The type that pairs with `icmp_type`, or `None` for messages that run one way.
pub(super) fn counterpart(protocol: u8, icmp_type: u16) -> Option<u16> {
    match protocol {
        ip_protocol::ICMP => counterpart_v4(icmp_type),
        ip_protocol::ICMP6 => counterpart_v6(icmp_type),
        _ => None,
    }
}

/// What both directions of a flow have in common.
#[derive(Clone, Copy, Debug)]
pub struct FlowKey<'a> {
    tuple: Tuple,
    two_way: bool,
    bare: bool,
    level: u8,
    vlans: Option<(u16, u16)>,
    tunnel: &'a TunnelPath,
}

impl<'a> FlowKey<'a> {
    /// The key of a packet, or of the packet that an ICMP error quotes.
    pub fn of(d: &'a Decoded, vlan_in_key: bool) -> Self {
        let icmp = matches!(d.protocol, ip_protocol::ICMP | ip_protocol::ICMP6) && d.has_transport;
        let mut tuple = Tuple {
            src: d.src,
            dst: d.dst,
            src_port: d.src_port,
            dst_port: d.dst_port,
            protocol: d.protocol,
        };
        let mut two_way = true;
        if icmp {
            match counterpart(d.protocol, d.src_port) {
                Some(other) => tuple.dst_port = other,
                None => two_way = false,
            }
        }
        Self {
            tuple,
            two_way,
            bare: !d.has_transport,
            level: d.level,
            vlans: vlan_in_key.then_some((d.vlan, d.inner_vlan)),
            tunnel: &d.tunnel,
        }
    }

    /// The key of a known flow, from its parts.
    pub(super) fn of_flow(
        tuple: Tuple,
        two_way: bool,
        bare: bool,
        level: u8,
        vlans: Option<(u16, u16)>,
        tunnel: &'a TunnelPath,
    ) -> Self {
        Self { tuple, two_way, bare, level, vlans, tunnel }
    }

    /// The tuple in the direction of the packet.
    pub fn tuple(&self) -> Tuple {
        self.tuple
    }

    /// May the other end answer within this flow?
    pub fn two_way(&self) -> bool {
        self.two_way
    }

    /// Is the transport header missing? Such packets make a flow of their own, which only counts them.
    pub fn bare(&self) -> bool {
        self.bare
    }

    /// Tunnel level.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Outer and inner VLAN, where they are part of the key.
    pub fn vlans(&self) -> Option<(u16, u16)> {
        self.vlans
    }

    /// Tunnels around the packet.
    pub fn tunnel(&self) -> &TunnelPath {
        self.tunnel
    }

    /// A hash that is the same for both directions.
    pub fn hash(&self, build: &impl BuildHasher) -> u64 {
        let t = &self.tuple;
        let near = (u128::from_be_bytes(t.src.0), t.src_port);
        let far = (u128::from_be_bytes(t.dst.0), t.dst_port);
        let (low, high) = if !self.two_way || near <= far { (near, far) } else { (far, near) };
        let mut h = build.build_hasher();
        h.write_u128(low.0);
        h.write_u128(high.0);
        h.write_u64(
            u64::from(low.1) << 48
                | u64::from(high.1) << 32
                | u64::from(t.protocol) << 16
                | u64::from(self.bare) << 8
                | u64::from(self.level),
        );
        if let Some((outer, inner)) = self.vlans {
            h.write_u32(u32::from(outer) << 16 | u32::from(inner));
        }
        if let Some(path) = self.tunnel {
            h.write(path.as_bytes());
        }
        h.finish()
    }

    /// If `flow` (as its originator opened it) is this conversation: which end sent the packet?
    pub fn sender_in(&self, flow: &Tuple) -> Option<Side> {
        let t = &self.tuple;
        if t.protocol != flow.protocol {
            return None;
        }
        let same = |a: (Ip, u16), b: (Ip, u16)| a.1 == b.1 && a.0 == b.0;
        let (from, to) = ((t.src, t.src_port), (t.dst, t.dst_port));
        let (orig, resp) = ((flow.src, flow.src_port), (flow.dst, flow.dst_port));
        if same(from, orig) && same(to, resp) {
            Some(Side::Orig)
        } else if self.two_way && same(from, resp) && same(to, orig) {
            Some(Side::Resp)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::testing::{ip4, udp};
    use hashbrown::DefaultHashBuilder;

    fn icmp(from: u8, to: u8, kind: u16, code: u16) -> Decoded {
        Decoded { protocol: ip_protocol::ICMP, ..udp(1, 0, (ip4(from), kind), (ip4(to), code), 8) }
    }

    #[test]
    fn both_directions_are_one_flow() {
        let there = udp(1, 0, (ip4(1), 5000), (ip4(2), 53), 10);
        let back = udp(2, 0, (ip4(2), 53), (ip4(1), 5000), 10);
        let build = DefaultHashBuilder::default();
        let (a, b) = (FlowKey::of(&there, false), FlowKey::of(&back, false));
        assert_eq!(a.hash(&build), b.hash(&build));
        assert_eq!(b.sender_in(&a.tuple()), Some(Side::Resp));
        assert_eq!(a.sender_in(&a.tuple()), Some(Side::Orig));
        let other = udp(3, 0, (ip4(1), 5001), (ip4(2), 53), 10);
        assert_eq!(FlowKey::of(&other, false).sender_in(&a.tuple()), None);
    }

    #[test]
    fn an_echo_reply_belongs_to_its_request_and_an_error_to_nobody() {
        let build = DefaultHashBuilder::default();
        let (ask, reply) = (icmp(1, 2, 8, 0), icmp(2, 1, 0, 0));
        let (a, b) = (FlowKey::of(&ask, false), FlowKey::of(&reply, false));
        assert_eq!((a.tuple().src_port, a.tuple().dst_port), (8, 0));
        assert_eq!((b.tuple().src_port, b.tuple().dst_port), (0, 8));
        assert_eq!(a.hash(&build), b.hash(&build));
        assert_eq!(b.sender_in(&a.tuple()), Some(Side::Resp));

        let (there, back) = (icmp(1, 2, 3, 3), icmp(2, 1, 3, 3));
        let (a, b) = (FlowKey::of(&there, false), FlowKey::of(&back, false));
        assert!(!a.two_way() && b.sender_in(&a.tuple()).is_none());
    }

    #[test]
    fn pairs_are_mutual() {
        for protocol in [ip_protocol::ICMP, ip_protocol::ICMP6] {
            for kind in 0..=255 {
                if let Some(other) = counterpart(protocol, kind) {
                    assert_eq!(counterpart(protocol, other), Some(kind), "{protocol} {kind}");
                }
            }
        }
        assert_eq!(counterpart(ip_protocol::TCP, 8), None);
    }

    #[test]
    fn a_tunnel_makes_another_flow_and_a_vlan_only_on_request() {
        let build = DefaultHashBuilder::default();
        let plain = udp(1, 0, (ip4(1), 1), (ip4(2), 2), 1);
        let inside = Decoded { level: 1, tunnel: Some("gre".into()), ..plain.clone() };
        let tagged = Decoded { vlan: 7, ..plain.clone() };
        let hash = |d, vlan| FlowKey::of(d, vlan).hash(&build);
        assert_ne!(hash(&plain, false), hash(&inside, false));
        assert_eq!(hash(&plain, false), hash(&tagged, false));
        assert_ne!(hash(&plain, true), hash(&tagged, true));
    }
}
