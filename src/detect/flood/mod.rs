//! Who drowns a host in packets?
//!
//! SYN floods (RFC 4987), TCP packets without a connection, one-way datagrams and ICMP in masses, by the busiest ten seconds of a target.
//! Floods of requests are `request_flood`'s, reflected ones `amplification`'s.
//!
//! Refuses scans (many ports, a packet or two each), half of an asymmetric route (it acknowledges), and streams that are answered or
//! whose protocol is known. There is no minimum duration: real floods lasted 0.07 to 3 s in captures.

mod packets;
mod syn;

#[cfg(test)]
mod tests;

use self::packets::Packets;
use self::syn::Syns;
use super::window::{Busiest, Distinct, Rate};
use super::words::{counted, duration, grouped};
use super::{Detector, Finding, Findings, FlowFact, Meta, Params, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::ids::FlowId;
use crate::model::kind;
use crate::model::time::Timestamp;

/// Seconds with events that a rate keeps: 1 KB.
const SECONDS: usize = 64;

/// Senders and ports of a target that are counted exactly, then a sketch of 1 KB takes over.
const EXACT: usize = 64;

/// Flows kept before a flood is told.
const FIRST: usize = 25;

/// Events between two writings of a finding.
const BATCH: u64 = 256;

const MEASURED: &str = "measured on real captures";

/// The detector.
#[rustfmt::skip] // one threshold a line
pub static META: Meta = Meta {
    id: "flood",
    question: "Who drowns a host in packets?",
    method: "The busiest ten seconds of a target are compared with floors: half-open connections of one service, TCP packets that belong to no connection, unanswered datagrams of no known protocol, ICMP messages. Spread over many ports from few senders it is a scan.",
    kinds: &[&kind::SYN_FLOOD, &kind::TCP_FLOOD, &kind::UDP_FLOOD, &kind::ICMP_FLOOD],
    scope: Scope::Target,
    flows: true,
    tables: &[],
    icmp: false,
    thresholds: &[
        t("syns", "SYNs", 300.0, "Half-open connections of one service in the window.", MEASURED),
        t("syns_per_s", "SYNs/s", 50.0, "Least speed of its fastest second.", MEASURED),
        t("completed", "ratio", 0.2, "Part of the handshakes that clients complete, below which it is a flood; victims do answer, so answers say nothing.", MEASURED),
        t("bare", "packets", 200.0, "TCP packets that no stack sends by itself (FIN alone, no flags, XMAS, SYN+FIN) in the window.", MEASURED),
        t("stray", "packets", 1_000.0, "The same for those that old connections leave as well (ACK, RST, FIN+ACK, lone data), unless the target answers most by a RST.", MEASURED),
        t("datagrams", "packets", 1_000.0, "Unanswered datagrams in the window; iperf and QUIC run as fast, but are answered or known.", MEASURED),
        t("spread", "count", 50.0, "Different ports or senders that make such datagrams a flood.", MEASURED),
        t("single", "flows", 200.0, "Flows of one or two datagrams that make them a flood: a stream is one flow.", "hping3 draws a new port for each packet"),
        t("fast", "packets/s", 1_000.0, "Small datagrams in the fastest second that make one stream a flood: sound has 50 a second, games below 150; pictures and measurements are as fast, of large datagrams.", "measured on real captures; LOIC sends thousands from one socket"),
        t("small", "bytes", 400.0, "Mean size with the IP header up to which they are small.", "video travels in datagrams of 1,316 bytes and more"),
        t("echoes", "packets", 500.0, "ICMP messages to one host in the window, which is 50 a second.", MEASURED),
        t("errors", "packets", 5_000.0, "The same for ICMP errors: scans draw hundreds of them.", "BlackNurse begins at some thousand a second"),
        t("window_s", "s", 10.0, "Seconds of the window.", MEASURED),
        t("per_port", "packets", 10.0, "Packets per port of the target below which few senders make a scan.", "nmap repeats a probe up to ten times, mostly once"),
        t("senders", "hosts", 100.0, "Senders from which on many ports are no scan of one host.", MEASURED),
    ],
    innocent: &[
        "Of SYNs: a service that went down while its clients kept coming back, or a load test.",
        "Of datagrams: a log or flow exporter whose collector is gone.",
        "Of echoes: an administrator who measures with ping -f.",
    ],
    next: &[
        "Look whether the service still answered others in that time.",
        "Senders that are made up cannot be blocked by address: ask the provider, or turn on SYN cookies.",
        "A sender inside is infected or under somebody's orders: take it off the network.",
    ],
    references: &["https://attack.mitre.org/techniques/T1498/001/", "https://attack.mitre.org/techniques/T1499/001/", "https://www.rfc-editor.org/rfc/rfc4987"],
    build: |p| Box::new(Flood::new(p)),
};

/// The detector over originators: answers that begin a flow are turned by the flow table, so that who is hit is its originator.
#[rustfmt::skip] // one threshold a line
pub static UNASKED: Meta = Meta {
    id: "flood_unasked",
    question: "Who drowns in SYN-ACKs that answer nothing?",
    method: "SYN-ACKs to a host that sent no SYN are counted in its busiest ten seconds: a flood of them, or the answers of many servers to SYNs in its name.",
    kinds: &[&kind::TCP_FLOOD],
    scope: Scope::Source,
    flows: true,
    tables: &[],
    icmp: false,
    thresholds: &[
        t("bare", "packets", 200.0, "Such packets in the window, where the target answers most by a RST: it knows of no connection.", "as `flood`"),
        t("stray", "packets", 1_000.0, "The same where it says nothing.", "as `flood`"),
        t("window_s", "s", 10.0, "Seconds of the window.", "as `flood`"),
    ],
    innocent: &[
        "A capture that sees one half of a route, of connections in which nothing was said.",
        "The capture holds only the answers of a host that is flooded by SYNs: who gets them is the attacker, or his victim.",
    ],
    next: &[
        "Many servers, one port: they are misused as reflectors; the provider can filter their answers.",
        "Few senders: block them, and look whether they run attack tools.",
    ],
    references: &["https://attack.mitre.org/techniques/T1498/002/", "Kuehrer, Hupperich, Rossow, Holz: Hell of a Handshake: Abusing TCP for Reflective Amplification DDoS Attacks, WOOT 2014"],
    build: |p| Box::new(Unasked { limits: Limits::unasked(p), packets: Packets::new() }),
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
    syns: u64,
    syns_per_s: u64,
    completed: f64,
    bare: u64,
    stray: u64,
    datagrams: u64,
    spread: usize,
    single: u64,
    fast: u64,
    small: u64,
    echoes: u64,
    errors: u64,
    /// Whole seconds.
    window: i64,
    per_port: f64,
    senders: usize,
}

impl Limits {
    fn new(p: &Params) -> Self {
        let count = |name| p.get(name).round().max(1.0) as u64;
        Self {
            syns: count("syns"),
            syns_per_s: count("syns_per_s"),
            completed: p.get("completed"),
            bare: count("bare"),
            stray: count("stray"),
            datagrams: count("datagrams"),
            spread: p.count("spread"),
            single: count("single"),
            fast: count("fast"),
            small: count("small"),
            echoes: count("echoes"),
            errors: count("errors"),
            window: count("window_s") as i64,
            per_port: p.get("per_port"),
            senders: p.count("senders"),
        }
    }
}

impl Limits {
    /// What [`UNASKED`] needs of them.
    fn unasked(p: &Params) -> Self {
        let count = |name| p.get(name).round().max(1.0) as u64;
        let never = u64::MAX;
        Self {
            syns: never,
            syns_per_s: never,
            completed: 0.0,
            bare: count("bare"),
            stray: count("stray"),
            datagrams: never,
            spread: usize::MAX,
            single: never,
            fast: never,
            small: 0,
            echoes: never,
            errors: never,
            window: count("window_s") as i64,
            per_port: 0.0,
            senders: usize::MAX,
        }
    }
}

/// What is counted of one flow.
#[derive(Clone, Copy, Debug)]
struct Event {
    src: Ip,
    port: u16,
    packets: u64,
    first: Timestamp,
    last: Timestamp,
    flow: FlowId,
}

/// What comes to a target of one kind.
#[derive(Debug, Default)]
struct Tally {
    /// The only flow so far, when it is one packet: a scan leaves thousands of such targets, which shall allocate nothing.
    only: Option<Event>,
    rate: Rate,
    /// The busiest window and second so far.
    peak: u64,
    peak_1s: u64,
    packets: u64,
    flows: u64,
    bytes: u64,
    sources: Distinct<Ip>,
    ports: Distinct<u16>,
    busiest: Busiest<Ip>,
    busiest_port: Busiest<u16>,
    first: Option<Timestamp>,
    last: Timestamp,
    pending: Vec<(Timestamp, FlowId)>,
    told: bool,
    /// Is the capture over?
    ended: bool,
    outbound: bool,
    direction: &'static str,
}

impl Tally {
    /// A flow of `packets` of it.
    fn add(&mut self, f: &FlowFact, packets: u64) {
        let (first, last) = (f.first_ts, f.last_ts);
        let event = Event { src: f.src(), port: f.tuple.dst_port, packets, first, last, flow: f.id };
        self.packets += packets;
        self.flows += 1;
        self.bytes += f.orig.ip_bytes;
        self.first = Some(self.first.map_or(first, |t| t.min(first)));
        self.last = self.last.max(last);
        self.outbound = f.src_internal && !f.dst_internal;
        self.direction = f.direction;
        if self.flows == 1 && packets == 1 {
            self.only = Some(event);
        } else {
            self.unfold();
            self.sort_in(&event);
        }
    }

    /// Sort in what was held back.
    fn unfold(&mut self) {
        if let Some(only) = self.only.take() {
            self.sort_in(&only);
        }
    }

    fn sort_in(&mut self, d: &Event) {
        if d.packets == 1 {
            self.rate.add(d.first, 1, SECONDS)
        } else {
            self.rate.spread(d.first, d.last, d.packets, SECONDS)
        }
        self.sources.insert(&d.src, EXACT);
        self.ports.insert(&d.port, EXACT);
        self.busiest.add(&d.src, d.packets);
        self.busiest_port.add(&d.port, d.packets);
        if self.pending.len() < FIRST || self.told {
            self.pending.push((d.first, d.flow));
        }
    }

    /// Look at the rate when that may show something new: seldom, since it walks a minute of seconds.
    fn peaks(&mut self, window: i64, least: u64) -> u64 {
        if self.packets >= least {
            self.unfold();
        }
        if self.packets >= least && (self.peak == 0 || self.is_looked_at()) {
            self.peak = self.peak.max(self.rate.peak(window));
            self.peak_1s = self.peak_1s.max(self.rate.peak(1));
        }
        self.peak
    }

    /// Counting what is different costs, so not for every flow: the first ones, one in 16, long ones, and at the end.
    fn is_looked_at(&self) -> bool {
        self.flows < 16 || self.flows.is_multiple_of(16) || self.packets / self.flows > 16 || self.ended
    }

    /// Few ports, or too many senders for a scan?
    fn is_no_scan(&self, limits: &Limits) -> bool {
        let per_port = self.packets as f64 / self.ports.len().max(1) as f64;
        per_port >= limits.per_port || self.sources.len() >= limits.senders
    }

    /// Half of the flows come from senders of their own.
    fn is_spoofed(&self) -> bool {
        self.sources.len() >= EXACT && (self.flows as f64) < 2.0 * self.sources.len() as f64
    }

    fn is_due(&self) -> bool {
        self.told && self.flows.is_multiple_of(BATCH)
    }

    fn seconds(&self) -> f64 {
        self.first.map_or(0.0, |first| self.last.secs_since(first))
    }

    /// `10.0.0.1` or `3,187 hosts (made up, probably)`.
    fn who(&self) -> String {
        match self.sources.len() {
            1 => self.busiest.first().map(|(ip, _)| ip.to_string()).unwrap_or_default(),
            n if self.is_spoofed() => format!("{} (probably made up)", self.about(n, "sender")),
            n => self.about(n, "host"),
        }
    }

    /// So many senders, or about so many.
    fn about(&self, n: usize, noun: &str) -> String {
        let some = if self.sources.is_exact() { "" } else { "some " };
        format!("{some}{}", counted(n.min(self.packets as usize), noun))
    }

    /// `in 14 s, at most 118 a second`.
    fn pace(&self) -> String {
        format!("in {}, at most {} in one second", duration(self.seconds()), grouped(self.peak_1s))
    }

    /// What all floods tell alike.
    fn write(&mut self, found: &mut Finding, technique: &'static str) {
        for (ts, flow) in self.pending.drain(..) {
            found.cover(ts, ts);
            found.evidence(flow);
        }
        if let Some(first) = self.first {
            found.cover(first, self.last);
        }
        found.set_count(self.packets);
        found.direction = Some(self.direction);
        let busiest = self.busiest.first().filter(|(_, n)| n * 2 >= self.packets);
        found.src = busiest.map(|(ip, _)| *ip);
        found.detail("technique", technique);
        found.detail("sources", self.sources.len());
        found.list("source_list", self.sources.sorted().iter().map(ToString::to_string));
        found.detail("ports", self.ports.len());
        found.detail("packets", self.packets);
        found.detail("bytes", self.bytes);
        found.detail("peak_per_s", self.peak_1s);
        if self.is_spoofed() {
            found.reason("senders_per_flow", self.sources.len() as f64 / self.flows as f64, 0.5, 0.4);
        }
        if self.outbound {
            found.raise("leaves_the_network");
        }
    }
}

/// How sure a number is that is so far above its floor: 0.6 at the floor, 0.9 at the fourfold.
fn weight(value: u64, floor: u64) -> f64 {
    let times = value as f64 / floor.max(1) as f64;
    (1.0 - 0.4 / times.max(1.0)).min(0.95)
}

struct Flood {
    limits: Limits,
    syns: Syns,
    packets: Packets,
}

impl Flood {
    fn new(p: &Params) -> Self {
        Self { limits: Limits::new(p), syns: Syns::new(), packets: Packets::new() }
    }
}

struct Unasked {
    limits: Limits,
    packets: Packets,
}

impl Detector for Unasked {
    fn flow(&mut self, f: &FlowFact, out: &mut Findings) {
        if f.is_tcp() {
            self.packets.answer(f, &self.limits, out);
        }
    }

    fn catch_up(&mut self, out: &mut Findings) {
        self.packets.catch_up(&self.limits, out);
    }

    fn finish(&mut self, out: &mut Findings) {
        self.packets.finish(&self.limits, out);
    }

    fn evicted(&self) -> u64 {
        self.packets.evicted()
    }
}

impl Detector for Flood {
    fn flow(&mut self, f: &FlowFact, out: &mut Findings) {
        if f.is_tcp() && f.history.has('S') {
            self.syns.flow(f, &self.limits, out);
        } else {
            self.packets.flow(f, &self.limits, out);
        }
    }

    fn catch_up(&mut self, out: &mut Findings) {
        self.syns.catch_up(&self.limits, out);
        self.packets.catch_up(&self.limits, out);
    }

    fn finish(&mut self, out: &mut Findings) {
        self.syns.finish(&self.limits, out);
        self.packets.finish(&self.limits, out);
    }

    fn evicted(&self) -> u64 {
        self.syns.evicted() + self.packets.evicted()
    }
}
