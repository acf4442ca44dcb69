//! Frames of the RFC, what is inside them, and what is wrong with them.

use super::*;
use crate::protocol::testing::{Bench, Run, Sent as Piece, lost, orig, resp};

const ASK: &[u8] =
    b"GET /chat HTTP/1.1\r\nHost: example.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const ANSWER: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: v1\r\n\r\n";

/// The examples of RFC 6455 section 5.7: "Hello" masked and not.
const MASKED: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
const CLEAR: &[u8] = b"\x81\x05\x48\x65\x6c\x6c\x6f";

fn run(sent: &[Piece<'_>]) -> Run {
    let run = Bench::tcp(4242).run(sent);
    assert_eq!(run.faults, 0);
    run
}

fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    [&[0x80 | opcode, 0x80 | payload.len() as u8][..], &mask, &unmask(payload, Some(mask), 0)].concat()
}

#[test]
fn behind_an_upgrade() {
    let early = [ANSWER, CLEAR].concat();
    let close = masked(8, b"\x03\xe8bye");
    let fragments = [&[0x01, 2][..], b"ab", &[0x80, 1], b"c", &[0x89, 0]].concat();
    let run = run(&[
        orig(ASK),
        resp(&early),
        orig(MASKED),
        resp(&fragments),
        orig(&close),
        resp(b"\x88\x02\x03\xe8"),
    ]);
    let row = run.records::<WebSocketConnection>()[0].clone();
    assert_eq!(
        (run.service, run.done_after, run.hostname.as_deref()),
        (Some("websocket"), Some(6), Some("example.org"))
    );
    assert_eq!(
        (row.host.as_deref(), row.uri.as_deref(), row.subprotocol.as_deref()),
        (Some("example.org"), Some("/chat"), Some("v1"))
    );
    assert_eq!((row.client, row.server), (Sent { messages: 1, bytes: 5 }, Sent { messages: 2, bytes: 8 }));
    assert_eq!((row.text_messages, row.pings, row.inner), (3, 1, None));
    assert_eq!(
        (row.close_code, row.close_reason.as_deref(), row.closed_by_client),
        (Some(1000), Some("bye"), Some(true))
    );
    assert_eq!((run.records::<HttpTransaction>().len(), run.weirds.len()), (1, 0));
}

#[test]
fn what_is_inside_has_a_name() {
    let banner = [&[0x82, 22][..], b"SSH-2.0-OpenSSH_9.6p1\n"].concat();
    let run1 = run(&[orig(ASK), resp(ANSWER), resp(&banner)]);
    assert_eq!(run1.records::<WebSocketConnection>()[0].inner, Some("ssh"));
    let large = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &vec![0; 65_536], CLEAR].concat();
    let run2 = run(&[orig(ASK), resp(ANSWER), resp(&large[..9000]), resp(&large[9000..])]);
    let row = run2.records::<WebSocketConnection>()[0].clone();
    assert_eq!((row.server, row.inner), (Sent { messages: 2, bytes: 65_541 }, None));
}

#[test]
fn joined_in_the_middle() {
    // The server speaks first here.
    let run1 = run(&[orig(CLEAR), resp(MASKED), orig(CLEAR)]);
    let row = run1.records::<WebSocketConnection>()[0].clone();
    assert_eq!((run1.service, row.client.messages, row.server.messages), (Some("websocket"), 1, 2));
    assert_eq!(run(&[orig(CLEAR), resp(CLEAR)]).service, None, "nobody masks");
    assert_eq!(run(&[orig(&MASKED[..9]), resp(CLEAR)]).service, None, "a frame that is not whole");
}

#[test]
fn loss_and_prefixes_survive() {
    let run1 = run(&[orig(ASK), resp(ANSWER), orig(MASKED), lost(Side::Resp, 9), resp(CLEAR)]);
    assert_eq!(run1.records::<WebSocketConnection>()[0].client.messages, 1);
    let talk = [MASKED, &masked(9, b"x"), &masked(8, b"\x03\xe8")].concat();
    for end in 0..talk.len() {
        run(&[orig(ASK), resp(ANSWER), orig(&talk[..end]), resp(&talk[end..])]);
    }
}
