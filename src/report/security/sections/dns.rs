//! Which names were asked for, and which questions failed?

use super::super::Context;
use super::super::ask::col;
use super::super::model::{Block, Cell, Facts, Kind, Tone};
use super::{counts, or_say, prose};
use crate::store::StoreError;

pub(crate) fn dns(cx: &Context<'_>) -> Result<Vec<Block>, StoreError> {
    let t = cx.ask.row(
        "SELECT count(*) AS questions, count(DISTINCT query) AS names, count(DISTINCT domain) AS domains, count(DISTINCT client_ip) AS clients,
                count(DISTINCT server_ip) AS servers, count(*) FILTER (rcode > 0) AS failed, count(*) FILTER (rcode IS NULL) AS unanswered
         FROM {dns} WHERE service = 'dns'",
    )?;
    if t.count("questions") == 0 {
        return Ok(vec![prose("none", Tone::Plain, vec!["No DNS question was seen.".to_owned()])]);
    }
    let n = cx.rows;
    let fact = |key, title| (key, title, Cell::Count(t.count(key)));
    let codes = cx.ask.rows(
        "SELECT coalesce(rcode_name, 'no answer') AS result, count(*) AS n FROM {dns} WHERE service = 'dns' GROUP BY ALL ORDER BY n DESC, result LIMIT 8",
    )?;
    Ok(vec![
        Block::Facts(Facts {
            name: "totals",
            pairs: vec![
                fact("questions", "Questions"),
                fact("names", "Different names"),
                fact("domains", "Registered domains"),
                fact("clients", "Clients"),
                fact("servers", "Servers asked"),
                fact("failed", "Answered with an error"),
                fact("unanswered", "No answer seen"),
            ],
        }),
        counts("results", "Answers", "result", "questions", &codes, |_| None),
        Block::Table(cx.ask.table(
            "domains",
            "Domains asked for most",
            &[
                col("domain", "Domain", Kind::Text),
                col("questions", "Questions", Kind::Count),
                col("names", "Names", Kind::Count),
                col("clients", "Clients", Kind::Count),
                col("failed", "Failed", Kind::Count),
                col("example", "Example", Kind::Text),
            ],
            &format!(
                "SELECT coalesce(domain, '(none)') AS domain, count(*) AS questions, count(DISTINCT query) AS names, count(DISTINCT client_ip) AS clients,
                        count(*) FILTER (rcode > 0) AS failed, min(query) AS example, count(*) OVER () AS total
                 FROM {{dns}} d WHERE service = 'dns' GROUP BY coalesce(d.domain, '(none)') ORDER BY questions DESC, domain LIMIT {n}"
            ),
        )?),
        or_say(
            cx.ask.table(
                "failures",
                "Who asks in vain",
                &[
                    col("client_ip", "Client", Kind::Address),
                    col("result", "Result", Kind::Text),
                    col("questions", "Questions", Kind::Count),
                    col("names", "Names", Kind::Count),
                    col("example", "Example", Kind::Text),
                    col("last_ts", "Last (UTC)", Kind::Time),
                ],
                &format!(
                    "SELECT client_ip, coalesce(rcode_name, 'no answer') AS result, count(*) AS questions, count(DISTINCT query) AS names,
                            min(query) AS example, epoch_ns(max(ts)) AS last_ts, count(*) OVER () AS total
                     FROM {{dns}} WHERE service = 'dns' AND (rcode IS NULL OR rcode > 0)
                     GROUP BY client_ip, result ORDER BY questions DESC, client_ip, result LIMIT {n}"
                ),
            )?,
            "Every question was answered without an error.",
        ),
        Block::Table(cx.ask.table(
            "servers",
            "Servers that were asked",
            &[
                col("server_ip", "Server", Kind::Address),
                col("clients", "Clients", Kind::Count),
                col("questions", "Questions", Kind::Count),
                col("unanswered", "No answer", Kind::Count),
                col("median_ms", "Median answer, ms", Kind::Number),
            ],
            &format!(
                "SELECT server_ip, count(DISTINCT client_ip) AS clients, count(*) AS questions, count(*) FILTER (rcode IS NULL) AS unanswered,
                        round(1000 * median(rtt_s), 2) AS median_ms, count(*) OVER () AS total
                 FROM {{dns}} WHERE service = 'dns' GROUP BY server_ip ORDER BY questions DESC, server_ip LIMIT {n}"
            ),
        )?),
    ])
}
