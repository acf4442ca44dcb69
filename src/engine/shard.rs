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

/// One shard.
pub(super) struct Shard {
    number: usize,
    pub(super) table: FlowTable<Dispatcher>,
    events: Vec<Event>,
    /// Events by host shard, in packet order.
    pub(super) by_host: Vec<Vec<Event>>,
}

impl Shard {
    pub(super) fn new(number: usize, table: FlowTable<Dispatcher>) -> Self {
        Self { number, table, events: Vec::new(), by_host: (0..SHARDS).map(|_| Vec::new()).collect() }
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

    fn regroup(&mut self) {
        // A record is known before the end of the flow that carried it: the stable sort by packet keeps that order.
        let mut all = Vec::new();
        self.table.app_mut().take_events(&mut all);
        all.append(&mut self.events);
        all.sort_by_key(|e| e.packet);
        for event in all {
            if let Some(bucket) = self.by_host.get_mut(shard_of(pair_hash(event.host, event.host))) {
                bucket.push(event);
            }
        }
    }
}
