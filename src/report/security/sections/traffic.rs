//! Who exchanged what with whom?
//!
//! Time line, directions, services, talkers, ports, the matrix of the busiest pairs; countries when a file of MaxMind's was given.

use super::super::Context;
use super::super::ask::col;
use super::super::model::{Bar, Bars, Block, Cell, Kind, Matrix, Table, Tone};
use super::{or_say, prose, timeline};
use crate::store::StoreError;
use std::collections::BTreeMap;

/// Hosts on each side of the matrix.
const SIDE: usize = 10;
/// Pairs that the matrix is made from.
const PAIRS: u64 = 400;
/// Addresses whose country is looked up, those that exchanged most.
const PLACED: u64 = 5_000;

pub(crate) fn traffic(cx: &Context<'_>) -> Result<Vec<Block>, StoreError> {
    if cx.overview.flows == 0 {
        return Ok(vec![prose("none", Tone::Plain, vec!["There are no flows.".to_owned()])]);
    }
    let mut blocks: Vec<Block> = timeline::timeline(cx)?.map(Block::Timeline).into_iter().collect();
    blocks.push(Block::Bars(directions(cx)?));
    let n = cx.rows;
    let shared = [
        col("flows", "Flows", Kind::Count),
        col("bytes_out", "From clients", Kind::Bytes),
        col("bytes_in", "From servers", Kind::Bytes),
    ];
    let with = |first: &[super::super::model::Column]| [first, &shared].concat();
    blocks.push(Block::Table(cx.ask.table(
        "services",
        "Services by bytes",
        &with(&[
            col("service", "Service", Kind::Text),
            col("protocol", "Over", Kind::Text),
            col("clients", "Clients", Kind::Count),
            col("servers", "Servers", Kind::Count),
        ]),
        &format!(
            "SELECT coalesce(service, 'unknown') AS service, protocol, count(DISTINCT src_ip) AS clients, count(DISTINCT dst_ip) AS servers,
                    count(*) AS flows, sum(src_ip_bytes) AS bytes_out, sum(dst_ip_bytes) AS bytes_in, count(*) OVER () AS total
             FROM {{flows}} GROUP BY ALL ORDER BY sum(src_ip_bytes + dst_ip_bytes) DESC, service, protocol LIMIT {n}"
        ),
    )?));
    blocks.push(Block::Table(talkers(cx, n)?));
    blocks.push(Block::Table(cx.ask.table(
        "ports",
        "Ports that were asked for",
        &with(&[
            col("dst_port", "Port", Kind::Id),
            col("protocol", "Over", Kind::Text),
            col("service", "Service", Kind::Text),
            col("servers", "Servers", Kind::Count),
            col("failed", "Failed", Kind::Count),
        ]),
        &format!(
            // The costly columns are asked for the few ports that are shown.
            "WITH busy AS (
               SELECT dst_port, protocol, count(*) AS flows, count(*) FILTER (protocol = 'tcp' AND conn_state IN ('S0', 'REJ', 'RSTOS0')) AS failed,
                      sum(src_ip_bytes) AS bytes_out, sum(dst_ip_bytes) AS bytes_in, count(*) OVER () AS total
               FROM {{flows}} WHERE protocol IN ('tcp', 'udp', 'sctp')
               GROUP BY dst_port, protocol ORDER BY flows DESC, dst_port, protocol LIMIT {n}),
             about AS (
               SELECT f.dst_port, f.protocol, mode(f.service ORDER BY f.service) AS service, count(DISTINCT f.dst_ip) AS servers
               FROM {{flows}} f JOIN busy b ON b.dst_port = f.dst_port AND b.protocol = f.protocol GROUP BY f.dst_port, f.protocol)
             SELECT b.*, a.service, a.servers FROM busy b JOIN about a ON a.dst_port = b.dst_port AND a.protocol = b.protocol
             ORDER BY b.flows DESC, b.dst_port, b.protocol"
        ),
    )?));
    blocks.extend(matrix(cx)?.map(Block::Matrix));
    blocks.extend(countries(cx)?.map(|t| or_say(t, "No outside address has a country in the file.")));
    Ok(blocks)
}

fn directions(cx: &Context<'_>) -> Result<Bars, StoreError> {
    let rows = cx.ask.rows(
        "SELECT direction, sum(src_ip_bytes + dst_ip_bytes) AS bytes FROM {flows} GROUP BY direction ORDER BY bytes DESC, direction",
    )?;
    Ok(Bars {
        name: "directions",
        title: "Bytes by direction",
        of: "direction",
        unit: "bytes",
        bars: rows
            .iter()
            .map(|r| Bar {
                label: r.text("direction"),
                amount: Cell::Bytes(r.count("bytes")),
                severity: None,
            })
            .collect(),
    })
}

fn talkers(cx: &Context<'_>, n: u64) -> Result<Table, StoreError> {
    // What is kept per capture says it at once; a period asks the flows.
    let from = if cx.ask.scope.has_period() {
        "SELECT ip, bool_or(inside) AS internal, sum(n) AS flows, sum(o) AS bytes_out, sum(i) AS bytes_in, count(DISTINCT peer) AS peers FROM (
           SELECT src_ip AS ip, dst_ip AS peer, src_internal AS inside, 1 AS n, src_ip_bytes AS o, dst_ip_bytes AS i FROM {flows}
           UNION ALL SELECT dst_ip, src_ip, dst_internal, 1, dst_ip_bytes, src_ip_bytes FROM {flows} WHERE dst_ip <> src_ip) GROUP BY ip"
    } else {
        "SELECT ip, bool_or(is_internal) AS internal, sum(flows) AS flows, sum(bytes_out) AS bytes_out, sum(bytes_in) AS bytes_in,
                max(peers) AS peers FROM {host_facts} GROUP BY ip"
    };
    cx.ask.table(
        "talkers",
        "Hosts that exchanged most",
        &[
            col("ip", "Host", Kind::Address),
            col("internal", "Inside", Kind::Flag),
            col("peers", "Peers", Kind::Count),
            col("flows", "Flows", Kind::Count),
            col("bytes_out", "Sent", Kind::Bytes),
            col("bytes_in", "Received", Kind::Bytes),
        ],
        &format!(
            "SELECT *, count(*) OVER () AS total FROM ({from}) ORDER BY bytes_out + bytes_in DESC, ip LIMIT {n}"
        ),
    )
}

fn matrix(cx: &Context<'_>) -> Result<Option<Matrix>, StoreError> {
    let pairs = cx.ask.rows(&format!(
        "SELECT src_ip, dst_ip, sum(src_ip_bytes + dst_ip_bytes) AS bytes, count(*) AS flows FROM {{flows}}
         GROUP BY src_ip, dst_ip ORDER BY bytes DESC, src_ip, dst_ip LIMIT {PAIRS}"
    ))?;
    // The busiest pairs choose who stands on the sides, as long as there is room.
    let (mut sources, mut targets) = (Vec::<String>::new(), Vec::<String>::new());
    for p in &pairs {
        let (s, t) = (p.text("src_ip"), p.text("dst_ip"));
        let (new_s, new_t) = (!sources.contains(&s), !targets.contains(&t));
        if (new_s && sources.len() == SIDE) || (new_t && targets.len() == SIDE) {
            continue;
        }
        if new_s {
            sources.push(s);
        }
        if new_t {
            targets.push(t);
        }
    }
    if sources.len() < 2 && targets.len() < 2 {
        return Ok(None);
    }
    let place = |list: &[String], ip: &str| list.iter().position(|x| x == ip);
    let cells = pairs
        .iter()
        .filter_map(|p| {
            let (s, t) = (place(&sources, &p.text("src_ip"))?, place(&targets, &p.text("dst_ip"))?);
            Some((s, t, p.count("bytes"), p.count("flows")))
        })
        .collect();
    Ok(Some(Matrix {
        name: "matrix",
        title: "Who asked whom, by bytes in both directions",
        sources,
        targets,
        cells,
    }))
}

fn countries(cx: &Context<'_>) -> Result<Option<Table>, StoreError> {
    let Some(geo) = cx.geo else { return Ok(None) };
    let rows = cx.ask.rows(&format!(
        "SELECT ip, sum(flows) AS flows, sum(bytes_out) AS bytes_out, sum(bytes_in) AS bytes_in FROM {{host_facts}}
         WHERE NOT is_internal GROUP BY ip ORDER BY sum(bytes_out + bytes_in) DESC, ip LIMIT {PLACED}"
    ))?;
    let mut sums: BTreeMap<String, [u64; 4]> = BTreeMap::new();
    let mut unplaced = 0_u64;
    for row in &rows {
        match row.text("ip").parse().ok().and_then(|ip| geo.country(ip)) {
            Some(country) => {
                let sum = sums.entry(country).or_default();
                for (slot, more) in
                    sum.iter_mut().zip([1, row.count("flows"), row.count("bytes_out"), row.count("bytes_in")])
                {
                    *slot += more;
                }
            }
            None => unplaced += 1,
        }
    }
    if unplaced > 0 {
        sums.insert("(no country in the file)".to_owned(), [unplaced, 0, 0, 0]);
    }
    let total = sums.len() as u64;
    let mut rows: Vec<(String, [u64; 4])> = sums.into_iter().collect();
    rows.sort_by(|a, b| (b.1[2] + b.1[3]).cmp(&(a.1[2] + a.1[3])).then_with(|| a.0.cmp(&b.0)));
    Ok(Some(Table {
        name: "countries",
        title: "Countries of outside hosts",
        columns: vec![
            col("country", "Country", Kind::Text),
            col("hosts", "Hosts", Kind::Count),
            col("flows", "Flows", Kind::Count),
            col("bytes_out", "Sent by them", Kind::Bytes),
            col("bytes_in", "Sent to them", Kind::Bytes),
        ],
        rows: rows
            .into_iter()
            .take(usize::try_from(cx.rows).unwrap_or(usize::MAX))
            .map(|(country, [hosts, flows, out, inn])| {
                vec![
                    Cell::Text(country),
                    Cell::Count(hosts),
                    Cell::Count(flows),
                    Cell::Bytes(out),
                    Cell::Bytes(inn),
                ]
            })
            .collect(),
        total,
        empty: "",
    }))
}
