//! Is a capture stored once, wholly or not at all?

use super::*;
use crate::model::record::Record;
use crate::model::schema::{ColumnType, Table, col};
use crate::protocol::clues::{Clue, HOST_CLUES, HostClue};

#[test]
fn a_capture_arrives_with_everything_that_follows_from_it() {
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    let no = w.begin(&start(7)).unwrap();
    assert_eq!(no, CaptureNo(1));
    w.rows(flow_rows(CaptureId(7), no, 0..3_000)).unwrap();
    w.rows(weird_rows(CaptureId(7), 5)).unwrap();
    for rows in [1, 2].into_iter().flat_map(|part| host_rows(CaptureId(7), part)) {
        w.rows(rows).unwrap();
    }
    assert_eq!(one(&store.db, "SELECT count(*) FROM flows"), "0", "nothing is visible before the end");
    assert_eq!(w.commit(&summary("a")).unwrap(), Stored::Committed);
    let q = |sql: &str| one(&store.db, sql);
    assert_eq!(
        q("SELECT count(*) || ' ' || count(DISTINCT flow_id) FROM flows WHERE capture_id = 7"),
        "3000 3000"
    );
    assert_eq!(q("SELECT min(first_ts) FROM flows"), "2023-11-14 22:13:20");
    assert_eq!(q("SELECT count(*) FROM weirds"), "5");
    assert_eq!(
        q(
            "SELECT row(capture_no, path, sensor, status, packets, dropped_packets, link_types, caps_hit[1].count, local_nets) FROM captures"
        ),
        "(1, /captures/7.pcap, lab, complete, 100, 3, [ethernet], 2, [10.0.0.0/8])"
    );
    assert_eq!(q("SELECT comments[1] FROM capture_files"), "it's a \"comment\"");
    // One host in two parts became one row.
    assert_eq!(
        q("SELECT row(ip, macs[1], names, peers, flows, bytes_out, services_offered) FROM hosts"),
        "(10.0.0.1, '02:00:00:00:00:01', [printer], 4, 6, 80, [ssh/1, ssh/2])"
    );
    assert_eq!(q("SELECT count(*) || ' ' || sum(flows) FROM host_facts"), "1 6");
    assert_eq!(q("SELECT count(*) || ' ' || sum(bytes_in) FROM traffic_hourly"), "1 100");
    drop(w);
    store.close().unwrap();
}

#[test]
fn more_hosts_in_parts_than_are_joined_at_once() {
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    w.begin(&start(7)).unwrap();
    for part in 1..=3 {
        let mut facts = Rows::new(&HOST_FACTS);
        // The last has one part, the others three.
        for n in 1..=if part == 1 { 6 } else { 5 } {
            let ts = Timestamp(i64::from(part) * NANOS_PER_SEC);
            host_row(&mut facts, CaptureId(7), Ip::v4([10, 0, 0, n]), &[], &format!("ssh/{part}"), ts);
        }
        w.rows(facts).unwrap();
    }
    w.commit(&summary("a")).unwrap();
    let q = |sql: &str| one(&store.db, sql);
    assert_eq!(q("SELECT count(*) || ' ' || count(DISTINCT ip) FROM host_facts"), "6 6");
    assert_eq!(q("SELECT list(flows ORDER BY ip) FROM host_facts"), "[9, 9, 9, 9, 9, 3]");
    assert_eq!(
        q("SELECT list(DISTINCT services_offered) FROM host_facts WHERE ip <> '10.0.0.6'"),
        "[[ssh/1, ssh/2, ssh/3]]"
    );
}

/// Clues about the two ends of the first flow, in the order they are given.
fn clue_rows(id: CaptureId, no: CaptureNo, clues: &[(bool, Clue, &str, &'static str)]) -> Rows {
    let f = flow(no, 0);
    let mut rows = Rows::new(&HOST_CLUES);
    for (of_server, clue, value, source) in clues {
        let ip = if *of_server { f.tuple.dst } else { f.tuple.src };
        let mut row = rows.row();
        row.time(f.first_ts).i64(id.0).i64(f.id.0);
        HostClue { ip, clue: *clue, value: (*value).to_owned(), source }.write(&mut row);
    }
    assert_eq!(rows.faults(), 0);
    rows
}

#[test]
fn clues_become_conclusions_with_their_reasons() {
    let f = Folder::new();
    let store = f.store();
    let clues = [
        (false, Clue::Fingerprint, "128:64240:mss1460,nop,ws8,nop,nop,sack", "tcp.syn"),
        (false, Clue::Client, "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "http.user_agent"),
        (false, Clue::Name, "desk", "dhcp.hostname"),
        (false, Clue::User, "alice", "kerberos"),
        (false, Clue::Mac, "00:00:0c:01:02:03", "arp"),
        (true, Clue::Server, "example_1.0", "x.banner"),
        (true, Clue::Role, "resolver", "dns.recursion"),
    ];
    let mut w = store.writer().unwrap();
    let no = w.begin(&start(1)).unwrap();
    w.rows(flow_rows(CaptureId(1), no, 0..40)).unwrap();
    w.rows(clue_rows(CaptureId(1), no, &clues)).unwrap();
    let first = flow(no, 0).tuple;
    let mut hosts = Rows::new(&HOST_FACTS);
    host_row(&mut hosts, CaptureId(1), first.src, &["02:00:00:00:00:01"], "tcp/9", Timestamp(1));
    host_row(&mut hosts, CaptureId(1), first.dst, &[], "tls/443", Timestamp(1));
    w.rows(hosts).unwrap();
    w.commit(&summary("a")).unwrap();
    let q = |what: &str, ip: Ip| one(&store.db, &format!("SELECT {what} FROM hosts WHERE ip = '{ip}'"));
    assert_eq!(q("os_guess", first.src), "Windows 10 or 11");
    assert_eq!(
        q("os_reason", first.src),
        "http.user_agent \"Windows NT 10.0\"; SYN 128:64240:mss1460,nop,ws8,nop,nop,sack"
    );
    assert_eq!(q("list_contains(names, 'desk') AND users = ['alice']", first.src), "true");
    assert_eq!(
        q("vendor", first.src),
        "Cisco Systems, locally administered (randomised or virtual)",
        "one address from a clue, one from its packets"
    );
    assert_eq!(q("roles", first.dst), "[resolver, web_server]");
    assert_eq!(q("list_contains(role_reasons, 'resolver: dns.recursion')", first.dst), "true");
    assert_eq!(
        q("len(list_filter(services_offered, lambda s: s LIKE 'tls/443 example_1.0')) ", first.dst),
        "1"
    );
    assert_eq!(q("os_guess", first.dst), "NULL");
    assert_eq!(one(&store.db, "SELECT count(*) FROM hosts WHERE os_guess IS NOT NULL"), "1");
    drop(w);
    store.close().unwrap();
}

#[test]
fn the_same_content_is_refused_and_replaced_on_request() {
    let f = Folder::new();
    let store = f.store();
    assert_eq!(ingest(&store, &start(1), "a", 10).unwrap(), Stored::Committed);
    let again = CaptureStart { path: "/elsewhere.pcap.gz".to_owned(), ..start(2) };
    assert_eq!(ingest(&store, &again, "a", 10).unwrap(), Stored::Duplicate("/captures/1.pcap".to_owned()));
    assert_eq!(ingest(&store, &start(1), "a", 10).unwrap(), Stored::Duplicate("/captures/1.pcap".to_owned()));
    assert_eq!(one(&store.db, "SELECT count(*) FROM flows"), "10");
    // Another identity, the same content; then the same identity.
    let forced = CaptureStart { replace: true, ..again };
    assert_eq!(ingest(&store, &forced, "a", 12).unwrap(), Stored::Committed);
    assert_eq!(one(&store.db, "SELECT count(*) || ' ' || min(capture_id) FROM flows"), "12 2");
    assert_eq!(ingest(&store, &forced, "a", 11).unwrap(), Stored::Committed);
    assert_eq!(one(&store.db, "SELECT count(*) || ' ' || min(capture_id) FROM flows"), "11 2");
    assert_eq!(one(&store.db, "SELECT count(*) FROM captures"), "1");
    assert_eq!(one(&store.db, "SELECT count(*) FROM host_facts WHERE capture_id <> 2"), "0");
    assert_eq!(store.capture(CaptureId(1)).unwrap(), None);
    assert_eq!(store.capture(CaptureId(2)).unwrap().unwrap().status, "complete");
}

#[test]
fn a_look_alike_is_told_apart() {
    let f = Folder::new();
    let store = f.store();
    ingest(&store, &start(1), "a", 10).unwrap();
    let mut w = store.writer().unwrap();
    let no = w.begin(&start(1)).unwrap();
    w.rows(flow_rows(CaptureId(1), no, 0..5)).unwrap();
    assert!(matches!(w.commit(&summary("b")), Err(StoreError::SameIdentity { .. })));
    w.abandon().unwrap();
    assert_eq!(one(&store.db, "SELECT count(*) FROM flows"), "10");
}

#[test]
fn a_file_that_was_cut_short_makes_way_for_the_whole_one() {
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    w.begin(&start(1)).unwrap();
    let mut cut = summary("a");
    cut.ledger.files[0].stop = Stop::Damaged { reason: "cut".to_owned(), offset: 99 };
    w.commit(&cut).unwrap();
    assert_eq!(one(&store.db, "SELECT status || stop_reason || stop_offset FROM captures"), "damagedcut99");
    let whole = CaptureStart { path: "/captures/1.pcap".to_owned(), ..start(2) };
    // Another file under the same name begins at another time: both stay.
    w.begin(&CaptureStart { capture_id: CaptureId(3), ..whole.clone() }).unwrap();
    w.commit(&CaptureSummary { first_ts: Some(Timestamp(5)), ..summary("c") }).unwrap();
    assert_eq!(one(&store.db, "SELECT count(*) FROM captures"), "2");
    w.begin(&whole).unwrap();
    w.commit(&summary("ab")).unwrap();
    assert_eq!(one(&store.db, "SELECT string_agg(capture_id, ' ' ORDER BY capture_no) FROM captures"), "3 2");
}

#[test]
fn abandoned_and_forgotten_captures_leave_no_trace_and_numbers_are_not_used_again() {
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    let no = w.begin(&start(1)).unwrap();
    w.rows(flow_rows(CaptureId(1), no, 0..20_000)).unwrap();
    w.abandon().unwrap();
    let no = w.begin(&start(2)).unwrap();
    w.rows(flow_rows(CaptureId(2), no, 0..100)).unwrap();
    drop(w);
    assert_eq!(one(&store.db, "SELECT (SELECT count(*) FROM flows) + (SELECT count(*) FROM captures)"), "0");
    ingest(&store, &start(3), "a", 1).unwrap();
    capture::delete(&store.db, CaptureId(3)).unwrap();
    ingest(&store, &start(4), "b", 1).unwrap();
    assert_eq!(one(&store.db, "SELECT capture_no FROM captures"), "2", "number 1 was given and is gone");
}

#[test]
fn calls_out_of_order_are_told() {
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    assert!(matches!(w.commit(&summary("a")), Err(StoreError::Misuse(_))));
    w.begin(&start(1)).unwrap();
    assert!(matches!(w.begin(&start(2)), Err(StoreError::Misuse(_))));
    w.abandon().unwrap();
    w.abandon().unwrap();
}

#[test]
fn rows_of_an_unknown_table_fail_the_capture_and_only_it() {
    static STRANGE: Table = Table::plain("strange", "A test.", &[col("a", ColumnType::I64, "", "A number.")]);
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    w.begin(&start(1)).unwrap();
    let mut rows = Rows::new(&STRANGE);
    rows.row().i64(1);
    w.rows(rows).unwrap();
    let e = w.commit(&summary("a")).unwrap_err().to_string();
    assert!(e.starts_with("cannot write to the database:") && e.contains("strange"), "{e}");
    assert!(w.commit(&summary("a")).is_err());
    w.abandon().unwrap();
    drop(w);
    assert_eq!(ingest(&store, &start(1), "a", 4).unwrap(), Stored::Committed);
}

#[test]
fn lists_reach_the_file_and_columns_may_stand_in_another_order() {
    static LISTS: Table = Table::record(
        "lists",
        "A test.",
        &[
            col("names", ColumnType::TextList, "", "Names."),
            col("ok", ColumnType::Bool, "", "A flag."),
            col("x", ColumnType::F64, "", "A number."),
        ],
    );
    let f = Folder::new();
    let store = f.store();
    store
        .db
        .execute_batch("CREATE TABLE lists(x DOUBLE, ts TIMESTAMP_NS, capture_id BIGINT, names VARCHAR[], flow_id BIGINT, ok BOOLEAN)")
        .unwrap();
    let mut w = store.writer().unwrap();
    w.begin(&start(1)).unwrap();
    for _ in 0..3 {
        let mut rows = Rows::new(&LISTS);
        for i in 0..5_000_i64 {
            let names: Vec<String> = (0..i % 4).map(|n| format!("n{n}-{i}-longer-than-inlined")).collect();
            let mut row = rows.row();
            row.time(Timestamp(i)).i64(1).i64(i);
            if i % 5 == 0 {
                row.null()
            } else {
                row.list(&names)
            };
            row.bool(i % 2 == 0).f64(0.5);
        }
        w.rows(rows).unwrap();
    }
    w.commit(&summary("a")).unwrap();
    let q = |sql: &str| one(&store.db, sql);
    assert_eq!(
        q("SELECT count(*) || ' ' || count(names) || ' ' || sum(len(names)) FROM lists"),
        "15000 12000 18000"
    );
    assert_eq!(
        q("SELECT names FROM lists WHERE flow_id = 4998"),
        "[n0-4998-longer-than-inlined, n1-4998-longer-than-inlined]"
    );
    assert_eq!(q("SELECT count(*) FROM lists WHERE ok AND x = 0.5"), "7500");
}

#[test]
fn a_stream_is_seen_while_it_grows_and_marked_when_it_was_cut() {
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    let stream = CaptureStart { streaming: true, ..start(9) };
    let no = w.begin(&stream).unwrap();
    host_rows(CaptureId(9), 1).into_iter().for_each(|rows| w.rows(rows).unwrap());
    w.rows(flow_rows(CaptureId(9), no, 0..20_000)).unwrap();
    w.rows(flow_rows(CaptureId(9), no, 20_000..20_001)).unwrap();
    let give_up = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while one(&store.db, "SELECT count(*) FROM flows") != "20001" && std::time::Instant::now() < give_up {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(one(&store.db, "SELECT count(*) FROM flows"), "20001", "the single row comes by time");
    assert_eq!(one(&store.db, "SELECT status FROM captures"), "live");
    drop(w);
    drop(store);
    let store = f.store();
    assert_eq!(one(&store.db, "SELECT status || ' ' || flows FROM captures"), "interrupted 20001");
    assert_eq!(one(&store.db, "SELECT sum(flows) FROM host_facts"), "3");
    // One that ends well, and one that is given up.
    let mut w = store.writer().unwrap();
    let no = w.begin(&CaptureStart { streaming: true, ..start(10) }).unwrap();
    w.rows(flow_rows(CaptureId(10), no, 0..10)).unwrap();
    w.commit(&summary("live")).unwrap();
    let no = w.begin(&CaptureStart { streaming: true, ..start(11) }).unwrap();
    w.rows(flow_rows(CaptureId(11), no, 0..20_000)).unwrap();
    w.abandon().unwrap();
    assert_eq!(
        one(&store.db, "SELECT string_agg(status, ' ' ORDER BY capture_no) FROM captures"),
        "interrupted complete"
    );
    assert_eq!(one(&store.db, "SELECT count(*) FROM flows"), "20011");
}

#[test]
fn the_files_of_a_stream_are_noted_as_it_goes() {
    let f = Folder::new();
    let store = f.store();
    let mut w = store.writer().unwrap();
    let stream = |id| CaptureStart { streaming: true, ..start(id) };
    let file = |no: usize, packets, stop: Stop| FileLedger {
        path: format!("/ring/{no}").into(),
        format: "pcapng",
        packets,
        stop,
        ..FileLedger::default()
    };
    let mut s = CaptureSummary { first_ts: None, last_ts: None, ..summary("x") };
    let states = |id: i64| {
        format!(
            "SELECT string_agg(path || ' ' || packets || ' ' || status, ', ' ORDER BY file_no) FROM capture_files WHERE capture_id = {id}"
        )
    };
    let told = |w: &mut Writer, s: &CaptureSummary, id: i64, wanted: &str| {
        w.progress(s).unwrap();
        let began = std::time::Instant::now();
        while one(&store.db, &states(id)) != wanted {
            assert!(began.elapsed().as_secs() < 30, "{} instead of {wanted}", one(&store.db, &states(id)));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    w.begin(&stream(10)).unwrap();
    // Before a ring has a file, its source stands for it.
    s.ledger.files = vec![file(8, 0, Stop::Reading), file(9, 0, Stop::Reading)];
    told(&mut w, &s, 10, "/ring/8 0 live, /ring/9 0 live");
    s.ledger.files = vec![file(0, 5, Stop::Reading)];
    told(&mut w, &s, 10, "/ring/0 5 live");
    s.ledger.files = vec![file(0, 9, Stop::End), file(1, 2, Stop::Reading)];
    told(&mut w, &s, 10, "/ring/0 9 complete, /ring/1 2 live");
    s.ledger.files[0].removed = true;
    told(&mut w, &s, 10, "/ring/0 9 removed, /ring/1 2 live");
    s.ledger.files[1].stop = Stop::End;
    w.commit(&s).unwrap();
    assert_eq!(one(&store.db, &states(10)), "/ring/0 9 removed, /ring/1 2 complete");
    assert_eq!(one(&store.db, "SELECT packets FROM captures WHERE capture_id = 10"), "11");
    // The ring of the next capture takes a file of this one.
    w.begin(&stream(11)).unwrap();
    s.ledger.files = vec![file(2, 1, Stop::Reading)];
    s.ledger.removed = vec!["/ring/1".into()];
    told(&mut w, &s, 11, "/ring/2 1 live");
    assert_eq!(one(&store.db, &states(10)), "/ring/0 9 removed, /ring/1 2 removed");
    drop(w);
    store.close().unwrap();
    let store = f.store();
    assert_eq!(one(&store.db, &states(11)), "/ring/2 1 interrupted", "the process that wrote it has ended");
}
