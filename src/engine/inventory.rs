//! Which hosts are there, and how much do they talk?
//!
//! Every flow is sighted twice, at its originator and its responder, in the shard of each host. Rows of `host_facts` and
//! `traffic_hourly` are *parts*: a capture of a file normally has one a host (and hour), a crowd of hosts beyond the cap or a stream has
//! several, and whoever reads them adds them up. Kept here because a scan over all stored flows at the end of a capture cost a
//! quarter of the time of writing them. Refuses to judge what a host is.

use super::tables::{HOST_FACTS, TRAFFIC_HOURLY};
use crate::model::addr::{Ip, Mac};
use crate::model::flow::{FlowRecord, ServiceSource, Tuple, ip_protocol};
use crate::model::ids::CaptureId;
use crate::model::rows::Rows;
use crate::model::time::Timestamp;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

/// Hosts kept per shard before their parts are written: 57,344 in 16 shards, some 15 MB. Like the next, what a table of a power of two
/// holds before it doubles.
const HOSTS: usize = 3_584;
/// Pairs of hosts remembered per shard, to count peers once: 16 shards of them take 9 MB. Beyond it counting starts anew, and
/// a pair may count twice.
const PAIRS: usize = 57_344;
/// Hours kept per host before the oldest is written: a flow rarely ends more than a few hours after it began.
const HOURS: usize = 4;
/// Rows of such hours that are held back: some 100 bytes each.
const EARLY: usize = 4_096;
/// Link addresses kept per host: more is a fault, or many routers.
const MACS: usize = 16;
/// Names or services kept per host: a web host or a scan must not fill the row.
const ITEMS: usize = 64;

/// Nanoseconds of an hour.
const HOUR: i64 = 3_600_000_000_000;

/// A service at a port; port 0 where the name says it all.
pub(super) type Service = (&'static str, u16);

/// One end of a flow, as it looks from there.
#[derive(Debug)]
pub(super) struct Sighting {
    pub(super) ip: Ip,
    pub(super) peer: Ip,
    /// Is `ip` in the local networks?
    pub(super) internal: bool,
    /// A group address is no host: it only counts by the hour.
    pub(super) group: bool,
    /// Its link address, when it sent something.
    pub(super) mac: Mac,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) packets: [u64; 2],
    /// Out and in, with IP headers.
    pub(super) bytes: [u64; 2],
    pub(super) offered: Option<Service>,
    pub(super) used: Option<Service>,
    /// How it was called.
    pub(super) name: Option<Arc<str>>,
}

impl Sighting {
    /// A flow from both its ends; the second is missing where both are one. `name` is what the responder was called.
    pub(super) fn of(
        flow: &FlowRecord,
        name: Option<Arc<str>>,
        src_internal: bool,
        dst_internal: bool,
    ) -> (Self, Option<Self>) {
        let Tuple { src, dst, dst_port, protocol, .. } = flow.tuple;
        let (orig, resp) = (&flow.orig, &flow.resp);
        let transport = match protocol {
            ip_protocol::TCP => Some("tcp"),
            ip_protocol::UDP => Some("udp"),
            ip_protocol::SCTP => Some("sctp"),
            _ => None,
        };
        // A connection that was never established shows a port, not a service.
        let answered = resp.packets > 0
            && dst_port > 0
            && (protocol != ip_protocol::TCP
                || matches!(flow.conn_state, "S1" | "S2" | "S3" | "SF" | "RSTO" | "RSTR"));
        let transport = transport.filter(|_| answered);
        let service = flow.service.filter(|_| flow.service_source == Some(ServiceSource::Content));
        let here = Self {
            ip: src,
            peer: dst,
            internal: src_internal,
            group: false,
            mac: flow.src_mac,
            first: flow.first_ts,
            last: flow.last_ts,
            packets: [orig.packets, resp.packets],
            bytes: [orig.ip_bytes, resp.ip_bytes],
            offered: None,
            used: transport.map(|t| service.map_or((t, dst_port), |service| (service, 0))),
            name: None,
        };
        if src == dst {
            let offered = transport.map(|t| (service.unwrap_or(t), dst_port));
            return (Self { offered, name, ..here }, None);
        }
        let there = Self {
            ip: dst,
            peer: src,
            internal: dst_internal,
            group: dst.is_multicast(),
            // Towards outside it is the router's; without an answer nobody may be there.
            mac: if dst_internal && resp.packets > 0 { flow.dst_mac } else { Mac::NONE },
            packets: [resp.packets, orig.packets],
            bytes: [resp.ip_bytes, orig.ip_bytes],
            offered: transport.map(|t| (service.unwrap_or(t), dst_port)),
            used: None,
            name,
            ..here
        };
        (here, Some(there))
    }
}

/// Sums of one host in one hour.
#[derive(Clone, Copy, Debug)]
struct Hour {
    /// Hours since 1970.
    number: i64,
    flows: u64,
    packets: [u64; 2],
    bytes: [u64; 2],
}

/// What is known of one host. The lists are ordered and hold the smallest, so that the order of flows does not show.
#[derive(Debug)]
struct Host {
    internal: bool,
    /// Was it ever more than a group address?
    real: bool,
    first: Timestamp,
    last: Timestamp,
    peers: u64,
    flows: u64,
    bytes: [u64; 2],
    macs: Vec<Mac>,
    names: Vec<Arc<str>>,
    offered: Vec<Service>,
    used: Vec<Service>,
    hours: Vec<Hour>,
}

/// The hosts of one shard.
#[derive(Debug)]
pub(super) struct Inventory {
    capture: CaptureId,
    sensor: Arc<str>,
    hosts: HashMap<Ip, Box<Host>>,
    pairs: HashSet<u64>,
    forgotten: u64,
    hasher: DefaultHashBuilder,
    /// Rows of hours that were written before their host.
    early: Rows,
}

impl Inventory {
    pub(super) fn new(capture: CaptureId, sensor: Arc<str>) -> Self {
        Self {
            capture,
            sensor,
            hosts: HashMap::new(),
            pairs: HashSet::new(),
            forgotten: 0,
            hasher: DefaultHashBuilder::default(),
            early: Rows::new(&TRAFFIC_HOURLY),
        }
    }

    /// The capture was cut; everything was written. Peers are counted anew.
    pub(super) fn go_on(&mut self, capture: CaptureId) {
        self.capture = capture;
        self.pairs.clear();
    }

    /// Take a sighting.
    pub(super) fn note(&mut self, s: Sighting) {
        let host = self.hosts.entry(s.ip).or_insert_with(|| {
            Box::new(Host {
                internal: s.internal,
                real: false,
                first: s.first,
                last: s.last,
                peers: 0,
                flows: 0,
                bytes: [0; 2],
                macs: Vec::new(),
                names: Vec::new(),
                offered: Vec::new(),
                used: Vec::new(),
                hours: Vec::with_capacity(1),
            })
        });
        let number = s.first.0.div_euclid(HOUR);
        match host.hours.iter_mut().find(|h| h.number == number) {
            Some(hour) => hour.add(&s),
            None => {
                if host.hours.len() >= HOURS
                    && let Some(oldest) =
                        (0..host.hours.len()).min_by_key(|i| host.hours.get(*i).map(|h| h.number))
                {
                    let hour = host.hours.swap_remove(oldest);
                    hour.write(self.capture, s.ip, host.internal, &mut self.early);
                }
                let mut hour = Hour { number, flows: 0, packets: [0; 2], bytes: [0; 2] };
                hour.add(&s);
                host.hours.push(hour);
            }
        }
        if s.group {
            return;
        }
        host.real = true;
        host.first = host.first.min(s.first);
        host.last = host.last.max(s.last);
        host.flows += 1;
        add(&mut host.bytes, s.bytes);
        if s.mac.is_some() {
            keep(&mut host.macs, s.mac, MACS);
        }
        if let Some(name) = s.name {
            keep(&mut host.names, name, ITEMS);
        }
        if let Some(service) = s.offered {
            keep(&mut host.offered, service, ITEMS);
        }
        if let Some(service) = s.used {
            keep(&mut host.used, service, ITEMS);
        }
        if self.pairs.len() >= PAIRS {
            self.forgotten += self.pairs.len() as u64;
            self.pairs.clear();
        }
        if self.pairs.insert(self.hasher.hash_one((s.ip, s.peer))) {
            host.peers += 1;
        }
    }

    /// A name that the capture itself gives to a host; nothing if the host was not seen.
    pub(super) fn name(&mut self, ip: Ip, name: &str) {
        if let Some(host) = self.hosts.get_mut(&ip) {
            keep(&mut host.names, name.into(), ITEMS);
        }
    }

    /// Pairs forgotten because there were too many.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Is it time to write what is there?
    pub(super) fn is_full(&self) -> bool {
        self.hosts.len() >= HOSTS || self.early.len() >= EARLY
    }

    /// The parts of all hosts, in the order of their addresses: rows of `host_facts` and of `traffic_hourly`; then they are forgotten.
    pub(super) fn write(&mut self) -> (Rows, Rows) {
        let mut facts = Rows::new(&HOST_FACTS);
        let mut hourly = std::mem::replace(&mut self.early, Rows::new(&TRAFFIC_HOURLY));
        let mut hosts: Vec<_> = self.hosts.drain().collect();
        hosts.sort_unstable_by_key(|(ip, _)| *ip);
        for (ip, mut host) in hosts {
            host.hours.sort_unstable_by_key(|h| h.number);
            for hour in &host.hours {
                hour.write(self.capture, ip, host.internal, &mut hourly);
            }
            if host.real {
                host.write(self.capture, &self.sensor, ip, &mut facts);
            }
        }
        (facts, hourly)
    }
}

impl Hour {
    fn add(&mut self, s: &Sighting) {
        self.flows += 1;
        add(&mut self.packets, s.packets);
        add(&mut self.bytes, s.bytes);
    }

    fn write(&self, capture: CaptureId, ip: Ip, internal: bool, rows: &mut Rows) {
        let ([packets_out, packets_in], [bytes_out, bytes_in]) = (self.packets, self.bytes);
        rows.row()
            .i64(capture.0)
            .time(Timestamp(self.number.saturating_mul(HOUR)))
            .ip(ip)
            .bool(internal)
            .u64(self.flows)
            .u64(packets_out)
            .u64(packets_in)
            .u64(bytes_out)
            .u64(bytes_in);
    }
}

impl Host {
    fn write(&self, capture: CaptureId, sensor: &str, ip: Ip, rows: &mut Rows) {
        let macs: Vec<String> = self.macs.iter().map(Mac::to_string).collect();
        let offered: Vec<String> = self.offered.iter().map(|(name, port)| format!("{name}/{port}")).collect();
        let used: Vec<String> = self
            .used
            .iter()
            .map(|(name, port)| if *port == 0 { (*name).to_owned() } else { format!("{name}/{port}") })
            .collect();
        let [bytes_out, bytes_in] = self.bytes;
        rows.row()
            .i64(capture.0)
            .text(sensor)
            .ip(ip)
            .bool(self.internal)
            .list(&macs)
            .list(&self.names)
            .time(self.first)
            .time(self.last)
            .u64(self.peers)
            .u64(self.flows)
            .u64(bytes_out)
            .u64(bytes_in)
            .list(&offered)
            .list(&used);
    }
}

fn add(sum: &mut [u64; 2], more: [u64; 2]) {
    for (s, m) in sum.iter_mut().zip(more) {
        *s = s.saturating_add(m);
    }
}

/// Keep an ordered list of the `most` smallest different items.
fn keep<T: Ord>(list: &mut Vec<T>, item: T, most: usize) {
    let Err(at) = list.binary_search(&item) else { return };
    if at < most {
        if list.is_empty() {
            list.reserve_exact(1); // most hosts have one of each
        }
        list.insert(at, item);
        list.truncate(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(ip: u8, peer: u8, at: i64) -> Sighting {
        Sighting {
            ip: Ip::v4([10, 0, 0, ip]),
            peer: Ip::v4([10, 0, 0, peer]),
            internal: true,
            group: false,
            mac: Mac([2, 0, 0, 0, 0, ip]),
            first: Timestamp(at),
            last: Timestamp(at + 5),
            packets: [1, 2],
            bytes: [10, 20],
            offered: None,
            used: Some(("tcp", 8443)),
            name: None,
        }
    }

    fn cells(rows: &Rows, row: usize) -> Vec<String> {
        (0..rows.columns.len()).map(|c| rows.get(row, c).unwrap_or_default()).collect()
    }

    #[test]
    fn one_row_a_host_and_one_an_hour() {
        let mut inventory = Inventory::new(CaptureId(7), "s".into());
        for s in [sighting(1, 2, 0), sighting(1, 2, HOUR), sighting(1, 3, HOUR + 1), sighting(4, 1, -1)] {
            inventory.note(s);
        }
        inventory.name(Ip::v4([10, 0, 0, 1]), "printer");
        inventory.name(Ip::v4([10, 0, 0, 9]), "nobody");
        let (facts, hourly) = inventory.write();
        assert_eq!((facts.len(), hourly.len(), facts.faults(), hourly.faults()), (2, 3, 0, 0));
        let first = cells(&facts, 0);
        assert_eq!(first[1..6], ["s", "10.0.0.1", "true", "02:00:00:00:00:01", "printer"]);
        assert_eq!(first[8..], ["2", "3", "30", "60", "", "tcp/8443"]);
        assert_eq!(cells(&hourly, 1)[4..], ["2", "2", "4", "20", "40"]);
        assert_eq!(cells(&hourly, 2)[1], "1969-12-31T23:00:00Z");
    }

    #[test]
    fn a_group_address_counts_by_the_hour_only() {
        let mut inventory = Inventory::new(CaptureId(7), "".into());
        inventory.note(Sighting { group: true, ..sighting(1, 2, 0) });
        let (facts, hourly) = inventory.write();
        assert_eq!((facts.len(), hourly.len()), (0, 1));
    }

    #[test]
    fn hours_and_items_are_bounded_and_nothing_is_lost() {
        let mut inventory = Inventory::new(CaptureId(7), "".into());
        for n in 0..1_000_i64 {
            let used = Some(("tcp", 1_000 - n as u16));
            inventory.note(Sighting { used, ..sighting(1, 2, n * HOUR) });
        }
        assert_eq!(inventory.early.len(), 1_000 - HOURS);
        let (facts, hourly) = inventory.write();
        assert_eq!(hourly.len(), 1_000);
        let used = cells(&facts, 0).pop().unwrap();
        assert!(used.starts_with("tcp/1,") && used.split(',').count() == ITEMS, "{used}");
    }
}
