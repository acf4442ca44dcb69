//! Which files crossed the network?

use super::super::Context;
use super::super::ask::col;
use super::super::model::{Block, Kind, Tone};
use super::{counts, prose};
use crate::store::StoreError;

pub(crate) fn files(cx: &Context<'_>) -> Result<Vec<Block>, StoreError> {
    let kinds = cx.ask.rows(
        "SELECT coalesce(mime, declared_mime, 'unknown') AS type, count(*) AS n FROM {files} GROUP BY ALL ORDER BY n DESC, type LIMIT 10",
    )?;
    if kinds.is_empty() {
        let line = "No file was seen. What is sent encrypted cannot be seen.";
        return Ok(vec![prose("none", Tone::Plain, vec![line.to_owned()])]);
    }
    Ok(vec![
        counts("types", "Types, by their first bytes", "type", "files", &kinds, |_| None),
        Block::Table(cx.ask.table(
            "list",
            "Files: programs, archives and documents first, then the largest",
            &[
                col("name", "Name", Kind::Text),
                col("mime", "Type", Kind::Text),
                col("declared", "Declared", Kind::Text),
                col("bytes", "Bytes", Kind::Bytes),
                col("times", "Times", Kind::Count),
                col("source", "Over", Kind::Text),
                col("sender", "Sender", Kind::Address),
                col("receiver", "Receiver", Kind::Address),
                col("ts", "First (UTC)", Kind::Time),
                col("whole", "Whole", Kind::Flag),
                col("sha256", "SHA-256", Kind::Text),
            ],
            &format!(
                "WITH seen AS (
                   SELECT t.*, CASE t.sender WHEN 'src' THEN f.src_ip ELSE f.dst_ip END AS from_ip,
                          CASE t.sender WHEN 'src' THEN f.dst_ip ELSE f.src_ip END AS to_ip
                   FROM {{files}} t LEFT JOIN flows f ON f.capture_id = t.capture_id AND f.flow_id = t.flow_id)
                 SELECT name, mime, declared_mime AS declared, max(seen_bytes) AS bytes, count(*) AS times, source, from_ip AS sender,
                        to_ip AS receiver, epoch_ns(min(ts)) AS ts, sha256 IS NOT NULL AS whole, sha256, count(*) OVER () AS total
                 FROM seen GROUP BY name, mime, declared_mime, source, from_ip, to_ip, sha256
                 ORDER BY coalesce(regexp_matches(mime, 'exec|dosexec|elf|mach|script|zip|rar|7z|msi|office|ole|pdf|java|jar'), false) DESC,
                          bytes DESC, ts, name, sha256 LIMIT {}",
                cx.rows
            ),
        )?),
    ])
}
