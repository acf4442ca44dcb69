//! Does the owner answer others while it writes, and can nobody harm it?

use super::*;
use crate::store::socket::server::MAX_CLIENTS;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

fn serving(dir: &Folder) -> Store {
    let mut store = dir.store();
    store.serve().unwrap();
    store
}

fn socket(dir: &Folder) -> PathBuf {
    files::beside(&dir.db(), ".sock")
}

fn first(reader: &Reader, sql: &str) -> Result<String, StoreError> {
    use crate::store::arrow::util::display::array_value_to_string;
    let mut results = reader.query(sql, &[], &Limits { time: Some(Duration::from_secs(60)), rows: None })?;
    let batch = results.next().ok_or(StoreError::Misuse("no row"))??;
    for more in results {
        more?;
    }
    Ok(array_value_to_string(batch.column(0), 0).unwrap())
}

const ENDLESS: &str = "SELECT sum(a.i * b.i) FROM range(10_000_000) a(i), range(10_000_000) b(i)";

#[test]
fn rows_errors_and_parameters_come_as_from_the_file() {
    let dir = Folder::new();
    let store = serving(&dir);
    assert_eq!(std::fs::metadata(socket(&dir)).unwrap().permissions().mode() & 0o777, 0o600);
    let r = dir.reader();
    assert_eq!(first(&r, "SELECT count(*) FROM flows").unwrap(), "0");
    assert_eq!(r.parameters("SELECT $a, $b").unwrap(), ["a", "b"]);
    let params = [("x".to_owned(), Some("ä'".to_owned())), ("y".to_owned(), None)];
    let mut got = r
        .query("SELECT $x AS x, $y AS y, [1, NULL] AS l, {'a': 1} AS s", &params, &Limits::default())
        .unwrap();
    assert_eq!(got.schema().fields().len(), 4);
    assert_eq!(got.next().unwrap().unwrap().num_rows(), 1);
    assert!(got.next().is_none() && !got.truncated());
    let limits = Limits { time: None, rows: Some(5_000) };
    let mut got = r.query("FROM range(1_000_000)", &[], &limits).unwrap();
    let rows: usize = got.by_ref().map(|b| b.unwrap().num_rows()).sum();
    assert!(rows == 5_000 && got.truncated());
    assert!(matches!(first(&r, "SELEC"), Err(StoreError::Sql(_))));
    assert!(matches!(first(&r, "DELETE FROM flows"), Err(StoreError::NotReadOnly(_))));
    assert!(matches!(first(&r, "SELECT $a"), Err(StoreError::Parameter(_))));
    let e = first(&r, "SELECT CASE WHEN range > 100_000 THEN error('later') END FROM range(1_000_000)")
        .unwrap_err();
    assert!(e.to_string().contains("later"), "{e}");
    let own = dir.db().display().to_string();
    for sql in [
        format!("FROM read_blob('{own}')"),
        format!("FROM '{own}'"),
        format!("SELECT * FROM glob('{own}*')"),
        "FROM read_csv('/etc/passwd')".to_owned(),
        "FROM 'x.parquet'".to_owned(),
    ] {
        assert!(matches!(first(&r, &sql), Err(StoreError::NotReadOnly(_))), "{sql}");
    }
    store.close().unwrap();
    assert!(!socket(&dir).exists());
    // The reader that was made for the owner has lost it; a new one reads the file.
    assert!(matches!(first(&r, "SELECT 1"), Err(StoreError::Socket { .. })));
    assert_eq!(first(&dir.reader(), "SELECT count(*) FROM flows").unwrap(), "0");
}

#[test]
fn what_is_committed_is_seen_and_nothing_half() {
    let dir = Folder::new();
    let store = serving(&dir);
    let r = dir.reader();
    let count = || first(&r, "SELECT count(*) FROM flows").unwrap();
    store
        .db
        .execute_batch("BEGIN; INSERT INTO flows(flow_id, capture_id) SELECT range, 1 FROM range(3)")
        .unwrap();
    assert_eq!(count(), "0");
    store.db.execute_batch("COMMIT").unwrap();
    assert_eq!(count(), "3");
    // Writing, spilling and checkpoints go on although SQL may reach no file.
    for _ in 0..3 {
        store
            .db
            .execute_batch(
                "INSERT INTO flows(flow_id, capture_id) SELECT range, 2 FROM range(100_000); CHECKPOINT",
            )
            .unwrap();
    }
    assert_eq!(count(), "300003");
    store.close().unwrap();
    assert_eq!(first(&dir.reader(), "SELECT count(*) FROM flows").unwrap(), "300003");
}

#[test]
fn a_copy_is_made_beside_writing() {
    let dir = Folder::new();
    let store = serving(&dir);
    store
        .db
        .execute_batch("INSERT INTO flows(flow_id, capture_id) SELECT range, 1 FROM range(1_000)")
        .unwrap();
    store.db.execute_batch("BEGIN; INSERT INTO flows(flow_id, capture_id) VALUES (9, 9)").unwrap();
    let to = dir.0.join("copy.duckdb");
    assert!(maintenance::backup(&dir.db(), &to, &StoreConfig::default()).unwrap() > 0);
    store.db.execute_batch("COMMIT").unwrap();
    let copy = Reader::open(&to, &StoreConfig::default(), &[]).unwrap();
    assert_eq!(
        first(&copy, "SELECT count(*) FROM flows").unwrap(),
        "1000",
        "the open transaction is not in it"
    );
    let info = maintenance::info(&dir.db(), &StoreConfig::default()).unwrap();
    assert!(info.tables.contains(&("flows".to_owned(), 1_001)), "{:?}", info.tables);
    store.close().unwrap();
    assert!(!dir.0.join("out").exists());
}

#[test]
fn the_silent_the_wild_and_the_many() {
    let dir = Folder::new();
    let store = serving(&dir);
    let r = dir.reader();
    // Rubbish, and lengths that lie.
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], &[4, 0, 0, 0, b'n', b'u', b'l', b'l'], b""] {
        let mut s = UnixStream::connect(socket(&dir)).unwrap();
        let _ = s.write_all(bytes);
        drop(s);
    }
    std::thread::sleep(Duration::from_millis(100));
    // Clients that say nothing take every place ...
    let mut silent: Vec<UnixStream> =
        (0..MAX_CLIENTS).map(|_| UnixStream::connect(socket(&dir)).unwrap()).collect();
    let began = Instant::now();
    let refused = loop {
        match first(&r, "SELECT 1") {
            Err(e) => break e,
            Ok(_) if began.elapsed() > Duration::from_secs(2) => panic!("the silent took no place"),
            Ok(_) => {}
        }
    };
    assert!(matches!(refused, StoreError::Busy(n) if n == MAX_CLIENTS), "{refused}");
    // ... for some seconds only.
    let mut end = [0];
    silent[0].set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(silent[0].read(&mut end).unwrap(), 0, "it is sent away");
    let began = Instant::now();
    while first(&r, "SELECT 1").is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "the places stay taken");
        std::thread::sleep(Duration::from_millis(20));
    }
    store.close().unwrap();
}

#[test]
fn one_that_reads_nothing_holds_up_nobody() {
    let dir = Folder::new();
    let store = serving(&dir);
    let r = dir.reader();
    let slow = r.query("SELECT repeat('x', 10_000) FROM range(10_000_000)", &[], &Limits::default()).unwrap();
    let endless: Vec<_> = (0..2)
        .map(|_| {
            let path = dir.db();
            std::thread::spawn(move || {
                let r = Reader::open(&path, &StoreConfig::default(), &[]).unwrap();
                first(&r, ENDLESS)
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(first(&r, "SELECT 1").unwrap(), "1");
    let stopped = r.query(ENDLESS, &[], &Limits { time: Some(Duration::from_millis(100)), rows: None });
    assert!(matches!(stopped, Err(StoreError::Timeout(_))), "{stopped:?}");
    store.db.execute_batch("INSERT INTO flows(flow_id, capture_id) VALUES (1, 1)").unwrap();
    // The owner ends when it wants to.
    let began = Instant::now();
    store.close().unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for thread in endless {
        assert!(thread.join().unwrap().is_err());
    }
    assert!(slow.last().unwrap().is_err(), "cut rows are no complete answer");
}

#[test]
fn a_long_path_works_and_a_left_over_socket_is_replaced() {
    let dir = Folder::new();
    let deep = dir.0.join("d".repeat(60)).join("e".repeat(60));
    let db = deep.join("x.duckdb");
    let open = || {
        let mut store = Store::open(&db, &StoreConfig::default()).unwrap();
        let served = store.serve();
        (store, served)
    };
    let (store, served) = open();
    match served {
        Ok(()) => {
            let r = Reader::open(&db, &StoreConfig::default(), &[]).unwrap();
            assert_eq!(first(&r, "SELECT 1").unwrap(), "1");
        }
        Err(e) => assert!(!Path::new("/proc/self/fd").is_dir() && e.to_string().contains("107"), "{e}"),
    }
    store.close().unwrap();
    std::fs::write(files::beside(&db, ".sock"), b"left over").unwrap();
    let (store, served) = open();
    served.unwrap();
    store.close().unwrap();
    // With a dead socket and a holder that does not serve, the old sentence stands.
    drop(std::os::unix::net::UnixListener::bind(socket(&dir)).unwrap());
    let _store = Store::open(&dir.db(), &StoreConfig::default()).unwrap();
    let e = Reader::open(&dir.db(), &StoreConfig::default(), &[]).unwrap_err();
    assert!(matches!(e, StoreError::Locked { .. }), "{e}");
}
