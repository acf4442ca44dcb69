//! How fast is writing, and how large is a flow? Run with `--ignored --nocapture` in release.

use super::*;
use std::time::Instant;

/// Resident now and at most, MiB.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |key: &str| {
        status
            .lines()
            .find_map(|l| l.strip_prefix(key))
            .and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok())
            .unwrap_or(0)
    };
    (kib("VmRSS:") / 1024, kib("VmHWM:") / 1024)
}

/// CPU of the threads so far but the test's own, which only makes rows, ms.
fn cpu() -> u64 {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        if stat.contains("(store::tests::") {
            continue;
        }
        let after = stat.rsplit(')').next().unwrap_or_default();
        total += after.split_whitespace().skip(11).take(2).filter_map(|v| v.parse::<u64>().ok()).sum::<u64>();
    }
    total * 10
}

#[expect(clippy::print_stdout, reason = "the figures are what this test is for")]
fn report(text: &str) {
    println!("{text}");
}

#[test]
#[ignore = "a measurement, minutes in debug"]
fn a_million_flows() {
    const FLOWS: u64 = 1_000_000;
    const BATCH: u64 = 8_192;
    let f = Folder::new();
    let began = Instant::now();
    Store::create_if_missing(&f.db()).unwrap();
    report(&format!("create: {:?}", began.elapsed()));
    let began = Instant::now();
    drop(f.reader());
    report(&format!("open for reading, empty: {:?}", began.elapsed()));
    let began = Instant::now();
    let store = f.store();
    report(&format!("open for writing: {:?}; resident {:?} MiB", began.elapsed(), resident()));
    let began = Instant::now();
    let mut w = store.writer().unwrap();
    let no = w.begin(&start(1)).unwrap();
    for from in (0..FLOWS).step_by(BATCH as usize) {
        w.rows(flow_rows(CaptureId(1), no, from..(from + BATCH).min(FLOWS))).unwrap();
    }
    report(&format!("queued: {:?}, CPU {} ms, resident {:?} MiB", began.elapsed(), cpu(), resident()));
    w.commit(&CaptureSummary { flows: FLOWS, ..summary("a") }).unwrap();
    report(&format!("committed: {:?}, CPU {} ms, resident {:?} MiB", began.elapsed(), cpu(), resident()));
    drop(w);
    store.close().unwrap();
    let info = maintenance::info(&f.db(), &StoreConfig::default()).unwrap();
    report(&format!("closed: {:?}; {} bytes a flow", began.elapsed(), info.file_bytes / FLOWS));
    report(&format!("{:?}", info.tables));
    let began = Instant::now();
    drop(f.reader());
    report(&format!("open for reading: {:?}", began.elapsed()));
}
