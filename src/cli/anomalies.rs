//! `anomalies`: what was found, how sure is it, and why?
//!
//! The list is sorted by what deserves attention first. `show` explains one finding in full: who did what to whom, each reason with its value
//! against its threshold, the flows behind it, innocent causes and next steps. `set` notes what a person thinks of it. Refuses to hide what
//! was dismissed without saying so.

use super::exit::usage;
use super::output::{self, FormatOption};
use super::page::{Page, Section};
use super::{Context, Exit, private_files};
use crate::detect;
use crate::model::anomaly::{LISTED, Severity};
use crate::model::kind::KINDS;
use crate::report::header::Bound;
use crate::report::params::{Kind, check};
use crate::report::render::Format;
use crate::store::{Reader, Store};
use anyhow::{Result, anyhow};
use clap::{Subcommand, ValueEnum};
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// What a row shows unless `--wide`.
const COLUMNS: &str = "severity, round(confidence, 2) AS confidence, kind, title, src_ip, dst_ip, dst_port, first_ts, count, anomaly_id";

/// The same on a terminal, where columns that do not fit are left out from the right: what was found and its id come first.
const FOR_EYES: &str = "severity, title, anomaly_id, kind, round(confidence, 2) AS confidence, first_ts, src_ip, dst_ip, dst_port, count";

/// List findings, most urgent first; show one in full
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  secnetmon anomalies -n 20
  secnetmon anomalies --severity medium --host 10.0.0.5
  secnetmon anomalies show 4611686018427387904
  secnetmon anomalies set 4611686018427387904 false-positive
  secnetmon anomalies --severity high --fail-on high --format json")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many findings; 0 = all
    #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 20)]
    limit: u64,
    /// At least this severity: info, low, medium, high, critical
    #[arg(long, value_enum, value_name = "SEVERITY")]
    severity: Option<SeverityArg>,
    /// At least this confidence, 0 to 1
    #[arg(long, value_name = "NUMBER")]
    confidence: Option<f64>,
    /// Found by this detector
    #[arg(long, value_name = "NAME")]
    detector: Option<String>,
    /// Of this kind, such as port_scan_vertical
    #[arg(long, value_name = "NAME")]
    kind: Option<String>,
    /// This address or network is at either end
    #[arg(long, value_name = "IP|NET")]
    host: Option<String>,
    /// Lasted until this time (UTC) or later
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Began before this time (UTC)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Of this capture (captures.capture_id)
    #[arg(long, value_name = "ID")]
    capture: Option<i64>,
    /// Also those marked as false positives, and those that are meant to be (detect.expected)
    #[arg(long)]
    all: bool,
    /// Show every column
    #[arg(long)]
    wide: bool,
    /// End with exit code 4 when one at or above this severity is among them
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<SeverityArg>,
    #[command(flatten)]
    format: FormatOption,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Explain one finding in full
    Show {
        /// Its anomaly_id
        id: i64,
        #[command(flatten)]
        format: FormatOption,
    },
    /// Note what you think of a finding; a later run keeps it
    Set {
        /// Its anomaly_id
        id: i64,
        /// What it is
        status: Status,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Status {
    /// Not looked at yet
    Open,
    /// Known and being dealt with
    Acknowledged,
    /// Innocent; not listed any more
    FalsePositive,
}

impl Status {
    fn stored(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::FalsePositive => "false_positive",
        }
    }
}

/// A severity on the command line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub(super) enum SeverityArg {
    /// Worth knowing
    Info,
    /// Worth a look
    Low,
    /// Worth an hour
    Medium,
    /// Act today
    High,
    /// Act now
    Critical,
}

impl SeverityArg {
    /// As the model has it.
    pub(super) fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Low => Severity::Low,
            Self::Medium => Severity::Medium,
            Self::High => Severity::High,
            Self::Critical => Severity::Critical,
        }
    }
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    match &args.command {
        Some(Command::Show { id, format }) => show(*id, *format, cx),
        Some(Command::Set { id, status }) => set(*id, *status, cx),
        None => list(args, cx),
    }
}

fn list(args: &Args, cx: &Context) -> Result<Exit> {
    let (condition, params) = conditions(args)?;
    let limit =
        if args.limit > 0 { format!("LIMIT {}", args.limit.saturating_add(1)) } else { String::new() };
    let (format, style) = (args.format.resolve(), output::style(&cx.env));
    let columns = output::columns(args.wide, format, style, FOR_EYES, COLUMNS);
    let order = "ORDER BY severity_rank DESC, score DESC, first_ts, anomaly_id";
    let reader = cx.reader()?;
    let limits = cx.settings.query.limits();
    let sql = format!("SELECT {columns} FROM anomalies WHERE {condition} {order} {limit}");
    if output::first_rows(&mut reader.query(&sql, &params, &limits)?, format, style, args.limit)? == 0
        && let Some(kind) = &args.kind
    {
        let sql = "SELECT DISTINCT kind FROM anomalies ORDER BY kind";
        let mut known = output::texts(&mut reader.query(sql, &Vec::new(), &limits)?)?;
        known.extend(KINDS.iter().map(|k| k.name.to_owned()));
        output::not_there("kind", kind, &known);
    }
    match args.fail_on {
        Some(least) => found(&reader, cx, &condition, &params, least.severity()),
        None => Ok(Exit::Done),
    }
}

/// Exit code 4 when a finding that meets the condition is at or above `least`.
pub(super) fn found(
    reader: &Reader,
    cx: &Context,
    condition: &str,
    params: &Bound,
    least: Severity,
) -> Result<Exit> {
    let sql = format!(
        "SELECT 1 AS n FROM anomalies WHERE {condition} AND {LISTED} AND severity_rank >= {} LIMIT 1",
        least.rank()
    );
    for batch in reader.query(&sql, params, &cx.settings.query.limits())? {
        if batch?.num_rows() > 0 {
            return Ok(Exit::Found);
        }
    }
    Ok(Exit::Done)
}

/// What the options ask for, as a condition with bound values.
fn conditions(args: &Args) -> Result<(String, Bound)> {
    let mut sql: Vec<String> = Vec::new();
    let mut params: Bound = Vec::new();
    if !args.all {
        sql.push(LISTED.into());
    }
    if let Some(least) = args.severity {
        sql.push(format!("severity_rank >= {}", least.severity().rank()));
    }
    if let Some(least) = args.confidence {
        params.push(("confidence".into(), Some(least.to_string())));
        sql.push("confidence >= $confidence::DOUBLE".into());
    }
    for (name, value) in [("detector", &args.detector), ("kind", &args.kind)] {
        if let Some(value) = value {
            params.push((name.into(), Some(value.to_ascii_lowercase())));
            sql.push(format!("{name} = ${name}"));
        }
    }
    if let Some(text) = &args.host {
        let (value, form) = if let Ok(ip) = text.parse::<IpAddr>() {
            (ip.to_string(), "(src_ip = $host OR dst_ip = $host)")
        } else if let Ok(net) = text.parse::<IpNetwork>() {
            (net.to_string(), "(ip_in(src_ip, $host) OR ip_in(dst_ip, $host))")
        } else {
            return Err(usage(format!("--host {text}: neither an address nor a network such as 10.0.0.0/8")));
        };
        params.push(("host".into(), Some(value)));
        sql.push(form.into());
    }
    for (option, text, form) in [
        ("since", &args.since, "last_ts >= $since::TIMESTAMP_NS"),
        ("until", &args.until, "first_ts < $until::TIMESTAMP_NS"),
    ] {
        if let Some(text) = text {
            let value = check(Kind::Time, text).map_err(|e| usage(format!("--{option}: {e}")))?;
            params.push((option.into(), Some(value)));
            sql.push(form.into());
        }
    }
    if let Some(id) = args.capture {
        sql.push(format!("capture_id = {id}"));
    }
    let condition = if sql.is_empty() { "true".into() } else { sql.join(" AND ") };
    Ok((condition, params))
}

const SECTIONS: &[Section] = &[
    Section {
        name: "finding",
        title: "Finding",
        sql: "WITH a AS (FROM anomalies WHERE anomaly_id = $id::BIGINT),
              facts AS (
                SELECT 1 AS place, 'what' AS fact, CASE WHEN NOT $titled::BOOLEAN THEN title END AS value FROM a
                UNION ALL SELECT 2, 'kind', kind || coalesce(' (ATT&CK ' || technique || ')', '') FROM a
                UNION ALL SELECT 3, 'severity', severity FROM a
                UNION ALL SELECT 4, 'confidence', round(confidence, 3)::VARCHAR FROM a
                UNION ALL SELECT 5, 'who', src_ip FROM a
                UNION ALL SELECT 6, 'to whom', dst_ip || coalesce(' port ' || dst_port, '') FROM a
                UNION ALL SELECT 7, 'protocol', protocol FROM a
                UNION ALL SELECT 8, 'direction', direction FROM a
                UNION ALL SELECT 9, 'from', replace(first_ts::VARCHAR, ' ', 'T') || 'Z' FROM a
                UNION ALL SELECT 10, 'to', replace(last_ts::VARCHAR, ' ', 'T') || 'Z' FROM a
                UNION ALL SELECT 11, 'events', count::VARCHAR FROM a
                UNION ALL SELECT 12, 'found by', detector FROM a
                UNION ALL SELECT 13, 'status', status FROM a
                UNION ALL SELECT 14, 'capture', path FROM captures WHERE capture_id IN (SELECT capture_id FROM a))
              SELECT fact, value FROM facts WHERE value IS NOT NULL ORDER BY place",
    },
    Section {
        name: "reasons",
        title: "Why",
        sql: "SELECT r.name AS reason, r.value, r.threshold, r.weight
              FROM (SELECT unnest(reasons) AS r, generate_subscripts(reasons, 1) AS place FROM anomalies WHERE anomaly_id = $id::BIGINT)
              ORDER BY place",
    },
    Section {
        name: "details",
        title: "Details",
        sql: "SELECT key AS fact, CASE json_type(value) WHEN 'VARCHAR' THEN value ->> '$' WHEN 'ARRAY' THEN array_to_string(value ->> '$[*]', ', ')
                     ELSE value::VARCHAR END AS value
              FROM (SELECT unnest(json_keys(details)) AS key, details FROM anomalies
                    WHERE anomaly_id = $id::BIGINT AND details IS NOT NULL) AS d, LATERAL (SELECT json_extract(d.details, '$.\"' || d.key || '\"') AS value)
              WHERE value::VARCHAR NOT IN ('null', '[]', '{}') ORDER BY key",
    },
    Section {
        name: "flows",
        title: "Flows behind it",
        sql: "SELECT f.flow_id, f.first_ts, f.src_ip, f.dst_ip, f.dst_port, f.service, f.conn_state, f.src_bytes, f.dst_bytes, f.protocol,
                     f.src_port, f.first_packet
              FROM flows f JOIN anomalies a ON f.capture_id = a.capture_id AND list_contains(a.flow_ids, f.flow_id)
              WHERE a.anomaly_id = $id::BIGINT ORDER BY f.first_ts, f.flow_id",
    },
];

fn show(id: i64, format: FormatOption, cx: &Context) -> Result<Exit> {
    let (chosen, style) = (format.resolve(), output::style(&cx.env));
    // Told only when asked for: piped, it is text like on the terminal.
    let chosen = if format.format.is_none() { Format::Table } else { chosen };
    let reader = cx.reader()?;
    let subject = id.to_string();
    let mut page = Page::begin(chosen, style, &subject)?;
    let title = text(&reader, cx, &format!("SELECT title AS v FROM anomalies WHERE anomaly_id = {id}"))?;
    if title.is_empty() {
        return Err(anyhow!("no finding {id} in the database; `secnetmon anomalies` lists them"));
    }
    let opened = page.opening("Finding", &title)?;
    // What was said at the top is not said again.
    let params = [("id".to_owned(), Some(id.to_string())), ("titled".to_owned(), Some(opened.to_string()))];
    for section in SECTIONS {
        page.section(section, &params, &reader, cx)?;
    }
    let detector =
        text(&reader, cx, &format!("SELECT detector AS v FROM anomalies WHERE anomaly_id = {id}"))?;
    if let Some(about) = super::detectors::about(&detector, cx) {
        page.list("innocent_causes", "What else looks like this", &about.innocent)?;
        page.list("next_steps", "What to do next", &about.next)?;
    }
    page.end()
}

/// The one text that a query gives.
fn text(reader: &Reader, cx: &Context, sql: &str) -> Result<String> {
    use crate::store::arrow::array::AsArray;
    for batch in reader.query(sql, &[], &cx.settings.query.limits())? {
        let batch = batch?;
        let found = batch.column_by_name("v").and_then(|c| c.as_string_opt::<i32>());
        if let Some(value) = found.and_then(|c| c.iter().flatten().next()) {
            return Ok(value.to_owned());
        }
    }
    Ok(String::new())
}

fn set(id: i64, status: Status, cx: &Context) -> Result<Exit> {
    private_files();
    let store = Store::open(&cx.database(), &cx.settings.store.writing())?;
    let known = store.set_status(id, status.stored())?;
    store.close()?;
    if !known {
        return Err(anyhow!("no finding {id} in the database; `secnetmon anomalies` lists them"));
    }
    output::say(&format!("finding {id} is now {}", status.stored().replace('_', " ")));
    Ok(Exit::Done)
}

/// The thresholds that `--threshold` and `--window` stand for: distinct failed ports of a vertical scan, and its seconds.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(super) struct ScanOptions {
    /// Distinct failed ports of one target that make a port scan [default: 15]
    #[arg(long, value_name = "PORTS")]
    threshold: Option<u32>,
    /// Seconds in which they must fail [default: 60]
    #[arg(long, value_name = "SECONDS")]
    window: Option<u32>,
}

impl ScanOptions {
    /// Lay them over the configuration.
    pub(super) fn apply(self, config: &mut detect::Config) -> Result<()> {
        for (option, value, name) in
            [("--threshold", self.threshold, "ports"), ("--window", self.window, "window_s")]
        {
            match value {
                Some(0) => return Err(usage(format!("{option} 0 would find everything; give at least 1"))),
                Some(n) => config.set("port_scan", name, f64::from(n)),
                None => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        args: Args,
    }

    fn asked(words: &[&str]) -> Result<(String, Bound), String> {
        let all = ["x"].iter().chain(words);
        conditions(&Alone::try_parse_from(all).unwrap().args).map_err(|e| e.to_string())
    }

    #[test]
    fn values_are_bound_and_dismissed_ones_hidden() {
        let (sql, params) = asked(&["--kind", "x' OR 1", "--severity", "medium"]).unwrap();
        assert_eq!(
            sql,
            "status NOT IN ('false_positive', 'expected') AND severity_rank >= 3 AND kind = $kind"
        );
        assert_eq!(params, [("kind".to_owned(), Some("x' or 1".to_owned()))]);
        assert_eq!(asked(&["--all"]).unwrap().0, "true");
        assert!(asked(&["--host", "10.0.0.0/8"]).unwrap().0.contains("ip_in(src_ip, $host)"));
        assert!(asked(&["--host", "name"]).unwrap_err().contains("neither an address nor a network"));
    }

    #[test]
    fn scan_options_reach_the_detector() {
        let mut config = detect::Config::default();
        ScanOptions { threshold: Some(7), window: None }.apply(&mut config).unwrap();
        assert_eq!(config.value("port_scan", "ports"), Some(7.0));
        assert!(ScanOptions { threshold: Some(0), window: None }.apply(&mut config).is_err());
    }
}
