//! Are streams of media told, and chance not?

use super::*;
use crate::protocol::clues::HostClue;
use crate::protocol::testing::{Bench, orig, resp};

fn packet(payload_type: u8, sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut out = vec![0x80, payload_type];
    out.extend(sequence.to_be_bytes());
    out.extend((u32::from(sequence) * 160).to_be_bytes());
    out.extend(ssrc.to_be_bytes());
    out.extend([0xd5; 160]);
    out
}

/// Sender report and source description with a canonical name.
const REPORT: &[u8] = b"\x80\xc8\0\x06\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x81\xca\0\x03\0\0\0\x07\x01\x03a@b\0\0\0";

#[test]
fn a_stream_with_loss_and_disorder() {
    let numbers = [65_534, 65_535, 0, 3, 2, 4];
    let all: Vec<_> = numbers.iter().map(|n| packet(8, *n, 7)).collect();
    let mut sent: Vec<_> = all.iter().map(|d| orig(d)).collect();
    sent.push(orig(REPORT));
    let run = Bench::udp(40_392).run(&sent);
    let r = run.records::<RtpRecord>()[0];
    assert_eq!((run.service, run.faults), (Some("rtp"), 0));
    assert_eq!((r.packets, r.lost, r.reordered, r.bytes), (6, 1, 1, 960));
    assert_eq!(
        (r.duration, r.cname.as_deref(), encoding(r.payload_type).map(|e| e.0)),
        (5_000_000, Some("a@b"), Some("PCMA"))
    );
    assert!(r.jitter.is_some_and(|j| j > 0.0));
}

#[test]
fn chance_is_not_enough() {
    let (a, b, c) = (packet(111, 5, 1), packet(111, 900, 2), packet(96, 77, 3));
    for sent in [vec![orig(&a)], vec![orig(&a), orig(&b)], vec![orig(&a), orig(&b), orig(&c), orig(&a)]] {
        let run = Bench::udp(40_392).run(&sent);
        assert_eq!((run.service, run.records::<RtpRecord>().len()), (None, 0));
    }
    // What follows a datagram that looked like RTP is looked at anew.
    let stun = b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl";
    assert_eq!(
        Bench::udp(40_392).run(&[orig(&a), orig(b"\xff\xff"), orig(b"\xff\xff"), orig(stun)]).service,
        Some("stun")
    );
}

#[test]
fn control_on_its_own_and_over_tcp() {
    let run = Bench::udp(40_393).run(&[orig(REPORT), resp(REPORT)]);
    assert_eq!((run.service, run.done_after, run.records::<HostClue>().len()), (Some("rtcp"), Some(2), 2));
    // The report alone, 28 bytes, is a whole packet too.
    for end in (0..REPORT.len()).filter(|end| *end != 28) {
        assert_eq!(Bench::udp(40_393).run(&[orig(&REPORT[..end])]).service, None);
    }
    let frame = |n: u16| [&172_u16.to_be_bytes()[..], &packet(8, n, 9)].concat();
    let all: Vec<_> = (1..8).map(frame).collect();
    let run = Bench::tcp(5_000).run(&all.iter().map(|f| orig(f)).collect::<Vec<_>>());
    assert_eq!((run.service, run.records::<RtpRecord>()[0].packets), (Some("rtp"), 7));
    let bytes: Vec<_> = all.concat().chunks(5).map(<[u8]>::to_vec).collect();
    assert_eq!(
        Bench::tcp(5_000).run(&bytes.iter().map(|b| orig(b)).collect::<Vec<_>>()).service,
        Some("rtp")
    );
}
