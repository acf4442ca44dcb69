//! Which hosts deserve a look, and what are they?
//!
//! Risk comes from findings alone ([`crate::store::risk`]). The riskiest get a profile; all are listed.

use super::super::Context;
use super::super::ask::{Row, col};
use super::super::model::{Block, Cell, Host, Kind, Table, Tone};
use super::{or_say, prose, text, texts};
use crate::model::anomaly::Severity;
use crate::report::figures::plural;
use crate::store::StoreError;
use crate::store::risk::{self, RISK};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Hosts with a profile.
const PROFILES: usize = 12;
/// Peers in a profile.
const PEERS: u64 = 5;
/// Kinds of findings in a profile.
const KINDS: usize = 8;
/// Texts of a list in a profile.
const WORDS: usize = 8;

/// A host's part in findings of one kind.
struct Part {
    kind: String,
    acts: bool,
    n: u64,
    severity: Severity,
}

/// A host with its risk.
struct Rated {
    sensor: String,
    ip: String,
    risk: f64,
    parts: Vec<Part>,
}

pub(crate) fn hosts(cx: &Context<'_>) -> Result<Vec<Block>, StoreError> {
    let limit = usize::try_from(cx.rows.saturating_mul(2)).unwrap_or(usize::MAX);
    let (rated, parted) = rated(cx, limit)?;
    let mut blocks = Vec::new();
    if rated.is_empty() {
        let line = "No host has a finding, so none is rated; those that exchanged most are listed.";
        let lines = if cx.overview.inside + cx.overview.outside == 0 { "No host was seen." } else { line };
        blocks.push(prose("none", Tone::Plain, vec![lines.to_owned()]));
    } else {
        blocks.push(prose(
            "rating",
            Tone::Aside,
            vec![format!(
                "{} part in findings. Risk is 0 to 100: the worst kind of finding counts in full, each further kind closes a fifth of its share \
                 of the gap to 100; for a host that is only the target, half of each. It orders the work, it is no verdict.",
                match parted {
                    1 => "One host has".to_owned(),
                    n => format!("{} have", plural(n, "host")),
                }
            )],
        ));
    }
    blocks.push(or_say(list(cx, &rated, limit)?, "No host was seen."));
    let shown = rated.get(..PROFILES.min(rated.len())).unwrap_or_default();
    blocks.extend(profiles(cx, shown)?.into_iter().map(|h| Block::Host(Box::new(h))));
    Ok(blocks)
}

/// The riskiest hosts, at most `limit`, and how many have part in findings.
fn rated(cx: &Context<'_>, limit: usize) -> Result<(Vec<Rated>, u64), StoreError> {
    let parts = risk::parts("{findings}");
    let rows = cx.ask.rows(&format!(
        "WITH parts AS ({parts}),
           risks AS (SELECT sensor, ip, {RISK} AS risk, count(*) OVER () AS total FROM parts GROUP BY sensor, ip),
           worst AS (SELECT * FROM risks ORDER BY risk DESC, ip, sensor LIMIT {limit})
         SELECT w.risk, w.total, p.* FROM worst w JOIN parts p ON p.sensor = w.sensor AND p.ip = w.ip
         ORDER BY w.risk DESC, p.ip, p.sensor, p.weight DESC, p.kind, p.acts"
    ))?;
    let mut all: Vec<Rated> = Vec::new();
    for row in &rows {
        let (sensor, ip, rank) = (row.text("sensor"), row.text("ip"), row.count("rank"));
        let part = Part {
            kind: row.text("kind"),
            acts: row.flag("acts"),
            n: row.count("n"),
            severity: Severity::ALL
                .into_iter()
                .find(|s| u64::from(s.rank()) == rank)
                .unwrap_or(Severity::Info),
        };
        match all.last_mut() {
            Some(last) if last.ip == ip && last.sensor == sensor => last.parts.push(part),
            _ => all.push(Rated { sensor, ip, risk: row.number("risk"), parts: vec![part] }),
        }
    }
    Ok((all, rows.first().map_or(0, |r| r.count("total"))))
}

const LIST: &[super::super::model::Column] = &[
    col("ip", "Host", Kind::Address),
    col("names", "Names", Kind::Text),
    col("risk", "Risk", Kind::Number),
    col("severity", "Worst", Kind::Severity),
    col("findings", "Findings", Kind::Count),
    col("internal", "Inside", Kind::Flag),
    col("roles", "Roles", Kind::Text),
    col("os", "System", Kind::Text),
    col("peers", "Peers", Kind::Count),
    col("flows", "Flows", Kind::Count),
    col("bytes_out", "Sent", Kind::Bytes),
    col("bytes_in", "Received", Kind::Bytes),
    col("sensor", "Sensor", Kind::Text),
];

/// Rated hosts first, then those that exchanged most.
fn list(cx: &Context<'_>, rated: &[Rated], limit: usize) -> Result<Table, StoreError> {
    let rows = cx.ask.rows(&format!(
        "WITH h AS (
           SELECT sensor, ip, max(peers) AS peers, sum(flows) AS flows, sum(bytes_out) AS bytes_out, sum(bytes_in) AS bytes_in,
                  bool_or(is_internal) AS internal, count(*) OVER () AS total
           FROM {{host_facts}} GROUP BY sensor, ip),
         busy AS (SELECT sensor, ip FROM h ORDER BY bytes_out + bytes_in DESC, ip, sensor LIMIT {limit}),
         chosen AS (SELECT * FROM h WHERE (sensor, ip) IN (FROM busy) OR ip IN ({}))
         SELECT c.*, list_sort(list_distinct(coalesce(n.names, []) || coalesce(p.names, []))) AS names, p.roles, p.os
         FROM chosen c LEFT JOIN (
           SELECT sensor, ip, flatten(list(names)) AS names FROM host_facts WHERE ip IN (SELECT ip FROM chosen) GROUP BY sensor, ip) n USING (sensor, ip)
         LEFT JOIN (
           SELECT sensor, ip, flatten(list(names)) AS names, list_sort(list_distinct(flatten(list(roles)))) AS roles, arg_max(os_guess, last_ts) AS os
           FROM host_profiles WHERE ip IN (SELECT ip FROM chosen) GROUP BY sensor, ip) p USING (sensor, ip)
         ORDER BY c.bytes_out + c.bytes_in DESC, c.ip, c.sensor",
        quoted(rated.iter().map(|r| r.ip.as_str()))
    ))?;
    let total = rows.first().map_or(0, |r| r.count("total"));
    let mut by_host: BTreeMap<(String, String), &Row> = BTreeMap::new();
    for row in &rows {
        by_host.insert((row.text("sensor"), row.text("ip")), row);
    }
    let none = Row::default();
    let mut out = Vec::new();
    for r in rated {
        let row = by_host.remove(&(r.sensor.clone(), r.ip.clone())).unwrap_or(&none);
        let worst = r.parts.iter().map(|p| p.severity).max().unwrap_or(Severity::Info);
        let n = r.parts.iter().map(|p| p.n).sum();
        out.push(line(&r.ip, &r.sensor, row, Cell::Number(r.risk), Cell::Severity(worst), n));
    }
    for row in &rows {
        let key = (row.text("sensor"), row.text("ip"));
        if out.len() < limit && by_host.contains_key(&key) {
            out.push(line(&key.1, &key.0, row, Cell::Nothing, Cell::Nothing, 0));
        }
    }
    let total = total.max(out.len() as u64);
    Ok(Table {
        name: "list",
        title: "Hosts, riskiest first, then busiest",
        columns: LIST.to_vec(),
        rows: out,
        total,
        empty: "",
    })
}

fn line(ip: &str, sensor: &str, row: &Row, risk: Cell, worst: Cell, findings: u64) -> Vec<Cell> {
    let mut names = row.list("names");
    names.truncate(3);
    vec![
        Cell::Address(ip.to_owned()),
        texts(names),
        risk,
        worst,
        Cell::Count(findings),
        if row.value("internal").is_null() { Cell::Nothing } else { Cell::Flag(row.flag("internal")) },
        texts(row.list("roles")),
        text(row.maybe("os")),
        Cell::Count(row.count("peers")),
        Cell::Count(row.count("flows")),
        Cell::Bytes(row.count("bytes_out")),
        Cell::Bytes(row.count("bytes_in")),
        text(Some(sensor.to_owned())),
    ]
}

/// Addresses as SQL texts. They are the database's own; quoting is for the oddest.
fn quoted<'a>(ips: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::from("''");
    for ip in ips {
        let _ = write!(out, ", '{}'", ip.replace('\'', "''"));
    }
    out.replace(['{', '}'], "")
}

fn profiles(cx: &Context<'_>, rated: &[Rated]) -> Result<Vec<Host>, StoreError> {
    if rated.is_empty() {
        return Ok(Vec::new());
    }
    let ips = quoted(rated.iter().map(|r| r.ip.as_str()));
    // The view `hosts` merges all captures; what a host is does not depend on the period, what it did does.
    let known = cx.ask.rows(&format!("SELECT * REPLACE (epoch_ns(first_ts) AS first_ts, epoch_ns(last_ts) AS last_ts) FROM hosts WHERE ip IN ({ips})"))?;
    let peers = cx.ask.rows(&format!(
        "WITH ends AS (
           SELECT c.sensor, x.ip, x.peer, x.name, x.flows, x.out, x.inn FROM (
             SELECT capture_id, src_ip AS ip, dst_ip AS peer, hostname AS name, 1 AS flows, src_ip_bytes AS out, dst_ip_bytes AS inn
             FROM {{flows}} WHERE src_ip IN ({ips})
             UNION ALL
             SELECT capture_id, dst_ip, src_ip, NULL, 1, dst_ip_bytes, src_ip_bytes FROM {{flows}} WHERE dst_ip IN ({ips}) AND dst_ip <> src_ip) x
           JOIN captures c USING (capture_id)),
         sums AS (
           SELECT sensor, ip, peer, min(name) AS name, sum(flows) AS flows, sum(out) AS bytes_out, sum(inn) AS bytes_in
           FROM ends GROUP BY sensor, ip, peer)
         SELECT *, count(*) OVER (PARTITION BY sensor, ip) AS total
         FROM sums
         QUALIFY row_number() OVER (PARTITION BY sensor, ip ORDER BY bytes_out + bytes_in DESC, flows DESC, peer) <= {PEERS}
         ORDER BY sensor, ip, bytes_out + bytes_in DESC, flows DESC, peer"
    ))?;
    let none = Row::default();
    Ok(rated
        .iter()
        .map(|r| {
            let is = |row: &&Row| row.text("ip") == r.ip && row.text("sensor") == r.sensor;
            profile(r, known.iter().find(is).unwrap_or(&none), peers.iter().filter(is))
        })
        .collect())
}

fn profile<'a>(r: &Rated, row: &Row, peers: impl Iterator<Item = &'a Row>) -> Host {
    let few = |name: &str| {
        let mut list = row.list(name);
        let more = list.len().saturating_sub(WORDS);
        list.truncate(WORDS);
        if more > 0 {
            list.push(format!("and {more} more"));
        }
        texts(list)
    };
    let time = |name: &str| row.value(name).as_i64().map_or(Cell::Nothing, Cell::Time);
    let facts = vec![
        ("names", "Names", few("names")),
        ("roles", "Roles", few("role_reasons")),
        ("os", "System", text(row.maybe("os_guess"))),
        ("os_reason", "System told by", text(row.maybe("os_reason"))),
        ("vendor", "Network card", text(row.maybe("vendor"))),
        ("macs", "Link addresses", few("macs")),
        ("users", "Users", few("users")),
        ("domains", "Domains", few("domains")),
        ("software", "Software", few("software")),
        ("services_offered", "Offers", few("services_offered")),
        ("services_used", "Uses", few("services_used")),
        ("first_ts", "First seen", time("first_ts")),
        ("last_ts", "Last seen", time("last_ts")),
        ("bytes_out", "Sent", Cell::Bytes(row.count("bytes_out"))),
        ("bytes_in", "Received", Cell::Bytes(row.count("bytes_in"))),
    ];
    let (mut rows, mut total) = (Vec::new(), 0);
    for p in peers {
        total = p.count("total");
        rows.push(vec![
            Cell::Address(p.text("peer")),
            text(p.maybe("name")),
            Cell::Count(p.count("flows")),
            Cell::Bytes(p.count("bytes_out")),
            Cell::Bytes(p.count("bytes_in")),
        ]);
    }
    Host {
        ip: r.ip.clone(),
        sensor: r.sensor.clone(),
        risk: r.risk,
        severity: r.parts.iter().map(|p| p.severity).max().unwrap_or(Severity::Info),
        internal: row.flag("is_internal"),
        facts: facts.into_iter().filter(|(_, _, cell)| *cell != Cell::Nothing).collect(),
        findings: Table {
            name: "findings",
            title: "Its findings by kind",
            columns: vec![
                col("severity", "Worst", Kind::Severity),
                col("kind", "Kind", Kind::Text),
                col("part", "Part", Kind::Text),
                col("findings", "Findings", Kind::Count),
            ],
            rows: r
                .parts
                .iter()
                .take(KINDS)
                .map(|p| {
                    let part = if p.acts { "acts" } else { "target" };
                    vec![
                        Cell::Severity(p.severity),
                        Cell::Text(p.kind.clone()),
                        Cell::Text(part.to_owned()),
                        Cell::Count(p.n),
                    ]
                })
                .collect(),
            total: r.parts.len() as u64,
            empty: "",
        },
        peers: Table {
            name: "peers",
            title: "Whom it exchanges most with",
            columns: vec![
                col("peer", "Peer", Kind::Address),
                col("name", "Name", Kind::Text),
                col("flows", "Flows", Kind::Count),
                col("bytes_out", "Sent", Kind::Bytes),
                col("bytes_in", "Received", Kind::Bytes),
            ],
            total,
            rows,
            empty: "",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ask::Ask;
    use super::super::super::scope::Scope;
    use super::*;
    use crate::store::{Limits, Reader, Store, StoreConfig};

    #[test]
    fn risk_follows_the_worst_and_grows_with_more() {
        let folder = std::env::temp_dir().join(format!("secnetmon-risk-{}", std::process::id()));
        let path = folder.join("empty.duckdb");
        Store::create_if_missing(&path).unwrap();
        let reader = Reader::open(&path, &StoreConfig::default(), &[]).unwrap();
        let risk = |weights: &[f64]| {
            let rows: Vec<String> = weights.iter().map(|w| format!("({w}::DOUBLE)")).collect();
            let scope = Scope::default();
            let ask = Ask { reader: &reader, limits: Limits::default(), scope: &scope };
            let sql = format!("SELECT {RISK} AS risk FROM (VALUES {}) t(weight)", rows.join(", "));
            ask.row(&sql).unwrap().number("risk")
        };
        assert_eq!(risk(&[80.0]), 80.0);
        assert_eq!(risk(&[50.0, 80.0]), 82.0);
        assert_eq!(risk(&[80.0, 50.0]), 82.0);
        assert_eq!(risk(&[100.0; 100]), 100.0);
        assert!(risk(&[35.0; 10]) < 80.0, "many faint ones are no certainty");
        drop(reader);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
