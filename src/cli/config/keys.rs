//! Which settings are there, and what does each mean?
//!
//! The list behind the configuration file, its variables and `--set`. A test compares it with the settings' own
//! defaults, so none can be forgotten. To add one: the field where it is used, and one line here. The thresholds of detectors are listed
//! by the detectors themselves.

use crate::detect;
use std::sync::LazyLock;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Key {
    /// `section.name`.
    pub(in crate::cli) key: &'static str,
    /// What it does, with its unit, in a sentence.
    pub(in crate::cli) meaning: &'static str,
}

const fn key(key: &'static str, meaning: &'static str) -> Key {
    Key { key, meaning }
}

/// The sections in the order of the file.
pub(in crate::cli) const SECTIONS: &[(&str, &str)] = &[
    ("ingest", "Reading captures."),
    ("monitor", "Watching devices."),
    ("query", "Asking the database."),
    ("store", "The database."),
    ("topology", "Which addresses are ours."),
    ("decode", "Headers, tunnels and fragments."),
    ("flow", "Flows: when they end and what they may keep in memory."),
    ("limits", "What the whole engine may hold. Hitting one of these is counted and shown, never hidden."),
    ("protocol", "Recognising and parsing application protocols."),
    ("detect", "Finding what is suspicious; `secnetmon detectors NAME` explains each detector."),
];

/// All settings in the order of the file.
pub(in crate::cli) static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let thresholds = detect::ALL.iter().flat_map(|d| d.thresholds.iter().map(move |t| (d.id, t)));
    let thresholds = thresholds.map(|(id, t)| Key {
        // Made once, and needed as long as the program runs.
        key: format!("detect.{id}.{}", t.name).leak(),
        meaning: format!("{} In {}; source: {}.", t.why, t.unit, t.source).leak(),
    });
    let in_sql = super::sql_thresholds().into_iter().map(|(id, name, _, meaning)| Key {
        key: format!("detect.{id}.{name}").leak(),
        meaning: meaning.leak(),
    });
    FIXED.iter().copied().chain(thresholds).chain(in_sql).collect()
});

/// Those that every program has.
const FIXED: &[Key] = &[
    key(
        "ingest.sensor",
        "Name of the place where captures are recorded; only captures of one named sensor are joined.",
    ),
    key("ingest.threads", "Worker threads; 0 = one a core. The rows do not depend on it."),
    key("monitor.interfaces", "Devices to watch when the command line names none."),
    key("monitor.filter", "Capture only packets that match this filter (pcap-filter(7)); empty = all."),
    key("monitor.snaplen", "Bytes captured of a packet at most."),
    key(
        "monitor.buffer_mib",
        "MiB of the kernel's buffer for each device; what does not fit is dropped and counted.",
    ),
    key("monitor.promiscuous", "Capture packets for other machines, too?"),
    key("monitor.user", "User to become when started as root; empty = who called sudo."),
    key(
        "monitor.capture_rotate",
        "Time at whose multiples (UTC) a new capture begins, such as 1d or 6h, at least 10s, so that retention can take what is old; never = one capture to the end.",
    ),
    key("monitor.log_mib", "MiB after which a daemon's log begins anew; five old ones are kept."),
    key("query.time_limit_s", "Seconds after which a query is stopped; 0 = never."),
    key("query.max_rows", "Rows after which a result is cut, with a warning; 0 = all."),
    key(
        "store.memory_limit_mib",
        "MiB that the database may use as cache, at least 128: a third while captures are read, all of it at the end of each.",
    ),
    key("store.query_memory_limit_mib", "MiB that the database may use while it answers a query."),
    key("store.threads", "Threads of the database; 0 = one a core."),
    key("store.retention_days", "Days after which a capture that was read is deleted; 0 = never."),
    key(
        "store.max_database_size_mib",
        "MiB of the database in use beyond which the captures read first are deleted; 0 = no limit.",
    ),
    key(
        "topology.local_nets",
        "Networks that are ours, such as 10.0.0.0/8; empty = inferred from the traffic.",
    ),
    key(
        "decode.verify_checksums",
        "Verify the checksums of packets that were captured whole; a wrong one is a weird, never a drop.",
    ),
    key(
        "decode.fragment_timeout_s",
        "Seconds of packet time after which an incomplete fragmented packet is given up.",
    ),
    key("decode.fragment_memory_mib", "MiB for fragments that wait for the rest of their packet."),
    key("decode.vxlan_ports", "UDP ports of VXLAN."),
    key("decode.vxlan_gpe_ports", "UDP ports of VXLAN with a next-protocol field."),
    key("decode.geneve_ports", "UDP ports of GENEVE."),
    key(
        "decode.gtpu_ports",
        "UDP ports of GTP-U; on others it is told by its content alone, which is strict.",
    ),
    key("decode.teredo_ports", "UDP ports of Teredo; on others it is told by the prefix inside."),
    key("decode.l2tp_ports", "UDP ports of L2TP, versions 2 and 3."),
    key("decode.ayiya_ports", "UDP ports of AYIYA."),
    key("decode.capwap_ports", "UDP ports of CAPWAP's data channel."),
    key("decode.gre_udp_ports", "UDP ports of GRE in UDP."),
    key("decode.mpls_udp_ports", "UDP ports of MPLS in UDP."),
    key(
        "flow.connection_timeout",
        "Seconds after which a silent TCP connection that was established, or joined midway, ends.",
    ),
    key(
        "flow.tcp_closed_linger",
        "Seconds a closed TCP connection waits for stragglers before its row is written.",
    ),
    key("flow.tcp_attempt_timeout", "Seconds a TCP connection attempt without an answer waits for one."),
    key("flow.udp_timeout", "Seconds after which a silent UDP flow ends."),
    key("flow.icmp_timeout", "Seconds after which a silent ICMP or ICMPv6 flow ends."),
    key(
        "flow.other_timeout",
        "Seconds after which a silent flow of any other protocol ends; SCTP has flow.connection_timeout.",
    ),
    key(
        "flow.open_after",
        "Seconds after which a stream shows a flow that still goes on, and shows it anew; 0 = when it ends.",
    ),
    key("flow.vlan_in_key", "Do equal addresses and ports in different VLANs make different flows?"),
    key(
        "flow.pending_bytes_per_side",
        "Out-of-order bytes kept a direction of one flow; beyond it the gap before them is given up.",
    ),
    key("flow.pending_pieces_per_side", "Out-of-order pieces kept a direction of one flow."),
    key(
        "limits.max_flows",
        "Flows tracked at once; the longest idle one is given up for a new one. A million takes some 300 MB.",
    ),
    key("limits.stream_memory_mib", "MiB of out-of-order data of all flows together."),
    key("protocol.probe_bytes", "Bytes a side that are kept while no protocol claims a stream."),
    key("protocol.probe_attempts", "Datagrams that are looked at before a flow without a claim is given up."),
    key(
        "protocol.buffer_total",
        "Bytes that the flows of one of the 16 shards may keep for unfinished messages; a flow that exceeds it is given up.",
    ),
    key(
        "protocol.weirds_per_flow",
        "Oddities that one flow may report; what comes after them is only counted.",
    ),
    key(
        "protocol.unknown_per_hour",
        "Flows without a name of which a shard keeps the first bytes in an hour of packet time; 0 keeps none.",
    ),
    key(
        "protocol.expected_total",
        "Data connections that the flows of one shard may have announced (FTP) and that are still awaited; the oldest is forgotten.",
    ),
    key(
        "protocol.switches_per_flow",
        "Times that one flow may change its protocol, such as a proxy and then TLS.",
    ),
    key(
        "protocol.old_hashes",
        "Are files hashed by MD5 and SHA-1, too? Without a word they are while a list of indicators holds such hashes.",
    ),
    key("detect.confidence_threshold", "Findings below this confidence, 0 to 1, are not reported."),
    key("detect.disabled", "Detectors that do not run, by name."),
    key(
        "detect.expected",
        "Findings that are meant to be, such as \"port_scan_* from 10.0.0.5\" or \"beacon to 203.0.113.0/24 port 443\": a kind (a * at its end for all that begin so), then where it matters from, to and port. They are kept and marked, and not listed.",
    ),
    key("detect.mining_pools", "Further names of mining pools; a name stands for all below it."),
    key("detect.mining_ports", "Further ports that mining pools listen on."),
    key(
        "detect.folder",
        "Folder of your own detections in SQL (*.sql); empty = the folder detections beside this file.",
    ),
];

/// The environment variable of a setting.
pub(in crate::cli) fn variable(key: &str) -> String {
    format!("{}{}", super::super::env::PREFIX, key.replace('.', "_").to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_settings_share_a_variable() {
        let mut names: Vec<String> = KEYS.iter().map(|k| variable(k.key)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
        assert_eq!(variable("query.max_rows"), "SECNETMON_QUERY_MAX_ROWS");
    }
}
