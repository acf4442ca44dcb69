//! How far can the captures be trusted?
//!
//! Each capture with what was read, lost, cut and why reading stopped; oddities with their meaning; limits of the program that were reached.

use super::super::Context;
use super::super::ask::col;
use super::super::model::{Block, Cell, Kind, Tone};
use super::{or_say, prose};
use crate::model::weird::WeirdKind;
use crate::store::StoreError;

pub(crate) fn quality(cx: &Context<'_>) -> Result<Vec<Block>, StoreError> {
    let n = cx.rows;
    if cx.overview.captures == 0 {
        return Ok(vec![prose("none", Tone::Plain, vec!["There is no capture.".to_owned()])]);
    }
    let captures = cx.ask.table(
        "captures",
        "Captures, the worst first",
        &[
            col("path", "Capture", Kind::Text),
            col("status", "Status", Kind::Text),
            col("stop_reason", "Why it stopped", Kind::Text),
            col("packets", "Packets", Kind::Count),
            col("dropped", "Lost while capturing", Kind::Count),
            col("truncated", "Cut by snaplen", Kind::Count),
            col("out_of_order", "Out of order", Kind::Count),
            col("missed", "TCP bytes missing", Kind::Bytes),
            col("missed_percent", "Missing, %", Kind::Percent),
            col("one_sided", "One-sided TCP flows", Kind::Count),
            col("weirds", "Oddities", Kind::Count),
            col("first_ts", "First (UTC)", Kind::Time),
            col("last_ts", "Last (UTC)", Kind::Time),
            col("capture_id", "capture_id", Kind::Id),
        ],
        &format!(
            "WITH lost AS (
               SELECT capture_id, sum(missed_bytes) AS missed, sum(src_stream_bytes + dst_stream_bytes) AS sent,
                      count(*) FILTER ((dst_packets = 0 AND src_bytes > 0) OR src_packets = 0) AS one_sided
               FROM {{flows}} WHERE protocol = 'tcp' GROUP BY capture_id)
             SELECT c.path, c.status, c.stop_reason || coalesce(' (at byte ' || c.stop_offset || ')', '') AS stop_reason, c.packets,
                    c.dropped_packets AS dropped, c.truncated_packets AS truncated, c.out_of_order_packets AS out_of_order,
                    coalesce(l.missed, 0) AS missed, round(100.0 * l.missed / nullif(greatest(l.sent, l.missed), 0), 3) AS missed_percent,
                    coalesce(l.one_sided, 0) AS one_sided, c.weird_count AS weirds, epoch_ns(c.first_ts) AS first_ts,
                    epoch_ns(c.last_ts) AS last_ts, c.capture_id, count(*) OVER () AS total
             FROM {{captures}} c LEFT JOIN lost l USING (capture_id)
             ORDER BY c.status <> 'complete' DESC, missed_percent DESC NULLS LAST, c.path, c.capture_id LIMIT {n}"
        ),
    )?;
    let mut weirds = cx.ask.table(
        "weirds",
        "Oddities in packets: what is malformed or strange, not by itself an attack",
        &[
            col("kind", "Kind", Kind::Text),
            col("meaning", "Meaning", Kind::Text),
            col("layer", "Layer", Kind::Text),
            col("times", "Stored", Kind::Count),
            col("captures", "Captures", Kind::Count),
        ],
        &format!(
            "SELECT kind, any_value(layer) AS layer, count(*) AS times, count(DISTINCT capture_id) AS captures, count(*) OVER () AS total
             FROM {{weirds}} GROUP BY kind ORDER BY times DESC, kind LIMIT {n}"
        ),
    )?;
    for row in &mut weirds.rows {
        let Some(Cell::Text(kind)) = row.first() else { continue };
        let meaning = WeirdKind::ALL.iter().find(|k| k.name() == kind).map(|k| k.sentence());
        if let (Some(meaning), Some(cell)) = (meaning, row.get_mut(1)) {
            *cell = Cell::Text(meaning.to_owned());
        }
    }
    let caps = cx.ask.table(
        "limits",
        "Limits of the program that were reached",
        &[
            col("path", "Capture", Kind::Text),
            col("limit", "Limit", Kind::Text),
            col("times", "Times", Kind::Count),
        ],
        &format!(
            "SELECT path, x.name AS limit, x.count AS times, count(*) OVER () AS total
             FROM (SELECT path, capture_id, unnest(caps_hit) AS x FROM {{captures}}) ORDER BY times DESC, path, capture_id, x.name LIMIT {n}"
        ),
    )?;
    let lost = cx.ask.table(
        "lost_minutes",
        "Minutes in which a live capture lost packets, the worst first",
        &[
            col("ts", "Minute (UTC)", Kind::Time),
            col("device", "Device", Kind::Text),
            col("packets", "Packets", Kind::Count),
            col("kernel", "Lost by the kernel", Kind::Count),
            col("interface", "Lost by the interface", Kind::Count),
            col("here", "Left behind here", Kind::Count),
            col("capture_id", "capture_id", Kind::Id),
        ],
        &format!(
            "SELECT epoch_ns(ts) AS ts, device, sum(packets) AS packets, sum(dropped_kernel) AS kernel, sum(dropped_interface) AS interface,
                    sum(dropped_here) AS here, capture_id, count(*) OVER () AS total
             FROM {{capture_intervals}} GROUP BY ALL HAVING kernel + interface + here > 0
             ORDER BY kernel + interface + here DESC, ts, device, capture_id LIMIT {n}"
        ),
    )?;
    let mut blocks = vec![Block::Table(captures)];
    // Of files nobody counted by the minute, and most minutes lose nothing.
    if !lost.rows.is_empty() {
        blocks.push(Block::Table(lost));
    }
    blocks.extend([
        or_say(weirds, "No packet was odd."),
        or_say(caps, "No limit of the program was reached: nothing was left out for lack of room."),
    ]);
    Ok(blocks)
}
