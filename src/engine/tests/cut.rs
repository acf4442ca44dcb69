//! Is a stream that is cut the same as one that is not: every packet counted once, every record with its flow, every finding there?

use super::*;
use crate::capture::replay::Replay;
use crate::capture::{Options, Progress, open};
use crate::engine::sink::Rotation;
use crate::model::anomaly::Anomaly;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

/// A file that is given out as a stream: a tick at every multiple of some seconds of packet time, after the packets before it.
struct Ticking {
    source: Box<dyn Source>,
    waiting: VecDeque<Polled>,
    every: i64,
    multiple: i64,
    given: FileLedger,
}

impl Ticking {
    fn new(source: Box<dyn Source>, every: i64) -> Self {
        let given = FileLedger { path: "stream".into(), ..FileLedger::default() };
        Self { source, waiting: VecDeque::new(), every: every * SEC, multiple: i64::MIN, given }
    }
}

impl Source for Ticking {
    fn poll(&mut self) -> Polled {
        while self.waiting.is_empty() {
            let Polled::Packets(batch) = self.source.poll() else {
                self.given.stop = Stop::End;
                return Polled::End;
            };
            let mut part = Batch { packets: Vec::new(), ..batch.clone() };
            for (n, packet) in (batch.first_number..).zip(batch.packets) {
                let multiple = packet.ts.0.div_euclid(self.every);
                if multiple > self.multiple {
                    if !part.packets.is_empty() {
                        self.waiting.push_back(Polled::Packets(part.clone()));
                    }
                    self.waiting.push_back(Polled::Tick(Timestamp(multiple * self.every)));
                    part = Batch { first_number: n, packets: Vec::new(), ..part };
                    self.multiple = multiple;
                }
                part.packets.push(packet);
            }
            if !part.packets.is_empty() {
                self.waiting.push_back(Polled::Packets(part));
            }
        }
        let next = self.waiting.pop_front().unwrap();
        if let Polled::Packets(batch) = &next {
            self.given.packets += batch.packets.len() as u64;
        }
        next
    }

    fn ledger(&self) -> SourceLedger {
        SourceLedger { files: vec![self.given.clone()], ..SourceLedger::default() }
    }
}

/// Rows, and the account of each capture.
#[derive(Default)]
struct Captures {
    memory: Memory,
    starts: Vec<CaptureStart>,
    ended: Vec<CaptureSummary>,
    /// Findings as they were handed on, one after the other.
    told: Vec<Anomaly>,
}

impl Sink for Captures {
    type Error = <Memory as Sink>::Error;

    fn begin(&mut self, start: &CaptureStart) -> Result<CaptureNo, Self::Error> {
        self.starts.push(start.clone());
        self.memory.begin(start)
    }

    fn rows(&mut self, rows: Rows) -> Result<(), Self::Error> {
        self.memory.rows(rows)
    }

    fn anomalies(&mut self, found: Vec<Anomaly>) -> Result<(), Self::Error> {
        self.told.extend(found.iter().cloned());
        self.memory.anomalies(found)
    }

    fn commit(&mut self, summary: &CaptureSummary) -> Result<Stored, Self::Error> {
        self.ended.push(summary.clone());
        self.memory.commit(summary)
    }

    fn abandon(&mut self) -> Result<(), Self::Error> {
        self.memory.abandon()
    }
}

/// Run a stream that is cut every so many seconds; 0: never.
fn stream(source: Box<dyn Source>, every: i64) -> Captures {
    let rotation = (every > 0).then_some(Rotation { every: every * SEC });
    captures(source, &CaptureStart { streaming: true, rotation, ..start() })
}

fn as_file(path: &std::path::Path) -> Captures {
    captures(open(path, &Options::default(), &Progress::new()).unwrap(), &start())
}

fn captures(source: Box<dyn Source>, begin: &CaptureStart) -> Captures {
    let mut config = Config::default();
    config.flow.open_after = 0;
    config.topology.local_nets = vec!["10.0.0.0/8".parse().unwrap(), "192.168.0.0/16".parse().unwrap()];
    let mut sink = Captures::default();
    run(source, begin, &mut sink, &config, 1, &Stats::new()).unwrap();
    sink
}

fn rows(sink: &Captures, table: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let cells = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default).collect();
    sink.memory.select(table, columns).into_iter().map(cells).collect()
}

const TUPLE: [&str; 5] = ["protocol", "src_ip", "src_port", "dst_ip", "dst_port"];
const COUNTS: [&str; 10] = [
    "src_packets",
    "dst_packets",
    "src_bytes",
    "dst_bytes",
    "src_ip_bytes",
    "dst_ip_bytes",
    "src_stream_bytes",
    "dst_stream_bytes",
    "retransmits",
    "missed_bytes",
];

/// What all flows of a conversation counted together.
fn sums(sink: &Captures) -> BTreeMap<Vec<String>, Vec<u64>> {
    let mut all: BTreeMap<Vec<String>, Vec<u64>> = BTreeMap::new();
    for row in rows(sink, "flows", &[&TUPLE[..], &COUNTS].concat()) {
        let sum = all.entry(row[..5].to_vec()).or_insert_with(|| vec![0; COUNTS.len()]);
        sum.iter_mut().zip(&row[5..]).for_each(|(sum, n)| *sum += n.parse::<u64>().unwrap());
    }
    all
}

/// Rows of each table that parsers fill; what is said of hosts is said in every capture anew.
fn records(sink: &Captures) -> BTreeMap<&'static str, usize> {
    let filled = crate::engine::tables::all().into_iter().filter(|t| {
        t.all_columns().any(|c| c.name == "flow_id") && !["flows", "weirds", "host_clues"].contains(&t.name)
    });
    filled.map(|t| (t.name, rows(sink, t.name, &["flow_id"]).len())).filter(|(_, n)| *n > 0).collect()
}

/// Every flow of a record (and of an oddity) that is not there, with its table.
fn without_flow(sink: &Captures) -> Vec<String> {
    let key = ["capture_id", "flow_id"];
    let flows: Vec<Vec<String>> = rows(sink, "flows", &key);
    let set: BTreeSet<&Vec<String>> = flows.iter().collect();
    assert_eq!(set.len(), flows.len(), "a flow has one row in a capture");
    let tables = crate::engine::tables::all().into_iter();
    let named = tables.filter(|t| t.name != "flows" && t.all_columns().any(|c| c.name == "flow_id"));
    named
        .flat_map(|t| rows(sink, t.name, &key).into_iter().map(move |row| (t.name, row)))
        .filter(|(_, row)| !row[1].is_empty() && !set.contains(row))
        .map(|(table, row)| format!("{table} {}", row.join(" ")))
        .collect()
}

fn found(sink: &Captures) -> BTreeSet<String> {
    // Whom it hit most may be another one in each capture.
    let name = |a: &Anomaly| format!("{} {:?}", a.kind.name, a.src);
    sink.memory.anomalies.values().map(name).collect()
}

fn samples() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples");
    let files = |dir: PathBuf| std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut all: Vec<PathBuf> = files(folder).filter(|p| p.is_dir()).flat_map(files).collect();
    all.retain(|p| p.extension().is_none_or(|e| e != "md"));
    all.sort();
    all
}

#[test]
fn what_is_cut_adds_up_to_what_is_not() {
    let mut cuts = 0;
    for path in samples() {
        let name = path.display();
        let span = seconds(&path);
        let tick = (span / 40).max(1);
        let file =
            || Box::new(Ticking::new(open(&path, &Options::default(), &Progress::new()).unwrap(), tick));
        let (whole, last) = (stream(file(), 0), found(&as_file(&path)));
        // Into some three parts, and into many.
        for every in [(span / 3).max(2), tick] {
            let cut = stream(file(), every);
            cuts += cut.starts.len() - 1;
            assert_eq!(sums(&cut), sums(&whole), "{name} every {every} s");
            assert_eq!(records(&cut), records(&whole), "{name} every {every} s");
            assert_eq!(without_flow(&cut), Vec::<String>::new(), "{name} every {every} s");
            let total = |c: &Captures, of: fn(&CaptureSummary) -> u64| c.ended.iter().map(of).sum::<u64>();
            for of in [
                |s: &CaptureSummary| s.ledger.packets(),
                |s: &CaptureSummary| s.wire_bytes,
                |s: &CaptureSummary| s.decoded_packets,
                |s: &CaptureSummary| s.truncated_packets,
            ] {
                assert_eq!(total(&cut, of), total(&whole, of), "{name} every {every} s");
            }
            let flows = total(&cut, |s| s.flows);
            assert_eq!(flows as usize, rows(&cut, "flows", &["flow_id"]).len(), "{name}: flows are counted");
            // What a stream has told stays told, also where a moment later something else turned out; how much that is depends on when it is asked.
            let (here, all) = (found(&cut), found(&whole));
            assert!(here.is_subset(&all), "{name} every {every} s: {here:?} {all:?}");
            assert!(here.is_superset(&last), "{name} every {every} s: {here:?} {last:?}");
        }
    }
    assert!(cuts > 800, "{cuts} cuts");
}

/// Seconds that a capture spans.
fn seconds(path: &std::path::Path) -> i64 {
    let mut source = open(path, &Options::default(), &Progress::new()).unwrap();
    let mut span: Option<(Timestamp, Timestamp)> = None;
    while let Polled::Packets(batch) = source.poll() {
        for p in batch.packets {
            let (from, to) = span.unwrap_or((p.ts, p.ts));
            span = Some((from.min(p.ts), to.max(p.ts)));
        }
    }
    span.map_or(0, |(from, to)| to.since(from) / SEC)
}

/// The answer to a SYN: a RST, or the end of the handshake's second step.
fn answer(src: [u8; 4], dst: [u8; 4], ports: (u16, u16), reset: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let head = PacketBuilder::ethernet2([2, 0, 0, 0, 0, src[3]], [2, 0, 0, 0, 0, dst[3]]).ipv4(src, dst, 64);
    let head = head.tcp(ports.0, ports.1, if reset { 0 } else { 7_000 }, 64_240).ack(1_001);
    let head = if reset { head.rst() } else { head.syn() };
    head.write(&mut out, &[]).unwrap();
    out
}

fn said(src: [u8; 4], dst: [u8; 4], ports: (u16, u16), numbers: (u32, u32), payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, src[3]], [2, 0, 0, 0, 0, dst[3]])
        .ipv4(src, dst, 64)
        .tcp(ports.0, ports.1, numbers.0, 64_240)
        .ack(numbers.1)
        .psh()
        .write(&mut out, payload)
        .unwrap();
    out
}

const CLIENT: [u8; 4] = [10, 0, 0, 5];
const SERVER: [u8; 4] = [192, 0, 2, 80];

/// A request in the first ten seconds, its answer in the second ten, nothing in the third.
fn conversation() -> Replay {
    let link = LinkType::ETHERNET;
    let (ahead, back) = ((50_000, 8_000), (8_000, 50_000));
    let (ask, tell) = (
        b"GET /a HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let at = |ms: i64| Timestamp(100 * SEC + ms * 1_000_000);
    Replay::new(100)
        .tick(at(0))
        .packet(at(1_000), link, &udp([10, 0, 0, 9], [10, 0, 0, 1], (1, 2), b"another packet first"))
        .packet(at(2_000), link, &syn(CLIENT, SERVER, ahead))
        .packet(at(2_010), link, &answer(SERVER, CLIENT, back, false))
        .packet(at(2_020), link, &said(CLIENT, SERVER, ahead, (1_001, 7_001), b""))
        .packet(at(2_030), link, &said(CLIENT, SERVER, ahead, (1_001, 7_001), ask))
        .packet(at(3_000), link, &udp(CLIENT, [10, 0, 0, 1], (40_000, 53), &dns(false)))
        .tick(at(10_000))
        .packet(at(12_000), link, &said(SERVER, CLIENT, back, (7_001, 1_001 + ask.len() as u32), tell))
        .tick(at(20_000))
        .tick(at(29_000))
}

#[test]
fn a_conversation_goes_on_in_the_next_capture_as_what_it_is() {
    let sink = stream(Box::new(conversation()), 10);
    let ids: Vec<CaptureId> = sink.starts.iter().map(|s| s.capture_id).collect();
    assert_eq!(
        sink.starts.iter().map(|s| s.continues).collect::<Vec<_>>(),
        [None, Some(ids[0]), Some(ids[1])]
    );
    let packets: Vec<u64> = sink.ended.iter().map(|s| s.ledger.packets()).collect();
    assert_eq!((packets, sink.ended[0].ledger.files[0].stop.clone()), (vec![6, 1, 0], Stop::End));
    let columns =
        ["capture_id", "first_packet", "src_ip", "src_packets", "dst_packets", "src_bytes", "dst_bytes"];
    let words = ["conn_state", "history", "service", "hostname", "end_reason"];
    let tcp: Vec<String> = rows(&sink, "flows", &[&columns[..], &words, &["protocol"]].concat())
        .into_iter()
        .filter(|r| r.last().is_some_and(|p| p == "tcp"))
        .map(|r| r.join(" "))
        .collect();
    assert_eq!(
        tcp,
        [
            format!("{} 2 10.0.0.5 3 1 42 0 S1 ShAD http www.example.com capture_end tcp", ids[0].0),
            format!("{} 1 10.0.0.5 0 1 0 40 S1 ShADd http www.example.com capture_end tcp", ids[1].0),
        ],
        "and in the third it said nothing"
    );
    // The answer completes the record: it lies with the flow where it was known.
    let http = rows(&sink, "http", &["capture_id", "method", "status_code"]);
    assert_eq!(http, [[ids[1].0.to_string(), "GET".into(), "200".into()]]);
}

#[test]
fn what_a_silent_flow_leaves_behind_has_a_row_without_packets() {
    let sink = stream(Box::new(conversation()), 10);
    // The question without an answer is written when its flow ends, which is long after its last packet.
    let dns = rows(&sink, "dns", &["capture_id", "flow_id"]);
    assert_eq!(dns.len(), 1);
    let flows = rows(&sink, "flows", &["capture_id", "flow_id", "dst_port", "src_packets", "first_packet"]);
    let of_dns: Vec<_> = flows.into_iter().filter(|f| f[2] == "53").collect();
    let third = sink.starts[2].capture_id.0.to_string();
    assert_eq!((of_dns.len(), &dns[0][0]), (2, &third));
    assert_eq!(of_dns[0][3..], ["1", "6"]);
    assert_eq!((&of_dns[1][..2], &of_dns[1][3..]), (&dns[0][..], &["0".to_owned(), "0".to_owned()][..]));
    assert!(without_flow(&sink).is_empty());
}

#[test]
fn a_finding_that_goes_on_is_told_once_in_each_capture_and_what_rests_is_not_told_again() {
    let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let mut source = Replay::new(100).tick(Timestamp(600 * SEC));
    for (from, ports) in [(601, 1..40u16), (670, 40..80)] {
        for (n, port) in ports.enumerate() {
            let at = Timestamp(from * SEC + n as i64 * 500_000_000);
            source = source.packet(at, LinkType::ETHERNET, &syn(a, b, (50_000, port)));
            source = source.packet(at.plus(1_000), LinkType::ETHERNET, &answer(b, a, (port, 50_000), true));
        }
        source = source.tick(Timestamp((from + 40) * SEC)).tick(Timestamp((from + 60) * SEC));
    }
    let source = source.tick(Timestamp(721 * SEC)).tick(Timestamp(790 * SEC)).tick(Timestamp(850 * SEC));
    let sink = stream(Box::new(source), 60);
    assert_eq!(sink.starts.len(), 5, "{:?}", sink.starts);
    let of = |n: usize| {
        let id = sink.starts[n].capture_id;
        let all = sink.memory.anomalies.values();
        all.filter(|f| f.capture == id && f.kind.name == "port_scan_vertical").collect::<Vec<_>>()
    };
    let (first, second) = (of(0), of(1));
    assert_eq!((first.len(), second.len()), (1, 1), "{:?}", sink.memory.anomalies);
    assert_eq!(second[0].details["continues"], first[0].id.0);
    assert!(!first[0].details.contains_key("continues"));
    assert!(second[0].first_ts >= first[0].last_ts && second[0].last_ts > second[0].first_ts);
    assert_eq!(first[0].count + second[0].count, 79, "{first:?} {second:?}");
    assert!((2..5).all(|n| of(n).is_empty()), "nothing happened there: {:?}", sink.told);
    // Evidence of each lies in its capture.
    for (n, found) in [(1, &first[0]), (2, &second[0])] {
        assert!(found.flows.iter().all(|f| f.0 >> 40 == n), "{found:?}");
    }
}
