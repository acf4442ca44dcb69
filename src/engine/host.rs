//! What happens to the facts of one shard of hosts?
//!
//! Regrouped by the client they belong to, facts meet what the client knew: flows get the name it had asked
//! for. Here rows are made. Nothing is written before the local networks are frozen.

use super::gather::Gather;
use super::inventory::{Inventory, Sighting};
use super::judge::{Fact, ShardJudge};
use super::names::Names;
use super::tables::{FLOWS, FlowContext, write_flow, write_weird};
use super::weirds::WeirdLog;
use super::{SHARDS, shard_of};
use crate::decode::pair_hash;
use crate::detect::{FlowFact, RecordFact};
use crate::flow::CommunityId;
use crate::model::addr::Ip;
use crate::model::event::{Body, Event};
use crate::model::flow::FlowRecord;
use crate::model::ids::{CaptureId, FlowId};
use crate::model::record::Record;
use crate::model::rows::Rows;
use crate::model::schema::Table;
use crate::model::syn::SynShape;
use crate::model::time::Timestamp;
use crate::model::weird::Weird;
use crate::protocol::clues::{Clue, HOST_CLUES, HostClue};
use crate::protocol::dns::record::{DnsRecord, Kind, registered_domain};
use crate::topology::Subnets;
use hashbrown::HashSet;
use std::sync::Arc;

/// DNS question types for an IPv4 and an IPv6 address (RFC 1035, RFC 3596).
const QTYPE_A: u16 = 1;
const QTYPE_AAAA: u16 = 28;

/// Room for the facts of a batch that a shard keeps for the next one.
const WAITING_ROOM: usize = 512;

/// Clues remembered per shard: 16 shards of them take 8 MB at 32 bytes an entry.
const CLUES: usize = 16_384;

/// SYN shapes remembered per shard, with their senders, and resolvers: 16 shards of them take 4 MB at 56 bytes an entry.
const SHAPES: usize = 4_096;

/// Rows by table, for one capture.
#[derive(Debug)]
pub(super) struct RowBuffers {
    capture: CaptureId,
    tables: Vec<Rows>,
    /// Many rows at once, of which the room is not needed again.
    whole: Vec<Rows>,
}

impl RowBuffers {
    pub(super) fn new(capture: CaptureId) -> Self {
        Self { capture, tables: Vec::new(), whole: Vec::new() }
    }

    fn of(&mut self, table: &'static Table) -> Option<&mut Rows> {
        let at = match self.tables.iter().position(|r| std::ptr::eq(r.table, table)) {
            Some(at) => at,
            None => {
                self.tables.push(Rows::new(table));
                self.tables.len() - 1
            }
        };
        self.tables.get_mut(at)
    }

    pub(super) fn weirds(&mut self, weirds: &mut Vec<Weird>, log: &mut WeirdLog) {
        weirds.sort_by_key(|w| (w.packet, w.kind));
        let capture = self.capture;
        for weird in weirds.drain(..) {
            if log.admit(&weird)
                && let Some(rows) = self.of(&super::tables::WEIRDS)
            {
                write_weird(&mut rows.row(), capture, &weird);
            }
        }
    }

    /// The capture was cut; all rows of the old one were given away.
    pub(super) fn go_on(&mut self, capture: CaptureId) {
        self.capture = capture;
    }

    /// Give all of them away.
    pub(super) fn gather(&mut self, into: &mut Gather) {
        self.tables.iter_mut().chain(&mut self.whole).for_each(|rows| into.add(rows));
        self.whole.clear();
    }
}

/// A flow whose row was written.
struct Written {
    flow: FlowRecord,
    hostname: Option<Arc<str>>,
    source: Option<&'static str>,
    src_internal: bool,
    dst_internal: bool,
    direction: &'static str,
}

/// One shard of hosts.
#[derive(Debug)]
pub(super) struct HostShard {
    capture: CaptureId,
    pub(super) rows: RowBuffers,
    pub(super) names: Names,
    /// Facts waiting for the local networks; at most those of the first packets.
    waiting: Vec<Event>,
    /// Oddities, to be written in packet order over all shards.
    pub(super) weirds: Vec<Weird>,
    pub(super) flows: u64,
    /// Clues already written, by hash.
    clues: HashSet<u128>,
    inventory: Inventory,
    /// Sightings of hosts of other shards, by their shard.
    pub(super) abroad: Vec<Vec<Sighting>>,
    /// SYN shapes already written, with their senders.
    shapes: HashSet<(Ip, SynShape)>,
    /// Servers whose recursion was already told.
    resolvers: HashSet<Ip>,
    /// The detectors.
    pub(super) judge: ShardJudge,
}

impl HostShard {
    pub(super) fn new(capture: CaptureId, sensor: &Arc<str>, detect: &crate::detect::Config) -> Self {
        Self {
            capture,
            rows: RowBuffers::new(capture),
            names: Names::default(),
            waiting: Vec::new(),
            weirds: Vec::new(),
            flows: 0,
            clues: HashSet::new(),
            inventory: Inventory::new(capture, Arc::clone(sensor)),
            abroad: (0..SHARDS).map(|_| Vec::new()).collect(),
            shapes: HashSet::new(),
            resolvers: HashSet::new(),
            judge: ShardJudge::new(detect),
        }
    }

    /// Take the shard's facts of a batch, one list per flow shard; they are emptied. Rows are made once `ours` is known; detectors see
    /// what was known by `until`.
    pub(super) fn run(&mut self, lists: &mut [Vec<Event>], ours: Option<&Subnets>, until: Timestamp) {
        self.waiting.reserve(lists.iter().map(Vec::len).sum());
        for list in lists {
            self.waiting.append(list);
        }
        let Some(ours) = ours else { return };
        let mut events = std::mem::take(&mut self.waiting);
        events.sort_by_key(|e| e.packet);
        for event in events.drain(..) {
            match event.body {
                Body::Flow(flow) => self.flow(event.known, *flow, ours),
                Body::Open(flow) => drop(self.write_flow(*flow, ours)),
                Body::Cut(flow) => self.part(*flow, ours),
                Body::Continued { part, whole } => {
                    if let Some(part) = part {
                        self.part(*part, ours);
                    }
                    self.judge_flow(event.known, *whole, ours);
                }
                Body::Weird(weird) => self.weirds.push(weird),
                Body::Record { flow_id, tuple, record } => {
                    if let Some(dns) = record.as_type::<DnsRecord>() {
                        self.learn(event.host, event.ts, dns);
                        self.resolver(event.ts, flow_id, dns);
                    }
                    if record.as_type::<HostClue>().is_some_and(|clue| !self.is_news(clue)) {
                        continue;
                    }
                    let capture = self.capture.0;
                    if let Some(rows) = self.rows.of(record.table()) {
                        let mut row = rows.row();
                        row.time(event.ts).i64(capture).i64(flow_id.0);
                        record.write(&mut row);
                    }
                    if self.judge.wants(record.table()) {
                        self.judge.note(Fact::Record(Box::new(RecordFact {
                            known: event.known,
                            ts: event.ts,
                            packet: event.packet,
                            flow_id,
                            tuple,
                            src_internal: ours.contains(tuple.src),
                            dst_internal: ours.contains(tuple.dst),
                            record,
                        })));
                    }
                }
            }
        }
        events.shrink_to(WAITING_ROOM);
        self.waiting = events;
        self.judge.advance(until);
    }

    /// Is this the first time that we hear it? A full memory starts anew: saying it twice is harmless.
    fn is_news(&mut self, clue: &HostClue) -> bool {
        let mut hash = blake3::Hasher::new();
        hash.update(&clue.ip.0).update(&[clue.clue as u8]).update(clue.source.as_bytes()).update(&[0]);
        hash.update(clue.value.as_bytes());
        let mut key = [0; 16];
        hash.finalize_xof().fill(&mut key);
        if self.clues.len() >= CLUES {
            self.clues.clear();
        }
        self.clues.insert(u128::from_le_bytes(key))
    }

    /// How a host begins connections tells its system. Attempts from outside that nobody answered are left out: their senders
    /// may be made up, one a packet.
    fn shape(&mut self, flow: &FlowRecord, internal: bool) {
        let Some(shape) = flow.syn.filter(|_| internal || flow.resp.packets > 0) else { return };
        if self.shapes.len() >= SHAPES {
            self.shapes.clear(); // saying it twice is harmless
        }
        let ip = flow.tuple.src;
        if self.shapes.insert((ip, shape)) {
            let value = shape.to_string();
            let clue = HostClue { ip, clue: Clue::Fingerprint, value, source: "tcp.syn" };
            self.conclude(flow.first_ts, flow.id, &clue);
        }
    }

    /// Who finds names for others is a resolver. Told here and not by the parser: its flows are many and short.
    fn resolver(&mut self, ts: Timestamp, flow_id: FlowId, dns: &DnsRecord) {
        let found = dns.reply.as_ref().is_some_and(|r| r.ra && r.rcode == 0 && !r.answers.is_empty());
        if dns.kind != Kind::Dns || !found {
            return;
        }
        if self.resolvers.len() >= SHAPES {
            self.resolvers.clear();
        }
        if self.resolvers.insert(dns.server) {
            let value = "resolver".to_owned();
            let clue = HostClue { ip: dns.server, clue: Clue::Role, value, source: "dns.recursion" };
            self.conclude(ts, flow_id, &clue);
        }
    }

    /// Write a clue that the engine found itself.
    fn conclude(&mut self, ts: Timestamp, flow_id: FlowId, clue: &HostClue) {
        let capture = self.capture.0;
        if let Some(rows) = self.rows.of(&HOST_CLUES) {
            let mut row = rows.row();
            row.time(ts).i64(capture).i64(flow_id.0);
            clue.write(&mut row);
        }
    }

    fn learn(&mut self, client: Ip, ts: Timestamp, dns: &DnsRecord) {
        // Only a question for an address: the addresses that come along with other answers belong to other names.
        let Some(query) = dns.query.as_deref().filter(|_| matches!(dns.qtype, Some(QTYPE_A | QTYPE_AAAA)))
        else {
            return;
        };
        let mut name: Option<Arc<str>> = None;
        for (server, _) in dns.addresses() {
            self.names.learn(client, server, ts, name.get_or_insert_with(|| query.into()));
        }
    }

    /// How the responder of a flow was called, and how that is known.
    fn name_of(&self, flow: &mut FlowRecord) -> (Option<Arc<str>>, Option<&'static str>) {
        if let Some(said) = flow.hostname.take() {
            return (Some(said.into()), Some("content"));
        }
        match self.names.of(flow.tuple.src, flow.tuple.dst, flow.began) {
            Some(asked) => (Some(Arc::clone(asked)), Some("dns")),
            None => (None, None),
        }
    }

    /// The row of a flow, and what was found for it: the flow, its name, where that comes from, whose addresses, the direction.
    fn write_flow(&mut self, mut flow: FlowRecord, ours: &Subnets) -> Written {
        let tuple = flow.tuple;
        let (hostname, source) = self.name_of(&mut flow);
        let community = CommunityId::of(&tuple);
        let context = FlowContext {
            hostname: hostname.as_deref(),
            hostname_source: source,
            domain: hostname.as_deref().and_then(registered_domain),
            community_id: Some(community.as_str()),
            direction: ours.direction(tuple.src, tuple.dst),
            src_internal: ours.contains(tuple.src),
            dst_internal: ours.contains(tuple.dst),
        };
        if let Some(rows) = self.rows.of(&FLOWS) {
            write_flow(&mut rows.row(), self.capture, &flow, &context);
        }
        let (src_internal, dst_internal, direction) =
            (context.src_internal, context.dst_internal, context.direction);
        Written { flow, hostname, source, src_internal, dst_internal, direction }
    }

    fn flow(&mut self, known: Timestamp, flow: FlowRecord, ours: &Subnets) {
        let written = self.write_flow(flow, ours);
        if self.judge.wants_flows() {
            let mut fact = FlowFact::new(known, &written.flow);
            (fact.src_internal, fact.dst_internal) = (written.src_internal, written.dst_internal);
            (fact.direction, fact.hostname_source) = (written.direction, written.source);
            fact.hostname.clone_from(&written.hostname);
            self.judge.note(Fact::Flow(Box::new(fact)));
        }
        self.account(written);
    }

    /// The part of a flow that lies in this capture: a row and its sums. It is judged once, when it ends.
    fn part(&mut self, flow: FlowRecord, ours: &Subnets) {
        let written = self.write_flow(flow, ours);
        self.account(written);
    }

    /// A flow of several captures ended: all of it is judged.
    fn judge_flow(&mut self, known: Timestamp, mut flow: FlowRecord, ours: &Subnets) {
        if !self.judge.wants_flows() {
            return;
        }
        let (hostname, source) = self.name_of(&mut flow);
        let (src, dst) = (flow.tuple.src, flow.tuple.dst);
        let mut fact = FlowFact::new(known, &flow);
        (fact.src_internal, fact.dst_internal) = (ours.contains(src), ours.contains(dst));
        (fact.direction, fact.hostname_source) = (ours.direction(src, dst), source);
        fact.hostname = hostname;
        self.judge.note(Fact::Flow(Box::new(fact)));
    }

    /// A row was written: count it, and what it says of its hosts.
    fn account(&mut self, written: Written) {
        let Written { flow, hostname, src_internal, dst_internal, .. } = written;
        self.flows += 1;
        self.shape(&flow, src_internal);
        let (here, there) = Sighting::of(&flow, hostname, src_internal, dst_internal);
        self.sight(here);
        if let Some(there) = there
            && let Some(lane) = self.abroad.get_mut(shard_of(pair_hash(there.ip, there.ip)))
        {
            lane.push(there);
        }
    }

    /// Take the sightings that other shards have of our hosts, one list per shard; they are emptied.
    pub(super) fn meet(&mut self, lists: &mut [Vec<Sighting>]) {
        for sighting in lists.iter_mut().flat_map(|list| list.drain(..)) {
            self.sight(sighting);
        }
    }

    fn sight(&mut self, sighting: Sighting) {
        if self.inventory.is_full() {
            self.write_hosts();
        }
        self.inventory.note(sighting);
    }

    /// Pairs of hosts that may be counted twice, because there were too many to remember.
    pub(super) fn pairs_forgotten(&self) -> u64 {
        self.inventory.forgotten()
    }

    /// A name that the capture itself gives to one of our hosts.
    pub(super) fn name(&mut self, ip: Ip, name: &str) {
        self.inventory.name(ip, name);
    }

    /// The capture was cut: names and detectors go on, what was told in the old capture is told anew in this one.
    pub(super) fn go_on(&mut self, capture: CaptureId) {
        self.capture = capture;
        self.rows.go_on(capture);
        self.inventory.go_on(capture);
        self.flows = 0;
        self.clues.clear();
        self.shapes.clear();
        self.resolvers.clear();
        self.judge.go_on();
    }

    /// Write what is known of the hosts, and forget it.
    pub(super) fn write_hosts(&mut self) {
        let (facts, hourly) = self.inventory.write();
        self.rows.whole.extend([facts, hourly]);
    }
}
