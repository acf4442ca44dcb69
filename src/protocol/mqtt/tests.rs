//! Exchanges as they come: whole, refused, lost, cut anywhere.

use super::*;
use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

fn run(sent: &[Sent<'_>]) -> Run {
    let run = Bench::tcp(4242).run(sent);
    assert_eq!(run.faults, 0);
    run
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 128);
    [&[first, body.len() as u8][..], body].concat()
}

fn connect(level: u8) -> Vec<u8> {
    let properties: &[u8] = if level == 5 { b"\x05\x11\0\0\0\x0a" } else { b"" };
    let will: &[u8] = if level == 5 { b"\0" } else { b"" };
    let body = [
        &b"\0\x04MQTT"[..],
        &[level, 0xee, 0, 60],
        properties,
        b"\0\x03dev",
        will,
        b"\0\x04last\0\x03bye\0\x03ann\0\x06s3cret",
    ];
    packet(0x10, &body.concat())
}

/// Action, from the client, topic, quality of service, success.
type Facts<'a> = (&'a str, bool, Option<&'a str>, Option<u8>, Option<bool>);

fn facts(run: &Run) -> Vec<Facts<'_>> {
    let rows = run.records::<MqttMessage>().into_iter();
    rows.map(|r| (r.action, r.from_client, r.topic.as_deref(), r.qos, r.success)).collect()
}

#[test]
fn a_session_of_both_versions() {
    for (level, version, p) in [(4, "3.1.1", &b""[..]), (5, "5.0", b"\0")] {
        let connack = packet(0x20, &[&[0, 0][..], p].concat());
        let subscribe = packet(0x82, &[b"\0\x07", p, b"\0\x03a/#\x01\0\x01b\x00"].concat());
        let suback = packet(0x90, &[b"\0\x07", p, b"\x01\x80"].concat());
        let publish = packet(0x34, &[b"\0\x03a/b\0\x09", p, b"hello"].concat());
        let run = run(&[
            orig(&connect(level)),
            resp(&connack),
            orig(&subscribe),
            resp(&suback),
            orig(&publish),
            resp(&packet(0x50, b"\0\x09")),
            resp(&packet(0x31, &[b"\0\x03a/b", p, b"kept"].concat())),
            orig(&packet(0xe0, b"")),
        ]);
        assert_eq!(
            facts(&run),
            [
                ("connect", true, Some("last"), Some(1), Some(true)),
                ("subscribe", true, Some("a/#"), Some(1), Some(true)),
                ("subscribe", true, Some("b"), Some(0), Some(false)),
                ("publish", true, Some("a/b"), Some(2), Some(true)),
                ("publish", false, Some("a/b"), Some(0), None),
                ("disconnect", true, None, None, None),
            ]
        );
        let rows = run.records::<MqttMessage>();
        assert_eq!(
            (rows[3].payload_len, rows[4].retain, rows[0].keep_alive),
            (Some(5), Some(true), Some(60))
        );
        assert!(rows.iter().all(|r| r.version == Some(version) && r.client_id.as_deref() == Some("dev")));
        let login = run.records::<Credential>()[0].clone();
        assert_eq!(
            (login.account.as_deref(), login.secret, login.success),
            (Some("ann"), Secret::Clear, Some(true))
        );
        assert!(run.weirds.is_empty() && !format!("{rows:?}{login:?}").contains("s3cret"));
    }
}

#[test]
fn a_refused_connect() {
    let run = run(&[orig(&connect(4)), resp(&packet(0x20, &[0, 5]))]);
    assert_eq!(
        (run.records::<MqttMessage>()[0].code, run.records::<Credential>()[0].success),
        (Some(5), Some(false))
    );
}

#[test]
fn loss_large_payloads_and_prefixes_survive() {
    let large = [&[0x30, 0xa0, 0x8d, 0x06][..], b"\0\x01t", &vec![0; 100_000 - 3]].concat();
    let run1 = run(&[
        orig(&connect(4)),
        orig(&large[..50_000]),
        orig(&large[50_000..]),
        lost(Side::Orig, 9),
        orig(b"rest"),
        orig(&packet(0x30, b"\0\x01uv")),
    ]);
    assert_eq!(
        facts(&run1)[..2],
        [("publish", true, Some("t"), Some(0), None), ("publish", true, Some("u"), Some(0), None)]
    );
    assert_eq!(run1.records::<MqttMessage>()[0].payload_len, Some(99_997));
    let talk = [connect(5), packet(0x82, b"\0\x07\0\0\x03a/#\x01"), packet(0x30, b"\0\x01t\0x")].concat();
    for end in 0..talk.len() {
        run(&[orig(&talk[..end]), resp(&talk[end..])]);
    }
}
