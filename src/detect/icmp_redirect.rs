//! Does a host tell others to send their packets elsewhere?
//!
//! Redirects (RFC 792, RFC 4861 section 8) come from routers that know a shorter way on the same network. A cheat sends them in a
//! router's name and points to itself; then the link address does not fit what ARP and neighbour messages said. Refuses to call an
//! unforged redirect worse than low: some networks live with them.

use super::arp_spoof::is_virtual;
use super::window::Keyed;
use super::{Detector, Findings, Meta, Params, Scope, Threshold};
use crate::decode::{Arp, IcmpMessage};
use crate::model::addr::{Ip, Mac};
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::kind;
use std::collections::BTreeSet;

/// What it says of itself.
pub static META: Meta = Meta {
    id: "icmp_redirect",
    question: "Does a host tell others to send their packets elsewhere?",
    method: "Each redirect is compared with the link addresses that hosts named before: does the sender's address belong to another card, and does the way told lead \
             to the card that sent it? Redirects without such signs are told as low.",
    kinds: &[&kind::ICMP_REDIRECT],
    scope: Scope::Segment,
    flows: false,
    tables: &[],
    icmp: true,
    thresholds: &[Threshold {
        name: "redirects",
        unit: "messages",
        default: 1.0,
        why: "One redirect moves a host's traffic for minutes.",
        source: "RFC 1122 section 3.2.2.2",
    }],
    innocent: &[
        "A network with two routers, where hosts know one and the other is the shorter way.",
        "A router on a stick.",
    ],
    next: &[
        "See whether the gateway told is a router of yours, and who has the link address that sent it.",
        "Turn off taking redirects on hosts (they are rarely needed).",
    ],
    references: &["RFC 792", "RFC 4861", "https://attack.mitre.org/techniques/T1557/"],
    build: |p| Box::new(IcmpRedirect::new(p)),
};

/// Addresses whose link address is remembered, 100 bytes each.
const MAX_ADDRESSES: usize = 16_384;
/// Senders remembered.
const MAX_SENDERS: usize = 1_024;
/// Hosts, gateways and destinations remembered of a sender, each.
const MAX_LISTED: usize = 64;

#[derive(Debug, Default)]
struct Sender {
    count: u64,
    hosts: BTreeSet<Ip>,
    gateways: BTreeSet<Ip>,
    destinations: BTreeSet<Ip>,
}

struct IcmpRedirect {
    redirects: u64,
    links: Keyed<Ip, Mac>,
    senders: Keyed<(Ip, Mac), Sender>,
}

impl IcmpRedirect {
    fn new(p: &Params) -> Self {
        Self {
            redirects: p.count("redirects") as u64,
            links: Keyed::new(MAX_ADDRESSES, |_| 0),
            senders: Keyed::new(MAX_SENDERS, |s: &Sender| s.count),
        }
    }
}

fn keep(set: &mut BTreeSet<Ip>, ip: Ip) {
    if set.len() < MAX_LISTED {
        set.insert(ip);
    }
}

impl Detector for IcmpRedirect {
    fn arp(&mut self, arp: &Arp, _out: &mut Findings) {
        if arp.sender_mac.is_some() {
            // The first who claims it counts: a cheat comes later.
            let known = self.links.at(&arp.sender_ip, arp.ts);
            if !known.is_some() {
                *known = arp.sender_mac;
            }
        }
    }

    fn icmp(&mut self, m: &IcmpMessage, out: &mut Findings) {
        if !matches!((m.ip_version, m.kind), (4, 5) | (6, 137)) {
            return;
        }
        let s = self.senders.at(&(m.src, m.src_mac), m.ts);
        s.count += 1;
        keep(&mut s.hosts, m.dst);
        keep(&mut s.gateways, m.told);
        keep(&mut s.destinations, m.about);
        if s.count < self.redirects {
            return;
        }
        let link = |ip: &Ip| self.links.get(ip).copied().filter(Mac::is_some);
        let seen = m.src_mac.is_some();
        let forged = seen
            && link(&m.src).is_some_and(|mac| mac != m.src_mac && !is_virtual(mac) && !is_virtual(m.src_mac));
        let to_itself = seen && m.told != m.src && link(&m.told) == Some(m.src_mac);
        let protocol = if m.ip_version == 6 { ip_protocol::ICMP6 } else { ip_protocol::ICMP };
        let subject = Subject::by(m.src).over(protocol).about(m.src_mac.to_string());
        let f = out.open(&kind::ICMP_REDIRECT, subject);
        f.seen_packet(m.ts, m.packet);
        f.reason("redirects", s.count as f64, self.redirects as f64, 0.5);
        if forged {
            f.reason("sender_has_another_link_address", 1.0, 1.0, 0.6);
        }
        if to_itself {
            f.reason("leads_to_the_sender", 1.0, 1.0, 0.5);
        }
        // What was forged once stays so.
        if f.confidence() < 0.6 {
            f.lower("nothing_forged");
        } else {
            f.severity(kind::ICMP_REDIRECT.severity, "forged");
        }
        f.dst = f.dst.or(Some(m.dst));
        let host = match s.hosts.len() {
            1 => m.dst.to_string(),
            n => format!("{n} hosts"),
        };
        f.title = format!("{} tells {host} to reach {} by {}", m.src, m.about, m.told);
        f.detail("link_address", m.src_mac.to_string());
        f.list("hosts", s.hosts.iter().map(Ip::to_string));
        f.list("gateways", s.gateways.iter().map(Ip::to_string));
        f.list("destinations", s.destinations.iter().map(Ip::to_string));
    }

    fn evicted(&self) -> u64 {
        self.links.evicted() + self.senders.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, icmp, inside, is_at, outside};
    use super::*;

    fn redirect(seconds: f64, mac: u8, gateway: u8) -> IcmpMessage {
        let src_mac = Mac([2, 0, 0, 0, 0, mac]);
        IcmpMessage {
            told: inside(gateway),
            about: outside(9),
            src_mac,
            ..icmp(seconds, inside(1), inside(5), 5)
        }
    }

    fn known() -> [Arp; 3] {
        [1, 2, 66].map(|n| is_at(0.0, n, inside(n), inside(5)))
    }

    #[test]
    fn one_in_the_name_of_the_router_is_found() {
        let found =
            Bench::new(&META).arps(known()).icmps((0..30).map(|n| redirect(f64::from(n), 66, 66))).end();
        let [a] = &found[..] else { panic!("{found:?}") };
        assert_eq!((a.severity.name(), a.count, a.dst), ("medium", 30, Some(inside(5))));
        assert_eq!(a.title, "10.0.0.1 tells 10.0.0.5 to reach 203.0.113.9 by 10.0.0.66");
    }

    #[test]
    fn a_router_that_knows_a_shorter_way_is_low() {
        let found = Bench::new(&META).arps(known()).icmps([redirect(1.0, 1, 2)]).end();
        assert_eq!(found[0].severity.name(), "low");
    }

    #[test]
    fn other_messages_are_nothing() {
        assert!(Bench::new(&META).icmps([icmp(0.0, inside(1), inside(2), 8)]).end().is_empty());
    }
}
