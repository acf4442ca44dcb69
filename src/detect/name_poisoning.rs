//! Does one host answer for names that are not its own?
//!
//! LLMNR (RFC 4795), NetBIOS names (RFC 1002) and mDNS (RFC 6762) ask everybody; an honest host answers for its own name only. Who gives one
//! address for several names that nobody else answers poisons them (as Responder and Inveigh do). Refuses to count group names, and hosts that
//! pass on what others have (sleep proxies, reflectors, WINS servers): they give each name its own address.

use super::window::Keyed;
use super::{Detector, Findings, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::kind;
use crate::protocol::dns::record::{DnsRecord, Kind, TABLE as DNS};
use std::collections::BTreeSet;

/// What it says of itself.
pub static META: Meta = Meta {
    id: "name_poisoning",
    question: "Does one host answer for names that are not its own?",
    method: "Counts the different names (without domain and kind) for which one host gives one address over LLMNR, NetBIOS and mDNS, and that no other host \
             answered. The name wpad counts more: browsers fetch their proxy settings from it.",
    kinds: &[&kind::NAME_POISONING],
    scope: Scope::Segment,
    flows: false,
    tables: &[&DNS],
    icmp: false,
    thresholds: &[Threshold {
        name: "names",
        unit: "names",
        default: 3.0,
        why: "A host has one name, a server perhaps two; three that nobody else answers are not its own.",
        source: "DETECTORS section 14",
    }],
    innocent: &[
        "A file server with several aliases.",
        "A web server that announces an alias for each site by mDNS.",
    ],
    next: &[
        "See which hosts were told and what they sent next: SMB and HTTP logins to that address give password hashes away.",
        "Turn off LLMNR and NetBIOS names; enter wpad in the DNS.",
    ],
    references: &["RFC 4795", "RFC 1002", "https://attack.mitre.org/techniques/T1557/001/"],
    build: |p| Box::new(NamePoisoning::new(p)),
};

/// Pairs of responder and address remembered, 2 KB each: 4 MB.
const MAX_RESPONDERS: usize = 2_048;
/// Names remembered, 150 bytes each.
const MAX_NAMES: usize = 8_192;
/// Names and clients remembered of one responder, each.
const MAX_LISTED: usize = 32;

#[derive(Debug, Default)]
struct Responder {
    names: BTreeSet<String>,
    clients: BTreeSet<Ip>,
    answers: u64,
    /// Was anything but mDNS used?
    asked_all: bool,
}

struct NamePoisoning {
    names: usize,
    responders: Keyed<(Ip, Ip), Responder>,
    /// Who answered a name; two are too many for a poisoned one.
    owners: Keyed<String, Vec<Ip>>,
}

impl NamePoisoning {
    fn new(p: &Params) -> Self {
        Self {
            names: p.count("names"),
            responders: Keyed::new(MAX_RESPONDERS, |r: &Responder| r.names.len() as u64),
            owners: Keyed::new(MAX_NAMES, |o: &Vec<Ip>| o.len() as u64),
        }
    }
}

/// Why it is milder: a machine may be called so.
const ONLY_PROXY: &str = "no_name_but_the_proxys";

/// The host's part of a name; `None` for names of groups and services.
fn host_name(kind: Kind, name: &str) -> Option<String> {
    let name = match kind {
        Kind::Nbns => {
            let (name, suffix) = name.rsplit_once('<')?;
            matches!(suffix, "00>" | "20>").then_some(name.trim())?
        }
        _ => name,
    };
    let name = name.to_ascii_lowercase();
    let host = name.strip_suffix(".local").unwrap_or(&name);
    (!host.is_empty() && !host.contains("._") && !host.ends_with(".arpa"))
        .then(|| host.chars().take(64).collect())
}

impl Detector for NamePoisoning {
    fn record(&mut self, record: &RecordFact, out: &mut Findings) {
        let Some(d) =
            record.of::<DnsRecord>().filter(|d| d.kind != Kind::Dns && d.reply.is_some() && d.opcode == 0)
        else {
            return;
        };
        let Some(asked) = d.query.as_deref() else { return };
        let Some(name) = host_name(d.kind, asked) else { return };
        let given = d.answers().find_map(|a| match a.data {
            crate::protocol::dns::rdata::Rdata::Address(ip) if a.name.eq_ignore_ascii_case(asked) => Some(ip),
            _ => None,
        });
        let Some(given) = given else { return };
        let responder = d.server;
        let owners = self.owners.at(&name, record.ts);
        if !owners.contains(&responder) && owners.len() < 2 {
            owners.push(responder);
        }
        let r = self.responders.at(&(responder, given), record.ts);
        r.answers += 1;
        r.asked_all |= d.kind != Kind::Mdns;
        if r.names.len() < MAX_LISTED {
            r.names.insert(name);
        }
        if !d.client.is_multicast() && r.clients.len() < MAX_LISTED {
            r.clients.insert(d.client);
        }
        // For the proxy's name one answer to all is enough: who has it has it in the DNS.
        let proxy = d.kind != Kind::Mdns && r.names.iter().all(|n| n == "wpad");
        if r.names.len() < 2 && !proxy {
            return;
        }
        // One host with two addresses answers from both; its names are then shared with itself, not with others.
        let alone = |n: &&String| {
            self.owners.get(*n).is_none_or(|o| o.iter().all(|o| *o == responder || *o == given))
        };
        let names: Vec<&String> = r.names.iter().filter(alone).collect();
        let wpad = names.iter().any(|n| matches!(n.as_str(), "wpad" | "isatap"));
        let subject = Subject::by(responder).over(ip_protocol::UDP);
        if names.len() < self.names && !wpad && !out.has(&kind::NAME_POISONING, &subject) {
            return;
        }
        let f = out.open(&kind::NAME_POISONING, subject);
        f.seen(record.ts, record.flow_id);
        f.set_count(r.answers);
        let enough = names.len() >= self.names;
        // Aliases by mDNS are a habit of some servers.
        let weight = match (enough, r.asked_all) {
            (true, true) => 0.7,
            (true, false) | (false, true) => 0.35,
            (false, false) => 0.1,
        };
        f.reason("names", names.len() as f64, self.names as f64, weight);
        if wpad {
            f.reason("proxy_name", 1.0, 1.0, if proxy { 0.5 } else { 0.35 });
        }
        if proxy {
            f.lower(ONLY_PROXY);
        } else {
            f.unmoved(ONLY_PROXY);
        }
        if names.len() >= self.names * 3 && r.asked_all {
            f.reason("many_names", names.len() as f64, self.names as f64 * 3.0, 0.3);
        }
        f.dst = r.clients.iter().next().copied();
        f.dst_port = Some(match d.kind {
            Kind::Nbns => 137,
            Kind::Llmnr => 5355,
            _ => 5353,
        });
        let some: Vec<&str> = names.iter().take(3).map(|n| n.as_str()).collect();
        f.title = format!(
            "{responder} answers for {} names that nobody else answers, such as {}",
            names.len(),
            some.join(", ")
        );
        f.detail("address_given", given.to_string());
        f.list("names", names.into_iter().cloned());
        f.list("clients", r.clients.iter().map(Ip::to_string));
    }

    fn evicted(&self) -> u64 {
        self.responders.evicted() + self.owners.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, inside, record};
    use super::*;
    use crate::protocol::dns::message::{Answer, Section};
    use crate::protocol::dns::rdata::Rdata;
    use crate::protocol::dns::record::Reply;

    fn answer(seconds: f64, kind: Kind, from: Ip, name: &str, given: Ip) -> RecordFact {
        let data = Rdata::Address(given);
        let one = Answer { section: Section::Answer, name: name.into(), rtype: 1, ttl: 30, len: 4, data };
        let reply = Reply {
            rtt: None,
            rcode: 0,
            aa: true,
            tc: false,
            ra: false,
            answers: vec![one],
            counts: [1, 0, 0],
            bytes: 60,
        };
        let d = DnsRecord {
            kind,
            tcp: false,
            client: inside(5),
            server: from,
            trans_id: 1,
            opcode: 0,
            query: Some(name.into()),
            qtype: Some(1),
            qclass: Some(1),
            rd: false,
            attempts: 0,
            reply: Some(reply),
            edns: None,
            query_bytes: None,
        };
        record(1, seconds, from, inside(5), 50_000, d)
    }

    #[test]
    fn one_that_answers_for_all_is_found() {
        let names = ["wpad", "fileserv", "prinntsrv"];
        let all =
            (0..30).map(|n| answer(f64::from(n), Kind::Llmnr, inside(66), names[n as usize % 3], inside(66)));
        let found = Bench::new(&META).records(all).end();
        let [a] = &found[..] else { panic!("{found:?}") };
        assert_eq!((a.src, a.dst, a.count), (Some(inside(66)), Some(inside(5)), 30));
        assert_eq!(
            a.title,
            "10.0.0.66 answers for 3 names that nobody else answers, such as fileserv, prinntsrv, wpad"
        );
    }

    #[test]
    fn an_answer_for_the_proxys_name_is_a_hint_until_there_are_more() {
        let found =
            Bench::new(&META).records([answer(0.0, Kind::Llmnr, inside(66), "wpad", inside(66))]).end();
        assert_eq!((found.len(), found[0].severity.name()), (1, "low"), "{found:?}");
        let more = ["wpad", "fileservr", "prntsrv"];
        let all = more.iter().map(|n| answer(0.0, Kind::Nbns, inside(66), &format!("{n}<00>"), inside(66)));
        let found = Bench::new(&META).records(all).end();
        assert_eq!((found.len(), found[0].severity.name()), (1, "medium"), "{found:?}");
        let one = answer(0.0, Kind::Mdns, inside(66), "wpad.local", inside(66));
        assert!(Bench::new(&META).records([one]).end().is_empty(), "a machine announces its name");
    }

    #[test]
    fn own_names_in_all_their_forms_are_one() {
        let all = [
            answer(0.0, Kind::Llmnr, inside(7), "srv", inside(7)),
            answer(1.0, Kind::Mdns, inside(7), "srv.local", inside(7)),
            answer(2.0, Kind::Nbns, inside(7), "srv<20>", inside(7)),
            answer(3.0, Kind::Nbns, inside(7), "srv<00>", inside(7)),
            answer(4.0, Kind::Nbns, inside(7), "work<1c>", inside(7)),
            answer(5.0, Kind::Nbns, inside(7), "other<1d>", inside(7)),
        ];
        assert!(Bench::new(&META).records(all).end().is_empty());
    }

    #[test]
    fn who_passes_on_and_who_is_not_alone_is_silent() {
        // A reflector gives each name its own address.
        let all =
            (1..30).map(|n| answer(f64::from(n), Kind::Mdns, inside(66), &format!("h{n}.local"), inside(n)));
        assert!(Bench::new(&META).records(all).end().is_empty());
        // The true owners answer, too.
        let all = (1..6).flat_map(|n| {
            let name = format!("h{n}");
            [
                answer(0.0, Kind::Llmnr, inside(n), &name, inside(n)),
                answer(0.1, Kind::Llmnr, inside(66), &name, inside(66)),
            ]
        });
        assert!(Bench::new(&META).records(all).end().is_empty());
        // Aliases of a web server.
        let all = (1..6).map(|n| answer(0.0, Kind::Mdns, inside(8), &format!("site{n}.local"), inside(8)));
        assert!(Bench::new(&META).records(all).end().is_empty());
    }
}
