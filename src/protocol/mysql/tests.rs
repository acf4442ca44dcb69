//! Exchanges as they come: whole, refused, lost, cut anywhere.

use super::*;
use crate::protocol::testing::{Bench, Run, lost, orig, resp};

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
    [&[a, b, c, sequence][..], payload].concat()
}

fn greeting() -> Vec<u8> {
    let body = [
        &b"\x0a8.0.36\0\x08\0\0\0"[..],
        b"abcdefgh\0\xff\xf7\x21\x02\0\xff\xdf\x15",
        &[0; 10],
        b"ijklmnopqrst\0caching_sha2_password\0",
    ];
    packet(0, &body.concat())
}

fn login() -> Vec<u8> {
    let caps: u32 = 1 << 3 | 1 << 9 | 1 << 15 | 1 << 19 | 1 << 20 | 1 << 21;
    let attributes = b"\x0cprogram_name\x05mysql";
    let body = [
        &caps.to_le_bytes()[..],
        &[0, 0, 0, 1, 33],
        &[0; 23],
        b"root\0\x04\xaa\xbb\xcc\xddshop\0mysql_native_password\0",
        &[attributes.len() as u8],
        attributes,
    ];
    packet(1, &body.concat())
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

fn run(sent: &[crate::protocol::testing::Sent<'_>]) -> Run {
    let run = Bench::tcp(4242).run(sent);
    assert_eq!(run.faults, 0);
    run
}

#[test]
fn a_login_and_its_queries() {
    let result = [
        packet(1, &[1]),
        packet(2, b"\x03def definition"),
        packet(3, &[0xfe, 0, 0, 2, 0]),
        packet(4, b"\x01a"),
        packet(5, b"\x01b"),
        packet(6, &[0xfe, 0, 0, 2, 0]),
    ];
    let refused = packet(1, b"\xff\x7a\x04#42S02no such table");
    let run = run(&[
        resp(&greeting()),
        orig(&login()),
        resp(&packet(2, OK)),
        orig(&packet(0, b"\x03SELECT 1")),
        resp(&result.concat()),
        orig(&packet(0, b"\x03DELETE FROM t")),
        resp(&packet(1, &[0, 7, 0, 2, 0, 0, 0])),
        orig(&packet(0, b"\x03SELECT x")),
        resp(&refused),
        orig(&packet(0, b"\x01")),
    ]);
    let rows = run.records::<MySqlCommand>();
    let facts: Vec<_> =
        rows.iter().map(|r| (r.command, r.argument.as_deref(), r.success, r.rows, r.affected_rows)).collect();
    assert_eq!(
        facts,
        [
            ("login", Some("root"), Some(true), None, None),
            ("query", Some("SELECT 1"), Some(true), Some(2), None),
            ("query", Some("DELETE FROM t"), Some(true), None, Some(7)),
            ("query", Some("SELECT x"), Some(false), None, None),
            ("quit", None, None, None, None),
        ]
    );
    assert_eq!((rows[3].error_code, rows[3].error.as_deref()), (Some(1146), Some("no such table")));
    assert_eq!(
        (rows[0].server_version.as_deref(), rows[0].program.as_deref()),
        (Some("8.0.36"), Some("mysql"))
    );
    assert!(rows.iter().all(|r| r.user.as_deref() == Some("root") && r.database.as_deref() == Some("shop")));
    let logins = run.records::<Credential>();
    assert_eq!((logins[0].account.as_deref(), logins[0].success), (Some("root"), Some(true)));
    assert_eq!((logins[0].secret, logins[0].mechanism), (Secret::Hashed, "mysql_native_password"));
    assert_eq!((run.service, run.weirds.len()), (Some("mysql"), 0));
}

#[test]
fn refusals_and_tls() {
    let refused =
        run(&[resp(&greeting()), orig(&login()), resp(&packet(2, b"\xff\x15\x04#28000Access denied"))]);
    let row = refused.records::<MySqlCommand>()[0].clone();
    assert_eq!((row.success, row.error_code), (Some(false), Some(1045)));
    assert_eq!(refused.records::<Credential>()[0].success, Some(false));
    let caps: u32 = 1 << 9 | 1 << 11;
    let ask = packet(1, &[&caps.to_le_bytes()[..], &[0, 0, 0, 1, 33], &[0; 23]].concat());
    let hello = b"\x16\x03\x01\0\x2f\x01\0\0\x2b\x03\x03";
    let tls = run(&[resp(&greeting()), orig(&[&ask[..], hello, &[0; 41]].concat())]);
    assert!(tls.records::<MySqlCommand>()[0].tls && tls.records::<Credential>().is_empty());
    assert_eq!(tls.records::<crate::protocol::tls::TlsHandshake>().len(), 1);
    let full = run(&[resp(&packet(0, b"\xff\x10\x04Too many connections"))]);
    assert_eq!(full.records::<MySqlCommand>()[0].error_code, Some(1040));
}

#[test]
fn loss_and_prefixes_survive() {
    let run1 = run(&[
        resp(&greeting()),
        orig(&login()),
        resp(&packet(2, OK)),
        orig(&packet(0, b"\x03SELECT 1")),
        lost(Side::Resp, 500),
        resp(b"rest"),
        orig(&packet(0, b"\x03SELECT 2")),
        resp(&packet(1, OK)),
    ]);
    let rows = run1.records::<MySqlCommand>();
    assert_eq!((rows.len(), rows[1].success, rows[2].success), (3, None, Some(true)));
    let (a, b) = ([greeting(), packet(2, OK)].concat(), [login(), packet(0, b"\x03SELECT 1")].concat());
    for end in 0..a.len().max(b.len()) {
        run(&[resp(&a[..end.min(a.len())]), orig(&b[..end.min(b.len())]), resp(&a)]);
    }
    let long = packet(0, &[&b"\x03"[..], &[b'x'; 100_000]].concat());
    let run2 = run(&[
        resp(&greeting()),
        orig(&login()),
        resp(&packet(2, OK)),
        orig(&long[..5000]),
        orig(&long[5000..]),
        resp(&packet(1, OK)),
    ]);
    let rows = run2.records::<MySqlCommand>();
    assert_eq!(
        (rows.len(), rows[1].success, rows[1].argument.as_ref().unwrap().chars().count()),
        (2, Some(true), ARGUMENT_CAP + 1)
    );
}
