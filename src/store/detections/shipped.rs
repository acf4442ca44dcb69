//! Do the shipped detections find what they should, stay quiet beside it, and run where our program is not?
//!
//! The cases lie in `tests/detections/`: rows that fire and near misses that must not, each with a sentence. The beacon score is compared with
//! the values that RITA 5 publishes in its tests, and with a second calculation made for this test alone.

use super::*;
use crate::report::detection::Detection as Parsed;
use crate::report::detections::SHIPPED;
use crate::store::schema;

const DAY: i64 = 86_400;

fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/detections")
}

fn case_file(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.sql")))
        .unwrap_or_else(|e| panic!("tests/detections/{name}.sql: {e}"))
}

fn database() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(&schema::tables_for_tests()).unwrap();
    db.execute_batch(&case_file("prelude")).unwrap();
    db
}

fn bound(name: &str, given: &[(&str, &str)]) -> Detection {
    let (_, sql) = SHIPPED.iter().find(|(n, _)| *n == name).unwrap();
    let given = given.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Parsed::parse(name, name, sql).unwrap().bind(&given, 0.5, &Expected::default()).unwrap()
}

fn found(db: &Connection, d: &Detection) -> Vec<Anomaly> {
    let scope = Scope::of(db, CaptureId(1)).unwrap().unwrap();
    let outcome = ask(db, d, &scope, &Period::default());
    assert_eq!(outcome.error, None, "{}", d.name);
    outcome.found
}

#[test]
fn each_fires_where_it_should_and_stays_quiet_beside_it() {
    let db = database();
    let mut wrong = Vec::new();
    for (name, _) in SHIPPED {
        let text = case_file(name);
        let (mut fires, mut quiet) = (0, 0);
        for case in text.split("-- fires: ").skip(1).flat_map(|part| {
            let mut parts = part.split("-- quiet: ");
            let first = parts.next().map(|p| (true, p));
            first.into_iter().chain(parts.map(|p| (false, p)))
        }) {
            let (fire, (title, sql)) = (case.0, case.1.split_once('\n').unwrap());
            db.execute_batch("BEGIN").unwrap();
            db.execute_batch(sql).unwrap_or_else(|e| panic!("{name}: {title}: {e}"));
            let d = bound(name, &[]);
            let rows = found(&db, &d);
            let scope = Scope::of(&db, CaptureId(1)).unwrap().unwrap();
            let worth = worth::asking(&db, std::slice::from_ref(&d), &scope, &Period::default()).unwrap();
            db.execute_batch("ROLLBACK").unwrap();
            if !rows.is_empty() && worth != [true] {
                wrong.push(format!("{name}: {title}: it would not have been asked"));
            }
            if rows.is_empty() == fire {
                wrong.push(format!("{name}: {title}: {} findings", rows.len()));
            }
            // `[medium]` before the title: the worst of them is as bad as that.
            if let Some((severity, _)) = title.strip_prefix('[').and_then(|t| t.split_once(']')) {
                let worst = rows.iter().map(|a| a.severity).max().map(|s| s.name());
                if worst != Some(severity) {
                    wrong.push(format!("{name}: {title}: {worst:?}"));
                }
            }
            for a in rows {
                assert!(
                    a.confidence >= 0.5 && !a.title.is_empty() && !a.reasons.is_empty(),
                    "{name}: {title}"
                );
            }
            if fire { fires += 1 } else { quiet += 1 }
        }
        assert!(fires > 0 && quiet > 0, "{name}: {fires} cases that fire, {quiet} near misses");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_answers_on_an_empty_database_and_is_one_reading_statement() {
    let db = database();
    for (name, sql) in SHIPPED {
        guard::check(&db, sql, false).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(found(&db, &bound(name, &[])), [], "{name}");
    }
}

#[test]
fn conditions_can_be_asked_and_keep_nothing_open() {
    let db = database();
    for (name, _) in SHIPPED {
        let d = bound(name, &[]);
        for (table, condition) in d.only.iter().flatten() {
            let value = |p: &str| {
                Some(
                    d.params
                        .iter()
                        .find(|(n, _)| n == p)
                        .and_then(|(_, v)| v.as_deref())
                        .unwrap_or("1")
                        .into(),
                )
            };
            let sql = format!("SELECT {}\nFROM {table}", values::written(condition, value));
            let said = db.query_row(&sql, [], |r| r.get::<_, Option<bool>>(0));
            assert_ne!(
                said.unwrap_or_else(|e| panic!("{name}: {condition}: {e}")),
                Some(true),
                "{name}: {condition}"
            );
        }
    }
}

#[test]
fn a_lower_threshold_is_not_hindered_by_what_must_be_there() {
    let db = database();
    db.execute_batch("INSERT INTO flows BY NAME SELECT f.* EXCLUDE (i) FROM some_flows(5) f").unwrap();
    let scope = Scope::of(&db, CaptureId(1)).unwrap().unwrap();
    let asked = |given: &[(&str, &str)]| {
        worth::asking(&db, &[bound("strobe", given)], &scope, &Period::default()).unwrap()
    };
    assert_eq!(asked(&[]), [false]);
    assert_eq!(
        (asked(&[("max_connections", "5")]), asked(&[("max_connections", "4")])),
        (vec![false], vec![true])
    );
}

/// What the details of the only beacon say.
fn beacon(db: &Connection, times: &[i64], sizes: &[i64]) -> Option<[f64; 5]> {
    let rows: Vec<String> =
        times.iter().zip(sizes).enumerate().map(|(i, (t, s))| format!("({i}, {t}, {s})")).collect();
    db.execute_batch("BEGIN").unwrap();
    db.execute_batch(&format!(
        "INSERT INTO flows BY NAME SELECT f.* EXCLUDE (i) REPLACE (sec(v.t) AS first_ts, v.s AS src_ip_bytes)
         FROM some_flows({}) f JOIN (VALUES {}) v(i, t, s) USING (i)",
        times.len(),
        rows.join(", ")
    ))
    .unwrap();
    let all = ["min_connections", "min_span_s", "min_gap_s", "min_score", "steady_share"]
        .map(|n| (n, if n == "min_connections" { "1" } else { "0" }));
    let d = Detection { confidence_threshold: 0.0, ..bound("beacon", &all) };
    let rows = found(db, &d);
    db.execute_batch("ROLLBACK").unwrap();
    let details = &rows.first()?.details;
    Some(["timestamps", "sizes", "histogram", "duration", "score"].map(|n| details[n].as_f64().unwrap()))
}

/// From pauses to times.
fn times(gaps: &[i64]) -> Vec<i64> {
    let mut t = 1_000;
    let mut all = vec![t];
    for g in gaps {
        t += g;
        all.push(t);
    }
    all
}

#[test]
fn beacon_scores_equal_the_published_ones() {
    let db = database();
    // Pauses in seconds and the timestamp score; sizes in bytes and the size score (RITA 5, tests of its analysis).
    for (gaps, wanted) in [
        (vec![1; 9], 1.0),
        (vec![60; 9], 1.0),
        (vec![98, 99, 99, 100, 100, 100, 101, 101, 102], 0.995),
        (vec![98, 300, 98, 300, 98, 300, 98, 300, 98, 300], 0.746),
        (vec![1, 299, 25, 4975, 90, 2, 42, 500, 1500], 0.083),
    ] {
        let t = times(&gaps);
        let [ts, ..] = beacon(&db, &t, &vec![60; t.len()]).unwrap();
        assert!((ts - wanted).abs() < 0.0011, "{gaps:?}: {ts}, published {wanted}");
    }
    for (sizes, wanted) in [
        (vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.773),
        (vec![60; 9], 1.0),
        (vec![98, 99, 99, 100, 100, 100, 101, 101, 102], 0.995),
        (vec![524_885, 1, 5_000, 98_654, 50, 41, 965_842, 3], 0.009),
        (vec![0; 10], 0.5),
    ] {
        let t = times(&vec![60; sizes.len() - 1]);
        let [_, ds, ..] = beacon(&db, &t, &sizes).unwrap();
        assert!((ds - wanted).abs() < 0.0011, "{sizes:?}: {ds}, published {wanted}");
    }
    // Once an hour all day, and a single bar.
    let hourly: Vec<i64> = (0..24).map(|h| h * 3_600).collect();
    let [_, _, hist, dur, score] = beacon(&db, &hourly, &[60; 24]).unwrap();
    assert_eq!((hist, dur, score), (1.0, 1.0, 1.0));
    let [_, _, hist, dur, _] = beacon(&db, &times(&[60; 9]), &[60; 10]).unwrap();
    assert_eq!((hist, dur), (0.0, 0.0));
    assert_eq!(beacon(&db, &[60; 9], &[60; 9]), None, "one distinct second is no rhythm");
}

/// The middle of sorted values, between two where there are two.
fn median(v: &[f64]) -> f64 {
    let n = v.len();
    if n % 2 == 1 { v[n / 2] } else { (v[n / 2 - 1] + v[n / 2]) / 2.0 }
}

/// Half for symmetry, half for closeness to the middle.
fn evenness(values: &[f64], of_zero: f64) -> f64 {
    let mut v = values.to_vec();
    v.sort_by(f64::total_cmp);
    let half = v.len() / 2;
    let (q1, q2, q3) = (median(&v[..half]), median(&v), median(&v[v.len() - half..]));
    let skew = if q3 - q1 >= 10.0 && q2 != q1 && q2 != q3 { (q1 + q3 - 2.0 * q2) / (q3 - q1) } else { 0.0 };
    let mut away: Vec<f64> = v.iter().map(|x| (x - q2).abs()).collect();
    away.sort_by(f64::total_cmp);
    let near = if q2 < 1.0 { of_zero } else { ((q2 - median(&away)) / q2).max(0.0) };
    thousandths(((1.0 - skew.abs()) + near) / 2.0)
}

fn thousandths(x: f64) -> f64 {
    (x * 1_000.0).round() / 1_000.0
}

/// The score of a day, calculated in another way than the SQL does.
fn reference(times: &[i64], sizes: &[i64]) -> [f64; 5] {
    let mut t = times.to_vec();
    t.sort_unstable();
    let gaps: Vec<f64> = t.windows(2).map(|w| (w[1] - w[0]) as f64).filter(|g| *g > 0.0).collect();
    let ts = evenness(&gaps, 1.0);
    let ds = evenness(&sizes.iter().map(|s| *s as f64).collect::<Vec<_>>(), 0.0);
    let mut bars = [0_u32; 24];
    for x in &t {
        bars[usize::try_from(x * 24 / DAY).unwrap().min(23)] += 1;
    }
    let mean = t.len() as f64 / 24.0;
    let deviation = (bars.iter().map(|b| (f64::from(*b) - mean).powi(2)).sum::<f64>() / 24.0).sqrt();
    let flat = 1.0 - (deviation / mean).min(1.0);
    let filled: Vec<u32> = bars.iter().copied().filter(|b| *b > 0).collect();
    let width = (0.05 * f64::from(*filled.iter().max().unwrap())).ceil() as u32;
    let mut modes: BTreeMap<u32, usize> = BTreeMap::new();
    for b in &filled {
        *modes.entry(b / width).or_default() += 1;
    }
    let mut largest: Vec<usize> = modes.into_values().collect();
    largest.sort_unstable_by(|a, b| b.cmp(a));
    let two: usize = largest.iter().take(2).sum();
    let bimodal = if filled.len() >= 11 { (two as f64 / (filled.len() - 1) as f64).min(1.0) } else { 0.0 };
    let hist = thousandths(flat.max(bimodal));
    let (mut run, mut longest) = (0, 0);
    for i in 0..48 {
        run = if bars[i % 24] > 0 { run + 1 } else { 0 };
        longest = longest.max(run.min(24));
    }
    let coverage = (t[t.len() - 1] - t[0]) as f64 / DAY as f64;
    let dur =
        if filled.len() < 6 { 0.0 } else { thousandths(coverage.max(f64::from(longest) / 12.0).min(1.0)) };
    [ts, ds, hist, dur, thousandths((ts + ds + hist + dur) / 4.0)]
}

#[test]
fn beacon_scores_equal_a_second_calculation() {
    let db = database();
    // A small generator of numbers (Lehmer, 1951): the same cases every time.
    let mut state = 48_271_u64;
    let mut next = |below: i64| {
        state = state * 48_271 % 2_147_483_647;
        (state as i64) % below
    };
    for case in 0..60 {
        let n = 5 + next(200);
        let (period, jitter) = (1 + next(DAY / n), 1 + next(400));
        let start = next(DAY / 3);
        let times: Vec<i64> = (0..n)
            .map(|i| (start + i * period + if case % 3 == 0 { 0 } else { next(jitter) }).min(DAY))
            .collect();
        let sizes: Vec<i64> = (0..n).map(|_| 100 + if case % 2 == 0 { 0 } else { next(3_000) }).collect();
        let Some(ours) = beacon(&db, &times, &sizes) else {
            let mut distinct = times.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert!(distinct.len() < 4, "case {case}: no score");
            continue;
        };
        let other = reference(&times, &sizes);
        for (a, b) in ours.iter().zip(other) {
            assert!((a - b).abs() < 0.00051, "case {case}: {ours:?}, the other way {other:?}");
        }
    }
}

#[test]
fn each_runs_in_plain_duckdb_over_an_export() {
    let f = super::super::tests::Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    tests::ingest(&store, &mut w, 1, 300);
    drop(w);
    store.close().unwrap();
    let lake = f.db().with_extension("lake");
    super::super::maintenance::export(&f.db(), &lake, &crate::store::StoreConfig::default()).unwrap();

    let plain = Connection::open_in_memory().unwrap();
    plain
        .execute_batch("SET autoload_known_extensions = false; SET autoinstall_known_extensions = false")
        .unwrap();
    for t in schema::definitions() {
        let columns: Vec<String> = t
            .columns
            .iter()
            .map(|(n, kind, _)| format!("{} {kind}", super::super::connect::ident(n)))
            .collect();
        plain.execute_batch(&format!("CREATE TABLE {}({})", t.name, columns.join(", "))).unwrap();
        let files = format!("{}/{}/**/*.parquet", lake.display(), t.name);
        let some: i64 = plain.query_row("SELECT count(*) FROM glob(?)", [&files], |r| r.get(0)).unwrap();
        if some > 0 {
            plain
                .execute_batch(&format!(
                    "INSERT INTO {} BY NAME SELECT * FROM read_parquet({}, hive_partitioning = false, union_by_name = true)",
                    t.name,
                    text(&files)
                ))
                .unwrap_or_else(|e| panic!("{}: {e}", t.name));
        }
    }
    for (name, _) in SHIPPED {
        let scope = Scope::of(&plain, CaptureId(1)).unwrap().unwrap();
        let outcome = ask(&plain, &bound(name, &[]), &scope, &Period::default());
        assert_eq!(outcome.error, None, "{name}");
    }
    let flows: i64 = plain.query_row("SELECT count(*) FROM flows", [], |r| r.get(0)).unwrap();
    assert_eq!(flows, 300);
}
