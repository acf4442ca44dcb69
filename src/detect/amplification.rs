//! Who is hit by answers that he never asked for, or that are far larger than the questions?
//!
//! Reflection (US-CERT TA14-017A; Rossow: Amplification Hell, NDSS 2014): servers answer a made-up sender. Seen at the victim as answers without
//! questions, at the server as small questions with large answers. The flow table turns answers of well-known ports, so the victim is the
//! originator of some flows and the responder of others: hence two detectors of one method.
//!
//! Refuses resolvers at work (they ask), bulk transfers, and name servers that answer clients of their own network.

use super::window::{Busiest, Distinct, Keyed, Rate};
use super::words::{counted, duration, grouped};
use super::{Detector, Findings, FlowFact, Meta, Params, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::ids::FlowId;
use crate::model::kind;
use crate::model::time::Timestamp;

/// Pairs of victim and service remembered in one shard, 4 KB each at most: 16 shards of both detectors take 32 MB at worst.
const MAX_VICTIMS: usize = 256;

/// Seconds with answers that a rate keeps.
const SECONDS: usize = 64;

/// Servers that are counted exactly.
const EXACT: usize = 64;

/// Flows kept before it is told.
const FIRST: usize = 25;

/// Services over UDP that answer more than they are asked, by port (Rossow 2014, US-CERT TA14-017A), and whether so much of an answer is
/// ordinary inside a network.
const SERVICES: &[(u16, &str, bool)] = &[
    (17, "qotd", false),
    (19, "chargen", false),
    (53, "dns", true),
    (69, "tftp", true),
    (111, "portmap", true),
    (123, "ntp", false),
    (137, "netbios", true),
    (161, "snmp", true),
    (177, "xdmcp", true),
    (389, "cldap", true),
    (520, "rip", true),
    (523, "db2", false),
    (1_434, "mssql", true),
    (1_900, "ssdp", true),
    (3_283, "ard", true),
    (3_702, "wsd", true),
    (5_093, "sentinel", false),
    (5_353, "mdns", true),
    (5_683, "coap", true),
    (10_001, "ubiquiti", true),
    (11_211, "memcached", false),
    (17_185, "vxworks", false),
    (27_015, "steam", true),
    (27_960, "quake", true),
    (32_414, "plex", true),
    (37_810, "dvr", false),
];

const THRESHOLDS: &[Threshold] = &[
    t(
        "answers",
        "answers",
        100.0,
        "Answers to one host in the window that it never asked for.",
        "measured on real captures",
    ),
    t(
        "asked",
        "ratio",
        0.1,
        "Part of the answers that it did ask for, below which the rest is reflected.",
        "measured on real captures",
    ),
    t(
        "bytes_each",
        "bytes",
        400.0,
        "Mean size of an unasked answer from which on so few suffice: attackers choose large ones.",
        "plain answers of DNS take 100 to 300 bytes",
    ),
    t(
        "masses",
        "answers",
        1_000.0,
        "Unasked answers in the window that need no size.",
        "measured on real captures",
    ),
    t(
        "pairs",
        "pairs",
        50.0,
        "Questions with answers in the window, seen at the server.",
        "measured on real captures",
    ),
    t(
        "factor",
        "ratio",
        10.0,
        "Bytes answered for one asked.",
        "Rossow 2014: DNS 28 to 54, NTP 556, CLDAP 56 to 70",
    ),
    t("window_s", "s", 10.0, "Seconds of the window.", "as `flood`"),
];

const INNOCENT: &[&str] = &[
    "A capture that sees one half of a route: the questions left by the other.",
    "A name server with signed zones and a busy resolver as its client.",
];

const NEXT: &[&str] = &[
    "At the victim: ask the provider to filter answers of that port.",
    "At the server: close it to the outside, or limit its rate of answers; it is misused.",
];

const REFERENCES: &[&str] = &[
    "https://attack.mitre.org/techniques/T1498/002/",
    "Rossow: Amplification Hell: Revisiting Network Protocols for DDoS Abuse, NDSS 2014",
];

/// The detector over originators: answers of turned flows, and large answers to small questions.
pub static META: Meta = Meta {
    id: "amplification",
    question: "Whose questions are answered far too largely, or without being asked?",
    method: "Answers of misused UDP services are counted by the host that asks, or seems to: without a question, or with many times its bytes.",
    kinds: &[&kind::AMPLIFICATION],
    scope: Scope::Source,
    flows: true,
    tables: &[],
    icmp: false,
    thresholds: THRESHOLDS,
    innocent: INNOCENT,
    next: NEXT,
    references: REFERENCES,
    build: |p| Box::new(Amplification::new(p, true)),
};

/// The detector over responders: answers that begin a flow.
pub static UNASKED: Meta = Meta {
    id: "amplification_unasked",
    question: "Who is hit by answers that nobody asked for?",
    method: "Datagrams from the port of a misused UDP service that begin a flow, and so answer nothing, are counted by the host that gets them.",
    kinds: &[&kind::AMPLIFICATION],
    scope: Scope::Target,
    flows: true,
    tables: &[],
    icmp: false,
    thresholds: THRESHOLDS,
    innocent: INNOCENT,
    next: NEXT,
    references: REFERENCES,
    build: |p| Box::new(Amplification::new(p, false)),
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

/// Answers of one service to one host.
#[derive(Debug, Default)]
struct Victim {
    answers: Rate,
    pairs: Rate,
    unasked: u64,
    /// Packets that it did send to such servers.
    questions: u64,
    bytes: u64,
    asked_bytes: u64,
    answered_bytes: u64,
    answered: u64,
    servers: Distinct<Ip>,
    busiest: Busiest<Ip>,
    flows: Vec<(Timestamp, FlowId)>,
    first: Option<Timestamp>,
    last: Timestamp,
    seen: u64,
    told: bool,
    direction: &'static str,
}

struct Amplification {
    over_originators: bool,
    answers: u64,
    asked: f64,
    bytes_each: f64,
    masses: u64,
    pairs: u64,
    factor: f64,
    window: i64,
    victims: Keyed<(Ip, u16), Victim>,
}

fn service(port: u16) -> Option<(&'static str, bool)> {
    SERVICES.iter().find(|(p, ..)| *p == port).map(|(_, name, ordinary)| (*name, *ordinary))
}

impl Amplification {
    fn new(p: &Params, over_originators: bool) -> Self {
        let count = |name| p.get(name).round().max(1.0) as u64;
        Self {
            over_originators,
            answers: count("answers"),
            asked: p.get("asked"),
            bytes_each: p.get("bytes_each"),
            masses: count("masses"),
            pairs: count("pairs"),
            factor: p.get("factor"),
            window: count("window_s") as i64,
            victims: Keyed::new(MAX_VICTIMS, |v: &Victim| v.unasked + v.answered),
        }
    }

    /// Why it is reflection, if it is.
    fn verdict(&self, v: &Victim) -> Option<[(&'static str, f64, f64, f64); 2]> {
        let unasked = v.answers.peak(self.window);
        let mean = v.bytes as f64 / v.unasked.max(1) as f64;
        let asked = v.questions as f64 / (v.questions + v.unasked).max(1) as f64;
        let enough = unasked >= self.masses || unasked >= self.answers && mean >= self.bytes_each;
        if enough && asked < self.asked {
            return Some([
                ("unasked_answers", unasked as f64, self.answers as f64, 0.7),
                ("bytes_per_answer", mean, self.bytes_each, if mean >= self.bytes_each { 0.4 } else { 0.1 }),
            ]);
        }
        let pairs = v.pairs.peak(self.window);
        let factor = v.answered_bytes as f64 / v.asked_bytes.max(1) as f64;
        (pairs >= self.pairs && factor >= self.factor).then_some([
            ("pairs", pairs as f64, self.pairs as f64, 0.4),
            ("amplification_factor", factor, self.factor, 0.6),
        ])
    }

    fn judge(&self, (victim, port): (Ip, u16), v: &mut Victim, out: &mut Findings) {
        let Some(reasons) = self.verdict(v) else { return };
        v.told = true;
        let name = service(port).map_or("", |(name, _)| name);
        let found = out.open(&kind::AMPLIFICATION, Subject::to(victim).over(17).about(name));
        let servers = v.servers.len();
        let seconds = v.first.map_or(0.0, |first| v.last.secs_since(first));
        let reflected = v.unasked > v.answered;
        let pace = format!("in {}", duration(seconds));
        found.title = if reflected {
            format!(
                "{} sent {victim} {} that it did not ask for {pace}",
                counted(servers, &format!("{name} server")),
                counted(v.unasked as usize, "answer")
            )
        } else {
            let factor = v.answered_bytes as f64 / v.asked_bytes.max(1) as f64;
            format!(
                "{} answered {} in the name of {victim} with {factor:.0} times the bytes {pace}",
                counted(servers, &format!("{name} server")),
                counted(v.answered as usize, "question")
            )
        };
        for (ts, flow) in v.flows.drain(..) {
            found.cover(ts, ts);
            found.evidence(flow);
        }
        if let Some(first) = v.first {
            found.cover(first, v.last);
        }
        found.set_count(v.unasked.max(v.answered));
        found.src = v.busiest.first().map(|(ip, _)| *ip);
        found.direction = Some(v.direction);
        found.detail("service", name);
        found.detail("service_port", port);
        found.detail("servers", servers);
        found.list("server_list", v.servers.sorted().iter().map(ToString::to_string));
        found.detail("bytes", grouped(v.bytes + v.answered_bytes));
        for (name, value, threshold, weight) in reasons {
            found.reason(name, value, threshold, weight);
        }
    }
}

/// The parts of a flow that matter: server, victim, port, answers nobody asked for, questions, and answers to them.
struct Part {
    server: Ip,
    victim: Ip,
    port: u16,
    unasked: u64,
}

impl Amplification {
    fn part(&self, f: &FlowFact) -> Option<Part> {
        if !f.is_udp() {
            return None;
        }
        let (src, dst) = (f.src(), f.dst());
        if self.over_originators {
            service(f.tuple.dst_port)?;
            let unasked = if f.orig.packets == 0 { f.resp.packets } else { 0 };
            // Groups are asked by everybody.
            return (!dst.is_multicast()).then_some(Part {
                server: dst,
                victim: src,
                port: f.tuple.dst_port,
                unasked,
            });
        }
        let known = service(f.tuple.src_port).is_some() && service(f.tuple.dst_port).is_none();
        let alone = f.resp.packets == 0 && f.tuple.dst_port > 0 && !f.history.begins('^');
        (known && alone).then_some(Part {
            server: src,
            victim: dst,
            port: f.tuple.src_port,
            unasked: f.orig.packets,
        })
    }
}

impl Detector for Amplification {
    fn flow(&mut self, f: &FlowFact, out: &mut Findings) {
        let Some(part) = self.part(f) else { return };
        let key = (part.victim, part.port);
        let (sent, got) = if self.over_originators { (f.resp, f.orig) } else { (f.orig, f.resp) };
        let inside = f.src_internal && f.dst_internal;
        let ordinary = service(part.port).is_some_and(|(_, ordinary)| ordinary);
        let v = if part.unasked > 0 || sent.packets > 0 && sent.bytes > 4 * got.bytes {
            self.victims.at(&key, f.first_ts)
        } else if let Some(v) = self.victims.get_mut(&key) {
            v
        } else {
            return;
        };
        v.questions += got.packets;
        if part.unasked > 0 {
            v.unasked += part.unasked;
            v.bytes += sent.ip_bytes;
            v.answers.spread(f.first_ts, f.last_ts, part.unasked, SECONDS);
        } else if !(ordinary && (inside || f.direction == "outbound")) {
            // Inside, and of resolvers, large answers are ordinary.
            let pairs = sent.packets.min(got.packets);
            v.answered += pairs;
            v.asked_bytes += got.bytes;
            v.answered_bytes += sent.bytes;
            v.pairs.spread(f.first_ts, f.last_ts, pairs, SECONDS);
        }
        v.servers.insert(&part.server, EXACT);
        v.busiest.add(&part.server, sent.packets);
        v.first = Some(v.first.map_or(f.first_ts, |t| t.min(f.first_ts)));
        v.last = v.last.max(f.last_ts);
        v.direction = f.direction;
        v.seen += 1;
        if v.flows.len() < FIRST {
            v.flows.push((f.first_ts, f.id));
        }
        let enough = v.unasked >= self.answers || v.answered >= self.pairs;
        let due = v.seen.is_multiple_of(if v.told { 256 } else { 8 }) || v.unasked + v.answered > 8 * v.seen;
        if enough && due {
            let mut taken = std::mem::take(v);
            self.judge(key, &mut taken, out);
            *self.victims.at(&key, f.first_ts) = taken;
        }
    }

    fn catch_up(&mut self, out: &mut Findings) {
        for key in self.victims.keys() {
            let Some(victim) = self.victims.get_mut(&key).filter(|v| v.told) else { continue };
            let mut taken = std::mem::take(victim);
            self.judge(key, &mut taken, out);
            if let Some(victim) = self.victims.get_mut(&key) {
                *victim = taken;
            }
        }
    }

    fn finish(&mut self, out: &mut Findings) {
        for (key, mut v) in self.victims.drain_sorted() {
            if v.unasked >= self.answers || v.answered >= self.pairs {
                self.judge(key, &mut v, out);
            }
        }
    }

    fn evicted(&self) -> u64 {
        self.victims.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::detect::fact::History;

    /// An answer of `bytes` from `server` to the victim, turned by the flow table.
    fn turned(n: u64, seconds: f64, server: Ip, port: u16, bytes: u64) -> FlowFact {
        let mut f = udp(n, seconds, inside(1), server, port, (0, 1));
        f.history = History::new("^d");
        (f.resp.ip_bytes, f.resp.bytes) = (bytes, bytes - 28);
        f
    }

    fn exchange(n: u64, seconds: f64, client: Ip, server: Ip, port: u16, bytes: (u64, u64)) -> FlowFact {
        let mut f = udp(n, seconds, client, server, port, (1, 1));
        (f.orig.bytes, f.resp.bytes) = bytes;
        f
    }

    fn kinds(flows: impl IntoIterator<Item = FlowFact>) -> Vec<&'static str> {
        Bench::new(&META).flows(flows).kinds()
    }

    #[test]
    fn unasked_answers_are_one_row() {
        let all = Bench::new(&META)
            .flows((0..300).map(|n| turned(n + 1, n as f64 * 0.01, outside(n as u8), 53, 1_400)))
            .end();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].kind.name, all[0].dst), ("amplification", Some(inside(1))));
        assert!(
            all[0].title.ends_with("dns servers sent 10.0.0.1 300 answers that it did not ask for in 3 s"),
            "{}",
            all[0].title
        );
        let begun = (0..300).map(|n| {
            let mut f = udp(n + 1, n as f64 * 0.01, outside(n as u8), inside(1), 40_000, (1, 0));
            (f.tuple.src_port, f.orig.ip_bytes) = (11_211, 1_400);
            f
        });
        assert_eq!(Bench::new(&UNASKED).flows(begun).kinds(), ["amplification"]);
    }

    #[test]
    fn large_answers_seen_at_the_server() {
        let monlist =
            (0..80).map(|n| exchange(n + 1, n as f64 * 0.1, outside(1), inside(9), 123, (8, 4_400)));
        let all = Bench::new(&META).flows(monlist).end();
        assert!(
            all[0].title.contains("in the name of 203.0.113.1 with 550 times the bytes"),
            "{}",
            all[0].title
        );
    }

    #[test]
    fn ordinary_answers_are_none() {
        let resolver =
            (0..500).map(|n| exchange(n + 1, n as f64 * 0.01, inside(1), outside(n as u8), 53, (40, 900)));
        assert!(kinds(resolver).is_empty(), "a resolver");
        let walk = (0..500).map(|n| exchange(n + 1, n as f64 * 0.01, inside(1), inside(9), 161, (60, 1_300)));
        assert!(kinds(walk).is_empty(), "SNMP inside");
        assert!(kinds((0..99).map(|n| turned(n + 1, 1.0, outside(n as u8), 53, 1_400))).is_empty(), "few");
        assert!(
            kinds((0..500).map(|n| turned(n + 1, n as f64 * 0.01, outside(n as u8), 53, 150))).is_empty(),
            "half a route"
        );
        let server = (0..500).map(|n| exchange(n + 1, n as f64 * 0.01, outside(1), inside(9), 53, (40, 200)));
        assert!(kinds(server).is_empty(), "a name server");
    }

    #[test]
    fn victims_are_capped() {
        let mut bench = Bench::new(&META);
        bench.flows((0..9_000u32).map(|n| {
            let mut f = turned(u64::from(n) + 1, 1.0, outside(1), 53, 1_400);
            f.tuple.src = Ip::v4(n.to_be_bytes());
            f
        }));
        assert!(bench.detector.evicted() > 8_000);
    }
}
