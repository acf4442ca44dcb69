//! `hosts`: who is there, and what is known of one?
//!
//! Without an address the inventory, one row a host. With an address its profile on a screen: what it is, offers and uses, whom it
//! talks to, what names and oddities belong to it. Facts only, no verdicts.

use super::exit::usage;
use super::output::{self, FormatOption};
use super::{Context, Exit};
use crate::report::render::{Format, Render, Style, renderer};
use crate::store::Reader;
use anyhow::{Result, anyhow};
use clap::ValueEnum;
use std::io::Write;
use std::net::IpAddr;

/// List hosts, or show the profile of one
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  secnetmon hosts --internal --sort bytes
  secnetmon hosts 10.0.0.5
  secnetmon hosts 10.0.0.5 --format json")]
pub(super) struct Args {
    /// Show the profile of this address
    ip: Option<String>,
    /// Only hosts in the local networks
    #[arg(long, conflicts_with_all = ["external", "ip"])]
    internal: bool,
    /// Only hosts outside the local networks
    #[arg(long, conflicts_with = "ip")]
    external: bool,
    /// What comes first
    #[arg(long, value_enum, default_value_t = Sort::Bytes)]
    sort: Sort,
    /// How many hosts, or rows a section of a profile; 0 = all [default: 50, profile: 8]
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
            Self::Ip => "contains(ip, ':'), ip, sensor",
            Self::New => "first_ts DESC, ip, sensor",
        }
    }
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    let (format, style) = (args.format.resolve(), output::style(&cx.env));
    let reader = cx.reader()?;
    if let Some(text) = &args.ip {
        let ip: IpAddr = text.parse().map_err(|_| {
            usage(format!("{text} is not an address; `secnetmon flows --host {text}` takes names"))
        })?;
        // Told only when asked for: piped, a profile is text like on the terminal.
        let format = match args.format.format {
            None => Format::Table,
            Some(_) => format,
        };
        return profile(&ip.to_string(), args.limit.unwrap_or(8), &reader, cx, format, style);
    }
    let filter = match (args.internal, args.external) {
        (true, _) => "WHERE is_internal",
        (_, true) => "WHERE NOT is_internal",
        _ => "",
    };
    let limit = match args.limit.unwrap_or(50) {
        0 => String::new(),
        n => format!("LIMIT {n}"),
    };
    let sql = format!(
        "SELECT ip, sensor, is_internal, array_to_string(names, ', ') AS names, array_to_string(macs, ', ') AS macs,
                array_to_string(services_offered, ', ') AS services_offered, peers, flows, bytes_out, bytes_in,
                first_ts, last_ts
         FROM hosts {filter} ORDER BY {} {limit}",
        args.sort.sql()
    );
    output::rows(&mut reader.query(&sql, &[], &cx.settings.query.limits())?, format, style)?;
    Ok(Exit::Done)
}

/// A part of the profile: its name, what it shows, its SQL with `$ip` and `$n`.
struct Section {
    name: &'static str,
    title: &'static str,
    sql: &'static str,
}

const IDENTITY: Section = Section {
    name: "host",
    title: "Host",
    sql: "SELECT sensor, is_internal, array_to_string(names, ', ') AS names, array_to_string(macs, ', ') AS macs,
                 captures, flows, bytes_out, bytes_in, first_ts, last_ts
          FROM hosts WHERE ip = $ip ORDER BY sensor LIMIT $n::BIGINT",
};

const SECTIONS: &[Section] = &[
    IDENTITY,
    Section {
        name: "offers",
        title: "Services it offers",
        sql: "SELECT protocol, dst_port AS port, mode(service ORDER BY service) AS service, count(DISTINCT src_ip) AS clients,
                     count(*) AS flows, sum(dst_bytes) AS bytes_out, sum(src_bytes) AS bytes_in, max(last_ts) AS last_ts
              FROM flows
              WHERE dst_ip = $ip AND dst_packets > 0 AND protocol IN ('tcp', 'udp', 'sctp')
                AND (protocol <> 'tcp' OR conn_state NOT IN ('S0', 'REJ', 'RSTRH', 'RSTOS0', 'SH', 'SHR'))
              GROUP BY ALL ORDER BY flows DESC, protocol, port LIMIT $n::BIGINT",
    },
    Section {
        name: "uses",
        title: "Services it uses",
        sql: "SELECT service, protocol, count(DISTINCT dst_ip) AS servers, count(*) AS flows,
                     sum(src_bytes) AS bytes_out, sum(dst_bytes) AS bytes_in, max(last_ts) AS last_ts
              FROM flows WHERE src_ip = $ip
              GROUP BY service, protocol ORDER BY flows DESC, service, protocol LIMIT $n::BIGINT",
    },
    Section {
        name: "peers",
        title: "Whom it exchanges most with",
        sql: "SELECT CASE WHEN src_ip = $ip THEN dst_ip ELSE src_ip END AS peer,
                     min(CASE WHEN src_ip = $ip THEN hostname END) AS name, count(*) AS flows,
                     sum(CASE WHEN src_ip = $ip THEN src_bytes ELSE dst_bytes END) AS bytes_out,
                     sum(CASE WHEN src_ip = $ip THEN dst_bytes ELSE src_bytes END) AS bytes_in,
                     max(last_ts) AS last_ts
              FROM flows WHERE src_ip = $ip OR dst_ip = $ip
              GROUP BY peer ORDER BY sum(src_bytes + dst_bytes) DESC, peer LIMIT $n::BIGINT",
    },
    Section {
        name: "names",
        title: "Names it goes to",
        sql: "SELECT hostname AS name, count(*) AS flows, sum(src_bytes) AS bytes_out, sum(dst_bytes) AS bytes_in,
                     min(first_ts) AS first_ts, max(last_ts) AS last_ts
              FROM flows WHERE src_ip = $ip AND hostname IS NOT NULL
              GROUP BY hostname ORDER BY flows DESC, name LIMIT $n::BIGINT",
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

fn profile(ip: &str, n: u64, reader: &Reader, cx: &Context, format: Format, style: Style) -> Result<Exit> {
    if matches!(format, Format::Csv | Format::Ndjson) {
        return Err(usage("a profile has several tables; use --format table, markdown or json"));
    }
    let limit = if n == 0 { i64::MAX.to_string() } else { n.to_string() };
    let params = [("ip".to_owned(), Some(ip.to_owned())), ("n".to_owned(), Some(limit))];
    let mut out = output::stdout();
    let mut separator = "{";
    for (i, section) in SECTIONS.iter().enumerate() {
        let mut results = reader.query(section.sql, &params, &cx.settings.query.limits())?;
        let schema = results.schema().clone();
        let mut batches = Vec::new();
        for batch in results.by_ref() {
            batches.push(batch?);
        }
        let rows: usize = batches.iter().map(|b| b.num_rows()).sum();
        if i == 0 && rows == 0 {
            return Err(anyhow!("no host {ip} in the database; `secnetmon hosts` lists those that are"));
        }
        match format {
            Format::Json => {
                write!(out, "{separator}\"{}\": ", section.name)?;
                separator = ", ";
            }
            _ if rows == 0 => continue,
            Format::Markdown if i == 0 => write!(out, "# {ip}\n\n## {}\n\n", section.title)?,
            Format::Markdown => write!(out, "\n## {}\n\n", section.title)?,
            _ => {
                let gap = if i == 0 { "" } else { "\n" };
                let (bold, plain) = if style.colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
                let of = if i == 0 { format!(" {ip}") } else { String::new() };
                writeln!(out, "{gap}{bold}{}{of}{plain}", section.title)?;
            }
        }
        let mut r: Box<dyn Render + '_> = renderer(format, &mut out, style);
        r.begin(&schema)?;
        for batch in &batches {
            r.batch(batch)?;
        }
        r.finish()?;
    }
    if format == Format::Json {
        writeln!(out, "}}")?;
    }
    out.flush()?;
    Ok(Exit::Done)
}
