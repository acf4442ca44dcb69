//! Packets and an application for the tests of this floor.

use super::{AppSummary, Application, At, Budget, Config, FlowTable, FlowView, Interest};
use crate::decode::{Decoded, NO_VLAN, PayloadAt, Role, TcpHeader};
use crate::model::addr::{Ip, Mac};
use crate::model::event::{Body, Event};
use crate::model::flow::{FlowRecord, Side, ip_protocol};
use crate::model::ids::CaptureNo;
use crate::model::time::Timestamp;
use crate::model::weird::WeirdKind;

/// 10.0.0.`n`.
pub(super) fn ip4(n: u8) -> Ip {
    Ip::v4([10, 0, 0, n])
}

/// A UDP packet at a time in nanoseconds, its payload at the start of its bytes.
pub(super) fn udp(packet: u64, ts: i64, from: (Ip, u16), to: (Ip, u16), len: u32) -> Decoded {
    Decoded {
        ts: Timestamp(ts),
        packet,
        file_offset: packet.wrapping_mul(100),
        index: 0,
        file_no: 0,
        src: from.0,
        dst: to.0,
        src_port: from.1,
        dst_port: to.1,
        protocol: ip_protocol::UDP,
        ip_version: 4,
        ttl: 64,
        level: 0,
        role: Role::Packet,
        has_transport: true,
        tcp: TcpHeader::default(),
        icmp: (0, 0),
        icmp_id: 0,
        payload_at: PayloadAt::Packet,
        payload_start: 0,
        payload_captured: len,
        payload_len: len,
        ip_bytes: len.saturating_add(28),
        fragments: 1,
        src_mac: Mac([2, 0, 0, 0, 0, 1]),
        dst_mac: Mac([2, 0, 0, 0, 0, 2]),
        vlan: NO_VLAN,
        inner_vlan: NO_VLAN,
        tunnel: None,
    }
}

/// Remembers what it was given, and has enough after `enough` bytes.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) enough: usize,
    pub(super) opened: usize,
    pub(super) ended: usize,
    pub(super) got: Vec<String>,
}

impl Application for Notes {
    type State = usize;

    fn open(&mut self, _: &FlowView) -> Option<usize> {
        self.opened += 1;
        (self.enough > 0).then_some(0)
    }

    fn data(&mut self, _: &FlowView, n: &mut usize, side: Side, _: At, data: &[u8], len: u32) -> Interest {
        let cut = if data.len() < len as usize { "+" } else { "" };
        let arrow = if side == Side::Orig { '>' } else { '<' };
        self.got.push(format!("{arrow}{}{cut}", String::from_utf8_lossy(data)));
        *n += data.len();
        if *n < self.enough { Interest::More } else { Interest::Done }
    }

    fn gap(&mut self, _: &FlowView, _: &mut usize, side: Side, _: At, missing: u64) -> Interest {
        self.got.push(format!("{}gap {missing}", if side == Side::Orig { '>' } else { '<' }));
        Interest::More
    }

    fn end(&mut self, _: &FlowView, state: Option<usize>, _: At) -> AppSummary {
        self.ended += 1;
        AppSummary { service: state.map(|_| "notes"), ..Default::default() }
    }
}

/// A table with what it wrote, fed by short calls.
pub(super) struct Bench {
    pub(super) table: FlowTable<Notes>,
    pub(super) out: Vec<Event>,
    pub(super) packet: u64,
    /// Seconds.
    pub(super) time: f64,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(&Config::default(), 1000, 1 << 20)
    }

    pub(super) fn with(config: &Config, max_flows: usize, stream_bytes: usize) -> Self {
        let app = Notes { enough: usize::MAX, opened: 0, ended: 0, got: vec![] };
        let budget = Budget { max_flows, stream_bytes };
        let table = FlowTable::new(config, CaptureNo(1), budget, app);
        Self { table, out: vec![], packet: 0, time: 1.0 }
    }

    /// A packet 10 ms later.
    pub(super) fn send(&mut self, mut d: Decoded, bytes: &[u8]) {
        self.packet += 1;
        self.time += 0.01;
        d.packet = self.packet;
        d.ts = Timestamp((self.time * 1e9) as i64);
        self.table.packet(&d, bytes, &mut self.out);
    }

    /// A UDP packet between 10.0.0.1:5000 and 10.0.0.2:6000.
    pub(super) fn udp(&mut self, side: Side, text: &str) {
        let (a, b) = ((ip4(1), 5000), (ip4(2), 6000));
        let (from, to) = if side == Side::Orig { (a, b) } else { (b, a) };
        self.send(udp(0, 0, from, to, text.len() as u32), text.as_bytes());
    }

    /// A segment between 10.0.0.1:5000 and 10.0.0.2:6000. Flags as letters of `SAFRPU`.
    pub(super) fn tcp(&mut self, side: Side, flags: &str, seq: u32, ack: u32, text: &str) {
        self.send(segment(side, flags, seq, ack, text.len() as u32), text.as_bytes());
    }

    /// `SYN`, `SYN-ACK`, `ACK` with initial numbers 100 and 500.
    pub(super) fn handshake(&mut self) {
        self.tcp(Side::Orig, "S", 100, 0, "");
        self.tcp(Side::Resp, "SA", 500, 101, "");
        self.tcp(Side::Orig, "A", 101, 501, "");
    }

    /// End everything; the rows so far.
    pub(super) fn rows(&mut self) -> Vec<FlowRecord> {
        self.table.advance(Timestamp((self.time * 1e9) as i64), &mut self.out);
        while self.table.finish(3, &mut self.out) {}
        self.flows()
    }

    /// The only row.
    pub(super) fn row(&mut self) -> FlowRecord {
        let mut rows = self.rows();
        assert_eq!(rows.len(), 1, "{rows:#?}");
        rows.remove(0)
    }

    /// Rows written so far.
    pub(super) fn flows(&self) -> Vec<FlowRecord> {
        self.out
            .iter()
            .filter_map(|e| if let Body::Flow(f) = &e.body { Some((**f).clone()) } else { None })
            .collect()
    }

    /// Weirds written so far.
    pub(super) fn weirds(&self) -> Vec<WeirdKind> {
        self.out
            .iter()
            .filter_map(|e| if let Body::Weird(w) = &e.body { Some(w.kind) } else { None })
            .collect()
    }
}

/// A segment between 10.0.0.1:5000 and 10.0.0.2:6000.
pub(super) fn segment(side: Side, flags: &str, seq: u32, ack: u32, len: u32) -> Decoded {
    let bits = flags.bytes().map(|c| match c {
        b'F' => 1,
        b'S' => 2,
        b'R' => 4,
        b'P' => 8,
        b'A' => 16,
        _ => 32,
    });
    let (a, b) = ((ip4(1), 5000), (ip4(2), 6000));
    let (from, to) = if side == Side::Orig { (a, b) } else { (b, a) };
    Decoded {
        protocol: ip_protocol::TCP,
        tcp: TcpHeader { seq, ack, flags: bits.fold(0, |a, b| a | b), window: 1000, options_len: 0 },
        ..udp(0, 0, from, to, len)
    }
}
