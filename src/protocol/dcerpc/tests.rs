//! Binds, calls and their answers; transcribed from the layouts of C706 chapter 12.

use super::*;
use crate::model::weird::WeirdKind;
use crate::protocol::credentials::Credential;
use crate::protocol::ntlm::NtlmRecord;
use crate::protocol::ntlm::tests::{type1, type2, type3};
use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

const NDR: u128 = 0x8a885d04_1ceb_11c9_9fe8_08002b104860;
const DRSUAPI: u128 = 0xe3514235_4b06_11d1_ab04_00c04fc2dcd2;
const EPMAPPER: u128 = 0xe1af8308_5d1f_11c9_91a4_08002b14a0fa;

fn wire(uuid: u128) -> [u8; 16] {
    let mut b = uuid.to_be_bytes();
    b[..4].reverse();
    b[4..6].reverse();
    b[6..8].reverse();
    b
}

/// A packet, little endian; `auth` is type, level and value.
fn packet(kind: u8, flags: u8, call: u8, body: &[u8], auth: Option<(u8, u8, &[u8])>) -> Vec<u8> {
    let tail = auth.map_or(vec![], |(t, l, v)| [&[t, l, 0, 0, 0, 0, 0, 0][..], v].concat());
    let len = ((16 + body.len() + tail.len()) as u16).to_le_bytes();
    let auth_len = (auth.map_or(0, |(_, _, v)| v.len()) as u16).to_le_bytes();
    [&[5, 0, kind, flags, 0x10, 0, 0, 0][..], &len, &auth_len, &[call, 0, 0, 0], body, &tail].concat()
}

pub(crate) fn bind(call: u8, uuid: u128, auth: Option<(u8, u8, &[u8])>) -> Vec<u8> {
    let context =
        |id: u8| [&[id, 0, 1, 0][..], &wire(uuid), &[4, 0, 0, 0], &wire(NDR), &[2, 0, 0, 0]].concat();
    let body = [&[0xd0, 0x16, 0xd0, 0x16, 0, 0, 0, 0, 2, 0, 0, 0][..], &context(0), &context(1)].concat();
    packet(11, 3, call, &body, auth)
}

pub(crate) fn bind_ack(call: u8, auth: Option<(u8, u8, &[u8])>) -> Vec<u8> {
    // The secondary address "135" with its zero, then two bytes to the next multiple of four.
    let results = [&[0; 24][..], &[2, 0, 2, 0], &[0; 20]].concat();
    let body = [&[0xd0, 0x16, 0xd0, 0x16, 1, 0, 0, 0, 4, 0][..], b"135\0", &[0, 0], &[2, 0, 0, 0], &results]
        .concat();
    packet(12, 3, call, &body, auth)
}

pub(crate) fn request(call: u8, opnum: u8, stub: &[u8], flags: u8) -> Vec<u8> {
    packet(0, flags, call, &[&[0, 0, 0, 0, 0, 0, opnum, 0][..], stub].concat(), None)
}

pub(crate) fn response(call: u8, stub: &[u8], flags: u8) -> Vec<u8> {
    packet(2, flags, call, &[&[0; 8][..], stub].concat(), None)
}

fn run(sent: &[Sent<'_>]) -> Run {
    let run = Bench::tcp(4242).run(sent);
    assert_eq!(run.faults, 0);
    run
}

#[test]
fn a_bind_and_its_calls() {
    let run = run(&[
        orig(&bind(1, DRSUAPI, None)),
        resp(&bind_ack(1, None)),
        orig(&request(2, 3, &[7; 100], 1)),
        orig(&request(2, 3, &[7; 50], 2)),
        resp(&response(2, &[9; 10], 1)),
        resp(&response(2, &[9; 5], 2)),
        orig(&request(3, 0, &[], 3)),
        resp(&packet(3, 3, 3, &[&[0; 8][..], &[5, 0, 0, 0], &[0; 4]].concat(), None)),
        orig(&request(4, 9, &[], 3)),
    ]);
    let rows: Vec<_> = run
        .records::<DcerpcRecord>()
        .iter()
        .map(|r| {
            (
                r.kind,
                r.interface_name(),
                r.operation(),
                r.bind_result,
                r.fault,
                r.request_bytes,
                r.response_bytes,
                r.rtt,
            )
        })
        .collect();
    let drsuapi = Some("drsuapi");
    assert_eq!(
        rows,
        [
            ("bind", drsuapi, None, Some("acceptance"), None, 0, 0, Some(1_000_000)),
            ("call", drsuapi, Some("DRSGetNCChanges"), None, None, 150, 15, Some(2_000_000)),
            ("call", drsuapi, Some("DRSBind"), None, Some(5), 0, 0, Some(1_000_000)),
            ("call", drsuapi, Some("DRSGetMemberships"), None, None, 0, 0, None),
        ]
    );
    assert_eq!(run.service, Some("dcerpc"));
}

#[test]
fn an_ntlm_login_inside() {
    fn auth(value: &[u8]) -> Option<(u8, u8, &[u8])> {
        Some((10, 6, value))
    }
    let run = run(&[
        orig(&bind(1, DRSUAPI, auth(&type1()))),
        resp(&bind_ack(1, auth(&type2()))),
        orig(&packet(16, 3, 1, &[0; 4], auth(&type3(&[1; 90])))),
        orig(&request(2, 0, &[], 3)),
        resp(&response(2, &[], 3)),
    ]);
    let ntlm = run.records::<NtlmRecord>()[0];
    assert_eq!((ntlm.service, ntlm.username.as_deref(), ntlm.success), ("dcerpc", Some("alice"), Some(true)));
    assert_eq!(run.records::<Credential>()[0].account.as_deref(), Some("CORP\\alice"));
    assert_eq!(run.records::<DcerpcRecord>()[0].auth, Some((10, 6)));
}

#[test]
fn the_endpoint_mapper_announces_the_next_connection() {
    let run = run(&[
        orig(&bind(1, EPMAPPER, None)),
        resp(&bind_ack(1, None)),
        orig(&request(2, 3, &[0; 40], 3)),
        resp(&response(2, &epm::tests::answer(), 3)),
    ]);
    let call = run.records::<DcerpcRecord>()[1];
    assert_eq!(call.endpoint.as_deref(), Some("drsuapi@ncacn_ip_tcp:10.0.0.2[49667]"));
}

#[test]
fn a_refused_bind_says_why() {
    let run = run(&[orig(&bind(1, DRSUAPI, None)), resp(&packet(13, 3, 1, &[8, 0, 0, 0], None))]);
    assert_eq!(run.records::<DcerpcRecord>()[0].bind_result, Some("authentication_type_not_recognized"));
}

#[test]
fn a_lost_piece_is_survived() {
    let whole = request(2, 3, &[7; 3000], 3);
    let run = run(&[
        orig(&bind(1, DRSUAPI, None)),
        resp(&bind_ack(1, None)),
        // Inside arguments that are skipped a loss is nothing.
        orig(&whole[..100]),
        lost(Side::Orig, 1000),
        orig(&whole[1100..]),
        resp(&response(2, &[], 3)),
        lost(Side::Orig, 10),
        orig(b"garbage that begins nowhere"),
        orig(&request(3, 1, &[], 3)),
        resp(&response(3, &[], 3)),
    ]);
    let calls: Vec<_> = run.records::<DcerpcRecord>().iter().filter_map(|r| r.operation()).collect();
    assert_eq!((calls, run.weirds), (vec!["DRSGetNCChanges", "DRSUnbind"], vec![]));
}

#[test]
fn every_prefix_and_every_chunking_gives_the_same() {
    let talk = [bind(1, DRSUAPI, None), request(2, 3, &[7; 90], 3)].concat();
    for end in 0..talk.len() {
        run(&[orig(&talk[..end]), resp(&bind_ack(1, None)[..end.min(60)])]);
    }
    let bytes: Vec<_> = talk.chunks(1).map(orig).collect();
    assert_eq!(run(&bytes).records::<DcerpcRecord>().len(), 2);
}

#[test]
fn a_capture_that_begins_inside_a_packet() {
    let run = run(&[
        resp(&bind_ack(1, None)),
        orig(b"the end of another packet"),
        orig(&packet(14, 3, 2, &bind(2, DRSUAPI, None)[16..], None)),
    ]);
    let r = run.records::<DcerpcRecord>()[0];
    assert_eq!((r.kind, r.interface_name(), run.weirds.len()), ("alter_context", Some("drsuapi"), 0));
}

#[test]
fn bytes_that_are_no_packet_end_it() {
    let run = run(&[orig(&bind(1, DRSUAPI, None)), orig(b"GET / HTTP/1.1\r\n\r\n")]);
    assert_eq!((run.weirds, run.done_after), (vec![WeirdKind::DcerpcMalformed], Some(2)));
    assert_eq!(Bench::tcp(135).run(&[orig(b"\x05\x01\0")]).records::<DcerpcRecord>().len(), 0);
}

#[test]
fn calls_over_udp() {
    let datagram = |kind: u8, body: &[u8]| {
        let head = [
            &[4, kind, 0x20, 0, 0x10, 0, 0, 0][..],
            &[0; 16],
            &wire(0xdea00001_6c97_11d1_8271_00a02442df7d),
            &[3; 16],
        ]
        .concat();
        let rest = [
            &[0; 4][..],
            &[1, 0, 0, 0],
            &[9, 0, 0, 0],
            &[2, 0],
            &[0xff; 4],
            &[body.len() as u8, 0],
            &[0, 0],
            &[0, 0],
        ]
        .concat();
        [head, rest, body.to_vec()].concat()
    };
    let ask = datagram(0, &[1; 20]);
    let run = Bench::udp(34964).run(&[orig(&ask), resp(&datagram(2, &[2; 7]))]);
    let r = run.records::<DcerpcRecord>()[0];
    assert_eq!(
        (r.interface_name(), r.operation(), r.request_bytes, r.response_bytes),
        (Some("PNIO_device"), Some("Read"), 20, 7)
    );
    assert_eq!((run.service, r.rtt, r.interface.unwrap().1), (Some("dcerpc"), Some(1_000_000), 1));
    for end in 0..ask.len() {
        assert_eq!(Bench::udp(34964).run(&[orig(&ask[..end])]).records::<DcerpcRecord>().len(), 0);
    }
}
