//! Who looks for open ports?
//!
//! Vertical (many ports of one host), horizontal (one port of many hosts), block (many of many) and slow scans, by all the first packets that
//! nmap's manual lists. The slow one is a threshold random walk (Jung, Paxson, Berger, Balakrishnan: Fast Portscan Detection Using Sequential
//! Hypothesis Testing, IEEE S&P 2004). Scans that many hosts share are `port_scan_distributed`'s.
//!
//! Refuses to tell a window scan from an ACK scan (they send the same), and an idle scan from backscatter (it shows the zombie's packets
//! only).

mod case;
mod lately;
mod probe;
mod source;

#[cfg(test)]
mod tests;

use self::source::{Noticed, Seen, Setting, Source};
use super::window::Keyed;
use super::{Detector, Findings, FlowFact, Meta, Params, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::kind;

/// Hosts with failed attempts that are remembered in one shard. One takes 8 KB at most (128 attempts of 40 bytes, 256 contacts) and some
/// 500 bytes when it had one failure: 16 shards of them stay below 64 MB in the worst case, and below 4 MB in ordinary traffic.
const MAX_SOURCES: usize = 512;

/// Scans that grow in one shard, 16 KB each: 16 shards of them take 32 MB at worst.
const MAX_CASES: usize = 128;

/// Ports behind which there is much to win: remote logins, file shares, domain controllers.
const SENSITIVE: &[u16] = &[21, 22, 23, 53, 88, 139, 389, 445, 3_389, 5_900, 5_985, 5_986, 9_389];

const MEASURED: &str = "measured on real captures";
const PAPER: &str = "Jung et al. 2004, section 4";

/// The detector.
#[rustfmt::skip] // one threshold a line
pub static META: Meta = Meta {
    id: "port_scan",
    question: "Who looks for open ports?",
    method: "Attempts that were refused, not answered or dropped half-way are counted by host: different ports of one target, different targets of one port, both, and first contacts in a random walk. First packets that no stack sends (no flags, FIN, XMAS, SYN+FIN) count by themselves. Ratio to what worked keeps busy clients out.",
    kinds: &[&kind::PORT_SCAN_VERTICAL, &kind::PORT_SCAN_HORIZONTAL, &kind::PORT_SCAN_BLOCK, &kind::PORT_SCAN_SLOW],
    scope: Scope::Source,
    flows: true,
    tables: &[],
    icmp: false,
    thresholds: &[
        t("ports", "ports", 15.0, "Different failed ports of one target that make a vertical scan; clients retry one or two.", "Snort's sfPortscan uses the same order; measured on real captures"),
        t("window_s", "s", 60.0, "Seconds in which they must lie; the scanners' default speeds take far less.", MEASURED),
        t("failure_ratio", "ratio", 0.7, "Least part of the attempts that failed: an honest client mostly gets what it asks for.", PAPER),
        t("fast_ports", "ports", 8.0, "Failed ports that suffice when they come at once; it moves with `ports`.", MEASURED),
        t("fast_window_s", "s", 5.0, "Seconds that count as at once.", MEASURED),
        t("fast_ratio", "ratio", 0.9, "Least failure ratio of those few.", MEASURED),
        t("sensitive_ports", "ports", 4.0, "Failed ports of logins and shares that are a hint by themselves; it moves with `ports`.", MEASURED),
        t("burst_ports", "ports", 5.0, "Failed ports of one target within a second, and nothing that worked, that are a hint: a client of several services asks for two or three. It moves with `ports`.", "measured on captures cut short"),
        t("burst_hosts", "hosts", 6.0, "Failed targets of one port of logins and shares within a minute, and none that worked, that are a hint.", "measured on captures cut short"),
        t("stealth_points", "points", 5.0, "Odd first packets at different ports or hosts: 2 for one without flags, XMAS or SYN+FIN, 1 for a bare FIN.", MEASURED),
        t("ip_protocols", "protocols", 10.0, "Different IP protocols sent to one target; hosts speak three or four.", "nmap -sO"),
        t("hosts", "hosts", 25.0, "Failed targets of one port that make a horizontal scan.", MEASURED),
        t("sensitive_hosts", "hosts", 10.0, "The same for inside targets of a port of logins and shares; no honest client tries so many.", MEASURED),
        t("wide_window_s", "s", 900.0, "Seconds in which they must lie.", MEASURED),
        t("fanout_ratio", "ratio", 0.3, "Least silent part of the hosts that a host sends unknown datagrams to on one port: a hint, one step milder.", MEASURED),
        t("block_hosts", "hosts", 5.0, "Targets with many failed ports that make a block scan.", MEASURED),
        t("block_ports", "ports", 5.0, "Failed ports that such a target has at least.", MEASURED),
        t("block_pairs", "pairs", 50.0, "Failed pairs of target and port that a block scan has at least.", MEASURED),
        t("block_window_s", "s", 300.0, "Seconds in which they must lie.", MEASURED),
        t("random_pairs", "pairs", 100.0, "Failed pairs of any target and port within `window_s` that make a block scan: no peer fails so often so fast.", MEASURED),
        t("rows", "rows", 8.0, "Vertical and horizontal scans of one host told one by one; what is more becomes one block scan.", "a person reads no more"),
        t("walk_failing", "probability", 0.8, "Chance that a scanner's first contact fails (1 - theta1).", PAPER),
        t("walk_honest", "probability", 0.2, "Chance that an honest first contact fails (1 - theta0).", PAPER),
        t("walk_scanner", "ratio", 99.0, "Likelihood ratio from which on it is a scanner: detection 0.99 over false alarms 0.01.", PAPER),
        t("walk_innocent", "ratio", 0.010_1, "Likelihood ratio below which it is honest and the walk begins anew: 0.01 over 0.99.", PAPER),
        t("walk_failures", "contacts", 10.0, "Failed first contacts before a slow scan is told: four in a row convince the walk, not a person.", MEASURED),
        t("inbound_failures", "contacts", 8.0, "The same for one from outside that no inside host answers.", MEASURED),
        t("inbound_hosts", "hosts", 5.0, "Different inside hosts that it must have tried.", MEASURED),
    ],
    innocent: &[
        "An authorised vulnerability scanner or inventory tool.",
        "A monitoring system whose targets were switched off.",
        "A peer-to-peer program that this version does not know, with old addresses.",
        "A client of a server that is down, when it tries several services in turn.",
    ],
    next: &[
        "Ask who owns the source, and whether a scan was announced.",
        "Look at the open ports in the details: connections to them after the scan are what matters.",
        "From inside: look for what the source fetched before it began (executable_download, beacon).",
    ],
    references: &[
        "https://attack.mitre.org/techniques/T1046/",
        "https://nmap.org/book/man-port-scanning-techniques.html",
        "Jung, Paxson, Berger, Balakrishnan: Fast Portscan Detection Using Sequential Hypothesis Testing, IEEE S&P 2004",
    ],
    build: |p| Box::new(PortScan::new(p)),
};

const fn t(
    name: &'static str,
    unit: &'static str,
    default: f64,
    why: &'static str,
    source: &'static str,
) -> Threshold {
    Threshold { name, unit, default, why, source }
}

/// The thresholds, ready to compare with.
#[derive(Debug)]
struct Limits {
    ports: usize,
    window: i64,
    ratio: f64,
    fast_ports: usize,
    fast_window: i64,
    fast_ratio: f64,
    sensitive_ports: usize,
    burst_ports: usize,
    burst_hosts: usize,
    stealth: usize,
    protocols: usize,
    hosts: usize,
    sensitive_hosts: usize,
    wide_window: i64,
    fanout_ratio: f64,
    block_hosts: usize,
    block_ports: usize,
    block_pairs: usize,
    block_window: i64,
    random_pairs: usize,
    rows: usize,
    walk_up: f64,
    walk_down: f64,
    walk_scanner: f64,
    walk_innocent: f64,
    walk_failures: usize,
    inbound_failures: usize,
    inbound_hosts: usize,
    /// Attempts remembered of one host.
    kept: usize,
    /// Can a single attempt never make a scan? With thresholds of one it can.
    never_by_one: bool,
}

impl Limits {
    fn new(p: &Params) -> Self {
        let ports = p.count("ports").max(1);
        // What suffices in special cases follows the main threshold.
        let scaled = |name: &str| {
            let usual = META.thresholds.iter().find(|t| t.name == "ports").map_or(1.0, |t| t.default);
            ((p.get(name) * ports as f64 / usual).round() as usize).max(2)
        };
        let (hosts, block_pairs) = (p.count("hosts").max(2), p.count("block_pairs"));
        // Odds of failure and success under both hypotheses.
        let (bad, good) = (p.get("walk_failing").clamp(0.01, 0.99), p.get("walk_honest").clamp(0.01, 0.99));
        Self {
            ports,
            window: p.nanos("window_s"),
            ratio: p.get("failure_ratio"),
            fast_ports: scaled("fast_ports"),
            fast_window: p.nanos("fast_window_s"),
            fast_ratio: p.get("fast_ratio"),
            sensitive_ports: scaled("sensitive_ports"),
            burst_ports: scaled("burst_ports"),
            burst_hosts: p.count("burst_hosts").max(2),
            stealth: p.count("stealth_points"),
            protocols: p.count("ip_protocols"),
            hosts,
            sensitive_hosts: p.count("sensitive_hosts").max(2),
            wide_window: p.nanos("wide_window_s"),
            fanout_ratio: p.get("fanout_ratio"),
            block_hosts: p.count("block_hosts"),
            block_ports: p.count("block_ports"),
            block_pairs,
            block_window: p.nanos("block_window_s"),
            random_pairs: p.count("random_pairs"),
            rows: p.count("rows").max(1),
            walk_up: (bad / good).ln(),
            walk_down: ((1.0 - bad) / (1.0 - good)).ln(),
            walk_scanner: p.get("walk_scanner").max(1.0).ln(),
            walk_innocent: p.get("walk_innocent").clamp(1e-9, 0.99).ln(),
            walk_failures: p.count("walk_failures"),
            inbound_failures: p.count("inbound_failures"),
            inbound_hosts: p.count("inbound_hosts"),
            kept: (2 * ports)
                .max(2 * hosts)
                .max(2 * block_pairs)
                .max(p.count("random_pairs"))
                .clamp(128, 8_192),
            never_by_one: [
                "ports",
                "ip_protocols",
                "block_pairs",
                "random_pairs",
                "walk_failures",
                "inbound_failures",
            ]
            .iter()
            .all(|name| p.count(name) >= 2)
                && p.count("stealth_points") > 2,
        }
    }

    fn horizon(&self) -> i64 {
        self.window.max(self.wide_window).max(self.block_window)
    }

    /// Attempts at one target below which nothing vertical can be.
    fn least_vertical(&self) -> usize {
        self.ports
            .min(self.fast_ports)
            .min(self.sensitive_ports)
            .min(self.burst_ports)
            .min(self.stealth.div_ceil(2))
            .max(1)
    }
}

/// One shard of sources.
struct PortScan {
    limits: Limits,
    sources: Keyed<Ip, Source>,
    cases: usize,
    refused: u64,
}

impl PortScan {
    fn new(p: &Params) -> Self {
        Self {
            limits: Limits::new(p),
            sources: Keyed::new(MAX_SOURCES, Source::suspicion),
            cases: 0,
            refused: 0,
        }
    }
}

impl Detector for PortScan {
    fn flow(&mut self, f: &FlowFact, out: &mut Findings) {
        let Some(probe) = probe::read(f) else { return };
        let (src, ts) = (f.src(), f.first_ts);
        if probe.outcome.is_failure() && probe::is_peer(f) {
            return;
        }
        // Who never failed is nobody's business.
        let source = if probe.counts_at_one_host() {
            Some(self.sources.at(&src, ts))
        } else {
            self.sources.get_mut(&src)
        };
        let Some(source) = source else { return };
        let seen = Seen::of(f, probe);
        if self.limits.never_by_one && source.hold(ts, seen, Setting::of(f))
            || !seen.probe.counts_at_one_host() && source.is_idle()
        {
            return;
        }
        source.unfold(&self.limits);
        let taken = source.follow(ts, f, &seen);
        let verdict = source.see(ts, f, seen, taken, &self.limits);
        if let Some(verdict) = verdict {
            if self.cases >= MAX_CASES {
                self.refused += 1;
            } else {
                self.cases += 1;
                let noticed = Noticed { src, ts, setting: Setting::of(f), syn: f.syn };
                source.begin(verdict, noticed, &self.limits, out);
            }
        }
        if taken {
            for case in source.cases.iter_mut().filter(|c| c.is_due()) {
                case.write(src, out);
            }
        }
    }

    fn catch_up(&mut self, out: &mut Findings) {
        for src in self.sources.keys() {
            let Some(source) = self.sources.get_mut(&src) else { continue };
            source.cases.iter_mut().for_each(|case| case.write(src, out));
        }
    }

    fn finish(&mut self, out: &mut Findings) {
        for (src, mut source) in self.sources.drain_sorted() {
            if let Some(verdict) = source.walked(true, &self.limits) {
                let (ts, setting) = source.walk.end();
                source.begin(verdict, Noticed { src, ts, setting, syn: None }, &self.limits, out);
            }
            for case in &mut source.cases {
                case.write(src, out);
            }
        }
    }

    fn evicted(&self) -> u64 {
        self.sources.evicted() + self.refused
    }
}
