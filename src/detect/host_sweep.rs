//! Who asks which hosts are there?
//!
//! Echo, timestamp and mask requests to many addresses (RFC 792, RFC 4443), and reverse lookups of address after address (RFC 1035
//! section 3.5). ARP sweeps never cross a router and are told by `arp_sweep`. Refuses monitoring systems, whose hosts answer, and mail servers, whose
//! reverse lookups follow no order.

use super::window::{Keyed, Recent};
use super::words::{counted, duration};
use super::{Detector, Findings, FlowFact, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::ids::FlowId;
use crate::model::kind;
use crate::model::time::secs;
use crate::protocol::dns::record::{DnsRecord, TABLE};
use std::collections::BTreeSet;

/// Hosts that are remembered in one shard, of either kind; 128 questions of 40 bytes each: 16 shards of 256 take 40 MB at worst, and
/// some hundred KB in ordinary traffic, where few hosts ping.
const MAX_SOURCES: usize = 256;

/// Questions remembered of one host.
const KEPT: usize = 128;

/// Hosts that a finding counts; a /20 is more than anybody reads.
const COUNTED: usize = 4_096;

/// Time in which address after address is asked by one who seeks.
const IN_ORDER: i64 = secs(10);

/// Question type of a reverse lookup.
const PTR: u16 = 12;

/// The detector.
#[rustfmt::skip] // one threshold a line
pub static META: Meta = Meta {
    id: "host_sweep",
    question: "Who asks which hosts are there?",
    method: "Echo, timestamp and mask requests are counted by different targets in a minute, when some of them are silent; reverse lookups by consecutive addresses of one network.",
    kinds: &[&kind::HOST_SWEEP],
    scope: Scope::Source,
    flows: true,
    tables: &[&TABLE],
    icmp: false,
    thresholds: &[
        Threshold { name: "hosts", unit: "hosts", default: 12.0, why: "Different hosts that were sent a request within the window.", source: "measured on real captures" },
        Threshold { name: "window_s", unit: "s", default: 60.0, why: "Seconds in which they must lie.", source: "measured on real captures" },
        Threshold { name: "silent", unit: "hosts", default: 3.0, why: "Hosts among them that did not answer: a monitoring system asks hosts that are there.", source: "measured on real captures" },
        Threshold { name: "packets_each", unit: "packets", default: 6.0, why: "Requests to one host above which it is watched, not sought.", source: "ping sends one a second for as long as it runs, sweeps one to four" },
        Threshold { name: "ptr", unit: "addresses", default: 10.0, why: "Consecutive addresses of one network whose names were asked for.", source: "mail servers make 30 reverse lookups in 2 s, in no order" },
        Threshold { name: "ptr_window_s", unit: "s", default: 10.0, why: "Seconds in which they must lie.", source: "dnsrecon and nmap -sL ask some hundred a second" },
    ],
    innocent: &["An inventory or monitoring system after a part of the network was switched off.", "A log analyser that looks up the names of addresses in order."],
    next: &["Ask what runs on the source.", "Look for scans of ports that follow: a sweep comes first."],
    references: &["https://attack.mitre.org/techniques/T1018/", "https://nmap.org/book/man-host-discovery.html"],
    build: |p| Box::new(Sweeps::new(p)),
};

#[derive(Clone, Copy, Debug)]
struct Asked {
    target: Ip,
    answered: bool,
    flow: FlowId,
}

#[derive(Debug, Default)]
struct Source {
    recent: Recent<Asked>,
    hosts: BTreeSet<Ip>,
    answered: BTreeSet<Ip>,
    told: bool,
}

struct Sweeps {
    hosts: usize,
    window: i64,
    silent: usize,
    each: u64,
    ptr: usize,
    ptr_window: i64,
    pings: Keyed<Ip, Source>,
    lookups: Keyed<Ip, Source>,
}

impl Sweeps {
    fn new(p: &Params) -> Self {
        let rank = |s: &Source| s.recent.len() as u64 + 1_000 * u64::from(s.told);
        Self {
            hosts: p.count("hosts").max(2),
            window: p.nanos("window_s"),
            silent: p.count("silent"),
            each: p.count("packets_each") as u64,
            ptr: p.count("ptr").max(2),
            ptr_window: p.nanos("ptr_window_s"),
            pings: Keyed::new(MAX_SOURCES, rank),
            lookups: Keyed::new(MAX_SOURCES, rank),
        }
    }
}

/// The name of the request.
fn request(f: &FlowFact) -> Option<&'static str> {
    match (f.tuple.protocol, f.tuple.src_port) {
        (ip_protocol::ICMP, 8) | (ip_protocol::ICMP6, 128) => Some("echo"),
        (ip_protocol::ICMP, 13) => Some("timestamp"),
        (ip_protocol::ICMP, 17) => Some("mask"),
        _ => None,
    }
}

/// The address that a reverse name stands for (RFC 1035 section 3.5, RFC 3596 section 2.5).
fn reverse(name: &str) -> Option<Ip> {
    if let Some(nibbles) = name.strip_suffix(".ip6.arpa") {
        let mut all: u128 = 0;
        let mut n = 0;
        for (i, label) in nibbles.split('.').enumerate() {
            let nibble = u8::from_str_radix(label, 16).ok().filter(|_| label.len() == 1)?;
            all |= u128::from(nibble) << (4 * i.min(31));
            n = i + 1;
        }
        return (n == 32).then(|| Ip(all.to_be_bytes()));
    }
    let mut bytes = [0u8; 4];
    let mut labels = name.strip_suffix(".in-addr.arpa")?.split('.');
    for byte in bytes.iter_mut().rev() {
        *byte = labels.next()?.parse().ok()?;
    }
    labels.next().is_none().then(|| Ip::v4(bytes))
}

fn number(ip: Ip) -> u128 {
    u128::from_be_bytes(ip.0)
}

/// Longest run of consecutive addresses that share all but their last byte.
fn longest_run(addresses: &BTreeSet<Ip>) -> usize {
    let (mut best, mut run, mut before) = (0, 0, None);
    for ip in addresses.iter().map(|ip| number(*ip)) {
        run = if before == Some(ip.wrapping_sub(1)) && !ip.is_multiple_of(256) { run + 1 } else { 1 };
        best = best.max(run);
        before = Some(ip);
    }
    best
}

impl Source {
    /// One more that belongs to a sweep.
    fn note(&mut self, asked: &Asked) {
        if self.hosts.len() < COUNTED || self.hosts.contains(&asked.target) {
            self.hosts.insert(asked.target);
            if asked.answered {
                self.answered.insert(asked.target);
            }
        }
    }
}

impl Detector for Sweeps {
    fn flow(&mut self, f: &FlowFact, out: &mut Findings) {
        let Some(name) = request(f) else { return };
        if f.orig.packets == 0 || f.orig.packets > self.each || f.dst().is_multicast() {
            return;
        }
        let (src, ts) = (f.src(), f.first_ts);
        let source = self.pings.at(&src, ts);
        let asked = Asked { target: f.dst(), answered: f.resp.packets > 0, flow: f.id };
        source.recent.push(ts, asked, self.window, KEPT);
        let mut events = vec![(ts, asked)];
        if !source.told {
            let near: Vec<_> =
                source.recent.between(ts.plus(-self.window), ts.plus(self.window)).copied().collect();
            let all: BTreeSet<Ip> = near.iter().map(|(_, a)| a.target).collect();
            let answered: BTreeSet<Ip> =
                near.iter().filter(|(_, a)| a.answered).map(|(_, a)| a.target).collect();
            let silent = all.len() - answered.len();
            // Who goes from address to address within seconds seeks hosts, also where all are there: monitoring has a list, and time.
            let in_order = || {
                let quick = near.iter().filter(|(then, _)| ts.since(*then).abs() <= IN_ORDER);
                longest_run(&quick.map(|(_, a)| a.target).collect()) >= self.hosts
            };
            if source.recent.most_distinct(ts, self.window, |a| a.target) < self.hosts
                || silent < self.silent && !in_order()
            {
                return;
            }
            source.told = true;
            events = near;
        }
        let found = out.open(&kind::HOST_SWEEP, Subject::by(src).about("icmp"));
        for (then, asked) in &events {
            source.note(asked);
            found.seen(*then, asked.flow);
        }
        let (hosts, answered) = (source.hosts.len(), source.answered.len());
        found.title =
            format!("{src} sent ICMP {name} requests to {}, {answered} answered", counted(hosts, "host"));
        found.dst = source.answered.first().or(source.hosts.first()).copied();
        (found.protocol, found.direction) = (Some(f.tuple.protocol), Some(f.direction));
        found.reason("hosts", hosts as f64, self.hosts as f64, 0.6);
        let silent = (hosts - answered) as f64;
        found.reason(
            "silent_hosts",
            silent,
            self.silent as f64,
            if silent >= self.silent as f64 { 0.4 } else { 0.0 },
        );
        found.detail("technique", "icmp");
        found.detail("targets", hosts);
        found.list("answered", source.answered.iter().map(ToString::to_string));
        found.list("hosts", source.hosts.iter().map(ToString::to_string));
    }

    fn record(&mut self, r: &RecordFact, out: &mut Findings) {
        let Some(dns) = r.of::<DnsRecord>().filter(|d| d.qtype == Some(PTR)) else { return };
        let Some(target) = dns.query.as_deref().and_then(reverse) else { return };
        let source = self.lookups.at(&dns.client, r.ts);
        let asked = Asked { target, answered: dns.answers().next().is_some(), flow: r.flow_id };
        source.recent.push(r.ts, asked, self.ptr_window, KEPT);
        let mut events = vec![(r.ts, asked)];
        if !source.told {
            if source.recent.len() < self.ptr {
                return;
            }
            let all: BTreeSet<Ip> = source.recent.iter().map(|(_, a)| a.target).collect();
            if longest_run(&all) < self.ptr {
                return;
            }
            source.told = true;
            events = source.recent.iter().copied().collect();
        }
        let found = out.open(&kind::HOST_SWEEP, Subject::by(dns.client).about("ptr"));
        for (then, asked) in &events {
            source.note(asked);
            found.seen(*then, asked.flow);
        }
        let (hosts, run) = (source.hosts.len(), longest_run(&source.hosts));
        found.title = format!(
            "{} looked up the names of {}, {run} of them one after the other, within {}",
            dns.client,
            counted(hosts, "address").replace("addresss", "addresses"),
            duration(self.ptr_window as f64 / 1e9)
        );
        found.dst = Some(dns.server);
        (found.dst_port, found.protocol) = (Some(r.tuple.dst_port), Some(r.tuple.protocol));
        found.reason("consecutive_addresses", run as f64, self.ptr as f64, 0.7);
        found.detail("technique", "ptr");
        found.detail("targets", hosts);
        found.list("with_a_name", source.answered.iter().map(ToString::to_string));
        found.list("hosts", source.hosts.iter().map(ToString::to_string));
    }

    fn evicted(&self) -> u64 {
        self.pings.evicted() + self.lookups.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::model::ids::CaptureId;
    use crate::protocol::dns::record::Kind;

    fn ping(n: u64, seconds: f64, dst: Ip, answered: bool) -> FlowFact {
        let mut f = udp(n, seconds, inside(1), dst, 0, (1, u64::from(answered)));
        (f.tuple.protocol, f.tuple.src_port) = (ip_protocol::ICMP, 8);
        f
    }

    fn lookup(n: u64, seconds: f64, name: String) -> RecordFact {
        let dns = DnsRecord {
            kind: Kind::Dns,
            tcp: false,
            client: inside(1),
            server: inside(2),
            trans_id: 1,
            opcode: 0,
            query: Some(name),
            qtype: Some(PTR),
            qclass: Some(1),
            rd: true,
            attempts: 1,
            reply: None,
            edns: None,
            query_bytes: None,
        };
        record(n, seconds, inside(1), inside(2), 53, dns)
    }

    #[test]
    fn an_icmp_sweep_is_one_row() {
        let all = Bench::new(&META)
            .flows((0..40).map(|i| ping(i + 1, i as f64, inside(i as u8), i % 4 == 0)))
            .end();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].title, "10.0.0.1 sent ICMP echo requests to 40 hosts, 10 answered");
        assert_eq!((all[0].kind.name, all[0].count), ("host_sweep", 40));
    }

    #[test]
    fn address_after_address_is_a_sweep_also_where_all_are_there() {
        let pings = |gap: f64, step: u8| {
            (0..20u8)
                .map(move |i| ping(u64::from(i) + 1, f64::from(i) * gap, inside(i * step), true))
                .collect::<Vec<_>>()
        };
        let kinds = |flows: Vec<FlowFact>| Bench::new(&META).flows(flows).kinds();
        assert_eq!(kinds(pings(0.05, 1)), ["host_sweep"]);
        assert!(kinds(pings(0.05, 3)).is_empty(), "a list of hosts that are watched");
    }

    #[test]
    fn watching_is_no_sweep() {
        let kinds = |flows: Vec<FlowFact>| Bench::new(&META).flows(flows).kinds();
        assert!(
            kinds((0..40).map(|i| ping(i + 1, i as f64, inside(i as u8), true)).collect()).is_empty(),
            "all answer, one a second"
        );
        assert!(
            kinds((0..11).map(|i| ping(i + 1, i as f64, inside(i as u8), false)).collect()).is_empty(),
            "too few"
        );
        assert!(
            kinds((0..40).map(|i| ping(i + 1, i as f64 * 6.0, inside(i as u8), false)).collect()).is_empty(),
            "too slow"
        );
        let mut long: Vec<FlowFact> =
            (0..40).map(|i| ping(i + 1, i as f64, inside(i as u8), false)).collect();
        long.iter_mut().for_each(|f| f.orig.packets = 60);
        assert!(kinds(long).is_empty(), "pings that go on");
    }

    #[test]
    fn reverse_lookups_in_order() {
        let walk = |n: u8, step: u8| {
            (0..n).map(move |i| {
                lookup(u64::from(i) + 1, f64::from(i) * 0.1, format!("{}.5.0.10.in-addr.arpa", i * step))
            })
        };
        let all = Bench::new(&META).records(walk(20, 1)).end();
        assert_eq!(all.len(), 1);
        assert!(
            all[0].title.contains("names of 20 addresses, 20 of them one after the other"),
            "{}",
            all[0].title
        );
        assert!(Bench::new(&META).records(walk(9, 1)).kinds().is_empty());
        assert!(Bench::new(&META).records(walk(40, 3)).kinds().is_empty(), "a mail server's, in no order");
        assert_eq!(reverse("4.3.2.1.in-addr.arpa"), Some(Ip::v4([1, 2, 3, 4])));
        let six = |last: u8| {
            format!("{:x}.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", last)
        };
        assert_eq!(reverse(&six(7)).map(|ip| ip.to_string()).as_deref(), Some("2001:db8::7"));
        assert_eq!((reverse("7.8.b.d.0.1.0.0.2.ip6.arpa"), reverse(&format!("0.{}", six(7)))), (None, None));
        let walk = (0..12u8).map(|i| lookup(u64::from(i) + 1, f64::from(i) * 0.1, six(i)));
        assert_eq!(Bench::new(&META).records(walk).kinds(), ["host_sweep"]);
        assert_eq!((reverse("3.2.1.in-addr.arpa"), reverse("x.3.2.1.in-addr.arpa")), (None, None));
    }

    #[test]
    fn sources_are_capped() {
        let mut bench = Bench::new(&META);
        bench.flows((0..9_000u32).map(|i| {
            let mut f = ping(u64::from(i) + 1, 1.0, inside(9), false);
            f.tuple.src = Ip::v4(i.to_be_bytes());
            f
        }));
        assert!(bench.detector.evicted() > 8_000);
        assert!(bench.found.take(CaptureId(1), 0.5, 0.0).is_empty());
    }
}
