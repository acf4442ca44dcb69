//! Is what is encrypted encrypted well, and who vouches for it?

use super::super::Context;
use super::super::ask::col;
use super::super::model::{Block, Kind, Tone};
use super::{counts, or_say, prose};
use crate::model::anomaly::Severity;
use crate::store::StoreError;

/// Versions that no longer protect (RFC 8996 and older).
const OLD: &[&str] = &["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"];

pub(crate) fn tls(cx: &Context<'_>) -> Result<Vec<Block>, StoreError> {
    let versions = cx.ask.rows(
        "SELECT coalesce(version, 'not seen') AS version, count(*) AS n FROM {tls} GROUP BY ALL ORDER BY n DESC, version",
    )?;
    if versions.is_empty() {
        return Ok(vec![prose("none", Tone::Plain, vec!["No TLS handshake was seen.".to_owned()])]);
    }
    let n = cx.rows;
    Ok(vec![
        counts("versions", "Versions agreed", "version", "connections", &versions, |v| {
            OLD.contains(&v).then_some(Severity::Medium)
        }),
        or_say(
            cx.ask.table(
                "weak",
                "Encryption that no longer protects",
                &[
                    col("dst_ip", "Server", Kind::Address),
                    col("dst_port", "Port", Kind::Id),
                    col("server_name", "Name", Kind::Text),
                    col("problem", "Problem", Kind::Text),
                    col("version", "Version", Kind::Text),
                    col("cipher", "Cipher suite", Kind::Text),
                    col("clients", "Clients", Kind::Count),
                    col("connections", "Connections", Kind::Count),
                ],
                &format!(
                    "WITH agreed AS (
                       SELECT t.*, f.src_ip, f.dst_ip, f.dst_port, concat_ws(', ',
                                CASE WHEN t.version IN ('SSLv2', 'SSLv3', 'TLSv1.0', 'TLSv1.1') THEN 'old version' END,
                                CASE WHEN contains(t.cipher, '_NULL_') THEN 'no encryption' END,
                                CASE WHEN contains(t.cipher, '_anon_') THEN 'no authentication' END,
                                CASE WHEN contains(t.cipher, 'EXPORT') THEN 'export key' END,
                                CASE WHEN contains(t.cipher, '_RC4_') THEN 'RC4' END,
                                CASE WHEN contains(t.cipher, '_DES_') OR contains(t.cipher, '_DES40_') THEN 'DES' END,
                                CASE WHEN contains(t.cipher, '_3DES_') THEN '3DES' END,
                                CASE WHEN t.dh_bits < 2048 THEN 'small Diffie-Hellman group' END) AS problem
                       FROM {{tls}} t JOIN flows f ON f.capture_id = t.capture_id AND f.flow_id = t.flow_id)
                     SELECT dst_ip, dst_port, min(server_name) AS server_name, problem, version, cipher, count(DISTINCT src_ip) AS clients,
                            count(*) AS connections, count(*) OVER () AS total
                     FROM agreed WHERE problem <> '' GROUP BY dst_ip, dst_port, problem, version, cipher
                     ORDER BY connections DESC, dst_ip, dst_port, version, cipher, problem LIMIT {n}"
                ),
            )?,
            "No server agreed to an old version, a weak suite or a small group.",
        ),
        or_say(
            cx.ask.table(
                "certificates",
                "Certificates that are expired, not yet valid or self-issued",
                &[
                    col("dst_ip", "Server", Kind::Address),
                    col("dst_port", "Port", Kind::Id),
                    col("problem", "Problem", Kind::Text),
                    col("subject", "Subject", Kind::Text),
                    col("issuer", "Issuer", Kind::Text),
                    col("not_before", "Valid from", Kind::Time),
                    col("not_after", "Valid to", Kind::Time),
                    col("times", "Shown", Kind::Count),
                    col("sha256", "SHA-256", Kind::Text),
                ],
                &format!(
                    "WITH shown AS (
                       SELECT x.*, f.dst_ip, f.dst_port, concat_ws(', ', CASE WHEN x.ts > x.not_after THEN 'expired' END,
                                CASE WHEN x.ts < x.not_before THEN 'not yet valid' END, CASE WHEN x.self_issued THEN 'self-issued' END) AS problem
                       FROM {{x509}} x JOIN flows f ON f.capture_id = x.capture_id AND f.flow_id = x.flow_id
                       WHERE x.position = 0 AND NOT x.from_client)
                     SELECT dst_ip, dst_port, problem, min(subject) AS subject, min(issuer) AS issuer, epoch_ns(min(not_before)) AS not_before,
                            epoch_ns(min(not_after)) AS not_after, count(*) AS times, sha256, count(*) OVER () AS total
                     FROM shown WHERE problem <> '' GROUP BY dst_ip, dst_port, problem, sha256
                     ORDER BY times DESC, dst_ip, dst_port, sha256 LIMIT {n}"
                ),
            )?,
            "No server showed one. In TLS 1.3 certificates are encrypted and cannot be judged.",
        ),
        Block::Table(cx.ask.table(
            "servers",
            "Servers by connections",
            &[
                col("server_name", "Name asked for", Kind::Text),
                col("servers", "Addresses", Kind::Count),
                col("clients", "Clients", Kind::Count),
                col("connections", "Connections", Kind::Count),
                col("last_ts", "Last (UTC)", Kind::Time),
            ],
            &format!(
                "SELECT coalesce(t.server_name, '(none)') AS server_name, count(DISTINCT f.dst_ip) AS servers, count(DISTINCT f.src_ip) AS clients,
                        count(*) AS connections, epoch_ns(max(t.ts)) AS last_ts, count(*) OVER () AS total
                 FROM {{tls}} t JOIN flows f ON f.capture_id = t.capture_id AND f.flow_id = t.flow_id
                 GROUP BY coalesce(t.server_name, '(none)') ORDER BY connections DESC, server_name LIMIT {n}"
            ),
        )?),
    ])
}
