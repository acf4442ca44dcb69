//! Are there two different answers to one DNS question, or one for all?
//!
//! DNS records. Who wins a race against the server sends a second answer to one question, in its name; who sits in between or runs the
//! server answers unrelated public names with one private address. Refuses: questions that were asked twice (both answers are true), answers
//! that share an address (rotation), mDNS and its kin.

use super::window::{Keyed, fixed_hash};
use super::{Detector, Findings, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::kind;
use crate::model::time::Timestamp;
use crate::protocol::dns::record::{DnsRecord, Kind, TABLE as DNS};
use std::collections::BTreeSet;

/// What it says of itself.
pub static META: Meta = Meta {
    id: "dns_spoof",
    question: "Are there two different answers to one DNS question, or one for all?",
    method: "Remembers the answer to each question for some seconds; a further one to a question asked once that shares no address with it, or contradicts its \
             code, is a spoof. Also counts the registered domains that a server gives one private address.",
    kinds: &[&kind::DNS_SPOOF],
    scope: Scope::Source,
    flows: false,
    tables: &[&DNS],
    icmp: false,
    thresholds: &[
        Threshold {
            name: "within",
            unit: "s",
            default: 5.0,
            why: "The true answer arrives at most one timeout after the false one.",
            source: "RFC 1536, resolver defaults",
        },
        Threshold {
            name: "domains",
            unit: "domains",
            default: 5.0,
            why: "An organisation gives private addresses to names of its own one or two domains, not to so many unrelated ones.",
            source: "measured",
        },
    ],
    innocent: &[
        "A capture that holds an answer of a question asked twice, but not the first question.",
        "A login page of a hotel or guest network answers all names with itself.",
        "A filter answers blocked names with its own address.",
    ],
    next: &[
        "Compare the addresses with an answer from another network.",
        "Look at TTL, identifier and link address of both answers in the capture: one of them is not the server's.",
        "See what the client sent to the false address.",
    ],
    references: &["RFC 5452", "https://attack.mitre.org/techniques/T1557/"],
    build: |p| Box::new(DnsSpoof::new(p)),
};

/// Answers remembered in a shard, 160 bytes each: 16 shards take 5 MB and hold the last seconds of 5,000 answers a second.
const MAX_ANSWERS: usize = 1_792;
/// An answer so soon after its question, nanoseconds (50 ms), came before any resolver asks again (the quickest waits 300 ms): questions that
/// were seen more than once by then are copies on their way through the wire.
const SOON: i64 = 50_000_000;
/// Addresses remembered of an answer: more are rotated ones, which share some.
const MAX_ADDRESSES: usize = 16;
/// Pairs of server and private address remembered.
const MAX_GIVEN: usize = 1_024;
/// Domains remembered of each.
const MAX_DOMAINS: usize = 32;

#[derive(Debug, Default)]
struct Answered {
    ts: Timestamp,
    known: bool,
    /// Time of its question, where only copies of that were seen before it.
    copied: Option<Timestamp>,
    rcode: u16,
    addresses: Vec<Ip>,
}

struct DnsSpoof {
    within: i64,
    domains: usize,
    /// By the hash of flow, identifier, type and name: two of some thousand questions that share one are not to be expected.
    answered: Keyed<u64, Answered>,
    given: Keyed<(Ip, Ip, Ip), BTreeSet<String>>,
}

impl DnsSpoof {
    fn new(p: &Params) -> Self {
        Self {
            within: p.nanos("within"),
            domains: p.count("domains"),
            answered: Keyed::new(MAX_ANSWERS, |_| 0),
            given: Keyed::new(MAX_GIVEN, |d: &BTreeSet<String>| d.len() as u64),
        }
    }

    /// One private address for everything.
    fn collapse(&mut self, record: &RecordFact, d: &DnsRecord, out: &mut Findings) {
        let (Some(given), Some(domain)) =
            (d.addresses().map(|(ip, _)| ip).find(|ip| is_private(*ip)), d.domain())
        else {
            return;
        };
        let domains = self.given.at(&(d.client, d.server, given), record.ts);
        if domains.len() < MAX_DOMAINS {
            domains.insert(domain.to_owned());
        }
        if domains.len() < self.domains {
            return;
        }
        let f = out.open(&kind::DNS_SPOOF, Subject::pair(d.server, d.client).about(given.to_string()));
        f.seen(record.ts, record.flow_id);
        f.reason("domains", domains.len() as f64, self.domains as f64, 0.65);
        if given == d.server {
            f.lower("server_answers_with_itself");
        }
        (f.dst_port, f.protocol) = (Some(53), Some(if d.tcp { ip_protocol::TCP } else { ip_protocol::UDP }));
        f.title = format!(
            "{} is told by {} that {} unrelated domains are at {given}",
            d.client,
            d.server,
            domains.len()
        );
        f.detail("address_given", given.to_string());
        f.list("domains", domains.iter().cloned());
    }
}

/// RFC 1918 and RFC 4193; blocked names get loopback or none, which is no place to send anybody.
fn is_private(ip: Ip) -> bool {
    matches!(ip.wire(), [10, _, _, _] | [172, 16..=31, _, _] | [192, 168, _, _] | [0xfc | 0xfd, ..])
}

fn shown(rcode: u16, addresses: &[Ip]) -> String {
    if addresses.is_empty() {
        return crate::protocol::dns::codes::rcode_name(rcode).into_owned();
    }
    addresses.iter().take(4).map(Ip::to_string).collect::<Vec<_>>().join(", ")
}

impl Detector for DnsSpoof {
    fn record(&mut self, record: &RecordFact, out: &mut Findings) {
        let Some(d) = record.of::<DnsRecord>().filter(|d| d.kind == Kind::Dns && d.opcode == 0) else {
            return;
        };
        let (Some(reply), Some(name), Some(qtype)) = (&d.reply, &d.query, d.qtype) else { return };
        // What was cut says nothing; a refusal is no answer.
        if reply.tc || !matches!(reply.rcode, 0 | 3) {
            return;
        }
        let mut addresses: Vec<Ip> = d.addresses().map(|(ip, _)| ip).take(MAX_ADDRESSES).collect();
        addresses.sort_unstable();
        if reply.rcode == 0 && !addresses.is_empty() {
            self.collapse(record, d, out);
        }
        // A name that points on, and an empty answer, are told apart by nothing that counts here.
        if addresses.is_empty() && reply.rcode == 0 {
            return;
        }
        let first =
            self.answered.at(&fixed_hash(&(record.flow_id, d.trans_id, qtype, name.as_str())), record.known);
        let late = record.known.since(first.ts) > self.within;
        let asked_again = d.attempts > 0 && first.copied != Some(record.ts);
        if !first.known || asked_again || late {
            let soon = d.attempts > 0 && reply.rtt.is_some_and(|rtt| rtt <= SOON);
            let copied = soon.then_some(record.ts);
            *first = Answered { ts: record.known, known: true, copied, rcode: reply.rcode, addresses };
            return;
        }
        let other_code = first.rcode != reply.rcode;
        let apart = !addresses.iter().any(|a| first.addresses.contains(a));
        if !(other_code || apart) {
            return;
        }
        let private = [&first.addresses, &addresses].map(|l| l.iter().any(|a| is_private(*a)));
        let (was, now) = (shown(first.rcode, &first.addresses), shown(reply.rcode, &addresses));
        let f = out.open(&kind::DNS_SPOOF, Subject::pair(d.server, d.client));
        f.seen(record.ts, record.flow_id);
        let n = f.count();
        f.reason("different_answers", n as f64, 1.0, 0.6);
        if n >= 2 {
            f.reason("repeated", n as f64, 2.0, 0.3);
        }
        if private[0] != private[1] {
            f.reason("one_leads_inside", 1.0, 1.0, 0.3);
        }
        (f.dst_port, f.protocol) = (Some(53), Some(if d.tcp { ip_protocol::TCP } else { ip_protocol::UDP }));
        f.title = format!(
            "{} got two different answers of {} for {name}: {was} and {now}{}",
            d.client,
            d.server,
            if n > 1 { format!(", and {} more", n - 1) } else { String::new() }
        );
        f.detail("query", name.as_str());
        f.detail("first_answer", was);
        f.detail("second_answer", now);
    }

    fn evicted(&self) -> u64 {
        self.answered.evicted() + self.given.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, inside, outside, record};
    use super::*;
    use crate::protocol::dns::message::{Answer, Section};
    use crate::protocol::dns::rdata::Rdata;
    use crate::protocol::dns::record::Reply;

    fn answer(seconds: f64, id: u16, name: &str, given: &[Ip], attempts: u16) -> RecordFact {
        let answers = given.iter().map(|ip| Answer {
            section: Section::Answer,
            name: name.into(),
            rtype: 1,
            ttl: 30,
            len: 4,
            data: Rdata::Address(*ip),
        });
        let reply = Reply {
            rtt: None,
            rcode: if given.is_empty() { 3 } else { 0 },
            aa: false,
            tc: false,
            ra: true,
            answers: answers.collect(),
            counts: [given.len() as u16, 0, 0],
            bytes: 60,
        };
        let d = DnsRecord {
            kind: Kind::Dns,
            tcp: false,
            client: inside(5),
            server: inside(1),
            trans_id: id,
            opcode: 0,
            query: Some(name.into()),
            qtype: Some(1),
            qclass: Some(1),
            rd: true,
            attempts,
            reply: Some(reply),
            edns: None,
            query_bytes: None,
        };
        record(1, seconds, inside(5), inside(1), 53, d)
    }

    #[test]
    fn two_answers_to_one_question_are_found() {
        let all = (0..3).flat_map(|n| {
            let t = f64::from(n);
            [
                answer(t, n as u16, "bank.example", &[inside(66)], 1),
                answer(t + 0.02, n as u16, "bank.example", &[outside(1)], 0),
            ]
        });
        let found = Bench::new(&META).records(all).end();
        let [a] = &found[..] else { panic!("{found:?}") };
        assert_eq!((a.kind.name, a.count, a.dst), ("dns_spoof", 3, Some(inside(5))));
        assert!(a.title.contains("10.0.0.66 and 203.0.113.1, and 2 more"), "{}", a.title);
    }

    #[test]
    fn a_question_that_passes_twice_is_one() {
        // An attacker in the path passes the question on, so it is seen twice; both answers belong to it.
        let both = |rtt: i64| {
            let mut first = answer(0.0, 1, "bank.example", &[outside(1)], 2);
            let mut second = answer(0.0, 1, "bank.example", &[inside(66)], 2);
            for (r, late) in [(&mut first, 0), (&mut second, 20_000_000)] {
                let Some(d) = (&mut *r.record as &mut dyn std::any::Any).downcast_mut::<DnsRecord>() else {
                    panic!()
                };
                d.reply.as_mut().unwrap().rtt = Some(rtt);
                r.known = r.ts.plus(rtt + late);
            }
            Bench::new(&META).records([first, second]).kinds()
        };
        assert_eq!(both(3_000_000), ["dns_spoof"]);
        assert!(both(900_000_000).is_empty(), "asked again after a while, and each question answered");
    }

    #[test]
    fn an_answer_against_a_denial_is_found() {
        let all = [answer(0.0, 1, "x.example", &[outside(7)], 1), answer(0.1, 1, "x.example", &[], 0)];
        assert_eq!(Bench::new(&META).records(all).kinds(), ["dns_spoof"]);
    }

    #[test]
    fn honest_second_answers_are_silent() {
        let all = [
            // Asked twice.
            answer(0.0, 1, "cdn.example", &[outside(1)], 1),
            answer(0.1, 1, "cdn.example", &[outside(2)], 2),
            // Rotated.
            answer(1.0, 2, "cdn.example", &[outside(1), outside(2)], 1),
            answer(1.1, 2, "cdn.example", &[outside(2), outside(3)], 0),
            // Another question; and one much later.
            answer(2.0, 3, "cdn.example", &[outside(1)], 1),
            answer(2.1, 4, "cdn.example", &[outside(2)], 1),
            answer(9.0, 3, "cdn.example", &[outside(4)], 0),
        ];
        assert!(Bench::new(&META).records(all).end().is_empty());
    }

    #[test]
    fn one_private_address_for_everything_is_found() {
        let names = ["a.com", "b.org", "c.net", "d.de", "e.fr", "f.it"];
        let all = |to: Ip| {
            names.into_iter().enumerate().map(move |(n, name)| answer(n as f64, n as u16, name, &[to], 1))
        };
        let found = Bench::new(&META).records(all(inside(66))).end();
        assert!(found.len() == 1 && found[0].severity.name() == "medium", "{found:?}");
        // A login page, a public address and few names.
        assert_eq!(Bench::new(&META).records(all(inside(1))).end()[0].severity.name(), "low");
        assert!(Bench::new(&META).records(all(outside(1))).end().is_empty());
        assert!(Bench::new(&META).records(all(inside(66)).take(4)).end().is_empty());
    }
}
