//! What happens to the packets of one shard of address pairs?
//!
//! Flows and protocol parsers of the shard, in packet order; what comes out is bucketed by the host it is counted on.

use super::front::Prepared;
use super::{SHARDS, shard_of};
use crate::decode::pair_hash;
use crate::flow::FlowTable;
use crate::model::event::Event;
use crate::model::ids::CaptureNo;
use crate::model::time::Timestamp;
use crate::protocol::dispatch::Dispatcher;

/// Room that an emptied list keeps: what a batch fills as a rule. A burst does not hold memory for good.
const LIST_ROOM: usize = 256;

/// One shard.
pub(super) struct Shard {
    number: usize,
    pub(super) table: FlowTable<Dispatcher>,
    /// What flows and what parsers said in the step at hand.
    events: Vec<Event>,
    records: Vec<Event>,
    /// Events by host shard, in packet order.
    pub(super) by_host: Vec<Vec<Event>>,
}

impl Shard {
    pub(super) fn new(number: usize, table: FlowTable<Dispatcher>) -> Self {
        let by_host = (0..SHARDS).map(|_| Vec::new()).collect();
        Self { number, table, events: Vec::new(), records: Vec::new(), by_host }
    }

    /// Take the shard's packets of a batch, then let time pass up to `now`.
    pub(super) fn run(&mut self, prepared: &Prepared, now: Option<Timestamp>) {
        for (item, bytes) in prepared.of_shard(self.number) {
            self.table.packet(item, bytes, &mut self.events);
        }
        if let Some(now) = now {
            self.table.advance(now, &mut self.events);
        }
        self.regroup();
    }

    /// A tick without packets.
    pub(super) fn tick(&mut self, now: Timestamp) {
        self.table.advance(now, &mut self.events);
        self.regroup();
    }

    /// Flows that began until `began`, were active after `active` and go on.
    pub(super) fn still_open(&mut self, began: Timestamp, active: Timestamp) {
        self.table.still_open(began, active, &mut self.events);
        self.regroup();
    }

    /// At the end: at most `limit` flows; true while more are left.
    pub(super) fn finish(&mut self, limit: usize) -> bool {
        let more = self.table.finish(limit, &mut self.events);
        self.regroup();
        more
    }

    /// The capture is cut: at most `limit` flows; true while more are left.
    pub(super) fn cut(&mut self, limit: usize) -> bool {
        let more = self.table.cut(limit, &mut self.events);
        self.regroup();
        more
    }

    /// The next capture has this number.
    pub(super) fn go_on(&mut self, capture: CaptureNo) {
        self.table.go_on(capture, self.number);
    }

    /// What hit a cap, by name.
    pub(super) fn caps_hit(&mut self) -> impl Iterator<Item = (&'static str, u64)> {
        let flow = self.table.stats();
        let parsing = self.table.app_mut().caps().named();
        [
            ("flows_evicted", flow.evicted),
            ("stream_buffer_full", flow.buffer_full),
            ("stream_memory_full", flow.memory_full),
        ]
        .into_iter()
        .chain(parsing)
    }

    /// Merge both lists in packet order, by host shard. Each event is moved once: they are large, and there are about as many as flows.
    fn regroup(&mut self) {
        self.table.app_mut().take_events(&mut self.records);
        for list in [&mut self.records, &mut self.events] {
            if !list.is_sorted_by_key(|e| e.packet) {
                list.sort_by_key(|e| e.packet);
            }
        }
        let (mut records, mut flows) = (self.records.drain(..), self.events.drain(..));
        loop {
            // A record is known before the end of the flow that carried it.
            let record_first = match (records.as_slice().first(), flows.as_slice().first()) {
                (Some(record), Some(flow)) => record.packet <= flow.packet,
                (record, _) => record.is_some(),
            };
            let Some(event) = (if record_first { records.next() } else { flows.next() }) else { break };
            if let Some(bucket) = self.by_host.get_mut(shard_of(pair_hash(event.host, event.host))) {
                bucket.push(event);
            }
        }
        drop((records, flows));
        self.records.shrink_to(LIST_ROOM);
        self.events.shrink_to(LIST_ROOM);
    }
}
