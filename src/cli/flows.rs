//! `flows`: which flows were there?
//!
//! A search form over the table `flows`: every option becomes one condition with bound values. For all else there is
//! `--where`, and `query`. Refuses to guess: an address that is none is taken for a name.

use super::exit::usage;
use super::follow::{self, FollowArgs};
use super::output::{self, FormatArg, FormatOption};
use super::{Context, Exit};
use crate::report::header::Bound;
use crate::report::params::{Kind, check};
use anyhow::Result;
use clap::ValueEnum;
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// What a row shows unless `--wide`.
const COLUMNS: &str = "first_ts, protocol, src_ip, src_port, dst_ip, dst_port, service, hostname, conn_state, \
     src_bytes, dst_bytes, src_packets, dst_packets, duration_s, flow_id";

/// The same on a terminal, where columns that do not fit are left out from the right: 80 columns hold which flow, when (UTC, to the second), from
/// and to, whatever the addresses are.
const FOR_EYES: &str = "flow_id, strftime(first_ts::TIMESTAMP, '%Y-%m-%d %H:%M:%S') AS time, \
     CASE WHEN protocol NOT IN ('tcp', 'udp', 'sctp') THEN src_ip WHEN contains(src_ip, ':') THEN '[' || src_ip || ']:' || src_port ELSE src_ip || ':' || src_port END AS src, \
     CASE WHEN protocol NOT IN ('tcp', 'udp', 'sctp') THEN dst_ip WHEN contains(dst_ip, ':') THEN '[' || dst_ip || ']:' || dst_port ELSE dst_ip || ':' || dst_port END AS dst, \
     service, protocol, conn_state, src_bytes, dst_bytes, round(duration_s, 3) AS duration_s, hostname, src_packets, dst_packets";

/// Search flows
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  secnetmon flows --host 10.0.0.5 --service tls --sort bytes
  secnetmon flows --src 10.0.0.0/8 --port 445 --state S0
  secnetmon flows --host example.org --since 2024-01-31T12:00 --until 2024-01-31T13:00
  secnetmon flows --where 'missed_bytes > 0' --format json
  secnetmon flows --follow 1099511627780
  secnetmon flows --follow 1099511627780 --raw-dst answer.bin")]
pub(super) struct Args {
    /// Originator: address or network
    #[arg(long, value_name = "IP|NET")]
    src: Option<String>,
    /// Responder: address, network or name (names below it match, too)
    #[arg(long, value_name = "IP|NET|NAME")]
    dst: Option<String>,
    /// Either end: address, network or name
    #[arg(long, value_name = "IP|NET|NAME")]
    host: Option<String>,
    /// Port of either end
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Transport: tcp, udp, icmp, icmp6, sctp or a number
    #[arg(long, value_name = "NAME")]
    protocol: Option<String>,
    /// Application protocol, such as dns; none: not recognised
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Connection state in Zeek's words, such as S0, SF, REJ
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Flows that ended at or after this time (UTC)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Flows that began before this time (UTC)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At least so many payload bytes in both directions
    #[arg(long, value_name = "BYTES")]
    min_bytes: Option<u64>,
    /// Any condition in SQL over the columns of flows
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,
    /// What comes first
    #[arg(long, value_enum, default_value_t = Sort::Time)]
    sort: Sort,
    /// How many flows; 0 = all
    #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 50)]
    limit: u64,
    /// Show every column
    #[arg(long)]
    wide: bool,
    #[command(flatten)]
    follow: FollowArgs,
    #[command(flatten)]
    format: FormatOption,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Sort {
    /// Earliest first
    Time,
    /// Latest first
    Latest,
    /// Most payload first
    Bytes,
    /// Most packets first
    Packets,
    /// Longest first
    Duration,
}

impl Sort {
    fn sql(self) -> &'static str {
        match self {
            Self::Time => "first_ts, flow_id",
            Self::Latest => "first_ts DESC, flow_id DESC",
            Self::Bytes => "src_bytes + dst_bytes DESC, flow_id",
            Self::Packets => "src_packets + dst_packets DESC, flow_id",
            Self::Duration => "duration_s DESC, flow_id",
        }
    }
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    if let Some(id) = args.follow.follow {
        let ndjson = match args.format.format {
            None | Some(FormatArg::Table) => false,
            Some(FormatArg::Ndjson) => true,
            Some(_) => {
                return Err(usage("what was said is written as text, with --hex, or with --format ndjson"));
            }
        };
        return follow::run(id, &args.follow, ndjson, cx);
    }
    let (format, style) = (args.format.resolve(), output::style(&cx.env));
    let columns = output::columns(args.wide, format, style, FOR_EYES, COLUMNS);
    let (sql, params) = search(args, columns)?;
    let reader = cx.reader()?;
    let mut results = reader.query(&sql, &params, &cx.settings.query.limits())?;
    if output::first_rows(&mut results, format, style, args.limit)? == 0
        && let Some(service) = args.service.as_deref().filter(|s| *s != "none")
    {
        let sql = "SELECT DISTINCT service FROM flows WHERE service IS NOT NULL ORDER BY service";
        output::not_there(
            "service",
            service,
            &output::texts(&mut reader.query(sql, &Vec::new(), &cx.settings.query.limits())?)?,
        );
    }
    Ok(Exit::Done)
}

/// Conditions with the values they bind.
#[derive(Default)]
struct Conditions {
    sql: Vec<String>,
    params: Bound,
}

impl Conditions {
    /// A value under the name `name`; `sql` uses it as `$name`.
    fn bind(&mut self, name: &str, value: String, sql: String) {
        self.params.push((name.to_owned(), Some(value)));
        self.sql.push(sql);
    }

    /// One or both ends are this address, lie in this network, or (the responder) have this name.
    fn end(&mut self, option: &str, text: &str, columns: &[&str]) -> Result<()> {
        let each = |form: &dyn Fn(&str) -> String| {
            let all: Vec<String> = columns.iter().map(|c| form(c)).collect();
            format!("({})", all.join(" OR "))
        };
        if let Ok(ip) = text.parse::<IpAddr>() {
            self.bind(option, ip.to_string(), each(&|c| format!("{c} = ${option}")));
        } else if text.contains('/') {
            let net: IpNetwork = text
                .parse()
                .map_err(|_| usage(format!("--{option} {text}: not a network; write it like 10.0.0.0/8")))?;
            self.bind(option, net.to_string(), each(&|c| format!("ip_in({c}, ${option})")));
        } else if option == "src" {
            return Err(usage(format!(
                "--src {text}: not an address; names are known of responders only, use --dst"
            )));
        } else {
            let name = text.trim_end_matches('.').to_ascii_lowercase();
            let sql =
                format!("(lower(hostname) = ${option} OR ends_with(lower(hostname), '.' || ${option}))");
            self.bind(option, name, sql);
        }
        Ok(())
    }

    fn time(&mut self, option: &str, text: &str, sql: &str) -> Result<()> {
        let value = check(Kind::Time, text).map_err(|e| usage(format!("--{option}: {e}")))?;
        self.bind(option, value, sql.to_owned());
        Ok(())
    }
}

/// The statement and its values.
fn search(args: &Args, columns: &str) -> Result<(String, Bound)> {
    let mut c = Conditions::default();
    if let Some(text) = &args.src {
        c.end("src", text, &["src_ip"])?;
    }
    if let Some(text) = &args.dst {
        c.end("dst", text, &["dst_ip"])?;
    }
    if let Some(text) = &args.host {
        c.end("host", text, &["src_ip", "dst_ip"])?;
    }
    if let Some(port) = args.port {
        let sql = "(src_port = $port::USMALLINT OR dst_port = $port::USMALLINT) AND protocol NOT IN ('icmp', 'icmp6')";
        c.bind("port", port.to_string(), sql.into());
    }
    if let Some(name) = &args.protocol {
        c.bind("protocol", name.to_ascii_lowercase(), "protocol = $protocol".into());
    }
    match args.service.as_deref() {
        None => {}
        Some("none") => c.sql.push("service IS NULL".into()),
        Some(name) => c.bind("service", name.to_ascii_lowercase(), "service = $service".into()),
    }
    if let Some(state) = &args.state {
        c.bind("state", state.to_ascii_uppercase(), "conn_state = $state".into());
    }
    if let Some(text) = &args.since {
        c.time("since", text, "last_ts >= $since::TIMESTAMP_NS")?;
    }
    if let Some(text) = &args.until {
        c.time("until", text, "first_ts < $until::TIMESTAMP_NS")?;
    }
    if let Some(bytes) = args.min_bytes {
        c.bind("min_bytes", bytes.to_string(), "src_bytes + dst_bytes >= $min_bytes::UBIGINT".into());
    }
    if let Some(sql) = &args.condition {
        // On lines of its own, so that a comment in it ends before our bracket.
        c.sql.push(format!("(\n{sql}\n)"));
    }
    let mut sql = format!("SELECT {columns} FROM flows");
    if !c.sql.is_empty() {
        sql.push_str("\nWHERE ");
        sql.push_str(&c.sql.join("\n  AND "));
    }
    sql.push_str("\nORDER BY ");
    sql.push_str(args.sort.sql());
    if args.limit > 0 {
        sql.push_str(&format!("\nLIMIT {}", args.limit.saturating_add(1)));
    }
    Ok((sql, c.params))
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

    fn searched(words: &[&str]) -> Result<(String, Bound), String> {
        let all = ["x"].iter().chain(words);
        search(&Alone::try_parse_from(all).unwrap().args, COLUMNS).map_err(|e| e.to_string())
    }

    #[test]
    fn values_are_bound_never_pasted() {
        let (sql, params) = searched(&["--dst", "x' OR '1", "--service", "a'b"]).unwrap();
        assert!(!sql.contains("x'") && !sql.contains("a'b"), "{sql}");
        assert_eq!(params[0], ("dst".into(), Some("x' or '1".into())));
    }

    #[test]
    fn addresses_networks_and_names() {
        let (sql, params) = searched(&["--host", "2001:DB8::1"]).unwrap();
        assert!(sql.contains("(src_ip = $host OR dst_ip = $host)"), "{sql}");
        assert_eq!(params[0].1.as_deref(), Some("2001:db8::1"), "written as it is stored");
        assert!(searched(&["--src", "10.0.0.0/8"]).unwrap().0.contains("ip_in(src_ip, $src)"));
        assert!(searched(&["--host", "Example.org."]).unwrap().0.contains("lower(hostname) = $host"));
        assert!(searched(&["--src", "example.org"]).unwrap_err().contains("use --dst"));
        assert!(searched(&["--src", "10.0.0.0/99"]).unwrap_err().contains("not a network"));
    }

    #[test]
    fn limits_and_times() {
        assert!(
            searched(&[]).unwrap().0.ends_with("ORDER BY first_ts, flow_id\nLIMIT 51"),
            "one more, to know of it"
        );
        assert!(!searched(&["-n", "0"]).unwrap().0.contains("LIMIT"));
        let (_, params) = searched(&["--since", "2024-01-31T12:00+01:00"]).unwrap();
        assert_eq!(params[0].1.as_deref(), Some("2024-01-31 11:00:00"));
        assert!(
            searched(&["--until", "yesterday"]).unwrap_err().contains("--until: \"yesterday\" is not a time")
        );
    }
}
