//! Are scans of every kind found, and what only looks like one left alone?

use super::super::testing::*;
use super::*;
use crate::detect::{Config, Outcome};
use crate::model::anomaly::{Anomaly, Severity};
use crate::model::flow::ip_protocol;
use crate::model::ids::{CaptureId, CaptureNo, FlowId};
use crate::model::syn::SynShape;

fn found(flows: impl IntoIterator<Item = FlowFact>) -> Vec<Anomaly> {
    Bench::new(&META).flows(flows).end()
}

fn kinds(flows: impl IntoIterator<Item = FlowFact>) -> Vec<&'static str> {
    Bench::new(&META).flows(flows).kinds()
}

fn vertical(n: u16, gap: f64) -> impl Iterator<Item = FlowFact> {
    (0..n).map(move |i| refused(u64::from(i) + 1, f64::from(i) * gap, inside(1), inside(2), 1_000 + i))
}

/// A packet with these flags that nobody answered, or a RST.
fn bare(n: u64, port: u16, flags: u8, history: &str) -> FlowFact {
    let mut f = tcp(n, n as f64, inside(1), inside(2), port, "OTH", history);
    (f.orig.tcp_flags, f.orig.packets) = (flags, 1);
    f
}

#[test]
fn a_vertical_scan_is_one_row_with_its_ports() {
    let mut flows: Vec<FlowFact> = vertical(1_000, 0.01).collect();
    flows.push(tcp(2_000, 5.0, inside(1), inside(2), 22, "RSTO", "ShR"));
    flows.push(unanswered(2_001, 5.0, inside(1), inside(2), 25));
    for f in &mut flows {
        f.syn = SynShape::read(50, 1_024, b"\x02\x04\x05\xb4");
    }
    let all = found(flows);
    assert_eq!(all.len(), 1, "{all:?}");
    let a = &all[0];
    assert_eq!((a.kind.name, a.src, a.dst), ("port_scan_vertical", Some(inside(1)), Some(inside(2))));
    assert_eq!(
        a.title,
        "10.0.0.1 tried 1,002 TCP ports of 10.0.0.2 in 10 s: 1 open, 1,000 closed, 1 filtered (SYN scan)"
    );
    assert_eq!((a.severity, a.count, a.flows.len()), (Severity::Medium, 1_002, 25));
    assert!(a.confidence > 0.9, "{}", a.confidence);
    assert_eq!(a.details["open_ports"], serde_json::json!([22]));
    assert_eq!(a.details["filtered_ports"], serde_json::json!([25]));
    assert_eq!((a.details["technique"].as_str(), a.details["tool"].as_str()), (Some("syn"), Some("nmap")));
}

#[test]
fn thresholds_decide() {
    assert!(kinds(vertical(14, 2.0)).is_empty());
    assert_eq!(kinds(vertical(15, 2.0)), ["port_scan_vertical"]);
    assert_eq!(kinds(vertical(8, 0.1)), ["port_scan_vertical"], "at once");
    assert!(kinds(vertical(7, 0.5)).is_empty());
    let mut config = Config::default();
    config.set("port_scan", "ports", 100.0);
    config.set("port_scan", "walk_failures", 1e6);
    assert!(
        Bench::with(&META, &config).flows(vertical(40, 0.1)).kinds().is_empty(),
        "`fast_ports` moves along"
    );
    assert_eq!(Bench::with(&META, &config).flows(vertical(100, 0.1)).kinds(), ["port_scan_vertical"]);
}

#[test]
fn order_of_arrival_decides_nothing() {
    let mut flows: Vec<FlowFact> = vertical(15, 3.0).collect();
    flows.reverse();
    assert_eq!(kinds(flows), ["port_scan_vertical"]);
}

#[test]
fn odd_first_packets_need_few() {
    let mix = [bare(1, 3_390, 1, "Fr"), bare(2, 3_391, 0, "r"), bare(3, 3_392, 0x29, "Fr")];
    assert_eq!(kinds(mix), ["port_scan_vertical"]);
    let xmas = |n: u64| (1..=n).map(|i| bare(i, 80 + i as u16, 0x29, "F"));
    assert_eq!(found(xmas(3))[0].details["technique"], "xmas");
    assert!(kinds(xmas(2)).is_empty());
    assert!(kinds((1..=9).map(|i| bare(i, 80, 0x29, "F"))).is_empty(), "one port again and again");
    let stray = (1..=9).map(|i| bare(i, 80 + i as u16, 0x11, "F"));
    assert!(kinds(stray).is_empty(), "nine stray FIN+ACKs");
    let acks = (1..=20).map(|i| bare(i, 80 + i as u16, 0x10, "Ar"));
    assert_eq!(found(acks)[0].details["technique"], "ack");
}

#[test]
fn horizontal_scans() {
    let sweep = |n: u8, port| {
        (0..n).map(move |i| unanswered(u64::from(i) + 1, f64::from(i), inside(200), inside(i), port))
    };
    assert_eq!(kinds(sweep(10, 445)), ["port_scan_horizontal"]);
    let all = found(sweep(25, 8_081));
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!((all[0].kind.name, all[0].dst_port), ("port_scan_horizontal", Some(8_081)));
    assert_eq!(all[0].details["targets"], 25);
    assert_eq!(kinds(sweep(250, 445)), ["port_scan_horizontal"], "and no block");
    let out = (0..30).map(|i| unanswered(u64::from(i) + 1, 1.0, inside(1), outside(i), 23));
    assert_eq!(found(out)[0].severity, Severity::High, "it leaves the network");
}

#[test]
fn what_a_scan_from_outside_found_decides_how_bad_it_is() {
    let closed = |n| (0..n).map(|i| refused(u64::from(i) + 1, 1.0, outside(1), inside(2), 100 + i));
    assert_eq!(found(closed(40))[0].severity, Severity::Low);
    let open = tcp(99, 1.0, outside(1), inside(2), 80, "RSTO", "ShR");
    assert_eq!(found(closed(40).chain([open]))[0].severity, Severity::Medium);
}

#[test]
fn a_block_scan_is_one_row_whatever_its_size() {
    let flows = (0..60u16).flat_map(|port| (0..60u8).map(move |host| (port, host))).enumerate().map(
        |(n, (port, host))| refused(n as u64 + 1, n as f64 * 0.001, inside(250), inside(host), 100 + port),
    );
    let all = found(flows);
    let block = &all[0];
    assert_eq!((all.len(), block.kind.name), (1, "port_scan_block"), "its rows and columns are parts of it");
    assert!(block.flows.len() >= 25 && block.flows[0] == FlowId::new(CaptureNo(1), 1, 0), "{block:?}");
    let random = (0..5_000u32).map(|n| {
        let [_, _, a, b] = n.wrapping_mul(2_654_435_761).to_be_bytes();
        unanswered(
            u64::from(n) + 1,
            f64::from(n) * 0.001,
            inside(250),
            Ip::v4([10, 1, a, b]),
            (n.wrapping_mul(40_503) % 65_535) as u16,
        )
    });
    assert_eq!(kinds(random), ["port_scan_block"], "no port and no host twice");
    assert_eq!((block.count, &block.details["targets"]), (3_600, &60.into()), "each attempt is counted once");
}

#[test]
fn all_ports_of_many_hosts_are_one_row_with_what_was_open() {
    // One host after the other: seven are told one by one before it is clear that it goes on.
    let flows = (0..12u8).flat_map(|host| (1..=1_500u16).map(move |port| (host, port))).enumerate().map(
        |(n, (host, port))| {
            let at = n as f64 * 0.000_1;
            match port {
                443 => tcp(n as u64 + 1, at, inside(250), inside(host), port, "RSTO", "ShR"),
                _ => refused(n as u64 + 1, at, inside(250), inside(host), port),
            }
        },
    );
    let all = found(flows);
    assert_eq!(all.len(), 1, "{:?}", all.iter().map(|a| &a.title).collect::<Vec<_>>());
    let open = all[0].details["open_services"].as_array().unwrap().len();
    assert!(open >= 7 && all[0].details["targets"] == 12, "{:?}", all[0].details);
}

#[test]
fn a_scan_of_yesterday_stays_a_row_of_its_own() {
    let yesterday =
        (0..30u16).map(|i| refused(u64::from(i) + 1, f64::from(i) * 0.1, inside(250), inside(1), 100 + i));
    let today = (0..40u16).flat_map(|port| (10..40u8).map(move |host| (port, host))).enumerate().map(
        |(n, (port, host))| {
            refused(n as u64 + 100, 86_400.0 + n as f64 * 0.001, inside(250), inside(host), 100 + port)
        },
    );
    assert_eq!(kinds(yesterday.chain(today)), ["port_scan_vertical", "port_scan_block"]);
}

#[test]
fn slow_scans_walk() {
    let slow = |n: u8| {
        (0..n)
            .map(|i| unanswered(u64::from(i) + 1, f64::from(i) * 3_600.0, inside(1), inside(100 + i), 5_000))
    };
    assert_eq!(kinds(slow(11)), ["port_scan_slow"], "the first host of a high port does not count");
    assert!(kinds(slow(10)).is_empty());
    let mixed = (0..40u8).map(|i| {
        let (n, t) = (u64::from(i) + 1, f64::from(i) * 3_600.0);
        if i % 2 == 0 {
            unanswered(n, t, inside(1), inside(100 + i), 80)
        } else {
            used(n, t, inside(1), inside(100 + i), 80, "http")
        }
    });
    assert!(kinds(mixed).is_empty(), "half of it works");
    let outside_in = (0..9).map(|i| unanswered(i + 1, i as f64 * 700.0, outside(1), inside(i as u8), 445));
    let all = found(outside_in);
    assert_eq!((all[0].kind.name, all[0].severity), ("port_scan_slow", Severity::Low));
}

#[test]
fn other_transports() {
    let udp_scan = (0..20u16).map(|i| {
        let mut f = udp(u64::from(i) + 1, f64::from(i), inside(1), inside(2), 100 + i, (1, 0));
        f.icmp_error = (i % 3 == 0).then_some((3, 3));
        f
    });
    assert_eq!(found(udp_scan)[0].details["technique"], "udp");
    let protocols = (0..12u8).map(|i| {
        let mut f = udp(u64::from(i) + 1, 1.0, inside(1), inside(2), 0, (1, 0));
        f.tuple.protocol = 60 + i;
        f
    });
    let all = found(protocols);
    assert_eq!(
        (all[0].kind.name, all[0].details["technique"].as_str()),
        ("port_scan_vertical", Some("ip_protocol"))
    );
    let sctp = (0..20u16).map(|i| {
        let mut f = refused(u64::from(i) + 1, 1.0, inside(1), inside(2), 100 + i);
        f.tuple.protocol = ip_protocol::SCTP;
        f.resp.packets = 1;
        f
    });
    assert_eq!(found(sctp)[0].details["technique"], "sctp");
}

#[test]
fn innocent_twins_stay_quiet() {
    // One port retried, and a dead proxy.
    assert!(kinds((0..200).map(|n| unanswered(n + 1, n as f64, inside(1), outside(2), 8_080))).is_empty());
    // A busy browser with some dead ends, a gateway.
    let browser = (0..400u64).map(|n| {
        let (to, t) = (outside((n % 200) as u8), n as f64 * 0.5);
        if n % 8 == 0 {
            unanswered(n + 1, t, inside(1), to, 443)
        } else {
            used(n + 1, t, inside(1), to, 443, "tls")
        }
    });
    assert!(kinds(browser).is_empty());
    // Backscatter: answers to what was never asked.
    let backscatter = (0..99u8).map(|n| tcp(u64::from(n) + 1, 1.0, inside(n), outside(1), 80, "OTH", "^h"));
    assert!(kinds(backscatter).is_empty());
    // One half of the route: acknowledged without an answer.
    let half = (0..99u8).map(|n| tcp(u64::from(n) + 1, 1.0, inside(1), outside(n), 443, "S0", "SADF"));
    assert!(kinds(half).is_empty());
    // The same of a client some of whose servers are gone.
    let half = (0..400u64).map(|n| {
        let (state, history) = ("S0", if n % 4 == 0 { "S" } else { "SADF" });
        let mut f = tcp(n + 1, n as f64 * 20.0, inside(1), outside((n % 200) as u8), 443, state, history);
        (f.resp.packets, f.resp.bytes) = (0, 0);
        f
    });
    assert!(kinds(half).is_empty());
    // Peers with one high port each, known or not.
    let peers = (0..200u16)
        .map(|n| unanswered(u64::from(n) + 1, f64::from(n), inside(1), outside(n as u8), 10_000 + 37 * n));
    assert!(kinds(peers).is_empty());
    let known = (0..200u16).map(|n| {
        let mut f = udp(u64::from(n) + 1, f64::from(n), inside(1), outside(n as u8), 6_881, (1, 0));
        f.service = Some("bittorrent");
        f
    });
    assert!(kinds(known).is_empty());
    let unknown = (0..200u16).map(|n| {
        let port = if n % 2 == 0 { 6_346 } else { 20_000 + n };
        udp(u64::from(n) + 1, f64::from(n), inside(1), outside(n as u8), port, (1, 0))
    });
    assert!(kinds(unknown).is_empty());
    // A traceroute and a resolver seen from one side.
    let trace = (0..90u16).map(|n| {
        let mut f = udp(u64::from(n) + 1, 1.0, inside(1), outside(1), 33_434 + n, (1, 0));
        f.orig.first_ttl = 1 + n as u8 / 3;
        f
    });
    assert!(kinds(trace).is_empty());
    assert!(
        kinds((0..99u8).map(|n| udp(u64::from(n) + 1, 1.0, inside(1), outside(n), 53, (1, 0)))).is_empty()
    );
    // A capture that begins in the middle of connections.
    let midstream = (0..99u8).map(|n| tcp(u64::from(n) + 1, 1.0, inside(1), outside(n), 443, "OTH", "Aa"));
    assert!(kinds(midstream).is_empty());
    // An FTP client: many ports of one server, all open.
    assert!(
        kinds((0..99u16).map(|n| used(u64::from(n) + 1, 1.0, inside(1), outside(1), 50_000 + n, "ftp_data")))
            .is_empty()
    );
}

#[test]
fn unknown_peers_are_a_hint() {
    let fan = (0..100u8)
        .map(|n| udp(u64::from(n) + 1, f64::from(n), inside(1), outside(n), 16_464, (1, u64::from(n % 2))));
    let all = found(fan);
    assert_eq!((all[0].kind.name, all[0].severity), ("port_scan_horizontal", Severity::Low));
}

#[test]
fn many_sources_stay_in_their_cap_and_the_scanner_stays() {
    let mut bench = Bench::new(&META);
    bench.flows(vertical(15, 1.0));
    let spoofed = (0..8_000u32).map(|n| {
        let [_, a, b, c] = n.to_be_bytes();
        unanswered(u64::from(n) + 100, f64::from(n) * 0.001, Ip::v4([198, a, b, c]), inside(9), 80)
    });
    bench.flows(spoofed);
    assert!(bench.detector.evicted() > 7_000);
    bench.flows((0..10).map(|i| refused(90_000 + u64::from(i), 30.0, inside(1), inside(2), 3_000 + i)));
    bench.detector.finish(&mut bench.found);
    let all = bench.found.take(CaptureId(1), 0.5, 0.0);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].details["ports"], 25, "it still grows");
}

#[test]
fn outcomes_are_told_by_history() {
    let read = |state, history| {
        probe::read(&tcp(1, 1.0, inside(1), inside(2), 80, state, history)).map(|p| p.outcome)
    };
    assert_eq!(read("S0", "S"), Some(Outcome::Filtered));
    assert_eq!(read("REJ", "Sr"), Some(Outcome::Closed));
    assert_eq!(read("RSTO", "ShR"), Some(Outcome::Open));
    assert_eq!(read("SF", "ShADadFf"), Some(Outcome::Open));
    for (state, history) in [("S0", "SA"), ("SH", "SADF"), ("RSTOS0", "SADR")] {
        assert_eq!(read(state, history), Some(Outcome::Open), "whoever acknowledges was answered");
    }
    assert_eq!((read("SH", "SF"), read("RSTOS0", "SR")), (None, Some(Outcome::Filtered)));
}

#[test]
fn a_connect_scan_that_finds_every_port_open_is_one() {
    // A honeypot, or a firewall that completes all handshakes; nmap -sT then closes or resets.
    let open =
        |i: u16| tcp(u64::from(i) + 1, f64::from(i) * 0.1, inside(1), inside(2), 1_000 + i, "SF", "ShAFaf");
    assert_eq!(kinds((0..20).map(open)), ["port_scan_vertical"]);
    assert!(kinds((0..14).map(open)).iter().all(|k| *k == "port_scan_vertical"));
    assert!(kinds((0..7).map(open)).is_empty(), "few services that are checked");
    let hosts = (0..60u8).map(|n| tcp(u64::from(n) + 1, 1.0, inside(1), inside(n), 8_080, "SF", "ShAFaf"));
    assert!(kinds(hosts).is_empty(), "a monitor that asks whether its hosts are up");
}

#[test]
fn syns_taken_back_without_a_seen_answer_are_attempts() {
    let one_way = (0..30u16)
        .map(|i| tcp(u64::from(i) + 1, f64::from(i) * 0.1, inside(1), inside(2), 100 + i, "RSTOS0", "SR"));
    assert_eq!(kinds(one_way), ["port_scan_vertical"]);
}

#[test]
fn streams_without_answers_probe_nothing() {
    // A call centre sends the sound of each call to a port of its own; the answers come from another machine.
    let calls = (0..60u16)
        .map(|n| udp(u64::from(n) + 1, f64::from(n), inside(1), outside(1), 20_000 + 2 * n, (1_500, 0)));
    assert!(kinds(calls).is_empty());
    let logs = (0..60u8).map(|n| {
        let mut f = udp(u64::from(n) + 1, f64::from(n), inside(1), inside(100 + n), 514, (300, 0));
        f.icmp_error = Some((3, 3));
        f
    });
    assert!(kinds(logs).is_empty(), "logs sent to collectors that are gone");
}

#[test]
fn checks_whether_services_are_up_are_a_hint_at_most() {
    // A balancer's half-open check: SYN, SYN-ACK, RST.
    let check =
        |n: u8| tcp(u64::from(n) + 1, f64::from(n) * 0.1, inside(1), inside(100 + n), 8_443, "RSTO", "ShR");
    let all = found((0..60).map(check));
    assert!(all.iter().all(|a| a.severity <= Severity::Low), "{all:?}");
    let scan = (0..60u8).map(|n| {
        if n % 3 == 0 {
            check(n)
        } else {
            unanswered(u64::from(n) + 1, f64::from(n) * 0.1, inside(1), inside(100 + n), 8_443)
        }
    });
    assert_eq!(found(scan)[0].severity, Severity::Medium);
}

#[test]
fn stale_peers_over_tcp_are_no_scan_and_a_worm_is() {
    let torrent = (0..200u16).map(|n| {
        let port = if n % 4 == 0 { 6_881 } else { 20_000 + 31 * n };
        unanswered(u64::from(n) + 1, f64::from(n) * 2.0, inside(1), outside(n as u8), port)
    });
    assert!(kinds(torrent).is_empty());
    let coins =
        (0..80u8).map(|n| unanswered(u64::from(n) + 1, f64::from(n) * 5.0, inside(1), outside(n), 8_333));
    let all = found(coins);
    assert!(all.iter().all(|a| a.severity <= Severity::Low), "{all:?}");
    // Mirai's kin: a handful of ports, all over the world.
    let worm = (0..200u16).map(|n| {
        let port = [2_323, 5_555, 7_547, 8_080, 37_215][usize::from(n % 5)];
        unanswered(u64::from(n) + 1, f64::from(n) * 2.0, inside(1), outside(n as u8), port)
    });
    assert!(found(worm).iter().any(|a| a.severity == Severity::High));
}

#[test]
fn a_scan_that_begins_with_the_ports_of_logins_is_no_hint_in_the_end() {
    let logins = [21u16, 22, 23, 445, 3_389].into_iter();
    let ports = |n: u16| logins.clone().chain(1_000..1_000 + n);
    let scan = |n: u16| {
        ports(n)
            .enumerate()
            .map(|(i, port)| refused(i as u64 + 1, i as f64 * 0.1, inside(1), inside(2), port))
    };
    assert_eq!(found(scan(0))[0].severity, Severity::Low);
    let all = found(scan(60));
    assert_eq!((all.len(), all[0].severity), (1, Severity::Medium), "{all:?}");
    assert!(all[0].reasons.iter().any(|r| r.name == "failed_ports") && all[0].confidence > 0.9);
    assert!(all[0].reasons.iter().all(|r| r.name != "few_ports"));
}

#[test]
fn the_beginning_of_a_fast_scan_is_a_hint() {
    let ports = |n: u16, gap: f64| {
        (0..n)
            .map(move |i| unanswered(u64::from(i) + 1, f64::from(i) * gap, inside(1), inside(2), 110 + i))
            .collect::<Vec<_>>()
    };
    let all = found(ports(5, 0.01));
    assert_eq!((all[0].kind.name, all[0].severity), ("port_scan_vertical", Severity::Low));
    assert!(kinds(ports(4, 0.01)).is_empty() && kinds(ports(5, 2.0)).is_empty(), "a client of some services");
    let hosts = |port: u16, n: u8, gap: f64| {
        (0..n)
            .map(move |i| unanswered(u64::from(i) + 1, f64::from(i) * gap, inside(1), outside(i), port))
            .collect::<Vec<_>>()
    };
    let all = found(hosts(23, 6, 1.0));
    assert_eq!((all[0].kind.name, all[0].severity), ("port_scan_horizontal", Severity::Low));
    assert!(kinds(hosts(23, 6, 30.0)).is_empty() && kinds(hosts(443, 6, 1.0)).is_empty());
}

#[test]
fn whoever_reaches_nobody_is_told_where_no_side_is_known() {
    let between = |port: u16, direction: &'static str| {
        (0..9u8).map(move |i| {
            let mut f = unanswered(u64::from(i) + 1, 600.0 * f64::from(i), outside(100), outside(i), port);
            (f.src_internal, f.dst_internal, f.direction) = (false, false, direction);
            f
        })
    };
    assert_eq!(kinds(between(80, "external")), ["port_scan_slow"]);
    assert_eq!(kinds(between(445, "internal")), ["port_scan_slow"]);
    assert!(kinds(between(80, "internal")).is_empty(), "a network that fell silent");
}
