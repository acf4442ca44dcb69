//! Are copies complete, private, and never half there?

use super::*;
use std::os::unix::fs::PermissionsExt as _;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn cfg() -> StoreConfig {
    StoreConfig::default()
}

fn flows(f: &Folder) -> String {
    let r = f.reader();
    one(r.db_for_tests(), "SELECT count(*) FROM flows")
}

#[test]
fn making_says_what_it_made_and_is_private() {
    let f = Folder::new();
    let db = f.0.join("a/b/x.duckdb");
    let made = Store::create_if_missing(&db).unwrap();
    assert_eq!(made.folders, [f.0.clone(), f.0.join("a"), f.0.join("a/b")]);
    assert_eq!(made.database, Some(db.clone()));
    assert_eq!(Store::create_if_missing(&db).unwrap(), Made::default());
    assert_eq!((mode(&f.0.join("a")), mode(&db), mode(&files::beside(&db, ".lock"))), (0o700, 0o600, 0o600));
    assert!(!files::beside(&db, ".new").exists());
}

#[test]
fn wrong_files_are_refused_in_a_sentence() {
    let f = Folder::new();
    Store::create_if_missing(&f.db()).unwrap();
    let text = f.0.join("text.txt");
    std::fs::write(&text, "hello, this is no database at all. ".repeat(400)).unwrap();
    let stranger = f.0.join("stranger.duckdb");
    Connection::open(&stranger).unwrap().execute_batch("CREATE TABLE t(a INT)").unwrap();
    for path in [&text, &stranger, &f.0] {
        for e in [
            Store::open(path, &cfg()).err().unwrap(),
            Reader::open(path, &cfg(), &[]).err().unwrap(),
            maintenance::info(path, &cfg()).err().unwrap(),
            maintenance::reset(path, &cfg()).err().unwrap(),
        ] {
            assert!(matches!(e, StoreError::NotADatabase { .. }), "{}: {e}", path.display());
            assert!(!e.to_string().contains('\n'));
        }
    }
    assert!(std::fs::read_to_string(&text).unwrap().starts_with("hello"), "left alone");
    let missing = f.0.join("nothing.duckdb");
    assert!(matches!(Reader::open(&missing, &cfg(), &[]), Err(StoreError::Missing(_))));
    assert!(matches!(maintenance::backup(&missing, &text, &cfg()), Err(StoreError::Exists(_))));
    assert!(!missing.exists());
    Connection::open(f.db()).unwrap().execute_batch("INSERT INTO schema_version VALUES (99, '')").unwrap();
    for e in [Store::open(&f.db(), &cfg()).err().unwrap(), Reader::open(&f.db(), &cfg(), &[]).err().unwrap()]
    {
        assert!(matches!(e, StoreError::TooNew { found: 99, .. }), "{e}");
    }
}

#[test]
fn copies_hold_everything_and_go_back() {
    let f = Folder::new();
    let store = f.store();
    ingest(&store, &start(1), "a", 3_000).unwrap();
    let copy = f.0.join("copy.duckdb");
    assert!(matches!(maintenance::backup(&f.db(), &copy, &cfg()), Err(StoreError::Locked { .. })));
    store.close().unwrap();
    assert!(maintenance::backup(&f.db(), &copy, &cfg()).unwrap() > 0);
    assert_eq!(mode(&copy), 0o600);
    assert!(matches!(maintenance::backup(&f.db(), &copy, &cfg()), Err(StoreError::Exists(_))));
    let info = maintenance::info(&f.db(), &cfg()).unwrap();
    assert_eq!(info.captures, [("complete".to_owned(), 1)]);
    assert_eq!(info.caps_hit, [("streams".to_owned(), 2)]);
    assert!(info.tables.contains(&("flows".to_owned(), 3_000)));
    assert_eq!(info.first_ts, Some(Timestamp(NANOS_PER_SEC)));
    assert!(info.used_bytes > 0 && info.file_bytes >= info.used_bytes, "{info:?}");

    maintenance::reset(&f.db(), &cfg()).unwrap();
    assert_eq!(flows(&f), "0");
    maintenance::restore(&f.db(), &copy, &cfg()).unwrap();
    assert_eq!(flows(&f), "3000");
    assert!(maintenance::restore(&f.db(), &f.db(), &cfg()).is_err());
    // The copy is a database like any other: comments, views, macros, numbers.
    let r = f.reader();
    assert_eq!(
        one(r.db_for_tests(), "SELECT count(*) FROM duckdb_columns() WHERE NOT internal AND comment IS NULL"),
        "0"
    );
    assert_eq!(one(r.db_for_tests(), "SELECT severity_rank('low')"), "2");
    drop(r);
    let store = f.store();
    ingest(&store, &start(2), "b", 1).unwrap();
    assert_eq!(one(&store.db, "SELECT max(capture_no) FROM captures"), "2");
    capture::delete(&store.db, CaptureId(1)).unwrap();
    store.close().unwrap();
    let (before, after) = maintenance::compact(&f.db(), &cfg()).unwrap();
    assert!(after < before, "{before} -> {after}");
    assert_eq!(flows(&f), "1");
    assert_eq!(mode(&f.db()), 0o600);
}

#[test]
fn an_export_equals_the_database() {
    let f = Folder::new();
    let store = f.store();
    ingest(&store, &start(1), "a", 3_000).unwrap();
    ingest(&store, &CaptureStart { sensor: String::new(), ..start(2) }, "b", 500).unwrap();
    store.close().unwrap();
    let to = f.0.join("lake");
    let done = maintenance::export(&f.db(), &to, &cfg()).unwrap();
    assert_eq!(done.folder, to);
    assert!(matches!(maintenance::export(&f.db(), &to, &cfg()), Err(StoreError::Exists(_))));
    assert_eq!(mode(&to), 0o700);
    assert!(to.join("flows/sensor=lab/day=2023-11-14").is_dir());
    let lake = Connection::open_in_memory().unwrap();
    let r = f.reader();
    for (name, rows) in &done.tables {
        let files = format!("read_parquet('{}/{name}/**/*.parquet', hive_partitioning = true)", to.display());
        assert_eq!(one(&lake, &format!("SELECT count(*) FROM {files}")), rows.to_string(), "{name}");
        let types = |db: &Connection, from: &str| {
            one(
                db,
                &format!(
                    "SELECT string_agg(column_name || ' ' || column_type, ', ' ORDER BY column_name) FROM (DESCRIBE FROM {from}) \
                     WHERE column_name NOT IN ('sensor', 'day')"
                ),
            )
        };
        assert_eq!(types(&lake, &files), types(r.db_for_tests(), name), "{name}");
    }
    let files = format!("read_parquet('{}/flows/**/*.parquet')", to.display());
    let sum = |db: &Connection, from: &str| {
        one(
            db,
            &format!("SELECT bit_xor(hash(flow_id, first_ts, src_ip, history, rtt_s, domain)) FROM {from}"),
        )
    };
    assert_eq!(sum(&lake, &files), sum(r.db_for_tests(), "flows"));
    assert_eq!(one(&lake, &format!("SELECT count(*) FROM {files} WHERE sensor IS NULL")), "500");
}
