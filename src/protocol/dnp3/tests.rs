//! Polls, commands and damage, over TCP and UDP.

use super::link::crc16;
use super::*;
use crate::protocol::testing::{Bench, lost, orig, resp};

/// A frame with right checksums.
fn frame(control: u8, destination: u16, source: u16, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x05, 0x64, data.len() as u8 + 5, control];
    out.extend(destination.to_le_bytes());
    out.extend(source.to_le_bytes());
    out.extend(crc16(&out).to_le_bytes());
    for block in data.chunks(16) {
        out.extend(block);
        out.extend(crc16(block).to_le_bytes());
    }
    out
}

/// A request in one segment: transport, control, function, objects.
fn ask(sequence: u8, function: u8, objects: &[u8]) -> Vec<u8> {
    frame(0xc4, 10, 1, &[&[0xc0, 0xc0 | sequence, function][..], objects].concat())
}

fn tell(sequence: u8, iin: [u8; 2], objects: &[u8]) -> Vec<u8> {
    frame(0x44, 1, 10, &[&[0xc0, 0xc0 | sequence, 129, iin[0], iin[1]][..], objects].concat())
}

/// CROB: latch on, once, 100 ms, for point 5.
const LATCH: &[u8] = &[12, 1, 0x28, 1, 0, 5, 0, 3, 1, 100, 0, 0, 0, 100, 0, 0, 0, 0];

#[test]
fn the_checksum_is_the_published_one() {
    // The frame that every introduction to IEEE 1815 shows: link status request from 1024 to 1.
    let shown = b"\x05\x64\x05\xc0\x01\0\0\x04\xe9\x21";
    assert_eq!(Bench::tcp(4242).run(&[orig(shown)]).service, Some("dnp3"));
    let bytes: Vec<_> = shown.chunks(1).map(orig).collect();
    assert_eq!(Bench::tcp(4242).run(&bytes).service, Some("dnp3"));
}

#[test]
fn polls_are_counted_and_commands_are_not() {
    let (poll, values) = (ask(1, 1, &[60, 2, 6, 60, 3, 6]), tell(1, [0x90, 0], &[]));
    let (operate, done) = (ask(2, 5, LATCH), tell(2, [0, 4], &[]));
    let mut sent = Vec::new();
    for _ in 0..6 {
        sent.extend([orig(&poll), resp(&values), orig(&operate), resp(&done)]);
    }
    for run in [Bench::tcp(20000).run(&sent), Bench::udp(20000).run(&sent)] {
        let rows = run.records::<Dnp3Record>();
        let reads: Vec<_> = rows.iter().filter(|r| !r.is_write()).map(|r| r.repeats.count).collect();
        assert_eq!((run.service, reads, run.faults), (Some("dnp3"), vec![1, 1, 1, 3], 0));
        assert_eq!((rows[0].objects.as_deref(), rows[0].rtt), (Some("60:2,60:3"), Some(1_000_000)));
        assert_eq!(rows[0].iin.map(indications).as_deref(), Some("need_time,device_restart"));
        let writes: Vec<_> = rows.iter().filter(|r| r.is_write()).collect();
        assert_eq!(writes.len(), 6);
        assert_eq!(writes[0].command.as_deref(), Some("5 latch_on count=1 on=100ms"));
        assert_eq!((writes[0].source, writes[0].destination), (1, 10));
        assert_eq!(writes[0].iin.map(indications).as_deref(), Some("parameter_error"));
    }
}

#[test]
fn segments_unsolicited_reports_and_restarts() {
    let long = frame(0xc4, 10, 1, &[0x40, 0xc3, 13]);
    let rest = frame(0xc4, 10, 1, &[0x81]);
    let report = frame(0x44, 1, 10, &[0xc0, 0xf1, 130, 2, 0, 2, 1, 0x17, 1, 7, 0x81]);
    let run = Bench::tcp(20000).run(&[orig(&long), orig(&rest), resp(&report)]);
    let rows = run.records::<Dnp3Record>();
    let names: Vec<_> = rows.iter().map(|r| (r.request, r.reply, r.objects.as_deref())).collect();
    assert_eq!(names, [(None, Some(130), Some("2:1 x1")), (Some(13), None, None)]);
}

#[test]
fn damage_is_a_weird_and_reading_goes_on() {
    let poll = ask(1, 1, &[60, 2, 6]);
    let mut bad = poll.clone();
    bad[12] ^= 1;
    let run = Bench::tcp(20000).run(&[
        orig(&bad),
        orig(b"\x05noise\x05"),
        orig(&poll),
        resp(&tell(1, [0, 0], &[])),
    ]);
    assert_eq!((run.records::<Dnp3Record>().len(), run.weirds), (1, vec![WeirdKind::Dnp3BadCrc]));
    let run = Bench::tcp(20000).run(&[orig(&poll), lost(Side::Orig, 7), orig(&poll[5..]), orig(&poll)]);
    assert_eq!(run.records::<Dnp3Record>().len(), 2);
}

#[test]
fn every_prefix_and_flipped_bit_survives() {
    let talk = [ask(1, 5, LATCH), ask(2, 2, &[50, 1, 7, 1, 1, 2, 3, 4, 5, 6])].concat();
    for end in 0..talk.len() {
        assert_eq!(Bench::tcp(20000).run(&[orig(&talk[..end]), resp(&talk[end..])]).faults, 0);
    }
    // Straight into the objects, past the checksums.
    for bit in 0..LATCH.len() * 8 {
        let mut flipped = LATCH.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Bench::tcp(20000).run(&[orig(&ask(1, 5, &flipped))]).records::<Dnp3Record>().len(), 1);
    }
}
