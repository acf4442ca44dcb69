//! Does a host claim the address of another?
//!
//! ARP and IPv6 neighbour messages (RFC 826, RFC 4861), one table for the whole segment: who claims which address, who asked, how often the
//! claimant changed. A cheat has to repeat itself, because the true owner answers too or caches expire; a host that gets another's old
//! address does not. Refuses to guess from one change alone: leases move, cards are replaced, machines restart. Virtual addresses of
//! redundant routers (VRRP, HSRP, GLBP) are claims of nobody.

use super::window::{Keyed, Recent};
use super::{Detector, Findings, Meta, Params, RecordFact, Scope, Threshold};
use crate::decode::Arp;
use crate::model::addr::{Ip, Mac};
use crate::model::anomaly::Subject;
use crate::model::kind;
use crate::model::time::Timestamp;
use crate::protocol::dhcp::v4::{DhcpRecord, TABLE as DHCP};
use std::collections::BTreeSet;

/// What it says of itself.
pub static META: Meta = Meta {
    id: "arp_spoof",
    question: "Does a host claim the address of another?",
    method: "Two link addresses that claim one address in turn contest it. The one that contests several, pushes answers nobody asked for or \
             takes the gateway's address is the cheat; without such signs it is a conflict of addresses.",
    kinds: &[&kind::ARP_SPOOF, &kind::ADDRESS_CONFLICT],
    scope: Scope::Segment,
    tables: &[&DHCP],
    icmp: false,
    thresholds: &[
        Threshold {
            name: "changes",
            unit: "changes",
            default: 3.0,
            why: "So many changes of the claimant within the window are a contest at work; a lease that moves changes once.",
            source: "DETECTORS section 8",
        },
        Threshold {
            name: "window",
            unit: "s",
            default: 60.0,
            why: "Cheats repeat themselves every one to ten seconds (arpspoof 2, ettercap 10), before caches of 60 s expire.",
            source: "manuals of arpspoof, ettercap and bettercap",
        },
        Threshold {
            name: "memory",
            unit: "s",
            default: 600.0,
            why: "A claimant that comes back within this time did not give the address up.",
            source: "measured",
        },
        Threshold {
            name: "pushed",
            unit: "answers",
            default: 10.0,
            why: "So many answers that nobody asked for, for one address within the window, are no announcement: hosts announce themselves once to \
                  three times (RFC 5227).",
            source: "DETECTORS section 14",
        },
        Threshold {
            name: "contested",
            unit: "addresses",
            default: 3.0,
            why: "Who contests so many addresses of others is no host with a wrong setting.",
            source: "measured",
        },
        Threshold {
            name: "asked_within",
            unit: "s",
            default: 2.0,
            why: "An answer this long after the last question answers nothing; hosts ask again after one second.",
            source: "RFC 1122 section 2.3.2.1, RFC 4861 section 10",
        },
    ],
    innocent: &[
        "Two hosts were given one address by mistake.",
        "One host with two cards in one network answers from both, or a team of cards shares its load by ARP.",
        "A pair of firewalls takes over without a virtual link address.",
    ],
    next: &[
        "Find the port of the link address in the switch's table and the machine behind it.",
        "Look at what hosts sent to that link address meanwhile: passwords in it are lost.",
        "Clear the neighbour caches of the hosts that were told; turn on dynamic ARP inspection or RA guard's kin.",
    ],
    references: &["RFC 826", "RFC 5227", "RFC 4861", "https://attack.mitre.org/techniques/T1557/002/"],
    build: |p| Box::new(ArpSpoof::new(p)),
};

/// Addresses remembered, some 1 KB each at worst: 16 MB, one instance for the capture.
const MAX_ADDRESSES: usize = 16_384;
/// Link addresses remembered.
const MAX_CLAIMANTS: usize = 16_384;
/// Claimants remembered of one address: contests are between two.
const MAX_HOLDERS: usize = 4;
/// Addresses remembered of one claimant, in each of three lists.
const MAX_CLAIMS: usize = 64;
/// Gateways learnt from DHCP.
const MAX_GATEWAYS: usize = 64;
/// Unasked answers remembered of one claimant of one address.
const MAX_PUSHED: usize = 32;
/// Changes remembered of one address.
const MAX_CHANGES: usize = 32;

/// One that claims an address.
#[derive(Debug, Default)]
struct Holder {
    mac: Mac,
    since: Timestamp,
    claims: u64,
    /// Answers nobody asked for, and to whom.
    pushed: Recent<Ip>,
}

#[derive(Debug, Default)]
struct Address {
    asked: Option<Timestamp>,
    last: Option<Mac>,
    holders: Vec<Holder>,
    /// Who held it before each change.
    changes: Recent<Mac>,
}

#[derive(Debug, Default)]
struct Claimant {
    claimed: BTreeSet<Ip>,
    contested: BTreeSet<Ip>,
    pushed: BTreeSet<Ip>,
}

fn keep(set: &mut BTreeSet<Ip>, ip: Ip) {
    if set.len() < MAX_CLAIMS {
        set.insert(ip);
    }
}

/// Link addresses that stand for a group of routers: VRRP and CARP (RFC 9568), HSRP, GLBP, Microsoft's load balancing.
pub(super) fn is_virtual(mac: Mac) -> bool {
    matches!(
        mac.0,
        [0x00, 0x00, 0x5e, 0x00, 0x01 | 0x02, _]
            | [0x00, 0x00, 0x0c, 0x07, 0xac, _]
            | [0x00, 0x00, 0x0c, 0x9f, 0xf0..=0xff, _]
            | [0x00, 0x05, 0x73, 0xa0, _, _]
            | [0x00, 0x07, 0xb4, 0x00, _, _]
            | [0x02, 0xbf, ..]
    )
}

/// No address: a probe's or an unset one.
fn is_nobody(ip: Ip) -> bool {
    ip.wire().iter().all(|b| *b == 0)
}

struct ArpSpoof {
    changes: usize,
    window: i64,
    memory: i64,
    pushed: usize,
    contested: usize,
    asked_within: i64,
    addresses: Keyed<Ip, Address>,
    claimants: Keyed<Mac, Claimant>,
    gateways: BTreeSet<Ip>,
}

impl ArpSpoof {
    fn new(p: &Params) -> Self {
        Self {
            changes: p.count("changes"),
            window: p.nanos("window"),
            memory: p.nanos("memory"),
            pushed: p.count("pushed").clamp(1, MAX_PUSHED),
            contested: p.count("contested"),
            asked_within: p.nanos("asked_within"),
            addresses: Keyed::new(MAX_ADDRESSES, |a| a.holders.len() as u64 + a.changes.len() as u64),
            claimants: Keyed::new(MAX_CLAIMANTS, |c| (c.contested.len() + c.pushed.len()) as u64),
            gateways: BTreeSet::new(),
        }
    }

    /// Note the claim; the other link address when the claim is contested, and whether this one is pushed.
    fn note(&mut self, arp: &Arp) -> (Option<Mac>, usize) {
        let (ip, mac, ts) = (arp.sender_ip, arp.sender_mac, arp.ts);
        let a = self.addresses.at(&ip, ts);
        let asked = a.asked.is_some_and(|t| ts.since(t) <= self.asked_within);
        // Whoever announces himself to all is asked by nobody either; he counts when somebody else says the same.
        let announces = arp.target_ip == ip || arp.target_ip.is_multicast() || is_nobody(arp.target_ip);
        if a.last != Some(mac) {
            if let Some(before) = a.last {
                a.changes.push(ts, before, self.memory, MAX_CHANGES);
            }
            a.last = Some(mac);
        }
        if a.holders.iter().all(|h| h.mac != mac) {
            if a.holders.len() >= MAX_HOLDERS {
                let least = a.holders.iter().enumerate().min_by_key(|(_, h)| h.claims).map(|(i, _)| i);
                least.map(|i| a.holders.remove(i));
            }
            a.holders.push(Holder { mac, since: ts, ..Holder::default() });
        }
        let contested = a.changes.between(ts.plus(-self.memory), ts).count() >= 2;
        let other = a.changes.iter().rev().map(|(_, m)| *m).find(|m| *m != mac);
        let mut pushed = 0;
        if let Some(h) = a.holders.iter_mut().find(|h| h.mac == mac) {
            h.claims += 1;
            if arp.operation == 2 && !asked && (!announces || contested) {
                h.pushed.push(ts, arp.target_ip, self.window, MAX_PUSHED);
            }
            let to_one = h.pushed.iter().filter(|(_, to)| *to == arp.target_ip).count();
            pushed = if contested { h.pushed.len() } else { to_one };
        }
        (other.filter(|_| contested), pushed)
    }

    /// How much a link address looks like the cheat among two, and since when it claims this address: later is worse.
    fn rank(&self, mac: Mac, ip: Ip) -> (usize, usize, Timestamp) {
        let c = self.claimants.get(&mac);
        let since =
            self.addresses.get(&ip).and_then(|a| a.holders.iter().find(|h| h.mac == mac)).map(|h| h.since);
        (
            c.map_or(0, |c| c.contested.len()),
            c.map_or(0, |c| c.pushed.len()),
            since.unwrap_or(Timestamp(i64::MIN)),
        )
    }

    fn judge(&self, arp: &Arp, other: Option<Mac>, pushed: usize, out: &mut Findings) {
        let (ip, ts) = (arp.sender_ip, arp.ts);
        let Some(address) = self.addresses.get(&ip) else { return };
        let cheat = match other {
            Some(other) if self.rank(other, ip) > self.rank(arp.sender_mac, ip) => other,
            _ => arp.sender_mac,
        };
        let Some(claims) = self.claimants.get(&cheat) else { return };
        // One host with two cards answers for the same addresses from both.
        let twin =
            other.and_then(|o| self.claimants.get(&if o == cheat { arp.sender_mac } else { o })).is_some_and(
                |c| claims.pushed.is_empty() && c.contested == claims.contested && c.contested.len() > 1,
            );
        let changes = address.changes.most(ts, self.window);
        let gateway =
            claims.contested.iter().chain(&claims.pushed).find(|i| self.gateways.contains(*i)).copied();
        let first = address.holders.iter().min_by_key(|h| h.since).is_some_and(|h| h.mac == cheat);
        let own = claims.claimed.iter().find(|i| {
            !claims.contested.contains(*i) && !claims.pushed.contains(*i) && i.is_v4() == ip.is_v4()
        });
        let mut reasons: Vec<(&'static str, f64, f64, f64)> = Vec::new();
        let contested = claims.contested.len();
        if contested >= self.contested.max(1) {
            reasons.push(("contested_addresses", contested as f64, self.contested as f64, 0.7));
        } else if contested >= 2 {
            reasons.push(("contested_addresses", contested as f64, self.contested as f64, 0.35));
        }
        if changes >= self.changes {
            reasons.push(("changes", changes as f64, self.changes as f64, 0.3));
        }
        if pushed >= self.pushed && cheat == arp.sender_mac {
            let weight = if other.is_some() { 0.6 } else { 0.45 };
            reasons.push(("unasked_answers", pushed as f64, self.pushed as f64, weight));
        }
        if claims.pushed.len() >= 2 {
            reasons.push(("addresses_pushed", claims.pushed.len() as f64, 2.0, 0.3));
        }
        if gateway.is_some() && !first {
            reasons.push(("gateway_claimed", 1.0, 1.0, 0.5));
        }
        if own.is_some() && (contested > 0 || !claims.pushed.is_empty()) {
            reasons.push(("has_address_of_its_own", 1.0, 1.0, 0.2));
        }
        let doubt: f64 = reasons.iter().map(|r| 1.0 - r.3).product();
        let spoof = Subject::default().about(cheat.to_string());
        if (!twin && 1.0 - doubt >= 0.5) || out.has(&kind::ARP_SPOOF, &spoof) {
            for taken in &claims.contested {
                out.withdraw(&kind::ADDRESS_CONFLICT, &Subject::to(*taken));
            }
            let victims: BTreeSet<Ip> = claims.contested.union(&claims.pushed).copied().collect();
            let most = gateway.or_else(|| victims.iter().next().copied()).unwrap_or(ip);
            let true_macs: Vec<String> = victims.iter().filter_map(|v| self.owner(*v, cheat)).collect();
            let f = out.open(&kind::ARP_SPOOF, spoof);
            f.seen_packet(ts, arp.packet);
            reasons
                .into_iter()
                .for_each(|(name, value, threshold, weight)| f.reason(name, value, threshold, weight));
            (f.src, f.dst) = (own.copied(), Some(most));
            let who = own.map_or_else(|| cheat.to_string(), |o| format!("{o} ({cheat})"));
            let what = match (gateway, victims.len()) {
                (Some(g), 1) => format!("the gateway's address {g}"),
                (Some(g), n) => format!("{n} addresses of others, among them the gateway's, {g}"),
                (None, 1) => format!("the address {most} of another"),
                (None, n) => format!("{n} addresses of others, such as {most}"),
            };
            f.title = format!("{who} claims {what}");
            f.detail("link_address", cheat.to_string());
            f.list("claimed", victims.iter().map(Ip::to_string));
            f.list("others_at", true_macs);
        } else if let Some(other) = other {
            let f = out.open(&kind::ADDRESS_CONFLICT, Subject::to(ip));
            f.seen_packet(ts, arp.packet);
            f.reason("changes", address.changes.len() as f64, 2.0, 0.6);
            let mut pair = [other.to_string(), arp.sender_mac.to_string()];
            pair.sort();
            f.title = format!("{} and {} both use {ip}", pair[0], pair[1]);
            f.list("link_addresses", pair);
        }
    }

    /// `address at link address` of the one who holds it besides the cheat.
    fn owner(&self, ip: Ip, cheat: Mac) -> Option<String> {
        let holders = &self.addresses.get(&ip)?.holders;
        let owner = holders.iter().filter(|h| h.mac != cheat).max_by_key(|h| (h.claims, h.mac))?;
        Some(format!("{ip} at {}", owner.mac))
    }
}

impl Detector for ArpSpoof {
    fn arp(&mut self, arp: &Arp, out: &mut Findings) {
        if arp.operation == 1 && arp.target_ip != arp.sender_ip {
            self.addresses.at(&arp.target_ip, arp.ts).asked = Some(arp.ts);
        }
        let mac = arp.sender_mac;
        if !matches!(arp.operation, 1 | 2)
            || is_nobody(arp.sender_ip)
            || arp.sender_ip.is_multicast()
            || !mac.is_some()
            || mac.is_group()
            || is_virtual(mac)
        {
            return;
        }
        let (other, pushed) = self.note(arp);
        let c = self.claimants.at(&mac, arp.ts);
        keep(&mut c.claimed, arp.sender_ip);
        if pushed >= self.pushed {
            keep(&mut c.pushed, arp.sender_ip);
        }
        if let Some(other) = other {
            keep(&mut c.contested, arp.sender_ip);
            keep(&mut self.claimants.at(&other, arp.ts).contested, arp.sender_ip);
        }
        if other.is_some() || pushed >= self.pushed {
            self.judge(arp, other, pushed, out);
        }
    }

    fn record(&mut self, record: &RecordFact, _out: &mut Findings) {
        let Some(d) = record.of::<DhcpRecord>().filter(|d| d.from_server) else { return };
        for router in d.routers.iter().take(MAX_GATEWAYS.saturating_sub(self.gateways.len())) {
            self.gateways.insert(*router);
        }
    }

    fn evicted(&self) -> u64 {
        self.addresses.evicted() + self.claimants.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, inside, is_at, who_has};
    use super::*;

    /// The cheat tells both the victim (.5) and the gateway (.1) that it is the other, every two seconds; both also answer for themselves.
    fn cheat(seconds: u32) -> Vec<Arp> {
        let mut all = vec![who_has(0.0, 66, inside(66), inside(1)), is_at(0.1, 1, inside(1), inside(66))];
        for n in 0..seconds / 2 {
            let t = f64::from(n) * 2.0 + 1.0;
            all.push(is_at(t, 66, inside(1), inside(5)));
            all.push(is_at(t + 0.1, 66, inside(5), inside(1)));
            if n % 5 == 4 {
                all.push(who_has(t + 0.2, 5, inside(5), inside(1)));
                all.push(is_at(t + 0.3, 1, inside(1), inside(5)));
            }
        }
        all
    }

    #[test]
    fn who_tells_two_hosts_it_is_the_other_is_found() {
        let found = Bench::new(&META).arps(cheat(60)).end();
        let [a] = &found[..] else { panic!("{found:?}") };
        assert_eq!((a.kind.name, a.src, a.severity.name()), ("arp_spoof", Some(inside(66)), "high"));
        assert!(a.title.starts_with("10.0.0.66 (02:00:00:00:00:42) claims 2 addresses"), "{}", a.title);
        assert!(a.dst == Some(inside(1)) && a.confidence > 0.8, "{a:?}");
        assert!(a.details["others_at"].to_string().contains("10.0.0.1 at 02:00:00:00:00:01"));
    }

    #[test]
    fn one_row_however_long_it_lasts() {
        let found = Bench::new(&META).arps(cheat(600)).end();
        assert_eq!(found.len(), 1);
        assert!(found[0].count > 400 && found[0].packets.len() <= 20);
    }

    #[test]
    fn a_gateway_of_dhcp_is_named() {
        let dhcp = DhcpRecord { from_server: true, routers: vec![inside(1)], ..DhcpRecord::default() };
        let lease = super::super::testing::record(1, 0.0, inside(1), inside(5), 68, dhcp);
        let found = Bench::new(&META).records([lease]).arps(cheat(60)).end();
        assert!(found[0].title.contains("the gateway's, 10.0.0.1"), "{}", found[0].title);
    }

    #[test]
    fn two_hosts_with_one_address_are_a_conflict() {
        let all = (0..6).flat_map(|n| {
            let t = f64::from(n) * 5.0;
            [
                who_has(t, 9, inside(9), inside(7)),
                is_at(t + 0.01, 1, inside(7), inside(9)),
                is_at(t + 0.02, 2, inside(7), inside(9)),
            ]
        });
        let found = Bench::new(&META).arps(all).end();
        let [a] = &found[..] else { panic!("{found:?}") };
        assert_eq!((a.kind.name, a.severity.name(), a.dst), ("address_conflict", "low", Some(inside(7))));
    }

    #[test]
    fn a_lease_that_moves_and_a_restart_are_silent() {
        // A host restarts and announces itself; later another gets its address; a third changes its own.
        let mut all: Vec<Arp> = (0..3).map(|n| who_has(f64::from(n), 1, inside(7), inside(7))).collect();
        all.extend((0..3).map(|n| who_has(f64::from(n) + 100.0, 2, inside(7), inside(7))));
        all.extend((0..9).map(|n| who_has(f64::from(n) + 200.0, 3, inside(20 + n), inside(1))));
        all.extend((0..50).map(|n| is_at(f64::from(n) + 300.0, 4, inside(8), inside(8))));
        assert!(Bench::new(&META).arps(all).end().is_empty());
    }

    #[test]
    fn routers_that_take_over_by_a_virtual_address_are_silent() {
        let vrrp = Mac([0, 0, 0x5e, 0, 1, 9]);
        let all = (0..40).map(|n| {
            let arp = is_at(f64::from(n), 1, inside(1), inside(5));
            if n % 2 == 0 { Arp { sender_mac: vrrp, ..arp } } else { arp }
        });
        let asked = (0..40).map(|n| who_has(f64::from(n) - 0.1, 5, inside(5), inside(1)));
        let mut all: Vec<Arp> = all.chain(asked).collect();
        all.sort_by_key(|a| a.ts);
        assert!(Bench::new(&META).arps(all).end().is_empty());
    }

    #[test]
    fn one_host_with_two_cards_is_no_cheat() {
        let all = (0..20).flat_map(|n| {
            let t = f64::from(n);
            [
                who_has(t, 9, inside(9), inside(7)),
                is_at(t + 0.01, 1, inside(7), inside(9)),
                is_at(t + 0.02, 2, inside(7), inside(9)),
                who_has(t + 0.1, 9, inside(9), inside(8)),
                is_at(t + 0.11, 1, inside(8), inside(9)),
                is_at(t + 0.12, 2, inside(8), inside(9)),
            ]
        });
        let found = Bench::new(&META).arps(all).end();
        assert!(found.iter().all(|a| a.kind.name == "address_conflict"), "{found:?}");
    }

    #[test]
    fn neighbours_of_version_6_are_watched_too() {
        let six = |n: u8| Ip([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n]);
        let all = (0..10).flat_map(|n| {
            let t = f64::from(n) * 3.0;
            [1, 2, 3].into_iter().flat_map(move |of| {
                [
                    who_has(t, 9, six(9), six(of)),
                    is_at(t + 0.01, of, six(of), six(9)),
                    is_at(t + 0.02, 66, six(of), six(9)),
                ]
            })
        });
        let found = Bench::new(&META).arps(all).end();
        let [a] = &found[..] else { panic!("{found:?}") };
        assert_eq!(a.kind.name, "arp_spoof");
    }

    #[test]
    fn a_flood_of_addresses_stays_inside_its_cap() {
        let mut bench = Bench::new(&META);
        bench.arps((0..MAX_ADDRESSES as u32 * 2).map(|n| {
            let [_, a, b, c] = n.to_be_bytes();
            who_has(0.0, 66, Ip::v4([10, a, b, c]), inside(1))
        }));
        assert!(bench.detector.evicted() > 0);
        assert!(bench.end().is_empty());
    }
}
