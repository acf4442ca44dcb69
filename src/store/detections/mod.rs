//! How does a question in SQL become findings?
//!
//! A [`Detection`] is handed down as plain data by the floor that reads the files. It is one reading statement; its rows become anomalies, with
//! confidence, score and identity computed as for every other detector. Questions are asked outside of any transaction, answers are
//! written in one: in DuckDB an error of a statement undoes the transaction around it, and a mistake in a rule must not cost the capture that
//! was read for hours. So a capture is committed with its detections noted as due (`detector_runs` without a duration), and what a killed
//! process left due is done when the next capture is written. Refuses statements that write.

mod beside;
mod rows;

use super::connect::{sentence, text, write_error};
use super::{StoreError, anomalies, guard};
use crate::detect::Expected;
use crate::model::anomaly::{Anomaly, DetectorRun, Severity};
use crate::model::ids::CaptureId;
use crate::model::kind::Kind;
use crate::model::time::Timestamp;
use crate::topology::Subnets;
use duckdb::{Connection, params_from_iter};
use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Findings kept of one detection over one capture, the highest scores: more are no longer read by anybody. The others are counted.
const MAX_FINDINGS: usize = 1_000;

/// Rows taken from one detection over one capture: a rule without a threshold must not fill the memory. The others are counted as one.
const MAX_ROWS: usize = 50_000;

/// Longest run of one detection over one capture. The shipped ones take a tenth of a second for a million flows; what takes longer than this
/// is a join without a condition.
const MAX_TIME: Duration = Duration::from_secs(600);

/// A question whose rows are findings.
#[derive(Clone, PartialEq, Debug)]
pub struct Detection {
    /// As in `anomalies.detector`.
    pub name: String,
    /// File it comes from, for messages.
    pub origin: String,
    /// One reading statement.
    pub sql: String,
    /// Kinds its rows may have; the first one where they do not say.
    pub kinds: Vec<&'static Kind>,
    /// ATT&CK technique instead of the kind's.
    pub technique: Option<String>,
    /// Severity instead of the kind's, where rows do not say.
    pub severity: Option<Severity>,
    /// How far back it looks from the end of the capture, nanoseconds; 0: the capture alone.
    pub horizon: i64,
    /// Rows that must be there, or it need not be asked: all of these, each as one of several tables with a number of rows. The numbers
    /// hold for a capture that stands alone; joined with others, one row suffices.
    pub tables: Vec<Vec<(String, u64)>>,
    /// Does it say nothing without earlier captures of the same sensor?
    pub needs_history: bool,
    /// Comes with the program: known to be one reading statement.
    pub trusted: bool,
    /// Values of its own parameters.
    pub params: Vec<(String, Option<String>)>,
    /// Findings below this confidence are dropped.
    pub confidence_threshold: f64,
    /// Which findings are meant to be.
    pub expected: Expected,
}

/// Between which packet times to look; `None`: as far as the capture and the horizon reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Period {
    /// From then on.
    pub since: Option<Timestamp>,
    /// Until then.
    pub until: Option<Timestamp>,
}

/// What one detection said about one capture.
#[derive(Debug)]
pub struct Outcome {
    /// What was found, highest score first.
    pub found: Vec<Anomaly>,
    /// What ran.
    pub run: DetectorRun,
    /// Earlier findings that no longer hold, and were removed.
    pub removed: u64,
    /// Why it did not run: file, line and reason.
    pub error: Option<String>,
}

impl Outcome {
    /// Nothing there to ask about.
    fn unasked(d: &Detection) -> Self {
        let run = DetectorRun {
            detector: d.name.clone().into(),
            parameters: d.params.iter().map(|(n, v)| (n.clone(), v.clone().into())).collect(),
            duration_s: 0.0,
            findings: 0,
            evicted: 0,
        };
        Self { found: Vec::new(), run, removed: 0, error: None }
    }

    /// Their answers could not be written.
    pub(super) fn failed(why: String) -> Self {
        let run = DetectorRun {
            detector: "".into(),
            parameters: serde_json::Map::new(),
            duration_s: 0.0,
            findings: 0,
            evicted: 0,
        };
        Self { found: Vec::new(), run, removed: 0, error: Some(format!("detections: {why}")) }
    }
}

/// A capture and what is joined with it.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) capture: CaptureId,
    first: i64,
    last: i64,
    sensor: String,
    pub(super) subnets: Subnets,
}

impl Scope {
    /// Of a stored capture; `None` when it is not there or has no packets.
    pub(super) fn of(db: &Connection, capture: CaptureId) -> Result<Option<Self>, StoreError> {
        let read = db.query_row(
            "SELECT epoch_ns(first_ts), epoch_ns(last_ts), coalesce(sensor, ''), array_to_string(coalesce(local_nets, []), ' ')
             FROM captures WHERE capture_id = ? AND first_ts IS NOT NULL AND last_ts IS NOT NULL",
            [capture.0],
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get::<_, String>(3)?)),
        );
        match read {
            Ok((first, last, sensor, nets)) => {
                let nets = nets.split(' ').filter_map(|n| n.parse().ok()).collect();
                Ok(Some(Self { capture, first, last, sensor, subnets: Subnets::new(nets, "stored") }))
            }
            Err(duckdb::Error::QueryReturnedNoRows) => Ok(None),
            Err(e) => Err(write_error(e)),
        }
    }

    /// Begin and end of what a detection looks at.
    fn bounds(&self, horizon: i64, period: &Period) -> (i64, i64) {
        let until = period.until.map_or(self.last, |t| t.0.min(self.last));
        let since = self.first.min(until.saturating_sub(horizon));
        (period.since.map_or(since, |t| t.0.max(since)), until)
    }

    /// The captures joined with it: those before it of the same stream and those of the same named sensor, within the bounds; itself in any case.
    fn joined(&self, db: &Connection, since: i64, until: i64) -> duckdb::Result<Vec<i64>> {
        let sql = format!(
            "WITH RECURSIVE stream AS (SELECT capture_id, continues FROM captures WHERE capture_id = {id} \
             UNION ALL SELECT c.capture_id, c.continues FROM captures c JOIN stream s ON c.capture_id = s.continues \
             WHERE coalesce(epoch_ns(c.last_ts), {since}) >= {since}) \
             SELECT capture_id FROM captures WHERE capture_id = {id} OR ((capture_id IN (SELECT capture_id FROM stream) \
             OR (sensor = {sensor} AND sensor <> '')) AND status <> 'live' \
             AND epoch_ns(last_ts) >= {since} AND epoch_ns(first_ts) <= {until}) ORDER BY capture_no",
            id = self.capture.0,
            sensor = text(&self.sensor),
        );
        let mut stmt = db.prepare(&sql)?;
        let ids = stmt.query_map([], |r| r.get(0))?;
        ids.collect()
    }
}

/// Ask. Nothing is written; an error is part of the outcome.
pub(super) fn ask(db: &Connection, d: &Detection, scope: &Scope, period: &Period) -> Outcome {
    let began = Instant::now();
    let mut run = DetectorRun {
        detector: d.name.clone().into(),
        parameters: serde_json::Map::new(),
        duration_s: 0.0,
        findings: 0,
        evicted: 0,
    };
    for (name, value) in &d.params {
        run.parameters.insert(name.clone(), value.clone().into());
    }
    let checked = if d.trusted { Ok(()) } else { guard::check(db, &d.sql, false) };
    let answer =
        checked.map_err(|e| e.to_string()).and_then(|()| watched(db, || answers(db, d, scope, period)));
    run.duration_s = began.elapsed().as_secs_f64();
    let (found, error) = match answer {
        Ok((mut found, left)) => {
            found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
            run.evicted = left + found.len().saturating_sub(MAX_FINDINGS) as u64;
            found.truncate(MAX_FINDINGS);
            run.findings = found.len() as u64;
            (found, None)
        }
        Err(reason) => {
            run.parameters.insert("error".to_owned(), reason.clone().into());
            (Vec::new(), Some(format!("{}: {reason}", d.origin)))
        }
    };
    Outcome { found, run, removed: 0, error }
}

/// Run with a limit of time.
fn watched<T>(db: &Connection, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let handle = db.interrupt_handle();
    let (done, waiting) = channel::<()>();
    std::thread::scope(|s| {
        s.spawn(move || {
            if waiting.recv_timeout(MAX_TIME) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// The findings, each once, and how many rows were left unread.
fn answers(
    db: &Connection,
    d: &Detection,
    scope: &Scope,
    period: &Period,
) -> Result<(Vec<Anomaly>, u64), String> {
    let told = |e: duckdb::Error| said(&e);
    let (since, until) = scope.bounds(d.horizon, period);
    let captures = scope.joined(db, since, until).map_err(told)?;
    let mut stmt = db.prepare(&d.sql).map_err(told)?;
    let mut values: Vec<Option<String>> = Vec::new();
    for i in 1..=stmt.parameter_count() {
        let name = stmt.parameter_name(i).map_err(told)?;
        values.push(match name.as_str() {
            "capture" => Some(scope.capture.0.to_string()),
            "captures" => {
                Some(format!("[{}]", captures.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")))
            }
            "since" => Some(stamp(since)),
            "until" => Some(stamp(until)),
            other => d.params.iter().find(|(n, _)| n == other).map(|(_, v)| v.clone()).ok_or_else(|| {
                format!("${other} is no parameter of its header, nor one that every detection has")
            })?,
        });
    }
    let mut result = stmt.query(params_from_iter(values)).map_err(told)?;
    let columns =
        rows::Columns::of(result.as_ref().map(duckdb::Statement::column_names).unwrap_or_default())?;
    let mut found: BTreeMap<i64, Anomaly> = BTreeMap::new();
    let (mut read, mut left) = (0_usize, 0);
    while let Some(row) = result.next().map_err(told)? {
        read += 1;
        if read > MAX_ROWS {
            left = 1;
            break;
        }
        let a = columns.anomaly(row, d, scope).map_err(|e| format!("row {read}: {e}"))?;
        if a.confidence < d.confidence_threshold {
            continue;
        }
        match found.get(&a.id.0) {
            Some(known) if known.score >= a.score => {}
            _ => {
                found.insert(a.id.0, a);
            }
        }
    }
    Ok((found.into_values().collect(), left))
}

/// A time as the casts read it: UTC, no zone.
fn stamp(ns: i64) -> String {
    Timestamp(ns).to_string().replace('T', " ").replace('Z', "")
}

/// DuckDB's error with the line it stands on, as lines of the file.
fn said(e: &duckdb::Error) -> String {
    let full = match e {
        duckdb::Error::DuckDBFailure(_, Some(m)) => m.clone(),
        other => other.to_string(),
    };
    let line = full.split_once("LINE ").and_then(|(_, rest)| rest.split_once(':')).map(|(n, _)| n.trim());
    match line.filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
        Some(n) => format!("line {n}: {}", sentence(e)),
        None => sentence(e),
    }
}

/// Note that detections are due over a capture, inside its transaction.
pub(super) fn due(db: &Connection, capture: CaptureId, all: &[Detection]) -> Result<(), StoreError> {
    if all.is_empty() {
        return Ok(());
    }
    let rows: Vec<String> =
        all.iter().map(|d| format!("({}, {}, '{{}}')", capture.0, text(&d.name))).collect();
    db.execute_batch(&format!(
        "INSERT INTO detector_runs(capture_id, detector, parameters) VALUES {}",
        rows.join(", ")
    ))
    .map_err(write_error)
}

/// The captures over which something is due, oldest first: committed and not asked about yet, or streams whose process ended before it
/// could ask at their end.
pub(super) fn left_due(db: &Connection) -> Result<Vec<CaptureId>, StoreError> {
    let read = || -> duckdb::Result<Vec<CaptureId>> {
        let mut stmt = db.prepare(
            "SELECT c.capture_id FROM captures c WHERE c.status <> 'live' AND c.capture_id IN \
             (SELECT capture_id FROM detector_runs WHERE duration_s IS NULL) \
             OR (c.status = 'interrupted' AND c.content_hash IS NULL AND c.first_ts IS NOT NULL AND NOT EXISTS \
             (FROM detector_runs r WHERE r.capture_id = c.capture_id AND r.started_at >= c.finished_at)) ORDER BY c.capture_no",
        )?;
        let ids = stmt.query_map([], |r| r.get(0).map(CaptureId))?;
        ids.collect()
    };
    read().map_err(write_error)
}

/// Need these detections be asked over a capture at all? By position. Planning a statement takes longer than running it over a small
/// capture, and folders hold thousands of those.
fn worth_asking(db: &Connection, all: &[Detection], scope: &Scope) -> Result<Vec<bool>, StoreError> {
    let mut known: BTreeMap<(&str, u64), bool> = BTreeMap::new();
    let mut joined: BTreeMap<i64, bool> = BTreeMap::new();
    let mut out = Vec::with_capacity(all.len());
    for d in all {
        let with_others = match joined.get(&d.horizon) {
            Some(yes) => *yes,
            None => {
                let (since, until) = scope.bounds(d.horizon, &Period::default());
                let yes = d.horizon > 0 && scope.joined(db, since, until).map_err(write_error)?.len() > 1;
                joined.insert(d.horizon, yes);
                yes
            }
        };
        let mut worth = with_others || !d.needs_history;
        for choice in &d.tables {
            let mut any = false;
            for (table, rows) in choice {
                let rows = if with_others { 1 } else { (*rows).max(1) };
                any |= match known.get(&(table.as_str(), rows)) {
                    Some(there) => *there,
                    None => {
                        let sql = format!(
                            "SELECT count(*) >= {rows} FROM (SELECT 1 FROM {} WHERE capture_id = {} LIMIT {rows})",
                            super::connect::ident(table),
                            scope.capture.0
                        );
                        // Lists of indicators belong to no capture; nothing in them, nothing to ask. A table that is not there: the
                        // statement itself will say so better.
                        let any = format!("SELECT EXISTS (FROM {})", super::connect::ident(table));
                        let ask = |sql: &str| db.query_row(sql, [], |r| r.get(0));
                        let there = ask(&sql).or_else(|_| ask(&any)).unwrap_or(true);
                        known.insert((table, rows), there);
                        there
                    }
                };
            }
            worth &= any;
        }
        out.push(worth);
    }
    Ok(out)
}

/// Ask all over one stored capture, `two` at once if there is a core for each, and keep the answers, unless it is only a rehearsal.
pub(super) fn run_all(
    db: &Connection,
    all: &[Detection],
    capture: CaptureId,
    period: &Period,
    keep: bool,
    two: bool,
) -> Result<Vec<Outcome>, StoreError> {
    let scope = Scope::of(db, capture)?;
    let worth = scope.as_ref().map(|scope| worth_asking(db, all, scope)).transpose()?.unwrap_or_default();
    let mut answered = match &scope {
        Some(scope) => beside::ask_all(db, all, &worth, scope, period, two),
        None => BTreeMap::new(),
    };
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(all.len());
    for (i, d) in all.iter().enumerate() {
        outcomes.push(answered.remove(&i).unwrap_or_else(|| Outcome::unasked(d)));
    }
    if keep {
        db.execute_batch("BEGIN").map_err(write_error)?;
        let done = write(db, capture, period, &mut outcomes);
        match done {
            Ok(()) => db.execute_batch("COMMIT").map_err(write_error)?,
            Err(e) => {
                let _ = db.execute_batch("ROLLBACK"); // the first error is the one to tell
                return Err(e);
            }
        }
    }
    Ok(outcomes)
}

/// Inside a transaction: findings that no longer hold go, those that hold are written, and what ran is noted.
fn write(
    db: &Connection,
    capture: CaptureId,
    period: &Period,
    outcomes: &mut [Outcome],
) -> Result<(), StoreError> {
    let within = |column: &str, sign: &str, at: Option<Timestamp>| {
        at.map_or_else(String::new, |t| format!(" AND {column} {sign} make_timestamp_ns({})", t.0))
    };
    for o in outcomes.iter_mut().filter(|o| o.error.is_none()) {
        let ids: Vec<String> = o.found.iter().map(|a| a.id.0.to_string()).collect();
        let kept = if ids.is_empty() {
            String::new()
        } else {
            format!(" AND anomaly_id NOT IN ({})", ids.join(", "))
        };
        // With a period, only what lies within it was looked for.
        let removed = db
            .execute(
                &format!(
                    "DELETE FROM anomalies WHERE capture_id = {} AND detector = {}{kept}{}{}",
                    capture.0,
                    text(&o.run.detector),
                    within("first_ts", ">=", period.since),
                    within("last_ts", "<=", period.until),
                ),
                [],
            )
            .map_err(write_error)?;
        o.removed = removed as u64;
        anomalies::replace(db, &o.found)?;
    }
    let runs: Vec<DetectorRun> = outcomes.iter().map(|o| o.run.clone()).collect();
    anomalies::runs(db, capture, &runs)
}

#[cfg(test)]
mod shipped;
#[cfg(test)]
mod tests;
