//! The parser on whole flows, through the dispatcher.

use super::samples::{ANNOUNCEMENT, NETBIOS, QUERY, REPLY};
use super::*;
use crate::model::weird::WeirdKind as W;
use crate::protocol::dns::record::DnsRecord;
use crate::protocol::testing::{Bench, orig, resp};

fn over_tcp(messages: &[&[u8]]) -> Vec<u8> {
    messages.iter().flat_map(|m| [&(m.len() as u16).to_be_bytes(), *m].concat()).collect()
}

fn shown(r: &DnsRecord) -> String {
    let answers: Vec<_> = r.answers().map(|a| a.data.to_string()).collect();
    let rtt = r.reply.as_ref().and_then(|r| r.rtt).map_or("-".into(), |ns| (ns / 1_000_000).to_string());
    format!("{} {:?} {rtt}ms x{} {answers:?}", r.query.as_deref().unwrap_or("-"), r.qtype, r.attempts)
}

#[test]
fn question_and_answer_are_one_row() {
    let run = Bench::udp(53).run(&[orig(QUERY), resp(REPLY)]);
    let rows: Vec<&DnsRecord> = run.records();
    assert_eq!(shown(rows[0]), "www.example.com Some(1) 1ms x1 [\"web.example.com\", \"192.0.2.7\"]");
    assert_eq!((rows.len(), run.service, run.weirds.len()), (1, Some("dns"), 0));
    let r = rows[0];
    assert_eq!((r.domain(), r.rcode(), r.rejected()), (Some("example.com"), Some(0), false));
    assert_eq!((r.client.to_string(), r.server.to_string()), ("10.0.0.1".into(), "10.0.0.2".into()));
    assert_eq!(
        r.addresses().map(|(ip, ttl)| (ip.to_string(), ttl)).collect::<Vec<_>>(),
        [("192.0.2.7".into(), 60)]
    );
    assert_eq!(run.faults, 0, "every column got a value of its type");
}

#[test]
fn retransmissions_are_counted_and_repeated_answers_dropped() {
    let run = Bench::udp(53).run(&[orig(QUERY), orig(QUERY), resp(REPLY), resp(REPLY)]);
    assert_eq!(run.records().into_iter().map(shown).collect::<Vec<_>>().len(), 1);
    assert_eq!(run.records::<DnsRecord>()[0].attempts, 2);
    assert!(run.weirds.is_empty());
    let mut forged = REPLY.to_vec();
    forged[64] = 9;
    let run = Bench::udp(53).run(&[orig(QUERY), resp(&forged), resp(REPLY)]);
    assert_eq!((run.records::<DnsRecord>().len(), &run.weirds[..]), (2, &[W::DnsUnmatchedAnswer][..]));
}

#[test]
fn unanswered_questions_are_written_at_the_end() {
    let run = Bench::udp(53).run(&[orig(QUERY)]);
    assert_eq!(shown(run.records()[0]), "www.example.com Some(1) -ms x1 []");
    let many: Vec<Vec<u8>> = (0..300_u16).map(|id| [&id.to_be_bytes(), &QUERY[2..]].concat()).collect();
    let run = Bench::udp(53).run(&many.iter().map(|m| orig(m)).collect::<Vec<_>>());
    let rows: Vec<&DnsRecord> = run.records();
    assert_eq!(rows.len(), 300, "the oldest are written when too many wait");
    assert!(rows.iter().map(|r| r.trans_id).eq(0..300));
    assert!(run.weirds.iter().all(|w| *w == W::PendingFull));
}

#[test]
fn tcp_holds_several_messages_in_a_segment_and_one_in_several() {
    let second = [b"\x12\x35", &QUERY[2..]].concat();
    let asked = over_tcp(&[QUERY, &second]);
    let told = over_tcp(&[REPLY, &[b"\x12\x35", &REPLY[2..]].concat()]);
    let whole = Bench::tcp(53).run(&[orig(&asked), resp(&told)]);
    assert_eq!(whole.records::<DnsRecord>().len(), 2);
    let bytes: Vec<_> = asked.chunks(1).map(orig).chain(told.chunks(3).map(resp)).collect();
    let parts = Bench::tcp(53).run(&bytes);
    assert_eq!((parts.records::<DnsRecord>().len(), parts.service), (2, Some("dns")));
    assert!(parts.weirds.is_empty());
}

#[test]
fn announcements_and_netbios_have_rows_of_their_own() {
    let run = Bench::udp(MDNS).source_port(MDNS).run(&[orig(ANNOUNCEMENT)]);
    assert_eq!(
        (shown(run.records()[0]), run.service),
        ("_ipp._tcp.local Some(12) -ms x0 [\"laser._ipp._tcp.local\"]".into(), Some("mdns"))
    );
    assert!(run.weirds.is_empty());
    let run = Bench::udp(NBNS).source_port(NBNS).run(&[orig(NETBIOS)]);
    assert_eq!(
        (shown(run.records()[0]), run.service),
        ("WORKGROUP<1b> Some(32) -ms x1 []".into(), Some("nbns"))
    );
    let run = Bench::udp(LLMNR).run(&[orig(QUERY)]);
    assert_eq!(run.service, Some("llmnr"));
}

#[test]
fn on_other_ports_everything_must_fit() {
    assert_eq!(Bench::udp(4242).run(&[orig(QUERY), resp(REPLY)]).service, Some("dns"));
    assert_eq!(Bench::udp(4242).run(&[orig(&QUERY[..20])]).service, None);
    assert_eq!(Bench::udp(53).run(&[orig(b"GET / HTTP/1.0\r\n\r\n")]).service, None);
    assert_eq!(Bench::udp(53).run(&[orig(&QUERY[..20])]).service, Some("dns"), "cut, but on its port");
}

#[test]
fn loops_are_weird_and_snaplen_is_not() {
    let mut looping = QUERY.to_vec();
    looping[12..14].copy_from_slice(b"\xc0\x0c");
    let run = Bench::udp(53).run(&[orig(&looping)]);
    assert_eq!(run.weirds, [W::DnsPointerLoop]);
    let run = Bench::udp(53).run(&[orig(QUERY), resp(&REPLY[..40]).of(REPLY.len())]);
    assert!(run.weirds.is_empty(), "the capture cut it, not the sender");
    assert_eq!(run.records::<DnsRecord>()[0].rcode(), Some(0));
}
