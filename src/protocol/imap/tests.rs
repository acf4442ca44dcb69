//! Are IMAP sessions told whole, lost and cut?

use super::*;
use crate::protocol::testing::{Bench, Run, lost, orig, resp};

const SESSION: &[(bool, &[u8])] = &[
    (false, b"* OK IMAP4rev1 Service Ready\r\n"),
    (true, b"a001 LOGIN {5}\r\n"),
    (false, b"+ go on\r\n"),
    (true, b"mrc\"x {6+}\r\nsecret\r\n"),
    (false, b"a001 OK LOGIN completed\r\n"),
    (true, b"a002 select \"my inbox\"\r\n"),
    (false, b"* 18 EXISTS\r\na002 OK [READ-WRITE] SELECT completed\r\n"),
    (true, b"a003 UID fetch 12 (BODY[])\r\n"),
    (
        false,
        b"* 12 FETCH (BODY[] {30}\r\na003 BAD inside a mail\r\n.......\r\n)\r\na003 OK FETCH completed\r\n",
    ),
    (true, b"a004 APPEND saved (\\Seen) {1000}\r\n"),
    (false, b"+ Ready\r\n"),
    (true, &[b'\n'; 1000]),
    (true, b"\r\n"),
    (false, b"a004 NO full\r\n"),
    (true, b"a005 LOGOUT\r\n"),
];

fn rows(run: &Run) -> Vec<(&str, &str, Option<&str>, Option<&str>)> {
    assert_eq!(run.faults, 0);
    run.records::<ImapCommand>()
        .into_iter()
        .map(|r| (r.tag.as_str(), r.command.as_str(), r.mailbox.as_deref(), r.result))
        .collect()
}

#[test]
fn a_session_with_literals() {
    let expected = [
        ("a001", "LOGIN", None, Some("OK")),
        ("a002", "SELECT", Some("my inbox"), Some("OK")),
        ("a003", "UID FETCH", Some("my inbox"), Some("OK")),
        ("a004", "APPEND", Some("saved"), Some("NO")),
        ("a005", "LOGOUT", Some("my inbox"), None),
    ];
    let all: Vec<_> = SESSION.iter().map(|(c, d)| if *c { orig(d) } else { resp(d) }).collect();
    let bytes: Vec<_> = SESSION
        .iter()
        .flat_map(|(c, d)| d.chunks(1).map(move |b| if *c { orig(b) } else { resp(b) }))
        .collect();
    for pieces in [&all, &bytes] {
        let run = Bench::tcp(143).run(pieces);
        assert_eq!(rows(&run), expected);
        let login = run.records::<Credential>()[0];
        assert_eq!((login.account.as_deref(), login.secret), (Some("mrc\"x"), Secret::Clear));
        assert_eq!(login.success, Some(true));
        assert!(!format!("{:?}", run.records::<ImapCommand>()).contains("secret"));
    }
    for end in 0..all.len() {
        rows(&Bench::tcp(143).run(&all[..end]));
        let mut holed = all.clone();
        holed[end] = lost(if SESSION[end].0 { Side::Orig } else { Side::Resp }, 20);
        rows(&Bench::tcp(143).run(&holed));
    }
}

#[test]
fn authenticate_and_starttls() {
    let run = Bench::tcp(143).only(&[&PROTOCOL]).run(&[
        resp(b"* OK ready\r\n"),
        orig(b"1 AUTHENTICATE PLAIN\r\n"),
        resp(b"+ \r\n"),
        orig(b"AGpvZQBzZWNyZXQ=\r\n"),
        resp(b"1 NO [AUTHENTICATIONFAILED] no\r\n"),
        orig(b"2 STARTTLS\r\n"),
        resp(b"2 OK Begin TLS\r\n"),
        orig(&[b'z'; 64]),
    ]);
    let login = run.records::<Credential>()[0];
    assert_eq!(
        (login.account.as_deref(), login.mechanism, login.success),
        (Some("joe"), "plain", Some(false))
    );
    assert_eq!((rows(&run).len(), run.done_after), (2, Some(8)));
}

#[test]
fn literals_and_strings() {
    assert_eq!(literal(b"x {12}"), Some((&b"x "[..], 12)));
    assert_eq!(literal(b"{3+}"), Some((&b""[..], 3)));
    for none in [&b"x {}"[..], b"x }", b"{a}", b"{99999999999999999999}"] {
        assert_eq!(literal(none), None);
    }
    let all: Vec<_> = strings(b"(\"a \\\"b\" NIL) c").collect();
    assert_eq!(all, [&b"a \"b"[..], b"NIL", b"c"]);
}

#[test]
fn attachments_of_whole_mails_are_files() {
    use crate::protocol::files::FileRecord;
    const MAIL: &[u8] = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n\
Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n\
JVBERi0xLjQK\r\n--b--\r\n";
    let fetched = |what: &str, mail: &[u8]| {
        let head = format!("* 1 FETCH ({what} {{{}}}\r\n", mail.len());
        [b"* OK IMAP4rev1\r\n", head.as_bytes(), mail, b" FLAGS ())\r\na2 OK done\r\n"].concat()
    };
    let files = |run: &Run| -> Vec<_> {
        run.records::<FileRecord>()
            .iter()
            .map(|f| (f.name.clone(), f.seen_bytes, f.sha256.is_some()))
            .collect()
    };
    let login = orig(b"a1 NOOP\r\na2 FETCH 1 BODY[]\r\n");
    let whole = vec![(Some("a.pdf".to_owned()), 9, true)];
    let talk = fetched("BODY[]", MAIL);
    for size in [1, 13, 4_000] {
        let sent: Vec<_> =
            [resp(&talk[..16]), login].into_iter().chain(talk[16..].chunks(size).map(resp)).collect();
        let run = Bench::tcp(143).run(&sent);
        assert_eq!(
            (files(&run), rows(&run).first().map(|r| r.3)),
            (whole.clone(), Some(Some("OK"))),
            "{size}"
        );
    }
    for what in ["BODY[TEXT]", "BODY[]<0>", "BODY[2]"] {
        let talk = fetched(what, MAIL);
        assert!(
            files(&Bench::tcp(143).run(&[resp(&talk[..16]), login, resp(&talk[16..])])).is_empty(),
            "{what}"
        );
    }
    let append = format!("a3 APPEND sent {{{}}}\r\n", MAIL.len());
    let sent = [resp(&talk[..16]), orig(b"a1 NOOP\r\n"), orig(append.as_bytes()), orig(MAIL), orig(b"\r\n")];
    assert_eq!(files(&Bench::tcp(143).run(&sent)), whole);
    let half = [resp(&talk[..16]), login, resp(&talk[16..talk.len() - 35]), lost(Side::Resp, 35)];
    let cut = files(&Bench::tcp(143).run(&half));
    assert!(matches!(&cut[..], [(Some(name), 0..9, false)] if name == "a.pdf"), "{cut:?}");
}
