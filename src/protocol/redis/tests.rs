//! Exchanges as they come: whole, refused, lost, cut anywhere.

use super::*;
use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

fn run(sent: &[Sent<'_>]) -> Run {
    let run = Bench::tcp(4242).run(sent);
    assert_eq!(run.faults, 0);
    run
}

fn facts(run: &Run) -> Vec<(&str, Option<&str>, u32, Option<&str>)> {
    let rows = run.records::<RedisCommand>().into_iter();
    rows.map(|r| (r.command.as_str(), r.argument.as_deref(), r.arguments, r.reply)).collect()
}

#[test]
fn commands_and_answers_are_paired() {
    let ask = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n*2\r\n$3\r\nget\r\n$1\r\nk\r\nKEYS *\r\n*1\r\n$4\r\nBOOM\r\n";
    let answer = b"+OK\r\n$5\r\nhello\r\n*2\r\n*1\r\n:1\r\n$-1\r\n-ERR unknown command\r\n";
    for size in [1, 2, 3, 7, 500] {
        let sent: Vec<_> = ask.chunks(size).map(orig).chain(answer.chunks(size).map(resp)).collect();
        let run = run(&sent);
        assert_eq!(
            facts(&run),
            [
                ("SET", Some("k"), 2, Some("string")),
                ("GET", Some("k"), 1, Some("bulk")),
                ("KEYS", Some("*"), 1, Some("array")),
                ("BOOM", None, 0, Some("error")),
            ],
            "pieces of {size}"
        );
        assert_eq!(run.records::<RedisCommand>()[3].error.as_deref(), Some("ERR unknown command"));
        assert_eq!((run.service, run.weirds.len()), (Some("redis"), 0));
    }
}

#[test]
fn logins_without_their_secrets() {
    let run = run(&[
        orig(b"*2\r\n$4\r\nAUTH\r\n$6\r\ns3cret\r\n"),
        resp(b"-WRONGPASS no\r\n"),
        orig(b"*3\r\n$4\r\nAUTH\r\n$3\r\nann\r\n$6\r\ns3cret\r\n"),
        resp(b"+OK\r\n"),
        orig(b"*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$3\r\nbob\r\n$6\r\ns3cret\r\n"),
        resp(b"%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n"),
    ]);
    let logins: Vec<_> =
        run.records::<Credential>().into_iter().map(|c| (c.account.as_deref(), c.success)).collect();
    assert_eq!(logins, [(None, Some(false)), (Some("ann"), Some(true)), (Some("bob"), Some(true))]);
    assert!(
        !format!("{:?}{:?}", run.records::<RedisCommand>(), run.records::<Credential>()).contains("s3cret")
    );
}

#[test]
fn large_values_are_stepped_over() {
    let head = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$900000\r\n";
    let run = run(&[
        orig(&[&head[..], &[b'x'; 600]].concat()),
        orig(&vec![b'x'; 900_000 - 600]),
        orig(b"\r\n*1\r\n$4\r\nPING\r\n"),
        resp(b"+OK\r\n+PONG\r\n"),
    ]);
    assert_eq!(facts(&run), [("SET", Some("k"), 2, Some("string")), ("PING", None, 0, Some("string"))]);
    assert!(run.most_buffered < 1 << 10);
}

#[test]
fn loss_and_prefixes_survive() {
    let ping = b"*1\r\n$4\r\nPING\r\n";
    let run1 = run(&[orig(ping), lost(Side::Resp, 7), orig(ping), resp(b"+PONG\r\n")]);
    assert_eq!(facts(&run1), [("PING", None, 0, None), ("PING", None, 0, Some("string"))]);
    let talk = b"*2\r\n$4\r\nAUTH\r\n$3\r\nabc\r\n$3\r\nxyz\r\n-x\r\n%1\r\n";
    for end in 0..talk.len() {
        run(&[orig(&talk[..end]), resp(&talk[end..])]);
    }
    assert_eq!(run(&[orig(b"*3\r\nhello\r\n")]).service, None);
    assert_eq!(run(&[orig(b"PING\r\n"), resp(b"+PONG\r\n")]).service, Some("redis"));
}
