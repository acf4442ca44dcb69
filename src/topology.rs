//! Which addresses are ours?
//!
//! In this order: networks the user configured, the capturing interface's, what the traffic shows, else the private
//! ranges (RFC 1918, RFC 4193 unique local, link-local, RFC 6598 shared space, loopback). The traffic shows it by routers:
//! a link address that carries packets of many networks is a router, what any other link address sends is on our side of it.
//! Documentation and benchmark ranges are ordinary outside addresses, because laboratories use them so.
//! Decided once per capture, before its first row; refuses to change its mind later.

use crate::decode::{Arp, Decoded};
use crate::model::addr::{Ip, Mac};
use crate::model::time::{NANOS_PER_SEC, Timestamp};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Packets looked at before deciding: enough to meet every busy host once, small enough to hold back.
pub const INFER_PACKETS: u64 = 100_000;
/// Packet time looked at before deciding, in nanoseconds.
pub const INFER_TIME: i64 = 60 * NANOS_PER_SEC;
/// Distinct networks (IPv4 /16, IPv6 /32) behind one link address that make it a router. A host with several addresses
/// has one or two.
const ROUTER_NETWORKS: usize = 3;
/// Addresses remembered per link address; a router has been recognised long before.
const ADDRESSES_PER_MAC: usize = 64;
/// Link addresses remembered; a spoofer's further ones are not looked at.
const MACS: usize = 16_384;
/// On-link addresses of one IPv4 /24 or IPv6 /64 from which on the whole network is taken for ours.
const NETWORK_MEMBERS: usize = 3;

/// What the user says about the network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Networks that are ours; when given, exactly these are.
    pub local_nets: Vec<IpNetwork>,
    /// Networks of the devices that are captured from; no setting.
    #[serde(skip)]
    pub interface_nets: Vec<IpNetwork>,
}

/// Ranges that are nobody else's, used when nothing better is known.
pub fn private_networks() -> Vec<IpNetwork> {
    [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    ]
    .iter()
    .filter_map(|net| net.parse().ok())
    .collect()
}

/// A set of networks, asked once or twice per flow.
#[derive(Clone, Debug, Default)]
pub struct Subnets {
    networks: Vec<IpNetwork>,
    /// First and last address of each network as numbers, sorted and merged.
    ranges: Vec<(u128, u128)>,
    source: &'static str,
}

impl Subnets {
    /// A set of `networks`; `source` says how they were found.
    pub fn new(networks: Vec<IpNetwork>, source: &'static str) -> Self {
        let mut ranges: Vec<(u128, u128)> = networks
            .iter()
            .map(|net| {
                let first = number(Ip::from(net.network()));
                let bits = match net {
                    IpNetwork::V4(n) => 32 - u32::from(n.prefix()),
                    IpNetwork::V6(n) => 128 - u32::from(n.prefix()),
                };
                let span = 1u128.checked_shl(bits).map_or(u128::MAX, |s| s - 1);
                (first, first.saturating_add(span))
            })
            .collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(open) if first <= open.1 => open.1 = open.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self { networks, ranges: merged, source }
    }

    /// Is it one of ours?
    pub fn contains(&self, ip: Ip) -> bool {
        let n = number(ip);
        let after = self.ranges.partition_point(|(first, _)| *first <= n);
        after.checked_sub(1).and_then(|i| self.ranges.get(i)).is_some_and(|(_, last)| n <= *last)
    }

    /// The networks as they were given or found.
    pub fn networks(&self) -> &[IpNetwork] {
        &self.networks
    }

    /// `configured`, `interface`, `inferred` or `private`.
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// Where a flow goes: `multicast`, `internal`, `outbound`, `inbound` or `external`.
    pub fn direction(&self, src: Ip, dst: Ip) -> &'static str {
        if dst.is_multicast() {
            return "multicast";
        }
        match (self.contains(src), self.contains(dst)) {
            (true, true) => "internal",
            (true, false) => "outbound",
            (false, true) => "inbound",
            (false, false) => "external",
        }
    }
}

fn number(ip: Ip) -> u128 {
    u128::from_be_bytes(ip.0)
}

/// Collects what the first packets show and decides. Feeding order does not matter.
#[derive(Debug, Default)]
pub struct Inference {
    configured: Vec<IpNetwork>,
    interface: Vec<IpNetwork>,
    seen: BTreeMap<Mac, Seen>,
    first_ts: Option<Timestamp>,
    /// Link address and address of packets that were taken into account, each at the place its bits give it: taking them again changes nothing, and
    /// nearly every packet is like one before.
    known: Vec<(Mac, Ip, Mac, Ip)>,
}

/// Places of [`Inference::known`], a power of two.
const KNOWN: usize = 1_024;

/// What one link address carried.
#[derive(Debug, Default)]
struct Seen {
    /// Addresses it sent from.
    sources: BTreeSet<Ip>,
    /// Networks of the addresses it sent from, or was sent to.
    networks: BTreeSet<(bool, u32)>,
    /// Addresses it claimed by ARP.
    claimed: BTreeSet<Ip>,
}

impl Inference {
    /// Begin a capture.
    pub fn new(config: &Config) -> Self {
        let interface = config.interface_nets.clone();
        Self { configured: config.local_nets.clone(), interface, ..Self::default() }
    }

    /// Are more packets needed to decide? `packets` have been read up to time `now`.
    pub fn wants_more(&self, packets: u64, now: Timestamp) -> bool {
        self.configured.is_empty()
            && self.interface.is_empty()
            && packets < INFER_PACKETS
            && self.first_ts.is_none_or(|first| now.since(first) < INFER_TIME)
    }

    fn in_period(&mut self, packet: u64, ts: Timestamp) -> bool {
        let first = *self.first_ts.get_or_insert(ts);
        packet <= INFER_PACKETS && ts.since(first) < INFER_TIME
    }

    fn of(&mut self, mac: Mac) -> Option<&mut Seen> {
        if mac.is_group() || !mac.is_some() || (self.seen.len() >= MACS && !self.seen.contains_key(&mac)) {
            return None;
        }
        Some(self.seen.entry(mac).or_default())
    }

    /// Take a decoded packet into account. Only the outermost level has link addresses of our network.
    pub fn packet(&mut self, d: &Decoded) {
        if d.level != 0 || !self.in_period(d.packet, d.ts) {
            return;
        }
        let (src, dst) = (d.src, d.dst);
        let ends = (d.src_mac, src, d.dst_mac, dst);
        self.known.resize(KNOWN, (Mac::default(), Ip::default(), Mac::default(), Ip::default()));
        let at = (low_bits(src) ^ low_bits(dst).rotate_left(5)) as usize % KNOWN;
        match self.known.get_mut(at) {
            Some(known) if *known == ends => return,
            Some(known) => *known = ends,
            None => {}
        }
        if let Some(seen) = self.of(d.src_mac) {
            seen.note(src);
            if seen.sources.len() < ADDRESSES_PER_MAC && is_host(src) {
                seen.sources.insert(src);
            }
        }
        if let Some(seen) = self.of(d.dst_mac) {
            seen.note(dst);
        }
    }

    /// Take an ARP packet into account: who claims an address is on our side of the routers.
    pub fn arp(&mut self, arp: &Arp) {
        if self.in_period(arp.packet, arp.ts)
            && is_host(arp.sender_ip)
            && let Some(seen) = self.of(arp.sender_mac)
            && seen.claimed.len() < ADDRESSES_PER_MAC
        {
            seen.claimed.insert(arp.sender_ip);
        }
    }

    /// Decide.
    pub fn freeze(&self) -> Subnets {
        if !self.configured.is_empty() {
            return Subnets::new(self.configured.clone(), "configured");
        }
        if !self.interface.is_empty() {
            return Subnets::new(self.interface.clone(), "interface");
        }
        let private = private_networks();
        let base = Subnets::new(private.clone(), "private");
        if !self.seen.values().any(Seen::is_router) {
            return base; // without a router in sight both sides look alike
        }
        let mut ours: BTreeSet<Ip> = BTreeSet::new();
        for seen in self.seen.values() {
            // A router's own addresses are ours when it claimed them itself.
            let shown = if seen.is_router() { &seen.claimed } else { &seen.sources };
            ours.extend(shown.iter().filter(|ip| !base.contains(**ip)));
        }
        if ours.is_empty() {
            return base;
        }
        let mut members: BTreeMap<IpNetwork, Vec<Ip>> = BTreeMap::new();
        for ip in ours {
            if let Some(net) = network_of(ip) {
                members.entry(net).or_default().push(ip);
            }
        }
        let mut networks = private;
        for (net, ips) in members {
            if ips.len() >= NETWORK_MEMBERS || matches!(net, IpNetwork::V6(_)) {
                networks.push(net);
            } else {
                networks.extend(ips.iter().map(|ip| IpNetwork::from(ip.to_std())));
            }
        }
        Subnets::new(networks, "inferred")
    }
}

/// The bits in which neighbours differ.
fn low_bits(ip: Ip) -> u32 {
    let [.., a, b, c, d] = ip.0;
    u32::from_be_bytes([a, b, c, d])
}

impl Seen {
    fn note(&mut self, ip: Ip) {
        // One more than needed is never asked for, so the set stays tiny.
        if self.networks.len() < ROUTER_NETWORKS && is_host(ip) && !is_link_local(ip) {
            let [a, b, c, d, ..] = ip.0;
            let [.., e, f, _, _] = ip.0;
            let prefix =
                if ip.is_v4() { u32::from_be_bytes([0, 0, e, f]) } else { u32::from_be_bytes([a, b, c, d]) };
            self.networks.insert((ip.is_v4(), prefix));
        }
    }

    fn is_router(&self) -> bool {
        self.networks.len() >= ROUTER_NETWORKS
    }
}

fn is_link_local(ip: Ip) -> bool {
    match ip.to_std() {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    }
}

/// Could it be the address of one host?
fn is_host(ip: Ip) -> bool {
    let a = ip.to_std();
    !ip.is_multicast() && !a.is_unspecified() && !a.is_loopback()
}

/// The /24 or /64 around an address.
fn network_of(ip: Ip) -> Option<IpNetwork> {
    let prefix = if ip.is_v4() { 24 } else { 64 };
    let net = IpNetwork::new(ip.to_std(), prefix).ok()?;
    IpNetwork::new(net.network(), prefix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(s: &str) -> Ip {
        Ip::from(s.parse::<IpAddr>().unwrap())
    }

    fn mac(n: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, n])
    }

    fn inference(pairs: &[(u8, &str, u8, &str)]) -> Inference {
        let mut all = Inference::new(&Config::default());
        for (i, (from, src, to, dst)) in pairs.iter().enumerate() {
            let d = Decoded {
                packet: i as u64 + 1,
                src: ip(src),
                dst: ip(dst),
                src_mac: mac(*from),
                dst_mac: mac(*to),
                ..Decoded::default()
            };
            all.packet(&d);
        }
        all
    }

    #[test]
    fn public_hosts_below_a_router_are_ours() {
        let found = inference(&[
            (1, "192.0.2.10", 9, "8.8.8.8"),
            (9, "1.1.1.1", 1, "192.0.2.10"),
            (9, "151.101.1.1", 2, "192.0.2.11"),
            (2, "192.0.2.11", 9, "151.101.1.1"),
        ])
        .freeze();
        assert_eq!(found.source(), "inferred");
        assert!(found.contains(ip("192.0.2.10")) && found.contains(ip("192.0.2.11")));
        assert!(!found.contains(ip("8.8.8.8")) && !found.contains(ip("192.0.2.99")));
        assert_eq!(found.direction(ip("192.0.2.10"), ip("8.8.8.8")), "outbound");
        assert_eq!(found.direction(ip("8.8.8.8"), ip("192.0.2.10")), "inbound");
    }

    #[test]
    fn without_a_router_only_private_ranges_are() {
        let found = inference(&[(1, "10.0.0.1", 2, "203.0.113.5")]).freeze();
        assert_eq!(found.source(), "private");
        assert_eq!(found.direction(ip("10.0.0.1"), ip("203.0.113.5")), "outbound");
        assert_eq!(found.direction(ip("10.0.0.1"), ip("224.0.0.251")), "multicast");
        assert!(!found.contains(ip("198.18.0.1")), "benchmark ranges are outside");
    }

    #[test]
    fn the_user_has_the_last_word() {
        let config = Config {
            local_nets: vec!["203.0.113.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            ..Config::default()
        };
        let found = Inference::new(&config).freeze();
        assert!(found.contains(ip("203.0.113.255")) && found.contains(ip("2001:db8:ffff::1")));
        assert!(!found.contains(ip("10.0.0.1")) && !found.contains(ip("203.0.114.0")));
    }

    #[test]
    fn the_whole_address_space_is_a_network() {
        let all = Subnets::new(vec!["::/0".parse().unwrap(), "0.0.0.0/0".parse().unwrap()], "configured");
        assert!(all.contains(ip("8.8.8.8")) && all.contains(ip("ffff::1")));
    }

    #[test]
    fn late_packets_do_not_count() {
        let mut all = Inference::new(&Config::default());
        all.packet(&Decoded {
            packet: 1,
            src: ip("10.0.0.1"),
            dst: ip("10.0.0.2"),
            src_mac: mac(1),
            ..Decoded::default()
        });
        for n in 0..5u8 {
            let src = Ip::v4([n + 11, 1, 1, 1]);
            all.packet(&Decoded { packet: INFER_PACKETS + 1, src, src_mac: mac(9), ..Decoded::default() });
            all.packet(&Decoded {
                packet: 2,
                ts: Timestamp(INFER_TIME),
                src,
                src_mac: mac(9),
                ..Decoded::default()
            });
        }
        assert_eq!(all.freeze().source(), "private");
        assert!(all.wants_more(2, Timestamp(5)) && !all.wants_more(INFER_PACKETS, Timestamp(5)));
    }
}
