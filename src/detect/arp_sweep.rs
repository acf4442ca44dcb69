//! Who asks the local network for every address?
//!
//! ARP (RFC 826) and neighbour solicitations (RFC 4861): requests for many addresses that nobody answers for. Flows do not show it, since
//! what is not there gets no packet. Refuses a router that looks for hosts of its own network: those answer.

use super::window::{Keyed, Recent};
use super::words::counted;
use super::{Detector, Findings, Meta, Params, Scope, Threshold};
use crate::decode::Arp;
use crate::model::addr::{Ip, Mac};
use crate::model::anomaly::Subject;
use crate::model::kind;
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeSet;

/// Askers that are remembered, with 512 requests of 40 bytes: 5 MB at worst, once for the capture.
const MAX_ASKERS: usize = 256;

/// Requests remembered of one.
const KEPT: usize = 512;

/// Addresses known to be there: 65,536 of them take 3 MB; when full, the memory begins anew.
const MAX_PRESENT: usize = 65_536;

/// Addresses that a finding counts.
const COUNTED: usize = 4_096;

/// The detector.
#[rustfmt::skip] // one threshold a line
pub static META: Meta = Meta {
    id: "arp_sweep",
    question: "Who asks the local network for every address?",
    method: "Requests of one link address are counted by different addresses asked for in half a minute, without those that answer or speak themselves.",
    kinds: &[&kind::HOST_SWEEP],
    scope: Scope::Segment,
    flows: false,
    tables: &[],
    icmp: false,
    thresholds: &[
        Threshold { name: "hosts", unit: "addresses", default: 20.0, why: "Different addresses asked for that nobody has; a host looks for a few peers and its gateway.", source: "measured on real captures" },
        Threshold { name: "window_s", unit: "s", default: 30.0, why: "Seconds in which they must lie; nmap and arp-scan take 2 to 13 s for a /24.", source: "measured on real captures" },
    ],
    innocent: &["A router that is told to reach many absent hosts: somebody behind it scans.", "A network inventory, a printer driver, or a router's own address check."],
    next: &["Find the device by its link address.", "If it is the router, look for the scan that comes through it."],
    references: &["https://attack.mitre.org/techniques/T1018/", "https://www.rfc-editor.org/rfc/rfc826"],
    build: |p| Box::new(Sweep::new(p)),
};

/// Requests of a sweep that are told one by one; of later ones each 16th, and the last.
const BEGINNING: u64 = 64;
const SAMPLED: u64 = 16;

#[derive(Debug, Default)]
struct Asker {
    recent: Recent<(Ip, u64)>,
    targets: BTreeSet<Ip>,
    told: bool,
    requests: u64,
    /// The last message of it, as [`Sweep::seen`] counts.
    last: u64,
    /// Requests after which there may be enough absent addresses: each adds one at most, and none leaves by turning up.
    look_at: u64,
    /// How often the memory of who is there had begun anew when `look_at` was said.
    forgotten: u64,
}

struct Sweep {
    hosts: usize,
    window: i64,
    askers: Keyed<(Mac, Ip), Asker>,
    /// Who is there, and since which message.
    present: HashMap<Ip, u64>,
    seen: u64,
    forgotten: u64,
}

impl Sweep {
    fn new(p: &Params) -> Self {
        Self {
            hosts: p.count("hosts").max(2),
            window: p.nanos("window_s"),
            askers: Keyed::new(MAX_ASKERS, |a: &Asker| a.recent.len() as u64 + 1_000 * u64::from(a.told)),
            present: HashMap::new(),
            seen: 0,
            forgotten: 0,
        }
    }
}

impl Asker {
    /// How many addresses it asked for lately that nobody has.
    fn absent(&self, present: &HashMap<Ip, u64>) -> usize {
        let asked = self.recent.iter().map(|(_, (ip, _))| *ip);
        asked.filter(|ip| !present.contains_key(ip)).collect::<HashSet<Ip>>().len()
    }

    /// Say what it did so far; who turned up after its last request is not counted.
    fn write(&self, (mac, ip): (Mac, Ip), least: usize, present: &HashMap<Ip, u64>, out: &mut Findings) {
        let found = out.open(&kind::HOST_SWEEP, Subject::by(ip).about("arp"));
        let by_then = |ip: &&Ip| present.get(*ip).is_some_and(|since| *since <= self.last);
        let there = || self.targets.iter().filter(by_then);
        let (hosts, answered) = (self.targets.len(), there().count());
        found.title =
            format!("{ip} ({mac}) asked the local network for {}, {answered} there", counted(hosts, "host"));
        found.dst = self.targets.first().copied();
        found.direction = Some("internal");
        found.reason("absent_addresses", (hosts - answered) as f64, least as f64, 0.7);
        found.detail("technique", "arp");
        found.detail("targets", hosts);
        found.detail("src_mac", mac.to_string());
        found.list("answered", there().map(ToString::to_string));
    }
}

/// No address: a host that looks whether its own is free (RFC 5227).
fn is_none(ip: Ip) -> bool {
    ip.wire().iter().all(|b| *b == 0)
}

impl Detector for Sweep {
    fn arp(&mut self, arp: &Arp, out: &mut Findings) {
        self.seen += 1;
        if self.present.len() >= MAX_PRESENT {
            self.present.clear();
            self.forgotten += 1;
        }
        if !is_none(arp.sender_ip) {
            self.present.entry(arp.sender_ip).or_insert(self.seen);
        }
        if arp.operation != 1 || arp.target_ip == arp.sender_ip || is_none(arp.sender_ip) {
            return;
        }
        let key = (arp.sender_mac, arp.sender_ip);
        let asker = self.askers.at(&key, arp.ts);
        asker.requests += 1;
        asker.last = self.seen;
        let event = (arp.ts, (arp.target_ip, arp.packet));
        let told = asker.told.then_some(event);
        if !asker.told {
            asker.recent.push(event.0, event.1, self.window, KEPT);
            let early = asker.requests < asker.look_at && asker.forgotten == self.forgotten;
            if early || asker.recent.len() < self.hosts {
                return;
            }
            let absent = asker.absent(&self.present);
            if absent < self.hosts {
                asker.look_at = asker.requests + (self.hosts - absent) as u64;
                asker.forgotten = self.forgotten;
                return;
            }
            asker.told = true;
        }
        let found = out.open(&kind::HOST_SWEEP, Subject::by(arp.sender_ip).about("arp"));
        // The one, or all that led to it; what a told sweep asked before is of no more use.
        let before = std::mem::take(&mut asker.recent);
        for (ts, (target, packet)) in before.iter().copied().chain(told) {
            found.seen_packet(ts, packet);
            if asker.targets.len() < COUNTED {
                asker.targets.insert(target);
            }
        }
        if asker.requests < BEGINNING || asker.requests.is_multiple_of(SAMPLED) {
            asker.write(key, self.hosts, &self.present, out);
        }
    }

    fn catch_up(&mut self, out: &mut Findings) {
        for key in self.askers.keys() {
            if let Some(asker) = self.askers.get_mut(&key).filter(|asker| asker.told) {
                asker.write(key, self.hosts, &self.present, out);
            }
        }
    }

    fn finish(&mut self, out: &mut Findings) {
        for (key, asker) in self.askers.drain_sorted() {
            if asker.told {
                asker.write(key, self.hosts, &self.present, out);
            }
        }
    }

    fn evicted(&self) -> u64 {
        self.askers.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn ask(n: u64, seconds: f64, operation: u16, sender: Ip, target: Ip) -> Arp {
        Arp {
            ts: at(seconds),
            packet: n,
            operation,
            sender_mac: Mac([2, 0, 0, 0, 0, sender.wire()[3]]),
            sender_ip: sender,
            target_mac: Mac::NONE,
            target_ip: target,
            lan: 0,
        }
    }

    fn kinds(arps: &[Arp]) -> Vec<String> {
        let mut bench = Bench::new(&META);
        arps.iter().for_each(|a| bench.detector.arp(a, &mut bench.found));
        bench.end().into_iter().map(|a| a.title).collect()
    }

    #[test]
    fn a_sweep_is_one_row() {
        let mut arps: Vec<Arp> =
            (0..254).map(|i| ask(i + 1, i as f64 * 0.01, 1, inside(7), inside(i as u8))).collect();
        arps.insert(30, ask(900, 0.3, 2, inside(20), inside(7)));
        assert_eq!(
            kinds(&arps),
            ["10.0.0.7 (02:00:00:00:00:07) asked the local network for 253 hosts, 1 there"]
        );
    }

    #[test]
    fn a_router_that_looks_for_its_hosts_is_none() {
        let arps: Vec<Arp> = (0..80)
            .flat_map(|i| {
                let t = f64::from(i) * 0.1;
                [
                    ask(1, t, 1, inside(1), inside(i as u8 + 2)),
                    ask(2, t + 0.01, 2, inside(i as u8 + 2), inside(1)),
                ]
            })
            .collect();
        assert!(kinds(&arps).is_empty());
        let slow: Vec<Arp> =
            (0..80).map(|i| ask(1, f64::from(i) * 2.0, 1, inside(1), inside(i as u8 + 2))).collect();
        assert!(kinds(&slow).is_empty(), "one every two seconds");
        let few: Vec<Arp> = (0..19).map(|i| ask(1, 1.0, 1, inside(1), inside(i + 2))).collect();
        assert!(kinds(&few).is_empty());
    }

    #[test]
    fn askers_are_capped() {
        let mut bench = Bench::new(&META);
        for i in 0..5_000u32 {
            bench.detector.arp(&ask(1, 1.0, 1, Ip::v4(i.to_be_bytes()), inside(1)), &mut bench.found);
        }
        assert!(bench.detector.evicted() > 4_000);
    }
}
