//! What do tests of detectors need? Facts made by hand, and a detector run over them.

use super::fact::{History, Side};
use super::{Config, Detector, Findings, FlowFact, Meta, Params, RecordFact};
use crate::decode::{Arp, IcmpMessage};
use crate::model::addr::{Ip, Mac};
use crate::model::anomaly::Anomaly;
use crate::model::flow::{EndReason, ServiceSource, Tuple, ip_protocol};
use crate::model::ids::{CaptureId, CaptureNo, FlowId};
use crate::model::record::Record;
use crate::model::time::{NANOS_PER_SEC, Timestamp};

/// An inside host.
pub(crate) fn inside(n: u8) -> Ip {
    Ip::v4([10, 0, 0, n])
}

/// An outside host.
pub(crate) fn outside(n: u8) -> Ip {
    Ip::v4([203, 0, 113, n])
}

/// Seconds of packet time.
pub(crate) fn at(seconds: f64) -> Timestamp {
    Timestamp((seconds * NANOS_PER_SEC as f64) as i64)
}

/// A TCP flow from `src` to `dst` that began at `seconds` and went as `conn_state` with this history. Hosts in 10/8 are inside. Change
/// what else matters in the result.
pub(crate) fn tcp(
    n: u64,
    seconds: f64,
    src: Ip,
    dst: Ip,
    port: u16,
    conn_state: &'static str,
    history: &str,
) -> FlowFact {
    let answered = history.chars().any(|c| c.is_ascii_lowercase());
    let packets = |upper: bool| history.chars().filter(|c| c.is_ascii_uppercase() == upper).count() as u64;
    let src_internal = src.wire().first() == Some(&10);
    let dst_internal = dst.wire().first() == Some(&10);
    FlowFact {
        known: at(seconds + 1.0),
        id: FlowId::new(CaptureNo(1), n, 0),
        tuple: Tuple {
            src,
            dst,
            src_port: 40_000 + (n % 20_000) as u16,
            dst_port: port,
            protocol: ip_protocol::TCP,
        },
        first_ts: at(seconds),
        last_ts: at(seconds + 0.1),
        orig: Side { packets: packets(true).max(1), ip_bytes: 60, first_ttl: 64, ..Side::default() },
        resp: Side { packets: if answered { packets(false) } else { 0 }, ..Side::default() },
        conn_state,
        history: History::new(history),
        syn: None,
        rtt: None,
        service: None,
        service_source: None,
        hostname: None,
        hostname_source: None,
        src_internal,
        dst_internal,
        direction: match (src_internal, dst_internal) {
            (true, true) => "internal",
            (true, false) => "outbound",
            (false, true) => "inbound",
            (false, false) => "external",
        },
        src_mac: Mac([2, 0, 0, 0, 0, 1]),
        dst_mac: Mac([2, 0, 0, 0, 0, 2]),
        icmp_error: None,
        ip_version: 4,
        tunnelled: false,
        end_reason: EndReason::Idle,
    }
}

/// A refused connection attempt.
pub(crate) fn refused(n: u64, seconds: f64, src: Ip, dst: Ip, port: u16) -> FlowFact {
    tcp(n, seconds, src, dst, port, "REJ", "Sr")
}

/// A connection attempt that nobody answered.
pub(crate) fn unanswered(n: u64, seconds: f64, src: Ip, dst: Ip, port: u16) -> FlowFact {
    tcp(n, seconds, src, dst, port, "S0", "S")
}

/// A connection that was used: some bytes both ways.
pub(crate) fn used(n: u64, seconds: f64, src: Ip, dst: Ip, port: u16, service: &'static str) -> FlowFact {
    let mut f = tcp(n, seconds, src, dst, port, "SF", "ShADadFf");
    (f.orig.bytes, f.resp.bytes) = (500, 5_000);
    (f.service, f.service_source) = (Some(service), Some(ServiceSource::Content));
    f
}

/// A UDP flow with so many packets each way.
pub(crate) fn udp(n: u64, seconds: f64, src: Ip, dst: Ip, port: u16, packets: (u64, u64)) -> FlowFact {
    let mut f = tcp(n, seconds, src, dst, port, if packets.1 > 0 { "SF" } else { "S0" }, "Dd");
    f.tuple.protocol = ip_protocol::UDP;
    (f.orig.packets, f.resp.packets) = packets;
    f
}

/// Who has `wanted`, and by whom it is asked.
pub(crate) fn who_has(seconds: f64, mac: u8, sender: Ip, wanted: Ip) -> Arp {
    let (sender_mac, target_mac) = (Mac([2, 0, 0, 0, 0, mac]), Mac::NONE);
    Arp {
        ts: at(seconds),
        packet: 1,
        operation: 1,
        sender_mac,
        sender_ip: sender,
        target_mac,
        target_ip: wanted,
        lan: 0,
    }
}

/// `sender` is at the link address that ends in `mac`, told to `to`.
pub(crate) fn is_at(seconds: f64, mac: u8, sender: Ip, to: Ip) -> Arp {
    Arp { operation: 2, ..who_has(seconds, mac, sender, to) }
}

/// An ICMP message without content, from the link address that ends in the sender's last byte.
pub(crate) fn icmp(seconds: f64, src: Ip, dst: Ip, kind: u8) -> IcmpMessage {
    let none = Ip::default();
    IcmpMessage {
        ts: at(seconds),
        packet: 1,
        src,
        dst,
        src_mac: Mac([2, 0, 0, 0, 0, src.0.last().copied().unwrap_or(0)]),
        lan: 0,
        ip_version: if src.is_v4() { 4 } else { 6 },
        kind,
        code: 0,
        id: 1,
        seq: 1,
        payload_len: 56,
        payload_hash: 1,
        body_hash: 1,
        entropy: 4.0,
        told: none,
        about: none,
    }
}

/// An application record on a flow between these hosts.
pub(crate) fn record(n: u64, seconds: f64, src: Ip, dst: Ip, port: u16, record: impl Record) -> RecordFact {
    let like = tcp(n, seconds, src, dst, port, "SF", "ShADadFf");
    RecordFact {
        known: at(seconds),
        ts: at(seconds),
        packet: n,
        flow_id: like.id,
        tuple: like.tuple,
        src_internal: like.src_internal,
        dst_internal: like.dst_internal,
        record: Box::new(record),
    }
}

/// A detector with its default thresholds, and what it has found.
pub(crate) struct Bench {
    pub(crate) detector: Box<dyn Detector>,
    pub(crate) found: Findings,
}

impl Bench {
    pub(crate) fn new(meta: &'static Meta) -> Self {
        Self::with(meta, &Config::default())
    }

    pub(crate) fn with(meta: &'static Meta, config: &Config) -> Self {
        Self {
            detector: (meta.build)(&Params::of(meta, &std::sync::Arc::new(config.clone()))),
            found: Findings::new(meta.id),
        }
    }

    pub(crate) fn flows(&mut self, flows: impl IntoIterator<Item = FlowFact>) -> &mut Self {
        flows.into_iter().for_each(|f| self.detector.flow(&f, &mut self.found));
        self
    }

    pub(crate) fn records(&mut self, records: impl IntoIterator<Item = RecordFact>) -> &mut Self {
        records.into_iter().for_each(|r| self.detector.record(&r, &mut self.found));
        self
    }

    pub(crate) fn arps(&mut self, arps: impl IntoIterator<Item = Arp>) -> &mut Self {
        arps.into_iter().for_each(|a| self.detector.arp(&a, &mut self.found));
        self
    }

    pub(crate) fn icmps(&mut self, messages: impl IntoIterator<Item = IcmpMessage>) -> &mut Self {
        messages.into_iter().for_each(|m| self.detector.icmp(&m, &mut self.found));
        self
    }

    /// What is reported at the end, with the default confidence.
    pub(crate) fn end(&mut self) -> Vec<Anomaly> {
        self.detector.finish(&mut self.found);
        self.found.take(CaptureId(1), 0.5, 0.0)
    }

    /// Names of the kinds reported at the end, in order.
    pub(crate) fn kinds(&mut self) -> Vec<&'static str> {
        self.end().into_iter().map(|a| a.kind.name).collect()
    }
}
