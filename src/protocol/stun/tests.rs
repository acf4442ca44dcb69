//! Are STUN exchanges told whole and cut?

use super::*;
use crate::protocol::rtp::RtpRecord;
use crate::protocol::testing::{Bench, lost, orig, resp};
use crate::protocol::tls::TlsHandshake;

/// A message with this transaction's last byte and these attributes.
fn message(kind: u16, id: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend(kind.to_be_bytes());
        body.extend((value.len() as u16).to_be_bytes());
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut out = kind.to_be_bytes().to_vec();
    out.extend((body.len() as u16).to_be_bytes());
    out.extend(COOKIE.to_be_bytes());
    out.extend([9; 11]);
    out.push(id);
    out.extend(body);
    out
}

/// 192.0.2.1 port 32853, as RFC 5769 section 2.2 has it.
const MAPPED: &[u8] = &[0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];

#[test]
fn binding_and_the_address_it_was_seen_from() {
    let ask = message(1, 1, &[(0x8022, b"test"), (6, b"a:b")]);
    let tell = message(0x0101, 1, &[(0x8022, b"vector"), (0x20, MAPPED)]);
    let run = Bench::udp(4242).run(&[orig(&ask), orig(&ask), resp(&tell)]);
    let rows = run.records::<StunRecord>();
    let r = rows[0];
    assert_eq!((run.service, rows.len(), run.faults), (Some("stun"), 1, 0));
    assert_eq!(r.mapped, Some((Ip::v4([192, 0, 2, 1]), 32853)));
    assert_eq!(
        (r.software.as_deref(), r.server.as_deref(), r.success),
        (Some("test"), Some("vector"), Some(true))
    );
    for end in 0..tell.len() {
        assert_eq!(Bench::udp(3478).run(&[orig(&ask), resp(&tell[..end])]).faults, 0);
        assert_eq!(Bench::tcp(3478).run(&[orig(&ask), resp(&tell[..end])]).faults, 0);
    }
}

#[test]
fn turn_errors_channels_and_keepalives_over_tcp() {
    let allocate = message(3, 1, &[(0x19, &[17, 0, 0, 0])]);
    let denied = message(0x113, 1, &[(9, &[0, 0, 4, 1]), (0x14, b"realm")]);
    let channel = [&[0x40, 0, 0, 3, 1, 2, 3, 0][..], &message(0x16, 2, &[(0x12, MAPPED)])].concat();
    let all = [allocate, channel].concat();
    let bytes: Vec<_> = all.chunks(1).map(orig).chain([resp(&denied)]).collect();
    let run = Bench::tcp(3478).run(&bytes);
    let rows = run.records::<StunRecord>();
    let shown: Vec<_> = rows.iter().map(|r| (method_name(r.method), r.class, r.error)).collect();
    assert_eq!(shown, [(Some("send"), "indication", None), (Some("allocate"), "request", Some(401))]);
    assert_eq!((rows[1].realm.as_deref(), rows[0].peer.is_some()), (Some("realm"), true));
    assert_eq!(Bench::tcp(3478).run(&[orig(&all), lost(Side::Orig, 2)]).done_after, Some(2));
    let keep = message(0x11, 3, &[]);
    let run = Bench::udp(3478).run(&[orig(&keep); 8]);
    assert_eq!(run.records::<StunRecord>().iter().map(|r| r.repeats.count).collect::<Vec<_>>(), [1, 1, 1, 5]);
}

/// A packet of a stream of media.
fn media(sequence: u16) -> Vec<u8> {
    [&[0x80, 111][..], &sequence.to_be_bytes(), &[0, 0, 0, 7, 0, 0, 0, 9], &[0x5a; 40]].concat()
}

/// A ClientHello of DTLS 1.2 with one cipher.
fn client_hello() -> Vec<u8> {
    let body = [&[0xfe, 0xfd][..], &[7; 32], &[0, 0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 0]].concat();
    let len = body.len() as u8;
    [&[1, 0, 0, len, 0, 0, 0, 0, 0, 0, 0, len][..], &body].concat()
}

fn record(epoch: u8, kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0, 0, payload.len() as u8][..], payload].concat()
}

#[test]
fn the_handshake_of_webrtc_names_the_flow() {
    let (ask, tell) = (message(1, 1, &[(6, b"a:b")]), message(0x0101, 1, &[(0x20, MAPPED)]));
    let hello = record(0, 22, &client_hello());
    let dark = record(1, 23, &[0xee; 32]);
    let run = Bench::udp(19_305).run(&[
        orig(&ask),
        resp(&tell),
        orig(&hello),
        orig(&dark),
        orig(&media(1)),
        orig(&ask),
        resp(&tell),
    ]);
    assert_eq!((run.service, run.faults), (Some("dtls"), 0));
    assert_eq!(run.records::<StunRecord>().len(), 2, "the checks are told too");
    let rows = run.records::<TlsHandshake>();
    assert_eq!((rows.len(), rows[0].client_version), (1, Some(0xfefd)));
}

#[test]
fn media_names_a_flow_that_begins_with_it_and_no_relay() {
    let (ask, tell) = (message(1, 1, &[(6, b"a:b")]), message(0x0101, 1, &[(0x20, MAPPED)]));
    let packets: Vec<_> = (1..9).map(media).collect();
    let mut sent = vec![orig(&ask), resp(&tell)];
    sent.extend(packets.iter().map(|p| orig(p)));
    let run = Bench::udp(32_704).run(&sent);
    assert_eq!((run.service, run.records::<RtpRecord>()[0].packets), (Some("rtp"), 8));
    let mut late = [orig(&ask), resp(&tell)].repeat(5);
    late.extend(packets.iter().map(|p| orig(p)));
    let run = Bench::udp(32_704).run(&late);
    assert_eq!(
        (run.service, run.records::<RtpRecord>().len()),
        (Some("stun"), 1),
        "later it is only counted"
    );
    // What merely looks like a header is no media.
    let chance = [media(1), media(900), media(77)];
    let mut sent = vec![orig(&ask), resp(&tell)];
    sent.extend(chance.iter().map(|p| orig(p)));
    let run = Bench::udp(32_704).run(&sent);
    assert_eq!((run.service, run.records::<RtpRecord>().len()), (Some("stun"), 0));
}

#[test]
fn frames_over_tcp_as_ice_has_them() {
    let frame = |d: &[u8]| [&(d.len() as u16).to_be_bytes()[..], d].concat();
    let (ask, tell) = (message(1, 1, &[(6, b"a:b")]), message(0x0101, 1, &[(0x20, MAPPED)]));
    let packets: Vec<_> = (1..9).map(media).collect();
    let said = [frame(&ask), packets.iter().flat_map(|p| frame(p)).collect()].concat();
    let run = Bench::tcp(4242).run(&[orig(&said), resp(&frame(&tell))]);
    assert_eq!((run.service, run.records::<RtpRecord>()[0].packets), (Some("rtp"), 8));
    assert_eq!(run.records::<StunRecord>()[0].mapped, Some((Ip::v4([192, 0, 2, 1]), 32853)));
    let bytes: Vec<_> = said.chunks(1).map(orig).collect();
    assert_eq!(Bench::tcp(4242).run(&bytes).service, Some("rtp"), "byte by byte");
}
