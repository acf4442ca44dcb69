//! What happened between the two ends of a TCP connection?
//!
//! The states, the history letters and the byte counts of Zeek (RFC 9293 underneath), one segment after another; the
//! ordering of bytes is in [`super::stream`]. Where we differ on purpose: a simultaneous open is one
//! connection, a SYN-ACK that was captured before its SYN completes the handshake all the same, and a SYN with data (RFC
//! 7413) is not a retransmission. Checksums are `decode`'s: there is no `c`.

mod half;
mod state;

pub(super) use half::{EndState, Half};

use super::history::{History, is_milestone};
use super::stream::{Held, Limits, Memory, Outcome, Payload, Piece};
use crate::decode::Decoded;
use crate::model::flow::Side;
use crate::model::time::Timestamp;
use crate::model::weird::WeirdKind;

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;
pub(super) const URG: u8 = 0x20;

/// The fields of a segment that matter here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    /// Payload bytes on the wire.
    pub(super) len: u32,
}

impl Segment {
    pub(super) fn of(d: &Decoded) -> Self {
        Self { seq: d.tcp.seq, ack: d.tcp.ack, flags: d.tcp.flags, window: d.tcp.window, len: d.payload_len }
    }

    pub(super) fn syn(&self) -> bool {
        self.flags & SYN != 0
    }

    pub(super) fn fin(&self) -> bool {
        self.flags & FIN != 0
    }

    pub(super) fn rst(&self) -> bool {
        self.flags & RST != 0
    }

    pub(super) fn is_ack(&self) -> bool {
        self.flags & ACK != 0
    }

    /// A first SYN as stacks send it, without data: all that is needed of it fits a young flow.
    pub(super) fn is_plain_syn(&self) -> bool {
        self.flags & (SYN | ACK | FIN | RST | PSH | URG) == SYN && self.len == 0 && self.window > 0
    }

    /// Sequence numbers used up. The payload of a RST is a comment (RFC 9293, 3.10.7.1), not a part of the stream.
    fn length(&self) -> i64 {
        let data = if self.rst() { 0 } else { self.len };
        i64::from(data) + i64::from(self.syn()) + i64::from(self.fin())
    }

    /// Flags that no stack sends together: more than one of SYN, FIN and RST, none at all, or the Christmas tree.
    fn has_bad_flags(&self) -> bool {
        let control = (self.flags & (SYN | FIN | RST)).count_ones();
        let six = self.flags & (FIN | SYN | RST | PSH | ACK | URG);
        control > 1 || six == 0 || six == FIN | PSH | URG
    }
}

/// What went wrong at one end; allocated when the first thing does.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    held: Held,
    missed: u64,
    gaps: u32,
    behind: u32,
    zero_windows: u32,
    retransmits: u32,
}

/// What a segment asks for next.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Step {
    /// The position of its payload in the sender's stream, if it belongs there.
    pub(super) data_at: Option<u64>,
    /// What it acknowledges in the other end's stream, if it can be trusted.
    pub(super) acked: Option<u64>,
    /// What was odd about it.
    pub(super) weird: Option<WeirdKind>,
    /// The sender began anew: what was held of its stream is void.
    pub(super) restarted: bool,
}

/// How the time of the handshake is known.
const SYN_TIMED: u8 = 1;
const RTT_KNOWN: u8 = 2;
/// The connection was joined midway.
const PARTIAL: u8 = 4;
/// Odd flags were told.
const BAD_FLAGS_TOLD: u8 = 8;

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Tcp {
    halves: [Half; 2],
    history: History,
    trouble: Option<Box<[Trouble; 2]>>,
    /// Time of the SYN, then nanoseconds from it to the handshake's first ACK.
    handshake: i64,
    marks: u8,
}

impl Tcp {
    /// A connection whose only segments so far were equal plain SYNs, the last one at `syn_at`.
    pub(super) fn after_syn(seq: u32, flipped: bool, syn_at: Timestamp) -> Self {
        let mut tcp = Self::new(flipped);
        let syn = Segment { seq, ack: 0, flags: SYN, window: 1, len: 0 };
        tcp.segment(Side::Orig, &syn, syn_at);
        tcp
    }

    /// A connection of which nothing was seen yet.
    pub(super) fn new(flipped: bool) -> Self {
        let mut tcp = Self::default();
        if flipped {
            tcp.history.push(Side::Orig, b'^');
        }
        tcp
    }

    pub(super) fn half(&self, side: Side) -> &Half {
        let [orig, resp] = &self.halves;
        if side == Side::Orig { orig } else { resp }
    }

    pub(super) fn half_mut(&mut self, side: Side) -> &mut Half {
        let [orig, resp] = &mut self.halves;
        if side == Side::Orig { orig } else { resp }
    }

    fn trouble(&mut self, side: Side) -> &mut Trouble {
        let [orig, resp] = &mut **self.trouble.get_or_insert_default();
        if side == Side::Orig { orig } else { resp }
    }

    fn trouble_seen(&self, side: Side) -> Option<&Trouble> {
        let [orig, resp] = &**self.trouble.as_ref()?;
        Some(if side == Side::Orig { orig } else { resp })
    }

    /// The next segment.
    pub(super) fn segment(&mut self, side: Side, seg: &Segment, ts: Timestamp) -> Step {
        let peer = side.other();
        self.mark_partial(side, seg);
        let before = self.half(side).start;
        let fresh = self.half(side).state == EndState::Inactive;
        let half = self.half_mut(side);
        half.begin(seg);
        let mut step = Step { restarted: !fresh && half.start != before, ..Step::default() };
        let position = half.position(seg.seq, half.last);
        half.flags |= seg.flags;

        self.write_letters(side, seg, position);
        self.time_handshake(side, seg, ts);
        if seg.fin() {
            self.half_mut(side).fin = true;
        }
        let mut acked = 0;
        if seg.is_ack() {
            let other = self.half_mut(peer);
            if other.state == EndState::Inactive {
                other.begin_from_ack(seg.ack);
                acked = 1;
            } else {
                acked = other.acknowledge(seg.ack, !seg.rst());
            }
        }
        if self.half_mut(side).sent(seg) {
            let trouble = self.trouble(side);
            trouble.behind = trouble.behind.saturating_add(1);
            if is_milestone(trouble.behind) {
                self.history.push(side, b'T');
            }
        }
        self.advance(side, seg);
        self.half_mut(side).seen = true;

        if seg.is_ack() && !seg.rst() {
            let end = self.half(peer).data_end(acked);
            step.acked = Some(end.map_or(acked, |end| acked.min(end)));
        }
        if seg.len > 0 && !seg.rst() && position >= 0 {
            step.data_at = Some(position.unsigned_abs() + u64::from(seg.syn()));
        }
        if seg.has_bad_flags() && self.marks & BAD_FLAGS_TOLD == 0 {
            self.marks |= BAD_FLAGS_TOLD;
            step.weird = Some(WeirdKind::TcpBadFlags);
        } else if seg.syn() && seg.len > 0 {
            step.weird = Some(WeirdKind::TcpSynWithData);
        }
        step
    }

    /// The sender's payload, in order or not. `sink` gets what can be handed on.
    pub(super) fn data(
        &mut self,
        side: Side,
        payload: Payload<'_>,
        keep: bool,
        limits: Limits,
        memory: &mut Memory,
        sink: &mut impl FnMut(Piece<'_>),
    ) -> Outcome {
        let in_order = payload.start == self.half(side).next && !payload.data.is_empty();
        if in_order && self.trouble_seen(side).is_none_or(|t| t.held.is_empty()) {
            let half = self.half_mut(side);
            half.next = half.next.saturating_add(payload.data.len() as u64);
            sink(Piece::Data(payload.data));
            return Outcome::default();
        }
        let mut next = self.half(side).next;
        // A byte before the next one, repeated, asks whether the other end is alive (RFC 9293, 3.8.4).
        let keep_alive = payload.data.len() == 1 && payload.start.saturating_add(1) == next;
        let trouble = self.trouble(side);
        let outcome = trouble.held.arrive(&mut next, payload, keep, limits, memory, sink);
        if outcome.repeated && !keep_alive {
            trouble.retransmits = trouble.retransmits.saturating_add(1);
        }
        self.half_mut(side).next = next;
        self.count_gaps(side, outcome);
        outcome
    }

    /// The peer of `side` acknowledged its stream up to a position: holes below it are gaps.
    pub(super) fn acked(
        &mut self,
        side: Side,
        up_to: u64,
        memory: &mut Memory,
        sink: &mut impl FnMut(Piece<'_>),
    ) -> Outcome {
        let mut next = self.half(side).next;
        if up_to <= next {
            return Outcome::default();
        }
        if up_to <= 2 && self.marks & PARTIAL != 0 {
            // The beginning was made up: neither it nor a keep-alive's byte is missing.
            self.half_mut(side).next = up_to;
            return Outcome::default();
        }
        let outcome = self.trouble(side).held.acknowledged(&mut next, up_to, memory, sink);
        self.half_mut(side).next = next;
        self.count_gaps(side, outcome);
        outcome
    }

    /// Gaps count as missed bytes only between ends that are established or closed in order: else the numbers may be
    /// wrong.
    fn count_gaps(&mut self, side: Side, outcome: Outcome) {
        if outcome.gaps == 0 || !self.halves.iter().all(Half::is_clean) {
            return;
        }
        let trouble = self.trouble(side);
        trouble.missed = trouble.missed.saturating_add(outcome.missing);
        for _ in 0..outcome.gaps {
            let trouble = self.trouble(side);
            trouble.gaps = trouble.gaps.saturating_add(1);
            if is_milestone(trouble.gaps) {
                self.history.push(side, b'G');
            }
        }
    }

    /// Does an acknowledgement up to here say something about the stream of `side`?
    pub(super) fn is_news(&self, side: Side, up_to: u64) -> bool {
        up_to > self.half(side).next
    }

    /// Gaps that counted.
    pub(super) fn gaps(&self, side: Side) -> u32 {
        self.trouble_seen(side).map_or(0, |t| t.gaps)
    }

    /// The application wants no more: free what was kept for it.
    pub(super) fn forget_bytes(&mut self, memory: &mut Memory) {
        for t in self.trouble.iter_mut().flat_map(|t| t.iter_mut()) {
            t.held.forget_bytes(memory);
        }
    }

    /// What was held of a stream is void: it began anew, or the flow ended.
    pub(super) fn clear(&mut self, side: Side, memory: &mut Memory) {
        if self.trouble_seen(side).is_some_and(|t| !t.held.is_empty()) {
            self.trouble(side).held.clear(memory);
        }
    }

    /// Letters so far.
    pub(super) fn history(&self) -> &History {
        &self.history
    }

    /// From SYN to the handshake's first ACK, in nanoseconds.
    pub(super) fn rtt(&self) -> Option<i64> {
        (self.marks & RTT_KNOWN != 0).then_some(self.handshake)
    }

    /// Did the originator's SYN pass by?
    pub(super) fn saw_start(&self) -> bool {
        self.half(Side::Orig).flags & SYN != 0
    }

    /// Segments that repeated bytes.
    pub(super) fn retransmits(&self, side: Side) -> u32 {
        self.trouble_seen(side).map_or(0, |t| t.retransmits)
    }

    /// Bytes acknowledged but never seen.
    pub(super) fn missed_bytes(&self, side: Side) -> u64 {
        self.trouble_seen(side).map_or(0, |t| t.missed)
    }

    /// Bytes by sequence space.
    pub(super) fn stream_bytes(&self, side: Side) -> u64 {
        self.half(side).stream_bytes(self.half(side.other()).state)
    }

    fn mark_partial(&mut self, side: Side, seg: &Segment) {
        if self.half(side).seen {
            return;
        }
        match side {
            Side::Orig if seg.syn() && !seg.is_ack() => self.marks &= !PARTIAL,
            Side::Resp if seg.syn() => {}
            _ => self.marks |= PARTIAL,
        }
    }

    fn time_handshake(&mut self, side: Side, seg: &Segment, ts: Timestamp) {
        if side != Side::Orig || self.marks & RTT_KNOWN != 0 {
            return;
        }
        let answered = self.half(Side::Resp).flags & SYN != 0;
        if seg.flags & (SYN | ACK) == SYN && !answered {
            self.handshake = ts.0; // of repeated SYNs the last one before the answer
            self.marks |= SYN_TIMED;
        } else if answered && self.marks & SYN_TIMED != 0 && seg.flags & (SYN | RST | ACK) == ACK {
            self.handshake = ts.since(Timestamp(self.handshake)).max(0);
            self.marks |= RTT_KNOWN;
        }
    }
}

#[cfg(test)]
mod tests;
