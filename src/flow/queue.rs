//! Which flow was silent longest?
//!
//! One queue for each timeout, in the order of last activity, as links inside the slots: no timers, no allocation, and a
//! gap of ten years costs what a second costs. A flow moves at most once a tick (1.07 s), so that the order is exact to a
//! tick and a busy flow costs nothing.

use super::config::{CLASSES, Class};
use super::slot::{NIL, Slot};
use crate::model::time::Timestamp;

/// A tick is 2^30 ns.
const TICK_BITS: u32 = 30;

/// The tick of a time.
pub(super) fn tick(ts: Timestamp) -> i64 {
    ts.0 >> TICK_BITS
}

/// The time when a tick is over.
pub(super) fn tick_end(ts: Timestamp) -> Timestamp {
    Timestamp(tick(ts).saturating_add(1).saturating_mul(1 << TICK_BITS))
}

/// First and last flow of each class.
#[derive(Debug)]
pub(super) struct Queues([[u32; 2]; CLASSES]);

impl Queues {
    /// All empty.
    pub(super) fn new() -> Self {
        Self([[NIL; 2]; CLASSES])
    }

    /// The flows that were silent longest, one for each class that has any.
    pub(super) fn heads(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|[head, _]| *head).filter(|&i| i != NIL)
    }

    /// Put a flow at the end of its class.
    pub(super) fn push<S>(&mut self, slots: &mut [Slot<S>], i: u32) {
        let Some(slot) = slots.get_mut(i as usize) else { return };
        let Some([head, tail]) = self.0.get_mut(slot.class as usize) else { return };
        (slot.before, slot.after) = (*tail, NIL);
        match slots.get_mut(*tail as usize) {
            Some(last) => last.after = i,
            None => *head = i,
        }
        *tail = i;
    }

    /// Take a flow out of its class.
    pub(super) fn remove<S>(&mut self, slots: &mut [Slot<S>], i: u32) {
        let Some(slot) = slots.get(i as usize) else { return };
        let (before, after) = (slot.before, slot.after);
        let Some([head, tail]) = self.0.get_mut(slot.class as usize) else { return };
        match slots.get_mut(before as usize) {
            Some(b) => b.after = after,
            None => *head = after,
        }
        match slots.get_mut(after as usize) {
            Some(a) => a.before = before,
            None => *tail = before,
        }
    }

    /// A flow was active at `ts`, and belongs to `class` now.
    pub(super) fn touch<S>(&mut self, slots: &mut [Slot<S>], i: u32, ts: Timestamp, class: Class) {
        let Some(slot) = slots.get_mut(i as usize) else { return };
        let last = slot.last_ts.max(ts);
        let moves = class != slot.class || tick(last) != tick(slot.last_ts);
        slot.last_ts = last;
        if moves {
            self.remove(slots, i);
            if let Some(slot) = slots.get_mut(i as usize) {
                slot.class = class;
            }
            self.push(slots, i);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(q: &Queues, slots: &[Slot<()>], class: Class) -> Vec<u32> {
        let mut at = q.0[class as usize][0];
        let mut found = vec![];
        while at != NIL {
            found.push(at);
            at = slots[at as usize].after;
        }
        found
    }

    #[test]
    fn flows_queue_by_last_activity() {
        let mut slots: Vec<Slot<()>> = (0..4).map(|_| Slot::free()).collect();
        let mut q = Queues::new();
        (0..4).for_each(|i| q.push(&mut slots, i));
        q.touch(&mut slots, 1, Timestamp(5), Class::Other);
        assert_eq!(order(&q, &slots, Class::Other), [0, 1, 2, 3], "within a tick nothing moves");
        q.touch(&mut slots, 1, Timestamp(1 << 31), Class::Other);
        q.touch(&mut slots, 0, Timestamp(1), Class::Udp);
        assert_eq!(order(&q, &slots, Class::Other), [2, 3, 1]);
        assert_eq!(order(&q, &slots, Class::Udp), [0]);
        assert_eq!(q.heads().collect::<Vec<_>>(), [0, 2]);
        q.remove(&mut slots, 1);
        q.remove(&mut slots, 2);
        q.remove(&mut slots, 3);
        assert!(order(&q, &slots, Class::Other).is_empty() && slots[1].last_ts == Timestamp(1 << 31));
    }

    #[test]
    fn ticks_survive_the_ends_of_time() {
        assert_eq!(tick_end(Timestamp(0)), Timestamp(1 << 30));
        assert_eq!(tick_end(Timestamp::MAX), Timestamp::MAX);
        assert!(tick_end(Timestamp(i64::MIN)).0 < 0);
    }
}
