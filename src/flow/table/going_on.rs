//! What is told of flows that go on, now and when the capture is cut?
//!
//! A stream shows flows that last. Where it is cut each living flow gets its row in the capture that ends, and goes on as it is: state, parser, originator, service. What it counted until then is kept beside the
//! table, 150 bytes a flow, so that its row in the next capture counts what came after, and whoever judges sees all of it once. Its first
//! packet after the cut begins its places and its id anew. One that stays silent has no row there, save when its parser has something left to say.
//! Refuses to write a row for a flow twice.

use super::FlowTable;
use crate::flow::Application;
use crate::flow::config::Class;
use crate::flow::record::record;
use crate::flow::slot::{Slot, State};
use crate::model::event::{Body, Event};
use crate::model::flow::{EndReason, FlowRecord, Position, SideTotals};
use crate::model::ids::{CaptureNo, FlowId};
use crate::model::time::Timestamp;
use hashbrown::HashMap;

/// Flows without a packet in their capture are numbered from here on: more than a capture has packets (a day at 1.5 million a second).
const WITHOUT_PACKETS: u64 = 1 << 37;
/// Numbers that each shard has for them.
const NUMBERS: u64 = 1 << 32;

/// What a flow had when the capture was cut last.
#[derive(Clone, Copy, Debug)]
struct Before {
    /// Its last row.
    id: FlowId,
    /// Time of its very first packet.
    began: Timestamp,
    orig: SideTotals,
    resp: SideTotals,
}

/// Flows that began before a cut.
#[derive(Debug, Default)]
pub(super) struct Carried {
    flows: HashMap<u32, Before>,
    next: u64,
}

impl Carried {
    /// A number for a flow that has no packet in its capture.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        WITHOUT_PACKETS + self.next
    }

    /// What of a flow belongs to the capture at hand.
    pub(super) fn part(&self, i: u32, all: FlowRecord) -> FlowRecord {
        match self.flows.get(&i) {
            Some(before) => before.part(all),
            None => all,
        }
    }

    /// A flow ended. `silent`: it had no packet in the capture at hand; did its parser say something there all the same?
    pub(super) fn end(&mut self, i: u32, all: FlowRecord, silent: Option<bool>) -> Body {
        let Some(before) = self.flows.remove(&i) else { return Body::Flow(Box::new(all)) };
        let id = if silent.is_some() { before.id } else { all.id };
        let whole = FlowRecord { id, first_ts: before.began, began: before.began, ..all.clone() };
        let nowhere = Position::default();
        let part = match silent {
            None => Some(before.part(all)),
            Some(true) => {
                let part = before.part(all);
                Some(FlowRecord { first_ts: part.last_ts, first: nowhere, last: nowhere, ..part })
            }
            Some(false) => None,
        };
        Body::Continued { part: part.map(Box::new), whole: Box::new(whole) }
    }
}

impl Before {
    fn part(&self, all: FlowRecord) -> FlowRecord {
        let (orig, resp) = (less(all.orig, &self.orig), less(all.resp, &self.resp));
        FlowRecord { orig, resp, began: self.began, ..all }
    }
}

/// What came after `before`; flags and TTL are those of the whole.
fn less(all: SideTotals, before: &SideTotals) -> SideTotals {
    SideTotals {
        packets: all.packets.saturating_sub(before.packets),
        bytes: all.bytes.saturating_sub(before.bytes),
        ip_bytes: all.ip_bytes.saturating_sub(before.ip_bytes),
        stream_bytes: all.stream_bytes.saturating_sub(before.stream_bytes),
        missed_bytes: all.missed_bytes.saturating_sub(before.missed_bytes),
        retransmits: all.retransmits.saturating_sub(before.retransmits),
        ..all
    }
}

impl<A: Application> FlowTable<A> {
    /// Tell of the flows that began until `began` and were active after `active`, in the order of their first packets. They go on.
    pub fn still_open(&self, began: Timestamp, active: Timestamp, out: &mut Vec<Event>) {
        for i in self.living().into_iter().rev() {
            let Some(slot) = self.slots.get(i as usize) else { continue };
            let over = slot.class == Class::Closed || self.timed_out(i, self.now).is_some();
            if over || slot.is_silent() || slot.first_ts > began || slot.last_ts <= active {
                continue;
            }
            let row = self.carried.part(i, self.so_far(slot, EndReason::Open));
            out.push(self.event_of(slot, self.now, Body::Open(Box::new(row))));
        }
    }

    /// All of a flow that goes on, as it is now.
    fn so_far(&self, slot: &Slot<A::State>, reason: EndReason) -> FlowRecord {
        let view = self.view(slot);
        let state = match &slot.state {
            State::Young(_) => None,
            State::Datagrams(f) => f.app.as_deref(),
            State::Tcp(c) => c.app.as_deref(),
        };
        let link = self.links.get(slot.link).cloned().unwrap_or_default();
        let syn = self.shapes.get(slot.shape()).copied();
        FlowRecord { syn, ..record(slot, &view, link, self.app.so_far(&view, state), reason) }
    }

    fn event_of(&self, slot: &Slot<A::State>, ts: Timestamp, body: Body) -> Event {
        Event { ts, known: ts, packet: slot.last().0, host: self.tuple(slot).src, body }
    }

    /// The capture is cut: tell of at most `limit` flows, in the order of their first packets; they go on. True while more are left.
    pub fn cut(&mut self, limit: usize, out: &mut Vec<Event>) -> bool {
        let mut left = self.ending.take().unwrap_or_else(|| self.living());
        for _ in 0..limit {
            let Some(i) = left.pop() else { break };
            match self.timed_out(i, self.now) {
                Some(end) => self.end(i, end, out),
                None => self.carry(i, out),
            }
        }
        let more = !left.is_empty();
        self.ending = Some(left);
        more
    }

    /// The next capture has this number; the table is that of shard `shard`.
    pub fn go_on(&mut self, capture: CaptureNo, shard: usize) {
        self.capture = capture;
        self.ending = None;
        self.carried.next = NUMBERS * shard as u64;
    }

    /// The row of a flow in the capture that ends.
    fn carry(&mut self, i: u32, out: &mut Vec<Event>) {
        let Some(slot) = self.slots.get(i as usize).filter(|s| !s.is_silent()) else { return };
        let closed = slot.class == Class::Closed;
        let all = self.so_far(slot, if closed { EndReason::Closed } else { EndReason::CaptureEnd });
        let (id, orig, resp) = (all.id, all.orig, all.resp);
        let row = self.carried.part(i, all);
        let before = Before { id, began: row.began, orig, resp };
        out.push(self.event_of(slot, self.now, Body::Cut(Box::new(row))));
        self.carried.flows.insert(i, before);
        if let Some(slot) = self.slots.get_mut(i as usize) {
            slot.go_silent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::testing::{ip4, udp};
    use crate::flow::{Budget, Config};
    use crate::model::flow::Side;

    /// Hears of every flow that ends, and says something of those that are told to.
    #[derive(Default)]
    struct Talker {
        talks: bool,
        said: u64,
    }

    impl Application for Talker {
        type State = ();

        fn open(&mut self, _: &crate::flow::FlowView) -> Option<()> {
            Some(())
        }

        fn data(
            &mut self,
            _: &crate::flow::FlowView,
            (): &mut (),
            _: Side,
            _: crate::flow::At,
            _: &[u8],
            _: u32,
        ) -> crate::flow::Interest {
            crate::flow::Interest::More
        }

        fn gap(
            &mut self,
            _: &crate::flow::FlowView,
            (): &mut (),
            _: Side,
            _: crate::flow::At,
            _: u64,
        ) -> crate::flow::Interest {
            crate::flow::Interest::More
        }

        fn told(&self) -> u64 {
            self.said
        }

        fn end(
            &mut self,
            _: &crate::flow::FlowView,
            _: Option<()>,
            _: crate::flow::At,
        ) -> crate::flow::AppSummary {
            self.said += u64::from(self.talks);
            crate::flow::AppSummary::default()
        }
    }

    const SEC: i64 = 1_000_000_000;

    fn table(talks: bool) -> FlowTable<Talker> {
        let budget = Budget { max_flows: 10, stream_bytes: 1_000 };
        FlowTable::new(&Config::default(), CaptureNo(1), budget, Talker { talks, said: 0 })
    }

    /// Rows by kind: packets of both sides, and the capture in the id.
    fn told(events: &[Event]) -> Vec<(&'static str, u64, i64)> {
        let row = |kind, f: &FlowRecord| (kind, f.orig.packets + f.resp.packets, f.id.0 >> 40);
        let one = |e: &Event| match &e.body {
            Body::Flow(f) => vec![row("flow", f)],
            Body::Cut(f) => vec![row("cut", f)],
            Body::Continued { part, whole } => {
                part.iter().map(|f| row("part", f)).chain([row("whole", whole)]).collect()
            }
            other => panic!("{other:?}"),
        };
        events.iter().flat_map(one).collect()
    }

    fn cut(table: &mut FlowTable<Talker>, next: u32, out: &mut Vec<Event>) {
        while table.cut(1, out) {}
        table.go_on(CaptureNo(next), 3);
    }

    #[test]
    fn each_capture_has_its_part_and_the_end_has_all() {
        let mut t = table(false);
        let packet = |n, ts| udp(n, ts * SEC, (ip4(1), 1_000), (ip4(2), 2_000), 5);
        let mut out = Vec::new();
        for n in 1..=3 {
            t.packet(&packet(n, n as i64), &[0; 64], &mut out);
        }
        cut(&mut t, 2, &mut out);
        t.packet(&packet(1, 10), &[0; 64], &mut out);
        cut(&mut t, 3, &mut out);
        // Silent in the third.
        cut(&mut t, 4, &mut out);
        t.packet(&packet(1, 20), &[0; 64], &mut out);
        t.packet(&packet(2, 21), &[0; 64], &mut out);
        t.finish(10, &mut out);
        assert_eq!(told(&out), [("cut", 3, 1), ("cut", 1, 2), ("part", 2, 4), ("whole", 6, 4)]);
        let Some(Body::Continued { part: Some(part), whole }) = out.last().map(|e| &e.body) else { panic!() };
        assert_eq!((part.first_ts, part.first.packet, part.last.packet), (Timestamp(20 * SEC), 1, 2));
        assert_eq!((whole.first_ts, part.began), (Timestamp(SEC), Timestamp(SEC)));
        assert!(t.carried.flows.is_empty());
    }

    #[test]
    fn a_silent_flow_has_no_row_unless_something_is_said_of_it() {
        for (talks, expected) in [
            (false, vec![("cut", 1, 1), ("whole", 1, 1)]),
            (true, vec![("cut", 1, 1), ("part", 0, 2), ("whole", 1, 1)]),
        ] {
            let mut t = table(talks);
            let mut out = Vec::new();
            t.packet(&udp(7, SEC, (ip4(1), 1_000), (ip4(2), 2_000), 5), &[0; 64], &mut out);
            cut(&mut t, 2, &mut out);
            t.finish(10, &mut out);
            assert_eq!(told(&out), expected);
        }
    }

    /// What the documents say of the cost of a cut.
    #[test]
    fn what_is_kept_of_a_flow_is_small() {
        assert!(size_of::<(u32, Before)>() <= 120, "{}", size_of::<(u32, Before)>());
    }
}
