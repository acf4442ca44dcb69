//! Are EtherNet/IP sessions told whole, lost and cut?

use super::*;
use crate::protocol::clues::HostClue;
use crate::protocol::testing::{Bench, lost, orig, resp};

fn message(command: u8, session: u8, context: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![command, 0, data.len() as u8, 0, session, 0, 0, 0, 0, 0, 0, 0, context];
    out.extend([0; 7 + 4]);
    out.extend(data);
    out
}

/// Interface handle, timeout, null address, unconnected data.
fn unconnected(cip: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 5, 0, 2, 0, 0, 0, 0, 0, 0xb2, 0, cip.len() as u8, 0][..], cip].concat()
}

#[test]
fn session_services_and_writes() {
    let (register, registered) = (message(0x65, 0, 1, &[1, 0, 0, 0]), message(0x65, 7, 1, &[1, 0, 0, 0]));
    // Get Attribute All of the identity, inside Unconnected Send.
    let inner = [0x01, 2, 0x20, 1, 0x24, 1];
    let send = [&[0x52, 2, 0x20, 6, 0x24, 1, 5, 0xf7, 6, 0][..], &inner, &[1, 0, 1, 0]].concat();
    let (ask, tell) =
        (message(0x6f, 7, 2, &unconnected(&send)), message(0x6f, 7, 2, &unconnected(&[0x81, 0, 0, 0])));
    let write = [0x4d, 3, 0x91, 3, b't', b'a', b'g', 0, 0xc4, 0, 1, 0, 9, 0, 0, 0];
    let (set, done) =
        (message(0x6f, 7, 3, &unconnected(&write)), message(0x6f, 7, 3, &unconnected(&[0xcd, 0, 5, 0])));
    let run = Bench::tcp(44818).run(&[
        orig(&register),
        resp(&registered),
        orig(&ask),
        resp(&tell),
        orig(&set),
        resp(&done),
    ]);
    let rows = run.records::<EnipRecord>();
    let shown: Vec<_> = rows.iter().map(|r| (r.function(), r.session, r.cip_status, r.is_write())).collect();
    assert_eq!((run.service, run.faults), (Some("enip"), 0));
    assert_eq!(
        shown,
        [
            (Some("register_session"), 7, None, false),
            (Some("get_attributes_all"), 7, Some(0), false),
            (Some("write_tag"), 7, Some(5), true),
        ]
    );
    assert_eq!(
        (rows[1].path.class, rows[1].path.instance, rows[2].path.symbol.as_deref()),
        (Some(1), Some(1), Some("tag"))
    );
    for end in 0..ask.len() {
        assert_eq!(Bench::tcp(44818).run(&[orig(&register), orig(&ask[..end])]).faults, 0);
    }
    let run = Bench::tcp(44818).run(&[
        orig(&register),
        lost(Side::Orig, 4),
        orig(b"xxxxxxxxxxxxxxxxxxxxxxxxxx"),
        orig(&ask),
    ]);
    assert_eq!((run.records::<EnipRecord>().len(), run.weirds.len()), (2, 0));
}

#[test]
fn an_identity_becomes_a_clue() {
    let mut item = vec![1, 0];
    item.extend([0; 16]);
    item.extend([
        1, 0, 14, 0, 0x36, 0, 20, 11, 0x60, 0, 0x78, 0x56, 0x34, 0x12, 4, b'1', b'7', b'5', b'6', 3,
    ]);
    let cpf = [&[1, 0, 0x0c, 0, item.len() as u8, 0][..], &item].concat();
    let run = Bench::udp(44818).run(&[orig(&message(0x63, 0, 0, &[])), resp(&message(0x63, 0, 0, &cpf))]);
    let rows = run.records::<EnipRecord>();
    let who = rows[0].identity.as_ref().unwrap();
    assert_eq!((who.vendor, who.revision, who.serial, who.name.as_str()), (1, (20, 11), 0x1234_5678, "1756"));
    assert_eq!(run.records::<HostClue>()[0].value, "1756 revision 20.11 vendor 1 serial 12345678");
    let io = [&[2, 0, 2, 0x80, 8, 0][..], &[1; 8], &[0xb1, 0, 2, 0, 7, 7]].concat();
    assert_eq!(Bench::udp(2222).run(&[orig(&io)]).service, Some("enip"));
}
