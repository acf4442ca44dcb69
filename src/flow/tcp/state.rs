//! In which state are the two ends, and which letter does a segment earn?
//!
//! Zeek's rules. A letter for SYN, FIN and RST is written again when the sequence number differs from the last one of
//! its kind; data, pure ACK and contradicting flags once per end.

use super::{ACK, EndState, FIN, PARTIAL, RST, SYN, Segment, Tcp};
use crate::model::flow::Side;
use EndState::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};

/// Letters written once per end, as bits.
const SYN_LETTER: u8 = 1;
const FIN_LETTER: u8 = 2;
const RST_LETTER: u8 = 4;
const FIN_RST_LETTER: u8 = 8;
const DATA_LETTER: u8 = 16;
const ACK_LETTER: u8 = 32;
const MULTI_LETTER: u8 = 64;

impl Tcp {
    /// Write a letter that an end earns once. True when it had it already.
    fn had_letter(&mut self, side: Side, bit: u8, letter: u8) -> bool {
        let half = self.half_mut(side);
        let had = half.letters & bit != 0;
        half.letters |= bit;
        if !had {
            self.history.push(side, letter);
        }
        had
    }

    pub(super) fn write_letters(&mut self, side: Side, seg: &Segment, position: i64) {
        let low = position as u32;
        match seg.flags & (SYN | FIN | RST) {
            SYN => {
                let letter = if seg.is_ack() { b'H' } else { b'S' };
                if self.had_letter(side, SYN_LETTER, letter) && self.half(side).last_syn != low {
                    self.history.push(side, letter);
                }
                self.half_mut(side).last_syn = low;
            }
            FIN => {
                // The number of a FIN comes after its data.
                let low = low.wrapping_add(seg.len);
                if self.had_letter(side, FIN_LETTER, b'F') && self.half(side).last_fin != low {
                    self.history.push(side, b'F');
                }
                self.half_mut(side).last_fin = low;
            }
            RST => {
                if self.had_letter(side, RST_LETTER, b'R') && self.half(side).last_rst != low {
                    self.history.push(side, b'R');
                }
                self.half_mut(side).last_rst = low;
            }
            0 if seg.len > 0 => {
                self.had_letter(side, DATA_LETTER, b'D');
            }
            0 if seg.flags & ACK != 0 => {
                self.had_letter(side, ACK_LETTER, b'A');
            }
            0 => {}
            several if several & (FIN | RST) == FIN | RST => {
                self.had_letter(side, FIN_RST_LETTER, b'I');
            }
            _ => {
                self.had_letter(side, MULTI_LETTER, b'Q');
            }
        }
        // A zero window says nothing when the other end has finished, or beside a RST.
        if seg.window == 0
            && !seg.rst()
            && self.half(side.other()).state != Closed
            && self.half(side).state != Reset
        {
            let trouble = self.trouble(side);
            trouble.zero_windows = trouble.zero_windows.saturating_add(1);
            if super::is_milestone(trouble.zero_windows) {
                self.history.push(side, b'W');
            }
        }
    }

    /// Move the state machine.
    pub(super) fn advance(&mut self, side: Side, seg: &Segment) {
        match self.half(side).state {
            Inactive => self.first_segment(side, seg),
            SynSent | SynAckSent => {
                if seg.fin() {
                    self.finish(side, Closed);
                }
                if seg.rst() {
                    self.finish(side, Reset);
                }
            }
            Established | Partial => self.under_way(side, seg),
            Closed => {
                if seg.rst() && self.half(side.other()).state != Closed {
                    self.finish(side, Reset);
                }
            }
            Reset => {}
        }
    }

    fn finish(&mut self, side: Side, state: EndState) {
        let half = self.half_mut(side);
        half.enter(state);
        half.done = true;
    }

    /// The first segment of an end.
    fn first_segment(&mut self, side: Side, seg: &Segment) {
        let peer = side.other();
        let peer_state = self.half(peer).state;
        if seg.syn() {
            match side {
                // The SYN-ACK was captured first, and fits.
                Side::Orig
                    if !seg.is_ack()
                        && peer_state == Established
                        && self.half(Side::Orig).flags & ACK == 0 =>
                {
                    self.marks &= !PARTIAL;
                    self.half_mut(side).enter(Established);
                }
                Side::Orig if seg.is_ack() => self.half_mut(side).enter(SynAckSent),
                Side::Orig => self.half_mut(side).enter(SynSent),
                Side::Resp => {
                    if matches!(peer_state, SynSent | SynAckSent) {
                        self.half_mut(peer).enter(Established);
                    }
                    self.half_mut(side).enter(Established);
                }
            }
        }
        if seg.fin() {
            self.finish(side, Closed);
        }
        if seg.rst() {
            self.finish(side, Reset);
        }
        if self.half(side).state != Inactive {
            return;
        }
        if side == Side::Resp && seg.len == 0 && peer_state == SynSent {
            // Some stacks acknowledge a SYN before they answer it.
        } else if seg.is_ack() && peer_state == Established {
            // The SYN was missed, but not its answer.
            self.half_mut(side).enter(Established);
            self.marks &= !PARTIAL;
        } else {
            self.half_mut(side).enter(Partial);
        }
    }

    /// A segment of an end that was established or joined midway.
    fn under_way(&mut self, side: Side, seg: &Segment) {
        let peer = side.other();
        if seg.syn() && !seg.is_ack() && self.half(side).state == Partial && self.half(peer).state == Inactive
        {
            self.half_mut(side).enter(SynSent);
        }
        if seg.fin() && !seg.rst() {
            self.finish(side, Closed);
            let other = self.half_mut(peer);
            if other.state == Reset && other.previous == Closed {
                other.enter(Closed); // a FIN, then a RST, then our FIN: an ordinary end after all
            }
        }
        if seg.rst() {
            self.finish(side, Reset);
        }
    }

    /// Is it over: a RST, a FIN from both, or a FIN into silence?
    pub(in crate::flow) fn is_closed(&self) -> bool {
        [Side::Orig, Side::Resp].into_iter().any(|side| {
            let (half, peer) = (self.half(side), self.half(side.other()));
            half.done && (half.state == Reset || peer.done || peer.state == Inactive)
        })
    }

    /// Is it an attempt that nobody answered? Whoever goes on behind his SYN was answered, where the capture does not look.
    pub(in crate::flow) fn is_attempt(&self) -> bool {
        let orig = self.half(Side::Orig);
        let went_on = orig.letters & (DATA_LETTER | ACK_LETTER) != 0;
        let waits = matches!(orig.state, SynSent | SynAckSent) && !went_on;
        waits && self.half(Side::Resp).state == Inactive
    }

    /// Does this segment begin another connection between the same ports?
    pub(in crate::flow) fn is_reuse(&self, side: Side, seg: &Segment) -> bool {
        let (orig, resp) = (self.half(Side::Orig), self.half(Side::Resp));
        if !seg.syn() || (seg.is_ack() && orig.state != Inactive) {
            return false;
        }
        if orig.done && resp.done {
            return true;
        }
        let before = if seg.is_ack() { resp } else { orig };
        let simultaneous_open =
            !seg.is_ack() && side == Side::Resp && orig.state == SynSent && resp.state == Inactive;
        seg.seq != before.start && !simultaneous_open
    }

    /// Zeek's `conn_state`.
    pub(in crate::flow) fn conn_state(&self) -> &'static str {
        let (orig, resp) = (self.half(Side::Orig).state, self.half(Side::Resp).state);
        let orig_silent = matches!(orig, Inactive | Partial);
        let resp_silent = matches!(resp, Inactive | Partial);
        let empty = || self.stream_bytes(Side::Orig) == 0 && self.stream_bytes(Side::Resp) == 0;
        match (orig, resp) {
            (SynSent | SynAckSent, Reset) => "REJ",
            (Reset, Reset) if empty() => "REJ",
            (_, Reset) if orig_silent => "RSTRH",
            (_, Reset) => "RSTR",
            (Reset, _) if resp_silent && self.syn_then_rst() => "RSTOS0",
            (Reset, _) if resp_silent => "OTH",
            (Reset, _) => "RSTO",
            (Closed, Closed) => "SF",
            (Closed, _) if resp_silent => "SH",
            (Closed, _) => "S2",
            (_, Closed) if orig_silent => "SHR",
            (_, Closed) => "S3",
            (SynSent, Inactive) => "S0",
            (Established, Established) => "S1",
            _ => "OTH",
        }
    }

    /// Did the originator send a SYN, then a RST, and nothing that matters between them?
    fn syn_then_rst(&self) -> bool {
        let letters = self.history.letters();
        let letters = letters.strip_prefix(b"^").unwrap_or(letters);
        let Some(rest) = letters.strip_prefix(b"S") else { return false };
        rest.iter().take_while(|c| !b"HAFGIQ".contains(c)).any(|&c| c == b'R')
    }
}
