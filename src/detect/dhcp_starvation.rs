//! Do invented clients take all addresses of a DHCP server?
//!
//! Messages of clients (RFC 2131) in one minute: their number and how many different clients they claim to be, by hardware address, transaction and
//! address. Refuses a site where everybody comes to work: those clients ask twice and say who they are.

use super::window::{Busiest, Recent};
use super::words::{counted, grouped};
use super::{Detector, Findings, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::{Ip, Mac};
use crate::model::anomaly::Subject;
use crate::model::ids::FlowId;
use crate::model::kind;
use crate::model::time::Timestamp;
use crate::protocol::dhcp::v4::{DhcpRecord, TABLE};
use hashbrown::HashSet;

/// Messages remembered: 4,096 of 80 bytes make 320 KB, once for the capture.
const KEPT: usize = 4_096;

/// Messages from one look at the window to the next, once something is told; before that, the part of the window that is new at a look.
const STRIDE: usize = 64;

/// Numbers of the message types that a client sends (RFC 2132 section 9.6).
const CLIENT: [u8; 3] = [1, 3, 8];

/// The detector.
#[rustfmt::skip] // one threshold a line
pub static META: Meta = Meta {
    id: "dhcp_starvation",
    question: "Do invented clients take all addresses of a DHCP server?",
    method: "Client messages within a minute are counted together with the different clients that they claim; that they say nothing of themselves, or one device speaks for many, strengthens it.",
    kinds: &[&kind::DHCP_STARVATION],
    scope: Scope::Segment,
    flows: false,
    tables: &[&TABLE],
    icmp: false,
    thresholds: &[
        Threshold { name: "messages", unit: "messages", default: 75.0, why: "Client messages in the window; a client sends two, and four when nobody answers.", source: "measured on real captures" },
        Threshold { name: "clients", unit: "clients", default: 40.0, why: "Different clients in the window, by hardware address, transaction or address.", source: "measured on real captures" },
        Threshold { name: "window_s", unit: "s", default: 60.0, why: "Seconds of the window.", source: "measured on real captures" },
        Threshold { name: "named", unit: "ratio", default: 0.5, why: "Part of the messages with a list of wanted options, above which they are clients: every system sends one.", source: "fingerbank.org" },
    ],
    innocent: &["A power cut: hundreds of clients return at once; they name what they want and are served.", "A relay of a large site."],
    next: &["Look whether the server still had addresses to give.", "Find the port of the switch and limit its hardware addresses; turn on DHCP snooping."],
    references: &["https://attack.mitre.org/techniques/T1499/", "https://www.rfc-editor.org/rfc/rfc2131"],
    build: |p| Box::new(Starvation::new(p)),
};

#[derive(Clone, Copy, Debug)]
struct Message {
    mac: Option<Mac>,
    xid: u32,
    address: Ip,
    to: Ip,
    relay: Option<Ip>,
    named: bool,
    flow: FlowId,
}

struct Starvation {
    messages: usize,
    clients: usize,
    window: i64,
    named: f64,
    recent: Recent<Message>,
    since: usize,
    told: bool,
    n: u64,
    server: Option<Ip>,
}

impl Starvation {
    fn new(p: &Params) -> Self {
        Self {
            messages: p.count("messages").max(2),
            clients: p.count("clients").max(2),
            window: p.nanos("window_s"),
            named: p.get("named"),
            recent: Recent::default(),
            since: 0,
            told: false,
            n: 0,
            server: None,
        }
    }

    fn judge(&mut self, ts: Timestamp, out: &mut Findings) {
        let (mut clients, mut macs, mut addresses) = (HashSet::new(), HashSet::new(), HashSet::new());
        let (mut senders, mut receivers) = (Busiest::default(), Busiest::default());
        let (mut n, mut named) = (0usize, 0usize);
        for (_, m) in self.recent.between(ts.plus(-self.window), ts) {
            clients.insert((m.mac, m.xid, m.address, m.relay));
            macs.insert(m.mac);
            addresses.insert(m.address);
            senders.add(&m.address, 1);
            receivers.add(&m.to, 1);
            n += 1;
            named += usize::from(m.named);
        }
        let share = named as f64 / n.max(1) as f64;
        let one_speaks = macs.len() * 10 <= clients.len();
        // Many that say what they want are a morning; one that speaks for many is not.
        let innocent = share > self.named && !one_speaks;
        if !self.told && (n < self.messages || clients.len() < self.clients || innocent) {
            return;
        }
        let found = out.open(&kind::DHCP_STARVATION, Subject::default());
        if self.told {
            self.recent.iter().rev().take(5).for_each(|(_, m)| found.evidence(m.flow));
        } else {
            self.told = true;
            self.n = n as u64;
            self.recent.iter().for_each(|(then, m)| {
                found.cover(*then, *then);
                found.evidence(m.flow);
            });
        }
        found.cover(ts, ts);
        found.set_count(self.n);
        // Clients without an address send from 0.0.0.0 to everybody.
        found.src = senders.first().filter(|(_, c)| *c as usize * 2 >= n).map(|(ip, _)| *ip).or(found.src);
        found.dst = self.server.or(receivers.first().map(|(ip, _)| *ip)).or(found.dst);
        // The greatest minute stays.
        if found.count() > self.messages as u64 && n < self.messages {
            return;
        }
        found.title = format!(
            "{} DHCP messages of {} in a minute{}",
            grouped(n as u64),
            counted(clients.len(), "made-up client"),
            if one_speaks {
                format!(", from {}", counted(macs.len(), "hardware address").replace("addresss", "addresses"))
            } else {
                String::new()
            }
        );
        (found.dst_port, found.protocol) = (Some(67), Some(17));
        found.reason("messages", n as f64, self.messages as f64, 0.45);
        found.reason("clients", clients.len() as f64, self.clients as f64, 0.45);
        if share <= self.named {
            found.reason("says_what_it_wants", share, self.named, 0.3);
        }
        if one_speaks {
            found.reason(
                "clients_per_hardware_address",
                clients.len() as f64 / macs.len().max(1) as f64,
                10.0,
                0.3,
            );
        }
        found.detail("hardware_addresses", macs.len());
        found.list("client_addresses", {
            let mut all: Vec<Ip> = addresses.into_iter().collect();
            all.sort_unstable();
            all.into_iter().map(|ip| ip.to_string())
        });
    }
}

impl Detector for Starvation {
    fn record(&mut self, r: &RecordFact, out: &mut Findings) {
        let Some(dhcp) = r.of::<DhcpRecord>() else { return };
        if dhcp.from_server {
            self.server =
                self.server.or(dhcp.server_id).or(Some(r.tuple.dst).filter(|ip| !ip.is_multicast()));
            return;
        }
        if !dhcp.message_type.is_some_and(|t| CLIENT.contains(&t)) {
            return;
        }
        let message = Message {
            mac: dhcp.client_mac,
            xid: dhcp.xid,
            address: r.tuple.src,
            to: r.tuple.dst,
            relay: dhcp.relay_ip,
            named: dhcp.fingerprint.is_some(),
            flow: r.flow_id,
        };
        self.recent.push(r.ts, message, self.window, KEPT);
        self.n += 1;
        self.since += 1;
        // The more messages, the less one more changes: looking at all of them costs each the same.
        let stride = if self.told { STRIDE } else { self.recent.len() / STRIDE };
        if self.recent.len() < self.messages || self.since < stride {
            return;
        }
        self.since = 0;
        self.judge(r.ts, out);
    }

    fn catch_up(&mut self, out: &mut Findings) {
        self.finish(out);
    }

    fn finish(&mut self, out: &mut Findings) {
        let last = self.recent.iter().next_back().map(|(ts, _)| *ts);
        if let Some(last) = last
            && self.told
        {
            self.judge(last, out);
        }
    }

    fn evicted(&self) -> u64 {
        self.recent.dropped()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn ask(n: u32, seconds: f64, mac: u32, kind: u8, named: bool) -> RecordFact {
        let [a, b, c, d] = mac.to_be_bytes();
        let dhcp = DhcpRecord {
            message_type: Some(kind),
            xid: n,
            client_mac: Some(Mac([2, 0, a, b, c, d])),
            fingerprint: named.then(|| "1,3,6,15".to_owned()),
            ..DhcpRecord::default()
        };
        record(u64::from(n), seconds, Ip::v4([0; 4]), Ip::v4([255; 4]), 67, dhcp)
    }

    #[test]
    fn made_up_clients_are_one_row() {
        let all =
            Bench::new(&META).records((0..1_500).map(|n| ask(n + 1, f64::from(n) * 0.01, n, 1, false))).end();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].title, "1,500 DHCP messages of 1,500 made-up clients in a minute");
        assert_eq!((all[0].count, all[0].kind.name), (1_500, "dhcp_starvation"));
    }

    #[test]
    fn one_device_for_many() {
        let all = Bench::new(&META).records((0..200).map(|n| ask(n + 1, 1.0, 7, 1, true))).end();
        assert!(
            all[0].title.ends_with("made-up clients in a minute, from 1 hardware address"),
            "{}",
            all[0].title
        );
    }

    #[test]
    fn a_morning_and_a_lost_client_are_none() {
        let kinds = |records: Vec<RecordFact>| Bench::new(&META).records(records).kinds();
        let morning =
            (0..600).map(|n| ask(n + 1, f64::from(n) * 0.1, n / 2, if n % 2 == 0 { 1 } else { 3 }, true));
        assert!(kinds(morning.collect()).is_empty());
        assert!(kinds((0..74).map(|n| ask(n + 1, 1.0, n, 1, false)).collect()).is_empty());
        assert!(
            kinds((0..340).map(|n| ask(1 + n / 60, f64::from(n) * 8.0, 7, 1, true)).collect()).is_empty()
        );
    }
}
