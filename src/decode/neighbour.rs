//! Who says which link address an IP address has?
//!
//! ARP (RFC 826) between IPv4 hosts, and the same essence of IPv6 neighbour messages (RFC 4861 sections 4.3, 4.4). Both
//! become [`Arp`] records; detectors of spoofing read them. ARP is sliced by etherparse, which checks both address lengths.

use super::walk::{Net, Span, Walk};
use super::{Arp, lan};
use crate::model::addr::{Ip, Mac};
use crate::model::weird::{Detail, WeirdKind};
use etherparse::{ArpPacketSlice, EtherType};

/// Option of a solicitation: the sender's link address. Of an advertisement: the target's (RFC 4861 section 4.6).
const OPTION_SOURCE: u8 = 1;
const OPTION_TARGET: u8 = 2;
/// Bytes before the options of a neighbour message: ICMPv6 header, flags, target.
const OPTIONS_AT: usize = 24;
/// Options looked at in one message.
const MAX_OPTIONS: usize = 16;

impl Walk<'_, '_> {
    /// An ARP packet. Hardware addresses that are not six bytes long are left out.
    pub(super) fn arp(&mut self, s: Span) {
        let Ok(arp) = ArpPacketSlice::from_slice(self.bytes(s)) else {
            let needed = match self.head::<6>(s) {
                Some(h) => 8 + 2 * (usize::from(h[4]) + usize::from(h[5])),
                None => 8,
            };
            return self.short(WeirdKind::TruncatedLink, needed, s);
        };
        let (Some(sender), Some(target)) = (ip4(arp.sender_protocol_addr()), ip4(arp.target_protocol_addr()))
        else {
            return;
        };
        if arp.proto_addr_type() != EtherType::IPV4 {
            return self
                .weird(WeirdKind::UnknownEtherType, Detail::Number(u64::from(arp.proto_addr_type().0)));
        }
        self.out.arps.push(Arp {
            ts: self.stamp.ts,
            packet: self.stamp.packet,
            operation: arp.operation().0,
            sender_mac: mac(arp.sender_hw_addr()),
            sender_ip: sender,
            target_mac: mac(arp.target_hw_addr()),
            target_ip: target,
            lan: lan(self.vlan, self.inner_vlan),
        });
    }

    /// A neighbour solicitation (135) or advertisement (136).
    pub(super) fn neighbour(&mut self, net: &Net, kind: u8, s: Span) {
        let bytes = self.bytes(s);
        let Some(about) = bytes.get(8..).and_then(|b| b.first_chunk::<16>()) else { return };
        let solicits = kind == 135;
        let wanted = if solicits { OPTION_SOURCE } else { OPTION_TARGET };
        let mut options = bytes.get(OPTIONS_AT..).unwrap_or(&[]);
        let mut claimed = Mac::NONE;
        for _ in 0..MAX_OPTIONS {
            let &[option, units, ..] = options else { break };
            let (Some(body), true) = (options.get(2..usize::from(units) * 8), units > 0) else { break };
            if option == wanted {
                claimed = mac(body);
                break;
            }
            options = options.get(usize::from(units) * 8..).unwrap_or(&[]);
        }
        let (sender_ip, target_ip) =
            if solicits { (net.src, Ip::v6(*about)) } else { (Ip::v6(*about), net.dst) };
        self.out.arps.push(Arp {
            ts: self.stamp.ts,
            packet: self.stamp.packet,
            operation: if solicits { 1 } else { 2 },
            sender_mac: claimed,
            sender_ip,
            target_mac: Mac::NONE,
            target_ip,
            lan: lan(self.vlan, self.inner_vlan),
        });
    }
}

fn mac(bytes: &[u8]) -> Mac {
    bytes.try_into().map_or(Mac::NONE, Mac)
}

fn ip4(bytes: &[u8]) -> Option<Ip> {
    bytes.try_into().ok().map(Ip::v4)
}
