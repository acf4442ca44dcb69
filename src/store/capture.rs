//! How does a capture enter the ledger, and when is it there already?
//!
//! Everything about captures that is SQL: numbers, the ledger rows, duplicates and deletion; what follows for hosts is in
//! [`super::hosts`]. Runs inside the transaction of the caller. Refuses to judge
//! sameness by name alone.

use super::connect::{ident, text, write_error};
use super::hosts;
use super::{StoreError, StoredCapture, capture_files, schema};
use crate::engine::sink::{CaptureStart, CaptureSummary};
use crate::model::ids::{CaptureId, CaptureNo};
use crate::model::ledger::{SourceLedger, Stop};
use crate::model::packet::LinkType;
use crate::model::time::Timestamp;
use duckdb::Connection;

/// Capture numbers have 23 bits in a flow id.
const MAX_CAPTURE_NO: i64 = 0x7f_ffff;

/// The time of day: the ledger says when a capture was read. The only clock of this floor.
#[expect(
    clippy::disallowed_methods,
    reason = "the ledger notes when a capture was read; nothing is computed from it"
)]
pub(super) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// The next capture number; never one that was given before.
pub(super) fn next_number(db: &Connection) -> Result<CaptureNo, StoreError> {
    db.execute_batch("UPDATE store_state SET last_capture_no = last_capture_no + 1").map_err(write_error)?;
    let no: i64 =
        db.query_row("SELECT last_capture_no FROM store_state", [], |r| r.get(0)).map_err(write_error)?;
    if no > MAX_CAPTURE_NO {
        return Err(StoreError::Write(
            "this database has had all the captures it can number; use another with --db PATH".to_owned(),
        ));
    }
    Ok(CaptureNo(no as u32))
}

/// The stored captures that match `condition`, oldest first.
fn find(db: &Connection, condition: &str) -> Result<Vec<StoredCapture>, StoreError> {
    let sql = format!(
        "SELECT capture_id, path, content_hash, status FROM captures WHERE {condition} ORDER BY capture_no"
    );
    let all = || -> duckdb::Result<Vec<StoredCapture>> {
        let mut stmt = db.prepare(&sql)?;
        let rows = stmt.query_map([], |r| {
            Ok(StoredCapture {
                capture_id: CaptureId(r.get(0)?),
                path: r.get::<_, Option<String>>(1)?.unwrap_or_default(),
                content_hash: r.get(2)?,
                status: r.get::<_, Option<String>>(3)?.unwrap_or_default(),
            })
        })?;
        rows.collect()
    };
    all().map_err(write_error)
}

/// The capture stored under an id.
pub(super) fn by_id(db: &Connection, id: CaptureId) -> Result<Option<StoredCapture>, StoreError> {
    Ok(find(db, &format!("capture_id = {}", id.0))?.into_iter().next())
}

/// The finished captures with packets in a period.
pub(super) fn within(
    db: &Connection,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<Vec<StoredCapture>, StoreError> {
    let mut condition = "status <> 'live' AND first_ts IS NOT NULL".to_owned();
    for (column, sign, at) in [("last_ts", ">=", since), ("first_ts", "<=", until)] {
        if at.is_some() {
            condition.push_str(&format!(" AND {column} {sign} {}", time(at)));
        }
    }
    find(db, &condition)
}

/// Delete every row of a capture.
pub(super) fn delete(db: &Connection, id: CaptureId) -> Result<(), StoreError> {
    let sql: String = schema::definitions()
        .iter()
        .filter(|t| t.of_captures())
        .map(|t| format!("DELETE FROM {} WHERE capture_id = {};\n", ident(t.name), id.0))
        .collect();
    db.execute_batch(&sql).map_err(write_error)
}

/// What to do with a capture that was read to its end.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Sameness {
    /// Nothing like it is stored (any more).
    New,
    /// The same content is stored under this path.
    Duplicate(String),
}

/// Look for the same content under another row; with `replace`, or when the stored one is a damaged beginning of this
/// one, the stored one is deleted.
pub(super) fn settle(
    db: &Connection,
    start: &CaptureStart,
    hash: Option<&str>,
    summary: &CaptureSummary,
) -> Result<Sameness, StoreError> {
    if let Some(hash) = hash {
        for other in find(db, &format!("content_hash = {}", text(hash)))? {
            if !start.replace {
                return Ok(Sameness::Duplicate(other.path));
            }
            // Rows of the same id were deleted when the capture began; deleting now would take the new ones.
            if other.capture_id != start.capture_id {
                delete(db, other.capture_id)?;
            }
        }
    }
    if let Some(other) = by_id(db, start.capture_id)? {
        return match (hash, other.content_hash) {
            (Some(_), Some(_)) => {
                Err(StoreError::SameIdentity { new: start.path.clone(), stored: other.path })
            }
            // Without a hash on either side the short identity is all there is.
            _ => Ok(Sameness::Duplicate(other.path)),
        };
    }
    // A file that was cut short and is whole now: the same place, the same first packet, and nothing less in it.
    let ledger = &summary.ledger;
    let beginning = format!(
        "status IN ('damaged', 'interrupted') AND path = {} AND sensor = {} AND first_ts = {} \
         AND packets <= {} AND file_bytes <= {} AND content_hash IS NOT NULL",
        text(&start.path),
        text(&start.sensor),
        time(summary.first_ts),
        ledger.packets(),
        file_bytes(ledger),
    );
    for other in find(db, &beginning)? {
        delete(db, other.capture_id)?;
    }
    Ok(Sameness::New)
}

/// The hash that names the content of all files together; none when a file has none.
pub(super) fn content_hash(ledger: &SourceLedger) -> Option<String> {
    match ledger.files.as_slice() {
        [] => None,
        [one] => one.content_hash.map(|h| blake3::Hash::from_bytes(h).to_hex().to_string()),
        many => {
            let mut all = blake3::Hasher::new();
            for f in many {
                all.update(&f.content_hash?);
            }
            Some(all.finalize().to_hex().to_string())
        }
    }
}

/// Write the ledger row of a capture that just began and is committed as it grows.
pub(super) fn insert_live(
    db: &Connection,
    start: &CaptureStart,
    no: CaptureNo,
    began: Timestamp,
) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO captures(capture_id, capture_no, path, sensor, status, started_at, continues) VALUES ({}, {}, {}, {}, 'live', {}, {})",
        start.capture_id.0,
        no.0,
        text(&start.path),
        text(&start.sensor),
        time(Some(began)),
        opt(start.continues.map(|c| c.0)),
    );
    db.execute_batch(&sql).map_err(write_error)
}

/// Write the ledger of a finished capture and what follows from its flows.
pub(super) fn insert_finished(
    db: &Connection,
    start: &CaptureStart,
    no: CaptureNo,
    began: Timestamp,
    hash: Option<&str>,
    s: &CaptureSummary,
) -> Result<(), StoreError> {
    let mut sql = format!("DELETE FROM captures WHERE capture_id = {};\n", start.capture_id.0);
    sql.push_str(&insert("captures", &capture_row(start, no, began, hash, s)));
    db.execute_batch(&sql).map_err(write_error)?;
    capture_files::finished(db, start.capture_id, &s.ledger)?;
    hosts::conclude(db, start.capture_id, &start.sensor)
}

/// Bring the ledger row of a stream up to date, and those of its files; `noted` is what they say.
pub(super) fn update_live(
    db: &Connection,
    start: &CaptureStart,
    no: CaptureNo,
    began: Timestamp,
    s: &CaptureSummary,
    noted: &mut capture_files::Noted,
) -> Result<(), StoreError> {
    let fixed = ["capture_id", "capture_no", "status", "content_hash", "started_at", "finished_at"];
    let sets: Vec<String> = capture_row(start, no, began, None, s)
        .into_iter()
        .filter(|(column, _)| !fixed.contains(column))
        .map(|(column, value)| format!("{} = {value}", ident(column)))
        .collect();
    let sql = format!("UPDATE captures SET {} WHERE capture_id = {}", sets.join(", "), start.capture_id.0);
    db.execute_batch(&sql).map_err(write_error)?;
    capture_files::update(db, start.capture_id, &s.ledger, noted)
}

pub(super) type Row = Vec<(&'static str, String)>;

pub(super) fn insert(table: &str, row: &Row) -> String {
    let (columns, values): (Vec<String>, Vec<&str>) = row.iter().map(|(c, v)| (ident(c), v.as_str())).unzip();
    format!("INSERT INTO {table}({}) VALUES ({});\n", columns.join(", "), values.join(", "))
}

fn capture_row(
    start: &CaptureStart,
    no: CaptureNo,
    began: Timestamp,
    hash: Option<&str>,
    s: &CaptureSummary,
) -> Row {
    let ledger = &s.ledger;
    let first = ledger.files.first();
    let interfaces = || ledger.files.iter().flat_map(|f| &f.interfaces);
    let mut links: Vec<String> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for i in interfaces() {
        let link = link_name(i.link);
        if !links.contains(&link) {
            links.push(link);
        }
        if let Some(n) = &i.name
            && !names.contains(n)
        {
            names.push(n.clone());
        }
    }
    let dropped = interfaces().filter_map(|i| i.dropped).reduce(u64::saturating_add);
    let snaplen = interfaces().map(|i| i.snaplen).filter(|&n| n > 0).max();
    let damage = ledger.damage();
    let caps: Vec<String> = s
        .caps_hit
        .iter()
        .map(|(name, n)| format!("{{'name': {}, 'count': {n}::UBIGINT}}", text(name)))
        .collect();
    let nets: Vec<String> = s.local_nets.iter().map(ToString::to_string).collect();
    vec![
        ("capture_id", start.capture_id.0.to_string()),
        ("capture_no", no.0.to_string()),
        ("path", text(&start.path)),
        ("content_hash", opt_text(hash)),
        ("format", opt_text(first.map(|f| f.format).filter(|f| !f.is_empty()))),
        ("compression", opt_text(first.and_then(|f| f.compression))),
        ("link_types", list(&links)),
        ("interfaces", list(&names)),
        ("sensor", text(&start.sensor)),
        ("snaplen", opt(snaplen)),
        ("packets", ledger.packets().to_string()),
        ("bytes", s.wire_bytes.to_string()),
        ("file_bytes", file_bytes(ledger).to_string()),
        ("first_ts", time(s.first_ts)),
        ("last_ts", time(s.last_ts)),
        ("decoded_packets", s.decoded_packets.to_string()),
        ("truncated_packets", s.truncated_packets.to_string()),
        ("unknown_link_packets", s.unknown_link_packets.to_string()),
        ("out_of_order_packets", s.out_of_order_packets.to_string()),
        ("filtered_packets", ledger.filtered.to_string()),
        ("dropped_packets", opt(dropped)),
        ("weird_count", s.weird_count.to_string()),
        ("flows", s.flows.to_string()),
        ("local_nets", list(&nets)),
        ("local_nets_source", opt_text(Some(s.local_nets_source).filter(|v| !v.is_empty()))),
        ("caps_hit", format!("[{}]", caps.join(", "))),
        ("status", text(status(ledger.files.iter().map(|f| &f.stop)))),
        ("stop_reason", opt_text(damage.map(|(_, reason, _)| reason))),
        ("stop_offset", opt(damage.map(|(_, _, offset)| offset))),
        ("started_at", time(Some(began))),
        ("finished_at", time(Some(now()))),
        ("continues", opt(start.continues.map(|c| c.0))),
    ]
}

/// The worst of what files say: damage, then an early stop.
pub(super) fn status<'a>(stops: impl Iterator<Item = &'a Stop>) -> &'static str {
    let mut worst = "complete";
    for s in stops {
        match s {
            Stop::Damaged { .. } => return "damaged",
            Stop::Interrupted | Stop::Reading => worst = "interrupted",
            Stop::End | Stop::NotKept { .. } => {}
        }
    }
    worst
}

/// Captures that a killed process left `live` become `interrupted`; what follows from their rows is filled in.
pub(super) fn mark_interrupted(db: &Connection) -> Result<(), StoreError> {
    let left = find(db, "status = 'live'")?;
    for c in &left {
        let id = c.capture_id.0;
        let sql = format!(
            "BEGIN; UPDATE captures SET status = 'interrupted', stop_reason = 'the process that wrote it was ended', \
             finished_at = {now}, flows = (SELECT count(*) FROM flows WHERE capture_id = {id}), \
             first_ts = coalesce(first_ts, (SELECT min(first_ts) FROM flows WHERE capture_id = {id})), \
             last_ts = greatest(last_ts, (SELECT max(last_ts) FROM flows WHERE capture_id = {id})) WHERE capture_id = {id}; \
             UPDATE capture_files SET status = 'interrupted' WHERE capture_id = {id} AND status = 'live';",
            now = time(Some(now())),
        );
        let sensor: String = db
            .query_row(
                "SELECT coalesce(any_value(sensor), '') FROM captures WHERE capture_id = ?",
                [id],
                |r| r.get(0),
            )
            .map_err(write_error)?;
        let done = db
            .execute_batch(&sql)
            .map_err(write_error)
            .and_then(|()| hosts::conclude(db, c.capture_id, &sensor))
            .and_then(|()| db.execute_batch("COMMIT").map_err(write_error));
        if done.is_err() {
            let _ = db.execute_batch("ROLLBACK"); // the first error is the one to tell
        }
        done?;
    }
    Ok(())
}

fn file_bytes(ledger: &SourceLedger) -> u64 {
    ledger.files.iter().map(|f| f.bytes).fold(0, u64::saturating_add)
}

fn time(ts: Option<Timestamp>) -> String {
    match ts {
        Some(t) => format!("make_timestamp_ns({})", t.0.clamp(-i64::MAX + 1, i64::MAX - 1)),
        None => "NULL".to_owned(),
    }
}

pub(super) fn opt(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |v| v.to_string())
}

pub(super) fn opt_text(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), text)
}

pub(super) fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|s| text(s)).collect();
    format!("[{}]::VARCHAR[]", items.join(", "))
}

/// Names of the link types that are decoded (tcpdump group's LINKTYPE_ list, lower case); else the number.
fn link_name(link: LinkType) -> String {
    let name = match link.0 {
        0 => "null",
        1 => "ethernet",
        9 => "ppp",
        12 | 14 | 101 => "raw",
        50 => "ppp_hdlc",
        51 => "pppoe",
        104 => "c_hdlc",
        105 => "ieee802_11",
        108 => "loop",
        113 => "linux_sll",
        127 => "ieee802_11_radiotap",
        192 => "ppi",
        228 => "ipv4",
        229 => "ipv6",
        239 => "nflog",
        258 => "pktap",
        276 => "linux_sll2",
        n => return n.to_string(),
    };
    name.to_owned()
}
