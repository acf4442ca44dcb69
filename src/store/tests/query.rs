//! Does the reader answer, and nothing more?

use super::*;
use duckdb::arrow::array::AsArray as _;
use duckdb::arrow::datatypes::Int64Type;
use std::time::Duration;

fn params(list: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    list.iter().map(|(n, v)| ((*n).to_owned(), v.map(str::to_owned))).collect()
}

fn count(r: &Reader, sql: &str, p: &[(&str, Option<&str>)]) -> Result<u64, StoreError> {
    let mut n = 0;
    for batch in r.query(sql, &params(p), &Limits::default())? {
        n += batch?.num_rows() as u64;
    }
    Ok(n)
}

fn filled() -> Folder {
    let f = Folder::new();
    let store = f.store();
    ingest(&store, &start(1), "a", 5_000).unwrap();
    store.close().unwrap();
    f
}

#[test]
fn rows_types_and_parameters_arrive() {
    let f = filled();
    let r = f.reader();
    let other = f.reader();
    assert_eq!(count(&other, "FROM captures", &[]).unwrap(), 1, "many may read");
    let set = r
        .query(
            "SELECT flow_id, src_ip, first_ts, sum(src_bytes) OVER () AS s FROM flows",
            &[],
            &Limits::default(),
        )
        .unwrap();
    let names: Vec<_> = set.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["flow_id", "src_ip", "first_ts", "s"]);
    let batches: Vec<_> = set.map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 5_000);
    assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().value(0) >> 40, 1);
    let by_port = "SELECT * FROM flows WHERE dst_port = $port AND ($ip IS NULL OR src_ip = $ip) LIMIT $n";
    assert_eq!(r.parameters(by_port).unwrap(), ["port", "ip", "n"]);
    assert_eq!(count(&r, by_port, &[("n", Some("7")), ("port", Some("443")), ("ip", None)]).unwrap(), 7);
    assert_eq!(count(&r, by_port, &[("n", Some("7")), ("port", Some("1")), ("ip", None)]).unwrap(), 0);
    assert_eq!(
        count(&r, "FROM flows WHERE first_ts >= $t", &[("t", Some("2023-11-14 22:13:21"))]).unwrap(),
        5_000 - 271
    );
    let ours = "SELECT ip_class(ip), severity_rank('low') FROM (SELECT DISTINCT src_ip AS ip FROM flows) WHERE ip_in(ip, '10.0.0.0/8')";
    assert!(count(&r, ours, &[]).unwrap() > 10);
    assert!(count(&r, "EXPLAIN ANALYZE SELECT 1", &[]).unwrap() > 0);
    assert_eq!(count(&r, "DESCRIBE flows", &[]).unwrap() as usize, FLOWS.columns.len());
}

#[test]
fn mistakes_are_told_in_a_sentence() {
    let f = filled();
    let r = f.reader();
    let told = |sql: &str, p: &[(&str, Option<&str>)]| {
        let e = count(&r, sql, p).unwrap_err().to_string();
        assert!(!e.contains('\n'), "{e}");
        e
    };
    assert!(told("FROM flow", &[]).contains("Did you mean \"flows\"?"));
    assert!(told("SELECT srcip FROM flows", &[]).contains("src_ip"));
    assert_eq!(told("SELECT $a", &[]), "the SQL needs a value for $a; give it with -p a=VALUE");
    assert_eq!(told("SELECT 1", &[("b", Some("1"))]), "the SQL has no parameter $b");
    assert!(told("SELECT ?", &[]).contains("without a name"));
    assert!(told("SELECT 'x'::INT FROM flows", &[]).contains("Could not convert string 'x' to INT32"));
    assert!(
        told("SELECT CASE WHEN flow_id >> 40 = 1 THEN 'x'::INT END FROM flows", &[])
            .contains("Could not convert")
    );
    assert!(told("DELETE FROM flows", &[]).starts_with("only one reading statement"));
    assert_eq!(count(&r, "SELECT 1", &[]).unwrap(), 1, "and it goes on working");
}

#[test]
fn nothing_outside_is_reached_and_nothing_is_changed() {
    let f = filled();
    let secret = f.0.join("secret.csv");
    std::fs::write(&secret, "a\n1\n").unwrap();
    let r = f.reader();
    let path = secret.display();
    for sql in [
        format!("FROM '{path}'"),
        format!("FROM read_csv('{path}')"),
        format!("FROM read_text('{path}')"),
        format!("FROM glob('{path}')"),
        format!("FROM parquet_metadata('{path}')"),
        "SELECT * FROM read_text('/etc/passwd')".to_owned(),
    ] {
        let denied = count(&r, &sql, &[]);
        assert!(matches!(denied, Err(_) | Ok(0)), "{sql}: {denied:?}");
    }
    drop(r);
    let allowed = Reader::open(&f.db(), &StoreConfig::default(), std::slice::from_ref(&f.0)).unwrap();
    assert_eq!(count(&allowed, &format!("FROM '{path}'"), &[]).unwrap(), 1);
    assert!(count(&allowed, "FROM read_text('/etc/passwd')", &[]).is_err());
    // Should the check of the statement ever fail, the transaction and the open mode still hold.
    let db = allowed.db_for_tests();
    assert!(db.execute_batch("DELETE FROM flows").is_err());
    assert!(db.execute_batch("SET threads = 1").is_err());
}

#[test]
fn limits_hold_and_dropping_stops() {
    let f = filled();
    let r = f.reader();
    let mut set = r.query("FROM range(1000000)", &[], &Limits { rows: Some(3_000), time: None }).unwrap();
    assert_eq!(set.by_ref().map(|b| b.unwrap().num_rows()).sum::<usize>(), 3_000);
    assert!(set.truncated() && set.next().is_none());
    let mut set = r.query("FROM range(10)", &[], &Limits { rows: Some(10), time: None }).unwrap();
    assert_eq!(set.by_ref().map(|b| b.unwrap().num_rows()).sum::<usize>(), 10);
    assert!(!set.truncated());
    let endless = "SELECT sum(hash(a.range, b.range)::DOUBLE) FROM range(10000000) a, range(10000000) b";
    let limits = Limits { rows: None, time: Some(Duration::from_millis(300)) };
    let began = std::time::Instant::now();
    let ended = r.query(endless, &[], &limits).map(|s| s.collect::<Result<Vec<_>, _>>());
    assert!(matches!(ended, Err(StoreError::Timeout(_)) | Ok(Err(StoreError::Timeout(_)))), "{ended:?}");
    drop(r.query("FROM range(10000000000)", &[], &Limits::default()).unwrap());
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(count(&r, "SELECT 1", &[]).unwrap(), 1);
}

#[test]
fn a_sort_larger_than_memory_spills_although_files_are_closed() {
    let f = filled();
    let small = StoreConfig { memory_limit_mib: 48, threads: 1 };
    let r = Reader::open(&f.db(), &small, &[]).unwrap();
    let sql = "SELECT i, repeat('x', 40) || i AS s FROM range(2000000) t(i) ORDER BY hash(i)";
    assert_eq!(count(&r, sql, &[]).unwrap(), 2_000_000);
    drop(r);
    drop(f.store());
    assert!(!f.0.join("test.duckdb.tmp").exists(), "temporary files are purged");
}

#[test]
fn every_column_can_be_named_without_quotes() {
    let f = Folder::new();
    f.store().close().unwrap();
    let r = f.reader();
    for table in crate::engine::tables::all() {
        for column in table.all_columns() {
            let sql = format!("SELECT {}::VARCHAR FROM {}", column.name, table.name);
            assert_eq!(count(&r, &sql, &[]).unwrap(), 0, "{sql}");
        }
    }
}
