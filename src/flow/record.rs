//! What does the row of a finished flow say?
//!
//! Turns the compact state of a flow into a [`FlowRecord`]. Zeek gives ICMP no history and the state `OTH`; so do we. For UDP `S0`
//! means that only the originator spoke, `SHR` only the responder, `SF` both.

use super::slot::{FLIPPED, ICMP_ERROR, Link, Slot, State, VERSION_6};
use super::{AppSummary, FlowView};
use crate::decode::NO_VLAN;
use crate::model::flow::{EndReason, FlowRecord, Position, Side, SideTotals, ip_protocol};

/// The row of a flow. `link` is what surrounded its first packet.
pub(super) fn record<S>(
    slot: &Slot<S>,
    view: &FlowView,
    link: Link,
    app: AppSummary,
    end_reason: EndReason,
) -> FlowRecord {
    let (packet, file_no, offset) = slot.last();
    let (mut src_mac, mut dst_mac) = (link.src_mac, link.dst_mac);
    if slot.has(FLIPPED) {
        std::mem::swap(&mut src_mac, &mut dst_mac);
    }
    FlowRecord {
        id: view.id,
        tuple: view.tuple,
        ip_version: if slot.has(VERSION_6) { 6 } else { 4 },
        first_ts: slot.first_ts,
        began: slot.first_ts,
        last_ts: slot.last_ts,
        src_mac,
        dst_mac,
        vlan: (link.vlan != NO_VLAN).then_some(link.vlan),
        inner_vlan: (link.inner_vlan != NO_VLAN).then_some(link.inner_vlan),
        tunnel: link.tunnel,
        orig: totals(slot, Side::Orig),
        resp: totals(slot, Side::Resp),
        conn_state: conn_state(slot),
        history: history(slot),
        syn: None,
        rtt: if let State::Tcp(c) = &slot.state { c.tcp.rtt() } else { None },
        service: app.service,
        service_source: app.source,
        hostname: app.hostname,
        icmp_error: slot.has(ICMP_ERROR).then_some(slot.icmp_error.into()),
        first: Position { packet: slot.first_packet, file_no: slot.first_file, offset: slot.first_offset },
        last: Position { packet, file_no, offset },
        end_reason,
    }
}

fn totals<S>(slot: &Slot<S>, side: Side) -> SideTotals {
    let (count, tcp_flags, first_ttl) = slot.sent(side);
    let (stream_bytes, missed_bytes, retransmits) = match &slot.state {
        State::Tcp(c) => (c.tcp.stream_bytes(side), c.tcp.missed_bytes(side), c.tcp.retransmits(side)),
        _ => (count.bytes, 0, 0),
    };
    SideTotals {
        packets: count.packets,
        bytes: count.bytes,
        ip_bytes: count.ip_bytes,
        stream_bytes,
        missed_bytes,
        retransmits,
        tcp_flags: if slot.is_tcp() { tcp_flags } else { 0 },
        first_ttl,
    }
}

fn spoke<S>(slot: &Slot<S>, side: Side) -> bool {
    slot.sent(side).0.packets > 0
}

fn conn_state<S>(slot: &Slot<S>) -> &'static str {
    match &slot.state {
        State::Tcp(c) => c.tcp.conn_state(),
        State::Young(_) if slot.is_tcp() => "S0",
        State::Datagrams(f) if f.sctp.is_some() => f.sctp.as_ref().map_or("OTH", |a| a.conn_state()),
        _ if slot.protocol == ip_protocol::UDP => match (spoke(slot, Side::Orig), spoke(slot, Side::Resp)) {
            (true, true) => "SF",
            (true, false) => "S0",
            (false, true) => "SHR",
            (false, false) => "OTH",
        },
        _ => "OTH",
    }
}

fn history<S>(slot: &Slot<S>) -> String {
    let letters = match &slot.state {
        State::Tcp(c) => c.tcp.history().letters(),
        State::Young(_) if slot.is_tcp() => b"S".as_slice(),
        State::Datagrams(f) if f.sctp.is_some() => f.sctp.as_ref().map_or(&[][..], |a| a.history().letters()),
        _ if slot.protocol == ip_protocol::UDP => {
            match (slot.has(FLIPPED), spoke(slot, slot.first_side().other())) {
                (false, false) => &b"D"[..],
                (false, true) => b"Dd",
                (true, false) => b"^d",
                (true, true) => b"^dD",
            }
        }
        _ => b"",
    };
    letters.iter().map(|&b| char::from(b)).collect()
}
