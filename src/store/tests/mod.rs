//! Does the store keep its promises? Whole or not at all, once and not twice, one writer, private files.
//!
//! Helpers here; the questions in the files beside. Processes that are killed are this test binary itself, run again
//! with one ignored test.

mod ingest;
mod maintain;
mod measure;
mod processes;
mod pruning;
mod query;
mod socket;

use super::*;
use crate::engine::sink::{CaptureStart, CaptureSummary, Sink as _, Stored};
use crate::engine::tables::{
    FLOWS, FlowContext, HOST_FACTS, TRAFFIC_HOURLY, WEIRDS, write_flow, write_weird,
};
use crate::model::addr::{Ip, Mac};
use crate::model::flow::{EndReason, FlowRecord, Position, ServiceSource, SideTotals, Tuple};
use crate::model::ids::{CaptureNo, FlowId};
use crate::model::ledger::{FileLedger, Interface, Stop};
use crate::model::packet::LinkType;
use crate::model::rows::Rows;
use crate::model::time::{NANOS_PER_SEC, Timestamp};
use crate::model::weird::{Detail, Weird, WeirdKind};
use std::sync::atomic::{AtomicU32, Ordering};

impl Reader {
    /// The connection behind it.
    pub(in crate::store) fn db_for_tests(&self) -> &Connection {
        match &self.from {
            reader::From::File { db, .. } => db,
            reader::From::Owner(_) => panic!("another process has it"),
        }
    }
}

/// A folder of its own per test, gone afterwards.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("secnetmon-store-{}-{n}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Self(folder)
    }

    pub(super) fn db(&self) -> PathBuf {
        self.0.join("test.duckdb")
    }

    pub(super) fn store(&self) -> Store {
        Store::open(&self.db(), &StoreConfig::default()).unwrap()
    }

    pub(super) fn reader(&self) -> Reader {
        Reader::open(&self.db(), &StoreConfig::default(), &[]).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn start(id: i64) -> CaptureStart {
    CaptureStart {
        capture_id: CaptureId(id),
        path: format!("/captures/{id}.pcap"),
        sensor: "lab".to_owned(),
        streaming: false,
        replace: false,
        continues: None,
        rotation: None,
    }
}

/// A summary of one file with this content.
pub(super) fn summary(content: &str) -> CaptureSummary {
    let file = FileLedger {
        path: "x.pcap".into(),
        format: "pcap",
        interfaces: vec![Interface { link: LinkType::ETHERNET, dropped: Some(3), ..Interface::default() }],
        packets: 100,
        bytes: 10_000,
        content_hash: Some(*blake3::hash(content.as_bytes()).as_bytes()),
        comments: vec!["it's a \"comment\"".to_owned()],
        names: vec![("10.0.0.1".parse().unwrap(), "printer".to_owned())],
        stop: Stop::End,
        ..FileLedger::default()
    };
    let mut s = CaptureSummary {
        first_ts: Some(Timestamp(NANOS_PER_SEC)),
        last_ts: Some(Timestamp(9 * NANOS_PER_SEC)),
        local_nets: vec!["10.0.0.0/8".parse().unwrap()],
        local_nets_source: "private",
        caps_hit: vec![("streams", 2)],
        flows: 2,
        ..CaptureSummary::default()
    };
    s.ledger.files.push(file);
    s
}

/// The `i`-th flow of a synthetic capture: a few thousand hosts talking TCP and UDP, much as real ones do.
fn flow(no: CaptureNo, i: u64) -> FlowRecord {
    let mix = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let began = Timestamp(1_700_000_000 * NANOS_PER_SEC + i as i64 * 3_700_123);
    let tcp = !i.is_multiple_of(3);
    let side = |packets: u64, size: u64| SideTotals {
        packets,
        bytes: packets * size,
        ip_bytes: packets * (size + 52),
        stream_bytes: packets * size,
        tcp_flags: if tcp { 0x1b } else { 0 },
        first_ttl: 64,
        ..SideTotals::default()
    };
    FlowRecord {
        id: FlowId::new(no, i + 1, 0),
        tuple: Tuple {
            src: Ip::v4([10, 0, (mix % 4) as u8, (mix >> 4) as u8]),
            dst: Ip::v4([93, 184, (mix >> 12) as u8 % 8, (mix >> 4) as u8 ^ ((mix >> 15) as u8 % 16)]),
            src_port: 32_768 + (mix % 28_000) as u16,
            dst_port: [443, 53, 80, 22][(mix % 4) as usize],
            protocol: if tcp { 6 } else { 17 },
        },
        ip_version: 4,
        first_ts: began,
        began,
        last_ts: began.plus((mix % 5_000_000_000) as i64),
        src_mac: Mac([2, 0, 0, 0, (mix % 4) as u8, (mix >> 4) as u8]),
        dst_mac: Mac([2, 0xff, 0, 0, 0, 1]),
        vlan: None,
        inner_vlan: None,
        tunnel: None,
        orig: side(1 + mix % 20, 80 + mix % 300),
        resp: side(1 + mix % 30, 200 + mix % 1000),
        conn_state: "SF",
        history: if tcp { "ShADadFf".to_owned() } else { "Dd".to_owned() },
        syn: None,
        rtt: tcp.then_some((mix % 90_000_000) as i64),
        service: Some(["tls", "dns", "http", "ssh"][(mix % 4) as usize]),
        service_source: Some(ServiceSource::Content),
        hostname: None,
        icmp_error: None,
        first: Position { packet: i * 7 + 1, file_no: 0, offset: i * 700 + 24 },
        last: Position { packet: i * 7 + 7, file_no: 0, offset: i * 700 + 700 },
        end_reason: EndReason::Closed,
    }
}

pub(super) fn flow_rows(id: CaptureId, no: CaptureNo, range: std::ops::Range<u64>) -> Rows {
    let mut rows = Rows::new(&FLOWS);
    for i in range {
        let f = flow(no, i);
        let name = format!("host{}.example.com", f.tuple.dst.wire().last().unwrap());
        let community = format!("1:{}=", blake3::hash(&i.to_le_bytes()).to_hex().get(..27).unwrap());
        let cx = FlowContext {
            hostname: Some(&name),
            hostname_source: Some("content"),
            domain: Some("example.com"),
            community_id: Some(&community),
            direction: "outbound",
            src_internal: true,
            dst_internal: false,
        };
        write_flow(&mut rows.row(), id, &f, &cx);
    }
    assert_eq!(rows.faults(), 0);
    rows
}

fn weird_rows(id: CaptureId, n: u64) -> Rows {
    let mut rows = Rows::new(&WEIRDS);
    for i in 0..n {
        let w = Weird {
            ts: Timestamp(i as i64),
            packet: i + 1,
            flow_id: None,
            kind: WeirdKind::ALL[0],
            detail: Detail::None,
        };
        write_weird(&mut rows.row(), id, &w);
    }
    rows
}

/// What a part of a capture knows of a local host.
fn host_row(rows: &mut Rows, id: CaptureId, ip: Ip, macs: &[&str], service: &str, ts: Timestamp) {
    let mut row = rows.row();
    row.i64(id.0).text("lab").ip(ip).bool(true).list(macs).list(&["printer"]).time(ts).time(ts);
    row.u64(2).u64(3).u64(40).u64(50).list(&[service]).list::<&str>(&[]);
}

/// What a part of a capture knows of the host 10.0.0.1, and of its hour.
fn host_rows(id: CaptureId, part: u8) -> [Rows; 2] {
    let (mut facts, mut hourly) = (Rows::new(&HOST_FACTS), Rows::new(&TRAFFIC_HOURLY));
    let (ip, ts) = (Ip::v4([10, 0, 0, 1]), Timestamp(i64::from(part) * NANOS_PER_SEC));
    host_row(&mut facts, id, ip, &["02:00:00:00:00:01"], &format!("ssh/{part}"), ts);
    hourly.row().i64(id.0).time(Timestamp(0)).ip(ip).bool(true).u64(3).u64(4).u64(5).u64(40).u64(50);
    assert_eq!((facts.faults(), hourly.faults()), (0, 0));
    [facts, hourly]
}

/// Write a capture with `flows` flows and a weird; gives what the sink said.
fn ingest(store: &Store, start: &CaptureStart, content: &str, flows: u64) -> Result<Stored, StoreError> {
    let mut w = store.writer()?;
    let no = w.begin(start)?;
    w.rows(flow_rows(start.capture_id, no, 0..flows))?;
    w.rows(weird_rows(start.capture_id, 1))?;
    host_rows(start.capture_id, 1).into_iter().try_for_each(|rows| w.rows(rows))?;
    w.commit(&summary(content))
}

/// The first column of the first row, as text.
fn one(db: &Connection, sql: &str) -> String {
    db.query_row(&format!("SELECT coalesce(x::VARCHAR, 'NULL') FROM ({sql}) t(x)"), [], |r| r.get(0)).unwrap()
}
