//! Exchanges as they come: whole, refused, lost, cut anywhere.

use super::*;
use crate::protocol::credentials::{Credential, Secret};
use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

fn start() -> Vec<u8> {
    let body = b"\0\x03\0\0user\0ann\0database\0shop\0application_name\0psql\0\0";
    [&(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

fn welcome() -> Vec<u8> {
    [
        message(b'R', &[0; 4]),
        message(b'S', b"server_version\x0016.1\0"),
        message(b'K', &[0; 8]),
        message(b'Z', b"I"),
    ]
    .concat()
}

const TLS: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";

fn run(sent: &[Sent<'_>]) -> Run {
    let run = Bench::tcp(4242).run(sent);
    assert_eq!(run.faults, 0);
    run
}

/// Command, argument, success, rows, tag.
type Facts<'a> = (&'a str, Option<&'a str>, Option<bool>, Option<u64>, Option<&'a str>);

fn facts(run: &Run) -> Vec<Facts<'_>> {
    let rows = run.records::<PostgresCommand>().into_iter();
    rows.map(|r| (r.command, r.argument.as_deref(), r.success, r.rows, r.tag.as_deref())).collect()
}

#[test]
fn a_login_and_simple_queries() {
    let result = [
        message(b'T', b"\0\x01"),
        message(b'D', b"\0\x01"),
        message(b'D', b"\0\x01"),
        message(b'C', b"SELECT 2\0"),
        message(b'Z', b"I"),
    ];
    let failed = [message(b'E', b"SERROR\0C42P01\0Mno such table\0\0"), message(b'Z', b"I")];
    let run = run(&[
        orig(TLS),
        resp(b"N"),
        orig(&start()),
        resp(&message(b'R', &[0, 0, 0, 5, 1, 2, 3, 4])),
        orig(&message(b'p', b"md5abc\0")),
        resp(&welcome()),
        orig(&message(b'Q', b"SELECT 1\0")),
        resp(&result.concat()),
        orig(&message(b'Q', b"SELECT x\0")),
        resp(&failed.concat()),
        orig(&message(b'X', b"")),
    ]);
    assert_eq!(
        facts(&run),
        [
            ("tls", None, Some(false), None, None),
            ("login", Some("ann"), Some(true), None, None),
            ("query", Some("SELECT 1"), Some(true), Some(2), Some("SELECT 2")),
            ("query", Some("SELECT x"), Some(false), None, None),
            ("terminate", None, None, None, None),
        ]
    );
    let rows = run.records::<PostgresCommand>();
    assert_eq!((rows[1].auth, rows[1].server_version.as_deref()), (Some("md5"), Some("16.1")));
    assert_eq!(
        (rows[3].error_code.as_deref(), rows[3].error.as_deref()),
        (Some("42P01"), Some("no such table"))
    );
    assert_eq!((rows[2].database.as_deref(), rows[2].application.as_deref()), (Some("shop"), Some("psql")));
    let login = run.records::<Credential>()[0].clone();
    assert_eq!(
        (login.account.as_deref(), login.mechanism, login.secret, login.success),
        (Some("ann"), "md5", Secret::Hashed, Some(true))
    );
}

#[test]
fn prepared_queries() {
    let ask = [
        message(b'P', b"s1\0INSERT INTO t VALUES ($1)\0\0\0"),
        message(b'B', b"\0s1\0\0\0\0\0\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ];
    let again = [message(b'B', b"\0s1\0\0\0\0\0\0\0"), message(b'E', b"\0\0\0\0\0"), message(b'S', b"")];
    let did = [message(b'2', b""), message(b'C', b"INSERT 0 1\0"), message(b'Z', b"I")].concat();
    let broken = [message(b'P', b"\0SELEC\0\0\0"), message(b'E', b"\0\0\0\0\0"), message(b'S', b"")];
    let run = run(&[
        orig(&start()),
        resp(&welcome()),
        orig(&ask.concat()),
        resp(&[message(b'1', b""), did.clone()].concat()),
        orig(&[again.concat(), broken.concat()].concat()),
        resp(&[did, message(b'E', b"C42601\0Msyntax\0\0"), message(b'Z', b"I")].concat()),
    ]);
    assert_eq!(
        facts(&run)[1..],
        [
            ("parse", Some("INSERT INTO t VALUES ($1)"), Some(true), None, Some("INSERT 0 1")),
            ("execute", Some("s1"), Some(true), None, Some("INSERT 0 1")),
            ("parse", Some("SELEC"), Some(false), None, None),
        ]
    );
}

#[test]
fn refusals_and_tls() {
    let refused = run(&[
        orig(&start()),
        resp(&message(b'R', &[0, 0, 0, 3])),
        orig(&message(b'p', b"secret\0")),
        resp(&message(b'E', b"SFATAL\0C28P01\0Mpassword authentication failed\0\0")),
    ]);
    let login = refused.records::<Credential>()[0].clone();
    assert_eq!((login.mechanism, login.secret, login.success), ("password", Secret::Clear, Some(false)));
    assert!(!format!("{:?}", refused.records::<PostgresCommand>()).contains("secret"));
    let hello = [&b"\x16\x03\x01\0\x2f\x01\0\0\x2b\x03\x03"[..], &[0; 41]].concat();
    let tls = run(&[orig(TLS), resp(b"S"), orig(&hello)]);
    assert_eq!(facts(&tls), [("tls", None, Some(true), None, None)]);
    assert_eq!(tls.records::<crate::protocol::tls::TlsHandshake>().len(), 1);
}

#[test]
fn loss_and_prefixes_survive() {
    let done = [message(b'C', b"SELECT 0\0"), message(b'Z', b"I")].concat();
    let run1 = run(&[
        orig(&start()),
        resp(&welcome()),
        orig(&message(b'Q', b"SELECT 1\0")),
        lost(Side::Resp, 999),
        resp(b"rest of a row"),
        orig(&message(b'Q', b"SELECT 2\0")),
        resp(&done),
    ]);
    assert_eq!(
        facts(&run1)[1..],
        [
            ("query", Some("SELECT 1"), None, None, None),
            ("query", Some("SELECT 2"), Some(true), None, Some("SELECT 0"))
        ]
    );
    let (a, b) = ([start(), message(b'Q', b"SELECT 1\0")].concat(), [welcome(), done].concat());
    for end in 0..a.len().max(b.len()) {
        run(&[orig(&a[..end.min(a.len())]), resp(&b[..end.min(b.len())]), orig(&a)]);
    }
}
