//! Exchanges as they come: whole, refused, lost, cut anywhere.

use super::*;
use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

fn run(sent: &[Sent<'_>]) -> Run {
    let run = Bench::tcp(1433).run(sent);
    assert_eq!(run.faults, 0);
    run
}

fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() + HEADER) as u16;
    [&[kind, 1][..], &len.to_be_bytes(), &[0, 0, 1, 0], payload].concat()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn prelogin(encryption: u8) -> Vec<u8> {
    let body = [&[0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff][..], &[15, 0, 0x07, 0xd0, 0, 0], &[encryption]];
    packet(18, &body.concat())
}

fn login() -> Vec<u8> {
    let texts = ["PC7", "sa", "secret", "sqlcmd", "db01", "", "ODBC", "", "shop"];
    let (mut places, mut body) = (Vec::new(), Vec::new());
    for text in texts {
        places.extend((94 + body.len() as u16).to_le_bytes());
        places.extend((text.len() as u16).to_le_bytes());
        body.extend(utf16(text));
    }
    let head = [&[0; 36][..], &places, &[0; 6 + 16]].concat();
    packet(16, &[head, body].concat())
}

fn done(status: u16, rows: u64) -> Vec<u8> {
    [&[0xfd][..], &status.to_le_bytes(), &[0xc1, 0], &rows.to_le_bytes()].concat()
}

fn error(number: u32, text: &str) -> Vec<u8> {
    let text_16 = utf16(text);
    let body =
        [&number.to_le_bytes()[..], &[1, 14], &(text.len() as u16).to_le_bytes(), &text_16, &[0; 6]].concat();
    [&[0xaa][..], &(body.len() as u16).to_le_bytes(), &body].concat()
}

fn login_ack() -> Vec<u8> {
    let name = utf16("Microsoft SQL Server");
    let body = [&[1, 0x74, 0, 0, 4, 20][..], &name, &[15, 0, 0x07, 0xd0]].concat();
    [&[0xad][..], &(body.len() as u16).to_le_bytes(), &body].concat()
}

#[test]
fn a_login_a_batch_and_a_call() {
    let headers = [&[22, 0, 0, 0, 18, 0, 0, 0, 2, 0][..], &[0; 12]].concat();
    let batch = packet(1, &[&headers[..], &utf16("SELECT 1")].concat());
    let rows = packet(4, &[&[0x81, 1, 0, 9, 9, 9][..], &done(0x10, 3)].concat());
    let text = utf16("DELETE FROM t");
    let parameter =
        [&[0, 0, 0, 0, 0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34][..], &(text.len() as u16).to_le_bytes(), &text]
            .concat();
    let call = packet(3, &[&headers[..], &[0xff, 0xff, 10, 0], &parameter].concat());
    let run = run(&[
        orig(&prelogin(0)),
        resp(&packet(4, &prelogin(2)[HEADER..])),
        orig(&login()),
        resp(&packet(4, &[login_ack(), done(0, 0)].concat())),
        orig(&batch),
        resp(&rows),
        orig(&call),
        resp(&packet(4, &[error(208, "Invalid object"), done(2, 0)].concat())),
    ]);
    let rows = run.records::<TdsCommand>();
    let facts: Vec<_> =
        rows.iter().map(|r| (r.command, r.argument.as_deref(), r.success, r.rows, r.error_code)).collect();
    assert_eq!(
        facts,
        [
            ("prelogin", None, Some(true), None, None),
            ("login", Some("sa"), Some(true), None, None),
            ("batch", Some("SELECT 1"), Some(true), Some(3), None),
            ("rpc", Some("DELETE FROM t"), Some(false), None, Some(208)),
        ]
    );
    assert_eq!(
        (rows[0].encryption, rows[0].server_version.as_deref()),
        (Some("unsupported"), Some("15.0.2000"))
    );
    assert_eq!(
        (rows[1].client_host.as_deref(), rows[1].application.as_deref()),
        (Some("PC7"), Some("sqlcmd"))
    );
    assert_eq!(
        (rows[3].procedure.as_deref(), rows[3].error.as_deref()),
        (Some("sp_executesql"), Some("Invalid object"))
    );
    assert_eq!((rows[2].user.as_deref(), rows[2].database.as_deref()), (Some("sa"), Some("shop")));
    let login = run.records::<Credential>()[0].clone();
    assert_eq!(
        (login.account.as_deref(), login.secret, login.success),
        (Some("sa"), Secret::Clear, Some(true))
    );
    assert!(!format!("{rows:?}").contains("secret") && run.service == Some("tds"));
}

#[test]
fn a_refused_login_and_encryption() {
    let refused =
        run(&[orig(&login()), resp(&packet(4, &[error(18456, "Login failed"), done(2, 0)].concat()))]);
    assert_eq!(refused.records::<TdsCommand>()[0].error_code, Some(18456));
    assert_eq!(refused.records::<Credential>()[0].success, Some(false));
    let hello = packet(18, b"\x16\x03\x01\0\x2f\x01\0\0\x2b\x03\x03");
    let dark = run(&[orig(&prelogin(1)), resp(&packet(4, &prelogin(1)[HEADER..])), orig(&hello)]);
    assert_eq!((dark.records::<TdsCommand>()[0].encryption, dark.done_after), (Some("on"), None));
    let broken = packet(18, b"no TLS and no options");
    let dark = run(&[orig(&prelogin(1)), resp(&packet(4, &prelogin(1)[HEADER..])), orig(&broken)]);
    assert_eq!(dark.records::<TdsCommand>().len(), 1);
}

#[test]
fn loss_and_prefixes_survive() {
    let batch = packet(1, &utf16("SELECT 2"));
    let run1 = run(&[
        orig(&batch),
        lost(Side::Resp, 999),
        resp(b"rest of a row"),
        orig(&batch),
        resp(&packet(4, &done(0, 0))),
    ]);
    let successes: Vec<_> = run1.records::<TdsCommand>().into_iter().map(|r| r.success).collect();
    assert_eq!(successes, [None, Some(true)]);
    let (a, b) = (
        [prelogin(0), login(), batch].concat(),
        [packet(4, &prelogin(2)[HEADER..]), packet(4, &login_ack())].concat(),
    );
    for end in 0..a.len().max(b.len()) {
        run(&[orig(&a[..end.min(a.len())]), resp(&b[..end.min(b.len())]), orig(&a)]);
    }
}

#[test]
fn other_streams_are_not_mine() {
    let verdict = |orig: &[u8], resp: &[u8], port| {
        probe(&Probe { orig, resp, transport: Transport::Tcp, ports: (1, port) })
    };
    assert_eq!(verdict(&prelogin(0), b"", 4242), Verdict::Mine(90));
    assert_eq!(verdict(&packet(1, b"x\0"), b"", 4242), Verdict::NeedMore);
    assert_eq!(verdict(&packet(1, b"x\0"), b"HTTP/1.1 200 OK", 4242), Verdict::NotMine);
    assert_eq!(verdict(&packet(18, &[0; 40]), b"", 1433), Verdict::NotMine);
    assert_eq!(verdict(b"GET / HTTP/1.1\r\n", b"", 1433), Verdict::NotMine);
}

#[test]
fn tls_inside_the_packets_is_read() {
    // A ClientHello with nothing but a cipher, and an answer to it.
    let hello = |kind: u8, middle: &[u8]| {
        let body = [&[3, 3][..], &[7; 32], middle].concat();
        let head = [22, 3, 3, 0, body.len() as u8 + 4, kind, 0, 0, body.len() as u8];
        [&head[..], &body].concat()
    };
    let client = hello(1, &[0, 0, 2, 0x00, 0x2f, 1, 0]);
    let server = hello(2, &[0, 0x00, 0x2f, 0]);
    let dark = [20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 4, 9, 9, 9, 9];
    let login = [23, 3, 3, 0, 6, 1, 2, 3, 4, 5, 6];
    let (asked, answered) = (prelogin(1), packet(4, &prelogin(1)[HEADER..]));
    let wrapped = [packet(18, &client), packet(18, &server), packet(18, &dark)];
    let talk = [
        orig(&asked),
        resp(&answered),
        orig(&wrapped[0]),
        resp(&wrapped[1]),
        orig(&wrapped[2]),
        resp(&wrapped[2]),
        orig(&login),
        resp(&login),
    ];
    let all = run(&talk);
    let rows = all.records::<crate::protocol::tls::TlsHandshake>();
    assert_eq!((rows.len(), all.service), (1, Some("tds")));
    assert!(format!("{:?}", rows[0]).contains("47"), "the chosen cipher is there: {:?}", rows[0]);
    assert_eq!(all.records::<TdsCommand>().len(), 1);
    for end in 2..talk.len() {
        let mut holed = talk.to_vec();
        holed[end] = lost(Side::Orig, 9);
        run(&holed);
        assert_eq!(
            run(&talk[..end]).records::<crate::protocol::tls::TlsHandshake>().len(),
            usize::from(end > 2)
        );
    }
}
