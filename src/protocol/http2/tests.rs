//! Streams as they come: in pieces, upgraded, reset, lost, lying.

use super::*;
use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

fn run(sent: &[Sent<'_>]) -> Run {
    let run = Bench::tcp(4242).run(sent);
    assert_eq!(run.faults, 0);
    run
}

fn frame_of(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn plain(name: &str, value: &str) -> Vec<u8> {
    [&[0, name.len() as u8][..], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

/// POST /grpc at example.org, gRPC.
fn request(path: &str) -> Vec<u8> {
    [
        &[0x83, 0x86][..],
        &plain(":path", path),
        &plain(":authority", "Example.org:81"),
        &plain("content-type", "application/grpc"),
        &plain("user-agent", "t\r\nx"),
    ]
    .concat()
}

fn settings() -> Vec<u8> {
    frame_of(4, 0, 0, &[])
}

#[test]
fn streams_are_rows() {
    let one = request("/one");
    let (a, b) = one.split_at(9);
    let client = [
        PREFACE,
        &settings(),
        &frame_of(1, 0x20, 1, &[&[0, 0, 0, 0, 1][..], a].concat()),
        &frame_of(9, 4, 1, b),
        &frame_of(0, 9, 1, b"\x02bodyPP"),
    ]
    .concat();
    let second = frame_of(1, 5, 3, &request("/two"));
    let answers = [
        settings(),
        frame_of(1, 4, 1, &[&[0x88][..], &plain("server", "s")].concat()),
        frame_of(0, 0, 1, b"123"),
        frame_of(1, 5, 1, &plain("grpc-status", "0")),
        frame_of(1, 4, 3, &plain(":status", "103")),
        frame_of(1, 5, 3, &[0x8d]),
    ];
    for size in [1, 7, 9000] {
        let (c, s) = ([&client[..], &second].concat(), answers.concat());
        let sent: Vec<_> = c.chunks(size).map(orig).chain(s.chunks(size).map(resp)).collect();
        let run = run(&sent);
        let rows = run.records::<HttpTransaction>();
        let facts: Vec<_> = rows
            .iter()
            .map(|r| (r.trans_depth, r.method.as_deref(), r.uri.as_deref(), r.status_code, r.complete))
            .collect();
        assert_eq!(
            facts,
            [
                (1, Some("POST"), Some("/one"), Some(200), true),
                (2, Some("POST"), Some("/two"), Some(404), true)
            ]
        );
        assert_eq!(
            (rows[0].request.body_len, rows[0].response.body_len, rows[1].info_code),
            (4, 3, Some(103))
        );
        assert_eq!(
            (rows[0].host.as_deref(), run.hostname.as_deref(), rows[0].server.as_deref()),
            (Some("Example.org:81"), Some("example.org"), Some("s"))
        );
        assert_eq!(rows[0].request.content_type.as_deref(), Some("application/grpc"));
        assert_eq!(
            (rows[0].user_agent.as_deref(), run.service, run.weirds.len()),
            (Some("t  x"), Some("http2"), 0)
        );
    }
}

#[test]
fn behind_an_upgrade() {
    let ask = b"GET /up HTTP/1.1\r\nHost: example.org\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let answer = [&switch[..], &settings(), &frame_of(1, 5, 1, &[0x88])].concat();
    let run = run(&[orig(ask), resp(&answer), orig(PREFACE), orig(&settings())]);
    let rows = run.records::<HttpTransaction>();
    let facts: Vec<_> = rows.iter().map(|r| (r.uri.as_deref(), r.version, r.status_code)).collect();
    assert_eq!(facts, [(Some("/up"), (1, 1), Some(101)), (Some("/up"), (2, 0), Some(200))]);
    assert_eq!(run.service, Some("http2"));
}

#[test]
fn bodies_are_stepped_over_and_resets_end_a_stream() {
    let large = frame_of(0, 0, 1, &vec![b'x'; 60_000]);
    let run = run(&[
        orig(&[PREFACE, &frame_of(1, 5, 1, &request("/a")), &frame_of(1, 5, 3, &request("/b"))].concat()),
        resp(&[frame_of(1, 4, 1, &[0x88]), large[..1000].to_vec()].concat()),
        lost(Side::Resp, 2000),
        resp(&large[3000..]),
        resp(&frame_of(0, 1, 1, b"end")),
        orig(&frame_of(3, 0, 3, &[0, 0, 0, 8])),
    ]);
    let rows = run.records::<HttpTransaction>();
    assert_eq!((rows.len(), rows[0].response.body_len, rows[0].complete), (2, 58_003, false));
    assert_eq!((rows[1].uri.as_deref(), rows[1].status_code, rows[1].complete), (Some("/b"), None, false));
    assert!(run.most_buffered < 1 << 10);
}

#[test]
fn streams_that_were_reset_in_masses_are_rows_and_not_odd() {
    let mut talk = [PREFACE, &settings()].concat();
    for i in 0..STREAMS_CAP as u32 + 50 {
        talk.extend(frame_of(1, 5, i * 2 + 1, &request("/a")));
        talk.extend(frame_of(3, 0, i * 2 + 1, &[0, 0, 0, 8]));
    }
    let run = run(&[orig(&talk)]);
    assert_eq!((run.records::<HttpTransaction>().len(), run.weirds.len()), (STREAMS_CAP + 50, 0));
}

#[test]
fn loss_prefixes_and_flipped_bits_survive() {
    let talk = [PREFACE, &settings(), &frame_of(1, 5, 1, &request("/a"))].concat();
    let run1 = run(&[orig(&talk), lost(Side::Orig, 9), orig(b"rest")]);
    assert_eq!((run1.records::<HttpTransaction>().len(), run1.done_after), (1, Some(2)));
    for end in 0..talk.len() {
        run(&[orig(&talk[..end]), resp(&talk[end..])]);
    }
    for bit in 0..talk.len() * 8 {
        let mut bad = talk.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        run(&[orig(&bad), resp(&settings())]);
    }
}
