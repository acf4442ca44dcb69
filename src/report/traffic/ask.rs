//! How are the numbers got out of the database?
//!
//! Few passes over `flows`: one that folds it into a small cube, from which most rankings follow, and one each for talkers, pairs, names and time. Without a
//! period the hourly sums per address answer for talkers. Every statement is made of fixed text and numbers; every order is total, so that
//! the same rows give the same answer.

use super::{Interval, Measure, Overview, Ranking, Row, Scope, Statistics, Volume};
use crate::model::text::printable;
use crate::model::time::{NANOS_PER_SEC, Timestamp};
use crate::report::cell::{Reader as For, write_text};
use crate::store::arrow::array::{Array, AsArray};
use crate::store::arrow::datatypes::{Int64Type, UInt64Type};
use crate::store::arrow::record_batch::RecordBatch;
use crate::store::{Limits, Reader, StoreError};

/// Bytes of a label or note: a name that is longer than a DNS name tells nothing in a list.
const TEXT_CAP_BYTES: usize = 256;

/// Lengths of an interval that people think in. Unit: seconds.
const LENGTHS_S: &[i64] = &[
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 604_800,
];
const DAY_S: i64 = 86_400;

/// A part of the statistics that can be asked for by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What its bars show, when not the measure asked for.
    fixed: Option<Measure>,
}

const fn by_measure(name: &'static str, title: &'static str) -> Section {
    Section { name, title, fixed: None }
}

const fn by_flows(name: &'static str, title: &'static str) -> Section {
    Section { name, title, fixed: Some(Measure::Flows) }
}

/// All sections in the order in which they are shown.
pub static SECTIONS: &[Section] = &[
    by_measure("timeline", "Over time"),
    by_measure("hours", "By hour of the day (UTC)"),
    by_measure("directions", "Inside and outside"),
    by_measure("protocols", "Transport protocols"),
    by_measure("services", "Services"),
    by_measure("ports", "Ports of responders"),
    by_measure("talkers", "Talkers"),
    by_measure("pairs", "Pairs"),
    by_measure("names", "Names"),
    by_flows("sizes", "Size of flows"),
    by_flows("durations", "Duration of flows"),
    by_flows("states", "How connections went"),
];

/// Columns of every ranking: label, note, then the volume.
const SUMS: &str = "sum(flows)::UBIGINT AS flows, sum(packets)::UBIGINT AS packets, sum(sent)::UBIGINT AS sent, sum(received)::UBIGINT AS received";

/// `flows` folded: everything that has few values.
const CUBE: &str = "
    SELECT protocol, CASE WHEN protocol IN ('tcp', 'udp', 'sctp') THEN dst_port END AS port, service, direction, conn_state,
           CASE WHEN src_ip_bytes + dst_ip_bytes < 100 THEN 0 WHEN src_ip_bytes + dst_ip_bytes < 1000 THEN 1
                WHEN src_ip_bytes + dst_ip_bytes < 10000 THEN 2 WHEN src_ip_bytes + dst_ip_bytes < 100000 THEN 3
                WHEN src_ip_bytes + dst_ip_bytes < 1000000 THEN 4 WHEN src_ip_bytes + dst_ip_bytes < 10000000 THEN 5
                WHEN src_ip_bytes + dst_ip_bytes < 100000000 THEN 6 ELSE 7 END AS size,
           CASE WHEN src_packets + dst_packets <= 1 THEN 0 WHEN duration_s < 0.01 THEN 1 WHEN duration_s < 0.1 THEN 2
                WHEN duration_s < 1 THEN 3 WHEN duration_s < 10 THEN 4 WHEN duration_s < 60 THEN 5 WHEN duration_s < 600 THEN 6
                WHEN duration_s < 3600 THEN 7 ELSE 8 END AS length,
           count(*) AS flows, sum(src_packets + dst_packets)::UBIGINT AS packets,
           sum(src_ip_bytes)::UBIGINT AS sent, sum(dst_ip_bytes)::UBIGINT AS received
    FROM flows WHERE {scope} GROUP BY ALL";

const SIZES: &[&str] = &[
    "below 100 B",
    "100 B to 1 kB",
    "1 to 10 kB",
    "10 to 100 kB",
    "100 kB to 1 MB",
    "1 to 10 MB",
    "10 to 100 MB",
    "100 MB and more",
];
const DURATIONS: &[&str] = &[
    "one packet",
    "below 10 ms",
    "10 to 100 ms",
    "0.1 to 1 s",
    "1 to 10 s",
    "10 to 60 s",
    "1 to 10 min",
    "10 to 60 min",
    "1 h and more",
];

/// Sections with so few lines that all are always shown, and more than they can have.
const SHORT: &[&str] = &["directions", "states"];
const ALL_STATES: u64 = 50;

/// Zeek's words for how a connection went.
const STATES: &[(&str, &str)] = &[
    ("S0", "attempt without an answer"),
    ("S1", "established, end not seen"),
    ("SF", "normal beginning and end"),
    ("REJ", "refused"),
    ("S2", "originator closed, responder did not"),
    ("S3", "responder closed, originator did not"),
    ("RSTO", "reset by the originator"),
    ("RSTR", "reset by the responder"),
    ("RSTOS0", "attempt, then reset by the originator"),
    ("RSTRH", "answer, then reset by the responder; no attempt seen"),
    ("SH", "attempt, then end; no answer seen"),
    ("SHR", "answer, then end; no attempt seen"),
    ("OTH", "no beginning seen, or no connections"),
];

fn key(measure: Measure) -> &'static str {
    match measure {
        Measure::Bytes => "sent + received",
        Measure::Packets => "packets",
        Measure::Flows => "flows",
    }
}

/// A ranking as SQL: section, place, more, label, note and the volume. `grouped` yields label, note and the volume.
fn ranked(name: &str, grouped: &str, measure: Measure, top: u64) -> String {
    let key = key(measure);
    format!(
        "SELECT '{name}' AS section, row_number() OVER (ORDER BY {key} DESC, label)::BIGINT AS place,
                greatest(count(*) OVER () - {top}, 0)::BIGINT AS more, label, note, flows, packets, sent, received
         FROM ({grouped}) QUALIFY place <= {top}"
    )
}

/// All classes of a histogram, the empty ones inside left out.
fn classes(name: &str, column: &str) -> String {
    format!(
        "SELECT '{name}' AS section, {column}::BIGINT AS place, 0::BIGINT AS more, {column}::VARCHAR AS label, '' AS note, {SUMS}
         FROM cube GROUP BY {column}"
    )
}

/// Ask for the statistics of `scope`: the sections named (all when none is), `top` lines each, a timeline of at most `intervals`.
pub fn ask(
    reader: &Reader,
    scope: &Scope,
    wanted: &[String],
    measure: Measure,
    top: u64,
    intervals: usize,
) -> Result<Statistics, StoreError> {
    let all: Vec<&Section> =
        SECTIONS.iter().filter(|s| wanted.is_empty() || wanted.iter().any(|w| w == s.name)).collect();
    let has = |name: &str| all.iter().any(|s| s.name == name);
    let measured =
        |name: &str| SECTIONS.iter().find(|s| s.name == name).and_then(|s| s.fixed).unwrap_or(measure);
    let mut statistics = Statistics { overview: overview(reader, scope)?, ..Statistics::default() };
    let (first, last) = (statistics.overview.first, statistics.overview.last);
    if let (Some(first), Some(last)) = (first, last) {
        if has("timeline") {
            (statistics.interval_s, statistics.timeline) = timeline(reader, scope, first, last, intervals)?;
        }
        if has("hours") && last.since(first) > DAY_S * NANOS_PER_SEC {
            statistics.hours = Some(hours(reader, scope)?);
        }
    }
    let mut rows: Vec<(String, u64, Row)> = Vec::new();
    let cube = [
        ("directions", "SELECT direction AS label, '' AS note, {SUMS} FROM cube GROUP BY direction"),
        ("protocols", "SELECT protocol AS label, '' AS note, {SUMS} FROM cube GROUP BY protocol"),
        ("services", "SELECT coalesce(service, '(unknown)') AS label, '' AS note, {SUMS} FROM cube GROUP BY service"),
        (
            "ports",
            "SELECT port || '/' || protocol AS label, coalesce(first(service ORDER BY flows DESC, service), '') AS note, {SUMS}
             FROM (SELECT protocol, port, service, {SUMS} FROM cube WHERE port IS NOT NULL GROUP BY protocol, port, service) GROUP BY protocol, port",
        ),
        ("states", "SELECT conn_state AS label, '' AS note, {SUMS} FROM cube WHERE protocol = 'tcp' GROUP BY conn_state"),
    ];
    let mut parts: Vec<String> = cube
        .iter()
        .filter(|(name, _)| has(name))
        .map(|(name, grouped)| {
            ranked(
                name,
                &grouped.replace("{SUMS}", SUMS),
                measured(name),
                if SHORT.contains(name) { ALL_STATES } else { top },
            )
        })
        .collect();
    parts.extend(
        [("sizes", "size"), ("durations", "length")]
            .iter()
            .filter(|(n, _)| has(n))
            .map(|(n, c)| classes(n, c)),
    );
    if !parts.is_empty() {
        let cube = CUBE.replace("{scope}", &scope.sql("first_ts"));
        let sql = format!(
            "WITH cube AS MATERIALIZED ({cube})\n{} ORDER BY section, place",
            parts.join("\nUNION ALL\n")
        );
        rows.extend(ranking_rows(reader, &sql)?);
    }
    let period = scope.sql("first_ts");
    if has("talkers") {
        let grouped = if scope.has_period() {
            format!(
                "SELECT ip AS label, '' AS note, {SUMS} FROM (
                   SELECT src_ip AS ip, count(*) AS flows, sum(src_packets + dst_packets) AS packets, sum(src_ip_bytes) AS sent, sum(dst_ip_bytes) AS received
                   FROM flows WHERE {period} GROUP BY src_ip
                   UNION ALL
                   SELECT dst_ip, count(*), sum(src_packets + dst_packets), sum(dst_ip_bytes), sum(src_ip_bytes)
                   FROM flows WHERE {period} AND dst_ip <> src_ip GROUP BY dst_ip) GROUP BY ip"
            )
        } else {
            format!(
                "SELECT ip AS label, '' AS note, sum(flows)::UBIGINT AS flows, sum(packets_out + packets_in)::UBIGINT AS packets,
                        sum(bytes_out)::UBIGINT AS sent, sum(bytes_in)::UBIGINT AS received
                 FROM traffic_hourly WHERE {} GROUP BY ip",
                scope.captures_sql()
            )
        };
        // Names of the few that are shown, not of all.
        let sql = format!(
            "WITH top AS ({}), named AS (SELECT ip, min(names[1]) AS name FROM host_facts WHERE ip IN (SELECT label FROM top) AND {} GROUP BY ip)
             SELECT section, place, more, label, coalesce(nullif(name, label), '') AS note, flows, packets, sent, received
             FROM top LEFT JOIN named ON ip = label ORDER BY place",
            ranked("talkers", &grouped, measured("talkers"), top),
            scope.captures_sql()
        );
        rows.extend(ranking_rows(reader, &sql)?);
    }
    let sums = "count(*)::UBIGINT AS flows, sum(src_packets + dst_packets)::UBIGINT AS packets, sum(src_ip_bytes)::UBIGINT AS sent, sum(dst_ip_bytes)::UBIGINT AS received";
    if has("pairs") {
        let grouped = format!(
            "SELECT src_ip || ' → ' || dst_ip AS label, coalesce(services, '') AS note, flows, packets, sent, received FROM (
               SELECT src_ip, dst_ip, min(service) || CASE WHEN max(service) > min(service) THEN ', ' || max(service) ELSE '' END AS services, {sums}
               FROM flows WHERE {period} GROUP BY src_ip, dst_ip)"
        );
        rows.extend(ranking_rows(
            reader,
            &format!("{} ORDER BY place", ranked("pairs", &grouped, measured("pairs"), top)),
        )?);
    }
    if has("names") {
        let grouped = format!(
            "SELECT coalesce(domain, hostname) AS label, coalesce(min(service), '') AS note, {sums}
             FROM flows WHERE {period} AND hostname IS NOT NULL GROUP BY coalesce(domain, hostname)"
        );
        rows.extend(ranking_rows(
            reader,
            &format!("{} ORDER BY place", ranked("names", &grouped, measured("names"), top)),
        )?);
    }
    for section in all.iter().filter(|s| !matches!(s.name, "timeline" | "hours")) {
        let of = |(name, _, _): &&(String, u64, Row)| name == section.name;
        let more = rows.iter().find(of).map_or(0, |(_, more, _)| *more);
        let rows = rows.iter().filter(of).map(|(_, _, row)| worded(section.name, row.clone())).collect();
        let measure = measured(section.name);
        statistics.rankings.push(Ranking { name: section.name, title: section.title, measure, rows, more });
    }
    Ok(statistics)
}

/// Classes by their words, states with their meaning.
fn worded(section: &str, mut row: Row) -> Row {
    let class =
        |words: &[&str]| row.label.parse::<usize>().ok().and_then(|i| words.get(i).map(|w| (*w).to_owned()));
    match section {
        "sizes" => row.label = class(SIZES).unwrap_or_default(),
        "durations" => row.label = class(DURATIONS).unwrap_or_default(),
        "states" => {
            row.note = STATES
                .iter()
                .find(|(s, _)| *s == row.label)
                .map(|(_, m)| (*m).to_owned())
                .unwrap_or_default();
        }
        _ => {}
    }
    row
}

/// A cell as printable text; NULL is empty.
pub(super) fn text(batch: &RecordBatch, column: usize, row: usize) -> String {
    let mut cell = String::new();
    if let Some(array) = batch.columns().get(column) {
        write_text(&mut cell, array, row, For::Person);
    }
    printable(cell.as_bytes(), TEXT_CAP_BYTES)
}

/// A cell as a count; NULL and negative numbers are 0.
pub(super) fn number(batch: &RecordBatch, column: usize, row: usize) -> u64 {
    signed(batch, column, row).map_or_else(
        || {
            let array = batch.columns().get(column).and_then(|c| c.as_primitive_opt::<UInt64Type>());
            array.filter(|a| a.is_valid(row)).map_or(0, |a| a.value(row))
        },
        |n| u64::try_from(n).unwrap_or(0),
    )
}

/// A BIGINT cell; `None` when it is NULL or of another type.
fn signed(batch: &RecordBatch, column: usize, row: usize) -> Option<i64> {
    let array = batch.columns().get(column)?.as_primitive_opt::<Int64Type>()?;
    array.is_valid(row).then(|| array.value(row))
}

/// All rows of a statement.
pub(super) fn rows_of<T>(
    reader: &Reader,
    sql: &str,
    mut read: impl FnMut(&RecordBatch, usize) -> Option<T>,
) -> Result<Vec<T>, StoreError> {
    let mut all = Vec::new();
    for batch in reader.query(sql, &[], &Limits::default())? {
        let batch = batch?;
        all.extend((0..batch.num_rows()).filter_map(|row| read(&batch, row)));
    }
    Ok(all)
}

/// The four counts from column `at` on.
pub(super) fn volume(batch: &RecordBatch, at: usize, row: usize) -> Volume {
    Volume {
        flows: number(batch, at, row),
        packets: number(batch, at + 1, row),
        sent: number(batch, at + 2, row),
        received: number(batch, at + 3, row),
    }
}

fn ranking_rows(reader: &Reader, sql: &str) -> Result<Vec<(String, u64, Row)>, StoreError> {
    rows_of(reader, sql, |b, i| {
        let row = Row { label: text(b, 3, i), note: text(b, 4, i), volume: volume(b, 5, i) };
        Some((text(b, 0, i), number(b, 2, i), row))
    })
}

pub(super) fn overview(reader: &Reader, scope: &Scope) -> Result<Overview, StoreError> {
    let (period, captures) = (scope.sql("first_ts"), scope.captures_sql());
    let hosts = if scope.has_period() {
        format!(
            "SELECT count(DISTINCT ip)::UBIGINT AS hosts, count(DISTINCT ip) FILTER (internal)::UBIGINT AS inside FROM (
               SELECT src_ip AS ip, src_internal AS internal FROM flows WHERE {period}
               UNION ALL SELECT dst_ip, dst_internal FROM flows WHERE {period} AND direction <> 'multicast')"
        )
    } else {
        format!(
            "SELECT count(DISTINCT ip)::UBIGINT AS hosts, count(DISTINCT ip) FILTER (is_internal)::UBIGINT AS inside FROM host_facts WHERE {captures}"
        )
    };
    let sql = format!(
        "WITH f AS (SELECT count(*)::UBIGINT AS flows, coalesce(sum(src_packets + dst_packets), 0)::UBIGINT AS packets,
                           coalesce(sum(src_ip_bytes), 0)::UBIGINT AS sent, coalesce(sum(dst_ip_bytes), 0)::UBIGINT AS received,
                           epoch_ns(min(first_ts)) AS first, epoch_ns(max(last_ts)) AS last, count(DISTINCT capture_id)::UBIGINT AS captures
                    FROM flows WHERE {period}),
              h AS ({hosts}),
              c AS (SELECT coalesce(sum(greatest(packets - filtered_packets, decoded_packets) - decoded_packets
                                        + coalesce(dropped_packets, 0)), 0)::UBIGINT AS unseen FROM captures WHERE {captures})
         SELECT flows, packets, sent, received, first, last, captures, hosts, inside, unseen FROM f, h, c"
    );
    let mut all = rows_of(reader, &sql, |b, i| {
        Some(Overview {
            volume: volume(b, 0, i),
            first: signed(b, 4, i).map(Timestamp),
            // A flow that began in a period may last beyond it; rates are those of the period.
            last: signed(b, 5, i).map(|last| scope.within(Timestamp(last))),
            captures: number(b, 6, i),
            hosts: number(b, 7, i),
            internal_hosts: number(b, 8, i),
            unseen_packets: number(b, 9, i),
        })
    })?;
    Ok(all.pop().unwrap_or_default())
}

/// The shortest usual interval of which at most `most` cover `span_s`. Unit: seconds.
fn interval_for(span_s: i64, most: i64) -> i64 {
    let most = most.max(2) - 1; // one more where the first begins before the traffic does
    LENGTHS_S
        .iter()
        .copied()
        .find(|l| span_s / l < most)
        .unwrap_or_else(|| (span_s / most / DAY_S + 1) * DAY_S)
}

fn timeline(
    reader: &Reader,
    scope: &Scope,
    first: Timestamp,
    last: Timestamp,
    intervals: usize,
) -> Result<(i64, Vec<Interval>), StoreError> {
    let length_s = interval_for(last.since(first) / NANOS_PER_SEC, intervals as i64);
    let length = length_s.saturating_mul(NANOS_PER_SEC);
    let sql = format!(
        "SELECT (epoch_ns(first_ts) // {length})::BIGINT AS step, count(*)::UBIGINT, sum(src_packets + dst_packets)::UBIGINT,
                sum(src_ip_bytes)::UBIGINT, sum(dst_ip_bytes)::UBIGINT
         FROM flows WHERE {} GROUP BY step ORDER BY step",
        scope.sql("first_ts")
    );
    let found = rows_of(reader, &sql, |b, i| Some((signed(b, 0, i)?, volume(b, 1, i))))?;
    // Integer division in SQL rounds towards zero, as here.
    let (from, to) = (first.0 / length, last.0 / length);
    let mut line: Vec<Interval> = (from..=to)
        .map(|at| Interval { begin: Timestamp(at.saturating_mul(length)), volume: Volume::default() })
        .collect();
    for (at, volume) in found {
        if let Some(interval) = usize::try_from(at - from).ok().and_then(|i| line.get_mut(i)) {
            interval.volume = volume;
        }
    }
    Ok((length_s, line))
}

fn hours(reader: &Reader, scope: &Scope) -> Result<[Volume; 24], StoreError> {
    let sql = format!(
        "SELECT (epoch_ns(first_ts) // 3600000000000 % 24)::BIGINT AS hour, count(*)::UBIGINT, sum(src_packets + dst_packets)::UBIGINT,
                sum(src_ip_bytes)::UBIGINT, sum(dst_ip_bytes)::UBIGINT
         FROM flows WHERE {} GROUP BY hour ORDER BY hour",
        scope.sql("first_ts")
    );
    let mut hours = [Volume::default(); 24];
    for (hour, volume) in rows_of(reader, &sql, |b, i| Some((signed(b, 0, i)?, volume(b, 1, i))))? {
        if let Some(slot) = usize::try_from(hour).ok().and_then(|h| hours.get_mut(h)) {
            *slot = volume;
        }
    }
    Ok(hours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_usual_lengths_and_few_enough() {
        for span in [0, 1, 59, 61, 3_600, 100_000, 10_000_000, 4_000_000_000] {
            let length = interval_for(span, 60);
            assert!(span / length < 60, "{span}: {length}");
            assert!(LENGTHS_S.contains(&length) || length % DAY_S == 0, "{span}: {length}");
        }
        assert_eq!((interval_for(59, 60), interval_for(3_500, 60)), (2, 60));
    }
}
