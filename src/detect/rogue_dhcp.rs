//! Does a second DHCP server answer?
//!
//! DHCP records (RFC 2131): who gives addresses, and which router and name servers he gives with them. A second server that answers the same clients and
//! sends them elsewhere is a rogue, or a home router plugged in the wrong way. Refuses to compare servers behind different relays or of
//! different networks, and servers that say the same: they share the work.

use super::window::Keyed;
use super::{Detector, Findings, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::kind;
use crate::model::time::{Timestamp, secs};
use crate::protocol::dhcp::v4::{DhcpRecord, TABLE as DHCP};
use std::collections::BTreeSet;

/// What it says of itself.
pub static META: Meta = Meta {
    id: "rogue_dhcp",
    question: "Does a second DHCP server answer?",
    method: "Among the servers that give addresses behind one relay (or none), the one that came later is told when it answers the same transaction or gives \
             addresses of the same network, and names another router or other name servers.",
    kinds: &[&kind::ROGUE_DHCP],
    scope: Scope::Segment,
    flows: false,
    tables: &[&DHCP],
    icmp: false,
    thresholds: &[Threshold {
        name: "answers",
        unit: "messages",
        default: 1.0,
        why: "One offer is enough to win a client.",
        source: "RFC 2131 section 3.1",
    }],
    innocent: &[
        "Two servers share the work and were given different settings.",
        "A home router or a hotspot was plugged in with its server on.",
        "A virtual machine's network shares the cable.",
    ],
    next: &[
        "Find the server's link address and its port at the switch.",
        "See which clients took its addresses and where their traffic went since.",
        "Turn on DHCP snooping.",
    ],
    references: &["RFC 2131", "https://attack.mitre.org/techniques/T1557/003/"],
    build: |p| Box::new(RogueDhcp::new(p)),
};

/// Servers remembered: more are a flood, which other detectors tell.
const MAX_SERVERS: usize = 32;
/// Transactions remembered, 200 bytes each.
const MAX_TRANSACTIONS: usize = 8_192;
/// Values remembered of each list of a server.
const MAX_VALUES: usize = 16;

/// Servers that first answered within this time of each other answered the same client.
const SAME_TIME: i64 = secs(2);

struct Server {
    ip: Ip,
    relay: Option<Ip>,
    since: Timestamp,
    answers: u64,
    routers: BTreeSet<Ip>,
    names: BTreeSet<Ip>,
    nets: BTreeSet<[u8; 3]>,
}

struct RogueDhcp {
    answers: u64,
    servers: Vec<Server>,
    /// Transaction to the servers that answered it.
    transactions: Keyed<u32, Vec<Ip>>,
}

impl RogueDhcp {
    fn new(p: &Params) -> Self {
        Self {
            answers: p.count("answers") as u64,
            servers: Vec::new(),
            transactions: Keyed::new(MAX_TRANSACTIONS, |s: &Vec<Ip>| s.len() as u64),
        }
    }
}

fn note(set: &mut BTreeSet<Ip>, values: &[Ip]) {
    let room = MAX_VALUES.saturating_sub(set.len());
    set.extend(values.iter().take(room).copied());
}

/// Both say something, and nothing they say is the same.
fn differ(a: &BTreeSet<Ip>, b: &BTreeSet<Ip>) -> bool {
    !a.is_empty() && !b.is_empty() && a.is_disjoint(b)
}

fn listed(set: &BTreeSet<Ip>) -> String {
    set.iter().map(Ip::to_string).collect::<Vec<_>>().join(", ")
}

impl Detector for RogueDhcp {
    fn record(&mut self, record: &RecordFact, out: &mut Findings) {
        // Offers and acknowledgements that give an address: a boot server's offers without one go beside the real ones.
        let Some(d) =
            record.of::<DhcpRecord>().filter(|d| d.from_server && matches!(d.message_type, Some(2 | 5)))
        else {
            return;
        };
        let sender = if record.tuple.src_port == 67 { record.tuple.src } else { record.tuple.dst };
        let (Some(given), ip) = (d.assigned_ip, d.server_id.unwrap_or(sender)) else { return };
        let at = match self.servers.iter().position(|s| s.ip == ip && s.relay == d.relay_ip) {
            Some(at) => at,
            None if self.servers.len() >= MAX_SERVERS => return,
            None => {
                self.servers.push(Server {
                    ip,
                    relay: d.relay_ip,
                    since: record.ts,
                    answers: 0,
                    routers: BTreeSet::new(),
                    names: BTreeSet::new(),
                    nets: BTreeSet::new(),
                });
                self.servers.len() - 1
            }
        };
        if let Some(s) = self.servers.get_mut(at) {
            s.answers += 1;
            note(&mut s.routers, &d.routers);
            note(&mut s.names, &d.dns_servers);
            if let ([a, b, c, _], true) = (given.wire(), s.nets.len() < MAX_VALUES) {
                s.nets.insert([*a, *b, *c]);
            }
        }
        let shared = self.transactions.at(&d.xid, record.ts);
        if !shared.contains(&ip) && shared.len() < MAX_VALUES {
            shared.push(ip);
        }
        let shared = shared.clone();
        let Some(this) = self.servers.get(at) else { return };
        let peers = self.servers.iter().filter(|s| s.ip != ip && s.relay == this.relay);
        let Some(other) = peers.min_by_key(|s| (s.since, s.ip)) else { return };
        // Who came first is the true one. When both began with the same client, chance decides who was quicker; then the usual
        // address of a router speaks for the true one.
        let rank = |s: &Server| {
            let usual = matches!(s.ip.wire(), [.., 1 | 254]);
            let apart = this.since.since(other.since).abs() > SAME_TIME;
            (if apart { s.since } else { Timestamp(0) }, !usual, s.since, s.ip)
        };
        let (first, rogue) = if rank(other) <= rank(this) { (other, this) } else { (this, other) };
        let together = shared.contains(&other.ip);
        let one_net = !first.nets.is_disjoint(&rogue.nets);
        let subject = Subject::by(rogue.ip).port(67).over(ip_protocol::UDP);
        if rogue.answers < self.answers || !(together || one_net || out.has(&kind::ROGUE_DHCP, &subject)) {
            return;
        }
        let f = out.open(&kind::ROGUE_DHCP, subject);
        f.seen(record.ts, record.flow_id);
        f.set_count(rogue.answers);
        f.reason("servers", 2.0, 2.0, 0.35);
        if together {
            f.reason("same_transaction", 1.0, 1.0, 0.2);
        }
        if differ(&first.routers, &rogue.routers) {
            f.reason("other_router", 1.0, 1.0, 0.35);
        }
        if differ(&first.names, &rogue.names) {
            f.reason("other_name_servers", 1.0, 1.0, 0.25);
        }
        if rogue.routers.contains(&rogue.ip) || rogue.names.contains(&rogue.ip) {
            f.reason("names_itself", 1.0, 1.0, 0.1);
        }
        if rogue.ip == ip {
            f.dst = Some(given);
        }
        f.title = format!("{} answers DHCP beside {}", rogue.ip, first.ip);
        if !rogue.routers.is_empty() {
            f.title.push_str(&format!(" and names {} as router", listed(&rogue.routers)));
        }
        f.list("routers", rogue.routers.iter().map(Ip::to_string));
        f.list("name_servers", rogue.names.iter().map(Ip::to_string));
        f.detail("first_server", first.ip.to_string());
        f.list("first_routers", first.routers.iter().map(Ip::to_string));
        f.list("first_name_servers", first.names.iter().map(Ip::to_string));
    }

    fn evicted(&self) -> u64 {
        self.transactions.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, inside, outside, record};
    use super::*;

    fn offer(n: u64, seconds: f64, server: Ip, xid: u32, given: Ip, router: Ip) -> RecordFact {
        let d = DhcpRecord {
            message_type: Some(2),
            from_server: true,
            xid,
            assigned_ip: Some(given),
            server_id: Some(server),
            routers: vec![router],
            dns_servers: vec![router],
            ..DhcpRecord::default()
        };
        let mut fact = record(n, seconds, server, Ip::v4([255; 4]), 68, d);
        fact.tuple.src_port = 67;
        fact
    }

    #[test]
    fn a_second_server_that_sends_clients_elsewhere_is_found() {
        let all = (0..5).flat_map(|n| {
            let t = f64::from(n);
            [
                offer(1, t, inside(1), n, inside(100), inside(1)),
                offer(2, t + 0.1, inside(66), n, inside(150), inside(66)),
            ]
        });
        let found = Bench::new(&META).records(all).end();
        let [a] = &found[..] else { panic!("{found:?}") };
        assert_eq!((a.src, a.count, a.severity.name()), (Some(inside(66)), 5, "medium"));
        assert_eq!(a.title, "10.0.0.66 answers DHCP beside 10.0.0.1 and names 10.0.0.66 as router");
    }

    #[test]
    fn servers_that_share_the_work_are_silent() {
        let all = (0..5).flat_map(|n| {
            let t = f64::from(n);
            [
                offer(1, t, inside(2), n, inside(100), inside(1)),
                offer(2, t + 0.1, inside(3), n, inside(150), inside(1)),
            ]
        });
        assert!(Bench::new(&META).records(all).end().is_empty());
    }

    #[test]
    fn a_laptop_that_moves_and_relays_are_silent() {
        let moved = [
            offer(1, 0.0, inside(1), 1, inside(100), inside(1)),
            offer(2, 900.0, outside(1), 2, outside(100), outside(1)),
        ];
        assert!(Bench::new(&META).records(moved).end().is_empty());
        let relayed = (0..4).map(|n| {
            let from = inside(n % 2 + 1);
            let d = DhcpRecord {
                message_type: Some(5),
                from_server: true,
                xid: 7,
                assigned_ip: Some(inside(100 + n)),
                server_id: Some(from),
                relay_ip: Some(from),
                routers: vec![from],
                ..DhcpRecord::default()
            };
            record(n.into(), f64::from(n), from, inside(9), 67, d)
        });
        assert!(Bench::new(&META).records(relayed).end().is_empty());
    }

    #[test]
    fn a_boot_server_beside_it_is_silent() {
        let mut boot = offer(2, 0.1, inside(66), 1, inside(150), inside(66));
        boot.record = Box::new(DhcpRecord {
            message_type: Some(2),
            from_server: true,
            xid: 1,
            server_id: Some(inside(66)),
            vendor_class: Some("PXEClient".into()),
            ..DhcpRecord::default()
        });
        let all = [offer(1, 0.0, inside(1), 1, inside(100), inside(1)), boot];
        assert!(Bench::new(&META).records(all).end().is_empty());
    }
}
