//! Who logged in where, and whose password could be read?
//!
//! Accounts and how they were proved. Secrets are never stored, so none can be here.

use super::super::Context;
use super::super::ask::col;
use super::super::model::{Block, Kind, Tone};
use super::{or_say, prose};
use crate::store::StoreError;

pub(crate) fn credentials(cx: &Context<'_>) -> Result<Vec<Block>, StoreError> {
    let n = cx.rows;
    let total = cx.ask.row("SELECT count(*) AS n FROM {credentials}")?;
    if total.count("n") == 0 {
        let line = "No login was seen in a form that can be read. Logins inside TLS cannot be seen.";
        return Ok(vec![prose("none", Tone::Plain, vec![line.to_owned()])]);
    }
    let columns = |secret: &'static str| {
        [
            col("service", "Service", Kind::Text),
            col("account", "Account", Kind::Text),
            col("mechanism", secret, Kind::Text),
            col("dst_ip", "Server", Kind::Address),
            col("dst_port", "Port", Kind::Id),
            col("clients", "Clients", Kind::Count),
            col("attempts", "Attempts", Kind::Count),
            col("accepted", "Accepted", Kind::Count),
            col("refused", "Refused", Kind::Count),
            col("last_ts", "Last (UTC)", Kind::Time),
        ]
    };
    let sql = |condition: &str| {
        format!(
            "SELECT c.service, c.account, c.mechanism, f.dst_ip, f.dst_port, count(DISTINCT f.src_ip) AS clients, count(*) AS attempts,
                    count(*) FILTER (c.success) AS accepted, count(*) FILTER (NOT c.success) AS refused, epoch_ns(max(c.ts)) AS last_ts,
                    count(*) OVER () AS total
             FROM {{credentials}} c LEFT JOIN flows f ON f.capture_id = c.capture_id AND f.flow_id = c.flow_id
             WHERE {condition}
             GROUP BY c.service, c.account, c.mechanism, f.dst_ip, f.dst_port
             ORDER BY attempts DESC, c.service, c.account, f.dst_ip, f.dst_port, c.mechanism LIMIT {n}"
        )
    };
    Ok(vec![
        or_say(
            cx.ask.table(
                "clear",
                "Passwords that anyone on the path can read",
                &columns("Sent as"),
                &sql("c.secret = 'clear'"),
            )?,
            "No password crossed the network readable.",
        ),
        or_say(
            cx.ask.table(
                "others",
                "Other logins",
                &columns("Proved by"),
                &sql("c.secret IS DISTINCT FROM 'clear'"),
            )?,
            "",
        ),
    ])
}
