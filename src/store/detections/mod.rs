//! How does a question in SQL become findings?
//!
//! A [`Detection`] is handed down as plain data by the floor that reads the files. It is one reading statement; its rows become anomalies, with
//! confidence, score and identity computed as for every other detector. Questions are asked outside of any transaction, answers are
//! written in one: in DuckDB an error of a statement undoes the transaction around it, and a mistake in a rule must not cost the capture that
//! was read for hours. So a capture is committed with its detections noted as due (`detector_runs` without a duration), and what a killed
//! process left due is done when the next capture is written. Refuses statements that write.

mod beside;
mod rows;
mod values;
mod worth;

use super::connect::{sentence, text, write_error};
use super::{StoreError, anomalies, guard};
use crate::detect::Expected;
use crate::model::anomaly::{Anomaly, DetectorRun, Severity};
use crate::model::ids::CaptureId;
use crate::model::kind::Kind;
use crate::model::time::Timestamp;
use crate::topology::Subnets;
use duckdb::{Connection, params_from_iter};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
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
    /// Conditions that hold where it finds anything: all of these, each as one of several tables with an expression over its rows, in all captures that
    /// are joined. They may have the parameters of the statement.
    pub only: Vec<Vec<(String, String)>>,
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

/// Captures that are joined with one, by the begin and end of what is looked at.
type Joined = BTreeMap<(i64, i64), Arc<[i64]>>;

/// A capture and what is joined with it.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) capture: CaptureId,
    first: i64,
    last: i64,
    sensor: String,
    /// Does it go on with a stream that was cut?
    continues: bool,
    pub(super) subnets: Subnets,
    /// What is joined with it, by bounds: most detections have the same.
    joined: Mutex<Joined>,
}

impl Scope {
    /// Of a stored capture; `None` when it is not there or has no packets.
    pub(super) fn of(db: &Connection, capture: CaptureId) -> Result<Option<Self>, StoreError> {
        let read = db.query_row(
            "SELECT epoch_ns(first_ts), epoch_ns(last_ts), coalesce(sensor, ''), array_to_string(coalesce(local_nets, []), ' '), continues IS NOT NULL
             FROM captures WHERE capture_id = ? AND first_ts IS NOT NULL AND last_ts IS NOT NULL",
            [capture.0],
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get::<_, String>(3)?, r.get(4)?)),
        );
        match read {
            Ok((first, last, sensor, nets, continues)) => {
                let nets = nets.split(' ').filter_map(|n| n.parse().ok()).collect();
                let subnets = Subnets::new(nets, "stored");
                Ok(Some(Self { capture, first, last, sensor, continues, subnets, joined: Mutex::default() }))
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
    fn joined(&self, db: &Connection, since: i64, until: i64) -> duckdb::Result<Arc<[i64]>> {
        if !self.continues && self.sensor.is_empty() {
            return Ok([self.capture.0].into());
        }
        let known = || self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(joined) = known().get(&(since, until)) {
            return Ok(Arc::clone(joined));
        }
        let joined: Arc<[i64]> = self.look_for_joined(db, since, until)?.into();
        known().insert((since, until), Arc::clone(&joined));
        Ok(joined)
    }

    fn look_for_joined(&self, db: &Connection, since: i64, until: i64) -> duckdb::Result<Vec<i64>> {
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
    let answer = watched(db, || answers(db, d, scope, period));
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
    let given = Given::of(db, d, scope, period).map_err(told)?;
    let sql = values::written(&d.sql, |name| given.get(name).flatten());
    if !d.trusted {
        guard::check(db, &sql, false).map_err(|e| e.to_string())?;
    }
    let mut stmt = db.prepare(&sql).map_err(told)?;
    let mut values = Vec::new();
    for i in 1..=stmt.parameter_count() {
        let name = stmt.parameter_name(i).map_err(told)?;
        values.push(given.get(&name).ok_or_else(|| {
            format!("${name} is no parameter of its header, nor one that every detection has")
        })?);
    }
    let mut result = stmt.query(params_from_iter(values.iter().map(Option::as_deref))).map_err(told)?;
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

/// The values of a detection's parameters over a capture.
struct Given<'d> {
    capture: i64,
    captures: Arc<[i64]>,
    since: i64,
    until: i64,
    own: &'d [(String, Option<String>)],
}

impl<'d> Given<'d> {
    fn of(db: &Connection, d: &'d Detection, scope: &Scope, period: &Period) -> duckdb::Result<Self> {
        let (since, until) = scope.bounds(d.horizon, period);
        let captures = scope.joined(db, since, until)?;
        Ok(Self { capture: scope.capture.0, captures, since, until, own: &d.params })
    }

    /// The captures, with commas between them.
    fn list(&self) -> String {
        self.captures.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
    }

    /// As DuckDB casts it; `None`: there is no such parameter.
    fn get(&self, name: &str) -> Option<Option<Cow<'d, str>>> {
        Some(match name {
            "capture" => Some(self.capture.to_string().into()),
            "captures" => Some(format!("[{}]", self.list()).into()),
            "since" => Some(stamp(self.since).into()),
            "until" => Some(stamp(self.until).into()),
            other => self.own.iter().find(|(n, _)| n == other)?.1.as_deref().map(Cow::from),
        })
    }
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
    let worth =
        scope.as_ref().map(|scope| worth::asking(db, all, scope, period)).transpose()?.unwrap_or_default();
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
    // Most have none, and a statement that deletes nothing costs as much as one that does.
    let sql = format!("SELECT DISTINCT detector FROM anomalies WHERE capture_id = {}", capture.0);
    let found_before =
        || -> duckdb::Result<BTreeSet<String>> { db.prepare(&sql)?.query_map([], |r| r.get(0))?.collect() };
    let found_before = found_before().map_err(write_error)?;
    for o in outcomes.iter_mut().filter(|o| o.error.is_none()) {
        if !found_before.contains(&*o.run.detector) {
            anomalies::replace(db, &o.found)?;
            continue;
        }
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
