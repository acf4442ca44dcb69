//! Sessions as RFC 959 shows them, and as they are lost.

use super::*;
use crate::protocol::files::FileRecord;
use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

const SESSION: &[(bool, &[u8])] = &[
    (false, b"220-Welcome\r\n220 (vsFTPd 3.0.3)\r\n"),
    (true, b"USER joe\r\n"),
    (false, b"331 Password please.\r\n"),
    (true, b"PASS secret\r\n"),
    (false, b"230 Login successful.\r\n"),
    (true, b"SYST\r\n"),
    (false, b"215 UNIX Type: L8\r\n"),
    (true, b"PWD\r\n"),
    (false, b"257 \"/home/joe\"\r\n"),
    (true, b"CWD pub\r\n"),
    (false, b"250 ok\r\n"),
    (true, b"TYPE I\r\n"),
    (false, b"200 ok\r\n"),
    (true, b"PASV\r\n"),
    (false, b"227 Entering Passive Mode (10,0,0,2,4,1).\r\n"),
    (true, b"RETR ../a.bin\r\n"),
    (false, b"150 Opening BINARY mode data connection for a.bin (12 bytes).\r\n"),
    (false, b"226 Transfer complete.\r\n"),
    (true, b"DELE b\r\n"),
    (false, b"550 Permission denied.\r\n"),
    (true, b"QUIT\r\n"),
    (false, b"221 Goodbye.\r\n"),
];

fn sent(session: &'static [(bool, &'static [u8])]) -> Vec<Sent<'static>> {
    session.iter().map(|(client, data)| if *client { orig(data) } else { resp(data) }).collect()
}

fn logins(run: &Run) -> Vec<(Option<&str>, Secret, Option<bool>)> {
    run.records::<Credential>().iter().map(|c| (c.account.as_deref(), c.secret, c.success)).collect()
}

#[test]
fn a_session_becomes_rows() {
    let run = Bench::tcp(21).run(&sent(SESSION));
    let rows = run.records::<FtpCommand>();
    let shown: Vec<_> = rows.iter().map(|r| (r.command, r.path.as_deref(), r.reply_code)).collect();
    assert_eq!(
        shown,
        [
            ("PASV", None, Some(227)),
            ("RETR", Some("/home/joe/a.bin"), Some(226)),
            ("DELE", Some("/home/joe/pub/b"), Some(550)),
        ]
    );
    let retr = rows[1];
    assert_eq!(
        (retr.user.as_deref(), retr.file_size, retr.data_passive),
        (Some("joe"), Some(12), Some(true))
    );
    assert_eq!((retr.data_host.as_deref(), retr.data_port), (Some("10.0.0.2"), Some(1025)));
    assert_eq!(logins(&run), [(Some("joe"), Secret::Clear, Some(true))]);
    assert_eq!((run.faults, run.weirds.len()), (0, 0));
}

#[test]
fn every_prefix_and_a_lost_piece_survive() {
    let all = sent(SESSION);
    for end in 0..all.len() {
        Bench::tcp(21).run(&all[..end]);
        let mut holed = all.clone();
        holed[end] = lost(if SESSION[end].0 { Side::Orig } else { Side::Resp }, 9);
        let run = Bench::tcp(21).run(&holed);
        assert_eq!(run.faults, 0);
    }
    // Byte by byte it is the same.
    let bytes: Vec<_> = SESSION
        .iter()
        .flat_map(|(client, data)| data.chunks(1).map(move |b| if *client { orig(b) } else { resp(b) }))
        .collect();
    assert_eq!(Bench::tcp(21).run(&bytes).records::<FtpCommand>().len(), 3);
}

#[test]
fn anonymous_and_refused_logins() {
    let run = Bench::tcp(21).run(&[
        resp(b"220 FTP\r\n"),
        orig(b"USER anonymous\r\n"),
        resp(b"331 send your address\r\n"),
        orig(b"PASS a@b\r\n"),
        resp(b"230 ok\r\n"),
        orig(b"USER root\r\n"),
        resp(b"331 password\r\n"),
        orig(b"PASS x\r\n"),
        resp(b"530 Login incorrect.\r\n"),
        orig(b"USER last\r\n"),
    ]);
    let expected = [
        (Some("anonymous"), Secret::None, Some(true)),
        (Some("root"), Secret::Clear, Some(false)),
        (Some("last"), Secret::None, None),
    ];
    assert_eq!(logins(&run), expected);
}

#[test]
fn tls_follows_a_granted_auth() {
    let greeting = resp(b"220 ready\r\n");
    // Alone in the registry: what follows the switch then has no other claimant, and the flow is given up.
    let bench = || Bench::tcp(21).only(&[&PROTOCOL]);
    let granted = bench().run(&[greeting, orig(b"AUTH TLS\r\n"), resp(b"234 go\r\n"), orig(&[b'z'; 64])]);
    assert_eq!((granted.service, granted.done_after), (Some("ftp"), Some(4)), "nobody knows what follows");
    let refused = bench().run(&[greeting, orig(b"AUTH TLS\r\n"), resp(b"502 no\r\n"), orig(&[b'z'; 64])]);
    assert_eq!((refused.service, refused.done_after), (Some("ftp"), None));
}

#[test]
fn gssapi_is_a_login_without_a_name() {
    let run = Bench::tcp(21).run(&[
        resp(b"220 GridFTP\r\n"),
        orig(b"AUTH GSSAPI\r\n"),
        resp(b"334 Using GSSAPI\r\n"),
        orig(b"ADAT YIIB\r\n"),
        resp(b"335 ADAT=YIIC\r\n"),
        orig(b"ADAT YIID\r\n"),
        resp(b"235 GSSAPI Authentication succeeded\r\n"),
    ]);
    assert_eq!(logins(&run), [(None, Secret::Hashed, Some(true))]);
    assert_eq!(run.records::<Credential>()[0].mechanism, "gssapi");
}

/// What the data connection makes of `pieces`, after the control connection said `channel`.
fn transferred(channel: Channel, pieces: &[&[u8]]) -> Vec<FileRecord> {
    use crate::flow::FlowView;
    use crate::model::flow::Tuple;
    use crate::model::ids::FlowId;
    use crate::model::time::Timestamp;
    use crate::protocol::Emitted;
    let ip = Ip::v4([10, 0, 0, 1]);
    let tuple = Tuple { src: ip, dst: ip, src_port: 40_000, dst_port: 1025, protocol: 6 };
    let flow = FlowView { id: FlowId(1), tuple, first_ts: Timestamp(0), saw_start: true };
    let mut files = Vec::new();
    let mut emit = |emitted| {
        if let Emitted::Record(_, record) = emitted {
            files.push(record.as_type::<FileRecord>().unwrap().clone());
        }
    };
    let mut out =
        Output { flow: &flow, at: At { ts: Timestamp(0), packet: 1 }, old_hashes: true, emit: &mut emit };
    let shared = Shared::default();
    let mut data = Data::new(shared.clone());
    *shared.lock() = channel;
    for piece in pieces {
        data.feed(Side::Resp, piece, &mut out);
    }
    data.finish(&mut out);
    files
}

#[test]
fn a_transfer_is_a_file_and_a_listing_is_none() {
    let file = |size, complete| Channel { name: Some("/a".into()), size, complete, ..Channel::default() };
    let whole = transferred(file(None, Some(true)), &[b"abc", b"def"]);
    assert_eq!(
        (whole[0].name.as_deref(), whole[0].seen_bytes, whole[0].sha256.is_some()),
        (Some("/a"), 6, true)
    );
    assert!(
        transferred(file(Some(6), None), &[b"abcdef"])[0].sha256.is_some(),
        "the size tells that it is whole"
    );
    assert!(transferred(file(Some(7), Some(true)), &[b"abcdef"])[0].sha256.is_none(), "a byte is missing");
    assert!(transferred(file(None, None), &[b"abcdef"])[0].sha256.is_none(), "nobody says that it is whole");
    assert!(transferred(Channel { listing: true, ..Channel::default() }, &[b"a"]).is_empty());
}
