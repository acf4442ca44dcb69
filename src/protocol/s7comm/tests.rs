//! Are S7 talks told whole, lost and cut?

use super::*;
use crate::protocol::clues::HostClue;
use crate::protocol::testing::{Bench, lost, orig, resp};

const CONNECT: &[u8] = b"\x03\0\0\x16\x11\xe0\0\0\0\x01\0\xc0\x01\x0a\xc1\x02\x01\0\xc2\x02\x01\x02";
const CONFIRM: &[u8] = b"\x03\0\0\x16\x11\xd0\0\x01\0\x01\0\xc0\x01\x0a\xc1\x02\x01\0\xc2\x02\x01\x02";

/// TPKT and COTP around a message.
fn tpkt(s7: &[u8]) -> Vec<u8> {
    [&[3, 0, 0, s7.len() as u8 + 7, 2, 0xf0, 0x80][..], s7].concat()
}

fn asks(reference: u8, parameters: &[u8], data: &[u8]) -> Vec<u8> {
    let head = [0x32, 1, 0, 0, 0, reference, 0, parameters.len() as u8, 0, data.len() as u8];
    tpkt(&[&head[..], parameters, data].concat())
}

fn tells(reference: u8, error: [u8; 2], parameters: &[u8]) -> Vec<u8> {
    let head = [0x32, 3, 0, 0, 0, reference, 0, parameters.len() as u8, 0, 0, error[0], error[1]];
    tpkt(&[&head[..], parameters].concat())
}

#[test]
fn reads_writes_and_a_stop() {
    let item = [0x12, 0x0a, 0x10, 2, 0, 4, 0, 1, 0x84, 0, 0, 0x50];
    let read = asks(1, &[&[4, 1][..], &item].concat(), &[]);
    let write = asks(2, &[&[5, 1][..], &item].concat(), &[0, 4, 0, 8, 1]);
    let stop = asks(3, b"\x29\0\0\0\0\0\x09P_PROGRAM", &[]);
    let (a, b, c) = (tells(1, [0, 0], &[4, 1]), tells(2, [0x85, 0], &[5, 1]), tells(3, [0, 0], &[0x29]));
    let run = Bench::tcp(102).run(&[
        orig(CONNECT),
        resp(CONFIRM),
        orig(&read),
        resp(&a),
        orig(&write),
        resp(&b),
        orig(&stop),
        resp(&c),
    ]);
    let rows = run.records::<S7Record>();
    let shown: Vec<_> =
        rows.iter().map(|r| (r.function(), r.object.as_deref(), r.error, r.is_write())).collect();
    assert_eq!((run.service, run.faults, run.weirds.len()), (Some("s7comm"), 0, 0));
    assert_eq!(
        shown,
        [
            (Some("read_var"), Some("db1 10.0 x4"), Some(0), false),
            (Some("write_var"), Some("db1 10.0 x4"), Some(0x8500), true),
            (Some("plc_stop"), Some("P_PROGRAM"), Some(0), true),
        ]
    );
    let bytes: Vec<_> = [&read[..], &write].concat().chunks(1).map(|c| c.to_vec()).collect();
    let mut sent = vec![orig(CONNECT), resp(CONFIRM)];
    sent.extend(bytes.iter().map(|b| orig(b)));
    assert_eq!(Bench::tcp(102).run(&sent).records::<S7Record>().len(), 2, "byte by byte");
}

#[test]
fn a_status_list_names_the_controller() {
    let ask = b"\x32\x07\0\0\0\x09\0\x08\0\x08\0\x01\x12\x04\x11\x44\x01\0\xff\x09\0\x04\0\x11\0\0";
    let mut data = b"\xff\x09\0\x24\0\x11\0\0\0\x1c\0\x01\0\x01".to_vec();
    data.extend(b"6ES7 315-2EH14-0AB0 ");
    data.extend([0; 6]);
    let mut tell = b"\x32\x07\0\0\0\x09\0\x0c\0".to_vec();
    tell.push(data.len() as u8);
    tell.extend(b"\0\x01\x12\x08\x12\x84\x01\x01\0\0\0\0");
    tell.extend(&data);
    let run = Bench::tcp(102).run(&[orig(CONNECT), resp(CONFIRM), orig(&tpkt(ask)), resp(&tpkt(&tell))]);
    let row = run.records::<S7Record>()[0];
    assert_eq!((row.function(), row.szl_id, row.error), (Some("read_szl"), Some(0x11), Some(0)));
    let clues = run.records::<HostClue>();
    assert!(clues.iter().any(|c| c.value == "6ES7 315-2EH14-0AB0"), "{clues:?}");
}

#[test]
fn plus_is_named_and_others_are_not() {
    let plus = tpkt(&[0x72, 1, 0, 4, 0x31, 0, 0, 4]);
    assert_eq!(
        Bench::tcp(102).run(&[orig(CONNECT), resp(CONFIRM), orig(&plus)]).service,
        Some("s7comm_plus")
    );
    let mms = tpkt(&[0x0d, 4, 1, 2, 3, 4]);
    assert_ne!(Bench::tcp(4242).run(&[orig(CONNECT), resp(CONFIRM), orig(&mms)]).service, Some("s7comm"));
}

#[test]
fn prefixes_and_gaps_survive() {
    let read = asks(1, &[4, 1, 0x12, 0x0a, 0x10, 2, 0, 4, 0, 1, 0x84, 0, 0, 0x50], &[]);
    let talk = [CONNECT, &read].concat();
    for end in 0..talk.len() {
        assert_eq!(Bench::tcp(102).run(&[orig(&talk[..end]), resp(CONFIRM)]).faults, 0);
    }
    let run = Bench::tcp(102).run(&[orig(&talk), lost(Side::Orig, 3), orig(b"tail of one"), orig(&read)]);
    assert_eq!((run.records::<S7Record>().len(), run.weirds.len()), (2, 0));
    let lying = tpkt(&[0x32, 1, 0, 0, 0, 1, 0, 99, 0, 0, 4]);
    assert_eq!(Bench::tcp(102).run(&[orig(&talk), orig(&lying)]).weirds, [WeirdKind::S7Malformed]);
}
