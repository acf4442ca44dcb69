//! Which flows are alive, and when does one end?
//!
//! One table per shard: lookup by key, expiry on packet time, eviction of the longest idle flow when it is full. Nothing
//! depends on when [`FlowTable::advance`] is called: whether a flow has timed out is decided by the packet that
//! comes back to it, and sweeping only writes earlier what would be written anyway. Hash order decides nothing.

use super::config::{Budget, Class, Config, Timeouts};
use super::history::is_milestone;
use super::intern::Interner;
use super::key::FlowKey;
use super::queue::{Queues, tick, tick_end};
use super::record::record;
use super::roles::first_comes_from_responder;
use super::slot::{
    BARE, FLIPPED, FREE, ICMP_ERROR, INLINE_ADDRESSES, Link, NIL, Slot, State, TUNNELLED, TWO_WAY, VERSION_6,
};
use super::stream::{Limits, Memory};
use super::tcp::Segment;
use super::{Application, At, FlowView};
use crate::decode::{Decoded, Role};
use crate::model::addr::Ip;
use crate::model::event::{Body, Event};
use crate::model::flow::{EndReason, FlowRecord, Side, Tuple};
use crate::model::ids::{CaptureNo, FlowId};
use crate::model::syn::SynShape;
use crate::model::time::Timestamp;
use crate::model::weird::{Detail, Weird, WeirdKind};
use hashbrown::{DefaultHashBuilder, HashTable};

mod feed;
mod going_on;

use going_on::Carried;

/// Packets may arrive this much (2 s) out of order in time without it mattering when the table was swept: a flow is
/// swept only when it has been over for so long.
const DISORDER: i64 = 2_000_000_000;

/// A packet further ahead than this (60 s) does not move the table's time: one wrong stamp would end every flow. A real gap
/// comes through [`FlowTable::advance`], whose caller keeps the clock of the capture.
const LEAP: i64 = 60_000_000_000;

/// What a table did. Sums over the shards mean something; peaks add up to an upper bound.
#[derive(Clone, Copy, Default, Debug)]
pub struct FlowStats {
    /// Flows that began.
    pub flows: u64,
    /// Flows given up because the table was full.
    pub evicted: u64,
    /// Most flows at once.
    pub peak_flows: u64,
    /// Most bytes of out-of-order data held at once.
    pub peak_stream_bytes: u64,
    /// Times that out-of-order data of one direction hit its cap.
    pub buffer_full: u64,
    /// Times that out-of-order data of all flows hit its cap.
    pub memory_full: u64,
    /// Gaps in streams.
    pub gaps: u64,
}

/// No packet has come yet.
const BEFORE_ALL: Timestamp = Timestamp(i64::MIN);

/// The flows of one shard.
#[derive(Debug)]
pub struct FlowTable<A: Application> {
    capture: CaptureNo,
    vlan_in_key: bool,
    timeouts: Timeouts,
    limits: Limits,
    max_flows: usize,
    hasher: DefaultHashBuilder,
    index: HashTable<u32>,
    slots: Vec<Slot<A::State>>,
    free: Vec<u32>,
    queues: Queues,
    addresses: Interner<Ip>,
    links: Interner<Link>,
    shapes: Interner<SynShape>,
    memory: Memory,
    /// The latest packet time, or time told by `advance`; [`BEFORE_ALL`] before the first packet.
    now: Timestamp,
    /// Before this time no sweep finds anything.
    next_sweep: Timestamp,
    /// What is left to finish (or to cut), last one first; `None` before the end.
    ending: Option<Vec<u32>>,
    /// Flows that go on since before the capture was cut, by place.
    carried: Carried,
    stats: FlowStats,
    app: A,
}

/// Why, when and at which packet a flow ends.
#[derive(Clone, Copy)]
struct End {
    reason: EndReason,
    at: At,
}

impl<A: Application> FlowTable<A> {
    /// An empty table for one shard of a capture.
    pub fn new(config: &Config, capture: CaptureNo, budget: Budget, app: A) -> Self {
        Self {
            capture,
            vlan_in_key: config.vlan_in_key,
            timeouts: Timeouts::new(config),
            limits: Limits { bytes: config.pending_bytes_per_side, pieces: config.pending_pieces_per_side },
            max_flows: budget.max_flows.clamp(1, NIL as usize),
            // Keyed by chance, so that nobody can prepare addresses that collide; no result depends on it.
            hasher: DefaultHashBuilder::default(),
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            queues: Queues::new(),
            addresses: Interner::default(),
            links: Interner::default(),
            shapes: Interner::default(),
            memory: Memory::new(budget.stream_bytes),
            now: BEFORE_ALL,
            next_sweep: Timestamp::MAX,
            ending: None,
            carried: Carried::default(),
            stats: FlowStats::default(),
            app,
        }
    }

    /// One decoded layer of a packet. `bytes` is what its payload offsets point into. What ends or is odd by
    /// it goes to `out`.
    pub fn packet(&mut self, d: &Decoded, bytes: &[u8], out: &mut Vec<Event>) {
        if self.now == BEFORE_ALL || d.ts.since(self.now) <= LEAP {
            self.advance(d.ts, out);
        }
        let key = FlowKey::of(d, self.vlan_in_key);
        let hash = key.hash(&self.hasher);
        let found = self.find(&key, hash);
        if d.role == Role::Quoted {
            self.quoted(d, found);
            return;
        }
        let (i, side) = match found {
            Some((i, side)) if !self.ends_before(i, side, d, out) => (i, side),
            _ => self.begin(&key, hash, d, out),
        };
        if let Some(slot) = self.slots.get_mut(i as usize).filter(|s| s.is_silent()) {
            slot.resume(d);
        }
        if self.slots.get(i as usize).is_some_and(Slot::is_tcp) {
            self.segment(i, side, d, bytes, out);
        } else {
            self.datagram(i, side, d, bytes);
        }
        if let Some(slot) = self.slots.get(i as usize) {
            let class = slot.class_now();
            self.queues.touch(&mut self.slots, i, d.ts, class);
            self.next_sweep = self.next_sweep.min(self.sweep_time(i));
        }
    }

    /// Packet time has come to `now`: write what timed out. Costs what it finds, not the time that passed. Needs to be called
    /// only for shards that got no packets, and once before `finish`.
    pub fn advance(&mut self, now: Timestamp, out: &mut Vec<Event>) {
        self.now = self.now.max(now);
        if now >= self.next_sweep {
            self.sweep(now, out);
        }
    }

    /// The capture ended: write at most `limit` flows, in the order of their first packets. True while more are left.
    pub fn finish(&mut self, limit: usize, out: &mut Vec<Event>) -> bool {
        let mut left = self.ending.take().unwrap_or_else(|| self.living());
        for _ in 0..limit {
            let Some(i) = left.pop() else { break };
            let end = self.timed_out(i, self.now).or_else(|| {
                let slot = self.slots.get(i as usize)?;
                let closed = slot.class == Class::Closed;
                let reason = if closed { EndReason::Closed } else { EndReason::CaptureEnd };
                Some(End { reason, at: At { ts: self.now, packet: slot.last().0 } })
            });
            if let Some(end) = end {
                self.end(i, end, out);
            }
        }
        let more = !left.is_empty();
        self.ending = Some(left);
        more
    }

    /// What happened so far.
    pub fn stats(&self) -> FlowStats {
        FlowStats { peak_stream_bytes: self.memory.peak as u64, ..self.stats }
    }

    /// Flows alive now, timed out but not yet swept ones included.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Is no flow alive?
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The application layer.
    pub fn app_mut(&mut self) -> &mut A {
        &mut self.app
    }

    fn living(&self) -> Vec<u32> {
        let mut all: Vec<(u64, u8, u32)> = (0u32..)
            .zip(&self.slots)
            .filter(|(_, s)| !s.has(FREE))
            .map(|(i, s)| (s.first_packet, s.level, i))
            .collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        all.into_iter().map(|(_, _, i)| i).collect()
    }

    fn address(&self, slot: &Slot<A::State>, value: u32) -> Ip {
        if slot.has(INLINE_ADDRESSES) {
            Ip::v4(value.to_be_bytes())
        } else {
            self.addresses.get(value).copied().unwrap_or_default()
        }
    }

    fn tuple(&self, slot: &Slot<A::State>) -> Tuple {
        let ([src, dst], [src_port, dst_port]) = (slot.addresses, slot.ports);
        Tuple {
            src: self.address(slot, src),
            dst: self.address(slot, dst),
            src_port,
            dst_port,
            protocol: slot.protocol,
        }
    }

    fn view(&self, slot: &Slot<A::State>) -> FlowView {
        FlowView {
            id: FlowId::new(self.capture, slot.first_packet, slot.level),
            tuple: self.tuple(slot),
            first_ts: slot.first_ts,
            saw_start: match &slot.state {
                State::Tcp(c) => c.tcp.saw_start(),
                _ => slot.is_tcp(),
            },
        }
    }

    /// The key of a living flow, for its place in the index.
    fn hash_of(&self, slot: &Slot<A::State>) -> u64 {
        let link = self.links.get(slot.link);
        let tunnel = link.and_then(|l| l.tunnel.clone());
        let vlans = link.filter(|_| self.vlan_in_key).map(|l| (l.vlan, l.inner_vlan));
        FlowKey::of_flow(self.tuple(slot), slot.has(TWO_WAY), slot.has(BARE), slot.level, vlans, &tunnel)
            .hash(&self.hasher)
    }

    fn find(&self, key: &FlowKey<'_>, hash: u64) -> Option<(u32, Side)> {
        let mut side = None;
        let i = self.index.find(hash, |&i| {
            side = self.slots.get(i as usize).and_then(|slot| self.sender_in(key, slot));
            side.is_some()
        })?;
        Some((*i, side?))
    }

    /// If the flow in `slot` has this key: which end sent the packet?
    fn sender_in(&self, key: &FlowKey<'_>, slot: &Slot<A::State>) -> Option<Side> {
        let side = key.sender_in(&self.tuple(slot))?;
        if slot.level != key.level() || slot.has(BARE) != key.bare() || slot.has(TWO_WAY) != key.two_way() {
            return None;
        }
        if slot.has(TUNNELLED) || key.tunnel().is_some() || key.vlans().is_some() {
            let link = self.links.get(slot.link)?;
            let vlans_equal = key.vlans().is_none_or(|v| v == (link.vlan, link.inner_vlan));
            if link.tunnel != *key.tunnel() || !vlans_equal {
                return None;
            }
        }
        Some(side)
    }

    /// An ICMP error quotes a packet of this flow.
    fn quoted(&mut self, d: &Decoded, found: Option<(u32, Side)>) {
        let Some((i, _)) = found.filter(|&(i, _)| self.timed_out(i, d.ts).is_none()) else { return };
        if let Some(slot) = self.slots.get_mut(i as usize) {
            slot.icmp_error = d.icmp.into();
            slot.flags |= ICMP_ERROR;
        }
    }

    /// Does the found flow end before this packet, by silence or because the packet opens the next connection?
    fn ends_before(&mut self, i: u32, side: Side, d: &Decoded, out: &mut Vec<Event>) -> bool {
        let end = self.timed_out(i, d.ts).or_else(|| {
            let slot = self.slots.get(i as usize)?;
            let reuse = match &slot.state {
                State::Tcp(c) => c.tcp.is_reuse(side, &Segment::of(d)),
                State::Young(y) if slot.is_tcp() => {
                    let seg = Segment::of(d);
                    side == Side::Orig && seg.syn() && !seg.is_ack() && seg.seq != y.seq
                }
                _ => false,
            };
            let at = At { ts: d.ts, packet: d.packet };
            reuse.then_some(End { reason: EndReason::Closed, at })
        });
        let Some(end) = end else { return false };
        self.end(i, end, out);
        true
    }

    /// How a flow ends, if it has timed out at `now`. Its packet is its own last one, whoever notices.
    fn timed_out(&self, i: u32, now: Timestamp) -> Option<End> {
        let slot = self.slots.get(i as usize)?;
        let deadline = self.timeouts.deadline(slot.class, slot.last_ts);
        let closed = slot.class == Class::Closed;
        (now >= deadline).then(|| End {
            reason: if closed { EndReason::Closed } else { EndReason::Idle },
            at: At { ts: deadline, packet: slot.last().0 },
        })
    }

    /// When a sweep takes this flow. The same for all flows of a class that were last active in the same tick, so that
    /// none hides behind another.
    fn sweep_time(&self, i: u32) -> Timestamp {
        self.slots.get(i as usize).map_or(Timestamp::MAX, |slot| {
            self.timeouts.deadline(slot.class, tick_end(slot.last_ts)).plus(DISORDER)
        })
    }

    fn sweep(&mut self, now: Timestamp, out: &mut Vec<Event>) {
        loop {
            let due = self.queues.heads().find(|&i| self.sweep_time(i) <= now);
            let Some(end) = due.and_then(|i| Some((i, self.timed_out(i, now)?))) else { break };
            self.end(end.0, end.1, out);
        }
        self.next_sweep = self.queues.heads().map(|i| self.sweep_time(i)).min().unwrap_or(Timestamp::MAX);
    }

    /// Give up the flow that was silent longest.
    fn evict(&mut self, d: &Decoded, out: &mut Vec<Event>) {
        let last = |i: u32| self.slots.get(i as usize).map_or(i64::MAX, |s| tick(s.last_ts));
        let Some(i) = self.queues.heads().min_by_key(|&i| last(i)) else { return };
        self.stats.evicted += 1;
        let at = At { ts: d.ts, packet: d.packet };
        if is_milestone(self.stats.evicted.try_into().unwrap_or(u32::MAX)) {
            let detail = Detail::Number(self.stats.evicted);
            out.push(weird(WeirdKind::FlowTableFull, at, d.src, None, detail));
        }
        self.end(i, End { reason: EndReason::Evicted, at }, out);
    }

    /// A new flow, still without its first packet; the end that sends it.
    fn begin(&mut self, key: &FlowKey<'_>, hash: u64, d: &Decoded, out: &mut Vec<Event>) -> (u32, Side) {
        if self.index.len() >= self.max_flows {
            self.evict(d, out);
        }
        let flipped = first_comes_from_responder(d);
        let t = key.tuple();
        let (mut addresses, mut ports, mut flags) = ([0; 2], [t.src_port, t.dst_port], 0);
        match (v4_number(t.src), v4_number(t.dst)) {
            (Some(src), Some(dst)) => {
                addresses = [src, dst];
                flags |= INLINE_ADDRESSES;
            }
            _ => {
                for (place, ip) in addresses.iter_mut().zip([t.src, t.dst]) {
                    *place = self.addresses.acquire(&ip);
                }
            }
        }
        if flipped {
            addresses.reverse();
            ports.reverse();
        }
        let link = self.links.acquire(&Link {
            src_mac: d.src_mac,
            dst_mac: d.dst_mac,
            vlan: d.vlan,
            inner_vlan: d.inner_vlan,
            tunnel: d.tunnel.clone(),
        });
        for (flag, set) in [
            (VERSION_6, d.ip_version == 6),
            (FLIPPED, flipped),
            (TUNNELLED, d.tunnel.is_some()),
            (BARE, key.bare()),
            (TWO_WAY, key.two_way()),
        ] {
            flags |= if set { flag } else { 0 };
        }
        let mut slot = Slot {
            addresses,
            ports,
            link,
            first_ts: d.ts,
            last_ts: d.ts,
            first_packet: d.packet,
            first_offset: d.file_offset,
            first_file: d.file_no,
            protocol: d.protocol,
            flags,
            level: d.level,
            ..Slot::free()
        };
        slot.class = slot.class_now();
        let i = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(i as usize) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        self.queues.push(&mut self.slots, i);
        // The index must not be borrowed by its own hasher.
        let mut index = std::mem::take(&mut self.index);
        index.insert_unique(hash, i, |&other| {
            self.slots.get(other as usize).map_or(0, |slot| self.hash_of(slot))
        });
        self.index = index;
        self.stats.flows += 1;
        self.stats.peak_flows = self.stats.peak_flows.max(self.index.len() as u64);
        (i, if flipped { Side::Resp } else { Side::Orig })
    }

    /// A flow is over: its row, and its place for another.
    fn end(&mut self, i: u32, end: End, out: &mut Vec<Event>) {
        let Some(slot) = self.slots.get_mut(i as usize).filter(|s| !s.has(FREE)) else { return };
        let silent = slot.is_silent();
        if silent {
            slot.first_packet = self.carried.number();
        }
        let Some(slot) = self.slots.get(i as usize) else { return };
        let (hash, view) = (self.hash_of(slot), self.view(slot));
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == i) {
            entry.remove();
        }
        self.queues.remove(&mut self.slots, i);
        let Some(place) = self.slots.get_mut(i as usize) else { return };
        let mut slot = std::mem::replace(place, Slot::free());
        self.free.push(i);
        let state = match &mut slot.state {
            State::Young(_) => None,
            State::Datagrams(f) => f.app.take(),
            State::Tcp(c) => {
                c.tcp.clear(Side::Orig, &mut self.memory);
                c.tcp.clear(Side::Resp, &mut self.memory);
                c.app.take()
            }
        };
        let told = self.app.told();
        let summary = self.app.end(&view, state.map(|s| *s), end.at);
        let told = self.app.told() > told;
        let link = self.links.get(slot.link).cloned().unwrap_or_default();
        self.links.release(slot.link);
        if !slot.has(INLINE_ADDRESSES) {
            slot.addresses.into_iter().for_each(|id| self.addresses.release(id));
        }
        let shape = self.shapes.get(slot.shape()).copied();
        self.shapes.release(slot.shape());
        let all = FlowRecord { syn: shape, ..record(&slot, &view, link, summary, end.reason) };
        out.push(Event {
            ts: end.at.ts,
            known: end.at.ts,
            packet: end.at.packet,
            host: view.tuple.src,
            body: self.carried.end(i, all, silent.then_some(told)),
        });
    }
}

/// An IPv4 address as a number.
fn v4_number(ip: Ip) -> Option<u32> {
    ip.is_v4().then(|| ip.wire().try_into().ok().map(u32::from_be_bytes)).flatten()
}

fn weird(kind: WeirdKind, at: At, host: Ip, flow_id: Option<FlowId>, detail: Detail) -> Event {
    let weird = Weird { kind, ts: at.ts, packet: at.packet, flow_id, detail };
    Event { ts: at.ts, known: at.ts, packet: at.packet, host, body: Body::Weird(weird) }
}

#[cfg(test)]
mod tests;
