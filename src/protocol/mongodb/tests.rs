//! Exchanges as they come: whole, refused, lost, cut anywhere.

use super::*;
use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

fn run(sent: &[Sent<'_>]) -> Run {
    let run = Bench::tcp(4242).run(sent);
    assert_eq!(run.faults, 0);
    run
}

fn text(name: &str, value: &str) -> Vec<u8> {
    [&[2][..], name.as_bytes(), &[0], &(value.len() as u32 + 1).to_le_bytes(), value.as_bytes(), &[0]]
        .concat()
}

fn document(elements: &[Vec<u8>]) -> Vec<u8> {
    let body = elements.concat();
    [&(body.len() as u32 + 5).to_le_bytes()[..], &body, &[0]].concat()
}

fn inner(name: &str, value: &[u8]) -> Vec<u8> {
    [&[3][..], name.as_bytes(), &[0], value].concat()
}

fn ok(value: f64) -> Vec<u8> {
    [&b"\x01ok\0"[..], &value.to_le_bytes()].concat()
}

fn message(id: u32, reply_to: u32, document: &[u8]) -> Vec<u8> {
    let len = (HEADER + 5 + document.len()) as u32;
    let head = [len, id, reply_to, 2013, 0].map(u32::to_le_bytes).concat();
    [&head[..], &[0], document].concat()
}

fn start() -> Vec<u8> {
    let payload = b"n,,n=ann,r=nonce";
    let payload = [&b"\x05payload\0"[..], &(payload.len() as u32).to_le_bytes(), &[0], payload].concat();
    document(&[
        b"\x10saslStart\0\x01\0\0\0".to_vec(),
        text("mechanism", "SCRAM-SHA-256"),
        payload,
        text("$db", "admin"),
    ])
}

#[test]
fn a_greeting_a_login_and_commands() {
    let driver = document(&[text("name", "nodejs"), text("version", "5.1")]);
    let client = document(&[inner("driver", &driver)]);
    let hello =
        document(&[b"\x10hello\0\x01\0\0\0".to_vec(), inner("client", &client), text("$db", "admin")]);
    let find = document(&[text("find", "users"), inner("filter", &document(&[])), text("$db", "shop")]);
    let fails = document(&[ok(0.0), text("errmsg", "not allowed"), b"\x10code\0\x0d\0\0\0".to_vec()]);
    let run = run(&[
        orig(&message(1, 0, &hello)),
        resp(&message(50, 1, &document(&[ok(1.0)]))),
        orig(&message(2, 0, &start())),
        resp(&message(51, 2, &document(&[b"\x08done\0\x00".to_vec(), ok(1.0)]))),
        orig(&message(3, 0, &document(&[b"\x10saslContinue\0\x01\0\0\0".to_vec(), text("$db", "admin")]))),
        resp(&message(52, 3, &document(&[b"\x08done\0\x01".to_vec(), ok(1.0)]))),
        orig(&message(4, 0, &find)),
        resp(&message(53, 4, &fails)),
    ]);
    let rows = run.records::<MongoCommand>();
    let facts: Vec<_> = rows
        .iter()
        .map(|r| (r.command.as_deref(), r.collection.as_deref(), r.database.as_deref(), r.success))
        .collect();
    assert_eq!(
        facts,
        [
            (Some("hello"), None, Some("admin"), Some(true)),
            (Some("saslStart"), None, Some("admin"), Some(true)),
            (Some("saslContinue"), None, Some("admin"), Some(true)),
            (Some("find"), Some("users"), Some("shop"), Some(false)),
        ]
    );
    assert_eq!((rows[0].client.as_deref(), rows[3].error_code), (Some("nodejs 5.1"), Some(13)));
    assert_eq!((rows[3].error.as_deref(), rows[3].rtt), (Some("not allowed"), Some(1_000_000)));
    let login = run.records::<Credential>()[0].clone();
    assert_eq!(
        (login.account.as_deref(), login.mechanism, login.success),
        (Some("ann"), "scram-sha-256", Some(true))
    );
    assert_eq!(
        (login.detail.as_deref(), run.service, run.weirds.len()),
        (Some("database admin"), Some("mongodb"), 0)
    );
}

#[test]
fn the_older_messages() {
    let query = |id: u32, name: &[u8], document: &[u8]| {
        let body = [&[0; 4][..], name, &[0; 8], document].concat();
        [&[(HEADER + body.len()) as u32, id, 0, 2004].map(u32::to_le_bytes).concat()[..], &body].concat()
    };
    let reply = |to: u32, document: &[u8]| {
        let body = [&[0; 16][..], &1_u32.to_le_bytes(), document].concat();
        [&[(HEADER + body.len()) as u32, 9, to, 1].map(u32::to_le_bytes).concat()[..], &body].concat()
    };
    let run = run(&[
        orig(&query(1, b"admin.$cmd\0", &document(&[b"\x10isMaster\0\x01\0\0\0".to_vec()]))),
        resp(&reply(1, &document(&[ok(1.0)]))),
        orig(&query(2, b"shop.users\0", &document(&[]))),
        resp(&reply(2, &document(&[]))),
    ]);
    let rows = run.records::<MongoCommand>();
    assert_eq!(
        (rows[0].command.as_deref(), rows[0].collection.as_deref(), rows[0].success),
        (Some("isMaster"), None, Some(true))
    );
    assert_eq!(
        (rows[1].command.as_deref(), rows[1].collection.as_deref(), rows[1].count),
        (Some("find"), Some("users"), Some(1))
    );
}

#[test]
fn loss_and_prefixes_survive() {
    let ask = |id| message(id, 0, &document(&[text("ping", "x")]));
    let run1 = run(&[
        orig(&ask(1)),
        lost(Side::Resp, 7),
        resp(b"rest of a document"),
        orig(&ask(2)),
        resp(&message(9, 2, &document(&[ok(1.0)]))),
    ]);
    let mut successes: Vec<_> = run1.records::<MongoCommand>().into_iter().map(|r| r.success).collect();
    successes.sort();
    assert_eq!(successes, [None, Some(true)]);
    let talk = [message(1, 0, &start()), ask(2)].concat();
    for end in 0..talk.len() {
        run(&[orig(&talk[..end]), resp(&talk[end..])]);
    }
    for bit in 0..talk.len() * 8 {
        let mut bad = talk.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        run(&[orig(&bad), resp(&bad)]);
    }
}
