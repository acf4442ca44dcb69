//! The dispatcher with small protocols made for the test.

use super::*;
use crate::protocol::testing::{Bench, lost, orig, resp};
use crate::protocol::{Fed, Parser, Probe, Verdict};

/// A parser that does what the first byte of each piece says, and counts what it saw in weirds.
struct Puppet;

fn note(out: &mut Output<'_>) {
    out.weird(WeirdKind::HttpMalformed, Detail::None);
}

impl Parser for Puppet {
    fn feed(&mut self, _: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        note(out);
        match data {
            [b'a', b'0', ..] => Fed::Took(0),
            [b'a', b's', ..] => Fed::Skip(10),
            [b'a', b'd', ..] => Fed::Done,
            [b'a', b'n', ..] => Fed::NotMine,
            [b'a', b'w', ..] => Fed::Switch(2),
            [b'a', b'h', ..] => {
                out.hostname("first.example");
                out.hostname("second.example");
                Fed::Took(data.len())
            }
            _ => Fed::Took(data.len()),
        }
    }

    fn gap(&mut self, _: Side, _: u64, out: &mut Output<'_>) -> Fed {
        note(out);
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        out.weird(WeirdKind::TlsMalformed, Detail::None);
    }
}

const fn protocol(name: &'static str, probe: fn(&Probe<'_>) -> Verdict, parsed: bool) -> Protocol {
    Protocol {
        name,
        about: "Made for a test, and nothing else.",
        transports: &[Transport::Tcp, Transport::Udp],
        ports: &[70],
        tables: &[],
        buffer_cap: 8,
        probe,
        parser: if parsed { Some(|| Box::new(Puppet)) } else { None },
    }
}

fn starts(p: &Probe<'_>, what: &[u8], sure: u8) -> Verdict {
    if p.orig.starts_with(what) || p.resp.starts_with(what) {
        Verdict::Mine(sure)
    } else if what.starts_with(p.orig) && what.starts_with(p.resp) {
        Verdict::NeedMore
    } else {
        Verdict::NotMine
    }
}

static PUPPET: Protocol = protocol("puppet", |p| starts(p, b"a", 90), true);
static WEAK: Protocol = protocol("weak", |p| starts(p, b"a", 20), false);
static LONG: Protocol = protocol("long", |p| starts(p, b"bcdef", 90), false);

fn tcp() -> Bench {
    Bench::tcp(70).only(&[&WEAK, &PUPPET, &LONG])
}

/// Keeps nothing of what nobody claims.
fn deaf() -> Config {
    Config { unknown_per_hour: 0, ..Config::default() }
}

/// How often the puppet was fed or told of a gap.
fn calls(run: &crate::protocol::testing::Run) -> usize {
    run.weirds.iter().filter(|w| **w == WeirdKind::HttpMalformed).count()
}

#[test]
fn the_surest_wins_and_the_loser_gets_what_it_refuses() {
    assert_eq!(tcp().run(&[orig(b"a")]).service, Some("puppet"));
    let refused = tcp().run(&[orig(b"an")]);
    assert_eq!((refused.service, refused.source), (Some("weak"), Some(ServiceSource::Content)));
    assert_eq!(refused.weirds, [], "what a wrong parser thought is forgotten");
}

#[test]
fn a_prefix_is_kept_until_somebody_can_tell_and_given_on_as_it_came() {
    let run = tcp().run(&[orig(b"bc"), orig(b"def")]);
    assert_eq!((run.service, run.done_after, run.most_buffered), (Some("long"), Some(2), 2));
    let run = tcp().with(deaf()).run(&[orig(b"bc"), orig(b"x"), orig(b"a")]);
    assert_eq!((run.service, run.done_after), (None, Some(2)));
}

#[test]
fn a_flow_that_nobody_claims_costs_nothing_after_its_first_bytes() {
    static NEVER: Protocol = protocol("never", |_| Verdict::NeedMore, false);
    let kib = [b'z'; 1024];
    let run =
        Bench::tcp(9).only(&[&NEVER]).with(deaf()).run(&[orig(&kib), orig(&kib), orig(&kib), orig(&kib)]);
    assert_eq!((run.service, run.done_after, run.most_buffered), (None, Some(3), 2048));
    let run = Bench::udp(9).only(&[&PUPPET]).with(deaf()).run(&[orig(b"z"); 9]);
    assert_eq!(run.done_after, Some(5), "datagrams are looked at a few times");
    assert_eq!(Bench::udp(9).only(&[&PUPPET]).run(&[orig(b"z"), orig(b"a")]).service, Some("puppet"));
}

#[test]
fn the_port_is_a_hint_only_where_the_bytes_do_not_speak_against_it() {
    let hinted = Bench::tcp(70).only(&[&LONG]).run(&[orig(b"bc")]);
    assert_eq!((hinted.service, hinted.source), (Some("long"), Some(ServiceSource::Port)));
    assert_eq!(Bench::tcp(71).only(&[&LONG]).run(&[orig(b"bc")]).service, None, "another port");
    assert_eq!(Bench::tcp(70).only(&[&LONG]).run(&[orig(b"zz")]).service, None, "refuted");
    assert_eq!(Bench::tcp(70).only(&[&LONG]).run(&[]).service, None, "nothing was said");
    let midstream = Bench::tcp(70).only(&[&LONG]).midstream().run(&[orig(b"zz")]);
    assert_eq!(midstream.source, Some(ServiceSource::Port), "the beginning was not captured");
}

#[test]
fn left_overs_come_again_and_have_a_cap() {
    let run = tcp().run(&[orig(b"a0"), orig(b"234567"), orig(b"8")]);
    assert_eq!((calls(&run), run.done_after, run.most_buffered), (3, Some(3), 8));
    assert_eq!(run.weirds.last(), Some(&WeirdKind::TlsMalformed), "finished after it was given up");
    assert!(run.weirds.contains(&WeirdKind::ParserBufferFull));
    assert_eq!(run.service, Some("puppet"));
}

#[test]
fn skipped_bytes_and_gaps_in_them_are_never_seen() {
    let run = tcp().run(&[orig(b"as"), orig(b"12345"), lost(Side::Orig, 5), orig(b"b")]);
    assert_eq!(calls(&run), 2);
    let run = tcp().run(&[orig(b"as"), lost(Side::Orig, 11), orig(b"b")]);
    assert_eq!(calls(&run), 3, "one byte of the gap was not skipped");
    let run = tcp().run(&[orig(b"as"), orig(b"0123456789as"), orig(b"1"), resp(b"x")]);
    assert_eq!(calls(&run), 3, "sides are apart");
}

#[test]
fn done_ends_without_finish_and_refusal_withdraws_the_name() {
    let run = tcp().run(&[orig(b"ad"), orig(b"x")]);
    assert_eq!((run.done_after, calls(&run), run.weirds.len()), (Some(1), 1, 1));
    let run = tcp().run(&[orig(b"a"), orig(b"an")]);
    assert_eq!((run.service, run.done_after), (None, Some(2)));
}

#[test]
fn a_switch_begins_anew_with_what_is_left_of_both_sides() {
    let run = tcp().run(&[orig(b"a"), resp(b"a0"), orig(b"awbcdef")]);
    assert_eq!((run.service, run.done_after), (Some("puppet"), Some(3)), "the first name stays");
    assert_eq!(calls(&run), 3);
    let all: Vec<_> = [b"awawawawawawawaw"; 1].iter().map(|b| orig(&b[..])).collect();
    let run = tcp().run(&all);
    assert_eq!((calls(&run), run.service), (5, Some("puppet")), "and not for ever");
}

#[test]
fn a_gap_while_probing_decides_or_begins_anew() {
    let run = tcp().run(&[orig(b"bc"), lost(Side::Orig, 3), orig(b"a")]);
    assert_eq!(run.service, Some("puppet"));
}

#[test]
fn weirds_of_one_flow_are_capped_and_the_rest_counted() {
    let config = Config { weirds_per_flow: 3, ..Config::default() };
    let run = tcp().with(config.clone()).run(&[orig(b"a"); 9]);
    assert_eq!(run.weirds.len(), 3);
    let mut d = Dispatcher::with_protocols(&config, &[&PUPPET]);
    let caps = d.caps();
    assert!(caps.named().iter().all(|(name, n)| !name.is_empty() && *n == 0));
    let mut out = Vec::new();
    d.take_events(&mut out);
    assert!(out.is_empty());
}

#[test]
fn all_flows_together_have_a_cap() {
    let config = Config { buffer_total: 5, ..Config::default() };
    let run = tcp().with(config).run(&[orig(b"a0"), orig(b"34"), orig(b"56")]);
    assert_eq!((run.done_after, run.service), (Some(3), Some("puppet")));
    assert_eq!(run.weirds.last(), Some(&WeirdKind::TlsMalformed), "finished");
}

#[test]
fn what_nobody_claims_is_kept_for_a_glance() {
    use crate::protocol::unknown::UnknownRecord;
    let run = tcp().run(&[orig(b"sh-4.2$ "), resp(b"id\n"), orig(b"uid=0(root) gid=0(root)\n")]);
    let [seen] = run.records::<UnknownRecord>()[..] else { panic!("one row") };
    assert_eq!(
        (seen.turns, seen.first, seen.src.text.as_deref()),
        (2, Side::Orig, Some("sh-4.2$ uid=0(root) gid=0(root)\\x0a"))
    );
    for named in [&[orig(b"a")][..], &[orig(b"z"), orig(b"z")]] {
        let run = Bench::udp(9).only(&[&PUPPET]).run(named);
        assert!(run.records::<UnknownRecord>().is_empty(), "named, or one way only");
    }
    let run = Bench::udp(9).only(&[&PUPPET]).run(&[orig(b"z"), resp(b"y"), orig(b"z")]);
    assert_eq!(run.records::<UnknownRecord>().len(), 1);
    assert!(
        tcp().midstream().run(&[orig(b"zz")]).records::<UnknownRecord>().is_empty(),
        "its beginning was not seen"
    );
    let one = Config { unknown_per_hour: 1, ..Config::default() };
    let bulk = [b'z'; 4_096];
    let run = tcp().with(one).run(&[orig(&bulk), orig(&bulk), orig(&bulk), orig(&bulk), orig(&bulk)]);
    assert_eq!(run.done_after, Some(4), "bulk one way is not listened to for long");
}

#[test]
fn the_first_hostname_stays() {
    assert_eq!(tcp().run(&[orig(b"ah")]).hostname.as_deref(), Some("first.example"));
}

#[test]
fn state_is_small() {
    assert!(size_of::<State>() <= 80, "{} bytes a flow", size_of::<State>());
}

#[test]
fn announced_connections_have_their_name_before_their_first_byte() {
    use crate::model::addr::Ip;
    use crate::model::flow::Tuple;
    use crate::model::ids::FlowId;
    use crate::model::time::Timestamp;
    let mut d = Dispatcher::with_protocols(&Config { expected_total: 2, ..deaf() }, &[]);
    let ends = |dst_port| {
        let (src, dst) = (Ip::v4([10, 0, 0, 1]), Ip::v4([10, 0, 0, 2]));
        let tuple = Tuple { src, dst, src_port: 40_000, dst_port, protocol: ip_protocol::TCP };
        FlowView { id: FlowId(1), tuple, first_ts: Timestamp(0), saw_start: true }
    };
    let at = At { ts: Timestamp(0), packet: 1 };
    let (control, to) = (ends(21), ends(21).tuple.dst);
    d.emitting(&control, &mut Marks::default(), at, false, |out| {
        for port in [5000, 5001, 5001, 5002] {
            out.expect(to, port, "ftp_data");
        }
    });
    assert_eq!(d.caps().expected, 1, "the oldest of three is forgotten");
    for (port, service) in [(5000, None), (5001, Some("ftp_data")), (5001, None), (5002, Some("ftp_data"))] {
        let flow = ends(port);
        let mut state = d.open(&flow).unwrap();
        let interest = d.data(&flow, &mut state, Side::Orig, at, b"x", 1);
        assert_eq!(interest, Interest::Done);
        assert_eq!(d.end(&flow, Some(state), at).service, service, "{port}");
    }
}

#[test]
fn a_hint_that_one_datagram_refutes_is_gone_and_high_ports_hint_at_nothing() {
    let hint = |port, sent: &[crate::protocol::testing::Sent<'_>]| {
        Bench::udp(port).only(&[&LONG, &HIGH]).run(sent).service
    };
    assert_eq!(hint(70, &[orig(b"bc")]), Some("long"));
    assert_eq!(hint(70, &[orig(b"zz"), orig(b"bc")]), None, "declined once");
    assert_eq!(hint(70, &[orig(b"bc"), orig(b"zz")]), None);
    assert_eq!(hint(40_070, &[orig(b"bc")]), None, "a port that clients get");
    let late = Bench::tcp(2070).only(&[&HIGH]).midstream();
    assert_eq!(late.run(&[orig(b"zz")]).service, None, "past the well-known ports only bytes count");
    assert_eq!(late.run(&[orig(b"bc")]).service, Some("high"));
}

static HIGH: Protocol =
    Protocol { ports: &[2070, 40_070], ..protocol("high", |p| starts(p, b"bcdef", 90), false) };

#[test]
fn flows_without_ports_are_named_by_their_number() {
    use crate::model::addr::Ip;
    use crate::model::flow::Tuple;
    use crate::model::ids::FlowId;
    use crate::model::time::Timestamp;
    let mut d = Dispatcher::with_protocols(&Config::default(), &[&PUPPET]);
    let tuple = Tuple {
        src: Ip::v4([10, 0, 0, 1]),
        dst: Ip::v4([224, 0, 0, 5]),
        src_port: 0,
        dst_port: 0,
        protocol: 89,
    };
    let flow = FlowView { id: FlowId(1), tuple, first_ts: Timestamp(0), saw_start: false };
    assert!(d.open(&flow).is_none());
    let summary = d.end(&flow, None, At { ts: Timestamp(0), packet: 1 });
    assert_eq!((summary.service, summary.source), (Some("ospf"), Some(ServiceSource::Content)));
}

#[test]
fn only_those_whom_the_first_byte_leaves_are_asked() {
    let mut c = Candidates::new(Transport::Tcp, &[&WEAK, &PUPPET, &LONG]);
    let tuple = |dst_port| crate::model::flow::Tuple {
        src: crate::model::addr::Ip::v4([10, 0, 0, 1]),
        dst: crate::model::addr::Ip::v4([10, 0, 0, 2]),
        src_port: 40_000,
        dst_port,
        protocol: ip_protocol::TCP,
    };
    let mut names = |port, data: &[u8]| -> Vec<&str> {
        let set = c.at_first(&tuple(port), Side::Orig, data);
        set.iter().filter_map(|i| c.get(i)).map(|p| p.name).collect()
    };
    assert_eq!(names(9, b"ax"), ["weak", "puppet"]);
    assert_eq!(names(9, b"bx"), ["long"]);
    assert!(names(9, b"zx").is_empty());
}

/// A measure: what does a new flow cost that nobody claims? Prints nanoseconds, with the index and, for comparison, when
/// every probe is asked.
#[test]
#[ignore = "a measure: prints nanoseconds per new flow"]
fn cost_of_a_flow_that_nobody_claims() {
    use crate::model::addr::Ip;
    use crate::model::flow::Tuple;
    use crate::model::ids::FlowId;
    use crate::model::time::Timestamp;
    use std::io::Write;
    /// The quietest of many short rounds counts: others work on the machine.
    const ROUNDS: usize = 400;
    const FLOWS: usize = 500;
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut data = vec![0_u8; 1 << 16];
    for b in &mut data {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *b = (random >> 56) as u8;
    }
    let at = At { ts: Timestamp(0), packet: 1 };
    let mut out = std::io::stdout().lock();
    for protocol in [ip_protocol::TCP, ip_protocol::UDP] {
        let tuple = Tuple {
            src: Ip::v4([10, 0, 0, 1]),
            dst: Ip::v4([10, 0, 0, 2]),
            src_port: 40_000,
            dst_port: 45_000,
            protocol,
        };
        let flow = FlowView { id: FlowId(1), tuple, first_ts: Timestamp(0), saw_start: true };
        let mut d = Dispatcher::new(&Config::default());
        let piece = |i: usize| &data[(i * 7) & 0xf000 | i..][..100];
        let best = |work: &mut dyn FnMut()| -> u128 {
            let round = |work: &mut dyn FnMut()| {
                let began = std::time::Instant::now();
                work();
                began.elapsed().as_nanos()
            };
            (0..ROUNDS).map(|_| round(work)).min().unwrap() / FLOWS as u128
        };
        let each = best(&mut || {
            for i in 0..FLOWS {
                let mut state = d.open(&flow).unwrap();
                d.data(&flow, &mut state, Side::Orig, at, piece(i), 100);
                std::hint::black_box(d.end(&flow, Some(state), at));
            }
        });
        let transport = transport_of(&flow).unwrap();
        let asked: Vec<_> =
            crate::protocol::ALL.iter().filter(|p| p.transports.contains(&transport)).collect();
        let all = best(&mut || {
            for i in 0..FLOWS {
                let probe = Probe { orig: piece(i), resp: &[], transport, ports: (40_000, 45_000) };
                for p in &asked {
                    std::hint::black_box((p.probe)(&probe));
                }
            }
        });
        let mut costs: Vec<_> = asked
            .iter()
            .map(|p| {
                let cost = best(&mut || {
                    for i in 0..FLOWS {
                        let probe = Probe { orig: piece(i), resp: &[], transport, ports: (40_000, 45_000) };
                        std::hint::black_box((p.probe)(&probe));
                    }
                });
                (cost, p.name)
            })
            .collect();
        costs.sort_unstable_by(|a, b| b.cmp(a));
        costs.truncate(8);
        writeln!(
            out,
            "{transport:?}: {each} ns a flow; all {} probes: {all} ns; dearest: {costs:?}",
            asked.len()
        )
        .unwrap();
    }
}

#[test]
fn a_stream_that_was_joined_late_is_looked_at_again() {
    let (body, request) = ([0xb5_u8; 1_400], b"GET /next HTTP/1.1\r\nHost: example.org\r\n\r\n");
    let sent = [resp(&body), resp(&body), resp(&body), orig(request)];
    assert_eq!(Bench::tcp(4242).midstream().run(&sent).service, Some("http"));
    assert_eq!(Bench::tcp(4242).run(&sent).service, None, "from its beginning on, these bytes speak for all");
    let record = [&[0x17, 3, 3, 0, 24][..], &[0x5a; 24]].concat();
    let late = Bench::tcp(4242).midstream();
    assert_eq!(late.run(&[orig(&record)]).service, Some("tls"), "one record that ends with its segment");
    assert_eq!(late.run(&[orig(&record[..20])]).service, None);
    let endless = [orig(&body); 40];
    assert!(late.run(&endless).done_after.is_some(), "not for ever");
}
