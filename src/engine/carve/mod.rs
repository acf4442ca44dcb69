//! Which packets of a capture belong to these flows?
//!
//! The packets are decoded and keyed by the same code that made the flows, so tunnels, ICMP pairs and fragments are told as
//! they were then; no filter expression is involved. A fragment is held until its datagram shows whose it is, which keeps
//! the packets in their order. Findings that have no flow (ARP …) ask for the packets of hosts instead. Refuses to judge whether the file is
//! still the one that was read: who asks compares [`Carver::found`] with what the flows say.

mod held;
#[cfg(test)]
mod tests;

use crate::decode::{self, Arp, Decoded, Decoder, Defragmenter, Layers, Role};
use crate::flow::FlowKey;
use crate::model::addr::Ip;
use crate::model::flow::{Position, Tuple};
use crate::model::ids::FlowId;
use crate::model::packet::{Batch, PacketRef, RawPacket};
use crate::model::time::{Timestamp, secs};
use held::Held;
use std::collections::{BTreeMap, BTreeSet};

/// A flow whose packets are wanted.
#[derive(Clone, Debug)]
pub struct WantedFlow {
    /// Its identity; the tunnel level is in it.
    pub id: FlowId,
    /// Who spoke to whom.
    pub tuple: Tuple,
    /// Tunnels around it.
    pub tunnel: Option<String>,
    /// Outer and inner VLAN, where they are part of a flow's identity.
    pub vlans: Option<(Option<u16>, Option<u16>)>,
    /// Its first packet.
    pub first: Position,
    /// Its last packet.
    pub last: Position,
    /// Time of the first packet.
    pub first_ts: Timestamp,
    /// Time of the last packet.
    pub last_ts: Timestamp,
    /// Packets that it has, every fragment counted.
    pub packets: u64,
}

/// Hosts whose packets are wanted: what a finding without flows is about.
#[derive(Clone, Debug, Default)]
pub struct WantedHosts {
    /// The addresses: at either end of a packet, or named by ARP or a neighbour message.
    pub addresses: BTreeSet<Ip>,
    /// From this time.
    pub from: Timestamp,
    /// Until this time, inclusive.
    pub until: Timestamp,
    /// Packets by number in the capture, whoever sent them.
    pub packets: BTreeSet<u64>,
}

/// What is wanted of one capture.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Flows.
    pub flows: Vec<WantedFlow>,
    /// Hosts.
    pub hosts: Vec<WantedHosts>,
}

/// How the first and last packet of a flow bound the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Files are read one after the other: by file and offset.
    Position,
    /// Files are merged by time, and all packets are read: by number.
    Number,
    /// Files are merged and a filter was in force, so numbers do not tell: by time.
    Time,
}

/// Why a packet was taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// It belongs to the flow at this index of [`Wanted::flows`].
    Flow(u32),
    /// To the hosts at this index of [`Wanted::hosts`].
    Hosts(u32),
}

/// A packet that was taken.
#[derive(Clone, Debug)]
pub struct Carved {
    /// What its record said; `start` means nothing any more.
    pub meta: PacketRef,
    /// Its captured bytes.
    pub data: Vec<u8>,
    /// Why, each once, in order.
    pub reasons: Vec<Reason>,
}

/// Both directions of a conversation in one key, with what else is cheap to compare.
type Pair = ((Ip, u16), (Ip, u16), u8, u8);

fn pair(t: &Tuple, level: u8) -> Pair {
    let (a, b) = ((t.src, t.src_port), (t.dst, t.dst_port));
    (a.min(b), a.max(b), t.protocol, level)
}

/// Takes the wanted packets out of batches.
#[derive(Debug)]
pub struct Carver {
    wanted: Wanted,
    order: Order,
    by_pair: BTreeMap<Pair, Vec<u32>>,
    decoder: Decoder,
    defragmenter: Defragmenter,
    /// Nanoseconds that fragments wait for each other.
    patience: i64,
    vlan_in_key: bool,
    layers: Layers,
    held: Held,
    found: Vec<u64>,
    /// Packets seen; the decoder's numbers, so that fragments find back to their packets.
    seen: u64,
}

impl Carver {
    /// A carver for what is wanted of one capture. The settings must be those the capture was read with.
    pub fn new(wanted: Wanted, order: Order, decode: &decode::Config, vlan_in_key: bool) -> Self {
        let mut by_pair: BTreeMap<Pair, Vec<u32>> = BTreeMap::new();
        for (i, flow) in wanted.flows.iter().enumerate() {
            by_pair.entry(pair(&flow.tuple, flow.id.level())).or_default().push(i as u32);
        }
        Self {
            found: vec![0; wanted.flows.len()],
            wanted,
            order,
            by_pair,
            decoder: Decoder::new(decode),
            defragmenter: Defragmenter::new(decode),
            patience: secs(decode.fragment_timeout_s),
            vlan_in_key,
            layers: Layers::default(),
            held: Held::default(),
            seen: 0,
        }
    }

    /// What is wanted.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Packets found so far of each wanted flow, counted as the flow counts them: of a flow in a tunnel, a packet whose outer
    /// datagram came in fragments counts once.
    pub fn found(&self) -> &[u64] {
        &self.found
    }

    /// Look at the next packets; wanted ones are given to `take` in the order of the capture.
    pub fn batch<E>(
        &mut self,
        batch: &Batch,
        take: &mut dyn FnMut(Carved) -> Result<(), E>,
    ) -> Result<(), E> {
        for index in 0..batch.packets.len() {
            let Some(packet) = batch.get(index) else { continue };
            self.packet(&packet);
            self.held.release(take)?;
        }
        Ok(())
    }

    /// No more packets will come (of this part of the capture).
    pub fn finish<E>(&mut self, take: &mut dyn FnMut(Carved) -> Result<(), E>) -> Result<(), E> {
        let mut layers = std::mem::take(&mut self.layers);
        layers.clear();
        self.defragmenter.finish(&mut layers);
        self.settle(&layers);
        self.layers = layers;
        self.held.give_up();
        self.held.release(take)
    }

    fn packet(&mut self, packet: &RawPacket<'_>) {
        self.seen += 1;
        let own = RawPacket { number: self.seen, ..*packet };
        let mut layers = std::mem::take(&mut self.layers);
        layers.clear();
        self.decoder.decode(&own, 0, &mut layers);
        let place = Place { number: packet.number, meta: packet.meta };
        let mut reasons: Vec<Reason> = Vec::new();
        for item in layers.items.iter().filter(|d| d.role == Role::Packet) {
            for flow in self.flows_of(item, &[place]) {
                self.count(flow, item);
                if !reasons.contains(&Reason::Flow(flow)) {
                    reasons.push(Reason::Flow(flow));
                }
            }
        }
        self.hosts_of(&layers, &place, &mut reasons);
        let fragments = std::mem::take(&mut layers.fragments);
        if !reasons.is_empty() || !fragments.is_empty() {
            self.held.add(self.seen, place, packet.data, reasons);
        }
        layers.clear();
        for fragment in &fragments {
            self.held.wait(self.seen, fragment);
            let mut datagrams = Vec::new();
            self.defragmenter.push(&self.decoder, fragment, packet.data, &mut layers, &mut datagrams);
        }
        self.defragmenter.advance(packet.meta.ts, &mut layers);
        self.settle(&layers);
        layers.fragments = fragments;
        self.layers = layers;
    }

    /// Datagrams became whole, or were given up: the packets of their fragments have an owner now.
    fn settle(&mut self, layers: &Layers) {
        for item in layers.items.iter().filter(|d| d.role == Role::Packet) {
            let Some(group) = self.held.group_of(item.packet) else { continue };
            let places = self.held.places(&group);
            for flow in self.flows_of(item, &places) {
                self.count(flow, item);
                self.held.give(&group, Reason::Flow(flow));
            }
        }
        self.held.settled(layers.items.iter().map(|d| d.packet));
    }

    /// A layer was found, which the flow counts as so many packets.
    fn count(&mut self, flow: u32, item: &Decoded) {
        if let Some(found) = self.found.get_mut(flow as usize) {
            *found += u64::from(item.fragments);
        }
    }

    /// The wanted flows that a layer belongs to. `places`: its packet, or those of its fragments.
    fn flows_of(&self, item: &Decoded, places: &[Place]) -> Vec<u32> {
        let key = FlowKey::of(item, self.vlan_in_key);
        let mut flows = Vec::new();
        for i in self.by_pair.get(&pair(&key.tuple(), key.level())).into_iter().flatten() {
            let Some(flow) = self.wanted.flows.get(*i as usize) else { continue };
            let vlan = |v: u16| (v != decode::NO_VLAN).then_some(v);
            let same_vlans = match (flow.vlans, key.vlans()) {
                (Some(wanted), Some((outer, inner))) => wanted == (vlan(outer), vlan(inner)),
                _ => true,
            };
            if same_vlans
                && key.sender_in(&flow.tuple).is_some()
                && key.tunnel().as_deref() == flow.tunnel.as_deref()
                && places.iter().any(|p| self.within(flow, p, places.len() > 1))
            {
                flows.push(*i);
            }
        }
        flows
    }

    /// Does a packet lie between the first and the last of a flow? Fragments that were given up come late: they may be older.
    fn within(&self, flow: &WantedFlow, place: &Place, fragmented: bool) -> bool {
        let (first, last) = (&flow.first, &flow.last);
        let here = (place.meta.file_no, place.meta.file_offset);
        let (after, before) = match self.order {
            Order::Position => ((first.file_no, first.offset) <= here, here <= (last.file_no, last.offset)),
            Order::Number => (first.packet <= place.number, place.number <= last.packet),
            Order::Time => (flow.first_ts <= place.meta.ts, place.meta.ts <= flow.last_ts),
        };
        let nearly = fragmented && place.meta.ts.plus(self.patience) >= flow.first_ts;
        (after || nearly) && before
    }

    fn hosts_of(&self, layers: &Layers, place: &Place, reasons: &mut Vec<Reason>) {
        for (i, hosts) in self.wanted.hosts.iter().enumerate() {
            let about = |a: &Ip, b: &Ip| hosts.addresses.contains(a) || hosts.addresses.contains(b);
            let named = |a: &Arp| about(&a.sender_ip, &a.target_ip);
            let in_time = (hosts.from..=hosts.until).contains(&place.meta.ts);
            let wanted = hosts.packets.contains(&place.number)
                || (in_time
                    && (layers.items.iter().any(|d| d.role == Role::Packet && about(&d.src, &d.dst))
                        || layers.fragments.iter().any(|f| about(&f.head.src, &f.head.dst))
                        || layers.arps.iter().any(named)));
            if wanted {
                reasons.push(Reason::Hosts(i as u32));
            }
        }
    }
}

/// Which packet it is, in its capture.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: u64,
    meta: PacketRef,
}
