//! Are BACnet exchanges told whole and cut?

use super::*;
use crate::protocol::clues::HostClue;
use crate::protocol::testing::{Bench, orig, resp};

/// BVLC around the bytes behind it.
fn packet(function: u8, rest: &[u8]) -> Vec<u8> {
    [&[0x81, function, 0, rest.len() as u8 + 4][..], rest].concat()
}

const READ: &[u8] = &[1, 4, 0, 4, 7, 12, 0x0c, 0, 0, 0, 3, 0x19, 85];
const VALUE: &[u8] = &[1, 0, 0x30, 7, 12, 0x0c, 0, 0, 0, 3, 0x19, 85, 0x3e, 0x44, 0, 0, 0, 0, 0x3f];
const WRITE: &[u8] = &[1, 4, 0, 4, 8, 15, 0x0c, 1, 0, 0, 3, 0x19, 85, 0x3e, 0x91, 1, 0x3f];
const DENIED: &[u8] = &[1, 0, 0x50, 8, 15, 0x91, 2, 0x91, 40];

#[test]
fn reads_writes_and_errors() {
    let all = [READ, VALUE, WRITE, DENIED].map(|b| packet(0x0a, b));
    let run = Bench::udp(47808).run(&[orig(&all[0]), resp(&all[1]), orig(&all[2]), resp(&all[3])]);
    let rows = run.records::<BacnetRecord>();
    assert_eq!((run.service, run.faults, run.weirds.len(), rows.len()), (Some("bacnet"), 0, 0, 2));
    let (read, write) = (rows[0], rows[1]);
    assert_eq!(
        (read.function(), read.object, read.property, read.ending),
        (Some("read_property"), Some((0, 3)), Some(85), Some(Ending::Ack))
    );
    assert_eq!((write.object, write.is_write(), write.error.as_deref()), (Some((4, 3)), true, Some("2:40")));
    for b in &all {
        for end in 0..b.len() {
            assert_eq!(Bench::udp(47808).run(&[orig(&all[0]), orig(&b[..end])]).faults, 0);
        }
    }
}

#[test]
fn a_device_announces_itself_once_and_again() {
    let who = packet(0x0b, &[1, 0x20, 0xff, 0xff, 0, 0xff, 0x10, 8]);
    let i_am = packet(
        0x0b,
        &[1, 0x20, 0xff, 0xff, 0, 0xff, 0x10, 0, 0xc4, 2, 0, 4, 0xd2, 0x22, 1, 0xe0, 0x91, 0, 0x21, 9],
    );
    let mut sent = vec![orig(&who)];
    sent.extend([resp(&i_am); 6]);
    let run = Bench::udp(47808).run(&sent);
    let rows = run.records::<BacnetRecord>();
    let counts: Vec<_> = rows.iter().map(|r| (r.function(), r.repeats.count)).collect();
    let i = Some("i_am");
    assert_eq!(counts, [(Some("who_is"), 1), (i, 1), (i, 1), (i, 1), (i, 3)]);
    assert_eq!(run.records::<HostClue>()[0].value, "bacnet-device-1234");
}
