//! `hosts`: who is there, and what is known of one?
//!
//! Without an address the inventory, one row a host. With an address its profile on a screen: what it is, offers and uses, whom it
//! talks to, what names and oddities belong to it. Findings are shown with their severity, nothing is judged here.

use super::exit::usage;
use super::output::{self, FormatOption, size};
use super::page::{Page, Section};
use super::{Context, Exit};
use crate::model::time::Timestamp;
use crate::report::header::Bound;
use crate::report::render::{Format, Style};
use crate::report::traffic::{span, sparkline};
use crate::store::arrow::array::AsArray;
use crate::store::arrow::datatypes::{TimestampNanosecondType, UInt64Type};
use crate::store::{Limits, Reader};
use anyhow::{Result, anyhow};
use clap::ValueEnum;
use std::net::IpAddr;

/// List hosts, or show the profile of one
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  secnetmon hosts --internal --sort risk
  secnetmon hosts 10.0.0.5
  secnetmon hosts printer.local
  secnetmon hosts 10.0.0.5 --format json")]
pub(super) struct Args {
    /// Show the profile of this address, or of the host of this name
    #[arg(value_name = "IP|NAME")]
    ip: Option<String>,
    /// Only hosts in the local networks
    #[arg(long, conflicts_with_all = ["external", "ip"])]
    internal: bool,
    /// Only hosts outside the local networks
    #[arg(long, conflicts_with = "ip")]
    external: bool,
    /// What comes first
    #[arg(long, value_enum, default_value_t = Sort::Risk)]
    sort: Sort,
    /// How many hosts, or rows a section of a profile; 0 = all [default: 50, profile: 6]
    #[arg(short = 'n', long = "limit", value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    format: FormatOption,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Sort {
    /// Most bytes first
    Bytes,
    /// Most flows first
    Flows,
    /// Most peers first
    Peers,
    /// Most risk first, by what was found; then most bytes
    Risk,
    /// By address
    Ip,
    /// Latest appearance first
    New,
}

impl Sort {
    fn sql(self) -> &'static str {
        match self {
            Self::Bytes => "bytes_out + bytes_in DESC, ip, sensor",
            Self::Flows => "flows DESC, ip, sensor",
            Self::Peers => "peers DESC, ip, sensor",
            Self::Risk => "risk_score DESC NULLS LAST, bytes_out + bytes_in DESC, ip, sensor",
            Self::Ip => "contains(ip, ':'), ip, sensor",
            Self::New => "first_ts DESC, ip, sensor",
        }
    }
}

const NAMES: &str = "array_to_string(names, ', ') AS names";
const ROLES: &str = "array_to_string(roles, ', ') AS roles";
const OFFERED: &str = "array_to_string(services_offered, ', ') AS services_offered";

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    let (format, style) = (args.format.resolve(), output::style(&cx.env));
    let reader = cx.reader()?;
    if let Some(text) = &args.ip {
        let ip = match text.parse::<IpAddr>() {
            Ok(ip) => ip.to_string(),
            Err(_) => named(text, &reader, cx)?,
        };
        // Told only when asked for: piped, a profile is text like on the terminal.
        let format = match args.format.format {
            None => Format::Table,
            Some(_) => format,
        };
        return profile(&ip, args.limit.unwrap_or(6), &reader, cx, format, style);
    }
    let filter = match (args.internal, args.external) {
        (true, _) => "WHERE is_internal",
        (_, true) => "WHERE NOT is_internal",
        _ => "",
    };
    let shown = args.limit.unwrap_or(50);
    let limit = match shown {
        0 => String::new(),
        n => format!("LIMIT {}", n.saturating_add(1)),
    };
    // A terminal has no room for a column in which nothing stands.
    let named = "SELECT 1 AS n FROM captures WHERE sensor <> '' LIMIT 1";
    let named =
        reader.query(named, &[], &cx.settings.query.limits())?.any(|b| b.is_ok_and(|b| b.num_rows() > 0));
    let columns = if format == Format::Table && style.terminal {
        // What does not fit is left out from the right.
        let sensor = if named { "sensor, " } else { "" };
        format!(
            "ip, {sensor}risk_score, {NAMES}, {ROLES}, os_guess, bytes_out, bytes_in, flows, peers, is_internal, vendor, {OFFERED}, last_ts"
        )
    } else {
        format!(
            "ip, sensor, is_internal, risk_score, {NAMES}, vendor, os_guess, {ROLES}, {OFFERED}, peers, flows, bytes_out, bytes_in, first_ts, last_ts, \
             array_to_string(macs, ', ') AS macs"
        )
    };
    let sql = format!("SELECT {columns} FROM hosts {filter} ORDER BY {} {limit}", args.sort.sql());
    output::first_rows(&mut reader.query(&sql, &[], &cx.settings.query.limits())?, format, style, shown)?;
    Ok(Exit::Done)
}

const IDENTITY: Section = Section {
    name: "host",
    title: "Host",
    sql: "SELECT is_internal, risk_score, captures, peers, flows, bytes_out, bytes_in, first_ts, last_ts, sensor
          FROM hosts WHERE ip = $ip ORDER BY sensor LIMIT $n::BIGINT",
};

/// What it is, line by line, each with its reason. A name that several protocols tell is one line.
const KNOWN: Section = Section {
    name: "known",
    title: "What is known of it",
    sql: "WITH h AS (FROM hosts WHERE ip = $ip),
          known AS (
            SELECT 1 AS place, 'system' AS fact, os_guess AS value, os_reason AS reason FROM h
            UNION ALL
            SELECT 2, 'vendor', vendor, array_to_string(macs, ', ') FROM h
            UNION ALL
            SELECT 2, 'link address', array_to_string(macs, ', '), NULL FROM h WHERE vendor IS NULL AND len(macs) > 0
            UNION ALL
            SELECT 3, 'role', split_part(r, ': ', 1), substr(r, instr(r, ': ') + 2) FROM (SELECT unnest(role_reasons) AS r FROM h)
            UNION ALL
            SELECT CASE clue WHEN 'name' THEN 4 WHEN 'domain' THEN 5 WHEN 'user' THEN 6 WHEN 'server' THEN 7 ELSE 8 END,
                   CASE clue WHEN 'client' THEN 'software' WHEN 'server' THEN 'server software' ELSE clue END, value, source
            FROM host_clues WHERE ip = $ip AND clue IN ('name', 'domain', 'user', 'server', 'client', 'system')
            UNION ALL
            SELECT 4, 'name', hostname, CASE hostname_source WHEN 'dns' THEN 'dns' ELSE coalesce(service, protocol) END
            FROM flows WHERE dst_ip = $ip AND hostname IS NOT NULL
            UNION ALL
            SELECT 4, 'name', n, 'capture file' FROM (SELECT unnest(names) AS n FROM h)
            WHERE n NOT IN (SELECT hostname FROM flows WHERE dst_ip = $ip AND hostname IS NOT NULL)
              AND n NOT IN (SELECT value FROM host_clues WHERE ip = $ip AND clue = 'name')),
          lines AS (
            SELECT place, fact, value, array_to_string(list_sort(list(DISTINCT reason) FILTER (reason IS NOT NULL)), ', ') AS reason
            FROM known WHERE value IS NOT NULL GROUP BY place, fact, value)
          SELECT fact, value, reason FROM lines
          QUALIFY row_number() OVER (PARTITION BY fact ORDER BY value) <= $n::BIGINT
          ORDER BY place, fact, value",
};

const FINDINGS: Section = Section {
    name: "findings",
    title: "Findings",
    sql: "SELECT severity, title, anomaly_id, round(confidence, 2) AS confidence, first_ts FROM anomalies
          WHERE (src_ip = $ip OR dst_ip = $ip) AND status NOT IN ('false_positive', 'expected')
          ORDER BY severity_rank DESC, confidence DESC, first_ts, anomaly_id LIMIT $n::BIGINT",
};

/// Its traffic in steps of equal length over all the time it was seen: for a sparkline.
const TRAFFIC: Section = Section {
    name: "traffic",
    title: "Traffic over time",
    sql: "WITH f AS (SELECT epoch_ns(first_ts) AS t, CASE WHEN src_ip = $ip THEN src_ip_bytes ELSE dst_ip_bytes END AS sent,
                            CASE WHEN src_ip = $ip THEN dst_ip_bytes ELSE src_ip_bytes END AS received
                     FROM flows WHERE src_ip = $ip OR dst_ip = $ip),
              r AS (SELECT min(t) AS first, greatest((max(t) - min(t)) // 60 + 1, 1000000000) AS step FROM f),
              s AS (SELECT (t - first) // step AS n, count(*) AS flows, sum(sent)::UBIGINT AS bytes_out, sum(received)::UBIGINT AS bytes_in
                    FROM f, r GROUP BY ALL)
          SELECT make_timestamp_ns(first + i * step) AS ts, coalesce(flows, 0)::UBIGINT AS flows, coalesce(bytes_out, 0)::UBIGINT AS bytes_out,
                 coalesce(bytes_in, 0)::UBIGINT AS bytes_in
          FROM r, range(60) AS steps(i) LEFT JOIN s ON s.n = i WHERE first IS NOT NULL ORDER BY i",
};

const SECTIONS: &[Section] = &[
    Section {
        name: "offers",
        title: "Services it offers",
        sql: "WITH offered AS (
                FROM flows
                WHERE dst_ip = $ip AND dst_packets > 0 AND protocol IN ('tcp', 'udp', 'sctp')
                  AND (protocol <> 'tcp' OR conn_state NOT IN ('S0', 'REJ', 'RSTRH', 'RSTOS0', 'SH', 'SHR'))),
              banners AS (
                SELECT f.protocol, f.dst_port, min(c.value) AS banner
                FROM host_clues c JOIN offered f ON f.flow_id = c.flow_id AND f.capture_id = c.capture_id
                WHERE c.ip = $ip AND c.clue = 'server' GROUP BY ALL)
              SELECT protocol, dst_port AS port, mode(service ORDER BY service) AS service, any_value(banner) AS banner,
                     count(DISTINCT src_ip) AS clients, count(*) AS flows, sum(dst_ip_bytes) AS bytes_out,
                     sum(src_ip_bytes) AS bytes_in, max(last_ts) AS last_ts
              FROM offered LEFT JOIN banners USING (protocol, dst_port)
              GROUP BY protocol, dst_port ORDER BY flows DESC, protocol, port LIMIT $n::BIGINT",
    },
    Section {
        name: "uses",
        title: "Services it uses",
        sql: "SELECT service, protocol, count(DISTINCT dst_ip) AS servers, count(*) AS flows,
                     sum(src_ip_bytes) AS bytes_out, sum(dst_ip_bytes) AS bytes_in, max(last_ts) AS last_ts
              FROM flows WHERE src_ip = $ip
              GROUP BY service, protocol ORDER BY flows DESC, service, protocol LIMIT $n::BIGINT",
    },
    Section {
        name: "peers",
        title: "Whom it exchanges most with",
        sql: "SELECT CASE WHEN src_ip = $ip THEN dst_ip ELSE src_ip END AS peer,
                     min(CASE WHEN src_ip = $ip THEN hostname END) AS name, count(*) AS flows,
                     sum(CASE WHEN src_ip = $ip THEN src_ip_bytes ELSE dst_ip_bytes END) AS bytes_out,
                     sum(CASE WHEN src_ip = $ip THEN dst_ip_bytes ELSE src_ip_bytes END) AS bytes_in,
                     max(last_ts) AS last_ts
              FROM flows WHERE src_ip = $ip OR dst_ip = $ip
              GROUP BY peer ORDER BY sum(src_ip_bytes + dst_ip_bytes) DESC, peer LIMIT $n::BIGINT",
    },
    Section {
        name: "names",
        title: "Names it goes to",
        sql: "SELECT hostname AS name, count(*) AS flows, sum(src_ip_bytes) AS bytes_out, sum(dst_ip_bytes) AS bytes_in,
                     min(first_ts) AS first_ts, max(last_ts) AS last_ts
              FROM flows WHERE src_ip = $ip AND hostname IS NOT NULL
              GROUP BY hostname ORDER BY flows DESC, name LIMIT $n::BIGINT",
    },
    Section {
        name: "logins",
        title: "Logins from it and to it",
        sql: "SELECT CASE WHEN f.src_ip = $ip THEN 'from' ELSE 'to' END AS way, c.service, c.account, c.mechanism, c.secret,
                     CASE WHEN f.src_ip = $ip THEN f.dst_ip ELSE f.src_ip END AS peer, count(*) AS attempts,
                     count(*) FILTER (c.success) AS accepted, count(*) FILTER (NOT c.success) AS refused, max(c.ts) AS last_ts
              FROM credentials c JOIN flows f ON f.flow_id = c.flow_id AND f.capture_id = c.capture_id
              WHERE f.src_ip = $ip OR f.dst_ip = $ip
              GROUP BY ALL ORDER BY attempts DESC, way, service, account, mechanism, secret, peer LIMIT $n::BIGINT",
    },
    Section {
        name: "files",
        title: "Files it sent and received",
        sql: "SELECT CASE WHEN (f.src_ip = $ip) = (t.sender = 'src') THEN 'sent' ELSE 'received' END AS way, t.source, t.name,
                     coalesce(t.mime, t.declared_mime) AS mime, t.seen_bytes AS bytes, t.sha256,
                     CASE WHEN f.src_ip = $ip THEN f.dst_ip ELSE f.src_ip END AS peer, t.ts
              FROM files t JOIN flows f ON f.flow_id = t.flow_id AND f.capture_id = t.capture_id
              WHERE f.src_ip = $ip OR f.dst_ip = $ip
              ORDER BY t.seen_bytes DESC, t.ts, t.name LIMIT $n::BIGINT",
    },
    Section {
        name: "failures",
        title: "Where it fails to connect",
        sql: "SELECT dst_ip AS server, dst_port AS port, conn_state, count(*) AS flows, max(last_ts) AS last_ts
              FROM flows WHERE src_ip = $ip AND protocol = 'tcp' AND conn_state IN ('S0', 'REJ', 'RSTOS0')
              GROUP BY ALL ORDER BY flows DESC, server, port, conn_state LIMIT $n::BIGINT",
    },
    Section {
        name: "weirds",
        title: "Oddities in its flows",
        sql: "SELECT w.kind, count(*) AS times, max(w.ts) AS last_ts
              FROM weirds w JOIN flows f ON f.flow_id = w.flow_id AND f.capture_id = w.capture_id
              WHERE f.src_ip = $ip OR f.dst_ip = $ip
              GROUP BY w.kind ORDER BY times DESC, w.kind LIMIT $n::BIGINT",
    },
];

/// Columns that a person reads rounded: `31.6 KiB` and seconds. Programs get them whole.
fn for_eyes(sql: &str, schema: &[&str]) -> String {
    let mut replaced = Vec::new();
    for column in schema {
        match *column {
            c if c == "bytes" || c.starts_with("bytes_") => {
                replaced.push(format!("lpad(format_bytes({c}::BIGINT), 10, ' ') AS {c}"));
            }
            c if c == "ts" || c.ends_with("_ts") => replaced.push(format!("left({c}::VARCHAR, 19) AS {c}")),
            "sha256" => replaced.push("left(sha256, 16) AS sha256".to_owned()),
            _ => {}
        }
    }
    if replaced.is_empty() {
        return sql.to_owned();
    }
    format!("SELECT * REPLACE ({}) FROM (\n{sql}\n)", replaced.join(", "))
}

/// The columns of a section, without its rows.
fn columns(section: &Section, params: &[(String, Option<String>)], reader: &Reader) -> Result<Vec<String>> {
    let sql = format!("SELECT * FROM (\n{}\n) LIMIT 0", section.sql);
    let bound: Bound = params.iter().filter(|(n, _)| sql.contains(&format!("${n}"))).cloned().collect();
    let results = reader.query(&sql, &bound, &Limits::default())?;
    Ok(results.schema().fields().iter().map(|f| f.name().clone()).collect())
}

/// The address of the only host of this name.
fn named(name: &str, reader: &Reader, cx: &Context) -> Result<String> {
    const SQL: &str = "SELECT DISTINCT ip FROM hosts WHERE list_contains(list_transform(names, lambda n: lower(n)), $name) ORDER BY ip LIMIT 9";
    let bound = [("name".to_owned(), Some(name.trim_end_matches('.').to_lowercase()))];
    let mut found = Vec::new();
    for batch in reader.query(SQL, &bound, &cx.settings.query.limits())? {
        let batch = batch?;
        let ips = batch.columns().first().and_then(|c| c.as_string_opt::<i32>());
        found.extend(ips.into_iter().flat_map(|c| c.iter().flatten().map(str::to_owned)));
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(anyhow!(
            "no host is called {name}; `secnetmon flows --host {name}` finds flows to names and networks"
        )),
        several => {
            Err(usage(format!("{name} is the name of several hosts: {}; choose one", several.join(", "))))
        }
    }
}

/// Sparklines of what it sent and received.
fn traffic(reader: &Reader, ip: &str, cx: &Context) -> Result<Vec<String>> {
    let bound = [("ip".to_owned(), Some(ip.to_owned()))];
    let (mut begins, mut sent, mut received) = (Vec::new(), Vec::new(), Vec::new());
    for batch in reader.query(TRAFFIC.sql, &bound, &cx.settings.query.limits())? {
        let batch = batch?;
        let numbers = |i: usize| {
            let column = batch.columns().get(i).and_then(|c| c.as_primitive_opt::<UInt64Type>());
            column.map_or(&[][..], |c| c.values())
        };
        sent.extend_from_slice(numbers(2));
        received.extend_from_slice(numbers(3));
        let times = batch.columns().first().and_then(|c| c.as_primitive_opt::<TimestampNanosecondType>());
        begins.extend(times.into_iter().flat_map(|c| c.values().iter().copied()));
    }
    let [first, second, ..] = begins.as_slice() else { return Ok(Vec::new()) };
    let step = Timestamp(*second).secs_since(Timestamp(*first));
    let most = |values: &[u64]| size(values.iter().copied().max().unwrap_or(0));
    Ok(vec![
        format!("sent      {}", sparkline(&sent)),
        format!("received  {}", sparkline(&received)),
        format!("from {}, each step {}", Timestamp(*first), span(step)),
        format!("at most {} sent and {} received in a step", most(&sent), most(&received)),
    ])
}

fn profile(ip: &str, n: u64, reader: &Reader, cx: &Context, format: Format, style: Style) -> Result<Exit> {
    let limit = if n == 0 { i64::MAX.to_string() } else { n.to_string() };
    let params = [("ip".to_owned(), Some(ip.to_owned())), ("n".to_owned(), Some(limit))];
    let mut page = Page::begin(format, style, ip)?;
    let eyes = format != Format::Json;
    let show = |page: &mut Page<'_>, section: &Section| -> Result<usize> {
        if !eyes {
            return page.section(section, &params, reader, cx);
        }
        let columns = columns(section, &params, reader)?;
        let sql = for_eyes(section.sql, &columns.iter().map(String::as_str).collect::<Vec<_>>());
        page.rows(section.name, section.title, &sql, &params, reader, cx)
    };
    if show(&mut page, &IDENTITY)? == 0 {
        return Err(anyhow!("no host {ip} in the database; `secnetmon hosts` lists those that are"));
    }
    show(&mut page, &KNOWN)?;
    show(&mut page, &FINDINGS)?;
    if eyes {
        let lines = traffic(reader, ip, cx)?;
        if !lines.is_empty() {
            page.lines(TRAFFIC.name, TRAFFIC.title, &lines)?;
        }
    } else {
        page.section(&TRAFFIC, &params, reader, cx)?;
    }
    for section in SECTIONS {
        show(&mut page, section)?;
    }
    page.end()?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::anomaly::LISTED;

    #[test]
    fn findings_are_those_that_are_listed_elsewhere() {
        assert!(FINDINGS.sql.contains(LISTED));
    }

    #[test]
    fn numbers_are_rounded_for_eyes_only() {
        assert_eq!(for_eyes("SELECT 1 AS a", &["a", "flows"]), "SELECT 1 AS a");
        let sql = for_eyes("FROM x", &["bytes_out", "last_ts", "sha256"]);
        assert!(
            sql.contains("format_bytes(bytes_out::BIGINT)") && sql.contains("left(last_ts::VARCHAR, 19)"),
            "{sql}"
        );
    }
}
