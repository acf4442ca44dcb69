//! Do old captures go, whole, and is their space free then?

use super::*;

/// Store capture `id` with this many flows.
fn put(store: &Store, id: i64, flows: u64, days_ago: u64) {
    let mut writer = store.writer().unwrap();
    let no = writer.begin(&start(id)).unwrap();
    for from in (0..flows).step_by(10_000) {
        writer.rows(flow_rows(CaptureId(id), no, from..(from + 10_000).min(flows))).unwrap();
    }
    assert_eq!(writer.commit(&summary(&id.to_string())).unwrap(), Stored::Committed);
    let at = capture::now().0 - days_ago as i64 * 86_400 * NANOS_PER_SEC;
    store
        .db
        .execute_batch(&format!(
            "UPDATE captures SET finished_at = make_timestamp_ns({at}) WHERE capture_id = {id}"
        ))
        .unwrap();
}

fn captures(store: &Store) -> String {
    one(&store.db, "SELECT string_agg(capture_id, ' ' ORDER BY capture_id) FROM captures")
}

#[test]
fn by_age_whole_and_never_what_is_being_written() {
    let f = Folder::new();
    let store = f.store();
    for (id, days) in [(1, 40), (2, 20), (3, 0)] {
        put(&store, id, 10, days);
    }
    store.db.execute_batch("UPDATE captures SET status = 'live' WHERE capture_id = 1").unwrap();
    let keep = Retention { days: 10, max_mib: 0 };
    let gone = retention::apply(&store.db, &keep, capture::now()).unwrap();
    assert_eq!(gone.iter().map(|p| p.capture_id.0).collect::<Vec<_>>(), [2]);
    assert_eq!(captures(&store), "1 3");
    for table in schema::definitions().iter().filter(|t| t.of_captures()) {
        let sql = format!("SELECT count(*) FROM {} WHERE capture_id = 2", connect::ident(table.name));
        assert_eq!(one(&store.db, &sql), "0", "{}", table.name);
    }
    assert!(retention::apply(&store.db, &keep, capture::now()).unwrap().is_empty());
    assert!(retention::apply(&store.db, &Retention::default(), capture::now()).unwrap().is_empty());
}

#[test]
fn by_size_and_the_space_is_used_again() {
    let f = Folder::new();
    let store = f.store();
    for id in 1..=3 {
        put(&store, id, 60_000, 4 - id as u64);
    }
    store.db.execute_batch("CHECKPOINT").unwrap();
    let full = retention::used_mib(&store.db).unwrap();
    let keep = Retention { days: 0, max_mib: full * 3 / 4 };
    let gone = retention::apply(&store.db, &keep, capture::now()).unwrap();
    assert!(!gone.is_empty() && gone[0].capture_id == CaptureId(1), "{gone:?}");
    assert!(retention::used_mib(&store.db).unwrap() <= keep.max_mib);
    let file = files::size(&f.db());
    put(&store, 9, 30_000, 0);
    store.db.execute_batch("CHECKPOINT").unwrap();
    assert!(files::size(&f.db()) <= file + file / 10, "freed blocks are used first");
    store.close().unwrap();
    let (before, after) = maintenance::compact(&f.db(), &StoreConfig::default()).unwrap();
    assert!(after < before, "{before} -> {after}");
    let all = Retention { days: 0, max_mib: 1 };
    let gone = maintenance::prune(&f.db(), &all, true, &StoreConfig::default()).unwrap();
    assert_eq!(gone.captures.len(), 0, "only age can be told beforehand");
}

#[test]
fn a_stream_prunes_while_it_writes() {
    let f = Folder::new();
    let store = f.store();
    put(&store, 1, 10, 40);
    let mut writer = store.writer().unwrap();
    writer.retain(Retention { days: 10, max_mib: 0 }).unwrap();
    let stream = CaptureStart { streaming: true, ..start(2) };
    let no = writer.begin(&stream).unwrap();
    writer.rows(flow_rows(CaptureId(2), no, 0..5)).unwrap();
    writer.commit(&summary("2")).unwrap();
    drop(writer);
    assert_eq!(captures(&store), "2");
    assert_eq!(one(&store.db, "SELECT count(*) FROM flows"), "5");
}

#[test]
fn a_stream_that_is_cut_lets_go_of_its_own_old_captures() {
    let f = Folder::new();
    let store = f.store();
    let mut writer = store.writer().unwrap();
    writer.retain(Retention { days: 10, max_mib: 0 }).unwrap();
    let stream = CaptureStart { streaming: true, ..start(1) };
    let no = writer.begin(&stream).unwrap();
    writer.rows(flow_rows(CaptureId(1), no, 0..5)).unwrap();
    let next = |id, before| CaptureStart {
        capture_id: CaptureId(id),
        continues: Some(CaptureId(before)),
        ..stream.clone()
    };
    let no = writer.cut(&summary("1"), &next(2, 1)).unwrap();
    writer.rows(flow_rows(CaptureId(2), no, 0..7)).unwrap();
    let wait = |what: &str, sql: &str, is: &str| {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while one(&store.db, sql) != is {
            assert!(std::time::Instant::now() < until, "{what}: {} instead of {is}", one(&store.db, sql));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    // The number of a capture is there before the one before it is stored.
    let rows = "SELECT string_agg(status || ' ' || coalesce(continues, 0) || ' ' || (finished_at IS NULL), ', ' ORDER BY capture_no) FROM captures";
    wait("cut", rows, "complete 0 false, live 1 true");
    let at = capture::now().0 - 40 * 86_400 * NANOS_PER_SEC;
    let old = format!("UPDATE captures SET finished_at = make_timestamp_ns({at}) WHERE capture_id = 1");
    store.db.execute_batch(&old).unwrap();
    let no = writer.cut(&summary("2"), &next(3, 2)).unwrap();
    writer.rows(flow_rows(CaptureId(3), no, 0..11)).unwrap();
    wait("the first one is forty days old", rows, "complete 1 false, live 2 true");
    writer.commit(&summary("3")).unwrap();
    drop(writer);
    assert_eq!(captures(&store), "2 3");
    let flows = "SELECT string_agg(n, ' ' ORDER BY capture_id) FROM (SELECT capture_id, count(*) AS n FROM flows GROUP BY capture_id)";
    assert_eq!(one(&store.db, flows), "7 11");
    assert_eq!(one(&store.db, "SELECT count(DISTINCT flow_id >> 40) FROM flows"), "2");
}
