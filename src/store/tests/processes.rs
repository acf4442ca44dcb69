//! What do two processes see of each other, and what does a killed one leave?

use super::*;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Tells the child which database; only set for children.
const CHILD_DB: &str = "SECNETMON_TEST_CHILD_DB";

#[expect(clippy::disallowed_methods, reason = "how a test tells its child process what to do")]
fn child_db() -> Option<PathBuf> {
    std::env::var_os(CHILD_DB).map(PathBuf::from)
}

/// Start this test binary again with one ignored test.
fn child(test: &str, db: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("store::tests::processes::{test}"),
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(CHILD_DB, db)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lines that a child says, those of the test harness left out.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let out = BufReader::new(child.stdout.take().unwrap());
    out.lines()
        .map_while(Result::ok)
        .filter_map(|l| l.find("child: ").and_then(|i| l.get(i + 7..).map(str::to_owned)))
}

#[expect(clippy::print_stdout, reason = "how a child process talks to its test")]
fn say(text: &str) {
    println!("child: {text}");
}

#[test]
#[ignore = "run by the tests below in a process of its own"]
fn holding_child() {
    let Some(db) = child_db() else { return };
    let _store = Store::open(&db, &StoreConfig::default()).unwrap();
    say("open");
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
#[ignore = "run by the tests below in a process of its own"]
fn writing_child() {
    let Some(db) = child_db() else { return };
    let store = Store::open(&db, &StoreConfig { memory_limit_mib: 64, threads: 1 }).unwrap();
    let no: i64 = one(&store.db, "SELECT coalesce(max(capture_id), 0) FROM captures").parse().unwrap();
    for id in no + 1..no + 1_000 {
        // Small captures that stay in the log, and large ones that spill to the file before the commit.
        let flows = if id % 3 == 0 { 130_000 } else { 700 };
        let mut w = store.writer().unwrap();
        let no = w.begin(&start(id)).unwrap();
        for from in (0..flows).step_by(10_000) {
            w.rows(flow_rows(CaptureId(id), no, from..(from + 10_000).min(flows))).unwrap();
        }
        w.rows(weird_rows(CaptureId(id), 3)).unwrap();
        host_rows(CaptureId(id), 1).into_iter().for_each(|rows| w.rows(rows).unwrap());
        w.commit(&CaptureSummary { flows, ..summary(&format!("{id}")) }).unwrap();
        say(&format!("{id}"));
    }
}

#[test]
fn a_second_process_is_told_who_has_it() {
    let f = Folder::new();
    Store::create_if_missing(&f.db()).unwrap();
    let mut child = child("holding_child", &f.db());
    assert_eq!(lines(&mut child).next().as_deref(), Some("open"));
    for e in [
        Store::open(&f.db(), &StoreConfig::default()).err().unwrap().to_string(),
        Reader::open(&f.db(), &StoreConfig::default(), &[]).err().unwrap().to_string(),
    ] {
        assert!(e.contains(&format!("in use by process {}", child.id())) && e.contains("--db"), "{e}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(Store::open(&f.db(), &StoreConfig::default()).is_ok(), "a dead process holds nothing");
    // The same within one process, where DuckDB's own lock would let a second one through.
    let _store = f.store();
    assert!(matches!(Store::open(&f.db(), &StoreConfig::default()), Err(StoreError::Locked { .. })));
}

#[test]
fn a_killed_process_leaves_whole_captures_or_none() {
    let f = Folder::new();
    Store::create_if_missing(&f.db()).unwrap();
    for round in 0..5_u64 {
        let mut child = child("writing_child", &f.db());
        let said = lines(&mut child);
        // At another moment each time: while opening, in small captures, in large ones, at their commit.
        let last = said.take(1 + (round as usize * 3) % 5).last();
        std::thread::sleep(Duration::from_millis(round * 37 % 300));
        child.kill().unwrap();
        child.wait().unwrap();
        let last: i64 = last.unwrap().parse().unwrap();
        let store = f.store();
        let q = |sql: &str| one(&store.db, sql);
        assert!(
            q("SELECT max(capture_id) FROM captures").parse::<i64>().unwrap() >= last,
            "what was said is kept"
        );
        assert_eq!(
            q(
                "SELECT count(*) FROM captures c WHERE c.flows <> (SELECT count(*) FROM flows f WHERE f.capture_id = c.capture_id)"
            ),
            "0"
        );
        assert_eq!(q("SELECT count(*) FROM flows ANTI JOIN captures USING (capture_id)"), "0");
        assert_eq!(q("SELECT (SELECT count(*) FROM weirds) = 3 * (SELECT count(*) FROM captures)"), "true");
        assert_eq!(q("SELECT count(*) = (SELECT count(*) FROM captures) FROM host_facts"), "true");
        store.close().unwrap();
    }
}
