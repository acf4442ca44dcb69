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
use hashbrown::HashSet;
use std::collections::BTreeSet;

/// Askers that are remembered, with 512 requests of 40 bytes: 5 MB at worst, once for the capture.
const MAX_ASKERS: usize = 256;

/// Requests remembered of one.
const KEPT: usize = 512;

/// Addresses known to be there: 65,536 of them take 1.5 MB; when full, the memory begins anew.
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

#[derive(Debug, Default)]
struct Asker {
    recent: Recent<(Ip, u64)>,
    targets: BTreeSet<Ip>,
    told: bool,
}

struct Sweep {
    hosts: usize,
    window: i64,
    askers: Keyed<(Mac, Ip), Asker>,
    present: HashSet<Ip>,
}

impl Sweep {
    fn new(p: &Params) -> Self {
        Self {
            hosts: p.count("hosts").max(2),
            window: p.nanos("window_s"),
            askers: Keyed::new(MAX_ASKERS, |a: &Asker| a.recent.len() as u64 + 1_000 * u64::from(a.told)),
            present: HashSet::new(),
        }
    }
}

/// No address: a host that looks whether its own is free (RFC 5227).
fn is_none(ip: Ip) -> bool {
    ip.wire().iter().all(|b| *b == 0)
}

impl Detector for Sweep {
    fn arp(&mut self, arp: &Arp, out: &mut Findings) {
        if self.present.len() >= MAX_PRESENT {
            self.present.clear();
        }
        if !is_none(arp.sender_ip) {
            self.present.insert(arp.sender_ip);
        }
        if arp.operation != 1 || arp.target_ip == arp.sender_ip || is_none(arp.sender_ip) {
            return;
        }
        let asker = self.askers.at(&(arp.sender_mac, arp.sender_ip), arp.ts);
        asker.recent.push(arp.ts, (arp.target_ip, arp.packet), self.window, KEPT);
        let mut events = vec![(arp.ts, (arp.target_ip, arp.packet))];
        if !asker.told {
            if asker.recent.len() < self.hosts {
                return;
            }
            let present = &self.present;
            let absent: BTreeSet<Ip> =
                asker.recent.iter().map(|(_, (ip, _))| *ip).filter(|ip| !present.contains(ip)).collect();
            // The window holds both: what was asked lately, and its length.
            if absent.len() < self.hosts {
                return;
            }
            asker.told = true;
            events = asker.recent.iter().copied().collect();
        }
        let found = out.open(&kind::HOST_SWEEP, Subject::by(arp.sender_ip).about("arp"));
        for (ts, (target, packet)) in events {
            found.seen_packet(ts, packet);
            if asker.targets.len() < COUNTED {
                asker.targets.insert(target);
            }
        }
        let there: Vec<String> =
            asker.targets.iter().filter(|ip| self.present.contains(*ip)).map(ToString::to_string).collect();
        let hosts = asker.targets.len();
        found.title = format!(
            "{} ({}) asked the local network for {}, {} there",
            arp.sender_ip,
            arp.sender_mac,
            counted(hosts, "host"),
            there.len()
        );
        found.dst = asker.targets.first().copied();
        found.direction = Some("internal");
        found.reason("absent_addresses", (hosts - there.len()) as f64, self.hosts as f64, 0.7);
        found.detail("technique", "arp");
        found.detail("targets", hosts);
        found.detail("src_mac", arp.sender_mac.to_string());
        found.list("answered", there);
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
