//! Who keeps a web server's places without ever asking?
//!
//! Slowloris (headers that do not end), slow bodies (R.U.D.Y.) and slow reading (windows of zero): connections to one server that last
//! ten seconds and longer and are not done asking, or not willing to take the answer. Refuses long polls, whose question was whole, and uploads, which are fast.

use super::window::{Keyed, Recent};
use super::words::counted;
use super::{Detector, Findings, FlowFact, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::ids::FlowId;
use crate::model::kind;
use crate::model::time::Timestamp;
use crate::protocol::http1::{HTTP, HttpTransaction};

/// Servers remembered in one shard, with 256 connections of 40 bytes each: 16 shards take 20 MB at worst, a web server's few KB usually.
const MAX_SERVERS: usize = 128;

/// Connections remembered of one server.
const KEPT: usize = 256;

/// Long connections whose requests are yet to be told, in one shard: 16 shards take 4 MB.
const MAX_LONG: usize = 2_048;

/// The detector.
#[rustfmt::skip] // one threshold a line
pub static META: Meta = Meta {
    id: "slow_http",
    question: "Who keeps a web server's places without ever asking?",
    method: "Long, slow connections to one server are counted when their request was not whole at the end, or when the client closed its window to the answer.",
    kinds: &[&kind::SLOW_HTTP],
    scope: Scope::Target,
    flows: true,
    tables: &[&HTTP],
    icmp: false,
    thresholds: &[
        Threshold { name: "connections", unit: "connections", default: 20.0, why: "Such connections of one client to one server; a bad line makes one or two.", source: "measured on real captures" },
        Threshold { name: "seconds", unit: "s", default: 10.0, why: "Seconds that a request takes at least; servers give up after 20 to 60.", source: "slowhttptest sends every 10 s" },
        Threshold { name: "bytes_per_s", unit: "bytes/s", default: 1_000.0, why: "Fastest client that counts as slow; an upload over a modem is faster.", source: "slowhttptest sends at most 70 bytes every 10 s" },
        Threshold { name: "window_s", unit: "s", default: 300.0, why: "Seconds in which the connections began.", source: "measured on real captures" },
    ],
    innocent: &["Clients behind a link that was cut.", "A proxy that opens connections ahead of time."],
    next: &["Look whether the server had places left for others.", "A reverse proxy that waits for whole requests ends it."],
    references: &["https://attack.mitre.org/techniques/T1499/002/", "https://github.com/shekyan/slowhttptest/wiki"],
    build: |p| Box::new(SlowHttp::new(p)),
};

#[derive(Clone, Copy, Debug, Default)]
struct Long {
    client: Ip,
    server: Ip,
    port: u16,
    first: Timestamp,
    seconds: f64,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    flow: FlowId,
    seconds: f64,
    reading: bool,
}

#[derive(Debug, Default)]
struct Server {
    held: Recent<Held>,
    n: u64,
    reading: u64,
    longest: f64,
    told: bool,
}

struct SlowHttp {
    connections: usize,
    seconds: f64,
    bytes_per_s: f64,
    window: i64,
    long: Keyed<FlowId, Option<Long>>,
    servers: Keyed<(Ip, Ip, u16), Server>,
}

impl SlowHttp {
    fn new(p: &Params) -> Self {
        Self {
            connections: p.count("connections").max(2),
            seconds: p.get("seconds"),
            bytes_per_s: p.get("bytes_per_s"),
            window: p.nanos("window_s"),
            long: Keyed::new(MAX_LONG, |_| 0),
            servers: Keyed::new(MAX_SERVERS, |s: &Server| s.n),
        }
    }

    fn held(&mut self, long: Long, flow: FlowId, reading: bool, out: &mut Findings) {
        let server = self.servers.at(&(long.server, long.client, long.port), long.first);
        let held = Held { flow, seconds: long.seconds, reading };
        server.held.push(long.first, held, self.window, KEPT);
        server.n += 1;
        server.reading += u64::from(reading);
        server.longest = server.longest.max(long.seconds);
        let many = server.held.most(long.first, self.window);
        if !server.told && many < self.connections {
            return;
        }
        let found = out.open(&kind::SLOW_HTTP, Subject::pair(long.client, long.server).port(long.port));
        if server.told {
            found.seen(long.first, flow);
        } else {
            server.held.iter().for_each(|(ts, h)| found.seen(*ts, h.flow));
            server.told = true;
        }
        let reads = server.held.iter().filter(|(_, h)| h.reading).count() * 2 > server.held.len();
        let shortest = server.held.iter().map(|(_, h)| h.seconds).fold(f64::MAX, f64::min);
        let what =
            if reads { "and did not read the answers" } else { "with requests that it never finished" };
        found.title = format!(
            "{} held {} to {} port {} open for up to {:.0} s {what}",
            long.client,
            counted(server.n as usize, "connection"),
            long.server,
            long.port,
            server.longest
        );
        found.protocol = Some(6);
        let above = server.n as f64 / self.connections as f64;
        found.reason(
            "unfinished_connections",
            server.n as f64,
            self.connections as f64,
            (1.0 - 0.35 / above.max(1.0)).min(0.95),
        );
        found.reason("shortest_s", shortest, self.seconds, 0.2);
        found.detail("technique", if reads { "slow_read" } else { "slow_request" });
        found.detail("longest_s", server.longest.round());
    }
}

impl Detector for SlowHttp {
    fn flow(&mut self, f: &FlowFact, out: &mut Findings) {
        let seconds = f.duration_s();
        if seconds < self.seconds || f.service != Some("http") || !f.established() {
            return;
        }
        if f.orig.bytes as f64 > self.bytes_per_s * seconds {
            return;
        }
        let long =
            Long { client: f.src(), server: f.dst(), port: f.tuple.dst_port, first: f.first_ts, seconds };
        if f.history.has('W') {
            self.held(long, f.id, true, out);
        } else {
            // The records of a flow come after it: they say whether its last request was whole.
            *self.long.at(&f.id, f.known) = Some(long);
        }
    }

    fn record(&mut self, r: &RecordFact, out: &mut Findings) {
        let Some(http) = r.of::<HttpTransaction>() else { return };
        // A server that loses patience says 408 or 400; every other answer had a question.
        let unanswered = matches!(http.status_code, None | Some(400 | 408 | 500..=599));
        if http.request_complete || !unanswered || http.version.0 > 1 {
            return;
        }
        if let Some(Some(long)) = self.long.remove(&r.flow_id) {
            self.held(long, r.flow_id, false, out);
        }
    }

    fn evicted(&self) -> u64 {
        self.servers.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn run(n: u64, seconds: f64, bytes: u64, complete: bool, status: Option<u16>) -> Vec<String> {
        let mut bench = Bench::new(&META);
        for i in 0..n {
            let mut f = used(i + 1, i as f64 * 0.1, outside(1), inside(9), 80, "http");
            f.last_ts = f.first_ts.plus((seconds * 1e9) as i64);
            (f.orig.bytes, f.resp.bytes) = (bytes, 0);
            let http = HttpTransaction {
                request_complete: complete,
                status_code: status,
                ..HttpTransaction::default()
            };
            bench.flows([f]).records([record(i + 1, i as f64 * 0.1, outside(1), inside(9), 80, http)]);
        }
        bench.end().into_iter().map(|a| a.title).collect()
    }

    #[test]
    fn unfinished_requests_are_one_row() {
        let title = "203.0.113.1 held 500 connections to 10.0.0.9 port 80 open for up to 388 s with requests that it never finished";
        assert_eq!(run(500, 388.0, 200, false, None), [title]);
        assert_eq!(run(25, 30.0, 200, false, Some(408)).len(), 1);
    }

    #[test]
    fn long_polls_uploads_and_few_are_none() {
        assert!(run(100, 60.0, 400, true, None).is_empty(), "long polls");
        assert!(run(100, 60.0, 900_000, false, None).is_empty(), "broken uploads");
        assert!(run(19, 60.0, 200, false, None).is_empty());
        assert!(run(100, 9.0, 200, false, None).is_empty());
        assert!(run(100, 60.0, 200, false, Some(200)).is_empty(), "cut by the snaplen");
    }

    #[test]
    fn slow_readers() {
        let flows = (0..30).map(|i| {
            let mut f = used(i + 1, 1.0, outside(1), inside(9), 80, "http");
            f.history = super::super::fact::History::new("ShADadW");
            f.last_ts = at(60.0);
            f
        });
        let all = Bench::new(&META).flows(flows).end();
        assert_eq!((all.len(), all[0].details["technique"].as_str()), (1, Some("slow_read")));
    }

    #[test]
    fn servers_are_capped() {
        let mut bench = Bench::new(&META);
        bench.flows((0..9_000u32).map(|i| {
            let mut f = used(u64::from(i) + 1, 1.0, Ip::v4(i.to_be_bytes()), inside(9), 80, "http");
            (f.history, f.last_ts) = (super::super::fact::History::new("ShADadW"), at(60.0));
            f
        }));
        assert!(bench.detector.evicted() > 8_000);
    }
}
