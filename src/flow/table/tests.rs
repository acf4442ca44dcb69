//! Life and death of flows.

use crate::decode::{Decoded, Role};
use crate::flow::testing::{Bench, ip4, segment, udp};
use crate::flow::{CommunityId, Config};
use crate::model::addr::Ip;
use crate::model::event::Body;
use crate::model::flow::{EndReason, Side, ip_protocol};
use crate::model::time::Timestamp;
use crate::model::weird::WeirdKind;
use Side::{Orig, Resp};

#[test]
fn a_question_and_its_answer() {
    let mut b = Bench::new();
    b.udp(Orig, "who?");
    b.udp(Resp, "me");
    let row = b.row();
    assert_eq!((row.conn_state, row.history.as_str(), row.end_reason), ("SF", "Dd", EndReason::CaptureEnd));
    assert_eq!((row.orig.bytes, row.resp.bytes, row.orig.stream_bytes), (4, 2, 4));
    assert_eq!((row.first.packet, row.last.packet, row.last.offset), (1, 2, 0));
    assert_eq!((row.service, row.orig.first_ttl, row.resp.first_ttl), (Some("notes"), 64, 64));
    assert_eq!((row.id.first_packet(), row.ip_version), (1, 4));
    assert_eq!(b.table.app_mut().got, [">who?", "<me"]);
    assert_eq!((b.table.len(), b.table.app_mut().ended), (0, 1));
    assert!(CommunityId::of(&row.tuple).as_str().starts_with("1:"));
}

#[test]
fn silence_ends_a_flow_and_the_row_says_when() {
    let mut b = Bench::new();
    b.udp(Orig, "a");
    let last = (b.time * 1e9) as i64;
    b.time += 60.0;
    b.udp(Orig, "b");
    assert_eq!(b.flows().len(), 1, "the packet itself tells, no sweep needed");
    let event = &b.out[0];
    assert_eq!((event.ts, event.packet), (Timestamp(last).plus(60_000_000_000), 1));
    assert_eq!(b.rows().len(), 2);
    assert_eq!(b.flows()[0].end_reason, EndReason::Idle);
}

#[test]
fn sweeping_early_late_or_never_gives_the_same_rows() {
    let run = |every: usize| {
        let mut b = Bench::new();
        for i in 0..400u32 {
            b.time += f64::from(i % 7) * 9.0;
            let (port, to) = (5000 + (i % 11) as u16, ip4(2 + (i % 5) as u8));
            b.send(udp(0, 0, (ip4(1), port), (to, 6000), 3), b"abc");
            if every > 0 && (i as usize).is_multiple_of(every) {
                let now = Timestamp((b.time * 1e9) as i64);
                b.table.advance(now, &mut b.out);
            }
        }
        b.rows();
        let mut events: Vec<_> = b
            .out
            .iter()
            .map(|e| match &e.body {
                Body::Flow(f) => (e.ts, e.packet, f.id, f.orig.packets, f.end_reason.name()),
                other => panic!("{other:?}"),
            })
            .collect();
        events.sort_unstable();
        events
    };
    let never = run(0);
    assert!(never.len() > 50);
    assert_eq!(never, run(1));
    assert_eq!(never, run(13));
}

#[test]
fn ten_years_of_silence_cost_nothing() {
    let mut b = Bench::new();
    for i in 0..100 {
        b.send(udp(0, 0, (ip4(1), 1000 + i), (ip4(2), 53), 0), &[]);
    }
    b.time += 3.15e8;
    b.table.advance(Timestamp((b.time * 1e9) as i64), &mut b.out);
    assert_eq!((b.flows().len(), b.table.len()), (100, 0));
    b.table.advance(Timestamp::MAX, &mut b.out);
    b.udp(Orig, "still here, in the past");
    assert_eq!(b.rows().len(), 101);
}

#[test]
fn one_packet_from_the_future_ends_nothing() {
    let mut b = Bench::new();
    b.udp(Orig, "now");
    let wild =
        Decoded { src_port: 9, ts: Timestamp::MAX, packet: 7, ..udp(0, 0, (ip4(1), 1), (ip4(2), 2), 0) };
    b.table.packet(&wild, &[], &mut b.out);
    b.udp(Resp, "still now");
    assert_eq!(b.flows().len(), 0);
    assert_eq!(b.rows()[0].history, "Dd");
}

#[test]
fn a_full_table_gives_up_the_longest_idle_flow() {
    let mut b = Bench::with(&Config::default(), 3, 0);
    let from = |port| udp(0, 0, (ip4(1), port), (ip4(2), 6000), 1);
    for port in [1, 2, 3] {
        b.send(from(port), b"x");
        b.time += 2.0;
    }
    b.send(from(1), b"x");
    b.send(from(4), b"x");
    let gone = b.flows();
    assert_eq!((gone.len(), gone[0].tuple.src_port, gone[0].end_reason), (1, 2, EndReason::Evicted));
    assert_eq!((b.weirds(), b.table.stats().evicted), (vec![WeirdKind::FlowTableFull], 1));
    assert_eq!(b.table.len(), 3);
}

#[test]
fn a_new_syn_on_a_closed_connection_begins_a_new_flow() {
    let mut b = Bench::new();
    b.handshake();
    b.tcp(Orig, "FA", 101, 501, "");
    b.tcp(Resp, "FA", 501, 102, "");
    b.tcp(Orig, "A", 102, 502, "");
    b.tcp(Orig, "S", 100, 0, "");
    b.tcp(Resp, "RA", 0, 101, "");
    let rows = b.rows();
    let states: Vec<_> = rows.iter().map(|r| (r.conn_state, r.end_reason)).collect();
    assert_eq!(states, [("SF", EndReason::Closed), ("REJ", EndReason::Closed)]);
}

#[test]
fn another_syn_with_another_number_is_another_attempt() {
    let mut b = Bench::new();
    b.tcp(Orig, "S", 100, 0, "");
    b.tcp(Orig, "S", 100, 0, "");
    b.tcp(Orig, "S", 7000, 0, "");
    let rows = b.rows();
    assert_eq!(rows.iter().map(|r| r.orig.packets).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn half_of_a_route_is_no_attempt() {
    let mut b = Bench::new();
    b.tcp(Orig, "S", 100, 0, "");
    b.tcp(Orig, "A", 101, 501, "");
    b.time += 120.0;
    b.tcp(Orig, "PA", 101, 501, "hello");
    let rows = b.rows();
    assert_eq!(rows.iter().map(|r| (r.conn_state, r.history.as_str())).collect::<Vec<_>>(), [("S0", "SAD")]);
    let mut b = Bench::new();
    b.tcp(Orig, "S", 100, 0, "");
    b.time += 120.0;
    b.tcp(Orig, "S", 100, 0, "");
    assert_eq!(b.rows().len(), 2, "tried again after minutes");
}

#[test]
fn a_closed_connection_lingers_for_stragglers() {
    let mut b = Bench::new();
    b.handshake();
    b.tcp(Orig, "RA", 101, 501, "");
    b.time += 4.0;
    b.tcp(Resp, "A", 501, 101, "");
    b.time += 6.0;
    b.tcp(Resp, "PA", 501, 101, "late");
    assert_eq!(b.rows().iter().map(|r| r.history.as_str()).collect::<Vec<_>>(), ["ShARa", "D"]);
}

#[test]
fn an_icmp_error_marks_the_flow_it_quotes() {
    let mut b = Bench::new();
    b.udp(Orig, "hello");
    let quote = Decoded { role: Role::Quoted, icmp: (3, 3), ..udp(0, 0, (ip4(1), 5000), (ip4(2), 6000), 5) };
    b.send(quote.clone(), &[]);
    let stranger = Decoded { src_port: 9, ..quote };
    b.send(stranger, &[]);
    let row = b.row();
    assert_eq!((row.icmp_error, row.orig.packets, row.resp.packets), (Some((3, 3)), 1, 0));
}

#[test]
fn echoes_pair_and_errors_do_not() {
    let mut b = Bench::new();
    let icmp = |from, to, kind, code| Decoded {
        protocol: ip_protocol::ICMP,
        ..udp(0, 0, (ip4(from), kind), (ip4(to), code), 56)
    };
    b.send(icmp(1, 2, 8, 0), &[0; 56]);
    b.send(icmp(2, 1, 0, 0), &[0; 56]);
    b.send(icmp(1, 2, 3, 1), &[0; 56]);
    b.send(icmp(2, 1, 3, 1), &[0; 56]);
    let rows: Vec<_> = b
        .rows()
        .into_iter()
        .map(|r| (r.tuple.src_port, r.tuple.dst_port, r.orig.packets, r.resp.packets, r.conn_state))
        .collect();
    assert_eq!(rows, [(8, 0, 1, 1, "OTH"), (3, 1, 1, 0, "OTH"), (3, 1, 1, 0, "OTH")]);
}

#[test]
fn a_server_that_is_heard_first_is_the_responder() {
    let mut b = Bench::new();
    let answer = udp(0, 0, (ip4(2), 53), (ip4(1), 5000), 4);
    let (server, client) = (answer.src_mac, answer.dst_mac);
    b.send(answer, b"late");
    let row = b.row();
    assert_eq!((row.conn_state, row.history.as_str(), row.tuple.src), ("SHR", "^d", ip4(1)));
    assert_eq!((row.src_mac, row.dst_mac, row.resp.packets), (client, server, 1));
}

#[test]
fn ipv6_addresses_come_back_whole() {
    let mut b = Bench::new();
    let ip = |n: u8| Ip::v6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n]);
    for n in 1..50 {
        b.send(Decoded { ip_version: 6, ..udp(0, 0, (ip(n), 7), (ip(n + 1), 8), 1) }, b"x");
    }
    let rows = b.rows();
    assert_eq!(rows.len(), 49);
    for (n, row) in (1..50).zip(rows) {
        assert_eq!((row.tuple.src, row.tuple.dst, row.ip_version), (ip(n), ip(n + 1), 6));
    }
}

#[test]
fn tunnels_and_vlans() {
    let mut b = Bench::new();
    let plain = udp(0, 0, (ip4(1), 7), (ip4(2), 8), 1);
    b.send(plain.clone(), b"x");
    b.send(Decoded { level: 1, tunnel: Some("vxlan:42".into()), vlan: 9, ..plain.clone() }, b"x");
    b.send(Decoded { level: 1, tunnel: Some("vxlan:43".into()), ..plain.clone() }, b"x");
    b.send(Decoded { level: 1, tunnel: Some("vxlan:42".into()), ..plain }, b"x");
    let rows: Vec<_> = b.rows().into_iter().map(|r| (r.tunnel, r.vlan, r.orig.packets)).collect();
    assert_eq!(
        rows,
        [(None, None, 1), (Some("vxlan:42".into()), Some(9), 2), (Some("vxlan:43".into()), None, 1)]
    );
}

#[test]
fn a_headless_fragment_is_only_counted() {
    let mut b = Bench::new();
    let bare = Decoded { has_transport: false, src_port: 0, dst_port: 0, ..segment(Orig, "S", 1, 0, 9) };
    b.send(bare, b"");
    let row = b.row();
    assert_eq!((row.conn_state, row.history.as_str(), row.orig.packets), ("OTH", "", 1));
    assert_eq!(b.table.app_mut().opened, 0);
}

#[test]
fn an_application_that_has_enough_hears_no_more_until_the_end() {
    let mut b = Bench::new();
    b.table.app_mut().enough = 4;
    b.handshake();
    b.tcp(Orig, "A", 110, 501, "out of order");
    b.tcp(Orig, "A", 101, 501, "first");
    b.tcp(Orig, "A", 106, 501, "more");
    b.tcp(Orig, "A", 130, 501, "later");
    assert_eq!(b.table.app_mut().got, [">first"]);
    let row = b.row();
    assert_eq!(
        (row.service, row.orig.bytes, b.table.stats().peak_stream_bytes > 0),
        (Some("notes"), 26, true)
    );
    assert_eq!(b.table.app_mut().ended, 1);
}

#[test]
fn an_uninterested_application_is_asked_once() {
    let mut b = Bench::new();
    b.table.app_mut().enough = 0;
    (0..5).for_each(|_| b.udp(Orig, "x"));
    (0..5).for_each(|_| b.udp(Resp, "x"));
    let row = b.row();
    assert_eq!((b.table.app_mut().opened, row.service, row.resp.packets), (1, None, 5));
}

#[test]
fn differing_overlap_is_a_weird() {
    let mut b = Bench::new();
    b.handshake();
    b.tcp(Orig, "A", 103, 501, "XY");
    b.tcp(Orig, "A", 101, 501, "abcd");
    assert_eq!(b.table.app_mut().got, [">ab", ">XY"]);
    assert_eq!(b.weirds(), [WeirdKind::TcpOverlap]);
}

#[test]
fn a_payload_beyond_the_captured_bytes_is_cut() {
    let mut b = Bench::new();
    b.send(Decoded { payload_start: 3, ..udp(0, 0, (ip4(1), 1), (ip4(2), 2), 40) }, b"...data");
    b.send(Decoded { payload_start: u32::MAX, ..udp(0, 0, (ip4(1), 1), (ip4(2), 2), 40) }, b"x");
    assert_eq!(b.table.app_mut().got, [">data+", ">+"]);
}

#[test]
fn what_the_snaplen_cut_of_a_stream_is_a_hole_until_it_is_acknowledged() {
    let mut b = Bench::new();
    b.handshake();
    b.send(segment(Orig, "PA", 101, 501, 10), b"abc");
    b.send(segment(Orig, "PA", 111, 501, 3), b"");
    b.tcp(Orig, "PA", 114, 501, "xyz");
    assert_eq!(b.table.app_mut().got, [">abc"]);
    b.tcp(Resp, "A", 501, 117, "");
    assert_eq!(b.table.app_mut().got, [">abc", ">gap 10", ">xyz"]);
    let row = b.row();
    assert_eq!((row.orig.bytes, row.orig.stream_bytes, row.orig.missed_bytes), (16, 16, 10));
}

#[test]
fn rows_at_the_end_follow_the_first_packets() {
    let mut b = Bench::new();
    for port in (1..100).rev() {
        b.send(udp(0, 0, (ip4(1), port), (ip4(2), 6000), 1), b"x");
    }
    assert!(b.table.finish(10, &mut b.out));
    let firsts: Vec<_> = b.rows().iter().map(|r| r.first.packet).collect();
    assert_eq!(firsts, (1..100).collect::<Vec<_>>());
}
