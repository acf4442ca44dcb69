//! What is different between two captures, or between two periods?
//!
//! For each kind of thing (hosts, services offered, names, fingerprints) what only one side has, and what both have and how it grew or shrank. The two
//! sides rarely last equally long, so growth compares volume per hour. Says nothing about what was not recorded: a host that is
//! gone may only be silent.

use super::ask::{number, overview, rows_of, text, volume};
use super::{Overview, Row, Scope, Volume};
use crate::store::{Reader, StoreError};

/// A thing that both sides have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// What it is.
    pub label: String,
    /// What else is known.
    pub note: String,
    /// On the side compared against.
    pub before: Volume,
    /// On the side looked at.
    pub after: Volume,
}

/// One kind of thing on both sides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changes {
    /// Stable name, for programs.
    pub name: &'static str,
    /// Heading for eyes.
    pub title: &'static str,
    /// Only on the side looked at, most bytes first.
    pub new: Vec<Row>,
    /// New ones that were left out.
    pub new_more: u64,
    /// Only on the side compared against.
    pub gone: Vec<Row>,
    /// Gone ones that were left out.
    pub gone_more: u64,
    /// On both, the largest difference in volume per hour first.
    pub changed: Vec<Change>,
    /// How many both have.
    pub both: u64,
}

/// Two sides beside each other.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    /// Name of the side looked at.
    pub after_name: String,
    /// Name of the side compared against.
    pub before_name: String,
    /// The frame of the side looked at.
    pub after: Overview,
    /// The frame of the side compared against.
    pub before: Overview,
    /// Kind by kind.
    pub kinds: Vec<Changes>,
}

impl Overview {
    /// How long it lasted, at least a second. Unit: hours.
    pub fn hours(&self) -> f64 {
        let seconds = match (self.first, self.last) {
            (Some(first), Some(last)) => last.secs_since(first),
            _ => 0.0,
        };
        seconds.max(1.0) / 3_600.0
    }
}

/// A kind: its name, heading, and SQL that yields label, note and the volume of a scope (`{flows}`: condition on
/// `first_ts`; `{records}`: condition on `ts`).
struct Kind {
    name: &'static str,
    title: &'static str,
    sql: &'static str,
}

const ENDS: &str = "
    SELECT ip AS label, '' AS note, sum(flows)::UBIGINT AS flows, sum(packets)::UBIGINT AS packets, sum(sent)::UBIGINT AS sent, sum(received)::UBIGINT AS received
    FROM (SELECT src_ip AS ip, count(*) AS flows, sum(src_packets + dst_packets) AS packets, sum(src_ip_bytes) AS sent, sum(dst_ip_bytes) AS received
          FROM flows WHERE {flows} AND {inside}src_internal GROUP BY src_ip
          UNION ALL
          SELECT dst_ip, count(*), sum(src_packets + dst_packets), sum(dst_ip_bytes), sum(src_ip_bytes)
          FROM flows WHERE {flows} AND {inside}dst_internal AND direction <> 'multicast' AND dst_ip <> src_ip GROUP BY dst_ip)
    GROUP BY ip";

const SUMS: &str = "count(*)::UBIGINT AS flows, sum(src_packets + dst_packets)::UBIGINT AS packets,
       sum(src_ip_bytes)::UBIGINT AS sent, sum(dst_ip_bytes)::UBIGINT AS received";

const KINDS: &[Kind] = &[
    Kind { name: "local_hosts", title: "Local hosts", sql: "" },
    Kind {
        name: "services_offered",
        title: "Services that local hosts offer",
        sql: "SELECT dst_ip || ' ' || coalesce(service, protocol) || '/' || dst_port AS label, '' AS note, {sums} FROM flows
              WHERE {flows} AND dst_internal AND dst_packets > 0 AND protocol IN ('tcp', 'udp', 'sctp')
                AND (protocol <> 'tcp' OR conn_state NOT IN ('S0', 'REJ', 'RSTRH', 'RSTOS0', 'SH', 'SHR', 'OTH')) GROUP BY 1",
    },
    Kind {
        name: "services",
        title: "Services",
        sql: "SELECT coalesce(service, '(unknown)') AS label, '' AS note, {sums} FROM flows WHERE {flows} GROUP BY 1",
    },
    Kind {
        name: "names",
        title: "Names",
        sql: "SELECT coalesce(domain, hostname) AS label, coalesce(min(service), '') AS note, {sums} FROM flows
              WHERE {flows} AND hostname IS NOT NULL GROUP BY 1",
    },
    Kind { name: "outside_hosts", title: "Outside hosts", sql: "" },
    Kind {
        name: "ja4",
        title: "TLS clients (JA4)",
        sql: "SELECT t.ja4 AS label, coalesce(min(t.server_name), '') AS note, {sums} FROM tls t JOIN flows f USING (capture_id, flow_id)
              WHERE {records} AND t.ja4 IS NOT NULL GROUP BY 1",
    },
    Kind {
        name: "user_agents",
        title: "HTTP clients (User-Agent)",
        sql: "SELECT user_agent AS label, coalesce(min(host), '') AS note, count(*)::UBIGINT AS flows, 0::UBIGINT AS packets,
                     sum(request_body_len)::UBIGINT AS sent, sum(response_body_len)::UBIGINT AS received
              FROM http t WHERE {records} AND user_agent IS NOT NULL GROUP BY 1",
    },
];

fn side(kind: &Kind, scope: &Scope) -> String {
    let sql = match kind.name {
        "local_hosts" => ENDS.replace("{inside}", ""),
        "outside_hosts" => ENDS.replace("{inside}", "NOT "),
        _ => kind.sql.to_owned(),
    };
    // The period of a record is that of its own time; flows and records name their captures alike.
    let records = scope.sql("t.ts").replace("capture_id", "t.capture_id");
    sql.replace("{sums}", SUMS).replace("{flows}", &scope.sql("first_ts")).replace("{records}", &records)
}

/// Compare `after` with `before`: `top` lines of each list.
pub fn compare(reader: &Reader, after: &Scope, before: &Scope, top: u64) -> Result<Comparison, StoreError> {
    let (a, b) = (overview(reader, after)?, overview(reader, before)?);
    let mut kinds = Vec::new();
    for kind in KINDS {
        let sql = format!(
            "WITH a AS ({}), b AS ({}),
             sides AS (SELECT label, coalesce(nullif(a.note, ''), b.note, '') AS note,
                             CASE WHEN b.label IS NULL THEN 'new' WHEN a.label IS NULL THEN 'gone' ELSE 'both' END AS status,
                             b.flows AS f0, b.packets AS p0, b.sent AS s0, b.received AS r0,
                             a.flows AS f1, a.packets AS p1, a.sent AS s1, a.received AS r1,
                             abs(coalesce(a.sent + a.received, 0) / {:e} - coalesce(b.sent + b.received, 0) / {:e}) AS change
                      FROM a FULL JOIN b USING (label))
             SELECT status, count(*) OVER (PARTITION BY status)::BIGINT AS n, label, note, f0, p0, s0, r0, f1, p1, s1, r1 FROM sides
             QUALIFY row_number() OVER (PARTITION BY status ORDER BY change DESC, label) <= {top}
             ORDER BY status, change DESC, label",
            side(kind, after),
            side(kind, before),
            a.hours(),
            b.hours(),
        );
        let rows = rows_of(reader, &sql, |r, i| {
            let change = Change {
                label: text(r, 2, i),
                note: text(r, 3, i),
                before: volume(r, 4, i),
                after: volume(r, 8, i),
            };
            Some((text(r, 0, i), number(r, 1, i), change))
        })?;
        let of = |status: &str| {
            let some: Vec<&(String, u64, Change)> = rows.iter().filter(|(s, _, _)| s == status).collect();
            (some.first().map_or(0, |(_, n, _)| *n), some)
        };
        let only = |status: &str, pick: fn(&Change) -> Volume| {
            let (n, some) = of(status);
            let rows: Vec<Row> = some
                .iter()
                .map(|(_, _, c)| Row { label: c.label.clone(), note: c.note.clone(), volume: pick(c) })
                .collect();
            (n - rows.len() as u64, rows)
        };
        let ((new_more, new), (gone_more, gone)) = (only("new", |c| c.after), only("gone", |c| c.before));
        let (both, changed) = of("both");
        let changed =
            changed.into_iter().map(|(_, _, c)| c.clone()).filter(|c| c.before != c.after).collect();
        kinds.push(Changes {
            name: kind.name,
            title: kind.title,
            new,
            new_more,
            gone,
            gone_more,
            changed,
            both,
        });
    }
    Ok(Comparison {
        after_name: after.name().to_owned(),
        before_name: before.name().to_owned(),
        after: a,
        before: b,
        kinds,
    })
}
