//! Do rows become findings, does a mistake stay where it was made, and does a run replace the one before?

use super::super::tests::{Folder, flow_rows, start, summary};
use super::*;
use crate::engine::sink::{CaptureSummary, Sink as _};
use crate::model::kind;
use crate::store::{Store, Writer};

fn detection(name: &str, sql: &str) -> Detection {
    Detection {
        name: name.to_owned(),
        origin: format!("my/{name}.sql"),
        sql: sql.to_owned(),
        kinds: vec![&kind::BEACON, &kind::STROBE],
        technique: None,
        severity: None,
        horizon: 0,
        tables: vec![vec![("flows".to_owned(), 1)]],
        only: Vec::new(),
        needs_history: false,
        trusted: false,
        params: vec![("n".to_owned(), Some("1".to_owned()))],
        confidence_threshold: 0.5,
        expected: Expected::default(),
    }
}

/// Everything that a row may say.
const FULL: &str = "SELECT min(first_ts) AS first_ts, max(last_ts) AS last_ts, src_ip, any_value(dst_ip) AS dst_ip, 443 AS dst_port, 'tcp' AS protocol,
    'strobe' AS kind, 'high' AS severity, count(*) AS count, 'a.example' AS about, 'It calls' AS title,
    [{'name': 'calls', 'value': count(*), 'threshold': $n::BIGINT, 'weight': 0.6}, NULL] AS reasons,
    list(flow_id ORDER BY flow_id) AS flow_ids, '{\"a\": 1, \"b\": null}' AS details, true AS src_internal, false AS dst_internal
    FROM flows WHERE capture_id = $capture::BIGINT AND first_ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
      AND capture_id IN (SELECT unnest($captures::BIGINT[])) GROUP BY src_ip;";

pub(super) fn ingest(store: &Store, writer: &mut Writer, id: i64, flows: u64) {
    let no = writer.begin(&start(id)).unwrap();
    writer.rows(flow_rows(CaptureId(id), no, 0..flows)).unwrap();
    let s = summary(&id.to_string());
    let (first, last) = (Timestamp(0), Timestamp(i64::MAX / 2));
    writer.commit(&CaptureSummary { first_ts: Some(first), last_ts: Some(last), flows, ..s }).unwrap();
    assert!(store.capture(CaptureId(id)).unwrap().is_some());
}

fn ask_one(folder: &Folder, sql: &str) -> String {
    let reader = folder.reader();
    let mut text = String::new();
    let mut stmt = reader.db_for_tests().prepare(sql).unwrap();
    let mut rows = stmt.query([]).unwrap();
    while let Some(r) = rows.next().unwrap() {
        text.push_str(&r.get::<_, String>(0).unwrap());
        text.push('\n');
    }
    text
}

#[test]
fn rows_become_findings_when_a_capture_is_committed() {
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    w.detect_with(vec![detection("calls", FULL)]).unwrap();
    ingest(&store, &mut w, 7, 50);
    let outcomes = w.outcomes().unwrap();
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].error, None);
    assert!(outcomes[0].run.findings >= 1);
    drop(w);
    store.close().unwrap();
    let rows = ask_one(
        &f,
        "SELECT concat_ws('|', detector, kind, severity, dst_port, protocol, direction, technique, title, reasons[1].name, len(reasons), details,
                len(flow_ids) <= 25, confidence, status) FROM anomalies ORDER BY score DESC LIMIT 1",
    );
    assert_eq!(rows, "calls|strobe|high|443|tcp|outbound|T1071|It calls|calls|1|{\"a\":1}|true|0.6|open\n");
    let run = ask_one(
        &f,
        "SELECT concat_ws('|', detector, parameters, duration_s > 0, findings > 0) FROM detector_runs",
    );
    assert_eq!(run, "calls|{\"n\":\"1\"}|true|true\n");
}

#[test]
fn what_lacked_memory_beside_another_is_asked_again_alone() {
    let f = Folder::new();
    let store = f.store();
    store.db.execute_batch("CREATE SEQUENCE tries").unwrap();
    let mut w = store.writer().unwrap();
    let greedy = FULL.replace("FROM flows WHERE", "FROM flows, tried WHERE n > 0 AND");
    let greedy = format!(
        "WITH tried AS MATERIALIZED (SELECT CASE WHEN nextval('tries') = 1 THEN error('Out of Memory Error: said once')::INT ELSE 1 END AS n) {greedy}"
    );
    let greedy = Detection { trusted: true, ..detection("greedy", &greedy) };
    w.detect_with(vec![greedy, detection("calls", FULL)]).unwrap();
    ingest(&store, &mut w, 7, 50);
    let outcomes = w.outcomes().unwrap();
    let told: Vec<_> = outcomes.iter().map(|o| (&*o.run.detector, o.error.as_deref())).collect();
    assert_eq!(told, [("greedy", None), ("calls", None)]);
    assert_eq!(outcomes[0].run.findings, outcomes[1].run.findings);
    let tries: i64 = store.db.query_row("SELECT nextval('tries')", [], |r| r.get(0)).unwrap();
    assert_eq!(tries, 3, "asked twice");
}

#[test]
fn a_mistake_costs_neither_the_capture_nor_the_others() {
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    let bad = [
        ("no_table", "SELECT first_ts,\n last_ts, src_ip\nFROM flow"),
        ("conversion", "SELECT first_ts, last_ts, src_ip::INT AS src_ip FROM flows"),
        ("no_column", "SELECT first_ts, src_ip FROM flows"),
        ("writes", "DELETE FROM flows"),
        ("two", "SELECT 1; SELECT 2"),
        ("parameter", "SELECT first_ts, last_ts, src_ip FROM flows WHERE src_port = $port"),
        ("kind", "SELECT first_ts, last_ts, src_ip, 'dga' AS kind FROM flows"),
        ("address", "SELECT first_ts, last_ts, 'x' AS src_ip FROM flows"),
    ];
    let mut all: Vec<Detection> = bad.iter().map(|(name, sql)| detection(name, sql)).collect();
    all.push(detection("good", FULL));
    w.detect_with(all).unwrap();
    ingest(&store, &mut w, 7, 50);
    let outcomes = w.outcomes().unwrap();
    let error = |name: &str| {
        outcomes.iter().find(|o| o.run.detector == name).unwrap().error.clone().unwrap_or_default()
    };
    assert!(error("no_table").starts_with("my/no_table.sql: line 3: "), "{}", error("no_table"));
    assert!(error("conversion").contains("Could not convert"), "{}", error("conversion"));
    assert!(error("no_column").contains("no column last_ts"), "{}", error("no_column"));
    assert!(error("writes").contains("only one reading statement"), "{}", error("writes"));
    assert!(error("two").contains("2 statements"), "{}", error("two"));
    assert!(error("parameter").contains("$port"), "{}", error("parameter"));
    assert!(error("kind").contains("not named in its header"), "{}", error("kind"));
    assert!(error("address").contains("\"x\" is no address"), "{}", error("address"));
    assert_eq!(error("good"), "");
    drop(w);
    store.close().unwrap();
    assert_eq!(ask_one(&f, "SELECT count(*)::VARCHAR FROM flows"), "50\n");
    assert_eq!(ask_one(&f, "SELECT DISTINCT detector FROM anomalies"), "good\n");
    assert_eq!(
        ask_one(&f, "SELECT count(*)::VARCHAR FROM detector_runs WHERE parameters LIKE '%\"error\"%'"),
        "8\n"
    );
}

#[test]
fn a_run_on_demand_replaces_keeps_the_status_and_removes_what_no_longer_holds() {
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    w.detect_with(vec![detection("calls", FULL)]).unwrap();
    ingest(&store, &mut w, 7, 50);
    drop(w);
    store.db.execute_batch("UPDATE anomalies SET status = 'false_positive'").unwrap();
    let count = |status: &str| -> i64 {
        store.db.query_row("SELECT count(*) FROM anomalies WHERE status = ?", [status], |r| r.get(0)).unwrap()
    };
    let before = count("false_positive");
    assert!(before >= 1);
    let run = |d: &Detection, period: &Period, keep: bool| {
        store.detect(std::slice::from_ref(d), CaptureId(7), period, keep).unwrap().remove(0)
    };
    run(&detection("calls", FULL), &Period::default(), true);
    assert_eq!((count("false_positive"), count("open")), (before, 0));

    let none = FULL.replace("GROUP BY src_ip", "AND false GROUP BY src_ip");
    let rehearsal = run(&detection("calls", &none), &Period::default(), false);
    assert_eq!((rehearsal.run.findings, count("false_positive")), (0, before));
    let early = Period { since: None, until: Some(Timestamp(-1)) };
    assert_eq!(
        run(&detection("calls", &none), &early, true).removed,
        0,
        "outside of the period nothing was looked for"
    );
    assert_eq!(run(&detection("calls", &none), &Period::default(), true).removed, before as u64);
    assert_eq!(count("false_positive"), 0);
    assert_eq!(store.captures_in(&Period::default()).unwrap().len(), 1);
    assert_eq!(store.captures_in(&early).unwrap().len(), 0);
}

#[test]
fn what_a_killed_process_left_due_is_done_by_the_next() {
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    ingest(&store, &mut w, 7, 50);
    drop(w);
    due(&store.db, CaptureId(7), &[detection("calls", FULL)]).unwrap();
    let mut w = store.writer().unwrap();
    w.detect_with(vec![detection("calls", FULL)]).unwrap();
    ingest(&store, &mut w, 8, 5);
    drop(w);
    let captures: i64 =
        store.db.query_row("SELECT count(DISTINCT capture_id) FROM anomalies", [], |r| r.get(0)).unwrap();
    let waiting: i64 = store
        .db
        .query_row("SELECT count(*) FROM detector_runs WHERE duration_s IS NULL", [], |r| r.get(0))
        .unwrap();
    assert_eq!((captures, waiting), (2, 0));
}

#[test]
fn what_has_nothing_to_look_at_is_not_asked() {
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    for id in [1, 2] {
        ingest(&store, &mut w, id, 2);
    }
    drop(w);
    store.db.execute_batch("UPDATE captures SET sensor = '' WHERE capture_id = 1").unwrap();
    let rows = |n: u64| vec![vec![("dns".to_owned(), 1), ("flows".to_owned(), n)]];
    let asked = |d: &Detection, id: i64| {
        let scope = Scope::of(&store.db, CaptureId(id)).unwrap().unwrap();
        worth::asking(&store.db, std::slice::from_ref(d), &scope, &Period::default()).unwrap()
    };
    let plain = detection("calls", FULL);
    assert_eq!(asked(&Detection { tables: rows(2), ..plain.clone() }, 1), [true]);
    assert_eq!(asked(&Detection { tables: rows(3), ..plain.clone() }, 1), [false]);
    assert_eq!(asked(&Detection { needs_history: true, ..plain.clone() }, 1), [false]);
    store.db.execute_batch("UPDATE captures SET sensor = 'lab'").unwrap();
    let joined = Detection { tables: rows(3), horizon: 86_400_000_000_000, needs_history: true, ..plain };
    assert_eq!(asked(&joined, 1), [true], "with others, what one capture lacks another may have");
    // Conditions look at the rows of all that are joined.
    let only = |condition: &str| {
        let only = vec![vec![
            ("dns".to_owned(), "count(*) > 99".to_owned()),
            ("flows".to_owned(), condition.to_owned()),
        ]];
        asked(&Detection { only, ..joined.clone() }, 1)
    };
    assert_eq!(only("count(*) >= $n::BIGINT + 3"), [true], "four in both");
    assert_eq!(only("count(*) >= $n::BIGINT + 4"), [false]);
    assert_eq!(only("max(NULL::BOOLEAN)"), [false], "unknown is not met");
    assert_eq!(only("count(*) < 0 -- a comment"), [false]);
    for broken in [
        "no_such_column > 3",
        "count(*) >",
        "nextval('x') > 0",
        "true) FROM flows; DELETE FROM flows; (SELECT true",
    ] {
        assert_eq!(only(broken), [true], "{broken}: the detection itself is asked");
    }
    let flows: i64 = store.db.query_row("SELECT count(*) FROM flows", [], |r| r.get(0)).unwrap();
    assert_eq!(flows, 4);
}

#[test]
fn only_captures_of_the_same_named_sensor_are_joined() {
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    for id in [1, 2, 3] {
        ingest(&store, &mut w, id, 2);
    }
    drop(w);
    store.db.execute_batch("UPDATE captures SET sensor = '' WHERE capture_id = 3").unwrap();
    let joined = |id: i64| {
        let scope = Scope::of(&store.db, CaptureId(id)).unwrap().unwrap();
        let (since, until) = scope.bounds(86_400_000_000_000, &Period::default());
        scope.joined(&store.db, since, until).unwrap().to_vec()
    };
    assert_eq!(joined(1), [1, 2]);
    assert_eq!(joined(3), [3]);
    // A stream that was cut is one network, named or not.
    store.db.execute_batch("UPDATE captures SET sensor = '', continues = nullif(capture_id - 1, 0)").unwrap();
    assert_eq!((joined(1), joined(2), joined(3)), (vec![1], vec![1, 2], vec![1, 2, 3]));
    assert!(Scope::of(&store.db, CaptureId(99)).unwrap().is_none());
}
