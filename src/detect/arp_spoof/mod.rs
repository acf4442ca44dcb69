//! Does a host claim the address of another?
//!
//! ARP and IPv6 neighbour messages (RFC 826, RFC 4861), one table for the whole segment: who claims which address, who asked, how often the
//! claimant changed. A cheat has to repeat itself, because the true owner answers too or caches expire; a host that gets another's old
//! address does not. Refuses to guess from one change alone: leases move, cards are replaced, machines restart. Virtual addresses of
//! redundant routers (VRRP, HSRP, GLBP) are claims of nobody.

#[cfg(test)]
mod tests;

use super::window::{Keyed, Recent};
use super::{Detector, Findings, Meta, Params, RecordFact, Scope, Threshold};
use crate::decode::Arp;
use crate::model::addr::{Ip, Mac};
use crate::model::anomaly::Subject;
use crate::model::kind;
use crate::model::time::Timestamp;
use crate::protocol::dhcp::v4::{DhcpRecord, TABLE as DHCP};
use std::collections::{BTreeMap, BTreeSet};

/// What it says of itself.
pub static META: Meta = Meta {
    id: "arp_spoof",
    question: "Does a host claim the address of another?",
    method: "Two link addresses that claim one address in turn contest it. The one that contests several, pushes answers nobody asked for or \
             takes the gateway's address is the cheat; without such signs it is a conflict of addresses.",
    kinds: &[&kind::ARP_SPOOF, &kind::ADDRESS_CONFLICT],
    scope: Scope::Segment,
    flows: false,
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
            why: "Who contests so many addresses of others within the window is no host with a wrong setting, which has one at a time.",
            source: "measured",
        },
        Threshold {
            name: "mutual",
            unit: "answers",
            default: 3.0,
            why: "Who tells each of two hosts so often, unasked, that it is the other sits between them; ettercap does it every ten seconds.",
            source: "manual of ettercap",
        },
        Threshold {
            name: "taken",
            unit: "answers",
            default: 3.0,
            why: "Unasked answers to one host, for an address that another had before, by one who has an address of his own: a machine that takes over for \
                  another announces itself to all.",
            source: "RFC 5227 section 2.3; short captures of arpspoof and ettercap",
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
    /// Addresses claimed, and when last.
    claimed: BTreeMap<Ip, Timestamp>,
    /// Those that others claim, too, and when that was last seen.
    contested: BTreeMap<Ip, Timestamp>,
    pushed: BTreeSet<Ip>,
    /// Those that another had before and that it told one host, unasked, that it has.
    took: BTreeSet<Ip>,
    /// Unasked answers: which address, told to whom, how often.
    told: BTreeMap<(Ip, Ip), u32>,
    /// The most often that both of two hosts were told to be the other.
    mutual: u32,
}

impl Claimant {
    /// Unasked, it told `to` that it is `ip`; true when it told `ip` that it is `to`, too.
    fn tell(&mut self, ip: Ip, to: Ip) -> bool {
        if self.told.len() < MAX_CLAIMS || self.told.contains_key(&(ip, to)) {
            *self.told.entry((ip, to)).or_default() += 1;
        }
        let [there, back] = [(ip, to), (to, ip)].map(|k| self.told.get(&k).copied().unwrap_or(0));
        self.mutual = self.mutual.max(there.min(back));
        back > 0
    }
}

fn stamp(map: &mut BTreeMap<Ip, Timestamp>, ip: Ip, ts: Timestamp) {
    if map.len() < MAX_CLAIMS || map.contains_key(&ip) {
        map.insert(ip, ts);
    }
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
    mutual: u32,
    taken: usize,
    asked_within: i64,
    /// By virtual network and address.
    addresses: Keyed<(u32, Ip), Address>,
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
            mutual: p.count("mutual").max(1) as u32,
            taken: p.count("taken").max(2),
            asked_within: p.nanos("asked_within"),
            addresses: Keyed::new(MAX_ADDRESSES, |a| a.holders.len() as u64 + a.changes.len() as u64),
            claimants: Keyed::new(MAX_CLAIMANTS, |c| {
                (c.contested.len() + c.pushed.len()) as u64 + u64::from(c.mutual)
            }),
            gateways: BTreeSet::new(),
        }
    }

    /// Note the claim; gives the other link address when it is contested, how often it was pushed, and whether nobody asked for it.
    fn note(&mut self, arp: &Arp) -> (Option<Mac>, usize, bool) {
        let (ip, mac, ts) = (arp.sender_ip, arp.sender_mac, arp.ts);
        let a = self.addresses.at(&(arp.lan, ip), ts);
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
        (other.filter(|_| contested), pushed, arp.operation == 2 && !asked && !announces)
    }

    /// Did another hold this address before, and does this one have an address of its own that it claimed lately?
    fn takes_over(&self, arp: &Arp) -> bool {
        let (ip, mac, ts) = (arp.sender_ip, arp.sender_mac, arp.ts);
        let lately = |then: Timestamp| ts.since(then) <= self.memory;
        let held = self
            .addresses
            .get(&(arp.lan, ip))
            .is_some_and(|a| a.changes.iter().any(|(then, before)| *before != mac && lately(*then)));
        let own = |c: &Claimant| {
            c.claimed.iter().any(|(i, then)| {
                *i != ip
                    && i.is_v4() == ip.is_v4()
                    && !c.contested.contains_key(i)
                    && !c.pushed.contains(i)
                    && lately(*then)
            })
        };
        held && self.claimants.get(&mac).is_some_and(own)
    }

    /// How much a link address looks like the cheat among two, and since when it claims this address: later is worse.
    fn rank(&self, mac: Mac, (lan, ip): (u32, Ip)) -> (u32, usize, usize, Timestamp) {
        let c = self.claimants.get(&mac);
        let holder = self.addresses.get(&(lan, ip)).and_then(|a| a.holders.iter().find(|h| h.mac == mac));
        (
            c.map_or(0, |c| c.mutual),
            c.map_or(0, |c| c.contested.len()),
            c.map_or(0, |c| c.pushed.len()),
            holder.map_or(Timestamp(i64::MIN), |h| h.since),
        )
    }

    fn judge(&self, arp: &Arp, other: Option<Mac>, pushed: usize, out: &mut Findings) {
        let (ip, ts) = (arp.sender_ip, arp.ts);
        let Some(address) = self.addresses.get(&(arp.lan, ip)) else { return };
        let cheat = match other {
            Some(other) if self.rank(other, (arp.lan, ip)) > self.rank(arp.sender_mac, (arp.lan, ip)) => {
                other
            }
            _ => arp.sender_mac,
        };
        let Some(claims) = self.claimants.get(&cheat) else { return };
        // One host with two cards answers for the same addresses from both.
        let twin = other
            .and_then(|o| self.claimants.get(&if o == cheat { arp.sender_mac } else { o }))
            .is_some_and(|c| {
                claims.pushed.is_empty()
                    && c.contested.keys().eq(claims.contested.keys())
                    && c.contested.len() > 1
            });
        let changes = address.changes.most(ts, self.window);
        let gateway = claims
            .contested
            .keys()
            .chain(&claims.pushed)
            .chain(&claims.took)
            .find(|i| self.gateways.contains(*i))
            .copied();
        let first = address.holders.iter().min_by_key(|h| h.since).is_some_and(|h| h.mac == cheat);
        let own = claims.claimed.keys().find(|i| {
            !claims.contested.contains_key(*i)
                && !claims.pushed.contains(*i)
                && !claims.took.contains(*i)
                && i.is_v4() == ip.is_v4()
        });
        let mut reasons: Vec<(&'static str, f64, f64, f64)> = Vec::new();
        // A host that is given one wrong address after the other contests them one at a time.
        let contested = claims.contested.values().filter(|t| ts.since(**t) <= self.window).count();
        if claims.mutual >= self.mutual {
            reasons.push(("between_two_hosts", claims.mutual.into(), self.mutual.into(), 0.6));
        }
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
        } else if cheat == arp.sender_mac && claims.took.contains(&ip) {
            reasons.push(("taken_from_another", pushed as f64, self.taken as f64, 0.45));
        }
        if claims.pushed.len() >= 2 {
            reasons.push(("addresses_pushed", claims.pushed.len() as f64, 2.0, 0.3));
        }
        if gateway.is_some() && !first {
            reasons.push(("gateway_claimed", 1.0, 1.0, 0.45));
        }
        let used = own.and_then(|o| claims.claimed.get(o)).is_some_and(|t| ts.since(*t) <= self.memory);
        if used && (contested > 1 || !claims.pushed.is_empty() || !claims.took.is_empty()) {
            reasons.push(("has_address_of_its_own", 1.0, 1.0, 0.2));
        }
        let doubt: f64 = reasons.iter().map(|r| 1.0 - r.3).product();
        let spoof = Subject::default().about(cheat.to_string());
        if (!twin && 1.0 - doubt >= 0.5) || out.has(&kind::ARP_SPOOF, &spoof) {
            for taken in claims.contested.keys() {
                out.withdraw(&kind::ADDRESS_CONFLICT, &Subject::to(*taken));
            }
            let victims: BTreeSet<Ip> =
                claims.contested.keys().chain(&claims.pushed).chain(&claims.took).copied().collect();
            let most = gateway.or_else(|| victims.iter().next().copied()).unwrap_or(ip);
            let true_macs: Vec<String> =
                victims.iter().filter_map(|v| self.owner((arp.lan, *v), cheat)).collect();
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
            let (a, b) = (other.min(arp.sender_mac), other.max(arp.sender_mac));
            f.title = format!("{a} and {b} both use {ip}");
            f.list("link_addresses", [a.to_string(), b.to_string()]);
        }
    }

    /// `address at link address` of the one who holds it besides the cheat.
    fn owner(&self, (lan, ip): (u32, Ip), cheat: Mac) -> Option<String> {
        let holders = &self.addresses.get(&(lan, ip))?.holders;
        let owner = holders.iter().filter(|h| h.mac != cheat).max_by_key(|h| (h.claims, h.mac))?;
        Some(format!("{ip} at {}", owner.mac))
    }
}

impl Detector for ArpSpoof {
    fn arp(&mut self, arp: &Arp, out: &mut Findings) {
        if arp.operation == 1 && arp.target_ip != arp.sender_ip {
            self.addresses.at(&(arp.lan, arp.target_ip), arp.ts).asked = Some(arp.ts);
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
        let (other, pushed, unasked) = self.note(arp);
        let c = self.claimants.at(&mac, arp.ts);
        stamp(&mut c.claimed, arp.sender_ip, arp.ts);
        if pushed >= self.pushed {
            keep(&mut c.pushed, arp.sender_ip);
        }
        let took = unasked && pushed >= self.taken && self.takes_over(arp);
        let c = self.claimants.at(&mac, arp.ts);
        if took {
            keep(&mut c.took, arp.sender_ip);
        }
        let between = unasked && c.tell(arp.sender_ip, arp.target_ip) && c.mutual >= self.mutual;
        if between {
            keep(&mut c.pushed, arp.sender_ip);
            keep(&mut c.pushed, arp.target_ip);
        }
        if let Some(other) = other {
            stamp(&mut c.contested, arp.sender_ip, arp.ts);
            stamp(&mut self.claimants.at(&other, arp.ts).contested, arp.sender_ip, arp.ts);
        }
        if other.is_some() || pushed >= self.pushed || between || took {
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
