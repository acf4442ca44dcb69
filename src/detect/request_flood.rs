//! Who drowns a server in requests?
//!
//! HTTP requests for one path over and over, and MQTT connects or publications, by the busiest ten seconds of a client and of a server. Refuses
//! scanners of web applications (`web_attack`): they ask for different paths.

use super::window::{Busiest, Distinct, Keyed, Rate, fixed_hash};
use super::words::{counted, duration, grouped};
use super::{Detector, Findings, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::ids::FlowId;
use crate::model::kind::{self, Kind};
use crate::model::time::Timestamp;
use crate::protocol::http1::{HTTP, HttpTransaction};
use crate::protocol::mqtt::{MqttMessage, TABLE as MQTT};

/// Pairs of client and server, and servers, remembered in one shard with 3 KB each at most: 16 shards of 512 take 24 MB at worst.
const MAX_PAIRS: usize = 512;

/// Seconds with requests that a rate keeps.
const SECONDS: usize = 64;

/// Clients of a server that are counted exactly.
const EXACT: usize = 64;

/// The detector.
#[rustfmt::skip] // one threshold a line
pub static META: Meta = Meta {
    id: "request_flood",
    question: "Who drowns a server in requests?",
    method: "Requests are counted by the busiest ten seconds of a client at a server, and of a server over all its clients; HTTP only where most ask for the same path.",
    kinds: &[&kind::HTTP_FLOOD, &kind::MQTT_FLOOD],
    scope: Scope::Target,
    flows: false,
    tables: &[&HTTP, &MQTT],
    icmp: false,
    thresholds: &[
        Threshold { name: "requests", unit: "requests", default: 400.0, why: "HTTP requests of one client in the window; a page with all its pieces makes some hundred, of different paths.", source: "measured on real captures" },
        Threshold { name: "posts", unit: "requests", default: 2_000.0, why: "The same for methods that carry a body: remote calls go to one path all day.", source: "200 a second" },
        Threshold { name: "publications", unit: "messages", default: 1_000.0, why: "MQTT publications of one client in the window; sensors send a few a second.", source: "measured on real captures" },
        Threshold { name: "connects", unit: "connects", default: 300.0, why: "MQTT connects of one client address in the window; a device connects once.", source: "measured: SlowITe makes 716 in 0.6 s" },
        Threshold { name: "all_requests", unit: "requests", default: 5_000.0, why: "The same over all clients, when they are many.", source: "500 a second for one path" },
        Threshold { name: "clients", unit: "hosts", default: 20.0, why: "Clients from which on they are many.", source: "a chosen bound" },
        Threshold { name: "same_path", unit: "ratio", default: 0.7, why: "Least part of the HTTP requests for one path, without what stands behind the question mark.", source: "load tools ask for one address" },
        Threshold { name: "window_s", unit: "s", default: 10.0, why: "Seconds of the window.", source: "as `flood`" },
    ],
    innocent: &["A load test.", "A program that asks an interface in a loop, or a publisher of measurements at a high rate."],
    next: &["Look whether the server still answered others.", "Ask who owns the client."],
    references: &["https://attack.mitre.org/techniques/T1499/002/"],
    build: |p| Box::new(RequestFlood::new(p)),
};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Sort {
    Http,
    Post,
    Connect,
    Publish,
}

/// What one client, or all, ask of a server.
#[derive(Debug, Default)]
struct Asked {
    rate: Rate,
    n: u64,
    peak: u64,
    paths: Busiest<u64>,
    clients: Distinct<Ip>,
    flows: Vec<(Timestamp, FlowId)>,
    example: Option<Box<str>>,
    port: u16,
    first: Option<Timestamp>,
    last: Timestamp,
    told: bool,
}

struct RequestFlood {
    requests: u64,
    posts: u64,
    publications: u64,
    connects: u64,
    all_requests: u64,
    clients: usize,
    same_path: f64,
    window: i64,
    pairs: Keyed<(Ip, Option<Ip>, Sort), Asked>,
}

/// One request.
struct Request<'a> {
    sort: Sort,
    client: Ip,
    server: Ip,
    port: u16,
    path: &'a str,
}

fn request(r: &RecordFact) -> Option<Request<'_>> {
    let (client, server, port) = (r.tuple.src, r.tuple.dst, r.tuple.dst_port);
    if let Some(http) = r.of::<HttpTransaction>() {
        let path = http.uri.as_deref()?;
        let path = path.split('?').next().unwrap_or(path);
        let plain = matches!(http.method.as_deref(), Some("GET" | "HEAD"));
        let sort = if plain { Sort::Http } else { Sort::Post };
        return Some(Request { sort, client, server, port, path });
    }
    let mqtt = r.of::<MqttMessage>().filter(|m| m.from_client)?;
    let sort = match mqtt.action {
        "connect" => Sort::Connect,
        "publish" => Sort::Publish,
        _ => return None,
    };
    Some(Request { sort, client, server, port, path: mqtt.topic.as_deref().unwrap_or("") })
}

impl RequestFlood {
    fn new(p: &Params) -> Self {
        let count = |name| p.get(name).round().max(1.0) as u64;
        Self {
            requests: count("requests"),
            posts: count("posts"),
            publications: count("publications"),
            connects: count("connects"),
            all_requests: count("all_requests"),
            clients: p.count("clients"),
            same_path: p.get("same_path"),
            window: count("window_s") as i64,
            pairs: Keyed::new(MAX_PAIRS, |a: &Asked| a.n + 100_000 * u64::from(a.told)),
        }
    }

    fn floor(&self, key: &(Ip, Option<Ip>, Sort)) -> u64 {
        match key {
            (_, None, _) => self.all_requests,
            (_, _, Sort::Connect) => self.connects,
            (_, _, Sort::Publish) => self.publications,
            (_, _, Sort::Post) => self.posts,
            (_, _, Sort::Http) => self.requests,
        }
    }

    /// Is it a flood? Once it is, it stays one.
    fn judge(&self, key: &(Ip, Option<Ip>, Sort), asked: &mut Asked) -> bool {
        asked.peak = asked.peak.max(asked.rate.peak(self.window));
        let (_, client, sort) = key;
        let same = asked.paths.first().map_or(0, |(_, n)| n) as f64 >= self.same_path * asked.n as f64;
        let many = client.is_some() || asked.clients.len() >= self.clients;
        let http = matches!(sort, Sort::Http | Sort::Post);
        asked.told |= asked.peak >= self.floor(key) && many && (!http || same);
        asked.told
    }

    fn write(&self, key: &(Ip, Option<Ip>, Sort), asked: &mut Asked, out: &mut Findings) {
        let (server, client, sort) = *key;
        let (kind, what): (&'static Kind, &str) = match sort {
            Sort::Http => (&kind::HTTP_FLOOD, "HTTP request"),
            Sort::Post => (&kind::HTTP_FLOOD, "HTTP request with a body"),
            Sort::Connect => (&kind::MQTT_FLOOD, "MQTT connect"),
            Sort::Publish => (&kind::MQTT_FLOOD, "MQTT publication"),
        };
        let subject = client.map_or_else(|| Subject::to(server), |client| Subject::pair(client, server));
        let found = out.open(kind, subject.about(what.replace(' ', "_").to_lowercase()));
        let who = client.map_or_else(
            || {
                let some = if asked.clients.is_exact() { "" } else { "some " };
                format!("{some}{}", counted(asked.clients.len(), "host"))
            },
            |c| c.to_string(),
        );
        let first = asked.first.unwrap_or(asked.last);
        found.title = format!(
            "{who} sent {server} {} in {}, at most {} in {} s",
            counted(asked.n as usize, what).replace("a bodys", "a body"),
            duration(asked.last.secs_since(first)),
            grouped(asked.peak),
            self.window
        );
        for (ts, flow) in asked.flows.drain(..) {
            found.cover(ts, ts);
            found.evidence(flow);
        }
        found.cover(first, asked.last);
        found.set_count(asked.n);
        (found.dst_port, found.protocol) = (Some(asked.port), Some(6));
        let floor = self.floor(key);
        let above = asked.peak as f64 / floor as f64;
        found.reason(
            "requests_in_window",
            asked.peak as f64,
            floor as f64,
            (1.0 - 0.4 / above.max(1.0)).min(0.95),
        );
        let same = asked.paths.first().map_or(0.0, |(_, n)| n as f64 / asked.n.max(1) as f64);
        if matches!(sort, Sort::Http | Sort::Post) {
            found.reason("same_path", same, self.same_path, 0.3);
        }
        found.detail("clients", asked.clients.len());
        if let Some(example) = &asked.example {
            found.detail("example", &**example);
        }
    }
}

impl Detector for RequestFlood {
    fn record(&mut self, r: &RecordFact, out: &mut Findings) {
        let Some(request) = request(r) else { return };
        let path = fixed_hash(&request.path);
        for client in [Some(request.client), None] {
            let key = (request.server, client, request.sort);
            let floor = self.floor(&key);
            let asked = self.pairs.at(&key, r.ts);
            asked.n += 1;
            asked.rate.add(r.ts, 1, SECONDS);
            asked.paths.add(&path, 1);
            asked.clients.insert(&request.client, EXACT);
            asked.port = request.port;
            asked.first = Some(asked.first.map_or(r.ts, |t| t.min(r.ts)));
            asked.last = asked.last.max(r.ts);
            if asked.example.is_none() {
                asked.example = Some(request.path.into());
            }
            if asked.flows.len() < 25 && asked.flows.last().is_none_or(|(_, f)| *f != r.flow_id) {
                asked.flows.push((r.ts, r.flow_id));
            }
            if asked.n < floor || asked.n > floor && !asked.n.is_multiple_of(16) {
                continue;
            }
            if !asked.told || asked.n.is_multiple_of(256) {
                let mut taken = std::mem::take(asked);
                if self.judge(&key, &mut taken) {
                    self.write(&key, &mut taken, out);
                }
                *self.pairs.at(&key, r.ts) = taken;
            }
        }
    }

    fn catch_up(&mut self, out: &mut Findings) {
        for key in self.pairs.keys() {
            let Some(asked) = self.pairs.get_mut(&key).filter(|asked| asked.told) else { continue };
            let mut taken = std::mem::take(asked);
            self.write(&key, &mut taken, out);
            if let Some(asked) = self.pairs.get_mut(&key) {
                *asked = taken;
            }
        }
    }

    fn finish(&mut self, out: &mut Findings) {
        for (key, mut asked) in self.pairs.drain_sorted() {
            if self.judge(&key, &mut asked) {
                self.write(&key, &mut asked, out);
            }
        }
    }

    fn evicted(&self) -> u64 {
        self.pairs.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn get(n: u64, seconds: f64, client: Ip, uri: &str) -> RecordFact {
        let http = HttpTransaction {
            uri: Some(uri.into()),
            method: Some("GET".into()),
            ..HttpTransaction::default()
        };
        record(n, seconds, client, inside(9), 80, http)
    }

    fn mqtt(n: u64, seconds: f64, action: &'static str) -> RecordFact {
        let message = MqttMessage { action, from_client: true, ..MqttMessage::default() };
        record(n, seconds, inside(1), inside(9), 1_883, message)
    }

    #[test]
    fn one_client_with_one_path() {
        let all = Bench::new(&META)
            .records((0..2_000).map(|n| get(n + 1, n as f64 * 0.002, outside(1), &format!("/?{n}"))))
            .end();
        assert_eq!(all.len(), 1);
        assert_eq!(
            all[0].title,
            "203.0.113.1 sent 10.0.0.9 2,000 HTTP requests in 4 s, at most 2,000 in 10 s"
        );
        assert_eq!((all[0].kind.name, all[0].count), ("http_flood", 2_000));
    }

    #[test]
    fn a_crawler_a_slow_client_and_a_scanner_are_none() {
        let kinds = |records: Vec<RecordFact>| Bench::new(&META).records(records).kinds();
        assert!(
            kinds((0..2_000).map(|n| get(n + 1, n as f64 * 0.002, outside(1), &format!("/{n}"))).collect())
                .is_empty()
        );
        assert!(kinds((0..2_000).map(|n| get(n + 1, n as f64 * 0.04, outside(1), "/")).collect()).is_empty());
        assert!(kinds((0..399).map(|n| get(n + 1, 1.0, outside(1), "/")).collect()).is_empty());
        assert!(
            kinds((0..3_900).map(|n| mqtt(n + 1, n as f64 * 0.14, "publish")).collect()).is_empty(),
            "sensors"
        );
    }

    #[test]
    fn many_clients_together() {
        let all = Bench::new(&META)
            .records(
                (0..6_000u64)
                    .map(|n| get(n + 1, n as f64 * 0.001, Ip::v4([198, 51, 100, (n % 200) as u8]), "/")),
            )
            .end();
        assert_eq!(all.len(), 1);
        assert!(
            all[0].title.ends_with("hosts sent 10.0.0.9 6,000 HTTP requests in 6 s, at most 6,000 in 10 s"),
            "{}",
            all[0].title
        );
    }

    #[test]
    fn mqtt_floods() {
        let kinds = |records: Vec<RecordFact>| Bench::new(&META).records(records).kinds();
        assert_eq!(
            kinds((0..716).map(|n| mqtt(n + 1, n as f64 * 0.001, "connect")).collect()),
            ["mqtt_flood"]
        );
        assert_eq!(
            kinds((0..1_459).map(|n| mqtt(n + 1, n as f64 * 0.003, "publish")).collect()),
            ["mqtt_flood"]
        );
        assert!(kinds((0..299).map(|n| mqtt(n + 1, n as f64 * 0.001, "connect")).collect()).is_empty());
    }

    #[test]
    fn pairs_are_capped() {
        let mut bench = Bench::new(&META);
        bench.records((0..9_000u32).map(|n| get(u64::from(n) + 1, 1.0, Ip::v4(n.to_be_bytes()), "/")));
        assert!(bench.detector.evicted() > 8_000);
    }
}
