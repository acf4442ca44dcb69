//! In which order were the bytes sent?
//!
//! Ordered bytes of one TCP direction. What arrives in order is handed on without a copy. What arrives early is
//! copied and held, under caps per direction and for all flows of a table. Where bytes overlap the first arrival wins. A
//! hole is given up, as a gap, when the other end acknowledges it or a cap is hit. Positions are relative to the
//! initial sequence number and have 64 bits, so they never wrap.
//!
//! Refuses to keep what was handed on: a retransmission with other bytes is noticed only against bytes still held.

use crate::model::weird::WeirdKind;
use std::collections::VecDeque;

/// What a held piece costs beside its bytes: its place in the queue and the allocator's header.
const PIECE_COST: usize = 64;

/// Out-of-order bytes of all flows of a table, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// Bytes held now, with [`PIECE_COST`] each.
    pub(super) used: usize,
    /// Largest number of them.
    pub(super) cap: usize,
    /// The most there ever were.
    pub(super) peak: usize,
}

impl Memory {
    /// Nothing held.
    pub(super) fn new(cap: usize) -> Self {
        Self { used: 0, cap, peak: 0 }
    }

    fn take(&mut self, bytes: usize) {
        self.used = self.used.saturating_add(bytes);
        self.peak = self.peak.max(self.used);
    }

    fn give(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }
}

/// Caps of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes held.
    pub(super) bytes: usize,
    /// Pieces held.
    pub(super) pieces: usize,
}

/// What is handed on, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece<'a> {
    /// The next bytes.
    Data(&'a [u8]),
    /// So many bytes will never come.
    Gap(u64),
}

/// A segment's payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload<'a> {
    /// Position of its first byte.
    pub(super) start: u64,
    /// What was captured of it. What the snaplen cut is a hole like any other: a repetition may fill it, an
    /// acknowledgement gives it up.
    pub(super) data: &'a [u8],
}

impl<'a> Payload<'a> {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.data.len() as u64)
    }

    /// The captured bytes between two positions.
    fn between(&self, from: u64, to: u64) -> &'a [u8] {
        let at = |position: u64| (position.saturating_sub(self.start) as usize).min(self.data.len());
        self.data.get(at(from)..at(to)).unwrap_or(&[])
    }
}

/// What came of it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Outcome {
    /// Bytes given up.
    pub(super) missing: u64,
    /// In how many gaps.
    pub(super) gaps: u32,
    /// Did the segment repeat bytes that had arrived before?
    pub(super) repeated: bool,
    /// Did it repeat them with other values?
    pub(super) differs: bool,
    /// Which cap was hit?
    pub(super) full: Option<WeirdKind>,
}

/// A run of bytes that came early. Without data when the application wants no more: then only its place counts.
#[derive(Debug)]
struct Early {
    start: u64,
    end: u64,
    data: Box<[u8]>,
}

impl Early {
    fn cost(&self) -> usize {
        self.data.len() + PIECE_COST
    }

    fn from(&self, position: u64) -> &[u8] {
        self.data.get(position.saturating_sub(self.start) as usize..).unwrap_or(&[])
    }
}

/// What is held of one direction: runs that came early, ascending, not overlapping.
#[derive(Debug, Default)]
pub(super) struct Held {
    early: VecDeque<Early>,
    bytes: usize,
}

impl Held {
    /// Is nothing held?
    pub(super) fn is_empty(&self) -> bool {
        self.early.is_empty()
    }

    /// A segment arrived. `next` is the position of the next byte to hand on; `keep`: does the application want the
    /// bytes?
    pub(super) fn arrive(
        &mut self,
        next: &mut u64,
        payload: Payload<'_>,
        keep: bool,
        limits: Limits,
        memory: &mut Memory,
        sink: &mut impl FnMut(Piece<'_>),
    ) -> Outcome {
        let mut outcome = Outcome::default();
        if payload.data.is_empty() {
            outcome.repeated = payload.start < *next; // the snaplen left nothing
            return outcome;
        }
        loop {
            if payload.start <= *next {
                self.in_order(next, payload, memory, sink, &mut outcome);
                return outcome;
            }
            let need = PIECE_COST + if keep { payload.data.len() } else { 0 };
            let full = if self.bytes.saturating_add(need) > limits.bytes || self.early.len() >= limits.pieces
            {
                Some(WeirdKind::TcpBufferFull)
            } else if memory.used.saturating_add(need) > memory.cap {
                Some(WeirdKind::StreamMemoryFull)
            } else {
                None
            };
            if full.is_none() {
                self.hold(payload, keep, memory, &mut outcome);
                return outcome;
            }
            outcome.full = outcome.full.or(full);
            let to = self.early.front().map_or(payload.start, |e| e.start.min(payload.start));
            skip(next, to, sink, &mut outcome);
            self.drain(next, memory, sink);
        }
    }

    /// The other end acknowledged everything before `up_to`: what is missing below will not come any more.
    pub(super) fn acknowledged(
        &mut self,
        next: &mut u64,
        up_to: u64,
        memory: &mut Memory,
        sink: &mut impl FnMut(Piece<'_>),
    ) -> Outcome {
        let mut outcome = Outcome::default();
        while *next < up_to {
            let to = self.early.front().map_or(up_to, |e| e.start.min(up_to));
            skip(next, to, sink, &mut outcome);
            self.drain(next, memory, sink);
        }
        outcome
    }

    /// The application wants no more: keep the places, free the bytes.
    pub(super) fn forget_bytes(&mut self, memory: &mut Memory) {
        for e in &mut self.early {
            let freed = std::mem::take(&mut e.data).len();
            self.bytes = self.bytes.saturating_sub(freed);
            memory.give(freed);
        }
    }

    /// The flow ended, or began anew.
    pub(super) fn clear(&mut self, memory: &mut Memory) {
        memory.give(self.bytes);
        *self = Self::default();
    }

    /// A segment that begins at or before `next`: hand on what is new of it, and what had waited for it.
    fn in_order(
        &mut self,
        next: &mut u64,
        payload: Payload<'_>,
        memory: &mut Memory,
        sink: &mut impl FnMut(Piece<'_>),
        outcome: &mut Outcome,
    ) {
        outcome.repeated |= payload.start < *next;
        while *next < payload.end() {
            let stop = match self.early.front() {
                Some(e) if e.start <= *next => {
                    outcome.repeated = true;
                    outcome.differs |= differs(e, payload);
                    self.hand_on_first(next, memory, sink);
                    continue;
                }
                Some(e) => e.start.min(payload.end()),
                None => payload.end(),
            };
            sink(Piece::Data(payload.between(*next, stop)));
            *next = stop;
        }
        self.drain(next, memory, sink);
    }

    /// Copy what is new of a segment that came early.
    fn hold(&mut self, payload: Payload<'_>, keep: bool, memory: &mut Memory, outcome: &mut Outcome) {
        let end = payload.end();
        let mut at = payload.start;
        let mut i = self.early.partition_point(|e| e.end <= at);
        while at < end {
            let stop = match self.early.get(i) {
                Some(e) if e.start <= at => {
                    outcome.repeated = true;
                    outcome.differs |= differs(e, payload);
                    at = e.end;
                    i += 1;
                    continue;
                }
                Some(e) => e.start.min(end),
                None => end,
            };
            let data = if keep { payload.between(at, stop).into() } else { Box::default() };
            let piece = Early { start: at, end: stop, data };
            self.bytes = self.bytes.saturating_add(piece.cost());
            memory.take(piece.cost());
            self.early.insert(i, piece);
            at = stop;
            i += 1;
        }
    }

    /// Hand on what follows `next` without a hole.
    fn drain(&mut self, next: &mut u64, memory: &mut Memory, sink: &mut impl FnMut(Piece<'_>)) {
        while self.early.front().is_some_and(|e| e.start <= *next) {
            self.hand_on_first(next, memory, sink);
        }
        if self.early.is_empty() && self.early.capacity() > 0 {
            self.early = VecDeque::new();
        }
    }

    fn hand_on_first(&mut self, next: &mut u64, memory: &mut Memory, sink: &mut impl FnMut(Piece<'_>)) {
        let Some(e) = self.early.pop_front() else { return };
        self.bytes = self.bytes.saturating_sub(e.cost());
        memory.give(e.cost());
        let new = e.from(*next);
        if !new.is_empty() {
            sink(Piece::Data(new));
        }
        *next = (*next).max(e.end);
    }
}

/// Move `next` over a hole.
fn skip(next: &mut u64, to: u64, sink: &mut impl FnMut(Piece<'_>), outcome: &mut Outcome) {
    if let Some(missing) = to.checked_sub(*next).filter(|&n| n > 0) {
        outcome.missing = outcome.missing.saturating_add(missing);
        outcome.gaps = outcome.gaps.saturating_add(1);
        *next = to;
        sink(Piece::Gap(missing));
    }
}

/// Do a held run and a segment have different bytes at the same positions?
fn differs(held: &Early, payload: Payload<'_>) -> bool {
    let from = held.start.max(payload.start);
    let new = payload.between(from, held.end);
    held.from(from).iter().zip(new).any(|(a, b)| a != b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { bytes: 4096, pieces: 8 };

    struct Stream {
        held: Held,
        next: u64,
        memory: Memory,
        out: Vec<u8>,
        gaps: Vec<u64>,
    }

    impl Stream {
        fn new() -> Self {
            Self { held: Held::default(), next: 1, memory: Memory::new(1 << 20), out: vec![], gaps: vec![] }
        }

        fn arrive(&mut self, start: u64, data: &[u8]) -> Outcome {
            let (out, gaps) = (&mut self.out, &mut self.gaps);
            let mut sink = |p: Piece<'_>| match p {
                Piece::Data(d) => out.extend_from_slice(d),
                Piece::Gap(n) => gaps.push(n),
            };
            let payload = Payload { start, data };
            self.held.arrive(&mut self.next, payload, true, LIMITS, &mut self.memory, &mut sink)
        }

        fn send(&mut self, start: u64, text: &str) -> Outcome {
            self.arrive(start, text.as_bytes())
        }

        fn ack(&mut self, up_to: u64) -> Outcome {
            let (out, gaps) = (&mut self.out, &mut self.gaps);
            let mut sink = |p: Piece<'_>| match p {
                Piece::Data(d) => out.extend_from_slice(d),
                Piece::Gap(n) => gaps.push(n),
            };
            self.held.acknowledged(&mut self.next, up_to, &mut self.memory, &mut sink)
        }

        fn text(&self) -> &str {
            std::str::from_utf8(&self.out).unwrap()
        }
    }

    #[test]
    fn order_is_restored() {
        let mut s = Stream::new();
        s.send(7, "world");
        s.send(5, "o ");
        assert_eq!(s.text(), "");
        s.send(1, "hell");
        assert_eq!((s.text(), s.next, s.memory.used), ("hello world", 12, 0));
    }

    #[test]
    fn the_first_arrival_wins_and_a_difference_is_told() {
        let mut s = Stream::new();
        assert_eq!(s.send(4, "XYZ"), Outcome::default());
        let o = s.send(1, "abcdef");
        assert!(o.repeated && o.differs);
        assert_eq!(s.text(), "abcXYZ");
        let o = s.send(3, "cXYZnew");
        assert!(o.repeated && !o.differs);
        assert_eq!(s.text(), "abcXYZnew");
        assert!(s.send(1, "abc").repeated, "old news");
        assert_eq!(s.text(), "abcXYZnew");
    }

    #[test]
    fn an_acknowledged_hole_is_a_gap() {
        let mut s = Stream::new();
        s.send(5, "late");
        let o = s.ack(20);
        assert_eq!((o.gaps, o.missing), (2, 4 + 11));
        assert_eq!((s.text(), s.gaps.as_slice(), s.next), ("late", &[4, 11][..], 20));
        assert_eq!(s.ack(10), Outcome::default());
    }

    #[test]
    fn caps_give_up_holes_and_say_so() {
        let mut s = Stream::new();
        let mut full = 0;
        for i in 0..20u64 {
            full += u64::from(s.send(10 + i * 10, "x").full == Some(WeirdKind::TcpBufferFull));
        }
        assert!(full > 0 && s.held.early.len() <= LIMITS.pieces);
        let mut s = Stream::new();
        s.memory.cap = 100;
        assert_eq!(s.send(10, &"y".repeat(90)).full, Some(WeirdKind::StreamMemoryFull));
        assert_eq!((s.gaps.as_slice(), s.out.len(), s.memory.used), (&[9][..], 90, 0));
    }

    #[test]
    fn an_application_that_is_done_costs_no_bytes() {
        let mut s = Stream::new();
        s.send(5, "late");
        s.held.forget_bytes(&mut s.memory);
        assert_eq!(s.memory.used, PIECE_COST);
        s.send(1, "abcd");
        assert_eq!((s.text(), s.next, s.memory.used), ("abcd", 9, 0));
    }

    proptest! {
        /// Whatever the order, the overlaps and the repetitions: the bytes come out right, once, and memory returns.
        #[test]
        fn any_order_gives_the_same_bytes(cuts in prop::collection::vec((0usize..60, 1usize..20), 1..40)) {
            let text: Vec<u8> = (0..80u8).collect();
            let mut s = Stream::new();
            for (from, len) in cuts {
                let piece = &text[from..(from + len).min(80)];
                let o = s.arrive(1 + from as u64, piece);
                prop_assert!(!o.differs);
            }
            s.ack(81);
            let mut seen = s.out.len() as u64;
            seen += s.gaps.iter().sum::<u64>();
            prop_assert_eq!(seen, 80);
            if s.gaps.is_empty() {
                prop_assert_eq!(&s.out, &text);
            }
            prop_assert_eq!((s.held.bytes, s.memory.used, s.held.early.len()), (0, 0, 0));
        }
    }
}
