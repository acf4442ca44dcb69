//! Who mines cryptocurrency, for which pool, and who only looked one up or runs a node?
//!
//! The protocol itself proves it (`stratum` records, in any dialect and transport); without it, the name of a pool in SNI, Host, certificate or
//! in the DNS answer that led to a connection, strengthened by port and shape of the flow. The shape (few small packets at an even
//! pace for minutes) follows the features published for CESNET's NEMEA miner detector. Lists: `pools.txt`, `ports.txt`.
//! Refuses to call a port or a shape alone mining, a visit to a pool's website, or a node of a coin's own network.

mod names;
mod tell;
#[cfg(test)]
mod tests;

use self::names::{Hit, Pools};
use self::tell::describe;
use super::window::Keyed;
use super::{Detector, Findings, FlowFact, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::ids::FlowId;
use crate::model::kind::{CRYPTO_MINING, CRYPTO_P2P, POOL_LOOKUP};
use crate::model::time::Timestamp;
use crate::protocol::dns::rdata::Rdata;
use crate::protocol::dns::record::DnsRecord;
use crate::protocol::stratum::StratumRecord;
use crate::protocol::tls::TlsHandshake;
use crate::protocol::{dns, stratum, tls};
use std::collections::BTreeSet;

/// Pairs of miner and pool per shard, some 700 bytes each: 11 MB in 16 shards.
const MAX_PAIRS: usize = 1_024;
/// Names asked for, and nodes, per shard, some 200 bytes each.
const MAX_NAMES: usize = 2_048;
/// TLS connections to pools that are still open, per shard.
const MAX_OPEN: usize = 1_024;
/// Peers of a node that are listed.
const MAX_PEERS: usize = 32;

/// What it says of itself.
pub static META: Meta = Meta {
    id: "crypto_mining",
    question: "Does a host mine cryptocurrency for a pool?",
    method: "Messages of a mining protocol prove it. Without them, the name of a pool that was connected to (SNI, Host, certificate or DNS answer) or a listed address is needed; a pool's port and the even trickle of small packets strengthen it. Peers of a coin's own network and names that were only looked up are told as information.",
    kinds: &[&CRYPTO_MINING, &CRYPTO_P2P, &POOL_LOOKUP],
    scope: Scope::Source,
    flows: true,
    tables: &[&stratum::TABLE, &dns::record::TABLE, &tls::TLS],
    icmp: false,
    thresholds: &[
        Threshold {
            name: "points",
            unit: "points",
            default: 9.0,
            why: "Points of the flow's shape from which on it counts: packets even and small 2 each, pace 2, service port 3, lasting 3.",
            source: "NEMEA miner detector, CESNET",
        },
        Threshold {
            name: "least_packet",
            unit: "bytes",
            default: 50.0,
            why: "Smallest mean packet of a miner: most are shares and bare acknowledgements.",
            source: "NEMEA miner detector, CESNET",
        },
        Threshold {
            name: "most_packet",
            unit: "bytes",
            default: 130.0,
            why: "Largest mean packet of a miner: jobs are short.",
            source: "NEMEA miner detector, CESNET",
        },
        Threshold {
            name: "least_pace",
            unit: "packets/min",
            default: 8.0,
            why: "A miner hands in shares and gets jobs several times a minute.",
            source: "NEMEA miner detector, CESNET",
        },
        Threshold {
            name: "most_pace",
            unit: "packets/min",
            default: 30.0,
            why: "Pools set the difficulty so that shares stay rare.",
            source: "NEMEA miner detector, CESNET",
        },
        Threshold {
            name: "lasting",
            unit: "s",
            default: 300.0,
            why: "Miners keep their connection; websites do not.",
            source: "NEMEA miner detector, CESNET",
        },
    ],
    innocent: &[
        "Somebody mines on a machine of their own and may.",
        "A proxy or resolver acts for the host that really mines.",
        "A researcher looks at a pool's interface.",
    ],
    next: &[
        "Find the process that holds the connection on the host, and who started it.",
        "Look for the same pool, account or agent on other hosts: SELECT DISTINCT flow_id FROM stratum WHERE account = '…'.",
        "Find out how the program came: downloads and logins before first_ts.",
    ],
    references: &[
        "https://attack.mitre.org/techniques/T1496/001/",
        "https://github.com/CESNET/Nemea-Modules (miner detector, the features)",
        "https://github.com/stratum-mining/sv2-spec",
    ],
    build: |p| Box::new(Mining::new(p)),
};

/// Services of the coins' own networks.
fn coin(service: &str) -> Option<&'static str> {
    Some(match service {
        "bitcoin" => "Bitcoin (or a coin derived from it)",
        "ethereum" => "Ethereum",
        "monero" => "Monero (or a coin derived from it)",
        _ => return None,
    })
}

/// What is known of one miner at one pool.
#[derive(Debug, Default)]
struct Work {
    messages: u64,
    /// Was a handshake of Stratum V2 seen, by its sizes?
    v2: bool,
    accepted: u64,
    rejected: u64,
    agent: Option<String>,
    worker: Option<String>,
    account: Option<String>,
    algorithm: Option<String>,
    pool: Option<String>,
    dialect: &'static str,
    port: u16,
    /// Weight of the best name so far, in hundredths, so that a weaker one does not replace it.
    name_weight: u8,
    shape: f64,
}

/// A name that was asked for.
#[derive(Debug, Default)]
struct Lookup {
    name: String,
    asked: u64,
    span: Option<(Timestamp, Timestamp)>,
    flows: Vec<FlowId>,
    contacted: bool,
}

/// A TLS connection to a pool.
#[derive(Debug, Default)]
struct Session {
    name: String,
    certificate: bool,
    browser: bool,
}

struct Mining {
    pools: Pools,
    points: f64,
    packet: (f64, f64),
    pace: (f64, f64),
    lasting: f64,
    pairs: Keyed<(Ip, Ip), Work>,
    asked: Keyed<(Ip, Box<str>), Lookup>,
    sessions: Keyed<FlowId, Session>,
    nodes: Keyed<(Ip, &'static str), BTreeSet<Ip>>,
}

impl Mining {
    fn new(p: &Params) -> Self {
        Self {
            pools: Pools::new(p.config()),
            points: p.get("points"),
            packet: (p.get("least_packet"), p.get("most_packet")),
            pace: (p.get("least_pace"), p.get("most_pace")),
            lasting: p.get("lasting"),
            pairs: Keyed::new(MAX_PAIRS, |w| w.messages + u64::from(w.name_weight)),
            asked: Keyed::new(MAX_NAMES, |l| u64::from(!l.contacted)),
            sessions: Keyed::new(MAX_OPEN, |_| 0),
            nodes: Keyed::new(MAX_NAMES, |peers| peers.len() as u64),
        }
    }

    /// Points for the shape of a flow.
    fn shape(&self, f: &FlowFact) -> f64 {
        let packets = (f.orig.packets + f.resp.packets) as f64;
        let minutes = f.duration_s() / 60.0;
        if packets < 1.0 || minutes <= 0.0 {
            return 0.0;
        }
        let within = |x: f64, (least, most): (f64, f64)| x >= least && x <= most;
        let mut points = 0.0;
        // Opening and closing take at most six packets; all others carry ACK or PSH and ACK.
        if packets >= 30.0 {
            points += 2.0;
        }
        if within((f.orig.ip_bytes + f.resp.ip_bytes) as f64 / packets, self.packet) {
            points += 2.0;
        }
        if within(packets / minutes, self.pace) {
            points += 2.0;
        }
        if f.tuple.src_port > f.tuple.dst_port {
            points += 3.0;
        }
        if f.duration_s() >= self.lasting {
            points += 3.0;
        }
        points
    }

    fn node(&mut self, f: &FlowFact, service: &'static str, name: &str, out: &mut Findings) {
        let peers = self.nodes.at(&(f.src(), service), f.first_ts);
        if peers.len() < MAX_PEERS {
            peers.insert(f.dst());
        }
        let finding = out.open(&CRYPTO_P2P, Subject::by(f.src()).about(service));
        finding.cover(f.first_ts, f.last_ts);
        finding.seen(f.first_ts, f.id);
        finding.reason("peers", peers.len() as f64, 1.0, 0.9);
        finding.list("peers", peers.iter().map(ToString::to_string));
        let count = if peers.len() >= MAX_PEERS { "many".into() } else { peers.len().to_string() };
        let word = if peers.len() == 1 { "peer" } else { "peers" };
        finding.title = format!("{} takes part in the network of {name} with {count} {word}", f.src());
        (finding.dst, finding.dst_port) = (finding.dst.or(Some(f.dst())), Some(f.tuple.dst_port));
        (finding.protocol, finding.direction) = (Some(f.tuple.protocol), Some(f.direction));
    }

    /// A connection that led to the name of a pool.
    fn named(&mut self, f: &FlowFact, hit: &Hit, session: Option<&Session>, out: &mut Findings) {
        if let Some(lookup) = self.asked.get_mut(&(f.src(), hit.listed.clone())) {
            lookup.contacted = true;
        }
        let name = session.map(|s| s.name.as_str()).or(f.hostname.as_deref()).unwrap_or("");
        let name = if name.is_empty() { &hit.listed } else { name };
        let browser = f.is_udp() || session.is_some_and(|s| s.browser);
        let weight = if hit.for_miners && !browser { 70 } else { 45 };
        let shape = self.shape(f);
        let port = self.pools.port(f.tuple.dst_port);
        let pair = (f.src(), f.dst());
        let work = self.pairs.at(&pair, f.first_ts);
        work.name_weight = work.name_weight.max(weight);
        work.shape = work.shape.max(shape);
        work.port = f.tuple.dst_port;
        work.pool.get_or_insert_with(|| name.to_owned());
        let source = match session {
            Some(s) if s.certificate => "certificate_name",
            _ if f.hostname_source == Some("dns") => "dns_name",
            _ => "pool_name",
        };
        let finding = out.open(&CRYPTO_MINING, Subject::pair(pair.0, pair.1));
        finding.reason(source, 1.0, 0.0, f64::from(work.name_weight) / 100.0);
        if port {
            finding.reason("pool_port", f64::from(f.tuple.dst_port), 0.0, 0.15);
        }
        if shape >= self.points {
            finding.reason("shape_points", shape, self.points, 0.4);
        }
        finding.cover(f.first_ts, f.last_ts);
        if work.messages == 0 {
            finding.seen(f.first_ts, f.id);
        }
        finding.evidence(f.id);
        finding.direction = Some(f.direction);
        describe(finding, pair, work);
    }

    /// The end of a connection that is already known to mine, or goes to a listed address.
    fn known(&mut self, f: &FlowFact, miner: Ip, pool: Ip, port: u16, out: &mut Findings) {
        let shape = self.shape(f);
        let listed_port = self.pools.port(port);
        let listed = self.pools.address(pool);
        let work = self.pairs.at(&(miner, pool), f.first_ts);
        work.port = port;
        if let Some(host) = f.hostname.as_deref() {
            work.pool.get_or_insert_with(|| host.to_owned());
        }
        let finding = out.open(&CRYPTO_MINING, Subject::pair(miner, pool));
        if listed {
            finding.reason("listed_address", 1.0, 0.0, 0.7);
        }
        if listed_port {
            finding.reason("pool_port", f64::from(port), 0.0, 0.15);
        }
        if shape >= self.points {
            finding.reason("shape_points", shape, self.points, 0.4);
        }
        finding.cover(f.first_ts, f.last_ts);
        finding.evidence(f.id);
        finding.direction = Some(if miner == f.src() { f.direction } else { turned(f.direction) });
        describe(finding, (miner, pool), work);
    }

    fn work(&mut self, r: &RecordFact, s: &StratumRecord, out: &mut Findings) {
        let t = &r.tuple;
        let (pair, port) =
            if s.by_orig { ((t.src, t.dst), t.dst_port) } else { ((t.dst, t.src), t.src_port) };
        let work = self.pairs.at(&pair, r.ts);
        if s.method == stratum::NOISE {
            work.v2 = true;
            work.port = port;
            work.dialect = s.dialect.name();
            let finding = out.open(&CRYPTO_MINING, Subject::pair(pair.0, pair.1));
            finding.seen(r.ts, r.flow_id);
            finding.reason("v2_handshake_sizes", 1.0, 0.0, 0.45);
            describe(finding, pair, work);
            return;
        }
        let n = u64::from(s.repeats.count);
        work.messages += n;
        work.port = port;
        work.dialect = s.dialect.name();
        if s.is_share() {
            match s.accepted {
                Some(true) => work.accepted += n,
                Some(false) => work.rejected += n,
                None => {}
            }
        }
        let keep = |to: &mut Option<String>, from: &Option<String>| {
            if to.is_none() {
                to.clone_from(from);
            }
        };
        keep(&mut work.agent, &s.agent);
        keep(&mut work.worker, &s.worker);
        keep(&mut work.account, &s.account);
        keep(&mut work.algorithm, &s.algorithm);
        keep(&mut work.pool, &s.pool);
        let finding = out.open(&CRYPTO_MINING, Subject::pair(pair.0, pair.1));
        finding.cover(r.ts, s.repeats.last.max(r.ts));
        finding.evidence(r.flow_id);
        finding.set_count(work.messages);
        finding.reason("mining_messages", work.messages as f64, 1.0, 0.95);
        describe(finding, pair, work);
    }

    fn question(&mut self, r: &RecordFact, d: &DnsRecord, out: &mut Findings) {
        let uri = d.answers().find_map(|a| match &a.data {
            Rdata::Text(text) if text.contains("stratum") => names::uri(text),
            _ => None,
        });
        if let (Some(uri), Some(name)) = (uri, d.query.as_deref()) {
            let finding = out.open(&POOL_LOOKUP, Subject::by(d.client).about(format!("txt {name}")));
            finding.seen(r.ts, r.flow_id);
            finding.reason("mining_uri", 1.0, 0.0, 0.9);
            finding.detail("uri", uri);
            finding.title =
                format!("{} was told of the mining pool {uri} by the text record of {name}", d.client);
            finding.dst = Some(d.server);
        }
        let Some(hit) = d.query.as_deref().and_then(|q| self.pools.find(q)) else { return };
        let lookup = self.asked.at(&(d.client, hit.listed), r.ts);
        if let (true, Some(name)) = (lookup.name.is_empty(), d.query.as_deref()) {
            lookup.name = name.to_owned();
        }
        lookup.asked += 1;
        let (first, last) = lookup.span.unwrap_or((r.ts, r.ts));
        lookup.span = Some((first.min(r.ts), last.max(r.ts)));
        if lookup.flows.len() < 5 && !lookup.flows.contains(&r.flow_id) {
            lookup.flows.push(r.flow_id);
        }
    }

    fn handshake(&mut self, r: &RecordFact, t: &TlsHandshake) {
        let sni = t.server_name.as_deref();
        let subject = t.subject.as_deref().and_then(common_name);
        let listed = |n: &&str| self.pools.find(n).is_some();
        let (name, certificate) = match (sni.filter(listed), subject.filter(listed)) {
            (Some(name), _) => (name, false),
            // A certificate for many names is a hoster's; with a name asked for that is no pool's it proves nothing.
            (None, Some(name)) if sni.is_none() => (name, true),
            _ => return,
        };
        let browser = t.alpn_offered.as_deref().is_some_and(|a| a.split(',').any(|p| p.trim() == "h2"));
        let session = Session { name: name.to_ascii_lowercase(), certificate, browser };
        *self.sessions.at(&r.flow_id, r.ts) = session;
    }
}

/// The common name in a certificate's subject.
fn common_name(subject: &str) -> Option<&str> {
    subject.split(',').find_map(|part| part.trim().strip_prefix("CN=")).map(|n| n.trim_start_matches("*."))
}

fn turned(direction: &'static str) -> &'static str {
    match direction {
        "inbound" => "outbound",
        "outbound" => "inbound",
        same => same,
    }
}

impl Detector for Mining {
    fn flow(&mut self, f: &FlowFact, out: &mut Findings) {
        if let Some(service) = f.service
            && let Some(name) = coin(service)
            && f.spoken().is_some()
            && f.orig.packets > 0
            && f.resp.packets > 0
        {
            self.node(f, service, name, out);
            return;
        }
        let session = if self.sessions.is_empty() { None } else { self.sessions.remove(&f.id) };
        // Both ends must have said something: an address that does not answer serves nobody.
        if f.resp.bytes == 0 || f.orig.bytes == 0 {
            return;
        }
        if !self.pairs.is_empty() {
            let (src, dst) = (f.src(), f.dst());
            if self
                .pairs
                .get(&(src, dst))
                .is_some_and(|w| (w.v2 || w.messages > 0) && w.port == f.tuple.dst_port)
            {
                self.known(f, src, dst, f.tuple.dst_port, out);
            } else if self
                .pairs
                .get(&(dst, src))
                .is_some_and(|w| w.messages > 0 && w.port == f.tuple.src_port)
            {
                self.known(f, dst, src, f.tuple.src_port, out);
            }
        }
        if f.is_tcp() && self.pools.address(f.dst()) {
            self.known(f, f.src(), f.dst(), f.tuple.dst_port, out);
        }
        if !f.is_tcp() && f.spoken() != Some("quic") {
            return;
        }
        let name = session.as_ref().map(|s| s.name.as_str()).or(f.hostname.as_deref());
        if let Some(hit) = name.and_then(|n| self.pools.find(n)) {
            self.named(f, &hit, session.as_ref(), out);
        }
    }

    fn record(&mut self, r: &RecordFact, out: &mut Findings) {
        if let Some(s) = r.of::<StratumRecord>() {
            self.work(r, s, out);
        } else if let Some(d) = r.of::<DnsRecord>() {
            self.question(r, d, out);
        } else if let Some(t) = r.of::<TlsHandshake>() {
            self.handshake(r, t);
        }
    }

    fn finish(&mut self, out: &mut Findings) {
        for ((client, listed), l) in self.asked.drain_sorted() {
            if l.contacted {
                continue;
            }
            let finding = out.open(&POOL_LOOKUP, Subject::by(client).about(listed.to_string()));
            if let Some((first, last)) = l.span {
                finding.cover(first, last);
            }
            l.flows.iter().for_each(|f| finding.evidence(*f));
            finding.set_count(l.asked);
            finding.reason("questions", l.asked as f64, 1.0, 0.6);
            finding.detail("name", l.name.as_str());
            let times = if l.asked == 1 { "once".into() } else { format!("{} times", l.asked) };
            finding.title =
                format!("{client} asked for {} of a mining pool {times} and did not connect to it", l.name);
        }
    }

    fn evicted(&self) -> u64 {
        self.pairs.evicted() + self.asked.evicted() + self.sessions.evicted() + self.nodes.evicted()
    }
}
