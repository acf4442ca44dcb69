//! Sessions of RFC 5321 appendix D and its extensions, whole, pipelined, lost.

use super::*;
use crate::protocol::credentials::{Credential, Secret};
use crate::protocol::files::FileRecord;
use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

const SESSION: &[(bool, &[u8])] = &[
    (false, b"220 mx.example.org ESMTP Postfix\r\n"),
    (true, b"EHLO client.example.net\r\n"),
    (false, b"250-mx.example.org\r\n250-SIZE\r\n250 AUTH PLAIN LOGIN\r\n"),
    (true, b"AUTH LOGIN\r\n"),
    (false, b"334 VXNlcm5hbWU6\r\n"),
    (true, b"am9l\r\n"),
    (false, b"334 UGFzc3dvcmQ6\r\n"),
    (true, b"c2VjcmV0\r\n"),
    (false, b"235 2.7.0 Authentication successful\r\n"),
    (true, b"MAIL FROM:<joe@example.net> SIZE=300 BODY=8BITMIME\r\n"),
    (false, b"250 2.1.0 Ok\r\n"),
    (true, b"RCPT TO:<a@example.org>\r\n"),
    (false, b"250 2.1.5 Ok\r\n"),
    (true, b"RCPT TO:<b@example.org>\r\n"),
    (false, b"550 5.1.1 unknown\r\n"),
    (true, b"DATA\r\n"),
    (false, b"354 End data with <CR><LF>.<CR><LF>\r\n"),
    (
        true,
        b"Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\nX-Mailer: m 1\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n..dot\r\n--b\r\nContent-Type: application/zip; name=\"x.zip\"\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsD\r\nBA==\r\n--b--\r\n.\r\n",
    ),
    (false, b"250 2.0.0 Ok: queued as 12345\r\n"),
    (true, b"QUIT\r\n"),
    (false, b"221 2.0.0 Bye\r\n"),
];

fn sent(session: &'static [(bool, &'static [u8])]) -> Vec<Sent<'static>> {
    session.iter().map(|(client, data)| if *client { orig(data) } else { resp(data) }).collect()
}

fn rows(run: &Run) -> Vec<&SmtpTransaction> {
    assert_eq!(run.faults, 0);
    run.records()
}

fn check(run: &Run) {
    let row = rows(run)[0];
    assert_eq!(
        (row.helo.as_deref(), row.mailfrom.as_deref()),
        (Some("client.example.net"), Some("joe@example.net"))
    );
    assert_eq!(
        (&row.rcptto[..], row.rcpt_rejected),
        (&["a@example.org".to_owned(), "b@example.org".into()][..], 1)
    );
    assert_eq!((row.declared_bytes, row.reply_code), (Some(300), Some(250)));
    assert_eq!(row.header.subject.as_deref(), Some("Gr\u{fc}\u{df}e"));
    assert_eq!((&row.attachments[..], row.complete), (&["x.zip".to_owned()][..], true));
    assert_eq!(row.auth_mechanism, Some("login"));
    let file = run.records::<FileRecord>()[0];
    assert_eq!((file.mime, file.seen_bytes, file.sha256.is_some()), (Some("application/zip"), 4, true));
    let login = run.records::<Credential>()[0];
    assert_eq!(
        (login.account.as_deref(), login.secret, login.success),
        (Some("joe"), Secret::Clear, Some(true))
    );
}

#[test]
fn a_mail_is_a_row() {
    check(&Bench::tcp(25).run(&sent(SESSION)));
    let bytes: Vec<_> = SESSION
        .iter()
        .flat_map(|(client, data)| data.chunks(1).map(move |b| if *client { orig(b) } else { resp(b) }))
        .collect();
    check(&Bench::tcp(4242).run(&bytes));
}

#[test]
fn every_prefix_and_a_lost_piece_survive() {
    let all = sent(SESSION);
    for end in 0..all.len() {
        rows(&Bench::tcp(25).run(&all[..end]));
        let mut holed = all.clone();
        holed[end] = lost(if SESSION[end].0 { Side::Orig } else { Side::Resp }, 50);
        let run = Bench::tcp(25).run(&holed);
        assert!(rows(&run).iter().all(|r| end != 17 || !r.complete), "piece {end}");
    }
    // One side alone still has its envelope and its mail.
    let client: Vec<_> = SESSION.iter().filter(|(c, _)| *c).map(|(_, d)| orig(d)).collect();
    let run = Bench::tcp(25).run(&client);
    assert_eq!(rows(&run)[0].attachments, ["x.zip"]);
    assert_eq!(rows(&run)[0].reply_code, None);
}

#[test]
fn commands_may_be_pipelined() {
    let run = Bench::tcp(25).run(&[
        resp(b"220 a ESMTP\r\n"),
        orig(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
        resp(b"250 a\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n"),
        orig(b"Subject: 1\r\n\r\nx\r\n.\r\nMAIL FROM:<e@f>\r\nQUIT\r\n"),
        resp(b"250 queued\r\n452 full\r\n221 bye\r\n"),
    ]);
    let shown: Vec<_> = rows(&run)
        .iter()
        .map(|r| (r.mailfrom.as_deref(), r.rcpt_rejected, r.reply_code, r.message_bytes))
        .collect();
    assert_eq!(shown, [(Some(""), 1, Some(250), Some(17)), (Some("e@f"), 0, Some(452), None)]);
}

#[test]
fn chunks_are_one_message() {
    let run = Bench::tcp(25).run(&[
        resp(b"220 a ESMTP\r\n"),
        orig(b"EHLO x\r\n"),
        resp(b"250 CHUNKING\r\n"),
        orig(b"MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nBDAT 9\r\nSubject: BDAT 9 LAST\r\n hi\r\n\r\n.\r"),
        resp(b"250 ok\r\n250 ok\r\n250 9 octets\r\n250 message ok\r\n"),
        orig(b"MAIL FROM:<c@d>\r\nBDAT 0 LAST\r\n"),
        resp(b"250 ok\r\n554 no recipients\r\n"),
    ]);
    let shown: Vec<_> = rows(&run)
        .iter()
        .map(|r| (r.header.subject.as_deref(), r.reply_code, r.message_bytes, r.complete))
        .collect();
    assert_eq!(shown, [(Some("hi"), Some(250), Some(18), true), (None, Some(554), None, true)]);
}

#[test]
fn tls_and_local_delivery() {
    let run = Bench::tcp(587).only(&[&PROTOCOL]).run(&[
        resp(b"220 a ESMTP\r\n"),
        orig(b"EHLO x.example\r\n"),
        resp(b"250 STARTTLS\r\n"),
        orig(b"STARTTLS\r\n"),
        resp(b"220 go\r\n"),
        orig(&[22; 64]),
    ]);
    assert_eq!((rows(&run)[0].trans_depth, rows(&run)[0].tls, run.service), (0, true, Some("smtp")));
    let run = Bench::tcp(24).run(&[
        resp(b"220 a LMTP\r\n"),
        orig(b"LHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n"),
        resp(b"250 a\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
        orig(b"x: y\r\n\r\n.\r\n"),
        resp(b"250 c took it\r\n"),
        resp(b"452 e is full\r\n"),
    ]);
    assert_eq!((rows(&run).len(), rows(&run)[0].reply_text.as_deref()), (1, Some("e is full")));
}

#[test]
fn a_refused_login_and_one_that_is_cut() {
    let run = Bench::tcp(25).run(&[
        resp(b"220 a ESMTP\r\n"),
        orig(b"EHLO x\r\n"),
        resp(b"250 AUTH PLAIN\r\n"),
        orig(b"AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n"),
        resp(b"535 5.7.8 no\r\n"),
        orig(b"AUTH CRAM-MD5\r\n"),
        resp(b"334 PDE+\r\n"),
    ]);
    let logins: Vec<_> =
        run.records::<Credential>().iter().map(|c| (c.mechanism, c.secret, c.success)).collect();
    assert_eq!(logins, [("plain", Secret::Clear, Some(false)), ("cram-md5", Secret::None, None)]);
}
