//! Which signs add up to what, and which work with files and services is none?

use super::*;
use crate::detect::testing::{Bench, inside, outside, record};
use crate::protocol::dcerpc::Uuid;
use crate::protocol::smb::Status;

const SVCCTL: u128 = 0x367abb81_9844_35f1_ad32_98f038001003;
const WBEM: u128 = 0x9556dc99_828c_11cf_a37e_00aa003240c7;

fn smb(n: u64, command: &'static str, share: &str, name: &str, written: u64, read: u64) -> RecordFact {
    let smb = SmbRecord {
        command,
        share: Some(share.into()),
        share_type: Some("disk"),
        status: Some(Status::Nt(0)),
        file_name: (!name.is_empty()).then(|| name.into()),
        written_bytes: Some(written),
        read_bytes: Some(read),
        ..SmbRecord::default()
    };
    record(n, n as f64, inside(1), inside(2), 445, smb)
}

fn file(n: u64, name: &str, sender: Side) -> RecordFact {
    let file = FileRecord {
        old_hashes: None,
        source: "smb",
        sender,
        name: Some(name.into()),
        mime: Some("application/x-dosexec"),
        declared_mime: None,
        seen_bytes: 90_000,
        declared_bytes: None,
        missing_bytes: 0,
        sha256: None,
        duration: 1,
    };
    record(n, n as f64, inside(1), inside(2), 445, file)
}

fn call(n: u64, interface: u128, opnum: u16, fault: Option<u32>) -> RecordFact {
    let interface = Some((Uuid(interface.to_be_bytes()), 1, 0));
    let call = DcerpcRecord { kind: "call", interface, opnum: Some(opnum), fault, ..DcerpcRecord::default() };
    record(n, n as f64, inside(1), inside(2), 445, call)
}

#[test]
fn a_program_in_admin_and_the_service_that_starts_it() {
    let mut bench = Bench::new(&META);
    bench.records([
        smb(1, "tree_connect", "\\\\b\\ADMIN$", "", 0, 0),
        file(2, "x7.exe", Side::Orig),
        smb(2, "close", "\\\\b\\ADMIN$", "x7.exe", 90_000, 0),
        call(3, SVCCTL, 12, None),
        call(4, SVCCTL, 19, None),
    ]);
    let found = bench.end();
    assert_eq!((found.len(), found[0].severity), (1, Severity::High));
    assert_eq!(
        found[0].title,
        "10.0.0.1 writes x7.exe to ADMIN$ on 10.0.0.2 and installs a service on 10.0.0.2"
    );
    assert!(found[0].confidence > 0.9);
}

#[test]
fn the_start_long_after_is_another_matter() {
    let mut bench = Bench::new(&META);
    bench.records([
        file(1, "x.exe", Side::Orig),
        smb(1, "close", "\\\\b\\tools", "x.exe", 9, 0),
        call(2_000, SVCCTL, 12, None),
    ]);
    assert_eq!(bench.end()[0].severity, Severity::Medium);
}

#[test]
fn work_with_files_is_none() {
    let mut bench = Bench::new(&META);
    bench.records([
        smb(1, "tree_connect", "\\\\b\\docs", "", 0, 0),
        smb(2, "close", "\\\\b\\docs", "plan.docx", 4_000, 9_000),
        file(3, "setup.exe", Side::Resp),
        smb(3, "close", "\\\\b\\software", "setup.exe", 0, 90_000),
        call(4, SVCCTL, 15, None),
        call(5, SVCCTL, 6, None),
        call(6, WBEM, 20, None),
    ]);
    assert!(
        bench.kinds().is_empty(),
        "a client reads a program from a share; a monitor asks for services and by WMI"
    );
}

#[test]
fn one_sign_is_mild_and_a_known_tool_is_not() {
    let mut bench = Bench::new(&META);
    bench.records([smb(1, "tree_connect", "\\\\b\\C$", "", 0, 0)]);
    assert_eq!(bench.end()[0].severity, Severity::Low);
    let mut bench = Bench::new(&META);
    bench.records([call(1, WBEM, 24, None)]);
    assert_eq!(bench.end()[0].severity, Severity::Medium);
    let mut bench = Bench::new(&META);
    bench.records([
        file(1, "t\\Mimikatz.exe", Side::Resp),
        smb(1, "close", "\\\\b\\c$", "t\\Mimikatz.exe", 0, 9),
    ]);
    assert_eq!(bench.end()[0].severity, Severity::High);
    let mut bench = Bench::new(&META);
    let mut from_outside = call(1, WBEM, 24, None);
    (from_outside.tuple.src, from_outside.src_internal) = (outside(1), false);
    bench.records([from_outside]);
    assert_eq!(bench.end()[0].severity, Severity::High);
}

#[test]
fn what_is_refused_is_told_as_such() {
    let mut bench = Bench::new(&META);
    bench.records([
        file(2, "x.exe", Side::Orig),
        smb(2, "close", "\\\\b\\ADMIN$", "x.exe", 9, 0),
        call(3, SVCCTL, 12, Some(5)),
    ]);
    let found = bench.end();
    assert_eq!(found[0].severity, Severity::High);
    assert!(found[0].title.contains("is refused"), "{}", found[0].title);
}

#[test]
fn a_session_of_remote_powershell() {
    let http = |n: u64| {
        let http = HttpTransaction {
            method: Some("POST".into()),
            uri: Some("/wsman?PSVersion=5.1".into()),
            status_code: Some(200),
            ..HttpTransaction::default()
        };
        record(n, n as f64, inside(1), inside(2), 5985, http)
    };
    let mut bench = Bench::new(&META);
    bench.records((0..4).map(http));
    assert!(bench.kinds().is_empty());
    bench.records((4..30).map(http));
    let found = bench.end();
    assert_eq!(
        (found[0].severity, found[0].title.as_str()),
        (Severity::Low, "10.0.0.1 gives commands to 10.0.0.2 over WinRM (30 requests)")
    );
}

#[test]
fn the_state_has_a_cap() {
    let mut bench = Bench::new(&META);
    for n in 0..(MAX_PAIRS as u32 + 10) {
        let mut r = smb(u64::from(n), "tree_connect", "\\\\b\\docs", "", 0, 0);
        r.tuple.dst = Ip::v4((0x0a00_0000 + n).to_be_bytes());
        bench.records([r]);
    }
    assert!(bench.detector.evicted() > 0);
}
