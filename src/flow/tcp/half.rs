//! What is known of one end of a TCP connection?
//!
//! Sequence numbers are kept relative to the initial one, as 64-bit positions: 0 is the SYN, 1 the first byte. An end
//! whose SYN was not seen gets positions as if it had been. How Zeek counts bytes by sequence space
//! (`orig_bytes`, `resp_bytes`) is here; RFC 9293 says what the numbers mean.

use super::Segment;
use crate::flow::slot::Count;

/// A SYN or RST further away than this (1 MiB) is not trusted to move the highest position; nor is an ACK of exactly 0.
const TRUSTED_JUMP: i64 = 1 << 20;

/// Zeek's endpoint states.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub(in crate::flow) enum EndState {
    /// Nothing seen from this end.
    #[default]
    Inactive,
    /// It sent a SYN.
    SynSent,
    /// It sent a SYN-ACK without having been asked.
    SynAckSent,
    /// It sent something, but no SYN.
    Partial,
    /// The handshake is done, as far as this end goes.
    Established,
    /// It sent a FIN.
    Closed,
    /// It sent a RST.
    Reset,
}

/// One end.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::flow) struct Half {
    /// Packets and bytes sent.
    pub(in crate::flow) count: Count,
    /// Position after the highest sequence number sent.
    pub(super) last: i64,
    /// Highest position of this end's that the other end acknowledged.
    pub(super) acked: i64,
    /// Position of the next byte to hand to the application.
    pub(super) next: u64,
    /// Initial sequence number: position 0.
    pub(super) start: u32,
    /// Positions (low 32 bits) of the last SYN, FIN and RST: a repetition earns no new letter.
    pub(super) last_syn: u32,
    pub(super) last_fin: u32,
    pub(super) last_rst: u32,
    /// State now and before.
    pub(super) state: EndState,
    pub(super) previous: EndState,
    /// Letters that were written once.
    pub(super) letters: u8,
    /// Union of flags sent.
    pub(in crate::flow) flags: u8,
    /// TTL of the first packet.
    pub(in crate::flow) ttl: u8,
    /// Did it send a FIN, ever?
    pub(super) fin: bool,
    /// Did this end finish, by FIN or RST?
    pub(super) done: bool,
    /// Was anything seen of it?
    pub(super) seen: bool,
}

impl Half {
    /// The position of a sequence number, of all that it may stand for the one nearest to `near`.
    pub(super) fn position(&self, seq: u32, near: i64) -> i64 {
        let base = self.start.wrapping_add(near as u32);
        near.saturating_add(i64::from(seq.wrapping_sub(base) as i32))
    }

    /// Enter a state.
    pub(super) fn enter(&mut self, state: EndState) {
        if state != self.state {
            self.previous = self.state;
            self.state = state;
        }
    }

    /// Set up the numbers from a segment of this end, where they are unknown or proved wrong.
    pub(super) fn begin(&mut self, seg: &Segment) {
        use EndState::{Established, Inactive, Partial, Reset, SynAckSent, SynSent};
        let anew = match self.state {
            Inactive => true,
            SynSent | SynAckSent | Established | Partial => seg.syn() && seg.seq != self.start,
            // The RST that set them up may have been forged.
            Reset => seg.syn() && self.previous == Inactive,
            EndState::Closed => false,
        };
        if !anew {
            return;
        }
        if seg.syn() {
            self.start = seg.seq;
            self.last = seg.length();
        } else {
            self.start = seg.seq.wrapping_sub(1);
            self.last = 1; // so that the first segment is not taken for a repetition
        }
        self.acked = 0;
        self.next = 1;
    }

    /// Set up the numbers of an end that was not seen yet from what the other one acknowledges.
    pub(super) fn begin_from_ack(&mut self, ack: u32) {
        self.start = ack.wrapping_sub(1);
        self.last = 0;
        self.acked = 0;
        self.next = 1;
    }

    /// A segment was sent. True when it lies wholly behind what was sent before: Zeek's idea of a retransmission.
    pub(super) fn sent(&mut self, seg: &Segment) -> bool {
        let after = seg.seq.wrapping_add(seg.length() as u32);
        let to = self.position(after, self.last);
        let ahead = to.saturating_sub(self.last);
        if (seg.syn() || seg.rst()) && ahead.abs() > TRUSTED_JUMP {
            return false;
        }
        if seg.fin() && self.last == 1 {
            // Only SYN and FIN were captured of a stream that may be longer than 2 GiB: the distance has no sign.
            let low = self.start.wrapping_add(1);
            self.last = self.last.saturating_add(i64::from(after.wrapping_sub(low)));
            return false;
        }
        if self.state == EndState::Reset {
            return false; // nothing that follows is to be trusted
        }
        if ahead > 0 {
            self.last = to;
            return false;
        }
        // A SYN with data was counted when it set up the numbers.
        seg.len > 0 && !seg.syn()
    }

    /// The other end acknowledged `ack`; its position, at least 0.
    pub(super) fn acknowledge(&mut self, ack: u32, trusted: bool) -> u64 {
        let to = self.position(ack, self.acked);
        let ahead = to.saturating_sub(self.acked);
        if to < 0 {
            return 0;
        }
        let broken = ack == 0 && ahead > TRUSTED_JUMP;
        if trusted && ahead > 0 && !broken {
            self.acked = to;
        }
        // An old connection of the same ports answers a new SYN with what it knows (RFC 9293 section 3.5.2): no bytes were lost.
        let stale = self.state == EndState::SynSent && self.last == 1 && ahead > TRUSTED_JUMP;
        if broken || stale { 0 } else { to.unsigned_abs() }
    }

    /// Was anything but the SYN acknowledged?
    fn data_acknowledged(&self) -> bool {
        self.acked > 1
    }

    /// Bytes by sequence space, as Zeek reports them.
    pub(super) fn stream_bytes(&self, peer: EndState) -> u64 {
        if self.previous == EndState::SynSent
            && self.state == EndState::Reset
            && peer == EndState::Inactive
            && self.data_acknowledged()
        {
            return 0; // a half-open connection was aborted; its numbers mislead
        }
        let size = self.last.max(self.acked).max(0).unsigned_abs();
        // Neither SYN nor FIN is a byte of the stream.
        size.saturating_sub(1).saturating_sub(u64::from(self.fin && size > 1))
    }

    /// Where the data ends if a FIN was seen: it has a number, but is no byte. The candidate nearest to `near`.
    pub(super) fn data_end(&self, near: u64) -> Option<u64> {
        self.fin.then(|| {
            let distance = self.last_fin.wrapping_sub(near as u32) as i32;
            near.saturating_add_signed(i64::from(distance))
        })
    }

    /// Established, or closed in order after it was.
    pub(super) fn is_clean(&self) -> bool {
        self.state == EndState::Established
            || (self.state == EndState::Closed && self.previous == EndState::Established)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::tcp::{FIN, SYN};

    fn seg(flags: u8, seq: u32, len: u32) -> Segment {
        Segment { seq, ack: 0, flags, window: 1000, len }
    }

    #[test]
    fn positions_pass_the_wrap_of_sequence_numbers() {
        let mut h = Half::default();
        h.begin(&seg(SYN, u32::MAX - 1, 0));
        assert_eq!(h.position(u32::MAX, h.last), 1);
        assert!(!h.sent(&seg(0, u32::MAX, 10)));
        assert_eq!((h.last, h.position(3, h.last)), (11, 5));
        assert!(h.sent(&seg(0, u32::MAX, 5)), "behind what was sent");
        assert_eq!(h.stream_bytes(EndState::Established), 10);
    }

    #[test]
    fn a_stream_of_which_only_syn_and_fin_were_seen_has_its_length() {
        let mut h = Half::default();
        h.begin(&seg(SYN, 100, 0));
        h.fin = true;
        assert!(!h.sent(&seg(FIN, 101u32.wrapping_add(3_000_000_000), 0)));
        assert_eq!(h.stream_bytes(EndState::Established), 3_000_000_000);
    }

    #[test]
    fn acknowledgements_of_nonsense_do_not_count() {
        let mut h = Half::default();
        h.begin(&seg(SYN, 5_000_000, 0));
        assert_eq!(h.acknowledge(5_000_011, true), 11);
        assert_eq!((h.acknowledge(4_999_000, true), h.acked), (0, 11));
        h.start = u32::MAX - 5_000_000;
        assert_eq!((h.acknowledge(0, true), h.acked), (0, 11));
    }

    #[test]
    fn an_old_connection_that_answers_a_syn_acknowledges_no_bytes() {
        let mut h = Half::default();
        h.begin(&seg(SYN, 1_052_395_176, 0));
        h.enter(EndState::SynSent);
        assert_eq!(h.acknowledge(1_839_827_390, true), 0);
        assert_eq!(h.acknowledge(1_052_395_177, true), 1);
    }
}
