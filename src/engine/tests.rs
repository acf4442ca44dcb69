//! Does the whole engine keep its promises? Packets in, rows out, without a database.

use super::memory::Memory;
use super::sink::{CaptureStart, CaptureSummary, Sink, Stored};
use super::{Config, EngineError, Stats, run};
use crate::capture::{Polled, Source};
use crate::model::ids::{CaptureId, CaptureNo};
use crate::model::ledger::{FileLedger, SourceLedger, Stop};
use crate::model::packet::{Batch, LinkType, PacketRef};
use crate::model::rows::Rows;
use crate::model::time::Timestamp;
use etherparse::PacketBuilder;
use std::sync::Arc;

mod cut;

/// Packets from memory in batches of any size.
struct Packets {
    packets: Vec<(i64, Vec<u8>)>,
    per_batch: usize,
    next: usize,
    stop: Stop,
}

impl Source for Packets {
    fn poll(&mut self) -> Polled {
        let chunk = self.packets.get(self.next..).unwrap_or(&[]);
        let chunk = &chunk[..chunk.len().min(self.per_batch)];
        if chunk.is_empty() {
            return Polled::End;
        }
        let (mut bytes, mut packets) = (Vec::new(), Vec::new());
        for (ts, data) in chunk {
            packets.push(PacketRef {
                ts: Timestamp(*ts),
                start: bytes.len() as u32,
                captured: data.len() as u32,
                original: data.len() as u32,
                link: LinkType::ETHERNET,
                ..PacketRef::default()
            });
            bytes.extend_from_slice(data);
        }
        let first_number = self.next as u64 + 1;
        self.next += packets.len();
        Polled::Packets(Batch { first_number, block: Arc::new(bytes.into()), packets })
    }

    fn ledger(&self) -> SourceLedger {
        let file = FileLedger { packets: self.next as u64, stop: self.stop.clone(), ..FileLedger::default() };
        SourceLedger { files: vec![file], ..SourceLedger::default() }
    }
}

fn start() -> CaptureStart {
    CaptureStart {
        capture_id: CaptureId(42),
        path: "test".into(),
        sensor: String::new(),
        streaming: false,
        replace: false,
        continues: None,
        rotation: None,
    }
}

fn run_on(packets: &[(i64, Vec<u8>)], per_batch: usize, threads: usize) -> (Memory, CaptureSummary) {
    let source = Packets { packets: packets.to_vec(), per_batch, next: 0, stop: Stop::End };
    let mut sink = Memory::default();
    let (summary, stored) =
        run(Box::new(source), &start(), &mut sink, &Config::default(), threads, &Stats::new()).unwrap();
    assert_eq!(stored, Stored::Committed);
    assert!(sink.committed);
    (sink, summary)
}

const SEC: i64 = 1_000_000_000;

fn udp(src: [u8; 4], dst: [u8; 4], ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, src[3]], [2, 0, 0, 0, 0, dst[3]])
        .ipv4(src, dst, 64)
        .udp(ports.0, ports.1);
    let mut out = Vec::new();
    builder.write(&mut out, payload).unwrap();
    out
}

fn syn(src: [u8; 4], dst: [u8; 4], ports: (u16, u16)) -> Vec<u8> {
    let mut out = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, src[3]], [2, 0, 0, 0, 0, dst[3]])
        .ipv4(src, dst, 64)
        .tcp(ports.0, ports.1, 1_000, 64_240)
        .syn()
        .write(&mut out, &[])
        .unwrap();
    out
}

/// A DNS message about www.example.com; an answer says 192.0.2.80.
fn dns(answer: bool) -> Vec<u8> {
    let mut m = vec![
        0x12,
        0x34,
        if answer { 0x81 } else { 1 },
        if answer { 0x80 } else { 0 },
        0,
        1,
        0,
        u8::from(answer),
        0,
        0,
        0,
        0,
    ];
    m.extend_from_slice(b"\x03www\x07example\x03com\x00\x00\x01\x00\x01");
    if answer {
        m.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 192, 0, 2, 80]);
    }
    m
}

/// Many hosts, a named flow, and a long silence.
fn scene() -> Vec<(i64, Vec<u8>)> {
    let (client, resolver, server) = ([10, 0, 0, 5], [10, 0, 0, 1], [192, 0, 2, 80]);
    let mut packets = vec![
        (SEC, udp(client, resolver, (40_000, 53), &dns(false))),
        (SEC + 5_000_000, udp(resolver, client, (53, 40_000), &dns(true))),
        (2 * SEC, syn(client, server, (50_000, 443))),
        (3 * SEC, syn([10, 0, 0, 6], server, (50_000, 443))),
    ];
    for i in 0..3_000u32 {
        let host = [10, 1, (i >> 8) as u8, i as u8];
        packets.push((4 * SEC + i64::from(i) * 1_000_000, syn(host, server, (1_024, (i % 97) as u16 + 1))));
    }
    // The same five-tuple again after ten years is another flow.
    packets.push((86_400 * 3_650 * SEC, syn(client, server, (50_000, 443))));
    packets
}

#[test]
fn rows_do_not_depend_on_threads_or_batches() {
    let packets = scene();
    let (reference, summary) = run_on(&packets, 4_096, 1);
    assert_eq!(summary.flows, 3_004, "resolver, two clients, 3,000 hosts, and one again after ten years");
    let (reference, findings) = (reference.dump(), reference.anomalies);
    for (per_batch, threads) in [(4_096, 2), (4_096, 8), (1, 2), (97, 3)] {
        let (sink, _) = run_on(&packets, per_batch, threads);
        assert_eq!(sink.dump(), reference, "{per_batch} packets a batch, {threads} threads");
        assert_eq!(sink.anomalies, findings, "{per_batch} packets a batch, {threads} threads");
    }
}

#[test]
fn a_flow_is_named_by_the_answer_its_own_client_got() {
    let (sink, _) = run_on(&scene(), 4_096, 2);
    let named = |src: &str, first: &str| {
        sink.select(
            "flows",
            &["src_ip", "first_packet", "hostname", "hostname_source", "domain", "direction"],
        )
        .into_iter()
        .find(|r| r[0].as_deref() == Some(src) && r[1].as_deref() == Some(first))
        .map(|r| r[2..].iter().map(|c| c.clone().unwrap_or_default()).collect::<Vec<_>>())
        .unwrap()
    };
    assert_eq!(named("10.0.0.5", "3"), ["www.example.com", "dns", "example.com", "outbound"]);
    assert_eq!(named("10.0.0.6", "4"), ["", "", "", "outbound"], "it never asked");
    let dns = sink.select("dns", &["query", "flow_id"]);
    assert_eq!(dns.len(), 1);
    assert_eq!(dns[0][0].as_deref(), Some("www.example.com"));
}

#[test]
fn an_empty_capture_is_a_capture() {
    let (sink, summary) = run_on(&[], 1, 2);
    assert_eq!((sink.dump().len(), summary.first_ts, summary.flows), (0, None, 0));
    assert_eq!(summary.local_nets_source, "private");
}

#[test]
fn what_the_user_stopped_leaves_nothing() {
    let source = Packets { packets: scene(), per_batch: 100, next: 0, stop: Stop::Interrupted };
    let mut sink = Memory::default();
    let outcome = run(Box::new(source), &start(), &mut sink, &Config::default(), 2, &Stats::new());
    assert!(matches!(outcome, Err(EngineError::Interrupted)));
    assert!(!sink.committed && sink.dump().is_empty());
}

/// A sink that breaks.
#[derive(Default)]
struct Broken {
    abandoned: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("disk full")]
struct Full;

impl Sink for Broken {
    type Error = Full;

    fn begin(&mut self, _: &CaptureStart) -> Result<CaptureNo, Full> {
        Ok(CaptureNo(1))
    }

    fn rows(&mut self, _: Rows) -> Result<(), Full> {
        Err(Full)
    }

    fn anomalies(&mut self, _: Vec<crate::model::anomaly::Anomaly>) -> Result<(), Self::Error> {
        Ok(())
    }

    fn commit(&mut self, _: &CaptureSummary) -> Result<Stored, Full> {
        Err(Full)
    }

    fn abandon(&mut self) -> Result<(), Full> {
        self.abandoned = true;
        Ok(())
    }
}

#[test]
fn a_broken_sink_ends_the_run_and_is_told() {
    let source = Packets { packets: scene(), per_batch: 10, next: 0, stop: Stop::End };
    let mut sink = Broken::default();
    let outcome = run(Box::new(source), &start(), &mut sink, &Config::default(), 2, &Stats::new());
    assert!(matches!(outcome, Err(EngineError::Sink(Full))), "and no thread hangs");
    assert!(sink.abandoned);
}

/// A tool for whoever writes a parser: the rows of one capture without a database. `SECNETMON_CAPTURE` names the file,
/// `SECNETMON_TABLES` the tables with a comma between; one line a row, only the columns that are not NULL.
#[test]
#[expect(clippy::disallowed_methods, reason = "a tool, not a test: its captures are not in the repository")]
#[ignore = "a tool: SECNETMON_CAPTURE=file SECNETMON_TABLES=flows,dns prints rows"]
fn rows_of_a_capture() {
    use std::io::Write;
    let file = std::env::var_os("SECNETMON_CAPTURE").expect("SECNETMON_CAPTURE names a capture");
    let wanted = std::env::var("SECNETMON_TABLES").unwrap_or_else(|_| "flows".into());
    let source =
        crate::capture::open_bytes(std::fs::read(&file).unwrap(), &crate::capture::Options::default())
            .unwrap();
    let mut sink = Memory::default();
    run(source, &start(), &mut sink, &Config::default(), 1, &Stats::new()).unwrap();
    let mut out = std::io::stdout().lock();
    for table in super::tables::all().into_iter().filter(|t| wanted.split(',').any(|w| w == t.name)) {
        let names: Vec<_> = table.all_columns().map(|c| c.name).collect();
        for row in sink.select(table.name, &names) {
            let cells = names.iter().zip(row).filter_map(|(n, v)| v.map(|v| format!("{n}={v}")));
            writeln!(out, "{}: {}", table.name, cells.collect::<Vec<_>>().join(" ")).unwrap();
        }
    }
}

#[test]
fn a_stream_shows_flows_that_go_on_and_their_last_row_is_the_same() {
    use crate::capture::replay::Replay;
    let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let mut source = Replay::new(1);
    for n in 0..10 {
        // A packet and a tick every twenty seconds; a flow that ended at once beside it.
        let at = Timestamp(n * 20 * SEC);
        source = source.packet(at, LinkType::ETHERNET, &udp(a, b, (5_000, 6_000), b"still here")).tick(at);
        if n == 1 {
            source = source.packet(at, LinkType::ETHERNET, &udp(a, b, (5_001, 6_000), b"once"));
        }
    }
    let stream = CaptureStart { streaming: true, ..start() };
    let mut config = Config::default();
    config.topology.local_nets = vec!["10.0.0.0/8".parse().unwrap()];
    let mut sink = Memory::default();
    let stats = Stats::new();
    let (summary, _) = run(Box::new(source), &stream, &mut sink, &config, 1, &stats).unwrap();
    let rows: Vec<String> = sink
        .select("flows", &["src_port", "src_packets", "end_reason"])
        .iter()
        .map(|r| r.iter().map(|c| c.clone().unwrap_or_default()).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        rows,
        ["5000 4 open", "5001 1 idle", "5000 7 open", "5000 10 open", "5000 10 capture_end"],
        "shown after a minute, and each minute"
    );
    assert_eq!((summary.flows, stats.flows()), (2, 2), "counted once");
}

/// Answers with other thresholds when it hears of a stream for the second time.
struct Changing(Memory, Option<crate::detect::Config>, u32);

impl Sink for Changing {
    type Error = <Memory as Sink>::Error;

    fn begin(&mut self, start: &CaptureStart) -> Result<CaptureNo, Self::Error> {
        self.0.begin(start)
    }

    fn rows(&mut self, rows: Rows) -> Result<(), Self::Error> {
        self.0.rows(rows)
    }

    fn anomalies(&mut self, found: Vec<crate::model::anomaly::Anomaly>) -> Result<(), Self::Error> {
        self.0.anomalies(found)
    }

    fn progress(&mut self, _: &CaptureSummary) -> Result<Option<crate::detect::Config>, Self::Error> {
        self.2 += 1;
        Ok(self.1.take_if(|_| self.2 == 2))
    }

    fn commit(&mut self, summary: &CaptureSummary) -> Result<Stored, Self::Error> {
        self.0.commit(summary)
    }

    fn abandon(&mut self) -> Result<(), Self::Error> {
        self.0.abandon()
    }
}

#[test]
fn other_thresholds_hold_from_then_on_and_detectors_whose_numbers_stay_go_on() {
    use crate::capture::replay::Replay;
    let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let refused = |port: u16| {
        let mut out = Vec::new();
        PacketBuilder::ethernet2([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1])
            .ipv4(b, a, 64)
            .tcp(port, 50_000, 0, 0)
            .rst()
            .ack(1_001)
            .write(&mut out, &[])
            .unwrap();
        out
    };
    // Nine ports before the change and nine after it; fifteen in a minute are a scan, fewer that come faster, too.
    let scan = |mut source: Replay, ports: std::ops::Range<u16>, secs: i64| {
        for port in ports {
            let at = Timestamp(secs * SEC + i64::from(port % 9) * 1_200_000_000);
            source = source.packet(at, LinkType::ETHERNET, &syn(a, b, (50_000, 100 + port)));
            source = source.packet(at.plus(1_000), LinkType::ETHERNET, &refused(100 + port));
        }
        source
    };
    let found = |change: &dyn Fn(&mut crate::detect::Config)| {
        let source = scan(Replay::new(100), 0..9, 20).tick(Timestamp(50 * SEC)).tick(Timestamp(60 * SEC));
        let source = scan(source, 9..18, 62).tick(Timestamp(90 * SEC));
        let mut config = Config::default();
        config.topology.local_nets = vec!["10.0.0.0/8".parse().unwrap()];
        let mut fresh = config.detect.clone();
        change(&mut fresh);
        let mut sink = Changing(Memory::default(), Some(fresh), 0);
        let stream = CaptureStart { streaming: true, ..start() };
        let (summary, _) = run(Box::new(source), &stream, &mut sink, &config, 1, &Stats::new()).unwrap();
        assert!(sink.1.is_none(), "it was asked for");
        let run = summary.runs.iter().find(|r| &*r.detector == "port_scan").unwrap();
        let fifteen = run.parameters["ports"] == 15.0;
        let scans = sink.0.anomalies.values().filter(|a| a.kind.name == "port_scan_vertical").count();
        (scans, fifteen)
    };
    assert_eq!(found(&|_| ()), (1, true), "nothing changed");
    assert_eq!(found(&|c| c.set("flood", "syns", 9_999.0)), (1, true), "another detector changed");
    assert_eq!(found(&|c| c.set("port_scan", "ports", 12.0)), (0, false), "begun anew: nine of twelve");
    assert_eq!(found(&|c| c.set("port_scan", "ports", 8.0)), (1, false), "begun anew: nine of eight");
    assert_eq!(found(&|c| c.disabled.push("port_scan".into())), (0, true), "switched off");
}
