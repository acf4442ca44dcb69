//! Which tables does the engine fill?
//!
//! `flows`, `weirds` and the tables about hosts, declared here, and the table of every protocol record. Tables about captures and
//! findings belong to the store.

use crate::model::flow::FlowRecord;
use crate::model::flow::protocol_name;
use crate::model::ids::CaptureId;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::weird::{Detail, Weird};
use crate::protocol::clues::HOST_CLUES;
use crate::protocol::credentials::CREDENTIALS;
use crate::protocol::files::FILES;
use crate::protocol::unknown::UNKNOWN;

/// One row per flow.
pub static FLOWS: Table = Table::plain(
    "flows",
    "One row is one flow: all packets between two endpoints until it was closed or fell silent. src is who spoke first.",
    &[
        col(
            "flow_id",
            T::I64,
            "",
            "Names the flow in this database: capture number, first packet and tunnel level in one number.",
        ),
        col("capture_id", T::I64, "", "The capture it was seen in; joins captures."),
        col("first_ts", T::Time, "UTC", "Time of its first packet."),
        col("last_ts", T::Time, "UTC", "Time of its last packet."),
        col("duration_s", T::F64, "seconds", "From the first packet to the last."),
        col("ip_version", T::U8, "", "4 or 6."),
        col("protocol", T::Text, "", "tcp, udp, icmp, icmp6, sctp, or the IP protocol number."),
        col("src_ip", T::Text, "", "Address of the originator: who spoke first."),
        col(
            "src_port",
            T::U16,
            "",
            "Port of the originator; ICMP: the type. 0 where the protocol has no ports.",
        ),
        col("dst_ip", T::Text, "", "Address of the responder."),
        col("dst_port", T::U16, "", "Port of the responder; ICMP: the code, or the type of the counterpart."),
        col("src_mac", T::Text, "", "Link address that sent the first packet; NULL when the link has none."),
        col(
            "dst_mac",
            T::Text,
            "",
            "Link address that the first packet was sent to; NULL when the link has none.",
        ),
        col("vlan", T::U16, "", "Outermost VLAN id of the first packet; NULL without a tag."),
        col("inner_vlan", T::U16, "", "Second VLAN id (QinQ) of the first packet; NULL without one."),
        col(
            "tunnel",
            T::Text,
            "",
            "Tunnels around the flow, outermost first, such as gre or vxlan:42; NULL outside tunnels.",
        ),
        col("src_packets", T::U64, "packets", "Packets from the originator, every fragment counted."),
        col("dst_packets", T::U64, "packets", "Packets from the responder, every fragment counted."),
        col(
            "src_bytes",
            T::U64,
            "bytes",
            "Payload from the originator as observed, retransmissions included.",
        ),
        col(
            "dst_bytes",
            T::U64,
            "bytes",
            "Payload from the responder as observed, retransmissions included.",
        ),
        col("src_ip_bytes", T::U64, "bytes", "Bytes from the originator with IP headers, original lengths."),
        col("dst_ip_bytes", T::U64, "bytes", "Bytes from the responder with IP headers, original lengths."),
        col(
            "src_stream_bytes",
            T::U64,
            "bytes",
            "Payload from the originator by TCP sequence space, as Zeek counts; equals src_bytes without TCP.",
        ),
        col(
            "dst_stream_bytes",
            T::U64,
            "bytes",
            "Payload from the responder by TCP sequence space, as Zeek counts; equals dst_bytes without TCP.",
        ),
        col(
            "conn_state",
            T::Text,
            "",
            "How the connection went, in Zeek's words: S0 attempt without answer, SF normal, REJ rejected, and so on.",
        ),
        col(
            "history",
            T::Text,
            "",
            "What happened in order, in Zeek's letters: upper case by the originator, lower case by the responder. Like conn_state, flags and TTL it tells of the whole connection, also where packets and bytes are those after a cut of the capture.",
        ),
        col(
            "tcp_flags_src",
            T::U8,
            "",
            "Union of the originator's TCP flags (FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128); NULL without TCP.",
        ),
        col("tcp_flags_dst", T::U8, "", "Union of the responder's TCP flags; NULL without TCP."),
        col(
            "src_retransmits",
            T::U32,
            "packets",
            "Segments from the originator that repeated bytes already seen.",
        ),
        col(
            "dst_retransmits",
            T::U32,
            "packets",
            "Segments from the responder that repeated bytes already seen.",
        ),
        col("retransmits", T::U32, "packets", "Both directions together."),
        col(
            "missed_bytes",
            T::U64,
            "bytes",
            "TCP payload that was acknowledged but never seen: loss in the capture.",
        ),
        col(
            "rtt_s",
            T::F64,
            "seconds",
            "From SYN to the handshake's final ACK as seen at the capture point; NULL when not seen.",
        ),
        col("src_ttl", T::U8, "", "TTL or hop limit of the originator's first packet."),
        col(
            "dst_ttl",
            T::U8,
            "",
            "TTL or hop limit of the responder's first packet; NULL when it sent none.",
        ),
        col("service", T::Text, "", "Application protocol, lower case; NULL when unknown."),
        col(
            "service_source",
            T::Text,
            "",
            "How the service was told: content, or port as a hint; NULL when unknown.",
        ),
        col(
            "hostname",
            T::Text,
            "",
            "Name of the responder: SNI, Host header, or the DNS answer that led here; NULL when none was seen.",
        ),
        col(
            "hostname_source",
            T::Text,
            "",
            "Where hostname comes from: content or dns; NULL when there is none.",
        ),
        col(
            "domain",
            T::Text,
            "",
            "Registered domain of hostname (public suffix list); NULL when there is none.",
        ),
        col("community_id", T::Text, "", "Community ID version 1, seed 0: joins the logs of other tools."),
        col(
            "direction",
            T::Text,
            "",
            "internal, outbound, inbound, external or multicast, by the capture's local networks.",
        ),
        col("src_internal", T::Bool, "", "Is the originator in the capture's local networks?"),
        col("dst_internal", T::Bool, "", "Is the responder in the capture's local networks?"),
        col(
            "icmp_error",
            T::Text,
            "",
            "Type/code of the last ICMP error that quoted this flow; NULL when none did.",
        ),
        col(
            "end_reason",
            T::Text,
            "",
            "Why the row ended: closed, idle, evicted, capture_end (of a monitor also where its capture was cut, and the flow went on in the next) or open.",
        ),
        col("first_packet", T::U64, "", "Number of its first packet in the capture, from 1."),
        col("last_packet", T::U64, "", "Number of its last packet in the capture."),
        col(
            "first_file",
            T::U16,
            "",
            "File of the capture that holds the first packet, from 0; joins capture_files.",
        ),
        col("last_file", T::U16, "", "File of the capture that holds the last packet."),
        col(
            "first_offset",
            T::U64,
            "bytes",
            "Byte offset of the first packet's record in its file, after decompression.",
        ),
        col(
            "last_offset",
            T::U64,
            "bytes",
            "Byte offset of the last packet's record in its file, after decompression.",
        ),
    ],
);

/// One row per oddity, capped per kind.
pub static WEIRDS: Table = Table::plain(
    "weirds",
    "One row is one oddity of the bytes: malformed, cut or contradictory. Not a finding. Stored up to a cap per kind; captures.weird_count has them all.",
    &[
        col("ts", T::Time, "UTC", "Time of the packet."),
        col("capture_id", T::I64, "", "The capture; joins captures."),
        col("packet", T::U64, "", "Number of the packet in the capture; NULL when it belongs to none."),
        col("flow_id", T::I64, "", "The flow, where one is known."),
        col("kind", T::Text, "", "Stable name of the oddity."),
        col("layer", T::Text, "", "capture, link, network, transport or application."),
        col("detail", T::Text, "", "Lengths, numbers or a short text; NULL when the name says it all."),
    ],
);

/// What is known of hosts, capture by capture.
pub static HOST_FACTS: Table = Table::plain(
    "host_facts",
    "One row is one address in one capture: what its flows tell. Multicast and broadcast addresses are left out.",
    &[
        col("capture_id", T::I64, "", "The capture; joins captures."),
        col("sensor", T::Text, "", "Where it was recorded; empty when not said."),
        col("ip", T::Text, "", "The address."),
        col("is_internal", T::Bool, "", "Is it in the capture's local networks?"),
        col(
            "macs",
            T::TextList,
            "",
            "Link addresses that its packets came from, up to 16; for outside addresses a router's.",
        ),
        col(
            "names",
            T::TextList,
            "",
            "Names under which it was reached (SNI, Host, DNS, the capture file), up to 64; host_profiles has what was told of it.",
        ),
        col("first_ts", T::Time, "UTC", "First packet of its first flow."),
        col("last_ts", T::Time, "UTC", "Last packet of its last flow."),
        col("peers", T::U64, "", "Different addresses it exchanged packets with, or tried to."),
        col("flows", T::U64, "flows", "Flows it takes part in."),
        col("bytes_out", T::U64, "bytes", "Bytes it sent, with IP headers, original lengths."),
        col("bytes_in", T::U64, "bytes", "Bytes sent to it, with IP headers, original lengths."),
        col(
            "services_offered",
            T::TextList,
            "",
            "Services that answered on it: name and port, such as ssh/22, or tcp/8443 where the content did not tell; up to 64.",
        ),
        col(
            "services_used",
            T::TextList,
            "",
            "Services it used elsewhere and got answers from, by name, or tcp/8443 where the content did not tell; up to 64.",
        ),
    ],
);

/// The hourly rollup.
pub static TRAFFIC_HOURLY: Table = Table::plain(
    "traffic_hourly",
    "One row is one address in one hour of one capture: a small table for questions about volume. A flow counts in the hour it began.",
    &[
        col("capture_id", T::I64, "", "The capture; joins captures."),
        col("hour", T::Time, "UTC", "Start of the hour."),
        col("ip", T::Text, "", "The address, multicast included."),
        col("is_internal", T::Bool, "", "Is it in the capture's local networks?"),
        col("flows", T::U64, "flows", "Flows it takes part in."),
        col("packets_out", T::U64, "packets", "Packets it sent."),
        col("packets_in", T::U64, "packets", "Packets sent to it."),
        col("bytes_out", T::U64, "bytes", "Bytes it sent, with IP headers, original lengths."),
        col("bytes_in", T::U64, "bytes", "Bytes sent to it, with IP headers, original lengths."),
    ],
);

/// What a live capture took and lost, minute by minute.
pub static CAPTURE_INTERVALS: Table = Table::plain(
    "capture_intervals",
    "One row is one device in one minute of a live capture: what came, and what was lost. Minutes without packets have a row, too; files have none.",
    &[
        col("capture_id", T::I64, "", "The capture; joins captures."),
        col(
            "ts",
            T::Time,
            "UTC",
            "Start of the minute by the clock of this machine; counters are read every second, so that its ends are that blurred.",
        ),
        col("device", T::Text, "", "The device."),
        col("packets", T::U64, "packets", "Packets taken from it."),
        col("bytes", T::U64, "bytes", "Bytes that these had on the wire."),
        col(
            "dropped_kernel",
            T::U64,
            "packets",
            "Packets the kernel dropped because its buffer was full: this program was too slow.",
        ),
        col("dropped_interface", T::U64, "packets", "Packets the interface or its driver dropped."),
        col(
            "dropped_here",
            T::U64,
            "packets",
            "Packets that were captured and left behind by this program when it ended.",
        ),
    ],
);

/// What the host stage adds to a finished flow.
#[derive(Clone, Debug, Default)]
pub struct FlowContext<'a> {
    /// Name of the responder.
    pub hostname: Option<&'a str>,
    /// `content` or `dns`.
    pub hostname_source: Option<&'static str>,
    /// Registered domain of the name.
    pub domain: Option<&'a str>,
    /// Community ID.
    pub community_id: Option<&'a str>,
    /// Direction.
    pub direction: &'static str,
    /// Is the originator ours?
    pub src_internal: bool,
    /// Is the responder ours?
    pub dst_internal: bool,
}

/// Write a flow as a row of [`FLOWS`].
pub fn write_flow(row: &mut Row<'_>, capture: CaptureId, f: &FlowRecord, cx: &FlowContext<'_>) {
    let tcp = f.tuple.protocol == crate::model::flow::ip_protocol::TCP;
    row.i64(f.id.0)
        .i64(capture.0)
        .time(f.first_ts)
        .time(f.last_ts)
        .f64(f.last_ts.secs_since(f.first_ts))
        .u8(f.ip_version)
        .text(&protocol_name(f.tuple.protocol))
        .ip(f.tuple.src)
        .u16(f.tuple.src_port)
        .ip(f.tuple.dst)
        .u16(f.tuple.dst_port)
        .mac(f.src_mac)
        .mac(f.dst_mac)
        .opt_u16(f.vlan)
        .opt_u16(f.inner_vlan)
        .opt_text(f.tunnel.as_deref())
        .u64(f.orig.packets)
        .u64(f.resp.packets)
        .u64(f.orig.bytes)
        .u64(f.resp.bytes)
        .u64(f.orig.ip_bytes)
        .u64(f.resp.ip_bytes)
        .u64(f.orig.stream_bytes)
        .u64(f.resp.stream_bytes)
        .text(f.conn_state)
        .text(&f.history)
        .opt_u8(tcp.then_some(f.orig.tcp_flags))
        .opt_u8(tcp.then_some(f.resp.tcp_flags))
        .u32(f.orig.retransmits)
        .u32(f.resp.retransmits)
        .u32(f.orig.retransmits.saturating_add(f.resp.retransmits))
        .u64(f.orig.missed_bytes + f.resp.missed_bytes)
        .opt_f64(f.rtt.map(|ns| ns as f64 / 1e9))
        .u8(f.orig.first_ttl)
        .opt_u8((f.resp.packets > 0).then_some(f.resp.first_ttl))
        .opt_text(f.service)
        .opt_text(f.service_source.map(|s| s.name()))
        .opt_text(cx.hostname)
        .opt_text(cx.hostname_source)
        .opt_text(cx.domain)
        .opt_text(cx.community_id)
        .text(cx.direction)
        .bool(cx.src_internal)
        .bool(cx.dst_internal);
    match f.icmp_error {
        Some((kind, code)) => row.display(&format_args!("{kind}/{code}")),
        None => row.null(),
    };
    row.text(f.end_reason.name())
        .u64(f.first.packet)
        .u64(f.last.packet)
        .u16(f.first.file_no)
        .u16(f.last.file_no)
        .u64(f.first.offset)
        .u64(f.last.offset);
}

/// Write an oddity as a row of [`WEIRDS`].
pub fn write_weird(row: &mut Row<'_>, capture: CaptureId, w: &Weird) {
    row.time(w.ts)
        .i64(capture.0)
        .opt_u64((w.packet > 0).then_some(w.packet))
        .opt_i64(w.flow_id.map(|f| f.0))
        .text(w.kind.name())
        .text(w.kind.layer().name());
    match &w.detail {
        Detail::None => row.null(),
        d => row.display(d),
    };
}

/// Every table that the engine's rows may belong to, in order.
pub fn all() -> Vec<&'static Table> {
    let mut tables = vec![
        &FLOWS,
        &WEIRDS,
        &HOST_FACTS,
        &TRAFFIC_HOURLY,
        &CAPTURE_INTERVALS,
        &HOST_CLUES,
        &CREDENTIALS,
        &FILES,
        &UNKNOWN,
    ];
    for protocol in crate::protocol::ALL {
        for table in protocol.tables {
            if !tables.iter().any(|t: &&Table| t.name == table.name) {
                tables.push(table);
            }
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_columns_explained() {
        let tables = all();
        for (i, t) in tables.iter().enumerate() {
            assert!(t.meaning.ends_with('.'), "{}: meaning is not a sentence", t.name);
            assert!(tables.iter().skip(i + 1).all(|u| u.name != t.name), "{} twice", t.name);
            let mut names: Vec<_> = t.all_columns().map(|c| c.name).collect();
            names.sort_unstable();
            let n = names.len();
            names.dedup();
            assert_eq!(n, names.len(), "{}: a column twice", t.name);
            for c in t.all_columns() {
                assert!(c.meaning.ends_with(['.', '?']), "{}.{}: meaning is not a sentence", t.name, c.name);
            }
        }
    }
}
