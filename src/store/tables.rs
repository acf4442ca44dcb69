//! Which tables does the store fill itself?
//!
//! The ledger of captures and their files, what is known of hosts per capture, the hourly rollup, and the tables of
//! findings. Declared with SQL types, because some columns nest; rows are few. Tables of flows, weirds and records
//! belong to the floors that write them (`engine::tables`).

use super::risk::{self, RISK};
use crate::model::anomaly::LISTED;

/// One column: name, SQL type, unit ("" when it has none), meaning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
    pub(super) unit: &'static str,
    pub(super) meaning: &'static str,
}

/// A table of the store.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) columns: &'static [Column],
}

const fn col(name: &'static str, sql: &'static str, unit: &'static str, meaning: &'static str) -> Column {
    Column { name, sql, unit, meaning }
}

/// The ledger of captures.
pub(super) static CAPTURES: Table = Table {
    name: "captures",
    meaning: "One row is one capture: one stream of packets, from one file, several merged ones, or a device.",
    columns: &[
        col(
            "capture_id",
            "BIGINT",
            "",
            "Names the capture everywhere: from its content, or random for a stream.",
        ),
        col(
            "capture_no",
            "UINTEGER",
            "",
            "Its number in this database, never used again; the upper bits of flow_id.",
        ),
        col("path", "VARCHAR", "", "File, folder or device as the user gave it."),
        col(
            "content_hash",
            "VARCHAR",
            "",
            "Blake3 over all bytes after decompression, hexadecimal; NULL for streams.",
        ),
        col("format", "VARCHAR", "", "Container of its first file, such as pcapng; NULL for devices."),
        col("compression", "VARCHAR", "", "Compression of its first file; NULL when it has none."),
        col(
            "link_types",
            "VARCHAR[]",
            "",
            "Link types of its interfaces, each once, in order of appearance.",
        ),
        col("interfaces", "VARCHAR[]", "", "Names of its interfaces where the file tells them, each once."),
        col(
            "sensor",
            "VARCHAR",
            "",
            "Where it was recorded; empty when not said, then nothing joins it with others.",
        ),
        col(
            "snaplen",
            "UINTEGER",
            "bytes",
            "Largest captured length of its interfaces; NULL when none has a limit.",
        ),
        col("packets", "UBIGINT", "packets", "Packets read from its files."),
        col("bytes", "UBIGINT", "bytes", "Bytes that its packets had on the wire."),
        col("file_bytes", "UBIGINT", "bytes", "Bytes read from its files, after decompression."),
        col("first_ts", "TIMESTAMP_NS", "UTC", "Time of the earliest packet; NULL without packets."),
        col("last_ts", "TIMESTAMP_NS", "UTC", "Time of the latest packet; NULL without packets."),
        col("decoded_packets", "UBIGINT", "packets", "Packets whose network layer was decoded."),
        col("truncated_packets", "UBIGINT", "packets", "Packets of which the snaplen cut something."),
        col("unknown_link_packets", "UBIGINT", "packets", "Packets whose link type has no decoder."),
        col("out_of_order_packets", "UBIGINT", "packets", "Packets earlier than one before them."),
        col("filtered_packets", "UBIGINT", "packets", "Packets that a filter left out."),
        col(
            "dropped_packets",
            "UBIGINT",
            "packets",
            "Packets that kernel or interface lost, as the capturing system counted; NULL when it did not.",
        ),
        col("weird_count", "UBIGINT", "", "Oddities seen, stored or not."),
        col("flows", "UBIGINT", "flows", "Flows written."),
        col("local_nets", "VARCHAR[]", "", "Networks taken for our own, frozen before the first row."),
        col(
            "local_nets_source",
            "VARCHAR",
            "",
            "How they were found: configured, interface, inferred or private.",
        ),
        col(
            "caps_hit",
            "STRUCT(\"name\" VARCHAR, \"count\" UBIGINT)[]",
            "",
            "Limits that were reached and how often; empty when nothing was lost.",
        ),
        col(
            "status",
            "VARCHAR",
            "",
            "complete; damaged: read up to stop_offset; interrupted: stopped early; live: still being written.",
        ),
        col("stop_reason", "VARCHAR", "", "What is wrong where reading stopped; NULL when nothing is."),
        col(
            "stop_offset",
            "UBIGINT",
            "bytes",
            "Byte at which the damage starts, after decompression; else NULL.",
        ),
        col("started_at", "TIMESTAMP_NS", "UTC", "When reading began, by the clock of this machine."),
        col("finished_at", "TIMESTAMP_NS", "UTC", "When its last row was written; NULL while live."),
        col(
            "continues",
            "BIGINT",
            "",
            "The capture before it, where a monitor was cut (monitor.capture_rotate): its flows with end_reason capture_end went on in this one; else NULL.",
        ),
    ],
};

/// The ledger of files.
pub(super) static CAPTURE_FILES: Table = Table {
    name: "capture_files",
    meaning: "One row is one file of a capture, in order; flows name their first and last packet by file and offset.",
    columns: &[
        col("capture_id", "BIGINT", "", "The capture; joins captures."),
        col("file_no", "USMALLINT", "", "Position in the capture, from 0."),
        col("path", "VARCHAR", "", "As the user gave it; - for standard input."),
        col("content_hash", "VARCHAR", "", "Blake3 over its bytes after decompression; NULL for streams."),
        col("format", "VARCHAR", "", "Container, such as pcap."),
        col("compression", "VARCHAR", "", "Compression; NULL when it has none."),
        col("packets", "UBIGINT", "packets", "Packets read."),
        col("bytes", "UBIGINT", "bytes", "Bytes read, after decompression."),
        col(
            "status",
            "VARCHAR",
            "",
            "complete, damaged or interrupted; live: still being written; removed: deleted since by the limits of a ring; full: the ring took no more.",
        ),
        col("stop_reason", "VARCHAR", "", "What is wrong where reading stopped; NULL when nothing is."),
        col(
            "stop_offset",
            "UBIGINT",
            "bytes",
            "Byte at which the damage starts, after decompression; else NULL.",
        ),
        col("secrets_bytes", "UBIGINT", "bytes", "Decryption secrets found in it; never stored."),
        col("comments", "VARCHAR[]", "", "Comments and capturing software, as the file says."),
    ],
};

/// What is concluded about hosts, capture by capture.
pub(super) static HOST_PROFILES: Table = Table {
    name: "host_profiles",
    meaning: "One row is one address in one capture of which something was concluded: from host_clues, its link address or its services. host_facts has its traffic.",
    columns: &[
        col("capture_id", "BIGINT", "", "The capture; joins captures."),
        col("sensor", "VARCHAR", "", "Where it was recorded; empty when not said."),
        col("ip", "VARCHAR", "", "The address."),
        col(
            "macs",
            "VARCHAR[]",
            "",
            "Link addresses it used, up to 16, without those of routers that sent for it; empty for outside addresses.",
        ),
        col(
            "vendor",
            "VARCHAR",
            "",
            "Maker of its network card by the IEEE registry, several in a list with commas; says when an address was not given \
             out by a maker; NULL when unknown.",
        ),
        col(
            "names",
            "VARCHAR[]",
            "",
            "Names that were told of it (DHCP, mDNS, NetBIOS, certificates …; host_clues has the source), up to 64.",
        ),
        col("domains", "VARCHAR[]", "", "Windows or DNS domains it belongs to, up to 64."),
        col("users", "VARCHAR[]", "", "Users who were seen to work on it, up to 64."),
        col("software", "VARCHAR[]", "", "Software it uses as a client, such as user agents, up to 64."),
        col(
            "os_guess",
            "VARCHAR",
            "",
            "Operating system it behaves like; NULL when unknown or contradictory.",
        ),
        col("os_reason", "VARCHAR", "", "The clues behind os_guess; NULL without a guess."),
        col("roles", "VARCHAR[]", "", "What it does in the network, such as resolver; empty when unknown."),
        col("role_reasons", "VARCHAR[]", "", "Each role with the clue behind it."),
        col(
            "banners",
            "VARCHAR[]",
            "",
            "Services with the software that they name, such as ssh/22 OpenSSH_9.2p1; up to 64.",
        ),
        col("last_ts", "TIMESTAMP_NS", "UTC", "Last packet of its last flow in the capture."),
    ],
};

/// Security findings.
pub(super) static ANOMALIES: Table = Table {
    name: "anomalies",
    meaning: "One row is one finding with the reasons for it.",
    columns: &[
        col(
            "anomaly_id",
            "BIGINT",
            "",
            "Names the finding: 63-bit hash of capture, detector, kind and subject.",
        ),
        col("capture_id", "BIGINT", "", "The capture; joins captures."),
        col("first_ts", "TIMESTAMP_NS", "UTC", "First packet that counts towards it."),
        col("last_ts", "TIMESTAMP_NS", "UTC", "Last packet that counts towards it."),
        col("detector", "VARCHAR", "", "Detector that found it."),
        col("kind", "VARCHAR", "", "What kind of finding, a stable name."),
        col("title", "VARCHAR", "", "The finding in a sentence."),
        col("severity", "VARCHAR", "", "info, low, medium, high or critical."),
        col("severity_rank", "UTINYINT", "", "The severity as a number for sorting: 1 info to 5 critical."),
        col("confidence", "DOUBLE", "", "How sure, 0 to 1."),
        col("score", "DOUBLE", "", "Severity and confidence together, 0 to 100."),
        col("src_ip", "VARCHAR", "", "Who did it; NULL when not one address."),
        col("dst_ip", "VARCHAR", "", "To whom; NULL when not one address."),
        col("dst_port", "USMALLINT", "", "Port; NULL when not one port."),
        col("protocol", "VARCHAR", "", "Transport protocol; NULL when not one."),
        col("direction", "VARCHAR", "", "As in flows; NULL when mixed."),
        col("technique", "VARCHAR", "", "MITRE ATT&CK technique id; NULL when none fits."),
        col(
            "count",
            "UBIGINT",
            "",
            "How many events are behind it; where it continues a finding from before a cut, those since then.",
        ),
        col(
            "reasons",
            "STRUCT(\"name\" VARCHAR, \"value\" DOUBLE, \"threshold\" DOUBLE, \"weight\" DOUBLE)[]",
            "",
            "Why: each measure with its value, its threshold and its weight.",
        ),
        col("flow_ids", "BIGINT[]", "", "Flows behind it, a capped list; joins flows."),
        col(
            "packets",
            "UBIGINT[]",
            "",
            "Packets behind it that belong to no flow, such as ARP, a capped list of numbers in the capture.",
        ),
        col(
            "details",
            "VARCHAR",
            "",
            "More facts as a JSON object; where it continues a finding from before a cut, continues is the anomaly_id of that. NULL when there are none.",
        ),
        col(
            "status",
            "VARCHAR",
            "",
            "open, acknowledged or false_positive; expected where detect.expected says that it is meant to be.",
        ),
    ],
};

/// What ran.
pub(super) static DETECTOR_RUNS: Table = Table {
    name: "detector_runs",
    meaning: "One row is one detector over one capture.",
    columns: &[
        col("capture_id", "BIGINT", "", "The capture; joins captures."),
        col("detector", "VARCHAR", "", "Which detector."),
        col("parameters", "VARCHAR", "", "Its parameters as a JSON object."),
        col("started_at", "TIMESTAMP_NS", "UTC", "When it began, by the clock of this machine."),
        col("duration_s", "DOUBLE", "seconds", "How long it ran."),
        col("findings", "UBIGINT", "", "How many findings it made."),
        col("evicted", "UBIGINT", "", "State given up because a cap was reached."),
    ],
};

/// Lists of indicators that were loaded.
pub(super) static INDICATOR_LISTS: Table = Table {
    name: "indicator_lists",
    meaning: "One row is one list of indicators that was loaded with `intel add`.",
    columns: &[
        col(
            "name",
            "VARCHAR",
            "",
            "Name under which it was loaded; loading again under it replaces the list.",
        ),
        col("source", "VARCHAR", "", "File it came from."),
        col("format", "VARCHAR", "", "text, csv, misp or stix."),
        col("entries", "UBIGINT", "", "Entries taken from it."),
        col("added_at", "TIMESTAMP_NS", "UTC", "When it was loaded, by the clock of this machine."),
    ],
};

/// Their entries.
pub(super) static INDICATORS: Table = Table {
    name: "indicators",
    meaning: "One row is one entry of an indicator list; indicator_match compares it with what was seen.",
    columns: &[
        col("list", "VARCHAR", "", "Its list; joins indicator_lists.name."),
        col(
            "kind",
            "VARCHAR",
            "",
            "address, network, domain, url, ja3, ja4, certificate, file, or a hash whose form does not tell: md5 (JA3 or a file), sha1 and sha256 (a certificate or a file).",
        ),
        col(
            "value",
            "VARCHAR",
            "",
            "The entry as it is compared: canonical address, lower-case name or hash, URL without its scheme.",
        ),
        col(
            "low",
            "VARCHAR",
            "",
            "First address of a network as 32 hexadecimal digits; NULL for other kinds.",
        ),
        col("high", "VARCHAR", "", "Last address of a network likewise; NULL for other kinds."),
        col("date", "VARCHAR", "", "Date that the list gives for it; NULL when it gives none."),
        col("note", "VARCHAR", "", "What the list says about it, printable; NULL when nothing."),
    ],
};

/// All tables of the store, in order; the last two belong to no capture.
pub(super) static ALL: &[&Table] =
    &[&CAPTURES, &CAPTURE_FILES, &HOST_PROFILES, &ANOMALIES, &DETECTOR_RUNS, &INDICATOR_LISTS, &INDICATORS];

/// The view `hosts`: facts merged over captures, one row an address and sensor. For the risk all findings count but those marked as innocent.
pub(super) fn hosts_view() -> String {
    let parts = risk::parts("counted");
    format!(
        "
CREATE OR REPLACE VIEW hosts AS
WITH seen AS (
  SELECT sensor, ip, bool_or(is_internal) AS is_internal,
         list_sort(list_distinct(flatten(list(names)))) AS names,
         min(first_ts) AS first_ts, max(last_ts) AS last_ts, max(peers) AS peers, sum(flows)::UBIGINT AS flows,
         sum(bytes_out)::UBIGINT AS bytes_out, sum(bytes_in)::UBIGINT AS bytes_in,
         list_sort(list_distinct(flatten(list(services_offered)))) AS services_offered,
         list_sort(list_distinct(flatten(list(services_used)))) AS services_used,
         count(DISTINCT capture_id)::UBIGINT AS captures
  FROM host_facts GROUP BY sensor, ip),
told AS (
  SELECT sensor, ip, list_sort(list_distinct(flatten(list(macs)))) AS macs, arg_max(vendor, last_ts) AS vendor,
         list_sort(list_distinct(flatten(list(names)))) AS names,
         list_sort(list_distinct(flatten(list(domains)))) AS domains,
         list_sort(list_distinct(flatten(list(users)))) AS users,
         list_sort(list_distinct(flatten(list(software)))) AS software,
         arg_max(os_guess, last_ts) AS os_guess, arg_max(os_reason, last_ts) AS os_reason,
         list_sort(list_distinct(flatten(list(roles)))) AS roles,
         list_sort(list_distinct(flatten(list(role_reasons)))) AS role_reasons,
         list_sort(list_distinct(flatten(list(banners)))) AS banners
  FROM host_profiles GROUP BY sensor, ip),
counted AS (SELECT * FROM anomalies WHERE {LISTED}),
parts AS ({parts}),
rated AS (SELECT sensor, ip, {RISK} AS risk FROM parts GROUP BY sensor, ip)
SELECT seen.sensor, seen.ip, coalesce(told.macs, []) AS macs, told.vendor,
       list_sort(list_distinct(seen.names || coalesce(told.names, []))) AS names,
       coalesce(told.domains, []) AS domains, coalesce(told.users, []) AS users, coalesce(told.software, []) AS software,
       told.os_guess, told.os_reason, seen.is_internal, coalesce(told.roles, []) AS roles,
       coalesce(told.role_reasons, []) AS role_reasons, seen.first_ts, seen.last_ts, seen.peers, seen.flows,
       seen.bytes_out, seen.bytes_in,
       list_sort(coalesce(told.banners, []) || list_filter(seen.services_offered,
         lambda s: NOT list_contains([split_part(b, ' ', 1) for b in coalesce(told.banners, [])], s))) AS services_offered,
       seen.services_used, rated.risk AS risk_score, seen.captures
FROM seen LEFT JOIN told USING (sensor, ip) LEFT JOIN rated USING (sensor, ip)"
    )
}

/// Meaning of the view and its columns.
pub(super) static HOSTS: Table = Table {
    name: "hosts",
    meaning: "One row is one address at one sensor, over all captures.",
    columns: &[
        col("sensor", "", "", "Where it was seen; networks of different sensors are islands."),
        col("ip", "", "", "The address."),
        col("macs", "", "", "Link addresses it used."),
        col("vendor", "", "", "Maker of its network card; NULL when unknown."),
        col("names", "", "", "Names under which it was reached, or that were told of it."),
        col("domains", "", "", "Windows or DNS domains it belongs to."),
        col("users", "", "", "Users who were seen to work on it."),
        col("software", "", "", "Software it uses as a client."),
        col("os_guess", "", "", "Operating system it behaved like last; NULL when unknown."),
        col("os_reason", "", "", "The clues behind os_guess; NULL without a guess."),
        col("is_internal", "", "", "Was it in the local networks of a capture?"),
        col("roles", "", "", "What it does in the network, such as resolver; empty when unknown."),
        col("role_reasons", "", "", "Each role with the clue behind it."),
        col("first_ts", "", "UTC", "First packet of its first flow."),
        col("last_ts", "", "UTC", "Last packet of its last flow."),
        col("peers", "", "", "Most peers it had in one capture."),
        col("flows", "", "flows", "Flows it took part in."),
        col("bytes_out", "", "bytes", "Bytes it sent, with IP headers."),
        col("bytes_in", "", "bytes", "Bytes sent to it, with IP headers."),
        col("services_offered", "", "", "Services that answered on it."),
        col("services_used", "", "", "Services it used elsewhere."),
        col(
            "risk_score",
            "",
            "",
            "0 to 100 by its findings: the worst kind counts in full, each further kind closes a fifth of its share of the gap to 100, half as target; NULL without findings.",
        ),
        col("captures", "", "", "Captures it was seen in."),
    ],
};

/// Stored macros: reachable from any DuckDB that opens the file or an export of it.
pub(super) const MACROS: &[&str] = &["CREATE OR REPLACE MACRO severity_rank(s) AS \
     CASE lower(s) WHEN 'info' THEN 1 WHEN 'low' THEN 2 WHEN 'medium' THEN 3 WHEN 'high' THEN 4 \
     WHEN 'critical' THEN 5 END"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_sentence_and_a_name_of_its_own() {
        for t in ALL.iter().chain([&&HOSTS]) {
            assert!(t.meaning.ends_with('.'), "{}: meaning is not a sentence", t.name);
            for (i, c) in t.columns.iter().enumerate() {
                assert!(c.meaning.ends_with(['.', '?']), "{}.{}: meaning is not a sentence", t.name, c.name);
                assert!(t.columns[i + 1..].iter().all(|d| d.name != c.name), "{}.{} twice", t.name, c.name);
            }
        }
    }
}
