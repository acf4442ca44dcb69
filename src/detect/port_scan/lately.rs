//! Do the last attempts of a host make a scan?
//!
//! Windows over what it tried lately: many ports of one target, one port of many, many of many. Mostly they do not, which a count of
//! attempts shows; only where that count suffices are the different ones counted.

use super::Limits;
use super::case::Reach;
use super::probe::Technique;
use super::source::{Seen, Source, Verdict};
use crate::detect::{FlowFact, Outcome};
use crate::model::addr::Ip;
use crate::model::flow::ip_protocol;
use crate::model::time::{Timestamp, secs};
use hashbrown::{HashMap, HashSet};

/// High UDP ports of servers that are sought because they amplify or break: SQL Server's browser, L2TP, SSDP, STUN, WS-Discovery,
/// SIP, mDNS, CoAP, memcached, video recorders.
const UDP_SERVERS: &[u16] = &[1_434, 1_701, 1_900, 3_478, 3_702, 5_060, 5_353, 5_683, 11_211, 37_810];

/// TCP ports on which members of peer networks listen unless told otherwise, so that many stale addresses share them: Bitcoin and its kin, eDonkey,
/// Gnutella, BitTorrent, Tendermint, IPFS, Monero, Ethereum.
pub(super) const PEERS_PORTS: &[u16] = &[
    4_001, 4_662, 6_346, 6_881, 6_882, 6_883, 6_884, 6_885, 6_886, 6_887, 6_888, 6_889, 8_333, 8_334, 9_333,
    18_080, 22_556, 26_656, 30_303, 51_413,
];

/// What nobody does by hand comes within a second, and hosts of a list within a minute.
const BURST: i64 = secs(1);
const BURST_WIDE: i64 = secs(60);

/// The densest stretch: different ports, and the sensitive ones among them.
struct Densest {
    distinct: usize,
    sensitive: usize,
}

/// The different ones, in order.
fn different<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = items.collect();
    all.sort_unstable();
    all.dedup();
    all
}

impl Source {
    pub(super) fn vertical(&self, ts: Timestamp, seen: &Seen, limits: &Limits) -> Option<Verdict> {
        let window = limits.window;
        let near = || {
            let near = self.recent.between(ts.plus(-window), ts.plus(window));
            near.filter(|(_, s)| s.dst == seen.dst && s.protocol == seen.protocol)
        };
        // Attempts are at least as many as different ports: mostly that settles it.
        let (mut all, mut failed, mut sensitive, mut odd) = (0, 0, 0, 0);
        for (_, s) in near() {
            all += 1;
            odd += s.probe.technique.stealth();
            if s.probe.counts_at_one_host() {
                failed += 1;
                sensitive += usize::from(s.is_sensitive());
            }
        }
        let may_be = failed >= limits.ports.min(limits.fast_ports).min(limits.burst_ports)
            || sensitive >= limits.sensitive_ports
            || odd >= limits.stealth
            || seen.probe.technique == Technique::IpProtocol && failed >= limits.protocols;
        if all < limits.least_vertical() || !may_be {
            return None;
        }
        let near: Vec<(Timestamp, Seen)> = near().copied().collect();
        let ratio = failure_ratio(&near);
        let (slow, fast) = (densest(&near, window), densest(&near, limits.fast_window));
        let stealth = stealth(&near);
        let protocols = seen.probe.technique == Technique::IpProtocol;
        let (n, quick, sensitive) = (slow.distinct, fast.distinct, slow.sensitive);
        let mut reasons = Vec::new();
        let mut mild = None;
        if protocols {
            if n < limits.protocols {
                return None;
            }
            reasons.push(("ip_protocols", n as f64, limits.protocols as f64, 0.8));
        } else {
            if stealth >= limits.stealth {
                reasons.push(("stealth_points", stealth as f64, limits.stealth as f64, 0.75));
            }
            if n >= limits.ports && ratio >= limits.ratio {
                reasons.push(("failed_ports", n as f64, limits.ports as f64, 0.75));
            } else if quick >= limits.fast_ports && ratio >= limits.fast_ratio {
                reasons.push(("failed_ports", quick as f64, limits.fast_ports as f64, 0.65));
            }
            let enough = sensitive >= limits.sensitive_ports && ratio >= limits.ratio;
            if reasons.is_empty() {
                // Checks of services find them open.
                let failed: Vec<(Timestamp, Seen)> =
                    near.iter().filter(|(_, s)| s.probe.outcome.is_failure()).copied().collect();
                let burst = densest(&failed, BURST).distinct;
                if burst >= limits.burst_ports && ratio >= 1.0 {
                    reasons.push(("failed_ports_at_once", burst as f64, limits.burst_ports as f64, 0.5));
                } else if !enough {
                    return None;
                }
                mild = Some("few_ports");
            }
            if enough {
                reasons.push(("sensitive_ports", sensitive as f64, limits.sensitive_ports as f64, 0.55));
            }
            reasons.push(("failure_ratio", ratio, limits.ratio, 0.3));
        }
        Some(Verdict { reach: Reach::Vertical(seen.dst, seen.protocol), reasons, mild })
    }

    pub(super) fn horizontal(
        &self,
        ts: Timestamp,
        f: &FlowFact,
        seen: &Seen,
        limits: &Limits,
    ) -> Option<Verdict> {
        if seen.probe.technique == Technique::IpProtocol {
            return None;
        }
        let udp = seen.protocol == ip_protocol::UDP;
        // Resolvers and clocks ask all over the world, and a capture of one half shows no answer.
        if udp && f.direction == "outbound" && matches!(seen.port, 53 | 123) {
            return None;
        }
        let near = || self.recent.between(ts.plus(-limits.wide_window), ts.plus(limits.wide_window));
        // Without a RST it may as well be what is left of an old connection.
        let is_stray = |s: &Seen| s.probe.technique.may_be_stray() && s.probe.outcome != Outcome::Closed;
        let least = if seen.is_sensitive() && f.dst_internal { limits.sensitive_hosts } else { limits.hosts };
        // Attempts are at least as many as different hosts: mostly that settles it.
        let (mut most, mut odd) = (0, 0);
        for (_, s) in near() {
            if s.port == seen.port && s.protocol == seen.protocol && !is_stray(s) {
                most += usize::from(s.probe.counts());
                odd += s.probe.technique.stealth();
            }
        }
        let few = if seen.is_sensitive() { least.min(limits.burst_hosts) } else { least };
        if most < if odd >= limits.stealth { few.min(limits.stealth) } else { few } {
            return None;
        }
        let (mut tried, mut open, mut elsewhere) = (HashSet::new(), HashSet::new(), HashSet::new());
        let (mut failed, mut other_ports) = (HashSet::new(), HashSet::new());
        for (_, s) in near() {
            let stray = is_stray(s);
            if s.port == seen.port && s.protocol == seen.protocol && !stray {
                if s.probe.counts() {
                    tried.insert(s.dst);
                    if s.probe.outcome.is_failure() {
                        failed.insert(s.dst);
                    }
                } else {
                    open.insert(s.dst);
                }
            } else if s.protocol == seen.protocol && s.port >= 1_024 {
                elsewhere.insert(s.dst);
                other_ports.insert(s.port);
            }
        }
        let n = tried.len();
        let ratio = n as f64 / (n + open.len()).max(1) as f64;
        let mut mild = None;
        let mut reasons = Vec::new();
        // Peers listen on ports of their own; some share the usual one.
        let peers = seen.port >= 1_024 && f.direction != "inbound" && (udp || f.direction != "internal");
        // Worms try a dozen ports of theirs everywhere; each peer has its own.
        let of_their_own = udp || other_ports.len() * 2 >= elsewhere.len();
        if peers && of_their_own && elsewhere.len() * 2 >= n {
            return None;
        }
        // Who finds every door open and lets go looks whether services are up, as a balancer of loads does.
        let checks = failed.len() * 10 < n;
        if odd >= limits.stealth && n >= limits.stealth && n < least {
            reasons.push(("stealth_hosts", n as f64, limits.stealth as f64, 0.75));
        } else if n < least && seen.is_sensitive() && open.is_empty() && self.hurried(ts, seen, limits) {
            mild = Some("few_hosts");
            reasons.push(("failed_hosts", n as f64, limits.burst_hosts as f64, 0.5));
        } else if n < least {
            return None;
        } else if ratio >= limits.ratio {
            let peers_port =
                if udp { !UDP_SERVERS.contains(&seen.port) } else { PEERS_PORTS.contains(&seen.port) };
            mild = (peers && peers_port).then_some("may_be_peers");
            if checks {
                mild = Some("may_be_health_checks");
            }
            reasons.push(("failed_hosts", n as f64, least as f64, 0.75));
        } else if udp && ratio >= limits.fanout_ratio && f.service.is_none() {
            // Enough do answer: an unknown network of peers, or a scan of many open ports.
            mild = Some("many_answered");
            reasons.push(("silent_hosts", n as f64, least as f64, 0.5));
        } else {
            return None;
        }
        reasons.push((
            "failure_ratio",
            ratio,
            if mild.is_some() { limits.fanout_ratio } else { limits.ratio },
            0.3,
        ));
        Some(Verdict { reach: Reach::Horizontal(seen.port, seen.protocol), reasons, mild })
    }

    /// Did it fail at so many hosts on this port within a minute?
    fn hurried(&self, ts: Timestamp, seen: &Seen, limits: &Limits) -> bool {
        let near = self.recent.between(ts.plus(-BURST_WIDE), ts);
        let failed = near.filter(|(_, s)| {
            s.port == seen.port && s.protocol == seen.protocol && s.probe.outcome.is_failure()
        });
        different(failed.map(|(_, s)| s.dst)).len() >= limits.burst_hosts
    }

    /// Are there targets enough for a block scan, and attempts? Mostly not, which is soon seen.
    fn reaches(&self, ts: Timestamp, limits: &Limits) -> bool {
        let longest = limits.block_window.max(limits.window);
        let mut hosts: Vec<Ip> = Vec::with_capacity(limits.block_hosts.min(64));
        let mut failed = 0;
        for (_, s) in self.recent.between(ts.plus(-longest), ts.plus(longest)) {
            if s.probe.counts() {
                failed += 1;
                if hosts.len() < limits.block_hosts && !hosts.contains(&s.dst) {
                    hosts.push(s.dst);
                }
            }
        }
        hosts.len() >= limits.block_hosts && failed >= limits.block_pairs.min(limits.random_pairs)
    }

    pub(super) fn block(&self, ts: Timestamp, limits: &Limits) -> Option<Verdict> {
        if self.recent.len() < limits.block_pairs || !self.reaches(ts, limits) {
            return None;
        }
        let at_once = || {
            let near = self.recent.between(ts.plus(-limits.window), ts);
            near.filter(|(_, s)| s.protocol == ip_protocol::TCP && s.probe.counts())
        };
        if at_once().count() >= limits.random_pairs {
            let near = different(at_once().map(|(_, s)| (s.dst, s.port)));
            let hosts = different(near.iter().map(|(ip, _)| *ip)).len();
            let ports = different(near.iter().map(|(_, port)| *port)).len();
            let several = hosts >= limits.block_hosts && ports >= limits.block_ports;
            if several && near.len() >= limits.random_pairs && near.len() * 10 >= self.recent.len() * 9 {
                let reasons =
                    vec![("failed_pairs_at_once", near.len() as f64, limits.random_pairs as f64, 0.8)];
                return Some(Verdict { reach: Reach::Block, reasons, mild: None });
            }
        }
        let near = || self.recent.between(ts.plus(-limits.block_window), ts.plus(limits.block_window));
        let failed = near().filter(|(_, s)| s.probe.counts());
        let failed = different(failed.map(|(_, s)| (s.dst, s.protocol, s.port)));
        let open = near().filter(|(_, s)| !s.probe.counts()).count();
        let pairs = failed.len();
        let hosts =
            failed.chunk_by(|a, b| a.0 == b.0).filter(|ports| ports.len() >= limits.block_ports).count();
        let ratio = pairs as f64 / (pairs + open).max(1) as f64;
        if pairs < limits.block_pairs || hosts < limits.block_hosts || ratio < limits.ratio {
            return None;
        }
        let reasons = vec![
            ("failed_pairs", pairs as f64, limits.block_pairs as f64, 0.7),
            ("hosts_with_many_ports", hosts as f64, limits.block_hosts as f64, 0.5),
            ("failure_ratio", ratio, limits.ratio, 0.3),
        ];
        Some(Verdict { reach: Reach::Block, reasons, mild: None })
    }
}

/// Most different ports that failed in any stretch of `window`, in what is near.
fn densest(near: &[(Timestamp, Seen)], window: i64) -> Densest {
    let mut counts: HashMap<u16, u32> = HashMap::new();
    let mut best = Densest { distinct: 0, sensitive: 0 };
    let (mut from, mut sensitive) = (0usize, 0usize);
    for (ts, seen) in near.iter().filter(|(_, s)| s.probe.counts_at_one_host()) {
        let n = counts.entry(seen.port).or_default();
        *n += 1;
        sensitive += usize::from(*n == 1 && seen.is_sensitive());
        while let Some((_, gone)) = near.get(from).filter(|(t, _)| ts.since(*t) > window) {
            from += 1;
            if gone.probe.counts_at_one_host()
                && let Some(n) = counts.get_mut(&gone.port)
            {
                *n -= 1;
                if *n == 0 {
                    counts.remove(&gone.port);
                    sensitive -= usize::from(gone.is_sensitive());
                }
            }
        }
        best.distinct = best.distinct.max(counts.len());
        best.sensitive = best.sensitive.max(sensitive);
    }
    best
}

/// Part of the different ports that failed.
fn failure_ratio(near: &[(Timestamp, Seen)]) -> f64 {
    let failed: HashSet<u16> =
        near.iter().filter(|(_, s)| s.probe.counts_at_one_host()).map(|(_, s)| s.port).collect();
    let fine: HashSet<u16> = near
        .iter()
        .filter(|(_, s)| s.probe.outcome == Outcome::Open && !s.probe.counts_at_one_host())
        .map(|(_, s)| s.port)
        .collect();
    failed.len() as f64 / (failed.len() + fine.difference(&failed).count()).max(1) as f64
}

/// How odd the first packets were, over different ports.
fn stealth(near: &[(Timestamp, Seen)]) -> usize {
    let mut ports: HashMap<u16, usize> = HashMap::new();
    for (_, s) in near {
        let worst = ports.entry(s.port).or_default();
        *worst = (*worst).max(s.probe.technique.stealth());
    }
    ports.values().sum()
}
