//! Do many hosts share the ports of one target between them?
//!
//! Each source stays below what makes a scan of its own; together they cover many ports of one host in a minute (ATT&CK T1595.001). Refuses a flood with
//! made-up senders (`syn_flood`), and the slow noise that every public address gets: that does not reach twenty ports in a minute.

use super::window::{Keyed, Recent};
use super::words::{counted, duration};
use super::{Detector, Findings, FlowFact, Meta, Outcome, Params, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::ids::FlowId;
use crate::model::kind;
use crate::model::time::Timestamp;
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeSet;

/// Targets remembered in one shard: 256 attempts of 48 bytes each make 12 KB, so 16 shards take 48 MB when all targets are scanned, and
/// some hundred KB in ordinary traffic.
const MAX_TARGETS: usize = 256;

/// Attempts remembered of one target.
const KEPT: usize = 256;

/// Sources and ports that a finding lists and counts exactly.
const LISTED: usize = 1_024;

/// The detector.
#[rustfmt::skip] // one threshold a line
pub static META: Meta = Meta {
    id: "port_scan_distributed",
    question: "Do many hosts share the ports of one target between them?",
    method: "Failed attempts at one target are counted over all sources that stay below a scan of their own: different sources and different ports within a minute.",
    kinds: &[&kind::PORT_SCAN_DISTRIBUTED],
    scope: Scope::Target,
    flows: true,
    tables: &[],
    icmp: false,
    thresholds: &[
        Threshold { name: "sources", unit: "hosts", default: 10.0, why: "Different sources that take part; fewer are scans of their own.", source: "measured on real captures" },
        Threshold { name: "ports", unit: "ports", default: 20.0, why: "Different failed ports of the target, over all sources.", source: "measured on real captures" },
        Threshold { name: "ports_each", unit: "ports", default: 15.0, why: "A source with so many ports is a vertical scan of its own and is left out.", source: "as `port_scan.ports`" },
        Threshold { name: "window_s", unit: "s", default: 60.0, why: "Seconds in which they must lie; the noise that public addresses get is slower.", source: "measured on real captures" },
        Threshold { name: "flood_share", unit: "ratio", default: 0.8, why: "Part of the attempts with a sender of their own from which on, at a flood's speed, senders are made up.", source: "measured on real captures" },
        Threshold { name: "flood_s", unit: "s", default: 5.0, why: "So many attempts as are remembered, in so few seconds, are a flood's speed.", source: "256 attempts in 5 s are 50 a second" },
    ],
    innocent: &["A public address that was a peer's before, on many ports.", "A research project that scans from many addresses."],
    next: &["Look which port was open in the end, and who connected to it later.", "Compare the SYNs of the sources: equal looks mean one tool."],
    references: &["https://attack.mitre.org/techniques/T1595/001/"],
    build: |p| Box::new(Distributed::new(p)),
};

#[derive(Clone, Copy, Debug)]
struct Attempt {
    src: Ip,
    port: u16,
    flow: FlowId,
}

#[derive(Debug, Default)]
struct Target {
    recent: Recent<Attempt>,
    sources: BTreeSet<Ip>,
    ports: BTreeSet<u16>,
    n: u32,
    /// In a flood: up to which attempt nobody looks.
    quiet: u32,
    told: bool,
    /// Up to which attempt they are counted.
    shown: Option<Timestamp>,
}

struct Distributed {
    sources: usize,
    ports: usize,
    each: usize,
    window: i64,
    flood_share: f64,
    flood: i64,
    targets: Keyed<Ip, Target>,
}

impl Distributed {
    fn new(p: &Params) -> Self {
        Self {
            sources: p.count("sources").max(2),
            ports: p.count("ports").max(2),
            each: p.count("ports_each").max(1),
            window: p.nanos("window_s"),
            flood_share: p.get("flood_share"),
            flood: p.nanos("flood_s"),
            targets: Keyed::new(MAX_TARGETS, |t: &Target| t.recent.len() as u64 + 1_000 * u64::from(t.told)),
        }
    }
}

/// Those of the attempts in the window that belong to it: without scans of their own.
fn shared(recent: &Recent<Attempt>, ts: Timestamp, window: i64, each: usize) -> Vec<(Timestamp, Attempt)> {
    let near: Vec<(Timestamp, Attempt)> = recent.between(ts.plus(-window), ts).copied().collect();
    let mut by: HashMap<Ip, HashSet<u16>> = HashMap::new();
    for (_, a) in &near {
        by.entry(a.src).or_default().insert(a.port);
    }
    near.into_iter().filter(|(_, a)| by.get(&a.src).is_none_or(|p| p.len() < each)).collect()
}

impl Detector for Distributed {
    fn flow(&mut self, f: &FlowFact, out: &mut Findings) {
        let tcp = f.tuple.protocol == ip_protocol::TCP;
        // An attempt is a SYN and nothing else of the sender; joined connections and half routes are none.
        if !tcp || f.outcome() == Outcome::Open || !matches!(f.conn_state, "S0" | "REJ") || f.history.has('A')
        {
            return;
        }
        let ts = f.first_ts;
        let dst = f.dst();
        let target = self.targets.at(&dst, ts);
        let attempt = Attempt { src: f.src(), port: f.tuple.dst_port, flow: f.id };
        target.recent.push(ts, attempt, self.window, KEPT);
        target.n = target.n.wrapping_add(1);
        // The window is walked, so not for every attempt; in a flood seldom.
        let full = target.recent.len() >= KEPT;
        if target.n < target.quiet
            || target.recent.len() < self.ports
            || !target.n.is_multiple_of(if full { 64 } else { 8 })
        {
            return;
        }
        // One or few sources, as nearly always: no need to sort them out.
        let mut few: Vec<Ip> = Vec::with_capacity(self.sources);
        for (_, a) in target.recent.iter() {
            if few.len() < self.sources && !few.contains(&a.src) {
                few.push(a.src);
            }
        }
        if few.len() < self.sources {
            return;
        }
        let near = shared(&target.recent, ts, self.window, self.each);
        let sources: BTreeSet<Ip> = near.iter().map(|(_, a)| a.src).collect();
        let ports: BTreeSet<u16> = near.iter().map(|(_, a)| a.port).collect();
        if sources.len() < self.sources || ports.len() < self.ports {
            return;
        }
        let span = near.last().zip(near.first()).map_or(0, |((b, _), (a, _))| b.since(*a));
        let alone = sources.len() as f64 >= self.flood_share * near.len() as f64;
        if near.len() >= KEPT * 3 / 4 && alone && span <= self.flood {
            target.quiet = target.n.wrapping_add(4 * KEPT as u32);
            return;
        }
        let found = out.open(&kind::PORT_SCAN_DISTRIBUTED, Subject::to(dst));
        // Evidence of a stretch that was shown already is not kept twice; its number is.
        let from = target.shown.unwrap_or(Timestamp(i64::MIN));
        let new: Vec<_> = near.iter().filter(|(then, _)| *then > from).collect();
        new.iter().for_each(|(then, a)| found.seen(*then, a.flow));
        target.shown = near.last().map(|(then, _)| (*then).max(from)).or(target.shown);
        target.told = true;
        let new = |n: usize| LISTED.saturating_sub(n);
        let (room, ports_room) = (new(target.sources.len()), new(target.ports.len()));
        target.sources.extend(sources.iter().take(room));
        target.ports.extend(ports.iter().take(ports_room));
        let (all_sources, all_ports) = (target.sources.len(), target.ports.len());
        found.title = format!(
            "{} tried {} of {dst} between them within {}",
            counted(all_sources, "host"),
            counted(all_ports, "port"),
            duration(self.window as f64 / 1e9)
        );
        found.protocol = Some(ip_protocol::TCP);
        found.direction = Some(f.direction);
        found.reason("sources", all_sources as f64, self.sources as f64, 0.5);
        found.reason("failed_ports", all_ports as f64, self.ports as f64, 0.5);
        // Sources that divide the ports among them work together.
        let overlap = near.len() as f64 / ports.len().max(1) as f64;
        if overlap < 1.5 {
            found.reason("attempts_per_port", overlap, 1.5, 0.3);
        }
        found.list("sources", target.sources.iter().map(ToString::to_string));
        found.list("ports", target.ports.iter().copied());
    }

    fn evicted(&self) -> u64 {
        self.targets.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn shares(sources: u8, ports: u16, gap: f64) -> impl Iterator<Item = FlowFact> {
        (0..ports).map(move |i| {
            unanswered(
                u64::from(i) + 1,
                f64::from(i) * gap,
                outside((i % u16::from(sources)) as u8),
                inside(9),
                1_000 + i,
            )
        })
    }

    #[test]
    fn shared_ports_are_one_row() {
        let all = Bench::new(&META).flows(shares(12, 60, 0.5)).end();
        assert_eq!(all.len(), 1);
        assert_eq!(
            (all[0].kind.name, all[0].dst, all[0].src),
            ("port_scan_distributed", Some(inside(9)), None)
        );
        assert_eq!(all[0].title, "12 hosts tried 56 ports of 10.0.0.9 between them within 60 s");
        assert!(all[0].count >= 24 && all[0].details["ports"].as_array().is_some_and(|p| p.len() >= 56));
    }

    #[test]
    fn fewer_slower_or_greedier_is_none() {
        assert!(Bench::new(&META).flows(shares(9, 60, 0.5)).kinds().is_empty());
        assert!(Bench::new(&META).flows(shares(12, 19, 0.5)).kinds().is_empty());
        assert!(Bench::new(&META).flows(shares(12, 60, 6.0)).kinds().is_empty(), "background noise");
        // One source with all ports, nine with one each.
        let one = (0..60u16).map(|i| unanswered(u64::from(i) + 1, 1.0, outside(99), inside(9), 1_000 + i));
        assert!(Bench::new(&META).flows(one.chain(shares(9, 9, 0.1))).kinds().is_empty());
    }

    #[test]
    fn made_up_senders_are_a_flood() {
        let flood = (0..4_000u32).map(|i| {
            let [_, a, b, c] = i.to_be_bytes();
            unanswered(
                u64::from(i) + 1,
                f64::from(i) * 0.001,
                Ip::v4([198, a, b, c]),
                inside(9),
                (i % 50_000) as u16,
            )
        });
        let mut bench = Bench::new(&META);
        bench.flows(flood);
        // The first second of it may look like many scanners.
        assert!(bench.end().iter().all(|a| a.count < 400));
    }

    #[test]
    fn targets_are_capped() {
        let mut bench = Bench::new(&META);
        bench.flows(
            (0..9_000u32).map(|i| unanswered(u64::from(i) + 1, 1.0, outside(1), Ip::v4(i.to_be_bytes()), 80)),
        );
        assert!(bench.detector.evicted() > 8_000);
    }
}
