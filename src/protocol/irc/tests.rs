//! Are IRC sessions told whole, lost and cut?

use super::*;
use crate::protocol::testing::{Bench, Run, lost, orig, resp};

const SESSION: &[(bool, &[u8])] = &[
    (true, b"PASS s3cret\r\nNICK bot\r\nUSER u 0 * :real name\r\n"),
    (false, b":irc.example NOTICE * :*** Looking up\r\n:irc.example 001 bot1 :Welcome\r\n:irc.example 004 bot1 irc.example ngircd-26 x y\r\n"),
    (true, b"JOIN #cmd s3cret\r\n"),
    (false, b":herder!h@x PRIVMSG #cmd :.scan 10.0.0.0/8\r\n:herder!h@x PRIVMSG #cmd :.stop\r\n"),
    (true, b"PRIVMSG NickServ :IDENTIFY s3cret\r\n"),
    (true, b"PRIVMSG #cmd :done\r\n"),
    (false, b":other!o@y PRIVMSG bot1 :\x01DCC SEND \"a b.exe\" 3232235777 4000 12345\x01\r\n"),
    (true, b"OPER root s3cret\r\n"),
    (false, b":irc.example 491 bot1 :No O-lines\r\n"),
];

/// Command, nick, target, value, messages.
type Facts<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>, u32);

fn events(run: &Run) -> Vec<Facts<'_>> {
    assert_eq!(run.faults, 0);
    let shown = |e: &&IrcEvent| !format!("{e:?}").contains("s3cret");
    assert!(run.records::<IrcEvent>().iter().all(shown), "a secret was kept");
    run.records::<IrcEvent>()
        .into_iter()
        .map(|e| (e.command, e.nick.as_deref(), e.target.as_deref(), e.value.as_deref(), e.messages))
        .collect()
}

#[test]
fn a_bot_and_its_herder() {
    let all: Vec<_> = SESSION.iter().map(|(c, d)| if *c { orig(d) } else { resp(d) }).collect();
    let run = Bench::tcp(4242).run(&all);
    assert_eq!(
        events(&run),
        [
            ("NICK", None, None, Some("bot"), 1),
            ("USER", Some("bot"), None, Some("real name"), 1),
            ("JOIN", Some("bot1"), Some("#cmd"), None, 1),
            ("DCC", Some("other"), Some("bot1"), None, 1),
            ("OPER", Some("bot1"), Some("root"), None, 1),
            ("PRIVMSG", Some("herder"), Some("#cmd"), Some(".scan 10.0.0.0/8"), 2),
            ("PRIVMSG", Some("bot1"), Some("NickServ"), None, 1),
            ("PRIVMSG", Some("bot1"), Some("#cmd"), Some("done"), 1),
        ]
    );
    let logins: Vec<_> =
        run.records::<Credential>().iter().map(|c| (c.mechanism, c.account.as_deref(), c.success)).collect();
    let expected = [
        ("password", Some("bot1"), Some(true)),
        ("nickserv", Some("bot1"), None),
        ("oper", Some("root"), Some(false)),
    ];
    assert_eq!(logins, expected);
    for end in 0..all.len() {
        events(&Bench::tcp(6667).run(&all[..end]));
        let mut holed = all.clone();
        holed[end] = lost(if SESSION[end].0 { Side::Orig } else { Side::Resp }, 9);
        events(&Bench::tcp(6667).run(&holed));
    }
}

#[test]
fn offers_of_files() {
    let offer = dcc(b"\x01DCC SEND \"a b.exe\" 3232235777 4000 12345\x01").unwrap();
    assert_eq!((offer.name.as_str(), offer.host, offer.port), ("a b.exe", Ip::v4([192, 168, 1, 1]), 4000));
    assert_eq!(offer.size, Some(12345));
    assert_eq!(dcc(b"\x01DCC CHAT chat 1 2\x01"), None);
    assert_eq!(dcc(b"\x01DCC SEND x y z\x01"), None);
}

#[test]
fn tls_and_sasl() {
    let run = Bench::tcp(6667).only(&[&PROTOCOL]).run(&[
        orig(b"CAP LS 302\r\nAUTHENTICATE PLAIN\r\n"),
        resp(b"AUTHENTICATE +\r\n"),
        orig(b"AUTHENTICATE AGpvZQBzZWNyZXQ=\r\n"),
        resp(b":s 903 joe :ok\r\n"),
        orig(b"STARTTLS\r\n"),
        resp(b":s 670 joe :go\r\n"),
        orig(&[22; 64]),
    ]);
    let first = [orig(b"STARTTLS\r\n"), resp(b":irc.example 670  :STARTTLS successful\r\n")];
    assert_eq!(Bench::tcp(4242).run(&first).service, Some("irc"));
    let login = run.records::<Credential>()[0];
    assert_eq!(
        (login.account.as_deref(), login.mechanism, login.success),
        (Some("joe"), "plain", Some(true))
    );
    assert_eq!((run.service, run.done_after), (Some("irc"), Some(7)));
}

#[test]
fn other_lines_are_not_mine() {
    for other in [&b"GET / HTTP/1.1\r\n"[..], b"USER joe\r\n", b":not a message\r\n", b"PING\r\n"] {
        let probe =
            Probe { orig: other, resp: b"HTTP/1.1 200 OK\r\n", transport: Transport::Tcp, ports: (1, 6667) };
        assert_eq!(super::probe(&probe), Verdict::NotMine);
    }
    assert!(relayed(b":a!b@c PRIVMSG #d :e") && relayed(b":irc.example 001 a :b"));
    assert!(!relayed(b":a PRIVMSG") && !relayed(b"a!b@c PRIVMSG #d :e"));
}
