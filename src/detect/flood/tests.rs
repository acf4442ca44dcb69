//! Does the flood detector fire on floods, and only on them?

use super::super::testing::*;
use super::*;
use crate::detect::Config;
use crate::model::addr::Ip;
use crate::model::anomaly::{Anomaly, Severity};
use crate::model::flow::ip_protocol;

fn found(flows: impl IntoIterator<Item = FlowFact>) -> Vec<Anomaly> {
    Bench::new(&META).flows(flows).end()
}

fn kinds(flows: impl IntoIterator<Item = FlowFact>) -> Vec<&'static str> {
    found(flows).into_iter().map(|a| a.kind.name).collect()
}

fn syns(n: u64, per_s: f64) -> impl Iterator<Item = FlowFact> {
    (0..n).map(move |i| tcp(i + 1, i as f64 / per_s, outside(1), inside(2), 80, "S1", "Sh"))
}

fn bare(n: u64, flags: u8, history: &'static str, ports: u64) -> impl Iterator<Item = FlowFact> {
    (0..n).map(move |i| {
        let mut f =
            tcp(i + 1, i as f64 * 0.005, outside(1), inside(2), 80 + (i % ports) as u16, "OTH", history);
        (f.orig.tcp_flags, f.orig.packets) = (flags, 1);
        f
    })
}

fn icmp(packets: u64, seconds: f64) -> FlowFact {
    let mut f = udp(1, 0.0, inside(1), inside(2), 0, (packets, packets));
    (f.tuple.protocol, f.tuple.src_port, f.last_ts) = (ip_protocol::ICMP, 8, at(seconds));
    f
}

#[test]
fn a_syn_flood_is_one_row() {
    let all = found(syns(1_658, 118.0));
    assert_eq!(all.len(), 1, "{all:?}");
    let a = &all[0];
    assert_eq!(
        (a.kind.name, a.src, a.dst, a.dst_port),
        ("syn_flood", Some(outside(1)), Some(inside(2)), Some(80))
    );
    assert_eq!(
        a.title,
        "203.0.113.1 sent 1,658 SYNs to 10.0.0.2 port 80 in 14 s, at most 118 in one second and completed 0 handshakes"
    );
    assert_eq!((a.count, a.severity, a.flows.len()), (1_658, Severity::Medium, 25));
}

#[test]
fn thresholds_of_a_syn_flood() {
    assert!(kinds(syns(299, 100.0)).is_empty());
    assert!(kinds(syns(5_000, 29.0)).is_empty(), "too slow");
    let busy = (0..2_000u64).map(|i| {
        if i % 4 == 0 {
            used(i + 1, i as f64 * 0.005, outside(1), inside(2), 80, "http")
        } else {
            tcp(i + 1, i as f64 * 0.005, outside(1), inside(2), 80, "S0", "S")
        }
    });
    assert!(kinds(busy).is_empty(), "a quarter completes");
    let half = (0..2_000u64).map(|i| tcp(i + 1, i as f64 * 0.005, outside(1), inside(2), 80, "S0", "SAD"));
    assert!(kinds(half).is_empty(), "one half of the route");
    let mut config = Config::default();
    config.set("flood", "syns", 2_000.0);
    assert!(Bench::with(&META, &config).flows(syns(1_658, 118.0)).kinds().is_empty());
}

#[test]
fn a_scan_is_no_flood() {
    let scan =
        (0..4_000u64).map(|i| unanswered(i + 1, i as f64 * 0.001, inside(1), inside(2), (i % 2_000) as u16));
    assert!(kinds(scan).is_empty());
    assert!(kinds(bare(2_000, 1, "F", 1_000)).is_empty(), "a FIN scan");
}

#[test]
fn made_up_senders_over_all_ports() {
    let flood = (0..3_000u32).map(|i| {
        let [_, a, b, c] = i.to_be_bytes();
        unanswered(
            u64::from(i) + 1,
            f64::from(i) * 0.001,
            Ip::v4([198, a, b, c]),
            inside(2),
            (i * 7 % 60_000) as u16,
        )
    });
    let all = found(flood);
    assert_eq!(all.len(), 1);
    assert!(all[0].title.contains("senders (probably made up) sent 3,00"), "{}", all[0].title);
    assert_eq!(all[0].src, None);
}

#[test]
fn tcp_packets_of_no_connection() {
    assert_eq!(kinds(bare(244, 1, "F", 1)), ["tcp_flood"]);
    assert!(kinds(bare(199, 1, "F", 1)).is_empty());
    assert!(kinds(bare(900, 0x10, "A", 1)).is_empty(), "what a late capture leaves");
    assert!(kinds(bare(199, 0x10, "Ar", 1)).is_empty(), "what a restart leaves");
    assert_eq!(kinds(bare(600, 0x10, "Ar", 1)), ["tcp_flood"]);
    assert_eq!(found(bare(1_500, 0x10, "Ar", 1))[0].details["technique"], "ack");
    assert!(kinds((0..2_000).map(|i| tcp(i + 1, 1.0, outside(1), inside(2), 80, "OTH", "^hA"))).is_empty());
}

#[test]
fn datagrams() {
    let flood = |n: u64, ports: u64, answers: u64| {
        (0..n).map(move |i| {
            let mut f =
                udp(i + 1, i as f64 * 0.005, outside(1), inside(2), 1_000 + (i % ports) as u16, (1, answers));
            f.orig.ip_bytes = 540;
            f
        })
    };
    assert_eq!(kinds(flood(1_500, 1, 0)), ["udp_flood"]);
    assert_eq!(kinds(flood(1_500, 700, 0)), ["udp_flood"]);
    assert!(kinds(flood(999, 1, 0)).is_empty());
    assert!(kinds(flood(1_500, 1, 1)).is_empty(), "answered");
    let mut stream = udp(1, 0.0, inside(1), inside(2), 5_001, (8_000, 0));
    stream.last_ts = at(10.0);
    stream.orig.ip_bytes = 8_000 * 1_498;
    assert!(kinds([stream.clone()]).is_empty(), "iperf: one stream");
    // LOIC: one socket, thousands of small datagrams a second, and a firewall that says nothing.
    let mut socket = udp(1, 0.0, outside(1), inside(2), 80, (60_000, 0));
    (socket.last_ts, socket.orig.ip_bytes) = (at(10.0), 60_000 * 60);
    assert_eq!(kinds([socket.clone()]), ["udp_flood"]);
    socket.orig.ip_bytes = 60_000 * 1_344;
    assert!(kinds([socket.clone()]).is_empty(), "a picture in the making");
    (socket.orig.packets, socket.orig.ip_bytes) = (1_500, 1_500 * 200);
    assert!(kinds([socket]).is_empty(), "three calls in one stream");
    stream.icmp_error = Some((3, 3));
    assert_eq!(kinds([stream]), ["udp_flood"], "nobody listens");
    let known = flood(1_500, 1, 0).map(|mut f| {
        (f.service, f.service_source) = (Some("dns"), Some(crate::model::flow::ServiceSource::Content));
        f
    });
    assert!(kinds(known).is_empty());
    let scan = (0..1_500u64).map(|i| udp(i + 1, i as f64 * 0.1, outside(1), inside(2), i as u16, (1, 0)));
    assert!(kinds(scan).is_empty(), "a UDP scan of ordinary speed");
}

#[test]
fn echoes() {
    assert_eq!(kinds([icmp(4_998, 5.6)]), ["icmp_flood"]);
    assert!(kinds([icmp(600, 600.0)]).is_empty(), "one a second");
    let mut smurf = icmp(2_049, 20.0);
    smurf.tuple.dst = inside(255);
    let all = found([smurf]);
    assert_eq!((all[0].details["technique"].as_str(), all[0].src), (Some("smurf"), Some(inside(1))));
    let mut errors = icmp(3_000, 5.0);
    errors.tuple.src_port = 3;
    assert!(kinds([errors]).is_empty(), "a scan draws errors");
}

#[test]
fn targets_are_capped() {
    let mut bench = Bench::new(&META);
    bench.flows(
        (0..9_000u32).map(|i| unanswered(u64::from(i) + 1, 1.0, outside(1), Ip::v4(i.to_be_bytes()), 80)),
    );
    assert!(bench.detector.evicted() > 8_000);
}

#[test]
fn syn_acks_that_answer_nothing() {
    // The flow table turns them: the victim is the originator.
    let answers = |n: u64, history: &'static str, hosts: u64| {
        (0..n).map(move |i| {
            let mut f =
                tcp(i + 1, i as f64 * 0.005, inside(2), outside((i % hosts) as u8), 80, "OTH", history);
            (f.orig.packets, f.orig.tcp_flags) = (u64::from(history.contains('R')), 0x04);
            (f.resp.packets, f.resp.tcp_flags) = (1, 0x12);
            f
        })
    };
    let all = Bench::new(&UNASKED).flows(answers(1_800, "^h", 200)).end();
    assert_eq!((all.len(), all[0].kind.name, all[0].dst), (1, "tcp_flood", Some(inside(2))), "{all:?}");
    assert_eq!(all[0].details["technique"], "syn_ack");
    assert_eq!(Bench::new(&UNASKED).flows(answers(600, "^hR", 1)).end()[0].src, Some(outside(0)));
    assert!(Bench::new(&UNASKED).flows(answers(600, "^h", 1)).kinds().is_empty());
    assert!(Bench::new(&UNASKED).flows(answers(190, "^hR", 1)).kinds().is_empty());
    let half = answers(3_000, "^hdf", 200).map(|mut f| {
        f.resp.bytes = 900;
        f
    });
    assert!(Bench::new(&UNASKED).flows(half).kinds().is_empty(), "one half of a route");
    let darknet = (0..4_000u64).map(|i| {
        let mut f = tcp(i + 1, i as f64 * 0.001, inside((i % 250) as u8), outside(1), 80, "OTH", "^h");
        (f.orig.packets, f.resp.packets, f.resp.tcp_flags) = (0, 1, 0x12);
        f
    });
    assert!(Bench::new(&UNASKED).flows(darknet).kinds().is_empty(), "backscatter is spread over many");
}

#[test]
fn measurements_to_a_collector_are_a_hint_at_most() {
    let told = |from: fn(u8) -> Ip, per_s: f64| {
        let all = (0..6_000u64).map(move |i| {
            let mut f = udp(i + 1, i as f64 / per_s, from((i % 60) as u8), inside(200), 12_201, (1, 0));
            f.orig.ip_bytes = 120;
            f
        });
        found(all)[0].severity
    };
    assert_eq!(told(inside, 200.0), Severity::Low);
    assert_eq!(told(inside, 3_000.0), Severity::Medium, "too fast for that");
    assert_eq!(told(outside, 200.0), Severity::Medium);
}
