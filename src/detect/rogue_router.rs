//! Does a router announce itself that should not?
//!
//! Router advertisements (RFC 4861 section 4.2, RFC 4862). The first router of a capture is taken for the true one; told is who speaks in its
//! name from another link address, who offers another way with another prefix, and a crowd of new routers. A second router that announces the
//! same prefix shares the work. Refuses to judge a lone router: nothing in one capture tells whether it belongs there.

use super::arp_spoof::is_virtual;
use super::window::Recent;
use super::{Detector, Findings, Meta, Params, Scope, Threshold};
use crate::decode::IcmpMessage;
use crate::model::addr::{Ip, Mac};
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::kind;
use crate::model::time::{Timestamp, secs};
use std::collections::{BTreeMap, BTreeSet};

/// What it says of itself.
pub static META: Meta = Meta {
    id: "rogue_router",
    question: "Does a router announce itself that should not?",
    method: "Compares each link address that sends router advertisements with the one that was first: the same address, another prefix, the rate; and counts \
             routers that are new.",
    kinds: &[&kind::ROGUE_ROUTER],
    scope: Scope::Segment,
    flows: false,
    tables: &[],
    icmp: true,
    thresholds: &[
        Threshold {
            name: "crowd",
            unit: "routers",
            default: 10.0,
            why: "So many new routers within a minute are invented: each gives every host another address and route.",
            source: "THC-IPv6's flood_router6, measured",
        },
        Threshold {
            name: "hurry",
            unit: "messages",
            default: 5.0,
            why: "A router waits at least 3 s between announcements to all: more within 10 s are not one's.",
            source: "RFC 4861 section 10, MIN_DELAY_BETWEEN_RAS",
        },
    ],
    innocent: &[
        "Two uplinks with a router and a prefix each.",
        "Windows' internet connection sharing or a phone's hotspot is turned on.",
        "A router was replaced while the capture ran.",
    ],
    next: &[
        "Find the port of the link address; look at which hosts took an address of its prefix.",
        "Turn on RA guard (RFC 6105).",
    ],
    references: &["RFC 4861", "RFC 6104", "https://attack.mitre.org/techniques/T1557/"],
    build: |p| Box::new(RogueRouter::new(p)),
};

/// Routers remembered, the first ones; a crowd is told long before.
const MAX_ROUTERS: usize = 64;
/// Prefixes remembered of one.
const MAX_PREFIXES: usize = 8;
/// Messages remembered of one.
const MAX_SAID: usize = 32;
/// New routers remembered.
const MAX_NEW: usize = 256;

#[derive(Debug)]
struct Router {
    ip: Ip,
    since: Timestamp,
    said: Recent<()>,
    prefixes: BTreeSet<Ip>,
    routes: bool,
}

struct RogueRouter {
    crowd: usize,
    hurry: usize,
    /// By virtual network and link address.
    routers: BTreeMap<(u32, Mac), Router>,
    new: Recent<Mac>,
    crowded: bool,
}

/// What a finding about one router is about.
fn one(mac: Mac) -> Subject {
    Subject::default().over(ip_protocol::ICMP6).about(mac.to_string())
}

impl RogueRouter {
    fn new(p: &Params) -> Self {
        Self {
            crowd: p.count("crowd"),
            hurry: p.count("hurry"),
            routers: BTreeMap::new(),
            new: Recent::default(),
            crowded: false,
        }
    }

    /// A crowd is one finding; those begun for single ones of it are taken back.
    fn flood(&mut self, m: &IcmpMessage, out: &mut Findings) {
        let new = self.new.most_distinct(m.ts, secs(60), |mac| *mac);
        if new < self.crowd {
            return;
        }
        self.crowded = true;
        for (_, mac) in self.routers.keys() {
            out.withdraw(&kind::ROGUE_ROUTER, &one(*mac));
        }
        let f = out.open(&kind::ROGUE_ROUTER, Subject::default().over(ip_protocol::ICMP6).about("crowd"));
        f.seen_packet(m.ts, m.packet);
        f.reason("new_routers", new as f64, self.crowd as f64, 0.9);
        f.src = f.src.or(Some(m.src));
        f.dst = Some(m.dst);
        f.title = format!("{new} new routers announced themselves within a minute, such as {}", m.src);
    }
}

impl Detector for RogueRouter {
    fn icmp(&mut self, m: &IcmpMessage, out: &mut Findings) {
        if m.ip_version != 6 || m.kind != 134 || is_virtual(m.src_mac) {
            return;
        }
        let key = (m.lan, m.src_mac);
        if !self.routers.contains_key(&key) {
            self.new.push(m.ts, m.src_mac, secs(60), MAX_NEW);
            self.flood(m, out);
            if self.routers.len() >= MAX_ROUTERS {
                return;
            }
        }
        let router = self.routers.entry(key).or_insert_with(|| Router {
            ip: m.src,
            since: m.ts,
            said: Recent::default(),
            prefixes: BTreeSet::new(),
            routes: false,
        });
        router.said.push(m.ts, (), secs(10), MAX_SAID);
        router.routes |= m.lifetime() > 0;
        if m.told != Ip::default() && router.prefixes.len() < MAX_PREFIXES {
            router.prefixes.insert(m.told);
        }
        let Some(this) = self.routers.get(&key) else { return };
        let here = || self.routers.iter().filter(|((lan, _), _)| *lan == m.lan);
        let Some(((_, first_mac), first)) = here().min_by_key(|(key, r)| (r.since, **key)) else {
            return;
        };
        if *first_mac == m.src_mac || self.crowded {
            return;
        }
        // Link addresses may be missing (a tunnel): then the address alone tells routers apart, and all share one place here.
        let in_its_name = m.src == first.ip;
        let other_way =
            this.routes && !this.prefixes.is_empty() && this.prefixes.is_disjoint(&first.prefixes);
        let said = this.said.len();
        let subject = one(m.src_mac);
        if !in_its_name && !other_way && !out.has(&kind::ROGUE_ROUTER, &subject) {
            return;
        }
        let f = out.open(&kind::ROGUE_ROUTER, subject);
        f.seen_packet(m.ts, m.packet);
        f.reason("routers", here().count() as f64, 2.0, 0.3);
        if in_its_name {
            f.reason("in_the_name_of_another", 1.0, 1.0, 0.7);
        }
        if in_its_name && m.lifetime() == 0 {
            f.reason("ends_another_router", 1.0, 1.0, 0.3);
        }
        if other_way {
            f.reason("other_prefix", 1.0, 1.0, 0.4);
        }
        if said >= self.hurry {
            f.reason("messages_in_10_s", said as f64, self.hurry as f64, 0.3);
        }
        (f.src, f.dst) = (Some(m.src), Some(m.dst));
        f.title = if in_its_name {
            format!("{} announces routes in the name of router {}", m.src_mac, first.ip)
        } else {
            let prefix = this.prefixes.iter().next().map(Ip::to_string).unwrap_or_default();
            format!("{} ({}) announces itself as router for {prefix} beside {}", m.src, m.src_mac, first.ip)
        };
        f.detail("link_address", m.src_mac.to_string());
        f.list("prefixes", this.prefixes.iter().map(Ip::to_string));
        f.detail("first_router", format!("{} at {first_mac}", first.ip));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, icmp};
    use super::*;

    fn six(n: u8) -> Ip {
        Ip([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n])
    }

    fn prefix(n: u8) -> Ip {
        Ip([0x20, 1, 0xd, 0xb8, n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    fn says(seconds: f64, src: u8, net: u8) -> IcmpMessage {
        let about = Ip([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 8]);
        let all = Ip([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        IcmpMessage { told: prefix(net), about, ..icmp(seconds, six(src), all, 134) }
    }

    #[test]
    fn another_way_is_found() {
        let all =
            (0..5).flat_map(|n| [says(f64::from(n) * 60.0, 1, 1), says(f64::from(n) * 60.0 + 5.0, 66, 2)]);
        let found = Bench::new(&META).icmps(all).end();
        let [a] = &found[..] else { panic!("{found:?}") };
        assert_eq!((a.src, a.count), (Some(six(66)), 5));
        assert!(a.title.ends_with("as router for 2001:db8:200:: beside fe80::1"), "{}", a.title);
    }

    #[test]
    fn one_in_the_name_of_another_is_found() {
        let mut forged = says(9.0, 1, 1);
        (forged.src_mac, forged.about) = (Mac([2, 0, 0, 0, 0, 66]), Ip::default());
        let found = Bench::new(&META).icmps([says(0.0, 1, 1), forged]).end();
        assert!(found.len() == 1 && found[0].title.contains("in the name of router fe80::1"), "{found:?}");
    }

    #[test]
    fn routers_that_share_the_work_and_a_lone_one_are_silent() {
        let shared =
            (0..9).flat_map(|n| [says(f64::from(n) * 60.0, 1, 1), says(f64::from(n) * 60.0 + 5.0, 2, 1)]);
        assert!(Bench::new(&META).icmps(shared).end().is_empty());
        assert!(Bench::new(&META).icmps((0..99).map(|n| says(f64::from(n), 1, 1))).end().is_empty());
    }

    #[test]
    fn each_virtual_network_has_a_router_of_its_own() {
        let of = |lan: u32, m: IcmpMessage| IcmpMessage { lan, ..m };
        let trunk = |lan: u32| {
            (0..5).flat_map(move |n| {
                [of(10, says(f64::from(n) * 60.0, 1, 1)), of(lan, says(f64::from(n) * 60.0 + 5.0, 66, 2))]
            })
        };
        assert!(Bench::new(&META).icmps(trunk(20)).end().is_empty());
        assert_eq!(Bench::new(&META).icmps(trunk(10)).kinds(), ["rogue_router"]);
    }

    #[test]
    fn a_crowd_is_one_row() {
        let found = Bench::new(&META).icmps((0..200).map(|n| says(f64::from(n) / 10.0, n, 1))).end();
        let crowd: Vec<_> = found.iter().filter(|a| a.title.contains("new routers")).collect();
        assert_eq!((crowd.len(), found.len()), (1, 1), "{found:?}");
    }
}
